"""`wanglou report …`: reports made of the ledger beside the daemon, as a page, a sheet or JSON.

Reads arguments and writes files; counts nothing.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from monitor import wiring
from monitor.cli.terminal import Config, err, fail, read_site
from monitor.console.answers_reports import SlaAnswer
from monitor.ports import Records
from monitor.reports.periods import Month
from monitor.reports.sla import sla
from monitor.reports.sla_page import sla_page
from monitor.reports.sla_sheet import figures_sheet, responses_sheet
from monitor.settings import Settings
from monitor.settings.survey import suggest
from monitor.wiring import LedgerError
from rules.model import Micros

reports_app = typer.Typer(no_args_is_help=True, help="报告 Reports.")

Found = TypeVar("Found")


class Format(StrEnum):
    """How a report is told."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"


class SlaTable(StrEnum):
    """What a sheet of service levels holds."""

    FIGURES = "figures"
    RESPONSES = "responses"


MonthOption = Annotated[str, typer.Option(help="A month of China's calendar, 2026-11; default: the present one.")]
StationOption = Annotated[str | None, typer.Option(help="A station's key; default: all.")]
FormatOption = Annotated[
    Format, typer.Option("--format", help="A page to print, a sheet for Excel, or what the API says.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; default: standard output.")]


@reports_app.command("sla")
def service_levels(
    month: MonthOption = "",
    station: StationOption = None,
    form: FormatOption = Format.HTML,
    table: Annotated[SlaTable, typer.Option(help="Of a sheet: the figures, or every response.")] = SlaTable.FIGURES,
    output: Output = None,
    config: Config = Path("site.yaml"),
) -> None:
    """What each station promised in a month, what it kept, and where the time went."""
    settings, now = read_site(config)[0], present()
    places = settings.neighbourhood()
    when = month_of(month, now)
    known_station(station, settings)
    report = ask(settings, lambda records: sla(records, when, places.stations, places.zones, now=now, station=station))
    if not report.complete:
        err.print("警情过多，报告不完整。Too many incidents: the report is not complete.", style="yellow")
    ways: Mapping[Format, Callable[[], str | bytes]] = {
        Format.HTML: lambda: sla_page(report),
        Format.CSV: lambda: (figures_sheet if table is SlaTable.FIGURES else responses_sheet)(report),
        Format.JSON: lambda: SlaAnswer.of(report).model_dump_json(),
    }
    write(ways[form](), output)


def present() -> Micros:
    """This machine's clock."""
    return time.time_ns() // 1000


def month_of(text: str, now: Micros) -> Month:
    """The month that is meant, or the end of the command."""
    try:
        return Month.parse(text) if text else Month.of(now)
    except ValueError as error:
        fail(f"--month: {error}", 2)


def known_station(station: str | None, settings: Settings) -> None:
    """Ends the command for a station that the site file does not have."""
    known = [s.key for s in settings.neighbourhood().stations]
    if station is not None and station not in known:
        fail(f"--station: there is no station {station} ({suggest(station, known)})", 2)


def ask(settings: Settings, question: Callable[[Records], Awaitable[Found]]) -> Found:
    """The answer of the ledger beside the daemon, or the end of the command."""

    async def answer() -> Found:
        async with wiring.records(settings.data.folder) as records:
            return await question(records)

    try:
        return asyncio.run(answer())
    except (LedgerError, OSError) as error:
        fail(error)


def write(report: str | bytes, output: Path | None) -> None:
    """Into the file, or to standard output."""
    data = report.encode() if isinstance(report, str) else report
    if output is None:
        sys.stdout.buffer.write(data)
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        fail(f"{output} cannot be written: {error.strerror}")
    err.print(f"{output}: {len(data):,} bytes", soft_wrap=True, markup=False, highlight=False)
