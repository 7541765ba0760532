"""What the engine does, each thing in one short line: the words in which a story says what must follow.

Knows effects only. `1` is the first incident; devices and zones of the story's own site stand without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rules.model import (
    AlarmChanged,
    Effect,
    Entry,
    IncidentChanged,
    Push,
    PushSettled,
    Refused,
    Step,
    SuppressionChanged,
)

_PREFIX: Final = "inc-"
_OF_AN_ALARM: Final = frozenset({
    Step.RAISED, Step.JOINED, Step.ESCALATED, Step.CONFIRMED, Step.RETURNED, Step.REALARM,
})  # fmt: skip
_OF_A_PUSH: Final = frozenset({Step.PUSH_ACCEPTED, Step.PUSH_FAILED, Step.PUSH_DEAD})


def line(effect: Effect, site: str) -> str:
    """One effect in a few words; empty for what only repeats another line (a push is queued, an attempt is settled)."""
    match effect:
        case AlarmChanged(rule=rule, subject=subject, state=state):
            return f"{rule}@{short(subject, site)} {state}"
        case Entry():
            return _entry(effect, site)
        case Push(key=key):
            return f"push {short_key(key)}"
        case IncidentChanged(incident=now):
            doubt = " suspected" if now.suspected else ""
            return f"{number(now.id)} is {now.kind} {now.state} {now.condition}{doubt}"
        case Refused(incident=refused, reason=reason):
            return f"{f'{number(refused)} ' if refused else ''}refused: {reason}"
        case SuppressionChanged(suppression=measure):
            verb = "takes effect" if measure.ended_at is None else "ends"
            return f"{measure.id} {measure.measure} {short(measure.subject, site)} {verb}"
        case PushSettled():
            return ""


def _entry(entry: Entry, site: str) -> str:
    n, detail = number(entry.incident), entry.detail
    if entry.step is Step.PUSH_QUEUED:
        return ""
    if entry.step in _OF_AN_ALARM:
        latched = " latched" if detail.get("latched") else ""
        return f"{n} {entry.step} {detail['rule']}@{short(str(detail['subject']), site)}{latched}"
    if entry.step in _OF_A_PUSH:
        return f"{n} {entry.step} {detail['step']} {detail['channel']}"
    return f"{n} {entry.step} {_more(entry.step, detail, site)}".rstrip()


def _more(step: Step, detail: Mapping[str, object], site: str) -> str:
    match step:
        case Step.OVERDUE | Step.WARNED:
            return str(detail.get("goal"))
        case Step.CALLED:
            return str(detail.get("targets"))
        case Step.EXHAUSTED:
            return ""
        case Step.HANDED_OVER:
            return f"to {detail.get('to')}"
        case Step.FLOOD:
            return f"led by {number(str(detail.get('lead')))}"
        case Step.WITHHELD:
            return f"by {detail.get('suppression')} {detail.get('measure')}"
        case Step.RELEASED:
            return f"by {detail.get('suppression')}"
        case Step.DISPATCHED:
            return f"{detail.get('station')} by {detail.get('channel')}"
        case Step.UNCOVERED:
            return short(str(detail.get("zone")), site)
        case Step.COMMANDED | Step.COMMAND_DONE | Step.COMMAND_FAILED:
            told = f"{detail['command']}@{short(str(detail['device']), site)}"
            late = "late" if detail.get("late") else ""
            words = (told, detail.get("mode"), detail.get("why"), late)
            return " ".join(str(word) for word in words if word)
        case _:
            return f"by {detail.get('by') or 'itself'}"


def short(key: str, site: str) -> str:
    """`b/hall-1` as `hall-1`, where `b` is the story's own site."""
    return key.removeprefix(f"{site}/") if site else key


def number(incident: str) -> int:
    """`inc-000001` as 1."""
    return int(incident.removeprefix(_PREFIX))


def incident(n: int) -> str:
    """The id of the n-th incident."""
    return f"{_PREFIX}{n:06d}"


def short_key(key: str) -> str:
    """`inc-000001/dispatch-1/hook` as `1/dispatch-1/hook`."""
    name, _, rest = key.partition("/")
    return f"{number(name)}/{rest}"


def full_key(key: str) -> str:
    """The inverse of `short_key`. Raises ValueError."""
    name, _, rest = key.partition("/")
    return f"{incident(int(name))}/{rest}"
