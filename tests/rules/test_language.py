"""Durations, functions that remember, ladders and confirmed fire as they are written: what they mean, and what is refused where."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.conditions import compile_device, compile_where, compile_zone
from rules.document import Document, Mistakes
from rules.duration import LONGEST, duration, written
from rules.model import Kind
from rules.rulebook import BookEntry, ConfirmEntry, LadderEntry, load_book
from rules.syntax import Source
from tests.rules.corner_street import CONFIRM, LADDER
from tests.rules.small_block import book, rule
from tests.rules.test_conditions import flaws

# --- durations --------------------------------------------------------------------------------------------------------


@given(st.integers(0, LONGEST // 1000))
def test_a_duration_is_read_as_it_was_written(thousandths: int) -> None:
    assert duration(written(thousandths * 1000)) == thousandths * 1000


@pytest.mark.parametrize(
    ("text", "same"), [("60s", "1m"), ("90m", "1h30m"), ("24h", "1d"), ("250ms", "250ms"), ("0s", "0s")]
)
def test_one_duration_is_told_in_one_way(text: str, same: str) -> None:
    assert written(duration(text)) == same


@given(
    st.from_regex(r"([0-9]{1,3}d)?([0-9]{1,3}h)?([0-9]{1,3}m)?([0-9]{1,3}s)?([0-9]{1,3}ms)?", fullmatch=True).filter(
        bool
    )
)
def test_every_duration_stands_in_a_condition_and_every_index_stays_true(text: str) -> None:
    source = Source(f'object == "60s 电动车" and\n  mean(temperature, {text}) > 20 and smok')
    tree: Any = source.parse()
    call = tree.values[1].left
    assert source.duration(call.args[1]) == text
    assert source.duration(call.args[0]) is None
    assert source.whole(call) == f"mean(temperature, {text})"
    last = source.flaw_at(tree.values[2], "", "")
    assert (last.line, last.column) == (1, len(f"  mean(temperature, {text}) > 20 and "))


def test_white_space_is_evened_out_but_not_inside_quotes() -> None:
    source = Source('recent(object   ==\n"a  b",  5m)')
    assert source.whole(source.parse()) == 'recent(object == "a  b", 5m)'


# --- functions that remember ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names", "watched", "quantities"),
    [
        (
            "rise(temperature, 60s) > 8",
            ["rise(temperature, 1m)"],
            {"rise(temperature, 1m)", "temperature"},
            {"temperature"},
        ),
        ("held(smoke, 24h) and heat", ["held(smoke, 1d)"], {"held(smoke, 1d)", "smoke", "heat"}, {"smoke", "heat"}),
        (
            "recent(held(mean(co, 1m) > 9, 2m), 3m)",
            ["mean(co, 1m)", "held(mean(co, 1m) > 9, 2m)", "recent(held(mean(co, 1m) > 9, 2m), 3m)"],
            {"recent(held(mean(co, 1m) > 9, 2m), 3m)", "co"},
            {"co"},
        ),
        ('seen("b", "a", 60s, 0.5)', ['seen("a", "b", 1m, 0.5)'], {'seen("a", "b", 1m, 0.5)', "object"}, {"object"}),
        ("silent(100s)", ["silent(1m40s)"], {"silent(1m40s)"}, set()),
        ("not online and default(via(online), true)", ["via(online)"], {"online", "via(online)"}, {"online"}),
        ("known(last(battery, 1h))", ["last(battery, 1h)"], {"last(battery, 1h)", "battery"}, {"battery"}),
        ('last(object, 5m) == "car"', ["last(object, 5m)"], {"last(object, 5m)", "object"}, {"object"}),
        ("smoke and workday()", ["workday()"], {"smoke", "workday()"}, {"smoke"}),
    ],
)
def test_what_a_condition_asks_for(text: str, names: list[str], watched: set[str], quantities: set[str]) -> None:
    asked = compile_device(text).asked
    assert [memory.name for memory in asked.memories] == names
    assert asked.watched == watched
    assert asked.quantities == quantities
    assert asked.measured


def test_the_attributes_inside_of_a_memory_count_and_the_same_memory_is_one() -> None:
    asked = compile_device(
        "held(temperature > device.limit, 60s) or held(temperature > device.limit, 1m) and smoke"
    ).asked
    assert asked.attributes == {"device.limit"}
    assert len(asked.memories) == 1
    zone = compile_zone("any(smoke, 5m) and count(recent(smoke, 300s)) > 1")
    assert [m.name for m in zone.asked.memories] == ["recent(smoke, 5m)"]
    assert len(zone.terms) == 1


CLOCK = 'write two digits each from "00:00" to "23:59", in China\'s time'
DEEP = "recent(held(recent(held(smoke, 1m), 5m), 1m), 3m)"


@pytest.mark.parametrize(
    ("text", "column", "message", "remedy"),
    [
        ("rise(temperature, 60) > 8", 18, "`60` has no unit", "write `60s` for seconds"),
        ("rise(temperature, smoke) > 8", 18, "`smoke` is not a duration", "write for example 60s, 5m or 1h30m"),
        ("rise(smoke, 60s) > 8", 5, "`smoke` is a flag", "rise() is of a number"),
        ("rise(temprature, 60s) > 8", 5, "there is no quantity `temprature`", "did you mean `temperature`?"),
        ("mean(temperature + 1, 60s) > 8", 5, "`temperature + 1` is not a quantity", "mean() is of one quantity of the catalogue"),
        ("mean(true, 60s) > 8", 5, "`true` is not a quantity", "mean() is of one quantity of the catalogue"),
        ("changes(temperature, 1m) > 8", 8, "`temperature` is a number", "changes() is of a flag"),
        ("held(smoke, 40d)", 12, "`40d` is out of range", "write a duration from 1s to 30d"),
        ("held(smoke, 250ms)", 12, "`250ms` is out of range", "write a duration from 1s to 30d"),
        ("held(smoke)", 0, "`held(smoke)` cannot be read", "write held(condition, 2m)"),
        ("held(device.x == 3, 1m)", 5, "`device.x == 3` never changes", "name a quantity"),
        (DEEP, 0, f"`{DEEP}` remembers memories more than 3 deep", "split it into several rules"),
        ("silent()", 0, "`silent()` cannot be read", "write silent(24h)"),
        ("silent(24)", 7, "`24` has no unit", "write `24s` for seconds"),
        ('stays("car", 120s, 3)', 0, '`stays("car", 120s, 3)` cannot be read', 'write stays("car", "truck", 120s)'),
        ("absent(10m)", 0, "`absent(10m)` cannot be read", 'write absent("car", 10m)'),
        ('absent("car", 10)', 14, "`10` has no unit", "write `10s` for seconds"),
        ('seen("x", 60s, 3)', 15, "`3` is no score", "write a number from 0 to 1"),
        ('between("22", "06:00") and smoke', 8, '`"22"` is no time of the day', CLOCK),
        ('between("22:00", "24:00") and smoke', 17, '`"24:00"` is no time of the day', CLOCK),
        ('between("22:00", 6) and smoke', 17, "`6` is no time of the day", CLOCK),
        ('between("06:00", "06:00") and smoke', 0, '`between("06:00", "06:00")` is always true', "give two different times"),
        ("via(temprature) > 3", 4, "there is no quantity `temprature`", "did you mean `temperature`?"),
        ("temperature > 60s", 14, "`60s` is a duration", "a duration is the last argument of functions such as mean(temperature, 60s)"),
        ("mean(temperature, 1m) > 2000", 0, "`mean(temperature, 1m) > 2000` can never be true",
            "`mean(temperature, 1m)` is from -60 to 1500"),
        ("rise(temperature, 1m) > 2000", 0, "`rise(temperature, 1m) > 2000` can never be true",
            "`rise(temperature, 1m)` is from -1560 to 1560"),
        ("changes(smoke, 1m) >= 0", 0, "`changes(smoke, 1m) >= 0` is always true", "`changes(smoke, 1m)` is at least 0"),
        ("held(smoke, 1m) and not held(smoke, 1m)", 0, "`held(smoke, 1m) and not held(smoke, 1m)` can never be true", "check the limits"),
        ("default(rise(temperature, 1m), 2000) > 3", 31, "`2000` is out of range", "it is from -1560 to 1560"),
        ("known(smoke and heat)", 0, "`known(smoke and heat)` cannot be read", "write known(quantity)"),
        ("last(object, 1m) > 3", 0, "`last(object, 1m) > 3` compares a text with a number", "numbers stand without quotes"),
        ("held", 0, "`held` is a function", "write held(condition, 2m)"),
    ],
)  # fmt: skip
def test_flaws_of_memories(text: str, column: int, message: str, remedy: str) -> None:
    assert flaws(text) == [(0, column, message, remedy)]


def test_known_of_nothing_is_complained_about_once() -> None:
    assert flaws("known(held(smok, 1m))") == [(0, 11, "there is no quantity `smok`", "did you mean `smoke`?")]


def test_memories_have_their_place_in_when_and_inside_of_any() -> None:
    assert flaws("silent(24h)", compile_zone) == [
        (0, 0, "silent() remembers what was measured", "put it inside any() or count()")
    ]
    assert flaws("held(smoke, 5m)", compile_where) == [
        (0, 0, "held() remembers what was measured", "move it to `when`")
    ]
    assert flaws("any(smoke, 5)", compile_zone) == [(0, 11, "`5` has no unit", "write `5s` for seconds")]


# --- whole rules ------------------------------------------------------------------------------------------------------


def told(*entries: str) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        book(*entries)
    return [str(mistake).removeprefix("test.yaml:") for mistake in caught.value.mistakes]


def test_the_calendar_alone_decides_nothing() -> None:
    assert told(rule("r", "FAULT", "workday()")) == [
        "6:11: rules[0].when: nothing that is measured decides this (name a quantity; attributes belong in `where`)"
    ]
    assert book(rule("r", "FAULT", "silent(24h)")).by_id["r"].quantities == frozenset()


def test_a_ladder_is_a_rule_for_each_rung() -> None:
    first, second = book(LADDER).rules
    assert [(r.id, r.kind, r.group, r.latch) for r in (first, second)] == [
        ("hot/1", Kind.PREALARM, "fire", False),
        ("hot/2", Kind.FIRE, "fire", True),
    ]
    assert (first.hold, second.hold, first.clear_for, second.clear_for) == (3_000_000, 0, 4_000_000, 6_000_000)
    assert first.title.en == second.title.en == "Hot"
    calm = LADDER.replace("FIRE", "FAULT").replace("PREALARM", "SUPERVISORY")
    assert {r.group for r in book(calm).rules} == {"hot"}
    assert {r.group for r in book(LADDER + "    group: heat\n").rules} == {"heat"}
    own = LADDER.replace("clear_for: 6s}", "clear_for: 6s, title: {zh: 火, en: Fire}, advice: {zh: 去, en: Go}}")
    assert [(r.title.en, r.advice and r.advice.en) for r in book(own).rules] == [("Hot", None), ("Fire", "Go")]


def test_the_entries_say_where_each_rule_is_written() -> None:
    text = "version: 1\nrules:\n" + rule("a", "FAULT", "fault") + LADDER + CONFIRM
    entry = Document(text, "x").validate(BookEntry)
    assert [(r.id, path) for r, path in entry.placed()] == [
        ("a", ("rules", 0)),
        ("hot/1", ("rules", 1, "ladder", 0)),
        ("hot/2", ("rules", 1, "ladder", 1)),
        ("confirmed", ("rules", 2)),
    ]
    assert [r.id for r in entry.rules] == ["a", "hot/1", "hot/2", "confirmed"]
    assert isinstance(entry.written[1], LadderEntry)
    assert isinstance(entry.rules[3], ConfirmEntry)


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        (LADDER.replace("temperature > 57", "temprature > 57"),
            "7:28: rules[0].ladder[1].when: there is no quantity `temprature` (did you mean"),
        (LADDER.replace("kind: FIRE, ", ""), "7:9: rules[0].ladder[1].kind: Field required (write FIRE, PREALARM, SUPERVISORY or FAULT)"),
        (LADDER + "    when: heat\n", "9:11: rules[0].when: unknown field (leave it out)"),
        (LADDER + "    laddr: heat\n", "9:12: rules[0].laddr: unknown field (did you mean `ladder`?)"),
        (LADDER + "    latch: false\n", "9:12: rules[0].latch: a fire always latches: it ends only by reset (leave it out)"),
        (LADDER[: LADDER.index("    ladder:")] + "    ladder: 3\n    title: {zh: a, en: b}\n",
            "5:13: rules[0].ladder: Input should be a valid list (write two to five rungs, each"),
        (LADDER[: LADDER.index("    ladder:")] + "    ladder: [3, 4]\n    title: {zh: a, en: b}\n", None),
    ],
)  # fmt: skip
def test_flaws_of_ladders(entry: str, wanted: str | None) -> None:
    found = told(entry)
    assert len(found) == (2 if wanted is None else 1)
    assert found[0].startswith(wanted or "")


def test_confirmed_fire_is_about_all_its_voters_devices() -> None:
    found = book(CONFIRM).by_id["confirmed"]
    assert found.devices == {"smoke_detector", "heat_detector", "camera"}
    assert found.quantities == {"smoke", "smoke_density", "temperature", "object", "test"}
    assert found.voting is not None
    assert (found.voting.need, found.voting.adjacent, found.voting.slots) == (2, True, 18)
    assert len(found.terms) == 9
    assert [m.name for m in found.memories_of("camera")] == [
        'seen("fire", 10s)',
        "silent(1d)",
        'recent(seen("fire", 10s), 15s)',
    ]
    assert [m.name for m in found.memories_of("smoke_detector")][1:] == ["silent(50s)"]
    assert found.memories_of("gateway") == ()
    assert found.definition != book(CONFIRM.replace("need: 2", "need: 3")).by_id["confirmed"].definition


SMOKE_VOTER = "smoke: {devices: [smoke_detector], when: smoke or smoke_density > 0.3, silent: 50s}"


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("temperature > 45", "temprature > 45",
            "12:48: rules[0].confirm.voters.heat.when: there is no quantity `temprature` (did you"),
        ("temperature > 45", "device.x > 45",
            "12:48: rules[0].confirm.voters.heat.when: nothing that is measured decides this (name"),
        ("temperature > 45}", "'held(held(held(heat, 1m), 1m), 1m)'}", None),
        ("need: 2", "need: 1",
            "8:13: rules[0].confirm.need: Input should be greater than or equal to 2 (write a number"),
        ("need: 2", "need: 4",
            "8:7: rules[0].confirm: 4 of 3 kinds of evidence can never agree (write {need: 2, within: 5m"),
        ("within: 15s", "within: 15",
            "9:15: rules[0].confirm.within: `15` is not a duration: it has no unit (write for example 5m"),
        ("camera: {", "pictures: {", None),
        (SMOKE_VOTER, "smoke: 3",
            "11:16: rules[0].confirm.voters.smoke: Input should be a valid dictionary or instance of"),
        ("    for: 1s\n", "    when: any(smoke)\n", "6:11: rules[0].when: `confirm` stands instead of it (leave it out)"),
        ("    for: 1s\n", "    clear: any(smoke)\n", "6:12: rules[0].clear: `confirm` stands instead of it (leave it out)"),
        ("    for: 1s\n", "    latch: false\n", "6:12: rules[0].latch: a fire always latches: it ends only by reset (leave it out)"),
        ("subject: zone", "subject: device", "5:14: rules[0].subject: Input should be 'zone' (write `device` or `zone`)"),
    ],
)  # fmt: skip
def test_flaws_of_confirmed_fire(old: str, new: str, wanted: str | None) -> None:
    assert old in CONFIRM
    found = told(CONFIRM.replace(old, new))
    assert len(found) == 1
    assert found[0].startswith(wanted or "")


@pytest.mark.parametrize("confirm", ["3", "{voters: 3}", "{voters: {smoke: {devices: [a]}, heat: {devices: [b]}}}"])
def test_a_confirmation_that_is_none(confirm: str) -> None:
    entry = f"  - {{id: c, kind: FIRE, subject: zone, confirm: {confirm}, title: {{zh: a, en: b}}}}\n"
    assert all("rules[0].confirm" in line for line in told(entry))
    assert load_book([]).rules == ()
