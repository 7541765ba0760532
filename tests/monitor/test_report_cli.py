"""`wanglou report …` beside a ledger: what is printed, what is written, and what is said when it cannot be.

Knows the command line and a ledger's folder; no server is needed.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest

from monitor.ledger.connection import FILE
from monitor.ledger.sqlite import SqliteLedger
from monitor.ports import Batch
from monitor.reports.periods import Month
from rules.model import HOUR, MINUTE, SECOND, Disposition, Incident, IncidentState, Kind, Step
from tests.commands import wanglou
from tests.monitor.test_ledger_sqlite import VERSION_1
from tests.running import site
from tests.small_site import incident

AT = Month(2026, 11).since + HOUR


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A site file, and a ledger that a daemon holds open meanwhile would look like: written, not closed by the command."""
    path = site(tmp_path, mqtt=1, webhook="http://127.0.0.1:9/hook")
    asyncio.run(_write(tmp_path / "data"))
    return path


def burnt() -> Incident:
    return replace(
        incident("inc-000001", AT, IncidentState.CLOSED), site="site0", zone="site0/z0", station="post", devices=("site0/smoke-1",),
        dispatch_due_at=AT + MINUTE, disposition=Disposition.NUISANCE, closed_at=AT + HOUR,
    )  # fmt: skip


async def _write(folder: Path) -> None:
    ledger = SqliteLedger(folder)
    raised = json.dumps({"evidence": "live", "kind": Kind.FIRE, "device": "site0/smoke-1", "rule": "smoke"})
    steps = [(0, Step.RAISED, raised), (2 * SECOND, Step.DISPATCHED, "{}"), (HOUR, Step.CLOSED, "{}")]
    entries = [(AT + after, "inc-000001", step.value, detail) for after, step, detail in steps]
    state = msgpack.packb({"engine": {"devices": [["site0/smoke-1", AT]]}})
    await ledger.commit(Batch(incidents={"inc-000001": burnt()}, entries=entries, snapshot=state))
    await ledger.close()


def test_service_levels_as_page_sheet_and_json(config: Path) -> None:
    where = ("-c", config, "--month", "2026-11")
    printed = wanglou("report", "sla", *where, "--format", "json", cwd=config.parent)
    assert (printed.code, printed.err) == (0, "")
    (station,) = json.loads(printed.out)["stations"]
    assert (station["station"], station["responses"][0]["seconds"]) == ("post", {"dispatch": 2.0})
    written = wanglou("report", "sla", *where, "--station", "post", "-o", "sla.html", cwd=config.parent)
    assert written.code == 0, written.err
    assert (config.parent / "sla.html").read_text("utf-8").startswith("<!doctype html>")
    sheet = wanglou(
        "report", "sla", *where, "--format", "csv", "--table", "responses", "-o", "sla.csv", cwd=config.parent
    )
    assert sheet.code == 0, sheet.err
    assert (config.parent / "sla.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert "inc-000001" in (config.parent / "sla.csv").read_text("utf-8")


def test_nuisance_alarms_as_sheet_and_json(config: Path) -> None:
    where = ("-c", config, "--month", "2026-11")
    printed = wanglou("report", "nuisance", *where, "--format", "json", cwd=config.parent)
    assert (printed.code, printed.err) == (0, "")
    told = json.loads(printed.out)
    assert told["total"]["found"]["nuisance"] == 1
    assert [line["key"] for line in told["devices"]] == ["site0/smoke-1"]
    assert told["detectors"] == 1, "the snapshot knows who has spoken"
    written = wanglou(
        "report", "nuisance", *where, "--format", "csv", "--table", "hours", "-o", "hours.csv", cwd=config.parent
    )
    assert written.code == 0, written.err
    assert len((config.parent / "hours.csv").read_text("utf-8-sig").splitlines()) == 25


def test_an_incident_as_a_page(config: Path) -> None:
    written = wanglou("report", "incident", "inc-000001", "-c", config, "-o", "i.html", cwd=config.parent)
    assert written.code == 0, written.err
    assert "inc-000001" in (config.parent / "i.html").read_text("utf-8")
    assert wanglou("report", "incident", "inc-000002", "-c", config, cwd=config.parent)[:3] == (
        2, "", "there is no incident inc-000002\n",
    )  # fmt: skip


def test_what_cannot_be_reported_is_said(config: Path, tmp_path: Path) -> None:
    def said(*arguments: str) -> tuple[int, str]:
        ended = wanglou("report", "sla", "-c", config, *arguments, cwd=config.parent)
        return ended.code, ended.err

    assert said("--month", "November") == (2, "--month: write a month as 2026-11, between the years 1971 and 2199\n")
    assert said("--station", "pst")[0] == 2
    assert "no station pst (did you mean post" in said("--station", "pst")[1]
    (tmp_path / "data" / FILE).unlink()
    assert said() == (1, f"there is no ledger in {tmp_path / 'data'}\n")
    (tmp_path / "data" / FILE).write_bytes(gzip.decompress(VERSION_1.read_bytes()))
    code, words = said()
    assert (code, "has version 1" in words, "start the daemon of this version once" in words) == (1, True, True)
