"""A history in plain dicts, for tests of everything that reads or writes one.

Knows no file and no database; passes the suite of the port beside the real ones. `failing`, when a test sets it, is raised by every call.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from monitor.ports import Bucket, NeverWill, Point, PortError
from rules.model import Micros


class FakeHistory:
    """The port `monitor.ports.History` in memory."""

    def __init__(self) -> None:
        self.failing: PortError | None = None
        self._series: dict[tuple[str, str, str], dict[int, float]] = {}

    async def write(self, points: Sequence[Point]) -> None:
        """Keep numbers and booleans as floats; texts have no series here."""
        self._check()
        for point in points:
            numbers = [v for v in point.values.values() if not isinstance(v, str)]
            if (
                not point.kind
                or "" in point.values
                or not 0 <= point.at_ns < 1 << 63
                or not all(map(isfinite, numbers))
            ):
                raise NeverWill(f"no history could keep {point}")
        for point in points:
            for quantity, value in point.values.items():
                if not isinstance(value, str):
                    series = self._series.setdefault((point.device, point.kind, quantity), {})
                    series[point.at_ns] = float(value)

    async def read(
        self, device: str, kind: str, quantity: str, start: Micros, stop: Micros, limit: int
    ) -> list[tuple[Micros, float]]:
        """Oldest first."""
        self._check()
        series = self._series.get((device, kind, quantity), {})
        points = [(at_ns // 1000, value) for at_ns, value in sorted(series.items())]
        return [(at, value) for at, value in points if start <= at < stop][:limit]

    async def buckets(
        self, device: str, kind: str, quantity: str, start: Micros, stop: Micros, step: Micros
    ) -> list[Bucket]:
        """Aligned to multiples of `step` since the epoch."""
        grouped: dict[Micros, list[float]] = {}
        start, stop = start // step * step, -(-stop // step) * step  # whole buckets, also where the range cuts one
        for at, value in await self.read(device, kind, quantity, start, stop, 1 << 62):
            grouped.setdefault(at - at % step, []).append(value)
        return [Bucket(at, min(v), sum(v) / len(v), max(v), len(v)) for at, v in sorted(grouped.items())]

    async def check(self) -> str:
        """Always well unless told otherwise."""
        self._check()
        return "in memory, writable"

    async def aclose(self) -> None:
        """Nothing to release."""

    def _check(self) -> None:
        if self.failing is not None:
            raise self.failing
