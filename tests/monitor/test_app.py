"""The wiring's own behaviour: what happens to a part that may fail, and to a clock that jumps.

Knows the daemon before it is run; the running one is in tests/live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from monitor.app import Daemon
from monitor.board import Board
from monitor.settings import load
from rules.rulebook import load_book
from tests.fake_ledger import FakeLedger
from tests.running import site


def daemon(folder: Path) -> Daemon:
    """Made, never run; its board reads an empty ledger."""
    made = Daemon(load(site(folder, mqtt=1, webhook="http://127.0.0.1:1/"), {}), load_book([]))
    made.board = Board(FakeLedger(), made.neighbourhood, dict, list)
    return made


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


def troubles(it: Daemon) -> dict[str, str]:
    return {t.source: t.detail for t in it.board.troubles()}


async def test_a_part_that_fails_is_trouble_until_it_has_run_well_for_a_while(tmp_path: Path) -> None:
    it, runs = daemon(tmp_path), 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise RuntimeError("broken")
        await asyncio.sleep(60)

    part = asyncio.create_task(it._best_effort("x", run, pause=0.05, well_after=0.5))
    await until(lambda: runs == 1)
    await until(lambda: troubles(it) == {"lane:x": "RuntimeError"})
    await until(lambda: runs == 3)
    assert troubles(it) == {"lane:x": "RuntimeError"}  # it has to prove itself first
    await until(lambda: not troubles(it))
    assert it.inbox.depth == 2  # begun and ended, once each: the second failure was no news
    part.cancel()
    with suppress(asyncio.CancelledError):
        await part


async def test_a_part_that_is_done_is_not_run_again(tmp_path: Path) -> None:
    it, runs = daemon(tmp_path), 0

    async def run() -> None:
        nonlocal runs
        runs += 1

    await it._best_effort("x", run)
    assert (runs, troubles(it), it.inbox.depth) == (1, {}, 0)


async def test_a_jump_of_the_clock_is_trouble(tmp_path: Path) -> None:
    it = daemon(tmp_path)
    it._clock_jumped(-3600.0)
    await until(lambda: "clock" in troubles(it))
    assert "-3600.0 s" in troubles(it)["clock"]
    assert it.inbox.depth == 1
