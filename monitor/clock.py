"""The daemon's time: wall time that never runs backwards, so that no deadline is met twice.

Knows neither the tape nor the engine; whoever notices a jump is told by a callable.

How it follows the machine's clocks (`wall` is the time of day, `steady` the monotonic clock):

- Wall time is followed at once, also over a step forward (a machine that boots without a battery clock, or wakes from
  suspension), as long as at least 95 % of the time on the steady clock has passed since the last answer.
- Otherwise it was set back, or the tape ends in the future: time goes on by the steady clock from the last answer. Up
  to 10 minutes of lead are worked off by going 5 % slower, so deadlines come at most 5 % late and nothing stands still.
  A larger lead is kept until wall time has caught up by itself or the daemon restarts; after a restart `floor` keeps it
  as far as the tape reaches, for the tape must not run backwards either.
- A change of more than 2 s between wall and steady clock from one reading to the next is a jump; it is kept in `steps`
  and told to `jump`. Smaller ones are ordinary disciplining by NTP and are passed over.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from rules.model import Micros

NOTICED_NS = 2_000_000_000
WORKED_OFF_NS = 600_000_000_000
SLOWER_BY = 20
"""While it leads, one part in this many of the steady clock's time is left out."""


class Clock:
    """Microseconds since the epoch that never decrease. For one thread: the event loop's.

    `wall` and `steady` return nanoseconds; `jump` is told by how many seconds wall time went forward (+) or back (-).
    """

    __slots__ = ("_jump", "_last", "_offset", "_steady", "_steady_last", "_wall", "steps")

    def __init__(
        self,
        *,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = time.monotonic_ns,
        jump: Callable[[float], None] | None = None,
    ) -> None:
        self._wall = wall
        self._steady = steady
        self._jump = jump
        self.steps: deque[float] = deque(maxlen=100)
        """The last jumps, in seconds, oldest first."""
        self._last = wall()
        self._steady_last = steady()
        self._offset = self._last - self._steady_last

    def now(self) -> Micros:
        """The time; equal to the former answer or later."""
        wall = self._wall()
        steady = self._steady()
        change = wall - steady - self._offset
        if change > NOTICED_NS or change < -NOTICED_NS:
            # Read again: the process may have been stopped between the two readings, which is no jump.
            wall = self._wall()
            steady = self._steady()
            change = wall - steady - self._offset
            if abs(change) > NOTICED_NS:
                self._noticed(change)
        self._offset += change
        elapsed = steady - self._steady_last
        slowest = self._last + elapsed - elapsed // SLOWER_BY
        if wall < slowest:
            wall = slowest if slowest - wall <= WORKED_OFF_NS else self._last + elapsed
        self._last = wall
        self._steady_last = steady
        return wall // 1000

    def floor(self, at: Micros) -> None:
        """Answer nothing before `at` from now on: the last time on the tape, given once at the start."""
        ns = at * 1000
        if ns > self._last:
            ahead = ns - self._wall()
            self._last = ns
            self._steady_last = self._steady()
            if ahead > NOTICED_NS:
                self._noticed(-ahead)

    @property
    def lead(self) -> float:
        """By how many seconds the last answer is ahead of wall time; 0 while wall time is followed."""
        return max(0, self._last - self._wall()) / 1e9

    def _noticed(self, change_ns: int) -> None:
        seconds = change_ns / 1e9
        self.steps.append(seconds)
        if self._jump is not None:
            self._jump(seconds)


class FakeClock(Clock):
    """The same clock over hands that a test or a replay moves; it stands still otherwise."""

    __slots__ = ("_steady_ns", "_wall_ns")

    def __init__(self, start: Micros = 1_795_305_600_000_000, *, jump: Callable[[float], None] | None = None) -> None:
        """`start` is 2026-11-22T00:00Z unless told otherwise."""
        self._wall_ns = start * 1000
        self._steady_ns = 0
        super().__init__(wall=lambda: self._wall_ns, steady=lambda: self._steady_ns, jump=jump)

    def advance(self, duration: Micros) -> Micros:
        """Let time pass on both hands; returns the new time. Raises ValueError for a negative duration."""
        if duration < 0:
            raise ValueError("time does not pass backwards; step() sets the wall clock back")
        self._wall_ns += duration * 1000
        self._steady_ns += duration * 1000
        return self.now()

    def step(self, change: Micros) -> None:
        """Set the wall clock forward or back, as an operator or NTP would; no time passes."""
        self._wall_ns += change * 1000
