"""A fire at a running daemon, attended to by people: reported and sealed beside it while it runs, and the seal holds.

Real broker, real daemon, real command line.
"""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from tests.browser.stage import house
from tests.commands import wanglou
from tests.running import TOKEN

pytestmark = pytest.mark.live


def test_reported_and_sealed_while_the_daemon_runs(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        it.says("z1-a", smoke_density=0.05)
        incident = it.burns("z1-a")
        it.daemon.wait_for(
            lambda: it.daemon.get(f"/api/v1/incidents/{incident}")["incident"]["dispatched_at"], "somebody was sent", 15
        )
        for verb in ("acknowledge", "on-scene", "resolve"):
            it.move(incident, verb)
        it.says("z1-a", smoke_density=0.02)
        it.daemon.wait_for(
            lambda: it.daemon.get(f"/api/v1/incidents/{incident}")["incident"]["condition"] == "latched",
            "it clears",
            30,
        )
        it.move(incident, "reset")
        it.move(incident, "close", disposition="nuisance")
        it.daemon.settle()

        def command(*arguments: str) -> str:
            ended = wanglou(*arguments, cwd=tmp_path)
            assert ended.code == 0, ended.err + ended.out
            return ended.out

        key = command("evidence", "key").strip()
        command("evidence", "export", incident, "-o", "sealed.json")
        assert "✗" not in command("evidence", "verify", "sealed.json", "--key", key)
        sealed = json.loads((tmp_path / "sealed.json").read_text("utf-8"))
        payloads = [message for message in sealed["messages"]["items"] if message["decided"]]
        assert len(payloads) == 1
        assert sealed["messages"]["complete"]
        assert sealed["book"]["since"] is not None
        assert "1 起警情 incidents, 0 起不符 broken" in command("evidence", "audit")
        told = it.daemon.get(f"/api/v1/reports/sla?month={sealed['made']['at'][:7]}")
        printed = json.loads(command("report", "sla", "--format", "json"))
        assert told | {"made_at": ""} == printed | {"made_at": ""}
        (response,) = (r for station in told["stations"] for r in station["responses"])
        assert set(response["hops"]) == {"device", "rule", "push", "human"}
        nuisance = json.loads(command("report", "nuisance", "--format", "json"))
        assert nuisance["devices"][0]["key"] == "site0/z1-a"
        command("report", "incident", incident, "-o", "incident.html")
        asked = urllib.request.Request(f"http://127.0.0.1:{it.daemon.port}/api/v1/incidents/{incident}/report")
        asked.add_header("Authorization", f"Bearer {TOKEN}")
        with urllib.request.urlopen(asked, timeout=30) as answer:
            page = answer.read().decode()
        for shown in (page, (tmp_path / "incident.html").read_text("utf-8")):
            assert sealed["timeline"][-1]["link"] in shown
            assert "误报" in shown
            assert "<polyline" in shown
