"""Short messages and telephone calls to one person, over an HTTP gateway.

Knows neither rules nor the outbox, and no provider: what a request must be is the gateway's business. The number is looked up by
the person's key; it appears in no answer that is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import SecretStr

from monitor.brevity import blanks
from monitor.directory import NOBODY, Contacts, Reach, address_of
from monitor.gateways import Gateway
from monitor.message_facts import name_of
from monitor.posting import Poster, judge, judge_code
from monitor.wording import asks, pages
from rules.model import Push


class HttpGateway:
    """One gateway for one purpose."""

    def __init__(
        self,
        name: str,
        poster: Poster,
        gateway: Gateway,
        *,
        voice: bool,
        contacts: Contacts = NOBODY,
        mobile: SecretStr | None = None,
        english: bool = False,
        link: Callable[[Push], str] = lambda _: "",
    ) -> None:
        """`voice`: the words are read aloud; `mobile` is rung for pushes that are for no one person (the duty telephone)."""
        self.name = name
        self._poster = poster
        self._gateway = gateway
        self._voice = voice
        self._contacts = contacts
        self._mobile = mobile
        self._english = english
        self._link = link

    async def send(self, push: Push, *, attempt: int) -> str:
        """Ask the gateway once. An attempt whose answer was lost may ring twice: gateways know no idempotency."""
        if not pages(push) and not self._gateway.tells_news:
            return "not sent: the template says neither {asked} nor {text}, so news would read like a call"
        mobile = self._number(push)
        link = self._link(push) if asks(push) else ""
        words = blanks(push, voice=self._voice, english=self._english, link=link)
        who = name_of(push, 1 if self._english else 0)
        request = self._gateway.request({**words, "mobile": mobile, "name": who})
        address = self._gateway.address
        answer = await address.post(
            self._poster, request.body, request.headers, query=request.query, method=request.method
        )
        shown = address.shown(answer, mobile, mobile.removeprefix("+86"), link)
        if self._gateway.codes is None:
            judge(answer, shown)
            return shown
        return judge_code(answer, shown, self._gateway.codes)

    async def check(self) -> str:
        """Reach the host. Account, template and balance cannot be verified without a message that costs money and wakes somebody."""
        reached = await self._gateway.address.reach()
        return f"{reached}; account, template and balance are verified only by a real message"

    async def aclose(self) -> None:
        """Nothing of its own is open; the connections belong to the poster."""

    def _number(self, push: Push) -> str:
        if not push.to and self._mobile is not None:
            return self._mobile.get_secret_value()
        return address_of(push, self._contacts, Reach.MOBILE)
