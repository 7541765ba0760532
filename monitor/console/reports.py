"""Reports of a month: service levels, nuisance alarms; as JSON, CSV or a page to be printed.

Counts nothing: `monitor/reports/` does. What takes long is done in a thread, so that nothing else waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from monitor.console.answers_reports import SlaAnswer
from monitor.console.context import clean, context, json_of, question
from monitor.console.preferences import preferred
from monitor.console.problems import Problem
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


async def service_levels(request: web.Request) -> web.StreamResponse:
    """What each station promised and kept, and where the time went."""
    it = context(request)
    asked = question(SlaQuestion, request.query)
    places = it.board.neighbourhood
    if asked.station is not None and asked.station not in {station.key for station in places.stations}:
        raise Problem(404, f"There is no station {clean(asked.station)}.")
    report = await sla(
        it.board.ledger, Month.parse(asked.month), places.stations, places.zones, now=it.now(), station=asked.station
    )
    sheet = figures_sheet if asked.table == "figures" else responses_sheet
    ways: Mapping[str, Callable[[], str | bytes]] = {
        "application/json": lambda: json_of(SlaAnswer.of(report)),
        "text/html": lambda: sla_page(report),
        "text/csv": lambda: sheet(report),
    }
    return await told(request, asked.format, ways, f"sla-{asked.month}-{asked.table}")


async def told(
    request: web.Request, wanted: str | None, ways: Mapping[str, Callable[[], str | bytes]], name: str
) -> web.Response:
    """The report in the way that is asked for. `name` is what a sheet is saved as."""
    media = _FORMATS[wanted] if wanted else preferred(request, MEDIA)
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
