"""Publishing a feed to a real broker, each message at its moment, at QoS 1. On aiomqtt; knows frames, not devices.

One connection carries the neighbourhood, as its main gateway would: the last will says that the gateway is gone. Messages go in batches of
what is due; a batch counts when the broker has acknowledged all of it. While the broker is away the neighbourhood stands still, and goes
on where it stopped: nothing is left out, a batch that was under way is said again.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import aiomqtt

from simulators.wire import Frame, order, status

GATEWAY = "gateway"
"""The device whose connection it is."""
BATCH_MS = 20
"""What is due within so many milliseconds of wall time goes together: fewer wake-ups, and no device notices."""
MOST_AT_ONCE = 1000
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0
MARK_EVERY_S = 1.0
FAREWELL_S = 1.0
KNOWN = 1000
"""Commands that were carried out and are remembered, so that none is carried out twice."""


class Refused(Exception):
    """The broker will not have us; trying again would not help."""


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach the broker."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        """Without the password."""
        return f"{self.host}:{self.port}"


class Publisher:
    """Plays frames against the clock until it is told to stop, or they are over."""

    def __init__(
        self,
        address: Address,
        frames: Iterator[Frame],
        *,
        site: str,
        begins_ms: int,
        ends_ms: int | None,
        speed: float,
        mark: Callable[[int], None],
        say: Callable[[str], None],
        obey: Callable[[str, str, str], None],
    ) -> None:
        """`obey` is given each command that has not expired and is not known: device, command, id.

        `mark` hears about once a second up to which moment everything is acknowledged; `say` what people should know.
        """
        self._address = address
        self._frames = frames
        self._site = site
        self._speed = speed
        self._ends_ms = ends_ms
        self._mark = mark
        self._say = say
        self._obey = obey
        self._known: deque[str] = deque(maxlen=KNOWN)
        self._done_ms = begins_ms
        self._marked_at = -MARK_EVERY_S
        self._held: list[Frame] = []
        """Taken from the feed and not yet acknowledged."""
        self._next: Frame | None = None
        self._over = False
        self.published = 0

    async def run(self) -> int:
        """Until SIGINT, SIGTERM or the end; returns how many messages were acknowledged. Raises Refused."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        playing = asyncio.create_task(self._play())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            playing.cancel()
            with suppress(asyncio.CancelledError):
                await playing
            self._mark(self._done_ms)
        return self.published

    async def _play(self) -> None:
        wait, told = FIRST_WAIT_S, False
        while not self._over:
            try:
                async with self._client() as client:
                    if told:
                        self._say(f"已重新连接 connected again: {self._address!r}")
                    wait, told = FIRST_WAIT_S, False
                    try:
                        await self._stay(client)
                    finally:
                        await self._farewell(client)
            except aiomqtt.MqttCodeError as error:
                if _code(error) in _HOPELESS:
                    raise Refused(
                        f"{self._address!r}: {error} (检查用户名和密码 check user name and password)"
                    ) from None
                told = self._lost(error, told)
            except aiomqtt.MqttError as error:
                if isinstance(error.__context__, ssl.SSLCertVerificationError):
                    raise Refused(f"{self._address!r}: {error} (检查证书 check --tls-ca)") from None
                told = self._lost(error, told)
            if not self._over:
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT_S)

    def _lost(self, error: Exception, told: bool) -> bool:
        if not told:
            self._say(f"代理不可用，等待中 the broker is away, waiting: {self._address!r}: {error}")
        return True

    def _client(self) -> aiomqtt.Client:
        a = self._address
        will = status(0, self._site, GATEWAY, online=False)
        client = aiomqtt.Client(
            a.host, a.port, username=a.username, password=a.password, tls_context=a.tls, keepalive=15, timeout=10,
            identifier=f"{self._site}-{GATEWAY}", max_inflight_messages=MOST_AT_ONCE,
            will=aiomqtt.Will(will.topic, will.payload, qos=1, retain=True),
        )  # fmt: skip
        client.pending_calls_threshold = (
            2 * MOST_AT_ONCE
        )  # many at once are meant here, and no reason for a warning each
        return client

    async def _stay(self, client: aiomqtt.Client) -> None:
        """Publish while the connection lasts. Raises MqttError when it is lost."""
        lost = asyncio.create_task(self._listen(client))
        sending = asyncio.create_task(self._send(client))
        try:
            done, _ = await asyncio.wait({lost, sending}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (lost, sending):
                task.cancel()
            await asyncio.gather(lost, sending, return_exceptions=True)

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Hear what devices are told, as long as the connection lasts: publish() alone would wait for its time-out."""
        await client.subscribe(f"wl/{self._site}/+/down", 1)
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            told = order(message.topic.value, payload)
            if told is None or told.id in self._known or told.expires_ms < time.time() * 1000:
                continue
            self._known.append(told.id)
            self._obey(told.device, told.command, told.id)

    async def _send(self, client: aiomqtt.Client) -> None:
        back = status(0, self._site, GATEWAY, online=True)
        await client.publish(back.topic, back.payload, 1, retain=True)
        # The connection's own schedule: simulated time goes on from where it stands, and never drifts while it lasts.
        began, from_ms = time.monotonic(), self._held[0].at_ms if self._held else self._done_ms
        while not self._over:
            if not self._held:
                reach_ms = from_ms + int(((time.monotonic() - began) * 1000 + BATCH_MS) * self._speed)
                self._take(reach_ms)
            if self._held:
                await asyncio.gather(*(client.publish(f.topic, f.payload, 1, f.retain) for f in self._held))
                self.published += len(self._held)
                self._done_ms = self._held[-1].at_ms
                self._held = []
                self._keep()
            elif self._next is not None:
                due = began + (self._next.at_ms - from_ms) / 1000 / self._speed
                # The next message alone decides when to wake; what falls due beside it goes along.
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _take(self, reach_ms: int) -> None:
        """Move what is due from the feed to `_held`."""
        while len(self._held) < MOST_AT_ONCE:
            frame = self._next if self._next is not None else next(self._frames, None)
            self._next = None
            if frame is None or (self._ends_ms is not None and frame.at_ms >= self._ends_ms):
                self._over = not self._held
                self._next = frame
                return
            if frame.at_ms > reach_ms:
                self._next = frame
                return
            self._held.append(frame)

    def _keep(self) -> None:
        if time.monotonic() - self._marked_at >= MARK_EVERY_S:
            self._marked_at = time.monotonic()
            self._mark(self._done_ms)

    async def _farewell(self, client: aiomqtt.Client) -> None:
        """A gateway that is switched off says so itself; a will is for accidents."""
        gone = status(0, self._site, GATEWAY, online=False)
        with suppress(aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await client.publish(gone.topic, gone.payload, 1, retain=True)


_HOPELESS = frozenset({4, 5, 134, 135})
"""CONNACK codes of MQTT 3.1.1 and 5: bad user name or password, not authorised."""


def _code(error: aiomqtt.MqttCodeError) -> int:
    """The number in it; a bare one under MQTT 3.1.1."""
    return error.rc if isinstance(error.rc, int) else getattr(error.rc, "value", -1)
