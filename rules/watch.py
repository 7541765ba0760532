"""What the engine keeps of each device, and which rules and memories its words touch.

Knows no events and decides nothing: the engine does.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping, Sequence
from math import inf, nextafter
from typing import Any, NamedTuple, TypeAlias

from rules.expression import joined
from rules.memory import HEARD, LIVE, Memory, State, Via, in_order
from rules.model import AlarmState, Device, Freshness, Micros, Value, Zone
from rules.rule import Rule
from rules.timers import NEVER

REMEMBERED_SETS = 4096
"""Different sets of names that a kind of device may send before we begin to look them up anew: a bound is a bound."""
REMEMBERED_PLANS = 256
"""Of these sets, and for each, different sets of what moves at once: their product is the bound."""

Marks: TypeAlias = tuple[float, ...] | None
"""A quantity's setpoints, in order: no answer moves while no value passes one of them. None: any other value may move one."""


def crosses(marks: Marks, was: Value | None, now: Value | None) -> bool:
    """May an answer move when one value takes the place of another?"""
    if marks is None or was is None or now is None:
        return was != now
    return bisect(marks, was) != bisect(marks, now)


def _marks(points: frozenset[float] | None) -> Marks:
    """Each setpoint twice, as itself and as what comes next, so that below it, it and above it are three places."""
    return None if points is None else tuple(sorted({*points, *(nextafter(point, inf) for point in points)}))


class Running:
    """One rule at one subject, while it is not idle."""

    __slots__ = ("doubt", "incident", "since", "state")

    def __init__(self) -> None:
        self.state = AlarmState.IDLE
        self.incident = ""
        self.since: Micros = 0
        """When its condition began to hold."""
        self.doubt: Freshness = Freshness.LIVE

    def plain(self) -> list[Any]:
        """Plain values; `restored` reads them back."""
        return [self.state.value, self.incident, self.doubt.value, self.since]

    @classmethod
    def restored(cls, plain: list[Any]) -> Running:
        """The inverse; an older program's does not say since when."""
        alarm = cls()
        alarm.state, alarm.incident, alarm.doubt = AlarmState(plain[0]), plain[1], Freshness(plain[2])
        alarm.since = plain[3] if len(plain) > 3 else 0
        return alarm


def take_records(alarms: dict[Any, Running], renamed: Mapping[str, str], strays: set[str]) -> None:
    """The ledger's incidents are right: ours bear its ids, and the alarms of those that it never heard of are idle again."""
    for key, alarm in list(alarms.items()):
        if alarm.incident in strays:
            del alarms[key]
        else:
            alarm.incident = renamed.get(alarm.incident, alarm.incident)


class Watch:
    """The rules that apply to some devices of one kind, and what must be remembered of each of these for them."""

    __slots__ = (
        "_touched_by_names",
        "asks_gateway",
        "by_names",
        "clouded",
        "fading",
        "marks",
        "memories",
        "plans",
        "polled",
        "rules",
    )

    def __init__(self, rules: tuple[Rule, ...], kind: str) -> None:
        self.rules = rules
        self.memories = in_order([memory for rule in rules for memory in rule.memories_of(kind)])
        self.asks_gateway = any(isinstance(memory, Via) for memory in self.memories)
        self.marks: dict[str, Marks] = {
            name: _marks(points) for name, points in joined(rule.setpoints for rule in rules).items()
        }
        """Of each quantity that a rule or a memory looks at."""
        self.fading = _fading(self.memories, rules)
        """The memories whose fading concerns nobody, while nothing that looks at them holds."""
        self.clouded = _clouded(self.memories, self.fading)
        """The memories that look at fading ones, at once or through each other."""
        self.polled = frozenset(rule.id for rule in rules if rule.voting is not None or rule.of_absence)
        """The rules whose answer may move though nothing of the device does: time and silence decide them too."""
        self.by_names: dict[tuple[str, ...], tuple[Rule, ...]] = {}
        """What `asked` has answered: looked up first, and without a call."""
        self.plans: dict[tuple[str, ...], Plan] = {}
        """What `plan` has answered."""
        self._touched_by_names: dict[tuple[str, ...], tuple[Memory, ...]] = {}

    def plan(self, names: tuple[str, ...]) -> Plan:
        """What a report of these quantities concerns; kept in `plans`, for a kind of device sends few different sets of names."""
        if len(self.plans) >= REMEMBERED_PLANS:
            self.plans.clear()
        found = self.plans[names] = Plan(self, names)
        return found

    def asked(self, names: tuple[str, ...]) -> tuple[Rule, ...]:
        """The rules that watch one of these quantities, in book order; kept in `by_names`."""
        if len(self.by_names) >= REMEMBERED_SETS:
            self.by_names.clear()
        found = self.by_names[names] = tuple(rule for rule in self.rules if not rule.watched.isdisjoint(names))
        return found

    def touched(self, names: tuple[str, ...]) -> tuple[Memory, ...]:
        """The memories of these names and those that are touched by one of them, at once or through each other, in order."""
        found = self._touched_by_names.get(names)
        if found is None:
            if len(self._touched_by_names) >= REMEMBERED_SETS:
                self._touched_by_names.clear()
            found = self._touched_by_names[names] = touched(self.memories, names)
        return found


def touched(memories: Sequence[Memory], names: Sequence[str]) -> tuple[Memory, ...]:
    """Those of these names and those that are touched by one of them, at once or through each other, in order."""
    moved = set(names)
    chosen = []
    for memory in memories:
        if memory.name in moved or not memory.touched_by.isdisjoint(moved):
            moved.add(memory.name)
            chosen.append(memory)
    return tuple(chosen)


def _fading(memories: Sequence[Memory], rules: Sequence[Rule]) -> frozenset[str]:
    """Not those that a rule, or a memory that it looks at, tells to be unknown."""
    shown = set[str]().union(*(rule.told_apart for rule in rules))
    for memory in reversed(memories):
        if memory.name in shown:
            shown |= memory.touched_by
    return frozenset(memory.name for memory in memories if memory.fades and memory.name not in shown)


def _clouded(memories: Sequence[Memory], fading: frozenset[str]) -> frozenset[str]:
    return frozenset(m.name for m in touched(memories, tuple(fading))) - fading


class Told(NamedTuple):
    """A memory that a reading tells something."""

    memory: Memory
    name: str
    unless: frozenset[str] | None
    """It need not hear it unless one of these has moved; None: it always must."""
    fades: bool
    clouded: bool
    marks: Marks


class Plan:
    """What a report of one set of quantities concerns, among the devices of one watch."""

    __slots__ = ("_looks", "_watch", "by_moved", "names", "told", "untold")

    def __init__(self, watch: Watch, names: tuple[str, ...]) -> None:
        self.names = names
        marks = watch.marks
        self.told = tuple(
            Told(
                m, m.name, m.touched_by if m.by_value else None, m.name in watch.fading, m.name in watch.clouded,
                marks[m.name],
            )
            for m in watch.touched((HEARD, LIVE, *names))
        )  # fmt: skip
        """What live words of them must be told to, in order."""
        self.untold = watch.fading.difference(one.name for one in self.told)
        """The fading memories that it tells nothing."""
        self._watch = watch
        self._looks = tuple((name, marks[name]) for name in names if name in marks)
        self.by_moved: dict[tuple[str, ...], tuple[tuple[Rule, bool], ...]] = {}
        """What `asked` has answered."""

    def moved(self, known: Mapping[str, Value], said: Mapping[str, Value]) -> list[str]:
        """Of which quantities the word may move an answer, after what was known before."""
        found = []
        for name, marks in self._looks:
            was, now = known.get(name), said[name]
            if was != now and (marks is None or was is None or bisect(marks, was) != bisect(marks, now)):
                found.append(name)
        return found

    def asked(self, moved: tuple[str, ...]) -> tuple[tuple[Rule, bool], ...]:
        """The rules to be asked at a device where none holds, in book order, and whether their answer may have moved."""
        found = self.by_moved.get(moved)
        if found is None:
            if len(self.by_moved) >= REMEMBERED_PLANS:
                self.by_moved.clear()
            asked = []
            for rule in self._watch.rules:
                moves = not rule.inputs.isdisjoint(moved)
                if moves or (rule.id in self._watch.polled and not rule.watched.isdisjoint((*self.names, *moved))):
                    asked.append((rule, moves or rule.voting is None))
            found = self.by_moved[moved] = tuple(asked)
        return found


class Kept:
    """One memory of one device. `armed`: when its timer is due; NEVER while none runs."""

    __slots__ = ("armed", "state")

    def __init__(self, state: State) -> None:
        self.state = state
        self.armed: Micros = NEVER


class Seen:
    """A device that has spoken."""

    __slots__ = (
        "alarms",
        "certain_from",
        "device",
        "freshness",
        "gateway",
        "holds",
        "kept",
        "known",
        "last_at",
        "live_at",
        "lost_at",
        "measured_at",
        "stirring",
        "told",
        "values",
        "watch",
        "zone",
    )

    def __init__(self, device: Device, zone: Zone, watch: Watch) -> None:
        self.device = device
        self.zone = zone
        self.watch = watch
        self.gateway = ""
        """The key of its gateway, when a memory asks what that says."""
        self.values: dict[str, Value] = {}
        """As reported."""
        self.known = self.values
        """With the answers of its memories; the very same mapping when there are none."""
        self.kept: dict[str, Kept] | None = None
        """memory → its state; None when there are none"""
        self.told: dict[str, Value] | None = None
        """The values that its memories were told last; None: all that it reported. After a restart they are told again, and answer
        alike."""
        self.last_at: Micros = 0
        self.live_at: Micros = 0
        self.measured_at: Micros = 0
        self.freshness = Freshness.LIVE
        self.certain_from: Micros | None = None
        """Offline: NEVER. Back again: from when its word is certain. None: always."""
        self.lost_at: Micros = 0
        """When it was offline first, if its word is not certain."""
        self.alarms: dict[str, Running] | None = None
        self.holds: dict[str, tuple[bool, ...]] | None = None
        """zone rule → which of its terms hold at this device; None while none ever did"""
        self.stirring: set[str] | None = None
        """The rules that hold here, or of which a term does, and the conditions of fading memories that memories have found true."""

    @property
    def derived(self) -> Mapping[str, Value]:
        """The answers of its memories that are not unknown."""
        known = self.known
        return {name: known[name] for name in self.kept or () if name in known}

    @property
    def calm(self) -> bool:
        """Does nothing hold here, and is there no alarm? Then only what moves can concern a rule."""
        return self.stirring is None and self.alarms is None

    def stir(self, name: str) -> None:
        """A rule, or a memory's condition, holds."""
        if self.stirring is None:
            self.stirring = {name}
        else:
            self.stirring.add(name)

    def rest(self, name: str) -> None:
        """It does not hold."""
        if self.stirring is not None:
            self.stirring.discard(name)
            if not self.stirring:
                self.stirring = None
