"""The SLA report as sheets: its figures, or every single response.

Knows the report; counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from monitor.reports.periods import local
from monitor.reports.responses import GOALS, Hop
from monitor.reports.sheets import Cell, seconds, sheet
from monitor.reports.sla import SlaReport
from monitor.reports.spreads import Spread
from monitor.vocabulary import DISPOSITIONS, KINDS
from monitor.vocabulary import GOALS as GOAL_WORDS

HOPS = {
    Hop.DEVICE: ("设备到平台", "device to us"),
    Hop.RULE: ("规则判断", "rule"),
    Hop.PUSH: ("推送", "push accepted"),
    Hop.HUMAN: ("人员接警", "human"),
}
GROUPS = {"real": ("实际", "real"), "exercise": ("演习或测试", "exercise or test"), "withheld": ("已抑制", "withheld")}

_ALL = ("合计", "ALL")

_SPREAD = (
    ("次数", "n"),
    ("中位数(秒)", "p50 s"),
    ("90%分位(秒)", "p90 s"),
    ("最长(秒)", "max s"),
)


def figures_sheet(report: SlaReport) -> bytes:
    """One line for each station, group and kind."""
    headings = ["月份 month", "站点 station", "站点名称 name", "name en", "类别 group", "级别 kind"]
    headings += ["警情 incidents", "未结案 open", "复燃或再次报警 again", "待核实 to verify"]
    for goal in GOALS:
        zh, en = GOAL_WORDS[goal]
        headings += [f"{zh}{a} {en} {b}" for a, b in _SPREAD]
        if goal != "acknowledge":
            headings += [f"{zh}已到期 {en} decided", f"{zh}超时 {en} missed", f"{zh}超时率 {en} missed share"]
    for zh, en in HOPS.values():
        headings += [f"{zh}{a} {en} {b}" for a, b in _SPREAD] + [f"{zh}最慢次数 {en} slowest"]
    return sheet(headings, _figures(report))


def _figures(report: SlaReport) -> Iterator[list[Cell]]:
    for station in report.stations:
        for line in station.figures:
            cells: list[Cell] = [str(report.month), station.station, station.name.zh, station.name.en]
            cells += [
                " ".join(GROUPS[line.group]),
                " ".join(KINDS[line.kind] if line.kind else _ALL),
                line.incidents,
                line.open,
                line.again,
                line.to_verify,
            ]
            for goal in GOALS:
                reached = line.goals[goal]
                cells += _spread(reached.took)
                if goal != "acknowledge":
                    share = None if reached.share is None else round(reached.share, 4)
                    cells += [reached.decided, reached.missed, share]
            for hop in Hop:
                cells += [*_spread(line.hops[hop]), line.slowest[hop]]
            yield cells


def _spread(it: Spread) -> list[Cell]:
    return [it.n, seconds(it.p50), seconds(it.p90), seconds(it.longest)]


def responses_sheet(report: SlaReport) -> bytes:
    """One line for each response, oldest first within its station."""
    headings = [
        "警情 incident",
        "第几次 response",
        "类别 group",
        "级别 kind",
        "站点 station",
        "区域 zone",
        "区域名称 zone name",
    ]
    headings += ["内容 what", "what en", "开始 began (UTC+8)"]
    headings += [f"{zh}(秒) {en} s" for zh, en in (GOAL_WORDS[goal] for goal in GOALS)]
    headings += [f"{zh}(秒) {en} s" for zh, en in HOPS.values()]
    headings += ["最慢环节 slowest hop", "超时 missed", "处置结论 disposition"]
    return sheet(headings, _responses(report))


def _responses(report: SlaReport) -> Iterator[list[Cell]]:
    for station in report.stations:
        for it in station.responses:
            incident, hops, zone = it.incident, it.hops(), report.zones.get(it.incident.zone)
            cells: list[Cell] = [incident.id, it.number, " ".join(GROUPS[it.group])]
            cells += [" ".join(KINDS[incident.kind]), incident.station]
            cells += [
                incident.zone,
                zone.name.zh if zone else "",
                incident.title.zh,
                incident.title.en,
                local(it.began_at),
            ]
            cells += [seconds(it.took(goal)) for goal in GOALS]
            cells += [seconds(hops.get(hop)) for hop in Hop]
            cells += [
                " ".join(HOPS[slowest]) if (slowest := it.slowest()) else "",
                ", ".join(" ".join(GOAL_WORDS[goal]) for goal in GOALS if goal in it.missed),
                " ".join(DISPOSITIONS[incident.disposition]) if incident.disposition else "",
            ]
            yield cells
