"""What was promised and done about an incident, read off its timeline: one response for each time that it was raised.

The record of an incident tells only the last time: a danger that comes back begins all anew, and so does one that turns graver than what
somebody has acknowledged. The timeline tells every time, so that a missed deadline is not forgotten by a re-alarm. Knows the steps of
timelines; no ledger but by the port.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from monitor.ports import Records, TimelineRow
from monitor.reports.periods import Month
from rules.model import Freshness, Incident, IncidentState, Kind, Micros, Step

MOST = 20_000
"""Incidents of one report."""
SLICE = 200
"""Incidents whose timelines are read at once: the event loop is never held for long."""

GOALS = ("dispatch", "acknowledge", "on_scene", "resolve")
"""What is measured, in the order in which it is expected. `acknowledge` is promised by nobody."""

_REACHED: Mapping[str, str] = {
    Step.DISPATCHED: "dispatch",
    Step.ACKNOWLEDGED: "acknowledge",
    Step.ON_SCENE: "on_scene",
    Step.RESOLVED: "resolve",
}
STEPS = frozenset({Step.RAISED, Step.REALARM, Step.CONFIRMED, Step.ESCALATED, Step.OVERDUE, Step.CLOSED, *_REACHED})
"""The steps that responses are read off."""


class Group(StrEnum):
    """What is never counted together."""

    REAL = "real"
    EXERCISE = "exercise"
    WITHHELD = "withheld"


class Hop(StrEnum):
    """Where the time from the reading to a person's acknowledgement goes."""

    DEVICE = "device"
    """From the device's own clock to us: its radio, gateway and broker."""
    RULE = "rule"
    """From the first word of the danger to the alarm: what the rule waits for."""
    PUSH = "push"
    """From the alarm until a provider has accepted a dispatch."""
    HUMAN = "human"
    """From the accepted dispatch until somebody acknowledges; from the alarm, where they were faster than any provider."""


@dataclass(slots=True)
class Response:
    """What came of one raising of an incident."""

    incident: Incident
    number: int
    """1 for the first raising."""
    began_at: Micros
    """From here the promise runs: the alarm; or what confirmed it where its evidence was not live, or turned a mere FAULT into more."""
    certain: bool
    """False: nobody was dispatched, somebody was asked to verify."""
    reached: dict[str, Micros] = field(default_factory=dict)
    """Goal → when it was reached first."""
    passed: set[str] = field(default_factory=set)
    """Goals that were reached, or skipped because a later one was."""
    missed: set[str] = field(default_factory=set)

    @property
    def group(self) -> Group:
        """An exercise is an exercise also when it is withheld."""
        if self.incident.exercise:
            return Group.EXERCISE
        return Group.WITHHELD if self.incident.withheld else Group.REAL

    def took(self, goal: str) -> Micros | None:
        """How long after the beginning it was reached."""
        at = self.reached.get(goal)
        return None if at is None else at - self.began_at

    def decided(self, goal: str) -> bool:
        """Was it promised, and is it clear by now whether it was kept?"""
        promised = goal in self.missed or (self.certain and getattr(self.incident, f"{goal}_due_at", None) is not None)
        return promised and (goal in self.missed or goal in self.passed)

    def hops(self) -> dict[Hop, Micros]:
        """Those that are known. What a device or a rule took is known of the first raising; a device whose clock is ahead says nothing."""
        it, found = self.incident, dict[Hop, Micros | None]()
        if self.number == 1 and it.sensed_at is not None:
            found[Hop.DEVICE] = None if it.measured_at is None else it.sensed_at - it.measured_at
            found[Hop.RULE] = it.raised_at - it.sensed_at
        dispatched, acknowledged = self.reached.get("dispatch"), self.reached.get("acknowledge")
        if dispatched is not None:
            found[Hop.PUSH] = dispatched - self.began_at
        if acknowledged is not None:
            found[Hop.HUMAN] = acknowledged - (self.began_at if dispatched is None else dispatched)
        return {hop: span for hop, span in found.items() if span is not None and span >= 0}

    def slowest(self) -> Hop | None:
        """The hop that took most of the time."""
        hops = self.hops()
        return max(hops, key=lambda hop: hops[hop]) if hops else None


def responses(incident: Incident, timeline: Iterable[TimelineRow]) -> list[Response]:
    """Each raising of an incident, oldest first; of its timeline only STEPS are needed."""
    found: list[Response] = []
    kind: object = None
    for row in timeline:
        was, kind = kind, row.detail.get("kind", kind)
        if not found or row.step in (Step.RAISED, Step.REALARM) or _unheard(row, found[-1]):
            live = row.detail.get("evidence", Freshness.LIVE) == Freshness.LIVE
            found.append(Response(incident, len(found) + 1, row.at, live))
            continue
        now = found[-1]
        if row.step == Step.CONFIRMED and not now.certain:
            now.began_at, now.certain = row.at, True
        elif row.step == Step.ESCALATED and was == Kind.FAULT:
            now.began_at = row.at
            now.reached.clear()  # who was told of a fault was not sent yet
            now.passed.clear()
        elif row.step == Step.OVERDUE:
            now.missed.add(str(row.detail.get("goal")))
        elif row.step == Step.CLOSED:
            now.passed.update(GOALS)
        elif (
            goal := _REACHED.get(row.step)
        ) is not None and goal not in now.passed:  # an acknowledgement may come again, and late
            now.reached[goal] = row.at
            now.passed.update(GOALS[: GOALS.index(goal) + 1])
    return found


def _unheard(row: TimelineRow, now: Response) -> bool:
    """Is it graver or more certain than what somebody has taken on, so that somebody must take it on again?"""
    return (
        row.step in (Step.CONFIRMED, Step.ESCALATED) and "acknowledge" in now.reached and "on_scene" not in now.passed
    )


Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Gathered(Generic[Found]):
    """The incidents of a month, and what was read off their timelines."""

    incidents: Sequence[Incident]
    """Oldest first."""
    found: Sequence[Found]
    """In their order."""
    complete: bool
    """False: there were more than MOST, and these are the first of the month."""


async def gather(
    records: Records, month: Month, read: Callable[[Incident, Sequence[TimelineRow]], Iterable[Found]], *, station: str | None,
    steps: Iterable[str], most: int = MOST,
) -> Gathered[Found]:  # fmt: skip
    """What was raised in a month, day by day and in small slices, so that nobody waits long for the ledger or the event loop.

    `read` is given each incident with those entries of its timeline that are `steps`.
    """
    incidents: list[Incident] = []
    found: list[Found] = []
    wanted = frozenset(steps)
    for since, before in month.days():
        room = most - len(incidents)
        raised = await records.incidents(since=since, before=before, station=station, limit=most + 1)
        day = raised[::-1][:room]
        for start in range(0, len(day), SLICE):
            part = day[start : start + SLICE]
            rows: defaultdict[str, list[TimelineRow]] = defaultdict(list)
            for row in await records.timelines([incident.id for incident in part], wanted):
                rows[row.incident].append(row)
            for incident in part:
                found.extend(read(incident, rows[incident.id]))
        incidents += day
        if len(raised) > room:
            return Gathered(incidents, found, complete=False)
    return Gathered(incidents, found, complete=True)


def is_open(incident: Incident) -> bool:
    """Has nobody closed it yet?"""
    return incident.state is not IncidentState.CLOSED
