"""What people do about an incident: which move is allowed and why another is not, what it changes, and who hears of it.

In a flood, what is done to the lead is done to all that go under it. Resets no alarm: the engine does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from rules.calling import Caller
from rules.case import Case
from rules.climbing import Climbing
from rules.deadlines import Deadlines
from rules.docket import Docket
from rules.incident import HEARD, INCIDENT, Act
from rules.model import (
    Condition,
    Disposition,
    Effect,
    Entry,
    IncidentState,
    Micros,
    Move,
    Neighbourhood,
    Step,
    Value,
    Verb,
)
from rules.riding import Riding

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


class Moves:
    """Every method appends its effects to `out`."""

    def __init__(
        self,
        neighbourhood: Neighbourhood,
        caller: Caller,
        docket: Docket,
        climbing: Climbing,
        deadlines: Deadlines,
        riding: Riding,
        closed: Callable[[str], None],
    ) -> None:
        """`closed` hears of each incident that is over."""
        self._neighbourhood = neighbourhood
        self._caller = caller
        self._docket = docket
        self._climbing = climbing
        self._deadlines = deadlines
        self._riding = riding
        self._closed = closed

    def refusal(self, move: Move) -> str:
        """Why the move is not allowed, one sentence in Chinese and one in English for the person; or an empty string."""
        case = self._docket.get(move.incident)
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
        if move.verb is Verb.ACKNOWLEDGE and incident.state in HEARD:
            return ""  # somebody else was first, or the tap came twice: it is written down and changes nothing
        if (incident.state, _ACTS[move.verb][0]) not in INCIDENT:
            zh, en = _STATE_WORDS[incident.state]
            return f"警情当前{zh}，不能执行此操作。The incident is {en}: {move.verb} is not possible now."
        if move.verb is Verb.CLOSE:
            if move.disposition is None:
                return f"结案须选择处置结论。Closing needs a disposition: {', '.join(Disposition)}."
            if incident.condition is not Condition.RETURNED and (incident.withheld or not incident.exercise):
                return "报警尚未恢复：请先复位，险情仍在会再次报警。The alarm stands: reset it first; danger raises it again."
        return ""

    def moved(self, move: Move, out: list[Effect]) -> None:
        """Carry out a move that `refusal` allows (the engine resets the alarms itself); what goes under it in a flood moves along."""
        case = self._docket[move.incident]
        detail: dict[str, Value | None] = {"by": move.by, "note": move.note}
        if move.via:
            detail["via"] = move.via
        if move.verb in (Verb.NOTE, Verb.RESET):
            out.append(Entry(move.at, move.incident, Step(move.verb.value), detail))
            return
        act, step, _ = _ACTS[move.verb]
        riders = [self._docket[rider] for rider in case.riders]
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
        lead = self._docket.get(case.incident.lead)
        but = lead.called.keys() if lead is not None else frozenset[tuple[str, str]]()
        others = len(case.called) > 1 if lead is None else not case.called.keys() <= but
        first = case.incident.state not in HEARD
        if move.verb is Verb.RESOLVE:
            return case, f"resolved-{case.round}", but
        if move.verb is Verb.ACKNOWLEDGE and others and (first or self._climbing.running(case)):
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
            self._docket.change(case, **changes)
        out.append(Entry(move.at, case.incident.id, step, detail))
        self._deadlines.stop(case)
        self._climbing.stop(move.at, case, out)
        if move.verb is Verb.ACKNOWLEDGE:
            self._deadlines.taken(move.at, case)
        if move.verb is Verb.RESOLVE:
            self._riding.leave(case)
        if move.verb is Verb.CLOSE:
            self._forget(case)

    def end_exercise(self, at: Micros, exercise: str, why: str, out: list[Effect]) -> None:
        """Close what belongs to a drill, and tell everybody who was called for it. O(open incidents)."""
        for case in [c for c in self._docket if c.incident.exercise == exercise and not c.incident.withheld]:
            self._end_exercise(at, case, why, out)

    def _end_exercise(self, at: Micros, case: Case, why: str, out: list[Effect]) -> None:
        incident = case.incident
        self._caller.tell(at, case, "exercise-over", f"over-{case.round}", "", out)
        self._docket.change(
            case, state=IncidentState.CLOSED, condition=Condition.RETURNED, disposition=Disposition.TEST, closed_at=at,
            resolved_at=incident.resolved_at or at,
        )  # fmt: skip
        self._climbing.stop(at, case, out)
        self._deadlines.stop(case)
        out.append(Entry(at, incident.id, Step.CLOSED, {"by": "", "note": why, "disposition": Disposition.TEST}))
        self._forget(case)

    def _forget(self, case: Case) -> None:
        self._docket.remove(case)
        self._closed(case.incident.id)
        self._riding.closed(case)
