"""Several pushes in one message: what goes together, and what goes first, when a channel may not send as many as wait for it.

Knows no queue and no rate. A FIRE is never merged, nor the state of a record that programs follow, nor a hand-over to those above;
and an exercise never shares a message with anything real.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from rules.model import Kind, Push

AT_MOST = 50
"""Pushes in one message."""
_MERGED = frozenset(
    f"incident.{kind}" for kind in ("dispatch", "call", "reinforce", "verify", "warning", "overdue", "update", "flood")
)


class Family(NamedTuple):
    """Pushes that may share a message."""

    to: str
    exercise: bool


def family(push: Push) -> Family | None:
    """What this push may be merged with; None: with nothing."""
    if push.kind is Kind.FIRE or push.body.get("type") not in _MERGED:
        return None
    incident = push.body.get("incident")
    return Family(push.to, bool(isinstance(incident, Mapping) and incident.get("exercise")))


def news(push: Push) -> bool:
    """Does it only tell how things stand? Then nobody waits for it as somebody waits for a call."""
    return push.body.get("type") in ("incident.update", "incident.state")


def digest(pushes: Sequence[Push]) -> Push:
    """One push that says all of them, headed by the first. The same pushes have the same key, others another one."""
    first = pushes[0]
    mark = hashlib.sha256("\n".join(push.key for push in pushes).encode()).hexdigest()[:12]
    merged = [{"key": push.key, "kind": push.kind.value, "body": dict(push.body)} for push in pushes]
    body = {**first.body, "type": "incident.digest", "merged": merged}
    return replace(first, key=f"{first.key}+{len(pushes) - 1}-{mark}", body=body)
