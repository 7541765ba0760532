"""Who must come, by when, and what people have done about it: policy over time, from a raised alarm to a closed incident.

It decides and never delivers; the outbox delivers and reports back by `Receipt`. It never sees a reading: the engine tells it of
alarms. Whom a call reaches is calling.py's, when several incidents go as one is flood.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from rules.calling import CHINA, EPOCH, Caller, rfc3339
from rules.case import NOBODY, Alarm, Case, incident_from_plain, incident_to_plain, restored
from rules.flood import Floods
from rules.incident import INCIDENT, Act, reached
from rules.model import (
    MINUTE,
    SECOND,
    Condition,
    Disposition,
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
    Outcome,
    PushSettled,
    Receipt,
    Refused,
    SlaProfile,
    Step,
    Suppression,
    Swap,
    Text,
    Value,
    Verb,
)
from rules.people import GOALS, NextCall, Target
from rules.timers import Timers

DEVICES_SHOWN = 20
TWO_WAYS_AFTER: Micros = 5 * SECOND
"""A FIRE that two kinds of channel have not taken by then goes out over all that are left: whoever then answers within 10 s keeps the
15 s of GB/T 45839-2025 5.10.4, even if every provider before hung."""
HEARING: Micros = 5 * SECOND
"""After an absence of ours: what waits in the broker is heard for so long before anybody is called for what came due."""
UNNEEDED = "nobody need be called any more"
ROUNDS_OF_AN_EVENT = 4 * len(Kind)
"""At most so many rounds does one event begin in one incident: for each kind to look and to come, and as many when it burns again."""
SPREAD_EVERY: Micros = 10 * SECOND
"""A flood is told anew at most so often, also while it spreads: what carries a message's second since the raising never repeats."""
MOST_SWAPS = 1000
LONGEST_SWAP: Micros = 32 * 24 * 60 * MINUTE

_GOALS: Mapping[str, IncidentState] = {
    "dispatch": IncidentState.DISPATCHED,
    "on_scene": IncidentState.ON_SCENE,
    "resolve": IncidentState.RESOLVED,
}
_STATE_WORDS: Mapping[IncidentState, tuple[str, str]] = {
    IncidentState.RAISED: ("已报警", "raised"),
    IncidentState.DISPATCHED: ("已派单", "dispatched"),
    IncidentState.ACKNOWLEDGED: ("已接警", "acknowledged"),
    IncidentState.ON_SCENE: ("已到场", "on scene"),
    IncidentState.RESOLVED: ("已处置", "resolved"),
    IncidentState.CLOSED: ("已结案", "closed"),
}
_ACTS: Mapping[Verb, tuple[Act, Step, str]] = {
    Verb.ACKNOWLEDGE: (Act.ACKNOWLEDGE, Step.ACKNOWLEDGED, "acknowledged_at"),
    Verb.ON_SCENE: (Act.ON_SCENE, Step.ON_SCENE, "on_scene_at"),
    Verb.RESOLVE: (Act.RESOLVE, Step.RESOLVED, "resolved_at"),
    Verb.CLOSE: (Act.CLOSE, Step.CLOSED, "closed_at"),
}
_HEARD = frozenset({IncidentState.ACKNOWLEDGED, IncidentState.ON_SCENE})
"""Somebody has taken it."""
_LOOK = "verify"
_CALLS = ("dispatch", "call", "spread", "around", "overdue", "residents", _LOOK)
"""How the steps of pushes begin that tell somebody to come, or to look."""


class Response:
    """The open incidents. Every method appends its effects to `out`; `finish` closes an event with the changed records.

    Timers: ("ladder", incident, "next" | "two"), ("sla", incident, goal), ("warn", incident, goal), ("flood", scope, "").
    """

    def __init__(self, neighbourhood: Neighbourhood, timers: Timers, closed: Callable[[str], None]) -> None:
        """`closed` hears of each incident that is over."""
        self._closed = closed
        self._neighbourhood = neighbourhood
        self._timers = timers
        self._caller = Caller(neighbourhood)
        self._plan = self._caller.plan
        self._floods = Floods(self._plan.flood)
        self._serial = 0
        self._cases: dict[str, Case] = {}
        self._by_place: dict[tuple[str, str], Case] = {}
        self._exercises: dict[str, None] = {}
        self._touched: dict[str, Case] = {}

    @property
    def open(self) -> Iterable[Incident]:
        """The incidents that are not closed."""
        return (case.incident for case in self._cases.values())

    def get(self, incident: str) -> Incident | None:
        """One that is not closed."""
        case = self._cases.get(incident)
        return case.incident if case is not None else None

    @property
    def open_count(self) -> int:
        """How many there are."""
        return len(self._cases)

    @property
    def swaps(self) -> list[Swap]:
        """The swaps of shifts that are not over."""
        return self._caller.swaps

    def next_call(self, incident: str) -> NextCall | None:
        """When the ladder of an open incident climbs, and whom that calls; None while it stands still or has no further rung."""
        case, due = self._cases.get(incident), self._timers.due(("ladder", incident, "next"))
        ladder = self._plan.ladders.get(case.incident.kind) if case is not None else None
        rung = ladder.rung(case.rung) if case is not None and ladder is not None else None
        if case is None or due is None or rung is None:
            return None
        above = case.incident.handed_over_at is None
        return NextCall(due, tuple(target for target in rung.targets if above or target is not Target.AUTHORITY))

    # --- what the engine tells ---------------------------------------------------------------------------------------

    def raised(self, at: Micros, alarm: Alarm, out: list[Effect], measure: Suppression | None = None) -> str:
        """An alarm is active: open an incident or join the one of its place; return the incident's id.

        `measure` is the suppression that withholds it, for the timeline.
        """
        case = self._by_place.get(alarm.place)
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
        self._change(
            case,
            condition=Condition.ACTIVE,
            kind=alarm.kind if graver else was.kind,
            title=alarm.title if graver else was.title,
            alarms=was.alarms + 1,
            rules=was.rules if alarm.rule in was.rules else (*was.rules, alarm.rule),
            devices=devices,
            last_device=alarm.device or was.last_device,
        )
        self._count(at, case, out)
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
        case = self._cases[incident]
        wanted = case.wants(alarm)
        if case.incident.state is IncidentState.RESOLVED:
            if wanted or back:  # who resolved it knew only of doubtful evidence, or had seen the danger go
                self._again(at, case, alarm, out)
        elif wanted and alarm.evidence is Freshness.LIVE:
            self._confirm(at, case, alarm, out)

    def returned(self, at: Micros, incident: str, rule: str, subject: str, *, latched: bool, out: list[Effect]) -> None:
        """The sensors say it is over (`latched`: but a person must reset it)."""
        case = self._cases[incident]
        case.active.pop((rule, subject), None)
        case.latched.pop((rule, subject), None)
        if latched:
            case.latched[rule, subject] = None
        condition = case.condition
        out.append(Entry(at, incident, Step.RETURNED, {"rule": rule, "subject": subject, "latched": latched}))
        self._change(case, condition=condition)
        unsent = case.incident.kind is Kind.FAULT or (case.incident.withheld and case.sent == NOBODY)
        if condition is Condition.RETURNED and unsent and not reached(case.incident.state, IncidentState.RESOLVED):
            # Nobody is sent for it, so nobody would ever resolve one that mended itself.
            self._change(case, state=IncidentState.RESOLVED, resolved_at=at)
            self._stop_clocks(case)
            self._stop(at, case, out)
            out.append(Entry(at, incident, Step.RESOLVED, {"by": "", "note": "returned to normal"}))

    def alarms_of(self, incident: str) -> list[tuple[str, str, str]]:
        """(incident, rule, subject) of the alarms that keep it, or one that goes under it in a flood, from returning."""
        case = self._cases[incident]
        here = [(incident, rule, subject) for rule, subject in (*case.active, *case.latched)]
        return [*here, *(alarm for rider in case.riders for alarm in self.alarms_of(rider))]

    def withheld_by(self, suppression: str) -> list[Incident]:
        """The open incidents that a measure keeps from paging."""
        return [case.incident for case in self._cases.values() if case.incident.withheld == suppression]

    def released(self, at: Micros, incident: str, suppression: str, out: list[Effect]) -> None:
        """The measure is over; the engine resets the alarms, so that what still burns is raised as if it began now."""
        out.append(Entry(at, incident, Step.RELEASED, {"suppression": suppression}))

    def standing(self, incident: str) -> tuple[Incident, int]:
        """The record of an open incident, and a number that is another one whenever it was raised (again)."""
        case = self._cases[incident]
        return case.incident, case.since

    def unobeyed(self, at: Micros, incident: str, advice: Text, out: list[Effect]) -> None:
        """A device was commanded and did not obey: whoever was called hears of it; in a flood the timeline alone tells."""
        case = self._cases.get(incident)
        if case is not None and case.incident.kind in (Kind.FIRE, Kind.PREALARM) and not case.incident.lead:
            self._caller.tell(at, case, "linkage-failed", f"linkage-{case.since}", "", out, advice)

    # --- what people do ----------------------------------------------------------------------------------------------

    def refusal(self, move: Move) -> str:
        """Why the move is not allowed, one sentence in Chinese and one in English for the person; or an empty string."""
        case = self._cases.get(move.incident)
        if case is None:
            return "没有这起未结案的警情。There is no such open incident."
        incident = case.incident
        if move.verb is Verb.NOTE:
            return "" if move.note else "请写备注内容。A note needs words."
        if move.verb is Verb.RESET:
            if incident.zone not in self._neighbourhood.zones and incident.rules == ("system",):
                return "系统故障排除后自行恢复。Trouble of the system ends by itself when its cause is mended."
            normal = incident.condition is Condition.RETURNED
            return "无需复位：传感器已恢复正常。Nothing to reset: the sensors are back to normal." if normal else ""
        if move.verb is Verb.ACKNOWLEDGE and incident.state in _HEARD:
            return ""  # somebody else was first, or the tap came twice: it is written down and changes nothing
        if (incident.state, _ACTS[move.verb][0]) not in INCIDENT:
            zh, en = _STATE_WORDS[incident.state]
            return f"警情当前{zh}，不能执行此操作。The incident is {en}: {move.verb} is not possible now."
        if move.verb is Verb.CLOSE:
            if move.disposition is None:
                return f"结案须选择处置结论。Closing needs a disposition: {', '.join(Disposition)}."
            if incident.condition is not Condition.RETURNED and incident.id not in self._exercises:
                return "报警尚未恢复：请先复位，险情仍在会再次报警。The alarm stands: reset it first; danger raises it again."
        return ""

    def moved(self, move: Move, out: list[Effect]) -> None:
        """Carry out a move that `refusal` allows (the engine resets the alarms itself); what goes under it in a flood moves along."""
        case = self._cases[move.incident]
        detail: dict[str, Value | None] = {"by": move.by, "note": move.note}
        if move.via:
            detail["via"] = move.via
        if move.verb in (Verb.NOTE, Verb.RESET):
            out.append(Entry(move.at, move.incident, Step(move.verb.value), detail))
            return
        act, step, _ = _ACTS[move.verb]
        riders = [self._cases[rider] for rider in case.riders]
        news = [self._news(move, case)]
        self._advance(move, case, detail, out)
        for rider in riders:
            now = rider.incident
            closes = move.verb is not Verb.CLOSE or now.condition is Condition.RETURNED
            if (now.state, act) in INCIDENT and closes:
                news.append(self._news(move, rider))
                self._advance(move, rider, detail | {"lead": case.incident.id}, out)
        for told, word, but in news:
            if word:
                self._caller.tell(move.at, told, step.value, word, move.by, out, but=but)

    def _news(self, move: Move, case: Case) -> tuple[Case, str, Collection[tuple[str, str]]]:
        """The step of the word for those who were called, empty where there is no news for them; and who hears it from the lead's."""
        lead = self._cases.get(case.incident.lead)
        but = lead.called.keys() if lead is not None else frozenset[tuple[str, str]]()
        others = len(case.called) > 1 if lead is None else not case.called.keys() <= but
        climbing = ("ladder", case.incident.id, "next") in self._timers
        first = case.incident.state not in _HEARD
        if move.verb is Verb.RESOLVE:
            return case, f"resolved-{case.round}", but
        if move.verb is Verb.ACKNOWLEDGE and others and (first or climbing):
            return case, f"acknowledged{'' if first else case.rung}-{case.round}", but
        return case, "", but

    def _advance(self, move: Move, case: Case, detail: Mapping[str, Value | None], out: list[Effect]) -> None:
        act, step, stamp = _ACTS[move.verb]
        state = INCIDENT.get((case.incident.state, act))
        if state is not None:  # an acknowledgement may come again
            changes: dict[str, Any] = {"state": state, stamp: move.at}
            if move.verb is Verb.ACKNOWLEDGE:
                changes["acknowledged_by"] = move.by
            if move.verb is Verb.CLOSE:
                changes["disposition"] = move.disposition
                changes["condition"] = Condition.RETURNED
                detail = {**detail, "disposition": move.disposition}
            self._change(case, **changes)
        out.append(Entry(move.at, case.incident.id, step, detail))
        self._stop_clocks(case)
        self._stop(move.at, case, out)
        if move.verb is Verb.RESOLVE:
            self._leave_flood(case)
        if move.verb is Verb.CLOSE:
            self._forget(case)

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

    # --- what providers answer ---------------------------------------------------------------------------------------

    def receipt(self, receipt: Receipt, out: list[Effect]) -> None:
        """One attempt ended: keep it; the first accepted call makes the incident dispatched, one that failed is gone around."""
        at, outcome = receipt.at, receipt.outcome
        incident_id, step, way = receipt.key.split("/", 2)
        channel, _, person = way.partition("@")
        case = self._cases.get(incident_id)
        unneeded = _asks(step) and self._unneeded(case, receipt.key, step)
        if outcome is Outcome.RETRY and unneeded:
            # It failed while somebody acknowledged: it must not be tried again, not even after a restart.
            out.append(PushSettled(at, receipt.key, Outcome.WITHDRAWN, receipt.attempt, UNNEEDED))
        else:
            out.append(PushSettled(at, receipt.key, outcome, receipt.attempt, receipt.reply, receipt.next_at))
        if outcome is Outcome.ACCEPTED:
            self._caller.failing.pop(channel, None)
        else:
            self._caller.failing[channel] = None
        if case is None or (step.startswith("state-") and outcome is not Outcome.DEAD):
            return
        detail: dict[str, Value | None] = {
            "step": step, "channel": channel, "attempt": float(receipt.attempt), "reply": receipt.reply,
        }  # fmt: skip
        if person:
            detail["to"] = person
        out.append(Entry(at, incident_id, _ANSWERED[outcome], detail))
        if outcome is Outcome.RETRY and receipt.key in case.open_calls:
            case.open_calls[receipt.key] = receipt.attempt
        elif outcome is not Outcome.RETRY:
            case.open_calls.pop(receipt.key, None)
        if not _asks(step) or not _current(step, case.since):
            return
        if outcome is Outcome.ACCEPTED:
            if self._caller.sends(person):
                self._accepted(at, case, channel, step, out)
        elif not unneeded and (outcome is Outcome.DEAD or case.incident.kind is Kind.FIRE):
            self._go_around(at, case, channel, person, step, out)

    @staticmethod
    def _unneeded(case: Case | None, key: str, step: str) -> bool:
        if case is None or not _current(step, case.since):
            return True
        taken = reached(case.incident.state, IncidentState.ACKNOWLEDGED) or case.incident.lead
        return key not in case.open_calls and bool(taken)

    def _accepted(self, at: Micros, case: Case, channel: str, step: str, out: list[Effect]) -> None:
        if step.startswith(_LOOK):
            return  # somebody looks, nobody was sent
        case.accepted[self._plan.kind_of(channel)] = None
        state = case.incident.state
        if (state, Act.DISPATCH) in INCIDENT:
            self._change(case, state=INCIDENT[state, Act.DISPATCH], dispatched_at=at)
            self._stop_clocks(case)
            station = {"station": case.incident.station, "channel": channel}
            out.append(Entry(at, case.incident.id, Step.DISPATCHED, station))

    def _go_around(self, at: Micros, case: Case, channel: str, person: str, step: str, out: list[Effect]) -> None:
        """At once, once for each way and round."""
        way = f"{channel}@{person}"
        if way not in case.around:
            case.around[way] = None
            about, name = ("incident.verify", _LOOK) if step.startswith(_LOOK) else ("incident.call", "around")
            self._caller.around(at, case, channel, person, about, f"{name}{len(case.around)}-{case.round}", out)

    # --- time passes -------------------------------------------------------------------------------------------------

    def due(self, at: Micros, what: str, who: str, which: str, out: list[Effect]) -> None:
        """A timer of the response has run out."""
        match what:
            case "sla":
                self._missed(at, self._cases[who], which, out)
            case "warn":
                self._near(at, self._cases[who], which, out)
            case "flood":
                self._flood_news(at, who, out)
            case _ if which == "two":
                case = self._cases[who]
                if len(case.accepted) < 2:
                    self._caller.spread(at, case, f"spread-{case.round}", out)
            case _:
                self._climb(at, self._cases[who], out)

    def _missed(self, at: Micros, case: Case, goal: str, out: list[Effect]) -> None:
        """A deadline of the SLA profile is missed: say so to whoever was sent, and call who comes next."""
        self._change(case, overdue=(*case.incident.overdue, goal))
        out.append(Entry(at, case.incident.id, Step.OVERDUE, {"goal": goal}))
        targets = (Target.STATION, *self._plan.whom(case.incident.kind, goal))
        self._reach(at, case, targets, "incident.overdue", f"overdue-{goal}-{case.round}", out, goal=goal)
        if goal == "on_scene" and case.incident.state is IncidentState.ACKNOWLEDGED:
            # Somebody took it and did not come: the ladder goes on where it stood.
            self._resume(at, case)

    def _near(self, at: Micros, case: Case, goal: str, out: list[Effect]) -> None:
        """A deadline is near: tell those on duty, if there is anybody to tell."""
        if self._caller.warn(at, case, goal, f"warning-{goal}-{case.round}", out):
            self._change(case, warned=(*case.incident.warned, goal))
            due = self._timers.due(("sla", case.incident.id, goal)) or at
            out.append(Entry(at, case.incident.id, Step.WARNED, {"goal": goal, "left": (due - at) / SECOND}))

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
                    self._cases[incident].began += at + HEARING - due

    def finish(self, at: Micros, out: list[Effect]) -> None:
        """One `IncidentChanged` for each record that the event touched, and word of it for those who follow."""
        for case in self._touched.values():
            case.incident = replace(case.incident, revision=case.incident.revision + 1)
            out.append(IncidentChanged(at, case.incident))
            self._caller.state(at, case, out)
        self._touched.clear()

    # --- the ladder --------------------------------------------------------------------------------------------------

    def _call(self, at: Micros, case: Case, alarm: Alarm, out: list[Effect]) -> None:
        """Send the station; on doubtful evidence ask it to verify; on a retained message only show the incident."""
        case.round += 1
        case.advice, case.reading = alarm.advice, dict(alarm.reading)
        if alarm.evidence is Freshness.RETAINED or case.incident.withheld:
            return
        if alarm.evidence is Freshness.LIVE or ("ladder", case.incident.id, "next") not in self._timers:
            case.begin(at)  # otherwise: who is being called for what is certain goes on being called
        case.asked = case.incident.kind.rank
        if alarm.evidence is not Freshness.LIVE:
            if not self._rides(at, case, out):
                targets = (Target.STATION, Target.DUTY)
                self._caller.reach(at, case, targets, "incident.verify", f"verify-{case.round}", out)
            return
        case.sent = case.incident.kind.rank
        if self._rides(at, case, out):
            self._spread(at, case, out)
            return
        profile = self._neighbourhood.sla.get(case.incident.kind)
        if profile is not None:
            self._promise(at, case, profile)
        told = self._climb(at, case, out)
        if profile is not None and not told:
            out.append(Entry(at, case.incident.id, Step.UNCOVERED, {"zone": alarm.zone}))

    def _climb(self, at: Micros, case: Case, out: list[Effect]) -> bool:
        """The next rung, and the timer of the one after it. Did it reach anybody?"""
        if not case.rung and case.incident.kind is Kind.FIRE:
            self._timers.set(("ladder", case.incident.id, "two"), at + TWO_WAYS_AFTER)
        ladder = self._plan.ladders.get(case.incident.kind)
        rung = ladder.rung(case.rung) if ladder is not None else None
        if rung is None:
            if case.rung and case.called:
                out.append(Entry(at, case.incident.id, Step.EXHAUSTED, {}))
            return False
        number, case.rung = case.rung, case.rung + 1
        about, name = ("incident.call", f"call{number}") if number else ("incident.dispatch", "dispatch")
        told = self._reach(at, case, rung.targets, about, f"{name}-{case.round}", out)
        if told and number:
            out.append(Entry(at, case.incident.id, Step.CALLED, {"rung": float(number), "targets": ", ".join(told)}))
        self._next_rung(at, case)
        return bool(told)

    def _resume(self, at: Micros, case: Case) -> None:
        """The next rung a minute from now, the others behind it as far apart as ever."""
        ladder = self._plan.ladders.get(case.incident.kind)
        rung = ladder.rung(case.rung) if ladder is not None else None
        case.began = at + MINUTE - (rung.after if rung is not None else 0)
        self._next_rung(at, case)

    def _next_rung(self, at: Micros, case: Case) -> None:
        """The timer of the next rung, at its time from the beginning of the round; behind the last one, of the word that there is none.

        A ladder that nobody stands on is not climbed: the deadlines speak for it. Of a FAULT nobody waits to hear that it was taken.
        """
        ladder = self._plan.ladders.get(case.incident.kind)
        if ladder is None or (self._neighbourhood.plan is None and len(self._caller.covering(case.incident)) < 2):
            return
        rung = ladder.rung(case.rung)
        due = case.began + rung.after if rung is not None else at + ladder.every
        if rung is not None or (case.rung and case.incident.kind is not Kind.FAULT):
            self._timers.set(("ladder", case.incident.id, "next"), max(due, at + SECOND))

    def _reach(
        self,
        at: Micros,
        case: Case,
        targets: Iterable[Target],
        about: str,
        step: str,
        out: list[Effect],
        **more: object,
    ) -> list[Target]:
        if case.incident.lead:  # in a flood another incident speaks for it
            return []
        told = self._caller.reach(at, case, targets, about, step, out, more)
        if Target.AUTHORITY in told:
            self._change(case, handed_over_at=at)
        return told

    def _stop(self, at: Micros, case: Case, out: list[Effect], *, rides: bool = False) -> None:
        """Nobody need be called any more: the ladder stands still, and what is not delivered yet is taken back.

        `rides`: another incident calls for it, but not the families of its own zone; what is on its way to them stays.
        """
        for which in ("next", "two"):
            self._timers.cancel(("ladder", case.incident.id, which))
        for key, attempts in list(case.open_calls.items()):
            if not rides or self._caller.sends(_person(key)):
                del case.open_calls[key]
                out.append(PushSettled(at, key, Outcome.WITHDRAWN, attempts, UNNEEDED))

    def _promise(self, at: Micros, case: Case, profile: SlaProfile) -> None:
        """Set the deadlines of all that is not reached yet, and write them into the record."""
        times = {"dispatch": profile.dispatch, "on_scene": profile.on_scene, "resolve": profile.resolve}
        for goal, after in times.items():
            if reached(case.incident.state, _GOALS[goal]) or goal in case.incident.overdue:
                continue
            name = ("sla", case.incident.id, goal)
            running = self._timers.due(name)
            if running is None or at + after < running:  # a graver kind may be promised sooner, never later
                self._timers.set(name, at + after)
                if goal not in case.incident.warned:
                    self._timers.set(("warn", case.incident.id, goal), at + round(after * self._plan.warn))
                self._change(case, **{f"{goal}_due_at": at + after})

    def _stop_clocks(self, case: Case) -> None:
        """The deadlines of all that is reached."""
        for name, goal in _GOALS.items():
            if reached(case.incident.state, goal):
                self._timers.cancel(("sla", case.incident.id, name))
                self._timers.cancel(("warn", case.incident.id, name))

    # --- raising -----------------------------------------------------------------------------------------------------

    def _open(self, at: Micros, alarm: Alarm, measure: Suppression | None, out: list[Effect]) -> str:
        self._serial += 1
        zone = self._neighbourhood.zones.get(alarm.zone)
        stations = self._caller.stations(alarm.zone)
        incident = Incident(
            id=f"inc-{self._serial:06d}",
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
        self._cases[incident.id] = self._by_place[incident.zone, incident.group] = case
        self._touched[incident.id] = case
        self._tell(at, case, Step.RAISED, alarm, out)
        if measure is not None:
            out.append(
                Entry(at, incident.id, Step.WITHHELD, {
                    "suppression": measure.id, "measure": measure.measure.value, "by": measure.by, "why": measure.why,
                    "until": rfc3339(measure.until), "compensation": measure.compensation,
                })
            )  # fmt: skip
        if alarm.exercise and not alarm.withheld:
            self._exercises[incident.id] = None
        self._count(at, case, out)
        self._call(at, case, alarm, out)
        return incident.id

    def _again(self, at: Micros, case: Case, alarm: Alarm, out: list[Effect]) -> None:
        """Danger after RESOLVED, or after an acknowledgement when it had been over: all begins anew, under new keys."""
        self._part(case)
        for goal in GOALS:
            self._timers.cancel(("sla", case.incident.id, goal))
            self._timers.cancel(("warn", case.incident.id, goal))
        self._change(
            case, state=INCIDENT[case.incident.state, Act.REALARM], suspected=alarm.evidence is not Freshness.LIVE, overdue=(),
            warned=(), dispatched_at=None, acknowledged_at=None, acknowledged_by="", on_scene_at=None, resolved_at=None,
            dispatch_due_at=None, on_scene_due_at=None, resolve_due_at=None, handed_over_at=None,
        )  # fmt: skip
        case.since, case.sent, case.asked = case.round + 1, NOBODY, NOBODY
        self._tell(at, case, Step.REALARM, alarm, out)
        self._call(at, case, alarm, out)

    def _confirm(self, at: Micros, case: Case, alarm: Alarm, out: list[Effect]) -> None:
        self._tell(at, case, Step.CONFIRMED, alarm, out)
        self._change(case, suspected=False)
        self._unhear(case)
        self._call(at, case, alarm, out)

    def _unhear(self, case: Case) -> None:
        """Who has taken it did so knowing of less: somebody must take it again. Who stands there sees for himself."""
        if case.incident.state is IncidentState.ACKNOWLEDGED:
            self._change(case, state=INCIDENT[case.incident.state, Act.REALARM], dispatched_at=None, acknowledged_at=None,
                         acknowledged_by="")  # fmt: skip

    # --- exercises ---------------------------------------------------------------------------------------------------

    def end_exercise(self, at: Micros, exercise: str, why: str, out: list[Effect]) -> None:
        """Close what belongs to a drill, and tell everybody who was called for it."""
        for incident in list(self._exercises):
            if self._cases[incident].incident.exercise == exercise:
                self._end_exercise(at, self._cases[incident], why, out)

    def _end_exercise(self, at: Micros, case: Case, why: str, out: list[Effect]) -> None:
        incident = case.incident
        self._caller.tell(at, case, "exercise-over", f"over-{case.round}", "", out)
        self._change(
            case, state=IncidentState.CLOSED, condition=Condition.RETURNED, disposition=Disposition.TEST, closed_at=at,
            resolved_at=incident.resolved_at or at,
        )  # fmt: skip
        self._stop(at, case, out)
        self._stop_clocks(case)
        out.append(Entry(at, incident.id, Step.CLOSED, {"by": "", "note": why, "disposition": Disposition.TEST}))
        self._forget(case)

    # --- floods ------------------------------------------------------------------------------------------------------

    def _scope(self, incident: Incident) -> str:
        zone = self._neighbourhood.zones.get(incident.zone)
        return f"{zone.site}/{zone.building}" if zone is not None and zone.building else incident.zone

    def _counts(self, incident: Incident) -> bool:
        return incident.kind is not Kind.FAULT and not incident.exercise and not incident.withheld

    def _count(self, at: Micros, case: Case, out: list[Effect]) -> None:
        """One more alarm of its building; if that makes it a flood, those that nobody has taken go under the first and gravest."""
        if not self._counts(case.incident):
            return
        scope = self._scope(case.incident)
        if self._floods.count(at, scope):
            here = [c for c in self._cases.values() if self._counts(c.incident) and self._scope(c.incident) == scope]
            alone = [c for c in here if not c.incident.lead]  # what rides since a former flood stays under its lead
            sent = [c for c in alone if c.sent != NOBODY and not reached(c.incident.state, IncidentState.RESOLVED)]
            if sent:
                lead = min(sent, key=lambda c: (c.sent, c.incident.raised_at, c.incident.id))
                self._lead(at, scope, lead, out)
                for other in sent:
                    if other is not lead and not reached(other.incident.state, IncidentState.ACKNOWLEDGED):
                        self._ride(at, lead, other, out)
        if not self._floods.calm(at, scope) and ("flood", scope, "") not in self._timers:
            self._timers.set(("flood", scope, ""), at + self._plan.flood.summary)

    def _lead(self, at: Micros, scope: str, lead: Case, out: list[Effect]) -> None:
        self._floods.led_by(scope, lead.incident.id)
        out.append(Entry(at, lead.incident.id, Step.FLOOD, {"lead": lead.incident.id, "scope": scope}))

    def _rides(self, at: Micros, case: Case, out: list[Effect]) -> bool:
        """Does another incident speak for this one? If there is a flood and nobody graver leads it, this one does from now on.

        Only one that people were sent for speaks for what is certain; what is doubtful may go under a doubtful one.
        """
        if not self._counts(case.incident):
            return False
        scope = self._scope(case.incident)
        certain = case.sent == case.asked
        if self._floods.calm(at, scope):
            if certain:
                self._part(case)
            return False
        lead = self._cases.get(self._floods.lead(scope))
        if lead is case:
            return False
        if lead is not None and lead.sent <= case.sent:
            if lead.asked <= case.asked:
                self._ride(at, lead, case, out)
                return True
            return False  # danger graver than all, but doubtful: somebody must look, and nobody else's ladder stands still for it
        if case.incident.lead and not certain:
            return False
        self._part(case)
        self._lead(at, scope, case, out)
        if lead is not None:
            for rider in [lead, *(self._cases[r] for r in lead.riders)]:
                if not reached(rider.incident.state, IncidentState.ACKNOWLEDGED):
                    self._ride(at, case, rider, out)
        return False

    def _ride(self, at: Micros, lead: Case, rider: Case, out: list[Effect]) -> None:
        for name in GOALS:
            self._timers.cancel(("sla", rider.incident.id, name))
            self._timers.cancel(("warn", rider.incident.id, name))
        self._stop(at, rider, out, rides=True)
        self._part(rider)
        for inner in rider.riders:
            self._change(self._cases[inner], lead=lead.incident.id)
        lead.riders.update(dict.fromkeys([rider.incident.id, *rider.riders]))
        rider.riders.clear()
        self._change(
            rider, lead=lead.incident.id, members=0, dispatch_due_at=None, on_scene_due_at=None, resolve_due_at=None
        )
        self._change(lead, members=len(lead.riders))
        out.append(
            Entry(at, rider.incident.id, Step.FLOOD, {"lead": lead.incident.id, "scope": self._scope(rider.incident)})
        )
        if rider.sent != NOBODY and self._plan.calls(rider.incident.kind, Target.RESIDENTS):
            self._caller.residents(at, rider, lead, f"residents-{rider.round}", out)

    def _part(self, case: Case) -> None:
        """Nobody speaks for it any more."""
        lead = self._cases.get(case.incident.lead)
        if lead is not None:
            del lead.riders[case.incident.id]
            self._change(lead, members=len(lead.riders))
            self._change(case, lead="")

    def _flood_news(self, at: Micros, scope: str, out: list[Effect]) -> None:
        """How it has grown, for those who were called for its lead; too soon after the last time, at the moment when it is not."""
        if self._floods.calm(at, scope):
            return
        lead = self._cases.get(self._floods.lead(scope))
        if lead is not None and at < lead.summed + SPREAD_EVERY:
            self._timers.set(("flood", scope, ""), lead.summed + SPREAD_EVERY)
            return
        self._timers.set(("flood", scope, ""), at + self._plan.flood.summary)
        alarms = self._floods.news(scope) if lead is not None else 0
        if lead is not None and alarms:
            lead.summed = at
            newest_first = (self._cases[rider].incident.zone for rider in reversed(lead.riders))
            zones = list(dict.fromkeys([lead.incident.zone, *newest_first]))
            step = f"flood{(at - lead.incident.raised_at) // SECOND}-{lead.round}"
            self._caller.summary(at, lead, step, alarms, zones, out)

    def _spread(self, at: Micros, case: Case, out: list[Effect]) -> None:
        """Fire in another place of a flood that somebody has taken: who is there or on the way hears of it now, not within the minute."""
        lead = self._cases[case.incident.lead]
        if (
            case.incident.kind is Kind.FIRE
            and lead.incident.state in _HEARD
            and case.incident.zone != lead.incident.zone
        ):
            self._flood_news(at, self._scope(case.incident), out)

    def _stay_here(self) -> None:
        """The site file may have moved a zone to another building: who led there leads no more, and the next alarm pages for itself."""
        for scope, lead in self._floods.leads():
            if lead in self._cases and self._scope(self._cases[lead].incident) != scope:
                self._floods.led_by(scope, "")

    def _leave_flood(self, case: Case) -> None:
        """What is resolved speaks for nobody any more: the next alarm pages for itself."""
        scope = self._scope(case.incident)
        if self._floods.lead(scope) == case.incident.id:
            self._floods.led_by(scope, "")

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

    def _change(self, case: Case, **changes: Any) -> None:
        case.incident = replace(case.incident, **changes)
        self._touched[case.incident.id] = case

    def _forget(self, case: Case) -> None:
        incident = case.incident
        del self._cases[incident.id], self._by_place[incident.zone, incident.group]
        self._closed(incident.id)
        self._exercises.pop(incident.id, None)
        self._leave_flood(case)
        lead = self._cases.get(incident.lead)
        if lead is not None:
            del lead.riders[incident.id]
            self._change(lead, members=len(lead.riders))
        for rider in case.riders:
            self._change(self._cases[rider], lead="")

    def reconcile(self, kept: Iterable[Incident], newest: str) -> tuple[dict[str, str], set[str], list[str]]:
        """Make what the ledger keeps of open incidents ours; `newest` is the id of its newest incident, open or not.

        Returns (renamed, strays, adopted): ids of ours and the ledger's for the same place, where the records differ; ids of ours that
        the ledger never heard of; ids of the ledger's that we lacked. Usually all three are empty.
        """
        self._serial = max(self._serial, _serial(newest))
        ours = {(c.incident.zone, c.incident.group): c for c in self._cases.values()}
        renamed: dict[str, str] = {}
        adopted: list[str] = []
        cases: list[Case] = []
        for incident in kept:
            case = ours.pop((incident.zone, incident.group), None)
            if case is None:
                case = Case(incident)
                adopted.append(incident.id)
            elif case.incident != incident:
                renamed[case.incident.id] = incident.id
            if case.incident != incident or incident.id in adopted:
                case.incident = replace(incident, condition=case.condition)
                # More than there ever were, as keys of pushes must not repeat: an event may begin a few rounds.
                case.round = max(case.round, ROUNDS_OF_AN_EVENT * incident.revision)
            cases.append(case)
        self._cases = {case.incident.id: case for case in sorted(cases, key=lambda c: _serial(c.incident.id))}
        self._by_place = {(c.incident.zone, c.incident.group): c for c in cases}
        self._join_again(renamed)
        return renamed, {case.incident.id for case in ours.values()}, adopted

    def take_up(self, at: Micros, taken: Iterable[str]) -> None:
        """After `reconcile` (and once the timers bear the records' names): go on with each record that was taken where it stands.

        What nobody has acknowledged is called for, from the first rung and under fresh keys; promises keep their moments, those without
        one run from now.
        """
        for case in [self._cases[incident] for incident in taken]:
            self._touched[case.incident.id] = case  # its revision goes on: whoever recovers again has fresh keys again
            if case.incident.lead not in self._cases:
                self._change(case, lead="")
            self._stop_clocks(case)
            incident = case.incident
            heard = reached(incident.state, IncidentState.ACKNOWLEDGED)
            if heard:
                for which in ("next", "two"):
                    self._timers.cancel(("ladder", incident.id, which))
            over = reached(incident.state, IncidentState.RESOLVED) or incident.kind is Kind.FAULT
            if over or incident.suspected or incident.withheld or incident.exercise or incident.lead:
                continue
            case.sent, case.asked = min(case.sent, incident.kind.rank), min(case.asked, incident.kind.rank)
            self._promised(at, case)
            if not heard and ("ladder", incident.id, "next") not in self._timers:
                case.round += 1
                case.since = case.round
                case.begin(at + SECOND)
                self._timers.set(("ladder", incident.id, "next"), at + SECOND)

    def _promised(self, at: Micros, case: Case) -> None:
        for goal, state in _GOALS.items():
            due = getattr(case.incident, f"{goal}_due_at")
            if due is not None and goal not in case.incident.overdue and not reached(case.incident.state, state):
                self._timers.set(("sla", case.incident.id, goal), max(due, at + SECOND))
        profile = self._neighbourhood.sla.get(case.incident.kind)
        if profile is not None:
            self._promise(at, case, profile)

    def _join_again(self, renamed: Mapping[str, str]) -> None:
        """Who rides under whom, by the records."""
        for case in self._cases.values():
            case.riders.clear()
        for case in self._cases.values():
            if case.incident.lead in self._cases:
                self._cases[case.incident.lead].riders[case.incident.id] = None
        self._floods.restore(self._floods.snapshot(), renamed)
        self._stay_here()
        self._exercises = {i: None for i, c in self._cases.items() if c.incident.exercise and not c.incident.withheld}

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Plain lists, dicts, strings and numbers."""
        return {
            "serial": self._serial,
            "cases": [case.snapshot() for case in self._cases.values()],
            "failing": list(self._caller.failing),
            "swaps": [[s.at, s.station, s.leaves, s.takes, s.since, s.until, s.by] for s in self._caller.swaps],
            "floods": self._floods.snapshot(),
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take the place of the engine that made the snapshot."""
        self._serial = data["serial"]
        for plain in data["cases"]:
            case = restored(plain)
            self._cases[case.incident.id] = self._by_place[case.incident.zone, case.incident.group] = case
        self._caller.failing = dict.fromkeys(data.get("failing", ()))
        self._caller.swaps[:] = [Swap(*plain) for plain in data.get("swaps", ())]
        self._floods.restore(data.get("floods", []), {})
        self._stay_here()
        self._exercises = {i: None for i, c in self._cases.items() if c.incident.exercise and not c.incident.withheld}


_ANSWERED = {
    Outcome.ACCEPTED: Step.PUSH_ACCEPTED,
    Outcome.RETRY: Step.PUSH_FAILED,
    Outcome.DEAD: Step.PUSH_DEAD,
}


def _asks(step: str) -> bool:
    """Does this push tell somebody to come, or to look?"""
    return step.startswith(_CALLS)


def _person(key: str) -> str:
    """Whom a push is for; empty for whoever listens on the channel."""
    return key.split("/", 2)[2].partition("@")[2]


def _current(step: str, since: int) -> bool:
    """Because of what is burning now, not of what was resolved before?"""
    return int(step.rpartition("-")[2]) >= since


def _serial(incident: str) -> int:
    return int(incident.rpartition("-")[2] or 0)


__all__ = ["CHINA", "EPOCH", "Alarm", "Response", "incident_from_plain", "incident_to_plain", "rfc3339"]
