"""The page behind an answer link: it shows and does what the link names, by hand only, once, for who was called."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.console.answering import TAPS_A_MINUTE
from monitor.console.reporting import Reporting
from monitor.links import LASTING, Links
from monitor.ports import Batch
from monitor.shelf import Shelf
from rules.model import MINUTE, SECOND, Incident, IncidentState, Kind, Micros, Neighbourhood, Push, Text, Verb
from rules.people import Person, Plan, Role
from tests.small_site import NOW, Api, Reply, Yard, incident, neighbourhood

SECRET = b"a-token-for-tests-only"


class Hand:
    """A clock that a test turns, the links made by it, and the yard's console behind them."""

    def __init__(self) -> None:
        self.at: Micros = NOW
        self.links = Links("https://fire.example", SECRET, lambda: self.at)
        places = neighbourhood()
        people = {
            key: Person(key, Text(zh, en), Role.RESPONDER)
            for key, zh, en in (("wang", "王强", "Wang"), ("li", "李梅", "Li"))
        }
        self.yard = Yard(places=Neighbourhood(
            zones=places.zones, stations=places.stations, devices=places.devices, plan=Plan(people=people)
        ))  # fmt: skip

    def console(self) -> Any:
        return self.yard.console(links=self.links, now=lambda: self.at)

    def path(self, to: str = "wang", of: str = "i-1") -> str:
        body: dict[str, object] = {"type": "incident.call", "station": {"key": "post-1"}}
        push = Push(self.at, "k", of, "call-2", "sms", Kind.FIRE, self.at + MINUTE, body, to)
        return self.links.of(push).removeprefix("https://fire.example")

    async def happens(self, **changes: Any) -> None:
        await self.yard.commit(Batch(incidents={"i-1": replace(incident("i-1"), **changes)}))


async def look(api: Api, path: str, **more: Any) -> tuple[Reply, str]:
    reply = await api.ask("GET", path, token=None, checked=False, **more)
    return reply, reply.body.decode()


async def tap(api: Api, path: str, verb: str, **more: Any) -> tuple[Reply, str]:
    reply = await api.ask("POST", path, token=None, checked=False, data={"verb": verb}, **more)
    return reply, reply.body.decode()


def buttons(text: str) -> list[str]:
    return re.findall("<button [^>]*value=([a-z-]+)>", text)


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        (IncidentState.RAISED, ["acknowledge", "on-scene"]),
        (IncidentState.DISPATCHED, ["acknowledge", "on-scene"]),
        (IncidentState.ACKNOWLEDGED, ["on-scene", "resolve", "acknowledge"]),
        (IncidentState.ON_SCENE, ["resolve"]),
        (IncidentState.RESOLVED, []),
        (IncidentState.CLOSED, []),
    ],
)
async def test_what_is_offered_is_what_may_come_next(state: IncidentState, offered: list[str]) -> None:
    hand = Hand()
    await hand.happens(state=state)
    async with hand.console() as api:
        assert buttons((await look(api, hand.path()))[1]) == offered


async def test_the_page_says_what_and_where_in_chinese_first_and_does_nothing_by_itself() -> None:
    hand = Hand()
    await hand.happens(devices=("yard/smoke-1", "yard/smoke-2"))
    async with hand.console() as api:
        for method in ("GET", "HEAD", "GET"):
            reply = await api.ask(method, hand.path(), token=None, checked=False)
            assert reply.status == 200
        text = reply.body.decode()
    assert hand.yard.moves == []
    for words in (
        "火警 FIRE",
        "车库",
        "Garage",
        "车库火警",
        "待接警",
        "此链接属于 王强",
        "This link is Wang&#x27;s",
        "tel:119",
        "yard/smoke-1 等2个",
        "11-22 08:00:00",
    ):
        assert words in text, words
    assert buttons(text) == ["acknowledge", "on-scene"]
    assert "<script" not in text


async def test_its_headers_let_nothing_in_and_nothing_be_kept() -> None:
    hand = Hand()
    await hand.happens()
    async with hand.console() as api:
        reply, _ = await look(api, hand.path())
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self'" in policy
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Referrer-Policy"] == "same-origin"
    assert "Set-Cookie" not in reply.headers


@pytest.mark.parametrize(
    ("verb", "state", "words"),
    [
        ("acknowledge", IncidentState.ACKNOWLEDGED, "已记录：王强 接警"),
        ("on-scene", IncidentState.ON_SCENE, "已记录：王强 到场"),
        ("resolve", IncidentState.RESOLVED, "已记录：王强 处置完毕"),
    ],
)
async def test_a_button_is_a_move_of_the_person_who_was_called(verb: str, state: IncidentState, words: str) -> None:
    hand = Hand()
    await hand.happens()
    async with hand.console() as api:
        reply, text = await tap(api, hand.path(), verb)
    assert (reply.status, words in text) == (200, True)
    assert hand.yard.moves == [("i-1", Verb(verb), "王强", "", None)]
    assert hand.yard.ways == ["link"]
    found = await hand.yard.ledger.incident("i-1")
    assert found is not None
    assert found.state is state


async def test_a_groups_link_answers_for_the_station_and_a_person_who_left_by_their_key() -> None:
    hand = Hand()
    await hand.happens()
    async with hand.console() as api:
        await tap(api, hand.path(to=""), "acknowledge")
        await tap(api, hand.path(to="zhao"), "on-scene")
    assert [move[2] for move in hand.yard.moves] == ["东门微型消防站", "zhao"]


async def test_the_second_tap_tells_who_was_first() -> None:
    hand = Hand()
    await hand.happens()
    async with hand.console() as api:
        await tap(api, hand.path(), "on-scene")
        for path in (hand.path(), hand.path("li")):
            for verb in ("on-scene", "on-scene"):
                reply, text = await tap(api, path, verb)
                assert (reply.status, "已由 王强 到场（11-22 08:00:00）" in text) == (200, True)
                assert "Already on scene by 王强" in text
    assert len(hand.yard.moves) == 1


async def test_a_second_person_who_takes_it_on_is_written_down_too_but_nobody_twice() -> None:
    hand = Hand()
    await hand.happens()
    async with hand.console() as api:
        await tap(api, hand.path("wang"), "acknowledge")
        _, page = await look(api, hand.path("li"))
        assert "我也接警" in page
        assert "我也接警" not in (await look(api, hand.path("wang")))[1]
        assert "已记录：李梅 接警；王强 在先" in (await tap(api, hand.path("li"), "acknowledge"))[1]
        for _ in range(2):
            await tap(api, hand.path("li"), "acknowledge")
    assert [move[2] for move in hand.yard.moves] == ["王强", "李梅"]


async def test_what_was_done_before_the_danger_came_back_is_not_done_now() -> None:
    hand = Hand()
    await hand.happens()
    async with hand.console() as api:
        for verb in ("acknowledge", "on-scene", "resolve"):
            await tap(api, hand.path(), verb)
        await hand.happens(state=IncidentState.RAISED)
        _, text = await look(api, hand.path())
        assert buttons(text) == ["acknowledge", "on-scene"]
        assert "✓" not in text
        _, text = await tap(api, hand.path(), "acknowledge")
        assert "已记录：王强 接警" in text
    assert [move[1] for move in hand.yard.moves] == [Verb.ACKNOWLEDGE, Verb.ON_SCENE, Verb.RESOLVE, Verb.ACKNOWLEDGE]


async def test_when_the_engine_refuses_the_page_tells_how_it_stands() -> None:
    hand = Hand()
    await hand.happens(state=IncidentState.CLOSED)
    async with hand.console() as api:
        _, before = await look(api, hand.path())
        assert "<button" not in before
        reply, text = await tap(api, hand.path(), "acknowledge")
    assert (reply.status, "现在不能执行此操作" in text, "已结案" in text) == (200, True, True)
    assert hand.yard.moves == []


async def test_a_move_that_is_not_confirmed_in_time_says_so() -> None:
    hand = Hand()
    await hand.happens()

    async def silent(*_: object) -> Incident:
        await asyncio.Event().wait()
        raise AssertionError

    async with hand.yard.console(links=hand.links, now=lambda: hand.at, post=silent, move_timeout=0.05) as api:
        reply, text = await tap(api, hand.path(), "acknowledge")
    assert (reply.status, "尚未确认" in text) == (504, True)


@pytest.mark.parametrize("verb", ["", "close", "reset", "note", "acknowledge "])
async def test_a_link_can_do_nothing_else(verb: str) -> None:
    hand = Hand()
    await hand.happens()
    async with hand.console() as api:
        _, text = await tap(api, hand.path(), verb)
        assert "无法识别" in text
        for path in ("/api/v1/incidents", "/api/v1/incidents/i-1"):
            reply = await api.ask("GET", f"{path}?token={hand.path()}", token=None, checked=False)
            assert reply.status == 401
    assert hand.yard.moves == []


async def test_bad_expired_and_orphaned_links_say_what_to_do() -> None:
    hand = Hand()
    await hand.happens()
    path = hand.path()
    async with hand.console() as api:
        for method in ("GET", "POST"):
            bad = await api.ask(method, path[:-1] + ("A" if path[-1] != "A" else "B"), token=None, checked=False)
            gone = await api.ask(method, hand.path(of="i-9"), token=None, checked=False)
            assert (bad.status, gone.status) == (404, 404)
            assert "拨打119" in bad.body.decode()
        hand.at += LASTING
        for method in ("GET", "POST"):
            old = await api.ask(method, path, token=None, checked=False)
            assert (old.status, "已过期" in old.body.decode()) == (410, True)
    assert hand.yard.moves == []


async def test_taps_have_a_bound_for_each_person_that_ends_by_itself() -> None:
    hand = Hand()
    await hand.happens()
    async with hand.console() as api:
        replies = [(await tap(api, hand.path(), "on-scene"))[0] for _ in range(TAPS_A_MINUTE + 1)]
        assert [r.status for r in replies] == [200] * TAPS_A_MINUTE + [429]
        assert replies[-1].headers["Retry-After"] == "60"
        assert (await tap(api, hand.path("li"), "on-scene"))[0].status == 200
        hand.at += 60 * SECOND
        assert (await tap(api, hand.path(), "on-scene"))[0].status == 200


@pytest.mark.parametrize("headers", [{"Origin": "null"}, {"Origin": "https://fire.example"}, {}])
async def test_the_browser_inside_a_chat_program_may_say_any_origin(headers: Mapping[str, str]) -> None:
    hand = Hand()
    await hand.happens()
    async with hand.console() as api:
        assert (await tap(api, hand.path(), "acknowledge", headers=headers))[0].status == 200
    assert len(hand.yard.moves) == 1


async def test_names_from_outside_are_words_and_not_html() -> None:
    hand = Hand()
    await hand.happens(title=Text("<script>alert(1)</script>", "<b>"), last_device='yard/"><img src=x>')
    async with hand.console() as api:
        _, text = await look(api, hand.path())
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;" in text


async def test_a_drill_is_marked_and_a_suspicion_asks_to_verify() -> None:
    hand = Hand()
    await hand.happens(exercise="drill-1", suspected=True)
    async with hand.console() as api:
        _, text = await look(api, hand.path())
    assert "演习 DRILL" in text
    assert "疑似，请核实" in text


async def test_a_console_that_makes_no_links_serves_no_page_behind_them() -> None:
    hand = Hand()
    async with hand.yard.console() as api:
        assert (await look(api, hand.path()))[0].status == 404


NAME = "ab" * 32 + ".jpg"
OTHER = "cd" * 32 + ".jpg"


async def test_what_a_resident_wrote_and_photographed_is_seen_by_who_is_called_and_no_other_photo_is(
    tmp_path: Path,
) -> None:
    hand = Hand()
    shelf = Shelf(tmp_path, 10_000)
    shelf.keep(NAME, b"picture")
    shelf.keep(OTHER, b"of another incident")
    await hand.happens()
    note = json.dumps(
        {"by": "居民上报 Report", "note": f"着火 Fire: “<b>三楼</b>”; 照片 photo {NAME}"}, ensure_ascii=False
    )
    await hand.yard.commit(Batch(entries=[(NOW, "i-1", "note", note)]))
    desk = Reporting(hand.links, lambda _: asyncio.sleep(0, None), shelf, shelf)
    async with hand.yard.console(links=hand.links, reporting=desk, now=lambda: hand.at) as api:
        path = hand.path()
        _, text = await look(api, path)
        assert "居民上报 Report" in text
        assert "&lt;b&gt;三楼&lt;/b&gt;" in text
        assert f'<img src="{path}/{NAME}"' in text
        picture, _ = await look(api, f"{path}/{NAME}")
        assert (picture.status, picture.headers["Content-Type"], picture.body) == (200, "image/jpeg", b"picture")
        for name in (OTHER, "..%2F..%2Fsite.yaml", "x"):
            assert (await look(api, f"{path}/{name}"))[0].status == 404
        assert (await look(api, f"{path[:-2]}/{NAME}"))[0].status == 404
        hand.at += LASTING
        assert (await look(api, f"{path}/{NAME}"))[0].status == 410
