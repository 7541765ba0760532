"""What the engine keeps of each device, and which rules and memories its words touch.

Knows no events and decides nothing: the engine does.
"""

from __future__ import annotations

from collections.abc import Mapping

from rules.memory import Memory, State, Via, in_order
from rules.model import AlarmState, Device, Freshness, Micros, Value, Zone
from rules.rule import Rule
from rules.timers import NEVER

REMEMBERED_SETS = 4096
"""Different sets of names that a kind of device may send before we begin to look them up anew: a bound is a bound."""


class Running:
    """One rule at one subject, while it is not idle."""

    __slots__ = ("doubt", "incident", "since", "state")

    def __init__(self) -> None:
        self.state = AlarmState.IDLE
        self.incident = ""
        self.since: Micros = 0
        """When its condition began to hold."""
        self.doubt: Freshness = Freshness.LIVE


class Watch:
    """The rules that apply to some devices of one kind, and what must be remembered of each of these for them."""

    __slots__ = ("_touched_by_names", "asks_gateway", "by_names", "memories", "rules")

    def __init__(self, rules: tuple[Rule, ...], kind: str) -> None:
        self.rules = rules
        self.memories = in_order([memory for rule in rules for memory in rule.memories_of(kind)])
        self.asks_gateway = any(isinstance(memory, Via) for memory in self.memories)
        self.by_names: dict[tuple[str, ...], tuple[Rule, ...]] = {}
        """What `asked` has answered: looked up first, and without a call, since every reading does."""
        self._touched_by_names: dict[tuple[str, ...], tuple[Memory, ...]] = {}

    def asked(self, names: tuple[str, ...]) -> tuple[Rule, ...]:
        """The rules that watch one of these quantities, in book order; kept in `by_names`, for a kind of device sends few
        different sets of names.
        """
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
            moved = set(names)
            chosen = []
            for memory in self.memories:
                if memory.name in moved or not memory.touched_by.isdisjoint(moved):
                    moved.add(memory.name)
                    chosen.append(memory)
            found = self._touched_by_names[names] = tuple(chosen)
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
        "holds",
        "kept",
        "known",
        "last_at",
        "live_at",
        "measured_at",
        "told",
        "values",
        "watch",
        "zone",
    )

    def __init__(self, device: Device, zone: Zone, watch: Watch) -> None:
        self.device = device
        self.zone = zone
        self.watch = watch
        self.values: dict[str, Value] = {}
        """As reported."""
        self.known = self.values
        """With the answers of its memories; the very same mapping when there are none."""
        self.kept: dict[str, Kept] | None = None
        """memory → its state; None when there are none"""
        self.told: dict[str, Value] = {}
        """The values that its memories were told last. Not kept over a restart: told again, they answer alike."""
        self.last_at: Micros = 0
        self.live_at: Micros = 0
        self.measured_at: Micros = 0
        self.freshness = Freshness.LIVE
        self.certain_from: Micros | None = None
        """Offline: NEVER. Back again: from when its word is certain. None: always."""
        self.alarms: dict[str, Running] | None = None
        self.holds: dict[str, tuple[bool, ...]] | None = None
        """zone rule → which of its terms hold at this device; None while none ever did"""

    @property
    def derived(self) -> Mapping[str, Value]:
        """The answers of its memories that are not unknown."""
        known = self.known
        return {name: known[name] for name in self.kept or () if name in known}
