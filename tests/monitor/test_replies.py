"""Replies of robots: who signed what, how old it may be, and which words mean what."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from monitor.replies import (
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
from rules.model import SECOND, Micros, Verb

NOW: Micros = 1_795_305_600 * SECOND
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdefghijklmn").decode()
ROBOT = "an-app-secret-for-tests"
BODY = b'{"incident":"inc-000012","verb":"acknowledge","by":"li"}'


def signed(body: bytes = BODY, at: Micros = NOW, name: str = "msg-1", secret: str = SECRET) -> dict[str, str]:
    """As the library that everybody uses signs it."""
    moment = datetime.fromtimestamp(at // SECOND, UTC)
    signature = Webhook(secret).sign(name, moment, body.decode())
    return {"webhook-id": name, "webhook-timestamp": str(at // SECOND), "webhook-signature": signature}


def robot(at: Micros = NOW, secret: str = ROBOT) -> dict[str, str]:
    """As DingTalk's documents say: base64(HMAC-SHA256(AppSecret, timestamp + newline + AppSecret))."""
    stamp = str(at // 1000)
    digest = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
    return {"timestamp": stamp, "sign": base64.b64encode(digest).decode()}


def test_what_the_usual_library_signs_is_taken() -> None:
    assert check_standard(SECRET, signed(), BODY, NOW) == "msg-1"
    several = {**signed(), "webhook-signature": f"v1,xxxx v2,yyyy {signed()['webhook-signature']}"}
    assert check_standard(SECRET, several, BODY, NOW) == "msg-1"


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", ["", "x", "99999999999999999999", "١٢٣", "\udcff"])
def test_no_header_can_be_missing_or_other(header: str, value: str) -> None:
    with pytest.raises(BadSignature):
        check_standard(SECRET, {**signed(), header: value}, BODY, NOW)


def test_another_body_secret_or_id_is_not_signed() -> None:
    for headers, body, secret in (
        (signed(), BODY + b" ", SECRET), (signed(), BODY, "whsec_" + "A" * 32), ({**signed(), "webhook-id": "msg-2"}, BODY, SECRET),
        (signed(), BODY, "no base64"),
    ):  # fmt: skip
        with pytest.raises(BadSignature):
            check_standard(secret, headers, body, NOW)


@pytest.mark.parametrize("early", [-1, 1])
def test_five_minutes_and_no_longer(early: int) -> None:
    check_standard(SECRET, signed(at=NOW + early * WINDOW), BODY, NOW)
    check_dingtalk(ROBOT, robot(NOW + early * WINDOW), NOW)
    for call in (
        lambda: check_standard(SECRET, signed(at=NOW + early * (WINDOW + SECOND)), BODY, NOW),
        lambda: check_dingtalk(ROBOT, robot(NOW + early * (WINDOW + SECOND)), NOW),
    ):
        with pytest.raises(BadSignature, match="five minutes"):
            call()


def test_another_robot_is_a_stranger() -> None:
    for headers in (
        robot(secret="another"),
        {},
        {**robot(), "sign": ""},
        {**robot(), "timestamp": str(NOW // 1000 - 1)},
    ):
        with pytest.raises(BadSignature):
            check_dingtalk(ROBOT, headers, NOW)


def test_a_secret_is_not_in_the_words_for_its_door() -> None:
    assert ROBOT not in repr(ReplyDoor(Protocol.DINGTALK, ROBOT))


@pytest.mark.parametrize(
    ("text", "verb", "incident", "note"),
    [
        ("接警 12", Verb.ACKNOWLEDGE, "inc-000012", ""),
        (" 接警12", Verb.ACKNOWLEDGE, "inc-000012", ""),
        ("接警：#12", Verb.ACKNOWLEDGE, "inc-000012", ""),
        ("收到 inc-000012", Verb.ACKNOWLEDGE, "inc-000012", ""),
        ("ack 12", Verb.ACKNOWLEDGE, "inc-000012", ""),
        ("ACK INC-000012", Verb.ACKNOWLEDGE, "inc-000012", ""),
        ("acknowledge 1234567", Verb.ACKNOWLEDGE, "inc-1234567", ""),
        ("@望楼 到场 12", Verb.ON_SCENE, "inc-000012", ""),
        ("已到场 12，两人", Verb.ON_SCENE, "inc-000012", "两人"),
        ("on scene 12", Verb.ON_SCENE, "inc-000012", ""),
        ("处置 12", Verb.RESOLVE, "inc-000012", ""),
        ("已处置 12 误报，炒菜", Verb.RESOLVE, "inc-000012", "误报，炒菜"),
        ("处置完毕12", Verb.RESOLVE, "inc-000012", ""),
        ("resolved 12.", Verb.RESOLVE, "inc-000012", ""),
        ("备注 12 水带已到", Verb.NOTE, "inc-000012", "水带已到"),
        ("接警", Verb.ACKNOWLEDGE, "", ""),
        ("收到，马上到", Verb.ACKNOWLEDGE, "", "马上到"),
    ],
)
def test_words(text: str, verb: Verb, incident: str, note: str) -> None:
    assert read_words(text, "li") == Said(verb, "li", incident, note)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "你好",
        "谁去？接警 12",
        "acknowledged 12",
        "note 12",
        "备注 12  ",
        "close 12",
        "结案 12",
        "复位 12",
        "不接警 12",
        "ackx",
    ],
)
def test_what_is_no_reply_is_answered_with_what_may_be_said(text: str) -> None:
    with pytest.raises(Unreadable, match=r"接警 12.*ack 12"):
        read_words(text, "li")


@given(st.text(max_size=80))
def test_any_text_is_a_reply_or_unreadable(text: str) -> None:
    try:
        said = read_words(text, "li")
    except Unreadable:
        return
    assert said.verb in (Verb.ACKNOWLEDGE, Verb.ON_SCENE, Verb.RESOLVE, Verb.NOTE)
    assert all(c.isprintable() or c in "\n\t" for c in said.note)


def test_our_own_json() -> None:
    body = {"incident": "inc-000012", "verb": "note", "by": " 王\u202e强 ", "note": "a\x00b"}
    assert read_json(json.dumps(body).encode()) == Said(Verb.NOTE, "王 强", "inc-000012", "a b")


@pytest.mark.parametrize(
    "change",
    [{"verb": "close"}, {"verb": "reset"}, {"verb": "x"}, {"incident": "a/b"}, {"by": " "}, {"by": 7}, {"note": "x" * 2001}, {"more": 1},
     {"verb": "note"}],
)  # fmt: skip
def test_json_that_says_something_else(change: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read_json(json.dumps({**json.loads(BODY), **change}).encode())
    with pytest.raises(Unreadable):
        read_json(b"[]")


def test_a_robots_call_as_dingtalk_documents_it() -> None:
    call = {
        "conversationId": "cid", "atUsers": [{"dingtalkId": "$:LWCP_v1:$x"}], "chatbotUserId": "$:LWCP_v1:$y", "msgId": "msg-9",
        "senderNick": "王强", "isAdmin": True, "senderStaffId": "manager1", "sessionWebhookExpiredTime": 1795305600000,
        "createAt": 1795305600000, "conversationType": "2", "senderId": "$:LWCP_v1:$z", "conversationTitle": "值班群",
        "text": {"content": " 接警 12"}, "msgtype": "text",
    }  # fmt: skip
    assert read_dingtalk(json.dumps(call).encode()) == ("msg-9", "王强", " 接警 12")
    for bad in (b"", b"[]", b'{"text": 7}', b'{"msgId": 9}'):
        with pytest.raises(Unreadable):
            read_dingtalk(bad)
    assert read_dingtalk(b'{"msgtype": "picture"}') == ("", "DingTalk", "")
