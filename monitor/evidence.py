"""Sealed evidence of one incident: everything that the ledger keeps of it as one document that can be checked without the ledger.

Pure: it is given what the ledger keeps, the photos and a signature. The format is described in docs/evidence.md.
"""

from __future__ import annotations

import base64
import hashlib
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.chain import canonical
from monitor.decoders.registry import decode
from monitor.ports import Message, OutboxRow, TimelineRow, Verdict
from monitor.tape import rfc3339_micros
from rules.model import Micros, Step, Value
from rules.rulebook import book_digest

FORMAT = "wanglou-evidence-1"

Document = dict[str, Any]
"""Plain JSON values."""

_PHOTO = re.compile(r"[0-9a-f]{64}\.(?:jpg|png)")
_DECIDED = frozenset({Step.RAISED, Step.JOINED, Step.ESCALATED, Step.CONFIRMED, Step.REALARM})


@dataclass(frozen=True, slots=True)
class Heard:
    """A raw message of one of the incident's devices."""

    number: int
    """Its row on the tape."""
    device: str
    message: Message
    verdict: str


@dataclass(frozen=True, slots=True)
class Book:
    """The rules that were in force. `since` is None where the ledger only knows those of its newest snapshot."""

    since: Micros | None
    texts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Dossier:
    """What is kept of an incident."""

    identity: str
    sealed_after: int
    """The last entry that a migration chained, instead of its own commit."""
    record: dict[str, Any]
    """The incident's record as plain JSON values."""
    timeline: list[TimelineRow]
    pushes: list[OutboxRow]
    suppression: dict[str, Any] | None
    book: Book | None
    since: Micros
    until: Micros
    """The messages are those in [since, until]."""
    tape_begins: Micros | None
    """The oldest moment that the tape still has; None: it has nothing."""
    messages: list[Heard]
    complete: bool
    """False: the tape no longer has the first of them, or a bound has cut off the latest."""


def photos_of(timeline: Iterable[TimelineRow]) -> list[str]:
    """The names of the photos that the timeline tells of, each once: their SHA-256 with `.jpg` or `.png`."""
    named = (
        found
        for row in timeline
        for name, value in row.detail.items()
        if name.rpartition(".")[2].startswith("photo") and isinstance(value, str)
        for found in _PHOTO.findall(value)
    )
    return list(dict.fromkeys(named))


def said(messages: Iterable[Heard]) -> Iterator[tuple[Micros, str, Mapping[str, Value]]]:
    """(arrival, device, values) of the messages that were evaluated."""
    for it in messages:
        if it.verdict in (Verdict.LIVE, Verdict.LATE, Verdict.FUTURE, Verdict.RETAINED):
            decoded = decode(it.message.topic, it.message.payload)
            if decoded is not None:
                yield it.message.at, it.device, decoded.values


def document(it: Dossier, photos: Mapping[str, int | None], *, made_at: Micros, program: str) -> Document:
    """Everything but the seal. `photos` are name → size in bytes, None for one that is not there any more."""
    decisive = _decisive(it.timeline, it.messages)
    return {
        "format": FORMAT,
        "made": {"at": rfc3339_micros(made_at), "program": program},
        "ledger": {"id": it.identity, "sealed_after": it.sealed_after},
        "incident": dict(it.record),
        "timeline": [
            {"id": row.id, "at": row.at, "incident": row.incident, "step": row.step, "detail": dict(row.detail), "link": row.link}
            for row in it.timeline
        ],
        "pushes": [_push(row) for row in it.pushes],
        "suppression": None if it.suppression is None else dict(it.suppression),
        "book": None if it.book is None else _book(it.book, it.record.get("rules", ())),
        "messages": {
            "since": it.since,
            "until": it.until,
            "tape_begins": it.tape_begins,
            "complete": it.complete,
            "items": [_message(heard, decisive.get(heard.number, [])) for heard in it.messages],
        },
        "photos": [{"name": name, "bytes": size} for name, size in photos.items()],
    }  # fmt: skip


def seal(content: Document, key: str, sign: Callable[[bytes], str]) -> Document:
    """The document with its seal: who signed it, and the signature over everything else."""
    sealed = content | {"seal": {"algorithm": "Ed25519", "key": key}}
    return sealed | {"seal": {**sealed["seal"], "signature": sign(signed_bytes(sealed))}}


def signed_bytes(sealed: Document) -> bytes:
    """What the signature is over: the document without its signature, in canonical JSON."""
    marks = {name: value for name, value in sealed["seal"].items() if name != "signature"}
    return canonical({**sealed, "seal": marks})


def _push(row: OutboxRow) -> Document:
    push = row.push
    return {
        "key": push.key, "at": push.at, "step": push.step, "channel": push.channel, "to": push.to, "kind": push.kind.value,
        "expires_at": push.expires_at, "outcome": row.outcome, "attempts": row.attempts, "reply": row.reply,
        "next_at": row.next_at, "body": dict(push.body),
    }  # fmt: skip


def _book(book: Book, rules: Iterable[str]) -> Document:
    texts = [[name, text] for name, text in book.texts]
    return {"since": book.since, "digest": book_digest(book.texts), "rules": list(rules), "texts": texts}


def _message(heard: Heard, decided: list[int]) -> Document:
    m = heard.message
    return {
        "number": heard.number, "at": m.at, "device": heard.device, "topic": m.topic, "payload": base64.b64encode(m.payload).decode(),
        "qos": m.qos, "retain": m.retain, "dup": m.dup, "verdict": heard.verdict,
        "sha256": hashlib.sha256(m.payload).hexdigest(), "decided": decided,
    }  # fmt: skip


def _decisive(timeline: Iterable[TimelineRow], messages: Sequence[Heard]) -> dict[int, list[int]]:
    """Message's number → the entries that it decided: the last one of the entry's device until then."""
    said: defaultdict[str, list[tuple[Micros, int]]] = defaultdict(list)
    for heard in messages:
        said[heard.device].append((heard.message.at, heard.number))
    found: dict[int, list[int]] = {}
    for row in timeline:
        if row.step in _DECIDED:
            until_then = said[str(row.detail.get("device"))]
            if place := bisect_right(until_then, row.at, key=lambda it: it[0]):
                found.setdefault(until_then[place - 1][1], []).append(row.id)
    return found
