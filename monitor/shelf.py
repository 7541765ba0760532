"""A folder of small files with a bound: photos of reporters, and how reporters can be reached.

Knows neither what is in them nor who may see it. A file is there whole or not at all; the oldest go first when the bound bites.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(\.[a-z0-9]{1,5})?")


class Shelf:
    """For one process. Every method blocks on the disk: call them beside the event loop."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    def keep(self, name: str, content: bytes) -> None:
        """Write it durably, or touch it when it is there already; then let the oldest go. Raises OSError, ValueError for a name."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a name for the shelf: {name[:40]!r}")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / name
        if path.exists():
            os.utime(path)
            return
        part = self._folder / f".{name}.{secrets.token_hex(4)}"
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        self._prune(keeping=path)

    def read(self, name: str) -> bytes | None:
        """What was kept under a name; None when it is not there (any more). Raises OSError."""
        if not _NAME.fullmatch(name):
            return None
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def _prune(self, *, keeping: Path) -> None:
        found = sorted((path.stat().st_mtime_ns, path.stat().st_size, path) for path in self._folder.iterdir())
        total = sum(size for _, size, _ in found)
        for _, size, path in found:
            if total <= self._most_bytes:
                return
            if path != keeping:
                path.unlink(missing_ok=True)
                total -= size
