"""Nights of a neighbourhood as data: what devices, people and providers do, and everything that must follow, and nothing else.

Each `tests/scenarios/*.yaml` is one story on the shipped books (or on rules of its own). Knows no broker and no ledger.

    about: one sentence
    books: [garage.yaml]              # of rules/books; `rules:` adds a list of its own
    zones: {garage: garage}           # name: kind
    devices: {camera-1: {kind: camera, zone: garage, attributes: {…}}}
    stations:                         # in order; channels: name → {kinds: […], follow: true}
      east: {zones: [garage], channels: {hook: {}}}
    timeline:                         # `at` is since the beginning; one happening, or none (then only time passes)
      - at: 1m30s
        reading: {device: camera-1, freshness: late, measured: -10m, values: {…}}
        move: {incident: 1, verb: close, by: 王, note: …, disposition: nuisance}
        receipt: {push: 1/dispatch-1/hook, outcome: accepted}
        trouble: {source: history, active: true}
        restart: true
        expect: [what happens at this very moment, in order]

What is expected are the lines of `small_block`: pushes, the steps of timelines, refusals, and how an incident stands whenever
that has changed. Anything else that happens, at any other moment, fails the story.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from rules.engine import Engine, Event
from rules.model import (
    AlarmChanged,
    Device,
    Disposition,
    Effect,
    Freshness,
    IncidentChanged,
    Kind,
    Micros,
    Move,
    Neighbourhood,
    Outcome,
    Reading,
    Receipt,
    Recipient,
    Station,
    Text,
    Tick,
    Trouble,
    Value,
    Verb,
    Zone,
)
from rules.rule import RuleBook
from rules.rulebook import duration, load_book
from tests.rules.small_block import T0, full_key, incident, line, through_bytes

HERE = Path(__file__).parents[1] / "scenarios"
BOOKS = Path(__file__).parents[2] / "rules" / "books"
SITE = "b"

_SAYS = {"about", "books", "rules", "zones", "devices", "stations", "timeline"}
_HAPPENINGS = {"reading", "move", "receipt", "trouble", "restart"}


@dataclass
class Story:
    """A scenario being played."""

    neighbourhood: Neighbourhood
    engine: Engine
    seen: list[tuple[Micros, str]] = field(default_factory=list)
    """What has happened, (moment, line)."""
    standing: dict[str, str] = field(default_factory=dict)
    """incident → its last line"""

    def note(self, effects: list[Effect]) -> None:
        """Keep what a reader of the story cares for."""
        for effect in effects:
            text = line(effect)
            if isinstance(effect, AlarmChanged) or not text:
                continue
            if isinstance(effect, IncidentChanged):
                if self.standing.get(effect.incident.id) == text:
                    continue
                self.standing[effect.incident.id] = text
            self.seen.append((effect.at, text))

    def play(self, step: Mapping[str, Any]) -> None:
        """One line of the timeline."""
        at = since(step["at"])
        if "restart" in step:
            self.note(self.engine.handle(Tick(at)))
            self.engine = through_bytes(self.engine, self.neighbourhood)
        else:
            self.note(self.engine.handle(event(at, step)))


def since(text: str) -> Micros:
    """`1m30s` after the beginning; `-10m` before it."""
    return T0 - duration(text[1:]) if text.startswith("-") else T0 + duration(text)


def event(at: Micros, step: Mapping[str, Any]) -> Event:
    """What happens in this step; without a happening only time passes. Raises KeyError for a word that is not known."""
    match step:
        case {"reading": said}:
            values: dict[str, Value] = {n: float(v) if type(v) is int else v for n, v in said["values"].items()}
            measured_at = since(said["measured"]) if "measured" in said else None
            return Reading(
                at, f"{SITE}/{said['device']}", values, Freshness(said.get("freshness", "live")), measured_at
            )
        case {"move": done}:
            disposition = Disposition(done["disposition"]) if "disposition" in done else None
            verb = Verb(done["verb"])
            return Move(at, incident(done["incident"]), verb, done.get("by", "王"), done.get("note", ""), disposition)
        case {"receipt": answer}:
            return Receipt(at, full_key(answer["push"]), Outcome(answer["outcome"]), 1, answer.get("reply", ""))
        case {"trouble": trouble}:
            return Trouble(at, trouble["source"], trouble["active"], trouble.get("detail", ""))
        case _:
            return Tick(at)


def rulebook(story: Mapping[str, Any]) -> RuleBook:
    """The shipped books that the story names, and its own rules."""
    texts = [(name, (BOOKS / name).read_text(encoding="utf-8")) for name in story.get("books", [])]
    if "rules" in story:
        texts.append(("story", yaml.safe_dump({"version": 1, "rules": story["rules"]}, allow_unicode=True)))
    return load_book(texts)


def neighbourhood(story: Mapping[str, Any]) -> Neighbourhood:
    """The places of the story, all of one site."""
    zones = {f"{SITE}/{n}": Zone(f"{SITE}/{n}", SITE, Text(n, n), kind) for n, kind in story["zones"].items()}
    devices = {
        f"{SITE}/{n}": Device(
            f"{SITE}/{n}", SITE, d["kind"], f"{SITE}/{d['zone']}", Text(n, n), d.get("attributes", {})
        )
        for n, d in story["devices"].items()
    }
    stations = tuple(
        Station(key, Text(key, key), frozenset(f"{SITE}/{z}" for z in s["zones"]), tuple(_recipients(s["channels"])))
        for key, s in story["stations"].items()
    )
    return Neighbourhood(zones=zones, stations=stations, devices=devices)


def _recipients(channels: Mapping[str, Mapping[str, Any]]) -> list[Recipient]:
    usual = Recipient("").kinds
    return [
        Recipient(name, frozenset(map(Kind, said["kinds"])) if "kinds" in said else usual, said.get("follow", False))
        for name, said in channels.items()
    ]


def played(story: Mapping[str, Any]) -> tuple[list[tuple[Micros, str]], list[tuple[Micros, str]]]:
    """(what happened, what was expected), each as (moment, line) in order."""
    assert set(story) <= _SAYS, f"not known in a story: {set(story) - _SAYS}"
    here = neighbourhood(story)
    now = Story(here, Engine(rulebook(story), here))
    expected: list[tuple[Micros, str]] = []
    last = T0
    for step in story["timeline"]:
        unknown = set(step) - _HAPPENINGS - {"at", "expect"}
        assert not unknown, f"not known in a timeline: {unknown}"
        assert len(set(step) & _HAPPENINGS) <= 1, f"more than one happening at {step['at']}"
        assert since(step["at"]) >= last, f"{step['at']} comes after a later line"
        last = since(step["at"])
        expected += [(last, text) for text in step.get("expect", [])]
        now.play(step)
    now.note(now.engine.handle(Tick(last)))
    return now.seen, expected


def written(moments: list[tuple[Micros, str]]) -> list[str]:
    """Lines as people compare them: seconds, then what happened."""
    return [f"{(at - T0) / 1e6:g}s {text}" for at, text in moments]


STORIES = sorted(HERE.glob("*.yaml"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path) -> None:
    seen, expected = played(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert written(seen) == written(expected)


def test_there_are_stories() -> None:
    assert len(STORIES) >= 10


PLAIN: dict[str, Any] = {
    "about": "a smoke detector",
    "books": ["dwelling.yaml"],
    "zones": {"hall": "lobby"},
    "devices": {"hall-1": {"kind": "smoke_detector", "zone": "hall"}},
    "stations": {"east": {"zones": ["hall"], "channels": {"hook": {}}}},
}
ALL = ["1 raised smoke-alarm@hall-1", "push 1/dispatch-1/hook", "1 is FIRE raised active"]
SMOKE = {"reading": {"device": "hall-1", "values": {"smoke": True}}}


@pytest.mark.parametrize(
    ("expect", "right"),
    [(ALL, True), (ALL[:2], False), ([], False), ([*ALL, "1 overdue dispatch"], False), (ALL[::-1], False)],
)
def test_a_story_fails_on_anything_unexpected_missing_or_out_of_order(expect: list[str], right: bool) -> None:
    seen, expected = played({**PLAIN, "timeline": [{"at": "1s", **SMOKE, "expect": expect}]})
    assert (written(seen) == written(expected)) is right


def test_a_story_fails_on_the_right_thing_at_the_wrong_moment() -> None:
    timeline = [{"at": "1s", **SMOKE}, {"at": "2s", "expect": ALL}]
    seen, expected = played({**PLAIN, "timeline": timeline})
    assert [text for _, text in seen] == [text for _, text in expected]
    assert written(seen) != written(expected)


@pytest.mark.parametrize(
    "timeline",
    [
        [{"at": "2s"}, {"at": "1s"}],
        [{"at": "1s", "expects": []}],
        [{"at": "1s", **SMOKE, "restart": True}],
    ],
)
def test_a_story_that_is_told_wrongly_fails(timeline: list[dict[str, Any]]) -> None:
    with pytest.raises(AssertionError):
        played({**PLAIN, "timeline": timeline})
