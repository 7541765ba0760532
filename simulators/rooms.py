"""The air of the areas: a hot, smoky layer under the ceiling that fills, leaks to the neighbours and is carried away.

A zone model of one layer for each area (as Cooper's ASET 1982 and CFAST do with two): what the plume entrains fills the layer, heat is
lost to ceiling and walls, air changes dilute it. Smoke is counted as optical density × volume (m²), so that nothing is lost between
rooms. Steps of one second. Knows fires as plain numbers, and neither devices nor messages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from simulators.convection import AIR_KG_M3, AIR_KJ_KG_K, HOTTEST_RISE_K, plume_flow_kg_s
from simulators.places import Area, Place

STEP_S = 1.0
REMEMBERED_S = 120
"""How far back a detector far away may still look: slower smoke than this is seen as if it took so long."""
THIN, DEEP = 0.05, 0.8
"""Shares of the room's volume that a layer has at first and at most; below lie doors and the height of a person."""
LOSS_KW_M2_K = 0.015
"""To ceiling and walls, for each m² of the floor: 10 to 25 W/m²K are usual for gas against concrete (SFPE Handbook)."""
LEAK_M3_S = 0.05
"""Between neighbouring areas, through gaps and doors that are used: judgement."""
LEAK_OF_A_FLAT_M3_S = 0.0056
"""Through a flat's closed door: 20 m³/h, class S200 of EN 13501-2 (measured by EN 1634-3)."""
OUTDOOR_AIR_CHANGES = 120.0
CLEAN_M2_M3, COOL_K = 0.002, 0.5
"""Below both a layer is no longer worth computing: 0.02 dB/m and half a degree."""


@dataclass(frozen=True, slots=True)
class Source:
    """What one fire gives into a room at this moment."""

    q_kw: float
    convective_kw: float
    smoke_m2_s: float
    clear_height_m: float
    """From the fire to the ceiling."""


@dataclass(slots=True)
class Layer:
    """The layer of one area."""

    volume_m3: float
    smoke_m2: float = 0.0
    heat_kj: float = 0.0
    past: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=REMEMBERED_S))
    """(optical density per m, temperature rise K), the newest last, one for each step."""

    @property
    def density(self) -> float:
        """Optical density per metre."""
        return self.smoke_m2 / self.volume_m3

    @property
    def rise_k(self) -> float:
        """Temperature above the surroundings."""
        return min(self.heat_kj / (AIR_KG_M3 * AIR_KJ_KG_K * self.volume_m3), HOTTEST_RISE_K)

    @property
    def quiet(self) -> bool:
        """Nothing left that a detector would see?"""
        return self.density < CLEAN_M2_M3 and self.rise_k < COOL_K

    def ago(self, seconds: float) -> tuple[float, float]:
        """(optical density, rise) some time ago; (0, 0) before anything happened."""
        back = int(min(seconds, REMEMBERED_S - 1) / STEP_S)
        return self.past[-1 - back] if back < len(self.past) else (0.0, 0.0)


class Rooms:
    """The layers of all areas that hold anything. An area without a layer has clean air of the ambient temperature."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.layers: dict[str, Layer] = {}
        self.air_changes = {a.id: OUTDOOR_AIR_CHANGES if a.outdoors else a.air_changes for a in place.areas}
        """Of the whole volume per hour; extraction raises it."""

    def step(self, burning: Mapping[str, Iterable[Source]]) -> None:
        """One second on. `burning`: area → what its fires give now."""
        for area in burning:
            self._layer(area, THIN)
        for area in list(self.layers):
            self._exchange(self._place.area[area])
        for area, layer in list(self.layers.items()):
            sources = list(burning.get(area, ()))
            self._advance(self._place.area[area], layer, sources)
            layer.past.append((layer.density, layer.rise_k))
        for area in [area for area in self.layers if area not in burning and self._settled(area)]:
            del self.layers[area]

    def _settled(self, area: str) -> bool:
        """Nothing there, and nothing on its way from next door: a slow leak must be able to add up."""
        around = (self.layers.get(other) for other in self._place.neighbours[area])
        return self.layers[area].quiet and all(layer is None or layer.quiet for layer in around)

    def _layer(self, area: str, share: float) -> Layer:
        if area not in self.layers:
            self.layers[area] = Layer(share * self._place.area[area].volume_m3)
        return self.layers[area]

    def _advance(self, area: Area, layer: Layer, sources: list[Source]) -> None:
        fresh = min(1.0, self.air_changes[area.id] / 3600 * STEP_S)
        lost = min(1.0, LOSS_KW_M2_K * area.floor_m2 / (AIR_KG_M3 * AIR_KJ_KG_K * layer.volume_m3) * STEP_S)
        layer.smoke_m2 = layer.smoke_m2 * (1 - fresh) + sum(s.smoke_m2_s for s in sources) * STEP_S
        layer.heat_kj = layer.heat_kj * (1 - fresh) * (1 - lost) + sum(s.convective_kw for s in sources) * STEP_S
        depth = layer.volume_m3 / area.floor_m2
        entrained = sum(plume_flow_kg_s(s.convective_kw, s.clear_height_m - depth) for s in sources) / AIR_KG_M3
        layer.volume_m3 = min(layer.volume_m3 + entrained * STEP_S, DEEP * area.volume_m3)

    def _exchange(self, area: Area) -> None:
        """What leaks from this area to its neighbours in one step: the fuller one gives."""
        here = self.layers[area.id]
        for other in self._place.neighbours[area.id]:
            there = self.layers.get(other)
            density, rise = (there.density, there.rise_k) if there else (0.0, 0.0)
            if here.density - density < CLEAN_M2_M3 and here.rise_k - rise < COOL_K:
                continue
            there = self._layer(other, DEEP)  # what has come through a gap is not buoyant any more: it mixes
            flat = "dwelling" in (area.kind, self._place.area[other].kind)
            leak = (LEAK_OF_A_FLAT_M3_S if flat else LEAK_M3_S) * STEP_S
            carried = min(leak, 0.1 * here.volume_m3, 0.1 * there.volume_m3)
            smoke = carried * max(0.0, here.density - density)
            heat = carried * AIR_KG_M3 * AIR_KJ_KG_K * max(0.0, here.rise_k - rise)
            here.smoke_m2 -= smoke
            here.heat_kj -= heat
            there.smoke_m2 += smoke
            there.heat_kj += heat
