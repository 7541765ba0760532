"""Measures that people take: shelved, in test, works permit, impaired; what is in force, taking one, and ending it early.

Knows no engine: an order goes into the inbox through `Context.submit`; what is kept of measures is read from the ledger.
"""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from monitor.console.answers_measures import SuppressionAnswer, SuppressionList
from monitor.console.asking import submitted
from monitor.console.context import body, clean, context, question, reply
from monitor.console.moves import Note, Person
from monitor.console.problems import Problem
from monitor.console.times import Moment
from rules.model import Measure, Restore, Suppress, SuppressionChanged

MOST = 10_000
"""Measures that are looked through for one that has ended."""


class SuppressionsQuestion(BaseModel):
    """Which measures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    open: bool = Field(default=True, description="Only those in force.")
    limit: int = Field(default=1000, ge=1, le=MOST)


class SuppressBody(BaseModel):
    """What is done, to what, by whom, why, until when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measure: Measure
    subject: str = Field(min_length=1, max_length=200, description="Key of a device or zone.")
    by: Person = Field(description="Name or role of the person.")
    why: Annotated[Note, StringConstraints(min_length=1)]
    until: Moment = Field(description="It ends by itself then.")
    rule: str = Field(default="", max_length=100, description="Narrows `shelved` to one rule.")
    compensation: Note = Field(default="", description="What is done instead; `works` and `impaired` need it.")


class RestoreBody(BaseModel):
    """Who ends it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Person = Field(description="Name or role of the person.")
    note: Note = ""


async def list_suppressions(request: web.Request) -> web.StreamResponse:
    """Newest first."""
    asked = question(SuppressionsQuestion, request.query)
    found = await context(request).board.ledger.suppressions(open_only=asked.open, limit=asked.limit)
    return reply(SuppressionList(items=[SuppressionAnswer.model_validate(s) for s in found]))


async def suppress(request: web.Request) -> web.StreamResponse:
    """200 with the measure as it is in force, or 409 with the reason why it is not allowed."""
    wish = await body(SuppressBody, request)
    order = Suppress(0, wish.measure, wish.subject, wish.by, wish.why, wish.until, wish.rule, wish.compensation)
    return await _changed(request, order)


async def restore(request: web.Request) -> web.StreamResponse:
    """200 with the measure as it ended, 404, or 409 when it has ended already."""
    wish = await body(RestoreBody, request)
    key = request.match_info["suppression"]
    known = await context(request).board.ledger.suppressions(limit=MOST)
    if not any(s.id == key for s in known):
        raise Problem(404, f"There is no measure {clean(key)}.", kind="unknown-suppression")
    return await _changed(request, Restore(0, key, wish.by, wish.note))


async def _changed(request: web.Request, order: Suppress | Restore) -> web.StreamResponse:
    for effect in await submitted(request, order):
        if isinstance(effect, SuppressionChanged):
            return reply(SuppressionAnswer.model_validate(effect.suppression))
    raise Problem(409, "Nothing has changed.")
