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
from monitor.console.answers_reports import NuisanceAnswer, SlaAnswer
from monitor.console.context import json_of
from monitor.evidence import said
from monitor.ports import Records
from monitor.reports.incident import charted, told
from monitor.reports.incident_page import incident_page
from monitor.reports.nuisance import nuisance
from monitor.reports.nuisance_page import nuisance_page
from monitor.reports.nuisance_sheet import NuisanceTable, nuisance_sheet
from monitor.reports.periods import Month
from monitor.reports.sla import sla
from monitor.reports.sla_page import sla_page
from monitor.reports.sla_sheet import figures_sheet, responses_sheet
from monitor.settings import Settings
from monitor.settings.survey import suggest
from monitor.standing import heard_of
from monitor.wiring import LedgerError
from rules.model import Micros, Neighbourhood

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
    _whole(complete=report.complete)
    ways: Mapping[Format, Callable[[], str | bytes]] = {
        Format.HTML: lambda: sla_page(report),
        Format.CSV: lambda: (figures_sheet if table is SlaTable.FIGURES else responses_sheet)(report),
        Format.JSON: lambda: json_of(SlaAnswer.of(report)),
    }
    write(ways[form](), output)


@reports_app.command("nuisance")
def nuisances(
    month: MonthOption = "",
    station: StationOption = None,
    form: FormatOption = Format.HTML,
    table: Annotated[NuisanceTable, typer.Option(help="What a sheet holds.")] = NuisanceTable.DEVICES,
    output: Output = None,
    config: Config = Path("site.yaml"),
) -> None:
    """What the alarms of a month turned out to be, by device, rule, zone and hour; the worst offenders first."""
    settings, now = read_site(config)[0], present()
    places = settings.neighbourhood()
    when = month_of(month, now)
    covered = known_station(station, settings)
    _meet(places, settings)
    report = ask(
        settings,
        lambda records: nuisance(
            records, when, places.devices, places.zones, now=now, station=station, covered=covered
        ),
    )
    _whole(complete=report.complete)
    ways: Mapping[Format, Callable[[], str | bytes]] = {
        Format.HTML: lambda: nuisance_page(report),
        Format.CSV: lambda: nuisance_sheet(report, table),
        Format.JSON: lambda: json_of(NuisanceAnswer.of(report)),
    }
    write(ways[form](), output)


@reports_app.command("incident")
def one_incident(
    incident: Annotated[str, typer.Argument(help="The incident's id, inc-000001.")],
    output: Output = None,
    config: Config = Path("site.yaml"),
) -> None:
    """One incident as a page to be printed: promise, readings (off the tape), calls, timeline, the head of its chain."""
    settings = read_site(config)[0]
    places, now = settings.neighbourhood(), present()
    found = ask(settings, lambda records: told(records, incident, places, now))
    if found is None:
        fail(f"there is no incident {incident}", 2)
    try:
        kept = wiring.dossier(settings.data.folder, incident)
    except (LedgerError, OSError, ValueError) as error:
        fail(error)
    write(incident_page(charted(found, said(kept.messages)) if kept is not None else found), output)


def _meet(places: Neighbourhood, settings: Settings) -> None:
    """Devices that the site file knows by a pattern are there when they have spoken."""
    try:
        with wiring.present(settings.data.folder) as past:
            for key in heard_of(past):
                places.device(key)
    except (LedgerError, OSError) as error:
        fail(error)


def _whole(*, complete: bool) -> None:
    if not complete:
        err.print("警情过多，报告不完整。Too many incidents: the report is not complete.", style="yellow")


def present() -> Micros:
    """This machine's clock."""
    return time.time_ns() // 1000


def month_of(text: str, now: Micros) -> Month:
    """The month that is meant, or the end of the command."""
    try:
        return Month.parse(text) if text else Month.of(now)
    except ValueError as error:
        fail(f"--month: {error}", 2)


def known_station(station: str | None, settings: Settings) -> frozenset[str] | None:
    """The zones of a station of the site file, None for all; ends the command for one that it does not have."""
    if station is None:
        return None
    known = {s.key: s.zones for s in settings.neighbourhood().stations}
    if station not in known:
        fail(f"--station: there is no station {station} ({suggest(station, known)})", 2)
    return known[station]


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
