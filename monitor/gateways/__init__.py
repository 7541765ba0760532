"""Gateways of telephony: what one request must be so that a short message is sent or a telephone rings.

Knows no push and no network: each gateway turns the words that are already there, and a number, into one signed request, and says
by which codes its answers are judged. The channel of monitor/adapters/http_gateway.py carries it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from monitor.posting import Address, Codes


class Request(NamedTuple):
    """One request, ready to be sent to the gateway's address."""

    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str] | None = None
    method: str = "POST"


class Gateway(Protocol):
    """One account at one provider."""

    @property
    def address(self) -> Address:
        """Where requests go; it hides the account's secrets in answers."""

    @property
    def codes(self) -> Codes | None:
        """How its answers are judged; None: by the HTTP status alone."""

    @property
    def tells_news(self) -> bool:
        """Can it say that somebody has come, and not only that somebody must?"""

    def request(self, blanks: Mapping[str, str]) -> Request:
        """`blanks` as of monitor/brevity.py, with `mobile` and `name`. A new signature on every call."""


def international(mobile: str) -> str:
    """`+8613800000000`: numbers without a country are China's."""
    return mobile if mobile.startswith("+") else f"+86{mobile}"


def domestic(mobile: str) -> str:
    """`13800000000`; of other countries with 00 and the country's code."""
    return mobile.removeprefix("+86") if mobile.startswith("+86") else mobile.replace("+", "00", 1)
