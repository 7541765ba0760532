"""Over HTTP: a drill from its announcement to its score, and all that it is refused for, with the real engine behind the console.

The broker is played by a few lines that decode what is given to them as the intake would.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from monitor.board import RuleView
from monitor.decoders.registry import decode
from monitor.drilling import made_up, usual
from monitor.ports import Batch, Message, TryAgain
from rules.engine import Engine
from rules.model import (
    HOUR,
    Device,
    Effect,
    Entry,
    IncidentChanged,
    Kind,
    Measure,
    Micros,
    Neighbourhood,
    Push,
    Reading,
    Restore,
    Suppress,
    Suppression,
    SuppressionChanged,
    Swap,
    Text,
)
from rules.people import Person, Plan, Role, Roster
from rules.rulebook import load_book
from tests.small_site import NOW, RULES, Api, Yard, incident

PLAN = Plan({"anna": Person("anna", Text("安", "Anna"), Role.RESPONDER, ("text",))}, {"post-1": Roster(("anna",))})
SMOKE = "{id: s, kind: FIRE, devices: [smoke_detector], when: smoke, title: {zh: 烟, en: Smoke}}"
BOOK = load_book([("b", f"version: 1\nrules: [{SMOKE}]")])
VIEW = replace(RULES[0], quantities=("smoke",))
DRILL = {"device": "yard/smoke-1", "by": "值班站长", "why": "月度演练"}


class Drilled(Yard):
    """The yard with the engine behind its console, and a broker that may lose what it is given."""

    def __post_init__(self) -> None:
        places = self.places
        garage = {
            **places.devices,
            "yard/flame-1": Device("yard/flame-1", "yard", "odd", "yard/garage", Text("火", "F")),
        }
        self.places = Neighbourhood(zones=places.zones, stations=places.stations, devices=garage, plan=PLAN)
        super().__post_init__()
        self.board.rules = lambda: (VIEW,)
        self.engine = Engine(BOOK, self.places)
        self.at: Micros = NOW
        self.injected: list[Message] = []
        self.lost: Exception | None = None
        self.meanwhile: Reading | None = None
        """Happens right after the next measure."""

    async def submit(self, event: Suppress | Restore | Swap) -> Sequence[Effect]:
        effects = await self.happens(replace(event, at=self.at))
        if self.meanwhile is not None:
            reading, self.meanwhile = self.meanwhile, None
            await self.happens(reading)
        return effects

    async def happens(self, event: Any) -> Sequence[Effect]:
        """Stands in for panel and ledger."""
        effects = self.engine.handle(event)
        batch = Batch()
        for effect in effects:
            match effect:
                case SuppressionChanged():
                    batch.suppressions[effect.suppression.id] = effect.suppression
                case IncidentChanged():
                    batch.incidents[effect.incident.id] = effect.incident
                case Entry():
                    detail = json.dumps(dict(effect.detail))
                    batch.entries.append((effect.at, effect.incident, effect.step.value, detail))
                case Push():
                    batch.pushes.append(effect)
        await self.commit(batch)
        return effects

    async def inject(self, message: Message) -> None:
        self.injected.append(message)
        if self.lost is not None:
            raise self.lost
        said = decode(message.topic, message.payload)
        assert said is not None
        reading = Reading(
            message.at + 1000, said.device, said.values, measured_at=said.measured_at, exercise=said.exercise
        )
        await self.happens(reading)


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[Drilled, Api]]:
    yard = Drilled()
    surroundings = {"submit": yard.submit, "inject": yard.inject, "now": lambda: yard.at}
    async with yard.console(**(surroundings | options)) as api:
        yield yard, api


async def test_a_drill_from_its_announcement_to_its_end() -> None:
    async with served() as (yard, api):
        begun = await api.post("/api/v1/drills", DRILL)
        (message,) = yard.injected
        assert (message.topic, message.qos, message.retain) == ("wl/yard/smoke-1/up", 1, False)
        assert json.loads(message.payload) == {
            "at": "2026-11-22T00:00:00+00:00", "exercise": "sup-000001", "smoke": True,
        }  # fmt: skip
        assert (begun["id"], begun["incident"], begun["verdict"]) == ("sup-000001", "inc-000001", "running")
        assert begun["until"] == "2026-11-22T00:30:00Z"
        assert [(p["point"], p["after_seconds"]) for p in begun["points"]] == [
            ("injected", -0.001), ("arrived", 0.0), ("raised", 0.0),
        ]  # fmt: skip
        assert begun["unanswered"] == ["anna"]
        assert begun["said"]["zh"].startswith("进行中")
        yard.at += 10_000_000
        page = await api.ask("GET", "/api/v1/drills/sup-000001?format=html")
        assert page.headers["Content-Type"].startswith("text/html")
        assert "【演习】" in page.body.decode()
        ended = await api.post("/api/v1/drills/sup-000001/end", {"by": "值班站长"})
        assert (ended["over"], ended["interrupted"], ended["ended_by"]) == (True, False, "值班站长")
        assert ended["verdict"] == "missed"
        assert ended["said"] == {
            "zh": "未达标：接警（未发生）；未应答：安；渠道未送达：hook, text。",
            "en": "Missed: acknowledgement (never); no answer from Anna; channels that accepted nothing: hook, text.",
        }
        assert await api.get("/api/v1/drills/sup-000001") == ended
        again = await api.post("/api/v1/drills/sup-000001/end", {"by": "值班站长"}, 409)
        assert "no such measure" in again["detail"]
        assert [d["id"] for d in (await api.get("/api/v1/drills"))["items"]] == ["sup-000001"]
        later = await api.post("/api/v1/drills", DRILL | {"minutes": 240})
        assert [d["id"] for d in (await api.get("/api/v1/drills?limit=1"))["items"]] == [later["id"]]


async def test_a_zone_plays_one_drill_at_a_time() -> None:
    async with served() as (yard, api):
        await api.post("/api/v1/drills", DRILL)
        problem = await api.post("/api/v1/drills", DRILL | {"device": "yard/smoke-2"}, 409)
        assert "正在演习（sup-000001）" in problem["detail"]
        assert problem["type"].endswith("drill-refused")
        await api.post("/api/v1/drills/sup-000001/end", {"by": "值班站长"})
        await yard.happens(Suppress(NOW, Measure.DRILL, "yard/garage", "li", "by the API of measures", NOW + HOUR))
        await api.post("/api/v1/drills", DRILL, 409)
        assert len(yard.injected) == 1


async def test_no_drill_where_a_fire_is_open() -> None:
    async with served() as (yard, api):
        elsewhere = replace(incident("i-1"), zone="yard/lane")
        drilled = replace(incident("i-2"), exercise="sup-000009")
        await yard.commit(Batch(incidents={"i-1": elsewhere, "i-2": drilled}))
        begun = await api.post("/api/v1/drills", DRILL)
        await api.post(f"/api/v1/drills/{begun['id']}/end", {"by": "值班站长"})
        await yard.commit(Batch(incidents={"i-3": incident("i-3")}))
        problem = await api.post("/api/v1/drills", DRILL, 409)
        assert "A fire is open in this zone: i-3." in problem["detail"]
        assert len(yard.engine.suppressions) == 0


async def test_a_fire_that_breaks_out_before_the_reading_is_made_up_wins() -> None:
    async with served() as (yard, api):
        yard.meanwhile = Reading(NOW, "yard/smoke-2", {"smoke": True})
        problem = await api.post("/api/v1/drills", DRILL, 409)
        assert "A fire is open" in problem["detail"]
        assert yard.injected == [], "nothing made up is sent into a fire"
        assert (await api.get("/api/v1/drills/sup-000001"))["verdict"] == "interrupted"


async def test_a_broker_that_does_not_take_it_takes_the_drill_back() -> None:
    async with served() as (yard, api):
        yard.lost = TryAgain("the broker at 127.0.0.1:1883: gone")
        problem = await api.post("/api/v1/drills", DRILL, 503)
        assert "gone" in problem["detail"]
        assert yard.engine.suppressions == []
        (drill,) = (await api.get("/api/v1/drills"))["items"]
        assert drill["ended_by"] == "望楼 Wanglou"
        yard.lost = TimeoutError()
        assert "no answer in time" in (await api.post("/api/v1/drills", DRILL, 503))["detail"]
        assert yard.engine.suppressions == []


async def test_a_broker_that_is_known_to_be_gone_is_not_tried() -> None:
    async with served() as (yard, api):
        yard.board.set_trouble("feed", True, "not connected", NOW)
        assert "no drill now" in (await api.post("/api/v1/drills", DRILL, 503))["detail"]
        assert yard.engine.suppressions == []
    async with served(inject=None) as (_, api):
        await api.post("/api/v1/drills", DRILL, 503)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"device": "yard/nobody"}, 404, "There is no device yard/nobody."),
        ({"device": "yard/flame-1"}, 422, "Say in values"),
        ({"values": {"smook": True}}, 422, "smook"),
        ({"values": {}}, 422, "values"),
        ({"values": {"smoke": "yes"}}, 422, "smoke"),
        ({"by": ""}, 422, "by"),
        ({"why": ""}, 422, "why"),
        ({"minutes": 241}, 422, "minutes"),
    ],
)
async def test_drills_that_are_refused(change: dict[str, Any], status: int, reason: str) -> None:
    async with served() as (yard, api):
        problem = await api.post("/api/v1/drills", DRILL | change, status)
        assert reason in problem["detail"]
        assert (yard.engine.suppressions, yard.injected) == ([], [])


async def test_what_is_no_drill() -> None:
    async with served() as (yard, api):
        test = Suppression("sup-000001", Measure.TEST, "yard/smoke-1", "", "li", "x", NOW, NOW + HOUR)
        await yard.commit(Batch(suppressions={test.id: test}))
        for key in ("sup-000001", "sup-000002"):
            await api.get(f"/api/v1/drills/{key}", 404)
            await api.post(f"/api/v1/drills/{key}/end", {"by": "li"}, 404)
        assert (await api.get("/api/v1/drills"))["items"] == []


def rule(kind: Kind, devices: tuple[str, ...], *quantities: str, subject: str = "device") -> RuleView:
    return replace(RULES[0], kind=kind, devices=devices, quantities=quantities, subject=subject)


def test_what_a_device_says_by_itself_in_a_fire() -> None:
    rules = [
        rule(Kind.SUPERVISORY, ("extinguisher",), "discharged"),
        rule(Kind.FIRE, ("smoke_detector", "heat_detector"), "heat", "test"),
        rule(Kind.FIRE, ("smoke_detector",), "smoke", "test"),
        rule(Kind.PREALARM, ("charger",), "port_temperature"),
        rule(Kind.PREALARM, ("thermal_camera",), "smoke"),
        rule(Kind.FIRE, ("thermal_camera",), "thermal_max", "thermal_mean"),
        rule(Kind.FIRE, ("camera",), "object"),
        rule(Kind.FIRE, ("camera",), "smoke", subject="zone"),
    ]
    assert {kind: usual(kind, rules) for kind in sorted({d for r in rules for d in r.devices})} == {
        "camera": None, "charger": {"port_temperature": 130.0}, "extinguisher": None, "heat_detector": {"heat": True},
        "smoke_detector": {"smoke": True}, "thermal_camera": {"thermal_max": 200.0},
    }  # fmt: skip


def test_what_is_made_up_goes_to_the_device_s_own_topic() -> None:
    message = made_up("yard/camera-1", {"flame": True}, "sup-000001", NOW + 250_001)
    assert (message.at, message.topic, message.qos) == (NOW + 250_001, "wl/yard/camera-1/up", 1)
    said = decode(message.topic, message.payload)
    assert said is not None
    assert (said.exercise, said.measured_at, said.values) == ("sup-000001", NOW + 250_001, {"flame": True})
