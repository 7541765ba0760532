"""The ladder of an open incident: it is climbed rung by rung until somebody has taken it, stands still, and goes on.

Decides when, and which rung; whom a rung reaches and over what is calling.py's. Timers: ("ladder", incident, "next" | "two" | "late"), and
those of LOOKS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rules.calling import Caller
from rules.case import Case
from rules.docket import Docket
from rules.model import (
    MINUTE,
    SECOND,
    Condition,
    Effect,
    Entry,
    Kind,
    Micros,
    Neighbourhood,
    Outcome,
    PushSettled,
    Step,
)
from rules.people import NextCall, Target
from rules.timers import Timers

TWO_WAYS_AFTER: Micros = 5 * SECOND
"""A FIRE that two kinds of channel have not taken by then goes out over all that are left: whoever then answers within 10 s keeps the
15 s of GB/T 45839-2025 5.10.4, even if every provider before hung."""
LOOK = "verify"
LOOKS: Mapping[str, tuple[Micros, tuple[Target, ...]]] = {
    "look": (2 * MINUTE, (Target.DUTY, Target.LEADER)),
    "look again": (5 * MINUTE, (Target.DUTY, Target.LEADER, Target.MANAGER)),
}
"""A doubtful FIRE that nobody looks after: so long after it was asked first, who is asked to look. It is not handed on to those above."""
UNNEEDED = "nobody need be called any more"


class Climbing:
    """Every method appends its effects to `out`."""

    def __init__(self, neighbourhood: Neighbourhood, timers: Timers, caller: Caller, docket: Docket) -> None:
        self._neighbourhood = neighbourhood
        self._timers = timers
        self._caller = caller
        self._plan = caller.plan
        self._docket = docket

    def next_call(self, incident: str) -> NextCall | None:
        """When the ladder of an open incident climbs, and whom that calls; None while it stands still or has no further rung."""
        case, due = self._docket.get(incident), self._timers.due(("ladder", incident, "next"))
        ladder = self._plan.ladders.get(case.incident.kind) if case is not None else None
        rung = ladder.rung(case.rung) if case is not None and ladder is not None else None
        if case is None or due is None or rung is None:
            return None
        above = case.incident.handed_over_at is None
        return NextCall(due, tuple(target for target in rung.targets if above or target is not Target.AUTHORITY))

    def climb(self, at: Micros, case: Case, out: list[Effect]) -> bool:
        """The next rung, and the timer of the one after it. Did it reach anybody?"""
        if not case.rung and case.incident.kind is Kind.FIRE:
            self._timers.set(("ladder", case.incident.id, "two"), at + TWO_WAYS_AFTER)
            self._look_no_more(case)
        ladder = self._plan.ladders.get(case.incident.kind)
        rung = ladder.rung(case.rung) if ladder is not None else None
        if rung is None:
            if case.rung and case.called:
                out.append(Entry(at, case.incident.id, Step.EXHAUSTED, {}))
            return False
        number, case.rung = case.rung, case.rung + 1
        about, name = ("incident.call", f"call{number}") if number else ("incident.dispatch", "dispatch")
        told = self.reach(at, case, rung.targets, about, f"{name}-{case.round}", out)
        if told and number:
            out.append(Entry(at, case.incident.id, Step.CALLED, {"rung": float(number), "targets": ", ".join(told)}))
        self._next_rung(at, case)
        return bool(told)

    def verify(self, at: Micros, case: Case, out: list[Effect]) -> None:
        """Somebody is asked to look; of a FIRE others as well, while nobody has said that they do and it goes on."""
        targets = (Target.STATION, Target.DUTY)
        self._caller.reach(at, case, targets, "incident.verify", f"{LOOK}-{case.round}", out)
        if case.incident.kind is Kind.FIRE:
            for which, (after, _) in LOOKS.items():
                self._timers.set(("ladder", case.incident.id, which), at + after)

    def look(self, at: Micros, case: Case, which: str, out: list[Effect]) -> None:
        """Nobody has, so far."""
        _, targets = LOOKS[which]
        if case.condition is Condition.ACTIVE:
            self._caller.reach(at, case, targets, "incident.verify", f"{LOOK}_{targets[-1]}-{case.round}", out)

    def _look_no_more(self, case: Case) -> None:
        for which in LOOKS:
            self._timers.cancel(("ladder", case.incident.id, which))

    def spread(self, at: Micros, case: Case, out: list[Effect]) -> None:
        """Two kinds of channel should have taken it by now."""
        if len(case.accepted) < 2:
            self._caller.spread(at, case, f"spread-{case.round}", out)

    def resume(self, at: Micros, case: Case) -> None:
        """The next rung, if there is one, a minute from now, the others behind it as far apart as ever."""
        ladder = self._plan.ladders.get(case.incident.kind)
        rung = ladder.rung(case.rung) if ladder is not None else None
        if rung is not None:
            case.began = at + MINUTE - rung.after
            self._next_rung(at, case)

    def wait(self, at: Micros, case: Case, patience: Micros) -> None:
        """Somebody has taken it after they should have been there: if nobody is by then either, it goes on."""
        self._timers.set(("ladder", case.incident.id, "late"), at + patience)

    def _next_rung(self, at: Micros, case: Case) -> None:
        """The timer of the next rung, at its time from the beginning of the round; behind the last one, of the word that there is none.

        A ladder that nobody stands on is not climbed: the deadlines speak for it. Of a FAULT nobody waits to hear that it was taken.
        """
        ladder = self._plan.ladders.get(case.incident.kind)
        if ladder is None or (self._neighbourhood.plan is None and len(self._caller.covering(case.incident)) < 2):
            return
        rung = ladder.rung(case.rung)
        due = case.began + rung.after if rung is not None else at + ladder.every
        if rung is not None or (case.rung and case.incident.kind is not Kind.FAULT):
            self._timers.set(("ladder", case.incident.id, "next"), max(due, at + SECOND))

    def running(self, case: Case) -> bool:
        """Is there a further rung to come?"""
        return ("ladder", case.incident.id, "next") in self._timers

    def from_the_foot(self, at: Micros, case: Case) -> None:
        """A new round, under fresh keys, from that moment on."""
        case.round += 1
        case.since = case.round
        case.begin(at)
        self._timers.set(("ladder", case.incident.id, "next"), at)

    def reach(
        self,
        at: Micros,
        case: Case,
        targets: Iterable[Target],
        about: str,
        step: str,
        out: list[Effect],
        **more: object,
    ) -> list[Target]:
        """Call them, unless another incident speaks for this one; those that anybody stood behind."""
        if case.incident.lead:
            return []
        told = self._caller.reach(at, case, targets, about, step, out, more)
        if Target.AUTHORITY in told:
            self._docket.change(case, handed_over_at=at)
        return told

    def halt(self, case: Case) -> None:
        """It stands still."""
        for which in ("next", "two", "late"):
            self._timers.cancel(("ladder", case.incident.id, which))
        self._look_no_more(case)

    def stop(self, at: Micros, case: Case, out: list[Effect], *, rides: bool = False) -> None:
        """Nobody need be called any more: the ladder stands still, and what is not delivered yet is taken back.

        `rides`: another incident calls for it, but not the families of its own zone; what is on its way to them stays.
        """
        self.halt(case)
        for key, attempts in list(case.open_calls.items()):
            if not rides or self._caller.sends(_person(key)):
                del case.open_calls[key]
                out.append(PushSettled(at, key, Outcome.WITHDRAWN, attempts, UNNEEDED))


def _person(key: str) -> str:
    """Whom a push is for; empty for whoever listens on the channel."""
    return key.split("/", 2)[2].partition("@")[2]
