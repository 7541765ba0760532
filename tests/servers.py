"""Real servers for tests: mosquitto, InfluxDB, VictoriaMetrics, on free loopback ports, data in a folder of the test.

Knows nothing of Wanglou; plain blocking code, so that tests with and without an event loop can use it.

    with mosquitto(tmp_path) as broker:      # ready when the block is entered
        broker.kill()                        # SIGKILL
        broker.start()                       # same port, same data
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

HOST = "127.0.0.1"
READY_SECONDS = 30.0
STOP_SECONDS = 30.0
MORE_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")


def free_port() -> int:
    """A TCP port of loopback that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def binary(name: str, package: str) -> str:
    """Where a program is, sbin folders included. Raises RuntimeError naming the Debian package when there is none."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *MORE_FOLDERS])
    found = shutil.which(name, path=path)
    if found is None:
        raise RuntimeError(
            f"{name} is not installed: install the Debian package '{package}' (apt-get install {package})"
        )
    return found


class Server(ABC):
    """One server process: `start`, `stop` and `kill` as often as wanted, on one port and one data folder.

    Only the process started here is ever signalled, by its own id.
    """

    def __init__(self, folder: Path) -> None:
        """Make `folder`; take a port, and keep it for every later start."""
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._choose_ports()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:port`."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        """Has it been started and not ended?"""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until it answers. Raises RuntimeError with the end of its log when it does not."""
        if self.running:
            return
        first = not self.log.exists()
        for attempt in range(3):
            problem = self._launch()
            if problem is None:
                return
            # Only before anybody has been told the port may another one be taken: somebody was quicker.
            if not first or attempt == 2:
                raise RuntimeError(f"{self.command()[0]} {problem}:\n{self._log_tail()}")
            self._choose_ports()

    def stop(self) -> None:
        """End it in good order (SIGTERM) and wait; SIGKILL when it does not go within STOP_SECONDS."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once (SIGKILL) and wait."""
        self._end(signal.SIGKILL)

    def suspend(self) -> None:
        """Let it hang (SIGSTOP): connections stay open and nothing answers. `resume` undoes it."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `suspend`."""
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments; writes its configuration file when it has one."""

    @abstractmethod
    def ready(self) -> bool:
        """Does it answer?"""

    def _choose_ports(self) -> None:
        self.port = free_port()

    def _launch(self) -> str | None:
        command = self.command()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder
            )
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            if self._process.poll() is not None:
                return f"ended at once with code {self._process.returncode}"
            if self.ready():
                return None
            time.sleep(0.02)
        self.kill()
        return f"did not answer within {READY_SECONDS:g} s"

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        self._signal(number)
        self._signal(signal.SIGCONT)  # a suspended process does not see SIGTERM before it goes on
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
        self._process = None

    def _log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else "(no log)"


class Mosquitto(Server):
    """The MQTT broker.

    `config` is what mosquitto.conf says beyond or instead of DEFAULTS; `lines` come last, as they are.
    """

    DEFAULTS: ClassVar[dict[str, str]] = {
        "allow_anonymous": "true",
        "persistence": "true",
        "autosave_interval": "1",
        "max_queued_messages": "0",
        "max_queued_bytes": "0",
        "max_inflight_messages": "1000",
        "set_tcp_nodelay": "true",
        "sys_interval": "1",
        # As root the broker would change to a user who may not enter the test's folder.
        "user": "root",
        "log_dest": "stderr",
    }

    def __init__(self, folder: Path, *lines: str, **config: str | int | bool) -> None:
        self.lines = lines
        self.config = self.DEFAULTS | {key: _conf_value(value) for key, value in config.items()}
        super().__init__(folder)

    @property
    def address(self) -> str:
        """`127.0.0.1:port`."""
        return f"{HOST}:{self.port}"

    def command(self) -> list[str]:
        file = self.folder / "mosquitto.conf"
        # Options that belong to a listener must follow it; the others may stand anywhere.
        text = [f"listener {self.port} {HOST}", f"persistence_location {self.folder}/"]
        text += [f"{key} {value}" for key, value in self.config.items()]
        file.write_text("\n".join([*text, *self.lines]) + "\n")
        return [binary("mosquitto", "mosquitto"), "-c", str(file)]

    def ready(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True


class InfluxDB(Server):
    """InfluxDB 1.x. `auth` asks for user and password (create the admin user first, over /query)."""

    def __init__(self, folder: Path, *, auth: bool = False, http: str = "") -> None:
        """`http` is added to the [http] section, a line per setting."""
        self.auth = auth
        self.http = http
        super().__init__(folder)

    def command(self) -> list[str]:
        file = self.folder / "influxdb.conf"
        file.write_text(_INFLUXDB_CONF.format(server=self, auth=_conf_value(self.auth)))
        return [binary("influxd", "influxdb"), "run", "-config", str(file)]

    def ready(self) -> bool:
        return _answers(self.port, "/ping") == 204

    def _choose_ports(self) -> None:
        self.port = free_port()
        self.rpc_port = free_port()


class VictoriaMetrics(Server):
    """VictoriaMetrics, single node. `flags` are added to the command line.

    Duplicates of one millisecond are merged, fresh points are readable at once, and nothing is too old to be kept.
    """

    def __init__(self, folder: Path, *flags: str) -> None:
        self.flags = flags
        super().__init__(folder)

    def command(self) -> list[str]:
        return [
            binary("victoria-metrics", "victoria-metrics"),
            f"-storageDataPath={self.folder / 'data'}",
            f"-httpListenAddr={HOST}:{self.port}",
            "-retentionPeriod=100y",
            "-dedup.minScrapeInterval=1ms",
            "-search.latencyOffset=0s",
            "-search.disableCache",
            "-loggerLevel=WARN",
            *self.flags,
        ]

    def ready(self) -> bool:
        return _answers(self.port, "/health") == 200


@contextlib.contextmanager
def mosquitto(tmp_path: Path, *lines: str, **config: str | int | bool) -> Iterator[Mosquitto]:
    """A running broker, stopped at the end of the block."""
    with Mosquitto(tmp_path / "mosquitto", *lines, **config) as server:
        yield server


@contextlib.contextmanager
def influxdb(tmp_path: Path, *, auth: bool = False, http: str = "") -> Iterator[InfluxDB]:
    """A running InfluxDB 1.x, stopped at the end of the block."""
    with InfluxDB(tmp_path / "influxdb", auth=auth, http=http) as server:
        yield server


@contextlib.contextmanager
def victoria_metrics(tmp_path: Path, *flags: str) -> Iterator[VictoriaMetrics]:
    """A running VictoriaMetrics, stopped at the end of the block."""
    with VictoriaMetrics(tmp_path / "victoria-metrics", *flags) as server:
        yield server


def _conf_value(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _answers(port: int, path: str) -> int:
    """The status of GET, 0 when nobody answers. Straight to loopback: no proxy of the environment is asked."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


_INFLUXDB_CONF = """\
reporting-disabled = true
bind-address = "127.0.0.1:{server.rpc_port}"
[meta]
  dir = "{server.folder}/meta"
  logging-enabled = false
[data]
  dir = "{server.folder}/data"
  wal-dir = "{server.folder}/wal"
  index-version = "inmem"
  query-log-enabled = false
  max-series-per-database = 0
  max-values-per-tag = 0
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
[http]
  bind-address = "127.0.0.1:{server.port}"
  auth-enabled = {auth}
  log-enabled = false
  suppress-write-log = true
  {server.http}
[logging]
  level = "warn"
  suppress-logo = true
"""
