"""What an explanation of a rule at one place says: plain values for the terminal, the API and the tests of rules.

Knows neither engine nor conditions; explain.py makes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rules.model import AlarmState, Freshness, Kind, Micros, Text, Value

Verdict: TypeAlias = Literal["true", "false", "unknown"]


class UnknownRule(Exception):
    """There is no such rule in the book in force."""


class UnknownSubject(Exception):
    """There is no such device or zone. The text says what the rule is about."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a condition, what it comes to, and what it is made of."""

    text: str
    value: Value | None
    """None: unknown."""
    parts: tuple[Part, ...] = ()
    subject: str = ""
    """The device that is asked, where a zone asks each of its own."""

    @property
    def verdict(self) -> Verdict:
        """Of a condition."""
        return verdict_of(self.value)

    def walk(self) -> Iterator[Part]:
        """Itself and all parts of it."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True, slots=True)
class Measured:
    """A quantity that the rule asks for, at one device."""

    device: str
    quantity: str
    unit: str
    value: Value | None
    """None: never reported."""
    at: Micros | None
    """When it came; None where only the device's newest word is known to be not older than this."""
    device_at: Micros | None
    """The device's newest word; None: never heard."""
    freshness: Freshness | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a rule is or is not firing at a subject, at a moment."""

    rule: str
    kind: Kind
    title: Text
    subject: str
    at: Micros
    applies: bool
    """Does the rule watch this device, or any device of this zone?"""
    state: AlarmState
    incident: str
    when: Part
    where: Part | None
    clear: Part | None
    hold: Micros
    clear_for: Micros
    latch: bool
    due: Micros | None
    """When the running hold (pending) or clear hold (clearing) is over."""
    measured: tuple[Measured, ...]
    missing: tuple[str, ...]
    """Attributes that the rule asks for and the site file does not give here, `device.rated_current`."""
    sentences: tuple[Text, ...]
    """The answer in words."""

    @property
    def verdict(self) -> Verdict:
        """Of the condition."""
        return self.when.verdict


def verdict_of(value: Value | None) -> Verdict:
    """Anything but true and false is unknown to a condition."""
    return "true" if value is True else "false" if value is False else "unknown"
