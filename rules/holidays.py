"""Public holidays as a rule book writes them: `calendar: {2027: {off: ["01-01/01-03"], on: ["02-20"]}}`.

Knows neither rules nor files, and nothing of what is asked of a day: it makes the years of a `schedules.Calendar`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from rules.document import Path
from rules.schedules import Holidays, days

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2100

CALENDAR_REMEDY: Final = (
    f'write for each year, from {FIRST_YEAR} to {LAST_YEAR}, for example 2027: {{off: ["01-01/01-03"], on: ["02-20"]}}'
)
OFF_REMEDY: Final = 'write the days and spans in their order, each once; for example ["01-01/01-03", "04-05"]'
ON_REMEDY: Final = (
    'write Saturdays and Sundays that are worked, in their order, none of them in `off`; for example ["02-20"]'
)


class CalendarReader:
    """Reads the section before the model has accepted it; what has a wrong shape is left to the model to tell.

    `years` is complete when nothing is in `flaws`: (where, what is wrong) within the section.
    """

    def __init__(self, raw: object) -> None:
        self.years: dict[int, Holidays] = {}
        self.flaws: list[tuple[Path, str]] = []
        for year, entry in raw.items() if isinstance(raw, dict) else ():
            if isinstance(year, int) and FIRST_YEAR <= year <= LAST_YEAR and isinstance(entry, dict):
                off = dict(self._read(year, "off", entry.get("off")))
                on = dict(self._read(year, "on", entry.get("on")))
                self._worked(year, off, on)
                self.years[year] = Holidays(frozenset(off), frozenset(on))

    def _read(self, year: int, field: str, raw: object) -> Iterator[tuple[date, int]]:
        """Each day, and which of the texts names it."""
        last: tuple[date, str] | None = None
        for i, text in enumerate(raw if isinstance(raw, list) else ()):
            if not isinstance(text, str):
                continue
            try:
                named: Sequence[date] = days(year, text)
            except ValueError as error:
                self.flaws.append(((year, field, i), str(error)))
                continue
            if last is not None and named[0] <= last[0]:
                self.flaws.append(((year, field, i), f"`{text}` begins before `{last[1]}` is over"))
            last = named[-1], text
            yield from ((day, i) for day in named)

    def _worked(self, year: int, off: dict[date, int], on: dict[date, int]) -> None:
        for day, i in on.items():
            shown = f"{day:%m-%d}"
            if day in off:
                self.flaws.append(((year, "on", i), f"`{shown}` is in off[{off[day]}] too: it cannot be both"))
            elif day.weekday() < 5:
                self.flaws.append(((year, "on", i), f"`{shown}` is neither Saturday nor Sunday"))
