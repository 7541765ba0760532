"""A story through the engine: what was seen, how the incidents stand at the end, and what `explain` said when it was asked.

Pure: the same story gives the same, in any process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgpack

from monitor.explain import explain
from monitor.explanation import Explanation
from monitor.rule_sources import sources
from monitor.stories.lines import line
from monitor.stories.reader import Restart, Story
from rules.engine import FEED, RESTART, Engine
from rules.model import AlarmChanged, Effect, Incident, IncidentChanged, Micros, Neighbourhood, Tick, Trouble


class Seen(NamedTuple):
    """Something that happened."""

    at: Micros
    text: str


@dataclass(slots=True)
class Played:
    """What a story came to."""

    seen: list[Seen] = field(default_factory=list)
    incidents: dict[str, Incident] = field(default_factory=dict)
    """Every incident as it stood last, in the order in which they were raised."""
    explained: list[Explanation] = field(default_factory=list)
    """The answers to the story's `explain`, in their order."""


def play(story: Story) -> Played:
    """From the first moment to the last."""
    return _Stage(story).play()


def restarted(engine: Engine, neighbourhood: Neighbourhood) -> Engine:
    """The engine that a restart makes of this one: the same book, the state through msgpack and back."""
    fresh = Engine(engine.book, neighbourhood)
    fresh.restore(msgpack.unpackb(msgpack.packb(engine.snapshot()), strict_map_key=False))
    return fresh


class _Stage:
    def __init__(self, story: Story) -> None:
        self._story = story
        self._neighbourhood = story.neighbourhood()
        self._engine = Engine(story.book, self._neighbourhood)
        self._standing: dict[str, str] = {}
        self._played = Played()

    def play(self) -> Played:
        """See the module."""
        questions = iter(self._story.explains)
        asked = next(questions, None)
        for happening in self._story.happenings:
            # What is asked of a moment is asked after everything that happened at it.
            while asked is not None and self._story.start + asked[0].at < happening.at:
                self._explain(self._story.start + asked[0].at, asked[0].rule, asked[1])
                asked = next(questions, None)
            if isinstance(happening, Restart):
                self._restart(happening)
            else:
                self._note(self._engine.handle(happening))
        while asked is not None:
            self._explain(self._story.start + asked[0].at, asked[0].rule, asked[1])
            asked = next(questions, None)
        self._note(self._engine.handle(Tick(self._story.end)))
        return self._played

    def _restart(self, restart: Restart) -> None:
        self._note(self._engine.handle(Tick(restart.at - restart.away)))
        engine = self._engine = restarted(self._engine, self._neighbourhood)
        if restart.away:
            for trouble in (
                Trouble(engine.now, RESTART, True), Trouble(restart.at, RESTART, False), Trouble(restart.at, FEED, False),
            ):  # fmt: skip
                self._note(engine.handle(trouble))

    def _explain(self, at: Micros, rule: str, subject: str) -> None:
        self._note(self._engine.handle(Tick(at)))
        book = self._engine.book
        self._played.explained.append(explain(self._engine, self._neighbourhood, rule, subject, known=sources(book)))

    def _note(self, effects: Sequence[Effect]) -> None:
        self._played.seen.extend(self._told(effects))

    def _told(self, effects: Sequence[Effect]) -> Iterator[Seen]:
        """What a reader of the story cares for: an incident only when it stands otherwise than before."""
        for effect in effects:
            if isinstance(effect, AlarmChanged):
                continue
            text = line(effect, self._story.site)
            if isinstance(effect, IncidentChanged):
                self._played.incidents[effect.incident.id] = effect.incident
                if self._standing.get(effect.incident.id) == text:
                    continue
                self._standing[effect.incident.id] = text
            if text:
                yield Seen(effect.at, text)
