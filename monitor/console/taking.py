"""Somebody who was called answers, by link or by reply: done once, and a second word tells who has done it.

Knows neither pages nor signatures: only what an answer does to an incident, and the sentence that is said of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from monitor.board import MoveRefused, UnknownIncident
from monitor.console.context import Context
from monitor.ports import TimelineRow
from rules.incident import reached
from rules.model import SECOND, IncidentState, Micros, Step, Text, Verb

_CHINA = timezone(timedelta(hours=8))


class Answerable(NamedTuple):
    """A verb by which people answer."""

    goal: IncidentState
    step: Step
    label: Text
    done: Text
    """What is said of it afterwards."""


ANSWERS = {
    Verb.ACKNOWLEDGE: Answerable(
        IncidentState.ACKNOWLEDGED, Step.ACKNOWLEDGED, Text("接警", "Acknowledge"), Text("接警", "acknowledged")
    ),
    Verb.ON_SCENE: Answerable(IncidentState.ON_SCENE, Step.ON_SCENE, Text("到场", "On scene"), Text("到场", "on scene")),
    Verb.RESOLVE: Answerable(IncidentState.RESOLVED, Step.RESOLVED, Text("已处置", "Resolved"), Text("处置完毕", "resolved")),
}  # fmt: skip


class Taken(NamedTuple):
    """What became of an answer. `status` as in HTTP; below 300 it stands in the timeline, by this person or another."""

    words: Text
    status: int = 200


async def take(it: Context, key: str, verb: Verb, by: str, note: str, via: str) -> Taken:
    """Answer an incident with one of ANSWERS, or write a note into it."""
    incident = await it.board.ledger.incident(key)
    if incident is None:
        return Taken(Text(f"没有警情 {key}。", f"There is no incident {key}."), 404)
    known = None
    if (answer := ANSWERS.get(verb)) is not None and reached(incident.state, answer.goal):
        known = last(await it.board.ledger.timeline(key), answer.step)
        # A second person who takes it on is written down too: those who wait should know that two are coming.
        further = verb is Verb.ACKNOWLEDGE and incident.state is answer.goal
        if known is not None and not (further and known.detail.get("by") != by):
            return _already(known, answer.done)
    try:
        async with asyncio.timeout(it.move_timeout):
            await it.post(key, verb, by, note, None, via)
    except (MoveRefused, UnknownIncident) as error:
        return _refused(error, answer and (known or last(await it.board.ledger.timeline(key), answer.step)), answer)
    except TimeoutError:
        return Taken(Text("尚未确认，请刷新查看。", "Not confirmed yet: look whether it was written down."), 504)
    done = answer.done if answer is not None else Text("备注", "noted")
    if known is not None:
        first = known.detail.get("by", "")
        return Taken(Text(f"已记录：{by} {done.zh}；{first} 在先", f"Written down: {done.en} by {by}, after {first}"))
    return Taken(Text(f"已记录：{by} {done.zh}", f"Written down: {done.en} by {by}"))


def last(rows: Sequence[TimelineRow], step: Step) -> TimelineRow | None:
    """The newest entry of a kind."""
    return next((row for row in reversed(rows) if row.step == step.value), None)


def clock(at: Micros) -> str:
    """In China: month, day, time."""
    return datetime.fromtimestamp(at // SECOND, UTC).astimezone(_CHINA).strftime("%m-%d %H:%M:%S")


def _already(row: TimelineRow, done: Text) -> Taken:
    by, at = row.detail.get("by", ""), clock(row.at)
    return Taken(Text(f"已由 {by} {done.zh}（{at}）", f"Already {done.en} by {by} ({at})"))


def _refused(error: MoveRefused | UnknownIncident, row: TimelineRow | None, answer: Answerable | None) -> Taken:
    """Somebody was quicker, or it is over."""
    if row is not None and answer is not None:
        return _already(row, answer.done)
    zh, _, en = (error.reason if isinstance(error, MoveRefused) else "").partition("。")
    return Taken(Text(f"现在不能执行此操作。{zh}", f"Not possible now. {en}"), 409)
