"""Child processes that live as long as their block: started, watched, started again when they die, ended in good order.

Knows nothing of what they do. Only processes that were started here are ever signalled, by their own id.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

READY = 20.0
STOP = 10.0
PAUSE, LONGEST_PAUSE = 0.5, 10.0
WELL = 30.0
"""Seconds: to become ready; to end after SIGTERM; before another start, growing; until a start counts as a success."""

log = structlog.get_logger(__name__)


class ChildError(Exception):
    """A child did not start. The message holds the end of what it said."""


class Child:
    """One process while the block runs, started again whenever it fails; one that ends well (exit code 0) has done its work.

    Its output goes to `folder/name.log`, or to our standard output. `folder/name.pid` lets the next start end a process that a
    SIGKILL of ours has left behind. Entering raises ChildError when it is not `ready` within 20 s.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        *,
        ready: Callable[[], bool] = lambda: True,
        to_terminal: bool = False,
    ) -> None:
        self._name, self._command, self._ready = name, command, ready
        self._log = None if to_terminal else folder / f"{name}.log"
        self._pid = folder / f"{name}.pid"

    async def __aenter__(self) -> Self:
        self._pid.parent.mkdir(parents=True, exist_ok=True)
        await self._end_left_over()
        await self._start()
        try:
            await self._until_ready()
        except BaseException:
            await self._end()
            raise
        self._watch = asyncio.create_task(self._keep_up(), name=f"child:{self._name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.cancel()
        await asyncio.wait([self._watch])
        await self._end()

    @property
    def pid(self) -> int:
        """Of the process that runs, or ran last."""
        return self._process.pid

    async def _start(self) -> None:
        output = None if self._log is None else os.open(self._log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        try:
            # A session of its own: Ctrl-C in the terminal reaches us alone, and we end the children in our order.
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        finally:
            if output is not None:
                os.close(output)
        self._pid.write_text(str(self._process.pid), "utf-8")

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(READY):
                while not self._ready():
                    if self._process.returncode is not None:
                        raise ChildError(f"{self._name} ended at once, code {self._process.returncode}\n{self._said()}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ChildError(f"{self._name} is not ready after {READY:.0f} s\n{self._said()}") from None

    async def _keep_up(self) -> None:
        loop, pause = asyncio.get_running_loop(), PAUSE
        while True:
            since = loop.time()
            if (code := await self._process.wait()) == 0:
                return
            if loop.time() - since > WELL:
                pause = PAUSE
            log.warning("a child failed and is started again", child=self._name, code=code, said=self._said(200))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            await self._start()

    async def _end(self) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._pid.unlink(missing_ok=True)

    async def _end_left_over(self) -> None:
        """End what an earlier start of ours left running."""
        pid = self._left_over()
        if pid is None:
            return
        log.warning("ending what an earlier start left running", child=self._name, pid=pid)
        os.kill(pid, signal.SIGTERM)
        for _ in range(round(STOP / 0.1)):
            await asyncio.sleep(0.1)
            if self._left_over() is None:
                return
        os.kill(pid, signal.SIGKILL)

    def _left_over(self) -> int | None:
        """The number in the file is no proof, since numbers are used again: the command line must have our paths in it."""
        try:
            pid = int(self._pid.read_text("utf-8"))
            words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        except (OSError, ValueError):
            return None
        ours = {os.fsencode(word) for word in self._command[1:] if Path(word).is_absolute()}
        return pid if ours and ours <= set(words) else None

    def _said(self, characters: int = 2000) -> str:
        if self._log is None or not self._log.exists():
            return ""
        return self._log.read_text("utf-8", "replace")[-characters:]
