"""`make bench`: prints how fast and how small, each beside a bare loop or a peer measured in the same run.

usage: python -m tests.bench [throughput] [latency] [state] [idle] [replay]; all of them when none is named.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.table import Table

from monitor.replay import play
from tests.bench import probe, state, systems
from tests.running import Hook, hook
from tests.servers import Mosquitto, VictoriaMetrics

MESSAGES = 100_000
ROUNDS = 3
ALERTS = 200
LOADED = 5000
out = Console(width=120)

Row: TypeAlias = tuple[str, str, Mapping[str, float]]
"""(system, while, figures)"""


def throughput(folder: Path) -> None:
    """Messages a second through the whole pipeline, in turn with the bare loop and the peer on the same broker."""
    rates: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    missing = systems.peer_missing()
    for turn in range(ROUNDS):
        with (
            Mosquitto(folder / f"m{turn}", autosave_interval=1800) as broker,
            VictoriaMetrics(folder / f"v{turn}") as sink,
            hook() as heard,
        ):
            rates.setdefault("bare paho loop", []).append(systems.bare_rate(broker, MESSAGES))
            with systems.ours(folder / f"w{turn}", broker, sink, heard.url) as daemon:
                systems.our_rate(daemon, broker, MESSAGES // 5)  # the peer warms up as well
                rates.setdefault("wanglou", []).append(systems.our_rate(daemon, broker, MESSAGES))
                memory["wanglou"] = systems.resident_mb(daemon.pid)
            if not missing:
                with systems.peer(folder / f"n{turn}", broker, sink) as log:
                    systems.peer_rate(log, broker, MESSAGES // 5)
                    rates.setdefault("node-red", []).append(systems.peer_rate(log, broker, MESSAGES))
    table = Table(title=f"{MESSAGES:,} messages at QoS 1, {ROUNDS} rounds in turn", title_justify="left")
    for heading in ("system", "median msg/s", "all rounds", "ratio to wanglou"):
        table.add_column(heading)
    own = statistics.median(rates["wanglou"])
    for name, all_rates in rates.items():
        middle = statistics.median(all_rates)
        table.add_row(name, f"{middle:,.0f}", "  ".join(f"{r:,.0f}" for r in all_rates), f"{middle / own:.2f}")
    out.print(table)
    out.print(
        "wanglou: acknowledged after the synced commit, until the history has it; node-red: acknowledged on arrival, until handed to HTTP"
    )
    out.print(f"resident memory after the load: {memory['wanglou']:.0f} MB")
    if missing:
        out.print(f"node-red not measured: {missing}")


def latency(folder: Path) -> None:
    """From publication to the alert, idle and while 5,000 messages a second pass."""
    rows: list[Row] = []
    with (
        Mosquitto(folder / "m", autosave_interval=1800) as broker,
        VictoriaMetrics(folder / "v") as sink,
        hook() as heard,
    ):
        missing = systems.peer_missing()
        with systems.ours(folder / "w", broker, sink, heard.url):
            # The second line is what decides for people: dispatch to a webhook. A new incident each time, hence a zone each.
            rows += _measured("wanglou, to MQTT", broker, "wl/+/incidents/#", "lat")
            rows += _measured("wanglou, to webhook", broker, "", "web", heard)
        if not missing:
            with systems.peer(folder / "n", broker, sink):
                rows += _measured("node-red, to MQTT", broker, "alerts/#", "nr")
    table = Table(title=f"publication to alert, {ALERTS} alerts", title_justify="left")
    for heading in ("system", "while", "p50 ms", "p99 ms", "max ms", "alerts"):
        table.add_column(heading)
    for name, how, f in rows:
        table.add_row(name, how, f"{f['p50_ms']}", f"{f['p99_ms']}", f"{f['max_ms']}", f"{f['alerts']}/{f['of']}")
    out.print(table)
    if missing:
        out.print(f"node-red not measured: {missing}")


def _measured(name: str, broker: Mosquitto, topics: str, prefix: str, heard: Hook | None = None) -> list[Row]:
    rows: list[Row] = []
    for how, rate in (("idle", 0), (f"{LOADED:,} msg/s pass", LOADED)):
        seconds = ALERTS * (probe.PAUSE + 0.06) + 6
        pump = systems.load(broker.port, round(LOADED * seconds), rate) if rate else None
        if pump is not None:
            time.sleep(5)  # it prepares its packets first
        mark = f"{prefix}{rate}"
        if heard:
            took = probe.over_webhook(broker.port, ALERTS, heard, ALERTS * bool(rate))
        else:
            took = probe.over_mqtt(broker.port, ALERTS, topics, mark)
        rows.append((name, how, probe.figures(took, ALERTS)))
        if pump is not None:
            pump.communicate()
    return rows


def size(folder: Path) -> None:
    """Time per message and memory per device as devices and rules grow."""
    table = Table(title="lookout and engine alone", title_justify="left")
    for heading in ("devices", "rules (10 watch)", "µs per message", "ratio to first", "bytes per device"):
        table.add_column(heading)
    first = 0.0
    for devices in (1_000, 100_000):
        for rules in (10, 1_000):
            cell = min((state.cell(devices, rules) for _ in range(2)), key=lambda c: c["us_per_message"])
            first = first or cell["us_per_message"]
            ratio = cell["us_per_message"] / first
            table.add_row(
                f"{devices:,}",
                f"{rules:,}",
                f"{cell['us_per_message']}",
                f"{ratio:.2f}",
                f"{cell['bytes_per_device']:,.0f}",
            )
    out.print(table)
    messages = [state.message(i, 1000).payload for i in range(50_000)]
    began = time.perf_counter()
    for payload in messages:
        json.loads(payload)
    out.print(f"json.loads of the same messages alone: {(time.perf_counter() - began) / len(messages) * 1e6:.2f} µs")


def idle(folder: Path) -> None:
    """The daemon at rest, all of it started."""
    with (
        Mosquitto(folder / "m") as broker,
        VictoriaMetrics(folder / "v") as sink,
        hook() as heard,
        systems.ours(folder / "w", broker, sink, heard.url) as daemon,
    ):
        time.sleep(2)
        out.print(f"idle daemon: {systems.resident_mb(daemon.pid):.0f} MB resident")


def replay(folder: Path) -> None:
    """A tape in virtual time, beside json.loads of its payloads."""
    count = 200_000
    watch = state.lookout(1000, 10)
    tape = [state.message(i, 1000) for i in range(count)]
    began = time.perf_counter()
    play(tape, watch)
    took = time.perf_counter() - began
    out.print(f"replay in virtual time: {count / took:,.0f} messages/s on one core")


PARTS: dict[str, Callable[[Path], None]] = {
    "throughput": throughput, "latency": latency, "state": size, "idle": idle, "replay": replay,
}  # fmt: skip

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        with tempfile.TemporaryDirectory(prefix="wanglou-bench-") as scratch:
            out.rule(part)
            PARTS[part](Path(scratch))
