"""How well each zone is watched now, and who answers for what is missing.

Knows no engine: devices come from the board, measures and the beginnings of faults from the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from monitor.board import Board
from monitor.console.answers_coverage import Coverage, GapAnswer, ZoneCoverage
from monitor.console.answers_measures import SuppressionAnswer
from monitor.console.context import context, question, reply
from monitor.detection import Lack, Out, Watch
from rules.model import Device, Micros, Suppression, Zone

_STRIDE = 2_000
"""Devices looked at before the event loop gets its turn: about two milliseconds."""
MOST_MEASURES = 10_000
MOST_FAULTS = 500
"""Incidents asked for when a fault began; beyond it, the beginning is not known."""
SHOWN = 20


class CoverageQuestion(BaseModel):
    """Which zones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uncovered: bool = Field(default=False, description="Only zones without a live detector.")


async def coverage(request: web.Request) -> web.StreamResponse:
    """Zone by zone, by key."""
    board = context(request).board
    asked = question(CoverageQuestion, request.query)
    measures = await board.ledger.suppressions(open_only=True, limit=MOST_MEASURES)
    watch = Watch(board.devices(), board.rules(), measures)
    tallies = await _tally(board, watch)
    began = await _beginnings(board, tallies.values())
    zones = board.neighbourhood.zones
    items = [tallies[key].answer(zones[key], watch.accepted(key), began) for key in sorted(zones)]
    covered = sum(item.covered for item in items)
    shown = [item for item in items if not (asked.uncovered and item.covered)]
    return reply(Coverage(zones=len(items), covered=covered, items=shown))


@dataclass(slots=True)
class _Tally:
    detectors: int = 0
    heard: int = 0
    offline: int = 0
    last_at: Micros | None = None
    out: list[Out] = field(default_factory=list)

    @property
    def live(self) -> int:
        return self.detectors - len(self.out)

    def answer(self, zone: Zone, accepted: list[Suppression], began: dict[str, Micros]) -> ZoneCoverage:
        gaps = [_gap(lack, self.out, began) for lack in Lack if any(out.lack is lack for out in self.out)]
        if not self.detectors:
            gaps.append(GapAnswer(lack=Lack.NONE_INSTALLED, count=0, devices=[], since=None))
        known = [moment for out in self.out if (moment := _since(out, began)) is not None]
        measures = {m.id: m for m in (*accepted, *(out.measure for out in self.out if out.measure is not None))}
        return ZoneCoverage(
            zone=zone.key,
            name=zone.name,
            detectors=self.detectors,
            heard=self.heard,
            offline=self.offline,
            live=self.live,
            covered=self.live > 0,
            last_at=self.last_at,
            gaps=gaps,
            uncovered_since=max(known, default=None) if not self.live else None,
            accepted=[SuppressionAnswer.model_validate(measure) for measure in measures.values()],
        )


def _gap(lack: Lack, everything: list[Out], began: dict[str, Micros]) -> GapAnswer:
    out = [one for one in everything if one.lack is lack]
    known = [moment for one in out if (moment := _since(one, began)) is not None]
    devices = [one.device for one in out[:SHOWN]]
    return GapAnswer(lack=lack, count=len(out), devices=devices, since=min(known, default=None))


def _since(out: Out, began: dict[str, Micros]) -> Micros | None:
    return out.since if not out.incident else began.get(out.incident)


async def _tally(board: Board, watch: Watch) -> dict[str, _Tally]:
    known, states = board.neighbourhood.devices, board.devices()
    tallies = {zone: _Tally() for zone in board.neighbourhood.zones}
    for number, key in enumerate(board.device_keys(), 1):
        if number % _STRIDE == 0:
            await asyncio.sleep(0)
        device: Device = known[key]
        if device.kind not in board.detectors or device.zone not in tallies:
            continue
        tally, state = tallies[device.zone], states.get(key)
        tally.detectors += 1
        if (out := watch.out(device)) is not None:
            tally.out.append(out)
        if state is not None:
            tally.heard += 1
            tally.offline += state.online is False
            tally.last_at = max(state.last_at, tally.last_at or state.last_at)
    return tallies


async def _beginnings(board: Board, tallies: Iterable[_Tally]) -> dict[str, Micros]:
    """When the faults were raised that take detection from a zone."""
    asked = dict.fromkeys(out.incident for tally in tallies for out in tally.out if out.incident)
    began: dict[str, Micros] = {}
    for key in list(asked)[:MOST_FAULTS]:
        incident = await board.ledger.incident(key)
        if incident is not None:
            began[key] = incident.raised_at
    return began
