"""From settings to parts: broker settings, channels, histories, the doctor's round, the tap and the ledger's copies.

Beside monitor/app.py the only module that knows adapters and the ledger; so the command line knows neither. Decides nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from monitor.adapters.embedded_history import EmbeddedHistory
from monitor.adapters.mqtt import MqttSettings
from monitor.adapters.mqtt_tap import BrokerAddress, listen, probe, publish
from monitor.adapters.own_api import OwnApi
from monitor.clock import Clock
from monitor.doctor import examine
from monitor.evidence import Dossier
from monitor.findings import Finding
from monitor.ledger import copies
from monitor.ledger.connection import LedgerError
from monitor.ledger.dossier import all_timelines, read_dossier
from monitor.ledger.past import Past, opened_past
from monitor.ledger.records import opened_records
from monitor.lookout import Limits
from monitor.ports import History, Message, Records, TimelineRow
from monitor.settings import Settings
from monitor.settings.sections import Broker, HistorySettings
from monitor.settings.sections import EmbeddedHistory as EmbeddedSettings
from monitor.shelf import Shelf
from monitor.wiring_channels import (
    WORDS,
    channels,
    lane_limits,
    links,
    push_desk,
    push_subscriptions,
    reply_doors,
    tls_context,
)
from rules.model import SECOND, Micros


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


def own_api(settings: Settings) -> OwnApi:
    """The API of the daemon that runs on this site file."""
    return OwnApi(settings.api.host, settings.api.port, settings.api.token)


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


def dossier(folder: Path, incident: str) -> Dossier | None:
    """All that the ledger in a data folder keeps of an incident; None for one that it does not know. Raises LedgerError, ValueError."""
    return read_dossier(folder, incident)


def chains(folder: Path) -> Iterator[tuple[str, Mapping[str, Any], Sequence[TimelineRow]]]:
    """(the ledger's number, record, timeline) of every incident of the ledger in a data folder. Raises LedgerError."""
    return all_timelines(folder)


MOST_PHOTOS = 1_000_000_000
MOST_CONTACTS = 1_000_000
"""Bytes; the oldest go first."""


def shelves(settings: Settings) -> tuple[Shelf, Shelf]:
    """Where reporters' photos and contacts lie; nothing is written yet."""
    folder = settings.data.folder
    return Shelf(folder / "photos", MOST_PHOTOS), Shelf(folder / "contacts", MOST_CONTACTS)


def limits(settings: Settings) -> Limits:
    """Freshness and sizes."""
    quality = settings.quality
    return Limits(quality.late_after, quality.future_tolerance, settings.mqtt.max_payload_bytes)


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
    # Its library takes as long to load as everything else of a command together, and most have no such history.
    from monitor.adapters.influx import InfluxHistory

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
    "chains",
    "channels",
    "checkup",
    "dossier",
    "feed_settings",
    "guest",
    "histories",
    "lane_limits",
    "limits",
    "links",
    "own_api",
    "present",
    "push_desk",
    "push_subscriptions",
    "records",
    "reply_doors",
    "send",
    "shelves",
    "tap",
    "taped",
    "tls_context",
]
