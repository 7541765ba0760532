"""The SLA report as a printable page: for each station what was promised and kept, where the time went, and what was missed.

Knows the report; counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitor.reports.paper import Content, Markup, markup, page, table, tag
from monitor.reports.periods import lasted, local
from monitor.reports.responses import GOALS, Hop, Response
from monitor.reports.sla import Figures, GoalFigures, SlaReport, StationReport
from monitor.reports.sla_sheet import GROUPS, HOPS
from monitor.reports.spreads import Spread
from monitor.vocabulary import DISPOSITIONS, KINDS
from monitor.vocabulary import GOALS as GOAL_WORDS
from rules.model import Micros, Text, Zone

SHOWN = 50
"""Missed responses of a station on the page; the sheet has them all."""

NOTE = Text(
    "时间从报警起算，证据不实时的从证实起算；再次报警、接警后升级的另计一次。分位数取实际发生的值（最近序位法）。"
    "超时率=超时次数/已到期的承诺次数。演习、测试与被抑制的警情单独统计。",
    "Times run from the alarm, or from its confirmation where the evidence was not live; a danger that comes back, or turns graver after "
    "it was acknowledged, counts anew. Percentiles are values that happened (nearest rank). Missed share: missed of "
    "the promises that are due. Exercises, tests and withheld incidents are counted apart.",
)


def sla_page(report: SlaReport) -> str:
    """The whole document."""
    title = Text(f"响应时效月报 {report.month}", f"Service levels {report.month}")
    parts: list[Content] = []
    if not report.complete:
        said = Text("警情过多，本报告不完整。", "Too many incidents: this report is not complete.")
        parts.append(tag("p", said, class_="banner"))
    parts.append(
        tag("p", Text("各格为：中位数 / 90%分位数 / 最长。", "Each cell: median / 90th percentile / longest."))
    )
    for station in report.stations:
        parts.extend(_station(station, report))
    return page(title, parts, made_at=report.made_at, note=NOTE)


def _station(station: StationReport, report: SlaReport) -> Iterator[Content]:
    yield tag("h2", station.name)
    if not station.figures:
        yield tag("p", Text("本月无警情。", "No incident in this month."))
        return
    yield table(_headings(), [_line(line) for line in station.figures])
    timed = [line for line in station.figures if any(spread.n for spread in line.hops.values())]
    if timed:
        yield tag("h3", Text("时间花在哪里", "Where the time went"))
        headings: list[Content] = [
            Text("类别", "Kind"),
            *(Text(*HOPS[hop]) for hop in Hop),
            Text("最慢环节", "Slowest hop"),
        ]
        yield table(
            headings, [[_kind(line), *(_spread(line.hops[hop]) for hop in Hop), _slowest(line)] for line in timed]
        )
    missed = [r for r in station.responses if r.missed]
    if missed:
        yield tag("h3", Text(f"超时 {len(missed)} 次", f"{len(missed)} responses missed a deadline"))
        yield table(_MISSED, [_missed(r, report.zones.get(r.incident.zone)) for r in missed[:SHOWN]])
        if len(missed) > SHOWN:
            yield tag(
                "p",
                Text(f"其余 {len(missed) - SHOWN} 次见表格文件。", f"{len(missed) - SHOWN} more are in the CSV file."),
            )


def _headings() -> list[Content]:
    goals = [Text(GOAL_WORDS[goal][0], GOAL_WORDS[goal][1].capitalize()) for goal in GOALS]
    return [Text("类别", "Kind"), Text("警情", "Incidents"), *goals]


def _line(line: Figures) -> list[Content]:
    return [_kind(line), _incidents(line), *(_goal(line.goals[goal]) for goal in GOALS)]


def _kind(line: Figures) -> Content:
    zh, en = KINDS[line.kind] if line.kind else ("全部", "All")
    group = GROUPS[line.group]
    real = line.group == "real"
    return Text(zh if real else f"{group[0]} · {zh}", en if real else f"{group[1]} · {en}")


def _incidents(line: Figures) -> Content:
    more = [
        (line.open, Text("未结案", "open")),
        (line.again, Text("再次报警", "again")),
        (line.to_verify, Text("待核实", "to verify")),
    ]
    return [str(line.incidents), *(tag("small", f"{n} {word.zh} {word.en}") for n, word in more if n)]


def _goal(it: GoalFigures) -> Content:
    kept: Content = ""
    if it.decided:
        said = f"超时 missed {it.missed}/{it.decided} ({percent(it.missed, it.decided)})"
        kept = tag("small", said, class_="bad" if it.missed else "good")
    return [_spread(it.took), kept]


def _spread(it: Spread) -> Markup:
    """`p50 / p90 / max`"""
    if it.p50 is None or it.p90 is None or it.longest is None:
        return Markup("–")
    return markup(f"{lasted(it.p50)} / {lasted(it.p90)} / {lasted(it.longest)}")


def _slowest(line: Figures) -> Content:
    ranked = sorted(((n, hop) for hop, n in line.slowest.items() if n), reverse=True)
    return [tag("div", f"{HOPS[hop][0]} {HOPS[hop][1]}: {n}") for n, hop in ranked] or None


_MISSED: tuple[Content, ...] = (
    Text("警情", "Incident"), Text("开始", "Began"), Text("地点与内容", "Where and what"), Text("超时", "Missed"),
    *(Text(*HOPS[hop]) for hop in Hop), Text("结论", "Disposition"),
)  # fmt: skip


def _missed(it: Response, zone: Zone | None) -> list[Content]:
    incident, hops = it.incident, it.hops()
    what = Text(
        f"{zone.name.zh if zone else incident.zone} {incident.title.zh}",
        f"{zone.name.en if zone else ''} {incident.title.en}".strip(),
    )
    missed: Iterable[Content] = (
        tag("div", f"{GOAL_WORDS[goal][0]} {GOAL_WORDS[goal][1]}", class_="bad") for goal in GOALS if goal in it.missed
    )
    found = DISPOSITIONS[incident.disposition] if incident.disposition else None
    name = incident.id if it.number == 1 else f"{incident.id} ({it.number})"
    spans: list[Content] = [_span(hops.get(hop)) for hop in Hop]
    return [name, local(it.began_at)[:19], what, missed, *spans, Text(*found) if found else None]


def _span(it: Micros | None) -> str | None:
    return None if it is None else lasted(it)


def percent(part: int, whole: int) -> str:
    """`33 %`; never 0 for a part that there is, never 100 for one that is not all."""
    if part in (0, whole):
        return "0 %" if not part else "100 %"
    return f"{min(max(part / whole * 100, 0.1), 99.9):.3g} %"
