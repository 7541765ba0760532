"""A month of 500 devices in which nothing burns, under the shipped rules: what is raised, and whom it gets up.

usage: python -m tests.bench.nuisances [days [seed …]]; 30 days and seed 1 when none is given. Of further seeds the last lines only.

After the month, two days of it again with all smoke, steam and dust multiplied, and two with detectors that speak more often: how far
the rules are from calling a fire. Played in virtual time through decode and engine. Somebody acknowledges, goes, and closes what has
returned, so that the next nuisance is a new incident and pages anew. What the month assumes and leaves out: docs/books.md.
"""

from __future__ import annotations

import heapq
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from monitor import wiring
from monitor.lookout import Lookout
from monitor.ports import Message
from monitor.settings import load
from rules.incident import reached
from rules.model import (
    MINUTE,
    Condition,
    Disposition,
    Effect,
    Entry,
    Incident,
    IncidentChanged,
    IncidentState,
    Kind,
    Micros,
    Move,
    Outcome,
    Push,
    Receipt,
    Step,
    Tick,
    Verb,
)
from rules.rulebook import load_book
from simulators.month import DAY, START_MS, Month
from simulators.wire import Frame
from tests.bench.nearness import LEVEL_DB, Nearness

ATTENDED: Micros = 5 * MINUTE
"""How soon somebody goes, and how often they look whether it is over."""
STRENGTHS = (1.25, 1.5, 2.0)
RAISES = frozenset({Step.RAISED, Step.JOINED, Step.ESCALATED, Step.CONFIRMED, Step.REALARM})
PAGES = frozenset({"incident.dispatch", "incident.verify"})
CHANNEL = "phone"


@dataclass
class Tally:
    """What some days came to."""

    days: float
    strength: float = 1.0
    messages: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    alarms: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    """(kind, rule) → how often it went active"""
    incidents: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    """(kind at its gravest, rule that opened it)"""
    pages: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    """(kind, rule) → how often it got somebody up: dispatched, or asked to verify"""
    fires: list[str] = field(default_factory=list)
    """Every FIRE, for whoever wants to know why."""
    thin_fires: int = 0
    """FIREs at a smoke detector that said less than any certified one must alarm at (`LEVEL_DB`): too sensitive, by any standard."""
    nearness: Nearness = field(default_factory=Nearness)
    seconds: float = 0.0

    @property
    def pages_a_day(self) -> float:
        """All kinds together."""
        return self.pages.total() / self.days

    @property
    def false_fires(self) -> int:
        """Nothing burns in the month, so every FIRE is false."""
        return sum(n for (kind, _), n in self.alarms.items() if kind is Kind.FIRE)


class Post:
    """The station: counts what comes, acknowledges, goes, resets and closes."""

    def __init__(self, lookout: Lookout, tally: Tally) -> None:
        self._lookout = lookout
        self._tally = tally
        self._open: dict[str, Incident] = {}
        self._rule: dict[str, str] = {}
        self._visits: list[tuple[Micros, str]] = []

    @property
    def next_visit(self) -> Micros:
        """When somebody looks next."""
        return self._visits[0][0] if self._visits else 1 << 62

    def hear(self, effects: Sequence[Effect]) -> None:
        """Everything that the engine wants done."""
        waiting = list(effects)
        while waiting:
            answers: list[Effect] = []
            for effect in waiting:
                if isinstance(effect, Entry) and effect.step in RAISES:
                    self._told(effect)
                elif isinstance(effect, IncidentChanged):
                    self._changed(effect)
                elif isinstance(effect, Push):
                    if effect.channel == CHANNEL and effect.body["type"] in PAGES:
                        self._tally.pages[effect.kind, self._rule[effect.incident]] += 1
                    receipt = Receipt(effect.at, effect.key, Outcome.ACCEPTED, 1)
                    answers.extend(self._lookout.engine.handle(receipt))
            waiting = answers

    def visit(self) -> None:
        """One round: go on with the incident that is due."""
        at, key = heapq.heappop(self._visits)
        incident = self._open.get(key)
        if incident is None:
            return
        verbs: list[Verb] = []
        if not reached(incident.state, IncidentState.ON_SCENE) and incident.kind is not Kind.FAULT:
            verbs = [Verb.ON_SCENE]
        elif incident.condition is not Condition.ACTIVE:
            verbs = [Verb.RESET] if incident.condition is Condition.LATCHED else []
            verbs += [] if reached(incident.state, IncidentState.RESOLVED) else [Verb.RESOLVE]
            verbs += [Verb.CLOSE]
        for verb in verbs:
            disposition = Disposition.NUISANCE if verb is Verb.CLOSE else None
            self.hear(self._lookout.engine.handle(Move(at, key, verb, "值班", disposition=disposition)))
        if key in self._open:
            heapq.heappush(self._visits, (at + ATTENDED, key))

    def _told(self, entry: Entry) -> None:
        kind, rule = Kind(str(entry.detail["kind"])), str(entry.detail["rule"])
        self._rule[entry.incident] = rule
        self._tally.alarms[kind, rule] += 1
        if entry.step is Step.RAISED:
            self._tally.incidents[kind, rule] += 1
        if kind is Kind.FIRE:
            density = entry.detail.get("reading.smoke_density")
            self._tally.thin_fires += isinstance(density, float) and density < LEVEL_DB
            moment = time.strftime("%d %H:%M:%S", time.gmtime(entry.at / 1e6 + 8 * 3600))
            said = {name.removeprefix("reading."): v for name, v in entry.detail.items() if name.startswith("reading.")}
            self._tally.fires.append(f"{moment} {rule} {entry.detail['device'] or entry.detail['subject']} {said}")

    def _changed(self, effect: IncidentChanged) -> None:
        incident = effect.incident
        if incident.state is IncidentState.CLOSED:
            self._open.pop(incident.id, None)
            return
        if incident.id not in self._open:
            heapq.heappush(self._visits, (effect.at + ATTENDED, incident.id))
        self._open[incident.id] = incident


def lookout(month: Month, books: Iterable[Any] = ("shipped:all",)) -> Lookout:
    """The compound as a site, under some books."""
    with tempfile.TemporaryDirectory(prefix="wanglou-month-") as folder:
        path = Path(folder) / "site.yaml"
        site = {
            "api": {"token": "a-token-for-this-run-only"}, "books": list(books), "sites": [month.entry()],
            "channels": {CHANNEL: {"kind": "webhook", "url": "http://127.0.0.1:9/hook"}},
            "stations": [{"id": "post", "name": "微型消防站", "zones": ["*"], "recipients": [CHANNEL]}],
        }  # fmt: skip
        path.write_text(yaml.safe_dump(site, allow_unicode=True), "utf-8")
        settings = load(path, {})
        return Lookout(load_book(settings.book_texts()), settings.neighbourhood(), wiring.limits(settings))


def played(
    days: float,
    seed: int = 1,
    strength: float = 1.0,
    progress: Callable[[float], None] = lambda day: None,
    *,
    eager: bool = False,
) -> Tally:
    """So many days from midnight of the first."""
    month = Month(seed, days, strength, eager=eager)
    watch, tally = lookout(month), Tally(days, strength)
    post, steamy = Post(watch, tally), {part.id for part in month.parts if part.attributes.get("near_steam")}
    began, shown = time.perf_counter(), 0
    for frame in month.frames():
        at = (START_MS + frame.at_ms) * 1000
        while post.next_visit <= at:
            due = post.next_visit
            post.hear(watch.engine.handle(Tick(due)))
            post.visit()
        sight = watch.see(Message(at, frame.topic, frame.payload, 1, frame.retain))
        _measure(tally.nearness, at, frame, steamy)
        tally.messages += 1
        tally.verdicts[sight.verdict] += 1
        if sight.effects:
            post.hear(sight.effects)
        if frame.at_ms >= shown:
            progress(frame.at_ms / DAY)
            shown += DAY
    tally.seconds = time.perf_counter() - began
    return tally


def _measure(nearness: Nearness, at: Micros, frame: Frame, steamy: Collection[str]) -> None:
    """Live smoke readings as they were sent; repeated ones measure the same again, late ones tell their own time."""
    if b'"smoke_density"' in frame.payload and not frame.payload.startswith(b'{"at"'):
        said = json.loads(frame.payload)
        if not said["test"]:
            device = frame.topic.split("/")[2]
            nearness.hear(at, device, said["smoke_density"], steam=device in steamy)


# --- what is printed -------------------------------------------------------------------------------------------------


def table(tally: Tally) -> Table:
    """Rule by rule: how often it went active, opened an incident, and got somebody up."""
    made = Table(title=f"{tally.days:g} days, {tally.messages:,} messages", title_justify="left")
    for heading in ("kind", "rule", "alarms", "incidents", "pages", "pages/day"):
        made.add_column(heading, justify="left" if heading in ("kind", "rule") else "right")
    for kind, rule in sorted({*tally.alarms, *tally.pages}, key=lambda key: (key[0].rank, key[1])):
        key = kind, rule
        pages = tally.pages[key]
        made.add_row(
            kind, rule, f"{tally.alarms[key]}", f"{tally.incidents[key]}", f"{pages}", f"{pages / tally.days:.2f}"
        )
    return made


def margin(tally: Tally) -> list[str]:
    """The false fires, each with what it was raised by, and how near the others came."""
    said = f"false FIRE: {tally.false_fires} in {tally.days:g} days"
    return [said, *tally.fires[:20], *tally.nearness.lines()]


def main(days: float, seeds: Sequence[int]) -> None:
    """Print the month, then what stronger nuisances would do, then other months."""
    out = Console(width=120)
    with out.status("playing") as shown:
        month = played(days, seeds[0], progress=lambda day: shown.update(f"day {day:.0f} of {days:g}"))
        stronger = [played(min(2.0, days), seeds[0], strength) for strength in STRENGTHS]
        eager = played(min(2.0, days), seeds[0], eager=True)
    out.print(table(month))
    for kind in Kind:
        pages = sum(n for (k, _), n in month.pages.items() if k is kind)
        out.print(f"{kind:<12}{pages / month.days:6.2f} pages a day", highlight=False)
    out.print(
        f"all pages a day: {month.pages_a_day:.2f}; {month.messages / month.seconds:,.0f} messages/s", highlight=False
    )
    out.print("\n".join(margin(month)), highlight=False)
    for tally in stronger:
        fires = f"false FIRE {tally.false_fires} in {tally.days:g} days ({tally.thin_fires} below {LEVEL_DB} dB/m)"
        out.print(
            f"all smoke, steam and dust × {tally.strength:g}: {fires}, {tally.pages_a_day:.1f} pages a day",
            highlight=False,
        )
    lines = "\n".join(margin(eager))
    out.print(f"\ndetectors that speak every 10 s whatever has moved: {lines}", highlight=False)
    for seed in seeds[1:]:
        with out.status(f"playing seed {seed}"):
            other = played(days, seed)
        lines = "\n".join(margin(other))
        out.print(f"\nseed {seed}: {other.pages_a_day:.2f} pages a day; {lines}", highlight=False)


if __name__ == "__main__":
    numbers = [float(text) for text in sys.argv[1:]] + [30.0, 1.0][len(sys.argv) - 1 :]
    main(numbers[0], [int(seed) for seed in numbers[1:]])
