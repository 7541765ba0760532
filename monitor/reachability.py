"""Whom a ladder reaches, for every zone and at every moment of the week: the proof that somebody hears of a fire.

Pure: places, stations and plan in, findings out; it knows no settings and asks no channel. Who is on duty changes at the ends of
shifts (and, but for a FIRE, of quiet hours) alone, so a week is looked at between these moments and nowhere else; zones with the same
stations and authorities are looked at together. Residents are warned and not sent: they count for nothing here. Swaps are not foreseen.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from rules.model import DAY, MINUTE, SECOND, Kind, Micros, Station
from rules.people import CHINA, Person, Plan, Role, Shift, Target, minute_of_day, within

DAY_MINUTES = 1440
WEEK_MINUTES = 7 * DAY_MINUTES
MONDAY: Micros = 4 * DAY - CHINA
"""A Monday, 00:00 in China."""
SOON: Micros = 15 * SECOND
"""By then a FIRE is heard over two kinds of channel (GB/T 45839-2025 5.10.4)."""
UNHEARD = frozenset({"mqtt"})
"""Kinds of channel that tell programs, lamps and screens, and no telephone."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ON_DUTY: Mapping[Target, frozenset[Role]] = {
    Target.DUTY: frozenset({Role.DISPATCHER, Role.RESPONDER}),
    Target.LEADER: frozenset({Role.LEADER}),
    Target.MANAGER: frozenset({Role.MANAGER}),
}
_Quiet: TypeAlias = tuple[int, int] | None


class Span(NamedTuple):
    """Minutes of the week, [since, until), 0 is Monday 00:00 in China; `until` may lie in the week after."""

    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Reached:
    """Whom the whole ladder reaches at one moment."""

    channels: frozenset[str] = frozenset()
    soon: frozenset[str] = frozenset()
    """What is called within SOON, if need be."""
    people: frozenset[str] = frozenset()
    """Keys of those on duty who are called by name."""
    empty: tuple[int, ...] = ()
    """The rungs that reach nobody, from 0; the first repetition is the one after the last."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom the alarms of some zones reach in the course of a week."""

    station: Station
    """The one that is sent."""
    zones: tuple[str, ...]
    week: tuple[tuple[Span, Reached], ...]
    """In order and without gaps."""

    def when(self, wanted: Callable[[Reached], bool]) -> tuple[Span, ...]:
        """The parts of the week at which something is so."""
        return joined(span for span, reached in self.week if wanted(reached))


def reaches(
    zones: Iterable[str],
    stations: Sequence[Station],
    plan: Plan,
    kind: Kind = Kind.FIRE,
    works: Callable[[str], bool] = lambda channel: True,
) -> list[Reach]:
    """The proof for every zone that a station covers; `works` says which channels deliver.

    Costs O(zones covered) and, for each sort of zones, O(moments at which the roster changes x rungs).
    """
    way = _Way(stations, plan, kind, works)
    moments = way.moments()
    out = []
    for group in _groups(zones, stations, plan):
        week = [(Span(since, until), way.climb(group, MONDAY + since * MINUTE)) for since, until in moments]
        out.append(Reach(group.stations[0], tuple(group.zones), tuple(week)))
    return out


def unmanned(plan: Plan) -> dict[str, tuple[Span, ...]]:
    """Station → when none of its dispatchers and responders is on duty; those without a roster are not asked."""
    gaps = {}
    for key, roster in plan.rosters.items():
        week = _spans(ends_of_shifts(roster.shifts))
        empty = [span for span in week if not _on_duty(plan, key, MONDAY + span.since * MINUTE, Target.DUTY)]
        if empty:
            gaps[key] = joined(empty)
    return gaps


# --- climbing ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Group:
    """Zones that are called for alike."""

    stations: tuple[Station, ...]
    above: tuple[Station, ...]
    zones: list[str] = field(default_factory=list)


def _groups(zones: Iterable[str], stations: Sequence[Station], plan: Plan) -> list[_Group]:
    covering = _covering(stations)
    above = _covering(plan.authorities)
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], _Group] = {}
    for zone in zones:
        here, over = covering.get(zone, []), above.get(zone, [])
        if here:
            sort = (tuple(s.key for s in here), tuple(s.key for s in over))
            groups.setdefault(sort, _Group(tuple(here), tuple(over))).zones.append(zone)
    return list(groups.values())


def _covering(stations: Iterable[Station]) -> dict[str, list[Station]]:
    out: dict[str, list[Station]] = {}
    for station in stations:
        for zone in station.zones:
            out.setdefault(zone, []).append(station)
    return out


class _Way:
    """What all climbs share: the plan, the kind of alarm and the channels that work."""

    def __init__(self, stations: Sequence[Station], plan: Plan, kind: Kind, works: Callable[[str], bool]) -> None:
        self.plan = plan
        self.kind = kind
        self._works = works
        self._by_key = {station.key: station for station in stations}
        self._duty: dict[tuple[str, Micros, Target], list[Person]] = {}

    def moments(self) -> list[Span]:
        """The parts of the week within which nothing changes."""
        ends = ends_of_shifts(shift for roster in self.plan.rosters.values() for shift in roster.shifts)
        if self.kind is not Kind.FIRE:
            for since, until in {person.quiet for person in self.plan.people.values() if person.quiet is not None}:
                ends |= {day * DAY_MINUTES + minute for day in range(7) for minute in (since, until)}
        return _spans(ends)

    def climb(self, group: _Group, at: Micros) -> Reached:
        """The ladder from its first rung to the last repetition that could reach anybody new."""
        ladder, climb = self.plan.ladders[self.kind], _Climb(self, group, at)
        empty, soon = [], self.spread(group.stations[0], at)
        for n in range(len(ladder.rungs) + 1 + len(self._by_key)):
            rung = ladder.rung(n)
            if rung is not None and not climb.rung(rung.targets) and n <= len(ladder.rungs):
                empty.append(n)
            if rung is not None and n < len(ladder.rungs) and rung.after < SOON:
                soon |= climb.channels
        return Reached(frozenset(climb.channels), soon, frozenset(climb.people), tuple(empty))

    def spread(self, station: Station, at: Micros) -> frozenset[str]:
        """The channels of everybody on duty: a FIRE is told over all of them that two kinds have not accepted in time."""
        people = (person for target in _ON_DUTY for person in self.on_duty(station.key, at, target))
        return self.working(channel for person in people for channel in person.channels)

    def on_duty(self, station: str, at: Micros, target: Target) -> list[Person]:
        """Worked out once for each moment."""
        key = (station, at, target)
        if key not in self._duty:
            self._duty[key] = [p for p in _on_duty(self.plan, station, at, target) if not self.sleeps(p.quiet, at)]
        return self._duty[key]

    def listening(self, station: Station) -> frozenset[str]:
        """The channels of a station that are told of such alarms; a screen only where there is nothing else."""
        alone = all(r.follow for r in station.recipients)
        return self.working(r.channel for r in station.recipients if self.kind in r.kinds and (not r.follow or alone))

    def working(self, channels: Iterable[str]) -> frozenset[str]:
        """Those that work."""
        return frozenset(filter(self._works, channels))

    def sleeps(self, quiet: _Quiet, at: Micros) -> bool:
        """Are these quiet hours, which a FIRE ignores?"""
        return self.kind is not Kind.FIRE and quiet is not None and within(minute_of_day(at), *quiet)

    def next_station(self, covering: Sequence[Station], called: set[str]) -> Station | None:
        """The reinforcement that was not called yet: named neighbours first, then who else covers the zone."""
        named = self.plan.neighbours.get(covering[0].key, ())
        order = [*(self._by_key[key] for key in named if key in self._by_key), *covering[1:]]
        return next((station for station in order if station.key not in called), None)


class _Climb:
    """One sort of zones, one moment, one ladder."""

    __slots__ = ("_above", "_at", "_called", "_group", "_way", "channels", "people")

    def __init__(self, way: _Way, group: _Group, at: Micros) -> None:
        self._way = way
        self._group = group
        self._at = at
        self._called = {group.stations[0].key}
        self._above = list(group.above)
        self.channels: set[str] = set()
        self.people: set[str] = set()

    def rung(self, targets: Iterable[Target]) -> bool:
        """Does it reach anybody?"""
        asked = [target for target in targets if target is not Target.RESIDENTS]
        return not asked or sum(self._target(target) for target in asked) > 0

    def _target(self, target: Target) -> bool:
        first = self._group.stations[0]
        match target:
            case Target.STATION:
                return self._heard(self._way.listening(first))
            case Target.NEIGHBOUR:
                while (there := self._way.next_station(self._group.stations, self._called)) is not None:
                    self._called.add(there.key)
                    heard = self._heard(self._way.listening(there))
                    if self._named(there, Target.DUTY) or heard:
                        return True
                return False
            case Target.AUTHORITY:
                above, self._above = self._above, []
                return sum(self._heard(self._way.listening(station)) for station in above) > 0
            case _:
                return self._named(first, target)

    def _named(self, station: Station, target: Target) -> bool:
        reached = False
        for person in self._way.on_duty(station.key, self._at, target):
            if self._heard(self._way.working(person.channels)):
                self.people.add(person.key)
                reached = True
        return reached

    def _heard(self, channels: frozenset[str]) -> bool:
        self.channels |= channels
        return bool(channels)


def _on_duty(plan: Plan, station: str, at: Micros, target: Target) -> list[Person]:
    return [person for person in plan.on_duty(station, at) if person.role in _ON_DUTY[target]]


# --- weeks ------------------------------------------------------------------------------------------------------------


def ends_of_shifts(shifts: Iterable[Shift]) -> set[int]:
    """Minutes of the week at which a shift begins or ends."""
    ends = set()
    for shift in shifts:
        length = (shift.until - shift.since) % DAY_MINUTES or DAY_MINUTES
        for day in shift.days:
            begin = day * DAY_MINUTES + shift.since
            ends |= {begin % WEEK_MINUTES, (begin + length) % WEEK_MINUTES}
    return ends


def _spans(ends: Iterable[int]) -> list[Span]:
    """The week between these minutes."""
    marks = sorted({0, *ends, WEEK_MINUTES})
    return [Span(since, until) for since, until in itertools.pairwise(marks)]


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Parts of the week that touch are one, also over the end of it."""
    out: list[Span] = []
    for span in spans:
        if out and out[-1].until == span.since:
            out[-1] = Span(out[-1].since, span.until)
        else:
            out.append(span)
    if len(out) > 1 and out[0].since == 0 and out[-1].until == WEEK_MINUTES:
        out[-1] = Span(out[-1].since, WEEK_MINUTES + out.pop(0).until)
    return tuple(out)


def week_text(spans: Sequence[Span]) -> str:
    """`Mon-Fri 20:00-08:00, Sat 12:00-Sun 08:00`; `at every hour` for the whole week."""
    if spans == (Span(0, WEEK_MINUTES),):
        return "at every hour"
    days: dict[tuple[int, int], list[int]] = {}
    for since, until in spans:
        day, minute = divmod(since, DAY_MINUTES)
        days.setdefault((minute, until - since), []).append(day)
    return ", ".join(_hours(found, minute, length) for (minute, length), found in days.items())


def _hours(days: Sequence[int], minute: int, length: int) -> str:
    since, until = f"{minute // 60:02}:{minute % 60:02}", (minute + length) % DAY_MINUTES
    end = f"{until // 60:02}:{until % 60:02}"
    if length <= DAY_MINUTES:
        return f"{'/'.join(_runs(days))} {since}-{'24:00' if minute + length == DAY_MINUTES else end}"
    last = (days[0] + (minute + length) // DAY_MINUTES) % 7
    return ", ".join(f"{_DAYS[day]} {since}-{_DAYS[(day + last - days[0]) % 7]} {end}" for day in days)


def _runs(days: Sequence[int]) -> Iterator[str]:
    """Days that follow each other as `Mon-Fri`."""
    for _, run in itertools.groupby(enumerate(days), lambda pair: pair[1] - pair[0]):
        found = [day for _, day in run]
        yield _DAYS[found[0]] if len(found) == 1 else f"{_DAYS[found[0]]}-{_DAYS[found[-1]]}"
