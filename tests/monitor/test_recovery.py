"""A recovery under other settings than the tape was written under: the ledger's word on incidents stands, and no danger is swallowed.

Knows panel, ledger and engine by their effects.
"""

from __future__ import annotations

from pathlib import Path

from monitor.clock import FakeClock
from monitor.ledger.sqlite import SqliteLedger
from monitor.lookout import Limits
from rules.model import MINUTE, SECOND, Condition, Disposition, IncidentState, Move, Step, Verb
from tests.monitor.test_panel import Life
from tests.rules.small_block import T0, block


async def test_a_site_file_that_lost_the_alarming_device_leaves_its_incident_to_a_person(tmp_path: Path) -> None:
    ledger, clock = SqliteLedger(tmp_path), FakeClock(T0)
    first, second = "h1", "g1"
    life = Life(ledger, clock)
    life.say(first, 1, smoke=True)
    await life.drain()
    clock.advance(SECOND)
    life.say(second, 2, smoke=True)
    await life.drain()
    await ledger.close()  # killed: no snapshot was written

    ledger = SqliteLedger(tmp_path)
    life = Life(ledger, clock, places=block(without=frozenset({first})))
    await life.panel.recover()
    kept = {i.id: i for i in life.lookout.engine.open_incidents}
    assert [(i.id, i.condition) for i in kept.values()] == [
        ("inc-000001", Condition.RETURNED),  # nobody alarms there any more: for a person to close
        ("inc-000002", Condition.ACTIVE),
    ]
    clock.advance(SECOND)
    life.say(second, 3, smoke=False)
    clock.advance(MINUTE)
    life.say("alley-1", 4, smoke=True)  # a new place: a new incident, under a number of its own
    await life.drain()
    assert sorted(i.id for i in await ledger.incidents(open_only=True)) == ["inc-000001", "inc-000002", "inc-000003"]
    for verb, disposition in ((Verb.RESOLVE, None), (Verb.CLOSE, Disposition.UNKNOWN)):
        life.inbox.put(Move(0, "inc-000001", verb, "王", "", disposition))
    await life.drain()
    closed = await ledger.incident("inc-000001")
    assert closed is not None
    assert closed.state is IncidentState.CLOSED
    await ledger.close()


async def test_what_the_ledger_never_heard_of_is_raised_by_the_next_reading(tmp_path: Path) -> None:
    """Smoke that was late under one limit is live under another: the fold must not keep an alarm that nobody was told of."""
    ledger, clock = SqliteLedger(tmp_path), FakeClock(T0)
    life = Life(ledger, clock)
    life.say("h1", 1, smoke=False)
    clock.advance(10 * SECOND)
    old = (T0 - 3 * MINUTE) // 1000
    life.say("h1", 2, smoke=True, at=old)  # outdated by what the device has just told: history only
    await life.drain()
    assert await ledger.incidents() == []
    await ledger.close()

    ledger = SqliteLedger(tmp_path)
    life = Life(ledger, clock, limits=Limits(late_after=60 * MINUTE))
    await life.panel.recover()
    assert life.lookout.engine.open_incidents == []
    clock.advance(SECOND)
    life.say("h1", 3, smoke=True)
    await life.drain()
    assert [i.zone for i in await ledger.incidents(open_only=True)] == ["b/home"]
    assert Step.RAISED in await life.steps()
    await ledger.close()


async def test_under_the_same_settings_there_is_nothing_to_mend(tmp_path: Path) -> None:
    ledger, clock = SqliteLedger(tmp_path), FakeClock(T0)
    life = Life(ledger, clock)
    life.say("h1", 1, smoke=True)
    await life.drain()
    before = life.lookout.snapshot()
    await ledger.close()
    ledger = SqliteLedger(tmp_path)
    again = Life(ledger, clock)
    await again.panel.recover()
    assert again.lookout.snapshot() == before
    assert again.lookout.engine.reconcile(await ledger.incidents(open_only=True), "inc-000001") == []
    await ledger.close()
