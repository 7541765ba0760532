"""Children on real processes: started, kept up, ended in good order, and never somebody else's."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.children import Child, ChildError

PYTHON = [sys.executable, "-c"]
SLEEPS = "import sys, time\nprint('up', flush=True)\ntime.sleep(60)"


async def until(true: Callable[[], object]) -> None:
    """Wait for something that must come."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Is there such a process, other than as a zombie?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_it_runs_while_the_block_runs_and_says_into_its_log(tmp_path: Path) -> None:
    log = tmp_path / "quiet.log"
    async with Child("quiet", [*PYTHON, SLEEPS], tmp_path, ready=lambda: log.read_text() == "up\n") as child:
        assert alive(child.pid)
        assert (tmp_path / "quiet.pid").read_text() == str(child.pid)
        assert os.getsid(child.pid) != os.getsid(0), "Ctrl-C in our terminal must not reach it"
    assert not alive(child.pid)
    assert not (tmp_path / "quiet.pid").exists()


async def test_one_that_dies_is_started_again(tmp_path: Path) -> None:
    async with Child("lively", [*PYTHON, SLEEPS], tmp_path) as child:
        first = child.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.pid != first and alive(child.pid))
    assert not alive(child.pid)


async def test_one_that_has_done_its_work_is_left_alone(tmp_path: Path) -> None:
    async with Child("brief", [*PYTHON, "print('done')"], tmp_path) as child:
        await until(lambda: not alive(child.pid))
        first = child.pid
        await asyncio.sleep(1)
        assert child.pid == first
    assert (tmp_path / "brief.log").read_text() == "done\n"


async def test_one_that_does_not_start_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ChildError, match=r"(?s)broken ended at once, code 3.*no such thing"):
        async with Child(
            "broken", [*PYTHON, "import sys; sys.exit(print('no such thing') or 3)"], tmp_path, ready=bool
        ):
            pass


async def test_what_an_earlier_start_left_running_is_ended_first(tmp_path: Path) -> None:
    mine = [sys.executable, "-c", SLEEPS, str(tmp_path / "ours")]
    left = subprocess.Popen(mine, stdout=subprocess.PIPE)
    assert left.stdout is not None
    # Right after its start the kernel does not tell its command line yet.
    assert left.stdout.readline() == b"up\n"
    try:
        (tmp_path / "again.pid").write_text(str(left.pid))
        async with Child("again", [*mine[:3], "--other", str(tmp_path / "ours")], tmp_path) as child:
            assert left.poll() is None or left.returncode == -signal.SIGTERM
            await until(lambda: left.poll() is not None)
            assert child.pid != left.pid
        assert left.returncode == -signal.SIGTERM
    finally:
        left.kill()
        left.wait()
        left.stdout.close()


async def test_a_number_that_is_somebody_elses_now_is_not_touched(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", SLEEPS], stdout=subprocess.DEVNULL)
    try:
        (tmp_path / "again.pid").write_text(str(stranger.pid))
        async with Child("again", [*PYTHON, SLEEPS, str(tmp_path / "ours")], tmp_path):
            assert stranger.poll() is None
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
