"""What the InfluxDB adapter makes of every answer a server, or a proxy before it, may give; and what it sends.

The server is a script: it knows no database, only what it is told to answer.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Literal

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from monitor.adapters.influx import InfluxHistory
from monitor.ports import NeverWill, Point, PortError, TryAgain

TOKEN = "t0ken-of-the-river"
PASSWORD = "pa55-of-the-river"
POINTS = [
    Point("river/s-1", "smoke", "river/b1", 1_700_000_000_000_000_001, {"smoke_density": 0.31, "alarm": True}),
    Point("river/s 2", "smoke", "", 1_700_000_000_000_000_002, {"label": 'a "b"\\', "temperature": -2.0}),
]
LINES = (
    "smoke,device=river/s-1,site=river,zone=b1 smoke_density=0.31,alarm=1.0 1700000000000000001\n"
    'smoke,device=river/s\\ 2 label="a \\"b\\"\\\\",temperature=-2.0 1700000000000000002'
)
Api = Literal["v1", "v2"]


class Script:
    """Answers `status`, `text` and `headers` to all but /query, and remembers each request."""

    def __init__(self) -> None:
        self.status, self.text, self.headers = 204, "", dict[str, str]()
        self.query = "{}"
        self.seen: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.hang = asyncio.Event()
        self.hang.set()

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        self.bodies.append(await request.read())
        await self.hang.wait()
        if request.path == "/query":
            return web.Response(text=self.query)
        if request.path == "/ping":
            return web.Response(status=204)
        return web.Response(status=self.status, text=self.text or None, headers=self.headers)


@pytest.fixture
async def script() -> Script:
    return Script()


@pytest.fixture
async def server(script: Script) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.answer)
    server = TestServer(app)
    await server.start_server()
    yield server
    script.hang.set()
    await server.close()


@pytest.fixture(params=["v1", "v2"])
async def history(request: pytest.FixtureRequest, server: TestServer) -> AsyncIterator[InfluxHistory]:
    made = adapter(server, request.param)
    yield made
    await made.aclose()


def adapter(server: TestServer, api: Api, *, timeout: float = 5) -> InfluxHistory:
    url = str(server.make_url("/"))
    if api == "v1":
        return InfluxHistory(url, database="d b", api="v1", username="fire", password=PASSWORD, timeout=timeout)
    return InfluxHistory(url, database="d b", org="the river", token=TOKEN, timeout=timeout)


async def failure(history: InfluxHistory, points: list[Point] | None = None) -> PortError:
    with pytest.raises(PortError) as caught:
        await history.write(points or POINTS)
    return caught.value


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_refused_message_will_never_do(history: InfluxHistory, script: Script, status: int) -> None:
    script.status, script.text = status, '{"error":"partial write: field type conflict"}'
    error = await failure(history)
    assert isinstance(error, NeverWill)
    assert "field type conflict" in str(error)


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (301, "API version"),
        (401, "token"),
        (403, "grant"),
        (404, "create"),
        (405, "API version"),
        (408, "408"),
        (429, "fewer"),
        (500, "500"),
        (502, "502"),
        (503, "503"),
    ],
)
async def test_all_else_is_try_again_with_its_remedy(
    history: InfluxHistory, script: Script, status: int, remedy: str
) -> None:
    script.status, script.text = status, "because"
    error = await failure(history)
    assert isinstance(error, TryAgain)
    assert error.after is None
    assert remedy in str(error)
    assert "because" in str(error)


@pytest.mark.parametrize("status", [429, 503])
async def test_the_wish_to_wait_is_handed_on(history: InfluxHistory, script: Script, status: int) -> None:
    script.status, script.headers = status, {"Retry-After": "17"}
    error = await failure(history)
    assert isinstance(error, TryAgain)
    assert error.after == 17


async def test_a_date_to_wait_for_is_left_to_back_off(history: InfluxHistory, script: Script) -> None:
    script.status, script.headers = 503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    error = await failure(history)
    assert isinstance(error, TryAgain)
    assert error.after is None


async def test_what_is_older_than_the_retention_counts_as_done(history: InfluxHistory, script: Script) -> None:
    script.status, script.text = 400, '{"error":"partial write: points beyond retention policy dropped=1"}'
    await history.write(POINTS)
    assert history.expired == 1


@pytest.mark.parametrize("limit", ["max-series-per-database limit exceeded", "max-values-per-tag limit exceeded"])
async def test_a_full_database_is_the_operators_not_the_points_fault(
    history: InfluxHistory, script: Script, limit: str
) -> None:
    script.status, script.text = 400, f'{{"error":"partial write: {limit}: (1000000) dropped=1"}}'
    error = await failure(history)
    assert isinstance(error, TryAgain)
    assert "raise this limit" in str(error)


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_a_server_that_repeats_our_secrets_does_not_spread_them(
    history: InfluxHistory, script: Script, status: int
) -> None:
    secret = TOKEN if "v2" in repr(history) else PASSWORD
    script.status, script.text = status, f"who is {secret}?"
    told = str(await failure(history)) + repr(history)
    assert secret not in told
    assert "who is ***?" in told


async def test_a_server_that_does_not_answer_is_left_after_the_time_out(server: TestServer, script: Script) -> None:
    script.hang.clear()
    for api in ("v1", "v2"):
        history = adapter(server, "v1" if api == "v1" else "v2", timeout=0.05)
        try:
            error = await failure(history)
            assert isinstance(error, TryAgain)
            assert "0.05 s" in str(error)
        finally:
            await history.aclose()


async def test_what_is_sent_to_the_newer_api(server: TestServer, script: Script) -> None:
    history = adapter(server, "v2")
    await history.write(POINTS)
    await history.aclose()
    (request,) = script.seen
    assert (request.method, request.path) == ("POST", "/api/v2/write")
    assert dict(request.query) == {"org": "the river", "bucket": "d b", "precision": "ns"}
    assert request.headers["Authorization"] == f"Token {TOKEN}"
    assert request.headers["Content-Encoding"] == "gzip"
    assert sent(script) == LINES


async def test_what_is_sent_to_the_older_api(server: TestServer, script: Script) -> None:
    history = adapter(server, "v1")
    await history.write(POINTS)
    await history.aclose()
    (request,) = script.seen
    assert (request.method, request.path) == ("POST", "/write")
    assert dict(request.query) == {"db": "d b", "precision": "ns"}
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(f"fire:{PASSWORD}".encode()).decode()
    assert sent(script) == LINES


async def test_a_long_batch_is_one_request_with_every_line(server: TestServer, script: Script) -> None:
    history = adapter(server, "v2")
    await history.write([Point("r/s", "smoke", "r/b", n, {"x": float(n)}) for n in range(1234)])
    await history.aclose()
    assert len(script.seen) == 1
    assert [line.rpartition(" ")[2] for line in sent(script).split("\n")] == [str(n) for n in range(1234)]


async def test_nothing_to_say_is_not_sent(history: InfluxHistory, script: Script) -> None:
    await history.write([])
    await history.write([Point("river/s-1", "smoke", "river/b1", 1, {})])
    assert script.seen == []


async def test_an_older_server_without_the_database_is_given_one(server: TestServer, script: Script) -> None:
    history = adapter(server, "v1")
    script.status, script.text = 404, '{"error":"database not found"}'
    error = await failure(history)
    await history.aclose()
    assert [request.path for request in script.seen] == ["/write", "/query", "/write"]
    assert script.seen[1].query["q"] == 'CREATE DATABASE "d b"'
    assert isinstance(error, TryAgain)


async def test_check_is_content_with_a_server_that_wants_points(history: InfluxHistory, script: Script) -> None:
    script.status, script.text = 400, '{"code":"invalid","message":"writing requires points"}'
    assert "writable" in await history.check()


async def test_check_tells_of_a_wrong_token(history: InfluxHistory, script: Script) -> None:
    script.status = 401
    with pytest.raises(TryAgain, match="check the user and password, or the token"):
        await history.check()


async def test_an_error_inside_a_good_answer_is_an_error(history: InfluxHistory, script: Script) -> None:
    script.query = '{"results":[{"statement_id":0,"error":"database not found: d b"}]}'
    with pytest.raises(TryAgain, match="database not found"):
        await history.read("river/s-1", "smoke", "smoke_density", 0, 1, 1)


@pytest.mark.parametrize("text", ["<html>Please log in</html>", "", "[]", '"ok"'])
async def test_an_answer_that_is_no_json_object_is_not_the_database(
    history: InfluxHistory, script: Script, text: str
) -> None:
    script.query = text
    with pytest.raises(TryAgain, match="is this the database's address"):
        await history.read("river/s-1", "smoke", "smoke_density", 0, 1, 1)


@pytest.mark.parametrize("api", ["v1", "v2"])
async def test_a_certificate_file_that_is_missing_is_told(api: Api) -> None:
    history = InfluxHistory("https://127.0.0.1:1", database="d", api=api, token=TOKEN, ca_file="/nowhere/ca.pem")
    error = await failure(history)
    await history.aclose()
    assert isinstance(error, TryAgain)
    assert "No such file" in str(error)


@pytest.mark.parametrize("url", ["localhost:8086", "ftp://h", "http://", "http://user:pass@localhost:8086"])
def test_a_url_that_is_none_or_holds_a_password_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL must") as caught:
        InfluxHistory(url, database="d")
    assert "pass@" not in str(caught.value)


def sent(script: Script) -> str:
    """The lines of the last request; aiohttp's server unpacks a body that says it is packed."""
    return script.bodies[-1].decode()
