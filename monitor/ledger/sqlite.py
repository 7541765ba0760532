"""The ledger on SQLite: one file, one writer thread, one durable transaction per batch.

Knows the tables and nothing of what the rows mean. WAL with synchronous=FULL: a commit that was awaited survives a power cut. One
record of the tape is one row, so a batch of a thousand messages costs one insert and the interpreter's lock is not fought over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from monitor.chain import first_link
from monitor.ledger.connection import FILE, connect, lock, one, opened, roll_back
from monitor.ledger.records import Records
from monitor.ledger.rows import ENTRIES, PUSHES, entry, push, quarantine, statements
from monitor.ports import Batch, LedgerSize, OutboxRow, Quarantined, TapeRecord, TimelineRow, Unregistered
from monitor.tape import pack, unpack
from rules.model import Micros

SLICE = 64
"""Tape records that one step of pruning deletes, so that no alarm waits for it."""

PUSHES_SLICE = 500

Result = TypeVar("Result")

_FORGET_PUSHES = """DELETE FROM push WHERE number IN (SELECT number FROM push WHERE at < ? ORDER BY number LIMIT ?)
                    AND outcome NOT IN ('pending', 'retry')"""


class SqliteLedger(Records):
    """See monitor.ports.Ledger for the contract. `close` when done."""

    def __init__(self, folder: Path) -> None:
        """Open or create the ledger in `folder`, alone. Raises LedgerError, sqlite3.Error, OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        self._lock = lock(folder / "lock")
        try:
            self._db = opened(self.path)
        except BaseException:
            self._lock.close()
            raise
        super().__init__(connect(self.path, read_only=True))
        self._writer = ThreadPoolExecutor(1, "ledger-writer")
        self.last_seq = one(
            self._db,
            "SELECT max(coalesce((SELECT max(last_seq) FROM tape), 0), coalesce((SELECT max(seq) FROM snapshot), 0))",
        )
        self.tape_bytes = one(self._db, "SELECT coalesce(sum(length(record)), 0) FROM tape")

    async def close(self) -> None:
        """Finish what runs and close the file; the write-ahead log is folded in."""
        await asyncio.get_running_loop().run_in_executor(None, self._writer.shutdown)
        await super().close()
        self._db.close()
        self._lock.close()

    # --- writing -----------------------------------------------------------------------------------------------------

    async def commit(self, batch: Batch) -> int:
        """One durable transaction; the number of its last row."""
        return await self._write(lambda: self._commit(batch))

    async def move_cursor(self, name: str, seq: int) -> None:
        """Durably remember how far a reader has come."""
        await self._write(lambda: self._transact([("INSERT OR REPLACE INTO cursor VALUES (?, ?)", [(name, seq)])]))

    async def quarantine(self, items: Sequence[Quarantined]) -> None:
        """Set aside and count."""
        await self._write(lambda: self._transact(quarantine(items)))

    async def prune(self, *, older_than: Micros, max_bytes: int, readers: Collection[str] = ()) -> tuple[int, bool]:
        """Delete one slice of the oldest tape records that are too old or too many.

        `readers` are the cursors that must have come past a record before its age counts; one that never moved holds everything.
        Returns (records deleted, whether the bound on bytes took records that one of them had not read yet). What the newest snapshot
        needs for a restart always stays. Settled pushes go by age as well; incidents and their timelines are kept for ever.
        """
        return await self._write(lambda: self._prune(older_than, max_bytes, readers))

    def _commit(self, batch: Batch) -> int:
        db, first = self._db, self.last_seq + 1
        last = self.last_seq + len(batch.rows)
        record = pack(batch.rows) if batch.rows else b""
        db.execute("BEGIN IMMEDIATE")
        try:
            if record:
                db.execute(
                    "INSERT INTO tape VALUES (?, ?, ?, ?, ?)", (first, last, batch.first_at, batch.last_at, record)
                )
            for sql, rows in statements(batch, last, self._link_of):
                db.executemany(sql, rows)
            db.execute("COMMIT")
        except BaseException:
            roll_back(db)
            raise
        self.last_seq = last
        self.tape_bytes += len(record)
        return last

    def _link_of(self, incident: str) -> str:
        sql = "SELECT hash FROM entry WHERE incident = ? ORDER BY id DESC LIMIT 1"
        row = self._db.execute(sql, (incident,)).fetchone()
        return str(row[0]) if row else first_link(self.identity, incident)

    def _transact(self, statements: Sequence[tuple[str, Sequence[tuple[Any, ...]]]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for sql, rows in statements:
                self._db.executemany(sql, rows)
            self._db.execute("COMMIT")
        except BaseException:
            roll_back(self._db)
            raise

    def _prune(self, older_than: Micros, max_bytes: int, readers: Collection[str]) -> tuple[int, bool]:
        db = self._db
        needed = one(db, "SELECT coalesce(max(seq), 0) FROM snapshot")
        cursors = dict(db.execute("SELECT name, seq FROM cursor"))
        unread = min((cursors.get(reader, 0) for reader in readers), default=needed)
        rows = db.execute(
            "SELECT first_seq, last_seq, last_at, length(record) FROM tape WHERE last_seq <= ? ORDER BY first_seq LIMIT ?",
            (needed, SLICE),
        ).fetchall()
        doomed, bit, excess = [], False, self.tape_bytes - max_bytes
        for first_seq, last_seq, last_at, size in rows:
            too_many = excess > 0
            if not too_many and (last_at >= older_than or last_seq > unread):
                break
            bit = bit or last_seq > unread
            doomed.append((first_seq,))
            excess -= size
        self._transact([(_FORGET_PUSHES, [(older_than, PUSHES_SLICE)])])
        if doomed:
            self._transact([("DELETE FROM tape WHERE first_seq = ?", doomed)])
            self.tape_bytes = excess + max_bytes
        return len(doomed), bit

    # --- reading -----------------------------------------------------------------------------------------------------

    async def tape_after(self, seq: int, records: int = 8) -> list[TapeRecord]:
        """Records whose last row comes after `seq`, oldest first."""
        # By the primary key alone: the record that holds seq + 1 is the last one that begins at or before it.
        sql = """SELECT first_seq, first_at, last_at, record FROM tape
                 WHERE first_seq >= coalesce((SELECT max(first_seq) FROM tape WHERE first_seq <= ?), 0) AND last_seq > ?
                 ORDER BY first_seq LIMIT ?"""

        def read() -> list[TapeRecord]:
            rows = self._reading.execute(sql, (seq + 1, seq, records)).fetchall()
            return [TapeRecord(first, first_at, last_at, unpack(record)) for first, first_at, last_at, record in rows]

        return await self._read(read)

    async def cursor(self, name: str) -> int:
        """0 for a reader that never came."""
        rows = await self._select("SELECT seq FROM cursor WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else 0

    async def snapshot(self) -> tuple[int, bytes] | None:
        """The newest."""
        rows = await self._select("SELECT seq, state FROM snapshot ORDER BY seq DESC LIMIT 1")
        return (rows[0][0], rows[0][1]) if rows else None

    async def open_pushes(self) -> list[OutboxRow]:
        """Oldest first."""
        return [
            push(row) for row in await self._select(f"{PUSHES} WHERE outcome IN ('pending', 'retry') ORDER BY number")
        ]

    async def entries_after(self, entry_id: int, limit: int = 500) -> list[TimelineRow]:
        """Oldest first."""
        return [
            entry(row) for row in await self._select(f"{ENTRIES} WHERE id > ? ORDER BY id LIMIT ?", (entry_id, limit))
        ]

    async def quarantined(self, limit: int = 100) -> list[Quarantined]:
        """Newest first."""
        rows = await self._select(
            "SELECT at, reason, detail, topic, payload FROM quarantine ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [Quarantined(*row) for row in rows]

    async def unregistered(self, limit: int = 100) -> list[Unregistered]:
        """The latest heard first."""
        sql = "SELECT device, messages, first_at, last_at, topic, sample FROM stranger ORDER BY last_at DESC, device LIMIT ?"
        return [Unregistered(*row) for row in await self._select(sql, (limit,))]

    async def counts(self) -> dict[str, int]:
        """The account."""
        return dict(await self._select("SELECT name, n FROM account"))

    async def size(self) -> LedgerSize:
        """How large it is."""
        sql = """SELECT coalesce((SELECT min(first_seq) FROM tape), 0),
                        (SELECT count(*) FROM push WHERE outcome IN ('pending', 'retry')),
                        (SELECT count(*) FROM incident WHERE is_open = 1),
                        coalesce((SELECT max(id) FROM entry), 0)"""
        first, pushes, incidents, entry_id = (await self._select(sql))[0]
        file_bytes = self.path.stat().st_size
        return LedgerSize(self.last_seq, first, self.tape_bytes, file_bytes, pushes, incidents, entry_id)

    # --- threads -----------------------------------------------------------------------------------------------------

    async def _write(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)
