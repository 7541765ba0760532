"""A duty room answers over a real broker: the move is committed, outlives a SIGKILL, and one that waited for the daemon counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.publisher import Outgoing, publish
from tests.running import BOOK, Wanglou, hook, site
from tests.servers import mosquitto

pytestmark = pytest.mark.live


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
            daemon.wait_for(lambda: daemon.get("/api/v1/incidents")["items"], "the fire", 15)
            says("acknowledge")
            daemon.wait_for(lambda: state() == "acknowledged", "the acknowledgement", 15)
            says("close")
            daemon.wait_for(
                lambda: daemon.get("/api/v1/account")["quarantined"].get("move-refused") == 1, "the refusal", 15
            )
            daemon.kill()
            says("on-scene")
            daemon.start()
            daemon.wait_for(lambda: state() == "on_scene", "what waited in the broker", 15)
            story = daemon.get("/api/v1/incidents/inc-000001")["timeline"]
            by = [(e["step"], e["detail"]["by"]) for e in story if "by" in e["detail"]]
            assert by == [("acknowledged", "值班室"), ("on_scene", "值班室")]
            assert daemon.get("/api/v1/account")["verdicts"]["move"] == 3
