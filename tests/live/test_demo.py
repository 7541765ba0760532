"""The one command, started, stopped, killed and started again: an incident within seconds, nothing forgotten, nothing left behind."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import pytest

from tests.commands import wanglou
from tests.demo import Demo

pytestmark = [pytest.mark.live, pytest.mark.slow]


def alive(pid: int) -> bool:
    """Is there such a process, other than as a zombie?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def story(demo: Demo) -> str:
    """Where the neighbourhood is in its story, as it keeps it."""
    return (demo.folder / "story.json").read_text("utf-8")


def test_what_the_phone_shows_is_tapped_and_a_code_on_a_wall_opens(tmp_path: Path) -> None:
    with Demo(tmp_path / "demo", "--speed", "4") as demo:
        demo.wait_for(lambda: tapped(demo), "a call with its link", 60)
        with urllib.request.urlopen(tapped(demo)[0], b"verb=acknowledge", timeout=10) as answer:
            assert answer.status == 200
        demo.wait_for(lambda: "acknowledged" in states(demo), "what the link is for is acknowledged")
        wall = demo.get("/api/v1/zones/hupan/garage-west/report-link")["url"]
        with urllib.request.urlopen(wall, timeout=10) as answer:
            assert "车库西区" in answer.read().decode()


def states(demo: Demo) -> set[str]:
    """Of all incidents."""
    return {incident["state"] for incident in demo.incidents().values()}


def tapped(demo: Demo) -> list[str]:
    """The links that the phones show."""
    return re.findall(rf"http://127\.0\.0\.1:{demo.port}/a/\S+", demo.said)


def test_from_one_command_to_a_dispatched_incident_and_on_where_it_stopped(tmp_path: Path) -> None:
    with Demo(tmp_path / "demo", "--speed", "4") as demo:
        demo.wait_for(lambda: "派单 DISPATCH" in demo.said, "the station's phone rings", 60)
        demo.wait_for(lambda: "📱" in demo.said, "the one on duty gets a short message")
        demo.wait_for(lambda: "dispatched" in states(demo), "an incident")
        first, children = demo.incidents(), demo.children()
        assert len(children) == 3
        assert all(alive(pid) for pid in children)
        token = demo.token
    assert not any(alive(pid) for pid in children)
    assert "已停止" in demo.said
    come_to = json.loads(story(demo))

    with demo:
        again = demo.incidents()
        assert first.keys() <= again.keys(), "the incidents of the first start are there"
        assert demo.token == token, "who was logged in still is"
        demo.wait_for(lambda: json.loads(story(demo)) != come_to, "the story goes on")

    # It is one folder: nothing of it is anywhere else, and what is secret is for its owner alone.
    secrets = list((demo.folder / "secrets").iterdir())
    assert {file.name for file in secrets} == {"api-token", "webhook-secret", "duty-mobile"}
    assert {file.stat().st_mode & 0o777 for file in secrets} == {0o600}


def test_killed_it_leaves_nothing_that_the_next_start_does_not_end(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", "--speed", "4")
    demo.start()
    demo.wait_for(lambda: demo.incidents(), "an incident", 60)
    known = demo.incidents()
    demo.kill()
    left = demo.children()
    assert any(alive(pid) for pid in left), "a SIGKILL reaches the command alone"
    with demo:
        assert not any(alive(pid) for pid in left)
        assert known.keys() <= demo.incidents().keys()


def test_fresh_forgets(tmp_path: Path) -> None:
    with Demo(tmp_path / "demo", "--speed", "4") as demo:
        demo.wait_for(lambda: demo.incidents(), "an incident", 60)
    with Demo(tmp_path / "demo", "--fresh") as demo:
        assert demo.incidents() == {}


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    ended = wanglou("demo", "--folder", tmp_path, cwd=tmp_path)
    assert (ended.code, [file.name for file in tmp_path.iterdir()]) == (1, ["thesis.txt"])
    assert "--folder" in ended.err


def test_another_scenario_with_more_devices(tmp_path: Path) -> None:
    wanted = ("--devices", "2000", "--scenario", "call-point", "--speed", "4")
    with Demo(tmp_path / "demo", *wanted) as demo:
        demo.wait_for(lambda: any(i["kind"] == "FIRE" for i in demo.incidents().values()), "the call point", 90)
        with urllib.request.urlopen(f"http://127.0.0.1:{demo.port}/healthz", timeout=10) as answer:
            assert answer.status == 200


def test_a_scenario_that_does_not_exist_is_said_at_once(tmp_path: Path) -> None:
    ended = wanglou("demo", "--folder", tmp_path / "demo", "--scenario", "flood", cwd=tmp_path)
    assert ended.code != 0
    assert "flood" in ended.err
