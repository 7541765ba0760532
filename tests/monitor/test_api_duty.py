"""Over HTTP: who is on duty, swaps, measures and the coverage of zones, with the real engine behind the console."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.board import AlarmView, DeviceState, RuleView
from monitor.detection import Lack, Out, Watch
from monitor.duty import next_change
from monitor.ports import Batch
from rules.engine import Engine
from rules.model import (
    DAY,
    HOUR,
    MINUTE,
    AlarmState,
    Device,
    Effect,
    Freshness,
    Kind,
    Measure,
    Micros,
    Neighbourhood,
    Recipient,
    Restore,
    Station,
    Suppress,
    Suppression,
    SuppressionChanged,
    Swap,
    Text,
)
from rules.people import Person, Plan, Role, Roster, Shift
from rules.rulebook import load_book
from tests.small_site import NOW, Api, Yard, incident

# NOW is Sunday, 2026-11-22, 08:00 in China.
DAY_SHIFT = Shift("day", ("day",), 8 * 60, 20 * 60)
NIGHT_SHIFT = Shift("night", ("night",), 20 * 60, 8 * 60)
PEOPLE = {
    key: Person(key, Text(zh, key), role, ("text", "call"))
    for key, zh, role in (
        ("day", "白班值班员", Role.RESPONDER),
        ("night", "夜班值班员", Role.RESPONDER),
        ("leader", "值班站长", Role.LEADER),
        ("spare", "替班员", Role.RESPONDER),
    )
}
ROSTER = Roster(("leader", "day", "night"), (DAY_SHIFT, NIGHT_SHIFT))
ABOVE = Station("119", Text("消防救援局119", "Fire brigade 119"), frozenset({"yard/garage"}), (Recipient("above"),))
PLAN = Plan(
    PEOPLE, {"post-1": ROSTER}, neighbours={"post-1": ("post-2",)}, authorities=(ABOVE,), channels={"phones": "voice"}
)
BATTERY = "{id: s, kind: FAULT, devices: [smoke_detector], when: battery < 15, title: {zh: 电, en: B}}"
BOOK = load_book([("b", f"version: 1\nrules: [{BATTERY}]")])


class Watched(Yard):
    """The yard with people, and the engine behind its console."""

    def __post_init__(self) -> None:
        places = self.places
        self.places = Neighbourhood(zones=places.zones, stations=places.stations, devices=places.devices, plan=PLAN)
        super().__post_init__()
        self.engine = Engine(BOOK, self.places)
        self.board.swaps = lambda: self.engine.swaps

    async def submit(self, event: Suppress | Restore | Swap) -> Sequence[Effect]:
        """Stands in for the inbox: stamps, handles, commits."""
        effects = self.engine.handle(replace(event, at=NOW))
        changed = {e.suppression.id: e.suppression for e in effects if isinstance(e, SuppressionChanged)}
        await self.ledger.commit(Batch(suppressions=changed))
        return effects


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Watched, Api]]:
    yard = Watched()
    async with yard.console(submit=yard.submit) as api:
        yield yard, api


# --- on duty ----------------------------------------------------------------------------------------------------------


async def test_stations_and_who_is_on_duty() -> None:
    async with served() as (_, api):
        told = await api.get("/api/v1/stations")
    post, above = told["items"]
    assert told["channels"] == {"phones": "voice"}
    assert [(p["key"], p["role"], p["on_duty"]) for p in post["people"]] == [
        ("leader", "leader", True),
        ("day", "responder", True),
        ("night", "responder", False),
    ]
    assert post["people"][1]["name"] == {"zh": "白班值班员", "en": "day"}
    assert (post["next_change"], post["neighbours"], post["authority"]) == ("2026-11-22T12:00:00Z", ["post-2"], False)
    assert (above["key"], above["authority"], above["people"], above["next_change"]) == ("119", True, [], None)


SWAP = {
    "leaves": "day",
    "takes": "spare",
    "since": "2026-11-22T00:00:00Z",
    "until": "2026-11-22T06:00:00Z",
    "by": "值班站长",
}


async def test_somebody_stands_in() -> None:
    async with served() as (_, api):
        after = await api.post("/api/v1/stations/post-1/swaps", SWAP)
        (told, _) = (await api.get("/api/v1/stations"))["items"]
    assert after == told
    assert [p["key"] for p in after["people"] if p["on_duty"]] == ["leader", "spare"]
    assert after["next_change"] == "2026-11-22T06:00:00Z", "then the one who left is back"
    assert after["swaps"] == [{"station": "post-1", **SWAP}]


@pytest.mark.parametrize(
    ("station", "change", "status", "reason"),
    [
        ("post-9", {}, 404, "There is no station post-9."),
        ("119", {}, 404, "There is no station 119."),
        ("post-1", {"takes": "nobody"}, 409, "There is no such person."),
        ("post-1", {"until": "2026-11-21T00:00:00Z"}, 409, "A swap begins before it ends"),
        ("post-1", {"until": "tomorrow"}, 422, ""),
        ("post-1", {"by": ""}, 422, ""),
    ],
)
async def test_swaps_that_are_refused(station: str, change: dict[str, str], status: int, reason: str) -> None:
    async with served() as (yard, api):
        problem = await api.post(f"/api/v1/stations/{station}/swaps", SWAP | change, status)
        assert yard.engine.swaps == []
    assert reason in problem["detail"]


async def test_without_an_engine_nothing_can_be_asked_for() -> None:
    async with Watched().console() as api:
        await api.post("/api/v1/stations/post-1/swaps", SWAP, 503)


@pytest.mark.parametrize(
    ("roster", "swaps", "at", "change"),
    [
        (ROSTER, [], 0, 20 * HOUR - 8 * HOUR),
        (Roster(("leader",)), [], 0, None),
        (Roster(("day",), (Shift("a", ("day",), 480, 1200), Shift("b", ("day",), 1200, 480))), [], 0, None),
        (Roster((), (Shift("sat", ("day",), 480, 1200, frozenset({5})),)), [], 0, 6 * DAY),
        (Roster((), (Shift("sun", ("day",), 480, 1200, frozenset({6})),)), [], 12 * HOUR, 7 * DAY),
        (ROSTER, [(2 * HOUR, 3 * HOUR)], 0, 2 * HOUR),
        (ROSTER, [(-HOUR, 3 * HOUR)], 0, 3 * HOUR),
        (Roster((), (DAY_SHIFT,)), [(-HOUR, 3 * HOUR)], 4 * HOUR, 12 * HOUR),
    ],
)
def test_the_next_change(roster: Roster, swaps: list[tuple[int, int]], at: Micros, change: Micros | None) -> None:
    plan = Plan(PEOPLE, {"post-1": roster})
    taken = [Swap(NOW, "post-1", "day", "spare", NOW + a, NOW + b, "") for a, b in swaps]
    elsewhere = Swap(NOW, "post-2", "day", "spare", NOW + 1, NOW + 2, "")
    found = next_change(plan, "post-1", NOW + at, [*taken, elsewhere])
    assert found == (None if change is None else NOW + change)


def test_a_swap_may_hide_the_change_of_many_weeks() -> None:
    """One person stands in for both shifts for a month: the next change is when that ends."""
    plan = Plan(PEOPLE, {"post-1": ROSTER})
    both = [Swap(NOW, "post-1", who, "spare", NOW, NOW + 31 * DAY, "") for who in ("day", "night")]
    assert next_change(plan, "post-1", NOW, both) == NOW + 31 * DAY


# --- measures ---------------------------------------------------------------------------------------------------------

TEST = {
    "measure": "test",
    "subject": "yard/smoke-1",
    "by": "维保员",
    "why": "年度保养",
    "until": "2026-11-22T02:00:00Z",
}


async def test_a_measure_from_taking_it_to_its_end() -> None:
    async with served() as (_, api):
        taken = await api.post("/api/v1/suppressions", TEST)
        listed = await api.get("/api/v1/suppressions")
        ended = await api.post(f"/api/v1/suppressions/{taken['id']}/restore", {"by": "值班站长"})
        left = await api.get("/api/v1/suppressions")
        past = await api.get("/api/v1/suppressions?open=false")
        again = await api.post(f"/api/v1/suppressions/{taken['id']}/restore", {"by": "值班站长"}, 409)
        await api.post("/api/v1/suppressions/sup-000009/restore", {"by": "值班站长"}, 404)
    assert taken == TEST | {
        "id": "sup-000001", "rule": "", "compensation": "", "since": "2026-11-22T00:00:00Z", "ended_at": None, "ended_by": "", "note": "",
    }  # fmt: skip
    assert listed["items"] == [taken]
    assert (ended["ended_at"], ended["ended_by"]) == ("2026-11-22T00:00:00Z", "值班站长")
    assert (left["items"], past["items"]) == ([], [ended])
    assert "There is no such measure in force." in again["detail"]


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"subject": "yard/nobody"}, 409, "There is no such device or zone."),
        ({"until": "2026-11-23T02:00:00Z"}, 409, "It must end within 12 hours."),
        ({"measure": "impaired"}, 409, "Say what is done instead"),
        ({"rule": "s"}, 409, "Only shelving can name a rule."),
        ({"measure": "forgotten"}, 422, ""),
        ({"why": " "}, 422, ""),
        ({"until": "soon"}, 422, ""),
        ({"silence": "all"}, 422, ""),
    ],
)
async def test_measures_that_are_refused(change: dict[str, str], status: int, reason: str) -> None:
    async with served() as (_, api):
        problem = await api.post("/api/v1/suppressions", TEST | change, status)
        assert (await api.get("/api/v1/suppressions?open=false"))["items"] == []
    assert reason in problem["detail"]


def test_the_document_names_every_measure_and_every_lack() -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
    assert [word for word in (*Measure, *Lack) if f"`{word}`" not in text] == []


# --- coverage ---------------------------------------------------------------------------------------------------------


async def test_zones_without_working_detection_and_who_answers_for_it() -> None:
    async with served() as (_, api):
        garage, lane = (await api.get("/api/v1/coverage"))["items"]
        assert (garage["covered"], garage["live"], garage["uncovered_since"]) == (True, 1, None)
        assert {g["lack"]: (g["count"], g["devices"], g["since"]) for g in garage["gaps"]} == {
            "never_heard": (1, ["yard/smoke-3"], None),
            "offline": (1, ["yard/smoke-2"], "2026-11-21T23:59:00Z"),
        }
        assert lane["gaps"] == [{"lack": "none_installed", "count": 0, "devices": [], "since": None}]
        taken = await api.post("/api/v1/suppressions", TEST)
        garage, lane = (await api.get("/api/v1/coverage?uncovered=true"))["items"]
        assert (garage["covered"], garage["uncovered_since"]) == (False, "2026-11-22T00:00:00Z")
        assert [g["lack"] for g in garage["gaps"]] == ["in_test", "never_heard", "offline"]
        assert garage["accepted"] == [taken]
        words = {
            "measure": "impaired",
            "subject": "yard/lane",
            "why": "施工",
            "compensation": "每小时巡查",
            "until": "2026-11-30T00:00:00Z",
        }
        accepted = await api.post("/api/v1/suppressions", TEST | words)
        garage, lane = (await api.get("/api/v1/coverage?uncovered=true"))["items"]
        assert (lane["accepted"], accepted["compensation"]) == ([accepted], "每小时巡查")


def rule(name: str, when: str, *quantities: str, kind: Kind = Kind.FAULT) -> RuleView:
    return RuleView(name, kind, Text("", ""), quantities=quantities, when=when)


RULES = [
    rule("quiet", "silent(100s) and default(online, true)", "online"),
    rule("away", "not online", "online"),
    rule("broken", "fault", "fault"),
    rule("blind", "video_lost", "video_lost"),
    rule("stuck", "held(smoke, 24h)", "smoke"),
    rule("battery", "battery < 15", "battery"),
    rule("fire", "smoke", "smoke", kind=Kind.FIRE),
]
SMOKE = Device("s/1", "s", "smoke_detector", "s/a", Text("", ""), {"gateway": "gw"})


def measure(what: Measure, subject: str, ended_at: Micros | None = None) -> Suppression:
    return Suppression(f"sup-{what}", what, subject, "", "", "", 5, 9, ended_at=ended_at)


@pytest.mark.parametrize(
    ("online", "gateway", "alarms", "measures", "lack", "since"),
    [
        (None, None, "", [], None, None),
        (True, True, "fire battery", [], None, None),
        (False, None, "broken", [], Lack.OFFLINE, 7),
        (None, False, "", [], Lack.OFFLINE, 3),
        (True, None, "quiet", [], Lack.SILENT, 7),
        (True, None, "away", [], Lack.OFFLINE, 7),
        (True, None, "broken", [], Lack.FAULT, None),
        (True, None, "blind", [], Lack.FAULT, None),
        (True, None, "stuck", [], Lack.FAULT, None),
        (True, None, "broken quiet", [], Lack.SILENT, 7),
        (True, None, "", [measure(Measure.TEST, "s/1")], Lack.IN_TEST, 5),
        (True, None, "", [measure(Measure.IMPAIRED, "s/a")], Lack.IMPAIRED, 5),
        (False, None, "", [measure(Measure.TEST, "s/1"), measure(Measure.IMPAIRED, "s/a")], Lack.IMPAIRED, 5),
        (True, None, "", [measure(Measure.TEST, "s/2"), measure(Measure.WORKS, "s/a"), measure(Measure.SHELVED, "s/1")], None, None),
        (True, None, "", [measure(Measure.TEST, "s/1", ended_at=6)], None, None),
    ],
)  # fmt: skip
def test_why_a_detector_does_not_detect(
    online: bool | None, gateway: bool | None, alarms: str, measures: list[Suppression], lack: Lack | None, since: int | None
) -> None:  # fmt: skip
    active = tuple(
        AlarmView(name, Kind.FIRE if name == "fire" else Kind.FAULT, AlarmState.ACTIVE, "inc-1")
        for name in alarms.split()
    )
    states = {
        "s/1": DeviceState("s/1", 7, Freshness.LIVE, {}, online, active),
        "s/gw": DeviceState("s/gw", 3, Freshness.LIVE, {}, gateway),
    }
    out = Watch(states, RULES, measures).out(SMOKE)
    assert (out.lack if out else None, out.since if out else None) == (lack, since)
    assert out is None or (out.incident == "inc-1") is (lack is Lack.FAULT)


def test_a_fault_that_only_begins_takes_nothing_away_and_who_never_spoke_does_not_detect() -> None:
    pending = AlarmView("broken", Kind.FAULT, AlarmState.PENDING)
    states = {"s/1": DeviceState("s/1", 7, Freshness.LIVE, {}, True, (pending,))}
    assert Watch(states, RULES, []).out(SMOKE) is None
    assert Watch({}, RULES, []).out(SMOKE) == Out("s/1", Lack.NEVER_HEARD, None)


async def test_a_fault_is_told_since_it_was_raised() -> None:
    async with served() as (yard, api):
        await yard.ledger.commit(Batch(incidents={"inc-7": incident("inc-7", NOW - MINUTE)}))
        broken = AlarmView("broken", Kind.FAULT, AlarmState.ACTIVE, "inc-7")
        yard.board.rules = lambda: RULES
        yard.states["yard/smoke-1"] = replace(yard.states["yard/smoke-1"], alarms=(broken,))
        (garage, _) = (await api.get("/api/v1/coverage"))["items"]
    assert garage["uncovered_since"] == "2026-11-21T23:59:00Z"
    assert next(g for g in garage["gaps"] if g["lack"] == "fault")["since"] == "2026-11-21T23:59:00Z"
