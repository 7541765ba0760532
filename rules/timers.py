"""Named deadlines in due order.

Knows no clock: whoever asks says what time it is. Order depends only on (due, name), never on when a timer was set, so a
restored engine fires in the same order as one that never stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from rules.model import Micros

Name: TypeAlias = tuple[str, str, str]
"""(what, who, which), for example ("hold", rule, subject) or ("sla", incident, step)."""

NEVER: Micros = 1 << 62


class Timers:
    """Set and cancel in O(log n) amortised; `next_due` is a plain attribute so that the hot path pays one comparison."""

    __slots__ = ("_due", "_heap", "next_due")

    def __init__(self) -> None:
        self._due: dict[Name, Micros] = {}
        self._heap: list[tuple[Micros, Name]] = []
        self.next_due: Micros = NEVER
        """When the next timer is due, or earlier when that one was cancelled; NEVER when there is none."""

    def set(self, name: Name, due: Micros) -> None:
        """Start a timer, or move it."""
        self._due[name] = due
        heappush(self._heap, (due, name))
        self._tidy()
        self.next_due = self._heap[0][0]

    def cancel(self, name: Name) -> None:
        """Forget a timer; one that is not running is no mistake."""
        if self._due.pop(name, None) is not None:
            self._tidy()
            self.next_due = self._heap[0][0] if self._heap else NEVER

    def due(self, name: Name) -> Micros | None:
        """When it will fire; None when it is not running."""
        return self._due.get(name)

    def pop(self, at: Micros) -> tuple[Micros, Name] | None:
        """Take the earliest timer due at or before `at`, or None."""
        heap, due_of = self._heap, self._due
        found = None
        while heap and heap[0][0] <= at and found is None:
            due, name = heappop(heap)
            if due_of.get(name) == due:  # otherwise cancelled or moved meanwhile
                del due_of[name]
                found = due, name
        self.next_due = heap[0][0] if heap else NEVER
        return found

    def __contains__(self, name: Name) -> bool:
        return name in self._due

    def __len__(self) -> int:
        return len(self._due)

    def __iter__(self) -> Iterator[tuple[Micros, Name]]:
        """All running timers in the order in which they will fire."""
        return iter(sorted((due, name) for name, due in self._due.items()))

    def _tidy(self) -> None:
        """Cancelled and moved timers leave their old entry in the heap; never more of them than running ones, and a few."""
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(due, name) for name, due in self._due.items()]
            heapify(self._heap)
