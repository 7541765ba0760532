"""How much heat and smoke a fire gives off, second by second. Knows no room, no device, no message.

Heat in kW, energy in MJ (kJ where a name says so), seconds since ignition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

REFERENCE_KW = 1055.0
"""1000 Btu/s: the heat release that defines a growth class (NFPA 72, annex B; NFPA 92, annex B)."""
GROWTH_TIMES_S = {"slow": 600.0, "medium": 300.0, "fast": 150.0, "ultrafast": 75.0}
"""Class → seconds from flaming to 1055 kW (NFPA 92, annex B; ultrafast as in ISO/TR 13387-2)."""
GROWING_SHARE = 0.7
"""Of the fuel's energy that is burnt before the fire declines (EN 1991-1-2, annex E.4 (8))."""


@dataclass(frozen=True, slots=True)
class Fuel:
    """What burns. Values are rounded from the ranges tabled in the SFPE Handbook (Tewarson; Mulholland)."""

    heat_kj_g: float
    """Effective heat of combustion."""
    convective: float
    """Share of the heat that goes into the plume; the rest is radiated."""
    optical_m2_g: float
    """Mass optical density in flames: optical density (log10) × volume of smoke, for each gram burnt."""
    smoulder_heat_kj_g: float
    smoulder_optical_m2_g: float


FUELS = {
    "wood": Fuel(13.0, 0.65, 0.04, 6.0, 0.15),
    "foam": Fuel(24.0, 0.55, 0.25, 9.0, 0.30),
    "plastic": Fuel(28.0, 0.60, 0.45, 10.0, 0.40),
    "oil": Fuel(38.0, 0.65, 0.10, 12.0, 0.12),
    "battery": Fuel(20.0, 0.60, 0.30, 4.0, 0.25),
}
"""`foam`: flexible polyurethane, as in sofas and mattresses; `battery`: lithium-ion pack with its plastics."""


def growth_kw_s2(growth: str) -> float:
    """α of Q = α t², kW/s²: 0.00293, 0.01172, 0.0469 and 0.1876 for the four classes. Raises KeyError."""
    return REFERENCE_KW / GROWTH_TIMES_S[growth] ** 2


@dataclass(frozen=True, slots=True)
class Burn:
    """The course of one fire that nobody fights: smouldering, t² growth, full burning, decline.

    The design fire of EN 1991-1-2, annex E.4: t² growth to the peak, steady until 70 % of the energy is burnt, then a linear
    decline; with a smouldering phase before it. `energy_mj` is what burns in flames; the area under the curve is exactly that.
    """

    alpha_kw_s2: float
    peak_kw: float
    energy_mj: float
    smoulder_s: float = 0.0
    smoulder_kw: float = 2.0
    """At the end of the smouldering phase, to which it rises linearly."""

    def heat_kw(self, t: float) -> float:
        """Heat release `t` seconds after the beginning; 0 before it and after the end."""
        if t < 0:
            return 0.0
        if t < self.smoulder_s:
            return self.smoulder_kw * t / self.smoulder_s
        t -= self.smoulder_s
        grown, steady, decline, top = self._phases()
        if t < grown:
            return self.alpha_kw_s2 * t * t
        if t < grown + steady:
            return top
        left = grown + steady + decline - t
        return top * left / decline if left > 0 else 0.0

    def smouldering(self, t: float) -> bool:
        """Not in flames yet?"""
        return t < self.smoulder_s

    @property
    def lasts_s(self) -> float:
        """Seconds from the beginning to the end."""
        grown, steady, decline, _ = self._phases()
        return self.smoulder_s + grown + steady + decline

    def _phases(self) -> tuple[float, float, float, float]:
        """(seconds of growth, of steady burning, of decline; the peak that its fuel lets it reach)."""
        rising_kj = GROWING_SHARE * self.energy_mj * 1000
        grown = min(math.sqrt(self.peak_kw / self.alpha_kw_s2), (3 * rising_kj / self.alpha_kw_s2) ** (1 / 3))
        top = self.alpha_kw_s2 * grown**2
        steady = (rising_kj - self.alpha_kw_s2 * grown**3 / 3) / top
        decline = 2 * (1 - GROWING_SHARE) * self.energy_mj * 1000 / top
        return grown, steady, decline, top


@dataclass(frozen=True, slots=True)
class Smouldering:
    """Smoke without flames for `lasts_s` seconds: up to `peak_kw` in a fifth of the time, then steady."""

    peak_kw: float
    lasts_s: float

    def heat_kw(self, t: float) -> float:
        """Heat release `t` seconds after the beginning; 0 before it and after the end."""
        if not 0 <= t < self.lasts_s:
            return 0.0
        return self.peak_kw * min(1.0, t / (0.2 * self.lasts_s))

    def smouldering(self, t: float) -> bool:
        """Always."""
        return t < self.lasts_s


def suppressed_kw(burning_kw: float, since_s: float, time_constant_s: float) -> float:
    """Heat release under an extinguishing agent: an exponential decline.

    The form of Evans (NISTIR 5254, 1993; Madrzykowski and Vettori 1992) for sprinklers; the time constants of powder and foam are
    judgement.
    """
    return burning_kw * math.exp(-max(since_s, 0.0) / time_constant_s)
