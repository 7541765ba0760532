"""What the API says about rules at work: why one is or is not firing, and what reading the books again has changed.

Knows no HTTP.
"""

from __future__ import annotations

from typing import Literal

from monitor.book_change import BookChange
from monitor.console.answers import Answer
from monitor.console.times import Time
from monitor.explanation import Explanation, Part
from rules.model import SECOND, AlarmState, Freshness, Kind, Text

Verdict = Literal["true", "false", "unknown"]


class PartAnswer(Answer):
    """A part of a condition with what it comes to (null: unknown), and the parts of it."""

    text: str
    value: float | bool | str | None
    verdict: Verdict
    subject: str
    """The device that is asked, where a zone asks each of its own; else empty."""
    parts: list[PartAnswer]

    @classmethod
    def of(cls, part: Part) -> PartAnswer:
        """With all parts of it."""
        return cls(
            text=part.text, value=part.value, verdict=part.verdict, subject=part.subject, parts=[cls.of(p) for p in part.parts]
        )  # fmt: skip


class MeasuredAnswer(Answer):
    """A quantity that the rule asks for. `device_at` is the device's newest word, null when it was never heard."""

    device: str
    quantity: str
    unit: str
    value: float | bool | str | None
    device_at: Time | None
    freshness: Freshness | None


class ExplanationAnswer(Answer):
    """Why a rule is or is not firing at a device or zone. Spans are seconds."""

    rule: str
    kind: Kind
    title: Text
    subject: str
    at: Time
    applies: bool
    verdict: Verdict
    state: AlarmState
    incident: str
    when: PartAnswer
    where: PartAnswer | None
    clear: PartAnswer | None
    hold_seconds: float
    clear_for_seconds: float
    latch: bool
    due_at: Time | None
    """When the hold (pending) or the clear hold (clearing) is over."""
    measured: list[MeasuredAnswer]
    missing: list[str]
    """Attributes that the rule asks for and the site file does not give here."""
    sentences: list[Text]

    @classmethod
    def of(cls, e: Explanation) -> ExplanationAnswer:
        """With spans in seconds."""
        measured = [
            MeasuredAnswer(
                device=m.device, quantity=m.quantity, unit=m.unit, value=m.value, device_at=m.device_at, freshness=m.freshness
            )
            for m in e.measured
        ]  # fmt: skip
        return cls(
            rule=e.rule, kind=e.kind, title=e.title, subject=e.subject, at=e.at, applies=e.applies, verdict=e.verdict,
            state=e.state, incident=e.incident, when=PartAnswer.of(e.when),
            where=PartAnswer.of(e.where) if e.where else None, clear=PartAnswer.of(e.clear) if e.clear else None,
            hold_seconds=e.hold / SECOND, clear_for_seconds=e.clear_for / SECOND, latch=e.latch, due_at=e.due,
            measured=measured, missing=list(e.missing), sentences=list(e.sentences),
        )  # fmt: skip


class BookChangeAnswer(Answer):
    """What reading the rule books again has changed: ids of rules, and years."""

    added: list[str]
    removed: list[str]
    """Their alarms have ended."""
    changed: list[str]
    """They decide otherwise: their alarms have ended, and rise again by the next reading."""
    reworded: list[str]
    """They decide as before, in other words: their alarms go on."""
    unchanged: list[str]
    years: list[int]
    """Of which the books tell other holidays."""

    @classmethod
    def of(cls, change: BookChange) -> BookChangeAnswer:
        """As it is."""
        return cls.model_validate({name: list(getattr(change, name)) for name in cls.model_fields})
