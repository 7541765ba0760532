"""Where nothing holds, most of the work is left undone; these prove that nobody can tell.

Every test compares the engine with one that is never calm: it asks every rule that watches what was said, and is woken whenever a
window runs out of readings. Knows no expected outcome.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rules.engine import Engine, Event
from rules.model import SECOND, Effect, Freshness, Micros, Move, Reading, Tick, Trouble, Value, Verb
from rules.rule import BookChanged
from rules.watch import Seen
from tests.rules.corner_street import BOOK, RULES, histories, street
from tests.rules.small_block import T0, book, incident, rule, through_bytes
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


class Restless(Engine):
    """Something always holds at every device."""

    def _survey(self, at: Micros, seen: Seen) -> None:
        super()._survey(at, seen)
        seen.stir("never at rest")
        self._recall.watch_fading(at, seen)


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


@prove(400)
@given(lives() | histories(), st.sets(st.integers(0, 30), max_size=3))
def test_a_calm_device_does_what_a_restless_one_does(events: list[Event], looks: set[int]) -> None:
    calm, restless = both()
    for n, event in enumerate([*events, Tick((events[-1].at if events else T0) + 100 * SECOND)]):
        assert told(calm, event) == told(restless, event)
        if n in looks:
            assert list(calm.devices()) == list(restless.devices())
    assert seen_of(calm) == seen_of(restless)


@prove(150)
@given(lives(), st.integers(0, 30))
def test_a_restart_of_a_calm_machine_is_no_restart(events: list[Event], cut: int) -> None:
    one, _ = both()
    for event in events[:cut]:
        told(one, event)
    other = through_bytes(one, street())
    for event in [*events[cut:], Tick((events[-1].at if events else T0) + 100 * SECOND)]:
        assert told(other, event) == told(one, event)
    assert other.snapshot() == one.snapshot()
