"""What seldom happens: bounds that bite, snapshots of an older program, records that differ from the ledger's, places that are gone."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import pytest

from rules.conditions import ConditionError, compile_device, compile_where
from rules.document import Mistakes
from rules.engine import Engine, Standing
from rules.model import (
    SECOND,
    AlarmState,
    Device,
    DevicePattern,
    Freshness,
    Incident,
    Kind,
    Neighbourhood,
    Reading,
    SlaProfile,
    Text,
    Tick,
    Trouble,
    Verb,
    Zone,
)
from rules.watch import REMEMBERED_PLANS, REMEMBERED_SETS, Watch
from tests.rules.corner_street import CONFIRM, street
from tests.rules.small_block import DEVICES, T0, Hand, block, book, hand, moment, rule, through_bytes
from tests.rules.test_conditions import DEVICE, ZONE, flaws

BOOK = book(
    rule("smoke", "FIRE", "smoke", clear="not smoke", clear_for="60s"),
    rule("two", "PREALARM", "count(smoke_density > 0.3) >= 2", subject="zone", for_="30s"),
    rule("hot", "SUPERVISORY", "temperature > 57", ("heat_detector",), for_="60s"),
)
SLA = {Kind.FIRE: SlaProfile(), Kind.SUPERVISORY: SlaProfile()}


# --- the ledger is right ----------------------------------------------------------------------------------------------


def burning() -> Hand:
    """A fire at home, one in the garage, and a hold that runs."""
    here = hand(BOOK, SLA)
    here.read(0, "h1", smoke=True)
    here.read(1, "g1", smoke=True)
    here.read(2, "h3", temperature=60)
    return here


def test_records_alike_need_no_mending() -> None:
    here = burning()
    assert here.engine.reconcile(list(here.engine.open_incidents), "inc-000002") == []


def test_the_ledgers_record_of_the_same_place_is_taken_with_its_deadlines() -> None:
    here = burning()
    home, garage = here.engine.open_incidents
    told = replace(home, id="inc-000007", revision=9)
    mended = here.engine.reconcile([told, garage], "inc-000009")
    assert mended == ["inc-000007: the ledger's record was taken"]
    state = here.engine.device("b/h1")
    assert state is not None
    assert state.alarms == {"smoke": AlarmState.ACTIVE}
    assert [(i.id, i.revision) for i in here.engine.open_incidents] == [
        ("inc-000002", garage.revision),
        ("inc-000007", 9),
    ]
    assert "7 overdue dispatch" in here.tick(60)
    here.read(70, "g2", temperature=90)
    assert any(line.endswith("raised hot@g2") for line in here.tick(130))


def test_what_the_ledger_never_heard_of_goes_back_to_idle_and_is_raised_by_the_next_reading() -> None:
    here = burning()
    here.trouble(3, "history")
    here.read(4, "h1", smoke=False)
    here.tick(40)
    _, garage, *_ = here.engine.open_incidents
    mended = here.engine.reconcile([garage], "inc-000002")
    assert mended == [
        f"{stray}: unknown to the ledger, its alarms are idle again" for stray in ("inc-000001", "inc-000003")
    ]
    assert here.engine.troubles == {}
    assert here.tick(59) == []
    assert here.tick(4000)[-1].startswith("push")
    assert here.read(4001, "h1", smoke=True)[1].startswith("5 raised") or here.case(5)


def test_an_incident_that_we_lack_is_opened_for_a_person_to_close() -> None:
    here = hand(BOOK)
    lost = Incident(
        "inc-000004", "b", "b/home", "fire", Kind.FIRE, burning().case().state, burning().case().condition,
        Text("旧", "old"), T0,
    )  # fmt: skip
    assert here.engine.reconcile([lost], "inc-000004") == ["inc-000004: open in the ledger, unknown to the recovery"]
    assert [i.condition for i in here.engine.open_incidents] == ["returned"]


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_the_sets_of_names_that_are_remembered_have_a_bound() -> None:
    watch = Watch(book(rule("r", "FAULT", "held(fault, 1m)")).rules, "smoke_detector")
    for n in range(REMEMBERED_SETS + 2):
        assert len(watch.asked((f"n{n}", "fault"))) == len(watch.touched((f"n{n}", "fault"))) == 1
    assert len(watch.by_names) == 2


def test_the_plans_that_are_remembered_have_a_bound() -> None:
    watch = Watch(book(rule("r", "FAULT", "held(fault, 1m)")).rules, "smoke_detector")
    for n in range(REMEMBERED_PLANS + 2):
        assert [told.name for told in watch.plan((f"n{n}", "fault")).told] == ["held(fault, 1m)"]
    assert len(watch.plans) == 2
    plan = watch.plan(("fault",))
    for n in range(REMEMBERED_PLANS + 2):
        assert [rule.id for rule, _ in plan.asked((f"n{n}", "held(fault, 1m)"))] == ["r"]
    assert len(plan.by_moved) == 2


def test_a_device_whose_zone_is_gone_is_a_stranger_and_an_unknown_neighbour_is_none() -> None:
    zone = Zone("b/home", "b", Text("家", "home"), "dwelling", "", ("b/nowhere",))
    pattern = DevicePattern(re.compile(r"b/(?P<zone>\w+)-\d"), "smoke_detector", "b/{zone}", Text("烟", "smoke"))
    here = Neighbourhood(zones={zone.key: zone}, stations=(), patterns=(pattern,))
    assert here.device("b/attic-1") is here.device("nonsense") is None
    assert here.device("b/home-1") is not None
    assert Engine(book(CONFIRM), here).handle(Reading(T0, "b/home-1", {"smoke": True})) == []


# --- snapshots --------------------------------------------------------------------------------------------------------


def test_a_snapshot_of_an_older_program_knows_nothing_of_memories() -> None:
    one = Engine(book(rule("mute", "FAULT", "silent(60s)")), street())
    one.handle(Reading(T0, "c/smoke-1", {"battery": 5.0}))
    old = {k: v for k, v in one.snapshot().items() if k not in ("listening", "away", "memories")}
    old["timers"] = []
    other = Engine(one.book, street())
    other.restore(old)
    assert other.waited == T0
    found = other.handle(Tick(moment(61)))
    assert any(getattr(e, "state", None) is AlarmState.ACTIVE for e in found)


def test_a_device_that_is_away_and_lost_from_the_site_file_is_left_out() -> None:
    one = hand(book(rule("mute", "FAULT", "silent(60s)")))
    one.read(0, "h1", online=False)
    one.trouble(1, "feed")
    other = through_bytes(one.engine, block(without=frozenset({"h1"})))
    assert other.device("b/h1") is None
    assert other.waited == one.engine.waited == 0
    assert DEVICES["h1"] == ("smoke_detector", "home")


def test_trouble_of_the_feed_told_twice_changes_nothing() -> None:
    engine = hand(BOOK).engine
    engine.handle(Reading(T0, "b/h1", {"battery": 5.0}))
    engine.handle(Trouble(moment(5), "feed", active=False))
    assert engine.waited == 5 * SECOND
    for at in (6, 7):
        engine.handle(Trouble(moment(at), "feed", active=True, detail="gone"))
        assert engine.waited == 0
    engine.handle(Trouble(moment(8), "feed", active=False))
    engine.handle(Tick(moment(20)))
    engine.handle(Reading(moment(20), "b/h1", {"battery": 5.0}))
    assert engine.waited == 12 * SECOND


# --- evidence after people have resolved ------------------------------------------------------------------------------


def test_certain_evidence_that_asks_for_no_more_leaves_a_resolved_incident_alone() -> None:
    here = hand(book(rule("smoke", "FIRE", "smoke"), rule("warm", "PREALARM", "temperature > 40")))
    here.read(0, "h1", smoke=True)
    here.read(1, "h1", Freshness.FUTURE, temperature=50)
    here.move(2, Verb.RESOLVE)
    assert here.read(3, "h1", temperature=51) == []
    assert here.case().state == "resolved"


# --- texts ------------------------------------------------------------------------------------------------------------


def test_words_that_no_file_can_hold_and_constants_that_are_none() -> None:
    ((line, column, message, _),) = flaws('object == "\ud800"')
    assert (line, column) == (0, 0)
    assert message.startswith("unreadable text")
    assert flaws("object in (smok, 3)")[0][2] == "there is no quantity `smok`"
    assert flaws("default(smok, 3) > 2") == [(0, 8, "there is no quantity `smok`", "did you mean `smoke`?")]
    assert flaws("default(temperature, humidity) > 3")[0][2] == "`default(temperature, humidity)` cannot be read"
    assert compile_where("known(device.limit)").check(DEVICE, ZONE)
    assert isinstance(DEVICE, Device)


def test_a_condition_that_the_parser_itself_finds_too_deep_is_told_as_such() -> None:
    """Where its own stack ends depends on the Python and on who calls, so it is called from ever further down."""
    found = set()
    for levels in range(sys.getrecursionlimit()):
        try:
            _from_below(levels, "(" * 30 + "not " * 30 + "smoke" + ")" * 30)
        except ConditionError as error:
            found.add(error.flaws[0].message)
        except RecursionError:
            continue
    assert found <= {"nested more than 40 levels deep"}


def _from_below(levels: int, text: str) -> object:
    return _from_below(levels - 1, text) if levels else compile_device(text)


def test_a_rule_without_an_id_is_told_with_all_the_others() -> None:
    with pytest.raises(Mistakes) as caught:
        book("  - {kind: FAULT, devices: [a], when: fault, title: {zh: a, en: b}}\n", rule("a", "FAULT", "falt"))
    assert [m.field for m in caught.value.mistakes] == ["rules[0].id", "rules[1].when"]


def test_the_alarm_of_a_zone_that_the_site_file_lost_is_left_out() -> None:
    one = hand(book(rule("pair", "PREALARM", "count(smoke) >= 1", subject="zone")))
    one.read(0, "h1", smoke=True)
    one.read(1, "g1", smoke=True)
    here = block()
    garage = Neighbourhood(
        zones={"b/garage": here.zones["b/garage"]},
        stations=here.stations,
        devices={key: d for key, d in here.devices.items() if d.zone == "b/garage"},
    )
    assert [key for key, _ in through_bytes(one.engine, garage).snapshot()["zones"]] == [["pair", "b/garage"]]


def test_what_the_engine_can_be_asked() -> None:
    here = hand(BOOK)
    here.read(0, "h1", smoke=False)
    assert (here.engine.device_count, here.engine.knows("b/h2"), here.engine.knows("b/h9")) == (1, True, False)
    assert here.engine.next_due > moment(10**9)


def test_after_a_late_word_the_next_live_one_is_heard_by_all_memories_restarted_or_not() -> None:
    one = hand(book(rule("both", "FAULT", "held(smoke and silenced, 60s)")))
    one.read(0, "h1", smoke=True, silenced=True)
    one.read(10, "h1", Freshness.LATE, silenced=False)
    two = Hand(through_bytes(one.engine, block()))
    for here in (one, two):
        here.read(20, "h1", smoke=True)
        here.read(30, "h1", silenced=True)
    assert one.engine.snapshot() == two.engine.snapshot()
    assert not any("active" in line for line in one.tick(89.9))
    assert "both@h1 active" in one.tick(90)


def test_how_an_alarm_stands() -> None:
    made = book(
        rule("warm", "PREALARM", "temperature > 46", for_="10s", clear="temperature < 42", clear_for="30s"),
        rule("two", "FAULT", "count(fault) >= 2", subject="zone"),
    )
    here = hand(made)
    warm, two = made.rules
    stands = here.engine.standing
    assert stands(warm, "b/h1") == stands(two, "b/home") == Standing(AlarmState.IDLE)
    here.read(0, "h1", temperature=20, fault=True)
    assert stands(warm, "b/h1") == Standing(AlarmState.IDLE)
    here.read(5, "h1", temperature=50)
    assert stands(warm, "b/h1") == Standing(AlarmState.PENDING, "", moment(15))
    here.tick(15)
    assert stands(warm, "b/h1") == Standing(AlarmState.ACTIVE, "inc-000001")
    here.read(20, "h1", temperature=40)
    assert stands(warm, "b/h1") == Standing(AlarmState.CLEARING, "inc-000001", moment(50))
    here.read(60, "h2", fault=True)
    assert stands(two, "b/home") == Standing(AlarmState.ACTIVE, "inc-000002")


@pytest.mark.parametrize(
    ("house", "place"),
    [
        (None, ("2号楼3层", "Floor 3")),
        (Text("2号楼", "Block 2"), ("2号楼3层", "Block 2, Floor 3")),
        (Text("西楼", "Floor"), ("西楼 2号楼3层", "Floor 3")),
    ],
)
def test_a_place_is_told_with_its_building_where_it_does_not_tell_that_itself(
    house: Text | None, place: tuple[str, str]
) -> None:
    zone = Zone("yard/b2-f3", "yard", Text("2号楼3层", "Floor 3"), "dwelling", building_name=house)
    assert zone.place == Text(*place)
