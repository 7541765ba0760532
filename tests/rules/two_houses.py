"""Two houses and a yard with everything that a response can need, and histories in which people, providers and measures take part.

Knows the engine and the words it speaks; no broker, no ledger, no clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from hypothesis import strategies as st

from rules.engine import Engine, Event
from rules.model import (
    HOUR,
    MINUTE,
    SECOND,
    Device,
    Disposition,
    Effect,
    Entry,
    Freshness,
    Kind,
    Measure,
    Micros,
    Move,
    Neighbourhood,
    Outcome,
    Push,
    Reading,
    Receipt,
    Recipient,
    Restore,
    SlaProfile,
    Station,
    Step,
    Suppress,
    SuppressionChanged,
    Swap,
    Text,
    Tick,
    Trouble,
    Value,
    Verb,
    Zone,
)
from rules.people import FloodLimits, Person, Plan, Role, Roster, Shift
from rules.rule import BookChanged
from tests.rules.small_block import T0, book, rule

BUILDINGS = {"a1": "A", "a2": "A", "a3": "A", "a4": "A", "b1": "B", "b2": "B", "yard": ""}
DEVICES = {f"{zone}-{n}": zone for zone in BUILDINGS for n in (1, 2)}
KINDS = {
    "robot": "dingtalk", "robot2": "dingtalk", "sms": "sms", "sms2": "sms", "voice": "voice", "mail": "email",
    "119": "webhook", "screen": "mqtt",
}  # fmt: skip
MORNING = 8 * 60
"""T0, as a minute of the day in China."""

RULES = (
    rule("smoke", "FIRE", "smoke", clear="not smoke", clear_for="5s"),
    rule("dense", "PREALARM", "smoke_density > 0.3", for_="3s", clear="smoke_density < 0.15", clear_for="4s"),
    rule("door", "SUPERVISORY", "battery < 15", group="fire"),
    rule("fault", "FAULT", "fault", clear_for="2s"),
    rule("two", "FIRE", "count(smoke_density > 0.3) >= 2", subject="zone", clear_for="5s"),
)
BOOK = book(*RULES)
SLA = {
    Kind.FIRE: SlaProfile(),
    Kind.PREALARM: SlaProfile(1 * MINUTE, 3 * MINUTE, 5 * MINUTE),
    Kind.SUPERVISORY: SlaProfile(5 * MINUTE, 30 * MINUTE, 60 * MINUTE),
}
FLOOD = FloodLimits(begins=3, ends=2, window=MINUTE, summary=20 * SECOND)


def _person(key: str, role: Role, *channels: str, zones: tuple[str, ...] = (), quiet: bool = False) -> Person:
    hours = (MORNING, MORNING + 10) if quiet else None
    return Person(key, Text(key, key), role, channels, frozenset(f"q/{zone}" for zone in zones), hours)


PEOPLE = (
    _person("day", Role.DISPATCHER, "sms", "voice", "mail"),
    _person("night", Role.DISPATCHER, "voice", "sms2"),
    _person("runner", Role.RESPONDER, "sms", "sms2", "mail", quiet=True),
    _person("chief", Role.LEADER, "voice", "mail"),
    _person("owner", Role.MANAGER, "mail", "sms"),
    _person("west-day", Role.DISPATCHER, "mail", "voice"),
    _person("west-runner", Role.RESPONDER, "sms2", "mail"),
    _person("daughter", Role.FAMILY, "sms", "voice", zones=("a1", "b1")),
    _person("grid", Role.GRID_WORKER, "mail", "sms", zones=("a2", "yard"), quiet=True),
)  # fmt: skip
_EAST = Roster(
    ("day", "night", "runner", "chief", "owner"),
    (Shift("day", ("day",), MORNING + 2, MORNING + 720), Shift("night", ("night",), MORNING + 720, MORNING + 2)),
)


def houses() -> Neighbourhood:
    """East covers all but house B, west covers house B and helps in the rest; 119 stands above both. The shift changes at second 120."""
    zones = {f"q/{z}": Zone(f"q/{z}", "q", Text(z, z), "dwelling", house) for z, house in BUILDINGS.items()}
    everything = frozenset(zones)
    of_b = frozenset(z for z in everything if z.startswith("q/b"))
    station = _station("east", everything - of_b, Recipient("robot"), Recipient("screen", frozenset(Kind), follow=True))
    plan = Plan(
        people={person.key: person for person in PEOPLE},
        rosters={"east": _EAST, "west": Roster(("west-day", "west-runner"))},
        neighbours={"east": ("west",), "west": ("east",)},
        authorities=(_station("119", everything, Recipient("119")),),
        channels=KINDS,
        flood=FLOOD,
    )
    return Neighbourhood(
        zones=zones,
        stations=(station, _station("west", of_b, Recipient("robot2"))),
        devices={
            f"q/{d}": Device(f"q/{d}", "q", "smoke_detector", f"q/{zone}", Text(d, d)) for d, zone in DEVICES.items()
        },
        sla=SLA,
        plan=plan,
    )


def _station(key: str, zones: frozenset[str], *recipients: Recipient) -> Station:
    return Station(key, Text(key, key), zones, recipients)


def machine() -> Engine:
    """A fresh engine in the houses."""
    return Engine(BOOK, houses())


# --- what can happen --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """A provider answers one of the pushes that it was asked to deliver: which one is known only when the history runs."""

    at: Micros
    choice: int
    outcome: Outcome


@dataclass(frozen=True)
class Touch:
    """A person does something to one of the incidents raised so far, counted from the newest."""

    at: Micros
    choice: int
    verbs: tuple[Verb, ...]


@dataclass(frozen=True)
class Exercise:
    """A drill is announced at one of the devices, or one that was is played there."""

    at: Micros
    choice: int
    device: str
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Lift:
    """A person ends one of the measures taken so far."""

    at: Micros
    choice: int


Happening: TypeAlias = Event | Answer | Touch | Lift | Exercise
_ENDING = (Verb.RESOLVE, Verb.RESET, Verb.CLOSE)
_MOVES = ((Verb.ACKNOWLEDGE,), (Verb.ACKNOWLEDGE,), (Verb.ON_SCENE,), (Verb.RESOLVE,), (Verb.RESET,), (Verb.CLOSE,),
          (Verb.NOTE,), _ENDING, _ENDING)  # fmt: skip
_SAYS: tuple[dict[str, Value], ...] = (
    {"smoke": True}, {"smoke": True}, {"smoke": False}, {"smoke_density": 0.5}, {"smoke_density": 0.5}, {"smoke_density": 0.0},
    {"battery": 10.0}, {"battery": 90.0}, {"fault": True}, {"fault": False},
)  # fmt: skip
_freshness = st.sampled_from([Freshness.LIVE] * 7 + [Freshness.LATE, Freshness.FUTURE, Freshness.RETAINED])
_devices = st.sampled_from(sorted(DEVICES))


@st.composite
def _happening(draw: st.DrawFn, at: Micros) -> list[Happening]:
    match draw(st.sampled_from("rrrrrrrffpppmmmmmaaaaaassluxxxte")):
        case "r":
            return [_reading(draw, at, draw(_devices), draw(st.sampled_from(_SAYS)))]
        case "f":
            said = draw(st.sampled_from(_SAYS[:4]))
            devices = draw(st.lists(st.sampled_from([d for d in DEVICES if d[0] == "a"]), min_size=2, unique=True))
            return [Reading(at, f"q/{device}", said) for device in devices]
        case "p":
            return _twice(draw, at)
        case "m":
            return [Touch(at, draw(st.integers(0, 6)), draw(st.sampled_from(_MOVES)))]
        case "a":
            outcomes = (Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.RETRY, Outcome.DEAD)
            return [Answer(at, draw(st.integers(0, 12)), draw(st.sampled_from(outcomes)))]
        case "s":
            return [_suppress(draw, at)]
        case "l":
            return [Lift(at, draw(st.integers(0, 3)))]
        case "u":
            leaves, takes = draw(st.sampled_from((("day", "night"), ("runner", "chief"), ("day", "nobody"))))
            since = at + draw(st.sampled_from((0, 60))) * SECOND
            return [Swap(at, "east", leaves, takes, since, since + draw(st.sampled_from((0, 90))) * SECOND, "li")]
        case "x":
            said = draw(st.sampled_from(_SAYS[:4]))
            return [Exercise(at, draw(st.integers(0, 3)), f"q/{draw(_devices)}", said)]
        case "t":
            return [Trouble(at, draw(st.sampled_from(("feed", "history"))), draw(st.booleans()), "broken")]
        case _:
            calm = {"smoke": False, "smoke_density": 0.0, "battery": 90.0, "fault": False}
            return [Reading(at, f"q/{device}", calm) for device in DEVICES]


def _twice(draw: st.DrawFn, at: Micros) -> list[Happening]:
    """A flood, people who have done something about it or nothing, and danger in the same house when it is over, or still runs."""
    first, second = draw(st.sampled_from(_SAYS[:7])), draw(st.sampled_from(_SAYS[:4]))
    house: list[Happening] = [
        Reading(at, f"q/{device}", first) for device in DEVICES if device[0] == "a" and device[-1] == "1"
    ]
    done = draw(st.sampled_from((None, (Verb.ACKNOWLEDGE,), (Verb.RESOLVE,), _ENDING)))
    moved = [Touch(at + SECOND, draw(st.integers(0, 4)), done)] if done else []
    later = at + draw(st.sampled_from((2, 61, 90))) * SECOND
    fresh, n = draw(st.sampled_from((Freshness.LIVE, Freshness.LIVE, Freshness.LATE))), draw(st.integers(1, 4))
    return [
        *house,
        *moved,
        Reading(later, f"q/a{n}-2", second, fresh, later - 200 * SECOND if fresh is Freshness.LATE else None),
    ]


def _reading(draw: st.DrawFn, at: Micros, device: str, said: dict[str, Value]) -> Reading:
    freshness = draw(_freshness)
    measured_at = at - draw(st.integers(100, 300)) * SECOND if freshness is Freshness.LATE else None
    return Reading(at, f"q/{device}", said, freshness, measured_at)


def _suppress(draw: st.DrawFn, at: Micros) -> Suppress:
    measure = draw(st.sampled_from([m for m in Measure if m is not Measure.DRILL]))
    subject = draw(st.sampled_from(("a1", "b1", "a1-1", "a2-1", "b1-1", "nowhere")))
    named = draw(st.sampled_from(("", "", "door", "smoke"))) if measure is Measure.SHELVED else ""
    until = at + draw(st.sampled_from((5 * SECOND, MINUTE, 10 * MINUTE, 100 * HOUR)))
    return Suppress(at, measure, f"q/{subject}", "li", "welding", until, named, "a patrol")


@st.composite
def _histories(draw: st.DrawFn) -> list[Happening]:
    """Up to forty-five happenings, seconds apart, with some silences that outlast rungs and deadlines."""
    out: list[Happening] = []
    at = T0
    for gap in draw(st.lists(st.sampled_from((0, 0, 0, 1, 1, 2, 5, 14, 40, 130, 400)), min_size=8, max_size=45)):
        at += gap * SECOND
        out += draw(_happening(at))
        at = out[-1].at
    return out


class _Stage:
    """Turns what may happen into events, by what a machine has come to by then."""

    def __init__(self) -> None:
        self._engine = machine()
        self._events: list[Event] = []
        self._asked: dict[str, int] = {}
        self._raised: list[str] = []
        self._measures: list[str] = []
        self._drills: list[tuple[str, str]] = []

    def play(self, happenings: list[Happening]) -> list[Event]:
        for happening in happenings:
            self._see(self._engine.handle(Tick(happening.at)))
            for event in self._events_of(happening):
                self._events.append(event)
                self._see(self._engine.handle(event))
        return self._events

    def _events_of(self, happening: Happening) -> Iterator[Event]:
        match happening:
            case Answer(at, choice, outcome):
                if self._asked:
                    key = list(self._asked)[-1 - choice % len(self._asked)]
                    attempt = self._asked.pop(key) + 1
                    if outcome is Outcome.RETRY:
                        self._asked[key] = attempt
                    yield Receipt(at, key, outcome, attempt, "said", at + SECOND if outcome is Outcome.RETRY else None)
            case Touch(at, choice, verbs):
                for verb in verbs if self._raised else ():
                    incident = self._raised[-1 - choice % len(self._raised)]
                    yield Move(at, incident, verb, "li", "note", Disposition.TEST if verb is Verb.CLOSE else None)
            case Exercise(at, choice, device, values):
                if self._drills and choice:
                    drill, place = self._drills[-1 - choice % len(self._drills)]
                    yield Reading(at, device if choice == 1 else place, values, exercise=drill)
                else:
                    yield Suppress(at, Measure.DRILL, device, "li", "every month", at + 20 * MINUTE)
                    yield Reading(at, device, values, exercise=self._drills[-1][0])
            case Lift(at, choice):
                if self._measures:
                    yield Restore(at, self._measures[-1 - choice % len(self._measures)], "li")
            case _:
                yield happening

    def _see(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Push(key=key):
                    self._asked[key] = 0
                case Entry(step=Step.RAISED, incident=incident):
                    self._raised.append(incident)
                case SuppressionChanged(suppression=measure) if measure.ended_at is None:
                    self._measures.append(measure.id)
                    if measure.measure is Measure.DRILL:
                        self._drills.append((measure.id, measure.subject))


def told() -> st.SearchStrategy[list[Event]]:
    """Histories whose answers name pushes that were made, and whose moves name incidents that there are."""
    return _histories().map(lambda happenings: _Stage().play(happenings))


def end(events: list[Event]) -> Tick:
    """Long after the last event: all that still runs has ended."""
    return Tick((events[-1].at if events else T0) + 4000 * SECOND)


def same_book(at: Micros) -> BookChanged:
    """The book in force, read anew."""
    return BookChanged(at, book(*RULES))
