"""`wanglou report-links`: the links of the zones and the labels to print, by the command as its users run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monitor.links import Links
from tests.running import ROOT, TOKEN, site

pytestmark = pytest.mark.live

URL = "https://fire.example.org"


def run(config: Path, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "monitor", "report-links", "--config", str(config), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert TOKEN not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def config(folder: Path, **api: object) -> Path:
    return site(folder, mqtt=1, webhook="http://127.0.0.1:1/", zones=3, api={"port": 8119, "token": TOKEN, **api})


def test_a_link_for_each_zone_that_the_daemon_will_open(tmp_path: Path) -> None:
    code, text = run(config(tmp_path, public_url=URL))
    lines = [line.split("\t") for line in text.splitlines()]
    assert (code, [zone for zone, _ in lines]) == (0, ["site0/z0", "site0/z1", "site0/z2"])
    opened = Links(URL, TOKEN.encode(), lambda: 0)
    assert [opened.read_report(url.removeprefix(f"{URL}/r/")) for _, url in lines] == [zone for zone, _ in lines]
    assert run(config(tmp_path, public_url=URL), "--zone", "site0/z1") == (0, "\t".join(lines[1]) + "\n")


def test_labels_to_print_and_nothing_is_overwritten(tmp_path: Path) -> None:
    where, sheet = config(tmp_path, public_url=URL), tmp_path / "codes.html"
    code, text = run(where, "-o", str(sheet))
    assert (code, "3 个标签" in text) == (0, True)
    assert sheet.read_text("utf-8").count("<svg") == 3
    before = sheet.read_bytes()
    code, text = run(where, "-o", str(sheet))
    assert (code, "File exists" in text, sheet.read_bytes() == before) == (2, True, True)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    code, text = run(config(tmp_path))
    assert (code, "api.public_url" in text) == (2, True)
    code, text = run(config(tmp_path, public_url=URL), "--zone", "nowhere/*")
    assert (code, "site0/z0" in text) == (2, True)


def test_another_epoch_ends_the_links_of_before(tmp_path: Path) -> None:
    _, first = run(config(tmp_path, public_url=URL))
    _, second = run(config(tmp_path, public_url=URL, report_epoch=2))
    assert set(first.split()) & set(second.split()) == {"site0/z0", "site0/z1", "site0/z2"}
