"""The books that a neighbourhood starts with: whole, in both languages, reasoned, and right about what they are for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rules.document import Mistakes
from rules.model import SECOND, Device, Kind, Text, Value, Zone
from rules.quantities import CATALOGUE
from rules.rulebook import Rule, RuleBook, load_book

BOOKS = Path(__file__).parents[2] / "rules" / "books"
KINDS = {
    "smoke_detector", "heat_detector", "thermal_camera", "camera", "charger", "call_point", "extinguisher", "hydrant",
    "fire_door", "gateway",
}  # fmt: skip
GARAGE = Zone("y/g", "y", Text("车库", "Garage"), "garage")


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return load_book([(path.name, path.read_text("utf-8")) for path in sorted(BOOKS.glob("*.yaml"))])


def holds(rule: Rule, values: dict[str, Value], **attributes: Value) -> bool | None:
    assert rule.check is not None
    device = Device("y/d", "y", min(rule.devices), GARAGE.key, Text("某", "D"), attributes)
    return rule.check(values, device, GARAGE)


def clears(rule: Rule, values: dict[str, Value], **attributes: Value) -> bool:
    device = Device("y/d", "y", min(rule.devices), GARAGE.key, Text("某", "D"), attributes)
    if rule.clear_check is None:
        return holds(rule, values, **attributes) is False
    return rule.clear_check(values, device, GARAGE) is True


def test_four_books_with_their_rules(book: RuleBook) -> None:
    assert [name for name, _ in book.texts] == ["dwelling.yaml", "equipment.yaml", "fire-lane.yaml", "garage.yaml"]
    assert len(book.rules) >= 14
    assert book.device_kinds == KINDS
    assert {rule.kind for rule in book.rules} == set(Kind)


def test_every_rule_speaks_both_languages_and_gives_its_reason(book: RuleBook) -> None:
    for rule in book.rules:
        assert rule.advice is not None, rule.id
        for text in (rule.title, rule.advice):
            assert re.search("[\u4e00-\u9fff]", text.zh), rule.id
            assert text.en.isascii(), rule.id
        assert len(rule.source) > 30, rule.id


def test_fires_latch_and_share_a_group_with_their_prealarms(book: RuleBook) -> None:
    for rule in book.rules:
        assert rule.latch is (rule.kind is Kind.FIRE), rule.id
        assert (rule.group == "fire") is (rule.kind in (Kind.FIRE, Kind.PREALARM)), rule.id


def test_the_health_of_devices_is_a_fault_which_pages_nobody(book: RuleBook) -> None:
    health = {"battery", "battery_low", "tamper", "fault", "online", "mains_lost", "video_lost"}
    for rule in book.rules:
        if rule.quantities & health:
            assert rule.kind is Kind.FAULT, rule.id


def test_limits_have_hysteresis_and_hold_against_spikes(book: RuleBook) -> None:
    """What only dirt, sun or a single bad sample crosses must not alarm, and what hovers must not chatter."""
    noisy = {
        "smoke_density",
        "temperature",
        "thermal_max",
        "port_temperature",
        "current",
        "pressure",
        "leakage_current",
    }
    for rule in book.rules:
        if rule.quantities & noisy and rule.subject == "device":
            assert rule.hold >= 2 * SECOND, rule.id
            assert rule.clear_check is not None, rule.id
        if rule.hold and "discharged" not in rule.quantities:
            assert rule.clear_for > 0, rule.id


def test_no_rule_is_deaf_to_a_detector_that_never_speaks_of_tests(book: RuleBook) -> None:
    alarms: dict[str, dict[str, Value]] = {
        "smoke-alarm": {"smoke": True},
        "smoke-density-fire": {"smoke_density": 0.6},
        "smoke-density-prealarm": {"smoke_density": 0.4},
        "heat-alarm": {"heat": True},
        "heat-static": {"temperature": 60.0},
        "heat-prealarm": {"temperature": 50.0},
        "call-point": {"call_point": True},
    }
    for identity, alarm in alarms.items():
        rule = book.by_id[identity]
        assert holds(rule, alarm) is True, identity
        assert holds(rule, {**alarm, "test": False}) is True, identity
        assert holds(rule, {**alarm, "test": True}) is False, identity
        assert not clears(rule, {**alarm, "test": True}), f"{identity}: a test button must not end a fire"


@pytest.mark.parametrize(
    ("identity", "quiet", "between", "alarm"),
    [
        ("smoke-density-prealarm", {"smoke_density": 0.1}, {"smoke_density": 0.2}, {"smoke_density": 0.31}),
        ("smoke-density-fire", {"smoke_density": 0.1}, {"smoke_density": 0.4}, {"smoke_density": 0.51}),
        ("heat-prealarm", {"temperature": 35.0}, {"temperature": 44.0}, {"temperature": 47.0}),
        ("heat-static", {"temperature": 35.0}, {"temperature": 55.0}, {"temperature": 57.5}),
        ("garage-hot-spot", {"thermal_max": 40.0}, {"thermal_max": 100.0}, {"thermal_max": 160.0}),
        (
            "garage-warm-spot",
            {"thermal_max": 60.0, "thermal_mean": 50.0},
            {"thermal_max": 75.0, "thermal_mean": 40.0},
            {"thermal_max": 85.0, "thermal_mean": 30.0},
        ),
        ("charger-port-hot", {"port_temperature": 40.0}, {"port_temperature": 80.0}, {"port_temperature": 91.0}),
        ("charger-over-current", {"current": 5.0}, {"current": 9.5}, {"current": 10.1}),
        ("charger-leakage", {"leakage_current": 5.0}, {"leakage_current": 27.0}, {"leakage_current": 31.0}),
        ("extinguisher-pressure-low", {"pressure": 1.2}, {"pressure": 1.02}, {"pressure": 0.9}),
        ("hydrant-pressure-low", {"pressure": 0.3}, {"pressure": 0.15}, {"pressure": 0.1}),
        ("battery-nearly-empty", {"battery": 90.0}, {"battery": 20.0}, {"battery": 10.0}),
    ],
)
def test_a_limit_alarms_returns_and_waits_in_between(
    book: RuleBook, identity: str, quiet: dict[str, Value], between: dict[str, Value], alarm: dict[str, Value]
) -> None:
    rule = book.by_id[identity]
    assert (holds(rule, quiet), clears(rule, quiet)) == (False, True)
    assert (holds(rule, between), clears(rule, between)) == (False, False)
    assert (holds(rule, alarm), clears(rule, alarm)) == (True, False)


@pytest.mark.parametrize(
    ("identity", "alarm", "quiet"),
    [
        ("smoke-alarm", {"smoke": True}, {"smoke": False}),
        ("heat-alarm", {"heat": True}, {"heat": False}),
        ("call-point", {"call_point": True}, {"call_point": False}),
        ("ebike-indoors", {"object": "motorcycle", "dwell": 31.0, "score": 0.9}, {"object": "person", "dwell": 31.0}),
        ("fire-lane-blocked", {"object": "car", "dwell": 121.0}, {"object": "car", "dwell": 119.0}),
        ("fire-lane-occupied", {"vehicle_count": 1.0}, {"vehicle_count": 0.0}),
        ("garage-smoking", {"object": "cigarette", "score": 0.7}, {"object": "cigarette", "score": 0.4}),
        ("garage-flame-seen", {"object": "flame"}, {"object": "person"}),
        ("charger-relay-welded", {"relay_welded": True}, {"relay_welded": False}),
        ("charging-too-long", {"charging_time": 36_001.0}, {"charging_time": 36_001.0, "charging": False}),
        ("extinguisher-discharged", {"discharged": True}, {"discharged": False}),
        ("extinguisher-missing", {"missing": True}, {"missing": False}),
        ("fire-door-open", {"door_open": True}, {"door_open": False}),
        ("battery-low", {"battery_low": True}, {"battery_low": False}),
        ("device-tampered", {"tamper": True}, {"tamper": False}),
        ("device-fault", {"fault": True}, {"fault": False}),
        ("device-offline", {"online": False}, {"online": True}),
        ("gateway-mains-lost", {"mains_lost": True}, {"mains_lost": False}),
        ("camera-blind", {"video_lost": True}, {"video_lost": False}),
    ],
)
def test_a_state_alarms_and_returns(
    book: RuleBook, identity: str, alarm: dict[str, Value], quiet: dict[str, Value]
) -> None:
    rule = book.by_id[identity]
    assert (holds(rule, alarm), clears(rule, alarm)) == (True, False)
    assert (holds(rule, quiet), clears(rule, quiet)) == (False, True)
    assert not clears(rule, {}), "silence is not good news"
    for name in (*alarm, *quiet):
        assert name in CATALOGUE


def test_every_rule_is_tried_here(book: RuleBook) -> None:
    source = Path(__file__).read_text("utf-8")
    for rule in book.rules:
        assert f'"{rule.id}"' in source, rule.id


def test_the_site_file_gives_a_device_its_own_limit(book: RuleBook) -> None:
    rule = book.by_id["charger-over-current"]
    assert holds(rule, {"current": 15.0}, rated_current=16.0) is False
    assert holds(rule, {"current": 16.1}, rated_current=16.0) is True
    assert book.by_id["hydrant-pressure-low"].attributes == {"device.pressure_low"}
    door = book.by_id["fire-door-open"]
    assert door.where is not None
    for attributes, watched in (({}, True), ({"normally_open": True}, False)):
        device = Device("y/d", "y", "fire_door", GARAGE.key, Text("门", "Door"), attributes)
        assert door.where(device, GARAGE) is watched


@pytest.mark.parametrize(
    ("identity", "zones"),
    [
        ("garage-hot-spot", {"garage", "charging", "shed"}),
        ("fire-lane-blocked", {"fire_lane", "operation_area"}),
        ("ebike-indoors", {"lobby", "corridor", "stairwell", "exit", "lift"}),
    ],
)
def test_rules_keep_to_their_zones(book: RuleBook, identity: str, zones: set[str]) -> None:
    where = book.by_id[identity].where
    assert where is not None
    device = Device("y/d", "y", "camera", "y/z", Text("某", "D"))
    everywhere = {"garage", "charging", "shed", "fire_lane", "operation_area", "lobby", "corridor", "stairwell", "exit"}
    for kind in everywhere | {"lift", "dwelling"}:
        assert where(device, Zone("y/z", "y", Text("某", "Z"), kind)) is (kind in zones)


def test_the_book_and_the_mistakes_shown_in_the_docs_are_what_comes() -> None:
    page = (BOOKS.parents[1] / "docs" / "rules.md").read_text("utf-8")
    example = page.partition("```yaml\n")[2].partition("```")[0]
    assert load_book([("example.yaml", example)]).by_id["smoke-density-fire"].hold == 4 * SECOND
    faulty = (
        "version: 1\nrules:\n  - id: r\n    kind: FAULT\n    devices: [gateway]\n    title: {zh: 一, en: One}\n"
        "    when: temprature > 57 or battery > 500\n    for: 10s\n    clear: smoke == 1\n"
    )
    with pytest.raises(Mistakes) as caught:
        load_book([("garage.yaml", faulty)])
    for mistake in caught.value.mistakes:
        assert f"    {mistake}\n" in page


def test_a_fire_is_confirmed_by_smoke_and_heat_of_one_zone(book: RuleBook) -> None:
    rule = book.by_id["confirmed-fire"]
    assert rule.decide is not None
    assert rule.decide_clear is not None

    def counts(*devices: dict[str, Value]) -> list[int]:
        one = Device("y/d", "y", "smoke_detector", GARAGE.key, Text("某", "D"))
        return [sum(term(values, one, GARAGE) is True for values in devices) for term in rule.terms]

    smoke: dict[str, Value] = {"smoke_density": 0.4}
    heats: list[dict[str, Value]] = [{"heat": True}, {"temperature": 46.0}]
    for heat in heats:
        assert rule.decide(counts(smoke, heat)) is True
        assert rule.decide(counts({"smoke": True}, heat)) is True
        assert rule.decide(counts(heat)) is False
        assert rule.decide(counts({"smoke": True, "test": True}, heat)) is False
    assert rule.decide(counts(smoke, {"smoke": True})) is False, "two detectors of smoke are one kind of evidence"
    assert rule.decide_clear(counts({"smoke_density": 0.2}, {"temperature": 30.0})) is False
    assert rule.decide_clear(counts({"smoke_density": 0.1}, {"temperature": 43.0})) is False
    assert rule.decide_clear(counts({"smoke_density": 0.1}, {"temperature": 30.0})) is True
