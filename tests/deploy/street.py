"""A street as deploy/prepare.sh makes it: secrets, certificates and a broker on the shipped files, all on loopback.

Only paths, ports and the listening address are exchanged in a copy of mosquitto.conf. Knows nothing of the daemon.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
from pathlib import Path

from tests.servers import HOST, Server, binary, free_port

DEPLOY = Path(__file__).parents[2] / "deploy"


def prepared(folder: Path, *names: str) -> Path:
    """A copy of the folder in which prepare.sh has run; returns its `street`."""
    if not folder.exists():
        shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns("street", ".env"))
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    done = subprocess.run(
        ["./prepare.sh", *names], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder / "street"


class ShippedBroker(Server):
    """mosquitto on deploy/mosquitto/mosquitto.conf, with the users of a prepared street. `port` is the plain one."""

    def __init__(self, street: Path) -> None:
        self.street = street
        self.passwords: dict[str, str] = {}
        super().__init__(street / "data" / "mosquitto")
        for user in ("wanglou", "display"):
            self.passwords[user] = (street / "secrets" / f"mqtt-{user}").read_text()

    @property
    def authority(self) -> Path:
        """The certificate that clients trust."""
        return self.street / "broker" / "ca.pem"

    @property
    def store(self) -> Path:
        """What the broker keeps over a restart."""
        return self.folder / "mosquitto.db"

    def add(self, *users: str) -> None:
        """Users with passwords, as docs/operations.md says; a running broker is told by `hang_up`."""
        for user in users:
            self.passwords[user] = f"password of {user}"
            command = [binary("mosquitto_passwd", "mosquitto"), "-b", str(self.street / "broker" / "passwords")]
            subprocess.run([*command, user, self.passwords[user]], check=True, capture_output=True)

    def hang_up(self) -> None:
        """SIGHUP: read users, access list and certificates again."""
        self._signal(signal.SIGHUP)

    def command(self) -> list[str]:
        text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text("utf-8")
        for shipped, here in {
            "listener 1883 127.0.0.1\n": f"listener {self.port} {HOST}\n",
            "listener 8883\n": f"listener {self.tls_port} {HOST}\n",
            "/etc/mosquitto/wanglou/": f"{self.street / 'broker'}/",
            "persistence_location /var/lib/mosquitto/\n": f"persistence_location {self.folder}/\n",
        }.items():
            assert shipped in text
            text = text.replace(shipped, here)
        if os.geteuid() == 0:
            # Otherwise the broker would change to a user who may not enter the test's folder.
            text = f"user root\n{text}"
        file = self.folder / "mosquitto.conf"
        file.write_text(text, "utf-8")
        return [binary("mosquitto", "mosquitto"), "-c", str(file)]

    def ready(self) -> bool:
        try:
            for port in (self.port, self.tls_port):
                socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            return False
        return True

    def certificate(self) -> str:
        """What the TLS port shows, in PEM."""
        return ssl.get_server_certificate((HOST, self.tls_port), ca_certs=str(self.authority))

    def _choose_ports(self) -> None:
        self.port, self.tls_port = free_port(), free_port()
