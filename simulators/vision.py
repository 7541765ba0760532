"""Cameras and thermal cameras: what they make of what is to be seen, with misses, false detections and warm cars.

As devices.py; the pixels' physics are in sensing.py. Knows no topic and no rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from simulators import convection, sensing
from simulators.devices import SAMPLE_MS, Device, Values
from simulators.places import Thing
from simulators.scenario import Life
from simulators.world import FLAME_C, Seen, World

HIT = 0.85
"""Share of frames in which a good model finds what is there."""
LOST_MS = 3000
"""A track ends when its object has not been there for so long."""
SPEAKS_MS = 2000
GAP_MS = 10_000
"""Between two who pass: the camera sees an empty place in between, and says so."""
VEHICLES = frozenset({"car", "truck", "bus", "van"})
_PASSING: dict[str, tuple[tuple[str, float, float], ...]] = {
    "fire_lane": (("car", 15, 75), ("person", 10, 60), ("truck", 20, 80)),
    "operation_area": (("person", 10, 120), ("car", 10, 40)),
    "garage": (("car", 5, 25), ("person", 8, 60)),
    "charging": (("person", 20, 120),),
    "shed": (("person", 20, 120),),
}
"""Kind of area → (object, least and most seconds that it stays)."""
_FALSE: dict[str, tuple[str, ...]] = dict.fromkeys(("garage", "charging", "shed"), ("fire", "smoke", "cigarette"))
"""What a model is prone to see where nothing is: lamps, steam, a pen."""
FIELD_OF_VIEW = math.radians(57)
PIXELS_ACROSS = 160
RADIANS_PER_PIXEL = FIELD_OF_VIEW / PIXELS_ACROSS
PORT_M2 = 0.003
HEAT_PER_AREA_KW_M2 = 1000.0
"""Of the surface of flames (order of Heskestad's flame volumes): gives their size as a camera sees it."""


@dataclass(slots=True)
class _Track:
    seen: Seen
    last_ms: int
    said_ms: int
    number: int


class Camera(Device):
    """A camera with a detector of objects: frame by frame, one object at a time, the gravest first."""

    def __init__(self, thing: Thing, world: World, rng: Random, life: Life) -> None:
        super().__init__(thing, world, rng)
        self._kind = world.place.area[thing.area].kind
        self._life = life
        self._track: _Track | None = None
        self._count = rng.randrange(1000, 9000)
        self._visitor: tuple[Seen, int] | None = None
        self._visit_ms = self._after(0, life.visits_per_hour / 3_600_000)
        self._error_ms = self._after(0, life.false_detections_per_day / 86_400_000)
        self._clear_ms = 0

    def act(self, now_ms: int, loss: float) -> Values | None:
        """Look once; speak when something is found, stays, or is gone, and at the check-in."""
        due = self._checks_in(now_ms)
        values = self._look(now_ms)
        busy = self._track is not None or self._clear_ms or self._target(now_ms) is not None
        soon = now_ms + SAMPLE_MS if busy else min(self._visit_ms, self._error_ms)
        self.due_ms = max(now_ms + 1, min(soon, self.check_in_ms))
        if values is None and due and self.rng.random() >= loss:
            values = self._counts()
        return values

    def _look(self, now_ms: int) -> Values | None:
        target = self._target(now_ms)
        if target is None and self._track is None:
            return self._mistake(now_ms)
        if target is not None and (self._track is None or self._track.seen.mark != target.mark):
            return self._found(target, now_ms)
        track = self._track
        if track is None:
            return None
        if target is None:
            if now_ms - track.last_ms < LOST_MS:
                return None
            self._track = None
            return {"object": "none", "dwell": 0, **self._counts()}
        if self.rng.random() >= HIT:
            return None
        track.last_ms = now_ms
        if now_ms - track.said_ms < SPEAKS_MS:
            return None
        track.said_ms = now_ms
        return self._told(track, now_ms)

    def _found(self, target: Seen, now_ms: int) -> Values | None:
        if self.rng.random() >= HIT:
            return None
        self._count += 1
        self._track = _Track(target, now_ms, now_ms, self._count)
        return self._told(self._track, now_ms)

    def _mistake(self, now_ms: int) -> Values | None:
        """One frame with something that is not there; the next frame takes it back."""
        if self._clear_ms and now_ms >= self._clear_ms:
            self._clear_ms = 0
            return {"object": "none", "dwell": 0, **self._counts()}
        if now_ms < self._error_ms:
            return None
        self._error_ms = self._after(now_ms, self._life.false_detections_per_day / 86_400_000)
        if self._kind not in _FALSE:
            return None
        self._count += 1
        self._clear_ms = now_ms + SAMPLE_MS
        what = self.rng.choice(_FALSE[self._kind])
        score = round(self.rng.uniform(0.4, 0.75), 2)
        return {"object": what, "object_id": f"t{self._count}", "score": score, "dwell": 0}

    def _told(self, track: _Track, now_ms: int) -> Values:
        score = min(0.99, max(0.62, self.rng.gauss(0.84, 0.05)))
        dwell = (now_ms - track.seen.since_ms) / 1000
        return {
            "object": track.seen.object, "object_id": f"t{track.number}", "score": round(score, 2),
            "dwell": round(max(0.0, dwell), 1), **self._counts(),
        }  # fmt: skip

    def _counts(self) -> Values:
        seen = self._track.seen.object if self._track else ""
        vehicles, persons = int(seen in VEHICLES), int(seen in ("person", "cigarette", "smoking"))
        return {"vehicle_count": vehicles, "person_count": persons, "motion": bool(seen), "video_lost": False}

    def _target(self, now_ms: int) -> Seen | None:
        """What the scenario shows comes before those who merely pass; meanwhile nobody passes."""
        for seen in self.world.visible(self.thing.area):
            self._visitor = None
            self._visit_ms = max(self._visit_ms, now_ms + GAP_MS)
            return seen
        if self._visitor is not None:
            seen, leaves_ms = self._visitor
            if now_ms < leaves_ms:
                return seen
            self._visitor = None
        if now_ms >= self._visit_ms:
            what, least, most = self.rng.choice(_PASSING.get(self._kind, (("person", 5, 60),)))
            stays = round(self.rng.uniform(least, most) * 1000)
            self._visit_ms = self._after(now_ms + stays + GAP_MS, self._life.visits_per_hour / 3_600_000)
            seen = Seen(what, f"visit-{now_ms}", now_ms)
            self._visitor = (seen, now_ms + stays)
            return seen
        return None

    def _after(self, now_ms: int, rate_per_ms: float) -> int:
        return now_ms + 1000 + round(self.rng.expovariate(rate_per_ms)) if rate_per_ms > 0 else 1 << 60


class ThermalCamera(Device):
    """A small thermal imager: hottest, mean and coldest pixel of its area."""

    every_ms = 10_000
    HURRY_MS: ClassVar[int] = 2000

    def __init__(self, thing: Thing, world: World, rng: Random) -> None:
        super().__init__(thing, world, rng)
        self._cars = world.place.area[thing.area].kind == "garage"
        self._engine_k = 0.0
        self._at_ms = 0
        self._said_max = world.ambient_c
        area = world.place.area[thing.area]
        self._ports = tuple(
            (t, world.ports[t.id]) for t in world.place.things if t.area == area.id and t.id in world.ports
        )

    def act(self, now_ms: int, loss: float) -> Values | None:
        """Take an image; speak at the check-in, and every two seconds while something hot changes."""
        self._engines((now_ms - self._at_ms) / 1000)
        self._at_ms = now_ms
        due = self._checks_in(now_ms)
        hot = self.world.stirred(self.thing.area) or any(self.world.faulty(t.id) for t, _ in self._ports)
        self.due_ms = min(self.check_in_ms, now_ms + self.HURRY_MS) if hot else self.check_in_ms
        hottest, mean, coldest = self._image()
        urgent = hot and abs(hottest - self._said_max) > max(2.0, 0.03 * abs(self._said_max))
        if not (urgent or due):
            return None
        self._said_max = hottest
        return {"thermal_max": round(hottest, 1), "thermal_mean": round(mean, 1), "thermal_min": round(coldest, 1)}

    def _engines(self, dt: float) -> None:
        """A car comes in with a warm bonnet, which cools within a quarter of an hour or so."""
        self._engine_k *= math.exp(-dt / 900)
        if self._cars and self.rng.random() < 1 - math.exp(-dt / 1200):
            self._engine_k = max(self._engine_k, self.rng.uniform(8, 38))

    def _image(self) -> tuple[float, float, float]:
        world, rng = self.world, self.rng
        layer = world.rooms.layers.get(self.thing.area)
        behind = world.ambient_c + (0.5 * layer.rise_k if layer else 0.0)
        hottest, sources = behind + 1.5 + self._engine_k, []
        for thing, port in self._ports:
            hottest = max(hottest, self._pixel(behind, port.temperature_c, PORT_M2, thing.x, thing.y, thing.z))
        for flame in world.fires:
            if flame.area != self.thing.area or not flame.flaming(world.second):
                continue
            q = flame.heat_kw(world.second)
            surface = q / HEAT_PER_AREA_KW_M2
            width = surface / max(convection.flame_height_m(q, 0.0), 0.05)
            # Thin flames show little of their temperature; what burns below them shows most of it.
            shows = behind + (FLAME_C - behind) * max(0.5, sensing.flame_emissivity(width))
            hottest = max(hottest, self._pixel(behind, shows, surface, flame.x, flame.y, flame.z))
            sources.append((shows, surface / self._view_m2(flame.x, flame.y, flame.z)))
        mean = min(sensing.image_mean_c(behind, sources), hottest)
        return min(hottest + rng.gauss(0, 0.3), 1900.0), mean + rng.gauss(0, 0.1), behind - 1.2 + rng.gauss(0, 0.2)

    def _pixel(self, behind: float, source_c: float, m2: float, x: float, y: float, z: float) -> float:
        footprint = (self._distance(x, y, z) * RADIANS_PER_PIXEL) ** 2
        return sensing.pixel_c(behind, source_c, m2 / footprint)

    def _view_m2(self, x: float, y: float, z: float) -> float:
        return (2 * self._distance(x, y, z) * math.tan(FIELD_OF_VIEW / 2)) ** 2 * 0.75

    def _distance(self, x: float, y: float, z: float) -> float:
        return max(0.5, math.dist((x, y, z), (self.thing.x, self.thing.y, self.thing.z)))
