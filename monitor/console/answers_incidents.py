"""The shapes of what the API says of incidents, their timelines and their pushes.

Knows no HTTP; see `answers.py` for what all answers have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import Field

from monitor.console.answers import Answer
from monitor.console.context import clean
from monitor.console.times import Time
from monitor.ports import OutboxRow, TimelineRow
from rules.model import (
    Condition,
    Disposition,
    Incident,
    IncidentState,
    Kind,
    Text,
    Zone,
)
from rules.people import Target


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
    dispatch_due_at: Time | None
    on_scene_due_at: Time | None
    resolve_due_at: Time | None
    measured_at: Time | None
    sensed_at: Time | None
    acknowledged_by: str
    overdue: list[str]
    warned: list[str]
    handed_over_at: Time | None
    lead: str = Field(description="In a flood: the incident under whose dispatches this one goes.")
    members: int
    withheld: str = Field(description="The measure that keeps it from paging.")
    exercise: str = Field(description="The drill that it belongs to; never a real danger.")
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


class NextCallAnswer(Answer):
    """The next rung of the ladder."""

    at: Time
    targets: list[Target]


class IncidentPage(Answer):
    """Incidents, newest first. `next` is the `before` of the next page; `position` is where to begin the stream; `now` is
    the daemon's clock, against which due moments count down on a screen whose own clock is wrong.
    """

    items: list[IncidentAnswer]
    next: Time | None
    now: Time
    position: int = Field(
        description="Open /api/v1/stream?after=<position> to miss nothing that came after this answer."
    )


class IncidentDetail(Answer):
    """One incident with its whole story."""

    incident: IncidentAnswer
    timeline: list[EntryAnswer]
    pushes: list[PushAnswer]
    next_call: NextCallAnswer | None = Field(
        description="Who is called next, unless somebody acknowledges before; null when nobody is."
    )
    now: Time
    position: int
