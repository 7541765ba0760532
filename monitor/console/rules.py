"""The rules at work: read the books again, and ask why a rule is or is not firing.

Knows neither books nor engine: the app hands in a desk that does.
"""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from monitor.board import BookRefused, RuleDesk
from monitor.console.answers_rules import BookChangeAnswer, ExplanationAnswer
from monitor.console.context import NoQuestion, clean, context, question, reply
from monitor.console.problems import Problem
from monitor.explanation import UnknownRule, UnknownSubject

MISTAKES_SHOWN = 200


class ExplainQuestion(BaseModel):
    """Where."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: str = Field(
        min_length=1, max_length=200, description="Key of a device, or of a zone where the rule is about zones."
    )


async def reload(request: web.Request) -> web.StreamResponse:
    """200 with what has changed, or 422 with every mistake of the books, and then nothing has."""
    question(NoQuestion, request.query)
    try:
        change = await _desk(request).reload()
    except BookRefused as refused:
        shown = refused.mistakes[:MISTAKES_SHOWN]
        mistakes = [
            {"file": m.file, "line": m.line, "column": m.column, "field": m.field, "message": m.message, "remedy": m.remedy}
            for m in shown
        ]  # fmt: skip
        raise Problem(422, clean(str(refused)), kind="invalid-book", more={"mistakes": mistakes}) from None
    return reply(BookChangeAnswer.of(change))


async def explain(request: web.Request) -> web.StreamResponse:
    """The condition as a tree with what each part comes to, timers, and what is missing."""
    asked = question(ExplainQuestion, request.query)
    rule = request.match_info["rule"]
    try:
        found = _desk(request).explain(rule, asked.subject)
    except UnknownRule:
        raise Problem(404, f"There is no rule {clean(rule)} in the book in force.", kind="unknown-rule") from None
    except UnknownSubject as unknown:
        detail = clean(str(unknown))
        raise Problem(404, f"{detail[:1].upper()}{detail[1:]}.", kind="unknown-subject") from None
    return reply(ExplanationAnswer.of(found))


def _desk(request: web.Request) -> RuleDesk:
    desk = context(request).desk
    if desk is None:
        raise Problem(503, "This console was started without a rule book to ask.")
    return desk
