"""Gateways of telephony: signatures by the vendors' published examples, and templates that no name can break out of.

That answers are understood is proved for every channel in tests/contracts/test_channels.py.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote

import aiohttp
import pytest
from pydantic import SecretStr

from monitor.adapters.http_gateway import HttpGateway
from monitor.adapters.http_post import HttpPost
from monitor.gateways import aliyun, domestic, international, tencent
from monitor.gateways.generic import Generic
from monitor.gateways.templates import PLACEHOLDERS, fill, unknown
from monitor.posting import Answer, Codes, judge_code
from rules.model import SECOND
from tests.contracts.test_channels import MOBILE, a_push
from tests.providers import ok, provider

NASTY = '"}],"to":"1&to=2\r\nx: {mobile}{{key}}'
BLANKS = {name: name.upper() for name in PLACEHOLDERS} | {"mobile": MOBILE}


def test_the_aliyun_vector() -> None:
    """The fixed example of the vendor's page on the V3 signature."""
    signed = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    query = {"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"}
    assert aliyun.authorization("YourAccessKeyId", "YourAccessKeySecret", signed, query) == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;"
        "x-acs-signature-nonce;x-acs-version,Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_the_tencent_vector() -> None:
    """The fixed example of the vendor's page on the V3 signature, keys masked as they are there."""
    body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    proof = tencent.authorization(
        "AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******", "Gu5t9xGARNpq86cd98joQYCN3*******", "cvm", "cvm.tencentcloudapi.com",
        1_551_113_065, body,
    )  # fmt: skip
    assert proof == (
        "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******/2019-02-25/cvm/tc3_request, "
        "SignedHeaders=content-type;host, Signature=2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c"
    )


async def test_aliyuns_signature_fits_what_arrives() -> None:
    """Signed again from what the server got: nothing was written otherwise on the way."""
    async with provider(ok('{"Code":"OK"}')) as server, aiohttp.ClientSession() as session:
        gateway = aliyun.Aliyun(
            "sms", SecretStr("key-id"), SecretStr("key-secret"), template="SMS_1", sign_name="望楼 消防+*~/",
            parameters={"title": "{title}"}, base_url=server.url, now=lambda: 1_700_000_000 * SECOND,
        )  # fmt: skip
        channel = HttpGateway("sms", HttpPost(session), gateway, voice=False, mobile=SecretStr("+8613800000000"))
        await channel.send(a_push(title={"zh": "烟 & 火=？", "en": "x"}), attempt=1)
        await channel.send(a_push(), attempt=1)
        first, second = server.received
    signed = {name: first.headers[name] for name in ("host", *(n for n in first.headers if n.startswith("x-acs-")))}
    assert first.headers["authorization"] == aliyun.authorization("key-id", "key-secret", signed, first.query)
    assert signed["x-acs-date"] == "2023-11-14T22:13:20Z"
    assert first.headers["x-acs-signature-nonce"] != second.headers["x-acs-signature-nonce"]
    assert first.query["PhoneNumbers"] == MOBILE
    assert first.query["SignName"] == "望楼 消防+*~/"
    assert json.loads(first.query["TemplateParam"]) == {"title": "烟 & 火=？"}
    assert first.body == b""


async def test_tencents_signature_fits_what_arrives() -> None:
    async with provider(ok('{"Response":{"SendStatus":{"CallId":"1"}}}')) as server, aiohttp.ClientSession() as session:
        gateway = tencent.Tencent(
            "voice", SecretStr("id"), SecretStr("key"), app_id="1400006666", template="7", parameters=["{title}", "{place}"],
            longest=5, base_url=server.url, now=lambda: 1_700_000_000 * SECOND,
        )  # fmt: skip
        channel = HttpGateway("call", HttpPost(session), gateway, voice=True, mobile=SecretStr(MOBILE))
        await channel.send(a_push(), attempt=1)
        (request,) = server.received
    host = request.headers["host"]
    proof = tencent.authorization("id", "key", "vms", host, 1_700_000_000, request.body)
    assert request.headers["authorization"] == proof
    assert {name: request.headers[f"x-tc-{name}"] for name in ("action", "version", "timestamp", "region")} == {
        "action": "SendTtsVoice", "version": "2020-09-02", "timestamp": "1700000000", "region": "ap-guangzhou",
    }  # fmt: skip
    assert request.json["CalledNumber"] == f"+86{MOBILE}"
    assert request.json["TemplateParamSet"] == ["感烟报警", "3号楼2…"]


@pytest.mark.parametrize(
    ("parameters", "sent"), [(["{title}", "{place}"], False), (["{place}", "{asked}"], True), (["{text}"], True)]
)
async def test_that_a_fire_is_over_is_not_told_by_a_template_that_only_calls(parameters: list[str], sent: bool) -> None:
    told = a_push("incident.update")
    resolved = replace(told, body={**told.body, "news": "resolved", "by": "值班员"})
    answer = ok('{"Response":{"SendStatusSet":[{"Code":"Ok"}]}}')
    async with provider(answer) as server, aiohttp.ClientSession() as session:
        gateway = tencent.Tencent(
            "sms",
            SecretStr("id"),
            SecretStr("key"),
            app_id="1400006666",
            template="7",
            parameters=parameters,
            base_url=server.url,
        )
        channel = HttpGateway("sms", HttpPost(session), gateway, voice=False, mobile=SecretStr(MOBILE))
        await channel.send(a_push("incident.overdue"), attempt=1)
        said = await channel.send(resolved, attempt=1)
        assert [request.json["TemplateParamSet"] for request in server.received[1:]] == (
            [
                [
                    p.format(
                        text="火警已处置：3号楼2层充电库 感烟报警（值班员）",
                        place="3号楼2层充电库",
                        asked="已处置（值班员）",
                    )
                    for p in parameters
                ]
            ]
            if sent
            else []
        )
    assert said.startswith("not sent: the template") is not sent


def test_numbers_of_china_and_elsewhere() -> None:
    assert [international(n) for n in (MOBILE, f"+86{MOBILE}", "+85213800000000")] == [
        f"+86{MOBILE}", f"+86{MOBILE}", "+85213800000000",
    ]  # fmt: skip
    assert [domestic(n) for n in (MOBILE, f"+86{MOBILE}", "+85213800000000")] == [MOBILE, MOBILE, "0085213800000000"]


# --- templates ----------------------------------------------------------------------------------------------------------


def generic(**settings: Any) -> Generic:
    return Generic(SecretStr("http://127.0.0.1:1/send"), **settings)


def test_a_name_cannot_break_out_of_json() -> None:
    template = {"a": "{text}", "list": ["x{text}", 7, None, {"deep": "{title}"}], "{text}": 1}
    request = generic(body_json=template).request({**BLANKS, "text": NASTY})
    told = json.loads(request.body)
    assert told == {"a": NASTY, "list": [f"x{NASTY}", 7, None, {"deep": "TITLE"}], "{text}": 1}
    assert request.headers["content-type"].startswith("application/json")


def test_a_name_cannot_break_out_of_a_form_or_a_query() -> None:
    form = {"words": "{text}", "param": {"title": "{text}"}, "count": 3}
    request = generic(form=form, query={"q": "{text}"}).request({**BLANKS, "text": NASTY})
    fields = parse_qs(request.body.decode(), strict_parsing=True)
    assert fields == {"words": [NASTY], "param": [json.dumps({"title": NASTY}, separators=(",", ":"))], "count": ["3"]}
    assert request.query == {"q": NASTY}
    assert request.headers["content-type"].startswith("application/x-www-form-urlencoded")


def test_a_name_cannot_break_out_of_a_header() -> None:
    request = generic(headers={"X-Key": SecretStr("id {key} {text}")}, body_json={}).request({**BLANKS, "text": NASTY})
    assert request.headers["X-Key"] == f"id KEY {quote(NASTY, safe='/@:._~-')}"
    assert "\r" not in request.headers["X-Key"]


def test_a_gateway_over_get() -> None:
    request = generic(method="GET", query={"to": "{mobile}", "words": "{text}"}).request(BLANKS)
    assert (request.method, request.body) == ("GET", b"")
    assert request.query == {"to": MOBILE, "words": "TEXT"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"body_json": {"a": "{mobil}"}}, "no placeholder {mobil}"),
        ({"headers": {"X": SecretStr("{password}")}}, "no placeholder {password}"),
        ({"body_json": {}, "form": {}}, "not as both"),
        ({"method": "GET", "form": {}}, "has no body"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        generic(**settings)


def test_placeholders() -> None:
    assert fill(("{a}", 1), {"a": "{b}", "b": "c"}) == ["{b}", 1]
    assert unknown({"a": ["{x}", "{mobile}"], "b": "{y}{x}"}, PLACEHOLDERS) == ["x", "y"]
    assert unknown('{"json": "{Mobile}"}', PLACEHOLDERS) == []


def test_codes_of_other_types() -> None:
    codes = Codes(("success",), frozenset({"bad"}), frozenset(), 1.0, good=frozenset({True}))
    assert judge_code(Answer(200, {}, b'{"success":true}'), "shown", codes) == "shown"
    for body in (b'{"success":1}', b'{"success":"true"}', b'{"success":false}'):
        with pytest.raises(Exception, match="shown"):
            judge_code(Answer(200, {}, body), "shown", codes)


async def test_the_duty_telephone_rings_for_what_is_for_nobody() -> None:
    async with provider(ok("")) as server, aiohttp.ClientSession() as session:
        gateway = Generic(SecretStr(server.url), body_json={"to": "{mobile}", "who": "{name}", "link": "{link}"})
        channel = HttpGateway(
            "sms", HttpPost(session), gateway, voice=False, mobile=SecretStr("13800000000"),
            link=lambda push: f"https://board.example/{push.incident}",
        )  # fmt: skip
        await channel.send(a_push(), attempt=1)
        assert server.received[0].json == {"to": "13800000000", "who": "", "link": "https://board.example/inc-000007"}
