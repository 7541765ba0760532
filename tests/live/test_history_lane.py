"""The history lane on real databases: stopped, killed, misconfigured and refusing, they cost delay and nothing else.

Readings are counted back from the database itself, over its own API.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pytest

from monitor.adapters.influx import InfluxHistory
from monitor.history import HistoryLane
from monitor.ports import Batch, History, Point, TapeRecord, TryAgain
from tests.fake_ledger import FakeLedger
from tests.servers import InfluxDB, Server, VictoriaMetrics, influxdb

pytestmark = pytest.mark.live

T0_NS = 1_700_000_000_000_000_000
RECORDS, ROWS = 100, 50
DEVICES = 20

Keep: TypeAlias = Callable[[InfluxHistory], InfluxHistory]


def to_points(record: TapeRecord) -> list[Point]:
    """Rows are (device, kind, value); every row has a millisecond of its own, as VictoriaMetrics keeps no less."""
    at = T0_NS + record.first_seq * 1_000_000
    return [
        Point(str(device), str(kind), "river/b1", at + n * 1_000_000, {"level": float(str(value))})
        for n, (device, kind, value) in enumerate(record.rows)
    ]


@pytest.fixture
async def keep() -> AsyncIterator[Keep]:
    """Hand it a history: it is closed at the end, whatever happens."""
    async with AsyncExitStack() as stack:

        def kept(history: InfluxHistory) -> InfluxHistory:
            stack.push_async_callback(history.aclose)
            return history

        yield kept


class Watch:
    """A lane between a ledger in lists and a real database."""

    def __init__(self, history: History, *, batch: int = 700) -> None:
        self.ledger = FakeLedger()
        self.reports: list[tuple[bool, str]] = []
        self.lane = HistoryLane(
            self.ledger,
            history,
            to_points,
            report=lambda active, why: self.reports.append((active, why)),
            clock=lambda: 42,
            batch=batch,
            linger=0.001,
            sleep=lambda seconds: asyncio.sleep(min(seconds, 0.05)),
        )

    async def commit(self, rows: list[tuple[object, ...]]) -> None:
        self.lane.wake(await self.ledger.commit(Batch(rows=rows, first_at=1, last_at=1)))

    async def readings(self, records: int) -> None:
        for n in range(records):
            await self.commit([(f"river/s-{(n + m) % DEVICES}", "smoke", float(m)) for m in range(ROWS)])
            await asyncio.sleep(0.001)

    async def until(self, met: Callable[[], bool], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not met():
                await asyncio.sleep(0.01)


async def ask(server: Server, path: str, **query: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/{path}", params=query) as answer:
        text = await answer.text()
        assert answer.status in (200, 204), text
        return text


async def influxql(server: Server, question: str, **query: str) -> list[list[Any]]:
    answer = json.loads(await ask(server, "query", db="w", q=question, **query))
    return [row for series in answer["results"][0].get("series", ()) for row in series["values"]]


async def counted(server: Server) -> int:
    """How many readings the database has, by its own count."""
    if isinstance(server, InfluxDB):
        rows = await influxql(server, 'SELECT count("level") FROM "smoke"')
        return int(rows[0][1]) if rows else 0
    await ask(server, "internal/force_flush")
    lines = await ask(server, "api/v1/export", **{"match[]": "smoke_level", "start": "1600000000"})
    series = [json.loads(line) for line in lines.splitlines()]
    stamps = [(one["metric"]["device"], stamp) for one in series for stamp in one["timestamps"]]
    assert len(stamps) == len(set(stamps))
    return len(stamps)


def history_of(server: Server) -> InfluxHistory:
    if isinstance(server, InfluxDB):
        return InfluxHistory(server.url, database="w", api="v1")
    return InfluxHistory(server.url, database="w", dialect="prometheus")


@pytest.mark.parametrize("kind", [InfluxDB, VictoriaMetrics])
async def test_a_stopped_database_costs_delay_and_nothing_else(
    kind: type[InfluxDB] | type[VictoriaMetrics], tmp_path: Path, keep: Keep
) -> None:
    with kind(tmp_path / "db") as server:
        history = keep(history_of(server))
        watch = Watch(history)
        task = asyncio.create_task(watch.lane.run())
        await watch.readings(RECORDS)
        await watch.until(lambda: watch.lane.written > 0)
        await asyncio.to_thread(server.stop)
        await watch.readings(RECORDS)
        await watch.until(lambda: watch.lane.failures > 3)
        assert watch.lane.lag > 0
        await asyncio.to_thread(server.start)
        await watch.readings(RECORDS)
        await watch.until(lambda: watch.lane.lag == 0)
        assert await counted(server) == 3 * RECORDS * ROWS == watch.lane.written
        assert [active for active, _ in watch.reports] == [True, False]
        assert await watch.ledger.quarantined() == []
        watch.lane.finish()
        await task


async def test_influxdb_killed_again_and_again_loses_and_doubles_nothing(tmp_path: Path, keep: Keep) -> None:
    with influxdb(tmp_path) as server:
        history = keep(history_of(server))
        watch = Watch(history, batch=100)
        task = asyncio.create_task(watch.lane.run())
        for _ in range(5):
            await watch.readings(20)
            await asyncio.to_thread(server.kill)
            await watch.readings(5)
            await asyncio.to_thread(server.start)
        await watch.until(lambda: watch.lane.lag == 0)
        assert await counted(server) == 5 * 25 * ROWS
        watch.lane.finish()
        await task


async def test_a_database_that_hangs_is_left_and_tried_again(tmp_path: Path, keep: Keep) -> None:
    with influxdb(tmp_path) as server:
        history = keep(InfluxHistory(server.url, database="w", api="v1", timeout=0.3))
        watch = Watch(history)
        task = asyncio.create_task(watch.lane.run())
        await watch.readings(5)
        await watch.until(lambda: watch.lane.lag == 0)
        server.suspend()
        await watch.readings(5)
        await watch.until(lambda: watch.lane.failures > 0)
        assert "does not answer within 0.3 s" in watch.reports[0][1]
        server.resume()
        await watch.until(lambda: watch.lane.lag == 0)
        assert await counted(server) == 10 * ROWS
        watch.lane.finish()
        await task


async def test_what_the_database_refuses_is_set_aside_with_its_words_and_the_rest_is_written(
    tmp_path: Path, keep: Keep
) -> None:
    with influxdb(tmp_path) as server:
        history = keep(history_of(server))
        await history.write([Point("river/w-0", "water", "river/b1", T0_NS, {"level": "low"})])
        watch = Watch(history)
        for n in range(10):
            rows: list[tuple[object, ...]] = [(f"river/s-{m}", "smoke", float(m)) for m in range(ROWS)]
            rows[n] = ("river/w-1", "water", float(n))  # a number where InfluxDB knows a text
            await watch.commit(rows)
        watch.lane.finish()
        await watch.lane.run()
        assert await counted(server) == 10 * (ROWS - 1)
        aside = await watch.ledger.quarantined()
        assert len(aside) == 10 == watch.lane.poisoned
        for item in aside:
            assert (item.reason, item.topic) == ("history-refused", "river/w-1")
            assert "field type conflict" in item.detail
        assert watch.reports == []


async def test_a_database_of_the_wrong_shape_is_waited_for_until_it_is_put_right(tmp_path: Path, keep: Keep) -> None:
    with influxdb(tmp_path) as server:
        history = keep(history_of(server))
        await history.write([Point("river/s-0", "smoke", "river/b1", T0_NS, {"level": "wrong"})])
        watch = Watch(history)
        task = asyncio.create_task(watch.lane.run())
        await watch.readings(20)
        await watch.until(lambda: watch.lane.failures > 2)
        assert "refuses every reading" in watch.reports[0][1]
        aside = len(await watch.ledger.quarantined())
        assert await post_query(server, "DROP MEASUREMENT smoke") == 200
        await watch.until(lambda: watch.lane.lag == 0)
        assert await counted(server) == 20 * ROWS - aside
        assert aside <= 20
        assert watch.reports[1:] == [(False, "")]
        watch.lane.finish()
        await task


async def test_a_wrong_password_keeps_the_readings_waiting_and_is_told_nobody(tmp_path: Path, keep: Keep) -> None:
    with influxdb(tmp_path, auth=True) as server:
        right, wrong = "fire-brigade-119", "fire-brigade-120"
        assert await post_query(server, f"CREATE USER fire WITH PASSWORD '{right}' WITH ALL PRIVILEGES") == 200
        history = keep(InfluxHistory(server.url, database="w", api="v1", username="fire", password=wrong))
        with pytest.raises(TryAgain, match="check the user and password") as caught:
            await history.check()
        with pytest.raises(TryAgain, match="401"):
            await history.write([Point("river/s-0", "smoke", "river/b1", T0_NS, {"level": 1.0})])
        assert wrong not in str(caught.value)
        history = keep(InfluxHistory(server.url, database="w", api="v1", username="fire", password=right))
        assert "writable" in await history.check()
        await history.write([Point("river/s-0", "smoke", "river/b1", T0_NS, {"level": 1.0})])
        assert await history.read("river/s-0", "smoke", "level", 0, T0_NS // 1000 + 1, 10) == [(T0_NS // 1000, 1.0)]


async def test_a_user_who_may_only_write_and_read_is_enough(tmp_path: Path, keep: Keep) -> None:
    admin, writer = {"u": "admin", "p": "119"}, "may-write-119"
    with influxdb(tmp_path, auth=True) as server:
        for question in (
            "CREATE USER admin WITH PASSWORD '119' WITH ALL PRIVILEGES",
            "CREATE DATABASE w",
            f"CREATE USER fire WITH PASSWORD '{writer}'",
            "GRANT ALL ON w TO fire",
        ):
            assert await post_query(server, question, **admin) == 200
        history = keep(InfluxHistory(server.url, database="w", api="v1", username="fire", password=writer))
        assert "writable" in await granted(history, partial(post_query, server, "GRANT ALL ON w TO fire", **admin))
        elsewhere = keep(InfluxHistory(server.url, database="x", api="v1", username="fire", password=writer))
        with pytest.raises(TryAgain, match=r"40[34]"):
            await elsewhere.check()


async def granted(history: InfluxHistory, grant: Callable[[], Awaitable[int]]) -> str:
    """The server answers GRANT before all of it knows, and now and then never learns it: say it again, and ask again as the lane would."""
    for _ in range(50):
        try:
            return await history.check()
        except TryAgain:
            await asyncio.sleep(0.1)
            assert await grant() == 200
    return await history.check()


async def test_texts_and_their_awkward_characters_are_kept_as_they_are(tmp_path: Path, keep: Keep) -> None:
    texts = ['say "no"', "back\\", "two\nlines", "楼道 🔥", "a,b=c d", "\\n\\\\", "#", "tab\there", '\\"', " "]
    with influxdb(tmp_path) as server:
        history = keep(history_of(server))
        await history.write([Point("river/s-0", "smoke", "river/b1", n + 1, {"label": t}) for n, t in enumerate(texts)])
        rows = await influxql(server, 'SELECT "label" FROM "smoke"', epoch="ns")
        assert rows == [[n + 1, text] for n, text in enumerate(texts)]


async def post_query(server: Server, question: str, **query: str) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/query", params={"db": "w", "q": question, **query}) as answer,
    ):
        return answer.status
