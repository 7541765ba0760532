"""The daemon as its users run it: a process of its own on a site file, and a webhook that remembers everything it was sent.

Plain and synchronous, so that a test reads as a timeline. Ends only the processes that it started.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from monitor.ledger.connection import FILE
from monitor.tape import MESSAGE, unpack
from tests.servers import free_port

ROOT = Path(__file__).parents[1]
TOKEN = "a-token-for-tests-only"

BOOK = """
version: 1
rules:
  - id: smoke
    kind: FIRE
    devices: [smoke_detector]
    when: smoke_density > 0.5
    clear: smoke_density < 0.3
    title: {zh: 感烟报警, en: Smoke}
  - id: low-battery
    kind: FAULT
    devices: [smoke_detector]
    when: battery < 10
    title: {zh: 电池电量低, en: Battery low}
"""


def site(
    folder: Path,
    *,
    mqtt: int,
    webhook: str,
    sites: int = 1,
    zones: int = 1,
    book: str | None = BOOK,
    history: Any = None,
    **more: Any,
) -> Path:
    """Write site.yaml for `sites` sites of `zones` zones; devices `smoke-*` and `lat-*` are known by name, spread by `z<n>`."""
    folder.mkdir(parents=True, exist_ok=True)
    if book is not None:
        (folder / "book.yaml").write_text(book, "utf-8")
    ids = {"id": f"site{{0..{sites - 1}}}" if sites > 1 else "site0", "name": "小区"}
    zone_ids = f"z{{0..{zones - 1}}}" if zones > 1 else "z0"
    devices = [
        {"match": "{any}", "kind": "smoke_detector", "zone": "z0"},
    ]
    if zones > 1:
        devices.insert(0, {"match": "z{z}-{any}", "kind": "smoke_detector", "zone": "z{z}"})
    data = {
        "mqtt": {"host": "127.0.0.1", "port": mqtt},
        "data": {"folder": "data"},
        "history": history if history is not None else {"kind": "embedded"},
        "api": {"port": free_port(), "token": TOKEN},
        "books": ["book.yaml"] if book is not None else ["shipped:all"],
        "channels": {"hook": {"kind": "webhook", "url": webhook}, "topics": {"kind": "mqtt"}},
        "sites": [{**ids, "zones": [{"id": zone_ids, "name": "区", "kind": "garage"}], "devices": devices}],
        "stations": [{"id": "post", "name": "微型消防站", "zones": ["*"], "recipients": ["hook", "topics"]}],
        **more,
    }
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    return path


class Wanglou:
    """`wanglou run --config site.yaml`; its log is kept in the site file's folder."""

    def __init__(self, config: Path, **environ: str) -> None:
        self.config = config
        self.environ = environ
        self.log = config.with_name("wanglou.log")
        self.port: int = yaml.safe_load(config.read_text("utf-8"))["api"]["port"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        """Start it; by default until it is ready (connected to its broker)."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "monitor", "run", "--config", str(self.config)]
            environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **self.environ}
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.config.parent, env=environ)
        if wait:
            self.wait_for(lambda: self.ready, "the daemon is ready")

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def ready(self) -> bool:
        """Watching, and connected to its broker."""
        try:
            return self.metric("wanglou_feed_connected") == 1
        except (OSError, KeyError):
            return False

    def kill(self) -> None:
        """SIGKILL, at any moment."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        """The exit code of one that ends by itself."""
        assert self._process is not None
        return self._process.wait(30)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(30)

    def hang_up(self) -> None:
        """SIGHUP."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def __enter__(self) -> Wanglou:
        if self._process is None or self._process.poll() is not None:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            assert self.stop() == 0, self.tail()

    def get(self, path: str) -> Any:
        """JSON from the API."""
        return self.call("GET", path)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The API's answer. Raises urllib.error.HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            text = response.read().decode()
        return json.loads(text) if "json" in response.headers["Content-Type"] else text

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics by its written name."""
        lines = (line.rpartition(" ") for line in self.get("/metrics").splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def metric(self, name: str) -> float:
        """One sample."""
        return self.metrics()[name]

    def settle(self) -> None:
        """Until the ledger knows what became of every push: accepted, or given up."""
        data = self.config.parent / "data"
        waiting = "SELECT count(*) FROM push WHERE outcome IN ('pending', 'retry')"
        self.wait_for(lambda: in_ledger(data, waiting) == [(0,)], "every push is settled")

    def wait_for(self, true: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Until something is true; fails with the daemon's last words."""
        end = time.monotonic() + seconds
        while not true():
            if self._process is not None and self._process.poll() is not None:
                raise AssertionError(f"the daemon ended while waiting for: {what}\n{self.tail()}")
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.tail()}")
            time.sleep(0.05)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log's entries of one event, oldest first."""
        lines = self.log.read_text("utf-8").splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in entries if entry["event"] == event]

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text("utf-8", "replace")[-4000:] if self.log.exists() else ""


class Hook:
    """What a webhook receiver has heard: `bodies` in order, `keys` with how often each came."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.keys: Counter[str] = Counter()
        self.order: list[str] = []
        """The key of each request."""
        self.at: list[float] = []
        self.status = 200
        self.delay = 0.0
        """Seconds between hearing and answering."""
        self.url = ""
        self._heard = threading.Condition()

    def hear(self, key: str, body: bytes) -> None:
        """One request."""
        with self._heard:
            self.at.append(time.perf_counter())
            self.keys[key] += 1
            self.order.append(key)
            self.bodies.append(json.loads(body))
            self._heard.notify_all()

    def wait_for(self, true: Callable[[Hook], object], seconds: float = 60) -> None:
        """Until what was heard makes it true."""
        with self._heard:
            if not self._heard.wait_for(lambda: true(self), seconds):
                raise AssertionError(f"not heard within {seconds:.0f} s; heard: {sorted(self.keys)}")

    def more_than(self, count: int, seconds: float) -> bool:
        """Whether more than `count` requests came, waiting at most so long."""
        with self._heard:
            return self._heard.wait_for(lambda: len(self.at) > count, seconds)

    def dispatched(self) -> list[dict[str, Any]]:
        """The incidents of all dispatches, in order."""
        return [b["data"]["incident"] for b in self.bodies if b["type"] == "incident.dispatch"]


@contextmanager
def hook() -> Iterator[Hook]:
    """A real HTTP server on loopback that accepts (or answers `hook.status`) and remembers."""
    heard = Hook()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            # A sender that is killed leaves its connections as they are.
            with suppress(ConnectionResetError, BrokenPipeError):
                super().handle()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if heard.status < 300:
                heard.hear(self.headers.get("webhook-id", ""), body)
                time.sleep(heard.delay)
            self.send_response(heard.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is the library's
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    heard.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --- what a daemon has left on the disk -------------------------------------------------------------------------------


def in_ledger(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """The answer of the ledger in `folder`, which a daemon may be writing."""
    with closing(sqlite3.connect(f"file:{folder / FILE}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def taped(folder: Path) -> list[tuple[bytes, str]]:
    """(payload, verdict) of every message on the tape, in order."""
    records = in_ledger(folder, "SELECT record FROM tape ORDER BY first_seq")
    return [(row[3], row[6]) for (record,) in records for row in unpack(record) if row[0] == MESSAGE]


def in_embedded_history(path: Path) -> dict[tuple[str, int], dict[str, float]]:
    """(device, ms) → values of all raw points; fails when one is there twice, or when minutes or hours count otherwise."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(
            "SELECT device, quantity, at, value FROM raw JOIN series ON series.id = raw.series"
        ).fetchall()
        tiers = [db.execute(f"SELECT sum(samples) FROM {tier}").fetchone()[0] for tier in ("minute", "hour")]
    readings: dict[tuple[str, int], dict[str, float]] = {}
    for device, quantity, at_ns, value in rows:
        readings.setdefault((device, at_ns // 1_000_000), {})[quantity] = value
    assert sum(map(len, readings.values())) == len(rows), "the embedded history holds a reading twice"
    assert tiers == [len(rows), len(rows)], "its minutes and hours count otherwise than its raw points"
    return readings
