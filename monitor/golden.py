"""What a past comes to, as text that two runs can be compared by: every alarm, incident, call, answer and missed deadline on a line.

The words are those of stories (monitor/stories/lines.py), each behind its moment. Knows the tape and the engine; neither files nor ledger.

    NotWhole   the tape does not begin at its beginning, so nobody can say what came before
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from monitor.lookout import Lookout
from monitor.ports import EVALUATED, Message
from monitor.replay import play
from monitor.stories.lines import line, short_key
from monitor.tape import MESSAGE, event_of, message_of, rfc3339_micros
from rules.model import Effect, Micros, Outcome, PushSettled

CONTEXT = 3
COMPARED = 2000
"""Lines on either side, from the first difference on, that are compared one by one."""


class NotWhole(Exception):
    """See the module."""


class Tape(Protocol):
    """What a ledger tells; see monitor/ledger/past.py."""

    @property
    def first_seq(self) -> int:
        """The number of the oldest row; 0 while there is none."""

    def rows_after(self, seq: int) -> Iterator[tuple[Any, ...]]:
        """The tape's rows with higher numbers."""


def lived(tape: Tape, lookout: Lookout) -> Iterator[str]:
    """Everything that happened, by the tape of a ledger: with its books, moves, receipts and measures. Raises NotWhole.

    `lookout` is fresh and has an empty book: the tape tells which came into force. Raises rules.document.Mistakes for a book on it that
    can no longer be read.
    """
    if tape.first_seq > 1:
        raise NotWhole(
            f"the tape begins with row {tape.first_seq}, what was before is pruned: nobody can say what it came to. "
            "Take a ledger that is younger than its retention, or a recorded tape (wanglou record)"
        )
    for row in tape.rows_after(0):
        if row[0] != MESSAGE:
            yield from told(lookout.engine.handle(event_of(row)))
        elif row[6] in EVALUATED:
            yield from told(lookout.see(message_of(row)).effects)


def played(messages: Iterable[Message], lookout: Lookout, *, accepted: bool, settle: Micros) -> list[str]:
    """What messages alone come to; a push is accepted at once, or never."""
    out: list[str] = []
    watch: Callable[[Effect], None] = lambda effect: out.extend(told((effect,)))  # noqa: E731 - as long as its type
    play(messages, lookout, accepted=accepted, settle=settle, watch=watch)
    return out


def told(effects: Iterable[Effect]) -> Iterator[str]:
    """Each effect that says something of its own, behind its moment."""
    for effect in effects:
        if isinstance(effect, PushSettled):
            words = f"withdrawn {short_key(effect.key)}" if effect.outcome is Outcome.WITHDRAWN else ""
        else:
            words = line(effect, "")
        if words:
            yield f"{rfc3339_micros(effect.at)} {words}"


def difference(golden: Sequence[str], now: Sequence[str], golden_name: str, now_name: str) -> list[str]:
    """A unified diff; empty when they are the same. Beyond `COMPARED` lines it only says how many are left."""
    same = next((n for n, (a, b) in enumerate(zip(golden, now, strict=False)) if a != b), min(len(golden), len(now)))
    if same == len(golden) == len(now):
        return []
    begin = max(0, same - CONTEXT)
    before, after = golden[begin : begin + COMPARED], now[begin : begin + COMPARED]
    out = [
        text if text.startswith(("---", "+++")) else _moved(text, begin)
        for text in difflib.unified_diff(before, after, golden_name, now_name, lineterm="", n=CONTEXT)
    ]
    left = max(len(golden), len(now)) - begin - COMPARED
    return [*out, f"… {left} more lines were not compared"] if left > 0 else out


def _moved(text: str, lines: int) -> str:
    """A hunk's head, its numbers counted from the beginning of the file."""
    if not text.startswith("@@"):
        return text
    parts = []
    for part in text.split()[1:3]:
        start, comma, length = part[1:].partition(",")
        parts.append(f"{part[0]}{int(start) + lines}{comma}{length}")
    return f"@@ {' '.join(parts)} @@"
