"""What is made up for a drill: the message that a device would send in a fire, marked with the drill's id.

Knows the form of messages and what the rules ask for; neither broker nor engine.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from monitor.board import RuleView
from monitor.ports import Message
from rules.model import Kind, Micros, Value

Inject: TypeAlias = Callable[[Message], Awaitable[None]]
"""Gives a message to the broker, as a device would. Returns when the broker has it; raises TryAgain."""

FIRES: tuple[Mapping[str, Value], ...] = (
    {"smoke": True}, {"heat": True}, {"call_point": True}, {"flame": True}, {"gas": True}, {"co_alarm": True}, {"discharged": True},
    {"thermal_max": 200.0}, {"port_temperature": 130.0}, {"smoke_density": 1.0}, {"temperature": 90.0},
)  # fmt: skip
"""What devices say in a fire, the plainest first: each alone is enough for a rule that compares it without looking back in time."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def usual(kind: str, rules: Iterable[RuleView]) -> Mapping[str, Value] | None:
    """What a device of this kind says in a fire that a rule in force listens to; None where none does, or it takes more than one value."""
    asked = [rule for rule in rules if rule.subject == "device" and kind in rule.devices]
    for grave in (Kind.FIRE, Kind.PREALARM):
        for values in FIRES:
            if any(rule.kind is grave and values.keys() <= set(rule.quantities) for rule in asked):
                return values
    return None


def made_up(device: str, values: Mapping[str, Value], drill: str, at: Micros) -> Message:
    """The device's message at its own topic, of that moment, marked: nothing of it was measured."""
    moment = (_EPOCH + timedelta(microseconds=at)).isoformat()
    payload = json.dumps({"at": moment, "exercise": drill, **values}, ensure_ascii=False, separators=(",", ":"))
    return Message(at, f"wl/{device}/up", payload.encode(), 1)
