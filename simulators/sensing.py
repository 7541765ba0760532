"""What stands between the gas and the number: the lag of heat and smoke sensors, and the pixels of a thermal image.

Exact exponential steps, so that any step width gives the same course. Knows no device and no message.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

RTI_HEAT = 25.0
"""m^½ s^½ of a heat detector's thermistor: judgement, within what is tabled for spot type heat detectors (NFPA 72, annex B.3)."""
RTI_BULB = 50.0
"""m^½ s^½ of a fast-response glass bulb (ISO 6182-1: fast ≤ 50)."""
ENTRY_LENGTH_M = 1.8
"""Characteristic length of a photoelectric detector: 1.8 m for many (Heskestad 1977), more at low speed (Brozovsky 1995)."""
STILL_M_S = 0.05
"""Air is never quite still under a ceiling."""
ZERO_K = 273.15


def heat_step(sensor_c: float, gas_c: float, speed_m_s: float, rti: float, dt: float) -> float:
    """The sensor's temperature after `dt` seconds: dT/dt = √u (Tg - T) / RTI (Heskestad and Smith 1976; NFPA 72, annex B)."""
    return gas_c + (sensor_c - gas_c) * math.exp(-dt * math.sqrt(max(speed_m_s, STILL_M_S)) / rti)


def smoke_step(inside: float, outside: float, speed_m_s: float, dt: float) -> float:
    """The optical density inside the chamber after `dt` seconds: dDi/dt = u (D - Di) / L (Heskestad 1977; Brozovsky 1995)."""
    return outside + (inside - outside) * math.exp(-dt * max(speed_m_s, STILL_M_S) / ENTRY_LENGTH_M)


def pixel_c(background_c: float, source_c: float, share: float) -> float:
    """What a pixel shows of which a source fills `share`: the fourth powers of the temperatures are mixed (Stefan-Boltzmann)."""
    share = min(max(share, 0.0), 1.0)
    mixed = share * (source_c + ZERO_K) ** 4 + (1 - share) * (background_c + ZERO_K) ** 4
    return float(mixed**0.25 - ZERO_K)


def flame_emissivity(depth_m: float) -> float:
    """1 - exp(-κ d) with κ = 1.0 /m: between wood and hydrocarbons (SFPE Handbook, "Radiation heat transfer")."""
    return 1 - math.exp(-1.0 * depth_m)


def image_mean_c(background_c: float, sources: Iterable[tuple[float, float]]) -> float:
    """Mean of an image; `sources` are (temperature, share of the image)."""
    return background_c + sum((hot - background_c) * min(share, 1.0) for hot, share in sources)
