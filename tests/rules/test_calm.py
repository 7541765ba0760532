"""Where nothing holds, most of the work is left undone; these prove that nobody can tell.

Every test compares the engine with one that is never calm: it asks every rule that watches what was said, and is woken whenever a
window runs out of readings. Knows no expected outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.asking import Asking
from rules.engine import Engine, Event
from rules.model import (
    SECOND,
    AlarmChanged,
    AlarmState,
    Effect,
    Freshness,
    Measure,
    Micros,
    Move,
    Neighbourhood,
    Reading,
    Suppress,
    Tick,
    Trouble,
    Value,
    Verb,
)
from rules.rule import BookChanged, RuleBook
from rules.watch import Seen
from tests.rules.corner_street import BOOK, CONFIRM, RULES, histories, street
from tests.rules.small_block import T0, book, incident, moment, rule, through_bytes
from tests.rules.test_engine_properties import prove

BOTH = ("smoke_detector", "heat_detector")
LOOKING = (
    rule("unknown", "FAULT", "known(smoke_density) and not known(mean(smoke_density, 7s))"),
    rule("assumed", "PREALARM", "default(mean(smoke_density, 9s), 0.4) > 0.3 and known(battery)"),
    rule("supposed", "FAULT", "default(mean(smoke_density, 5s), 0.4) > 0.3"),
    rule("held-long", "PREALARM", "held(mean(smoke_density, 6s) > 0.2, 9s)"),
    rule("recent-long", "SUPERVISORY", "recent(mean(smoke_density, 6s) > 0.35, 5s) and not default(smoke, false)"),
    rule("held-silent", "PREALARM", "held(mean(smoke_density, 9s) > 0.2 and silent(5s), 6s)"),
    rule("silent-mean", "PREALARM", "silent(8s) and mean(smoke_density, 6s) > 0.2"),
    rule("silent-mean-later", "PREALARM", "silent(6s) and mean(smoke_density, 6s) > 0.2"),
    rule("warm-and-smoke", "PREALARM", "temperature > 44 and mean(smoke_density, 6s) > 0.2"),
    rule("upstream", "FAULT", "not default(via(online), true) and mean(smoke_density, 20s) > 0.2"),
    rule("either", "PREALARM", "battery > 5 or mean(smoke_density, 6s) > 0.5 or min(temperature, 7s) > 47"),
    rule("held-known", "FAULT", "held(not known(last(temperature, 6s)), 4s) and known(temperature)", BOTH),
    rule("held-mean", "PREALARM", "held(mean(smoke_density, 6s) - min(smoke_density, 60s) > 0.1, 3s)", for_="2s"),
    rule("recent-mean", "SUPERVISORY", "recent(max(smoke_density, 4s) > 0.3, 6s)", clear="smoke_density < 0.05"),
    rule("negated", "SUPERVISORY", "not (mean(temperature, 8s) < 45) or temperature == 44", BOTH, clear_for="3s"),
    rule("default-held", "FAULT", "default(held(mean(smoke_density, 5s) > 0.5, 3s), true)"),
    rule("risen", "PREALARM", "any(rise(temperature, 12s) > 3) and any(mean(smoke_density, 6s) > 0.05)", BOTH, subject="zone"),
    rule("nobody-warm", "FAULT", "not any(mean(temperature, 30s) > 10) and count(known(fault)) > 0", BOTH, subject="zone"),
    rule("nothing", "FAULT", "not any(last(temperature, 20s) > 10)", ("heat_detector",), subject="zone", for_="5s"),
)  # fmt: skip
"""Every way in which a rule can tell that a window has become unknown, and some in which it cannot."""
CURIOUS = book(*LOOKING, *RULES)
CHANGED = book(*LOOKING[2:6], *RULES[5:], LOOKING[0].replace("7s", "11s"))


class Uneasy(Asking):
    """Something always holds at every device."""

    def _survey(self, at: Micros, seen: Seen) -> None:
        super()._survey(at, seen)
        seen.stir("never at rest")
        self._recall.watch_fading(at, seen)


class Restless(Engine):
    """One that is never calm."""

    def __init__(self, book: RuleBook, neighbourhood: Neighbourhood) -> None:
        super().__init__(book, neighbourhood)
        self._asking = Uneasy(
            book, neighbourhood, self._seen, self._recall, self._areas, self._counting, self._alarms, self._linkage
        )


def both() -> tuple[Engine, Engine]:
    return Engine(CURIOUS, street()), Restless(CURIOUS, street())


def told(engine: Engine, event: Event) -> list[Effect]:
    """The effects, with a changed book replaced by one that is curious too."""
    if isinstance(event, BookChanged):
        event = BookChanged(event.at, CURIOUS if event.book == BOOK else CHANGED)
    return engine.handle(event)


def seen_of(engine: Engine) -> list[Any]:
    """All that anybody can see, but the timers that only they know."""
    shot = engine.snapshot()
    return [list(engine.devices()), {key: value for key, value in shot.items() if key != "timers"}]


VALUES = {
    "smoke_density": (0.0, 0.02, 0.04, 0.3, 0.45, 0.6),
    "temperature": (9.0, 20.0, 44.0, 45.0, 50.0),
    "battery": (3.0, 9.0),
    "smoke": (False, False, True),
    "test": (False, True),
}
SETS = (
    ("smoke_density", "temperature"), ("smoke_density",), ("temperature",), ("smoke_density", "temperature", "smoke", "battery"),
    ("battery",), ("smoke",), ("test", "smoke_density"),
)  # fmt: skip
GAPS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 20, 30, 60)
EDGES = (-1, 0, 1)
"""Microseconds beside a whole second: windows end there."""


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    """Two or three detectors of one zone that report all or some of what they measure, at every distance that a window can notice."""
    devices = draw(st.sampled_from((("smoke-1",), ("smoke-1", "heat-1"), ("smoke-1", "smoke-2", "heat-1"))))
    out: list[Event] = []
    at = T0
    steps = st.tuples(st.sampled_from(GAPS), st.sampled_from(EDGES), st.sampled_from("r" * 14 + "lorcbf"))
    for gap, edge, what in draw(st.lists(steps, min_size=4, max_size=30)):
        at = max(at, at + gap * SECOND + edge)
        if what == "c":
            out.append(Move(at, incident(draw(st.integers(1, 3))), Verb.RESET, "li"))
        elif what == "b":
            out.append(BookChanged(at, draw(st.sampled_from((BOOK, CHANGED)))))
        elif what == "f":
            out.append(Trouble(at, "feed", draw(st.booleans()), "broken"))
        else:
            device = draw(st.sampled_from((*devices, "gw"))) if what == "o" else draw(st.sampled_from(devices))
            chosen = {"online": draw(st.booleans())} if what == "o" else draw(words())
            out.append(Reading(at, f"c/{device}", chosen, Freshness.LATE if what == "l" else Freshness.LIVE))
    return out


@st.composite
def words(draw: st.DrawFn) -> dict[str, Value]:
    """One report."""
    return {name: draw(st.sampled_from(VALUES[name])) for name in draw(st.sampled_from(SETS))}


@prove(200)
@given(lives() | histories(), st.sets(st.integers(0, 30), max_size=3))
def test_a_calm_device_does_what_a_restless_one_does(events: list[Event], looks: set[int]) -> None:
    calm, restless = both()
    for n, event in enumerate([*events, Tick((events[-1].at if events else T0) + 100 * SECOND)]):
        assert told(calm, event) == told(restless, event)
        if n in looks:
            assert list(calm.devices()) == list(restless.devices())
    assert seen_of(calm) == seen_of(restless)


@prove(100)
@given(lives(), st.integers(0, 30))
def test_a_restart_of_a_calm_machine_is_no_restart(events: list[Event], cut: int) -> None:
    one, _ = both()
    for event in events[:cut]:
        told(one, event)
    other = through_bytes(one, street())
    for event in [*events[cut:], Tick((events[-1].at if events else T0) + 100 * SECOND)]:
        assert told(other, event) == told(one, event)
    assert other.snapshot() == one.snapshot()


# --- every way to be wrong, as a timeline -----------------------------------------------------------------------------

STORIES: Mapping[str, tuple[str, str, Sequence[tuple[float, Mapping[str, Value]]]]] = {
    "a window that has run out is told by known": (
        "known(smoke) and not known(mean(smoke_density, 7s))", "t7.000001",
        [(0, {"smoke_density": 0.2, "smoke": False})],
    ),
    "so is one inside of a memory that default asks": (
        "default(held(mean(smoke_density, 5s) > 0.5, 3s), true)", "t5.000001",
        [(0, {"smoke_density": 0.2})],
    ),
    "a hold over a window breaks when the window runs out": (
        "held(mean(smoke_density, 6s) > 0.2, 9s)", "",
        [(0, {"smoke_density": 0.1}), (1, {"smoke_density": 0.6})],
    ),
    "and begins anew with the word that brings the window back": (
        "held(mean(smoke_density, 6s) > 0.2, 9s)", "",
        [(0, {"smoke_density": 0.6}), (8, {"smoke_density": 0.6})],
    ),
    "and goes on while it does not": (
        "held(mean(smoke_density, 6s) > 0.2, 9s)", "t9",
        [(0, {"smoke_density": 0.6}), (5, {"smoke_density": 0.6})],
    ),
    "a hold that begins by silence breaks as well": (
        "held(mean(smoke_density, 9s) > 0.2 and silent(5s), 6s)", "",
        [(0, {"smoke_density": 0.6})],
    ),
    "what was true of a window ceases when it runs out": (
        "recent(mean(smoke_density, 6s) > 0.2, 5s) and battery < 10", "",
        [(0, {"smoke_density": 0.6}), (12, {"battery": 5.0})],
    ),
    "nobody woken by another memory finds a window that has run out": (
        "silent(8s) and mean(smoke_density, 6s) > 0.2", "",
        [(0, {"smoke_density": 0.6})],
    ),
    "of one instant, what is named first comes first": (
        "silent(6s) and mean(smoke_density, 6s) > 0.2", "",
        [(0, {"smoke_density": 0.6})],
    ),
    "a report of another quantity finds none either": (
        "temperature > 40 and mean(smoke_density, 6s) > 0.2", "",
        [(0, {"smoke_density": 0.6}), (7, {"temperature": 50.0})],
    ),
    "a window begins anew with the first word after a gap": (
        "mean(smoke_density, 16s) > 0.2 and smoke_density < 0.1", "",
        [(0.5, {"smoke_density": 0.39}), (16.5 + 0.000001, {"smoke_density": 0.02})],
    ),
    "a value on its setpoint is not beyond it, and a little more is": (
        "temperature > 44", "t2",
        [(0, {"temperature": 43.0}), (1, {"temperature": 44.0}), (2, {"temperature": 44.00000001})],
    ),
    "nor too early: what is named later still stands": (
        "held(smoke, 6s) and mean(smoke_density, 6s) > 0.2", "t6.000001",
        [(0, {"smoke_density": 0.6}), (0.000001, {"smoke": True})],
    ),
    "the counted changes of a flag need each of them": (
        "changes(smoke, 20s) > 1", "t2",
        [(0, {"smoke": False}), (1, {"smoke": True}), (2, {"smoke": False})],
    ),
}  # fmt: skip
"""What is told → (the rule, the moment of its alarm or nothing, what the detector says and when)."""


@pytest.mark.parametrize("name", STORIES)
def test_one_rule_that_could_be_missed(name: str) -> None:
    when, alarm, said = STORIES[name]
    rules = book(rule("r", "PREALARM", when))
    for engine in (Engine(rules, street()), Restless(rules, street())):
        effects = [e for at, values in said for e in engine.handle(Reading(moment(at), "c/smoke-1", dict(values)))]
        effects += engine.handle(Tick(moment(300)))
        assert raised(effects) == ([moment(float(alarm[1:]))] if alarm else [])


def raised(effects: Sequence[Effect]) -> list[Micros]:
    """When alarms went active."""
    return [e.at for e in effects if isinstance(e, AlarmChanged) and e.state is AlarmState.ACTIVE]


def test_a_hold_over_a_window_breaks_though_we_restarted_meanwhile() -> None:
    rules = book(rule("r", "PREALARM", "held(mean(smoke_density, 6s) > 0.2, 9s)"))
    engine = Engine(rules, street())
    engine.handle(Reading(moment(0), "c/smoke-1", {"smoke_density": 0.6}))
    for one in (through_bytes(engine, street()), engine):
        one.handle(Reading(moment(8), "c/smoke-1", {"smoke_density": 0.6}))
        assert one.handle(Tick(moment(60))) == []


def test_a_hold_that_the_gateway_began_breaks_when_its_window_runs_out() -> None:
    rules = book(rule("r", "PREALARM", "held(mean(smoke_density, 9s) > 0.2 and not default(via(online), true), 6s)"))
    engine = Engine(rules, street())
    engine.handle(Reading(moment(0), "c/smoke-1", {"smoke_density": 0.6}))
    engine.handle(Reading(moment(4), "c/gw", {"online": False}))
    engine.handle(Reading(moment(9.5), "c/smoke-1", {"smoke_density": 0.6}))
    assert raised(engine.handle(Tick(moment(60)))) == [moment(15.5)]


def test_a_zone_waits_no_longer_for_a_window_that_has_run_out() -> None:
    engine = Engine(
        book(rule("r", "PREALARM", "any(mean(smoke_density, 6s) > 0.2)", subject="zone", for_="9s")), street()
    )
    engine.handle(Reading(moment(0), "c/smoke-1", {"smoke_density": 0.6}))
    assert raised(engine.handle(Tick(moment(60)))) == []


def test_what_was_true_before_a_word_is_asked_by_it() -> None:
    """The rule holds of a detector that has measured nothing; a word of the past says no more than that it is there."""
    engine = Engine(book(rule("r", "PREALARM", "default(mean(smoke_density, 9s), 0.4) > 0.3")), street())
    late = Reading(moment(0), "c/smoke-1", {"smoke_density": 0.1}, Freshness.LATE, moment(-200))
    assert raised(engine.handle(late)) == [moment(0)]


def test_a_word_of_the_past_finds_no_window_that_has_run_out() -> None:
    engine = Engine(book(rule("r", "PREALARM", "temperature > 40 and mean(smoke_density, 6s) > 0.2")), street())
    engine.handle(Reading(moment(0), "c/smoke-1", {"smoke_density": 0.6}))
    late = Reading(moment(200), "c/smoke-1", {"temperature": 50.0}, Freshness.LATE, moment(10))
    assert engine.handle(late) == []


def test_a_rule_of_absence_is_asked_by_a_word_that_says_nothing_new() -> None:
    absence = rule("r", "FIRE", "not any(last(temperature, 20s) > 10)", ("heat_detector",), subject="zone")
    engine = Engine(book(absence), street())
    cold = {"temperature": 5.0}
    assert raised(engine.handle(Reading(moment(0), "c/heat-1", cold))) == [moment(0)]
    engine.handle(Move(moment(1), incident(1), Verb.RESET, "li"))
    assert raised(engine.handle(Reading(moment(2), "c/heat-1", cold))) == [moment(2)]


def test_a_device_that_first_speaks_while_it_is_in_test_is_out_of_service() -> None:
    """So the other kind of evidence confirms alone, whatever the first word was."""
    confirm = CONFIRM.replace("      voters:\n", "      adjacent: false\n      voters:\n").replace("    for: 1s\n", "")
    engine = Engine(book(confirm), street())
    engine.handle(Suppress(moment(0), Measure.TEST, "c/heat-1", "li", "work", moment(600)))
    engine.handle(Reading(moment(1), "c/heat-1", {"battery": 97.0}))
    assert raised(engine.handle(Reading(moment(2), "c/smoke-1", {"smoke": True}))) == [moment(2)]


def test_a_window_that_a_changed_book_begins_to_ask_about_is_heard_of_in_time() -> None:
    engine = Engine(book(rule("r", "PREALARM", "mean(smoke_density, 9s) > 0.5")), street())
    engine.handle(Reading(moment(0), "c/smoke-1", {"smoke_density": 0.1}))
    curious = book(rule("r", "PREALARM", "not known(mean(smoke_density, 9s))"))
    assert engine.handle(BookChanged(moment(1), curious)) == []
    assert raised(engine.handle(Tick(moment(30)))) == [moment(9.000001)]


def test_one_that_had_run_out_before_the_book_changed_stays_so() -> None:
    """The rule that holds from now on is asked by the next word, not by what was over before it came."""
    engine = Engine(book(rule("r", "PREALARM", "mean(smoke_density, 9s) > 0.5")), street())
    engine.handle(Reading(moment(0), "c/smoke-1", {"smoke_density": 0.1}))
    curious = book(rule("r", "PREALARM", "not known(mean(smoke_density, 9s)) or temperature > 40"))
    assert engine.handle(BookChanged(moment(20), curious)) == []
    assert engine.handle(Tick(moment(21))) == []
    assert raised(engine.handle(Reading(moment(22), "c/smoke-1", {"temperature": 20.0}))) == [moment(22)]


def test_a_change_at_the_gateway_finds_no_window_that_has_run_out() -> None:
    rules = book(rule("r", "PREALARM", "not default(via(online), true) and mean(smoke_density, 9s) > 0.1"))
    engine = Engine(rules, street())
    engine.handle(Reading(moment(0), "c/smoke-1", {"smoke_density": 0.3}))
    assert engine.handle(Reading(moment(20), "c/gw", {"online": False})) == []


def test_a_detector_that_says_the_same_again_after_a_reset_is_in_alarm_again() -> None:
    engine = Engine(book(rule("r", "FIRE", "smoke")), street())
    engine.handle(Reading(moment(0), "c/smoke-1", {"smoke": True}))
    engine.handle(Move(moment(5), incident(1), Verb.RESET, "li"))
    effects = engine.handle(Reading(moment(6), "c/smoke-1", {"smoke": True}))
    assert [e.state for e in effects if isinstance(e, AlarmChanged)][-1] is AlarmState.ACTIVE


def test_words_of_the_past_are_news_to_the_memories_when_they_are_said_again() -> None:
    """A late word sets the value and no memory; the same word, live, begins the hold."""
    engine = Engine(book(rule("r", "PREALARM", "held(temperature > 40, 5s)", BOTH)), street())
    engine.handle(Reading(moment(0), "c/heat-1", {"temperature": 20.0}))
    engine.handle(Reading(moment(200), "c/heat-1", {"temperature": 50.0}, Freshness.LATE, moment(100)))
    engine.handle(Reading(moment(210), "c/heat-1", {"temperature": 50.0}))
    assert raised(engine.handle(Tick(moment(300)))) == [moment(215)]


def test_a_quiet_neighbour_finds_out_that_a_voter_has_fallen_silent_for_good() -> None:
    """The heat detector never speaks; after its 60 s the smoke alone confirms, told by a detector that says nothing new."""
    confirm = CONFIRM.replace("silent: 50s", "silent: 90s").replace(
        "when: temperature > 45", "when: temperature > 45, silent: 60s"
    )
    confirm = confirm.replace("within: 15s", "within: 2m").replace("    for: 1s\n", "")
    engine = Engine(book(confirm.replace("      voters:\n", "      adjacent: false\n      voters:\n")), street())
    engine.handle(Reading(moment(0), "c/smoke-2", {"smoke": False}))
    engine.handle(Reading(moment(1), "c/smoke-1", {"smoke": True}))
    assert not engine.open_incidents
    effects = engine.handle(Reading(moment(62), "c/smoke-2", {"smoke": False}))
    assert [e.rule for e in effects if isinstance(e, AlarmChanged) and e.incident] == ["confirmed"]
