"""Who may ask, and how every error looks: problem details, no traceback, no secret, whatever is sent."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import re

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from monitor.ports import Batch
from tests.small_site import NOW, TOKEN, Api, Reply, Yard, incident

MOVE = "/api/v1/incidents/i-1/acknowledge"


def is_problem(reply: Reply) -> bool:
    """RFC 9457: the content type, and members that agree with the answer."""
    document = reply.json()
    return (
        reply.headers["Content-Type"].startswith("application/problem+json")
        and document["status"] == reply.status
        and document["type"].startswith("urn:wanglou:problem:")
        and all(document[member] for member in ("title", "detail"))
    )


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer 令牌",
        f"Bearer {TOKEN} {TOKEN}",
    ],
)
async def test_without_the_token_nothing_is_told(header: str | None) -> None:
    async with Yard().console() as api:
        for path in ("/api/v1/incidents", "/metrics", "/api/v1/openapi.json", "/nothing-here"):
            headers = {"Authorization": header} if header is not None else {}
            reply = await api.ask("GET", path, token=None, headers=headers, checked=False)
            assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Bearer realm="wanglou"')
            assert is_problem(reply)
            assert TOKEN not in reply.body.decode()


async def test_the_scheme_is_not_case_sensitive() -> None:
    async with Yard().console() as api:
        await api.get("/api/v1/zones", token=None, headers={"Authorization": f"bearer  {TOKEN}"})


async def test_a_token_in_the_address_is_not_a_token() -> None:
    async with Yard().console() as api:
        await api.get(f"/api/v1/stream?access_token={TOKEN}", 401, token=None)


async def test_an_empty_token_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="token"):
        async with Yard().console(token=SecretStr("")):
            pass


async def test_security_headers_stand_on_answers_errors_and_streams() -> None:
    async with Yard().console() as api:
        replies = [
            (await api.ask("GET", "/api/v1/zones")).headers,
            (await api.ask("GET", "/nothing", checked=False)).headers,
            (await api.ask("GET", "/healthz", token=None)).headers,
        ]
        async with api.stream() as stream:
            replies.append(stream.response.headers)
    for headers in replies:
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Server"] == "wanglou"
        assert "Access-Control-Allow-Origin" not in headers


async def test_unknown_paths_and_methods_are_problems() -> None:
    async with Yard().console() as api:
        nothing = await api.ask("GET", "/api/v2/incidents", checked=False)
        wrong = await api.ask("DELETE", "/api/v1/incidents", checked=False)
    assert (nothing.status, wrong.status) == (404, 405)
    assert wrong.headers["Allow"] == "GET, HEAD"
    assert is_problem(nothing)
    assert is_problem(wrong)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://[", "file://"])
async def test_another_site_changes_nothing(origin: str) -> None:
    yard = Yard()
    await yard.commit(Batch(incidents={"i-1": incident("i-1")}))
    async with yard.console() as api:
        await api.post(MOVE, {"by": "Li"}, 403, headers={"Origin": origin})
        assert yard.moves == []
        await api.get("/api/v1/zones", headers={"Origin": origin})
        await api.post(MOVE, {"by": "Li"}, headers={"Origin": f"http://127.0.0.1:{api.port}"})


@pytest.mark.parametrize(
    "path",
    [
        "/a/../api/v1/incidents", "/a/%2e%2e/api/v1/incidents", "/r/..%2fapi/v1/incidents", "/api/v1/reply/../incidents",
        "/api/v1/reply/..%2fincidents", "/%61/../api/v1/incidents", "/a//api/v1/incidents", "//a/x", "/a/", "/api/v1/reply/",
    ],
)  # fmt: skip
async def test_what_is_open_opens_nothing_beside_it(path: str) -> None:
    async with Yard().console() as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        for target in (path, f"http://127.0.0.1:{api.port}{path}"):
            writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{api.port}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            status, length = int(head.split()[1]), int(re.findall(r"(?i)content-length: (\d+)", head)[0])
            assert status in (401, 404, 405), head
            assert b'"items"' not in await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()


async def test_only_the_named_hosts_are_served() -> None:
    async with Yard().console(hosts={"watch.example", "127.0.0.1", "::1"}) as api:
        for host in ("watch.example", "Watch.Example:8119", "[::1]:8119"):
            await api.get("/api/v1/zones", headers={"Host": host})
        for host in ("evil.example", "evil.example:8119", "[::2]"):
            await api.get("/api/v1/zones", 421, headers={"Host": host})
            await api.get("/healthz", 421, headers={"Host": host}, token=None)


async def test_a_body_has_a_bound() -> None:
    yard = Yard()
    async with yard.console() as api:
        large = json.dumps({"by": "Li", "note": "x" * 70_000}).encode()
        reply = await api.ask("POST", MOVE, data=large, headers={"Content-Type": "application/json"})
        assert reply.status == 413
        assert is_problem(reply)

        async def chunks() -> object:
            for _ in range(100):
                yield b" " * 1024

        reply = await api.ask("POST", MOVE, data=chunks(), headers={"Content-Type": "application/json"})
        assert reply.status == 413
    assert yard.moves == []


async def test_a_body_that_is_compressed_wrongly_or_far_too_well_is_refused() -> None:
    yard = Yard()
    await yard.commit(Batch(incidents={"i-1": incident("i-1")}))
    bomb = gzip.compress(b" " * 20_000_000)
    async with yard.console() as api:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        for data, status in ((b"abcde", 400), (bomb, 413), (gzip.compress(b'{"by":"Li"}'), 200)):
            reply = await api.ask("POST", MOVE, data=data, headers=headers)
            assert reply.status == status
    assert [move[2] for move in yard.moves] == ["Li"]


async def test_expectations() -> None:
    yard = Yard()
    await yard.commit(Batch(incidents={"i-1": incident("i-1")}))
    async with yard.console() as api:
        await api.post(MOVE, {"by": "Li"}, expect100=True)
        reply = await api.ask("POST", MOVE, json={"by": "Li"}, headers={"Expect": "miracles"}, checked=False)
        assert reply.status == 417
        assert is_problem(reply)
    assert len(yard.moves) == 1


async def test_only_json_is_taken() -> None:
    async with Yard().console() as api:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/octet-stream"):
            reply = await api.ask("POST", MOVE, data=b'{"by":"Li"}', headers={"Content-Type": kind})
            assert reply.status == 415
            assert is_problem(reply)


async def test_an_unexpected_error_is_logged_and_tells_only_its_number() -> None:
    yard = Yard(broken=RuntimeError("password=hunter2"))
    async with yard.console() as api:
        with capture_logs() as logs:
            reply = await api.ask("GET", "/api/v1/account", checked=False)
        assert reply.status == 500
        assert is_problem(reply)
        assert "hunter2" not in reply.body.decode()
        (log,) = logs
        assert (log["event"], log["log_level"], log["instance"]) == (
            "request failed",
            "error",
            reply.json()["instance"],
        )
        assert TOKEN not in str(log)
        yard.broken = None
        await api.get("/api/v1/account")


async def fuzz(api: Api, dice: random.Random) -> Reply:
    """One request with a body that nobody would send."""
    pieces = (
        b"{",
        b"}",
        b"[",
        b'"',
        b'"by"',
        b":",
        b",",
        b"null",
        b"\x00",
        b"\xff",
        b"\\ud800",
        b"1e999",
        b"NaN",
        b" ",
    )
    body = b"".join(dice.choices(pieces, k=dice.randint(0, 30)))
    path = dice.choice(
        (MOVE, "/api/v1/incidents/i-1/close", "/api/v1/incidents/%FF%00/notes", "/api/v1/incidents/%2F/reset")
    )
    return await api.ask("POST", path, data=body, headers={"Content-Type": "application/json"}, checked=False)


async def test_malformed_bodies_are_refused_as_problems() -> None:
    yard = Yard()
    await yard.commit(Batch(incidents={"i-1": incident("i-1")}))
    dice = random.Random(7)
    deep = b'{"by":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    async with yard.console() as api:
        for _ in range(300):
            reply = await fuzz(api, dice)
            assert reply.status in {400, 404, 422}, reply.body
            assert is_problem(reply)
        reply = await api.ask("POST", MOVE, data=deep, headers={"Content-Type": "application/json"})
        assert reply.status in {400, 422}
        for text in ('{"by":"\\ud800"}', '{"by":"a\\u0000b"}', '{"by":"x","by":7}'):
            reply = await api.ask("POST", MOVE, data=text.encode(), headers={"Content-Type": "application/json"})
            assert reply.status in {400, 422}, text
            assert is_problem(reply)
    assert yard.moves == []


async def test_malformed_questions_are_refused_as_problems() -> None:
    paths = (
        "/api/v1/incidents?limit=" + "9" * 5000,
        "/api/v1/incidents?open=perhaps",
        "/api/v1/incidents?before=%FF%FE",
        "/api/v1/incidents?before=2026-11-22T00:00:60Z",
        "/api/v1/devices?limit=1e3",
        "/api/v1/devices?%00=1",
        "/api/v1/zones?anything=1",
        "/api/v1/stream?after=99999999999999999999",
        "/api/v1/quarantine?limit=1001",
        "/api/v1/readings?device=%ED%A0%80&quantity=smoke&from=%00",
    )
    async with Yard().console() as api:
        for path in paths:
            reply = await api.ask("GET", path, checked=False)
            assert reply.status == 400, (path, reply.body)
            assert is_problem(reply)


async def test_bytes_that_are_not_http_leave_the_console_well() -> None:
    dice = random.Random(11)
    async with Yard().console() as api:
        for raw in (
            b"\x16\x03\x01\x02\x00",
            b"GET / HTTP/9.9\r\n\r\n",
            b"\r\n" * 50,
            dice.randbytes(4096),
            b"GET /" + b"a" * 20_000,
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
            writer.write(raw + b"\r\n\r\n")
            writer.write_eof()
            told = await reader.read()
            assert b"Traceback" not in told
            assert not told.startswith(b"HTTP/1.1 2")
            writer.close()
            await writer.wait_closed()
        assert await api.get("/healthz", token=None) == {"status": "alive"}


async def test_a_client_that_leaves_in_the_middle_of_a_body_harms_nobody() -> None:
    yard = Yard()
    await yard.commit(Batch(incidents={"i-1": incident("i-1", NOW)}))
    async with yard.console() as api:
        _, writer = await asyncio.open_connection("127.0.0.1", api.port)
        head = f"POST {MOVE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
        writer.write(f'{head}Content-Length: 100\r\n\r\n{{"by":'.encode())
        await writer.drain()
        writer.transport.abort()
        await api.post(MOVE, {"by": "Li"})
    assert [move[2] for move in yard.moves] == ["Li"]
