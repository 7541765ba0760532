"""Moments and spans as the API writes them: RFC 3339 in UTC outside, microseconds inside.

Knows no clock: it only rewrites what it is given.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from rules.model import SECOND, Micros

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END: Micros = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_MICROSECOND = timedelta(microseconds=1)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_SPAN = re.compile(r"([1-9]\d{0,11})(ms|s|m|h|d)", re.ASCII)
_UNITS = {"ms": SECOND // 1000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}
_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z$"


def rfc3339(at: Micros) -> str:
    """`2026-11-22T00:00:00Z`, with three or six decimals where the moment has them."""
    moment = _EPOCH + timedelta(microseconds=at)
    micros = moment.microsecond
    decimals = f".{micros:06}" if micros % 1000 else f".{micros // 1000:03}" if micros else ""
    return f"{moment.isoformat()[:19]}{decimals}Z"


def moment(text: object) -> Micros:
    """Microseconds of an RFC 3339 moment with an offset. Raises ValueError that says what to write."""
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        raise ValueError("write a moment as 2026-11-22T08:00:00+08:00 or 2026-11-22T00:00:00Z (in a query, + is %2B)")
    try:
        at = (datetime.fromisoformat(text.upper()) - _EPOCH) // _MICROSECOND
    except ValueError:
        raise ValueError("there is no such moment in the calendar") from None
    # Databases count nanoseconds in 64 bits, which end in 2262; nothing was measured before the epoch.
    if not 0 <= at < _END:
        raise ValueError("a moment lies between the years 1970 and 2200")
    return at


def span(text: object) -> Micros:
    """Microseconds of `500ms`, `10s`, `5m`, `1h`, `1d`. Raises ValueError that says what to write."""
    match = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("write a span of time as 10s, 5m, 1h or 1d")
    return int(match[1]) * _UNITS[match[2]]


Time = Annotated[
    int,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _PATTERN}),
]
"""A field of an answer: microseconds inside, RFC 3339 in UTC on the wire."""

Moment = Annotated[
    int,
    BeforeValidator(moment),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-22T00:00:00Z"]}),
]
"""A field of a question: RFC 3339 on the wire, microseconds inside."""

Span = Annotated[
    int, BeforeValidator(span), WithJsonSchema({"type": "string", "pattern": _SPAN.pattern, "examples": ["1m"]})
]
"""A field of a question: `10s` on the wire, microseconds inside."""
