"""Each scenario under the shipped rule books raises exactly its incidents; a quiet day raises none."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest

from simulators.scenario import shipped
from tests.simulators.played import Night, night, scenario

SEEDS = (1, 2)
EXPECTED: dict[str, set[tuple[str, str, str]]] = {
    "quiet": set(),
    "smoking": {("SUPERVISORY", "garage-smoking", "garage-east")},
    "blocked-lane": {("SUPERVISORY", "fire-lane-blocked", "lane-south")},
    "charger-fire": {
        ("FIRE", "fire", "garage-charging"),
        ("SUPERVISORY", "extinguisher-discharged", "garage-charging"),
    },
    "silent-detector": {("FAULT", "device-offline", "garage-east")},
    "elderly-kitchen-fire": {("FIRE", "fire", "b2-402"), ("SUPERVISORY", "extinguisher-discharged", "b2-lobby")},
    "call-point": {("FIRE", "fire", "b1-lobby")},
    "ebike-indoors": {("SUPERVISORY", "ebike-indoors", "b1-lobby")},
    "nuisance-cooking": {("PREALARM", "fire", "b1-201")},
    "story": {
        ("SUPERVISORY", "garage-smoking", "garage-west"),
        ("FIRE", "fire", "garage-charging"),
        ("SUPERVISORY", "fire-lane-blocked", "lane-south"),
        ("SUPERVISORY", "extinguisher-discharged", "garage-charging"),
        ("FAULT", "device-offline", "b2-402"),
    },
}
"""(kind at its gravest, group, zone)"""


Play: TypeAlias = Callable[[str, int], Night]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """A scenario with a seed, played once however many look at it."""

    @cache
    def play(name: str, seed: int) -> Night:
        return night(tmp_path_factory.mktemp(name), scenario(name), seed)

    return play


def test_every_scenario_has_its_expectation() -> None:
    assert set(EXPECTED) == set(shipped())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", sorted(set(EXPECTED) - {"quiet"}))
def test_a_scenario_raises_its_incidents_and_nothing_else(played: Play, name: str, seed: int) -> None:
    assert played(name, seed).incidents == EXPECTED[name]


@pytest.mark.slow
def test_a_quiet_day_raises_nothing(tmp_path: Path) -> None:
    day = night(tmp_path, scenario("quiet"))
    assert day.summary.messages > 200_000
    assert day.summary.incidents == {}


@pytest.mark.parametrize("seed", [*SEEDS, 3])
def test_the_story_goes_at_its_pace(played: Play, seed: int) -> None:
    """What the demonstration promises to people who watch: when each thing comes, and that it comes in this order."""
    story = played("story", seed)
    assert 15 < story.first("garage-smoking") < 30, "the first incident within half a minute"
    assert 60 < story.first("charger-port-hot/2") < 75
    assert 145 < story.first("fire-lane-blocked") < 155
    assert 330 < story.first("device-offline") < 340
    smoke, heat = story.first("smoke-alarm"), story.first("heat-static")
    assert story.first("charger-port-hot/2") < smoke < story.first("garage-hot-spot") < 110
    assert smoke <= story.first("confirmed-fire") < 150
    assert heat < 165
    assert story.first("confirmed-fire") < story.first("extinguisher-discharged") < 170
    fire = next(i for i in story.summary.incidents.values() if i.kind == "FIRE")
    last = max(at for at, e in story.told if e.incident == fire.id and e.step == "returned")
    assert 300 < last < 1500, "the sensors are back to normal some minutes later"


def test_the_second_round_tells_the_same_story(tmp_path: Path, played: Play) -> None:
    """Half an hour later nothing new is raised by the way that the first round ended."""
    once = played("story", 1)
    twice = night(tmp_path, scenario("story"), rounds=2)
    assert once.incidents == twice.incidents
    # The devices mend themselves, so the FAULT comes anew; all else joins the incidents that nobody has closed.
    assert len(twice.summary.incidents) <= len(once.summary.incidents) + 1
