"""Confirmed fire as timelines: independent evidence, adjacent zones, voters out of service; and the arithmetic of votes.

Times are seconds; the street has smoke, heat and a call point in the hall, smoke and a camera in the garage beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.engine import Engine
from rules.model import (
    SECOND,
    AlarmState,
    Device,
    DevicePattern,
    Entry,
    Freshness,
    Measure,
    Neighbourhood,
    Reading,
    Suppress,
    Text,
    Tick,
)
from rules.rule import BookChanged
from rules.voting import Voter, Voting
from tests.rules.corner_street import street
from tests.rules.small_block import book, moment, rule, through_bytes

CONFIRM = """\
  - id: confirmed
    kind: FIRE
    subject: zone
    confirm:
      within: 60s
      voters:
        smoke: {devices: [smoke_detector], when: smoke, silent: 100s}
        heat: {devices: [heat_detector], when: temperature > 45, silent: 100s}
        camera: {devices: [camera], when: 'seen("fire", 30s)', silent: 100s}
    title: {zh: 确认火警, en: Confirmed}
"""
QUIET: dict[str, dict[str, Any]] = {
    "smoke-1": {"smoke": False}, "smoke-2": {"smoke": False}, "smoke-3": {"smoke": False}, "heat-1": {"temperature": 20.0},
    "cam-1": {"online": True},
}  # fmt: skip


class Street:
    """An engine that has heard everybody once at second 0, unless told otherwise."""

    def __init__(self, confirm: str = CONFIRM, *, heard: bool = True, adjacent: bool = True) -> None:
        self.neighbourhood = street(adjacent=adjacent)
        self.engine = Engine(book(confirm, rule("smoke", "PREALARM", "smoke")), self.neighbourhood)
        self.details: list[dict[str, Any]] = []
        for device, values in QUIET.items() if heard else ():
            self.said(0, device, **values)

    def said(self, at: float, device: str, freshness: Freshness = Freshness.LIVE, /, **values: Any) -> list[str]:
        """A device reports; the zones that are confirmed after it."""
        return self.feed(Reading(moment(at), f"c/{device}", values, freshness))

    def feed(self, event: Any) -> list[str]:
        for effect in self.engine.handle(event):
            if isinstance(effect, Entry) and effect.detail.get("rule") == "confirmed" and "need" in effect.detail:
                self.details.append(dict(effect.detail))
        return self.confirmed

    @property
    def confirmed(self) -> list[str]:
        alarms = self.engine.snapshot()["zones"]
        return sorted(key[1].removeprefix("c/") for key, alarm in alarms if alarm[0] == AlarmState.ACTIVE)


def test_two_kinds_in_one_zone_confirm_and_the_timeline_says_who() -> None:
    here = Street()
    assert here.said(10, "smoke-1", smoke=True) == []
    assert here.said(11, "smoke-2", smoke=True) == []
    assert here.said(20, "heat-1", temperature=50.0) == ["hall"]
    (told,) = here.details
    assert (told["voters"], told["out_of_service"], told["need"], told["needed"]) == ("smoke, heat", "", 2.0, 2.0)
    (incident,) = [i for i in here.engine.open_incidents if i.zone == "c/hall"]
    assert incident.kind == "FIRE"


def test_one_signal_alone_still_raises_its_own_alarm() -> None:
    here = Street()
    here.said(10, "smoke-1", smoke=True)
    assert [(i.kind, i.zone) for i in here.engine.open_incidents] == [("PREALARM", "c/hall")]


def test_evidence_holds_within_the_window_and_no_longer() -> None:
    for gap, wanted in ((60.0, ["hall"]), (60.1, [])):
        here = Street()
        here.said(10, "smoke-1", smoke=True)
        here.said(20, "smoke-1", smoke=False)
        assert here.said(20 + gap, "heat-1", temperature=50.0) == wanted


def test_the_adjacent_zone_helps_but_one_yes_must_be_the_zones_own() -> None:
    here = Street()
    here.said(10, "heat-1", temperature=50.0)
    assert here.said(20, "cam-1", object="fire") == ["garage", "hall"]
    apart = Street(adjacent=False)
    apart.said(10, "heat-1", temperature=50.0)
    assert apart.said(20, "cam-1", object="fire") == []
    alone = Street(CONFIRM.replace("within: 60s", "within: 60s\n      adjacent: false"))
    alone.said(10, "heat-1", temperature=50.0)
    assert alone.said(20, "cam-1", object="fire") == []


def test_a_zone_is_not_confirmed_by_its_neighbours_alone() -> None:
    here = Street()
    here.said(10, "smoke-3", smoke=True)
    assert here.said(20, "cam-1", object="fire") == ["garage"]


@pytest.mark.parametrize("word", ["fault", "test"])
def test_a_voter_out_of_service_lowers_the_need_and_is_named(word: str) -> None:
    here = Street()
    here.said(5, "heat-1", **{word: True})
    assert here.said(6, "cam-1", online=False) == []
    assert here.said(10, "smoke-1", smoke=True) == ["hall"]
    (told,) = here.details
    assert told["out_of_service"] == f"heat: c/heat-1 {word}; camera: c/cam-1 offline"
    assert (told["voters"], told["need"], told["needed"]) == ("smoke", 2.0, 1.0)


def test_two_kinds_are_still_wanted_while_two_are_in_service() -> None:
    here = Street()
    here.said(5, "cam-1", online=False)
    assert here.said(10, "smoke-1", smoke=True) == []
    assert here.said(11, "heat-1", temperature=50.0) == ["hall"]
    assert here.details[0]["needed"] == 2.0


def test_a_voter_with_one_device_left_is_in_service() -> None:
    here = Street()
    here.said(5, "heat-1", fault=True)
    here.said(6, "cam-1", fault=True)
    here.said(7, "smoke-1", online=False)
    here.said(8, "smoke-2", fault=True)
    assert here.said(9, "smoke-3", smoke=True) == ["garage"]
    assert here.details[0]["out_of_service"] == "heat: c/heat-1 fault; camera: c/cam-1 fault"


def test_a_silent_voter_is_out_of_service_by_time_alone_and_then_its_partner_confirms() -> None:
    here = Street()
    here.said(90, "smoke-1", smoke=False)
    here.said(95, "smoke-1", smoke=True)
    assert here.feed(Tick(moment(100))) == []
    assert here.feed(Tick(moment(100.1))) == ["hall"]
    assert here.details[0]["out_of_service"] == "heat: c/heat-1 silent; camera: c/cam-1 silent"


def test_who_was_never_heard_is_out_of_service_only_after_we_have_waited_for_it() -> None:
    here = Street(heard=False)
    assert here.said(0, "smoke-1", smoke=True) == []
    assert here.said(99, "smoke-1", smoke=True) == []
    assert here.said(101, "smoke-1", smoke=True) == ["hall"]
    assert here.details[0]["out_of_service"] == "heat: c/heat-1 never heard; camera: c/cam-1 never heard"


def test_a_detector_that_burned_after_its_yes_still_counts_within_the_window() -> None:
    here = Street()
    here.said(10, "heat-1", temperature=50.0)
    here.said(11, "heat-1", online=False)
    assert here.said(20, "smoke-1", smoke=True) == ["hall"]


@pytest.mark.parametrize("lost", [{"online": False}, {"fault": True}])
def test_one_detector_of_two_kinds_of_evidence_does_not_confirm_itself_by_being_lost(lost: dict[str, Any]) -> None:
    both = CONFIRM.replace("[heat_detector]", "[heat_detector, smoke_detector]")
    here = Street(both.replace("within: 60s", "within: 60s\n      adjacent: false"))
    here.said(5, "cam-1", fault=True)
    here.said(10, "smoke-3", smoke=True, temperature=20.0)
    assert here.said(11, "smoke-3", **lost) == []
    here.said(20, "smoke-3", online=True, fault=False)
    assert here.said(40, "smoke-3", temperature=50.0) == ["garage"]


def test_a_smoke_detector_that_knows_no_temperature_is_not_waited_for_as_one_of_heat() -> None:
    both = CONFIRM.replace("[heat_detector]", "[heat_detector, smoke_detector]")
    for combined, needed in ((False, 1.0), (True, 2.0)):
        here = Street(both)
        here.said(5, "cam-1", fault=True)
        here.said(6, "heat-1", online=False)
        for smoke in ("smoke-1", "smoke-2", "smoke-3") if combined else ():
            here.said(7, smoke, temperature=20.0)
        assert here.said(10, "smoke-1", smoke=True) == ([] if combined else ["hall"])
        if combined:
            assert here.said(11, "smoke-2", temperature=50.0) == ["hall"]
        else:
            assert here.details[0]["out_of_service"] == "heat: c/heat-1 offline; camera: c/cam-1 fault"
        assert here.details[0]["needed"] == needed


def test_a_combined_detector_counts_for_heat_from_its_first_word_of_it() -> None:
    both = CONFIRM.replace("[heat_detector]", "[heat_detector, smoke_detector]")
    here = Street(both.replace("within: 60s", "within: 60s\n      adjacent: false"))
    here.said(5, "cam-1", fault=True)
    here.said(6, "smoke-3", temperature=20.0)
    assert here.said(10, "smoke-3", smoke=True) == []
    again = Street(both.replace("within: 60s", "within: 60s\n      adjacent: false"))
    again.said(5, "cam-1", fault=True)
    assert again.said(10, "smoke-3", smoke=True) == ["garage"]


@pytest.mark.parametrize("measure", [Measure.IMPAIRED, Measure.SHELVED])
def test_one_detector_of_two_kinds_of_evidence_does_not_confirm_itself_by_a_measure(measure: Measure) -> None:
    both = CONFIRM.replace("[heat_detector]", "[heat_detector, smoke_detector]")
    here = Street(both.replace("within: 60s", "within: 60s\n      adjacent: false"))
    here.said(5, "cam-1", fault=True)
    here.feed(Suppress(moment(6), measure, "c/smoke-3", "li", "dust", moment(600), compensation="patrol"))
    assert here.said(10, "smoke-3", smoke=True, temperature=20.0) == []
    assert here.said(40, "smoke-3", temperature=50.0) == ["garage"]


def test_a_device_under_test_says_nothing() -> None:
    here = Street()
    here.said(9, "heat-1", test=True)
    here.said(10, "heat-1", temperature=50.0)
    assert here.said(20, "smoke-1", smoke=True) == []


def test_a_place_built_with_too_few_kinds_never_confirms() -> None:
    here = Street(CONFIRM.replace("within: 60s", "within: 60s\n      need: 3\n      adjacent: false"))
    here.said(5, "smoke-1", fault=True)
    here.said(6, "heat-1", temperature=50.0)
    assert here.said(7, "smoke-2", smoke=True) == []
    lane = Street(CONFIRM.replace("heat_detector", "kiln"))
    assert lane.said(10, "lane-smoke", smoke=True) == []


def test_it_is_over_when_too_few_agree_and_waits_for_a_reset() -> None:
    here = Street()
    here.said(10, "smoke-1", smoke=True)
    here.said(11, "heat-1", temperature=50.0)
    here.said(20, "heat-1", temperature=20.0)
    assert here.feed(Tick(moment(80))) == ["hall"]
    here.feed(Tick(moment(80.1)))
    assert here.engine.snapshot()["zones"] == [[["confirmed", "c/hall"], ["latched", "inc-000001", "live", moment(11)]]]


def test_doubtful_evidence_asks_for_verification_until_a_live_yes() -> None:
    here = Street()
    here.said(10, "smoke-1", Freshness.FUTURE, smoke=True)
    here.said(11, "heat-1", Freshness.FUTURE, temperature=50.0)
    assert here.engine.open_incidents[0].suspected
    here.said(12, "heat-1", temperature=51.0)
    assert not here.engine.open_incidents[0].suspected


def test_devices_known_by_pattern_belong_once_they_speak_and_are_never_missed_before() -> None:
    here = street()
    pattern = DevicePattern(re.compile(r"c/extra-\d"), "heat_detector", "c/garage", Text("热", "heat"))
    grown = Neighbourhood(
        zones=here.zones,
        stations=here.stations,
        devices={key: d for key, d in here.devices.items() if d.kind != "heat_detector"},
        patterns=(pattern,),
    )
    story = Street(heard=False)
    story.engine = Engine(book(CONFIRM), grown)
    for device in ("smoke-1", "smoke-3", "cam-1"):
        story.said(0, device, **QUIET[device])
    assert story.said(1, "smoke-3", smoke=True) == []
    assert story.said(2, "extra-9", temperature=50.0) == ["garage"]
    assert [d.key for d in grown.listed()] == [d.key for d in here.listed() if d.kind != "heat_detector"]
    again = through_bytes(story.engine, grown)
    assert again.snapshot() == story.engine.snapshot()
    assert again._counting.counts == story.engine._counting.counts


def test_where_keeps_devices_and_zones_out() -> None:
    here = Street(CONFIRM.replace("    confirm:", '    where: zone.kind == "lobby"\n    confirm:'))
    here.said(10, "smoke-3", smoke=True)
    assert here.said(11, "cam-1", object="fire") == []
    assert here.said(12, "smoke-1", smoke=True) == []
    assert here.said(13, "heat-1", temperature=50.0) == ["hall"]


def test_many_devices_out_of_service_are_not_all_named() -> None:
    crowd = tuple(Device(f"c/k{n}", "c", "kiln", "c/hall", Text("窑", "kiln")) for n in range(9))
    story = Street(heard=False)
    story.engine = Engine(book(CONFIRM.replace("heat_detector", "kiln")), street(crowd))
    for device in ("smoke-1", "cam-1"):
        story.said(0, device, **QUIET[device])
    story.said(5, "cam-1", fault=True)
    for n in range(9):
        story.said(6, f"k{n}", fault=True)
    story.said(10, "smoke-1", smoke=True)
    assert story.details[0]["out_of_service"].startswith("heat: c/k0 fault, c/k1 fault")
    assert "c/k4 fault, and 4 more" in story.details[0]["out_of_service"]


def test_another_book_counts_anew() -> None:
    here = Street()
    here.said(10, "smoke-1", smoke=True)
    here.feed(BookChanged(moment(11), book(CONFIRM, rule("x", "FAULT", "fault"))))
    assert here.said(12, "heat-1", temperature=50.0) == ["hall"]


def test_a_hold_that_runs_out_tells_the_votes_too() -> None:
    here = Street(CONFIRM.replace("    confirm:", "    for: 5s\n    confirm:"))
    here.said(10, "smoke-1", smoke=True)
    here.said(11, "heat-1", temperature=50.0)
    assert here.feed(Tick(moment(16))) == ["hall"]
    assert (here.details[0]["voters"], here.details[0]["device"]) == ("smoke, heat", "")


# --- arithmetic -------------------------------------------------------------------------------------------------------

NAMES = ("smoke", "heat", "camera")


WITH_PEOPLE = CONFIRM.replace("    title:", """        report: {devices: [human_report], when: 'last(reported, 10s) == "fire"'}
    title:""")  # fmt: skip


def test_a_person_and_one_detector_confirm_whichever_comes_first() -> None:
    said: tuple[tuple[str, dict[str, Any]], ...] = (("report-hall", {"reported": "fire"}), ("smoke-1", {"smoke": True}))
    for (first, one), (second, other) in (said, said[::-1]):
        here = Street(WITH_PEOPLE)
        assert here.said(10, first, **one) == []
        assert here.said(60, second, **other) == ["hall"]
        assert here.details[0]["voters"] == "smoke, report"


def test_a_report_counts_for_its_window_and_no_longer() -> None:
    here = Street(WITH_PEOPLE)
    here.said(10, "report-hall", reported="fire")
    assert here.said(81, "smoke-1", smoke=True) == []


def test_people_alone_confirm_nothing_even_where_the_detectors_are_out_of_service() -> None:
    here = Street(WITH_PEOPLE)
    for device in QUIET:
        here.said(5, device, fault=True)
    assert here.said(10, "report-hall", reported="fire") == []
    assert here.said(11, "report-garage", reported="fire") == []


def test_that_nobody_reports_is_no_outage_and_changes_nothing_for_the_detectors() -> None:
    for people in (CONFIRM, WITH_PEOPLE):
        here = Street(people)
        here.said(5, "report-hall", reported="other")
        here.said(6, "heat-1", fault=True)
        here.said(7, "cam-1", fault=True)
        # Days without a report: the one kind that is left in service still confirms alone, and two are wanted while two are.
        assert "hall" in here.said(8, "smoke-1", smoke=True)
        again = Street(people)
        again.said(5, "report-hall", reported="other")
        for second in range(50, 100_000, 50):
            for device, values in QUIET.items():
                again.said(second, device, **values)
        assert again.said(100_001, "smoke-1", smoke=True) == []


def test_one_kind_of_detector_and_a_person_are_two() -> None:
    for people, confirmed in ((WITH_PEOPLE, ["garage"]), (CONFIRM, [])):
        place = Street(re.sub(" *camera:.*", "", people), adjacent=False)
        assert place.said(10, "smoke-3", smoke=True) == []
        assert place.said(20, "report-garage", reported="fire") == confirmed


def _states() -> Iterator[tuple[str, ...]]:
    """Each voter: not built in, silent in service, saying yes, out of service, never heard, there but not able to say it."""
    return product(("none", "fit", "yes", "out", "mute", "unable"), repeat=3)


@pytest.mark.parametrize("need", [2, 3])
@pytest.mark.parametrize("waited", [50 * SECOND, 500 * SECOND])
def test_every_state_of_three_voters(need: int, waited: int) -> None:
    voting = Voting(need, True, tuple(Voter(n, frozenset({n}), "silent(1m40s)", 100 * SECOND) for n in NAMES))
    for states in _states():
        yes = [int(s == "yes") for s in states]
        out = [int(s == "out") for s in states]
        listed = [int(s != "none") for s in states]
        heard = [int(s in ("fit", "yes", "out", "unable")) for s in states]
        cannot = [int(s == "unable") for s in states]
        counts = [*yes, *cannot, *out, *yes, *listed, *heard]
        lost = [s == "out" or (s == "mute" and waited > 100 * SECOND) for s in states]
        built, left = sum(listed) - sum(cannot), sum(listed) - sum(cannot) - sum(lost)
        needed = 0 if built < need else need if left == built else max(1, min(need, left))
        assert voting.needed(counts, waited) == needed
        assert [v.name for v in voting.missing(counts, waited)] == [
            n for n, gone in zip(NAMES, lost, strict=True) if gone
        ]
        assert voting.decide(counts, waited) is (needed > 0 and sum(yes) >= needed)
        foreign = [*yes, *cannot, *out, 0, 0, 0, *listed, *heard]
        assert not voting.decide(foreign, waited)


@given(st.booleans(), st.sampled_from(("", "offline", "fault", "test", "silent")))
def test_why_a_device_is_out_of_service(own: bool, why: str) -> None:
    voter = Voter("smoke", frozenset({"smoke_detector"}), "silent(1m)", 60 * SECOND)
    known: dict[str, Any] = {"online": why != "offline", "silent(1m)": why == "silent"}
    known |= {why: True} if why in ("fault", "test") else {}
    assert voter.absence(known) == why
    here = street()
    device = here.devices["c/smoke-1" if own else "c/cam-1"]
    assert voter.out(known, device) is (own and why != "")
