"""Golden files: what a past comes to, as text, is the same whenever it is asked, and a difference can be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from monitor.golden import COMPARED, NotWhole, difference, lived
from monitor.lookout import Limits, Lookout
from monitor.ports import Message, Verdict
from monitor.tape import event_row, message_row
from rules.model import MINUTE, SECOND, Measure, Micros, Move, Outcome, Receipt, Suppress, Tick, Verb
from rules.rule import BookChanged
from rules.rulebook import load_book
from tests.rules.small_block import T0
from tests.rules.two_houses import BOOK, houses


class Rows:
    """A tape."""

    def __init__(self, rows: list[tuple[Any, ...]], first_seq: int = 1) -> None:
        self.rows = rows
        self.first_seq = first_seq

    def rows_after(self, seq: int) -> Iterator[tuple[Any, ...]]:
        """Those with higher numbers."""
        return iter(self.rows[max(0, seq - self.first_seq + 1) :])


def lookout() -> Lookout:
    return Lookout(load_book([]), houses(), Limits())


def _smoke(at: Micros, device: str, verdict: Verdict = Verdict.LIVE) -> tuple[Any, ...]:
    payload = b'{"at":%d,"smoke":true}' % (at // 1000)
    return message_row(Message(at, f"wl/q/{device}/up", payload, 1), verdict)


NIGHT: list[tuple[Any, ...]] = [
    event_row(BookChanged(T0, BOOK)),
    event_row(Suppress(T0, Measure.TEST, "q/b1-1", "li", "service", T0 + 5 * MINUTE)),
    _smoke(T0 + SECOND, "b1-1"),
    _smoke(T0 + 2 * SECOND, "a1-1"),
    _smoke(T0 + 2 * SECOND, "a1-1", Verdict.DUPLICATE),
    event_row(Receipt(T0 + 3 * SECOND, "inc-000002/dispatch-1/robot", Outcome.DEAD, 1, "gone")),
    event_row(Tick(T0 + 40 * SECOND)),
    event_row(Move(T0 + 50 * SECOND, "inc-000002", Verb.ACKNOWLEDGE, "wang")),
    event_row(Tick(T0 + 20 * MINUTE)),
]


def test_everything_that_happened_stands_behind_its_moment() -> None:
    lines = list(lived(Rows(NIGHT), lookout()))
    told = [text.partition(" ")[2] for text in lines]
    assert lines[0] == "2026-11-22T08:00:00.000000+08:00 sup-000001 test q/b1-1 takes effect"
    for wanted in (
        "1 withheld by sup-000001 test",
        "2 raised smoke@q/a1-1",
        "push 2/dispatch-1/robot",
        "2 push_dead dispatch-1 robot",
        "2 called duty",
        "withdrawn 2/dispatch-1/voice@night",
        "2 acknowledged by wang",
        "2 overdue on_scene",
        "sup-000001 test q/b1-1 ends",
    ):
        assert wanted in told, wanted
    assert told.count("2 raised smoke@q/a1-1") == 1


@pytest.mark.parametrize("cut", range(len(NIGHT) + 1))
def test_a_restart_in_the_midst_gives_the_same_text(cut: int) -> None:
    first, second = lookout(), lookout()
    before = list(lived(Rows(NIGHT[:cut]), first))
    if cut:
        second.engine.handle(BookChanged(0, first.engine.book))
    second.restore(first.snapshot())
    assert before + list(lived(Rows(NIGHT[cut:]), second)) == list(lived(Rows(NIGHT), lookout()))


def test_a_tape_without_its_beginning_is_refused() -> None:
    with pytest.raises(NotWhole, match="begins with row 7, what was before is pruned"):
        list(lived(Rows(NIGHT, first_seq=7), lookout()))


def test_a_difference_is_a_unified_diff_with_the_numbers_of_the_file() -> None:
    golden = [f"line {n}" for n in range(1, 41)]
    assert difference(golden, list(golden), "a", "b") == []
    assert difference(golden, [*golden[:30], "other", *golden[31:]], "a", "b") == [
        "--- a", "+++ b", "@@ -28,7 +28,7 @@",
        " line 28", " line 29", " line 30", "-line 31", "+other", " line 32", " line 33", " line 34",
    ]  # fmt: skip
    assert difference(golden, [*golden, "more"], "a", "b")[-1] == "+more"
    assert difference(golden, golden[:-1], "a", "b")[-1] == "-line 40"
    assert difference([], ["first"], "a", "b") == ["--- a", "+++ b", "@@ -0,0 +1 @@", "+first"]


def test_a_long_difference_is_bounded_and_says_so() -> None:
    golden = [f"line {n}" for n in range(COMPARED + 10)]
    assert difference(golden, [], "a", "b")[-1] == "… 10 more lines were not compared"
