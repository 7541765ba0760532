"""Telling systemd how we are (Type=notify, sd_notify(3)). Says nothing when nobody listens; knows nothing of the daemon."""

from __future__ import annotations

import os
import socket
import time


class Notifier:
    """`ready`, `alive`, `stopping`. The socket's address and the watchdog's interval come from the environment."""

    def __init__(self, environ: os._Environ[str] | dict[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        own = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._interval = int(environ.get("WATCHDOG_USEC", "0")) / 1e6 if own else 0.0
        self._next = 0.0

    def ready(self, status: str) -> None:
        """Start-up is over."""
        self._send(f"READY=1\nSTATUS={status}")

    def alive(self) -> None:
        """Work passed through the engine. Tells systemd at most four times per interval."""
        if self._interval and (now := time.monotonic()) >= self._next:
            self._next = now + self._interval / 4
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Shutdown began."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            try:
                sock.connect(self._address)
                sock.sendall(text.encode())
            except OSError as error:
                raise OSError(f"systemd's NOTIFY_SOCKET does not take messages: {error}") from None
