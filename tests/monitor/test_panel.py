"""The panel: nothing is acknowledged before it is committed, nothing happens twice, and a restart anywhere is no restart.

Knows the ledger on SQLite and the engine by their effects; no broker, no channel.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import FakeClock
from monitor.inbox import Given, Inbox
from monitor.ledger.sqlite import SqliteLedger
from monitor.lookout import KEPT_PAYLOAD, Limits, Lookout, points
from monitor.panel import SNAPSHOT_ROWS, SNAPSHOT_ROWS_PER_DEVICE, Committed, Panel
from monitor.ports import Batch, Ledger, TapeRecord, TryAgain, Verdict
from monitor.tape import BOOK, MESSAGE, MOVE, TICK, message_of
from rules.model import (
    MINUTE,
    SECOND,
    DevicePattern,
    Disposition,
    Move,
    Neighbourhood,
    Outcome,
    Receipt,
    Refused,
    Step,
    Text,
    Tick,
    Trouble,
    Verb,
    Zone,
)
from rules.rule import BookChanged
from tests.fake_ledger import FakeLedger
from tests.rules.small_block import T0, block, book, rule

DENSE = rule("dense", "PREALARM", "smoke_density > 0.3", for_="4s", clear="smoke_density < 0.15", clear_for="60s")
SMOKE = rule("smoke", "FIRE", "smoke", clear="not smoke", clear_for="10s")
BOTH = rule(
    "both",
    "FIRE",
    "any(smoke_density > 0.3) and any(temperature > 45)",
    ("smoke_detector", "heat_detector"),
    subject="zone",
)
TWO = book(DENSE, SMOKE, BOTH)
ONE = book(SMOKE)


@dataclass
class Life:
    """One panel from its start to its end, on a ledger that may have had panels before."""

    ledger: Ledger
    clock: FakeClock
    places: Neighbourhood = field(default_factory=block)
    limits: Limits = field(default_factory=Limits)
    batch_limit: int = 1000
    acknowledged: list[list[int]] = field(default_factory=list)
    committed: list[Committed] = field(default_factory=list)
    ticks: int = 0

    def __post_init__(self) -> None:
        self.inbox = Inbox(self.clock)
        self.lookout = Lookout(TWO, self.places, self.limits)
        self.panel = Panel(
            self.lookout, self.ledger, self.inbox, acknowledge=self._acknowledge, committed=self.committed.append,
            ticked=self._ticked, batch_limit=self.batch_limit,
        )  # fmt: skip

    def _acknowledge(self, tokens: Sequence[int]) -> None:
        self.acknowledged.append(list(tokens))

    def _ticked(self) -> None:
        self.ticks += 1

    def say(self, device: str, token: int = 0, *, raw: bytes | None = None, dup: bool = False, **values: Any) -> None:
        payload = json.dumps(values).encode() if raw is None else raw
        self.inbox.message(f"wl/b/{device}/up", payload, 1, False, dup, token)

    async def drain(self) -> None:
        """Work until the inbox is empty."""
        self.panel.stop()
        await self.panel.run()

    async def tape(self) -> list[tuple[Any, ...]]:
        return [row for record in await self.ledger.tape_after(0, 10_000) for row in record.rows]

    async def steps(self) -> list[Step]:
        return [Step(e.step) for e in await self.ledger.entries_after(0, 10_000)]


async def sqlite(folder: Path) -> SqliteLedger:
    return SqliteLedger(folder)


# --- commit, then let go ----------------------------------------------------------------------------------------------


async def test_nothing_is_acknowledged_before_it_is_committed_and_then_in_batches() -> None:
    ledger = FakeLedger()
    life = Life(ledger, FakeClock(T0))
    ledger.gate.clear()
    for token in (1, 2, 3):
        life.say("h1", token, smoke_density=0.0)
    running = asyncio.ensure_future(life.panel.run())
    await turns()
    assert (life.inbox.depth, life.acknowledged) == (0, [])  # taken, decided, and the commit still runs
    life.say("h1", 0, smoke_density=0.1)  # at QoS 0 there is nothing to acknowledge
    life.say("h1", 4, smoke_density=0.1)
    life.say("h1", 5, smoke_density=0.2)
    await turns()
    assert (life.inbox.depth, life.acknowledged) == (3, [])
    ledger.gate.set()
    await turns()
    assert life.acknowledged == [[1, 2, 3], [4, 5]]
    assert [c.last_seq for c in life.committed] == [3, 6]
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def turns() -> None:
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_commit_that_fails_ends_the_panel_with_nothing_acknowledged_and_nobody_answered() -> None:
    ledger = FakeLedger()
    life = Life(ledger, FakeClock(T0))
    ledger.failing = TryAgain("the disk is full")
    life.say("h1", 1, smoke=True)
    asked = asyncio.ensure_future(life.inbox.ask(Move(0, "inc-000001", Verb.ACKNOWLEDGE, "li")))
    await turns()
    with pytest.raises(TryAgain, match="disk"):
        await life.drain()
    assert (life.acknowledged, life.committed, life.panel.account) == ([], [], {})
    assert not asked.done()
    asked.cancel()


async def test_pushes_and_entries_are_told_after_the_commit() -> None:
    life = Life(FakeLedger(), FakeClock(T0))
    life.say("h1", 1, smoke=True)
    await life.drain()
    (told,) = life.committed
    assert {p.key for p in told.pushes} == {r.push.key for r in await life.ledger.open_pushes()} != set()
    assert told.entries == len(await life.steps()) > 0
    assert life.panel.commits == 1


async def test_the_batch_limit_holds() -> None:
    life = Life(FakeLedger(), FakeClock(T0), batch_limit=2)
    for token in range(1, 6):
        life.say("h1", token, smoke_density=0.0)
    await life.drain()
    assert life.acknowledged == [[1, 2], [3, 4], [5]]


# --- people -----------------------------------------------------------------------------------------------------------


async def test_a_move_is_answered_with_its_effects_and_a_refused_one_with_the_reason() -> None:
    life = Life(FakeLedger(), FakeClock(T0))
    life.say("h1", 1, smoke=True)
    asked = [
        asyncio.ensure_future(life.inbox.ask(Move(0, incident, verb, "li", "")))
        for incident, verb in (("inc-000001", Verb.ACKNOWLEDGE), ("inc-000001", Verb.CLOSE), ("inc-9", Verb.NOTE))
    ]
    await turns()
    await life.drain()
    done, closed, unknown = await asyncio.gather(*asked)
    assert not any(isinstance(e, Refused) for e in done)
    assert [[e.reason != "" for e in effects if isinstance(e, Refused)] for effects in (closed, unknown)] == [
        [True],
        [True],
    ]
    assert Step.ACKNOWLEDGED in await life.steps()
    assert [row[0] for row in await life.tape()].count(MOVE) == 3  # refused ones are kept as well


async def test_who_gave_up_waiting_does_not_stop_the_panel() -> None:
    life = Life(FakeLedger(), FakeClock(T0))
    asked = asyncio.ensure_future(life.inbox.ask(Move(0, "inc-1", Verb.NOTE, "li", "x")))
    await turns()
    asked.cancel()
    await turns()
    life.say("h1", 1, smoke=True)
    await life.drain()
    assert life.acknowledged == [[1]]


# --- time -------------------------------------------------------------------------------------------------------------


async def test_ticks_that_do_nothing_are_not_written_and_still_feed_the_watchdog() -> None:
    life = Life(FakeLedger(), FakeClock(T0))
    for _ in range(5):
        life.clock.advance(MINUTE)
        life.inbox.put(Tick(0))
    await life.drain()
    assert (await life.tape(), life.panel.commits, life.ticks) == ([], 0, 1)
    assert life.lookout.engine.now == T0 + 5 * MINUTE


async def test_a_deadline_is_met_without_any_message() -> None:
    life = Life(FakeLedger(), FakeClock(T0))
    running = asyncio.ensure_future(life.panel.run())
    life.say("h1", 1, smoke_density=0.4)
    while life.panel.commits < 1:
        await asyncio.sleep(0)
    assert await life.steps() == []
    life.clock.advance(5 * SECOND)
    life.inbox.put(Trouble(0, "x", False))  # wakes it; the hold is found due
    while life.panel.commits < 2:
        await asyncio.sleep(0)
    assert (await life.steps())[0] is Step.RAISED
    (raised,) = await life.ledger.incidents()
    assert raised.raised_at == T0 + 4 * SECOND
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_what_waits_in_the_inbox_comes_before_a_later_deadline() -> None:
    life = Life(FakeLedger(), FakeClock(T0), batch_limit=1)
    life.say("h1", 1, smoke_density=0.4)
    life.clock.advance(3 * SECOND)
    life.say("h1", 2, smoke_density=0.0)  # the smoke has gone before the hold of 4 s is over
    life.clock.advance(60 * SECOND)
    await life.drain()
    assert await life.ledger.incidents() == []


async def test_a_flood_that_is_no_readings_does_not_stop_the_time() -> None:
    life = Life(FakeLedger(), FakeClock(T0), batch_limit=1)
    life.say("h1", 1, smoke_density=0.4)
    for n in range(20):
        life.clock.advance(SECOND)
        life.say("nobody", 2 + n, smoke=True)
    raised_with: list[int] = []
    life.panel._committed = lambda what: raised_with.append(life.inbox.depth) if what.entries else None
    await life.drain()
    assert raised_with == [
        17
    ]  # as soon as four seconds had passed, with the flood still waiting; the stop's tick is one of them
    assert [i.raised_at for i in await life.ledger.incidents()] == [T0 + 4 * SECOND]


async def test_records_are_dated_by_their_rows_even_if_the_engine_never_sees_them(tmp_path: Path) -> None:
    ledger = await sqlite(tmp_path)
    life = Life(ledger, FakeClock(T0))
    life.say("nobody", 1, smoke=True)
    life.clock.advance(MINUTE)
    life.say("h1", 2, raw=b"?")
    await life.drain()
    await life.panel.finish()
    (record,) = await ledger.tape_after(0)
    assert (record.first_at, record.last_at) == (T0, T0 + MINUTE)
    assert await ledger.prune(older_than=T0 + MINUTE, max_bytes=1 << 40) == (0, False)  # not "as old as the epoch"
    await ledger.close()


async def test_the_clock_never_goes_back_behind_the_tape(tmp_path: Path) -> None:
    ledger = await sqlite(tmp_path)
    life = Life(ledger, FakeClock(T0))
    life.clock.advance(MINUTE)
    life.say("h1", 1, raw=b"?")
    await life.drain()
    later = Life(ledger, FakeClock(T0 - 30 * MINUTE))  # set back while the daemon was down
    await later.panel.recover()
    assert later.clock.now() == T0 + MINUTE
    await ledger.close()


# --- what is kept -----------------------------------------------------------------------------------------------------


async def test_strangers_are_counted_listed_and_kept_on_the_tape() -> None:
    life = Life(FakeLedger(), FakeClock(T0))
    life.say("x", 1, smoke=True)
    life.clock.advance(SECOND)
    life.say("x", 2, raw=b'{"smoke":1' + b" " * 5000 + b"}")
    life.say("y", 3, smoke=True)
    await life.drain()
    x, y = sorted(await life.ledger.unregistered())
    assert (x.device, x.messages, x.first_at, x.last_at, x.topic) == ("b/x", 2, T0, T0 + SECOND, "wl/b/x/up")
    assert (len(x.sample), y.device, y.messages) == (KEPT_PAYLOAD, "b/y", 1)
    assert [row[6] for row in await life.tape()] == ["unregistered"] * 3
    assert life.panel.account == {"unregistered": 3}
    assert life.acknowledged == [[1, 2, 3]]


async def test_our_own_words_are_counted_and_acknowledged_and_not_kept() -> None:
    life = Life(FakeLedger(), FakeClock(T0))
    life.inbox.message("wl/b/incidents/inc-000001", b"{}", 1, True, False, 9)
    await life.drain()
    assert (await life.tape(), life.acknowledged, life.panel.account) == ([], [[9]], {"own": 1})


async def test_a_message_that_is_too_large_is_kept_in_part() -> None:
    life = Life(FakeLedger(), FakeClock(T0))
    life.say("h1", 1, raw=b'{"smoke":true' + b" " * 1_000_000 + b"}")
    await life.drain()
    (row,) = await life.tape()
    assert (row[6], len(message_of(row).payload)) == ("rejected", KEPT_PAYLOAD)
    assert (await life.ledger.counts()) == {"rejected": 1, "quarantined:too-large": 1}


async def test_what_was_evaluated_is_kept_whole_under_any_bound(tmp_path: Path) -> None:
    ledger = await sqlite(tmp_path)
    life = Life(ledger, FakeClock(T0), limits=Limits(max_payload=1_000_000))
    life.say("h1", 1, raw=b'{"smoke":true' + b" " * 100_000 + b"}")
    await life.drain()
    again = Life(ledger, FakeClock(T0), limits=life.limits)
    await again.panel.recover()
    assert again.lookout.snapshot() == life.lookout.snapshot()
    assert len(again.lookout.engine.open_incidents) == 1
    (record,) = await ledger.tape_after(0)
    assert [p.values for p in points(record, block(), life.limits)] == [{"smoke": True}]
    await ledger.close()


async def test_received_is_the_sum_of_the_verdicts(tmp_path: Path) -> None:
    ledger = await sqlite(tmp_path)
    life = Life(ledger, FakeClock(T0))
    received = 0
    for payload in (b"", b"?", b'{"smoke":false}', b'{"id":1,"smoke":false}', b'{"id":1,"smoke":false}', b'{"x":1,"smoke":false}',
                    b'{"at":0,"smoke":false}', b'{"at":4070908800000,"smoke":false}'):  # fmt: skip
        for device in ("h1", "nobody"):
            life.say(device, received + 1, raw=payload)
            received += 1
    life.inbox.message("wl/b/h2/up", b'{"smoke":false}', 1, True, False, 99)
    life.inbox.message("wl/b/h2/down", b"{}", 1, False, False, 100)
    await life.drain()
    account = life.panel.account
    assert sum(account[v] for v in Verdict) == received + 2 == sum(map(len, life.acknowledged))
    assert {v: account[v] for v in Verdict} == {
        "live": 3, "retained": 1, "late": 1, "future": 1, "duplicate": 1, "rejected": 4, "unregistered": 6, "own": 1, "move": 0,
    } | {Verdict.UNREGISTERED: account["unregistered"], Verdict.REJECTED: account["rejected"]}  # fmt: skip
    assert account["rejected"] + account["unregistered"] == received - 6
    assert account == await ledger.counts()
    assert {k: n for k, n in account.items() if k.startswith("q")} == {
        "quarantined:empty": 2, "quarantined:not-json": 2, "quarantined:unknown-quantity": 1, "quarantined:clock": 2,
    }  # fmt: skip
    again = Life(ledger, FakeClock(T0))
    await again.panel.recover()
    assert again.panel.account == account
    await ledger.close()


# --- snapshots --------------------------------------------------------------------------------------------------------


async def test_a_snapshot_is_taken_every_so_many_rows_and_devices(tmp_path: Path) -> None:
    count = SNAPSHOT_ROWS // SNAPSHOT_ROWS_PER_DEVICE + 50
    zone = Zone("b/z", "b", Text("区", "Zone"), "dwelling")
    pattern = DevicePattern(re.compile(r"b/d\d+"), "smoke_detector", "b/z", Text("烟", "Smoke"))
    places = Neighbourhood(zones={zone.key: zone}, stations=(), patterns=(pattern,))
    ledger = await sqlite(tmp_path)

    async def rows(life: Life, number: int) -> None:
        for n in range(number):
            life.say("d0", n + 1, raw=b"?")
        await life.drain()

    life = Life(ledger, FakeClock(T0), places)
    for n in range(count):
        life.say(f"d{n}", n + 1, smoke=False)
    await rows(life, 30_000 - count)
    life = Life(ledger, FakeClock(T0), places)
    assert await life.panel.recover() == 30_000  # rows before a crash count as well
    due = count * SNAPSHOT_ROWS_PER_DEVICE
    assert due > SNAPSHOT_ROWS
    await rows(life, due - 30_000)
    assert await ledger.snapshot() is None
    await rows(life, 1)
    found = await ledger.snapshot()
    assert found is not None
    assert found[0] == due + 1
    again = Life(ledger, FakeClock(T0), places)
    assert await again.panel.recover() == 0
    assert again.lookout.snapshot() == life.lookout.snapshot()
    await ledger.close()


async def test_after_a_clean_stop_there_is_nothing_to_fold(tmp_path: Path) -> None:
    ledger = await sqlite(tmp_path)
    life = Life(ledger, FakeClock(T0))
    life.say("h1", 1, smoke=True)
    await life.drain()
    await life.panel.finish()
    again = Life(ledger, FakeClock(T0))
    assert await again.panel.recover() == 0
    assert again.lookout.snapshot() == life.lookout.snapshot()
    await ledger.close()


async def test_the_recovery_says_how_far_it_is(tmp_path: Path) -> None:
    ledger = await sqlite(tmp_path)
    life = Life(ledger, FakeClock(T0), batch_limit=10)
    for n in range(300):
        life.say("h1", n + 1, smoke_density=n / 1000)
    await life.drain()
    told: list[tuple[int, int]] = []
    again = Life(ledger, FakeClock(T0))
    assert await again.panel.recover(lambda done, total: told.append((done, total))) == 300
    assert told == sorted(told)
    assert told[-1] == (300, 300)
    assert len(told) > 2
    await ledger.close()


async def test_a_book_on_the_tape_that_can_no_longer_be_read_does_not_stop_the_start() -> None:
    ledger = FakeLedger()
    await ledger.commit(Batch(rows=[(BOOK, T0, "digest", [["old.yaml", "rules: nonsense"]])], first_at=T0, last_at=T0))
    life = Life(ledger, FakeClock(T0))
    assert await life.panel.recover() == 1
    assert life.lookout.engine.book == TWO


# --- a restart anywhere is no restart ---------------------------------------------------------------------------------


class PowerCut(Exception):
    """The machine is gone."""


class Fragile(SqliteLedger):
    """A ledger whose machine dies at the next commit: before it, or after it and before anybody heard of it."""

    cut = ""

    async def commit(self, batch: Batch) -> int:
        """Raises PowerCut when that was asked for."""
        if self.cut == "before":
            raise PowerCut
        last = await super().commit(batch)
        if self.cut == "after":
            raise PowerCut
        return last


DEVICES = ["h1", "h2", "h3", "g1", "nobody"]
PAYLOADS: list[dict[str, Any] | bytes] = [
    {"smoke": True}, {"smoke": False}, {"smoke_density": 0.4}, {"smoke_density": 0.1}, {"temperature": 60}, {"temperature": 20},
    {"smoke": True, "temperature": 1e9}, {"id": "a", "smoke": True}, {"at": (T0 - 600 * SECOND) // 1000, "smoke": True},
    {"at": (T0 + 86_400 * SECOND) // 1000, "smoke_density": 0.5}, {"online": False}, b"?",
]  # fmt: skip
ACTIONS = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(DEVICES), st.sampled_from(range(len(PAYLOADS)))),
    st.tuples(st.just("say"), st.sampled_from(DEVICES[:2]), st.sampled_from([0, 1, 2, 3])),
    st.tuples(st.just("move"), st.sampled_from(range(1, 4)), st.sampled_from(Verb)),
    st.tuples(st.just("receipt"), st.integers(0, 5), st.sampled_from([Outcome.ACCEPTED, Outcome.RETRY, Outcome.DEAD])),
    st.tuples(st.just("trouble"), st.booleans(), st.just(0)),
    st.tuples(st.just("book"), st.booleans(), st.just(0)),
)
FATES = st.sampled_from(["goes on", "goes on", "before", "after", "clean"])
STORY = st.lists(
    st.tuples(st.sampled_from([0, 1, 3, 5, 15, 70, 400]), st.lists(ACTIONS, min_size=1, max_size=4), FATES),
    min_size=1,
    max_size=9,
)
Story = list[tuple[int, list[tuple[str, Any, Any]], str]]


@dataclass
class Account:
    """Everything that can be known of a night, as the ledger and the engine tell it."""

    incidents: list[Any]
    entries: list[Any]
    outbox: list[Any]
    counts: dict[str, int]
    quarantined: list[Any]
    strangers: list[Any]
    rows: list[Any]
    state: dict[str, Any]


class Night:
    """Plays a story on one folder, with or without its accidents."""

    def __init__(self, folder: Path, accidents: bool) -> None:
        self.folder, self.accidents = folder, accidents
        self.clock = FakeClock(T0)
        self.mid = 0

    async def play(self, story: Story) -> Account:
        await self._start()
        for passed, actions, fate in [*story, (3600, [("trouble", False, 0)], "goes on")]:
            self.clock.advance(passed * SECOND)
            said, events = await self._given(actions)
            self.ledger.cut = fate if self.accidents and fate in ("before", "after") else ""
            try:
                await self._work(said, events, dup=False)
            except PowerCut:
                await self._start_again()
                # The broker brings again what was not acknowledged; people and channels only what was not committed.
                await self._work(said, events if fate == "before" else [], dup=True)
            if self.accidents and fate == "clean":
                await self.life.panel.finish()
                await self._start_again()
        account = await self._account()
        await self.ledger.close()
        return account

    async def _start(self) -> None:
        self.ledger = Fragile(self.folder)
        self.life = Life(self.ledger, self.clock)
        await self.life.panel.recover()

    async def _start_again(self) -> None:
        await self.ledger.close()
        await self._start()

    async def _given(self, actions: list[tuple[str, Any, Any]]) -> tuple[list[tuple[str, Any, int]], list[Given]]:
        said: list[tuple[str, Any, int]] = []
        events: list[Given] = []
        waiting = await self.ledger.open_pushes()
        for what, one, other in actions:
            if what == "say":
                self.mid += 1
                said.append((one, PAYLOADS[other], self.mid))
            elif what == "move":
                events.append(Move(0, f"inc-{one:06d}", other, "li", "说明", Disposition.NUISANCE))
            elif what == "receipt" and waiting:
                row = waiting[one % len(waiting)]
                next_at = self.clock.now() + MINUTE if other is Outcome.RETRY else None
                events.append(Receipt(0, row.push.key, other, row.attempts + 1, "said", next_at))
            elif what == "trouble":
                events.append(Trouble(0, "feed", one, "the broker is gone"))
            elif what == "book":
                events.append(BookChanged(0, TWO if one else ONE))
        return said, events

    async def _work(self, said: list[tuple[str, Any, int]], events: list[Given], *, dup: bool) -> None:
        for device, payload, mid in said:
            if isinstance(payload, bytes):
                self.life.say(device, 1 << 16 | mid, raw=payload, dup=dup)
            else:
                self.life.say(device, 1 << 16 | mid, dup=dup, **payload)
        for event in events:
            self.life.inbox.put(event)
        await self.life.drain()

    async def _account(self) -> Account:
        ledger = self.ledger
        tape: list[TapeRecord] = await ledger.tape_after(0, 10_000)
        return Account(
            incidents=await ledger.incidents(limit=1000),
            entries=[(e.at, e.incident, e.step, e.detail) for e in await ledger.entries_after(0, 10_000)],
            outbox=[row for i in await ledger.incidents(limit=1000) for row in await ledger.pushes_of(i.id)],
            counts=await ledger.counts(),
            quarantined=await ledger.quarantined(1000),
            strangers=await ledger.unregistered(1000),
            rows=[(*r[:4], *r[5:]) if r[0] == MESSAGE else r for record in tape for r in record.rows if r[0] != TICK],
            state=self.life.lookout.snapshot(),
        )


@given(STORY)
@settings(deadline=None, max_examples=40)
def test_a_restart_anywhere_is_no_restart(tmp_path_factory: pytest.TempPathFactory, story: Story) -> None:
    undisturbed = asyncio.run(Night(tmp_path_factory.mktemp("a"), accidents=False).play(story))
    disturbed = asyncio.run(Night(tmp_path_factory.mktemp("b"), accidents=True).play(story))
    assert disturbed.incidents == undisturbed.incidents
    assert disturbed.entries == undisturbed.entries
    assert disturbed.outbox == undisturbed.outbox
    assert disturbed.state == undisturbed.state
    for verdict in (Verdict.LIVE, Verdict.LATE, Verdict.FUTURE, Verdict.RETAINED):
        assert disturbed.counts.get(verdict) == undisturbed.counts.get(verdict)
    if all(fate != "after" for _, _, fate in story):  # nothing was brought twice, so nothing at all may differ
        assert disturbed == undisturbed


async def test_what_is_brought_again_after_the_commit_is_a_duplicate(tmp_path: Path) -> None:
    story: Story = [(0, [("say", "h1", 0), ("say", "h1", 7), ("say", "nobody", 0)], "after")]
    account = await Night(tmp_path, accidents=True).play(story)
    assert {v: account.counts.get(v, 0) for v in ("live", "duplicate", "unregistered")} == {
        "live": 2, "duplicate": 2, "unregistered": 2,
    }  # fmt: skip
    assert len(account.incidents) == 1
