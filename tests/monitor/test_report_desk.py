"""The desk for what people report: on the tape like a device's word, counted by people, joined to its incident."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import resources
from typing import Any

from monitor.clock import FakeClock
from monitor.inbox import Inbox
from monitor.lookout import Limits, Lookout
from monitor.panel import Panel
from monitor.report_desk import BY, WINDOW, Report, ReportDesk, ReportKind
from monitor.tape import MESSAGE, MOVE, message_of
from rules.model import MINUTE, SECOND, Incident, Kind, Neighbourhood, Recipient, Station, Text, Zone
from rules.rulebook import load_book
from tests.fake_ledger import FakeLedger
from tests.rules.small_block import T0

PEOPLE = load_book([("people.yaml", (resources.files("rules") / "books" / "people.yaml").read_text("utf-8"))])


def places() -> Neighbourhood:
    beside = {"hall": ("b/stair",), "stair": ("b/hall",), "yard": ()}
    zones = {f"b/{z}": Zone(f"b/{z}", "b", Text(z, z), "lobby", "", near) for z, near in beside.items()}
    station = Station("post", Text("站", "Post"), frozenset(zones), (Recipient("hook"),))
    return Neighbourhood(zones=zones, stations=(station,))


class Desk:
    """A daemon's inner parts, on a ledger that may have had others before."""

    def __init__(self, ledger: FakeLedger, clock: FakeClock, book: Any = PEOPLE) -> None:
        self.ledger, self.clock = ledger, clock
        self.inbox = Inbox(clock)
        self.lookout = Lookout(book, places(), Limits())
        self.panel = Panel(self.lookout, ledger, self.inbox, acknowledge=lambda _: None, committed=lambda _: None)
        self.desk = ReportDesk(self.inbox, self.lookout.engine, places())
        self._number = 0

    async def says(
        self, who: str, kind: ReportKind = ReportKind.FIRE, zone: str = "b/hall", **more: Any
    ) -> Incident | None:
        self._number += 1
        return await self.desk.take(Report(f"r{self._number}", zone, kind, who, **more))

    async def told(self) -> list[dict[str, Any]]:
        rows = [row for record in await self.ledger.tape_after(0, 10_000) for row in record.rows if row[0] == MESSAGE]
        return [json.loads(message_of(row).payload) for row in rows]

    @property
    def kinds(self) -> list[tuple[str, Kind]]:
        return [(i.zone, i.kind) for i in self.lookout.engine.open_incidents]


@asynccontextmanager
async def running(ledger: FakeLedger | None = None, clock: FakeClock | None = None, **more: Any) -> AsyncIterator[Desk]:
    it = Desk(ledger or FakeLedger(), clock or FakeClock(T0), **more)
    await it.panel.recover()
    task = asyncio.ensure_future(it.panel.run())
    try:
        yield it
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_one_person_sends_somebody_to_look_and_it_is_on_the_tape_before_it_is_answered() -> None:
    async with running() as it:
        incident = await it.says("a", text="三楼窗户冒烟", photo="ab.jpg", reachable=True)
        assert incident is not None
        assert (incident.kind, incident.zone, incident.devices) == (Kind.PREALARM, "b/hall", ("b/report-hall",))
        assert await it.told() == [
            {"id": "r1", "reported": "fire", "report_text": "三楼窗户冒烟", "photo": "ab.jpg", "reporters": 1}
        ]
        notes = [e.detail for e in await it.ledger.timeline(incident.id) if e.step == "note"]
        assert [(n["by"], n["note"]) for n in notes] == [
            (BY, "着火 Fire: “三楼窗户冒烟”; 照片 photo ab.jpg; 留有联系方式 left a contact: r1")
        ]


async def test_two_people_are_a_fire_and_one_who_says_it_twice_is_one() -> None:
    async with running() as it:
        first = await it.says("a")
        again = await it.says("a", ReportKind.SMOKE)
        assert it.kinds == [("b/hall", Kind.PREALARM)]
        second = await it.says("b")
        assert it.kinds == [("b/hall", Kind.FIRE)]
        assert first is not None
        assert again is not None
        assert second is not None
        assert {first.id, again.id, second.id} == {first.id}
        assert [said["reporters"] for said in await it.told()] == [1, 1, 2]


async def test_two_who_report_at_the_same_moment_are_two() -> None:
    async with running() as it:
        await asyncio.gather(it.says("a"), it.says("b"))
        assert it.kinds == [("b/hall", Kind.FIRE)]


async def test_next_door_counts_and_across_the_yard_does_not() -> None:
    async with running() as it:
        await it.says("a", zone="b/yard")
        await it.says("b", zone="b/stair")
        assert [kind for _, kind in it.kinds] == [Kind.PREALARM, Kind.PREALARM]
        await it.says("c", zone="b/hall")
        assert ("b/hall", Kind.FIRE) in it.kinds


async def test_people_who_speak_five_minutes_apart_do_not_speak_of_the_same_fire() -> None:
    for apart, expected in ((WINDOW - SECOND, Kind.FIRE), (WINDOW, Kind.PREALARM)):
        async with running() as it:
            await it.says("a")
            it.clock.advance(apart)
            await it.says("b")
            assert it.kinds == [("b/hall", expected)]


async def test_what_is_no_fire_is_not_counted_and_has_an_incident_of_its_own() -> None:
    async with running() as it:
        fire = await it.says("a")
        lane = await it.says("b", ReportKind.LANE)
        more = await it.says("c", ReportKind.LANE, text="红色轿车")
        assert fire is not None
        assert lane is not None
        assert more is not None
        assert (fire.kind, lane.kind, more.id) == (Kind.PREALARM, Kind.SUPERVISORY, lane.id)
        assert "reporters" not in (await it.told())[1]


async def test_after_a_restart_the_second_person_is_the_second_still() -> None:
    ledger, clock = FakeLedger(), FakeClock(T0)
    async with running(ledger, clock) as it:
        await it.says("a")
    clock.advance(MINUTE)
    async with running(ledger, clock) as again:
        await again.says("b")
        assert again.kinds == [("b/hall", Kind.FIRE)]
    # The same tape comes to the same: what was counted is on it.
    async with running(ledger, clock) as replayed:
        assert replayed.kinds == [("b/hall", Kind.FIRE)]


async def test_where_no_rule_hears_people_the_reporter_is_not_told_that_somebody_comes() -> None:
    async with running(book=load_book([])) as it:
        assert await it.says("a") is None
        assert len(await it.told()) == 1
        assert [row[0] for record in await it.ledger.tape_after(0, 100) for row in record.rows].count(MOVE) == 0


async def test_a_crowd_is_remembered_within_bounds() -> None:
    async with running() as it:
        for number in range(30):
            await it.says(f"p{number}")
        assert (await it.told())[-1]["reporters"] == 30
        assert len(it.lookout.engine.open_incidents) == 1
