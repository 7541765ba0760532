"""A backtest as plain values for programs and as one page for people: Chinese and English, no file or address beside it.

Everything that comes from books, devices or file names is escaped; the page runs no script.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from html import escape
from typing import Any, NamedTuple

from monitor.backtest import Backtest, Delta, RuleDelta, Shift
from monitor.settings.fields import write_duration
from rules.model import SECOND, Kind, Micros
from rules.response import rfc3339

EPOCH = date(1970, 1, 1)
FATES = {
    "added": ("新规则", "new rule"),
    "removed": ("已删除", "removed"),
    "changed": ("已修改", "changed"),
    "reworded": ("措辞修改", "reworded"),
    "unchanged": ("未改动", "unchanged"),
}


class Names(NamedTuple):
    """What was compared, in words for the head of the page."""

    running: str
    changed: str
    tape: str


def plain(result: Backtest, names: Names) -> dict[str, Any]:
    """The whole result as JSON values; moments RFC 3339, spans in seconds."""
    return {
        "running": names.running,
        "changed": names.changed,
        "tape": names.tape,
        "from": rfc3339(result.first_at),
        "to": rfc3339(result.last_at),
        "messages": result.messages,
        "messages_per_second": round(result.rate),
        "book": asdict(result.change),
        "pages": dict(zip(("running", "changed"), result.pages, strict=True)),
        "pages_per_day": {day(n).isoformat(): pair for n, pair in sorted(result.days.items())},
        "incidents": {**_delta(result.incidents), "by_kind": {kind.value: pair for kind, pair in result.by_kind.items()}},
        "rules": [
            {
                "id": r.id, "kind": r.kind.value, "title": asdict(r.title), "rule": r.fate, "alarms": _delta(r.alarms),
                "incidents": r.incidents, "pages": r.pages,
            }
            for r in result.rules.values()
        ],
    }  # fmt: skip


def _delta(delta: Delta) -> dict[str, Any]:
    counts = {name: getattr(delta, name) for name in ("old", "new", "same", "earlier", "later", "added", "removed")}
    shifts = {"earliest_seconds": delta.earliest / SECOND, "latest_seconds": delta.latest / SECOND}
    examples = {
        what: [{"at": rfc3339(s.at), "subject": s.subject, "by_seconds": s.by / SECOND} for s in kept]
        for what, kept in delta.examples.items()
    }
    return {**counts, **shifts, "examples": examples}


def day(number: int) -> date:
    """A day of China's calendar."""
    return EPOCH + timedelta(days=number)


def signed(span: Micros) -> str:
    """`−1m30s`, `+5s`; rounded to the second where it is longer than a minute."""
    size = abs(span)
    size = size // SECOND * SECOND if size > 60 * SECOND else size // 1000 * 1000
    return f"{'−' if span < 0 else '+'}{write_duration(size)}"


# --- the page ---------------------------------------------------------------------------------------------------------


def page(result: Backtest, names: Names) -> str:
    """The report as one HTML document."""
    rules = sorted(result.rules.values(), key=lambda r: (not r.differs, r.kind.rank))
    body = "\n".join([
        _head(result, names),
        _verdict(result),
        _cards(result),
        _chart(result.days),
        _table([r for r in rules if r.differs]),
        *(_examples(r.id, f"{r.title.zh} {r.title.en}", r.alarms) for r in rules if r.alarms.differs),
        _examples("incidents", "事件 Incidents", result.incidents) if result.incidents.differs else "",
        _quiet([r for r in rules if not r.differs]),
        _foot(result),
    ])  # fmt: skip
    return (
        '<!doctype html>\n<html lang="zh-CN">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>规则回测 Rule backtest</title>\n<style>{_STYLE}</style>\n</head>\n<body><main>\n{body}\n</main></body>\n</html>\n"
    )


def _head(result: Backtest, names: Names) -> str:
    span = f"{rfc3339(result.first_at)[:16].replace('T', ' ')} – {rfc3339(result.last_at)[:16].replace('T', ' ')}"
    return (
        "<header><h1>规则回测 <small>Rule backtest</small></h1>"
        f'<p class="what"><b class="old">现行 running</b> {escape(names.running)}<br>'
        f'<b class="new">修改后 changed</b> {escape(names.changed)}</p>'
        f"<p>{escape(names.tape)} · {span} · {result.messages:,} 条消息 messages</p></header>"
    )


_DANGERS = (Kind.FIRE, Kind.PREALARM)


def _verdict(result: Backtest) -> str:
    """What the changed book would mean, in a sentence; and first of all whether it would have said less, or later, of a fire."""
    grave = [r.alarms for r in result.rules.values() if r.kind in _DANGERS]
    lost, late = sum(a.removed for a in grave), sum(a.later for a in grave)
    alarms = [r.alarms for r in result.rules.values()]
    counts = [sum(getattr(a, what) for a in alarms) for what in ("added", "removed", "earlier", "later")]
    old, new = result.pages
    zh = f"修改后的规则在这段时间会派单通知 {new:,} 次（现行 {old:,} 次）；报警多 {counts[0]:,} 次、少 {counts[1]:,} 次、"
    en = f"The changed book would have paged {new:,} times (running: {old:,}); {counts[0]:,} alarms more, {counts[1]:,} fewer, "
    words = f"{zh}提前 {counts[2]:,} 次、推迟 {counts[3]:,} 次。<i>{en}{counts[2]:,} earlier, {counts[3]:,} later.</i>"
    warned = ""
    if lost or late:
        warned = (
            f'<p class="grave"><b>火警和预警：少 {lost:,} 次，推迟 {late:,} 次。请逐条核对。</b> '
            f"<i>Of fires and pre-alarms {lost:,} fewer, {late:,} later: look at each.</i></p>"
        )
    return f'<section class="verdict">{warned}<p>{words}</p></section>'


def _cards(result: Backtest) -> str:
    pairs: list[tuple[str, str, float, float]] = [("派单通知", "pages", *result.pages)]
    if result.a_day is not None:
        pairs.append(("每天通知", "pages a day", *result.a_day))
    pairs += [(f"{_KINDS[kind]}事件", kind.value, old, new) for kind, (old, new) in result.by_kind.items()]
    cards = "".join(
        f'<div class="card"><span>{zh} <i>{en}</i></span><b><em class="old">{_number(old)}</em> → '
        f'<em class="new">{_number(new)}</em></b></div>'
        for zh, en, old, new in pairs
    )
    return f'<section class="cards">{cards}</section>'


_KINDS = {Kind.FIRE: "火警", Kind.PREALARM: "预警", Kind.SUPERVISORY: "监管", Kind.FAULT: "故障"}


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _chart(days: dict[int, list[int]]) -> str:
    """Pages day by day: two bars each, every day of the span, also the quiet ones."""
    if not days:
        return ""
    first, last = min(days), max(days)
    if last - first > 800:
        first = last - 800
    highest = max(max(pair) for pair in days.values()) or 1
    width, height, step = 960, 140, 960 / (last - first + 1)
    bars = []
    for n in range(first, last + 1):
        pair = days.get(n, [0, 0])
        for which, name in enumerate(("old", "new")):
            tall = pair[which] / highest * height
            x = (n - first) * step + which * step * 0.4 + step * 0.1
            bars.append(
                f'<rect class="{name}" x="{x:.1f}" y="{height - tall:.1f}" width="{step * 0.38:.1f}" height="{tall:.1f}">'
                f"<title>{day(n)}: {pair[0]} → {pair[1]}</title></rect>"
            )
    return (
        "<section><h2>每日通知 <small>Pages day by day</small></h2>"
        f'<p class="axis"><i>最多 at most {highest} / 天 day</i></p>'
        f'<svg viewBox="0 0 {width} {height + 2}" role="img" aria-label="pages day by day">'
        f'<line x1="0" y1="{height}" x2="{width}" y2="{height}"/>{"".join(bars)}</svg>'
        f'<p class="axis"><i>{day(first)}</i><i>{day(last)}</i></p></section>'
    )


def _table(rules: Sequence[RuleDelta]) -> str:
    if not rules:
        return '<section class="calm">两套规则在这段时间里的表现完全相同。<i>Both books did the same on this past.</i></section>'
    rows = "".join(map(_row, rules))
    heads = "".join(f"<th>{zh} <i>{en}</i></th>" for zh, en in (("规则", "rule"), *_COLUMNS))
    return (
        "<section><h2>有差异的规则 <small>Rules that act otherwise</small></h2>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


_COLUMNS = (
    ("报警", "alarms"), ("新增", "added"), ("减少", "removed"), ("相同", "same"), ("提前", "earlier"), ("推迟", "later"),
    ("事件", "incidents"), ("通知", "pages"),
)  # fmt: skip


def _row(rule: RuleDelta) -> str:
    a = rule.alarms
    zh, en = FATES[rule.fate]
    fate = "" if rule.fate == "unchanged" else f'<span class="fate">{zh} {en}</span>'
    earlier = f"{a.earlier:,}<i>{signed(a.earliest)}</i>" if a.earlier else "0"
    later = f"{a.later:,}<i>{signed(a.latest)}</i>" if a.later else "0"
    cells = (
        f"{a.old:,} → {a.new:,}{_bars(a.old, a.new)}", _marked(a.added, "plus"),
        _marked(a.removed, "plus" if rule.kind in _DANGERS else "minus"), f"{a.same:,}",
        earlier, later, _arrow(rule.incidents), _arrow(rule.pages),
    )  # fmt: skip
    kind = f'<span class="kind {rule.kind.lower()}">{rule.kind}</span>'
    title = f'{kind} <a href="#{escape(rule.id)}"><code>{escape(rule.id)}</code></a>{fate}'
    words = f"<br>{escape(rule.title.zh)} <i>{escape(rule.title.en)}</i>"
    named = "".join(f'<td data-name="{zh} {en}">{cell}</td>' for (zh, en), cell in zip(_COLUMNS, cells, strict=True))
    return f"<tr><th>{title}{words}</th>{named}</tr>"


def _marked(count: int, mark: str) -> str:
    return f'<b class="{mark}">{count:,}</b>' if count else "0"


def _arrow(pair: Sequence[int]) -> str:
    return f"{pair[0]:,} → {pair[1]:,}"


def _bars(old: int, new: int) -> str:
    longest = max(old, new, 1)
    return "".join(
        f'<span class="bar {name}" style="width:{count / longest * 100:.0f}%"></span>'
        for name, count in (("old", old), ("new", new))
    )


def _examples(anchor: str, title: str, delta: Delta) -> str:
    words = {
        "added": "新增 added", "removed": "减少 removed", "earlier": "提前 earlier", "later": "推迟 later",
    }  # fmt: skip
    parts = "".join(
        f"<div><h4>{words[what]}</h4><ol>{''.join(map(_example, kept))}</ol></div>"
        for what, kept in delta.examples.items()
    )
    return (
        f'<details id="{escape(anchor)}"><summary><code>{escape(anchor)}</code> {escape(title)} '
        f'<i>例 examples</i></summary><div class="examples">{parts}</div></details>'
    )


def _example(shift: Shift) -> str:
    by = f" <b>{signed(shift.by)}</b>" if shift.by else ""
    moment = rfc3339(shift.at)
    return f"<li><time>{moment[:10]} {moment[11:19]}</time> {escape(shift.subject)}{by}</li>"


def _quiet(rules: Sequence[RuleDelta]) -> str:
    if not rules:
        return ""
    items: Iterator[str] = (
        f"<li><code>{escape(r.id)}</code> {escape(r.title.zh)} <i>{escape(r.title.en)}</i> · {r.alarms.same:,}</li>"
        for r in rules
    )
    return (
        f"<details><summary>没有差异的 {len(rules)} 条规则 <i>Rules that act the same, with their alarms</i></summary>"
        f"<ul>{''.join(items)}</ul></details>"
    )


def _foot(result: Backtest) -> str:
    return (
        "<footer><p>回放从空状态开始；每个事件在传感器恢复一段时间后视为已处置关闭；通知视为立即送达。"
        "<i>Played from an empty state; each incident counts as closed some time after its sensors are quiet; "
        "every page counts as delivered at once.</i></p>"
        f"<p>{result.rate:,.0f} 条/秒，两套规则同时 <i>messages a second through both books</i></p></footer>"
    )


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2126;--dim:#66707a;--paper:#fbfaf8;--line:#e3dfd8;--card:#fff;--old:#8a94a0;--new:#c8442c;
--plus:#c8442c;--minus:#2f7d5b}
@media (prefers-color-scheme:dark){:root{--ink:#e8e6e3;--dim:#9aa3ad;--paper:#16191d;--line:#2d3238;--card:#1e2227;--old:#7d8894;
--new:#f0745c;--plus:#f0745c;--minus:#5fc495}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.55 system-ui,"Noto Sans CJK SC","Noto Sans SC","PingFang SC","Microsoft YaHei",sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 24px 48px}h1{font-size:28px;margin:0 0 8px}h2{font-size:18px;margin:32px 0 8px}
h4{margin:8px 0 4px;font-weight:600}small,i{color:var(--dim);font-style:normal;font-weight:400}small{font-size:.65em}
i{font-size:.88em}p{margin:4px 0}code{font:13px/1.4 ui-monospace,"SF Mono",Menlo,Consolas,monospace}a{color:inherit}
.what b{display:inline-block;min-width:132px}.what .old,em.old{color:var(--old)}.what .new,em.new{color:var(--new)}em{font-style:normal}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(160px,1fr));gap:12px;margin:24px 0 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.card span{display:block;color:var(--dim);font-size:13px}.card i,td i,thead i{display:block;white-space:nowrap}
td{white-space:nowrap}.card b{font-size:22px;font-variant-numeric:tabular-nums}
svg{width:100%;height:auto;display:block}svg line{stroke:var(--line)}.axis{display:flex;justify-content:space-between;font-size:13px}
.verdict{margin:20px 0 0}.verdict i{display:block}.grave{border-left:4px solid #b3261e;padding-left:12px;margin:0 0 10px}
rect.old{fill:var(--old)}rect.new{fill:var(--new)}
table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line);border-radius:10px;overflow:hidden}
th,td{padding:9px 10px;border-top:1px solid var(--line);text-align:right;vertical-align:top;font-variant-numeric:tabular-nums}
thead th{border-top:0;font-weight:600;font-size:13px;white-space:nowrap}tbody th,thead th:first-child{text-align:left;font-weight:400}
.bar{display:block;height:4px;border-radius:2px;margin:2px 0 0 auto;min-width:1px}.bar.old{background:var(--old)}
.bar.new{background:var(--new)}.plus{color:var(--plus)}.minus{color:var(--minus)}
.kind{font-size:11px;font-weight:700;border:1px solid var(--line);border-radius:5px;padding:1px 5px;color:var(--dim)}
.kind.fire{color:#fff;background:#b3261e;border-color:#b3261e}.kind.prealarm{color:#1c2126;background:#f2b233;border-color:#f2b233}
.fate{margin-left:8px;font-size:12px;color:var(--new)}
details{margin:12px 0;border:1px solid var(--line);border-radius:10px;background:var(--card);padding:10px 14px}summary{cursor:pointer}
.examples{display:flex;flex-wrap:wrap;gap:4px 40px}ol,ul{margin:4px 0;padding-left:22px}time{font-variant-numeric:tabular-nums;
color:var(--dim)}.calm{margin:32px 0;padding:20px;border:1px solid var(--line);border-radius:10px;background:var(--card)}
footer{margin-top:32px;border-top:1px solid var(--line);padding-top:12px;color:var(--dim);font-size:13px}
@media (max-width:720px){main{padding:20px 16px 32px}table,tbody,tr,tbody th,td{display:block}thead{display:none}
tbody tr{border-top:1px solid var(--line);padding:8px 0}th,td{border:0;padding:3px 10px;overflow-wrap:anywhere}
td{display:flex;gap:12px}td:before{content:attr(data-name);color:var(--dim);margin-right:auto}td .bar{display:none}}
@media print{body{background:#fff}}
"""
