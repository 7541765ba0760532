"""What must hold of the response in every history: who is called, who no more, and who never.

Knows no expected outcome: every test compares one machine with another, or looks at every effect for what must never be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.engine import Engine, Event
from rules.model import (
    MINUTE,
    SECOND,
    AlarmChanged,
    AlarmState,
    Effect,
    Entry,
    Freshness,
    Incident,
    IncidentChanged,
    IncidentState,
    Kind,
    Measure,
    Micros,
    Outcome,
    Push,
    PushSettled,
    Reading,
    Receipt,
    Step,
    Suppression,
    SuppressionChanged,
    Tick,
)
from rules.people import LADDERS, Role
from tests.rules.small_block import T0, through_bytes
from tests.rules.two_houses import BOOK, BUILDINGS, DEVICES, KINDS, PEOPLE, SLA, end, houses, machine, same_book, told

UNHEARD = frozenset({IncidentState.RAISED, IncidentState.DISPATCHED})
HEARD = frozenset({Step.ACKNOWLEDGED, Step.ON_SCENE, Step.RESOLVED, Step.CLOSED})
GRAVER = frozenset({Step.REALARM, Step.ESCALATED, Step.CONFIRMED})
SOONEST = min(profile.on_scene for profile in SLA.values()) + MINUTE
"""After a late acknowledgement the ladder waits at least so long."""
RESIDENTS = frozenset(person.key for person in PEOPLE if person.role in (Role.FAMILY, Role.GRID_WORKER))
KIND_OF_RULE = {rule.id: rule.kind for rule in BOOK.rules}
WITHHOLDS = {
    Measure.SHELVED: {Kind.SUPERVISORY, Kind.FAULT},
    Measure.TEST: set(Kind),
    Measure.WORKS: {Kind.PREALARM, Kind.SUPERVISORY},
    Measure.IMPAIRED: set(),
    Measure.DRILL: set(),
}


def prove(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """So many histories, however long one takes on a busy machine."""
    return settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def run(engine: Engine, events: Iterable[Event]) -> list[Effect]:
    """All effects, one after the other."""
    return [effect for event in events for effect in engine.handle(event)]


class Watched:
    """A machine with what a careful onlooker knows of it: the records, and where every push stands."""

    def __init__(self) -> None:
        self.engine = machine()
        self.records: dict[str, Incident] = {}
        self.pushes: dict[str, Push] = {}
        self.settled: dict[str, Outcome] = {}

    def play(self, events: Sequence[Event]) -> Iterator[tuple[Event, list[Effect]]]:
        """Each event with its effects, timers' effects apart from the event's own; the records stand as after them."""
        for event in [*events, end(list(events))]:
            yield from self._step(Tick(event.at))
            yield from self._step(event)

    def _step(self, event: Event) -> Iterator[tuple[Event, list[Effect]]]:
        effects = self.engine.handle(event)
        for effect in effects:
            match effect:
                case IncidentChanged(incident=incident):
                    self.records[incident.id] = incident
                case Push(key=key):
                    self.pushes[key] = effect
                case PushSettled(key=key, outcome=outcome):
                    self.settled[key] = outcome
        yield event, effects

    def open(self) -> list[Incident]:
        """As the engine has them."""
        return self.engine.open_incidents

    def undelivered(self, incident: str) -> list[str]:
        """Calls of an incident that still wait or will be tried again."""
        here = [key for key, push in self.pushes.items() if push.incident == incident and calls(push)]
        return [key for key in here if self.settled.get(key) in (None, Outcome.RETRY)]

    def timers(self) -> set[tuple[str, str, str]]:
        """Those that run."""
        return {(what, who, which) for _, (what, who, which) in self.engine.snapshot()["timers"]}


def calls(push: Push) -> bool:
    """Does it tell somebody to come, or to look?"""
    return push.body["type"] not in ("incident.update", "incident.warning", "incident.flood", "incident.state")


def house(zone: str) -> str:
    """The building of a zone, or the zone itself."""
    return BUILDINGS[zone.removeprefix("q/")] or zone


# --- the machine ------------------------------------------------------------------------------------------------------


@prove(100)
@given(told(), st.lists(st.integers(0, 1000), max_size=30))
def test_ticks_do_not_matter(events: list[Event], extra: list[int]) -> None:
    ticks = [(T0 + half * SECOND // 2, 0, Tick(T0 + half * SECOND // 2)) for half in extra]
    merged = sorted([*((e.at, 1, e) for e in events), *ticks], key=lambda item: item[:2])
    last = max(end(events).at, merged[-1][0] if merged else 0)
    bare, often = machine(), machine()
    assert run(often, [*(event for *_, event in merged), Tick(last)]) == run(bare, [*events, Tick(last)])
    assert often.snapshot() == bare.snapshot()


@prove(100)
@given(told(), st.data())
def test_a_restart_anywhere_is_no_restart(events: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(events)))
    one = machine()
    run(one, events[:cut])
    other = through_bytes(one, houses())
    assert other.snapshot() == one.snapshot()
    for event in [*events[cut:], end(events)]:
        assert other.handle(event) == one.handle(event)
    assert other.snapshot() == one.snapshot()
    assert (other.open_incidents, other.suppressions, other.swaps) == (one.open_incidents, one.suppressions, one.swaps)


@prove(30)
@given(told())
def test_a_restart_after_every_event_is_no_restart(events: list[Event]) -> None:
    one, other = machine(), machine()
    for event in [*events, end(events)]:
        other = through_bytes(other, houses())
        assert other.handle(event) == one.handle(event)
    assert other.snapshot() == one.snapshot()


@prove(60)
@given(told(), st.lists(st.integers(0, 45), max_size=5))
def test_the_same_book_again_changes_nothing(events: list[Event], places: list[int]) -> None:
    again: list[Event] = []
    for n, event in enumerate(events):
        again += [same_book(event.at) for place in places if place == n]
        again.append(event)
    one, other = machine(), machine()
    assert run(other, [*again, end(events)]) == run(one, [*events, end(events)])
    assert other.snapshot() == one.snapshot()


@prove(100)
@given(told())
def test_keys_of_pushes_never_repeat_and_name_their_incident_channel_and_person(events: list[Event]) -> None:
    pushes = [e for e in run(machine(), [*events, end(events)]) if isinstance(e, Push)]
    assert len({push.key for push in pushes}) == len(pushes)
    for push in pushes:
        way = f"{push.channel}@{push.to}" if push.to else push.channel
        assert push.key == f"{push.incident}/{push.step}/{way}"


# --- who has taken it -------------------------------------------------------------------------------------------------


@prove(100)
@given(told())
def test_nobody_is_called_for_what_somebody_has_taken(events: list[Event]) -> None:
    """Until there is new danger, something graver, or a deadline that was missed all the same; who takes it after the arrival was
    missed has as long again, and a minute. A word of a missed deadline that fails is gone around.
    """
    heard: dict[str, Micros | None] = {}
    missed: set[tuple[str, str]] = set()
    for _, effects in Watched().play(events):
        for effect in effects:
            if isinstance(effect, Entry) and effect.step in HEARD:
                late = effect.step is Step.ACKNOWLEDGED and (effect.incident, "on_scene") in missed
                heard[effect.incident] = effect.at + SOONEST if late else None
            elif isinstance(effect, Entry) and effect.step in GRAVER:
                heard.pop(effect.incident, None)
            elif isinstance(effect, Entry) and effect.step is Step.OVERDUE:
                missed.add((effect.incident, str(effect.detail["goal"])))
                if effect.detail["goal"] == "on_scene":
                    heard.pop(effect.incident, None)
            elif isinstance(effect, Push) and calls(effect) and effect.incident in heard:
                goal, until = str(effect.body.get("goal", "")), heard[effect.incident]
                around = effect.step.startswith("around") and any(incident == effect.incident for incident, _ in missed)
                late = until is not None and effect.at >= until
                assert (effect.incident, goal) in missed or around or late, effect.key


@prove(100)
@given(told())
def test_who_takes_it_takes_back_every_call_that_was_not_delivered(events: list[Event]) -> None:
    watched = Watched()
    for _, effects in watched.play(events):
        taken = {e.incident for e in effects if isinstance(e, Entry) and e.step in HEARD}
        called = {e.incident for e in effects if isinstance(e, Push) and calls(e)}
        for incident in taken - called:
            assert watched.undelivered(incident) == []
        if not taken:
            continue
        riders = [i.id for i in watched.open() if i.lead in taken and i.id not in called]
        assert not [key for rider in riders for key in watched.undelivered(rider)]


@prove(100)
@given(told())
def test_nothing_is_called_that_is_withdrawn_or_of_an_incident_that_is_over(events: list[Event]) -> None:
    """And nothing is withdrawn twice, but when a provider's refusal crosses it."""
    watched = Watched()
    withdrawn: set[str] = set()
    for event, effects in watched.play(events):
        for effect in effects:
            if isinstance(effect, PushSettled) and effect.outcome is Outcome.WITHDRAWN:
                assert effect.key in watched.pushes
                assert effect.key not in withdrawn or isinstance(event, Receipt)
                withdrawn.add(effect.key)
        over = [i for i in watched.records.values() if i.state in (IncidentState.RESOLVED, IncidentState.CLOSED)]
        assert not [key for incident in over for key in watched.undelivered(incident.id)]
        assert not watched.timers() & {("ladder", i.id, which) for i in over for which in ("next", "two")}


@prove(100)
@given(told())
def test_a_fire_that_nobody_has_taken_is_being_called_for(events: list[Event]) -> None:
    """Its ladder is being climbed, or stands at its end, or one that is not over speaks for it."""
    watched = Watched()
    exhausted: set[str] = set()
    sent: set[str] = set()
    for _, effects in watched.play(events):
        for effect in effects:
            if isinstance(effect, Entry) and effect.step is Step.EXHAUSTED:
                exhausted.add(effect.incident)
            elif isinstance(effect, Entry) and effect.step is Step.REALARM:
                sent.discard(effect.incident)
            elif isinstance(effect, Push) and effect.step.startswith("dispatch"):
                exhausted.discard(effect.incident)
                if effect.kind is Kind.FIRE:
                    sent.add(effect.incident)
        timers = watched.timers()
        for incident in watched.open():
            # what is a fire by doubtful evidence only is looked at, not called for
            if incident.state not in UNHEARD or not (incident.id in sent or incident.lead):
                continue
            lead = watched.records.get(incident.lead)
            if lead is None:
                climbing = ("ladder", incident.id, "next") in timers
                assert climbing or incident.id in exhausted, incident
                for goal in ("on_scene", "resolve"):
                    assert goal in incident.overdue or ("sla", incident.id, goal) in timers, (goal, incident)
            else:
                assert lead.state not in (IncidentState.RESOLVED, IncidentState.CLOSED), (incident, lead)


# --- two kinds of channel ---------------------------------------------------------------------------------------------


@prove(100)
@given(told())
def test_a_real_fire_goes_out_at_once_over_two_kinds_of_channel(events: list[Event]) -> None:
    """Or rides under one that did, in the same building."""
    watched = Watched()
    for event, effects in watched.play(events):
        if not isinstance(event, Reading) or event.freshness is not Freshness.LIVE:
            continue
        began = {
            e.incident
            for e in effects
            if isinstance(e, Entry)
            and e.step in (Step.RAISED, Step.REALARM, Step.ESCALATED, Step.CONFIRMED)
            and e.detail["kind"] == Kind.FIRE
            and e.detail["evidence"] == Freshness.LIVE
        }
        for incident in (watched.records[key] for key in began):
            gone = [e for e in effects if isinstance(e, Push) and e.incident == incident.id and calls(e)]
            if not incident.withheld and not incident.lead:
                assert len({KINDS[push.channel] for push in gone}) >= 2, incident
                assert any(push.to for push in gone)


# --- measures ---------------------------------------------------------------------------------------------------------


@prove(100)
@given(told())
def test_what_a_measure_withholds_is_an_incident_and_no_call(events: list[Event]) -> None:
    """And what none withholds is a call: judged by a table of our own."""
    watched = Watched()
    measures: dict[str, Suppression] = {}
    alarms: dict[tuple[str, str], AlarmState] = {}
    for event, effects in watched.play(events):
        for effect in effects:
            if isinstance(effect, SuppressionChanged):
                measure = effect.suppression
                if measure.ended_at is None:
                    assert measure.measure is not Measure.SHELVED or KIND_OF_RULE.get(measure.rule) is not Kind.FIRE
                    measures[measure.id] = measure
                else:
                    del measures[measure.id]
            elif isinstance(effect, AlarmChanged):
                was = alarms.get((effect.rule, effect.subject), AlarmState.IDLE)
                alarms[effect.rule, effect.subject] = effect.state
                begins = was in (AlarmState.PENDING, AlarmState.LATCHED) and effect.state is AlarmState.ACTIVE
                if begins and effect.rule in KIND_OF_RULE:
                    record = watched.records[effect.incident]
                    assert bool(record.withheld) == _withheld(measures.values(), effect), (record, event)
        for push in (e for e in effects if isinstance(e, Push)):
            if push.incident in watched.records and watched.records[push.incident].withheld:
                assert push.body["type"] == "incident.state", push.key


def _withheld(measures: Iterable[Suppression], alarm: AlarmChanged) -> bool:
    zone = DEVICES.get(alarm.subject.removeprefix("q/"))
    places = {alarm.subject, f"q/{zone}" if zone else alarm.subject}
    return any(
        m.subject in places and alarm.kind in WITHHOLDS[m.measure] and m.rule in ("", alarm.rule) for m in measures
    )


# --- exercises --------------------------------------------------------------------------------------------------------


@prove(100)
@given(told())
def test_a_drill_never_troubles_residents_or_those_above_and_says_that_it_is_one(events: list[Event]) -> None:
    watched = Watched()
    for _, effects in watched.play(events):
        for push in (e for e in effects if isinstance(e, Push)):
            told_of = push.body["incident"]
            assert isinstance(told_of, dict)
            assert told_of["exercise"] == watched.records[push.incident].exercise
            if told_of["exercise"]:
                assert push.to not in RESIDENTS
                assert push.channel != "119"


@prove(100)
@given(told())
def test_a_real_fire_ends_every_drill(events: list[Event]) -> None:
    watched = Watched()
    for event, effects in watched.play(events):
        if isinstance(event, Tick):  # what a timer raised: the drills are looked at after the event itself
            continue
        certain = [e for e in effects if isinstance(e, Entry) and e.detail.get("evidence") == Freshness.LIVE]
        of_fire = {e.incident for e in certain if e.detail["kind"] == Kind.FIRE and e.step is not Step.RETURNED}
        if any(not watched.records[key].exercise and not watched.records[key].withheld for key in of_fire):
            assert not [i for i in watched.open() if i.exercise and not i.withheld]
            assert not [m for m in watched.engine.suppressions if m.measure is Measure.DRILL]


# --- floods -----------------------------------------------------------------------------------------------------------


@prove(100)
@given(told())
def test_only_one_as_grave_in_the_same_house_speaks_for_another(events: list[Event]) -> None:
    watched = Watched()
    certain: dict[str, int] = {}
    for _, effects in watched.play(events):
        for entry in (e for e in effects if isinstance(e, Entry) and e.detail.get("evidence") == Freshness.LIVE):
            kind = (
                watched.records[entry.incident].kind
                if entry.step in (Step.CONFIRMED, Step.REALARM)
                else Kind(str(entry.detail["kind"]))
            )
            rank = kind.rank
            certain[entry.incident] = min(rank, certain.get(entry.incident, rank))
        found = {incident.id: incident for incident in watched.open()}
        riders: dict[str, int] = {}
        for incident in found.values():
            if incident.lead:
                lead = found[incident.lead]
                riders[lead.id] = riders.get(lead.id, 0) + 1
                assert house(lead.zone) == house(incident.zone)
                if incident.id in certain:  # what is doubtful may be called for by a doubtful one, or by itself
                    assert certain[lead.id] <= certain[incident.id], (lead, incident)
                assert not lead.lead
                assert {incident.exercise, incident.withheld, lead.exercise, lead.withheld} == {""}
        assert {incident.id: incident.members for incident in found.values() if incident.members} == riders


@prove(100)
@given(told())
def test_the_family_hears_of_every_fire_at_home_whoever_is_called_for_it(events: list[Event]) -> None:
    """Once for each raising: over two channels when the place is called for, over one when it goes under another."""
    watched = Watched()
    for _, effects in watched.play(events):
        for entry in (e for e in effects if isinstance(e, Entry) and e.step in (Step.RAISED, *GRAVER)):
            record = watched.records[entry.incident]
            certain = entry.detail["evidence"] == Freshness.LIVE and record.kind is Kind.FIRE
            if certain and record.zone in ("q/a1", "q/b1") and not record.withheld and not record.exercise:
                told = [e.channel for e in effects if isinstance(e, Push) and e.to == "daughter" and calls(e)]
                assert told, record


@prove(100)
@given(told())
def test_every_real_alarm_pages_or_goes_under_one_that_does(events: list[Event]) -> None:
    """However many others there are, elsewhere or before."""
    watched = Watched()
    for _, effects in watched.play(events):
        began = [e for e in effects if isinstance(e, Entry) and e.step in (Step.RAISED, Step.REALARM, Step.CONFIRMED)]
        for entry in began:
            record = watched.records[entry.incident]
            certain = entry.detail["evidence"] == Freshness.LIVE and not record.withheld
            if certain and record.kind is not Kind.FAULT and record.state is not IncidentState.CLOSED:
                gone = [e for e in effects if isinstance(e, Push) and e.incident == record.id and calls(e)]
                assert gone or record.lead, record


_REACHED = (
    *("raised", "joined", "escalated", "confirmed", "returned", "realarm", "dispatched", "acknowledged", "on_scene"),
    *("push_queued", "push_accepted", "push_failed", "push_dead", "resolved", "reset", "closed", "note", "overdue"),
    *("warned", "called", "exhausted", "handed_over", "flood", "withheld", "released"),
)


def test_the_histories_are_worth_their_name() -> None:
    """A strategy that never floods, withholds or exhausts anything would prove little: count what many histories reach."""
    seen: dict[str, int] = {}

    def count(name: str) -> None:
        seen[name] = seen.get(name, 0) + 1

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(told())
    def gather(events: list[Event]) -> None:
        for effect in run(machine(), [*events, end(events)]):
            if isinstance(effect, Entry):
                count(effect.step)
            elif isinstance(effect, Push):
                count(str(effect.body["type"]))
                count(effect.step.partition("-")[0].rstrip("0123456789"))
            elif isinstance(effect, PushSettled):
                count(effect.outcome)
            elif isinstance(effect, IncidentChanged) and effect.incident.exercise:
                count(f"exercise {effect.incident.state}")

    gather()
    steps = {Step(name) for name in _REACHED}
    assert steps <= set(seen), steps - set(seen)
    types = {
        f"incident.{name}" for name in ("dispatch", "call", "reinforce", "handover", "warning", "overdue", "verify")
    }
    assert types | {"incident.flood", "incident.update", "spread", "around", "withdrawn"} <= set(seen), seen
    assert {"exercise raised", "exercise dispatched", "exercise closed"} <= set(seen), seen
    assert LADDERS[Kind.FIRE].times == 10
