"""What must hold for every history: ticks do not matter, restarts do not matter, strangers do not matter, fires do not go away.

Knows no expected outcome: every test compares one machine with another, or with the tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.engine import Engine, Event
from rules.incident import ALARM, INCIDENT
from rules.model import (
    SECOND,
    AlarmChanged,
    AlarmState,
    Condition,
    Device,
    Disposition,
    Effect,
    Entry,
    Freshness,
    IncidentChanged,
    IncidentState,
    Kind,
    Micros,
    Move,
    Neighbourhood,
    Outcome,
    Push,
    Reading,
    Receipt,
    SlaProfile,
    Step,
    Text,
    Tick,
    Trouble,
    Value,
    Verb,
    Zone,
)
from rules.rule import BookChanged, RuleBook
from tests.rules.small_block import ALONE, T0, block, book, incident, rule, through_bytes

SENSORS = ("smoke_detector", "heat_detector")
RULES = (
    rule("smoke", "FIRE", "smoke", clear="not smoke", clear_for="5s"),
    rule("dense", "PREALARM", "smoke_density > 0.3", for_="3s", clear="smoke_density < 0.15", clear_for="4s"),
    rule("ratio", "SUPERVISORY", "smoke_density / temperature > 0.01", group="fire", for_="2s"),
    rule("kept", "SUPERVISORY", "smoke_density > 0.6", latch="true", clear_for="3s"),
    rule("fault", "FAULT", "fault", SENSORS, for_="3s", clear_for="2s"),
    rule(
        "both", "FIRE", "any(smoke_density > 0.3) and any(temperature > 45)", SENSORS, subject="zone", for_="2s",
        clear="not any(smoke_density > 0.15) and not any(temperature > 42)", clear_for="5s",
    ),
    rule("two", "PREALARM", "count(smoke_density > 0.3) >= 2", subject="zone"),
    rule("deaf", "FAULT", "not any(online)", SENSORS, subject="zone", for_="4s"),
)  # fmt: skip
BOOK = book(*RULES)
BOOKS = (
    BOOK,
    book(RULES[0].replace("5s", "9s"), *RULES[1:]),
    book(*RULES[1:5], RULES[6].replace(">= 2", ">= 1")),
)
SLA = {
    Kind.FIRE: SlaProfile(10 * SECOND, 20 * SECOND, 40 * SECOND),
    Kind.PREALARM: SlaProfile(),
    Kind.FAULT: SlaProfile(),
}
NUMBERS = {"smoke_density": (0.0, 0.1, 0.2, 0.4, 0.7), "temperature": (0.0, 20.0, 44.0, 50.0)}
FLAGS = ("smoke", "fault", "online")


@dataclass(frozen=True)
class Answer:
    """A provider answers one of the pushes made so far: which one is known only when the history runs."""

    at: Micros
    choice: int
    outcome: Outcome


History = list[Event | Answer]
_HOME = ("b/h1", "b/h2", "b/h3")

_values = st.dictionaries(st.sampled_from([*NUMBERS, *FLAGS]), st.integers(0, 4), min_size=1, max_size=2).map(
    lambda chosen: {n: NUMBERS[n][i % len(NUMBERS[n])] if n in NUMBERS else i % 2 == 0 for n, i in chosen.items()}
)
_freshness = st.sampled_from([Freshness.LIVE] * 6 + [Freshness.LATE, Freshness.FUTURE, Freshness.RETAINED])


@st.composite
def _happening(draw: st.DrawFn, at: Micros) -> History:
    """One event, or the few by which a person ends an incident."""
    match draw(st.sampled_from("rrrrrrrrrmmmceaatb")):
        case "r":
            device = draw(st.sampled_from((*_HOME, "b/g1")))
            freshness = draw(_freshness)
            measured_at = at - draw(st.integers(100, 300)) * SECOND if freshness is Freshness.LATE else None
            return [Reading(at, device, draw(_values), freshness, measured_at)]
        case "m":
            number, verb = draw(st.integers(1, 4)), draw(st.sampled_from((*Verb, Verb.RESET, Verb.RESOLVE)))
            disposition = draw(st.sampled_from((None, Disposition.FIRE, Disposition.NUISANCE)))
            return [Move(at, incident(number), verb, "li", draw(st.sampled_from(("", "note"))), disposition)]
        case "c":
            number = draw(st.integers(1, 4))
            ending = (Verb.RESOLVE, Verb.RESET, Verb.CLOSE)
            return [Move(at, incident(number), verb, "li", "", Disposition.TEST) for verb in ending]
        case "e":
            return [Reading(at, d, {"smoke_density": 0.0, "smoke": False, "temperature": 20.0}) for d in _HOME]
        case "a":
            return [
                Answer(
                    at, draw(st.integers(0, 30)), draw(st.sampled_from([Outcome.ACCEPTED, Outcome.RETRY, Outcome.DEAD]))
                )
            ]
        case "t":
            return [Trouble(at, draw(st.sampled_from(("history", "channel:hook"))), draw(st.booleans()), "broken")]
        case _:
            return [BookChanged(at, draw(st.sampled_from(BOOKS)))]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Up to forty happenings, seconds apart, with some long silences."""
    out: History = []
    at = T0
    for gap in draw(st.lists(st.sampled_from((0, 0, 1, 1, 2, 3, 5, 30, 130)), min_size=8, max_size=40)):
        at += gap * SECOND
        out += draw(_happening(at))
    return out


@st.composite
def told(draw: st.DrawFn) -> list[Event]:
    """A history whose answers name real pushes: those that a machine has made by then."""
    engine = Engine(BOOK, block(SLA))
    out: list[Event] = []
    keys: list[str] = []

    def run(event: Event) -> None:
        keys.extend(e.key for e in engine.handle(event) if isinstance(e, Push))

    for event in draw(histories()):
        run(Tick(event.at))
        if not isinstance(event, Answer):
            out.append(event)
        elif keys:
            next_at = event.at + SECOND if event.outcome is Outcome.RETRY else None
            key = keys[-1 - event.choice % len(keys)]
            out.append(Receipt(event.at, key, event.outcome, 1, "said", next_at))
        else:
            continue
        run(out[-1])
    return out


def prove(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """So many histories, however long one takes on a busy machine."""
    return settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def run(engine: Engine, events: Iterable[Event]) -> list[Effect]:
    """All effects, one after the other."""
    return [effect for event in events for effect in engine.handle(event)]


def machine(rules: RuleBook = BOOK) -> Engine:
    return Engine(rules, block(SLA))


def end(events: Sequence[Event]) -> Tick:
    """Long after the last event: all that still runs has ended."""
    return Tick((events[-1].at if events else T0) + 4000 * SECOND)


# --- (a) ticks --------------------------------------------------------------------------------------------------------


@prove(150)
@given(told(), st.lists(st.integers(0, 200 * 2), max_size=30))
def test_ticks_do_not_matter(events: list[Event], extra: list[int]) -> None:
    last = end(events)
    ticks = [Tick(T0 + half * SECOND // 2) for half in extra]
    merged = sorted([*((e.at, 1, e) for e in events), *((t.at, 0, t) for t in ticks)], key=lambda item: item[:2])
    with_ticks = [event for _, _, event in merged]
    bare, often = machine(), machine()
    assert run(often, [*with_ticks, last]) == run(bare, [*events, last])
    assert often.snapshot() == bare.snapshot()


@prove(40)
@given(told())
def test_a_tick_for_every_half_second_does_not_matter(events: list[Event]) -> None:
    bare, often = machine(), machine()
    busy: list[Event] = []
    at = T0
    for event in events:
        busy += [Tick(moment) for moment in range(at, event.at + 1, SECOND // 2)]
        busy.append(event)
        at = event.at
    assert run(often, [*busy, end(events)]) == run(bare, [*events, end(events)])


# --- (b) restarts -----------------------------------------------------------------------------------------------------


@prove(200)
@given(told(), st.data())
def test_restart_anywhere_is_no_restart(events: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(events)))
    one = machine()
    run(one, events[:cut])
    other = through_bytes(one, block(SLA))
    assert other.snapshot() == one.snapshot()
    assert [other.handle(event) for event in events[cut:]] == [one.handle(event) for event in events[cut:]]
    assert other.handle(end(events)) == one.handle(end(events))
    assert other.snapshot() == one.snapshot()
    assert list(other.open_incidents) == list(one.open_incidents)
    assert list(other.devices()) == list(one.devices())
    assert other.troubles == one.troubles


@prove(40)
@given(told())
def test_a_restart_after_every_event_is_no_restart(events: list[Event]) -> None:
    one, other = machine(), machine()
    for event in [*events, end(events)]:
        other = through_bytes(other, block(SLA))
        assert other.handle(event) == one.handle(event)
    assert other.snapshot() == one.snapshot()


# --- (c) strangers ----------------------------------------------------------------------------------------------------

UNRELATED = rule("ledge", "FIRE", "water_leak or smoke_density > 0.3", ("bystander",), for_="1s", clear_for="1s")
_BYSTANDER = ("x/lamp", "x/yard")


def _with_a_bystander() -> Neighbourhood:
    here = block(SLA)
    key, zone = _BYSTANDER
    return Neighbourhood(
        plan=ALONE,
        zones={**here.zones, zone: Zone(zone, "x", Text("院", "yard"), "garage")},
        stations=here.stations,
        devices={**here.devices, key: Device(key, "x", "bystander", zone, Text("灯", "lamp"))},
        sla=SLA,
    )


class _Beside:
    """Runs a history beside a stranger's, and forgets the stranger's incidents: the rest is numbered as if they never were."""

    def __init__(self) -> None:
        self.engine = Engine(book(*RULES[:4], UNRELATED, *RULES[4:]), _with_a_bystander())
        self.ours: list[str] = []
        self.theirs: set[str] = set()
        self.said: list[str] = []

    def handle(self, event: Event) -> None:
        self._run(Tick(event.at))  # who names an incident has seen it
        if isinstance(event, Move):
            event = replace(event, incident=self._outside(event.incident))
        elif isinstance(event, Receipt):
            number, _, rest = event.key.partition("/")
            event = replace(event, key=f"{self._outside(number)}/{rest}")
        self._run(event)

    def _run(self, event: Event) -> None:
        effects = self.engine.handle(event)
        for effect in effects:
            if isinstance(effect, Entry) and effect.step is Step.RAISED:
                if effect.detail["subject"] == _BYSTANDER[0]:
                    self.theirs.add(effect.incident)
                else:
                    self.ours.append(effect.incident)
        self.said += [self._inside(repr(e)) for e in effects if not self._is_theirs(e)]

    def _is_theirs(self, effect: Effect) -> bool:
        if isinstance(effect, AlarmChanged):
            return effect.subject == _BYSTANDER[0]
        number = effect.incident.id if isinstance(effect, IncidentChanged) else getattr(effect, "incident", "")
        return number in self.theirs

    def _outside(self, number: str) -> str:
        n = int(number.removeprefix("inc-"))
        return self.ours[n - 1] if n <= len(self.ours) else f"inc-{900_000 + n}"

    def _inside(self, text: str) -> str:
        return re.sub(r"inc-\d{6}", lambda found: self._numbered(found.group()), text)

    def _numbered(self, number: str) -> str:
        n = int(number.removeprefix("inc-"))
        return incident(self.ours.index(number) + 1 if number in self.ours else n - 900_000)


@prove(120)
@given(told(), st.lists(st.tuples(st.integers(0, 400), st.sampled_from((0.0, 0.4))), max_size=12))
def test_a_stranger_and_its_rule_change_nothing_else(events: list[Event], strange: list[tuple[int, float]]) -> None:
    events = [event for event in events if not isinstance(event, BookChanged)]
    last = end(events)
    readings = [Reading(T0 + half * SECOND // 2, _BYSTANDER[0], {"smoke_density": value}) for half, value in strange]
    merged = sorted([*((e.at, 1, e) for e in events), *((r.at, 0, r) for r in readings)], key=lambda item: item[:2])
    beside = _Beside()
    for _, _, event in merged:
        beside.handle(event)
    beside.handle(Tick(max(last.at, beside.engine.now)))
    alone = machine()
    wanted = run(alone, [*events, Tick(beside.engine.now)])
    assert beside.said == [repr(effect) for effect in wanted]


# --- (d) fires --------------------------------------------------------------------------------------------------------


@prove(150)
@given(told())
def test_a_fire_never_ends_but_by_reset_or_by_the_end_of_its_rule(events: list[Event]) -> None:
    engine = machine()
    burning: set[tuple[str, str]] = set()
    for event in [*events, end(events)]:
        for effect in engine.handle(event):
            if not isinstance(effect, AlarmChanged) or effect.kind is not Kind.FIRE:
                continue
            key = (effect.rule, effect.subject)
            if effect.state in (AlarmState.ACTIVE, AlarmState.CLEARING, AlarmState.LATCHED):
                burning.add(key)
            elif key in burning:
                assert effect.state is AlarmState.IDLE
                assert isinstance(event, BookChanged) or (isinstance(event, Move) and event.verb is Verb.RESET)
                burning.remove(key)


@prove(100)
@given(told())
def test_nothing_is_closed_while_an_alarm_of_it_is_not_over(events: list[Event]) -> None:
    engine = machine()
    running: dict[tuple[str, str], str] = {}
    for event in events:
        for effect in engine.handle(event):
            if isinstance(effect, AlarmChanged) and effect.state is AlarmState.IDLE:
                running.pop((effect.rule, effect.subject), None)
            elif isinstance(effect, AlarmChanged) and effect.incident:
                running[effect.rule, effect.subject] = effect.incident
            elif isinstance(effect, IncidentChanged) and effect.incident.state is IncidentState.CLOSED:
                assert effect.incident.id not in running.values()
                assert effect.incident.disposition is not None
                assert effect.incident.condition is Condition.RETURNED


# --- (e) the same book, and order ------------------------------------------------------------------------------------


@prove(120)
@given(told(), st.lists(st.integers(0, 40), max_size=5))
def test_the_same_book_again_changes_nothing(events: list[Event], places: list[int]) -> None:
    calm = [event for event in events if not isinstance(event, BookChanged)]
    again: list[Event] = []
    for n, event in enumerate(calm):
        again += [BookChanged(event.at, book(*RULES)) for place in places if place == n]
        again.append(event)
    one, other = machine(), machine()
    assert run(other, [*again, end(calm)]) == run(one, [*calm, end(calm)])
    assert other.snapshot() == one.snapshot()


@prove(150)
@given(told())
def test_numbers_keys_and_revisions_never_repeat_and_time_never_goes_back(events: list[Event]) -> None:
    effects = run(machine(), [*events, end(events)])
    keys = [e.key for e in effects if isinstance(e, Push)]
    assert len(keys) == len(set(keys))
    raised = [e.incident for e in effects if isinstance(e, Entry) and e.step is Step.RAISED]
    assert raised == [incident(n) for n in range(1, len(raised) + 1)]
    revisions: dict[str, list[int]] = {}
    for effect in effects:
        if isinstance(effect, IncidentChanged):
            revisions.setdefault(effect.incident.id, []).append(effect.incident.revision)
    assert all(found == list(range(1, len(found) + 1)) for found in revisions.values())
    followed = [key for key in keys if "/state-" in key]
    assert sorted(followed) == sorted(f"{i}/state-{n}/screen" for i, found in revisions.items() for n in found)
    assert [e.at for e in effects] == sorted(e.at for e in effects)


@prove(150)
@given(told())
def test_alarms_and_incidents_only_go_where_their_tables_lead(events: list[Event]) -> None:
    alarms: dict[tuple[str, str], AlarmState] = {}
    cases: dict[str, IncidentState] = {}
    ways = {(a, b) for (a, _), b in ALARM.items()}
    steps = {(a, b) for (a, _), b in INCIDENT.items()}
    for effect in run(machine(), [*events, end(events)]):
        if isinstance(effect, AlarmChanged):
            key = (effect.rule, effect.subject)
            assert (alarms.get(key, AlarmState.IDLE), effect.state) in ways
            alarms[key] = effect.state
        elif isinstance(effect, IncidentChanged):
            now, was = effect.incident, cases.get(effect.incident.id, IncidentState.RAISED)
            # One event may raise again what one of its timers, or itself, had resolved.
            assert (
                now.state is was or (was, now.state) in steps or (was, IncidentState.RESOLVED, now.state) in _TWO_STEPS
            )
            cases[now.id] = now.state


_TWO_STEPS = {(a, b, c) for (a, _), b in INCIDENT.items() for (d, _), c in INCIDENT.items() if b is d}


@prove(60)
@given(histories())
def test_values_survive_in_order_and_nothing_is_shared_with_the_snapshot(events: History) -> None:
    engine = machine()
    run(engine, [event for event in events if isinstance(event, Reading)])
    state = engine.snapshot()
    kept: dict[str, dict[str, Value]] = {row[0]: dict(row[5]) for row in state["devices"]}
    other = through_bytes(engine, block(SLA))
    run(engine, [Reading(engine.now, "b/h1", {"battery": 1.0}), Reading(engine.now, "b/h2", {"smoke_density": 9.0})])
    assert {row[0]: row[5] for row in state["devices"]} == kept
    assert {d.device.key: list(d.values.items()) for d in other.devices()} == {
        key: list(values.items()) for key, values in kept.items()
    }


_REACHED = (
    *("raised", "joined", "escalated", "confirmed", "returned", "realarm", "dispatched", "acknowledged", "on_scene"),
    *("push_queued", "push_accepted", "push_failed", "push_dead", "resolved", "reset", "closed", "note", "overdue"),
)
"""What these histories come to; the ladder, floods, measures and exercises have histories of their own."""


def test_the_histories_are_worth_their_name() -> None:
    """A strategy that never closes, escalates or confirms anything would prove little: count what many histories reach."""
    seen: dict[str, int] = {}

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(told())
    def gather(events: list[Event]) -> None:
        for effect in run(machine(), [*events, end(events)]):
            if isinstance(effect, Entry):
                seen[effect.step] = seen.get(effect.step, 0) + 1
            elif isinstance(effect, AlarmChanged):
                seen[f"{effect.rule} {effect.state}"] = seen.get(f"{effect.rule} {effect.state}", 0) + 1

    gather()
    rules: tuple[Any, ...] = BOOK.rules
    steps = {Step(name) for name in _REACHED}
    assert steps <= set(seen)
    assert {f"{r.id} {AlarmState.ACTIVE}" for r in rules} <= set(seen)
