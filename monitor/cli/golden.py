"""`wanglou replay --golden`, `--diff`: what a tape comes to, written to a file or held against one.

Prints and chooses the exit code: 0 the same, 1 not the same, 2 it cannot be said. The text itself is monitor/golden.py's.
"""

from __future__ import annotations

from pathlib import Path

import typer

from monitor import wiring
from monitor.cli.terminal import err, fail, past, say
from monitor.golden import NotWhole, difference, lived, played
from monitor.lookout import Lookout
from monitor.settings import Settings
from monitor.tape import BadTape
from monitor.wiring import LedgerError
from rules.document import Mistakes
from rules.model import Micros
from rules.rule import RuleBook
from rules.rulebook import load_book

HEAD = "# 望楼回放结果 What a replay comes to, a line for each thing that happened. Compare: wanglou replay TAPE --diff THIS_FILE"
_SIDE = {"-": "red", "+": "green", "@": "cyan"}


def held(
    tape: Path, settings: Settings, book: RuleBook, span: tuple[Micros, Micros], *,
    accepted: bool, settle: Micros, golden: Path | None, diff: Path | None,
) -> None:  # fmt: skip
    """Replay, then write `golden` or compare with `diff`; ends the process with its code when they differ."""
    try:
        before = None if diff is None else _read(diff)
        now = _replayed(tape, settings, book, span, accepted=accepted, settle=settle)
        if golden is not None:
            _write(golden, now)
            err.print(f"{len(now)} lines in {golden}", soft_wrap=True, markup=False, highlight=False)
    except (BadTape, LedgerError, NotWhole, Mistakes, OSError, ValueError) as problem:
        fail(problem, 2)
    if before is None:
        return
    found = difference(before, now, str(diff), f"replay of {tape}")
    for text in found:
        say(text, _SIDE.get(text[0], ""))
    if found:
        raise typer.Exit(1)
    say(f"一致 the same: {len(now)} lines")


def _replayed(
    tape: Path, settings: Settings, book: RuleBook, span: tuple[Micros, Micros], *, accepted: bool, settle: Micros
) -> list[str]:
    """A ledger is replayed whole, with all that people and providers did and under the books of its own time."""
    neighbourhood, limits = settings.neighbourhood(), wiring.limits(settings)
    if not tape.is_dir():
        with past(tape, *span) as messages:
            return played(messages, Lookout(book, neighbourhood, limits), accepted=accepted, settle=settle)
    if span != (0, 1 << 62) or settle or not accepted:
        raise ValueError(
            "the ledger is replayed whole and as it was: leave out --since, --until, --settle and --unanswered"
        )
    with wiring.present(tape) as kept:
        return list(lived(kept, Lookout(load_book([]), neighbourhood, limits)))


def _read(path: Path) -> list[str]:
    lines = path.read_text("utf-8").splitlines()
    if not lines or lines[0] != HEAD:
        raise ValueError(f"{path}:1: this is no golden file; make one with --golden")
    return lines[1:]


def _write(path: Path, lines: list[str]) -> None:
    """All or nothing."""
    half = path.with_name(f"{path.name}.half")
    half.write_text("\n".join([HEAD, *lines, ""]), "utf-8")
    half.replace(path)
