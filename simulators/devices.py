"""How each kind of device measures and when it speaks. Knows its place, the world around it and the names of quantities.

A device acts when it is due and says when it wants to act again: at its check-in, once a second while the air about it is stirred.
What it says is plain values; nothing here knows topics, payloads or the broker. Chance comes from the device's own generator.
"""

from __future__ import annotations

import math
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
SETTLED_K, SETTLED_DB = 0.5, 0.03


class Device(ABC):
    """One device: `act` at `due_ms`. Check-ins keep their own absolute rhythm, whatever is said in between."""

    every_ms: ClassVar[int] = 60_000

    def __init__(self, thing: Thing, world: World, rng: Random) -> None:
        self.thing = thing
        self.world = world
        self.rng = rng
        self.check_in_ms = rng.randrange(FIRST_WITHIN_MS)
        self.due_ms = self.check_in_ms
        self.battery = rng.uniform(62, 100)
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

    def _condition(self) -> Values:
        """What battery devices say of themselves."""
        percent = self.world.low_battery.get(self.thing.id, self.battery)
        rssi = round(self._rssi + self.rng.gauss(0, 2))
        return {"battery": round(percent), "battery_low": percent < 10, "rssi": min(-30, max(-120, rssi))}

    def _under_test(self) -> bool:
        return self.thing.id in self.world.tested


class Detector(Device):
    """What smoke and heat detectors have in common: lag, noise, latch, test button, and speaking on change."""

    least_ms: ClassVar[int] = 2000
    stirred_ms: ClassVar[int] = 10_000

    def __init__(self, thing: Thing, world: World, rng: Random) -> None:
        super().__init__(thing, world, rng)
        self.temperature_c = world.ambient_c
        self.latched = False
        self._offset_k = rng.uniform(-0.7, 0.7)
        self._phase = rng.uniform(0, 2 * math.pi)
        self._period_s = rng.uniform(6, 14) * 3600
        self._sampled_ms = 0
        self._said_ms = -self.least_ms
        self._said: Values = {}
        self._resets = 0

    def act(self, now_ms: int, loss: float) -> Values | None:
        """Sample; speak on a change of the alarm at once, on a change of the measurement soon, else at the check-in."""
        self._sample((now_ms - self._sampled_ms) / 1000)
        self._sampled_ms = now_ms
        values = self._measure(now_ms)
        due = self._checks_in(now_ms)
        stirred = self.world.stirred(self.thing.area) or not self._settled()
        self.due_ms = min(now_ms + SAMPLE_MS, self.check_in_ms) if stirred else self.check_in_ms
        urgent = self._flags(values) != self._flags(self._said) and bool(self._said)
        since = now_ms - self._said_ms
        moved = stirred and since >= self.least_ms and (self._moved(values) or since >= self.stirred_ms)
        if not (urgent or moved or due) or (due and not urgent and self.rng.random() < loss):
            return None
        self._said_ms = now_ms
        self._said = values
        return {**values, **self._condition()}

    @abstractmethod
    def _sample(self, dt: float) -> None:
        """`dt` seconds on."""

    @abstractmethod
    def _measure(self, now_ms: int) -> Values:
        """The numbers as the device shows them, and its flags."""

    @abstractmethod
    def _settled(self) -> bool:
        """Does it measure what it would on any day?"""

    @abstractmethod
    def _moved(self, values: Values) -> bool:
        """Is it worth a message?"""

    def _flags(self, values: Values) -> Values:
        return {name: value for name, value in values.items() if isinstance(value, bool)}

    def _latch(self, alarm: bool) -> bool:
        """The alarm bit: on until the area is reset; while it is tested, on."""
        resets = self.world.resets.get(self.thing.area, 0)
        if resets != self._resets:
            self._resets, self.latched = resets, False
        self.latched = self.latched or alarm
        return self.latched or self._under_test()

    def _shown_c(self, now_ms: int) -> float:
        drift = self._offset_k + 0.8 * math.sin(2 * math.pi * now_ms / 1000 / self._period_s + self._phase)
        return round(min(max(self.temperature_c + drift + self.rng.gauss(0, 0.1), -60.0), 1400.0), 1)


class SmokeDetector(Detector):
    """A photoelectric detector: entry lag, dust that drifts, noise; alarm at its own threshold."""

    def __init__(self, thing: Thing, world: World, rng: Random) -> None:
        super().__init__(thing, world, rng)
        self.inside = 0.0
        self.alarm_db = rng.uniform(0.40, 0.48)
        self._dust_db = rng.uniform(0.0, 0.03)

    def _sample(self, dt: float) -> None:
        gas = self.world.gas(self.thing)
        self.inside = sensing.smoke_step(self.inside, gas.density, gas.speed_m_s, dt)
        self.temperature_c = sensing.heat_step(
            self.temperature_c, gas.temperature_c, gas.speed_m_s, sensing.RTI_HEAT, dt
        )

    def _measure(self, now_ms: int) -> Values:
        swing = 0.008 * math.sin(2 * math.pi * now_ms / 1000 / self._period_s + self._phase)
        shown = min(max(0.0, 10 * self.inside + self._dust_db + swing + self.rng.gauss(0, 0.004)), 99.0)
        alarm = self._latch(10 * self.inside > self.alarm_db)
        return {
            "smoke": alarm, "smoke_density": round(shown, 3), "temperature": self._shown_c(now_ms), "test": self._under_test(),
        }  # fmt: skip

    def _settled(self) -> bool:
        return 10 * self.inside < SETTLED_DB and abs(self.temperature_c - self.world.ambient_c) < SETTLED_K

    def _moved(self, values: Values) -> bool:
        density, before = float(values["smoke_density"]), float(self._said.get("smoke_density", 0.0))
        warmer = abs(float(values["temperature"]) - float(self._said.get("temperature", 0.0)))
        return abs(density - before) > max(0.03, 0.1 * before) or warmer > 1.0


class HeatDetector(Detector):
    """A class A1 detector (EN 54-5): thermistor lag, static response between 54 and 65 °C."""

    def __init__(self, thing: Thing, world: World, rng: Random) -> None:
        super().__init__(thing, world, rng)
        self.alarm_c = rng.uniform(56, 62)

    def _sample(self, dt: float) -> None:
        gas = self.world.gas(self.thing)
        self.temperature_c = sensing.heat_step(
            self.temperature_c, gas.temperature_c, gas.speed_m_s, sensing.RTI_HEAT, dt
        )

    def _measure(self, now_ms: int) -> Values:
        alarm = self._latch(self.temperature_c > self.alarm_c)
        return {"heat": alarm, "temperature": self._shown_c(now_ms), "test": self._under_test()}

    def _settled(self) -> bool:
        return abs(self.temperature_c - self.world.ambient_c) < SETTLED_K

    def _moved(self, values: Values) -> bool:
        return abs(float(values["temperature"]) - float(self._said.get("temperature", 0.0))) > 1.0


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
        return {"pressure": round(pressure, 3), "discharged": empty, "missing": False, **self._condition()}

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
        return {**values, **self._condition()}


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
        return {"door_open": is_open, **self._condition()}

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
        return {"pressure": pressure, **self._condition()}


class Gateway(Device):
    """The box that speaks for others; on mains power and cable, so that nothing of its own is lost."""

    def act(self, now_ms: int, loss: float) -> Values | None:
        """Speak at the check-in."""
        self._checks_in(now_ms)
        self.due_ms = self.check_in_ms
        warm = self.world.ambient_c + 14 + self.rng.gauss(0, 0.4)
        return {"mains_lost": False, "fault": False, "device_temperature": round(warm, 1)}


class Charger(Device):
    """A charging port with its meter; sessions come and go by chance unless the scenario has none."""

    every_ms = 30_000
    HURRY_MS: ClassVar[int] = 2000

    def __init__(self, thing: Thing, world: World, rng: Random, *, life: bool) -> None:
        super().__init__(thing, world, rng)
        self.port = world.ports[thing.id]
        self._life = life
        self._at_ms = 0
        self._next_visit_ms = round(rng.uniform(0, 5 * 3_600_000))
        self._leaves_s = rng.uniform(600, 5400)
        self._said_c = world.ambient_c
        self._said_charging = False
        if life and rng.random() < 0.6:
            self.plug()
            self.port.soc = rng.uniform(0.2, 0.9)
            self.port.plugged_s = (self.port.soc - 0.1) * 4 * 3600

    def plug(self) -> None:
        """A vehicle comes, with some charge left."""
        capacity = self.rng.choice((12.0, 20.0, 24.0))
        self.port.plug(self.rng.uniform(0.1, 0.6), capacity, capacity / self.rng.uniform(4, 6))

    def act(self, now_ms: int, loss: float) -> Values | None:
        """Meter; speak at the check-in, and every two seconds while the port's temperature changes."""
        faulty = self.world.faulty(self.thing.id)
        if not faulty:
            self.port.advance((now_ms - self._at_ms) / 1000)
            self._come_and_go(now_ms)
        self._at_ms = now_ms
        due = self._checks_in(now_ms)
        self.due_ms = min(self.check_in_ms, now_ms + self.HURRY_MS) if faulty else self.check_in_ms
        changed = self.port.charging != self._said_charging
        urgent = changed or abs(self.port.temperature_c - self._said_c) > 1.5
        if not (urgent or due) or (not urgent and self.rng.random() < loss):
            return None
        self._said_c, self._said_charging = self.port.temperature_c, self.port.charging
        return self._values()

    def _come_and_go(self, now_ms: int) -> None:
        if not self._life:
            return
        if self.port.charging:
            if self.port.float_s > self._leaves_s and self.thing.id not in self.world.welded:
                self.port.unplug()
                self._next_visit_ms = now_ms + round(self.rng.uniform(0.2, 6) * 3_600_000)
        elif now_ms >= self._next_visit_ms:
            self.plug()
            self._leaves_s = self.rng.uniform(600, 5400)

    def _values(self) -> Values:
        port, noise = self.port, self.rng.gauss
        return {
            "voltage": round(220 + noise(0, 1.2), 1), "current": round(port.current_a, 2), "power": round(port.power_w, 1),
            "energy": round(port.energy_kwh, 3), "port_temperature": round(port.temperature_c + noise(0, 0.3), 1),
            "charging": port.charging, "charging_time": round(port.plugged_s) if port.charging else 0,
            "float_time": round(port.float_s) if port.charging else 0,
            "leakage_current": round(abs(3 + noise(0, 0.6)), 1), "relay_welded": self.thing.id in self.world.welded,
        }  # fmt: skip
