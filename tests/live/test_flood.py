"""A whole building alarms, and people can still act: one picture, few pages, and a fire next door that nobody overlooks.

The real daemon and real providers; the detectors go off faster than they would, and summaries come as often, so that a test can wait.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.flood import DETECTORS, PEOPLE, ZONES, blaze

pytestmark = [pytest.mark.live, pytest.mark.slow]


async def test_500_detectors_of_one_building_are_one_picture_and_the_fire_next_door_pages_at_once(
    tmp_path: Path,
) -> None:
    seen = await blaze(tmp_path, within=15, then=15, flood={"summary": "15s"})
    print(f"\n{seen.told()}")
    assert DETECTORS == 5 * ZONES
    assert (seen.incidents, len(seen.leads), seen.riders) == (ZONES, 1, ZONES - 1)
    assert sum(seen.pages.values()) < 100
    assert all(seen.pages[who] for who in PEOPLE)
    assert len(seen.second_called) >= 2
    assert sorted(seen.second_called.values())[1] < 5
    assert sorted(seen.asked)[len(seen.asked) * 99 // 100] < 2
