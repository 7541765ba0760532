"""Signed links: one that lets the person who was called answer with one tap, and one on a zone's wall that lets anybody report.

Knows no channel, no page and no place: a link names an incident and who was called, or a zone, and proves that we made it. Whoever
holds a link can do what it names and nothing else; the keys are made of the API's token, so a new token ends all of them.

    LinkError
    ├── BadLink        it was not made by this daemon, or not whole
    └── ExpiredLink    it was, too long ago
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from rules.model import HOUR, SECOND, Micros, Push

LASTING: Micros = 24 * HOUR
"""From the push on; a call that nobody answered in a day is answered at the desk."""
CALLS = frozenset(
    {
        "incident.dispatch",
        "incident.call",
        "incident.reinforce",
        "incident.warning",
        "incident.overdue",
        "incident.verify",
        "incident.flood",
    }
)
"""Pushes that ask somebody to come. News ask nothing, and those above (119) do not answer for the station."""
LONGEST = 1024
"""Characters of a token that are looked at."""
_SIGNATURE = 16
"""Bytes of the HMAC-SHA256 that are kept: RFC 2104 5 allows half, and a link in a text message should be short."""


class LinkError(Exception):
    """The link opens nothing. The message is one sentence for people, in both languages."""


class BadLink(LinkError):
    """Not one of ours, or not whole."""

    def __init__(self) -> None:
        super().__init__("链接无效或不完整。This link is not valid, or not whole.")


class ExpiredLink(LinkError):
    """One of ours, too old."""

    def __init__(self) -> None:
        super().__init__("链接已过期。This link has expired.")


class Call(NamedTuple):
    """What an answer link names."""

    incident: str
    step: str
    """The rung that called."""
    who: str
    """Key of the person who was called, or of the station."""
    person: bool
    """A person's own link, or one that a whole group was sent?"""
    until: Micros


class Links:
    """Makes and reads them. `secret` is the API's token; `epoch` is counted up to end the report links alone.

    Without `public_url` there are no links: it is the address under which phones reach this daemon.
    """

    def __init__(self, public_url: str | None, secret: bytes, now: Callable[[], Micros], *, epoch: int = 1) -> None:
        self._url = (public_url or "").rstrip("/")
        self._answers = hmac.digest(secret, b"wanglou answer link 1", "sha256")
        self._reports = hmac.digest(secret, b"wanglou report link 1", "sha256")
        self._now = now
        self._epoch = epoch

    def of(self, push: Push) -> str:
        """The address behind which the push is answered, the same on every attempt; "" when it asks for no answer."""
        if not self._url or push.body.get("type") not in CALLS:
            return ""
        station = push.body.get("station")
        who = push.to or (str(station["key"]) if isinstance(station, dict) else push.channel)
        claims: list[str | int] = [push.incident, push.step, who, int(bool(push.to)), (push.at + LASTING) // SECOND]
        return f"{self._url}/a/{_signed(claims, self._answers)}"

    def read(self, token: str) -> Call:
        """What an answer link names. Raises BadLink, ExpiredLink."""
        claims = _opened(token, self._answers)
        call = Call(claims[0], claims[1], claims[2], bool(claims[3]), claims[4] * SECOND)
        if call.until <= self._now():
            raise ExpiredLink
        return call

    def report_of(self, zone: str) -> str:
        """The address behind which anybody reports what they see in a zone; "" without `public_url`. It lasts."""
        return f"{self._url}/r/{_signed([zone, self._epoch], self._reports)}" if self._url else ""

    def read_report(self, token: str) -> str:
        """The zone that a report link names. Raises BadLink, ExpiredLink (its epoch is over)."""
        zone, epoch = _opened(token, self._reports)
        if epoch != self._epoch:
            raise ExpiredLink
        return str(zone)


def _signed(claims: list[str | int], key: bytes) -> str:
    text = json.dumps(claims, ensure_ascii=False, separators=(",", ":")).encode()
    signature = hmac.digest(key, text, "sha256")[:_SIGNATURE]
    return base64.urlsafe_b64encode(signature + text).decode().rstrip("=")


def _opened(token: str, key: bytes) -> list[Any]:
    """The claims, as we once wrote them: what bears our signature has our shape."""
    try:
        raw = base64.b64decode(token[:LONGEST] + "=" * (-len(token[:LONGEST]) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadLink from None
    signature, text = raw[:_SIGNATURE], raw[_SIGNATURE:]
    if not hmac.compare_digest(signature, hmac.digest(key, text, "sha256")[:_SIGNATURE]):
        raise BadLink
    claims: list[Any] = json.loads(text)
    return claims
