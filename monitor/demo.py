"""One command, and a neighbourhood burns: broker, simulated neighbourhood, station's phone and daemon, in one folder, on loopback.

Knows the simulators by their commands only, and the daemon by its settings, so the demo is the real thing on made-up readings.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from monitor.app import Daemon
from monitor.brokers import broker_command
from monitor.children import Child

HOST = "127.0.0.1"
MARK = "demo.yaml"
"""The site file of the demo; also the mark by which a folder is known to be a demo's."""
PYTHON = (sys.executable, "-P", "-m")
"""A module of ours, and not of a folder of that name where the demo happens to be started."""
STORY = "story.json"
"""Where in its scenario the neighbourhood is."""


class DemoError(Exception):
    """The demo cannot start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Demo:
    """Where the demo lives, and on which ports of loopback."""

    folder: Path
    page: int
    broker: int
    phone: int

    @property
    def site_file(self) -> Path:
        """What the daemon runs on."""
        return self.folder / MARK

    @property
    def link(self) -> str:
        """The page's address; what stands behind # logs in and never leaves the browser."""
        return f"http://{HOST}:{self.page}/#login={self._secret('api-token')}"

    def _secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Act:
    """What the neighbourhood plays: a scenario of the simulators, how fast, by which seed, with how many devices (0: its own)."""

    scenario: str = "story"
    speed: float = 1.0
    seed: int = 1
    devices: int = 0


def prepare(folder: Path, act: Act, *, port: int, fresh: bool = False) -> Demo:
    """Make the folder, or take the one of an earlier start as it is; `fresh`: without what it remembers. Raises DemoError."""
    folder = folder.absolute()
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise DemoError(f"{folder} 里有别的文件。{folder} holds other things: name an empty folder with --folder")
    if fresh:
        for remembered in ("data", "broker"):
            shutil.rmtree(folder / remembered, ignore_errors=True)
        (folder / STORY).unlink(missing_ok=True)
    (folder / "secrets").mkdir(parents=True, exist_ok=True)
    _keep_secret(folder / "secrets" / "api-token", secrets.token_urlsafe(24))
    _keep_secret(folder / "secrets" / "webhook-secret", "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
    _keep_secret(folder / "secrets" / "duty-mobile", "13800000000")
    demo = Demo(folder, _free(port), _free(), _free())
    demo.site_file.write_text(_site_file(demo, _neighbourhood(act)), "utf-8")
    return demo


async def perform(demo: Demo, daemon: Daemon, act: Act, started: Callable[[], None]) -> None:
    """Broker, phone, daemon, neighbourhood, in this order, and back in the other one, until the daemon is told to stop.

    `started` is called when all of it runs. Raises ChildError, NoBroker, and what the daemon raises.
    """
    logs = demo.folder / "logs"
    phone = [*PYTHON, "simulators.phone", "--port", str(demo.phone)]
    phone += ["--secret-file", str(demo.folder / "secrets" / "webhook-secret")]
    broker = broker_command(demo.folder / "broker", demo.broker)
    async with (
        Child("broker", broker, logs, ready=lambda: _listens(demo.broker)),
        Child("phone", phone, logs, ready=lambda: _listens(demo.phone), to_terminal=True),
    ):
        running = asyncio.create_task(daemon.run(), name="daemon")
        try:
            watching = asyncio.create_task(daemon.ready())
            await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
            watching.cancel()
            if not running.done():
                before = _written(demo.folder / STORY)
                async with Child(
                    "neighbourhood", _acting(demo, act), logs, ready=lambda: _written(demo.folder / STORY) != before
                ):
                    started()
                    # The daemon alone hears the signals; when it has stopped, everything else follows.
                    await asyncio.wait({running})
        finally:
            daemon.stop()
            await running


def _written(file: Path) -> int:
    """When it was last written, in ns; 0: never."""
    return file.stat().st_mtime_ns if file.exists() else 0


def _acting(demo: Demo, act: Act) -> list[str]:
    command = [*PYTHON, "simulators", "run", act.scenario, "--host", HOST, "--port", str(demo.broker)]
    command += ["--resume", str(demo.folder / STORY), "--speed", f"{act.speed:g}", "--seed", str(act.seed)]
    return [*command, *_size(act)]


def _size(act: Act) -> list[str]:
    return ["--devices", str(act.devices)] if act.devices else []


def _neighbourhood(act: Act) -> Any:
    command = [*PYTHON, "simulators", "site", *_size(act)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own module
    if done.returncode:
        raise DemoError(f"the simulators do not say what they simulate: {done.stderr.strip()[-500:]}")
    return yaml.safe_load(done.stdout)


def _site_file(demo: Demo, sites: Any) -> str:
    zones = [f"{site['id']}/*" for site in sites]
    station = {
        "id": "south-gate",
        "name": {"zh": "南门微型消防站", "en": "South gate fire post"},
        "zones": zones,
        "recipients": [{"channel": "phone", "kinds": ["FIRE", "PREALARM", "SUPERVISORY", "FAULT"]}, "topics"],
        "people": ["leader"],
        "shifts": [
            {"name": "day", "hours": "08:00-20:00", "people": ["duty-day"]},
            {"name": "night", "hours": "20:00-08:00", "people": ["duty-night"]},
        ],
    }
    mobile = {"file": "secrets/duty-mobile"}
    people = [
        {"id": key, "name": {"zh": zh, "en": en}, "role": role, "channels": ["text-message"], "mobile": mobile}
        for key, zh, en, role in (
            ("duty-day", "白班值班员", "Day duty officer", "responder"),
            ("duty-night", "夜班值班员", "Night duty officer", "responder"),
            ("leader", "值班站长", "Duty leader", "leader"),
        )
    ]
    data = {
        "mqtt": {"host": HOST, "port": demo.broker},
        "data": {"folder": "data", "retention": {"tape_days": 30, "tape_max_bytes": "2GB"}},
        "history": {"kind": "embedded"},
        "api": {
            "host": HOST,
            "port": demo.page,
            "token": {"file": "secrets/api-token"},
            # Links in calls and codes on walls open on this machine's browsers alone.
            "public_url": f"http://{HOST}:{demo.page}",
        },
        "channels": {
            "phone": {
                "kind": "webhook",
                "url": f"http://{HOST}:{demo.phone}/",
                "secrets": [{"file": "secrets/webhook-secret"}],
                "timeout": "5s",
            },
            "text-message": {
                "kind": "sms",
                "gateway": {
                    "kind": "generic",
                    "url": f"http://{HOST}:{demo.phone}/sms",
                    "headers": {"X-Gateway-Key": {"file": "secrets/webhook-secret"}},
                    "body": {"key": "{key}", "name": "{name}", "text": "{text}", "link": "{link}"},
                },
                "timeout": "5s",
            },
            "topics": {"kind": "mqtt"},
        },
        "people": people,
        "sites": sites,
        "stations": [station],
    }
    head = "# 演示用，每次启动重写。Written anew at each start of the demo; a real one: deploy/site.example.yaml\n"
    return head + yaml.safe_dump(data, allow_unicode=True, sort_keys=False)


def _keep_secret(file: Path, new: str) -> None:
    with suppress(FileExistsError), os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
        out.write(new)


def _free(wanted: int = 0) -> int:
    """The port that is wanted, or the next of the twenty after it that nobody has; 0: any."""
    for port in range(wanted, wanted + 20) if wanted else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            return int(probe.getsockname()[1])
    raise DemoError(
        f"端口 {wanted} 起都被占用。No port from {wanted} to {wanted + 19} is free: choose another with --port"
    )


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True
