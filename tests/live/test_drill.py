"""Drills on the running daemon: made up at the sensor's topic, answered by one of two, scored; and a real fire in the midst of another."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Ended, begin, wanglou
from tests.publisher import Outgoing, publish
from tests.running import TOKEN, Hook, Wanglou, hook, in_ledger, site
from tests.servers import Mosquitto, free_port, mosquitto

pytestmark = pytest.mark.live

PEOPLE = [
    {"id": "anna", "name": {"zh": "值班员甲", "en": "Duty A"}, "role": "responder", "channels": ["sms"], "mobile": "13800000000"},
    {"id": "bo", "name": {"zh": "值班员乙", "en": "Duty B"}, "role": "responder", "channels": ["sms"], "mobile": "13800000000"},
]  # fmt: skip
DRILL = {"device": "site0/smoke-1", "by": "值班站长", "why": "月度演练"}
LADDER = {"FIRE": {"rungs": [{"after": "0s", "call": ["station", "duty"]}]}}


@dataclass
class House:
    """The daemon with a robot and a gateway for text messages, which both remember."""

    daemon: Wanglou
    broker: Mosquitto
    robot: Hook
    phone: Hook
    folder: Path

    def smoke(self, **more: object) -> None:
        """The detector itself speaks."""
        payload = json.dumps({"smoke": True, **more}).encode()
        publish(self.broker.port, [Outgoing("wl/site0/smoke-1/up", payload)])

    def texts_to(self, person: str) -> list[dict[str, Any]]:
        """Text messages to one person, the oldest first."""
        return [body for body in self.phone.bodies if body["who"] == person]

    def points(self, drill: str) -> dict[str, float]:
        """What has happened in a drill, and how many seconds after the alarm."""
        return {point["point"]: point["after_seconds"] for point in self.drills("GET", f"/{drill}")["points"]}

    def drills(self, method: str, path: str = "", body: Any = None) -> Any:
        return self.daemon.call(method, f"/api/v1/drills{path}", body)


@contextmanager
def house(folder: Path) -> Iterator[House]:
    with mosquitto(folder) as broker, hook() as robot, hook() as phone:
        port = free_port()
        gateway = {
            "kind": "generic",
            "url": phone.url,
            "body": {"to": "{mobile}", "who": "{name}", "text": "{text}", "link": "{link}"},
        }
        config = site(
            folder, mqtt=broker.port, webhook=robot.url, book=None, people=PEOPLE, ladders=LADDER,
            channels={"hook": {"kind": "webhook", "url": robot.url}, "sms": {"kind": "sms", "gateway": gateway}},
            api={"port": port, "token": TOKEN, "public_url": f"http://127.0.0.1:{port}"},
            stations=[
                {"id": "post", "name": "微型消防站", "zones": ["*"], "recipients": ["hook"], "people": ["anna", "bo"]}
            ],
        )  # fmt: skip
        with Wanglou(config) as daemon:
            yield House(daemon, broker, robot, phone, folder)


def tap(link: str) -> None:
    """The button 接警 behind a link."""
    data = urllib.parse.urlencode({"verb": "acknowledge"}).encode()
    with urllib.request.urlopen(urllib.request.Request(link, data), timeout=10) as answer:
        assert answer.status == 200


def test_one_of_two_answers_then_a_real_fire_wins_over_the_next_drill(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        begun = it.drills("POST", "", DRILL)
        assert (begun["id"], begun["incident"]) == ("sup-000001", "inc-000001")
        it.phone.wait_for(lambda _: it.texts_to("值班员甲") and it.texts_to("值班员乙"))
        it.robot.wait_for(lambda robot: robot.bodies)
        assert all("演习" in body["text"] for body in it.phone.bodies), "nobody takes it for a fire"
        assert it.robot.bodies[0]["data"]["incident"]["exercise"] == "sup-000001"
        with pytest.raises(urllib.error.HTTPError, match="409"):
            it.drills("POST", "", DRILL)
        it.daemon.wait_for(lambda: "two_kinds" in it.points("sup-000001"), "both kinds of channel have taken it")
        tap(it.texts_to("值班员甲")[0]["link"])
        score, points = it.drills("GET", "/sup-000001"), it.points("sup-000001")
        assert points["injected"] <= points["arrived"] <= points["raised"] == 0.0
        assert points["injected"] > -5
        assert 0 <= points["accepted"] <= points["two_kinds"] < 15
        assert points["two_kinds"] <= points["acknowledged"]
        assert "last_acknowledged" not in points
        assert [(who["key"], who["answered_at"] is not None, who["via"]) for who in score["people"]] == [
            ("anna", True, "link"), ("bo", False, ""),
        ]  # fmt: skip
        assert (score["unanswered"], score["silent"], score["verdict"]) == (["bo"], [], "running")
        assert "未应答：值班员乙" in score["said"]["zh"]
        ended = it.drills("POST", "/sup-000001/end", {"by": "值班站长"})
        assert (ended["verdict"], ended["over"], ended["unanswered"]) == ("kept", True, ["bo"])
        assert it.daemon.get("/api/v1/devices/site0/smoke-1")["last_at"] is None, "nothing of it was measured"

        second = it.drills("POST", "", DRILL)
        assert second["incident"] == "inc-000002"
        it.robot.wait_for(lambda robot: len(robot.dispatched()) == 2)
        heard = len(it.phone.bodies)
        it.smoke()
        it.robot.wait_for(lambda robot: len(robot.dispatched()) == 3)
        fire = it.robot.dispatched()[2]
        assert (fire["id"], fire["exercise"], fire["kind"]) == ("inc-000003", "", "FIRE")
        it.robot.wait_for(lambda robot: over(robot) == ["inc-000001", "inc-000002"])
        it.phone.wait_for(lambda _: len(real(it.phone.bodies[heard:])) == 2)
        assert {body["who"] for body in real(it.phone.bodies[heard:])} == {"值班员甲", "值班员乙"}
        again = it.drills("GET", "/sup-000002")
        assert (again["interrupted"], again["over"], again["verdict"]) == (True, True, "interrupted")
        with pytest.raises(urllib.error.HTTPError, match="409"):
            it.drills("POST", "", DRILL)
        # What was made up before the fire and comes late must not speak against it.
        it.smoke(smoke=False, exercise="sup-000002")
        it.smoke(battery=80)
        it.daemon.wait_for(
            lambda: it.daemon.get("/api/v1/devices/site0/smoke-1")["values"].get("battery") == 80, "it was heard"
        )
        assert it.daemon.get("/api/v1/incidents/inc-000003")["incident"]["condition"] == "active"
        printed = wanglou("drill", "score", "sup-000001", "--format", "json", cwd=tmp_path)
        assert printed.code == 0, printed.err
        assert json.loads(printed.out) | {"made_at": ""} == it.drills("GET", "/sup-000001") | {"made_at": ""}
        assert wanglou("drill", "score", "sup-000002", cwd=tmp_path).code == 2
        assert wanglou("drill", "score", "sup-000009", cwd=tmp_path).code == 2
        assert len(in_ledger(tmp_path / "data", "SELECT 1 FROM incident")) == 3


def over(robot: Hook) -> list[str]:
    """The incidents of the drills that the robot was told are over."""
    return [b["data"]["incident"]["id"] for b in robot.bodies if b["data"].get("news") == "exercise-over"]


def real(texts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that do not speak of a drill."""
    return [body for body in texts if "演习" not in body["text"] and "DRILL" not in body["text"]]


def test_the_command_follows_a_drill_to_its_last_answer(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        going = begin(
            "drill", "start", "site0/smoke-1", "--by", "值班站长", "--why", "月度演练", "--wait", "60s", "--end", cwd=tmp_path
        )  # fmt: skip
        it.phone.wait_for(lambda _: it.texts_to("值班员甲") and it.texts_to("值班员乙"))
        it.daemon.wait_for(lambda: "accepted" in it.points("sup-000001"), "a channel has taken it")
        for who in ("值班员甲", "值班员乙"):
            tap(it.texts_to(who)[0]["link"])
        said, wrong = going.communicate(timeout=60)
        assert (going.returncode, wrong) == (0, ""), said
        lines = [line.split(None, 2)[-1] for line in said.splitlines()[1:]]
        order = ["模拟信号发出", "报警 Alarm raised", "首个渠道送达", "值班员甲 Duty A: 应答", "被呼叫者全部应答"]
        at = [next(i for i, line in enumerate(lines) if line.startswith(part)) for part in order]
        assert at == sorted(at), said
        assert "Kept (not played: arrival, resolution); accepted after" in said
        assert it.drills("GET", "/sup-000001")["ended_by"] == "值班站长"

        missed = start(tmp_path, "--wait", "1s", "--end")
        assert missed.code == 1, missed.out
        assert "未应答：值班员甲、值班员乙" in missed.out
        assert start(tmp_path, device="site0").code == 2
        assert "smook" in start(tmp_path, "--value", "smook=true").err
        it.smoke()
        it.daemon.wait_for(lambda: it.daemon.metric("wanglou_incidents_open") >= 1, "it burns")
        assert "A fire is open in this zone" in start(tmp_path).err
    gone = start(tmp_path)
    assert (gone.code, "is it running?" in gone.err) == (2, True)
    assert TOKEN not in gone.err + gone.out


def start(folder: Path, *more: str, device: str = "site0/smoke-1") -> Ended:
    return wanglou("drill", "start", device, "--by", "值班站长", "--why", "月度演练", *more, cwd=folder)


def test_a_broker_that_forgets_a_reading_fails_the_drill_and_one_that_is_gone_takes_it_back(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        # A rule that none of these values decides: it arrives and comes to nothing.
        nothing = it.drills("POST", "", DRILL | {"values": {"battery": 80}})
        assert (nothing["incident"], nothing["points"], nothing["verdict"]) == (None, [], "running")
        ended = it.drills("POST", f"/{nothing['id']}/end", {"by": "值班站长"})
        assert (ended["verdict"], "nothing was raised" in ended["said"]["en"]) == ("missed", True)
        it.broker.stop()
        it.daemon.wait_for(lambda: it.daemon.metric("wanglou_feed_connected") == 0, "the broker is missed")
        with pytest.raises(urllib.error.HTTPError, match="503"):
            it.drills("POST", "", DRILL)
        assert [d["id"] for d in it.drills("GET")["items"]] == ["sup-000001"]
