"""Our own absence makes nobody silent: a daemon that comes back gives every device one whole span to speak."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.publisher import Outgoing, publish
from tests.running import Wanglou, hook, in_ledger, site
from tests.servers import mosquitto

pytestmark = [pytest.mark.live, pytest.mark.slow]

BOOK = """
version: 1
rules:
  - id: quiet
    kind: FAULT
    devices: [smoke_detector]
    when: silent(3s)
    title: {zh: 久无消息, en: Nothing heard}
"""


def test_a_daemon_that_was_away_for_longer_than_the_span(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, hook() as phone:
        daemon = Wanglou(site(tmp_path, mqtt=broker.port, webhook=phone.url, book=BOOK))
        with daemon:
            publish(broker.port, [Outgoing("wl/site0/smoke-1/up", b'{"smoke_density": 0.01}')])
            daemon.wait_for(lambda: daemon.get("/api/v1/devices")["items"], "the device is known")
        assert in_ledger(tmp_path / "data", "SELECT count(*) FROM incident") == [(0,)]
        time.sleep(4)
        came_back = time.time()
        with daemon:
            daemon.wait_for(lambda: daemon.get("/api/v1/incidents")["items"], "it falls silent now")
            (incident,) = daemon.get("/api/v1/incidents")["items"]
        raised = datetime.fromisoformat(incident["raised_at"]).timestamp()
        assert raised >= came_back + 3, "its span began when we listened again"
