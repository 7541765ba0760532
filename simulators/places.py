"""Lakeside Gardens 湖畔家园: every area and device of the simulated neighbourhood, with its place in metres.

The one source for the devices that speak and for the `sites:` entry of a site file. Knows no physics, no message, no rule;
kinds of areas and devices are words of the site file.

Plan coordinates: x to the east, y to the north, one origin for the whole compound. Heights are above the area's own floor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

SITE = "hupan"
TOWER_FLOORS = 25
FLATS_PER_FLOOR = 10
PER_FLOOR = 2 * FLATS_PER_FLOOR
"""Devices on a floor of the towers: a smoke and a heat detector in each flat."""


@dataclass(frozen=True, slots=True)
class Name:
    """What people read, in both languages."""

    zh: str
    en: str

    def entry(self) -> dict[str, str]:
        """As the site file has it."""
        return {"zh": self.zh, "en": self.en}


@dataclass(frozen=True, slots=True)
class Area:
    """A zone: a rectangle `width` × `depth` m with its corner at (x, y), `height` m under the ceiling."""

    id: str
    name: Name
    kind: str
    building: str
    x: float
    y: float
    width: float
    depth: float
    height: float
    adjacent: tuple[str, ...] = ()
    air_changes: float = 0.5
    """Of the whole volume per hour, as the area is ventilated every day."""
    outdoors: bool = False

    @property
    def floor_m2(self) -> float:
        """Floor area."""
        return self.width * self.depth

    @property
    def volume_m3(self) -> float:
        """Volume."""
        return self.floor_m2 * self.height

    @property
    def middle(self) -> tuple[float, float]:
        """The middle of the floor."""
        return self.x + self.width / 2, self.y + self.depth / 2


@dataclass(frozen=True, slots=True)
class Thing:
    """A device in its place, `z` m above the floor."""

    id: str
    kind: str
    area: str
    name: Name
    x: float
    y: float
    z: float
    gateway: str = ""
    """The gateway that speaks for it, "" when it has a network of its own."""
    attributes: Mapping[str, float | str | bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """The whole neighbourhood."""

    site: str
    name: Name
    buildings: tuple[tuple[str, Name], ...]
    areas: tuple[Area, ...]
    things: tuple[Thing, ...]
    towers: int = 0
    """Towers of generic dwellings beside it, `TOWER_FLOORS` × `PER_FLOOR` devices each."""

    @cached_property
    def area(self) -> Mapping[str, Area]:
        """Areas by id."""
        return {a.id: a for a in self.areas}

    @cached_property
    def thing(self) -> Mapping[str, Thing]:
        """Devices by id."""
        return {t.id: t for t in self.things}

    @cached_property
    def neighbours(self) -> Mapping[str, tuple[str, ...]]:
        """Area → the areas that air reaches from it, in order of their ids."""
        pairs = {(a.id, other) for a in self.areas for other in a.adjacent}
        pairs |= {(other, area) for area, other in pairs}
        return {a.id: tuple(sorted(other for area, other in pairs if area == a.id)) for a in self.areas}


def lakeside(devices: int = 0) -> Place:
    """The neighbourhood; with `devices` above its own number, as many towers beside it as hold the rest."""
    areas = tuple(_areas())
    things = tuple(_things({a.id: a for a in areas}))
    rest = max(0, devices - len(things))
    towers = math.ceil(rest / (TOWER_FLOORS * PER_FLOOR))
    return Place(SITE, Name("湖畔家园", "Lakeside Gardens"), _BUILDINGS, areas, things, towers)


def entry(place: Place) -> dict[str, object]:
    """The neighbourhood as an item of `sites:`; the towers are patterns, so that the file stays small."""
    buildings = [_named(building, name) for building, name in place.buildings]
    zones = [_zone(a) for a in place.areas]
    devices = [_device(t) for t in place.things]
    if place.towers:
        tower = f"r{{tower:1..{place.towers}}}"
        high = Name("高层{tower}号楼", "Tower {tower}")
        buildings.append(_named(tower, high))
        floor = {"zh": "高层{tower}号楼{floor}层", "en": "Tower {tower}, floor {floor}"}
        zone: dict[str, object] = {
            "id": f"{tower}-f{{floor:1..{TOWER_FLOORS}}}",
            "name": floor,
            "kind": "dwelling",
            "building": "r{tower}",
        }
        zones.append(zone)
        for kind, (zh, en) in TOWER_KINDS.items():
            name = {"zh": f"{{tower}}号楼{{floor}}层{zh}{{n}}", "en": f"Tower {{tower}}, floor {{floor}}, {en} {{n}}"}
            match = f"r{{tower}}-f{{floor}}-{kind}-{{n}}"
            devices.append({"match": match, "kind": f"{kind}_detector", "zone": "r{tower}-f{floor}", "name": name})
    return {
        "id": place.site, "name": place.name.entry(), "buildings": buildings, "zones": zones, "devices": devices,
    }  # fmt: skip


TOWER_KINDS = {"smoke": ("烟感", "smoke"), "heat": ("温感", "heat")}


def _named(id_: str, name: Name) -> dict[str, object]:
    return {"id": id_, "name": name.entry()}


def _zone(a: Area) -> dict[str, object]:
    out: dict[str, object] = {"id": a.id, "name": a.name.entry(), "kind": a.kind}
    if a.building:
        out["building"] = a.building
    if a.adjacent:
        out["adjacent"] = list(a.adjacent)
    if a.kind in ("fire_lane", "operation_area"):
        out["attributes"] = {"no_fire_watch": True}
    return out


def _device(t: Thing) -> dict[str, object]:
    out: dict[str, object] = {"id": t.id, "kind": t.kind, "zone": t.area, "name": t.name.entry()}
    if t.attributes:
        out["attributes"] = dict(t.attributes)
    return out


_BLOCKS = (1, 2, 3)
_FLATS = ("201", "402", "503", "601")
"""Of each block: flats of elderly people who live alone."""
_BUILDINGS = (
    ("garage", Name("地下车库", "Underground garage")),
    *((f"b{b}", Name(f"{b}号楼", f"Building {b}")) for b in _BLOCKS),
)


def _areas() -> Iterator[Area]:
    garage = "garage"
    yield Area(
        "garage-west", Name("车库西区", "Garage west"), "garage", garage, 0, 0, 40, 30, 3.2, ("garage-east",), 2.0
    )
    yield Area(
        "garage-east", Name("车库东区", "Garage east"), "garage", garage, 40, 0, 40, 30, 3.2, ("garage-ramp",), 2.0
    )
    yield Area("garage-charging", Name("车库充电区", "Charging bays"), "charging", garage, 80, 0, 20, 14, 3.0,
               ("garage-east",), 4.0)  # fmt: skip
    yield Area("garage-ramp", Name("车库坡道", "Garage ramp"), "garage", garage, 80, 14, 20, 16, 3.2, (), 6.0)
    yield Area("shed", Name("室外充电棚", "Charging shed"), "shed", "", 110, 4, 14, 5, 2.8, outdoors=True)
    yield Area(
        "lane-south", Name("南侧消防车道", "South fire lane"), "fire_lane", "", 0, -12, 120, 6, 4.5, outdoors=True
    )
    yield Area(
        "lane-east", Name("东侧消防车道", "East fire lane"), "fire_lane", "", 126, -12, 6, 90, 4.5, outdoors=True
    )
    yield Area("climb-b2", Name("2号楼登高操作场地", "Building 2, operation area"), "operation_area", "", 40, 34, 20, 12,
               20, outdoors=True)  # fmt: skip
    for b in _BLOCKS:
        x, y = 10.0 + 36 * (b - 1), 48.0
        yield Area(f"b{b}-lobby", Name(f"{b}号楼门厅", f"Building {b}, lobby"), "lobby", f"b{b}", x, y, 8, 6, 3.0,
                   (f"b{b}-stairs",), 2.0)  # fmt: skip
        yield Area(f"b{b}-stairs", Name(f"{b}号楼楼梯间", f"Building {b}, stairwell"), "stairwell", f"b{b}", x + 8, y, 3,
                   6, 18.0, (), 2.0)  # fmt: skip
        for n, flat in enumerate(_FLATS):
            yield Area(f"b{b}-{flat}", Name(f"{b}号楼{flat}室", f"Building {b}, flat {flat}"), "dwelling", f"b{b}",
                       x + 9 * (n % 2), y + 6 + 8 * (n // 2), 7.5, 7, 2.7, (f"b{b}-stairs",), 0.7)  # fmt: skip


def _things(area: Mapping[str, Area]) -> Iterator[Thing]:
    yield from _gateways(area)
    yield from _garage(area)
    yield from _outdoors(area)
    for b in _BLOCKS:
        yield from _block(area, b)


def _gateways(area: Mapping[str, Area]) -> Iterator[Thing]:
    spots = {
        "gateway": ("garage-ramp", "主网关", "Main gateway"),
        "gateway-garage": ("garage-east", "车库网关", "Garage gateway"),
    }
    spots |= {f"gateway-b{b}": (f"b{b}-lobby", f"{b}号楼网关", f"Building {b} gateway") for b in _BLOCKS}
    for gateway, (where, zh, en) in spots.items():
        x, y = area[where].middle
        yield Thing(gateway, "gateway", where, Name(zh, en), x, y, 2.2)


def _garage(area: Mapping[str, Area]) -> Iterator[Thing]:
    gateway = "gateway-garage"

    def row(
        kind: str, prefix: str, zh: str, en: str, counts: Mapping[str, int], drop: float, width: int
    ) -> Iterator[Thing]:
        spots = ((where, x, y) for where, count in counts.items() for x, y in _spread(area[where], count))
        for n, (where, x, y) in enumerate(spots, 1):
            speaks = "" if "camera" in kind else gateway
            z = area[where].height - drop
            yield Thing(f"{prefix}-{n:0{width}d}", kind, where, Name(f"{zh}{n}", f"{en} {n}"), x, y, z, speaks)

    west, east, bays, ramp = "garage-west", "garage-east", "garage-charging", "garage-ramp"
    yield from row(
        "smoke_detector", "smoke", "车库烟感", "Garage smoke", {west: 10, east: 10, bays: 5, ramp: 3}, 0.05, 2
    )
    yield from row("heat_detector", "heat", "充电区温感", "Charging heat", {bays: 4}, 0.05, 1)
    yield from row(
        "extinguisher", "powder", "干粉灭火装置", "Powder unit", {west: 18, east: 18, bays: 12, ramp: 4}, 0.3, 2
    )
    yield from row("extinguisher", "foam", "泡沫灭火装置", "Foam unit", {bays: 2}, 1.8, 1)
    yield from row("thermal_camera", "thermal", "热成像仪", "Thermal camera", {bays: 2, west: 1, east: 1}, 0.4, 1)
    yield from row("call_point", "call", "车库手报", "Garage call point", {west: 1, east: 1, bays: 1, ramp: 1}, 1.8, 1)
    yield from row("fire_door", "door", "车库防火门", "Garage fire door", {west: 1, east: 1, bays: 1}, 2.0, 1)
    yield from _chargers(area[bays], "charger", "充电口", "Charger", 12)
    counts = {west: 4, east: 4, bays: 3, ramp: 1, "shed": 1, "lane-south": 2, "lane-east": 1, "climb-b2": 1}
    counts |= {f"b{b}-lobby": 1 for b in _BLOCKS} | {"b1-stairs": 1, "b2-stairs": 1}
    yield from row("camera", "camera", "摄像机", "Camera", counts, 0.4, 2)


def _outdoors(area: Mapping[str, Area]) -> Iterator[Thing]:
    yield from _chargers(area["shed"], "shed-charger", "充电棚充电口", "Shed charger", 4)
    x, y = area["shed"].middle
    yield Thing("shed-heat", "heat_detector", "shed", Name("充电棚温感", "Shed heat"), x, y, 2.7, "gateway")
    spots = [("lane-south", 0.2), ("lane-south", 0.8), ("lane-east", 0.5), ("climb-b2", 0.1)]
    for n, (where, share) in enumerate(spots, 1):
        a = area[where]
        name = Name(f"室外消火栓{n}", f"Hydrant {n}")
        yield Thing(
            f"hydrant-{n}", "hydrant", where, name, a.x + share * a.width, a.y + share * a.depth, 0.6, "gateway"
        )


def _block(area: Mapping[str, Area], b: int) -> Iterator[Thing]:
    gateway = f"gateway-b{b}"

    def thing(suffix: str, kind: str, where: str, zh: str, en: str, below: float, shift: float = 0.0) -> Thing:
        a = area[where]
        x, y = a.middle
        name = Name(f"{b}号楼{zh}", f"Building {b}, {en}")
        return Thing(f"b{b}-{suffix}", kind, where, name, x + shift * a.width, y, a.height - below, gateway)

    lobby, stairs = f"b{b}-lobby", f"b{b}-stairs"
    yield thing("lobby-smoke", "smoke_detector", lobby, "门厅烟感", "lobby smoke", 0.05)
    yield thing("stairs-smoke", "smoke_detector", stairs, "楼梯间烟感", "stairwell smoke", 0.05)
    yield thing("call", "call_point", lobby, "手报", "call point", 1.6, 0.4)
    yield thing("door", "fire_door", stairs, "楼梯间防火门", "stairwell door", 16.0)
    yield thing("powder", "extinguisher", lobby, "灭火器", "extinguisher", 2.4, -0.4)
    for flat in _FLATS:
        home = f"b{b}-{flat}"
        yield thing(
            f"{flat}-smoke", "smoke_detector", home, f"{flat}室卧室烟感", f"flat {flat}, bedroom smoke", 0.05, 0.25
        )
        yield thing(
            f"{flat}-heat", "heat_detector", home, f"{flat}室厨房温感", f"flat {flat}, kitchen heat", 0.05, -0.3
        )


def _chargers(a: Area, prefix: str, zh: str, en: str, count: int) -> Iterator[Thing]:
    width = len(str(count))
    for n in range(1, count + 1):
        x = a.x + a.width * (n - 0.5) / count
        name = Name(f"{zh}{n}", f"{en} {n}")
        attributes: Mapping[str, float | str | bool] = {"rated_current": 10.0}
        gateway = "gateway" if a.outdoors else "gateway-garage"
        yield Thing(f"{prefix}-{n:0{width}d}", "charger", a.id, name, x, a.y + 1.0, 0.9, gateway, attributes)


def _spread(a: Area, count: int) -> Iterable[tuple[float, float]]:
    """`count` places on a grid that is about as wide as the area is: rows from the south, each filled from the west."""
    columns = max(1, round(math.sqrt(count * a.width / a.depth)))
    rows = math.ceil(count / columns)
    for n in range(count):
        row, column = divmod(n, columns)
        here = columns if row < rows - 1 else count - columns * (rows - 1)
        yield a.x + a.width * (column + 0.5) / here, a.y + a.depth * (row + 0.5) / rows
