"""What must hold for every history when rules remember: ticks, restarts, reloads, strangers and order at one instant change nothing.

Knows no expected outcome: every test compares one machine with another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine import Engine, Event
from rules.model import (
    SECOND,
    AlarmChanged,
    AlarmState,
    Device,
    Effect,
    Entry,
    Freshness,
    IncidentChanged,
    Kind,
    Micros,
    Move,
    Reading,
    Step,
    Text,
    Tick,
    Trouble,
    Verb,
)
from rules.rule import BookChanged
from tests.rules.corner_street import BOOK, RULES, histories, machine, reading, street
from tests.rules.small_block import T0, book, rule, through_bytes
from tests.rules.test_engine_properties import prove


def run(engine: Engine, events: Iterable[Event]) -> list[Effect]:
    return [effect for event in events for effect in engine.handle(event)]


def end(events: Sequence[Event]) -> Tick:
    """Long after the last event: all that still runs has ended."""
    return Tick((events[-1].at if events else T0) + 4000 * SECOND)


@prove(80)
@given(histories())
def test_a_tick_for_every_half_second_does_not_matter(events: list[Event]) -> None:
    bare, often = machine(), machine()
    busy: list[Event] = []
    at = T0
    for event in events:
        busy += [Tick(moment) for moment in range(at, event.at + 1, SECOND // 2)]
        busy.append(event)
        at = event.at
    last = Tick((events[-1].at if events else T0) + 100 * SECOND)
    after = [Tick(moment) for moment in range(at, last.at, SECOND // 2)]
    assert run(often, [*busy, *after, last]) == run(bare, [*events, last])
    assert often.snapshot() == bare.snapshot()


@prove(150)
@given(histories(), st.data())
def test_restart_anywhere_is_no_restart(events: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(events)))
    one = machine()
    run(one, events[:cut])
    other = through_bytes(one, street())
    assert other.snapshot() == one.snapshot()
    assert [other.handle(event) for event in events[cut:]] == [one.handle(event) for event in events[cut:]]
    assert other.handle(end(events)) == one.handle(end(events))
    assert other.snapshot() == one.snapshot()
    assert list(other.devices()) == list(one.devices())


@prove(30)
@given(histories())
def test_a_restart_after_every_event_is_no_restart(events: list[Event]) -> None:
    one, other = machine(), machine()
    for event in [*events, end(events)]:
        other = through_bytes(other, street())
        assert other.handle(event) == one.handle(event)
    assert other.snapshot() == one.snapshot()


@prove(80)
@given(histories(), st.lists(st.integers(0, 50), max_size=5))
def test_the_same_book_again_changes_nothing(events: list[Event], places: list[int]) -> None:
    calm = [event for event in events if not isinstance(event, BookChanged)]
    again: list[Event] = []
    for n, event in enumerate(calm):
        again += [BookChanged(event.at, book(*RULES)) for place in places if place == n]
        again.append(event)
    one, other = machine(), machine()
    assert run(other, [*again, end(calm)]) == run(one, [*calm, end(calm)])
    assert other.snapshot() == one.snapshot()


# --- strangers --------------------------------------------------------------------------------------------------------

_LAMP = "x/lamp"
_UNRELATED = rule("ledge", "FIRE", "recent(water_leak, 20s) or silent(30s)", ("bystander",))


@prove(80)
@given(histories(), st.lists(st.tuples(st.integers(0, 600), st.booleans()), max_size=12))
def test_a_stranger_and_its_rule_change_nothing_else(events: list[Event], strange: list[tuple[int, bool]]) -> None:
    """Only the numbers of incidents may differ, so nobody moves one here."""
    calm = [event for event in events if not isinstance(event, (BookChanged, Move))]
    last = end(calm)
    theirs: list[Event] = [Reading(T0 + half * SECOND // 2, _LAMP, {"water_leak": wet}) for half, wet in strange]
    merged = [
        event for _, _, event in sorted([*((e.at, 1, e) for e in calm), *((e.at, 0, e) for e in theirs)], key=_when)
    ]
    # We listen from the beginning in both, not only since somebody spoke.
    listening: list[Event] = [Trouble(T0, "feed", True), Trouble(T0, "feed", False)]
    beside = Engine(
        book(*RULES[:4], _UNRELATED, *RULES[4:]),
        street((Device(_LAMP, "x", "bystander", "x/yard", Text("灯", "lamp")),)),
    )
    found = run(beside, [*listening, *merged, Tick(max(last.at, merged[-1].at))]) if merged else []
    wanted = run(machine(), [*listening, *calm, Tick(max(last.at, merged[-1].at))]) if merged else []
    assert _told(found, without=_LAMP) == _told(wanted)


def _when(item: tuple[Micros, int, Event]) -> tuple[Micros, int]:
    return item[:2]


def _told(effects: Sequence[Effect], without: str = "-") -> list[str]:
    """All effects but a stranger's, with incidents numbered anew in the order of their raising."""
    theirs = {
        e.incident for e in effects if isinstance(e, Entry) and e.step is Step.RAISED and e.detail["subject"] == without
    }
    numbers: dict[str, str] = {}
    out = []
    for effect in effects:
        if getattr(effect, "subject", "") == without or _incident(effect) in theirs:
            continue
        out.append(re.sub(r"inc-\d{6}", lambda m: numbers.setdefault(m[0], f"<{len(numbers)}>"), repr(effect)))
    return out


def _incident(effect: Effect) -> str:
    found: str = effect.incident.id if isinstance(effect, IncidentChanged) else getattr(effect, "incident", "")
    return found


# --- order at one instant ---------------------------------------------------------------------------------------------


@st.composite
def volleys(draw: st.DrawFn) -> list[list[Reading]]:
    """Live readings of several devices at each of some instants, one of each device."""
    at, out = T0, []
    for gap in draw(st.lists(st.sampled_from((1, 2, 5, 9)), min_size=2, max_size=10)):
        at += gap * SECOND
        volley = {r.device: r for r in (draw(reading(at)) for _ in range(draw(st.integers(1, 5))))}
        out.append([Reading(r.at, r.device, r.values) for r in volley.values()])
    return out


@prove(100)
@given(volleys(), st.randoms(use_true_random=False))
def test_the_order_of_simultaneous_readings_of_different_devices_does_not_matter(
    instants: list[list[Reading]], chance: object
) -> None:
    """The same alarms stand after each instant and the same incidents are open, whichever device was heard first.

    Which alarm opens an incident and which joins it, the incident's number, and what comes and goes within one instant (a pending
    alarm that another device's word of the same instant ends) is the order's.
    """
    one, other = machine(), machine()
    for volley in instants:
        mixed = list(volley)
        chance.shuffle(mixed)  # type: ignore[attr-defined]
        run(one, [*volley, Tick(volley[0].at)])
        run(other, [*mixed, Tick(volley[0].at)])
        assert _standing(other) == _standing(one)


def _standing(engine: Engine) -> tuple[object, ...]:
    alarms = {(d.device.key, rule_id, state) for d in engine.devices() for rule_id, state in d.alarms.items()}
    derived = {(d.device.key, name, value) for d in engine.devices() for name, value in d.derived.items()}
    zones = {(tuple(key), alarm[0]) for key, alarm in engine.snapshot()["zones"]}
    incidents = {(i.zone, i.group, i.kind, i.condition, i.suspected, frozenset(i.rules)) for i in engine.open_incidents}
    return alarms, derived, zones, incidents


# --- fires ------------------------------------------------------------------------------------------------------------


@prove(100)
@given(histories())
def test_a_call_point_raises_fire_at_once_whatever_else_happens(events: list[Event]) -> None:
    engine = machine()
    run(engine, events)
    engine.handle(BookChanged(engine.now, BOOK))
    now = engine.now
    before = engine.device("c/button")
    standing = before is not None and "call" in before.alarms
    effects = engine.handle(Reading(now, "c/button", {"call_point": True}))
    state = engine.device("c/button")
    assert state is not None
    assert state.alarms["call"] is AlarmState.ACTIVE
    assert any(i.group == "fire" and i.zone == "c/hall" and i.kind is Kind.FIRE for i in engine.open_incidents)
    if not standing:
        assert any(isinstance(e, AlarmChanged) and e.rule == "call" and e.state is AlarmState.ACTIVE for e in effects)


@prove(100)
@given(histories())
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
                assert isinstance(event, BookChanged) or (isinstance(event, Move) and event.verb is Verb.RESET)
                burning.remove(key)


@prove(100)
@given(histories())
def test_what_is_derived_never_shows_among_what_was_reported(events: list[Event]) -> None:
    engine = machine()
    run(engine, events)
    for state in engine.devices():
        assert not any("(" in name for name in state.values)
        assert not state.values.keys() & state.derived.keys()
    for event in events:
        if isinstance(event, Reading) and event.freshness is Freshness.LIVE:
            assert engine.device(event.device) is not None


def test_the_histories_are_worth_their_name() -> None:
    """Every rule of the book must come to stand in some of many histories, or it proves nothing."""
    seen: set[str] = set()

    @settings(max_examples=400, deadline=None, derandomize=True, database=None)
    @given(histories())
    def gather(events: list[Event]) -> None:
        calm = [event for event in events if not isinstance(event, BookChanged)]
        for effect in run(machine(), [*calm, Tick(end(calm).at)]):
            if isinstance(effect, AlarmChanged) and effect.state is AlarmState.ACTIVE:
                seen.add(effect.rule)

    gather()
    assert {r.id for r in BOOK.rules} <= seen
