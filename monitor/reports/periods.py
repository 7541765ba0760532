"""Months and hours as people in China mean them, and moments and durations as they read them.

Knows no clock: which month it is, it is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from rules.model import DAY, HOUR, MINUTE, SECOND, Micros
from rules.people import CHINA as AHEAD
from rules.response import CHINA, EPOCH

_MONTH = re.compile(r"(\d{4})-(\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Month:
    """A month of China's calendar."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """`2026-11`. Raises ValueError that says what to write."""
        match = _MONTH.fullmatch(text)
        if match is None or not (1970 < int(match[1]) < 2200 and 1 <= int(match[2]) <= 12):
            raise ValueError("write a month as 2026-11, between the years 1971 and 2199")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, at: Micros) -> Month:
        """The month of a moment."""
        there = (EPOCH + timedelta(microseconds=at)).astimezone(CHINA)
        return cls(there.year, there.month)

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02}"

    @property
    def since(self) -> Micros:
        """Its first moment."""
        return (datetime(self.year, self.month, 1, tzinfo=CHINA) - EPOCH) // timedelta(microseconds=1)

    @property
    def before(self) -> Micros:
        """The first moment after it."""
        following = Month(self.year + self.month // 12, self.month % 12 + 1)
        return following.since

    def days(self) -> Iterator[tuple[Micros, Micros]]:
        """[since, before) of each day: no hour is ever skipped or doubled in China."""
        return ((at, at + DAY) for at in range(self.since, self.before, DAY))


def hour_of_day(at: Micros) -> int:
    """In China: 0 to 23."""
    return (at + AHEAD) % DAY // HOUR


def day_of(at: Micros) -> str:
    """In China: `2026-11-22`."""
    return local(at)[:10]


def local(at: Micros) -> str:
    """`2026-11-22 08:00:05.250` in China's time, as reports print it."""
    there = (EPOCH + timedelta(microseconds=at)).astimezone(CHINA)
    return f"{there:%Y-%m-%d %H:%M:%S}.{there.microsecond // 1000:03}"


def lasted(span: Micros) -> str:
    """A duration for people: `0.25 s`, `59.9 s`, `4:05`, `1:02:03`. Cut off, never rounded up: what is shown was not shorter."""
    if span < 0:
        return f"-{lasted(-span)}"
    if span < MINUTE:
        tenths = span // (SECOND // 100) if span < 10 * SECOND else span // (SECOND // 10) * 10
        return f"{tenths / 100:g} s"
    hours, minutes, seconds = span // HOUR, span % HOUR // MINUTE, span % MINUTE // SECOND
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
