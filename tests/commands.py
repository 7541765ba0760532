"""`wanglou` as a user types it: a process of its own, its words and its exit code, and what it cost.

Plain and synchronous; knows nothing of what the commands do. To load them takes longer than to run most of them, so they are forked
from a process that has done so (tests/forge.py), unless their environment or their memory is what matters.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
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
    peak_mb: float = 0.0
    """The most memory it held at once (resident), in MB of 1,000,000 bytes, where it was `weighed`."""


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
    if environ:
        return weighed(*arguments, cwd=cwd, **environ)
    with tempfile.NamedTemporaryFile("r") as out, tempfile.NamedTemporaryFile("r") as err:
        code = _forge().run([*map(str, arguments)], cwd, out.name, err.name)
        return Ended(code, out.read(), err.read())


class _Forge:
    """The process from which commands are forked, one after the other."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.forge"]
        # Without a buffer, so that what has not been read can be waited for.
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment(), bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        atexit.register(self._process.communicate)

    def run(self, arguments: list[str], folder: Path, out: str, err: str) -> int:
        """The exit code, negative for a signal. Raises TimeoutExpired after PATIENCE."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([arguments, str(folder), out, err]).encode() + b"\n")
        pid = int(self._process.stdout.readline())
        ended, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        if not ended:
            os.kill(pid, signal.SIGKILL)
        code = int(self._process.stdout.readline())
        if not ended:
            raise subprocess.TimeoutExpired(arguments, PATIENCE)
        return code


@cache
def _forge() -> _Forge:
    return _Forge()


def weighed(*arguments: str | Path, cwd: Path, **environ: str) -> Ended:
    """A command in a new interpreter, with more in its environment. Raises TimeoutExpired after PATIENCE."""
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
