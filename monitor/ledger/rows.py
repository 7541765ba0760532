"""What a batch writes, as SQL with its values, and what the tables' rows mean when they are read back.

Knows the tables; opens nothing and executes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from monitor.chain import next_link
from monitor.ports import Batch, OutboxRow, Quarantined, TimelineRow
from monitor.tape import BOOK
from rules.model import IncidentState, Kind, Push, Suppression
from rules.response import incident_to_plain
from rules.suppression import from_plain as suppression_from_plain
from rules.suppression import to_plain as suppression_to_plain

QUARANTINE_KEPT = 10_000
STRANGERS_KEPT = 10_000
SNAPSHOTS_KEPT = 2
SAMPLE_BYTES = 2048
"""How much of a payload is kept of a quarantined or unregistered message."""

PUSHES = """SELECT at, key, incident, step, channel, kind, expires_at, body, recipient, outcome, attempts, reply, next_at FROM push"""
ENTRIES = "SELECT id, at, incident, step, detail, hash FROM entry"


def statements(batch: Batch, last: int, link_of: Callable[[str], str]) -> list[tuple[str, Sequence[tuple[Any, ...]]]]:
    """What writes a batch, its tape record left out: (SQL, rows) in order. `last` is the number of its last row.

    `link_of` knows the last link of an incident's timeline, or its first one before there is any entry.
    """
    out: list[tuple[str, Sequence[tuple[Any, ...]]]] = []
    if batch.incidents:
        rows = [
            (
                i.id,
                i.state is not IncidentState.CLOSED,
                i.raised_at,
                json.dumps(incident_to_plain(i), ensure_ascii=False),
                i.station,
            )
            for i in batch.incidents.values()
        ]
        out.append(("INSERT OR REPLACE INTO incident VALUES (?, ?, ?, ?, ?)", rows))
    if batch.entries:
        sql = "INSERT INTO entry (at, incident, step, detail, hash) VALUES (?, ?, ?, ?, ?)"
        out.append((sql, chained(batch.entries, link_of)))
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
                p.to,
            )
            for p in batch.pushes
        ]
        sql = """INSERT INTO push (key, at, incident, step, channel, kind, expires_at, body, recipient)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
        out.append((sql, pushed))
    if batch.settled:
        settled = [(outcome, attempts, reply, next_at, key) for key, outcome, attempts, reply, next_at in batch.settled]
        out.append(("UPDATE push SET outcome = ?, attempts = ?, reply = ?, next_at = ? WHERE key = ?", settled))
    if batch.suppressions:
        measures = [
            (s.id, s.subject, s.since, s.until, s.ended_at, json.dumps(suppression_to_plain(s), ensure_ascii=False))
            for s in batch.suppressions.values()
        ]
        out.append(("INSERT OR REPLACE INTO suppression VALUES (?, ?, ?, ?, ?, ?)", measures))
    if books := [(row[1], row[2], json.dumps(row[3])) for row in batch.rows if row[0] == BOOK]:
        out.append(("INSERT OR REPLACE INTO book VALUES (?, ?, ?)", books))
    out.extend(quarantine(batch.quarantined))
    if batch.unregistered:
        strangers = [(device, *rest, sample[:SAMPLE_BYTES]) for device, (*rest, sample) in batch.unregistered.items()]
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


def quarantine(items: Sequence[Quarantined]) -> list[tuple[str, Sequence[tuple[Any, ...]]]]:
    """What sets these aside, counts them, and keeps the number of those kept within its bound."""
    if not items:
        return []
    kept = [(*item[:4], item.payload[:SAMPLE_BYTES]) for item in items[-QUARANTINE_KEPT:]]
    return [
        ("INSERT INTO quarantine (at, reason, detail, topic, payload) VALUES (?, ?, ?, ?, ?)", kept),
        ("DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", [(QUARANTINE_KEPT,)]),
        (_ACCOUNT, [(f"quarantined:{item.reason}", 1) for item in items]),
    ]


def chained(
    entries: Sequence[tuple[int, str, str, str]], link_of: Callable[[str], str]
) -> list[tuple[int, str, str, str, str]]:
    """(at, incident, step, detail as JSON, link) of entries that are added to their incidents' timelines in this order."""
    links: dict[str, str] = {}
    out = []
    for at, incident, step, detail in entries:
        before = links.get(incident) or link_of(incident)
        links[incident] = next_link(before, at, incident, step, json.loads(detail))
        out.append((at, incident, step, detail, links[incident]))
    return out


def push(row: tuple[Any, ...]) -> OutboxRow:
    """A row of PUSHES."""
    at, key, incident, step, channel, kind, expires_at, body, recipient, outcome, attempts, reply, next_at = row
    told = Push(at, key, incident, step, channel, Kind(kind), expires_at, json.loads(body), recipient)
    return OutboxRow(told, outcome, attempts, reply, next_at)


def entry(row: tuple[Any, ...]) -> TimelineRow:
    """A row of ENTRIES."""
    number, at, incident, step, detail, link = row
    return TimelineRow(number, at, incident, step, json.loads(detail), link)


def suppression(record: str) -> Suppression:
    """The record of a row of the table of measures."""
    return suppression_from_plain(json.loads(record))
