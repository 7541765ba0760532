"""The people of the site file as the response calls them: every name resolved, everybody in some place, every gap reported.

Knows channels by name and kind only, and reads no file. Whether the ladder reaches somebody at every hour is the business of
monitor/reachability.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from monitor.settings.people import Called, FloodEntry, LadderEntry, PersonWords, Staffed, all_ladders
from monitor.settings.places import StationEntry
from monitor.settings.sections import Sla
from monitor.settings.survey import present, suggest
from rules.document import Path
from rules.model import Kind, Station, Text
from rules.people import Person, Plan, Role, Roster

OF_ZONES = frozenset({Role.FAMILY, Role.GRID_WORKER})
"""Who is called for their zones, whatever station is sent."""


class Caller(NamedTuple):
    """An entry for a person, and where it stands."""

    path: Path
    key: str
    name: Text
    words: Called


class Post(NamedTuple):
    """An entry for a station, and where it stands."""

    path: Path
    key: str
    words: Staffed
    channels: int
    """How many it listens on."""


class Muster:
    """Walks over people and stations once. Mistakes are handed to `tell`: path, message, remedy."""

    def __init__(
        self,
        zones: Callable[[Path, str], set[str]],
        tell: Callable[[Path, str, str], None],
        channels: Mapping[str, str] | None,
        *,
        complete: bool = True,
    ) -> None:
        """`zones` gives the keys that a text at a path stands for, `channels` each one's kind (None: not known).

        `complete`: everybody and every station could be read, so that one who is missing is a mistake.
        """
        self._zones = zones
        self._tell = tell
        self._channels = channels
        self._complete = complete
        self._people: dict[str, Person] = {}
        self._rosters: dict[str, Roster] = {}
        self._neighbours: dict[str, tuple[str, ...]] = {}

    def call(self, people: Iterable[Caller], posts: Iterable[Post]) -> None:
        """Everybody, and where they belong."""
        paths: dict[str, Path] = {}
        for caller in people:
            if caller.key in self._people:
                message = f"the person {caller.key} stands twice"
                self._tell((*caller.path, "id"), message, "give everybody an id of their own")
                continue
            paths[caller.key] = caller.path
            self._people[caller.key] = self._person(*caller)
        listed = list(posts)
        above = {post.key for post in listed if post.words.authority}
        for post in listed:
            if post.words.authority:
                self._authority(post)
            else:
                self._roster(post)
                self._reinforced(post, {other.key for other in listed} - above, above)
        if self._complete:
            self._everybody_somewhere(paths)

    def plan(
        self,
        authorities: Iterable[Station],
        ladders: dict[Kind, LadderEntry],
        sla: Sla,
        flood: FloodEntry,
    ) -> Plan:
        """All of it as the rules know it."""
        return Plan(
            people=self._people,
            rosters=self._rosters,
            neighbours=self._neighbours,
            authorities=tuple(authorities),
            channels=dict(self._channels or {}),
            ladders=all_ladders(ladders),
            missed=sla.missed,
            warn=sla.warn,
            flood=flood.limits,
        )

    def _person(self, path: Path, key: str, name: Text, words: Called) -> Person:
        known = self._channels
        for j, channel in self._once((*path, "channels"), words.channels, "channel"):
            if known is not None and channel not in known:
                remedy = f"{suggest(channel, known)}; channels stand under channels:"
                self._tell((*path, "channels", j), f"there is no channel {channel}", remedy)
        zones: set[str] = set()
        for j, text in enumerate(words.zones):
            zones |= self._zones((*path, "zones", j), text)
        if words.zones and words.role not in OF_ZONES:
            remedy = "name the person under people: of a station; zones are for grid_worker and family"
            self._tell((*path, "zones"), f"a {words.role} is called by the station and not for zones", remedy)
        if not words.zones and words.role in OF_ZONES:
            self._tell(path, f"{key} is called for no zone, so nobody would ever call", "add zones: [site/zone]")
        channels = tuple(dict.fromkeys(words.channels))
        return Person(key, name, words.role, channels, frozenset(zones), words.quiet)

    def _authority(self, post: Post) -> None:
        if post.words.everybody or post.words.neighbours:
            remedy = "name channels under recipients: instead; it is called over these alone"
            self._tell(post.path, f"the authority {post.key} has people or neighbours of its own", remedy)
        elif not post.channels:
            self._tell(post.path, f"the authority {post.key} cannot be called", "name a channel under recipients:")

    def _roster(self, post: Post) -> None:
        words, at = post.words, (*post.path, "people")
        named = [((*at, j), key) for j, key in self._once(at, words.people, "person")]
        for k, shift in enumerate(words.shifts):
            at = (*post.path, "shifts", k, "people")
            named += [((*at, j), key) for j, key in self._once(at, shift.people, "person")]
        for at, key in named:
            person = self._people.get(key)
            if person is None and self._complete:
                self._tell(at, f"there is nobody called {key}", f"{suggest(key, self._people)}; see people:")
            elif person is not None and person.role in OF_ZONES:
                remedy = "leave it out here; who does both stands under people: twice, under two ids"
                self._tell(at, f"{key} is {person.role}, and called for zones, not at a station", remedy)
        if named:
            self._rosters[post.key] = Roster(words.everybody, tuple(shift.shift for shift in words.shifts))

    def _reinforced(self, post: Post, stations: set[str], above: set[str]) -> None:
        for j, key in self._once((*post.path, "neighbours"), post.words.neighbours, "station"):
            at = (*post.path, "neighbours", j)
            if key == post.key:
                self._tell(at, f"the station {key} is said to be its own neighbour", "remove it here")
            elif key in above:
                remedy = "leave it out here: it is called by the rungs and deadlines that call authority"
                self._tell(at, f"{key} is an authority, which is handed over to and does not reinforce", remedy)
            elif key not in stations and self._complete:
                self._tell(at, f"there is no station {key}", suggest(key, stations - {post.key}))
        if post.words.neighbours:
            self._neighbours[post.key] = post.words.neighbours

    def _everybody_somewhere(self, paths: Mapping[str, Path]) -> None:
        placed = {key for roster in self._rosters.values() for key in roster.people}
        for key, person in self._people.items():
            if person.role not in OF_ZONES and not person.zones and key not in placed:
                remedy = "name the person under people: or shifts: of a station"
                self._tell(paths[key], f"{key} belongs to no station, so nobody would ever call", remedy)

    def _once(self, path: Path, names: Iterable[str], what: str) -> list[tuple[int, str]]:
        """The names with their places; one that stands twice is a mistake."""
        out: dict[str, int] = {}
        for j, name in enumerate(names):
            if name in out:
                self._tell((*path, j), f"the {what} {name} stands twice", "keep one of them")
            out.setdefault(name, j)
        return [(j, name) for name, j in out.items()]


def callers(entries: Sequence[PersonWords | None]) -> Iterator[Caller]:
    """The people of a site file, without those who could not be read."""
    return (Caller(("people", i), entry.id, entry.name.text, entry) for i, entry in present(entries))


def posts(entries: Sequence[StationEntry | None]) -> Iterator[Post]:
    """The stations of a site file, without those that could not be read."""
    return (Post(("stations", i), entry.id, entry, len(entry.recipients)) for i, entry in present(entries))


def said(plan: Plan) -> Plan | None:
    """The plan for the neighbourhood: None where the site file says nothing of it, so that a station's own channels are all."""
    return None if plan == Plan(channels=plan.channels) else plan
