"""Plume and ceiling jet: how hot and how fast the gases are above a fire and under the ceiling. Knows no room and no device.

`q_kw` is the total heat release, `convective_kw` its convective part; `height_m` is from the fire to the ceiling, `radius_m` from the
plume's axis. A quasi-steady view: the fire grows slowly against the time that the gases need.
"""

from __future__ import annotations

AIR_KG_M3 = 1.2
AIR_KJ_KG_K = 1.0
LEAST_HEIGHT_M = 0.3
"""Under it no plume has formed, and the correlations say nothing."""
HOTTEST_RISE_K = 900.0
"""Of intermittent flames at the ceiling (McCaffrey 1979); the correlations, made for plumes, would go beyond."""


def jet_rise_k(q_kw: float, height_m: float, radius_m: float) -> float:
    """The highest temperature rise in the ceiling jet, K.

    Alpert (Fire Technology 8, 1972): 16.9 Q^(2/3) / H^(5/3) for r ≤ 0.18 H, else 5.38 (Q/r)^(2/3) / H.
    """
    if q_kw <= 0:
        return 0.0
    h = max(height_m, LEAST_HEIGHT_M)
    near = radius_m <= 0.18 * h
    rise = float(16.9 * q_kw ** (2 / 3) / h ** (5 / 3) if near else 5.38 * (q_kw / radius_m) ** (2 / 3) / h)
    return min(rise, HOTTEST_RISE_K)


def jet_speed_m_s(q_kw: float, height_m: float, radius_m: float) -> float:
    """The highest speed in the ceiling jet, m/s.

    Alpert (1972): 0.96 (Q/H)^(1/3) for r ≤ 0.15 H, else 0.195 Q^(1/3) H^(1/2) / r^(5/6).
    """
    if q_kw <= 0:
        return 0.0
    h = max(height_m, LEAST_HEIGHT_M)
    if radius_m <= 0.15 * h:
        return float(0.96 * (q_kw / h) ** (1 / 3))
    return float(0.195 * q_kw ** (1 / 3) * h**0.5 / radius_m ** (5 / 6))


def plume_speed_m_s(convective_kw: float, height_m: float) -> float:
    """Speed on the plume's axis, m/s: 3.4 (g / (cp ρ T))^(1/3) Qc^(1/3) z^(-1/3) with air at 20 °C.

    Heskestad (1984; SFPE Handbook, "Fire plumes"), the virtual origin taken at the fire.
    """
    if convective_kw <= 0:
        return 0.0
    return float(1.03 * (convective_kw / max(height_m, LEAST_HEIGHT_M)) ** (1 / 3))


def plume_flow_kg_s(convective_kw: float, height_m: float) -> float:
    """Mass that the plume carries at a height above the flames: 0.071 Qc^(1/3) z^(5/3) + 0.0018 Qc (Heskestad; NFPA 92, 5.5.1)."""
    if convective_kw <= 0 or height_m <= 0:
        return 0.0
    return float(0.071 * convective_kw ** (1 / 3) * height_m ** (5 / 3) + 0.0018 * convective_kw)


def flame_height_m(q_kw: float, diameter_m: float) -> float:
    """Mean height of the flames: 0.235 Q^(2/5) - 1.02 D, never below 0 (Heskestad 1983; NFPA 92)."""
    return max(0.0, float(0.235 * max(q_kw, 0.0) ** 0.4 - 1.02 * diameter_m))


def travel_s(q_kw: float, convective_kw: float, height_m: float, radius_m: float) -> float:
    """Seconds from the fire up the plume and along the ceiling: the integral of dz/u and dr/u over the speeds above.

    Without a fire there is nothing to travel: infinite.
    """
    if q_kw <= 0 or convective_kw <= 0:
        return float("inf")
    h = max(height_m, LEAST_HEIGHT_M)
    rise = 0.75 * h / plume_speed_m_s(convective_kw, h)
    turning = 0.15 * h
    near = min(radius_m, turning) / jet_speed_m_s(q_kw, h, 0.0)
    far = 0.0
    if radius_m > turning:
        far = (6 / 11) * (radius_m ** (11 / 6) - turning ** (11 / 6)) / (0.195 * q_kw ** (1 / 3) * h**0.5)
    return float(rise + near + far)
