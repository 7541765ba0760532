"""The life of an alarm: one rule at one subject, moved through its table by what readings say, by time, and by a person's reset.

Turns answers of rules into signals, and tells the response and the linkage of alarms that begin, go on and end. Asks no rule itself, and
knows neither how zones are counted nor what is done about an incident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from rules.incident import ALARM, Signal
from rules.linkage import Cause, Linkage
from rules.measures import Measures
from rules.model import AlarmChanged, AlarmState, Effect, Freshness, Measure, Micros, Suppression, Value
from rules.response import Alarm, Response
from rules.rule import Rule
from rules.timers import Timers
from rules.watch import Running, Seen, take_records

Verdict: TypeAlias = Callable[[Micros, Rule, str], Mapping[str, Value | None]]
"""(at, rule, zone) → how kinds of evidence were counted, for the timeline."""


class Standing(NamedTuple):
    """An alarm as it stands: its incident, and when its hold or its clearing is over."""

    state: AlarmState
    incident: str = ""
    due: Micros | None = None


class Alarms:
    """Those that are not idle: of devices in what is kept of each (`Seen.alarms`), of zones here.

    Every method appends its effects to `out`. Timers: ("hold" | "clear", rule, subject).
    """

    def __init__(
        self,
        timers: Timers,
        seen: Mapping[str, Seen],
        measures: Measures,
        response: Response,
        linkage: Linkage,
        verdict: Verdict,
    ) -> None:
        self._timers = timers
        self._seen = seen
        self._measures = measures
        self._response = response
        self._linkage = linkage
        self._verdict = verdict
        self.zones: dict[tuple[str, str], Running] = {}
        """(rule, zone) → its alarm"""

    def judged(
        self, at: Micros, rule: Rule, seen: Seen, holds: bool | None, freshness: Freshness, out: list[Effect]
    ) -> None:
        """What a rule about devices says of this one, where it holds or there is an alarm."""
        if seen.alarms is None:
            seen.alarms = {}
        clear_check = rule.clear_check
        clears = (
            holds is False
            if clear_check is None
            else holds is not True and clear_check(seen.known, seen.device, seen.zone) is True
        )
        self.evaluate(at, rule, seen.device.key, seen.alarms, rule.id, holds is True, clears, seen, freshness, out)
        if not seen.alarms:
            seen.alarms = None

    def evaluate(
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
                    if self._measures.of(rule, subject, seen) is None:
                        self._measures.yield_to(at, told, out)
                    self._response.burning(at, alarm.incident, told, back, out)
                    self.command(at, rule, told, alarm.incident, out)

    def _signal(
        self, at: Micros, rule: Rule, subject: str, alarm: Running, signal: Signal, seen: Seen | None, out: list[Effect]
    ) -> None:
        was = alarm.state
        alarm.state = ALARM[was, signal]
        if signal is Signal.ON:
            alarm.since = at
        if signal is Signal.HELD or (signal is Signal.ON and was is AlarmState.LATCHED):
            former = alarm.incident
            measure = self._measures.of(rule, subject, seen)
            told = self._described(at, rule, subject, alarm, seen, measure)
            if measure is None:
                self._measures.yield_to(at, told, out)
            alarm.incident = self._response.raised(at, told, out, measure)
            self.command(at, rule, told, alarm.incident, out)
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
        key = seen.device.key if seen else ""
        return Alarm(
            rule.id, subject, rule.kind, rule.group, rule.title, rule.advice, zone, key, said, alarm.doubt,
            self._verdict(at, rule, subject),
            measured_at=_by_its_clock(seen, alarm.since) if seen else None,
            sensed_at=alarm.since,
            withheld=measure.id if measure is not None else "",
            exercise="test" if measure is not None and measure.measure is Measure.TEST else "",
        )  # fmt: skip

    def command(self, at: Micros, rule: Rule, told: Alarm, incident: str, out: list[Effect]) -> None:
        """What a rule commands when it alarms."""
        if rule.linkage:
            withheld = bool(told.withheld or self._measures.of(rule, told.subject, self._seen.get(told.device)))
            cause = Cause(told.device, told.zone, told.evidence, withheld)
            self._linkage.raised(at, rule.linkage, cause, *self._response.standing(incident), out)

    def due(self, due: Micros, what: str, rule: Rule, subject: str, out: list[Effect]) -> None:
        """A hold (`what` is "hold") or a clearing is over."""
        alarms, key, seen = self._at(rule, subject)
        alarm = alarms[key]
        signal = Signal.HELD if what == "hold" else Signal.LATCH if rule.latch else Signal.ENDED
        self._signal(due, rule, subject, alarm, signal, seen, out)
        if alarm.state is AlarmState.IDLE:
            self._drop(alarms, key, seen)

    def standing(self, rule: Rule, subject: str) -> Standing:
        """The alarm of a rule of the book in force at a device or zone; idle for one that never spoke."""
        if rule.check is not None and subject not in self._seen:
            return Standing(AlarmState.IDLE)
        alarms, key, _ = self._at(rule, subject)
        alarm = alarms.get(key)
        if alarm is None:
            return Standing(AlarmState.IDLE)
        hold, clear = (self._timers.due((what, rule.id, subject)) for what in ("hold", "clear"))
        return Standing(alarm.state, alarm.incident, clear if hold is None else hold)

    def reset(
        self, at: Micros, incident: str, rule: Rule | None, rule_id: str, subject: str, out: list[Effect]
    ) -> None:
        """Back to idle, as on a fire panel: the next reading raises it again if the danger is still there."""
        if rule is not None and self.runs(rule_id, subject):
            alarms, key, _ = self._at(rule, subject)
            if alarms[key].incident == incident:
                self.end(at, rule, subject, out)
                return
        # The book or the site file has lost it over a restart, or it burns elsewhere now.
        self._response.returned(at, incident, rule_id, subject, latched=False, out=out)

    def end(self, at: Micros, rule: Rule, subject: str, out: list[Effect], *, because: str = "") -> None:
        """Whatever it was, it is idle now, and no longer of its incident. `because`: why, when no sensor says so."""
        alarms, key, seen = self._at(rule, subject)
        alarm = alarms[key]
        for what in ("hold", "clear"):
            self._timers.cancel((what, rule.id, subject))
        incident = alarm.incident
        self._signal(
            at, rule, subject, alarm, Signal.OFF if alarm.state is AlarmState.PENDING else Signal.RESET, seen, out
        )
        self._drop(alarms, key, seen)
        if incident:
            self._response.returned(at, incident, rule.id, subject, latched=False, out=out, because=because)

    def runs(self, rule_id: str, subject: str) -> bool:
        """Is the alarm not idle?"""
        seen = self._seen.get(subject)
        return (rule_id, subject) in self.zones or bool(seen and seen.alarms and rule_id in seen.alarms)

    def _at(self, rule: Rule, subject: str) -> tuple[dict[Any, Running], Any, Seen | None]:
        if rule.check is None:
            return self.zones, (rule.id, subject), None
        seen = self._seen[subject]
        return seen.alarms or {}, rule.id, seen

    @staticmethod
    def _drop(alarms: dict[Any, Running], key: Any, seen: Seen | None) -> None:
        del alarms[key]
        if seen is not None and not seen.alarms:
            seen.alarms = None

    def mended(self, renamed: Mapping[str, str], strays: set[str]) -> None:
        """After a recovery the ledger's records took the place of ours (see Engine.reconcile)."""
        take_records(self.zones, renamed, strays)
        for seen in self._seen.values():
            if seen.alarms:
                take_records(seen.alarms, renamed, strays)
            seen.alarms = seen.alarms or None
        for _, name in list(self._timers):
            if name[0] in ("hold", "clear") and not self.runs(name[1], name[2]):
                self._timers.cancel(name)


def _by_its_clock(seen: Seen, sensed_at: Micros) -> Micros | None:
    """When the device measured what was sensed at that moment; None where it has no clock, or where another word of it came since."""
    return seen.measured_at if seen.live_at == sensed_at != seen.measured_at else None
