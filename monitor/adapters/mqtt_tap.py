"""Listening in on a broker, and playing a tape to one: for `wanglou record` and `wanglou replay --broker`, on aiomqtt.

Not for the daemon's intake: aiomqtt acknowledges at enqueue, which is fine for a look and wrong for a fire.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

import aiomqtt
from pydantic import SecretStr

from monitor.ports import Message, TryAgain
from rules.model import Micros

_log = logging.getLogger("wanglou.mqtt_tap")
# What the library logs of a lost connection is raised here as well; a command without a log would print it beside its own words.
_log.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """How to reach a broker as a guest."""

    host: str
    port: int
    username: str | None = None
    password: SecretStr | None = None
    tls: ssl.SSLContext | None = None
    five: bool = False
    """MQTT 5 instead of 3.1.1."""
    keepalive: int = 60
    """Seconds."""

    def client(self, queue: int) -> aiomqtt.Client:
        """A clean session under a name of its own; `queue` messages may wait in each direction."""
        password = self.password.get_secret_value() if self.password else None
        client = aiomqtt.Client(
            self.host, self.port, username=self.username, password=password, tls_context=self.tls,
            protocol=aiomqtt.ProtocolVersion.V5 if self.five else aiomqtt.ProtocolVersion.V311, keepalive=self.keepalive,
            max_queued_incoming_messages=queue, max_queued_outgoing_messages=queue, logger=_log,
        )  # fmt: skip
        client.pending_calls_threshold = queue  # many at once are meant here, and no reason for a warning each
        return client


async def listen(broker: BrokerAddress, topics: Iterable[str], now: Callable[[], Micros]) -> AsyncIterator[Message]:
    """Messages as they come, retained ones first. Raises TryAgain when the broker is lost."""
    try:
        async with broker.client(100_000) as client:
            for topic in topics:
                await client.subscribe(topic, 1)
            async for m in client.messages:
                payload = bytes(m.payload) if isinstance(m.payload, bytes | bytearray) else b""
                yield Message(now(), m.topic.value, payload, m.qos, m.retain)
    except aiomqtt.MqttError as error:
        raise TryAgain(f"the broker at {broker.host}:{broker.port}: {error}") from None


async def publish(
    broker: BrokerAddress,
    messages: Iterable[Message],
    *,
    speed: float,
    in_flight: int = 500,
) -> int:
    """Play messages with their gaps divided by `speed` (0: as fast as the broker acknowledges). Returns how many were published.

    Raises TryAgain when the broker is lost, and what reading the messages raises.
    """
    try:
        async with broker.client(in_flight * 2) as client, asyncio.TaskGroup() as group:
            lost = group.create_task(_until_lost(client))
            count = await _play(client, group, messages, speed, in_flight)
            lost.cancel()
    except aiomqtt.MqttError as error:
        raise TryAgain(f"the broker at {broker.host}:{broker.port}: {error}") from None
    except ExceptionGroup as several:
        first = several.exceptions[0]
        if isinstance(first, aiomqtt.MqttError):
            raise TryAgain(f"the broker at {broker.host}:{broker.port}: {first}") from None
        raise first from None
    return count


async def _play(
    client: aiomqtt.Client, group: asyncio.TaskGroup, messages: Iterable[Message], speed: float, in_flight: int
) -> int:
    """Returns when the broker has acknowledged all of them."""
    room = asyncio.Semaphore(in_flight)

    async def one(m: Message) -> None:
        await client.publish(m.topic, m.payload, max(m.qos, 1), m.retain)
        room.release()

    count, began, first_at = 0, time.monotonic(), None
    for m in messages:
        first_at = m.at if first_at is None else first_at
        if speed and (wait := began + (m.at - first_at) / 1e6 / speed - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        await room.acquire()
        group.create_task(one(m))
        count += 1
    for _ in range(in_flight):
        await room.acquire()
    return count


async def _until_lost(client: aiomqtt.Client) -> None:
    """Nothing is subscribed to, so this ends only with the connection: publish() alone would wait for its time-out."""
    async for _ in client.messages:
        continue


async def probe(broker: BrokerAddress) -> str:
    """Log in as the daemon would (under another client identifier) and read what the broker tells of itself. Raises TryAgain."""
    dropped = "not told"
    try:
        async with broker.client(1000) as client:
            await client.subscribe("$SYS/broker/publish/messages/dropped", 0)
            try:
                async with asyncio.timeout(2):
                    async for m in client.messages:
                        dropped = m.payload.decode() if isinstance(m.payload, bytes) else dropped
                        break
            except TimeoutError:
                pass  # not every broker has $SYS, and not every user may read it
    except aiomqtt.MqttError as error:
        raise TryAgain(f"{error}: check username, password and certificate") from None
    return f"login accepted; messages dropped by the broker since its start: {dropped}"
