"""Charging ports as devices: sessions that come and go, and what the meter says. As devices.py; the battery is in charging.py."""

from __future__ import annotations

from random import Random
from typing import ClassVar

from simulators.devices import Device, Values
from simulators.places import Thing
from simulators.world import World


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
        self._answer: Values = {}
        if life and rng.random() < 0.6:
            self.plug()
            self.port.soc = rng.uniform(0.2, 0.9)
            self.port.plugged_s = (self.port.soc - 0.1) * 4 * 3600

    def plug(self) -> None:
        """A vehicle comes, with some charge left."""
        capacity = self.rng.choice((12.0, 20.0, 24.0))
        self.port.plug(self.rng.uniform(0.1, 0.6), capacity, capacity / self.rng.uniform(4, 6))

    def obey(self, command: str, identity: str) -> None:
        """What it is told from afar: it opens its relay, if it can, and answers."""
        done = command == "cut_power" and self.thing.id not in self.world.welded
        if done:
            self.world.cut.add(self.thing.id)
            self.port.unplug()
        self._answer = {"command_id": identity, "command_ok": done}

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
        answer, self._answer = self._answer, {}
        urgent = changed or bool(answer) or abs(self.port.temperature_c - self._said_c) > 1.5
        if not (urgent or due) or (not urgent and self.rng.random() < loss):
            return None
        self._said_c, self._said_charging = self.port.temperature_c, self.port.charging
        return {**self._values(), **answer}

    def _come_and_go(self, now_ms: int) -> None:
        if not self._life or self.thing.id in self.world.cut:
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
            "relay_closed": self.thing.id not in self.world.cut,
        }  # fmt: skip
