"""The port `Channel`: one suite over webhooks and robots against real servers that behave badly, and incident topics on
a real broker.

What is sent is read with the eyes of a receiver: signatures are verified, not recomputed by the same code.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import random
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Literal

import aiohttp
import aiomqtt
import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook as Verifier

from monitor.adapters import dingtalk, feishu
from monitor.adapters.dingtalk import DingTalk
from monitor.adapters.feishu import Feishu
from monitor.adapters.http_gateway import HttpGateway
from monitor.adapters.http_post import HttpPost
from monitor.adapters.mqtt_topics import MqttTopics
from monitor.adapters.webhook import Webhook
from monitor.adapters.wecom import WeCom
from monitor.clock import FakeClock
from monitor.directory import Contact
from monitor.gateways import Gateway
from monitor.gateways.aliyun import Aliyun
from monitor.gateways.generic import Generic
from monitor.gateways.tencent import Tencent
from monitor.outbox import LaneLimits, Outbox
from monitor.ports import Channel, NeverWill, TryAgain
from monitor.posting import Address, Answer, Codes, Poster, retry_after
from rules.model import MINUTE, Kind, Micros, Outcome, Push
from tests.providers import (
    HOST,
    babbler,
    cut,
    cut_within_the_answer,
    echo,
    hang,
    huge,
    late,
    ok,
    provider,
    status,
)
from tests.servers import Mosquitto, free_port, mosquitto

TOKEN = "3f9c1d2b-7777-4a4a-token"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WHSEC_NEW = "whsec_" + base64.b64encode(b"another secret of 32 bytes......").decode()
DING_SECRET = "SEC" + "0" * 63
FEISHU_SECRET = "feishu-secret"
KEY_SECRET = "the-accounts-secret-key"
MOBILE = "13800000000"
CONTACTS = {"duty-1": Contact(mobile=SecretStr(MOBILE), email=SecretStr("duty@station.example"))}


def a_push(kind: str = "incident.dispatch", **incident: Any) -> Push:
    told: dict[str, object] = {
        "id": "inc-000007",
        "site": "home",
        "zone": "home/garage",
        "zone_name": {"zh": "3号楼2层充电库", "en": "Building 3 garage"},
        "title": {"zh": "感烟报警", "en": "smoke alarm"},
        "state": "dispatched",
        **incident,
    }
    body: dict[str, object] = {"type": kind, "step": "dispatch-1", "incident": told, "advice": None, "reading": None}
    at = time.time_ns() // 1000
    key = "inc-000007/dispatch-1/duty"
    return Push(at, key, "inc-000007", "dispatch-1", "duty", Kind.FIRE, at + 30 * MINUTE, body)


@dataclass(frozen=True)
class Sort:
    """One sort of HTTP channel: how it is made, what its provider says, and which of its codes mean what."""

    name: str
    make: Callable[[Poster, str], Channel]
    accepted: str
    again: tuple[str, ...] = ()
    """Refusals inside a 200 that may pass."""
    never: tuple[str, ...] = ()
    """Refusals inside a 200 that blame the message."""
    secrets: tuple[str, ...] = (TOKEN,)
    person: str = ""
    """Whom its pushes are for, where the channel speaks to one person."""

    def push(self, kind: str = "incident.dispatch", **incident: Any) -> Push:
        return replace(a_push(kind, **incident), to=self.person)


GENERIC: dict[str, Any] = {
    "account": "wanglou",
    "password": "{password}",
    "to": "{mobile}",
    "words": "{text}",
    "id": "{key}",
}


def generic(url: str, **changes: Any) -> Generic:
    codes = Codes(("result.code",), frozenset({1004}), frozenset({1010}), 7.0)
    settings = {"secrets": {"password": SecretStr(TOKEN)}, "body_json": GENERIC, "codes": codes, **changes}
    return Generic(SecretStr(f"{url}/sms/send"), **settings)


def aliyun(url: str, kind: Literal["sms", "voice"] = "sms") -> Aliyun:
    variables = {"title": "{title}", "place": "{place}"}
    return Aliyun(
        kind, SecretStr(TOKEN), SecretStr(KEY_SECRET), template="SMS_1", parameters=variables, sign_name="望楼", base_url=url
    )  # fmt: skip


def tencent(url: str, kind: Literal["sms", "voice"] = "sms") -> Tencent:
    return Tencent(
        kind, SecretStr(TOKEN), SecretStr(KEY_SECRET), app_id="1400006666", template="1234",
        parameters=("{title}", "{place}"), sign_name="望楼", base_url=url,
    )  # fmt: skip


def telephone(poster: Poster, gateway: Gateway, *, voice: bool = False, **settings: Any) -> HttpGateway:
    return HttpGateway("duty", poster, gateway, voice=voice, contacts=CONTACTS, **settings)


GROUPS = (
    Sort(
        "webhook",
        lambda poster, url: Webhook("duty", poster, SecretStr(f"{url}/hooks/{TOKEN}?key={TOKEN}"), [SecretStr(WHSEC)]),
        '{"taken":true}',
        secrets=(TOKEN, WHSEC),
    ),
    Sort(
        "dingtalk",
        lambda poster, url: DingTalk(
            "duty", poster, SecretStr(TOKEN), SecretStr(DING_SECRET), mobiles=[MOBILE], base_url=url
        ),
        '{"errcode":0,"errmsg":"ok"}',
        again=(
            '{"errcode":310000,"errmsg":"keywords not in content"}',
            '{"errcode":300001,"errmsg":"token is not exist"}',
            '{"errcode":130101,"errmsg":"send too fast"}',
            '{"errcode":-1,"errmsg":"system busy"}',
        ),
        never=('{"errcode":40035,"errmsg":"bad parameter"}',),
        secrets=(TOKEN, DING_SECRET),
    ),
    Sort(
        "wecom",
        lambda poster, url: WeCom("duty", poster, SecretStr(TOKEN), mobiles=[MOBILE], base_url=url),
        '{"errcode":0,"errmsg":"ok"}',
        again=(
            '{"errcode":45009,"errmsg":"api freq out of limit"}',
            '{"errcode":93000,"errmsg":"invalid webhook url"}',
        ),
        never=('{"errcode":40008,"errmsg":"invalid message type"}',),
    ),
    Sort(
        "feishu",
        lambda poster, url: Feishu(
            "duty", poster, SecretStr(TOKEN), SecretStr(FEISHU_SECRET), users=["ou_abc1"], base_url=url
        ),
        '{"code":0,"msg":"success","data":{}}',
        again=(
            '{"code":19021,"msg":"sign match fail"}',
            '{"code":9499,"msg":"Bad Request"}',
            '{"code":11232,"msg":"frequency limited"}',
        ),
        secrets=(TOKEN, FEISHU_SECRET),
    ),
)
TELEPHONES = (
    Sort(
        "sms generic",
        lambda poster, url: telephone(poster, generic(url)),
        '{"result":{"code":0},"id":"1"}',
        again=('{"result":{"code":1010}}', '{"result":{"code":"0"}}', '{"result":{"code":7}}'),
        never=('{"result":{"code":1004}}',),
        secrets=(TOKEN, MOBILE),
        person="duty-1",
    ),
    Sort(
        "sms aliyun",
        lambda poster, url: telephone(poster, aliyun(url)),
        '{"Code":"OK","Message":"OK","BizId":"9006197469364984^0","RequestId":"F655A8D5"}',
        again=(
            '{"Code":"isv.AMOUNT_NOT_ENOUGH","Message":"no money"}',
            '{"Code":"isv.BUSINESS_LIMIT_CONTROL","Message":"too often"}',
        ),
        never=('{"Code":"isv.MOBILE_NUMBER_ILLEGAL","Message":"not a number"}',),
        secrets=(TOKEN, KEY_SECRET, MOBILE),
        person="duty-1",
    ),
    Sort(
        "voice aliyun",
        lambda poster, url: telephone(poster, aliyun(url, "voice"), voice=True),
        '{"Code":"OK","Message":"OK","CallId":"116012354148^10281378","RequestId":"D9CB3933"}',
        again=('{"Code":"isv.OUT_OF_SERVICE","Message":"suspended"}',),
        never=('{"Code":"isv.PARAM_LENGTH_LIMIT","Message":"too long"}',),
        secrets=(TOKEN, KEY_SECRET, MOBILE),
        person="duty-1",
    ),
    Sort(
        "sms tencent",
        lambda poster, url: telephone(poster, tencent(url)),
        '{"Response":{"SendStatusSet":[{"Code":"Ok","Message":"send success","Fee":1}],"RequestId":"a0aa"}}',
        again=(
            '{"Response":{"SendStatusSet":[{"Code":"LimitExceeded.PhoneNumberThirtySecondLimit"}]}}',
            '{"Response":{"Error":{"Code":"AuthFailure.SignatureExpire","Message":"clock"},"RequestId":"x"}}',
        ),
        never=('{"Response":{"SendStatusSet":[{"Code":"InvalidParameterValue.IncorrectPhoneNumber"}]}}',),
        secrets=(TOKEN, KEY_SECRET, MOBILE),
        person="duty-1",
    ),
    Sort(
        "voice tencent",
        lambda poster, url: telephone(poster, tencent(url, "voice"), voice=True),
        '{"Response":{"SendStatus":{"CallId":"8f1a","SessionContext":"x"},"RequestId":"a0aa"}}',
        again=(
            '{"Response":{"Error":{"Code":"LimitExceeded.DeliveryFrequencyLimit","Message":"too often"}}}',
            '{"Response":{"Error":{"Code":"UnauthorizedOperation.VoiceSdkAppidVerifyFail","Message":"no"}}}',
        ),
        never=('{"Response":{"Error":{"Code":"InvalidParameterValue.CalledNumberVerifyFail","Message":"no"}}}',),
        secrets=(TOKEN, KEY_SECRET, MOBILE),
        person="duty-1",
    ),
)
SORTS = (*GROUPS, *TELEPHONES)
CODED = tuple(sort for sort in SORTS if sort.again)
ROBOTS = tuple(sort for sort in CODED if sort not in TELEPHONES)
every_sort = pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.name)
every_coded = pytest.mark.parametrize("sort", CODED, ids=lambda sort: sort.name)
every_telephone = pytest.mark.parametrize("sort", TELEPHONES, ids=lambda sort: sort.name)
every_robot = pytest.mark.parametrize("sort", ROBOTS, ids=lambda sort: sort.name)


@pytest.fixture
async def poster() -> AsyncIterator[Poster]:
    async with aiohttp.ClientSession() as session:
        yield HttpPost(session)


# --- all HTTP channels ------------------------------------------------------------------------------------------------


@every_sort
async def test_an_accepted_push_returns_the_providers_answer(sort: Sort, poster: Poster) -> None:
    async with provider(ok(sort.accepted)) as server:
        channel = sort.make(poster, server.url)
        assert channel.name == "duty"
        reply = await channel.send(sort.push(), attempt=1)
        assert reply == f"HTTP 200 {sort.accepted}"
        (request,) = server.received
        if sort.name not in ("sms aliyun", "voice aliyun"):
            assert request.headers["content-type"].startswith("application/json")
        assert request.headers["user-agent"] == "wanglou"
        await channel.aclose()


@every_sort
async def test_a_late_answer_is_waited_for(sort: Sort, poster: Poster) -> None:
    async with provider(late(0.1, ok(sort.accepted))) as server:
        assert await sort.make(poster, server.url).send(sort.push(), attempt=1) == f"HTTP 200 {sort.accepted}"


@every_sort
@pytest.mark.parametrize("number", [408, 425, 429, 500, 502, 503, 504, 301, 302, 307])
async def test_what_may_pass_is_tried_again(sort: Sort, number: int, poster: Poster) -> None:
    async with provider(status(number, "no", Location="http://127.0.0.1:1/elsewhere")) as server:
        with pytest.raises(TryAgain, match=f"HTTP {number}") as caught:
            await sort.make(poster, server.url).send(sort.push(), attempt=1)
        assert caught.value.after is None
        assert len(server.received) == 1


@every_sort
@pytest.mark.parametrize("number", [400, 413, 415, 422])
async def test_a_message_that_is_blamed_is_given_up(sort: Sort, number: int, poster: Poster) -> None:
    async with provider(status(number, "bad")) as server:
        with pytest.raises(NeverWill, match=f"HTTP {number} bad"):
            await sort.make(poster, server.url).send(sort.push(), attempt=1)


@every_sort
async def test_retry_after_is_told(sort: Sort, poster: Poster) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=40), usegmt=True)
    answers = [status(429, "slow", Retry_After=value) for value in ("7", soon, past, "soon")]
    async with provider(*answers) as server:
        channel = sort.make(poster, server.url)
        found = []
        for _ in answers:
            with pytest.raises(TryAgain) as caught:
                await channel.send(sort.push(), attempt=1)
            found.append(caught.value.after)
    assert found[0] == 7
    assert found[1] is not None
    assert 20 < found[1] <= 40
    assert found[2:] == [0, None]


@every_sort
async def test_cut_connections_are_tried_again(sort: Sort, poster: Poster) -> None:
    async with provider(cut(), cut_within_the_answer()) as server:
        channel = sort.make(poster, server.url)
        for _ in range(2):
            with pytest.raises(TryAgain, match="cut"):
                await channel.send(sort.push(), attempt=1)


@every_sort
async def test_a_closed_port_and_a_strange_protocol_are_tried_again(sort: Sort, poster: Poster) -> None:
    with pytest.raises(TryAgain, match="cannot connect"):
        await sort.make(poster, f"http://{HOST}:{free_port()}").send(sort.push(), attempt=1)
    async with babbler(b"220 mail.example ESMTP\r\n") as url:
        with pytest.raises(TryAgain, match="not HTTP"):
            await sort.make(poster, url).send(sort.push(), attempt=1)


@every_sort
async def test_a_hanging_provider_leaves_no_connection_behind(sort: Sort) -> None:
    connector = aiohttp.TCPConnector()
    async with aiohttp.ClientSession(connector=connector) as session, provider(hang()) as server:
        channel = sort.make(HttpPost(session), server.url)
        sending = asyncio.create_task(channel.send(sort.push(), attempt=1))
        async with asyncio.timeout(10):
            while not server.open_requests:
                await asyncio.sleep(0.01)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        async with asyncio.timeout(5):
            while server.open_requests:
                await asyncio.sleep(0.01)


@every_sort
async def test_a_huge_answer_is_read_in_bounds(sort: Sort, poster: Poster) -> None:
    async with provider(huge(64)) as server:
        channel = sort.make(poster, server.url)
        try:
            shown = await channel.send(sort.push(), attempt=1)
        except TryAgain as refusal:
            assert sort in CODED
            shown = str(refusal)
        else:
            assert sort not in CODED
        assert len(shown) <= 300
        async with asyncio.timeout(5):
            while server.open_requests:
                await asyncio.sleep(0.01)


@every_sort
async def test_no_secret_comes_back_out(sort: Sort, poster: Poster, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    told = []
    async with provider(echo(), cut(), status(500, f"see {TOKEN}"), status(302, "x" * 280 + TOKEN)) as server:
        channel = sort.make(poster, server.url)
        for _ in range(4):
            with pytest.raises((TryAgain, NeverWill)) as caught:
                await channel.send(sort.push(), attempt=1)
            told += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
            assert caught.value.__cause__ is None
    closed = sort.make(poster, f"http://{HOST}:{free_port()}")
    with pytest.raises(TryAgain) as caught:
        await closed.send(sort.push(), attempt=1)
    told += [str(caught.value), repr(vars(closed))]
    told += [record.getMessage() for record in caplog.records if record.name != "aiohttp.server"]
    for secret in sort.secrets:
        assert not any(secret in words for words in told), secret
        assert not any(secret[:12] in words for words in told), secret


@every_sort
async def test_what_is_no_json_is_given_up_before_it_is_sent(sort: Sort, poster: Poster) -> None:
    push = replace(sort.push(), body={"type": "incident.dispatch", "odd": float("nan")})
    async with provider(ok(sort.accepted)) as server:
        if sort in CODED:
            # Robots are sent words, not numbers.
            await sort.make(poster, server.url).send(push, attempt=1)
        else:
            with pytest.raises(NeverWill, match="JSON"):
                await sort.make(poster, server.url).send(push, attempt=1)
            assert server.received == []


@every_sort
async def test_lone_surrogates_and_control_characters_do_not_stop_a_dispatch(sort: Sort, poster: Poster) -> None:
    async with provider(ok(sort.accepted)) as server:
        push = sort.push(title={"zh": "\ud800烟\x00\u202e", "en": "\ud800"})
        await sort.make(poster, server.url).send(push, attempt=1)
        assert "烟" in server.received[0].told


@every_sort
async def test_a_check_pages_nobody(sort: Sort, poster: Poster) -> None:
    async with provider(ok(sort.accepted)) as server:
        line = await sort.make(poster, server.url).check()
        assert line.startswith(f"{server.url} reachable (TCP, not encrypted)")
        assert "\n" not in line
        assert TOKEN not in line
        assert server.received == []
    with pytest.raises(TryAgain, match="cannot connect"):
        await sort.make(poster, f"http://{HOST}:{free_port()}").check()


@every_sort
async def test_through_the_outbox_from_failure_to_delivery(sort: Sort, poster: Poster) -> None:
    """The real channel in its real lane; one key on every attempt."""
    reports: list[tuple[Outcome, int, str]] = []
    done = asyncio.Event()
    begin = time.time_ns() // 1000

    def put(key: str, outcome: Outcome, attempt: int, reply: str, next_at: Micros | None) -> None:
        reports.append((outcome, attempt, reply))
        if outcome is not Outcome.RETRY:
            done.set()

    async with provider(hang(), status(503), cut(), ok(sort.accepted)) as server:
        channel = sort.make(poster, server.url)
        outbox = Outbox(
            {"duty": channel},
            put,
            # Time runs fifty times faster; the schedule itself is proved in tests/monitor/test_outbox.py.
            now=lambda: begin + (time.time_ns() // 1000 - begin) * 50,
            sleep=lambda seconds: asyncio.sleep(seconds / 50),
            rng=random.Random(1),
            limits={"duty": LaneLimits(timeout=0.3)},
        )
        task = asyncio.create_task(outbox.run())
        outbox.offer(sort.push())
        async with asyncio.timeout(30):
            await done.wait()
        await outbox.drain(5)
        await task
        # On a busy machine an attempt more may run out of its time; none may be missing.
        assert len(reports) >= 4
        assert [outcome for outcome, _, _ in reports[:-1]] == [Outcome.RETRY] * (len(reports) - 1)
        assert reports[-1][0] is Outcome.ACCEPTED
        assert [attempt for _, attempt, _ in reports] == list(range(1, len(reports) + 1))
        assert reports[0][2] == "no answer within 0.3 s"
        keys = {request.headers.get("webhook-id") for request in server.received}
        assert keys == ({a_push().key} if sort not in CODED else {None})


# --- robots: 200 is not yet a delivery --------------------------------------------------------------------------------


@every_coded
async def test_an_error_code_inside_a_200_is_a_failure(sort: Sort, poster: Poster) -> None:
    async with provider(*(ok(body) for body in (*sort.again, *sort.never, sort.accepted))) as server:
        channel = sort.make(poster, server.url)
        for body in sort.again:
            with pytest.raises(TryAgain) as caught:
                await channel.send(sort.push(), attempt=1)
            assert str(caught.value).endswith(body)
        for _ in sort.never:
            with pytest.raises(NeverWill):
                await channel.send(sort.push(), attempt=1)


@every_coded
@pytest.mark.parametrize(
    "body",
    [
        "",
        "ok",
        "<html>log in</html>",
        "[]",
        "{}",
        '{"errcode":"0","code":"0"}',
        '{"code":true,"errcode":false}',
        "[" * 9999,
    ],
)
async def test_a_200_that_is_not_the_providers_own_is_no_delivery(sort: Sort, body: str, poster: Poster) -> None:
    async with provider(ok(body)) as server:
        with pytest.raises(TryAgain, match="not the provider's answer"):
            await sort.make(poster, server.url).send(sort.push(), attempt=1)


@every_coded
async def test_a_code_of_success_in_a_500_is_no_delivery(sort: Sort, poster: Poster) -> None:
    async with provider(status(500, sort.accepted)) as server:
        with pytest.raises(TryAgain):
            await sort.make(poster, server.url).send(sort.push(), attempt=1)


@every_telephone
async def test_a_person_without_a_number_is_named_by_the_key(sort: Sort, poster: Poster) -> None:
    async with provider(ok(sort.accepted)) as server:
        channel = sort.make(poster, server.url)
        with pytest.raises(NeverWill, match="person 'guest' has no mobile: add it to the person"):
            await channel.send(replace(a_push(), to="guest"), attempt=1)
        with pytest.raises(NeverWill, match="speaks to one person"):
            await channel.send(a_push(), attempt=1)
        assert server.received == []


@every_telephone
async def test_the_number_the_words_and_the_key_arrive(sort: Sort, poster: Poster) -> None:
    async with provider(ok(sort.accepted)) as server:
        await sort.make(poster, server.url).send(sort.push(), attempt=1)
        told = server.received[0].told
        assert MOBILE in told
        assert "感烟报警" in told
        assert "3号楼2层充电库" in told
        if sort.name != "voice aliyun":  # which has room for fifteen bytes
            assert sort.push().key in told


@pytest.mark.parametrize(
    ("sort", "code"), [("dingtalk", 130101), ("dingtalk", 410100), ("wecom", 45009), ("feishu", 11232)]
)
async def test_too_fast_asks_for_a_pause(sort: str, code: int, poster: Poster) -> None:
    robot = next(one for one in ROBOTS if one.name == sort)
    async with provider(ok(json.dumps({"errcode": code, "code": code}))) as server:
        with pytest.raises(TryAgain) as caught:
            await robot.make(poster, server.url).send(robot.push(), attempt=1)
        assert caught.value.after is not None
        assert caught.value.after >= 5


@every_robot
async def test_people_are_mentioned_when_somebody_must_move_and_else_not(sort: Sort, poster: Poster) -> None:
    async with provider(ok(sort.accepted)) as server:
        channel = sort.make(poster, server.url)
        await channel.send(sort.push(), attempt=1)
        await channel.send(sort.push("incident.update"), attempt=1)
        called, calm = (json.dumps(request.json) for request in server.received)
        who = "ou_abc1" if sort.name == "feishu" else MOBILE
        assert who in called
        assert who not in calm


@every_robot
async def test_the_limit_in_bytes_is_kept(sort: Sort, poster: Poster) -> None:
    long = '"烟<' * 40_000
    async with provider(ok(sort.accepted)) as server:
        await sort.make(poster, server.url).send(sort.push(title={"zh": long, "en": long}), attempt=1)
        (request,) = server.received
        message = request.json
        if sort.name == "wecom":
            assert len(message["text"]["content"].encode()) <= 2048
        words = message["text"]["content"] if sort.name != "feishu" else message["content"]["text"]
        assert words.startswith("【火警】")
        assert len(request.body) <= 20_000
        # The mention stands after the cut, or it would be cut off.
        if sort.name == "dingtalk":
            assert words.endswith(f"…\n@{MOBILE}")
        if sort.name == "feishu":
            assert words.endswith('…\n<at user_id="ou_abc1"></at>')


# --- each provider's own --------------------------------------------------------------------------------------------


async def test_a_webhook_is_verified_by_the_receivers_library(poster: Poster) -> None:
    async with provider(ok("")) as server:
        secrets = [SecretStr(WHSEC_NEW), SecretStr(WHSEC)]
        channel = Webhook("duty", poster, server.url, secrets, headers={"X-Key": SecretStr("k")})
        push = a_push()
        await channel.send(push, attempt=1)
        await channel.send(push, attempt=2)
        first, second = server.received
        for secret in (WHSEC, WHSEC_NEW):
            assert Verifier(secret).verify(first.body, dict(first.headers)) == first.json
        assert len(first.headers["webhook-signature"].split(" ")) == 2
        assert first.headers["x-key"] == "k"
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"] == push.key
        assert (first.headers["wanglou-attempt"], second.headers["wanglou-attempt"]) == ("1", "2")
        assert abs(int(first.headers["webhook-timestamp"]) - time.time()) < 60
        assert first.json["key"] == push.key
        assert first.json["type"] == "incident.dispatch"
        assert first.json["data"]["incident"]["title"]["zh"] == "感烟报警"


async def test_the_webhook_vector_and_the_exact_bytes(poster: Poster) -> None:
    """The published vector shows that secret, id, time and bytes are joined as the standard says."""
    moment = 1_614_265_330
    key, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}'
    secret = base64.b64decode(WHSEC.removeprefix("whsec_"))
    vector = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert _standard_signature(secret, key, moment, body.encode()) == vector
    async with provider(ok("")) as server:
        channel = Webhook("duty", poster, server.url, [SecretStr(WHSEC)], now=lambda: moment * 1_000_000 + 999_999)
        await channel.send(replace(a_push(), key=key), attempt=1)
        (request,) = server.received
        assert request.headers["webhook-timestamp"] == str(moment)
        assert request.headers["webhook-signature"] == _standard_signature(secret, key, moment, request.body)


def _standard_signature(secret: bytes, key: str, moment: int, body: bytes) -> str:
    digest = hmac.new(secret, f"{key}.{moment}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


async def test_a_webhook_without_a_secret_is_unsigned_and_the_check_says_so(poster: Poster) -> None:
    async with provider(ok("")) as server:
        channel = Webhook("duty", poster, server.url)
        await channel.send(a_push(), attempt=1)
        assert "webhook-signature" not in server.received[0].headers
        assert server.received[0].headers["webhook-id"] == a_push().key
        assert "unsigned" in await channel.check()


async def test_gone_means_gone(poster: Poster) -> None:
    async with provider(status(410)) as server:
        with pytest.raises(NeverWill, match="wants no more"):
            await Webhook("duty", poster, server.url).send(a_push(), attempt=1)


@pytest.mark.parametrize("number", [401, 403, 404, 405])
async def test_a_webhook_that_is_refused_is_given_up_but_a_robot_waits_for_the_operator(
    number: int, poster: Poster
) -> None:
    async with provider(status(number)) as server:
        with pytest.raises(NeverWill):
            await Webhook("duty", poster, server.url).send(a_push(), attempt=1)
        for sort in ROBOTS:
            with pytest.raises(TryAgain):
                await sort.make(poster, server.url).send(a_push(), attempt=1)


@pytest.mark.parametrize("secret", ["whsec_", "", "whsec_ä", "whsec_A"])
def test_a_malformed_webhook_secret_is_refused_without_quoting_it(secret: str, poster: Poster) -> None:
    with pytest.raises(ValueError, match="webhook secret 1") as caught:
        Webhook("duty", poster, "https://hooks.example/x", [SecretStr(secret)])
    if secret not in ("", "whsec_"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "ftp://host/x", "https://", "host/hush", "https://host:99999/hush", "https://[hush"]
)
def test_an_address_that_is_none_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError, match="not a valid address") as caught:
        Address(SecretStr(url))
    assert "hush" not in str(caught.value)


def test_the_dingtalk_vector() -> None:
    expected = "mphPIqgjGbRzHPELpWQPiram3BEkrp9g5J866J8sMcg="
    assert dingtalk.signature(1_700_000_000_000, SecretStr(DING_SECRET)) == expected


def test_the_feishu_vector() -> None:
    expected = "OrBzY1Y01Gq+HgJsl+7OfWcMVwc7YocohQm5iiZwjhU="
    assert feishu.signature(1_700_000_000, SecretStr(FEISHU_SECRET)) == expected


async def test_dingtalks_signature_survives_the_address_line(poster: Poster) -> None:
    """Base64 has + / and =: encoded once they arrive as they were, encoded twice the robot refuses them."""
    async with provider(ok('{"errcode":0}')) as server:
        signs = set()
        for second in range(40):
            moment = (1_700_000_000 + second) * 1_000_000
            clock = FakeClock(moment)
            channel = DingTalk(
                "duty", poster, SecretStr(TOKEN), SecretStr(DING_SECRET), base_url=server.url, now=clock.now
            )
            await channel.send(a_push(), attempt=1)
            query = server.received[-1].query
            assert query["access_token"] == TOKEN
            assert query["timestamp"] == str(moment // 1000)
            assert query["sign"] == dingtalk.signature(moment // 1000, SecretStr(DING_SECRET))
            signs.add(query["sign"])
        assert any("+" in sign for sign in signs)
        assert any("/" in sign for sign in signs)
        assert {request.path for request in server.received} == {"/robot/send"}


async def test_dingtalk_as_markdown_with_keyword_and_without_secret(poster: Poster) -> None:
    async with provider(ok('{"errcode":0}')) as server:
        channel = DingTalk(
            "duty", poster, SecretStr(TOKEN), mobiles=[MOBILE], at_all=True, style="markdown", keyword="消防",
            base_url=server.url,
        )  # fmt: skip
        await channel.send(a_push(), attempt=1)
        (request,) = server.received
        assert set(request.query) == {"access_token"}
        message = request.json
        assert message["msgtype"] == "markdown"
        assert message["markdown"]["title"].startswith("【火警】3号楼2层充电库 感烟报警")
        assert message["markdown"]["text"].startswith("### 【火警】3号楼2层充电库 感烟报警")
        assert message["markdown"]["text"].endswith(f"@{MOBILE}\n消防")
        assert message["at"] == {"atMobiles": [MOBILE], "isAtAll": True}


LINK = "https://board.example/a/signed-token-of-the-link"


def call(kind: str = "incident.call", to: str = "", **incident: Any) -> Push:
    return replace(a_push(kind, **incident), to=to)


async def test_a_dingtalk_card_has_a_button_while_nobody_has_acknowledged(poster: Poster) -> None:
    async with provider(ok('{"errcode":0}')) as server:
        channel = DingTalk(
            "duty", poster, SecretStr(TOKEN), mobiles=[MOBILE], style="card", keyword="消防", link=lambda _: LINK,
            base_url=server.url,
        )  # fmt: skip
        for push in (call(), call("incident.update"), call(state="acknowledged")):
            await channel.send(push, attempt=1)
        card, news, late = (request.json for request in server.received)
        assert card["msgtype"] == "actionCard"
        assert card["actionCard"]["singleURL"] == LINK
        assert card["actionCard"]["singleTitle"] == "接警 Acknowledge"
        assert card["actionCard"]["title"].startswith("【火警，无人接警】3号楼2层充电库 感烟报警")
        assert card["actionCard"]["text"].endswith(f"@{MOBILE}\n消防")
        assert card["at"]["atMobiles"] == [MOBILE]
        assert [message["msgtype"] for message in (news, late)] == ["text", "text"]
        assert LINK not in news["text"]["content"] + late["text"]["content"]


async def test_a_feishu_card_has_a_button_and_its_names_are_dead(poster: Poster) -> None:
    async with provider(ok('{"code":0}')) as server:
        channel = Feishu(
            "duty", poster, SecretStr(TOKEN), SecretStr(FEISHU_SECRET), users=["ou_abc1"], style="card",
            link=lambda _: LINK, base_url=server.url,
        )  # fmt: skip
        await channel.send(
            call(title={"zh": "[点我](http://evil.example)<at id=all></at>", "en": "x" * 9000}), attempt=1
        )
        await channel.send(call("incident.update"), attempt=1)
        first, news = server.received
        assert len(first.body) < 20_000
        card = first.json["card"]
        assert first.json["msg_type"] == "interactive"
        assert card["header"]["template"] == "red"
        words, button = card["elements"][0]["text"]["content"], card["elements"][1]["actions"][0]
        assert words.endswith("\n<at id=ou_abc1></at>")
        assert not set(words.removesuffix("<at id=ou_abc1></at>")) & set("<>[]()")
        assert (button["url"], button["text"]["content"]) == (LINK, "接警 Acknowledge")
        assert {"timestamp", "sign"} <= set(first.json)
        assert news.json["msg_type"] == "text"


async def test_a_wecom_card_gives_way_to_a_text_where_somebody_must_be_mentioned(poster: Poster) -> None:
    async with provider(ok('{"errcode":0}')) as server:
        channel = WeCom(
            "duty", poster, SecretStr(TOKEN), style="card", contacts=CONTACTS, link=lambda _: LINK, base_url=server.url
        )  # fmt: skip
        await channel.send(call(title={"zh": "烟" * 900, "en": "smoke" * 200}), attempt=1)
        await channel.send(call(to="duty-1"), attempt=1)
        await channel.send(call("incident.update"), attempt=1)
        card, mention, news = (request.json for request in server.received)
        assert card["msgtype"] == "template_card"
        assert card["template_card"]["card_action"] == {"type": 1, "url": LINK}
        assert card["template_card"]["jump_list"] == [{"type": 1, "url": LINK, "title": "接警 Acknowledge"}]
        assert len(card["template_card"]["sub_title_text"].encode()) <= 480
        assert mention["text"]["mentioned_mobile_list"] == [MOBILE]
        assert mention["text"]["content"].endswith(f"\n接警 Acknowledge: {LINK}")
        assert len(mention["text"]["content"].encode()) <= 2048
        assert news["msgtype"] == "text"


@every_robot
async def test_a_card_without_a_link_is_a_text(sort: Sort, poster: Poster) -> None:
    makers: dict[str, Callable[[str], Channel]] = {
        "dingtalk": lambda url: DingTalk("duty", poster, SecretStr(TOKEN), style="card", base_url=url),
        "wecom": lambda url: WeCom("duty", poster, SecretStr(TOKEN), style="card", base_url=url),
        "feishu": lambda url: Feishu("duty", poster, SecretStr(TOKEN), style="card", base_url=url),
    }
    async with provider(ok(sort.accepted)) as server:
        await makers[sort.name](server.url).send(call(), attempt=1)
        assert server.received[0].json.get("msgtype", server.received[0].json.get("msg_type")) == "text"


PEOPLE = {
    "by-mobile": Contact(mobile=SecretStr(f"+86{MOBILE}"), feishu=SecretStr("ou_person1")),
    "by-id": Contact(dingtalk=SecretStr("manager7"), wecom=SecretStr("manager7"), feishu=SecretStr("not an open id")),
}


@every_robot
async def test_the_person_who_is_called_is_mentioned_and_nobody_else(sort: Sort, poster: Poster) -> None:
    makers: dict[str, Callable[[str], Channel]] = {
        "dingtalk": lambda url: DingTalk(
            "duty", poster, SecretStr(TOKEN), mobiles=["13800000000"], at_all=True, contacts=PEOPLE, base_url=url
        ),
        "wecom": lambda url: WeCom("duty", poster, SecretStr(TOKEN), at_all=True, contacts=PEOPLE, base_url=url),
        "feishu": lambda url: Feishu("duty", poster, SecretStr(TOKEN), users=["all"], contacts=PEOPLE, base_url=url),
    }
    async with provider(ok(sort.accepted)) as server:
        channel = makers[sort.name](server.url)
        replies = [await channel.send(call(to=who), attempt=1) for who in ("by-mobile", "by-id", "stranger")]
        mobile, by_id, stranger = (request.json for request in server.received)
        if sort.name == "dingtalk":
            assert mobile["at"] == {"atMobiles": [MOBILE], "isAtAll": False}
            assert mobile["text"]["content"].endswith(f"@{MOBILE}")
            assert by_id["at"] == {"atMobiles": [], "isAtAll": False, "atUserIds": ["manager7"]}
            assert stranger["at"] == {"atMobiles": [], "isAtAll": False}
        elif sort.name == "wecom":
            assert mobile["text"]["mentioned_mobile_list"] == [MOBILE]
            assert by_id["text"]["mentioned_list"] == ["manager7"]
            assert set(stranger["text"]) == {"content"}
        else:
            assert mobile["content"]["text"].endswith('<at user_id="ou_person1"></at>')
            assert "<at" not in by_id["content"]["text"] + stranger["content"]["text"]
        assert "person 'stranger' was not mentioned: no " in replies[-1]
        assert replies[0] == f"HTTP 200 {sort.accepted}"
        assert all("呼叫：" in json.dumps(r.json, ensure_ascii=False) for r in server.received)


async def test_a_robot_that_quotes_number_and_link_shows_neither(poster: Poster) -> None:
    async with provider(echo()) as server:
        robots: list[Channel] = [
            DingTalk("duty", poster, SecretStr(TOKEN), contacts=PEOPLE, link=lambda _: LINK, base_url=server.url),
            WeCom("duty", poster, SecretStr(TOKEN), contacts=PEOPLE, link=lambda _: LINK, base_url=server.url),
            Feishu("duty", poster, SecretStr(TOKEN), contacts=PEOPLE, link=lambda _: LINK, base_url=server.url),
            Webhook("duty", poster, server.url, link=lambda _: LINK),
        ]
        for robot in robots:
            with pytest.raises((TryAgain, NeverWill)) as caught:
                await robot.send(call(to="by-mobile"), attempt=1)
            assert MOBILE not in str(caught.value)
            assert LINK not in str(caught.value)


async def test_a_webhook_is_told_where_a_call_is_answered(poster: Poster) -> None:
    async with provider(ok("")) as server:
        channel = Webhook("duty", poster, server.url, link=lambda _: LINK)
        for push in (call(), call("incident.update")):
            await channel.send(push, attempt=1)
        assert [request.json["data"].get("link") for request in server.received] == [LINK, None]


async def test_wecom_text_and_markdown(poster: Poster) -> None:
    async with provider(ok('{"errcode":0}')) as server:
        await WeCom("duty", poster, SecretStr(TOKEN), mobiles=[MOBILE], at_all=True, base_url=server.url).send(
            a_push(), attempt=1
        )
        markdown = WeCom("duty", poster, SecretStr(TOKEN), style="markdown", base_url=server.url)
        await markdown.send(a_push(title={"zh": "烟" * 5000, "en": "smoke"}), attempt=1)
        as_text, as_markdown = server.received
        assert as_text.path == "/cgi-bin/webhook/send"
        assert as_text.query == {"key": TOKEN}
        assert as_text.json["text"]["mentioned_mobile_list"] == [MOBILE, "@all"]
        assert as_markdown.json["msgtype"] == "markdown"
        assert len(as_markdown.json["markdown"]["content"].encode()) <= 4096


def test_settings_that_would_be_dropped_in_silence_are_refused(poster: Poster) -> None:
    with pytest.raises(ValueError, match="mentions nobody"):
        WeCom("duty", poster, SecretStr(TOKEN), style="markdown", mobiles=[MOBILE])
    with pytest.raises(ValueError, match="open ids"):
        Feishu("duty", poster, SecretStr(TOKEN), users=[MOBILE])
    with pytest.raises(ValueError, match="style"):
        WeCom("duty", poster, SecretStr(TOKEN), style="html")
    with pytest.raises(ValueError, match="style"):
        DingTalk("duty", poster, SecretStr(TOKEN), style="html")


async def test_feishu_is_signed_in_the_body_and_names_cannot_wake_everybody(poster: Poster) -> None:
    async with provider(ok('{"StatusCode":0,"StatusMessage":"success"}')) as server:
        channel = Feishu("duty", poster, SecretStr(TOKEN), SecretStr(FEISHU_SECRET), base_url=server.url)
        await channel.send(a_push(title={"zh": '<at user_id="all">x</at>', "en": "x"}), attempt=1)
        (request,) = server.received
        message = request.json
        assert request.path == f"/open-apis/bot/v2/hook/{TOKEN}"
        assert abs(int(message["timestamp"]) - time.time()) < 60
        key = f"{message['timestamp']}\n{FEISHU_SECRET}".encode()
        assert message["sign"] == base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
        assert message["msg_type"] == "text"
        assert "<" not in message["content"]["text"]
        assert "＜at" in message["content"]["text"]


@pytest.mark.parametrize("value", ["", "nan", "inf", "soon", "Fri, 99 Foo 2026 99:99:99 GMT", "-"])
def test_a_senseless_retry_after_is_none(value: str) -> None:
    assert retry_after(Answer(429, {"Retry-After": value}, b"")) is None


# --- incident topics ----------------------------------------------------------------------------------------------------


@dataclass
class Ear:
    """A subscriber of everything below wl/, with what it heard."""

    client: aiomqtt.Client

    async def next(self) -> aiomqtt.Message:
        async with asyncio.timeout(10):
            return await anext(self.client.messages)


@contextlib.asynccontextmanager
async def listening(broker: Mosquitto) -> AsyncIterator[Ear]:
    async with aiomqtt.Client(HOST, broker.port) as client:
        await client.subscribe("wl/#", qos=1)
        yield Ear(client)


@contextlib.asynccontextmanager
async def topics(port: int, **settings: Any) -> AsyncIterator[MqttTopics]:
    channel = MqttTopics("topics", HOST, port, **settings)
    try:
        yield channel
    finally:
        async with asyncio.timeout(30):
            await channel.aclose()


TOPIC = "wl/home/incidents/inc-000007"


async def send_for_ever(channel: Channel) -> None:
    while True:
        await channel.send(a_push(), attempt=1)
        await asyncio.sleep(0)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_the_state_is_retained_while_the_incident_is_open_and_gone_afterwards(
    tmp_path: Path, protocol: str
) -> None:
    with mosquitto(tmp_path) as broker:
        async with topics(broker.port, protocol=protocol) as channel:
            push = a_push("incident.state", site="home")
            reply = await channel.send(push, attempt=1)
            assert reply.startswith(f"published, retained: {TOPIC}")
            async with listening(broker) as ear:
                kept = await ear.next()
                assert (str(kept.topic), kept.retain, kept.qos) == (TOPIC, True, 1)
                told = json.loads(kept.payload)
                assert told["key"] == push.key
                assert told["type"] == "incident.state"
                assert told["data"]["incident"]["id"] == "inc-000007"
                reply = await channel.send(a_push("incident.state", state="closed", disposition="fire"), attempt=1)
                assert reply.startswith("published and cleared")
                cleared, last = await ear.next(), await ear.next()
                assert cleared.payload == b""
                assert json.loads(last.payload)["data"]["incident"]["state"] == "closed"
            async with listening(broker) as later:
                await channel.send(a_push("incident.state", id="inc-000008"), attempt=1)
                # The first that a newcomer hears is the other incident: nothing is left of the closed one.
                assert str((await later.next()).topic) == "wl/home/incidents/inc-000008"


async def test_nobody_there_is_tried_again_at_once_and_the_connection_comes_by_itself(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with topics(broker.port) as channel:
            await channel.send(a_push(), attempt=1)
            broker.kill()
            # Well before the ten seconds that the library would wait for an acknowledgement.
            async with asyncio.timeout(8):
                with pytest.raises(TryAgain, match=rf"mqtt {HOST}:{broker.port}"):
                    await send_for_ever(channel)
            with pytest.raises(TryAgain):
                await channel.send(a_push(), attempt=2)
            broker.start()
            async with asyncio.timeout(30):
                while True:
                    with contextlib.suppress(TryAgain):
                        await channel.send(a_push(state="on_scene"), attempt=3)
                        break
                    await asyncio.sleep(0.05)
            async with listening(broker) as ear:
                assert json.loads((await ear.next()).payload)["data"]["incident"]["state"] == "on_scene"


async def test_a_broker_that_hangs_is_no_delivery(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with topics(broker.port, timeout=2) as channel:
            await channel.send(a_push(), attempt=1)
            broker.suspend()
            try:
                with pytest.raises(TryAgain, match="timed out"):
                    await channel.send(a_push(), attempt=2)
            finally:
                broker.resume()


async def test_a_closed_port_a_refusal_and_a_stranger_are_tried_again(tmp_path: Path) -> None:
    async with topics(free_port()) as channel:
        with pytest.raises(TryAgain, match="refused"):
            await channel.send(a_push(), attempt=1)
        with pytest.raises(TryAgain):
            await channel.check()
    with mosquitto(tmp_path, allow_anonymous=False) as broker:
        async with topics(broker.port, username="wanglou", password=SecretStr("hush-hush")) as channel:
            with pytest.raises(TryAgain, match=r"(?i)authori[sz]ed") as caught:
                await channel.send(a_push(), attempt=1)
            assert "hush" not in str(caught.value) + repr(vars(channel))
    # Takes the connection and never says a word.
    with socket.create_server((HOST, 0)) as mute:
        async with topics(mute.getsockname()[1], timeout=0.2) as channel:
            with pytest.raises(TryAgain, match="timed out"):
                await channel.send(a_push(), attempt=1)


async def test_a_check_publishes_nothing(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with topics(broker.port) as channel, listening(broker) as ear:
            assert "connected" in await channel.check()
            await channel.send(a_push(), attempt=1)
            assert str((await ear.next()).topic) == TOPIC


async def test_sends_at_the_same_time_share_one_connection(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with topics(broker.port, client_id="wanglou-topics") as channel, listening(broker) as ear:
            pushes = [a_push("incident.state", id=f"inc-{number}") for number in range(60)]
            await asyncio.gather(*(channel.send(push, attempt=1) for push in pushes))
            heard = {str((await ear.next()).topic) for _ in pushes}
            assert heard == {f"wl/home/incidents/inc-{number}" for number in range(60)}
        log = broker.log.read_text()
        assert log.count("as wanglou-topics") == 1


@pytest.mark.parametrize("site", ["", "+", "a#", "a\0b", "\ud800", "x" * 70_000])
async def test_a_place_that_makes_no_topic_is_given_up(site: str) -> None:
    async with topics(free_port()) as channel:
        with pytest.raises(NeverWill, match="topic"):
            await channel.send(a_push(site=site), attempt=1)
        with pytest.raises(NeverWill, match="topic"):
            await channel.send(replace(a_push(), body={"type": "incident.state"}), attempt=1)


async def test_our_own_troubles_have_a_topic_too(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with topics(broker.port) as channel:
            reply = await channel.send(a_push(site="system/broker"), attempt=1)
            assert "wl/system/incidents/inc-000007" in reply


async def test_after_closing_nothing_is_sent_any_more(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        channel = MqttTopics("topics", HOST, broker.port)
        await channel.send(a_push(), attempt=1)
        await channel.aclose()
        with pytest.raises(TryAgain, match="closing"):
            await channel.send(a_push(), attempt=1)
        await channel.aclose()
