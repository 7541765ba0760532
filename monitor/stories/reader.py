"""A test file's text → its stories, ready to be played; or every mistake of it at once, each with line, column and remedy.

Opens the books and the site file that the test file names, and nothing else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeAlias

from monitor.settings.books import SHIPPED, shipped_books, written_books
from monitor.settings.fields import read_duration
from monitor.settings.remedies import explain
from monitor.settings.site_places import load_places
from monitor.settings.survey import suggest
from monitor.stories.entries import (
    HAPPENINGS,
    ExplainWords,
    FileWords,
    IncidentWords,
    ReadingWords,
    SeriesWords,
    StepWords,
    StoryWords,
    SuppressWords,
    SwapWords,
)
from monitor.stories.lines import full_key, incident
from monitor.stories.scene import SITE, Scene
from monitor.stories.series import samples
from rules.document import Document, Mistake, Mistakes
from rules.document import Path as Address
from rules.engine import Event
from rules.model import (
    Micros,
    Move,
    Neighbourhood,
    Reading,
    Receipt,
    Restore,
    Suppress,
    Swap,
    Tick,
    Trouble,
    Value,
)
from rules.people import Plan
from rules.quantities import QuantityError, read
from rules.rule import BookChanged, RuleBook
from rules.rulebook import load_book

LARGEST_BYTES = 4_000_000
MOST_EVENTS = 1_000_000
"""Of one test."""
_PLACES = ("zones", "devices", "channels", "people", "stations", "sla", "ladders", "flood", "linkage")
_LINE = re.compile(r"(?:push [1-9]\d*/[^/ ]+/\S+|sup-\d{6} \S.*|[1-9]\d* \S.*|refused: \S.*)")
_OWN = re.compile(r"rules[ \t]*:")
_SEE = "see docs/rules-as-code.md"


class Restart(NamedTuple):
    """The daemon is started again."""

    at: Micros
    away: Micros = 0


class Expected(NamedTuple):
    """A line that must come, and where it is written."""

    at: Micros
    """Since the epoch."""
    text: str
    line: int


Happening: TypeAlias = Event | Restart


@dataclass(frozen=True, slots=True)
class Story:
    """One test, ready to be played."""

    file: str
    name: str
    line: int
    book: RuleBook
    neighbourhood: Callable[[], Neighbourhood]
    site: str
    """Names of this site stand without it in lines; empty when there are several."""
    start: Micros
    end: Micros
    happenings: tuple[Happening, ...]
    expected: tuple[Expected, ...]
    incidents: tuple[tuple[IncidentWords, int], ...] | None
    explains: tuple[tuple[ExplainWords, str, int], ...]
    """(what is asked, the subject's key, line)"""


def load(path: Path) -> list[Story]:
    """The stories of a file. Raises Mistakes."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
        text = content[:LARGEST_BYTES].decode("utf-8-sig")
    except OSError as error:
        raise Mistakes([Mistake(str(path), 1, 1, "", f"cannot be read: {error.strerror}", "check the path")]) from None
    except UnicodeDecodeError:
        raise Mistakes([Mistake(str(path), 1, 1, "", "is not UTF-8 text", "save the file as UTF-8")]) from None
    if len(content) > LARGEST_BYTES:
        raise Mistakes([Mistake(str(path), 1, 1, "", f"is larger than {LARGEST_BYTES} bytes", "split it")])
    return read_stories(text, str(path), path.absolute().parent)


def read_stories(text: str, file: str, folder: Path) -> list[Story]:
    """The same of a text; books and site are looked for in `folder`. Raises Mistakes."""
    document = Document(text, file)
    try:
        words = document.validate(FileWords)
    except Mistakes as error:
        once: dict[tuple[int, int, str], Mistake] = {}
        for m in explain(error.mistakes, FileWords, document.data):
            # One value may serve several fields (a preset for all kinds): its mistake is told once.
            key = (m.line, m.column, m.field if "missing" in m.message else m.message)
            once.setdefault(key, replace(m, remedy=m.remedy.replace("see docs/configuration.md", _SEE)))
        raise Mistakes(once.values()) from None
    reader = _Reader(document, words, folder, text)
    stories = reader.stories()
    if reader.mistakes or reader.book is None:
        raise Mistakes(reader.mistakes)
    return stories


class _Reader:
    """One file. `mistakes` collects all; `book` is None while the books have any."""

    def __init__(self, document: Document, words: FileWords, folder: Path, text: str) -> None:
        self.mistakes: list[Mistake] = []
        self._document = document
        self._words = words
        self._folder = folder
        self.book = self._books(("books",), words.books, text if words.rules else "")
        self._site, self._neighbourhood = (
            self._site_file(words.site)
            if words.site
            else (
                SITE,
                Scene(words, self._tell).neighbourhood(),
            )
        )
        self._known = self._neighbourhood()

    def stories(self) -> list[Story]:
        """Those of `tests`, or the one that the file tells itself."""
        words = self._words
        if not words.tests:
            if not (words.timeline or words.series):
                self._tell((), "nothing happens in this file", "write `tests:`, or a `timeline:` for a single story")
            return [self._story((), words, Path(self._document.file).name.partition(".")[0])]
        for name in ("timeline", "series", "expect", "incidents", "explain"):
            if getattr(words, name):
                self._tell((name,), f"`{name}` stands beside `tests`", "move it into one of the tests")
        seen: set[str] = set()
        for i, test in enumerate(words.tests):
            if test.name in seen:
                self._tell(("tests", i, "name"), f"the test {test.name} stands twice", "give each a name of its own")
            seen.add(test.name)
        return [self._story(("tests", i), test, test.name) for i, test in enumerate(words.tests)]

    # --- books and places --------------------------------------------------------------------------------------------

    def _books(self, path: Address, names: Sequence[str], text: str = "") -> RuleBook | None:
        texts: dict[str, str] = {}
        before = len(self.mistakes)
        for i, name in enumerate(names):
            try:
                texts.update(shipped_books(name) if name.startswith(SHIPPED) else written_books(self._folder, name))
            except Mistakes as error:
                self.mistakes += error.mistakes
            except (OSError, ValueError) as error:
                message, _, remedy = str(error).partition("; ")
                if isinstance(error, OSError):
                    message, remedy = f"{name} cannot be read: {error.strerror or error}", self._meant(name)
                self._tell((*path, i), message, remedy)
        if text:
            texts[self._document.file] = _own_rules(text)
        if not texts and len(self.mistakes) == before:
            self._tell(path, "no rules are tested", "write `books: [shipped:all]`, a file beside this one, or `rules:`")
        complete = len(self.mistakes) == before
        # The file's own rules are looked at even when a book is missing.
        readable = texts if complete else {n: t for n, t in texts.items() if n == self._document.file}
        try:
            book = load_book(list(readable.items()))
        except Mistakes as error:
            # One line was put in front of the file's own rules.
            self.mistakes += (
                replace(m, line=m.line - 1) if m.file == self._document.file else m for m in error.mistakes
            )
            return None
        return book if complete else None

    def _meant(self, name: str) -> str:
        known = shipped_books(f"{SHIPPED}all")
        near = f"{SHIPPED}{name.removesuffix('.yaml')}"
        return f"did you mean {near}?" if near in known else "paths begin at the folder of the test file"

    def _site_file(self, name: str) -> tuple[str, Callable[[], Neighbourhood]]:
        for other in _PLACES:
            if other in self._words.model_fields_set:
                self._tell((other,), f"`{other}` stands beside `site`", "the site file says it already: leave it out")
        try:
            places = load_places(self._folder / Path(name).expanduser())
        except Mistakes as error:
            self.mistakes += error.mistakes
            return SITE, lambda: Neighbourhood(zones={}, stations=())
        sites = list(places.ground.sites)
        return sites[0] if len(sites) == 1 else "", places.neighbourhood

    # --- one story ---------------------------------------------------------------------------------------------------

    def _story(self, path: Address, words: StoryWords, name: str) -> Story:
        start = words.start
        expected: list[Expected] = []
        happenings: list[Happening] = []
        last = 0
        for i, step in enumerate(words.timeline):
            at = (*path, "timeline", i)
            if step.at < last:
                self._tell((*at, "at"), "comes after a later moment", "put the timeline in order")
            last = max(last, step.at)
            happenings += self._step(at, step, start)
            expected += self._lines((*at, "expect"), step.expect, start + step.at)
        for i, series in enumerate(words.series):
            happenings += self._series((*path, "series", i), series, start)
        if len(happenings) > MOST_EVENTS:
            self._tell((*path, "series"), f"more than {MOST_EVENTS} readings", "split the test")
        for i, step in enumerate(words.timeline):
            back = start + step.at
            if step.restart and any(back - step.restart < happening.at < back for happening in happenings):
                self._tell(
                    (*path, "timeline", i, "restart"),
                    "something happens while it is away",
                    "nobody hears it: let it come later",
                )
        expected += self._moments((*path, "expect"), words.expect, start)
        happenings.sort(key=lambda happening: happening.at)
        _number_attempts(happenings)
        expected.sort(key=lambda line: line.at)
        explains = tuple(self._explains(path, words.explain, start))
        moments = [start + words.until, *(h.at for h in happenings[-1:]), *(e.at for e in expected[-1:])]
        return Story(
            file=self._document.file, name=name, line=self._document.at(path)[0], book=self.book or load_book([]),
            neighbourhood=self._neighbourhood, site=self._site, start=start,
            end=max(*moments, *(start + asked.at for asked, _, _ in explains), start),
            happenings=tuple(happenings), expected=tuple(expected), incidents=self._incidents(path, words), explains=explains,
        )  # fmt: skip

    def _step(self, path: Address, step: StepWords, start: Micros) -> Iterator[Happening]:
        said = [name for name in HAPPENINGS if getattr(step, name)]
        if len(said) > 1:
            self._tell((*path, said[1]), f"`{said[0]}` and `{said[1]}` at once", "give each a line of its own")
        at = start + step.at
        if step.reading is not None:
            yield from self._reading((*path, "reading"), step.reading, at, start)
        elif step.status is not None:
            device = self._device((*path, "status", "device"), step.status.device)
            yield Reading(at, device, {"online": step.status.state == "online"})
        elif step.receipt is not None:
            r = step.receipt
            yield Receipt(at, full_key(r.push), r.outcome, 1, r.reply)
        elif step.trouble is not None:
            yield Trouble(at, step.trouble.source, step.trouble.active, step.trouble.detail)
        elif step.restart:
            yield Restart(at, 0 if step.restart is True else step.restart)
        elif step.books:
            if (book := self._books((*path, "books"), step.books)) is not None:
                yield BookChanged(at, book)
        else:
            yield from self._asked(path, step, at, start) or [Tick(at)]

    def _asked(self, path: Address, step: StepWords, at: Micros, start: Micros) -> list[Happening]:
        """What a person asks for, if this is that."""
        if (m := step.move) is not None:
            return [Move(at, incident(m.incident), m.verb, m.by, m.note, m.disposition, m.via)]
        if step.suppress is not None:
            return [self._suppress((*path, "suppress"), step.suppress, at)]
        if (r := step.restore) is not None:
            return [Restore(at, suppression(r.suppression), r.by, r.note)]
        return [self._swap((*path, "swap"), step.swap, at, start)] if step.swap is not None else []

    def _reading(self, path: Address, said: ReadingWords, at: Micros, start: Micros) -> Iterator[Reading]:
        values = {}
        for name, raw in said.values.items():
            if (value := self._value((*path, "values", name), name, raw)) is not None:
                values[name] = value
        measured_at = None if said.measured is None else start + said.measured
        device = self._device((*path, "device"), said.device)
        yield Reading(at, device, values, said.freshness, measured_at, said.exercise)

    def _suppress(self, path: Address, said: SuppressWords, at: Micros) -> Suppress:
        zoned = self._key(said.subject) in self._known.zones
        subject = (self._zone if zoned else self._device)((*path, "subject"), said.subject)
        if said.rule:
            self._rule((*path, "rule"), said.rule)
        return Suppress(at, said.measure, subject, said.by, said.why, at + said.lasts, said.rule, said.compensation)

    def _swap(self, path: Address, said: SwapWords, at: Micros, start: Micros) -> Swap:
        plan = self._known.plan or Plan()
        if said.station not in plan.rosters:
            self._no("station with people", (*path, "station"), said.station, plan.rosters)
        for name in ("leaves", "takes"):
            if (person := getattr(said, name)) not in plan.people:
                self._no("person", (*path, name), person, plan.people)
        since = at if said.since is None else start + said.since
        return Swap(at, said.station, said.leaves, said.takes, since, since + said.lasts, said.by)

    def _series(self, path: Address, series: SeriesWords, start: Micros) -> Iterator[Reading]:
        if series.every <= 0:
            self._tell((*path, "every"), "no time lies between two readings", "write for example 10s")
        device = self._device((*path, "device"), series.device)
        columns: dict[str, list[Value | None]] = {}
        for name, text in series.values.items():
            at = (*path, "values", name)
            try:
                found = samples(str(text).lower() if isinstance(text, bool) else str(text))
            except ValueError as error:
                message, _, remedy = str(error).partition("; ")
                self._tell(at, message, remedy)
                continue
            checked = {
                value: self._value(at, name, value) for value in dict.fromkeys(v for v in found if v is not None)
            }
            columns[name] = [None if value is None else checked[value] for value in found]
        for n in range(max(map(len, columns.values()), default=0)):
            values = {name: column[n] for name, column in columns.items() if n < len(column)}
            said = {name: value for name, value in values.items() if value is not None}
            if said:
                yield Reading(start + series.since + n * series.every, device, said)

    def _value(self, path: Address, name: str, raw: object) -> Value | None:
        try:
            return read(name, raw)
        except QuantityError as error:
            message, _, remedy = str(error).partition("; ")
            self._tell(path, message, remedy or "see rules/quantities.py for names, units and ranges")
            return None

    # --- what must follow --------------------------------------------------------------------------------------------

    def _lines(self, path: Address, texts: Iterable[str], at: Micros) -> Iterator[Expected]:
        for i, text in enumerate(texts):
            plain = " ".join(text.split())
            if not _LINE.fullmatch(plain):
                remedy = "write for example `1 raised smoke-alarm@hall-1`, `push 1/dispatch-1/hook`, `1 is FIRE raised active`"
                self._tell((*path, i), f"`{plain[:60]}` can never come", remedy)
            yield Expected(at, plain, self._document.at((*path, i))[0])

    def _moments(self, path: Address, texts: Sequence[str], start: Micros) -> Iterator[Expected]:
        for i, text in enumerate(texts):
            moment, _, rest = text.strip().partition(" ")
            try:
                at = start + read_duration(moment)
            except ValueError:
                self._tell(
                    (*path, i), f"`{moment[:20]}` is no moment", "begin with the time since the start: `34s push …`"
                )
                continue
            for line in self._lines(path, [rest], at):
                yield line._replace(line=self._document.at((*path, i))[0])

    def _incidents(self, path: Address, words: StoryWords) -> tuple[tuple[IncidentWords, int], ...] | None:
        if words.incidents is None:
            return None
        out = []
        for i, asked in enumerate(words.incidents):
            at = (*path, "incidents", i)
            changes: dict[str, object] = {}
            if asked.zone is not None:
                changes["zone"] = self._zone((*at, "zone"), asked.zone)
            if asked.devices is not None:
                changes["devices"] = tuple(self._device((*at, "devices", j), d) for j, d in enumerate(asked.devices))
            for j, rule in enumerate(asked.rules or ()):
                self._rule((*at, "rules", j), rule)
            for name, full in (("lead", incident), ("withheld", suppression)):
                if number := getattr(asked, name):
                    changes[name] = full(int(number)) if number.isdecimal() else number
            out.append((asked.model_copy(update=changes), self._document.at(at)[0]))
        return tuple(out)

    def _explains(
        self, path: Address, asked: Sequence[ExplainWords], start: Micros
    ) -> Iterator[tuple[ExplainWords, str, int]]:
        for i, words in sorted(enumerate(asked), key=lambda pair: pair[1].at):
            at = (*path, "explain", i)
            self._rule((*at, "rule"), words.rule)
            if words.verdict is None and words.state is None:
                self._tell(at, "nothing is asked", "write `verdict: true`, false or unknown, or `state: pending`")
            zoned = (
                self.book is not None and words.rule in self.book.by_id and self.book.by_id[words.rule].check is None
            )
            subject = (self._zone if zoned else self._device)((*at, "subject"), words.subject)
            yield words, subject, self._document.at(at)[0]

    # --- names -------------------------------------------------------------------------------------------------------

    def _key(self, name: str) -> str:
        return name if not self._site or ("/" in name and name.startswith(f"{self._site}/")) else f"{self._site}/{name}"

    def _device(self, path: Address, name: str) -> str:
        key = self._key(name)
        if self._known.device(key) is None:
            self._no("device", path, name, self._shorts(self._known.devices))
        return key

    def _zone(self, path: Address, name: str) -> str:
        key = self._key(name)
        if key not in self._known.zones:
            self._no("zone", path, name, self._shorts(self._known.zones))
        return key

    def _rule(self, path: Address, name: str) -> None:
        if self.book is not None and name not in self.book.by_id:
            self._no("rule", path, name, self.book.by_id)

    def _shorts(self, keys: Iterable[str]) -> list[str]:
        return [key.removeprefix(f"{self._site}/") for key in keys]

    def _no(self, what: str, path: Address, name: str, known: Iterable[str] | Mapping[str, object]) -> None:
        self._tell(path, f"there is no {what} {name}", suggest(name, known))

    def _tell(self, path: Address, message: str, remedy: str) -> None:
        self.mistakes.append(self._document.mistake(path, message, remedy))


def suppression(n: int) -> str:
    """The id of the n-th measure."""
    return f"sup-{n:06d}"


def _number_attempts(happenings: list[Happening]) -> None:
    """In place: the providers' answers to one push are its first attempt, its second, and so on."""
    tried: Counter[str] = Counter()
    for n, happening in enumerate(happenings):
        if isinstance(happening, Receipt):
            tried[happening.key] += 1
            happenings[n] = replace(happening, attempt=tried[happening.key])


def _own_rules(text: str) -> str:
    """The lines of `rules:` as a book: everything else is blank, so that all but one keep their numbers."""
    kept, inside = [], False
    for line in text.split("\n"):
        if line[:1].strip() and line[0] not in "#-":
            inside = _OWN.match(line) is not None
        kept.append(line if inside else "")
    return "version: 1\n" + "\n".join(kept)
