"""The page behind an answer link: what burns and where, who has it already, and three large buttons. No login, no script.

Looking changes nothing, since chat programs fetch links on their own; only a button, which is a POST, does. It can do what its
link names and nothing else, and a second tap tells who has done it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from html import escape
from http import HTTPStatus

import structlog
from aiohttp import web

from monitor.console.context import context
from monitor.console.quota import Quota
from monitor.console.sheet import CALL_119, both, refusal, sheet, told
from monitor.console.taking import ANSWERS, clock, last, take
from monitor.links import BadLink, Call, ExpiredLink, Links
from monitor.ports import TimelineRow
from monitor.shelf import Shelf
from rules.incident import reached
from rules.model import MINUTE, SECOND, Incident, IncidentState, Kind, Neighbourhood, Step, Text, Verb

_log = structlog.get_logger("wanglou.console")

LINKS = web.AppKey("links", Links)
TAPS = web.AppKey("taps", Quota)
"""Answers to one link."""
TAPS_A_MINUTE = 20
PHOTOS = web.AppKey("photos", Shelf)
"""Where the photos of reporters lie."""
NOTES_SHOWN = 5
_PHOTO = re.compile(r"\b[0-9a-f]{64}\.(?:jpg|png)\b")
"""As monitor/photo.py names them."""

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
    if verb is None:
        return await _page(request, call, told("无法识别此操作。", "This is not something that can be done.", bad=True))
    by = who(call, it.board.neighbourhood).zh
    taken = await take(it, call.incident, verb, by, "", "link")
    _log.info("answered by link", incident=call.incident, verb=verb.value, by=by, status=taken.status)
    status = taken.status if taken.status == HTTPStatus.GATEWAY_TIMEOUT else 200
    return await _page(request, call, told(taken.words.zh, taken.words.en, bad=taken.status >= 300), status=status)


async def photo(request: web.Request) -> web.StreamResponse:
    """A photo that a note of this incident names; no other one."""
    name = request.match_info["photo"]
    try:
        call = request.app[LINKS].read(request.match_info["token"])
    except (BadLink, ExpiredLink) as error:
        return _useless(error)
    rows = await context(request).board.ledger.timeline(call.incident)
    named = any(name in _PHOTO.findall(str(row.detail.get("note", ""))) for row in rows)
    found = await asyncio.to_thread(request.app[PHOTOS].read, name) if named and PHOTOS in request.app else None
    if found is None:
        return refusal("没有这张照片。", "There is no such photo.", 404)
    return web.Response(body=found, content_type="image/png" if name.endswith(".png") else "image/jpeg")


def who(call: Call, places: Neighbourhood) -> Text:
    """The name of the person, or of the station whose group was called; the Chinese one goes into the timeline."""
    nobody = Text(call.who, call.who)
    if call.person:
        person = places.plan.people.get(call.who) if places.plan is not None else None
        return person.name if person is not None else nobody
    return next((station.name for station in places.stations if station.key == call.who), nobody)


_VERBS_BY_NAME = {verb.value: verb for verb in ANSWERS}


def _useless(error: BadLink | ExpiredLink) -> web.Response:
    zh, _, en = str(error).partition("。")
    return refusal(f"{zh}。", en, 410 if isinstance(error, ExpiredLink) else 404)


async def _page(request: web.Request, call: Call, note: str = "", *, status: int = 200) -> web.Response:
    it = context(request)
    incident = await it.board.ledger.incident(call.incident)
    if incident is None:
        return refusal("没有这起警情。", "There is no such incident.", 404)
    rows = await it.board.ledger.timeline(call.incident)
    # What was done before the danger came back is not done now.
    done = [
        (verb, row)
        for verb, answer in ANSWERS.items()
        if reached(incident.state, answer.goal) and (row := last(rows, answer.step)) is not None
    ]
    zone = it.board.neighbourhood.zones.get(incident.zone)
    place = zone.place if zone is not None else Text(incident.zone, incident.zone)
    return sheet(
        Text(f"{_KINDS[incident.kind].zh} {place.zh}", f"{_KINDS[incident.kind].en} {place.en}"),
        note,
        _heading(incident, place),
        _facts(incident, it.board.neighbourhood),
        "".join(f"<li>✓ {both(*_line(verb, row))}</li>" for verb, row in done).join(("<ul>", "</ul>")) if done else "",
        _buttons(incident, taken=any(row.detail.get("by") == who(call, it.board.neighbourhood).zh for _, row in done)),
        _notes(rows, request.match_info["token"]),
        CALL_119,
        f"<small>{both(*_foot(call, it.board.neighbourhood))}</small>",
        status=status,
    )


def _heading(incident: Incident, place: Text) -> str:
    kind = _KINDS[incident.kind]
    drill = "<span class='kind drill'>演习 DRILL</span> " if incident.exercise else ""
    doubt = Text("疑似，请核实", "suspected, verify") if incident.suspected else Text("", "")
    return (
        f"<p>{drill}<span class='kind {incident.kind.value}'>{escape(kind.zh)} {escape(kind.en)}</span>"
        f" {escape(doubt.zh)} {escape(doubt.en)}</p><h1>{both(place.zh, place.en)}</h1>"
        f"<p>{both(incident.title.zh, incident.title.en)}</p>"
    )


def _facts(incident: Incident, places: Neighbourhood) -> str:
    state, at = _STATES[incident.state], clock(incident.raised_at)
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


def _notes(rows: Sequence[TimelineRow], token: str) -> str:
    """The newest notes, such as what a resident wrote, and their photos: who is on the way wants to see what they saw."""
    lines = []
    for row in [row for row in rows if row.step == Step.NOTE.value][-NOTES_SHOWN:]:
        note, by = str(row.detail.get("note", "")), str(row.detail.get("by", ""))
        pictures = "".join(f'<img src="/a/{escape(token)}/{name}" alt="照片 photo">' for name in _PHOTO.findall(note))
        lines.append(f"<li>{clock(row.at)} {escape(by)}：{escape(_PHOTO.sub('', note))}{pictures}</li>")
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _line(verb: Verb, row: TimelineRow) -> tuple[str, str]:
    done, by, at = ANSWERS[verb].done, row.detail.get("by", ""), clock(row.at)
    return f"{done.zh}：{by} {at}", f"{done.en[:1].upper()}{done.en[1:]} by {by}, {at}"


def _buttons(incident: Incident, *, taken: bool) -> str:
    """What may come next, the usual thing first. That it is over can only be said once somebody has it in hand: the page lies in a
    pocket. `taken`: whoever holds the link has said something already.
    """
    left = [verb for verb in ANSWERS if not reached(incident.state, ANSWERS[verb].goal)]
    shown = [(verb, ANSWERS[verb].label) for verb in left if verb is not Verb.RESOLVE or len(left) < len(ANSWERS)]
    if incident.state is IncidentState.ACKNOWLEDGED and not taken:
        shown.append((Verb.ACKNOWLEDGE, Text("我也接警", "I am coming too")))
    rows = [
        f"<button class={'calm' if i else 'first'} name=verb value={verb.value}>{both(words.zh, words.en)}</button>"
        for i, (verb, words) in enumerate(shown)
    ]
    return f"<form method=post>{''.join(rows)}</form>" if rows else ""


def _foot(call: Call, places: Neighbourhood) -> tuple[str, str]:
    name, until = who(call, places), clock(call.until)
    return (
        f"此链接属于 {name.zh}，只对警情 {call.incident} 有效，至 {until}。请勿转发。",
        f"This link is {name.en}'s, for incident {call.incident} alone, until {until}. Do not pass it on.",
    )


def add_answering(app: web.Application, links: Links) -> None:
    """The routes of the page; they are people's, and no part of the API."""
    app[LINKS] = links
    app[TAPS] = Quota(TAPS_A_MINUTE, MINUTE)
    app.router.add_get("/a/{token}", show)
    app.router.add_post("/a/{token}", act)
    app.router.add_get("/a/{token}/{photo}", photo)
