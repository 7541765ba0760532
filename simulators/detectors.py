"""Smoke and heat detectors: lag, noise, drift, latch and test button. As devices.py; the lags are in sensing.py."""

from __future__ import annotations

import math
from abc import abstractmethod
from random import Random
from typing import ClassVar

from simulators import sensing
from simulators.devices import SAMPLE_MS, Device, Values
from simulators.places import Thing
from simulators.world import World

SETTLED_K, SETTLED_DB = 0.5, 0.03


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
        return {**values, **self._condition(now_ms)}

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
