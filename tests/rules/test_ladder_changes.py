"""What changes under a running response: people, stations and zones that left the site file, records, rounds and measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from rules.engine import RESTART, Engine
from rules.model import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Device,
    Disposition,
    Effect,
    Entry,
    Freshness,
    IncidentChanged,
    IncidentState,
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
    Station,
    Step,
    Suppress,
    Swap,
    Text,
    Tick,
    Trouble,
    Verb,
    Zone,
)
from rules.people import Person, Plan, Role, Roster, Target
from rules.response import MOST_SWAPS
from rules.rule import RuleBook
from tests.rules.small_block import T0, book, rule

ONE = "inc-000001"
BOOK = book(rule("fire", "FIRE", "smoke"), rule("warm", "PREALARM", "temperature > 54"))
FLAT = Zone("x/flat", "x", Text("户", "flat"), "dwelling")
SMOKE = Device("x/s", "x", "smoke_detector", "x/flat", Text("烟感", "smoke"))


def station(name: str, *recipients: Recipient, zones: Sequence[str] = ("x/flat",)) -> Station:
    return Station(name, Text(name, name), frozenset(zones), recipients)


EAST = station("east", Recipient("robot"))


def places(
    *people: Person, stations: tuple[Station, ...] = (EAST,), zones: tuple[Zone, ...] = (FLAT,), **plan: object
) -> Neighbourhood:
    """Everybody is at the station east, always on duty."""
    known = Plan({p.key: p for p in people}, {"east": Roster(tuple(p.key for p in people))}, **plan)  # type: ignore[arg-type]
    devices = {SMOKE.key: SMOKE} if FLAT in zones else {}
    return Neighbourhood(zones={z.key: z for z in zones}, stations=stations, devices=devices, plan=known)


def person(key: str, *channels: str, quiet: tuple[int, int] | None = None) -> Person:
    return Person(key, Text(key, key), Role.RESPONDER, channels, quiet=quiet)


def restarted(machine: Engine, where: Neighbourhood, under: RuleBook = BOOK) -> Engine:
    again = Engine(under, where)
    again.restore(machine.snapshot())
    return again


def smoke(machine: Engine, at: Micros, burns: bool = True, freshness: Freshness = Freshness.LIVE) -> list[Effect]:
    return machine.handle(Reading(at, "x/s", {"smoke": burns}, freshness))


def move(machine: Engine, at: Micros, verb: Verb, disposition: Disposition | None = None) -> list[Effect]:
    return machine.handle(Move(at, ONE, verb, "li", disposition=disposition))


def answer(machine: Engine, at: Micros, push: str, outcome: Outcome) -> list[Effect]:
    next_at = at + SECOND if outcome is Outcome.RETRY else None
    return machine.handle(Receipt(at, f"{ONE}/{push}", outcome, 1, "", next_at))


def keys(effects: list[Effect]) -> list[str]:
    return [e.key.partition("/")[2] for e in effects if isinstance(e, Push)]


def settled(effects: list[Effect]) -> list[tuple[str, Outcome]]:
    return [(e.key.partition("/")[2], e.outcome) for e in effects if isinstance(e, PushSettled)]


# --- the site file --------------------------------------------------------------------------------------------------


def test_who_left_the_site_file_hears_nothing_and_nobody_hears_it_instead() -> None:
    machine = Engine(BOOK, places(person("a", "sms"), person("b", "mail")))
    smoke(machine, T0)
    again = restarted(machine, places(person("b", "mail")))
    assert keys(move(again, T0 + SECOND, Verb.ACKNOWLEDGE)) == ["acknowledged-1/robot", "acknowledged-1/mail@b"]


def test_who_left_the_site_file_stands_in_for_nobody() -> None:
    machine = Engine(BOOK, places(person("a", "sms"), person("b", "mail")))
    machine.handle(Swap(T0, "east", "a", "b", T0, T0 + DAY, "chief"))
    again = restarted(machine, places(person("a", "sms")))
    assert "dispatch-1/sms@a" in keys(smoke(again, T0 + SECOND))


def test_a_zone_that_left_the_site_file_is_still_its_stations_affair_and_nobody_elses() -> None:
    other = replace(FLAT, key="x/hall")
    west = station("west", Recipient("other"), zones=("x/hall",))
    machine = Engine(BOOK, places(person("a", "sms"), stations=(EAST, west), zones=(FLAT, other)))
    smoke(machine, T0)
    again = restarted(machine, places(person("a", "sms"), stations=(west, EAST), zones=(other,)))
    assert keys(again.handle(Tick(T0 + MINUTE)))[-2:] == ["overdue-dispatch-1/robot", "overdue-dispatch-1/sms@a"]
    assert not any("other" in key for key in keys(again.handle(Tick(T0 + HOUR))))


def test_where_the_station_has_left_too_anybody_is_better_than_nobody() -> None:
    machine = Engine(BOOK, places(person("a", "sms")))
    smoke(machine, T0)
    west = station("west", Recipient("other"), zones=())
    again = restarted(machine, places(stations=(west,), zones=(replace(FLAT, key="x/hall"),)))
    assert "overdue-dispatch-1/other" in keys(again.handle(Tick(T0 + MINUTE)))


def test_only_so_many_swaps_are_kept() -> None:
    machine = Engine(BOOK, places(person("a", "sms"), person("b", "mail")))
    for n in range(MOST_SWAPS):
        machine.handle(Swap(T0, "east", "a", "b", T0 + n, T0 + HOUR, "chief"))
    (said,) = machine.handle(Swap(T0, "east", "a", "b", T0, T0 + 2 * HOUR, "chief"))
    assert isinstance(said, Refused)
    assert machine.handle(Swap(T0 + HOUR, "east", "a", "b", T0 + HOUR, T0 + 2 * HOUR, "chief")) == []


# --- records --------------------------------------------------------------------------------------------------------


def test_a_record_that_was_adopted_repeats_no_key_though_one_reading_called_twice() -> None:
    group = book(rule("warm", "PREALARM", "temperature > 54", group="g"), rule("fire", "FIRE", "smoke", group="g"))
    machine = Engine(group, places(person("a", "sms")))
    said = machine.handle(Reading(T0, "x/s", {"temperature": 60.0, "smoke": True}))
    assert {"dispatch-1/robot", "dispatch-2/robot"} <= set(keys(said))
    again = Engine(group, places(person("a", "sms")))
    assert again.reconcile(machine.open_incidents, ONE) == [f"{ONE}: open in the ledger, unknown to the recovery"]
    later = again.handle(Reading(T0 + SECOND, "x/s", {"temperature": 60.0, "smoke": True}))
    assert keys(later) != []
    assert not set(keys(said)) & set(keys(later))


def adopting(machine: Engine, at: Micros, **changes: object) -> Engine:
    """One that has lost everything and takes the ledger's records, with these changes; what it does comes after an hour's absence."""
    again = Engine(machine.book, places(person("a", "sms", "mail"), person("b", "ring")))
    again.handle(Tick(at))
    again.reconcile([replace(i, **changes) for i in machine.open_incidents], ONE)  # type: ignore[arg-type]
    return again


def after_an_hour(machine: Engine, until: Micros) -> list[Effect]:
    """The daemon was away for an hour, and then runs for so long."""
    back = machine.now + HOUR
    effects = [*machine.handle(Trouble(machine.now, RESTART, active=True))]
    effects += machine.handle(Trouble(back, RESTART, active=False))
    return [*effects, *machine.handle(Tick(back + until))]


def burning() -> Engine:
    machine = Engine(BOOK, places(person("a", "sms", "mail"), person("b", "ring")))
    smoke(machine, T0)
    return machine


def test_an_incident_that_only_the_ledger_knew_is_called_for_until_somebody_has_it() -> None:
    machine = burning()
    again = adopting(machine, T0 + 10 * SECOND)
    upcoming = again.next_call(ONE)
    assert upcoming is not None
    assert Target.STATION in upcoming.targets
    back = T0 + 10 * SECOND + HOUR
    said = [e for e in after_an_hour(again, 21 * SECOND) if isinstance(e, Push)]
    first = next(push.step for push in said)
    calls = [(push.at - back, push.channel, push.step.partition("-")[0]) for push in said if "overdue" not in push.step]
    assert calls == [
        (5 * SECOND, "robot", "dispatch"),
        (5 * SECOND, "sms", "dispatch"),
        (5 * SECOND, "mail", "dispatch"),
        (5 * SECOND, "ring", "dispatch"),
        (20 * SECOND, "mail", "call1"),
        (20 * SECOND, "ring", "call1"),
    ]
    assert first != "dispatch-1"
    again.handle(Move(back + MINUTE, ONE, Verb.ACKNOWLEDGE, "li"))
    assert not [e for e in again.handle(Tick(back + 2 * MINUTE)) if isinstance(e, Push)]


def test_its_deadlines_go_on_and_who_recovers_twice_repeats_no_key() -> None:
    machine = burning()
    again = adopting(machine, T0 + 10 * SECOND)
    said = [*again.handle(Tick(T0 + MINUTE))]
    assert [e.at for e in said if isinstance(e, Entry) and e.step is Step.OVERDUE] == [T0 + MINUTE]
    assert again.open_incidents[0].on_scene_due_at == T0 + 5 * MINUTE
    told = {e.key for e in said if isinstance(e, Push)}
    third = adopting(again, T0 + MINUTE)
    later = [*third.handle(Tick(T0 + 3 * MINUTE))]
    assert "dispatch" not in [e.detail["goal"] for e in later if isinstance(e, Entry) and e.step is Step.OVERDUE]
    assert not told & {e.key for e in later if isinstance(e, Push)}
    assert {e.key for e in later if isinstance(e, Push)}


def test_one_that_was_promised_nothing_yet_is_promised_from_now() -> None:
    again = adopting(
        burning(), T0 + HOUR, dispatch_due_at=None, on_scene_due_at=None, resolve_due_at=None, lead="inc-000009"
    )
    again.handle(Tick(T0 + HOUR + SECOND))
    (incident,) = again.open_incidents
    assert (incident.lead, incident.on_scene_due_at) == ("", T0 + HOUR + 5 * MINUTE)


def test_where_nothing_is_promised_it_is_called_for_all_the_same() -> None:
    where = places(person("a", "sms"))
    where.sla = {}
    again = Engine(BOOK, where)
    again.handle(Tick(T0))
    kept = [
        replace(i, dispatch_due_at=None, on_scene_due_at=None, resolve_due_at=None) for i in burning().open_incidents
    ]
    again.reconcile(kept, ONE)
    assert len(keys(again.handle(Tick(T0 + SECOND)))) == 2
    assert again.open_incidents[0].on_scene_due_at is None


def test_one_that_somebody_has_taken_is_called_for_again_only_when_nobody_came() -> None:
    machine = burning()
    move(machine, T0 + 5 * SECOND, Verb.ACKNOWLEDGE)
    again = adopting(machine, T0 + 10 * SECOND)
    assert again.handle(Tick(T0 + 5 * MINUTE - 1)) == []
    assert "overdue" in keys(again.handle(Tick(T0 + 5 * MINUTE)))[0]
    assert again.next_call(ONE) is not None
    move(machine, T0 + 20 * SECOND, Verb.RESOLVE)
    assert adopting(machine, T0 + HOUR).handle(Tick(T0 + 2 * HOUR)) == []


@pytest.mark.parametrize(
    "changes",
    [{"withheld": "sup-000001"}, {"exercise": "sup-000001"}, {"suspected": True}, {"kind": Kind.FAULT}],
    ids=["withheld", "a drill", "doubtful", "a fault"],
)
def test_one_that_nobody_was_sent_for_is_not_called_for_now(changes: dict[str, object]) -> None:
    assert adopting(burning(), T0 + HOUR, **changes).handle(Tick(T0 + 2 * HOUR)) == []


def test_who_has_it_by_the_ledgers_record_is_not_called_by_a_ladder_of_ours() -> None:
    machine = burning()
    (ours,) = machine.open_incidents
    taken = replace(
        ours, state=IncidentState.ACKNOWLEDGED, acknowledged_at=T0 + SECOND, acknowledged_by="li", revision=5
    )
    assert machine.reconcile([taken], ONE) == [f"{ONE}: the ledger's record was taken"]
    assert keys(machine.handle(Tick(T0 + 4 * MINUTE))) == []


def test_whoever_rides_by_the_ledgers_record_is_called_by_its_lead_alone() -> None:
    hall, device = replace(FLAT, key="x/hall"), replace(SMOKE, key="x/t", zone="x/hall")
    where = Neighbourhood(
        zones={z.key: z for z in (FLAT, hall)},
        stations=(station("east", Recipient("robot"), zones=("x/flat", "x/hall")),),
        devices={d.key: d for d in (SMOKE, device)},
        plan=Plan({"a": person("a", "sms")}, {"east": Roster(("a",))}),
    )
    machine = Engine(BOOK, where)
    smoke(machine, T0)
    machine.handle(Reading(T0, "x/t", {"smoke": True}))
    first, second = machine.open_incidents
    assert machine.incident(second.id) == second
    machine.reconcile([first, replace(second, lead=ONE)], second.id)
    said = machine.handle(Tick(T0 + MINUTE))
    assert {e.incident for e in said if isinstance(e, Push)} == {ONE}
    machine.handle(Move(T0 + MINUTE, second.id, Verb.RESOLVE, "li"))
    machine.handle(Move(T0 + MINUTE, second.id, Verb.RESET, "li"))
    machine.handle(Move(T0 + MINUTE, second.id, Verb.CLOSE, "li", disposition=Disposition.FIRE))
    assert machine.incident(second.id) is None


def test_an_incident_in_test_is_closed_when_its_alarm_has_ended_like_any_other() -> None:
    machine = Engine(BOOK, places(person("a", "sms")))
    machine.handle(Suppress(T0, Measure.TEST, "x/s", "li", "check", T0 + HOUR))
    smoke(machine, T0 + 1)
    move(machine, T0 + 2, Verb.RESOLVE)
    (said,) = move(machine, T0 + 3, Verb.CLOSE, Disposition.TEST)
    assert isinstance(said, Refused)
    smoke(machine, T0 + 4, burns=False)
    move(machine, T0 + 5, Verb.RESET)
    move(machine, T0 + 6, Verb.CLOSE, Disposition.TEST)
    assert machine.open_incidents == []


def test_who_follows_at_the_neighbouring_station_sees_it_closed() -> None:
    west = station("west", Recipient("screen", follow=True), Recipient("other"))
    machine = Engine(BOOK, places(person("a", "sms"), stations=(EAST, west)))
    smoke(machine, T0)
    machine.handle(Tick(T0 + 45 * SECOND))
    move(machine, T0 + MINUTE, Verb.RESOLVE)
    move(machine, T0 + 2 * MINUTE, Verb.RESET)
    said = move(machine, T0 + 3 * MINUTE, Verb.CLOSE, Disposition.FIRE)
    assert [e.incident.state for e in said if isinstance(e, IncidentChanged)] == [IncidentState.CLOSED]
    assert [key.partition("/")[2] for key in keys(said)] == ["screen"]


# --- rounds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grave", [True, False], ids=["it burns again", "a pre-alarm becomes a fire"])
def test_the_neighbour_who_came_before_is_called_again_in_a_new_round(grave: bool) -> None:
    together = book(rule("fire", "FIRE", "smoke", group="g"), rule("warm", "PREALARM", "temperature > 54", group="g"))
    west = station("west", Recipient("other"))
    machine = Engine(together, places(person("a", "sms"), stations=(EAST, west)))
    machine.handle(Reading(T0, "x/s", {"smoke": True} if grave else {"temperature": 60.0}))
    assert "other" in " ".join(keys(machine.handle(Tick(T0 + 2 * MINUTE))))
    if grave:
        move(machine, T0 + 3 * MINUTE, Verb.RESOLVE)
        move(machine, T0 + 4 * MINUTE, Verb.RESET)
    smoke(machine, T0 + 5 * MINUTE)
    assert "call3-2/other" in keys(machine.handle(Tick(T0 + 5 * MINUTE + 45 * SECOND)))


def test_a_neighbour_whom_nothing_reaches_does_not_stand_in_the_way_of_the_next() -> None:
    deaf, far = station("deaf", Recipient("fax", frozenset({Kind.FAULT}))), station("far", Recipient("other"))
    machine = Engine(BOOK, places(person("a", "sms"), stations=(EAST, deaf, far)))
    smoke(machine, T0)
    assert "call3-1/other" in keys(machine.handle(Tick(T0 + 45 * SECOND)))


def test_what_fails_after_nobody_came_is_gone_around_as_before() -> None:
    machine = Engine(BOOK, places(person("a", "sms", "ring", "mail", "chat")))
    smoke(machine, T0)
    move(machine, T0 + SECOND, Verb.ACKNOWLEDGE)
    assert keys(answer(machine, T0 + 2 * SECOND, "dispatch-1/ring@a", Outcome.DEAD)) == []
    assert "call1-1/mail@a" in keys(machine.handle(Tick(T0 + 6 * MINUTE)))
    assert keys(answer(machine, T0 + 6 * MINUTE + 1, "call1-1/mail@a", Outcome.RETRY)) == ["around1-1/chat@a"]


def test_who_took_it_late_is_not_waited_for_any_more_when_it_burns_again() -> None:
    def again(taken: Micros) -> list[str]:
        machine = Engine(BOOK, places(person("a", "sms", "ring")))
        smoke(machine, T0)
        move(machine, T0 + taken, Verb.ACKNOWLEDGE)
        smoke(machine, T0 + 6 * MINUTE + 40 * SECOND, burns=False)
        move(machine, T0 + 6 * MINUTE + 50 * SECOND, Verb.RESET)
        called = keys(smoke(machine, T0 + 7 * MINUTE))
        called += [key for n in range(1, 24) for key in keys(machine.handle(Tick(T0 + 7 * MINUTE + n * 15 * SECOND)))]
        return [key for key in called if "-2/" in key]

    assert "call5-2/sms@a" in again(MINUTE)
    assert again(6 * MINUTE) == again(MINUTE)


def test_a_request_to_verify_that_was_taken_stays_taken_and_the_rest_is_withdrawn() -> None:
    machine = Engine(BOOK, places(person("a", "sms")))
    smoke(machine, T0, freshness=Freshness.LATE)
    answer(machine, T0 + 1, "verify-1/robot", Outcome.ACCEPTED)
    answer(machine, T0 + 2, "verify-1/sms@a", Outcome.RETRY)
    said = move(machine, T0 + 3, Verb.ACKNOWLEDGE)
    assert settled(said) == [("verify-1/sms@a", Outcome.WITHDRAWN)]
    assert settled(answer(machine, T0 + 4, "verify-1/sms@a", Outcome.RETRY)) == [("verify-1/sms@a", Outcome.WITHDRAWN)]


def test_a_request_to_verify_that_fails_is_gone_around_and_is_no_dispatch() -> None:
    machine = Engine(BOOK, places(person("a", "sms", "ring", "mail")))
    smoke(machine, T0, freshness=Freshness.LATE)
    said = answer(machine, T0 + 1, "verify-1/sms@a", Outcome.DEAD)
    assert keys(said) == ["verify1-1/mail@a"]
    assert [e.body["type"] for e in said if isinstance(e, Push)] == ["incident.verify"]
    answer(machine, T0 + 2, "verify1-1/mail@a", Outcome.ACCEPTED)
    assert machine.open_incidents[0].state is IncidentState.RAISED


def test_a_neighbour_in_place_of_the_station_is_asked_to_verify_too() -> None:
    machine = Engine(BOOK, places(stations=(EAST, station("west", Recipient("other")))))
    smoke(machine, T0, freshness=Freshness.LATE)
    said = answer(machine, T0 + 1, "verify-1/robot", Outcome.DEAD)
    assert [(e.key, e.body["type"]) for e in said if isinstance(e, Push)] == [
        (f"{ONE}/verify1-1/other", "incident.verify")
    ]


def test_in_place_of_the_station_those_on_duty_are_called_while_they_have_a_way_that_was_not_used() -> None:
    machine = Engine(BOOK, places(person("a", "sms", "ring", "mail"), stations=(EAST, station("west", Recipient("w")))))
    smoke(machine, T0)
    assert keys(answer(machine, T0 + 1, "dispatch-1/robot", Outcome.DEAD)) == ["around1-1/mail@a"]


# --- at night, and in measures --------------------------------------------------------------------------------------


def test_news_of_less_than_a_fire_wakes_nobody() -> None:
    evening = T0 + 13 * HOUR  # 21:00 in China
    machine = Engine(BOOK, places(person("a", "sms"), person("b", "mail", quiet=(22 * 60, 7 * 60))))
    assert "dispatch-1/mail@b" in keys(machine.handle(Reading(evening, "x/s", {"temperature": 60.0})))
    machine.handle(Move(evening + MINUTE, ONE, Verb.ON_SCENE, "a"))
    machine.handle(Tick(evening + HOUR))
    told = keys(machine.handle(Move(evening + HOUR, ONE, Verb.RESOLVE, "a")))
    assert told == ["resolved-1/robot", "resolved-1/sms@a"]


def test_what_still_holds_in_the_zone_pages_when_the_permit_ends_also_where_time_had_decided() -> None:
    held = book(rule("warm", "PREALARM", "count(temperature > 54) >= 1", subject="zone", for_="10s"))
    machine = Engine(held, places(person("a", "sms")))
    machine.handle(Suppress(T0, Measure.WORKS, "x/flat", "li", "welding", T0 + HOUR, compensation="watch"))
    machine.handle(Reading(T0 + 1, "x/s", {"temperature": 60.0}))
    machine.handle(Tick(T0 + MINUTE))
    assert [i.withheld for i in machine.open_incidents] == ["sup-000001"]
    machine.handle(Restore(T0 + 2 * MINUTE, "sup-000001", "li"))
    assert any(key.startswith("dispatch-") for key in keys(machine.handle(Tick(T0 + 3 * MINUTE))))


@pytest.mark.parametrize("zone", [False, True], ids=["alone", "counted in its zone"])
def test_what_people_report_is_no_detector_under_test(zone: bool) -> None:
    one = rule("report", "FIRE", 'reported == "fire"', ("human_report",))
    counted = rule("report", "FIRE", 'count(reported == "fire") >= 1', ("human_report",), subject="zone")
    said = book(counted if zone else one)
    machine = Engine(said, places(person("a", "sms")))
    machine.handle(Suppress(T0, Measure.TEST, "x/flat", "li", "check", T0 + HOUR))
    assert "dispatch-1/robot" in keys(machine.handle(Reading(T0 + 1, "x/report-flat", {"reported": "fire"})))


def test_the_end_of_one_drill_ends_no_other() -> None:
    machine = Engine(BOOK, places(person("a", "sms")))
    for subject in ("x/s", "x/flat"):
        machine.handle(Suppress(T0, Measure.DRILL, subject, "li", "drill", T0 + HOUR))
    for drill in ("sup-000001", "sup-000002"):
        machine.handle(Reading(T0 + 1, "x/s", {"smoke": True}, exercise=drill))
    machine.handle(Restore(T0 + 2, "sup-000001", "li"))
    assert [i.exercise for i in machine.open_incidents] == ["sup-000002"]
