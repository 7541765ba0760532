"""The shapes of what the API says of coverage: which zones are without working detection, why, since when, and who answers for it.

Knows no HTTP; see `answers.py` for what all answers have in common.
"""

from __future__ import annotations

from monitor.console.answers import Answer
from monitor.console.answers_measures import SuppressionAnswer
from monitor.console.times import Time
from monitor.detection import Lack
from rules.model import Text


class GapAnswer(Answer):
    """Detectors of a zone that do not detect, for one reason. `devices` are the first of them; `since` is null where it is not known."""

    lack: Lack
    count: int
    devices: list[str]
    since: Time | None


class ZoneCoverage(Answer):
    """How well a zone is watched: `live` detectors detect now, the others stand under `gaps`, by reason.

    `uncovered_since`: when the last one ceased; null while it is covered, and where it is not known. `accepted`: the measures by which
    somebody answers for what is missing, with what is done instead.
    """

    zone: str
    name: Text
    detectors: int
    heard: int
    offline: int
    live: int
    covered: bool
    last_at: Time | None
    gaps: list[GapAnswer]
    uncovered_since: Time | None
    accepted: list[SuppressionAnswer]


class Coverage(Answer):
    """Zones with and without working detection."""

    zones: int
    covered: int
    items: list[ZoneCoverage]
