"""Reports of a month (service levels, nuisance alarms) as JSON, CSV or a page to be printed; and of one incident, as a page.

Counts nothing: `monitor/reports/` does. What takes long is done in a thread, so that nothing else waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from monitor.console.answers_reports import NuisanceAnswer, SlaAnswer
from monitor.console.context import NoQuestion, clean, context, json_of, question
from monitor.console.preferences import preferred
from monitor.console.problems import Problem
from monitor.reports.incident import story
from monitor.reports.incident_page import incident_page
from monitor.reports.nuisance import nuisance
from monitor.reports.nuisance_page import nuisance_page
from monitor.reports.nuisance_sheet import NuisanceTable, nuisance_sheet
from monitor.reports.paper import POLICY
from monitor.reports.periods import Month
from monitor.reports.sla import sla
from monitor.reports.sla_page import sla_page
from monitor.reports.sla_sheet import figures_sheet, responses_sheet

MEDIA = ("application/json", "text/html", "text/csv")
_FORMATS = {"json": MEDIA[0], "html": MEDIA[1], "csv": MEDIA[2]}


def _month(text: str) -> str:
    return str(Month.parse(text))


MonthQuestion = Annotated[
    str,
    AfterValidator(_month),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d$", "examples": ["2026-11"]}),
]


class ReportQuestion(BaseModel):
    """Which month, of which station, and how it is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    month: MonthQuestion = Field(description="A month of China's calendar.")
    station: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = Field(
        default=None, description="A station's key; all stations when absent."
    )
    format: Literal["json", "csv", "html"] | None = Field(default=None, description="Goes before the header Accept.")


class SlaQuestion(ReportQuestion):
    """Also which table CSV shall hold."""

    table: Literal["figures", "responses"] = Field(default="figures", description="Of CSV: figures, or every response.")


class NuisanceQuestion(ReportQuestion):
    """Also which table CSV shall hold."""

    table: Literal["devices", "rules", "zones", "hours"] = Field(default="devices", description="Of CSV.")


async def service_levels(request: web.Request) -> web.StreamResponse:
    """What each station promised and kept, and where the time went."""
    it = context(request)
    asked = question(SlaQuestion, request.query)
    _station(request, asked.station)
    places, month = it.board.neighbourhood, Month.parse(asked.month)
    async with it.reporting:
        report = await sla(it.board.ledger, month, places.stations, places.zones, now=it.now(), station=asked.station)
    sheet = figures_sheet if asked.table == "figures" else responses_sheet
    ways: Mapping[str, Callable[[], str | bytes]] = {
        "application/json": lambda: json_of(SlaAnswer.of(report)),
        "text/html": lambda: sla_page(report),
        "text/csv": lambda: sheet(report),
    }
    return await told(request, asked.format, ways, f"sla-{month}-{asked.table}")


async def nuisances(request: web.Request) -> web.StreamResponse:
    """What alarms turned out to be, by device, rule, zone and hour."""
    it = context(request)
    asked = question(NuisanceQuestion, request.query)
    covered = _station(request, asked.station)
    places, month = it.board.neighbourhood, Month.parse(asked.month)
    async with it.reporting:
        report = await nuisance(
            it.board.ledger, month, places.devices, places.zones, now=it.now(), station=asked.station, covered=covered
        )
    ways: Mapping[str, Callable[[], str | bytes]] = {
        "application/json": lambda: json_of(NuisanceAnswer.of(report)),
        "text/html": lambda: nuisance_page(report),
        "text/csv": lambda: nuisance_sheet(report, NuisanceTable(asked.table)),
    }
    return await told(request, asked.format, ways, f"nuisance-{month}-{asked.table}")


async def incident(request: web.Request) -> web.StreamResponse:
    """One incident, whole, to be printed or kept."""
    it = context(request)
    question(NoQuestion, request.query)
    key = request.match_info["incident"]
    async with it.reporting:
        found = await story(it.board.ledger, key, it.board.neighbourhood, it.history, it.now())
    if found is None:
        raise Problem(404, f"There is no incident {clean(key)}.", kind="unknown-incident")
    body = await asyncio.to_thread(incident_page, found)
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY}
    return web.Response(body=body.encode(), headers=headers)


def _station(request: web.Request, key: str | None) -> frozenset[str] | None:
    """The zones of the station that is asked about; None for all. Raises Problem 404."""
    if key is None:
        return None
    for station in context(request).board.neighbourhood.stations:
        if station.key == key:
            return station.zones
    raise Problem(404, f"There is no station {clean(key)}.")


async def told(
    request: web.Request, wanted: str | None, ways: Mapping[str, Callable[[], str | bytes]], name: str
) -> web.Response:
    """The report in the way that is asked for. `name` is what a sheet is saved as."""
    media = _FORMATS[wanted] if wanted else preferred(request, tuple(ways))
    body = await asyncio.to_thread(ways[media])
    headers = {"Vary": "Accept"}
    if media == "text/html":
        headers |= {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY}
    elif media == "text/csv":
        headers |= {
            "Content-Type": "text/csv; charset=utf-8; header=present",
            "Content-Disposition": f'attachment; filename="{name}.csv"',
        }
    else:
        headers["Content-Type"] = media
    return web.Response(body=body.encode() if isinstance(body, str) else body, headers=headers)
