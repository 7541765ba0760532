"""The ladder at its corners, where a story would say too little: refusals, people and channels that are missing, what the engine tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from rules.engine import Engine
from rules.model import (
    HOUR,
    MINUTE,
    SECOND,
    Device,
    Effect,
    Entry,
    Freshness,
    Kind,
    Measure,
    Micros,
    Move,
    Neighbourhood,
    Outcome,
    Push,
    PushSettled,
    Reading,
    Receipt,
    Recipient,
    Refused,
    Restore,
    SlaProfile,
    Station,
    Step,
    Suppress,
    Swap,
    Text,
    Tick,
    Verb,
    Zone,
)
from rules.people import LADDERS, FloodLimits, Ladder, Person, Plan, Role, Roster, Rung, Shift, Target
from rules.suppression import DRILLS_REMEMBERED, STRAGGLING, Suppressions
from tests.rules.small_block import T0, book, rule

FIRE = rule("fire", "FIRE", "smoke")
WATCH = rule("watch", "SUPERVISORY", "battery < 15")
BOOK = book(FIRE, WATCH)


def engine(
    plan: Plan, *, stations: tuple[Station, ...] | None = None, sla: Mapping[Kind, SlaProfile] | None = None
) -> Engine:
    """One smoke detector in one zone; a station with a robot unless told otherwise."""
    zone = Zone("x/flat", "x", Text("户", "flat"), "dwelling")
    device = Device("x/s", "x", "smoke_detector", "x/flat", Text("烟感", "smoke"))
    if stations is None:
        stations = (Station("east", Text("东", "East"), frozenset({"x/flat"}), (Recipient("robot"),)),)
    places = Neighbourhood(zones={zone.key: zone}, stations=stations, devices={device.key: device}, sla=sla, plan=plan)
    return Engine(BOOK, places)


def plan(*people: Person, ladders: Mapping[Kind, Ladder] = LADDERS, kinds: Mapping[str, str] | None = None) -> Plan:
    """All of them at the station east, always on duty."""
    roster = Roster(tuple(p.key for p in people))
    return Plan({p.key: p for p in people}, {"east": roster}, channels=kinds or {}, ladders=ladders)


def person(key: str, *channels: str, role: Role = Role.RESPONDER) -> Person:
    return Person(key, Text(key, key), role, channels)


def burn(machine: Engine, at: Micros = T0) -> list[Effect]:
    return machine.handle(Reading(at, "x/s", {"smoke": True}))


def keys(effects: list[Effect]) -> list[str]:
    return [e.key.partition("/")[2] for e in effects if isinstance(e, Push)]


# --- who ------------------------------------------------------------------------------------------------------------


def test_a_fire_takes_the_first_two_kinds_of_channel_not_the_first_two_channels() -> None:
    machine = engine(
        plan(person("a", "sms-1", "sms-2", "ring"), kinds={"sms-1": "sms", "sms-2": "sms", "ring": "voice"})
    )
    assert keys(burn(machine)) == ["dispatch-1/robot", "dispatch-1/sms-1@a", "dispatch-1/ring@a"]


def test_a_channel_that_failed_last_time_is_tried_after_the_others() -> None:
    machine = engine(plan(person("a", "sms", "ring", "mail"), person("b", "sms", "ring")))
    burn(machine)
    machine.handle(Receipt(T0 + 1, "inc-000001/dispatch-1/sms@a", Outcome.RETRY, 1, "", T0 + SECOND))
    machine.handle(Receipt(T0 + 2, "inc-000001/dispatch-1/sms@b", Outcome.RETRY, 1, "", T0 + SECOND))
    pushes = keys(machine.handle(Tick(T0 + 15 * SECOND)))
    # At 5 s everything that is left goes out; b, who has nothing left, is tried from the front again, the failing channel last.
    assert pushes[-2:] == ["call1-1/ring@a", "call1-1/ring@b"]


def test_people_without_a_way_and_people_who_left_the_file_are_passed_over() -> None:
    gone = Plan({"a": person("a")}, {"east": Roster(("a", "nobody"))})
    assert keys(burn(engine(gone))) == ["dispatch-1/robot"]


def test_named_neighbours_come_before_those_who_happen_to_cover_the_zone() -> None:
    flat = frozenset({"x/flat"})
    names = ("east", "west", "far")
    stations = tuple(
        Station(n, Text(n, n), flat if n != "far" else frozenset(), (Recipient(f"robot-{n}"),)) for n in names
    )
    machine = engine(Plan(neighbours={"east": ("far", "unknown")}), stations=stations, sla={})
    burn(machine)
    assert keys(machine.handle(Tick(T0 + 45 * SECOND))) == ["call3-1/robot-far"]
    assert keys(machine.handle(Tick(T0 + 120 * SECOND)))[-1] == "call5-1/robot-west"


def test_who_comes_from_elsewhere_is_told_the_address_and_those_above_whom_to_call_back() -> None:
    flat, street = frozenset({"x/flat"}), Text("北门路1号", "1 North Gate Road")
    east = Station("east", Text("东", "East"), flat, (Recipient("robot"),), "13800000000")
    above = Station("119", Text("一一九", "119"), flat, (Recipient("police"),), "110")
    west = Station("west", Text("西", "West"), flat, (Recipient("robot-west"),), "114")

    def told(address: Text | None, *stations: Station) -> dict[object, tuple[object, object]]:
        device = Device("x/s", "x", "smoke_detector", "x/flat", Text("烟感", "smoke"))
        zone = Zone("x/flat", "x", Text("户", "flat"), "dwelling", address=address)
        plan = Plan(authorities=(above,))
        machine = Engine(
            BOOK,
            Neighbourhood(zones={zone.key: zone}, stations=stations, devices={device.key: device}, sla={}, plan=plan),
        )
        said = [*burn(machine), *machine.handle(Tick(T0 + 120 * SECOND))]
        bodies = [e.body for e in said if isinstance(e, Push)]
        return {body["type"]: (body.get("address"), body.get("callback")) for body in bodies}

    where = {"zh": "北门路1号", "en": "1 North Gate Road"}
    assert told(street, east, west) == {
        "incident.dispatch": (None, None),
        "incident.reinforce": (where, None),
        "incident.handover": (where, "13800000000"),
    }
    assert told(None, Station("east", east.name, flat, east.recipients)) == {
        "incident.dispatch": (None, None),
        "incident.handover": (None, None),
    }


def test_where_no_station_is_those_above_may_be() -> None:
    above = Station("119", Text("一一九", "119"), frozenset({"x/flat"}), (Recipient("police"),))
    machine = engine(Plan(authorities=(above,)), stations=())
    said = [*burn(machine), *machine.handle(Tick(T0 + 30 * MINUTE))]
    assert [k for k in keys(said) if "police" in k] == ["call5-1/police"]
    (incident,) = machine.open_incidents
    assert incident.handed_over_at == T0 + 120 * SECOND


def test_those_above_who_do_not_listen_to_this_are_not_called() -> None:
    deaf = Station("119", Text("一一九", "119"), frozenset({"x/flat"}), (Recipient("police", frozenset({Kind.FAULT})),))
    machine = engine(Plan(authorities=(deaf,)))
    burn(machine)
    machine.handle(Tick(T0 + 30 * MINUTE))
    assert machine.open_incidents[0].handed_over_at is None


# --- the ladder -----------------------------------------------------------------------------------------------------


def test_a_ladder_without_repetition_ends_in_silence_and_a_fire_without_one_is_not_left_alone() -> None:
    short = Ladder((Rung(0, (Target.DUTY,)), Rung(10 * SECOND, (Target.DUTY,))))
    machine = engine(plan(person("a", "sms"), ladders={Kind.FIRE: short}))
    said = [*burn(machine), *machine.handle(Tick(T0 + HOUR))]
    assert [k for k in keys(said) if k.startswith(("dispatch", "call"))] == ["dispatch-1/sms@a", "call1-1/sms@a"]
    none = engine(plan(person("a", "sms"), ladders={}), sla={})
    assert keys([*burn(none), *none.handle(Tick(T0 + HOUR))]) == ["spread-1/sms@a"]
    empty = Ladder(()).rung(0)
    assert empty is None


def test_two_kinds_that_took_it_in_time_spread_nothing() -> None:
    machine = engine(plan(person("a", "sms", "ring", "mail"), ladders={Kind.FIRE: Ladder((Rung(0, (Target.DUTY,)),))}))
    burn(machine)
    for channel in ("sms", "ring"):
        machine.handle(Receipt(T0 + SECOND, f"inc-000001/dispatch-1/{channel}@a", Outcome.ACCEPTED, 1))
    assert keys(machine.handle(Tick(T0 + 6 * SECOND))) == []


def test_what_was_accepted_before_the_acknowledgement_is_not_withdrawn_the_rest_is() -> None:
    machine = engine(plan(person("a", "sms", "ring")))
    burn(machine)
    machine.handle(Receipt(T0 + 1, "inc-000001/dispatch-1/sms@a", Outcome.ACCEPTED, 1))
    machine.handle(Receipt(T0 + 2, "inc-000001/dispatch-1/robot", Outcome.RETRY, 2, "", T0 + SECOND))
    said = machine.handle(Move(T0 + 3 * SECOND, "inc-000001", Verb.ACKNOWLEDGE, "a"))
    settled = [(e.key.partition("/")[2], e.outcome, e.attempts) for e in said if isinstance(e, PushSettled)]
    assert settled == [("dispatch-1/robot", Outcome.WITHDRAWN, 2), ("dispatch-1/ring@a", Outcome.WITHDRAWN, 0)]
    # A failure that crosses the acknowledgement must not bring the push back.
    late = machine.handle(Receipt(T0 + 4 * SECOND, "inc-000001/dispatch-1/ring@a", Outcome.RETRY, 1, "", T0 + HOUR))
    assert [(e.outcome, e.next_at) for e in late if isinstance(e, PushSettled)] == [(Outcome.WITHDRAWN, None)]


def test_a_doubtful_fire_does_not_begin_the_ladder_of_a_live_pre_alarm_anew() -> None:
    group = book(rule("fire", "FIRE", "smoke", group="g"), rule("warm", "PREALARM", "temperature > 46", group="g"))
    zone = Zone("x/flat", "x", Text("户", "flat"), "dwelling")
    device = Device("x/s", "x", "smoke_detector", "x/flat", Text("烟感", "smoke"))
    east = Station("east", Text("东", "East"), frozenset({"x/flat"}), (Recipient("robot"),))
    on_duty = plan(person("a", "sms", "ring", "mail"))
    machine = Engine(
        group,
        Neighbourhood(zones={zone.key: zone}, stations=(east,), devices={device.key: device}, sla={}, plan=on_duty),
    )
    machine.handle(Reading(T0, "x/s", {"temperature": 50.0}))
    asked = machine.handle(Reading(T0 + 10 * SECOND, "x/s", {"smoke": True}, Freshness.LATE))
    assert [key.partition("/")[0] for key in keys(asked)] == ["verify-2", "verify-2"]
    called = machine.handle(Tick(T0 + 31 * SECOND))
    # It goes on where it stood, now at the pace of a fire; nobody is sent for one, and nothing spreads.
    assert {key.partition("/")[0] for key in keys(called)} == {"call1-2", "call2-2"}


# --- shifts and swaps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "until", "days", "at", "runs"),
    [
        (480, 1200, range(7), 480, True),
        (480, 1200, range(7), 1200, False),
        (480, 1200, range(5, 7), 480, False),
        (1200, 480, range(7), 1199, False),
        (1200, 480, range(7), 1200, True),
        (1200, 480, range(7), 479, True),
        (1200, 480, (0,), 60, False),  # Monday's night shift has not begun on Monday at one in the morning
        (1200, 480, (6,), 60, True),  # Sunday's goes on
    ],
)
def test_a_shift_runs(since: int, until: int, days: tuple[int, ...], at: int, runs: bool) -> None:
    monday = T0 + 16 * HOUR  # 2026-11-23T00:00 in China
    assert Shift("s", ("a",), since, until, frozenset(days)).runs(monday + at * MINUTE) is runs


@pytest.mark.parametrize(
    ("station", "leaves", "takes", "since", "until", "words"),
    [
        ("west", "a", "b", 0, HOUR, "no such station"),
        ("east", "a", "c", 0, HOUR, "no such person"),
        ("east", "a", "b", HOUR, HOUR, "begins before it ends"),
        ("east", "a", "b", -2 * HOUR, -HOUR, "begins before it ends"),
    ],
)
def test_a_swap_that_cannot_be_is_refused(
    station: str, leaves: str, takes: str, since: Micros, until: Micros, words: str
) -> None:
    machine = engine(plan(person("a", "sms"), person("b", "ring")))
    (said,) = machine.handle(Swap(T0, station, leaves, takes, T0 + since, T0 + until, "chief"))
    assert isinstance(said, Refused)
    assert words in said.reason
    assert machine.swaps == []


def test_swaps_that_are_over_are_forgotten_with_the_next_one() -> None:
    machine = engine(plan(person("a", "sms"), person("b", "ring")))
    first = Swap(T0, "east", "a", "b", T0, T0 + MINUTE, "chief")
    second = Swap(T0 + HOUR, "east", "b", "a", T0 + HOUR, T0 + 2 * HOUR, "chief")
    assert machine.handle(first) == []
    assert machine.swaps == [first]
    machine.handle(second)
    assert machine.swaps == [second]


# --- measures and exercises -----------------------------------------------------------------------------------------


def test_a_measure_on_a_rule_that_is_not_in_force_is_refused_and_others_are_listed() -> None:
    machine = engine(Plan())
    (said,) = machine.handle(Suppress(T0, Measure.SHELVED, "x/s", "li", "noise", T0 + HOUR, "unknown"))
    assert isinstance(said, Refused)
    assert "no such rule" in said.reason
    machine.handle(Suppress(T0, Measure.SHELVED, "x/s", "li", "noise", T0 + HOUR, "watch"))
    machine.handle(Suppress(T0, Measure.TEST, "x/s", "li", "check", T0 + HOUR))
    assert [s.id for s in machine.suppressions] == ["sup-000001", "sup-000002"]
    machine.handle(Reading(T0 + 1, "x/s", {"smoke": True}))
    machine.handle(Tick(T0 + 2 * HOUR))
    assert machine.suppressions == []
    assert [i.withheld for i in machine.open_incidents] == ["sup-000002", ""]


def test_an_exercise_asks_the_rules_of_a_fire_alone_of_live_readings_alone() -> None:
    machine = engine(Plan())
    machine.handle(Suppress(T0, Measure.DRILL, "x/s", "li", "drill", T0 + HOUR))
    assert machine.handle(Reading(T0, "x/s", {"battery": 3.0, "smoke": False}, exercise="sup-000001")) == []
    assert machine.handle(Reading(T0, "x/s", {"smoke": True}, Freshness.LATE, exercise="sup-000001")) == []
    assert machine.device("x/s") is None
    with pytest.raises(LookupError):
        machine.handle(Reading(T0, "x/nobody", {"smoke": True}, exercise="sup-000001"))


def test_what_comes_after_its_drill_is_nothing_also_over_a_restart_and_by_the_clock_of_who_sent_it() -> None:
    machine = engine(Plan())
    machine.handle(Suppress(T0, Measure.DRILL, "x/s", "li", "drill", T0 + MINUTE))
    machine.handle(Tick(T0 + MINUTE))
    again = engine(Plan())
    again.restore(machine.snapshot())
    made_up = Reading(T0 + HOUR, "x/s", {"smoke": True}, Freshness.LATE, T0 + MINUTE, "sup-000001")
    assert again.handle(made_up) == [], "it waited in a queue for an hour"
    again.handle(replace(made_up, at=T0 + HOUR + 1, measured_at=T0 + MINUTE + STRAGGLING + 1))
    assert [i.exercise for i in again.open_incidents] == [""], (
        "made up after the drill: nobody hides a fire by an old mark"
    )


def test_only_so_many_drills_are_remembered() -> None:
    machine = engine(Plan())
    for n in range(DRILLS_REMEMBERED + 1):
        machine.handle(Suppress(T0 + n, Measure.DRILL, "x/s", "li", "drill", T0 + HOUR))
        machine.handle(Restore(T0 + n, f"sup-{n + 1:06d}", "li"))
    at = T0 + DRILLS_REMEMBERED
    assert machine.handle(Reading(at, "x/s", {"smoke": True}, exercise="sup-000002")) == []
    machine.handle(Reading(at, "x/s", {"smoke": True}, exercise="sup-000001"))
    assert len(machine.open_incidents) == 1


def test_a_snapshot_of_before_knows_no_drills_that_are_over() -> None:
    old = Suppressions()
    old.restore([3, []])
    assert not old.straggles("sup-000001", ("x/s",), T0)
    assert old.snapshot() == [3, [], []]


# --- floods ---------------------------------------------------------------------------------------------------------


def test_a_flood_that_nobody_was_sent_for_has_no_lead() -> None:
    """Retained messages only show incidents; many of them are no reason to hold back the first live one."""
    limits = FloodLimits(begins=2, ends=1)
    machine = engine(Plan(flood=limits))
    for n in range(3):
        machine.handle(Reading(T0 + n, "x/s", {"smoke": n % 2 == 0, "battery": 5.0}, Freshness.LATE))
        machine.handle(Reading(T0 + n, "x/s", {"smoke": n % 2 == 1, "battery": 5.0}, Freshness.LATE))
    said = machine.handle(Reading(T0 + 10, "x/s", {"smoke": True}))
    assert "dispatch" in " ".join(keys(said))
    assert Step.FLOOD not in {getattr(e, "step", None) for e in said} or machine.open_incidents[0].lead == ""


def test_a_recovery_finds_again_who_rides_under_whom() -> None:
    zones = {f"x/{n}": Zone(f"x/{n}", "x", Text(n, n), "corridor", "b") for n in ("1", "2", "3")}
    devices = {f"x/s{n}": Device(f"x/s{n}", "x", "smoke_detector", f"x/{n}", Text(n, n)) for n in ("1", "2", "3")}
    east = Station("east", Text("东", "East"), frozenset(zones), (Recipient("robot"),))
    places = Neighbourhood(zones=zones, stations=(east,), devices=devices, plan=Plan(flood=FloodLimits(2, 1)))
    machine = Engine(BOOK, places)
    for n in ("1", "2", "3"):
        machine.handle(Reading(T0 + int(n), f"x/s{n}", {"smoke": True}))
    kept = machine.open_incidents
    assert [i.lead for i in kept] == ["", "inc-000001", "inc-000001"]
    # The ledger says otherwise of one of them: its record is taken, and who rides is read off the records.
    told = [kept[0], replace(kept[1], lead="", revision=9), kept[2]]
    assert machine.reconcile(told, "inc-000003")
    machine.handle(Move(T0 + SECOND, "inc-000001", Verb.ACKNOWLEDGE, "li"))
    assert [i.acknowledged_by for i in machine.open_incidents] == ["li", "", "li"]


def test_nobody_at_all_is_said_once_and_the_ladder_of_nobody_ends_without_a_word() -> None:
    machine = engine(Plan(), stations=())
    said = [*burn(machine), *machine.handle(Tick(T0 + HOUR))]
    steps = [e.step for e in said if isinstance(e, Entry)]
    assert (steps.count(Step.UNCOVERED), Step.EXHAUSTED in steps, keys(said)) == (1, False, [])


def test_a_graver_kind_may_be_promised_sooner_than_the_warning_that_was_given() -> None:
    sla = {Kind.SUPERVISORY: SlaProfile(100 * SECOND, HOUR, HOUR), Kind.FIRE: SlaProfile(10 * SECOND, HOUR, HOUR)}
    group = book(rule("fire", "FIRE", "smoke", group="g"), rule("watch", "SUPERVISORY", "battery < 15", group="g"))
    zone = Zone("x/flat", "x", Text("户", "flat"), "dwelling")
    device = Device("x/s", "x", "smoke_detector", "x/flat", Text("烟感", "smoke"))
    east = Station("east", Text("东", "East"), frozenset({"x/flat"}), (Recipient("robot"),))
    boss = plan(person("boss", "sms", role=Role.LEADER))
    machine = Engine(
        group, Neighbourhood(zones={zone.key: zone}, stations=(east,), devices={device.key: device}, sla=sla, plan=boss)
    )
    machine.handle(Reading(T0, "x/s", {"battery": 3.0}))
    machine.handle(Tick(T0 + 75 * SECOND))
    assert machine.open_incidents[0].warned == ("dispatch",)
    machine.handle(Reading(T0 + 80 * SECOND, "x/s", {"smoke": True}))
    assert machine.open_incidents[0].dispatch_due_at == T0 + 90 * SECOND
    machine.handle(Tick(T0 + 91 * SECOND))
    (incident,) = machine.open_incidents
    assert (incident.warned, incident.overdue) == (("dispatch",), ("dispatch",))


def test_one_of_two_measures_at_a_place_ends_alone() -> None:
    machine = engine(Plan())
    for measure in (Measure.SHELVED, Measure.IMPAIRED):
        machine.handle(Suppress(T0, measure, "x/s", "li", "why", T0 + HOUR, compensation="patrol"))
    machine.handle(Restore(T0 + 1, "sup-000001", "li"))
    assert [s.measure for s in machine.suppressions] == [Measure.IMPAIRED]


@pytest.mark.parametrize("after", [30, 3600], ids=["while the flood lasts", "long after it"])
def test_what_burns_again_when_its_lead_is_done_with_pages_for_itself(after: int) -> None:
    rooms = [f"x/r{n}" for n in range(4)]
    zones = {key: Zone(key, "x", Text(key, key), "dwelling", "b1") for key in rooms}
    devices = {f"{key}-s": Device(f"{key}-s", "x", "smoke_detector", key, Text(key, key)) for key in rooms}
    east = Station("east", Text("东", "East"), frozenset(rooms), (Recipient("robot"),))
    places = Neighbourhood(
        zones=zones, stations=(east,), devices=devices, plan=Plan(flood=FloodLimits(begins=2, ends=1))
    )
    machine = Engine(BOOK, places)
    for n, device in enumerate(devices):
        machine.handle(Reading(T0 + n * SECOND, device, {"smoke": True}))
    assert [(i.lead, i.members) for i in machine.open_incidents] == [("", 3), *[("inc-000001", 0)] * 3]
    for device in devices:
        machine.handle(Reading(T0 + 10 * SECOND, device, {"smoke": False}))
    machine.handle(Move(T0 + 20 * SECOND, "inc-000001", Verb.RESOLVE, "li"))
    machine.handle(Tick(T0 + after * SECOND))
    said = machine.handle(Reading(T0 + (after + 1) * SECOND, "x/r2-s", {"smoke": True}))
    assert keys(said) == ["dispatch-2/robot"]
    # It is no part of that flood any more, and the record says so.
    assert [(i.lead, i.members) for i in machine.open_incidents if i.id in ("inc-000001", "inc-000003")] == [
        ("", 2),
        ("", 0),
    ]
