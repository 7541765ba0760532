"""Timers fire in the order of (due, name), whatever happened to them before; held against a model that is plainly right.

Knows no engine.
"""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.timers import NEVER, Name, Timers

NAMES: list[Name] = [
    ("hold", "smoke", "a"),
    ("hold", "smoke", "b"),
    ("clear", "smoke", "a"),
    ("sla", "inc", "dispatch"),
]


def fired(timers: Timers, at: int) -> list[tuple[int, Name]]:
    out = []
    while (found := timers.pop(at)) is not None:
        out.append(found)
    return out


def test_the_order_does_not_depend_on_the_order_of_setting() -> None:
    wanted = [(5, NAMES[2]), (5, NAMES[0]), (5, NAMES[1]), (7, NAMES[3])]
    for order in permutations(wanted):
        timers = Timers()
        for due, name in order:
            timers.set(name, due)
        assert list(timers) == wanted
        assert fired(timers, 7) == wanted


def test_nothing_fires_before_its_time_and_each_fires_once() -> None:
    timers = Timers()
    timers.set(NAMES[0], 10)
    assert timers.pop(9) is None
    assert timers.next_due == 10
    assert timers.pop(10) == (10, NAMES[0])
    assert timers.pop(10) is None
    assert (timers.next_due, len(timers), NAMES[0] in timers, timers.due(NAMES[0])) == (NEVER, 0, False, None)


def test_a_timer_moves_later_and_sooner_and_back() -> None:
    timers = Timers()
    for due in (10, 20, 5, 10):
        timers.set(NAMES[0], due)
        assert timers.due(NAMES[0]) == due
    assert len(timers) == 1
    assert fired(timers, 100) == [(10, NAMES[0])]


def test_cancelled_is_forgotten_even_when_set_again_for_the_same_moment() -> None:
    timers = Timers()
    timers.set(NAMES[0], 10)
    timers.cancel(NAMES[0])
    timers.cancel(NAMES[1])
    assert fired(timers, 10) == []
    timers.set(NAMES[0], 20)
    timers.cancel(NAMES[0])
    timers.set(NAMES[0], 20)
    assert fired(timers, 20) == [(20, NAMES[0])]


def test_next_due_is_never_later_than_the_next_timer() -> None:
    timers = Timers()
    timers.set(NAMES[0], 10)
    timers.set(NAMES[1], 20)
    timers.cancel(NAMES[0])
    assert timers.next_due <= 20
    assert timers.pop(15) is None
    assert timers.next_due == 20


@pytest.mark.parametrize("cancels", [False, True])
def test_ten_thousand_moves_leave_no_heap_of_old_entries(cancels: bool) -> None:
    timers = Timers()
    for n in range(10_000):
        timers.set(NAMES[n % 2], 1_000_000 + n)
        if cancels and n % 3 == 0:
            timers.cancel(NAMES[n % 2])
    assert len(timers._heap) <= 2 * len(timers) + 65


_VERBS = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(NAMES), st.integers(0, 30)),
    st.tuples(st.just("cancel"), st.sampled_from(NAMES), st.just(0)),
    st.tuples(st.just("pop"), st.just(NAMES[0]), st.integers(0, 10)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_VERBS, max_size=60))
def test_like_a_plain_dictionary_that_is_sorted_each_time(verbs: list[tuple[str, Name, int]]) -> None:
    timers, model, now = Timers(), dict[Name, int](), 0
    for verb, name, number in verbs:
        if verb == "set":
            timers.set(name, now + number)
            model[name] = now + number
        elif verb == "cancel":
            timers.cancel(name)
            model.pop(name, None)
        else:
            now += number
            due = sorted((when, who) for who, when in model.items() if when <= now)
            assert fired(timers, now) == due
            for _, who in due:
                del model[who]
        assert list(timers) == sorted((when, who) for who, when in model.items())
        assert timers.next_due <= min(model.values(), default=NEVER)
        assert len(timers) == len(model)
        assert all((who in timers) == (who in model) for who in NAMES)
    assert fired(timers, 10_000) == sorted((when, who) for who, when in model.items())
    assert timers.next_due == NEVER
