"""`wanglou rules backtest`: which past, which two books, and the result as a table, a page or JSON."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text as Styled

from monitor import wiring
from monitor.backtest import CLOSE_AFTER, Backtest, Delta, RuleDelta, backtest
from monitor.backtest_report import FATES, Names, page, plain, signed
from monitor.cli.terminal import Config, book_texts, fail, out, past, read_site, refuse, say
from monitor.settings import Settings
from monitor.settings.fields import read_duration, write_duration
from monitor.standing import book_in_force
from monitor.tape import BadTape, from_lines
from monitor.wiring import LedgerError
from rules.document import Mistakes
from rules.model import Micros
from rules.response import rfc3339
from rules.rule import RuleBook
from rules.rulebook import load_book

TAIL = 1_000_000
"""Bytes at the end of a tape that are searched for its last line."""


def command(
    tape: Annotated[Path | None, typer.Argument(help="A tape of JSON lines, or a ledger's data folder; default: the site's.")] = None,
    since: Annotated[str, typer.Option(help="30d: so long before the end of the tape; or a moment. Default: all of it.")] = "",
    until: Annotated[str, typer.Option(help="The same for the end.")] = "",
    book: Annotated[list[Path] | None, typer.Option(help="The changed books (files, folders); default: the site file's.")] = None,
    against: Annotated[list[Path] | None, typer.Option(help="The running books; default: the ledger's, else the site file's.")] = None,
    close_after: Annotated[str, typer.Option(help="Incidents close so long after their sensors are quiet.")] = write_duration(CLOSE_AFTER),
    html: Annotated[Path | None, typer.Option(help="Write the report as one page.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole result as JSON.")] = None,
    config: Config = Path("site.yaml"),
) -> None:  # fmt: skip
    """Play a changed rule book against the running one on the same past, and print what it would have raised otherwise."""
    settings, own = read_site(config)
    place = tape if tape is not None else settings.data.folder
    try:
        running, running_name = _running(place, against, own, settings)
        changed, changed_name = (_read(book), ", ".join(map(str, book))) if book else (own, settings.file.name)
        end = _last_at(place)
        first, last = _moment(since, end, 0), _moment(until, end, 1 << 62)
        with past(place, first, last) as messages:
            result = backtest(
                messages, running, changed, settings.neighbourhood(), wiring.limits(settings),
                close_after=read_duration(close_after), clock=time.perf_counter,
            )  # fmt: skip
        names = Names(running_name, changed_name, place.name)
        if html is not None:
            html.write_text(page(result, names), "utf-8")
        if json_file is not None:
            json_file.write_text(json.dumps(plain(result, names), ensure_ascii=False, indent=1) + "\n", "utf-8")
    except Mistakes as mistakes:
        refuse(mistakes.mistakes)
    except (BadTape, LedgerError, OSError, ValueError) as problem:
        fail(problem, 2)
    _print(result, names)


def _running(place: Path, against: list[Path] | None, own: RuleBook, settings: Settings) -> tuple[RuleBook, str]:
    if against:
        return _read(against), ", ".join(map(str, against))
    if place.is_dir():
        with wiring.present(place) as ledger:
            if (known := book_in_force(ledger)) is not None:
                return known, f"{place.name}/ledger"
    return own, settings.file.name


def _read(books: list[Path]) -> RuleBook:
    return load_book(book_texts(books))


def _last_at(place: Path) -> Micros:
    """The newest moment of a ledger or tape; 0 of an empty one."""
    if place.is_dir():
        with wiring.present(place) as ledger:
            return ledger.last_at
    with place.open("rb") as file:
        size = place.stat().st_size
        file.seek(max(size - TAIL, 0))
        lines = file.read().decode("utf-8", "replace").splitlines()
    last = next((line for line in reversed(lines) if line.strip()), None)
    if last is None:
        return 0
    # A bad last line is told, with its number, by the reading of the whole.
    try:
        return next(from_lines([last], place.name)).at
    except BadTape:
        return 0


def _moment(text: str, end: Micros, otherwise: Micros) -> Micros:
    """`30d` before the end, or a moment of the user's local time. Raises ValueError."""
    if not text:
        return otherwise
    try:
        return end - read_duration(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise ValueError(f"`{text}` is no time: write for example 30d, 12h, 2026-11-22 or 2026-11-22T08:00") from None
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


# --- printing ---------------------------------------------------------------------------------------------------------


def _print(result: Backtest, names: Names) -> None:
    say(f"现行 running: {names.running}   修改后 changed: {names.changed}")
    if result.messages:
        span = f"{rfc3339(result.first_at)[:19]} – {rfc3339(result.last_at)[:19]}"
        say(f"{names.tape}: {result.messages:,} 条消息 messages, {span}", "dim")
    differing = [r for r in result.rules.values() if r.differs]
    if differing:
        out.print(_table(sorted(differing, key=lambda r: r.kind.rank)))
    else:
        say("两套规则表现完全相同。Both books did the same.", "green")
    same = len(result.rules) - len(differing)
    say(f"{same} 条规则没有差异 rules act the same; 事件 incidents {_counts(result.incidents)}")
    old, new = result.pages
    daily = "" if result.a_day is None else ", 每天 a day {:.1f} → {:.1f}".format(*result.a_day)
    say(f"通知 pages {old:,} → {new:,}{daily}", "bold")
    say(f"{result.rate:,.0f} messages/s, each through both books", "dim")


def _table(rules: list[RuleDelta]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 0, 0, 1))
    table.add_column("规则 rule", no_wrap=True)
    for heading in ("报警\nalarms", "新增\nadded", "减少\nremoved", "相同\nsame", "提前/推迟\nmoved", "通知\npages"):
        table.add_column(heading, justify="right", no_wrap=True)
    for rule in rules:
        a = rule.alarms
        fate = f" {FATES[rule.fate][0]}" if rule.fate != "unchanged" else ""
        shifts = [f"{n} ({signed(by)})" for n, by in ((a.earlier, a.earliest), (a.later, a.latest)) if n]
        table.add_row(
            Styled(rule.id).append(f"\n{rule.kind}{fate}", "dim"), f"{a.old:,} → {a.new:,}",
            Styled(f"{a.added:,}", "red" if a.added else "dim"), Styled(f"{a.removed:,}", "green" if a.removed else "dim"),
            f"{a.same:,}", "\n".join(shifts), f"{rule.pages[0]:,} → {rule.pages[1]:,}",
        )  # fmt: skip
    return table


def _counts(delta: Delta) -> str:
    moved = delta.earlier + delta.later
    return (
        f"{delta.old:,} → {delta.new:,} (相同 same {delta.same:,}, 提前/推迟 moved {moved:,}, "
        f"新增 added {delta.added:,}, 减少 removed {delta.removed:,})"
    )
