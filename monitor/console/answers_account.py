"""The shapes of what the API says of readings, of messages set aside or unknown, and of the daemon itself.

Knows no HTTP; see `answers.py` for what all answers have in common.
"""

from __future__ import annotations

import base64

from pydantic import Field

from monitor.console.answers import Answer
from monitor.console.context import clean
from monitor.console.times import Time
from monitor.ports import Quarantined, Unregistered


class RawPoint(Answer):
    """One reading of one quantity."""

    at: Time
    value: float


class BucketPoint(Answer):
    """One step of time."""

    at: Time
    min: float
    mean: float
    max: float
    samples: int


class Readings(Answer):
    """A raw series, oldest first, in [from, to). `next` is the `from` of the next page."""

    device: str
    quantity: str
    points: list[RawPoint]
    next: Time | None


class BucketedReadings(Answer):
    """A downsampled series, oldest first; empty steps are left out."""

    device: str
    quantity: str
    step_seconds: float
    buckets: list[BucketPoint]


class QuarantinedAnswer(Answer):
    """A message, or a part of one, that was set aside."""

    at: Time
    reason: str
    detail: str
    topic: str
    payload: str = Field(description="As text; bytes that are not UTF-8 are written as \\xNN.")
    payload_base64: str

    @classmethod
    def of(cls, item: Quarantined) -> QuarantinedAnswer:
        """With the payload both readable and exact."""
        return cls(
            at=item.at,
            reason=item.reason,
            detail=clean(item.detail),
            topic=clean(item.topic),
            payload=item.payload.decode("utf-8", "backslashreplace"),
            payload_base64=base64.b64encode(item.payload).decode(),
        )


class QuarantineList(Answer):
    """The newest first."""

    items: list[QuarantinedAnswer]


class UnregisteredAnswer(Answer):
    """A device that speaks and is in no site file."""

    device: str
    messages: int
    first_at: Time
    last_at: Time
    topic: str
    sample: str
    sample_base64: str

    @classmethod
    def of(cls, item: Unregistered) -> UnregisteredAnswer:
        """With the sample both readable and exact."""
        return cls(
            device=clean(item.device),
            messages=item.messages,
            first_at=item.first_at,
            last_at=item.last_at,
            topic=clean(item.topic),
            sample=item.sample.decode("utf-8", "backslashreplace"),
            sample_base64=base64.b64encode(item.sample).decode(),
        )


class UnregisteredList(Answer):
    """The latest heard first."""

    items: list[UnregisteredAnswer]


class Account(Answer):
    """What became of every message. Over the ledger's whole life: received = sum of verdicts. Of this process since its
    start: `process_received` − `process_settled` = `waiting`, those on their way to a commit.
    """

    received: int
    verdicts: dict[str, int]
    quarantined: dict[str, int]
    process_received: int
    process_settled: int
    waiting: int


class TroubleAnswer(Answer):
    """Something of the daemon's own that is wrong."""

    source: str
    detail: str
    since: Time


class TroubleList(Answer):
    """What is wrong now, the oldest first."""

    items: list[TroubleAnswer]


class Status(Answer):
    """One word."""

    status: str
