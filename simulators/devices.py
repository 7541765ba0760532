"""How a device measures and when it speaks, and the simple kinds. Knows its place, the world around it and the names of quantities.

A device acts when it is due and says when it wants to act again: at its check-in, once a second while the air about it is stirred.
What it says is plain values; nothing here knows topics, payloads or the broker. Chance comes from the device's own generator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from random import Random
from typing import ClassVar, TypeAlias

from simulators import sensing
from simulators.places import Thing
from simulators.world import World

Values: TypeAlias = dict[str, float | bool | str]
"""Quantity → value, in the catalogue's units."""

FIRST_WITHIN_MS = 10_000
"""After the beginning everybody has spoken once by then."""
SAMPLE_MS = 1000
YEAR_MS = 365 * 86_400_000


class Device(ABC):
    """One device: `act` at `due_ms`. Check-ins keep their own absolute rhythm, whatever is said in between."""

    every_ms: ClassVar[int] = 60_000

    def __init__(self, thing: Thing, world: World, rng: Random) -> None:
        self.thing = thing
        self.world = world
        self.rng = rng
        self.check_in_ms = rng.randrange(FIRST_WITHIN_MS)
        self.due_ms = self.check_in_ms
        self._battery = rng.uniform(62, 100)
        self._lasts_ms = rng.uniform(2, 6) * YEAR_MS
        self._rssi = rng.uniform(-85, -55)

    @abstractmethod
    def act(self, now_ms: int, loss: float) -> Values | None:
        """What it says at this moment, or None; sets `due_ms` to a later one. `loss`: share of check-ins that the radio loses."""

    def _checks_in(self, now_ms: int) -> bool:
        if now_ms < self.check_in_ms:
            return False
        while self.check_in_ms <= now_ms:
            self.check_in_ms += self.every_ms
        return True

    def _condition(self, now_ms: int) -> Values:
        """What battery devices say of themselves."""
        percent = self._battery - 100 * now_ms / self._lasts_ms
        drain = self.world.drained.get(self.thing.id)
        if drain is not None:
            percent = max(0.0, drain.percent - drain.per_hour * (now_ms - drain.began_ms) / 3_600_000)
        rssi = round(self._rssi + self.rng.gauss(0, 2))
        return {"battery": round(percent), "battery_low": percent < 10, "rssi": min(-30, max(-120, rssi))}

    def _under_test(self) -> bool:
        return self.thing.id in self.world.tested


class Extinguisher(Device):
    """A unit with a pressure switch. Powder units of the garage hang at the ceiling and open when their glass bulb breaks."""

    every_ms = 300_000
    BULB_C: ClassVar[float] = 68.0
    FILLED_MPA: ClassVar[float] = 1.2

    def __init__(self, thing: Thing, world: World, rng: Random) -> None:
        super().__init__(thing, world, rng)
        self.has_bulb = thing.id.startswith("powder-")
        self.bulb_c = world.ambient_c
        self._filled_mpa = self.FILLED_MPA + rng.uniform(-0.05, 0.08)
        self._sampled_ms = 0
        self._said_empty = False

    def act(self, now_ms: int, loss: float) -> Values | None:
        """Watch the bulb while it is hot; speak when it has opened, and at the check-in."""
        self._warm((now_ms - self._sampled_ms) / 1000)
        self._sampled_ms = now_ms
        due = self._checks_in(now_ms)
        stirred = self.has_bulb and (self.world.stirred(self.thing.area) or self.bulb_c > self.world.ambient_c + 1)
        self.due_ms = min(now_ms + SAMPLE_MS, self.check_in_ms) if stirred else self.check_in_ms
        empty = self.thing.id in self.world.discharged
        urgent = empty != self._said_empty
        if not (urgent or due) or (not urgent and self.rng.random() < loss):
            return None
        self._said_empty = empty
        # A gas in a closed vessel: the pressure goes with the absolute temperature.
        warm = (self.world.ambient_c + sensing.ZERO_K) / (20 + sensing.ZERO_K)
        pressure = 0.0 if empty else self._filled_mpa * warm + self.rng.gauss(0, 0.004)
        return {"pressure": round(pressure, 3), "discharged": empty, "missing": False, **self._condition(now_ms)}

    def _warm(self, dt: float) -> None:
        if not self.has_bulb:
            return
        gas = self.world.gas(self.thing)
        self.bulb_c = sensing.heat_step(self.bulb_c, gas.temperature_c, gas.speed_m_s, sensing.RTI_BULB, dt)
        if self.bulb_c >= self.BULB_C and self.thing.id not in self.world.discharged:
            self.world.discharge(self.thing.id, by_bulb=True)


class CallPoint(Device):
    """A manual call point."""

    def __init__(self, thing: Thing, world: World, rng: Random) -> None:
        super().__init__(thing, world, rng)
        self._said: Mapping[str, object] = {"call_point": False, "test": False}

    def act(self, now_ms: int, loss: float) -> Values | None:
        """Speak when it is pressed or put back, and at the check-in."""
        due = self._checks_in(now_ms)
        self.due_ms = self.check_in_ms
        testing = self._under_test()
        values: Values = {"call_point": self.thing.id in self.world.pressed or testing, "test": testing}
        urgent = values != self._said
        if not (urgent or due) or (not urgent and self.rng.random() < loss):
            return None
        self._said = values
        return {**values, **self._condition(now_ms)}


class FireDoor(Device):
    """A contact on a door that people use and that closes by itself."""

    every_ms = 300_000

    def __init__(self, thing: Thing, world: World, rng: Random, per_hour: float) -> None:
        super().__init__(thing, world, rng)
        self._per_hour = per_hour
        self._shut_ms = 0
        self._opens_ms = self._next(0)
        self._said_open = False

    def act(self, now_ms: int, loss: float) -> Values | None:
        """Speak when it opens or closes, and at the check-in."""
        if now_ms >= self._opens_ms:
            self._shut_ms = now_ms + self.rng.randrange(4_000, 45_000)
            self._opens_ms = self._next(self._shut_ms)
        is_open = now_ms < self._shut_ms or self.thing.id in self.world.held_open
        due = self._checks_in(now_ms)
        self.due_ms = min(self.check_in_ms, self._opens_ms, *((self._shut_ms,) if now_ms < self._shut_ms else ()))
        urgent = is_open != self._said_open
        if not (urgent or due) or (not urgent and self.rng.random() < loss):
            return None
        self._said_open = is_open
        return {"door_open": is_open, **self._condition(now_ms)}

    def _next(self, after_ms: int) -> int:
        if self._per_hour <= 0:
            return 1 << 60
        return after_ms + 1000 + round(self.rng.expovariate(self._per_hour / 3_600_000))


class Hydrant(Device):
    """A pressure transmitter on a street hydrant; pumps and valves make its pressure jump."""

    every_ms = 120_000

    def act(self, now_ms: int, loss: float) -> Values | None:
        """Speak at the check-in."""
        self._checks_in(now_ms)
        self.due_ms = self.check_in_ms
        hammer = 0.08 if self.rng.random() < 0.01 else 0.0
        pressure = round(0.31 + self.rng.gauss(0, 0.006) - hammer, 3)
        if self.rng.random() < loss:
            return None
        return {"pressure": pressure, **self._condition(now_ms)}


class Gateway(Device):
    """The box that speaks for others; on mains power and cable, so that nothing of its own is lost."""

    def act(self, now_ms: int, loss: float) -> Values | None:
        """Speak at the check-in."""
        self._checks_in(now_ms)
        self.due_ms = self.check_in_ms
        warm = self.world.ambient_c + 14 + self.rng.gauss(0, 0.4)
        return {"mains_lost": False, "fault": False, "device_temperature": round(warm, 1)}
