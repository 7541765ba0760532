"""What an examination found, and how it is shown on a terminal.

Knows neither settings nor connections.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text as Styled

from rules.model import Text


class Level(StrEnum):
    """How much it matters."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, without secrets."""

    level: Level
    what: Text
    detail: str
    remedy: str = ""


_STYLES = {Level.OK: ("green", "正常"), Level.WARN: ("yellow", "注意"), Level.BAD: ("bold red", "故障")}


def report(findings: Iterable[Finding]) -> RenderableType:
    """All findings in their order, and one line that counts them."""
    findings = list(findings)
    table = Table(show_header=False, box=None, pad_edge=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for f in findings:
        style, zh = _STYLES[f.level]
        # Text and not markup: a device's name may hold brackets.
        detail = Styled(f.detail)
        if f.remedy:
            detail.append(f"\n→ {f.remedy}", style="italic")
        table.add_row(Styled(f"{zh} {f.level}", style=style), Styled(f"{f.what.zh} {f.what.en}"), detail)
    count = {level: sum(f.level is level for f in findings) for level in Level}
    total = f"{count[Level.OK]} 正常 ok · {count[Level.WARN]} 注意 warn · {count[Level.BAD]} 故障 bad"
    return Group(table, Styled(""), Styled(total, style="bold"))


def exit_code(findings: Iterable[Finding]) -> int:
    """1 when something is bad; warnings alone are 0."""
    return int(any(f.level is Level.BAD for f in findings))
