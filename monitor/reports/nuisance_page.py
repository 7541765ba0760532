"""Nuisance accounting as a printable page: how far alarms can be believed, the worst offenders, the hours of the day.

Knows the report; counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitor.reports.nuisance import MANY_A_DAY, Line, NuisanceReport, Tally
from monitor.reports.nuisance_sheet import many
from monitor.reports.paper import Content, Markup, definitions, page, table, tag
from monitor.reports.sla_page import percent
from monitor.vocabulary import DISPOSITIONS
from rules.model import Disposition, Text

SHOWN = 30
"""Lines of a table on the page; the sheets have them all."""

NOTE = Text(
    "统计对象为实际报警（火警、预警、监管）：每次报警计一次，处置后再次报警另计。真实率=真实火情/（真实火情+误报），测试、施工、原因不明和未结案的不计入。"
    "故障、演习和被抑制的报警不计。结论取结案时选择的结论。",
    "Counted are real alarms (fire, pre-alarm, supervisory), each time that an incident was raised. Precision = fire ÷ (fire + nuisance); "
    "tests, works, unknown and open ones have no part in it. Faults, exercises and withheld alarms are not counted. The disposition is the "
    "one chosen when the incident was closed.",
)


def nuisance_page(report: NuisanceReport) -> str:
    """The whole document."""
    return page(
        Text(f"误报统计 {report.month}", f"Nuisance alarms {report.month}"),
        _parts(report),
        made_at=report.made_at,
        note=NOTE,
    )


def _parts(report: NuisanceReport) -> Iterator[Content]:
    if not report.complete:
        said = Text("警情过多，本报告不完整。", "Too many incidents: this report is not complete.")
        yield tag("p", said, class_="banner")
    yield _summary(report)
    flagged = [line for line in report.zones if line.days]
    if flagged:
        yield tag("h2", Text(f"一天误报超过 {MANY_A_DAY} 次", f"More than {MANY_A_DAY} false alarms in a day"))
        yield table(
            [Text("区域", "Zone"), Text("日期与次数", "Days")],
            [[line.name, tag("span", many(line), class_="bad")] for line in flagged],
        )
    lists = (
        (Text("探测器", "Devices"), report.devices),
        (Text("规则", "Rules"), report.rules),
        (Text("区域", "Zones"), report.zones),
    )
    for title, lines in lists:
        if lines:
            yield tag("h2", title)
            yield table(_headings(title, lines), [_row(line, lines) for line in lines[:SHOWN]])
            if len(lines) > SHOWN:
                yield tag(
                    "p",
                    Text(
                        f"其余 {len(lines) - SHOWN} 行见表格文件。", f"{len(lines) - SHOWN} more are in the CSV file."
                    ),
                )
    if report.total.raised:
        yield tag("h2", Text("一天中的时段", "Hours of the day"))
        yield _hours(report.hours)


def _summary(report: NuisanceReport) -> Content:
    total, pace = report.total, report.per_detector_year
    apart = f"故障 faults {report.faults} · 演习 exercises {report.exercises} · 已抑制 withheld {report.withheld}"
    return definitions(
        [
            (Text("报警次数", "Raised"), str(total.raised)),
            (Text("误报", "False"), str(total.false)),
            (Text("真实率", "Precision"), _precision(total)),
            (
                Text("每探测器每年误报", "False per detector-year"),
                "–" if pace is None else f"{pace:.2f} · {report.detectors} 只 detectors",
            ),
            (Text("未结案", "Open"), str(total.open)),
            (Text("不计入", "Not counted"), apart),
        ]
    )


def _headings(title: Text, lines: Sequence[Line]) -> list[Content]:
    words = [Text(*DISPOSITIONS[disposition]) for disposition in Disposition]
    found = [title, Text("报警", "Raised"), *words, Text("未结案", "Open"), Text("真实率", "Precision")]
    return [*found, Text("误报/年", "False/year")] if _paced(lines) else [*found]


def _row(line: Line, lines: Sequence[Line]) -> list[Content]:
    key = "" if line.key == line.name.zh else tag("small", line.key)
    counts: list[Content] = [str(line.tally.found[disposition]) for disposition in Disposition]
    found: list[Content] = [
        [line.name, key],
        str(line.tally.raised),
        *counts,
        str(line.tally.open),
        _precision(line.tally),
    ]
    return [*found, "–" if line.per_year is None else f"{line.per_year:.1f}"] if _paced(lines) else found


def _paced(lines: Sequence[Line]) -> bool:
    return any(line.per_year is not None for line in lines)


def _precision(tally: Tally) -> str | None:
    if tally.precision is None:
        return None
    return percent(tally.found[Disposition.FIRE], tally.found[Disposition.FIRE] + tally.false)


def _hours(hours: Sequence[Tally]) -> Markup:
    """Bars: all raisings pale, the false ones of them dark."""
    most = max(tally.raised for tally in hours)
    parts: list[Content] = []
    for hour, tally in enumerate(hours):
        x, tall, false = 20 + hour * 29, tally.raised * 100 // most, tally.false * 100 // most
        bar: list[Content] = [
            tag("title", f"{hour:02}:00"),
            tag("rect", x=x, y=120 - tall, width=22, height=tall, fill="#c9ced6"),
            tag("rect", x=x, y=120 - false, width=22, height=false, fill="#b3261e"),
            tag("text", f"{hour:02}", x=x + 11, y=136, text_anchor="middle", class_="soft"),
        ]
        if tally.raised:
            bar.append(tag("text", f"{tally.false}/{tally.raised}", x=x + 11, y=115 - tall, text_anchor="middle"))
        parts.append(tag("g", bar))
    drawing = tag("svg", parts, viewBox="0 0 720 142", role="img", aria_label="误报/报警 false/raised")
    return Markup(
        tag("div", drawing, class_="wide") + tag("p", Text("深色为误报：误报/报警", "Dark: false alarms; false/raised"))
    )
