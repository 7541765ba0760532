"""Scenarios as data: what may be written, and how each mistake is told; the site that they play in."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.settings import load
from simulators import places
from simulators.places import lakeside
from simulators.scenario import Scenario, ScenarioError, milliseconds, parse, shipped
from simulators.towers import device
from tests.simulators.played import site

HEAD = "about: {zh: 试, en: a try}\nduration: 10m\n"


def read(text: str) -> Scenario:
    return parse(text, "try.yaml", lakeside())


def mistakes(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "ms"), [("250ms", 250), ("20s", 20_000), ("1m30s", 90_000), ("24h", 86_400_000), ("1h1m1s", 3_661_000)]
)
def test_durations(text: str, ms: int) -> None:
    assert milliseconds(text) == ms


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1.5s", "1d", "1s1m", " 1s", "200h", None, 5, True])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match=r"write it like|at most"):
        milliseconds(text)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_scenario_is_well(name: str) -> None:
    scenario = parse(shipped()[name].read_text("utf-8"), name, lakeside())
    assert scenario.about.zh
    assert scenario.about.en


def test_those_that_are_promised_are_shipped() -> None:
    assert set(shipped()) >= {
        "quiet", "smoking", "blocked-lane", "charger-fire", "silent-detector", "elderly-kitchen-fire", "call-point",
        "nuisance-cooking", "story",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("duration: 10m", ["try.yaml:1: about: Field required"]),
        (HEAD + "speed: 3", ["try.yaml:3: speed: unknown field"]),
        ("about: {zh: 试, en: ''}\nduration: soon", ["try.yaml:1: about.en: ", "try.yaml:2: duration: is no duration; write it like"]),
        (HEAD + "happenings:\n  - {at: 1s}", ["try.yaml:4: happenings[0]: has 0 actions; write exactly one of fire,"]),
        (
            HEAD + "happenings:\n  - at: 1s\n    fire: {area: garage-west, growth: quick, peak_kw: -1, energy_mj: 5}",
            ["try.yaml:5: happenings[0].fire.growth: ", "try.yaml:5: happenings[0].fire.peak_kw: "],
        ),
        (HEAD + "happenings:\n  - {at: 1s, sight: {area: shed, object: car}}", ["try.yaml:4: happenings[0]: sight needs an end"]),
        (HEAD + "happenings:\n  - {at: 9s, until: 9s, sight: {area: shed, object: car}}", ["ends before it begins"]),
        (HEAD + "happenings:\n  - {at: 1s, reset: {area: atlantis}}", ["try.yaml:4: happenings[0].reset.area: there is no area atlantis"]),
        (
            HEAD + "happenings:\n  - at: 1s\n\n    weld: {device: smoke-01}\n  - {at: 20m, weld: {device: charger-99}}",
            [
                "try.yaml:6: happenings[0].weld.device: smoke-01 is a smoke_detector (write a charger)",
                "try.yaml:7: happenings[1].at: lies behind the scenario's end",
                "try.yaml:7: happenings[1].weld.device: there is no device charger-99",
            ],
        ),
        (HEAD + "life: [", ["try.yaml:3: not valid YAML"]),
        ("[]", ["try.yaml:1: scenario: "]),
        ("", ["try.yaml:1: scenario: "]),
    ],
)  # fmt: skip
def test_every_mistake_names_file_line_and_field(text: str, told: list[str]) -> None:
    heard = mistakes(text)
    assert [line for line in told if line not in heard] == [], heard


@given(st.text(max_size=80))
def test_a_text_that_is_no_scenario_is_refused_and_nothing_worse(text: str) -> None:
    told = ""
    try:
        read(text)
    except ScenarioError as error:
        told = str(error)
    assert told.startswith("try.yaml:")


# --- the place -------------------------------------------------------------------------------------------------------


def test_the_garage_is_equipped_as_it_was_ordered() -> None:
    things = lakeside().things
    kinds = Counter(t.kind for t in things)
    assert (kinds["camera"], kinds["thermal_camera"]) == (22, 4)
    garage = [t for t in things if t.area.startswith("garage")]
    assert sum(t.kind == "smoke_detector" for t in garage) == 28
    assert Counter(t.id.partition("-")[0] for t in garage if t.kind == "extinguisher") == {"powder": 52, "foam": 2}
    assert sum(t.kind == "charger" for t in garage) == 12


def test_everything_stands_in_its_area_under_one_name() -> None:
    place = lakeside()
    for t in place.things:
        a = place.area[t.area]
        assert a.x <= t.x <= a.x + a.width, t.id
        assert a.y <= t.y <= a.y + a.depth, t.id
        assert 0 < t.z < a.height, t.id
        assert not t.gateway or place.thing[t.gateway].kind == "gateway"
        assert t.name.zh
        assert t.name.en
    assert len(place.thing) == len(place.things)
    assert len({t.name.zh for t in place.things}) == len({t.name.en for t in place.things}) == len(place.things)
    for area, others in place.neighbours.items():
        assert all(area in place.neighbours[other] for other in others)


def test_the_site_file_knows_the_devices_that_speak(tmp_path: Path) -> None:
    """Those with a place and those of the towers, by the same names."""
    settings = load(site(tmp_path, 5000), dict(os.environ))
    neighbourhood = settings.neighbourhood()
    place = lakeside(5000)
    for t in place.things:
        known = neighbourhood.device(f"{places.SITE}/{t.id}")
        assert known is not None
        assert (known.kind, known.zone) == (t.kind, f"{places.SITE}/{t.area}")
    extra = 5000 - len(place.things)
    for n in range(extra):
        known = neighbourhood.device(f"{places.SITE}/{device(n)}")
        assert known is not None, device(n)
        assert known.kind == ("heat_detector" if n % 2 else "smoke_detector")
    assert len({device(n) for n in range(extra)}) == extra
    assert len((tmp_path / "site.yaml").read_text("utf-8")) < 60_000


def test_adjacent_zones_of_the_site_are_those_that_share_their_air(tmp_path: Path) -> None:
    zones = load(site(tmp_path), dict(os.environ)).neighbourhood().zones
    for area, others in lakeside().neighbours.items():
        assert {z.partition("/")[2] for z in zones[f"{places.SITE}/{area}"].adjacent} == set(others)
