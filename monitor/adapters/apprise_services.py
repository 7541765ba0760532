"""The long tail: any of the services that apprise knows, by its kind of address (`ntfy://…`, `bark://…`, `pover://…`).

Knows neither rules nor the outbox. Apprise says whether a message was taken and nothing else: many of its services count every
HTTP 200 as a delivery. So every answer says that it was accepted and not confirmed, nothing is ever blamed on the message, and this
is never the only way to reach somebody. Needs the extra `apprise`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from pydantic import SecretStr

from monitor.message_facts import NONE, Quantities
from monitor.ports import TryAgain
from monitor.wording import asks, invitation, text, title
from rules.model import Push

SUBJECT_BYTES = 200
LIMIT_BYTES = 2_000


class AppriseService:
    """One address of one service."""

    def __init__(
        self,
        name: str,
        url: SecretStr,
        *,
        quantities: Quantities = NONE,
        link: Callable[[Push], str] = lambda _: "",
    ) -> None:
        """Raises ImportError without the extra, ValueError (without the address) when apprise does not know its kind."""
        import apprise

        # It logs addresses, which are passwords.
        logging.getLogger("apprise").disabled = True
        self.name = name
        self._services: Any = apprise.Apprise()
        if not self._services.add(url.get_secret_value()):
            raise ValueError("not an address that apprise knows: see its list of services")
        self._quantities = quantities
        self._link = link

    async def send(self, push: Push, *, attempt: int) -> str:
        """Hand it over, in a thread: apprise blocks. An attempt that timed out may still arrive, and so be shown twice."""
        words = text(push, quantities=self._quantities, limit=LIMIT_BYTES)
        line = invitation(self._link(push) if asks(push) else "")
        body = f"{words}\n\n{line}" if line else words
        if not await asyncio.to_thread(self._notify, title(push, limit=SUBJECT_BYTES), body):
            raise TryAgain("apprise did not deliver it, and does not say why")
        return "accepted, not confirmed: apprise does not pass on what the service answered"

    async def check(self) -> str:
        """Apprise knows no way to look without writing."""
        return "the address is of a kind that apprise knows; that it works is seen at the first message"

    async def aclose(self) -> None:
        """Nothing is kept open."""

    def _notify(self, subject: str, body: str) -> bool:
        try:
            return bool(self._services.notify(title=subject, body=body, body_format="text", notify_type="failure"))
        except Exception:  # noqa: BLE001 - a hundred plug-ins, each with its own exceptions, which may hold the address
            return False
