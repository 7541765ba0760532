"""The generic dwellings of the towers: any number of smoke and heat detectors that check in once a minute.

A wheel: the devices are spread evenly over the minute, so that message number n is known without any that came before it. No state, no
heap; each message costs the same however many devices there are, and any moment can be reached at once. Nothing burns here.
"""

from __future__ import annotations

from collections.abc import Iterator

from simulators.places import PER_FLOOR, TOWER_FLOORS
from simulators.wire import Frame

TURN_MS = 60_000
_MASK = (1 << 64) - 1
_SMOKE = tuple(f'"smoke_density":{n / 1000:g}' for n in range(64))
_TEMPERATURE = tuple(f'"temperature":{20 + n / 16:.1f}' for n in range(64))


class Towers:
    """`count` devices of a site, seeded."""

    def __init__(self, site: str, count: int, seed: int, loss: float) -> None:
        self.count = count
        self._seed = seed
        self._lost = round(loss * (1 << 16))
        self._topics = [f"wl/{site}/{device(n)}/up" for n in range(count)]

    def frames(self, from_ms: int) -> Iterator[Frame]:
        """All messages from a moment on, without end; none when there is no device."""
        count, seed, lost, topics = self.count, self._seed, self._lost, self._topics
        if not count:
            return
        number = -(-from_ms * count // TURN_MS)
        while True:
            chance = mixed(seed ^ number)
            if chance & 0xFFFF >= lost:
                n = number % count
                yield Frame(number * TURN_MS // count, topics[n], payload(n, chance >> 16))
            number += 1


def device(n: int) -> str:
    """The name of the n-th device: `r1-f1-smoke-1`, `r1-f1-heat-1`, `r1-f1-smoke-2`, …"""
    floor, place = divmod(n, PER_FLOOR)
    tower, floor = divmod(floor, TOWER_FLOORS)
    return f"r{tower + 1}-f{floor + 1}-{'heat' if place % 2 else 'smoke'}-{place // 2 + 1}"


def payload(n: int, chance: int) -> bytes:
    """What the n-th device says; `chance` are 32 random bits or more."""
    battery = 60 + mixed(n) % 41
    temperature = _TEMPERATURE[(n & 31) + (chance & 31)]
    if n % 2:
        return f'{{"heat":false,{temperature},"battery":{battery}}}'.encode()
    return f'{{"smoke":false,{_SMOKE[(n & 15) + (chance >> 8 & 31)]},{temperature},"battery":{battery}}}'.encode()


def mixed(number: int) -> int:
    """64 well mixed bits from a number: SplitMix64 (Steele, Lea and Flood 2014)."""
    z = (number + 1) * 0x9E3779B97F4A7C15 & _MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
    return z ^ z >> 31
