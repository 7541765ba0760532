"""What every handler of the console may use, and how it reads a question and writes an answer.

Knows no route. It is the one value that the app hands to the console, so nothing is global.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web
from multidict import MultiMapping
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError

from monitor.board import Board, Post, RuleDesk, Submit, Subscription
from monitor.console.metrics import Statistics
from monitor.console.problems import Problem, invalid
from monitor.drilling import Inject
from monitor.ports import History
from monitor.push_subscriptions import PushDesk
from rules.model import Micros

BODY_LIMIT = 64 * 1024
"""Bytes of a request body; a note has at most 2,000 characters."""

Model = TypeVar("Model", bound=BaseModel)
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Context:
    """The console's surroundings. Times in seconds."""

    board: Board
    post: Post
    history: History | None
    statistics: Callable[[], Statistics]
    now: Callable[[], Micros]
    desk: RuleDesk | None = None
    webpush: PushDesk | None = None
    submit: Submit | None = None
    inject: Inject | None = None
    heartbeat: float = 5.0
    """Pause after which a silent stream sends a comment."""
    write_timeout: float = 30.0
    """How long a stream waits for a client that does not read."""
    move_timeout: float = 10.0
    """How long a move may take before its outcome is called unknown."""
    max_streams: int = 100
    streams: set[Subscription] = field(default_factory=set)
    """Open live streams, at most `max_streams`."""
    drilling: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Drills are begun one after the other."""
    reporting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Reports that are made at once; the others wait."""


CONTEXT = web.AppKey("context", Context)


class NoQuestion(BaseModel):
    """Nothing may be asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def context(request: web.Request) -> Context:
    """The surroundings of this request."""
    return request.config_dict[CONTEXT]


def reply(answer: BaseModel, status: int = 200) -> web.Response:
    """The answer as JSON."""
    return web.Response(body=json_of(answer).encode(), status=status, content_type="application/json")


def json_of(answer: BaseModel) -> str:
    """JSON on one line, whatever a device put into its texts: one odd character must not stop a stream for good."""
    try:
        return answer.model_dump_json()
    except PydanticSerializationError:
        return json.dumps(_carried(answer.model_dump(mode="json")), ensure_ascii=False)


def question(model: type[Model], query: MultiMapping[str]) -> Model:
    """The query string, checked. Raises Problem 400 for an unknown, repeated or wrong parameter."""
    given: dict[str, str] = {}
    for name, value in query.items():
        if name in given:
            raise Problem(400, f"{clean(name)}: this parameter stands twice")
        given[name] = value
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid(error) from None


async def body(model: type[Model], request: web.Request) -> Model:
    """The JSON body, checked. Raises Problem 400 (not JSON), 413, 415 or 422 (JSON of another shape)."""
    if request.content_type != "application/json":
        raise Problem(415, "Send Content-Type: application/json.")
    try:
        raw = await request.read()
    except (ConnectionError, web.RequestPayloadError):
        # Where the next request would begin on this connection is unknown now.
        detail = "The body ended early, or is not encoded as its headers say."
        raise Problem(400, detail, headers={"Connection": "close"}) from None
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        not_json = any(e["type"] == "json_invalid" for e in error.errors(include_url=False))
        raise invalid(error, 400 if not_json else 422) from None


def clean(text: str) -> str:
    """Text that came from outside, without the lone surrogates that JSON in UTF-8 cannot carry."""
    return text.encode("utf-8", "backslashreplace").decode()


def _carried(value: object) -> object:
    """The same plain value, made of what JSON in UTF-8 can carry."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): _carried(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_carried(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


async def whole_moments(
    fetch: Callable[[int], Awaitable[Sequence[Row]]], moment: Callable[[Row], Micros], limit: int
) -> tuple[list[Row], bool]:
    """A page that never splits rows of one moment, and whether more follow.

    The ports page by time alone, so a page that ended between two rows of one microsecond would lose the second; such a
    page grows beyond `limit` instead.
    """
    ask = limit + 1
    while True:
        rows = list(await fetch(ask))
        if len(rows) < ask:
            return rows, False
        end = len(rows) - 1
        while end and moment(rows[end]) == moment(rows[end - 1]):
            end -= 1
        if end:
            return rows[:end], True
        ask *= 2
        # One moment fills the page: let the ledger's thread have its turn before asking for twice as much.
        await asyncio.sleep(0)
