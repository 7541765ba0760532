"""The part of the site file that says who is called: people, their hours, the ladders, and when many alarms are a flood.

Knows the shape of each entry only: that they fit together is the business of monitor/settings/muster.py. Hours are of China's time.
"""

from __future__ import annotations

import itertools
import re
from typing import Annotated, Any, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from monitor.directory import Contact
from monitor.settings.fields import Duration, Id, Name, Secret, Section, Switch, Whole, lasting
from rules.model import MINUTE, Kind, Micros
from rules.people import LADDERS, FloodLimits, Ladder, Role, Rung, Shift, Target

MOST_RUNGS = 50
MOST_REPEATS = 1000
FIRST_CALL: Micros = 15_000_000
"""GB/T 45839-2025 5.10.4: a fire is pushed within 15 s."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d) ?- ?(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))")
_MOBILE = re.compile(r"\+?[0-9]{5,20}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def read_hours(value: Any) -> tuple[int, int]:
    """`22:00-07:00` → minutes of the day. Raises ValueError with a remedy."""
    match = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('not hours of a day; write for example "08:00-20:00", or "22:00-07:00" over midnight')
    since_hour, since_minute, hour, minute = (int(part) for part in match.groups() if part is not None)
    return since_hour * 60 + since_minute, (hour * 60 + minute) % 1440


def read_days(value: Any) -> frozenset[int]:
    """`mon-fri`, `sat`, or a list of both → days of the week, 0 is Monday. Raises ValueError with a remedy."""
    spans = value if isinstance(value, list) else [value]
    days: set[int] = set()
    for span in spans:
        first, dash, last = span.partition("-") if isinstance(span, str) else ("", "", "")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"not days of the week; write for example mon-fri or [mon, wed], of {', '.join(DAYS)}")
        length = (DAYS.index(last or first) - DAYS.index(first)) % 7
        days.update((DAYS.index(first) + n) % 7 for n in range(length + 1))
    if not days:
        raise ValueError("no day of the week; write for example mon-fri, or leave it out for every day")
    return frozenset(days)


def a_mobile(secret: SecretStr) -> SecretStr:
    """The same, when it is a mobile number; raises ValueError with a remedy."""
    if not _MOBILE.fullmatch(secret.get_secret_value()):
        raise ValueError("not a mobile number; write digits alone, in quotes, perhaps after a +")
    return secret


def an_address(text: str) -> str:
    """The same, when it is an e-mail address; raises ValueError with a remedy."""
    if not _EMAIL.fullmatch(text):
        raise ValueError("not an e-mail address; write name@host")
    return text


def _an_email(secret: SecretStr) -> SecretStr:
    an_address(secret.get_secret_value())
    return secret


Hours: TypeAlias = Annotated[tuple[int, int], BeforeValidator(read_hours)]
"""Written as `08:00-20:00`; minutes of the day inside."""

Days: TypeAlias = Annotated[frozenset[int], BeforeValidator(read_days)]
"""Written as `mon-fri`; 0 is Monday inside."""

Targets: TypeAlias = Annotated[tuple[Target, ...], Field(min_length=1)]
"""Whom a rung calls."""


class Called(Section):
    """What the response must know of somebody."""

    role: Role
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    """In order of preference."""
    zones: tuple[str, ...] = ()
    """Of grid workers and family contacts: where they are called for."""
    quiet: Hours | None = None
    """Not to be disturbed by anything but a FIRE."""


class PersonWords(Called):
    """Somebody who can be called, without the addresses."""

    id: Id
    name: Name


class PersonEntry(PersonWords):
    """Somebody who can be called, and how."""

    mobile: Annotated[Secret, AfterValidator(a_mobile)] | None = None
    email: Annotated[Secret, AfterValidator(_an_email)] | None = None
    dingtalk: Secret | None = None
    """The user's id in the DingTalk organisation."""
    wecom: Secret | None = None
    """The user's id at WeCom."""
    feishu: Secret | None = None
    """The open id at Feishu, `ou_…`."""

    @property
    def contact(self) -> Contact:
        """The addresses, for the channels that speak to one person."""
        return Contact(self.mobile, self.email, self.dingtalk, self.wecom, self.feishu)


class ShiftEntry(Section):
    """Hours of duty at a station; equal ends are 24 hours."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    hours: Hours
    days: Days = frozenset(range(7))
    """The days on which it begins."""
    people: Annotated[tuple[str, ...], Field(min_length=1)]

    @property
    def shift(self) -> Shift:
        """The same as the rules know it."""
        return Shift(self.name, self.people, *self.hours, self.days)


class Staffed(Section):
    """What the response must know of a station beyond its zones and channels."""

    people: tuple[str, ...] = ()
    """Ids of those who belong to it; who stands in no shift is always on duty."""
    shifts: Annotated[tuple[ShiftEntry, ...], Field(max_length=200)] = ()
    neighbours: tuple[str, ...] = ()
    """Ids of the stations that reinforce it, in order; without any, the further ones that cover the zone."""
    authority: Switch = False
    """119, the street's platform: only called when an incident is handed over."""

    @property
    def everybody(self) -> tuple[str, ...]:
        """Who belongs to it, each once."""
        return tuple(dict.fromkeys([*self.people, *(key for shift in self.shifts for key in shift.people)]))


class RungEntry(Section):
    """Who is called `after` the raising, as long as nobody has acknowledged."""

    after: Annotated[Duration, lasting("0s", "1d")]
    call: Targets


class LadderEntry(Section):
    """The rungs of one kind of incident; after the last one, `repeat` is called `times` more, `every` so long."""

    rungs: Annotated[tuple[RungEntry, ...], Field(min_length=1, max_length=MOST_RUNGS)]
    repeat: tuple[Target, ...] = ()
    every: Annotated[Duration, lasting("5s", "1d")] = MINUTE
    times: Annotated[Whole, Field(ge=1, le=MOST_REPEATS)] = 10

    @model_validator(mode="after")
    def _climbs(self) -> Self:
        moments = [rung.after for rung in self.rungs]
        if any(later <= earlier for earlier, later in itertools.pairwise(moments)):
            raise ValueError("the rungs do not follow each other; each comes after the one before it")
        return self

    @property
    def ladder(self) -> Ladder:
        """The same as the rules know it."""
        rungs = tuple(Rung(rung.after, rung.call) for rung in self.rungs)
        return Ladder(rungs, self.repeat, self.every, self.times if self.repeat else 0)


def _prompt(ladders: dict[Kind, LadderEntry]) -> dict[Kind, LadderEntry]:
    fire = ladders.get(Kind.FIRE)
    if fire is not None and fire.rungs[0].after > FIRST_CALL:
        raise ValueError("a FIRE calls nobody for more than 15 s (GB/T 45839-2025 5.10.4); begin with a rung after 0s")
    return ladders


Ladders: TypeAlias = Annotated[dict[Kind, LadderEntry], AfterValidator(_prompt)]
"""By the kind of incident; a kind that is not written keeps the usual ladder."""


def all_ladders(written: dict[Kind, LadderEntry]) -> dict[Kind, Ladder]:
    """Every kind's ladder: as written, or the usual one."""
    return {**LADDERS, **{kind: entry.ladder for kind, entry in written.items()}}


class FloodEntry(Section):
    """When alarms are so many that they are told together (ISA-18.2; EEMUA 191)."""

    begins: Annotated[Whole, Field(ge=2, le=10_000)] = 10
    """With more alarms than this within `window`."""
    ends: Annotated[Whole, Field(ge=1, le=10_000)] = 5
    """With fewer."""
    window: Annotated[Duration, lasting("10s", "1h")] = 10 * MINUTE
    summary: Annotated[Duration, lasting("10s", "1h")] = MINUTE
    """How often at most a flood is told anew."""

    @model_validator(mode="after")
    def _ends_below_its_beginning(self) -> Self:
        if self.ends > self.begins:
            raise ValueError("a flood would end before it begins; write ends <= begins")
        return self

    @property
    def limits(self) -> FloodLimits:
        """The same as the rules know it."""
        return FloodLimits(self.begins, self.ends, self.window, self.summary)
