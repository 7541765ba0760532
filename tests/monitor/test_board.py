"""The board: the live tap is exact at every speed, troubles keep their beginning, questions register nobody."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.board import Board, Subscription
from monitor.ports import Batch, TryAgain
from rules.model import DevicePattern, Neighbourhood, Text, Zone
from tests.fake_ledger import FakeLedger


def board(ledger: FakeLedger, backlog: int = 3) -> Board:
    zone = Zone("s/z", "s", Text("区", "Zone"), "dwelling")
    pattern = DevicePattern(re.compile(r"s/smoke-\d"), "smoke_detector", "s/z", Text("烟", "Smoke"))
    places = Neighbourhood(zones={"s/z": zone}, stations=(), patterns=(pattern,))
    return Board(ledger, places, dict, list, backlog=backlog)


def entries(number: int) -> Batch:
    return Batch(entries=[(n, "i", "note", "{}") for n in range(number)])


async def drain(subscription: Subscription, until: int) -> list[int]:
    """Ids up to and with `until`."""
    ids: list[int] = []
    # A row that never comes is a failure, not a hang.
    async with asyncio.timeout(20):
        while not ids or ids[-1] < until:
            ids += [row.id for row in await subscription.batch()]
    return ids


@given(
    st.integers(0, 6),
    st.lists(st.one_of(st.tuples(st.just("commit"), st.integers(1, 7)), st.just(("publish", 0)), st.just(("read", 0)))),
    st.booleans(),
)
def test_whatever_the_speed_every_row_comes_once_and_in_order(
    before: int, actions: list[tuple[str, int]], from_the_past: bool
) -> None:
    async def scenario() -> None:
        ledger = FakeLedger()
        await ledger.commit(entries(before))
        it = board(ledger)
        await it.start()
        subscription = it.subscribe(0 if from_the_past else None)
        got: list[int] = []
        total = before
        reader: asyncio.Task[list[int]] | None = None

        async def one() -> list[int]:
            return [row.id for row in await subscription.batch()]

        for action, number in actions:
            if action == "commit":
                await ledger.commit(entries(number))
                total += number
            elif action == "publish":
                await it.refresh()
            elif reader is None:
                # Left running across the next actions, so that reads of the ledger interleave with publications.
                reader = asyncio.create_task(one())
                await asyncio.sleep(0)
            elif reader.done():
                got += reader.result()
                reader = None
        await ledger.commit(entries(1))
        await it.refresh()
        if reader is not None:
            got += await reader
        if not got or got[-1] < total + 1:
            got += await drain(subscription, total + 1)
        assert got == list(range(1 if from_the_past else before + 1, total + 2))

    asyncio.run(scenario())


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 63, 64, 65, 1000])
async def test_start_finds_the_newest_row(number: int) -> None:
    ledger = FakeLedger()
    await ledger.commit(entries(number))
    it = board(ledger)
    await it.start()
    assert it.position == number


async def test_a_slow_reader_is_sent_back_to_the_ledger() -> None:
    ledger = FakeLedger()
    it = board(ledger, backlog=3)
    subscription = it.subscribe()
    for _ in range(10):
        await ledger.commit(entries(2))
        await it.refresh()
    assert await drain(subscription, 20) == list(range(1, 21))


async def test_a_cancelled_read_loses_nothing() -> None:
    ledger = FakeLedger()
    await ledger.commit(entries(4))
    it = board(ledger)
    await it.start()
    subscription = it.subscribe(0)
    ledger.gate.clear()
    reading = asyncio.create_task(subscription.batch())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    ledger.gate.set()
    assert await drain(subscription, 4) == [1, 2, 3, 4]


async def test_a_failed_read_loses_nothing() -> None:
    ledger = FakeLedger()
    await ledger.commit(entries(2))
    it = board(ledger)
    await it.start()
    subscription = it.subscribe(1)
    ledger.failing = TryAgain("locked")
    with pytest.raises(TryAgain):
        await subscription.batch()
    ledger.failing = None
    assert await drain(subscription, 2) == [2]


async def test_rows_published_twice_come_once() -> None:
    ledger = FakeLedger()
    it = board(ledger, backlog=100)
    subscription = it.subscribe()
    await ledger.commit(entries(3))
    rows = await ledger.entries_after(0)
    it.published(rows[:2])
    it.published(rows)
    assert await drain(subscription, 3) == [1, 2, 3]


async def test_closing_ends_a_waiting_reader_and_frees_its_place() -> None:
    it = board(FakeLedger())
    subscription = it.subscribe()
    waiting = asyncio.create_task(subscription.batch())
    await asyncio.sleep(0)
    assert it.subscribers == 1
    it.close()
    assert await waiting == []
    assert subscription.closed
    assert it.subscribers == 0


def test_troubles_keep_their_beginning_and_only_some_are_critical() -> None:
    it = board(FakeLedger())
    it.set_trouble("history/influx", True, "refused", 5)
    it.set_trouble("feed/tls", True, "no route", 7)
    it.set_trouble("feed/tls", True, "refused", 9)
    assert [(t.source, t.detail, t.since) for t in it.troubles()] == [
        ("history/influx", "refused", 5),
        ("feed/tls", "refused", 7),
    ]
    assert [t.source for t in it.unready()] == ["feed/tls"]
    it.set_trouble("feed/tls", False, "", 11)
    it.set_trouble("feed/tls", False, "", 12)
    assert it.unready() == []


def test_a_source_whose_name_only_begins_alike_is_not_critical() -> None:
    it = board(FakeLedger())
    it.set_trouble("feedback", True, "", 1)
    assert it.unready() == []


def test_asking_for_a_device_does_not_register_it() -> None:
    it = board(FakeLedger())
    known = it.device("s/smoke-1")
    assert known is not None
    assert known.kind == "smoke_detector"
    assert it.device("s/other") is None
    assert not it.neighbourhood.devices


def test_device_keys_follow_the_neighbourhood() -> None:
    it = board(FakeLedger())
    for n in (3, 1, 2):
        it.neighbourhood.device(f"s/smoke-{n}")
    assert list(it.device_keys()) == ["s/smoke-1", "s/smoke-2", "s/smoke-3"]
    it.neighbourhood.device("s/smoke-0")
    assert list(it.device_keys("s/smoke-1")) == ["s/smoke-2", "s/smoke-3"]
    assert it.device_keys()[0] == "s/smoke-0"
