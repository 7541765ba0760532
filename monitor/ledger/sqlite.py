"""The ledger on SQLite: one file, one writer thread, one durable transaction per batch.

Knows the tables and nothing of what the rows mean. WAL with synchronous=FULL: a commit that was awaited survives a power cut. One
record of the tape is one row, so a batch of a thousand messages costs one insert and the interpreter's lock is not fought over.

    LedgerError
    ├── LedgerInUse       another daemon holds this ledger
    └── LedgerTooNew      written by a newer version than this one
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from monitor.ledger.schema import MIGRATIONS
from monitor.ports import Batch, LedgerSize, Message, OutboxRow, Quarantined, TapeRecord, TimelineRow, Unregistered
from monitor.tape import MESSAGE, message_of, pack, unpack
from rules.model import Incident, IncidentState, Kind, Micros, Push
from rules.response import incident_from_plain, incident_to_plain

FILE = "ledger.sqlite3"
QUARANTINE_KEPT = 10_000
STRANGERS_KEPT = 10_000
SNAPSHOTS_KEPT = 2
SLICE = 64
"""Tape records that one step of pruning deletes, so that no alarm waits for it."""

Result = TypeVar("Result")


class LedgerError(Exception):
    """The ledger cannot be used; the text says what to do."""


class LedgerInUse(LedgerError):
    """Two daemons on one ledger would each send the station."""


class LedgerTooNew(LedgerError):
    """A file of a newer version is not touched."""


class SqliteLedger:
    """See monitor.ports.Ledger for the contract. `close` when done."""

    def __init__(self, folder: Path) -> None:
        """Open or create the ledger in `folder`, alone. Raises LedgerError, sqlite3.Error, OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        self._lock = _lock(folder / "lock")
        try:
            self._db = connect(self.path)
            migrate(self._db)
        except BaseException:
            self._lock.close()
            raise
        self._reading = connect(self.path, read_only=True)
        self._writer = ThreadPoolExecutor(1, "ledger-writer")
        self._reader = ThreadPoolExecutor(1, "ledger-reader")
        self.last_seq = _one(
            self._db,
            "SELECT max(coalesce((SELECT max(last_seq) FROM tape), 0), coalesce((SELECT max(seq) FROM snapshot), 0))",
        )
        self.tape_bytes = _one(self._db, "SELECT coalesce(sum(length(record)), 0) FROM tape")

    async def close(self) -> None:
        """Finish what runs and close the file; the write-ahead log is folded in."""
        for pool in (self._writer, self._reader):
            await asyncio.get_running_loop().run_in_executor(None, pool.shutdown)
        self._reading.close()
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
        await self._write(lambda: self._transact(_quarantine(items)))

    async def prune(self, *, older_than: Micros, max_bytes: int) -> tuple[int, bool]:
        """Delete one slice of the oldest tape records that are too old or too many.

        Returns (records deleted, whether the bound on bytes took records that the history had not read yet). What the newest
        snapshot needs for a restart always stays.
        """
        return await self._write(lambda: self._prune(older_than, max_bytes))

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
            for sql, rows in _statements(batch, last):
                db.executemany(sql, rows)
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        self.last_seq = last
        self.tape_bytes += len(record)
        return last

    def _transact(self, statements: Sequence[tuple[str, Sequence[tuple[Any, ...]]]]) -> None:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for sql, rows in statements:
                self._db.executemany(sql, rows)

    def _prune(self, older_than: Micros, max_bytes: int) -> tuple[int, bool]:
        db = self._db
        needed = _one(db, "SELECT coalesce(max(seq), 0) FROM snapshot")
        unread = _one(db, "SELECT coalesce(min(seq), ?) FROM cursor", (needed,))
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
            _push(row) for row in await self._select(f"{_PUSHES} WHERE outcome IN ('pending', 'retry') ORDER BY number")
        ]

    async def pushes_of(self, incident: str) -> list[OutboxRow]:
        """Oldest first."""
        return [_push(row) for row in await self._select(f"{_PUSHES} WHERE incident = ? ORDER BY number", (incident,))]

    async def incidents(
        self, *, open_only: bool = False, before: Micros | None = None, limit: int = 100
    ) -> list[Incident]:
        """Newest first."""
        where = "WHERE is_open = 1 AND raised_at < ?" if open_only else "WHERE raised_at < ?"
        sql = f"SELECT record FROM incident {where} ORDER BY raised_at DESC, id DESC LIMIT ?"  # noqa: S608 - two constants
        rows = await self._select(sql, (1 << 62 if before is None else before, limit))
        return [incident_from_plain(json.loads(record)) for (record,) in rows]

    async def incident(self, incident_id: str) -> Incident | None:
        """One incident."""
        rows = await self._select("SELECT record FROM incident WHERE id = ?", (incident_id,))
        return incident_from_plain(json.loads(rows[0][0])) if rows else None

    async def timeline(self, incident_id: str) -> list[TimelineRow]:
        """Oldest first."""
        return [_entry(row) for row in await self._select(f"{_ENTRIES} WHERE incident = ? ORDER BY id", (incident_id,))]

    async def entries_after(self, entry_id: int, limit: int = 500) -> list[TimelineRow]:
        """Oldest first."""
        return [
            _entry(row) for row in await self._select(f"{_ENTRIES} WHERE id > ? ORDER BY id LIMIT ?", (entry_id, limit))
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
                        (SELECT count(*) FROM push WHERE outcome IN ('pending', 'retry')), (SELECT count(*) FROM incident WHERE is_open = 1)"""
        first, pushes, incidents = (await self._select(sql))[0]
        return LedgerSize(self.last_seq, first, self.tape_bytes, self.path.stat().st_size, pushes, incidents)

    # --- threads -----------------------------------------------------------------------------------------------------

    async def _write(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)

    async def _read(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)

    async def _select(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return await self._read(lambda: self._reading.execute(sql, values).fetchall())


_PUSHES = "SELECT at, key, incident, step, channel, kind, expires_at, body, outcome, attempts, reply, next_at FROM push"
_ENTRIES = "SELECT id, at, incident, step, detail FROM entry"


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection as the ledger wants it; transactions are begun by hand."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA busy_timeout = 30000")
    if read_only:
        db.execute("PRAGMA query_only = ON")
    return db


def migrate(db: sqlite3.Connection) -> None:
    """Bring the file to the newest version, each step in a transaction of its own. Raises LedgerTooNew."""
    version = _one(db, "PRAGMA user_version")
    if version > len(MIGRATIONS):
        raise LedgerTooNew(
            f"the ledger has version {version}, this program knows {len(MIGRATIONS)}: run the newer program"
        )
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        db.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")


def backup(folder: Path, target: Path) -> None:
    """Copy the ledger in `folder` to the file `target` while a daemon may be writing it; complete or not there at all.

    Raises FileExistsError, FileNotFoundError, sqlite3.Error, OSError.
    """
    source_path = folder / FILE
    if not source_path.exists():
        raise LedgerError(f"there is no ledger in {folder}")
    if target.exists():
        raise LedgerError(f"{target} exists already; a backup never overwrites")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    source = connect(source_path, read_only=True)
    copy = sqlite3.connect(part)
    try:
        # In one step a writer is not waited for and cannot make the copy start again; readers of a WAL file block nobody.
        source.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode = DELETE")
        verdict = copy.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            raise LedgerError(f"the copy is damaged: {verdict}")
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger cannot be copied: {error}") from None
    finally:
        copy.close()
        source.close()
    with part.open("rb+") as written:
        os.fsync(written.fileno())
    part.rename(target)
    folder_handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder_handle)
    finally:
        os.close(folder_handle)


@contextmanager
def messages_between(folder: Path, begin: Micros, end: Micros) -> Iterator[tuple[Iterator[Message], Micros, Micros]]:
    """(messages, first_at, last_at) of a slice of a ledger's tape; a daemon may be writing it. Raises LedgerError."""
    path = folder / FILE
    if not path.exists():
        raise LedgerError(f"there is no ledger in {folder}")
    with closing(connect(path, read_only=True)) as db:
        first, last = db.execute("SELECT min(first_at), max(last_at) FROM tape").fetchone()
        rows = db.execute(
            "SELECT record FROM tape WHERE last_at >= ? AND first_at < ? ORDER BY first_seq", (begin, end)
        )
        messages = (
            message_of(row)
            for (record,) in rows
            for row in unpack(record)
            if row[0] == MESSAGE and begin <= row[1] < end
        )
        yield messages, max(begin, first or 0), min(end, last or 0)


def _statements(batch: Batch, last: int) -> list[tuple[str, Sequence[tuple[Any, ...]]]]:
    out: list[tuple[str, Sequence[tuple[Any, ...]]]] = []
    if batch.incidents:
        rows = [
            (
                i.id,
                i.state is not IncidentState.CLOSED,
                i.raised_at,
                json.dumps(incident_to_plain(i), ensure_ascii=False),
            )
            for i in batch.incidents.values()
        ]
        out.append(("INSERT OR REPLACE INTO incident VALUES (?, ?, ?, ?)", rows))
    if batch.entries:
        out.append(("INSERT INTO entry (at, incident, step, detail) VALUES (?, ?, ?, ?)", batch.entries))
    if batch.pushes:
        pushed = [
            (
                p.key,
                p.at,
                p.incident,
                p.step,
                p.channel,
                p.kind.value,
                p.expires_at,
                json.dumps(p.body, ensure_ascii=False),
            )
            for p in batch.pushes
        ]
        sql = "INSERT INTO push (key, at, incident, step, channel, kind, expires_at, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        out.append((sql, pushed))
    if batch.settled:
        settled = [(outcome, attempts, reply, next_at, key) for key, outcome, attempts, reply, next_at in batch.settled]
        out.append(("UPDATE push SET outcome = ?, attempts = ?, reply = ?, next_at = ? WHERE key = ?", settled))
    out.extend(_quarantine(batch.quarantined))
    if batch.unregistered:
        strangers = [(device, *rest) for device, rest in batch.unregistered.items()]
        out.append((_STRANGER, strangers))
        out.append(
            (
                "DELETE FROM stranger WHERE device IN (SELECT device FROM stranger ORDER BY last_at DESC LIMIT -1 OFFSET ?)",
                [(STRANGERS_KEPT,)],
            )
        )
    if batch.counts:
        out.append((_ACCOUNT, list(batch.counts.items())))
    if batch.snapshot is not None:
        out.append(("INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?)", [(last, batch.last_at, batch.snapshot)]))
        out.append(
            (
                "DELETE FROM snapshot WHERE seq NOT IN (SELECT seq FROM snapshot ORDER BY seq DESC LIMIT ?)",
                [(SNAPSHOTS_KEPT,)],
            )
        )
    return out


_ACCOUNT = "INSERT INTO account VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = n + excluded.n"
_STRANGER = """INSERT INTO stranger VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (device) DO UPDATE
               SET messages = messages + excluded.messages, last_at = excluded.last_at, topic = excluded.topic, sample = excluded.sample"""


def _quarantine(items: Sequence[Quarantined]) -> list[tuple[str, Sequence[tuple[Any, ...]]]]:
    if not items:
        return []
    kept = [tuple(item) for item in items[-QUARANTINE_KEPT:]]
    return [
        ("INSERT INTO quarantine (at, reason, detail, topic, payload) VALUES (?, ?, ?, ?, ?)", kept),
        ("DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", [(QUARANTINE_KEPT,)]),
        (_ACCOUNT, [(f"quarantined:{item.reason}", 1) for item in items]),
    ]


def _push(row: tuple[Any, ...]) -> OutboxRow:
    at, key, incident, step, channel, kind, expires_at, body, outcome, attempts, reply, next_at = row
    push = Push(at, key, incident, step, channel, Kind(kind), expires_at, json.loads(body))
    return OutboxRow(push, outcome, attempts, reply, next_at)


def _entry(row: tuple[Any, ...]) -> TimelineRow:
    number, at, incident, step, detail = row
    return TimelineRow(number, at, incident, step, json.loads(detail))


def _one(db: sqlite3.Connection, sql: str, values: tuple[Any, ...] = ()) -> int:
    return int(db.execute(sql, values).fetchone()[0])


def _lock(path: Path) -> IO[str]:
    """Held as long as the process lives; the kernel lets go of it whatever kills us."""
    handle = path.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise LedgerInUse(
            f"another wanglou is running on {path.parent}: stop it, or give this one its own data folder"
        ) from None
    return handle
