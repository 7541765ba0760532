"""What all commands share at the terminal: reading the site file or refusing it, failing in one line, and a bar while a tape is read.

Prints and ends the process; decides nothing.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from monitor import wiring
from monitor.ports import Message
from monitor.settings import Settings, load
from monitor.settings.books import TESTS, book_text
from monitor.tape import from_lines, slice_of
from rules.document import Mistake, Mistakes
from rules.model import Micros
from rules.rule import RuleBook
from rules.rulebook import load_book

# No emoji: `site.yaml:100:9` is a place, not a picture.
out = Console(emoji=False)
err = Console(stderr=True, emoji=False)

Config = Annotated[Path, typer.Option("--config", "-c", envvar="WANGLOU_CONFIG", help="The site file.")]

STRIDE = 5000
"""Messages between two steps of the bar."""


def read_site(config: Path) -> tuple[Settings, RuleBook]:
    """Site file and rule book, or one report of everything wrong with both."""
    try:
        settings = load(config, os.environ)
        return settings, load_book(settings.book_texts())
    except Mistakes as mistakes:
        refuse(mistakes.mistakes)


def book_texts(books: Sequence[Path]) -> list[tuple[str, str]]:
    """(name, text) of each file; of a folder, of its `*.yaml` but the tests. Raises Mistakes with all that cannot be read."""
    texts: list[tuple[str, str]] = []
    found: list[Mistake] = []
    for path in (file for book in books for file in _book_files(book)):
        try:
            texts.append((str(path), book_text(path)))
        except Mistakes as mistakes:
            found += mistakes.mistakes
    if found:
        raise Mistakes(found)
    return texts


def _book_files(path: Path) -> list[Path]:
    inside = [f for f in sorted(path.glob("*.yaml")) if not f.name.endswith(TESTS)] if path.is_dir() else []
    return inside or [path]


def refuse(mistakes: Iterable[Mistake]) -> NoReturn:
    """Every mistake on its line, and the end."""
    told = list(mistakes)
    for mistake in told:
        err.print(str(mistake), style="red", soft_wrap=True, markup=False, highlight=False)
    err.print(f"{len(told)} 处错误，未启动任何部分。{len(told)} mistakes, nothing was started.")
    raise typer.Exit(2)


def fail(problem: object, code: int = 1) -> NoReturn:
    """Say what is wrong, once, and end."""
    err.print(str(problem), style="red", soft_wrap=True, markup=False, highlight=False)
    raise typer.Exit(code) from None


def say(text: object, style: str = "") -> None:
    """A line on standard output as it is: neither wrapped nor coloured by guesses."""
    out.print(str(text), soft_wrap=True, markup=False, highlight=False, style=style)


def micros(moment: datetime | None, otherwise: Micros) -> Micros:
    """A moment of the user's local time."""
    return otherwise if moment is None else round(moment.astimezone().timestamp() * 1e6)


def progress() -> Progress:
    """A bar on standard error, gone when it is done; nothing where no person looks."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[count]}"), TimeRemainingColumn(),
        console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip


@contextmanager
def past(tape: Path, begin: Micros, end: Micros) -> Iterator[Iterator[Message]]:
    """The messages of a tape file or of a ledger's folder, with a progress bar on standard error."""
    with progress() as bar:
        task = bar.add_task(tape.name, total=None, count="")
        if tape.is_dir():
            with wiring.taped(tape, begin, end) as (messages, first_at, last_at):
                yield _counted(messages, bar, task, lambda m: m.at - first_at, last_at - first_at)
        else:
            with tape.open("rb") as source:
                text = io.TextIOWrapper(source, encoding="utf-8")
                messages = slice_of(from_lines(text, str(tape)), begin, end)
                yield _counted(messages, bar, task, lambda m: source.tell(), tape.stat().st_size)


def _counted(
    messages: Iterator[Message], bar: Progress, task: TaskID, position: Callable[[Message], float], total: float
) -> Iterator[Message]:
    bar.update(task, total=max(total, 1))
    for number, m in enumerate(messages, 1):
        if number % STRIDE == 0:
            bar.update(task, completed=position(m), count=f"{number:,}")
        yield m
