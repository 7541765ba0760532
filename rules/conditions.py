"""The condition language: a line of text, checked against the catalogue, becomes a fast function of three values.

Knows neither rules nor YAML; what is wrong is told as `Flaw`s with their places inside the text. See docs/rules.md.

    text ─syntax─▶ Python's tree ─checking─▶ expression ─closures─▶ function

Functions with a memory (`rise`, `mean`, `held` …) become `Remembered` of a derived quantity that the engine keeps beside
the reported ones, so what is compiled here has no state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rules import expression as ex
from rules.checking import Checker, Scope
from rules.closures import BUILT_IN, flag
from rules.memory import Memory, in_order
from rules.model import Device, Value, Zone
from rules.quantities import CATALOGUE
from rules.schedules import SHIPPED, Calendar
from rules.syntax import ConditionError, Flaw, Source

Check: TypeAlias = Callable[[Mapping[str, Value], Device, Zone], bool | None]
"""(newest values of the device, derived ones too; the device, its zone) → does it hold? None: unknown. Only True is a yes."""

Decide: TypeAlias = Callable[[Sequence[int]], bool]
"""(at how many devices each term holds) → does the zone's condition hold?"""

Where: TypeAlias = Callable[[Device, Zone], bool]
"""Does this device, in this zone, belong to the rule? Unknown is no."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a condition asks for."""

    quantities: frozenset[str]
    """Of the catalogue, also through a memory."""
    attributes: frozenset[str]
    """Of the site file, as `device.<name>` and `zone.<name>`; the built-in ones left out."""
    watched: frozenset[str]
    """The quantities, and the derived ones that it asks directly: whose report or change may change its answer, or the certainty
    of it."""
    memories: tuple[Memory, ...]
    """In order: none before what it is made of."""
    inputs: frozenset[str]
    """The quantities, reported and derived, that it looks at itself: while they stay, so does its answer."""
    setpoints: ex.Setpoints
    """How far they, and what its memories look at, may move without any answer moving."""
    told_apart: frozenset[str]
    """Of which it tells whether they are unknown."""

    @property
    def measured(self) -> bool:
        """Does anything but the calendar decide it?"""
        return bool(self.quantities) or any(memory.touched_by for memory in self.memories)


@dataclass(frozen=True, slots=True)
class DeviceCondition:
    """What one device is asked."""

    text: str
    check: Check
    asked: Asked


@dataclass(frozen=True, slots=True)
class ZoneCondition:
    """What a zone is asked: `decide` gets for each of `terms` the number of devices at which it holds.

    `refute` answers whether the condition is false, which is not the opposite of `decide` when a division can make it
    unknown.
    """

    text: str
    terms: tuple[Check, ...]
    decide: Decide
    refute: Decide
    asked: Asked
    expressions: tuple[ex.Expression, ...]
    """The terms before they were compiled."""
    uncertain: bool
    """Can it be unknown?"""


@dataclass(frozen=True, slots=True)
class WhereCondition:
    """Which devices a rule is for, by the site file alone."""

    text: str
    check: Where
    asked: Asked


def compile_device(text: str, calendar: Calendar = SHIPPED) -> DeviceCondition:
    """A condition about one device. Raises ConditionError with all flaws."""
    found, _ = _read(text, Scope.DEVICE, (), calendar)
    return DeviceCondition(text, flag(found), _asked([found]))


def compile_zone(text: str, calendar: Calendar = SHIPPED, after: ZoneCondition | None = None) -> ZoneCondition:
    """A condition about one zone. Its terms continue those of `after`, so that one tuple of counts serves both.

    Raises ConditionError with all flaws.
    """
    found, terms = _read(text, Scope.ZONE, after.expressions if after else (), calendar)
    root = flag(found)
    return ZoneCondition(
        text,
        (*(after.terms if after else ()), *map(flag, terms[len(after.terms) if after else 0 :])),
        lambda counts: root(counts, None, None) is True,
        lambda counts: root(counts, None, None) is False,
        _asked(terms),
        terms,
        any(isinstance(part, ex.Arithmetic) for part in ex.walk(found)),
    )


def compile_where(text: str, calendar: Calendar = SHIPPED) -> WhereCondition:
    """A condition about the site file's words on a device and its zone. Raises ConditionError with all flaws."""
    found, _ = _read(text, Scope.WHERE, (), calendar)
    root = flag(found)
    return WhereCondition(text, lambda device, zone: root({}, device, zone) is True, _asked([found]))


def _read(
    text: str, scope: Scope, terms: tuple[ex.Expression, ...], calendar: Calendar
) -> tuple[ex.Expression, tuple[ex.Expression, ...]]:
    source = Source(text)
    checker = Checker(source, scope, list(terms), calendar)
    found = checker.condition(source.parse())
    if checker.flaws or found is None:
        raise ConditionError(checker.flaws)
    return found, tuple(checker.terms)


def _asked(found: Sequence[ex.Expression]) -> Asked:
    parts = [part for whole in found for part in ex.walk(whole)]
    direct = [part for whole in found for part in ex.walk(whole, deep=False)]
    memories = in_order([part.memory for part in parts if isinstance(part, ex.Remembered)])
    quantities = frozenset(part.name for part in parts if isinstance(part, ex.Measured)).union(
        name for memory in memories for name in memory.touched_by if name in CATALOGUE
    )
    return Asked(
        quantities,
        frozenset(
            f"{part.owner}.{part.name}"
            for part in parts
            if isinstance(part, ex.Attribute) and (part.owner, part.name) not in BUILT_IN
        ),
        quantities.union(part.name for part in direct if isinstance(part, ex.Remembered)),
        memories,
        frozenset(part.name for part in direct if isinstance(part, (ex.Measured, ex.Remembered))),
        ex.joined(map(ex.setpoints, found)),
        frozenset[str]().union(*map(ex.told_apart, found)),
    )


__all__ = [
    "Asked",
    "Check",
    "ConditionError",
    "Decide",
    "DeviceCondition",
    "Flaw",
    "Where",
    "WhereCondition",
    "ZoneCondition",
    "compile_device",
    "compile_where",
    "compile_zone",
]
