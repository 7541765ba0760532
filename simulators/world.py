"""The present state of the neighbourhood: fires, air, charging ports, what is to be seen, who is silent.

Physics in steps of one second. Knows no device's way of reporting and no message; the happenings of a scenario are its verbs.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from simulators import convection
from simulators.charging import SOUND_OHM, Port
from simulators.combustion import FUELS, Burn, Fuel, Smouldering, growth_kw_s2, suppressed_kw
from simulators.places import Place, Thing
from simulators.rooms import REMEMBERED_S, Rooms, Source
from simulators.scenario import ChargeFault, Course

POWDER_S, FOAM_S, HAND_S = 12.0, 25.0, 20.0
"""Time constants of the decline under powder from the ceiling, foam, and an extinguisher in somebody's hands: judgement."""
REACH_M = 6.0
"""How far a powder unit at the ceiling reaches."""
OUT_KW = 0.5
VENTING_KW = 6.0
"""What a battery gives off while it vents, before it burns."""
FLAME_C = 850.0
"""Of flames as a radiating body."""
BURNING_PORT_C, BURNING_PORT_S = 600.0, 40.0


class Gas(NamedTuple):
    """The air at a sensor."""

    temperature_c: float
    density: float
    """Optical density per metre."""
    speed_m_s: float


@dataclass(slots=True)
class Flame:
    """A fire that is under way."""

    area: str
    x: float
    y: float
    z: float
    fuel: Fuel
    burn: Burn | Smouldering
    began_s: float
    fought_s: float = math.inf
    fought_kw: float = 0.0
    time_constant_s: float = 1.0
    past_kw: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_S))

    def heat_kw(self, now_s: float) -> float:
        """Its heat release."""
        free = self.burn.heat_kw(now_s - self.began_s)
        if now_s < self.fought_s:
            return free
        return min(free, suppressed_kw(self.fought_kw, now_s - self.fought_s, self.time_constant_s))

    def flaming(self, now_s: float) -> bool:
        """Is there anything but smoke to see?"""
        return not self.burn.smouldering(now_s - self.began_s) and self.heat_kw(now_s) > OUT_KW

    def over(self, now_s: float) -> bool:
        """Out, burnt out, or put out."""
        if now_s >= self.began_s + self.burn.lasts_s:
            return True
        return now_s > self.fought_s and self.heat_kw(now_s) < OUT_KW

    def smoke_per_kj(self, now_s: float) -> float:
        """m² of optical density × volume for each kJ released."""
        if self.burn.smouldering(now_s - self.began_s):
            return self.fuel.smoulder_optical_m2_g / self.fuel.smoulder_heat_kj_g
        return self.fuel.optical_m2_g / self.fuel.heat_kj_g

    @property
    def diameter_m(self) -> float:
        """Of its bed, from 500 kW/m² at its peak (an EN 1991-1-2 value for occupied rooms)."""
        return math.sqrt(4 * self.burn.peak_kw / 500 / math.pi)


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that cameras can see; `mark` tells it apart."""

    object: str
    mark: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Drain:
    """A battery that ends before its time: so full when it began, and what it loses each hour."""

    percent: float
    per_hour: float
    began_ms: int


@dataclass(slots=True)
class _Fault:
    spec: ChargeFault
    began_s: float
    vented: bool = False


class World:
    """All that the devices have in common. `second` is the moment of the last step."""

    def __init__(self, place: Place, ambient_c: float, ports: dict[str, Port]) -> None:
        self.place = place
        self.ambient_c = ambient_c
        self.ports = ports
        self.rooms = Rooms(place)
        self.second = 0
        self.fires: list[Flame] = []
        self.sights: dict[str, list[Seen]] = {}
        self.silent: set[str] = set()
        self.tested: set[str] = set()
        self.pressed: set[str] = set()
        self.held_open: set[str] = set()
        self.discharged: set[str] = set()
        self.welded: set[str] = set()
        self.cut: set[str] = set()
        """Chargers whose relay was opened from afar; a person closes it again."""
        self.deaf: set[str] = set()
        """Devices that hear no command."""
        self.drained: dict[str, Drain] = {}
        self.resets: dict[str, int] = {}
        """area → how often its latched devices were reset"""
        self._faults: dict[str, _Fault] = {}
        self._burning: dict[str, Flame] = {}

    @property
    def active(self) -> bool:
        """Is there anything to compute?"""
        hot = any(self.ports[charger].temperature_c > self.ambient_c + 1 for charger in self._burning)
        return bool(self.fires or self.rooms.layers or self._faults or hot)

    def stirred(self, area: str) -> bool:
        """Is the air there not as on any day?"""
        return area in self.rooms.layers or any(f.area == area for f in self.fires)

    def faulty(self, charger: str) -> bool:
        """Is a port heating up, or has it burnt?"""
        return charger in self._faults or charger in self._burning

    # --- time passes -------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """One second on."""
        self.second += 1
        now = float(self.second)
        for charger, fault in list(self._faults.items()):
            self._heat(charger, fault, now)
        for charger, flame in self._burning.items():
            self._scorch(self.ports[charger], flame, now)
        burning: dict[str, list[Source]] = {}
        for flame in self.fires:
            q = flame.heat_kw(now)
            flame.past_kw.append(q)
            clear = self.place.area[flame.area].height - flame.z
            source = Source(q, q * flame.fuel.convective, q * flame.smoke_per_kj(now), clear)
            burning.setdefault(flame.area, []).append(source)
        self.rooms.step(burning)
        self.fires = [flame for flame in self.fires if not flame.over(now)]

    def skip_to(self, second: int) -> None:
        """Nothing is active: time passes without a trace."""
        self.second = max(self.second, second)

    def gas(self, thing: Thing) -> Gas:
        """The air at a sensor near the ceiling: the layer, and the jets of the fires in its area, each as late as it travels."""
        rise = density = speed = 0.0
        delay = 0.0
        area = self.place.area[thing.area]
        for flame in self.fires:
            if flame.area != thing.area or not flame.past_kw:
                continue
            height = area.height - flame.z
            radius = math.hypot(thing.x - flame.x, thing.y - flame.y)
            # The strongest of late: a fire that goes out leaves its gases where they are.
            driving = max(flame.past_kw)
            travel = convection.travel_s(driving, driving * flame.fuel.convective, height, radius)
            delay = max(delay, travel)
            back = int(min(travel, REMEMBERED_S - 1))
            if back >= len(flame.past_kw):
                continue
            q = flame.past_kw[-1 - back]
            jet = convection.jet_rise_k(q, height, radius)
            # Smoke and heat travel together: the jet's density follows from its temperature (Heskestad and Delichatsios 1977).
            per_k = convection.AIR_KG_M3 * convection.AIR_KJ_KG_K / flame.fuel.convective
            rise += jet
            density += jet * per_k * flame.smoke_per_kj(self.second - back)
            speed = max(speed, convection.jet_speed_m_s(q, height, radius))
        layer = self.rooms.layers.get(thing.area)
        if layer is not None:
            old_density, old_rise = layer.ago(min(delay, REMEMBERED_S - 1))
            density += old_density
            rise += old_rise
        return Gas(self.ambient_c + min(rise, convection.HOTTEST_RISE_K), density, speed)

    # --- what happens ------------------------------------------------------------------------------------------------

    def ignite(
        self, area: str, near: str | None, z: float, course: Course, smoulder_s: float, smoulder_kw: float = 2.0
    ) -> Flame:
        """A fire begins."""
        x, y = self._spot(area, near)
        burn = Burn(growth_kw_s2(course.growth), course.peak_kw, course.energy_mj, smoulder_s, smoulder_kw)
        flame = Flame(area, x, y, z, FUELS[course.fuel], burn, float(self.second))
        self.fires.append(flame)
        return flame

    def smoulder(self, area: str, near: str | None, z: float, kw: float, fuel: str, seconds: float) -> None:
        """Something smokes for so long."""
        x, y = self._spot(area, near)
        self.fires.append(Flame(area, x, y, z, FUELS[fuel], Smouldering(kw, seconds), float(self.second)))

    def degrade(self, fault: ChargeFault) -> None:
        """A vehicle with a nearly empty battery is plugged in, and the contact begins to fail."""
        self.cut.discard(fault.charger)
        self.ports[fault.charger].plug(soc=0.2, capacity_ah=24.0, charge_a=fault.charge_a)
        self._faults[fault.charger] = _Fault(fault, float(self.second))

    def mend(self, charger: str) -> None:
        """The contact is sound again, and the power is on."""
        self.cut.discard(charger)
        if self._faults.pop(charger, None) is not None:
            self.ports[charger].contact_ohm = SOUND_OHM

    def discharge(self, unit: str, *, by_bulb: bool = False, onto: str | None = None) -> None:
        """An extinguisher empties itself: by its bulb over what is in its reach, by hand over what burns in its area or in `onto`."""
        thing = self.place.thing[unit]
        area = onto or thing.area
        self.discharged.add(unit)
        time_constant = FOAM_S if unit.startswith("foam") else POWDER_S if by_bulb else HAND_S
        for flame in self.fires:
            near = math.hypot(thing.x - flame.x, thing.y - flame.y) <= REACH_M
            if flame.area == area and (near or not by_bulb) and self.second < flame.fought_s:
                flame.fought_kw = flame.heat_kw(self.second)
                flame.fought_s, flame.time_constant_s = float(self.second), time_constant

    def show(self, area: str, seen: Seen) -> None:
        """Something comes into the view of an area's cameras."""
        self.sights.setdefault(area, []).append(seen)

    def hide(self, area: str, mark: str) -> None:
        """It goes."""
        self.sights[area] = [s for s in self.sights.get(area, []) if s.mark != mark]

    def visible(self, area: str) -> Iterator[Seen]:
        """What an attentive eye would see there, the gravest first."""
        for flame in self.fires:
            if flame.area == area and flame.flaming(self.second) and flame.heat_kw(self.second) > 10:
                yield Seen("fire", f"fire-{flame.began_s:g}", round(flame.began_s * 1000))
        layer = self.rooms.layers.get(area)
        if layer is not None and layer.density > 0.1:
            yield Seen("smoke", "smoke", self.second * 1000)
        yield from self.sights.get(area, ())

    def _spot(self, area: str, near: str | None) -> tuple[float, float]:
        if near is None:
            return self.place.area[area].middle
        thing = self.place.thing[near]
        return thing.x, thing.y

    def _heat(self, charger: str, fault: _Fault, now: float) -> None:
        """Positive feedback of a glowing contact: its resistance doubles again and again, up to a bound."""
        port, spec = self.ports[charger], fault.spec
        doublings = min((now - fault.began_s) * 1000 / spec.doubles_every, 60.0)
        port.contact_ohm = min(spec.contact_ohm * 2**doublings, spec.highest_ohm)
        port.advance(1.0)
        if port.temperature_c >= spec.vents_at and not fault.vented and spec.runaway is not None:
            fault.vented = True
            thing = self.place.thing[charger]
            self._burning[charger] = self.ignite(
                thing.area, charger, thing.z, spec.runaway, spec.vents_for / 1000, VENTING_KW
            )
            port.unplug()
            del self._faults[charger]

    def _scorch(self, port: Port, flame: Flame, now: float) -> None:
        """A port in the flames follows them, and cools afterwards; its meter lives."""
        target = BURNING_PORT_C if flame.heat_kw(now) > 20 else port.ambient_c
        constant = BURNING_PORT_S if target > port.temperature_c else 3 * BURNING_PORT_S
        venting = flame.burn.smouldering(now - flame.began_s)
        if not venting or flame.over(now):
            port.temperature_c = target + (port.temperature_c - target) * math.exp(-1 / constant)
