"""Each memory as a timeline: what it answers second by second; and the windows against a reference that keeps every reading.

Times are seconds after 2026-11-22T08:00 in China, a Sunday.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rules.conditions import compile_device
from rules.engine import Engine
from rules.memory import Memory, Moment
from rules.model import SECOND, Freshness, Micros, Reading, Tick, Trouble, Value
from rules.recall import Recall
from rules.rule import BookChanged
from rules.schedules import SHIPPED, day_of
from rules.sightings import OBJECTS_LIMIT
from rules.timers import Timers
from rules.windows import BUCKETS
from tests.rules.corner_street import street
from tests.rules.small_block import T0, book, moment, rule, through_bytes
from tests.rules.test_conditions import DEVICE, ZONE
from tests.rules.test_engine_properties import prove

DETECTORS = ("smoke_detector", "heat_detector", "camera", "call_point")


class Story:
    """One memory at work in an engine, for a device of the street; `now` is what it answers."""

    def __init__(self, asked: str, device: str = "smoke-1") -> None:
        (*_, memory) = compile_device(f"known({asked})").asked.memories
        self.name = memory.name
        self.device = f"c/{device}"
        when = f"'known({asked}) or known(battery)'"
        self.engine = Engine(book(rule("r", "FAULT", when, DETECTORS)), street())

    def said(self, at: float, freshness: Freshness = Freshness.LIVE, /, **values: Value | int) -> Value | None:
        """The device reports; a late word is one of a clock that lost its battery."""
        told = {n: v if isinstance(v, (bool, str)) else float(v) for n, v in values.items()}
        self.engine.handle(Reading(moment(at), self.device, told, freshness))
        return self.now

    def at(self, at: float) -> Value | None:
        """Time passes."""
        self.engine.handle(Tick(moment(at)))
        return self.now

    def feed(self, at: float, down: bool) -> Value | None:
        """Our own feed goes down or comes back."""
        self.engine.handle(Trouble(moment(at), "feed", down, "broken"))
        return self.now

    @property
    def now(self) -> Value | None:
        state = self.engine.device(self.device)
        return state.derived.get(self.name) if state else None


# --- windows ----------------------------------------------------------------------------------------------------------


def test_a_rise_is_told_once_three_readings_cover_half_the_window() -> None:
    story = Story("rise(temperature, 60s)", "heat-1")
    assert [story.said(t, temperature=20 + t / 10) for t in (0, 10, 20)] == [None] * 3
    assert story.said(30, temperature=23) == pytest.approx(6.0)
    assert story.said(60, temperature=26) == pytest.approx(6.0)
    assert story.at(120) == pytest.approx(6.0)
    assert story.at(120.000001) is None


def test_two_readings_are_no_rise_however_far_apart() -> None:
    story = Story("rise(temperature, 60s)", "heat-1")
    assert [story.said(t, temperature=t) for t in (0, 50)] == [None, None]
    assert story.said(55, temperature=55) == pytest.approx(60.0)


def test_one_bad_sample_in_ten_counts_less_than_its_jump_and_not_at_all_in_the_middle() -> None:
    story = Story("rise(temperature, 60s)", "heat-1")
    answers = [story.said(t, temperature=40 if t == 30 else 20) for t in range(0, 61, 6)]
    assert max(abs(float(a)) for a in answers[6:] if a is not None) < 15
    assert float(answers[-1] or 0.0) == pytest.approx(0.0, abs=1e-9)


def test_a_rise_never_exceeds_the_whole_range_of_the_quantity() -> None:
    story = Story("rise(battery, 16s)")
    for t in (0, 7.9, 7.95):
        story.said(t, battery=0)
    assert story.said(8, battery=100) is not None
    for t in (8.0, 8.1, 8.2, 8.3):
        assert -100 <= float(story.said(t, battery=100) or 0.0) <= 100


def test_mean_and_extremes_forget_what_left_the_window_and_are_unknown_when_nothing_is_left() -> None:
    low, high, mean = (Story(f"{name}(temperature, 16s)", "heat-1") for name in ("min", "max", "mean"))
    for story, wanted in ((low, [20, 20, 20, 30, 30]), (high, [20, 40, 40, 40, 40]), (mean, [20, 30, 30, 35, 35])):
        assert [story.said(t, temperature=v) for t, v in ((0, 20), (8, 40), (14, 30))] == pytest.approx(wanted[:3])
        assert [story.said(18, temperature=35), story.at(34)] == pytest.approx(wanted[3:])
        assert story.at(34.1) is None
        assert story.said(35, temperature=21) == 21


def test_the_last_value_holds_no_longer_than_its_span_and_is_renewed_by_the_same() -> None:
    story = Story("last(temperature, 30s)", "heat-1")
    assert [story.said(0, temperature=60), story.at(30), story.said(30, temperature=60)] == [60.0] * 3
    assert [story.said(40, humidity=5), story.at(60), story.at(60.1)] == [60.0, 60.0, None]
    assert Story("last(object, 30s)", "cam-1").said(0, object="car") == "car"


def test_changes_of_a_flag_are_counted_and_fade_in_silence() -> None:
    story = Story("changes(smoke, 16s)")
    assert story.said(0, battery=5) is None
    assert [story.said(t, smoke=t % 2 == 0) for t in range(5)] == [0, 1, 2, 3, 4]
    assert story.said(5, smoke=True) == 4
    assert [story.at(t) for t in (17, 18, 19, 20, 21, 60)] == [4, 3, 2, 1, 0, 0]
    assert story.said(61, smoke=False) == 1


Reference = Callable[[list[tuple[Micros, float]], Micros], float | None]


def _least_squares(samples: list[tuple[Micros, float]], span: Micros) -> float | None:
    if len(samples) < 3 or samples[-1][0] - samples[0][0] < span / 2:
        return None
    t = [(at - samples[0][0]) / SECOND for at, _ in samples]
    v = [value for _, value in samples]
    middle, level = fmean(t), fmean(v)
    spread = sum((a - middle) ** 2 for a in t)
    return sum((a - middle) * (b - level) for a, b in zip(t, v, strict=True)) / spread * span / SECOND


REFERENCES: dict[str, Reference] = {
    "rise": _least_squares,
    "mean": lambda samples, span: fmean(v for _, v in samples),
    "min": lambda samples, span: min(v for _, v in samples),
    "max": lambda samples, span: max(v for _, v in samples),
}


@prove(150)
@given(
    st.sampled_from(sorted(REFERENCES)),
    st.sampled_from((1, 7, 60, 3600, 86_400)),
    st.lists(st.tuples(st.integers(0, 400), st.floats(-60, 1500)), min_size=1, max_size=60),
)
def test_windows_agree_with_a_reference_that_keeps_every_reading(
    name: str, seconds: int, steps: list[tuple[int, float]]
) -> None:
    """Exactly (but for rounding) the readings since the begin of a bucket: the window, and at most a sixteenth of it before."""
    span = seconds * SECOND
    width = span // BUCKETS
    (memory,) = compile_device(f"{name}(temperature, {seconds}s) > 0").asked.memories
    state, at, kept = memory.new(T0), T0, []
    for thousandths, value in steps:
        at += span * thousandths // 1000
        kept.append((at, value))
        answer = memory.hear(state, _moment(at, temperature=value))
        begin = (at // width - BUCKETS) * width
        assert at - span - width < begin <= at - span
        wanted = REFERENCES[name]([sample for sample in kept if sample[0] >= begin], span)
        if wanted is None or name != "rise":
            assert answer == (wanted if wanted is None else pytest.approx(wanted, rel=1e-9, abs=1e-6))
        else:
            assert answer == pytest.approx(max(-1560.0, min(1560.0, wanted)), rel=1e-6, abs=1e-5)
        assert len(state) + 57 <= memory.bytes_bound
        assert memory.restored(memory.plain(state)) == state


def _moment(at: Micros, **said: Value) -> Moment:
    return Moment(at, said, said, DEVICE, ZONE, {}, 0)


# --- conditions over time ---------------------------------------------------------------------------------------------


def test_held_becomes_true_in_silence_and_any_break_begins_it_anew() -> None:
    story = Story("held(smoke, 60s)")
    assert [story.said(0, smoke=True), story.at(59.9), story.at(60)] == [False, False, True]
    assert [story.said(61, smoke=False), story.said(62, smoke=True), story.at(121), story.at(122)] == [
        False, False, False, True,
    ]  # fmt: skip


def test_held_is_unknown_with_its_condition() -> None:
    story = Story("held(smoke and heat, 10s)")
    assert story.said(0, smoke=True) is None
    assert [story.said(1, heat=True), story.at(11)] == [False, True]


def test_a_late_reading_starts_no_hold_but_breaks_one_when_it_would_be_over() -> None:
    story = Story("held(smoke, 60s)")
    story.said(0, smoke=True)
    assert story.said(50, Freshness.LATE, smoke=False) is False
    assert story.at(60) is False
    assert story.said(70, Freshness.LATE, smoke=True) is False
    assert story.at(200) is False
    assert [story.said(201, smoke=True), story.at(261)] == [False, True]


def test_recent_is_true_while_and_for_a_span_after() -> None:
    story = Story("recent(smoke, 10s)")
    assert [story.said(0, battery=9), story.said(1, smoke=True), story.at(100)] == [None, True, True]
    assert [story.said(101, smoke=False), story.at(111), story.at(111.1)] == [True, True, False]
    assert Story("recent(smoke, 10s)").said(0, smoke=False) is False


def test_memories_of_memories_move_together_by_time_alone() -> None:
    story = Story("recent(held(recent(smoke, 2s), 5s), 3s)")
    assert [story.said(0, smoke=True), story.said(4, smoke=False), story.at(5), story.at(6)] == [
        False, False, True, True,
    ]  # fmt: skip
    assert [story.at(9), story.at(9.1)] == [True, False]


def test_a_device_is_silent_after_the_whole_span_and_not_a_moment_before() -> None:
    story = Story("silent(60s)")
    assert [story.said(0, battery=9), story.at(60), story.at(60.1)] == [False, False, True]
    assert [story.said(61, battery=9), story.said(121, battery=9), story.at(181)] == [False] * 3


def test_the_brokers_word_of_a_lost_device_is_none_of_its_own_and_a_late_word_is() -> None:
    story = Story("silent(60s)")
    story.said(0, battery=9)
    assert [story.said(50, online=False), story.at(61)] == [False, True]
    assert [story.said(62, Freshness.RETAINED, battery=9), story.said(63, Freshness.LATE, battery=8)] == [True, False]


def test_nobody_falls_silent_while_we_are_deaf_and_everybody_gets_a_whole_span_afterwards() -> None:
    story = Story("silent(60s)")
    story.said(0, battery=9)
    story.feed(30, down=True)
    assert [story.at(100), story.at(3000), story.feed(5000, down=False)] == [False] * 3
    assert [story.at(5060), story.at(5060.1)] == [False, True]
    assert [story.feed(5100, down=True), story.feed(5200, down=False), story.at(5201)] == [True] * 3


def test_a_rule_about_silence_gives_a_device_a_whole_span_from_its_coming_into_force() -> None:
    story = Story("silent(60s)")
    old = book(rule("r", "FAULT", "battery_low", DETECTORS))
    engine = Engine(old, street())
    engine.handle(Reading(T0, "c/smoke-1", {"battery": 5.0}))
    engine.handle(BookChanged(moment(1000), story.engine.book))
    story.engine = engine
    assert [story.at(1060), story.at(1060.1)] == [False, True]
    engine.handle(BookChanged(moment(1100), old))
    assert engine.next_due > moment(10**9)
    assert story.now is None


def test_via_follows_the_gateway_whatever_the_device_says() -> None:
    story = Story("via(online)")
    assert story.said(0, battery=9) is None
    for at, online in ((1, True), (2, False), (3, False)):
        story.engine.handle(Reading(moment(at), "c/gw", {"online": online}))
        assert story.now is online
    lonely = Story("via(online)", "button")
    assert lonely.said(0, call_point=False) is None


# --- cameras ----------------------------------------------------------------------------------------------------------


def test_what_was_seen_stays_seen_for_a_span_if_it_was_sure_enough() -> None:
    story = Story('seen("cigarette", "smoking", 60s, 0.6)', "cam-1")
    assert story.said(0, object="car", score=0.9) is False
    assert story.said(1, object="smoking", score=0.5) is False
    assert [story.said(2, object="smoking", score=0.6), story.said(9, object="car"), story.at(62)] == [True] * 3
    assert story.at(62.1) is False
    assert story.said(70, object="cigarette") is True
    assert Story('seen("cigarette", 60s)', "cam-1").said(0, object="cigarette", object_left=True) is False


def test_absent_needs_a_camera_that_has_watched_for_the_whole_span() -> None:
    story = Story('absent("person", 60s)', "cam-1")
    assert [story.said(0, online=True), story.at(59), story.at(60)] == [None, None, True]
    assert [story.said(70, object="person"), story.at(130), story.at(130.1)] == [False, False, True]
    assert [story.said(200, online=False), story.said(210, online=True), story.at(270)] == [None, None, True]


def test_absent_of_a_camera_without_a_status_needs_its_word_within_the_span() -> None:
    story = Story('absent("person", 60s)', "cam-1")
    story.said(0, motion=False)
    assert [story.said(40, motion=True), story.at(60), story.at(100), story.at(100.1)] == [None, True, True, None]


def test_one_object_stays_counted_from_its_first_sight_less_its_dwell() -> None:
    story = Story('stays("car", "truck", 120s)', "cam-1")
    assert story.said(0, object="car", object_id="7", dwell=20) is False
    assert [story.said(60, object="truck", object_id="8"), story.at(99), story.at(100)] == [False, False, True]
    assert story.at(100_000) is True
    assert story.said(100_001, object="car", object_id="7", object_left=True) is True
    assert story.said(100_002, object="truck", object_id="8", object_left=True) is False


@pytest.mark.parametrize(
    "leaving",
    [{"object_left": True}, {"vehicle_count": 0}, {"object": "person", "object_id": "7"}],
)
def test_it_also_leaves_by_other_words(leaving: Mapping[str, Value | int]) -> None:
    story = Story('stays("car", 10s)', "cam-1")
    story.said(0, object="car", object_id="7")
    assert [story.at(10), story.said(11, **leaving)] == [True, False]


def test_objects_without_an_identity_are_one_for_each_label_and_people_are_counted_apart() -> None:
    story = Story('stays("person", "car", 10s)', "cam-1")
    story.said(0, object="person")
    assert [story.said(8, object="car"), story.at(10), story.said(11, person_count=0)] == [False, True, False]
    assert [story.at(18), story.said(19, person_count=3, vehicle_count=1)] == [True, True]


def test_a_camera_that_was_away_is_doubted_until_it_mentions_the_object_and_forgets_it_after_ten_minutes() -> None:
    story = Story('stays("car", 120s)', "cam-1")
    story.said(0, object="car", object_id="7")
    assert [story.at(120), story.said(130, online=False), story.at(5000)] == [True, None, None]
    assert [story.said(6000, online=True), story.said(6010, object="car", object_id="7")] == [None, True]
    story.said(6020, object="car", object_id="8")
    story.said(7000, online=False)
    assert [story.said(7001, online=True), story.said(7012, object="car", object_id="8")] == [None, True]
    assert story.said(7013, object="car", object_id="8", object_left=True) is None
    assert [story.at(7600.9), story.at(7601)] == [None, False]


def test_no_more_objects_are_followed_than_the_bound() -> None:
    (memory,) = compile_device('stays("car", 10s)').asked.memories
    state = memory.new(T0)
    for n in range(OBJECTS_LIMIT + 5):
        memory.hear(state, _moment(T0 + n, object="car", object_id=f"{n}"))
    assert len(state[2]) == OBJECTS_LIMIT
    assert memory.restored(memory.plain(state)) == state


# --- schedules --------------------------------------------------------------------------------------------------------


def test_the_hours_of_the_day_turn_by_themselves_to_the_second() -> None:
    night, morning = Story('between("22:00", "06:00")'), Story('between("08:00", "08:01")')
    assert [morning.said(0, battery=5), morning.at(59.9), morning.at(60), morning.at(86_400)] == [
        True, True, False, True,
    ]  # fmt: skip
    assert [night.said(0, battery=5), night.at(14 * 3600 - 1), night.at(14 * 3600), night.at(22 * 3600)] == [
        False, False, True, False,
    ]  # fmt: skip


def test_workdays_and_holidays_turn_at_chinas_midnight() -> None:
    workday, holiday = Story("workday()"), Story("holiday()")
    assert [workday.said(0, battery=5), workday.at(16 * 3600 - 1), workday.at(16 * 3600)] == [False, False, True]
    assert holiday.said(0, battery=5) is False


@pytest.mark.parametrize(
    ("day", "work", "holiday"),
    [
        ("2025-01-26", True, False), ("2025-01-28", False, True), ("2025-02-04", False, True), ("2025-02-08", True, False),
        ("2025-10-08", False, True), ("2025-10-11", True, False), ("2026-01-01", False, True), ("2026-01-04", True, False),
        ("2026-02-14", True, False), ("2026-02-23", False, True), ("2026-02-24", True, False), ("2026-11-22", False, False),
        ("2026-11-23", True, False), ("2031-05-01", True, False), ("2031-05-03", False, False),
    ],
)  # fmt: skip
def test_days(day: str, work: bool, holiday: bool) -> None:
    found = date.fromisoformat(day)
    assert (SHIPPED.is_workday(found), SHIPPED.is_holiday(found)) == (work, holiday)


def test_make_up_days_are_weekends_near_a_holiday_and_every_year_has_both() -> None:
    for year, holidays in SHIPPED.years.items():
        assert {day.year for day in holidays.off} == {day.year for day in holidays.on} == {year}
        assert all(day.weekday() >= 5 and day not in holidays.off for day in holidays.on)
        assert all(any(abs((day - off).days) <= 12 for off in holidays.off) for day in holidays.on)


def test_a_year_without_data_is_told_in_it_and_a_month_before() -> None:
    last = max(SHIPPED.years)
    assert SHIPPED.unknown_years(date(last, 12, 1)) == []
    assert SHIPPED.unknown_years(date(last, 12, 2)) == [last + 1]
    assert SHIPPED.unknown_years(date(last + 1, 6, 1)) == [last + 1]
    assert SHIPPED.unknown_years(date(last + 1, 12, 31)) == [last + 1, last + 2]


@given(st.integers(0, 4_000_000_000))
def test_chinas_days_agree_with_datetime(seconds: int) -> None:
    assert day_of(seconds * SECOND) == datetime.fromtimestamp(seconds, timezone(timedelta(hours=8))).date()
    assert day_of(0) == datetime.fromtimestamp(0, UTC).date()


# --- the contract -----------------------------------------------------------------------------------------------------

ASKED = (
    "rise(temperature, 20s)", "mean(temperature, 20s)", "min(temperature, 20s)", "max(temperature, 20s)",
    "last(temperature, 20s)", "changes(smoke, 20s)", "held(smoke, 20s)", "recent(smoke, 20s)", "silent(20s)",
    'seen("car", 20s)', 'absent("car", 20s)', 'stays("car", 20s)', 'between("08:00", "08:01")', "workday()", "holiday()",
    "via(online)",
)  # fmt: skip
_said: st.SearchStrategy[dict[str, Value]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"temperature": st.floats(0, 100)}),
    st.fixed_dictionaries({"smoke": st.booleans()}),
    st.fixed_dictionaries({"online": st.booleans()}),
    st.fixed_dictionaries({"object": st.sampled_from(("car", "cat")), "object_left": st.booleans()}),
)


def _memory(asked: str) -> Memory:
    (*_, memory) = compile_device(f"known({asked})").asked.memories
    return memory


@prove(300)
@given(st.sampled_from(ASKED), st.lists(st.tuples(st.integers(0, 30 * SECOND), _said), max_size=20), st.data())
def test_an_answer_changes_by_time_only_when_it_is_due(
    asked: str, steps: list[tuple[Micros, dict[str, Value]]], data: st.DataObject
) -> None:
    memory, known, at = _memory(asked), dict[str, Value](), T0
    state = memory.new(at)
    for gap, said in steps:
        at += gap
        known |= said
        answer = memory.hear(state, Moment(at, said, known, DEVICE, ZONE, known, 0))
        quiet = Moment(at, {}, known, DEVICE, ZONE, known, 0)
        due = memory.due(state, quiet)
        assert memory.hear(state, quiet) == answer
        assert due is None or due > at
        horizon = at + 100_000 * SECOND if due is None else due - 1
        early = data.draw(st.integers(at, horizon))
        copy = memory.restored(memory.plain(state))
        assert memory.hear(copy, quiet._replace(at=early)) == answer


def test_a_timer_for_a_memory_that_nobody_keeps_is_a_mistake_of_ours() -> None:
    story = Story("silent(60s)")
    story.said(0, battery=9)
    seen = story.engine._seen[story.device]
    with pytest.raises(LookupError, match="keeps no memory"):
        Recall(Timers(), {}).woken(T0, seen, "held(smoke, 1m)")


@prove(30)
@given(st.sampled_from(ASKED), st.lists(st.tuples(st.integers(1, 30), _said), min_size=1, max_size=8))
def test_a_device_that_the_site_file_lost_leaves_no_timer_behind(
    asked: str, steps: list[tuple[int, dict[str, Value]]]
) -> None:
    assume(any(said for _, said in steps))
    story, at = Story(asked), 0
    for gap, said in steps:
        at += gap
        if said:
            story.said(at, **said)
    elsewhere = street()
    del elsewhere._devices[story.device]  # as if it had never been listed
    restored = through_bytes(story.engine, elsewhere)
    assert restored.next_due > moment(at + 10**9)
    assert restored.device(story.device) is None


# --- bounds -----------------------------------------------------------------------------------------------------------


def _size(state: object) -> int:
    parts = state if isinstance(state, list) else state.values() if isinstance(state, dict) else ()
    keys = sum(map(sys.getsizeof, state)) if isinstance(state, dict) else 0
    shared = state is None or isinstance(state, bool)
    return keys + (0 if shared else sys.getsizeof(state)) + sum(map(_size, parts))


@prove(100)
@given(st.sampled_from(ASKED), st.lists(st.tuples(st.integers(0, 3 * SECOND), _said), max_size=60))
def test_a_state_never_exceeds_its_bound(asked: str, steps: list[tuple[Micros, dict[str, Value]]]) -> None:
    memory, known, at = _memory(asked), dict[str, Value](), T0
    state = memory.new(at)
    for gap, said in steps:
        at += gap
        known |= said
        memory.hear(state, Moment(at, said, known, DEVICE, ZONE, known, 0))
        assert _size(state) <= memory.bytes_bound


def test_the_page_states_the_bounds() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text("utf-8")
    table = page[page.index("| Memory | State, at most") : page.index("## Unknown")]
    stated = {
        name: int(found[2].replace(",", ""))
        for found in re.finditer(r"^\| (`[^|]+`) \| ([\d,]+)", table, re.MULTILINE)
        for name in re.findall(r"\w+", found[1])
    }
    bounds = {asked.partition("(")[0]: _memory(asked).bytes_bound for asked in ASKED}
    assert stated == bounds | {"stays": bounds["stays"] - OBJECTS_LIMIT * 1_100}
    assert "1,100 for each of at most 64" in table
