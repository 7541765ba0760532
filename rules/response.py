"""Who must come, by when, and what people have done about it: policy over time, from a raised alarm to a closed incident.

It decides and never delivers; the outbox delivers and reports back by `Receipt`. It never sees a reading: the engine tells it of
alarms. Here alarms become incidents; the rest has a part of its own: climbing.py and deadlines.py, riding.py (floods), moves.py (people),
receipts.py (providers), docket.py (the open incidents). Whom a call reaches is calling.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from rules.calling import CHINA, EPOCH, Caller, rfc3339
from rules.case import NOBODY, Alarm, Case, incident_from_plain, incident_to_plain
from rules.climbing import LOOKS, Climbing
from rules.deadlines import Deadlines
from rules.docket import Docket
from rules.incident import INCIDENT, Act, reached
from rules.model import (
    MINUTE,
    SECOND,
    Condition,
    Effect,
    Entry,
    Freshness,
    Incident,
    IncidentChanged,
    IncidentState,
    Kind,
    Micros,
    Move,
    Neighbourhood,
    Receipt,
    Refused,
    Step,
    Suppression,
    Swap,
    Text,
    Value,
)
from rules.moves import Moves
from rules.people import NextCall
from rules.receipts import Receipts
from rules.riding import Riding
from rules.timers import Timers

TIMERS = frozenset({"ladder", "sla", "warn", "flood"})
DEVICES_SHOWN = 20
HEARING: Micros = 5 * SECOND
"""After an absence of ours: what waits in the broker is heard for so long before anybody is called for what came due."""
MOST_SWAPS = 1000
LONGEST_SWAP: Micros = 32 * 24 * 60 * MINUTE


class Response:
    """The open incidents. Every method appends its effects to `out`; `finish` closes an event with the changed records.

    The timers of its parts are those whose name begins with one of `TIMERS`.
    """

    def __init__(self, neighbourhood: Neighbourhood, timers: Timers, closed: Callable[[str], None]) -> None:
        """`closed` hears of each incident that is over."""
        self._neighbourhood = neighbourhood
        self._timers = timers
        self._caller = Caller(neighbourhood)
        self._plan = self._caller.plan
        self._docket = Docket()
        self._climbing = Climbing(neighbourhood, timers, self._caller, self._docket)
        self._deadlines = Deadlines(neighbourhood, timers, self._caller, self._docket, self._climbing)
        self._riding = Riding(neighbourhood, timers, self._caller, self._docket, self._climbing, self._deadlines)
        self._receipts = Receipts(self._caller, self._docket, self._deadlines)
        self._moves = Moves(
            neighbourhood, self._caller, self._docket, self._climbing, self._deadlines, self._riding, closed
        )

    @property
    def open(self) -> Iterable[Incident]:
        """The incidents that are not closed."""
        return (case.incident for case in self._docket)

    def get(self, incident: str) -> Incident | None:
        """One that is not closed."""
        case = self._docket.get(incident)
        return case.incident if case is not None else None

    @property
    def open_count(self) -> int:
        """How many there are."""
        return len(self._docket)

    @property
    def swaps(self) -> list[Swap]:
        """The swaps of shifts that are not over."""
        return self._caller.swaps

    # --- what the engine tells ---------------------------------------------------------------------------------------

    def raised(self, at: Micros, alarm: Alarm, out: list[Effect], measure: Suppression | None = None) -> str:
        """An alarm is active: open an incident or join the one of its place; return the incident's id.

        `measure` is the suppression that withholds it, for the timeline.
        """
        case = self._docket.at(alarm.place)
        if case is None:
            return self._open(at, alarm, measure, out)
        was = case.incident
        quiet = not case.active
        case.active[alarm.rule, alarm.subject] = None
        case.latched.pop((alarm.rule, alarm.subject), None)
        devices = was.devices
        if alarm.device and alarm.device not in devices:
            devices = (*devices[: DEVICES_SHOWN - 1], alarm.device)
        graver = alarm.kind.rank < was.kind.rank
        self._docket.change(
            case,
            condition=Condition.ACTIVE,
            kind=alarm.kind if graver else was.kind,
            title=alarm.title if graver else was.title,
            alarms=was.alarms + 1,
            rules=was.rules if alarm.rule in was.rules else (*was.rules, alarm.rule),
            devices=devices,
            last_device=alarm.device or was.last_device,
        )
        self._riding.count(at, case, out)
        if was.state is IncidentState.RESOLVED or (was.state is IncidentState.ACKNOWLEDGED and quiet):
            self._again(at, case, alarm, out)
        elif alarm.evidence is Freshness.LIVE and case.wants(alarm) and (was.suspected or not graver):
            self._confirm(at, case, alarm, out)
        else:
            self._tell(at, case, Step.ESCALATED if graver else Step.JOINED, alarm, out)
            if case.wants(alarm):
                self._unhear(case)
                self._call(at, case, alarm, out)
        return was.id

    def burning(self, at: Micros, incident: str, alarm: Alarm, back: bool, out: list[Effect]) -> None:
        """An alarm of the incident says more: its evidence is certain now, or the danger came `back` while it was clearing."""
        case = self._docket[incident]
        wanted = case.wants(alarm)
        if case.incident.state is IncidentState.RESOLVED:
            if wanted or back:  # who resolved it knew only of doubtful evidence, or had seen the danger go
                self._again(at, case, alarm, out)
        elif wanted and alarm.evidence is Freshness.LIVE:
            self._confirm(at, case, alarm, out)

    def returned(
        self, at: Micros, incident: str, rule: str, subject: str, *, latched: bool, out: list[Effect], because: str = ""
    ) -> None:
        """The sensors say it is over (`latched`: but a person must reset it); or the rule is gone (`because`)."""
        case = self._docket[incident]
        case.active.pop((rule, subject), None)
        case.latched.pop((rule, subject), None)
        if latched:
            case.latched[rule, subject] = None
        condition = case.condition
        why = {"because": because} if because else {}
        out.append(Entry(at, incident, Step.RETURNED, {"rule": rule, "subject": subject, "latched": latched, **why}))
        self._docket.change(case, condition=condition)
        unsent = case.incident.kind is Kind.FAULT or (case.incident.withheld and case.sent == NOBODY)
        if condition is Condition.RETURNED and unsent and not reached(case.incident.state, IncidentState.RESOLVED):
            # Nobody is sent for it, so nobody would ever resolve one that mended itself.
            self._docket.change(case, state=IncidentState.RESOLVED, resolved_at=at)
            self._deadlines.stop(case)
            self._climbing.stop(at, case, out)
            out.append(Entry(at, incident, Step.RESOLVED, {"by": "", "note": because or "returned to normal"}))

    def alarms_of(self, incident: str) -> list[tuple[str, str, str]]:
        """(incident, rule, subject) of the alarms that keep it, or one that goes under it in a flood, from returning."""
        case = self._docket[incident]
        here = [(incident, rule, subject) for rule, subject in (*case.active, *case.latched)]
        return [*here, *(alarm for rider in case.riders for alarm in self.alarms_of(rider))]

    def withheld_by(self, suppression: str) -> list[Incident]:
        """The open incidents that a measure keeps from paging."""
        return [case.incident for case in self._docket if case.incident.withheld == suppression]

    def released(self, at: Micros, incident: str, suppression: str, out: list[Effect]) -> None:
        """The measure is over; the engine resets the alarms, so that what still burns is raised as if it began now."""
        out.append(Entry(at, incident, Step.RELEASED, {"suppression": suppression}))

    def standing(self, incident: str) -> tuple[Incident, int]:
        """The record of an open incident, and a number that is another one whenever it was raised (again)."""
        case = self._docket[incident]
        return case.incident, case.since

    def unobeyed(self, at: Micros, incident: str, advice: Text, out: list[Effect]) -> None:
        """A device was commanded and did not obey: whoever was called hears of it; in a flood the timeline alone tells."""
        case = self._docket.get(incident)
        if case is not None and case.incident.kind in (Kind.FIRE, Kind.PREALARM) and not case.incident.lead:
            self._caller.tell(at, case, "linkage-failed", f"linkage-{case.since}", "", out, advice)

    # --- what people do, and providers -------------------------------------------------------------------------------

    def refusal(self, move: Move) -> str:
        """Why the move is not allowed, one sentence in Chinese and one in English for the person; or an empty string."""
        return self._moves.refusal(move)

    def moved(self, move: Move, out: list[Effect]) -> None:
        """Carry out a move that `refusal` allows (the engine resets the alarms itself)."""
        self._moves.moved(move, out)

    def end_exercise(self, at: Micros, exercise: str, why: str, out: list[Effect]) -> None:
        """Close what belongs to a drill, and tell everybody who was called for it."""
        self._moves.end_exercise(at, exercise, why, out)

    def receipt(self, receipt: Receipt, out: list[Effect]) -> None:
        """One attempt to deliver a push has ended."""
        self._receipts.take(receipt, out)

    def next_call(self, incident: str) -> NextCall | None:
        """When the ladder of an open incident climbs, and whom that calls; None while it stands still or has no further rung."""
        return self._climbing.next_call(incident)

    def swap(self, swap: Swap, out: list[Effect]) -> None:
        """Somebody stands in for somebody else."""
        known = self._plan.people
        reason = ""
        if swap.station not in self._plan.rosters:
            reason = "没有这个站或该站没有排班。There is no such station, or it has no roster."
        elif swap.leaves not in known or swap.takes not in known:
            reason = "没有这个人员。There is no such person."
        elif not swap.since < swap.until <= swap.at + LONGEST_SWAP or swap.until <= swap.at:
            reason = "换班时间不对：须在32天内，先开始后结束。A swap begins before it ends, within 32 days."
        self._caller.swaps[:] = [kept for kept in self._caller.swaps if kept.until > swap.at]
        if not reason and len(self._caller.swaps) >= MOST_SWAPS:
            reason = f"换班已达{MOST_SWAPS}条上限。There are {MOST_SWAPS} swaps that are not over; no more are kept."
        if reason:
            out.append(Refused(swap.at, "", reason))
            return
        self._caller.swaps.append(swap)

    # --- time passes -------------------------------------------------------------------------------------------------

    def due(self, at: Micros, what: str, who: str, which: str, out: list[Effect]) -> None:
        """A timer of the response has run out."""
        match what:
            case "sla":
                self._deadlines.missed(at, self._docket[who], which, out)
            case "warn":
                self._deadlines.near(at, self._docket[who], which, out)
            case "flood":
                self._riding.news(at, who, out)
            case _ if which in LOOKS:
                self._climbing.look(at, self._docket[who], which, out)
            case _ if which == "two":
                self._climbing.spread(at, self._docket[who], out)
            case _ if which == "late":
                self._deadlines.late(at, self._docket[who])
            case _:
                self._climbing.climb(at, self._docket[who], out)

    def returned_to_duty(self, at: Micros) -> None:
        """Nobody was here for a while. What came due meanwhile waits a little more: who acknowledged could not be heard, and must not see
        the alarm handed to 119 all the same. Then the ladders go on with the rung they stood at, as far apart as ever.
        """
        for due, name in [timer for timer in self._timers if timer[0] <= at]:
            what, incident, which = name
            if what == "warn" and (self._timers.due(("sla", incident, which)) or 0) <= at + HEARING:
                self._timers.cancel(name)  # no word that it is near comes after it was missed
            elif what in ("ladder", "sla", "warn"):
                self._timers.set(name, at + HEARING)
                if which == "next":
                    self._docket[incident].began += at + HEARING - due

    def finish(self, at: Micros, out: list[Effect]) -> None:
        """One `IncidentChanged` for each record that the event touched, and word of it for those who follow."""
        for case in self._docket.touched.values():
            case.incident = replace(case.incident, revision=case.incident.revision + 1)
            out.append(IncidentChanged(at, case.incident))
            self._caller.state(at, case, out)
        self._docket.touched.clear()

    # --- the ladder --------------------------------------------------------------------------------------------------

    def _call(self, at: Micros, case: Case, alarm: Alarm, out: list[Effect]) -> None:
        """Send the station; on doubtful evidence ask it to verify; on a retained message only show the incident."""
        case.round += 1
        case.advice, case.reading = alarm.advice, dict(alarm.reading)
        if alarm.evidence is Freshness.RETAINED or case.incident.withheld:
            return
        if alarm.evidence is Freshness.LIVE or not self._climbing.running(case):
            case.begin(at)  # otherwise: who is being called for what is certain goes on being called
        case.asked = case.incident.kind.rank
        if alarm.evidence is not Freshness.LIVE:
            if not self._riding.rides(at, case, out):
                self._climbing.verify(at, case, out)
            return
        case.sent = case.incident.kind.rank
        if self._riding.rides(at, case, out):
            self._riding.spread(at, case, out)
            return
        profile = self._neighbourhood.sla.get(case.incident.kind)
        if profile is not None:
            self._deadlines.promise(at, case, profile)
        told = self._climbing.climb(at, case, out)
        if profile is not None and not told:
            out.append(Entry(at, case.incident.id, Step.UNCOVERED, {"zone": alarm.zone}))

    # --- raising -----------------------------------------------------------------------------------------------------

    def _open(self, at: Micros, alarm: Alarm, measure: Suppression | None, out: list[Effect]) -> str:
        zone = self._neighbourhood.zones.get(alarm.zone)
        stations = self._caller.stations(alarm.zone)
        incident = Incident(
            id=self._docket.new_id(),
            site=zone.site if zone else alarm.zone,
            zone=alarm.zone,
            group=alarm.place[1],
            kind=alarm.kind,
            state=IncidentState.RAISED,
            condition=Condition.ACTIVE,
            title=alarm.title,
            raised_at=at,
            station=stations[0].key if stations else "",
            suspected=alarm.evidence is not Freshness.LIVE,
            alarms=1,
            rules=(alarm.rule,),
            devices=(alarm.device,) if alarm.device else (),
            last_device=alarm.device,
            measured_at=alarm.measured_at,
            sensed_at=alarm.sensed_at,
            withheld=alarm.withheld,
            exercise=alarm.exercise,
            revision=0,
        )
        case = Case(incident)
        case.active[alarm.rule, alarm.subject] = None
        self._docket.enter(case)
        self._tell(at, case, Step.RAISED, alarm, out)
        if measure is not None:
            out.append(
                Entry(at, incident.id, Step.WITHHELD, {
                    "suppression": measure.id, "measure": measure.measure.value, "by": measure.by, "why": measure.why,
                    "until": rfc3339(measure.until), "compensation": measure.compensation,
                })
            )  # fmt: skip
        self._riding.count(at, case, out)
        self._call(at, case, alarm, out)
        return incident.id

    def _again(self, at: Micros, case: Case, alarm: Alarm, out: list[Effect]) -> None:
        """Danger after RESOLVED, or after an acknowledgement when it had been over: all begins anew, under new keys."""
        self._riding.part(case)
        self._deadlines.forget(case)
        self._docket.change(
            case, state=INCIDENT[case.incident.state, Act.REALARM], suspected=alarm.evidence is not Freshness.LIVE, overdue=(),
            warned=(), dispatched_at=None, acknowledged_at=None, acknowledged_by="", on_scene_at=None, resolved_at=None,
            dispatch_due_at=None, on_scene_due_at=None, resolve_due_at=None, handed_over_at=None,
        )  # fmt: skip
        case.since, case.sent, case.asked = case.round + 1, NOBODY, NOBODY
        self._tell(at, case, Step.REALARM, alarm, out)
        self._call(at, case, alarm, out)

    def _confirm(self, at: Micros, case: Case, alarm: Alarm, out: list[Effect]) -> None:
        self._tell(at, case, Step.CONFIRMED, alarm, out)
        self._docket.change(case, suspected=False)
        self._unhear(case)
        self._call(at, case, alarm, out)

    def _unhear(self, case: Case) -> None:
        """Who has taken it did so knowing of less: somebody must take it again. Who stands there sees for himself."""
        if case.incident.state is IncidentState.ACKNOWLEDGED:
            state = INCIDENT[case.incident.state, Act.REALARM]
            self._docket.change(case, state=state, dispatched_at=None, acknowledged_at=None, acknowledged_by="")

    # --- inside ------------------------------------------------------------------------------------------------------

    def _tell(self, at: Micros, case: Case, step: Step, alarm: Alarm, out: list[Effect]) -> None:
        detail: dict[str, Value | None] = {
            "rule": alarm.rule, "subject": alarm.subject, "kind": alarm.kind.value, "device": alarm.device,
            "evidence": alarm.evidence.value,
            "title_zh": alarm.title.zh, "title_en": alarm.title.en,
        }  # fmt: skip
        if alarm.exercise:
            detail["exercise"] = alarm.exercise
        detail.update({f"reading.{name}": value for name, value in alarm.reading.items()})
        detail.update(alarm.verdict)
        out.append(Entry(at, case.incident.id, step, detail))

    # --- after a recovery --------------------------------------------------------------------------------------------

    def reconcile(self, kept: Iterable[Incident], newest: str) -> tuple[dict[str, str], set[str], list[str]]:
        """Make what the ledger keeps of open incidents ours; see `Docket.match`. To be followed by `take_up`."""
        renamed, strays, adopted = self._docket.match(kept, newest)
        self._riding.mended(renamed)
        return renamed, strays, adopted

    def take_up(self, at: Micros, taken: Iterable[str]) -> None:
        """After `reconcile` (and once the timers bear the records' names): go on with each record that was taken where it stands.

        What nobody has acknowledged is called for, from the first rung and under fresh keys; promises keep their moments, those without
        one run from now.
        """
        for case in [self._docket[incident] for incident in taken]:
            # In any case its revision goes on: whoever recovers again has fresh keys again.
            self._docket.change(case, lead=case.incident.lead if case.incident.lead in self._docket else "")
            self._deadlines.stop(case)
            incident = case.incident
            heard = reached(incident.state, IncidentState.ACKNOWLEDGED)
            if heard:
                self._climbing.halt(case)
            over = reached(incident.state, IncidentState.RESOLVED) or incident.kind is Kind.FAULT
            if over or incident.suspected or incident.withheld or incident.exercise or incident.lead:
                continue
            case.sent, case.asked = min(case.sent, incident.kind.rank), min(case.asked, incident.kind.rank)
            self._deadlines.promised(at, case)
            if not heard and not self._climbing.running(case):
                self._climbing.from_the_foot(at + SECOND, case)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Plain lists, dicts, strings and numbers."""
        serial, cases = self._docket.snapshot()
        return {
            "serial": serial,
            "cases": cases,
            "failing": list(self._caller.failing),
            "swaps": [[s.at, s.station, s.leaves, s.takes, s.since, s.until, s.by] for s in self._caller.swaps],
            "floods": self._riding.floods.snapshot(),
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take the place of the engine that made the snapshot."""
        self._docket.restore(data["serial"], data["cases"])
        self._caller.failing = dict.fromkeys(data.get("failing", ()))
        self._caller.swaps[:] = [Swap(*plain) for plain in data.get("swaps", ())]
        self._riding.restore(data.get("floods", []), {})


__all__ = ["CHINA", "EPOCH", "Alarm", "Response", "incident_from_plain", "incident_to_plain", "rfc3339"]
