"""The history lane: follows the ledger's tape by its own cursor and carries every reading into the long memory.

Knows neither a database nor what a row of the tape means: it is handed a History and a function that turns records into
points.

Nothing is lost: the cursor moves only after a write. What may work later waits, for as long as it takes. A point that
the database will never take is found by halving its batch, and set aside in the quarantine with the database's own
words. But a database that takes nothing at all is an operator's mistake: beyond `REFUSALS` refused points on end, with
not one accepted between them, they are not set aside; they wait like in an outage, and are reported like one.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from monitor.ports import History, Ledger, NeverWill, Point, Quarantined, TapeRecord, TryAgain
from rules.model import Micros

CURSOR = "history"
REFUSALS = 20
REFUSED = "history-refused"
"""The reason that a poisonous point is quarantined with."""
FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
LONGEST_ASKED = 600.0
"""Seconds: the back-off, and how long the database's own wish (`TryAgain.after`) is obeyed at most."""
PAYLOAD_BYTES = 2048


class Poison(NamedTuple):
    """A point that the database will never take, and why."""

    point: Point
    reason: str


class Gathered(NamedTuple):
    """What one round carries over."""

    points: list[Point]
    last: int
    """The last row of the tape that they come from."""
    missed: int
    """Rows before it that the tape no longer has."""


class HistoryLane:
    """One lane: `run` it as a task, `wake` it after every commit, `finish` it at shutdown.

    `report(True, why)` is called once when trouble begins, `report(False, "")` once when it is over. `linger` is how
    many seconds it lets rows gather after it was woken, so that a trickle of readings does not become one of requests.

    The counters only grow: `written` and `poisoned` points, `failures` (attempts to be made again), `missed` rows (cut
    off the tape before they were read). Anything but a PortError of the history ends `run`; it can be run again.
    """

    def __init__(
        self,
        ledger: Ledger,
        history: History,
        to_points: Callable[[TapeRecord], list[Point]],
        *,
        report: Callable[[bool, str], None],
        name: str = CURSOR,
        clock: Callable[[], Micros],
        batch: int = 5000,
        linger: float = 0.5,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._ledger = ledger
        self._name = name
        self._history = history
        self._to_points = to_points
        self._report = report
        self._clock = clock
        self._batch = batch
        self._linger = linger
        self._sleep = sleep
        self._rng = rng or random.Random()
        self._woken = asyncio.Event()
        self._finishing = asyncio.Event()
        self._cursor = 0
        self._head = 0
        self._troubled = False
        self._delays = 0
        self._refused = 0
        """Points refused on end, since the database took one."""
        self.written = 0
        self.poisoned = 0
        self.failures = 0
        self.missed = 0

    @property
    def lag(self) -> int:
        """How many rows of the tape are not in the history yet, as far as this lane has been told."""
        return max(0, self._head - self._cursor)

    def wake(self, last_seq: int = 0) -> None:
        """There are new rows; `last_seq` is the last of them, for `lag`."""
        self._head = max(self._head, last_seq)
        self._woken.set()

    def finish(self) -> None:
        """Let `run` return once the tape's end is written, or at the first trouble: the cursor remembers the rest."""
        self._finishing.set()
        self._woken.set()

    async def run(self) -> None:
        """Follow the tape until `finish` or cancellation, which is safe at any moment."""
        self._cursor = await self._ledger.cursor(self._name)
        self._head = max(self._head, (await self._ledger.size()).last_seq)
        while True:
            self._woken.clear()
            gathered = await self._gather()
            if gathered.last == self._cursor:
                if self._finishing.is_set():
                    return
                await self._woken.wait()
                await self._pause(self._linger)
                continue
            try:
                poison = await self._deliver(gathered.points)
            except TryAgain as error:
                self._note_trouble(error)
                if self._finishing.is_set():
                    return
                await self._back_off(error)
                continue
            await self._settle(gathered, poison)

    async def _gather(self) -> Gathered:
        """The points of the next records, about a batch of them."""
        points: list[Point] = []
        last, missed = self._cursor, 0
        while len(points) < self._batch:
            records = await self._ledger.tape_after(last)
            if not records:
                break
            for record in records:
                # At cursor 0 an older tape than ours is none of our loss.
                if last and record.first_seq > last + 1:
                    missed += record.first_seq - last - 1
                points += self._to_points(record)
                last = record.first_seq + len(record.rows) - 1
        self._head = max(self._head, last)
        return Gathered(points, last, missed)

    async def _settle(self, gathered: Gathered, poison: Sequence[Poison]) -> None:
        aside = [self._set_aside(p) for p in poison]
        if gathered.missed:
            aside.append(self._gap(gathered.missed))
        if aside:
            await self._ledger.quarantine(aside)
        await self._ledger.move_cursor(self._name, gathered.last)
        self._cursor = gathered.last
        self.written += len(gathered.points) - len(poison)
        self.poisoned += len(poison)
        self.missed += gathered.missed
        self._delays = 0
        if self._troubled:
            self._troubled = False
            self._report(False, "")

    def _note_trouble(self, error: TryAgain) -> None:
        self.failures += 1
        if not self._troubled:
            self._troubled = True
            self._report(True, str(error))

    async def _back_off(self, error: TryAgain) -> None:
        ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2.0**self._delays)
        self._delays = min(self._delays + 1, 16)
        delay = ceiling * self._rng.uniform(0.5, 1.0)
        await self._pause(max(delay, min(error.after or 0.0, LONGEST_ASKED)))
        self._head = max(self._head, (await self._ledger.size()).last_seq)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not on when `finish` is called."""
        sleeping = asyncio.ensure_future(self._sleep(seconds))
        finishing = asyncio.ensure_future(self._finishing.wait())
        try:
            await asyncio.wait((sleeping, finishing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            finishing.cancel()

    # --- one batch ---

    async def _deliver(self, points: Sequence[Point]) -> list[Poison]:
        """Write them all; return those that the database will never take. Raises TryAgain: write all of it again."""
        poison: list[Poison] = []
        for begin in range(0, len(points), self._batch):
            chunk = points[begin : begin + self._batch]
            reason = await self._refusal(chunk)
            if reason is not None:
                poison += await self._isolate(chunk, reason)
        return poison

    async def _refusal(self, points: Sequence[Point]) -> str | None:
        """Write; None when they were taken, else why never."""
        try:
            await self._history.write(points)
        except NeverWill as error:
            return str(error)
        self._refused = 0
        return None

    async def _isolate(self, chunk: Sequence[Point], reason: str) -> list[Poison]:
        """Halve what was refused until the poison stands alone; everything else of it is written."""
        poison: list[Poison] = []
        refused = [(chunk, reason)]
        while refused:
            part, reason = refused.pop()
            if len(part) == 1:
                if self._refused >= REFUSALS:
                    await self._insist_on_one(chunk, reason)
                self._refused += 1
                poison.append(Poison(part[0], reason))
                continue
            middle = len(part) // 2
            for half in (part[middle:], part[:middle]):
                why = await self._refusal(half)
                if why is not None:
                    refused.append((half, why))
        return poison

    async def _insist_on_one(self, chunk: Sequence[Point], reason: str) -> None:
        """Does the database take any point at all? Asked with a few at random, new ones each time. Raises TryAgain."""
        for point in self._rng.sample(chunk, min(REFUSALS, len(chunk))):
            if await self._refusal([point]) is None:
                return
        raise TryAgain(f"the history refuses every reading, so they wait until it is put right: {reason}")

    def _gap(self, rows: int) -> Quarantined:
        detail = (
            f"{rows} rows of the tape were cut off before the history had them: keep the tape longer than its outages"
        )
        return Quarantined(self._clock(), "history-missed", detail, "", b"")

    def _set_aside(self, poison: Poison) -> Quarantined:
        point = poison.point
        payload = json.dumps(
            {"kind": point.kind, "zone": point.zone, "at_ns": point.at_ns, "values": dict(point.values)}, default=str
        )
        return Quarantined(
            self._clock(),
            REFUSED,
            f"the history will not take this reading of {point.device}: {poison.reason}",
            point.device,
            payload.encode(errors="replace")[:PAYLOAD_BYTES],
        )
