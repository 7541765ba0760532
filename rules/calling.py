"""Whom a rung reaches and over which channels: turns targets of the plan into pushes, and news into word for those who were called.

Decides neither when nor whether: response.py does. Knows channels by name and kind only; whether one works it learns from receipts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta, timezone

from rules.case import Case
from rules.model import (
    HOUR,
    MINUTE,
    Effect,
    Entry,
    Incident,
    Kind,
    Micros,
    Neighbourhood,
    Push,
    Recipient,
    Station,
    Step,
    Swap,
    Text,
)
from rules.people import RESIDENTS, Person, Plan, Role, Target

DISPATCH_EXPIRES: Micros = 30 * MINUTE
"""After this a dispatch that no provider accepted is dead: the 20 minutes of the promise are long over."""
STATE_EXPIRES: Micros = 24 * HOUR
WAYS_OF_FIRE = 2
"""Kinds of channel over which a FIRE reaches somebody at once (GB/T 45839-2025 5.10.4)."""
SPOKEN = "voice"
"""The kind of channel that rings: it is for calls, never for news."""
SYSTEM = "system"
"""The zone of our own troubles."""
CHINA = timezone(timedelta(hours=8))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_ON_DUTY: Mapping[Target, frozenset[Role]] = {
    Target.DUTY: frozenset({Role.DISPATCHER, Role.RESPONDER}),
    Target.LEADER: frozenset({Role.LEADER}),
    Target.MANAGER: frozenset({Role.MANAGER}),
}


@dataclass(slots=True)
class _Call:
    """One going-out: what it is about, and what has gone out of it."""

    at: Micros
    case: Case
    about: str
    step: str
    out: list[Effect]
    more: Mapping[str, object] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)


class Caller:
    """The plan at work. `swaps` and `failing` are all that it remembers."""

    def __init__(self, neighbourhood: Neighbourhood) -> None:
        self._neighbourhood = neighbourhood
        self.plan = neighbourhood.plan or Plan()
        self._by_key = {station.key: station for station in neighbourhood.stations}
        self._above = {station.key: station for station in self.plan.authorities}
        self._residents: dict[str, list[Person]] = {}
        """Zone → family contacts and grid workers."""
        for person in self.plan.people.values():
            if person.role in RESIDENTS:
                for zone in person.zones:
                    self._residents.setdefault(zone, []).append(person)
        self.swaps: list[Swap] = []
        """The swaps of shifts that are not over."""
        self.failing: dict[str, None] = {}
        """The channels whose last attempt failed: others are tried before them."""

    def sends(self, person: str) -> bool:
        """Is a call to them one that sends somebody? A family contact or grid worker only knows of it then."""
        known = self.plan.people.get(person)
        return known is None or known.role not in RESIDENTS

    # --- who ---------------------------------------------------------------------------------------------------------

    def stations(self, zone: str) -> tuple[Station, ...]:
        """Those that cover a zone, the first is sent; for our own troubles all."""
        return (
            self._neighbourhood.stations_of(zone) if zone in self._neighbourhood.zones else self._neighbourhood.stations
        )

    def listeners(self, case: Case) -> list[tuple[Recipient, Station]]:
        """The channels of the stations that have to do with it: each once; of our own troubles those of every station."""
        incident = case.incident
        chosen = [*self._own(incident), *(self._by_key[key] for key in case.stations if key in self._by_key)]
        found = {r.channel: (r, s) for s in chosen for r in s.recipients if incident.kind in r.kinds}
        return list(found.values())

    def covering(self, incident: Incident) -> tuple[Station, ...]:
        """Those that cover its zone; of a zone that has left the site file the one that was sent, if there still is one."""
        found = self.stations(incident.zone)
        if incident.zone in self._neighbourhood.zones or incident.zone == SYSTEM:
            return found
        return tuple(station for station in found if station.key == incident.station) or found

    def _own(self, incident: Incident) -> tuple[Station, ...]:
        return self.covering(incident)[: 1 if incident.zone in self._neighbourhood.zones else None]

    def _next_station(self, case: Case) -> Station | None:
        """The reinforcement that was not called in this round: the named neighbours of the first station, then who else covers the zone."""
        covering = self.stations(case.incident.zone)
        if not covering or case.incident.zone not in self._neighbourhood.zones:
            return None
        named = self.plan.neighbours.get(covering[0].key, ())
        order = [*(self._by_key[key] for key in named if key in self._by_key), *covering[1:]]
        return next((s for s in order if s.key not in case.reinforced and s is not covering[0]), None)

    # --- calling -----------------------------------------------------------------------------------------------------

    def reach(
        self, at: Micros, case: Case, targets: Iterable[Target], about: str, step: str, out: list[Effect],
        more: Mapping[str, object] | None = None,
    ) -> list[Target]:  # fmt: skip
        """Call them; those that anybody stood behind."""
        call = _Call(at, case, about, step, out, more or {})
        return [target for target in targets if self._target(call, target)]

    def _target(self, call: _Call, target: Target) -> bool:
        case = call.case
        own = self._own(case.incident)
        match target:
            case Target.STATION:
                return sum(self._channels(call, station) for station in own) > 0
            case Target.NEIGHBOUR:
                while (station := self._next_station(case)) is not None:
                    if self._reinforce(call, station):
                        return True
                return False
            case Target.RESIDENTS:
                near = self._residents.get(case.incident.zone, ()) if not case.incident.exercise else ()
                return sum(self._person(call, "", person) for person in near) > 0
            case Target.AUTHORITY:
                return self._hand_over(call)
            case _:
                return sum(self._people(call, station, target) for station in own) > 0

    def _people(
        self, call: _Call, station: Station, target: Target, *, everything: bool = False, fresh: bool = False
    ) -> bool:
        on_duty = self.plan.on_duty(station.key, call.at, self.swaps)
        chosen = [person for person in on_duty if person.role in _ON_DUTY[target]]
        return sum(self._person(call, station.key, person, everything=everything, fresh=fresh) for person in chosen) > 0

    def _reinforce(self, call: _Call, station: Station) -> bool:
        about, more = call.about, call.more
        call.about = about if about == "incident.verify" else "incident.reinforce"
        call.more = {**more, **self._address(call.case.incident)}
        reached = self._channels(call, station)
        reached = self._people(call, station, Target.DUTY) or reached
        call.about, call.more = about, more
        call.case.stations[station.key] = call.case.reinforced[station.key] = None
        return reached

    def _hand_over(self, call: _Call) -> bool:
        incident = call.case.incident
        if incident.handed_over_at is not None or incident.exercise:
            return False
        above = [station for station in self.plan.authorities if incident.zone in station.zones]
        callback = next((station.callback for station in self._own(incident) if station.callback), "")
        about, more = call.about, call.more
        told = {**more, **self._address(incident)} | ({"callback": callback} if callback else {})
        call.about, call.more = "incident.handover", told
        reached = [station.key for station in above if self._channels(call, station)]
        call.about, call.more = about, more
        if reached:
            call.out.append(Entry(call.at, incident.id, Step.HANDED_OVER, {"to": ", ".join(reached)}))
        return bool(reached)

    def _address(self, incident: Incident) -> dict[str, object]:
        """Where it is, for who comes from elsewhere; nothing where the site file does not say."""
        zone = self._neighbourhood.zones.get(incident.zone)
        return {"address": asdict(zone.address)} if zone is not None and zone.address is not None else {}

    def residents(self, at: Micros, case: Case, lead: Case, step: str, out: list[Effect]) -> None:
        """Of what goes under a lead: whom this round has not called, over one channel each; a grid worker once for the whole flood.

        He hears of it from then on like those who were called for the lead.
        """
        call = _Call(at, case, "incident.dispatch", step, out)
        for person in self._residents.get(case.incident.zone, ()):
            rounds = person.role is Role.GRID_WORKER
            if case.used.get(person.key) or (rounds and any(key == person.key for _, key in lead.called)):
                continue
            if self._person(call, "", person, ways=1) and rounds:
                lead.called.update((way, "") for way in case.called if way[1] == person.key)

    def spread(self, at: Micros, case: Case, step: str, out: list[Effect]) -> None:
        """A FIRE that two kinds of channel have not taken in time: everybody on duty, over everything that was not used yet."""
        call = _Call(at, case, "incident.call", step, out)
        for station in self._own(case.incident):
            for target in _ON_DUTY:
                self._people(call, station, target, everything=True)

    def around(
        self, at: Micros, case: Case, channel: str, person: str, about: str, step: str, out: list[Effect]
    ) -> None:
        """A call failed: the same person over another channel; in place of the station's channel those on duty, or else a neighbour."""
        call = _Call(at, case, about, step, out)
        who = self.plan.people.get(person)
        if who is not None:
            self._person(call, case.called.get((channel, person), ""), who, fresh=True)
        elif not sum(self._people(call, station, Target.DUTY, fresh=True) for station in self._own(case.incident)):
            self._target(call, Target.NEIGHBOUR)

    def _channels(self, call: _Call, station: Station) -> bool:
        kind = call.case.incident.kind
        listening = [r for r in station.recipients if kind in r.kinds]
        # A station that has nothing but a wall screen is sent by the screen.
        chosen = [r for r in listening if not r.follow or all(other.follow for other in station.recipients)]
        for recipient in chosen:
            self._push(call, station.key, recipient.channel, None)
        if chosen:
            call.case.stations[station.key] = None
        return bool(chosen)

    def _person(
        self, call: _Call, station: str, person: Person, *, everything: bool = False, fresh: bool = False,
        ways: int = WAYS_OF_FIRE,
    ) -> bool:  # fmt: skip
        """Over the channel that comes next, for a FIRE at first over several `ways`; `fresh`: only if one was not used in this round;
        `everything`: over all of those."""
        case = call.case
        fire = case.incident.kind is Kind.FIRE
        if not person.channels or (not fire and person.undisturbed(call.at)):
            return False
        used = case.used.setdefault(person.key, [])
        unused = [channel for channel in person.channels if channel not in used]
        if everything:
            chosen: Sequence[str] = unused
        elif fresh and not unused:
            chosen = ()
        else:
            # All were tried: once more from the beginning, one after the other.
            turn = len(used) % len(person.channels)
            order = unused or [*person.channels[turn:], *person.channels[:turn]]
            order.sort(key=lambda channel: channel in self.failing)
            chosen = self._of_kinds(order, ways if fire and not used else 1)
        used.extend(chosen)
        for channel in chosen:
            self._push(call, station, channel, person)
        return bool(chosen)

    def _of_kinds(self, channels: Iterable[str], wanted: int) -> list[str]:
        """The first channels of so many different kinds."""
        found: dict[str, str] = {}
        for channel in channels:
            if len(found) < wanted:
                found.setdefault(self.plan.kind_of(channel), channel)
        return list(found.values())

    # --- news --------------------------------------------------------------------------------------------------------

    def tell(
        self, at: Micros, case: Case, news: str, step: str, by: str, out: list[Effect], advice: Text | None = None,
        but: Collection[tuple[str, str]] = (),
    ) -> None:  # fmt: skip
        """Word for everybody who was called, `but` over these (channel, person); nobody is rung up for it."""
        more = {"news": news, "by": by} | ({"advice": asdict(advice)} if advice is not None else {})
        self._inform(_Call(at, case, "incident.update", step, out, more), but)

    def _inform(self, call: _Call, but: Collection[tuple[str, str]] = ()) -> None:
        """Everybody who was called and is still there; less than a FIRE wakes nobody."""
        fire = call.case.incident.kind is Kind.FIRE
        for (channel, key), station in call.case.called.items():
            if (channel, key) in but:
                continue
            person = self.plan.people.get(key)
            there = not key or (person is not None and (fire or not person.undisturbed(call.at)))
            if there and self.plan.kind_of(channel) != SPOKEN:
                self._push(call, station, channel, person, calls=False)

    def warn(self, at: Micros, case: Case, goal: str, step: str, out: list[Effect]) -> bool:
        """A deadline is near: the dispatchers and leaders on duty hear of it, on the channel that they like best. Is there anybody?"""
        call = _Call(at, case, "incident.warning", step, out, {"goal": goal})
        fire = case.incident.kind is Kind.FIRE
        for station in self._own(case.incident):
            for person in self.plan.on_duty(station.key, at, self.swaps):
                if person.role in (Role.DISPATCHER, Role.LEADER) and (fire or not person.undisturbed(at)):
                    written = [channel for channel in person.channels if self.plan.kind_of(channel) != SPOKEN]
                    for channel in (written or person.channels if fire else written)[:1]:
                        self._push(call, station.key, channel, person, calls=False)
        return bool(call.keys)

    def summary(self, at: Micros, case: Case, step: str, alarms: int, zones: Sequence[str], out: list[Effect]) -> None:
        """A flood has grown: one message for all its alarms, to those who were called for the first."""
        shown = [self._place(zone) for zone in zones[:_ZONES_TOLD]]
        flood = {"alarms": alarms, "zones": shown, "more": max(0, len(zones) - _ZONES_TOLD)}
        self._inform(_Call(at, case, "incident.flood", step, out, {"flood": flood}))

    def state(self, at: Micros, case: Case, out: list[Effect]) -> None:
        """The record as it stands, for those who follow."""
        incident = case.incident
        for recipient, station in self.listeners(case):
            if recipient.follow:
                key = f"{incident.id}/state-{incident.revision}/{recipient.channel}"
                step = f"state-{incident.revision}"
                body = self._body("incident.state", step, case, incident, station.key, None)
                out.append(Push(at, key, incident.id, step, recipient.channel, incident.kind, at + STATE_EXPIRES, body))

    # --- words -------------------------------------------------------------------------------------------------------

    def _push(self, call: _Call, station: str, channel: str, person: Person | None, *, calls: bool = True) -> None:
        incident = call.case.incident
        to = person.key if person is not None else ""
        key = f"{incident.id}/{call.step}/{channel}{'@' + to if to else ''}"
        if key in call.keys:
            return
        call.keys.add(key)
        body = self._body(call.about, call.step, call.case, incident, station, person) | dict(call.more)
        call.out.append(
            Push(call.at, key, incident.id, call.step, channel, incident.kind, call.at + DISPATCH_EXPIRES, body, to)
        )
        said = {"step": call.step, "channel": channel} | ({"to": to} if to else {})
        call.out.append(Entry(call.at, incident.id, Step.PUSH_QUEUED, said))
        if calls:
            call.case.open_calls[key] = 0
            call.case.called.setdefault((channel, to), station)

    def _body(
        self, about: str, step: str, case: Case, incident: Incident, station: str, person: Person | None
    ) -> dict[str, object]:
        found = self._by_key.get(station) or self._above.get(station)
        return {
            "type": about,
            "step": step,
            "incident": self._told(incident),
            "station": {"key": found.key, "name": asdict(found.name)} if found else None,
            "advice": asdict(case.advice) if case.advice and about in _ADVISES else None,
            "reading": (dict(case.reading) or None) if about in _ADVISES else None,
            "to": {"key": person.key, "name": asdict(person.name), "role": person.role.value} if person else None,
        }

    def _told(self, incident: Incident) -> dict[str, object]:
        out: dict[str, object] = {f.name: getattr(incident, f.name) for f in fields(incident)}
        for name, value in out.items():
            if name.endswith("_at") and isinstance(value, int):
                out[name] = rfc3339(value)
            elif isinstance(value, tuple):
                out[name] = list(value)
        out["title"] = asdict(incident.title)
        if zone := self._neighbourhood.zones.get(incident.zone):
            out["zone_name"], out["building"] = asdict(zone.name), zone.building
            out["building_name"] = asdict(zone.building_name) if zone.building_name else None
        known = filter(None, map(self._neighbourhood.device, incident.devices))
        out["device_names"] = {device.key: {"zh": device.name.zh, "en": device.name.en} for device in known}
        return out

    def _place(self, zone: str) -> dict[str, str]:
        known = self._neighbourhood.zones.get(zone)
        return {"key": zone, "zh": known.name.zh if known else zone, "en": known.name.en if known else zone}


_ZONES_TOLD = 20
_ADVISES = frozenset(
    {"incident.dispatch", "incident.verify", "incident.call", "incident.reinforce", "incident.handover"}
)


def rfc3339(at: Micros) -> str:
    """A moment as people and the API read it, in China's time: 2026-11-22T08:00:00.250+08:00."""
    return (EPOCH + timedelta(microseconds=at)).astimezone(CHINA).isoformat(timespec="milliseconds")
