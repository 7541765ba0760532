"""A small block of houses for the engine's tests: two zones, two stations, and a hand that feeds events second by second.

Knows the engine and the words it speaks; no broker, no ledger, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack

from rules.engine import Engine, Event
from rules.model import (
    SECOND,
    AlarmChanged,
    Device,
    Disposition,
    Effect,
    Entry,
    Freshness,
    Incident,
    IncidentChanged,
    Kind,
    Micros,
    Move,
    Neighbourhood,
    Outcome,
    Push,
    PushSettled,
    Reading,
    Receipt,
    Recipient,
    Refused,
    SlaProfile,
    Station,
    Step,
    Text,
    Tick,
    Trouble,
    Value,
    Verb,
    Zone,
)
from rules.rule import BookChanged, RuleBook
from rules.rulebook import load_book

T0: Micros = 1_795_305_600 * SECOND
"""2026-11-22T00:00:00Z: second 0 of every story."""

DEVICES = {
    "h1": ("smoke_detector", "home"),
    "h2": ("smoke_detector", "home"),
    "h3": ("heat_detector", "home"),
    "g1": ("smoke_detector", "garage"),
    "g2": ("heat_detector", "garage"),
    "gw": ("gateway", "garage"),
}
_EVERYTHING = frozenset(Kind)


def block(sla: Mapping[Kind, SlaProfile] | None = None, *, without: frozenset[str] = frozenset()) -> Neighbourhood:
    """Station east covers both zones, west covers the home as well; the alley has no station.

    East listens on `hook` (FIRE, PREALARM, SUPERVISORY) and follows everything on `screen`; west listens on `robot`.
    """
    zones = {f"b/{z}": Zone(f"b/{z}", "b", Text(z, z), k) for z, k in _ZONES.items()}
    devices = {
        f"b/{d}": Device(f"b/{d}", "b", kind, f"b/{zone}", Text(d, d))
        for d, (kind, zone) in DEVICES.items()
        if d not in without
    } | {"b/alley-1": Device("b/alley-1", "b", "smoke_detector", "b/alley", Text("巷", "alley"))}
    east = Station(
        "east",
        Text("东门", "East gate"),
        frozenset({"b/home", "b/garage"}),
        (Recipient("hook"), Recipient("screen", _EVERYTHING, follow=True)),
    )
    west = Station("west", Text("西门", "West gate"), frozenset({"b/home"}), (Recipient("robot"),))
    return Neighbourhood(zones=zones, stations=(east, west), devices=devices, sla=sla)


_ZONES = {"home": "dwelling", "garage": "garage", "alley": "fire_lane"}


def rule(rule_id: str, kind: str, when: str, devices: Iterable[str] = ("smoke_detector",), **more: str) -> str:
    """One entry of a book, in YAML; a trailing underscore (`for_`) makes a keyword a name."""
    lines = [f"  - id: {rule_id}", f"    kind: {kind}", f"    devices: [{', '.join(devices)}]", f"    when: {when}"]
    lines += [f"    {name.rstrip('_')}: {value}" for name, value in more.items()]
    return "\n".join([*lines, f"    title: {{zh: {rule_id}, en: {rule_id}}}", ""])


def book(*rules: str) -> RuleBook:
    """The rules as one file."""
    return load_book([("test.yaml", "version: 1\nrules:\n" + "".join(rules))])


def through_bytes(engine: Engine, neighbourhood: Neighbourhood) -> Engine:
    """The engine that a restart makes of this one: the same book, the state through msgpack and back."""
    fresh = Engine(engine.book, neighbourhood)
    fresh.restore(msgpack.unpackb(msgpack.packb(engine.snapshot()), strict_map_key=False))
    return fresh


@dataclass
class Hand:
    """Feeds an engine; every verb returns its effects as lines, and `effects` keeps them all. Times are seconds after T0."""

    engine: Engine
    effects: list[Effect] = field(default_factory=list)

    def feed(self, event: Event) -> list[str]:
        """Any event."""
        found = self.engine.handle(event)
        self.effects += found
        return lines(found)

    def read(
        self,
        at: float,
        device: str,
        freshness: Freshness = Freshness.LIVE,
        measured: float | None = None,
        **values: Value | int,
    ) -> list[str]:
        """A reading; whole numbers are meant as floats."""
        measured_at = None if measured is None else moment(measured)
        said = {n: v if isinstance(v, (bool, str)) else float(v) for n, v in values.items()}
        return self.feed(Reading(moment(at), f"b/{device}", said, freshness, measured_at))

    def move(
        self, at: float, verb: Verb, note: str = "", disposition: Disposition | None = None, n: int = 1
    ) -> list[str]:
        """A person's move on the n-th incident."""
        return self.feed(Move(moment(at), incident(n), verb, "li", note, disposition))

    def receipt(self, at: float, key: str, outcome: Outcome = Outcome.ACCEPTED, attempt: int = 1) -> list[str]:
        """A provider's answer; `key` is `1/dispatch-1/hook`."""
        return self.feed(Receipt(moment(at), full_key(key), outcome, attempt, "said"))

    def trouble(self, at: float, source: str, active: bool = True) -> list[str]:
        """Something of our own."""
        return self.feed(Trouble(moment(at), source, active, "broken"))

    def tick(self, at: float) -> list[str]:
        """Time passes."""
        return self.feed(Tick(moment(at)))

    def book(self, at: float, new: RuleBook) -> list[str]:
        """Another book."""
        return self.feed(BookChanged(moment(at), new))

    def case(self, n: int = 1) -> Incident:
        """The open incident as it stands."""
        return next(i for i in self.engine.open_incidents if i.id == incident(n))

    def pushes(self) -> list[str]:
        """Short keys of all pushes so far, without word for those who follow."""
        return [short_key(e.key) for e in self.effects if isinstance(e, Push) and "/state-" not in e.key]


def hand(rules: RuleBook, sla: Mapping[Kind, SlaProfile] | None = None) -> Hand:
    """A fresh engine in the block."""
    return Hand(Engine(rules, block(sla)))


def moment(seconds: float) -> Micros:
    """So many seconds after T0."""
    return T0 + round(seconds * SECOND)


def incident(n: int) -> str:
    """The id of the n-th incident."""
    return f"inc-{n:06d}"


def short_key(key: str) -> str:
    """`inc-000001/dispatch-1/hook` as `1/dispatch-1/hook`."""
    number, _, rest = key.partition("/")
    return f"{_n(number)}/{rest}"


def full_key(key: str) -> str:
    """The inverse of `short_key`."""
    number, _, rest = key.partition("/")
    return f"{incident(int(number))}/{rest}"


def _n(incident_id: str) -> int:
    return int(incident_id.removeprefix("inc-"))


_OF_AN_ALARM = {Step.RAISED, Step.JOINED, Step.ESCALATED, Step.CONFIRMED, Step.RETURNED, Step.REALARM}
_OF_A_PERSON = {Step.ACKNOWLEDGED, Step.ON_SCENE, Step.RESOLVED, Step.RESET, Step.CLOSED, Step.NOTE}


def lines(effects: Iterable[Effect]) -> list[str]:
    """Effects as short lines, in order. What only repeats another line (a push is queued, an attempt is settled) is left out."""
    return [text for text in map(line, effects) if text]


def line(effect: Effect) -> str:
    """One effect in a few words."""
    match effect:
        case AlarmChanged(rule=rule_id, subject=subject, state=state):
            return f"{rule_id}@{subject.removeprefix('b/')} {state}"
        case Entry():
            return _entry(effect)
        case Push(key=key):
            return f"push {short_key(key)}"
        case IncidentChanged(incident=now):
            doubt = " suspected" if now.suspected else ""
            return f"{_n(now.id)} is {now.kind} {now.state} {now.condition}{doubt}"
        case Refused(incident=refused, reason=reason):
            return f"{_n(refused)} refused: {reason}"
        case PushSettled():
            return ""


def _entry(entry: Entry) -> str:
    n, detail = _n(entry.incident), entry.detail
    if entry.step is Step.PUSH_QUEUED:
        return ""
    if entry.step in _OF_AN_ALARM:
        latched = " latched" if detail.get("latched") else ""
        return f"{n} {entry.step} {detail['rule']}@{str(detail['subject']).removeprefix('b/')}{latched}"
    more: dict[Step, Any] = {
        Step.OVERDUE: detail.get("goal"),
        Step.DISPATCHED: f"{detail.get('station')} by {detail.get('channel')}",
        Step.UNCOVERED: str(detail.get("zone")).removeprefix("b/"),
    }
    if entry.step in more:
        return f"{n} {entry.step} {more[entry.step]}"
    if entry.step in _OF_A_PERSON:
        return f"{n} {entry.step} by {detail['by'] or 'itself'}"
    return f"{n} {entry.step} {detail['step']} {detail['channel']}"
