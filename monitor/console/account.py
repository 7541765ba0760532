"""What became of every message: the account, the quarantine, the strangers; and what is wrong with the daemon itself.

Knows no lane: numbers come from the ledger and from the app's statistics.
"""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from monitor.console.answers_account import (
    Account,
    QuarantinedAnswer,
    QuarantineList,
    TroubleAnswer,
    TroubleList,
    UnregisteredAnswer,
    UnregisteredList,
)
from monitor.console.context import NoQuestion, context, question, reply
from monitor.ports import Verdict

_QUARANTINED = "quarantined:"


class NewestQuestion(BaseModel):
    """How many of the newest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=100, ge=1, le=1000)


async def quarantine(request: web.Request) -> web.StreamResponse:
    """The newest first, with the reason and the payload."""
    asked = question(NewestQuestion, request.query)
    rows = await context(request).board.ledger.quarantined(asked.limit)
    return reply(QuarantineList(items=[QuarantinedAnswer.of(row) for row in rows]))


async def unregistered(request: web.Request) -> web.StreamResponse:
    """The latest heard first, with a sample of what they say."""
    asked = question(NewestQuestion, request.query)
    rows = await context(request).board.ledger.unregistered(asked.limit)
    return reply(UnregisteredList(items=[UnregisteredAnswer.of(row) for row in rows]))


async def account(request: web.Request) -> web.StreamResponse:
    """Every verdict by number, those that never happened too."""
    it = context(request)
    question(NoQuestion, request.query)
    counts = await it.board.ledger.counts()
    statistics = it.statistics()
    verdicts = {v.value: counts.get(v.value, 0) for v in Verdict}
    settled = sum(statistics.verdicts.values())
    return reply(
        Account(
            received=sum(verdicts.values()),
            verdicts=verdicts,
            quarantined={n.removeprefix(_QUARANTINED): c for n, c in counts.items() if n.startswith(_QUARANTINED)},
            process_received=statistics.received,
            process_settled=settled,
            waiting=statistics.received - settled,
        )
    )


async def troubles(request: web.Request) -> web.StreamResponse:
    """What is wrong now, the oldest first."""
    question(NoQuestion, request.query)
    items = [TroubleAnswer.model_validate(trouble) for trouble in context(request).board.troubles()]
    return reply(TroubleList(items=items))
