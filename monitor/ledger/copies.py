"""Reading a ledger that a daemon may be writing: a backup of the whole, or a slice of its tape.

Knows files and the tape's rows; takes no lock and never writes into the ledger.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from monitor.ledger.connection import FILE, LedgerError, connect
from monitor.ports import Message
from monitor.tape import MESSAGE, message_of, unpack
from rules.model import Micros


def backup(folder: Path, target: Path) -> None:
    """Copy the ledger in `folder` to the file `target` while a daemon may be writing it; complete or not there at all.

    Raises LedgerError, OSError.
    """
    source_path = folder / FILE
    if not source_path.exists():
        raise LedgerError(f"there is no ledger in {folder}")
    if target.exists():
        raise LedgerError(f"{target} exists already; a backup never overwrites")
    if not target.parent.is_dir():
        raise LedgerError(f"{target.parent} is no folder: make it first")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        _copy(source_path, part)
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.rename(target)
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger cannot be copied: {error}") from None
    finally:
        part.unlink(missing_ok=True)
    folder_handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder_handle)
    finally:
        os.close(folder_handle)


def _copy(source_path: Path, part: Path) -> None:
    with closing(connect(source_path, read_only=True)) as source, closing(sqlite3.connect(part)) as copy:
        # In one step a writer is not waited for and cannot make the copy start again; readers of a WAL file block nobody.
        source.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode = DELETE")
        verdict = copy.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            raise LedgerError(f"the copy is damaged: {verdict}")


@contextmanager
def messages_between(folder: Path, begin: Micros, end: Micros) -> Iterator[tuple[Iterator[Message], Micros, Micros]]:
    """(messages, first_at, last_at) of a slice of a ledger's tape; a daemon may be writing it. Raises LedgerError."""
    path = folder / FILE
    if not path.exists():
        raise LedgerError(f"there is no ledger in {folder}")
    try:
        db = connect(path, read_only=True)
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"{path} cannot be read: {error}") from None
    with closing(db):
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
