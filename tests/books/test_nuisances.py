"""An ordinary stretch of the month: nobody is sent to a fire that is none, and few are sent at all."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rules.model import SECOND, Kind
from simulators.month import LIVELY, Month
from simulators.wire import Frame
from tests.bench.nearness import LEVEL_DB, RISE_DB, Nearness
from tests.bench.nuisances import played

DAYS = 0.85
"""From midnight to half past eight in the evening: three meals, and the first showers."""


def test_a_day_of_five_hundred_devices_without_a_false_fire() -> None:
    tally = played(DAYS)
    assert tally.messages > 120_000
    assert set(tally.verdicts) == {"live", "late"}
    assert tally.fires == []
    assert tally.false_fires == 0
    assert sum(n for (kind, _), n in tally.pages.items() if kind is Kind.FAULT) == 0
    assert tally.pages_a_day < 20, tally.pages
    assert 0.2 < tally.nearness.level < LEVEL_DB, "nuisances, but less than what a certified detector must alarm at"
    assert 0 < tally.nearness.single < 2 * RISE_DB
    assert tally.nearness.pair < RISE_DB


def test_how_near_a_meter_came_is_told_of_its_worst_half_minute() -> None:
    near, at = Nearness(), 0
    for density in (0.02, 0.03, 0.02, 0.13, 0.02, 0.2, 0.18, 0.28, 0.3, 0.31):
        at += 10 * SECOND
        near.hear(at, "yuexi/a", density, steam=False)
        near.hear(at, "yuexi/b", 2 * density, steam=True)
    assert near.level == pytest.approx(0.58), "of either meter"
    assert near.single == pytest.approx(0.26), "from 0.02 to 0.28; not where steam is known"
    assert near.pair == pytest.approx(0.21), "0.18 and 0.28, from 0.02"
    assert near.close_s == 40, "the second meter, from 0.4 at 60 s to the end at 100 s"
    assert next(near.lines()).startswith("densest above the meter's quietest: 0.580 of 0.3 dB/m")


def test_what_the_month_says_depends_on_its_seed_alone() -> None:
    def some(seed: int) -> list[Frame]:
        return list(Month(seed, 0.02).frames())

    assert some(1) == some(1)
    assert some(1) != some(2)


def test_a_compound_of_five_hundred_that_speaks_in_order_and_has_its_nuisances() -> None:
    month = Month(3, 0.5)
    assert len({part.id for part in month.parts}) == len(month.parts) == 500
    assert {part.zone for part in month.parts} <= {area.id for area in month.areas}
    frames = list(month.frames())
    assert all(earlier.at_ms <= later.at_ms for earlier, later in pairwise(frames))
    said = {frame.topic.split("/")[2] for frame in frames}
    assert said == {part.id for part in month.parts}
    assert sum(b'"object":"motorcycle"' in f.payload for f in frames) > 10, "delivery bikes"
    assert sum(f.retain and f.payload == b"offline" for f in frames) > 5, "a flapping radio"
    strong = [f for f in Month(3, 0.5, strength=3.0).frames() if b'"smoke_density":0.' in f.payload]
    usual = [f for f in frames if b'"smoke_density":0.' in f.payload]
    assert len(strong) > len(usual), f"stronger smoke moves more detectors to speak every {LIVELY / 1000:g} s"
    eager = [f for f in Month(3, 0.5, eager=True).frames() if b'"smoke_density":0.' in f.payload]
    assert len(eager) > 2 * len(strong), "eager ones do so whether it moves or not"
