"""What each action of a scenario does to the world, at its beginning and at its end. Knows no message and no device's inside.

Each returns the devices that notice at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeAlias

from simulators.scenario import Happening
from simulators.world import Drain, Seen, World

Deed: TypeAlias = Callable[[World, Happening, int], Collection[str]]
"""(world, happening, milliseconds) → ids of the devices to wake."""


def begin(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    """It begins."""
    return _BEGIN[happening.name](world, happening, now_ms)


def end(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    """Its `until` has come; what leaves nothing to undo has no end."""
    deed = _END.get(happening.name)
    return deed(world, happening, now_ms) if deed else ()


def _here(world: World, area: str, *kinds: str) -> list[str]:
    return [t.id for t in world.place.things if t.area == area and (not kinds or t.kind in kinds)]


def _mark(happening: Happening) -> str:
    return f"{happening.name}-{happening.at}"


def _fire(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    fire = happening.fire
    assert fire is not None  # noqa: S101 - it is found by its name
    world.ignite(fire.area, fire.near, fire.z, fire, fire.smoulder / 1000)
    return _here(world, fire.area)


def _smoulder(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    smoke = happening.smoulder
    assert smoke is not None  # noqa: S101
    assert happening.until is not None  # noqa: S101 - the model asks for it
    world.smoulder(smoke.area, smoke.near, smoke.z, smoke.kw, smoke.fuel, (happening.until - happening.at) / 1000)
    return _here(world, smoke.area)


def _degrade(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    fault = happening.charge_fault
    assert fault is not None  # noqa: S101
    world.degrade(fault)
    return [fault.charger, *_here(world, world.place.thing[fault.charger].area, "thermal_camera")]


def _mend(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    fault = happening.charge_fault
    assert fault is not None  # noqa: S101
    world.mend(fault.charger)
    return [fault.charger]


def _show(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    sight = happening.sight
    assert sight is not None  # noqa: S101
    world.show(sight.area, Seen(sight.object, _mark(happening), now_ms))
    return _here(world, sight.area, "camera")


def _hide(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    sight = happening.sight
    assert sight is not None  # noqa: S101
    world.hide(sight.area, _mark(happening))
    return _here(world, sight.area, "camera")


def _device(happening: Happening) -> str:
    return str(getattr(happening, happening.name).device)


def _discharge(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    assert happening.discharge is not None  # noqa: S101
    world.discharge(happening.discharge.device, onto=happening.discharge.onto)
    return [_device(happening)]


def _into(members: Callable[[World], set[str]]) -> tuple[Deed, Deed]:
    """(a device joins a set of the world, it leaves it again)"""

    def join(world: World, happening: Happening, now_ms: int) -> Collection[str]:
        members(world).add(_device(happening))
        return [_device(happening)]

    def leave(world: World, happening: Happening, now_ms: int) -> Collection[str]:
        members(world).discard(_device(happening))
        return [_device(happening)]

    return join, leave


def _drain(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    battery = happening.battery
    assert battery is not None  # noqa: S101
    world.drained[battery.device] = Drain(battery.percent, battery.per_hour, now_ms)
    return [battery.device]


def _refill(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    world.drained.pop(_device(happening), None)
    return [_device(happening)]


def _ventilate(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    assert happening.ventilate is not None  # noqa: S101
    world.rooms.air_changes[happening.ventilate.area] = happening.ventilate.air_changes
    return ()


def _still(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    assert happening.ventilate is not None  # noqa: S101
    area = happening.ventilate.area
    world.rooms.air_changes[area] = world.place.area[area].air_changes
    return ()


def _reset(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    assert happening.reset is not None  # noqa: S101
    area = happening.reset.area
    world.resets[area] = world.resets.get(area, 0) + 1
    return _here(world, area, "smoke_detector", "heat_detector")


def _replace(world: World, happening: Happening, now_ms: int) -> Collection[str]:
    assert happening.replace is not None  # noqa: S101
    used = [unit for unit in _here(world, happening.replace.area, "extinguisher") if unit in world.discharged]
    world.discharged.difference_update(used)
    return used


_silence, _hear = _into(lambda world: world.silent)
_press, _release = _into(lambda world: world.pressed)
_test, _tested = _into(lambda world: world.tested)
_weld, _replace_relay = _into(lambda world: world.welded)
_deafen, _listen = _into(lambda world: world.deaf)
_open, _close = _into(lambda world: world.held_open)

_BEGIN: dict[str, Deed] = {
    "fire": _fire, "smoulder": _smoulder, "charge_fault": _degrade, "sight": _show, "discharge": _discharge, "replace": _replace,
    "silence": _silence, "call_point": _press, "test": _test, "weld": _weld, "deafen": _deafen, "open_door": _open, "battery": _drain,
    "ventilate": _ventilate, "reset": _reset,
}  # fmt: skip
_END: dict[str, Deed] = {
    "charge_fault": _mend, "sight": _hide, "silence": _hear, "call_point": _release, "test": _tested, "weld": _replace_relay,
    "deafen": _listen,
    "open_door": _close, "battery": _refill, "ventilate": _still,
}  # fmt: skip
