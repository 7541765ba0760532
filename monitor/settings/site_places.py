"""The places of a site file alone: zones, devices, stations, deadlines and rule books, without the daemon's own sections and their secrets.

So that rules can be tested and checked where no password is known. Opens the one file it is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from monitor.settings.books import SHIPPED, one_or_many, read_books
from monitor.settings.linkage import LinkageSettings
from monitor.settings.muster import Muster, callers, posts, said
from monitor.settings.people import FloodEntry, Ladders, PersonWords
from monitor.settings.places import SiteEntry, StationEntry
from monitor.settings.remedies import explain
from monitor.settings.sections import USUAL, SlaWords
from monitor.settings.survey import Ground, Survey
from rules.document import Document, Mistake, Mistakes
from rules.model import Kind, Neighbourhood, SlaProfile
from rules.people import Plan

LARGEST_BYTES = 64_000_000


class _PersonHere(PersonWords):
    """Somebody, whose addresses may say what they like."""

    model_config = ConfigDict(extra="ignore")


class _Places(BaseModel):
    """The sections that are read; the others may say what they like."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    books: Annotated[tuple[str, ...], BeforeValidator(one_or_many), Field(min_length=1)] = (f"{SHIPPED}all",)
    sla: Annotated[SlaWords, Field(default=USUAL, validate_default=True)]
    people: tuple[_PersonHere, ...] = ()
    ladders: Ladders = Field(default_factory=dict)
    flood: FloodEntry = FloodEntry()
    linkage: LinkageSettings = LinkageSettings()
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
    plan: Plan
    books: tuple[str, ...]
    linkage: LinkageSettings

    def book_texts(self) -> list[tuple[str, str]]:
        """(name, text) of each rule book. Raises Mistakes for one that cannot be read."""
        file = Path(self.document.file)
        return read_books(self.books, file.absolute(), lambda i: self.document.at(("books", i)))

    def neighbourhood(self) -> Neighbourhood:
        """A new one; O(listed devices)."""
        g = self.ground
        return Neighbourhood(
            zones=g.zones,
            stations=tuple(g.stations),
            devices=g.devices,
            patterns=tuple(g.patterns),
            sla=self.sla,
            plan=said(self.plan),
            permits=self.linkage.permits(),
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
    channels = _channels(document.data)
    survey = Survey(document)
    survey.places(places.sites)
    survey.responders(places.stations, channels)
    muster = Muster(survey.meant, survey.tell, channels)
    muster.call(callers(places.people), posts(places.stations))
    if survey.mistakes:
        raise Mistakes(survey.mistakes)
    plan = muster.plan(survey.ground.authorities, places.ladders, places.sla, places.flood)
    sla = places.sla.profiles
    return SitePlaces(document, places.sites, survey.ground, sla, plan, places.books, places.linkage)


def _channels(data: Any) -> dict[str, str] | None:
    """Each channel's kind; None where that cannot be read."""
    channels = data.get("channels") if isinstance(data, dict) else None
    if not isinstance(channels, dict):
        return None
    return {str(name): str(c.get("kind")) if isinstance(c, dict) else "" for name, c in channels.items()}
