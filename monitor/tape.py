"""The tape's two forms: rows of the ledger (everything the engine was given, in order) and JSON lines (what a broker said).

Knows how events are written down, not where they are kept nor what they lead to.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, TypeAlias

import msgpack

from monitor.decoders.native import moment
from monitor.ports import Message, Verdict
from rules.engine import Event
from rules.model import Disposition, Micros, Move, Outcome, Receipt, Tick, Trouble, Verb
from rules.response import EPOCH, rfc3339
from rules.rule import BookChanged
from rules.rulebook import load_book

Row: TypeAlias = tuple[Any, ...]

MESSAGE, MOVE, RECEIPT, TROUBLE, TICK, BOOK = range(6)
_FORMAT = b"\x01"
_RETAIN, _DUP = 4, 8


# --- rows of the ledger -----------------------------------------------------------------------------------------------


def message_row(m: Message, verdict: Verdict) -> Row:
    """(MESSAGE, at, topic, payload, qos | retain | dup, packet identifier, verdict)"""
    return (MESSAGE, m.at, m.topic, m.payload, m.qos | m.retain << 2 | m.dup << 3, m.token & 0xFFFF, verdict.value)


def message_of(row: Row) -> Message:
    """The message in a MESSAGE row."""
    _, at, topic, payload, flags, token, _verdict = row
    return Message(at, topic, payload, flags & 3, bool(flags & _RETAIN), bool(flags & _DUP), token)


def event_row(event: Event) -> Row:
    """Any event but a reading, which is kept as its message."""
    match event:
        case Move():
            return (
                MOVE,
                event.at,
                event.incident,
                event.verb.value,
                event.by,
                event.note,
                event.disposition and event.disposition.value,
            )
        case Receipt():
            return (RECEIPT, event.at, event.key, event.outcome.value, event.attempt, event.reply, event.next_at)
        case Trouble():
            return (TROUBLE, event.at, event.source, event.active, event.detail)
        case Tick():
            return (TICK, event.at)
        case BookChanged():
            return (BOOK, event.at, event.book.digest, [list(text) for text in event.book.texts])
        case _:
            raise TypeError(f"not kept as an event: {event!r}")


def event_of(row: Row) -> Event:
    """The event in a row that is not a MESSAGE. Raises rules.document.Mistakes for a book that can no longer be read."""
    what, at, *rest = row
    match what:
        case 1:
            incident, verb, by, note, disposition = rest
            return Move(at, incident, Verb(verb), by, note, Disposition(disposition) if disposition else None)
        case 2:
            key, outcome, attempt, reply, next_at = rest
            return Receipt(at, key, Outcome(outcome), attempt, reply, next_at)
        case 3:
            return Trouble(at, *rest)
        case 4:
            return Tick(at)
        case 5:
            return BookChanged(at, load_book([(name, text) for name, text in rest[1]]))
        case _:
            raise ValueError(f"unknown kind of row on the tape: {what!r}; it was written by a newer version")


def pack(rows: Iterable[Row]) -> bytes:
    """One record: a format byte, then deflated MessagePack of the list of rows."""
    return _FORMAT + zlib.compress(msgpack.packb(list(rows), use_bin_type=True), 1)


def unpack(record: bytes) -> list[Row]:
    """The inverse of `pack`. Raises ValueError for an unknown format."""
    if record[:1] != _FORMAT:
        raise ValueError(f"unknown format {record[:1]!r} of a tape record; it was written by a newer version")
    rows: list[Row] = msgpack.unpackb(zlib.decompress(record[1:]), use_list=False, strict_map_key=False)
    return rows


# --- JSON lines -------------------------------------------------------------------------------------------------------


class BadTape(Exception):
    """A line that is no message; names file, line, field and remedy."""


def to_line(m: Message) -> str:
    """`{"at": RFC 3339, "topic": …, "payload": text, "qos": 1, "retain": false}`; bytes that are no text as `payload_base64`."""
    line: dict[str, object] = {"at": rfc3339_micros(m.at), "topic": m.topic}
    try:
        line["payload"] = m.payload.decode()
    except UnicodeDecodeError:
        line["payload_base64"] = base64.b64encode(m.payload).decode()
    line["qos"], line["retain"] = m.qos, m.retain
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def from_lines(lines: TextIO, name: str) -> Iterator[Message]:
    """The messages of a JSON-lines tape, oldest first. Raises BadTape at the first line that is none."""
    newest: Micros = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        try:
            data = json.loads(line)
            at = moment(data["at"])
            topic = data["topic"]
            text = data.get("payload")
            payload = base64.b64decode(data["payload_base64"], validate=True) if text is None else _payload(text)
            qos, retain = data.get("qos", 1), data.get("retain", False)
        except KeyError as error:
            raise BadTape(
                f"{where}: {error.args[0]}: this field is missing; a line needs at, topic and payload"
            ) from None
        except (ValueError, TypeError, RecursionError) as error:
            raise BadTape(
                f"{where}: {error}; a line is one JSON object with at, topic, payload, qos and retain"
            ) from None
        if not isinstance(topic, str) or qos not in (0, 1, 2) or not isinstance(retain, bool):
            raise BadTape(f"{where}: topic is a text, qos 0, 1 or 2, retain true or false")
        newest = max(newest, at)  # a tape that runs backwards is played as if those messages had come together
        yield Message(newest, topic, payload, qos, retain)


def slice_of(messages: Iterator[Message], begin: Micros, end: Micros) -> Iterator[Message]:
    """Those with begin <= at < end."""
    return (m for m in messages if begin <= m.at < end)


def _payload(value: object) -> bytes:
    """People who write tapes by hand like to write the payload as an object; a text is taken as it is."""
    return value.encode() if isinstance(value, str) else json.dumps(value, ensure_ascii=False).encode()


def rfc3339_micros(at: Micros) -> str:
    """A moment without loss: microseconds, China's offset."""
    return rfc3339(at)[:-10] + f".{at % 1_000_000:06d}" + rfc3339(at)[-6:] if at >= 0 else EPOCH.isoformat()
