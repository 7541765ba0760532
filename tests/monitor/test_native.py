"""Our own payload family: what can be used is used, what cannot is named, and no bytes of a device get further than that.

Knows neither site nor time; freshness is in tests/monitor/test_lookout.py.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.decoders import Decoded, Undecodable
from monitor.decoders.native import MAX_DEVICE, MAX_FIELDS, MAX_NAME, moment
from monitor.decoders.registry import decode
from rules.quantities import CATALOGUE

UP = "wl/b/h1/up"
STATUS = "wl/b/h1/status"


def read(payload: bytes | str, topic: str = UP) -> Decoded:
    found = decode(topic, payload.encode() if isinstance(payload, str) else payload)
    assert found is not None
    return found


def refused(payload: bytes | str, topic: str = UP) -> Undecodable:
    with pytest.raises(Undecodable) as caught:
        read(payload, topic)
    assert caught.value.reason
    assert 0 < len(caught.value.detail) <= 500
    return caught.value


def test_a_reading() -> None:
    said = read('{"at":"2026-11-22T08:00:00.250+08:00","id":"a1","smoke_density":0.31,"temperature":24,"smoke":"ON"}')
    values = {"smoke_density": 0.31, "temperature": 24.0, "smoke": True}
    assert said == Decoded("b/h1", values, 1_795_305_600_250_000, "a1", ())
    assert type(said.values["temperature"]) is float


# --- topics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["wl/b/incidents/inc-1", "wl/b/incidents/up", "wl/b/h1/down"])
def test_our_own_words_are_no_readings(topic: str) -> None:
    assert decode(topic, b"anything") is None


@pytest.mark.parametrize(
    "topic",
    [
        "", "/", "wl", "wl/", "wl/b/h1", "wl//h1/up", "wl/b//up", "wl/b/h1/up/more", "/wl/b/h1/up", "x/b/h1/up", "WL/b/h1/up",
        "wl/b/h\x00/up", "wl/b/h\n/up", "wl/\x7f/h1/up", "wl/b/h\u2028/up", "wl/b/h\u200e/up", "wl/b/\ud800/up",
        "wl/b/h1/u\x00p", "wl/b/+/up", "wl/#/h1/up", "wl/b/h1/+", f"wl/b/{'h' * (MAX_DEVICE + 1)}/up",
        f"wl/{'b' * (MAX_NAME + 1)}/h1/up", "wl/" + "x" * 65_000 + "/h/up", "$SYS/broker/uptime",
    ],
)  # fmt: skip
def test_a_topic_that_is_not_ours_is_refused(topic: str) -> None:
    assert refused('{"smoke":true}', topic).reason == "topic"


@pytest.mark.parametrize("device", ["h 1", "烟感-1", "🔥", "h.1", "*", "$x", "h" * MAX_DEVICE])
def test_any_printable_name_is_a_name(device: str) -> None:
    assert read('{"smoke":true}', f"wl/b/{device}/up").device == f"b/{device}"


def test_a_topic_below_a_device_that_nobody_expects_names_the_device() -> None:
    problem = refused('{"smoke":true}', "wl/b/h1/upp")
    assert (problem.reason, problem.device) == ("topic", "b/h1")
    assert "…/up" in problem.detail


# --- payloads of which nothing can be used ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not-json"), (b"smoke", "not-json"), (b"{", "not-json"), (b"{'smoke':true}", "not-json"),
        (b"\xff\xfe", "not-json"), (b"\x00" * 100, "not-json"), (b'\xef\xbb\xbf{"smoke":true}', "not-json"),
        (b'{"smoke":true}{', "not-json"), (b'{"smoke":true}\x00', "not-json"), (b'{"smoke":\xff}', "not-json"),
        (b'{"object":"\\ud800"}', "not-json"), (b'{"\\udc00":1}', "not-json"), (b'{"smoke":nan}', "not-json"),
        (b"[" * 100_000, "not-json"), (b"[" * 100_000 + b"]" * 100_000, "not-json"),
        (b'{"smoke":' * 100_000, "not-json"), (b'{"a":' * 150 + b"1" + b"}" * 150, "unknown-quantity"),
        (b'{"temperature":' + b"9" * 5000 + b"}", "not-json"),
        (b"[]", "not-json"), (b'[{"smoke":true}]', "not-json"), (b"true", "not-json"), (b"1", "not-json"),
        (b'"smoke"', "not-json"), (b"null", "not-json"), (b"NaN", "not-json"),
        (b"{}", "empty"), (b'{"at":"2026-11-22T00:00:00Z","id":7}', "empty"),
        (b'{"smok":true}', "unknown-quantity"), (b'{"":1}', "unknown-quantity"), (b'{"Smoke":true}', "unknown-quantity"),
        (b'{"smoke":2}', "wrong-type"), (b'{"smoke":1.0}', "wrong-type"), (b'{"smoke":null}', "wrong-type"),
        (b'{"smoke":NaN}', "wrong-type"), (b'{"smoke":[true]}', "wrong-type"), (b'{"smoke":"yes"}', "wrong-type"),
        (b'{"temperature":"24"}', "wrong-type"), (b'{"temperature":true}', "wrong-type"),
        (b'{"temperature":false}', "wrong-type"), (b'{"battery":{}}', "wrong-type"), (b'{"object":5}', "wrong-type"),
        (b'{"temperature":NaN}', "out-of-range"), (b'{"temperature":Infinity}', "out-of-range"),
        (b'{"temperature":-Infinity}', "out-of-range"), (b'{"temperature":1e999}', "out-of-range"),
        (b'{"temperature":10000}', "out-of-range"), (b'{"temperature":-273.15}', "out-of-range"),
        (b'{"battery":-1}', "out-of-range"), (b'{"temperature":' + b"9" * 4000 + b"}", "out-of-range"),
        (b'{"object":"' + b"x" * 300 + b'"}', "out-of-range"),
        (b'{"at":"yesterday"}', "clock"), (b'{"id":[]}', "wrong-type"),
    ],
)  # fmt: skip
def test_a_payload_of_which_nothing_can_be_used_says_why(payload: bytes, reason: str) -> None:
    problem = refused(payload)
    assert (problem.reason, problem.device) == (reason, "b/h1")


def test_too_many_fields() -> None:
    many = json.dumps({f"x{n}": 1 for n in range(MAX_FIELDS)} | {"smoke": True})
    assert refused(many).reason == "too-large"


def test_a_megabyte_of_text_is_not_repeated_in_the_complaint() -> None:
    refused(json.dumps({"x" * 1_000_000: 1}))
    refused(json.dumps({"temperature": "x" * 1_000_000}))
    refused(json.dumps({"id": "x" * 1_000_000}))
    refused(json.dumps({f"x{n}" * 1000: 1 for n in range(MAX_FIELDS)}))


# --- one bad field does not cost the others ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "reason", "names"),
    [
        ('"temperature":NaN', "out-of-range", "temperature"),
        ('"temperature":9e9', "out-of-range", "temperature"),
        ('"temperature":"hot"', "wrong-type", "temperature"),
        ('"battery":true', "wrong-type", "battery"),
        ('"temprature":20', "unknown-quantity", "temperature"),
        ('"at":"yesterday"', "clock", "at"),
        ('"at":true', "clock", "at"),
        ('"at":NaN', "clock", "at"),
        ('"at":1e300', "clock", "at"),
        ('"at":"2026-11-22T08:00:00"', "clock", "offset"),
        ('"id":null', "wrong-type", "id"),
        ('"id":1.5', "wrong-type", "id"),
        ('"id":true', "wrong-type", "id"),
        (f'"id":"{"x" * (MAX_NAME + 1)}"', "wrong-type", "id"),
        (f'"id":{"9" * 4300}', "wrong-type", "id"),
        (f'"id":-{"9" * 4300}', "wrong-type", "id"),
        ('"heat":false,"heat":true', "duplicate-key", "heat"),
        ('"heat" : 0 , "heat" : 1', "duplicate-key", "heat"),
    ],
)
def test_smoke_beside_a_bad_field_is_still_smoke(field: str, reason: str, names: str) -> None:
    for payload in (f'{{"smoke":true,{field}}}', f'{{{field},"smoke":true}}'):
        said = read(payload)
        assert said.values["smoke"] is True
        assert [fault.reason for fault in said.faults] == [reason]
        assert names in said.faults[0].detail
        assert len(said.faults[0].detail) < 300


def test_all_bad_fields_are_named() -> None:
    said = read('{"a":1,"temperature":1e9,"smoke":true,"battery":"x","at":"x"}')
    assert [fault.reason for fault in said.faults] == ["unknown-quantity", "out-of-range", "wrong-type", "clock"]
    problem = refused('{"a":1,"temperature":1e9,"at":"x"}')
    assert problem.reason == "unknown-quantity"
    assert all(word in problem.detail for word in ("`a`", "temperature", "at:"))


def test_a_drill_is_marked_by_its_name_and_a_mark_that_cannot_be_read_marks_nothing() -> None:
    drill = read('{"smoke": true, "exercise": "drill-2026.11"}')
    assert (drill.exercise, drill.values, drill.faults) == ("drill-2026.11", {"smoke": True}, ())
    for bad in ('""', "true", "7", "null", '"a b"', '"-x"', '"' + "x" * 65 + '"', '"演习"'):
        real = read(f'{{"smoke": true, "exercise": {bad}}}')
        assert (real.exercise, real.values) == ("", {"smoke": True})
        assert [f.reason for f in real.faults] == ["wrong-type"]
        assert real.faults[0].detail.startswith("exercise: ")


def test_of_a_name_given_twice_the_last_counts_and_it_is_said() -> None:
    said = read('{"smoke":true,"temperature":20,"smoke":false}')
    assert said.values == {"smoke": False, "temperature": 20.0}
    assert [f.reason for f in said.faults] == ["duplicate-key"]


@pytest.mark.parametrize(
    "payload", ['{"object":"a\\":b","smoke":true}', '{"object":"\\":\\":","at":1795305600000}', '{"smoke" :true}']
)
def test_a_text_that_looks_like_a_name_is_none(payload: str) -> None:
    assert read(payload).faults == ()


@pytest.mark.parametrize("identity", ['"a"', "7", '""', "-1", f'"{"x" * MAX_NAME}"'])
def test_an_id_is_a_text_or_a_whole_number(identity: str) -> None:
    assert read(f'{{"id":{identity},"smoke":true}}').id == str(json.loads(identity))


# --- moments ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "micros"),
    [
        (0, 0),
        (1795305600250, 1_795_305_600_250_000),
        (1795305600250.5, 1_795_305_600_250_500),
        ("2026-11-22T00:00:00Z", 1_795_305_600_000_000),
        ("2026-11-22T08:00:00.000001+08:00", 1_795_305_600_000_001),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000_000),
        ("9999-12-31T23:59:59-23:59", 253_402_387_139_000_000),
    ],
)
def test_a_moment_in_either_form(raw: object, micros: int) -> None:
    assert moment(raw) == micros


@given(st.datetimes(timezones=st.timezones()))
@settings(deadline=None)
def test_any_moment_with_an_offset(when: datetime) -> None:
    delta = when - datetime(1970, 1, 1, tzinfo=UTC)
    assert moment(when.isoformat()) == delta.days * 86_400_000_000 + delta.seconds * 1_000_000 + delta.microseconds


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "now",
        "2026-13-01T00:00:00Z",
        "2026-11-22",
        "x" * 41,
        None,
        [],
        {},
        True,
        float("inf"),
        float("nan"),
        1 << 70,
    ],
)
def test_what_is_no_moment_is_refused_with_the_remedy(raw: object) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|offset|calendar"):
        moment(raw)


# --- status -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "online"),
    [
        (b"online", True),
        (b"offline", False),
        (b" OnLine\n", True),
        (b'{"state":"offline"}', False),
        (b'{"state": "ONLINE"}', True),
    ],
)
def test_a_status(payload: bytes, online: bool) -> None:
    assert read(payload, STATUS) == Decoded("b/h1", {"online": online})


@pytest.mark.parametrize(
    "payload",
    [b"", b"on", b"{}", b"{", b"{\xff", b"[]", b'{"state":true}', b'{"state":"\\ud800"}', b'{"state":' + b"[" * 100_000, b"{" * 100_000,
     b'{"state":' + b"9" * 5000 + b"}", b"\x00online", b"x" * 1_000_000],
)  # fmt: skip
def test_no_status(payload: bytes) -> None:
    assert refused(payload, STATUS).reason == "status"


# --- anything ---------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from([*CATALOGUE, "at", "id", "smok", "", "\x00"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
PAYLOADS = st.one_of(
    st.binary(max_size=100),
    st.dictionaries(NAMES, JSON, max_size=8).map(lambda d: json.dumps(d).encode()),
    st.dictionaries(NAMES, JSON, max_size=8).map(lambda d: json.dumps(d, ensure_ascii=False).encode(errors="replace")),
    st.lists(st.tuples(NAMES, JSON), max_size=6).map(
        lambda pairs: ("{" + ",".join(f"{json.dumps(n)}:{json.dumps(v)}" for n, v in pairs) + "}").encode()
    ),
    st.tuples(
        st.sampled_from([b'{"smoke":true,"at":"', b'{"object":"', b'{"temperature":']), st.binary(max_size=20)
    ).map(lambda parts: parts[0] + parts[1] + b'"}'),
)


@given(st.sampled_from([UP, STATUS]) | st.text(max_size=60), PAYLOADS)
@example(UP, b'{"object":"\t","object":"\x01"}')
@settings(deadline=None, max_examples=400)
def test_any_bytes_on_any_topic_are_values_our_own_or_undecodable(topic: str, payload: bytes) -> None:
    try:
        said: Decoded | Undecodable | None = decode(topic, payload)
    except Undecodable as problem:
        said = problem
    if isinstance(said, Undecodable):
        assert said.reason
        assert 0 < len(said.detail) <= 500
    elif said is not None:
        assert said.values.keys() <= CATALOGUE.keys()
        assert said.values
        assert all(
            type(value) is {"number": float, "flag": bool, "text": str}[CATALOGUE[name].kind]
            for name, value in said.values.items()
        )
        assert all(CATALOGUE[n].low <= v <= CATALOGUE[n].high for n, v in said.values.items() if isinstance(v, float))


@given(PAYLOADS)
@settings(deadline=None, max_examples=200)
def test_smoke_is_never_lost_among_whatever_else(payload: bytes) -> None:
    try:
        fields = json.loads(payload)
    except ValueError:
        fields = None
    if isinstance(fields, dict):
        fields["smoke"] = True
        text = json.dumps(fields)
        assert read(text).values["smoke"] is True or "\\ud" in text
