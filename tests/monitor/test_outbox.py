"""The outbox under a clock moved by hand: schedule, deadlines, order, rate, isolation of lanes, drain.

Channels here are scripted by hand; real providers are in tests/contracts/test_channels.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from monitor.clock import FakeClock
from monitor.digest import digest
from monitor.outbox import BACK_OFF_SECONDS, JITTER, LaneCounts, LaneLimits, Outbox
from monitor.ports import Channel, NeverWill, TryAgain
from rules.model import MINUTE, SECOND, Kind, Micros, Outcome, Push

START: Micros = 1_795_305_600_000_000


class Hands:
    """A clock and the sleeps that wait for it."""

    def __init__(self) -> None:
        self.clock = FakeClock(START)
        self._sleeping: list[tuple[Micros, int, asyncio.Future[None]]] = []
        self._number = 0

    @property
    def now(self) -> Micros:
        return self.clock.now()

    def steady(self) -> float:
        return self.now / SECOND

    async def sleep(self, seconds: float) -> None:
        self._number += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleeping, (self.now + math.ceil(seconds * SECOND), self._number, future))
        await future

    async def pass_(self, seconds: float = 0.0) -> None:
        """Let time pass, waking each sleeper at its own moment."""
        end = self.now + round(seconds * SECOND)
        await settled()
        while self._sleeping and self._sleeping[0][0] <= end:
            due, _, future = heapq.heappop(self._sleeping)
            if not future.done():
                self.clock.advance(max(0, due - self.now))
                future.set_result(None)
                await settled()
        self.clock.advance(end - self.now)
        await settled()


async def settled() -> None:
    """Until everything that can go on without time or network has gone on."""
    for _ in range(40):
        await asyncio.sleep(0)


class Scripted:
    """A channel that does what its script says, push by push; the last word of the script is for ever."""

    def __init__(self, name: str, *script: Any, hands: Hands | None = None) -> None:
        self.name = name
        self.script = list(script or ("ok",))
        self.hands = hands
        self.sent: list[tuple[str, int]] = []
        self.moments: list[Micros] = []
        self.running = 0
        self.most = 0
        self.go = asyncio.Event()

    async def send(self, push: Push, *, attempt: int) -> str:
        self.sent.append((push.key, attempt))
        if self.hands is not None:
            self.moments.append(self.hands.now)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            word = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            if word == "wait":
                await self.go.wait()
                word = "waited"
            if isinstance(word, BaseException):
                raise word
            return str(word)
        finally:
            self.running -= 1

    async def check(self) -> str:
        return "usable"

    async def aclose(self) -> None:
        return None


@dataclass
class Report:
    key: str
    outcome: Outcome
    attempt: int
    reply: str
    next_at: Micros | None
    at: Micros


@dataclass
class Desk:
    """An outbox at work, and what it reported."""

    hands: Hands
    outbox: Outbox
    reports: list[Report] = field(default_factory=list)

    def of(self, key: str) -> list[Report]:
        return [report for report in self.reports if report.key == key]

    def outcomes(self, key: str) -> list[Outcome]:
        return [report.outcome for report in self.of(key)]


def desk(hands: Hands, *channels: Channel, limits: Mapping[str, LaneLimits] | None = None, seed: int = 7) -> Desk:
    reports: list[Report] = []

    def put(key: str, outcome: Outcome, attempt: int, reply: str, next_at: Micros | None) -> None:
        reports.append(Report(key, outcome, attempt, reply, next_at, hands.now))

    outbox = Outbox(
        {channel.name: channel for channel in channels},
        put,
        now=hands.clock.now,
        sleep=hands.sleep,
        rng=random.Random(seed),
        limits=limits,
        steady=hands.steady,
    )
    return Desk(hands, outbox, reports)


@contextlib.asynccontextmanager
async def running(at_work: Desk) -> AsyncIterator[Desk]:
    task = asyncio.create_task(at_work.outbox.run())
    await settled()
    try:
        yield at_work
    finally:
        await at_work.outbox.drain(0)
        await task


def push(
    key: str = "inc-1/dispatch-1/a",
    channel: str = "a",
    *,
    kind: Kind = Kind.FIRE,
    at: Micros = START,
    lasts: Micros = 30 * MINUTE,
    incident: str = "",
) -> Push:
    return Push(at, key, incident or key.partition("/")[0], "dispatch-1", channel, kind, at + lasts, {"type": "x"})


def refused(after: float | None = None, words: str = "refused") -> TryAgain:
    return TryAgain(words, after)


async def test_a_push_is_sent_at_once_reported_once_and_forgotten() -> None:
    hands = Hands()
    a = Scripted("a", "HTTP 200")
    async with running(desk(hands, a)) as at_work:
        at_work.outbox.offer(push())
        assert at_work.outbox.counts["a"].waiting == 1
        await hands.pass_()
        assert at_work.reports == [Report(push().key, Outcome.ACCEPTED, 1, "HTTP 200", None, START)]
        counts = at_work.outbox.counts["a"]
        assert (counts.accepted, counts.retried, counts.dead, counts.waiting, counts.running) == (1, 0, 0, 0, 0)
        at_work.outbox.offer(push())  # forgotten, so it is a new one
        await hands.pass_()
        assert a.sent == [(push().key, 1), (push().key, 1)]


async def test_a_known_key_is_ignored() -> None:
    hands = Hands()
    a = Scripted("a", "wait")
    async with running(desk(hands, a)) as at_work:
        for _ in range(3):
            at_work.outbox.offer(push())
            await hands.pass_()
        assert a.sent == [(push().key, 1)]
        assert at_work.outbox.counts["a"].waiting == 1
        a.go.set()
        await hands.pass_()
        assert at_work.outcomes(push().key) == [Outcome.ACCEPTED]


async def test_the_schedule_is_fast_then_steady_and_ends_at_the_deadline() -> None:
    hands = Hands()
    a = Scripted("a", refused(), hands=hands)
    async with running(desk(hands, a)) as at_work:
        at_work.outbox.offer(push(lasts=5 * MINUTE))
        await hands.pass_(6 * 60)
    reports = at_work.of(push().key)
    assert [report.attempt for report in reports] == list(range(1, len(reports) + 1))
    assert [report.outcome for report in reports[:-1]] == [Outcome.RETRY] * (len(reports) - 1)
    for number, report in enumerate(reports[:-2]):
        base = BACK_OFF_SECONDS[min(number, len(BACK_OFF_SECONDS) - 1)]
        assert report.next_at is not None
        assert base * (1 - JITTER) <= (report.next_at - report.at) / SECOND <= base * (1 + JITTER)
        assert a.moments[number + 1] == report.next_at
    last = reports[-1]
    assert last.outcome is Outcome.DEAD
    assert last.reply == f"deadline passed after {len(reports)} attempts: refused"
    assert last.next_at is None
    # The last chance ends in time even if it takes its whole ten seconds.
    assert last.at == START + 5 * MINUTE - 10 * SECOND
    assert len(a.sent) == len(reports)
    assert at_work.outbox.counts["a"].waiting == 0


async def test_the_jitter_differs_from_push_to_push() -> None:
    hands = Hands()
    async with running(desk(hands, Scripted("a", refused()))) as at_work:
        for number in range(20):
            at_work.outbox.offer(push(f"inc-{number}/dispatch-1/a"))
        await hands.pass_()
    assert len({report.next_at for report in at_work.reports}) == 20


@pytest.mark.parametrize(
    ("after", "low", "high"),
    [
        (20.0, 20.0, 24.0),
        (3600.0, 50.0, 60.0),
        (0.0, 0.8, 1.2),
        (-5.0, 0.8, 1.2),
        (math.nan, 0.8, 1.2),
        (math.inf, 0.8, 1.2),
    ],
)
async def test_an_asked_for_pause_is_kept_within_reason(after: float, low: float, high: float) -> None:
    hands = Hands()
    async with running(desk(hands, Scripted("a", refused(after), "ok"))) as at_work:
        at_work.outbox.offer(push())
        await hands.pass_()
        next_at = at_work.reports[0].next_at
        assert next_at is not None
        assert low <= (next_at - START) / SECOND <= high
        await hands.pass_(61)
    assert at_work.outcomes(push().key) == [Outcome.RETRY, Outcome.ACCEPTED]


async def test_what_never_will_is_dead_at_once() -> None:
    hands = Hands()
    async with running(desk(hands, Scripted("a", NeverWill("HTTP 410")))) as at_work:
        at_work.outbox.offer(push())
        await hands.pass_(100)
    assert at_work.reports == [Report(push().key, Outcome.DEAD, 1, "HTTP 410", None, START)]


async def test_an_unknown_channel_is_dead_with_a_remedy() -> None:
    hands = Hands()
    at_work = desk(hands, Scripted("a"))
    at_work.outbox.offer(push(channel="nobody"), attempts=2)
    assert at_work.outbox.unknown_channel == 1
    (report,) = at_work.reports
    assert (report.outcome, report.attempt, report.next_at) == (Outcome.DEAD, 2, None)
    assert "nobody" in report.reply
    assert "channels" in report.reply


async def test_a_defect_of_a_channel_is_a_failed_attempt_and_its_text_stays_untold() -> None:
    hands = Hands()
    a = Scripted("a", KeyError("https://robot.example/?token=hush"), "ok")
    with capture_logs() as logs:
        async with running(desk(hands, a)) as at_work:
            at_work.outbox.offer(push())
            await hands.pass_(2)
    assert at_work.outcomes(push().key) == [Outcome.RETRY, Outcome.ACCEPTED]
    assert "KeyError" in at_work.reports[0].reply
    (entry,) = logs
    assert (entry["error"], entry["log_level"]) == ("KeyError", "error")
    assert entry["place"].startswith("test_outbox.py:")
    assert "hush" not in repr(logs) + repr(at_work.reports)


async def test_a_cancellation_that_leaks_out_of_a_channel_loses_nothing() -> None:
    hands = Hands()
    async with running(desk(hands, Scripted("a", asyncio.CancelledError(), "ok"))) as at_work:
        at_work.outbox.offer(push())
        await hands.pass_(2)
    assert at_work.outcomes(push().key) == [Outcome.RETRY, Outcome.ACCEPTED]


async def test_an_attempt_has_its_time() -> None:
    hands = Hands()
    a = Scripted("a", "wait", "ok")
    async with running(desk(hands, a, limits={"a": LaneLimits(timeout=0.02)})) as at_work:
        at_work.outbox.offer(push())
        while not at_work.reports:
            await asyncio.sleep(0.005)
        assert a.running == 0
        await hands.pass_(2)
    assert at_work.reports[0].reply == "no answer within 0.02 s"
    assert at_work.outcomes(push().key) == [Outcome.RETRY, Outcome.ACCEPTED]


async def test_a_hanging_channel_delays_only_itself() -> None:
    hands = Hands()
    hanging, well = Scripted("hanging", "wait"), Scripted("well")
    async with running(desk(hands, hanging, well)) as at_work:
        for number in range(50):
            at_work.outbox.offer(push(f"inc-{number}/dispatch-1/hanging", "hanging"))
        for number in range(50):
            at_work.outbox.offer(push(f"inc-{number}/dispatch-1/well", "well"))
        for _ in range(20):
            await hands.pass_()
        assert at_work.outbox.counts["well"].accepted == 50
        assert at_work.outbox.counts["hanging"].accepted == 0
        assert at_work.outbox.counts["hanging"].waiting == 50
        assert {report.at for report in at_work.reports} == {START}


async def test_no_more_attempts_at_a_time_than_allowed() -> None:
    hands = Hands()
    a = Scripted("a", "wait")
    async with running(desk(hands, a, limits={"a": LaneLimits(concurrency=3)})) as at_work:
        for number in range(9):
            at_work.outbox.offer(push(f"inc-{number}/dispatch-1/a"))
        await hands.pass_()
        assert (a.running, at_work.outbox.counts["a"].running) == (3, 3)
        a.go.set()
        for _ in range(5):
            await hands.pass_()
        assert at_work.outbox.counts["a"].accepted == 9
        assert a.most == 3


async def test_the_gravest_goes_first_then_the_oldest() -> None:
    hands = Hands()
    a = Scripted("a")
    at_work = desk(hands, a, limits={"a": LaneLimits(concurrency=1)})
    waiting = [
        push("inc-1/x/a", kind=Kind.FAULT, at=START - 9),
        push("inc-2/x/a", kind=Kind.SUPERVISORY, at=START - 8),
        push("inc-3/x/a", kind=Kind.FIRE, at=START - 1),
        push("inc-4/x/a", kind=Kind.PREALARM, at=START - 5),
        push("inc-5/x/a", kind=Kind.FIRE, at=START - 2),
    ]
    for one in waiting:
        at_work.outbox.offer(one)
    async with running(at_work):
        for _ in range(6):
            await hands.pass_()
    assert [key for key, _ in a.sent] == ["inc-5/x/a", "inc-3/x/a", "inc-4/x/a", "inc-2/x/a", "inc-1/x/a"]


async def test_an_ordered_lane_keeps_the_order_within_an_incident_and_lets_others_pass() -> None:
    hands = Hands()
    a = Scripted("a", refused(), refused(), "ok")
    at_work = desk(hands, a, limits={"a": LaneLimits(ordered=True)})
    async with running(at_work):
        at_work.outbox.offer(push("inc-1/state-1/a", kind=Kind.PREALARM))
        await hands.pass_()
        # Graver and newer, yet it must not be overwritten by the repetition of the former state.
        at_work.outbox.offer(push("inc-1/state-2/a", kind=Kind.FIRE))
        at_work.outbox.offer(push("inc-1/state-3/a", kind=Kind.FIRE))
        at_work.outbox.offer(push("inc-2/state-1/a", kind=Kind.FAULT))
        await hands.pass_(10)
    accepted = [report.key for report in at_work.reports if report.outcome is Outcome.ACCEPTED]
    assert [key for key in accepted if key.startswith("inc-1/")] == [f"inc-1/state-{n}/a" for n in (1, 2, 3)]
    assert "inc-2/state-1/a" in accepted
    assert a.sent[1][0] == "inc-2/state-1/a"


async def test_an_ordered_lane_goes_on_when_a_state_dies_in_the_middle() -> None:
    hands = Hands()
    a = Scripted("a", refused(), "ok")
    at_work = desk(hands, a, limits={"a": LaneLimits(ordered=True, timeout=1)})
    async with running(at_work):
        at_work.outbox.offer(push("inc-1/state-1/a"))
        at_work.outbox.offer(push("inc-1/state-2/a", lasts=SECOND // 2))
        at_work.outbox.offer(push("inc-1/state-3/a"))
        await hands.pass_(5)
    assert at_work.outcomes("inc-1/state-2/a") == [Outcome.DEAD]
    assert a.sent == [("inc-1/state-1/a", 1), ("inc-1/state-1/a", 2), ("inc-1/state-3/a", 1)]


async def test_the_rate_holds_in_any_minute_and_keeps_room_for_fire() -> None:
    hands = Hands()
    a = Scripted("a", hands=hands)
    at_work = desk(hands, a, limits={"a": LaneLimits(per_minute=20)})
    async with running(at_work):
        for number in range(40):
            at_work.outbox.offer(push(f"inc-{number}/update/a", kind=Kind.SUPERVISORY))
        for _ in range(10):
            await hands.pass_()
        assert len(a.sent) == 15
        await hands.pass_(10)
        for number in range(8):
            at_work.outbox.offer(push(f"fire-{number}/dispatch-1/a", kind=Kind.FIRE))
        for _ in range(10):
            await hands.pass_()
        assert [key.partition("-")[0] for key, _ in a.sent[15:]] == ["fire"] * 5
        await hands.pass_(49.5)
        at_work.outbox.offer(push("fire-8/dispatch-1/a", kind=Kind.FIRE))
        await hands.pass_(300)
    assert at_work.outbox.counts["a"].accepted == 49
    for moment in a.moments:
        assert sum(moment <= other < moment + MINUTE for other in a.moments) <= 20
    fires = [moment for (key, _), moment in zip(a.sent, a.moments, strict=True) if key.startswith("fire")]
    assert max(fires) == START + MINUTE


async def test_what_is_withdrawn_while_it_waits_is_never_sent_and_no_more_reported() -> None:
    hands = Hands()
    a = Scripted("a", refused())
    async with running(desk(hands, a)) as at_work:
        at_work.outbox.offer(push())
        await hands.pass_()
        assert at_work.outcomes(push().key) == [Outcome.RETRY]
        at_work.outbox.withdraw(push().key, "a")
        await hands.pass_(3600)
        assert a.sent == [(push().key, 1)]
        assert at_work.outcomes(push().key) == [Outcome.RETRY]
        assert at_work.outbox.counts["a"].waiting == 0
        at_work.outbox.withdraw("unknown", "a")
        at_work.outbox.withdraw("unknown", "nowhere")


async def test_what_is_withdrawn_on_its_way_is_reported_when_it_arrives() -> None:
    hands = Hands()
    a = Scripted("a", "wait")
    async with running(desk(hands, a)) as at_work:
        at_work.outbox.offer(push())
        await hands.pass_()
        at_work.outbox.withdraw(push().key, "a")
        a.go.set()
        await hands.pass_()
        assert at_work.outcomes(push().key) == [Outcome.ACCEPTED]
        assert at_work.outbox.counts["a"].waiting == 0


async def test_what_is_withdrawn_on_its_way_is_not_repeated_when_it_fails() -> None:
    hands = Hands()
    a = Scripted("a", "wait", "ok")
    async with running(desk(hands, a, limits={"a": LaneLimits(timeout=0.02)})) as at_work:
        at_work.outbox.offer(push())
        await hands.pass_()
        at_work.outbox.withdraw(push().key, "a")
        while at_work.outbox.counts["a"].running:
            await asyncio.sleep(0.005)
        await hands.pass_(3600)
        assert (a.sent, at_work.reports) == ([(push().key, 1)], [])
        assert at_work.outbox.counts["a"].waiting == 0


def news(number: int, *, kind: Kind = Kind.SUPERVISORY, to: str = "", exercise: str = "", sort: str = "update") -> Push:
    key = f"{kind.value}-{number}{exercise}/resolved-1/a{'@' + to if to else ''}"
    body = {"type": f"incident.{sort}", "incident": {"id": f"{kind.value}-{number}", "exercise": exercise}}
    return replace(push(key, kind=kind), body=body, to=to)


async def test_more_than_a_minute_may_carry_goes_as_one_message_and_each_has_its_own_end() -> None:
    hands = Hands()
    a = Scripted("a", hands=hands)
    at_work = desk(hands, a, limits={"a": LaneLimits(per_minute=20)})
    for number in range(16):
        at_work.outbox.offer(news(number))
    async with running(at_work):
        await hands.pass_()
        assert len(a.sent) == 1
        for number in range(16):
            (report,) = at_work.of(news(number).key)
            assert (report.outcome, report.attempt) == (Outcome.ACCEPTED, 1)
            assert report.reply == f"went with 15 others as {a.sent[0][0]}: ok"
        assert at_work.outbox.counts["a"] == LaneCounts(accepted=16)


async def test_what_a_minute_may_carry_goes_one_by_one() -> None:
    hands = Hands()
    a = Scripted("a", hands=hands)
    at_work = desk(hands, a, limits={"a": LaneLimits(per_minute=20)})
    for number in range(15):
        at_work.outbox.offer(news(number))
    async with running(at_work):
        for _ in range(10):
            await hands.pass_()
    assert [key for key, _ in a.sent] == [news(number).key for number in range(15)]


async def test_a_fire_is_never_merged_and_goes_before_all() -> None:
    hands = Hands()
    a = Scripted("a", hands=hands)
    at_work = desk(hands, a, limits={"a": LaneLimits(per_minute=20, concurrency=1)})
    for number in range(30):
        at_work.outbox.offer(news(number))
    for number in range(30):
        at_work.outbox.offer(news(number, kind=Kind.FIRE, sort="call"))
    async with running(at_work):
        for _ in range(40):
            await hands.pass_()
        assert [key for key, _ in a.sent] == [news(n, kind=Kind.FIRE, sort="call").key for n in range(20)]
        await hands.pass_(61)
        for _ in range(40):
            await hands.pass_()
    fires = [key for key, _ in a.sent if key.startswith("FIRE")]
    assert fires == [news(n, kind=Kind.FIRE, sort="call").key for n in range(30)]
    assert len(a.sent) == 31
    assert at_work.outbox.counts["a"].accepted == 60


async def test_news_of_a_fire_wait_for_calls_and_leave_them_their_room() -> None:
    hands = Hands()
    a = Scripted("a", hands=hands)
    at_work = desk(hands, a, limits={"a": LaneLimits(per_minute=20, concurrency=1)})
    for number in range(30):
        at_work.outbox.offer(news(number, kind=Kind.FIRE))
    async with running(at_work):
        for _ in range(40):
            await hands.pass_()
        assert len(a.sent) == 15
        at_work.outbox.offer(news(99, kind=Kind.PREALARM, sort="call"))
        for number in range(5):
            at_work.outbox.offer(news(number, kind=Kind.FIRE, sort="call", to="duty"))
        for _ in range(10):
            await hands.pass_()
        assert [key for key, _ in a.sent[15:]] == [news(n, kind=Kind.FIRE, to="duty").key for n in range(5)]
        await hands.pass_(61)
        for _ in range(40):
            await hands.pass_()
    assert a.sent[20][0] == news(99, kind=Kind.PREALARM).key
    assert len(a.sent) == 35


async def test_only_what_belongs_together_is_merged() -> None:
    """By person, and never an exercise with anything real; states and hand-overs go alone."""
    hands = Hands()
    a = Scripted("a", hands=hands)
    at_work = desk(hands, a, limits={"a": LaneLimits(per_minute=20)})
    for number in range(16):
        for to in ("one", "two"):
            for exercise in ("", "drill"):
                at_work.outbox.offer(news(number, to=to, exercise=exercise, sort="update" if exercise else "call"))
    for number in range(2):
        at_work.outbox.offer(news(number, to="three", sort="state"))
        at_work.outbox.offer(news(number, to="four", sort="handover"))
    async with running(at_work):
        for _ in range(10):
            await hands.pass_()
    assert at_work.outbox.counts["a"].accepted == 68
    for person in ("one", "two"):
        replies = {report.reply for report in at_work.reports if report.key.endswith(f"@{person}")}
        assert len(replies) == 2
        assert all("15 others" in reply for reply in replies)
    assert all(r.reply == "ok" for r in at_work.reports if r.key.endswith(("@three", "@four")))


async def test_a_failed_digest_leaves_all_of_them_waiting() -> None:
    hands = Hands()
    a = Scripted("a", refused(), "ok", hands=hands)
    at_work = desk(hands, a, limits={"a": LaneLimits(per_minute=4)})
    keys = [news(number).key for number in range(6)]
    for number in range(6):
        at_work.outbox.offer(news(number))
    async with running(at_work):
        await hands.pass_()
        assert [at_work.outcomes(key) for key in keys] == [[Outcome.RETRY]] * 6
        assert at_work.outbox.counts["a"].waiting == 6
        assert at_work.outbox.counts["a"].running == 0
        await hands.pass_(300)
    assert [at_work.outcomes(key) for key in keys] == [[Outcome.RETRY, Outcome.ACCEPTED]] * 6
    assert [report.attempt for key in keys for report in at_work.of(key)] == [1, 2] * 6


async def test_a_refused_digest_is_sent_one_by_one() -> None:
    hands = Hands()
    a = Scripted("a", NeverWill("too long"), "ok", hands=hands)
    at_work = desk(hands, a, limits={"a": LaneLimits(per_minute=4)})
    keys = [news(number).key for number in range(6)]
    for number in range(6):
        at_work.outbox.offer(news(number))
    async with running(at_work):
        await hands.pass_(300)
    assert sorted(key for key, _ in a.sent[1:]) == sorted(keys)
    assert [at_work.outcomes(key) for key in keys] == [[Outcome.RETRY, Outcome.ACCEPTED]] * 6
    assert at_work.of(keys[0])[0].reply == "not as one of 6: too long"


async def test_who_is_withdrawn_from_a_digest_under_way_is_not_repeated() -> None:
    hands = Hands()
    a = Scripted("a", "wait", refused(), hands=hands)
    at_work = desk(hands, a, limits={"a": LaneLimits(per_minute=4, timeout=0.05)})
    for number in range(6):
        at_work.outbox.offer(news(number))
    async with running(at_work):
        await hands.pass_()
        at_work.outbox.withdraw(news(2).key, "a")
        while not at_work.reports:
            await asyncio.sleep(0.005)
        assert at_work.of(news(2).key) == []
        assert at_work.outbox.counts["a"].waiting == 5


async def test_the_same_digest_has_the_same_key_and_another_one_another() -> None:
    pushes = [news(number) for number in range(3)]
    assert digest(pushes).key == digest(pushes).key
    assert len({digest(pushes).key, digest(pushes[:2]).key, digest(pushes[1:]).key, pushes[0].key}) == 4
    assert [entry["key"] for entry in cast(list[dict[str, str]], digest(pushes).body["merged"])] == [
        push.key for push in pushes
    ]


async def test_a_push_that_never_gets_its_turn_is_dead_on_time() -> None:
    hands = Hands()
    a = Scripted("a", "wait")
    at_work = desk(hands, a, limits={"a": LaneLimits(concurrency=1, timeout=3600)})
    async with running(at_work):
        at_work.outbox.offer(push("inc-1/x/a"))
        at_work.outbox.offer(push("inc-2/x/a", lasts=90 * SECOND))
        await hands.pass_(120)
        (report,) = at_work.of("inc-2/x/a")
        assert (report.outcome, report.attempt, report.at) == (Outcome.DEAD, 0, START + 90 * SECOND)
        assert report.reply == "deadline passed before the first attempt"
        a.go.set()
        await hands.pass_()
    assert a.sent == [("inc-1/x/a", 1)]


async def test_an_attempt_under_way_at_the_deadline_may_still_end_well() -> None:
    hands = Hands()
    a = Scripted("a", "wait")
    async with running(desk(hands, a)) as at_work:
        at_work.outbox.offer(push(lasts=SECOND))
        await hands.pass_(2)
        a.go.set()
        await hands.pass_()
    assert at_work.outcomes(push().key) == [Outcome.ACCEPTED]


async def test_after_a_restart_the_count_and_the_pause_go_on() -> None:
    hands = Hands()
    a = Scripted("a", refused(), hands=hands)
    at_work = desk(hands, a)
    at_work.outbox.offer(push(), attempts=3, next_at=START + 7 * SECOND)
    async with running(at_work):
        await hands.pass_(6)
        assert a.sent == []
        await hands.pass_(1)
        assert a.sent == [(push().key, 4)]
        (report,) = at_work.reports
        assert report.attempt == 4
        assert report.next_at is not None
        assert 6.4 <= (report.next_at - report.at) / SECOND <= 9.6


async def test_an_expired_push_of_the_ledger_is_dead_and_never_sent() -> None:
    hands = Hands()
    a = Scripted("a")
    at_work = desk(hands, a)
    at_work.outbox.offer(push(at=START - 60 * MINUTE), attempts=5)
    async with running(at_work):
        await hands.pass_()
    (report,) = at_work.reports
    assert (report.outcome, report.attempt, report.reply) == (Outcome.DEAD, 5, "deadline passed after 5 attempts")
    assert a.sent == []


async def test_drain_lets_the_running_end_and_starts_none() -> None:
    hands = Hands()
    a = Scripted("a", "wait")
    at_work = desk(hands, a, limits={"a": LaneLimits(concurrency=1)})
    task = asyncio.create_task(at_work.outbox.run())
    at_work.outbox.offer(push("inc-1/x/a"))
    at_work.outbox.offer(push("inc-2/x/a"))
    await hands.pass_()
    draining = asyncio.create_task(at_work.outbox.drain(30))
    await hands.pass_()
    assert not draining.done()
    a.go.set()
    await draining
    await task
    at_work.outbox.offer(push("inc-3/x/a"))
    await settled()
    assert a.sent == [("inc-1/x/a", 1)]
    assert [report.outcome for report in at_work.reports] == [Outcome.ACCEPTED]


async def test_drain_cuts_off_what_hangs_and_reports_nothing_of_it() -> None:
    hands = Hands()
    a = Scripted("a", "wait")
    at_work = desk(hands, a)
    task = asyncio.create_task(at_work.outbox.run())
    at_work.outbox.offer(push())
    await hands.pass_()
    await at_work.outbox.drain(0.01)
    await task
    assert a.running == 0
    assert at_work.reports == []


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"timeout": 0}, {"timeout": math.nan}, {"per_minute": 0}])
def test_limits_that_would_stop_a_lane_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LaneLimits(**wrong)


class Counted(int):
    """A moment that counts how often it is compared."""

    comparisons: ClassVar[int] = 0

    def __lt__(self, other: int) -> bool:
        Counted.comparisons += 1
        return int(self) < int(other)

    def __eq__(self, other: object) -> bool:
        Counted.comparisons += 1
        return isinstance(other, int) and int(self) == int(other)

    __hash__ = int.__hash__


async def _comparisons(waiting: int) -> float:
    """Comparisons of moments that one push costs when so many are waiting, from its offer to its end."""
    hands = Hands()
    rng = random.Random(3)
    a = Scripted("a")
    at_work = desk(hands, a, limits={"a": LaneLimits(concurrency=64)})
    Counted.comparisons = 0
    for number in range(waiting):
        at = Counted(START - rng.randrange(1_000_000))
        one = Push(at, f"inc-{number}/x/a", f"inc-{number}", "x", "a", Kind.FIRE, Counted(at + MINUTE), {})
        at_work.outbox.offer(one)
    async with running(at_work):
        while at_work.outbox.counts["a"].waiting:
            await settled()
    assert at_work.outbox.counts["a"].accepted == waiting
    return Counted.comparisons / waiting


async def test_ten_thousand_waiting_cost_a_push_no_more_than_their_logarithm() -> None:
    few, many = await _comparisons(625), await _comparisons(10_000)
    # Sixteen times as many: linear work would cost sixteen times as much, the logarithm grows by less than a half.
    assert many < few * 2


def _words() -> st.SearchStrategy[Callable[[], Any]]:
    return st.sampled_from(
        [
            lambda: "ok",
            lambda: refused(),
            lambda: refused(40.0),
            lambda: NeverWill("no"),
            lambda: ZeroDivisionError(),
        ]
    )


@settings(max_examples=40, deadline=None)
@given(
    script=st.lists(_words(), min_size=1, max_size=30),
    kinds=st.lists(st.sampled_from(list(Kind)), min_size=1, max_size=20),
    lasts=st.integers(1, 300),
    ordered=st.booleans(),
    per_minute=st.sampled_from([None, 1, 4, 20]),
    seed=st.integers(0, 5),
)
def test_every_push_ends_exactly_once(
    script: list[Callable[[], Any]], kinds: list[Kind], lasts: int, ordered: bool, per_minute: int | None, seed: int
) -> None:
    async def story() -> None:
        hands = Hands()
        a = Scripted("a", *(word() for word in script))
        limits = LaneLimits(concurrency=2, ordered=ordered, per_minute=per_minute)
        at_work = desk(hands, a, limits={"a": limits}, seed=seed)
        keys = [f"inc-{number % 3}/state-{number}/a" for number in range(len(kinds))]
        with capture_logs():
            async with running(at_work):
                for key, kind in zip(keys, kinds, strict=True):
                    one = push(key, kind=kind, lasts=lasts * SECOND)
                    at_work.outbox.offer(replace(one, body={"type": "incident.update"}))
                await hands.pass_(lasts + 1)
        for key in keys:
            outcomes = at_work.outcomes(key)
            assert outcomes[-1] in (Outcome.ACCEPTED, Outcome.DEAD)
            assert all(outcome is Outcome.RETRY for outcome in outcomes[:-1])
        assert at_work.outbox.counts["a"].waiting == 0

    asyncio.run(story())
