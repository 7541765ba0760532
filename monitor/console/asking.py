"""The way of what people ask for beside moves (measures, swaps) into the inbox, and of the answer back.

Knows no engine: whatever comes back is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiohttp import web

from monitor.console.context import context
from monitor.console.problems import Problem
from rules.model import Effect, Refused, Restore, Suppress, Swap


async def submitted(request: web.Request, event: Suppress | Restore | Swap) -> Sequence[Effect]:
    """What came of it. Raises Problem 409 with the reason, 503, or 504 when the outcome is unknown."""
    it = context(request)
    if it.submit is None:
        raise Problem(503, "This console was started without an engine to ask.")
    try:
        async with asyncio.timeout(it.move_timeout):
            effects = await it.submit(event)
    except TimeoutError:
        # It is in the inbox and may still happen: the person must look before trying again.
        raise Problem(504, "It was handed over but not confirmed; look before repeating.") from None
    for effect in effects:
        if isinstance(effect, Refused):
            raise Problem(409, effect.reason)
    return effects
