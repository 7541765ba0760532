"""A charging port and the battery on it: charge curve, heat of a bad contact. Knows no fire and no message.

A simple cell model for the battery (open-circuit voltage rising with the charge, one inner resistance), charged with constant current,
then constant voltage; one thermal mass for the port.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MAINS_V = 220.0
POWER_FACTOR = 0.95
EFFICIENCY = 0.88
EMPTY_V, FULL_V = 42.0, 54.6
"""Of a 48 V lithium-ion pack of 13 cells; at the upper one the charger holds the voltage."""
INNER_OHM = 0.25
FLOAT_SHARE = 0.05
"""Of the charging current: below it the charger floats."""
STANDBY_W = 4.0
SOUND_OHM = 0.05
"""Contact of a sound plug."""
PORT_K_W, PORT_J_K = 15.0, 2.6
"""Thermal resistance and capacity of a port's contact with its plastic: it follows in 39 s. Judgement."""
LONGEST_STEP_S = 15.0


@dataclass(slots=True)
class Port:
    """One port. `advance` brings it to a moment; all else reads."""

    ambient_c: float
    temperature_c: float
    energy_kwh: float
    contact_ohm: float = SOUND_OHM
    soc: float = 0.0
    """State of charge, 0 to 1."""
    capacity_ah: float = 0.0
    charge_a: float = 0.0
    """Direct current of the constant-current phase; 0: nothing is plugged in."""
    plugged_s: float = 0.0
    float_s: float = 0.0
    power_w: float = 0.0

    @property
    def charging(self) -> bool:
        """Does current flow into a battery?"""
        return self.charge_a > 0

    @property
    def current_a(self) -> float:
        """Alternating current from the mains."""
        return self.power_w / (MAINS_V * POWER_FACTOR)

    def plug(self, soc: float, capacity_ah: float, charge_a: float) -> None:
        """A vehicle comes."""
        self.soc, self.capacity_ah, self.charge_a = soc, capacity_ah, charge_a
        self.plugged_s = self.float_s = 0.0
        self._power()

    def unplug(self) -> None:
        """It goes, or the power is cut."""
        self.charge_a = self.power_w = 0.0

    def advance(self, dt: float) -> None:
        """`dt` seconds on. Within a step the current is constant: the charge moves little in 15 s."""
        while dt > 0:
            step = min(dt, LONGEST_STEP_S)
            self._step(step)
            dt -= step

    def _step(self, dt: float) -> None:
        if self.charging:
            self.soc = min(1.0, self.soc + self._direct_a() * dt / (self.capacity_ah * 3600))
            self.plugged_s += dt
            self._power()
            self.energy_kwh += self.power_w * dt / 3.6e6
            if self._direct_a() < FLOAT_SHARE * self.charge_a:
                self.float_s += dt
        # Joule's law in the contact, Newton's law of cooling; exact for a constant current.
        target = self.ambient_c + self.current_a**2 * self.contact_ohm * PORT_K_W
        self.temperature_c = target + (self.temperature_c - target) * math.exp(-dt / (PORT_K_W * PORT_J_K))

    def _direct_a(self) -> float:
        """Constant current until the voltage limit is reached, then what the limit leaves."""
        open_v = EMPTY_V + (FULL_V - EMPTY_V) * self.soc
        return max(0.0, min(self.charge_a, (FULL_V - open_v) / INNER_OHM))

    def _power(self) -> None:
        amps = self._direct_a()
        volts = min(FULL_V, EMPTY_V + (FULL_V - EMPTY_V) * self.soc + amps * INNER_OHM)
        self.power_w = amps * volts / EFFICIENCY + STANDBY_W
