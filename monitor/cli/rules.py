"""`wanglou rules …`: rule books checked, tested, compared with the past, and explained.

Reads arguments and prints for people; the work is done by the modules of monitor/ it calls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.terminal import Config, book_texts, out, read_site, refuse
from rules.document import Mistakes
from rules.rulebook import load_book

rules_app = typer.Typer(no_args_is_help=True, help="规则 Rule books.")


@rules_app.command("check")
def check(
    books: Annotated[list[Path] | None, typer.Argument(help="Rule books; default: those of the site file.")] = None,
    config: Config = Path("site.yaml"),
) -> None:
    """Report every mistake in the rule books at once."""
    if books:
        try:
            book = load_book(book_texts(books))
        except Mistakes as mistakes:
            refuse(mistakes.mistakes)
    else:
        _, book = read_site(config)
    out.print(f"{len(book.rules)} rules in {len(book.texts)} books, no mistakes")
