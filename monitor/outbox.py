"""Carries out pushes: each channel in a lane of its own, tried again until accepted, refused for good or out of time.

Knows neither the engine nor the ledger: each attempt ends in one report to `put`, which whoever wires the daemon turns
into a `rules.model.Receipt` on the inbox. Nothing is kept here that the ledger does not hold: after a restart the open
pushes are offered again, with the attempts they already had and the time of the next one.

A lane (one channel) owns its queue, its concurrency and its rate, so a dead or hanging channel delays only itself:

    offered ──▶ ready ──(slot free, rate allows)──▶ running ──▶ ACCEPTED                       forgotten
                  ▲                                   │  ├────▶ DEAD   never will             forgotten
                  └────── later (back-off) ◀──────────┘  └────▶ DEAD   no time left           forgotten
                              RETRY

Ready pushes go by gravity of their kind, calls before news, then by age. Where more are ready than a lane's rate allows in a
minute, those that are no FIRE go several in one message (monitor/digest.py); each keeps its own end. In an *ordered* lane the
pushes of one incident go strictly one after the other, as they were offered: there a late repetition of an old state would
overwrite the newer one.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import Protocol

import structlog

from monitor.digest import AT_MOST, Family, digest, family, news
from monitor.ports import Channel, NeverWill, TryAgain
from rules.model import MINUTE, SECOND, Kind, Micros, Outcome, Push

log = structlog.get_logger(__name__)

BACK_OFF_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Pause after the first, second, … failed attempt; the last one repeats."""
JITTER = 0.2
LONGEST_PAUSE_SECONDS = 60.0
"""However long a provider asks to be left alone: a dispatch must not be silenced for an hour."""
REPLY_CHARACTERS = 300


class Put(Protocol):
    """Told the end of every attempt; must not block and must not raise."""

    def __call__(self, key: str, outcome: Outcome, attempt: int, reply: str, next_at: Micros | None) -> None:
        """`attempt` counts from 1 over restarts; `next_at` is set for RETRY only."""


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """What one channel is asked to carry."""

    concurrency: int = 4
    """Attempts at the same time."""
    timeout: float = 10.0
    """Seconds for one attempt."""
    per_minute: int | None = None
    """Attempts in any 60 s; None: as many as come. A quarter is kept free for FIRE."""
    ordered: bool = False
    """One after the other within an incident (state topics)."""
    once: bool = False
    """An attempt of which nobody knows how it ended is not repeated (commands to devices)."""

    def __post_init__(self) -> None:
        if self.concurrency < 1 or not self.timeout > 0 or (self.per_minute is not None and self.per_minute < 1):
            raise ValueError("concurrency and per_minute are at least 1, the time-out is more than 0 s")


@dataclass(slots=True)
class LaneCounts:
    """What became of a channel's attempts since the start."""

    accepted: int = 0
    retried: int = 0
    dead: int = 0
    waiting: int = 0
    """Pushes not settled yet, the running ones included."""
    running: int = 0


class Outbox:
    """Delivers pushes through named channels. Belongs to one event loop; only `run` awaits."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        put: Put,
        *,
        now: Callable[[], Micros],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
        limits: Mapping[str, LaneLimits] | None = None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limits` by the channel's name; `steady` (seconds, never set) paces the rate, `now` everything else."""
        limits = limits or {}
        self._put = put
        self._now = now
        self._sleep = sleep
        self._steady = steady
        self._rng = rng or random.Random()
        self._lanes = {name: _Lane(channel, limits.get(name, LaneLimits())) for name, channel in channels.items()}
        self._group: asyncio.TaskGroup | None = None
        self._attempts: set[asyncio.Task[None]] = set()
        self._closing = False
        self.unknown_channel = 0
        """Pushes that named a channel nobody configured."""

    @property
    def counts(self) -> Mapping[str, LaneCounts]:
        """By channel, live; for the metrics."""
        return {name: lane.counts for name, lane in self._lanes.items()}

    def offer(self, push: Push, attempts: int = 0, next_at: Micros | None = None) -> None:
        """Take a committed push; `attempts` were made before, the next is due at `next_at` (None: now).

        A key that is known already is ignored. A push to an unknown channel is reported DEAD at once.
        """
        lane = self._lanes.get(push.channel)
        if lane is None:
            self.unknown_channel += 1
            log.error("push to unknown channel", channel=push.channel, key=push.key)
            reply = f"no channel '{push.channel}' is configured: add it under 'channels' or correct the recipient"
            self._put(push.key, Outcome.DEAD, attempts, reply, None)
        elif lane.add(push, attempts, next_at or 0):
            lane.wake.set()

    def withdraw(self, key: str, channel: str) -> None:
        """Nobody need hear it any more: forget it without a report. One that is on its way cannot be called back, but is not repeated."""
        lane = self._lanes.get(channel)
        if lane is not None and lane.withdraw(key):
            lane.wake.set()

    async def run(self) -> None:
        """Deliver until `drain`. An exception that leaves this method is a defect of ours; the process should end."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for name, lane in self._lanes.items():
                group.create_task(self._serve(lane), name=f"outbox {name}")

    async def drain(self, timeout: float) -> None:
        """Start no attempt any more and let the running ones end, at most `timeout` seconds; then cut them off.

        What was cut off has no report, stays open in the ledger and is tried again after the next start.
        """
        self._closing = True
        for lane in self._lanes.values():
            lane.wake.set()
        if self._attempts:
            _, unfinished = await asyncio.wait(self._attempts, timeout=timeout)
            for task in unfinished:
                task.cancel()
            if unfinished:
                await asyncio.wait(unfinished)

    async def _serve(self, lane: _Lane) -> None:
        while not self._closing:
            lane.wake.clear()
            now = self._now()
            for late in lane.expire(now):
                self._settle(lane, late, Outcome.DEAD, _past_deadline(late))
            steady = self._steady()
            while item := lane.take(now, steady):
                self._start(lane, item)
            await self._pause(lane, lane.pause(now, steady))

    def _start(self, lane: _Lane, item: _Item) -> None:
        if self._group is None:
            raise RuntimeError("the outbox is not running")
        task = self._group.create_task(self._attempt(lane, item), name=f"push {item.push.key}")
        self._attempts.add(task)
        task.add_done_callback(self._attempts.discard)

    async def _pause(self, lane: _Lane, seconds: float | None) -> None:
        """Until something is offered or settled, or the time has passed."""
        if seconds is None:
            await lane.wake.wait()
            return
        sleeping = asyncio.ensure_future(self._sleep(seconds))
        waking = asyncio.ensure_future(lane.wake.wait())
        try:
            await asyncio.wait((sleeping, waking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sleeping, waking):
                task.cancel()
            await asyncio.gather(sleeping, waking, return_exceptions=True)

    async def _attempt(self, lane: _Lane, item: _Item) -> None:
        together = (item, *item.merged)
        for one in together:
            one.attempts += 1
        push = digest([one.push for one in together]) if item.merged else item.push
        try:
            async with asyncio.timeout(lane.limits.timeout):
                reply = await lane.channel.send(push, attempt=item.attempts)
        except NeverWill as refusal:
            self._refused(lane, together, str(refusal))
        except TryAgain as refusal:
            for one in together:
                self._again(lane, one, str(refusal), refusal.after)
        except TimeoutError:
            self._unknown(lane, together, f"no answer within {lane.limits.timeout:g} s")
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # A library's cancellation that leaked out of the channel; nobody cancelled us.
            self._unknown(lane, together, "channel cancelled itself")
        except Exception as error:  # noqa: BLE001 - a defect of one channel must not end the others
            # Only its type and place: the text of a foreign exception may hold an address with a token in it.
            name, place = type(error).__name__, _place(error)
            log.error("channel failed unexpectedly", key=push.key, error=name, place=place)  # noqa: TRY400
            self._unknown(lane, together, f"unexpected {name} in channel '{push.channel}'")
        else:
            how = f"went with {len(together) - 1} others as {push.key}: " if item.merged else ""
            for one in together:
                one.reply = how + reply
                self._settle(lane, one, Outcome.ACCEPTED, one.reply)
        finally:
            item.merged = ()
            lane.counts.running -= 1
            lane.wake.set()

    def _refused(self, lane: _Lane, together: Sequence[_Item], reply: str) -> None:
        """For good. Who was refused together may be taken alone."""
        for one in together:
            one.reply = reply
            if len(together) == 1:
                self._settle(lane, one, Outcome.DEAD, reply)
            else:
                one.alone = True
                self._again(lane, one, f"not as one of {len(together)}: {reply}")

    def _unknown(self, lane: _Lane, together: Sequence[_Item], reply: str) -> None:
        """The attempt has no end that anybody could tell."""
        for one in together:
            if lane.limits.once:
                self._settle(lane, one, Outcome.DEAD, f"{reply}: it may have been carried out, so it is not repeated")
            else:
                self._again(lane, one, reply)

    def _again(self, lane: _Lane, item: _Item, reply: str, after: float | None = None) -> None:
        item.reply = reply
        if item.withdrawn:
            lane.forget(item)
            return
        now = self._now()
        next_at = now + round(self._back_off(item.attempts, after) * SECOND)
        if next_at >= item.push.expires_at and after is None:
            # The last chance: as late as it can be and still end in time.
            next_at = item.push.expires_at - round(lane.limits.timeout * SECOND)
        if not now < next_at < item.push.expires_at:
            self._settle(lane, item, Outcome.DEAD, _past_deadline(item))
            return
        lane.counts.retried += 1
        lane.postpone(item, next_at)
        self._put(item.push.key, Outcome.RETRY, item.attempts, reply[:REPLY_CHARACTERS], next_at)

    def _back_off(self, attempts: int, after: float | None) -> float:
        """Seconds until the next attempt."""
        base = BACK_OFF_SECONDS[min(attempts, len(BACK_OFF_SECONDS)) - 1]
        pause = base * self._rng.uniform(1 - JITTER, 1 + JITTER)
        if after is not None and math.isfinite(after):
            # Asked-for pauses are minimal ones, so the jitter comes on top of them.
            asked = min(after, LONGEST_PAUSE_SECONDS / (1 + JITTER)) * self._rng.uniform(1, 1 + JITTER)
            pause = max(pause, asked)
        return pause

    def _settle(self, lane: _Lane, item: _Item, outcome: Outcome, reply: str) -> None:
        lane.forget(item)
        if outcome is Outcome.ACCEPTED:
            lane.counts.accepted += 1
        else:
            lane.counts.dead += 1
            log.error("push is dead", key=item.push.key, channel=item.push.channel, attempts=item.attempts, reply=reply)
        self._put(item.push.key, outcome, item.attempts, reply[:REPLY_CHARACTERS], None)


class _Place(Enum):
    BEHIND = "behind"  # of its incident's earlier pushes, in an ordered lane
    READY = "ready"
    LATER = "later"
    RUNNING = "running"
    GONE = "gone"


@dataclass(slots=True, eq=False)
class _Item:
    push: Push
    attempts: int
    due: Micros
    number: int
    reply: str = ""
    place: _Place = _Place.BEHIND
    withdrawn: bool = False
    merged: Sequence[_Item] = ()
    """Those that go along in the attempt under way."""
    alone: bool = False
    """It was refused in company."""


@dataclass(slots=True)
class _Lane:
    """The queue of one channel: O(log n) for each step of a push, whatever waits.

    Heaps keep entries of pushes that are gone; these are skipped when they come up, and swept out when they are more
    than half.
    """

    channel: Channel
    limits: LaneLimits
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    counts: LaneCounts = field(default_factory=LaneCounts)
    items: dict[str, _Item] = field(default_factory=dict)
    ready: list[tuple[int, bool, Micros, int, _Item]] = field(default_factory=list)
    later: list[tuple[Micros, int, _Item]] = field(default_factory=list)
    deadlines: list[tuple[Micros, int, _Item]] = field(default_factory=list)
    chains: dict[str, deque[_Item]] = field(default_factory=dict)
    recent: deque[float] = field(default_factory=deque)
    """Steady times of the attempts of the last minute. An exact window: a bucket of 20 refilled by 20 a minute would
    let 39 through within one, and DingTalk then mutes the robot for ten."""
    number: int = 0
    families: dict[Family, dict[int, _Item]] = field(default_factory=dict)
    """Ready pushes that may be merged, by number; kept where there is a rate and no order."""
    waiting: int = 0
    """Ready pushes."""

    def add(self, push: Push, attempts: int, due: Micros) -> bool:
        """False when the key is known already."""
        if push.key in self.items:
            return False
        self.number += 1
        item = _Item(push, attempts, due, self.number)
        self.items[push.key] = item
        self.counts.waiting += 1
        heapq.heappush(self.deadlines, (push.expires_at, item.number, item))
        if self.limits.ordered:
            chain = self.chains.setdefault(push.incident, deque())
            chain.append(item)
            if len(chain) > 1:
                return True
        self.postpone(item, due)
        return True

    def postpone(self, item: _Item, due: Micros) -> None:
        """Not before `due`."""
        item.due = due
        item.place = _Place.LATER
        heapq.heappush(self.later, (due, item.number, item))

    def take(self, now: Micros, steady: float) -> _Item | None:
        """The next push to try at this moment, if any may be tried; it counts as running from here on."""
        self._promote(now)
        item = self._head()
        if item is None or self.counts.running >= self.limits.concurrency or self._rate_pause(item, steady) > 0:
            return None
        heapq.heappop(self.ready)
        crowded = self._merges and self.waiting > self._often
        self._leave(item, _Place.RUNNING)
        self.counts.running += 1
        if self.limits.per_minute is not None:
            self.recent.append(steady)
        if crowded and not item.alone and (kin := family(item.push)):
            item.merged = list(islice(self.families.get(kin, {}).values(), AT_MOST - 1))
            for one in item.merged:
                self._leave(one, _Place.RUNNING)
        return item

    def _leave(self, item: _Item, place: _Place) -> None:
        """It is ready no more."""
        if item.place is _Place.READY:
            self.waiting -= 1
            kin = family(item.push) if self._merges else None
            if kin is not None and (others := self.families.get(kin)) is not None:
                others.pop(item.number, None)
                if not others:
                    del self.families[kin]
        item.place = place

    def pause(self, now: Micros, steady: float) -> float | None:
        """Seconds until there is something to do without being woken; None: nothing will come by itself."""
        moments = [heap[0][0] for heap in (self.later, self.deadlines) if heap]
        pauses = [max(0, moment - now) / SECOND for moment in moments]
        head = self._head()
        if head is not None and self.counts.running < self.limits.concurrency:
            pauses.append(self._rate_pause(head, steady))
        # Clocks are set while we sleep: never trust one computation for longer than a minute.
        return min(min(pauses), MINUTE / SECOND) if pauses else None

    def expire(self, now: Micros) -> Iterator[_Item]:
        """Those whose deadline has passed; one that runs at this moment may still end well."""
        while self.deadlines and self.deadlines[0][0] <= now:
            _, _, item = heapq.heappop(self.deadlines)
            if item.place not in (_Place.RUNNING, _Place.GONE):
                yield item

    def withdraw(self, key: str) -> bool:
        """Forget what waits; mark what runs. False when there is no such push."""
        item = self.items.get(key)
        if item is None:
            return False
        item.withdrawn = True
        if item.place is not _Place.RUNNING:
            self.forget(item)
        return True

    def forget(self, item: _Item) -> None:
        """It is settled."""
        self._leave(item, _Place.GONE)
        self.items.pop(item.push.key)
        self.counts.waiting -= 1
        if self.limits.ordered:
            self._follow(item.push.incident)
        self._sweep()

    def _follow(self, incident: str) -> None:
        chain = self.chains[incident]
        while chain and chain[0].place is _Place.GONE:
            chain.popleft()
        if not chain:
            del self.chains[incident]
        elif chain[0].place is _Place.BEHIND:
            self.postpone(chain[0], chain[0].due)

    def _promote(self, now: Micros) -> None:
        while self.later and self.later[0][0] <= now:
            _, _, item = heapq.heappop(self.later)
            if item.place is _Place.LATER:
                item.place = _Place.READY
                self.waiting += 1
                if self._merges and not item.alone and (kin := family(item.push)):
                    self.families.setdefault(kin, {})[item.number] = item
                # News wait until calls of their kind, and of the next one, have gone: somebody stands still until called.
                told = news(item.push)
                heapq.heappush(self.ready, (item.push.kind.rank + told, told, item.push.at, item.number, item))

    def _head(self) -> _Item | None:
        while self.ready and self.ready[0][-1].place is not _Place.READY:
            heapq.heappop(self.ready)
        return self.ready[0][-1] if self.ready else None

    def _rate_pause(self, item: _Item, steady: float) -> float:
        """Seconds until the rate allows this push."""
        if self.limits.per_minute is None:
            return 0.0
        while self.recent and self.recent[0] <= steady - 60.0:
            self.recent.popleft()
        excess = len(self.recent) - self._allowed(item.push)
        return 0.0 if excess < 0 else self.recent[excess] + 60.0 - steady

    @property
    def _often(self) -> int:
        """What a minute carries beside calls to a FIRE."""
        allowed = self.limits.per_minute or 0
        return allowed - allowed // 4

    @property
    def _merges(self) -> bool:
        return self.limits.per_minute is not None and not self.limits.ordered and not self.limits.once

    def _allowed(self, push: Push) -> int:
        """Attempts in any minute."""
        # Updates about a dripping valve, or about the last fire, must not use up the minute in which a fire breaks out.
        return self.limits.per_minute or 0 if push.kind is Kind.FIRE and not news(push) else self._often

    def _sweep(self) -> None:
        bound = 2 * len(self.items) + 64
        if len(self.ready) > bound:
            self.ready = [entry for entry in self.ready if entry[-1].place is _Place.READY]
            heapq.heapify(self.ready)
        if len(self.later) > bound:
            self.later = [entry for entry in self.later if entry[-1].place is _Place.LATER]
            heapq.heapify(self.later)
        if len(self.deadlines) > bound:
            self.deadlines = [entry for entry in self.deadlines if entry[-1].place is not _Place.GONE]
            heapq.heapify(self.deadlines)


def _past_deadline(item: _Item) -> str:
    if not item.attempts:
        return "deadline passed before the first attempt"
    last = f": {item.reply}" if item.reply else ""
    return f"deadline passed after {item.attempts} attempt{'s' if item.attempts > 1 else ''}{last}"


def _place(error: BaseException) -> str:
    """`file:line` where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else "?"
