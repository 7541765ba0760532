"""Whatever happens, an incident's record and its timeline tell the same: what evidence checks, and what reports are counted from.

Knows the engine by its effects, and histories that other tests have made up.
"""

from __future__ import annotations

from collections import defaultdict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.evidence_check import contradiction
from monitor.ports import TimelineRow
from monitor.reports.responses import GOALS, responses
from rules.engine import Event
from rules.model import HOUR, Entry, Incident, IncidentChanged, Measure, Micros, Reading, Suppress
from rules.response import incident_to_plain
from tests.rules.test_engine_properties import end, machine, prove, told

REACHED = {
    "dispatch": "dispatched_at",
    "acknowledge": "acknowledged_at",
    "on_scene": "on_scene_at",
    "resolve": "resolved_at",
}


class Kept:
    """What a ledger would hold."""

    def __init__(self) -> None:
        self.records: dict[str, Incident] = {}
        self.timelines: defaultdict[str, list[TimelineRow]] = defaultdict(list)

    def live(self, events: list[Event]) -> None:
        """Play them; after each one record and timeline of all that it touched must agree."""
        engine, number = machine(), 0
        for event in events:
            touched: dict[str, None] = {}
            for effect in engine.handle(event):
                if isinstance(effect, IncidentChanged):
                    self.records[effect.incident.id] = effect.incident
                    touched[effect.incident.id] = None
                elif isinstance(effect, Entry):
                    number += 1
                    row = TimelineRow(number, effect.at, effect.incident, effect.step.value, effect.detail)
                    self.timelines[effect.incident].append(row)
                    touched[effect.incident] = None
            for key in touched:
                self.agree(key)

    def agree(self, key: str) -> None:
        record, rows = self.records[key], self.timelines[key]
        assert contradiction(incident_to_plain(record), [row._asdict() for row in rows]) == "", (record, rows)
        last = responses(record, rows)[-1]
        for goal in GOALS:
            at: Micros | None = getattr(record, REACHED[goal])
            ended_by_itself = goal == "resolve" and record.exercise and record.closed_at is not None
            assert last.reached.get(goal) == at or ended_by_itself, (goal, record, rows)
        assert last.missed == set(record.overdue), (record, rows)


def strange(events: list[Event], drills: set[int], measures: list[tuple[int, Measure]]) -> list[Event]:
    """The same history with a drill announced at its beginning, some readings made up for it, and measures taken between."""
    out: list[Event] = [_measure(events[0].at, Measure.DRILL)] if events and drills else []
    for place, event in enumerate(events):
        out += [_measure(event.at, measure) for where, measure in measures if where == place]
        drill = isinstance(event, Reading) and place in drills
        out.append(Reading(event.at, "b/h1", {"smoke": True}, exercise="sup-000001") if drill else event)
    return out


def _measure(at: Micros, measure: Measure) -> Suppress:
    subject = "b/home" if measure in (Measure.WORKS, Measure.DRILL) else "b/h1"
    return Suppress(at, measure, subject, "li", "why", at + HOUR, "", "a patrol")


@prove(120)
@given(
    told(),
    st.sets(st.integers(0, 60), max_size=20),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(Measure)), max_size=4),
)
def test_record_and_timeline_never_contradict_each_other(
    events: list[Event], drills: set[int], measures: list[tuple[int, Measure]]
) -> None:
    everything = strange(events, drills, measures)
    Kept().live([*everything, end(everything)])


def test_the_histories_reach_what_is_worth_checking() -> None:
    """Drills, measures, re-alarms and closings do occur in what is made up: counted over many."""
    seen: set[str] = set()

    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(
        told(),
        st.sets(st.integers(0, 60), max_size=20),
        st.lists(st.tuples(st.integers(0, 60), st.sampled_from(Measure)), max_size=4),
    )
    def look(events: list[Event], drills: set[int], measures: list[tuple[int, Measure]]) -> None:
        kept = Kept()
        kept.live(strange(events, drills, measures))
        seen.update(row.step for rows in kept.timelines.values() for row in rows)
        for record in kept.records.values():
            seen.update(name for name in ("exercise", "withheld") if getattr(record, name))

    look()
    wanted = {"realarm", "closed", "overdue", "dispatched", "acknowledged", "exercise", "withheld", "escalated"}
    assert wanted <= seen
