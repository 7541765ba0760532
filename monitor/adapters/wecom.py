"""WeCom's group robot (企业微信群机器人): text with people mentioned by their mobile number, or Markdown without.

Knows neither rules nor the outbox. HTTP 200 says nothing here: only `errcode` 0 is a delivery.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from monitor.message_facts import NONE, Quantities
from monitor.posting import Address, Codes, Poster, as_json, judge_code
from monitor.wording import markdown, pages, text
from rules.model import Push

PER_MINUTE = 20
"""Messages a minute that a robot may send."""
TEXT_BYTES = 2_048
MARKDOWN_BYTES = 4_096
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
        quantities: Quantities = NONE,
        base_url: str = "https://qyapi.weixin.qq.com",
    ) -> None:
        """`style` is text or markdown. Raises ValueError for Markdown with mentions: WeCom drops them in silence."""
        if style not in ("text", "markdown"):
            raise ValueError("style is 'text' or 'markdown'")
        if style == "markdown" and (mobiles or at_all):
            raise ValueError("WeCom mentions nobody in Markdown: use style 'text', or leave out mobiles and at_all")
        self.name = name
        self._poster = poster
        self._key = key
        self._address = Address(f"{base_url.rstrip('/')}/cgi-bin/webhook/send", secrets=(key,), secret_path=False)
        self._mentioned = [*mobiles, "@all"] if at_all else list(mobiles)
        self._style = style
        self._quantities = quantities

    async def send(self, push: Push, *, attempt: int) -> str:
        """Deliver once. The robot has no idempotency key: an attempt that timed out may be shown twice."""
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "wanglou"}
        query = {"key": self._key.get_secret_value()}
        answer = await self._address.post(self._poster, as_json(self._message(push)), headers, query=query)
        return judge_code(answer, self._address.shown(answer), CODES)

    async def check(self) -> str:
        """Reach the host. The key cannot be verified without writing into the group."""
        return f"{await self._address.reach()}; the key is verified only by a real message"

    async def aclose(self) -> None:
        """Nothing of its own is open; the connections belong to the poster."""

    def _message(self, push: Push) -> dict[str, object]:
        if self._style == "markdown":
            words = markdown(push, quantities=self._quantities, limit=MARKDOWN_BYTES)
            return {"msgtype": "markdown", "markdown": {"content": words}}
        content: dict[str, object] = {"content": text(push, quantities=self._quantities, limit=TEXT_BYTES)}
        if self._mentioned and pages(push):
            content["mentioned_mobile_list"] = self._mentioned
        return {"msgtype": "text", "text": content}
