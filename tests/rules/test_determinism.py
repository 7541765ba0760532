"""The same tape gives the same effects, byte for byte, in another process with another hash seed, and across a restart.

The tapes are a made-up neighbourhood's bad day, from a seeded generator, and the real fires where their measurements are at hand.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgpack
import pytest

from monitor.lookout import Lookout
from monitor.ports import Message
from monitor.replay import Summary, play
from monitor.tape import from_lines
from rules.model import (
    HOUR,
    SECOND,
    Device,
    DevicePattern,
    Kind,
    Micros,
    Neighbourhood,
    Recipient,
    Station,
    Text,
    Zone,
)
from rules.rule import RuleBook
from rules.rulebook import load_book
from simulators import nist
from tests.rules.small_block import T0

ROOT = Path(__file__).parents[2]
MESSAGES = 10_000
SEEDS = ("0", "4242")
_ZONES = {"hall": "lobby", "garage": "garage", "lane": "fire_lane", "flat": "dwelling", "shed": "shed"}
_KINDS = ("smoke_detector", "heat_detector", "thermal_camera", "camera", "charger", "gateway", "fire_door")


def shipped() -> RuleBook:
    """All the books that come with the daemon."""
    return load_book(
        [(p.name, p.read_text(encoding="utf-8")) for p in sorted((ROOT / "rules" / "books").glob("*.yaml"))]
    )


def town() -> Neighbourhood:
    """Five zones, two stations, and forty devices, most of them known by their names only."""
    zones = {f"t/{z}": Zone(f"t/{z}", "t", Text(z, z), kind) for z, kind in _ZONES.items()}
    patterns = tuple(
        DevicePattern(re.compile(rf"t/{kind}-(?P<zone>[a-z]+)-\d"), kind, "t/{zone}", Text(kind, kind))
        for kind in _KINDS
    )
    listed = {
        "t/smoke_detector-hall-0": Device("t/smoke_detector-hall-0", "t", "smoke_detector", "t/hall", Text("a", "a"))
    }
    stations = (
        Station("east", Text("东", "east"), frozenset({"t/hall", "t/garage", "t/flat"}), (Recipient("hook"),)),
        Station(
            "west",
            Text("西", "west"),
            frozenset({"t/garage", "t/lane", "t/flat"}),
            (Recipient("robot", frozenset(Kind)), Recipient("board", frozenset(Kind), follow=True)),
        ),
    )
    return Neighbourhood(zones=zones, stations=stations, devices=listed, patterns=patterns)


def bad_day(seed: int, messages: int = MESSAGES) -> Iterator[Message]:
    """Messages of a day on which everything happens: fires, flickering values, late and repeated words, nonsense, strangers."""
    chance = random.Random(seed)
    names = [f"{kind}-{zone}-{n}" for kind in _KINDS for zone in _ZONES for n in range(2)]
    at: Micros = T0
    sent: list[Message] = []
    for number in range(messages):
        at += chance.choice((0, 1, 100_000, SECOND, 2 * SECOND, 9 * SECOND))
        name = chance.choice(names)
        what = chance.random()
        if what < 0.03 and sent:
            message = chance.choice(sent[-50:])._replace(at=at, dup=True)
        elif what < 0.05:
            payload = chance.choice((b"", b"{", b"[1]", b'{"smoke": NaN}', b'{"temperatur": 20}', b"\xff\xfe"))
            message = Message(at, f"wl/t/{name}/up", payload, 1)
        elif what < 0.06:
            message = Message(at, f"wl/t/stranger-{number % 7}/up", b'{"smoke":true}', 1)
        elif what < 0.09:
            message = Message(at, f"wl/t/{name}/status", chance.choice((b"online", b"offline")), 1, retain=True)
        else:
            body = _said(chance, name, at, number)
            payload = json.dumps(body, separators=(",", ":")).encode()
            message = Message(at, f"wl/t/{name}/up", payload, 1, retain=chance.random() < 0.02, token=1 + number)
        sent.append(message)
        yield message


def _said(chance: random.Random, name: str, at: Micros, number: int) -> dict[str, Any]:
    kind = name.partition("-")[0]
    bodies: dict[str, dict[str, Any]] = {
        "smoke_detector": {"smoke": chance.random() < 0.1, "smoke_density": round(chance.expovariate(4), 3)},
        "heat_detector": {"temperature": round(chance.gauss(40, 10), 1), "heat": chance.random() < 0.05},
        "thermal_camera": {"thermal_max": round(chance.gauss(90, 40), 1), "thermal_mean": 25.0},
        "camera": {
            "object": chance.choice(("car", "person", "cigarette", "fire", "ebike")),
            "score": 0.9,
            "dwell": chance.randrange(300),
        },
        "charger": {"port_temperature": chance.randrange(40, 110), "current": round(chance.uniform(0, 12), 2)},
        "gateway": {"mains_lost": chance.random() < 0.3, "fault": chance.random() < 0.3},
        "fire_door": {"door_open": chance.random() < 0.6, "battery": chance.randrange(5, 100)},
    }
    body = bodies[kind]
    drift = chance.choices((None, 0, -600, 90, 10**8), (20, 60, 10, 8, 2))[0]
    if drift is not None:
        body |= {"at": (at + drift * SECOND) // 1000, "id": f"{name}-{number}"}
    return body


def real_fire(fire: nist.Fire) -> tuple[Neighbourhood, Iterator[Message]]:
    """A NIST house, zone by zone, and its tape."""
    house: Any = nist.house(fire)
    zones = {f"nist/{z['id']}": Zone(f"nist/{z['id']}", "nist", Text(**z["name"]), z["kind"]) for z in house["zones"]}
    devices = {
        f"nist/{d['id']}": Device(f"nist/{d['id']}", "nist", d["kind"], f"nist/{d['zone']}", Text(**d["name"]))
        for d in house["devices"]
    }
    station = Station("post", Text("站", "post"), frozenset(zones), (Recipient("hook"),))
    start = datetime.fromisoformat("2026-11-22T08:00:00+08:00")
    tape = from_lines((json.dumps(line) for line in nist.tape(fire, start)), fire.name)
    return Neighbourhood(zones=zones, stations=(station,), devices=devices), tape


def told(summary: Summary) -> str:
    """What another process must find as well, as one line."""
    return json.dumps([summary.digest, summary.effects, len(summary.incidents), summary.verdicts], sort_keys=True)


def lived(seed: int, messages: int = MESSAGES) -> Summary:
    """The bad day in one go."""
    return play(bad_day(seed, messages), Lookout(shipped(), town()), settle=HOUR)


def burned(name: str) -> Summary:
    """One of the NIST fires."""
    fire = next(f for f in nist.fires(nist.data_folder()) if f.name == name)
    houses, tape = real_fire(fire)
    return play(tape, Lookout(shipped(), houses), settle=HOUR)


def second_half(seed: int, state: bytes) -> Summary:
    """The rest of the bad day, by a lookout that only knows the snapshot."""
    lookout = Lookout(shipped(), town())
    lookout.restore(msgpack.unpackb(state, strict_map_key=False))
    return play(islice(bad_day(seed), MESSAGES // 2, None), lookout, settle=HOUR)


def elsewhere(hash_seed: str, expression: str) -> str:
    """The words of `told` for a summary that another process makes. Fails when that process does."""
    code = f"from tests.rules.test_determinism import *; print(told({expression}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_bad_day_is_the_same_in_every_process() -> None:
    here = lived(7)
    assert here.messages == MESSAGES
    assert here.effects > 2500
    assert len(here.incidents) > 10
    verdicts = {"live", "late", "future", "retained", "duplicate", "rejected", "unregistered"}
    assert set(here.verdicts) == verdicts
    assert [elsewhere(seed, "lived(7)") for seed in SEEDS] == [told(here)] * len(SEEDS)


def test_another_day_is_another_digest() -> None:
    assert lived(7, 500).digest != lived(8, 500).digest


def test_a_restart_in_another_process_changes_nothing(tmp_path: Path) -> None:
    lookout = Lookout(shipped(), town())
    play(islice(bad_day(9), MESSAGES // 2), lookout)
    kept = tmp_path / "snapshot"
    kept.write_bytes(msgpack.packb(lookout.snapshot()))
    here = play(islice(bad_day(9), MESSAGES // 2, None), lookout, settle=HOUR)
    assert here.effects > 500
    assert elsewhere("3", f"second_half(9, Path({str(kept)!r}).read_bytes())") == told(here)


@pytest.mark.parametrize("name", ["SDC02", "SDC05", "SDC07", "SDC10"])
def test_a_real_fire_is_the_same_in_every_process(name: str) -> None:
    try:
        nist.data_folder()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    here = burned(name)
    assert any(i.kind is Kind.FIRE and i.dispatched_at is not None for i in here.incidents.values())
    assert elsewhere("5", f"burned({name!r})") == told(here)
