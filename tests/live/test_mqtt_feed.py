"""The feed against a real mosquitto: what is not acknowledged comes again, a full inbox stops the broker, and every failure has a name."""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import paho.mqtt.client as paho
import pytest
import yaml
from pydantic import SecretStr

from monitor.adapters.mqtt import MqttFeed, MqttSettings
from monitor.clock import Clock
from monitor.inbox import Inbox
from monitor.packets import BufferedSocket
from monitor.ports import Message
from tests.certificates import Keys
from tests.publisher import HOST, Outgoing, connect, packet, publish
from tests.running import Wanglou, hook, site
from tests.servers import Mosquitto, free_port, mosquitto

pytestmark = pytest.mark.live

LONG = 30.0
"""Seconds after which a test gives up waiting."""


class Intake:
    """A feed with its inbox and what it said of trouble; `come` takes messages out as the panel would."""

    def __init__(self, settings: MqttSettings, limit: int = 100_000) -> None:
        self.inbox = Inbox(Clock(), limit)
        self.told: list[tuple[str, bool, str]] = []
        self.feed = MqttFeed(settings, self.inbox, lambda *said: self.told.append(said))

    async def come(self, count: int, *, acknowledge: bool = True) -> list[Message]:
        """The next `count` messages."""
        got: list[Message] = []
        async with asyncio.timeout(LONG):
            while len(got) < count:
                batch = [item for item in await self.inbox.take(1000, 1.0) if isinstance(item, Message)]
                got += batch
                if acknowledge:
                    self.feed.acknowledge([m.token for m in batch if m.token])
        assert len(got) == count
        return got

    async def nothing_more(self) -> None:
        """Whatever the broker still has for us has come when the answer to a later message is here: none of it is a reading."""
        await asyncio.sleep(0.3)
        assert await self.inbox.take(1000, 0.05) == []

    def active(self, source: str = "feed") -> str | None:
        """The newest word of trouble, None when there is none."""
        said = [(on, detail) for name, on, detail in self.told if name == source]
        return said[-1][1] if said and said[-1][0] else None

    async def connected(self) -> None:
        await until(lambda: self.feed.connected, "connected")


@asynccontextmanager
async def intake(settings: MqttSettings, limit: int = 100_000, *, wait: bool = True) -> AsyncIterator[Intake]:
    """A running one, connected when the block is entered."""
    one = Intake(settings, limit)
    await one.feed.start()
    try:
        if wait:
            await one.connected()
        yield one
    finally:
        await one.feed.stop()


async def until(true: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(LONG):
            while not true():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {LONG:.0f} s: {what}") from None


async def send(port: int, messages: list[Outgoing]) -> None:
    """Publish at QoS 1 and wait for the broker to have them all."""
    await asyncio.to_thread(publish, port, messages)


def numbered(count: int, size: int = 0) -> list[Outgoing]:
    return [Outgoing(f"wl/s/d{n % 7}/up", str(n).encode().ljust(size)) for n in range(count)]


def numbers(messages: list[Message]) -> list[int]:
    return [int(m.payload) for m in messages]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as server:
        yield server


@pytest.fixture(params=["3.1.1", "5"])
def settings(broker: Mosquitto, request: pytest.FixtureRequest) -> MqttSettings:
    return MqttSettings(HOST, broker.port, protocol=request.param)


# --- messages --------------------------------------------------------------------------------------------------------


async def test_messages_come_as_they_were_published(broker: Mosquitto, settings: MqttSettings) -> None:
    async with intake(settings) as one:
        await send(broker.port, [Outgoing("wl/小区/烟感-1/up", '{"smoke":true,"烟":1}'.encode())])
        (m,) = await one.come(1)
    assert (m.topic, m.payload, m.qos, m.retain, m.dup) == (
        "wl/小区/烟感-1/up", '{"smoke":true,"烟":1}'.encode(), 1, False, False,
    )  # fmt: skip
    assert m.token
    assert abs(m.at - Clock().now()) < LONG * 1e6
    assert one.told == [("feed", False, ""), ("subscription", False, "")]


async def test_qos_0_has_nothing_to_acknowledge(broker: Mosquitto, settings: MqttSettings) -> None:
    async with intake(settings) as one:
        with connect(broker.port, b"zero") as sock:
            sock.sendall(b"\x30\x0b\x00\x09wl/s/d/up" + b"\x30\x0c\x00\x09wl/s/d/upx")
            empty, full = await one.come(2)
    assert [(m.payload, m.qos, m.token) for m in (empty, full)] == [(b"", 0, 0), (b"x", 0, 0)]


async def test_retained_ones_come_at_once_and_are_marked(broker: Mosquitto, settings: MqttSettings) -> None:
    await send(broker.port, [Outgoing("wl/s/d/status", b"offline", retain=True), Outgoing("wl/s/d/up", b"gone")])
    async with intake(settings) as one:
        (old,) = await one.come(1)
        await send(broker.port, [Outgoing("wl/s/d/status", b"online", retain=True)])
        (new,) = await one.come(1)
    # A copy made for a new subscription is marked retained; the same message to a running one is not (MQTT 3.3.1-8, -9).
    assert [(m.payload, m.retain) for m in (old, new)] == [(b"offline", True), (b"online", False)]


async def test_a_large_payload(broker: Mosquitto, settings: MqttSettings) -> None:
    large = bytes(range(256)) * 800
    async with intake(settings) as one:
        await send(broker.port, [Outgoing("wl/s/d/up", large), Outgoing("wl/s/d/up", b"small")])
        got = await one.come(2)
    assert [m.payload for m in got] == [large, b"small"]


async def test_only_the_topics_of_the_settings(broker: Mosquitto, settings: MqttSettings) -> None:
    async with intake(replace(settings, topics=("a/+", "b/#"))) as one:
        topics = ["a/1", "a/1/2", "b", "b/1/2", "c", "wl/s/d/up", "a/2"]
        await send(broker.port, [Outgoing(topic, b"x") for topic in topics])
        got = await one.come(4)
        await one.nothing_more()
    assert [m.topic for m in got] == ["a/1", "b", "b/1/2", "a/2"]


# --- acknowledgement -------------------------------------------------------------------------------------------------


async def test_nothing_is_acknowledged_before_it_is_told_to(broker: Mosquitto, settings: MqttSettings) -> None:
    async with intake(settings) as one:
        await send(broker.port, numbered(100))
        first = await one.come(100, acknowledge=False)
    async with intake(settings) as one:
        again = await one.come(100)
    async with intake(settings) as one:
        await one.nothing_more()
    assert numbers(first) == numbers(again) == list(range(100))
    assert [m.dup for m in first] == [False] * 100
    assert [m.dup for m in again] == [True] * 100


async def test_exactly_those_without_acknowledgement_come_again(broker: Mosquitto, settings: MqttSettings) -> None:
    async with intake(settings) as one:
        await send(broker.port, numbered(100))
        got = await one.come(100, acknowledge=False)
        one.feed.acknowledge([m.token for m in got if int(m.payload) % 3])
    async with intake(settings) as one:
        assert numbers(await one.come(34)) == list(range(0, 100, 3))
        await one.nothing_more()


async def test_tokens_of_an_earlier_connection_are_ignored(broker: Mosquitto, settings: MqttSettings) -> None:
    """The broker numbers anew: an old token could acknowledge a message that nobody has stored."""
    async with intake(settings) as one:
        await send(broker.port, numbered(50))
        before = await one.come(50, acknowledge=False)
        broker.stop()
        await until(lambda: not one.feed.connected, "the loss is noticed")
        one.feed.acknowledge([m.token for m in before])
        broker.start()
        await one.connected()
        again = await one.come(50, acknowledge=False)
        one.feed.acknowledge([m.token for m in before])
    assert numbers(again) == numbers(before)
    assert not {m.token for m in again} & {m.token for m in before}
    async with intake(settings) as one:
        assert numbers(await one.come(50)) == numbers(before)


async def test_published_while_nobody_listens(broker: Mosquitto, settings: MqttSettings) -> None:
    async with intake(settings):
        pass
    await send(broker.port, numbered(3000))
    async with intake(settings) as one:
        assert numbers(await one.come(3000)) == list(range(3000))


async def test_the_broker_is_told_goodbye(broker: Mosquitto, settings: MqttSettings) -> None:
    async with intake(settings) as one:
        await send(broker.port, numbered(10))
        await one.come(10)
    await until(lambda: "Client wanglou " in broker.log.read_text(), "the broker writes it down")
    # Mosquitto says "closed its connection" of those who go without DISCONNECT.
    await until(lambda: "Client wanglou disconnected" in broker.log.read_text(), "DISCONNECT")
    assert "Client wanglou closed its connection" not in broker.log.read_text()


# --- a full inbox ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_full_inbox_stops_the_reading_and_the_broker_queues(
    tmp_path: Path, protocol: str, encrypted: bool
) -> None:
    count, limit = 20_000, 200
    keys = Keys(tmp_path / "keys")
    lines = keys.lines if encrypted else ()
    with mosquitto(tmp_path, *lines, f"listener {(inner := free_port())} {HOST}") as broker:
        tls = keys.context() if encrypted else None
        settings = MqttSettings(HOST, broker.port, protocol=protocol, tls=tls, inflight=5000)
        async with intake(settings, limit) as one:
            await send(inner, numbered(count, 300))
            await until(lambda: one.inbox.full, "full")
            await asyncio.sleep(0.5)
            assert one.inbox.depth == limit, "the broker has all of it, and we take no more than the limit"
            got = numbers(await one.come(count))
            await one.nothing_more()
            assert one.feed.connections == 1
    assert got == list(range(count))


async def test_paused_for_shutdown_it_takes_nothing_and_still_acknowledges(
    broker: Mosquitto, settings: MqttSettings
) -> None:
    async with intake(settings) as one:
        await send(broker.port, numbered(10))
        await until(lambda: one.inbox.depth == 10, "ten")
        await one.feed.pause()
        await send(broker.port, numbered(20)[10:])
        got = await one.come(10)
        await one.nothing_more()
    assert numbers(got) == list(range(10))
    async with intake(settings) as one:
        assert numbers(await one.come(10)) == list(range(10, 20))
        await one.nothing_more()


@pytest.mark.slow
async def test_a_full_inbox_is_no_dead_broker(broker: Mosquitto, settings: MqttSettings) -> None:
    """The answers to pings wait unread behind the messages; neither side may take the other for dead."""
    async with intake(replace(settings, keepalive=2), 10) as one:
        await send(broker.port, numbered(3000, 2000))
        await until(lambda: one.inbox.full, "full")
        await asyncio.sleep(4.5)
        got = await one.come(3000)
        assert one.feed.connections == 1
    assert numbers(got) == list(range(3000))


# --- a connection that is lost ---------------------------------------------------------------------------------------


async def test_a_restarted_broker_is_found_again_with_the_session(broker: Mosquitto, settings: MqttSettings) -> None:
    async with intake(settings) as one:
        broker.stop()
        await until(one.active, "trouble")
        assert f"{HOST}:{broker.port}" in str(one.active()) or "hung up" in str(one.active())
        await until(lambda: "cannot reach" in str(one.active()), "it tries again")
        broker.start()
        await send(broker.port, numbered(5))  # perhaps before the feed is back: the session queues
        await one.connected()
        assert one.active() is None
        assert numbers(await one.come(5)) == list(range(5))
        assert one.feed.connections == 2


@pytest.mark.slow
async def test_an_idle_connection_is_kept_alive(broker: Mosquitto, settings: MqttSettings) -> None:
    """Mosquitto ends a client that it has not heard of for one and a half times the keepalive."""
    async with intake(replace(settings, keepalive=2)) as one:
        await asyncio.sleep(4.5)
        assert (one.feed.connected, one.feed.connections) == (True, 1)
    assert "exceeded timeout" not in broker.log.read_text()


@pytest.mark.slow
async def test_a_broker_that_hangs_is_noticed_and_left(broker: Mosquitto, settings: MqttSettings) -> None:
    async with intake(replace(settings, keepalive=2)) as one:
        broker.suspend()
        await until(one.active, "silence is noticed")
        assert "nothing was heard for" in str(one.active())
        broker.resume()
        await one.connected()
        await send(broker.port, numbered(3))
        assert numbers(await one.come(3)) == [0, 1, 2]


async def test_back_off_grows_from_attempt_to_attempt() -> None:
    at: list[float] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at.append(asyncio.get_running_loop().time())
        await reader.read(1000)  # bytes left unread would turn the goodbye into a reset
        writer.close()

    async with listener(hang_up) as port, intake(MqttSettings(HOST, port), wait=False) as one:
        await until(lambda: len(at) == 4, "four attempts")
        assert "hung up" in str(one.active())
    pauses = [later - sooner for sooner, later in pairwise(at)]
    # 0.5, 1, 2 s, each at least halved by the jitter.
    assert all(pause >= least for pause, least in zip(pauses, [0.25, 0.5, 1.0], strict=True)), pauses


@pytest.mark.slow
async def test_a_broker_that_never_answers() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listener(say_nothing) as port, intake(MqttSettings(HOST, port), wait=False) as one:
        await until(one.active, "trouble")
        assert one.active() == f"the broker at {HOST}:{port} did not answer CONNECT within 10 s"


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x30\xff\xff\xff\xff\x01" * 9, b"\x20\x02\x00", b"\x20\x00", b"\xff" * 99],
)
async def test_what_is_no_broker(answer: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with listener(speak) as port, intake(MqttSettings(HOST, port), wait=False) as one:
        await until(one.active, "trouble")
        assert "refused us" in str(one.active())
        assert one.inbox.depth == 0


async def test_nobody_there() -> None:
    port = free_port()
    async with intake(MqttSettings(HOST, port), wait=False) as one:
        await until(one.active, "trouble")
        assert str(one.active()).startswith(f"cannot reach the broker at {HOST}:{port}: ")
        assert "Connection refused" in str(one.active())


async def test_two_daemons_under_one_name(broker: Mosquitto, settings: MqttSettings) -> None:
    """Each ends the other; the words must lead to the cause. (Mosquitto 2.0 gives no reason.)"""
    async with intake(settings) as one, intake(settings):
        await until(one.active, "one is sent away")
        assert "another program came under our client_id" in str(one.active())


async def test_the_reason_that_an_mqtt_5_broker_gives() -> None:
    async def take_over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(bytes.fromhex("2003000000"))
        await reader.read(1000)
        writer.write(bytes.fromhex("e0028e00"))
        await reader.read()
        writer.close()

    async with listener(take_over) as port, intake(MqttSettings(HOST, port, protocol="5"), wait=False) as one:
        await until(one.active, "one is sent away")
        assert one.active() == "the connection to the broker was lost: Session taken over"


@asynccontextmanager
async def listener(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


# --- limits and rights of the broker ---------------------------------------------------------------------------------


async def test_dropped_messages_are_trouble(tmp_path: Path) -> None:
    with mosquitto(tmp_path, max_queued_messages=10, sys_interval=1) as broker:
        for times in (1, 2):
            async with intake(MqttSettings(HOST, broker.port)) as one:
                await until(lambda: one.feed._dropped is not None, "the count is known")
                assert one.active("broker-drops") is None, "what was dropped before our time is no news"
                asleep(broker.port, f"sleeper-{times}")
                await send(broker.port, [Outgoing("deaf/x", b"x")] * 100)
                await until(lambda: one.active("broker-drops"), "the drops are told")
                assert "raise its queue limits" in str(one.active("broker-drops"))
                assert one.inbox.depth == 0


def asleep(port: int, name: str) -> None:
    """A persistent session that subscribes to `deaf/#` at QoS 1 and goes."""
    with socket.create_connection((HOST, port), 10) as sock:
        body = b"\x00\x04MQTT\x04\x00\x00\x3c" + len(name).to_bytes(2, "big") + name.encode()
        sock.sendall(b"\x10" + bytes([len(body)]) + body)
        assert sock.recv(4, socket.MSG_WAITALL) == b"\x20\x02\x00\x00"
        sock.sendall(b"\x82\x0b\x00\x01\x00\x06deaf/#\x01")
        assert sock.recv(5, socket.MSG_WAITALL) == b"\x90\x03\x00\x01\x01"


@pytest.mark.parametrize(("protocol", "connack"), [("3.1.1", "20020000"), ("5", "2003000000")])
async def test_a_refused_subscription_is_trouble(protocol: str, connack: str) -> None:
    """Connected and deaf would be the worst of all. (Mosquitto's own access list refuses no subscription, other brokers do.)"""

    async def allow_one_of_three(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(bytes.fromhex(connack))
        subscribe = await reader.read(1000)
        mid, properties = subscribe[2:4], b"\x00" if protocol == "5" else b""
        writer.write(b"\x90" + bytes([5 + len(properties)]) + mid + properties + b"\x87\x01\x80")
        await reader.read()
        writer.close()

    async with listener(allow_one_of_three) as port, intake(MqttSettings(HOST, port, protocol=protocol)) as one:
        await until(lambda: one.active("subscription"), "it is noticed")
        assert (
            one.active("subscription")
            == "the broker refuses to let us hear wl/+/+/up, wl/+/incidents/+/move: mend its access list"
        )
        assert one.active() is None


# --- who we are ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Keys of another authority."""
    return Keys(tmp_path_factory.mktemp("strangers"))


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_tls_with_a_client_certificate(tmp_path: Path, keys: Keys, protocol: str) -> None:
    with mosquitto(tmp_path, *keys.lines, "require_certificate true", f"listener {(inner := free_port())}") as broker:
        settings = MqttSettings(HOST, broker.port, protocol=protocol, tls=keys.context(client="client"))
        async with intake(settings) as one:
            await send(inner, [Outgoing("wl/s/d/up", b"y" * 200_000), *numbered(2000)])
            got = await one.come(2001)
    assert len(got[0].payload) == 200_000
    assert numbers(got[1:]) == list(range(2000))


async def test_without_the_certificate_that_the_broker_asks_for(tmp_path: Path, keys: Keys, strangers: Keys) -> None:
    with mosquitto(tmp_path, *keys.lines, "require_certificate true") as broker:
        mine = MqttSettings(HOST, broker.port, tls=keys.context())
        async with intake(mine, wait=False) as one:
            await until(one.active, "refused")
            assert "certificate" in str(one.active())
        theirs = strangers.context(client="client")
        theirs.load_verify_locations(keys.folder / "ca.pem")
        async with intake(replace(mine, tls=theirs), wait=False) as one:
            await until(one.active, "refused")
            assert "check username, password, certificate" in str(one.active()), one.active()


async def test_a_broker_that_another_authority_vouches_for(tmp_path: Path, keys: Keys, strangers: Keys) -> None:
    with mosquitto(tmp_path, *keys.lines) as broker:
        settings = MqttSettings(HOST, broker.port, tls=strangers.context())
        async with intake(settings, wait=False) as one:
            await until(one.active, "refused")
            assert str(one.active()).startswith(f"cannot reach the broker at {HOST}:{broker.port}: ")
            assert "certificate verify failed" in str(one.active())
            assert not one.feed.connected


async def test_tls_where_there_is_none_and_none_where_there_is(tmp_path: Path, keys: Keys, broker: Mosquitto) -> None:
    async with intake(MqttSettings(HOST, broker.port, tls=keys.context()), wait=False) as one:
        await until(one.active, "refused")
        assert "cannot reach the broker" in str(one.active())
    with mosquitto(tmp_path / "tls", *keys.lines) as secure:
        async with intake(MqttSettings(HOST, secure.port), wait=False) as one:
            await until(one.active, "refused")
            assert "refused us" in str(one.active())


SECRET = "a-password-nobody-may-read-7f3a"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that knows `wanglou` by SECRET and nobody else."""
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "wanglou", SECRET], check=True, capture_output=True)
    with mosquitto(tmp_path, allow_anonymous=False, password_file=str(passwords)) as broker:
        yield broker


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize(
    ("username", "password", "welcome"),
    [
        ("wanglou", SECRET, True),
        ("wanglou", SECRET + "x", False),
        ("stranger", SECRET, False),
        ("wanglou", None, False),
        (None, None, False),
    ],
)
async def test_username_and_password(
    guarded: Mosquitto, protocol: str, username: str | None, password: str | None, welcome: bool
) -> None:
    secret = SecretStr(password) if password else None
    settings = MqttSettings(HOST, guarded.port, protocol=protocol, username=username, password=secret)
    async with intake(settings, wait=welcome) as one:
        if welcome:
            assert one.active() is None
        else:
            await until(one.active, "refused")
            refusal = "the broker refused us: Not authorized; check username, password, certificate and client_id"
            assert one.active() == refusal
        assert SECRET not in repr(settings) + repr(one.told) + repr(one.feed)


def test_the_password_is_in_no_log_and_on_no_page(guarded: Mosquitto, tmp_path: Path) -> None:
    with hook() as hearing:
        config = site(tmp_path / "site", mqtt=guarded.port, webhook=hearing.url)
        data = yaml.safe_load(config.read_text("utf-8"))
        data["mqtt"] |= {"username": "wanglou", "password": {"file": "password"}}
        (config.parent / "password").write_text(SECRET + "-mistyped\n")
        config.write_text(yaml.safe_dump(data), "utf-8")
        daemon = Wanglou(config)
        daemon.start(wait=False)
        try:
            daemon.wait_for(lambda: "Not authorized" in pages(daemon, "/api/v1/troubles"), "the refusal is shown")
            everything = pages(daemon, "/api/v1/troubles", "/api/v1/incidents", "/api/v1/account", "/metrics")
        finally:
            daemon.stop()
        (config.parent / "password").write_text(SECRET + "\n")
        with daemon:
            daemon.wait_for(lambda: daemon.get("/api/v1/troubles")["items"] == [], "all is well")
            everything += pages(daemon, "/api/v1/troubles", "/api/v1/incidents", "/api/v1/account", "/metrics")
    log = daemon.log.read_text("utf-8")
    assert "Not authorized" in log
    assert SECRET not in everything
    assert SECRET not in log


def pages(daemon: Wanglou, *paths: str) -> str:
    """What the API says, as text; nothing while it is not up."""
    out = ""
    for path in paths:
        try:
            answer = daemon.get(path)
        except OSError:
            continue
        out += answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    return out


@pytest.mark.slow
def test_trouble_is_told_once_and_ended_once(tmp_path: Path) -> None:
    """In the daemon: however often it tries, one incident of the system, and its return."""
    with (
        mosquitto(tmp_path) as broker,
        hook() as hearing,
        Wanglou(site(tmp_path / "site", mqtt=broker.port, webhook=hearing.url)) as daemon,
    ):
        broker.stop()
        daemon.wait_for(lambda: daemon.get("/api/v1/incidents")["items"], "longer than half a minute: an incident")
        broker.start()
        daemon.wait_for(lambda: daemon.get("/api/v1/troubles")["items"] == [], "it is over")
        daemon.wait_for(lambda: daemon.ready, "connected")
        (incident,) = daemon.get("/api/v1/incidents")["items"]
        steps = [entry["step"] for entry in daemon.get(f"/api/v1/incidents/{incident['id']}")["timeline"]]
    assert (incident["kind"], incident["title"]["en"]) == ("FAULT", "System trouble: feed")
    assert steps.count("raised") == 1
    assert steps.count("returned") == 1


# --- what is not public ----------------------------------------------------------------------------------------------


def test_pahos_private_method_is_still_what_we_replace() -> None:
    """When this fails paho has changed: read its `reconnect` and mend `_Client` in monitor/adapters/mqtt.py before going on."""
    assert list(inspect.signature(paho.Client._create_socket).parameters) == ["self"]
    assert "self._create_socket()" in inspect.getsource(paho.Client.reconnect)


async def test_pahos_connection_goes_through_our_buffer(broker: Mosquitto, settings: MqttSettings) -> None:
    async with intake(settings) as one:
        assert one.feed._client is not None
        assert isinstance(one.feed._client.socket(), BufferedSocket)
        assert one.feed._client.socket() is one.feed._buffered
        await send(broker.port, numbered(1))
        await one.come(1)


def test_the_packets_of_the_publisher_are_what_it_says() -> None:
    """The other end of these tests speaks plain bytes."""
    assert packet(Outgoing("a", b"b", retain=True), 5) == b"\x33\x06\x00\x01a\x00\x05b"
