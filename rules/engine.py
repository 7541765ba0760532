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

from rules.areas import Areas
from rules.commands import CHANNEL
from rules.incident import ALARM, Signal
from rules.linkage import TIMER as COMMAND
from rules.linkage import Cause, Linkage
from rules.memory import HEARD
from rules.model import (
    HUMAN_REPORT,
    MINUTE,
    SECOND,
    AlarmChanged,
    AlarmState,
    Device,
    Effect,
    Freshness,
    Incident,
    Kind,
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
    SuppressionChanged,
    Swap,
    Text,
    Tick,
    Trouble,
    Value,
    Verb,
)
from rules.people import NextCall
from rules.recall import TIMER, Recall
from rules.response import Alarm, Response
from rules.rule import BookChanged, Rule, RuleBook
from rules.suppression import Suppressions, mistake
from rules.timers import NEVER, Timers
from rules.watch import Running, Seen, Watch

Event: TypeAlias = Reading | Trouble | Move | Receipt | Suppress | Restore | Swap | Tick | BookChanged

TROUBLE_HOLD: Micros = 30 * SECOND
"""A lane of ours that recovers within this time is worth a line in the log, not an incident."""


TAKES_VOTES = (Measure.TEST, Measure.IMPAIRED, Measure.SHELVED)
"""A device under one of these is out of service where kinds of evidence are counted; the strongest first."""
RESPONSE_TIMERS = frozenset({"sla", "warn", "ladder", "flood"})

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
    derived: Mapping[str, Value]
    """What its memories answer, by the name of the derived quantity."""


DOUBTED_FOR: Micros = 10 * SECOND
"""What a device says so soon after it was offline may be what its gateway had kept from before."""

FEED = "feed"
"""The trouble in which we hear nothing of any device."""
RESTART = "restart"
"""Said first after a recovery, as of the last event before it: nobody was listened to since then, until the feed is well. Its end is said
next, as of now: from here on somebody is there."""
ABSENCE: Micros = 15 * SECOND
"""Who was away for longer may have missed what people did meanwhile; a shorter restart changes nothing."""


class Standing(NamedTuple):
    """An alarm as it stands: its incident, and when its hold or its clearing is over."""

    state: AlarmState
    incident: str = ""
    due: Micros | None = None


class Engine:
    """See the module. One owner; not thread-safe, never awaits."""

    def __init__(self, book: RuleBook, neighbourhood: Neighbourhood) -> None:
        self.book = book
        self._neighbourhood = neighbourhood
        self._timers = Timers()
        self._now: Micros = 0
        self._seen: dict[str, Seen] = {}
        self._suppressions = Suppressions()
        self._linkage = Linkage(neighbourhood, self._timers, self._seen, self._suppressions, self._unobeyed)
        self._response = Response(neighbourhood, self._timers, self._linkage.closed)
        self._recall = Recall(self._timers, self._seen)
        self._gateways = self._recall.gateways
        self._areas = Areas(neighbourhood, self._seen, self._aside)
        self._zone_alarms: dict[tuple[str, str], Running] = {}
        self._zone_counts: dict[tuple[str, str], list[int]] = {}
        self._system: dict[str, Running] = {}
        self._troubles: dict[str, str] = {}
        self._sidelined: dict[str, None] = {}
        """The devices and zones under a measure that takes votes: usually none, so that a reading pays for it with one look."""
        self._watches: dict[tuple[str, ...], Watch] = {}
        self._of_absence = _of_absence(book)

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
        return self._troubles

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
        if rule.check is not None and subject not in self._seen:
            return Standing(AlarmState.IDLE)
        alarms, key, _ = self._alarms_at(rule, subject)
        alarm = alarms.get(key)
        if alarm is None:
            return Standing(AlarmState.IDLE)
        hold, clear = (self._timers.due((what, rule.id, subject)) for what in ("hold", "clear"))
        return Standing(alarm.state, alarm.incident, clear if hold is None else hold)

    @property
    def waited(self) -> Micros:
        """For how long we have been listening to the devices, as of the newest event; 0 while we do not."""
        return self._recall.waited(self._now)

    # --- readings ----------------------------------------------------------------------------------------------------

    def _reading(self, at: Micros, reading: Reading, out: list[Effect]) -> None:
        if reading.exercise and self._made_up(at, reading, out):
            return
        said = reading.values
        names = tuple(said)
        seen = self._seen.get(reading.device)
        new = seen is None
        if seen is None:
            seen = self._meet(at, reading.device)
        freshness = reading.freshness
        measured_at = reading.measured_at
        if freshness is Freshness.LIVE:
            seen.live_at = at
            seen.measured_at = at if measured_at is None else measured_at
        elif _outdated(at, seen, freshness, measured_at):
            return
        seen.last_at = at
        seen.freshness = freshness
        told = _moved(seen, reading) if self._gateways and reading.device in self._gateways else ()
        plan = seen.watch.plans.get(names) or seen.watch.plan(names)
        moved = plan.moved(seen.known, said)
        if new:
            names = (HEARD, *names)
            moved.append(HEARD)
        seen.values.update(said)
        if seen.certain_from is not None or said.get("online") is False:
            freshness = _doubted(at, seen, reading)
        if self._linkage.awaited and freshness is Freshness.LIVE:
            self._linkage.heard(at, reading, out)
        if seen.kept is not None:
            names += self._recall.read(at, seen, said, freshness, plan, moved)
        if seen.stirring is None and seen.alarms is None:
            self._ask_moved(at, seen, plan.asked(tuple(moved)), freshness, out)
        else:
            self._ask(at, seen, names, freshness, out)
        if told:
            for other in self._recall.behind(reading.device):
                self._ask(at, other, self._recall.upstream(at, other, told), other.freshness, out)

    def _ask(self, at: Micros, seen: Seen, names: tuple[str, ...], evidence: Freshness, out: list[Effect]) -> None:
        """Ask all rules that watch one of these quantities, reported or derived, of this device."""
        known, device, zone, alarms = seen.known, seen.device, seen.zone, seen.alarms
        rules = seen.watch.by_names.get(names)
        for rule in seen.watch.asked(names) if rules is None else rules:
            check = rule.check
            if check is None:
                self._zone_rule(at, rule, seen, evidence, out)
                continue
            holds = check(known, device, zone)
            if holds is True:
                seen.stir(rule.id)
            else:
                seen.rest(rule.id)
            if holds is True or (alarms is not None and rule.id in alarms):
                self._device_rule(at, rule, seen, holds, evidence, out)
                alarms = seen.alarms
        if not seen.calm:
            self._recall.watch_fading(at, seen)

    def _ask_moved(
        self, at: Micros, seen: Seen, asked: tuple[tuple[Rule, bool], ...], evidence: Freshness, out: list[Effect]
    ) -> None:
        """The same of a device where nothing holds and there is no alarm: what looks at nothing that moved would answer as before."""
        known, device, zone = seen.known, seen.device, seen.zone
        for rule, moved in asked:
            check = rule.check
            if check is None:
                if moved:
                    self._zone_rule(at, rule, seen, evidence, out)
                elif self._zone_counts:
                    self._poll(at, rule, seen, evidence, out)
            elif check(known, device, zone) is True:
                seen.stir(rule.id)
                self._device_rule(at, rule, seen, True, evidence, out)
        if not seen.calm:
            self._recall.watch_fading(at, seen)

    def _device_rule(
        self, at: Micros, rule: Rule, seen: Seen, holds: bool | None, freshness: Freshness, out: list[Effect]
    ) -> None:
        if seen.alarms is None:
            seen.alarms = {}
        clear_check = rule.clear_check
        clears = (
            holds is False
            if clear_check is None
            else holds is not True and clear_check(seen.known, seen.device, seen.zone) is True
        )
        self._evaluate(at, rule, seen.device.key, seen.alarms, rule.id, holds is True, clears, seen, freshness, out)
        if not seen.alarms:
            seen.alarms = None

    def _zone_rule(self, at: Micros, rule: Rule, seen: Seen, freshness: Freshness, out: list[Effect]) -> None:
        """Each device keeps which terms hold at it; each zone keeps only how many devices each term holds at."""
        now = self._terms(rule, seen)
        holding = True in now
        was = seen.holds.get(rule.id) if seen.holds else None
        if holding:
            seen.stir(rule.id)
        else:
            seen.rest(rule.id)
        changed = holding if was is None else now != was
        counted = changed or holding or rule.id in self._of_absence
        if not counted and rule.voting is None and (rule.id, seen.zone.key) not in self._zone_alarms:
            return
        # Doubtful evidence becomes certain only by a live reading in which a term of the rule holds.
        says = any(now[: len(rule.voting.voters)] if rule.voting is not None else now)
        for zone in self._areas.of(rule, seen.zone.key):
            key = (rule.id, zone)
            counts = self._zone_counts.get(key)
            # a voting also changes by who has spoken at all
            if not counted and key not in self._zone_alarms and (counts is None or rule.voting is None):
                continue
            if counts is None:
                counts = self._zone_counts[key] = self._areas.counts(rule, zone)
            if changed:
                self._areas.add(rule, counts, was, now, own=zone == seen.zone.key)
            telling = says or key not in self._zone_alarms or rule.id in self._of_absence
            self._decide(at, rule, zone, counts, seen, freshness if telling else Freshness.RETAINED, out)
        if changed:
            if seen.holds is None:
                seen.holds = {}
            seen.holds[rule.id] = now

    def _terms(self, rule: Rule, seen: Seen) -> tuple[bool, ...]:
        """Which terms of a zone's rule hold at the device."""
        known, device, zone = seen.known, seen.device, seen.zone
        now = tuple([term(known, device, zone) is True for term in rule.terms])
        if self._sidelined and rule.kind.rank <= Kind.PREALARM.rank and (why := self._aside(seen)):
            # What a device in test says is no evidence; that it, or one that is impaired or shelved, is out of service counts.
            voters = rule.voting.voters if rule.voting is not None else ()
            said = now[: len(now) - len(voters)]
            said = (False,) * len(said) if why == Measure.TEST else said
            return said + tuple(device.kind in voter.devices for voter in voters)
        return now

    def _poll(self, at: Micros, rule: Rule, seen: Seen, freshness: Freshness, out: list[Effect]) -> None:
        """What a voting comes to where this device says nothing new and nothing for it: who has fallen silent meanwhile?"""
        for zone in self._areas.of(rule, seen.zone.key):
            key = (rule.id, zone)
            counts = self._zone_counts.get(key)
            if counts is not None:
                evidence = Freshness.RETAINED if key in self._zone_alarms else freshness
                self._decide(at, rule, zone, counts, seen, evidence, out)

    def _decide(
        self, at: Micros, rule: Rule, zone: str, counts: list[int], seen: Seen, evidence: Freshness, out: list[Effect]
    ) -> None:
        key = (rule.id, zone)
        if rule.voting is not None:
            holds = rule.voting.decide(counts, self._recall.waited(at))
        else:
            holds = rule.decide is not None and rule.decide(counts)
        if not holds and key not in self._zone_alarms:
            return
        clears = not holds if rule.decide_clear is None else not holds and rule.decide_clear(counts)
        self._evaluate(at, rule, zone, self._zone_alarms, key, holds, clears, seen, evidence, out)

    # --- one alarm ---------------------------------------------------------------------------------------------------

    def _evaluate(
        self, at: Micros, rule: Rule, subject: str, alarms: dict[Any, Running], key: Any,
        holds: bool, clears: bool, seen: Seen, evidence: Freshness, out: list[Effect],
    ) -> None:  # fmt: skip
        """Turn what a reading says into signals for the alarm's table."""
        alarm = alarms.get(key)
        if alarm is None:
            alarm = alarms[key] = Running()
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
        self, at: Micros, rule: Rule, subject: str, alarm: Running, seen: Seen, evidence: Freshness, out: list[Effect]
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
                    told = self._described(at, rule, subject, alarm, seen)
                    if self._measure(rule, subject, seen) is None:
                        self._win(at, told, out)
                    self._response.burning(at, alarm.incident, told, back, out)
                    self._command(at, rule, told, alarm.incident, out)

    def _signal(
        self, at: Micros, rule: Rule, subject: str, alarm: Running, signal: Signal, seen: Seen | None, out: list[Effect]
    ) -> None:
        was = alarm.state
        alarm.state = ALARM[was, signal]
        if signal is Signal.ON:
            alarm.since = at
        if signal is Signal.HELD or (signal is Signal.ON and was is AlarmState.LATCHED):
            former = alarm.incident
            measure = self._measure(rule, subject, seen)
            told = self._described(at, rule, subject, alarm, seen, measure)
            if measure is None:
                self._win(at, told, out)
            alarm.incident = self._response.raised(at, told, out, measure)
            self._command(at, rule, told, alarm.incident, out)
            if former and former != alarm.incident:  # the rule's group or the device's zone is another one since then
                self._response.returned(at, former, rule.id, subject, latched=False, out=out)
        elif signal in (Signal.ENDED, Signal.LATCH):
            self._response.returned(at, alarm.incident, rule.id, subject, latched=signal is Signal.LATCH, out=out)
        out.append(AlarmChanged(at, rule.id, subject, rule.kind, alarm.state, alarm.incident))

    def _described(
        self,
        at: Micros,
        rule: Rule,
        subject: str,
        alarm: Running,
        seen: Seen | None,
        measure: Suppression | None = None,
    ) -> Alarm:
        said = {name: value for name, value in seen.values.items() if name in rule.quantities} if seen else {}
        # of a zone a neighbour's device may have decided; a hold that ran out there was decided by none
        zone = subject if rule.check is None or seen is None else seen.zone.key
        counts = self._zone_counts.get((rule.id, subject)) if rule.voting is not None else None
        verdict = (
            self._areas.verdict(rule, rule.voting, subject, counts, self._recall.waited(at))
            if rule.voting and counts
            else {}
        )
        key = seen.device.key if seen else ""
        return Alarm(
            rule.id, subject, rule.kind, rule.group, rule.title, rule.advice, zone, key, said, alarm.doubt, verdict,
            measured_at=seen.measured_at or None if seen else None,
            sensed_at=alarm.since,
            withheld=measure.id if measure is not None else "",
            exercise="test" if measure is not None and measure.measure is Measure.TEST else "",
        )  # fmt: skip

    def _command(self, at: Micros, rule: Rule, told: Alarm, incident: str, out: list[Effect]) -> None:
        if rule.linkage:
            withheld = bool(told.withheld or self._measure(rule, told.subject, self._seen.get(told.device)))
            cause = Cause(told.device, told.zone, told.evidence, withheld)
            self._linkage.raised(at, rule.linkage, cause, *self._response.standing(incident), out)

    def _unobeyed(self, at: Micros, incident: str, advice: Text, out: list[Effect]) -> None:
        self._response.unobeyed(at, incident, advice, out)

    # --- timers ------------------------------------------------------------------------------------------------------

    def _fire_due(self, at: Micros, out: list[Effect]) -> None:
        while (timer := self._timers.pop(at)) is not None:
            due, (what, who, which) = timer
            self._now = due
            if what in RESPONSE_TIMERS:
                self._response.due(due, what, who, which, out)
            elif what == "return":
                self._restore_measure(due, who, "", out)
            elif what == "trouble":
                self._system_raised(due, which, out)
            elif what == COMMAND:
                self._linkage.due(due, who, out)
            elif what == TIMER:
                seen = self._seen[which]
                self._ask(due, seen, self._recall.woken(due, seen, who), _evidence(due, seen), out)
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

    def _alarms_at(self, rule: Rule, subject: str) -> tuple[dict[Any, Running], Any, Seen | None]:
        if rule.check is None:
            return self._zone_alarms, (rule.id, subject), None
        seen = self._seen[subject]
        return seen.alarms or {}, rule.id, seen

    @staticmethod
    def _drop(alarms: dict[Any, Running], key: Any, seen: Seen | None) -> None:
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
                channel = event.key.split("/", 2)[2].partition("@")[0]
                if channel == CHANNEL:
                    self._linkage.receipt(event, out)
                elif event.outcome is Outcome.DEAD:
                    self._trouble(at, f"channel:{channel}", True, event.reply, out, hold=0)
                elif event.outcome is Outcome.ACCEPTED:
                    self._trouble(at, f"channel:{channel}", False, "", out)
            case Suppress() | Restore() | Swap():
                self._ordered(at, event, out)
            case Trouble(source=source) if source == RESTART:
                if event.active:
                    self._recall.listening = None
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
            for incident, rule_id, subject in self._response.alarms_of(move.incident):
                self._reset(at, incident, rule_id, subject, out)
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

    # --- measures and exercises --------------------------------------------------------------------------------------

    def _measure(self, rule: Rule, subject: str, seen: Seen | None) -> Suppression | None:
        """What keeps this alarm from paging now."""
        if not self._suppressions or (seen is not None and seen.device.kind == HUMAN_REPORT):
            return None  # what people report comes from no detector that anybody works on
        places = (subject,) if rule.check is None or seen is None else (subject, seen.zone.key)
        return self._suppressions.of(rule.id, rule.kind, *places)

    def _aside(self, seen: Seen) -> str:
        """The measure by which the device is no voter that must be waited for, the strongest; or an empty string."""
        if seen.device.kind == HUMAN_REPORT:
            return ""
        for measure in TAKES_VOTES:
            for subject in (seen.device.key, seen.zone.key):
                found = self._suppressions.at(subject, measure) if subject in self._sidelined else None
                if found is not None and not found.rule:
                    return measure.value
        return ""

    def _ordered(self, at: Micros, order: Suppress | Restore | Swap, out: list[Effect]) -> None:
        if isinstance(order, Suppress):
            self._suppress(at, order, out)
        elif isinstance(order, Swap):
            self._response.swap(order, out)
        elif self._suppressions.get(order.suppression) is not None:
            self._restore_measure(at, order.suppression, order.by, out, note=order.note)
        else:
            out.append(Refused(at, "", "没有这项生效中的措施。There is no such measure in force."))

    def _suppress(self, at: Micros, order: Suppress, out: list[Effect]) -> None:
        rule = self.book.by_id.get(order.rule)
        zone = order.subject in self._neighbourhood.zones
        reason = mistake(order, rule.kind if rule is not None else None)
        if not reason and order.rule and rule is None:
            reason = "没有这条规则。There is no such rule."
        if not reason and not zone and (order.measure is Measure.WORKS or not self.knows(order.subject)):
            reason = "没有这个设备或分区。There is no such device or zone."
        if reason:
            out.append(Refused(at, "", reason))
            return
        measure = self._suppressions.add(order)
        self._timers.set(("return", measure.id, ""), measure.until)
        out.append(SuppressionChanged(at, measure))
        if order.measure in TAKES_VOTES:
            self._sidelined[order.subject] = None
            self._ask_all(at, order.subject, out)

    def _restore_measure(
        self,
        at: Micros,
        suppression: str,
        by: str,
        out: list[Effect],
        why: str = "the exercise is over",
        note: str = "",
    ) -> None:
        """The measure is over: what it kept from paging and still burns is raised as if it began now."""
        measure = self._suppressions.remove(suppression)
        self._timers.cancel(("return", suppression, ""))
        over = replace(measure, ended_at=at, ended_by=by, note=note)
        out.append(SuppressionChanged(at, over))
        if not any(self._suppressions.at(measure.subject, other) for other in TAKES_VOTES):
            self._sidelined.pop(measure.subject, None)
        if measure.measure is Measure.DRILL:
            self._suppressions.ended(over)
            self._response.end_exercise(at, suppression, why, out)
        devices: dict[str, None] = {}
        for incident in self._response.withheld_by(suppression):
            self._response.released(at, incident.id, suppression, out)
            for holder, rule_id, subject in self._response.alarms_of(incident.id):
                self._reset(at, holder, rule_id, subject, out)
            devices.update(dict.fromkeys(incident.devices))
        # A rule of the zone may have been decided by time, and of many devices the record names a few.
        if measure.measure is not Measure.DRILL:
            for subject in dict.fromkeys([measure.subject, *devices]):
                self._ask_all(at, subject, out)

    def _ask_all(self, at: Micros, subject: str, out: list[Effect]) -> None:
        """Ask every rule of a device, or of all devices of a zone, by what is known."""
        one = self._seen.get(subject)
        for seen in [one] if one is not None else [s for s in self._seen.values() if s.zone.key == subject]:
            self._recall.settle(at, seen)
            self._ask(at, seen, tuple(seen.known), _evidence(at, seen), out)

    def _made_up(self, at: Micros, reading: Reading, out: list[Effect]) -> bool:
        """Carry out a drill's reading, if a drill by this name is announced there: no fire hides behind a mark that anybody can write.

        What was made up for one that has ended before it arrived (a queue, a lost connection, a real fire) is dropped: it must neither page
        nor, as a made-up "no smoke", speak against what really burns.
        """
        device = self._neighbourhood.device(reading.device)
        if device is None:
            return False
        places = (device.key, device.zone)
        measure = self._suppressions.get(reading.exercise)
        if measure is not None and measure.measure is Measure.DRILL and measure.subject in places:
            self._exercise(at, reading, device, out)
            return True
        moment = reading.at if reading.measured_at is None else reading.measured_at
        return self._suppressions.straggles(reading.exercise, places, moment)

    def _win(self, at: Micros, alarm: Alarm, out: list[Effect]) -> None:
        """A real fire wins over every exercise."""
        if alarm.kind is Kind.FIRE and alarm.evidence is Freshness.LIVE:
            for measure in self._suppressions.all(Measure.DRILL):
                self._restore_measure(at, measure.id, "", out, "a real fire")

    def _exercise(self, at: Micros, reading: Reading, device: Device, out: list[Effect]) -> None:
        """A drill: the rules of a fire are asked of this reading alone. State, memories and holds of the device stay as they are."""
        if reading.freshness is not Freshness.LIVE:
            return
        seen = self._seen.get(reading.device) or self._place(device)
        for rule in seen.watch.rules:
            if rule.check is None or rule.kind.rank > Kind.PREALARM.rank:
                continue
            if rule.check(reading.values, device, seen.zone) is True:
                said = {name: value for name, value in reading.values.items() if name in rule.quantities}
                alarm = Alarm(
                    rule.id, device.key, rule.kind, rule.group, rule.title, rule.advice, device.zone, device.key, said,
                    measured_at=reading.measured_at, sensed_at=at, exercise=reading.exercise,
                )  # fmt: skip
                self._command(at, rule, alarm, self._response.raised(at, alarm, out), out)

    # --- our own troubles --------------------------------------------------------------------------------------------

    def _trouble(
        self, at: Micros, source: str, active: bool, detail: str, out: list[Effect], hold: Micros = TROUBLE_HOLD
    ) -> None:
        alarm = self._system.get(source)
        if source == FEED and active is not (self._recall.listening is None):
            self._recall.listening = None if active else at
        if active and alarm is None:
            alarm = self._system[source] = Running()
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

    def _meet(self, at: Micros, key: str) -> Seen:
        device = self._neighbourhood.device(key)
        if device is None:
            raise LookupError(f"{key} is not registered")
        if self._recall.listening == 0:
            self._recall.listening = at
        seen = self._seen[key] = self._place(device)
        self._recall.take(at, seen)
        self._survey(at, seen)
        self._areas.met(seen, self._zone_counts)
        self._linkage.met(device)
        return seen

    def _survey(self, at: Micros, seen: Seen) -> None:
        """What holds at a device whose rules were not asked since its memories, or the rules themselves, came."""
        known, device, zone = seen.known, seen.device, seen.zone
        seen.stirring = None
        for rule in seen.watch.rules:
            checks = rule.terms if rule.check is None else (rule.check,)
            if any(check(known, device, zone) is True for check in checks):
                seen.stir(rule.id)
        for name in self._recall.stirring(at, seen):
            seen.stir(name)
        if not seen.calm:
            self._recall.watch_fading(at, seen)

    def _place(self, device: Device) -> Seen:
        zone = self._neighbourhood.zones[device.zone]
        rules = tuple(
            rule
            for rule in self.book.rules
            if device.kind in rule.devices and (rule.where is None or rule.where(device, zone))
        )
        key = (device.kind, *(rule.id for rule in rules))
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = Watch(rules, device.kind)
        return Seen(device, zone, watch)

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
        self._recall.start_over()
        for seen in self._seen.values():
            self._recall.settle(at, seen)
            seen.watch = self._place(seen.device).watch
            self._recall.take(at, seen)
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
        for seen in self._seen.values():
            self._survey(self._now, seen)
            seen.holds = None
            for rule in seen.watch.rules:
                if rule.check is not None:
                    continue
                now = self._terms(rule, seen)
                if any(now):
                    seen.holds = {**(seen.holds or {}), rule.id: now}
                    for zone in self._areas.of(rule, seen.zone.key):
                        key = (rule.id, zone)
                        if key not in self._zone_counts:
                            self._zone_counts[key] = self._areas.counts(rule, zone)
                        self._areas.add(rule, self._zone_counts[key], None, now, own=zone == seen.zone.key)

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
            "away": [[key, s.certain_from] for key, s in self._seen.items() if s.certain_from is not None],
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
        self._suppressions.restore(data.get("suppressions", [0, []]))
        self._sidelined = {s.subject: None for s in self._suppressions if s.measure in TAKES_VOTES}
        self._linkage.restore(data.get("linkage", {}))
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
            self._recall.take(self._now, seen, memories.get(key, {}))
        for key, certain_from in data.get("away", ()):
            if key in self._seen:
                self._seen[key].certain_from = certain_from
        for (rule_id, zone), alarm in data["zones"]:
            if rule_id in self.book.by_id and zone in self._neighbourhood.zones:
                self._zone_alarms[rule_id, zone] = _alarm(alarm)
        for source, alarm, detail in data["system"]:
            self._system[source], self._troubles[source] = _alarm(alarm), detail
        for due, (what, who, which) in data["timers"]:
            running = self._recall.armed(which, who, due) if what == TIMER else self._runs(who, which)
            running = running or (what == COMMAND and self._linkage.waits(who))
            if what in ("trouble", "return") or what in RESPONSE_TIMERS or running:
                self._timers.set((what, who, which), due)
        self._count_again()

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
        everywhere: list[dict[Any, Running]] = [self._zone_alarms, self._system]
        everywhere += [seen.alarms for seen in self._seen.values() if seen.alarms]
        for alarms in everywhere:
            _rename(alarms, renamed, strays)
        for seen in self._seen.values():
            seen.alarms = seen.alarms or None
        self._troubles = {source: detail for source, detail in self._troubles.items() if source in self._system}
        self._rename_timers(renamed, strays)
        self._response.take_up(self._now, [*renamed.values(), *adopted])
        self._linkage.mended(renamed, strays, adopted)
        return [
            *(f"{incident}: open in the ledger, unknown to the recovery" for incident in adopted),
            *(f"{new}: the ledger's record was taken" for new in renamed.values()),
            *(f"{stray}: unknown to the ledger, its alarms are idle again" for stray in sorted(strays)),
        ]

    def _rename_timers(self, renamed: Mapping[str, str], strays: set[str]) -> None:
        running = list(self._timers)
        moved = [
            (due, name)
            for due, name in running
            if name[0] in RESPONSE_TIMERS and (name[1] in renamed or name[1] in strays)
        ]
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


def _rename(alarms: dict[Any, Running], renamed: Mapping[str, str], strays: set[str]) -> None:
    for key, alarm in list(alarms.items()):
        if alarm.incident in strays:
            del alarms[key]
        else:
            alarm.incident = renamed.get(alarm.incident, alarm.incident)


def _outdated(at: Micros, seen: Seen, freshness: Freshness, measured_at: Micros | None) -> bool:
    """Does a reading that is not live tell less than what is known?"""
    if freshness is Freshness.LATE and measured_at is not None:
        # Older than what the device itself has just told: history only. Otherwise it is the best we know, and danger in it may
        # still be burning; that holds as well for a device whose clock was set back, which sends nothing newer.
        if measured_at <= seen.measured_at and at - seen.live_at < OUTDATED_WITHIN:
            return True
        seen.measured_at = measured_at
    # a retained one is a copy of the past; what the device itself said since then is better
    return freshness is Freshness.RETAINED and bool(seen.last_at)


def _moved(seen: Seen, reading: Reading) -> tuple[str, ...]:
    return tuple(name for name, value in reading.values.items() if seen.values.get(name) != value)


def _doubted(at: Micros, seen: Seen, reading: Reading) -> Freshness:
    """What a reading of a device is worth that is, or was just now, offline."""
    freshness = reading.freshness
    if reading.values.get("online") is False:
        if freshness is Freshness.LIVE:
            seen.certain_from = NEVER
    else:
        if seen.certain_from == NEVER:
            seen.certain_from = at + DOUBTED_FOR
        if reading.values.keys() != {"online"}:  # the word that it is back is certain
            freshness = _evidence(at, seen, freshness)
        if seen.certain_from is not None and at >= seen.certain_from:
            seen.certain_from = None
    return freshness


def _evidence(at: Micros, seen: Seen, freshness: Freshness | None = None) -> Freshness:
    """What the device's newest word is worth now."""
    worth = seen.freshness if freshness is None else freshness
    doubtful = seen.certain_from is not None and at < seen.certain_from < NEVER
    return Freshness.LATE if doubtful and worth is Freshness.LIVE else worth


def _plain(alarm: Running) -> list[Any]:
    return [alarm.state.value, alarm.incident, alarm.doubt.value, alarm.since]


def _alarm(plain: list[Any]) -> Running:
    alarm = Running()
    alarm.state, alarm.incident, alarm.doubt = AlarmState(plain[0]), plain[1], Freshness(plain[2])
    alarm.since = plain[3] if len(plain) > 3 else 0
    return alarm
