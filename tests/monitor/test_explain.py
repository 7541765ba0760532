"""What an explanation says is what the engine does: the same verdict for any values, and the alarm as it stands, step by step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.explain import explain
from monitor.explanation import Explanation, Part, UnknownRule, UnknownSubject
from monitor.rule_sources import sources
from monitor.settings.books import shipped_books
from rules.engine import Engine
from rules.model import (
    SECOND,
    AlarmState,
    Device,
    Freshness,
    Kind,
    Measure,
    Micros,
    Move,
    Neighbourhood,
    Reading,
    Station,
    Suppress,
    Text,
    Tick,
    Value,
    Verb,
    Zone,
)
from rules.quantities import CATALOGUE
from rules.rulebook import load_book

T0: Micros = 1_795_305_600 * SECOND
SHIPPED = load_book(list(shipped_books("shipped:all").items()))
SOURCES = sources(SHIPPED)
KINDS = sorted(SHIPPED.device_kinds)


def block() -> Neighbourhood:
    """A zone of each sort that the books know, with a device of each kind in it."""
    zones = {
        f"b/{kind}": Zone(f"b/{kind}", "b", Text(kind, kind), kind)
        for kind in ("garage", "lobby", "fire_lane", "dwelling")
    }
    devices = {
        f"b/{kind}-{zone.kind}": Device(f"b/{kind}-{zone.kind}", "b", kind, zone.key, Text(kind, kind))
        for kind in KINDS
        for zone in zones.values()
    }
    return Neighbourhood(zones=zones, stations=(Station("s", Text("站", "s"), frozenset(zones), ()),), devices=devices)


def measured(name: str) -> st.SearchStrategy[Value]:
    """A value that a device could report."""
    quantity = CATALOGUE[name]
    if quantity.kind == "flag":
        return st.booleans()
    if quantity.kind == "text":
        return st.sampled_from(["car", "ebike", "cigarette", "fire", "person"])
    low, high = max(quantity.low, -100.0), min(quantity.high, 50_000.0)
    return st.one_of(st.floats(low, high), st.sampled_from([low, 0.0, min(1.0, high), high]))


ASKED = sorted({name for rule in SHIPPED.rules for name in rule.quantities if name in CATALOGUE})
readings = st.lists(
    st.tuples(
        st.sampled_from(sorted(block().devices)),
        st.fixed_dictionaries({}, optional={name: measured(name) for name in ASKED}),
    ).filter(lambda pair: bool(pair[1])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(readings)
def test_the_verdict_of_a_device_is_the_one_of_the_running_rule(said: list[tuple[str, dict[str, Value]]]) -> None:
    places = block()
    engine = Engine(SHIPPED, places)
    for n, (device, values) in enumerate(said):
        engine.handle(Reading(T0 + n * SECOND, device, values))
    device = said[-1][0]
    seen = engine.device(device)
    assert seen is not None
    for rule in SHIPPED.rules:
        if rule.check is not None and seen.device.kind in rule.devices:
            told = explain(engine, places, rule.id, device, known=SOURCES)
            state = seen.alarms.get(rule.id, AlarmState.IDLE)
            assert told.state is state, rule.id
            if state is AlarmState.PENDING:
                assert told.verdict == "true", rule.id
                assert told.due is not None
            assert told.sentences
            consistent(told.when)


def consistent(part: Part) -> None:
    """Kleene's logic holds at every node of the tree as it is shown."""
    verdicts = [inner.verdict for inner in part.parts]
    if part.text.startswith("not ") and len(verdicts) == 1:
        assert part.verdict == {"true": "false", "false": "true", "unknown": "unknown"}[verdicts[0]]
    elif len(verdicts) > 1 and all(isinstance(inner.value, bool) or inner.value is None for inner in part.parts):
        assert part.verdict in verdicts
    for inner in part.parts:
        consistent(inner)


ZONES = load_book([("zones.yaml", """
version: 1
rules:
  - id: both
    kind: FIRE
    subject: zone
    devices: [smoke_detector, heat_detector]
    when: any(smoke or smoke_density > 0.3) and count(temperature > 45) >= 1
    title: {zh: 火, en: Fire}
  - id: share
    kind: PREALARM
    subject: zone
    devices: [smoke_detector, heat_detector]
    when: count(smoke) / count(known(smoke)) > 0.5
    title: {zh: 烟, en: Smoke}
  - id: agreed
    kind: FIRE
    subject: zone
    confirm:
      voters:
        smoke: {devices: [smoke_detector], when: smoke or smoke_density > 0.3}
        heat: {devices: [heat_detector], when: heat or temperature > 45}
        thermal: {devices: [thermal_camera], when: thermal_max > 80}
    title: {zh: 火, en: Fire}
""")])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(readings)
def test_the_verdict_of_a_zone_is_the_one_of_the_running_rule(said: list[tuple[str, dict[str, Value]]]) -> None:
    places = block()
    engine = Engine(ZONES, places)
    for n, (device, values) in enumerate(said):
        engine.handle(Reading(T0 + n * SECOND, device, values))
    known = sources(ZONES)
    for rule in ZONES.rules:
        for zone in places.zones:
            told = explain(engine, places, rule.id, zone, known=known)
            if told.verdict == "true":
                assert told.state is AlarmState.ACTIVE, (rule.id, zone)
            elif told.state is AlarmState.ACTIVE:  # a division that cannot be made neither raises nor ends
                assert (rule.id, told.verdict) == ("share", "unknown")


# --- a night, step by step --------------------------------------------------------------------------------------------

BOOK = """
version: 1
rules:
  - id: dense
    kind: FIRE
    devices: [smoke_detector]
    where: zone.kind != "kitchen"
    when: smoke_density > device.limit and not default(test, false)
    for: 4s
    clear: smoke_density < 0.2
    clear_for: 60s
    title: {zh: 浓烟, en: Dense smoke}
"""


class Night:
    def __init__(self, **attributes: Value) -> None:
        zones = {f"b/{k}": Zone(f"b/{k}", "b", Text(k, k), k) for k in ("hall", "kitchen")}
        devices = {
            f"b/{n}": Device(f"b/{n}", "b", kind, f"b/{zone}", Text(n, n), attributes)
            for n, kind, zone in (("s", "smoke_detector", "hall"), ("k", "smoke_detector", "kitchen"), ("h", "heat_detector", "hall"))
        }  # fmt: skip
        self.places = Neighbourhood(zones=zones, stations=(), devices=devices)
        self.engine = Engine(load_book([("b.yaml", BOOK)]), self.places)

    def read(self, at: float, **values: Value) -> None:
        self.engine.handle(Reading(T0 + round(at * SECOND), "b/s", values))

    def ask(self, at: float, device: str = "b/s", **more: Any) -> Explanation:
        moment = T0 + round(at * SECOND)
        self.engine.handle(Tick(moment))
        return explain(self.engine, self.places, "dense", device, at=moment, **more)


def said(told: Explanation) -> list[str]:
    return [sentence.en for sentence in told.sentences]


def test_from_quiet_to_reset() -> None:
    night = Night(limit=0.5)
    told = night.ask(0)
    assert (told.verdict, told.state, said(told)[0]) == (
        "unknown", AlarmState.IDLE, "The condition is unknown: smoke_density, test was never reported.",
    )  # fmt: skip
    night.read(10, smoke_density=0.3)
    assert said(night.ask(11)) == ["The condition is false."]
    night.read(20, smoke_density=0.7)
    told = night.ask(21.5)
    assert (told.state, told.due, said(told)) == (
        AlarmState.PENDING, T0 + 24 * SECOND, ["The condition holds; it fires if it holds for 2s500ms more."],
    )  # fmt: skip
    told = night.ask(30)
    assert (told.state, told.incident, told.due) == (AlarmState.ACTIVE, "inc-000001", None)
    night.read(40, smoke_density=0.1)
    told = night.ask(70)
    assert said(told) == ["The condition is over; after 30s more the alarm latches, incident inc-000001."]
    assert told.clear is not None
    assert told.clear.verdict == "true"
    assert said(night.ask(101)) == ["It is over and waits for a reset, incident inc-000001."]
    night.read(110, smoke_density=0.9)
    night.engine.handle(Move(T0 + 111 * SECOND, "inc-000001", Verb.RESET, "王"))
    assert said(night.ask(112)) == [
        "The condition holds and there is no alarm: it was reset, and no reading has come since."
    ]


def test_a_missing_attribute_and_a_wrong_one() -> None:
    night = Night()
    night.read(0, smoke_density=0.9, test=False)
    told = night.ask(1)
    assert told.missing == ("device.limit",)
    assert said(told)[0] == "The condition is unknown: the site file does not give device.limit."
    assert said(told)[1] == "Unknown neither raises an alarm nor ends one."
    odd = Night(limit="high")
    odd.read(0, smoke_density=0.9, test=False)
    assert said(odd.ask(1))[0] == "The condition is unknown: a value of another sort, or a division by zero."


def test_devices_that_the_rule_does_not_watch() -> None:
    night = Night(limit=0.5)
    kitchen, heat = night.ask(0, "b/k"), night.ask(0, "b/h")
    assert (kitchen.applies, said(kitchen)) == (False, ["The `where` of the rule does not hold for this device."])
    assert kitchen.where is not None
    assert (kitchen.where.text, kitchen.where.verdict) == ("zone.kind != 'kitchen'".replace("'", '"'), "false")
    assert said(heat) == ["The rule watches smoke_detector; this device is a heat_detector."]


def test_ages_of_quantities_where_they_are_known() -> None:
    night = Night(limit=0.5)
    night.read(0, test=False)
    night.read(60, smoke_density=0.3)
    told = night.ask(90, heard={("b/s", "smoke_density"): T0 + 60 * SECOND})
    assert [(m.quantity, m.value, m.at, m.device_at) for m in told.measured] == [
        ("smoke_density", 0.3, T0 + 60 * SECOND, T0 + 60 * SECOND),
        ("test", False, None, T0 + 60 * SECOND),
    ]


def test_what_is_not_there() -> None:
    night = Night()
    with pytest.raises(UnknownRule):
        explain(night.engine, night.places, "none", "b/s")
    with pytest.raises(UnknownSubject, match="no device b/x"):
        night.ask(0, "b/x")


@pytest.mark.parametrize("measure", [Measure.TEST, Measure.IMPAIRED])
@pytest.mark.parametrize("subject", ["b/smoke_detector-dwelling", "b/dwelling"])
def test_a_measure_is_part_of_the_explanation(measure: Measure, subject: str) -> None:
    """Under test a detector confirms nothing and sends nobody; impaired it does both. That is said."""
    places = block()
    engine = Engine(SHIPPED, places)
    smoke, heat = "b/smoke_detector-dwelling", "b/heat_detector-dwelling"
    engine.handle(Suppress(T0, measure, subject, "li", "work", T0 + 600 * SECOND, compensation="watch"))
    engine.handle(Reading(T0 + SECOND, smoke, {"smoke": True}))
    engine.handle(Reading(T0 + 2 * SECOND, heat, {"heat": True}))
    confirmed = explain(engine, places, "confirmed-fire", "b/dwelling", known=SOURCES)
    assert (confirmed.verdict == "true") is (confirmed.state is AlarmState.ACTIVE)
    assert (confirmed.state is AlarmState.ACTIVE) is (measure is Measure.IMPAIRED)
    words = {Measure.TEST: "under test", Measure.IMPAIRED: "impaired"}[measure]
    assert any(smoke in said.en and words in said.en for said in confirmed.sentences)
    alone = explain(engine, places, "smoke-alarm", smoke, known=SOURCES)
    assert alone.state is AlarmState.ACTIVE
    withheld = "Nobody is sent: the measure sup-000001 withholds it." in [said.en for said in alone.sentences]
    assert withheld is (measure is Measure.TEST)


def test_what_is_under_test_counts_in_no_rule_about_zones_as_the_engine_has_it() -> None:
    places = block()
    engine = Engine(ZONES, places)
    engine.handle(Suppress(T0, Measure.TEST, "b/dwelling", "li", "work", T0 + 600 * SECOND))
    for n, device in enumerate(sorted(places.devices)):
        engine.handle(Reading(T0 + n * SECOND, device, {"smoke": True, "temperature": 80.0}))
    for rule in ZONES.rules:
        told = explain(engine, places, rule.id, "b/dwelling")
        if told.state is AlarmState.IDLE and rule.kind in (Kind.FIRE, Kind.PREALARM):
            assert told.verdict != "true", rule.id


def test_doubtful_evidence_is_said_to_be_doubtful() -> None:
    places = block()
    engine = Engine(SHIPPED, places)
    smoke = "b/smoke_detector-dwelling"
    engine.handle(Reading(T0, smoke, {"smoke": True}, Freshness.LATE, T0 - 300 * SECOND))
    told = explain(engine, places, "smoke-alarm", smoke, known=SOURCES)
    assert any("a live reading confirms it" in said.en for said in told.sentences)
