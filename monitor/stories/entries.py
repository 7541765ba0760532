"""The shape of a test file: places, what happens, and what must come of it.

Knows the fields of each entry; that names fit together is the reader's business.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from monitor.decoders.native import moment
from monitor.settings.fields import Id, Section, Switch, Whole, Word, read_duration
from monitor.settings.linkage import LinkageSettings
from monitor.settings.people import Called, FloodEntry, Ladders, Staffed
from monitor.settings.places import Attributes
from monitor.settings.sections import SlaWords
from rules.model import (
    SECOND,
    AlarmState,
    Condition,
    Disposition,
    Freshness,
    IncidentState,
    Kind,
    Measure,
    Micros,
    Outcome,
    Verb,
)

LONGEST: Micros = 366 * 24 * 3600 * SECOND
START: Micros = 1_795_305_600 * SECOND
"""2026-11-22T00:00:00Z, a Sunday, 08:00 in China: when a story begins unless it says otherwise."""


def _span(value: Any) -> Micros:
    span = read_duration(value)
    if span > LONGEST:
        raise ValueError("is longer than a year; write a shorter time")
    return span


def _signed(value: Any) -> Micros:
    return -_span(value[1:]) if isinstance(value, str) and value.startswith("-") else _span(value)


def _moment(value: Any) -> Micros:
    return moment(value.isoformat() if isinstance(value, date) else value)


def _zone(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Span: TypeAlias = Annotated[Micros, BeforeValidator(_span)]
"""Time since the story's beginning, or between two samples: `1m30s`."""

Moved: TypeAlias = Annotated[Micros, BeforeValidator(_signed)]
"""The same, and before the beginning: `-10m`."""

Moment: TypeAlias = Annotated[Micros, BeforeValidator(_moment)]
"""RFC 3339 with an offset."""

Texts: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""A list of texts, or one."""

Key: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
"""A device or zone: its name in this file, or `site/name` in a site file."""


class ZoneWords(Section):
    """A zone of the story; `garage: garage` gives the kind alone."""

    kind: Word
    building: str = ""
    adjacent: tuple[Key, ...] = ()
    attributes: Attributes = Field(default_factory=dict)


class DeviceWords(Section):
    """A device of the story."""

    kind: Word
    zone: Key
    attributes: Attributes = Field(default_factory=dict)


class PersonInStory(Called):
    """Somebody of the story, who is called what they are."""


class ChannelWords(Section):
    """A channel that a station listens on. `kind` may also be said under `channels` of the file."""

    kinds: frozenset[Kind] | None = None
    follow: Switch = False
    kind: Word | None = None


class StationWords(Staffed):
    """A station of the story: its zones, its channels by name, and who is on duty there."""

    zones: tuple[Key, ...] = ()
    channels: dict[str, ChannelWords] = Field(default_factory=dict)


class ReadingWords(Section):
    """A device says something. `measured` is its own time."""

    device: Key
    values: Annotated[dict[str, Any], Field(min_length=1)]
    freshness: Freshness = Freshness.LIVE
    measured: Moved | None = None
    exercise: str = ""
    """The drill that it belongs to."""


class StatusWords(Section):
    """A device's last will, or its word that it is back."""

    device: Key
    state: Literal["online", "offline"]


class MoveWords(Section):
    """A person does something to the n-th incident."""

    incident: Annotated[Whole, Field(ge=1)]
    verb: Verb
    by: str = "王"
    note: str = ""
    disposition: Disposition | None = None
    via: str = ""


class SuppressWords(Section):
    """A person takes a measure at a device or zone, for so long."""

    measure: Measure
    subject: Key
    lasts: Annotated[Span, Field(alias="for")]
    by: str = "王"
    why: str = "检修"
    rule: str = ""
    compensation: str = ""


class RestoreWords(Section):
    """A person ends the n-th measure."""

    suppression: Annotated[Whole, Field(ge=1)]
    by: str = "王"
    note: str = ""


class SwapWords(Section):
    """One person stands in for another: from this moment, or from `since` after the beginning, for so long."""

    station: Key
    leaves: str
    takes: str
    lasts: Annotated[Span, Field(alias="for")]
    since: Span | None = None
    by: str = "王"


class ReceiptWords(Section):
    """A provider's answer to a push: `1/dispatch-1/hook`, `1/call1-1/voice@duty-a` to one person, or `1/command-1/linkage@here/c1`."""

    push: Annotated[str, Field(pattern=r"^[1-9]\d{0,5}/[^/]+/[^/@]+(@[^/]+(/[^/]+)?)?$")]
    outcome: Outcome
    reply: str = ""


class TroubleWords(Section):
    """Something of our own goes wrong, or well again."""

    source: str
    active: Switch
    detail: str = ""


class StepWords(Section):
    """One moment: one happening, or none (then only time passes), and what comes of it at that very moment."""

    at: Span
    reading: ReadingWords | None = None
    status: StatusWords | None = None
    move: MoveWords | None = None
    suppress: SuppressWords | None = None
    restore: RestoreWords | None = None
    swap: SwapWords | None = None
    receipt: ReceiptWords | None = None
    trouble: TroubleWords | None = None
    restart: Annotated[Literal[True] | Span | None, Field(union_mode="left_to_right")] = None
    """The daemon is started again: its state goes through bytes and back. A span: it runs again now, after it was away for so long."""
    books: Texts = ()
    """Other books come into force."""
    expect: tuple[str, ...] = ()


HAPPENINGS = (
    "reading",
    "status",
    "move",
    "suppress",
    "restore",
    "swap",
    "receipt",
    "trouble",
    "restart",
    "books",
)


class SeriesWords(Section):
    """Readings of one device at equal distances; see series.py for the notation of the values."""

    device: Key
    every: Span
    since: Annotated[Span, Field(alias="from")] = 0
    values: Annotated[dict[str, Any], Field(min_length=1)]


class IncidentWords(Section):
    """How an incident stands at the end; what is not written is not asked."""

    kind: Kind | None = None
    state: IncidentState | None = None
    condition: Condition | None = None
    zone: Key | None = None
    rules: tuple[str, ...] | None = None
    devices: tuple[Key, ...] | None = None
    suspected: Switch | None = None
    disposition: Disposition | None = None
    station: str | None = None
    acknowledged_by: str | None = None
    overdue: Texts | None = None
    warned: Texts | None = None
    lead: str | None = None
    """The number of the incident under whose dispatches it goes; empty for none."""
    members: Whole | None = None
    withheld: str | None = None
    """The number of the measure that keeps it from paging; empty for none."""
    exercise: str | None = None


class ExplainWords(Section):
    """What `wanglou rules explain` must say at a moment: of the condition, of the alarm, or of both."""

    rule: str
    subject: Key
    at: Span
    verdict: Annotated[bool | Literal["unknown"] | None, Field(union_mode="left_to_right")] = None
    state: AlarmState | None = None


class StoryWords(Section):
    """What happens in one test, and what must follow."""

    start: Moment = START
    series: tuple[SeriesWords, ...] = ()
    timeline: tuple[StepWords, ...] = ()
    until: Span = 0
    """Let time pass so far, when the last happening is earlier."""
    expect: tuple[str, ...] = ()
    """Lines with their moment in front: `34s push 1/dispatch-1/hook`."""
    incidents: tuple[IncidentWords, ...] | None = None
    explain: tuple[ExplainWords, ...] = ()


class TestWords(StoryWords):
    """One test of several in a file."""

    __test__ = False  # not one of pytest's

    name: Annotated[str, Field(min_length=1, max_length=200)]


class FileWords(StoryWords):
    """A test file: places and books, and either `tests` or one story that is told beside them."""

    about: str = ""
    books: Texts = ()
    rules: tuple[Any, ...] = ()
    """Rules of the file's own, as in a book."""
    site: str | None = None
    """A site file whose places, stations and deadlines are used instead of those below."""
    zones: dict[Id, Annotated[ZoneWords, BeforeValidator(_zone)]] = Field(default_factory=dict)
    devices: dict[Key, DeviceWords] = Field(default_factory=dict)
    channels: dict[str, Word] = Field(default_factory=dict)
    """Each channel's kind. One that is not named is a kind of its own."""
    people: dict[Id, PersonInStory] = Field(default_factory=dict)
    stations: dict[Id, StationWords] = Field(default_factory=dict)
    sla: SlaWords | None = None
    ladders: Ladders = Field(default_factory=dict)
    flood: FloodEntry = FloodEntry()
    linkage: LinkageSettings = LinkageSettings()
    tests: tuple[TestWords, ...] = ()
