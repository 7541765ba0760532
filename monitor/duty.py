"""When the people on duty at a station change next: at the end of a shift, or of a swap.

Pure; knows no clock and no page. Who is on duty at a moment, rules/people.py says.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.reachability import MONDAY, WEEK_MINUTES, ends_of_shifts
from rules.model import MINUTE, Micros, Swap
from rules.people import Plan

WEEK: Micros = WEEK_MINUTES * MINUTE
WEEKS = 7
"""A swap lasts 32 days at most, and hides no change for longer than that and a week."""


def next_change(plan: Plan, station: str, at: Micros, swaps: Sequence[Swap] = ()) -> Micros | None:
    """The first moment after `at` at which others are on duty than now; None when nobody ever comes or goes."""
    roster = plan.rosters.get(station)
    if roster is None:
        return None
    week = at - (at - MONDAY) % WEEK
    here = [swap for swap in swaps if swap.station == station]
    ends = {
        week + round_ * WEEK + minute * MINUTE for minute in ends_of_shifts(roster.shifts) for round_ in range(WEEKS)
    }
    ends.update(moment for swap in here for moment in (swap.since, swap.until))
    now = roster.on_duty(at, here)
    return next((moment for moment in sorted(ends) if moment > at and roster.on_duty(moment, here) != now), None)
