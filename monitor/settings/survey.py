"""Places and responders as the site file means them: ranges expanded, every reference resolved, every gap reported.

Knows neither broker nor channels (only the channels' names) and reads no file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from monitor.settings.fields import Label
from monitor.settings.naming import Scope, Template
from monitor.settings.places import DeviceEntry, SiteEntry, StationEntry
from rules.document import Document, Mistake, Path
from rules.model import Device, DevicePattern, Kind, Recipient, Station, Text, Zone

MOST_DEVICES = 1_000_000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_Entry = TypeVar("_Entry")
_DEVICE_ID = re.compile(r"(?! )[^/+#{}*\x00-\x1f\x7f]{1,128}(?<! )")


@dataclass(slots=True)
class Ground:
    """The places of the site file, expanded."""

    zones: dict[str, Zone] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    patterns: list[DevicePattern] = field(default_factory=list)
    stations: list[Station] = field(default_factory=list)
    authorities: list[Station] = field(default_factory=list)
    """Those above, whom an incident is handed over to."""
    sites: dict[str, Text] = field(default_factory=dict)
    buildings: dict[str, Text] = field(default_factory=dict)
    """By `site/building`."""


def suggest(word: str, known: Iterable[str]) -> str:
    """`did you mean …?` or what there is to choose from."""
    candidates = [k for _, k in zip(range(5000), known, strict=False)]
    close = [k for k in candidates if k.endswith(f"/{word}")] or difflib.get_close_matches(word, candidates, 1, 0.6)
    if close:
        return f"did you mean {close[0]}?"
    if not candidates:
        return "there is none yet"
    more = ", …" if len(candidates) > 12 else ""
    return f"there is {', '.join(candidates[:12])}{more}"


class Survey:
    """Walks over the entries once; what fits is in `ground`, what does not in `mistakes`."""

    def __init__(self, document: Document) -> None:
        self.ground = Ground()
        self.mistakes: list[Mistake] = []
        self._document = document
        self._all_zones = True
        self._told: set[Path] = set()
        self._templates: dict[Path, Template | None] = {}
        self._zone_paths: dict[str, Path] = {}
        self._adjacent: list[tuple[Path, str, str]] = []
        self._addresses: dict[str, Text] = {}
        self._fitting: dict[str, set[str]] = {}

    def places(self, sites: Sequence[SiteEntry | None], *, complete: bool = True) -> None:
        """Expand buildings, zones and devices; check every reference between them.

        With `complete` false some zones could not be read (they are None), so that one is missing is no mistake.
        """
        self._all_zones = complete
        expanded = []
        for i, site in present(sites):
            path: Path = ("sites", i)
            for site_id, scope in self._ids((*path, "id"), site.id, {}, _ID):
                if site_id in self.ground.sites:
                    self.tell((*path, "id"), f"the site {site_id} stands twice", "give each site its own id")
                    continue
                self.ground.sites[site_id] = self._name((*path, "name"), site.name, scope)
                if site.address is not None:
                    self._addresses[site_id] = self._name((*path, "address"), site.address, scope)
                self._buildings(path, site, site_id, scope)
                self._zones(path, site, site_id, scope)
                expanded.append((path, site, site_id, scope))
        self._adjoin()
        for path, site, site_id, scope in expanded:
            self._devices(path, site, site_id, scope)
        for i, site in present(sites):
            self._patterns(("sites", i), site)

    def responders(
        self, stations: Sequence[StationEntry | None], channels: Mapping[str, str] | None, *, complete: bool = True
    ) -> None:
        """Resolve stations; with `complete`, also require that somebody comes to every zone and hears of its fires.

        `channels` gives each channel's kind; None when that is not known.
        """
        seen: set[str] = set()
        first: dict[str, int] = {}
        for i, entry in present(stations):
            path: Path = ("stations", i)
            if entry.id in seen:
                self.tell((*path, "id"), f"the station {entry.id} stands twice", "give each station its own id")
            seen.add(entry.id)
            zones: set[str] = set()
            for j, text in enumerate(entry.zones):
                zones |= self.meant((*path, "zones", j), text)
            recipients = self._recipients(path, entry, channels)
            station = Station(entry.id, entry.name.text, frozenset(zones), recipients, entry.callback)
            if entry.authority:
                self.ground.authorities.append(station)
                continue
            self.ground.stations.append(station)
            for key in zones:
                first.setdefault(key, i)
        if complete:
            self._require_cover(stations, first)

    # --- expansion ----------------------------------------------------------------------------------------------------

    def _buildings(self, path: Path, site: SiteEntry, site_id: str, scope: Scope) -> None:
        for j, entry in present(site.buildings):
            at = (*path, "buildings", j)
            for building_id, inner in self._ids((*at, "id"), entry.id, scope, _ID):
                name = self._name((*at, "name"), entry.name, inner)
                if f"{site_id}/{building_id}" in self.ground.buildings:
                    self.tell((*at, "id"), f"the building {building_id} stands twice", "give each its own id")
                self.ground.buildings[f"{site_id}/{building_id}"] = name
                if entry.address is not None:
                    self._addresses[f"{site_id}/{building_id}"] = self._name((*at, "address"), entry.address, inner)

    def _zones(self, path: Path, site: SiteEntry, site_id: str, scope: Scope) -> None:
        for j, entry in present(site.zones):
            at = (*path, "zones", j)
            for zone_id, inner in self._ids((*at, "id"), entry.id, scope, _ID):
                key = f"{site_id}/{zone_id}"
                if key in self._zone_paths:
                    self.tell((*at, "id"), f"the zone {key} stands twice", "give each zone of a site its own id")
                    continue
                self._zone_paths[key] = at
                building = self._fill((*at, "building"), entry.building, inner) if entry.building else ""
                if building and self._all_zones and f"{site_id}/{building}" not in self.ground.buildings:
                    known = [b.partition("/")[2] for b in self.ground.buildings if b.startswith(f"{site_id}/")]
                    self.tell((*at, "building"), f"there is no building {building}", suggest(building, known))
                for k, text in enumerate(entry.adjacent):
                    there = self._fill((*at, "adjacent", k), text, inner)
                    if there:
                        there = there if "/" in there else f"{site_id}/{there}"
                        self._adjacent.append(((*at, "adjacent", k), key, there))
                name = self._name((*at, "name"), entry.name, inner)
                address = self._addresses.get(f"{site_id}/{building}", self._addresses.get(site_id))
                house = self.ground.buildings.get(f"{site_id}/{building}")
                self.ground.zones[key] = Zone(
                    key, site_id, name, entry.kind, building, (), entry.attributes, address, house
                )

    def _adjoin(self) -> None:
        beside: dict[str, dict[str, None]] = {}
        for path, here, there in self._adjacent:
            if there not in self.ground.zones:
                self._no_zone(path, there)
            elif there == here:
                self.tell(path, f"the zone {here} is said to adjoin itself", "remove it here")
            else:
                beside.setdefault(here, {})[there] = None
                beside.setdefault(there, {})[here] = None
        for key, others in beside.items():
            z = self.ground.zones[key]
            self.ground.zones[key] = replace(z, adjacent=tuple(others))

    def _devices(self, path: Path, site: SiteEntry, site_id: str, scope: Scope) -> None:
        devices, zones = self.ground.devices, self.ground.zones
        for j, entry in present(site.devices):
            if entry.id is None:
                continue
            at = (*path, "devices", j)
            for device_id, inner in self._ids((*at, "id"), entry.id, scope, _DEVICE_ID):
                key = f"{site_id}/{device_id}"
                zone = f"{site_id}/{self._fill((*at, 'zone'), entry.zone, inner)}"
                if zone not in zones:
                    self._no_zone((*at, "zone"), zone)
                if key in devices:
                    self.tell((*at, "id"), f"the device {key} stands twice", "give each device of a site its own id")
                if len(devices) >= MOST_DEVICES:
                    self.tell((*at, "id"), f"more than {MOST_DEVICES} devices", "use match instead of id, or split")
                    return
                name = self._name((*at, "name"), entry.name, inner) if entry.name else Text(device_id, device_id)
                devices[key] = Device(key, site_id, entry.kind, zone, name, entry.attributes)

    def _patterns(self, path: Path, site: SiteEntry) -> None:
        where = self._template((*path, "id"), site.id, ranges=True)
        if where is None:
            return
        for j, entry in present(site.devices):
            at = (*path, "devices", j)
            match = self._template((*at, "match"), entry.match) if entry.match is not None else None
            if match is None:
                continue
            try:
                # One pattern serves all sites of a range, so a stranger costs one comparison and not fifty.
                inside = match.regex()
                pattern = re.compile(f"(?P<_site>{where.regex(match.variables)})/(?P<_device>{inside})")
            except (ValueError, re.error) as error:
                self.tell((*at, "match"), str(error))
                continue
            self._pattern(at, entry, where, pattern)

    def _pattern(self, at: Path, entry: DeviceEntry, where: Template, pattern: re.Pattern[str]) -> None:
        groups = frozenset(pattern.groupindex)
        zone = self._template((*at, "zone"), entry.zone)
        if zone is None or not self._bound((*at, "zone"), zone, groups):
            return
        inside = "".join(re.escape(part) if isinstance(part, str) else "[^/]+" for part in zone.parts)
        anywhere = re.compile(f"{where.regex(groups)}/{inside}")
        if not any(map(anywhere.fullmatch, self.ground.zones)):
            self._no_zone((*at, "zone"), entry.zone)
        name = Text("{_device}", "{_device}")
        if entry.name is not None:
            zh, en = (self._template((*at, "name", word), text) for word, text in _words(entry.name))
            if zh is None or en is None:
                return
            if not self._bound((*at, "name", "zh"), zh, groups) or not self._bound((*at, "name", "en"), en, groups):
                return
            name = Text(zh.format_text(groups, {}), en.format_text(groups, {}))
        full_zone = f"{{_site}}/{zone.format_text(groups, {})}"
        self.ground.patterns.append(DevicePattern(pattern, entry.kind, full_zone, name, entry.attributes))

    # --- stations -----------------------------------------------------------------------------------------------------

    def meant(self, path: Path, text: str) -> set[str]:
        """The keys of the zones that `"*"`, `site/*` or `site/zone` stands for; none is a mistake."""
        if text == "*":
            return set(self.ground.zones)
        if "*" not in text:
            if text in self.ground.zones:
                return {text}
            self._no_zone(path, text)
            return set()
        if text not in self._fitting:
            # Stations and people say the same of many zones: each pattern walks over them once.
            meant = re.compile("[^/]*".join(map(re.escape, text.split("*"))))
            self._fitting[text] = {key for key in self.ground.zones if meant.fullmatch(key)}
        found = self._fitting[text]
        if not found and self._all_zones:
            self.tell(path, f"no zone fits {text}", 'write "*" for all, "site/*" for all of a site, or "site/zone"')
        return found

    def _recipients(self, path: Path, entry: StationEntry, channels: Mapping[str, str] | None) -> tuple[Recipient, ...]:
        out: dict[str, Recipient] = {}
        for j, recipient in enumerate(entry.recipients):
            at = (*path, "recipients", j)
            if channels is not None and recipient.channel not in channels:
                remedy = suggest(recipient.channel, channels)
                self.tell(at, f"there is no channel {recipient.channel}", f"{remedy}; channels stand under channels:")
            if recipient.channel in out:
                self.tell(at, f"the channel {recipient.channel} stands twice", "join the kinds in one entry")
            follow = recipient.follow
            if follow is None:
                follow = (channels or {}).get(recipient.channel) == "mqtt"
            out[recipient.channel] = Recipient(recipient.channel, recipient.kinds, follow)
        if not out and not entry.everybody:
            self.tell(
                (*path, "recipients"),
                f"nobody is told: the station {entry.id} has neither recipients nor people",
                "name a channel here, or somebody under people:",
            )
        return tuple(out.values())

    def _require_cover(self, stations: Sequence[StationEntry | None], first: Mapping[str, int]) -> None:
        """`first` says of each covered zone which station is sent."""
        for key, path in self._zone_paths.items():
            if key not in first:
                self.tell(
                    path, f"no station covers the zone {key}", 'name it under stations: zones:, or write "*" there'
                )
        for i, entry in present(stations):
            if i in first.values() and not entry.everybody and not any(Kind.FIRE in r.kinds for r in entry.recipients):
                self.tell(
                    ("stations", i, "recipients"),
                    f"the station {entry.id} is sent first but no recipient of it hears of FIRE",
                    "add FIRE to the kinds of one of its recipients, or name somebody under people:",
                )

    # --- texts --------------------------------------------------------------------------------------------------------

    def _ids(self, path: Path, text: str, scope: Scope, allowed: re.Pattern[str]) -> Iterator[tuple[str, Scope]]:
        template = self._template(path, text, ranges=True)
        if template is None or not self._bound(path, template, scope):
            return
        for name, inner in template.names(scope):
            if allowed.fullmatch(name):
                yield name, inner
            else:
                self.tell(
                    path,
                    f"{name!r} is not an identifier",
                    "use letters, digits and _ . : -, at most 64; a device's may hold anything but / + # { } *",
                )

    def _name(self, path: Path, label: Label, scope: Scope) -> Text:
        zh, en = (self._fill((*path, word), text, scope) for word, text in _words(label))
        return Text(zh, en)

    def _fill(self, path: Path, text: str, scope: Scope) -> str:
        if "{" not in text and "}" not in text:
            return text
        template = self._template(path, text)
        if template is None or not self._bound(path, template, scope):
            return ""
        return template.fill(scope)

    def _template(self, path: Path, text: str, *, ranges: bool = False) -> Template | None:
        if path not in self._templates:
            self._templates[path] = None
            try:
                template = Template(text)
            except ValueError as error:
                self.tell(path, str(error))
            else:
                if template.ranges and not ranges:
                    self.tell(path, "a range stands in an id only", "write {n}, or the name you gave the range")
                else:
                    self._templates[path] = template
        return self._templates[path]

    def _bound(self, path: Path, template: Template, scope: Iterable[str]) -> bool:
        known = {name for name in scope if not name.startswith("_")}
        unknown = sorted(template.variables - known)
        if unknown:
            literal = "write {{ and }} for braces that are meant as such"
            self.tell(path, f"{{{unknown[0]}}} has no value here", f"{suggest(unknown[0], sorted(known))}; {literal}")
        return not unknown

    def _no_zone(self, path: Path, zone: str) -> None:
        if self._all_zones:
            self.tell(path, f"there is no zone {zone}", suggest(zone, self.ground.zones))

    def tell(self, path: Path, message: str, remedy: str = "") -> None:
        """A mistake, once for each place; without a remedy, it stands in the message after `; `."""
        # A range repeats a mistake for each of its names: once is enough.
        if path not in self._told:
            self._told.add(path)
            if not remedy:
                message, _, remedy = message.partition("; ")
            self.mistakes.append(self._document.mistake(path, message, remedy))


def present(entries: Sequence[_Entry | None]) -> Iterator[tuple[int, _Entry]]:
    """The entries with their places, without those that could not be read."""
    return ((i, entry) for i, entry in enumerate(entries) if entry is not None)


def _words(label: Label) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("zh", label.zh), ("en", label.en)
