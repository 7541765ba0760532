"""What the site file may say of a channel: where it goes, how it proves itself, and how much it may carry.

Knows no adapter and opens no connection; monitor/app.py builds the adapters from these.
"""

from __future__ import annotations

import base64
import binascii
from importlib.util import find_spec
from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from monitor.push_subscriptions import SERVICES
from monitor.settings.fields import (
    Duration,
    Port,
    PresentFile,
    Secret,
    SecretWebAddress,
    Section,
    Switch,
    WebAddress,
    Whole,
    lasting,
    written,
)
from monitor.settings.gateways import GatewaySettings, GenericGateway
from monitor.settings.people import a_mobile, an_address
from monitor.settings.sections import Broker
from rules.model import SECOND


def _signing_secret(secret: SecretStr) -> SecretStr:
    try:
        key = base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 16 <= len(key) <= 64:
        raise ValueError("not a signing secret; it is whsec_ and the base64 of 24 to 64 random bytes")
    return secret


def _vapid_key(secret: SecretStr) -> SecretStr:
    try:
        key = base64.b64decode(secret.get_secret_value().rstrip("=") + "=", b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise ValueError("not a VAPID key; it is the base64url of 32 bytes, 43 characters")
    return secret


class Pushing(Section):
    """What all channels have in common."""

    timeout: Annotated[Duration, lasting("100ms", "1m")] = 10 * SECOND
    """For one attempt."""
    rate_per_minute: Annotated[Whole, Field(ge=1, le=100_000)] | None = None
    """Pushes above this wait, the gravest first."""
    concurrency: Whole = Field(default=4, ge=1, le=100)
    """Attempts at the same time."""
    reply_secret: Secret | None = None
    """With it the channel may call back to answer an incident: a DingTalk robot's AppSecret, else a signing secret, `whsec_…`."""

    @field_validator("reply_secret")
    @classmethod
    def _signs(cls, secret: SecretStr | None) -> SecretStr | None:
        robot = "dingtalk" in get_args(cls.model_fields["kind"].annotation)
        return secret if secret is None or robot else _signing_secret(secret)


class WebhookChannel(Pushing):
    """A signed POST to any address (Standard Webhooks)."""

    kind: Literal["webhook"]
    url: SecretWebAddress
    secrets: tuple[Annotated[SecretStr, AfterValidator(_signing_secret)], ...] = ()
    """Each signs: to change a secret, write the new one beside the old one for a while."""
    headers: dict[Annotated[str, written(r"[A-Za-z0-9-]{1,64}", "use letters, digits and dashes")], Secret] = Field(
        default_factory=dict
    )
    ca: PresentFile | None = None
    """The authority that signed the receiver's certificate, where it is none of the system's."""


class DingTalkChannel(Pushing):
    """A DingTalk group robot: 20 messages a minute is its limit."""

    kind: Literal["dingtalk"]
    token: Secret
    secret: Secret | None = None
    keyword: str = Field(default="", max_length=50)
    """The word the robot insists on, where it is secured by one."""
    mobiles: tuple[str, ...] = ()
    at_all: Switch = False
    style: Literal["text", "markdown", "card"] = "text"
    """A card has a button to acknowledge by."""
    base_url: WebAddress = "https://oapi.dingtalk.com"
    rate_per_minute: Annotated[Whole, Field(ge=1, le=100_000)] | None = 20


class WeComChannel(Pushing):
    """A WeCom group robot: 20 messages a minute is its limit."""

    kind: Literal["wecom"]
    key: Secret
    mobiles: tuple[str, ...] = ()
    at_all: Switch = False
    style: Literal["text", "markdown", "card"] = "text"
    """A card has a button to acknowledge by, and mentions nobody: a call that mentions somebody is sent as text."""
    base_url: WebAddress = "https://qyapi.weixin.qq.com"
    rate_per_minute: Annotated[Whole, Field(ge=1, le=100_000)] | None = 20

    @model_validator(mode="after")
    def _mentions_need_text(self) -> Self:
        if self.style == "markdown" and (self.mobiles or self.at_all):
            raise ValueError("WeCom mentions nobody in Markdown; write style: text, or leave out mobiles and at_all")
        return self


class FeishuChannel(Pushing):
    """A Feishu group robot: 100 messages a minute is its limit. Lark is the same under another base_url."""

    kind: Literal["feishu"]
    token: Secret
    secret: Secret | None = None
    keyword: str = Field(default="", max_length=50)
    users: tuple[Annotated[str, written(r"all|ou_[A-Za-z0-9_-]{1,64}", "write an open id (ou_…) or all")], ...] = ()
    """Open ids to mention; the robot cannot mention mobile numbers."""
    style: Literal["text", "card"] = "text"
    base_url: WebAddress = "https://open.feishu.cn"
    rate_per_minute: Annotated[Whole, Field(ge=1, le=100_000)] | None = 100


class EmailChannel(Pushing):
    """E-mail over SMTP."""

    kind: Literal["email"]
    host: Annotated[str, Field(min_length=1, max_length=255)]
    port: Port | None = None
    """465 for tls, 587 for starttls, 25 for none."""
    security: Literal["tls", "starttls", "none"] = "starttls"
    ca: PresentFile | None = None
    """The authority that signed the server's certificate, where it is none of the system's."""
    username: str | None = None
    password: Secret | None = None
    sender: Annotated[str, AfterValidator(an_address)]
    recipients: tuple[Annotated[str, AfterValidator(an_address)], ...] = Field(default=(), max_length=100)
    """Who is written to about what is for no one person, such as a station's pushes."""

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together; write both, or neither")
        if self.username is not None and self.security == "none":
            raise ValueError("the password would travel in the clear; write security: starttls or tls")
        return self


class WebPushChannel(Pushing):
    """Notifications in the browsers that people have subscribed on the page."""

    kind: Literal["webpush"]
    vapid_key: Annotated[Secret, AfterValidator(_vapid_key)]
    """32 random bytes as base64url; see docs/channels.md for the command that makes one."""
    subject: Annotated[
        str, written(r"(mailto:[^@\s]+@[^@\s]+|https://\S+)", "write mailto:name@host, whom a push service may ask")
    ]
    services: tuple[Annotated[str, written(r"[a-z0-9.-]{1,253}", "write a host, without https://")], ...] = SERVICES
    """Push services that a subscription may name, with all hosts below them."""


class AppriseChannel(Pushing):
    """Any service that apprise knows: taken, but never confirmed."""

    kind: Literal["apprise"]
    url: Secret
    timeout: Annotated[Duration, lasting("100ms", "1m")] = 20 * SECOND

    @model_validator(mode="after")
    def _is_installed(self) -> Self:
        if find_spec("apprise") is None:
            raise ValueError("the library apprise is not installed; run pip install 'wanglou[apprise]'")
        return self


class MqttChannel(Pushing):
    """What the daemon says of incidents, on topics; on the broker of the `mqtt` section unless told otherwise."""

    kind: Literal["mqtt"]
    broker: Broker | None = None


class _Telephone(Pushing):
    """A gateway that reaches one person by their mobile number."""

    gateway: GatewaySettings
    mobile: Annotated[Secret, AfterValidator(a_mobile)] | None = None
    """Where pushes go that are for no one person, such as a station's: the duty telephone."""


class SmsChannel(_Telephone):
    """Short messages."""

    kind: Literal["sms"]

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if not isinstance(self.gateway, GenericGateway) and not self.gateway.sign_name:
            raise ValueError("gateway.sign_name is missing; short messages need the approved signature (签名)")
        return self


class VoiceChannel(_Telephone):
    """Telephone calls, read aloud."""

    kind: Literal["voice"]
    language: Literal["zh", "en"] = "zh"


ChannelSettings: TypeAlias = Annotated[
    WebhookChannel
    | DingTalkChannel
    | WeComChannel
    | FeishuChannel
    | SmsChannel
    | VoiceChannel
    | EmailChannel
    | WebPushChannel
    | AppriseChannel
    | MqttChannel,
    Field(discriminator="kind"),
]


def one_key_for_browsers(channels: dict[str, ChannelSettings]) -> dict[str, ChannelSettings]:
    """The same; raises ValueError for two channels of kind webpush: a browser trusts one key."""
    found = [name for name, channel in channels.items() if isinstance(channel, WebPushChannel)]
    if len(found) > 1:
        raise ValueError(f"{' and '.join(found)} are both of kind webpush; keep one, for a browser trusts one key")
    return channels
