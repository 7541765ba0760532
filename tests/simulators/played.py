"""A scenario under the shipped rule books, in virtual time: what a dispatcher would have been told.

Joins the simulators to the daemon's decode and engine as `wanglou replay` does; knows no broker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from monitor import wiring
from monitor.lookout import Lookout
from monitor.ports import Message, Verdict
from monitor.replay import Summary, play
from monitor.settings import load
from rules.model import Effect, Entry, Step
from rules.rulebook import load_book
from simulators import places
from simulators.feed import Feed
from simulators.scenario import Scenario, parse, shipped
from simulators.wire import Frame

T0_MS = 1_795_305_600_000
"""2026-11-22T00:00Z."""


def scenario(name: str) -> Scenario:
    """One that is shipped."""
    return parse(shipped()[name].read_text("utf-8"), f"{name}.yaml", places.lakeside())


def frames(what: Scenario, seed: int = 1, *, devices: int = 0, rounds: int = 1) -> Iterator[Frame]:
    """All messages of so many rounds."""
    for frame in Feed(places.lakeside(devices), what, seed, devices).frames():
        if frame.at_ms >= rounds * what.duration:
            return
        yield frame


def site(folder: Path, devices: int = 0) -> Path:
    """A site file of the neighbourhood, with everything else as small as it can be."""
    data = {
        "api": {"token": "a-token-for-tests-only"},
        "channels": {"topics": {"kind": "mqtt"}},
        "sites": [places.entry(places.lakeside(devices))],
        "stations": [{"id": "post", "name": "微型消防站", "zones": ["*"], "recipients": ["topics"]}],
    }
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    return path


@dataclass
class Night:
    """What became of a scenario; seconds since its beginning."""

    summary: Summary
    told: list[tuple[float, Entry]] = field(default_factory=list)

    @property
    def incidents(self) -> set[tuple[str, str, str]]:
        """(kind at its gravest, group, zone) of each incident."""
        return {(str(i.kind), i.group, i.zone.partition("/")[2]) for i in self.summary.incidents.values()}

    def first(self, rule: str, *steps: Step) -> float:
        """When a rule first raised, joined or escalated an incident."""
        wanted = steps or (Step.RAISED, Step.JOINED, Step.ESCALATED, Step.CONFIRMED)
        return min(at for at, e in self.told if e.detail.get("rule") == rule and e.step in wanted)

    def rules(self) -> set[str]:
        """Every rule that raised an alarm."""
        steps = (Step.RAISED, Step.JOINED, Step.ESCALATED, Step.CONFIRMED)
        return {str(e.detail["rule"]) for _, e in self.told if e.step in steps}


def night(folder: Path, what: Scenario, seed: int = 1, *, rounds: int = 1) -> Night:
    """Play it. Every message must be live: nothing rejected, unknown or quarantined."""
    settings = load(site(folder), {})
    lookout = Lookout(load_book(settings.book_texts()), settings.neighbourhood(), wiring.limits(settings))
    told: list[tuple[float, Entry]] = []

    def watch(effect: Effect) -> None:
        if isinstance(effect, Entry):
            told.append((effect.at / 1e6 - T0_MS / 1e3, effect))

    said = (
        Message((T0_MS + f.at_ms) * 1000, f.topic, f.payload, 1, f.retain) for f in frames(what, seed, rounds=rounds)
    )
    summary = play(said, lookout, watch=watch)
    assert set(summary.verdicts) == {Verdict.LIVE}
    assert not summary.quarantined
    return Night(summary, told)
