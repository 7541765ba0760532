"""A small block of houses for the engine's tests: two zones, two stations, and a hand that feeds events second by second.

Knows the engine and the words it speaks; no broker, no ledger, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from monitor.stories import lines as words
from monitor.stories.lines import full_key, incident, short_key
from monitor.stories.player import restarted as through_bytes
from rules.engine import Engine, Event
from rules.model import (
    SECOND,
    Device,
    Disposition,
    Effect,
    Freshness,
    Incident,
    Kind,
    Micros,
    Move,
    Neighbourhood,
    Outcome,
    Push,
    Reading,
    Receipt,
    Recipient,
    SlaProfile,
    Station,
    Text,
    Tick,
    Trouble,
    Value,
    Verb,
    Zone,
)
from rules.people import GOALS, Ladder, Plan, Rung, Target
from rules.rule import BookChanged, RuleBook
from rules.rulebook import load_book

__all__ = [
    "DEVICES",
    "T0",
    "Hand",
    "block",
    "book",
    "full_key",
    "hand",
    "incident",
    "line",
    "lines",
    "moment",
    "rule",
    "short_key",
    "through_bytes",
]

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
ALONE = Plan(
    ladders={kind: Ladder((Rung(0, (Target.STATION,)),)) for kind in Kind},
    missed={kind: dict.fromkeys(GOALS, ()) for kind in Kind},
)


def block(sla: Mapping[Kind, SlaProfile] | None = None, *, without: frozenset[str] = frozenset()) -> Neighbourhood:
    """Station east covers both zones, west covers the home as well; the alley has no station.

    East listens on `hook` (FIRE, PREALARM, SUPERVISORY) and follows everything on `screen`; west listens on `robot`. Nobody is called
    beside the first station unless its channel fails: the ladder has stories of its own.
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
    return Neighbourhood(zones=zones, stations=(east, west), devices=devices, sla=sla, plan=ALONE)


_ZONES = {"home": "dwelling", "garage": "garage", "alley": "fire_lane"}


def rule(rule_id: str, kind: str, when: str, devices: Iterable[str] = ("smoke_detector",), **more: str) -> str:
    """One entry of a book, in YAML; a trailing underscore (`for_`) makes a keyword a name."""
    lines = [f"  - id: {rule_id}", f"    kind: {kind}", f"    devices: [{', '.join(devices)}]", f"    when: {when}"]
    lines += [f"    {name.rstrip('_')}: {value}" for name, value in more.items()]
    return "\n".join([*lines, f"    title: {{zh: {rule_id}, en: {rule_id}}}", ""])


def book(*rules: str) -> RuleBook:
    """The rules as one file."""
    return load_book([("test.yaml", "version: 1\nrules:\n" + "".join(rules))])


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


def lines(effects: Iterable[Effect]) -> list[str]:
    """Effects as short lines, in order."""
    return [text for text in map(line, effects) if text]


def line(effect: Effect) -> str:
    """One effect in a few words."""
    return words.line(effect, "b")
