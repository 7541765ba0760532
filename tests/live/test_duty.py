"""People, swaps and measures on the running daemon: a person is called by name, a device in test calls nobody, through a SIGKILL."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.publisher import Outgoing, publish
from tests.running import BOOK, Wanglou, hook, site
from tests.servers import mosquitto

pytestmark = pytest.mark.live

PEOPLE = [
    {"id": key, "name": {"zh": zh, "en": key}, "role": "responder", "channels": ["hook"]}
    for key, zh in (("duty-a", "值班员甲"), ("duty-b", "值班员乙"))
]


def in_hours(hours: int) -> str:
    """So many from now, as the API reads it."""
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="seconds")


def test_whom_a_fire_calls_and_whom_a_test_does_not(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, hook() as called:
        post = {"id": "post", "name": "微型消防站", "zones": ["*"], "recipients": ["topics"], "people": ["duty-a"]}
        spare = {"id": "spare", "name": "二站", "zones": ["*"], "recipients": ["topics"], "people": ["duty-b"]}
        stations = [post, spare]
        config = site(tmp_path, mqtt=broker.port, webhook=called.url, book=BOOK, people=PEOPLE, stations=stations)

        def smoke(device: str) -> None:
            publish(broker.port, [Outgoing(f"wl/site0/{device}/up", json.dumps({"smoke_density": 0.9}).encode())])

        daemon = Wanglou(config)
        with daemon:
            (first, _) = daemon.get("/api/v1/stations")["items"]
            assert [(p["key"], p["on_duty"]) for p in first["people"]] == [("duty-a", True)]
            swap = {
                "leaves": "duty-a",
                "takes": "duty-b",
                "since": in_hours(-1),
                "until": in_hours(2),
                "by": "值班站长",
            }
            after = daemon.call("POST", "/api/v1/stations/post/swaps", swap)
            assert [p["key"] for p in after["people"] if p["on_duty"]] == ["duty-b"]
            smoke("smoke-2")
            called.wait_for(lambda hook: hook.dispatched())
            assert called.bodies[0]["data"]["to"]["key"] == "duty-b", "who stands in is called"
            test = {"measure": "test", "subject": "site0/smoke-2", "by": "维保员", "why": "保养", "until": in_hours(1)}
            measure = daemon.call("POST", "/api/v1/suppressions", test)
            daemon.kill()

        with daemon:
            assert [m["id"] for m in daemon.get("/api/v1/suppressions")["items"]] == [measure["id"]]
            (zone,) = daemon.get("/api/v1/coverage?uncovered=true")["items"]
            assert (zone["gaps"][0]["lack"], zone["accepted"]) == ("in_test", [measure])
            (first, _) = daemon.get("/api/v1/stations")["items"]
            assert [p["key"] for p in first["people"] if p["on_duty"]] == ["duty-b"], "the swap is remembered"
            daemon.call("POST", f"/api/v1/suppressions/{measure['id']}/restore", {"by": "维保员"})
            assert daemon.get("/api/v1/coverage?uncovered=true")["items"] == []
