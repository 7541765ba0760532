"""Nuisance accounting as sheets: devices, rules, zones or hours of the day.

Knows the report; counts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from monitor.reports.nuisance import Line, NuisanceReport, Tally
from monitor.reports.sheets import Cell, sheet
from monitor.vocabulary import DISPOSITIONS
from rules.model import Disposition


class NuisanceTable(StrEnum):
    """What a sheet holds."""

    DEVICES = "devices"
    RULES = "rules"
    ZONES = "zones"
    HOURS = "hours"


_COUNTED = [
    "报警次数 raised",
    "警报数 alarms",
    "未结案 open",
    *(f"{DISPOSITIONS[d][0]} {DISPOSITIONS[d][1]}" for d in Disposition),
    "真实率 precision",
]


def nuisance_sheet(report: NuisanceReport, table: NuisanceTable) -> bytes:
    """One of the report's tables, the worst first."""
    named = ["名称 name zh", "name en"]
    match table:
        case NuisanceTable.DEVICES:
            headings = ["设备 device", *named, "类型 kind", "区域 zone", *_COUNTED, "误报/年 false per year"]
            rows = [[*_named(n), n.kind, n.zone, *_counted(n.tally), _rounded(n.per_year)] for n in report.devices]
        case NuisanceTable.RULES:
            headings = ["规则 rule", *named, *_COUNTED]
            rows = [[*_named(n), *_counted(n.tally)] for n in report.rules]
        case NuisanceTable.ZONES:
            headings = ["区域 zone", *named, "类型 kind", *_COUNTED, "误报过多的日子 days with too many"]
            rows = [[*_named(n), n.kind, *_counted(n.tally), many(n)] for n in report.zones]
        case NuisanceTable.HOURS:
            headings = ["时段 hour (UTC+8)", *_COUNTED]
            rows = [[f"{hour:02}:00", *_counted(tally)] for hour, tally in enumerate(report.hours)]
    return sheet(["月份 month", *headings], [[str(report.month), *row] for row in rows])


def many(line: Line) -> str:
    """`2026-11-03: 7, 2026-11-09: 6`"""
    return ", ".join(f"{day}: {n}" for day, n in line.days.items())


def _named(line: Line) -> list[Cell]:
    return [line.key, line.name.zh, line.name.en]


def _counted(tally: Tally) -> Sequence[Cell]:
    found = [tally.found[disposition] for disposition in Disposition]
    return [tally.raised, tally.alarms, tally.open, *found, _rounded(tally.precision)]


def _rounded(it: float | None) -> float | None:
    return None if it is None else round(it, 4)
