"""The places of a site file alone: zones, devices, stations, deadlines and rule books, without the daemon's own sections and their secrets.

So that rules can be tested and checked where no password is known. Opens the one file it is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from monitor.settings.books import SHIPPED, one_or_many, read_books
from monitor.settings.places import SiteEntry, StationEntry
from monitor.settings.remedies import explain
from monitor.settings.sections import Sla
from monitor.settings.survey import Ground, Survey
from rules.document import Document, Mistake, Mistakes
from rules.model import Kind, Neighbourhood, SlaProfile

LARGEST_BYTES = 64_000_000


class _Places(BaseModel):
    """The sections that are read; the others may say what they like."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    books: Annotated[tuple[str, ...], BeforeValidator(one_or_many), Field(min_length=1)] = (f"{SHIPPED}all",)
    sla: Annotated[Sla, Field(default="1-5-20", validate_default=True)]
    sites: Annotated[tuple[SiteEntry, ...], Field(min_length=1)]
    stations: Annotated[tuple[StationEntry, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class SitePlaces:
    """What a site file says of places and people."""

    document: Document
    """For the place of each entry."""
    entries: tuple[SiteEntry, ...]
    """The sites as they are written, ranges and all."""
    ground: Ground
    sla: dict[Kind, SlaProfile]
    books: tuple[str, ...]

    def book_texts(self) -> list[tuple[str, str]]:
        """(name, text) of each rule book. Raises Mistakes for one that cannot be read."""
        file = Path(self.document.file)
        return read_books(self.books, file.absolute(), lambda i: self.document.at(("books", i)))

    def neighbourhood(self) -> Neighbourhood:
        """A new one; O(listed devices)."""
        g = self.ground
        return Neighbourhood(
            zones=g.zones, stations=tuple(g.stations), devices=g.devices, patterns=tuple(g.patterns), sla=self.sla
        )


def load_places(path: Path) -> SitePlaces:
    """Read and check them. Raises Mistakes with all of them, each with its place and remedy."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
        text = content[:LARGEST_BYTES].decode("utf-8-sig")
    except OSError as error:
        raise Mistakes([Mistake(str(path), 1, 1, "", f"cannot be read: {error.strerror}", "check the path")]) from None
    except UnicodeDecodeError:
        raise Mistakes([Mistake(str(path), 1, 1, "", "is not UTF-8 text", "save the file as UTF-8")]) from None
    if len(content) > LARGEST_BYTES:
        message = f"is larger than {LARGEST_BYTES} bytes"
        raise Mistakes([Mistake(str(path), 1, 1, "", message, "use ranges and match for devices")])
    document = Document(text, str(path))
    try:
        places = document.validate(_Places)
    except Mistakes as error:
        raise Mistakes(explain(error.mistakes, _Places, document.data)) from None
    survey = Survey(document)
    survey.places(places.sites)
    survey.responders(places.stations, _channels(document.data))
    if survey.mistakes:
        raise Mistakes(survey.mistakes)
    sla = {kind: SlaProfile(d.dispatch, d.on_scene, d.resolve) for kind, d in places.sla.items()}
    return SitePlaces(document, places.sites, survey.ground, sla, places.books)


def _channels(data: Any) -> dict[str, bool] | None:
    """Each channel's name, and whether it follows incidents by itself; None where that cannot be read."""
    channels = data.get("channels") if isinstance(data, dict) else None
    if not isinstance(channels, dict):
        return None
    return {str(name): isinstance(c, dict) and c.get("kind") == "mqtt" for name, c in channels.items()}
