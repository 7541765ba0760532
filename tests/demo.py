"""`wanglou demo` as a person starts it: a process with its children, in a folder.

Plain and synchronous, so that a test reads as a timeline. Ends only what it started.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.running import ROOT
from tests.servers import free_port


class Demo:
    """`wanglou demo` in a folder, as a person starts it."""

    def __init__(
        self, folder: Path, *arguments: str, command: Sequence[str] = (sys.executable, "-m", "monitor")
    ) -> None:
        self.folder, self.arguments, self.command = folder, arguments, command
        self.environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.cwd = ROOT
        self.out = folder.with_name("demo.out")
        self.begun = 0.0

    def start(self) -> None:
        """Until it has printed where the page is."""
        command = [*self.command, "demo", "--folder", str(self.folder), "--port", str(free_port())]
        environ = {**self.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
        self.begun = time.monotonic()
        with self.out.open("ab") as out:
            self._said = out.tell()
            self._process = subprocess.Popen(
                [*command, *self.arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.cwd, env=environ
            )
        self.wait_for(lambda: self._link(), "the page's address", 60)

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(60)

    def kill(self) -> None:
        """SIGKILL: nothing of it can clean up."""
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """Of the command."""
        return self._process.pid

    @property
    def port(self) -> int:
        """The page's."""
        return int(re.findall(r"http://127\.0\.0\.1:(\d+)/", self._link())[0])

    @property
    def token(self) -> str:
        """Of the link."""
        return self._link().partition("#login=")[2]

    @property
    def said(self) -> str:
        """Everything it printed since this start."""
        return self.out.read_bytes()[self._said :].decode("utf-8", "replace")

    def wait_for(self, true: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Until it is true; fails with what it printed."""
        end = time.monotonic() + seconds
        while not true():
            assert self._process.poll() is None, f"the demo ended while waiting for {what}:\n{self.said}"
            assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}\n{self.said}"
            time.sleep(0.1)

    def get(self, path: str) -> Any:
        """JSON from the API."""
        headers = {"Authorization": f"Bearer {self.token}"}
        with urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers), timeout=10
        ) as answer:
            return json.load(answer)

    def incidents(self) -> dict[str, dict[str, Any]]:
        """All of them, by id."""
        return {incident["id"]: incident for incident in self.get("/api/v1/incidents")["items"]}

    def children(self) -> list[int]:
        """The processes that it says are its own."""
        return [int(file.read_text()) for file in (self.folder / "logs").glob("*.pid")]

    def __enter__(self) -> Demo:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            assert self.stop() == 0, self.said

    def _link(self) -> str:
        found = re.findall(r"http://127\.0\.0\.1:\d+/#login=\S+", self.said)
        return found[0] if found else ""
