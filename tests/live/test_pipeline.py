"""50,000 readings through a real broker and the daemon into three histories at once: counted back, none missing, none twice.

Again with the databases stopped for a while, and again with the broker restarted in between. Every database is asked over its own
interface, not through the daemon.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from monitor.ports import Verdict
from tests.publisher import Neighbours, Readings, Sent, publish
from tests.running import Hook, Wanglou, hook, in_embedded_history, site, taped
from tests.servers import InfluxDB, Mosquitto, Server, VictoriaMetrics, influxdb, mosquitto, victoria_metrics

pytestmark = [pytest.mark.live, pytest.mark.slow]

READINGS = 50_000
DEVICES = 1000
QUANTITIES = ("smoke_density", "temperature", "battery")


class Watch:
    """Broker, both databases, the webhook's receiver and the daemon, all running."""

    def __init__(
        self, folder: Path, broker: Mosquitto, influx: InfluxDB, victoria: VictoriaMetrics, hook: Hook
    ) -> None:
        self.broker, self.influx, self.victoria, self.hook = broker, influx, victoria, hook
        history = [
            {"kind": "influxdb", "name": "influx", "url": influx.url, "database": "w", "api": "v1"},
            {"kind": "influxdb", "name": "victoria", "url": victoria.url, "database": "w", "dialect": "prometheus"},
            {"kind": "embedded", "name": "embedded"},
        ]
        self.data = folder / "data"
        self.daemon = Wanglou(site(folder, mqtt=broker.port, webhook=hook.url, history=history))
        self.neighbours = Neighbours([f"site0/smoke-{n}" for n in range(DEVICES)])

    @property
    def lag(self) -> float:
        """Rows of the tape that some history has yet to get."""
        return sum(n for name, n in self.daemon.metrics().items() if name.startswith("wanglou_history_lag_rows"))

    @property
    def troubles(self) -> set[str]:
        """The sources of what is wrong now."""
        return {item["source"] for item in self.daemon.get("/api/v1/troubles")["items"]}

    def live(self) -> float:
        """Messages committed as live readings."""
        return self.daemon.metric('wanglou_messages_total{verdict="live"}')

    def has(self, readings: int) -> bool:
        """Whether so many are on the tape as live readings."""
        return self.live() >= readings

    def arrived(self, readings: int) -> None:
        """Wait until so many are on the tape, and every history has the whole tape."""
        self.daemon.wait_for(lambda: self.live() >= readings, f"{readings} readings on the tape", 120)
        self.daemon.wait_for(lambda: self.lag == 0, "the histories have them", 120)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """All of it; the daemon has exited with 0 at the end."""
    with (
        mosquitto(tmp_path) as broker,
        influxdb(tmp_path) as influx,
        victoria_metrics(tmp_path) as victoria,
        hook() as hearing,
    ):
        watch = Watch(tmp_path / "site", broker, influx, victoria, hearing)
        with watch.daemon:
            yield watch


def test_fifty_thousand_readings_are_counted_back_from_each_database(watch: Watch) -> None:
    began = time.perf_counter()
    sent = publish(watch.broker.port, watch.neighbours.readings(READINGS))
    watch.daemon.wait_for(lambda: watch.live() >= READINGS, "all on the tape", 120)
    taped = time.perf_counter() - began
    watch.arrived(READINGS)
    took = time.perf_counter() - began
    print(
        f"\npublished in {sent.seconds:.1f} s, on the tape after {taped:.1f} s, in three histories after {took:.1f} s"
    )
    assert (sent.acknowledged, sent.repeated) == (READINGS, 0)
    assert_account(watch, duplicates=0)
    assert_kept_exactly(watch)


def test_databases_stopped_for_a_while_cost_delay_and_hold_up_no_alarm(watch: Watch) -> None:
    with publishing(watch, READINGS, rate=8000) as sent:
        watch.daemon.wait_for(lambda: watch.live() > READINGS / 5, "a fifth has come")
        watch.influx.stop()
        watch.victoria.stop()
        watch.daemon.wait_for(lambda: watch.troubles >= {"history:influx", "history:victoria"}, "both are missed")
    publish(watch.broker.port, [watch.neighbours.reading("site0/smoke-7", 2.5)])
    watch.hook.wait_for(lambda heard: heard.dispatched())
    watch.daemon.wait_for(lambda: watch.live() == READINGS + 1, "all are on the tape while the databases are down")
    assert watch.lag > 0
    reasons = [item["detail"] for item in watch.daemon.get("/api/v1/troubles")["items"]]
    assert any(watch.influx.url in reason for reason in reasons)
    began = time.perf_counter()
    watch.influx.start()
    watch.victoria.start()
    watch.arrived(READINGS + 1)
    print(f"\ncaught up in {time.perf_counter() - began:.1f} s")
    watch.daemon.wait_for(lambda: not watch.troubles, "the trouble ends")
    assert sent().acknowledged == READINGS
    assert_account(watch, duplicates=0)
    assert_kept_exactly(watch)


def test_a_broker_restarted_in_between_loses_nothing_and_repetitions_are_recognised(watch: Watch) -> None:
    with publishing(watch, READINGS, rate=8000) as sent:
        for part in (READINGS // 8, READINGS // 4):
            watch.daemon.wait_for(partial(watch.has, part), f"{part} have come")
            watch.broker.stop()
            watch.daemon.wait_for(lambda: "feed" in watch.troubles, "the broker is missed")
            watch.broker.start()
    watch.arrived(READINGS)
    watch.daemon.wait_for(lambda: not watch.troubles, "the trouble ends")
    duplicates = watch.daemon.get("/api/v1/account")["verdicts"]["duplicate"]
    print(f"\n{sent().repeated} messages repeated by the devices, {duplicates} duplicates recognised")
    assert sent().acknowledged == READINGS
    assert sent().connections in (2, 3)  # the last break may come when the devices have said all
    assert_account(watch, duplicates=duplicates)
    assert_kept_exactly(watch)


# --- sending ---------------------------------------------------------------------------------------------------------


@contextmanager
def publishing(watch: Watch, count: int, rate: float) -> Iterator[Callable[[], Sent]]:
    """Publish beside the block; at its end all of it is acknowledged."""
    done: list[Sent] = []

    def work() -> None:
        done.append(publish(watch.broker.port, watch.neighbours.readings(count), rate=rate))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield lambda: done[0]
    finally:
        thread.join(120)
    assert done, "the publisher did not come to its end"


# --- counting back ---------------------------------------------------------------------------------------------------


def assert_account(watch: Watch, *, duplicates: int) -> None:
    """received = sum of the verdicts = messages on the tape, and each verdict is what was published."""
    published = len(watch.neighbours.published)
    account = watch.daemon.get("/api/v1/account")
    expected = dict.fromkeys((v.value for v in Verdict), 0) | {"live": published, "duplicate": duplicates}
    assert account["verdicts"] == expected
    assert account["received"] == published + duplicates == watch.daemon.metric("wanglou_messages_received_total")
    assert account["waiting"] == 0
    assert account["quarantined"] == {}
    assert len(taped(watch.data)) == published + duplicates


def assert_kept_exactly(watch: Watch) -> None:
    """Every database holds the published readings, and nothing else: by device, millisecond and value."""
    published = watch.neighbours.published
    for name, found in (
        ("InfluxDB", in_influxdb(watch.influx)),
        ("VictoriaMetrics", shown_by_victoria_metrics(watch.victoria, published.keys())),
        ("embedded", in_embedded_history(watch.data / "embedded.sqlite3")),
    ):
        missing, strange = published.keys() - found.keys(), found.keys() - published.keys()
        assert not missing, f"{name} lacks {len(missing)} readings: {sorted(missing)[:3]}"
        assert not strange, f"{name} has {len(strange)} readings that nobody published: {sorted(strange)[:3]}"
        assert found == published, name


def in_influxdb(server: Server) -> Readings:
    """All readings, as its own query tells them; its own count of each field says the same."""
    fields = ", ".join(f'"{name}"' for name in QUANTITIES)
    points = [
        ((series["tags"]["device"], at_ns // 1_000_000), dict(zip(QUANTITIES, values, strict=True)))
        for series in influxql(server, f'SELECT {fields} FROM "smoke_detector" GROUP BY "device"')
        for at_ns, *values in series["values"]
    ]
    (total,) = influxql(server, 'SELECT count(*) FROM "smoke_detector"')
    assert total["values"][0][1:] == [len(points)] * len(QUANTITIES)
    readings = dict(points)
    assert len(readings) == len(points), "InfluxDB holds a reading twice"
    return readings


def influxql(server: Server, question: str) -> list[dict[str, Any]]:
    answer = json.loads(ask(server, "query", db="w", epoch="ns", q=question))
    series: list[dict[str, Any]] = answer["results"][0]["series"]
    return series


def shown_by_victoria_metrics(server: Server, wanted: Set[tuple[str, int]]) -> Readings:
    """On a busy machine it shows a series' first samples some seconds after it has confirmed them, flushed or not."""
    for _ in range(20):
        if wanted <= (found := in_victoria_metrics(server)).keys():
            break
        time.sleep(1)
    return found


def in_victoria_metrics(server: Server) -> Readings:
    """The same; one series a quantity, so the readings are put together again."""
    ask(server, "internal/force_flush")
    lines = ask(server, "api/v1/export", **{"match[]": '{__name__=~"smoke_detector_.*"}', "start": "1600000000"})
    readings: dict[tuple[str, int], dict[str, float]] = {}
    samples = 0
    for line in lines.splitlines():
        series = json.loads(line)
        device, quantity = series["metric"]["device"], series["metric"]["__name__"].removeprefix("smoke_detector_")
        samples += len(series["values"])
        for at, value in zip(series["timestamps"], series["values"], strict=True):
            readings.setdefault((device, at), {})[quantity] = value
    assert samples == sum(len(values) for values in readings.values()), "VictoriaMetrics holds a sample twice"
    return readings


def ask(server: Server, path: str, **query: str) -> str:
    with urllib.request.urlopen(f"{server.url}/{path}?{urllib.parse.urlencode(query)}", timeout=60) as answer:
        text: str = answer.read().decode()
    return text
