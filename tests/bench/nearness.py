"""How near nuisances come to a fire: what each smoke meter said at its worst, beside the limits of the shipped rules.

Knows readings and no rule: the limits are named in the printed lines only. A density is counted above the least of this day and the
last one, a rise above the least within half a minute.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from rules.model import HOUR, SECOND, Micros

DAY: Micros = 24 * HOUR

HALF_MINUTE: Micros = 30 * SECOND
NEXT: Micros = 12 * SECOND
"""Two reports that are no further apart are two in a row."""
LEVEL_DB, LEVEL_HELD_S = 0.3, 16
"""`smoke-density-fire`: the mean of 15 s above this for so long."""
RISE_DB, FLOOR_DB, PAIR_DB = 0.1, 0.12, 0.15
"""`smoke-rising-fire`: this much in half a minute; one report (with heat) above the floor, or two in a row above the last."""
CLOSE_DB = 0.9 * LEVEL_DB


@dataclass(slots=True)
class _Meter:
    day: int
    least: float
    """Of this day."""
    last_least: float
    """Of the day before."""
    recent: deque[tuple[Micros, float]] = field(default_factory=deque)
    close_since: Micros | None = None


class Nearness:
    """The worst of all meters. Remembers half a minute of each."""

    def __init__(self) -> None:
        self._meters: dict[str, _Meter] = {}
        self.level = self.close_s = 0.0
        self.single = self.pair = 0.0
        """dB/m that one report, or two in a row, above their floor rose within half a minute; where the site file speaks of no steam."""

    def hear(self, at: Micros, device: str, density: float, *, steam: bool) -> None:
        """One report, dB/m. Reports of one meter come in order."""
        day = at // DAY
        meter = self._meters.setdefault(device, _Meter(day, density, density))
        if meter.day != day:
            meter.day, meter.last_least, meter.least = day, meter.least, density
        meter.least = min(meter.least, density)
        level = density - min(meter.least, meter.last_least)
        self.level = max(self.level, level)
        if level <= CLOSE_DB:
            meter.close_since = None
        else:
            meter.close_since = at if meter.close_since is None else meter.close_since
            self.close_s = max(self.close_s, (at - meter.close_since) / SECOND)
        before = meter.recent
        while before and at - before[0][0] > HALF_MINUTE:
            before.popleft()
        if before and not steam:
            least = min(value for _, value in before)
            if density > FLOOR_DB:
                self.single = max(self.single, density - least)
            then, last = before[-1]
            if at - then <= NEXT and min(last, density) > PAIR_DB:
                self.pair = max(self.pair, (last + density) / 2 - least)
        before.append((at, density))

    def lines(self) -> Iterator[str]:
        """What is printed."""
        yield (
            f"densest above the meter's quietest: {self.level:.3f} of {LEVEL_DB} dB/m; longest above {CLOSE_DB:.2f}: "
            f"{self.close_s:.0f} s of {LEVEL_HELD_S} s and more"
        )
        yield (
            f"fastest within half a minute: one report above {FLOOR_DB} dB/m {self.single:.3f}, two in a row above {PAIR_DB} dB/m "
            f"{self.pair:.3f}, of {RISE_DB} dB/m"
        )
