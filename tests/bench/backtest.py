"""Two books over one tape: messages a second beside a bare json.loads of the same lines, as the tape grows, and the most memory.

usage: python -m tests.bench.backtest [MESSAGES ...]; 50,000 and 200,000 when none is named. Each length is a process of its own, so
that memory is its own. The tape is a JSON-lines file of 500 devices with a smoke each few minutes. Once with ten rules on newest values,
once with the shipped books, whose rules remember windows; each against the same with another limit. So the table tells what the
backtest costs from what the rules cost. Then the shipped books alone on the neighbourhood's mix, by mix.py.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from monitor.backtest import backtest
from monitor.lookout import Limits
from monitor.ports import Message
from monitor.settings.books import shipped_books
from monitor.tape import from_lines, to_line
from rules.model import SECOND, Device, Neighbourhood, Recipient, Station, Text, Zone
from rules.rule import RuleBook
from rules.rulebook import load_book
from tests.bench import mix
from tests.bench.systems import book

ROOT = Path(__file__).parents[2]
LENGTHS = (50_000, 200_000)
DEVICES, ZONES = 500, 50
START = 1_795_305_600 * SECOND
GAP = SECOND // 50
SMOKE_EVERY = 20_011
"""Messages between two that tell of smoke."""


def write(path: Path, messages: int) -> None:
    """A tape on which a device speaks every ten seconds."""
    with path.open("w", encoding="utf-8") as file:
        for i in range(messages):
            at = START + i * GAP
            density = (
                0.4 if i % SMOKE_EVERY < 5 * DEVICES and i % DEVICES == i // SMOKE_EVERY % DEVICES else (i % 97) / 2000
            )
            payload = b'{"at":%d,"smoke_density":%.3f,"temperature":%.1f,"battery":97,"test":false,"rssi":-71}' % (
                at // 1000, density, 20 + i % 50 / 10,
            )  # fmt: skip
            file.write(to_line(Message(at, f"wl/s/d{i % DEVICES}/up", payload, 1)) + "\n")


def neighbourhood() -> Neighbourhood:
    """500 smoke detectors in 50 zones, one station."""
    zones = {f"s/z{i}": Zone(f"s/z{i}", "s", Text("区", "zone"), "lobby") for i in range(ZONES)}
    devices = {
        f"s/d{i}": Device(f"s/d{i}", "s", "smoke_detector", f"s/z{i % ZONES}", Text("烟感", "smoke"))
        for i in range(DEVICES)
    }
    station = Station("post", Text("站", "post"), frozenset(zones), (Recipient("hook"),))
    return Neighbourhood(zones=zones, stations=(station,), devices=devices)


def books(which: str) -> tuple[RuleBook, RuleBook]:
    """The running one and the changed one."""
    texts = [("plain.yaml", book())] if which == "plain" else list(shipped_books("shipped:all").items())
    changed = [(name, re.sub(r"(smoke_density > 0\.)\d+", r"\g<1>25", text)) for name, text in texts]
    return load_book(texts), load_book(changed)


def measure(tape: Path, which: str) -> dict[str, float]:
    """One cell, in this process. Rates count processor time, so that a busy machine measures the same."""
    running, changed = books(which)
    with tape.open(encoding="utf-8") as file:
        began = time.process_time()
        bare = 0
        for line in file:
            json.loads(json.loads(line)["payload"])
            bare += 1
        bare_seconds = time.process_time() - began
    with tape.open(encoding="utf-8") as file:
        wall = time.perf_counter()
        found = backtest(
            from_lines(file, tape.name), running, changed, neighbourhood(), Limits(), clock=time.process_time
        )  # fmt: skip
        wall = time.perf_counter() - wall
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    alarms = sum(rule.alarms.old + rule.alarms.new for rule in found.rules.values())
    return {
        "messages": found.messages, "rate": found.rate, "wall_rate": found.messages / wall, "bare": bare / bare_seconds,
        "alarms": alarms, "peak_mb": int(peak.split()[1]) * 1024 / 1e6,
    }  # fmt: skip


def main(lengths: tuple[int, ...]) -> None:
    """The table."""
    out = Console(width=120)
    table = Table(title="one tape through two books, one core", title_justify="left")
    table.add_column("rules")
    for heading in ("messages", "messages/s", "by the clock", "bare json.loads/s", "ratio", "alarms", "peak MB"):
        table.add_column(heading, justify="right")
    for length in lengths:
        with tempfile.TemporaryDirectory(prefix="wanglou-bench-") as folder:
            tape = Path(folder) / "tape.jsonl"
            write(tape, length)
            for which in ("plain", "shipped"):
                command = [sys.executable, "-m", "tests.bench.backtest", "--cell", which, str(tape)]
                done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
                cell: dict[str, float] = json.loads(done.stdout)
                table.add_row(
                    which, f"{cell['messages']:,.0f}", f"{cell['rate']:,.0f}", f"{cell['wall_rate']:,.0f}",
                    f"{cell['bare']:,.0f}", f"{cell['bare'] / cell['rate']:.1f}", f"{cell['alarms']:,.0f}", f"{cell['peak_mb']:.0f}",
                )  # fmt: skip
    out.print(table)
    out.print("each message goes through both books: readings evaluated a second are twice as many")
    mix.main()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--cell"]:
        print(json.dumps(measure(Path(sys.argv[3]), sys.argv[2])))
    else:
        main(tuple(map(int, sys.argv[1:])) or LENGTHS)
