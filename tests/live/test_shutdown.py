"""Stopping, reloading and being watched: the daemon and the signals, locks and sockets by which an operating system keeps it.

Time-outs are those that the daemon states of itself; nothing else here depends on how fast the machine is.
"""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml

from monitor.app import DRAIN, EMPTY, TAIL
from monitor.ledger.connection import FILE
from tests.publisher import Neighbours, Outgoing, publish
from tests.running import BOOK, Hook, Wanglou, hook, in_embedded_history, in_ledger, site, taped
from tests.servers import InfluxDB, Mosquitto, free_port, influxdb, mosquitto

pytestmark = pytest.mark.live

EXIT = 5.0
"""Seconds that a process may take to begin and end beside the stated time-outs, on a busy machine."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def heard() -> Iterator[Hook]:
    with hook() as heard:
        yield heard


def reading(smoke_density: float, device: str = "smoke-1") -> Outgoing:
    return Outgoing(f"wl/site0/{device}/up", json.dumps({"smoke_density": smoke_density}).encode())


def live(daemon: Wanglou) -> float:
    return daemon.metric('wanglou_messages_total{verdict="live"}')


def has(daemon: Wanglou, readings: float) -> bool:
    return live(daemon) >= readings


# --- SIGTERM ---------------------------------------------------------------------------------------------------------


def test_stopped_under_load_it_ends_well_loses_nothing_and_starts_from_its_snapshot(
    tmp_path: Path, broker: Mosquitto, heard: Hook
) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=heard.url)
    neighbours, daemon = Neighbours([f"site0/smoke-{n}" for n in range(500)]), Wanglou(config)
    data = config.parent / "data"
    daemon.start()
    with publishing(broker, neighbours) as ended:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            before = live(daemon)
            daemon.wait_for(partial(has, daemon, before + 2000), "it is at work")
            took = stop(daemon, number)
            (last,) = in_ledger(data, "SELECT max(last_seq) FROM tape")
            assert in_ledger(data, "SELECT max(seq) FROM snapshot") == [last], "the snapshot is the tape's end"
            began = time.monotonic()
            daemon.start()
            assert daemon.logged("recovered")[-1]["rows"] == 0
            print(f"\nstopped in {took:.2f} s, watching again in {time.monotonic() - began:.2f} s")
        ended.set()
    daemon.wait_for(lambda: live(daemon) >= len(neighbours.published), "all are on the tape")
    assert stop(daemon) < DRAIN + EMPTY + TAIL
    verdicts = Counter(verdict for _, verdict in taped(data))
    assert verdicts == {"live": len(neighbours.published)}, "after an orderly goodbye nothing comes twice"
    assert in_embedded_history(data / "embedded.sqlite3") == neighbours.published


def test_a_hanging_webhook_and_database_delay_the_stop_by_the_stated_time_outs_at_most(
    tmp_path: Path, broker: Mosquitto, heard: Hook
) -> None:
    with influxdb(tmp_path) as influx:
        history = {"kind": "influxdb", "url": influx.url, "database": "w", "api": "v1", "timeout": "1m"}
        config = site(tmp_path / "site", mqtt=broker.port, webhook=heard.url, history=history)
        daemon = Wanglou(config)
        daemon.start()
        publish(broker.port, [reading(0.1)])
        daemon.wait_for(lambda: daemon.metric('wanglou_history_written_total{history="influxdb"}') == 1, "it writes")
        influx.suspend()
        heard.delay = 120
        publish(broker.port, [reading(2.5), reading(0.1, "smoke-2")])
        heard.wait_for(lambda heard: heard.dispatched())
        took = stop(daemon)
        print(f"\nstopped in {took:.2f} s")
        heard.delay = 0
        influx.resume()
        (first,) = heard.keys
        with daemon:
            heard.wait_for(lambda heard: heard.keys[first] == 2)
            daemon.wait_for(lambda: waiting_pushes(daemon) == 0, "the push is settled")
            daemon.wait_for(
                lambda: daemon.metric('wanglou_history_lag_rows{history="influxdb"}') == 0, "all is written"
            )
        assert heard.keys.keys() == {first}
        assert counted(influx) == 3


def test_it_stops_at_once_while_the_broker_is_away(tmp_path: Path, broker: Mosquitto, heard: Hook) -> None:
    daemon = Wanglou(site(tmp_path / "site", mqtt=broker.port, webhook=heard.url))
    daemon.start()
    broker.stop()
    daemon.wait_for(lambda: "feed" in troubles(daemon), "the broker is missed")
    assert stop(daemon) < DRAIN
    daemon.start(wait=False)
    daemon.wait_for(lambda: daemon.logged("watching")[1:], "it watches without a broker")
    assert stop(daemon) < DRAIN


def stop(daemon: Wanglou, number: int = signal.SIGTERM) -> float:
    """Exit code 0 within the stated time-outs; the seconds it took."""
    began = time.monotonic()
    assert daemon.stop(number) == 0, daemon.tail()
    took = time.monotonic() - began
    assert took < DRAIN + EMPTY + TAIL + EXIT, daemon.tail()
    assert "Traceback" not in daemon.tail()
    return took


@contextmanager
def publishing(broker: Mosquitto, neighbours: Neighbours) -> Iterator[threading.Event]:
    """Publish beside the block until the event is set; at the block's end all of it is acknowledged."""
    ended = threading.Event()

    def readings() -> Iterator[Outgoing]:
        for outgoing in neighbours.readings(1 << 62):
            yield outgoing
            if ended.is_set():
                return

    thread = threading.Thread(target=lambda: publish(broker.port, readings(), rate=4000))
    thread.start()
    try:
        yield ended
    finally:
        ended.set()
        thread.join(60)


def waiting_pushes(daemon: Wanglou) -> float:
    return sum(n for name, n in daemon.metrics().items() if name.startswith("wanglou_outbox_waiting"))


def counted(influx: InfluxDB) -> int:
    question = urllib.parse.urlencode({"db": "w", "q": 'SELECT count("smoke_density") FROM "smoke_detector"'})
    with urllib.request.urlopen(f"{influx.url}/query?{question}", timeout=30) as answer:
        return int(json.load(answer)["results"][0]["series"][0]["values"][0][1])


def test_a_channel_that_left_the_site_file_is_no_trouble_any_more(
    tmp_path: Path, broker: Mosquitto, heard: Hook
) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=heard.url)
    heard.status = 404
    daemon = Wanglou(config)
    with daemon:
        publish(broker.port, [reading(2.5)])
        daemon.wait_for(lambda: condition_of_channel(config) == ["active"], "it is refused for good")
    with daemon:
        publish(broker.port, [reading(0.1, "smoke-2")])
        daemon.wait_for(partial(has, daemon, 2), "it is at work")
    assert condition_of_channel(config) == ["active"], "a channel that is still there proves itself by its next push"
    left = yaml.safe_load(config.read_text("utf-8"))
    del left["channels"]["hook"]
    left["stations"][0]["recipients"] = ["topics"]
    config.write_text(yaml.safe_dump(left, allow_unicode=True), "utf-8")
    with daemon:
        daemon.wait_for(lambda: condition_of_channel(config) == ["returned"], "nobody can mend what is not there")


def condition_of_channel(config: Path) -> list[str]:
    """Of the incidents about a channel of ours."""
    rows = in_ledger(config.parent / "data", "SELECT record FROM incident")
    found = [json.loads(row[0]) for row in rows]
    return [record["condition"] for record in found if record["group"] == "system/channel:hook"]


# --- SIGHUP ----------------------------------------------------------------------------------------------------------

HEAT = """
  - id: heat
    kind: FIRE
    devices: [smoke_detector]
    when: temperature > 60
    title: {zh: 感温报警, en: Heat}
"""
WITHOUT_BATTERY = BOOK[: BOOK.index("  - id: low-battery")]


def test_a_changed_book_comes_into_force_and_alarms_of_unchanged_rules_stay(
    tmp_path: Path, broker: Mosquitto, heard: Hook
) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=heard.url)
    with Wanglou(config) as daemon:
        publish(broker.port, [reading(2.5), values(battery=5), values(temperature=70)])
        daemon.wait_for(lambda: alarms(daemon) == {"smoke": "active", "low-battery": "active"}, "both alarms")
        change_book(daemon, WITHOUT_BATTERY + HEAT)
        daemon.wait_for(lambda: rules(daemon) == {"smoke", "heat"}, "the new book is in force")
        assert alarms(daemon) == {"smoke": "active"}
        daemon.wait_for(lambda: conditions(daemon) == {"FIRE": "active", "FAULT": "returned"}, "the ledger says so")
        publish(broker.port, [values(temperature=71)])
        daemon.wait_for(lambda: alarms(daemon) == {"smoke": "active", "heat": "active"}, "the new rule raises")
        publish(broker.port, [reading(0.1)])
        daemon.wait_for(lambda: alarms(daemon) == {"smoke": "latched", "heat": "active"}, "the old one still lives")
        assert len(heard.dispatched()) == 1, "one place, one incident, one dispatch"


def test_a_faulty_book_is_shown_and_the_running_one_stays(tmp_path: Path, broker: Mosquitto, heard: Hook) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=heard.url)
    with Wanglou(config) as daemon:
        publish(broker.port, [values(battery=5)])
        daemon.wait_for(lambda: alarms(daemon) == {"low-battery": "active"}, "an alarm")
        change_book(
            daemon, WITHOUT_BATTERY.replace("smoke_density > 0.5", "smok_density > 0.5") + HEAT.replace(">", "=")
        )
        daemon.wait_for(lambda: "rules" in troubles(daemon), "the mistakes are shown")
        detail = troubles(daemon)["rules"]
        assert "2 mistakes" in detail
        assert "book.yaml:7:11" in detail
        assert rules(daemon) == {"smoke", "low-battery"}
        assert alarms(daemon) == {"low-battery": "active"}
        publish(broker.port, [reading(2.5)])
        heard.wait_for(lambda heard: heard.dispatched())
        (config.parent / "book.yaml").unlink()
        daemon.hang_up()
        daemon.wait_for(lambda: "cannot be read" in troubles(daemon)["rules"], "a missing book is shown too")
        assert rules(daemon) == {"smoke", "low-battery"}
        change_book(daemon, BOOK)
        daemon.wait_for(lambda: "rules" not in troubles(daemon), "the trouble ends")
        daemon.wait_for(lambda: alarms(daemon) == {"low-battery": "active", "smoke": "active"}, "all as it was")
        daemon.wait_for(lambda: conditions(daemon) == {"FAULT": "active", "FIRE": "active"}, "the ledger says so")


def test_a_book_changed_while_it_was_away_comes_into_force_at_the_start(
    tmp_path: Path, broker: Mosquitto, heard: Hook
) -> None:
    daemon = Wanglou(site(tmp_path / "site", mqtt=broker.port, webhook=heard.url))
    daemon.start()
    publish(broker.port, [reading(2.5), values(battery=5)])
    # In the ledger, not only in the engine: what was not committed comes again, and would then meet the new book.
    daemon.wait_for(lambda: conditions(daemon) == {"FIRE": "active", "FAULT": "active"}, "both incidents")
    daemon.kill()
    daemon.config.with_name("book.yaml").write_text(WITHOUT_BATTERY + HEAT, "utf-8")
    with daemon:
        daemon.wait_for(lambda: rules(daemon) == {"smoke", "heat"}, "the new book is in force")
        assert alarms(daemon) == {"smoke": "active"}
        daemon.wait_for(lambda: conditions(daemon) == {"FIRE": "active", "FAULT": "returned"}, "the ledger says so")


def values(**said: float) -> Outgoing:
    return Outgoing("wl/site0/smoke-1/up", json.dumps(said).encode())


def change_book(daemon: Wanglou, text: str) -> None:
    daemon.config.with_name("book.yaml").write_text(text, "utf-8")
    daemon.hang_up()


def rules(daemon: Wanglou) -> set[str]:
    return {rule["id"] for rule in daemon.get("/api/v1/rules")["items"]}


def alarms(daemon: Wanglou) -> dict[str, str]:
    """rule → state, at the one detector."""
    return {alarm["rule"]: alarm["state"] for alarm in daemon.get("/api/v1/devices/site0/smoke-1")["alarms"]}


def conditions(daemon: Wanglou) -> dict[str, str]:
    """Kind of incident → what its sensors say."""
    return {incident["kind"]: incident["condition"] for incident in daemon.get("/api/v1/incidents")["items"]}


def troubles(daemon: Wanglou) -> dict[str, str]:
    """source → detail."""
    return {item["source"]: item["detail"] for item in daemon.get("/api/v1/troubles")["items"]}


# --- one daemon to a ledger ------------------------------------------------------------------------------------------


def test_a_second_daemon_on_the_same_data_refuses_and_the_first_goes_on(
    tmp_path: Path, broker: Mosquitto, heard: Hook
) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=heard.url)
    with Wanglou(config) as daemon:
        second = copy(config, "second.yaml", port=free_port())
        assert exit_code(second) == 1
        said = second.log.read_text("utf-8")
        assert "another wanglou is running on" in said
        assert "Traceback" not in said
        publish(broker.port, [reading(2.5)])
        heard.wait_for(lambda heard: heard.dispatched())
        assert daemon.metric("wanglou_feed_connected") == 1
    assert not daemon.logged("broker lost"), "the second one never spoke to the broker"


def copy(config: Path, name: str, *, port: int) -> Wanglou:
    """The same site file under another name and with another port, in the same folder; with a log of its own."""
    data = yaml.safe_load(config.read_text("utf-8"))
    data["api"]["port"] = port
    other = config.with_name(name)
    other.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    daemon = Wanglou(other)
    daemon.log = config.with_name(f"{name}.log")
    return daemon


def exit_code(daemon: Wanglou) -> int:
    """Of a daemon that ends by itself."""
    daemon.start(wait=False)
    return daemon.wait()


# --- Type=notify -----------------------------------------------------------------------------------------------------


class Systemd:
    """The other end of NOTIFY_SOCKET: every message, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[str] = []
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(path))
        self._sock.settimeout(0.1)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def count(self, word: str) -> int:
        """How many messages say it."""
        return sum(word in message.split("\n") for message in self.heard)

    def close(self) -> None:
        """Listen no more; what has been sent by now is heard."""
        self._ended.set()
        self._thread.join()
        self._sock.close()

    def _listen(self) -> None:
        while True:
            try:
                self.heard.append(self._sock.recv(4096).decode())
            except TimeoutError:
                if self._ended.is_set():
                    return


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    with closing(Systemd(tmp_path / "notify")) as systemd:
        yield systemd


def test_systemd_is_told_of_readiness_of_work_done_and_of_stopping(
    tmp_path: Path, broker: Mosquitto, heard: Hook, systemd: Systemd
) -> None:
    daemon = watched(tmp_path, broker, heard, systemd)
    with daemon:
        daemon.wait_for(lambda: systemd.heard, "it says so")
        assert systemd.heard[0].startswith("READY=1\n")
        daemon.wait_for(lambda: systemd.count("WATCHDOG=1") >= 5, "an idle daemon is alive")
        assert systemd.count("STOPPING=1") == 0
    systemd.close()
    assert (systemd.count("READY=1"), systemd.count("STOPPING=1")) == (1, 1)


def test_the_watchdog_falls_silent_while_nothing_can_be_committed(
    tmp_path: Path, broker: Mosquitto, heard: Hook, systemd: Systemd
) -> None:
    daemon = watched(tmp_path, broker, heard, systemd)
    with daemon:
        daemon.wait_for(lambda: systemd.count("WATCHDOG=1") >= 1, "it is alive")
        with closing(sqlite3.connect(daemon.config.parent / "data" / FILE, isolation_level=None)) as db:
            db.execute("BEGIN EXCLUSIVE")
            publish(broker.port, [reading(2.5)])
            daemon.wait_for(lambda: silent(systemd, 3.0), "the watchdog is silent")
            assert daemon.get("/healthz") == {"status": "alive"}, "only the panel waits"
            assert live(daemon) == 0
            assert not heard.bodies, "what is not written did not happen"
            db.execute("ROLLBACK")
        before = systemd.count("WATCHDOG=1")
        heard.wait_for(lambda heard: heard.dispatched())
        daemon.wait_for(lambda: systemd.count("WATCHDOG=1") > before, "it is alive again")
        assert live(daemon) == 1


def test_without_a_watchdog_interval_nothing_but_readiness_is_told(
    tmp_path: Path, broker: Mosquitto, heard: Hook, systemd: Systemd
) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=heard.url)
    with Wanglou(config, NOTIFY_SOCKET=str(systemd.path)) as daemon:
        publish(broker.port, [reading(2.5)])
        heard.wait_for(lambda heard: heard.dispatched())
        daemon.wait_for(lambda: systemd.count("READY=1"), "it is ready")
    assert systemd.count("WATCHDOG=1") == 0


def watched(folder: Path, broker: Mosquitto, heard: Hook, systemd: Systemd) -> Wanglou:
    config = site(folder / "site", mqtt=broker.port, webhook=heard.url)
    return Wanglou(config, NOTIFY_SOCKET=str(systemd.path), WATCHDOG_USEC="2000000")


def silent(systemd: Systemd, seconds: float) -> bool:
    """Whether no message comes for so long: an idle daemon says something every second."""
    before = len(systemd.heard)
    time.sleep(seconds)
    return len(systemd.heard) == before
