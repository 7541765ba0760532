"""The tape's two forms: rows of the ledger (everything the engine was given, in order) and JSON lines (what a broker said).

Knows how events are written down, not where they are kept nor what they lead to.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, TypeAlias

import msgpack

from monitor.decoders.native import moment
from monitor.ports import Message, Verdict
from rules.engine import Event
from rules.model import (
    SECOND,
    Disposition,
    Measure,
    Micros,
    Move,
    Outcome,
    Receipt,
    Restore,
    Suppress,
    Swap,
    Tick,
    Trouble,
    Verb,
)
from rules.response import CHINA, EPOCH
from rules.rule import BookChanged
from rules.rulebook import load_book

Row: TypeAlias = tuple[Any, ...]

MESSAGE, MOVE, RECEIPT, TROUBLE, TICK, BOOK, SUPPRESS, RESTORE, SWAP = range(9)
_FORMAT = b"\x01"
_RETAIN, _DUP = 4, 8
_LINE = "a line is one JSON object with at, topic, payload (or payload_base64), and perhaps qos and retain"
LONGEST_TOPIC = 65_535
"""Bytes, by MQTT."""
LAST_MOMENT: Micros = 253_402_214_400 * SECOND
"""The last day that the calendar can show in any time zone: 9999-12-31T00:00Z."""


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
                event.via,
            )
        case Receipt():
            return (RECEIPT, event.at, event.key, event.outcome.value, event.attempt, event.reply, event.next_at)
        case Trouble():
            return (TROUBLE, event.at, event.source, event.active, event.detail)
        case Tick():
            return (TICK, event.at)
        case Suppress(measure=measure, subject=subject, until=until):
            return (
                SUPPRESS, event.at, measure.value, subject, event.by, event.why, until, event.rule, event.compensation,
            )  # fmt: skip
        case Restore():
            return (RESTORE, event.at, event.suppression, event.by, event.note)
        case Swap():
            return (SWAP, event.at, event.station, event.leaves, event.takes, event.since, event.until, event.by)
        case BookChanged():
            return (BOOK, event.at, event.book.digest, [list(text) for text in event.book.texts])
        case _:
            raise TypeError(f"not kept as an event: {event!r}")


def event_of(row: Row) -> Event:
    """The event in a row that is not a MESSAGE. Raises rules.document.Mistakes for a book that can no longer be read."""
    what, at, *rest = row
    match what:
        case 1:
            incident, verb, by, note, disposition, *way = rest  # older tapes do not tell the way
            return Move(at, incident, Verb(verb), by, note, Disposition(disposition) if disposition else None, *way)
        case 2:
            key, outcome, attempt, reply, next_at = rest
            return Receipt(at, key, Outcome(outcome), attempt, reply, next_at)
        case 3:
            return Trouble(at, *rest)
        case 4:
            return Tick(at)
        case 5:
            return BookChanged(at, load_book([(name, text) for name, text in rest[1]]))
        case 6:
            measure, *order = rest
            return Suppress(at, Measure(measure), *order)
        case 7:
            return Restore(at, *rest)
        case 8:
            return Swap(at, *rest)
        case _:
            raise ValueError(f"unknown kind of row on the tape: {what!r}; it was written by a newer version")


def pack(rows: Iterable[Row]) -> bytes:
    """One record: a format byte, then deflated MessagePack of the list of rows."""
    return _FORMAT + zlib.compress(msgpack.packb(list(rows), use_bin_type=True), 1)


def unpack(record: bytes) -> list[Row]:
    """The inverse of `pack`, but lists come back as tuples. Raises ValueError for an unknown format and for damage."""
    if record[:1] != _FORMAT:
        raise ValueError(f"unknown format {record[:1]!r} of a tape record; it was written by a newer version")
    try:
        plain = zlib.decompress(record[1:])
    except zlib.error as error:
        raise ValueError(f"a tape record is damaged ({error}); restore the ledger from a backup") from None
    return list(msgpack.unpackb(plain, use_list=False, strict_map_key=False))


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


def from_lines(lines: Iterable[str], name: str) -> Iterator[Message]:
    """The messages of a JSON-lines tape, oldest first. Raises BadTape at the first line that is none."""
    newest: Micros = 0
    number = 0
    try:
        for number, line in enumerate(lines, 1):  # noqa: B007 - the error names the line
            if line.strip():
                m = _from_line(line)
                newest = max(
                    newest, m.at
                )  # a tape that runs backwards is played as if those messages had come together
                yield m._replace(at=newest)
    except UnicodeDecodeError:
        raise BadTape(
            f"{name}:{number + 1}: from here on it is not UTF-8; a tape is text, one JSON object a line"
        ) from None
    except _BadLine as error:
        raise BadTape(f"{name}:{number}: {error}") from None


def slice_of(messages: Iterator[Message], begin: Micros, end: Micros) -> Iterator[Message]:
    """Those with begin <= at < end."""
    return (m for m in messages if begin <= m.at < end)


class _BadLine(ValueError):
    """What is wrong with one line: the field, and the remedy."""


def _from_line(line: str) -> Message:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _BadLine(f"not JSON: {str(error)[:120]}; {_LINE}") from None
    if not isinstance(data, dict):
        raise _BadLine(f"JSON, but not an object; {_LINE}")
    for name in ("at", "topic"):
        if name not in data:
            raise _BadLine(f"{name}: this field is missing; {_LINE}")
    topic, qos, retain = data["topic"], data.get("qos", 1), data.get("retain", False)
    if (
        not isinstance(topic, str)
        or not 0 < len(topic.encode(errors="replace")) <= LONGEST_TOPIC
        or not _is_utf8(topic)
    ):
        raise _BadLine(f"topic: a text of 1 to {LONGEST_TOPIC} bytes is expected")
    if type(qos) is not int or qos not in (0, 1, 2):
        raise _BadLine("qos: 0, 1 or 2 is expected")
    if not isinstance(retain, bool):
        raise _BadLine("retain: true or false is expected")
    return Message(_at(data["at"]), topic, _payload(data), qos, retain)


def _at(raw: object) -> Micros:
    try:
        at = moment(raw)
    except ValueError as error:
        raise _BadLine(f"at: {error}") from None
    if not 0 <= at < LAST_MOMENT:
        raise _BadLine("at: a moment from 1970 to 9999 is expected")
    return at


def _payload(data: dict[str, Any]) -> bytes:
    """People who write tapes by hand like to write the payload as an object; a text is taken as it is."""
    value = data.get("payload")
    if value is not None:
        try:
            return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode()
        except UnicodeEncodeError:
            raise _BadLine("payload: half a surrogate pair is no text; write such bytes as payload_base64") from None
    try:
        return base64.b64decode(data["payload_base64"], validate=True)
    except KeyError:
        raise _BadLine(f"payload: this field is missing; {_LINE}") from None
    except (ValueError, TypeError):
        raise _BadLine("payload_base64: this is not base64 (RFC 4648, with padding)") from None


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


def rfc3339_micros(at: Micros) -> str:
    """A moment without loss: microseconds, China's offset. Raises OverflowError beyond the year 9999."""
    return (EPOCH + timedelta(microseconds=at)).astimezone(CHINA).isoformat(timespec="microseconds")
