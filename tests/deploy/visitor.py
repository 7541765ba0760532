"""An MQTT client for tests of a broker, on paho: connects or is refused, publishes, and remembers what it was sent."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.servers import HOST

WAIT = 20.0
"""Seconds that anything may take on a busy machine."""


class Refused(Exception):
    """The broker's answer to CONNECT, or the end of the connection before one."""


class Visitor:
    """A connected client; MQTT 3.1.1 unless told otherwise. Raises Refused, ssl.SSLError or OSError when it cannot come in."""

    def __init__(
        self,
        port: int,
        user: str = "",
        password: str = "",
        *,
        tls: ssl.SSLContext | None = None,
        name: str = "",
        clean: bool = True,
        keepalive: int = 60,
        will: str = "",
        five: bool = False,
    ) -> None:
        version = MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311
        more: dict[str, Any] = {} if five else {"clean_session": clean}
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=version, **more)
        if user:
            self._client.username_pw_set(user, password)
        if tls is not None:
            self._client.tls_set_context(tls)
        if will:
            self._client.will_set(will, b"offline", qos=1, retain=True)
        self.told: dict[str, Any] = {}
        """What the broker's answer to CONNECT says beside yes (MQTT 5)."""
        self.heard: list[tuple[str, bytes]] = []
        self._news = threading.Condition()
        self._answer: str | None = None
        self.gone = threading.Event()
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._subscribed = 0
        self._client.connect(HOST, port, keepalive)
        self._client.loop_start()
        self.wait(lambda: self._answer is not None or self.gone.is_set())
        if self._answer != "Success":
            self._client.loop_stop()
            raise Refused(self._answer or "the connection was closed")

    def subscribe(self, *filters: str) -> Self:
        """At QoS 1; returns when the broker has answered."""
        before = self._subscribed
        self._client.subscribe([(f, 1) for f in filters])
        self.wait(lambda: self._subscribed > before)
        return self

    def publish(self, topic: str, payload: bytes = b"{}", *, qos: int = 1, retain: bool = False) -> Self:
        """Returns when the broker has acknowledged it (QoS 1) or it has left (QoS 0)."""
        self._client.publish(topic, payload, qos, retain).wait_for_publish(WAIT)
        return self

    def post(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Publish without waiting for anything."""
        self._client.publish(topic, payload, qos)

    def hears(self, *topics: str) -> None:
        """Wait until as many messages came; they must be exactly these, in this order."""
        self.wait(lambda: len(self.heard) >= len(topics))
        assert [topic for topic, _ in self.heard] == list(topics)

    def leave(self) -> None:
        """DISCONNECT."""
        self._client.disconnect()
        self._client.loop_stop()

    def vanish(self) -> None:
        """Go without a word, as a device does that loses its power."""
        self._client.loop_stop()
        sock = self._client.socket()
        assert sock is not None
        sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def wait(self, true: Callable[[], object]) -> None:
        """Until something is true, looked at whenever something came."""
        with self._news:
            assert self._news.wait_for(true, WAIT), f"not within {WAIT:g} s; heard: {self.heard}"

    def _notify(self) -> None:
        with self._news:
            self._news.notify_all()

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
        self.told = properties.json() if properties else {}
        self._answer = str(reason)
        self._notify()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        self.gone.set()
        self._notify()

    def _on_subscribe(self, _client: Any, _data: Any, _mid: Any, _codes: Any, _properties: Any) -> None:
        self._subscribed += 1
        self._notify()

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))
        self._notify()
