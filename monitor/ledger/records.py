"""The ledger's records of incidents, their timelines and pushes, read: beside a daemon that writes them, or as its reading half.

Knows the tables; takes no lock and never writes.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from monitor.ledger.connection import FILE, LedgerError, connect, one
from monitor.ledger.rows import ENTRIES, PUSHES, entry, push, suppression
from monitor.ledger.schema import MIGRATIONS
from monitor.ports import OutboxRow, TimelineRow
from rules.model import Incident, Micros, Suppression
from rules.response import incident_from_plain

Result = TypeVar("Result")


class Records:
    """See monitor.ports.Records for the contract. One thread reads; what it reads it also parses, so the event loop waits for neither."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._reading = db
        self._reader = ThreadPoolExecutor(1, "ledger-reader")
        (self.identity,) = db.execute("SELECT value FROM fact WHERE name = 'ledger'").fetchone()
        """The ledger's random number, which every chain of its timelines begins with."""

    async def close(self) -> None:
        """Finish what runs."""
        await asyncio.get_running_loop().run_in_executor(None, self._reader.shutdown)
        self._reading.close()

    async def pushes_of(self, incident: str) -> list[OutboxRow]:
        """Oldest first."""
        return [push(row) for row in await self._select(f"{PUSHES} WHERE incident = ? ORDER BY number", (incident,))]

    async def incidents(
        self, *, open_only: bool = False, since: Micros = 0, before: Micros | None = None, station: str | None = None,
        limit: int = 100,
    ) -> list[Incident]:  # fmt: skip
        """Newest first."""
        where = ["raised_at >= ?", "raised_at < ?"]
        values: list[Any] = [since, 1 << 62 if before is None else before]
        if open_only:
            where.append("is_open = 1")
        if station is not None:
            where.append("station = ?")
            values.append(station)
        sql = f"SELECT record FROM incident WHERE {' AND '.join(where)} ORDER BY raised_at DESC, id DESC LIMIT ?"  # noqa: S608

        def read() -> list[Incident]:
            rows = self._reading.execute(sql, (*values, limit)).fetchall()
            return [incident_from_plain(json.loads(record)) for (record,) in rows]

        return await self._read(read)

    async def incident(self, incident_id: str) -> Incident | None:
        """One incident."""
        rows = await self._select("SELECT record FROM incident WHERE id = ?", (incident_id,))
        return incident_from_plain(json.loads(rows[0][0])) if rows else None

    async def timeline(self, incident_id: str) -> list[TimelineRow]:
        """Oldest first."""
        return [entry(row) for row in await self._select(f"{ENTRIES} WHERE incident = ? ORDER BY id", (incident_id,))]

    async def timelines(self, incidents: Sequence[str], steps: Collection[str] = ()) -> list[TimelineRow]:
        """Of several incidents, oldest first."""
        # As one JSON text each: a statement takes only so many values.
        some = "incident IN (SELECT value FROM json_each(?)) AND (? OR step IN (SELECT value FROM json_each(?)))"
        sql = f"{ENTRIES} WHERE {some} ORDER BY id"
        values = (json.dumps(list(incidents)), not steps, json.dumps(list(steps)))
        return await self._read(lambda: [entry(row) for row in self._reading.execute(sql, values)])

    async def suppressions(self, *, open_only: bool = False, limit: int = 1000) -> list[Suppression]:
        """Newest first."""
        where = "WHERE ended_at IS NULL" if open_only else ""
        sql = f"SELECT record FROM suppression {where} ORDER BY since DESC, id DESC LIMIT ?"  # noqa: S608 - two constants
        return [suppression(record) for (record,) in await self._select(sql, (limit,))]

    async def _read(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)

    async def _select(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return await self._read(lambda: self._reading.execute(sql, values).fetchall())


@asynccontextmanager
async def opened_records(folder: Path) -> AsyncIterator[Records]:
    """The records in a data folder; a daemon may be writing them. Raises LedgerError."""
    records = Records(beside(folder))
    try:
        yield records
    finally:
        await records.close()


def beside(folder: Path) -> sqlite3.Connection:
    """A reading connection to the ledger of a data folder, which must have this program's version. Raises LedgerError."""
    path = folder / FILE
    if not path.exists():
        raise LedgerError(f"there is no ledger in {folder}")
    try:
        db = connect(path, read_only=True)
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"{path} cannot be read: {error}") from None
    if (version := one(db, "PRAGMA user_version")) != len(MIGRATIONS):
        db.close()
        raise LedgerError(
            f"the ledger in {folder} has version {version}, this program reads version {len(MIGRATIONS)}: "
            "start the daemon of this version once, or use the program that wrote it"
        )
    return db
