"""Replies of robots and gateways: `POST /api/v1/reply/{channel}`, signed with the channel's secret, answered in the robot's own way.

Knows no channel but its door. A channel answers only what it was told of; what comes twice is answered alike and done once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from monitor.console.answers import Answer
from monitor.console.context import Context, clean, context, reply
from monitor.console.problems import Problem
from monitor.console.quota import Quota
from monitor.console.taking import Taken, take
from monitor.replies import (
    LONGEST_NAME,
    LONGEST_NOTE,
    VERBS,
    WINDOW,
    BadSignature,
    Protocol,
    ReplyDoor,
    Said,
    Unreadable,
    check_dingtalk,
    check_standard,
    read_dingtalk,
    read_json,
    read_words,
)
from rules.model import MINUTE, SECOND, IncidentState, Micros, Text, Verb

_log = structlog.get_logger("wanglou.console")

REMEMBERED = 5000
"""Replies whose answers are kept."""
A_MINUTE = 120
"""Replies of one channel."""
_LOOKED_AT = 50
"""Open incidents among which the only one is looked for."""


class ReplyBody(BaseModel):
    """What a channel of any kind but DingTalk sends, signed after Standard Webhooks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    incident: str
    verb: Verb = Field(description=f"One of {', '.join(VERBS)}.")
    by: str = Field(max_length=LONGEST_NAME)
    note: str = Field(default="", max_length=LONGEST_NOTE)


class ReplyAnswer(Answer):
    """What became of it, in words for the person who replied. DingTalk's robot gets its own JSON with the same words."""

    zh: str
    en: str


class DingTalkWords(Answer):
    """The text of a robot's answer."""

    content: str


class DingTalkAnswer(Answer):
    """What a DingTalk robot says in its group."""

    msgtype: str = "text"
    text: DingTalkWords


class Replies:
    """The doors of the channels that may reply, and what was answered lately."""

    def __init__(self, doors: Mapping[str, ReplyDoor]) -> None:
        self.doors = doors
        self.quota = Quota(A_MINUTE, MINUTE)
        self._answers: OrderedDict[tuple[str, str], tuple[Micros, asyncio.Task[Taken]]] = OrderedDict()

    async def once(self, key: tuple[str, str], now: Micros, do: Callable[[], Awaitable[Taken]]) -> Taken:
        """Do it, unless the same reply was seen within the window: then its answer, as soon as there is one."""
        while self._answers and next(iter(self._answers.values()))[0] < now - 2 * WINDOW:
            self._answers.popitem(last=False)
        known = self._answers.get(key)
        if known is None:
            known = self._answers[key] = (now, asyncio.ensure_future(_awaited(do)))
            if len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        try:
            # Who asked may go away and come back; what was begun for them is finished all the same.
            taken = await asyncio.shield(known[1])
        except BaseException:
            if known[1].done():
                self._answers.pop(key, None)
            raise
        if taken.status >= 500:
            self._answers.pop(key, None)  # not known yet: the next attempt may learn it
        return taken


REPLIES = web.AppKey("replies", Replies)


async def receive(request: web.Request) -> web.StreamResponse:
    """A reply of any channel that has a secret for it."""
    name = request.match_info["channel"]
    replies = request.app[REPLIES]
    door = replies.doors.get(name)
    if door is None:
        raise Problem(404, f"No channel {clean(name[:64])} may reply: it needs a reply_secret.", kind="unknown-channel")
    try:
        raw = await request.read()
    except (ConnectionError, web.RequestPayloadError):
        raise Problem(400, "The body ended early.", headers={"Connection": "close"}) from None
    if door.protocol is Protocol.DINGTALK:
        return await _dingtalk(request, replies, name, door, raw)
    return await _standard(request, replies, name, door, raw)


async def _standard(request: web.Request, replies: Replies, name: str, door: ReplyDoor, raw: bytes) -> web.Response:
    it = context(request)
    try:
        key = check_standard(door.secret, request.headers, raw, it.now())
        said = read_json(raw)
    except BadSignature as error:
        raise _stranger(request, name, error) from None
    except Unreadable as error:
        raise Problem(422, str(error)) from None
    if left := replies.quota.take(name, it.now()):
        raise Problem(429, "Too many replies of this channel.", headers={"Retry-After": str(-(-left // SECOND))})
    taken = await replies.once((name, key), it.now(), lambda: _take(it, name, said))
    if taken.status >= 300:
        kind = "unknown-incident" if taken.status == 404 else ""
        raise Problem(taken.status, f"{taken.words.zh} {taken.words.en}", kind=kind)
    return reply(ReplyAnswer(zh=taken.words.zh, en=taken.words.en))


async def _dingtalk(request: web.Request, replies: Replies, name: str, door: ReplyDoor, raw: bytes) -> web.Response:
    """Whatever was understood is answered in the group, refusals too: nobody there reads a status."""
    it = context(request)
    try:
        check_dingtalk(door.secret, request.headers, it.now())
    except BadSignature as error:
        raise _stranger(request, name, error) from None
    try:
        key, by, text = read_dingtalk(raw)
        said = read_words(text, by)
    except Unreadable as error:
        return _speak(str(error))
    if replies.quota.take(name, it.now()):
        return _speak("回复过于频繁，请稍候。Too many replies, wait a moment.")
    taken = await (replies.once((name, key), it.now(), lambda: _take(it, name, said)) if key else _take(it, name, said))
    return _speak(f"{taken.words.zh}\n{taken.words.en}")


async def _take(it: Context, channel: str, said: Said) -> Taken:
    incident = said.incident or await _only(it, channel)
    if not incident:
        return Taken(Text("请写明警情编号，例如：接警 12。", "Say which incident, for example: ack 12."), 422)
    if not await _told(it, channel, incident):
        # Whether there is such an incident elsewhere is not this channel's business.
        return Taken(Text(f"本通道没有警情 {incident}。", f"This channel was not told of an incident {incident}."), 404)
    taken = await take(it, incident, said.verb, said.by, said.note, "reply")
    _log.info(
        "answered by reply", channel=channel, incident=incident, verb=said.verb.value, by=said.by, status=taken.status
    )
    words = taken.words
    return (
        taken._replace(words=Text(f"{incident} {words.zh}", f"{incident}: {words.en}")) if not said.incident else taken
    )


async def _only(it: Context, channel: str) -> str:
    """The incident that can only be meant: the one that the channel was told of and nobody has resolved; "" when there are several."""
    found = [
        incident.id
        for incident in await it.board.ledger.incidents(open_only=True, limit=_LOOKED_AT)
        if incident.state not in (IncidentState.RESOLVED, IncidentState.CLOSED)
        and await _told(it, channel, incident.id)
    ]
    return found[0] if len(found) == 1 else ""


async def _told(it: Context, channel: str, incident: str) -> bool:
    return any(row.push.channel == channel for row in await it.board.ledger.pushes_of(incident))


def _stranger(request: web.Request, name: str, error: BadSignature) -> Problem:
    _log.warning("a reply was refused", channel=name, remote=request.remote, reason=str(error))
    return Problem(401, f"{error}.", headers={"WWW-Authenticate": "Signature"})


def _speak(words: str) -> web.Response:
    return reply(DingTalkAnswer(text=DingTalkWords(content=words)))


async def _awaited(do: Callable[[], Awaitable[Taken]]) -> Taken:
    return await do()
