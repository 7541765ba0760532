"""Keeps the memories of all devices: hands them what happens, keeps their answers, and wakes them by timers.

Knows no rules: it answers which derived quantities have changed, and the engine asks the rules that watch them. A device whose rules
need no memory is never handed in here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rules.memory import HEARD, LIVE, Memory, Moment, at_gateway
from rules.model import Freshness, Micros, Value
from rules.timers import NEVER, Timers
from rules.watch import Kept, Seen

TIMER = "memory"
"""(TIMER, memory, device) wakes a memory: set only when it must fire earlier than it would, so a reading rarely moves one."""

_NOTHING: Mapping[str, Value] = {}


class Recall:
    """`listening` is since when we hear the devices at all: 0 before the first one spoke, None while our feed is down."""

    def __init__(self, timers: Timers, devices: Mapping[str, Seen]) -> None:
        self.listening: Micros | None = 0
        self._timers = timers
        self._devices = devices
        self.gateways: dict[str, dict[str, None]] = {}
        """gateway → the devices that ask what it says"""

    # --- what happens ------------------------------------------------------------------------------------------------

    def read(self, at: Micros, seen: Seen, said: Mapping[str, Value], worth: Freshness) -> tuple[str, ...]:
        """A reading, whose values are in `seen.values` already: the derived quantities that it changes.

        Only evidence of the present is remembered; of the past, at most that the device has spoken.
        """
        seen.known.update(said)
        if worth is Freshness.LIVE or worth is Freshness.FUTURE:
            told = seen.told
            moved = {name for name, value in said.items() if told.get(name) != value}
            told.update(said)
            return self._hear(at, seen, said, (HEARD, LIVE, *said), moved)
        seen.told.clear()  # conditions see values that no memory was told: the next live word is news to all, as after a restart
        return self._hear(at, seen, said, (HEARD,), set()) if worth is Freshness.LATE else ()

    def woken(self, at: Micros, seen: Seen, name: str) -> tuple[str, ...]:
        """A timer is due: the derived quantities that time has changed."""
        kept = seen.kept
        if kept is None or name not in kept:
            raise LookupError(f"{seen.device.key} keeps no memory {name}")
        kept[name].armed = NEVER
        return self._hear(at, seen, _NOTHING, (name,), {name})

    def behind(self, gateway: str) -> Iterator[Seen]:
        """The devices that ask what this one says, as their gateway, in the order in which they first spoke."""
        return map(self._devices.__getitem__, self.gateways.get(gateway, ()))

    def upstream(self, at: Micros, seen: Seen, changed: tuple[str, ...]) -> tuple[str, ...]:
        """These quantities have changed at the device's gateway: the derived quantities that it changes."""
        return self._hear(at, seen, _NOTHING, tuple(map(at_gateway, changed)), set())

    def _hear(
        self, at: Micros, seen: Seen, said: Mapping[str, Value], touched_by: tuple[str, ...], moved: set[str]
    ) -> tuple[str, ...]:
        """Ask the memories that are touched; of those that look at values alone, only where one of these has `moved`."""
        touched = seen.watch.touched(touched_by)
        if not touched:
            return ()
        moment = self._moment(at, seen, said)
        changed = []
        for memory in touched:
            if memory.by_value and memory.touched_by.isdisjoint(moved) and memory.name not in moved:
                continue
            if self._answer(seen, memory, moment):
                changed.append(memory.name)
                moved.add(memory.name)
        return tuple(changed)

    def _answer(self, seen: Seen, memory: Memory, moment: Moment) -> bool:
        """Take the moment in; has its answer changed?"""
        name, known = memory.name, seen.known
        kept = (seen.kept or {})[name]
        was, answer = known.get(name), memory.hear(kept.state, moment)
        due = memory.due(kept.state, moment)
        if due is not None and due < kept.armed:
            self._timers.set((TIMER, name, seen.device.key), due)
            kept.armed = due
        if answer == was:
            return False
        if answer is None:
            del known[name]
        else:
            known[name] = answer
        return True

    def _moment(self, at: Micros, seen: Seen, said: Mapping[str, Value]) -> Moment:
        gateway = self._devices.get(_gateway(seen)) if seen.watch.asks_gateway else None
        upstream = _NOTHING if gateway is None else gateway.values
        return Moment(at, said, seen.known, seen.device, seen.zone, upstream, self.listening)

    def waited(self, at: Micros) -> Micros:
        """For how long we have been listening."""
        return 0 if self.listening is None else at - self.listening

    # --- who comes and goes ------------------------------------------------------------------------------------------

    def take(self, at: Micros, seen: Seen, plain: Mapping[str, Any] = _NOTHING) -> None:
        """A device has come under its watch, or under another one: what is remembered alike goes on, all else begins now.

        `plain` is what `plain()` said of it before a restart; its timers are given by `armed`.
        """
        former, answers = seen.kept or {}, seen.known
        seen.kept, seen.known = None, seen.values
        for name in former.keys() - {memory.name for memory in seen.watch.memories}:
            self._timers.cancel((TIMER, name, seen.device.key))
        if not seen.watch.memories:
            return
        seen.kept, seen.known, seen.told = {}, dict(seen.values), {}
        gateway = _gateway(seen)
        if gateway and seen.watch.asks_gateway:
            self.gateways.setdefault(gateway, {})[seen.device.key] = None
        for memory in seen.watch.memories:
            name = memory.name
            if name in former:
                seen.kept[name], answer = former[name], answers.get(name)
            elif name in plain:
                seen.kept[name], answer = Kept(memory.restored(plain[name][0])), plain[name][1]
            else:
                seen.kept[name] = Kept(memory.new(at))
                self._answer(seen, memory, self._moment(at, seen, _NOTHING))
                continue
            if answer is not None:
                seen.known[name] = answer

    def start_over(self) -> None:
        """Before all devices are taken anew, under another book."""
        self.gateways.clear()

    def armed(self, key: str, name: str, due: Micros) -> bool:
        """After a restart: a timer of a memory goes on, if there still is that memory."""
        seen = self._devices.get(key)
        if seen is None or seen.kept is None or name not in seen.kept:
            return False
        seen.kept[name].armed = due
        return True

    def plain(self, seen: Seen) -> dict[str, Any]:
        """memory → [its state, its answer]"""
        kept = seen.kept or {}
        return {m.name: [m.plain(kept[m.name].state), seen.known.get(m.name)] for m in seen.watch.memories}


def _gateway(seen: Seen) -> str:
    """The key of the device's gateway, or an empty string."""
    name = seen.device.attributes.get("gateway")
    return f"{seen.device.site}/{name}" if isinstance(name, str) else ""
