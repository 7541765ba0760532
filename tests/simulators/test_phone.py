"""The station's phone: rings for a signed webhook, once, and for nothing else. Signed here by the library that receivers use."""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from simulators.phone import LARGEST, Phone, Refused, line, server, verify

SECRET = b"0123456789abcdef0123456789abcdef"
WRITTEN = "whsec_" + base64.b64encode(SECRET).decode()
NOW = datetime(2026, 11, 22, 0, 0, tzinfo=UTC)
INCIDENT = {
    "kind": "FIRE",
    "title": {"zh": "烟感报警", "en": "Smoke alarm"},
    "zone_name": {"zh": "充电区", "en": "Charging bays"},
}


def push(**changes: Any) -> bytes:
    """A dispatch as it comes over the wire."""
    data = {"incident": INCIDENT, "advice": {"zh": "立即到场", "en": "Go at once"}}
    body = {"type": "incident.dispatch", "timestamp": "2026-11-22T08:00:00.250+08:00", "data": data}
    return json.dumps(body | changes, ensure_ascii=False).encode()


def signed(body: bytes, key: str = "inc-1/dispatch-1/phone", at: datetime = NOW) -> dict[str, str]:
    """The headers that go with it."""
    signature = Webhook(WRITTEN).sign(key, at, body.decode())
    return {"webhook-id": key, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def test_a_dispatch_is_one_line_in_both_languages() -> None:
    text = Phone(SECRET).hear(signed(push()), push(), NOW.timestamp())
    assert text is not None
    first, advice = text.splitlines()
    assert first == "08:00:00  📟 派单 DISPATCH  🔥FIRE  烟感报警 Smoke alarm · 充电区 Charging bays"
    assert "立即到场" in advice


def test_what_is_tapped_to_acknowledge_stands_below_and_a_drill_says_so_first() -> None:
    data = {"incident": {**INCIDENT, "exercise": "sup-000001"}, "link": "http://127.0.0.1:8119/a/x"}
    first, below = line(push(data=data)).splitlines()
    assert "【演习】[DRILL] 🔥FIRE" in first
    assert below.endswith(" http://127.0.0.1:8119/a/x")


def test_it_rings_once_however_often_it_comes() -> None:
    phone = Phone(SECRET)
    rung = [phone.hear(signed(push()), push(), NOW.timestamp()) for _ in range(3)]
    assert [text is not None for text in rung] == [True, False, False]


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-id": "another"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "²"},
    ],
)
def test_what_is_not_signed_by_us_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(Refused):
        verify(signed(push()) | change, push(), SECRET, NOW.timestamp())


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed(push())
    headers["webhook-signature"] = "v1,AAAA " + headers["webhook-signature"]
    assert verify(headers, push(), SECRET, NOW.timestamp()) == "inc-1/dispatch-1/phone"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data": 1}', push(timestamp="soon"), push(data={"incident": {}})]
)
def test_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(Refused, match="not a push"):
        line(body)


def message(**changes: str) -> bytes:
    """A short message as the gateway is asked to send it."""
    words = {"key": "inc-1/dispatch-1/text@duty", "name": "值班员", "text": "【火警】充电区 烟感报警"}
    return json.dumps(words | changes, ensure_ascii=False).encode()


def test_a_short_message_is_one_line_with_whom_it_is_for() -> None:
    phone = Phone(SECRET)
    key = {"x-gateway-key": WRITTEN}
    assert phone.read(key, message(), NOW.timestamp()) == "08:00:00  📱 值班员  【火警】充电区 烟感报警"
    assert phone.read(key, message(), NOW.timestamp()) is None, "a repetition"
    again = phone.read(key, message(key="inc-1/call1-1/text@duty", link="http://127.0.0.1:8119/a/x"), NOW.timestamp())
    assert again is not None
    assert again.endswith("acknowledge: http://127.0.0.1:8119/a/x")


def test_strangers_and_nonsense_send_no_short_message() -> None:
    phone = Phone(SECRET)
    for headers in ({}, {"x-gateway-key": "whsec_AAAA"}):
        with pytest.raises(Refused, match="key is wrong"):
            phone.read(headers, message(), NOW.timestamp())
    for body in (b"", b"[]", b"{}"):
        with pytest.raises(Refused, match="not a short message"):
            phone.read({"x-gateway-key": WRITTEN}, body, NOW.timestamp())


@contextmanager
def ringing() -> Iterator[int]:
    """The phone on a port."""
    listening = server(Phone(SECRET), 0)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield int(listening.server_address[1])
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def test_over_http(capsys: pytest.CaptureFixture[str]) -> None:
    with ringing() as port:

        def post(body: bytes, headers: dict[str, str], path: str = "/") -> int:
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers, method="POST")
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    return int(response.status)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code

        now = datetime.now(UTC)
        assert post(push(), signed(push(), at=now)) == 204
        assert post(push(), signed(push(), at=now)) == 204
        assert post(push(), signed(b"{}", at=now)) == 401
        assert post(b"{}", signed(b"{}", at=now)) == 400
        assert post(b"x" * (LARGEST + 1), {}) == 413
        assert post(message(), {"X-Gateway-Key": WRITTEN}, "/sms") == 204
        assert post(message(), {}, "/sms") == 401
    out = capsys.readouterr().out
    assert (out.count("DISPATCH"), out.count("📱 值班员")) == (1, 1)
