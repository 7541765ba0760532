"""The shipped unit under a real systemd, in namespaces of its own: hardening, credentials, watchdog, reload, goodbye.

Needs root and a kernel that allows namespaces and overlays; says so where it has not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.street import DEPLOY
from tests.servers import binary

pytestmark = [pytest.mark.live, pytest.mark.slow]

NOT_ALLOWED = 77
WAIT = 90.0


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the machine inside wrote what it saw."""
    if os.geteuid() != 0:
        pytest.skip("only root may start a systemd of its own")
    binary("mosquitto", "mosquitto")
    folder = tmp_path_factory.mktemp("boot")
    for name in ("root", "report"):
        (folder / name).mkdir()
    packages = Path(pytest.__file__).parents[1]
    arguments = map(str, (folder, DEPLOY.parent, packages, sys.base_prefix))
    spaces = ["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child=SIGKILL"]
    with (folder / "boot.log").open("wb") as log:
        machine = subprocess.Popen(
            ["unshare", *spaces, str(Path(__file__).with_name("boot.sh")), *arguments],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        end = time.monotonic() + WAIT
        while not (folder / "report" / "over").exists():
            if machine.poll() == NOT_ALLOWED:
                pytest.skip("this machine does not let root mount an overlay or cgroups in a namespace")
            assert machine.poll() is None, (folder / "boot.log").read_text()[-2000:]
            assert time.monotonic() < end, f"not over within {WAIT:g} s: {seen(folder / 'report')}"
            time.sleep(0.1)
        yield folder / "report"
    finally:
        machine.kill()
        machine.wait()


def seen(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(errors="replace")[-1500:] for file in folder.iterdir()}


def properties(file: Path, mark: str = "=") -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(mark) for line in file.read_text().splitlines())}


def test_it_starts_and_is_ready(report: Path) -> None:
    started = properties(report / "started")
    assert started["ActiveState"] == "active", seen(report)
    assert started["NRestarts"] == "0"
    assert (report / "answers").read_text().split() == ["healthz", "readyz"]


def test_it_has_no_privilege_and_its_calls_are_filtered(report: Path) -> None:
    process = properties(report / "process", ":")
    assert set(process["Uid"].split()) == {"990"}
    assert {int(process[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert process["NoNewPrivs"] == "1"
    assert process["Seccomp"] == "2"


def test_secrets_are_its_own_and_its_data_too(report: Path) -> None:
    lines = (report / "files").read_text().splitlines()
    files = {name: (user, mode) for user, mode, name in map(str.split, lines)}
    assert files["/var/lib/wanglou"] == ("wanglou", "700")
    for name in ("api-token", "mqtt-password"):
        assert files[f"/run/credentials/wanglou.service/{name}"] == ("wanglou", "400")


def test_a_reload_reads_the_rules_and_one_that_hangs_is_restarted(report: Path) -> None:
    assert "rule book read again, unchanged" in (report / "log").read_text()
    restarted = properties(report / "restarted")
    assert (restarted["NRestarts"], restarted["ActiveState"]) == ("1", "active")


def test_it_stops_in_good_order(report: Path) -> None:
    stopped = properties(report / "stopped")
    assert (stopped["ActiveState"], stopped["Result"], stopped["ExecMainStatus"]) == ("inactive", "success", "0")
