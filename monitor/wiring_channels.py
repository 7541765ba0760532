"""From settings to push channels, the lanes they run in, and the links they carry.

The part of monitor/wiring.py that knows the adapters of channels; decides nothing.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import aiohttp

from monitor.adapters.apprise_services import AppriseService
from monitor.adapters.dingtalk import DingTalk
from monitor.adapters.feishu import Feishu
from monitor.adapters.http_gateway import HttpGateway
from monitor.adapters.http_post import HttpPost
from monitor.adapters.mqtt_commands import MqttCommands
from monitor.adapters.mqtt_topics import MqttTopics
from monitor.adapters.smtp import Smtp
from monitor.adapters.webhook import Webhook
from monitor.adapters.webpush import WebPush, public_key, read_key
from monitor.adapters.wecom import WeCom
from monitor.gateways import Gateway
from monitor.gateways.aliyun import Aliyun
from monitor.gateways.generic import Generic
from monitor.gateways.tencent import Tencent
from monitor.links import Links
from monitor.outbox import LaneLimits
from monitor.ports import Channel
from monitor.posting import Codes
from monitor.push_subscriptions import PushDesk, PushSubscriptions
from monitor.replies import Protocol, ReplyDoor
from monitor.settings import Settings
from monitor.settings.channels import (
    AppriseChannel,
    ChannelSettings,
    DingTalkChannel,
    EmailChannel,
    FeishuChannel,
    MqttChannel,
    SmsChannel,
    VoiceChannel,
    WebhookChannel,
    WebPushChannel,
    WeComChannel,
)
from monitor.settings.gateways import AliyunGateway, GatewaySettings, GenericGateway, TencentGateway
from monitor.settings.sections import Broker, Tls
from monitor.tls import client_context
from rules.commands import CHANNEL as COMMANDING
from rules.commands import Mode
from rules.model import SECOND, Micros, Push
from rules.quantities import CATALOGUE

COMMAND_SECONDS = 20.0
"""More than all the bounds of one command together, which has an end of its own."""
WORDS = {name: (q.zh, q.en, q.unit) for name, q in CATALOGUE.items()}


def tls_context(tls: Tls | None) -> ssl.SSLContext | None:
    """None for plain TCP. Raises OSError when a certificate file cannot be used."""
    return None if tls is None else client_context(tls)


def reply_doors(settings: Settings) -> dict[str, ReplyDoor]:
    """The channels that may reply, and how they prove themselves."""
    return {
        name: ReplyDoor(
            Protocol.DINGTALK if isinstance(c, DingTalkChannel) else Protocol.STANDARD,
            c.reply_secret.get_secret_value(),
        )
        for name, c in settings.channels.items()
        if c.reply_secret is not None
    }


def links(settings: Settings, now: Callable[[], Micros]) -> Links:
    """What makes the links that people are sent, and reads them."""
    api = settings.api
    return Links(api.public_url, api.token.get_secret_value().encode(), now, epoch=api.report_epoch)


def push_subscriptions(settings: Settings) -> PushSubscriptions | None:
    """The browsers that want to be told; None without a channel for them. Raises ValueError, OSError for a spoilt file."""
    channel = next((c for c in settings.channels.values() if isinstance(c, WebPushChannel)), None)
    if channel is None:
        return None
    return PushSubscriptions(settings.data.folder / "push-subscriptions.json", channel.services)


def push_desk(settings: Settings, subscriptions: PushSubscriptions | None) -> PushDesk | None:
    """What the API lets browsers subscribe by; None without a channel for them."""
    channel = next((c for c in settings.channels.values() if isinstance(c, WebPushChannel)), None)
    if channel is None or subscriptions is None:
        return None
    return PushDesk(public_key(read_key(channel.vapid_key)), frozenset(settings.contacts), subscriptions)


def channels(
    settings: Settings,
    session: aiohttp.ClientSession,
    now: Callable[[], Micros],
    subscriptions: PushSubscriptions | None = None,
) -> dict[str, Channel]:
    """Every channel of the site file, by name, and the one for commands where linkage is armed; nothing is connected yet.

    `subscriptions`: those that the API adds to.
    """
    kit = _Kit(settings, HttpPost(session), now, links(settings, now).of, subscriptions or push_subscriptions(settings))
    found = {name: _channel(kit, name, section) for name, section in settings.channels.items()}
    if settings.linkage.mode is Mode.ARMED:
        found[COMMANDING] = _commands(settings.mqtt, now)
    return found


def _commands(b: Broker, now: Callable[[], Micros]) -> MqttCommands:
    """Devices listen where they speak: on the broker that readings come from."""
    return MqttCommands(
        COMMANDING, b.host, b.port, username=b.username, password=b.password, tls=tls_context(b.tls), protocol=b.protocol,
        now=now,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Kit:
    """What channels are built with."""

    settings: Settings
    post: HttpPost
    now: Callable[[], Micros]
    link: Callable[[Push], str]
    subscriptions: PushSubscriptions | None


def lane_limits(settings: Settings) -> dict[str, LaneLimits]:
    """What each channel is asked to carry; state topics keep their order."""
    return {
        name: LaneLimits(c.concurrency, c.timeout / SECOND, c.rate_per_minute, ordered=isinstance(c, MqttChannel))
        for name, c in settings.channels.items()
    } | {COMMANDING: LaneLimits(timeout=COMMAND_SECONDS, once=True)}


def _channel(kit: _Kit, name: str, c: ChannelSettings) -> Channel:
    settings, post, now, link = kit.settings, kit.post, kit.now, kit.link
    contacts = settings.contacts
    match c:
        case WebhookChannel():
            trust = None if c.ca is None else ssl.create_default_context(cafile=c.ca)
            return Webhook(name, post, c.url, c.secrets, headers=c.headers, tls=trust, link=link, now=now)
        case DingTalkChannel():
            return DingTalk(
                name, post, c.token, c.secret, mobiles=c.mobiles, at_all=c.at_all, style=c.style, keyword=c.keyword,
                contacts=contacts, link=link, quantities=WORDS, base_url=c.base_url, now=now,
            )  # fmt: skip
        case WeComChannel():
            return WeCom(
                name,
                post,
                c.key,
                mobiles=c.mobiles,
                at_all=c.at_all,
                style=c.style,
                contacts=contacts,
                link=link,
                quantities=WORDS,
                base_url=c.base_url,
            )
        case FeishuChannel():
            return Feishu(
                name,
                post,
                c.token,
                c.secret,
                users=c.users,
                keyword=c.keyword,
                style=c.style,
                contacts=contacts,
                link=link,
                quantities=WORDS,
                base_url=c.base_url,
                now=now,
            )
        case SmsChannel() | VoiceChannel():
            return HttpGateway(
                name, post, _gateway(c.kind, c.gateway, now), voice=c.kind == "voice", contacts=contacts, link=link,
                mobile=c.mobile, english=isinstance(c, VoiceChannel) and c.language == "en",
            )  # fmt: skip
        case EmailChannel():
            trust = None if c.ca is None else ssl.create_default_context(cafile=c.ca)
            port = c.port or {"tls": 465, "starttls": 587, "none": 25}[c.security]
            return Smtp(
                name, c.host, port, c.sender, security=c.security, username=c.username, password=c.password, tls=trust,
                recipients=c.recipients, contacts=contacts, link=link, quantities=WORDS, timeout=c.timeout / SECOND,
            )  # fmt: skip
        case WebPushChannel():
            if kit.subscriptions is None:
                raise RuntimeError("the subscriptions of a webpush channel were not opened")
            return WebPush(name, post, c.vapid_key, c.subject, kit.subscriptions, link=link, now=now)
        case AppriseChannel():
            return AppriseService(name, c.url, quantities=WORDS, link=link)
        case MqttChannel():
            b = settings.broker_of(name, c)
            return MqttTopics(
                name, b.host, b.port, username=b.username, password=b.password, tls=tls_context(b.tls), client_id=b.client_id,
                protocol=b.protocol, keepalive=b.keepalive // SECOND, timeout=c.timeout / SECOND,
            )  # fmt: skip


def _gateway(kind: Literal["sms", "voice"], g: GatewaySettings, now: Callable[[], Micros]) -> Gateway:
    match g:
        case GenericGateway():
            verdict = None
            if (v := g.success) is not None:
                malformed, too_fast = frozenset(v.malformed), frozenset(v.too_fast)
                verdict = Codes((v.code,), malformed, too_fast, v.pause, frozenset({v.equals}))
            return Generic(
                g.url, method=g.method, headers=g.headers, secrets=g.secrets, body_json=g.body, form=g.form, query=g.query,
                codes=verdict,
            )  # fmt: skip
        case AliyunGateway():
            return Aliyun(
                kind, g.access_key_id, g.access_key_secret, template=g.template, parameters=g.parameters,
                sign_name=g.sign_name, show_number=g.show_number, play_times=g.play_times, base_url=g.base_url or "", now=now,
            )  # fmt: skip
        case TencentGateway():
            return Tencent(
                kind, g.secret_id, g.secret_key, app_id=g.app_id, template=g.template, parameters=g.parameters,
                sign_name=g.sign_name, region=g.region, play_times=g.play_times, longest=g.longest, base_url=g.base_url or "",
                now=now,
            )  # fmt: skip
