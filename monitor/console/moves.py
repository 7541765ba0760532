"""What a person may do to an incident: acknowledge, arrive, resolve, reset, close, note.

Knows no engine: a move goes into the inbox through `Context.post`; the committed incident or a refusal comes back.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from monitor.board import MoveRefused, UnknownIncident
from monitor.console.answers_incidents import IncidentAnswer
from monitor.console.context import body, clean, context, reply
from monitor.console.problems import Problem
from monitor.console.session import UNTIL
from rules.model import Disposition, Verb


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a name is one line of printable characters")
    return text


def _printable(text: str) -> str:
    if not all(c.isprintable() or c in "\n\t" for c in text):
        raise ValueError("a note has printable characters and line breaks only")
    return text


Person = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_one_line)
]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(_printable)]


class MoveBody(BaseModel):
    """Who does it, and what they want to have written down."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Person = Field(description="Name or role of the person.")
    note: Note = ""

    @property
    def verdict(self) -> Disposition | None:
        """The disposition, where there is one."""
        return None


class CloseBody(MoveBody):
    """Closing says what it turned out to be (GB/T 45839-2025 5.8.2)."""

    disposition: Disposition

    @property
    def verdict(self) -> Disposition | None:
        """Never None here."""
        return self.disposition


class NoteBody(MoveBody):
    """A note that says something."""

    note: Annotated[Note, Field(min_length=1)]


def move(verb: Verb, shape: type[MoveBody]) -> Handler:
    """The handler of one verb: 200 with the incident, 404, 409 with the reason, or 504 when the outcome is unknown."""

    async def handle(request: web.Request) -> web.StreamResponse:
        it = context(request)
        incident = request.match_info["incident"]
        wish = await body(shape, request)
        try:
            async with asyncio.timeout(it.move_timeout):
                after = await it.post(incident, verb, wish.by, wish.note, wish.verdict, _way(request))
        except UnknownIncident:
            raise Problem(404, f"There is no incident {clean(incident)}.", kind="unknown-incident") from None
        except MoveRefused as refusal:
            raise Problem(409, refusal.reason) from None
        except TimeoutError:
            # The move is in the inbox and may still happen: the person must look before trying again.
            raise Problem(
                504, "The move was handed over but not confirmed; read the incident before repeating."
            ) from None
        return reply(IncidentAnswer.of(after, it.board.neighbourhood.zones))

    return handle


def _way(request: web.Request) -> str:
    """Browsers come with a session, programs with the token itself."""
    return "page" if UNTIL in request else "api"
