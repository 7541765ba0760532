"""An open incident with what the response must remember of it: the alarms that keep it so, and who was called how.

Knows neither stations nor time; response.py and calling.py move it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from rules.model import (
    Condition,
    Disposition,
    Freshness,
    Incident,
    IncidentState,
    Kind,
    Micros,
    Text,
    Value,
)

NOBODY = len(Kind)
"""A rank below all kinds: nobody was called yet."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """What the response needs to know of an alarm that went active."""

    rule: str
    subject: str
    kind: Kind
    group: str
    title: Text
    advice: Text | None
    zone: str
    """A zone's key; for our own troubles `system`."""
    device: str
    """The device whose reading decided it; empty for our own troubles."""
    reading: Mapping[str, Value]
    evidence: Freshness = Freshness.LIVE
    verdict: Mapping[str, Value | None] = field(default_factory=dict)
    """How kinds of evidence were counted, for the timeline."""
    measured_at: Micros | None = None
    """When the device took the reading, by its own clock, where it told."""
    sensed_at: Micros | None = None
    """When the rule's condition began to hold."""
    withheld: str = ""
    """The suppression that keeps it from paging."""
    exercise: str = ""
    """The drill that it belongs to, or `test` for a device in test."""

    @property
    def place(self) -> tuple[str, str]:
        """(zone, group): alarms of one place join one incident. What is withheld or an exercise never joins what is neither."""
        apart = self.exercise or self.withheld
        return self.zone, f"{self.group} [{apart}]" if apart else self.group


class Case:
    """See the module. A *round* is one raising, or one that asks for more: it begins a ladder of its own."""

    __slots__ = (
        "accepted",
        "active",
        "advice",
        "around",
        "asked",
        "began",
        "called",
        "incident",
        "latched",
        "open_calls",
        "reading",
        "reinforced",
        "riders",
        "round",
        "rung",
        "sent",
        "since",
        "stations",
        "summed",
        "used",
    )

    def __init__(self, incident: Incident) -> None:
        self.incident = incident
        self.active: dict[tuple[str, str], None] = {}
        self.latched: dict[tuple[str, str], None] = {}
        self.round = 0
        """How often somebody was called, or would have been: part of the pushes' keys."""
        self.since = 1
        """The first round since the incident was raised (again)."""
        self.sent = NOBODY
        """Rank of the gravest kind that the station was sent for since then."""
        self.asked = NOBODY
        """Rank of the gravest kind that it was sent for or asked to verify."""
        self.began: Micros = 0
        """When the round began: the ladder's zero."""
        self.rung = 0
        """The next rung of the ladder."""
        self.open_calls: dict[str, int] = {}
        """The calls that no provider has accepted or refused for good: key → attempts."""
        self.accepted: dict[str, None] = {}
        """The kinds of channel over which a call of this round was accepted."""
        self.used: dict[str, list[str]] = {}
        """Person → the channels used for them in this round, in order."""
        self.around: dict[str, None] = {}
        """The `channel@person` that failed in this round, and were gone around."""
        self.called: dict[tuple[str, str], str] = {}
        """(channel, person) → station: whoever was called, and is told how it ends."""
        self.stations: dict[str, None] = {}
        """The stations that were called, the first one first."""
        self.reinforced: dict[str, None] = {}
        """The neighbouring stations that were called in this round, or whom nothing reached."""
        self.riders: dict[str, None] = {}
        """In a flood: the incidents that go under this one's dispatches."""
        self.summed: Micros = 0
        """When it was last told how the flood that it leads has grown."""
        self.advice: Text | None = None
        self.reading: Mapping[str, Value] = {}

    @property
    def condition(self) -> Condition:
        """What the alarms say together."""
        return Condition.ACTIVE if self.active else Condition.LATCHED if self.latched else Condition.RETURNED

    def wants(self, alarm: Alarm) -> bool:
        """Does this alarm ask for more than what was done for the ones before it?"""
        if alarm.evidence is Freshness.LIVE:
            return alarm.kind.rank < self.sent
        return alarm.evidence is not Freshness.RETAINED and alarm.kind.rank < self.asked

    def begin(self, at: Micros) -> None:
        """A new round: the ladder stands at its foot again."""
        self.began, self.rung = at, 0
        self.accepted, self.used, self.around, self.reinforced = {}, {}, {}, {}

    def snapshot(self) -> list[Any]:
        """Plain values; `restored` reads them back."""
        return [
            incident_to_plain(self.incident),
            [list(k) for k in self.active],
            [list(k) for k in self.latched],
            [self.round, self.since, self.sent, self.asked],
            {
                "began": self.began,
                "rung": self.rung,
                "open": dict(self.open_calls),
                "accepted": list(self.accepted),
                "used": {person: list(channels) for person, channels in self.used.items()},
                "around": list(self.around),
                "called": [[*key, station] for key, station in self.called.items()],
                "stations": list(self.stations),
                "reinforced": list(self.reinforced),
                "riders": list(self.riders),
                "summed": self.summed,
                "advice": [self.advice.zh, self.advice.en] if self.advice else None,
                "reading": dict(self.reading),
            },
        ]


def restored(plain: list[Any]) -> Case:
    """The inverse of `Case.snapshot`; an older program's has no calls."""
    incident, active, latched, calls, *more = plain
    case = Case(incident_from_plain(incident))
    case.active = dict.fromkeys((rule, subject) for rule, subject in active)
    case.latched = dict.fromkeys((rule, subject) for rule, subject in latched)
    case.round, case.since, case.sent, case.asked = calls
    for data in more:
        case.began, case.rung = data["began"], data["rung"]
        case.open_calls, case.accepted = dict(data["open"]), dict.fromkeys(data["accepted"])
        case.used = {person: list(channels) for person, channels in data["used"].items()}
        case.around = dict.fromkeys(data["around"])
        case.called = {(channel, person): station for channel, person, station in data["called"]}
        case.stations, case.riders = dict.fromkeys(data["stations"]), dict.fromkeys(data["riders"])
        case.reinforced = dict.fromkeys(data.get("reinforced", data["stations"]))  # an older program knew no rounds
        case.summed = data.get("summed", 0)
        case.advice = Text(*data["advice"]) if data["advice"] else None
        case.reading = data["reading"]
    return case


def incident_to_plain(incident: Incident) -> dict[str, Any]:
    """The record as plain JSON values, every field kept; `incident_from_plain` reads it back."""
    out = {f.name: getattr(incident, f.name) for f in fields(incident)}
    out["title"] = [incident.title.zh, incident.title.en]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in out.items()}


def incident_from_plain(data: Mapping[str, Any]) -> Incident:
    """The inverse of `incident_to_plain`; fields that an older program did not know have their usual values."""
    out = dict(data)
    out["title"] = Text(*data["title"])
    out["kind"], out["state"], out["condition"] = (
        Kind(data["kind"]),
        IncidentState(data["state"]),
        Condition(data["condition"]),
    )
    out["disposition"] = Disposition(data["disposition"]) if data["disposition"] else None
    for name in ("rules", "devices", "overdue", "warned"):
        out[name] = tuple(data.get(name, ()))
    return Incident(**out)
