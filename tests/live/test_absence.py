"""Minutes of absence: who acknowledged meanwhile is heard before anybody else is called.

Real broker, which keeps the word; real daemon; the fire in its ledger is minutes old.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from monitor import wiring
from monitor.clock import FakeClock
from monitor.inbox import Inbox
from monitor.ledger.sqlite import SqliteLedger
from monitor.lookout import Lookout
from monitor.panel import Panel
from monitor.settings import load
from rules.model import MINUTE
from rules.rule import BookChanged
from rules.rulebook import load_book
from tests.publisher import Outgoing, publish
from tests.running import Wanglou, hook, in_ledger, site
from tests.servers import HOST, mosquitto

pytestmark = pytest.mark.live

CLIENT = "wanglou-absent"


def test_an_acknowledgement_that_waited_in_the_broker_comes_before_the_rungs_that_came_due(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, hook() as phone:
        config = site(
            tmp_path, mqtt=broker.port, webhook=phone.url, zones=2,
            ladders={"FIRE": {"rungs": [{"after": f"{10 * n}s", "call": ["station"]} for n in range(6)]}},
            sla={"FIRE": {"dispatch": "1m", "on_scene": "10m", "resolve": "20m"}},
        )  # fmt: skip
        config.write_text(config.read_text("utf-8").replace("mqtt:", f"mqtt:\n  client_id: {CLIENT}", 1), "utf-8")
        asyncio.run(_burnt_before(config, 3 * MINUTE))
        assert in_ledger(tmp_path / "data", "SELECT count(*) FROM incident") == [(2,)]
        _has_a_session(broker.port)
        said = json.dumps({"verb": "acknowledge", "by": "值班员"}).encode()
        publish(broker.port, [Outgoing("wl/site0/incidents/inc-000001/move", said)])
        with Wanglou(config) as daemon:
            daemon.wait_for(lambda: "called" in _steps(tmp_path, "inc-000002"), "the other one is called for", 30)
        steps = _steps(tmp_path, "inc-000001")
        assert "acknowledged" in steps
        assert not {"called", "exhausted"} & set(steps)
        assert _steps(tmp_path, "inc-000002").count("called") == 1, "its ladder goes on at its own pace"


async def _burnt_before(config: Path, ago: int) -> None:
    """Two fires, and then nothing more was written: it was killed."""
    settings = load(config, {})
    ledger, clock = SqliteLedger(settings.data.folder), FakeClock(time.time_ns() // 1000 - ago)
    inbox = Inbox(clock)
    lookout = Lookout(load_book([]), settings.neighbourhood(), wiring.limits(settings))
    panel = Panel(lookout, ledger, inbox, acknowledge=lambda _: None, committed=lambda _: None)
    inbox.put(BookChanged(0, load_book(settings.book_texts())))
    for zone in range(2):
        inbox.message(f"wl/site0/z{zone}-smoke/up", b'{"smoke_density": 0.9}', 1, False, False, 0)
    panel.stop()
    await panel.run()
    await ledger.close()


def _has_a_session(port: int) -> None:
    """The broker knows the daemon, as it would after any earlier run of it."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=CLIENT, clean_session=False)
    client.on_connect = lambda it, *_: it.subscribe("wl/#", 1)
    client.on_subscribe = lambda it, *_: it.disconnect()
    client.connect(HOST, port)
    client.loop_forever()


def _steps(folder: Path, incident: str) -> list[str]:
    sql = f"SELECT step FROM entry WHERE incident = '{incident}' ORDER BY id"
    return [step for (step,) in in_ledger(folder / "data", sql)]
