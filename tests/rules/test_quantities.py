"""The catalogue is honest and complete, and `read` lets nothing through that it should not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.model import Value
from rules.quantities import (
    CATALOGUE,
    TEXT_LIMIT,
    OutOfRangeError,
    QuantityError,
    UnknownQuantityError,
    WrongTypeError,
    read,
    suggest,
)

NUMBERS = sorted(q.name for q in CATALOGUE.values() if q.kind == "number")
FLAGS = sorted(q.name for q in CATALOGUE.values() if q.kind == "flag")
TEXTS = sorted(q.name for q in CATALOGUE.values() if q.kind == "text")


def test_every_quantity_is_named_in_both_languages_and_has_a_range() -> None:
    for name, quantity in CATALOGUE.items():
        assert name == quantity.name
        assert name.isidentifier()
        assert name == name.lower()
        assert quantity.low < quantity.high
        assert any("\u4e00" <= c <= "\u9fff" for c in quantity.zh), name
        assert quantity.en.isascii()
        assert quantity.en


def test_a_real_fire_is_in_range() -> None:
    assert read("temperature", 1_000) == 1_000.0
    assert read("co", 50_000) == 50_000.0
    assert read("smoke_density", 43.8) == 43.8


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_at_the_ends_of_their_range(name: str) -> None:
    quantity = CATALOGUE[name]
    assert read(name, quantity.low) == quantity.low
    assert read(name, quantity.high) == quantity.high
    for beyond in (math.nextafter(quantity.low, -math.inf), math.nextafter(quantity.high, math.inf)):
        with pytest.raises(OutOfRangeError):
            read(name, beyond)


def test_an_int_becomes_a_float() -> None:
    assert repr(read("temperature", 21)) == "21.0"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, -(10**400), 1e300])
def test_numbers_that_are_none(value: float) -> None:
    with pytest.raises(OutOfRangeError) as caught:
        read("temperature", value)
    assert caught.value.reason == "out-of-range"
    assert "-60 to 1500 °C" in caught.value.remedy
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("value", [True, False, "21.5", "", None, [], {}, [21.5], b"1"])
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(WrongTypeError) as caught:
        read("temperature", value)
    assert caught.value.reason == "wrong-type"
    assert "without quotes" in caught.value.remedy


@pytest.mark.parametrize("value", [True, 1, "ON", "on", "true", "True"])
def test_flags_that_are_set(value: object) -> None:
    assert read("smoke", value) is True


@pytest.mark.parametrize("value", [False, 0, "OFF", "off", "false", "False"])
def test_flags_that_are_not_set(value: object) -> None:
    assert read("smoke", value) is False


@pytest.mark.parametrize("value", [2, -1, 1.0, 0.0, "yes", "", "1", None, [], {}])
def test_what_is_no_flag(value: object) -> None:
    with pytest.raises(WrongTypeError):
        read("smoke", value)


def test_texts() -> None:
    assert read("object", "car") == "car"
    assert read("object", "车" * TEXT_LIMIT) == "车" * TEXT_LIMIT
    assert read("report_text", "火" * 500) == "火" * 500
    with pytest.raises(OutOfRangeError, match="at most 500"):
        read("report_text", "火" * 501)
    with pytest.raises(OutOfRangeError):
        read("object", "车" * (TEXT_LIMIT + 1))
    for value in (1, 1.5, True, None, ["car"]):
        with pytest.raises(WrongTypeError):
            read("object", value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("smoke_densty", "smoke_density"),
        ("temprature", "temperature"),
        ("Temperature", "temperature"),
        ("temp", "temperature"),
        ("smoke_density_dbm", "smoke_density"),
        ("zzz", ""),
        ("x" * 1_000, ""),
    ],
)
def test_what_was_probably_meant(written: str, meant: str) -> None:
    assert suggest(written) == meant
    with pytest.raises(UnknownQuantityError) as caught:
        read(written, 1.0)
    assert caught.value.reason == "unknown-quantity"
    assert caught.value.remedy == (f"did you mean `{meant}`?" if meant else "see the catalogue in rules/quantities.py")
    assert len(str(caught.value)) < 200


def test_an_unknown_flag_is_unknown_and_not_of_the_wrong_type() -> None:
    with pytest.raises(UnknownQuantityError):
        read("smok", True)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**300, 10**400),
    st.floats(),
    st.text(max_size=300),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def read_or_refusal(name: str, value: object) -> Value | QuantityError:
    try:
        return read(name, value)
    except QuantityError as error:
        return error


@given(st.sampled_from([*NUMBERS, *FLAGS, *TEXTS, "nonsense"]), ANYTHING)
def test_anything_is_read_or_refused_with_a_reason(name: str, value: object) -> None:
    got = read_or_refusal(name, value)
    if isinstance(got, QuantityError):
        assert got.reason in ("unknown-quantity", "wrong-type", "out-of-range")
        assert got.remedy
        assert len(str(got)) < 300
        return
    quantity = CATALOGUE[name]
    if quantity.kind == "number":
        assert isinstance(got, float)
        assert quantity.low <= got <= quantity.high
        assert type(value) in (int, float)
    elif quantity.kind == "flag":
        assert isinstance(got, bool)
    else:
        assert got == value
