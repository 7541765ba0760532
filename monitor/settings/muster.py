"""The people of the site file as the response calls them: every name resolved, everybody in some place, every gap reported.

Knows channels by name and kind only, and reads no file. Whether the ladder reaches somebody at every hour is the business of
monitor/reachability.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from monitor.settings.people import FloodEntry, LadderEntry, PersonWords, all_ladders
from monitor.settings.places import StationEntry
from monitor.settings.sections import Sla
from monitor.settings.survey import Survey, present, suggest
from rules.document import Path
from rules.model import Kind
from rules.people import Person, Plan, Role, Roster

OF_ZONES = frozenset({Role.FAMILY, Role.GRID_WORKER})
"""Who is called for their zones, whatever station is sent."""


class Muster:
    """Walks over people and stations once; what fits is in `people`, `rosters` and `neighbours`, mistakes are the survey's."""

    def __init__(self, survey: Survey, *, complete: bool = True) -> None:
        """`complete`: everybody and every station could be read, so that one who is missing is a mistake."""
        self.people: dict[str, Person] = {}
        self.rosters: dict[str, Roster] = {}
        self.neighbours: dict[str, tuple[str, ...]] = {}
        self._survey = survey
        self._complete = complete
        self._paths: dict[str, Path] = {}

    def call(
        self,
        people: Sequence[PersonWords | None],
        stations: Sequence[StationEntry | None],
        channels: Mapping[str, str] | None,
    ) -> None:
        """Everybody, and where they belong. `channels` gives each channel's kind; None when that is not known."""
        for i, person in present(people):
            self._person(("people", i), person, channels)
        authorities = {entry.id for _, entry in present(stations) if entry.authority}
        ordinary = {entry.id for _, entry in present(stations)} - authorities
        for i, station in present(stations):
            self._roster(("stations", i), station)
            self._neighbours(("stations", i), station, ordinary, authorities)
        if self._complete:
            self._everybody_somewhere()

    def plan(self, channels: Mapping[str, str], ladders: dict[Kind, LadderEntry], sla: Sla, flood: FloodEntry) -> Plan:
        """All of it as the rules know it."""
        return Plan(
            people=self.people,
            rosters=self.rosters,
            neighbours=self.neighbours,
            authorities=tuple(self._survey.ground.authorities),
            channels=dict(channels),
            ladders=all_ladders(ladders),
            missed=sla.missed,
            warn=sla.warn,
            flood=flood.limits,
        )

    def _person(self, path: Path, entry: PersonWords, channels: Mapping[str, str] | None) -> None:
        if entry.id in self.people:
            self._survey.tell((*path, "id"), f"the person {entry.id} stands twice", "give everybody an id of their own")
            return
        for j, channel in self._once((*path, "channels"), entry.channels, "channel"):
            if channels is not None and channel not in channels:
                remedy = f"{suggest(channel, channels)}; channels stand under channels:"
                self._survey.tell((*path, "channels", j), f"there is no channel {channel}", remedy)
        zones: set[str] = set()
        for j, text in enumerate(entry.zones):
            zones |= self._survey.meant((*path, "zones", j), text)
        if entry.zones and entry.role not in OF_ZONES:
            remedy = "name the person under people: of a station; zones are for grid_worker and family"
            self._survey.tell((*path, "zones"), f"a {entry.role} is called by the station and not for zones", remedy)
        if not entry.zones and entry.role in OF_ZONES:
            remedy = "add zones: [site/zone]"
            self._survey.tell(path, f"{entry.id} is called for no zone, so nobody would ever call", remedy)
        self._paths[entry.id] = path
        self.people[entry.id] = Person(
            entry.id, entry.name.text, entry.role, tuple(dict.fromkeys(entry.channels)), frozenset(zones), entry.quiet
        )

    def _roster(self, path: Path, entry: StationEntry) -> None:
        named = [((*path, "people", j), key) for j, key in self._once((*path, "people"), entry.people, "person")]
        for k, shift in enumerate(entry.shifts):
            at = (*path, "shifts", k, "people")
            named += [((*at, j), key) for j, key in self._once(at, shift.people, "person")]
        for at, key in named:
            person = self.people.get(key)
            if person is None and self._complete:
                self._survey.tell(at, f"there is nobody called {key}", f"{suggest(key, self.people)}; see people:")
            elif person is not None and person.role in OF_ZONES:
                remedy = "leave it out here; a person who does both stands twice, under two ids"
                self._survey.tell(at, f"{key} is {person.role}, and called for zones, not at a station", remedy)
        if named and entry.id not in self.rosters:
            everybody = tuple(dict.fromkeys(key for _, key in named if key in self.people))
            self.rosters[entry.id] = Roster(everybody, tuple(shift.shift for shift in entry.shifts))

    def _neighbours(self, path: Path, entry: StationEntry, ordinary: set[str], authorities: set[str]) -> None:
        for j, key in self._once((*path, "neighbours"), entry.neighbours, "station"):
            at = (*path, "neighbours", j)
            if key == entry.id:
                self._survey.tell(at, f"the station {key} is said to be its own neighbour", "remove it here")
            elif key in authorities:
                remedy = "leave it out here: it is called by the rungs and deadlines that call authority"
                self._survey.tell(at, f"{key} is an authority, which is handed over to and does not reinforce", remedy)
            elif key not in ordinary and self._complete:
                self._survey.tell(at, f"there is no station {key}", suggest(key, ordinary - {entry.id}))
        if entry.neighbours:
            self.neighbours[entry.id] = tuple(dict.fromkeys(entry.neighbours))

    def _everybody_somewhere(self) -> None:
        placed = {key for roster in self.rosters.values() for key in roster.people}
        for key, person in self.people.items():
            if person.role not in OF_ZONES and not person.zones and key not in placed:
                remedy = "name the person under people: or shifts: of a station"
                self._survey.tell(self._paths[key], f"{key} belongs to no station, so nobody would ever call", remedy)

    def _once(self, path: Path, names: Iterable[str], what: str) -> list[tuple[int, str]]:
        """The names with their places; one that stands twice is a mistake."""
        out: list[tuple[int, str]] = []
        seen: set[str] = set()
        for j, name in enumerate(names):
            if name in seen:
                self._survey.tell((*path, j), f"the {what} {name} stands twice", "keep one of them")
            else:
                out.append((j, name))
            seen.add(name)
        return out
