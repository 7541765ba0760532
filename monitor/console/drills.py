"""Drills: announcing one and making up what a detector would say in a fire, its score, and its end.

Knows neither engine nor broker: the measure goes into the inbox through `Context.submit`, the made-up message to the sensor's own topic
through `Context.inject`, so that broker, intake, decoding and rules are exercised like people are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, StringConstraints

from monitor.board import Subscription
from monitor.console.answers_drills import DrillAnswer, DrillList, DrillScore
from monitor.console.asking import submitted
from monitor.console.context import Context, body, clean, context, json_of, question, reply
from monitor.console.moves import Note, Person
from monitor.console.problems import Problem
from monitor.console.reports import told
from monitor.drilling import Inject, made_up, usual
from monitor.ports import PortError
from monitor.reports.drill import MOST, Score, drill
from monitor.reports.drill_page import drill_page
from rules.model import MINUTE, Device, Kind, Measure, Restore, Suppress, Suppression, SuppressionChanged, Value
from rules.quantities import QuantityError, read

MEDIA = ("application/json", "text/html")
MOST_OPEN = 100_000
"""Open incidents that are looked through for a fire."""
ARRIVES_WITHIN = 5.0
"""Seconds that the answer waits for the alarm; the score goes on without it."""
NOBODY = "望楼 Wanglou"
"""Who takes a drill back that could not be begun."""


class DrillBody(BaseModel):
    """At which detector, by whom, why, and for how long at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str = Field(min_length=1, max_length=200, description="Key of the device that shall speak.")
    values: dict[str, StrictBool | float | StrictStr] | None = Field(
        default=None,
        min_length=1,
        max_length=50,
        description="What it shall say; by default what its kind says in a fire.",
    )
    by: Person = Field(description="Name or role of the person.")
    why: Annotated[Note, StringConstraints(min_length=1)]
    minutes: int = Field(default=30, ge=1, le=240, description="The drill ends by itself then.")


class DrillEndBody(BaseModel):
    """Who ends it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Person = Field(description="Name or role of the person.")
    note: Note = ""


class DrillsQuestion(BaseModel):
    """How many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=100, ge=1, le=1000)


class DrillQuestion(BaseModel):
    """How the score is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["json", "html"] | None = Field(default=None, description="Goes before the header Accept.")


async def list_drills(request: web.Request) -> web.StreamResponse:
    """Newest first."""
    asked = question(DrillsQuestion, request.query)
    measures = await context(request).board.ledger.suppressions(limit=MOST)
    drills = [m for m in measures if m.measure is Measure.DRILL][: asked.limit]
    return reply(DrillList(items=[DrillAnswer.model_validate(m) for m in drills]))


async def one_drill(request: web.Request) -> web.StreamResponse:
    """The score, as far as it has come."""
    asked = question(DrillQuestion, request.query)
    it, found = context(request), await _score(request)
    ways: Mapping[str, Callable[[], str | bytes]] = {
        "application/json": lambda: json_of(DrillScore.of(found)),
        "text/html": lambda: drill_page(found, it.board.neighbourhood),
    }
    return await told(request, asked.format, ways, f"drill-{found.drill.id}")


async def start(request: web.Request) -> web.StreamResponse:
    """Announce it, make up the reading, and wait a little for the alarm."""
    it, wish = context(request), await body(DrillBody, request)
    inject = it.inject
    if inject is None or any(trouble.source.partition("/")[0] == "feed" for trouble in it.board.unready()):
        raise Problem(503, "与消息服务器的连接中断，不能演习。Not connected to the broker: no drill now.")
    device = it.board.device(wish.device)
    if device is None:
        raise Problem(404, f"There is no device {clean(wish.device)}.", kind="unknown-device")
    values = _values(it, device, wish.values)
    async with it.drilling:
        await _refuse_drill(it, device)
        await _refuse_fire(it, device)
        until = it.now() + wish.minutes * MINUTE
        measure = await _changed(request, Suppress(0, Measure.DRILL, device.key, wish.by, wish.why, until))
        news = it.board.subscribe()
        try:
            await _begin(it, inject, device, values, measure)
        except (PortError, Problem, TimeoutError) as error:
            await _take_back(request, measure)
            if isinstance(error, Problem):
                raise
            why = str(error) if isinstance(error, PortError) else "no answer in time"
            raise Problem(
                503, f"消息服务器未收到模拟信号，演习已撤销。The broker did not take the reading: {why}."
            ) from None
        else:
            await _alarm(news, measure)
        finally:
            news.close()
    return reply(DrillScore.of(await _score(request, measure.id)))


async def end(request: web.Request) -> web.StreamResponse:
    """200 with the score as it ended, 404, or 409 when it has ended already."""
    wish = await body(DrillEndBody, request)
    found = await _score(request)
    await _changed(request, Restore(0, found.drill.id, wish.by, wish.note))
    return reply(DrillScore.of(await _score(request)))


async def _score(request: web.Request, key: str = "") -> Score:
    it, key = context(request), key or request.match_info["drill"]
    found = await drill(it.board.ledger, key, it.board.neighbourhood, it.now())
    if found is None:
        raise Problem(404, f"There is no drill {clean(key)}.", kind="unknown-drill")
    return found


def _values(it: Context, device: Device, wished: Mapping[str, Value] | None) -> Mapping[str, Value]:
    if wished is not None:
        try:
            return {name: read(name, value) for name, value in wished.items()}
        except QuantityError as error:
            raise Problem(422, f"values: {error}") from None
    found = usual(device.kind, it.board.rules())
    if found is None:
        raise Problem(
            422,
            f"请写明 values：没有规则能凭一个常用读数判定 {device.kind} 起火。"
            f"Say in values what {clean(device.key)} shall say: no rule takes a usual value of a {device.kind} for a fire.",
        )
    return found


async def _refuse_drill(it: Context, device: Device) -> None:
    for measure in await it.board.ledger.suppressions(open_only=True, limit=MOST):
        there = it.board.device(measure.subject)
        zone = there.zone if there is not None else measure.subject
        if measure.measure is Measure.DRILL and zone == device.zone:
            raise Problem(
                409, f"该区域正在演习（{measure.id}）。A drill runs in this zone: {measure.id}.", kind="drill-refused"
            )


async def _refuse_fire(it: Context, device: Device) -> None:
    for incident in await it.board.ledger.incidents(open_only=True, limit=MOST_OPEN):
        if incident.kind is Kind.FIRE and incident.zone == device.zone and not incident.exercise:
            raise Problem(
                409, f"该区域有未结案的火警（{incident.id}），不能演习。A fire is open in this zone: {incident.id}.",
                kind="drill-refused",
            )  # fmt: skip


async def _begin(
    it: Context, inject: Inject, device: Device, values: Mapping[str, Value], measure: Suppression
) -> None:
    """Raises Problem 409 for a fire that was raised meanwhile, PortError, TimeoutError."""
    await _refuse_fire(it, device)
    async with asyncio.timeout(it.move_timeout):
        await inject(made_up(device.key, values, measure.id, it.now()))


async def _take_back(request: web.Request, measure: Suppression) -> None:
    try:
        await _changed(request, Restore(0, measure.id, NOBODY, "it could not be begun"))
    except Problem as problem:
        if problem.status != 409:  # a fire has ended it already
            raise


async def _alarm(news: Subscription, measure: Suppression) -> None:
    """Until the timeline tells of the drill's alarm, or it is not worth waiting for."""
    try:
        async with asyncio.timeout(ARRIVES_WITHIN):
            while rows := await news.batch():
                if any(row.detail.get("exercise") == measure.id for row in rows):
                    return
    except TimeoutError:
        return  # that it never came is what the score will say


async def _changed(request: web.Request, order: Suppress | Restore) -> Suppression:
    for effect in await submitted(request, order):
        if isinstance(effect, SuppressionChanged):
            return effect.suppression
    raise Problem(409, "Nothing has changed.")
