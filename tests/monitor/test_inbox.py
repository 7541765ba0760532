"""The inbox: one order, one clock, a bound on messages that never holds back a person, and only text that can be written."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import FakeClock
from monitor.inbox import Inbox, Item
from monitor.ports import Message
from rules.model import SECOND, Effect, Move, Outcome, Receipt, Refused, Tick, Trouble, Verb

SOON = 0.001
LONG = 30.0


def inbox(limit: int = 5000) -> tuple[Inbox, FakeClock]:
    clock = FakeClock()
    return Inbox(clock, limit), clock


def arrive(it: Inbox, n: int = 0) -> None:
    it.message(f"t/{n}", b"", 1, False, False, n)


def move(note: str = "") -> Move:
    return Move(0, "inc-1", Verb.NOTE, "li", note)


def named(items: list[Item]) -> list[str]:
    return [item.topic if isinstance(item, Message) else type(item[0]).__name__ for item in items]


async def test_messages_and_events_come_out_in_the_order_in_which_they_went_in() -> None:
    it, clock = inbox()
    arrive(it, 1)
    clock.advance(SECOND)
    it.put(move())
    asked = asyncio.ensure_future(it.ask(Tick(0)))
    await asyncio.sleep(0)
    clock.advance(SECOND)
    it.message("t/2", b"\x00", 2, True, True, 5)
    items = await it.take(100, LONG)
    assert named(items) == ["t/1", "Move", "Tick", "t/2"]
    start = clock.now() - 2 * SECOND
    assert items[0] == Message(start, "t/1", b"", 1, False, False, 1)
    assert items[3] == Message(start + 2 * SECOND, "t/2", b"\x00", 2, True, True, 5)
    given_, answer = items[1]  # type: ignore[misc]
    assert isinstance(given_, Move)
    assert (given_.at, answer) == (start + SECOND, None)
    asked.cancel()


async def test_what_was_asked_is_answered() -> None:
    it, _ = inbox()
    asked = asyncio.ensure_future(it.ask(move()))
    ((_, answer),) = await it.take(1, LONG)  # type: ignore[misc]
    assert not asked.done()
    effects: list[Effect] = [Refused(1, "inc-1", "no")]
    assert isinstance(answer, asyncio.Future)
    answer.set_result(effects)
    assert await asked == effects


async def test_who_no_longer_waits_for_the_answer_has_still_asked() -> None:
    it, _ = inbox()
    asked = asyncio.ensure_future(it.ask(move()))
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.wait([asked])
    ((_, answer),) = await it.take(1, LONG)  # type: ignore[misc]
    assert isinstance(answer, asyncio.Future)
    assert answer.cancelled()


async def test_taking_waits_for_the_first_item_and_not_for_more() -> None:
    it, _ = inbox()
    taking = asyncio.ensure_future(it.take(10, LONG))
    await asyncio.sleep(0)
    assert not taking.done()
    arrive(it, 1)
    assert named(await taking) == ["t/1"]
    assert it.depth == 0


async def test_nothing_came() -> None:
    it, _ = inbox()
    assert await it.take(10, SOON) == []
    arrive(it, 1)
    assert named(await it.take(10, SOON)) == ["t/1"]
    assert await it.take(10, SOON) == []


async def test_at_most_so_many_are_taken_oldest_first() -> None:
    it, _ = inbox()
    for n in range(5):
        arrive(it, n)
    assert [named(await it.take(2, LONG)) for _ in range(3)] == [["t/0", "t/1"], ["t/2", "t/3"], ["t/4"]]


async def test_the_bound_counts_messages_and_reading_goes_on_at_a_fifth() -> None:
    it, _ = inbox(10)
    room: list[int] = []
    it.on_room = lambda: room.append(it.depth)
    for n in range(9):
        arrive(it, n)
    for _ in range(20):
        it.put(move())  # people are never too many
    assert (it.full, it.depth) == (False, 29)
    arrive(it, 9)
    arrive(it, 10)  # what was on its way still fits
    assert (it.full, it.depth) == (True, 31)
    await it.take(8, LONG)
    assert (it.full, room) == (True, [])
    await it.take(1, LONG)
    assert (it.full, room) == (False, [22])
    await it.take(30, LONG)
    assert (it.depth, room) == (0, [22])


async def test_a_full_inbox_lets_a_person_through() -> None:
    it, _ = inbox(1)
    arrive(it)
    it.put(move())
    assert (it.full, it.depth) == (True, 2)
    assert named(await it.take(10, LONG)) == ["t/0", "Move"]
    assert not it.full


async def test_how_long_the_oldest_has_waited() -> None:
    it, clock = inbox()
    assert it.waited == 0
    it.put(move())
    clock.advance(3 * SECOND)
    arrive(it)
    assert it.waited == 3 * SECOND
    await it.take(1, LONG)
    assert it.waited == 0


async def test_time_never_runs_backwards_between_items() -> None:
    it, clock = inbox()
    arrive(it)
    clock.step(-3600 * SECOND)
    it.put(move())
    clock.advance(SECOND)
    arrive(it)
    moments = [item.at if isinstance(item, Message) else item[0].at for item in await it.take(9, LONG)]
    assert moments == sorted(moments)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (Move(0, "inc-1", Verb.NOTE, "李\ud800", "x\udfffy"), "note"),
        (Receipt(0, "k/s/c", Outcome.RETRY, 1, "忙\ud800"), "reply"),
        (Trouble(0, "feed", True, "\udc80/path"), "detail"),
    ],
)
async def test_text_from_outside_can_always_be_written(event: Move | Receipt | Trouble, name: str) -> None:
    it, _ = inbox()
    it.put(event)
    ((found, _),) = await it.take(1, LONG)  # type: ignore[misc]
    text: str = getattr(found, name)
    assert text == getattr(event, name).encode(errors="replace").decode()
    assert "?" in text
    if isinstance(found, Move):
        assert found.by == "李?"


@given(st.lists(st.sampled_from(["message", "put", "take"]), max_size=60), st.integers(1, 12), st.integers(1, 7))
@settings(deadline=None)
def test_nothing_is_lost_doubled_or_reordered_and_the_bound_holds(actions: list[str], limit: int, batch: int) -> None:
    async def scenario() -> None:
        it, _ = inbox(limit)
        put: list[str] = []
        taken: list[str] = []
        for n, action in enumerate([*actions, *["take"] * 60]):
            if action == "message" and not it.full:  # the feed stops reading
                arrive(it, n)
                put.append(f"t/{n}")
            elif action == "put":
                it.put(Trouble(0, f"s/{n}", True))
                put.append(f"s/{n}")
            elif action == "take" and it.depth:
                for item in await it.take(batch, LONG):
                    source = item.topic if isinstance(item, Message) else item[0]
                    taken.append(source if isinstance(source, str) else getattr(source, "source", ""))
            waiting = sum(name.startswith("t/") for name in put) - sum(name.startswith("t/") for name in taken)
            assert waiting <= limit
            assert not it.full or waiting > limit // 5
        assert taken == put
        assert it.depth == 0

    asyncio.run(scenario())
