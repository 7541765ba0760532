"""Incident topics: what the daemon says of an incident, JSON on `wl/{site}/incidents/{id}`, retained while it is open.

Knows neither words for people nor the outbox. Has a connection of its own, apart from the intake's: it is made at the
first message and kept up in the background; a message is delivered when the broker has acknowledged it (QoS 1).

At the end of an incident the retained message is cleared first (an empty payload, which is MQTT's way), then the final
state is published without being retained. A subscriber sees the final state last; a later one sees nothing of it.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Mapping
from typing import Any, Literal

import aiomqtt
from pydantic import SecretStr

from monitor.ports import NeverWill, TryAgain
from monitor.posting import as_json
from monitor.wording import envelope
from rules.model import Push

BACK_OFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Pause after the first, second, … failed connection; short, for the broker is near and an incident waits."""
JITTER = 0.2
TOPIC_BYTES = 65_535


class MqttTopics:
    """One connection to one broker.

    Brokers acknowledge also what their access list forbids; see docs/channels.md.
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
        client_id: str | None = None,
        protocol: Literal["3.1.1", "5"] = "3.1.1",
        keepalive: int = 60,
        timeout: float = 10.0,
        root: str = "wl",
    ) -> None:
        """`keepalive`, `timeout` (for CONNACK and PUBACK each) in seconds; `client_id` must differ from the intake's (None: random)."""
        self.name = name
        self._host, self._port = host, port
        self._username, self._password = username, password
        self._tls = tls
        self._client_id = client_id
        self._protocol = aiomqtt.ProtocolVersion.V5 if protocol == "5" else aiomqtt.ProtocolVersion.V311
        self._keepalive = keepalive
        self._timeout = timeout
        self._root = root
        self._client: _Client | None = None
        self._trouble = ""
        self._tried = asyncio.Event()
        """Set while it is known how the last attempt to connect ended."""
        self._closing = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def send(self, push: Push, *, attempt: int) -> str:
        """Publish and wait for the broker's acknowledgement. Raises NeverWill when no topic can be made of the push."""
        topic, closed = self._topic(push)
        payload = as_json(envelope(push))
        client = await self._connected()
        try:
            if closed:
                await client.deliver(topic, b"", retain=True)
            await client.deliver(topic, payload, retain=not closed)
        except aiomqtt.MqttError as error:
            raise TryAgain(f"{self._where}: {_words(error)}") from None
        done = "published and cleared" if closed else "published, retained"
        return f"{done}: {topic} ({len(payload)} bytes)"

    async def check(self) -> str:
        """Connect; publish nothing."""
        await self._connected()
        return f"{self._where} connected ({'TLS' if self._tls else 'not encrypted'}); the access list is not verified"

    async def aclose(self) -> None:
        """Say goodbye to the broker."""
        self._closing.set()
        if self._keeper is not None:
            # Not cancelled: paho connects in a thread, and a cancelled connection would outlive us as an open socket.
            await self._keeper
            self._keeper = None

    @property
    def _where(self) -> str:
        return f"mqtt {self._host}:{self._port}"

    async def _connected(self) -> _Client:
        """The client, waiting for the first result when there is none yet. Raises TryAgain."""
        if self._closing.is_set():
            raise TryAgain(f"{self._where}: closing")
        if self._keeper is None or self._keeper.done():
            # Done already: it ended by a defect, which whoever waited for it has raised and the outbox written down.
            self._tried.clear()
            self._keeper = asyncio.create_task(self._keep(), name=f"channel {self.name}")
        keeper = self._keeper
        await self._tried.wait()
        if self._client is None:
            if keeper.done():
                keeper.result()
            raise TryAgain(f"{self._where}: {self._trouble or 'not connected'}")
        return self._client

    async def _keep(self) -> None:
        """Hold the connection until closing, with a back-off between attempts."""
        failures = 0
        while not self._closing.is_set():
            client = self._make()
            try:
                async with client:
                    failures = 0
                    await self._hold(client)
            except aiomqtt.MqttError as error:
                self._trouble = _words(error)
                client.abandon()
            finally:
                self._client = None
                self._tried.set()
            pause = BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)]
            failures += 1
            await self._wait(pause * random.uniform(1 - JITTER, 1 + JITTER))

    async def _hold(self, client: _Client) -> None:
        """Return at closing; raise MqttError when the connection ends otherwise."""
        self._client = client
        self._tried.set()
        lost = asyncio.create_task(_lost(client))
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait((lost, closing), return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                lost.result()
        finally:
            client.gone.set()
            lost.cancel()
            closing.cancel()
            await asyncio.gather(lost, closing, return_exceptions=True)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    def _make(self) -> _Client:
        return _Client(
            self._host,
            self._port,
            username=self._username,
            password=self._password.get_secret_value() if self._password is not None else None,
            identifier=self._client_id,
            protocol=self._protocol,
            tls_context=self._tls,
            keepalive=self._keepalive,
            timeout=self._timeout,
        )

    def _topic(self, push: Push) -> tuple[str, bool]:
        """Where it goes, and whether the incident is over."""
        incident = push.body.get("incident")
        if not isinstance(incident, Mapping):
            raise NeverWill("the push holds no incident: no topic can be made of it")
        # Our own troubles have a place like `system/broker` instead of a site.
        site = str(incident.get("site") or "").partition("/")[0]
        key = str(incident.get("id") or push.incident)
        for part in (site, key):
            # A surrogate cannot be written as UTF-8, and U+0000 must not appear in a topic.
            if not part or set(part) & set("+#/\0") or any("\ud800" <= sign <= "\udfff" for sign in part):
                raise NeverWill(
                    f"'{ascii(part)[1:60]}' cannot be part of a topic: it is empty or holds + # / or U+0000"
                )
        topic = f"{self._root}/{site}/incidents/{key}"
        if len(topic.encode()) > TOPIC_BYTES:
            raise NeverWill("the topic is longer than MQTT allows")
        return topic, push.body.get("type") == "incident.closed" or incident.get("state") == "closed"


class _Client(aiomqtt.Client):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gone = asyncio.Event()

    async def deliver(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish and wait for PUBACK. Raises MqttError, at once when the connection goes: the library would wait on."""
        publishing = asyncio.ensure_future(self.publish(topic, payload, qos=1, retain=retain))
        going = asyncio.ensure_future(self.gone.wait())
        try:
            await asyncio.wait((publishing, going), return_when=asyncio.FIRST_COMPLETED)
            if not publishing.done():
                raise aiomqtt.MqttError("the connection was lost before the acknowledgement")
            publishing.result()
        finally:
            publishing.cancel()
            going.cancel()
            await asyncio.gather(publishing, going, return_exceptions=True)

    def abandon(self) -> None:
        """Let go of a connection that was refused or never answered; the library leaves its socket open then."""
        self._client.disconnect()


async def _lost(client: aiomqtt.Client) -> None:
    """Nothing is subscribed to, so this ends only with the connection, by MqttError."""
    async for _ in client.messages:
        continue


def _words(error: aiomqtt.MqttError) -> str:
    """What happened; MQTT's errors hold addresses and reason codes, no secrets."""
    return " ".join(str(error).split())[:200] or type(error).__name__
