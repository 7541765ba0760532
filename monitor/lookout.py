"""What a message means: decoded, known or unknown, fresh or stale, and then the engine's answer.

Pure, like the engine it owns: the daemon, the replay and the recovery feed it the same messages and get the same answers. Knows no
broker, no database, no clock; `message.at` is the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from monitor.decoders import Decoded, Undecodable
from monitor.decoders.moves import is_move, move
from monitor.decoders.registry import decode
from monitor.ports import Message, Point, Quarantined, TapeRecord, Verdict
from monitor.tape import MESSAGE, message_of
from rules.engine import Engine
from rules.model import HOUR, MINUTE, SECOND, Effect, Freshness, Micros, Neighbourhood, Reading, Refused
from rules.rule import RuleBook

FIRST_CREDIBLE: Micros = 1_577_836_800 * SECOND
"""2020-01-01T00:00Z: a clock that says less has lost its battery."""
LAST_CREDIBLE: Micros = 24 * HOUR
"""A clock that is further ahead of ours than this is broken, not fast."""
KEPT_PAYLOAD = 2048
"""Bytes of a payload that the quarantine and the tape keep of a message that is too large."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where freshness ends and what is too much."""

    late_after: Micros = 2 * MINUTE
    future_tolerance: Micros = 30 * SECOND
    max_payload: int = 65_536
    remembered: int = 32_768
    """Messages among which a duplicate is recognised at least (at most twice as many); more than any broker keeps in flight."""


class Sight(NamedTuple):
    """What became of one message."""

    verdict: Verdict
    effects: Sequence[Effect] = ()
    device: str = ""
    quarantined: Sequence[Quarantined] = ()


_VERDICTS = {freshness: Verdict(freshness.value) for freshness in Freshness}


class Lookout:
    """Owns the engine and what is needed to tell fresh from stale."""

    def __init__(self, book: RuleBook, neighbourhood: Neighbourhood, limits: Limits = Limits()) -> None:
        self.engine = Engine(book, neighbourhood)
        self._limits = limits
        # Two generations: forgetting the oldest one by one would cost more than remembering.
        self._young: dict[bytes, None] = {}
        self._old: dict[bytes, None] = {}

    def see(self, m: Message) -> Sight:
        """Decode, judge and evaluate one message. Never raises for what a device sends."""
        if len(m.payload) > self._limits.max_payload:
            return self._reject(m, "too-large", f"{len(m.payload)} bytes; at most {self._limits.max_payload} are read")
        if not m.payload:
            if m.retain:
                return Sight(Verdict.RETAINED)  # a retained message was deleted: nothing to learn
            return self._reject(m, "empty", "the payload is empty")
        try:
            if is_move(m.topic):
                return self._move(m)
            said = decode(m.topic, m.payload)
        except Undecodable as problem:
            return self._reject(m, problem.reason, problem.detail, problem.device)
        if said is None:
            return Sight(Verdict.OWN)
        if not self.engine.knows(said.device):
            return Sight(Verdict.UNREGISTERED, device=said.device)
        freshness, quarantined = self._judge(m, said)
        if said.faults:
            quarantined = [*quarantined, *(_aside(m, fault.reason, fault.detail) for fault in said.faults)]
        if freshness is Freshness.DUPLICATE:
            return Sight(Verdict.DUPLICATE, device=said.device)
        measured_at = said.measured_at
        if freshness is Freshness.LATE and measured_at is not None and measured_at < FIRST_CREDIBLE:
            measured_at = None  # a clock that lost its battery orders nothing: the reading may well be the newest
        effects = self.engine.handle(Reading(m.at, said.device, said.values, freshness, measured_at, said.exercise))
        return Sight(_VERDICTS[freshness], effects, said.device, quarantined)

    def _move(self, m: Message) -> Sight:
        """What a person does, said over MQTT. One that waited in the broker still counts; one that is stored there does not.

        Raises Undecodable.
        """
        site, done = move(m.topic, m.payload, m.at)
        if m.retain:
            return self._reject(
                m, "move", "a retained move would be made anew at each start; publish it without retain"
            )
        known = self.engine.incident(done.incident)
        if known is None or known.site != site:
            return self._reject(m, "move", f"{site} has no open incident {done.incident}")
        if self._is_duplicate(m, told_apart=False):
            return Sight(Verdict.DUPLICATE)
        effects = self.engine.handle(done)
        refused = [_aside(m, "move-refused", e.reason) for e in effects if isinstance(e, Refused)]
        return Sight(Verdict.MOVE, effects, quarantined=refused)

    def _judge(self, m: Message, said: Decoded) -> tuple[Freshness, Sequence[Quarantined]]:
        measured_at = said.measured_at
        if self._is_duplicate(m, said.id is not None or measured_at is not None):
            return Freshness.DUPLICATE, ()
        if m.retain and not _is_status(said):
            return Freshness.RETAINED, ()
        if measured_at is None:
            return Freshness.LIVE, ()
        limits = self._limits
        ahead = measured_at - m.at
        if ahead > limits.future_tolerance:
            return Freshness.FUTURE, [_aside(m, "clock", _AHEAD)] if ahead > LAST_CREDIBLE else []
        if ahead < -limits.late_after:
            return Freshness.LATE, [_aside(m, "clock", _BEHIND)] if measured_at < FIRST_CREDIBLE else []
        return Freshness.LIVE, ()

    def _is_duplicate(self, m: Message, told_apart: bool) -> bool:
        """The same words about the same moment, or the broker's own repetition of one delivery.

        Without a time or an id two equal messages may well be two readings, so only the broker's DUP flag together with the same
        packet identifier makes the second one a duplicate. An id that comes back with other content is a new reading: a device
        that restarted its counter must be heard.
        """
        text = m.topic.encode() + b"\n" + m.payload
        mark = blake2b(text if told_apart else b"%d\n%b" % (m.token & 0xFFFF, text), digest_size=8).digest()
        if (mark in self._young or mark in self._old) and (told_apart or m.dup):
            return True
        if not m.retain:  # the queued original may come after the broker's retained copy of it, and must count
            self._young[mark] = None
            if len(self._young) >= self._limits.remembered:
                self._old, self._young = self._young, {}
        return False

    def _reject(self, m: Message, reason: str, detail: str, device: str | None = None) -> Sight:
        return Sight(Verdict.REJECTED, device=device or "", quarantined=[_aside(m, reason, detail)])

    def snapshot(self) -> dict[str, Any]:
        """All state as plain values, with the book that the alarms were raised under."""
        return {
            "engine": self.engine.snapshot(),
            "remembered": [b"".join(self._old), b"".join(self._young)],
            "book": [list(text) for text in self.engine.book.texts],
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Become the lookout that made the snapshot; the book of the snapshot must be in force already."""
        self._old, self._young = (
            {marks[i : i + 8]: None for i in range(0, len(marks), 8)} for marks in data["remembered"]
        )
        self.engine.restore(data["engine"])


def _is_status(said: Decoded) -> bool:
    """A retained status is the present by its nature: it is the last will, or the device's word that it is back."""
    return said.values.keys() == {"online"}


_AHEAD = "at: more than a day ahead of us: the device's clock is wrong, set it; the reading was taken as of its arrival"
_BEHIND = "at: before 2020: the device's clock is wrong, set it; the reading was taken as of its arrival"


def _aside(m: Message, reason: str, detail: str) -> Quarantined:
    return Quarantined(m.at, reason, detail, m.topic[:512], m.payload[:KEPT_PAYLOAD])


def observed_at(at: Micros, measured_at: Micros | None, tolerance: Micros) -> Micros:
    """When a reading belongs in the history: the device's own time if it is credible, else its arrival."""
    if measured_at is None or not FIRST_CREDIBLE <= measured_at <= at + tolerance:
        return at
    return measured_at


_KEPT = frozenset({Verdict.LIVE.value, Verdict.LATE.value, Verdict.FUTURE.value})


def points(record: TapeRecord, neighbourhood: Neighbourhood, limits: Limits) -> list[Point]:
    """The readings of a tape record as history points. A retained message is a copy of an earlier one and adds nothing, and what a drill
    made up was never measured."""
    out: list[Point] = []
    for seq, row in enumerate(record.rows, record.first_seq):
        if row[0] != MESSAGE or row[6] not in _KEPT:
            continue
        m = message_of(row)
        try:
            said = decode(m.topic, m.payload)
        except (
            Undecodable
        ):  # an older version could read it; it stays on the tape, and must not hold up all that come after it
            continue
        device = neighbourhood.device(said.device) if said else None
        if said is None or device is None or said.exercise:
            continue
        moment = observed_at(m.at, said.measured_at, limits.future_tolerance)
        # The tape's number below the device's own resolution: two readings of one moment do not overwrite each other, and a
        # repeated write is the same. Clocks of devices count milliseconds at best, which leaves room for a million.
        room = 1_000_000 if moment % 1000 == 0 else 1000
        out.append(Point(said.device, device.kind, device.zone, moment * 1000 + seq % room, said.values))
    return out
