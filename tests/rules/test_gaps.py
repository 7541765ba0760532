"""Evidence has gaps: each line of the table in docs/rules.md as a timeline.

Times are seconds after midnight (UTC) of 2026-11-22.
"""

from __future__ import annotations

from typing import Any

import pytest

from rules.engine import RESTART, Engine
from rules.model import Freshness, Reading, Trouble
from tests.rules.corner_street import DEVICES, street
from tests.rules.small_block import Hand, block, book, hand, moment, rule, through_bytes

HOT = rule("hot", "PREALARM", "temperature > 57", ("heat_detector",), for_="20s", clear="temperature < 50")
FRESH = rule(
    "fresh", "PREALARM", "last(temperature, 15s) > 57", ("heat_detector",), for_="20s", clear="temperature < 50"
)
SMOKE = rule("smoke", "FIRE", "smoke", clear="not smoke", clear_for="10s")


def test_silence_the_last_word_stands_and_a_hold_runs_on() -> None:
    here = hand(book(HOT))
    assert here.read(0, "h3", temperature=60) == ["hot@h3 pending"]
    assert "hot@h3 active" in here.tick(20)
    here.tick(4000)
    assert here.case().condition == "active"


def test_silence_is_no_evidence_for_last_so_the_hold_falls_back_and_an_alarm_stays() -> None:
    here = hand(book(FRESH))
    assert here.read(0, "h3", temperature=60) == ["fresh@h3 pending"]
    assert here.tick(16) == ["fresh@h3 idle"]
    for at in (30, 40, 50):
        here.read(at, "h3", temperature=60)
    assert here.case().condition == "active"
    here.tick(4000)
    assert here.case().condition == "active"


def test_a_late_reading_that_is_newer_than_all_we_know_raises_suspicion_and_an_older_one_nothing() -> None:
    here = hand(book(SMOKE))
    here.read(1000, "h1", battery=90)
    assert here.read(1010, "h1", Freshness.LATE, 800, smoke=True) == []
    assert here.read(2000, "h1", Freshness.LATE, 1800, smoke=True)[0:2] == ["smoke@h1 pending", "1 raised smoke@h1"]
    assert here.case().suspected
    assert here.pushes() == ["1/verify-1/hook"]
    here.read(2020, "h1", smoke=True)
    assert here.pushes() == ["1/verify-1/hook", "1/dispatch-2/hook"]


def test_the_same_word_milliseconds_apart_is_one_alarm() -> None:
    here = hand(book(SMOKE))
    here.read(0, "h1", smoke=True)
    assert here.read(0.003, "h1", smoke=True) == []
    assert (here.case().alarms, here.pushes()) == (1, ["1/dispatch-1/hook"])


def test_a_retained_message_counts_only_of_a_device_never_heard_and_tells_nobody() -> None:
    here = hand(book(SMOKE))
    here.read(0, "h1", smoke=False)
    assert here.read(1, "h1", Freshness.RETAINED, smoke=True) == []
    here.read(2, "h2", Freshness.RETAINED, smoke=True)
    assert here.case().suspected
    assert here.pushes() == []


@pytest.mark.parametrize("freshness", [Freshness.FUTURE, Freshness.LATE])
def test_a_clock_that_is_wrong_makes_danger_suspected_not_lost(freshness: Freshness) -> None:
    here = hand(book(SMOKE))
    here.read(0, "h1", smoke=False)
    here.read(1, "h1", freshness, smoke=True)
    assert here.case().suspected
    assert here.pushes() == ["1/verify-1/hook"]


def test_our_own_clock_set_back_stops_time_until_it_has_caught_up() -> None:
    here = hand(book(HOT))
    here.read(100, "h3", temperature=60)
    here.tick(50)
    assert here.engine.now == moment(100)
    assert here.tick(119) == []
    assert "hot@h3 active" in here.tick(120)


def test_the_first_word_of_a_device_is_danger_and_alerts_at_once() -> None:
    here = hand(book(SMOKE))
    here.read(0, "h1", smoke=True)
    assert here.pushes() == ["1/dispatch-1/hook"]
    assert not here.case().suspected


@pytest.mark.parametrize("back", [{"online": True}, {"battery": 80}])
def test_danger_just_after_a_device_is_back_is_suspected_until_the_next_live_reading(back: dict[str, Any]) -> None:
    here = hand(book(SMOKE))
    here.read(0, "h1", smoke=False, online=True)
    here.read(10, "h1", online=False)
    here.read(100, "h1", **back)
    here.read(101, "h1", smoke=True)
    assert here.case().suspected
    assert here.read(109.9, "h1", smoke=True) == []
    assert "1 confirmed smoke@h1" in here.read(110, "h1", smoke=True)
    assert here.pushes() == ["1/verify-1/hook", "1/dispatch-2/hook"]


def test_the_very_reading_that_ends_the_absence_is_doubted_too_and_ten_seconds_later_all_is_certain() -> None:
    here = hand(book(SMOKE))
    here.read(0, "h1", online=False)
    here.read(100, "h1", smoke=True)
    assert here.case().suspected
    there = hand(book(SMOKE))
    there.read(0, "h1", online=False)
    there.read(100, "h1", online=True)
    there.read(110, "h1", smoke=True)
    assert there.pushes() == ["1/dispatch-1/hook"]


def test_who_burned_before_it_went_offline_stays_certain() -> None:
    here = hand(book(SMOKE))
    here.read(0, "h1", smoke=True)
    here.read(5, "h1", online=False)
    here.read(50, "h1", smoke=True, online=True)
    assert not here.case().suspected
    assert here.pushes() == ["1/dispatch-1/hook"]


def test_retained_and_late_words_do_not_bring_a_device_back() -> None:
    here = hand(book(SMOKE))
    here.read(0, "h1", online=False)
    here.read(1, "h1", Freshness.LATE, online=False)
    here.read(2, "h1", Freshness.RETAINED, battery=5)
    here.read(100, "h1", smoke=True)
    assert here.case().suspected


def test_what_was_measured_after_the_device_was_lost_is_certain_for_no_gateway_had_kept_it() -> None:
    """A battery detector sleeps offline, wakes in the smoke, and says so once."""
    here = hand(book(SMOKE))
    here.read(0, "h1", battery=90)
    here.read(5, "h1", online=False)
    here.read(60, "h1", online=False)
    here.read(100, "h1", online=True)
    here.read(101, "h1", measured=99, smoke=True)
    assert not here.case().suspected
    assert here.pushes() == ["1/dispatch-1/hook"]


def test_what_was_measured_before_it_was_lost_stays_doubtful_over_a_restart() -> None:
    one = hand(book(SMOKE))
    one.read(50, "h1", online=False)
    two = Hand(through_bytes(one.engine, block()))
    for here in (one, two):
        here.read(100, "h1", measured=50, smoke=True)
        assert here.case().suspected
        here.read(101, "h1", measured=51, smoke=True)
        assert not here.case().suspected


def test_a_call_point_that_wakes_is_pressed() -> None:
    engine = Engine(book(rule("pressed", "FIRE", "call_point", ("call_point",))), street())
    for at, said in ((0, {"online": False}), (100, {"online": True}), (101, {"call_point": True})):
        engine.handle(Reading(moment(at), "c/button", said))
    (fire,) = engine.open_incidents
    assert not fire.suspected


def test_what_a_device_says_just_after_it_is_back_goes_into_no_memory() -> None:
    here = hand(book(rule("lately", "PREALARM", "recent(smoke, 60s)")))
    here.read(0, "h1", online=False)
    here.read(100, "h1", online=True)
    assert here.read(101, "h1", smoke=True) == []
    assert here.read(111, "h1", smoke=True)[0] == "lately@h1 pending"


def test_doubt_outlasts_a_restart() -> None:
    one = hand(book(SMOKE))
    one.read(0, "h1", online=False)
    one.read(100, "h1", online=True)
    two = Hand(through_bytes(one.engine, block()))
    assert two.read(105, "h1", smoke=True) == one.read(105, "h1", smoke=True)
    assert two.case().suspected


def test_a_detector_stuck_in_alarm_and_one_that_chatters_are_faults() -> None:
    here = hand(
        book(
            rule("stuck", "FAULT", "held(smoke, 24h)"),
            rule("chatter", "FAULT", "changes(smoke, 10m) > 6", clear="changes(smoke, 10m) == 0"),
        )
    )
    here.read(0, "h1", smoke=True)
    assert here.tick(86_399) == []
    assert "1 raised stuck@h1" in here.tick(86_400)
    for n in range(8):
        said = here.read(90_000 + n, "h2", smoke=n % 2 == 0)
    assert "chatter@h2 active" in said
    assert "chatter@h2 idle" in here.tick(90_700)


AWAY = rule("away", "FAULT", "not online and default(via(online), true)", ("smoke_detector",), for_="30s")


def test_the_loss_of_a_gateway_is_not_the_loss_of_every_device_behind_it() -> None:
    engine = Engine(book(AWAY, rule("gone", "FAULT", "not online", ("gateway",), for_="30s")), street())
    here = Hand(engine)

    def say(at: float, device: str, online: bool) -> list[str]:
        return here.feed(Reading(moment(at), f"c/{device}", {"online": online}))

    behind = [d for d, (kind, _) in DEVICES.items() if kind == "smoke_detector"]
    for device in (*behind, "gw"):
        say(0, device, online=True)
    for n, device in enumerate(behind):
        assert say(100 + n / 10, device, online=False) == [f"away@c/{device} pending"]
    assert say(101, "gw", online=False) == ["gone@c/gw pending", *(f"away@c/{d} idle" for d in behind)]
    here.tick(1000)
    assert [i.devices for i in engine.open_incidents] == [("c/gw",)]
    returned = [line for line in say(1001, "gw", online=True) if line.startswith("away")]
    assert returned == [f"away@c/{d} pending" for d in behind]
    for device in behind[1:]:
        say(1005, device, online=True)
    here.tick(2000)
    assert [i.devices for i in engine.open_incidents if i.group == "away"] == [(f"c/{behind[0]}",)]


def test_our_own_restart_or_deafness_makes_nobody_silent() -> None:
    here = hand(book(rule("mute", "FAULT", "silent(60s)", ("smoke_detector", "heat_detector"))))
    for device in ("h1", "h2", "h3"):
        here.read(0, device, battery=90)
    here.trouble(10, "feed")
    here.tick(5000)
    here.trouble(5000, "feed", active=False)
    here.read(5030, "h1", battery=90)
    assert [a for a in here.tick(5060) if "mute" in a] == []
    told = here.tick(5061)
    assert [a for a in told if a.startswith("mute") and a.endswith("active")] == ["mute@h2 active", "mute@h3 active"]


def test_a_restart_makes_nobody_silent_who_had_no_ear_to_speak_to() -> None:
    quiet = rule("quiet", "FAULT", "silent(1h)")
    here = hand(book(quiet))
    here.read(0, "h1", smoke=False)
    after = Hand(through_bytes(here.engine, block()))
    # three hours later: nobody knows it yet but the clock, and the first word is about the past
    assert after.feed(Trouble(after.engine.now, RESTART, True)) == []
    assert after.tick(3 * 3600) == []
    after.trouble(3 * 3600 + 1, "feed", active=False)
    assert after.tick(4 * 3600) == []
    assert "quiet@h1 active" in after.tick(4 * 3600 + 2)
