"""DingTalk's group robot (钉钉自定义机器人): text, Markdown or a card with a button, signed; mentions people by mobile number.

Knows neither rules nor the outbox. HTTP 200 says nothing here: only `errcode` 0 is a delivery.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pydantic import SecretStr

from monitor.directory import NOBODY, Contacts, Reach, known, unmentioned
from monitor.message_facts import NONE, Quantities
from monitor.plain_words import cut
from monitor.posting import Address, Codes, Poster, as_json, judge_code
from monitor.vocabulary import ACKNOWLEDGE
from monitor.wording import asks, invitation, markdown, pages, text, title
from rules.model import Micros, Push

PER_MINUTE = 20
"""Messages a minute that a robot may send; beyond them it is muted for ten minutes."""
LIMIT_BYTES = 9_000
"""Of text. DingTalk takes 20,000 bytes of body, and JSON may double a text of quotation marks."""
TITLE_BYTES = 200
CODES = Codes(
    fields=("errcode",),
    # Parameter, message type, forbidden content.
    malformed=frozenset({40035, 400105, 430101, 430102, 430103, 430104}),
    too_fast=frozenset({130101, 410100}),
    pause=60.0,
)
"""From the vendor's documents, not tried against the real robot; what is missing here is tried again."""

_REACHES = (Reach.MOBILE, Reach.DINGTALK)


class DingTalk:
    """One robot in one group."""

    def __init__(
        self,
        name: str,
        poster: Poster,
        token: SecretStr,
        secret: SecretStr | None = None,
        *,
        mobiles: Sequence[str] = (),
        at_all: bool = False,
        style: str = "text",
        keyword: str = "",
        contacts: Contacts = NOBODY,
        link: Callable[[Push], str] = lambda _: "",
        quantities: Quantities = NONE,
        base_url: str = "https://oapi.dingtalk.com",
        now: Callable[[], Micros] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`secret` for robots with 加签; `keyword` is appended for those that demand one; `style`: text, markdown or card.

        `link` gives the address by which a push is acknowledged, or nothing; a card without one is sent as text.
        """
        if style not in ("text", "markdown", "card"):
            raise ValueError("style is 'text', 'markdown' or 'card'")
        secrets = (token,) if secret is None else (token, secret)
        self.name = name
        self._poster = poster
        self._token = token
        self._secret = secret
        self._address = Address(f"{base_url.rstrip('/')}/robot/send", secrets=secrets, secret_path=False)
        self._mobiles = tuple(mobiles)
        self._at_all = at_all
        self._style = style
        self._keyword = keyword
        self._contacts = contacts
        self._link = link
        self._quantities = quantities
        self._now = now

    async def send(self, push: Push, *, attempt: int) -> str:
        """Deliver once. The robot has no idempotency key: an attempt that timed out may be shown twice."""
        query = {"access_token": self._token.get_secret_value()}
        if self._secret is not None:
            moment = self._now() // 1000
            query |= {"timestamp": str(moment), "sign": signature(moment, self._secret)}
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "wanglou"}
        mention, link = self._mention(push), self._link(push) if asks(push) else ""
        body = as_json(self._message(push, mention, link))
        answer = await self._address.post(self._poster, body, headers, query=query)
        reply = judge_code(answer, self._address.shown(answer, *mention.mobiles, *mention.ids, link), CODES)
        missed = push.to and pages(push) and not (mention.mobiles or mention.ids)
        return reply + unmentioned(push, *_REACHES) if missed else reply

    async def check(self) -> str:
        """Reach the host. Token, signature and keyword cannot be verified without writing into the group."""
        reached = await self._address.reach()
        return f"{reached}; token, signature and keyword are verified only by a real message"

    async def aclose(self) -> None:
        """Nothing of its own is open; the connections belong to the poster."""

    def _mention(self, push: Push) -> _Mention:
        if not pages(push):
            return _Mention((), (), at_all=False)
        if not push.to:
            return _Mention(self._mobiles, (), at_all=self._at_all)
        match known(push, self._contacts, *_REACHES):
            case (Reach.MOBILE, mobile):
                return _Mention((mobile.removeprefix("+86"),), (), at_all=False)
            case (_, user):
                return _Mention((), (user,), at_all=False)
        return _Mention((), (), at_all=False)

    def _message(self, push: Push, mention: _Mention, link: str) -> dict[str, object]:
        card = self._style == "card" and link
        # A mention works only if the text names the number too. Kept out of the limit, or a long text would cut it off.
        tail = "".join(f" @{who}" for who in (*mention.mobiles, *mention.ids))
        tail += f"\n{invitation(link)}" if link and not card else ""
        tail += f"\n{self._keyword}" if self._keyword else ""
        room = LIMIT_BYTES - len(tail.encode())
        at: dict[str, object] = {"atMobiles": list(mention.mobiles), "isAtAll": mention.at_all}
        if mention.ids:
            at["atUserIds"] = list(mention.ids)
        if self._style == "markdown" or card:
            words = (markdown(push, quantities=self._quantities, limit=room) + "\n\n" + tail.strip()).strip()
            content = {"title": cut(title(push), TITLE_BYTES), "text": words}
            if card:
                button = {"singleTitle": " ".join(ACKNOWLEDGE), "singleURL": link}
                return {"msgtype": "actionCard", "actionCard": {**content, **button}, "at": at}
            return {"msgtype": "markdown", "markdown": content, "at": at}
        words = text(push, quantities=self._quantities, limit=room) + "\n" + tail.strip()
        return {"msgtype": "text", "text": {"content": words.strip()}, "at": at}


class _Mention(NamedTuple):
    mobiles: tuple[str, ...]
    ids: tuple[str, ...]
    at_all: bool


def signature(moment: int, secret: SecretStr) -> str:
    """base64(HMAC-SHA256(secret, "ms\\nsecret")); `moment` in milliseconds."""
    key = secret.get_secret_value()
    digest = hmac.new(key.encode(), f"{moment}\n{key}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
