"""From a topic and its bytes to quantities: one file per payload family, one registry.

A decoder is a pure function; it knows neither the site nor the time of day. What it cannot read it says, field by field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from rules.model import Micros, Value


class Fault(NamedTuple):
    """One field that could not be used."""

    reason: str
    """Short class: `unknown-quantity`, `wrong-type`, `out-of-range`, `clock`, …"""
    detail: str
    """One sentence with the field's name and the remedy."""


class Decoded(NamedTuple):
    """What a message says."""

    device: str
    """`site/device`"""
    values: Mapping[str, Value]
    measured_at: Micros | None = None
    id: str | None = None
    faults: tuple[Fault, ...] = ()
    exercise: str = ""
    """The drill that it was made up for."""


class Undecodable(Exception):
    """Nothing of the message can be used."""

    def __init__(self, reason: str, detail: str, device: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.device = device


Decoder: TypeAlias = Callable[[str, bytes], Decoded | None]
"""(topic, payload) → what it says; None when the message is our own word. Raises Undecodable."""
