"""The SLA report: what each station promised in a month, what it kept, and where the time went.

Pure: it counts what it is given. Exercises and what a measure withheld are counted apart and never mixed with what was real.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from monitor.ports import Records
from monitor.reports.periods import Month
from monitor.reports.responses import GOALS, STEPS, Gathered, Group, Hop, Response, gather, is_open, responses
from monitor.reports.spreads import Spread, spread
from rules.model import Kind, Micros, Station, Text, Zone

NO_STATION = Text("（无站点）", "(no station)")


@dataclass(frozen=True, slots=True)
class GoalFigures:
    """How one goal was reached."""

    took: Spread
    decided: int
    """How often it was promised and is clear by now."""
    missed: int

    @property
    def share(self) -> float | None:
        """Missed of decided, 0 to 1."""
        return self.missed / self.decided if self.decided else None


@dataclass(frozen=True, slots=True)
class Figures:
    """One line of the report: the responses of one kind of incident, or of all kinds."""

    group: Group
    kind: Kind | None
    incidents: int
    open: int
    again: int
    """Times that danger came back after it was resolved; each is a response of its own."""
    to_verify: int
    """Responses on doubtful evidence: a person was asked to verify, nobody was dispatched; they have no part in the times."""
    goals: Mapping[str, GoalFigures]
    hops: Mapping[Hop, Spread]
    slowest: Mapping[Hop, int]
    """How often each hop took most of the time."""


@dataclass(frozen=True, slots=True)
class StationReport:
    """A station's month."""

    station: str
    name: Text
    figures: tuple[Figures, ...]
    """By group, then all kinds together, then kind by kind; only those that have any incident."""
    responses: tuple[Response, ...]
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class SlaReport:
    """A month of all stations, or of one."""

    month: Month
    made_at: Micros
    complete: bool
    stations: tuple[StationReport, ...]
    zones: Mapping[str, Zone]


async def sla(
    records: Records, month: Month, stations: Sequence[Station], zones: Mapping[str, Zone], *, now: Micros,
    station: str | None = None,
) -> SlaReport:  # fmt: skip
    """Read and count a month; of one station if its key is given."""
    gathered = await gather(records, month, responses, station=station, steps=STEPS)
    names = {s.key: s.name for s in stations if station in (None, s.key)}
    return await asyncio.to_thread(count, gathered, month, names, zones, now)


def count(
    gathered: Gathered[Response], month: Month, names: Mapping[str, Text], zones: Mapping[str, Zone], now: Micros
) -> SlaReport:
    """The report of what was gathered. Stations of the site file come in its order, also those that had nothing to do."""
    by_station: defaultdict[str, list[Response]] = defaultdict(list)
    for response in gathered.found:
        by_station[response.incident.station].append(response)
    keys = [*names, *sorted(by_station.keys() - names.keys())]
    reports = tuple(
        StationReport(
            key,
            names.get(key) or (Text(key, key) if key else NO_STATION),
            tuple(_lines(by_station[key])),
            tuple(by_station[key]),
        )
        for key in keys
    )
    return SlaReport(month, now, gathered.complete, reports, zones)


def _lines(counted: Sequence[Response]) -> Iterable[Figures]:
    for group in Group:
        these = [r for r in counted if r.group is group]
        kinds = [kind for kind in Kind if any(r.incident.kind is kind for r in these)]
        if len(kinds) > 1:
            yield figures(group, None, these)
        for kind in kinds:
            yield figures(group, kind, [r for r in these if r.incident.kind is kind])


def figures(group: Group, kind: Kind | None, counted: Sequence[Response]) -> Figures:
    """One line."""
    certain = [r for r in counted if r.certain]
    hops = [r.hops() for r in certain]
    slowest = [r.slowest() for r in certain]
    firsts = [r for r in counted if r.number == 1]
    return Figures(
        group,
        kind,
        incidents=len(firsts),
        open=sum(is_open(r.incident) for r in firsts),
        again=len(counted) - len(firsts),
        to_verify=len(counted) - len(certain),
        goals={goal: _goal(goal, certain) for goal in GOALS},
        hops={hop: spread(h[hop] for h in hops if hop in h) for hop in Hop},
        slowest={hop: slowest.count(hop) for hop in Hop},
    )


def _goal(goal: str, counted: Sequence[Response]) -> GoalFigures:
    took = spread(span for r in counted if (span := r.took(goal)) is not None)
    return GoalFigures(took, sum(r.decided(goal) for r in counted), sum(goal in r.missed for r in counted))
