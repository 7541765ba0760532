"""Certificates for tests, made on the spot with openssl: an authority, a server of 127.0.0.1, a client.

Knows files only; every instance is an authority of its own.
"""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from monitor.settings.sections import Tls
from monitor.tls import client_context


@dataclass(frozen=True)
class Keys:
    """An authority, a server and a client that it vouches for, made with openssl."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=authority"
                      " -keyout ca.key -out ca.pem")  # fmt: skip
        for name, extra in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "subjectAltName=DNS:wanglou")):
            self._openssl("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
                          f" -subj /CN={name} -addext {extra} -keyout {name}.key -out {name}.csr")  # fmt: skip
            (self.folder / f"{name}.ext").write_text(extra)
            self._openssl(f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30"
                          f" -extfile {name}.ext -out {name}.pem")  # fmt: skip

    def _openssl(self, command: str) -> None:
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True, cwd=self.folder)

    @property
    def lines(self) -> tuple[str, ...]:
        """For the listener in mosquitto.conf."""
        files = {"cafile": "ca.pem", "certfile": "server.pem", "keyfile": "server.key"}
        return tuple(f"{option} {self.folder / file}" for option, file in files.items())

    def context(self, *, ca: str = "ca.pem", client: str | None = None) -> ssl.SSLContext:
        """As the site file's `tls` section makes it."""
        shown = {"certificate": self.folder / f"{client}.pem", "key": self.folder / f"{client}.key"} if client else {}
        return client_context(Tls.model_validate({"ca": self.folder / ca, **shown}))
