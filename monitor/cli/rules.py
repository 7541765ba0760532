"""`wanglou rules …`: rule books checked, tested, compared with the past, and explained.

Reads arguments and prints for people; the work is done by the modules of monitor/ it calls.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.text import Text as Styled

from monitor.cli import backtesting, explaining
from monitor.cli.terminal import book_texts, err, fail, out, progress, refuse, say
from monitor.rule_warnings import review
from monitor.settings.books import TESTS
from monitor.settings.fields import read_duration
from monitor.settings.site_places import load_places
from monitor.stories.reader import Story, load
from monitor.stories.verdict import TestResult, examine, junit
from rules.document import Mistake, Mistakes
from rules.rulebook import load_book
from rules.schedules import day_of

rules_app = typer.Typer(no_args_is_help=True, help="规则 Rule books.")

_SIGNS = {"-": "red", "+": "green", " ": "dim", "…": "dim"}


@rules_app.command("check")
def check(
    books: Annotated[list[Path] | None, typer.Argument(help="Rule books; default: those of the site file.")] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", envvar="WANGLOU_CONFIG", help="The site file that the books are for."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are failures: exit code 1.")] = False,
    interval: Annotated[str, typer.Option(help="How often devices report that have no report_interval: 60s.")] = "",
) -> None:
    """Report every mistake in the rule books at once, and what is hardly ever meant so."""
    try:
        every = read_duration(interval) if interval else None
        # The places alone: whoever checks rules need not know the daemon's passwords.
        places = load_places(config or Path("site.yaml")) if config is not None or not books else None
        book = load_book(book_texts(books) if books else places.book_texts() if places else [])
    except Mistakes as mistakes:
        refuse(mistakes.mistakes)
    except ValueError as error:
        fail(f"--interval: {error}", 2)
    found = review(book, places, every, day_of(time.time_ns() // 1000))
    for caution in found.cautions:
        err.print(str(caution), style="yellow", soft_wrap=True, markup=False, highlight=False)
    told = f", {len(found.cautions)} 处提醒 warnings" if found.cautions else ""
    idle = f", {found.idle} 条随附规则在本站点没有设备 shipped rules have no device at this site" if found.idle else ""
    say(f"{len(book.rules)} rules in {len(book.texts)} books, no mistakes{told}{idle}")
    raise typer.Exit(1 if strict and found.cautions else 0)


@rules_app.command("test")
def run_tests(
    files: Annotated[list[Path] | None, typer.Argument(help=f"Test files, or folders with *{TESTS} in them.")] = None,
    junit_file: Annotated[Path | None, typer.Option("--junit", help="Also write the results as JUnit's XML.")] = None,
) -> None:
    """Play the tests of rules: what must come, at its moment, and nothing else. 0 passed, 1 failed, 2 a test file is wrong."""
    began = time.perf_counter()
    with progress() as bar:
        stories = _stories(files or [Path()], bar)
        results = []
        task = bar.add_task("rules test", total=len(stories), count="")
        for story in stories:
            results.append(examine(story))
            if not results[-1].passed or len(stories) <= 100:
                _print_result(results[-1])
            bar.update(task, advance=1, count=f"{len(results):,}")
    if junit_file is not None:
        try:
            junit_file.write_text(junit(results), "utf-8")
        except OSError as error:
            fail(error)
    failed = sum(not result.passed for result in results)
    took = f"{time.perf_counter() - began:.1f} s"
    words = f"{len(results) - failed} 项通过 passed, {failed} 项失败 failed · {took}"
    say(words, "bold red" if failed else "bold green")
    raise typer.Exit(1 if failed else 0)


def _stories(places: Sequence[Path], bar: Progress) -> list[Story]:
    """All of them, or one report of everything wrong with any file."""
    files = [f for place in places for f in (sorted(place.rglob(f"*{TESTS}")) if place.is_dir() else [place])]
    if not files:
        fail(f"there is no *{TESTS} in {', '.join(map(str, places))}", 2)
    found: list[Mistake] = []
    stories: list[Story] = []
    task = bar.add_task("reading", total=len(files), count="")
    for file in dict.fromkeys(files):
        try:
            stories += load(file)
        except Mistakes as mistakes:
            found += mistakes.mistakes
        bar.update(task, advance=1)
    bar.remove_task(task)
    if found:
        refuse(found)
    return stories


def _print_result(result: TestResult) -> None:
    story = result.story
    mark, style = ("✓", "green") if result.passed else ("✗", "bold red")
    say(f"{mark} {story.file}:{story.line} {story.name}", style)
    if result.diff:
        say("  - 应有 expected   + 实有 got", "dim")
    for d in result.diff:
        place = f"   ← {story.file}:{d.line}" if d.sign == "-" else ""
        line = Styled(f"  {d.sign} {d.text}", _SIGNS[d.sign]).append(place, "dim")
        out.print(line, soft_wrap=True)
    for complaint in result.complaints:
        say(f"  {complaint}", "red")


rules_app.command("backtest")(backtesting.command)
rules_app.command("explain")(explaining.command)
