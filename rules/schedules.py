"""Schedules: the hours of the day, workdays and public holidays, in China's time.

The public holidays and the workdays that make up for them are data, from the yearly notices of the General Office of the State Council
(国务院办公厅关于部分节假日安排的通知): for 2025 of 2024-11-12, for 2026 of 2025-11-04. A rule book may add a year
or replace one (`holidays`). For a year without data the weekend decides.

Knows no rules, no timers and no text; reads no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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

AHEAD = timedelta(days=30)
"""How long before a year it is told that its holidays are not known: the notice comes out in November."""


@dataclass(frozen=True, slots=True)
class Holidays:
    """Of one year."""

    off: frozenset[date]
    """Days of public holidays, the weekends among them too."""
    on: frozenset[date]
    """Saturdays and Sundays that are worked."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Year → its holidays. In a year that is missing the weekend decides."""

    years: Mapping[int, Holidays]

    def is_holiday(self, day: date) -> bool:
        """Is it a day of a public holiday? A common weekend is none."""
        return day.year in self.years and day in self.years[day.year].off

    def is_workday(self, day: date) -> bool:
        """Is it worked on? Also a weekend that makes up for a holiday is."""
        if day.weekday() < 5:
            return not self.is_holiday(day)
        return day.year in self.years and day in self.years[day.year].on

    def unknown_years(self, today: date) -> list[int]:
        """This year, and the one that is near, where their holidays are not known."""
        return sorted({today.year, (today + AHEAD).year} - self.years.keys())


def days(year: int, text: str) -> list[date]:
    """The days of `05-01`, or of `05-01/05-05`, in order. Raises ValueError when there are none such."""
    first, slash, last = text.partition("/")
    begin = _day(year, first)
    end = _day(year, last) if slash else begin
    if end < begin:
        raise ValueError(f"`{text}` ends before it begins")
    return [begin + timedelta(days=n) for n in range((end - begin).days + 1)]


def _day(year: int, text: str) -> date:
    month, dash, day = text.partition("-")
    if not (dash and len(month) == len(day) == 2 and (month + day).isascii() and (month + day).isdigit()):
        raise ValueError(f"`{text}` is no day: it has not two digits each of month and day")
    try:
        return date(year, int(month), int(day))
    except ValueError:
        raise ValueError(f"there is no `{text}` in {year}") from None


def _all(year: int, text: str) -> frozenset[date]:
    return frozenset(day for part in text.split() for day in days(year, part))


SHIPPED = Calendar({year: Holidays(_all(year, off), _all(year, _ON[year])) for year, off in _OFF.items()})
"""What the program knows by itself; a rule book may know other years, and these better."""


def day_of(at: Micros) -> date:
    """China's date at a moment."""
    return _EPOCH + timedelta(days=(at + CHINA) // DAY)


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

    __slots__ = ("_calendar", "_holiday")
    bytes_bound = 56

    def __init__(self, name: str, calendar: Calendar, *, holiday: bool) -> None:
        super().__init__(name, frozenset(), 0)
        self._calendar = calendar
        self._holiday = holiday

    def new(self, at: Micros) -> State:
        """Time is all there is to it."""
        return []

    def hear(self, state: State, moment: Moment) -> bool:
        """Of this day."""
        day = day_of(moment.at)
        return self._calendar.is_holiday(day) if self._holiday else self._calendar.is_workday(day)

    def due(self, state: State, moment: Moment) -> Micros | None:
        """Midnight."""
        return moment.at + DAY - (moment.at + CHINA) % DAY


def clock_time(text: str) -> Micros | None:
    """`22:00` or `06:30` as a time since midnight; None when it is not one."""
    hour, colon, minute = text.partition(":")
    if not (colon and len(hour) == len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdigit()):
        return None
    return int(hour) * HOUR + int(minute) * MINUTE if int(hour) < 24 and int(minute) < 60 else None
