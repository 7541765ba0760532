"""What must hold of commands in every history: a restart anywhere is none, and no device is commanded twice for one raising.

Knows no expected outcome: machines are compared with each other, and what they did is counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.commands import Mode, Permits
from rules.engine import Engine, Event
from rules.model import (
    SECOND,
    Effect,
    Entry,
    Freshness,
    Micros,
    Move,
    Outcome,
    Push,
    Reading,
    Receipt,
    Step,
    Tick,
    Verb,
)
from tests.rules.small_block import T0, through_bytes
from tests.rules.test_linkage import ALL, BOOK, street

DEVICES = ("b/c1", "b/c2", "b/h1", "b/s-shed", "b/s-hall-00", "b/door", "b/horn-1")
VALUES: dict[str, tuple[float | bool, ...]] = {
    "port_temperature": (60.0, 95.0), "smoke": (True, False), "relay_closed": (True, False), "siren": (True, False),
    "door_locked": (True, False), "test": (True, False),
}  # fmt: skip
PERMITS = st.sampled_from((ALL, replace(ALL, at_most_per_minute=2), replace(ALL, mode=Mode.DRY_RUN), Permits()))

gaps = st.integers(0, 40).map(lambda quarter: quarter * SECOND // 4)
readings = st.builds(
    lambda device, name, pick, freshness: Reading(0, device, {name: VALUES[name][pick]}, freshness),
    st.sampled_from(DEVICES), st.sampled_from(sorted(VALUES)), st.integers(0, 1),
    st.sampled_from((Freshness.LIVE, Freshness.LIVE, Freshness.LIVE, Freshness.LATE)),
)  # fmt: skip
hot = st.sampled_from(("b/c1", "b/c2")).map(lambda device: Reading(0, device, {"port_temperature": 95.0}))
burning = st.just(Reading(0, "b/h1", {"smoke": True}))
moves = st.builds(
    lambda n, verb: Move(0, f"inc-{n:06}", verb, "li"),
    st.integers(1, 2),
    st.sampled_from((Verb.ACKNOWLEDGE, Verb.RESOLVE)),
)
answers = st.builds(
    lambda n, m, device, outcome: Receipt(0, f"inc-{n:06}/command-{m}/linkage@{device}", outcome, 1, "said"),
    st.integers(1, 2), st.integers(1, 3), st.sampled_from(DEVICES), st.sampled_from((Outcome.ACCEPTED, Outcome.DEAD)),
)  # fmt: skip
histories = st.lists(
    st.tuples(gaps, st.one_of(readings, hot, burning, moves, answers, st.just(Tick(0)))), min_size=1, max_size=25
)
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def dated(history: list[tuple[Micros, Event]]) -> list[Event]:
    """Each so long after the one before."""
    at, out = T0, []
    for gap, event in history:
        at += gap
        out.append(replace(event, at=at))
    return [*out, Tick(at + 200 * SECOND)]


def run(permits: Permits, events: list[Event], restarts: frozenset[int] = frozenset()) -> list[Effect]:
    """Everything that is done about the events; the engine is started again before some of them."""
    engine = Engine(BOOK, street(permits))
    out: list[Effect] = []
    for n, event in enumerate(events):
        if n in restarts:
            engine = through_bytes(engine, street(permits))
        out += engine.handle(event)
    return out


@SETTINGS
@given(PERMITS, histories, st.frozensets(st.integers(0, 25), max_size=5))
def test_a_restart_anywhere_is_no_restart(
    permits: Permits, history: list[tuple[Micros, Event]], restarts: frozenset[int]
) -> None:
    events = dated(history)
    assert run(permits, events, restarts) == run(permits, events)


@SETTINGS
@given(PERMITS, histories)
def test_no_key_twice_and_no_device_twice_for_one_raising(
    permits: Permits, history: list[tuple[Micros, Event]]
) -> None:
    effects = run(permits, dated(history))
    keys = Counter(e.key for e in effects if isinstance(e, Push))
    assert [key for key, times in keys.items() if times > 1] == []
    commanded: set[tuple[str, object, object]] = set()
    for effect in effects:
        if isinstance(effect, Entry) and effect.step is Step.REALARM:
            commanded = {c for c in commanded if c[0] != effect.incident}
        elif isinstance(effect, Entry) and effect.step is Step.COMMANDED and effect.detail["mode"] != "refused":
            command = effect.incident, effect.detail["command"], effect.detail["device"]
            assert command not in commanded
            commanded.add(command)


@SETTINGS
@given(PERMITS, histories)
def test_every_command_has_an_end_and_one_only(permits: Permits, history: list[tuple[Micros, Event]]) -> None:
    effects = run(permits, dated(history))
    sent = [e for e in effects if isinstance(e, Push) and e.channel == "linkage"]
    assert permits.mode is Mode.ARMED or sent == []
    issued = Counter((p.incident, p.body["command"], p.body["device"]) for p in sent)
    ends: dict[Step, Counter[tuple[str, object, object]]] = {
        s: Counter() for s in (Step.COMMAND_DONE, Step.COMMAND_FAILED)
    }
    late: Counter[tuple[str, object, object]] = Counter()
    for e in effects:
        if isinstance(e, Entry) and e.step in ends:
            command = e.incident, e.detail["command"], e.detail["device"]
            ends[e.step][command] += 1
            late[command] += e.detail.get("late") is True
    done, failed = ends[Step.COMMAND_DONE], ends[Step.COMMAND_FAILED]
    assert {c: done[c] + failed[c] - late[c] for c in issued} == dict(issued)
    assert not (done.keys() | failed.keys()) - issued.keys()


@SETTINGS
@given(histories)
def test_what_is_sent_is_sent_on_live_evidence_of_a_rule(history: list[tuple[Micros, Event]]) -> None:
    """Without a single live reading of danger nothing is commanded, whatever else happens."""
    quiet = [(gap, e) for gap, e in history if not (isinstance(e, Reading) and e.freshness is Freshness.LIVE)]
    effects = run(ALL, dated(quiet)) if quiet else []
    assert not [e for e in effects if isinstance(e, Push) and e.channel == "linkage"]
