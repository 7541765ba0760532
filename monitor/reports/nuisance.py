"""Nuisance accounting: which detectors, rules and hours cry wolf, and how far an alarm can be believed.

Pure: it counts what it is given. What is counted is a *raising*: an incident's alarm, or its coming back after it was resolved. A FAULT
is no alarm (NFPA 72: trouble), an exercise is none, and of what a measure withheld nobody was disturbed: they are named apart.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from monitor.board import DETECTOR_KINDS
from monitor.ports import Records, TimelineRow
from monitor.reports.periods import Month, day_of, hour_of_day
from monitor.reports.responses import Gathered, gather
from rules.model import DAY, Device, Disposition, Incident, Kind, Micros, Step, Text, Zone

STEPS = frozenset({Step.RAISED, Step.REALARM, Step.JOINED, Step.ESCALATED, Step.CONFIRMED})
"""The steps that alarms are read off."""
MANY_A_DAY = 5
"""More false alarms in a day from one user than this are a matter to be settled with them (urban fire monitoring, facts of GB 50440)."""
YEAR: Micros = 365 * DAY + DAY // 4


@dataclass(slots=True)
class Raising:
    """Once that an incident was raised, and the alarms until it was raised again."""

    incident: Incident
    at: Micros
    alarms: list[tuple[str, str]] = field(default_factory=list)
    """(device, rule) of each; the device is empty where none decided."""
    titles: dict[str, Text] = field(default_factory=dict)
    """Of the rules."""


@dataclass(slots=True)
class Tally:
    """Raisings by what they turned out to be."""

    raised: int = 0
    alarms: int = 0
    open: int = 0
    found: Counter[Disposition] = field(default_factory=Counter)

    def add(self, raising: Raising, alarms: int) -> None:
        """One more."""
        self.raised += 1
        self.alarms += alarms
        if raising.incident.disposition is None:
            self.open += 1
        else:
            self.found[raising.incident.disposition] += 1

    @property
    def false(self) -> int:
        """How many were nuisance."""
        return self.found[Disposition.NUISANCE]

    @property
    def precision(self) -> float | None:
        """fire ÷ (fire + nuisance); tests, works, unknown and what is still open say nothing of it."""
        known = self.found[Disposition.FIRE] + self.false
        return self.found[Disposition.FIRE] / known if known else None


@dataclass(frozen=True, slots=True)
class Line:
    """A device, rule or zone with its tally."""

    key: str
    name: Text
    tally: Tally
    zone: str = ""
    kind: str = ""
    per_year: float | None = None
    """False alarms in a year at this pace."""
    days: Mapping[str, int] = field(default_factory=dict)
    """Day → false alarms, where there were more than MANY_A_DAY."""


@dataclass(frozen=True, slots=True)
class NuisanceReport:
    """A month of all stations, or of one. The worst come first."""

    month: Month
    made_at: Micros
    complete: bool
    total: Tally
    faults: int
    exercises: int
    withheld: int
    detectors: int
    detector_years: float
    devices: tuple[Line, ...]
    rules: tuple[Line, ...]
    zones: tuple[Line, ...]
    hours: tuple[Tally, ...]
    """By hour of the day, 0 to 23."""

    @property
    def per_detector_year(self) -> float | None:
        """False alarms in a year for each detector."""
        return self.total.false / self.detector_years if self.detector_years else None


async def nuisance(
    records: Records, month: Month, devices: Mapping[str, Device], zones: Mapping[str, Zone], *, now: Micros,
    station: str | None = None, covered: Collection[str] | None = None,
) -> NuisanceReport:  # fmt: skip
    """Read and count a month. `covered` are the zones of the one station that is asked about."""
    gathered = await gather(records, month, raisings, station=station, steps=STEPS)
    here = {key: device for key, device in devices.items() if covered is None or device.zone in covered}
    return await asyncio.to_thread(count, gathered, month, here, zones, now)


def raisings(incident: Incident, timeline: Iterable[TimelineRow]) -> list[Raising]:
    """Each time that an incident was raised, oldest first; of its timeline only STEPS are needed."""
    found: list[Raising] = []
    for row in timeline:
        if row.step in (Step.RAISED, Step.REALARM) or not found:
            found.append(Raising(incident, row.at))
        alarm = (str(row.detail.get("device", "")), str(row.detail.get("rule", "")))
        # An alarm that joins with certain evidence may be told as the confirmation alone.
        if row.step != Step.CONFIRMED or alarm not in found[-1].alarms:
            found[-1].alarms.append(alarm)
        if zh := row.detail.get("title_zh"):
            found[-1].titles[alarm[1]] = Text(str(zh), str(row.detail.get("title_en", "")))
    return found


class _Books:
    """What is added up."""

    def __init__(self) -> None:
        self.total = Tally()
        self.devices: defaultdict[str, Tally] = defaultdict(Tally)
        self.rules: defaultdict[str, Tally] = defaultdict(Tally)
        self.zones: defaultdict[str, Tally] = defaultdict(Tally)
        self.hours = [Tally() for _ in range(24)]
        self.days: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def enter(self, raising: Raising) -> None:
        """One raising, under everything that it is to be found under."""
        alarms, zone = len(raising.alarms), raising.incident.zone
        for tally in (self.total, self.zones[zone], self.hours[hour_of_day(raising.at)]):
            tally.add(raising, alarms)
        for device, number in Counter(device for device, _ in raising.alarms if device).items():
            self.devices[device].add(raising, number)
        for rule, number in Counter(rule for _, rule in raising.alarms if rule).items():
            self.rules[rule].add(raising, number)
        if raising.incident.disposition is Disposition.NUISANCE:
            self.days[zone][day_of(raising.at)] += 1


def count(
    gathered: Gathered[Raising], month: Month, devices: Mapping[str, Device], zones: Mapping[str, Zone], now: Micros
) -> NuisanceReport:
    """The report of what was gathered; of a month that still runs, its past."""
    alarms = [i for i in gathered.incidents if i.kind is not Kind.FAULT]
    books, titles = _Books(), dict[str, Text]()
    for raising in gathered.found:
        incident = raising.incident
        if incident.kind is not Kind.FAULT and not incident.exercise and not incident.withheld:
            books.enter(raising)
            titles |= raising.titles
    years = max(min(now, month.before) - month.since, 0) / YEAR
    detectors = sum(device.kind in DETECTOR_KINDS for device in devices.values())
    return NuisanceReport(
        month,
        now,
        gathered.complete,
        books.total,
        faults=len(gathered.incidents) - len(alarms),
        exercises=sum(bool(i.exercise) for i in alarms),
        withheld=sum(bool(i.withheld) and not i.exercise for i in alarms),
        detectors=detectors,
        detector_years=detectors * years,
        devices=_worst(_device(key, tally, devices.get(key), years) for key, tally in books.devices.items()),
        rules=_worst(Line(key, titles.get(key, Text(key, key)), tally) for key, tally in books.rules.items()),
        zones=_worst(_zone(key, tally, zones.get(key), books.days[key]) for key, tally in books.zones.items()),
        hours=tuple(books.hours),
    )


def _device(key: str, tally: Tally, device: Device | None, years: float) -> Line:
    pace = tally.false / years if years else None
    if device is None:  # it has left the site file
        return Line(key, Text(key, key), tally, per_year=pace)
    return Line(key, device.name, tally, device.zone, device.kind, pace)


def _zone(key: str, tally: Tally, zone: Zone | None, days: Mapping[str, int]) -> Line:
    many = {day: n for day, n in sorted(days.items()) if n > MANY_A_DAY}
    name = zone.name if zone else Text(key, key)
    return Line(key, name, tally, key, zone.kind if zone else "", days=many)


def _worst(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Most false alarms first; of as many, the least believable."""

    def badness(line: Line) -> tuple[int, float, int, str]:
        precision = line.tally.precision
        return (-line.tally.false, 1.0 if precision is None else precision, -line.tally.raised, line.key)

    return tuple(sorted(lines, key=badness))
