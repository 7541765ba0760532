"""How far a run has come, kept in a small file that survives a crash at any moment. Knows no feed and no broker.

Written to a file beside it, synced, renamed over the old one: there is always a whole one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path


class BookmarkError(ValueError):
    """The file is no bookmark, or one of another run; names the file and the remedy."""


class Bookmark:
    """The place in one run: `run` says which (scenario, seed, size)."""

    def __init__(self, path: Path, run: str) -> None:
        self.path = path
        self.run = run

    def read(self) -> int:
        """Milliseconds of simulated time; 0 when there is no file yet. Raises BookmarkError."""
        remedy = "删除它以重新开始 delete it to begin anew, or write another --resume"
        try:
            data = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return 0
        except ValueError:
            raise BookmarkError(f"{self.path}: 不是进度文件 is no bookmark ({remedy})") from None
        match data:
            case {"run": str(run), "at_ms": int(at_ms)} if at_ms >= 0 and at_ms is not True:
                if run != self.run:
                    raise BookmarkError(
                        f"{self.path}: run: 属于另一次运行 belongs to `{run}`, not `{self.run}` ({remedy})"
                    )
                return at_ms
        raise BookmarkError(f"{self.path}: run, at_ms: 缺失 are missing ({remedy})")

    def write(self, at_ms: int) -> None:
        """Keep the place. Raises OSError."""
        fresh = self.path.with_name(self.path.name + ".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"run": self.run, "at_ms": at_ms}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
