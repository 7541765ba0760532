"""The neighbourhood that a test file brings along: places, stations, people and what is promised, in the file's own short words.

Opens nothing. Mistakes are handed to the reader, each with its path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from monitor.settings.muster import Caller, Muster, Post, said
from monitor.settings.people import Staffed
from monitor.settings.sections import Sla
from monitor.settings.survey import suggest
from monitor.stories.entries import FileWords, StationWords
from rules.document import Path as Address
from rules.model import Device, Neighbourhood, Recipient, Station, Text, Zone
from rules.people import Plan

SITE = "here"
"""The one site of a file that has its own places."""
ONE = "station"
"""The one station of a file that names none, which listens on HOOK."""
HOOK = "hook"
Tell: TypeAlias = Callable[[Address, str, str], None]
"""Path, message, remedy."""


class Scene:
    """One file's."""

    def __init__(self, words: FileWords, tell: Tell) -> None:
        self._words = words
        self._tell = tell

    def neighbourhood(self) -> Callable[[], Neighbourhood]:
        """Makes a new one for each test; every mistake is told by now."""
        words = self._words
        if not words.zones:
            self._tell((), "there are no zones", "write `zones: {hall: lobby}`, or `site: ../site.yaml`")
        zones, devices, stations, plan = self._zones(), self._devices(), self._stations(), self._plan()
        sla = words.sla.profiles if words.sla is not None else None
        permits = words.linkage.permits()
        return lambda: Neighbourhood(
            zones=zones, stations=stations, devices=devices, sla=sla, plan=plan, permits=permits
        )

    def _zones(self) -> dict[str, Zone]:
        words, out = self._words, {}
        beside: dict[str, dict[str, None]] = {name: {} for name in words.zones}
        for name, zone in words.zones.items():
            for i, other in enumerate(zone.adjacent):
                if self._known_zone(("zones", name, "adjacent", i), other):
                    beside[name][other] = beside[other][name] = None
        for name, zone in words.zones.items():
            key, near = f"{SITE}/{name}", tuple(f"{SITE}/{other}" for other in beside[name])
            out[key] = Zone(key, SITE, Text(name, name), zone.kind, zone.building, near, zone.attributes)
        return out

    def _devices(self) -> dict[str, Device]:
        out = {}
        for name, device in self._words.devices.items():
            self._known_zone(("devices", name, "zone"), device.zone)
            key, zone = f"{SITE}/{name}", f"{SITE}/{device.zone}"
            out[key] = Device(key, SITE, device.kind, zone, Text(name, name), device.attributes)
        return out

    def _stations(self) -> tuple[Station, ...]:
        words = self._words
        if not words.stations:
            everywhere = frozenset(f"{SITE}/{name}" for name in words.zones)
            return (Station(ONE, Text("微型消防站", "Station"), everywhere, (Recipient(HOOK),)),)
        for key, station in words.stations.items():
            for i, zone in enumerate(station.zones):
                self._known_zone(("stations", key, "zones", i), zone)
        return tuple(_station(key, station) for key, station in words.stations.items() if not station.authority)

    def _plan(self) -> Plan | None:
        """Who is called; None where the file says nothing of it."""
        words = self._words
        muster = Muster(self._meant, self._tell, self._channels())
        muster.call(
            [Caller(("people", key), key, Text(key, key), person) for key, person in words.people.items()],
            list(self._posts()),
        )
        above = [_station(key, station) for key, station in words.stations.items() if station.authority]
        return said(muster.plan(above, words.ladders, words.sla or Sla.model_validate({}), words.flood))

    def _posts(self) -> Iterable[Post]:
        words = self._words
        for key, station in words.stations.items():
            yield Post(("stations", key), key, station, len(station.channels))
        if not words.stations:
            # Who is not called for a zone belongs to the one station that there is.
            people = tuple(key for key, person in words.people.items() if not person.zones)
            yield Post(("people",), ONE, Staffed(people=people), 1)

    def _channels(self) -> dict[str, str]:
        """Each channel's kind."""
        words = self._words
        kinds = dict(words.channels)
        if not words.stations:
            kinds.setdefault(HOOK, HOOK)
        for key, station in words.stations.items():
            for name, channel in station.channels.items():
                kind = kinds.setdefault(name, channel.kind or name)
                if channel.kind not in (None, kind):
                    at = ("stations", key, "channels", name, "kind")
                    self._tell(at, f"the channel {name} is of the kind {kind} elsewhere", "say it once")
        return kinds

    def _meant(self, path: Address, name: str) -> set[str]:
        if name == "*":
            return {f"{SITE}/{zone}" for zone in self._words.zones}
        return {f"{SITE}/{name}"} if self._known_zone(path, name) else set()

    def _known_zone(self, path: Address, name: str) -> bool:
        zones: Mapping[str, object] = self._words.zones
        if name not in zones:
            self._tell(path, f"there is no zone {name}", suggest(name, zones))
        return name in zones


def _station(key: str, station: StationWords) -> Station:
    recipients = tuple(
        Recipient(name, c.kinds if c.kinds is not None else Recipient("").kinds, c.follow)
        for name, c in station.channels.items()
    )
    return Station(key, Text(key, key), frozenset(f"{SITE}/{zone}" for zone in station.zones), recipients)
