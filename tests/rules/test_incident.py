"""The two tables: every pair of state and signal is either in its table or refused, and the README draws just what is in them.

Knows no engine; what the engine makes of the tables is in test_engine and test_response.
"""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from rules.incident import ALARM, INCIDENT, Act, Signal, reached
from rules.model import AlarmState, IncidentState

README = Path(__file__).parents[2] / "README.md"

ALARM_ROWS = {
    # state      on        off     held      clear       unclear   ended   latch      reset
    "idle":     ("pending", None,   None,     None,       None,     None,   None,      None),
    "pending":  (None,      "idle", "active", None,       None,     None,   None,      "idle"),
    "active":   (None,      None,   None,     "clearing", None,     None,   None,      "idle"),
    "clearing": (None,      None,   None,     None,       "active", "idle", "latched", "idle"),
    "latched":  ("active",  None,   None,     None,       None,     None,   None,      "idle"),
}  # fmt: skip

INCIDENT_ROWS = {
    # state          dispatch       acknowledge     on-scene    resolve     realarm   close
    "raised":       ("dispatched", "acknowledged", "on_scene", "resolved", None,     None),
    "dispatched":   (None,         "acknowledged", "on_scene", "resolved", None,     None),
    "acknowledged": (None,         None,           "on_scene", "resolved", "raised", None),
    "on_scene":     (None,         None,           None,       "resolved", None,     None),
    "resolved":     (None,         None,           None,       None,       "raised", "closed"),
    "closed":       (None,         None,           None,       None,       None,     None),
}  # fmt: skip


@pytest.mark.parametrize(("state", "signal"), list(product(AlarmState, Signal)))
def test_every_pair_of_an_alarm(state: AlarmState, signal: Signal) -> None:
    wanted = ALARM_ROWS[state.value][list(Signal).index(signal)]
    assert ALARM.get((state, signal)) == wanted


@pytest.mark.parametrize(("state", "act"), list(product(IncidentState, Act)))
def test_every_pair_of_an_incident(state: IncidentState, act: Act) -> None:
    wanted = INCIDENT_ROWS[state.value][list(Act).index(act)]
    assert INCIDENT.get((state, act)) == wanted


def test_from_every_state_of_an_alarm_a_way_leads_back_to_idle() -> None:
    for state in AlarmState:
        if state is not AlarmState.IDLE:
            assert ALARM[state, Signal.RESET] is AlarmState.IDLE


def test_from_every_state_of_an_incident_a_way_leads_to_closed_and_only_resolved_closes() -> None:
    closing = {state for (state, act), after in INCIDENT.items() if after is IncidentState.CLOSED}
    assert closing == {IncidentState.RESOLVED}
    for state in IncidentState:
        assert reached(state, IncidentState.RESOLVED) or INCIDENT[state, Act.RESOLVE] is IncidentState.RESOLVED


def test_an_incident_only_goes_forward_but_for_a_new_alarm() -> None:
    order = list(IncidentState)
    for (state, act), after in INCIDENT.items():
        assert (order.index(after) > order.index(state)) == (act is not Act.REALARM)


def test_reached_goes_by_how_far_the_response_has_come() -> None:
    assert reached(IncidentState.ON_SCENE, IncidentState.DISPATCHED)
    assert reached(IncidentState.ON_SCENE, IncidentState.ON_SCENE)
    assert not reached(IncidentState.RAISED, IncidentState.DISPATCHED)


def _drawn() -> list[set[tuple[str, str, str]]]:
    """The arrows (from, to, label) of each state diagram of the README."""
    diagrams = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return [set(re.findall(r"(\w+) --> (\w+) : ([\w-]+)", text)) for text in diagrams]


def test_the_readme_draws_the_tables() -> None:
    alarm, incident = _drawn()
    assert alarm == {(a.value, b.value, s.value) for (a, s), b in ALARM.items()}
    assert incident == {(a.value, b.value, s.value) for (a, s), b in INCIDENT.items()}
