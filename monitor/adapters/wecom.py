"""WeCom's group robot (企业微信群机器人): text with people mentioned by their mobile number; Markdown or a card without.

Knows neither rules nor the outbox. HTTP 200 says nothing here: only `errcode` 0 is a delivery.

Cards and Markdown mention nobody by number. Where somebody must be mentioned, a card gives way to a text with the link in it: a
mention rings the telephone, a button does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import SecretStr

from monitor.directory import NOBODY, Contacts, Reach, known, unmentioned
from monitor.message_facts import NONE, Quantities, facts, headline
from monitor.plain_words import cut
from monitor.posting import Address, Codes, Poster, as_json, judge_code
from monitor.vocabulary import ACKNOWLEDGE
from monitor.wording import asks, invitation, markdown, pages, text
from rules.model import Push

PER_MINUTE = 20
"""Messages a minute that a robot may send."""
TEXT_BYTES = 2_048
MARKDOWN_BYTES = 4_096
CARD_BYTES = 480
"""Of a card's text: about 112 characters of Chinese and what stands between them; more is not shown."""
_REACHES = (Reach.MOBILE, Reach.WECOM)
CODES = Codes(
    fields=("errcode",),
    # Type, characters, parameter, empty, too long, not JSON.
    malformed=frozenset({40008, 40033, 40058, 44004, 45002, 47001}),
    too_fast=frozenset({45009, 45033}),
    pause=60.0,
)
"""From the vendor's documents, not tried against the real robot; what is missing here is tried again."""


class WeCom:
    """One robot in one group."""

    def __init__(
        self,
        name: str,
        poster: Poster,
        key: SecretStr,
        *,
        mobiles: Sequence[str] = (),
        at_all: bool = False,
        style: str = "text",
        contacts: Contacts = NOBODY,
        link: Callable[[Push], str] = lambda _: "",
        quantities: Quantities = NONE,
        base_url: str = "https://qyapi.weixin.qq.com",
    ) -> None:
        """`style` is text, markdown or card. Raises ValueError for Markdown with mentions: WeCom drops them in silence.

        `link` gives the address by which a push is acknowledged, or nothing; a card without one is sent as text.
        """
        if style not in ("text", "markdown", "card"):
            raise ValueError("style is 'text', 'markdown' or 'card'")
        if style == "markdown" and (mobiles or at_all):
            raise ValueError("WeCom mentions nobody in Markdown: use style 'text', or leave out mobiles and at_all")
        self.name = name
        self._poster = poster
        self._key = key
        self._address = Address(f"{base_url.rstrip('/')}/cgi-bin/webhook/send", secrets=(key,), secret_path=False)
        self._mentioned = [*mobiles, "@all"] if at_all else list(mobiles)
        self._style = style
        self._contacts = contacts
        self._link = link
        self._quantities = quantities

    async def send(self, push: Push, *, attempt: int) -> str:
        """Deliver once. The robot has no idempotency key: an attempt that timed out may be shown twice."""
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "wanglou"}
        query = {"key": self._key.get_secret_value()}
        mobiles, ids = self._mentions(push)
        link = self._link(push) if asks(push) else ""
        body = as_json(self._message(push, mobiles, ids, link))
        answer = await self._address.post(self._poster, body, headers, query=query)
        reply = judge_code(answer, self._address.shown(answer, *mobiles, *ids, link), CODES)
        missed = push.to and pages(push) and (self._style == "markdown" or not (mobiles or ids))
        return reply + unmentioned(push, *_REACHES) if missed else reply

    async def check(self) -> str:
        """Reach the host. The key cannot be verified without writing into the group."""
        return f"{await self._address.reach()}; the key is verified only by a real message"

    async def aclose(self) -> None:
        """Nothing of its own is open; the connections belong to the poster."""

    def _mentions(self, push: Push) -> tuple[list[str], list[str]]:
        """Mobile numbers and user ids."""
        if not pages(push):
            return [], []
        if not push.to:
            return self._mentioned, []
        match known(push, self._contacts, *_REACHES):
            case (Reach.MOBILE, mobile):
                return [mobile.removeprefix("+86")], []
            case (_, user):
                return [], [user]
        return [], []

    def _message(self, push: Push, mobiles: list[str], ids: list[str], link: str) -> dict[str, object]:
        tail = f"\n{invitation(link)}" if link else ""
        if self._style == "markdown":
            room = MARKDOWN_BYTES - len(tail.encode())
            return {
                "msgtype": "markdown",
                "markdown": {"content": markdown(push, quantities=self._quantities, limit=room) + tail},
            }
        if self._style == "card" and link and not (mobiles or ids):
            return {"msgtype": "template_card", "template_card": self._card(push, link)}
        room = TEXT_BYTES - len(tail.encode())
        content: dict[str, object] = {"content": text(push, quantities=self._quantities, limit=room) + tail}
        if mobiles:
            content["mentioned_mobile_list"] = mobiles
        if ids:
            content["mentioned_list"] = ids
        return {"msgtype": "text", "text": content}

    def _card(self, push: Push, link: str) -> dict[str, object]:
        lines = "\n".join(f"{name}：{value}" for name, value in facts(push, 0, self._quantities))
        return {
            "card_type": "text_notice",
            "source": {"desc": "望楼 Wanglou"},
            "main_title": {"title": cut(headline(push, 0), 120), "desc": cut(headline(push, 1), 150)},
            "sub_title_text": cut(lines, CARD_BYTES),
            "jump_list": [{"type": 1, "url": link, "title": " ".join(ACKNOWLEDGE)}],
            "card_action": {"type": 1, "url": link},
        }
