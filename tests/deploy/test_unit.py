"""The systemd unit as systemd itself reads it: no complaint, little exposure, and the daemon's own times respected."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from monitor.app import DRAIN, EMPTY, TAIL
from tests.deploy.street import DEPLOY
from tests.servers import binary

MOST_EXPOSED = 1.5
"""Of 10; `systemd-analyze security` calls 2 and less OK. What is left is the network, which is the daemon's trade."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with its drop-in, its programs exchanged for some that exist on this machine."""
    file = tmp_path / "wanglou.service"
    text = (DEPLOY / "systemd" / "wanglou.service").read_text("utf-8")
    file.write_text(text.replace("/opt/wanglou/bin/wanglou", "/bin/true"), "utf-8")
    (tmp_path / "wanglou.service.d").mkdir()
    shutil.copy(DEPLOY / "systemd" / "credentials.conf", tmp_path / "wanglou.service.d")
    return file


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = binary("systemd-analyze", "systemd")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def test_systemd_has_no_complaint(unit: Path) -> None:
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_word_that_systemd_does_not_know_would_be_told(unit: Path) -> None:
    unit.write_text(unit.read_text("utf-8").replace("ProtectHome=yes", "ProtectHomes=yes"), "utf-8")
    assert "ProtectHomes" in analyze("verify", "--man=no", unit).stderr


def test_little_of_the_machine_is_exposed(unit: Path) -> None:
    done = analyze("security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for wanglou.service: ([\d.]+)", done.stdout)
    assert found is not None, done.stderr
    print(f"\nexposure: {found[1]} of 10")
    assert float(found[1]) <= MOST_EXPOSED


def test_the_units_times_fit_the_daemons() -> None:
    said = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / "systemd" / "wanglou.service").read_text("utf-8"), re.MULTILINE))
    assert float(said["TimeoutStopSec"]) >= 2 * (DRAIN + EMPTY + TAIL)
    assert said["Type"] == "notify"
    assert said["RestartPreventExitStatus"] == "2"
    assert float(said["WatchdogSec"]) > 0
