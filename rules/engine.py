"""The deterministic machine: `handle(event) -> effects`, and nothing else moves it.

Due timers fire first, in due order, each at its own due time; then the event. So extra ticks change when we learn something, never
what happened. It reads no clock, does no I/O, and the same events give the same effects in any process.

Cost of a reading: O(rules that watch its device kind and its quantities); nothing grows with the number of devices, rules or
incidents, but the logarithm in the timers' heap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from rules.alarms import Alarms, Standing
from rules.areas import Areas
from rules.asking import Asking
from rules.commands import CHANNEL
from rules.counting import Counting
from rules.exercises import Exercises
from rules.linkage import TIMER as COMMAND
from rules.linkage import Linkage
from rules.measures import TIMER as RETURN
from rules.measures import Measures
from rules.model import (
    SECOND,
    AlarmState,
    Device,
    Effect,
    Freshness,
    Incident,
    Measure,
    Micros,
    Move,
    Neighbourhood,
    Outcome,
    Reading,
    Receipt,
    Refused,
    Restore,
    Suppress,
    Suppression,
    Swap,
    Text,
    Tick,
    Trouble,
    Value,
    Verb,
)
from rules.people import NextCall
from rules.recall import TIMER, Recall
from rules.response import TIMERS as RESPONSE
from rules.response import Response
from rules.rule import BookChanged, Rule, RuleBook
from rules.suppression import Suppressions
from rules.timers import Timers
from rules.troubles import TIMER as TROUBLE
from rules.troubles import Troubles
from rules.watch import Running, Seen

Event: TypeAlias = Reading | Trouble | Move | Receipt | Suppress | Restore | Swap | Tick | BookChanged


class DeviceState(NamedTuple):
    """What the engine knows of a device now."""

    device: Device
    last_at: Micros
    freshness: Freshness
    values: Mapping[str, Value]
    alarms: Mapping[str, AlarmState]
    """rule → state, without the idle ones"""
    derived: Mapping[str, Value]
    """What its memories answer, by the name of the derived quantity."""


FEED = "feed"
"""The trouble in which we hear nothing of any device."""
RESTART = "restart"
"""Said first after a recovery, as of the last event before it: nobody was listened to since then, until the feed is well. Its end is said
next, as of now: from here on somebody is there."""
ABSENCE: Micros = 15 * SECOND
"""Who was away for longer may have missed what people did meanwhile; a shorter restart changes nothing."""


FAILS = 3
"""So many attempts at one push in vain are no hiccup of the channel: if nothing is accepted soon, it is a FAULT, also where people have
acknowledged meanwhile and the call was taken back before it could die."""


class Engine:
    """See the module. One owner; not thread-safe, never awaits."""

    def __init__(self, book: RuleBook, neighbourhood: Neighbourhood) -> None:
        self._neighbourhood = neighbourhood
        self._timers = Timers()
        self._now: Micros = 0
        self._seen: dict[str, Seen] = {}
        self._suppressions = Suppressions()
        self._linkage = Linkage(neighbourhood, self._timers, self._seen, self._suppressions, self._unobeyed)
        self._response = Response(neighbourhood, self._timers, self._linkage.closed)
        self._troubles = Troubles(self._timers, self._response)
        self._measures = Measures(neighbourhood, self._timers, self._seen, self._suppressions, self._response)
        self._recall = Recall(self._timers, self._seen)
        self._areas = Areas(neighbourhood, self._seen, self._measures.aside)
        self._alarms = Alarms(self._timers, self._seen, self._measures, self._response, self._linkage, self._verdict)
        self._counting = Counting(self._areas, self._recall, self._measures, self._alarms)
        self._asking = Asking(
            book, neighbourhood, self._seen, self._recall, self._areas, self._counting, self._alarms, self._linkage
        )
        self._exercises = Exercises(
            neighbourhood, self._seen, self._suppressions, self._asking, self._alarms, self._response
        )

    # --- the one verb ------------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> list[Effect]:
        """Everything to be done about what happened. An event earlier than the one before counts as simultaneous with it."""
        out: list[Effect] = []
        at = event.at
        if at < self._now:
            at = self._now
        if self._timers.next_due <= at:
            if type(event) is Trouble and event.source == RESTART and at - self._now > ABSENCE:
                self._response.returned_to_duty(at)
            self._fire_due(at, out)
        self._now = at
        if type(event) is Reading:  # nearly all events are readings, and nearly all readings change nothing
            if not event.exercise or not self._exercises.made_up(at, event, out):
                self._asking.reading(at, event, out)
        else:
            self._other(at, event if event.at == at else replace(event, at=at), out)
        if out:
            self._response.finish(at, out)
        return out

    @property
    def book(self) -> RuleBook:
        """The one in force."""
        return self._asking.book

    @property
    def now(self) -> Micros:
        """The time of the newest event."""
        return self._now

    @property
    def next_due(self) -> Micros:
        """When a tick would find something to do, at the latest."""
        return self._timers.next_due

    @property
    def open_incidents(self) -> list[Incident]:
        """Oldest first."""
        return list(self._response.open)

    @property
    def open_count(self) -> int:
        """How many incidents are open."""
        return self._response.open_count

    def incident(self, key: str) -> Incident | None:
        """One that is open; O(1)."""
        return self._response.get(key)

    def next_call(self, incident: str) -> NextCall | None:
        """When an open incident is called again, and who is; None when nobody is."""
        return self._response.next_call(incident)

    def devices(self) -> Iterator[DeviceState]:
        """All devices that have spoken."""
        return map(self._view, self._seen.values())

    def device(self, key: str) -> DeviceState | None:
        """One of them."""
        seen = self._seen.get(key)
        return self._view(seen) if seen else None

    def _view(self, seen: Seen) -> DeviceState:
        self._recall.settle(self._now, seen)
        alarms = {rule: alarm.state for rule, alarm in (seen.alarms or {}).items()}
        return DeviceState(seen.device, seen.last_at, seen.freshness, seen.values, alarms, seen.derived)

    def knows(self, key: str) -> bool:
        """Whether a reading of this device can be handled: it has spoken, or the site file knows it."""
        return key in self._seen or self._neighbourhood.device(key) is not None

    @property
    def device_count(self) -> int:
        """How many devices have spoken."""
        return len(self._seen)

    @property
    def troubles(self) -> Mapping[str, str]:
        """What is wrong with ourselves: source → detail."""
        return self._troubles.details

    @property
    def suppressions(self) -> list[Suppression]:
        """The measures in force, the oldest first."""
        return list(self._suppressions)

    @property
    def swaps(self) -> list[Swap]:
        """The swaps of shifts that are not over."""
        return self._response.swaps

    def standing(self, rule: Rule, subject: str) -> Standing:
        """The alarm of a rule of the book in force at a device or zone; idle for one that never spoke."""
        return self._alarms.standing(rule, subject)

    @property
    def waited(self) -> Micros:
        """For how long we have been listening to the devices, as of the newest event; 0 while we do not."""
        return self._recall.waited(self._now)

    def _unobeyed(self, at: Micros, incident: str, advice: Text, out: list[Effect]) -> None:
        self._response.unobeyed(at, incident, advice, out)

    def _verdict(self, at: Micros, rule: Rule, zone: str) -> Mapping[str, Value | None]:
        return self._counting.verdict(at, rule, zone)

    # --- timers ------------------------------------------------------------------------------------------------------

    def _fire_due(self, at: Micros, out: list[Effect]) -> None:
        while (timer := self._timers.pop(at)) is not None:
            due, (what, who, which) = timer
            self._now = due
            if what in RESPONSE:
                self._response.due(due, what, who, which, out)
            elif what == RETURN:
                self._lift(due, who, "", out)
            elif what == TROUBLE:
                self._troubles.due(due, which, out)
            elif what == COMMAND:
                self._linkage.due(due, who, out)
            elif what == TIMER:
                self._asking.woken(due, who, which, out)
            else:
                self._alarms.due(due, what, self.book.by_id[who], which, out)
            self._response.finish(due, out)

    # --- everything that is not a reading ----------------------------------------------------------------------------

    def _other(self, at: Micros, event: Event, out: list[Effect]) -> None:
        match event:
            case Tick():
                pass
            case Move():
                self._move(at, event, out)
            case Receipt():
                self._response.receipt(event, out)
                channel = event.key.split("/", 2)[2].partition("@")[0]
                if channel == CHANNEL:
                    self._linkage.receipt(event, out)
                elif event.outcome is Outcome.DEAD:
                    self._troubles.told(at, f"channel:{channel}", True, event.reply, out, hold=0)
                elif event.outcome is Outcome.ACCEPTED:
                    self._troubles.told(at, f"channel:{channel}", False, "", out)
                elif event.attempt >= FAILS:
                    self._troubles.told(at, f"channel:{channel}", True, event.reply, out)
            case Suppress() | Restore() | Swap():
                self._ordered(at, event, out)
            case Trouble():
                self._trouble(at, event, out)
            case BookChanged():
                self._asking.change_book(at, event.book, out)
            case _:
                raise TypeError(f"not an event: {event!r}")

    def _trouble(self, at: Micros, trouble: Trouble, out: list[Effect]) -> None:
        if trouble.source == RESTART:
            if trouble.active:
                self._recall.listening = None
            return
        if trouble.source == FEED and trouble.active is not (self._recall.listening is None):
            self._recall.listening = None if trouble.active else at
        self._troubles.told(at, trouble.source, trouble.active, trouble.detail, out)

    def _move(self, at: Micros, move: Move, out: list[Effect]) -> None:
        if reason := self._response.refusal(move):
            out.append(Refused(at, move.incident, reason))
            return
        self._response.moved(move, out)
        if move.verb is Verb.RESET:
            self._reset(at, move.incident, out)

    def _reset(self, at: Micros, incident: str, out: list[Effect]) -> None:
        """All alarms that keep it, or what goes under it in a flood, from returning."""
        for holder, rule_id, subject in self._response.alarms_of(incident):
            self._alarms.reset(at, holder, self.book.by_id.get(rule_id), rule_id, subject, out)

    # --- measures ----------------------------------------------------------------------------------------------------

    def _ordered(self, at: Micros, order: Suppress | Restore | Swap, out: list[Effect]) -> None:
        if isinstance(order, Suppress):
            if self._measures.take(at, order, self.book.by_id.get(order.rule), out):
                self._asking.ask_all(at, order.subject, out)
        elif isinstance(order, Swap):
            self._response.swap(order, out)
        elif self._suppressions.get(order.suppression) is not None:
            self._lift(at, order.suppression, order.by, out, order.note)
        else:
            out.append(Refused(at, "", "没有这项生效中的措施。There is no such measure in force."))

    def _lift(self, at: Micros, suppression: str, by: str, out: list[Effect], note: str = "") -> None:
        """The measure is over: what it kept from paging and still burns is raised as if it began now."""
        measure = self._measures.end(at, suppression, by, out, note=note)
        devices: dict[str, None] = {}
        for incident in self._response.withheld_by(suppression):
            self._response.released(at, incident.id, suppression, out)
            self._reset(at, incident.id, out)
            devices.update(dict.fromkeys(incident.devices))
        # A rule of the zone may have been decided by time, and of many devices the record names a few.
        if measure.measure is not Measure.DRILL:
            for subject in dict.fromkeys([measure.subject, *devices]):
                self._asking.ask_all(at, subject, out)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """All state as plain lists, dicts, strings and numbers; `restore` of it, in a new engine, is this engine."""
        for seen in self._seen.values():
            self._recall.settle(self._now, seen)
        return {
            "now": self._now,
            "listening": self._recall.listening,
            "timers": [[due, list(name)] for due, name in self._timers if not self._recall.unneeded(name)],
            "response": self._response.snapshot(),
            "suppressions": self._suppressions.snapshot(),
            "linkage": self._linkage.snapshot(),
            "zones": [[list(key), alarm.plain()] for key, alarm in self._alarms.zones.items()],
            "system": self._troubles.snapshot(),
            "devices": [
                [
                    key,
                    s.last_at,
                    s.live_at,
                    s.measured_at,
                    s.freshness.value,
                    dict(s.values),
                    {r: a.plain() for r, a in (s.alarms or {}).items()},
                ]
                for key, s in self._seen.items()
            ],
            "away": [[key, s.certain_from, s.lost_at] for key, s in self._seen.items() if s.certain_from is not None],
            "memories": [[key, self._recall.plain(s)] for key, s in self._seen.items() if s.kept is not None],
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Become the engine that made the snapshot, under the same book.

        A device or zone that the site file no longer has is left out with its alarms; their incidents stay open for a person.
        """
        self._now = data["now"]
        self._recall.listening = data.get("listening", 0)  # an older program's snapshots know nothing of memories
        memories: dict[str, Any] = dict(data.get("memories", ()))
        self._response.restore(data["response"])
        self._measures.restore(data.get("suppressions", [0, []]))
        self._linkage.restore(data.get("linkage", {}))
        for key, last_at, live_at, measured_at, freshness, values, alarms in data["devices"]:
            device = self._neighbourhood.device(key)
            if device is None:
                continue
            seen = self._seen[key] = self._asking.place(device)
            seen.last_at, seen.live_at, seen.measured_at, seen.freshness = (
                last_at,
                live_at,
                measured_at,
                Freshness(freshness),
            )
            seen.values = dict(values)
            seen.alarms = {r: Running.restored(a) for r, a in alarms.items() if r in self.book.by_id} or None
            self._recall.take(self._now, seen, memories.get(key, {}))
        for key, certain_from, *lost_at in data.get("away", ()):
            if key in self._seen:
                self._seen[key].certain_from = certain_from
                self._seen[key].lost_at = lost_at[0] if lost_at else self._now
        for (rule_id, zone), alarm in data["zones"]:
            if rule_id in self.book.by_id and zone in self._neighbourhood.zones:
                self._alarms.zones[rule_id, zone] = Running.restored(alarm)
        self._troubles.restore(data["system"])
        for due, (what, who, which) in data["timers"]:
            running = self._recall.armed(which, who, due) if what == TIMER else self._alarms.runs(who, which)
            running = running or (what == COMMAND and self._linkage.waits(who))
            if what in (TROUBLE, RETURN) or what in RESPONSE or running:
                self._timers.set((what, who, which), due)
        self._asking.count_again(self._now)

    def reconcile(self, kept: Iterable[Incident], newest: str) -> list[str]:
        """After a recovery: where the ledger's open incidents and ours differ, the ledger is right. Returns what was mended.

        They only differ when the tape was folded under something else than it was written under: the site file lost a device or a limit
        changed while a kill had left no snapshot, or a newer program reads messages in another way. An incident that we lack is opened
        without alarms, for a person to close, and called for until somebody acknowledges. One that the ledger lacks was never told to
        anybody: its alarms go back to idle, so the next reading that shows the danger raises it.
        """
        renamed, strays, adopted = self._response.reconcile(kept, newest)
        if not renamed and not strays and not adopted:
            return []
        self._alarms.mended(renamed, strays)
        self._troubles.mended(renamed, strays)
        self._rename_timers(renamed, strays)
        self._response.take_up(self._now, [*renamed.values(), *adopted])
        self._linkage.mended(renamed, strays, adopted)
        return [
            *(f"{incident}: open in the ledger, unknown to the recovery" for incident in adopted),
            *(f"{new}: the ledger's record was taken" for new in renamed.values()),
            *(f"{stray}: unknown to the ledger, its alarms are idle again" for stray in sorted(strays)),
        ]

    def _rename_timers(self, renamed: Mapping[str, str], strays: set[str]) -> None:
        moved = [
            (due, name)
            for due, name in self._timers
            if name[0] in RESPONSE and (name[1] in renamed or name[1] in strays)
        ]
        for _, name in moved:
            self._timers.cancel(name)
        for due, (what, who, which) in moved:
            if who in renamed:
                self._timers.set((what, renamed[who], which), due)


__all__ = ["ABSENCE", "RESTART", "DeviceState", "Engine", "Event", "Standing"]
