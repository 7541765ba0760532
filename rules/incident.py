"""The life of an alarm and of an incident, each as one table; what is not in its table is refused.

An **alarm** is one rule at one subject (ISA-18.2). A reading turns its condition on or off; `for` must pass before it counts and
`clear_for` before it ends. A latching alarm (every FIRE: GB/T 45839-2025 5.4.2) does not end by itself: it waits, LATCHED, for
a person's reset. A reset takes an alarm back to IDLE whatever it was, as on a fire panel: if the danger is still there, the next
reading raises it again.

An **incident** is what people do about alarms. It only goes forward, except that a new alarm after RESOLVED raises it again, and so does
one that asks for more after ACKNOWLEDGED.
People may skip steps (who stands at the fire need not first press "acknowledged"); they may not close what is still burning.

Knows nothing of rules, places or time.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from rules.model import AlarmState as A
from rules.model import IncidentState as S
from rules.model import Kind


class Signal(StrEnum):
    """What happens to an alarm."""

    ON = "on"
    """The condition holds."""
    OFF = "off"
    """The condition no longer holds, before `for` was over."""
    HELD = "held"
    """`for` is over."""
    CLEAR = "clear"
    """The clear condition holds."""
    UNCLEAR = "unclear"
    """The clear condition no longer holds, before `clear_for` was over."""
    ENDED = "ended"
    """`clear_for` is over, and the rule does not latch."""
    LATCH = "latch"
    """`clear_for` is over, and the rule latches."""
    RESET = "reset"


ALARM: Mapping[tuple[A, Signal], A] = {
    (A.IDLE, Signal.ON): A.PENDING,
    (A.PENDING, Signal.OFF): A.IDLE,
    (A.PENDING, Signal.HELD): A.ACTIVE,
    (A.PENDING, Signal.RESET): A.IDLE,
    (A.ACTIVE, Signal.CLEAR): A.CLEARING,
    (A.ACTIVE, Signal.RESET): A.IDLE,
    (A.CLEARING, Signal.UNCLEAR): A.ACTIVE,
    (A.CLEARING, Signal.ENDED): A.IDLE,
    (A.CLEARING, Signal.LATCH): A.LATCHED,
    (A.CLEARING, Signal.RESET): A.IDLE,
    (A.LATCHED, Signal.ON): A.ACTIVE,
    (A.LATCHED, Signal.RESET): A.IDLE,
}


class Act(StrEnum):
    """What happens to an incident."""

    DISPATCH = "dispatch"
    """A provider accepted the station's dispatch."""
    ACKNOWLEDGE = "acknowledge"
    ON_SCENE = "on-scene"
    RESOLVE = "resolve"
    REALARM = "realarm"
    CLOSE = "close"


INCIDENT: Mapping[tuple[S, Act], S] = {
    (S.RAISED, Act.DISPATCH): S.DISPATCHED,
    (S.RAISED, Act.ACKNOWLEDGE): S.ACKNOWLEDGED,
    (S.RAISED, Act.ON_SCENE): S.ON_SCENE,
    (S.RAISED, Act.RESOLVE): S.RESOLVED,
    (S.DISPATCHED, Act.ACKNOWLEDGE): S.ACKNOWLEDGED,
    (S.DISPATCHED, Act.ON_SCENE): S.ON_SCENE,
    (S.DISPATCHED, Act.RESOLVE): S.RESOLVED,
    (S.ACKNOWLEDGED, Act.ON_SCENE): S.ON_SCENE,
    (S.ACKNOWLEDGED, Act.RESOLVE): S.RESOLVED,
    (S.ON_SCENE, Act.RESOLVE): S.RESOLVED,
    (S.ACKNOWLEDGED, Act.REALARM): S.RAISED,
    (S.RESOLVED, Act.REALARM): S.RAISED,
    (S.RESOLVED, Act.CLOSE): S.CLOSED,
}


HEARD = frozenset({S.ACKNOWLEDGED, S.ON_SCENE})
"""Somebody has taken it."""
ROUNDS_OF_AN_EVENT = 4 * len(Kind)
"""At most so many rounds does one event begin in one incident: for each kind to look and to come, and as many when it burns again."""


def reached(state: S, goal: S) -> bool:
    """Has the response come at least as far as `goal`?"""
    order = tuple(S)
    return order.index(state) >= order.index(goal)
