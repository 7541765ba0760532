"""`wanglou` as a user types it: a process of its own, its words and its exit code, and what it cost.

Plain and synchronous; knows nothing of what the commands do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.running import ROOT

PATIENCE = 120.0
"""Seconds a command may take."""


class Ended(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str
    peak_mb: float
    """The most memory it held at once (resident), in MB of 1,000,000 bytes."""


def environment(**more: str) -> dict[str, str]:
    """For a wide terminal without colours."""
    plain = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "240", "NO_COLOR": "1", "TERM": "dumb"}
    return {**os.environ, **plain, **more}


def begin(*arguments: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """A command that goes on until it is told to stop."""
    command = [sys.executable, "-m", "monitor", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wanglou(*arguments: str | Path, cwd: Path, **environ: str) -> Ended:
    """Run a command to its end. Raises TimeoutExpired after PATIENCE."""
    command = [sys.executable, "-m", "monitor", *map(str, arguments)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, cwd=cwd, env=environment(**environ), stdout=out, stderr=err)
        try:
            code, peak_kib = _watched(process)
        except BaseException:
            process.kill()
            process.wait()
            raise
        out.seek(0)
        err.seek(0)
        return Ended(code, out.read(), err.read(), peak_kib * 1024 / 1e6)


def _watched(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Exit code and peak in KiB. Asked while it runs: the kernel's figure for an ended child begins with the parent's."""
    end, peak = time.monotonic() + PATIENCE, 0
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        if time.monotonic() > end:
            raise subprocess.TimeoutExpired(process.args, PATIENCE)
        peak = max(
            peak, *(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")), 0
        )
        time.sleep(0.02)
    return process.returncode, peak
