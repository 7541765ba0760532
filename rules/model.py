"""The nouns of the watch: places, readings, the events that go into the engine and the effects that come out.

Plain values only: nothing here knows YAML, MQTT, SQL or the time of day.

Time is an integer of microseconds since 1970-01-01T00:00Z (`Micros`) everywhere inside; aware datetimes live at the edges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rules.commands import Permits
    from rules.people import Plan

Micros: TypeAlias = int
"""Microseconds since the epoch (a moment), or a number of microseconds (a duration)."""

Value: TypeAlias = float | bool | str
"""What a quantity measures: numbers are always floats."""

SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR


class Kind(StrEnum):
    """What an alarm means (NFPA 72: alarm before supervisory before trouble). Highest first."""

    FIRE = "FIRE"
    PREALARM = "PREALARM"
    SUPERVISORY = "SUPERVISORY"
    FAULT = "FAULT"

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return _RANK[self]


_RANK = {kind: rank for rank, kind in enumerate(Kind)}


class Freshness(StrEnum):
    """What a reading is worth as evidence. Only LIVE pages; the others are kept, shown, and may ask for a human check."""

    LIVE = "live"
    RETAINED = "retained"
    LATE = "late"
    DUPLICATE = "duplicate"
    FUTURE = "future"


class Disposition(StrEnum):
    """What it turned out to be; forced when an incident is closed (GB/T 45839-2025 5.8.2)."""

    FIRE = "fire"
    NUISANCE = "nuisance"
    TEST = "test"
    WORKS = "works"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in both languages; Chinese comes first on every page."""

    zh: str
    en: str


# --- places -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Zone:
    """A detection zone: the smallest place a responder is sent to. `key` is `site/zone`."""

    key: str
    site: str
    name: Text
    kind: str
    building: str = ""
    adjacent: tuple[str, ...] = ()
    attributes: Mapping[str, Value] = field(default_factory=dict)
    address: Text | None = None
    """Street and number of its building or site, for who has never been there."""
    building_name: Text | None = None

    @property
    def place(self) -> Text:
        """Its name, after its building's where it does not tell that itself."""
        house = self.building_name
        if house is None:
            return self.name
        zh = self.name.zh if house.zh in self.name.zh else f"{house.zh} {self.name.zh}"
        return Text(zh, self.name.en if house.en in self.name.en else f"{house.en}, {self.name.en}")


@dataclass(frozen=True, slots=True)
class Device:
    """One thing that reports. `key` is `site/device`, `zone` a zone's key."""

    key: str
    site: str
    kind: str
    zone: str
    name: Text
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DevicePattern:
    """Devices registered by name: `pattern` is searched in full over `site/device`; `zone` and `name` may use its groups."""

    pattern: re.Pattern[str]
    kind: str
    zone: str
    name: Text
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recipient:
    """One channel a station listens on, and the kinds of incident that are pushed to it."""

    channel: str
    kinds: frozenset[Kind] = frozenset({Kind.FIRE, Kind.PREALARM, Kind.SUPERVISORY})
    follow: bool = False
    """Told of every change of an incident's record (MQTT incident topics), instead of only when somebody must act."""


@dataclass(frozen=True, slots=True)
class Station:
    """A micro fire station (微型消防站) and the zones it covers."""

    key: str
    name: Text
    zones: frozenset[str]
    recipients: tuple[Recipient, ...]
    callback: str = ""
    """The duty room's telephone number, for those above who are handed an incident."""


@dataclass(frozen=True, slots=True)
class SlaProfile:
    """Deadlines counted from the raising of an incident: 1-5-20 minutes unless the site says otherwise."""

    dispatch: Micros = 1 * MINUTE
    on_scene: Micros = 5 * MINUTE
    resolve: Micros = 20 * MINUTE


REPORTS = "report-"
"""What people see is told by `site/report-zone`: there is one for each zone, without being listed."""
HUMAN_REPORT = "human_report"
"""Its kind."""


class Neighbourhood:
    """Everything the site file says, as the engine needs it: zones, stations and who is who among the devices.

    `device()` is O(1) after the first message of a device; a device known by pattern is built on its first message, at most
    `max_devices` of them.
    """

    def __init__(
        self,
        *,
        zones: Mapping[str, Zone],
        stations: tuple[Station, ...],
        devices: Mapping[str, Device] | None = None,
        patterns: tuple[DevicePattern, ...] = (),
        sla: Mapping[Kind, SlaProfile] | None = None,
        max_devices: int = 1_000_000,
        plan: Plan | None = None,
        permits: Permits | None = None,
    ) -> None:
        self.zones = dict(zones)
        self.stations = stations
        self.patterns = patterns
        self.sla = (
            dict(sla) if sla is not None else dict.fromkeys((Kind.FIRE, Kind.PREALARM, Kind.SUPERVISORY), SlaProfile())
        )
        self.max_devices = max_devices
        self.plan = plan
        """Who is called beside the stations' own channels; None: nobody."""
        self.permits = permits
        """What rules may command devices to do; None: nothing."""
        self._devices = dict(devices or {})
        self._by_pattern: set[str] = set()
        self._stations_of: dict[str, tuple[Station, ...]] = {
            key: tuple(s for s in stations if key in s.zones) for key in self.zones
        }

    @property
    def devices(self) -> Mapping[str, Device]:
        """The devices seen or listed so far, by key."""
        return self._devices

    def device(self, key: str) -> Device | None:
        """Who this is, or None for a stranger (also when the bound on devices is reached)."""
        known = self._devices.get(key)
        if known is None and len(self._devices) < self.max_devices:
            known = self._of_people(key) or self._from_pattern(key)
            if known is not None:
                self._devices[key] = known
                self._by_pattern.add(key)
        return known

    def listed(self) -> Iterator[Device]:
        """The devices that the site file names one by one: they are there even before they first speak."""
        return (device for key, device in self._devices.items() if key not in self._by_pattern)

    def stations_of(self, zone: str) -> tuple[Station, ...]:
        """The stations that cover a zone, in the order of the site file: the first is sent."""
        return self._stations_of.get(zone, ())

    def _of_people(self, key: str) -> Device | None:
        site, _, name = key.partition("/")
        zone = self.zones.get(f"{site}/{name.removeprefix(REPORTS)}") if name.startswith(REPORTS) else None
        if zone is None:
            return None
        said = Text(f"{zone.name.zh} 人员上报", f"Reports of people, {zone.name.en}")
        return Device(key, site, HUMAN_REPORT, zone.key, said)

    def _from_pattern(self, key: str) -> Device | None:
        for p in self.patterns:
            if match := p.pattern.fullmatch(key):
                groups = match.groupdict()
                zone = p.zone.format_map(groups)
                if zone in self.zones:
                    name = Text(p.name.zh.format_map(groups), p.name.en.format_map(groups))
                    return Device(key, key.partition("/")[0], p.kind, zone, name, p.attributes)
        return None


# --- events: what can happen ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """One message of one registered device. Rules use `at` (arrival); `measured_at` is the device's own word."""

    at: Micros
    device: str
    values: Mapping[str, Value]
    freshness: Freshness = Freshness.LIVE
    measured_at: Micros | None = None
    exercise: str = ""
    """The drill that it belongs to: nothing of it was measured."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something of our own is wrong (broker gone, database refuses, a bound bit) or well again (NFPA 72: trouble)."""

    at: Micros
    source: str
    active: bool
    detail: str = ""


class Verb(StrEnum):
    """What a person may do to an incident."""

    ACKNOWLEDGE = "acknowledge"
    ON_SCENE = "on-scene"
    RESOLVE = "resolve"
    RESET = "reset"
    CLOSE = "close"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Move:
    """A person does something to an incident. Closing needs a disposition."""

    at: Micros
    incident: str
    verb: Verb
    by: str
    note: str = ""
    disposition: Disposition | None = None
    via: str = ""
    """The way by which it came: `page`, `api`, `link`, `mqtt`, `reply`."""


class Outcome(StrEnum):
    """How one attempt to deliver a push ended."""

    ACCEPTED = "accepted"
    RETRY = "retry"
    DEAD = "dead"
    WITHDRAWN = "withdrawn"
    """Nobody need hear it any more: said by the response itself, never by a provider."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider answered to one attempt of one push. `next_at` is set when it will be tried again."""

    at: Micros
    key: str
    outcome: Outcome
    attempt: int
    reply: str = ""
    next_at: Micros | None = None


class Measure(StrEnum):
    """What is done to a device or zone."""

    SHELVED = "shelved"
    """Its SUPERVISORY and FAULT alarms do not page (ISA-18.2: shelved)."""
    TEST = "test"
    """Somebody works on the device: its alarms of every kind are marked as test and do not page, and it is no voter (EN 54-2: test)."""
    WORKS = "works"
    """A works permit for a zone (动火作业): PREALARM and SUPERVISORY do not page, a FIRE does."""
    DRILL = "drill"
    """An exercise is announced: readings from here that bear the measure's id are made up for it (`Reading.exercise`)."""
    IMPAIRED = "impaired"
    """Somebody knows that detection is missing here and answers for it; what still alarms pages as ever."""


@dataclass(frozen=True, slots=True)
class Suppress:
    """A person takes a measure. An event; `subject` is a device's or zone's key, `rule` narrows SHELVED to one rule."""

    at: Micros
    measure: Measure
    subject: str
    by: str
    why: str
    until: Micros
    rule: str = ""
    compensation: str = ""
    """What is done instead: a patrol every hour, a fire watch. WORKS and IMPAIRED need it."""


@dataclass(frozen=True, slots=True)
class Restore:
    """A person ends a measure before its time. An event."""

    at: Micros
    suppression: str
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Swap:
    """From `since` until `until`, `takes` stands in for `leaves` at a station (换班). An event, and what is kept of it."""

    at: Micros
    station: str
    leaves: str
    takes: str
    since: Micros
    until: Micros
    by: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    at: Micros


# `BookChanged` lives in rulebook.py, beside the book it carries.


# --- effects: what is to be done about it -----------------------------------------------------------------------------


class AlarmState(StrEnum):
    """One rule at one subject (ISA-18.2): PENDING runs `for`, CLEARING runs `clear_for`, LATCHED waits for a reset."""

    IDLE = "idle"
    PENDING = "pending"
    ACTIVE = "active"
    CLEARING = "clearing"
    LATCHED = "latched"


class IncidentState(StrEnum):
    """How far the response has come."""

    RAISED = "raised"
    DISPATCHED = "dispatched"
    ACKNOWLEDGED = "acknowledged"
    ON_SCENE = "on_scene"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Condition(StrEnum):
    """What the sensors say meanwhile."""

    ACTIVE = "active"
    RETURNED = "returned"
    LATCHED = "latched"


@dataclass(frozen=True, slots=True)
class Incident:
    """Alarms of one place that need one response. The record that the ledger keeps and the page shows."""

    id: str
    site: str
    zone: str
    group: str
    kind: Kind
    state: IncidentState
    condition: Condition
    title: Text
    raised_at: Micros
    station: str = ""
    suspected: bool = False
    """Evidence is not live (late, retained, or a clock is wrong): a human is asked to verify, nobody is dispatched."""
    alarms: int = 0
    """How many alarms have joined."""
    rules: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    """The first devices and the newest one, at most 20."""
    last_device: str = ""
    dispatched_at: Micros | None = None
    acknowledged_at: Micros | None = None
    on_scene_at: Micros | None = None
    resolved_at: Micros | None = None
    closed_at: Micros | None = None
    disposition: Disposition | None = None
    overdue: tuple[str, ...] = ()
    dispatch_due_at: Micros | None = None
    """The promise: by when somebody is sent, on scene, and done. None where the SLA profile promises nothing; kept once reached."""
    on_scene_due_at: Micros | None = None
    resolve_due_at: Micros | None = None
    measured_at: Micros | None = None
    """When the device took the reading that began it, by its own clock, where it told."""
    sensed_at: Micros | None = None
    """When the danger was first heard of here: `raised_at` less what the rule waited for."""
    acknowledged_by: str = ""
    warned: tuple[str, ...] = ()
    """Deadlines that were near when last looked at."""
    handed_over_at: Micros | None = None
    """When those above (119) were called."""
    lead: str = ""
    """In a flood: the incident under whose dispatches this one goes."""
    members: int = 0
    """In a flood: how many go under this one."""
    withheld: str = ""
    """The suppression that keeps it from paging, `sup-000001`."""
    exercise: str = ""
    """The drill or test that it belongs to; never a real danger."""
    revision: int = 1


@dataclass(frozen=True, slots=True)
class AlarmChanged:
    """An alarm moved in its table. `subject` is a device's or zone's key, or `system/<source>`."""

    at: Micros
    rule: str
    subject: str
    kind: Kind
    state: AlarmState
    incident: str = ""


@dataclass(frozen=True, slots=True)
class IncidentChanged:
    """The incident as it stands now; written in place of the former record."""

    at: Micros
    incident: Incident


class Step(StrEnum):
    """What a timeline entry tells."""

    RAISED = "raised"
    JOINED = "joined"
    ESCALATED = "escalated"
    CONFIRMED = "confirmed"
    RETURNED = "returned"
    REALARM = "realarm"
    DISPATCHED = "dispatched"
    PUSH_QUEUED = "push_queued"
    PUSH_ACCEPTED = "push_accepted"
    PUSH_FAILED = "push_failed"
    PUSH_DEAD = "push_dead"
    ACKNOWLEDGED = "acknowledged"
    ON_SCENE = "on_scene"
    RESOLVED = "resolved"
    RESET = "reset"
    CLOSED = "closed"
    NOTE = "note"
    OVERDUE = "overdue"
    UNCOVERED = "uncovered"
    WARNED = "warned"
    """A deadline is near."""
    CALLED = "called"
    """A rung of the ladder: whom it called."""
    EXHAUSTED = "exhausted"
    """The ladder has no further rung and nobody has acknowledged."""
    HANDED_OVER = "handed_over"
    FLOOD = "flood"
    """It goes under another incident's dispatches, or leads others."""
    WITHHELD = "withheld"
    """A suppression keeps it from paging."""
    RELEASED = "released"
    """No suppression keeps it any more."""
    COMMANDED = "commanded"
    COMMAND_DONE = "command_done"
    COMMAND_FAILED = "command_failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an incident's timeline. `detail` holds plain JSON values."""

    at: Micros
    incident: str
    step: Step
    detail: Mapping[str, Value | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Push:
    """Tell one recipient one thing. `key` is `incident/step/channel` or `incident/step/channel@person`: the idempotency key, the same on
    every attempt."""

    at: Micros
    key: str
    incident: str
    step: str
    channel: str
    kind: Kind
    expires_at: Micros
    body: Mapping[str, object]
    """The message as plain JSON values; see docs/wire-format.md."""
    to: str = ""
    """The key of the person it is for; empty for whoever listens on the channel."""


@dataclass(frozen=True, slots=True)
class PushSettled:
    """Where a push stands after an attempt; `next_at` is set while it will be tried again."""

    at: Micros
    key: str
    outcome: Outcome
    attempts: int
    reply: str
    next_at: Micros | None = None


@dataclass(frozen=True, slots=True)
class Suppression:
    """A measure in force, or one that has ended; the record that the ledger keeps."""

    id: str
    """`sup-000001`"""
    measure: Measure
    subject: str
    rule: str
    by: str
    why: str
    since: Micros
    until: Micros
    compensation: str = ""
    ended_at: Micros | None = None
    ended_by: str = ""
    """Empty when it ended by itself."""
    note: str = ""
    """What was said at its end."""


@dataclass(frozen=True, slots=True)
class SuppressionChanged:
    """A measure was taken or has ended. An effect."""

    at: Micros
    suppression: Suppression


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that a person asked for and that is not allowed, or lacks something; nothing happened. `incident` may be empty."""

    at: Micros
    incident: str
    reason: str


Effect: TypeAlias = AlarmChanged | IncidentChanged | Entry | Push | PushSettled | SuppressionChanged | Refused
