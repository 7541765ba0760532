"""What the doctor and the start say of whom alarms reach: the proof of monitor/reachability.py in words.

Knows neither settings nor adapters; which channels work it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from monitor.findings import Finding, Level
from monitor.reachability import UNHEARD, Reach, Reached, Span, reaches, unmanned, week_text
from monitor.settings.fields import write_duration
from rules.model import Kind, Station, Text
from rules.people import LADDERS, Plan

ENOUGH = 2
"""Kinds of channel over which people hear of a fire within 15 s (GB/T 45839-2025 5.10.4); neighbours and those above come later."""
SHOWN = 3
_REACH = Text("告警送达", "reach")
_LADDER = Text("升级阶梯", "ladder")
_DUTY = Text("值班", "on duty")


@dataclass(slots=True)
class _Same:
    """Zones of which the same is to be said."""

    zones: list[str] = field(default_factory=list)
    people: set[str] = field(default_factory=set)


def reach_findings(
    zones: Collection[str],
    stations: Sequence[Station],
    plan: Plan,
    works: Callable[[str], bool] = lambda channel: True,
) -> Iterator[Finding]:
    """Everything worth saying, in the order in which it is mended best; `works` tells which channels deliver."""
    fire = reaches(zones, stations, plan, Kind.FIRE, works)
    yield from _reach(plan, fire)
    yield from _ladder(plan, fire, len(zones))
    yield from _on_duty(plan, stations)
    if any(person.quiet is not None for person in plan.people.values()):
        yield from _quiet(reaches(zones, stations, plan, Kind.PREALARM, works), len(zones))


def weaknesses(zones: Collection[str], stations: Sequence[Station], plan: Plan) -> list[Finding]:
    """What is amiss though every channel works: said when the daemon starts."""
    return [found for found in reach_findings(zones, stations, plan) if found.level is not Level.OK]


def _reach(plan: Plan, fire: Sequence[Reach]) -> Iterator[Finding]:
    found: dict[tuple[Station, Level, str, tuple[Span, ...]], _Same] = {}
    for reach in fire:
        for level, over, hours in _levels(plan, reach):
            same = found.setdefault((reach.station, level, over, hours), _Same())
            same.zones += reach.zones
            same.people.update(key for _, reached in reach.week for key in reached.people)
    for (station, level, over, hours), same in found.items():
        some = f" ({_shown(same.zones)})" if len(same.zones) < len(station.zones) else ""
        told = f"fires of {len(same.zones)} zones{some} reach {station.name.zh} {station.name.en} over {over}"
        people = f"; {len(same.people)} people are called by name" if same.people and level is Level.OK else ""
        yield Finding(level, _REACH, f"{told}, {week_text(hours)}{people}", _REMEDIES[level])


_REMEDIES = {
    Level.OK: "",
    Level.WARN: "GB/T 45839-2025 5.10.4 asks for two kinds of channel that people hear, within 15 s: add one",
    Level.BAD: "mend one of its channels, or name somebody who is on duty then: nobody would come",
}


def _levels(plan: Plan, reach: Reach) -> Iterator[tuple[Level, str, tuple[Span, ...]]]:
    """How good it is, over which channels, and when. Where something is amiss, only that is told."""
    if nobody := reach.when(lambda reached: not reached.channels):
        yield Level.BAD, "no channel that works", nobody
    weak = {(r.soon, r.channels): None for _, r in reach.week if r.channels and not _enough(plan, r)}
    for soon, channels in weak:
        over = f"{', '.join(sorted(soon))} only" if soon else "no channel"
        later = f" within 15 s, later also {', '.join(sorted(channels - soon))}" if channels - soon else ""
        yield Level.WARN, f"{over}{later}", reach.when(_over(soon, channels))
    if not nobody and not weak:
        everything = frozenset[str]().union(*(r.channels for _, r in reach.week))
        yield Level.OK, ", ".join(sorted(everything)), reach.when(lambda _: True)


def _enough(plan: Plan, reached: Reached) -> bool:
    return len({plan.kind_of(channel) for channel in reached.soon} - UNHEARD) >= ENOUGH


def _over(soon: frozenset[str], channels: frozenset[str]) -> Callable[[Reached], bool]:
    return lambda reached: (reached.soon, reached.channels) == (soon, channels)


def _empty(rungs: Iterable[int]) -> Callable[[Reached], bool]:
    asked = frozenset(rungs)
    return lambda reached: asked.issubset(reached.empty)


def _ladder(plan: Plan, fire: Sequence[Reach], everything: int) -> Iterator[Finding]:
    ladder = plan.ladders[Kind.FIRE]
    last = len(ladder.rungs) + bool(ladder.times) - 1
    for reach in fire:
        place = _places(reach.zones, everything)
        if alone := reach.when(_empty(range(1, last + 1))):
            detail = f"a fire in {place} that nobody answers calls nobody further: {week_text(alone)}"
            yield Finding(Level.WARN, _LADDER, detail, "name people: and their shifts, neighbours:, or an authority")
        elif ladder != LADDERS[Kind.FIRE]:
            yield from _empty_rungs(plan, reach, place)


def _empty_rungs(plan: Plan, reach: Reach, place: str) -> Iterator[Finding]:
    """Of a ladder that the site file writes itself; the usual one has rungs for whoever there is."""
    ladder = plan.ladders[Kind.FIRE]
    for n in sorted({n for _, reached in reach.week for n in reached.empty}):
        rung = ladder.rung(n)
        if rung is not None:
            hours = reach.when(_empty([n]))
            name = f"the rung after {write_duration(rung.after)} ({', '.join(rung.targets)})"
            detail = f"{name} reaches nobody of {place}: {week_text(hours)}"
            yield Finding(Level.WARN, _LADDER, detail, "name people in these roles, or call somebody else in its place")


def _on_duty(plan: Plan, stations: Sequence[Station]) -> Iterator[Finding]:
    names = {station.key: station.name for station in stations}
    for key, hours in unmanned(plan).items():
        detail = f"nobody is on duty at {names[key].zh} {names[key].en}: {week_text(hours)}"
        remedy = "fill the hours with shifts: of responders or dispatchers, or name one who stands in none"
        yield Finding(Level.WARN, _DUTY, detail, remedy)


def _quiet(prealarm: Sequence[Reach], everything: int) -> Iterator[Finding]:
    for reach in prealarm:
        if hours := reach.when(lambda reached: not reached.channels):
            detail = f"pre-alarms of {_places(reach.zones, everything)} reach nobody: {week_text(hours)}"
            remedy = "some are in their quiet hours then: give somebody on duty none"
            yield Finding(Level.WARN, _DUTY, detail, remedy)


def _places(zones: Sequence[str], everything: int) -> str:
    return "all zones" if len(zones) == everything > SHOWN else _shown(zones)


def _shown(zones: Sequence[str]) -> str:
    return ", ".join(zones[:SHOWN]) + (f" and {len(zones) - SHOWN} more" if len(zones) > SHOWN else "")
