"""A small compound with a console on loopback, and a client that holds every answer against the OpenAPI document.

Knows no engine: moves are made by a few lines that stand in for it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import ClientResponse, ClientSession
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import SecretStr

from monitor.board import AlarmView, Board, DeviceState, MoveRefused, RuleView, UnknownIncident
from monitor.console import Statistics, make_app, serve
from monitor.ports import Batch
from rules.commands import Order, Place
from rules.model import (
    MINUTE,
    SECOND,
    AlarmState,
    Condition,
    Device,
    DevicePattern,
    Disposition,
    Freshness,
    Incident,
    IncidentState,
    Kind,
    Micros,
    Neighbourhood,
    Push,
    Recipient,
    Station,
    Step,
    Text,
    Verb,
    Zone,
)
from tests.fake_history import FakeHistory
from tests.fake_ledger import FakeLedger

NOW: Micros = 1_795_305_600 * SECOND
"""2026-11-22T00:00:00Z."""

TOKEN = "a-token-for-tests-only"

_STATES = {
    Verb.ACKNOWLEDGE: IncidentState.ACKNOWLEDGED,
    Verb.ON_SCENE: IncidentState.ON_SCENE,
    Verb.RESOLVE: IncidentState.RESOLVED,
    Verb.CLOSE: IncidentState.CLOSED,
}
_STEPS = {Verb.ACKNOWLEDGE: Step.ACKNOWLEDGED, Verb.RESOLVE: Step.RESOLVED, Verb.ON_SCENE: Step.ON_SCENE}


def neighbourhood() -> Neighbourhood:
    """Two zones of one garage, one of them without a detector; a station; listed devices and a pattern."""
    garage = Zone(
        "yard/garage",
        "yard",
        Text("车库", "Garage"),
        "garage",
        "b1",
        ("yard/lane",),
        {"sprinklers": True, "level": -1.0},
    )
    lane = Zone("yard/lane", "yard", Text("消防通道", "Fire lane"), "fire_lane")
    station = Station(
        "post-1",
        Text("东门微型消防站", "East gate station"),
        frozenset({"yard/garage", "yard/lane"}),
        (Recipient("hook", frozenset({Kind.PREALARM, Kind.FIRE})),),
    )
    devices = {
        key: Device(key, "yard", kind, zone, Text(key, key))
        for key, kind, zone in (
            ("yard/smoke-1", "smoke_detector", "yard/garage"),
            ("yard/smoke-2", "smoke_detector", "yard/garage"),
            ("yard/smoke-3", "smoke_detector", "yard/garage"),
            ("yard/camera/north", "camera", "yard/lane"),
        )
    }
    pattern = DevicePattern(
        re.compile(r"yard/plug-(?P<n>\d+)"), "charger", "yard/garage", Text("插座{n}", "Plug {n}"), {"amps": 16.0}
    )
    return Neighbourhood(
        zones={z.key: z for z in (garage, lane)}, stations=(station,), devices=devices, patterns=(pattern,)
    )


RULES = (
    RuleView(
        id="smoke",
        kind=Kind.FIRE,
        title=Text("感烟报警", "Smoke alarm"),
        devices=("smoke_detector",),
        quantities=("smoke_density",),
        when="smoke_density > 0.5",
        hold=4 * SECOND,
        clear_for=MINUTE,
        latch=True,
        advice=Text("疏散", "Evacuate"),
        group="fire",
        reason="EN 14604",
        linkage=(Order("sound", Place.BUILDING, "siren"),),
    ),
)


def incident(key: str, at: Micros = NOW, state: IncidentState = IncidentState.DISPATCHED) -> Incident:
    """A fire in the garage."""
    return Incident(
        id=key,
        site="yard",
        zone="yard/garage",
        group="fire",
        kind=Kind.FIRE,
        state=state,
        condition=Condition.ACTIVE,
        title=Text("车库火警", "Fire in the garage"),
        raised_at=at,
        station="post-1",
        alarms=1,
        rules=("smoke",),
        devices=("yard/smoke-1",),
        last_device="yard/smoke-1",
        dispatched_at=at + 1,
    )


def push(key: str, of: str, at: Micros = NOW) -> Push:
    """A dispatch to the webhook."""
    return Push(at, key, of, "dispatch", "hook", Kind.FIRE, at + 20 * MINUTE, {"type": "incident.dispatch"})


@dataclass
class Yard:
    """The compound, what it remembers, and what a test may turn."""

    ledger: FakeLedger = field(default_factory=FakeLedger)
    history: FakeHistory = field(default_factory=FakeHistory)
    places: Neighbourhood = field(default_factory=neighbourhood)
    states: dict[str, DeviceState] = field(default_factory=dict)
    statistics: Statistics = field(default_factory=Statistics)
    moves: list[tuple[str, Verb, str, str, Disposition | None]] = field(default_factory=list)
    ways: list[str] = field(default_factory=list)
    """By which each of the moves came."""
    broken: Exception | None = None
    """Raised by the next move and the next look at the statistics."""

    def __post_init__(self) -> None:
        alarm = AlarmView("smoke", Kind.FIRE, AlarmState.ACTIVE, "i-1")
        self.states |= {
            "yard/smoke-1": DeviceState(
                "yard/smoke-1", NOW, Freshness.LIVE, {"smoke_density": 0.61, "smoke": True}, True, (alarm,)
            ),
            "yard/smoke-2": DeviceState("yard/smoke-2", NOW - MINUTE, Freshness.LATE, {"smoke_density": 0.0}, False),
        }
        self.board = Board(self.ledger, self.places, lambda: self.states, lambda: RULES, backlog=5)

    async def post(
        self, key: str, verb: Verb, by: str, note: str, disposition: Disposition | None, via: str
    ) -> Incident:
        """Stands in for inbox, engine and commit: closed incidents refuse everything."""
        if self.broken is not None:
            raise self.broken
        known = await self.ledger.incident(key)
        if known is None:
            raise UnknownIncident(key)
        if known.state is IncidentState.CLOSED:
            raise MoveRefused("已关闭 / the incident is closed")
        self.moves.append((key, verb, by, note, disposition))
        self.ways.append(via)
        after = replace(
            known, state=_STATES.get(verb, known.state), disposition=disposition, revision=known.revision + 1
        )
        detail = json.dumps({"by": by, "note": note})
        await self.commit(Batch(incidents={key: after}, entries=[(NOW, key, _STEPS.get(verb, verb).value, detail)]))
        return after

    async def commit(self, batch: Batch) -> None:
        """Into the ledger, then onto the board."""
        await self.ledger.commit(batch)
        await self.board.refresh()

    def look(self) -> Statistics:
        """The statistics as the app would give them."""
        if self.broken is not None:
            raise self.broken
        return self.statistics

    @asynccontextmanager
    async def console(self, **options: Any) -> AsyncIterator[Api]:
        """The console on a free loopback port, and a client that knows the token."""
        surroundings: dict[str, Any] = {
            "token": SecretStr(TOKEN),
            "post": self.post,
            "history": self.history,
            "statistics": self.look,
            "now": lambda: NOW,
        }
        app = make_app(self.board, **(surroundings | options))
        async with serve(app, "127.0.0.1", 0) as port, ClientSession(f"http://127.0.0.1:{port}") as session:
            api = Api(session, port)
            answer = await api.ask("GET", "/api/v1/openapi.json", checked=False)
            api.document = answer.json()
            yield api


@dataclass
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as plain values."""
        return json.loads(self.body)


class Api:
    """A client whose every answer must be one that the OpenAPI document promises."""

    def __init__(self, session: ClientSession, port: int) -> None:
        self.session = session
        self.port = port
        self.document: dict[str, Any] = {}

    async def ask(
        self,
        method: str,
        path: str,
        *,
        checked: bool = True,
        token: str | None = TOKEN,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Reply:
        """One request; the answer is held against the document unless `checked` is off."""
        bearer = {"Authorization": f"Bearer {token}"} if token is not None else {}
        async with self.session.request(method, path, headers=bearer | dict(headers or {}), **options) as response:
            reply = Reply(response.status, response.headers, await response.read())
            if checked:
                self.check(method, response.url.raw_path, reply)
            return reply

    async def get(self, path: str, status: int = 200, **options: Any) -> Any:
        """GET, the JSON of an answer that must have this status."""
        reply = await self.ask("GET", path, **options)
        assert reply.status == status, reply.body
        return reply.json()

    async def post(self, path: str, body: object, status: int = 200, **options: Any) -> Any:
        """POST JSON, the JSON of an answer that must have this status."""
        reply = await self.ask("POST", path, json=body, **options)
        assert reply.status == status, reply.body
        return reply.json()

    def check(self, method: str, path: str, reply: Reply) -> None:
        """The document must declare this status and content type, and the body must fit its schema."""
        operation = self.operation(method, path)
        declared = operation["responses"][str(reply.status)]["content"]
        media = reply.headers["Content-Type"].partition(";")[0]
        schema = declared[media]["schema"]
        value = reply.json() if media.endswith("json") else reply.body.decode()
        Draft202012Validator({**schema, "components": self.document["components"]}).validate(value)

    def operation(self, method: str, path: str) -> dict[str, Any]:
        """The operation whose path template fits; the template with the fewest parameters goes first, the longest of those."""
        for template in sorted(self.document["paths"], key=lambda t: (t.count("{"), -len(t))):
            # Only the last parameter may hold slashes (a device's own name).
            pattern = re.sub(r"{\w+}$", ".+", template)
            pattern = re.sub(r"{\w+}", "[^/]+", pattern)
            if re.fullmatch(pattern, path) and method.lower() in self.document["paths"][template]:
                found: dict[str, Any] = self.document["paths"][template][method.lower()]
                return found
        raise AssertionError(f"the OpenAPI document has no {method} {path}")

    @asynccontextmanager
    async def stream(self, last: int | None = None, query: str = "") -> AsyncIterator[Stream]:
        """An open live stream, resumed after `last`."""
        headers = {"Authorization": f"Bearer {TOKEN}"} | ({"Last-Event-ID": str(last)} if last is not None else {})
        async with self.session.get(f"/api/v1/stream{query}", headers=headers) as response:
            assert response.status == 200, await response.read()
            assert response.headers["Content-Type"].startswith("text/event-stream")
            yield Stream(response)


@dataclass(frozen=True)
class Event:
    """A server-sent event."""

    id: str = ""
    event: str = "message"
    data: str = ""


class Stream:
    """Reads server-sent events (HTML standard 9.2.6), comments apart."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.comments: list[str] = []

    async def event(self) -> Event | None:
        """The next event, or None at the end of the stream."""
        # Only a stream that owes an event and never sends it runs into this: a failure instead of a hang.
        async with asyncio.timeout(20):
            return await self._event()

    async def comment(self) -> str:
        """The next comment line."""
        async with asyncio.timeout(20):
            while not self.comments:
                line = (await self.response.content.readline()).decode()
                assert line, "the stream ended"
                if line.startswith(":"):
                    self.comments.append(line[1:].strip())
        return self.comments.pop(0)

    async def _event(self) -> Event | None:
        fields: dict[str, str] = {}
        while line := await self.response.content.readline():
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                self.comments.append(text[1:].strip())
            elif text:
                name, _, value = text.partition(":")
                fields[name] = value.removeprefix(" ")
            elif "data" in fields:
                return Event(fields.get("id", ""), fields.get("event", "message"), fields["data"])
        return None
