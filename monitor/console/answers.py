"""The shapes of the API's answers: what is written and what the OpenAPI document promises come from these same classes.

Knows no HTTP. Moments are RFC 3339 in UTC, spans are seconds, texts are a pair of languages.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from monitor.board import DeviceState, RuleView
from monitor.console.context import clean
from monitor.console.times import Time
from monitor.ports import OutboxRow, Quarantined, TimelineRow, Unregistered
from rules.model import (
    SECOND,
    AlarmState,
    Condition,
    Device,
    Disposition,
    Freshness,
    Incident,
    IncidentState,
    Kind,
    Station,
    Text,
    Value,
    Zone,
)


class Answer(BaseModel):
    """Something the API says. Fields that are not declared do not go out."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class IncidentAnswer(Answer):
    """An incident as it stands."""

    id: str
    site: str
    zone: str
    zone_name: Text | None
    group: str
    kind: Kind
    state: IncidentState
    condition: Condition
    title: Text
    raised_at: Time
    station: str
    suspected: bool
    alarms: int
    rules: list[str]
    devices: list[str]
    last_device: str
    dispatched_at: Time | None
    acknowledged_at: Time | None
    on_scene_at: Time | None
    resolved_at: Time | None
    closed_at: Time | None
    disposition: Disposition | None
    overdue: list[str]
    revision: int

    @classmethod
    def of(cls, incident: Incident, zones: Mapping[str, Zone]) -> IncidentAnswer:
        """The ledger's record with the zone's name beside its key."""
        zone = zones.get(incident.zone)
        values: dict[str, Any] = {f.name: getattr(incident, f.name) for f in fields(incident)}
        return cls(zone_name=zone.name if zone else None, **values)


class EntryAnswer(Answer):
    """One line of a timeline; also the data of an `entry` event of the stream."""

    id: int
    at: Time
    incident: str
    step: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, row: TimelineRow) -> EntryAnswer:
        """As the ledger keeps it."""
        return cls(id=row.id, at=row.at, incident=row.incident, step=row.step, detail=dict(row.detail))


class PushAnswer(Answer):
    """A push and where it stands: `pending`, `retry`, `accepted` or `dead`."""

    key: str
    at: Time
    step: str
    channel: str
    kind: Kind
    outcome: str
    attempts: int
    reply: str
    next_at: Time | None
    expires_at: Time
    body: dict[str, Any]

    @classmethod
    def of(cls, row: OutboxRow) -> PushAnswer:
        """As the outbox remembers it."""
        push = row.push
        return cls(
            key=push.key,
            at=push.at,
            step=push.step,
            channel=push.channel,
            kind=push.kind,
            outcome=row.outcome,
            attempts=row.attempts,
            reply=clean(row.reply),
            next_at=row.next_at,
            expires_at=push.expires_at,
            body=dict(push.body),
        )


class IncidentPage(Answer):
    """Incidents, newest first. `next` is the `before` of the next page; `position` is where to begin the stream."""

    items: list[IncidentAnswer]
    next: Time | None
    position: int = Field(
        description="Open /api/v1/stream?after=<position> to miss nothing that came after this answer."
    )


class IncidentDetail(Answer):
    """One incident with its whole story."""

    incident: IncidentAnswer
    timeline: list[EntryAnswer]
    pushes: list[PushAnswer]
    position: int


class AlarmAnswer(Answer):
    """One alarm of a device that is not idle."""

    rule: str
    kind: Kind
    state: AlarmState
    incident: str


class DeviceAnswer(Answer):
    """A device and what it said last; `last_at` and `freshness` are null until it has been heard."""

    key: str
    site: str
    kind: str
    zone: str
    zone_name: Text | None
    name: Text
    attributes: dict[str, Value]
    online: bool | None
    last_at: Time | None
    freshness: Freshness | None
    values: dict[str, Value]
    alarms: list[AlarmAnswer]

    @classmethod
    def of(cls, device: Device, state: DeviceState | None, zones: Mapping[str, Zone]) -> DeviceAnswer:
        """Who it is, and its state if it has one."""
        zone = zones.get(device.zone)
        return cls(
            key=device.key,
            site=device.site,
            kind=device.kind,
            zone=device.zone,
            zone_name=zone.name if zone else None,
            name=device.name,
            attributes=dict(device.attributes),
            online=state.online if state else None,
            last_at=state.last_at if state else None,
            freshness=state.freshness if state else None,
            values=dict(state.values) if state else {},
            alarms=[AlarmAnswer.model_validate(alarm) for alarm in state.alarms] if state else [],
        )


class DevicePage(Answer):
    """Devices by key. `next` is the `after` of the next page."""

    items: list[DeviceAnswer]
    next: str | None


class ZoneAnswer(Answer):
    """A detection zone. `stations` are the keys of those that cover it; the first is sent."""

    key: str
    site: str
    name: Text
    kind: str
    building: str
    adjacent: list[str]
    attributes: dict[str, Value]
    stations: list[str]

    @classmethod
    def of(cls, zone: Zone, stations: tuple[Station, ...]) -> ZoneAnswer:
        """The zone and who covers it."""
        return cls(
            key=zone.key,
            site=zone.site,
            name=zone.name,
            kind=zone.kind,
            building=zone.building,
            adjacent=list(zone.adjacent),
            attributes=dict(zone.attributes),
            stations=[station.key for station in stations],
        )


class ZoneList(Answer):
    """All zones by key."""

    items: list[ZoneAnswer]


class RecipientAnswer(Answer):
    """A channel that a station listens on, and the kinds that are pushed to it, gravest first."""

    channel: str
    kinds: list[Kind]


class StationAnswer(Answer):
    """A micro fire station."""

    key: str
    name: Text
    zones: list[str]
    recipients: list[RecipientAnswer]

    @classmethod
    def of(cls, station: Station) -> StationAnswer:
        """With sets in a stable order."""
        return cls(
            key=station.key,
            name=station.name,
            zones=sorted(station.zones),
            recipients=[
                RecipientAnswer(channel=r.channel, kinds=sorted(r.kinds, key=lambda kind: kind.rank))
                for r in station.recipients
            ],
        )


class StationList(Answer):
    """All stations, in the order of the site file."""

    items: list[StationAnswer]


class RuleAnswer(Answer):
    """A rule of the book in force, as its author wrote it."""

    id: str
    kind: Kind
    title: Text
    subject: str
    devices: list[str]
    quantities: list[str]
    where: str
    when: str
    clear: str
    hold_seconds: float
    clear_for_seconds: float
    latch: bool
    advice: Text | None
    group: str
    reason: str

    @classmethod
    def of(cls, rule: RuleView) -> RuleAnswer:
        """With spans in seconds."""
        return cls(
            id=rule.id,
            kind=rule.kind,
            title=rule.title,
            subject=rule.subject,
            devices=list(rule.devices),
            quantities=list(rule.quantities),
            where=rule.where,
            when=rule.when,
            clear=rule.clear,
            hold_seconds=rule.hold / SECOND,
            clear_for_seconds=rule.clear_for / SECOND,
            latch=rule.latch,
            advice=rule.advice,
            group=rule.group,
            reason=rule.reason,
        )


class RuleList(Answer):
    """The book in force, in its order."""

    items: list[RuleAnswer]


class ZoneCoverage(Answer):
    """How well a zone is watched. A detector is live when it has been heard and has not said that it is offline."""

    zone: str
    name: Text
    detectors: int
    heard: int
    offline: int
    live: int
    covered: bool
    last_at: Time | None


class Coverage(Answer):
    """Zones with and without a live detector."""

    zones: int
    covered: int
    items: list[ZoneCoverage]


class RawPoint(Answer):
    """One reading of one quantity."""

    at: Time
    value: float


class BucketPoint(Answer):
    """One step of time."""

    at: Time
    min: float
    mean: float
    max: float
    samples: int


class Readings(Answer):
    """A raw series, oldest first, in [from, to). `next` is the `from` of the next page."""

    device: str
    quantity: str
    points: list[RawPoint]
    next: Time | None


class BucketedReadings(Answer):
    """A downsampled series, oldest first; empty steps are left out."""

    device: str
    quantity: str
    step_seconds: float
    buckets: list[BucketPoint]


class QuarantinedAnswer(Answer):
    """A message, or a part of one, that was set aside."""

    at: Time
    reason: str
    detail: str
    topic: str
    payload: str = Field(description="As text; bytes that are not UTF-8 are written as \\xNN.")
    payload_base64: str

    @classmethod
    def of(cls, item: Quarantined) -> QuarantinedAnswer:
        """With the payload both readable and exact."""
        return cls(
            at=item.at,
            reason=item.reason,
            detail=clean(item.detail),
            topic=clean(item.topic),
            payload=item.payload.decode("utf-8", "backslashreplace"),
            payload_base64=base64.b64encode(item.payload).decode(),
        )


class QuarantineList(Answer):
    """The newest first."""

    items: list[QuarantinedAnswer]


class UnregisteredAnswer(Answer):
    """A device that speaks and is in no site file."""

    device: str
    messages: int
    first_at: Time
    last_at: Time
    topic: str
    sample: str
    sample_base64: str

    @classmethod
    def of(cls, item: Unregistered) -> UnregisteredAnswer:
        """With the sample both readable and exact."""
        return cls(
            device=clean(item.device),
            messages=item.messages,
            first_at=item.first_at,
            last_at=item.last_at,
            topic=clean(item.topic),
            sample=item.sample.decode("utf-8", "backslashreplace"),
            sample_base64=base64.b64encode(item.sample).decode(),
        )


class UnregisteredList(Answer):
    """The latest heard first."""

    items: list[UnregisteredAnswer]


class Account(Answer):
    """What became of every message. Over the ledger's whole life: received = sum of verdicts. Of this process since its
    start: `process_received` − `process_settled` = `waiting`, those on their way to a commit.
    """

    received: int
    verdicts: dict[str, int]
    quarantined: dict[str, int]
    process_received: int
    process_settled: int
    waiting: int


class TroubleAnswer(Answer):
    """Something of the daemon's own that is wrong."""

    source: str
    detail: str
    since: Time


class TroubleList(Answer):
    """What is wrong now, the oldest first."""

    items: list[TroubleAnswer]


class Status(Answer):
    """One word."""

    status: str
