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

from rules.incident import ALARM, Signal
from rules.model import (
    MINUTE,
    SECOND,
    AlarmChanged,
    AlarmState,
    Device,
    Effect,
    Freshness,
    Incident,
    Kind,
    Micros,
    Move,
    Neighbourhood,
    Outcome,
    Reading,
    Receipt,
    Refused,
    Text,
    Tick,
    Trouble,
    Value,
    Verb,
    Zone,
)
from rules.response import Alarm, Response
from rules.rule import BookChanged, Rule, RuleBook
from rules.timers import Timers

Event: TypeAlias = Reading | Trouble | Move | Receipt | Tick | BookChanged

TROUBLE_HOLD: Micros = 30 * SECOND
"""A lane of ours that recovers within this time is worth a line in the log, not an incident."""


OUTDATED_WITHIN: Micros = 2 * MINUTE
"""An older, late reading is outdated if a live one came this shortly before it."""


class DeviceState(NamedTuple):
    """What the engine knows of a device now."""

    device: Device
    last_at: Micros
    freshness: Freshness
    values: Mapping[str, Value]
    alarms: Mapping[str, AlarmState]
    """rule → state, without the idle ones"""


class _Alarm:
    """One rule at one subject, while it is not idle."""

    __slots__ = ("doubt", "incident", "state")

    def __init__(self) -> None:
        self.state = AlarmState.IDLE
        self.incident = ""
        self.doubt: Freshness = Freshness.LIVE


class _Watch:
    """The rules that apply to some devices of one kind, found by the names of the quantities in a reading."""

    __slots__ = ("_by_names", "_rules")

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        self._by_names: dict[tuple[str, ...], tuple[Rule, ...]] = {}

    def rules(self, names: tuple[str, ...]) -> tuple[Rule, ...]:
        """In book order. A kind of device sends few different sets of names, so this is one look-up."""
        found = self._by_names.get(names)
        if found is None:
            if len(self._by_names) > 4096:  # names are checked against the catalogue, yet a bound is a bound
                self._by_names.clear()
            found = self._by_names[names] = tuple(rule for rule in self._rules if not rule.quantities.isdisjoint(names))
        return found


class _Seen:
    """A device that has spoken."""

    __slots__ = (
        "alarms",
        "device",
        "freshness",
        "holds",
        "last_at",
        "live_at",
        "measured_at",
        "values",
        "watch",
        "zone",
    )

    def __init__(self, device: Device, zone: Zone, watch: _Watch) -> None:
        self.device = device
        self.zone = zone
        self.watch = watch
        self.values: dict[str, Value] = {}
        self.last_at: Micros = 0
        self.live_at: Micros = 0
        self.measured_at: Micros = 0
        self.freshness = Freshness.LIVE
        self.alarms: dict[str, _Alarm] | None = None
        self.holds: dict[str, tuple[bool, ...]] | None = None
        """zone rule → which of its terms hold at this device; None while none ever did"""


class Engine:
    """See the module. One owner; not thread-safe, never awaits."""

    def __init__(self, book: RuleBook, neighbourhood: Neighbourhood) -> None:
        self.book = book
        self._neighbourhood = neighbourhood
        self._timers = Timers()
        self._response = Response(neighbourhood, self._timers)
        self._now: Micros = 0
        self._seen: dict[str, _Seen] = {}
        self._zone_alarms: dict[tuple[str, str], _Alarm] = {}
        self._zone_counts: dict[tuple[str, str], list[int]] = {}
        self._system: dict[str, _Alarm] = {}
        self._troubles: dict[str, str] = {}
        self._watches: dict[tuple[Rule, ...], _Watch] = {}
        self._of_absence = _of_absence(book)

    # --- the one verb ------------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> list[Effect]:
        """Everything to be done about what happened. An event earlier than the one before counts as simultaneous with it."""
        out: list[Effect] = []
        at = event.at
        if at < self._now:
            at = self._now
        if self._timers.next_due <= at:
            self._fire_due(at, out)
        self._now = at
        if type(event) is Reading:  # nearly all events are readings, and nearly all readings change nothing
            self._reading(at, event, out)
        else:
            self._other(at, event if event.at == at else replace(event, at=at), out)
        if out:
            self._response.finish(at, out)
        return out

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

    def devices(self) -> Iterator[DeviceState]:
        """All devices that have spoken."""
        return map(_view, self._seen.values())

    def device(self, key: str) -> DeviceState | None:
        """One of them."""
        seen = self._seen.get(key)
        return _view(seen) if seen else None

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
        return self._troubles

    # --- readings ----------------------------------------------------------------------------------------------------

    def _reading(self, at: Micros, reading: Reading, out: list[Effect]) -> None:
        seen = self._seen.get(reading.device)
        if seen is None:
            seen = self._meet(reading.device)
        freshness = reading.freshness
        measured_at = reading.measured_at
        if freshness is Freshness.LIVE:
            seen.live_at = at
            seen.measured_at = at if measured_at is None else measured_at
        elif freshness is Freshness.LATE and measured_at is not None:
            # Older than what the device itself has just told: history only. Otherwise it is the best we know, and danger in it may
            # still be burning; that holds as well for a device whose clock was set back, which sends nothing newer.
            if measured_at <= seen.measured_at and at - seen.live_at < OUTDATED_WITHIN:
                return
            seen.measured_at = measured_at
        elif freshness is Freshness.RETAINED and seen.last_at:
            return  # a copy of the past; what the device itself said since then is better
        seen.last_at = at
        seen.freshness = freshness
        values = seen.values
        values.update(reading.values)
        device, zone, alarms = seen.device, seen.zone, seen.alarms
        for rule in seen.watch.rules(tuple(reading.values)):
            check = rule.check
            if check is None:
                self._zone_rule(at, rule, seen, freshness, out)
            else:
                holds = check(values, device, zone)
                if holds is True or (alarms is not None and rule.id in alarms):
                    self._device_rule(at, rule, seen, holds, freshness, out)
                    alarms = seen.alarms

    def _device_rule(
        self, at: Micros, rule: Rule, seen: _Seen, holds: bool | None, freshness: Freshness, out: list[Effect]
    ) -> None:
        if seen.alarms is None:
            seen.alarms = {}
        clear_check = rule.clear_check
        clears = (
            holds is False
            if clear_check is None
            else holds is not True and clear_check(seen.values, seen.device, seen.zone) is True
        )
        self._evaluate(at, rule, seen.device.key, seen.alarms, rule.id, holds is True, clears, seen, freshness, out)
        if not seen.alarms:
            seen.alarms = None

    def _zone_rule(self, at: Micros, rule: Rule, seen: _Seen, freshness: Freshness, out: list[Effect]) -> None:
        """Each device keeps which terms hold at it; the zone keeps only how many devices each term holds at."""
        values, device, zone = seen.values, seen.device, seen.zone
        now = tuple(term(values, device, zone) is True for term in rule.terms)
        was = seen.holds.get(rule.id) if seen.holds else None
        key = (rule.id, zone.key)
        counts = self._zone_counts.get(key)
        if was is None:
            if counts is None and not any(now) and rule.id not in self._of_absence:
                return
            was = (False,) * len(now)
        if counts is None:
            counts = self._zone_counts[key] = [0] * len(now)
        if now != was:
            for i, (before, after) in enumerate(zip(was, now, strict=True)):
                counts[i] += after - before
            if seen.holds is None:
                seen.holds = {}
            seen.holds[rule.id] = now
        elif key not in self._zone_alarms and not any(now) and rule.id not in self._of_absence:
            return
        holds = rule.decide is not None and rule.decide(counts)
        if not holds and key not in self._zone_alarms:
            return
        clears = not holds if rule.decide_clear is None else not holds and rule.decide_clear(counts)
        # Doubtful evidence becomes certain only by a live reading in which a term of the rule holds.
        telling = any(now) or key not in self._zone_alarms or rule.id in self._of_absence
        evidence = freshness if telling else Freshness.RETAINED
        self._evaluate(at, rule, zone.key, self._zone_alarms, key, holds, clears, seen, evidence, out)

    # --- one alarm ---------------------------------------------------------------------------------------------------

    def _evaluate(
        self, at: Micros, rule: Rule, subject: str, alarms: dict[Any, _Alarm], key: Any,
        holds: bool, clears: bool, seen: _Seen, evidence: Freshness, out: list[Effect],
    ) -> None:  # fmt: skip
        """Turn what a reading says into signals for the alarm's table."""
        alarm = alarms.get(key)
        if alarm is None:
            alarm = alarms[key] = _Alarm()
        state = alarm.state
        if holds:
            self._holds(at, rule, subject, alarm, seen, evidence, out)
        elif state is AlarmState.PENDING:
            self._timers.cancel(("hold", rule.id, subject))
            self._signal(at, rule, subject, alarm, Signal.OFF, seen, out)
        elif state is AlarmState.ACTIVE and clears:
            self._signal(at, rule, subject, alarm, Signal.CLEAR, seen, out)
            if rule.clear_for:
                self._timers.set(("clear", rule.id, subject), at + rule.clear_for)
            else:
                self._signal(at, rule, subject, alarm, Signal.LATCH if rule.latch else Signal.ENDED, seen, out)
        elif state is AlarmState.CLEARING and not clears:
            self._timers.cancel(("clear", rule.id, subject))
            self._signal(at, rule, subject, alarm, Signal.UNCLEAR, seen, out)
        if alarm.state is AlarmState.IDLE:
            del alarms[key]

    def _holds(
        self, at: Micros, rule: Rule, subject: str, alarm: _Alarm, seen: _Seen, evidence: Freshness, out: list[Effect]
    ) -> None:
        """The condition holds: start, go on, or come back; and what was doubtful may be certain now."""
        state = alarm.state
        if state is AlarmState.IDLE:
            alarm.doubt = evidence
            self._signal(at, rule, subject, alarm, Signal.ON, seen, out)
            if rule.hold:
                self._timers.set(("hold", rule.id, subject), at + rule.hold)
            else:
                self._signal(at, rule, subject, alarm, Signal.HELD, seen, out)
        elif state is AlarmState.LATCHED:
            alarm.doubt = evidence
            self._signal(at, rule, subject, alarm, Signal.ON, seen, out)
        else:
            back = state is AlarmState.CLEARING
            certain = evidence is Freshness.LIVE and alarm.doubt is not Freshness.LIVE
            if back:
                self._timers.cancel(("clear", rule.id, subject))
                self._signal(at, rule, subject, alarm, Signal.UNCLEAR, seen, out)
            if back or certain:
                alarm.doubt = evidence
                if alarm.incident:
                    self._response.burning(at, alarm.incident, self._described(rule, subject, alarm, seen), back, out)

    def _signal(
        self, at: Micros, rule: Rule, subject: str, alarm: _Alarm, signal: Signal, seen: _Seen | None, out: list[Effect]
    ) -> None:
        was = alarm.state
        alarm.state = ALARM[was, signal]
        if signal is Signal.HELD or (signal is Signal.ON and was is AlarmState.LATCHED):
            former = alarm.incident
            alarm.incident = self._response.raised(at, self._described(rule, subject, alarm, seen), out)
            if former and former != alarm.incident:  # the rule's group or the device's zone is another one since then
                self._response.returned(at, former, rule.id, subject, latched=False, out=out)
        elif signal in (Signal.ENDED, Signal.LATCH):
            self._response.returned(at, alarm.incident, rule.id, subject, latched=signal is Signal.LATCH, out=out)
        out.append(AlarmChanged(at, rule.id, subject, rule.kind, alarm.state, alarm.incident))

    def _described(self, rule: Rule, subject: str, alarm: _Alarm, seen: _Seen | None) -> Alarm:
        if seen is None:  # a hold that ran out at a zone
            return Alarm(rule.id, subject, rule.kind, rule.group, rule.title, rule.advice, subject, "", {}, alarm.doubt)
        said = {name: value for name, value in seen.values.items() if name in rule.quantities}
        key, zone = seen.device.key, seen.zone.key
        return Alarm(rule.id, subject, rule.kind, rule.group, rule.title, rule.advice, zone, key, said, alarm.doubt)

    # --- timers ------------------------------------------------------------------------------------------------------

    def _fire_due(self, at: Micros, out: list[Effect]) -> None:
        while (timer := self._timers.pop(at)) is not None:
            due, (what, who, which) = timer
            self._now = due
            if what == "sla":
                self._response.deadline(due, who, which, out)
            elif what == "trouble":
                self._system_raised(due, which, out)
            else:
                self._alarm_due(due, what, self.book.by_id[who], which, out)
            self._response.finish(due, out)

    def _alarm_due(self, due: Micros, what: str, rule: Rule, subject: str, out: list[Effect]) -> None:
        alarms, key, seen = self._alarms_at(rule, subject)
        alarm = alarms[key]
        signal = Signal.HELD if what == "hold" else Signal.LATCH if rule.latch else Signal.ENDED
        self._signal(due, rule, subject, alarm, signal, seen, out)
        if alarm.state is AlarmState.IDLE:
            self._drop(alarms, key, seen)

    def _alarms_at(self, rule: Rule, subject: str) -> tuple[dict[Any, _Alarm], Any, _Seen | None]:
        if rule.check is None:
            return self._zone_alarms, (rule.id, subject), None
        seen = self._seen[subject]
        return seen.alarms or {}, rule.id, seen

    @staticmethod
    def _drop(alarms: dict[Any, _Alarm], key: Any, seen: _Seen | None) -> None:
        del alarms[key]
        if seen is not None and not seen.alarms:
            seen.alarms = None

    # --- everything that is not a reading ----------------------------------------------------------------------------

    def _other(self, at: Micros, event: Event, out: list[Effect]) -> None:
        match event:
            case Tick():
                pass
            case Move():
                self._move(at, event, out)
            case Receipt():
                self._response.receipt(event, out)
                channel = event.key.split("/", 2)[2]
                if event.outcome is Outcome.DEAD:
                    self._trouble(at, f"channel:{channel}", True, event.reply, out, hold=0)
                elif event.outcome is Outcome.ACCEPTED:
                    self._trouble(at, f"channel:{channel}", False, "", out)
            case Trouble():
                self._trouble(at, event.source, event.active, event.detail, out)
            case BookChanged():
                self._change_book(at, event.book, out)
            case _:
                raise TypeError(f"not an event: {event!r}")

    def _move(self, at: Micros, move: Move, out: list[Effect]) -> None:
        if reason := self._response.refusal(move):
            out.append(Refused(at, move.incident, reason))
            return
        if move.verb is Verb.RESET:
            self._response.moved(move, out)
            for rule_id, subject in self._response.alarms_of(move.incident):
                self._reset(at, move.incident, rule_id, subject, out)
        else:
            self._response.moved(move, out)

    def _reset(self, at: Micros, incident: str, rule_id: str, subject: str, out: list[Effect]) -> None:
        """Back to idle, as on a fire panel: the next reading raises it again if the danger is still there."""
        rule = self.book.by_id.get(rule_id)
        if rule is not None and self._runs(rule_id, subject):
            alarms, key, _ = self._alarms_at(rule, subject)
            if alarms[key].incident == incident:
                self._end(at, rule, subject, out)
                return
        # The book or the site file has lost it over a restart, or it burns elsewhere now.
        self._response.returned(at, incident, rule_id, subject, latched=False, out=out)

    # --- our own troubles --------------------------------------------------------------------------------------------

    def _trouble(
        self, at: Micros, source: str, active: bool, detail: str, out: list[Effect], hold: Micros = TROUBLE_HOLD
    ) -> None:
        alarm = self._system.get(source)
        if active and alarm is None:
            alarm = self._system[source] = _Alarm()
            alarm.state = ALARM[alarm.state, Signal.ON]
            self._troubles[source] = detail
            out.append(AlarmChanged(at, "system", f"system/{source}", Kind.FAULT, alarm.state))
            if hold:
                self._timers.set(("trouble", "system", source), at + hold)
            else:
                self._system_raised(at, source, out)
        elif active:
            self._troubles[source] = detail
        elif alarm is not None:
            self._timers.cancel(("trouble", "system", source))
            self._system_end(at, source, out)

    def _system_raised(self, at: Micros, source: str, out: list[Effect]) -> None:
        alarm = self._system[source]
        alarm.state = ALARM[alarm.state, Signal.HELD]
        detail = self._troubles[source]
        title = Text(f"系统故障：{source}", f"System trouble: {source}")
        told = Alarm(
            "system", f"system/{source}", Kind.FAULT, f"system/{source}", title, Text(detail, detail), "system", "", {}
        )
        alarm.incident = self._response.raised(at, told, out)
        out.append(AlarmChanged(at, "system", f"system/{source}", Kind.FAULT, alarm.state, alarm.incident))

    def _system_end(self, at: Micros, source: str, out: list[Effect]) -> None:
        alarm = self._system.pop(source)
        self._troubles.pop(source)
        alarm.state = ALARM[alarm.state, Signal.RESET]
        if alarm.incident:
            self._response.returned(at, alarm.incident, "system", f"system/{source}", latched=False, out=out)
        out.append(AlarmChanged(at, "system", f"system/{source}", Kind.FAULT, alarm.state, alarm.incident))

    # --- devices and books -------------------------------------------------------------------------------------------

    def _meet(self, key: str) -> _Seen:
        device = self._neighbourhood.device(key)
        if device is None:
            raise LookupError(f"{key} is not registered")
        seen = self._seen[key] = self._place(device)
        return seen

    def _place(self, device: Device) -> _Seen:
        zone = self._neighbourhood.zones[device.zone]
        rules = tuple(
            rule
            for rule in self.book.rules
            if device.kind in rule.devices and (rule.where is None or rule.where(device, zone))
        )
        watch = self._watches.get(rules)
        if watch is None:
            watch = self._watches[rules] = _Watch(rules)
        return _Seen(device, zone, watch)

    def _change_book(self, at: Micros, book: RuleBook, out: list[Effect]) -> None:
        """Unchanged rules keep their alarms, holds and deadlines; alarms of removed or changed rules end, visibly."""
        kept = {
            rule.id
            for rule in book.rules
            if (old := self.book.by_id.get(rule.id)) and old.definition == rule.definition
        }
        running = [
            (rule_id, seen.device.key, seen.alarms) for seen in self._seen.values() for rule_id in seen.alarms or ()
        ]
        zones = [(rule_id, zone, self._zone_alarms) for rule_id, zone in self._zone_alarms]
        for rule_id, subject, _alarms in [*running, *zones]:
            if rule_id not in kept:
                self._end(at, self.book.by_id[rule_id], subject, out)
        self.book = book
        self._of_absence = _of_absence(book)
        self._watches.clear()
        for key, seen in list(self._seen.items()):
            fresh = self._place(seen.device)
            seen.watch = fresh.watch
            self._seen[key] = seen
        self._count_again()

    def _end(self, at: Micros, rule: Rule, subject: str, out: list[Effect]) -> None:
        alarms, key, seen = self._alarms_at(rule, subject)
        alarm = alarms[key]
        for what in ("hold", "clear"):
            self._timers.cancel((what, rule.id, subject))
        incident = alarm.incident
        self._signal(
            at, rule, subject, alarm, Signal.OFF if alarm.state is AlarmState.PENDING else Signal.RESET, seen, out
        )
        self._drop(alarms, key, seen)
        if incident:
            self._response.returned(at, incident, rule.id, subject, latched=False, out=out)

    def _count_again(self) -> None:
        """The zones' counters from the devices' values: O(devices), only when the book changes."""
        self._zone_counts.clear()
        zone_rules = [rule for rule in self.book.rules if rule.check is None]
        for seen in self._seen.values():
            seen.holds = None
            for rule in zone_rules:
                if seen.device.kind in rule.devices and (rule.where is None or rule.where(seen.device, seen.zone)):
                    now = tuple(term(seen.values, seen.device, seen.zone) is True for term in rule.terms)
                    if any(now):
                        seen.holds = {**(seen.holds or {}), rule.id: now}
                        counts = self._zone_counts.setdefault((rule.id, seen.zone.key), [0] * len(now))
                        for i, holds in enumerate(now):
                            counts[i] += holds

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """All state as plain lists, dicts, strings and numbers; `restore` of it, in a new engine, is this engine."""
        return {
            "now": self._now,
            "timers": [[due, list(name)] for due, name in self._timers],
            "response": self._response.snapshot(),
            "zones": [[list(key), _plain(alarm)] for key, alarm in self._zone_alarms.items()],
            "system": [[source, _plain(alarm), self._troubles[source]] for source, alarm in self._system.items()],
            "devices": [
                [
                    key,
                    s.last_at,
                    s.live_at,
                    s.measured_at,
                    s.freshness.value,
                    dict(s.values),
                    {r: _plain(a) for r, a in (s.alarms or {}).items()},
                ]
                for key, s in self._seen.items()
            ],
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Become the engine that made the snapshot, under the same book.

        A device or zone that the site file no longer has is left out with its alarms; their incidents stay open for a person.
        """
        self._now = data["now"]
        self._response.restore(data["response"])
        for key, last_at, live_at, measured_at, freshness, values, alarms in data["devices"]:
            device = self._neighbourhood.device(key)
            if device is None:
                continue
            seen = self._seen[key] = self._place(device)
            seen.last_at, seen.live_at, seen.measured_at, seen.freshness = (
                last_at,
                live_at,
                measured_at,
                Freshness(freshness),
            )
            seen.values = dict(values)
            seen.alarms = {r: _alarm(a) for r, a in alarms.items() if r in self.book.by_id} or None
        for (rule_id, zone), alarm in data["zones"]:
            if rule_id in self.book.by_id and zone in self._neighbourhood.zones:
                self._zone_alarms[rule_id, zone] = _alarm(alarm)
        for source, alarm, detail in data["system"]:
            self._system[source], self._troubles[source] = _alarm(alarm), detail
        for due, (what, who, which) in data["timers"]:
            if what in ("sla", "trouble") or self._runs(who, which):
                self._timers.set((what, who, which), due)
        self._count_again()

    def reconcile(self, kept: Iterable[Incident], newest: str) -> list[str]:
        """After a recovery: where the ledger's open incidents and ours differ, the ledger is right. Returns what was mended.

        They only differ when the tape was folded under something else than it was written under: the site file lost a device or a limit
        changed while a kill had left no snapshot, or a newer program reads messages in another way. An incident that we lack is opened
        without alarms, for a person to close. One that the ledger lacks was never told to anybody: its alarms go back to idle, so the
        next reading that shows the danger raises it.
        """
        renamed, strays, adopted = self._response.reconcile(kept, newest)
        if not renamed and not strays and not adopted:
            return []
        everywhere: list[dict[Any, _Alarm]] = [self._zone_alarms, self._system]
        everywhere += [seen.alarms for seen in self._seen.values() if seen.alarms]
        for alarms in everywhere:
            _rename(alarms, renamed, strays)
        for seen in self._seen.values():
            seen.alarms = seen.alarms or None
        self._troubles = {source: detail for source, detail in self._troubles.items() if source in self._system}
        self._rename_timers(renamed, strays)
        return [
            *(f"{incident}: open in the ledger, unknown to the recovery" for incident in adopted),
            *(f"{new}: the ledger's record was taken" for new in renamed.values()),
            *(f"{stray}: unknown to the ledger, its alarms are idle again" for stray in sorted(strays)),
        ]

    def _rename_timers(self, renamed: Mapping[str, str], strays: set[str]) -> None:
        running = list(self._timers)
        moved = [(due, name) for due, name in running if name[0] == "sla" and (name[1] in renamed or name[1] in strays)]
        idle = [
            (due, name) for due, name in running if name[0] in ("hold", "clear") and not self._runs(name[1], name[2])
        ]
        for _, name in (*moved, *idle):
            self._timers.cancel(name)
        for due, (what, who, which) in moved:
            if who in renamed:
                self._timers.set((what, renamed[who], which), due)

    def _runs(self, rule_id: str, subject: str) -> bool:
        seen = self._seen.get(subject)
        return (rule_id, subject) in self._zone_alarms or bool(seen and seen.alarms and rule_id in seen.alarms)


def _of_absence(book: RuleBook) -> frozenset[str]:
    """The zone rules that hold when none of their terms does, such as `not any(online)`."""
    return frozenset(r.id for r in book.rules if r.decide is not None and r.decide([0] * len(r.terms)))


def _rename(alarms: dict[Any, _Alarm], renamed: Mapping[str, str], strays: set[str]) -> None:
    for key, alarm in list(alarms.items()):
        if alarm.incident in strays:
            del alarms[key]
        else:
            alarm.incident = renamed.get(alarm.incident, alarm.incident)


def _view(seen: _Seen) -> DeviceState:
    alarms = {rule: alarm.state for rule, alarm in (seen.alarms or {}).items()}
    return DeviceState(seen.device, seen.last_at, seen.freshness, seen.values, alarms)


def _plain(alarm: _Alarm) -> list[str]:
    return [alarm.state.value, alarm.incident, alarm.doubt.value]


def _alarm(plain: list[str]) -> _Alarm:
    alarm = _Alarm()
    alarm.state, alarm.incident, alarm.doubt = AlarmState(plain[0]), plain[1], Freshness(plain[2])
    return alarm
