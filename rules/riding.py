"""Who speaks for whom in a flood: one incident leads a building's, the others go under its dispatches; and who hears how it grows.

When alarms are a flood is flood.py's. Knows no alarm: it looks at incidents, for what kind people were sent. Timer: ("flood", scope, "").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules.calling import Caller
from rules.case import NOBODY, Case
from rules.climbing import Climbing
from rules.deadlines import Deadlines
from rules.docket import Docket
from rules.flood import Floods
from rules.incident import HEARD, reached
from rules.model import SECOND, Effect, Entry, Incident, IncidentState, Kind, Micros, Neighbourhood, Step
from rules.people import Target
from rules.timers import Timers

SPREAD_EVERY: Micros = 10 * SECOND
"""A flood is told anew at most so often, also while it spreads: what carries a message's second since the raising never repeats."""


class Riding:
    """Every method appends its effects to `out`."""

    def __init__(
        self,
        neighbourhood: Neighbourhood,
        timers: Timers,
        caller: Caller,
        docket: Docket,
        climbing: Climbing,
        deadlines: Deadlines,
    ) -> None:
        self._neighbourhood = neighbourhood
        self._timers = timers
        self._caller = caller
        self._plan = caller.plan
        self._docket = docket
        self._climbing = climbing
        self._deadlines = deadlines
        self.floods = Floods(self._plan.flood)

    def count(self, at: Micros, case: Case, out: list[Effect]) -> None:
        """One more alarm of its building; if that makes it a flood, those that nobody has taken go under the first and gravest."""
        if not self._counts(case.incident):
            return
        scope = self._scope(case.incident)
        if self.floods.count(at, scope):
            here = [c for c in self._docket if self._counts(c.incident) and self._scope(c.incident) == scope]
            alone = [c for c in here if not c.incident.lead]  # what rides since a former flood stays under its lead
            sent = [c for c in alone if c.sent != NOBODY and not reached(c.incident.state, IncidentState.RESOLVED)]
            if sent:
                lead = min(sent, key=lambda c: (c.sent, c.incident.raised_at, c.incident.id))
                self._lead(at, scope, lead, out)
                for other in sent:
                    if other is not lead and not reached(other.incident.state, IncidentState.ACKNOWLEDGED):
                        self._ride(at, lead, other, out)
        if not self.floods.calm(at, scope) and ("flood", scope, "") not in self._timers:
            self._timers.set(("flood", scope, ""), at + self._plan.flood.summary)

    def rides(self, at: Micros, case: Case, out: list[Effect]) -> bool:
        """Does another incident speak for this one? If there is a flood and nobody graver leads it, this one does from now on.

        Only one that people were sent for speaks for what is certain; what is doubtful may go under a doubtful one.
        """
        if not self._counts(case.incident):
            return False
        scope = self._scope(case.incident)
        certain = case.sent == case.asked
        if self.floods.calm(at, scope):
            if certain:
                self.part(case)
            return False
        lead = self._docket.get(self.floods.lead(scope))
        if lead is case:
            return False
        if lead is not None and lead.sent <= case.sent:
            if lead.asked <= case.asked:
                self._ride(at, lead, case, out)
                return True
            return False  # danger graver than all, but doubtful: somebody must look, and nobody else's ladder stands still for it
        if case.incident.lead and not certain:
            return False
        self.part(case)
        self._lead(at, scope, case, out)
        if lead is not None:
            for rider in [lead, *(self._docket[r] for r in lead.riders)]:
                if not reached(rider.incident.state, IncidentState.ACKNOWLEDGED):
                    self._ride(at, case, rider, out)
        return False

    def _lead(self, at: Micros, scope: str, lead: Case, out: list[Effect]) -> None:
        self.floods.led_by(scope, lead.incident.id)
        out.append(Entry(at, lead.incident.id, Step.FLOOD, {"lead": lead.incident.id, "scope": scope}))

    def _ride(self, at: Micros, lead: Case, rider: Case, out: list[Effect]) -> None:
        self._deadlines.forget(rider)
        self._climbing.stop(at, rider, out, rides=True)
        self.part(rider)
        for inner in rider.riders:
            self._docket.change(self._docket[inner], lead=lead.incident.id)
        lead.riders.update(dict.fromkeys([rider.incident.id, *rider.riders]))
        rider.riders.clear()
        self._docket.change(
            rider, lead=lead.incident.id, members=0, dispatch_due_at=None, on_scene_due_at=None, resolve_due_at=None
        )
        self._docket.change(lead, members=len(lead.riders))
        out.append(
            Entry(at, rider.incident.id, Step.FLOOD, {"lead": lead.incident.id, "scope": self._scope(rider.incident)})
        )
        if rider.sent != NOBODY and self._plan.calls(rider.incident.kind, Target.RESIDENTS):
            self._caller.residents(at, rider, lead, f"residents-{rider.round}", out)

    def part(self, case: Case) -> None:
        """Nobody speaks for it any more."""
        lead = self._docket.get(case.incident.lead)
        if lead is not None:
            del lead.riders[case.incident.id]
            self._docket.change(lead, members=len(lead.riders))
            self._docket.change(case, lead="")

    def spread(self, at: Micros, case: Case, out: list[Effect]) -> None:
        """Fire in another place of a flood that somebody has taken: who is there or on the way hears of it now, not within the minute."""
        lead = self._docket[case.incident.lead]
        if (
            case.incident.kind is Kind.FIRE
            and lead.incident.state in HEARD
            and case.incident.zone != lead.incident.zone
        ):
            self.news(at, self._scope(case.incident), out)

    def news(self, at: Micros, scope: str, out: list[Effect]) -> None:
        """How it has grown, for those who were called for its lead; too soon after the last time, at the moment when it is not."""
        if self.floods.calm(at, scope):
            return
        lead = self._docket.get(self.floods.lead(scope))
        if lead is not None and at < lead.summed + SPREAD_EVERY:
            self._timers.set(("flood", scope, ""), lead.summed + SPREAD_EVERY)
            return
        self._timers.set(("flood", scope, ""), at + self._plan.flood.summary)
        alarms = self.floods.news(scope) if lead is not None else 0
        if lead is not None and alarms:
            lead.summed = at
            newest_first = (self._docket[rider].incident.zone for rider in reversed(lead.riders))
            zones = list(dict.fromkeys([lead.incident.zone, *newest_first]))
            step = f"flood{(at - lead.incident.raised_at) // SECOND}-{lead.round}"
            self._caller.summary(at, lead, step, alarms, zones, out)

    def leave(self, case: Case) -> None:
        """What is resolved speaks for nobody any more: the next alarm pages for itself."""
        scope = self._scope(case.incident)
        if self.floods.lead(scope) == case.incident.id:
            self.floods.led_by(scope, "")

    def closed(self, case: Case) -> None:
        """It is over: it leads nobody any more, and rides no more."""
        self.leave(case)
        incident = case.incident
        lead = self._docket.get(incident.lead)
        if lead is not None:
            del lead.riders[incident.id]
            self._docket.change(lead, members=len(lead.riders))
        for rider in case.riders:
            self._docket.change(self._docket[rider], lead="")

    def mended(self, renamed: Mapping[str, str]) -> None:
        """After a recovery: who rides under whom, by the ledger's records; incidents that bear another id now are `renamed`."""
        for case in self._docket:
            case.riders.clear()
        for case in self._docket:
            if case.incident.lead in self._docket:
                self._docket[case.incident.lead].riders[case.incident.id] = None
        self.restore(self.floods.snapshot(), renamed)

    def restore(self, floods: list[Any], renamed: Mapping[str, str]) -> None:
        """Take the place of the one whose `floods` these are.

        The site file may have moved a zone to another building: who led there leads no more, and the next alarm pages for itself.
        """
        self.floods.restore(floods, renamed)
        for scope, lead in self.floods.leads():
            if lead in self._docket and self._scope(self._docket[lead].incident) != scope:
                self.floods.led_by(scope, "")

    def _scope(self, incident: Incident) -> str:
        zone = self._neighbourhood.zones.get(incident.zone)
        return f"{zone.site}/{zone.building}" if zone is not None and zone.building else incident.zone

    @staticmethod
    def _counts(incident: Incident) -> bool:
        return incident.kind is not Kind.FAULT and not incident.exercise and not incident.withheld
