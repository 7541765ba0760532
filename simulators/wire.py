"""The house's wire as a device speaks and hears it: topics and payloads (docs/wire-format.md). Knows no device's inside and no broker.

Encoders of their own: the daemon's decoders are proved by something that does not share their mistakes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class Frame(NamedTuple):
    """One message; `at_ms` counts from the beginning of the feed."""

    at_ms: int
    topic: str
    payload: bytes
    retain: bool = False


def reading(at_ms: int, site: str, device: str, values: Mapping[str, float | bool | str]) -> Frame:
    """What a device measured. No time of its own: the feed is the same whenever it is played. Raises ValueError for NaN."""
    return Frame(at_ms, f"wl/{site}/{device}/up", _compact(dict(values)).encode())


class Order(NamedTuple):
    """What a device is told on its `down` topic."""

    device: str
    command: str
    id: str
    expires_ms: int
    """Milliseconds since 1970."""


def order(topic: str, payload: bytes) -> Order | None:
    """A command as a careful device reads it; None for what is none."""
    parts = topic.split("/")
    try:
        said = json.loads(payload)
        expires = datetime.fromisoformat(said["expires_at"])
        if len(parts) == 4 and parts[3] == "down" and expires.tzinfo is not None:
            return Order(parts[2], str(said["command"]), str(said["id"]), int(expires.timestamp() * 1000))
    except (ValueError, KeyError, TypeError):
        return None
    return None


def status(at_ms: int, site: str, device: str, *, online: bool) -> Frame:
    """That a device is there, or is not: retained."""
    return Frame(at_ms, f"wl/{site}/{device}/status", b"online" if online else b"offline", True)
