"""The shapes of what the API says of measures: what is kept from paging, by whom, why, until when, and what is done instead.

Knows no HTTP; see `answers.py` for what all answers have in common.
"""

from __future__ import annotations

from monitor.console.answers import Answer
from monitor.console.times import Time
from rules.model import Measure


class SuppressionAnswer(Answer):
    """A measure. `rule` is empty where it holds for all; `ended_by` is empty when it ended by itself."""

    id: str
    measure: Measure
    subject: str
    rule: str
    by: str
    why: str
    compensation: str
    since: Time
    until: Time
    ended_at: Time | None
    ended_by: str
    note: str


class SuppressionList(Answer):
    """Measures, newest first."""

    items: list[SuppressionAnswer]
