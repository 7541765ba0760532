"""The books that a neighbourhood starts with: whole, in both languages, reasoned, and built alike. What each rule does: tests/books."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rules.document import Mistakes
from rules.model import SECOND, Device, Kind, Text, Value, Zone
from rules.rulebook import Rule, RuleBook, load_book

BOOKS = Path(__file__).parents[2] / "rules" / "books"
NAMES = [
    "charging.yaml",
    "devices.yaml",
    "dwelling.yaml",
    "equipment.yaml",
    "fire-lane.yaml",
    "garage.yaml",
    "people.yaml",
]
KINDS = {
    "smoke_detector", "heat_detector", "thermal_camera", "camera", "charger", "call_point", "extinguisher", "suppression",
    "hydrant", "sprinkler", "fire_door", "gateway", "human_report",
}  # fmt: skip
AT_ONCE = {
    "smoke-alarm", "elderly-smoke", "heat-alarm", "call-point", "suppression-discharged", "extinguisher-discharged",
    "charger-relay-welded", "confirmed-fire", "reported-fire", "reported-smoke", "reported-by-two", "reported-lane-blocked",
    "reported-charging", "reported-other",
}  # fmt: skip
"""What a device or a person has decided, or two kinds of evidence say together, waits for nothing."""


HELD_WITHIN = {"smoke-rising-fire", "smoke-density-fire", "garage-hot-spot-rising"}
"""Their conditions ask for a lasting change themselves: `held`, or the means and minima of some seconds."""


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return load_book([(path.name, path.read_text("utf-8")) for path in sorted(BOOKS.glob("*.yaml"))])


def watches(rule: Rule, kind: str, zone: str, **attributes: Value) -> bool:
    """Does the rule watch such a device in such a zone?"""
    device = Device("y/d", "y", kind, "y/z", Text("某", "D"), attributes)
    return kind in rule.devices and (rule.where is None or rule.where(device, Zone("y/z", "y", Text("某", "Z"), zone)))


def test_the_books_and_the_devices_they_watch(book: RuleBook) -> None:
    assert [name for name, _ in book.texts] == NAMES
    assert book.device_kinds == KINDS
    assert {rule.kind for rule in book.rules} == set(Kind)


def test_every_rule_speaks_both_languages_and_gives_its_reason(book: RuleBook) -> None:
    for rule in book.rules:
        assert rule.advice is not None, rule.id
        for text in (rule.title, rule.advice):
            assert re.search("[\u4e00-\u9fff]", text.zh), rule.id
            assert text.en.isascii(), rule.id
        assert len(rule.source) > 60, rule.id


def test_no_two_rules_are_told_in_the_same_words(book: RuleBook) -> None:
    for titles in ([rule.title.zh for rule in book.rules], [rule.title.en for rule in book.rules]):
        assert sorted(titles) == sorted(set(titles))


def test_fires_latch_and_share_a_group_with_their_prealarms(book: RuleBook) -> None:
    for rule in book.rules:
        assert rule.latch is (rule.kind is Kind.FIRE), rule.id
        if rule.kind in (Kind.FIRE, Kind.PREALARM):
            assert rule.group == "fire", rule.id
    others = {rule.id for rule in book.rules if rule.group == "fire" and rule.kind not in (Kind.FIRE, Kind.PREALARM)}
    assert others == {"charger-port-hot/1"}, "a warning that the graver alarm of the same place is to join"


def test_the_health_of_devices_is_a_fault_which_pages_nobody(book: RuleBook) -> None:
    (name,) = (text for file, text in book.texts if file == "devices.yaml")
    devices = load_book([("devices.yaml", name)])
    assert {rule.kind for rule in devices.rules} == {Kind.FAULT}
    assert {rule.id for rule in book.rules if rule.kind is Kind.FAULT} == set(devices.by_id)


def test_what_a_sensor_measures_is_held_against_spikes_and_over_at_another_limit(book: RuleBook) -> None:
    """What only dirt, sun or a single bad sample crosses must not alarm, and what hovers must not chatter."""
    measured = {
        "smoke_density",
        "temperature",
        "thermal_max",
        "port_temperature",
        "current",
        "power",
        "pressure",
        "leakage_current",
    }
    for rule in book.rules:
        if (
            rule.quantities & measured
            and rule.subject == "device"
            and rule.kind is not Kind.FAULT
            and rule.id not in AT_ONCE
        ):
            assert rule.hold >= 2 * SECOND or rule.id in HELD_WITHIN, rule.id
            assert rule.clear_check is not None or rule.id == "charging-overcharge", rule.id
            assert rule.clear_for > 0, rule.id


def test_only_what_a_device_has_decided_goes_out_at_once(book: RuleBook) -> None:
    assert {r.id for r in book.rules if r.hold == 0 and r.kind is Kind.FIRE} <= AT_ONCE | HELD_WITHIN | {
        "smoke-and-heat-fire"
    }


@pytest.mark.parametrize(
    ("identity", "kind", "zones"),
    [
        ("garage-hot-spot", "thermal_camera", {"garage", "charging", "shed"}),
        ("fire-lane-blocked", "camera", {"fire_lane"}),
        ("climbing-area-obstructed", "camera", {"operation_area"}),
        ("ebike-indoors", "camera", {"lobby", "corridor", "stairwell", "exit", "lift"}),
    ],
)
def test_rules_keep_to_their_zones(book: RuleBook, identity: str, kind: str, zones: set[str]) -> None:
    everywhere = {
        "garage",
        "charging",
        "shed",
        "fire_lane",
        "operation_area",
        "lobby",
        "corridor",
        "stairwell",
        "exit",
        "lift",
    }
    for zone in everywhere | {"dwelling"}:
        assert watches(book.by_id[identity], kind, zone) is (zone in zones)


def test_the_site_file_says_which_devices_are_special(book: RuleBook) -> None:
    rules = book.by_id
    assert watches(rules["fire-door-open"], "fire_door", "stairwell")
    assert not watches(rules["fire-door-open"], "fire_door", "stairwell", normally_open=True)
    assert watches(rules["smoke-rising-fire"], "smoke_detector", "dwelling")
    assert not watches(rules["smoke-rising-fire"], "smoke_detector", "dwelling", near_steam=True)
    assert not watches(rules["elderly-smoke"], "smoke_detector", "dwelling")
    assert watches(rules["heat-rate-fire"], "heat_detector", "dwelling", heat_class="A1R")
    assert not watches(rules["heat-rate-fire"], "heat_detector", "dwelling")
    assert watches(rules["device-silent"], "smoke_detector", "dwelling")
    assert not watches(rules["device-silent"], "smoke_detector", "dwelling", power="mains")
    assert watches(rules["mains-device-silent"], "smoke_detector", "dwelling", power="mains")
    assert rules["hydrant-pressure-low"].attributes == {"device.pressure_low"}


def test_every_attribute_that_a_book_asks_for_is_told_in_its_page(book: RuleBook) -> None:
    page = (BOOKS.parents[1] / "docs" / "books.md").read_text("utf-8")
    for rule in book.rules:
        for attribute in rule.attributes:
            assert f"`{attribute.partition('.')[2]}`" in page, f"{rule.id}: {attribute}"
        assert f"`{rule.id.partition('/')[0]}`" in page, rule.id


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
