"""What is allowed and hardly ever meant: each caution where it belongs, and none where it does not."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.implication import implies
from monitor.rule_warnings import Caution, Review, interval_of, review
from monitor.settings.books import shipped_books
from monitor.settings.site_places import SitePlaces, load_places
from rules import expression as ex
from rules.checking import Checker, Scope
from rules.conditions import compile_device
from rules.model import MINUTE, SECOND, Device, Text, Value, Zone
from rules.rulebook import load_book
from rules.schedules import SHIPPED
from rules.syntax import Source

GOOD: dict[str, Any] = {
    "id": "smoke", "kind": "FIRE", "devices": ["smoke_detector"], "when": "smoke_density > 0.5", "clear": "smoke_density < 0.2",
    "title": {"zh": "烟", "en": "Smoke"}, "advice": {"zh": "去", "en": "Go"}, "reason": "EN 14604",
}  # fmt: skip


def entry(**changes: Any) -> dict[str, Any]:
    """GOOD, changed; None takes a field away."""
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not None}


def reviewed(
    *rules: dict[str, Any],
    places: SitePlaces | None = None,
    interval: int | None = None,
    today: date | None = None,
) -> Review:
    text = yaml.safe_dump({"version": 1, "rules": list(rules)}, allow_unicode=True, sort_keys=False)
    return review(load_book([("book.yaml", text)]), places, interval, today)


def told(*rules: dict[str, Any], **more: Any) -> list[str]:
    """`field: the English reason` of each."""
    return [f"{c.field}: {c.reason.en}" for c in reviewed(*rules, **more).cautions]


def site(folder: Path, *devices: dict[str, Any], zones: list[dict[str, Any]] | None = None) -> SitePlaces:
    data = {
        "sites": [{"id": "s", "name": "区", "zones": zones or [{"id": "hall", "name": "厅", "kind": "lobby"}], "devices": list(devices)}],
        "stations": [{"id": "post", "name": "站", "zones": ["*"], "recipients": ["hook"]}],
        "channels": {"hook": {"kind": "webhook"}},
    }  # fmt: skip
    (folder / "site.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    return load_places(folder / "site.yaml")


def smoke(**changes: Any) -> dict[str, Any]:
    return {"id": "s1", "kind": "smoke_detector", "zone": "hall", **changes}


def test_a_good_rule_is_not_spoken_of(tmp_path: Path) -> None:
    assert told(GOOD) == []
    assert told(GOOD, places=site(tmp_path, smoke()), interval=10 * SECOND) == []


def test_the_shipped_books_are_not_spoken_of() -> None:
    found = review(load_book(list(shipped_books("shipped:all").items())))
    assert [str(c) for c in found.cautions] == []


# --- the book alone ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "redundant"),
    [
        ("smoke_density > 0.8", "smoke_density > 0.5", True),
        ("smoke_density >= 0.5", "smoke_density > 0.5", False),
        ("smoke_density > 0.5", "smoke_density >= 0.5", True),
        ("smoke_density > 0.8 and not default(test, false)", "smoke_density > 0.5", True),
        ("smoke_density > 0.8", "smoke_density > 0.5 and not default(test, false)", False),
        ("smoke_density > 0.8 or temperature > 90", "smoke_density > 0.5 or temperature > 57", True),
        ("smoke_density > 0.8 or humidity > 90", "smoke_density > 0.5 or temperature > 57", False),
        ('object == "car"', 'object in ("car", "truck")', True),
        ('object in ("car", "bus")', 'object in ("car", "truck")', False),
        ("0.5 < smoke_density < 0.7", "smoke_density > 0.4", True),
        ("mean(temperature, 30s) > 60", "mean(temperature, 30s) > 50", True),
        ("mean(temperature, 30s) > 60", "mean(temperature, 60s) > 50", False),
    ],
)
def test_a_rule_that_another_one_makes_needless(one: str, other: str, redundant: bool) -> None:
    a, b = entry(id="a", when=one, clear_for="10s"), entry(id="b", when=other, clear_for="10s")
    found = [line for line in told(a, b) if "has alarmed already" in line]
    assert (any(line.startswith("a.when: ") for line in found)) is redundant
    for different in (
        {"kind": "PREALARM", "group": "other"},
        {"group": "other"},
        {"devices": ["smoke_detector", "gateway"]},
    ):
        assert not any(
            line.startswith("a.when: ") and "alarmed already" in line for line in told({**a, **different}, b)
        )
    slower = [line for line in told(a, {**b, "for": "10s"}) if line.startswith("a.when: ")]
    assert not slower, "the other one is later: this one is not needless"


def test_of_two_alike_one_is_told() -> None:
    found = [line for line in told(entry(id="a"), entry(id="b")) if "alarmed already" in line]
    assert len(found) == 1


OPS = st.sampled_from(["<", "<=", ">", ">=", "=="])
LIMITS = st.sampled_from([0.2, 0.5, 0.8])
comparisons = st.builds(lambda op, limit: f"smoke_density {op} {limit}", OPS, LIMITS) | st.sampled_from(
    ["smoke", "not smoke", 'object == "car"', 'object in ("car", "bus")', "temperature > 50", "temperature > 60"]
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.builds(
        lambda word, parts: "(" + f" {word} ".join(parts) + ")",
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=2, max_size=3),
    ),
    max_leaves=5,
)
states = st.fixed_dictionaries(
    {},
    optional={
        "smoke_density": st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9]),
        "smoke": st.booleans(),
        "object": st.sampled_from(["car", "bus", "van"]),
        "temperature": st.sampled_from([20.0, 50.0, 55.0, 60.0, 70.0]),
    },
)


def tree(text: str) -> ex.Expression | None:
    source = Source(text)
    checker = Checker(source, Scope.DEVICE, [])
    found = checker.value(source.parse())
    return None if checker.flaws else found


@settings(max_examples=300, deadline=None)
@given(conditions, conditions, st.lists(states, min_size=20, max_size=40))
def test_what_is_called_implied_is_implied(one: str, other: str, moments: list[dict[str, Value]]) -> None:
    a, b = tree(one), tree(other)
    if a is None or b is None:  # a contradiction, which no book can hold
        return
    if implies(a, b):
        here = Device("s/d", "s", "camera", "s/z", Text("", "")), Zone("s/z", "s", Text("", ""), "lobby")
        first, second = compile_device(one).check, compile_device(other).check
        assert not [m for m in moments if first(m, *here) is True and second(m, *here) is not True]
    assert implies(a, a)


def test_a_fire_without_advice_or_reason() -> None:
    assert told(entry(advice=None)) == ["smoke: A fire without advice: who is sent does not read what to do first."]
    assert told(entry(reason=None)) == [
        "smoke.when: A limit without a reason: the next person cannot tell whether it may be changed."
    ]
    assert told(entry(reason=None, when="smoke", clear="not smoke")) == []
    assert told(entry(kind="FAULT", reason=None, advice=None, group="x")) == []


def test_chatter() -> None:
    bare = entry(kind="PREALARM", clear=None)
    assert told(bare) == [
        "smoke.when: When smoke_density hovers at the limit, alarms come and go: there is neither clear nor clear_for."
    ]
    for calm in (
        {"clear_for": "10s"},
        {"latch": True},
        {"kind": "FIRE"},
        {"when": "smoke"},
        {"when": "vehicle_count > 0"},
    ):
        assert told({**bare, **calm}) == [], calm


@pytest.mark.parametrize(
    ("clear", "turned"),
    [
        ("smoke_density > 0.2", True),
        ("smoke_density > 0.5", True),
        ("smoke_density < 0.2", False),
        ("smoke_density > 0.6", False),
    ],
)
def test_a_way_back_that_is_the_wrong_way_round(clear: str, turned: bool) -> None:
    found = [c for c in reviewed(entry(clear=clear)).cautions if "wrong way round" in c.reason.en]
    assert [c.field for c in found] == (["smoke.clear"] if turned else [])


@pytest.mark.parametrize(
    ("devices", "when", "one_voice"),
    [
        (["heat_detector"], "smoke", False),
        (["heat_detector", "smoke_detector"], "smoke or temperature > 50", True),
        (["heat_detector", "smoke_detector"], "temperature > 50", False),
    ],
)
def test_two_voters_that_one_signal_of_one_device_would_be(devices: list[str], when: str, one_voice: bool) -> None:
    voters = {"smoke": {"devices": ["smoke_detector"], "when": "smoke"}, "heat": {"devices": devices, "when": when}}
    found = told(entry(devices=None, when=None, clear=None, confirm={"voters": voters}))
    assert [line.partition(":")[0] for line in found] == (["smoke.confirm"] if one_voice else [])
    assert all("one signal would count as two" in line for line in found)


# --- the book at a site -----------------------------------------------------------------------------------------------


WORKING = "workday() and smoke_density > 0.5"
FREE = "smoke_density < 0.2 and not holiday()"
LAST = max(SHIPPED.years)


@pytest.mark.parametrize(
    ("today", "when", "clear", "missing"),
    [
        (date(LAST, 12, 1), WORKING, None, ""),
        (date(LAST, 12, 2), WORKING, None, f"smoke.when: {LAST + 1}: workday()"),
        (date(LAST + 1, 1, 1), WORKING, None, f"smoke.when: {LAST + 1}: workday()"),
        (date(LAST + 1, 12, 2), WORKING, FREE, f"smoke.when: {LAST + 1}, {LAST + 2}: holiday(), workday()"),
        (date(LAST, 12, 31), GOOD["when"], FREE, f"smoke.clear: {LAST + 1}: holiday()"),
        (date(LAST + 1, 1, 1), GOOD["when"], None, ""),
    ],
)
def test_a_calendar_that_ends(today: date, when: str, clear: str | None, missing: str) -> None:
    rule = entry(when=when, clear=clear or GOOD["clear"])
    field, _, what = missing.partition(": ")
    years, _, names = what.partition(": ")
    said = f"{field}: The public holidays of {years} are not known: weekends alone decide {names} then."
    assert told(rule, today=today) == ([said] if missing else [])
    assert told(rule) == [], "who does not say what day it is is told nothing of the calendar"


def test_a_calendar_that_goes_on_in_a_book_of_its_own_and_what_to_write_when_it_does_not() -> None:
    today, rules = date(LAST, 12, 31), yaml.safe_dump({"version": 1, "rules": [entry(when=WORKING)]})
    (caution,) = review(load_book([("book.yaml", rules)]), today=today).cautions
    assert caution.remedy.en.endswith(
        f" write calendar: {{{LAST + 1}: {{off: […], on: […]}}}} in any rule book, or upgrade."
    )
    assert f"calendar: {{{LAST + 1}: " in caution.remedy.zh
    holidays = f"version: 1\ncalendar: {{{LAST + 1}: {{off: [05-01]}}}}\n"
    assert review(load_book([("book.yaml", rules), ("holidays.yaml", holidays)]), today=today).cautions == ()


def test_rules_that_no_device_can_trigger(tmp_path: Path) -> None:
    places = site(tmp_path, smoke(), {"match": "p-{n}", "kind": "call_point", "zone": "hall"})
    typo = told(entry(devices=["smoke_detectr"]), GOOD | {"id": "b"}, places=places)
    assert typo == ["smoke.devices: The site has no smoke_detectr: this rule can never alarm."]
    (caution,) = reviewed(entry(devices=["smoke_detectr"]), GOOD | {"id": "b"}, places=places).cautions
    assert caution.remedy == Text("是否应为 smoke_detector？", "Did you mean smoke_detector?")
    nowhere = told(entry(where='zone.kind == "garage"'), GOOD | {"id": "b", "group": "x"}, places=places)
    assert nowhere == ["smoke.where: None of the site's smoke_detector fits `where`: this rule can never alarm."]
    assert told(entry(devices=["call_point"], when="call_point", clear=None), places=places) == []


def test_people_can_report_from_every_zone_and_watch_none(tmp_path: Path) -> None:
    zones = [{"id": "hall", "name": "厅", "kind": "lobby"}, {"id": "attic", "name": "阁楼", "kind": "store"}]
    own = entry(
        id="mine", kind="FIRE", devices=["human_report"], when='last(reported, 5m) == "fire"', clear="silent(10m)"
    )
    assert told(own, GOOD, places=site(tmp_path, smoke(), zones=zones)) == [
        "sites[0].zones[1]: No FIRE rule watches s/attic (1 zones)."
    ]


def test_devices_known_by_pattern_are_asked_in_each_zone_they_can_reach(tmp_path: Path) -> None:
    zones = [{"id": "f{1..3}-hall", "name": "厅", "kind": "lobby"}, {"id": "garage", "name": "库", "kind": "garage"}]
    places = site(tmp_path, {"match": "f{floor}-s{n}", "kind": "smoke_detector", "zone": "f{floor}-hall"}, zones=zones)
    assert told(entry(where='zone.kind == "garage"'), places=places)[-1].startswith("smoke.where: ")
    (bare,) = told(GOOD, places=places)
    assert bare == "sites[0].zones[1]: No FIRE rule watches s/garage (1 zones)."


def test_shipped_rules_without_devices_are_counted_and_not_told(tmp_path: Path) -> None:
    found = review(load_book(list(shipped_books("shipped:all").items())), site(tmp_path, smoke()))
    assert found.cautions == ()
    assert found.idle > 5


def test_holds_and_windows_against_the_reporting_interval(tmp_path: Path) -> None:
    short = entry(**{"for": "10s"})
    places = site(
        tmp_path, smoke(attributes={"report_interval": "1m"}), smoke(id="s2", attributes={"report_interval": 5})
    )
    (line,) = told(short, places=places)
    assert line.startswith("smoke.for: The hold of 10s is shorter than the interval of s/s1, 1m: a single bad reading")
    assert told(entry(**{"for": "1m"}), places=places) == []
    assert told(short, places=site(tmp_path, smoke())) == []
    assert "the interval of s/s1, 30s" in told(short, places=site(tmp_path, smoke()), interval=30 * SECOND)[0]
    assert "the interval given, 30s" in told(short, interval=30 * SECOND)[0]
    assert told(entry(when="smoke", clear="not smoke", **{"for": "10s"}), interval=MINUTE) == [], (
        "a flag is told at once"
    )
    asked = "mean(temperature, 30s) > 50 or rise(temperature, 90s) > 8 or silent(45s) or last(temperature, 2m) > 60"
    windows = told(entry(when=asked, clear_for="10s", clear=None, kind="FAULT"), interval=MINUTE)
    assert [line.partition(" is too short")[0] for line in windows] == [
        "smoke.when: The span of mean(temperature, 30s)",
        "smoke.when: The span of rise(temperature, 1m30s)",
        "smoke.when: The span of silent(45s)",
    ]


@pytest.mark.parametrize(
    ("value", "meant"), [(10.0, 10 * SECOND), ("1m", MINUTE), ("often", None), (True, None), (0.0, None), (-1.0, None)]
)
def test_how_an_interval_is_written(value: Value, meant: int | None) -> None:
    assert interval_of({"report_interval": value}) == meant


def test_attributes_that_nobody_has(tmp_path: Path) -> None:
    places = site(tmp_path, smoke(attributes={"limit": 0.5}))
    assert told(entry(when="smoke_density > device.limit"), places=places) == []
    (typo,) = reviewed(entry(when="smoke_density > device.limmit"), places=places).cautions
    assert (typo.field, typo.remedy.en) == ("smoke.when", "Did you mean device.limit?")
    (guarded,) = reviewed(entry(when="smoke_density > default(device.limmit, 1)"), places=places).cautions
    assert guarded.reason.en == "None of the devices it watches has limmit: the default always counts."
    assert told(entry(when="smoke_density > default(device.other, 1)"), places=places) == [], "a default is for that"
    floor = told(entry(where="zone.floor > 3", group="x"), GOOD | {"id": "b"}, places=places)
    assert "smoke.where: None of the zones it watches has floor: this part of the condition is never known." in floor
    assert told(entry(where="not known(zone.floor)"), places=places) == []
    (zone,) = (c for c in told(entry(when="smoke_density > zone.limit"), places=places) if "zones" in c)
    assert zone == "smoke.when: None of the zones it watches has limit: this part of the condition is never known."


def test_zones_that_no_fire_rule_watches(tmp_path: Path) -> None:
    zones: list[dict[str, Any]] = [
        {"id": "hall", "name": "厅", "kind": "lobby"},
        {"id": "b{1..9}", "name": "楼", "kind": "dwelling"},
        {"id": "lane", "name": "道", "kind": "fire_lane", "attributes": {"no_fire_watch": True}},
    ]
    (caution,) = reviewed(GOOD, places=site(tmp_path, smoke(), zones=zones)).cautions
    assert isinstance(caution, Caution)
    assert caution.reason.en == "No FIRE rule watches s/b1, s/b2, s/b3, s/b4, s/b5, … (9 zones)."
    assert "no_fire_watch: true" in caution.remedy.zh
    assert str(caution).startswith(f"{tmp_path / 'site.yaml'}:")
    assert "没有火警规则看守" in str(caution)


@pytest.mark.parametrize(
    ("adjacent", "beside", "bare"),
    [(True, ["hall"], []), (True, [], ["s/hall", "s/shed"]), (False, ["hall"], ["s/hall", "s/shed"])],
)
def test_a_zone_with_too_few_kinds_of_evidence_to_confirm_a_fire_is_not_watched_by_that_rule(
    tmp_path: Path, adjacent: bool, beside: list[str], bare: list[str]
) -> None:
    voters = {
        "smoke": {"devices": ["smoke_detector"], "when": "smoke"},
        "camera": {"devices": ["camera"], "when": 'seen("fire", 4s)'},
    }
    places = site(
        tmp_path, smoke(), {"id": "c1", "kind": "camera", "zone": "shed"},
        zones=[{"id": "hall", "name": "厅", "kind": "lobby"}, {"id": "shed", "name": "棚", "kind": "shed", "adjacent": beside}],
    )  # fmt: skip
    found = reviewed(
        entry(devices=None, when=None, clear=None, confirm={"voters": voters, "adjacent": adjacent}), places=places
    )
    assert [c.reason.en for c in found.cautions] == [f"No FIRE rule watches {zone} (1 zones)." for zone in bare]


def test_every_caution_names_its_place_and_speaks_both_languages(tmp_path: Path) -> None:
    bad = [
        entry(id="a", advice=None, reason=None, when="smoke_density > device.limmit"),
        entry(id="b", devices=["smok_detector"]), entry(id="c", when="smoke_density > 0.9", **{"for": "2s"}), entry(id="d"),
    ]  # fmt: skip
    found = reviewed(*bad, places=site(tmp_path, smoke(attributes={"limit": 1})), interval=MINUTE).cautions
    assert len(found) >= 5
    for c in found:
        assert c.line > 1
        assert c.column > 1
        for text in (c.reason, c.remedy):
            assert any("\u4e00" <= letter <= "\u9fff" for letter in text.zh)
            assert text.en.isascii() or "…" in text.en


# --- linkage ----------------------------------------------------------------------------------------------------------

CUT = {
    "id": "hot", "kind": "PREALARM", "devices": ["charger"], "when": "port_temperature > 90", "clear": "port_temperature < 70",
    "linkage": [{"command": "cut_power", "at": "self"}],
}  # fmt: skip
SOUND = [{"command": "sound", "at": {"kind": "siren", "in": "building"}}]


def armed(folder: Path, allow: str, *devices: dict[str, Any]) -> SitePlaces:
    zones = [{"id": "hall", "name": "厅", "kind": "lobby"}, {"id": "attic", "name": "阁楼", "kind": "lobby"}]
    site(folder, *devices, zones=zones)
    with (folder / "site.yaml").open("a", encoding="utf-8") as file:
        file.write(f"linkage: {{mode: armed, allow: [{allow}]}}\n")
    return load_places(folder / "site.yaml")


def charger(**more: Any) -> dict[str, Any]:
    return {"id": "c-1", "kind": "charger", "zone": "hall", **more}


def siren(**more: Any) -> dict[str, Any]:
    return {"id": "siren-1", "kind": "siren", "zone": "hall", **more}


def of_linkage(*rules: dict[str, Any], **more: Any) -> list[str]:
    return [line for line in told(*rules, **more) if "linkage" in line]


def test_others_are_commanded_by_two_triggers() -> None:
    assert of_linkage(entry(linkage=SOUND)) == [
        "smoke.linkage: One detector alone gives sound; GB 50116-2013 4.1.6 asks for two independent triggers."
    ]
    assert of_linkage(entry(**CUT)) == []
    assert of_linkage(entry(kind="SUPERVISORY", linkage=SOUND)) == []
    by_hand = entry(devices=["call_point"], when="call_point", clear=None, linkage=SOUND)
    assert of_linkage(by_hand) == []
    confirmed = entry(
        devices=None, when=None, clear=None, subject="zone", linkage=SOUND,
        confirm={"voters": {n: {"devices": [f"{n}_detector"], "when": n} for n in ("smoke", "heat")}},
    )  # fmt: skip
    assert of_linkage(confirmed) == []


def test_what_is_commanded_is_there_and_allowed(tmp_path: Path) -> None:
    rule = entry(**CUT)
    fits = "{command: cut_power, devices: s/c-*}"
    assert of_linkage(rule, places=armed(tmp_path, fits, charger())) == []
    assert of_linkage(rule, places=armed(tmp_path, "", charger())) == [
        "hot.linkage: The site file does not allow cut_power: it is never sent."
    ]
    by_name = charger(id=None, match="c-{n}")
    del by_name["id"]
    assert of_linkage(rule, places=armed(tmp_path, fits, by_name)) == []
    sounding = entry(kind="SUPERVISORY", linkage=SOUND)
    assert of_linkage(sounding, places=armed(tmp_path, "", smoke())) == [
        "smoke.linkage: The site has no siren: sound reaches nothing."
    ]


def test_a_permit_that_fits_no_device(tmp_path: Path) -> None:
    places = armed(
        tmp_path, "{command: cut_power, devices: s/c-*}, {command: cut_power, devices: s/siren-1}", charger(), siren()
    )
    (found,) = [c for c in reviewed(entry(**CUT), places=places).cautions if c.field.startswith("linkage")]
    assert (found.field, found.reason.en) == ("linkage.allow[1]", "No device of s/siren-1 understands cut_power.")
    assert found.file.endswith("site.yaml")
    assert found.remedy.en == "These kinds would: breaker, charger, socket."


@pytest.mark.parametrize(("in_", "crowd", "warned"), [("zone", 20, False), ("zone", 21, True), ("building", 21, True)])
def test_a_crowd_on_one_line(tmp_path: Path, in_: str, crowd: int, warned: bool) -> None:
    places = armed(
        tmp_path,
        "{command: sound, devices: s/siren-*}",
        smoke(),
        siren(id=f"siren-{{1..{crowd}}}"),
        siren(id="siren-up", zone="attic"),
    )
    rule = entry(kind="SUPERVISORY", linkage=[{"command": "sound", "at": {"kind": "siren", "in": in_}}])
    told_ = f"smoke.linkage: s/hall has {crowd} sirens; at most 20 are commanded at once."
    assert of_linkage(rule, places=places) == ([told_] if warned else [])


def test_a_crowd_that_the_site_does_not_allow_is_none(tmp_path: Path) -> None:
    places = armed(tmp_path, "{command: sound, devices: s/siren-1}", smoke(), siren(id="siren-{1..30}"))
    assert of_linkage(entry(kind="SUPERVISORY", linkage=SOUND), places=places) == []
