"""The shapes of what the API says of devices, zones, rules and quantities.

Knows no HTTP; see `answers.py` for what all answers have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from monitor.board import DeviceState, RuleView
from monitor.console.answers import Answer
from monitor.console.times import Time
from rules.commands import COMMANDS, Order, Place
from rules.model import (
    SECOND,
    AlarmState,
    Device,
    Freshness,
    Kind,
    Station,
    Text,
    Value,
    Zone,
)
from rules.quantities import Quantity, QuantityKind


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
    building_name: Text | None
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
            building_name=zone.building_name,
            adjacent=list(zone.adjacent),
            attributes=dict(zone.attributes),
            stations=[station.key for station in stations],
        )


class ReportLink(Answer):
    """What hangs on the wall of a zone: whoever opens it may report what they see there, without a login."""

    zone: str
    name: Text
    url: str
    svg: str


class ZoneList(Answer):
    """All zones by key."""

    items: list[ZoneAnswer]


class QuantityAnswer(Answer):
    """Something that can be measured. `low` and `high` are null where there is no bound."""

    name: str
    unit: str
    kind: QuantityKind
    low: float | None
    high: float | None
    zh: str
    en: str

    @classmethod
    def of(cls, q: Quantity) -> QuantityAnswer:
        """As the catalogue has it; JSON knows no infinity."""
        low, high = (bound if isfinite(bound) else None for bound in (q.low, q.high))
        return cls(name=q.name, unit=q.unit, kind=q.kind, low=low, high=high, zh=q.zh, en=q.en)


class QuantityList(Answer):
    """The catalogue, in its order."""

    items: list[QuantityAnswer]


class OrderAnswer(Answer):
    """A command that a rule gives, and to which devices: the one that decided (`self`), or all of a `kind` in its `zone` or `building`."""

    command: str
    name: Text
    at: Place
    kind: str

    @classmethod
    def of(cls, order: Order) -> OrderAnswer:
        """With the words for the command."""
        return cls(command=order.command, name=COMMANDS[order.command].words, at=order.place, kind=order.kind)


class RuleAnswer(Answer):
    """A rule of the book in force, as its author wrote it. `linkage`: what it commands, where the site file allows that."""

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
    linkage: list[OrderAnswer]

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
            linkage=[OrderAnswer.of(order) for order in rule.linkage],
        )


class RuleList(Answer):
    """The book in force, in its order."""

    items: list[RuleAnswer]
