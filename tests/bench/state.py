"""The engine alone: time per message and memory per device, at 1,000 and 100,000 devices, with 10 and with 1,000 rules.

usage: python -m tests.bench.state DEVICES RULES; prints microseconds per message (best of five) and bytes per device as JSON. A process
of its own, so that memory is its own.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

from monitor.lookout import Lookout
from monitor.ports import Message
from rules.model import Device, Kind, Neighbourhood, Recipient, Station, Text, Zone
from rules.rulebook import load_book
from tests.bench.systems import book

START = 1_795_000_000_000_000
SAMPLE = 50_000


def lookout(devices: int, rules: int) -> Lookout:
    """Devices over 100 zones; ten rules watch them, the others watch other kinds."""
    zones = {f"s/z{i}": Zone(f"s/z{i}", "s", Text("区", "zone"), "garage") for i in range(100)}
    stations = (Station("post", Text("站", "post"), frozenset(zones), (Recipient("hook", frozenset(Kind)),)),)
    known = {
        f"s/d{i}": Device(f"s/d{i}", "s", "smoke_detector", f"s/z{i % 100}", Text(f"烟感{i}", f"Smoke {i}"))
        for i in range(devices)
    }
    others = [(f"other{i}.yaml", book(10, f"kind_{i}")) for i in range((rules - 10) // 10)]
    return Lookout(
        load_book([("book.yaml", book()), *others]), Neighbourhood(zones=zones, stations=stations, devices=known)
    )


def message(i: int, devices: int) -> Message:
    """Reading `i`: no two alike, none a danger."""
    at = START + i * 1000
    payload = b'{"at":%d,"id":"%x","smoke_density":%.4f,"temperature":%.2f,"battery":97,"tamper":false,"rssi":-71}' % (
        at // 1000, i, (i * 7919 % 1000) / 20_000, 20 + (i * 104_729 % 500) / 100,
    )  # fmt: skip
    return Message(at, f"wl/s/d{i * 7919 % devices}/up", payload, 1)


def measure(devices: int, rules: int) -> dict[str, float]:
    """One cell of the table."""
    tracemalloc.start()
    watch = lookout(devices, rules)
    for i in range(2 * 32_768 + 1):  # what is remembered of messages is a constant: fill it before devices are counted
        watch.see(message(i, min(devices, 100)))
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    known = watch.engine.device_count
    base = 100_000
    for i in range(devices * 2):
        watch.see(message(base + i, devices))
    gc.collect()
    per_device = (tracemalloc.get_traced_memory()[0] - before) / max(watch.engine.device_count - known, 1)
    tracemalloc.stop()
    best = float("inf")
    for turn in range(5):
        first = 10_000_000 + turn * SAMPLE
        messages = [message(first + i, devices) for i in range(SAMPLE)]
        gc.collect()
        began = time.perf_counter()
        for m in messages:
            watch.see(m)
        best = min(best, (time.perf_counter() - began) / SAMPLE)
    # The registered Device itself was made before the count; it belongs to the device's cost.
    return {"us_per_message": round(best * 1e6, 2), "bytes_per_device": round(per_device + _registered_bytes())}


def _registered_bytes() -> float:
    tracemalloc.start()
    kept = {
        f"s/x{i}": Device(f"s/x{i}", "s", "smoke_detector", f"s/z{i % 100}", Text(f"烟感{i}", f"Smoke {i}"))
        for i in range(1000)
    }
    size = tracemalloc.get_traced_memory()[0] / len(kept)
    tracemalloc.stop()
    return size


def cell(devices: int, rules: int) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.state", str(devices), str(rules)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2], env={**os.environ}
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))
