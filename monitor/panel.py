"""The control panel: the only owner of the lookout and its engine. Takes a batch, decides, commits, and only then lets go of it.

    inbox ─▶ lookout.see / engine.handle ─▶ ledger.commit ─▶ acknowledge, outbox, board, history

Knows the ports and no adapter. A failure here is a failure of the process: what was not committed was not acknowledged, so the broker
brings it again after the restart.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack
import structlog

from monitor.inbox import Answer, Given, Inbox, Item
from monitor.lookout import KEPT_PAYLOAD, Lookout
from monitor.ports import EVALUATED, Batch, Ledger, Message, Verdict
from monitor.tape import BOOK, MESSAGE, event_of, event_row, message_of, message_row
from rules.document import Mistakes
from rules.engine import Event
from rules.model import (
    AlarmChanged,
    Effect,
    Entry,
    IncidentChanged,
    Outcome,
    Push,
    PushSettled,
    Step,
    SuppressionChanged,
    Tick,
)
from rules.rule import BookChanged, RuleBook
from rules.rulebook import load_book

log = structlog.get_logger(__name__)

HEARTBEAT = 1.0
"""Seconds at most between two ticks through the engine: deadlines are met within it and the watchdog is fed by it."""
SNAPSHOT_ROWS = 200_000
SNAPSHOT_ROWS_PER_DEVICE = 20
"""A snapshot costs O(devices); taken each so many rows per device it costs O(1) per message."""

_SAID = frozenset(
    {
        Step.RAISED,
        Step.CONFIRMED,
        Step.ESCALATED,
        Step.REALARM,
        Step.DISPATCHED,
        Step.OVERDUE,
        Step.CLOSED,
        Step.PUSH_DEAD,
        Step.CALLED,
        Step.EXHAUSTED,
        Step.HANDED_OVER,
        Step.FLOOD,
        Step.WITHHELD,
        Step.COMMANDED,
        Step.COMMAND_FAILED,
    }
)


@dataclass(slots=True)
class Committed:
    """What the lanes behind the ledger are told of after a commit."""

    last_seq: int
    pushes: list[Push] = field(default_factory=list)
    entries: int = 0
    """How many timeline entries are new."""
    withdrawn: list[str] = field(default_factory=list)
    """Keys of the pushes that nobody need hear any more."""


class Panel:
    """`recover` once, then `run` until cancelled or `stop`ped."""

    def __init__(
        self,
        lookout: Lookout,
        ledger: Ledger,
        inbox: Inbox,
        *,
        acknowledge: Callable[[Sequence[int]], None],
        committed: Callable[[Committed], None],
        ticked: Callable[[], None] = lambda: None,
        batch_limit: int = 1000,
    ) -> None:
        self._lookout = lookout
        self._engine = lookout.engine
        self._ledger = ledger
        self._inbox = inbox
        self._acknowledge = acknowledge
        self._committed = committed
        self._ticked = ticked
        self._batch_limit = batch_limit
        self._rows_since_snapshot = 0
        self._stopping = False
        self.account: Counter[str] = Counter()
        """verdict → messages, and `quarantined:<reason>`, since the ledger began"""
        self.commits = 0

    # --- start -------------------------------------------------------------------------------------------------------

    async def recover(self, progress: Callable[[int, int], None] = lambda done, total: None) -> int:
        """State = newest snapshot + the tape after it, effects discarded. Returns how many rows were folded in."""
        self.account.update(await self._ledger.counts())
        seq, newest = 0, 0
        if (found := await self._ledger.snapshot()) is not None:
            seq, state = found
            data = msgpack.unpackb(state, strict_map_key=False)
            book = _old_book(data["book"])
            if book is not None:
                self._engine.handle(BookChanged(0, book))
            self._lookout.restore(data)
        total, start = (await self._ledger.size()).last_seq, seq
        while records := await self._ledger.tape_after(seq):
            for record in records:
                for number, row in enumerate(record.rows, record.first_seq):
                    if number > seq:
                        self._fold(row)
                seq, newest = record.first_seq + len(record.rows) - 1, record.last_at
            progress(seq - start, total - start)
            await asyncio.sleep(0)
        self._rows_since_snapshot = seq - start
        self._inbox.clock.floor(max(self._engine.now, newest))
        await self._reconcile()
        return seq - start

    async def _reconcile(self) -> None:
        """The incidents in the ledger were told to people: where the fold came to something else, they are right."""
        last = await self._ledger.incidents(limit=1)
        kept = await self._ledger.incidents(open_only=True, limit=1_000_000)
        for what in self._engine.reconcile(kept, last[0].id if last else ""):
            log.warning("recovered under changed settings", mended=what)

    def _fold(self, row: tuple[Any, ...]) -> None:
        if row[0] == MESSAGE:
            if row[6] in EVALUATED:
                self._lookout.see(message_of(row))
        elif row[0] != BOOK:
            self._engine.handle(event_of(row))
        elif (book := _old_book(row[3])) is not None:
            self._engine.handle(BookChanged(row[1], book))

    # --- work --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Batch by batch, at our own pace. While one commit is synced the next batch gathers."""
        while not self._stopping or self._inbox.depth:
            items = await self._inbox.take(self._batch_limit, self._patience())
            await self._process(items)

    def stop(self) -> None:
        """Finish what is in the inbox, then let `run` return. The feed must be paused before."""
        self._stopping = True
        self._inbox.put(Tick(0))

    async def finish(self) -> None:
        """Write a snapshot, so that the next start is quick. After `run`."""
        batch = Batch(first_at=self._engine.now, last_at=self._engine.now, snapshot=self._snapshot())
        await self._ledger.commit(batch)

    def _patience(self) -> float:
        """Seconds until something is due, at most the heartbeat."""
        until_due = (self._engine.next_due - self._inbox.clock.now()) / 1_000_000
        return min(max(until_due, 0.001), HEARTBEAT)

    async def _process(self, items: list[Item]) -> None:
        batch = Batch()
        tokens: list[int] = []
        answers: list[tuple[Answer, list[Effect]]] = []
        see = self._lookout.see
        counts: Counter[str] = Counter()
        for item in items:
            given, answer = (item, None) if isinstance(item, Message) else item
            if isinstance(given, Message):
                sight = see(given)
                effects, verdict = sight.effects, sight.verdict
                counts[verdict] += 1
                if given.token:
                    tokens.append(given.token)
                if verdict is not Verdict.OWN:
                    # What was evaluated is kept whole, however large the bound is: the recovery evaluates it again.
                    whole = len(given.payload) <= 65_536 or verdict in EVALUATED
                    kept = given if whole else given._replace(payload=given.payload[:KEPT_PAYLOAD])
                    batch.rows.append(message_row(kept, verdict))
                if sight.quarantined:
                    batch.quarantined.extend(sight.quarantined)
                if verdict is Verdict.UNREGISTERED:
                    _meet(batch, sight.device, given)
                if effects:
                    _write_down(batch, effects)
            else:
                effects = self._happened(given, batch)
            if answer is not None:
                answers.append((answer, list(effects)))
        self._tick(batch, items)
        batch.counts = dict(counts)
        if batch.rows or batch.counts:
            await self._commit(batch)
        if tokens:
            self._acknowledge(tokens)
        _reply(answers)
        self._ticked()

    def _tick(self, batch: Batch, items: list[Item]) -> None:
        """Time passes through the engine, as far as nothing older waits.

        What waits in the inbox carries its own, earlier time, and must not find a deadline met that it would have prevented. But a
        flood that never lets the inbox run empty, and of which nothing is a reading, must not stop the time either.
        """
        at = self._inbox.clock.now()
        if self._inbox.depth:
            if not items:
                return
            last = items[-1]
            at = last.at if isinstance(last, Message) else last[0].at
        if self._engine.next_due <= at:
            self._happened(Tick(at), batch)

    def _happened(self, event: Given, batch: Batch) -> list[Effect]:
        """Anything but a message. A tick is only worth writing down when it did something."""
        effects = self._engine.handle(event)
        if effects or type(event) is not Tick:
            batch.rows.append(event_row(event))
            _write_down(batch, effects)
        return effects

    async def _commit(self, batch: Batch) -> None:
        # Of the rows, not of the engine: messages that it is never shown have their time as well.
        batch.first_at = _at(batch.rows[0]) if batch.rows else self._engine.now
        batch.last_at = _at(batch.rows[-1]) if batch.rows else self._engine.now
        self._rows_since_snapshot += len(batch.rows)
        if self._rows_since_snapshot > max(SNAPSHOT_ROWS, SNAPSHOT_ROWS_PER_DEVICE * self._engine.device_count):
            batch.snapshot = self._snapshot()
            self._rows_since_snapshot = 0
        last_seq = await self._ledger.commit(batch)
        self.commits += 1
        # What was not written did not happen; the account does not run ahead of it.
        self.account.update(batch.counts)
        self.account.update(f"quarantined:{q.reason}" for q in batch.quarantined)
        withdrawn = [key for key, outcome, *_ in batch.settled if outcome == Outcome.WITHDRAWN]
        self._committed(Committed(last_seq, batch.pushes, len(batch.entries), withdrawn))

    def _snapshot(self) -> bytes:
        packed: bytes = msgpack.packb(self._lookout.snapshot(), use_bin_type=True)
        return packed


def _reply(answers: Sequence[tuple[Answer, list[Effect]]]) -> None:
    for answer, effects in answers:
        if not answer.cancelled():  # who asked has gone away
            answer.set_result(effects)


def _old_book(texts: list[list[str]]) -> RuleBook | None:
    try:
        return load_book([(name, text) for name, text in texts])
    except Mistakes as mistakes:
        # An older version accepted it. The book of the site file comes into force right after the recovery.
        log.warning("a rule book on the tape can no longer be read; its alarms end", mistakes=str(mistakes))
        return None


def _at(row: tuple[Any, ...]) -> int:
    at: int = row[1]
    return at


def _meet(batch: Batch, device: str, m: Message) -> None:
    count, first_at, *_ = batch.unregistered.get(device, (0, m.at, m.at, "", b""))
    batch.unregistered[device] = (count + 1, first_at, m.at, m.topic[:512], m.payload[:KEPT_PAYLOAD])


def _write_down(batch: Batch, effects: Sequence[Effect]) -> None:
    for effect in effects:
        match effect:
            case Entry():
                detail = json.dumps(effect.detail, ensure_ascii=False)
                batch.entries.append((effect.at, effect.incident, effect.step.value, detail))
                if effect.step in _SAID:
                    said = f"incident {effect.step}"
                    log.info(
                        said,
                        incident=effect.incident,
                        **{k: v for k, v in effect.detail.items() if v != ""},
                    )
            case Push():
                batch.pushes.append(effect)
            case IncidentChanged():
                batch.incidents[effect.incident.id] = effect.incident
            case PushSettled():
                batch.settled.append((effect.key, effect.outcome.value, effect.attempts, effect.reply, effect.next_at))
            case SuppressionChanged(suppression=measure):
                batch.suppressions[measure.id] = measure
            case AlarmChanged():
                log.debug(
                    "alarm",
                    rule=effect.rule,
                    subject=effect.subject,
                    state=effect.state.value,
                    incident=effect.incident,
                )
            case _:  # Refused: nothing happened; who asked is told
                pass


__all__ = ["Committed", "Event", "Panel"]
