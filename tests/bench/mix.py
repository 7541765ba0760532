"""The simulated neighbourhood's quiet mix through decode and the shipped book: readings a second beside json.loads of the same messages.

usage: python -m tests.bench.mix [MINUTES ...]; 10, 60 and 240 of tape when none is named. Each length is a process of its own, once with
all devices and once with the smoke detectors alone, which have the most rules and memories. In virtual time, as replay and backtest do;
the best of three, by processor time, the two loops in turn. The first word of each device, which makes its memories, is counted in.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from monitor import wiring
from monitor.lookout import Lookout
from monitor.ports import Message
from monitor.settings import load
from rules.model import Neighbourhood
from rules.rulebook import load_book
from tests.simulators.played import T0_MS, frames, scenario, site

ROOT = Path(__file__).parents[2]
MINUTES = (10, 60, 240)
ROUNDS = 3
ALONE = "smoke_detector"


def tape(minutes: int, seed: int = 1) -> list[Message]:
    """All that the neighbourhood says in so long of a quiet day."""
    found = []
    for frame in frames(scenario("quiet"), seed):
        if frame.at_ms >= minutes * 60_000:
            break
        found.append(Message((T0_MS + frame.at_ms) * 1000, frame.topic, frame.payload, 1, frame.retain))
    return found


def of_kind(messages: Sequence[Message], kind: str, neighbourhood: Neighbourhood) -> list[Message]:
    """Those of one kind of devices."""
    keys = {device.key for device in neighbourhood.listed() if device.kind == kind}
    return [m for m in messages if "/".join(m.topic.split("/")[1:3]) in keys]


def seconds(work: Callable[[], object]) -> float:
    """Of processor time."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(minutes: int, alone: bool) -> dict[str, float]:
    """One cell, in this process."""
    with tempfile.TemporaryDirectory(prefix="wanglou-bench-") as folder:
        settings = load(site(Path(folder)), {})
        book, neighbourhood, limits = (
            load_book(settings.book_texts()),
            settings.neighbourhood(),
            wiring.limits(settings),
        )
    messages = tape(minutes)
    if alone:
        messages = of_kind(messages, ALONE, neighbourhood)
    payloads = [m.payload for m in messages if m.payload.startswith(b"{")]

    def bare() -> None:
        for payload in payloads:
            json.loads(payload)

    def seen() -> None:
        lookout = Lookout(book, neighbourhood, limits)
        for message in messages:
            lookout.see(message)

    rounds = [(seconds(bare), seconds(seen)) for _ in range(ROUNDS)]
    loads = min(one for one, _ in rounds) / len(payloads)
    each = min(other for _, other in rounds) / len(messages)
    return {
        "rules": len(book.rules),
        "messages": len(messages),
        "rate": 1 / each,
        "bare": 1 / loads,
        "ratio": each / loads,
    }


def main(lengths: Sequence[int] = MINUTES) -> None:
    """The table."""
    table = Table(title="a quiet neighbourhood through the shipped book, one core", title_justify="left")
    table.add_column("devices")
    for heading in ("minutes", "rules", "messages", "readings/s", "bare json.loads/s", "ratio"):
        table.add_column(heading, justify="right")
    for minutes in lengths:
        for alone in (False, True):
            command = [sys.executable, "-m", "tests.bench.mix", "--cell", str(minutes), *(["alone"] if alone else [])]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
            cell: dict[str, float] = json.loads(done.stdout)
            table.add_row(
                ALONE if alone else "all", f"{minutes}", f"{cell['rules']:.0f}", f"{cell['messages']:,.0f}",
                f"{cell['rate']:,.0f}", f"{cell['bare']:,.0f}", f"{cell['ratio']:.1f}",
            )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--cell"]:
        print(json.dumps(measure(int(sys.argv[2]), len(sys.argv) > 3)))
    else:
        main([int(text) for text in sys.argv[1:]] or MINUTES)
