"""Linkage: what is commanded, what is not and why, and what becomes of a command."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest

from monitor.stories.lines import incident, short_key
from rules.commands import EXPIRES, MOST_TARGETS, Mode, Permit, Permits
from rules.engine import Engine
from rules.model import (
    SECOND,
    Device,
    DevicePattern,
    Disposition,
    Effect,
    Entry,
    Freshness,
    Kind,
    Neighbourhood,
    Outcome,
    Push,
    Reading,
    Recipient,
    Station,
    Step,
    Text,
    Value,
    Verb,
    Zone,
)
from rules.rule import RuleBook
from rules.suppression import Measure, Suppress
from tests.rules.small_block import Hand, book, moment, rule, through_bytes

LATE, RETAINED = Freshness.LATE, Freshness.RETAINED
HOT = rule(
    "hot", "PREALARM", "port_temperature > 90", ("charger",), for_="5s", clear="port_temperature < 70",
    linkage="[{command: cut_power, at: self}]",
)  # fmt: skip
SMOKE = rule(
    "smoke", "FIRE", "smoke", clear="not smoke",
    linkage="[{command: sound, at: {kind: siren, in: building}}, {command: release_door, at: {kind: access_door, in: zone}}]",
)  # fmt: skip
BOOK = book(HOT, SMOKE)

ALL = Permits(Mode.ARMED, tuple(Permit(c, re.compile(".*")) for c in ("cut_power", "sound", "release_door")))


def street(permits: Permits | None = ALL, sirens: int = 1) -> Neighbourhood:
    """A shed and a hall of house 1, a hall of house 2, a yard that belongs to none; chargers `p*` are known by name."""
    zones = {
        f"b/{key}": Zone(f"b/{key}", "b", Text(key, key), "shed", building)
        for key, building in (("shed", "1"), ("hall", "1"), ("far", "2"), ("yard", ""))
    } | {"o/shed": Zone("o/shed", "o", Text("别处", "elsewhere"), "shed", "1")}
    listed = [
        ("c1", "charger", "shed"), ("c2", "charger", "shed"), ("h1", "smoke_detector", "hall"), ("y1", "smoke_detector", "yard"),
        ("door", "access_door", "hall"), ("s-far", "siren", "far"), ("s-shed", "siren", "shed"), ("s-yard", "siren", "yard"),
        ("cam", "camera", "yard"),
        *((f"s-hall-{n:02}", "siren", "hall") for n in range(sirens)),
    ]  # fmt: skip
    devices = {f"b/{d}": Device(f"b/{d}", "b", kind, f"b/{zone}", Text(d, d)) for d, kind, zone in listed}
    devices["o/siren"] = Device("o/siren", "o", "siren", "o/shed", Text("别处", "elsewhere"))
    patterns = (
        DevicePattern(re.compile(r"b/p\d+"), "charger", "b/shed", Text("桩", "pile")),
        DevicePattern(re.compile(r"b/horn-\d+"), "siren", "b/hall", Text("警", "horn")),
    )
    post = Station("post", Text("站", "post"), frozenset(zones), (Recipient("hook"),))
    return Neighbourhood(zones=zones, stations=(post,), devices=devices, patterns=patterns, permits=permits)


def watch(permits: Permits | None = ALL, rules: RuleBook = BOOK, sirens: int = 1) -> Hand:
    return Hand(Engine(rules, street(permits, sirens)))


def linked(lines: Iterable[str]) -> list[str]:
    """Of some lines, those that are about commands."""
    return [line for line in lines if "/command-" in line or " command" in line]


def entries(effects: Iterable[Effect], step: Step) -> list[dict[str, Value | None]]:
    return [dict(e.detail) for e in effects if isinstance(e, Entry) and e.step is step]


def commands(hand: Hand) -> list[str]:
    """Short keys of everything that was sent to devices."""
    return [short_key(e.key) for e in hand.effects if isinstance(e, Push) and e.channel == "linkage"]


def burn(hand: Hand, at: float = 0, device: str = "c1") -> list[str]:
    """A port is hot for as long as the rule asks; what was commanded."""
    hand.read(at, device, port_temperature=95)
    return linked(hand.tick(at + 5))


# --- what is commanded ------------------------------------------------------------------------------------------------


def test_the_device_that_decided() -> None:
    hand = watch()
    assert linked(hand.read(0, "c1", port_temperature=95)) == []
    assert linked(hand.tick(5)) == ["1 commanded cut_power@c1 armed", "push 1/command-1/linkage@b/c1"]
    (push,) = [e for e in hand.effects if isinstance(e, Push) and e.channel == "linkage"]
    assert (push.incident, push.step, push.channel, push.kind, push.to) == (
        incident(1), "command-1", "linkage", Kind.PREALARM, "",
    )  # fmt: skip
    assert push.expires_at == push.at + EXPIRES == moment(35)
    assert push.body == {
        "type": "device.command", "command": "cut_power", "device": "b/c1", "id": f"inc-000001-1-{moment(5) // 1000}",
    }  # fmt: skip
    (told,) = entries(hand.effects, Step.COMMANDED)
    assert told == {
        "command": "cut_power", "device": "b/c1", "command_zh": "切断电源", "command_en": "Cut the power", "mode": "armed", "why": "",
    }  # fmt: skip


def test_devices_of_a_building_and_of_a_zone() -> None:
    assert linked(watch().read(0, "h1", smoke=True)) == [
        "1 commanded sound@s-hall-00 armed", "push 1/command-1/linkage@b/s-hall-00",
        "1 commanded sound@s-shed armed", "push 1/command-2/linkage@b/s-shed",
        "1 commanded release_door@door armed", "push 1/command-3/linkage@b/door",
    ]  # fmt: skip


def test_a_zone_of_no_building_is_alone() -> None:
    hand = watch()
    hand.read(0, "y1", smoke=True)
    assert commands(hand) == ["1/command-1/linkage@b/s-yard"]


def test_a_device_known_by_name_counts_once_it_has_spoken() -> None:
    hand = watch()
    hand.read(0, "h1", smoke=True)
    hand.read(1, "horn-2", siren=False)
    hand.read(1, "horn-1", siren=False)
    hand.read(1, "cam", motion=True)
    assert "b/horn-1" not in " ".join(commands(hand))
    hand.read(2, "h1", smoke=False)
    hand.move(3, Verb.ACKNOWLEDGE)
    hand.move(4, Verb.RESOLVE)
    hand.read(5, "h1", smoke=True)
    assert [key.rpartition("/")[2] for key in commands(hand)[3:]] == ["horn-1", "horn-2", "s-hall-00", "s-shed", "door"]


def test_a_pattern_that_somebody_merely_asked_for_is_no_target() -> None:
    neighbourhood = street()
    hand = Hand(Engine(BOOK, neighbourhood))
    assert neighbourhood.device("b/horn-9") is not None
    hand.read(0, "h1", smoke=True)
    assert "horn" not in " ".join(commands(hand))


def test_each_device_once_for_each_raising_of_an_incident() -> None:
    hand = watch()
    assert burn(hand)
    assert burn(hand, 6, "c2") == ["1 commanded cut_power@c2 armed", "push 1/command-2/linkage@b/c2"]
    hand.read(20, "c1", port_temperature=60)
    assert burn(hand, 21) == []
    hand.read(30, "c1", port_temperature=60)
    hand.read(30, "c2", port_temperature=60)
    hand.move(31, Verb.ACKNOWLEDGE)
    hand.move(32, Verb.RESOLVE)
    assert burn(hand, 33) == ["1 commanded cut_power@c1 armed", "push 1/command-3/linkage@b/c1"]


def test_a_latched_alarm_that_burns_again_commands_nothing_again() -> None:
    hand = watch()
    hand.read(0, "h1", smoke=True)
    hand.read(1, "h1", smoke=False)
    assert linked(hand.read(2, "h1", smoke=True)) == []


def test_a_new_incident_commands_anew() -> None:
    hand = watch()
    burn(hand)
    hand.read(20, "c1", port_temperature=60)
    for at, verb in ((21, Verb.ACKNOWLEDGE), (22, Verb.RESOLVE)):
        hand.move(at, verb)
    hand.move(23, Verb.CLOSE, disposition=Disposition.FIRE)
    assert hand.engine.snapshot()["linkage"]["accounts"] == []
    assert burn(hand, 30) == ["2 commanded cut_power@c1 armed", "push 2/command-1/linkage@b/c1"]


def test_a_changed_book_commands_from_then_on_and_ends_no_alarm() -> None:
    silent = book(HOT.replace("    linkage: [{command: cut_power, at: self}]\n", ""), SMOKE)
    hand = watch(rules=silent)
    assert burn(hand) == []
    assert [line for line in hand.book(10, BOOK) if "hot@" in line] == []
    assert linked(hand.read(11, "c1", port_temperature=96)) == []
    assert burn(hand, 20, "c2") == ["1 commanded cut_power@c2 armed", "push 1/command-1/linkage@b/c2"]


def test_commands_are_no_dispatch() -> None:
    hand = watch()
    burn(hand)
    hand.receipt(6, "1/command-1/linkage@b/c1")
    assert hand.case().dispatched_at is None
    assert "system/channel" not in " ".join(hand.receipt(7, "1/command-1/linkage@b/c1", Outcome.DEAD))
    assert hand.engine.troubles == {}


# --- what is not ------------------------------------------------------------------------------------------------------


def refused(hand: Hand) -> list[str]:
    """`device why` of everything that was refused."""
    return [f"{d['device']} {d['why']}" for d in entries(hand.effects, Step.COMMANDED) if d["mode"] == "refused"]


def test_a_site_that_says_nothing_allows_nothing() -> None:
    hand = watch(None)
    assert burn(hand) == ["1 commanded cut_power@c1 refused not-allowed"]
    assert commands(hand) == []


def test_dry_run_says_what_would_have_been_commanded() -> None:
    hand = watch(replace(ALL, mode=Mode.DRY_RUN))
    assert burn(hand) == ["1 commanded cut_power@c1 dry-run"]
    assert burn(hand, 10) == []
    assert commands(hand) == []
    assert hand.engine.snapshot()["linkage"]["issued"] == []


def test_what_is_allowed_is_allowed_by_name() -> None:
    hand = watch(replace(ALL, allow=(Permit("cut_power", re.compile("b/c2")), Permit("sound", re.compile("b/c1")))))
    assert burn(hand) == ["1 commanded cut_power@c1 refused not-allowed"]
    assert burn(hand, 6, "c2") == ["1 commanded cut_power@c2 armed", "push 1/command-1/linkage@b/c2"]


@pytest.mark.parametrize("freshness", [LATE, RETAINED, Freshness.FUTURE])
def test_doubtful_evidence_commands_nothing_until_it_is_certain(freshness: Freshness) -> None:
    hand = watch()
    assert linked(hand.read(0, "h1", freshness, measured=-600, smoke=True)) == [
        "1 commanded sound@s-hall-00 refused evidence",
        "1 commanded sound@s-shed refused evidence",
        "1 commanded release_door@door refused evidence",
    ]
    assert linked(hand.read(1, "h1", freshness, measured=-500, smoke=True)) == []
    hand.read(2, "h1", smoke=True)
    assert len(commands(hand)) == 3


def test_a_rule_for_several_kinds_commands_those_that_understand() -> None:
    mixed = HOT.replace("[charger]", "[charger, camera]")
    places = street()
    cam = Device("b/cam", "b", "camera", "b/shed", Text("摄像机", "camera"))
    both = Neighbourhood(
        zones=places.zones, stations=places.stations, devices={**places.devices, cam.key: cam}, permits=ALL
    )
    hand = Hand(Engine(book(mixed), both))
    assert burn(hand, 0, "cam") == ["1 commanded cut_power@cam refused misunderstood"]


def test_a_device_that_says_it_is_under_test_is_left_alone() -> None:
    hand = watch()
    hand.read(0, "s-shed", test=True)
    hand.read(1, "s-hall-00", test=False)
    hand.read(2, "h1", smoke=True)
    assert refused(hand) == ["b/s-shed in-test"]
    assert [key.rpartition("/")[2] for key in commands(hand)] == ["s-hall-00", "door"]


def test_no_more_devices_than_the_bound_and_the_timeline_says_how_many_more() -> None:
    hand = watch(replace(ALL, at_most_per_minute=1000), sirens=30)
    hand.read(0, "h1", smoke=True)
    assert len([key for key in commands(hand) if "/s-" in key]) == MOST_TARGETS
    more = [d for d in entries(hand.effects, Step.COMMANDED) if d["why"] == "too-many-devices"]
    assert [(d["command"], d["device"], d["left_out"]) for d in more] == [("sound", "", 11)]
    assert linked(hand.read(1, "h1", smoke=False)) + linked(hand.read(2, "h1", smoke=True)) == []


def test_no_more_commands_in_a_minute_than_the_site_allows() -> None:
    hand = watch(replace(ALL, at_most_per_minute=2))
    hand.read(0, "h1", smoke=True)
    assert refused(hand) == ["b/door too-many-commands"]
    assert burn(hand, 54.999) == ["2 commanded cut_power@c1 refused too-many-commands"]
    # It was never sent, so it may be when the alarm comes again.
    hand.read(70, "c1", port_temperature=60)
    assert burn(hand, 71) == ["2 commanded cut_power@c1 armed", "push 2/command-1/linkage@b/c1"]


def test_the_minute_is_over_after_a_minute() -> None:
    hand = watch(replace(ALL, at_most_per_minute=2))
    hand.read(0, "h1", smoke=True)
    assert burn(hand, 55) == ["2 commanded cut_power@c1 armed", "push 2/command-1/linkage@b/c1"]


# --- what becomes of it -----------------------------------------------------------------------------------------------

KEY = "1/command-1/linkage@b/c1"
ID = f"inc-000001-1-{moment(5) // 1000}"


def test_its_own_reading_shows_that_it_is_done() -> None:
    hand = watch()
    burn(hand)
    hand.receipt(6, KEY)
    assert linked(hand.read(7, "c1", relay_closed=True)) == []
    assert linked(hand.read(7, "c2", relay_closed=False)) == []
    assert linked(hand.read(7.5, "c1", relay_closed=False)) == ["1 command_done cut_power@c1"]
    (told,) = entries(hand.effects, Step.COMMAND_DONE)
    assert (told["took"], told["by"], told["late"]) == (2.5, "relay_closed", False)
    assert linked(hand.tick(1000)) == []
    assert hand.engine.snapshot()["linkage"]["issued"] == []


def test_its_answer_shows_that_it_is_done() -> None:
    hand = watch()
    burn(hand)
    assert linked(hand.read(6, "c1", command_id="inc-000001-1-0", command_ok=True)) == []
    assert linked(hand.read(6, "c1", command_id=ID)) == []
    assert linked(hand.read(7, "c1", command_id=ID, command_ok=True)) == ["1 command_done cut_power@c1"]
    (told,) = entries(hand.effects, Step.COMMAND_DONE)
    assert told["by"] == "answer"
    # The broker's word comes after the device's.
    assert linked(hand.receipt(8, KEY)) == ["1 push_accepted command-1 linkage"]


@pytest.mark.parametrize("freshness", [LATE, RETAINED])
def test_an_old_word_shows_nothing(freshness: Freshness) -> None:
    hand = watch()
    burn(hand)
    assert linked(hand.read(6, "c1", freshness, measured=-5, relay_closed=False)) == []


def test_what_a_drill_makes_up_shows_nothing() -> None:
    hand = watch()
    burn(hand)
    hand.feed(Suppress(moment(5), Measure.DRILL, "b/c1", "li", "drill", moment(1000)))
    made_up = Reading(moment(6), "b/c1", {"relay_closed": False}, exercise="sup-000001")
    assert linked(hand.feed(made_up)) == []


def test_a_device_that_is_silent_has_failed_when_its_time_is_over() -> None:
    hand = watch()
    burn(hand)
    hand.receipt(6, KEY)
    assert linked(hand.tick(15.999)) == []
    assert linked(hand.tick(16)) == ["1 command_failed cut_power@c1 timeout"]


def test_the_time_is_that_of_the_site() -> None:
    hand = watch(replace(ALL, timeout=3 * SECOND))
    burn(hand)
    hand.receipt(6, KEY)
    assert linked(hand.tick(9)) == ["1 command_failed cut_power@c1 timeout"]


def test_a_command_that_nobody_hears_of_again_has_failed() -> None:
    hand = watch()
    burn(hand)
    assert linked(hand.tick(44.999)) == []
    assert linked(hand.tick(45)) == ["1 command_failed cut_power@c1 timeout"]


def test_a_device_that_refuses_has_failed_at_once() -> None:
    hand = watch()
    burn(hand)
    assert linked(hand.read(6, "c1", command_id=ID, command_ok=False)) == [
        "1 command_failed cut_power@c1 refused-by-device"
    ]
    assert linked(hand.read(7, "c1", command_id=ID, command_ok=False)) == []


def test_a_command_that_cannot_be_delivered_has_failed_and_is_not_repeated() -> None:
    hand = watch()
    burn(hand)
    assert linked(hand.receipt(6, KEY, Outcome.RETRY)) == ["1 push_failed command-1 linkage"]
    assert linked(hand.receipt(7, KEY, Outcome.DEAD)) == [
        "1 push_dead command-1 linkage", "1 command_failed cut_power@c1 not-delivered",
    ]  # fmt: skip
    (told,) = entries(hand.effects, Step.COMMAND_FAILED)
    assert told["reply"] == "said"
    assert linked(hand.receipt(8, KEY)) == ["1 push_accepted command-1 linkage"]
    assert len(commands(hand)) == 1


def test_a_device_that_obeys_late_is_still_heard() -> None:
    hand = watch()
    burn(hand)
    hand.receipt(6, KEY)
    hand.tick(16)
    assert linked(hand.read(135.999, "c1", relay_closed=False)) == ["1 command_done cut_power@c1 late"]


def test_after_two_minutes_its_word_is_a_reading_as_any_other() -> None:
    hand = watch()
    burn(hand)
    hand.receipt(6, KEY)
    hand.tick(16)
    assert linked(hand.read(136, "c1", relay_closed=False)) == []


def test_two_commands_to_one_device_are_told_apart() -> None:
    both = HOT.replace(
        "[{command: cut_power, at: self}]",
        "[{command: cut_power, at: self}, {command: cut_power, at: {kind: charger, in: zone}}]",
    )
    hand = watch(
        rules=book(
            both, HOT.replace("id: hot", "id: hotter").replace("> 90", "> 80").replace("PREALARM", "SUPERVISORY")
        )
    )
    burn(hand)
    # The second line of the first rule finds the other charger as well; each rule's incident commands for itself.
    assert commands(hand) == [
        "1/command-1/linkage@b/c1", "1/command-2/linkage@b/c2", "2/command-1/linkage@b/c1",
    ]  # fmt: skip
    assert linked(hand.read(6, "c1", relay_closed=False)) == [
        "1 command_done cut_power@c1",
        "2 command_done cut_power@c1",
    ]
    assert linked(hand.read(7, "c2", relay_closed=False)) == ["1 command_done cut_power@c2"]


# --- restarts ---------------------------------------------------------------------------------------------------------


def again(hand: Hand, permits: Permits = ALL) -> Hand:
    """The engine after a restart."""
    return Hand(through_bytes(hand.engine, street(permits)), list(hand.effects))


def test_a_restart_changes_nothing() -> None:
    hand = watch()
    burn(hand)
    hand.receipt(6, KEY)
    after = again(hand)
    assert linked(after.tick(16)) == ["1 command_failed cut_power@c1 timeout"]
    after = again(after)
    assert burn(after, 20) == []
    assert linked(after.read(30, "c1", relay_closed=False)) == ["1 command_done cut_power@c1 late"]


def test_what_the_restart_did_not_repeat_is_said() -> None:
    hand = watch()
    burn(hand)
    after = again(hand)
    assert linked(after.receipt(20, KEY, Outcome.DEAD)) == [
        "1 push_dead command-1 linkage", "1 command_failed cut_power@c1 not-delivered",
    ]  # fmt: skip


def test_the_minute_runs_on_over_a_restart() -> None:
    few = replace(ALL, at_most_per_minute=1)
    hand = watch(few)
    burn(hand)
    assert burn(again(hand, few), 6, "c2") == ["1 commanded cut_power@c2 refused too-many-commands"]


def test_the_snapshot_of_an_older_program_commands_from_now_on() -> None:
    hand = watch()
    old = hand.engine.snapshot()
    del old["linkage"]
    engine = Engine(BOOK, street())
    engine.restore(old)
    assert burn(Hand(engine)) == ["1 commanded cut_power@c1 armed", "push 1/command-1/linkage@b/c1"]


def test_a_command_that_only_a_newer_program_knows_is_forgotten() -> None:
    hand = watch()
    burn(hand)
    data = hand.engine.snapshot()
    data["linkage"]["issued"][0][2] = "start_pump"
    engine = Engine(BOOK, street())
    engine.restore(data)
    assert linked(Hand(engine).tick(1000)) == []


def test_an_incident_that_the_ledger_knows_otherwise_commands_no_more() -> None:
    hand = watch()
    burn(hand)
    kept = replace(hand.case(), id=incident(7), title=Text("别的", "another"))
    assert hand.engine.reconcile([kept], kept.id)
    assert linked(hand.read(6, "c1", relay_closed=False)) == []
    assert linked(hand.tick(100)) == []
    assert burn(hand, 101, "c2") == ["7 commanded cut_power@c2 refused recovered"]
    assert len(commands(hand)) == 1


def test_an_incident_that_only_the_ledger_knows_commands_nothing() -> None:
    other = watch()
    burn(other)
    hand = watch()
    hand.read(0, "c2", port_temperature=20)
    assert hand.engine.reconcile([other.case()], incident(1))
    assert burn(hand, 10, "c2") == ["1 commanded cut_power@c2 refused recovered"]


def test_an_incident_that_the_ledger_never_heard_of_is_forgotten_with_its_commands() -> None:
    hand = watch()
    burn(hand)
    assert hand.engine.reconcile([], "")
    assert hand.engine.snapshot()["linkage"]["issued"] == []
    assert hand.engine.snapshot()["linkage"]["accounts"] == []
    assert linked(hand.tick(100)) == []


# --- measures, drills, and what people hear ---------------------------------------------------------------------------


def suppress(hand: Hand, at: float, measure: Measure, subject: str) -> list[str]:
    """Somebody takes a measure for an hour."""
    return hand.feed(Suppress(moment(at), measure, subject, "li", "work", moment(at + 3600), compensation="a patrol"))


def test_an_alarm_that_is_withheld_commands_nothing() -> None:
    hand = watch()
    suppress(hand, 0, Measure.TEST, "b/c1")
    assert burn(hand, 1) == ["1 commanded cut_power@c1 refused withheld"]
    assert burn(hand, 10, "c2") == ["2 commanded cut_power@c2 armed", "push 2/command-1/linkage@b/c2"]


def test_works_withhold_the_commands_of_a_prealarm_and_not_those_of_a_fire() -> None:
    hand = watch()
    suppress(hand, 0, Measure.WORKS, "b/shed")
    suppress(hand, 0, Measure.WORKS, "b/hall")
    assert burn(hand, 1) == ["1 commanded cut_power@c1 refused withheld"]
    hand.read(10, "h1", smoke=True)
    assert len(commands(hand)) == 3


def test_when_the_measure_is_over_what_still_burns_commands() -> None:
    hand = watch()
    suppress(hand, 0, Measure.TEST, "b/c1")
    burn(hand, 1)
    hand.tick(3600)
    assert linked(hand.read(3601, "c1", port_temperature=95)) + linked(hand.tick(3610)) == [
        "2 commanded cut_power@c1 armed", "push 2/command-1/linkage@b/c1",
    ]  # fmt: skip


def test_an_alarm_that_becomes_certain_under_a_measure_commands_nothing() -> None:
    hand = watch()
    hand.read(0, "c1", LATE, measured=-600, port_temperature=95)
    hand.tick(5)
    suppress(hand, 6, Measure.WORKS, "b/shed")
    assert linked(hand.read(7, "c1", port_temperature=95)) == ["1 commanded cut_power@c1 refused withheld"]


@pytest.mark.parametrize("subject", ["b/s-shed", "b/shed"])
def test_a_target_that_somebody_works_on_is_left_alone(subject: str) -> None:
    hand = watch()
    suppress(hand, 0, Measure.TEST, subject)
    hand.read(1, "h1", smoke=True)
    assert refused(hand) == ["b/s-shed in-test"]
    assert [key.rpartition("/")[2] for key in commands(hand)] == ["s-hall-00", "door"]


def test_a_drill_commands_nothing_and_says_so() -> None:
    hand = watch()
    hand.feed(Suppress(moment(0), Measure.DRILL, "b/h1", "li", "drill", moment(1000)))
    drill = Reading(moment(0), "b/h1", {"smoke": True}, exercise="sup-000001")
    assert linked(hand.feed(drill)) == [
        "1 commanded sound@s-hall-00 refused exercise",
        "1 commanded sound@s-shed refused exercise",
        "1 commanded release_door@door refused exercise",
    ]
    assert linked(hand.feed(replace(drill, at=moment(1)))) == []
    hand.read(2, "h1", smoke=True)
    assert len(commands(hand)) == 3
    assert [account[0] for account in hand.engine.snapshot()["linkage"]["accounts"]] == [incident(2)]


def told(hand: Hand) -> list[str]:
    """The pushes by which people hear that a device did not obey."""
    return [short_key(e.key) for e in hand.effects if isinstance(e, Push) and e.body.get("news") == "linkage-failed"]


def test_whoever_was_called_hears_of_a_failure_once_for_each_raising() -> None:
    hand = watch()
    hand.read(0, "h1", smoke=True)
    hand.tick(60)
    assert len(entries(hand.effects, Step.COMMAND_FAILED)) == 3
    assert told(hand) == ["1/linkage-1/hook"]
    (push,) = [e for e in hand.effects if isinstance(e, Push) and e.body.get("news") == "linkage-failed"]
    assert push.body["advice"] == {
        "zh": "启动声光警报未得到确认：s-hall-00。请到现场操作。",
        "en": "Not confirmed: Sound the alarm, s-hall-00. Do it on the scene.",
    }
    hand.read(70, "h1", smoke=False)
    hand.move(71, Verb.ACKNOWLEDGE)
    hand.move(72, Verb.RESOLVE)
    hand.read(73, "h1", smoke=True)
    again(hand)
    hand.tick(200)
    assert len(told(hand)) == 2


def test_nobody_is_paged_for_a_failure_at_something_that_is_no_fire() -> None:
    mild = HOT.replace("PREALARM", "SUPERVISORY")
    hand = watch(rules=book(mild))
    burn(hand)
    hand.tick(60)
    assert entries(hand.effects, Step.COMMAND_FAILED)
    assert told(hand) == []


def test_a_failure_after_the_incident_is_closed_is_written_down() -> None:
    hand = watch()
    burn(hand)
    hand.read(6, "c1", port_temperature=60)
    for at, verb in ((7, Verb.ACKNOWLEDGE), (8, Verb.RESOLVE)):
        hand.move(at, verb)
    hand.move(9, Verb.CLOSE, disposition=Disposition.NUISANCE)
    assert linked(hand.tick(60)) == ["1 command_failed cut_power@c1 timeout"]
    assert told(hand) == []
