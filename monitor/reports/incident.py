"""The report of one incident: what is shown of it, gathered from the ledger, the site file, and the history or the tape.

Knows no page. Readings that cannot be had are left out, and that is said: a report is never refused for a chart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.ports import Bucket, History, OutboxRow, PortError, Records, TimelineRow
from monitor.reports.charts import Line
from rules.model import MINUTE, SECOND, Device, Incident, Micros, Neighbourhood, Suppression, Value
from rules.quantities import CATALOGUE

AROUND: Micros = 10 * MINUTE
"""Readings so long before and after are shown."""
LONGEST: Micros = 24 * 60 * MINUTE
"""Of an incident that stood longer, so much of its beginning."""
STEPS = 300
"""Points of a line at most."""
MOST_DEVICES, MOST_CHARTS = 6, 6
ALWAYS = ("smoke_density", "temperature", "co")
"""Shown of whatever device has them, beside what decided."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time that the charts show, and how it is divided."""

    since: Micros
    until: Micros

    @property
    def step(self) -> Micros:
        """Whole seconds."""
        return max(-(-(self.until - self.since) // (STEPS * SECOND)), 1) * SECOND


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that the report of an incident tells."""

    incident: Incident
    timeline: Sequence[TimelineRow]
    pushes: Sequence[OutboxRow]
    suppression: Suppression | None
    places: Neighbourhood
    window: Window
    charts: Mapping[str, Sequence[Line]]
    """Quantity → a line for each device."""
    charted: bool
    """False: the readings could not be asked for."""
    made_at: Micros


async def story(
    records: Records, key: str, places: Neighbourhood, history: History | None, now: Micros
) -> Story | None:
    """The story of an incident with the readings that a history has; None where there is no such incident."""
    found = await told(records, key, places, now)
    if found is None or history is None:
        return found
    try:
        charts = await _from_history(history, found)
    except PortError:
        return found
    return with_charts(found, charts)


async def told(records: Records, key: str, places: Neighbourhood, now: Micros) -> Story | None:
    """The story without charts; None where there is no such incident."""
    incident = await records.incident(key)
    if incident is None:
        return None
    timeline, pushes = await records.timeline(key), await records.pushes_of(key)
    measures = await records.suppressions(limit=10_000) if incident.withheld else []
    measure = next((s for s in measures if s.id == incident.withheld), None)
    end = min(incident.closed_at or now, incident.raised_at + LONGEST)
    window = Window(incident.raised_at - AROUND, max(end, incident.raised_at) + AROUND)
    return Story(incident, timeline, pushes, measure, places, window, {}, charted=False, made_at=now)


def with_charts(it: Story, charts: Mapping[str, Sequence[Line]]) -> Story:
    """The same story with its readings."""
    return replace(it, charts=charts, charted=True)


def wanted(it: Story) -> tuple[list[Device], list[str]]:
    """Whose readings are shown, and of what: the quantities that the alarms were decided by, and those that tell of any fire."""
    keys = dict.fromkeys(str(row.detail["device"]) for row in it.timeline if row.detail.get("device"))
    devices = [device for key in keys if (device := it.places.device(key)) is not None]
    named = (name.removeprefix("reading.") for row in it.timeline for name in row.detail if name.startswith("reading."))
    drawn = [
        name for name in dict.fromkeys((*named, *ALWAYS)) if (known := CATALOGUE.get(name)) and known.kind != "text"
    ]
    return devices[:MOST_DEVICES], drawn[:MOST_CHARTS]


async def _from_history(history: History, it: Story) -> dict[str, list[Line]]:
    devices, quantities = wanted(it)
    charts: dict[str, list[Line]] = {}
    for quantity in quantities:
        for device in devices:
            w = it.window
            points = await history.buckets(device.key, device.kind, quantity, w.since, w.until, w.step)
            if points:
                charts.setdefault(quantity, []).append(Line(device.name.zh, points))
    return charts


def charted(it: Story, readings: Iterable[tuple[Micros, str, Mapping[str, Value]]]) -> Story:
    """The same story with readings off the tape: (arrival, device, values), oldest first."""
    devices, quantities = wanted(it)
    names = {device.key: device.name.zh for device in devices}
    step = it.window.step
    values: dict[tuple[str, str], defaultdict[Micros, list[float]]] = {}
    for at, device, said in readings:
        if device in names and it.window.since <= at < it.window.until:
            for quantity in quantities:
                value = said.get(quantity)
                if isinstance(value, float | bool):
                    values.setdefault((quantity, device), defaultdict(list))[at - at % step].append(float(value))
    charts: dict[str, list[Line]] = {}
    for (quantity, device), buckets in values.items():
        points = [Bucket(at, min(v), sum(v) / len(v), max(v), len(v)) for at, v in buckets.items()]
        charts.setdefault(quantity, []).append(Line(names[device], points))
    return with_charts(it, charts)
