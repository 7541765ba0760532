"""Where rule books come from: those shipped with the program, files, and folders of files.

Reads texts and nothing of what they mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from monitor.settings.survey import suggest
from rules.document import Mistake, Mistakes

SHIPPED = "shipped:"
TESTS = ".test.yaml"
"""How the tests of rules end; they lie beside the books."""


def one_or_many(value: Any) -> Any:
    """`books: garage.yaml` is a list of one."""
    return [value] if isinstance(value, str) else value


def read_books(names: Sequence[str], file: Path, at: Callable[[int], tuple[int, int]]) -> list[tuple[str, str]]:
    """(name, text) of each book that `file` names, in order, each once. `at` is where the n-th name stands in it.

    Raises Mistakes with all that cannot be read.
    """
    out: dict[str, str] = {}
    found: list[Mistake] = []
    for i, name in enumerate(names):
        try:
            out.update(shipped_books(name) if name.startswith(SHIPPED) else written_books(file.parent, name))
        except (OSError, ValueError) as error:
            message, _, remedy = str(error).partition("; ")
            if isinstance(error, OSError):
                message, remedy = f"{name} cannot be read: {error.strerror or error}", "check the path"
            line, column = at(i)
            found.append(Mistake(str(file), line, column, f"books[{i}]", message, remedy))
    if found:
        raise Mistakes(found)
    return list(out.items())


def shipped_books(text: str) -> dict[str, str]:
    """`shipped:all` or `shipped:<name>` → name and text of each book. Raises ValueError with a remedy."""
    wanted = text.removeprefix(SHIPPED)
    folder = resources.files("rules") / "books"
    files = [f for f in folder.iterdir() if f.name.endswith(".yaml") and not f.name.endswith(TESTS)]
    books = {f.name.removesuffix(".yaml"): f for f in files}
    names = sorted(books) if wanted == "all" else [wanted]
    for name in names:
        if name not in books:
            raise ValueError(f"no book {name} is shipped; {suggest(name, ['all', *sorted(books)])}")
    return {f"{SHIPPED}{name}": books[name].read_text("utf-8") for name in names}


def written_books(folder: Path, text: str) -> dict[str, str]:
    """A file, or the books of a folder → name and text of each. Raises OSError, and ValueError with a remedy."""
    path = folder / Path(text).expanduser()
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    files = [f for f in files if not f.name.endswith(TESTS)]
    if not files:
        raise ValueError(f"{text} holds no rule book; rule books end in .yaml")
    return {str(file): file.read_text("utf-8") for file in files}
