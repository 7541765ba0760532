"""Where rule books come from: those shipped with the program, files, and folders of files.

Reads texts and nothing of what they mean.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from monitor.settings.survey import suggest
from rules.document import Mistake, Mistakes
from rules.rulebook import TEXT_LIMIT

BYTES_LIMIT = 4 * TEXT_LIMIT
"""What so many characters take at most in UTF-8."""
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
        except Mistakes as error:
            found += error.mistakes
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
    """A file, or the books of a folder → name and text of each.

    Raises OSError when there is no such path, ValueError with a remedy, and Mistakes with each file that cannot be read.
    """
    path = folder / Path(text).expanduser()
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    files = [f for f in files if not f.name.endswith(TESTS)]
    if not files:
        raise ValueError(f"{text} holds no rule book; rule books end in .yaml")
    path.stat()
    out: dict[str, str] = {}
    found: list[Mistake] = []
    for file in files:
        try:
            out[str(file)] = book_text(file)
        except Mistakes as error:
            found += error.mistakes
    if found:
        raise Mistakes(found)
    return out


def book_text(file: Path) -> str:
    """What is written in one book. Raises Mistakes, without reading it, for what is no file or too large for a book."""
    data = b""
    message, remedy = "", "check the path"
    try:
        seen = file.stat()
        if stat.S_ISDIR(seen.st_mode):
            message, remedy = "cannot be read: it is a folder", "a rule book is a file that ends in .yaml"
        elif not stat.S_ISREG(seen.st_mode):
            message = "cannot be read: it is no file"
        elif seen.st_size > BYTES_LIMIT:
            message, remedy = f"the file has {seen.st_size} bytes; at most {TEXT_LIMIT} characters are read", "split it"
        else:
            data = file.read_bytes()
            return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Mistakes([Mistake(str(file), line, 1, "", "is not UTF-8 text", "save the file as UTF-8")]) from None
    raise Mistakes([Mistake(str(file), 1, 1, "", message, remedy)])
