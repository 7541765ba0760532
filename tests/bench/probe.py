"""How long a smoke message takes to become an alert, as an outsider sees it. Knows only the wire.

usage: python -m tests.bench.probe PORT COUNT TOPIC_FILTER PREFIX; prints p50, p99 and max in milliseconds as JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.running import Hook

PAUSE = 0.02
SITES = 50


def client(port: int, name: str) -> mqtt.Client:
    """Connected, without Nagle's delay, its loop running."""
    made = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
    made.connect("127.0.0.1", port)
    sock = made.socket()
    assert isinstance(sock, socket.socket)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.loop_start()
    return made


def smoke() -> str:
    """A payload that every system under test takes for smoke."""
    at = time.time_ns() // 1_000_000
    return json.dumps(
        {"at": at, "smoke_density": 2.5, "temperature": 25.0, "battery": 97, "tamper": False, "rssi": -71}
    )


def over_mqtt(port: int, count: int, topics: str, prefix: str) -> list[float]:
    """Milliseconds from publication to the alert's arrival; devices `<prefix>-<n>` are each seen once."""
    heard, waiting, at = threading.Event(), "", 0.0

    def on_message(_client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        nonlocal at
        if waiting and (message.topic.endswith(waiting) or waiting.encode() in message.payload):
            at = at or time.perf_counter()
            heard.set()

    listener, publisher = client(port, f"listener-{prefix}"), client(port, f"publisher-{prefix}")
    listener.on_message = on_message
    listener.subscribe(topics, 1)
    time.sleep(0.5)
    took = []
    for i in range(count):
        waiting, at = f"{prefix}-{i}", 0.0
        heard.clear()
        start = time.perf_counter()
        publisher.publish(f"wl/site{i % 50}/{waiting}/up", smoke(), qos=1)
        if heard.wait(5):
            took.append((at - start) * 1000)
        time.sleep(PAUSE)
    for one in (listener, publisher):
        one.disconnect()
        one.loop_stop()
    return took


def over_webhook(port: int, count: int, heard: Hook, first: int) -> list[float]:
    """Milliseconds from publication to the dispatch's arrival at a webhook; alert n is raised in a zone of its own, from `first` on."""
    publisher = client(port, f"publisher-web-{first}")
    time.sleep(0.5)
    took = []
    for i in range(first, first + count):
        before, start = len(heard.at), time.perf_counter()
        publisher.publish(f"wl/site{i % SITES}/z{1 + i // SITES}-web/up", smoke(), qos=1)
        if not heard.more_than(before, 5):
            continue
        took.append((heard.at[before] - start) * 1000)
        time.sleep(PAUSE)
    publisher.disconnect()
    publisher.loop_stop()
    return took


def figures(took: list[float], count: int) -> dict[str, float]:
    """Of `count` asked for."""
    took = sorted(took)
    if not took:
        return {"alerts": 0, "of": count}
    at = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    return {
        "alerts": len(took),
        "of": count,
        **{name: round(took[min(int(len(took) * q), len(took) - 1)], 2) for name, q in at.items()},
    }


if __name__ == "__main__":
    port, count, topics, prefix = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    print(json.dumps(figures(over_mqtt(port, count, topics, prefix), count)))
