"""What providers answer: the first accepted call makes an incident dispatched, one that failed is gone around at once.

Delivers nothing and knows no provider: it learns of each attempt by its `Receipt`.
"""

from __future__ import annotations

from rules.calling import Caller
from rules.case import Case
from rules.climbing import LOOK, UNNEEDED
from rules.deadlines import Deadlines
from rules.docket import Docket
from rules.incident import INCIDENT, Act, reached
from rules.model import Effect, Entry, IncidentState, Kind, Micros, Outcome, PushSettled, Receipt, Step, Value

_CALLS = ("dispatch", "call", "spread", "around", "overdue", "residents", LOOK)
"""How the steps of pushes begin that tell somebody to come, or to look."""
_ANSWERED = {
    Outcome.ACCEPTED: Step.PUSH_ACCEPTED,
    Outcome.RETRY: Step.PUSH_FAILED,
    Outcome.DEAD: Step.PUSH_DEAD,
}


class Receipts:
    """Every method appends its effects to `out`."""

    def __init__(self, caller: Caller, docket: Docket, deadlines: Deadlines) -> None:
        self._caller = caller
        self._plan = caller.plan
        self._docket = docket
        self._deadlines = deadlines

    def take(self, receipt: Receipt, out: list[Effect]) -> None:
        """One attempt ended: keep it; the first accepted call makes the incident dispatched, one that failed is gone around."""
        at, outcome = receipt.at, receipt.outcome
        incident_id, step, way = receipt.key.split("/", 2)
        channel, _, person = way.partition("@")
        case = self._docket.get(incident_id)
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
        if step.startswith(LOOK):
            return  # somebody looks, nobody was sent
        case.accepted[self._plan.kind_of(channel)] = None
        state = case.incident.state
        if (state, Act.DISPATCH) in INCIDENT:
            self._docket.change(case, state=INCIDENT[state, Act.DISPATCH], dispatched_at=at)
            self._deadlines.stop(case)
            station = {"station": case.incident.station, "channel": channel}
            out.append(Entry(at, case.incident.id, Step.DISPATCHED, station))

    def _go_around(self, at: Micros, case: Case, channel: str, person: str, step: str, out: list[Effect]) -> None:
        """At once, once for each way and round."""
        way = f"{channel}@{person}"
        if way not in case.around:
            case.around[way] = None
            about, name = ("incident.verify", LOOK) if step.startswith(LOOK) else ("incident.call", "around")
            self._caller.around(at, case, channel, person, about, f"{name}{len(case.around)}-{case.round}", out)


def _asks(step: str) -> bool:
    """Does this push tell somebody to come, or to look?"""
    return step.startswith(_CALLS)


def _current(step: str, since: int) -> bool:
    """Because of what is burning now, not of what was resolved before?"""
    return int(step.rpartition("-")[2]) >= since
