"""The live stream: every timeline entry once and in order, as server-sent events, from wherever a reader left off.

Knows no browser: any client that sends the last id it got as `Last-Event-ID` resumes without gap or duplicate.
"""

from __future__ import annotations

import asyncio
import re

import structlog
from aiohttp import ClientConnectionResetError, web
from pydantic import BaseModel, ConfigDict, Field

from monitor.board import Subscription
from monitor.console.answers_incidents import EntryAnswer
from monitor.console.context import CONTEXT, Context, context, json_of, question
from monitor.console.problems import Problem

_log = structlog.get_logger("wanglou.console")

_ID = re.compile(r"\d{1,18}", re.ASCII)

_RETRY_MS = 2000


class StreamQuestion(BaseModel):
    """From where."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: int | None = Field(
        default=None,
        ge=0,
        le=10**18 - 1,
        description="Id of the last entry already known; Last-Event-ID goes before it.",
    )


async def stream(request: web.Request) -> web.StreamResponse:
    """Without `after` and Last-Event-ID: from now on."""
    it = context(request)
    after = _after(request)
    if after is not None and after > it.board.position:
        # A reader that was catching up may have seen rows that are committed and not yet published.
        await it.board.refresh()
    if len(it.streams) >= it.max_streams:
        raise Problem(503, f"There are {it.max_streams} streams already.", headers={"Retry-After": "10"})
    position = it.board.position
    # An id that the ledger never gave: it was restored from a backup, and what the reader knows is of another history.
    reset = after is not None and after > position
    subscription = it.board.subscribe(position if reset else after)
    it.streams.add(subscription)
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
    )
    try:
        await response.prepare(request)
        opening = f"retry: {_RETRY_MS}\n: wanglou\n\n"
        if reset:
            opening += f'id: {position}\nevent: reset\ndata: {{"position":{position}}}\n\n'
        await _write(request, response, opening, it)
        await _feed(request, response, subscription, it)
    except (ClientConnectionResetError, TimeoutError):
        # The reader is gone, or reads nothing: either way it comes back with the last id that it got.
        if request.transport is not None:
            request.transport.abort()
    except Exception:  # noqa: BLE001 - logged whole
        # The answer has begun, so no problem details can follow; the reader resumes when we are well again.
        _log.exception("stream failed", path=request.path)
    finally:
        subscription.close()
        it.streams.discard(subscription)
    return response


async def end_streams(app: web.Application) -> None:
    """Let every stream end by itself: an aiohttp `on_shutdown` signal, so that stopping does not wait for readers."""
    for subscription in tuple(app[CONTEXT].streams):
        subscription.close()


async def _feed(request: web.Request, response: web.StreamResponse, subscription: Subscription, it: Context) -> None:
    """Entries as they come, a comment where none come, until the subscription is closed."""
    while True:
        try:
            async with asyncio.timeout(it.heartbeat):
                rows = await subscription.batch()
        except TimeoutError:
            await _write(request, response, ": heartbeat\n\n", it)
            continue
        if not rows:
            return
        events = [f"id: {row.id}\nevent: entry\ndata: {json_of(EntryAnswer.of(row))}\n\n" for row in rows]
        await _write(request, response, "".join(events), it)


async def _write(request: web.Request, response: web.StreamResponse, text: str, it: Context) -> None:
    async with asyncio.timeout(it.write_timeout):
        await response.write(text.encode())


def _after(request: web.Request) -> int | None:
    """Where to begin. An EventSource repeats its first URL when it reconnects, so its header is the newer word."""
    asked = question(StreamQuestion, request.query)
    header = request.headers.get("Last-Event-ID")
    if header is None:
        return asked.after
    if not _ID.fullmatch(header):
        raise Problem(400, "Last-Event-ID: not an id of this stream")
    return int(header)
