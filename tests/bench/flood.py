"""A whole building alarms: 500 detectors in 100 zones, two people on duty, and in the midst of it a fire in the house next door.

What people see and hear of it, from the real daemon and real providers on loopback. usage: python -m tests.bench.flood [SECONDS [THEN]]:
the detectors go off within so many seconds (60), and it is looked on for so many more (150).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import yaml
from paho.mqtt.enums import CallbackAPIVersion

from tests.rehearsal import PERSON, Stage, rehearsal
from tests.running import Wanglou, in_ledger, site
from tests.servers import mosquitto

ZONES, DETECTORS = 100, 500
PEOPLE = ("duty-a", "duty-b")
WAYS = ("voice", "sms", "email")
ROBOT = "robot"
ASK_EVERY = 0.2
"""Seconds between two looks at the board."""


@dataclass
class Outcome:
    """What came of it."""

    pages: dict[str, int]
    """Person, or the robot → messages that its providers took."""
    leads: list[str]
    """Incidents of the building that speak for themselves, the first one first."""
    riders: int
    incidents: int
    second_called: dict[str, float]
    """The fire next door: kind of channel → seconds from its publication until somebody was told of it."""
    asked: list[float] = field(default_factory=list)
    """Seconds for each answer of the board."""
    ring: int = 0
    """Telephone calls among the pages."""

    def told(self) -> str:
        """For people."""
        second = ", ".join(f"{kind} {seconds:.2f} s" for kind, seconds in sorted(self.second_called.items()))
        asked = sorted(self.asked)
        return (
            f"{DETECTORS} detectors of one building: {self.incidents} incidents, {len(self.leads)} lead them, {self.riders} ride\n"
            f"pages: {self.pages}, {sum(self.pages.values())} in all, {self.ring} of them telephone calls\n"
            f"fire next door: {second}\n"
            f"the board answers in {asked[len(asked) // 2] * 1e3:.0f} ms (p50), {asked[len(asked) * 99 // 100] * 1e3:.0f} ms (p99)"
        )


async def blaze(folder: Path, within: float, then: float, flood: dict[str, Any] | None = None) -> Outcome:
    """Let it burn: all detectors within so many seconds, and look on for `then` more; `flood` is that section of the site file."""
    with mosquitto(folder) as broker:
        async with _providers() as stages:
            daemon = Wanglou(_site(folder / "site", broker.port, stages, flood or {}))
            await asyncio.to_thread(daemon.start)
            asked: list[float] = []
            board = asyncio.create_task(_look_on(daemon, asked))
            try:
                second = await _burn(broker.port, within)
                await asyncio.sleep(then)
                listed = await asyncio.to_thread(daemon.get, "/api/v1/incidents?open=true&limit=1000")
            finally:
                board.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await board
                assert await asyncio.to_thread(daemon.stop) == 0, daemon.tail()
            found = [item for item in listed["items"] if item["zone"] != "site0/next"]
            return Outcome(
                pages={
                    who: sum(len(stage.taken) for (owner, _), stage in stages.items() if owner == who)
                    for who in (ROBOT, *PEOPLE)
                },
                leads=sorted(item["id"] for item in found if not item["lead"]),
                riders=sum(bool(item["lead"]) for item in found),
                incidents=len(found),
                second_called=_second(folder / "site" / "data", second),
                asked=asked,
                ring=sum(len(stage.taken) for (_, way), stage in stages.items() if way == "voice"),
            )


@contextlib.asynccontextmanager
async def _providers() -> AsyncIterator[dict[tuple[str, str], Stage]]:
    """(person or robot, kind) → its provider."""
    async with contextlib.AsyncExitStack() as stack:
        stages = {(who, way): await stack.enter_async_context(rehearsal(way)) for who in PEOPLE for way in WAYS}
        stages[ROBOT, "dingtalk"] = await stack.enter_async_context(rehearsal("dingtalk"))
        yield stages


def _site(folder: Path, mqtt: int, stages: dict[tuple[str, str], Stage], flood: dict[str, Any]) -> Path:
    zones: list[dict[str, Any]] = [
        {"id": f"a{{0..{ZONES - 1}}}", "name": "区", "kind": "corridor", "building": "a"},
        {"id": "next", "name": "邻楼", "kind": "corridor", "building": "b"},
    ]
    devices = [
        {"match": "a{a}-{any}", "kind": "smoke_detector", "zone": "a{a}"},
        {"match": "next-{any}", "kind": "smoke_detector", "zone": "next"},
    ]
    buildings = [{"id": house, "name": house} for house in "ab"]
    people = [
        {"id": who, "name": "值班员", "role": "responder", "channels": [f"{who}-{way}" for way in WAYS], **PERSON}
        for who in PEOPLE
    ]
    config = site(
        folder, mqtt=mqtt, webhook="", history="none",
        channels={f"{who}-{way}": stage.section for (who, way), stage in stages.items()},
        people=people, flood=flood,
        stations=[{"id": "post", "name": "站", "zones": ["*"], "recipients": [f"{ROBOT}-dingtalk"], "people": [*PEOPLE]}],
    )  # fmt: skip
    data = yaml.safe_load(config.read_text("utf-8"))
    data["sites"] = [{"id": "site0", "name": "小区", "buildings": buildings, "zones": zones, "devices": devices}]
    config.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    return config


async def _burn(mqtt: int, within: float) -> float:
    """The detectors in a random order, and half-way the fire next door; when that was published, as wall time."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", mqtt)
    client.loop_start()
    order = [f"a{n % ZONES}-{n // ZONES}" for n in range(DETECTORS)]
    random.Random(500).shuffle(order)
    order.insert(DETECTORS // 2, "next-0")
    second, began = 0.0, time.monotonic()
    for n, device in enumerate(order):
        await asyncio.sleep(max(0.0, began + within * n / len(order) - time.monotonic()))
        if device == "next-0":
            second = time.time()
        payload = json.dumps({"at": time.time_ns() // 1_000_000, "smoke_density": 0.9})
        client.publish(f"wl/site0/{device}/up", payload, qos=1)
    await asyncio.to_thread(client.disconnect)
    await asyncio.to_thread(client.loop_stop)
    return second


async def _look_on(daemon: Wanglou, asked: list[float]) -> None:
    """Ask the board for the open incidents again and again, as pages do."""
    while True:
        began = time.perf_counter()
        await asyncio.to_thread(daemon.get, "/api/v1/incidents?open=true&limit=100")
        asked.append(time.perf_counter() - began)
        await asyncio.sleep(ASK_EVERY)


def _second(data: Path, published: float) -> dict[str, float]:
    rows = in_ledger(data, "SELECT id, record FROM incident")
    (fire,) = [key for key, record in rows if json.loads(record)["zone"] == "site0/next"]
    told = in_ledger(
        data, f"SELECT at, detail FROM entry WHERE incident = '{fire}' AND step = 'push_accepted' ORDER BY id"
    )
    found: dict[str, float] = {}
    for at, detail in told:
        kind = json.loads(detail)["channel"].rpartition("-")[2]
        found.setdefault(kind, at / 1e6 - published)
    return found


def _pushed(data: Path) -> Counter[str]:
    """Type of push → how many there were; word for those who follow left out."""
    return Counter(str(kind) for (kind,) in in_ledger(data, "SELECT json_extract(body, '$.type') FROM push"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="wanglou-flood-") as scratch:
        within, then = (*(float(word) for word in sys.argv[1:]), *(60.0, 150.0)[len(sys.argv) - 1 :])
        folder = Path(scratch)
        print(asyncio.run(blaze(folder, within, then)).told())
        print(dict(_pushed(folder / "site" / "data")))
