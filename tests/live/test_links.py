"""From the smoke to the text message to the tap: the link that a person is sent, opened as chat programs and people open it."""

from __future__ import annotations

import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.publisher import Outgoing, publish
from tests.running import BOOK, TOKEN, Wanglou, hook, site
from tests.servers import free_port, mosquitto

pytestmark = pytest.mark.live

PEOPLE = [
    {
        "id": "duty",
        "name": {"zh": "值班员", "en": "Duty officer"},
        "role": "responder",
        "channels": ["sms"],
        "mobile": "13800000000",
    }
]


def fetched(url: str, **form: str) -> str:
    data = urllib.parse.urlencode(form).encode() if form else None
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_the_link_in_a_text_message_takes_the_incident_on(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, hook() as called, hook() as phone:
        port = free_port()
        sms = {
            "kind": "sms",
            "gateway": {
                "kind": "generic",
                "url": phone.url,
                "body": {"to": "{mobile}", "text": "{text}", "link": "{link}"},
            },
        }
        config = site(
            tmp_path, mqtt=broker.port, webhook=called.url, book=BOOK, people=PEOPLE,
            channels={"hook": {"kind": "webhook", "url": called.url}, "sms": sms},
            api={"port": port, "token": TOKEN, "public_url": f"http://127.0.0.1:{port}"},
            stations=[{"id": "post", "name": "微型消防站", "zones": ["*"], "recipients": ["hook"], "people": ["duty"]}],
        )  # fmt: skip
        with Wanglou(config) as daemon:
            publish(broker.port, [Outgoing("wl/site0/smoke-1/up", b'{"smoke_density": 0.9}')])
            phone.wait_for(lambda it: it.bodies)
            message: dict[str, Any] = phone.bodies[0]
            assert message["link"].startswith(f"http://127.0.0.1:{port}/a/")

            def incident() -> Any:
                return daemon.get("/api/v1/incidents/inc-000001")

            # The chat program looks first, several times.
            for _ in range(3):
                assert "值班员" in fetched(message["link"])
            assert incident()["incident"]["acknowledged_at"] is None
            assert "已记录：值班员 接警" in fetched(message["link"], verb="acknowledge")
            assert "已由 值班员 接警" in fetched(message["link"], verb="acknowledge")
            found = incident()
            assert found["incident"]["acknowledged_by"] == "值班员"
            assert [
                (e["detail"]["by"], e["detail"]["via"]) for e in found["timeline"] if e["step"] == "acknowledged"
            ] == [("值班员", "link")]
            # A link is a key: it stands in no log, and in no answer that lists pushes.
            token = message["link"].rpartition("/")[2]
            assert token not in daemon.log.read_text("utf-8") + str(found)
