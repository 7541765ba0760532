"""History in one SQLite file, for sites without a time-series database: raw points, and minutes and hours made of them.

Knows neither the ledger nor any other database; its time is handed in.

Three tiers, each with its own retention: raw, one-minute and one-hour buckets (low, high, total, samples). Every table
is clustered by (slot, series, at), where a slot is a day of raw points, a week of minutes or a year of hours: a series
reads in a few seeks, old slots are cut off at the front, and new points go to the back of the table.

Writing the same points again changes nothing, in the buckets too: after an insert each touched minute is made anew from
its raw points, and each touched hour from its minutes. A bucket is only ever replaced by one of as many samples or
more, so what has outlived its raw points is kept.
"""

from __future__ import annotations

import asyncio
import json
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from monitor.ports import Bucket, NeverWill, Point, TryAgain
from rules.model import HOUR, MINUTE, Micros

DAY: Micros = 24 * HOUR
NS = 1000
"""Nanoseconds in a microsecond."""
LARGEST_NS = 2**63 - 1
KEPT_SERIES = 200_000
"""Series whose numbers are kept in memory; beyond it they are looked up anew."""
SLICE = 2_000
"""Rows cut off by one write at least; twice as many as it adds when that is more."""

Answer = TypeVar("Answer")


class Tier(NamedTuple):
    """A table of the file."""

    table: str
    unit: Micros
    """What its `at` counts since the epoch; 0 for raw points, which count nanoseconds."""
    slot: Micros
    """How much time one slot holds: whole units of the tier that is made of this one."""


RAW = Tier("raw", 0, DAY)
TEXT = Tier("text", 0, DAY)
MINUTES = Tier("minute", MINUTE, 7 * DAY)
HOURS = Tier("hour", HOUR, 365 * DAY)

VERSION = 1
"""Of the file's tables."""

_SCHEMA = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE IF NOT EXISTS series(
    id INTEGER PRIMARY KEY, device TEXT NOT NULL, kind TEXT NOT NULL, quantity TEXT NOT NULL,
    zone TEXT NOT NULL, UNIQUE(device, kind, quantity));
CREATE TABLE IF NOT EXISTS raw(
    slot INTEGER NOT NULL, series INTEGER NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL,
    PRIMARY KEY(slot, series, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS text(
    slot INTEGER NOT NULL, series INTEGER NOT NULL, at INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY(slot, series, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS minute(
    slot INTEGER NOT NULL, series INTEGER NOT NULL, at INTEGER NOT NULL,
    low REAL NOT NULL, high REAL NOT NULL, total REAL NOT NULL, samples INTEGER NOT NULL,
    PRIMARY KEY(slot, series, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hour(
    slot INTEGER NOT NULL, series INTEGER NOT NULL, at INTEGER NOT NULL,
    low REAL NOT NULL, high REAL NOT NULL, total REAL NOT NULL, samples INTEGER NOT NULL,
    PRIMARY KEY(slot, series, at)) WITHOUT ROWID;
"""

_KEEP_THE_FULLER = """
ON CONFLICT DO UPDATE SET low=excluded.low, high=excluded.high, total=excluded.total, samples=excluded.samples
WHERE excluded.samples >= samples"""

_TO_MINUTE = (
    "INSERT INTO minute"  # noqa: S608 (nothing but our own words is joined, here and below)
    " SELECT :to_slot, :series, :at, min(value), max(value), sum(value), count(*) FROM raw"
    " WHERE slot=:slot AND series=:series AND at>=:first AND at<:last" + _KEEP_THE_FULLER
)
_TO_HOUR = (
    "INSERT INTO hour"  # noqa: S608
    " SELECT :to_slot, :series, :at, min(low), max(high), sum(total), sum(samples) FROM minute"
    " WHERE slot=:slot AND series=:series AND at>=:first AND at<:last" + _KEEP_THE_FULLER
)


class EmbeddedHistory:
    """The port `monitor.ports.History` on a SQLite file. `now` tells the time for retention (µs since the epoch).

    `raw_days`, `minute_days` and `hour_days` say how long each tier is kept; they must not fall. One thread writes, one
    reads; both start at the first use.
    """

    def __init__(
        self,
        path: Path,
        *,
        raw_days: float = 7,
        minute_days: float = 90,
        hour_days: float = 5 * 365,
        now: Callable[[], Micros] = lambda: time.time_ns() // NS,
    ) -> None:
        if not 0 < raw_days <= minute_days <= hour_days:
            raise ValueError("retention must be positive and must not fall from raw to minutes to hours")
        self._path = path
        self._now = now
        self._keep = (
            (RAW, round(raw_days * DAY)),
            (TEXT, round(raw_days * DAY)),
            (MINUTES, round(minute_days * DAY)),
            (HOURS, round(hour_days * DAY)),
        )
        self._series: dict[tuple[str, str, str], int] = {}
        self._opening = threading.Lock()
        self._write_thread = ThreadPoolExecutor(1, "history-write")
        self._read_thread = ThreadPoolExecutor(1, "history-read")
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None

    async def write(self, points: Sequence[Point]) -> None:
        """See the port: one durable transaction."""
        await self._in(self._write_thread, lambda: self._write(points))

    async def read(
        self, device: str, kind: str, quantity: str, start: Micros, stop: Micros, limit: int
    ) -> list[tuple[Micros, float]]:
        """See the port; only raw points, so not beyond their retention."""
        return await self._in(self._read_thread, lambda: self._read(device, kind, quantity, start, stop, limit))

    async def buckets(
        self, device: str, kind: str, quantity: str, start: Micros, stop: Micros, step: Micros
    ) -> list[Bucket]:
        """See the port; from hours or minutes when `step` is a multiple of them, else from raw points.

        Whole buckets, also where the range begins or ends inside one.
        """
        return await self._in(self._read_thread, lambda: self._buckets(device, kind, quantity, start, stop, step))

    async def check(self) -> str:
        """Writable, and how large."""
        await self.write([])
        size = await self._in(self._read_thread, lambda: self._path.stat().st_size)
        return f"{self._path}: writable, {size / 1e6:.1f} MB"

    async def aclose(self) -> None:
        """Wait for what is being done, and close the file. Nothing may be asked afterwards."""
        await asyncio.to_thread(self._close)

    async def _in(self, thread: ThreadPoolExecutor, work: Callable[[], Answer]) -> Answer:
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, work)
        except UnicodeEncodeError:
            raise NeverWill("a text holds half a character (a lone surrogate) that cannot be stored") from None
        except (sqlite3.Error, OSError) as error:
            raise TryAgain(f"{self._path}: {error}; check the disk's space and the file's permissions") from error

    # --- on the writing thread ---

    def _write(self, points: Sequence[Point]) -> None:
        db = self._writer
        if db is None:
            db = self._writer = self._open()
        db.execute("BEGIN IMMEDIATE")
        try:
            rows, texts = self._rows(db, points)
            db.executemany("INSERT OR REPLACE INTO raw VALUES(?,?,?,?)", rows)
            db.executemany("INSERT OR REPLACE INTO text VALUES(?,?,?,?)", texts)
            _roll_up(db, rows)
            self._cut(db, max(SLICE, 2 * len(rows)))
            db.execute("COMMIT")
        except BaseException:
            # Series that were numbered in this transaction do not exist after it.
            self._series.clear()
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _rows(
        self, db: sqlite3.Connection, points: Sequence[Point]
    ) -> tuple[list[tuple[int, int, int, float]], list[tuple[int, int, int, str]]]:
        rows: list[tuple[int, int, int, float]] = []
        texts: list[tuple[int, int, int, str]] = []
        known = self._series
        for device, kind, zone, at_ns, values in points:
            if not 0 <= at_ns <= LARGEST_NS:
                raise NeverWill(f"{device}: the time {at_ns} ns is outside 1970 to 2262")
            slot = at_ns // (DAY * NS)
            for quantity, value in values.items():
                series = known.get((device, kind, quantity)) or self._number(db, device, kind, quantity, zone)
                if isinstance(value, str):
                    texts.append((slot, series, at_ns, value))
                elif math.isfinite(value):
                    rows.append((slot, series, at_ns, float(value)))
                else:
                    raise NeverWill(f"{device}: {quantity} is {value}, not a number")
        return rows, texts

    def _number(self, db: sqlite3.Connection, device: str, kind: str, quantity: str, zone: str) -> int:
        """The series' number; a new one is made."""
        if not device or not kind or not quantity:
            raise NeverWill(f"{device or 'a point'}: a series needs a device, a kind and a quantity")
        (number,) = db.execute(
            "INSERT INTO series(device, kind, quantity, zone) VALUES(?,?,?,?)"
            " ON CONFLICT DO UPDATE SET zone=excluded.zone RETURNING id",
            (device, kind, quantity, zone),
        ).fetchone()
        if len(self._series) >= KEPT_SERIES:
            self._series.clear()
        self._series[device, kind, quantity] = int(number)
        return int(number)

    def _cut(self, db: sqlite3.Connection, rows: int) -> None:
        """Cut off at most so many rows of the slots whose retention is over as a whole."""
        now = self._now()
        for tier, keep in self._keep:
            first_kept = (now - keep) // tier.slot
            (oldest,) = db.execute(f"SELECT min(slot) FROM {tier.table}").fetchone()  # noqa: S608 (our own table)
            if oldest is not None and oldest < first_kept:
                db.execute(
                    f"DELETE FROM {tier.table} WHERE (slot, series, at) IN"  # noqa: S608 (our own table)
                    f" (SELECT slot, series, at FROM {tier.table} WHERE slot<? LIMIT ?)",
                    (first_kept, rows),
                )

    def _open(self) -> sqlite3.Connection:
        """A connection to the file, which is made when it is not there. For both threads."""
        with self._opening:
            db = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
            try:
                _refuse_newer(db)
                db.execute("PRAGMA journal_mode=WAL")
                # The lane forgets what we say is written: it must be on the disk, not on its way there.
                db.execute("PRAGMA synchronous=FULL")
                db.executescript(_SCHEMA)
            except BaseException:
                db.close()
                raise
        return db

    # --- on the reading thread ---

    def _seek(self, device: str, kind: str, quantity: str) -> tuple[sqlite3.Connection, int | None]:
        db = self._reader
        if db is None:
            db = self._reader = self._open()
            db.execute("PRAGMA query_only=1")
        found = db.execute(
            "SELECT id FROM series WHERE device=? AND kind=? AND quantity=?", (device, kind, quantity)
        ).fetchone()
        return db, int(found[0]) if found else None

    def _read(
        self, device: str, kind: str, quantity: str, start: Micros, stop: Micros, limit: int
    ) -> list[tuple[Micros, float]]:
        db, series = self._seek(device, kind, quantity)
        points: list[tuple[Micros, float]] = []
        if series is None:
            return points
        # Slot by slot, and no further than the limit asks.
        for slot in _slots(db, RAW, start, stop):
            points += db.execute(
                "SELECT at/1000, value FROM raw WHERE slot=? AND series=? AND at>=? AND at<? ORDER BY at LIMIT ?",
                (slot, series, _bounded(start * NS), _bounded(stop * NS), max(limit - len(points), 0)),
            ).fetchall()
            if len(points) >= limit:
                break
        return points

    def _buckets(
        self, device: str, kind: str, quantity: str, start: Micros, stop: Micros, step: Micros
    ) -> list[Bucket]:
        db, series = self._seek(device, kind, quantity)
        if series is None or start >= stop:
            return []
        start, stop = start // step * step, -(-stop // step) * step
        tier = next((t for t in (HOURS, MINUTES) if step % t.unit == 0), RAW)
        if tier is RAW:
            columns = "min(value), avg(value), max(value), count(*)"
            first, last, length = start * NS, stop * NS, step * NS
        else:
            columns = "min(low), sum(total)/sum(samples), max(high), sum(samples)"
            first, last, length = start // tier.unit, stop // tier.unit, step // tier.unit
        found = db.execute(
            f"SELECT at/:length, {columns} FROM {tier.table}"  # noqa: S608 (our own names)
            " WHERE slot IN (SELECT value FROM json_each(:slots)) AND series=:series AND at>=:first AND at<:last"
            " GROUP BY 1 ORDER BY 1",
            {
                "length": length,
                "slots": json.dumps(_slots(db, tier, start, stop)),
                "series": series,
                "first": _bounded(first),
                "last": _bounded(last),
            },
        )
        return [Bucket(number * step, low, mean, high, samples) for number, low, mean, high, samples in found]

    # --- on any thread, at the end ---

    def _close(self) -> None:
        for thread in (self._write_thread, self._read_thread):
            thread.shutdown(wait=True)
        for db in (self._reader, self._writer):
            if db is not None:
                db.close()
        self._reader = self._writer = None


def _refuse_newer(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise sqlite3.DatabaseError(
            f"a newer Wanglou made this file (version {version}): use that one, or another file"
        )


def _roll_up(db: sqlite3.Connection, rows: Sequence[tuple[int, int, int, float]]) -> None:
    """Make the minutes that these raw rows touch anew, then their hours."""
    minutes = sorted({(series, at // (MINUTE * NS)) for _, series, at, _ in rows})
    hours = sorted({(series, minute // 60) for series, minute in minutes})
    ns = MINUTE * NS
    db.executemany(_TO_MINUTE, [_step(RAW, MINUTES, series, n, n * ns, (n + 1) * ns) for series, n in minutes])
    db.executemany(_TO_HOUR, [_step(MINUTES, HOURS, series, n, n * 60, (n + 1) * 60) for series, n in hours])


def _step(source: Tier, target: Tier, series: int, number: int, first: int, last: int) -> dict[str, int]:
    # A unit of the target never straddles two slots of its source: days, weeks and years are whole hours.
    begin = number * target.unit
    return {
        "slot": begin // source.slot,
        "to_slot": begin // target.slot,
        "series": series,
        "at": number,
        "first": first,
        "last": last,
    }


def _slots(db: sqlite3.Connection, tier: Tier, start: Micros, stop: Micros) -> list[int]:
    """The slots of [start, stop) between the oldest and the newest that the table has."""
    oldest, newest = db.execute(f"SELECT min(slot), max(slot) FROM {tier.table}").fetchone()  # noqa: S608
    if oldest is None or start >= stop:
        return []
    return list(range(max(start // tier.slot, oldest), min((stop - 1) // tier.slot, newest) + 1))


def _bounded(number: int) -> int:
    """SQLite's integers have 64 bits; a range that asks for more means the end of time."""
    return max(min(number, LARGEST_NS), -LARGEST_NS)
