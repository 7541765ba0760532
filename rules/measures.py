"""What people decide about alarms: which measure keeps one from paging, which takes a device's vote, when a measure begins and ends.

What a measure withholds is suppression.py's. Raises nothing again when one ends and asks no rule: the engine does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rules.model import (
    HUMAN_REPORT,
    Effect,
    Freshness,
    Kind,
    Measure,
    Micros,
    Neighbourhood,
    Refused,
    Suppress,
    Suppression,
    SuppressionChanged,
)
from rules.response import Alarm, Response
from rules.rule import Rule
from rules.suppression import Suppressions, mistake
from rules.timers import Timers
from rules.watch import Seen

TAKES_VOTES = (Measure.TEST, Measure.IMPAIRED, Measure.SHELVED)
"""A device under one of these is out of service where kinds of evidence are counted; the strongest first."""
TIMER = "return"
"""(TIMER, measure, ""): it ends by itself."""


class Measures:
    """Those in force. Every method appends its effects to `out`."""

    def __init__(
        self,
        neighbourhood: Neighbourhood,
        timers: Timers,
        seen: Mapping[str, Seen],
        suppressions: Suppressions,
        response: Response,
    ) -> None:
        self._neighbourhood = neighbourhood
        self._timers = timers
        self._seen = seen
        self._suppressions = suppressions
        self._response = response
        self.sidelined: dict[str, None] = {}
        """The devices and zones under a measure that takes votes: usually none, so that a reading pays for it with one look."""

    def of(self, rule: Rule, subject: str, seen: Seen | None) -> Suppression | None:
        """What keeps this alarm from paging now."""
        if not self._suppressions or (seen is not None and seen.device.kind == HUMAN_REPORT):
            return None  # what people report comes from no detector that anybody works on
        places = (subject,) if rule.check is None or seen is None else (subject, seen.zone.key)
        return self._suppressions.of(rule.id, rule.kind, *places)

    def aside(self, seen: Seen) -> str:
        """The measure by which the device is no voter that must be waited for, the strongest; or an empty string."""
        if seen.device.kind == HUMAN_REPORT:
            return ""
        for measure in TAKES_VOTES:
            for subject in (seen.device.key, seen.zone.key):
                found = self._suppressions.at(subject, measure) if subject in self.sidelined else None
                if found is not None and not found.rule:
                    return measure.value
        return ""

    def take(self, at: Micros, order: Suppress, rule: Rule | None, out: list[Effect]) -> bool:
        """A person takes a measure, `rule` is the one that it names; does it take votes from now on? Says why it is not allowed."""
        zone = order.subject in self._neighbourhood.zones
        reason = mistake(order, rule.kind if rule is not None else None)
        if not reason and order.rule and rule is None:
            reason = "没有这条规则。There is no such rule."
        if not reason and not zone and (order.measure is Measure.WORKS or not self._known(order.subject)):
            reason = "没有这个设备或分区。There is no such device or zone."
        if reason:
            out.append(Refused(at, "", reason))
            return False
        measure = self._suppressions.add(order)
        self._timers.set((TIMER, measure.id, ""), measure.until)
        out.append(SuppressionChanged(at, measure))
        if order.measure not in TAKES_VOTES:
            return False
        self.sidelined[order.subject] = None
        return True

    def _known(self, device: str) -> bool:
        return device in self._seen or self._neighbourhood.device(device) is not None

    def end(
        self,
        at: Micros,
        suppression: str,
        by: str,
        out: list[Effect],
        why: str = "the exercise is over",
        note: str = "",
    ) -> Suppression:
        """It is over; what belongs to a drill is closed. Raises KeyError when it is not in force."""
        measure = self._suppressions.remove(suppression)
        self._timers.cancel((TIMER, suppression, ""))
        over = replace(measure, ended_at=at, ended_by=by, note=note)
        out.append(SuppressionChanged(at, over))
        if not any(self._suppressions.at(measure.subject, other) for other in TAKES_VOTES):
            self.sidelined.pop(measure.subject, None)
        if measure.measure is Measure.DRILL:
            self._suppressions.ended(over)
            self._response.end_exercise(at, suppression, why, out)
        return measure

    def yield_to(self, at: Micros, alarm: Alarm, out: list[Effect]) -> None:
        """A real fire wins over every exercise."""
        if alarm.kind is Kind.FIRE and alarm.evidence is Freshness.LIVE:
            for measure in self._suppressions.all(Measure.DRILL):
                self.end(at, measure.id, "", out, "a real fire")

    def restore(self, data: list[Any]) -> None:
        """Take the place of those that made the snapshot of the suppressions."""
        self._suppressions.restore(data)
        self.sidelined.clear()
        self.sidelined.update((s.subject, None) for s in self._suppressions if s.measure in TAKES_VOTES)
