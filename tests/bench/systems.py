"""The systems that are measured beside each other: ours, a bare paho loop, and the peer. Each is started alone and ended by its pid."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.running import Wanglou, site
from tests.servers import Mosquitto, VictoriaMetrics

ROOT = Path(__file__).parents[2]
PEER = Path(os.environ.get("WANGLOU_PEER", ROOT.parent / "shared" / "bench"))
"""Where the peer's flow and settings lie: nodered_flow.mjs, nodered_settings.cjs."""
NODE_RED = Path(os.environ.get("WANGLOU_NODE_RED", ROOT / ".build" / "node-red"))
"""Where `npm install node-red` was run."""

CONDITIONS = (
    "smoke_density > 0.5", "temperature > 57", "smoke_density > 0.3 and temperature > 45", "humidity > 99", "battery < 10",
    "tamper", "rssi < -110", "current > 10", 'object == "cigarette"', 'object == "car" and dwell > 120',
)  # fmt: skip
"""Ten rules, as the peer has them."""


def book(rules: int = len(CONDITIONS), kind: str = "smoke_detector") -> str:
    """A rule book of the first `rules` conditions on one kind of device."""
    entries = [
        f"  - id: {kind.replace('_', '-')}-{i}\n    kind: {'FIRE' if i == 0 else 'SUPERVISORY'}\n    devices: [{kind}]\n"
        f"    when: {CONDITIONS[i % len(CONDITIONS)]!r}\n    title: {{zh: 规则{i}, en: Rule {i}}}\n"
        for i in range(rules)
    ]
    return "version: 1\nrules:\n" + "".join(entries)


def load(port: int, messages: int, rate: float = 0) -> subprocess.Popen[str]:
    """The load in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.load", str(port), str(messages), str(rate)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


@contextmanager
def ours(folder: Path, broker: Mosquitto, sink: VictoriaMetrics, webhook: str) -> Iterator[Wanglou]:
    """The daemon with ten rules, a synced ledger and the history written over HTTP."""
    history = {"kind": "influxdb", "url": sink.url, "api": "v2", "database": "bench", "dialect": "prometheus"}
    config = site(folder, mqtt=broker.port, webhook=webhook, sites=50, zones=20, book=book(), history=history)
    with Wanglou(config) as daemon:
        yield daemon


def our_rate(daemon: Wanglou, broker: Mosquitto, messages: int) -> float:
    """Messages a second from the first publication until every one is in ledger and history."""
    before = daemon.metric("wanglou_messages_received_total")
    pump = load(broker.port, messages)
    daemon.wait_for(lambda: daemon.metric("wanglou_messages_received_total") > before, "the first message")
    began = time.perf_counter()

    def done() -> bool:
        m = daemon.metrics()
        return (
            m["wanglou_messages_received_total"] - before >= messages
            and m['wanglou_history_lag_rows{history="influxdb"}'] == 0
        )

    while not done():
        time.sleep(0.1)
    took = time.perf_counter() - began
    pump.communicate()
    return messages / took


def bare_rate(broker: Mosquitto, messages: int) -> float:
    """paho's own loop at QoS 1, acknowledging at once and doing nothing with the message."""
    count, first, done = 0, 0.0, threading.Event()

    def on_message(_client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        nonlocal count, first
        first = first or time.perf_counter()
        count += 1
        if message.topic == "wl/bench/done":
            done.set()

    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.connect("127.0.0.1", broker.port)
    client.subscribe("wl/#", 1)
    client.loop_start()
    time.sleep(0.5)
    pump = load(broker.port, messages)
    if not done.wait(120):
        raise RuntimeError("the bare loop did not receive everything")
    took = time.perf_counter() - first
    pump.communicate()
    client.disconnect()
    client.loop_stop()
    return (count - 1) / took


def peer_missing() -> str:
    """Why the peer cannot be measured here; empty when it can."""
    if not (PEER / "nodered_flow.mjs").exists():
        return f"no flow for the peer in {PEER.name}/ (set WANGLOU_PEER)"
    if not (NODE_RED / "node_modules" / "node-red" / "red.js").exists():
        return "Node-RED is not installed (npm install node-red, then set WANGLOU_NODE_RED to that folder)"
    return ""


@contextmanager
def peer(folder: Path, broker: Mosquitto, sink: VictoriaMetrics) -> Iterator[Path]:
    """Node-RED with the flow of a user who solves the same task; gives its log."""
    folder.mkdir(parents=True)
    write = f"{sink.url}/api/v2/write?db=bench"
    flow = subprocess.run(["node", PEER / "nodered_flow.mjs", str(broker.port), write], capture_output=True, check=True)
    (folder / "flows.json").write_bytes(flow.stdout)
    (folder / "settings.js").write_bytes((PEER / "nodered_settings.cjs").read_bytes())
    log = folder / "log"
    with log.open("wb") as out:
        red = str(NODE_RED / "node_modules" / "node-red" / "red.js")
        command = ["node", red, "-u", str(folder), "-s", str(folder / "settings.js")]
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        if not _has_clients(broker, 2) or process.poll() is not None:  # it, and the one who asks
            raise RuntimeError(f"Node-RED did not start:\n{log.read_text('utf-8', 'replace')[-2000:]}")
        time.sleep(1)  # CONNECT comes before SUBSCRIBE
        yield log
    finally:
        process.terminate()
        process.wait(20)


def _has_clients(broker: Mosquitto, wanted: int) -> bool:
    """Whether so many clients are connected, within a minute: the peer's log does not say it."""
    enough = threading.Event()

    def on_message(_client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        if int(message.payload) >= wanted:
            enough.set()

    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.connect("127.0.0.1", broker.port)
    client.subscribe("$SYS/broker/clients/connected")
    client.loop_start()
    try:
        return enough.wait(60)
    finally:
        client.disconnect()
        client.loop_stop()


def peer_rate(log: Path, broker: Mosquitto, messages: int) -> float:
    """What Node-RED's own flow says of one run."""
    before = len(re.findall(r"RESULT", log.read_text("utf-8", "replace")))
    load(broker.port, messages).communicate()
    end = time.monotonic() + 120
    while True:
        results = re.findall(r'RESULT.*"per_second":(\d+)', log.read_text("utf-8", "replace"))
        if len(results) > before:
            return float(results[-1])
        if time.monotonic() > end:
            raise RuntimeError("the peer did not finish")
        time.sleep(0.1)


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB (10^6 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
