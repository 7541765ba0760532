"""The state of a ledger that a daemon may be writing: its newest snapshot, and the tape after it.

Knows files and records; takes no lock and never writes into the ledger.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from monitor.ledger.connection import FILE, LedgerError, connect, one
from monitor.tape import unpack
from rules.model import Micros


class Past:
    """One reading transaction: whatever the daemon writes meanwhile is not seen, so snapshot and tape fit together."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @property
    def first_seq(self) -> int:
        """The number of the oldest row that is kept; 0 while there is none."""
        return one(self._db, "SELECT coalesce(min(first_seq), 0) FROM tape")

    @property
    def last_at(self) -> Micros:
        """The newest moment on the tape; 0 while there is none."""
        return one(self._db, "SELECT coalesce(max(last_at), 0) FROM tape")

    def snapshot(self) -> tuple[int, bytes] | None:
        """(number of the last row in it, state) of the newest one."""
        row = self._db.execute("SELECT seq, state FROM snapshot ORDER BY seq DESC LIMIT 1").fetchone()
        return None if row is None else (row[0], row[1])

    def rows_after(self, seq: int) -> Iterator[tuple[Any, ...]]:
        """The tape's rows with higher numbers, oldest first. Raises ValueError for a damaged record."""
        sql = "SELECT first_seq, record FROM tape WHERE last_seq > ? ORDER BY first_seq"
        for first_seq, record in self._db.execute(sql, (seq,)):
            for number, row in enumerate(unpack(record), first_seq):
                if number > seq:
                    yield row


@contextmanager
def opened_past(folder: Path) -> Iterator[Past]:
    """The past in a data folder. Raises LedgerError."""
    path = folder / FILE
    if not path.exists():
        raise LedgerError(f"there is no ledger in {folder}")
    try:
        db = connect(path, read_only=True)
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"{path} cannot be read: {error}") from None
    with closing(db):
        db.execute("BEGIN")
        yield Past(db)
