"""The engine alone: readings a second under 1,000 rules with 100,000 devices, beside json.loads of the same messages; memory by function.

usage: python -m tests.bench.rules [DEVICES] [RULES]. Every figure is a ratio of the same run; the machine is named by json.loads.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from rules.engine import Engine
from rules.model import SECOND, Device, Kind, Micros, Neighbourhood, Reading, Recipient, Station, Text, Value, Zone
from rules.rule import RuleBook
from rules.rulebook import load_book
from tests.bench.systems import book

START: Micros = 1_795_000_000 * SECOND
SAMPLE = 50_000
ROUNDS = 5
MEASURED = 400
"""Devices whose memory is measured; each reports 600 times, every second."""

REMEMBERING = (
    "rise(temperature, 60s) > 8",
    "mean(smoke_density, 30s) > 0.3 and max(smoke_density, 30s) < 5",
    "held(smoke_density > 0.2, 2m)",
    "silent(24h)",
    "recent(tamper, 5m) and last(battery, 24h) < 10",
)
FUNCTIONS = (
    "rise(temperature, 60s) > 90", "mean(temperature, 60s) > 90", "max(temperature, 60s) > 90", "changes(tamper, 60s) > 90",
    "last(temperature, 60s) > 90", "held(temperature > 90, 2m)", "recent(temperature > 90, 2m)", "silent(24h)",
    'seen("car", 2m) and temperature > 90', 'stays("car", 2m) and temperature > 90',
    'between("22:00", "06:00") and temperature > 90',
)  # fmt: skip
out = Console(width=120)


def rules(*conditions: str) -> str:
    """A book of these conditions on the detectors that report."""
    entries = [
        f"  - id: memory-{i}\n    kind: PREALARM\n    devices: [smoke_detector]\n    when: {text!r}\n"
        f"    title: {{zh: 记忆{i}, en: Memory {i}}}\n"
        for i, text in enumerate(conditions)
    ]
    return "version: 1\nrules:\n" + "".join(entries)


def books(count: int, *, remembering: bool) -> RuleBook:
    """So many rules; ten or fifteen of them watch the devices that report, the others watch other kinds."""
    texts = [("plain.yaml", book()), *([("memory.yaml", rules(*REMEMBERING))] if remembering else [])]
    rest = count - 10 - (len(REMEMBERING) if remembering else 0)
    return load_book([*texts, *((f"other{i}.yaml", book(min(10, rest - i), f"kind_{i}")) for i in range(0, rest, 10))])


def town(devices: int) -> Neighbourhood:
    """Devices over 100 zones."""
    zones = {f"s/z{i}": Zone(f"s/z{i}", "s", Text("区", "zone"), "garage") for i in range(100)}
    stations = (Station("post", Text("站", "post"), frozenset(zones), (Recipient("hook", frozenset(Kind)),)),)
    known = {
        f"s/d{i}": Device(f"s/d{i}", "s", "smoke_detector", f"s/z{i % 100}", Text(f"烟感{i}", f"Smoke {i}"))
        for i in range(devices)
    }
    return Neighbourhood(zones=zones, stations=stations, devices=known)


def said(i: int) -> dict[str, Value]:
    """Reading `i`: no two alike, none a danger."""
    density, temperature = (i * 7919 % 1000) / 20_000, 20 + (i * 104_729 % 500) / 100
    return {"smoke_density": density, "temperature": temperature, "battery": 97.0, "tamper": False, "rssi": -71.0}


def reading(i: int, devices: int) -> Reading:
    """Each device reports every ten seconds, one after the other."""
    at = START + (i // devices) * 10 * SECOND + (i % devices) * 10 * SECOND // devices
    return Reading(at, f"s/d{i % devices}", said(i))


def best(work: Callable[[Sequence[Reading]], None], rounds: Sequence[Sequence[Reading]]) -> float:
    """Seconds for each reading, in the best of the rounds."""
    found = float("inf")
    for sample in rounds:
        gc.collect()
        gc.disable()
        began = time.perf_counter()
        work(sample)
        found = min(found, (time.perf_counter() - began) / len(sample))
        gc.enable()
    return found


def engine_seconds(count: int, devices: int, *, remembering: bool) -> float:
    """Seconds for each reading of the engine alone, every device known and its windows filled a little."""
    engine = Engine(books(count, remembering=remembering), town(devices))

    def handle(sample: Sequence[Reading]) -> None:
        for one in sample:
            engine.handle(one)

    met = devices * 2
    handle([reading(i, devices) for i in range(met)])
    rounds = [[reading(met + turn * SAMPLE + i, devices) for i in range(SAMPLE)] for turn in range(ROUNDS)]
    return best(handle, rounds)


def json_seconds(devices: int) -> float:
    """Seconds for json.loads of such a message."""
    samples = [[reading(turn * SAMPLE + i, devices) for i in range(SAMPLE)] for turn in range(ROUNDS)]
    payloads = {
        id(one): json.dumps({"at": one.at // 1000, "id": f"{i:x}", **one.values}).encode()
        for sample in samples
        for i, one in enumerate(sample)
    }

    def loads(sample: Sequence[Reading]) -> None:
        for one in sample:
            json.loads(payloads[id(one)])

    return best(loads, samples)


def bytes_of(condition: str | None) -> float:
    """Bytes for each device after ten minutes of readings every second; a camera's words among them."""
    tracemalloc.start()
    engine = Engine(load_book([("x", rules(condition or "humidity > 90"))]), town(MEASURED))
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for second in range(600):
        for n in range(MEASURED):
            values = said(second * MEASURED + n) | {
                "object": "car",
                "object_id": f"{second % 8}",
                "tamper": second % 2 == 0,
            }
            engine.handle(Reading(START + second * SECOND, f"s/d{n}", values))
    gc.collect()
    size = (tracemalloc.get_traced_memory()[0] - before) / MEASURED
    tracemalloc.stop()
    return size


def main(devices: int = 100_000, count: int = 1000) -> None:
    """Both tables."""
    loads = json_seconds(devices)
    table = Table(title=f"engine alone, {devices:,} devices, {count:,} rules", title_justify="left")
    for heading in ("what", "readings/s", "µs each", "of json.loads"):
        table.add_column(heading, justify="right" if heading != "what" else "left")
    rows = [("json.loads of the same messages", loads)]
    for remembering, label in ((False, "10 rules watch them"), (True, f"and {len(REMEMBERING)} rules that remember")):
        rows.append((label, engine_seconds(count, devices, remembering=remembering)))
    for label, seconds in rows:
        table.add_row(label, f"{1 / seconds:,.0f}", f"{seconds * 1e6:.2f}", f"{seconds / loads:.2f}")
    out.print(table)
    none = bytes_of(None)
    sizes = Table(title="bytes for each device, beyond a device without memory", title_justify="left")
    for heading in ("rule", "bytes"):
        sizes.add_column(heading, justify="right" if heading == "bytes" else "left")
    for condition in FUNCTIONS:
        sizes.add_row(condition, f"{bytes_of(condition) - none:,.0f}")
    out.print(sizes)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
