"""Alarms that are kept from paging for a while: shelved, in test, under a works permit; and impaired zones (ISA-18.2, NFPA 25).

Suppression is never silence: the alarm is raised, written and shown with who, why and until when; only the push is withheld. A fire
cannot be shelved. Everything ends by itself. Knows no incident, no rule and no timer: the engine asks, and is told when each one ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from rules.model import DAY, HOUR, SECOND, Kind, Measure, Micros, Restore, Suppress, Suppression, SuppressionChanged

LONGEST: Mapping[Measure, Micros] = {
    Measure.SHELVED: 12 * HOUR,
    Measure.TEST: 12 * HOUR,
    Measure.WORKS: 24 * HOUR,
    Measure.DRILL: 4 * HOUR,
    Measure.IMPAIRED: 30 * DAY,
}
_WITHHOLDS: Mapping[Measure, frozenset[Kind]] = {
    Measure.SHELVED: frozenset({Kind.SUPERVISORY, Kind.FAULT}),
    Measure.TEST: frozenset(Kind),
    Measure.WORKS: frozenset({Kind.PREALARM, Kind.SUPERVISORY}),
    Measure.DRILL: frozenset(),
    Measure.IMPAIRED: frozenset(),
}
DRILLS_REMEMBERED = 100
"""Drills that are over and whose messages may still be on their way."""
STRAGGLING: Micros = 10 * SECOND
"""What was made up for a drill so long after its end was still sent for it: the clocks and the broker have that much time."""


class Suppressions:
    """The measures in force. Asking costs O(measures at the device and its zone)."""

    def __init__(self) -> None:
        self._by_subject: dict[str, dict[str, Suppression]] = {}
        self._by_id: dict[str, Suppression] = {}
        self._drilled: dict[str, Suppression] = {}
        self.serial = 0

    def __bool__(self) -> bool:
        return bool(self._by_id)

    def __iter__(self) -> Iterator[Suppression]:
        return iter(self._by_id.values())

    def get(self, suppression: str) -> Suppression | None:
        """One in force."""
        return self._by_id.get(suppression)

    def add(self, order: Suppress) -> Suppression:
        """In force from now on; `Engine` has refused what is not allowed."""
        self.serial += 1
        new = Suppression(
            f"sup-{self.serial:06d}", order.measure, order.subject, order.rule, order.by, order.why, order.at, order.until,
            order.compensation,
        )  # fmt: skip
        self._enter(new)
        return new

    def remove(self, suppression: str) -> Suppression:
        """No longer in force. Raises KeyError."""
        gone = self._by_id.pop(suppression)
        here = self._by_subject[gone.subject]
        del here[gone.id]
        if not here:
            del self._by_subject[gone.subject]
        return gone

    def ended(self, drill: Suppression) -> None:
        """A drill is over; what was made up for it and is still on its way is remembered to be nothing."""
        self._drilled[drill.id] = drill
        if len(self._drilled) > DRILLS_REMEMBERED:
            del self._drilled[next(iter(self._drilled))]

    def straggles(self, drill: str, subjects: tuple[str, ...], moment: Micros) -> bool:
        """Was a message of that moment, marked as a drill's at one of these places, made up for a drill that is over by now?"""
        known = self._drilled.get(drill)
        if known is None or known.ended_at is None:
            return False
        return known.subject in subjects and moment <= known.ended_at + STRAGGLING

    def of(self, rule: str, kind: Kind, *subjects: str) -> Suppression | None:
        """The measure that keeps an alarm of this rule and kind at one of these places from paging, the oldest first."""
        for subject in subjects:
            for found in self._by_subject.get(subject, {}).values():
                if kind in _WITHHOLDS[found.measure] and found.rule in ("", rule):
                    return found
        return None

    def at(self, subject: str, measure: Measure) -> Suppression | None:
        """The measure of this sort at a device or zone."""
        return next((s for s in self._by_subject.get(subject, {}).values() if s.measure is measure), None)

    def all(self, measure: Measure) -> list[Suppression]:
        """Those of a sort, the oldest first; O(measures in force)."""
        return [s for s in self._by_id.values() if s.measure is measure]

    def snapshot(self) -> list[Any]:
        """Plain values."""
        return [self.serial, [to_plain(s) for s in self._by_id.values()], [to_plain(s) for s in self._drilled.values()]]

    def restore(self, data: list[Any]) -> None:
        """The inverse."""
        self.serial = data[0]
        for plain in data[1]:
            self._enter(from_plain(plain))
        # A snapshot of an earlier version does not know of drills that are over.
        self._drilled = {plain["id"]: from_plain(plain) for plain in (data[2] if len(data) > 2 else ())}

    def _enter(self, new: Suppression) -> None:
        self._by_id[new.id] = new
        self._by_subject.setdefault(new.subject, {})[new.id] = new


def to_plain(suppression: Suppression) -> dict[str, Any]:
    """JSON values, every field kept."""
    return {f.name: getattr(suppression, f.name) for f in fields(suppression)} | {"measure": suppression.measure.value}


def from_plain(data: Mapping[str, Any]) -> Suppression:
    """The inverse of `to_plain`."""
    return Suppression(**{**data, "measure": Measure(data["measure"])})


def mistake(order: Suppress, kind_of_rule: Kind | None) -> str:
    """Why a measure cannot be taken, in Chinese and English; or an empty string. `kind_of_rule` is None when no rule is named."""
    if not order.by or not order.why:
        return "请写明操作人和原因。Say who does it and why."
    if not order.at < order.until <= order.at + LONGEST[order.measure]:
        hours = LONGEST[order.measure] // HOUR
        return f"结束时间须在{hours}小时以内。It must end within {hours} hours."
    if order.measure in (Measure.WORKS, Measure.IMPAIRED) and not order.compensation:
        return "请写明补偿措施，例如专人看护或巡查。Say what is done instead, such as a fire watch or a patrol."
    if order.rule and order.measure is not Measure.SHELVED:
        return "只有搁置可以指定单条规则。Only shelving can name a rule."
    if order.measure is Measure.SHELVED and kind_of_rule in (Kind.FIRE, Kind.PREALARM):
        return "火警和预警不可搁置。A fire alarm or pre-alarm cannot be shelved."
    return ""


__all__ = [
    "LONGEST", "Measure", "Restore", "Suppress", "Suppression", "SuppressionChanged", "Suppressions", "from_plain", "mistake",
    "to_plain",
]  # fmt: skip
