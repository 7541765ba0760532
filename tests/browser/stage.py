"""What the browser tests stand on: a wire that can be cut, a small house that can burn, screens that remember every error of the page.

Plain and synchronous, so that a test reads as a timeline.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize, expect, sync_playwright

from tests.publisher import Neighbours, Outgoing, publish
from tests.running import ROOT, TOKEN, Hook, Wanglou, hook, site
from tests.servers import Mosquitto, binary, free_port, mosquitto

DESK: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
ARTEFACTS = Path(os.environ.get("WANGLOU_SCREENSHOTS") or ROOT / ".build" / "screenshots")
"""Where screenshots are kept for people to look at."""
PATIENCE = 30_000
"""Milliseconds that whatever is expected of a page may take on a busy machine."""
expect.set_options(timeout=PATIENCE)

_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_EXPECTED = re.compile(r"net::ERR_|Failed to load resource|does not support the Push API in incognito mode")
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


BOOK = """
version: 1
rules:
  - id: smoke
    kind: FIRE
    devices: [smoke_detector]
    when: smoke_density > 0.5
    clear: smoke_density < 0.3
    title: {zh: 感烟报警, en: Smoke alarm}
    advice: {zh: 立即到场核实, en: Go and look at once}
  - id: warm
    kind: PREALARM
    devices: [smoke_detector]
    when: temperature > 50
    clear: temperature < 45
    title: {zh: 温度偏高, en: Too warm}
  - id: opened
    kind: SUPERVISORY
    devices: [smoke_detector]
    when: tamper
    clear: not tamper
    title: {zh: 探测器被拆, en: Detector opened}
  - id: low-battery
    kind: FAULT
    devices: [smoke_detector]
    when: battery < 10
    clear: battery > 20
    title: {zh: 电池电量低, en: Battery low}
"""


def _crew(url: str) -> dict[str, Any]:
    """Wang is reached by `group`, but not by `pager`; Li leads; East reinforces; above them is 119. The ladder climbs within seconds,
    and there is always a next call."""
    nowhere = f"http://127.0.0.1:{free_port()}/"
    rungs = (("0s", ["station", "duty"]), ("4s", ["duty", "leader"]), ("8s", ["neighbour"]), ("12s", ["authority"]))
    people = (
        ("wang", "王值班", "Wang", "responder"),
        ("li", "李站长", "Li", "leader"),
        ("chen", "陈队员", "Chen", "responder"),
    )
    channels = {"hook": url, "group": url, "pager": nowhere, "fire-119": url}
    return {
        "channels": {name: {"kind": "webhook", "url": to} for name, to in channels.items()} | {"topics": {"kind": "mqtt"}},
        "people": [
            {"id": key, "name": {"zh": zh, "en": en}, "role": role, "channels": ["pager", "group"] if key == "wang" else ["group"]}
            for key, zh, en, role in people
        ],
        "stations": [
            {
                "id": "post", "name": {"zh": "西门微型消防站", "en": "West gate post"}, "zones": ["*"],
                "recipients": ["hook", "topics"], "people": ["wang", "li"], "neighbours": ["east"],
            },
            {
                "id": "east", "name": {"zh": "东门微型消防站", "en": "East gate post"}, "zones": ["*"],
                "recipients": ["group"], "people": ["chen"],
            },
            {
                "id": "fire-119", "name": {"zh": "119 指挥中心", "en": "119"}, "zones": ["*"], "recipients": ["fire-119"],
                "authority": True,
            },
        ],
        "ladders": {
            "FIRE": {"rungs": [{"after": after, "call": call} for after, call in rungs], "repeat": ["duty"], "every": "55s"},
        },
    }  # fmt: skip


class House:
    """A broker, a daemon and whom it calls; four zones `z0` to `z3`, a device `z1-a` is in `z1`."""

    def __init__(self, broker: Mosquitto, called: Hook, daemon: Wanglou) -> None:
        self.broker, self.called, self.daemon = broker, called, daemon
        self._clock = Neighbours([])

    def says(self, device: str, **values: float | bool | str) -> None:
        """A device of the house measures; the broker has it when this returns."""
        self.say_all({device: values})

    def say_all(self, said: Mapping[str, Mapping[str, float | bool | str]]) -> None:
        """Many devices measure, in this order."""
        messages = []
        for device, values in said.items():
            quiet = self._clock.reading(f"site0/{device}", 0.01)
            messages.append(Outgoing(quiet.topic, json.dumps(json.loads(quiet.payload) | values).encode()))
        publish(self.broker.port, messages)

    def incident(self, device: str, kind: str) -> str:
        """The id of the incident of this kind that the device is part of, once there is one."""
        found: list[Mapping[str, Any]] = []

        def there() -> bool:
            items = self.daemon.get("/api/v1/incidents")["items"]
            found[:] = [it for it in items if it["kind"] == kind and f"site0/{device}" in it["devices"]]
            return bool(found)

        self.daemon.wait_for(there, f"{kind} of {device}")
        return str(found[0]["id"])

    def burns(self, device: str) -> str:
        """The device sees thick smoke; the incident's id."""
        self.says(device, smoke_density=0.9)
        return self.incident(device, "FIRE")

    def move(self, incident: str, verb: str, **more: str) -> None:
        """Somebody else does something, elsewhere."""
        self.daemon.call("POST", f"/api/v1/incidents/{incident}/{verb}", {"by": "王队长", "note": "", **more})

    @property
    def token(self) -> str:
        """That logs in."""
        return TOKEN


@contextmanager
def house(
    folder: Path,
    *,
    compound: Mapping[str, Any] | None = None,
    crew: bool = False,
    amended: Mapping[str, Mapping[str, Any]] | None = None,
    **settings: Any,
) -> Iterator[House]:
    """Running until the end of the block; `settings` go into its site file, what is `amended` into sections that are there already.

    With a `crew` there are people to be called; a `compound` takes the place of the house.
    """
    with mosquitto(folder) as broker, hook() as called:
        if crew:
            settings = _crew(called.url) | settings
        config = site(folder, mqtt=broker.port, webhook=called.url, zones=4, book=BOOK, **settings)
        written = yaml.safe_load(config.read_text("utf-8"))
        if compound is not None:
            written["sites"] = [compound]
        for section, more in (amended or {}).items():
            written[section] |= more
        config.write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
        with Wanglou(config) as daemon:
            yield House(broker, called, daemon)


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

    def __init__(
        self, browser: Browser, port: int, *, size: ViewportSize = DESK, language: str = "zh-CN", **more: Any
    ) -> None:
        """`more` goes to the browser's new context."""
        self.origin = f"http://127.0.0.1:{port}"
        self.errors: list[str] = []
        self.context: BrowserContext = browser.new_context(viewport=size, locale=language, **more)
        self.context.set_default_timeout(PATIENCE)
        self.context.on("weberror", lambda error: self.errors.append(str(error.error)))
        self.context.on("console", self._listen)
        self.page: Page = self.context.new_page()

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
        assert not self.errors, self.errors

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _EXPECTED.search(message.text):
            self.errors.append(message.text)
