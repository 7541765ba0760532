"""A FIRE reaches people over two kinds of channel within 15 seconds (GB/T 45839-2025 5.10.4), whatever the other providers do.

The real daemon against real providers on loopback. Of six kinds of channel (a station's robot, five of the person on duty) any two work,
and the others answer late, 500, 429 with Retry-After, 200 with an error code, cut the connection, or hang. WANGLOU_LADDERS says how many
of the 37,500 assignments are tried beyond a set in which every two kinds behave together in every two ways (0; `all`); WANGLOU_SEED
repeats a choice.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.posts import FAILING, KINDS, WORKING, Moods, Post, a_covering_set, every_assignment, posts, set_fire, site_of
from tests.running import Wanglou, in_ledger
from tests.servers import mosquitto

pytestmark = [pytest.mark.live, pytest.mark.slow]

MORE = os.environ.get("WANGLOU_LADDERS", "0")
SEED = int(os.environ.get("WANGLOU_SEED", "0")) or 45839
AT_ONCE = 200
RATE = 12.0
"""Fires a second, each at a station of its own."""
LIMIT = 15.0
"""Seconds from the publication of the smoke until the second kind of channel has taken it."""


def assignments() -> list[Moods]:
    """Those of this run."""
    chosen: list[Moods] = [*a_covering_set(SEED)]
    everything = list(every_assignment())
    more = len(everything) if MORE == "all" else min(int(MORE), len(everything))
    return chosen + random.Random(SEED).sample(everything, more)


def test_every_two_kinds_behave_together_in_every_two_ways() -> None:
    """What the set claims, counted in another way."""
    found = {((a, m[a]), (b, m[b])) for m in a_covering_set(SEED) for a, b in itertools.combinations(KINDS, 2)}
    each = [(x, y) for x in (*WORKING, *FAILING) for y in (*WORKING, *FAILING)]
    assert found == {((a, x), (b, y)) for a, b in itertools.combinations(KINDS, 2) for x, y in each}


async def test_a_fire_reaches_two_kinds_of_channel_in_time_wherever_two_work(tmp_path: Path) -> None:
    tried = assignments()
    print(f"\n{len(tried)} assignments, WANGLOU_SEED={SEED}")
    first: list[float] = []
    second: list[float] = []
    with mosquitto(tmp_path) as broker:
        for number, start in enumerate(range(0, len(tried), AT_ONCE)):
            async with posts(tried[start : start + AT_ONCE]) as found:
                await _burn(tmp_path / f"site-{number}", broker.port, found)
                for post in found:
                    heard = post.heard_after()
                    assert len(heard) == 2, (post.moods, heard)
                    assert heard[1] <= LIMIT, (post.moods, heard)
                first += [post.heard_after()[0] for post in found]
                second += [post.heard_after()[1] for post in found]
    _print("first kind of channel", first)
    _print("second kind of channel", second)


async def _burn(folder: Path, mqtt: int, found: Sequence[Post]) -> None:
    """Set fire everywhere, wait for as long as the promise lasts, and compare what providers took with what the ledger says."""
    daemon = Wanglou(site_of(folder, mqtt, found))
    await asyncio.to_thread(daemon.start)
    try:
        await set_fire(mqtt, found, RATE)
        await asyncio.sleep(LIMIT)
        await asyncio.to_thread(
            daemon.wait_for, lambda: _accepted(folder / "data") == _pages(found), "the ledger knows of every page taken"
        )
    finally:
        assert await asyncio.to_thread(daemon.stop) == 0, daemon.tail()
    _assert_bounded(folder / "data", found)


def _assert_bounded(data: Path, found: Sequence[Post]) -> None:
    """At most one page for each rung, channel and person; and what the ledger knows as taken was taken."""
    rungs = Counter(in_ledger(data, "SELECT channel, step FROM push"))
    assert max(rungs.values()) == 1
    pages = _pages(found)
    assert _accepted(data) <= pages  # the goodbye may have cut short what a provider was just answering
    asked = sum(len(stage.asked) for post in found for stage in post.stages.values())
    most = max(sum(len(stage.taken) for stage in post.stages.values()) for post in found)
    print(f"{len(found)} fires: {asked} requests, {sum(pages.values())} pages taken, at most {most} for one fire")


def _accepted(data: Path) -> Counter[str]:
    """Channel → pages, by the ledger."""
    return Counter(channel for (channel,) in in_ledger(data, "SELECT channel FROM push WHERE outcome = 'accepted'"))


def _pages(found: Sequence[Post]) -> Counter[str]:
    """Channel → pages, by its provider."""
    taken = {name: len(post.stages[kind].taken) for post in found for kind, name in post.channels.items()}
    return Counter({name: n for name, n in taken.items() if n})


def _print(what: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    p50, p99 = (ordered[min(int(len(ordered) * q), len(ordered) - 1)] for q in (0.5, 0.99))
    print(f"{what}: p50 {p50:.3f} s, p99 {p99:.3f} s, max {ordered[-1]:.3f} s")
