"""The ledger's file: alone, durable, migrated, pruned, copied while it is written, whole after a kill and a full disk.

Knows SQLite; what every ledger must do is in tests/contracts/test_ledger.py.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from monitor.chain import first_link, next_link
from monitor.clock import FakeClock
from monitor.ledger.connection import FILE, LedgerError, LedgerInUse, LedgerTooNew, connect, migrate
from monitor.ledger.copies import backup, messages_between
from monitor.ledger.rows import ENTRIES
from monitor.ledger.schema import MIGRATIONS
from monitor.ledger.sqlite import SLICE, SqliteLedger
from monitor.ports import Batch, Message, Quarantined, Verdict
from monitor.tape import message_row
from rules.model import Kind, Micros, Push
from tests.monitor.test_panel import Life
from tests.rules.small_block import T0

ROOT = Path(__file__).parents[2]
FOREVER = 1 << 60


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqliteLedger]:
    it = SqliteLedger(folder)
    try:
        yield it
    finally:
        await it.close()


def batch(*moments: Micros, size: int = 10, snapshot: bytes | None = None) -> Batch:
    noise = random.Random(moments[0])  # does not compress, so that bytes can be reckoned with
    rows: list[tuple[object, ...]] = [
        message_row(Message(at, "wl/b/h1/up", noise.randbytes(size), 1, False, False, 7), Verdict.LIVE)
        for at in moments
    ]
    return Batch(rows, moments[0], moments[-1], counts={"live": len(rows)}, snapshot=snapshot)


# --- alone ------------------------------------------------------------------------------------------------------------


async def test_two_daemons_refuse_to_share_a_ledger(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(LedgerInUse, match="another wanglou is running"):
            SqliteLedger(tmp_path)
        program = "import sys, pathlib; from monitor.ledger.sqlite import SqliteLedger; SqliteLedger(pathlib.Path(sys.argv[1]))"
        other = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
        assert other.returncode != 0
        assert "LedgerInUse" in other.stderr
    async with opened(tmp_path):
        pass  # and the lock goes with its holder


async def test_a_file_that_cannot_be_used_leaves_the_lock_free(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all, " * 100)
    for _ in range(2):
        with pytest.raises(LedgerError, match="restore it from a backup"):
            SqliteLedger(tmp_path)
    assert (tmp_path / FILE).read_bytes().startswith(b"no database")
    (tmp_path / FILE).unlink()
    async with opened(tmp_path):
        pass


# --- durable ----------------------------------------------------------------------------------------------------------


async def test_every_commit_is_synced(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        for db in (ledger._db, ledger._reading):
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            ledger._reading.execute("DELETE FROM tape")


async def test_reopened_it_goes_on_where_it_was(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.commit(batch(1, 2, 3, snapshot=b"s"))
        await ledger.move_cursor("h", 2)
        size = await ledger.size()
    async with opened(tmp_path) as ledger:
        assert (await ledger.size())._replace(file_bytes=0) == size._replace(file_bytes=0)
        assert await ledger.cursor("h") == 2
        assert await ledger.commit(batch(4)) == 4


async def test_numbers_go_on_after_a_tape_that_was_pruned_to_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.commit(batch(1, 2, 3))
        await ledger.commit(Batch(snapshot=b"s"))
        assert await ledger.prune(older_than=10, max_bytes=FOREVER) == (1, False)
    async with opened(tmp_path) as ledger:
        assert (await ledger.size()).first_seq == 0
        assert await ledger.commit(batch(4)) == 4


async def test_a_full_disk_costs_the_batch_and_nothing_else(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.commit(batch(1))
        pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
        ledger._db.execute(f"PRAGMA max_page_count = {pages + 5}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            await ledger.commit(batch(2, size=500_000))
        assert not ledger._db.in_transaction
        with pytest.raises(sqlite3.OperationalError, match="full"):
            await ledger.quarantine([_long(n) for n in range(1000)])
        assert not ledger._db.in_transaction
        ledger._db.execute("PRAGMA max_page_count = 1000000")
        assert await ledger.commit(batch(2, size=500_000)) == 2
        assert await ledger.counts() == {"live": 2}
        assert [r.first_seq for r in await ledger.tape_after(0)] == [1, 2]


async def test_the_size_that_is_known_is_the_size_that_is_there(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        for n in range(20):
            await ledger.commit(batch(n, size=1000))
        await ledger.commit(Batch(snapshot=b""))
        await ledger.prune(older_than=7, max_bytes=FOREVER)
        stored = ledger._db.execute("SELECT sum(length(record)) FROM tape").fetchone()[0]
        assert ledger.tape_bytes == stored == (await ledger.size()).tape_bytes


_WRITER = """
import asyncio, sys, pathlib
from monitor.ledger.sqlite import SqliteLedger
from tests.monitor.test_ledger_sqlite import whole_batch

async def main():
    ledger = SqliteLedger(pathlib.Path(sys.argv[1]))
    n = ledger.last_seq // 50
    while True:
        await ledger.commit(whole_batch(n))
        n += 1
        print(n, flush=True)

asyncio.run(main())
"""


def whole_batch(n: int) -> Batch:
    """Number n of the killed writer: fifty rows, and one of everything else, so that half a batch can be told."""
    out = batch(*range(n * 50, n * 50 + 50), size=200)
    out.entries = [(n, "inc-1", "note", f'{{"n": {n}}}')]
    out.pushes = [Push(n, f"inc-1/{n}/hook", "inc-1", "s", "hook", Kind.FIRE, n + 1, {})]
    return out


@pytest.mark.parametrize("seed", range(4))
async def test_a_kill_leaves_whole_batches_and_all_that_were_confirmed(tmp_path: Path, seed: int) -> None:
    confirmed = _killed_after(tmp_path, 3 + 13 * seed)
    async with opened(tmp_path) as ledger:
        records = await ledger.tape_after(0, 10_000)
        assert len(records) >= confirmed
        assert [(r.first_seq, len(r.rows)) for r in records] == [(n * 50 + 1, 50) for n in range(len(records))]
        assert [r.rows for r in records] == [whole_batch(n).rows for n in range(len(records))]
        assert [e.detail for e in await ledger.entries_after(0)] == [{"n": n} for n in range(len(records))]
        link = first_link(ledger.identity, "inc-1")
        for row in await ledger.timeline("inc-1"):
            link = next_link(link, row.at, row.incident, row.step, row.detail)
            assert row.link == link, "the chain goes on over a kill"
        assert len(await ledger.open_pushes()) == len(records)
        assert await ledger.counts() == {"live": 50 * len(records)}
        assert ledger._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def _killed_after(folder: Path, batches: int) -> int:
    """Kill a writing process with SIGKILL; how many batches it said were committed."""
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    confirmed = 0
    with writer:
        for line in writer.stdout:
            confirmed = int(line)
            if confirmed == batches:
                writer.kill()
    assert confirmed >= batches, "the writer ended by itself"
    return confirmed


# --- versions ---------------------------------------------------------------------------------------------------------


def test_a_new_file_has_the_newest_version(tmp_path: Path) -> None:
    with closing(connect(tmp_path / FILE)) as db:
        migrate(db)
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


VERSION_1 = Path(__file__).with_name("ledger-version-1.sqlite3.gz")
"""What version 1 of the schema left of a fire and its reset, a second fire that is still open, and a message that was no JSON."""


async def test_a_ledger_of_version_1_opens_and_keeps_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(gzip.decompress(VERSION_1.read_bytes()))
    async with opened(tmp_path) as ledger:
        second, first = await ledger.incidents()
        assert (first.id, first.state, first.disposition) == ("inc-000001", "closed", "nuisance")
        assert (second.id, second.state, second.overdue) == ("inc-000002", "raised", ("dispatch",))
        assert (first.warned, first.exercise, first.sensed_at) == ((), "", None)
        assert [i.id for i in await ledger.incidents(station="east")] == ["inc-000002", "inc-000001"]
        assert {row.push.to for row in await ledger.open_pushes()} == {""}
        assert await ledger.suppressions() == []
        assert (await ledger.size()).last_entry == 18
        await ledger.commit(Batch(entries=[(first.closed_at or 0, "inc-000001", "note", '{"by": "x"}')]))
        rows = await ledger.timeline("inc-000001")
        assert [row.id for row in rows] == [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16, 17, 18, 19]
        link = first_link(ledger.identity, "inc-000001")
        for row in rows:
            link = next_link(link, row.at, row.incident, row.step, row.detail)
            assert row.link == link, row
        (after,) = ledger._db.execute("SELECT value FROM fact WHERE name = 'sealed_after'").fetchone()
        assert after == "18"


async def test_a_daemon_goes_on_where_version_1_stopped(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(gzip.decompress(VERSION_1.read_bytes()))
    async with opened(tmp_path) as ledger:
        life = Life(ledger, FakeClock(T0))
        await life.panel.recover()
        assert [i.id for i in life.lookout.engine.open_incidents] == ["inc-000002"]


async def test_every_ledger_has_a_number_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as first, opened(tmp_path / "b") as second:
        assert first.identity != second.identity
    async with opened(tmp_path / "a") as again:
        assert again.identity == first.identity


def test_what_is_asked_for_is_found_by_an_index(tmp_path: Path) -> None:
    with closing(connect(tmp_path / FILE)) as db:
        migrate(db)
        for sql in (
            "SELECT record FROM incident WHERE raised_at >= 1 AND raised_at < 2 ORDER BY raised_at DESC, id DESC LIMIT 5",
            "SELECT record FROM incident WHERE raised_at >= 1 AND raised_at < 2 AND station = 'x' ORDER BY raised_at DESC",
            "SELECT hash FROM entry WHERE incident = 'x' ORDER BY id DESC LIMIT 1",
            f"{ENTRIES} WHERE incident IN (SELECT value FROM json_each('[1]')) AND (0 OR step IN ('x')) ORDER BY id",
            "SELECT record FROM suppression WHERE ended_at IS NULL ORDER BY since DESC, id DESC LIMIT 5",
        ):
            plan = " / ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}"))
            assert "USING INDEX" in plan, (sql, plan)
            assert "SCAN entry" not in plan


NEXT = "ALTER TABLE entry ADD COLUMN author TEXT NOT NULL DEFAULT ''; UPDATE entry SET author = 'machine'"


async def test_an_older_file_is_migrated_and_keeps_what_it_holds(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.commit(Batch(entries=[(1, "inc-1", "raised", "{}")]))
    with closing(connect(tmp_path / FILE)) as db:
        migrate(db, (*MIGRATIONS, NEXT))
        assert db.execute("SELECT at, author FROM entry").fetchall() == [(1, "machine")]
        migrate(db, (*MIGRATIONS, NEXT))  # only once
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)


async def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.commit(Batch(entries=[(1, "inc-1", "raised", "{}")]))
    with closing(connect(tmp_path / FILE)) as db:
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            migrate(db, (*MIGRATIONS, f"{NEXT}; UPDATE missing SET x = 1"))
        assert not db.in_transaction
    async with opened(tmp_path) as ledger:
        assert [e.step for e in await ledger.entries_after(0)] == ["raised"]
        columns = [name for _, name, *_ in ledger._reading.execute("PRAGMA table_info(entry)")]
        assert "author" not in columns


async def test_a_newer_file_is_not_touched(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.commit(batch(1))
    with closing(connect(tmp_path / FILE)) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 3}")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(LedgerTooNew, match=f"version {len(MIGRATIONS) + 3}, this program knows {len(MIGRATIONS)}: run"):
        SqliteLedger(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


# --- bounds -----------------------------------------------------------------------------------------------------------


async def firsts(ledger: SqliteLedger) -> list[int]:
    return [r.first_seq for r in await ledger.tape_after(0, 10_000)]


async def test_pruning_by_age_stops_at_the_first_young_record(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        for at in range(10):
            await ledger.commit(batch(at * 10, at * 10 + 9, snapshot=b"s"))
        assert await ledger.prune(older_than=39, max_bytes=FOREVER) == (3, False)
        assert await firsts(ledger) == [7, 9, 11, 13, 15, 17, 19]
        assert await ledger.prune(older_than=39, max_bytes=FOREVER) == (0, False)
        assert (await ledger.size()).first_seq == 7


async def test_what_a_restart_needs_is_never_pruned(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        for at in range(5):
            await ledger.commit(batch(at))
        assert await ledger.prune(older_than=100, max_bytes=0) == (0, False)  # no snapshot: everything is needed
        await ledger.commit(batch(5, snapshot=b"s"))
        await ledger.commit(batch(6))
        assert (await ledger.prune(older_than=100, max_bytes=0))[0] == 6
        assert await firsts(ledger) == [7]


READERS = ("history:a", "history:b")


async def test_age_waits_for_a_history_that_has_never_come_and_for_none_that_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        for at in range(6):
            await ledger.commit(batch(at, snapshot=b"s"))
        await ledger.move_cursor("history:a", 6)
        await ledger.move_cursor("history:gone", 1)  # it was taken out of the site file
        assert await ledger.prune(older_than=100, max_bytes=FOREVER, readers=READERS) == (0, False)
        assert await ledger.prune(older_than=100, max_bytes=FOREVER, readers=READERS[:1]) == (6, False)


async def test_age_waits_for_a_history_that_has_not_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        for at in range(6):
            await ledger.commit(batch(at, snapshot=b"s"))
        await ledger.move_cursor("history:a", 6)
        await ledger.move_cursor("history:b", 2)
        assert await ledger.prune(older_than=100, max_bytes=FOREVER, readers=READERS) == (2, False)
        assert await firsts(ledger) == [3, 4, 5, 6]
        await ledger.move_cursor("history:b", 6)
        assert await ledger.prune(older_than=100, max_bytes=FOREVER, readers=READERS) == (4, False)


async def test_the_bound_on_bytes_bites_even_the_unread_and_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        for at in range(6):
            await ledger.commit(batch(at, size=10_000, snapshot=b"s"))
        each = ledger.tape_bytes // 6
        await ledger.move_cursor("history:a", 2)
        await ledger.move_cursor("history:b", 2)
        assert await ledger.prune(older_than=0, max_bytes=5 * each, readers=READERS) == (1, False)  # read by everybody
        assert await ledger.prune(older_than=0, max_bytes=3 * each, readers=READERS) == (2, True)
        assert await firsts(ledger) == [4, 5, 6]
        assert ledger.tape_bytes <= 3 * each + 6


async def test_pruning_goes_slice_by_slice(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        for at in range(SLICE + 10):
            await ledger.commit(batch(at))
        await ledger.commit(Batch(snapshot=b"s"))
        assert await ledger.prune(older_than=FOREVER, max_bytes=FOREVER) == (SLICE, False)
        assert await ledger.prune(older_than=FOREVER, max_bytes=FOREVER) == (10, False)


async def test_settled_pushes_go_by_age_open_ones_stay(tmp_path: Path) -> None:
    def push(key: str, at: Micros) -> Push:
        return Push(at, key, "inc-1", "dispatch-1", "hook", Kind.FIRE, at + 1, {})

    async with opened(tmp_path) as ledger:
        pushes = [push("old", 1), push("old but open", 2), push("young", 50)]
        settled: list[tuple[str, str, int, str, Micros | None]] = [
            (k, "accepted", 1, "ok", None) for k in ("old", "young")
        ]
        await ledger.commit(Batch(pushes=pushes, settled=settled))
        await ledger.prune(older_than=40, max_bytes=FOREVER)
        assert [row.push.key for row in await ledger.pushes_of("inc-1")] == ["old but open", "young"]


async def test_two_snapshots_are_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        for at in range(5):
            await ledger.commit(batch(at, snapshot=b"%d" % at))
        found = ledger._reading.execute("SELECT seq, state FROM snapshot ORDER BY seq").fetchall()
        assert found == [(4, b"3"), (5, b"4")]


# --- copies -----------------------------------------------------------------------------------------------------------


async def test_a_backup_while_it_is_written_is_complete_and_opens(tmp_path: Path) -> None:
    folder, target = tmp_path / "data", tmp_path / "copy" / FILE
    target.parent.mkdir()
    async with opened(folder) as ledger:
        for n in range(40):
            await ledger.commit(whole_batch(n))
        copying = threading.Thread(target=backup, args=(folder, target))
        copying.start()
        n = 40
        while copying.is_alive() or n < 60:  # the writer does not wait for the copy
            await ledger.commit(whole_batch(n))
            n += 1
        copying.join()
    async with opened(target.parent) as copied:
        records = await copied.tape_after(0, 10_000)
        assert 40 <= len(records) <= n
        assert [r.rows for r in records] == [whole_batch(i).rows for i in range(len(records))]
        assert await copied.counts() == {"live": 50 * len(records)}
        assert len(await copied.entries_after(0, 10_000)) == len(records)
    assert not list(tmp_path.rglob("*.part"))


async def test_a_backup_never_overwrites_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder, target = tmp_path / "data", tmp_path / "copy"
    with pytest.raises(LedgerError, match="there is no ledger"):
        backup(folder, target)
    async with opened(folder):
        pass
    target.write_text("precious")
    with pytest.raises(LedgerError, match="never overwrites"):
        backup(folder, target)
    assert target.read_text() == "precious"
    with pytest.raises(LedgerError, match="make it first"):
        backup(folder, tmp_path / "nowhere" / "copy")


async def test_a_backup_of_a_damaged_file_is_no_backup(tmp_path: Path) -> None:
    folder, target = tmp_path / "data", tmp_path / "copy"
    async with opened(folder) as ledger:
        for n in range(40):
            await ledger.commit(whole_batch(n))
    file = bytearray((folder / FILE).read_bytes())
    for page in range(2, len(file) // 4096):
        file[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    (folder / FILE).write_bytes(bytes(file))
    with pytest.raises(LedgerError, match=r"damaged|cannot be copied"):
        backup(folder, target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data"]


async def test_a_slice_of_the_tape_is_read_while_it_is_written(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.commit(batch(10, 11, 12))
        await ledger.commit(Batch([(4, 15)], 15, 15))  # a tick is no message
        await ledger.commit(batch(20, 21))
        with messages_between(tmp_path, 11, 21) as (messages, first_at, last_at):
            await ledger.commit(batch(13))
            assert [m.at for m in messages] == [11, 12, 20]
            assert (first_at, last_at) == (11, 21)
        with messages_between(tmp_path, 0, FOREVER) as (messages, first_at, last_at):
            found = list(messages)
            assert [m.at for m in found] == [10, 11, 12, 20, 21, 13]
            assert found[0] == Message(10, "wl/b/h1/up", found[0].payload, 1, False, False, 7)
            assert (first_at, last_at) == (10, 21)
    with pytest.raises(LedgerError, match="there is no ledger"), messages_between(tmp_path / "no", 0, 1):
        pass


async def test_closing_waits_for_what_was_asked(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        asked = [asyncio.ensure_future(ledger.commit(batch(at))) for at in range(20)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*asked) == list(range(1, 21))
    async with opened(tmp_path) as ledger:
        assert ledger.last_seq == 20


def _long(n: int) -> Quarantined:
    return Quarantined(n, "not-json", "d" * 2000, "t", b"")
