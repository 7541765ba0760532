"""The contract of `monitor.ports.History`, on the embedded history and on real InfluxDB and VictoriaMetrics servers.

Knows the port only; what each needs to be started, flushed or ended is in the subjects.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from monitor.adapters.embedded_history import EmbeddedHistory
from monitor.adapters.influx import InfluxHistory
from monitor.ports import Bucket, History, NeverWill, Point, TryAgain
from rules.model import HOUR, MINUTE, SECOND, Micros, Value
from tests.fake_history import FakeHistory
from tests.servers import InfluxDB, Server, VictoriaMetrics

T0: Micros = 1_699_999_200 * SECOND
"""Start of an hour in 2023."""
KEPT_DAYS = 100 * 365

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Subject:
    """A history, and what a test must know of it."""

    history: History
    flush: Callable[[], Awaitable[None]]
    """Make what is written readable."""
    texts: bool
    """Does it keep texts?"""


class Running:
    """Servers of this module, each started when the first test asks for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: dict[str, Server] = {}

    def influxdb(self) -> Server:
        return self._started("influxdb", InfluxDB)

    def victoria_metrics(self) -> Server:
        return self._started("victoria-metrics", VictoriaMetrics)

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()

    def _started(self, name: str, server: Callable[[Path], Server]) -> Server:
        if name not in self._servers:
            self._servers[name] = server(self._folder / name)
            self._servers[name].start()
        return self._servers[name]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    servers = Running(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.stop()


def influx(server: Server) -> InfluxHistory:
    return InfluxHistory(server.url, database=f"w {next(_numbers)}", api="v1", timeout=20)


def victoria(server: Server) -> InfluxHistory:
    return InfluxHistory(server.url, database="wanglou", dialect="prometheus", timeout=20)


def embedded(path: Path) -> EmbeddedHistory:
    return EmbeddedHistory(path, raw_days=KEPT_DAYS, minute_days=KEPT_DAYS, hour_days=KEPT_DAYS)


KINDS = ["embedded", pytest.param("influxdb", marks=pytest.mark.live), pytest.param("victoria", marks=pytest.mark.live)]


@pytest.fixture(params=["fake", *KINDS])
async def subject(request: pytest.FixtureRequest, tmp_path: Path, running: Running) -> AsyncIterator[Subject]:
    async def nothing() -> None:
        return None

    async def flush() -> None:
        async with aiohttp.ClientSession() as session, session.get(f"{server.url}/internal/force_flush") as answer:
            assert answer.status == 200

    if request.param == "fake":
        made = Subject(FakeHistory(), nothing, texts=False)
    elif request.param == "embedded":
        made = Subject(embedded(tmp_path / "history.db"), nothing, texts=True)
    elif request.param == "influxdb":
        made = Subject(influx(running.influxdb()), nothing, texts=True)
    else:
        server = running.victoria_metrics()
        made = Subject(victoria(server), flush, texts=False)
    yield made
    await made.history.aclose()


def some_device() -> str:
    """A device of its own for each test: VictoriaMetrics has one database for all."""
    return f"river/s-{next(_numbers)}"


def point(device: str, at: Micros, values: dict[str, Value], *, kind: str = "smoke", zone: str = "river/b1") -> Point:
    return Point(device, kind, zone, at * 1000, values)


def series(device: str, values: list[float], *, every: Micros = SECOND, zone: str = "river/b1") -> list[Point]:
    return [point(device, T0 + n * every, {"temperature": v}, zone=zone) for n, v in enumerate(values)]


async def write(subject: Subject, points: list[Point]) -> None:
    await subject.history.write(points)
    await subject.flush()


async def read_all(subject: Subject, device: str, quantity: str = "temperature") -> list[tuple[Micros, float]]:
    return await subject.history.read(device, "smoke", quantity, T0 - HOUR, T0 + 48 * HOUR, 1_000_000)


async def test_what_is_written_is_read_back_oldest_first_within_the_range_and_the_limit(subject: Subject) -> None:
    device = some_device()
    await write(subject, list(reversed(series(device, [20.5, 21.25, -3.125, 1e-9, 123456789.0]))))
    wanted = [(T0, 20.5), (T0 + SECOND, 21.25), (T0 + 2 * SECOND, -3.125), (T0 + 3 * SECOND, 1e-9)]
    assert await read_all(subject, device) == [*wanted, (T0 + 4 * SECOND, 123456789.0)]
    read = subject.history.read
    assert await read(device, "smoke", "temperature", T0, T0 + 4 * SECOND, 100) == wanted
    assert await read(device, "smoke", "temperature", T0 + SECOND, T0 + 3 * SECOND, 100) == wanted[1:3]
    assert await read(device, "smoke", "temperature", T0, T0 + HOUR, 2) == wanted[:2]


async def test_writing_the_same_again_changes_nothing(subject: Subject) -> None:
    device = some_device()
    points = series(device, [float(n % 7) for n in range(200)])
    await write(subject, points)
    raw = await read_all(subject, device)
    buckets = await subject.history.buckets(device, "smoke", "temperature", T0, T0 + HOUR, MINUTE)
    for again in (points, points[50:90], points[:1]):
        await write(subject, again)
    assert await read_all(subject, device) == raw
    assert len(raw) == 200
    assert await subject.history.buckets(device, "smoke", "temperature", T0, T0 + HOUR, MINUTE) == buckets


async def test_flags_are_one_and_zero(subject: Subject) -> None:
    device = some_device()
    flags: list[Value] = [True, False, True]
    await write(subject, [point(device, T0 + n * SECOND, {"alarm": flag}) for n, flag in enumerate(flags)])
    assert [value for _, value in await read_all(subject, device, "alarm")] == [1.0, 0.0, 1.0]


async def test_texts_are_taken_and_numeric_questions_pass_over_them(subject: Subject) -> None:
    device = some_device()
    awkward = ['say "no"', "back\\", "two\nlines", "楼道 🔥", "", "a,b=c d", "\\n\\\\"]
    points = [point(device, T0 + n * SECOND, {"label": text, "temperature": 1.5}) for n, text in enumerate(awkward)]
    await write(subject, points)
    assert len(await read_all(subject, device)) == len(awkward)
    assert await read_all(subject, device, "label") == []
    assert await subject.history.buckets(device, "smoke", "label", T0, T0 + HOUR, MINUTE) == []


AWKWARD = [" ", ",", "=", '"', "'", "\\", "\n", "\r", "\t", "楼", "é", "🔥", "#", "/", "x", "*", "{", "$", "|", "."]


async def test_any_name_is_found_again_under_itself(subject: Subject) -> None:
    rng = random.Random(45839)
    names = ["#first", "last\\", "last\\\\", "\\", "a\\ b", "a\\,b", "a\\=b", "\\\\x", '"', "a b", *AWKWARD]
    names += ["".join(rng.choices(AWKWARD, k=rng.randint(1, 6))) for _ in range(60)]
    prefix = some_device()
    points = [
        Point(f"{prefix}{n}{text}", text, f"river/{text}", (T0 + n) * 1000, {text: float(n)})
        for n, text in enumerate(names)
    ]
    await write(subject, points)
    for n, text in enumerate(names):
        found = await subject.history.read(f"{prefix}{n}{text}", text, text, T0 - HOUR, T0 + HOUR, 10)
        assert [value for _, value in found] == [float(n)], repr(text)


async def test_a_device_without_a_site_or_zone_is_found(subject: Subject) -> None:
    device = some_device()
    await write(subject, [point(device, T0, {"temperature": 4.0}, zone="")])
    assert await read_all(subject, device) == [(T0, 4.0)]


@pytest.mark.parametrize("step", [SECOND, 7 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 7 * MINUTE, HOUR, 3 * HOUR])
async def test_buckets_are_lowest_mean_highest_and_number(subject: Subject, step: Micros) -> None:
    device = some_device()
    points = series(device, [float(n * 37 % 101) for n in range(900)], every=11 * SECOND)
    await write(subject, points)
    stop = T0 + 3 * HOUR
    found = await subject.history.buckets(device, "smoke", "temperature", T0, stop, step)
    assert_same(found, buckets_of(points, step))


async def test_a_range_that_cuts_buckets_gives_them_whole(subject: Subject) -> None:
    device = some_device()
    points = series(device, [float(n) for n in range(300)])
    await write(subject, points)
    start, stop = T0 + 90 * SECOND, T0 + 150 * SECOND
    found = await subject.history.buckets(device, "smoke", "temperature", start, stop, MINUTE)
    assert_same(found, buckets_of(points, MINUTE)[1:3])


async def test_a_device_that_moved_is_one_series(subject: Subject) -> None:
    device = some_device()
    points = series(device, [1.0] * 30, zone="river/b1")
    moved = [p._replace(at_ns=p.at_ns + 30 * SECOND * 1000, zone="river/b2") for p in series(device, [4.0] * 90)]
    await write(subject, points + moved)
    assert len(await read_all(subject, device)) == 120
    found = await subject.history.buckets(device, "smoke", "temperature", T0, T0 + 2 * MINUTE, MINUTE)
    assert_same(found, buckets_of(points + moved, MINUTE))
    assert [b.mean for b in found] == [2.5, 4.0]


async def test_a_range_may_be_all_of_time(subject: Subject) -> None:
    device = some_device()
    points = series(device, [1.0, 2.0, 6.0])
    await write(subject, points)
    for start, stop in ((0, 2**62), (-(2**62), 2**62), (T0, 2**63 // 1000), (T0, 2**100)):
        assert len(await subject.history.read(device, "smoke", "temperature", start, stop, 10)) == 3
        found = await subject.history.buckets(device, "smoke", "temperature", start, stop, MINUTE)
        assert_same(found, buckets_of(points, MINUTE))


async def test_nothing_is_nothing(subject: Subject) -> None:
    device = some_device()
    await write(subject, [])
    await write(subject, [point(device, T0, {})])
    await write(subject, series(device, [1.0]))
    history = subject.history
    assert await history.read("river/nobody", "smoke", "temperature", T0, T0 + HOUR, 10) == []
    assert await history.read(device, "nothing", "temperature", T0, T0 + HOUR, 10) == []
    assert await history.read(device, "smoke", "humidity", T0, T0 + HOUR, 10) == []
    assert await history.read(device, "smoke", "temperature", T0 + SECOND, T0 + HOUR, 10) == []
    assert await history.read(device, "smoke", "temperature", T0 + HOUR, T0, 10) == []
    assert await history.read(device, "smoke", "temperature", T0, T0 + HOUR, 0) == []
    assert await history.buckets("river/nobody", "smoke", "temperature", T0, T0 + HOUR, MINUTE) == []
    assert await history.buckets(device, "smoke", "temperature", T0 + MINUTE, T0 + HOUR, MINUTE) == []
    assert await history.buckets(device, "smoke", "temperature", T0 + HOUR, T0, MINUTE) == []


async def test_writes_at_the_same_time_all_arrive(subject: Subject) -> None:
    devices = [some_device() for _ in range(10)]
    await asyncio.gather(*(subject.history.write(series(d, [float(n) for n in range(300)])) for d in devices))
    await subject.flush()
    for device in devices:
        assert [value for _, value in await read_all(subject, device)] == [float(n) for n in range(300)]


@pytest.mark.parametrize(
    "poison",
    [
        Point("river/p", "smoke", "river/b1", T0 * 1000, {"temperature": float("nan")}),
        Point("river/p", "smoke", "river/b1", T0 * 1000, {"temperature": float("-inf")}),
        Point("river/p", "smoke", "river/b1", -1, {"temperature": 1.0}),
        Point("river/p", "smoke", "river/b1", 2**63, {"temperature": 1.0}),
        Point("river/p", "", "river/b1", T0 * 1000, {"temperature": 1.0}),
        Point("river/p", "smoke", "river/b1", T0 * 1000, {"": 1.0}),
    ],
    ids=["nan", "infinite", "before-1970", "after-2262", "no-kind", "no-name"],
)
async def test_what_no_server_could_keep_will_never_do(subject: Subject, poison: Point) -> None:
    good = series(some_device(), [1.0, 2.0])
    with pytest.raises(NeverWill):
        await subject.history.write([*good, poison])
    await write(subject, good)
    assert len(await read_all(subject, good[0].device)) == 2


async def test_half_a_character_is_poison_where_texts_are_kept(subject: Subject) -> None:
    await subject.history.check()
    device = some_device()
    half = [point(device, T0, {"label": "\ud800", "temperature": 1.0})]
    if subject.texts:
        with pytest.raises(NeverWill, match="surrogate"):
            await subject.history.write(half)
    else:
        await write(subject, half)
    assert await read_all(subject, device) == ([] if subject.texts else [(T0, 1.0)])


@pytest.mark.live
async def test_what_influxdb_itself_refuses_will_never_do_and_it_says_why(running: Running) -> None:
    history = influx(running.influxdb())
    try:
        await history.write([point("river/t", T0, {"temperature": 1.0})])
        with pytest.raises(NeverWill, match="field type conflict"):
            await history.write([point("river/t", T0 + SECOND, {"temperature": "warm"})])
    finally:
        await history.aclose()


async def test_check_says_in_one_line_that_it_is_writable(subject: Subject) -> None:
    told = await subject.history.check()
    assert "writable" in told
    assert "\n" not in told


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_there_is_try_again_and_works_once_somebody_is(kind: str, tmp_path: Path) -> None:
    device = some_device()
    if kind == "embedded":
        folder = tmp_path / "later"
        history: History = embedded(folder / "history.db")
        comes_up: Callable[[], None] = folder.mkdir
        stop: Callable[[], None] = lambda: None  # noqa: E731
    else:
        server = InfluxDB(tmp_path / "db") if kind == "influxdb" else VictoriaMetrics(tmp_path / "db")
        history = influx(server) if kind == "influxdb" else victoria(server)
        comes_up, stop = server.start, server.stop
    try:
        with pytest.raises(TryAgain):
            await history.write(series(device, [1.0]))
        with pytest.raises(TryAgain):
            await history.read(device, "smoke", "temperature", T0, T0 + HOUR, 10)
        with pytest.raises(TryAgain):
            await history.buckets(device, "smoke", "temperature", T0, T0 + HOUR, MINUTE)
        with pytest.raises(TryAgain):
            await history.check()
        comes_up()
        await history.write(series(device, [1.0]))
        assert "writable" in await history.check()
    finally:
        await history.aclose()
        stop()


def buckets_of(points: list[Point], step: Micros) -> list[Bucket]:
    """The answer by plain arithmetic."""
    groups: dict[Micros, list[float]] = {}
    for p in sorted(points, key=lambda p: p.at_ns):
        groups.setdefault(p.at_ns // 1000 // step * step, []).append(float(p.values["temperature"]))
    return [Bucket(at, min(v), sum(v) / len(v), max(v), len(v)) for at, v in groups.items()]


def assert_same(found: list[Bucket], wanted: list[Bucket]) -> None:
    assert [(b.at, b.low, b.high, b.samples) for b in found] == [(b.at, b.low, b.high, b.samples) for b in wanted]
    assert [b.mean for b in found] == pytest.approx([b.mean for b in wanted], rel=1e-12)
