"""A duty room answers over a real broker, a gateway by its reply: committed, through a SIGKILL, and after waiting for the daemon."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.monitor.test_replies import SECRET, signed
from tests.publisher import Outgoing, publish
from tests.running import BOOK, Wanglou, hook, site
from tests.servers import mosquitto

pytestmark = pytest.mark.live


def test_a_channel_that_may_reply_answers_what_it_was_told_of(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, hook() as called:
        told = {"kind": "webhook", "url": called.url, "reply_secret": SECRET}
        daemon = Wanglou(
            site(
                tmp_path,
                mqtt=broker.port,
                webhook=called.url,
                book=BOOK,
                channels={"hook": told, "topics": {"kind": "mqtt"}},
            )
        )
        with daemon:
            publish(broker.port, [Outgoing("wl/site0/smoke-1/up", b'{"smoke_density": 0.9}')])
            daemon.wait_for(lambda: daemon.get("/api/v1/incidents")["items"], "the fire")
            body = json.dumps({"incident": "inc-000001", "verb": "acknowledge", "by": "值班室"}).encode()
            headers = signed(body, time.time_ns() // 1000) | {"Content-Type": "application/json"}
            for _ in range(2):
                request = urllib.request.Request(f"http://127.0.0.1:{daemon.port}/api/v1/reply/hook", body, headers)
                with urllib.request.urlopen(request, timeout=10) as answer:
                    assert json.loads(answer.read())["zh"] == "已记录：值班室 接警"
            found = daemon.get("/api/v1/incidents/inc-000001")
            assert found["incident"]["acknowledged_by"] == "值班室"
            assert [e["detail"]["via"] for e in found["timeline"] if e["step"] == "acknowledged"] == ["reply"]
            assert SECRET not in daemon.log.read_text("utf-8")


def test_moves_over_the_broker(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, hook() as called:
        daemon = Wanglou(site(tmp_path, mqtt=broker.port, webhook=called.url, book=BOOK))

        def state() -> Any:
            return daemon.get("/api/v1/incidents/inc-000001")["incident"]["state"]

        def says(verb: str, **more: str) -> None:
            move = json.dumps({"verb": verb, "by": "值班室", **more}).encode()
            publish(broker.port, [Outgoing("wl/site0/incidents/inc-000001/move", move)])

        with daemon:
            publish(broker.port, [Outgoing("wl/site0/smoke-1/up", b'{"smoke_density": 0.9}')])
            daemon.wait_for(lambda: daemon.get("/api/v1/incidents")["items"], "the fire")
            says("acknowledge")
            daemon.wait_for(lambda: state() == "acknowledged", "the acknowledgement")
            says("close")
            daemon.wait_for(
                lambda: daemon.get("/api/v1/account")["quarantined"].get("move-refused") == 1, "the refusal", 15
            )
            daemon.kill()
            says("on-scene")
            daemon.start()
            daemon.wait_for(lambda: state() == "on_scene", "what waited in the broker")
            story = daemon.get("/api/v1/incidents/inc-000001")["timeline"]
            by = [(e["step"], e["detail"]["by"]) for e in story if "by" in e["detail"]]
            assert by == [("acknowledged", "值班室"), ("on_scene", "值班室")]
            assert daemon.get("/api/v1/account")["verdicts"]["move"] == 3
