"""Whatever devices send and people write: the daemon goes on and says what was wrong, or does not start and says why.

Through a real broker, so what MQTT itself forbids (control characters in a topic, topics that are not UTF-8) is the broker's to refuse.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.publisher import Outgoing, publish
from tests.running import BOOK, ROOT, Hook, Wanglou, hook, site, taped
from tests.servers import Mosquitto, mosquitto

pytestmark = pytest.mark.live

UP = "wl/site0/smoke-1/up"


class Bad(NamedTuple):
    """A message, its verdict, and why it or parts of it are set aside."""

    payload: bytes
    reasons: tuple[str, ...]
    verdict: str = "rejected"
    topic: str = UP
    retain: bool = False


def up(fields: str, *reasons: str, verdict: str = "rejected") -> Bad:
    return Bad(b"{%b}" % fields.encode(), reasons, verdict)


REJECTED = [
    Bad(b"smoke!", ("not-json",)),
    Bad(b'{"smoke_density": 0.1', ("not-json",)),
    Bad(b"[1, 2, 3]", ("not-json",)),
    Bad(b"null", ("not-json",)),
    Bad(b"\xff\xfe\x00 smoke", ("not-json",)),
    Bad(b"[" * 60_000, ("not-json",)),
    Bad(b'{"smoke_density":' * 3_000 + b"1" + b"}" * 3_000, ("not-json",)),
    Bad(b"{}", ("empty",)),
    Bad(b"", ("empty",)),
    Bad(b"", ("empty",), retain=True),
    Bad(b'{"smoke_density": 0.1, "x": "' + b"a" * 1_000_000 + b'"}', ("too-large",)),
    up(",".join(f'"q{n}": 1' for n in range(65)), "too-large"),
    up('"smoke_density": "much"', "wrong-type"),
    up('"smoke_density": true', "wrong-type"),
    up('"smoke_density": null', "wrong-type"),
    up('"smoke_density": {"value": [1]}', "wrong-type"),
    up('"smoke_density": ' + "[" * 50 + "]" * 50, "wrong-type"),
    up('"smoke": "perhaps"', "wrong-type"),
    up('"smoke_density": NaN', "out-of-range"),
    up('"smoke_density": Infinity', "out-of-range"),
    up('"smoke_density": -0.1', "out-of-range"),
    up('"smoke_density": 1e999', "out-of-range"),
    up('"temperature": 10000', "out-of-range"),
    up('"temperature": ' + "9" * 400, "out-of-range"),
    up('"smok_density": 1', "unknown-quantity"),
    up('"__proto__": 1', "unknown-quantity"),
    Bad(b'{"smoke_density": 0.1}', ("topic",), topic="wl/site0/\u202esmoke/up"),
    Bad(b'{"smoke_density": 0.1}', ("topic",), topic=f"wl/site0/{'long' * 40}/up"),
    Bad(b'{"smoke_density": 0.1}', ("topic",), topic="wl//smoke-1/up"),
    Bad(b"perhaps", ("status",), topic="wl/site0/smoke-1/status"),
]
PARTLY = [
    up('"at": 0, "smoke_density": 0.1', "clock", verdict="late"),
    up('"at": "2099-01-01T00:00:00Z", "smoke_density": 0.1', "clock", verdict="future"),
    up('"at": "yesterday", "smoke_density": 0.1', "clock", verdict="live"),
    up('"at": 1e300, "smoke_density": 0.1', "clock", verdict="live"),
    up('"id": [1], "smoke_density": 0.1', "wrong-type", verdict="live"),
    up('"smoke_density": 0.1, "temperature": "hot"', "wrong-type", verdict="live"),
    up('"smoke_density": 0.9, "smoke_density": 0.1', "duplicate-key", verdict="live"),
    up(
        '"smoke_density": 0.1, "temperature": 1e9, "weather": "fine"',
        "out-of-range",
        "unknown-quantity",
        verdict="live",
    ),
]
STRANGE_BUT_WELL = [
    Bad(b'{"smoke_density": 0.1}', (), "live", topic="wl/site0/烟感 🔥 'x' \"y\" $z %00 ../\\/up".replace("/\\", "\\")),
]
STRANGERS = [
    Bad(b'{"smoke_density": 0.1, "n": %d}' % n, (), "unregistered", topic=f"wl/elsewhere/smoke-{n % 2}/up")
    for n in range(5)
]
OWN = [Bad(b"{}", (), "own", topic="wl/site0/incidents/up")]
ALL = REJECTED + PARTLY + STRANGE_BUT_WELL + STRANGERS + OWN


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def heard() -> Iterator[Hook]:
    with hook() as heard:
        yield heard


def test_bad_messages_are_set_aside_with_their_reasons_and_the_watch_goes_on(
    tmp_path: Path, broker: Mosquitto, heard: Hook
) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=heard.url)
    publish(broker.port, [Outgoing(UP, b'{"smoke_density": 2.0}', retain=True)])
    with Wanglou(config) as daemon:
        daemon.wait_for(lambda: _verdicts(daemon)["retained"] == 1, "the stored copy is seen")
        publish(broker.port, [Outgoing(bad.topic, bad.payload, bad.retain) for bad in ALL])
        daemon.wait_for(lambda: sum(_verdicts(daemon).values()) >= len(ALL) + 1, "all are judged")
        assert _verdicts(daemon) == Counter(bad.verdict for bad in ALL) + Counter(["retained"])
        expected = [(reason, bad.topic) for bad in ALL for reason in bad.reasons]
        items = daemon.get("/api/v1/quarantine?limit=1000")["items"]
        assert [(item["reason"], item["topic"]) for item in reversed(items)] == expected
        assert all(item["detail"] and len(item["payload_base64"]) <= 2732 for item in items)
        assert _labelled(daemon, "wanglou_quarantined_total") == Counter(reason for reason, _ in expected)
        strangers = daemon.get("/api/v1/unregistered")["items"]
        assert {(s["device"], s["messages"]) for s in strangers} == {("elsewhere/smoke-0", 3), ("elsewhere/smoke-1", 2)}
        assert not heard.bodies
        _assert_a_fire_is_still_one(broker, heard)
        sizes = [len(payload) for payload, _ in taped(config.parent / "data")]
        assert max(sizes) <= 65_536, "what is too large is not kept whole"


def _assert_a_fire_is_still_one(broker: Mosquitto, heard: Hook) -> None:
    """Even when half of the message that tells it is nonsense."""
    publish(broker.port, [Outgoing(UP, b'{"smoke_density": 2.5, "temperature": "hot", "weather": NaN, "at": "now"}')])
    heard.wait_for(lambda heard: heard.dispatched())
    assert [i["last_device"] for i in heard.dispatched()] == ["site0/smoke-1"]


def test_a_flood_of_nonsense_holds_up_no_fire(tmp_path: Path, broker: Mosquitto, heard: Hook) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=heard.url)
    flood = [Outgoing(bad.topic, bad.payload, bad.retain) for bad in REJECTED if len(bad.payload) < 10_000] * 200
    with Wanglou(config) as daemon:
        publish(broker.port, [*flood, Outgoing(UP, b'{"smoke_density": 2.5}')])
        heard.wait_for(lambda heard: heard.dispatched())
        assert _verdicts(daemon) == {"rejected": len(flood), "live": 1}
        assert sum(_labelled(daemon, "wanglou_quarantined_total").values()) == len(flood)


def _verdicts(daemon: Wanglou) -> Counter[str]:
    return Counter({verdict: int(n) for verdict, n in _labelled(daemon, "wanglou_messages_total").items() if n})


def _labelled(daemon: Wanglou, family: str) -> dict[str, float]:
    """label → sample, of a family with one label."""
    return {
        name.partition('="')[2].removesuffix('"}'): n
        for name, n in daemon.metrics().items()
        if name.startswith(family + "{")
    }


# --- what people write ------------------------------------------------------------------------------------------------


def run_wrong(config: Path) -> str:
    """Run it: exit code 2, no traceback, nothing started; what it said."""
    command = [sys.executable, "-m", "monitor", "run", "--config", str(config)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    done = subprocess.run(command, cwd=config.parent, env=environ, capture_output=True, timeout=60, check=False)
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert done.stdout == b""
    assert "Traceback" not in said
    assert not (config.parent / "data").exists(), "a data folder was made"
    return said


def test_a_wrong_site_file_is_one_report_of_all_mistakes_and_nothing_starts(
    tmp_path: Path, broker: Mosquitto, heard: Hook
) -> None:
    config = site(tmp_path, mqtt=broker.port, webhook=heard.url)
    data = yaml.safe_load(config.read_text("utf-8"))
    data["mqtt"]["prot"] = 1883
    data["mqtt"]["port"] = 99_999
    data["api"]["token"] = "short-secret"
    data["channels"]["hook"]["url"] = "ftp://nowhere"
    data["sites"][0]["devices"][0]["zone"] = "z1"
    data["stations"][0]["recipients"] = ["hook", "pager"]
    config.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    said = run_wrong(config)
    for field in ("mqtt.prot", "mqtt.port", "api.token", "channels.hook.url"):
        assert field in said, said
    for line in (line for line in said.splitlines() if "site.yaml" in line):
        number = int(line.partition("site.yaml:")[2].partition(":")[0])
        assert 1 <= number <= config.read_text("utf-8").count("\n")
    assert "short-secret" not in said
    assert heard.bodies == []


def test_a_wrong_rule_book_is_one_report_of_all_mistakes_and_nothing_starts(
    tmp_path: Path, broker: Mosquitto, heard: Hook
) -> None:
    book = BOOK.replace("smoke_density > 0.5", "smoke_densty > 0.5").replace("battery < 10", "battery < 1000")
    said = run_wrong(site(tmp_path, mqtt=broker.port, webhook=heard.url, book=book))
    assert "book.yaml:7:11" in said, said
    assert "smoke_density" in said.replace("smoke_densty", ""), "the nearest name is suggested"
    assert "book.yaml:13:11" in said, said


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("sites: [", "not valid YAML"),
        ("", "api: is missing"),
        ("- a list", "site.yaml:1:1"),
        ("\x00\x01", "site.yaml"),
        ("a: &a [*a]", "site.yaml"),
    ],
)
def test_what_is_no_site_file_at_all_is_said_in_a_sentence(tmp_path: Path, text: str, word: str) -> None:
    config = tmp_path / "site.yaml"
    config.write_text(text, "utf-8")
    assert word in run_wrong(config)


def test_a_missing_site_file_or_book_is_said_in_a_sentence(tmp_path: Path) -> None:
    assert "cannot be read" in run_wrong(tmp_path / "site.yaml")
    config = site(tmp_path, mqtt=1, webhook="http://127.0.0.1:9/", book=None)
    config.write_text(config.read_text("utf-8").replace("shipped:all", "nowhere.yaml"), "utf-8")
    assert "nowhere.yaml" in run_wrong(config)
