"""The one door to the panel: messages and events in the order in which they arrived, bounded, stamped by one clock.

Knows nothing of what they mean. When it is full the feed stops reading the socket and the broker queues; when there is room again the
feed goes on. People's moves and our own troubles always fit: they are few, and must not wait for a flood of readings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from monitor.clock import Clock, FakeClock
from monitor.ports import Message
from rules.model import Effect, Micros, Move, Receipt, Restore, Suppress, Swap, Tick, Trouble
from rules.rule import BookChanged

Given: TypeAlias = Move | Receipt | Suppress | Restore | Swap | Trouble | Tick | BookChanged
Answer: TypeAlias = asyncio.Future[list[Effect]]
Item: TypeAlias = Message | tuple[Given | Message, Answer | None]


class Inbox:
    """For one event loop. `limit` counts messages; reading goes on again at a fifth of it."""

    def __init__(self, clock: Clock | FakeClock, limit: int = 5000) -> None:
        self.clock = clock
        self.limit = limit
        self._items: list[Item] = []
        self._messages = 0
        self._filled = asyncio.Event()
        self._full = False
        self.on_room: Callable[[], None] = lambda: None
        """Called when a full inbox has room again."""

    @property
    def full(self) -> bool:
        """Whether the feed should stop reading."""
        return self._full

    @property
    def depth(self) -> int:
        """Messages and events that wait."""
        return len(self._items)

    @property
    def waited(self) -> Micros:
        """How long the oldest item has waited."""
        if not self._items:
            return 0
        first = self._items[0]
        return self.clock.now() - (first.at if isinstance(first, Message) else first[0].at)

    def message(self, topic: str, payload: bytes, qos: int, retain: bool, dup: bool, token: int) -> None:
        """A message arrived now."""
        self._items.append(Message(self.clock.now(), topic, payload, qos, retain, dup, token))
        self._messages += 1
        if self._messages >= self.limit:
            self._full = True
        self._filled.set()

    def put(self, event: Given) -> None:
        """Something happened now; its `at` is set here."""
        self._items.append((self._stamped(event), None))
        self._filled.set()

    def since(self, event: Given) -> None:
        """Something has been so since `event.at`; only as the first of all, for time does not run backwards."""
        self._items.append((event, None))
        self._filled.set()

    async def ask(self, event: Given | Message) -> list[Effect]:
        """The same, also for what a person says in the manner of a device, and wait until it is committed; returns its effects."""
        answer: Answer = asyncio.get_running_loop().create_future()
        self._items.append((self._stamped(event), answer))
        self._filled.set()
        return await answer

    async def take(self, limit: int, timeout: float) -> list[Item]:
        """The oldest items, at most `limit`; an empty list when nothing came within `timeout` seconds."""
        if not self._items:
            self._filled.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._filled.wait()
            except TimeoutError:
                return []
        taken, self._items = self._items[:limit], self._items[limit:]
        self._messages -= sum(isinstance(item, Message) for item in taken)
        if self._full and self._messages <= self.limit // 5:
            self._full = False
            self.on_room()
        return taken

    def _stamped(self, event: Given | Message) -> Given | Message:
        now: Micros = self.clock.now()
        if isinstance(event, Message):
            return event._replace(at=now)
        if isinstance(event, Move):
            return replace(event, at=now, by=_written(event.by), note=_written(event.note))
        if isinstance(event, Receipt):
            return replace(event, at=now, reply=_written(event.reply))
        if isinstance(event, Suppress):
            return replace(
                event, at=now, by=_written(event.by), why=_written(event.why), compensation=_written(event.compensation)
            )
        if isinstance(event, Restore):
            return replace(event, at=now, by=_written(event.by), note=_written(event.note))
        if isinstance(event, Trouble):
            return replace(event, at=now, detail=_written(event.detail))
        return replace(event, at=now)


def _written(text: str) -> str:
    """Text from outside as it can be written: half a surrogate pair in a provider's JSON must not stop the ledger."""
    return text.encode(errors="replace").decode()
