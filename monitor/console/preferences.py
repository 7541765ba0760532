"""Which of several content types a request prefers (RFC 9110 12.5.1).

Knows no route.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiohttp import web

_WEIGHT = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


def preferred(request: web.Request, offered: Sequence[str]) -> str:
    """The one of `offered` that the header Accept gives most weight; the first of those that weigh the same."""
    given: dict[str, float] = {}
    for part in request.headers.get("Accept", "*/*").split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights = [float(match[1]) for parameter in parameters if (match := _WEIGHT.fullmatch(parameter))]
        given[media] = weights[-1] if weights else 1.0

    def weight(media: str) -> float:
        ranges = (media, f"{media.partition('/')[0]}/*", "*/*")
        return next((given[r] for r in ranges if r in given), 0.0)

    return max(offered, key=weight)
