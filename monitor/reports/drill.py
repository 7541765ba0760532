"""The score of a drill: from the made-up reading to the last human acknowledgement, who answered, who did not, and what was promised.

Reads what the ledger keeps of the drill's measure and incident; knows no page, no clock and no broker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from monitor.ports import OutboxRow, Records, TimelineRow
from rules.model import SECOND, Incident, Kind, Measure, Micros, Neighbourhood, Step, Suppression, Text
from rules.people import Plan, Role

MOST = 10_000
"""Measures, and incidents within the time of the drill, that are looked through."""
TWO_KINDS_WITHIN: Micros = 15 * SECOND
"""GB/T 45839-2025 5.10.4: a fire is pushed over at least two kinds of channel within 15 s."""
CALLS = frozenset({"incident.dispatch", "incident.call", "incident.reinforce", "incident.verify", "incident.overdue"})
"""Pushes that tell somebody to come."""
ANSWERS = frozenset({Step.ACKNOWLEDGED, Step.ON_SCENE, Step.RESOLVED})
"""Who is on scene has answered, too."""


class Point(StrEnum):
    """The moments that a drill runs through, in the order in which they are expected."""

    INJECTED = "injected"
    """The made-up reading was sent, by its own `at`."""
    ARRIVED = "arrived"
    RAISED = "raised"
    ACCEPTED = "accepted"
    """The first provider accepted a call."""
    TWO_KINDS = "two_kinds"
    """A second kind of channel has."""
    ACKNOWLEDGED = "acknowledged"
    LAST_ACKNOWLEDGED = "last_acknowledged"
    """The last of those who were called has answered for the first time."""
    ON_SCENE = "on_scene"
    RESOLVED = "resolved"


class Judged(StrEnum):
    """What became of a promise."""

    KEPT = "kept"
    MISSED = "missed"
    OPEN = "open"
    """It is not due yet."""
    UNPLAYED = "unplayed"
    """The drill was over before it was due: it says nothing."""


class Verdict(StrEnum):
    """What became of the drill."""

    KEPT = "kept"
    MISSED = "missed"
    RUNNING = "running"
    """Nothing is missed so far."""
    INTERRUPTED = "interrupted"
    """A real fire ended it."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise: by when, when it was reached, and what that makes. `goal` is `two_kinds`, `acknowledge` or one of the SLA's."""

    goal: str
    due_at: Micros | None
    reached_at: Micros | None
    judged: Judged


@dataclass(frozen=True, slots=True)
class Way:
    """One call to one person, or to whoever listens on a channel."""

    step: str
    channel: str
    kind: str
    """Of the channel."""
    sent_at: Micros
    outcome: str
    accepted_at: Micros | None
    reply: str


@dataclass(frozen=True, slots=True)
class Callee:
    """Somebody who was called, over what, and when they answered; None: never."""

    key: str
    name: Text
    role: Role | None
    ways: tuple[Way, ...]
    answered_at: Micros | None
    via: str = ""
    """The way by which the answer came: `page`, `api`, `link`, `mqtt`, `reply`."""

    @property
    def called_at(self) -> Micros:
        """The first time."""
        return self.ways[0].sent_at

    @property
    def accepted_at(self) -> Micros | None:
        """When a provider first accepted a call to them."""
        return min((way.accepted_at for way in self.ways if way.accepted_at is not None), default=None)


@dataclass(frozen=True, slots=True)
class Score:
    """How a drill went. `incident` is None where the reading never arrived, or no rule made an alarm of it."""

    drill: Suppression
    incident: Incident | None
    points: Mapping[Point, Micros]
    promises: tuple[Promise, ...]
    people: tuple[Callee, ...]
    """In the order in which they were called."""
    listeners: tuple[Way, ...]
    """Calls to channels that nobody in particular listens on."""
    silent: tuple[str, ...]
    """Channels that accepted none of their calls."""
    interrupted: bool
    made_at: Micros

    @property
    def over(self) -> bool:
        """Has it ended?"""
        ended = self.incident is not None and self.incident.closed_at is not None
        return ended or self.drill.ended_at is not None or self.made_at >= self.drill.until

    @property
    def missed(self) -> tuple[Promise, ...]:
        """The promises that were not kept."""
        return tuple(promise for promise in self.promises if promise.judged is Judged.MISSED)

    @property
    def unanswered(self) -> tuple[Callee, ...]:
        """Who was called and has said nothing."""
        return tuple(person for person in self.people if person.answered_at is None)

    @property
    def verdict(self) -> Verdict:
        """A promise that was missed stays missed, whatever ended the drill."""
        if self.missed or (self.over and not self.interrupted and self.incident is None):
            return Verdict.MISSED
        if self.interrupted:
            return Verdict.INTERRUPTED
        done = self.incident is not None and all(promise.judged is Judged.KEPT for promise in self.promises)
        return Verdict.KEPT if self.over or done else Verdict.RUNNING

    def after(self, point: Point) -> Micros | None:
        """How long after the raising; before it, how long before (negative)."""
        at, raised = self.points.get(point), self.points.get(Point.RAISED)
        return None if at is None or raised is None else at - raised


async def drill(records: Records, key: str, places: Neighbourhood, now: Micros) -> Score | None:
    """The score of a drill by its measure's id; None where there is no such drill."""
    measures = await records.suppressions(limit=MOST)
    found = next((m for m in measures if m.id == key and m.measure is Measure.DRILL), None)
    if found is None:
        return None
    until = found.until if found.ended_at is None else found.ended_at
    raised = await records.incidents(since=found.since, before=until + 1, limit=MOST)
    incident = next((i for i in reversed(raised) if i.exercise == found.id), None)
    if incident is None:
        return score(found, None, [], [], places, now)
    timeline, pushes = await records.timeline(incident.id), await records.pushes_of(incident.id)
    return score(found, incident, timeline, pushes, places, now)


def score(
    drill: Suppression, incident: Incident | None, timeline: Sequence[TimelineRow], pushes: Sequence[OutboxRow],
    places: Neighbourhood, now: Micros,
) -> Score:  # fmt: skip
    """The score of a drill as it stands `now`."""
    # What ends before its time and by nobody was ended by a real fire.
    interrupted = drill.ended_at is not None and not drill.ended_by and drill.ended_at < drill.until
    if incident is None:
        return Score(drill, None, {}, (), (), (), (), interrupted, now)
    plan = places.plan or Plan()
    ways = _ways(timeline, pushes, plan)
    people = _people(ways, timeline, plan)
    listeners = tuple(way for to, way in ways if not to)
    points = _points(incident, timeline, ways, people)
    end = incident.closed_at if incident.closed_at is not None else drill.ended_at
    promises = _promises(incident, timeline, points, now if end is None else end, over=end is not None, cut=interrupted)
    return Score(drill, incident, points, promises, people, listeners, _silent(ways), interrupted, now)


def _ways(timeline: Sequence[TimelineRow], pushes: Sequence[OutboxRow], plan: Plan) -> list[tuple[str, Way]]:
    """(person, call) of every call, in the order in which they went out."""
    accepted = {
        (row.detail.get("step"), row.detail.get("channel"), row.detail.get("to", "")): row.at
        for row in reversed(timeline)
        if row.step == Step.PUSH_ACCEPTED
    }
    found = []
    for row in pushes:
        push = row.push
        if push.body.get("type") in CALLS:
            at = accepted.get((push.step, push.channel, push.to))
            kind = plan.kind_of(push.channel)
            found.append((push.to, Way(push.step, push.channel, kind, push.at, row.outcome, at, row.reply)))
    return sorted(found, key=lambda call: call[1].sent_at)


def _people(ways: Sequence[tuple[str, Way]], timeline: Sequence[TimelineRow], plan: Plan) -> tuple[Callee, ...]:
    calls: dict[str, list[Way]] = {}
    for to, way in ways:
        if to:
            calls.setdefault(to, []).append(way)
    answers: dict[str, TimelineRow] = {}
    for row in timeline:
        if row.step in ANSWERS:
            answers.setdefault(str(row.detail.get("by")), row)
    found = []
    for key, called in calls.items():
        person = plan.people.get(key)
        name = person.name if person is not None else Text(key, key)
        said = [answers[by] for by in dict.fromkeys((key, name.zh, name.en)) if by in answers]
        first = min(said, key=lambda row: row.at, default=None)
        found.append(
            Callee(
                key, name, person.role if person is not None else None, tuple(called),
                None if first is None else first.at, "" if first is None else str(first.detail.get("via") or ""),
            )
        )  # fmt: skip
    return tuple(found)


def _points(
    incident: Incident, timeline: Sequence[TimelineRow], ways: Sequence[tuple[str, Way]], people: Sequence[Callee]
) -> dict[Point, Micros]:
    kinds: dict[str, Micros] = {}
    for at, kind in sorted((way.accepted_at, way.kind) for _, way in ways if way.accepted_at is not None):
        kinds.setdefault(kind, at)
    accepted = sorted(kinds.values())
    answered = [person.answered_at for person in people if person.answered_at is not None]
    found: dict[Point, Micros | None] = {
        Point.INJECTED: incident.measured_at,
        Point.ARRIVED: incident.sensed_at,
        Point.RAISED: incident.raised_at,
        Point.ACCEPTED: accepted[0] if accepted else None,
        Point.TWO_KINDS: accepted[1] if len(accepted) > 1 else None,
        Point.ACKNOWLEDGED: _first(timeline, Step.ACKNOWLEDGED),
        Point.LAST_ACKNOWLEDGED: max(answered) if people and len(answered) == len(people) else None,
        Point.ON_SCENE: _first(timeline, Step.ON_SCENE),
        Point.RESOLVED: _first(timeline, Step.RESOLVED),
    }
    return {point: at for point, at in found.items() if at is not None}


def _first(timeline: Sequence[TimelineRow], step: Step) -> Micros | None:
    return next((row.at for row in timeline if row.step == step), None)


def _promises(
    incident: Incident,
    timeline: Sequence[TimelineRow],
    points: Mapping[Point, Micros],
    end: Micros,
    *,
    over: bool,
    cut: bool,
) -> tuple[Promise, ...]:
    """`over`: nothing more will come; `cut`: a real fire took its time away."""
    overdue = {row.detail.get("goal") for row in timeline if row.step == Step.OVERDUE}
    on_scene, resolved = points.get(Point.ON_SCENE), points.get(Point.RESOLVED)
    taken = _earliest(points.get(Point.ACKNOWLEDGED), on_scene, resolved)
    sent = _earliest(_first(timeline, Step.DISPATCHED), taken)
    two_due = incident.raised_at + TWO_KINDS_WITHIN if incident.kind is Kind.FIRE else None
    # Who has taken it needs no second kind of channel any more.
    two = _earliest(points.get(Point.TWO_KINDS), taken)
    wanted: tuple[tuple[str, Micros | None, Micros | None], ...] = (
        ("two_kinds", two_due, two),
        ("dispatch", incident.dispatch_due_at, sent),
        ("on_scene", incident.on_scene_due_at, _earliest(on_scene, resolved)),
        ("resolve", incident.resolve_due_at, resolved),
    )
    found = [
        Promise(goal, due, at, _judge(due, at, end, over=over, told=goal in overdue))
        for goal, due, at in wanted
        if due is not None
    ]
    # By when somebody must acknowledge is promised by nobody; but a drill that had its time and that nobody answered has failed.
    unanswered = Judged.UNPLAYED if cut else Judged.MISSED if over else Judged.OPEN
    place = sum(promise.goal in ("two_kinds", "dispatch") for promise in found)
    found.insert(place, Promise("acknowledge", None, taken, unanswered if taken is None else Judged.KEPT))
    return tuple(found)


def _judge(due: Micros, at: Micros | None, end: Micros, *, over: bool, told: bool) -> Judged:
    """`told`: the engine has called it overdue, and its word counts at the very edge."""
    if told or (at is not None and at > due) or (at is None and end > due):
        return Judged.MISSED
    if at is not None:
        return Judged.KEPT
    return Judged.UNPLAYED if over else Judged.OPEN


def _earliest(*moments: Micros | None) -> Micros | None:
    return min((at for at in moments if at is not None), default=None)


def _silent(ways: Sequence[tuple[str, Way]]) -> tuple[str, ...]:
    """What was withdrawn was not needed any more, and is no channel's fault."""
    tried = dict.fromkeys(way.channel for _, way in ways if way.outcome != "withdrawn")
    spoke = {way.channel for _, way in ways if way.accepted_at is not None}
    return tuple(channel for channel in tried if channel not in spoke)
