"""How durations are spread: median, 90th percentile and the longest, each one that really happened.

Knows numbers only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rules.model import Micros


@dataclass(frozen=True, slots=True)
class Spread:
    """Of `n` durations; None where there is none."""

    n: int
    p50: Micros | None
    p90: Micros | None
    longest: Micros | None


def spread(durations: Iterable[Micros]) -> Spread:
    """O(n log n)."""
    ordered = sorted(durations)
    if not ordered:
        return Spread(0, None, None, None)
    return Spread(len(ordered), percentile(ordered, 50), percentile(ordered, 90), ordered[-1])


def percentile(ordered: Sequence[Micros], percent: int) -> Micros:
    """By nearest rank: the smallest of the values such that at least so many percent of them are not above it.

    Nothing is interpolated: of five values the 90th percentile is the longest. `ordered` ascends and is not empty.
    """
    return ordered[-(-percent * len(ordered) // 100) - 1]
