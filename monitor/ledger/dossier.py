"""All that the ledger keeps of one incident, read at one moment beside the daemon: record, timeline, pushes, raw messages, rules.

Knows the tables and the tape; takes no lock, never writes, judges nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack

from monitor.decoders import Undecodable
from monitor.decoders.registry import decode
from monitor.evidence import Book, Dossier, Heard
from monitor.ledger.records import beside
from monitor.ledger.rows import ENTRIES, PUSHES, entry, push
from monitor.ports import Message, TimelineRow
from monitor.tape import MESSAGE, message_of, unpack
from rules.model import MINUTE, Micros

BEFORE: Micros = 10 * MINUTE
"""What the devices said so long before the incident is part of it."""
MOST_MESSAGES = 50_000
MOST_BYTES = 64_000_000
"""Bounds of the raw messages; beyond them the latest are left out, and that is said."""


def read_dossier(folder: Path, incident: str) -> Dossier | None:
    """Everything of one incident; None where there is no such incident. Raises LedgerError, ValueError for a damaged tape."""
    with closing(beside(folder)) as db:
        db.execute("BEGIN")  # one moment: whatever the daemon writes meanwhile is not seen
        found = db.execute("SELECT record FROM incident WHERE id = ?", (incident,)).fetchone()
        return None if found is None else _read(db, incident, json.loads(found[0]))


def _read(db: sqlite3.Connection, incident: str, record: dict[str, Any]) -> Dossier:
    facts = dict(db.execute("SELECT name, value FROM fact"))
    timeline = [entry(row) for row in db.execute(f"{ENTRIES} WHERE incident = ? ORDER BY id", (incident,))]
    number, first, last = db.execute("SELECT min(first_seq), min(first_at), max(last_at) FROM tape").fetchone()
    raised, closed = int(record["raised_at"]), record.get("closed_at")
    since, until = raised - BEFORE, closed if closed is not None else max(last or raised, raised)
    devices = {str(row.detail["device"]) for row in timeline if row.detail.get("device")} | {*record["devices"]}
    messages, all_kept = _bounded(_heard(db, devices, since, until))
    complete = all_kept and number is not None and (number == 1 or first <= since)
    return Dossier(
        facts["ledger"], int(facts["sealed_after"]), record, timeline,
        [push(row) for row in db.execute(f"{PUSHES} WHERE incident = ? ORDER BY number", (incident,))],
        _suppression(db, record.get("withheld") or ""), _book(db, raised), since, until, first, messages, complete,
    )  # fmt: skip


def _heard(db: sqlite3.Connection, devices: set[str], since: Micros, until: Micros) -> Iterator[Heard]:
    records = db.execute(
        "SELECT first_seq, record FROM tape WHERE last_at >= ? AND first_at <= ? ORDER BY first_seq", (since, until)
    )
    for first_seq, record in records:
        for number, row in enumerate(unpack(record), first_seq):
            if row[0] == MESSAGE and since <= row[1] <= until:
                message = message_of(row)
                if (device := _device(message)) in devices:
                    yield Heard(number, device, message, row[6])


def _device(message: Message) -> str:
    """Whose it is; empty for nobody's."""
    try:
        said = decode(message.topic, message.payload)
    except Undecodable as problem:
        return problem.device or ""
    return said.device if said is not None else ""


def _bounded(heard: Iterator[Heard]) -> tuple[list[Heard], bool]:
    kept: list[Heard] = []
    size = 0
    for it in heard:
        size += len(it.message.payload)
        if len(kept) == MOST_MESSAGES or size > MOST_BYTES:
            return kept, False
        kept.append(it)
    return kept, True


def _suppression(db: sqlite3.Connection, key: str) -> dict[str, Any] | None:
    found = db.execute("SELECT record FROM suppression WHERE id = ?", (key,)).fetchone()
    return None if found is None else dict(json.loads(found[0]))


def _book(db: sqlite3.Connection, at: Micros) -> Book | None:
    """The book in force at a moment; where none is written down (an older version made the ledger) that of the newest snapshot."""
    sql = "SELECT since, texts FROM book WHERE since <= ? ORDER BY since DESC LIMIT 1"
    found = db.execute(sql, (at,)).fetchone()
    if found is not None:
        since, texts = found
        return Book(since, tuple((name, text) for name, text in json.loads(texts)))
    snapshot = db.execute("SELECT state FROM snapshot ORDER BY seq DESC LIMIT 1").fetchone()
    if snapshot is None:
        return None
    texts = msgpack.unpackb(snapshot[0], strict_map_key=False).get("book")
    return None if texts is None else Book(None, tuple((name, text) for name, text in texts))


def all_timelines(folder: Path) -> Iterator[tuple[str, dict[str, Any], list[TimelineRow]]]:
    """(the ledger's number, record, timeline) of every incident, one after another. Raises LedgerError."""
    with closing(beside(folder)) as db:
        db.execute("BEGIN")
        (identity,) = db.execute("SELECT value FROM fact WHERE name = 'ledger'").fetchone()
        for key, record in db.execute("SELECT id, record FROM incident ORDER BY raised_at, id"):
            rows = [entry(row) for row in db.execute(f"{ENTRIES} WHERE incident = ? ORDER BY id", (key,))]
            yield identity, json.loads(record), rows
