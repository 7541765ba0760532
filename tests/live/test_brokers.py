"""The brokers that need no set-up, as the demo starts them: what is queued for a client that is away outlives a SIGKILL."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from monitor.brokers import SCRIPTS, NoBroker, broker_command
from monitor.children import Child
from tests.servers import binary, free_port

pytestmark = pytest.mark.live

TOPIC = "wl/home/smoke-1/up"
MESSAGES = 200
NOWHERE = "/nowhere"


def command(kind: str, folder: Path, port: int) -> list[str]:
    """As on a machine that has the bundled broker, only mosquitto, or only a nats-server of its own."""
    match kind:
        case "bundled":
            found = broker_command(folder, port, path=NOWHERE)
            assert found[0].endswith("nats-server")
        case "mosquitto":
            sbin = str(Path(binary("mosquitto", "mosquitto")).parent)
            found = broker_command(folder, port, scripts=NOWHERE, path=sbin)
            assert found[0].endswith("mosquitto")
        case _:
            found = broker_command(folder, port, scripts=NOWHERE, path=SCRIPTS)
            assert found[0].endswith("nats-server")
    return found


def listens(port: int) -> bool:
    """Does somebody?"""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def until(true: Callable[[], bool], log: Path) -> None:
    """Wait for it; fails with the broker's last words."""
    end = asyncio.get_running_loop().time() + 30
    while not await asyncio.to_thread(true):
        assert asyncio.get_running_loop().time() < end, log.read_text("utf-8", "replace")[-4000:]
        await asyncio.sleep(0.05)


def client(name: str, port: int) -> mqtt.Client:
    """With a session that the broker keeps, connected and running."""
    known = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
    connected = threading.Event()
    known.on_connect = lambda *_: connected.set()
    known.connect("127.0.0.1", port)
    known.loop_start()
    assert connected.wait(10)
    return known


def end(known: mqtt.Client) -> None:
    """Goodbye; the session stays."""
    known.disconnect()
    known.loop_stop()


def subscribe(port: int) -> None:
    """The watcher asks once, and goes away."""
    watcher, answered = client("watcher", port), threading.Event()
    granted: list[ReasonCode] = []

    def note(_client: mqtt.Client, _data: object, _mid: int, codes: list[ReasonCode], _properties: object) -> None:
        granted.extend(codes)
        answered.set()

    watcher.on_subscribe = note
    watcher.subscribe([("wl/+/+/up", 1), ("wl/+/+/status", 1), ("wl/#", 1)])
    assert answered.wait(10)
    assert [code.value for code in granted] == [1, 1, 1]
    end(watcher)


def publish(port: int) -> None:
    """All messages, each confirmed by the broker."""
    sender = client("sender", port)
    for message in [sender.publish(TOPIC, str(n), qos=1) for n in range(MESSAGES)]:
        message.wait_for_publish(10)
        assert message.is_published()
    end(sender)


def collect(port: int) -> set[int]:
    """What the watcher is given when it comes back."""
    heard: set[int] = set()
    everything = threading.Event()

    def take(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        heard.add(int(message.payload))
        if len(heard) == MESSAGES:
            everything.set()

    watcher = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="watcher", clean_session=False)
    watcher.on_message = take
    watcher.connect("127.0.0.1", port)
    watcher.loop_start()
    everything.wait(20)
    end(watcher)
    return heard


@pytest.mark.parametrize("kind", ["bundled", "mosquitto", "own"])
async def test_what_was_confirmed_is_there_after_a_kill(kind: str, tmp_path: Path) -> None:
    port = free_port()
    words = command(kind, tmp_path / "broker", port)
    async with Child("broker", words, tmp_path, ready=lambda: listens(port)) as broker:
        await asyncio.to_thread(subscribe, port)
        await asyncio.to_thread(publish, port)
        if kind == "mosquitto":  # it writes every few seconds, NATS before it confirms
            store, published = tmp_path / "broker" / "mosquitto.db", time.time()
            await until(lambda: store.exists() and store.stat().st_mtime > published, tmp_path / "broker.log")
        killed = broker.pid
        os.kill(killed, signal.SIGKILL)
        await until(lambda: broker.pid != killed and listens(port), tmp_path / "broker.log")
        assert await asyncio.to_thread(collect, port) == set(range(MESSAGES))


def test_a_machine_without_any_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(NoBroker, match=r"apt-get install mosquitto.*wanglou\[broker\]"):
        broker_command(tmp_path, 1883, scripts=NOWHERE, path=NOWHERE)
