"""The rule book from YAML: compiled rules, or every mistake of every file at once with file:line:column.

Reads no file: it is handed the texts. Knows no device and no site. The model and the conditions of a file are checked
apart from each other, so that a mistake in the one does not hide a mistake in the other.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

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
from rules.model import HOUR, MINUTE, SECOND, Kind, Micros, Text
from rules.placement import locate
from rules.rule import BookChanged, Rule, RuleBook

TEXT_LIMIT: Final = 1_000_000
"""Characters of one file."""

LONGEST: Final[Micros] = 720 * HOUR
"""No rule waits longer."""

_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?(?:(\d{1,6})ms)?")
_UNITS = (24 * HOUR, HOUR, MINUTE, SECOND, SECOND // 1000)


def duration(text: str) -> Micros:
    """`250ms`, `10s`, `5m`, `24h`, `1h30m`, `7d` in microseconds. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"`{text[:40]}` is not a duration")
    total = sum(int(n) * unit for n, unit in zip(match.groups(), _UNITS, strict=True) if n)
    if total > LONGEST:
        raise ValueError(f"`{text}` is longer than {LONGEST // HOUR}h")
    return total


def load_book(texts: Sequence[tuple[str, str]]) -> RuleBook:
    """Compile the files, given as (name, text). Raises Mistakes with all that is wrong in any of them."""
    found: list[Mistake] = []
    files: list[_BookFile] = []
    for name, text in texts:
        try:
            files.append(_BookFile(name, text))
        except Mistakes as error:
            found += error.mistakes
    for file in files:
        found += file.mistakes
    found += _repeated(files)
    if found:
        raise Mistakes(found)
    rules = tuple(_rule(entry, compiled) for file in files for entry, compiled in file.rules())
    return RuleBook(tuple(texts), _digest(texts), rules, {rule.id: rule for rule in rules}, _index(rules))


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


class RuleEntry(_Strict):
    """One rule as it is written."""

    id: Name
    kind: Annotated[Kind, Field(strict=False)]
    subject: Literal["device", "zone"] = "device"
    devices: Annotated[list[Name], Field(min_length=1)]
    where: str | None = None
    when: str
    hold: Annotated[Duration, Field(alias="for")] = 0
    clear: str | None = None
    clear_for: Duration = 0
    latch: bool | None = None
    title: Bilingual
    advice: Bilingual | None = None
    group: Name | None = None
    reason: str = ""


class BookEntry(_Strict):
    """A whole file."""

    version: Literal[1]
    rules: Annotated[list[RuleEntry], Field(min_length=1)]


_REMEDIES = {
    "version": "write `version: 1`",
    "rules": "write a list of rules, each beginning with `- id:`",
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
    "reason": "write a text",
    "zh": "write the Chinese text",
    "en": "write the English text",
}
_FIELDS = [*(f.alias or name for name, f in RuleEntry.model_fields.items()), *BookEntry.model_fields, "zh", "en"]

_Condition = TypeVar("_Condition", DeviceCondition, ZoneCondition, WhereCondition)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The conditions of one rule; None where there is none, or where it has a flaw."""

    where: WhereCondition | None
    when: DeviceCondition | ZoneCondition | None
    clear: DeviceCondition | ZoneCondition | None


class _BookFile:
    """One file. `mistakes` holds all that is wrong with it; only a file without any has `rules`."""

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
        self._compiled = [self._compile(i, raw) for i, raw in self._raw()]

    def rules(self) -> Iterator[tuple[RuleEntry, _Compiled]]:
        """Each rule with its conditions, in order; nothing from a file with mistakes."""
        if self._entry is not None and not self.mistakes:
            yield from zip(self._entry.rules, self._compiled, strict=True)

    def identities(self) -> Iterator[tuple[str, Path]]:
        """Each rule's id and where it stands."""
        for i, raw in self._raw():
            if isinstance(raw.get("id"), str):
                yield raw["id"], ("rules", i, "id")

    def _raw(self) -> list[tuple[int, dict[str, Any]]]:
        data = self.document.data
        rules = data.get("rules") if isinstance(data, dict) else None
        return [(i, raw) for i, raw in enumerate(rules) if isinstance(raw, dict)] if isinstance(rules, list) else []

    def _compile(self, i: int, raw: dict[str, Any]) -> _Compiled:
        path: Path = ("rules", i)
        if raw.get("kind") == Kind.FIRE and raw.get("latch") is False:
            message = "a fire always latches: it ends only by reset"
            self.mistakes.append(self.document.mistake((*path, "latch"), message, "leave it out"))
        where = self._condition((*path, "where"), raw.get("where"), compile_where)
        if raw.get("subject", "device") == "zone":
            zone_when = self._condition((*path, "when"), raw.get("when"), compile_zone)
            zone_clear = self._condition((*path, "clear"), raw.get("clear"), lambda text: compile_zone(text, zone_when))
            self._measured((*path, "when"), zone_when)
            return _Compiled(where, zone_when, zone_clear)
        when = self._condition((*path, "when"), raw.get("when"), compile_device)
        clear = self._condition((*path, "clear"), raw.get("clear"), compile_device)
        self._measured((*path, "when"), when)
        return _Compiled(where, when, clear)

    def _condition(self, path: Path, text: object, compiler: Callable[[str], _Condition]) -> _Condition | None:
        if not isinstance(text, str):
            return None  # missing, or the model has complained
        try:
            return compiler(text)
        except ConditionError as error:
            for flaw in error.flaws:
                index = sum(len(line) + 1 for line in text.split("\n")[: flaw.line]) + flaw.column
                line, column = locate(self._text, *self.document.at(path), text, index)
                self.mistakes.append(Mistake(self.document.file, line, column, dotted(path), flaw.message, flaw.remedy))
            return None

    def _measured(self, path: Path, condition: DeviceCondition | ZoneCondition | None) -> None:
        """A condition on attributes alone would never be asked: no reading could change its answer."""
        if condition is not None and not condition.quantities:
            message = "nothing that is measured decides this"
            self.mistakes.append(self.document.mistake(path, message, "name a quantity; attributes belong in `where`"))


def _with_remedy(mistake: Mistake) -> Mistake:
    name = mistake.field.rpartition(".")[2]
    if mistake.message == "unknown field":
        near = difflib.get_close_matches(name, _FIELDS, 1)
        return replace(mistake, remedy=f"did you mean `{near[0]}`?" if near else "leave it out")
    return replace(mistake, remedy=_REMEDIES.get(name.partition("[")[0], ""))


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


def _digest(texts: Sequence[tuple[str, str]]) -> str:
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
    conditions = [c for c in (where, when, clear) if c is not None]
    asked = [c for c in (when, clear) if c is not None]
    fire = entry.kind is Kind.FIRE
    of_device = isinstance(when, DeviceCondition)
    return Rule(
        id=entry.id,
        kind=entry.kind,
        subject=entry.subject,
        devices=frozenset(entry.devices),
        quantities=frozenset[str]().union(*(c.quantities for c in asked)),
        attributes=frozenset[str]().union(*(c.attributes for c in conditions)),
        where=where.check if where else None,
        check=when.check if isinstance(when, DeviceCondition) else None,
        clear_check=clear.check if isinstance(clear, DeviceCondition) else None,
        terms=() if of_device else _terms(when, clear),
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
    )


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
        )
    )


__all__ = ["BookChanged", "BookEntry", "Rule", "RuleBook", "RuleEntry", "duration", "load_book"]
