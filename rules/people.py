"""Who can be called: people with their roles, ways to reach them and hours of duty; and the ladder by which they are called.

Knows no incident and no channel but by name; what time it is, it is told. Hours are of China's time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from rules.model import DAY, MINUTE, SECOND, Kind, Micros, Station, Swap, Text

CHINA: Micros = 8 * 60 * MINUTE
"""UTC+8 all the year and all over the country."""
_EPOCH = date(1970, 1, 1)


class Role(StrEnum):
    """What somebody does in the response."""

    DISPATCHER = "dispatcher"
    RESPONDER = "responder"
    LEADER = "leader"
    """The duty leader (值班站长)."""
    MANAGER = "manager"
    """Of the building or property (物业负责人)."""
    GRID_WORKER = "grid_worker"
    """网格员: knows the people of some streets."""
    FAMILY = "family"
    """The contact of somebody who lives alone; told of FIRE and PREALARM in that zone at once."""


RESIDENTS = frozenset({Role.FAMILY, Role.GRID_WORKER})
"""Who is called for the people of a zone: they must know, and are not sent."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be called. Addresses (a mobile number) are not here: the channels know them by `key`."""

    key: str
    name: Text
    role: Role
    channels: tuple[str, ...] = ()
    """Names of channels, in order of preference."""
    zones: frozenset[str] = frozenset()
    """The zones' keys that a grid worker or a family contact is called for."""
    quiet: tuple[int, int] | None = None
    """From and until, in minutes of the day, not to be disturbed by anything but a FIRE; may pass midnight."""

    def undisturbed(self, at: Micros) -> bool:
        """Are these the person's quiet hours?"""
        return self.quiet is not None and within(minute_of_day(at), *self.quiet)


@dataclass(frozen=True, slots=True)
class Shift:
    """Hours of duty at a station, on some days of the week; `since == until` are 24 hours."""

    name: str
    people: tuple[str, ...]
    since: int = 0
    """Minute of the day at which it begins."""
    until: int = 0
    """Minute of the day at which it ends; not after `since` it is on the next day, and the shift belongs to the day it began on."""
    days: frozenset[int] = frozenset(range(7))
    """0 is Monday."""

    def runs(self, at: Micros) -> bool:
        """Is it on?"""
        minute, day = minute_of_day(at), weekday(at)
        if self.since < self.until:
            return day in self.days and self.since <= minute < self.until
        return (day in self.days and minute >= self.since) or ((day - 1) % 7 in self.days and minute < self.until)


class Target(StrEnum):
    """Whom a rung of the ladder calls."""

    STATION = "station"
    """The station's own channels, such as its group robot."""
    DUTY = "duty"
    """Its dispatchers and responders on duty."""
    LEADER = "leader"
    """Its duty leaders."""
    NEIGHBOUR = "neighbour"
    """The next station that covers the zone, its channels and people on duty, as reinforcement."""
    MANAGER = "manager"
    RESIDENTS = "residents"
    """Family contacts and grid workers of the zone."""
    AUTHORITY = "authority"
    """Those above: 119, the street's platform. Called once for each raising of an incident."""


@dataclass(frozen=True, slots=True)
class Rung:
    """Who is called `after` the raising, as long as nobody has acknowledged."""

    after: Micros
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs of one kind of incident; after the last one the `repeat`ed targets are called `times` again, `every` so long."""

    rungs: tuple[Rung, ...]
    repeat: tuple[Target, ...] = ()
    every: Micros = MINUTE
    times: int = 0

    def rung(self, number: int) -> Rung | None:
        """The n-th, from 0; None beyond the last repetition."""
        if number < len(self.rungs):
            return self.rungs[number]
        again = number - len(self.rungs) + 1
        if again > self.times or not self.rungs:
            return None
        return Rung(self.rungs[-1].after + again * self.every, self.repeat)


@dataclass(frozen=True, slots=True)
class NextCall:
    """The rung that comes `at` that moment, unless somebody acknowledges before."""

    at: Micros
    targets: tuple[Target, ...]


T = Target
LADDERS: Mapping[Kind, Ladder] = {
    Kind.FIRE: Ladder(
        (
            Rung(0, (T.STATION, T.DUTY, T.RESIDENTS)),
            Rung(15 * SECOND, (T.DUTY,)),
            Rung(30 * SECOND, (T.DUTY, T.LEADER)),
            Rung(45 * SECOND, (T.NEIGHBOUR,)),
            Rung(60 * SECOND, (T.DUTY, T.LEADER, T.MANAGER)),
            Rung(120 * SECOND, (T.DUTY, T.LEADER, T.NEIGHBOUR, T.AUTHORITY)),
        ),
        (T.DUTY, T.LEADER, T.MANAGER), MINUTE, 10,
    ),
    Kind.PREALARM: Ladder(
        (
            Rung(0, (T.STATION, T.DUTY, T.RESIDENTS)),
            Rung(30 * SECOND, (T.DUTY,)),
            Rung(60 * SECOND, (T.DUTY, T.LEADER)),
            Rung(120 * SECOND, (T.DUTY, T.LEADER, T.NEIGHBOUR)),
        ),
        (T.DUTY, T.LEADER), 2 * MINUTE, 5,
    ),
    Kind.SUPERVISORY: Ladder(
        (Rung(0, (T.STATION, T.DUTY)), Rung(2 * MINUTE, (T.DUTY,)), Rung(5 * MINUTE, (T.DUTY, T.LEADER))),
    ),
    Kind.FAULT: Ladder((Rung(0, (T.STATION,)),)),
}  # fmt: skip
"""A FIRE calls two kinds of channel at once (GB/T 45839-2025 5.10.4) and climbs within the minute in which it must be dispatched."""


@dataclass(frozen=True, slots=True)
class Roster:
    """People and hours of duty of a station."""

    people: tuple[str, ...] = ()
    """Keys of all who belong to it. Who stands in no shift is always on duty."""
    shifts: tuple[Shift, ...] = ()

    def on_duty(self, at: Micros, swaps: Iterable[Swap] = ()) -> tuple[str, ...]:
        """Who is on duty, in the order of the site file; who stands in takes the place of who left."""
        in_shifts = {key for shift in self.shifts for key in shift.people}
        running = dict.fromkeys(key for shift in self.shifts if shift.runs(at) for key in shift.people)
        present = dict.fromkeys([*running, *(key for key in self.people if key not in in_shifts)])
        stands_in = {swap.leaves: swap.takes for swap in swaps if swap.since <= at < swap.until}
        return tuple(dict.fromkeys(stands_in.get(key, key) for key in present))


GOALS = ("dispatch", "on_scene", "resolve")
MISSED: Mapping[str, tuple[Target, ...]] = {
    "dispatch": (T.DUTY, T.LEADER, T.NEIGHBOUR),
    "on_scene": (T.LEADER, T.NEIGHBOUR, T.MANAGER),
    "resolve": (T.LEADER, T.MANAGER, T.AUTHORITY),
}
"""Whom a missed deadline calls, beside those who were called before."""


@dataclass(frozen=True, slots=True)
class FloodLimits:
    """An alarm flood (ISA-18.2; EEMUA 191): it begins with more than `begins` alarms within `window`, and ends with fewer than `ends`."""

    begins: int = 10
    ends: int = 5
    window: Micros = 10 * MINUTE
    summary: Micros = MINUTE
    """How often at most a flood is told anew."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is called: everything that the site file says of it beside the stations themselves."""

    people: Mapping[str, Person] = field(default_factory=dict)
    rosters: Mapping[str, Roster] = field(default_factory=dict)
    """By the station's key."""
    neighbours: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Station → stations that reinforce it, in order; without an entry: the further stations that cover the zone."""
    authorities: tuple[Station, ...] = ()
    """Those above, whom an incident is handed over to (119, the street's platform); they cover zones like stations do."""
    channels: Mapping[str, str] = field(default_factory=dict)
    """Channel → its kind (`dingtalk`, `sms`, `voice`, …). Channels of one kind count as one way to reach people."""
    ladders: Mapping[Kind, Ladder] = field(default_factory=lambda: dict(LADDERS))
    missed: Mapping[Kind, Mapping[str, tuple[Target, ...]]] = field(default_factory=dict)
    """Kind → deadline → whom it calls when it is missed; `MISSED` where nothing is said."""
    warn: float = 0.75
    """A deadline is near when this part of its time has passed."""
    flood: FloodLimits = FloodLimits()

    def on_duty(self, station: str, at: Micros, swaps: Iterable[Swap] = ()) -> list[Person]:
        """Who is on duty at a station."""
        roster = self.rosters.get(station)
        here = [swap for swap in swaps if swap.station == station and swap.takes in self.people]
        keys = roster.on_duty(at, here) if roster is not None else ()
        return [self.people[key] for key in keys if key in self.people]

    def kind_of(self, channel: str) -> str:
        """The kind of a channel; one that nobody described is a kind of its own."""
        return self.channels.get(channel, channel)

    def calls(self, kind: Kind, target: Target) -> bool:
        """Does any rung of the kind's ladder call them?"""
        ladder = self.ladders.get(kind)
        return ladder is not None and any(target in rung.targets for rung in ladder.rungs)

    def whom(self, kind: Kind, goal: str) -> tuple[Target, ...]:
        """Whom a missed deadline calls."""
        return self.missed.get(kind, {}).get(goal, MISSED.get(goal, ()))


def within(minute: int, since: int, until: int) -> bool:
    """Is a minute of the day in [since, until), which may pass midnight?"""
    return since <= minute < until if since <= until else minute >= since or minute < until


def minute_of_day(at: Micros) -> int:
    """In China: 0 to 1439."""
    return (at + CHINA) % DAY // MINUTE


def weekday(at: Micros) -> int:
    """In China: 0 is Monday."""
    return (_EPOCH + timedelta(days=(at + CHINA) // DAY)).weekday()
