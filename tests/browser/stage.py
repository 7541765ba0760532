"""What the browser tests stand on: a wire that can be cut, and screens that remember every error of the page.

Plain and synchronous, so that a test reads as a timeline.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize, sync_playwright

from tests.running import ROOT
from tests.servers import binary

DESK: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
ARTEFACTS = Path(os.environ.get("WANGLOU_SCREENSHOTS") or ROOT / ".build" / "screenshots")
"""Where screenshots are kept for people to look at."""

_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_EXPECTED = re.compile(r"net::ERR_|Failed to load resource")
"""What Chromium itself writes to the console when the network is cut, or an answer is an error that the page handles."""


class Wire:
    """A TCP connection to the daemon that can be cut (refused, reset) or go dead (nothing comes, nothing is told)."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._whole = threading.Event()
        self._whole.set()
        self._cut = False
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._ear = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._ear.getsockname()[1])
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        """Every connection breaks, new ones too."""
        self._cut = True
        with self._lock:
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def go_dead(self) -> None:
        """Connections stay; nothing passes."""
        self._whole.clear()

    def mend(self) -> None:
        """As if nothing had been."""
        self._cut = False
        self._whole.set()

    def close(self) -> None:
        """For good."""
        self.mend()
        self.cut()
        self._ear.close()

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self._ear.accept()
            except OSError:
                return
            if self._cut:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._to))
            with self._lock:
                self._ends |= {near, far}
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._whole.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary("chromium", "chromium"), args=_QUIET)
        try:
            yield browser
        finally:
            browser.close()


class Screen:
    """Somebody's screen: a browser profile of its own, with every error of the page remembered."""

    def __init__(self, browser: Browser, port: int, *, size: ViewportSize = DESK, language: str = "zh-CN") -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.errors: list[str] = []
        self.context: BrowserContext = browser.new_context(viewport=size, locale=language)
        self.context.set_default_timeout(30_000)
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._listen)

    def open(self, token: str) -> Page:
        """By the link that the demo prints."""
        self.page.goto(f"{self.origin}/#login={token}")
        return self.page

    def go(self, path: str) -> Page:
        """Another view, by its address."""
        self.page.goto(f"{self.origin}/#{path}")
        return self.page

    def keep(self, name: str) -> None:
        """A screenshot for people."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png")

    def close(self) -> None:
        """Fails when the page had any error that nobody expected."""
        self.context.close()
        assert self.errors == []

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _EXPECTED.search(message.text):
            self.errors.append(message.text)
