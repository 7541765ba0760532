"""What the simulated neighbourhood costs: CPU seconds for each wall second, beside a bare loop that publishes the same messages.

usage: python -m tests.bench.simulators [seconds]; 100,000 devices at one message a minute, against a real mosquitto.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import aiomqtt
from rich.console import Console
from rich.table import Table

from simulators import places
from simulators.feed import Feed
from simulators.scenario import parse, shipped
from simulators.wire import Frame
from tests.servers import HOST, Mosquitto

ROOT = Path(__file__).parents[2]
DEVICES = 100_000
SETTLE_S = 5.0
"""The start (imports, and everybody's status) is not what is measured."""
TOGETHER = 33
"""Messages that fall due together at this rate, as the simulator has them."""
out = Console(width=120)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6


def simulator(broker: Mosquitto, seconds: float) -> tuple[float, float, int]:
    """(CPU seconds for each wall second, resident MB, messages published) of `python -m simulators run quiet`, all devices."""
    command = [
        sys.executable,
        "-m",
        "simulators",
        "run",
        "quiet",
        "--port",
        str(broker.port),
        "--devices",
        str(DEVICES),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(SETTLE_S)
        before, began = cpu_seconds(process.pid), time.monotonic()
        time.sleep(seconds)
        load = (cpu_seconds(process.pid) - before) / (time.monotonic() - began)
        memory = resident_mb(process.pid)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=30)
    published = re.search(r"([\d,]+) messages published", said)
    if published is None:
        raise RuntimeError(f"the simulator did not end well:\n{said}")
    return load, memory, int(published[1].replace(",", ""))


def messages(count: int) -> list[Frame]:
    """The same messages, made beforehand."""
    place = places.lakeside(DEVICES)
    scenario = parse(shipped()["quiet"].read_text("utf-8"), "quiet.yaml", place)
    feed = Feed(place, scenario, 1, DEVICES)
    return list(islice(feed.frames(10_000), count))


async def bare(port: int, frames: list[Frame]) -> float:
    """CPU seconds of publishing these and nothing else, as many together as fall due together."""
    async with aiomqtt.Client(HOST, port, max_inflight_messages=1000) as client:
        client.pending_calls_threshold = 1000
        before = time.process_time()
        for n in range(0, len(frames), TOGETHER):
            await asyncio.gather(*(client.publish(f.topic, f.payload, 1, f.retain) for f in frames[n : n + TOGETHER]))
        return time.process_time() - before


def main(seconds: float = 30.0) -> None:
    """Measure and print."""
    rate = DEVICES / 60
    frames = messages(round(rate * 10))
    spoken = len(frames) / ((frames[-1].at_ms - frames[0].at_ms) / 1000)
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder) / "m", autosave_interval=1800) as broker:
        load, memory, published = simulator(broker, seconds)
        loop = asyncio.run(bare(broker.port, frames)) / len(frames) * spoken
    began = time.process_time()
    messages(len(frames))
    table = Table(
        title=f"{DEVICES:,} devices at 1/60 Hz: {spoken:,.0f} messages a second at QoS 1", title_justify="left"
    )
    for heading in ("", "CPU s per s", "µs per message", "ratio to bare"):
        table.add_column(heading)
    for name, share in (("simulators run", load), ("bare aiomqtt loop, same messages", loop)):
        table.add_row(name, f"{share:.3f}", f"{share / spoken * 1e6:.1f}", f"{share / loop:.2f}")
    out.print(table)
    making = time.process_time() - began
    out.print(f"resident {memory:.0f} MB; making {len(frames):,} messages alone, start included: {making:.2f} s")
    out.print(f"published and acknowledged in {seconds + SETTLE_S:.0f} s, start included: {published:,}")
    out.print(f"required: below 0.5; {'held' if load < 0.5 else 'NOT HELD'}")


if __name__ == "__main__":
    main(*(float(text) for text in sys.argv[1:2]))
