"""Keeps the memories of all devices: hands them what happens, keeps their answers, and wakes them by timers.

Knows no rules: it answers which derived quantities have changed, and the engine asks the rules that watch them. A device whose rules
need no memory is never handed in here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rules.memory import HEARD, Memory, Moment, at_gateway
from rules.model import Freshness, Micros, Value
from rules.timers import NEVER, Name, Timers
from rules.watch import Kept, Plan, Seen, crosses

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

    def read(
        self, at: Micros, seen: Seen, said: Mapping[str, Value], worth: Freshness, plan: Plan, moved: list[str]
    ) -> tuple[str, ...]:
        """A reading, whose values are in `seen.values` already: the derived quantities that it changes.

        Those whose change may move an answer join `moved`, which has the reported ones. Only evidence of the present is remembered; of
        the past, at most that the device has spoken.
        """
        if worth is not Freshness.LIVE and worth is not Freshness.FUTURE:
            self.settle(at, seen)
            seen.known.update(said)
            seen.told = {}  # conditions see values that no memory was told: the next live word is news to all
            changed = self._hear(at, seen, said, (HEARD,), set()) if worth is Freshness.LATE else ()
            moved += changed
            return changed
        if plan.untold and not seen.known.keys().isdisjoint(plan.untold):
            self.settle(at, seen)
        seen.known.update(said)
        news, told = moved, seen.told
        if told is not None:
            news = plan.moved(told, said)
            told.update(said)
            if len(told) == len(seen.values):
                seen.told = None
        return self._tell(at, seen, said, plan, news, moved)

    def _tell(
        self, at: Micros, seen: Seen, said: Mapping[str, Value], plan: Plan, news: list[str], moved: list[str]
    ) -> tuple[str, ...]:
        """Ask the memories that a live word touches; of those that look at values alone, only where one is news to them."""
        moment = self._moment(at, seen, said)
        known, kept, changed = seen.known, seen.kept or {}, []
        for memory, name, unless, fades, clouded, marks in plan.told:
            if unless is not None and unless.isdisjoint(news):
                continue
            keep, was = kept[name], known.get(name)
            answer = memory.hear(keep.state, moment)
            if not fades and (keep.armed == NEVER or not memory.puts_off):
                due = self._arm(seen, memory, keep, moment)
                if clouded:
                    _stirred(seen, name, answer, due)
            if answer == was:
                continue
            if answer is None:
                del known[name]
            else:
                known[name] = answer
            changed.append(name)
            if marks is None or crosses(marks, was, answer):
                moved.append(name)
                if news is not moved:
                    news.append(name)
        return tuple(changed)

    def woken(self, at: Micros, seen: Seen, name: str) -> tuple[str, ...]:
        """A timer is due: the derived quantities that time has changed."""
        kept = seen.kept
        if kept is None or name not in kept:
            raise LookupError(f"{seen.device.key} keeps no memory {name}")
        self.settle(at, seen, name)
        kept[name].armed = NEVER
        return self._hear(at, seen, _NOTHING, (name,), {name})

    def settle(self, at: Micros, seen: Seen, before: str = "") -> None:
        """Let fade what has faded by now without anybody's being woken; of what fades this very instant, what comes `before` a name.

        Nothing holds at the device that could end by it, and an unknown makes nothing true: so it concerned nobody, and only whoever
        looks at the device's memories next must find them as they are.
        """
        fading, clouded, kept = seen.watch.fading, seen.watch.clouded, seen.kept
        if not fading or kept is None:
            return
        moment = self._moment(at, seen, _NOTHING)
        faded: set[str] = set()
        for memory in seen.watch.memories:
            name = memory.name
            if name in fading:
                keep = kept[name]
                due = memory.due(keep.state, moment) if keep.armed == NEVER else None
                if due is None or due > at or (due == at and before and name > before):
                    continue
            elif name not in clouded or memory.touched_by.isdisjoint(faded):
                continue
            if self._answer(seen, memory, moment):
                faded.add(name)

    def watch_fading(self, at: Micros, seen: Seen) -> None:
        """Something holds at the device: whatever fades must be heard of at its time."""
        moment = self._moment(at, seen, _NOTHING)
        for memory in seen.watch.memories:
            if memory.name in seen.watch.fading and memory.name in seen.known:
                self._arm(seen, memory, (seen.kept or {})[memory.name], moment)

    def unneeded(self, name: Name) -> bool:
        """Is it a timer that comes back by itself after a restart?"""
        what, memory, device = name
        return what == TIMER and memory in self._devices[device].watch.fading

    def behind(self, gateway: str) -> Iterator[Seen]:
        """The devices that ask what this one says, as their gateway, in the order in which they first spoke."""
        return map(self._devices.__getitem__, self.gateways.get(gateway, ()))

    def dated(self, at: Micros, seen: Seen) -> tuple[str, ...]:
        """Another book may have another calendar, by which today is another day: the derived quantities that it changes."""
        return self._hear(at, seen, _NOTHING, tuple(m.name for m in seen.watch.memories if not m.touched_by), set())

    def upstream(self, at: Micros, seen: Seen, changed: tuple[str, ...]) -> tuple[str, ...]:
        """These quantities have changed at the device's gateway: the derived quantities that it changes."""
        self.settle(at, seen)
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
        keep = (seen.kept or {})[name]
        was, answer = known.get(name), memory.hear(keep.state, moment)
        if name not in seen.watch.fading:
            due = self._arm(seen, memory, keep, moment)
            if name in seen.watch.clouded:
                _stirred(seen, name, answer, due)
        if answer == was:
            return False
        if answer is None:
            del known[name]
        else:
            known[name] = answer
        return True

    def _arm(self, seen: Seen, memory: Memory, keep: Kept, moment: Moment) -> Micros | None:
        """When it is due; its timer runs until then or less."""
        due = memory.due(keep.state, moment)
        if due is not None and due < keep.armed:
            self._timers.set((TIMER, memory.name, seen.device.key), due)
            keep.armed = due
        return due

    def _moment(self, at: Micros, seen: Seen, said: Mapping[str, Value]) -> Moment:
        gateway = self._devices.get(seen.gateway) if seen.gateway else None
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
        seen.kept, seen.known, seen.told = {}, dict(seen.values), {} if seen.values else None
        seen.gateway = _gateway(seen) if seen.watch.asks_gateway else ""
        if seen.gateway:
            self.gateways.setdefault(seen.gateway, {})[seen.device.key] = None
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
        moment = self._moment(at, seen, _NOTHING)
        for memory in seen.watch.memories:
            if memory.name in former and memory.name not in seen.watch.fading:
                self._arm(seen, memory, seen.kept[memory.name], moment)  # it may have been among the fading ones

    def stirring(self, at: Micros, seen: Seen) -> list[str]:
        """The memories that look at fading ones and whose conditions have been true of late."""
        moment, kept, known = self._moment(at, seen, _NOTHING), seen.kept or {}, seen.known
        return [
            memory.name
            for memory in seen.watch.memories
            if memory.name in seen.watch.clouded
            and (known.get(memory.name) is True or memory.due(kept[memory.name].state, moment) is not None)
        ]

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


def _stirred(seen: Seen, name: str, answer: Value | None, due: Micros | None) -> None:
    """Has the condition of this memory been true of late? Then its next change counts, whatever makes it."""
    if answer is True or due is not None:
        seen.stir(name)
    elif seen.stirring is not None:
        seen.rest(name)


def _gateway(seen: Seen) -> str:
    """The key of the device's gateway, or an empty string."""
    name = seen.device.attributes.get("gateway")
    return f"{seen.device.site}/{name}" if isinstance(name, str) else ""
