"""Every zone has a device for what people report, without being listed; it is no detector and takes nobody's name."""

from __future__ import annotations

import re

import pytest

from rules.model import HUMAN_REPORT, Device, DevicePattern, Neighbourhood, Text, Zone

ZONE = Zone("yard/b1.f2-east", "yard", Text("一层东", "East, floor 1"), "corridor")


def places(**more: object) -> Neighbourhood:
    anything = DevicePattern(re.compile(r"yard/.+"), "smoke_detector", ZONE.key, Text("烟感", "Smoke"))
    return Neighbourhood(zones={ZONE.key: ZONE}, stations=(), patterns=(anything,), **more)  # type: ignore[arg-type]


def test_a_zone_has_its_reports_even_where_a_pattern_would_fit() -> None:
    found = places().device("yard/report-b1.f2-east")
    assert found is not None
    assert (found.kind, found.zone, found.site) == (HUMAN_REPORT, ZONE.key, "yard")
    assert (found.name.zh, found.name.en) == ("一层东 人员上报", "Reports of people, East, floor 1")


def test_it_is_not_among_the_listed_ones() -> None:
    here = places()
    here.device("yard/report-b1.f2-east")
    assert list(here.listed()) == []
    assert list(here.devices) == ["yard/report-b1.f2-east"]


def test_a_device_of_the_site_file_keeps_its_name() -> None:
    own = Device("yard/report-b1.f2-east", "yard", "printer", ZONE.key, Text("打印机", "Printer"))
    assert places(devices={own.key: own}).device(own.key) is own


@pytest.mark.parametrize("name", ["report-", "report-attic", "b1.f2-east", "xreport-b1.f2-east"])
def test_what_only_looks_like_one_is_a_device_like_any_other(name: str) -> None:
    found = places().device(f"yard/{name}")
    assert found is not None
    assert found.kind == "smoke_detector"


def test_the_bound_on_devices_holds_for_it_too() -> None:
    assert places(max_devices=0).device("yard/report-b1.f2-east") is None
