"""The lookout: what becomes of each message, how fresh it is, what bad input costs, and what goes into the history.

Knows the wire and the engine's answers; no broker, no ledger, no clock.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.lookout import KEPT_PAYLOAD, Limits, Lookout, Sight, observed_at, points
from monitor.ports import Message, TapeRecord, Verdict
from monitor.tape import event_row, message_row
from rules.model import HOUR, MINUTE, SECOND, Effect, Entry, Micros, Push, Reading, Step, Tick
from tests.monitor.test_native import PAYLOADS
from tests.rules.small_block import T0, block, book, rule

BOOK = book(
    rule("smoke", "FIRE", "smoke", clear="not smoke"), rule("hot", "FIRE", "temperature > 57", ("heat_detector",))
)
DAY = 24 * HOUR
LIMITS = Limits()


def lookout(limits: Limits = LIMITS) -> Lookout:
    return Lookout(BOOK, block(), limits)


def up(
    at: float = 0, device: str = "h1", /, *, retain: bool = False, dup: bool = False, mid: int = 1, measured: float | None = None,
    raw: bytes | None = None, **values: Any,
) -> Message:  # fmt: skip
    """A reading `at` seconds after T0; `measured`, in seconds after T0 too, becomes its own `at`."""
    if measured is not None:
        when = datetime.fromtimestamp(T0 // SECOND, UTC) + timedelta(seconds=measured)
        values = {"at": when.isoformat(), **values}
    payload = json.dumps(values).encode() if raw is None else raw
    return Message(T0 + round(at * SECOND), f"wl/b/{device}/up", payload, 1, retain, dup, 1 << 16 | mid)


def status(at: float, word: bytes, *, retain: bool = True) -> Message:
    return Message(T0 + round(at * SECOND), "wl/b/h1/status", word, 1, retain, False, 0)


def steps(sight: Sight) -> list[Step]:
    return [e.step for e in sight.effects if isinstance(e, Entry)]


def pushed(effects: Sequence[Effect]) -> list[str]:
    return [e.step.partition("-")[0] for e in effects if isinstance(e, Push) and not e.step.startswith("state-")]


def reasons(sight: Sight) -> list[str]:
    return [q.reason for q in sight.quarantined]


# --- what becomes of it -----------------------------------------------------------------------------------------------


def test_smoke_is_a_fire() -> None:
    sight = lookout().see(up(smoke=True))
    assert (sight.verdict, sight.device, sight.quarantined) == (Verdict.LIVE, "b/h1", ())
    assert steps(sight)[0] is Step.RAISED
    assert pushed(sight.effects) == ["dispatch"]


def test_a_stranger_is_kept_apart() -> None:
    it = lookout()
    assert it.see(up(0, "nobody", smoke=True)) == Sight(Verdict.UNREGISTERED, (), "b/nobody", ())
    assert it.engine.device_count == 0


@pytest.mark.parametrize("topic", ["wl/b/incidents/inc-000001", "wl/b/h1/down"])
def test_our_own_words_are_only_counted(topic: str) -> None:
    assert lookout().see(Message(T0, topic, b'{"smoke":true}')) == Sight(Verdict.OWN)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b"not json", "not-json"),
        (b"[" * 60_000, "not-json"),
        (b"{}", "empty"),
        (b'{"temperature":NaN}', "out-of-range"),
        (b'{"temperature":"x"}', "wrong-type"),
        (b'{"smok":true}', "unknown-quantity"),
        (b"x" * 65_537, "too-large"),
        (b'{"smoke":true,"object":"' + b"x" * 1_000_000 + b'"}', "too-large"),
        (b"[" * 100_000, "too-large"),
    ],
)
def test_what_cannot_be_used_is_set_aside_with_its_reason(payload: bytes, reason: str) -> None:
    it = lookout()
    sight = it.see(up(raw=payload))
    assert sight.verdict is Verdict.REJECTED
    (aside,) = sight.quarantined
    assert (aside.reason, aside.at, aside.topic, aside.payload) == (reason, T0, "wl/b/h1/up", payload[:KEPT_PAYLOAD])
    assert aside.detail
    assert it.engine.device_count == 0


def test_the_bound_on_bytes_is_exact() -> None:
    it = lookout(Limits(max_payload=14))
    assert it.see(up(raw=b'{"smoke":true}')).verdict is Verdict.LIVE
    assert it.see(up(raw=b'{"smoke":true} ')).verdict is Verdict.REJECTED


def test_a_retained_message_that_was_deleted_teaches_nothing() -> None:
    it = lookout()
    assert it.see(up(raw=b"", retain=True)) == Sight(Verdict.RETAINED)
    assert it.engine.device_count == 0


@pytest.mark.parametrize(
    "topic", ["wl/b/h\x00/up", "wl/b/\ud800/up", "wl/b/+/up", "wl/b/#", "x" * 65_535, "", "a/b/c", "wl/🔥"]
)
def test_strange_topics_are_set_aside(topic: str) -> None:
    sight = lookout().see(Message(T0, topic, b'{"smoke":true}'))
    assert (sight.verdict, reasons(sight)) == (Verdict.REJECTED, ["topic"])
    assert len(sight.quarantined[0].topic) <= 512


@pytest.mark.parametrize(
    "beside",
    [
        {"temperature": float("nan")}, {"temperature": 1e9}, {"temperature": True}, {"battery": "full"}, {"nonsense": 1},
        {"at": "yesterday"}, {"at": False}, {"id": None}, {"temperature": 10**400}, {"x": [[[[1]]]]},
    ],
)  # fmt: skip
def test_smoke_beside_a_bad_field_is_a_fire_and_the_field_is_set_aside(beside: dict[str, Any]) -> None:
    sight = lookout().see(up(smoke=True, **beside))
    assert sight.verdict is Verdict.LIVE
    assert pushed(sight.effects) == ["dispatch"]
    assert len(sight.quarantined) == 1


def test_smoke_given_twice_takes_the_last_and_says_so() -> None:
    sight = lookout().see(up(raw=b'{"smoke":false,"smoke":true}'))
    assert pushed(sight.effects) == ["dispatch"]
    assert reasons(sight) == ["duplicate-key"]


# --- how fresh it is --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measured", "verdict", "aside"),
    [
        (0, Verdict.LIVE, []),
        (-120, Verdict.LIVE, []),
        (-120.000001, Verdict.LATE, []),
        (-86_400 * 400, Verdict.LATE, []),
        (30, Verdict.LIVE, []),
        (30.000001, Verdict.FUTURE, []),
        (86_400, Verdict.FUTURE, []),
        (86_400.000001, Verdict.FUTURE, ["clock"]),
    ],
)
def test_freshness_by_the_devices_own_time(measured: float, verdict: Verdict, aside: list[str]) -> None:
    sight = lookout().see(up(measured=measured, smoke=True))
    assert (sight.verdict, reasons(sight)) == (verdict, aside)
    assert pushed(sight.effects) == (["dispatch"] if verdict is Verdict.LIVE else ["verify"])


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        ("1970-01-01T00:00:05Z", Verdict.LATE),
        ("2019-12-31T23:59:59Z", Verdict.LATE),
        ("2099-01-01T00:00:00Z", Verdict.FUTURE),
    ],
)
def test_a_clock_that_no_device_should_have_is_set_aside_and_the_smoke_is_looked_into(
    at: str, verdict: Verdict
) -> None:
    sight = lookout().see(up(raw=json.dumps({"at": at, "smoke": True}).encode()))
    assert (sight.verdict, reasons(sight)) == (verdict, ["clock"])
    assert "set it" in sight.quarantined[0].detail
    assert pushed(sight.effects) == ["verify"]


def test_a_clock_that_falls_to_1970_does_not_make_smoke_outdated() -> None:
    watch = lookout()
    watch.see(up(0, smoke=False))
    sight = watch.see(up(10, raw=b'{"smoke":true,"at":"1970-01-01T00:00:05Z"}'))
    assert sight.verdict is Verdict.LATE
    assert [e.step for e in sight.effects if isinstance(e, Push) and e.step.startswith("verify")]


def test_a_retained_reading_sends_nobody() -> None:
    sight = lookout().see(up(retain=True, smoke=True))
    assert sight.verdict is Verdict.RETAINED
    assert pushed(sight.effects) == []
    assert steps(sight) == [Step.RAISED]


def test_a_retained_copy_does_not_swallow_the_queued_original() -> None:
    cases: list[dict[str, Any]] = [{}, {"measured": 0.0}, {"id": "a"}]
    for told_apart in cases:
        it = lookout()
        assert it.see(up(retain=True, smoke=True, **told_apart)).verdict is Verdict.RETAINED
        original = it.see(up(1, smoke=True, **told_apart))
        assert original.verdict is Verdict.LIVE
        assert pushed(original.effects) == ["dispatch"]


def test_a_retained_copy_after_the_original_changes_nothing() -> None:
    it = lookout()
    it.see(up(0, smoke=True, measured=0))
    it.see(up(1, smoke=False, measured=1))
    assert it.see(up(2, smoke=True, measured=0, retain=True)) == Sight(Verdict.DUPLICATE, (), "b/h1", ())
    assert not it.see(up(2, smoke=True, retain=True)).effects
    state = it.engine.device("b/h1")
    assert state is not None
    assert state.values == {"smoke": False}


def test_a_retained_status_is_the_present() -> None:
    it = lookout()
    assert it.see(status(0, b"online")).verdict is Verdict.LIVE
    assert it.see(status(1, b"offline")).verdict is Verdict.LIVE
    state = it.engine.device("b/h1")
    assert state is not None
    assert state.values == {"online": False}
    assert it.see(status(2, b"offline")).verdict is Verdict.LIVE  # told again at every new connection


@pytest.mark.parametrize("apart", [{"measured": 0.0}, {"id": "a1"}, {"id": 7, "measured": 0.0}])
def test_the_same_words_about_the_same_moment_are_a_duplicate(apart: dict[str, Any]) -> None:
    it = lookout()
    assert it.see(up(0, smoke=True, mid=1, **apart)).verdict is Verdict.LIVE
    again = it.see(up(5, smoke=True, mid=2, **apart))
    assert again == Sight(Verdict.DUPLICATE, (), "b/h1", ())
    assert it.see(up(6, "h2", smoke=True, mid=3, **apart)).verdict is Verdict.LIVE  # another device


@pytest.mark.parametrize("apart", [{"measured": 0.0}, {"id": "a1"}])
def test_an_id_or_a_moment_that_comes_back_with_other_words_is_a_new_reading(apart: dict[str, Any]) -> None:
    it = lookout()
    assert it.see(up(0, smoke=False, **apart)).verdict is Verdict.LIVE
    sight = it.see(up(1, smoke=True, **apart))
    assert sight.verdict is Verdict.LIVE
    assert pushed(sight.effects) == ["dispatch"]


def test_without_time_or_id_only_the_brokers_own_repetition_is_a_duplicate() -> None:
    it = lookout()
    assert it.see(up(0, smoke=True, mid=5)).verdict is Verdict.LIVE
    assert it.see(up(1, smoke=True, mid=6)).verdict is Verdict.LIVE  # it may well have measured the same again
    assert it.see(up(2, smoke=True, mid=6, dup=True)).verdict is Verdict.DUPLICATE
    assert it.see(up(3, smoke=True, mid=7, dup=True)).verdict is Verdict.LIVE  # repeated, but the first never came
    assert it.see(up(4, smoke=False, mid=5, dup=True)).verdict is Verdict.LIVE
    assert it.see(up(5, smoke=True, mid=5)).verdict is Verdict.LIVE  # the identifier is used again


def test_the_broker_repeats_after_a_new_connection() -> None:
    it = lookout()
    assert it.see(up(0, smoke=True, mid=5)).verdict is Verdict.LIVE
    other_session = up(1, smoke=True, mid=5, dup=True)
    assert it.see(other_session._replace(token=9 << 16 | 5)).verdict is Verdict.DUPLICATE


def test_a_bad_time_or_id_does_not_tell_apart() -> None:
    it = lookout()
    for mid in (1, 2):
        assert it.see(up(mid, smoke=True, mid=mid, at="yesterday")).verdict is Verdict.LIVE


def test_duplicates_are_known_among_so_many_messages_and_memory_is_bounded() -> None:
    it = lookout(Limits(remembered=100))
    first = up(0, smoke=False, id="first")
    assert it.see(first).verdict is Verdict.LIVE
    for n in range(99):
        it.see(up(1, smoke=False, id=n))
    assert it.see(first).verdict is Verdict.DUPLICATE
    for n in range(99, 1000):
        it.see(up(1, smoke=False, id=n))
    assert it.see(up(1, smoke=False, id=950)).verdict is Verdict.DUPLICATE
    assert sum(map(len, it.snapshot()["remembered"])) <= 2 * 100 * 8
    assert it.see(first).verdict is Verdict.LIVE


def test_a_restored_lookout_knows_what_was_seen() -> None:
    it = lookout()
    seen = [up(n, smoke=False, id=n) for n in range(50)]
    for m in seen:
        it.see(m)
    other = Lookout(BOOK, block())
    other.restore(msgpack.unpackb(msgpack.packb(it.snapshot()), strict_map_key=False))
    assert Counter(other.see(m).verdict for m in seen) == {Verdict.DUPLICATE: 50}
    assert other.snapshot() == it.snapshot()


# --- anything ---------------------------------------------------------------------------------------------------------

TOPICS = st.one_of(
    st.sampled_from(["wl/b/h1/up", "wl/b/h2/up", "wl/b/h3/up", "wl/b/h1/status", "wl/b/nobody/up", "wl/b/h1/down"]),
    st.text(st.characters(categories=("L", "N", "P", "S", "Z", "C")), max_size=30),
)
MESSAGES = st.builds(
    Message, st.integers(T0, T0 + HOUR), TOPICS, PAYLOADS, st.integers(0, 2), st.booleans(), st.booleans(), st.integers(0, 9)
)  # fmt: skip


@given(st.lists(MESSAGES, max_size=12))
@settings(deadline=None, max_examples=150)
def test_no_message_whatever_it_holds_stops_the_lookout(messages: list[Message]) -> None:
    it = lookout()
    at = T0
    for m in messages:
        at = max(at, m.at)
        sight = it.see(m._replace(at=at))
        assert isinstance(sight.verdict, Verdict)
        assert (sight.verdict is Verdict.REJECTED) <= (len(sight.quarantined) == 1)
        assert all(len(q.payload) <= KEPT_PAYLOAD and len(q.topic) <= 512 and q.detail for q in sight.quarantined)
    msgpack.packb(it.snapshot())  # and what it holds can be written


# --- the history ------------------------------------------------------------------------------------------------------


def record(messages: list[Message], first_seq: int = 1, it: Lookout | None = None) -> TapeRecord:
    """What the panel would write of them."""
    it = it or lookout()
    rows: list[tuple[object, ...]] = [message_row(m, it.see(m).verdict) for m in messages]
    return TapeRecord(first_seq, messages[0].at, messages[-1].at, rows)


def test_only_what_a_device_itself_newly_said_goes_into_the_history() -> None:
    said = [
        up(0, smoke=False, id=1),
        up(1, smoke=False, id=1),  # duplicate
        up(2, smoke=True, id=2, retain=True),  # retained
        up(3, raw=b"?"),  # rejected
        up(4, "nobody", smoke=True),  # unregistered
        up(5, smoke=True, measured=-600),  # late
        up(6, smoke=True, measured=600),  # future
        status(7, b"online"),
    ]
    held = record(said)
    held.rows.insert(3, event_row(Tick(T0)))
    assert [(p.device, p.kind, p.zone, p.at_ns // 1000, p.values) for p in points(held, block(), LIMITS)] == [
        ("b/h1", "smoke_detector", "b/home", T0, {"smoke": False}),
        ("b/h1", "smoke_detector", "b/home", T0 - 600 * SECOND, {"smoke": True}),
        ("b/h1", "smoke_detector", "b/home", T0 + 6 * SECOND, {"smoke": True}),
        ("b/h1", "smoke_detector", "b/home", T0 + 7 * SECOND, {"online": True}),
    ]


def test_what_a_drill_made_up_is_evaluated_and_on_the_tape_but_in_no_history() -> None:
    it = lookout()
    held = record([up(0, smoke=True, exercise="drill-1"), up(1, "h2", smoke=False)], 1, it)
    assert [row[6] for row in held.rows] == ["live", "live"]
    assert b"drill-1" in held.rows[0][3]  # type: ignore[operator]
    assert it.engine.device("b/h1") is not None
    assert [p.device for p in points(held, block(), LIMITS)] == ["b/h2"]


def test_what_is_in_the_site_file_no_more_is_left_out() -> None:
    held = record([up(0, smoke=False), up(1, "h2", smoke=False)])
    assert [p.device for p in points(held, block(without=frozenset({"h1"})), LIMITS)] == ["b/h2"]


def test_a_row_that_this_version_cannot_read_holds_up_nothing() -> None:
    held = record([up(0, smoke=False), up(1, smoke=False)])
    held.rows[0] = message_row(up(0, raw=b'{"gone_from_the_catalogue":1}'), Verdict.LIVE)
    assert [p.at_ns // 1000 for p in points(held, block(), LIMITS)] == [T0 + SECOND]


@pytest.mark.parametrize(
    ("measured_at", "expected"),
    [
        (None, T0), (T0 - 5, T0 - 5), (T0 + 30 * SECOND, T0 + 30 * SECOND), (T0 + 30 * SECOND + 1, T0), (T0 + 400 * DAY, T0),
        (0, T0), (-5, T0), (1_577_836_800 * SECOND, 1_577_836_800 * SECOND), (1_577_836_800 * SECOND - 1, T0),
    ],
)  # fmt: skip
def test_a_broken_clock_does_not_date_the_history(measured_at: Micros | None, expected: Micros) -> None:
    assert observed_at(T0, measured_at, 30 * SECOND) == expected


@given(
    st.integers(1, 10**9),
    st.lists(st.tuples(st.sampled_from(["h1", "h2"]), st.none() | st.integers(-3, 3)), min_size=1, max_size=60),
)
@settings(deadline=None)
def test_no_two_readings_of_a_device_share_a_moment(first_seq: int, said: list[tuple[str, int | None]]) -> None:
    messages = [up(0, device, id=n, measured=measured, smoke=False) for n, (device, measured) in enumerate(said)]
    held = record(messages, first_seq)
    found = points(held, block(), LIMITS)
    assert len({(p.device, p.at_ns) for p in found}) == len(found) == len(messages)
    assert points(held, block(), LIMITS) == found  # writing it again changes nothing
    for p, (_, measured) in zip(found, said, strict=True):
        assert 0 <= p.at_ns - (T0 + (measured or 0) * SECOND) * 1000 < 1_000_000


@pytest.mark.parametrize("apart", [1, 999, 1000, 2000, 50_000, 999_999])
def test_a_devices_own_moment_that_comes_back_much_later_on_the_tape_overwrites_nothing(apart: int) -> None:
    it = lookout()
    one = points(record([up(0, id=1, measured=0, smoke=False)], 5, it), block(), LIMITS)
    two = points(record([up(1, id=2, measured=0, smoke=False)], 5 + apart, it), block(), LIMITS)
    assert one[0].at_ns != two[0].at_ns


def test_the_tape_splits_nothing() -> None:
    messages = [up(n, id=n, smoke=False) for n in range(10)]
    it = lookout()
    whole = points(record(messages, 7), block(), LIMITS)
    halves = [
        p for begin in (0, 5) for p in points(record(messages[begin : begin + 5], 7 + begin, it), block(), LIMITS)
    ]
    assert halves == whole


# --- the engine behind it ---------------------------------------------------------------------------------------------


def test_the_reading_that_the_engine_gets() -> None:
    it, direct = lookout(), lookout()
    effects: list[Effect] = direct.engine.handle(Reading(T0 + MINUTE, "b/h3", {"temperature": 80.0}, measured_at=T0))
    assert it.see(up(60, "h3", measured=0, temperature=80)).effects == effects
    assert it.engine.snapshot() == direct.engine.snapshot()
