"""The rule book from YAML: compiled rules, or every mistake of every file at once with file:line:column.

Reads no file: it is handed the texts. Knows no device and no site. The model and the conditions of a file are checked
apart from each other, so that a mistake in the one does not hide a mistake in the other.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationInfo,
    model_validator,
)

from rules.commands import COMMANDS, Order, Place
from rules.conditions import (
    Check,
    ConditionError,
    Decide,
    DeviceCondition,
    WhereCondition,
    ZoneCondition,
    compile_device,
    compile_where,
    compile_zone,
)
from rules.document import Document, Mistake, Mistakes, Path, dotted
from rules.duration import duration, written
from rules.expression import joined
from rules.holidays import CALENDAR_REMEDY, FIRST_YEAR, LAST_YEAR, OFF_REMEDY, ON_REMEDY, CalendarReader
from rules.memory import HEARD, Memory, Silent, in_order
from rules.model import HOUR, MINUTE, Kind, Micros, Text
from rules.placement import locate
from rules.remembering import SHORTEST
from rules.rule import BookChanged, Rule, RuleBook
from rules.schedules import SHIPPED, Calendar, Holidays
from rules.voting import VOTERS, Voter, VoterName, Voting

TEXT_LIMIT: Final = 1_000_000
"""Characters of one file."""


def load_book(texts: Sequence[tuple[str, str]]) -> RuleBook:
    """Compile the files, given as (name, text). Raises Mistakes with all that is wrong in any of them."""
    found: list[Mistake] = []
    files: list[_BookFile] = []
    for name, text in texts:
        try:
            files.append(_BookFile(name, text))
        except Mistakes as error:
            found += error.mistakes
    calendar = Calendar(
        {**SHIPPED.years, **{year: holidays for file in files for year, holidays in file.years.items()}}
    )
    for file in files:
        file.compile(calendar)
        found += file.mistakes
    found += _repeated(files)
    found += _disagreeing(files)
    if found:
        raise Mistakes(found)
    rules = tuple(_rule(entry, compiled) for file in files for entry, compiled in file.rules())
    return RuleBook(tuple(texts), book_digest(texts), rules, {rule.id: rule for rule in rules}, calendar, _index(rules))


def _written_duration(value: Any) -> Micros:
    if not isinstance(value, str):
        raise ValueError(f"`{value}` is not a duration: it has no unit")  # noqa: TRY004  pydantic catches ValueError
    return duration(value)


Duration = Annotated[Micros, BeforeValidator(_written_duration)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Bilingual(_Strict):
    """A sentence in both languages."""

    zh: Words
    en: Words


def _commanded(name: str) -> str:
    if name not in COMMANDS:
        raise ValueError(f"there is no command `{name}`")
    return name


def _place(value: Any) -> Any:
    if isinstance(value, str) and value != Place.SELF:
        raise ValueError(f"`{value}` is no place")
    return None if value == Place.SELF else value


class InPlace(_Strict):
    """All devices of a kind in the incident's zone or building."""

    kind: Name
    within: Annotated[Literal["zone", "building"], Field(alias="in")]


class LinkageEntry(_Strict):
    """One line of what a rule commands."""

    command: Annotated[str, AfterValidator(_commanded)]
    at: Annotated[InPlace | None, BeforeValidator(_place)]
    """None: the device that decided."""

    @model_validator(mode="after")
    def _understood(self) -> LinkageEntry:
        if self.at is not None and self.at.kind not in COMMANDS[self.command].kinds:
            raise ValueError(f"no {self.at.kind} understands {self.command}; {_understands(self.command)}")
        return self

    @property
    def order(self) -> Order:
        """As the engine runs it."""
        if self.at is None:
            return Order(self.command, Place.SELF)
        return Order(self.command, Place(self.at.within), self.at.kind)


def _understands(command: str) -> str:
    return f"{', '.join(sorted(COMMANDS[command].kinds))} would"


def _understood(command: str, devices: list[Any]) -> bool:
    """By one of these kinds; that there is no such command is told elsewhere."""
    return command not in COMMANDS or not COMMANDS[command].kinds.isdisjoint(map(str, devices))


Orders = Annotated[list[LinkageEntry], Field(max_length=8)]


class _Head(_Strict):
    """What all rules have."""

    id: Name
    subject: Literal["device", "zone"] = "device"
    devices: Annotated[list[Name], Field(min_length=1)]
    where: str | None = None
    latch: bool | None = None
    title: Bilingual
    advice: Bilingual | None = None
    group: Name | None = None
    reason: str = ""


class RuleEntry(_Head):
    """One rule as it is written."""

    kind: Annotated[Kind, Field(strict=False)]
    when: str
    hold: Annotated[Duration, Field(alias="for")] = 0
    clear: str | None = None
    clear_for: Duration = 0
    linkage: Orders = []


class Rung(_Strict):
    """One step of a ladder: a rule of its own, with its own timers up and down."""

    kind: Annotated[Kind, Field(strict=False)]
    when: str
    hold: Annotated[Duration, Field(alias="for")] = 0
    clear: str | None = None
    clear_for: Duration = 0
    title: Bilingual | None = None
    advice: Bilingual | None = None
    linkage: Orders = []


class LadderEntry(_Head):
    """Rules of one group that differ in how grave it is: rung 1 of `hot` is the rule `hot/1`."""

    ladder: Annotated[list[Rung], Field(min_length=2, max_length=5)]

    def rungs(self) -> list[RuleEntry]:
        """Each as a rule."""
        kinds = {rung.kind for rung in self.ladder}
        head = {name: getattr(self, name) for name in _Head.model_fields}
        head["group"] = self.group or ("fire" if kinds & {Kind.FIRE, Kind.PREALARM} else self.id)
        return [
            RuleEntry.model_construct(**head | {k: v for k, v in rung if v is not None} | {"id": f"{self.id}/{n}"})
            for n, rung in enumerate(self.ladder, 1)
        ]


class VoterEntry(_Strict):
    """One kind of evidence as it is written."""

    devices: Annotated[list[Name], Field(min_length=1)]
    when: str
    silent: Annotated[Duration, Field(ge=SHORTEST)] = 24 * HOUR
    """A device that has not spoken for longer is out of service."""


class Confirm(_Strict):
    """How many different kinds of evidence make a fire."""

    need: Annotated[int, Field(ge=2, le=len(VOTERS))] = 2
    within: Annotated[Duration, Field(ge=SHORTEST)] = 5 * MINUTE
    adjacent: bool = True
    voters: Annotated[dict[VoterName, VoterEntry], Field(min_length=2)]

    @model_validator(mode="after")
    def _enough(self) -> Confirm:
        if self.need > len(self.voters):
            raise ValueError(f"{self.need} of {len(self.voters)} kinds of evidence can never agree")
        return self


_INSTEAD = "`confirm` stands instead of it"


def _replaced(value: Any) -> Any:
    raise ValueError(_INSTEAD)


class ConfirmEntry(RuleEntry):
    """A rule about zones that counts kinds of evidence instead of asking `when`."""

    subject: Literal["zone"] = "zone"
    devices: Annotated[list[Name], BeforeValidator(_replaced)] = []
    when: Annotated[str, BeforeValidator(_replaced)] = ""
    clear: Annotated[str | None, BeforeValidator(_replaced)] = None
    confirm: Confirm


def _form(raw: Mapping[str, Any]) -> Literal["ladder", "confirm", "when"]:
    """The field that decides what kind of entry it is."""
    return "ladder" if "ladder" in raw else "confirm" if "confirm" in raw else "when"


def _tag(raw: Any) -> str | None:
    """No name of a field, for it stands in pydantic's locations and must not be taken for one."""
    return (
        {"ladder": "a ladder", "confirm": "a confirmation", "when": "a rule"}[_form(raw)]
        if isinstance(raw, dict)
        else None
    )


Written = Annotated[
    Annotated[RuleEntry, Tag("a rule")]
    | Annotated[LadderEntry, Tag("a ladder")]
    | Annotated[ConfirmEntry, Tag("a confirmation")],
    Discriminator(_tag, custom_error_type="rule", custom_error_message="this is not a rule"),
]


Stretches = Annotated[list[str], Field(max_length=366)]
"""Days (`05-01`) and spans of days (`05-01/05-05`), in order."""


class YearEntry(_Strict):
    """The holidays of one year as they are written; `holidays` knows what they mean."""

    off: Annotated[Stretches, Field(min_length=1)]
    """Required: a year whose `off` was forgotten would be one without holidays."""
    on: Stretches = []


Year = Annotated[int, Field(ge=FIRST_YEAR, le=LAST_YEAR)]


def _some(rules: list[Any], info: ValidationInfo) -> list[Any]:
    """A faulty calendar is missing in `info`, and is no reason to ask for rules as well."""
    if not rules and not info.data.get("calendar", True):
        raise ValueError("there is no rule in it")
    return rules


class BookEntry(_Strict):
    """A whole file: rules, the holidays of some years, or both."""

    version: Literal[1]
    calendar: Annotated[dict[Year, YearEntry], Field(min_length=1)] = {}
    written: Annotated[list[Written], Field(alias="rules"), AfterValidator(_some)]

    @model_validator(mode="before")
    @classmethod
    def _holidays_alone(cls, data: Any) -> Any:
        return {"rules": [], **data} if isinstance(data, dict) and "calendar" in data else data

    @property
    def rules(self) -> list[RuleEntry]:
        """The rules, each rung of a ladder as one; the rules of confirmed fire are ConfirmEntry."""
        return [rule for rule, _ in self.placed()]

    def placed(self) -> Iterator[tuple[RuleEntry, Path]]:
        """Each rule, and where it is written."""
        for i, entry in enumerate(self.written):
            if isinstance(entry, LadderEntry):
                yield from ((rung, ("rules", i, "ladder", j)) for j, rung in enumerate(entry.rungs()))
            else:
                yield entry, ("rules", i)


_REMEDIES = {
    "version": "write `version: 1`",
    "rules": "write a list of rules, each beginning with `- id:`",
    "calendar": CALENDAR_REMEDY,
    "off": OFF_REMEDY,
    "on": ON_REMEDY,
    "id": "small letters, digits, - and _, beginning with a letter; for example garage-hot-spot",
    "group": "small letters, digits, - and _, beginning with a letter",
    "kind": "write FIRE, PREALARM, SUPERVISORY or FAULT",
    "subject": "write `device` or `zone`",
    "devices": "list kinds of devices; for example [smoke_detector, heat_detector]",
    "where": "write a condition on device.… and zone.…, in quotes if YAML takes it for something else",
    "when": "write a condition; for example `temperature > 57`",
    "clear": "write a condition; for example `temperature < 50`",
    "for": "write for example 250ms, 10s, 5m or 1h30m",
    "clear_for": "write for example 250ms, 10s, 5m or 1h30m",
    "latch": "write true or false",
    "title": "write {zh: …, en: …}",
    "advice": "write {zh: …, en: …}, or leave it out",
    "ladder": "write two to five rungs, each beginning with `- kind:`",
    "linkage": "write for example [{command: cut_power, at: self}]",
    "command": f"write one of {', '.join(COMMANDS)}",
    "at": "write `self`, or {kind: siren, in: zone}",
    "in": "write `zone` or `building`",
    "confirm": "write {need: 2, within: 5m, voters: {smoke: {devices: […], when: …}, heat: …}}",
    "need": "write a number from 2 to the number of voters",
    "within": "write for example 5m, at least 1s",
    "silent": "write for example 100s or 24h, at least 1s",
    "adjacent": "write true or false",
    "voters": f"name at least two of {', '.join(VOTERS)}",
    **dict.fromkeys(VOTERS, "write {devices: […], when: …}"),
    "reason": "write a text",
    "zh": "write the Chinese text",
    "en": "write the English text",
}
_MODELS = (
    BookEntry, YearEntry, RuleEntry, LadderEntry, Rung, ConfirmEntry, Confirm, VoterEntry, LinkageEntry, InPlace, Bilingual,
)  # fmt: skip
_FIELDS = list(dict.fromkeys(f.alias or name for model in _MODELS for name, f in model.model_fields.items()))

_Condition = TypeVar("_Condition", DeviceCondition, ZoneCondition, WhereCondition)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The conditions of one rule; None where there is none, or where it has a flaw. `voters`: only of a confirmed fire."""

    where: WhereCondition | None
    when: DeviceCondition | ZoneCondition | None = None
    clear: DeviceCondition | ZoneCondition | None = None
    voters: tuple[DeviceCondition, ...] = ()


class _BookFile:
    """One file. `mistakes` holds all that is wrong with it, once it is compiled; only a file without any has `rules`."""

    def __init__(self, name: str, text: str) -> None:
        """Raises Mistakes when the text is not YAML at all."""
        if len(text) > TEXT_LIMIT:
            message = f"the file has {len(text)} characters; at most {TEXT_LIMIT} are read"
            raise Mistakes([Mistake(name, 1, 1, "", message, "split it")])
        self.document = Document(text, name)
        self.mistakes: list[Mistake] = []
        self._text = text
        self._entry: BookEntry | None = None
        try:
            self._entry = self.document.validate(BookEntry)
        except Mistakes as error:
            self.mistakes += map(_with_remedy, error.mistakes)
        holidays = CalendarReader(self.document.data.get("calendar") if isinstance(self.document.data, dict) else None)
        self.years: Mapping[int, Holidays] = holidays.years
        """Of which it tells the holidays."""
        for path, message in holidays.flaws:
            self.mistakes.append(_with_remedy(self.document.mistake(("calendar", *path), message)))
        self._calendar = SHIPPED
        self._compiled: list[_Compiled] = []

    def compile(self, calendar: Calendar) -> None:
        """Read the conditions, which ask this calendar what day it is."""
        self._calendar = calendar
        self._compiled += (compiled for i, raw in self._raw() for compiled in self._compile(("rules", i), raw))

    def rules(self) -> Iterator[tuple[RuleEntry, _Compiled]]:
        """Each rule with its conditions, in order; only to be asked of a file without mistakes."""
        yield from zip(self._entry.rules if self._entry else (), self._compiled, strict=True)

    def identities(self) -> Iterator[tuple[str, Path]]:
        """Each rule's id and where it stands."""
        for i, raw in self._raw():
            if isinstance(raw.get("id"), str):
                yield raw["id"], ("rules", i, "id")

    def _raw(self) -> list[tuple[int, dict[str, Any]]]:
        data = self.document.data
        rules = data.get("rules") if isinstance(data, dict) else None
        return [(i, raw) for i, raw in enumerate(rules) if isinstance(raw, dict)] if isinstance(rules, list) else []

    def _compile(self, path: Path, raw: dict[str, Any]) -> Iterator[_Compiled]:
        where = self._condition((*path, "where"), raw.get("where"), compile_where)
        zone = raw.get("subject", "device") == "zone"
        match _form(raw):
            case "ladder":
                rungs = raw["ladder"] if isinstance(raw["ladder"], list) else []
                for j, rung in enumerate(rungs):
                    if isinstance(rung, dict):
                        self._linking((*path, "ladder", j), rung, zone, raw.get("devices"))
                        yield self._conditions((*path, "ladder", j), rung, where, zone, raw.get("latch"))
            case "confirm":
                self._linking(path, raw, True, None)
                yield self._voters(path, raw, where)
            case _:
                self._linking(path, raw, zone, raw.get("devices"))
                yield self._conditions(path, raw, where, zone, raw.get("latch"))

    def _conditions(
        self, path: Path, raw: dict[str, Any], where: WhereCondition | None, zone: bool, latch: object
    ) -> _Compiled:
        self._latching(path, raw, latch)
        if zone:
            zone_when = self._condition((*path, "when"), raw.get("when"), compile_zone)
            zone_clear = self._condition((*path, "clear"), raw.get("clear"), partial(compile_zone, after=zone_when))
            self._measured((*path, "when"), zone_when)
            return _Compiled(where, zone_when, zone_clear)
        when = self._condition((*path, "when"), raw.get("when"), compile_device)
        clear = self._condition((*path, "clear"), raw.get("clear"), compile_device)
        self._measured((*path, "when"), when)
        return _Compiled(where, when, clear)

    def _voters(self, path: Path, raw: dict[str, Any], where: WhereCondition | None) -> _Compiled:
        """A voter says yes while its condition is true or was within the window, and its device is not under test."""
        self._latching(path, raw, raw.get("latch"))
        confirm = raw["confirm"] if isinstance(raw["confirm"], dict) else {}
        voters = confirm.get("voters")
        within = confirm.get("within", "5m")
        found = []
        for name, voter in voters.items() if isinstance(voters, dict) else ():
            if not isinstance(voter, dict):
                continue
            at: Path = (*path, "confirm", "voters", name, "when")
            when = self._condition(at, voter.get("when"), compile_device)
            self._measured(at, when)
            if when is not None and not self.mistakes:
                try:
                    text = f"recent({when.text}, {within}) and not default(test, false)"
                    found.append(compile_device(text, self._calendar))
                except ConditionError as error:  # too long or too deep, with what is put around it
                    flaw = error.flaws[0]
                    self.mistakes.append(self.document.mistake(at, flaw.message, flaw.remedy))
        return _Compiled(where, voters=tuple(found))

    def _latching(self, path: Path, raw: dict[str, Any], latch: object) -> None:
        if raw.get("kind") == Kind.FIRE and latch is False:
            message = "a fire always latches: it ends only by reset"
            self.mistakes.append(self.document.mistake((*path[:2], "latch"), message, "leave it out"))

    def _linking(self, path: Path, raw: dict[str, Any], zone: bool, devices: object) -> None:
        """What a rule commands must fit the rule; that each line is one at all is the model's business."""
        orders = raw.get("linkage")
        if orders and raw.get("kind") == Kind.FAULT:
            message = "a fault commands nothing: it is no danger"
            self.mistakes.append(self.document.mistake((*path, "linkage"), message, "leave it out"))
        for i, order in enumerate(orders if isinstance(orders, list) else ()):
            if not isinstance(order, dict) or order.get("at") != Place.SELF:
                continue
            at: Path = (*path, "linkage", i, "at")
            command = order.get("command")
            if zone:
                message, remedy = "a rule about zones has no device of its own", "write {kind: …, in: zone}"
                self.mistakes.append(self.document.mistake(at, message, remedy))
            elif isinstance(command, str) and isinstance(devices, list) and not _understood(command, devices):
                message = f"none of the rule's devices understands {command}"
                self.mistakes.append(self.document.mistake(at, message, _understands(command)))

    def _condition(
        self, path: Path, text: object, compiler: Callable[[str, Calendar], _Condition]
    ) -> _Condition | None:
        if not isinstance(text, str):
            return None  # missing, or the model has complained
        try:
            return compiler(text, self._calendar)
        except ConditionError as error:
            for flaw in error.flaws:
                index = sum(len(line) + 1 for line in text.split("\n")[: flaw.line]) + flaw.column
                line, column = locate(self._text, *self.document.at(path), text, index)
                self.mistakes.append(Mistake(self.document.file, line, column, dotted(path), flaw.message, flaw.remedy))
            return None

    def _measured(self, path: Path, condition: DeviceCondition | ZoneCondition | None) -> None:
        """A condition on attributes alone would never be asked: no reading could change its answer."""
        if condition is not None and not condition.asked.measured:
            message = "nothing that is measured decides this"
            self.mistakes.append(self.document.mistake(path, message, "name a quantity; attributes belong in `where`"))


def _with_remedy(mistake: Mistake) -> Mistake:
    name = mistake.field.rpartition(".")[2]
    if mistake.message == "unknown field":
        if any(sign in name for sign in "()<>= "):
            return replace(mistake, remedy="a comma ends a text inside of {…}: put the condition in quotes")
        near = [] if name in _FIELDS else difflib.get_close_matches(name, _FIELDS, 1)
        return replace(mistake, remedy=f"did you mean `{near[0]}`?" if near else "leave it out")
    if mistake.message == _INSTEAD:
        return replace(mistake, remedy="leave it out")
    if mistake.message == "Keys should be strings":
        return replace(
            mistake, remedy="write a field's name; in quotes where YAML takes it for something else, as `null`"
        )
    if not mistake.field:
        return replace(
            mistake, message="this is no rule book", remedy="write `version: 1`, and below it `rules:` and a list"
        )
    names = [part.partition("[")[0] for part in reversed(mistake.field.split("."))]
    return replace(mistake, remedy=next((_REMEDIES[name] for name in names if name in _REMEDIES), ""))


def _repeated(files: Sequence[_BookFile]) -> list[Mistake]:
    first: dict[str, str] = {}
    found = []
    for file in files:
        for identity, mistake_at in file.identities():
            if identity in first:
                message, remedy = f"there is already a rule `{identity}`, at {first[identity]}", "give it another id"
                found.append(file.document.mistake(mistake_at, message, remedy))
            else:
                line, column = file.document.at(mistake_at)
                first[identity] = f"{file.document.file}:{line}:{column}"
    return found


def _disagreeing(files: Sequence[_BookFile]) -> Iterator[Mistake]:
    """Two files may tell the holidays of one year, as long as they tell the same."""
    first: dict[int, _BookFile] = {}
    for file in files:
        for year, holidays in file.years.items():
            other, path = first.setdefault(year, file), ("calendar", year)
            if other.years[year] != holidays:
                line, column = other.document.at(path)
                message = f"{year} has other holidays at {other.document.file}:{line}:{column}"
                yield file.document.mistake(path, message, "keep one of them, or write both alike")


def book_digest(texts: Sequence[tuple[str, str]]) -> str:
    """SHA-256 over each name and text in order, each after its length in eight bytes; hexadecimal."""
    digest = hashlib.sha256()
    for part in (part for pair in texts for part in pair):
        data = part.encode()
        # the length first, so that no text can pass into the next
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _index(rules: Sequence[Rule]) -> dict[tuple[str, str], tuple[Rule, ...]]:
    index: dict[tuple[str, str], list[Rule]] = {}
    for rule in rules:
        for kind in rule.devices:
            for quantity in rule.quantities:
                index.setdefault((kind, quantity), []).append(rule)
    return {key: tuple(watching) for key, watching in index.items()}


def _rule(entry: RuleEntry, compiled: _Compiled) -> Rule:
    where, when, clear = compiled.where, compiled.when, compiled.clear
    asked = [c.asked for c in (when, clear, *compiled.voters) if c is not None]
    fire = entry.kind is Kind.FIRE
    kinds, watched = frozenset(entry.devices), frozenset[str]()
    memories = [(kinds, in_order([m for a in asked for m in a.memories]))]
    voting, spoken = None, frozenset[str]()
    if isinstance(entry, ConfirmEntry):
        voting, memories = _voting(entry.confirm, compiled.voters)
        kinds = frozenset[str]().union(*(voter.devices for voter in voting.voters))
        watched = _SERVICE.union(voter.silent for voter in voting.voters)
        spoken = spoken.union(*(_evidence(v) for v, kinds in zip(compiled.voters, voting.shared, strict=True) if kinds))
    return Rule(
        id=entry.id,
        kind=entry.kind,
        subject=entry.subject,
        devices=kinds,
        quantities=frozenset[str]().union(*(a.quantities for a in asked)),
        attributes=frozenset[str]().union(*(a.attributes for a in [*asked, *([where.asked] if where else [])])),
        where=where.check if where else None,
        check=when.check if isinstance(when, DeviceCondition) else None,
        clear_check=clear.check if isinstance(clear, DeviceCondition) else None,
        terms=_voters_terms(voting, compiled.voters) if voting else _terms(when, clear),
        decide=when.decide if isinstance(when, ZoneCondition) else None,
        decide_clear=_decide_clear(when, clear),
        hold=entry.hold,
        clear_for=entry.clear_for,
        latch=entry.latch if entry.latch is not None else fire,
        title=Text(entry.title.zh, entry.title.en),
        advice=Text(entry.advice.zh, entry.advice.en) if entry.advice else None,
        group=entry.group or ("fire" if entry.kind in (Kind.FIRE, Kind.PREALARM) else entry.id),
        source=entry.reason,
        definition=_definition(entry),
        watched=frozenset[str]().union(watched, *(a.watched for a in asked)),
        inputs=frozenset[str]().union(watched, spoken, *(a.inputs for a in asked)),
        # of what tells a device's kinds of evidence, only the first word counts
        setpoints=joined([dict.fromkeys(watched), dict.fromkeys(spoken, frozenset()), *(a.setpoints for a in asked)]),
        told_apart=frozenset[str]().union(*(a.told_apart for a in asked)),
        memories=tuple((of, needed) for of, needed in memories if needed),
        voting=voting,
        linkage=tuple(line.order for line in entry.linkage),
    )


_SERVICE = frozenset({"online", "fault", "test", HEARD})
"""What decides whether a voter's device is in service, beside its silence."""


def _voting(
    confirm: Confirm, compiled: Sequence[DeviceCondition]
) -> tuple[Voting, list[tuple[frozenset[str], tuple[Memory, ...]]]]:
    """How it decides, and what must be remembered of which kinds of devices for it."""
    voters, memories = [], []
    for (name, entry), yes in zip(confirm.voters.items(), compiled, strict=True):
        silent = Silent(f"silent({written(entry.silent)})", entry.silent)
        voters.append(Voter(name, frozenset(entry.devices), silent.name, silent.span))
        memories.append((voters[-1].devices, in_order([*yes.asked.memories, silent])))
    return Voting(confirm.need, confirm.adjacent, tuple(voters)), memories


def _voters_terms(voting: Voting, compiled: Sequence[DeviceCondition]) -> tuple[Check, ...]:
    """First whether each says yes, then whether the device cannot, then whether it is out of service.

    Whose word counts as evidence is not out of service, else one detector that smokes and is lost would confirm itself by the heat
    that it no longer reports.
    """

    def yes(voter: Voter, check: Check) -> Check:
        return lambda known, device, zone: voter.named(device) and check(known, device, zone)

    def cannot(shared: frozenset[str], asked: frozenset[str]) -> Check:
        return lambda known, device, zone: device.kind in shared and asked.isdisjoint(known)

    says = tuple(yes(voter, when.check) for voter, when in zip(voting.voters, compiled, strict=True))
    cannots = tuple(cannot(*each) for each in zip(voting.shared, map(_evidence, compiled), strict=True))

    def out(voter: Voter, dumb: Check) -> Check:
        return lambda known, device, zone: (
            voter.out(known, device)
            and not dumb(known, device, zone)
            and not any(said(known, device, zone) is True for said in says)
        )

    return (*says, *cannots, *map(out, voting.voters, cannots))


def _evidence(when: DeviceCondition) -> frozenset[str]:
    """What a device must have spoken of to be able to say it."""
    return when.asked.quantities - {"test"}


def _terms(when: object, clear: object) -> tuple[Check, ...]:
    last = clear if isinstance(clear, ZoneCondition) else when
    return last.terms if isinstance(last, ZoneCondition) else ()


def _decide_clear(when: object, clear: object) -> Decide | None:
    if isinstance(clear, ZoneCondition):
        return clear.decide
    # without a division, what does not hold is false, and the engine need not ask again
    return when.refute if isinstance(when, ZoneCondition) and when.uncertain else None


def _definition(entry: RuleEntry) -> str:
    return repr(
        (
            entry.kind.value,
            entry.subject,
            sorted(set(entry.devices)),
            *(" ".join(text.split()) if text else None for text in (entry.where, entry.when, entry.clear)),
            entry.hold,
            entry.clear_for,
            entry.latch,
            entry.confirm.model_dump() if isinstance(entry, ConfirmEntry) else None,
        )
    )


__all__ = [
    "BookChanged",
    "BookEntry",
    "ConfirmEntry",
    "LadderEntry",
    "Rule",
    "RuleBook",
    "RuleEntry",
    "duration",
    "load_book",
]
