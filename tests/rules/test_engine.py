"""One alarm at a time: `for`, `clear`, `clear_for`, latching, reset, devices and zones, doubt, and what is merely unknown.

Knows nothing of who is sent; that is in test_response.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from rules.model import AlarmState, Entry, Freshness, Kind, Neighbourhood, Step, Verb
from rules.timers import NEVER
from tests.rules.small_block import T0, Hand, block, book, hand, moment, rule, through_bytes

SMOKE = rule("smoke", "FIRE", "smoke", clear="not smoke", clear_for="10s")
DENSE = rule("dense", "PREALARM", "smoke_density > 0.3", for_="4s", clear="smoke_density < 0.15", clear_for="6s")
WARM = rule("warm", "PREALARM", "temperature > 46", ("heat_detector",), for_="3s")
BOTH = rule(
    "both", "FIRE", "any(smoke_density > 0.3) and any(temperature > 45)", ("smoke_detector", "heat_detector"),
    subject="zone", clear="not any(smoke_density > 0.15) and not any(temperature > 42)", clear_for="5s",
)  # fmt: skip
TWO = rule("two", "SUPERVISORY", "count(smoke_density > 0.3) >= 2", subject="zone", for_="2s")


def alarms(said: list[str]) -> list[str]:
    """Only what the alarms did."""
    return [text for text in said if re.match(r"[\w:/-]+@\S+ \w+$", text)]


# --- for --------------------------------------------------------------------------------------------------------------


def test_without_for_an_alarm_is_active_at_once() -> None:
    assert alarms(hand(book(SMOKE)).read(0, "h1", smoke=True)) == ["smoke@h1 pending", "smoke@h1 active"]


def test_for_runs_from_the_first_reading_and_ends_at_its_own_time() -> None:
    watch = hand(book(DENSE))
    assert watch.read(0, "h1", smoke_density=0.4) == ["dense@h1 pending"]
    assert watch.read(3.999, "h1", smoke_density=0.5) == []
    assert alarms(watch.tick(60)) == ["dense@h1 active"]
    assert {e.at for e in watch.effects[1:]} == {moment(4)}


def test_for_is_over_before_a_reading_of_the_same_moment() -> None:
    watch = hand(book(DENSE))
    watch.read(0, "h1", smoke_density=0.4)
    assert alarms(watch.read(4, "h1", smoke_density=0.1)) == ["dense@h1 active", "dense@h1 clearing"]


def test_a_dip_starts_for_again() -> None:
    watch = hand(book(DENSE))
    watch.read(0, "h1", smoke_density=0.4)
    assert watch.read(3, "h1", smoke_density=0.2) == ["dense@h1 idle"]
    assert watch.read(3.5, "h1", smoke_density=0.4) == ["dense@h1 pending"]
    assert watch.tick(7.499) == []
    assert alarms(watch.tick(7.5)) == ["dense@h1 active"]


def test_devices_run_their_for_apart() -> None:
    watch = hand(book(DENSE))
    watch.read(0, "h1", smoke_density=0.4)
    watch.read(2, "h2", smoke_density=0.4)
    assert alarms(watch.tick(4)) == ["dense@h1 active"]
    assert alarms(watch.tick(6)) == ["dense@h2 active"]


# --- clear, clear_for, latch ------------------------------------------------------------------------------------------


def test_between_when_and_clear_nothing_changes() -> None:
    watch = hand(book(DENSE))
    watch.read(0, "h1", smoke_density=0.4)
    watch.tick(4)
    assert watch.read(5, "h1", smoke_density=0.2) == []
    assert watch.read(6, "h1", smoke_density=0.1) == ["dense@h1 clearing"]
    assert watch.read(7, "h1", smoke_density=0.2) == ["dense@h1 active"]
    assert alarms(watch.tick(100)) == []


def test_clear_for_runs_anew_after_the_danger_came_back() -> None:
    watch = hand(book(DENSE))
    watch.read(0, "h1", smoke_density=0.4)
    watch.read(5, "h1", smoke_density=0.1)
    assert watch.read(10.9, "h1", smoke_density=0.4) == ["dense@h1 active"]
    assert watch.read(12, "h1", smoke_density=0.0) == ["dense@h1 clearing"]
    assert watch.tick(17.9) == []
    assert alarms(watch.tick(18)) == ["dense@h1 idle"]


def test_without_clear_an_alarm_returns_when_its_condition_is_false() -> None:
    watch = hand(book(WARM))
    watch.read(0, "h3", temperature=50)
    watch.tick(3)
    assert alarms(watch.read(4, "h3", temperature=46)) == ["warm@h3 clearing", "warm@h3 idle"]
    assert watch.case().condition == "returned"


def test_a_fire_latches_and_burns_again_without_a_reset() -> None:
    watch = hand(book(SMOKE))
    watch.read(0, "h1", smoke=True)
    assert watch.read(1, "h1", smoke=False) == ["smoke@h1 clearing"]
    assert alarms(watch.tick(11)) == ["smoke@h1 latched"]
    assert watch.read(12, "h1", smoke=False) == []
    assert alarms(watch.read(13, "h1", smoke=True)) == ["smoke@h1 active"]
    assert (watch.case().condition, watch.case().alarms) == ("active", 2)


def test_a_prealarm_may_latch_too() -> None:
    watch = hand(book(rule("dense", "PREALARM", "smoke_density > 0.3", latch="true")))
    watch.read(0, "h1", smoke_density=0.4)
    assert alarms(watch.read(1, "h1", smoke_density=0.1)) == ["dense@h1 clearing", "dense@h1 latched"]


def test_while_the_danger_holds_nothing_clears_it() -> None:
    watch = hand(book(rule("warm", "PREALARM", "temperature > 40", clear="temperature < 50")))
    watch.read(0, "h1", temperature=45)
    assert watch.read(1, "h1", temperature=46) == []
    assert alarms(watch.read(2, "h1", temperature=39)) == ["warm@h1 clearing", "warm@h1 idle"]


# --- reset ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["active", "clearing", "latched"])
def test_reset_takes_a_fire_back_to_idle_and_danger_raises_it_again(state: str) -> None:
    watch = hand(book(SMOKE))
    watch.read(0, "h1", smoke=True)
    if state != "active":
        watch.read(1, "h1", smoke=False)
    if state == "latched":
        watch.tick(20)
    seen = watch.engine.device("b/h1")
    assert seen is not None
    assert seen.alarms == {"smoke": AlarmState(state)}
    assert alarms(watch.move(21 if state == "latched" else 2, Verb.RESET)) == ["smoke@h1 idle"]
    assert watch.case().condition == "returned"
    assert watch.tick(40) == []
    assert alarms(watch.read(41, "h1", smoke=True)) == ["smoke@h1 pending", "smoke@h1 active"]
    assert watch.case().condition == "active"


def test_reset_while_it_burns_runs_for_again() -> None:
    watch = hand(book(DENSE))
    watch.read(0, "h1", smoke_density=0.4)
    watch.tick(4)
    watch.move(5, Verb.RESET)
    assert watch.read(6, "h1", smoke_density=0.4) == ["dense@h1 pending"]
    assert alarms(watch.tick(10)) == ["dense@h1 active"]


def test_reset_of_a_zone_alarm_and_danger_still_there() -> None:
    watch = hand(book(BOTH))
    watch.read(0, "h1", smoke_density=0.4)
    assert alarms(watch.read(1, "h3", temperature=50)) == ["both@home pending", "both@home active"]
    assert alarms(watch.move(2, Verb.RESET)) == ["both@home idle"]
    assert watch.read(3, "h2", smoke_density=0.0) == []
    assert alarms(watch.read(4, "h3", temperature=50)) == ["both@home pending", "both@home active"]


def test_reset_touches_the_alarms_of_its_incident_only() -> None:
    watch = hand(book(SMOKE, DENSE))
    watch.read(0, "h1", smoke=True)
    watch.read(1, "g1", smoke=True)
    watch.read(2, "h2", smoke_density=0.4)
    assert alarms(watch.move(3, Verb.RESET, n=1)) == ["smoke@h1 idle"]
    assert watch.case(2).condition == "active"
    assert alarms(watch.tick(6)) == ["dense@h2 active"]


# --- zones ------------------------------------------------------------------------------------------------------------


def test_a_zone_counts_devices_not_readings() -> None:
    watch = hand(book(TWO))
    for at in range(5):
        assert watch.read(at, "h1", smoke_density=0.4) == []
    assert watch.read(5, "g1", smoke_density=0.4) == []
    assert watch.read(6, "h2", smoke_density=0.4) == ["two@home pending"]
    assert alarms(watch.tick(8)) == ["two@home active"]


def test_a_zone_falls_back_when_one_device_does() -> None:
    watch = hand(book(TWO))
    watch.read(0, "h1", smoke_density=0.4)
    watch.read(0, "h2", smoke_density=0.4)
    assert watch.read(1, "h1", smoke_density=0.1) == ["two@home idle"]
    watch.read(2, "h1", smoke_density=0.4)
    watch.tick(4)
    assert alarms(watch.read(5, "h2", smoke_density=0.0)) == ["two@home clearing", "two@home idle"]


def test_zones_do_not_mix() -> None:
    watch = hand(book(BOTH))
    watch.read(0, "h1", smoke_density=0.4)
    assert watch.read(1, "g2", temperature=60) == []


def test_a_zone_clears_when_no_device_holds_it_any_more() -> None:
    watch = hand(book(BOTH))
    watch.read(0, "h1", smoke_density=0.4)
    watch.read(0, "h3", temperature=60)
    assert watch.read(1, "h1", smoke_density=0.0) == []
    assert watch.read(2, "h3", temperature=43) == []
    assert watch.read(3, "h3", temperature=41) == ["both@home clearing"]
    assert watch.read(4, "h2", smoke_density=0.2) == ["both@home active"]
    assert watch.read(5, "h2", smoke_density=0.1) == ["both@home clearing"]
    assert alarms(watch.tick(10)) == ["both@home latched"]


def test_a_zone_rule_about_absence_needs_nobody_to_have_been_there() -> None:
    """`not any(online)` holds from the first word, and again after a reset, though none of its terms ever held."""
    watch = hand(book(rule("deaf", "SUPERVISORY", "not any(online)", ("gateway",), subject="zone")))
    assert alarms(watch.read(0, "gw", online=False)) == ["deaf@garage pending", "deaf@garage active"]
    assert alarms(watch.move(1, Verb.RESET)) == ["deaf@garage idle"]
    assert alarms(watch.read(2, "gw", online=False)) == ["deaf@garage pending", "deaf@garage active"]
    assert alarms(watch.read(3, "gw", online=True)) == ["deaf@garage clearing", "deaf@garage idle"]
    assert alarms(watch.read(4, "gw", online=False)) == ["deaf@garage pending", "deaf@garage active"]


def test_doubtful_absence_is_confirmed_by_a_live_word() -> None:
    watch = hand(book(rule("deaf", "SUPERVISORY", "not any(online)", ("gateway",), subject="zone")))
    watch.read(0, "gw", Freshness.RETAINED, online=False)
    assert watch.case().suspected
    assert "1 confirmed deaf@garage" in watch.read(1, "gw", online=False)
    assert not watch.case().suspected


# --- unknown ----------------------------------------------------------------------------------------------------------


def test_what_is_unknown_never_raises() -> None:
    watch = hand(book(SMOKE, DENSE, BOTH))
    assert watch.read(0, "h1", battery=90) == []
    assert watch.read(1, "h1", smoke=False) == []
    assert watch.read(2, "h2", smoke_density=0.9, smoke=False) == ["dense@h2 pending"]


def test_what_is_unknown_never_clears() -> None:
    """The clear condition asks for a quantity that has not been heard; `when` alone being false does not end the alarm."""
    watch = hand(book(rule("dense", "PREALARM", "smoke_density > 0.3", clear="temperature < 30")))
    watch.read(0, "h1", smoke_density=0.4)
    assert watch.read(1, "h1", smoke_density=0.0) == []
    assert watch.read(2, "h1", temperature=35) == []
    assert alarms(watch.read(3, "h1", temperature=25)) == ["dense@h1 clearing", "dense@h1 idle"]


def test_a_condition_that_becomes_unknown_neither_clears_nor_raises() -> None:
    """Division by zero is unknown: without `clear` the alarm stays until its condition is false."""
    watch = hand(book(rule("ratio", "PREALARM", "smoke_density / temperature > 0.01")))
    assert watch.read(0, "h1", smoke_density=0.5, temperature=0) == []
    watch.read(1, "h1", temperature=20)
    assert watch.read(2, "h1", temperature=0) == []
    assert watch.case().condition == "active"
    assert alarms(watch.read(3, "h1", temperature=60)) == ["ratio@h1 clearing", "ratio@h1 idle"]


def test_a_zone_condition_that_becomes_unknown_does_not_clear() -> None:
    sentence = "count(smoke_density > 0.3) / count(temperature > 40) > 0.4"
    watch = hand(book(rule("share", "PREALARM", sentence, ("smoke_detector", "heat_detector"), subject="zone")))
    assert watch.read(0, "h1", smoke_density=0.5) == []
    assert alarms(watch.read(1, "h3", temperature=50)) == ["share@home pending", "share@home active"]
    assert watch.read(2, "h3", temperature=20) == []
    assert alarms(watch.read(3, "h1", smoke_density=0.1)) == []
    assert alarms(watch.read(4, "h3", temperature=50)) == ["share@home clearing", "share@home idle"]


def test_quantities_are_remembered_from_message_to_message() -> None:
    watch = hand(book(rule("pair", "PREALARM", "smoke_density > 0.3 and temperature > 40")))
    assert watch.read(0, "h1", smoke_density=0.5) == []
    assert alarms(watch.read(60, "h1", temperature=41)) == ["pair@h1 pending", "pair@h1 active"]


# --- freshness --------------------------------------------------------------------------------------------------------


def test_an_outdated_reading_changes_nothing() -> None:
    watch = hand(book(SMOKE))
    watch.read(1000, "h1", smoke=False)
    assert watch.read(1010, "h1", Freshness.LATE, measured=600, smoke=True) == []
    seen = watch.engine.device("b/h1")
    assert seen is not None
    assert (seen.values["smoke"], seen.last_at) == (False, moment(1000))


def test_a_late_reading_of_a_silent_device_is_the_best_there_is() -> None:
    watch = hand(book(SMOKE))
    watch.read(0, "h1", smoke=False)
    assert alarms(watch.read(1000, "h1", Freshness.LATE, measured=800, smoke=True))[-1] == "smoke@h1 active"
    assert watch.case().suspected


def test_a_clock_that_was_set_back_does_not_silence_its_device() -> None:
    watch = hand(book(SMOKE))
    watch.read(0, "h1", smoke=False)
    assert watch.read(60, "h1", Freshness.LATE, measured=-9000, smoke=True) == []
    assert alarms(watch.read(121, "h1", Freshness.LATE, measured=-8990, smoke=True))[-1] == "smoke@h1 active"


def test_a_retained_copy_counts_only_before_the_device_has_spoken() -> None:
    watch = hand(book(SMOKE))
    watch.read(0, "h1", smoke=False)
    assert watch.read(1, "h1", Freshness.RETAINED, smoke=True) == []
    assert alarms(watch.read(2, "h2", Freshness.RETAINED, smoke=True))[-1] == "smoke@h2 active"
    assert watch.case().suspected


def test_doubt_ends_while_for_still_runs() -> None:
    watch = hand(book(DENSE))
    watch.read(0, "h1", Freshness.LATE, measured=-600, smoke_density=0.4)
    watch.read(2, "h1", smoke_density=0.4)
    assert "push 1/dispatch-1/hook" in watch.tick(4)
    assert not watch.case().suspected


# --- books ------------------------------------------------------------------------------------------------------------


def test_a_changed_rule_ends_its_alarms_and_the_others_go_on() -> None:
    watch = hand(book(SMOKE, DENSE, BOTH))
    watch.read(0, "h1", smoke_density=0.4, smoke=True)
    watch.read(0, "h3", temperature=50)
    watch.read(1, "h2", smoke_density=0.4)
    said = watch.book(2, book(SMOKE.replace("10s", "20s"), DENSE))
    assert alarms(said) == ["smoke@h1 idle", "both@home idle"]
    assert watch.case().condition == "returned"
    assert alarms(watch.tick(5)) == ["dense@h1 active", "dense@h2 active"]
    assert alarms(watch.read(6, "h1", smoke=True)) == ["smoke@h1 pending", "smoke@h1 active"]


def test_a_new_zone_rule_knows_what_was_said_before() -> None:
    watch = hand(book(SMOKE))
    watch.read(0, "h1", smoke_density=0.4)
    watch.read(0, "h2", smoke_density=0.4)
    watch.book(1, book(SMOKE, TWO))
    assert watch.read(2, "h1", smoke_density=0.4) == ["two@home pending"]


def test_an_alarm_that_flares_up_under_another_group_leaves_the_incident_it_was_in() -> None:
    """The group is not what decides when a rule alarms, so its alarms are kept; a reset must still reach all of them."""
    watch = hand(book(SMOKE))
    watch.read(0, "h1", smoke=True)
    watch.read(1, "h1", smoke=False)
    watch.tick(11)
    assert alarms(watch.book(12, book(SMOKE + "    group: other\n"))) == []
    watch.read(13, "h1", smoke=True)
    assert (watch.case(1).condition, watch.case(2).condition) == ("returned", "active")
    watch.move(14, Verb.RESET, n=2)
    assert watch.case(2).condition == "returned"


def test_a_rule_may_be_called_system() -> None:
    watch = hand(book(rule("system", "FAULT", "fault", for_="10s")))
    watch.trouble(0, "b/h1")
    assert watch.read(0, "h1", fault=True) == ["system@h1 pending"]
    assert alarms(watch.tick(10)) == ["system@h1 active"]
    assert alarms(watch.tick(30)) == ["system@system/b/h1 active"]
    after = Hand(through_bytes(watch.engine, block()))
    assert alarms(after.trouble(31, "b/h1", False)) == ["system@system/b/h1 idle"]
    assert alarms(after.read(32, "h1", fault=False)) == ["system@h1 clearing", "system@h1 idle"]


# --- our own troubles -------------------------------------------------------------------------------------------------


def test_trouble_that_passes_in_half_a_minute_is_no_incident() -> None:
    watch = hand(book(SMOKE))
    assert watch.trouble(0, "history") == ["system@system/history pending"]
    assert watch.engine.troubles == {"history": "broken"}
    assert watch.trouble(29.9, "history", False) == ["system@system/history idle"]
    assert (watch.tick(100), watch.engine.troubles) == ([], {})


def test_trouble_that_stays_is_a_fault_and_heals_by_itself() -> None:
    watch = hand(book(SMOKE))
    watch.trouble(0, "history")
    assert watch.trouble(20, "history") == []
    assert alarms(watch.tick(30)) == ["system@system/history active"]
    assert (watch.case().kind, watch.case().zone) == (Kind.FAULT, "system")
    assert (
        "1 refused: 系统故障排除后自行恢复。Trouble of the system ends by itself when its cause is mended."
        in watch.move(31, Verb.RESET)
    )
    assert alarms(watch.trouble(40, "history", False)) == ["system@system/history idle"]
    assert (watch.case().state, watch.case().condition) == ("resolved", "returned")
    watch.trouble(50, "history")
    assert "1 realarm system@system/history" in watch.tick(80)


# --- the machine ------------------------------------------------------------------------------------------------------


def test_an_event_from_the_past_counts_as_simultaneous_with_the_newest() -> None:
    watch = hand(book(SMOKE))
    watch.read(100, "h1", smoke=True)
    before = len(watch.effects)
    watch.receipt(50, "1/dispatch-1/hook")
    watch.move(60, Verb.ACKNOWLEDGE)
    assert {effect.at for effect in watch.effects[before:]} == {moment(100)}
    assert (watch.case().dispatched_at, watch.case().acknowledged_at) == (moment(100), moment(100))
    assert watch.engine.now == moment(100)


def test_a_stranger_is_refused_and_what_is_no_event_too() -> None:
    watch = hand(book(SMOKE))
    with pytest.raises(LookupError, match="b/nobody is not registered"):
        watch.read(0, "nobody", smoke=True)
    with pytest.raises(TypeError, match="not an event"):
        watch.engine.handle(Entry(T0, "inc-000001", Step.RAISED))  # type: ignore[arg-type]


def test_a_snapshot_does_not_change_afterwards() -> None:
    watch = hand(book(SMOKE))
    watch.read(0, "h1", battery=90)
    state = watch.engine.snapshot()
    watch.read(1, "h1", battery=80)
    assert state["devices"][0][5] == {"battery": 90.0}


def test_a_device_that_left_the_site_file_leaves_an_incident_that_can_be_reset_and_closed() -> None:
    watch = hand(book(SMOKE, DENSE))
    watch.read(0, "h1", smoke=True, smoke_density=0.4)
    after = Hand(through_bytes(watch.engine, block(without=frozenset({"h1"}))))
    assert after.tick(10) == []
    assert after.case().condition == "active"
    after.move(11, Verb.RESET)
    assert after.case().condition == "returned"
    assert after.engine.device("b/h1") is None


def test_a_reset_does_not_end_what_burns_in_another_incident_now() -> None:
    """The detector left the site file and came back in another zone: its old incident is reset, its new one burns on."""
    watch = hand(book(SMOKE))
    watch.read(0, "h1", smoke=True)
    gone = through_bytes(watch.engine, block(without=frozenset({"h1"})))
    moved = block()
    old = moved.device("b/h1")
    assert old is not None
    devices = {**moved.devices, "b/h1": replace(old, zone="b/garage")}
    after = Hand(through_bytes(gone, Neighbourhood(zones=moved.zones, stations=moved.stations, devices=devices)))
    after.read(1, "h1", smoke=True)
    assert alarms(after.move(2, Verb.RESET, n=1)) == []
    assert (after.case(1).condition, after.case(2).condition) == ("returned", "active")
    assert alarms(after.move(3, Verb.RESET, n=2)) == ["smoke@h1 idle"]


def test_next_due_says_when_a_tick_finds_something_to_do() -> None:
    watch = hand(book(DENSE))
    assert watch.engine.next_due == NEVER
    watch.read(0, "h1", smoke_density=0.4)
    assert watch.engine.next_due == moment(4)


def test_open_incidents_and_devices_are_shown_as_they_stand() -> None:
    watch = hand(book(SMOKE))
    watch.read(0, "h1", smoke=True)
    watch.read(1, "g1", smoke=False)
    assert [(i.id, i.zone) for i in watch.engine.open_incidents] == [("inc-000001", "b/home")]
    assert [(d.device.key, d.last_at, d.freshness) for d in watch.engine.devices()] == [
        ("b/h1", moment(0), Freshness.LIVE),
        ("b/g1", moment(1), Freshness.LIVE),
    ]
    assert watch.engine.device_count == 2


def test_an_alarm_that_ends_with_its_rule_says_so_and_is_not_called_back_to_normal() -> None:
    quick, tampered = rule("quick", "PREALARM", "smoke"), rule("tampered", "FAULT", "tamper")
    watch = hand(book(quick, tampered))
    watch.read(0, "h1", smoke=True, tamper=True)
    watch.book(1, book(rule("quick", "PREALARM", "smoke", for_="5s")))
    told = {
        str(e.detail["rule"]): e.detail["because"]
        for e in watch.effects
        if isinstance(e, Entry) and e.step is Step.RETURNED
    }
    assert told == {"quick": "rule changed", "tampered": "rule removed"}
    (mended,) = [e for e in watch.effects if isinstance(e, Entry) and e.step is Step.RESOLVED]
    assert mended.detail["note"] == "rule removed"
