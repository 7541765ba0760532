"""One more alarm while 10 or 10,000 incidents are open: the engine alone, then the real daemon from the message to the call; and the board.

usage: python -m tests.bench.ladder [engine] [daemon]; both when none is named. Every figure stands beside the same one with 10 open.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rules.engine import Engine
from rules.model import (
    SECOND,
    Device,
    Micros,
    Move,
    Neighbourhood,
    Reading,
    Recipient,
    Station,
    Text,
    Verb,
    Zone,
)
from rules.people import Person, Plan, Role, Roster
from rules.rulebook import load_book
from tests.bench import probe
from tests.publisher import Outgoing, publish
from tests.running import BOOK, TOKEN, Hook, Wanglou, hook, site
from tests.servers import mosquitto

FEW, MANY = 10, 10_000
ALARMS = 300
START: Micros = 1_795_000_000 * SECOND
out = Console(width=120)


def quantiles(took: list[float]) -> tuple[float, float]:
    """p50 and p99, in the unit of the values."""
    ordered = sorted(took)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)]


# --- the engine alone -------------------------------------------------------------------------------------------------


def engine(zones: int) -> Engine:
    """One detector a zone; one station with a robot, and two people on duty with three kinds of channel each."""
    names = [f"s/z{i}" for i in range(zones)]
    channels = ("voice", "sms", "email")
    people = {
        key: Person(key, Text("值班员", "Duty officer"), Role.DISPATCHER, tuple(f"{way}-{key}" for way in channels))
        for key in ("a", "b")
    }
    plan = Plan(
        people, {"post": Roster(tuple(people))}, channels={f"{way}-{key}": way for way in channels for key in people}
    )
    station = Station("post", Text("站", "post"), frozenset(names), (Recipient("robot"),))
    return Engine(
        load_book([("book.yaml", BOOK)]),
        Neighbourhood(
            zones={name: Zone(name, "s", Text("区", "zone"), "garage") for name in names},
            stations=(station,),
            devices={
                f"s/d{i}": Device(f"s/d{i}", "s", "smoke_detector", f"s/z{i}", Text("烟感", "Smoke"))
                for i in range(zones)
            },
            plan=plan,
        ),
    )


def one_more(already: int, *, taken: bool) -> list[float]:
    """Microseconds for each further alarm; `taken`: those before are acknowledged, otherwise all of their ladders run."""
    machine = engine(already + ALARMS)
    for i in range(already):
        machine.handle(Reading(START, f"s/d{i}", {"smoke_density": 0.9}))
    for i in range(already if taken else 0):
        machine.handle(Move(START, f"inc-{i + 1:06d}", Verb.ACKNOWLEDGE, "a"))
    gc.collect()
    gc.freeze()
    took = []
    for i in range(already, already + ALARMS):
        began = time.perf_counter()
        machine.handle(Reading(START + i, f"s/d{i}", {"smoke_density": 0.9}))
        took.append((time.perf_counter() - began) * 1e6)
    gc.unfreeze()
    assert len(machine.open_incidents) == already + ALARMS
    return took


def engines() -> None:
    """Both sizes, all taken or none."""
    table = Table(title=f"the engine alone: one more alarm, µs ({ALARMS} of them)", title_justify="left")
    for heading in ("open before", "acknowledged", "p50", "p99", "p50 beside 10"):
        table.add_column(heading)
    for taken in (True, False):
        first = 0.0
        for already in (FEW, MANY):
            p50, p99 = min(quantiles(one_more(already, taken=taken)) for _ in range(3))
            first = first or p50
            table.add_row(f"{already:,}", "yes" if taken else "no", f"{p50:.0f}", f"{p99:.0f}", f"{p50 / first:.2f}")
    out.print(table)


# --- the daemon -------------------------------------------------------------------------------------------------------


def _place(i: int) -> str:
    return f"site{i % probe.SITES}/z{1 + i // probe.SITES}-web"


def fill(daemon: Wanglou, port: int, heard: Hook, count: int) -> None:
    """So many open incidents, each called for and then acknowledged over MQTT."""
    smoke = probe.smoke().encode()
    publish(port, (Outgoing(f"wl/{_place(i)}/up", smoke) for i in range(count)), window=500)
    heard.wait_for(lambda it: len(it.dispatched()) >= count, 120)
    known = {incident["id"]: incident["site"] for incident in heard.dispatched()}
    said = json.dumps({"verb": "acknowledge", "by": "值班员"}).encode()
    publish(port, (Outgoing(f"wl/{where}/incidents/{key}/move", said) for key, where in known.items()), window=500)
    daemon.wait_for(
        lambda: (
            daemon.get("/api/v1/incidents?open=true&limit=1")["items"][0]["state"] == "acknowledged"
            and not [n for name, n in daemon.metrics().items() if name.startswith("wanglou_outbox_waiting") and n]
        ),
        "all are acknowledged and nothing waits",
        120,
    )


@contextmanager
def streaming(daemon: Wanglou) -> Iterator[list[tuple[float, str]]]:
    """The live stream as a page reads it: (when, device) of every raising."""
    seen: list[tuple[float, str]] = []
    request = urllib.request.Request(
        f"http://127.0.0.1:{daemon.port}/api/v1/stream", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    answer = urllib.request.urlopen(request, timeout=30)
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            line = answer.readline()
            if line.startswith(b"data:") and b'"raised"' in line:
                seen.append((time.perf_counter(), json.loads(line[5:])["detail"]["device"]))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(10)  # the stream's own comment wakes it
        answer.close()


def _timed(ask: Callable[[], object], times: int) -> list[float]:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1e3)
    return took


def measured(already: int) -> dict[str, tuple[float, float]]:
    """What → (p50, p99) in milliseconds, with so many incidents open."""
    with tempfile.TemporaryDirectory(prefix="wanglou-ladder-") as scratch:
        folder = Path(scratch)
        with mosquitto(folder, autosave_interval=1800) as broker, hook() as heard:
            config = site(
                folder / "site", mqtt=broker.port, webhook=heard.url, sites=probe.SITES,
                zones=2 + (already + ALARMS) // probe.SITES, history="none",
                channels={"hook": {"kind": "webhook", "url": heard.url, "concurrency": 20}, "topics": {"kind": "mqtt"}},
                people=[{"id": "duty", "name": "值班员", "role": "dispatcher", "channels": ["hook"]}],
                stations=[{"id": "post", "name": "站", "zones": ["*"], "recipients": ["topics"], "people": ["duty"]}],
            )  # fmt: skip
            with Wanglou(config) as daemon:
                fill(daemon, broker.port, heard, already)
                with streaming(daemon) as seen:
                    began = time.perf_counter()
                    alarms = probe.over_webhook(broker.port, ALARMS, heard, first=already)
                    assert len(alarms) == ALARMS
                assert time.perf_counter() > began
                assert len(seen) == ALARMS, len(seen)
                behind = [(at - _heard_at(heard, device)) * 1e3 for at, device in seen]
                listed = _timed(lambda: daemon.get("/api/v1/incidents?open=true&limit=100"), 100)
                one = _timed(lambda: daemon.get("/api/v1/incidents/inc-000001"), 100)
                memory = _timed(lambda: daemon.get("/metrics"), 20)
    return {
        "alarm to webhook": quantiles(alarms),
        "webhook to stream": quantiles(behind),
        "a page of 100 open incidents": quantiles(listed),
        "one incident": quantiles(one),
        "metrics": quantiles(memory),
    }


def _heard_at(heard: Hook, device: str) -> float:
    for at, body in zip(heard.at, heard.bodies, strict=True):
        if body["data"]["incident"]["last_device"] == device:
            return at
    raise AssertionError(f"no call for {device}")


def daemons() -> None:
    """Both sizes."""
    few, many = measured(FEW), measured(MANY)
    table = Table(title=f"the daemon, ms ({ALARMS} alarms, one at a time)", title_justify="left")
    for heading in ("what", f"{FEW} open: p50", "p99", f"{MANY:,} open: p50", "p99", "p50 ratio", "p99 ratio"):
        table.add_column(heading)
    for what, figures in few.items():
        more = many[what]
        ratios = (f"{more[n] / figures[n]:.2f}" for n in (0, 1))
        table.add_row(what, *(f"{value:.2f}" for value in (*figures, *more)), *ratios)
    out.print(table)


PARTS: dict[str, Callable[[], None]] = {"engine": engines, "daemon": daemons}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
