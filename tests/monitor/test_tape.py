"""The tape's two forms: whatever is written comes back; a line that is no message names its place and the remedy.

Knows no ledger and no engine.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.decoders.native import moment
from monitor.ports import Message, Verdict
from monitor.tape import (
    LAST_MOMENT,
    MESSAGE,
    BadTape,
    event_of,
    event_row,
    from_lines,
    message_of,
    message_row,
    pack,
    rfc3339_micros,
    slice_of,
    to_line,
    unpack,
)
from rules.engine import Event
from rules.model import (
    Disposition,
    Measure,
    Move,
    Outcome,
    Reading,
    Receipt,
    Restore,
    Suppress,
    Swap,
    Tick,
    Trouble,
    Verb,
)
from rules.rule import BookChanged
from tests.rules.small_block import book, rule

MOMENTS = st.integers(0, LAST_MOMENT - 1)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
TOPICS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
MESSAGES = st.builds(
    Message, MOMENTS, TOPICS, st.binary(max_size=200) | TEXTS.map(str.encode), st.integers(0, 2), st.booleans(),
    st.booleans(), st.integers(0, 0xFFFF),
)  # fmt: skip
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        Move, MOMENTS, TEXTS, st.sampled_from(Verb), TEXTS, TEXTS, st.none() | st.sampled_from(Disposition), TEXTS
    ),
    st.builds(Receipt, MOMENTS, TEXTS, st.sampled_from(Outcome), st.integers(0, 99), TEXTS, st.none() | MOMENTS),
    st.builds(Trouble, MOMENTS, TEXTS, st.booleans(), TEXTS),
    st.builds(Tick, MOMENTS),
    st.builds(Suppress, MOMENTS, st.sampled_from(Measure), TEXTS, TEXTS, TEXTS, MOMENTS, TEXTS, TEXTS),
    st.builds(Restore, MOMENTS, TEXTS, TEXTS, TEXTS),
    st.builds(Swap, MOMENTS, TEXTS, TEXTS, TEXTS, MOMENTS, MOMENTS, TEXTS),
)


# --- rows -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(MESSAGES, st.sampled_from(Verdict)) | EVENTS, max_size=30))
@settings(deadline=None)
def test_every_row_comes_back(items: list[tuple[Message, Verdict] | Event]) -> None:
    rows = [message_row(*item) if isinstance(item, tuple) else event_row(item) for item in items]
    back = unpack(pack(rows))
    assert back == rows
    for item, row in zip(items, back, strict=True):
        if isinstance(item, tuple):
            assert (row[0], message_of(row), row[6]) == (MESSAGE, item[0], item[1].value)
        else:
            assert event_of(row) == item


def test_a_book_comes_back_with_its_rules() -> None:
    change = BookChanged(5, book(rule("smoke", "FIRE", "smoke"), rule("dense", "PREALARM", "smoke_density > 0.3")))
    back = event_of(unpack(pack([event_row(change)]))[0])
    assert back == change
    assert isinstance(back, BookChanged)
    assert [r.definition for r in back.book.rules] == [r.definition for r in change.book.rules]


def test_only_the_packet_identifier_of_a_token_is_kept() -> None:
    m = Message(1, "t", b"", 1, False, True, 3 << 16 | 77)
    assert message_of(message_row(m, Verdict.LIVE)) == m._replace(token=77)


def test_a_move_of_an_older_tape_came_by_no_known_way() -> None:
    row = event_row(Move(1, "inc-1", Verb.CLOSE, "li", "", Disposition.FIRE, "link"))
    assert event_of(row[:-1]) == Move(1, "inc-1", Verb.CLOSE, "li", "", Disposition.FIRE)


def test_a_reading_is_kept_as_its_message() -> None:
    with pytest.raises(TypeError, match="not kept as an event"):
        event_row(Reading(1, "b/h1", {"smoke": True}))


@pytest.mark.parametrize("record", [b"", b"\x02abc", b"\xff"])
def test_a_record_of_another_format_is_not_guessed_at(record: bytes) -> None:
    with pytest.raises(ValueError, match="written by a newer version"):
        unpack(record)


def test_a_damaged_record_says_so() -> None:
    record = bytearray(pack([(4, 1)] * 100))
    record[10] ^= 0x40
    with pytest.raises(ValueError, match="damaged"):
        unpack(bytes(record))
    with pytest.raises(ValueError, match="damaged"):
        unpack(pack([(4, 1)])[:-3])


def test_an_unknown_row_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="unknown kind of row"):
        event_of((99, 1))


# --- JSON lines -------------------------------------------------------------------------------------------------------


def read(text: str | Iterable[str], name: str = "night.jsonl") -> list[Message]:
    return list(from_lines(io.StringIO(text) if isinstance(text, str) else text, name))


@given(st.lists(MESSAGES, max_size=10))
@settings(deadline=None)
def test_recorded_messages_come_back(messages: list[Message]) -> None:
    messages.sort(key=lambda m: m.at)
    raw = "".join(to_line(m) + "\n" for m in messages).encode()
    back = read(io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8"))
    assert back == [m._replace(dup=False, token=0) for m in messages]


def test_a_line_is_readable_text_where_the_payload_is_text() -> None:
    line = to_line(Message(1_795_305_600_250_001, "wl/院/h1/up", '{"object":"电动车"}'.encode(), 1, True))
    assert line == (
        '{"at":"2026-11-22T08:00:00.250001+08:00","topic":"wl/院/h1/up",'
        '"payload":"{\\"object\\":\\"电动车\\"}","qos":1,"retain":true}'
    )
    assert json.loads(to_line(Message(0, "t", b"\xff\x00")))["payload_base64"] == "/wA="


def test_what_people_write_by_hand_is_understood() -> None:
    text = (
        '{"at": "2026-11-22T00:00:00Z", "topic": "wl/b/h1/up", "payload": {"smoke": true}}\n'
        "\n   \n"
        '{"at": 1795305601000, "topic": "wl/b/h1/status", "payload": "online", "qos": 0, "retain": true, "note": "x"}\n'
        '{"at": 1795305602000, "topic": "t", "payload": null, "payload_base64": ""}'
    )
    assert read(text) == [
        Message(1_795_305_600_000_000, "wl/b/h1/up", b'{"smoke": true}', 1),
        Message(1_795_305_601_000_000, "wl/b/h1/status", b"online", 0, True),
        Message(1_795_305_602_000_000, "t", b"", 1),
    ]


def test_a_tape_that_runs_backwards_is_played_as_if_together() -> None:
    lines = [f'{{"at": {at}, "topic": "t", "payload": "x"}}' for at in (5000, 3000, 7000, 6999)]
    assert [m.at for m in read(lines)] == [5_000_000, 5_000_000, 7_000_000, 7_000_000]


def test_a_slice_holds_its_beginning_and_not_its_end() -> None:
    assert [m.at for m in slice_of((Message(at, "t", b"") for at in range(10)), 3, 6)] == [3, 4, 5]


FIELDS = {"at": "1795305600000", "topic": '"t"', "payload": '"x"'}


def line(**fields: str | None) -> str:
    """A good line, but for the fields given: JSON text, or None to leave one out."""
    return "{" + ",".join(f'"{name}":{value}' for name, value in (FIELDS | fields).items() if value is not None) + "}"


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("nonsense", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "JSON, but not an object"),
        ('"at"', "JSON, but not an object"),
        ("5", "JSON, but not an object"),
        ("null", "JSON, but not an object"),
        (line(at=None), "at: this field is missing; a line is one JSON object"),
        (line(topic=None), "topic: this field is missing"),
        (line(payload=None), "payload: this field is missing"),
        (line(at='"yesterday"'), "at: not an RFC 3339 date and time, such as"),
        (line(at='"2026-11-22T08:00:00"'), "at: the offset is missing"),
        (line(at="true"), "at: a moment is RFC 3339"),
        (line(at="null"), "at: a moment is RFC 3339"),
        (line(at="NaN"), "at: these epoch milliseconds"),
        (line(at="9" * 4000), "at: these epoch milliseconds"),
        (line(at="-1"), "at: a moment from 1970"),
        (line(at="1e15"), "at: a moment from 1970"),
        (line(topic="5"), "topic: a text"),
        (line(topic='""'), "topic: a text"),
        (line(topic='"\\ud800"'), "topic: a text"),
        (line(topic=json.dumps("楼" * 30_000)), "topic: a text of 1 to 65535 bytes"),
        (line(payload='"\\udc00"'), "payload: half a surrogate pair"),
        (line(payload=None, payload_base64='"@@"'), "payload_base64: this is not base64"),
        (line(payload=None, payload_base64="5"), "payload_base64: this is not base64"),
        (line(qos="3"), "qos: 0, 1 or 2"),
        (line(qos="true"), "qos: 0, 1 or 2"),
        (line(qos="1.0"), "qos: 0, 1 or 2"),
        (line(qos="[]"), "qos: 0, 1 or 2"),
        (line(retain="1"), "retain: true or false"),
    ],
)
def test_a_bad_line_names_file_line_field_and_remedy(bad: str, says: str) -> None:
    with pytest.raises(BadTape) as caught:
        read(f"{line()}\n\n{bad}\n{line()}\n")
    assert str(caught.value).startswith(f"night.jsonl:3: {says}")
    assert len(str(caught.value)) < 400


def test_the_lines_before_a_bad_one_are_given_first() -> None:
    lines = from_lines(io.StringIO(f"{line()}\nnonsense\n"), "x")
    assert next(lines).topic == "t"
    with pytest.raises(BadTape, match="x:2: not JSON"):
        next(lines)


def test_bytes_that_are_no_text_are_no_tape() -> None:
    with pytest.raises(BadTape, match=r"night\.jsonl:1: from here on it is not UTF-8"):
        read(io.TextIOWrapper(io.BytesIO(b"\x1f\x8b\x08\xff"), encoding="utf-8"))


@given(
    st.text(max_size=60)
    | st.dictionaries(st.sampled_from(["at", "topic", "payload", "qos"]), st.integers() | TEXTS).map(json.dumps)
)
@settings(deadline=None)
def test_any_line_is_a_message_or_a_bad_line(text: str) -> None:
    try:
        found: list[Message] | str = read([text])
    except BadTape as error:
        found = str(error)
    if isinstance(found, str):
        assert found.startswith("night.jsonl:1: ")
    else:
        assert len(found) == (1 if text.strip() else 0)


# --- moments ----------------------------------------------------------------------------------------------------------


@given(st.integers(-62_000_000_000_000_000, LAST_MOMENT - 1))
@settings(deadline=None)
def test_a_moment_is_written_without_loss(at: int) -> None:
    text = rfc3339_micros(at)
    assert moment(text) == at
    assert text.endswith("+08:00")
    assert datetime.fromisoformat(text).utcoffset() is not None
