"""What a reading is worth as evidence of the present, beside what its device has told before.

Knows no rules and no alarms: it judges the moments and the freshness of words.
"""

from __future__ import annotations

from rules.model import MINUTE, SECOND, Freshness, Micros, Reading
from rules.timers import NEVER
from rules.watch import Seen

OUTDATED_WITHIN: Micros = 2 * MINUTE
"""An older, late reading is outdated if a live one came this shortly before it."""
DOUBTED_FOR: Micros = 10 * SECOND
"""What a device says so soon after it was offline may be what its gateway had kept from before."""
SAID_ONCE = frozenset({"call_point"})
"""Pressed by a person, who is not asked to press it twice: a battery call point wakes, says that it is back, that it was pressed, and
sleeps again."""


def outdated(at: Micros, seen: Seen, freshness: Freshness, measured_at: Micros | None) -> bool:
    """Does a reading that is not live tell less than what is known?"""
    if freshness is Freshness.LATE and measured_at is not None:
        # Older than what the device itself has just told: history only. Otherwise it is the best we know, and danger in it may
        # still be burning; that holds as well for a device whose clock was set back, which sends nothing newer.
        if measured_at <= seen.measured_at and at - seen.live_at < OUTDATED_WITHIN:
            return True
        seen.measured_at = measured_at
    # a retained one is a copy of the past; what the device itself said since then is better
    return freshness is Freshness.RETAINED and bool(seen.last_at)


def doubted(at: Micros, seen: Seen, reading: Reading) -> Freshness:
    """What a reading of a device is worth that is, or was just now, offline."""
    freshness = reading.freshness
    if reading.values.get("online") is False:
        if freshness is Freshness.LIVE and seen.certain_from != NEVER:
            seen.certain_from, seen.lost_at = NEVER, at
    else:
        if seen.certain_from == NEVER:
            seen.certain_from = at + DOUBTED_FOR
        if freshness is Freshness.LIVE and _of_now(seen, reading):
            seen.certain_from = None
        if reading.values.keys() != {"online"}:  # the word that it is back is certain
            freshness = worth(at, seen, freshness)
        if seen.certain_from is not None and at >= seen.certain_from:
            seen.certain_from = None
    return freshness


def _of_now(seen: Seen, reading: Reading) -> bool:
    """Can no gateway have kept it from before the device was lost?"""
    if seen.device.kind in SAID_ONCE:
        return True
    return reading.measured_at is not None and reading.measured_at > seen.lost_at


def worth(at: Micros, seen: Seen, freshness: Freshness | None = None) -> Freshness:
    """What the device's newest word is worth now."""
    found = seen.freshness if freshness is None else freshness
    doubtful = seen.certain_from is not None and at < seen.certain_from < NEVER
    return Freshness.LATE if doubtful and found is Freshness.LIVE else found
