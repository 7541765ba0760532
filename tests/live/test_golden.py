"""What a ledger's tape comes to again, byte for byte: incidents, calls, answers, missed deadlines; held against a golden file in CI."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml

from monitor.stories.lines import line, short_key
from monitor.tape import rfc3339_micros
from rules.model import Entry, Step
from tests.commands import wanglou
from tests.publisher import Outgoing, publish
from tests.running import Hook, Wanglou, hook, in_ledger, site
from tests.servers import Mosquitto, mosquitto

pytestmark = pytest.mark.live


def _site(folder: Path, broker: Mosquitto, heard: Hook) -> Path:
    """One person with a channel that works, and one that is refused for good; rungs and deadlines within seconds."""
    rungs = [{"after": f"{n}s", "call": ["duty"]} for n in range(4)]
    return site(
        folder, mqtt=broker.port, webhook="", zones=4, history="none",
        channels={
            "calls": {"kind": "webhook", "url": heard.url},
            "broken": {"kind": "webhook", "url": "http://127.0.0.1:9/hook"},
        },
        people=[{"id": "duty", "name": "值班员", "role": "dispatcher", "channels": ["broken", "calls"]}],
        stations=[{"id": "post", "name": "站", "zones": ["*"], "people": ["duty"]}],
        ladders={"FIRE": {"rungs": rungs}}, sla={"FIRE": {"dispatch": "1s", "on_scene": "2s", "resolve": "4s"}},
    )  # fmt: skip


def _live(daemon: Wanglou, broker: Mosquitto, heard: Hook) -> None:
    """Fires, a kill, moves, a measure."""
    smoke = b'{"smoke_density":0.9}'
    measure = {"measure": "test", "subject": "site0/z2-smoke", "by": "值班员", "why": "service", "until": _in_an_hour()}
    publish(broker.port, [Outgoing("wl/site0/z2-smoke/up", b'{"smoke_density":0.1}')])
    daemon.wait_for(lambda: daemon.metric('wanglou_messages_total{verdict="live"}') == 1, "the device has spoken")
    daemon.call("POST", "/api/v1/suppressions", measure)
    publish(broker.port, [Outgoing(f"wl/site0/z{n}-smoke/up", smoke) for n in (1, 2)])
    heard.wait_for(_called)
    daemon.kill()
    daemon.start()
    publish(broker.port, [Outgoing("wl/site0/z3-smoke/up", smoke)])
    heard.wait_for(lambda it: len(_called(it)) == 2)
    calm = _called(heard)[0]
    daemon.call("POST", f"/api/v1/incidents/{calm}/acknowledge", {"by": "值班员"})
    # Somebody was sent to both, and the last promise is missed for both: nothing more comes by itself.
    sent = "SELECT count(*) FROM entry WHERE step = 'dispatched'"
    missed = "SELECT count(*) FROM entry WHERE step = 'overdue' AND detail LIKE '%resolve%'"
    data = daemon.config.parent / "data"
    daemon.wait_for(lambda: [in_ledger(data, sent), in_ledger(data, missed)] == [[(2,)]] * 2, "both fires burn on")
    daemon.call("POST", f"/api/v1/incidents/{calm}/resolve", {"by": "值班员"})


def _called(heard: Hook) -> list[str]:
    """The incidents that somebody was called for, the first one first."""
    return list(dict.fromkeys(body["data"]["incident"]["id"] for body in heard.bodies))


def _in_an_hour() -> str:
    return rfc3339_micros((int(time.time()) + 3600) * 1_000_000)


def test_a_ledger_comes_to_the_same_again_and_a_changed_site_shows_as_a_diff(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, hook() as heard:
        config = _site(tmp_path / "site", broker, heard)
        with Wanglou(config) as daemon:
            _live(daemon, broker, heard)
    data = config.parent / "data"
    for seed in ("0", "4242"):
        arguments = ("replay", data, "--golden", f"golden-{seed}", "--config", config)
        ended = wanglou(*arguments, cwd=tmp_path, PYTHONHASHSEED=seed)
        assert (ended.code, ended.out) == (0, ""), ended.err
    golden = tmp_path / "golden-0"
    assert golden.read_bytes() == (tmp_path / "golden-4242").read_bytes()
    _assert_as_recorded(data, golden.read_text("utf-8").splitlines()[1:])

    same = wanglou("replay", data, "--diff", golden, "--config", config, cwd=tmp_path)
    assert (same.code, same.err) == (0, "")
    assert same.out.startswith("一致 the same: ")
    changed = yaml.safe_load(config.read_text("utf-8"))
    changed["ladders"]["FIRE"]["rungs"][1]["after"] = "1500ms"
    config.write_text(yaml.safe_dump(changed, allow_unicode=True), "utf-8")
    other = wanglou("replay", data, "--diff", golden, "--config", config, cwd=tmp_path)
    assert other.code == 1
    assert other.out.startswith(f"--- {golden}\n+++ replay of {data}\n@@ -")
    # Nobody takes the second fire, so its rung is climbed whatever the machine does meanwhile.
    assert [text for text in other.out.splitlines() if text.startswith("-") and text.endswith(" called duty")]


def _assert_as_recorded(data: Path, lines: list[str]) -> None:
    """Timelines and pushes as the daemon wrote them, in their order."""
    entries = [
        Entry(at, incident, Step(step), json.loads(detail))
        for at, incident, step, detail in in_ledger(data, "SELECT at, incident, step, detail FROM entry ORDER BY id")
    ]
    written = [f"{rfc3339_micros(e.at)} {line(e, '')}" for e in entries if line(e, "")]
    assert [text for text in lines if text in set(written)] == written
    pushed = [f"push {short_key(key)}" for (key,) in in_ledger(data, "SELECT key FROM push ORDER BY number")]
    assert [text.partition(" ")[2] for text in lines if " push " in text] == pushed
    taken_back = in_ledger(data, "SELECT key FROM push WHERE outcome = 'withdrawn'")
    assert {text.partition(" ")[2] for text in lines if " withdrawn " in text} >= {
        f"withdrawn {short_key(key)}" for (key,) in taken_back
    }
    steps = {str(e.step) for e in entries}
    assert {"raised", "called", "dispatched", "acknowledged", "overdue", "resolved", "withheld", "push_failed"} <= steps


def test_a_recorded_tape_has_a_golden_file_too_and_what_is_wrong_is_said(tmp_path: Path) -> None:
    config = site(tmp_path / "site", mqtt=1883, webhook="http://127.0.0.1:9/hook")
    tape = tmp_path / "tape.jsonl"
    said = {"at": "2026-11-22T08:00:00+08:00", "topic": "wl/site0/smoke-1/up", "payload": {"smoke_density": 0.9}}
    tape.write_text(json.dumps(said) + "\n", "utf-8")
    asked = ("replay", tape, "--config", config)
    assert wanglou(*asked, "--golden", "g", "--unanswered", "--settle", "2", cwd=tmp_path).code == 0
    text = (tmp_path / "g").read_text("utf-8")
    assert "2026-11-22T08:00:00.000000+08:00 1 raised smoke@site0/smoke-1\n" in text
    assert "2026-11-22T08:01:00.000000+08:00 1 overdue dispatch\n" in text
    assert wanglou(*asked, "--diff", "g", "--unanswered", "--settle", "2", cwd=tmp_path).code == 0
    answered = wanglou(*asked, "--diff", "g", "--settle", "2", cwd=tmp_path)
    assert answered.code == 1
    assert "-2026-11-22T08:01:00.000000+08:00 1 overdue dispatch" in answered.out
    for more, words in (
        (("--diff", "missing"), "No such file"),
        (("--diff", tape), f"{tape}:1: this is no golden file; make one with --golden"),
        (("--golden", "h", "--broker"), "--broker only publishes"),
    ):
        ended = wanglou(*asked, *more, cwd=tmp_path)
        assert (ended.code, ended.out) == (2, "")
        assert words in ended.err
    empty = wanglou("replay", tmp_path, "--golden", "h", "--config", config, cwd=tmp_path)
    assert (empty.code, empty.err) == (2, f"there is no ledger in {tmp_path}\n")
