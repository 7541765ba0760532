"""What the embedded history promises beyond its port: buckets that outlive their points, bounded cutting, a durable file.

Looks into the file with SQLite itself to count what is there.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.adapters.embedded_history import DAY, SLICE, EmbeddedHistory
from monitor.ports import Bucket, Point, TryAgain
from rules.model import HOUR, MINUTE, SECOND, Micros

T0: Micros = 1_699_920_000 * SECOND
"""Midnight (UTC), 14 November 2023."""


class HandSetClock:
    """Tells the time that a test has set."""

    def __init__(self) -> None:
        self.time = T0

    def __call__(self) -> Micros:
        return self.time


def point(at: Micros, value: float, device: str = "river/s") -> Point:
    return Point(device, "smoke", "river/b1", at * 1000, {"temperature": value})


def rows(path: Path, table: str) -> int:
    db = sqlite3.connect(path)
    try:
        (number,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(number)
    finally:
        db.close()


async def buckets(history: EmbeddedHistory, step: Micros) -> list[Bucket]:
    return await history.buckets("river/s", "smoke", "temperature", T0 - DAY, T0 + 400 * DAY, step)


def one_day(every: Micros = MINUTE // 2) -> list[Point]:
    return [point(T0 + n * every, float(n % 50)) for n in range(DAY // every)]


async def test_buckets_outlive_their_points_and_hours_their_minutes(tmp_path: Path) -> None:
    clock = HandSetClock()
    history = EmbeddedHistory(tmp_path / "h.db", now=clock)
    await history.write(one_day())
    minutes, hours = await buckets(history, MINUTE), await buckets(history, HOUR)
    assert (len(minutes), len(hours)) == (1440, 24)
    clock.time = T0 + 9 * DAY
    for _ in range(3):
        await history.write([])
    assert await history.read("river/s", "smoke", "temperature", 0, T0 + DAY, 10) == []
    assert await buckets(history, MINUTE) == minutes
    assert await buckets(history, HOUR) == hours
    clock.time = T0 + 98 * DAY
    await history.write([])
    assert await buckets(history, MINUTE) == []
    assert await buckets(history, HOUR) == hours
    clock.time = T0 + 7 * 365 * DAY
    await history.write([])
    assert await buckets(history, HOUR) == []
    await history.aclose()


async def test_nothing_is_cut_before_its_time(tmp_path: Path) -> None:
    clock = HandSetClock()
    history = EmbeddedHistory(tmp_path / "h.db", raw_days=2, minute_days=10, hour_days=400, now=clock)
    await history.write(one_day())
    clock.time = T0 + 3 * DAY - SECOND  # the last point is two days old
    await history.write([])
    assert rows(tmp_path / "h.db", "raw") == len(one_day())
    await history.aclose()


async def test_cutting_is_bounded_per_write_and_catches_up(tmp_path: Path) -> None:
    clock = HandSetClock()
    history = EmbeddedHistory(tmp_path / "h.db", now=clock)
    points = [point(T0 + n * SECOND * 8, 1.0) for n in range(3 * SLICE)]
    await history.write(points)
    clock.time = T0 + 30 * DAY
    left = []
    for _ in range(4):
        await history.write([])
        left.append(rows(tmp_path / "h.db", "raw"))
    assert left == [2 * SLICE, SLICE, 0, 0]
    await history.aclose()


async def test_a_late_point_does_not_spoil_a_bucket_whose_points_are_gone(tmp_path: Path) -> None:
    clock = HandSetClock()
    history = EmbeddedHistory(tmp_path / "h.db", now=clock)
    await history.write(one_day())
    before = await buckets(history, MINUTE), await buckets(history, HOUR)
    clock.time = T0 + 9 * DAY
    for _ in range(3):
        await history.write([])
    await history.write([point(T0 + HOUR, 99.0)])
    assert (await buckets(history, MINUTE), await buckets(history, HOUR)) == before
    await history.aclose()


async def test_a_tape_carried_over_again_after_cutting_changes_nothing(tmp_path: Path) -> None:
    clock = HandSetClock()
    history = EmbeddedHistory(tmp_path / "h.db", now=clock)
    day = one_day()
    await history.write(day)
    before = await buckets(history, MINUTE), await buckets(history, HOUR)
    clock.time = T0 + 9 * DAY
    for begin in range(0, len(day), 100):
        await history.write(day[begin : begin + 100])
        assert (await buckets(history, MINUTE), await buckets(history, HOUR)) == before
    await history.aclose()


async def test_another_value_at_the_same_moment_takes_its_place_in_buckets_too(tmp_path: Path) -> None:
    history = EmbeddedHistory(tmp_path / "h.db", now=HandSetClock())
    await history.write([point(T0, 1.0), point(T0 + SECOND, 3.0)])
    await history.write([point(T0, 7.0)])
    for step in (MINUTE, HOUR):
        assert await buckets(history, step) == [Bucket(T0, 3.0, 5.0, 7.0, 2)]
    await history.aclose()


async def test_it_is_all_there_after_opening_again_also_without_a_proper_end(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    first = EmbeddedHistory(path, now=HandSetClock())
    await first.write(one_day())
    second = EmbeddedHistory(path, now=HandSetClock())  # the first still has the file open, as after a crash its log
    assert len(await buckets(second, MINUTE)) == 1440
    await second.write([point(T0 + DAY, 1.0)])
    assert len(await buckets(first, MINUTE)) == 1441
    await first.aclose()
    await second.aclose()
    third = EmbeddedHistory(path, now=HandSetClock())
    assert len(await buckets(third, MINUTE)) == 1441
    await third.aclose()


async def test_a_refused_batch_leaves_no_trace_and_its_series_can_be_written_later(tmp_path: Path) -> None:
    history = EmbeddedHistory(tmp_path / "h.db", now=HandSetClock())
    await history.check()
    with pytest.raises(Exception, match="not a number"):
        await history.write([point(T0, 1.0, "river/new"), point(T0, float("nan"))])
    assert rows(tmp_path / "h.db", "raw") == rows(tmp_path / "h.db", "series") == 0
    await history.write([point(T0, 2.0, "river/other"), point(T0, 1.0, "river/new")])
    assert await history.read("river/new", "smoke", "temperature", T0, T0 + 1, 5) == [(T0, 1.0)]
    await history.aclose()


async def test_a_file_of_a_newer_version_or_of_something_else_is_left_alone(tmp_path: Path) -> None:
    newer, other = tmp_path / "newer.db", tmp_path / "other.db"
    db = sqlite3.connect(newer)
    db.execute("PRAGMA user_version=99")
    db.close()
    other.write_bytes(b"no database at all " * 100)
    for path, told in ((newer, "newer Wanglou"), (other, "not a database")):
        content = path.read_bytes()
        history = EmbeddedHistory(path, now=HandSetClock())
        with pytest.raises(TryAgain, match=told):
            await history.write([point(T0, 1.0)])
        await history.aclose()
        assert path.read_bytes() == content


async def test_reading_and_writing_may_begin_at_the_same_moment(tmp_path: Path) -> None:
    for n in range(20):
        history = EmbeddedHistory(tmp_path / f"{n}.db", now=HandSetClock())
        await asyncio.gather(history.write([point(T0, 1.0)]), buckets(history, MINUTE))
        assert len(await buckets(history, MINUTE)) == 1
        await history.aclose()


@pytest.mark.parametrize("days", [(0, 1, 2), (7, 3, 9), (7, 90, 30)])
def test_retention_that_falls_is_refused(tmp_path: Path, days: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="retention"):
        EmbeddedHistory(tmp_path / "h.db", raw_days=days[0], minute_days=days[1], hour_days=days[2])


SECONDS = st.integers(min_value=0, max_value=3 * 3600)
PIECES = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=20)
"""(where a piece begins, how many points it has), in any order and overlapping"""


@settings(max_examples=30, deadline=None)
@given(
    seconds=st.lists(SECONDS, min_size=1, max_size=200, unique=True),
    pieces=PIECES,
    step=st.sampled_from([13 * SECOND, MINUTE, 7 * MINUTE, HOUR, 2 * HOUR]),
)
def test_however_often_and_in_whatever_pieces_it_is_written_buckets_are_those_of_the_points(
    tmp_path_factory: pytest.TempPathFactory, seconds: list[int], pieces: list[tuple[int, int]], step: Micros
) -> None:
    points = [point(T0 + second * SECOND, float(n)) for n, second in enumerate(seconds)]

    async def written() -> list[Bucket]:
        history = EmbeddedHistory(tmp_path_factory.mktemp("h") / "h.db", now=HandSetClock())
        for begin, length in pieces:
            await history.write(points[begin : begin + length])
        await history.write(points)
        try:
            return await buckets(history, step)
        finally:
            await history.aclose()

    groups: dict[Micros, list[float]] = {}
    for p in sorted(points, key=lambda p: p.at_ns):
        groups.setdefault(p.at_ns // 1000 // step * step, []).append(float(p.values["temperature"]))
    wanted = [Bucket(at, min(v), sum(v) / len(v), max(v), len(v)) for at, v in groups.items()]
    found = asyncio.run(written())
    assert [b[:2] + b[3:] for b in found] == [b[:2] + b[3:] for b in wanted]
    assert [b.mean for b in found] == pytest.approx([b.mean for b in wanted])
