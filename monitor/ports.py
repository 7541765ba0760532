"""What the daemon asks of the outside world: a few small contracts, and the two ways in which they fail.

Knows no library and no protocol. Every implementation passes the suite of its port in `tests/contracts/`.

    PortError
    ├── TryAgain      it may work later (connection refused, time-out, 5xx, 429): keep it and come back
    └── NeverWill     it will not work as it is (400, an error code that blames the message): set it aside and say so
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from rules.model import Incident, Micros, Push, Suppression, Value


class PortError(Exception):
    """A port could not do what it was asked."""


class TryAgain(PortError):
    """Not now. `after` is the number of seconds that the other side asked for, if it did."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class NeverWill(PortError):
    """Not as it is: trying the same again is useless."""


# --- what comes in ----------------------------------------------------------------------------------------------------


class Message(NamedTuple):
    """One MQTT message as it arrived: the unit of the tape."""

    at: Micros
    """Arrival, by the daemon's clock; never runs backwards."""
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    token: int = 0
    """Which delivery of the broker this is (session generation and packet identifier); 0 when there is nothing to acknowledge."""


class Verdict(StrEnum):
    """What became of a message; every received one has exactly one. The account is received = the sum of these."""

    LIVE = "live"
    RETAINED = "retained"
    LATE = "late"
    FUTURE = "future"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    UNREGISTERED = "unregistered"
    MOVE = "move"
    """What a person does to an incident, said over MQTT; the engine has answered it, perhaps with a refusal."""
    OWN = "own"
    """Our own words or commands coming back on a wildcard subscription."""


EVALUATED = frozenset(
    {
        Verdict.LIVE.value,
        Verdict.LATE.value,
        Verdict.FUTURE.value,
        Verdict.RETAINED.value,
        Verdict.MOVE.value,
    }
)
"""Verdicts of what the engine has seen: a recovery shows it the same again."""


class Feed(Protocol):
    """Where messages come from. `start` returns at once and keeps the connection up by itself; messages go into the inbox."""

    async def start(self) -> None:
        """Begin to connect; return without waiting for the connection."""

    async def pause(self) -> None:
        """Take no more messages; those already handed over can still be acknowledged. First step of shutdown."""

    def acknowledge(self, tokens: Sequence[int]) -> None:
        """These messages are safe. Tokens of an earlier connection are ignored: the broker will deliver those again."""

    async def stop(self) -> None:
        """Say goodbye and close; the broker keeps the session and queues."""


# --- what goes out ----------------------------------------------------------------------------------------------------


class Channel(Protocol):
    """A way to tell somebody something."""

    name: str

    async def send(self, push: Push, *, attempt: int) -> str:
        """Deliver once; return the provider's own answer, short and without secrets. May be called again with the same key.

        Raises TryAgain or NeverWill; nothing else for whatever the network or the provider does. Cancellation (the outbox's
        per-attempt time-out) leaves no connection behind.
        """

    async def check(self) -> str:
        """Is this channel usable, without paging anybody? One line for `wanglou doctor`. Raises TryAgain or NeverWill."""

    async def aclose(self) -> None:
        """Release connections."""


class Point(NamedTuple):
    """One reading for the history."""

    device: str
    """`site/device`."""
    kind: str
    """Kind of the device: the measurement."""
    zone: str
    """`site/zone`."""
    at_ns: int
    """Nanoseconds. The digits below what the device's clock resolves (six at most) carry the tape's number: no two readings of a device
    share a moment, and writing one again changes nothing."""
    values: Mapping[str, Value]


class Bucket(NamedTuple):
    """Downsampled: what one quantity did within one step of time."""

    at: Micros
    """Start of the bucket."""
    low: float
    mean: float
    high: float
    samples: int


class History(Protocol):
    """Long memory of every reading. Writing the same points again changes nothing."""

    async def write(self, points: Sequence[Point]) -> None:
        """Keep them all, or raise: TryAgain (nothing may be assumed), NeverWill (at least one of them is poison).

        Numbers and booleans are written as floats (True is 1.0), texts as strings.
        """

    async def read(
        self, device: str, kind: str, quantity: str, start: Micros, stop: Micros, limit: int
    ) -> list[tuple[Micros, float]]:
        """The raw series in [start, stop), oldest first, at most `limit` points."""

    async def buckets(
        self, device: str, kind: str, quantity: str, start: Micros, stop: Micros, step: Micros
    ) -> list[Bucket]:
        """Downsampled series in [start, stop), buckets aligned to multiples of `step` since the epoch, empty ones left out."""

    async def check(self) -> str:
        """Reachable and writable? One line for `wanglou doctor`. Raises TryAgain or NeverWill."""

    async def aclose(self) -> None:
        """Release connections."""


# --- the ledger -------------------------------------------------------------------------------------------------------


class Quarantined(NamedTuple):
    """A message, or a part of one, that was set aside."""

    at: Micros
    reason: str
    """A short class for counting: `not-json`, `unknown-quantity`, `out-of-range`, `wrong-type`, `clock`, `too-large`, …"""
    detail: str
    """One sentence: what is wrong and what to do."""
    topic: str
    payload: bytes
    """At most 2 kB of it."""


@dataclass(slots=True)
class Batch:
    """Everything that one transaction writes. `rows` is one record of the tape: events in the order they were handled."""

    rows: list[tuple[object, ...]] = field(default_factory=list)
    first_at: Micros = 0
    last_at: Micros = 0
    incidents: dict[str, Incident] = field(default_factory=dict)
    entries: list[tuple[Micros, str, str, str]] = field(default_factory=list)
    """(at, incident, step, detail as JSON)"""
    pushes: list[Push] = field(default_factory=list)
    settled: list[tuple[str, str, int, str, Micros | None]] = field(default_factory=list)
    """(key, outcome, attempts, reply, next_at)"""
    suppressions: dict[str, Suppression] = field(default_factory=dict)
    quarantined: list[Quarantined] = field(default_factory=list)
    unregistered: dict[str, tuple[int, Micros, Micros, str, bytes]] = field(default_factory=dict)
    """device → (count, first_at, last_at, topic, sample of the payload)"""
    counts: dict[str, int] = field(default_factory=dict)
    """verdict → how many messages"""
    snapshot: bytes | None = None


class TapeRecord(NamedTuple):
    """One record of the tape: the rows of one batch, numbered from `first_seq`."""

    first_seq: int
    first_at: Micros
    last_at: Micros
    rows: list[tuple[object, ...]]


class OutboxRow(NamedTuple):
    """A push and where it stands."""

    push: Push
    outcome: str
    """`pending`, or an Outcome"""
    attempts: int
    reply: str
    next_at: Micros | None


class Records(Protocol):
    """What the ledger keeps of incidents, for whoever only reads: the console, reports, evidence."""

    async def incidents(
        self, *, open_only: bool = False, since: Micros = 0, before: Micros | None = None, station: str | None = None,
        limit: int = 100,
    ) -> list[Incident]:  # fmt: skip
        """Those raised in [since, before), newest first; of one station if its key is given (`""`: of none)."""

    async def incident(self, incident_id: str) -> Incident | None:
        """One incident."""

    async def timeline(self, incident_id: str) -> list[TimelineRow]:
        """Its entries, oldest first."""

    async def timelines(self, incidents: Sequence[str], steps: Collection[str] = ()) -> list[TimelineRow]:
        """The entries of several incidents, oldest first; only these steps if any are given."""

    async def pushes_of(self, incident: str) -> list[OutboxRow]:
        """All pushes of an incident, oldest first."""

    async def suppressions(self, *, open_only: bool = False, limit: int = 1000) -> list[Suppression]:
        """Measures that keep alarms from paging, newest first; `open_only`: those that have not ended."""


class Ledger(Records, Protocol):
    """The spine: what was not written here did not happen, what was written is never lost.

    One writer; every method may be awaited from the event loop at any time and never blocks it. Reads see all commits that
    were awaited before them.
    """

    async def commit(self, batch: Batch) -> int:
        """Write all of it in one durable transaction; return the sequence number of its last row."""

    async def tape_after(self, seq: int, records: int = 8) -> list[TapeRecord]:
        """Records whose last row comes after `seq`, oldest first; the first may begin before it."""

    async def cursor(self, name: str) -> int:
        """How far a reader of the tape has come (0: nothing yet)."""

    async def move_cursor(self, name: str, seq: int) -> None:
        """Durably remember it."""

    async def quarantine(self, items: Sequence[Quarantined]) -> None:
        """Set aside what a reader of the tape could not deliver (poison points of the history, for example)."""

    async def snapshot(self) -> tuple[int, bytes] | None:
        """The newest snapshot and the sequence number of the last row that it holds."""

    async def open_pushes(self) -> list[OutboxRow]:
        """Pushes that are neither accepted nor dead nor withdrawn, oldest first."""

    async def entries_after(self, entry_id: int, limit: int = 500) -> list[TimelineRow]:
        """Entries of all incidents after one, oldest first: the live stream's resume."""

    async def quarantined(self, limit: int = 100) -> list[Quarantined]:
        """Newest first."""

    async def unregistered(self, limit: int = 100) -> list[Unregistered]:
        """Devices that speak and are in no site file, the latest heard first."""

    async def counts(self) -> dict[str, int]:
        """The account of all messages since the ledger began: verdict → number, and `quarantined:<reason>` → number."""

    async def size(self) -> LedgerSize:
        """How large it is."""


class TimelineRow(NamedTuple):
    """An entry as the ledger keeps it."""

    id: int
    """Grows over all incidents: the event id of the live stream."""
    at: Micros
    incident: str
    step: str
    detail: Mapping[str, object]
    link: str = ""
    """Its hash in the incident's chain; see monitor/chain.py."""


class Unregistered(NamedTuple):
    """A device that nobody registered."""

    device: str
    messages: int
    first_at: Micros
    last_at: Micros
    topic: str
    sample: bytes


class LedgerSize(NamedTuple):
    """Rows and bytes."""

    last_seq: int
    first_seq: int
    """Oldest row still on the tape."""
    tape_bytes: int
    file_bytes: int
    open_pushes: int
    open_incidents: int
    last_entry: int
    """Id of the newest timeline entry; 0 before the first."""


__all__ = [
    "EVALUATED",
    "Batch",
    "Bucket",
    "Channel",
    "Feed",
    "History",
    "Ledger",
    "LedgerSize",
    "Message",
    "NeverWill",
    "OutboxRow",
    "Point",
    "PortError",
    "Quarantined",
    "Records",
    "TapeRecord",
    "TimelineRow",
    "TryAgain",
    "Unregistered",
    "Verdict",
]
