"""Many micro fire stations under one daemon, each with a robot, one person on duty, and providers of its own in moods of their own.

Knows the site file's words and how providers can behave (tests/rehearsal.py), and nothing of how anybody is called.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.rehearsal import PERSON, Behaviour, Stage, rehearsal
from tests.running import site

ROBOT = "dingtalk"
OWN = ("voice", "sms", "feishu", "email", "wecom")
"""The channels of the person on duty, in order of preference. Web Push, of which a site has but one, has its moods in tests/contracts."""
KINDS = (ROBOT, *OWN)
WORKING = (Behaviour.WELL, Behaviour.LATE)
FAILING = tuple(behaviour for behaviour in Behaviour if behaviour not in WORKING)

Moods: TypeAlias = Mapping[str, Behaviour]
"""Kind of channel → how its provider behaves; exactly two work."""


def every_assignment() -> Iterator[dict[str, Behaviour]]:
    """All: any two kinds work, at once or late, and each of the others fails in any way."""
    for pair in itertools.combinations(KINDS, 2):
        others = [kind for kind in KINDS if kind not in pair]
        for moods in itertools.product(WORKING, WORKING, *[FAILING] * len(others)):
            yield dict(zip((*pair, *others), moods, strict=True))


def a_covering_set(seed: int) -> list[dict[str, Behaviour]]:
    """Few, in which every two kinds behave together in every two ways: for each two that work once with all others failing alike, and
    what is still missing then, by a greedy choice."""
    chosen = [
        {kind: Behaviour.WELL if kind in pair else mood for kind in KINDS}
        for pair in itertools.combinations(KINDS, 2)
        for mood in FAILING
    ]
    everything = list(every_assignment())
    missing = set(itertools.chain.from_iterable(map(_pairs, everything)))
    for moods in chosen:
        missing -= _pairs(moods)
    choice = random.Random(seed)
    while missing:
        best = max(choice.sample(everything, 300), key=lambda moods: len(missing & _pairs(moods)))
        if found := missing & _pairs(best):
            chosen.append(best)
            missing -= found
    return chosen


def _pairs(moods: Moods) -> set[tuple[tuple[str, Behaviour], ...]]:
    return set(itertools.combinations([(kind, moods[kind]) for kind in KINDS], 2))


@dataclass
class Post:
    """One station with its providers."""

    number: int
    moods: Moods
    stages: dict[str, Stage]
    """By kind."""
    published: float = 0.0
    """When the smoke was published; seconds of the monotonic clock."""

    def heard_after(self) -> list[float]:
        """Seconds from the smoke until each kind of channel had taken its first message, in order."""
        firsts = [stage.taken[0] - self.published for stage in self.stages.values() if stage.taken]
        return sorted(firsts)

    @property
    def channels(self) -> dict[str, str]:
        """Kind → name of the channel."""
        return {kind: f"{kind}-{self.number}" for kind in self.stages}


@contextlib.asynccontextmanager
async def posts(assignments: Iterable[Moods]) -> AsyncIterator[list[Post]]:
    """The providers of all of them under way."""
    async with contextlib.AsyncExitStack() as stack:
        found: list[Post] = []
        for number, moods in enumerate(assignments):
            stages = {kind: await stack.enter_async_context(rehearsal(kind, moods[kind])) for kind in KINDS}
            found.append(Post(number, moods, stages))
        yield found


def site_of(folder: Path, mqtt: int, found: Sequence[Post], **more: Any) -> Path:
    """The site file: zone `z<n>` is covered by station `post-<n>`, on whose robot's channel and person everything rests."""
    channels = {post.channels[kind]: stage.section for post in found for kind, stage in post.stages.items()}
    people = [
        {
            "id": f"duty-{p.number}", "name": "值班员", "role": "dispatcher", "channels": [p.channels[k] for k in OWN], **PERSON,
        }
        for p in found
    ]  # fmt: skip
    stations = [
        {
            "id": f"post-{p.number}", "name": "微型消防站", "zones": [f"site0/z{p.number}"], "recipients": [p.channels[ROBOT]],
            "people": [f"duty-{p.number}"],
        }
        for p in found
    ]  # fmt: skip
    more = {"channels": channels, "people": people, "stations": stations, "history": "none", **more}
    return site(folder, mqtt=mqtt, webhook="", zones=max(2, len(found)), **more)


async def set_fire(mqtt: int, found: Sequence[Post], rate: float) -> None:
    """Smoke in the zone of one after the other, so many a second, each moment kept."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", mqtt)
    client.loop_start()
    try:
        for post in found:
            payload = json.dumps({"at": time.time_ns() // 1_000_000, "smoke_density": 0.9})
            post.published = time.monotonic()
            client.publish(f"wl/site0/z{post.number}-smoke/up", payload, qos=1)
            await asyncio.sleep(1 / rate)
    finally:
        await asyncio.to_thread(client.disconnect)
        await asyncio.to_thread(client.loop_stop)
