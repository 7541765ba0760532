"""Simulated chargers obey commands: the relay opens, the port cools, and what is deaf, silent or welded shut does not."""

from __future__ import annotations

import json

import pytest

from simulators.feed import Feed
from simulators.places import lakeside
from simulators.scenario import parse
from simulators.wire import Order, order

FAULT = """
about: {zh: 试, en: Try}
duration: 10m
life: {charging: false}
happenings:
  - {at: 20s, until: 8m, charge_fault: {charger: charger-05, doubles_every: 20s}}
"""
TOPIC = "wl/lakeside/charger-05/down"


def heated(scenario: str, told_at_ms: int = 100_000, command: str = "cut_power") -> list[tuple[int, dict[str, object]]]:
    """What the charger says of itself; it is told a command at a moment."""
    place = lakeside()
    feed = Feed(place, parse(scenario, "try.yaml", place), 1)
    said, told = [], False
    for frame in feed.frames():
        if frame.at_ms >= 600_000:
            break
        if frame.at_ms >= told_at_ms and not told:
            told = True
            feed.obey("charger-05", command, "c-1")
            feed.obey("smoke-01", command, "c-2")
            feed.obey("nobody", command, "c-3")
        if frame.topic == f"wl/{place.site}/charger-05/up":
            said.append((frame.at_ms, json.loads(frame.payload)))
    return said


def answers(said: list[tuple[int, dict[str, object]]]) -> list[tuple[object, object]]:
    return [(values["command_id"], values["command_ok"]) for _, values in said if "command_id" in values]


def test_a_cut_charger_answers_at_once_cools_and_is_switched_on_when_it_is_mended() -> None:
    said = heated(FAULT)
    assert answers(said) == [("c-1", True)]
    (answered,) = [at for at, values in said if "command_id" in values]
    assert 100_000 <= answered < 103_000
    assert {values["relay_closed"] for at, values in said if at < answered} == {True}
    assert {values["relay_closed"] for at, values in said if answered <= at < 480_000} == {False}
    assert {values["power"] for at, values in said if answered <= at} == {0.0}
    assert [values["relay_closed"] for at, values in said if at > 480_000][-1] is True
    hottest = max((float(str(values["port_temperature"])), at) for at, values in said)
    assert hottest[1] <= answered
    assert max(float(str(v["port_temperature"])) for _, v in heated(FAULT, 10_000_000)) > hottest[0] + 20


@pytest.mark.parametrize("why", ["deafen", "silence"])
def test_who_does_not_hear_does_nothing(why: str) -> None:
    said = heated(f"{FAULT}  - {{at: 1s, until: 5m, {why}: {{device: charger-05}}}}\n")
    assert answers(said) == []
    assert all(values["relay_closed"] for _, values in said)


def test_a_welded_relay_stays_closed_and_says_so() -> None:
    said = heated(f"{FAULT}  - {{at: 1s, weld: {{device: charger-05}}}}\n")
    assert answers(said) == [("c-1", False)]
    assert all(values["relay_closed"] for _, values in said)


def test_a_command_that_it_does_not_know_is_answered_and_not_obeyed() -> None:
    said = heated(FAULT, command="sound")
    assert answers(said) == [("c-1", False)]
    assert all(values["relay_closed"] for _, values in said)


def test_a_command_is_read_with_care() -> None:
    good = {"command": "cut_power", "id": "c-1", "expires_at": "2026-11-22T08:00:30.250+08:00"}
    assert order(TOPIC, json.dumps(good).encode()) == Order("charger-05", "cut_power", "c-1", 1_795_305_630_250)
    for bad in (b"", b"[]", b"7", b"{}", b"\xff", json.dumps({**good, "expires_at": "2026-11-22T08:00:30"}).encode()):
        assert order(TOPIC, bad) is None
    assert order("wl/lakeside/charger-05/up", json.dumps(good).encode()) is None
    assert order("wl/down", json.dumps(good).encode()) is None
