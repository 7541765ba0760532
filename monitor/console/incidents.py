"""Reading incidents: the list by pages, and one with its timeline and pushes.

Knows no engine and writes nothing; moves are in `moves.py`.
"""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from monitor.console.answers_incidents import (
    EntryAnswer,
    IncidentAnswer,
    IncidentDetail,
    IncidentPage,
    NextCallAnswer,
    PushAnswer,
)
from monitor.console.context import NoQuestion, clean, context, question, reply, whole_moments
from monitor.console.problems import Problem
from monitor.console.times import Moment


class IncidentsQuestion(BaseModel):
    """Which incidents."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    open: bool = Field(default=False, description="Only those that are not closed.")
    before: Moment | None = Field(default=None, description="Only those raised before; the `next` of the page before.")
    limit: int = Field(default=100, ge=1, le=1000, description="A page grows beyond it rather than split one moment.")


async def list_incidents(request: web.Request) -> web.StreamResponse:
    """Newest first."""
    it = context(request)
    asked = question(IncidentsQuestion, request.query)
    # Taken before the list is read: a row in between is told twice rather than never.
    position = it.board.position
    rows, more = await whole_moments(
        lambda limit: it.board.ledger.incidents(open_only=asked.open, before=asked.before, limit=limit),
        lambda incident: incident.raised_at,
        asked.limit,
    )
    zones = it.board.neighbourhood.zones
    items = [IncidentAnswer.of(incident, zones) for incident in rows]
    following = rows[-1].raised_at if more else None
    return reply(IncidentPage(items=items, next=following, now=it.now(), position=position))


async def one_incident(request: web.Request) -> web.StreamResponse:
    """The incident, its timeline and its pushes, all oldest first."""
    it = context(request)
    question(NoQuestion, request.query)
    ledger = it.board.ledger
    key = request.match_info["incident"]
    position = it.board.position
    incident = await ledger.incident(key)
    if incident is None:
        raise Problem(404, f"There is no incident {clean(key)}.", kind="unknown-incident")
    timeline = [EntryAnswer.of(row) for row in await ledger.timeline(key)]
    pushes = [PushAnswer.of(row) for row in await ledger.pushes_of(key)]
    answer = IncidentAnswer.of(incident, it.board.neighbourhood.zones)
    call = it.board.next_call(key)
    following = NextCallAnswer(at=call.at, targets=list(call.targets)) if call is not None else None
    return reply(
        IncidentDetail(
            incident=answer, timeline=timeline, pushes=pushes, next_call=following, now=it.now(), position=position
        )
    )
