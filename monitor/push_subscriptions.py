"""Which browsers want to be told of incidents: a small file in the data folder, written whole and safely at each change.

Knows no browser, no page and no channel. An endpoint is a capability: whoever has it can ring that phone; so the file is ours alone,
and an endpoint is shown nowhere.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

PER_PERSON = 10
"""Browsers of one person; the oldest goes when another comes."""
AT_MOST = 5_000
ENDPOINT_CHARACTERS = 1_000
SERVICES = (
    "fcm.googleapis.com",
    "push.services.mozilla.com",
    "push.apple.com",
    "notify.windows.com",
)
"""Push services of the browsers, with all below them. Others are refused: an endpoint is an address that we would post to."""


class Refused(ValueError):
    """A subscription that is not kept; the message says why, without the endpoint."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One browser of one person, as the Push API of the browser describes it."""

    person: str
    """The person's key; empty for a screen that belongs to nobody."""
    endpoint: str = field(repr=False)
    p256dh: str = field(repr=False)
    """The browser's public key: 65 bytes, an uncompressed point of P-256, as base64url."""
    auth: str = field(repr=False)
    """16 secret bytes as base64url."""


@dataclass(frozen=True, slots=True)
class PushDesk:
    """What a page needs to subscribe its browser: the key to trust, whom browsers may belong to, and where they are kept."""

    public_key: str
    """The channel's, as `pushManager.subscribe` wants it: base64url of 65 bytes."""
    people: frozenset[str]
    """Keys of persons that may have browsers."""
    subscriptions: PushSubscriptions


class PushSubscriptions:
    """All of them, in memory and in the file. Belongs to one event loop."""

    def __init__(self, file: Path, services: Iterable[str] = SERVICES) -> None:
        """Reads the file if there is one. Raises ValueError when it holds something else, OSError when it cannot be read."""
        self._file = file
        self._services = tuple(services)
        self._kept: dict[str, Subscription] = {}
        self._writing = asyncio.Lock()
        if file.exists():
            self._kept = {s.endpoint: s for s in _read(file)}

    def of(self, person: str) -> list[Subscription]:
        """The browsers of one person, oldest first; those of nobody for an empty key."""
        return [s for s in self._kept.values() if s.person == person]

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def hosts(self) -> list[str]:
        """Push services in use."""
        return sorted({urlsplit(s.endpoint).netloc for s in self._kept.values()})

    async def add(self, subscription: Subscription) -> None:
        """Keep it; one with the same endpoint is replaced. Raises Refused for what no browser says, and when there are too many."""
        check(subscription, self._services)
        self._kept.pop(subscription.endpoint, None)
        own = self.of(subscription.person)
        if len(own) < PER_PERSON and len(self._kept) >= AT_MOST:
            raise Refused("too many browsers are subscribed; remove some first")
        for oldest in own[: max(0, len(own) - PER_PERSON + 1)]:
            del self._kept[oldest.endpoint]
        self._kept[subscription.endpoint] = subscription
        await self._write()

    async def drop(self, endpoint: str) -> Subscription | None:
        """Forget it; what it was, if it was there."""
        known = self._kept.pop(endpoint, None)
        if known is not None:
            await self._write()
        return known

    async def _write(self) -> None:
        async with self._writing:
            entries = [asdict(s) for s in self._kept.values()]
            await asyncio.to_thread(_replace, self._file, json.dumps(entries, indent=1).encode())


def check(subscription: Subscription, services: Iterable[str] = SERVICES) -> None:
    """Raises Refused unless it is a browser's own, at a known push service."""
    try:
        parts = urlsplit(subscription.endpoint)
        host = parts.hostname or ""
    except ValueError:
        raise Refused("the endpoint is not an address") from None
    if len(subscription.endpoint) > ENDPOINT_CHARACTERS:
        raise Refused("the endpoint is too long")
    if not any(host == known or host.endswith(f".{known}") for known in services):
        raise Refused("the endpoint is at none of the known push services; add its host under services of the channel")
    if parts.scheme != "https" and host != "127.0.0.1":
        raise Refused("the endpoint is not https")
    key = _bytes(subscription.p256dh)
    if len(key) != 65 or key[0] != 4:
        raise Refused("p256dh is not a public key of a browser")
    if len(_bytes(subscription.auth)) != 16:
        raise Refused("auth is not 16 bytes")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _read(file: Path) -> list[Subscription]:
    try:
        entries = json.loads(file.read_bytes())
        return [Subscription(**{name: str(entry[name]) for name in Subscription.__slots__}) for entry in entries]
    except (ValueError, TypeError, KeyError):
        raise ValueError(
            f"{file.name} is not a list of push subscriptions: move it away, and browsers subscribe again"
        ) from None


def _replace(file: Path, content: bytes) -> None:
    """Whole or not at all, readable by us alone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)
    with contextlib.suppress(OSError):
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
