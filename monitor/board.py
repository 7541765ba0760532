"""What the console reads: ledger, places, the state of every device, our own troubles, and the live stream's tap.

Knows neither HTTP nor the engine: the app hands it callables, and calls `published` (or `refresh`) after each commit.

    MoveError
    ├── UnknownIncident   there is no such incident
    └── MoveRefused       the incident's table does not allow the move as it stands
    BookRefused           the rule books have mistakes: the one in force stays
"""

from __future__ import annotations

import asyncio
import bisect
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitor.book_change import BookChange
from monitor.explanation import Explanation
from monitor.ports import Ledger, TimelineRow
from rules.commands import Order
from rules.document import Mistake
from rules.model import (
    AlarmState,
    Device,
    Disposition,
    Effect,
    Freshness,
    Incident,
    Kind,
    Micros,
    Neighbourhood,
    Restore,
    Suppress,
    Swap,
    Text,
    Value,
    Verb,
)
from rules.people import NextCall

DETECTOR_KINDS = frozenset({"smoke_detector", "heat_detector", "thermal_camera"})
"""Kinds of device that find a fire without a person (GB 50116: automatic detectors)."""

CRITICAL_SOURCES = ("ledger", "feed")
"""Sources without which the daemon cannot do its duty: `/readyz` answers 503 while one of them is in trouble."""


class MoveError(Exception):
    """A person's move was not made; nothing was written."""


class UnknownIncident(MoveError):
    """There is no incident of this id."""


class MoveRefused(MoveError):
    """The incident's table does not allow the move. `reason` is one sentence for the person who made it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Post(Protocol):
    """The way of a person's move into the inbox and of its outcome back."""

    async def __call__(
        self, incident: str, verb: Verb, by: str, note: str, disposition: Disposition | None, via: str, /
    ) -> Incident:
        """Return the incident as committed after the move; `via` is the way by which it came (`page`, `api`, `link`, `reply`).

        Raises UnknownIncident or MoveRefused.
        """


class Submit(Protocol):
    """The way of anything else that a person asks for into the inbox, and of what came of it back."""

    async def __call__(self, event: Suppress | Restore | Swap, /) -> Sequence[Effect]:
        """Return what came of it once it is committed; `Refused` is among it when it was not allowed. Its `at` is set by us."""


@dataclass(frozen=True, slots=True)
class AlarmView:
    """One alarm of a device that is not idle."""

    rule: str
    kind: Kind
    state: AlarmState
    incident: str = ""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What a device said last. `online` is None when it never told (no last will, no status message)."""

    device: str
    last_at: Micros
    freshness: Freshness
    values: Mapping[str, Value] = field(default_factory=dict)
    online: bool | None = None
    alarms: tuple[AlarmView, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule of the book in force, as its author wrote it. `hold` is the `for` of the book, in microseconds."""

    id: str
    kind: Kind
    title: Text
    subject: str = "device"
    devices: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    where: str = ""
    when: str = ""
    clear: str = ""
    hold: Micros = 0
    clear_for: Micros = 0
    latch: bool = False
    advice: Text | None = None
    group: str = ""
    reason: str = ""
    linkage: tuple[Order, ...] = ()
    """What it commands devices to do, where the site allows it."""


class BookRefused(Exception):
    """The rule books on the disk have mistakes. Nothing was changed."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__(f"{len(mistakes)} mistakes, the running book stays in force: {mistakes[0]}")
        self.mistakes = tuple(mistakes)


class RuleDesk(Protocol):
    """What the console may ask of the rules in force."""

    async def reload(self) -> BookChange:
        """Read the books again; return when the change is committed. Raises BookRefused."""

    def explain(self, rule: str, subject: str, /) -> Explanation:
        """Why a rule is or is not firing at a device or zone. Raises UnknownRule, UnknownSubject."""


@dataclass(frozen=True, slots=True)
class TroubleView:
    """Something of our own that is wrong since `since`."""

    source: str
    detail: str
    since: Micros


class Board:
    """Reads for the console, all of them cheap, and a tap on the timeline for any number of bounded subscribers.

    `devices()` gives a mapping that need only answer `get`; it is never walked. `next_call` answers for an incident's id.
    `backlog` is how many timeline rows one subscriber may leave unread before it is sent back to the ledger.
    """

    def __init__(
        self,
        ledger: Ledger,
        neighbourhood: Neighbourhood,
        devices: Callable[[], Mapping[str, DeviceState]],
        rules: Callable[[], Sequence[RuleView]],
        *,
        next_call: Callable[[str], NextCall | None] = lambda _: None,
        critical: Collection[str] = CRITICAL_SOURCES,
        detectors: Collection[str] = DETECTOR_KINDS,
        backlog: int = 1_000,
        swaps: Callable[[], Sequence[Swap]] = lambda: (),
    ) -> None:
        self.ledger = ledger
        self.neighbourhood = neighbourhood
        self.devices = devices
        self.rules = rules
        self.next_call = next_call
        self.swaps = swaps
        """The swaps of shifts that are not over."""
        self.detectors = frozenset(detectors)
        self._critical = tuple(critical)
        self._backlog = backlog
        self._position = 0
        self._subscriptions: set[Subscription] = set()
        self._troubles: dict[str, TroubleView] = {}
        self._keys: tuple[str, ...] = ()

    # --- devices ------------------------------------------------------------------------------------------------------

    def device(self, key: str) -> Device | None:
        """Who this is, or None for a stranger. Asking does not register a device that is known by pattern only."""
        places = self.neighbourhood
        if known := places.devices.get(key):
            return known
        # A throw-away copy answers, because Neighbourhood.device() would count a mere question as a device seen.
        return Neighbourhood(zones=places.zones, stations=(), patterns=places.patterns).device(key)

    def device_keys(self, after: str = "") -> Sequence[str]:
        """The keys of all devices seen or listed so far that sort after `after`."""
        # Devices are only ever added, so the number tells whether the sorted copy is still true.
        if len(self._keys) != len(self.neighbourhood.devices):
            self._keys = tuple(sorted(self.neighbourhood.devices))
        return self._keys[bisect.bisect_right(self._keys, after) :] if after else self._keys

    # --- trouble ------------------------------------------------------------------------------------------------------

    def set_trouble(self, source: str, active: bool, detail: str, at: Micros) -> None:
        """Begin, reword or end a trouble. `detail` is shown to people and must hold no secret."""
        if not active:
            self._troubles.pop(source, None)
            return
        known = self._troubles.get(source)
        self._troubles[source] = TroubleView(source, detail, known.since if known else at)

    def troubles(self) -> list[TroubleView]:
        """What is wrong now, the oldest first."""
        return sorted(self._troubles.values(), key=lambda t: (t.since, t.source))

    def unready(self) -> list[TroubleView]:
        """The troubles that keep the daemon from its duty: of a critical source, or of a part of one (`feed/…`)."""
        return [
            t for t in self.troubles() if any(t.source == c or t.source.startswith(f"{c}/") for c in self._critical)
        ]

    # --- the live stream ----------------------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """The id of the newest timeline row that was published; 0 before the first."""
        return self._position

    @property
    def subscribers(self) -> int:
        """How many subscriptions are open."""
        return len(self._subscriptions)

    async def start(self) -> None:
        """Find the newest timeline row of the ledger, so that a reader who asks for news is not told the past."""
        self._position = max(self._position, (await self.ledger.size()).last_entry)

    def published(self, entries: Sequence[TimelineRow]) -> None:
        """These rows, in the order of their ids, are committed: hand them on. Rows already known are skipped."""
        fresh = [row for row in entries if row.id > self._position]
        if not fresh:
            return
        self._position = fresh[-1].id
        for subscription in self._subscriptions:
            subscription.offer(fresh)

    async def refresh(self) -> None:
        """Publish whatever the ledger holds after `position`: for a caller who does not know the rows' ids."""
        while rows := await self.ledger.entries_after(self._position):
            self.published(rows)

    def subscribe(self, after: int | None = None) -> Subscription:
        """A tap on the timeline from the row after `after`, or from now on. Close it when done."""
        subscription = Subscription(self, after, self._backlog)
        self._subscriptions.add(subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """The subscription is closed."""
        self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End all subscriptions: the readers are told that nothing more comes."""
        for subscription in tuple(self._subscriptions):
            subscription.close()


class Subscription:
    """One reader of the timeline: every row once, in order, whatever the reader's speed.

    Rows come from a bounded queue while the reader keeps up, and from the ledger where the queue overflowed or the
    reader starts in the past. That is free of gaps because a row is committed before it is published, and the
    subscription is in the board's list before its first look into the ledger; it is free of duplicates because ids only
    grow.
    """

    def __init__(self, board: Board, after: int | None, backlog: int) -> None:
        self._board = board
        self._last = board.position if after is None else after
        self._behind = after is not None
        self._queue: deque[TimelineRow] = deque()
        self._backlog = backlog
        self._news = asyncio.Event()
        self._closed = False

    @property
    def closed(self) -> bool:
        """No more rows will come."""
        return self._closed

    def offer(self, rows: Sequence[TimelineRow]) -> None:
        """New rows, from the board. Beyond the bound they are dropped here and read from the ledger later."""
        if not self._behind:
            if len(self._queue) + len(rows) > self._backlog:
                self._queue.clear()
                self._behind = True
            else:
                self._queue.extend(rows)
        self._news.set()

    async def batch(self) -> list[TimelineRow]:
        """The next rows, at least one; empty when the subscription is closed. A cancelled call loses nothing."""
        while not self._closed:
            if self._behind:
                rows = await self._read_ledger()
            else:
                rows = [row for row in self._queue if row.id > self._last]
                self._queue.clear()
                self._news.clear()
            if rows:
                self._last = rows[-1].id
                return rows
            if not self._behind:
                await self._news.wait()
        return []

    def close(self) -> None:
        """Stop; a waiting `batch` returns empty."""
        self._closed = True
        self._news.set()
        self._board.forget(self)

    async def _read_ledger(self) -> list[TimelineRow]:
        # Rows published during the read below may not be in its answer; from here on they are queued again.
        self._behind = False
        self._queue.clear()
        try:
            rows = await self._board.ledger.entries_after(self._last, _PAGE)
        except BaseException:
            self._behind = True
            raise
        if len(rows) >= _PAGE:
            self._behind = True
        return rows


_PAGE = 500
"""Rows of one look into the ledger."""
