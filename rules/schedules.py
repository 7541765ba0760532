"""Schedules: the hours of the day, workdays and public holidays, in China's time.

The public holidays and the workdays that make up for them are data, from the yearly notices of the General Office of the State Council
(国务院办公厅关于部分节假日安排的通知): for 2025 of 2024-11-12, for 2026 of 2025-11-04. For a year without data the weekend decides.

Knows no rules, no timers and no text; reads no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from rules.memory import Memory, Moment, State
from rules.model import HOUR, MINUTE, Micros

DAY: Micros = 24 * HOUR
CHINA: Micros = 8 * HOUR
"""China's time is UTC+8 all the year and all over the country."""

_EPOCH = date(1970, 1, 1)
_OFF: Mapping[int, str] = {
    2025: "01-01 01-28/02-04 04-04/04-06 05-01/05-05 05-31/06-02 10-01/10-08",
    2026: "01-01/01-03 02-15/02-23 04-04/04-06 05-01/05-05 06-19/06-21 09-25/09-27 10-01/10-07",
}
_ON: Mapping[int, str] = {
    2025: "01-26 02-08 04-27 09-28 10-11",
    2026: "01-04 02-14 02-28 05-09 09-20 10-10",
}
"""Saturdays and Sundays that are worked."""

YEARS = frozenset(_OFF)
"""The years of which the holidays are known."""
AHEAD = timedelta(days=30)
"""How long before a year it is told that its holidays are not known: the notice comes out in November."""


def _days(of: Mapping[int, str]) -> frozenset[date]:
    out = set()
    for year, text in of.items():
        for part in text.split():
            first, _, last = part.partition("/")
            day, end = (date.fromisoformat(f"{year}-{d}") for d in (first, last or first))
            while day <= end:
                out.add(day)
                day += timedelta(days=1)
    return frozenset(out)


OFF_DAYS = _days(_OFF)
"""Days of public holidays, the weekends among them too."""
MAKE_UP_DAYS = _days(_ON)


def day_of(at: Micros) -> date:
    """China's date at a moment."""
    return _EPOCH + timedelta(days=(at + CHINA) // DAY)


def is_holiday(day: date) -> bool:
    """Is it a day of a public holiday? A common weekend is none."""
    return day in OFF_DAYS


def is_workday(day: date) -> bool:
    """Is it worked on? Also a weekend that makes up for a holiday is."""
    return day in MAKE_UP_DAYS or (day.weekday() < 5 and day not in OFF_DAYS)


def unknown_years(today: date) -> list[int]:
    """This year, and the one that is near, where their holidays are not known."""
    return sorted({today.year, (today + AHEAD).year} - YEARS)


class Between(Memory):
    """Is it between two times of the day, the first included, the second not? Through midnight when the first is the later one."""

    __slots__ = ("_first", "_last")
    bytes_bound = 56

    def __init__(self, name: str, first: Micros, last: Micros) -> None:
        super().__init__(name, frozenset(), 0)
        self._first = first
        self._last = last

    def new(self, at: Micros) -> State:
        """Time is all there is to it."""
        return []

    def hear(self, state: State, moment: Moment) -> bool:
        """Of this moment."""
        now = (moment.at + CHINA) % DAY
        if self._first < self._last:
            return self._first <= now < self._last
        return now >= self._first or now < self._last

    def due(self, state: State, moment: Moment) -> Micros | None:
        """The next of the two."""
        now = (moment.at + CHINA) % DAY
        return moment.at + min((end - now - 1) % DAY + 1 for end in (self._first, self._last))


class DayKind(Memory):
    """Is today a workday, or a day of a public holiday?"""

    __slots__ = ("_holiday",)
    bytes_bound = 56

    def __init__(self, name: str, *, holiday: bool) -> None:
        super().__init__(name, frozenset(), 0)
        self._holiday = holiday

    def new(self, at: Micros) -> State:
        """Time is all there is to it."""
        return []

    def hear(self, state: State, moment: Moment) -> bool:
        """Of this day."""
        day = day_of(moment.at)
        return is_holiday(day) if self._holiday else is_workday(day)

    def due(self, state: State, moment: Moment) -> Micros | None:
        """Midnight."""
        return moment.at + DAY - (moment.at + CHINA) % DAY


def clock_time(text: str) -> Micros | None:
    """`22:00` or `06:30` as a time since midnight; None when it is not one."""
    hour, colon, minute = text.partition(":")
    if not (colon and len(hour) == len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdigit()):
        return None
    return int(hour) * HOUR + int(minute) * MINUTE if int(hour) < 24 and int(minute) < 60 else None
