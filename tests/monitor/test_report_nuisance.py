"""Nuisance accounting: what alarms turned out to be, by device, rule, zone and hour, checked by hand.

Knows the ledger's fake and the report; neither engine nor console.
"""

from __future__ import annotations

import json
from typing import Any

from monitor.console.answers_reports import NuisanceAnswer
from monitor.ports import Batch
from monitor.reports.nuisance import YEAR, NuisanceReport, nuisance
from monitor.reports.nuisance_page import nuisance_page
from monitor.reports.nuisance_sheet import NuisanceTable, nuisance_sheet
from monitor.reports.periods import Month
from rules.model import (
    DAY,
    HOUR,
    MINUTE,
    Condition,
    Device,
    Disposition,
    Incident,
    IncidentState,
    Kind,
    Micros,
    Step,
    Text,
    Zone,
)
from tests.fake_ledger import FakeLedger
from tests.monitor.test_report_sla import rows

NOVEMBER = Month(2026, 11)
START = NOVEMBER.since
ZONES = {key: Zone(key, "b", Text(f"区{key[-1]}", key), "dwelling") for key in ("b/1", "b/2")}
DEVICES = {
    key: Device(key, "b", kind, zone, Text(f"设备{key[-2:]}", key))
    for key, kind, zone in (
        ("b/s1", "smoke_detector", "b/1"),
        ("b/s2", "smoke_detector", "b/1"),
        ("b/h3", "heat_detector", "b/2"),
        ("b/c4", "charger", "b/2"),
    )
}


class Month30:
    """A ledger of November, written incident by incident."""

    def __init__(self) -> None:
        self.ledger = FakeLedger()
        self.count = 0

    async def alarm(
        self, at: Micros, found: Disposition | None, *alarms: tuple[str, str], kind: Kind = Kind.FIRE,
        again: tuple[Micros, ...] = (), **more: Any,
    ) -> None:  # fmt: skip
        """An incident of these (device, rule): the first raises it, the others join it, `again` is when it is raised anew."""
        self.count += 1
        key = f"inc-{self.count:06d}"
        it = Incident(
            id=key, site="b", group="fire", kind=kind, condition=Condition.RETURNED, title=Text("烟", "smoke"), raised_at=at,
            state=IncidentState.CLOSED if found else IncidentState.DISPATCHED, disposition=found,
            **{"zone": "b/1", "station": "east"} | more,
        )  # fmt: skip
        told: list[tuple[Micros, Step, tuple[str, str]]] = [
            (at + n * MINUTE, Step.JOINED if n else Step.RAISED, alarm) for n, alarm in enumerate(alarms)
        ]
        told += [(at + after, Step.REALARM, alarms[0]) for after in again]
        entries = [
            (
                when,
                key,
                step.value,
                json.dumps({"device": device, "rule": rule, "title_zh": "感烟", "title_en": "smoke"}),
            )
            for when, step, (device, rule) in told
        ]
        await self.ledger.commit(Batch(incidents={key: it}, entries=entries))

    async def report(self, now: Micros = START + 31 * DAY, **more: Any) -> NuisanceReport:
        return await nuisance(self.ledger, NOVEMBER, DEVICES, ZONES, now=now, **more)


SMOKE, DENSE = ("b/s1", "smoke"), ("b/s1", "dense")


async def test_precision_is_of_what_is_known_to_be_fire_or_not() -> None:
    it = Month30()
    for n, found in enumerate((*Disposition, Disposition.NUISANCE, Disposition.NUISANCE, None)):
        await it.alarm(START + n * DAY, found, SMOKE)
    report = await it.report()
    total = report.total
    assert (total.raised, total.open, total.false, total.found[Disposition.FIRE]) == (8, 1, 3, 1)
    assert total.precision == 0.25
    assert [(line.key, line.tally.raised, line.tally.precision) for line in report.devices] == [("b/s1", 8, 0.25)]
    (device,) = report.devices
    assert device.per_year is not None
    assert abs(device.per_year - 3 / (30 * DAY / YEAR)) < 1e-9  # 36.5 a year
    # Three detectors for thirty days.
    assert (report.detectors, report.per_detector_year) == (3, 3 / (3 * (30 * DAY / YEAR)))


async def test_nothing_known_is_no_precision_and_nothing_at_all_is_a_report() -> None:
    it = Month30()
    empty = await it.report()
    assert (empty.total.raised, empty.total.precision, empty.devices, empty.per_detector_year) == (0, None, (), 0.0)
    assert "误报统计 2026-11" in nuisance_page(empty)
    await it.alarm(START, Disposition.TEST, SMOKE)
    assert (await it.report()).total.precision is None
    future = await it.report(now=START - DAY)
    assert (future.detector_years, future.per_detector_year, future.devices[0].per_year) == (0.0, None, None)


async def test_of_a_month_that_still_runs_only_its_past_counts() -> None:
    it = Month30()
    await it.alarm(START + HOUR, Disposition.NUISANCE, SMOKE)
    report = await it.report(now=START + 10 * DAY)
    assert report.detector_years == 3 * (10 * DAY / YEAR)


async def test_each_raising_counts_once_for_each_device_and_rule_that_had_part_in_it() -> None:
    it = Month30()
    await it.alarm(START + HOUR, Disposition.NUISANCE, SMOKE, DENSE, ("b/s2", "smoke"), SMOKE, again=(3 * HOUR,))
    report = await it.report()
    assert (report.total.raised, report.total.alarms, report.total.false) == (2, 5, 2)
    assert {line.key: (line.tally.raised, line.tally.alarms) for line in report.devices} == {
        "b/s1": (2, 4),
        "b/s2": (1, 1),
    }
    assert {line.key: (line.tally.raised, line.tally.alarms) for line in report.rules} == {
        "smoke": (2, 4),
        "dense": (1, 1),
    }
    assert report.rules[0].name == Text("感烟", "smoke")
    assert [hour for hour, tally in enumerate(report.hours) if tally.raised] == [1, 4]


async def test_an_hour_is_one_of_china() -> None:
    it = Month30()
    await it.alarm(START, Disposition.NUISANCE, SMOKE)  # midnight in China, 16:00 in UTC
    await it.alarm(START + 24 * HOUR - 1, Disposition.NUISANCE, SMOKE)
    assert [hour for hour, tally in enumerate((await it.report()).hours) if tally.false] == [0, 23]


async def test_faults_exercises_and_withheld_ones_are_named_and_not_counted() -> None:
    it = Month30()
    await it.alarm(START, Disposition.NUISANCE, SMOKE, kind=Kind.FAULT)
    await it.alarm(START, Disposition.TEST, SMOKE, exercise="drill-1")
    await it.alarm(START, Disposition.NUISANCE, SMOKE, withheld="sup-000001")
    await it.alarm(START, Disposition.NUISANCE, SMOKE, kind=Kind.SUPERVISORY)
    report = await it.report()
    assert (report.total.raised, report.faults, report.exercises, report.withheld) == (1, 1, 1, 1)


async def test_the_worst_come_first_and_a_zone_with_too_many_in_a_day_is_flagged() -> None:
    it = Month30()
    for n in range(6):
        await it.alarm(START + 2 * DAY + n * HOUR, Disposition.NUISANCE, ("b/h3", "hot"), zone="b/2")
    for n in range(5):
        await it.alarm(START + 2 * DAY + n * HOUR, Disposition.NUISANCE, SMOKE)
    await it.alarm(START + 2 * DAY + 9 * HOUR, Disposition.FIRE, SMOKE)
    await it.alarm(START + 3 * DAY, Disposition.NUISANCE, SMOKE)  # the sixth, but on the next day
    report = await it.report()
    assert [(line.key, line.tally.false) for line in report.devices] == [
        ("b/h3", 6),
        ("b/s1", 6),
    ]  # as many: less believable first
    assert {line.key: dict(line.days) for line in report.zones} == {"b/2": {"2026-11-03": 6}, "b/1": {}}
    shown = nuisance_page(report)
    assert "一天误报超过 5 次" in shown
    assert "2026-11-03: 6" in shown
    zones = rows(nuisance_sheet(report, NuisanceTable.ZONES))
    assert [row["误报过多的日子 days with too many"] for row in zones] == ["2026-11-03: 6", ""]


async def test_one_station_has_its_own_incidents_and_detectors() -> None:
    it = Month30()
    await it.alarm(START, Disposition.NUISANCE, SMOKE)
    await it.alarm(START, Disposition.NUISANCE, ("b/h3", "hot"), zone="b/2", station="west")
    west = await it.report(station="west", covered={"b/2"})
    assert (west.total.raised, west.detectors, [line.key for line in west.devices]) == (1, 1, ["b/h3"])


async def test_a_device_that_has_left_the_site_file_and_an_alarm_without_a_device_are_told() -> None:
    it = Month30()
    await it.alarm(START, Disposition.NUISANCE, ("b/gone", "smoke"))
    await it.alarm(START, Disposition.NUISANCE, ("", "system"))
    report = await it.report()
    assert [(line.key, line.name.zh, line.zone) for line in report.devices] == [("b/gone", "b/gone", "")]
    assert [line.key for line in report.rules] == ["smoke", "system"]


async def test_page_sheets_and_json_say_the_same() -> None:
    it = Month30()
    for n in range(40):
        await it.alarm(START + n * HOUR, Disposition.NUISANCE if n % 4 else Disposition.FIRE, (f"b/x{n:02}", "smoke"))
    report = await it.report()
    shown = nuisance_page(report)
    assert "25 %" in shown
    assert "10 more are in the CSV file." in shown
    assert "<script" not in shown
    for table, number in (
        (NuisanceTable.DEVICES, 40),
        (NuisanceTable.RULES, 1),
        (NuisanceTable.ZONES, 1),
        (NuisanceTable.HOURS, 24),
    ):
        sheet = rows(nuisance_sheet(report, table))
        assert len(sheet) == number
        assert sum(int(row["误报 nuisance"]) for row in sheet) == 30
    plain = json.loads(NuisanceAnswer.of(report).model_dump_json())
    assert plain["total"] == {
        "raised": 40, "alarms": 40, "open": 0, "precision": 0.25,
        "found": {"fire": 10, "nuisance": 30, "test": 0, "works": 0, "unknown": 0},
    }  # fmt: skip
    assert len(plain["hours"]) == 24
