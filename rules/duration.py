"""Durations as people write them: `250ms`, `10s`, `5m`, `24h`, `1h30m`, `7d`.

Knows neither YAML nor conditions; both write durations in this way.
"""

from __future__ import annotations

import re
from typing import Final

from rules.model import HOUR, MINUTE, SECOND, Micros

LONGEST: Final[Micros] = 720 * HOUR
"""No rule waits longer, or looks further back: 30 days."""

WRITTEN: Final = r"(?:[0-9]{1,6}d)?(?:[0-9]{1,6}h)?(?:[0-9]{1,6}m(?!s))?(?:[0-9]{1,6}s)?(?:[0-9]{1,6}ms)?"
"""A pattern that also matches nothing at all."""

_PARTS = re.compile(r"([0-9]+)(ms|[dhms])")
_WHOLE = re.compile(WRITTEN)
_UNITS = {"d": 24 * HOUR, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": SECOND // 1000}


def duration(text: str) -> Micros:
    """The duration in microseconds. Raises ValueError."""
    if not text or _WHOLE.fullmatch(text) is None:
        raise ValueError(f"`{text[:40]}` is not a duration")
    total = sum(int(number) * _UNITS[unit] for number, unit in _PARTS.findall(text))
    if total > LONGEST:
        raise ValueError(f"`{text}` is longer than {LONGEST // HOUR}h")
    return total


def written(span: Micros) -> str:
    """The shortest way to write it, so that 60s and 1m are told alike; whole milliseconds only."""
    out = ""
    for unit, size in _UNITS.items():
        number, span = divmod(span, size)
        out += f"{number}{unit}" if number else ""
    return out or "0s"
