"""`wanglou rules …` as its users meet it: check, test, backtest and explain, on files, tapes and a running daemon's ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.commands import wanglou
from tests.publisher import Outgoing, publish
from tests.running import BOOK, Hook, Wanglou, hook, site
from tests.servers import Mosquitto, free_port, mosquitto

pytestmark = pytest.mark.live

START = datetime(2026, 11, 22, 0, 0, tzinfo=UTC)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as server:
        yield server


@pytest.fixture
def heard() -> Iterator[Hook]:
    with hook() as made:
        yield made


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """A site file; nothing of it runs."""
    return site(tmp_path / "site", mqtt=free_port(), webhook="http://127.0.0.1:9/")


def line(seconds: float, device: str = "smoke-1", **values: Any) -> str:
    at = (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
    return json.dumps({"at": at, "topic": f"wl/site0/{device}/up", "payload": {"at": at, **values}}) + "\n"


# --- test -------------------------------------------------------------------------------------------------------------

STORY = """
books: book.yaml
zones: {hall: lobby}
devices: {smoke-1: {kind: smoke_detector, zone: hall}}
tests:
  - name: smoke is a fire
    series: [{device: smoke-1, every: 10s, values: {smoke_density: 0+0.2x4}}]
    expect:
      - 30s 1 raised smoke@smoke-1
      - 30s push 1/dispatch-1/hook
      - 30s 1 is FIRE raised active
  - name: clean air is quiet
    series: [{device: smoke-1, every: 10s, values: {smoke_density: 0.1x50}}]
"""


def test_tests_that_pass_and_that_fail(tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text(BOOK, "utf-8")
    good = tmp_path / "deep" / "good.test.yaml"
    good.parent.mkdir()
    good.write_text(STORY.replace("book.yaml", "../book.yaml"), "utf-8")
    ended = wanglou("rules", "test", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert "✓ deep/good.test.yaml:6 smoke is a fire" in ended.out
    assert "2 项通过 passed, 0 项失败 failed" in ended.out
    bad = tmp_path / "bad.test.yaml"
    bad.write_text(STORY.replace("30s push", "31s push"), "utf-8")
    ended = wanglou("rules", "test", "deep", "bad.test.yaml", "--junit", "out.xml", cwd=tmp_path)
    assert ended.code == 1
    assert "✗ bad.test.yaml:6 smoke is a fire" in ended.out
    assert "  + 30s push 1/dispatch-1/hook\n" in ended.out
    assert "  - 31s push 1/dispatch-1/hook   ← bad.test.yaml:10\n" in ended.out
    suites = {s.get("name"): s.get("failures") for s in ET.parse(tmp_path / "out.xml").getroot()}
    assert suites == {"deep/good.test.yaml": "0", "bad.test.yaml": "1"}


def test_a_wrong_test_file_runs_nothing_and_tells_all(tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text(BOOK.replace("smoke_density > 0.5", "smoke_densty > 0.5"), "utf-8")
    (tmp_path / "a.test.yaml").write_text(STORY.replace("device: smoke-1", "device: smoke-2", 1), "utf-8")
    (tmp_path / "b.test.yaml").write_text(
        "books: [shipped:dwellin]\nzones: {hall: lobby}\ntimeline: [{at: 1}]\n", "utf-8"
    )
    ended = wanglou("rules", "test", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    places = [text.split(": ")[0] for text in ended.err.splitlines()[:-1]]
    assert sorted(places, key=lambda place: Path(place).name) == [
        "a.test.yaml:7:23", "b.test.yaml:3:17", f"{tmp_path / 'book.yaml'}:7:11",
    ]  # fmt: skip
    nothing = wanglou("rules", "test", tmp_path / "none", cwd=tmp_path)
    assert (nothing.code, nothing.out) == (2, "")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "there is no *.test.yaml in" in wanglou("rules", "test", empty, cwd=tmp_path).err


# --- backtest ---------------------------------------------------------------------------------------------------------


def test_a_changed_book_against_a_tape(tmp_path: Path, quiet: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    days = [(day * 86_400 + t, d) for day in range(10) for t, d in ((0, 0.1), (10, 0.45), (20, 0.6), (30, 0.1))]
    tape.write_text("".join(line(at, smoke_density=d) for at, d in days), "utf-8")
    changed = tmp_path / "changed.yaml"
    changed.write_text(BOOK.replace("> 0.5", "> 0.4"), "utf-8")
    arguments = ("rules", "backtest", tape, "--book", changed, "--config", quiet)
    ended = wanglou(*arguments, "--html", "out.html", "--json", "out.json", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert "40 条消息 messages, 2026-11-22T08:00:00 – 2026-12-01T08:00:30" in ended.out
    found = json.loads((tmp_path / "out.json").read_text("utf-8"))
    smoke = next(rule for rule in found["rules"] if rule["id"] == "smoke")
    assert (smoke["alarms"]["earlier"], smoke["alarms"]["earliest_seconds"], smoke["rule"]) == (10, -10.0, "changed")
    assert found["pages"] == {"running": 10, "changed": 10}
    assert "<title>规则回测 Rule backtest</title>" in (tmp_path / "out.html").read_text("utf-8")
    last = wanglou(*arguments, "--since", "2d", "--json", "last.json", cwd=tmp_path)
    assert last.code == 0
    assert json.loads((tmp_path / "last.json").read_text("utf-8"))["messages"] == 9  # of the eighth day the last one
    same = wanglou("rules", "backtest", tape, "--config", quiet, cwd=tmp_path)
    assert "两套规则表现完全相同。Both books did the same." in same.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.jsonl",), "No such file"),
        (("empty",), "there is no ledger in"),
        (("tape.jsonl", "--since", "noon"), "`noon` is no time: write for example 30d"),
        (("tape.jsonl", "--book", "none.yaml"), "none.yaml:1:1: cannot be read"),
        (("broken.jsonl",), "broken.jsonl:1: not JSON"),
    ],
)
def test_a_backtest_that_cannot_be(tmp_path: Path, quiet: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "tape.jsonl").write_text(line(0, smoke_density=0.1), "utf-8")
    (tmp_path / "broken.jsonl").write_text("{\n", "utf-8")
    (tmp_path / "empty").mkdir()
    ended = wanglou("rules", "backtest", *arguments, "--config", quiet, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert "Traceback" not in ended.err


# --- explain and backtest on a running daemon's ledger ----------------------------------------------------------------


def test_explained_and_compared_beside_the_running_daemon(tmp_path: Path, broker: Mosquitto, heard: Hook) -> None:
    held = BOOK.replace("    clear: smoke", "    for: 1h\n    clear: smoke")
    config = site(tmp_path / "site", mqtt=broker.port, webhook=heard.url, book=held)
    with Wanglou(config) as daemon:
        publish(broker.port, [Outgoing("wl/site0/smoke-1/up", b'{"smoke_density":2.5,"battery":5}')])
        daemon.wait_for(lambda: daemon.get("/api/v1/incidents")["items"], "the battery's incident")
        now = wanglou("rules", "explain", "smoke", "smoke-1", "--config", config, cwd=tmp_path)
        assert (now.code, now.err) == (0, "")
        assert "等待中 pending" in now.out
        assert "✓ when: smoke_density > 0.5" in now.out
        assert "smoke_density = 2.5" in now.out
        assert "剩余 remaining 59m" in now.out
        told = json.loads(
            wanglou("rules", "explain", "smoke", "site0/smoke-1", "--json", "--config", config, cwd=tmp_path).out
        )
        api = daemon.get("/api/v1/rules/smoke/explain?subject=site0/smoke-1")
        assert [told[k] for k in ("verdict", "state", "due_at", "when")] == [
            api[k] for k in ("verdict", "state", "due_at", "when")
        ]
        # The running book is the one in the ledger; the site file's book has changed meanwhile and is on trial.
        trial = tmp_path / "trial.yaml"
        trial.write_text(held.replace("battery < 10", "battery < 3"), "utf-8")
        ended = wanglou("rules", "backtest", "--book", trial, "--json", "o.json", "--config", config, cwd=tmp_path)
        assert (ended.code, ended.err) == (0, "")
        found = json.loads((tmp_path / "o.json").read_text("utf-8"))
        battery = next(rule for rule in found["rules"] if rule["id"] == "low-battery")
        assert (battery["alarms"]["removed"], found["running"]) == (1, "data/ledger")
        assert daemon.ready
    stopped = wanglou("rules", "explain", "low-battery", "smoke-1", "--config", config, cwd=tmp_path)
    assert "报警 active, inc-000001" in stopped.out, "from the snapshot that the stop has written"


def test_explained_at_a_moment_of_a_tape(tmp_path: Path, quiet: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    tape.write_text(line(0, smoke_density=0.1) + line(60, smoke_density=0.9) + line(120, smoke_density=0.9), "utf-8")
    moment = (START + timedelta(seconds=90)).astimezone().strftime("%Y-%m-%dT%H:%M:%S")
    arguments = ("rules", "explain", "smoke", "smoke-1", "--tape", tape, "--config", quiet)
    then = wanglou(*arguments, "--at", moment, cwd=tmp_path)
    assert (then.code, then.err) == (0, "")
    assert "正在报警，事件 inc-000001。" in then.out
    row = next(text for text in then.out.splitlines() if "site0/smoke-1" in text and "dB/m" in text)
    assert "0.9 dB/m" in row
    assert "30s" in row
    battery = wanglou("rules", "explain", "low-battery", "smoke-1", "--tape", tape, "--config", quiet, cwd=tmp_path)
    assert "条件未知：从未上报 battery。" in battery.out
    for command, words in {
        ("smok", "smoke-1", "--tape", str(tape)): "there is no rule smok in the book in force (did you mean smoke?)",
        ("smoke", "site0/x/y", "--tape", str(tape)): "there is no device site0/x/y",
        ("smoke", "smoke-1", "--at", moment): "--at needs --tape",
    }.items():
        refused = wanglou("rules", "explain", *command, "--config", quiet, cwd=tmp_path)
        assert (refused.code, refused.out) == (2, ""), command
        assert words in refused.err
