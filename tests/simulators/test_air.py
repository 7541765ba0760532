"""The layers under the ceilings, and what a sensor finds there: nothing is made of nothing, more fire is more of everything."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import nist, places
from simulators.charging import Port
from simulators.combustion import FUELS, Burn, growth_kw_s2
from simulators.convection import AIR_KG_M3, AIR_KJ_KG_K
from simulators.places import Area, Name, Place, Thing
from simulators.rooms import Rooms, Source
from simulators.scenario import ChargeFault, Fire
from simulators.world import Flame, World

NAME = Name("室", "room")


def house(width: float = 6, depth: float = 5, height: float = 2.6, radius: float = 2) -> tuple[Place, Thing]:
    """Two rooms and a detector under the first one's ceiling, `radius` from its middle."""
    rooms = (
        Area("room", NAME, "dwelling", "", 0, 0, width, depth, height, ("next",)),
        Area("next", NAME, "corridor", "", width, 0, width, depth, height),
    )
    thing = Thing("there", "smoke_detector", "room", NAME, width / 2 + radius, depth / 2, height - 0.02)
    return Place("t", NAME, (), rooms, (thing,)), thing


def burning(place: Place, alpha: float, peak: float, *, ambient: float = 20, fuel: str = "foam") -> World:
    world = World(place, ambient, {})
    x, y = place.area["room"].middle
    world.fires.append(Flame("room", x, y, 0.3, FUELS[fuel], Burn(alpha, peak, peak), 0.0))
    return world


@settings(max_examples=30)
@given(
    alpha=st.floats(0.001, 0.3), peak=st.floats(10, 3000), radius=st.floats(0, 2.9), fuel=st.sampled_from(sorted(FUELS))
)
def test_temperatures_are_finite_and_never_below_the_surroundings(
    alpha: float, peak: float, radius: float, fuel: str
) -> None:
    place, thing = house(radius=radius)
    world = burning(place, alpha, peak, fuel=fuel)
    for _ in range(400):
        world.step()
        gas = world.gas(thing)
        assert 20 <= gas.temperature_c <= 20 + 900
        assert math.isfinite(gas.density)
        assert gas.density >= 0
        assert 0 <= gas.speed_m_s < 30


@settings(max_examples=30)
@given(alpha=st.floats(0.001, 0.3), more=st.floats(1.1, 5), peak=st.floats(20, 2000))
def test_a_larger_fire_gives_no_less_smoke(alpha: float, more: float, peak: float) -> None:
    place, _ = house()
    small, large = burning(place, alpha, peak), burning(place, alpha * more, peak * more)
    for _ in range(120):
        small.step()
        large.step()
        assert large.rooms.layers["room"].smoke_m2 >= small.rooms.layers["room"].smoke_m2 - 1e-9


@settings(max_examples=30)
@given(alpha=st.floats(0.001, 0.3), peak=st.floats(10, 3000), changes=st.floats(0, 60))
def test_no_more_heat_and_smoke_is_in_the_air_than_the_fire_gave(alpha: float, peak: float, changes: float) -> None:
    place, _ = house()
    world = burning(place, alpha, peak)
    world.rooms.air_changes["room"] = changes
    flame = world.fires[0]
    heat = smoke = 0.0
    for _ in range(300):
        world.step()
        if not world.rooms.layers:
            break
        q = flame.heat_kw(world.second) if world.fires else 0.0
        heat += q * flame.fuel.convective
        smoke += q * flame.smoke_per_kj(world.second)
        layers = world.rooms.layers.values()
        assert sum(layer.heat_kj for layer in layers) <= heat + 1e-6
        assert sum(layer.smoke_m2 for layer in layers) <= smoke + 1e-6
        assert sum(layer.rise_k * layer.volume_m3 for layer in layers) * AIR_KG_M3 * AIR_KJ_KG_K <= heat + 1e-6


def test_a_still_room_keeps_its_smoke_and_air_changes_carry_it_away() -> None:
    place, _ = house()
    rooms = Rooms(place)
    rooms.air_changes.update({"room": 0.0, "next": 0.0})
    rooms.step({"room": [Source(0, 0, 12.0, 2.0)]})
    for _ in range(100):
        rooms.step({})
    assert sum(layer.smoke_m2 for layer in rooms.layers.values()) == pytest.approx(12.0, rel=0.01)
    rooms.air_changes.update({"room": 36.0, "next": 36.0})  # 1 % a second
    for _ in range(100):
        rooms.step({})
    assert sum(layer.smoke_m2 for layer in rooms.layers.values()) == pytest.approx(12.0 * 0.99**100, rel=0.01)


def test_a_layer_is_forgotten_when_it_is_clean() -> None:
    place, _ = house()
    rooms = Rooms(place)
    rooms.air_changes["room"] = 60.0
    rooms.step({"room": [Source(5, 3, 0.5, 2.0)]})
    assert set(rooms.layers) >= {"room"}
    for _ in range(2000):
        rooms.step({})
    assert rooms.layers == {}


def test_smoke_needs_its_time_to_a_detector_far_away() -> None:
    place, near = house(width=40, depth=30, height=3.2, radius=1)
    _, far = house(width=40, depth=30, height=3.2, radius=18)
    world = burning(place, growth_kw_s2("medium"), 500)

    def when(thing: Thing) -> int:
        fresh = burning(place, growth_kw_s2("medium"), 500)
        while fresh.gas(thing).density < 0.005:
            fresh.step()
        return fresh.second

    world.step()
    assert when(near) + 8 < when(far) < 120


def test_powder_in_reach_puts_it_out_and_out_of_reach_does_not() -> None:
    place = places.lakeside()
    course = Fire(area="garage-charging", near="powder-39", growth="fast", peak_kw=500, energy_mj=100)
    world = World(place, 22, {})
    flame = world.ignite("garage-charging", "powder-39", 0.3, course, 0)
    for _ in range(60):
        world.step()
    q = flame.heat_kw(60)
    world.discharge("powder-01", by_bulb=True)  # hangs over the other end of the garage
    assert flame.heat_kw(61) > q
    world.discharge("powder-39", by_bulb=True)
    world.step()
    assert flame.heat_kw(60 + 24) == pytest.approx(q * math.exp(-2), rel=0.01)
    for _ in range(200):
        world.step()
    assert world.fires == []


def test_a_failing_contact_heats_vents_and_burns_in_that_order() -> None:
    place = places.lakeside()
    port = Port(22, 22, 0)
    world = World(place, 22, {"charger-07": port})
    runaway = {"growth": "fast", "peak_kw": 500, "energy_mj": 60, "fuel": "battery"}
    fault = ChargeFault.model_validate(
        {"charger": "charger-07", "doubles_every": "10s", "vents_at": 150, "runaway": runaway}
    )
    world.degrade(fault)
    temperatures = []
    while not world.fires:
        world.step()
        temperatures.append(port.temperature_c)
        assert world.second < 200
    assert temperatures == sorted(temperatures)
    assert 150 <= temperatures[-1] < 200
    assert not port.charging
    flame = world.fires[0]
    assert not flame.flaming(world.second)
    for _ in range(40):
        world.step()
    assert flame.flaming(world.second)


# --- against real fires ----------------------------------------------------------------------------------------------

ALPHA = {"SDC02": 0.00463, "SDC05": 0.00617, "SDC07": 0.01080, "SDC10": 0.00463}
"""kW/s²: the t² fires by which NIST describes these experiments in the validation of its own tools (FDTs, height 2.1 m)."""
ORIGIN = {"SDC02": ("e", 1.15), "SDC05": ("b", 1.25), "SDC07": ("b", 1.25), "SDC10": ("e", 1.15)}
"""The location in the room of origin, and its distance from the fire."""
SIMILAR = ("SDC02", "SDC05")
"""Stayed near their t² fire. SDC07 and SDC10 came to 500 °C at the ceiling: burning that the correlations do not describe."""


@pytest.fixture(scope="module")
def fires() -> dict[str, nist.Fire]:
    try:
        return {fire.name: fire for fire in nist.fires(nist.data_folder())}
    except FileNotFoundError as missing:
        pytest.skip(str(missing))


def simulated(fire: nist.Fire) -> list[tuple[float, float]]:
    """(°C, dB/m) each second: the mobile home of the experiments (20 m by 4 m, doors open) as one area, a foam fire in it."""
    letter, radius = ORIGIN[fire.name]
    home = Area("room", NAME, "dwelling", "", 0, 0, 20, 4, 2.4)
    thing = Thing("there", "heat_detector", "room", NAME, 10 + radius, 2, 2.38)
    world = burning(
        Place("t", NAME, (), (home,), (thing,)), ALPHA[fire.name], 1000, ambient=fire.series[f"heat-{letter}"][0]
    )
    course = []
    for _ in range(int(fire.times[-1])):
        world.step()
        gas = world.gas(thing)
        course.append((gas.temperature_c, 10 * gas.density))
    return course


def passes(times: tuple[float, ...], values: tuple[float, ...], limit: float) -> float:
    return next(t for t, value in zip(times, values, strict=True) if value > limit and t >= 10)


@pytest.mark.parametrize("name", sorted(ALPHA))
def test_the_ceiling_is_at_57_degrees_when_the_real_one_was(fires: dict[str, nist.Fire], name: str) -> None:
    """Within 0.5 to 1.2 of the measured time, and for the fires of similar size within 0.75 to 1.2.

    Never much later, since a t² fire has no time at its beginning in which a real one hesitates; that hesitation is the rest.
    """
    fire = fires[name]
    letter, _ = ORIGIN[name]
    measured = passes(fire.times, fire.series[f"heat-{letter}"], 57)
    course = simulated(fire)
    ours = next(second for second, (c, _) in enumerate(course, 1) if c > 57)
    print(f"\n{name}: 57 °C measured at {measured:.0f} s, simulated at {ours} s")
    assert (0.75 if name in SIMILAR else 0.5) <= ours / measured <= 1.2


@pytest.mark.parametrize("name", SIMILAR)
def test_its_hottest_is_as_hot_as_the_real_ones(fires: dict[str, nist.Fire], name: str) -> None:
    """The highest rise at the ceiling within a factor of 1.5: the correlations' own scatter is some 20 to 30 %."""
    fire = fires[name]
    letter, _ = ORIGIN[name]
    heat = fire.series[f"heat-{letter}"]
    ours = max(c for c, _ in simulated(fire)) - heat[0]
    print(f"\n{name}: rise measured {max(heat) - heat[0]:.0f} K, simulated {ours:.0f} K")
    assert 1 / 1.5 <= ours / (max(heat) - heat[0]) <= 1.5


@pytest.mark.parametrize("name", ["SDC02", "SDC05", "SDC07"])
def test_its_smoke_is_as_thick_and_as_early_as_the_real_ones(fires: dict[str, nist.Fire], name: str) -> None:
    """0.3 and 2 dB/m within a factor of 4.5 of the measured times and never late; the thickest within a factor of 5.

    Wide, because a fuel's smoke differs by such factors in the tables themselves; for the fires of similar size it is 2.
    """
    fire = fires[name]
    letter, _ = ORIGIN[name]
    smoke = fire.series[f"smoke-{letter}"]
    course = simulated(fire)
    for limit in (0.3, 2.0):
        measured = passes(fire.times, smoke, limit)
        ours = next(second for second, (_, db) in enumerate(course, 1) if db > limit)
        print(f"\n{name}: {limit} dB/m measured at {measured:.0f} s, simulated at {ours} s")
        assert 1 / 4.5 <= ours / measured <= 1.2
    thickest = max(db for _, db in course)
    print(f"{name}: thickest measured {max(smoke):.0f} dB/m, simulated {thickest:.0f} dB/m")
    assert 1 / 2 <= thickest / max(smoke) <= (2 if name in SIMILAR else 5)
