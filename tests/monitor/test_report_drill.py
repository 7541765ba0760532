"""The score of a drill, checked by hand: each moment, who answered and who did not, and each promise at its edge."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from monitor.ports import Batch, OutboxRow, TimelineRow
from monitor.reports.drill import Judged, Point, Promise, Score, Verdict, drill, score
from rules.model import (
    MINUTE,
    SECOND,
    Incident,
    IncidentState,
    Kind,
    Measure,
    Micros,
    Neighbourhood,
    Push,
    Step,
    Suppression,
    Text,
)
from rules.people import Person, Plan, Role
from tests.fake_ledger import FakeLedger
from tests.small_site import NOW, incident, neighbourhood

DRILL = Suppression(
    "sup-000001", Measure.DRILL, "yard/smoke-1", "", "值班站长", "月度演练", NOW - SECOND, NOW + 30 * MINUTE
)
ANNA = Person("anna", Text("安", "Anna"), Role.RESPONDER, ("sms", "ring"))
BO = Person("bo", Text("博", "Bo"), Role.LEADER, ("mail",))
PLAN = Plan(
    {"anna": ANNA, "bo": BO}, channels={"robot": "dingtalk", "robot-2": "dingtalk", "sms": "sms", "ring": "voice"}
)


def places() -> Neighbourhood:
    known = neighbourhood()
    return Neighbourhood(zones=known.zones, stations=known.stations, devices=known.devices, plan=PLAN)


def raised(**more: object) -> Incident:
    """The exercise's incident, raised at NOW, under 1-5-20."""
    due = {f"{goal}_due_at": NOW + n * MINUTE for goal, n in (("dispatch", 1), ("on_scene", 5), ("resolve", 20))}
    told = {"exercise": DRILL.id, "measured_at": NOW - 250_000, "sensed_at": NOW - 1_000, "dispatched_at": None}
    return replace(incident("inc-1"), **due, **(told | more))  # type: ignore[arg-type]


def row(after: float, entry: Step, /, **detail: object) -> TimelineRow:
    return TimelineRow(0, NOW + round(after * SECOND), "inc-1", entry.value, detail)


def call(
    channel: str, to: str = "", *, after: float = 0, step: str = "dispatch-1", outcome: str = "accepted", about: str = "dispatch"
) -> OutboxRow:  # fmt: skip
    at = NOW + round(after * SECOND)
    body = {"type": f"incident.{about}"}
    return OutboxRow(Push(at, "k", "inc-1", step, channel, Kind.FIRE, at, body, to), outcome, 1, "ok", None)


def accepted(after: float, channel: str, to: str = "", step: str = "dispatch-1") -> TimelineRow:
    return row(after, Step.PUSH_ACCEPTED, step=step, channel=channel, **({"to": to} if to else {}))


def scored(
    timeline: Sequence[TimelineRow], pushes: Sequence[OutboxRow] = (), *, at: float, measure: Suppression = DRILL, **more: object
) -> Score:  # fmt: skip
    return score(measure, raised(**more), timeline, pushes, places(), NOW + round(at * SECOND))


def judged(it: Score) -> Mapping[str, str]:
    return {promise.goal: promise.judged.value for promise in it.promises}


def test_from_the_made_up_reading_to_the_last_acknowledgement() -> None:
    pushes = [
        call("robot"), call("sms", "anna"), call("ring", "anna"), call("mail", "bo", after=30, step="call1-1", about="call"),
        call("sms", "anna", after=41, step="acknowledged-1", about="update"),
    ]  # fmt: skip
    timeline = [
        row(0, Step.RAISED),
        accepted(0.8, "robot"), row(0.8, Step.DISPATCHED, station="post-1"),
        accepted(2.125, "sms", "anna"), accepted(9, "ring", "anna"), accepted(31, "mail", "bo", "call1-1"),
        row(41, Step.ACKNOWLEDGED, by="Anna", via="link"), accepted(42, "sms", "anna", "acknowledged-1"),
        row(55.5, Step.ACKNOWLEDGED, by="bo"), row(56, Step.ACKNOWLEDGED, by="bo"),
        row(200, Step.ON_SCENE, by="安"), row(600, Step.RESOLVED, by="安"),
    ]  # fmt: skip
    it = scored(timeline, pushes, at=601)
    assert {point.value: it.after(point) for point in it.points} == {
        "injected": -250_000, "arrived": -1_000, "raised": 0, "accepted": 800_000, "two_kinds": 2_125_000,
        "acknowledged": 41_000_000, "last_acknowledged": 55_500_000, "on_scene": 200_000_000, "resolved": 600_000_000,
    }  # fmt: skip
    anna, bo = it.people
    assert [(w.channel, w.kind, w.accepted_at) for w in anna.ways] == [
        ("sms", "sms", NOW + 2_125_000), ("ring", "voice", NOW + 9_000_000),
    ]  # fmt: skip
    assert (anna.key, anna.role, anna.called_at, anna.accepted_at) == ("anna", Role.RESPONDER, NOW, NOW + 2_125_000)
    assert (anna.answered_at, anna.via) == (NOW + 41_000_000, "link")
    assert (bo.called_at, bo.accepted_at, bo.answered_at, bo.via) == (
        NOW + 30_000_000,
        NOW + 31_000_000,
        NOW + 55_500_000,
        "",
    )
    assert [way.channel for way in it.listeners] == ["robot"]
    assert (it.unanswered, it.silent, it.verdict) == ((), (), Verdict.KEPT)
    assert set(judged(it)) == {"two_kinds", "dispatch", "acknowledge", "on_scene", "resolve"}


def test_who_never_answered_and_which_channels_never_spoke() -> None:
    pushes = [
        call("robot", outcome="dead"), call("sms", "anna"), call("ring", "anna", outcome="withdrawn"),
        call("mail", "bo", outcome="retry"), call("mail", "gone", outcome="pending"),
    ]  # fmt: skip
    it = scored([accepted(1, "sms", "anna"), row(3, Step.ACKNOWLEDGED, by="anna")], pushes, at=10)
    assert [person.key for person in it.unanswered] == ["bo", "gone"]
    assert (it.people[2].name, it.people[2].role, it.people[2].accepted_at) == (Text("gone", "gone"), None, None)
    assert it.silent == ("robot", "mail"), "what was withdrawn was not needed"
    assert Point.LAST_ACKNOWLEDGED not in it.points
    assert it.verdict is Verdict.RUNNING, "on scene and resolved are not due yet"


@pytest.mark.parametrize(
    ("second", "channel", "expected"),
    [(15, "sms", Judged.KEPT), (15.000001, "sms", Judged.MISSED), (5, "robot-2", Judged.MISSED)],
)
def test_two_kinds_of_channel_within_15_seconds(second: float, channel: str, expected: Judged) -> None:
    timeline = [accepted(1, "robot"), row(1, Step.DISPATCHED), accepted(second, channel)]
    it = scored(timeline, [call("robot"), call(channel)], at=16)
    assert judged(it)["two_kinds"] == expected
    assert (Point.TWO_KINDS in it.points) is (channel == "sms"), "two robots of one kind are one way"


def test_no_second_kind_is_needed_by_who_has_taken_it_and_none_is_promised_below_a_fire() -> None:
    assert judged(scored([row(4, Step.ACKNOWLEDGED, by="x")], at=16))["two_kinds"] == Judged.KEPT
    assert judged(scored([], at=15))["two_kinds"] == Judged.OPEN
    assert judged(scored([], at=15.000001))["two_kinds"] == Judged.MISSED
    assert list(judged(scored([], at=16, kind=Kind.PREALARM))) == ["dispatch", "acknowledge", "on_scene", "resolve"]


@pytest.mark.parametrize(
    ("reached", "now", "told", "expected"),
    [
        (300, 301, False, Judged.KEPT), (300.000001, 301, False, Judged.MISSED), (300, 301, True, Judged.MISSED),
        (None, 300, False, Judged.OPEN), (None, 300.000001, False, Judged.MISSED),
    ],
)  # fmt: skip
def test_a_promise_at_its_edge(reached: float | None, now: float, told: bool, expected: Judged) -> None:
    timeline = [row(1, Step.ACKNOWLEDGED, by="anna")]
    if told:
        timeline.append(row(300, Step.OVERDUE, goal="on_scene"))
    if reached is not None:
        timeline.append(row(reached, Step.ON_SCENE, by="anna"))
    it = scored(timeline, at=now)
    assert judged(it)["on_scene"] == expected
    assert it.verdict == (Verdict.MISSED if expected is Judged.MISSED else Verdict.RUNNING)


def test_a_drill_that_ends_early_was_kept_as_far_as_it_was_played() -> None:
    ended = replace(DRILL, ended_at=NOW + MINUTE, ended_by="值班站长")
    closed = row(60, Step.CLOSED, by="", note="the exercise is over")
    timeline = [accepted(1, "robot"), row(1, Step.DISPATCHED), row(12, Step.ACKNOWLEDGED, by="anna"), closed]
    it = scored(timeline, [call("robot")], at=9_000, measure=ended, closed_at=NOW + MINUTE, resolved_at=NOW + MINUTE)
    assert (it.over, it.interrupted, it.verdict) == (True, False, Verdict.KEPT)
    assert judged(it) == {
        "two_kinds": "kept", "dispatch": "kept", "acknowledge": "kept", "on_scene": "unplayed", "resolve": "unplayed",
    }  # fmt: skip
    assert Point.RESOLVED not in it.points, "the end of a drill is nobody's work"
    silent = scored([closed], at=61, measure=ended, closed_at=NOW + MINUTE)
    assert judged(silent)["acknowledge"] == Judged.MISSED
    assert silent.verdict is Verdict.MISSED


def test_closed_by_hand_it_is_over_before_its_measure() -> None:
    it = scored([row(3, Step.RESOLVED, by="anna")], at=5, closed_at=NOW + 4 * SECOND, state=IncidentState.CLOSED)
    assert (it.over, it.verdict) == (True, Verdict.KEPT)
    assert it.promises[2] == Promise("acknowledge", None, NOW + 3 * SECOND, Judged.KEPT)
    assert judged(it)["on_scene"] == Judged.KEPT, "who has resolved it was there"


def test_a_real_fire_interrupts_and_excuses_only_what_was_not_due() -> None:
    ended = replace(DRILL, ended_at=NOW + 10 * SECOND)
    it = scored([row(3, Step.ACKNOWLEDGED, by="anna")], at=11, measure=ended, closed_at=NOW + 10 * SECOND)
    assert it.verdict is Verdict.INTERRUPTED
    unanswered = scored([], at=11, measure=ended, closed_at=NOW + 10 * SECOND)
    assert (judged(unanswered)["acknowledge"], unanswered.verdict) == (Judged.UNPLAYED, Verdict.INTERRUPTED)
    late = replace(DRILL, ended_at=NOW + 20 * SECOND)
    assert scored([], at=21, measure=late, closed_at=NOW + 20 * SECOND).verdict is Verdict.MISSED
    by_itself = replace(DRILL, ended_at=DRILL.until)
    assert not scored([], at=2_000, measure=by_itself, closed_at=DRILL.until).interrupted


def test_a_reading_that_came_to_nothing() -> None:
    running = score(DRILL, None, [], [], places(), NOW)
    assert (running.verdict, running.points, running.after(Point.RAISED)) == (Verdict.RUNNING, {}, None)
    assert score(DRILL, None, [], [], places(), DRILL.until).verdict is Verdict.MISSED
    fire = score(replace(DRILL, ended_at=NOW), None, [], [], places(), NOW)
    assert fire.verdict is Verdict.INTERRUPTED


async def kept(ledger: FakeLedger, *incidents: Incident, measure: Suppression = DRILL) -> None:
    entries = [(NOW, "inc-1", Step.RAISED.value, json.dumps({"title_zh": "烟"}))]
    changed: dict[str, Micros | Incident] = {i.id: i for i in incidents}
    await ledger.commit(Batch(incidents=changed, entries=entries, suppressions={measure.id: measure}))  # type: ignore[arg-type]


async def test_the_drill_is_found_by_its_measure_and_takes_its_first_incident() -> None:
    ledger = FakeLedger()
    later = replace(raised(), id="inc-2", raised_at=NOW + SECOND)
    real = replace(raised(), id="inc-0", exercise="", raised_at=NOW - SECOND)
    await kept(ledger, later, raised(), real)
    found = await drill(ledger, "sup-000001", places(), NOW + SECOND)
    assert found is not None
    assert found.incident is not None
    assert (found.incident.id, found.points[Point.RAISED]) == ("inc-1", NOW)
    assert await drill(ledger, "sup-000009", places(), NOW) is None
    await kept(ledger, measure=replace(DRILL, id="sup-000002", measure=Measure.TEST))
    assert await drill(ledger, "sup-000002", places(), NOW) is None, "a measure of another sort"
    await kept(ledger, measure=replace(DRILL, id="sup-000003", since=NOW + MINUTE))
    nothing = await drill(ledger, "sup-000003", places(), NOW + MINUTE)
    assert nothing is not None
    assert nothing.incident is None
