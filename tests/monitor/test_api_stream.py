"""The live stream: cut anywhere, resumed anywhere, every entry comes once and in order."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr
from structlog.testing import capture_logs

from monitor.console import make_app, serve
from monitor.ports import Batch, TryAgain
from tests.small_site import NOW, TOKEN, Api, Event, Yard


def notes(number: int, detail: str = "{}") -> Batch:
    return Batch(entries=[(NOW + n, "i-1", "note", detail) for n in range(number)])


async def ids_until(api: Api, last: int, goal: int, cut_after: int) -> list[int]:
    """Ids from one connection that is cut after a number of events, or when the goal has come."""
    got: list[int] = []
    async with api.stream(last) as stream:
        while len(got) < cut_after and (not got or got[-1] < goal):
            event = await stream.event()
            assert event is not None
            got.append(int(event.id))
    return got


@pytest.mark.parametrize("seed", range(6))
async def test_cut_and_resumed_at_random_every_entry_comes_once_and_in_order(seed: int) -> None:
    dice = random.Random(seed)
    goal = 400
    yard = Yard()

    async def write() -> None:
        written = 0
        while written < goal:
            # Some batches are larger than a subscriber's backlog of 5, so queue and ledger take turns.
            number = min(dice.choice((1, 2, 3, 4, 9, 30)), goal - written)
            await yard.commit(notes(number))
            written += number
            await asyncio.sleep(dice.choice((0, 0, 0.001)))

    async with yard.console() as api:
        writing = asyncio.create_task(write())
        got: list[int] = []
        while not got or got[-1] < goal:
            got += await ids_until(api, got[-1] if got else 0, goal, dice.randint(1, 60))
        await writing
    assert got == list(range(1, goal + 1))


async def test_many_readers_get_the_same_while_entries_are_written() -> None:
    yard = Yard()
    async with yard.console() as api:
        readers = [asyncio.create_task(ids_until(api, 0, 200, 1000)) for _ in range(10)]
        for _ in range(40):
            await yard.commit(notes(5))
            await asyncio.sleep(0)
        for reader in readers:
            assert await reader == list(range(1, 201))


async def test_a_long_past_is_read_page_by_page() -> None:
    yard = Yard()
    await yard.commit(notes(1234))
    async with yard.console() as api:
        assert await ids_until(api, 0, 1234, 5000) == list(range(1, 1235))


async def test_without_an_id_the_stream_begins_now() -> None:
    yard = Yard()
    await yard.commit(notes(3))
    async with yard.console() as api, api.stream() as stream:
        await yard.commit(notes(1, '{"by": "王"}'))
        event = await stream.event()
    assert event is not None
    assert (event.id, event.event) == ("4", "entry")
    assert json.loads(event.data) == {
        "id": 4,
        "at": "2026-11-22T00:00:00Z",
        "incident": "i-1",
        "step": "note",
        "detail": {"by": "王"},
    }


async def test_the_position_of_a_list_continues_in_the_stream() -> None:
    yard = Yard()
    await yard.commit(notes(3))
    async with yard.console() as api:
        position = (await api.get("/api/v1/incidents"))["position"]
        await yard.commit(notes(2))
        async with api.stream(query=f"?after={position}") as stream:
            events = [await stream.event(), await stream.event()]
    assert [event.id for event in events if event] == ["4", "5"]


async def test_last_event_id_goes_before_the_query() -> None:
    yard = Yard()
    await yard.commit(notes(3))
    async with yard.console() as api, api.stream(last=2, query="?after=0") as stream:
        event = await stream.event()
    assert event is not None
    assert event.id == "3"


async def test_a_reader_ahead_of_the_publication_is_not_reset() -> None:
    yard = Yard()
    await yard.commit(notes(2))
    await yard.ledger.commit(notes(3))
    async with yard.console() as api:
        assert await ids_until(api, 0, 5, 10) == [1, 2, 3, 4, 5]
        async with api.stream(last=5) as stream:
            await yard.commit(notes(1))
            event = await stream.event()
    assert event is not None
    assert (event.event, event.id) == ("entry", "6")


async def test_an_id_from_another_history_resets_the_reader() -> None:
    yard = Yard()
    await yard.commit(notes(3))
    async with yard.console() as api, api.stream(last=99) as stream:
        assert await stream.event() == Event("3", "reset", '{"position":3}')
        await yard.commit(notes(1))
        event = await stream.event()
    assert event is not None
    assert event.id == "4"


@pytest.mark.parametrize("last", ["-1", "x", "1.5", "", "1" * 30])
async def test_an_id_that_is_none_is_refused(last: str) -> None:
    async with Yard().console() as api:
        told = await api.get("/api/v1/stream", 400, headers={"Last-Event-ID": last})
        assert told["detail"].startswith("Last-Event-ID")
        assert (await api.get("/api/v1/stream?after=-1", 400))["detail"].startswith("after")


async def test_a_silent_stream_beats() -> None:
    async with Yard().console(heartbeat=0.01) as api, api.stream() as stream:
        assert await stream.comment() == "wanglou"
        assert await stream.comment() == "heartbeat"
        assert await stream.comment() == "heartbeat"


async def test_texts_that_utf_8_cannot_carry_do_not_stop_the_stream() -> None:
    yard = Yard()
    await yard.commit(notes(1, '{"object": "\\ud800", "line": "a\\nb\\r\\n\\n", "score": NaN}'))
    async with yard.console() as api, api.stream(last=0) as stream:
        event = await stream.event()
    assert event is not None
    assert json.loads(event.data)["detail"] == {"object": "\\ud800", "line": "a\nb\r\n\n", "score": None}


async def test_streams_are_bounded_and_a_reader_that_left_makes_room() -> None:
    yard = Yard()
    async with yard.console(max_streams=2, heartbeat=0.01) as api:
        async with api.stream(), api.stream():
            full = await api.ask("GET", "/api/v1/stream")
            assert full.status == 503
            assert full.headers["Retry-After"] == "10"
        # The next beat notices that they left.
        async with asyncio.timeout(10):
            while yard.board.subscribers:
                await asyncio.sleep(0.01)
        async with api.stream(last=0) as stream:
            assert await stream.comment() == "wanglou"


async def test_a_reader_that_reads_nothing_is_let_go_and_loses_nothing() -> None:
    yard = Yard()
    goal = 300
    for _ in range(goal // 10):
        await yard.commit(notes(10, json.dumps({"note": "x" * 50_000})))
    async with yard.console(write_timeout=0.05) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=2**16)
        writer.write(
            f"GET /api/v1/stream?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        await writer.drain()
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        async with asyncio.timeout(20):
            while yard.board.subscribers:
                await asyncio.sleep(0.02)
        writer.transport.abort()
    async with yard.console() as api:
        assert await ids_until(api, 0, goal, 1000) == list(range(1, goal + 1))


async def test_stopping_ends_the_streams_in_order() -> None:
    yard = Yard()
    app = make_app(
        yard.board, token=SecretStr(TOKEN), post=yard.post, history=None, statistics=yard.look, now=lambda: NOW
    )
    async with AsyncExitStack() as stack:
        # A stop that waited for the readers would take an hour.
        server = await stack.enter_async_context(AsyncExitStack())
        port = await server.enter_async_context(serve(app, "127.0.0.1", 0, shutdown_timeout=3600))
        session = await stack.enter_async_context(ClientSession(f"http://127.0.0.1:{port}"))
        stream = await stack.enter_async_context(Api(session, port).stream())
        await stream.comment()
        stopping = asyncio.create_task(server.aclose())
        async with asyncio.timeout(60):
            assert await stream.event() is None
            await stopping
    assert yard.board.subscribers == 0


async def test_a_ledger_that_fails_ends_the_stream_and_resuming_misses_nothing() -> None:
    yard = Yard()
    await yard.commit(notes(3))
    async with yard.console() as api:
        yard.ledger.failing = TryAgain("locked")
        with capture_logs() as logs:
            async with api.stream(last=1) as stream:
                # The end of the stream, not a broken connection, which would raise here.
                assert await stream.event() is None
        assert [log["event"] for log in logs] == ["stream failed"]
        yard.ledger.failing = None
        assert await ids_until(api, 1, 3, 10) == [2, 3]
