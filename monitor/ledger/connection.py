"""The ledger's file: opened alone, brought to the newest version, and the ways in which that fails.

Knows the pragmas and the lock; nothing of what the tables hold.

    LedgerError
    ├── LedgerInUse       another daemon holds this ledger
    └── LedgerTooNew      written by a newer version than this one
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from monitor.chain import first_link, next_link
from monitor.ledger.schema import MIGRATIONS

FILE = "ledger.sqlite3"


class LedgerError(Exception):
    """The ledger cannot be used; the text says what to do."""


class LedgerInUse(LedgerError):
    """Two daemons on one ledger would each send the station."""


class LedgerTooNew(LedgerError):
    """A file of a newer version is not touched."""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection as the ledger wants it; transactions are begun by hand."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA busy_timeout = 30000")
        db.create_function("first_link", 2, first_link, deterministic=True)
        db.create_function("next_link", 5, _next_link, deterministic=True)
        if read_only:
            db.execute("PRAGMA query_only = ON")
    except BaseException:
        db.close()
        raise
    return db


def _next_link(before: str, at: int, incident: str, step: str, detail: str) -> str:
    return next_link(before, at, incident, step, json.loads(detail))


def migrate(db: sqlite3.Connection, steps: Sequence[str] = MIGRATIONS) -> None:
    """Bring the file to the newest version, each step in a transaction of its own. Raises LedgerTooNew, sqlite3.Error.

    A step that fails leaves the file as the step before it made it.
    """
    version = one(db, "PRAGMA user_version")
    if version > len(steps):
        raise LedgerTooNew(f"the ledger has version {version}, this program knows {len(steps)}: run the newer program")
    for number, script in enumerate(steps[version:], version + 1):
        try:
            db.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")
        except BaseException:
            roll_back(db)
            raise


def opened(path: Path) -> sqlite3.Connection:
    """The writer's connection on the newest version. Raises LedgerError for a file that is no ledger."""
    try:
        db = connect(path)
        try:
            migrate(db)
        except BaseException:
            db.close()
            raise
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"{path} cannot be used: {error}; restore it from a backup, or move it away") from None
    return db


def roll_back(db: sqlite3.Connection) -> None:
    """Undo what was begun; a full disk makes SQLite do it by itself, and saying it twice would hide the reason."""
    if db.in_transaction:
        db.execute("ROLLBACK")


def one(db: sqlite3.Connection, sql: str, values: tuple[Any, ...] = ()) -> int:
    """The one number that a query answers with."""
    return int(db.execute(sql, values).fetchone()[0])


def lock(path: Path) -> IO[str]:
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
