"""What the site file may say of channels: every example of the document, and what is wrong, with place and remedy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.settings import load
from monitor.settings.channels import EmailChannel, SmsChannel, VoiceChannel, WebPushChannel
from monitor.settings.gateways import AliyunGateway, GenericGateway, TencentGateway
from rules.document import Mistakes
from tests.push_browser import a_vapid_key

ROOT = Path(__file__).parents[2]
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def site(folder: Path, channels: Any) -> Path:
    data = {
        "api": {"token": "a-token-for-tests-only"},
        "channels": {"topics": {"kind": "mqtt"}, **channels},
        "sites": [{"id": "home", "name": "家", "zones": [{"id": "hall", "name": "厅", "kind": "dwelling"}]}],
        "stations": [{"id": "post", "name": "站", "zones": ["*"], "recipients": ["topics"]}],
    }
    file = folder / "site.yaml"
    file.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    return file


def mistakes(folder: Path, section: dict[str, Any], **environ: str) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        load(site(folder, {"it": section}), environ)
    return [f"{m.field}: {m.message} ({m.remedy})" for m in caught.value.mistakes]


def test_every_example_of_the_document_is_right(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "channels.md").read_text("utf-8")
    channels: dict[str, Any] = {}
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        body = block if block.startswith("channels:") else f"channels:\n{block}"
        channels |= yaml.safe_load(body)["channels"]
    kinds = {section["kind"] for section in channels.values()}
    assert kinds == {"webhook", "dingtalk", "wecom", "feishu", "sms", "voice", "email", "webpush", "apprise", "mqtt"}
    environ = dict.fromkeys(re.findall(r"\{env: (\w+)\}", text), "x" * 20)
    environ |= {"WANGLOU_WEBHOOK_URL": "https://hooks.example/x", "WANGLOU_WEBHOOK_SECRET": SIGNING}
    environ |= {"WANGLOU_SMS_URL": "https://sms.example/send", "WANGLOU_DUTY_MOBILE": "13800000000"}
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "phones-key").write_text("key")
    (tmp_path / "secrets" / "vapid-key").write_text(a_vapid_key())
    settings = load(site(tmp_path, channels), environ)
    sms, call, street = (settings.channels[name] for name in ("duty-sms", "duty-call", "street-sms"))
    assert isinstance(sms, SmsChannel)
    assert isinstance(sms.gateway, AliyunGateway)
    assert isinstance(call, VoiceChannel)
    assert isinstance(call.gateway, TencentGateway)
    assert isinstance(street, SmsChannel)
    assert isinstance(street.gateway, GenericGateway)
    assert isinstance(settings.channels["managers"], EmailChannel)
    assert isinstance(settings.channels["browsers"], WebPushChannel)
    assert "channels.duty-sms.gateway.access_key_secret" not in settings.plain_secrets


ALIYUN = {"kind": "aliyun", "access_key_id": "id", "access_key_secret": "secret", "template": "SMS_1"}
GENERIC = {"kind": "generic", "url": "https://sms.example/send"}
MAIL = {"kind": "email", "host": "mail.example", "sender": "wanglou@example.com"}


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"kind": "sms", "gateway": ALIYUN}, "channels.it: gateway.sign_name is missing (short messages need"),
        (
            {"kind": "sms", "gateway": {**ALIYUN, "sign_name": "望楼", "parameters": {"a": "{titel}"}}},
            "channels.it.gateway.parameters.a: there is no placeholder {titel} (there is address, asked, callback, incident, key",
        ),
        ({"kind": "sms", "gateway": {"kind": "twilio"}}, "channels.it.gateway: there is no kind twilio (there is 'gen"),
        (
            {"kind": "sms", "gateway": {**GENERIC, "body": {"x": "{password}"}}},
            "channels.it.gateway: there is no placeholder {password} (there is address, asked",
        ),
        ({"kind": "sms", "gateway": {**GENERIC, "body": {}, "form": {}}}, "body and form stand both here (a request"),
        ({"kind": "sms", "gateway": {**GENERIC, "method": "GET", "form": {}}}, "a GET has no body (write its para"),
        ({"kind": "sms", "gateway": {**GENERIC, "success": {"code": "a b"}}}, "gateway.success.code: cannot be writ"),
        ({"kind": "sms", "gateway": GENERIC, "mobile": "call me"}, "channels.it.mobile: not a mobile number (write"),
        ({**MAIL, "username": "wanglou"}, "channels.it: username and password belong together (write both"),
        (
            {**MAIL, "username": "wanglou", "password": "x", "security": "none"},
            "channels.it: the password would travel in the clear (write security: starttls or tls)",
        ),
        ({**MAIL, "recipients": ["nobody"]}, "channels.it.recipients[0]: not an e-mail address (write name@host)"),
        (
            {"kind": "webpush", "vapid_key": "short", "subject": "mailto:a@b"},
            "channels.it.vapid_key: not a VAPID key (it is the base64url of 32 bytes, 43 characters)",
        ),
        ({"kind": "webpush", "vapid_key": "A" * 43, "subject": "me"}, "channels.it.subject: cannot be written so (wr"),
        ({"kind": "feishu", "token": "t", "style": "html"}, "channels.it.style: is none of the words allowed"),
        ({"kind": "wecom", "key": "k", "style": "markdown", "mobiles": ["1"]}, "channels.it: WeCom mentions nobody"),
        ({"kind": "pager"}, "channels.it: there is no kind pager (there is 'webhook', 'dingtalk'"),
    ],
)
def test_what_is_wrong_is_told_with_its_remedy(section: dict[str, Any], told: str, tmp_path: Path) -> None:
    found = mistakes(tmp_path, section)
    assert [line for line in found if told in line], found


def test_two_keys_for_browsers_are_one_too_many(tmp_path: Path) -> None:
    push = {"kind": "webpush", "vapid_key": a_vapid_key(), "subject": "mailto:a@b"}
    with pytest.raises(Mistakes, match="a and b are both of kind webpush"):
        load(site(tmp_path, {"a": push, "b": push}), {})


def test_a_mobile_of_a_channel_is_no_number_in_the_error(tmp_path: Path) -> None:
    told = mistakes(tmp_path, {"kind": "sms", "gateway": GENERIC, "mobile": "13800000000x"})
    assert not [line for line in told if "13800000000" in line]
