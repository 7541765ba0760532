"""The present of a daemon, made again from its ledger beside it: newest snapshot, then the tape after it, effects discarded.

Never writes, never disturbs the daemon; what it makes is a copy that knows no port.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgpack

from monitor.decoders.registry import decode
from monitor.lookout import Lookout
from monitor.ports import EVALUATED, Message
from monitor.tape import BOOK, MESSAGE, event_of, message_of
from rules.document import Mistakes
from rules.model import Micros
from rules.rule import BookChanged, RuleBook
from rules.rulebook import load_book


class Past(Protocol):
    """What a ledger tells; see monitor/ledger/past.py."""

    @property
    def last_at(self) -> Micros:
        """The newest moment on the tape."""

    def snapshot(self) -> tuple[int, bytes] | None:
        """(number of its last row, state) of the newest snapshot."""

    def rows_after(self, seq: int) -> Iterator[tuple[Any, ...]]:
        """The tape's rows with higher numbers."""


def book_in_force(past: Past) -> RuleBook | None:
    """The newest book that came into force; None where the ledger has none, or one that can no longer be read."""
    found, seq = past.snapshot(), 0
    texts: list[list[str]] | None = None
    if found is not None:
        seq, state = found
        texts = msgpack.unpackb(state, strict_map_key=False)["book"]
    for row in past.rows_after(seq):
        if row[0] == BOOK:
            texts = row[3]
    return None if texts is None else _book(texts)


def heard_of(past: Past) -> list[str]:
    """The devices that the newest snapshot knows, in no order; none where there is no snapshot yet."""
    found = past.snapshot()
    return (
        []
        if found is None
        else [row[0] for row in msgpack.unpackb(found[1], strict_map_key=False)["engine"]["devices"]]
    )


class Ages:
    """When each quantity last came, of the devices somebody asks about."""

    def __init__(self, concerns: Callable[[str], bool]) -> None:
        self._concerns = concerns
        self.heard: dict[tuple[str, str], Micros] = {}
        """(device, quantity) → moment"""

    def note(self, device: str, m: Message) -> None:
        """A message of a device was evaluated."""
        if device and self._concerns(device) and (said := decode(m.topic, m.payload)) is not None:
            self.heard.update({(device, name): m.at for name in said.values})


def follow(lookout: Lookout, past: Past, ages: Ages) -> None:
    """Bring a fresh lookout to the present."""
    found, seq = past.snapshot(), 0
    if found is not None:
        seq, state = found
        data = msgpack.unpackb(state, strict_map_key=False)
        if (book := _book(data["book"])) is not None:
            lookout.engine.handle(BookChanged(0, book))
        lookout.restore(data)
    for row in past.rows_after(seq):
        if row[0] == MESSAGE:
            if row[6] in EVALUATED:
                m = message_of(row)
                sight = lookout.see(m)
                ages.note(sight.device, m)
        elif row[0] != BOOK:
            lookout.engine.handle(event_of(row))
        elif (book := _book(row[3])) is not None:
            lookout.engine.handle(BookChanged(row[1], book))


def _book(texts: list[list[str]]) -> RuleBook | None:
    try:
        return load_book([(name, text) for name, text in texts])
    except Mistakes:
        # An older version accepted it.
        return None
