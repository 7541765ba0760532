"""Two books on one past: what is the same, earlier, later, added and removed, and how it is shown.

Tapes here are written by hand, second by second; the engine is the real one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.backtest import CLOSE_AFTER, EXAMPLES, MATCH_WITHIN, Backtest, backtest
from monitor.backtest_report import Names, page, plain, signed
from monitor.lookout import Limits, Lookout
from monitor.ports import Message
from rules.model import (
    DAY,
    MINUTE,
    SECOND,
    AlarmChanged,
    AlarmState,
    Device,
    Kind,
    Micros,
    Neighbourhood,
    Recipient,
    Station,
    Text,
    Zone,
)
from rules.rule import RuleBook
from rules.rulebook import load_book

T0: Micros = 1_795_305_600 * SECOND
HOUR = 3600
RULE = """
  - id: {id}
    kind: {kind}
    devices: [smoke_detector]
    when: smoke_density > {limit}
    for: {hold}
    clear: smoke_density < 0.1
    clear_for: 10s
    title: {{zh: {title}, en: Smoke}}
"""


def rule(name: str = "smoke", limit: float = 0.5, hold: str = "0s", kind: str = "FIRE", title: str = "烟") -> str:
    return RULE.format(id=name, kind=kind, limit=limit, hold=hold, title=title)


def book(*rules: str) -> RuleBook:
    return load_book([("book.yaml", "version: 1\nrules:\n" + "".join(rules))])


def block() -> Neighbourhood:
    zones = {f"b/z{n}": Zone(f"b/z{n}", "b", Text("区", "zone"), "lobby") for n in range(3)}
    devices = {f"b/d{n}": Device(f"b/d{n}", "b", "smoke_detector", f"b/z{n}", Text("烟感", "smoke")) for n in range(3)}
    listens = (Recipient("hook", frozenset(Kind)), Recipient("robot", frozenset(Kind)))
    return Neighbourhood(
        zones=zones, stations=(Station("post", Text("站", "post"), frozenset(zones), listens),), devices=devices
    )


def say(at: float, density: float, device: int = 0) -> Message:
    """A reading `at` seconds after T0."""
    moment = T0 + round(at * SECOND)
    payload = json.dumps({"at": moment // 1000, "smoke_density": density}).encode()
    return Message(moment, f"wl/b/d{device}/up", payload)


def compared(
    running: RuleBook, changed: RuleBook, *messages: Message, close: Micros = CLOSE_AFTER, match: Micros = MATCH_WITHIN
) -> Backtest:
    return backtest(messages, running, changed, block(), Limits(), close_after=close, match_within=match)


RISE = [say(t, t / 100) for t in range(0, 100, 10)]
"""Density grows by 0.1 each ten seconds."""
CALM = [say(t, 0.0) for t in range(100, 200, 10)]


def test_the_same_book_does_the_same() -> None:
    found = compared(book(rule()), book(rule()), *RISE, *CALM)
    assert found.change.unchanged == ("smoke",)
    assert (found.rules["smoke"].alarms.old, found.rules["smoke"].alarms.same) == (1, 1)
    assert not any(r.differs for r in found.rules.values())
    assert not found.incidents.differs
    assert found.pages == (1, 1)


def test_a_lower_limit_is_earlier_by_so_much() -> None:
    found = compared(book(rule(limit=0.55)), book(rule(limit=0.25)), *RISE, *CALM)
    alarms = found.rules["smoke"].alarms
    assert (alarms.earlier, alarms.same, alarms.added, alarms.removed) == (1, 0, 0, 0)
    assert alarms.earliest == -30 * SECOND  # at 30 s instead of 60 s
    assert alarms.examples == {"earlier": [(T0 + 60 * SECOND, "b/d0", -30 * SECOND)]}
    assert found.rules["smoke"].fate == "changed"
    back = compared(book(rule(limit=0.25)), book(rule(limit=0.55)), *RISE, *CALM)
    assert (back.rules["smoke"].alarms.later, back.rules["smoke"].alarms.latest) == (1, 30 * SECOND)


def test_another_calendar_alone_is_compared_too() -> None:
    asking = rule().replace("smoke_density > 0.5", "smoke_density > 0.5 and workday()")
    worked = "calendar: {2026: {off: [10-01], on: [11-22]}}\n"
    changed = load_book([("book.yaml", f"version: 1\n{worked}rules:\n{asking}")])
    found = compared(book(asking), changed, *RISE, *CALM)
    assert (found.change.unchanged, found.change.years) == (("smoke",), (2026,))
    assert (found.rules["smoke"].fate, found.rules["smoke"].alarms.added) == ("unchanged", 1)


def test_a_longer_hold_drops_what_was_short() -> None:
    spike = [say(0, 0.0), say(10, 0.9), say(12, 0.0), say(60, 0.9), say(80, 0.9), say(90, 0.0)]
    found = compared(book(rule(kind="PREALARM")), book(rule(kind="PREALARM", hold="15s")), *spike)
    alarms = found.rules["smoke"].alarms
    assert (alarms.old, alarms.new, alarms.removed, alarms.later) == (2, 1, 1, 1)
    assert alarms.examples["removed"] == [(T0 + 10 * SECOND, "b/d0", 0)]
    assert alarms.latest == 15 * SECOND


def test_rules_that_one_book_alone_has() -> None:
    found = compared(book(rule(), rule("old", 0.3)), book(rule(), rule("new", 0.7)), *RISE, *CALM)
    assert {r.id: r.fate for r in found.rules.values()} == {"smoke": "unchanged", "old": "removed", "new": "added"}
    old, new = found.rules["old"], found.rules["new"]
    assert (old.alarms.removed, old.alarms.added, new.alarms.removed, new.alarms.added) == (1, 0, 0, 1)
    assert (old.incidents, new.incidents) == ([1, 0], [0, 0])  # the new rule joins the incident of the other
    assert found.pages == (1, 1)


def test_a_page_is_one_however_many_channels_hear_it_and_belongs_to_the_rule_that_spoke() -> None:
    both = (rule("warn", 0.3, kind="PREALARM"), rule("burn", 0.6))
    found = compared(book(*both), book(both[1]), *RISE, *CALM)
    assert (found.rules["warn"].pages, found.rules["burn"].pages) == ([1, 0], [1, 1])
    assert sum(map(sum, found.days.values())) == 3
    assert found.by_kind == {Kind.FIRE: [1, 1], Kind.PREALARM: [0, 0], Kind.SUPERVISORY: [0, 0], Kind.FAULT: [0, 0]}


def test_somebody_closes_what_is_quiet_so_the_next_fire_is_an_incident_of_its_own() -> None:
    days = [say(day * 24 * HOUR + t, d) for day in range(3) for t, d in ((0, 0.0), (10, 0.9), (20, 0.0), (60, 0.0))]
    found = compared(book(rule()), book(rule()), *days)
    assert (found.incidents.old, found.incidents.same) == (3, 3)
    assert found.pages == (3, 3)
    assert len(found.days) == 3
    never = compared(book(rule()), book(rule()), *days, close=1000 * 24 * 60 * MINUTE)
    assert never.incidents.old == 1
    assert never.rules["smoke"].alarms.old == 3  # the latched alarm comes back each day


def test_a_fire_that_burns_on_is_not_closed() -> None:
    burns = [say(t * 60, 0.9) for t in range(120)]
    found = compared(book(rule()), book(rule()), *burns)
    assert (found.incidents.old, found.pages) == (1, (1, 1))


def test_far_apart_is_not_the_same_alarm() -> None:
    slow = [say(t * 60, t / 100) for t in range(100)]
    lower, higher = book(rule(limit=0.25)), book(rule(limit=0.55))
    near = compared(higher, lower, *slow, match=60 * MINUTE).rules["smoke"].alarms
    far = compared(higher, lower, *slow, match=10 * MINUTE).rules["smoke"].alarms
    assert (near.earlier, near.earliest) == (1, -30 * MINUTE)
    assert (far.added, far.removed, far.earlier) == (1, 1, 0)


def test_holds_that_run_out_in_a_long_silence_are_matched() -> None:
    """The whole silence passes on one side before the other side sees it."""
    quiet = [say(0, 0.9), say(100 * HOUR, 0.0)]
    found = compared(book(rule(hold="5s")), book(rule(hold="9s")), *quiet)
    assert (found.rules["smoke"].alarms.later, found.rules["smoke"].alarms.latest) == (1, 4 * SECOND)


def test_examples_have_a_bound() -> None:
    flicker = [say(t, d) for n in range(4 * EXAMPLES) for t, d in ((n * 60, 0.9), (n * 60 + 30, 0.0))]
    found = compared(book(rule(kind="PREALARM")), book(rule(kind="PREALARM", hold="45s")), *flicker)
    assert found.rules["smoke"].alarms.removed == 4 * EXAMPLES
    assert len(found.rules["smoke"].alarms.examples["removed"]) == EXAMPLES


# --- held against a simple count --------------------------------------------------------------------------------------

tapes = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.9]), st.integers(0, 2)), max_size=60
)
limits = st.sampled_from([0.15, 0.3, 0.5])
holds = st.sampled_from(["0s", "20s", "2m"])


def tape(gaps: Iterable[tuple[int, float, int]]) -> list[Message]:
    out, at = [], 0
    for gap, density, device in gaps:
        at += gap + 1
        out.append(say(at, density, device))
    return out


def activations(rules: RuleBook, messages: list[Message]) -> int:
    """How often alarms of a book that cannot latch become active, counted from the effects alone."""
    lookout, states, count = Lookout(rules, block()), dict[tuple[str, str], AlarmState](), 0
    for m in messages:
        for effect in lookout.see(m).effects:
            if isinstance(effect, AlarmChanged):
                pending = states.get((effect.rule, effect.subject)) is AlarmState.PENDING
                count += pending and effect.state is AlarmState.ACTIVE
                states[effect.rule, effect.subject] = effect.state
    return count


@settings(max_examples=80, deadline=None)
@given(tapes, limits, limits, holds, holds)
def test_every_alarm_is_in_one_column_and_none_is_lost(
    gaps: list[tuple[int, float, int]], limit: float, other: float, hold: str, other_hold: str
) -> None:
    messages = tape(gaps)
    running = book(rule(limit=limit, hold=hold, kind="PREALARM"))
    changed = book(rule(limit=other, hold=other_hold, kind="PREALARM"))
    a = compared(running, changed, *messages).rules["smoke"].alarms
    assert (a.old, a.new) == (activations(running, messages), activations(changed, messages))
    assert a.old == a.same + a.earlier + a.later + a.removed
    assert a.new == a.same + a.earlier + a.later + a.added
    if running.digest == changed.digest:
        assert not a.differs
    swapped = compared(changed, running, *messages).rules["smoke"].alarms
    # how many are the same may differ: of two that are near enough the first to come is taken
    assert (swapped.old, swapped.new) == (a.new, a.old)


# --- shown ------------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Tags that are opened and closed, and what the page would fetch or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.tags: Counter[str] = Counter()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag not in ("meta", "br", "line"):
            self.open.append(tag)
        self.fetched += [str(v) for k, v in attrs if k in ("src", "href") and not str(v).startswith("#")]
        self.fetched += [k for k, _ in attrs if k.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_stands_alone_and_nothing_in_it_is_taken_for_markup() -> None:
    nasty = "'<script>alert(1)</script>'"
    found = compared(book(rule(limit=0.55, title=nasty)), book(rule(limit=0.25, title=nasty)), *RISE, *CALM)
    text = page(found, Names("a<b", 'c"d', "<i>tape</i>"))
    read = Page(text)
    assert read.open == []
    assert read.fetched == []
    assert read.tags["script"] == 0
    assert "://" not in text
    for word in ("规则回测", "Rule backtest", "<script>alert(1)</script>", "a<b", 'c"d', "<i>tape</i>", "−30s", "b/d0"):
        assert word in read.words
    same = Page(page(compared(book(rule()), book(rule()), *RISE), Names("a", "b", "t")))
    assert "两套规则在这段时间里的表现完全相同" in same.words
    empty = Page(page(compared(book(rule()), book(rule())), Names("a", "b", "t")))
    assert empty.open == []


def test_the_page_says_first_what_would_have_been_missed_of_a_fire() -> None:
    def words(old: RuleBook, new: RuleBook, *past: Message) -> str:
        return Page(page(compared(old, new, *past), Names("a", "b", "t"))).words

    fewer = words(book(rule(limit=0.25)), book(rule(limit=99.0)), *RISE, *CALM)
    assert "火警和预警：少 1 次，推迟 0 次。" in fewer
    assert "paged 0 times (running: 1); 0 alarms more, 1 fewer, 0 earlier, 0 later." in fewer
    later = words(book(rule(limit=0.25)), book(rule(limit=0.55)), *RISE, *CALM)
    assert "Of fires and pre-alarms 0 fewer, 1 later" in later
    sooner = words(book(rule(limit=0.55)), book(rule(limit=0.25)), *RISE, *CALM)
    assert "火警和预警" not in sooner
    assert "0 alarms more, 0 fewer, 1 earlier, 0 later." in sooner


def test_pages_a_day_are_told_of_a_day_and_more() -> None:
    short = compared(book(rule()), book(rule()), *RISE)
    assert short.a_day is None
    assert "每天通知" not in Page(page(short, Names("a", "b", "t"))).words
    long = replace(short, last_at=short.first_at + 2 * DAY)
    assert long.a_day == (0.5, 0.5)
    assert "0.5 → 0.5" in Page(page(long, Names("a", "b", "t"))).words


def test_the_result_as_plain_values() -> None:
    found = plain(compared(book(rule(limit=0.55)), book(rule(limit=0.25)), *RISE, *CALM), Names("a", "b", "t"))
    again = json.loads(json.dumps(found))
    assert again["from"] == "2026-11-22T08:00:00.000+08:00"
    assert again["pages_per_day"] == {"2026-11-22": [1, 1]}
    (smoke,) = again["rules"]
    assert smoke["alarms"]["examples"]["earlier"] == [
        {"at": "2026-11-22T08:01:00.000+08:00", "subject": "b/d0", "by_seconds": -30.0}
    ]
    assert [signed(s) for s in (-90_500_000, 5_250_000, 3_661_000_000)] == ["−1m30s", "+5s250ms", "+1h1m1s"]
