"""Robots and gateways that call back: done once, answered in their own way, and only for what their channel was told of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor.console.replying import A_MINUTE
from monitor.ports import Batch
from monitor.replies import WINDOW, Protocol, ReplyDoor
from rules.model import MINUTE, Incident, IncidentState, Micros, Verb
from tests.monitor.test_replies import ROBOT, SECRET, robot, signed
from tests.small_site import NOW, Api, Reply, Yard, incident, push

HOOK, DUTY = "/api/v1/reply/hook", "/api/v1/reply/duty"
DOORS = {"hook": ReplyDoor(Protocol.STANDARD, SECRET), "duty": ReplyDoor(Protocol.DINGTALK, ROBOT)}


class Group:
    """A yard whose garage burns; `hook` and `duty` were told of inc-000012."""

    def __init__(self) -> None:
        self.at: Micros = NOW
        self.yard = Yard()

    async def burns(self, key: str = "inc-000012", channels: tuple[str, ...] = ("hook", "duty"), **more: Any) -> None:
        pushes = [replace(push(f"{key}/dispatch-1/{channel}", key), channel=channel) for channel in channels]
        await self.yard.commit(Batch(incidents={key: incident(key, **more)}, pushes=pushes))

    def console(self, **more: Any) -> Any:
        return self.yard.console(doors=DOORS, now=lambda: self.at, **more)

    async def calls(
        self, api: Api, body: Mapping[str, Any], name: str = "msg-1", path: str = HOOK, **more: Any
    ) -> Reply:
        raw = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **signed(raw, self.at, name), **more.pop("headers", {})}
        return await api.ask("POST", path, token=None, data=raw, headers=headers, **more)

    async def writes(self, api: Api, text: str, nick: str = "王强", name: str = "m1") -> str:
        """What the robot says in the group."""
        call = {"msgId": name, "senderNick": nick, "text": {"content": f" {text}"}, "msgtype": "text"}
        headers = {"Content-Type": "application/json", **robot(self.at)}
        reply = await api.ask("POST", DUTY, token=None, data=json.dumps(call).encode(), headers=headers)
        assert (reply.status, reply.json()["msgtype"]) == (200, "text")
        return str(reply.json()["text"]["content"])


ACK = {"incident": "inc-000012", "verb": "acknowledge", "by": "李梅"}


async def test_a_gateway_answers_for_who_pressed_a_key() -> None:
    group = Group()
    await group.burns()
    async with group.console() as api:
        reply = await group.calls(api, {**ACK, "note": "按键1"})
    assert (reply.status, reply.json()["zh"]) == (200, "已记录：李梅 接警")
    assert group.yard.moves == [("inc-000012", Verb.ACKNOWLEDGE, "李梅", "按键1", None)]
    assert group.yard.ways == ["reply"]


async def test_words_in_the_duty_group_go_the_whole_way() -> None:
    group = Group()
    await group.burns()
    async with group.console() as api:
        for number, (words, said) in enumerate(
            [
                ("接警 12", "王强 接警"),
                ("到场 12", "王强 到场"),
                ("备注 12 水带已到", "王强 备注"),
                ("处置 12", "王强 处置完毕"),
            ]
        ):
            assert said in await group.writes(api, words, name=f"m{number}")
    assert [(move[1], move[2], move[3]) for move in group.yard.moves] == [
        (Verb.ACKNOWLEDGE, "王强", ""), (Verb.ON_SCENE, "王强", ""), (Verb.NOTE, "王强", "水带已到"), (Verb.RESOLVE, "王强", ""),
    ]  # fmt: skip


async def test_what_comes_twice_is_answered_alike_and_done_once() -> None:
    group = Group()
    await group.burns()
    note = {"incident": "inc-000012", "verb": "note", "by": "li", "note": "x"}
    async with group.console() as api:
        answers = await asyncio.gather(*(group.calls(api, note) for _ in range(5)))
        answers.append(await group.calls(api, note))
        assert len({(a.status, a.body) for a in answers}) == 1
        assert len(group.yard.moves) == 1
        assert await group.writes(api, "备注 12 y") == await group.writes(api, "备注 12 y")
        assert len(group.yard.moves) == 2
        # Later it could not be played again anyway.
        again = signed(json.dumps(note).encode(), NOW)
        group.at += WINDOW + MINUTE
        assert (await group.calls(api, note, headers=again)).status == 401


async def test_who_comes_second_hears_who_was_first() -> None:
    group = Group()
    await group.burns()
    async with group.console() as api:
        await group.calls(api, {**ACK, "verb": "on-scene"})
        assert "已由 李梅 到场" in await group.writes(api, "到场 12")
    assert len(group.yard.moves) == 1


async def test_the_only_incident_needs_no_number_and_one_of_several_does() -> None:
    group = Group()
    await group.burns()
    await group.burns("inc-000013", ("hook",))  # another channel's
    await group.burns("inc-000011", state=IncidentState.RESOLVED)
    async with group.console() as api:
        assert "inc-000012" in await group.writes(api, "收到", name="m1")
        await group.burns("inc-000014", at=NOW + MINUTE)
        assert "警情编号" in await group.writes(api, "到场", name="m2")
    assert [move[0] for move in group.yard.moves] == ["inc-000012"]


async def test_a_channel_answers_only_what_it_was_told_of() -> None:
    group = Group()
    await group.burns("inc-000012", ("duty",))
    async with group.console() as api:
        reply = await group.calls(api, ACK)
        assert reply.status == 404
        assert reply.json()["type"].endswith("unknown-incident")
        assert "没有警情" in await group.writes(api, "接警 99")
    assert group.yard.moves == []


async def test_refusals_are_told_in_the_group_and_as_problems_elsewhere() -> None:
    group = Group()
    await group.burns(state=IncidentState.CLOSED)
    async with group.console() as api:
        assert (await group.calls(api, ACK)).status == 409
        assert "现在不能执行" in await group.writes(api, "接警 12")
        assert "请回复" in await group.writes(api, "这是什么？", name="m2")
        assert (await group.calls(api, {**ACK, "verb": "close"}, "msg-2")).status == 422


async def test_strangers_are_refused_whatever_they_say_and_their_words_are_not_logged() -> None:
    group = Group()
    await group.burns()
    async with group.console() as api:
        with capture_logs() as logs:
            for path, headers in ((HOOK, {}), (HOOK, robot()), (DUTY, {}), (DUTY, robot(secret="x")), (DUTY, signed())):
                sent = {"Content-Type": "application/json", **headers}
                reply = await api.ask("POST", path, token=None, data=b'{"secret words": 1}', headers=sent)
                assert reply.status == 401
        reply = await api.ask("POST", "/api/v1/reply/topics", token=None, data=b"{}")
        assert (reply.status, reply.json()["type"].endswith("unknown-channel")) == (404, True)
    assert group.yard.moves == []
    assert "secret words" not in str(logs)
    assert SECRET not in str(logs)


async def test_a_move_that_is_not_confirmed_may_be_tried_again_under_the_same_id() -> None:
    group = Group()
    await group.burns()
    hangs = True

    async def post(*given: Any) -> Incident:
        if hangs:
            await asyncio.Event().wait()
        return await group.yard.post(*given)

    async with group.console(post=post, move_timeout=0.05) as api:
        assert (await group.calls(api, ACK)).status == 504
        hangs = False
        assert (await group.calls(api, ACK)).status == 200


async def test_replies_have_a_bound() -> None:
    group = Group()
    await group.burns()
    async with group.console() as api:
        for number in range(A_MINUTE):
            assert (await group.calls(api, ACK, f"msg-{number}")).status == 200
        limited = await group.calls(api, ACK, "msg-last")
        assert (limited.status, limited.headers["Retry-After"]) == (429, "60")
        assert "王强" in await group.writes(api, "接警 12")


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'"x"', b"\xff"])
async def test_nonsense_that_is_signed_is_refused(raw: bytes) -> None:
    group = Group()
    async with group.console() as api:
        headers = {"Content-Type": "application/json", **(signed(raw) if raw.isascii() else {})}
        assert (await api.ask("POST", HOOK, token=None, data=raw, headers=headers)).status in (401, 422)
        headers = {"Content-Type": "application/json", **robot()}
        reply = await api.ask("POST", DUTY, token=None, data=raw, headers=headers)
        assert (reply.status, "请回复" in reply.json()["text"]["content"]) == (200, True)
