"""Rule books changed while the daemon runs: by an editor, by a signal, over the API, half written, and all of them at once."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.tape import BOOK as BOOK_ROW
from monitor.tape import unpack
from tests.publisher import Outgoing, publish
from tests.running import BOOK, Hook, Wanglou, hook, in_ledger, site
from tests.servers import Mosquitto, mosquitto

pytestmark = pytest.mark.live

HEAT = """  - id: heat
    kind: FIRE
    devices: [smoke_detector]
    when: temperature > 60
    title: {zh: 感温报警, en: Heat}
"""
WITHOUT_BATTERY = BOOK[: BOOK.index("  - id: low-battery")]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as server:
        yield server


@pytest.fixture
def heard() -> Iterator[Hook]:
    with hook() as made:
        yield made


def say(broker: Mosquitto, **values: float) -> None:
    publish(broker.port, [Outgoing("wl/site0/smoke-1/up", json.dumps(values).encode())])


def rules(daemon: Wanglou) -> set[str]:
    return {rule["id"] for rule in daemon.get("/api/v1/rules")["items"]}


def alarms(daemon: Wanglou) -> dict[str, str]:
    return {alarm["rule"]: alarm["state"] for alarm in daemon.get("/api/v1/devices/site0/smoke-1")["alarms"]}


def troubles(daemon: Wanglou) -> dict[str, str]:
    return {item["source"]: item["detail"] for item in daemon.get("/api/v1/troubles")["items"]}


def books_on_the_tape(daemon: Wanglou) -> list[list[str]]:
    """Rule ids of every book that came into force, oldest first."""
    records = in_ledger(daemon.config.parent / "data", "SELECT record FROM tape ORDER BY first_seq")
    rows = [row for (record,) in records for row in unpack(record) if row[0] == BOOK_ROW]
    return [[line.split()[-1] for _, text in row[3] for line in text.splitlines() if " id: " in line] for row in rows]


def steps(daemon: Wanglou, incident: str) -> list[str]:
    told = daemon.get(f"/api/v1/incidents/{incident}")["timeline"]
    return [entry["step"] for entry in told if not entry["step"].startswith("push")]


def reload(daemon: Wanglou) -> dict[str, Any]:
    answer: dict[str, Any] = daemon.call("POST", "/api/v1/rules/reload")
    return answer


def test_an_edited_file_comes_into_force_by_itself_and_only_what_changed_ends(
    tmp_path: Path, broker: Mosquitto, heard: Hook
) -> None:
    with Wanglou(site(tmp_path / "site", mqtt=broker.port, webhook=heard.url)) as daemon:
        book = daemon.config.with_name("book.yaml")
        say(broker, smoke_density=2.5, battery=5)
        daemon.wait_for(lambda: alarms(daemon) == {"smoke": "active", "low-battery": "active"}, "both alarms")
        # In the ledger, not only in the engine.
        daemon.wait_for(lambda: len(daemon.get("/api/v1/incidents")["items"]) == 2, "both incidents")
        fire = next(i for i in daemon.get("/api/v1/incidents")["items"] if i["kind"] == "FIRE")
        daemon.call("POST", f"/api/v1/incidents/{fire['id']}/acknowledge", {"by": "王"})
        book.write_text(WITHOUT_BATTERY + HEAT, "utf-8")
        daemon.wait_for(lambda: rules(daemon) == {"smoke", "heat"}, "the edited book is in force")
        assert alarms(daemon) == {"smoke": "active"}
        after = daemon.get(f"/api/v1/incidents/{fire['id']}")["incident"]
        assert (after["state"], after["condition"]) == ("acknowledged", "active")
        fault = next(i for i in daemon.get("/api/v1/incidents")["items"] if i["kind"] == "FAULT")
        wanted = ["raised", "returned", "resolved"]
        daemon.wait_for(
            lambda: [step for step in steps(daemon, fault["id"]) if step in wanted] == wanted, "the ledger says so"
        )
        daemon.wait_for(lambda: books_on_the_tape(daemon)[-1] == ["smoke", "heat"], "the reload is on the tape")


def test_a_signal_the_watch_and_the_api_at_once_are_one_reload(tmp_path: Path, broker: Mosquitto, heard: Hook) -> None:
    with Wanglou(site(tmp_path / "site", mqtt=broker.port, webhook=heard.url)) as daemon:
        daemon.wait_for(lambda: len(books_on_the_tape(daemon)) == 1, "the first book is on the tape")
        before = 1
        daemon.config.with_name("book.yaml").write_text(BOOK + HEAT, "utf-8")
        answers: list[dict[str, Any]] = []
        asking = [threading.Thread(target=lambda: answers.append(reload(daemon))) for _ in range(4)]
        daemon.hang_up()
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        time.sleep(5)  # two more looks
        assert len(answers) == 4
        assert sum(answer["added"] == ["heat"] for answer in answers) <= 1
        assert rules(daemon) == {"smoke", "low-battery", "heat"}
        assert len(books_on_the_tape(daemon)) == before + 1
        assert len(daemon.logged("rule book changed")) == 1
        assert reload(daemon) == {
            "added": [], "removed": [], "changed": [], "reworded": [], "unchanged": ["smoke", "low-battery", "heat"],
            "years": [],
        }  # fmt: skip
        assert len(books_on_the_tape(daemon)) == before + 1, "an identical book is no event"


def test_a_half_written_file_changes_nothing_is_shown_and_is_forgotten_when_it_is_whole(
    tmp_path: Path, broker: Mosquitto, heard: Hook
) -> None:
    with Wanglou(site(tmp_path / "site", mqtt=broker.port, webhook=heard.url)) as daemon:
        say(broker, battery=5)
        daemon.wait_for(lambda: alarms(daemon) == {"low-battery": "active"}, "an alarm")
        book = daemon.config.with_name("book.yaml")
        book.write_text(BOOK[:-40], "utf-8")  # the writer was interrupted in the midst of the last rule
        daemon.wait_for(lambda: "rules" in troubles(daemon), "the half-written book is shown")
        assert "book.yaml" in troubles(daemon)["rules"]
        with pytest.raises(urllib.error.HTTPError) as refused:
            reload(daemon)
        problem = json.load(refused.value)
        assert (refused.value.code, problem["type"]) == (422, "urn:wanglou:problem:invalid-book")
        assert problem["mistakes"][0]["file"].endswith("book.yaml")
        assert rules(daemon) == {"smoke", "low-battery"}
        assert alarms(daemon) == {"low-battery": "active"}
        book.write_text(BOOK + HEAT, "utf-8")
        daemon.wait_for(lambda: rules(daemon) == {"smoke", "low-battery", "heat"}, "the whole one is in force")
        daemon.wait_for(lambda: "rules" not in troubles(daemon), "the trouble has ended")
        assert alarms(daemon) == {"low-battery": "active"}


def test_a_new_file_in_a_folder_counts_and_a_watch_that_is_off_does_not_look(
    tmp_path: Path, broker: Mosquitto, heard: Hook
) -> None:
    folder = tmp_path / "site" / "rules"
    folder.mkdir(parents=True)
    (folder / "one.yaml").write_text(BOOK, "utf-8")
    config = site(tmp_path / "site", mqtt=broker.port, webhook=heard.url, book=None, books=["rules"])
    with Wanglou(config) as daemon:
        (folder / "two.test.yaml").write_text("a test is no book", "utf-8")
        (folder / "two.yaml").write_text("version: 1\nrules:\n" + HEAT, "utf-8")
        daemon.wait_for(lambda: rules(daemon) == {"smoke", "low-battery", "heat"}, "the new file is in force")
        explained = daemon.get("/api/v1/rules/heat/explain?subject=site0/smoke-1")
        assert explained["sentences"][0]["en"] == "The condition is unknown: temperature was never reported."
    blind = site(tmp_path / "blind", mqtt=broker.port, webhook=heard.url, books_watch=False)
    with Wanglou(blind) as daemon:
        blind.with_name("book.yaml").write_text(BOOK + HEAT, "utf-8")
        time.sleep(4.5)  # two looks would have been enough
        assert rules(daemon) == {"smoke", "low-battery"}
        assert reload(daemon)["added"] == ["heat"]
