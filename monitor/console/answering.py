"""The page behind an answer link: what burns and where, who has it already, and three large buttons. No login, no script.

Looking changes nothing, since chat programs fetch links on their own; only a button, which is a POST, does. It can do what its
link names and nothing else, and a second tap tells who has done it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from html import escape

import structlog
from aiohttp import web

from monitor.board import MoveRefused, UnknownIncident
from monitor.console.context import context
from monitor.console.quota import Quota
from monitor.console.sheet import CALL_119, both, refusal, sheet, told
from monitor.links import BadLink, Call, ExpiredLink, Links
from monitor.ports import TimelineRow
from rules.incident import reached
from rules.model import MINUTE, SECOND, Incident, IncidentState, Kind, Micros, Neighbourhood, Step, Text, Verb

_log = structlog.get_logger("wanglou.console")

LINKS = web.AppKey("links", Links)
TAPS = web.AppKey("taps", Quota)
"""Answers to one link."""
TAPS_A_MINUTE = 20

_CHINA = timezone(timedelta(hours=8))
_KINDS = {
    Kind.FIRE: Text("火警", "FIRE"),
    Kind.PREALARM: Text("预警", "PRE-ALARM"),
    Kind.SUPERVISORY: Text("监管", "SUPERVISORY"),
    Kind.FAULT: Text("故障", "FAULT"),
}
_STATES = {
    IncidentState.RAISED: Text("已报警，待派单", "Raised, nobody is sent yet"),
    IncidentState.DISPATCHED: Text("已派单，待接警", "Dispatched, nobody has acknowledged yet"),
    IncidentState.ACKNOWLEDGED: Text("已接警", "Acknowledged"),
    IncidentState.ON_SCENE: Text("已到场", "On scene"),
    IncidentState.RESOLVED: Text("已处置", "Resolved"),
    IncidentState.CLOSED: Text("已结案", "Closed"),
}
_VERBS = {
    Verb.ACKNOWLEDGE: (IncidentState.ACKNOWLEDGED, Step.ACKNOWLEDGED, Text("接警", "Acknowledge"), Text("接警", "acknowledged")),
    Verb.ON_SCENE: (IncidentState.ON_SCENE, Step.ON_SCENE, Text("到场", "On scene"), Text("到场", "on scene")),
    Verb.RESOLVE: (IncidentState.RESOLVED, Step.RESOLVED, Text("已处置", "Resolved"), Text("处置完毕", "resolved")),
}  # fmt: skip
"""Verb → the state it leads to, its line in the timeline, its button, and what is said of it afterwards."""


async def show(request: web.Request) -> web.StreamResponse:
    """The incident as it stands. Changes nothing."""
    try:
        call = request.app[LINKS].read(request.match_info["token"])
    except (BadLink, ExpiredLink) as error:
        return _useless(error)
    return await _page(request, call)


async def act(request: web.Request) -> web.StreamResponse:
    """A button was pressed."""
    it = context(request)
    try:
        call = request.app[LINKS].read(request.match_info["token"])
    except (BadLink, ExpiredLink) as error:
        return _useless(error)
    if left := request.app[TAPS].take(f"{call.incident} {call.who}", it.now()):
        return refusal("操作过于频繁，请稍候。", "Too many taps, wait a moment.", 429, wait=-(-left // SECOND))
    verb = _VERBS_BY_NAME.get(str((await request.post()).get("verb", "")))
    incident = await it.board.ledger.incident(call.incident)
    if verb is None or incident is None:
        return await _page(request, call, told("无法识别此操作。", "This is not something that can be done.", bad=True))
    goal, step, _, done = _VERBS[verb]
    by = who(call, it.board.neighbourhood)
    known = _last(await it.board.ledger.timeline(call.incident), step) if reached(incident.state, goal) else None
    # A second person who takes it on is written down too: those who wait should know that two are coming.
    further = verb is Verb.ACKNOWLEDGE and incident.state is goal and known is not None and known.detail.get("by") != by
    if known is not None and not further:
        return await _page(request, call, _already(known, done))
    try:
        async with asyncio.timeout(it.move_timeout):
            await it.post(call.incident, verb, by, "", None, "link")
    except (MoveRefused, UnknownIncident):
        # Somebody was quicker, or it is over: what the page says below is the reason.
        row = known or _last(await it.board.ledger.timeline(call.incident), step)
        closed = told("现在不能执行此操作，状态见下。", "Not possible now; see below how it stands.", bad=True)
        return await _page(request, call, _already(row, done) if row is not None else closed)
    except TimeoutError:
        sentence = told("尚未确认，请刷新查看。", "Not confirmed yet: reload to see whether it was written.", bad=True)
        return await _page(request, call, sentence, status=504)
    _log.info("answered by link", incident=call.incident, verb=verb.value, by=by)
    return await _page(request, call, told(f"已记录：{by} {done.zh}", f"Written down: {done.en} by {by}"))


def who(call: Call, places: Neighbourhood) -> str:
    """The name that goes into the timeline: the person's, or the station's whose group was called."""
    if call.person:
        person = places.plan.people.get(call.who) if places.plan is not None else None
        return person.name.zh if person is not None else call.who
    return next((station.name.zh for station in places.stations if station.key == call.who), call.who)


_VERBS_BY_NAME = {verb.value: verb for verb in _VERBS}


def _useless(error: BadLink | ExpiredLink) -> web.Response:
    zh, _, en = str(error).partition("。")
    return refusal(f"{zh}。", en, 410 if isinstance(error, ExpiredLink) else 404)


def _last(rows: Sequence[TimelineRow], step: Step) -> TimelineRow | None:
    return next((row for row in reversed(rows) if row.step == step.value), None)


def _already(row: TimelineRow, done: Text) -> str:
    by, at = row.detail.get("by", ""), _clock(row.at)
    return told(f"已由 {by} {done.zh}（{at}）", f"Already {done.en} by {by} ({at})")


async def _page(request: web.Request, call: Call, note: str = "", *, status: int = 200) -> web.Response:
    it = context(request)
    incident = await it.board.ledger.incident(call.incident)
    if incident is None:
        return refusal("没有这起警情。", "There is no such incident.", 404)
    rows = await it.board.ledger.timeline(call.incident)
    done = [(verb, row) for verb in _VERBS if (row := _last(rows, _VERBS[verb][1])) is not None]
    zone = it.board.neighbourhood.zones.get(incident.zone)
    place = zone.name if zone is not None else Text(incident.zone, incident.zone)
    return sheet(
        Text(f"{_KINDS[incident.kind].zh} {place.zh}", f"{_KINDS[incident.kind].en} {place.en}"),
        note,
        _heading(incident, place, zone.building if zone is not None else ""),
        _facts(incident, it.board.neighbourhood),
        "".join(f"<li>✓ {both(*_line(verb, row))}</li>" for verb, row in done).join(("<ul>", "</ul>")) if done else "",
        _buttons(incident, taken=any(row.detail.get("by") == who(call, it.board.neighbourhood) for _, row in done)),
        CALL_119,
        f"<small>{both(*_foot(call, it.board.neighbourhood))}</small>",
        status=status,
    )


def _heading(incident: Incident, place: Text, building: str) -> str:
    kind = _KINDS[incident.kind]
    drill = "<span class='kind drill'>演习 DRILL</span> " if incident.exercise else ""
    doubt = Text("疑似，请核实", "suspected, verify") if incident.suspected else Text("", "")
    where = f"{building} {place.zh}".strip()
    return (
        f"<p>{drill}<span class='kind {incident.kind.value}'>{escape(kind.zh)} {escape(kind.en)}</span>"
        f" {escape(doubt.zh)} {escape(doubt.en)}</p><h1>{both(where, f'{building} {place.en}'.strip())}</h1>"
        f"<p>{both(incident.title.zh, incident.title.en)}</p>"
    )


def _facts(incident: Incident, places: Neighbourhood) -> str:
    state, at = _STATES[incident.state], _clock(incident.raised_at)
    device = places.devices.get(incident.last_device)
    name = device.name if device is not None else Text(incident.last_device, incident.last_device)
    lines = [both(f"{at} 起", f"Since {at}"), both(f"状态：{state.zh}", state.en)]
    if name.zh:
        number = len(incident.devices)
        lines.append(
            both(f"设备：{name.zh}", f"Device: {name.en}")
            if number == 1
            else both(f"设备：{name.zh} 等{number}个", f"Device: {name.en}, {number} in all")
        )
    return "<ul>" + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"


def _line(verb: Verb, row: TimelineRow) -> tuple[str, str]:
    done, by, at = _VERBS[verb][3], row.detail.get("by", ""), _clock(row.at)
    return f"{done.zh}：{by} {at}", f"{done.en[:1].upper()}{done.en[1:]} by {by}, {at}"


def _buttons(incident: Incident, *, taken: bool) -> str:
    """What may come next, the usual thing first. That it is over can only be said once somebody has it in hand: the page lies in a
    pocket. `taken`: whoever holds the link has said something already.
    """
    left = [verb for verb in _VERBS if not reached(incident.state, _VERBS[verb][0])]
    shown = [(verb, _VERBS[verb][2]) for verb in left if verb is not Verb.RESOLVE or len(left) < len(_VERBS)]
    if incident.state is IncidentState.ACKNOWLEDGED and not taken:
        shown.append((Verb.ACKNOWLEDGE, Text("我也接警", "I am coming too")))
    rows = [
        f"<button class={'calm' if i else 'first'} name=verb value={verb.value}>{both(words.zh, words.en)}</button>"
        for i, (verb, words) in enumerate(shown)
    ]
    return f"<form method=post>{''.join(rows)}</form>" if rows else ""


def _foot(call: Call, places: Neighbourhood) -> tuple[str, str]:
    name, until = who(call, places), _clock(call.until)
    return (
        f"此链接属于 {name}，只对警情 {call.incident} 有效，至 {until}。请勿转发。",
        f"This link is {name}'s, for incident {call.incident} alone, until {until}. Do not pass it on.",
    )


def _clock(at: Micros) -> str:
    """In China: month, day, time."""
    return datetime.fromtimestamp(at // SECOND, UTC).astimezone(_CHINA).strftime("%m-%d %H:%M:%S")


def add_answering(app: web.Application, links: Links) -> None:
    """The two routes of the page; they are people's, and no part of the API."""
    app[LINKS] = links
    app[TAPS] = Quota(TAPS_A_MINUTE, MINUTE)
    app.router.add_get("/a/{token}", show)
    app.router.add_post("/a/{token}", act)
