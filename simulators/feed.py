"""The feed: everything the neighbourhood says, in order of time, from a scenario and a seed.

The same scenario, seed and number of devices give the same messages, byte for byte, in any process; no clock is read here. Knows devices
by what they do, and neither broker nor wall time.

A scenario goes in rounds: when its duration is over it begins again with another seed, everything mended.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from hashlib import blake2b
from random import Random

from simulators import happenings
from simulators.chargers import Charger
from simulators.charging import Port
from simulators.detectors import HeatDetector, SmokeDetector
from simulators.devices import CallPoint, Device, Extinguisher, FireDoor, Gateway, Hydrant
from simulators.places import Place, Thing
from simulators.scenario import Happening, Scenario
from simulators.towers import Towers
from simulators.vision import Camera, ThermalCamera
from simulators.wire import Frame, reading, status
from simulators.world import World

STEP_MS = 1000
_WORLD, _HAPPENING = -2, -1
"""What comes due in the heap beside devices, by number: at one moment the air moves first, then things happen, then devices act."""


class Feed:
    """Messages of a place under a scenario."""

    def __init__(self, place: Place, scenario: Scenario, seed: int, devices: int = 0) -> None:
        """`devices`: how many in all; those that the place itself has not live in its towers."""
        self.place = place
        self.scenario = scenario
        self._seed = seed
        extra = max(0, devices - len(place.things))
        self._round: Round | None = None
        self._towers = Towers(place.site, extra, _number(f"{seed}/towers"), scenario.message_loss)

    def frames(self, from_ms: int = 0, progress: Callable[[int], None] = lambda at_ms: None) -> Iterator[Frame]:
        """All messages from a moment on, in order, without end.

        Begun in the middle, what was before is gone through unsaid (`progress` hears how far), then the statuses that hold at that
        moment are said again.
        """
        return heapq.merge(self._own(from_ms, progress), self._towers.frames(from_ms), key=lambda frame: frame.at_ms)

    def obey(self, device: str, command: str, identity: str) -> None:
        """A device of the place is told something from afar; it acts before the next message that is not said yet."""
        if self._round is not None:
            self._round.obey(device, command, identity)

    def _own(self, from_ms: int, progress: Callable[[int], None]) -> Iterator[Frame]:
        number, inside_ms = divmod(from_ms, self.scenario.duration)
        while True:
            begins_ms = number * self.scenario.duration
            current = self._round = Round(self.place, self.scenario, f"{self._seed}/{number}")
            said = not inside_ms
            for frame in current.frames():
                if not said:
                    if frame.at_ms < inside_ms:
                        progress(begins_ms + frame.at_ms)
                        continue
                    said = True
                    for again in current.statuses(inside_ms):
                        yield again._replace(at_ms=from_ms)
                yield frame._replace(at_ms=begins_ms + frame.at_ms)
            number, inside_ms = number + 1, 0


class Round:
    """One round of a scenario. Times are milliseconds since its beginning."""

    def __init__(self, place: Place, scenario: Scenario, seed: str) -> None:
        self.place = place
        self.scenario = scenario
        self._seed = seed
        ports = {t.id: self._port(t) for t in place.things if t.kind == "charger"}
        self.world = World(place, scenario.ambient_c, ports)
        self.devices = [self._device(thing) for thing in place.things]
        self._number = {thing.id: n for n, thing in enumerate(place.things)}
        self._living: dict[str, list[int]] = {}
        for n, thing in enumerate(place.things):
            self._living.setdefault(thing.area, []).append(n)
        self._heap: list[tuple[int, int, int]] = []
        self._ticking = False
        self._stirred: set[str] = set()
        self._deeds: list[Callable[[int], Collection[str]]] = []
        self._now_ms = 0

    def frames(self) -> Iterator[Frame]:
        """Everything that is said in this round."""
        yield from self.statuses(0)
        for n, device in enumerate(self.devices):
            self._push(device.due_ms, n)
        for happening in self.scenario.happenings:
            self._plan(happening)
        while self._heap:
            now_ms, number, deed = heapq.heappop(self._heap)
            if now_ms >= self.scenario.duration:
                return
            self._now_ms = now_ms
            if number == _WORLD:
                self._tick(now_ms)
            elif number == _HAPPENING:
                yield from self._happen(now_ms, self._deeds[deed])
            elif self.devices[number].due_ms == now_ms:
                yield from self._act(now_ms, number)

    def statuses(self, at_ms: int) -> Iterator[Frame]:
        """Who is there at this moment."""
        for thing in self.place.things:
            yield status(at_ms, self.place.site, thing.id, online=thing.id not in self.world.silent)

    def obey(self, device: str, command: str, identity: str) -> None:
        """See Feed. Who is silent or deaf, or understands no commands, does nothing."""
        number = self._number.get(device)
        if number is None or device in self.world.silent | self.world.deaf:
            return
        there = self.devices[number]
        if isinstance(there, Charger):
            there.obey(command, identity)
            self._wake(self._now_ms, [number])

    # --- who is due --------------------------------------------------------------------------------------------------

    def _push(self, at_ms: int, number: int, deed: int = 0) -> None:
        heapq.heappush(self._heap, (at_ms, number, deed))

    def _act(self, now_ms: int, number: int) -> Iterator[Frame]:
        device = self.devices[number]
        values = device.act(now_ms, self.scenario.message_loss)
        self._push(device.due_ms, number)
        if values is not None and device.thing.id not in self.world.silent:
            yield reading(now_ms, self.place.site, device.thing.id, values)
        self._keep_ticking(now_ms)

    def _wake(self, now_ms: int, numbers: list[int]) -> None:
        for n in numbers:
            if self.devices[n].due_ms > now_ms:
                self.devices[n].due_ms = now_ms
                self._push(now_ms, n)

    def _tick(self, now_ms: int) -> None:
        self.world.step()
        self._ticking = False
        self._keep_ticking(now_ms)
        stirred = {area for area in self._living if self.world.stirred(area)}
        for area in sorted(stirred - self._stirred):
            self._wake(now_ms, self._living[area])
        self._stirred = stirred

    def _keep_ticking(self, now_ms: int) -> None:
        """The world is stepped while anything is active, and only then."""
        if self._ticking or not self.world.active:
            return
        self.world.skip_to(now_ms // STEP_MS)
        self._ticking = True
        self._push((now_ms // STEP_MS + 1) * STEP_MS, _WORLD)

    # --- what happens ------------------------------------------------------------------------------------------------

    def _plan(self, happening: Happening) -> None:
        self._later(happening.at, lambda now_ms: happenings.begin(self.world, happening, now_ms))
        if happening.until is not None:
            self._later(happening.until, lambda now_ms: happenings.end(self.world, happening, now_ms))

    def _later(self, at_ms: int, deed: Callable[[int], Collection[str]]) -> None:
        self._deeds.append(deed)
        self._push(at_ms, _HAPPENING, len(self._deeds) - 1)

    def _happen(self, now_ms: int, deed: Callable[[int], Collection[str]]) -> Iterator[Frame]:
        if not self._ticking:
            self.world.skip_to(now_ms // STEP_MS)
        silent = set(self.world.silent)
        noticing = deed(now_ms)
        for thing in sorted(silent ^ self.world.silent):
            online = thing in silent
            yield status(now_ms, self.place.site, thing, online=online)
            if online:
                self.devices[self._number[thing]].check_in_ms = now_ms
        self._wake(now_ms, [self._number[thing] for thing in noticing])
        self._keep_ticking(now_ms)

    # --- who is there ------------------------------------------------------------------------------------------------

    def _port(self, thing: Thing) -> Port:
        ambient = self.scenario.ambient_c
        return Port(ambient, ambient, 100 + _number(thing.id) % 900_000 / 1000)

    def _device(self, thing: Thing) -> Device:
        rng, life = Random(f"{self._seed}/{thing.id}"), self.scenario.life
        match thing.kind:
            case "camera":
                return Camera(thing, self.world, rng, life)
            case "fire_door":
                return FireDoor(thing, self.world, rng, life.doors_per_hour)
            case "charger":
                return Charger(thing, self.world, rng, life=life.charging)
            case kind:
                return _PLAIN[kind](thing, self.world, rng)


_PLAIN: dict[str, type[Device]] = {
    "smoke_detector": SmokeDetector, "heat_detector": HeatDetector, "extinguisher": Extinguisher, "call_point": CallPoint,
    "hydrant": Hydrant, "gateway": Gateway, "thermal_camera": ThermalCamera,
}  # fmt: skip


def _number(text: str) -> int:
    """64 bits that belong to a text, the same in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
