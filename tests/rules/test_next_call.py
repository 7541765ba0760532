"""Who would be called next and when, as a screen counts it down: the ladder itself is told by the scenarios."""

from __future__ import annotations

from rules.engine import Engine
from rules.model import Kind, Outcome, Station, Text, Verb
from rules.people import Ladder, NextCall, Person, Plan, Role, Roster, Rung, Target
from tests.rules.small_block import Hand, block, book, incident, moment, rule

S = 1_000_000
LADDER = Ladder(
    (Rung(0, (Target.STATION,)), Rung(15 * S, (Target.DUTY,)), Rung(60 * S, (Target.DUTY, Target.AUTHORITY))),
    (Target.DUTY, Target.AUTHORITY), 60 * S, 1,
)  # fmt: skip


def burning() -> Hand:
    """A fire in the home at second 0; Wang is on duty, and above the stations is 119."""
    place = block()
    place.plan = Plan(
        people={"wang": Person("wang", Text("王", "Wang"), Role.RESPONDER, ("sms",))},
        rosters={"east": Roster(("wang",))},
        authorities=(Station("119", Text("119", "119"), frozenset({"b/home"}), place.stations[0].recipients),),
        ladders=dict.fromkeys(Kind, LADDER),
    )
    watch = Hand(Engine(book(rule("smoke", "FIRE", "smoke")), place))
    watch.read(0, "h1", smoke=True)
    return watch


def following(watch: Hand) -> NextCall | None:
    return watch.engine.next_call(incident(1))


def test_each_rung_is_told_before_it_comes_and_none_after_the_last() -> None:
    watch = burning()
    assert following(watch) == NextCall(moment(15), (Target.DUTY,))
    watch.tick(15)
    assert following(watch) == NextCall(moment(60), (Target.DUTY, Target.AUTHORITY))
    watch.tick(60)
    # Those above are called once: nobody is told that they will be again.
    assert following(watch) == NextCall(moment(120), (Target.DUTY,))
    watch.tick(120)
    assert following(watch) is None


def test_nobody_is_called_next_once_somebody_has_taken_it_or_when_there_is_no_such_incident() -> None:
    watch = burning()
    watch.receipt(1, "1/dispatch-1/hook", Outcome.ACCEPTED)
    assert following(watch) is not None
    watch.move(5, Verb.ACKNOWLEDGE)
    assert following(watch) is None
    assert watch.engine.next_call(incident(7)) is None
