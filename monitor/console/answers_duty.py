"""The shapes of what the API says of stations and of who is on duty there: names and roles, never an address.

Knows no HTTP; see `answers.py` for what all answers have in common.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.console.answers import Answer
from monitor.console.times import Time
from monitor.duty import next_change
from rules.model import Kind, Micros, Station, Swap, Text
from rules.people import Plan, Role


class RecipientAnswer(Answer):
    """A channel that a station listens on, and the kinds that are pushed to it, gravest first."""

    channel: str
    kinds: list[Kind]


class PersonAnswer(Answer):
    """Somebody who belongs to a station. `channels` are names, in order of preference."""

    key: str
    name: Text
    role: Role
    channels: list[str]
    on_duty: bool


class SwapAnswer(Answer):
    """From `since` until `until`, `takes` stands in for `leaves`."""

    station: str
    leaves: str
    takes: str
    since: Time
    until: Time
    by: str


class StationAnswer(Answer):
    """A micro fire station, and who is on duty there now. `neighbours` reinforce it, in order; an `authority` is only handed over to.

    `next_change` is the next moment at which others are on duty than now; null when nobody ever comes or goes.
    """

    key: str
    name: Text
    zones: list[str]
    recipients: list[RecipientAnswer]
    authority: bool
    neighbours: list[str]
    people: list[PersonAnswer]
    next_change: Time | None
    swaps: list[SwapAnswer]

    @classmethod
    def of(cls, station: Station, plan: Plan, at: Micros, swaps: Sequence[Swap], *, authority: bool) -> StationAnswer:
        """With sets in a stable order; who stands in and does not belong to it otherwise comes last."""
        here = [swap for swap in swaps if swap.station == station.key and swap.until > at]
        present = [person.key for person in plan.on_duty(station.key, at, here)]
        roster = plan.rosters.get(station.key)
        everybody = dict.fromkeys([*(roster.people if roster is not None else ()), *present])
        return cls(
            key=station.key,
            name=station.name,
            zones=sorted(station.zones),
            recipients=[
                RecipientAnswer(channel=r.channel, kinds=sorted(r.kinds, key=lambda kind: kind.rank))
                for r in station.recipients
            ],
            authority=authority,
            neighbours=list(plan.neighbours.get(station.key, ())),
            people=[
                PersonAnswer(key=p.key, name=p.name, role=p.role, channels=list(p.channels), on_duty=p.key in present)
                for p in (plan.people[key] for key in everybody if key in plan.people)
            ],
            next_change=next_change(plan, station.key, at, here),
            swaps=[SwapAnswer.model_validate(swap) for swap in here],
        )


class StationList(Answer):
    """All stations, in the order of the site file, those above last. `channels`: name → kind, where there is a plan of who is called."""

    items: list[StationAnswer]
    channels: dict[str, str]
