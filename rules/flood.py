"""Alarm floods (ISA-18.2, EEMUA 191): when a building raises more alarms than anybody can take, one incident speaks for all of them.

A flood is of one building (or of a zone that belongs to none): it never hides a second fire elsewhere. Knows alarms' moments and
incidents' ids, nothing else. Memory: at most `begins + 1` moments for each building that alarms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from rules.model import Micros
from rules.people import FloodLimits


class _Flood:
    __slots__ = ("alarms", "lead", "moments", "on", "told")

    def __init__(self, length: int) -> None:
        self.moments: deque[Micros] = deque(maxlen=length)
        self.on = False
        self.lead = ""
        self.alarms = 0
        """Since it began, those that made it one included."""
        self.told = 0
        """How many of them the last summary told of."""


class Floods:
    """By building. Every answer is O(begins) at most."""

    def __init__(self, limits: FloodLimits) -> None:
        self._limits = limits
        self._floods: dict[str, _Flood] = {}

    def count(self, at: Micros, scope: str) -> bool:
        """One more alarm; True when a flood begins with it."""
        flood = self._floods.get(scope)
        if flood is None:
            flood = self._floods[scope] = _Flood(self._limits.begins + 1)
        self.calm(at, scope)
        flood.moments.append(at)
        if flood.on:
            flood.alarms += 1
            return False
        flood.on = len(flood.moments) > self._limits.begins and flood.moments[0] > at - self._limits.window
        if flood.on:
            flood.alarms, flood.told = len(flood.moments), 0
        return flood.on

    def calm(self, at: Micros, scope: str) -> bool:
        """Is there no flood, or none any more?"""
        flood = self._floods.get(scope)
        if flood is None or not flood.on:
            return True
        recent = sum(moment > at - self._limits.window for moment in flood.moments)
        if recent < self._limits.ends:
            flood.on, flood.lead = False, ""
        return not flood.on

    def lead(self, scope: str) -> str:
        """The incident that speaks for the flood; empty while there is none."""
        flood = self._floods.get(scope)
        return flood.lead if flood is not None and flood.on else ""

    def led_by(self, scope: str, incident: str) -> None:
        """From now on this one speaks; empty: none does, and the next alarm pages for itself. Raises KeyError where no alarm ever was."""
        self._floods[scope].lead = incident

    def news(self, scope: str) -> int:
        """How many alarms the flood has, if more than the last summary told of; else 0."""
        flood = self._floods.get(scope)
        if flood is None or not flood.on or flood.alarms == flood.told:
            return 0
        flood.told = flood.alarms
        return flood.alarms

    def leads(self) -> list[tuple[str, str]]:
        """(scope, incident) of all that are led."""
        return [(scope, flood.lead) for scope, flood in self._floods.items() if flood.lead]

    def snapshot(self) -> list[Any]:
        """Plain values."""
        return [[scope, list(f.moments), f.on, f.lead, f.alarms, f.told] for scope, f in self._floods.items()]

    def restore(self, data: list[Any], renamed: Mapping[str, str]) -> None:
        """The inverse, also of an older program's; incidents that bear another id now are `renamed`."""
        self._floods.clear()
        for scope, moments, on, lead, alarms, told, *_ in data:
            flood = self._floods[scope] = _Flood(self._limits.begins + 1)
            flood.moments.extend(moments)
            flood.on, flood.lead, flood.alarms, flood.told = on, renamed.get(lead, lead), alarms, told
