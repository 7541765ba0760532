"""What people report: made into a message like a device's, so that it is on the tape and judged by the rules like everything else.

Knows the inbox and the engine's present; neither HTTP nor where photos lie. How many people say the same is counted here, by marks that
name nobody; the count goes with the message, so a replay comes to the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from monitor.inbox import Inbox
from monitor.ports import Message
from rules.engine import Engine
from rules.model import (
    MINUTE,
    REPORTS,
    Effect,
    Incident,
    IncidentChanged,
    Kind,
    Micros,
    Move,
    Neighbourhood,
    Text,
    Verb,
    Zone,
)

WINDOW: Micros = 5 * MINUTE
"""Two people who speak within it are taken to speak of the same fire."""
MOST = 1000
"""People remembered for each zone within the window."""
BY = "居民上报 Report"
VIA = "report"


class ReportKind(StrEnum):
    """What somebody saw."""

    FIRE = "fire"
    SMOKE = "smoke"
    LANE = "lane"
    CHARGING = "charging"
    OTHER = "other"


WORDS: Mapping[ReportKind, Text] = {
    ReportKind.FIRE: Text("着火", "Fire"),
    ReportKind.SMOKE: Text("冒烟", "Smoke"),
    ReportKind.LANE: Text("消防通道堵塞", "Fire lane blocked"),
    ReportKind.CHARGING: Text("违规充电", "Charging where it is forbidden"),
    ReportKind.OTHER: Text("其他", "Something else"),
}
BURNING = frozenset({ReportKind.FIRE, ReportKind.SMOKE})


@dataclass(frozen=True, slots=True)
class Report:
    """One report. `zone` is a zone's key, `reporter` a mark that tells people apart, `photo` a name on the shelf."""

    id: str
    zone: str
    kind: ReportKind
    reporter: str
    text: str = ""
    photo: str = ""
    reachable: bool = False
    """Did they leave a contact? It is kept apart, under the report's id."""


class ReportDesk:
    """Takes one report at a time, so that the second person of two at once is counted as the second."""

    def __init__(self, inbox: Inbox, engine: Engine, places: Neighbourhood) -> None:
        self._inbox = inbox
        self._engine = engine
        self._places = places
        self._said: dict[str, dict[str, Micros]] = {}
        """Zone → who reported fire or smoke there, and when last; the oldest first."""
        self._turn = asyncio.Lock()

    async def take(self, report: Report) -> Incident | None:
        """Commit it; the incident that it raised or joined, or None when no rule makes anything of it. Raises KeyError for a zone."""
        zone = self._places.zones[report.zone]
        device = f"{zone.site}/{REPORTS}{zone.key.partition('/')[2]}"
        async with self._turn:
            said: dict[str, str | int] = {
                "id": report.id, "reported": report.kind.value, "report_text": report.text, "photo": report.photo,
            }  # fmt: skip
            if report.kind in BURNING:
                said["reporters"] = self._people(zone, report.reporter, self._inbox.clock.now())
            payload = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
            effects = await self._inbox.ask(Message(0, f"wl/{device}/up", payload, 1))
            incident = self._joined(report, device, effects)
            if incident is not None and (note := _note(report)):
                await self._inbox.ask(Move(0, incident.id, Verb.NOTE, BY, note, via=VIA))
        return incident

    def _people(self, zone: Zone, reporter: str, now: Micros) -> int:
        """How many have reported fire or smoke here or next door within the window, this one among them."""
        near = (zone.key, *(key for key in zone.adjacent if key in self._places.zones))
        for key in near:
            known = self._said.get(key)
            if known is None:
                known = self._said[key] = self._before(key)
            for who in [who for who, at in known.items() if at <= now - WINDOW]:
                del known[who]
        here = self._said[zone.key]
        here.pop(reporter, None)
        here[reporter] = now
        if len(here) > MOST:
            del here[next(iter(here))]
        return len({who for key in near for who in self._said[key]})

    def _before(self, zone: str) -> dict[str, Micros]:
        """Who spoke before this process began. Their marks are gone; one of them who speaks again counts as another: that errs
        towards the alarm.
        """
        site, _, name = zone.partition("/")
        state = self._engine.device(f"{site}/{REPORTS}{name}")
        people = state.values.get("reporters") if state is not None else None
        if state is None or not isinstance(people, float) or state.values.get("reported") not in BURNING:
            return {}
        return {f"before {zone} {i}": state.last_at for i in range(min(int(people), MOST))}

    def _joined(self, report: Report, device: str, effects: Sequence[Effect]) -> Incident | None:
        changed = [e.incident for e in effects if isinstance(e, IncidentChanged)]
        grave = (Kind.FIRE, Kind.PREALARM)
        for incident in (*reversed(changed), *reversed(self._engine.open_incidents)):
            # One more word about what is known already changes nothing, and belongs to the newest such incident.
            if device in incident.devices and (incident.kind in grave) == (report.kind in BURNING):
                return incident
        return None


def _note(report: Report) -> str:
    """For the timeline; empty where the alarm itself says it all."""
    parts = []
    if report.text:
        parts.append(f"“{report.text}”")
    if report.photo:
        parts.append(f"照片 photo {report.photo}")
    if report.reachable:
        parts.append(f"留有联系方式 left a contact: {report.id}")
    words = WORDS[report.kind]
    return f"{words.zh} {words.en}: {'; '.join(parts)}" if parts else ""
