"""Commands to devices: JSON on `wl/{site}/{device}/down`, QoS 1, never retained, and never sent twice.

Knows neither rules nor the outbox. Commands are rare, so each has a connection of its own, with a clean session: nothing of ours waits at
the broker or in a library's queue to come out later. Only what certainly was not sent may be tried again.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import aiomqtt
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import SecretStr

from monitor.ports import NeverWill, TryAgain
from monitor.posting import as_json
from rules.model import SECOND, Micros, Push
from rules.response import rfc3339

log = structlog.get_logger(__name__)

UNKNOWN = "nobody knows whether the device was told: not repeated, look at the device"
TOPIC_BYTES = 65_535


@dataclass(slots=True)
class _Errand:
    """One command on its way. `wanted` turns false when whoever sent it no longer waits for its end."""

    push: Push
    wanted: bool = True
    sent: bool = False
    taken: bool = False


class MqttCommands:
    """Publishes commands to one broker.

    Brokers acknowledge also what their access list forbids; then the device does not obey, and the engine says so.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int = 1883,
        *,
        username: str | None = None,
        password: SecretStr | None = None,
        tls: ssl.SSLContext | None = None,
        protocol: Literal["3.1.1", "5"] = "3.1.1",
        timeout: float = 3.0,
        root: str = "wl",
        now: Callable[[], Micros] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`timeout` in seconds, for CONNACK and PUBACK each."""
        self.name = name
        self._host, self._port = host, port
        self._username, self._password = username, password
        self._tls = tls
        self._five = protocol == "5"
        self._timeout = timeout
        self._root = root
        self._now = now
        self._going: set[asyncio.Task[str]] = set()

    async def send(self, push: Push, *, attempt: int) -> str:
        """Publish once and wait for the broker's acknowledgement.

        Raises TryAgain only when nothing was sent; NeverWill when it has expired, when no topic can be made of it, and when nobody
        knows what became of it.
        """
        errand = _Errand(push)
        going = asyncio.create_task(self._deliver(errand), name=f"command {push.key}")
        self._going.add(going)
        going.add_done_callback(self._going.discard)
        try:
            # The library connects in a thread, and a cancelled connection would outlive us as an open socket.
            return await asyncio.shield(going)
        finally:
            errand.wanted = False

    async def check(self) -> str:
        """Connect; publish nothing."""
        client = self._make()
        try:
            async with client:
                pass
        except aiomqtt.MqttError as error:
            client.abandon()
            raise TryAgain(f"{self._where}: {_words(error)}") from None
        return f"{self._where} connected ({'TLS' if self._tls else 'not encrypted'}); the access list is not verified"

    async def aclose(self) -> None:
        """Wait for what is on its way; each end of it has a bound."""
        await asyncio.gather(*self._going, return_exceptions=True)

    @property
    def _where(self) -> str:
        return f"mqtt {self._host}:{self._port}"

    async def _deliver(self, errand: _Errand) -> str:
        push, client = errand.push, self._make()
        topic = self._topic(push)
        payload = as_json(
            {"command": push.body["command"], "id": push.body["id"], "expires_at": rfc3339(push.expires_at)}
        )
        try:
            async with client:
                left = push.expires_at - self._now()
                if not errand.wanted or left <= 0:
                    raise NeverWill("it came too late: not sent")
                errand.sent = True
                await client.publish(topic, payload, qos=1, properties=self._expiring(left))
                errand.taken = True
        except aiomqtt.MqttError as error:
            client.abandon()
            if not errand.sent:
                raise TryAgain(f"{self._where}: {_words(error)}") from None
            if not errand.taken:
                raise NeverWill(f"{self._where}: {_words(error)}: {UNKNOWN}") from None
            log.info("the broker did not take our goodbye", why=_words(error))
        return f"published: {topic} ({len(payload)} bytes)"

    def _expiring(self, left: Micros) -> Properties | None:
        """The broker itself drops it when it is late (MQTT 5; in whole seconds, at least one)."""
        if not self._five:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = max(1, left // SECOND)
        return properties

    def _topic(self, push: Push) -> str:
        device = str(push.body["device"])
        topic = f"{self._root}/{device}/down"
        # A surrogate cannot be written as UTF-8, and U+0000 must not appear in a topic.
        if device.count("/") != 1 or set(device) & set("+#\0") or any("\ud800" <= sign <= "\udfff" for sign in device):
            raise NeverWill(f"'{ascii(device)[1:60]}' cannot be part of a topic")
        if len(topic.encode()) > TOPIC_BYTES:
            raise NeverWill("the topic is longer than MQTT allows")
        return topic

    def _make(self) -> _Client:
        return _Client(
            self._host,
            self._port,
            username=self._username,
            password=self._password.get_secret_value() if self._password is not None else None,
            protocol=aiomqtt.ProtocolVersion.V5 if self._five else aiomqtt.ProtocolVersion.V311,
            tls_context=self._tls,
            timeout=self._timeout,
        )


class _Client(aiomqtt.Client):
    def abandon(self) -> None:
        """Let go of a connection that was refused, never answered or lost; the library leaves its socket open then."""
        self._client.disconnect()


def _words(error: aiomqtt.MqttError) -> str:
    """What happened; MQTT's errors hold addresses and reason codes, no secrets."""
    return " ".join(str(error).split())[:200] or type(error).__name__
