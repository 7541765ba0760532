"""Providers for tests: real HTTP servers on loopback that answer well or badly on demand, and keep what they were sent.

Know nothing of Wanglou's adapters; what a provider's answer looks like is written down here a second time.

    async with provider(late(0.1), status(500), ok("{}")) as robot:   # one behaviour a request, the last one for ever
        ...                                                           # robot.url, robot.received
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote, unquote_plus

from aiohttp import web

HOST = "127.0.0.1"

Behaviour: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    at: float = 0.0
    """Seconds of the monotonic clock."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def told(self) -> str:
        """All that it says, wherever it stands, as a reader would see it."""
        body = self.body.decode("utf-8", "replace")
        if body.startswith("{"):
            body = json.dumps(json.loads(body), ensure_ascii=False)
        return " ".join((unquote(self.path), *self.query.values(), unquote_plus(body)))


@dataclass
class Provider:
    """A server under way."""

    behaviours: list[Behaviour]
    received: list[Received] = field(default_factory=list)
    url: str = ""
    open_requests: int = 0
    """Requests that were begun and have not ended; a client that goes away ends its own."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, dict(request.query), headers, body, time.monotonic()))
        behave = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
        self.open_requests += 1
        try:
            return await behave(request)
        finally:
            self.open_requests -= 1


@contextlib.asynccontextmanager
async def provider(*behaviours: Behaviour) -> AsyncIterator[Provider]:
    """A running server, ended with all its connections at the end of the block."""
    server = Provider(list(behaviours))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        server.url = f"http://{HOST}:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def babbler(words: bytes, *, at_once: bool = False) -> AsyncIterator[str]:
    """A server that speaks no HTTP: whatever it is told (or `at_once`), it says `words` and hangs up. Yields its http:// address."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not at_once:
            await reader.read(1)
        writer.write(words)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, HOST, 0)
    try:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


def ok(body: str) -> Behaviour:
    """200 and a body."""
    return status(200, body)


def status(number: int, body: str = "", **headers: str) -> Behaviour:
    """Any status; `Retry_After="3"` becomes the header Retry-After."""

    async def behave(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=number, text=body, headers=named)

    return behave


def late(seconds: float, then: Behaviour) -> Behaviour:
    """Think for a while first."""

    async def behave(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await then(request)

    return behave


def hang() -> Behaviour:
    """Take the request and never answer."""

    async def behave(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return behave


def cut() -> Behaviour:
    """Take the request and cut the connection."""

    async def behave(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return behave


def cut_within_the_answer() -> Behaviour:
    """Promise 1,000 bytes, send ten, and cut the connection."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"errcode"')
        assert request.transport is not None
        request.transport.close()
        return response

    return behave


def huge(megabytes: int) -> Behaviour:
    """200 and a body without end, as far as the client reads."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(megabytes * 16):
            await response.write(b"x" * 65_536)
        return response

    return behave


def echo() -> Behaviour:
    """404 and everything about the request, as helpful proxies do."""

    async def behave(request: web.Request) -> web.StreamResponse:
        body = await request.text()
        words = f"no route for {request.url} ({request.raw_path}) {dict(request.headers)} {body[:2000]}"
        return web.Response(status=404, text=words)

    return behave
