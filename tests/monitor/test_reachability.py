"""The proof that a fire reaches somebody, at every moment of the week: rosters as tables, gaps to the minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.reachability import MONDAY, WEEK_MINUTES, Reached, Span, joined, reaches, unmanned, week_text
from rules.engine import Engine
from rules.model import MINUTE, Device, Kind, Micros, Neighbourhood, Push, Reading, Recipient, Station, Text, Tick, Zone
from rules.people import LADDERS, Ladder, Person, Plan, Role, Roster, Rung, Shift, Target
from rules.rulebook import load_book

NAME = Text("", "")
DAY = 1440
ALWAYS = (Span(0, WEEK_MINUTES),)


def station(key: str, *channels: str, zones: Sequence[str] = ("a", "b"), follow: bool = False) -> Station:
    return Station(key, NAME, frozenset(zones), tuple(Recipient(c, follow=follow) for c in channels))


def person(key: str, role: Role = Role.RESPONDER, *channels: str, quiet: tuple[int, int] | None = None) -> Person:
    return Person(key, NAME, role, channels or ("call",), quiet=quiet)


def plan(people: Sequence[Person], rosters: Mapping[str, Roster] | None = None, **more: object) -> Plan:
    everybody = Roster(tuple(p.key for p in people))
    return replace(Plan({p.key: p for p in people}, rosters or {"gate": everybody}), **more)  # type: ignore[arg-type]


def only(
    who: Plan, *stations: Station, kind: Kind = Kind.FIRE, broken: Sequence[str] = ()
) -> list[tuple[Span, Reached]]:
    (found,) = reaches(["a", "b"], stations, who, kind, lambda channel: channel not in broken)
    assert found.zones == ("a", "b")
    assert found.station is stations[0]
    return list(found.week)


def channels(week: Sequence[tuple[Span, Reached]]) -> list[set[str]]:
    return [set(reached.channels) for _, reached in week]


def hours(day: int, since: int, until: int) -> Span:
    return Span(day * DAY + since * 60, day * DAY + until * 60)


# --- whom the ladder reaches ------------------------------------------------------------------------------------------

BIG = [person("duty"), person("boss", Role.LEADER, "text"), person("owner", Role.MANAGER, "mail")]


@pytest.mark.parametrize(
    ("stations", "who", "reached"),
    [
        ([station("gate", "hook")], Plan(), {"hook"}),
        ([station("gate")], Plan(), set()),
        ([station("gate", "hook"), station("west", "west-hook")], Plan(), {"hook", "west-hook"}),
        ([station("gate", "hook"), station("far", "far-hook", zones=["c"])], Plan(), {"hook"}),
        (
            [station("gate", "hook"), station("far", "far-hook", zones=["c"])],
            Plan(neighbours={"gate": ("far",)}),
            {"hook", "far-hook"},
        ),
        ([station("gate", "hook")], plan(BIG), {"hook", "call", "text", "mail"}),
        ([station("gate")], plan([person("duty", Role.RESPONDER, "text", "call")]), {"text", "call"}),
        ([station("gate", "hook")], plan([person("duty")], {"west": Roster(("duty",))}), {"hook"}),
        (
            [station("gate", "hook"), station("west")],
            plan([person("duty")], {"west": Roster(("duty",))}),
            {"hook", "call"},
        ),
        ([station("gate", "hook"), station("west")], plan(BIG, {"west": Roster(("boss", "owner"))}), {"hook"}),
        ([station("gate", "hook")], Plan(authorities=(station("119", "above"),)), {"hook", "above"}),
        ([station("gate", "hook")], Plan(authorities=(station("119", "above", zones=["c"]),)), {"hook"}),
    ],
)  # fmt: skip
def test_the_ladder_of_a_fire(stations: list[Station], who: Plan, reached: set[str]) -> None:
    assert channels(only(who, *stations)) == [reached]


def test_a_screen_is_told_only_where_there_is_nothing_else() -> None:
    screen = station("gate", "topics", follow=True)
    assert channels(only(Plan(), screen)) == [{"topics"}]
    both = replace(screen, recipients=(*screen.recipients, Recipient("hook")))
    assert channels(only(Plan(), both)) == [{"hook"}]


def test_what_is_not_listened_to_is_not_reached() -> None:
    deaf = Station("gate", NAME, frozenset("ab"), (Recipient("hook", frozenset({Kind.FAULT})),))
    assert channels(only(Plan(), deaf)) == [set()]


def test_broken_channels_reach_nobody() -> None:
    week = only(plan(BIG), station("gate", "hook"), broken=["call", "hook"])
    assert [(set(r.channels), set(r.people)) for _, r in week] == [({"text", "mail"}, {"boss", "owner"})]


def test_residents_are_warned_and_not_sent() -> None:
    family = Person("family", NAME, Role.FAMILY, ("text",), frozenset("ab"))
    assert channels(only(plan([family], {}), station("gate", "hook"))) == [{"hook"}]
    ladders = {**LADDERS, Kind.FIRE: Ladder((Rung(0, (Target.STATION,)), Rung(5, (Target.RESIDENTS,))))}
    ((_, reached),) = only(plan([family], {}, ladders=ladders), station("gate", "hook"))
    assert reached.empty == (), "that many zones have none is meant"


def test_zones_of_one_sort_are_told_together() -> None:
    stations = [station("gate", "hook", zones="abc"), station("west", "west-hook", zones="b")]
    found = reaches("abcx", stations, Plan(authorities=(station("119", "above", zones="c"),)))
    assert [(r.zones, channels(r.week)) for r in found] == [
        (("a",), [{"hook"}]),
        (("b",), [{"hook", "west-hook"}]),
        (("c",), [{"hook", "above"}]),
    ], "nobody comes to x, which the survey tells"


def test_rungs_that_reach_nobody() -> None:
    rungs = (
        Rung(0, (Target.STATION,)), Rung(10, (Target.LEADER, Target.MANAGER)), Rung(20, (Target.NEIGHBOUR,)),
        Rung(30, (Target.NEIGHBOUR,)), Rung(40, (Target.AUTHORITY,)), Rung(50, (Target.AUTHORITY, Target.RESIDENTS)),
    )  # fmt: skip
    ladders = {**LADDERS, Kind.FIRE: Ladder(rungs, (Target.DUTY,), MINUTE, 3)}
    above = (station("119", "above"),)
    who = plan([person("boss", Role.LEADER)], ladders=ladders, authorities=above)
    ((_, reached),) = only(who, station("gate", "hook"), station("west", "west-hook"))
    assert reached.empty == (3, 5, 6), "the second neighbour, those above again, and the repetition"


# --- a week of shifts -------------------------------------------------------------------------------------------------

SHIFTS = {
    "day": Shift("day", ("a",), 8 * 60, 20 * 60),
    "night": Shift("night", ("b",), 20 * 60, 8 * 60),
    "weekday nights": Shift("night", ("b",), 20 * 60, 8 * 60, frozenset(range(5))),
    "until midnight": Shift("late", ("b",), 20 * 60, 0),
    "a whole monday": Shift("24", ("b",), 8 * 60, 8 * 60, frozenset({0})),
    "sunday": Shift("sunday", ("a",), 0, 0, frozenset({6})),
}


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["day"], "Mon-Sun 20:00-08:00"),
        (["day", "night"], ""),
        (["day", "weekday nights"], "Sat-Sun 20:00-08:00"),
        (["day", "until midnight"], "Mon-Sun 00:00-08:00"),
        (["a whole monday"], "Tue 08:00-Mon 08:00"),
        (["day", "a whole monday"], "Tue-Sun 20:00-08:00"),
        (["sunday"], "Mon 00:00-Sun 00:00"),
        (["weekday nights"], "Tue-Fri 08:00-20:00, Sat 08:00-Mon 20:00"),
    ],
)
def test_nobody_is_on_duty(names: list[str], text: str) -> None:
    shifts = tuple(SHIFTS[name] for name in names)
    who = plan([person("a"), person("b", Role.DISPATCHER)], {"gate": Roster(("a", "b"), shifts)})
    gaps = unmanned(who).get("gate", ())
    # Somebody who stands in no shift is always there.
    absent = [key for key in "ab" if all(key not in shift.people for shift in shifts)]
    if absent:
        assert gaps == ()
        others = plan(
            [person("a"), person("b")], {"gate": Roster(tuple({p for s in shifts for p in s.people}), shifts)}
        )
        gaps = unmanned(others).get("gate", ())
    assert week_text(gaps) == text


def test_a_leader_alone_is_nobody_on_duty() -> None:
    assert unmanned(plan([person("boss", Role.LEADER)])) == {"gate": ALWAYS}
    assert unmanned(Plan()) == {}


def test_a_gap_of_a_minute_is_found() -> None:
    shifts = (Shift("day", ("a",), 8 * 60, 20 * 60), Shift("night", ("b",), 20 * 60 + 1, 8 * 60))
    who = plan([person("a"), person("b", Role.RESPONDER, "text")], {"gate": Roster(("a", "b"), shifts)})
    (reach,) = reaches(["a"], [station("gate")], who)
    gaps = reach.when(lambda reached: not reached.channels)
    assert [span.until - span.since for span in gaps] == [1] * 7
    assert week_text(gaps) == "Mon-Sun 20:00-20:01"
    assert reach.when(lambda reached: "call" in reached.channels)[0] == hours(0, 8, 20)


def test_quiet_hours_matter_to_everything_but_a_fire() -> None:
    who = plan([person("a", quiet=(22 * 60, 7 * 60))])
    assert [reached.people for _, reached in only(who, station("gate"))] == [{"a"}]
    (reach,) = reaches(["a"], [station("gate")], who, Kind.PREALARM)
    assert week_text(reach.when(lambda reached: not reached.people)) == "Mon-Sun 22:00-07:00"


@st.composite
def rosters(draw: st.DrawFn) -> Roster:
    minute = st.integers(0, DAY - 1)
    days = st.frozensets(st.integers(0, 6), min_size=1)
    shifts = draw(
        st.lists(
            st.builds(Shift, st.just(""), st.sampled_from([("a",), ("b",), ("a", "b")]), minute, minute, days),
            max_size=4,
        )
    )
    return Roster(draw(st.sampled_from([(), ("a",), ("a", "b")])), tuple(shifts))  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(roster=rosters(), minutes=st.lists(st.integers(0, WEEK_MINUTES - 1), min_size=20, max_size=20))
def test_between_two_moments_nothing_changes(roster: Roster, minutes: list[int]) -> None:
    """What is said of a part of the week is so at each of its minutes."""
    who = plan([person("a"), person("b", Role.LEADER, "text")], {"gate": roster})
    (reach,) = reaches(["a"], [station("gate")], who)
    gaps = unmanned(who).get("gate", ())
    edges = [edge for span, _ in reach.week for edge in (span.since, span.until - 1)]
    for minute in (*minutes, *edges):
        present = {p.key for p in who.on_duty("gate", MONDAY + minute * MINUTE)}
        ((_, reached),) = [(span, r) for span, r in reach.week if span.since <= minute < span.until]
        assert reached.people == present
        unmanned_now = any(since <= m < until for since, until in gaps for m in (minute, minute + WEEK_MINUTES))
        assert unmanned_now is ("a" not in present)


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spans", "whole"),
    [
        ([], ()),
        ([Span(0, 10), Span(10, 20)], (Span(0, 20),)),
        ([Span(0, 10), Span(20, WEEK_MINUTES)], (Span(20, WEEK_MINUTES + 10),)),
        ([Span(0, 10), Span(10, WEEK_MINUTES)], ALWAYS),
        ([Span(5, 10), Span(20, WEEK_MINUTES)], (Span(5, 10), Span(20, WEEK_MINUTES))),
    ],
)
def test_parts_that_touch_are_one(spans: list[Span], whole: tuple[Span, ...]) -> None:
    assert joined(spans) == whole


@pytest.mark.parametrize(
    ("spans", "text"),
    [
        (ALWAYS, "at every hour"),
        ((hours(0, 0, 8),), "Mon 00:00-08:00"),
        ((hours(6, 20, 32),), "Sun 20:00-08:00"),
        ((hours(6, 20, 57),), "Sun 20:00-Tue 09:00"),
        ((hours(0, 8, 20), hours(2, 8, 20), hours(3, 8, 20)), "Mon/Wed-Thu 08:00-20:00"),
        ((hours(1, 0, 24),), "Tue 00:00-24:00"),
        ((hours(0, 8, 9), hours(1, 8, 10)), "Mon 08:00-09:00, Tue 08:00-10:00"),
    ],
)
def test_hours_in_words(spans: tuple[Span, ...], text: str) -> None:
    assert week_text(spans) == text


def test_fifty_thousand_zones_are_looked_at_by_their_sort() -> None:
    zones = [f"z{n}" for n in range(50_000)]
    shifts = tuple(Shift(str(n), (f"p{n}",), n * 60, n * 60 + 61) for n in range(20))
    people = [person(f"p{n}") for n in range(20)]
    who = plan(people, {"gate": Roster((), shifts)})
    (found,) = reaches(zones, [station("gate", zones=zones)], who)
    assert len(found.zones) == 50_000
    assert len(found.week) == 7 * 40


# --- the proof against the machine ------------------------------------------------------------------------------------

RULE = "version: 1\nrules: [{{id: s, kind: {}, devices: [smoke], when: smoke, title: {{zh: 烟, en: Smoke}}}}]"
BOOKS = {kind: load_book([("b", RULE.format(kind))]) for kind in (Kind.FIRE, Kind.PREALARM)}
WAYS = ["hook", "west-hook", "call", "text", "mail", "above"]


@st.composite
def watched(draw: st.DrawFn) -> tuple[list[Station], Plan]:
    """A station or two, one far away, three people on shifts, and perhaps somebody above."""
    heard = st.lists(st.sampled_from(WAYS[:3]), unique=True, max_size=2)
    stations = [
        station("gate", *draw(heard)),
        station("west", *draw(heard), zones=draw(st.sampled_from(["a", "b"]))),
        station("far", *draw(heard), zones="x"),
    ]
    roles = st.sampled_from([Role.DISPATCHER, Role.RESPONDER, Role.LEADER, Role.MANAGER])
    ways = st.lists(st.sampled_from(WAYS[2:5]), unique=True, min_size=1, max_size=3)
    people = [person(key, draw(roles), *draw(ways), quiet=draw(st.sampled_from([None, (1320, 420)]))) for key in "abc"]
    posts = draw(st.lists(st.sampled_from(["gate", "west", "far"]), unique=True, max_size=2))
    return stations, plan(
        people,
        {key: draw(rosters()) for key in posts},
        neighbours=draw(st.sampled_from([{}, {"gate": ("far",)}, {"gate": ("far", "west")}])),
        authorities=draw(st.sampled_from([(), (station("119", "above"),), (station("119", "above", zones="x"),)])),
    )


def called(stations: Sequence[Station], who: Plan, kind: Kind, at: Micros) -> tuple[set[str], set[str]]:
    """Channels and people that the engine calls about an alarm that nobody answers, by the ladder alone."""
    zones = {key: Zone(key, "s", NAME, "hall") for key in "abx"}
    devices = {"s/1": Device("s/1", "s", "smoke", "a", NAME)}
    places = Neighbourhood(zones=zones, stations=tuple(stations), devices=devices, sla={}, plan=who)
    engine = Engine(BOOKS[kind], places)
    effects = [*engine.handle(Reading(at, "s/1", {"smoke": True})), *engine.handle(Tick(at + 20 * MINUTE))]
    pushes = [effect for effect in effects if isinstance(effect, Push)]
    return {push.channel for push in pushes}, {push.to for push in pushes if push.to}


@settings(max_examples=120, deadline=None)
@given(site=watched(), kind=st.sampled_from([Kind.FIRE, Kind.PREALARM]), minute=st.integers(0, WEEK_MINUTES - 1))
def test_the_engine_calls_whom_the_proof_says(site: tuple[list[Station], Plan], kind: Kind, minute: int) -> None:
    """The whole ladder of a real alarm, wherever no shift changes and nobody falls asleep while it is climbed."""
    stations, who = site
    (reach,) = reaches("a", stations, who, kind)
    ((span, reached),) = [(span, r) for span, r in reach.week if span.since <= minute < span.until]
    if minute + 21 > span.until:
        return
    told, named = called(stations, who, kind, MONDAY + minute * MINUTE)
    assert named == reached.people
    # Who reinforces is called once, over the ways that they like best.
    assert told <= reached.channels
    ways = 2 if kind is Kind.FIRE else 1
    assert min(len(told), ways) == min(len(reached.channels), ways)
