"""From the site file to the adapters: what the file says of trust and protocol arrives where the connection is made."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from monitor import wiring
from monitor.clock import Clock
from monitor.ports import Message, TryAgain
from monitor.settings import Settings, load
from rules.model import Kind, Push
from tests.certificates import Keys
from tests.running import site
from tests.servers import Mosquitto, free_port, mosquitto

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as server:
        yield server


def settings(folder: Path, port: int, **sections: Any) -> Settings:
    """A site file with some sections changed."""
    config = site(folder, mqtt=port, webhook="http://127.0.0.1:9/hook")
    data = yaml.safe_load(config.read_text("utf-8"))
    for name, section in sections.items():
        data[name] = data.get(name, {}) | section if isinstance(section, dict) else section
    config.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    return load(config, {})


@asynccontextmanager
async def https(keys: Keys) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that the authority of `keys` vouches for; its address, and the paths that were asked for."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path}")
        return web.Response(status=204)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.folder / "server.pem", keys.folder / "server.key")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        yield f"https://127.0.0.1:{port}", asked
    finally:
        await runner.cleanup()


PUSH = Push(0, "i/s/r", "i", "s", "hook", Kind.FIRE, 1 << 60, {"type": "incident.dispatch", "incident": {"id": "i"}})


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_webhook_behind_a_private_authority(tmp_path: Path, keys: Keys, trusted: bool) -> None:
    async with https(keys) as (url, asked), aiohttp.ClientSession() as session:
        trust = {"ca": str(keys.folder / "ca.pem")} if trusted else {}
        hook = {"kind": "webhook", "url": f"{url}/hook", **trust}
        channel = wiring.channels(settings(tmp_path, free_port(), channels={"hook": hook}), session, Clock().now)[
            "hook"
        ]
        if trusted:
            assert "reachable" in await channel.check()
            assert await channel.send(PUSH, attempt=1) == "HTTP 204"
        else:
            with pytest.raises(TryAgain, match="certificate is not trusted"):
                await channel.send(PUSH, attempt=1)
        await channel.aclose()
    assert asked == (["POST /hook"] if trusted else [])


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("api", ["v1", "v2"])
async def test_a_history_behind_a_private_authority(tmp_path: Path, keys: Keys, api: str, trusted: bool) -> None:
    async with https(keys) as (url, asked):
        trust = {"ca": str(keys.folder / "ca.pem")} if trusted else {}
        section = [{"kind": "influxdb", "url": url, "database": "w", "api": api, **trust}]
        history = wiring.histories(settings(tmp_path, free_port(), history=section), Clock().now)["influxdb"]
        if trusted:
            assert "writable" in await history.check()
        else:
            with pytest.raises(TryAgain, match="certificate"):
                await history.check()
        await history.aclose()
    assert bool(asked) is trusted


@pytest.mark.parametrize(("protocol", "mark"), [("3.1.1", "(p2,"), ("5", "(p5,")])
async def test_everybody_speaks_the_protocol_of_the_settings(
    tmp_path: Path, broker: Mosquitto, protocol: str, mark: str
) -> None:
    """The incident topics, the doctor's login, the tap and the player of tapes."""
    chosen = settings(tmp_path, broker.port, mqtt={"protocol": protocol, "keepalive": "77s"})
    async with aiohttp.ClientSession() as session:
        topics = wiring.channels(chosen, session, Clock().now)["topics"]
        assert "connected" in await topics.check()
        await topics.aclose()
    findings = await wiring.checkup(chosen)
    assert any("login accepted" in finding.detail for finding in findings)
    message = Message(0, "wl/site0/smoke-1/up", b"{}", 1, True)
    assert await wiring.send(chosen, [message], speed=0) == 1
    tap = wiring.tap(chosen, (), Clock().now)
    async with asyncio.timeout(10):
        heard = await anext(aiter(tap))
    assert (heard.topic, heard.payload, heard.retain) == (message.topic, b"{}", True)
    arrivals = [text for text in broker.log.read_text().splitlines() if "New client connected" in text]
    assert len(arrivals) >= 5
    assert all(mark in text and "k77" in text for text in arrivals), arrivals


def test_the_feed_gets_every_field(tmp_path: Path, keys: Keys) -> None:
    files = {"ca": "ca.pem", "certificate": "client.pem", "key": "client.key"}
    tls = {name: str(keys.folder / file) for name, file in files.items()}
    written = {
        "host": "127.0.0.9", "port": 8884, "protocol": "5", "client_id": "watch", "username": "u", "password": "p", "tls": tls,
        "keepalive": "90s", "topics": ["a/+"], "session_expiry": "2h", "inbox_limit": 70, "batch_limit": 7,
    }  # fmt: skip
    got = wiring.feed_settings(settings(tmp_path, 1, mqtt=written))
    assert (got.host, got.port, got.protocol, got.client_id, got.username) == ("127.0.0.9", 8884, "5", "watch", "u")
    assert got.password is not None
    assert got.password.get_secret_value() == "p"
    assert got.tls is not None
    assert got.tls.cert_store_stats()["x509_ca"] == 1
    assert (got.keepalive, got.topics, got.session_expiry, got.inflight) == (90, ("a/+",), 7200, 70)


def a_command(device: str) -> Push:
    body: dict[str, object] = {"type": "device.command", "command": "cut_power", "device": device, "id": "inc-1-1-0"}
    return Push(0, f"inc-1/command-1/linkage@{device}", "inc-1", "command-1", "linkage", Kind.FIRE, 1 << 52, body)


async def test_commands_have_a_lane_only_where_linkage_is_armed(tmp_path: Path, broker: Mosquitto) -> None:
    disarmed = settings(tmp_path, broker.port, linkage={"mode": "dry-run"})
    armed = settings(tmp_path, broker.port, linkage={"mode": "armed"})
    async with aiohttp.ClientSession() as session:
        assert "linkage" not in wiring.channels(disarmed, session, Clock().now)
        channels = wiring.channels(armed, session, Clock().now)
        said = await channels["linkage"].send(a_command("site0/charger-1"), attempt=1)
        assert said.startswith("published: wl/site0/charger-1/down")
        assert wiring.lane_limits(armed)["linkage"].once
        for channel in channels.values():
            await channel.aclose()
