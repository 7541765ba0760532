"""The compiled rule and the rule book, as the engine runs them.

Knows neither YAML nor the texts of conditions: `rulebook` makes these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rules.commands import Order
from rules.conditions import Check, Decide, Where
from rules.expression import Setpoints
from rules.memory import Memory
from rules.model import Kind, Micros, Text
from rules.schedules import Calendar
from rules.voting import Voting


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, ready to run.

    A rule about devices has `check` and perhaps `clear_check`; a rule about zones has `terms` (asked of each device),
    `decide` and perhaps `decide_clear` (given, term by term, at how many devices of the zone it holds). Without a clear
    condition the alarm returns when the condition itself is false, not when it is merely unknown.
    """

    id: str
    kind: Kind
    subject: str
    """`device` or `zone`"""
    devices: frozenset[str]
    """Kinds of devices it watches."""
    quantities: frozenset[str]
    """All of the catalogue that `when` and `clear` ask for, also through a memory."""
    attributes: frozenset[str]
    """All words of the site file that it asks for, as `device.<name>` and `zone.<name>`; the built-in ones left out."""
    where: Where | None
    check: Check | None
    clear_check: Check | None
    terms: tuple[Check, ...]
    decide: Decide | None
    decide_clear: Decide | None
    hold: Micros
    """How long `when` must hold before the alarm (`for`)."""
    clear_for: Micros
    """How long it must be over before the alarm returns."""
    latch: bool
    title: Text
    advice: Text | None
    group: str
    """Alarms of one group at one place join one incident."""
    source: str
    """Why this threshold."""
    definition: str
    """All that decides when it alarms, as text: while it stays the same, a new book keeps the rule's alarms."""
    watched: frozenset[str] = frozenset()
    """The quantities, reported and derived, whose change asks it anew."""
    memories: tuple[tuple[frozenset[str], tuple[Memory, ...]], ...] = ()
    """(kinds of devices, what the engine must remember of each such device for it)."""
    inputs: frozenset[str] = frozenset()
    """The quantities, reported and derived, without which neither `check` nor any of the terms changes its answer."""
    setpoints: Setpoints = field(default_factory=dict, compare=False)
    """How far these, and what its memories look at, may move without any answer moving."""
    told_apart: frozenset[str] = frozenset()
    """Of which it tells whether they are unknown."""
    voting: Voting | None = None
    """How a rule about confirmed fire decides; the first halves of its counts are the `terms`."""
    linkage: tuple[Order, ...] = ()
    """What it commands when it alarms. No part of `definition`: it does not decide when, and a running alarm is not worth ending for
    it. What a new book commands holds for alarms from then on."""

    @property
    def of_absence(self) -> bool:
        """Is it a zone rule that holds when none of its terms does, such as `not any(online)`?"""
        return self.decide is not None and self.decide([0] * len(self.terms))

    def memories_of(self, device_kind: str) -> tuple[Memory, ...]:
        """What it needs to be remembered of a device of this kind."""
        return tuple(memory for kinds, needed in self.memories if device_kind in kinds for memory in needed)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules in force. Books are equal when their texts are."""

    texts: tuple[tuple[str, str], ...]
    """(name, text) of each file, in order."""
    digest: str
    """SHA-256 over the texts."""
    rules: tuple[Rule, ...] = field(compare=False, repr=False)
    by_id: Mapping[str, Rule] = field(compare=False, repr=False)
    calendar: Calendar = field(compare=False, repr=False)
    """Of which the rules ask what day it is: the shipped years, and those of the texts instead."""
    _watching: Mapping[tuple[str, str], tuple[Rule, ...]] = field(compare=False, repr=False)

    def watching(self, device_kind: str, quantity: str) -> tuple[Rule, ...]:
        """The rules that may change their mind when such a device reports this quantity, in book order. O(1)."""
        return self._watching.get((device_kind, quantity), ())

    @property
    def device_kinds(self) -> frozenset[str]:
        """All kinds of devices that any rule watches."""
        return frozenset(kind for rule in self.rules for kind in rule.devices)


@dataclass(frozen=True, slots=True)
class BookChanged:
    """A new book is in force from now on."""

    at: Micros
    book: RuleBook
