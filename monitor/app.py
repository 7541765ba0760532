"""The daemon: the only place that wires parts together, starts them, and stops them in the order in which things flow.

    critical lanes     feed, panel, outbox, API    an unexpected exception ends the process; the ledger brings the state back
    best effort        histories, retention        restarted with back-off; their trouble goes into the inbox

Shutdown: the feed stops reading; the outbox ends the attempts that run (`DRAIN`); the panel empties the inbox (`EMPTY`), commits
and writes a snapshot; the broker is told goodbye; the histories may finish what they have (`TAIL`) and go on later where they stood.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial

import aiohttp
import structlog

from monitor import book_watch, wiring
from monitor.adapters.mqtt import MqttFeed
from monitor.adapters.systemd import Notifier
from monitor.board import AlarmView, Board, BookRefused, DeviceState, MoveRefused, RuleView, UnknownIncident
from monitor.book_change import BookChange, difference
from monitor.clock import Clock
from monitor.console.app import make_app, serve
from monitor.console.metrics import Statistics
from monitor.console.page import load_page
from monitor.console.reporting import Reporting
from monitor.explain import explain
from monitor.explanation import Explanation
from monitor.history import REFUSED, HistoryLane
from monitor.inbox import Inbox
from monitor.ledger.sqlite import SqliteLedger
from monitor.lookout import Lookout, points
from monitor.outbox import Outbox
from monitor.panel import Committed, Panel
from monitor.ports import Message, Point, PortError, TapeRecord, Verdict
from monitor.reach_findings import weaknesses
from monitor.report_desk import ReportDesk
from monitor.rule_sources import RuleSource, sources
from monitor.settings import Settings
from rules.commands import CHANNEL as COMMANDING
from rules.document import Mistakes
from rules.engine import RESTART, Engine
from rules.model import (
    HOUR,
    SECOND,
    Disposition,
    Effect,
    Incident,
    IncidentChanged,
    Micros,
    Move,
    Outcome,
    Receipt,
    Refused,
    Restore,
    Suppress,
    Swap,
    Trouble,
    Verb,
)
from rules.rule import BookChanged, RuleBook
from rules.rulebook import load_book

log = structlog.get_logger(__name__)

DRAIN = 5.0
EMPTY = 10.0
TAIL = 5.0
"""Seconds, see the module."""
DAY: Micros = 24 * HOUR
PRUNE_EVERY = 600.0
WELL_AFTER = 120.0
INBOX_EVERY = 5.0
NOT_REPEATED = "重启后不重发，请到现场查看设备。Not repeated after a restart: look at the device."
"""Nobody knows whether a command that was open then has reached its device."""
INBOX_LATE: Micros = 10 * SECOND


class Daemon:
    """One daemon on one site file. `await run()` until a signal or `stop()`."""

    def __init__(self, settings: Settings, book: RuleBook) -> None:
        self._settings = settings
        self._book = book
        self._stopping = asyncio.Event()
        self._notifier = Notifier(os.environ)
        self._troubles: dict[str, str] = {}
        self.clock = Clock(jump=self._clock_jumped)
        self.inbox = Inbox(self.clock, settings.mqtt.inbox_limit)
        self.limits = wiring.limits(settings)
        self.neighbourhood = settings.neighbourhood()
        self.lookout = Lookout(load_book([]), self.neighbourhood, self.limits)
        self.api_port = 0
        self._ready = asyncio.Event()
        self._news = asyncio.Event()
        self._reading = asyncio.Lock()
        # Nothing was seen yet: who changes a book while we start is noticed by the first looks.
        self._watch = book_watch.BookWatch(())
        self._sources: tuple[str, dict[str, RuleSource]] = ("", {})
        self._jumped = False

    # --- life --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start everything, work until asked to stop, stop everything. Raises what a critical lane raised, and LedgerError."""
        async with AsyncExitStack() as stack:
            settings = self._settings
            for weak in weaknesses(settings.ground.zones, settings.ground.stations, settings.plan):
                log.warning("weak plan", what=weak.what.en, detail=weak.detail, remedy=weak.remedy)
            self.ledger = SqliteLedger(settings.data.folder)
            stack.push_async_callback(self.ledger.close)
            session = await stack.enter_async_context(aiohttp.ClientSession())
            self.histories = wiring.histories(settings, self.clock.now)
            for history in self.histories.values():
                stack.push_async_callback(history.aclose)
            self._browsers = wiring.push_subscriptions(settings)
            channels = wiring.channels(settings, session, self.clock.now, self._browsers)
            for channel in channels.values():
                stack.push_async_callback(channel.aclose)
            self.outbox = Outbox(channels, self._receipt, now=self.clock.now, limits=wiring.lane_limits(settings))
            self.feed = MqttFeed(wiring.feed_settings(settings), self.inbox, self._trouble)
            self.panel = Panel(
                self.lookout, self.ledger, self.inbox, acknowledge=self.feed.acknowledge, committed=self._committed,
                ticked=self._notifier.alive, batch_limit=settings.mqtt.batch_limit,
            )  # fmt: skip
            self.board = Board(
                self.ledger, self.neighbourhood, lambda: _Devices(self.lookout.engine), self._rules,
                next_call=lambda incident: self.lookout.engine.next_call(incident),
                swaps=lambda: self.lookout.engine.swaps,
            )  # fmt: skip
            self.lanes = {
                name: HistoryLane(
                    self.ledger, history, self._points, clock=self.clock.now, name=f"history:{name}",
                    report=partial(self._trouble, f"history:{name}"),
                )
                for name, history in self.histories.items()
            }  # fmt: skip
            await self._recover()
            await self._work()

    def stop(self) -> None:
        """Begin the shutdown."""
        self._stopping.set()

    async def ready(self) -> int:
        """Wait until everything runs; the API's port."""
        await self._ready.wait()
        return self.api_port

    async def _recover(self) -> None:
        rows = await self.panel.recover()
        engine = self.lookout.engine
        log.info("recovered", rows=rows, devices=engine.device_count, open_incidents=engine.open_count)
        # Who did not run did not listen: nobody has fallen silent meanwhile, and the feed will tell when it is well.
        self.inbox.since(Trouble(engine.now or self.clock.now(), RESTART, True))
        self.inbox.put(Trouble(0, RESTART, False))
        self._troubles["feed"] = "not connected yet"
        kept = {"feed", *(f"channel:{name}" for name in self.outbox.counts)}
        for source in engine.troubles:
            # This process starts anew and every lane will say afresh what is wrong. A dead channel proves itself by its next push,
            # as long as there is such a channel.
            if source not in kept:
                self.inbox.put(Trouble(0, source, False))
        if engine.book.digest != self._book.digest:
            self.inbox.put(BookChanged(0, self._book))
        for row in await self.ledger.open_pushes():
            if row.push.channel == COMMANDING:
                self._receipt(row.push.key, Outcome.DEAD, row.attempts, NOT_REPEATED, None)
            else:
                self.outbox.offer(row.push, row.attempts, row.next_at)
        await self.board.start()
        # What is here now stays: the collector need not walk over it again and again while an alarm waits (70 ms each time).
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 50)

    async def _work(self) -> None:
        post, first = self._post, next(iter(self.histories.values()), None)
        api, links = self._settings.api, wiring.links(self._settings, self.clock.now)
        desk = ReportDesk(self.inbox, self.lookout.engine, self.neighbourhood)
        photos, contacts = wiring.shelves(self._settings)
        app = make_app(
            self.board, token=api.token, post=post, history=first, statistics=self._statistics, now=self.clock.now,
            desk=self, submit=self._submit, inject=self._inject, links=links, reporting=Reporting(links, desk.take, photos, contacts),
            webpush=wiring.push_desk(self._settings, self._browsers), doors=wiring.reply_doors(self._settings), page=load_page(),
        )  # fmt: skip
        loop = asyncio.get_running_loop()
        signals = {signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: self._reload_soon}
        for number, act in signals.items():
            loop.add_signal_handler(number, act)
        try:
            async with serve(app, api.host, api.port) as self.api_port, asyncio.TaskGroup() as group:
                panel = group.create_task(self.panel.run(), name="panel")
                outbox = group.create_task(self.outbox.run(), name="outbox")
                lanes = [
                    group.create_task(self._best_effort(f"history:{n}", lane.run), name=n)
                    for n, lane in self.lanes.items()
                ]
                chores = [
                    group.create_task(self._best_effort("retention", self._keep_bounds), name="retention"),
                    group.create_task(self._best_effort("board", self._refresh_board), name="board"),
                    group.create_task(self._best_effort("inbox", self._watch_inbox), name="inbox"),
                ]
                if self._settings.books_watch and self._settings.book_paths:
                    chores.append(group.create_task(self._best_effort("books", self._watch_books), name="books"))
                self.board.set_trouble("feed", True, self._troubles["feed"], self.clock.now())
                await self.feed.start()
                keeper = group.create_task(self.feed.wait(), name="feed")
                self._notifier.ready(f"watching {len(self.neighbourhood.zones)} zones")
                log.info(
                    "watching",
                    zones=len(self.neighbourhood.zones),
                    rules=len(self._book.rules),
                    api=f"http://{api.host}:{self.api_port}",
                )
                self._ready.set()
                await self._stopping.wait()
                log.info("stopping")
                self._notifier.stopping()
                keeper.cancel()
                await self._stop_in_order(panel, outbox, lanes)
                for task in (*lanes, *chores):
                    task.cancel()
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
            self.board.close()
            await self.feed.stop()

    async def _stop_in_order(
        self, panel: asyncio.Task[None], outbox: asyncio.Task[None], lanes: list[asyncio.Task[None]]
    ) -> None:
        await self.feed.pause()
        await self.outbox.drain(DRAIN)
        outbox.cancel()
        self.panel.stop()
        _, late = await asyncio.wait([panel], timeout=EMPTY)
        if late:
            # Not acknowledged, so the broker keeps it: a slow disk must not turn a stop into a kill.
            log.warning("the inbox could not be emptied in time", waiting=self.inbox.depth)
            panel.cancel()
        else:
            await self.panel.finish()
        await self.feed.stop()
        for lane in self.lanes.values():
            lane.finish()
        await asyncio.wait(lanes or [panel], timeout=TAIL)

    async def _best_effort(
        self, name: str, run: Callable[[], Awaitable[None]], *, pause: float = 1.0, well_after: float = WELL_AFTER
    ) -> None:
        """Run again whatever happens, later and later; say so as trouble, which ends when it has run well for a while."""
        source, delay = f"lane:{name}", pause
        while True:
            well = asyncio.get_running_loop().call_later(well_after, self._trouble, source, False, "")
            try:
                await run()
            except Exception as error:
                log.exception("lane failed", lane=name)
                why = str(error) if isinstance(error, PortError) else type(error).__name__
                self._trouble(source, True, why)
            else:
                return
            finally:
                well.cancel()
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))
            delay = min(delay * 2, 60.0)

    # --- what flows between the parts --------------------------------------------------------------------------------

    def _committed(self, what: Committed) -> None:
        for push in what.pushes:
            self.outbox.offer(push)
        for key in what.withdrawn:
            self.outbox.withdraw(key, key.split("/", 2)[2].partition("@")[0])
        for lane in self.lanes.values():
            lane.wake(what.last_seq)
        if what.entries:
            self._news.set()

    def _points(self, record: TapeRecord) -> list[Point]:
        return points(record, self.neighbourhood, self.limits)

    def _receipt(self, key: str, outcome: Outcome, attempt: int, reply: str, next_at: Micros | None) -> None:
        self.inbox.put(Receipt(0, key, outcome, attempt, reply, next_at))

    def _trouble(self, source: str, active: bool, detail: str) -> None:
        """Anything of ours that goes wrong or well again; only changes are events."""
        self.board.set_trouble(source, active, detail, self.clock.now())
        known = self._troubles.get(source)
        if active and known != detail:
            self._troubles[source] = detail
        elif not active and known is not None:
            del self._troubles[source]
        else:
            return
        self.inbox.put(Trouble(0, source, active, detail))

    def _clock_jumped(self, seconds: float) -> None:
        log.warning("the machine's clock jumped", seconds=round(seconds, 3), remedy="check NTP")
        self._jumped = True
        detail = f"the machine's clock jumped by {seconds:+.1f} s: check NTP; deadlines run on by the steady clock"
        # Not at once: it is noticed in the midst of asking for the time, and the inbox would ask again.
        asyncio.get_running_loop().call_soon(self._trouble, "clock", True, detail)

    async def _refresh_board(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await self.board.refresh()

    async def _post(
        self, incident: str, verb: Verb, by: str, note: str, disposition: Disposition | None, via: str
    ) -> Incident:
        if (known := await self.ledger.incident(incident)) is None:
            raise UnknownIncident(incident)
        effects = await self.inbox.ask(Move(0, incident, verb, by, note, disposition, via))
        for effect in effects:
            if isinstance(effect, Refused):
                raise MoveRefused(effect.reason)
            if isinstance(effect, IncidentChanged) and effect.incident.id == incident:
                known = effect.incident
        return known

    async def _submit(self, event: Suppress | Restore | Swap) -> Sequence[Effect]:
        return await self.inbox.ask(event)

    async def _inject(self, message: Message) -> None:
        await wiring.send(self._settings, [message], speed=0)

    # --- the rule book -----------------------------------------------------------------------------------------------

    def _reload_soon(self) -> None:
        self._reloading = asyncio.ensure_future(self._reload_quietly())

    async def _reload_quietly(self) -> None:
        """SIGHUP, or a file that changed: who asked does not wait for an answer, the trouble says it."""
        with suppress(BookRefused):
            await self.reload()

    async def reload(self) -> BookChange:
        """Read the rule books again. A faulty one leaves the running book in force, and is shown. Raises BookRefused.

        One reading at a time, and what has not changed is no event; so a signal and the watch that see the same change make one.
        """
        async with self._reading:
            try:
                # Beside the loop: a large book takes a second to compile, and no alarm waits for it.
                self._watch.read(await asyncio.to_thread(book_watch.signature, self._settings.book_paths))
                book = await asyncio.to_thread(lambda: load_book(self._settings.book_texts()))
            except Mistakes as mistakes:
                refused = BookRefused(mistakes.mistakes)
                log.error("the rule book was not changed", mistakes=str(mistakes))  # noqa: TRY400 - a report, not a crash
                self._trouble("rules", True, str(refused))
                raise refused from None
            self._trouble("rules", False, "")
            before = self.lookout.engine.book
            change = difference(before, book)
            if book.digest != before.digest:
                await self.inbox.ask(BookChanged(0, book))
                self._book = book
                log.info(
                    "rule book changed", rules=len(book.rules), added=len(change.added), removed=len(change.removed),
                    changed=len(change.changed), reworded=len(change.reworded), years=list(change.years),
                )  # fmt: skip
            else:
                log.info("rule book read again, unchanged", rules=len(book.rules))
            return change

    async def _watch_books(self) -> None:
        paths = self._settings.book_paths
        while True:
            await asyncio.sleep(book_watch.EVERY)
            if self._watch.changed(await asyncio.to_thread(book_watch.signature, paths)):
                await self._reload_quietly()

    def explain(self, rule: str, subject: str) -> Explanation:
        """Why a rule is or is not firing now. Raises UnknownRule, UnknownSubject."""
        engine = self.lookout.engine
        return explain(
            engine, self.neighbourhood, rule, subject, at=max(self.clock.now(), engine.now), known=self._written()
        )

    def _written(self) -> dict[str, RuleSource]:
        """The book in force as it is written, read once for each book."""
        book = self.lookout.engine.book
        if self._sources[0] != book.digest:
            self._sources = (book.digest, sources(book))
        return self._sources[1]

    def _rules(self) -> list[RuleView]:
        written = {id_: source.entry for id_, source in self._written().items()}
        return [
            RuleView(
                r.id, r.kind, r.title, r.subject, tuple(sorted(r.devices)), tuple(sorted(r.quantities)),
                written[r.id].where or "", written[r.id].when, written[r.id].clear or "", hold=r.hold,
                clear_for=r.clear_for, latch=r.latch, advice=r.advice, group=r.group, reason=r.source, linkage=r.linkage,
            )
            for r in self.lookout.engine.book.rules
        ]  # fmt: skip

    # --- chores ------------------------------------------------------------------------------------------------------

    async def _keep_bounds(self) -> None:
        """The tape's age and size."""
        retention = self._settings.data.retention
        while True:
            bit = False
            while True:
                older_than = self.clock.now() - retention.tape_days * DAY
                deleted, lost = await self.ledger.prune(
                    older_than=older_than,
                    max_bytes=retention.tape_max_bytes,
                    readers=[f"history:{n}" for n in self.lanes],
                )
                bit = bit or lost
                if not deleted:
                    break
            detail = "the tape reached tape_max_bytes and lost rows that a history had not read: make room or raise the bound"
            self._trouble("tape", bit, detail if bit else "")
            if not self._jumped:
                self._trouble("clock", False, "")
            self._jumped = False
            await asyncio.sleep(PRUNE_EVERY)

    async def _watch_inbox(self) -> None:
        """A full inbox is nothing (the broker queues); one that is not emptied in time is."""
        while True:
            await asyncio.sleep(INBOX_EVERY)
            waited = self.inbox.waited
            late = waited > INBOX_LATE
            self._trouble(
                "inbox", late, "readings wait for seconds: more arrive than this machine can store" if late else ""
            )

    def _statistics(self) -> Statistics:
        account = self.panel.account
        verdicts = {v.value: account[v.value] for v in Verdict}
        counts = self.outbox.counts
        quarantined = Counter(
            {k.removeprefix("quarantined:"): n for k, n in account.items() if k.startswith("quarantined:")}
        )
        # The panel's account knows only those of former runs: the lanes set aside by themselves.
        if refused := sum(lane.poisoned for lane in self.lanes.values()):
            quarantined[REFUSED] += refused
        return Statistics(
            received=sum(verdicts.values()),
            verdicts=verdicts,
            quarantined=quarantined,
            inbox_depth=self.inbox.depth,
            inbox_limit=self.inbox.limit,
            feed_connected=self.feed.connected,
            history_written={name: lane.written for name, lane in self.lanes.items()},
            history_lag={name: lane.lag for name, lane in self.lanes.items()},
            outbox_waiting={name: c.waiting for name, c in counts.items()},
            attempts={
                (name, outcome): n
                for name, c in counts.items()
                for outcome, n in (("accepted", c.accepted), ("retry", c.retried), ("dead", c.dead))
            },
            open_incidents=self.lookout.engine.open_count,
            commits=self.panel.commits,
            tape_rows=self.ledger.last_seq,
            tape_bytes=self.ledger.tape_bytes,
            ledger_bytes=self.ledger.path.stat().st_size,
        )


class _Devices(Mapping[str, DeviceState]):
    """The engine's devices as the board wants to see them; asked one at a time, built when asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __len__(self) -> int:
        return self._engine.device_count

    def __iter__(self) -> Iterator[str]:
        return (state.device.key for state in self._engine.devices())

    def __getitem__(self, key: str) -> DeviceState:
        state = self._engine.device(key)
        if state is None:
            raise KeyError(key)
        online = state.values.get("online")
        alarms = tuple(
            AlarmView(rule, self._engine.book.by_id[rule].kind, alarm) for rule, alarm in state.alarms.items()
        )
        return DeviceState(
            key,
            state.last_at,
            state.freshness,
            dict(state.values),
            online if isinstance(online, bool) else None,
            alarms,
        )
