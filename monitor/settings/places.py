"""The part of the site file that says who is where: sites, buildings, zones, devices and the stations that come.

Knows the shape of each entry only: that they fit together is the business of monitor/settings/survey.py.
"""

from __future__ import annotations

from typing import Annotated, Any, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from monitor.settings.fields import Id, Name, Section, Switch, Word, written
from monitor.settings.people import Staffed
from rules.model import Kind, Recipient


def _attribute(value: Any) -> Any:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float) and abs(value) < 1e300:
        return float(value)
    raise ValueError("is no attribute; write a number, a text, true or false")


def _listens(value: Any) -> Any:
    return {"channel": value} if isinstance(value, str) else value


Attributes: TypeAlias = dict[Word, Annotated[Any, BeforeValidator(_attribute)]]
"""What rules may ask of a place or device beyond its kind: `zone.sprinklered`."""

Pattern: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
"""A text with ranges, variables or captures; see monitor/settings/naming.py."""


class BuildingEntry(Section):
    """A building of a site."""

    id: Pattern
    name: Name
    address: Name | None = None
    """Street and number; without it, the site's."""


class ZoneEntry(Section):
    """A detection zone, or many alike when the id holds a range."""

    id: Pattern
    name: Name
    kind: Word
    building: Pattern | None = None
    adjacent: tuple[Pattern, ...] = ()
    """Zones that fire and smoke reach from here; said once, it holds both ways."""
    attributes: Attributes = Field(default_factory=dict)


class DeviceEntry(Section):
    """A device (`id`), many alike (`id` with a range), or all whose name fits (`match`)."""

    id: Pattern | None = None
    match: Pattern | None = None
    kind: Word
    zone: Pattern
    name: Name | None = None
    attributes: Attributes = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.id is None) == (self.match is None):
            raise ValueError(
                "needs one of id and match; write id for devices listed here, match for devices known by their name"
            )
        return self


class SiteEntry(Section):
    """A compound, estate or campus: the first level of every topic."""

    id: Pattern
    name: Name
    address: Name | None = None
    """Street and number, for who is called from elsewhere."""
    buildings: tuple[BuildingEntry, ...] = ()
    zones: Annotated[tuple[ZoneEntry, ...], Field(min_length=1)]
    devices: tuple[DeviceEntry, ...] = ()


class RecipientEntry(Section):
    """A channel a station listens on, and what it wants to hear there."""

    channel: str
    kinds: Annotated[frozenset[Kind], Field(min_length=1)] = Recipient("").kinds
    follow: Switch | None = None
    """Hear every change of an incident, not only when somebody must act; by default MQTT channels do."""


class StationEntry(Staffed):
    """A micro fire station (微型消防站): the zones it covers, in order of preference when several cover one."""

    id: Id
    name: Name
    zones: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    recipients: tuple[Annotated[RecipientEntry, BeforeValidator(_listens)], ...] = ()
    callback: Annotated[str, written(r"\+?[0-9](?:[0-9 -]{1,22}[0-9])?", "write a telephone number in quotes")] = ""
    """The duty room's telephone; told to those above with an incident that is handed over."""
