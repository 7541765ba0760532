"""Stations, who is on duty there, and swaps of shifts.

Knows no engine: a swap goes into the inbox through `Context.submit`, the swaps in force come from the board.
"""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from monitor.console.answers_duty import StationAnswer, StationList
from monitor.console.asking import submitted
from monitor.console.context import NoQuestion, body, clean, context, question, reply
from monitor.console.moves import Person
from monitor.console.problems import Problem
from monitor.console.times import Moment
from rules.model import Station, Swap
from rules.people import Plan


class SwapBody(BaseModel):
    """Who stands in for whom, and when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    leaves: str = Field(min_length=1, max_length=64, description="Key of the person who is away.")
    takes: str = Field(min_length=1, max_length=64, description="Key of the person who stands in.")
    since: Moment
    until: Moment
    by: Person = Field(description="Name or role of the person who writes it down.")


async def list_stations(request: web.Request) -> web.StreamResponse:
    """In the order of the site file, those above last."""
    question(NoQuestion, request.query)
    places = context(request).board.neighbourhood
    plan = places.plan or Plan()
    stations = [_answer(request, station, authority=False) for station in places.stations]
    above = [_answer(request, station, authority=True) for station in plan.authorities]
    return reply(StationList(items=[*stations, *above], channels=dict(plan.channels)))


async def swap(request: web.Request) -> web.StreamResponse:
    """200 with the station as it stands then, 404, or 409 with the reason."""
    wish = await body(SwapBody, request)
    key = request.match_info["station"]
    station = next((s for s in context(request).board.neighbourhood.stations if s.key == key), None)
    if station is None:
        raise Problem(404, f"There is no station {clean(key)}.", kind="unknown-station")
    await submitted(request, Swap(0, key, wish.leaves, wish.takes, wish.since, wish.until, wish.by))
    return reply(_answer(request, station, authority=False))


def _answer(request: web.Request, station: Station, *, authority: bool) -> StationAnswer:
    it = context(request)
    plan = it.board.neighbourhood.plan or Plan()
    return StationAnswer.of(station, plan, it.now(), it.board.swaps(), authority=authority)
