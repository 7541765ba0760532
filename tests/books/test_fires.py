"""The aims on four real house fires, held: the table of `make fires` may only get better."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random

import pytest

from simulators import nist
from simulators.nist import Fire
from tests.bench import fires
from tests.bench.fires import Score, Spot, score

EVERY = pytest.mark.parametrize("interval_s", fires.INTERVALS_S)


@pytest.fixture(scope="module")
def data() -> Path:
    try:
        return nist.data_folder()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))


@cache
def burnt(data: Path, interval_s: float, phase_s: float = 0.0) -> tuple[Spot, ...]:
    """Every location of every fire."""
    real = nist.alarm_times(data)
    return tuple(
        spot for fire in nist.fires(data) for spot in fires.spots(fire, interval_s, real[fire.name], phase_s=phase_s)
    )


@EVERY
def test_nothing_is_said_before_smoke_or_heat_is_there(data: Path, interval_s: float) -> None:
    found = burnt(data, interval_s)
    assert len(found) == 24
    assert [(s.fire, s.letter, s.first, s.arrives) for s in found if s.too_soon] == []


def test_a_slow_reporter_may_begin_at_another_second(data: Path) -> None:
    """Single samples of a noisy meter (SDC10 D, up to 0.18 dB/m in quiet air) are no fire, whichever of them is the one reported."""
    found = burnt(data, 10.0, 6.0)
    assert [(s.fire, s.letter, s.first, s.arrives) for s in found if s.too_soon] == []
    reached = score(found)
    assert reached.confirmed == reached.burning == 19
    assert reached.in_time >= 13, "a sample that has just been missed is seen ten seconds later"


@EVERY
def test_twenty_minutes_of_each_meters_own_noise_raise_nothing(data: Path, interval_s: float) -> None:
    """Offsets, drift and spikes of the rows up to ten seconds before anything reached that ceiling, shuffled."""
    for fire in nist.fires(data):
        rng = Random(fire.name)
        noise = {}
        for device, values in fire.series.items():
            arrives = fires.arrival(fire, device[-1].upper())
            assert arrives is not None
            quiet = max(nist.QUIET_ROWS, sum(t < arrives - 10 for t in fire.times))
            rows = [row for _ in range(600) for row in rng.sample(range(quiet), quiet)]
            noise[device] = tuple(values[row] for row in rows[:600])
        shuffled = Fire(fire.name, fire.locations, tuple(2.0 * n for n in range(600)), noise)
        assert list(fires.alarms_of(shuffled, interval_s, ["shipped:all"])) == []


@EVERY
def test_the_fire_is_confirmed_before_57_degrees_at_every_ceiling(data: Path, interval_s: float) -> None:
    burning = [s for s in burnt(data, interval_s) if s.burns is not None]
    assert len(burning) == 19
    assert [(s.fire, s.letter, s.confirmed, s.burns) for s in burning if not s.confirmed_in_time] == []


@EVERY
def test_smoke_is_a_fire_no_later_than_the_photoelectric_alarms(data: Path, interval_s: float) -> None:
    """Two of them sounded at less than the 0.05 dB/m that EN 14604 lets an alarm answer to at the least: out of reach."""
    found: Score = score(burnt(data, interval_s))
    assert (found.compared, found.real_alarms) == (17, 24)
    assert found.in_time >= 15
    assert found.in_reach == found.in_reach_in_time == 15
    assert found.in_time_for_last == 17
    assert found.real_alarms_matched / found.real_alarms >= 0.9


def test_the_two_that_are_missed_sounded_at_less_than_a_detector_may_answer_to(data: Path) -> None:
    """Within the meter's noise: what would answer there answers to everything."""
    late = [s for s in burnt(data, 2.0) if s.ahead is not None and s.ahead < 0]
    assert [(s.fire, s.letter) for s in late] == [("SDC02", "A"), ("SDC02", "C")]
    assert all(s.density[0] < 0.05 for s in late)
    assert all(0.5 < s.warmth[0] < 2 for s in late), "less than a kitchen warms by over the wok"
    assert "by 16 s. In the 10 s up to 102 s the meter showed 0.015 dB/m" in fires.late(late)[0]
