"""Who is sent, by when, what people may do, and what they are told: from a raised alarm to a closed incident.

Knows no channel: a provider's answer is an event like any other.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.engine import Engine
from rules.model import (
    MINUTE,
    SECOND,
    Device,
    Disposition,
    Entry,
    Freshness,
    IncidentChanged,
    IncidentState,
    Kind,
    Measure,
    Neighbourhood,
    Outcome,
    Push,
    Reading,
    Receipt,
    Recipient,
    SlaProfile,
    Station,
    Step,
    Suppress,
    Text,
    Verb,
    Zone,
)
from tests.rules.small_block import T0, Hand, block, book, hand, incident, moment, rule, through_bytes

FIRE = rule("smoke", "FIRE", "smoke", clear="not smoke", clear_for="10s")
PREALARM = rule("dense", "PREALARM", "smoke_density > 0.3", advice="{zh: 查看, en: Look}")
WATCH = rule("door", "SUPERVISORY", "battery < 15", group="fire")
FAULT = rule("fault", "FAULT", "fault", clear_for="5s")
BOOK = book(FIRE, PREALARM, WATCH, FAULT)
LATE = Freshness.LATE


def burning() -> Hand:
    """A fire in the home at second 0."""
    watch = hand(BOOK)
    watch.read(0, "h1", smoke=True)
    return watch


def of_incident(said: list[str]) -> list[str]:
    """Without what alarms do and without word for those who follow."""
    return [text for text in said if text[0].isdigit() or (text.startswith("push") and "/state-" not in text)]


# --- dispatch ---------------------------------------------------------------------------------------------------------


def test_the_first_station_that_covers_the_zone_is_sent() -> None:
    watch = burning()
    assert watch.case().station == "east"
    assert watch.pushes() == ["1/dispatch-1/hook"]
    push = next(e for e in watch.effects if isinstance(e, Push))
    assert (push.at, push.expires_at, push.kind, push.channel) == (moment(0), moment(1800), Kind.FIRE, "hook")
    assert push.body["station"] == {"key": "east", "name": {"zh": "东门", "en": "East gate"}}
    assert push.body["reading"] == {"smoke": True}
    told = push.body["incident"]
    assert isinstance(told, dict)
    assert (told["raised_at"], told["zone_name"]) == ("2026-11-22T08:00:00.000+08:00", {"zh": "home", "en": "home"})
    assert (told["building_name"], list(told["device_names"])) == (None, told["devices"])
    assert told["measured_at"] is None, "it has no clock"


def test_advice_goes_with_the_dispatch() -> None:
    watch = hand(BOOK)
    watch.read(0, "h1", smoke_density=0.4, temperature=20)
    push = next(e for e in watch.effects if isinstance(e, Push))
    assert push.body["advice"] == {"zh": "查看", "en": "Look"}
    assert push.body["reading"] == {"smoke_density": 0.4}


def test_a_zone_that_nobody_covers_says_so_and_its_deadlines_run() -> None:
    watch = hand(BOOK)
    said = watch.read(0, "alley-1", smoke=True)
    assert of_incident(said) == ["1 raised smoke@alley-1", "1 uncovered alley", "1 is FIRE raised active"]
    assert of_incident(watch.tick(60)) == ["1 overdue dispatch", "1 is FIRE raised active"]
    assert watch.pushes() == []


def test_accepted_makes_it_dispatched_once() -> None:
    watch = burning()
    assert of_incident(watch.receipt(2, "1/dispatch-1/hook")) == [
        "1 push_accepted dispatch-1 hook",
        "1 dispatched east by hook",
        "1 is FIRE dispatched active",
    ]
    assert watch.case().dispatched_at == moment(2)
    assert watch.receipt(3, "1/dispatch-1/hook") == ["1 push_accepted dispatch-1 hook"]


def test_an_open_incident_is_found_by_its_id() -> None:
    watch = burning()
    assert watch.engine.incident(incident(1)) == watch.case()
    assert (watch.engine.incident(incident(2)), watch.engine.open_count) == (None, 1)


def test_a_refused_attempt_does_not() -> None:
    watch = burning()
    said = watch.receipt(2, "1/dispatch-1/hook", Outcome.RETRY)
    assert said == ["1 push_failed dispatch-1 hook", "push 1/around1-1/robot"]
    assert watch.case().state == "raised"


# --- deadlines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("goal", "due"), [("dispatch", 60), ("on_scene", 300), ("resolve", 1200)])
def test_a_deadline_is_missed_at_its_very_moment_and_told_once(goal: str, due: int) -> None:
    watch = burning()
    watch.tick(due - 0.001)
    before = [text for text in watch.pushes() if f"overdue-{goal}" in text]
    said = watch.tick(due)
    assert before == []
    # Its ladder has one rung, the station: a minute later there is nobody left.
    ladder = ["1 exhausted"] if due == 60 else []
    overdue = [f"1 overdue {goal}", f"push 1/overdue-{goal}-1/hook", "1 is FIRE raised active"]
    assert of_incident(said) == ladder + overdue
    watch.tick(100_000)
    assert watch.pushes().count(f"1/overdue-{goal}-1/hook") == 1
    assert watch.case().overdue == ("dispatch", "on_scene", "resolve")


def test_one_late_tick_finds_all_deadlines_at_their_own_times() -> None:
    watch = burning()
    watch.tick(5000)
    missed = [(e.at, e.detail["goal"]) for e in watch.effects if isinstance(e, Entry) and e.step is Step.OVERDUE]
    assert missed == [(moment(60), "dispatch"), (moment(300), "on_scene"), (moment(1200), "resolve")]


@pytest.mark.parametrize(
    ("verb", "left"),
    [
        (Verb.ACKNOWLEDGE, ["on_scene", "resolve"]),
        (Verb.ON_SCENE, ["resolve"]),
        (Verb.RESOLVE, []),
        (Verb.RESET, ["dispatch", "on_scene", "resolve"]),
    ],
)
def test_what_is_done_is_no_longer_due(verb: Verb, left: list[str]) -> None:
    watch = burning()
    watch.move(10, verb)
    watch.tick(5000)
    assert list(watch.case().overdue) == left


def test_a_receipt_stops_the_clock_of_the_dispatch_only() -> None:
    watch = burning()
    watch.receipt(59.9, "1/dispatch-1/hook")
    watch.tick(5000)
    assert watch.case().overdue == ("on_scene", "resolve")


def test_the_word_that_it_is_overdue_can_be_the_one_that_arrives() -> None:
    watch = burning()
    watch.tick(60)
    assert "1 dispatched east by hook" in watch.receipt(61, "1/overdue-dispatch-1/hook")


def test_each_kind_has_its_own_promise_and_escalation_never_makes_it_later() -> None:
    slow = SlaProfile(10 * MINUTE, 30 * MINUTE, 60 * MINUTE)
    watch = hand(BOOK, {Kind.FIRE: SlaProfile(), Kind.PREALARM: slow})
    watch.read(0, "h1", smoke_density=0.4)
    watch.read(100, "h1", smoke=True)
    watch.tick(10_000)
    missed = [(e.at, e.detail["goal"]) for e in watch.effects if isinstance(e, Entry) and e.step is Step.OVERDUE]
    assert missed == [(moment(160), "dispatch"), (moment(400), "on_scene"), (moment(1300), "resolve")]


def test_escalation_does_not_start_the_same_promise_again() -> None:
    watch = hand(BOOK)
    watch.read(0, "h1", smoke_density=0.4)
    watch.read(30, "h1", smoke=True)
    assert "1 overdue dispatch" in watch.tick(60)
    watch.tick(5000)
    assert watch.case().overdue == ("dispatch", "on_scene", "resolve")


def test_what_is_overdue_already_is_not_missed_again_by_an_escalation() -> None:
    watch = hand(BOOK)
    watch.read(0, "h1", smoke_density=0.4)
    watch.tick(60)
    watch.read(100, "h1", smoke=True)
    watch.tick(5000)
    assert watch.case().overdue == ("dispatch", "on_scene", "resolve")
    assert [key for key in watch.pushes() if "overdue-dispatch" in key] == ["1/overdue-dispatch-1/hook"]


# --- people -----------------------------------------------------------------------------------------------------------


def test_from_raised_to_closed() -> None:
    watch = burning()
    watch.receipt(1, "1/dispatch-1/hook")
    assert of_incident(watch.move(20, Verb.ACKNOWLEDGE)) == ["1 acknowledged by li", "1 is FIRE acknowledged active"]
    assert of_incident(watch.move(120, Verb.ON_SCENE)) == ["1 on_scene by li", "1 is FIRE on_scene active"]
    watch.read(200, "h1", smoke=False)
    watch.tick(210)
    assert of_incident(watch.move(300, Verb.RESOLVE)) == [
        "1 resolved by li",
        "push 1/resolved-1/hook",
        "1 is FIRE resolved latched",
    ]
    watch.move(310, Verb.RESET)
    assert of_incident(watch.move(320, Verb.CLOSE, "toast", Disposition.NUISANCE)) == [
        "1 closed by li",
        "1 is FIRE closed returned",
    ]
    assert list(watch.engine.open_incidents) == []
    last = [e for e in watch.effects if isinstance(e, IncidentChanged)][-1].incident
    assert (last.disposition, last.closed_at, last.resolved_at) == (Disposition.NUISANCE, moment(320), moment(300))
    assert (last.acknowledged_at, last.on_scene_at, last.overdue) == (moment(20), moment(120), ())
    entry = next(e for e in watch.effects if isinstance(e, Entry) and e.step is Step.CLOSED)
    assert entry.detail == {"by": "li", "note": "toast", "disposition": "nuisance"}
    watch.read(400, "h1", smoke=True)
    assert watch.case(2).state == "raised"


def test_steps_may_be_skipped_but_not_undone() -> None:
    watch = burning()
    watch.move(1, Verb.ON_SCENE)
    assert watch.move(2, Verb.ACKNOWLEDGE) == ["1 acknowledged by li"]  # somebody else was first: no mistake
    assert (watch.case().state, watch.case().acknowledged_at) == ("on_scene", None)
    assert watch.move(3, Verb.ON_SCENE) == [
        "1 refused: 警情当前已到场，不能执行此操作。The incident is on scene: on-scene is not possible now."
    ]
    watch.move(4, Verb.RESOLVE)
    assert watch.move(5, Verb.RESOLVE) == [
        "1 refused: 警情当前已处置，不能执行此操作。The incident is resolved: resolve is not possible now."
    ]


def test_nothing_is_closed_that_burns_nor_without_saying_what_it_was() -> None:
    watch = burning()
    assert watch.move(1, Verb.CLOSE, disposition=Disposition.FIRE) == [
        "1 refused: 警情当前已报警，不能执行此操作。The incident is raised: close is not possible now."
    ]
    watch.move(2, Verb.RESOLVE)
    assert watch.move(3, Verb.CLOSE) == [
        "1 refused: 结案须选择处置结论。Closing needs a disposition: fire, nuisance, test, works, unknown."
    ]
    refused = "1 refused: 报警尚未恢复：请先复位，险情仍在会再次报警。The alarm stands: reset it first; danger raises it again."
    assert watch.move(4, Verb.CLOSE, disposition=Disposition.FIRE) == [refused]
    watch.read(5, "h1", smoke=False)
    watch.tick(15)
    assert watch.move(16, Verb.CLOSE, disposition=Disposition.FIRE) == [refused]
    assert watch.case().state == "resolved"


def test_the_refusals_of_notes_resets_and_strangers() -> None:
    watch = burning()
    assert watch.move(1, Verb.NOTE) == ["1 refused: 请写备注内容。A note needs words."]
    assert watch.move(1, Verb.NOTE, "the key is with the guard") == ["1 note by li"]
    assert watch.move(1, Verb.ACKNOWLEDGE, n=7) == ["7 refused: 没有这起未结案的警情。There is no such open incident."]
    watch.move(2, Verb.RESET)
    assert watch.move(3, Verb.RESET) == [
        "1 refused: 无需复位：传感器已恢复正常。Nothing to reset: the sensors are back to normal."
    ]


# --- again ------------------------------------------------------------------------------------------------------------


def test_an_alarm_after_resolved_starts_a_new_round_under_new_keys() -> None:
    watch = burning()
    watch.receipt(1, "1/dispatch-1/hook")
    watch.move(100, Verb.RESOLVE)
    assert of_incident(watch.read(200, "h2", smoke=True)) == [
        "1 realarm smoke@h2",
        "push 1/dispatch-2/hook",
        "1 is FIRE raised active",
    ]
    now = watch.case()
    assert (now.dispatched_at, now.resolved_at, now.overdue, now.alarms) == (None, None, (), 2)
    assert of_incident(watch.tick(260))[:3] == ["1 exhausted", "1 overdue dispatch", "push 1/overdue-dispatch-2/hook"]
    watch.move(300, Verb.RESOLVE)
    assert watch.pushes()[-1] == "1/resolved-2/hook"


def test_a_fire_that_flares_up_while_it_was_clearing_is_raised_again_if_it_was_resolved() -> None:
    watch = burning()
    watch.move(10, Verb.RESOLVE)
    assert watch.read(11, "h1", smoke=True) == []
    watch.read(20, "h1", smoke=False)
    assert of_incident(watch.read(25, "h1", smoke=True)) == [
        "1 realarm smoke@h1",
        "push 1/dispatch-2/hook",
        "1 is FIRE raised active",
    ]


def test_a_flare_up_before_resolved_pages_nobody_twice() -> None:
    watch = burning()
    watch.read(20, "h1", smoke=False)
    assert of_incident(watch.read(25, "h1", smoke=True)) == []


def test_a_late_flare_up_asks_to_verify() -> None:
    watch = burning()
    watch.move(10, Verb.RESOLVE)
    watch.read(20, "h1", smoke=False)
    assert "push 1/verify-2/hook" in watch.read(28, "h1", LATE, measured=27, smoke=True)
    assert watch.case().suspected
    assert "push 1/dispatch-3/hook" in watch.read(29, "h1", smoke=True)


def test_answers_to_the_former_round_dispatch_nobody_now() -> None:
    watch = burning()
    watch.move(10, Verb.RESOLVE)
    watch.read(20, "h2", smoke=True)
    assert watch.receipt(21, "1/dispatch-1/hook") == ["1 push_accepted dispatch-1 hook"]
    assert watch.receipt(21, "1/resolved-1/hook") == ["1 push_accepted resolved-1 hook"]
    assert watch.case().state == "raised"
    assert "1 dispatched east by hook" in watch.receipt(22, "1/dispatch-2/hook")


def test_keys_never_repeat_though_a_retained_message_raises_it_again() -> None:
    watch = burning()
    watch.move(10, Verb.RESOLVE)
    watch.read(20, "h2", Freshness.RETAINED, smoke=True)
    assert watch.case().state == "raised"
    watch.move(30, Verb.RESOLVE)
    assert watch.pushes() == ["1/dispatch-1/hook", "1/resolved-1/hook", "1/resolved-2/hook"]


def test_a_retained_message_that_raises_it_again_leaves_the_next_late_one_to_ask() -> None:
    watch = burning()
    watch.move(10, Verb.RESOLVE)
    watch.read(20, "h2", Freshness.RETAINED, smoke=True)
    assert of_incident(watch.read(201, "h1", LATE, measured=190, smoke_density=0.4)) == [
        "1 joined dense@h1",
        "push 1/verify-3/hook",
        "1 is FIRE raised active suspected",
    ]


def test_a_fire_that_latched_and_burns_again_is_reset_once() -> None:
    watch = burning()
    watch.read(1, "h1", smoke=False)
    watch.read(20, "h1", smoke=True)
    assert of_incident(watch.move(21, Verb.RESET)) == [
        "1 reset by li",
        "1 returned smoke@h1",
        "1 is FIRE raised returned",
    ]


# --- escalation -------------------------------------------------------------------------------------------------------


def test_a_graver_alarm_of_the_place_escalates_and_pushes_again() -> None:
    watch = hand(BOOK)
    watch.read(0, "h1", battery=10)
    watch.receipt(1, "1/dispatch-1/hook")
    assert watch.case().kind is Kind.SUPERVISORY
    assert of_incident(watch.read(10, "h1", smoke_density=0.4)) == [
        "1 escalated dense@h1",
        "push 1/dispatch-2/hook",
        "1 is PREALARM dispatched active",
    ]
    assert of_incident(watch.read(20, "h2", smoke=True)) == [
        "1 escalated smoke@h2",
        "push 1/dispatch-3/hook",
        "1 is FIRE dispatched active",
    ]
    assert watch.case().title.en == "smoke"
    assert (watch.case().devices, watch.case().rules) == (("b/h1", "b/h2"), ("door", "dense", "smoke"))


def test_an_alarm_that_is_no_graver_joins_silently() -> None:
    watch = burning()
    assert of_incident(watch.read(10, "h2", smoke_density=0.4)) == ["1 joined dense@h2", "1 is FIRE raised active"]
    assert watch.case().last_device == "b/h2"


def test_answers_to_the_lesser_dispatch_count_too() -> None:
    watch = hand(BOOK)
    watch.read(0, "h1", smoke_density=0.4)
    watch.read(1, "h1", smoke=True)
    assert "1 dispatched east by hook" in watch.receipt(2, "1/dispatch-1/hook")


def test_only_the_first_devices_and_the_newest_are_named() -> None:
    keys = [f"x{n}" for n in range(30)]
    here = block()
    sample = here.device("b/h1")
    assert sample is not None
    devices = {f"b/{key}": replace(sample, key=f"b/{key}") for key in keys}
    watch = Hand(Engine(BOOK, Neighbourhood(zones=here.zones, stations=here.stations, devices=devices)))
    for n, key in enumerate(keys):
        watch.read(n, key, smoke=True)
    assert watch.case().devices == (*(f"b/{key}" for key in keys[:19]), "b/x29")
    assert (watch.case().alarms, watch.case().last_device) == (30, "b/x29")


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_fault_pages_nobody_and_resolves_by_itself() -> None:
    watch = hand(BOOK)
    assert of_incident(watch.read(0, "h1", fault=True)) == ["1 raised fault@h1", "1 is FAULT raised active"]
    watch.read(1000, "h1", fault=False)
    assert of_incident(watch.tick(5000)) == [
        "1 returned fault@h1",
        "1 resolved by itself",
        "1 is FAULT resolved returned",
    ]
    assert watch.case().resolved_at == moment(1005)
    assert watch.pushes() == []
    assert of_incident(watch.move(5001, Verb.CLOSE, disposition=Disposition.UNKNOWN))[0] == "1 closed by li"


def test_a_fault_with_a_promise_stops_its_clocks_when_it_mends_itself() -> None:
    watch = hand(BOOK, {Kind.FAULT: SlaProfile()})
    watch.read(0, "h1", fault=True)
    watch.read(10, "h1", fault=False)
    watch.tick(5000)
    assert watch.case().overdue == ()


# --- those who follow -------------------------------------------------------------------------------------------------


def test_who_follows_gets_every_revision_exactly_once() -> None:
    watch = burning()
    watch.receipt(1, "1/dispatch-1/hook")
    watch.tick(2000)
    watch.move(2001, Verb.RESOLVE)
    watch.move(2002, Verb.RESET)
    watch.move(2003, Verb.CLOSE, disposition=Disposition.TEST)
    revisions = [e.incident.revision for e in watch.effects if isinstance(e, IncidentChanged)]
    told = [e for e in watch.effects if isinstance(e, Push) and e.channel == "screen"]
    assert revisions == list(range(1, len(revisions) + 1))
    assert [e.key for e in told] == [f"{incident(1)}/state-{n}/screen" for n in revisions]
    assert [e.body["incident"]["revision"] for e in told] == revisions  # type: ignore[index]
    assert told[-1].body["incident"]["state"] == "closed"  # type: ignore[index]
    assert [e.at for e in told] == [e.at for e in watch.effects if isinstance(e, IncidentChanged)]


def test_an_event_makes_one_revision_however_much_it_changes() -> None:
    watch = burning()
    watch.read(1, "h2", smoke=True, smoke_density=0.4)
    assert watch.case().revision == 2


def test_what_happens_to_the_words_for_followers_stays_out_of_the_timeline_until_they_are_dead() -> None:
    watch = burning()
    assert watch.receipt(1, "1/state-1/screen") == []
    assert watch.receipt(2, "1/state-1/screen", Outcome.RETRY) == []
    assert "1 push_dead state-1 screen" in watch.receipt(3, "1/state-1/screen", Outcome.DEAD)
    assert watch.case().state == "raised"


# --- dead channels ----------------------------------------------------------------------------------------------------


def test_a_dead_push_is_trouble_at_once_and_an_accepted_one_ends_it() -> None:
    watch = burning()
    said = watch.receipt(5, "1/dispatch-1/hook", Outcome.DEAD)
    assert of_incident(said) == [
        "1 push_dead dispatch-1 hook",
        "push 1/around1-1/robot",
        "2 raised system@system/channel:hook",
        "2 is FAULT raised active",
    ]
    assert (watch.engine.troubles, watch.case().state) == ({"channel:hook": "said"}, "raised")
    assert of_incident(watch.receipt(6, "1/around1-1/robot", Outcome.DEAD))[1] == "3 raised system@system/channel:robot"
    watch.tick(60)
    assert watch.receipt(61, "1/overdue-dispatch-1/hook", Outcome.DEAD) == ["1 push_dead overdue-dispatch-1 hook"]
    said = watch.receipt(70, "1/overdue-dispatch-1/hook")
    assert "2 resolved by itself" in said
    assert "1 dispatched east by hook" in said
    assert watch.engine.troubles == {"channel:robot": "said"}


def test_an_answer_for_an_incident_that_is_closed_is_still_settled() -> None:
    watch = burning()
    for at, verb in enumerate((Verb.RESET, Verb.RESOLVE), 1):
        watch.move(at, verb)
    watch.move(3, Verb.CLOSE, disposition=Disposition.TEST)
    before = len(watch.effects)
    assert watch.receipt(4, "1/resolved-1/hook") == []
    settled = watch.effects[before:]
    assert [(type(e).__name__, getattr(e, "key", "")) for e in settled] == [
        ("PushSettled", f"{incident(1)}/resolved-1/hook")
    ]
    assert "2 raised system@system/channel:hook" in watch.receipt(5, "1/dispatch-1/hook", Outcome.DEAD)


# --- doubt ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("freshness", [Freshness.LATE, Freshness.FUTURE])
def test_doubtful_evidence_asks_to_verify_and_sends_nobody(freshness: Freshness) -> None:
    watch = hand(BOOK)
    measured = -600 if freshness is Freshness.LATE else 600
    said = watch.read(0, "h1", freshness, measured=measured, smoke=True)
    assert of_incident(said) == ["1 raised smoke@h1", "push 1/verify-1/hook", "1 is FIRE raised active suspected"]
    assert watch.receipt(1, "1/verify-1/hook") == ["1 push_accepted verify-1 hook"]
    assert of_incident(watch.tick(5000)) == []
    assert (watch.case().state, watch.case().overdue) == ("raised", ())


def test_a_retained_message_is_shown_only() -> None:
    watch = hand(BOOK)
    said = watch.read(0, "h1", Freshness.RETAINED, smoke=True)
    assert of_incident(said) == ["1 raised smoke@h1", "1 is FIRE raised active suspected"]
    assert of_incident(watch.tick(5000)) == []


@pytest.mark.parametrize("freshness", [Freshness.LATE, Freshness.FUTURE, Freshness.RETAINED])
def test_a_live_reading_confirms_and_the_promise_runs_from_then(freshness: Freshness) -> None:
    watch = hand(BOOK)
    watch.read(0, "h1", freshness, measured=-600, smoke=True)
    said = watch.read(100, "h1", smoke=True)
    assert of_incident(said) == ["1 confirmed smoke@h1", "push 1/dispatch-2/hook", "1 is FIRE raised active"]
    assert of_incident(watch.read(101, "h1", smoke=True)) == []
    assert of_incident(watch.tick(159.9)) == []
    assert "1 overdue dispatch" in watch.tick(160)


def test_another_detector_confirms_as_well() -> None:
    watch = hand(BOOK)
    watch.read(0, "h1", LATE, measured=-600, smoke=True)
    assert of_incident(watch.read(10, "h2", smoke_density=0.4)) == [
        "1 confirmed dense@h2",
        "push 1/dispatch-2/hook",
        "1 is FIRE raised active",
    ]
    assert of_incident(watch.read(20, "h1", smoke=True)) == []


def test_late_evidence_after_a_retained_one_still_asks_somebody() -> None:
    watch = hand(BOOK)
    watch.read(0, "h1", Freshness.RETAINED, smoke=True)
    assert "push 1/verify-2/hook" in watch.read(1, "h2", LATE, measured=-600, smoke=True)
    assert watch.read(2, "g1", smoke=False) == []
    assert watch.pushes() == ["1/verify-2/hook"]


def test_late_evidence_joins_what_is_certain_without_a_page() -> None:
    watch = burning()
    assert of_incident(watch.read(1, "h2", LATE, measured=-600, smoke=True)) == [
        "1 joined smoke@h2",
        "1 is FIRE raised active",
    ]


def test_a_doubtful_escalation_is_verified_and_then_dispatched() -> None:
    watch = hand(BOOK)
    watch.read(0, "h1", smoke_density=0.4)
    assert of_incident(watch.read(300, "h2", LATE, measured=-600, smoke=True)) == [
        "1 exhausted",
        "1 overdue dispatch",
        "push 1/overdue-dispatch-1/hook",
        "1 is PREALARM raised active",
        "1 overdue on_scene",
        "push 1/overdue-on_scene-1/hook",
        "1 is PREALARM raised active",
        "1 escalated smoke@h2",
        "push 1/verify-2/hook",
        "1 is FIRE raised active",
    ]
    assert of_incident(watch.read(310, "h2", smoke=True)) == [
        "1 confirmed smoke@h2",
        "push 1/dispatch-3/hook",
        "1 is FIRE raised active",
    ]


def test_danger_that_proves_true_after_the_doubt_was_resolved_is_raised_again() -> None:
    watch = hand(BOOK)
    watch.read(0, "h1", LATE, measured=-600, smoke=True)
    watch.move(10, Verb.RESOLVE)
    assert of_incident(watch.read(20, "h1", smoke=True)) == [
        "1 realarm smoke@h1",
        "push 1/dispatch-2/hook",
        "1 is FIRE raised active",
    ]
    assert "1 overdue dispatch" in watch.tick(80)


def test_a_doubtful_fire_that_proves_true_ends_a_drill_and_one_in_test_does_not() -> None:
    watch = hand(BOOK)
    watch.feed(Suppress(moment(0), Measure.DRILL, "b/garage", "li", "every month", moment(1000)))
    watch.read(1, "h1", LATE, measured=-600, smoke=True)
    watch.feed(Suppress(moment(2), Measure.TEST, "b/h1", "li", "works", moment(100)))
    watch.read(3, "h1", smoke=True)
    assert [m.measure for m in watch.engine.suppressions] == [Measure.DRILL, Measure.TEST]
    watch.read(4, "g1", LATE, measured=-600, smoke=True)
    watch.read(5, "g1", smoke=True)
    assert [m.measure for m in watch.engine.suppressions] == [Measure.TEST]


def test_doubt_and_rounds_survive_a_restart() -> None:
    watch = hand(BOOK)
    watch.read(0, "h1", smoke_density=0.4)
    watch.read(1, "h2", LATE, measured=-600, smoke=True)
    after = Hand(through_bytes(watch.engine, block()))
    assert after.case() == watch.case()
    assert of_incident(after.read(2, "h2", smoke=True)) == of_incident(watch.read(2, "h2", smoke=True))
    assert after.pushes() == ["1/dispatch-3/hook"]
    assert after.case().raised_at == moment(0)


def test_a_station_with_nothing_but_a_screen_is_sent_by_the_screen() -> None:
    zones = {"b/home": Zone("b/home", "b", Text("家", "home"), "dwelling")}
    devices = {"b/h1": Device("b/h1", "b", "smoke_detector", "b/home", Text("烟感", "smoke"))}
    screen = Recipient("screen", frozenset(Kind), follow=True)
    station = Station("east", Text("东门", "East gate"), frozenset(zones), (screen,))
    engine = Engine(
        book(rule("smoke", "FIRE", "smoke")), Neighbourhood(zones=zones, stations=(station,), devices=devices)
    )
    told = [e.step for e in engine.handle(Reading(T0, "b/h1", {"smoke": True})) if isinstance(e, Push)]
    assert told == ["dispatch-1", "state-1"]
    after = engine.handle(Receipt(T0 + SECOND, "inc-000001/dispatch-1/screen", Outcome.ACCEPTED, 1, "ok"))
    assert [e.incident.state for e in after if isinstance(e, IncidentChanged)] == [IncidentState.DISPATCHED]
