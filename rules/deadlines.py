"""The promise of an open incident: by when somebody is sent, on scene and done; what follows when that is near, and when it is missed.

Whom a missed deadline calls is the plan's. Timers: ("sla", incident, goal), ("warn", incident, goal).
"""

from __future__ import annotations

from collections.abc import Mapping

from rules.calling import Caller
from rules.case import Case
from rules.climbing import Climbing
from rules.docket import Docket
from rules.incident import reached
from rules.model import SECOND, Effect, Entry, IncidentState, Micros, Neighbourhood, SlaProfile, Step
from rules.people import Target
from rules.timers import Timers

_GOALS: Mapping[str, IncidentState] = {
    "dispatch": IncidentState.DISPATCHED,
    "on_scene": IncidentState.ON_SCENE,
    "resolve": IncidentState.RESOLVED,
}


class Deadlines:
    """Every method appends its effects to `out`."""

    def __init__(
        self, neighbourhood: Neighbourhood, timers: Timers, caller: Caller, docket: Docket, climbing: Climbing
    ) -> None:
        self._neighbourhood = neighbourhood
        self._timers = timers
        self._caller = caller
        self._plan = caller.plan
        self._docket = docket
        self._climbing = climbing

    def promise(self, at: Micros, case: Case, profile: SlaProfile) -> None:
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
                self._docket.change(case, **{f"{goal}_due_at": at + after})

    def promised(self, at: Micros, case: Case) -> None:
        """The promises of a record keep their moments, those that it lacks run from now."""
        for goal, state in _GOALS.items():
            due = getattr(case.incident, f"{goal}_due_at")
            if due is not None and goal not in case.incident.overdue and not reached(case.incident.state, state):
                self._timers.set(("sla", case.incident.id, goal), max(due, at + SECOND))
        profile = self._neighbourhood.sla.get(case.incident.kind)
        if profile is not None:
            self.promise(at, case, profile)

    def stop(self, case: Case) -> None:
        """Of all that is reached."""
        for name, goal in _GOALS.items():
            if reached(case.incident.state, goal):
                self._timers.cancel(("sla", case.incident.id, name))
                self._timers.cancel(("warn", case.incident.id, name))

    def forget(self, case: Case) -> None:
        """All of them: another incident's count, or they begin anew."""
        for goal in _GOALS:
            self._timers.cancel(("sla", case.incident.id, goal))
            self._timers.cancel(("warn", case.incident.id, goal))

    def missed(self, at: Micros, case: Case, goal: str, out: list[Effect]) -> None:
        """A deadline of the SLA profile is missed: say so to whoever was sent, and call who comes next."""
        self._docket.change(case, overdue=(*case.incident.overdue, goal))
        out.append(Entry(at, case.incident.id, Step.OVERDUE, {"goal": goal}))
        targets = (Target.STATION, *self._plan.whom(case.incident.kind, goal))
        self._climbing.reach(at, case, targets, "incident.overdue", f"overdue-{goal}-{case.round}", out, goal=goal)
        if goal == "on_scene" and case.incident.state is IncidentState.ACKNOWLEDGED:
            # Somebody took it and did not come: the ladder goes on where it stood.
            self._climbing.resume(at, case)

    def taken(self, at: Micros, case: Case) -> None:
        """Somebody has taken it. Where the arrival was missed already they have as long again: to say so is not to come."""
        profile = self._neighbourhood.sla.get(case.incident.kind)
        if (
            profile is not None
            and not case.incident.lead
            and "on_scene" in case.incident.overdue
            and not reached(case.incident.state, IncidentState.ON_SCENE)
        ):
            self._climbing.wait(at, case, profile.on_scene)

    def late(self, at: Micros, case: Case) -> None:
        """They have not come either."""
        if case.incident.state is IncidentState.ACKNOWLEDGED:
            self._climbing.resume(at, case)

    def near(self, at: Micros, case: Case, goal: str, out: list[Effect]) -> None:
        """A deadline is near: tell those on duty, if there is anybody to tell."""
        if self._caller.warn(at, case, goal, f"warning-{goal}-{case.round}", out):
            self._docket.change(case, warned=(*case.incident.warned, goal))
            due = self._timers.due(("sla", case.incident.id, goal)) or at
            out.append(Entry(at, case.incident.id, Step.WARNED, {"goal": goal, "left": (due - at) / SECOND}))
