"""An ordinary month of a compound with 500 devices in which nothing burns: everything that makes detectors cry wolf.

Knows the wire and no rule. Seeded: the same seed gives the same messages, byte for byte. Begins at midnight by the compound's
clock, in July, when roofs are hot.

What is assumed, and what is not in it, stands in docs/books.md; the numbers are the constants below, judgement where no source is
named. The one that decides: **nothing here is as dense as what a certified detector must alarm at** (0.3 dB/m, the upper limit of
EN 14604 and GB 20517). A burnt pan beyond it sets off any detector; that is an alarm, not a false one. `strength` multiplies all
smoke, steam and dust, so that one can ask how much more it would take. `eager` detectors speak every ten seconds while anything is
in the air, not only when their reading has moved: then no fast rise falls between two reports.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from simulators.wire import Frame, reading, status

SITE = "yuexi"
BUILDINGS, FLATS = 10, 12
DAY, HOUR, MINUTE = 86_400_000, 3_600_000, 60_000
"""Milliseconds."""
START_MS = 1_782_835_200_000
"""2026-07-01T00:00+08:00: a moment for those few readings that carry one."""

CHECK_IN = 15 * MINUTE
"""Of battery devices. Mains devices speak once a minute or more often, cameras when they see something."""
LIVELY = 10_000
"""A detector whose reading moves speaks so often; then it need not speak for a minute if nothing moves any more."""
MOVED_DB, MOVED_K = 0.03, 1.0
LOSS = 0.01
"""Of the messages of battery devices, by radio; but doors repeat themselves until they are heard. Cable loses nothing at QoS 1."""
NOISE_DB, NOISE_K = 0.006, 0.1

CERTIFIED_DB = 0.25
"""All nuisances at a detector together are no denser; with its usual dust that stays below 0.3 dB/m, see above."""
COOKING_DB = (0.05, 0.75)
"""At the detector in the hall: median and log-sigma of a meal's peak. Rises with 2 to 6 min: a flat fills through the kitchen's door."""
COOKING_K = (5.0, 0.5)
STEAM_DB = (0.025, 0.5)
STEAM_MOST_DB = 0.10
STEAM_NEAR_DB = (0.08, 0.6)
"""Where the detector hangs beside a bathroom's door (one flat in seven), which the site file says: `near_steam: true`."""
FUMES_DB = (0.03, 0.6)
SPIKES_PER_DAY = 0.06
SPIKE_DB = (0.02, 0.08)
"""Insects and flying dust in one detector: a single report, as the detector's own averaging over its interval leaves it."""
DYING = 0.02
"""Share of batteries that end within the month."""
FLAPPING = 0.03
"""Share of radio devices at the edge of reception."""


@dataclass(frozen=True, slots=True)
class Part:
    """A device of the compound and what the site file says of it."""

    id: str
    kind: str
    zone: str
    zh: str
    en: str
    gateway: str = ""
    attributes: Mapping[str, float | str | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Area:
    """A zone."""

    id: str
    kind: str
    zh: str
    en: str
    building: str = ""
    adjacent: tuple[str, ...] = ()
    attributes: Mapping[str, float | str | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Episode:
    """A nuisance at a detector: up to `peak` with `rise` as time constant, from `end` on down with `fall`. Milliseconds."""

    start: int
    end: int
    rise: int
    fall: int
    density: float = 0.0
    kelvin: float = 0.0

    @property
    def over(self) -> int:
        """When nothing is left of it."""
        return self.end + 4 * self.fall

    def share(self, t: int) -> float:
        """Of the peak at a moment."""
        if t <= self.start:
            return 0.0
        up = 1 - math.exp(-(min(t, self.end) - self.start) / self.rise)
        return up if t <= self.end else up * math.exp(-(t - self.end) / self.fall)


class Month:
    """The compound's devices and everything that they say in `days` days."""

    def __init__(self, seed: int = 1, days: float = 30, strength: float = 1.0, *, eager: bool = False) -> None:
        self.areas = tuple(_areas())
        self.parts = tuple(_parts())
        self._seed = seed
        self._until = round(days * DAY)
        self._strength = strength
        self._eager = eager
        gateways = [p.id for p in self.parts if p.kind == "gateway"]
        self._outages = {g: _outages(self._chance(f"outage/{g}"), self._until) for g in gateways}

    def entry(self) -> dict[str, object]:
        """The compound as an item of `sites:`."""
        zones = [
            {"id": a.id, "kind": a.kind, "name": {"zh": a.zh, "en": a.en}, "adjacent": list(a.adjacent), "attributes": dict(a.attributes)}
            | ({"building": a.building} if a.building else {})
            for a in self.areas
        ]  # fmt: skip
        buildings = [
            {"id": f"b{b}", "name": {"zh": f"{b}号楼", "en": f"Building {b}"}} for b in range(1, BUILDINGS + 1)
        ]
        devices = [
            {"id": p.id, "kind": p.kind, "zone": p.zone, "name": {"zh": p.zh, "en": p.en},
             "attributes": {**({"gateway": p.gateway} if p.gateway else {}), **p.attributes}}
            for p in self.parts
        ]  # fmt: skip
        name = {"zh": "悦溪花园", "en": "Brookside Gardens"}
        return {"id": SITE, "name": name, "buildings": buildings, "zones": zones, "devices": devices}

    def frames(self) -> Iterator[Frame]:
        """All messages in order of time."""
        return heapq.merge(*(self._of(p) for p in self.parts), key=lambda frame: frame.at_ms)

    def _chance(self, name: str) -> Random:
        return Random(f"{self._seed}/{name}")

    def _of(self, part: Part) -> Iterator[Frame]:
        rng = self._chance(part.id)
        flat = part.zone if part.zone.startswith("b") else ""
        if part.kind in ("smoke_detector", "heat_detector"):
            said = self._detector(part, rng, flat)
        else:
            said = _BEHAVIOUR[part.kind](part, rng, self._until)
        if part.kind == "gateway":
            return heapq.merge(said, self._gateway(part), key=lambda frame: frame.at_ms)
        return self._carried(part, said, self._chance(f"radio/{part.id}"))

    # --- the way to the broker ---------------------------------------------------------------------------------------

    def _gateway(self, part: Part) -> Iterator[Frame]:
        """Its last will when it goes, its word when it is back."""
        yield status(0, SITE, part.id, online=True)
        for start, end in self._outages[part.id]:
            yield status(start + 90_000, SITE, part.id, online=False)
            yield status(max(end, start + 91_000), SITE, part.id, online=True)

    def _carried(self, part: Part, said: Iterable[Frame], rng: Random) -> Iterator[Frame]:
        """Lost, repeated or late on the way; a gateway that comes back takes its battery devices for offline until each has spoken."""
        gateway, mains = part.gateway, part.attributes.get("power") == "mains"
        outages = list(self._outages.get(gateway, ()))
        if not mains and rng.random() < FLAPPING:
            yield from self._flapping(part, said, rng)
            return
        away = False
        for frame in said:
            while outages and frame.at_ms >= outages[0][1]:
                end = outages.pop(0)[1]
                if end < frame.at_ms:
                    yield status(end, SITE, part.id, online=False)
                    away = True
            if outages and frame.at_ms >= outages[0][0]:
                continue
            if not mains and part.kind != "fire_door" and rng.random() < LOSS:
                continue
            if away:
                yield status(frame.at_ms, SITE, part.id, online=True)
                away = False
            yield frame
            if not mains and rng.random() < 0.002:
                yield frame

    def _flapping(self, part: Part, said: Iterable[Frame], rng: Random) -> Iterator[Frame]:
        """In and out of reception: offline for minutes, several times a day; now and then an old reading comes late."""
        gone, back, last = round(rng.expovariate(1 / (4 * HOUR))), 0, 0
        offline = False
        kept: Frame | None = None
        for frame in said:
            if frame.at_ms >= gone:
                back = gone + round(min(3 * HOUR, rng.lognormvariate(math.log(4 * MINUTE), 1.0)))
                yield status(max(gone, last), SITE, part.id, online=False)
                offline, gone = True, back + round(rng.expovariate(1 / (4 * HOUR)))
            if frame.at_ms < back:
                kept = frame
                continue
            if offline:
                yield status(frame.at_ms, SITE, part.id, online=True)
                offline = False
                if kept is not None and rng.random() < 0.3:
                    at = START_MS + kept.at_ms
                    yield Frame(frame.at_ms, kept.topic, b'{"at":%d,' % at + kept.payload[1:])
                kept = None
            yield frame
            last = frame.at_ms

    # --- smoke and heat detectors ------------------------------------------------------------------------------------

    def _detector(self, part: Part, rng: Random, flat: str) -> Iterator[Frame]:
        smoke = part.kind == "smoke_detector"
        episodes = sorted(self._episodes(part, flat), key=lambda e: e.start)
        warm = self._chance(f"{part.zone}/warm").uniform(26, 30) + rng.uniform(-0.7, 0.7)
        swing, sun = (2.0, 0.0) if part.zone != "shed" else (6.0, 18.0)
        dust, drift = rng.uniform(0, 0.03), rng.uniform(0, 0.03) if rng.random() < 0.9 else rng.uniform(0.05, 0.10)
        life = _Battery(rng, self._until)
        tests = {9 * DAY + 10 * HOUR + rng.randrange(3 * HOUR)} if smoke and rng.random() < 0.5 else set()
        spikes = set(_moments(rng, self._until, SPIKES_PER_DAY / DAY)) if smoke else set()
        said_db = said_k = said_at = -1e9
        active: list[Episode] = []
        coming = iter([*episodes, None])
        upcoming = next(coming)
        forced = tests | {t + 8000 for t in tests}
        for t in self._instants(rng, episodes, sorted(forced | spikes)):
            while upcoming is not None and upcoming.start <= t:
                active.append(upcoming)
                upcoming = next(coming)
            active = [e for e in active if e.over >= t]
            noon = math.cos(2 * math.pi * (t - 14 * HOUR) / DAY)
            kelvin = (
                warm
                + swing * noon
                + sun * max(0.0, noon) ** 2
                + sum(e.kelvin * e.share(t) for e in active)
                + rng.gauss(0, NOISE_K)
            )
            density = (
                dust
                + drift * t / (30 * DAY)
                + self._strength * min(CERTIFIED_DB, sum(e.density * e.share(t) for e in active))
                + rng.gauss(0, NOISE_DB)
            )
            if t in spikes:
                density += self._strength * rng.uniform(*SPIKE_DB)
            regular = t % CHECK_IN == 0
            moved = self._eager or abs(density - said_db) > MOVED_DB or abs(kelvin - said_k) > MOVED_K
            if not (regular or moved or t in forced or t - said_at >= MINUTE):
                continue
            if life.empty(t):
                return
            said_db, said_k, said_at = density, kelvin, t
            values: dict[str, float | bool | str] = {"temperature": round(kelvin, 1)}
            if smoke:
                values |= {"smoke": t in tests, "smoke_density": round(max(0.0, density), 3), "test": t in tests}
            else:
                values |= {"heat": False}
            yield reading(t, SITE, part.id, {**values, **life.said(t, noon)})

    def _instants(self, rng: Random, episodes: Iterable[Episode], single: list[int]) -> Iterator[int]:
        """Check-ins, and every ten seconds while something is in the air; each once, in order."""
        phase = rng.randrange(LIVELY)
        lively = (t for e in episodes for t in range(e.start + phase, e.over, LIVELY))
        after = (t + LIVELY for t in single)
        last = -1
        for t in heapq.merge(range(0, self._until, CHECK_IN), sorted(lively), single, after):
            if last < t < self._until:
                yield t
                last = t

    def _episodes(self, part: Part, flat: str) -> Iterator[Episode]:
        if flat and "-f" in part.zone:
            yield from self._cooking(part)
            if part.kind == "smoke_detector":
                yield from self._steam(part)
        elif part.kind == "smoke_detector" and part.zone.startswith("garage"):
            yield from self._fumes(part)

    def _cooking(self, part: Part) -> Iterator[Episode]:
        """The same meals at the kitchen's heat detector and, thinner and later, at the smoke detector in the hall."""
        rng = self._chance(f"{part.zone}/meals")
        for day in range(0, self._until, DAY):
            for hour, spread, often, least, most in (
                (7, 40, 0.5, 8, 20),
                (11.75, 40, 0.5, 15, 40),
                (18, 50, 0.85, 20, 50),
            ):
                drawn = [rng.random() for _ in range(4)]
                start = day + round(hour * HOUR + rng.gauss(0, spread) * MINUTE)
                peak, kelvin = _peak(rng, COOKING_DB, CERTIFIED_DB), _peak(rng, COOKING_K, 14.0)
                if drawn[0] >= often:
                    continue
                end = start + round((least + (most - least) * drawn[1]) * MINUTE)
                if part.kind == "heat_detector":
                    yield Episode(start, end, round((4 + 4 * drawn[2]) * MINUTE), 6 * MINUTE, kelvin=kelvin)
                else:
                    late = round(30_000 + 60_000 * drawn[3])
                    yield Episode(
                        start + late, end + late, round((2 + 4 * drawn[2]) * MINUTE), 8 * MINUTE, peak, 0.1 * kelvin
                    )

    def _steam(self, part: Part) -> Iterator[Episode]:
        rng = self._chance(f"{part.zone}/showers")
        near = bool(part.attributes.get("near_steam"))
        for day in range(0, self._until, DAY):
            for _ in range(rng.randrange(1, 4)):
                start = day + round(rng.uniform(6, 8) * HOUR if rng.random() < 0.25 else rng.uniform(20, 23.5) * HOUR)
                peak = _peak(rng, STEAM_NEAR_DB, CERTIFIED_DB) if near else _peak(rng, STEAM_DB, STEAM_MOST_DB)
                end = start + rng.randrange(2 * MINUTE, 8 * MINUTE)
                yield Episode(start, end, rng.randrange(25_000, 60_000), 3 * MINUTE, peak, rng.uniform(0.2, 1.5))

    def _fumes(self, part: Part) -> Iterator[Episode]:
        """Exhaust at the rush hours, in all of a garage zone together."""
        rng = self._chance(f"{part.zone}/fumes")
        for day in range(0, self._until, DAY):
            for hour in (7.5, 8.25, 17.75, 18.5, 19.5):
                start = day + round((hour + rng.gauss(0, 0.3)) * HOUR)
                peak = _peak(rng, FUMES_DB, 0.15)
                yield Episode(start, start + rng.randrange(5, 15) * MINUTE, 3 * MINUTE, 5 * MINUTE, peak, 0.5)


class _Battery:
    """What a battery device says of its battery: an even decline, a flag that hovers in the cool of the night, silence at the end."""

    def __init__(self, rng: Random, until: int) -> None:
        self._full = rng.uniform(40, 100)
        self._ends = until * rng.uniform(0.3, 1.2) if rng.random() < DYING else math.inf
        self._rng = rng

    def empty(self, t: int) -> bool:
        """Nothing left to speak with."""
        return t >= self._ends

    def said(self, t: int, noon: float) -> dict[str, float | bool | str]:
        """Its percentage and flag; `noon` is 1 at the warmest time of the day and -1 at the coolest."""
        left = self._full * (1 - t / self._ends)
        return {"battery": round(left), "battery_low": left < 10 - 2 * noon + self._rng.gauss(0, 0.5)}


# --- the other kinds -------------------------------------------------------------------------------------------------


def _steady(part: Part, rng: Random, until: int, every: int = CHECK_IN) -> Iterator[int]:
    yield from range(rng.randrange(every), until, every)


def _gateway(part: Part, rng: Random, until: int) -> Iterator[Frame]:
    cuts = _moments(rng, until, 0.1 / DAY)
    for t in _steady(part, rng, until, MINUTE):
        # short cuts of the mains, below a minute
        mains_lost = any(cut <= t < cut + 45_000 for cut in cuts)
        yield reading(t, SITE, part.id, {"mains_lost": mains_lost, "fault": False})


def _call_point(part: Part, rng: Random, until: int) -> Iterator[Frame]:
    battery = _Battery(rng, until)
    for t in _steady(part, rng, until):
        if battery.empty(t):
            return
        yield reading(t, SITE, part.id, {"call_point": False, "test": False, **battery.said(t, 0)})


def _extinguisher(part: Part, rng: Random, until: int) -> Iterator[Frame]:
    filled = 1.2 + rng.uniform(-0.05, 0.08)
    leak = rng.uniform(0.1, 0.4) if rng.random() < 0.03 else 0.0
    for t in _steady(part, rng, until):
        warm = 1 + 0.02 * math.cos(2 * math.pi * (t - 14 * HOUR) / DAY)
        pressure = filled * warm - leak * t / (30 * DAY) + rng.gauss(0, 0.004)
        yield reading(t, SITE, part.id, {"pressure": round(pressure, 3), "discharged": False, "missing": False})


def _hydrant(part: Part, rng: Random, until: int) -> Iterator[Frame]:
    """Water hammer in single samples, a dip of two minutes when a pump takes over, less at breakfast and supper."""
    for t in _steady(part, rng, until, 2 * MINUTE):
        draw = 0.05 * (math.exp(-((t % DAY / HOUR - 7.5) ** 2)) + math.exp(-((t % DAY / HOUR - 19) ** 2) / 2))
        dip = rng.uniform(0.05, 0.25) if rng.random() < 0.002 else 0.0
        yield reading(t, SITE, part.id, {"pressure": round(max(0.0, 0.32 - draw - dip + rng.gauss(0, 0.006)), 3)})


def _fire_door(part: Part, rng: Random, until: int) -> Iterator[Frame]:
    """Opened six times an hour by day, for seconds; one in four hundred stays held open while somebody carries things."""
    closes = 0
    checks = ((t, False) for t in _steady(part, rng, until))
    for t, opens in heapq.merge(checks, [(t, True) for t in _moments(rng, until, 4 / HOUR)]):
        if t <= closes:
            continue
        if not opens or t % DAY < 6 * HOUR:
            yield reading(t, SITE, part.id, {"door_open": False})
            continue
        yield reading(t, SITE, part.id, {"door_open": True})
        held = rng.uniform(90, 420) if rng.random() < 1 / 400 else rng.uniform(4, 45)
        closes = t + round(held * 1000)
        yield reading(closes, SITE, part.id, {"door_open": False})


def _charger(part: Part, rng: Random, until: int) -> Iterator[Frame]:
    """Sessions of hours, warm plugs, the inrush of a charger in the first sample, two in a hundred left over ten hours."""
    begins, lasts, resistance = rng.randrange(4 * HOUR), 0, 0.0
    counted = 0.0
    for t in _steady(part, rng, until, MINUTE):
        if t >= begins + lasts + rng.randrange(1, HOUR) and lasts:
            begins, lasts = t + round(rng.uniform(0.3, 8) * HOUR), 0
        charging = t >= begins
        if charging and not lasts:
            lasts = round((rng.uniform(10.5, 12) if rng.random() < 0.02 else rng.uniform(1.5, 9)) * HOUR)
            resistance = rng.lognormvariate(math.log(6), 0.6)
        since = (t - begins) / 1000 if charging else 0.0
        full = 0.8 * lasts / 1000
        current = 0.0 if not charging else 1.9 if since < full else 0.08
        if charging and since < 60:
            current += rng.uniform(0, 6)
        counted += current * 220 / 60_000
        ambient = 29 + 5 * math.cos(2 * math.pi * (t - 15 * HOUR) / DAY)
        port = (
            ambient + min(25.0, resistance) * min(1.0, since / 1200) * (1 if since < full else 0.2) + rng.gauss(0, 0.3)
        )
        yield reading(t, SITE, part.id, {
            "voltage": round(220 + rng.gauss(0, 2), 1), "current": round(current, 2), "power": round(220 * current, 1),
            "port_temperature": round(port, 1), "charging": charging, "charging_time": round(since),
            "float_time": round(max(0.0, since - full)), "leakage_current": round(abs(rng.gauss(3, 1)), 1), "relay_welded": False,
        })  # fmt: skip


def _thermal_camera(part: Part, rng: Random, until: int) -> Iterator[Frame]:
    """Bonnets cool within a quarter of an hour; one car in twenty shows a hot exhaust for a minute or two; evening sun on the ramp."""
    bonnet, hot_until, exhaust = 0.0, 0, 0.0
    for t in _steady(part, rng, until, 30_000):
        busy = 1.0 if 7 <= t % DAY / HOUR < 22 else 0.1
        mean = 28 + 2 * math.cos(2 * math.pi * (t - 15 * HOUR) / DAY) + rng.gauss(0, 0.1)
        bonnet *= math.exp(-30 / 900)
        if rng.random() < 0.025 * busy:
            bonnet = max(bonnet, rng.uniform(8, 45))
            if rng.random() < 0.05:
                hot_until, exhaust = t + rng.randrange(MINUTE), rng.uniform(45, 85)
        sun = 25.0 if part.zone == "garage-ramp" and 17 <= t % DAY / HOUR < 18.5 else 0.0
        hottest = mean + 2 + max(bonnet, sun, exhaust if t < hot_until else 0.0) + rng.gauss(0, 0.3)
        yield reading(t, SITE, part.id, {"thermal_max": round(hottest, 1), "thermal_mean": round(mean, 1)})


_PASSING: Mapping[str, tuple[tuple[str, float, float], ...]] = {
    "fire_lane": (("car", 8, 100), ("van", 20, 110), ("person", 5, 60), ("motorcycle", 20, 900), ("bicycle", 10, 900)),
    "operation_area": (("person", 10, 120), ("car", 5, 40), ("motorcycle", 20, 600)),
    "garage": (("car", 5, 40), ("person", 8, 60)),
    "charging": (("person", 20, 180), ("bicycle", 20, 300)),
    "shed": (("person", 20, 180), ("bicycle", 20, 300)),
    "lobby": (("person", 3, 40), ("person", 3, 90), ("bicycle", 3, 15)),
    "lift": (("person", 10, 60), ("person", 10, 60), ("bicycle", 10, 40)),
}
"""Kind of area → who passes, and the seconds that they stay at least and at most; delivery bikes stand about."""
OVERSTAYS = 0.01
"""Share of the vehicles in a fire lane that stay for 3 to 15 minutes: those are no nuisance, and to be told."""


def _camera(part: Part, rng: Random, until: int) -> Iterator[Frame]:
    """Sees who passes, one at a time; in between single frames with something that is not there."""
    where = part.attributes["sees"]
    passing = _PASSING[str(where)]
    number = 0
    busy_until = 0
    errors = _moments(rng, until, 3 / DAY)
    visits = _moments(rng, until, 4 / HOUR)
    moments = heapq.merge(
        ((t, 0) for t in _steady(part, rng, until, 10 * MINUTE)), ((t, 1) for t in visits), ((t, 2) for t in errors)
    )
    for t, what in moments:
        if t < busy_until:
            continue
        number += 1
        name = f"t{number}"
        if what == 0:
            yield reading(t, SITE, part.id, {"vehicle_count": 0, "person_count": 0, "video_lost": False})
        elif what == 2:
            label = rng.choice(("fire", "smoke", "cigarette", "car", "motorcycle"))
            yield reading(
                t,
                SITE,
                part.id,
                {"object": label, "object_id": name, "score": round(rng.uniform(0.4, 0.75), 2), "dwell": 0},
            )
            yield _gone(t + 1000, part, label, name)
            busy_until = t + 2000
        elif 6 <= t % DAY / HOUR < 23:
            label, least, most = rng.choice(passing)
            stays = rng.uniform(least, most)
            if where == "fire_lane" and label in ("car", "van") and rng.random() < OVERSTAYS:
                stays = rng.uniform(180, 900)
            yield from _visit(part, rng, t, label, name, stays)
            busy_until = t + round(stays * 1000) + 5000


def _visit(part: Part, rng: Random, start: int, label: str, name: str, stays: float) -> Iterator[Frame]:
    at = 0.0
    while at < stays:
        score = round(min(0.99, max(0.45, rng.gauss(0.8, 0.08))), 2)
        said: dict[str, float | bool | str] = {
            "object": label,
            "object_id": name,
            "score": score,
            "dwell": round(at, 1),
        }
        said["vehicle_count"] = int(label in ("car", "van", "truck", "bus"))
        yield reading(start + round(at * 1000), SITE, part.id, said)
        at += 2 if at < 10 else 10 if at < 150 else 30
    yield _gone(start + round(stays * 1000), part, label, name)


def _gone(t: int, part: Part, label: str, name: str) -> Frame:
    return reading(
        t, SITE, part.id, {"object": label, "object_id": name, "object_left": True, "dwell": 0, "vehicle_count": 0}
    )


_BEHAVIOUR = {
    "gateway": _gateway, "call_point": _call_point, "extinguisher": _extinguisher, "hydrant": _hydrant,
    "fire_door": _fire_door, "charger": _charger, "thermal_camera": _thermal_camera, "camera": _camera,
}  # fmt: skip


# --- chance ----------------------------------------------------------------------------------------------------------


def _peak(rng: Random, median_sigma: tuple[float, float], most: float) -> float:
    """Log-normal, and drawn again when it is above `most`: no heap of nuisances at the very limit."""
    median, sigma = median_sigma
    while (peak := rng.lognormvariate(math.log(median), sigma)) > most:
        pass
    return peak


def _moments(rng: Random, until: int, per_ms: float) -> list[int]:
    """Moments of a Poisson process, whole milliseconds."""
    found, t = [], 0.0
    while (t := t + rng.expovariate(per_ms)) < until:
        found.append(round(t))
    return found


def _outages(rng: Random, until: int) -> list[tuple[int, int]]:
    """Restarts of one to four minutes, twice a month; a cut of half an hour to three hours every second month."""
    restarts = [(t, t + rng.randrange(MINUTE, 4 * MINUTE)) for t in _moments(rng, until, 2 / (30 * DAY))]
    cuts = [(t, t + rng.randrange(30 * MINUTE, 3 * HOUR)) for t in _moments(rng, until, 0.5 / (30 * DAY))]
    found: list[tuple[int, int]] = []
    for start, end in sorted([*restarts, *cuts]):
        if not found or start > found[-1][1] + HOUR:
            found.append((start, end))
    return found


# --- the compound ----------------------------------------------------------------------------------------------------

_GARAGE = (("garage-west", "车库西区", "Garage west", 16), ("garage-east", "车库东区", "Garage east", 16))


def _areas() -> Iterator[Area]:
    for zone, zh, en, _ in _GARAGE:
        yield Area(zone, "garage", zh, en, adjacent=("garage-ramp",))
    yield Area("garage-ramp", "garage", "车库坡道", "Garage ramp")
    yield Area(
        "garage-charging", "charging", "车库充电区", "Charging bays", adjacent=("garage-east",), attributes={"bays": 24}
    )
    yield Area("shed", "shed", "室外充电棚", "Charging shed", attributes={"bays": 8})
    for n in (1, 2, 3, 4):
        yield Area(f"lane-{n}", "fire_lane", f"{n}号消防车道", f"Fire lane {n}")
    yield Area("climb-1", "operation_area", "登高操作场地1", "Operation area 1")
    yield Area("climb-2", "operation_area", "登高操作场地2", "Operation area 2")
    yield Area("shops", "corridor", "商铺走廊", "Shop corridor")
    for b in range(1, BUILDINGS + 1):
        yield Area(f"b{b}-lobby", "lobby", f"{b}号楼门厅", f"Building {b}, lobby", f"b{b}", (f"b{b}-stairs",))
        yield Area(f"b{b}-stairs", "stairwell", f"{b}号楼楼梯间", f"Building {b}, stairwell", f"b{b}")
        yield Area(f"b{b}-lift", "lift", f"{b}号楼电梯", f"Building {b}, lift", f"b{b}")
        for f in range(1, FLATS + 1):
            alone = {"elderly_alone": True} if f == b else {}
            name = f"{b}-{f}"
            yield Area(f"b{b}-f{f}", "dwelling", f"{name}室", f"Flat {name}", f"b{b}", (f"b{b}-stairs",), alone)


def _parts() -> Iterator[Part]:
    mains = {"power": "mains"}
    yield Part("gateway-garage", "gateway", "garage-ramp", "车库网关", "Garage gateway", attributes=mains)
    yield Part("gateway-yard", "gateway", "shed", "室外网关", "Yard gateway", attributes=mains)
    counts = {"garage-west": 16, "garage-east": 16, "garage-ramp": 4, "garage-charging": 6}
    yield from _row(counts, "smoke_detector", "smoke", "车库烟感", "Garage smoke", "gateway-garage")
    yield from _row({"garage-charging": 6}, "heat_detector", "heat", "车库温感", "Garage heat", "gateway-garage")
    # under a tin roof in July
    yield from _row(
        {"shed": 2}, "heat_detector", "shed-heat", "充电棚温感", "Shed heat", "gateway-yard", heat_class="B"
    )
    counts = {"garage-west": 8, "garage-east": 8, "garage-ramp": 2, "garage-charging": 4}
    yield from _row(counts, "extinguisher", "powder", "干粉灭火装置", "Powder unit", "gateway-garage")
    counts = {"garage-west": 1, "garage-east": 1, "garage-ramp": 1, "garage-charging": 1}
    yield from _row(counts, "call_point", "call", "车库手报", "Garage call point", "gateway-garage")
    yield from _row(counts, "fire_door", "door", "车库防火门", "Garage fire door", "gateway-garage")
    yield from _row(counts, "thermal_camera", "thermal", "热成像仪", "Thermal camera", "", power="mains")
    yield from _row(
        {"garage-charging": 24},
        "charger",
        "charger",
        "充电口",
        "Charger",
        "gateway-garage",
        power="mains",
        rated_current=10.0,
    )
    yield from _row(
        {"shed": 8},
        "charger",
        "shed-charger",
        "充电棚充电口",
        "Shed charger",
        "gateway-yard",
        power="mains",
        rated_current=10.0,
    )
    yield from _row(
        {"lane-1": 2, "lane-2": 2, "lane-3": 2, "lane-4": 2}, "hydrant", "hydrant", "消火栓", "Hydrant", "gateway-yard"
    )
    yield from _row({"shops": 40}, "smoke_detector", "shops-smoke", "商铺烟感", "Shop smoke", "gateway-yard")
    for zone, kind, many in (
        ("garage-west", "garage", 3), ("garage-east", "garage", 3), ("garage-charging", "charging", 1), ("shed", "shed", 1),
        ("lane-1", "fire_lane", 1), ("lane-2", "fire_lane", 1), ("lane-3", "fire_lane", 1), ("lane-4", "fire_lane", 1),
        ("climb-1", "operation_area", 1), ("climb-2", "operation_area", 1),
    ):  # fmt: skip
        yield from _row({zone: many}, "camera", f"camera-{zone}", "摄像机", "Camera", "", power="mains", sees=kind)
    for b in range(1, BUILDINGS + 1):
        yield from _building(b)


def _building(b: int) -> Iterator[Part]:
    gateway = f"gateway-b{b}"
    yield Part(
        gateway, "gateway", f"b{b}-lobby", f"{b}号楼网关", f"Building {b} gateway", attributes={"power": "mains"}
    )
    for suffix, kind, zone, zh, en in (
        ("lobby-smoke", "smoke_detector", "lobby", "门厅烟感", "lobby smoke"),
        ("stairs-smoke", "smoke_detector", "stairs", "楼梯间烟感", "stairwell smoke"),
        ("call", "call_point", "lobby", "手报", "call point"),
        ("powder", "extinguisher", "lobby", "灭火器", "extinguisher"),
        ("door", "fire_door", "stairs", "楼梯间防火门", "stairwell door"),
    ):
        yield Part(f"b{b}-{suffix}", kind, f"b{b}-{zone}", f"{b}号楼{zh}", f"Building {b}, {en}", gateway)
    for place, zh, en in (("lobby", "门厅摄像机", "lobby camera"), ("lift", "电梯摄像机", "lift camera")):
        attributes: Mapping[str, float | str | bool] = {"power": "mains", "sees": place}
        yield Part(
            f"b{b}-{place}-camera", "camera", f"b{b}-{place}", f"{b}号楼{zh}", f"Building {b}, {en}", "", attributes
        )
    for f in range(1, FLATS + 1):
        flat = f"b{b}-f{f}"
        near: Mapping[str, bool] = {"near_steam": True} if (b * FLATS + f) % 7 == 0 else {}
        yield Part(f"{flat}-smoke", "smoke_detector", flat, f"{b}-{f}室烟感", f"Flat {b}-{f}, smoke", gateway, near)
        yield Part(f"{flat}-heat", "heat_detector", flat, f"{b}-{f}室厨房温感", f"Flat {b}-{f}, kitchen heat", gateway)


def _row(
    counts: Mapping[str, int], kind: str, prefix: str, zh: str, en: str, gateway: str, **attributes: float | str
) -> Iterator[Part]:
    zones = [zone for zone, count in counts.items() for _ in range(count)]
    for n, zone in enumerate(zones, 1):
        yield Part(f"{prefix}-{n}", kind, zone, f"{zh}{n}", f"{en} {n}", gateway, attributes)
