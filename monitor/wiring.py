"""From settings to parts: broker settings, channels, histories, the doctor's round, the tap and the ledger's copies.

Beside monitor/app.py the only module that knows adapters and the ledger; so the command line knows neither. Decides nothing.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Literal

import aiohttp

from monitor.adapters.dingtalk import DingTalk
from monitor.adapters.embedded_history import EmbeddedHistory
from monitor.adapters.feishu import Feishu
from monitor.adapters.http_gateway import HttpGateway
from monitor.adapters.http_post import HttpPost
from monitor.adapters.influx import InfluxHistory
from monitor.adapters.mqtt import MqttSettings
from monitor.adapters.mqtt_commands import MqttCommands
from monitor.adapters.mqtt_tap import BrokerAddress, listen, probe, publish
from monitor.adapters.mqtt_topics import MqttTopics
from monitor.adapters.smtp import Smtp
from monitor.adapters.webhook import Webhook
from monitor.adapters.wecom import WeCom
from monitor.clock import Clock
from monitor.doctor import examine
from monitor.findings import Finding
from monitor.gateways import Gateway
from monitor.gateways.aliyun import Aliyun
from monitor.gateways.generic import Generic
from monitor.gateways.tencent import Tencent
from monitor.ledger import copies
from monitor.ledger.connection import LedgerError
from monitor.ledger.past import Past, opened_past
from monitor.ledger.records import opened_records
from monitor.links import Links
from monitor.lookout import Limits
from monitor.outbox import LaneLimits
from monitor.ports import Channel, History, Message, Records
from monitor.posting import Codes
from monitor.settings import Settings
from monitor.settings.channels import (
    ChannelSettings,
    DingTalkChannel,
    EmailChannel,
    FeishuChannel,
    MqttChannel,
    SmsChannel,
    VoiceChannel,
    WebhookChannel,
    WeComChannel,
)
from monitor.settings.gateways import AliyunGateway, GatewaySettings, GenericGateway, TencentGateway
from monitor.settings.sections import Broker, HistorySettings, Tls
from monitor.settings.sections import EmbeddedHistory as EmbeddedSettings
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


def feed_settings(settings: Settings) -> MqttSettings:
    """How the intake reaches its broker."""
    m = settings.mqtt
    return MqttSettings(
        m.host,
        m.port,
        protocol=m.protocol,
        client_id=m.client_id,
        username=m.username,
        password=m.password,
        tls=tls_context(m.tls),
        keepalive=m.keepalive // SECOND,
        topics=m.topics,
        session_expiry=m.session_expiry // SECOND,
        inflight=m.inbox_limit,
    )


def guest(broker: Broker) -> BrokerAddress:
    """The same broker, as a guest without a session."""
    return BrokerAddress(
        broker.host, broker.port, broker.username, broker.password, tls_context(broker.tls), five=broker.protocol == "5",
        keepalive=broker.keepalive // SECOND,
    )  # fmt: skip


def tap(settings: Settings, topics: Iterable[str], now: Callable[[], Micros]) -> AsyncIterator[Message]:
    """What the broker says on `topics` (none: those of the site file). Raises TryAgain when it is lost."""
    return listen(guest(settings.mqtt), tuple(topics) or settings.mqtt.topics, now)


async def send(settings: Settings, messages: Iterable[Message], *, speed: float) -> int:
    """Publish a tape to the broker, `speed` times as fast as it was (0: as fast as it goes); how many. Raises TryAgain."""
    return await publish(guest(settings.mqtt), messages, speed=speed)


def backup(settings: Settings, target: Path) -> None:
    """Copy the ledger while the daemon may be writing it. Raises LedgerError, OSError."""
    copies.backup(settings.data.folder, target)


def taped(folder: Path, begin: Micros, end: Micros) -> AbstractContextManager[tuple[Iterator[Message], Micros, Micros]]:
    """(messages, first_at, last_at) of a slice of the ledger in a data folder. Raises LedgerError."""
    return copies.messages_between(folder, begin, end)


def present(folder: Path) -> AbstractContextManager[Past]:
    """Newest snapshot and tape of the ledger in a data folder; a daemon may be writing it. Raises LedgerError."""
    return opened_past(folder)


def records(folder: Path) -> AbstractAsyncContextManager[Records]:
    """The incidents that the ledger in a data folder keeps; a daemon may be writing it. Raises LedgerError."""
    return opened_records(folder)


def limits(settings: Settings) -> Limits:
    """Freshness and sizes."""
    quality = settings.quality
    return Limits(quality.late_after, quality.future_tolerance, settings.mqtt.max_payload_bytes)


def links(settings: Settings, now: Callable[[], Micros]) -> Links:
    """What makes the links that people are sent, and reads them."""
    return Links(settings.api.public_url, settings.api.token.get_secret_value().encode(), now)


def channels(settings: Settings, session: aiohttp.ClientSession, now: Callable[[], Micros]) -> dict[str, Channel]:
    """Every channel of the site file, by name, and the one for commands where linkage is armed; nothing is connected yet."""
    post, link = HttpPost(session), links(settings, now).of
    found = {name: _channel(settings, name, section, post, now, link) for name, section in settings.channels.items()}
    if settings.linkage.mode is Mode.ARMED:
        found[COMMANDING] = _commands(settings.mqtt, now)
    return found


def _commands(b: Broker, now: Callable[[], Micros]) -> MqttCommands:
    """Devices listen where they speak: on the broker that readings come from."""
    return MqttCommands(
        COMMANDING, b.host, b.port, username=b.username, password=b.password, tls=tls_context(b.tls), protocol=b.protocol,
        now=now,
    )  # fmt: skip


def lane_limits(settings: Settings) -> dict[str, LaneLimits]:
    """What each channel is asked to carry; state topics keep their order."""
    return {
        name: LaneLimits(c.concurrency, c.timeout / SECOND, c.rate_per_minute, ordered=isinstance(c, MqttChannel))
        for name, c in settings.channels.items()
    } | {COMMANDING: LaneLimits(timeout=COMMAND_SECONDS, once=True)}


def _channel(
    settings: Settings,
    name: str,
    c: ChannelSettings,
    post: HttpPost,
    now: Callable[[], Micros],
    link: Callable[[Push], str],
) -> Channel:
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


def histories(settings: Settings, now: Callable[[], Micros]) -> dict[str, History]:
    """Every history of the site file, by name; the first one answers questions."""
    return {h.name: _history(h, settings.data.folder, now) for h in settings.history}


async def checkup(settings: Settings) -> list[Finding]:
    """What `wanglou doctor` finds, asked of the real broker, histories and channels; nobody is paged."""
    now = Clock().now
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        pushing, remembering = channels(settings, session, now), histories(settings, now)
        for channel in pushing.values():
            stack.push_async_callback(channel.aclose)
        for history in remembering.values():
            stack.push_async_callback(history.aclose)
        login = partial(probe, guest(settings.mqtt))
        return await examine(settings, channels=pushing, histories=remembering, broker_check=login)


def _history(h: HistorySettings, folder: Path, now: Callable[[], Micros]) -> History:
    if isinstance(h, EmbeddedSettings):
        folder.mkdir(parents=True, exist_ok=True)
        return EmbeddedHistory(
            folder / f"{h.name}.sqlite3", raw_days=h.raw_days, minute_days=h.minute_days, hour_days=h.hour_days, now=now
        )
    return InfluxHistory(
        h.url,
        database=h.database_or_bucket,
        api=h.api,
        dialect=h.dialect,
        org=h.org or "",
        token=h.token.get_secret_value() if h.token else "",
        username=h.username or "",
        password=h.password.get_secret_value() if h.password else "",
        timeout=h.timeout / SECOND,
        ca_file=str(h.ca) if h.ca is not None else "",
    )


__all__ = [
    "WORDS",
    "LedgerError",
    "backup",
    "channels",
    "checkup",
    "feed_settings",
    "guest",
    "histories",
    "lane_limits",
    "limits",
    "links",
    "present",
    "records",
    "send",
    "tap",
    "taped",
    "tls_context",
]
