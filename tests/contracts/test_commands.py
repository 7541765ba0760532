"""Commands on a real broker, and on brokers that fall silent: whatever may have been sent is never sent again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import aiomqtt
import pytest

from monitor.adapters.mqtt_commands import UNKNOWN, MqttCommands
from monitor.outbox import LaneLimits, Outbox
from monitor.ports import NeverWill, TryAgain
from rules.model import SECOND, Kind, Micros, Outcome, Push
from rules.response import rfc3339
from tests.servers import HOST, Mosquitto, free_port, mosquitto

CONNACK, PUBLISH = b"\x20\x02\x00\x00", 3
DEVICE = "home/charger-1"


def a_push(expires_in: float = 30.0, device: str = DEVICE) -> Push:
    at = time.time_ns() // 1000
    body: dict[str, object] = {
        "type": "device.command", "command": "cut_power", "device": device, "id": "inc-000007-1-1795305600250",
    }  # fmt: skip
    key = f"inc-000007/command-1/linkage@{device}"
    return Push(at, key, "inc-000007", "command-1", "linkage", Kind.PREALARM, at + round(expires_in * SECOND), body)


@asynccontextmanager
async def devices(broker: Mosquitto, protocol: Literal["3.1.1", "5"] = "3.1.1") -> AsyncIterator[aiomqtt.Client]:
    version = aiomqtt.ProtocolVersion.V5 if protocol == "5" else aiomqtt.ProtocolVersion.V311
    async with aiomqtt.Client(HOST, broker.port, protocol=version) as client:
        await client.subscribe("wl/+/+/down", 1)
        yield client


async def next_of(client: aiomqtt.Client) -> aiomqtt.Message:
    async with asyncio.timeout(10):
        return await anext(aiter(client.messages))


# --- a broker that is well --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_command_reaches_its_device_and_is_kept_nowhere(
    tmp_path: Path, protocol: Literal["3.1.1", "5"]
) -> None:
    with mosquitto(tmp_path) as broker:
        channel = MqttCommands("linkage", HOST, broker.port, protocol=protocol)
        assert (
            await channel.check()
            == f"mqtt {HOST}:{broker.port} connected (not encrypted); the access list is not verified"
        )
        push = a_push()
        async with devices(broker, protocol) as device:
            said = await channel.send(push, attempt=1)
            message = await next_of(device)
        assert said == f"published: wl/{DEVICE}/down ({len(bytes(message.payload))} bytes)"
        assert (message.topic.value, message.qos, message.retain) == (f"wl/{DEVICE}/down", 1, False)
        assert json.loads(message.payload) == {
            "command": "cut_power", "id": "inc-000007-1-1795305600250", "expires_at": rfc3339(push.expires_at),
        }  # fmt: skip
        if protocol == "5":
            left = getattr(message.properties, "MessageExpiryInterval")  # noqa: B009 - made at run time by the library
            assert 28 <= left <= 30
        async with devices(broker, protocol) as later:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await anext(aiter(later.messages))
        await channel.aclose()


async def test_what_cannot_be_sent_is_not_sent(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        channel = MqttCommands("linkage", HOST, broker.port)
        async with devices(broker) as device:
            with pytest.raises(NeverWill, match="too late: not sent"):
                await channel.send(a_push(expires_in=0), attempt=1)
            for odd in ("home/+", "home", "home/a/b", "home/a\0", "home/\ud800"):
                with pytest.raises(NeverWill, match="cannot be part of a topic"):
                    await channel.send(a_push(device=odd), attempt=1)
            with pytest.raises(NeverWill, match="longer than MQTT allows"):
                await channel.send(a_push(device="home/" + "x" * 66_000), attempt=1)
            await channel.send(a_push(), attempt=1)
            assert (await next_of(device)).topic.value == f"wl/{DEVICE}/down"


async def test_a_refused_login_sends_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    with mosquitto(tmp_path, allow_anonymous=False) as broker:
        channel = MqttCommands("linkage", HOST, broker.port)
        for attempt in (channel.send(a_push(), attempt=1), channel.check()):
            with pytest.raises(TryAgain, match=rf"mqtt {HOST}:{broker.port}"):
                await attempt


# --- brokers that are not ---------------------------------------------------------------------------------------------


@dataclass
class Odd:
    """A broker that does as it is told. `published` is what it was sent."""

    manner: str
    published: list[bytes] = field(default_factory=list)
    open: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self.open -= 1
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _packet(reader)
        if self.manner == "no CONNACK":
            await reader.read()
            return
        if self.manner == "hangs up":
            return
        if self.manner == "late CONNACK":
            await asyncio.sleep(0.2)
        writer.write(CONNACK)
        kind, body = await _packet(reader)
        if kind == PUBLISH:
            self.published.append(body)
        if self.manner == "no PUBACK":
            await reader.read()


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readexactly(1)
    length = shift = 0
    while True:
        (byte,) = await reader.readexactly(1)
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return head[0] >> 4, await reader.readexactly(length)


@asynccontextmanager
async def odd_broker(manner: str) -> AsyncIterator[Odd]:
    odd = Odd(manner)
    server = await asyncio.start_server(odd.serve, HOST, 0)
    odd.port = server.sockets[0].getsockname()[1]
    async with server:
        yield odd
        async with asyncio.timeout(10):
            while odd.open:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("manner", ["no CONNACK", "hangs up"])
async def test_where_nothing_was_sent_it_may_be_tried_again(manner: str) -> None:
    async with odd_broker(manner) as odd:
        with pytest.raises(TryAgain):
            await MqttCommands("linkage", HOST, odd.port, timeout=0.3).send(a_push(), attempt=1)
        assert odd.published == []
    with pytest.raises(TryAgain):
        await MqttCommands("linkage", HOST, free_port(), timeout=0.3).send(a_push(), attempt=1)


@pytest.mark.parametrize("manner", ["no PUBACK", "cuts"])
async def test_where_something_was_sent_nobody_knows_and_it_is_not_tried_again(manner: str) -> None:
    async with odd_broker(manner) as odd:
        with pytest.raises(NeverWill, match=UNKNOWN):
            await MqttCommands("linkage", HOST, odd.port, timeout=1).send(a_push(), attempt=1)
        assert len(odd.published) == 1


async def test_who_no_longer_waits_sends_nothing_more() -> None:
    """The outbox is drained while the connection is being made."""
    async with odd_broker("late CONNACK") as odd:
        channel = MqttCommands("linkage", HOST, odd.port, timeout=2)
        sending = asyncio.create_task(channel.send(a_push(), attempt=1))
        while not odd.open:
            await asyncio.sleep(0.005)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await channel.aclose()
        assert odd.published == []


@dataclass
class Reports:
    """What the outbox says."""

    said: list[tuple[Outcome, int, str]] = field(default_factory=list)

    def __call__(self, key: str, outcome: Outcome, attempt: int, reply: str, next_at: Micros | None) -> None:
        self.said.append((outcome, attempt, reply))


async def delivered(odd_port: int, push: Push, timeout: float) -> list[tuple[Outcome, int, str]]:
    """One command through the lane as it is wired, but for its time-out."""
    reports = Reports()
    channel = MqttCommands("linkage", HOST, odd_port, timeout=timeout)
    limits = {"linkage": LaneLimits(once=True)}
    outbox = Outbox({"linkage": channel}, reports, now=lambda: time.time_ns() // 1000, limits=limits)
    task = asyncio.create_task(outbox.run())
    outbox.offer(push)
    async with asyncio.timeout(20):
        while not reports.said or reports.said[-1][0] is Outcome.RETRY:
            await asyncio.sleep(0.01)
    await outbox.drain(1)
    await task
    await channel.aclose()
    return reports.said


async def test_the_lane_repeats_only_what_was_not_sent() -> None:
    async with odd_broker("no PUBACK") as odd:
        (only,) = await delivered(odd.port, a_push(), 1)
        assert only[:2] == (Outcome.DEAD, 1)
        assert len(odd.published) == 1
    async with odd_broker("no CONNACK") as odd:
        said = await delivered(odd.port, a_push(expires_in=3), 0.2)
        assert [outcome for outcome, _, _ in said][-1] is Outcome.DEAD
        assert len(said) > 1
        assert odd.published == []


@dataclass
class Hanging:
    """A channel that never ends, by a mistake."""

    name: str = "linkage"
    tried: int = 0

    async def send(self, push: Push, *, attempt: int) -> str:
        self.tried += 1
        await asyncio.Event().wait()
        return ""

    async def check(self) -> str:
        return ""

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize(("once", "outcome"), [(True, Outcome.DEAD), (False, Outcome.RETRY)])
async def test_a_lane_that_sends_once_does_not_trust_its_own_time_out(once: bool, outcome: Outcome) -> None:
    reports, hanging = Reports(), Hanging()
    limits = {"linkage": LaneLimits(timeout=0.02, once=once)}
    outbox = Outbox({"linkage": hanging}, reports, now=lambda: time.time_ns() // 1000, limits=limits)
    task = asyncio.create_task(outbox.run())
    outbox.offer(a_push())
    async with asyncio.timeout(10):
        while not reports.said:
            await asyncio.sleep(0.005)
    await outbox.drain(1)
    await task
    assert reports.said[0][0] is outcome
    assert ("not repeated" in reports.said[0][2]) is once
    assert hanging.tried == 1
