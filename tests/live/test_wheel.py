"""The wheel, in an empty environment without Node.js: what is in it, and that it shows the page and burns."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from tests.demo import Demo
from tests.running import ROOT

pytestmark = [pytest.mark.live, pytest.mark.slow]

WITHOUT_NODE = "/usr/bin:/bin"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the checkout as `make wheel` does; the page stands built already."""
    folder = tmp_path_factory.mktemp("dist")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
    ]
    # Built from a copy, so that other tests never see setuptools at work in the checkout.
    source = folder / "source"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    page = [str(file.relative_to(ROOT)) for file in (ROOT / "monitor/console/page").rglob("*") if file.is_file()]
    for name in [*listed.split("\0"), *page]:
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([*command, str(source)], check=True)
    [built] = folder.glob("wanglou-*.whl")
    return built


def test_it_holds_the_product_and_nothing_else(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == {"monitor", "rules", "simulators"}
    for wanted in ("monitor/console/page/index.html", "rules/books/garage.yaml", "simulators/scenarios/story.yaml"):
        assert wanted in names
    kinds = {Path(name).suffix or Path(name).name for name in names}
    assert kinds <= {".py", ".typed", ".yaml", ".html", ".js", ".css", ".svg", ".txt", ".webmanifest", ".png"}
    strange = re.compile(r"(^|/)tests?/|\.test\.|node_modules|\.map$|\.tsx?$|console/web/|package(-lock)?\.json")
    assert [name for name in names if strange.search(name)] == []


def test_the_page_names_the_licences_of_what_it_bundles(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        licences = archive.read("monitor/console/page/licences.txt").decode()
        scripts = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".js")]
    for name in ("preact", "@preact/signals", "uplot"):
        assert re.search(rf"(?i)^{re.escape(name)}\b.*\d+\.\d+", licences, re.MULTILINE), name
    assert licences.count("Permission is hereby granted") >= 3
    assert all("sourceMappingURL" not in script for script in scripts)


def test_installed_in_an_empty_environment_it_shows_the_page_and_burns(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "empty"
    venv.create(home)
    into = ["--python", str(home / "bin" / "python")]
    pip = [sys.executable, "-m", "pip", *into, "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements.txt")], check=True)
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    here = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    demo = Demo(tmp_path / "demo", "--speed", "4", command=[str(home / "bin" / "wanglou")])
    demo.environ = {**here, "PATH": WITHOUT_NODE}
    demo.cwd = tmp_path
    with demo:
        with urllib.request.urlopen(f"http://127.0.0.1:{demo.port}/", timeout=10) as answer:
            index = answer.read().decode()
        assert "make page" not in index
        for asset in re.findall(r'(?:src|href)="\.?(/[^"]+)"', index):
            with urllib.request.urlopen(f"http://127.0.0.1:{demo.port}{asset}", timeout=10) as answer:
                assert answer.status == 200
                assert answer.read()
        demo.wait_for(lambda: "派单 DISPATCH" in demo.said, "the station's phone rings", 60)
