"""Linkage through a real broker: a simulated charger heats up, is told to cut its power, and shows that it has; and what does not work.

The chargers are those of the simulated neighbourhood, which shares no code with the daemon.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion

from tests.publisher import Outgoing, publish
from tests.running import ROOT, Wanglou, hook, in_ledger, site
from tests.servers import HOST, Mosquitto, mosquitto

pytestmark = [pytest.mark.live, pytest.mark.slow]

BOOK = """
version: 1
rules:
  - id: hot
    kind: PREALARM
    devices: [charger]
    when: port_temperature > 60
    for: 2s
    clear: port_temperature < 40
    linkage: [{command: cut_power, at: self}]
    title: {zh: 充电口过热, en: Port hot}
"""
SCENARIO = """
about: {zh: 试, en: Try}
duration: 20m
life: {charging: false}
happenings:
  - {at: 5s, charge_fault: {charger: charger-05, contact_ohm: 0.6, doubles_every: 10s}}
  - {at: 5s, charge_fault: {charger: charger-07, contact_ohm: 0.6, doubles_every: 10s}}
  - {at: 1s, deafen: {device: charger-07}}
"""


def armed(folder: Path, broker: Mosquitto, webhook: str, name: str, **linkage: Any) -> Path:
    """A site file with the chargers of one zone, armed for them."""
    config = site(folder, mqtt=broker.port, webhook=webhook, book=BOOK)
    data = yaml.safe_load(config.read_text("utf-8"))
    zones = [{"id": "bays", "name": "充电区", "kind": "charging"}]
    devices = [{"match": "charger-{n}", "kind": "charger", "zone": "bays"}]
    data["sites"] = [{"id": name, "name": "小区", "zones": zones, "devices": devices}]
    allow = [{"command": "cut_power", "devices": f"{name}/charger-*"}]
    data["linkage"] = {"mode": "armed", "allow": allow, **linkage}
    config.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    return config


def told(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """The timeline's entries about commands, in order."""
    rows = in_ledger(folder, "SELECT step, detail FROM entry WHERE step LIKE 'command%' ORDER BY id")
    return [(step, json.loads(detail)) for step, detail in rows]


def steps(folder: Path, device: str) -> list[str]:
    """What the timeline tells of one device."""
    return [step for step, detail in told(folder) if detail["device"].endswith(device)]


@contextmanager
def neighbourhood(folder: Path, broker: Mosquitto, scenario: str) -> Iterator[None]:
    """The simulated one, eight times as fast as life."""
    file = folder / "try.yaml"
    file.write_text(scenario, "utf-8")
    command = [sys.executable, "-m", "simulators", "run", str(file), "--port", str(broker.port), "--speed", "8"]
    with (folder / "simulators.log").open("wb") as log, subprocess.Popen(command, cwd=ROOT, stderr=log) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


class Ear:
    """Hears every command on the broker, whoever it is for."""

    def __init__(self, broker: Mosquitto) -> None:
        self.heard: list[tuple[str, dict[str, Any], bool]] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="ear", clean_session=False)
        self._client.on_connect = lambda client, *_: client.subscribe("wl/+/+/down", 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _c, _u, m: self.heard.append((m.topic, json.loads(m.payload), m.retain))
        self._client.connect(HOST, broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(20)

    def close(self) -> None:
        """Hear no more."""
        self._client.disconnect()
        self._client.loop_stop()


def test_a_hot_port_is_cut_off_and_a_deaf_one_is_told_of(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, hook() as phone:
        ear = Ear(broker)
        data = tmp_path / "site" / "data"
        config = armed(tmp_path / "site", broker, phone.url, "hupan", timeout="3s")
        with Wanglou(config) as daemon, neighbourhood(tmp_path, broker, SCENARIO):
            daemon.wait_for(lambda: "command_done" in steps(data, "charger-05"), "the charger has obeyed", 60)
            daemon.wait_for(lambda: "command_failed" in steps(data, "charger-07"), "the deaf one has not")
            phone.wait_for(lambda h: any(b["data"].get("news") == "linkage-failed" for b in h.bodies))
            cool = daemon.get("/api/v1/devices/hupan/charger-05")
            (hot,) = [rule for rule in daemon.get("/api/v1/rules")["items"] if rule["id"] == "hot"]
        ear.close()
        assert [(order["command"], order["at"]) for order in hot["linkage"]] == [("cut_power", "self")]
        assert steps(data, "charger-05") == ["commanded", "command_done"]
        assert steps(data, "charger-07") == ["commanded", "command_failed"]
        entries = told(data)
        (done,) = [detail for step, detail in entries if step == "command_done"]
        assert done["by"] in ("answer", "relay_closed")
        print(f"\nfrom the alarm to the device's word: {done['took'] * 1000:.0f} ms")
        assert 0 < done["took"] < 10
        (failed,) = [detail for step, detail in entries if step == "command_failed"]
        assert failed["why"] == "timeout"
        assert sorted(topic for topic, _, _ in ear.heard) == [
            "wl/hupan/charger-05/down",
            "wl/hupan/charger-07/down",
        ]
        assert all(body["command"] == "cut_power" and not retain for _, body, retain in ear.heard)
        assert cool["values"]["relay_closed"] is False


def test_a_command_that_was_open_when_the_daemon_was_killed_is_not_sent_after_it(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, hook() as phone:
        ear = Ear(broker)
        data = tmp_path / "site" / "data"
        daemon = Wanglou(armed(tmp_path / "site", broker, phone.url, "site0"))
        with daemon:
            publish(broker.port, [Outgoing("wl/site0/charger-1/up", b'{"port_temperature": 95, "relay_closed": true}')])
            daemon.wait_for(lambda: daemon.get("/api/v1/devices")["items"], "the device is known")
            broker.suspend()  # it takes no connection, so the command stays where it is
            open_ = "SELECT count(*) FROM push WHERE channel = 'linkage' AND outcome IN ('pending', 'retry')"
            daemon.wait_for(lambda: in_ledger(data, open_) == [(1,)], "the command is committed")
            daemon.kill()
        broker.resume()
        with daemon:
            daemon.wait_for(lambda: "command_failed" in steps(data, "charger-1"), "it is said")
            publish(broker.port, [Outgoing("wl/site0/charger-1/up", b'{"port_temperature": 96, "relay_closed": true}')])
            daemon.wait_for(lambda: daemon.metric("wanglou_messages_received_total") > 0, "it hears on")
        ear.close()
        assert ear.heard == []
        assert steps(data, "charger-1") == ["commanded", "command_failed"]
        assert [detail["why"] for step, detail in told(data) if step == "command_failed"] == ["not-delivered"]
        ((outcome, reply),) = in_ledger(data, "SELECT outcome, reply FROM push WHERE channel = 'linkage'")
        assert outcome == "dead"
        assert "Not repeated after a restart: look at the device." in reply


CHARGERS = int(os.environ.get("WANGLOU_CRASHES", "8"))
"""A kill for every other one."""


def test_killed_at_random_moments_no_command_is_sent_twice_and_each_has_an_end(tmp_path: Path) -> None:
    seed = int(os.environ.get("WANGLOU_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
    chance = random.Random(seed)
    with mosquitto(tmp_path) as broker, hook() as phone:
        ear = Ear(broker)
        data = tmp_path / "site" / "data"
        daemon = Wanglou(armed(tmp_path / "site", broker, phone.url, "site0", timeout="2s", at_most_per_minute=1000))
        daemon.start()
        kills = 0
        for n in range(CHARGERS):
            publish(
                broker.port, [Outgoing(f"wl/site0/charger-{n}/up", b'{"port_temperature": 95, "relay_closed": true}')]
            )
            # The rule waits for 2 s: some of these moments are before the alarm, some just after it.
            time.sleep(chance.uniform(0.2, 2.4))
            if n % 2:
                daemon.kill()
                kills += 1
                daemon.start()
        with daemon:
            everybody = {f"site0/charger-{n}" for n in range(CHARGERS)}
            daemon.wait_for(lambda: ended(data) == everybody, "each command has an end", 90)
        ear.close()
        heard = Counter(body["id"] for _, body, _ in ear.heard)
        print(f"\nWANGLOU_SEED={seed}: {kills} kills, {CHARGERS} commands, {len(heard)} reached the broker, none twice")
        assert max(heard.values()) == 1
        assert Counter(topic for topic, _, _ in ear.heard).most_common(1)[0][1] == 1
        assert Counter(detail["device"] for step, detail in told(data) if step == "commanded") == dict.fromkeys(
            everybody, 1
        )
        ends = Counter(detail["device"] for step, detail in told(data) if step == "command_failed")
        assert ends == dict.fromkeys(everybody, 1)


def ended(folder: Path) -> set[str]:
    """The devices whose command has failed; none of them obeys."""
    return {detail["device"] for step, detail in told(folder) if step == "command_failed"}
