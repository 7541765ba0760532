"""Notices that rule books on the disk were changed, and that whoever changes them has finished.

Looks at time, size and inode, never at the content; reads nothing and decides nothing about rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from monitor.settings.books import TESTS

EVERY = 2.0
"""Seconds between two looks. A change is taken up when two looks in a row see the same: after 2 to 4 seconds."""

Signature: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""(file, time of change in ns, size, inode) of every book; a file that cannot be looked at has zeros."""


def signature(paths: Iterable[Path]) -> Signature:
    """How the books look now: files as they are, folders by the books in them."""
    files = [f for path in paths for f in (_inside(path) if path.is_dir() else [path])]
    return tuple(map(_look, files))


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(f for f in folder.glob("*.yaml") if not f.name.endswith(TESTS))
    except OSError:
        return [folder]


def _look(file: Path) -> tuple[str, int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return str(file), 0, 0, 0
    return str(file), found.st_mtime_ns, found.st_size, found.st_ino


class BookWatch:
    """Compares looks. `read` is told of every reading, also of those that somebody else asked for."""

    def __init__(self, now: Signature) -> None:
        self._read = now
        self._before = now

    def read(self, now: Signature) -> None:
        """The books were read when they looked like this (taken before they were opened)."""
        self._read = self._before = now

    def changed(self, now: Signature) -> bool:
        """Do they look otherwise than when they were read, and the same as at the last look?"""
        still, self._before = now == self._before, now
        return still and now != self._read
