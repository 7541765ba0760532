"""Feishu's group robot (飞书自定义机器人): signed text or a card with a button, with people mentioned by their open id.

Knows neither rules nor the outbox. HTTP 200 says nothing here: only `code` 0 is a delivery.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence

from pydantic import SecretStr

from monitor.directory import NOBODY, Contacts, Reach, known, unmentioned
from monitor.message_facts import NONE, Quantities, drill
from monitor.plain_words import cut, disarm
from monitor.posting import Address, Codes, Poster, as_json, judge_code
from monitor.vocabulary import ACKNOWLEDGE
from monitor.wording import asks, invitation, pages, text, title
from rules.model import SECOND, Kind, Micros, Push

PER_MINUTE = 100
LIMIT_BYTES = 9_000
"""Of text. Feishu takes 20 KB of body, and JSON may double a text of quotation marks."""
CODES = Codes(
    # Older hooks answer StatusCode.
    fields=("code", "StatusCode"),
    # Empty: 9499 is answered to a bad request and to too many of them alike.
    malformed=frozenset(),
    too_fast=frozenset({11232}),
    pause=5.0,
)
CARD_BYTES = 6_000
TITLE_BYTES = 300
_COLOURS = {Kind.FIRE: "red", Kind.PREALARM: "orange", Kind.SUPERVISORY: "yellow", Kind.FAULT: "grey"}
"""Of a card's head; an exercise is blue, whatever it plays."""
_USER = re.compile(r"(?:all|ou_[0-9A-Za-z_-]{1,64})")
_FULL_WIDTH = str.maketrans("<>", "＜＞")


class Feishu:
    """One robot in one group."""

    def __init__(
        self,
        name: str,
        poster: Poster,
        token: SecretStr,
        secret: SecretStr | None = None,
        *,
        users: Sequence[str] = (),
        keyword: str = "",
        style: str = "text",
        contacts: Contacts = NOBODY,
        link: Callable[[Push], str] = lambda _: "",
        quantities: Quantities = NONE,
        base_url: str = "https://open.feishu.cn",
        now: Callable[[], Micros] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`token` is the last part of the hook's address; `users` are open ids (`ou_…`) or `all`; `style`: text or card.

        `link` gives the address by which a push is acknowledged, or nothing; a card without one is sent as text.
        """
        if style not in ("text", "card"):
            raise ValueError("style is 'text' or 'card'")
        for user in users:
            if not _USER.fullmatch(user):
                raise ValueError("users are open ids (ou_…) or 'all'; Feishu's robots cannot mention mobile numbers")
        secrets = (token,) if secret is None else (token, secret)
        self.name = name
        self._poster = poster
        self._secret = secret
        url = f"{base_url.rstrip('/')}/open-apis/bot/v2/hook/{token.get_secret_value()}"
        self._address = Address(url, secrets=secrets, secret_path=False)
        self._users = tuple(users)
        self._keyword = keyword
        self._style = style
        self._contacts = contacts
        self._link = link
        self._quantities = quantities
        self._now = now

    async def send(self, push: Push, *, attempt: int) -> str:
        """Deliver once. The robot has no idempotency key: an attempt that timed out may be shown twice."""
        users, link = self._mentioned(push), self._link(push) if asks(push) else ""
        message = self._message(push, users, link)
        if self._secret is not None:
            moment = self._now() // SECOND
            message |= {"timestamp": str(moment), "sign": signature(moment, self._secret)}
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "wanglou"}
        answer = await self._address.post(self._poster, as_json(message), headers)
        reply = judge_code(answer, self._address.shown(answer, link), CODES)
        return reply + unmentioned(push, Reach.FEISHU) if push.to and pages(push) and not users else reply

    async def check(self) -> str:
        """Reach the host. Token and signature cannot be verified without writing into the group."""
        return f"{await self._address.reach()}; token, signature and keyword are verified only by a real message"

    async def aclose(self) -> None:
        """Nothing of its own is open; the connections belong to the poster."""

    def _mentioned(self, push: Push) -> tuple[str, ...]:
        if not pages(push):
            return ()
        if not push.to:
            return self._users
        match known(push, self._contacts, Reach.FEISHU):
            case (_, user) if _USER.fullmatch(user):
                return (user,)
        return ()

    def _message(self, push: Push, users: tuple[str, ...], link: str) -> dict[str, object]:
        if self._style == "card" and link:
            return {"msg_type": "interactive", "card": self._card(push, users, link)}
        return {"msg_type": "text", "content": {"text": self._words(push, users, link)}}

    def _words(self, push: Push, users: tuple[str, ...], link: str) -> str:
        tail = "".join(f'<at user_id="{user}"></at>' for user in users)
        tail += f"\n{invitation(link)}" if link else ""
        tail += f"\n{self._keyword}" if self._keyword else ""
        # Tags are live in Feishu's plain text: a device called <at user_id="all"> would wake the whole company. The
        # full-width signs take three bytes for one, so the limit is kept after the exchange.
        words = text(push, quantities=self._quantities).translate(_FULL_WIDTH)
        room = LIMIT_BYTES - len(tail.encode())
        return f"{cut(words, room)}\n{tail.strip()}".strip()

    def _card(self, push: Push, users: tuple[str, ...], link: str) -> dict[str, object]:
        tail = "".join(f"<at id={user}></at>" for user in users) + (f"\n{self._keyword}" if self._keyword else "")
        # Line by line, for Feishu's Markdown has neither headings nor quotations; no sign of a name is live in it.
        lines = "\n".join(disarm(line) for line in text(push, quantities=self._quantities).splitlines())
        words = f"{cut(lines, CARD_BYTES)}\n{tail}".strip()
        button = {
            "tag": "button",
            "text": {"tag": "plain_text", "content": " ".join(ACKNOWLEDGE)},
            "type": "primary",
            "url": link,
        }
        return {
            "config": {"wide_screen_mode": True},
            "header": {
                "title": {"tag": "plain_text", "content": cut(title(push), TITLE_BYTES)},
                "template": "blue" if drill(push) else _COLOURS[push.kind],
            },
            "elements": [
                {"tag": "div", "text": {"tag": "lark_md", "content": words}},
                {"tag": "action", "actions": [button]},
            ],
        }


def signature(moment: int, secret: SecretStr) -> str:
    """base64(HMAC-SHA256("s\\nsecret", "")), with `moment` in seconds: DingTalk has it the other way round."""
    key = f"{moment}\n{secret.get_secret_value()}".encode()
    return base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
