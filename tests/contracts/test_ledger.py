"""The contract of the ledger: one suite over SQLite and over the fake that other tests stand on.

Knows the port and nothing of files, locks or threads; those are in tests/monitor/test_ledger_sqlite.py.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.chain import next_link
from monitor.ledger.rows import QUARANTINE_KEPT, SAMPLE_BYTES, STRANGERS_KEPT
from monitor.ledger.sqlite import SqliteLedger
from monitor.ports import Batch, Ledger, Message, Quarantined, TapeRecord, Verdict
from monitor.tape import message_row
from rules.model import (
    Condition,
    Disposition,
    Incident,
    IncidentState,
    Kind,
    Measure,
    Micros,
    Push,
    Suppression,
    Text,
)
from tests.fake_ledger import FakeLedger

Row = tuple[object, ...]


@pytest.fixture(params=["sqlite", "fake"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    if request.param == "fake":
        yield FakeLedger()
        return
    it = SqliteLedger(tmp_path / "data")
    yield it
    await it.close()


def row(at: Micros, payload: bytes = b'{"smoke":true}') -> Row:
    return message_row(Message(at, "wl/b/h1/up", payload, 1, False, False, 7), Verdict.LIVE)


def rows(*moments: Micros) -> Batch:
    return Batch(rows=[row(at) for at in moments], first_at=moments[0], last_at=moments[-1])


def incident(key: str, at: Micros, state: IncidentState = IncidentState.RAISED) -> Incident:
    return Incident(
        id=key, site="b", zone="b/home", group="fire", kind=Kind.FIRE, state=state, condition=Condition.LATCHED,
        title=Text("火警“甲”", "Fire \u2028 'a'"), raised_at=at, station="east", suspected=True, alarms=3,
        rules=("r-1", "r-2"), devices=("b/h1",), last_device="b/h1", dispatched_at=at + 1, overdue=("on_scene",),
        disposition=Disposition.NUISANCE if state is IncidentState.CLOSED else None, revision=9,
    )  # fmt: skip


def push(key: str, of: str = "inc-1", at: Micros = 10) -> Push:
    return Push(at, key, of, "dispatch-1", "hook", Kind.FIRE, at + 1000, {"type": "派单", "n": 1.5, "none": None})


def aside(n: int, payload: bytes = b"?") -> Quarantined:
    return Quarantined(n, "not-json", f"number {n}", "wl/b/h\u0000😀/up", payload)


async def numbers(it: Ledger, seq: int, records: int = 8) -> list[tuple[int, int]]:
    return [(r.first_seq, len(r.rows)) for r in await it.tape_after(seq, records)]


async def test_an_empty_ledger_has_nothing_and_says_so(ledger: Ledger) -> None:
    assert await ledger.tape_after(0) == []
    assert await ledger.cursor("history") == 0
    assert await ledger.snapshot() is None
    assert (await ledger.open_pushes(), await ledger.pushes_of("inc-1")) == ([], [])
    assert (await ledger.incidents(), await ledger.incident("inc-1")) == ([], None)
    assert (await ledger.timeline("inc-1"), await ledger.entries_after(0)) == ([], [])
    assert (await ledger.quarantined(), await ledger.unregistered(), await ledger.counts()) == ([], [], {})
    size = await ledger.size()
    assert (size.last_seq, size.first_seq, size.tape_bytes, size.open_pushes, size.open_incidents) == (0, 0, 0, 0, 0)


async def test_the_tape_is_numbered_without_holes_and_comes_back_as_it_was(ledger: Ledger) -> None:
    every_byte = bytes(range(256))
    batch = Batch(rows=[row(5, every_byte), (4, 6), (2, 7, "k/s/c", "retry", 2, "忙", None)], first_at=5, last_at=7)
    assert await ledger.commit(batch) == 3
    assert await ledger.commit(rows(8)) == 4
    assert await ledger.commit(Batch(counts={"own": 1})) == 4  # nothing for the tape
    assert await ledger.tape_after(0) == [TapeRecord(1, 5, 7, batch.rows), TapeRecord(4, 8, 8, [row(8)])]


async def test_reading_on_from_any_row(ledger: Ledger) -> None:
    for size in (2, 3, 1):
        await ledger.commit(rows(*range(10, 10 + size)))
    everything = [(1, 2), (3, 3), (6, 1)]
    for seq in range(8):
        assert await numbers(ledger, seq) == [(f, n) for f, n in everything if f + n - 1 > seq], seq
    assert await numbers(ledger, 0, 2) == everything[:2]
    assert await numbers(ledger, 2, 1) == everything[1:2]


async def test_a_batch_is_written_whole_or_not_at_all(ledger: Ledger) -> None:
    await ledger.commit(Batch(rows=[row(1)], pushes=[push("a/dispatch-1/hook")], counts={"live": 1}))
    before = await everything_in(ledger)
    bad = Batch(
        rows=[row(2)], first_at=2, last_at=2, incidents={"inc-2": incident("inc-2", 2)},
        entries=[(2, "inc-2", "raised", "{}")], pushes=[push("b/dispatch-1/hook"), push("a/dispatch-1/hook")],
        quarantined=[aside(1)], unregistered={"b/x": (1, 2, 2, "t", b"")}, counts={"live": 1}, snapshot=b"s",
    )  # fmt: skip
    with pytest.raises(Exception, match=r"once|UNIQUE"):  # the error is the implementation's own, the effect is not
        await ledger.commit(bad)
    assert await everything_in(ledger) == before
    bad.pushes.pop()
    assert await ledger.commit(bad) == 2  # and the ledger goes on
    assert await ledger.snapshot() == (2, b"s")


async def everything_in(it: Ledger) -> list[object]:
    return [
        await it.tape_after(0, 1000), await it.incidents(), await it.entries_after(0), await it.quarantined(),
        await it.unregistered(), await it.counts(), await it.snapshot(), await it.open_pushes(), await it.size(),
    ]  # fmt: skip


async def test_incidents_come_back_equal_newest_first(ledger: Ledger) -> None:
    closed = incident("inc-2", 20, IncidentState.CLOSED)
    records = {i.id: i for i in (incident("inc-1", 10), closed, incident("inc-3", 20), incident("inc-4", 30))}
    await ledger.commit(Batch(incidents=records))
    assert [i.id for i in await ledger.incidents()] == ["inc-4", "inc-3", "inc-2", "inc-1"]
    assert await ledger.incidents(limit=2) == [records["inc-4"], records["inc-3"]]
    assert [i.id for i in await ledger.incidents(open_only=True)] == ["inc-4", "inc-3", "inc-1"]
    assert [i.id for i in await ledger.incidents(before=20)] == ["inc-1"]
    assert [i.id for i in await ledger.incidents(open_only=True, before=30, limit=1)] == ["inc-3"]
    assert await ledger.incident("inc-2") == closed
    assert (await ledger.size()).open_incidents == 3


async def test_an_incident_is_replaced_by_its_next_revision(ledger: Ledger) -> None:
    first = incident("inc-1", 10)
    last = replace(first, state=IncidentState.CLOSED, disposition=Disposition.FIRE, closed_at=99, revision=10)
    await ledger.commit(Batch(incidents={"inc-1": first}))
    await ledger.commit(Batch(incidents={"inc-1": last}))
    assert await ledger.incidents() == [last]
    assert await ledger.incidents(open_only=True) == []


async def test_incidents_are_asked_for_by_station_and_time(ledger: Ledger) -> None:
    records = [incident(f"inc-{n}", 10 * n) for n in range(1, 6)]
    records[2] = replace(records[2], station="west")
    records[3] = replace(records[3], station="")
    await ledger.commit(Batch(incidents={i.id: i for i in records}))
    assert [i.id for i in await ledger.incidents(since=20, before=50)] == ["inc-4", "inc-3", "inc-2"]
    assert [i.id for i in await ledger.incidents(since=20, station="east")] == ["inc-5", "inc-2"]
    assert [i.id for i in await ledger.incidents(station="west", open_only=True)] == ["inc-3"]
    assert [i.id for i in await ledger.incidents(station="")] == ["inc-4"]
    assert await ledger.incidents(station="north") == []
    await ledger.commit(Batch(incidents={"inc-3": replace(records[2], station="east")}))  # handed on to another station
    assert [i.id for i in await ledger.incidents(since=30, before=31, station="east")] == ["inc-3"]


async def test_entries_are_numbered_over_all_incidents(ledger: Ledger) -> None:
    assert (await ledger.size()).last_entry == 0
    detail = {"by": "李\u0000", "n": 1.5, "yes": True, "none": None}
    await ledger.commit(Batch(entries=[(1, "a", "raised", json.dumps(detail)), (2, "b", "raised", "{}")]))
    await ledger.commit(Batch(entries=[(3, "a", "closed", "{}")]))
    told = await ledger.entries_after(0)
    assert [(e.at, e.incident, e.step) for e in told] == [(1, "a", "raised"), (2, "b", "raised"), (3, "a", "closed")]
    assert told[0].detail == detail
    assert told[0].id < told[1].id < told[2].id
    assert await ledger.entries_after(told[0].id, 1) == [told[1]]
    assert await ledger.entries_after(told[2].id) == []
    assert (await ledger.size()).last_entry == told[2].id
    assert await ledger.entries_after(-5) == told
    assert await ledger.timeline("a") == [told[0], told[2]]


async def test_the_timelines_of_several_incidents_at_once(ledger: Ledger) -> None:
    steps = [("a", "raised"), ("b", "raised"), ("c", "raised"), ("a", "joined"), ("b", "closed"), ("a", "closed")]
    await ledger.commit(Batch(entries=[(n, key, step, "{}") for n, (key, step) in enumerate(steps)]))

    async def told(*incidents: str, steps: tuple[str, ...] = ()) -> list[tuple[str, str]]:
        return [(row.incident, row.step) for row in await ledger.timelines(incidents, steps)]

    assert await told("a", "b") == [s for s in steps if s[0] != "c"]
    assert await told("b", "a", "nobody", steps=("closed", "noted")) == [("b", "closed"), ("a", "closed")]
    assert await told() == []
    everything = [f"x{n}" for n in range(40_000)]  # more than a statement takes values
    assert len(await told(*everything, "c")) == 1


async def test_every_entry_is_linked_to_the_one_before_it_of_its_incident(ledger: Ledger) -> None:
    odd = json.dumps({"zh": "李\u0000", "half": "\ud800", "n": 1e-7, "yes": True, "none": None})
    await ledger.commit(Batch(entries=[(1, "a", "raised", odd), (2, "b", "raised", "{}"), (3, "a", "note", "{}")]))
    await ledger.commit(Batch(entries=[(4, "a", "note", "{}"), (4, "a", "note", "{}"), (5, "b", "note", "{}")]))
    rows = await ledger.entries_after(0)
    assert len({row.link for row in rows}) == len(rows), "the same words at another place have another link"
    for key in "ab":
        chain = [row for row in rows if row.incident == key]
        assert chain == await ledger.timeline(key)
        for before, row in itertools.pairwise(chain):
            assert row.link == next_link(before.link, row.at, row.incident, row.step, row.detail)


def measure(key: str, since: Micros, ended_at: Micros | None = None) -> Suppression:
    return Suppression(
        key,
        Measure.WORKS,
        "b/home",
        "",
        "值班员 / Duty officer",
        "动火作业",
        since,
        since + 100,
        "专人看护",
        ended_at,
        "",
    )


async def test_measures_come_back_equal_newest_first_and_end(ledger: Ledger) -> None:
    first, second, third = (measure(f"sup-00000{n}", at) for n, at in ((1, 10), (2, 20), (3, 20)))
    await ledger.commit(Batch(suppressions={s.id: s for s in (first, second, third)}))
    assert await ledger.suppressions() == [third, second, first]
    assert await ledger.suppressions(limit=1) == [third]
    ended = replace(second, ended_at=50, ended_by="值班员 / Duty officer")
    await ledger.commit(Batch(suppressions={ended.id: ended}))
    assert await ledger.suppressions() == [third, ended, first]
    assert await ledger.suppressions(open_only=True) == [third, first]


async def test_a_push_is_open_until_it_is_settled(ledger: Ledger) -> None:
    pushes = [replace(push(f"inc-1/{n}/hook", at=100 - n), to="p-1" if n == 3 else "") for n in range(5)]
    await ledger.commit(Batch(pushes=pushes))
    assert [(r.push, r.outcome, r.attempts, r.reply, r.next_at) for r in await ledger.open_pushes()] == [
        (p, "pending", 0, "", None) for p in pushes
    ]
    settled: list[tuple[str, str, int, str, Micros | None]] = [
        ("inc-1/0/hook", "accepted", 1, "ok", None),
        ("inc-1/1/hook", "retry", 2, "忙", 500),
        ("inc-1/2/hook", "dead", 9, "gone", None),
        ("inc-1/4/hook", "withdrawn", 0, "", None),
        ("nobody's key", "dead", 1, "", None),
    ]
    await ledger.commit(Batch(settled=settled))
    assert [(r.push.key, r.outcome, r.attempts, r.reply, r.next_at) for r in await ledger.open_pushes()] == [
        ("inc-1/1/hook", "retry", 2, "忙", 500),
        ("inc-1/3/hook", "pending", 0, "", None),
    ]
    assert [r.outcome for r in await ledger.pushes_of("inc-1")] == ["accepted", "retry", "dead", "pending", "withdrawn"]
    assert (await ledger.size()).open_pushes == 2


async def test_a_push_and_its_answer_may_share_a_batch(ledger: Ledger) -> None:
    await ledger.commit(Batch(pushes=[push("k")], settled=[("k", "accepted", 1, "ok", None)]))
    assert await ledger.open_pushes() == []
    assert [r.reply for r in await ledger.pushes_of("inc-1")] == ["ok"]


async def test_each_reader_has_a_cursor_of_its_own(ledger: Ledger) -> None:
    await ledger.move_cursor("a", 5)
    await ledger.move_cursor("b", 7)
    await ledger.move_cursor("a", 6)
    assert [await ledger.cursor(name) for name in "abc"] == [6, 7, 0]


async def test_the_newest_snapshot_knows_the_last_row_it_holds(ledger: Ledger) -> None:
    await ledger.commit(Batch(rows=[row(1), row(2)], snapshot=b"two"))
    await ledger.commit(rows(3))
    assert await ledger.snapshot() == (2, b"two")
    await ledger.commit(Batch(snapshot=b"three"))
    assert await ledger.snapshot() == (3, b"three")
    await ledger.commit(Batch(snapshot=b"again"))
    assert await ledger.snapshot() == (3, b"again")


async def test_what_is_set_aside_is_counted_clipped_and_listed_newest_first(ledger: Ledger) -> None:
    await ledger.commit(
        Batch(quarantined=[aside(1, b"x" * 5000), aside(2)._replace(reason="clock")], counts={"live": 2})
    )
    await ledger.quarantine([aside(3)])
    await ledger.quarantine([])
    assert [q.at for q in await ledger.quarantined()] == [3, 2, 1]
    assert await ledger.quarantined(1) == [aside(3)]
    assert len((await ledger.quarantined())[2].payload) == SAMPLE_BYTES
    assert await ledger.counts() == {"live": 2, "quarantined:not-json": 2, "quarantined:clock": 1}


async def test_the_quarantine_is_bounded_and_its_count_is_not(ledger: Ledger) -> None:
    await ledger.commit(Batch(quarantined=[aside(n) for n in range(QUARANTINE_KEPT + 50)]))
    await ledger.quarantine([aside(-1)])
    kept = await ledger.quarantined(2 * QUARANTINE_KEPT)
    assert [len(kept), kept[0].at, kept[-1].at] == [QUARANTINE_KEPT, -1, 51]
    assert await ledger.counts() == {"quarantined:not-json": QUARANTINE_KEPT + 51}


async def test_strangers_are_counted_with_their_newest_sample(ledger: Ledger) -> None:
    await ledger.commit(Batch(unregistered={"b/x": (2, 10, 20, "t1", b"old"), "b/y": (1, 15, 15, "t2", b"y" * 5000)}))
    await ledger.commit(Batch(unregistered={"b/x": (3, 25, 30, "t3", b"new"), "b/w": (1, 15, 15, "t4", b"")}))
    found = await ledger.unregistered()
    assert [tuple(u)[:5] for u in found] == [
        ("b/x", 5, 10, 30, "t3"),
        ("b/w", 1, 15, 15, "t4"),
        ("b/y", 1, 15, 15, "t2"),
    ]
    assert (found[0].sample, len(found[2].sample)) == (b"new", SAMPLE_BYTES)
    assert await ledger.unregistered(1) == found[:1]


async def test_a_flood_of_strangers_is_bounded_the_longest_silent_go(ledger: Ledger) -> None:
    flood = {f"b/{n:06d}": (1, n, n, "t", b"") for n in range(STRANGERS_KEPT + 20)}
    await ledger.commit(Batch(unregistered=flood))
    found = await ledger.unregistered(2 * STRANGERS_KEPT)
    assert [len(found), found[-1].device] == [STRANGERS_KEPT, "b/000020"]


async def test_counts_add_up(ledger: Ledger) -> None:
    await ledger.commit(Batch(counts={"live": 3, "own": 1}))
    await ledger.commit(Batch(counts={"live": 2}))
    assert await ledger.counts() == {"live": 5, "own": 1}


async def test_many_callers_at_once_are_served_in_order(ledger: Ledger) -> None:
    found = await asyncio.gather(*(ledger.commit(rows(n)) for n in range(1, 40)))
    assert found == list(range(1, 40))
    assert [r.first_at for r in await ledger.tape_after(0, 100)] == found
    size = await ledger.size()
    assert (size.first_seq, size.last_seq) == (1, 39)
    assert size.tape_bytes > 0
