"""What a changed book would have raised against what the running one raised, on the same past, in one pass over the tape.

Pure but for the caller's clock: two lookouts see the same messages; nobody is sent. Pushes are accepted at once, and somebody closes
each incident a while after its sensors are quiet, on both sides alike, so that a month is not one long incident. Memory holds what is
open, a few examples of each rule and a row for each day; it does not grow with the tape.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final, Literal, NamedTuple, TypeAlias

from monitor.book_change import BookChange, difference
from monitor.decoders.moves import is_move
from monitor.lookout import Limits, Lookout
from monitor.ports import Message
from rules.incident import reached
from rules.model import (
    HOUR,
    MINUTE,
    AlarmChanged,
    AlarmState,
    Condition,
    Disposition,
    Effect,
    Entry,
    Incident,
    IncidentChanged,
    IncidentState,
    Kind,
    Micros,
    Move,
    Neighbourhood,
    Outcome,
    Push,
    Receipt,
    Step,
    Text,
    Tick,
    Verb,
)
from rules.rule import RuleBook

DAY: Final[Micros] = 24 * HOUR
CHINA_OFFSET: Final[Micros] = 8 * HOUR
MATCH_WITHIN: Final[Micros] = 10 * MINUTE
"""Two alarms of one rule at one place are the same one, earlier or later, when they are no further apart."""
CLOSE_AFTER: Final[Micros] = 30 * MINUTE
EXAMPLES: Final = 25
"""Of each rule and each sort of difference."""

Which: TypeAlias = Literal[0, 1]
"""0: the running book; 1: the changed one."""

_CALLS: Final = ("dispatch-", "verify-")
"""Steps that call somebody; what becomes overdue depends on people and not on rules."""
_TELLING: Final = frozenset({Step.RAISED, Step.ESCALATED, Step.CONFIRMED, Step.REALARM, Step.JOINED})


class Shift(NamedTuple):
    """An alarm of both books at two moments, or of one of them only."""

    at: Micros
    """By the running book, where it has it."""
    subject: str
    by: Micros
    """How much later the changed book has it; negative: earlier; 0 where only one has it."""


@dataclass(slots=True)
class Delta:
    """Alarms (or incidents) of both books, matched."""

    old: int = 0
    new: int = 0
    same: int = 0
    """At the same moment."""
    earlier: int = 0
    later: int = 0
    added: int = 0
    removed: int = 0
    earliest: Micros = 0
    """The largest gain of time; negative."""
    latest: Micros = 0
    """The largest loss of time."""
    examples: dict[str, list[Shift]] = field(default_factory=dict)
    """`added`, `removed`, `earlier`, `later` → the first of them."""

    @property
    def differs(self) -> bool:
        """Is anything not the same?"""
        return bool(self.earlier or self.later or self.added or self.removed)

    def keep(self, what: str, shift: Shift) -> None:
        """Remember an example, while there is room."""
        kept = self.examples.setdefault(what, [])
        if len(kept) < EXAMPLES:
            kept.append(shift)


@dataclass(slots=True)
class RuleDelta:
    """One rule under both books."""

    id: str
    kind: Kind
    title: Text
    fate: Literal["added", "removed", "changed", "reworded", "unchanged"]
    alarms: Delta = field(default_factory=Delta)
    incidents: list[int] = field(default_factory=lambda: [0, 0])
    """That it opened: by the running book, by the changed one."""
    pages: list[int] = field(default_factory=lambda: [0, 0])
    """Calls that it caused."""

    @property
    def differs(self) -> bool:
        """Did the rule act otherwise?"""
        return self.alarms.differs or self.pages[0] != self.pages[1] or self.incidents[0] != self.incidents[1]


@dataclass(slots=True)
class Backtest:
    """What it came to."""

    change: BookChange
    rules: dict[str, RuleDelta]
    incidents: Delta = field(default_factory=Delta)
    by_kind: dict[Kind, list[int]] = field(default_factory=lambda: {kind: [0, 0] for kind in Kind})
    """Incidents by the kind they came to."""
    days: dict[int, list[int]] = field(default_factory=dict)
    """Day since 1970 in China → pages by each book."""
    messages: int = 0
    first_at: Micros = 0
    last_at: Micros = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Messages a second, each through both books."""
        return self.messages / self.seconds if self.seconds else 0.0

    @property
    def pages(self) -> tuple[int, int]:
        """Calls in all."""
        return sum(r.pages[0] for r in self.rules.values()), sum(r.pages[1] for r in self.rules.values())

    @property
    def a_day(self) -> tuple[float, float] | None:
        """Calls a day; None for a past of less than a day, which says nothing of the others."""
        days = (self.last_at - self.first_at) / DAY
        return (self.pages[0] / days, self.pages[1] / days) if days >= 1 else None


def backtest(
    messages: Iterable[Message], running: RuleBook, changed: RuleBook, neighbourhood: Neighbourhood, limits: Limits, *,
    close_after: Micros = CLOSE_AFTER, match_within: Micros = MATCH_WITHIN, clock: Callable[[], float] = lambda: 0.0,
) -> Backtest:  # fmt: skip
    """Both books over the messages, which are read once. `clock` counts seconds, to tell how fast it was."""
    out = _prepared(running, changed)
    alarms, incidents = _Matcher(match_within), _Matcher(match_within)
    old = _Side(0, Lookout(running, neighbourhood, limits), out, alarms, incidents, close_after)
    new = _Side(1, Lookout(changed, neighbourhood, limits), out, alarms, incidents, close_after)
    began = clock()
    count, last = 0, 0
    for m in messages:
        if is_move(m.topic):
            continue  # of incidents as they were then; those of a changed book are others
        count += 1
        last = m.at
        out.first_at = out.first_at or last
        old.see(m)
        new.see(m)
        if alarms.due < last:
            alarms.expire(last)
        if incidents.due < last:
            incidents.expire(last)
    for side in (old, new):
        side.end(last)
    alarms.expire(_NEVER)
    incidents.expire(_NEVER)
    out.messages, out.last_at, out.seconds = count, last, clock() - began
    return out


def _prepared(running: RuleBook, changed: RuleBook) -> Backtest:
    change = difference(running, changed)
    out = Backtest(change, {})
    for fate in ("added", "removed", "changed", "reworded", "unchanged"):
        for rule_id in getattr(change, fate):
            rule = changed.by_id.get(rule_id) or running.by_id[rule_id]
            out.rules[rule_id] = RuleDelta(rule_id, rule.kind, rule.title, fate)
    return out


_NEVER: Final[Micros] = 1 << 62


class _Side:
    """One book: its lookout, and the people who answer."""

    def __init__(
        self, which: Which, lookout: Lookout, out: Backtest, alarms: _Matcher, incidents: _Matcher, close_after: Micros
    ) -> None:
        self._which: Which = which
        self._lookout = lookout
        self._engine = lookout.engine
        self._out = out
        self._alarms = alarms
        self._incidents = incidents
        self._close_after = close_after
        self._states: dict[tuple[str, str], AlarmState] = {}
        """Of alarms that are not idle."""
        self._open: dict[str, Incident] = {}
        self._telling: dict[str, str] = {}
        """Open incident → the rule that spoke last."""
        self._called: dict[str, str] = {}
        """Open incident → the newest step that called somebody."""
        self._quiet: dict[str, Micros] = {}
        self._closing: list[tuple[Micros, str]] = []

    def see(self, m: Message) -> None:
        """One message."""
        if self._closing and self._closing[0][0] <= m.at:
            self._close(m.at)
        effects = self._lookout.see(m).effects
        if effects:
            self._carry_out(effects)

    def end(self, at: Micros) -> None:
        """Whatever is due by now; then count the incidents that are still open by what they are."""
        self._carry_out(self._engine.handle(Tick(at)))
        for incident in self._open.values():
            self._out.by_kind[incident.kind][self._which] += 1

    def _close(self, until: Micros) -> None:
        while self._closing and self._closing[0][0] <= until:
            due, incident_id = heappop(self._closing)
            if self._quiet.get(incident_id) != due:  # closed, or burning again meanwhile
                continue
            del self._quiet[incident_id]
            incident = self._open[incident_id]
            verbs = [] if reached(incident.state, IncidentState.RESOLVED) else [Verb.RESOLVE]
            verbs += [Verb.RESET] if incident.condition is Condition.LATCHED else []
            for verb in verbs:
                self._carry_out(self._engine.handle(Move(due, incident_id, verb, "backtest")))
            closed = Move(due, incident_id, Verb.CLOSE, "backtest", "", Disposition.UNKNOWN)
            self._carry_out(self._engine.handle(closed))

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        waiting = list(effects)
        for effect in waiting:  # it grows while it is walked: what is answered to a push comes behind it
            match effect:
                case AlarmChanged():
                    self._alarm(effect)
                case Entry(step=step) if step in _TELLING:
                    self._telling[effect.incident] = str(effect.detail["rule"])
                case Push():
                    self._call(effect)
                    waiting += self._engine.handle(Receipt(effect.at, effect.key, Outcome.ACCEPTED, 1))
                case IncidentChanged():
                    self._stands(effect.at, effect.incident)
                case _:
                    pass

    def _alarm(self, effect: AlarmChanged) -> None:
        key = (effect.rule, effect.subject)
        before = self._states.get(key)
        if effect.state is AlarmState.IDLE:
            self._states.pop(key, None)
        else:
            self._states[key] = effect.state
        rule = self._out.rules.get(effect.rule)
        if rule is not None and effect.state is AlarmState.ACTIVE and before is not AlarmState.CLEARING:
            self._alarms.arrive(self._which, key, effect.at, rule.alarms)

    def _call(self, push: Push) -> None:
        """One call, however many channels it goes to."""
        if not push.step.startswith(_CALLS) or self._called.get(push.incident) == push.step:
            return
        self._called[push.incident] = push.step
        day = self._out.days.setdefault((push.at + CHINA_OFFSET) // DAY, [0, 0])
        day[self._which] += 1
        if (rule := self._out.rules.get(self._telling.get(push.incident, ""))) is not None:
            rule.pages[self._which] += 1

    def _stands(self, at: Micros, incident: Incident) -> None:
        key = incident.id
        if key not in self._open and incident.state is not IncidentState.CLOSED:
            self._incidents.arrive(
                self._which, (incident.group, incident.zone), incident.raised_at, self._out.incidents
            )
            if (rule := self._out.rules.get(incident.rules[0])) is not None:
                rule.incidents[self._which] += 1
        self._open[key] = incident
        if incident.state is IncidentState.CLOSED:
            self._out.by_kind[incident.kind][self._which] += 1
            for known in (self._open, self._telling, self._called, self._quiet):
                known.pop(key, None)
        elif incident.condition is Condition.ACTIVE:
            self._quiet.pop(key, None)
        elif key not in self._quiet:
            due = self._quiet[key] = at + self._close_after
            heappush(self._closing, (due, key))


class _Place:
    """What waits for a counterpart at one place."""

    __slots__ = ("entries", "queues")

    def __init__(self) -> None:
        self.queues: tuple[deque[Micros], deque[Micros]] = (deque(), deque())
        self.entries = 0
        """How many of them, paired meanwhile or not, still stand in the matcher's order."""


class _Matcher:
    """Pairs what both books have at one place, when it is no further apart than `within`."""

    def __init__(self, within: Micros) -> None:
        self._within = within
        self._places: dict[tuple[str, str], _Place] = {}
        self._order: deque[tuple[Micros, Which, tuple[str, str], Micros, Delta]] = deque()
        self.due: Micros = _NEVER
        """When the oldest that waits has waited long enough."""

    def arrive(self, which: Which, key: tuple[str, str], at: Micros, delta: Delta) -> None:
        """One of the books has it at this moment."""
        if which:
            delta.new += 1
        else:
            delta.old += 1
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place()
        others = place.queues[1 - which]
        other = min(others, key=lambda waiting: abs(at - waiting), default=_NEVER)
        if abs(at - other) <= self._within:
            others.remove(other)
            self._pair(which, key[1], at, other, delta)
        else:
            place.queues[which].append(at)
            place.entries += 1
            self._order.append((at + self._within, which, key, at, delta))
            self.due = self._order[0][0]
        if not place.entries:
            del self._places[key]

    def expire(self, now: Micros) -> None:
        """What has waited longer than that has no counterpart. Both books must have seen everything up to now."""
        order = self._order
        while order and order[0][0] < now:
            _, which, key, at, delta = order.popleft()
            place = self._places[key]
            place.entries -= 1
            if not place.entries:
                del self._places[key]
            if at not in place.queues[which]:
                continue  # it was paired
            place.queues[which].remove(at)
            if which:
                delta.added += 1
                delta.keep("added", Shift(at, key[1], 0))
            else:
                delta.removed += 1
                delta.keep("removed", Shift(at, key[1], 0))
        self.due = order[0][0] if order else _NEVER

    def _pair(self, which: Which, subject: str, at: Micros, other: Micros, delta: Delta) -> None:
        old, new = (other, at) if which else (at, other)
        by = new - old
        if by == 0:
            delta.same += 1
        elif by < 0:
            delta.earlier += 1
            delta.earliest = min(delta.earliest, by)
            delta.keep("earlier", Shift(old, subject, by))
        else:
            delta.later += 1
            delta.latest = max(delta.latest, by)
            delta.keep("later", Shift(old, subject, by))
