"""Who must come, by when, and what people have done about it: policy over time, from a raised alarm to a closed incident.

First version: the first station that covers the zone is sent, and the deadlines of its SLA profile raise overdue steps. It decides
and never delivers; the outbox delivers and reports back by `Receipt`. It never sees a reading: the engine tells it of alarms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from rules.incident import INCIDENT, Act, reached
from rules.model import (
    HOUR,
    MINUTE,
    Condition,
    Disposition,
    Effect,
    Entry,
    Freshness,
    Incident,
    IncidentChanged,
    IncidentState,
    Kind,
    Micros,
    Move,
    Neighbourhood,
    Outcome,
    Push,
    PushSettled,
    Receipt,
    Recipient,
    SlaProfile,
    Station,
    Step,
    Text,
    Value,
    Verb,
)
from rules.timers import Timers

DEVICES_SHOWN = 20
DISPATCH_EXPIRES: Micros = 30 * MINUTE
"""After this a dispatch that no provider accepted is dead: the 20 minutes of the promise are long over."""
STATE_EXPIRES: Micros = 24 * HOUR
CHINA = timezone(timedelta(hours=8))
NOBODY = len(Kind)
"""A rank below all kinds: nobody was called yet."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_GOALS: Mapping[str, IncidentState] = {
    "dispatch": IncidentState.DISPATCHED,
    "on_scene": IncidentState.ON_SCENE,
    "resolve": IncidentState.RESOLVED,
}
_STATE_WORDS: Mapping[IncidentState, tuple[str, str]] = {
    IncidentState.RAISED: ("已报警", "raised"),
    IncidentState.DISPATCHED: ("已派单", "dispatched"),
    IncidentState.ACKNOWLEDGED: ("已接警", "acknowledged"),
    IncidentState.ON_SCENE: ("已到场", "on scene"),
    IncidentState.RESOLVED: ("已处置", "resolved"),
    IncidentState.CLOSED: ("已结案", "closed"),
}
_ACTS: Mapping[Verb, tuple[Act, Step, str]] = {
    Verb.ACKNOWLEDGE: (Act.ACKNOWLEDGE, Step.ACKNOWLEDGED, "acknowledged_at"),
    Verb.ON_SCENE: (Act.ON_SCENE, Step.ON_SCENE, "on_scene_at"),
    Verb.RESOLVE: (Act.RESOLVE, Step.RESOLVED, "resolved_at"),
    Verb.CLOSE: (Act.CLOSE, Step.CLOSED, "closed_at"),
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """What the response needs to know of an alarm that went active."""

    rule: str
    subject: str
    kind: Kind
    group: str
    title: Text
    advice: Text | None
    zone: str
    """A zone's key; for our own troubles `system`."""
    device: str
    """The device whose reading decided it; empty for our own troubles."""
    reading: Mapping[str, Value]
    evidence: Freshness = Freshness.LIVE
    verdict: Mapping[str, Value | None] = field(default_factory=dict)
    """How kinds of evidence were counted, for the timeline."""


class _Case:
    """An open incident and the alarms that keep it so."""

    __slots__ = ("active", "asked", "incident", "latched", "round", "sent", "since")

    def __init__(self, incident: Incident) -> None:
        self.incident = incident
        self.active: dict[tuple[str, str], None] = {}
        self.latched: dict[tuple[str, str], None] = {}
        self.round = 0
        """How often somebody was called, or would have been: part of the pushes' keys."""
        self.since = 1
        """The first round since the incident was raised (again)."""
        self.sent = NOBODY
        """Rank of the gravest kind that the station was sent for since then."""
        self.asked = NOBODY
        """Rank of the gravest kind that it was sent for or asked to verify."""

    @property
    def condition(self) -> Condition:
        """What the alarms say together."""
        return Condition.ACTIVE if self.active else Condition.LATCHED if self.latched else Condition.RETURNED

    def wants(self, alarm: Alarm) -> bool:
        """Does this alarm ask for more than what was done for the ones before it?"""
        if alarm.evidence is Freshness.LIVE:
            return alarm.kind.rank < self.sent
        return alarm.evidence is not Freshness.RETAINED and alarm.kind.rank < self.asked


class Response:
    """The open incidents. Every method appends its effects to `out`; `finish` closes an event with the changed records."""

    def __init__(self, neighbourhood: Neighbourhood, timers: Timers) -> None:
        self._neighbourhood = neighbourhood
        self._timers = timers
        self._serial = 0
        self._cases: dict[str, _Case] = {}
        self._by_place: dict[tuple[str, str], _Case] = {}
        self._touched: dict[str, Incident] = {}

    @property
    def open(self) -> Iterable[Incident]:
        """The incidents that are not closed."""
        return (case.incident for case in self._cases.values())

    # --- what the engine tells ---------------------------------------------------------------------------------------

    def raised(self, at: Micros, alarm: Alarm, out: list[Effect]) -> str:
        """An alarm is active: open an incident or join the one of its place; return the incident's id."""
        case = self._by_place.get((alarm.zone, alarm.group))
        if case is None:
            return self._open(at, alarm, out)
        was = case.incident
        case.active[alarm.rule, alarm.subject] = None
        case.latched.pop((alarm.rule, alarm.subject), None)
        devices = was.devices
        if alarm.device and alarm.device not in devices:
            devices = (*devices[: DEVICES_SHOWN - 1], alarm.device)
        graver = alarm.kind.rank < was.kind.rank
        self._change(
            case,
            condition=Condition.ACTIVE,
            kind=alarm.kind if graver else was.kind,
            title=alarm.title if graver else was.title,
            alarms=was.alarms + 1,
            rules=was.rules if alarm.rule in was.rules else (*was.rules, alarm.rule),
            devices=devices,
            last_device=alarm.device or was.last_device,
        )
        if was.state is IncidentState.RESOLVED:
            self._again(at, case, alarm, out)
        elif alarm.evidence is Freshness.LIVE and case.wants(alarm) and (was.suspected or not graver):
            self._confirm(at, case, alarm, out)
        else:
            self._tell(at, case, Step.ESCALATED if graver else Step.JOINED, alarm, out)
            if case.wants(alarm):
                self._call(at, case, alarm, out)
        return was.id

    def burning(self, at: Micros, incident: str, alarm: Alarm, back: bool, out: list[Effect]) -> None:
        """An alarm of the incident says more: its evidence is certain now, or the danger came `back` while it was clearing."""
        case = self._cases[incident]
        wanted = case.wants(alarm)
        if case.incident.state is IncidentState.RESOLVED:
            if wanted or back:  # who resolved it knew only of doubtful evidence, or had seen the danger go
                self._again(at, case, alarm, out)
        elif wanted and alarm.evidence is Freshness.LIVE:
            self._confirm(at, case, alarm, out)

    def returned(self, at: Micros, incident: str, rule: str, subject: str, *, latched: bool, out: list[Effect]) -> None:
        """The sensors say it is over (`latched`: but a person must reset it)."""
        case = self._cases[incident]
        case.active.pop((rule, subject), None)
        case.latched.pop((rule, subject), None)
        if latched:
            case.latched[rule, subject] = None
        condition = case.condition
        out.append(Entry(at, incident, Step.RETURNED, {"rule": rule, "subject": subject, "latched": latched}))
        self._change(case, condition=condition)
        if (
            condition is Condition.RETURNED
            and case.incident.kind is Kind.FAULT
            and not reached(case.incident.state, IncidentState.RESOLVED)
        ):
            # Nobody is sent for a fault, so nobody would ever resolve one that mended itself.
            self._change(case, state=IncidentState.RESOLVED, resolved_at=at)
            self._stop_clocks(case)
            out.append(Entry(at, incident, Step.RESOLVED, {"by": "", "note": "returned to normal"}))

    def alarms_of(self, incident: str) -> list[tuple[str, str]]:
        """(rule, subject) of the alarms that keep an incident from returning."""
        case = self._cases[incident]
        return [*case.active, *case.latched]

    # --- what people do ----------------------------------------------------------------------------------------------

    def refusal(self, move: Move) -> str:
        """Why the move is not allowed, one sentence in Chinese and one in English for the person; or an empty string."""
        case = self._cases.get(move.incident)
        if case is None:
            return "没有这起未结案的警情。There is no such open incident."
        incident = case.incident
        if move.verb is Verb.NOTE:
            return "" if move.note else "请写备注内容。A note needs words."
        if move.verb is Verb.RESET:
            if incident.zone not in self._neighbourhood.zones and incident.rules == ("system",):
                return "系统故障排除后自行恢复。Trouble of the system ends by itself when its cause is mended."
            normal = incident.condition is Condition.RETURNED
            return "无需复位：传感器已恢复正常。Nothing to reset: the sensors are back to normal." if normal else ""
        if (incident.state, _ACTS[move.verb][0]) not in INCIDENT:
            zh, en = _STATE_WORDS[incident.state]
            return f"警情当前{zh}，不能执行此操作。The incident is {en}: {move.verb} is not possible now."
        if move.verb is Verb.CLOSE:
            if move.disposition is None:
                return f"结案须选择处置结论。Closing needs a disposition: {', '.join(Disposition)}."
            if incident.condition is not Condition.RETURNED:
                return "报警尚未恢复：请先复位，险情仍在会再次报警。The alarm stands: reset it first; danger raises it again."
        return ""

    def moved(self, move: Move, out: list[Effect]) -> None:
        """Carry out a move that `refusal` allows (the engine resets the alarms itself)."""
        case = self._cases[move.incident]
        detail: dict[str, Value | None] = {"by": move.by, "note": move.note}
        if move.verb in (Verb.NOTE, Verb.RESET):
            out.append(Entry(move.at, move.incident, Step(move.verb.value), detail))
            return
        act, step, stamp = _ACTS[move.verb]
        changes: dict[str, Any] = {"state": INCIDENT[case.incident.state, act], stamp: move.at}
        if move.verb is Verb.CLOSE:
            changes["disposition"] = move.disposition
            detail["disposition"] = move.disposition
        self._change(case, **changes)
        out.append(Entry(move.at, move.incident, step, detail))
        self._stop_clocks(case)
        if move.verb is Verb.RESOLVE:
            self._push(move.at, case, "incident.update", f"resolved-{case.round}", None, {}, out)
        if move.verb is Verb.CLOSE:
            self._forget(case)

    # --- what providers answer ---------------------------------------------------------------------------------------

    def receipt(self, receipt: Receipt, out: list[Effect]) -> None:
        """One attempt ended: keep it; the first accepted dispatch makes the incident dispatched."""
        out.append(
            PushSettled(receipt.at, receipt.key, receipt.outcome, receipt.attempt, receipt.reply, receipt.next_at)
        )
        incident_id, step, channel = receipt.key.split("/", 2)
        case = self._cases.get(incident_id)
        if case is None or (step.startswith("state-") and receipt.outcome is not Outcome.DEAD):
            return
        said = {Outcome.ACCEPTED: Step.PUSH_ACCEPTED, Outcome.RETRY: Step.PUSH_FAILED, Outcome.DEAD: Step.PUSH_DEAD}[
            receipt.outcome
        ]
        detail: dict[str, Value | None] = {
            "step": step,
            "channel": channel,
            "attempt": float(receipt.attempt),
            "reply": receipt.reply,
        }
        out.append(Entry(receipt.at, incident_id, said, detail))
        state = case.incident.state
        if receipt.outcome is Outcome.ACCEPTED and _sends(step, case.since) and (state, Act.DISPATCH) in INCIDENT:
            self._change(case, state=INCIDENT[state, Act.DISPATCH], dispatched_at=receipt.at)
            self._stop_clocks(case)
            out.append(
                Entry(receipt.at, incident_id, Step.DISPATCHED, {"station": case.incident.station, "channel": channel})
            )

    # --- time passes -------------------------------------------------------------------------------------------------

    def deadline(self, at: Micros, incident: str, goal: str, out: list[Effect]) -> None:
        """A deadline of the SLA profile is missed: say so, to everybody who was dispatched."""
        case = self._cases[incident]
        self._change(case, overdue=(*case.incident.overdue, goal))
        out.append(Entry(at, incident, Step.OVERDUE, {"goal": goal}))
        self._push(at, case, "incident.overdue", f"overdue-{goal}-{case.round}", None, {}, out)

    def finish(self, at: Micros, out: list[Effect]) -> None:
        """One `IncidentChanged` for each record that the event touched, and word of it for those who follow."""
        for incident_id, incident in self._touched.items():
            current = replace(incident, revision=incident.revision + 1)
            if (case := self._cases.get(incident_id)) is not None:
                case.incident = current
            out.append(IncidentChanged(at, current))
            for recipient, station in self._recipients(current):
                if recipient.follow:
                    out.append(
                        self._message(
                            at,
                            current,
                            "incident.state",
                            f"state-{current.revision}",
                            recipient,
                            station,
                            None,
                            {},
                            STATE_EXPIRES,
                        )
                    )
        self._touched.clear()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _open(self, at: Micros, alarm: Alarm, out: list[Effect]) -> str:
        self._serial += 1
        zone = self._neighbourhood.zones.get(alarm.zone)
        stations = self._stations(alarm.zone)
        incident = Incident(
            id=f"inc-{self._serial:06d}",
            site=zone.site if zone else alarm.zone,
            zone=alarm.zone,
            group=alarm.group,
            kind=alarm.kind,
            state=IncidentState.RAISED,
            condition=Condition.ACTIVE,
            title=alarm.title,
            raised_at=at,
            station=stations[0].key if stations else "",
            suspected=alarm.evidence is not Freshness.LIVE,
            alarms=1,
            rules=(alarm.rule,),
            devices=(alarm.device,) if alarm.device else (),
            last_device=alarm.device,
            revision=0,
        )
        case = _Case(incident)
        case.active[alarm.rule, alarm.subject] = None
        self._cases[incident.id] = self._by_place[alarm.zone, alarm.group] = case
        self._touched[incident.id] = incident
        self._tell(at, case, Step.RAISED, alarm, out)
        self._call(at, case, alarm, out)
        return incident.id

    def _call(self, at: Micros, case: _Case, alarm: Alarm, out: list[Effect]) -> None:
        """Send the station; on doubtful evidence ask it to verify; on a retained message only show the incident."""
        case.round += 1
        if alarm.evidence is Freshness.RETAINED:
            return
        case.asked = case.incident.kind.rank
        if alarm.evidence is not Freshness.LIVE:
            self._push(at, case, "incident.verify", f"verify-{case.round}", alarm.advice, alarm.reading, out)
            return
        case.sent = case.incident.kind.rank
        profile = self._neighbourhood.sla.get(case.incident.kind)
        if profile is not None:
            self._promise(at, case, profile)
        told = self._push(at, case, "incident.dispatch", f"dispatch-{case.round}", alarm.advice, alarm.reading, out)
        if profile is not None and not told:
            out.append(Entry(at, case.incident.id, Step.UNCOVERED, {"zone": alarm.zone}))

    def _promise(self, at: Micros, case: _Case, profile: SlaProfile) -> None:
        """Set the deadlines of all that is not reached yet, and write them into the record."""
        due = {"dispatch": profile.dispatch, "on_scene": profile.on_scene, "resolve": profile.resolve}
        for goal, after in due.items():
            if reached(case.incident.state, _GOALS[goal]) or goal in case.incident.overdue:
                continue
            name = ("sla", case.incident.id, goal)
            running = self._timers.due(name)
            if running is None or at + after < running:  # a graver kind may be promised sooner, never later
                self._timers.set(name, at + after)
                self._change(case, **{f"{goal}_due_at": at + after})

    def _again(self, at: Micros, case: _Case, alarm: Alarm, out: list[Effect]) -> None:
        """Danger after RESOLVED: all begins anew, under new keys."""
        self._change(
            case, state=INCIDENT[case.incident.state, Act.REALARM], suspected=alarm.evidence is not Freshness.LIVE, overdue=(),
            dispatched_at=None, acknowledged_at=None, on_scene_at=None, resolved_at=None,
            dispatch_due_at=None, on_scene_due_at=None, resolve_due_at=None,
        )  # fmt: skip
        case.since, case.sent, case.asked = case.round + 1, NOBODY, NOBODY
        self._tell(at, case, Step.REALARM, alarm, out)
        self._call(at, case, alarm, out)

    def _confirm(self, at: Micros, case: _Case, alarm: Alarm, out: list[Effect]) -> None:
        self._tell(at, case, Step.CONFIRMED, alarm, out)
        self._change(case, suspected=False)
        self._call(at, case, alarm, out)

    def _stop_clocks(self, case: _Case) -> None:
        """The deadlines of all that is reached."""
        for name, goal in _GOALS.items():
            if reached(case.incident.state, goal):
                self._timers.cancel(("sla", case.incident.id, name))

    def _push(
        self,
        at: Micros,
        case: _Case,
        about: str,
        step: str,
        advice: Text | None,
        reading: Mapping[str, Value],
        out: list[Effect],
    ) -> bool:
        everybody = self._recipients(case.incident)
        # A station that has nothing but a wall screen is sent by the screen.
        chosen = [(r, s) for r, s in everybody if not r.follow or all(other.follow for other in s.recipients)]
        for recipient, station in chosen:
            out.append(
                self._message(at, case.incident, about, step, recipient, station, advice, reading, DISPATCH_EXPIRES)
            )
            out.append(Entry(at, case.incident.id, Step.PUSH_QUEUED, {"step": step, "channel": recipient.channel}))
        return bool(chosen)

    def _stations(self, zone: str) -> tuple[Station, ...]:
        return (
            self._neighbourhood.stations_of(zone) if zone in self._neighbourhood.zones else self._neighbourhood.stations
        )

    def _recipients(self, incident: Incident) -> list[tuple[Recipient, Station]]:
        """Who hears of it: the zone's first station; of our own troubles every station, each channel once."""
        stations = self._stations(incident.zone)
        chosen = stations[:1] if incident.zone in self._neighbourhood.zones else stations
        found = {r.channel: (r, s) for s in chosen for r in s.recipients if incident.kind in r.kinds}
        return list(found.values())

    def _message(
        self, at: Micros, incident: Incident, about: str, step: str, recipient: Recipient, station: Station,
        advice: Text | None, reading: Mapping[str, Value], expires: Micros,
    ) -> Push:  # fmt: skip
        key = f"{incident.id}/{step}/{recipient.channel}"
        body: dict[str, object] = {
            "type": about,
            "step": step,
            "incident": self._told(incident),
            "station": {"key": station.key, "name": asdict(station.name)},
            "advice": asdict(advice) if advice else None,
            "reading": dict(reading) or None,
        }
        return Push(at, key, incident.id, step, recipient.channel, incident.kind, at + expires, body)

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
        return out

    def _tell(self, at: Micros, case: _Case, step: Step, alarm: Alarm, out: list[Effect]) -> None:
        detail: dict[str, Value | None] = {
            "rule": alarm.rule, "subject": alarm.subject, "kind": alarm.kind.value, "device": alarm.device,
            "evidence": alarm.evidence.value,
            "title_zh": alarm.title.zh, "title_en": alarm.title.en,
        }  # fmt: skip
        detail.update({f"reading.{name}": value for name, value in alarm.reading.items()})
        detail.update(alarm.verdict)
        out.append(Entry(at, case.incident.id, step, detail))

    def _change(self, case: _Case, **changes: Any) -> None:
        case.incident = self._touched[case.incident.id] = replace(case.incident, **changes)

    def _forget(self, case: _Case) -> None:
        del self._cases[case.incident.id], self._by_place[case.incident.zone, case.incident.group]

    def reconcile(self, kept: Iterable[Incident], newest: str) -> tuple[dict[str, str], set[str], list[str]]:
        """Make what the ledger keeps of open incidents ours; `newest` is the id of its newest incident, open or not.

        Returns (renamed, strays, adopted): ids of ours and the ledger's for the same place, where the records differ; ids of ours that
        the ledger never heard of; ids of the ledger's that we lacked. Usually all three are empty.
        """
        self._serial = max(self._serial, _serial(newest))
        ours = {(c.incident.zone, c.incident.group): c for c in self._cases.values()}
        renamed: dict[str, str] = {}
        adopted: list[str] = []
        cases: list[_Case] = []
        for incident in kept:
            case = ours.pop((incident.zone, incident.group), None)
            if case is None:
                case = _Case(incident)
                adopted.append(incident.id)
            elif case.incident != incident:
                renamed[case.incident.id] = incident.id
            if case.incident != incident or incident.id in adopted:
                case.incident = replace(incident, condition=case.condition)
                case.round = max(
                    case.round, incident.revision
                )  # at least as many as ever: keys of pushes must not repeat
            cases.append(case)
        self._cases = {case.incident.id: case for case in sorted(cases, key=lambda c: _serial(c.incident.id))}
        self._by_place = {(c.incident.zone, c.incident.group): c for c in cases}
        return renamed, {case.incident.id for case in ours.values()}, adopted

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Plain lists, dicts, strings and numbers."""
        return {
            "serial": self._serial,
            "cases": [
                [
                    incident_to_plain(c.incident),
                    [list(k) for k in c.active],
                    [list(k) for k in c.latched],
                    [c.round, c.since, c.sent, c.asked],
                ]
                for c in self._cases.values()
            ],
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take the place of the engine that made the snapshot."""
        self._serial = data["serial"]
        for plain, active, latched, calls in data["cases"]:
            case = _Case(incident_from_plain(plain))
            case.active = dict.fromkeys((rule, subject) for rule, subject in active)
            case.latched = dict.fromkeys((rule, subject) for rule, subject in latched)
            case.round, case.since, case.sent, case.asked = calls
            self._cases[case.incident.id] = self._by_place[case.incident.zone, case.incident.group] = case


def _sends(step: str, since: int) -> bool:
    """Does this push tell the station to come, because of what is burning now and not of what was resolved before?"""
    name, _, number = step.rpartition("-")
    return name.startswith(("dispatch", "overdue")) and int(number) >= since


def _serial(incident: str) -> int:
    return int(incident.rpartition("-")[2] or 0)


def rfc3339(at: Micros) -> str:
    """A moment as people and the API read it, in China's time: 2026-11-22T08:00:00.250+08:00."""
    return (EPOCH + timedelta(microseconds=at)).astimezone(CHINA).isoformat(timespec="milliseconds")


def incident_to_plain(incident: Incident) -> dict[str, Any]:
    """The record as plain JSON values, every field kept; `incident_from_plain` reads it back."""
    out = {f.name: getattr(incident, f.name) for f in fields(incident)}
    out["title"] = [incident.title.zh, incident.title.en]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in out.items()}


def incident_from_plain(data: Mapping[str, Any]) -> Incident:
    """The inverse of `incident_to_plain`."""
    out = dict(data)
    out["title"] = Text(*data["title"])
    out["kind"], out["state"], out["condition"] = (
        Kind(data["kind"]),
        IncidentState(data["state"]),
        Condition(data["condition"]),
    )
    out["disposition"] = Disposition(data["disposition"]) if data["disposition"] else None
    for name in ("rules", "devices", "overdue", "warned"):
        out[name] = tuple(data.get(name, ()))  # older records know fewer fields
    return Incident(**out)
