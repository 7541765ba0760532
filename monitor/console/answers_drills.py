"""The shapes of what the API and the command line say of drills: which there were, and how each went.

Knows no HTTP; see `answers.py` for what all answers have in common. Durations are seconds, to the nearest millisecond.
"""

from __future__ import annotations

from pydantic import Field

from monitor.console.answers import Answer
from monitor.console.times import Time
from monitor.reports.drill import Callee, Judged, Point, Score, Verdict, Way
from monitor.reports.drill_words import seconds, verdict
from rules.model import Micros, Text
from rules.people import Role


class DrillAnswer(Answer):
    """A drill as it was announced. `subject` is the device's key, `ended_by` is empty when it ended by itself or by a real fire."""

    id: str
    subject: str
    by: str
    why: str
    since: Time
    until: Time
    ended_at: Time | None
    ended_by: str


class DrillList(Answer):
    """Drills, newest first."""

    items: list[DrillAnswer]


class DrillPoint(Answer):
    """A moment that the drill ran through; negative before the alarm was raised."""

    point: Point
    at: Time
    after_seconds: float


class DrillPromise(Answer):
    """A promise. `due_at` is null where nobody promised by when."""

    goal: str
    due_at: Time | None
    reached_at: Time | None
    took_seconds: float | None
    judged: Judged


class DrillCall(Answer):
    """One call. `accepted_at` is null where no provider accepted it."""

    step: str
    channel: str
    kind: str = Field(description="Of the channel.")
    sent_at: Time
    outcome: str
    accepted_at: Time | None
    accepted_seconds: float | None
    reply: str

    @classmethod
    def of(cls, it: Way, raised: Micros) -> DrillCall:
        """With the seconds since the alarm."""
        return cls(
            step=it.step, channel=it.channel, kind=it.kind, sent_at=it.sent_at, outcome=it.outcome, accepted_at=it.accepted_at,
            accepted_seconds=None if it.accepted_at is None else seconds(it.accepted_at - raised), reply=it.reply,
        )  # fmt: skip


class DrillCallee(Answer):
    """Somebody who was called. `answered_at` is null for who never answered; `via` is the way by which the answer came."""

    key: str
    name: Text
    role: Role | None
    called_at: Time
    accepted_at: Time | None
    answered_at: Time | None
    answered_seconds: float | None
    via: str
    calls: list[DrillCall]

    @classmethod
    def of(cls, it: Callee, raised: Micros) -> DrillCallee:
        """With the seconds since the alarm."""
        return cls(
            key=it.key, name=it.name, role=it.role, called_at=it.called_at, accepted_at=it.accepted_at,
            answered_at=it.answered_at, via=it.via, calls=[DrillCall.of(way, raised) for way in it.ways],
            answered_seconds=None if it.answered_at is None else seconds(it.answered_at - raised),
        )  # fmt: skip


class DrillScore(DrillAnswer):
    """How a drill went, as far as it has come."""

    incident: str | None = Field(
        description="Null where nothing was raised: the reading never arrived, or no rule made an alarm of it."
    )
    over: bool
    interrupted: bool = Field(description="A real fire ended it.")
    verdict: Verdict
    said: Text = Field(description="The verdict in one line.")
    points: list[DrillPoint]
    promises: list[DrillPromise]
    people: list[DrillCallee] = Field(description="In the order in which they were called.")
    unanswered: list[str] = Field(description="Keys of those who never answered.")
    listeners: list[DrillCall] = Field(description="Calls to channels that nobody in particular listens on.")
    silent: list[str] = Field(description="Channels that accepted none of their calls.")
    made_at: Time

    @classmethod
    def of(cls, it: Score) -> DrillScore:
        """The whole score."""
        raised = it.incident.raised_at if it.incident is not None else it.drill.since
        return cls(
            **{name: getattr(it.drill, name) for name in DrillAnswer.model_fields},
            incident=it.incident.id if it.incident is not None else None,
            over=it.over, interrupted=it.interrupted, verdict=it.verdict, said=verdict(it),
            points=[
                DrillPoint(point=point, at=at, after_seconds=round((at - raised) / 1_000_000, 3))
                for point, at in it.points.items()
            ],
            promises=[
                DrillPromise(
                    goal=promise.goal, due_at=promise.due_at, reached_at=promise.reached_at, judged=promise.judged,
                    took_seconds=None if promise.reached_at is None else seconds(promise.reached_at - raised),
                )
                for promise in it.promises
            ],
            people=[DrillCallee.of(who, raised) for who in it.people], unanswered=[who.key for who in it.unanswered],
            listeners=[DrillCall.of(way, raised) for way in it.listeners], silent=list(it.silent), made_at=it.made_at,
        )  # fmt: skip
