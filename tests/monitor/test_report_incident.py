"""The report of one incident: everything that is kept of it on one page, whatever is missing or strange.

Knows a real engine's ledger, and the story's parts; no console and no browser.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.evidence import said
from monitor.ledger.dossier import read_dossier
from monitor.ledger.records import opened_records
from monitor.ports import Batch, Bucket, Point, TimelineRow, TryAgain
from monitor.reports.charts import Line, Promise, promises, readings
from monitor.reports.incident import MOST_DEVICES, STEPS, Story, Window, charted, story, told, wanted
from monitor.reports.incident_page import incident_page
from monitor.reports.timeline_words import beside, words
from rules.model import (
    HOUR,
    MINUTE,
    SECOND,
    Disposition,
    IncidentState,
    Kind,
    Measure,
    Neighbourhood,
    Step,
    Suppression,
    Text,
)
from rules.people import Person, Plan, Role
from tests.fake_history import FakeHistory
from tests.fake_ledger import FakeLedger
from tests.monitor.test_evidence import _night
from tests.rules.small_block import T0, block
from tests.small_site import NOW, incident, neighbourhood, push


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A kitchen's fire with a re-alarm, its readings off the tape."""
    folder = tmp_path_factory.mktemp("night")

    async def read() -> Story:
        await _night(folder, photo=False)
        async with opened_records(folder) as records:
            found = await told(records, "inc-000001", block(), T0 + HOUR)
        kept = read_dossier(folder, "inc-000001")
        assert found is not None
        assert kept is not None
        return charted(found, said(kept.messages))

    return asyncio.run(read())


def test_one_page_tells_all_that_is_kept(night: Story) -> None:
    shown = incident_page(night)
    for part in (
        "火警", "inc-000001", "误报", "承诺与实际", "第 1 次", "第 2 次", "12 s", "42 s / 5:00", "超时 missed", "前后读数", "减光率",
        "通知了谁", "已送达", "+2 s", "ok", "时间线", "确认接警", "值班员 / Duty officer",
        "看过了", "再次报警", "结案：误报", night.timeline[-1].link, "wanglou evidence export inc-000001",
    ):  # fmt: skip
        assert part in shown, part
    assert not re.search(r"<script|\ssrc=|href=|url\(|\sstyle=", shown)
    assert len(re.findall("<polyline", shown)) == len(night.charts) == 2


def test_when_the_ledger_has_forgotten_the_pushes_the_timeline_tells_them(night: Story) -> None:
    assert "推送送达：hook" not in incident_page(night)
    assert "推送送达：hook" in incident_page(replace(night, pushes=()))


def test_a_withheld_drill_in_a_flood_says_so_first(night: Story) -> None:
    measure = Suppression("sup-000001", Measure.WORKS, "b/home", "", "值班员", "动火作业", T0, T0 + HOUR, "专人看护")
    it = replace(night.incident, exercise="drill-1", withheld=measure.id, lead="inc-000009", members=0)
    shown = incident_page(replace(night, incident=it, suppression=measure))
    banners = re.findall('<p class="banner">(.*?)</p>', shown)
    assert banners[0] == "【演习】[DRILL] drill-1"
    assert banners[1].startswith(
        "推送被抑制 withheld from paging: sup-000001 · 动火作业 works permit · 值班员 · 动火作业 · 专人看护 · "
    )
    assert "inc-000009" in banners[2]
    assert "sup-000001" in incident_page(replace(night, incident=it, suppression=None))


def test_what_people_and_devices_wrote_is_text_and_nothing_else(night: Story) -> None:
    evil = '</td><script>alert("1")</script>\udcff'
    rows = [TimelineRow(n, T0, "i", step, {"by": evil, "note": evil, "title_zh": evil, "reading.x": evil, "goal": evil, "step": evil})
            for n, step in enumerate([*Step, evil])]  # fmt: skip
    it = replace(night.incident, title=Text(evil, evil), zone=evil, acknowledged_by=evil, exercise=evil, rules=(evil,))
    shown = incident_page(replace(night, incident=it, timeline=rows, charts={}))
    assert "<script" not in shown
    assert shown.encode()


@pytest.mark.parametrize("step", Step)
def test_every_step_has_words_in_both_languages(step: Step) -> None:
    detail: Mapping[str, object] = {
        "title_zh": "烟", "title_en": "smoke", "kind": "FIRE", "goal": "dispatch", "channel": "hook", "attempt": 2.0, "left": 15.0,
        "disposition": "fire", "targets": "duty", "to": "119", "scope": "b/1", "why": "test", "command_zh": "断电",
        "command_en": "cut power",
    }  # fmt: skip
    found = words(TimelineRow(1, T0, "i", step, detail))
    assert step.value not in (found.zh, found.en)
    assert re.search("[\u4e00-\u9fff]", found.zh)
    assert found.en.isascii()
    assert words(TimelineRow(1, T0, "i", step, {})).zh, "an older entry may lack every detail"


@pytest.mark.parametrize(
    ("step", "mode", "why", "shown"),
    [
        (Step.COMMANDED, "armed", "", "Commanded: Cut the power"),
        (Step.COMMANDED, "dry-run", "", "Would have been commanded (dry run): Cut the power"),
        (Step.COMMANDED, "refused", "not-allowed", "Not commanded: Cut the power the site file does not allow it"),
        (Step.COMMAND_DONE, "", "", "Command done: Cut the power"),
        (Step.COMMAND_FAILED, "", "timeout", "Command failed: Cut the power the device did not confirm in time"),
    ],
)
def test_what_was_not_sent_does_not_read_as_if_it_had_been(step: Step, mode: str, why: str, shown: str) -> None:
    detail = {"command_zh": "切断电源", "command_en": "Cut the power", "device": "b/c1", "mode": mode, "why": why}
    assert words(TimelineRow(1, T0, "i", step, detail)).en == shown


def test_an_alarm_that_ended_with_its_rule_does_not_read_as_if_all_were_well() -> None:
    told = [
        words(TimelineRow(1, T0, "i", Step.RETURNED, {"rule": "r", "latched": False, **more})).en
        for more in ({}, {"because": "rule changed"}, {"because": "rule removed"})
    ]
    assert told == ["Back to normal", "Ended, for its rule was changed", "Ended, for its rule was removed"]


def test_a_step_of_a_newer_version_is_shown_by_its_name() -> None:
    assert words(TimelineRow(1, T0, "i", "teleported", {})) == Text("teleported", "teleported")


def test_beside_a_line_stands_what_was_measured_and_said() -> None:
    detail = {
        "device": "b/h1",
        "reading.temperature": 61.25,
        "reading.smoke": True,
        "reading.odd": "x",
        "by": "王",
        "note": "",
        "via": "link",
    }
    assert beside(detail) == ["b/h1", "温度 61.25", "烟雾报警 是 yes", "odd x", "王", "经由 via link"]


# --- what it is made of -----------------------------------------------------------------------------------------------


async def fire(ledger: FakeLedger, *, zone: str = "yard/garage") -> None:
    raised = '{"rule": "smoke", "device": "yard/smoke-1", "reading.smoke_density": 0.6, "reading.text": "x"}'
    await ledger.commit(
        Batch(
            incidents={"i-1": replace(incident("i-1"), zone=zone)},
            entries=[(NOW, "i-1", "raised", raised)],
            pushes=[replace(push("i-1/dispatch-1/hook@p-1", "i-1"), to="p-1")],
        )
    )


async def test_readings_come_from_the_history_and_a_dead_history_costs_only_them() -> None:
    ledger, history = FakeLedger(), FakeHistory()
    await fire(ledger)
    points = [
        Point("yard/smoke-1", "smoke_detector", "yard/garage", (NOW + n * SECOND) * 1000, {"smoke_density": n / 10.0})
        for n in range(30)
    ]
    await history.write(points)
    it = await story(ledger, "i-1", neighbourhood(), history, NOW + MINUTE)
    assert it is not None
    assert {quantity: [line.device for line in lines] for quantity, lines in it.charts.items()} == {
        "smoke_density": ["yard/smoke-1"]
    }
    assert "减光率 smoke obscuration (dB/m)" in incident_page(it)
    history.failing = TryAgain("away")
    dead = await story(ledger, "i-1", neighbourhood(), history, NOW + MINUTE)
    assert dead is not None
    assert "历史数据暂不可用" in incident_page(dead)
    without = await story(ledger, "i-1", neighbourhood(), None, NOW + MINUTE)
    assert without is not None
    assert not without.charted
    assert await story(ledger, "i-2", neighbourhood(), history, NOW) is None


async def test_people_are_named_and_strangers_are_shown_by_their_key() -> None:
    ledger = FakeLedger()
    await fire(ledger, zone="yard/gone")
    places = neighbourhood()
    places.plan = Plan(people={"p-1": Person("p-1", Text("李队员", "Responder Li"), Role.RESPONDER)})
    it = await told(ledger, "i-1", places, NOW)
    assert it is not None
    assert "李队员" in incident_page(it)
    places.plan = None
    shown = incident_page(it)
    assert "p-1" in shown
    assert "yard/gone" in shown  # a zone that has left the site file


def test_the_window_is_bounded_and_divided_into_whole_seconds() -> None:
    assert Window(0, 20 * MINUTE).step == 4 * SECOND
    assert Window(0, 1).step == SECOND
    day = Window(0, 24 * HOUR)
    assert (day.until - day.since) // day.step <= STEPS


async def test_an_incident_that_stood_for_weeks_shows_its_first_day() -> None:
    ledger = FakeLedger()
    await fire(ledger)
    it = await told(ledger, "i-1", neighbourhood(), NOW + 30 * 24 * HOUR)
    assert it is not None
    assert it.window.until - it.window.since == 24 * HOUR + 20 * MINUTE


async def test_only_so_many_devices_and_charts() -> None:
    ledger = FakeLedger()
    await fire(ledger)
    rows = [
        (NOW, "i-1", "joined", f'{{"device": "yard/plug-{n}", "reading.current": 1.0, "reading.power": 2.0}}')
        for n in range(20)
    ]
    await ledger.commit(Batch(entries=rows))
    it = await told(ledger, "i-1", neighbourhood(), NOW)
    assert it is not None
    devices, quantities = wanted(it)
    assert (len(devices), devices[0].key) == (MOST_DEVICES, "yard/smoke-1")
    assert quantities[:3] == ["smoke_density", "current", "power"]
    assert "text" not in quantities


def test_bars_are_red_when_missed_and_never_wider_than_their_place() -> None:
    shown = promises([
        Promise(Text("派单", "dispatch"), MINUTE, 90 * SECOND, True), Promise(Text("到场", "arrival"), 5 * MINUTE, None, False),
        Promise(Text("接警", "acknowledgement"), None, 0, False), Promise(Text("处置", "resolution"), None, None, False),
    ])  # fmt: skip
    assert max(int(wide) for wide in re.findall(r'width="(\d+)"', shown)) == 1000
    assert 'width="666" height="20"' in shown  # a minute of the one and a half that it took
    assert shown.count("#b3261e") == 1
    assert shown.count("未达到 not reached") == 4  # each said to the eye and to the ear


@pytest.mark.parametrize("values", [[0.0], [5.0, 5.0], [-1e6, 1e6], [1e-9, 2e-9], [0.0, 1.0]])
def test_a_chart_of_any_values_stays_inside(values: list[float]) -> None:
    points = [Bucket(n * SECOND, v, v, v, 1) for n, v in enumerate(values)]
    shown = readings(
        Text("温度", "temperature"), "°C", [Line("d", points)], 0, 10 * SECOND, [(SECOND, "报警"), (HOUR, "外")]
    )
    curve = re.search('<polyline points="(.*?)"', shown)
    assert curve is not None
    for pair in curve[1].split():
        x, y = map(float, pair.split(","))
        assert 56 <= x <= 708
        assert 22 <= y <= 150
    assert "外" not in shown
    assert len(re.findall('text-anchor="end"', shown)) >= 3


def test_dispositions_and_states_all_have_their_word(night: Story) -> None:
    for disposition in Disposition:
        for state in IncidentState:
            for kind in Kind:
                assert incident_page(
                    replace(night, incident=replace(night.incident, disposition=disposition, state=state, kind=kind))
                )


@pytest.mark.parametrize("measure", Measure)
def test_every_measure_has_its_word(night: Story, measure: Measure) -> None:
    found = Suppression("sup-000001", measure, "b/home", "", "值班员", "原因", T0, T0 + HOUR)
    shown = incident_page(replace(night, incident=replace(night.incident, withheld=found.id), suppression=found))
    assert "sup-000001 · " in shown


def test_a_block_without_any_promise_has_bars_without_a_mark(night: Story, tmp_path: Path) -> None:
    places = Neighbourhood(zones=night.places.zones, stations=(), sla={})
    it = replace(night.incident, dispatch_due_at=None, on_scene_due_at=None, resolve_due_at=None)
    assert " / 1:00" not in incident_page(replace(night, incident=it, places=places))
