"""The history lane by itself: against a scripted history and a ledger in lists; sleeping costs no time.

Knows no server; those are in tests/live.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import pytest

from monitor.history import FIRST_DELAY, LONGEST_DELAY, REFUSALS, HistoryLane
from monitor.ports import Batch, NeverWill, Point, TapeRecord, TryAgain
from tests.fake_history import FakeHistory
from tests.fake_ledger import FakeLedger


class ScriptedHistory(FakeHistory):
    """Keeps points by (device, moment). `fails` are raised by the next writes, one each; poisonous points are refused."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, int], Point] = {}
        self.fails: list[TryAgain] = []
        self.poisonous: Callable[[Point], bool] = lambda _: False
        self.writes: list[int] = []

    async def write(self, points: Sequence[Point]) -> None:
        await asyncio.sleep(0)
        self.writes.append(len(points))
        if self.fails:
            raise self.fails.pop(0)
        good = [p for p in points if not self.poisonous(p)]
        if len(good) < len(points) and len(points) > 1:
            good = good[: len(good) // 2]  # a refused batch may have been written in part
        self.kept |= {(p.device, p.at_ns): p for p in good}
        if any(self.poisonous(p) for p in points):
            raise NeverWill("not to my taste")


class Watch:
    """A lane, and everything around it."""

    def __init__(self, *, batch: int = 100) -> None:
        self.ledger = FakeLedger()
        self.history = ScriptedHistory()
        self.reports: list[tuple[bool, str]] = []
        self.slept: list[float] = []
        self.batch = batch
        self.lane = self.another_lane()

    def another_lane(self, sleep: Callable[[float], Awaitable[None]] | None = None) -> HistoryLane:
        return HistoryLane(
            self.ledger,
            self.history,
            to_points,
            report=lambda active, why: self.reports.append((active, why)),
            clock=lambda: 42,
            batch=self.batch,
            sleep=sleep or self.sleep,
            rng=random.Random(7),
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def commit(self, rows: int, *, device: str = "river/s") -> int:
        last = await self.ledger.commit(Batch(rows=[(device, n) for n in range(rows)], first_at=1, last_at=1))
        self.lane.wake(last)
        return last

    async def settle(self) -> None:
        """Run to the end of the tape."""
        self.lane.finish()
        await self.lane.run()
        self.lane = self.another_lane()

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not met():
                await asyncio.sleep(0)

    def kept(self) -> set[int]:
        """Sequence numbers in the history."""
        return {at_ns for _, at_ns in self.history.kept}


def to_points(record: TapeRecord) -> list[Point]:
    """A point for each row but those of nobody; its moment is the row's sequence number."""
    return [
        Point(str(row[0]), "smoke", "river/b1", record.first_seq + n, {"temperature": 1.0})
        for n, row in enumerate(record.rows)
        if row[0] != "nobody"
    ]


async def test_every_row_arrives_in_batches_and_the_cursor_follows() -> None:
    watch = Watch(batch=100)
    for _ in range(60):
        last = await watch.commit(17)
    lane = watch.lane
    await watch.settle()
    assert watch.kept() == set(range(1, last + 1))
    assert await watch.ledger.cursor("history") == last
    assert (lane.written, lane.poisoned, lane.failures, lane.missed, lane.lag) == (last, 0, 0, 0, 0)
    assert max(watch.history.writes) <= 100
    assert len(watch.history.writes) <= 2 * last / 100 + 2
    assert watch.reports == []


async def test_a_record_larger_than_a_batch_is_written_in_slices() -> None:
    watch = Watch(batch=100)
    await watch.commit(950)
    await watch.settle()
    assert watch.history.writes == [100] * 9 + [50]
    assert watch.kept() == set(range(1, 951))


async def test_rows_that_are_no_readings_only_move_the_cursor() -> None:
    watch = Watch()
    last = await watch.commit(30, device="nobody")
    await watch.settle()
    assert watch.history.writes == []
    assert await watch.ledger.cursor("history") == last


async def test_it_waits_for_a_commit_and_lingers_so_that_rows_gather() -> None:
    watch = Watch()
    held = asyncio.Event()

    async def sleep(seconds: float) -> None:
        watch.slept.append(seconds)
        await held.wait()

    watch.lane = watch.another_lane(sleep)
    task = asyncio.create_task(watch.lane.run())
    await watch.commit(3)
    await watch.until(lambda: watch.lane.written == 3)
    await watch.commit(3)
    await watch.until(lambda: len(watch.slept) == 1)
    await watch.commit(4)
    assert watch.lane.lag == 7
    held.set()
    await watch.until(lambda: watch.lane.lag == 0)
    assert watch.history.writes == [3, 7]
    watch.lane.finish()
    await task


async def test_trouble_is_reported_once_waited_out_with_growing_pauses_and_loses_nothing() -> None:
    watch = Watch()
    last = await watch.commit(250)
    watch.history.fails = [TryAgain("connection refused")] * 12
    task = asyncio.create_task(watch.lane.run())
    await watch.until(lambda: watch.lane.lag == 0 and watch.lane.written == last)
    assert watch.reports == [(True, "connection refused"), (False, "")]
    assert watch.lane.failures == 12
    assert watch.kept() == set(range(1, last + 1))
    for n, pause in enumerate(watch.slept[:12]):
        ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2**n)
        assert ceiling / 2 <= pause <= ceiling
    assert len(set(watch.slept[8:12])) == 4  # jitter
    watch.history.fails = [TryAgain("again")]
    await watch.commit(1)
    await watch.until(lambda: watch.lane.lag == 0)
    assert watch.reports[2:] == [(True, "again"), (False, "")]
    assert watch.slept[-1] <= FIRST_DELAY  # the back-off began anew
    watch.lane.finish()
    await task


@pytest.mark.parametrize(("asked", "slept"), [(17.0, 17.0), (100_000.0, 600.0)])
async def test_the_databases_own_wish_is_honoured_within_reason(asked: float, slept: float) -> None:
    watch = Watch()
    await watch.commit(1)
    watch.history.fails = [TryAgain("busy", after=asked)]
    task = asyncio.create_task(watch.lane.run())
    await watch.until(lambda: watch.lane.lag == 0)
    assert watch.slept[0] == slept
    watch.lane.finish()
    await task


@pytest.mark.parametrize(
    "bad", [{1}, {100}, {50}, {1, 2, 3}, {7, 40, 41, 99}, set(range(10, 29)), set(range(1, 101, 9))]
)
async def test_poison_is_isolated_and_everything_else_is_written(bad: set[int]) -> None:
    watch = Watch(batch=1000)
    watch.history.poisonous = lambda p: p.at_ns in bad
    last = await watch.commit(100)
    lane = watch.lane
    await watch.settle()
    assert watch.kept() == set(range(1, 101)) - bad
    aside = await watch.ledger.quarantined()
    assert sorted(int(q.payload.decode().partition('"at_ns": ')[2].partition(",")[0]) for q in aside) == sorted(bad)
    assert {(q.at, q.reason, q.topic) for q in aside} == {(42, "history-refused", "river/s")}
    assert all("not to my taste" in q.detail for q in aside)
    assert (lane.written, lane.poisoned) == (100 - len(bad), len(bad))
    assert await watch.ledger.cursor("history") == last
    assert watch.reports == []


async def test_a_crowd_of_poison_among_good_points_does_not_stop_the_lane() -> None:
    watch = Watch(batch=1000)
    bad = set(range(1, 301))
    watch.history.poisonous = lambda p: p.at_ns in bad
    await watch.commit(600)
    await watch.settle()
    assert watch.kept() == set(range(301, 601))
    assert len(await watch.ledger.quarantined(1000)) == 300
    assert watch.reports == []


@pytest.mark.parametrize("at_once", [600, 3])
async def test_a_database_that_refuses_everything_is_waited_for_not_quarantined(at_once: int) -> None:
    watch = Watch(batch=1000)
    watch.history.poisonous = lambda _: True
    lane = watch.lane
    task = asyncio.create_task(lane.run())
    for _ in range(600 // at_once):
        await watch.commit(at_once)
        await watch.until(lambda: lane.lag == 0 or bool(watch.reports))
        if watch.reports:
            break
    (report,) = watch.reports
    assert report[0]
    assert "refuses every reading" in report[1]
    assert "not to my taste" in report[1]
    writes = len(watch.history.writes)
    await watch.commit(500)
    await watch.until(lambda: lane.failures > 5)
    assert (len(watch.history.writes) - writes) / lane.failures < 60
    aside = len(await watch.ledger.quarantined(1000))
    assert aside <= REFUSALS
    watch.history.poisonous = lambda _: False
    await watch.until(lambda: lane.lag == 0)
    last = (await watch.ledger.size()).last_seq
    assert len(watch.kept()) == last - aside
    assert watch.reports[1:] == [(False, "")]
    lane.finish()
    await task


async def test_trouble_amid_poison_quarantines_each_point_once() -> None:
    watch = Watch(batch=1000)
    watch.history.poisonous = lambda p: p.at_ns in {3, 4}
    await watch.commit(50)
    lane = watch.lane
    task = asyncio.create_task(lane.run())
    await watch.until(lambda: len(watch.history.writes) > 5)
    watch.history.fails = [TryAgain("gone")] * 3
    await watch.until(lambda: lane.lag == 0)
    assert len(await watch.ledger.quarantined()) == 2
    assert watch.kept() == set(range(1, 51)) - {3, 4}
    lane.finish()
    await task


async def test_rows_cut_off_before_they_were_read_are_counted_and_shown_not_passed_over_in_silence() -> None:
    watch = Watch()
    await watch.commit(10)
    await watch.settle()
    for _ in range(3):
        await watch.commit(10)
    watch.ledger._tape = watch.ledger._tape[2:]  # rows 11 to 20 are gone
    lane = watch.lane
    await watch.settle()
    assert lane.missed == 10
    assert watch.kept() == set(range(1, 11)) | set(range(21, 41))
    (shown,) = await watch.ledger.quarantined()
    assert shown.reason == "history-missed"
    assert "10 rows" in shown.detail


async def test_killed_anywhere_it_goes_on_where_the_cursor_is() -> None:
    watch = Watch(batch=10)
    rng = random.Random(1)
    for _ in range(40):
        await watch.commit(7)
    for _ in range(60):
        task = asyncio.create_task(watch.lane.run())
        for _ in range(rng.randint(1, 12)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        cursor = await watch.ledger.cursor("history")
        assert set(range(1, cursor + 1)) <= watch.kept()
        watch.lane = watch.another_lane()
    await watch.settle()
    assert watch.kept() == set(range(1, 281))


async def test_finish_ends_a_lane_that_waits_out_trouble() -> None:
    watch = Watch()
    never = asyncio.Event()

    async def sleep(seconds: float) -> None:
        watch.slept.append(seconds)
        await never.wait()

    watch.lane = watch.another_lane(sleep)
    await watch.commit(5)
    watch.history.fails = [TryAgain("gone")] * 2
    task = asyncio.create_task(watch.lane.run())
    await watch.until(lambda: len(watch.slept) == 1)
    watch.lane.finish()
    async with asyncio.timeout(10):
        await task
    assert await watch.ledger.cursor("history") == 0
    watch.lane = watch.another_lane()
    await watch.settle()
    assert watch.kept() == set(range(1, 6))


async def test_a_failing_ledger_ends_the_run_and_nothing_is_forgotten() -> None:
    watch = Watch()
    await watch.commit(5)
    watch.ledger.failing = TryAgain("disk full")
    with pytest.raises(TryAgain, match="disk full"):
        await watch.lane.run()
    watch.ledger.failing = None
    await watch.settle()
    assert watch.kept() == set(range(1, 6))
