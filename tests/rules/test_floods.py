"""Floods at their edges: who speaks for whom when a flood is over, comes again, or is of doubtful evidence only.

Knows no channel and no clock; what a flood usually is stands in tests/scenarios/flood.yaml.
"""

from __future__ import annotations

from dataclasses import replace

from rules.engine import Engine
from rules.model import (
    MINUTE,
    SECOND,
    Device,
    Effect,
    Entry,
    Freshness,
    Incident,
    Kind,
    Micros,
    Move,
    Neighbourhood,
    Outcome,
    Push,
    Reading,
    Receipt,
    Recipient,
    Station,
    Step,
    Text,
    Tick,
    Value,
    Verb,
    Zone,
)
from rules.people import LADDERS, Ladder, Person, Plan, Role, Roster, Rung, Target
from rules.riding import SPREAD_EVERY
from tests.rules.small_block import T0, book, full_key, incident, lines, rule, through_bytes
from tests.rules.two_houses import BOOK, houses, machine

LATE = Freshness.LATE
TOO_LATE = 90
"""Seconds after which the flood of three alarms within a minute is over, and no ladder has ended."""


class House:
    """Feeds the engine; times are seconds after T0."""

    def __init__(self) -> None:
        self.engine: Engine = machine()
        self.effects: list[Effect] = []

    def says(self, at: float, device: str, freshness: Freshness = Freshness.LIVE, **values: Value) -> list[str]:
        """A reading; the keys of the calls that it made."""
        moment = _moment(at)
        measured = moment - 10 * MINUTE if freshness is LATE else None
        return self._calls(self.engine.handle(Reading(moment, f"q/{device}", values, freshness, measured)))

    def move(self, at: float, verb: Verb, n: int) -> list[str]:
        """A person's move on the n-th incident."""
        return self._calls(self.engine.handle(Move(_moment(at), incident(n), verb, "li")))

    def tick(self, at: float) -> list[str]:
        """Time passes."""
        return self._calls(self.engine.handle(Tick(_moment(at))))

    def case(self, n: int) -> Incident:
        """The open incident as it stands."""
        return next(i for i in self.engine.open_incidents if i.id == incident(n))

    def _calls(self, effects: list[Effect]) -> list[str]:
        self.effects += effects
        pushed = [line.removeprefix("push ") for line in lines(effects) if line.startswith("push")]
        return [key for key in pushed if "/state-" not in key]


def _moment(at: float) -> Micros:
    return T0 + round(at * SECOND)


def flood(**values: Value) -> House:
    """Four zones of house A alarm at second 0: a flood, led by the first."""
    house = House()
    for n in (1, 2, 3, 4):
        house.says(0, f"a{n}-1", Freshness.LIVE, **values)
    assert [house.case(n).lead for n in (1, 2, 3, 4)] == ["", *[incident(1)] * 3]
    assert house.case(1).members == 3
    return house


def test_what_burns_again_after_the_flood_is_over_speaks_for_itself() -> None:
    house = flood(smoke=True)
    house.move(10, Verb.RESOLVE, 1)
    assert house.case(3).state == "resolved"
    called = house.says(TOO_LATE, "a3-2", smoke=True)
    assert "3/dispatch-2/robot" in called
    assert (house.case(3).lead, house.case(1).members) == ("", 2)
    assert house.tick(TOO_LATE + 15) != []
    assert house.case(3).dispatch_due_at == _moment(TOO_LATE) + MINUTE


def test_what_becomes_graver_after_the_flood_is_over_speaks_for_itself() -> None:
    house = flood(battery=10.0)
    assert "2/dispatch-2/robot" in house.says(TOO_LATE, "a2-1", smoke=True)
    assert (house.case(2).lead, house.case(1).members) == ("", 2)


def test_a_certain_fire_does_not_go_under_a_doubtful_one() -> None:
    house = flood(battery=10.0)
    assert "1/verify-2/robot" in house.says(1, "a1-2", LATE, smoke=True)
    assert (house.case(1).kind, house.case(1).members) == ("FIRE", 3)
    assert "2/dispatch-2/robot" in house.says(2, "a2-1", smoke=True)
    assert (house.case(2).members, house.case(2).lead) == (3, "")
    assert [house.case(n).lead for n in (1, 3, 4)] == [incident(2)] * 3


def test_danger_that_is_graver_but_doubtful_is_looked_at_though_it_rides() -> None:
    house = flood(battery=10.0)
    assert "3/verify-2/robot" in house.says(1, "a3-2", LATE, smoke=True)
    assert house.case(3).lead == incident(1)
    assert any(key.startswith("1/call1-1/") for key in house.tick(120))


def test_what_rides_is_looked_at_and_still_rides_when_the_flood_is_over_and_the_graver_danger_doubtful() -> None:
    house = flood(battery=10.0)
    assert "2/verify-2/robot" in house.says(TOO_LATE, "a2-2", LATE, smoke=True)
    assert house.case(2).lead == incident(1)
    assert "2/dispatch-3/robot" in house.says(TOO_LATE + 1, "a2-2", smoke=True)
    assert house.case(2).lead == ""


def test_a_rider_does_not_lead_on_doubtful_evidence_when_its_own_lead_was_raised_again_in_doubt() -> None:
    house = House()
    for device in ("a1-1", "a1-2", "a2-1", "a3-1"):
        house.says(0, device, battery=10.0)
    house.move(1, Verb.ACKNOWLEDGE, 1)
    house.says(2, "a4-1", battery=10.0)
    for device in ("a1-1", "a1-2"):
        house.says(3, device, battery=90.0)
    assert house.says(230, "a1-1", LATE, smoke=True) != []
    for device in ("a2-2", "a3-2"):
        house.says(231, device, LATE, smoke=True)
    assert "4/verify-2/robot" in house.says(232, "a4-2", LATE, smoke=True)
    assert (house.case(4).lead, house.case(4).state) == (incident(1), "raised")


def test_a_flood_of_doubtful_evidence_asks_for_one_look_at_last() -> None:
    """A gateway that was away tells of a whole night at once."""
    house = House()
    for device in ("a1-1", "a1-2", "a2-1"):
        house.says(0, device, LATE, smoke=True)
    assert "3/verify-1/robot" in house.says(0, "a3-1", LATE, smoke=True)
    assert house.says(1, "a4-1", LATE, smoke=True) == []
    assert [house.case(n).lead for n in (1, 2, 3, 4)] == ["", "", "", incident(3)]
    assert "4/dispatch-2/robot" in house.says(2, "a4-1", smoke=True)
    assert [house.case(n).lead for n in (3, 4)] == [incident(4), ""]


def test_the_summaries_of_a_second_flood_under_the_same_lead_have_keys_of_their_own() -> None:
    house = flood(smoke=True)
    house.tick(200)
    for n in (1, 2, 3, 4):
        house.says(200, f"a{n}-2", smoke=True)
    house.tick(300)
    keys = [effect.key for effect in house.effects if isinstance(effect, Push)]
    assert len(keys) == len(set(keys))
    told = [effect.body["flood"] for effect in house.effects if isinstance(effect, Push) and "flood" in effect.body]
    counts = [flood["alarms"] for flood in told if isinstance(flood, dict)]
    assert set(counts) == {4}


def test_what_rides_since_a_former_flood_stays_under_its_lead() -> None:
    house = flood(smoke=True)
    house.move(1, Verb.ACKNOWLEDGE, 1)
    house.tick(TOO_LATE)
    for n in (1, 2, 3, 4):
        house.says(TOO_LATE, f"a{n}-2", smoke=True)
    assert [house.case(n).lead for n in (1, 2, 3, 4)] == ["", *[incident(1)] * 3]
    assert house.case(1).members == 3


def test_a_graver_lead_takes_only_those_that_nobody_has_taken() -> None:
    house = flood(battery=10.0)
    house.move(1, Verb.ACKNOWLEDGE, 1)
    assert "2/dispatch-2/robot" in house.says(2, "a2-1", smoke=True)
    assert [house.case(n).lead for n in (1, 2, 3, 4)] == ["", "", incident(1), incident(1)]
    assert (house.case(1).members, house.case(2).members) == (2, 0)


def test_a_zone_that_changes_its_building_in_the_midst_of_a_flood_repeats_no_key_and_the_next_alarm_pages() -> None:
    house = flood(smoke=True)
    house.tick(21)
    moved = houses()
    moved.zones["q/a1"] = replace(moved.zones["q/a1"], building="B")
    house.engine = through_bytes(house.engine, moved)
    house.tick(22)
    assert "5/dispatch-1/robot2" in house.says(23, "b1-1", smoke=True)
    # Nobody of house A speaks for it any more: the next one there pages, and leads.
    house.move(24, Verb.RESOLVE, 1)
    assert "2/dispatch-2/robot" in house.says(25, "a2-2", smoke=True)
    for n, device in enumerate(("a1-1", "b2-1", "b1-2", "b2-2")):
        house.says(26 + n, device, smoke=True)
    house.tick(400)
    keys = [effect.key for effect in house.effects if isinstance(effect, Push)]
    assert len(keys) == len(set(keys))
    assert sum("/flood" in key for key in keys) >= 3


def test_a_flood_of_500_detectors_that_is_taken_at_once_is_told_by_two_digits_of_pages() -> None:
    """Crews on the scene hear within ten seconds of each new zone, and are not buried under it."""
    zones = {f"x/z{n}": Zone(f"x/z{n}", "x", Text(f"{n}区", f"zone {n}"), "corridor", "a") for n in range(100)}
    devices = {
        f"x/s{n}": Device(f"x/s{n}", "x", "smoke_detector", f"x/z{n % 100}", Text("烟", "smoke")) for n in range(500)
    }
    people = {key: Person(key, Text(key, key), Role.RESPONDER, ("voice", "sms", "mail")) for key in ("a", "b")}
    post = Station("post", Text("站", "post"), frozenset(zones), (Recipient("robot"),))
    plan = Plan(people, {"post": Roster(tuple(people))}, channels={"robot": "dingtalk", "sms": "sms", "voice": "voice"})
    engine = Engine(
        book(rule("smoke", "FIRE", "smoke")),
        Neighbourhood(zones=zones, stations=(post,), devices=devices, plan=plan),
    )
    told: list[Push] = []
    for n in range(500):
        at = T0 + n * MINUTE // 500
        effects = engine.handle(Reading(at, f"x/s{n}", {"smoke": True}))
        if n == 20:
            effects += engine.handle(Move(at, incident(1), Verb.ACKNOWLEDGE, "a"))
        told += [effect for effect in effects if isinstance(effect, Push)]
    told += [effect for effect in engine.handle(Tick(T0 + 4 * MINUTE)) if isinstance(effect, Push)]
    assert len(told) < 100
    news = [push for push in told if "flood" in push.body and push.channel == "robot"]
    burning = [at for at in (T0 + n * MINUTE // 500 for n in range(100)) if at > told[0].at + 3 * SECOND]
    for at in burning:
        assert any(at <= push.at <= at + SPREAD_EVERY for push in news), at
    shown = news[-1].body["flood"]
    assert isinstance(shown, dict)
    assert [zone["key"] for zone in shown["zones"]][:2] == ["x/z0", "x/z99"]


def test_a_family_that_its_own_ladder_would_call_later_is_called_when_its_place_goes_under_another() -> None:
    house = House()
    where = houses()
    later = {Kind.FIRE: Ladder((Rung(0, (Target.STATION,)), Rung(90 * SECOND, (Target.RESIDENTS,))))}
    where.plan = replace(where.plan or Plan(), ladders={**LADDERS, **later})
    house.engine = Engine(BOOK, where)
    for n, device in enumerate(("a1-1", "a2-1", "a3-1")):
        assert not [key for key in house.says(n, device, smoke=True) if "daughter" in key or "grid" in key]
    assert house.says(3, "a4-1", smoke=True) == ["2/residents-1/mail@grid"]
    assert house.case(2).lead == incident(1)
    assert "1/call1-1/sms@daughter" in house.tick(90)


def test_what_only_a_family_has_heard_of_is_not_dispatched_nor_two_ways_to_who_must_come() -> None:
    house = House()
    called = house.says(0, "a1-1", smoke=True)
    for key in (key for key in called if key.endswith("@daughter")):
        house.engine.handle(Receipt(_moment(1), full_key(key), Outcome.ACCEPTED, 1))
    assert house.case(1).state == "raised"
    assert any("/spread-1/" in key for key in house.tick(5))
    house.engine.handle(Receipt(_moment(6), full_key("1/dispatch-1/robot"), Outcome.ACCEPTED, 1))
    assert house.case(1).state == "dispatched"


def test_what_rides_is_called_for_by_its_lead_alone_when_who_took_it_late_is_late_again() -> None:
    house = House()
    for n, device in enumerate(("a1-1", "a2-1")):
        house.says(n, device, smoke=True)
    house.tick(302)
    assert house.case(2).overdue == ("dispatch", "on_scene")
    for n, device in enumerate(("a1-2", "a2-2", "a3-1", "a4-1")):
        house.says(310 + n, device, smoke=True)
    assert [house.case(n).lead for n in (1, 2, 3, 4)] == ["", *[incident(1)] * 3]
    house.move(320, Verb.ACKNOWLEDGE, 1)
    assert any(key.startswith("1/call") for key in house.tick(320 + 300 + 61))
    house.tick(4000)
    said = {effect.incident for effect in house.effects if isinstance(effect, Entry) and effect.step is Step.EXHAUSTED}
    assert said == {incident(1)}
