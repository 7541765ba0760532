"""Printable pages: self-contained HTML in Chinese and English, escaped by construction, without script and without anything from outside.

Knows no report. A page carries its own Content-Security-Policy, so that a saved copy can load nothing either.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from monitor.reports.periods import local
from rules.model import Micros, Text

_NUMBER = re.compile(r"-?([\d.,]+( %| s)?|\d+:\d\d(:\d\d)?(\.\d+)?)(?=<|$)")
"""A cell of figures: a number, a share, a duration."""


class Markup(str):
    """Text that is HTML already; everything else is escaped."""

    __slots__ = ()


Content: TypeAlias = "str | int | Text | Iterable[Content] | None"


MANY = 4
"""Columns that a small screen can show."""


def markup(content: Content) -> Markup:
    """HTML of any content: texts escaped, a pair of languages on two lines, None as a dash, sequences one after another."""
    if isinstance(content, Markup):
        return content
    if isinstance(content, Text):
        same = content.zh == content.en or not content.en
        return (
            markup(content.zh) if same else Markup(f"{markup(content.zh)}<small lang=en>{markup(content.en)}</small>")
        )
    if content is None:
        return Markup("–")
    if isinstance(content, str | int):
        # Lone surrogates came from some device; UTF-8 cannot carry them.
        return Markup(html.escape(str(content).encode("utf-8", "backslashreplace").decode()))
    return Markup("".join(markup(part) for part in content))


def tag(name: str, content: Content = "", **attributes: str | float) -> Markup:
    """`<name attributes>content</name>`; `_` in an attribute's name stands for `-`, and is cut off at its end. An
    empty attribute is left out."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value != ""
    )
    return Markup(f"<{name}{said}>{markup(content)}</{name}>")


def table(headings: Sequence[Content], rows: Iterable[Iterable[Content]]) -> Markup:
    """A table; figures stand to the right. One of many columns is scrolled sideways on a small screen rather than squeezed."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    numeric = {place for place, cell in enumerate(cells[0]) if cell.startswith('<td class="n"')} if cells else set()
    head = [tag("th", it, scope="col", class_="n" if place in numeric else "") for place, it in enumerate(headings)]
    parts = [tag("thead", tag("tr", head)), tag("tbody", [tag("tr", row) for row in cells])]
    return tag("div", tag("table", parts, class_="many" if len(headings) > MANY else "few"), class_="wide")


def _cell(content: Content) -> Markup:
    text = markup(content)
    return tag("td", text, class_="n") if _NUMBER.match(text) else tag("td", text)


def definitions(pairs: Iterable[tuple[Content, Content]]) -> Markup:
    """Names and their values."""
    return tag("dl", [tag("div", [tag("dt", name), tag("dd", value)]) for name, value in pairs])


def page(title: Text, parts: Iterable[Content], *, made_at: Micros, note: Text | None = None) -> str:
    """The whole document. `note` is the small print above the line that says when and by what it was made."""
    foot = [tag("p", note) if note else "", tag("p", f"{local(made_at)} UTC+8 · 望楼 Wanglou")]
    main = tag("main", [tag("h1", title), *parts, tag("footer", foot)])
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(_SAVED)}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{markup(f'{title.zh} {title.en}')}</title><style>{STYLE}</style></head><body>{main}</body></html>"
    )


STYLE = """
:root{color-scheme:light;--ink:#1a1c20;--soft:#5b616b;--line:#c9ced6;--bad:#b3261e;--good:#1b6e3a;--fill:#f1f3f6}
*{box-sizing:border-box}
html{font:14px/1.45 "Noto Sans CJK SC","Noto Sans SC","PingFang SC","Microsoft YaHei",system-ui,sans-serif;color:var(--ink);background:#fff}
body{margin:0}
main{max-width:60rem;margin:0 auto;padding:1.25rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem}
h2{font-size:1.1rem;line-height:1.25;margin:1.75rem 0 .5rem;padding-top:.5rem;border-top:2px solid var(--ink);break-after:avoid}
h3{font-size:.95rem;margin:1rem 0 .35rem;break-after:avoid}
small{display:block;font-size:.8em;color:var(--soft);font-weight:400}
p{margin:.35rem 0}
.wide{overflow-x:auto;margin:.35rem 0}
table{border-collapse:collapse;width:100%;font-size:.86rem}
th,td{text-align:left;vertical-align:top;padding:.28rem .5rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{font-weight:600;border-bottom:1px solid var(--ink);overflow-wrap:normal}
th.n{text-align:right}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tr{break-inside:avoid}
thead{display:table-header-group}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(12rem,1fr));gap:.5rem 1.25rem;margin:.5rem 0}
dt{font-size:.8rem;color:var(--soft)}
dd{margin:0;font-weight:600;overflow-wrap:anywhere}
dt small,dd small{display:inline;margin-left:.4em}
.bad{color:var(--bad);font-weight:600}
.good{color:var(--good)}
.banner{border:2px solid var(--bad);padding:.5rem .75rem;font-weight:600;margin:.5rem 0}
.hash{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.8rem;overflow-wrap:anywhere}
svg{display:block;width:100%;height:auto;break-inside:avoid}
svg text{font-size:11px;fill:var(--ink)}
svg .soft{fill:var(--soft)}
.legend{display:inline-block;margin-right:1.25rem;font-size:.8rem}
svg.key{display:inline-block;width:26px;height:10px;margin-right:.35em;vertical-align:middle}
footer{margin-top:2rem;border-top:1px solid var(--line);padding-top:.5rem;color:var(--soft);font-size:.8rem}
@page{size:A4;margin:14mm 12mm}
@media print{html{font-size:10.5px}svg text{font-size:9.5px}main{max-width:none;padding:0}.wide{overflow:visible}}
.goal{display:grid;grid-template-columns:10rem 1fr 13.5rem;gap:0 .75rem;align-items:center;margin:.3rem 0;break-inside:avoid}
.goal small{display:inline;margin-left:.4em}
svg.bar{height:1.1rem}
@media (max-width:40rem){
main{padding:.75rem}
h1{font-size:1.25rem}
.goal{grid-template-columns:1fr auto}
.goal svg{grid-row:2;grid-column:1/3}
table.many{min-width:44rem}
.wide>svg{min-width:38rem}
}
""".replace("\n", "")

_SAVED = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)
POLICY = f"{_SAVED}; frame-ancestors 'none'"
"""The Content-Security-Policy of a page that is served; one inside a page cannot speak of frames."""
