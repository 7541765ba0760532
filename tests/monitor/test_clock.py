"""The clock's contract over scripted hands, for the clock and the fake alike; one test reads the machine's clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import Clock, FakeClock
from rules.model import HOUR, MINUTE, SECOND, Micros

START: Micros = 1_795_305_600_000_000


@dataclass
class Hands:
    """A wall clock and a steady one that a test moves."""

    wall: int = START * 1000
    steady: int = 77_000_000_000

    def advance(self, duration: Micros) -> None:
        self.wall += duration * 1000
        self.steady += duration * 1000

    def step(self, change: Micros) -> None:
        self.wall += change * 1000


class Moved(Protocol):
    def advance(self, duration: Micros, /) -> object: ...

    def step(self, change: Micros, /) -> None: ...


Made = tuple[Clock, Moved]


def _real(jumps: list[float]) -> Made:
    hands = Hands()
    return Clock(wall=lambda: hands.wall, steady=lambda: hands.steady, jump=jumps.append), hands


def _fake(jumps: list[float]) -> Made:
    clock = FakeClock(START, jump=jumps.append)
    return clock, clock


@pytest.fixture
def jumps() -> list[float]:
    return []


@pytest.fixture(params=[_real, _fake], ids=["clock", "fake"])
def made(request: pytest.FixtureRequest, jumps: list[float]) -> Made:
    make: Callable[[list[float]], Made] = request.param
    return make(jumps)


def test_follows_wall_time(made: Made, jumps: list[float]) -> None:
    clock, hands = made
    assert clock.now() == START
    hands.advance(90 * MINUTE)
    assert clock.now() == START + 90 * MINUTE
    assert clock.lead == 0
    assert jumps == []


def test_small_corrections_are_followed_without_a_word(made: Made, jumps: list[float]) -> None:
    clock, hands = made
    hands.step(-SECOND)
    hands.advance(100 * SECOND)
    assert clock.now() == START + 99 * SECOND
    hands.step(SECOND)
    assert clock.now() == START + 100 * SECOND
    assert jumps == []


def test_a_step_forward_is_followed_at_once_and_told(made: Made, jumps: list[float]) -> None:
    clock, hands = made
    hands.step(HOUR)
    assert clock.now() == START + HOUR
    assert jumps == [3600.0]
    assert list(clock.steps) == [3600.0]


def test_a_step_back_is_worked_off_while_time_goes_on(made: Made, jumps: list[float]) -> None:
    clock, hands = made
    hands.step(-5 * SECOND)
    assert clock.now() == START
    assert clock.lead == 5
    assert jumps == [-5.0]
    hands.advance(20 * SECOND)
    assert clock.now() == START + 19 * SECOND, "5 % slower"
    for _ in range(80):
        hands.advance(SECOND)
        clock.now()
    assert clock.now() == START + 95 * SECOND, "wall time has caught up after 100 s"
    assert clock.lead == 0
    assert jumps == [-5.0]


def test_a_large_step_back_is_not_worked_off(made: Made, jumps: list[float]) -> None:
    clock, hands = made
    hands.step(-HOUR)
    for _ in range(100):
        hands.advance(SECOND)
        clock.now()
    assert clock.now() == START + 100 * SECOND
    assert clock.lead == pytest.approx(3600)
    hands.step(HOUR)
    assert clock.now() == START + 100 * SECOND, "the wall clock was set right again"
    assert clock.lead == 0
    assert jumps == [-3600.0, 3600.0]


def test_the_floor_holds_after_a_restart(made: Made, jumps: list[float]) -> None:
    clock, hands = made
    clock.floor(START - HOUR)
    assert clock.now() == START
    clock.floor(START + HOUR)
    assert jumps == [-3600.0], "the tape ends in the future: somebody should know"
    assert clock.now() == START + HOUR
    hands.advance(SECOND)
    assert clock.now() == START + HOUR + SECOND


def test_a_floor_just_ahead_is_ordinary(made: Made, jumps: list[float]) -> None:
    clock, _ = made
    clock.floor(START + SECOND)
    assert clock.now() == START + SECOND
    assert jumps == []


def test_a_process_that_was_stopped_between_two_readings_saw_no_jump() -> None:
    jumps: list[float] = []
    hands = Hands()
    readings = 0

    def steady() -> int:
        nonlocal readings
        readings += 1
        if readings == 2:
            hands.advance(10 * SECOND)
        return hands.steady

    clock = Clock(wall=lambda: hands.wall, steady=steady, jump=jumps.append)
    assert clock.now() == START + 10 * SECOND
    assert jumps == []


def test_only_the_last_hundred_steps_are_kept(made: Made) -> None:
    clock, hands = made
    for seconds in range(3, 153):
        hands.step(seconds * SECOND)
        clock.now()
    assert len(clock.steps) == 100
    assert clock.steps[-1] == 152


def test_a_fake_clock_does_not_pass_backwards() -> None:
    with pytest.raises(ValueError, match="backwards"):
        FakeClock().advance(-1)


def test_the_machine_s_own_clock_never_decreases() -> None:
    clock = Clock()
    times = [clock.now() for _ in range(10_000)]
    assert times == sorted(times)
    assert times[0] > 1_700_000_000 * SECOND


moves = st.lists(
    st.tuples(
        st.integers(0, 20 * MINUTE),
        st.one_of(st.just(0), st.integers(-2 * HOUR, 2 * HOUR)),
        st.one_of(st.none(), st.integers(-HOUR, HOUR)),
    ),
    max_size=30,
)


@given(moves=moves)
def test_time_never_decreases_and_never_stands_still(moves: list[tuple[int, int, int | None]]) -> None:
    clock = FakeClock(START)
    last = clock.now()
    for passed, stepped, floor in moves:
        if floor is not None:
            clock.floor(last + floor)
            assert clock.now() >= last + floor
        last = clock.now()
        clock.step(stepped)
        after = clock.now()
        assert after >= last
        now = clock.advance(passed)
        assert now - after >= passed * 19 // 20 - 1
        last = now
