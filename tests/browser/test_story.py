"""The demo's story, watched by two people in real browsers: one at a desk in Chinese, one on a phone in English.

Screenshots of every station on the way are kept in `.build/screenshots` (or WANGLOU_SCREENSHOTS) for people to look at.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.stage import PHONE, Screen, Wire, chromium
from tests.demo import Demo

pytestmark = [pytest.mark.live, pytest.mark.slow]

SOON, MINUTE = 20_000, 60_000
"""Milliseconds: what follows a click; the unit of the story."""


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """The story at twice its speed; the rules' own times are as ever."""
    with Demo(tmp_path / "demo", "--speed", "2") as running:
        yield running


@pytest.fixture
def wire(demo: Demo) -> Iterator[Wire]:
    """The desk's network."""
    cable = Wire(demo.port)
    yield cable
    cable.close()


@pytest.fixture
def screens(demo: Demo, wire: Wire) -> Iterator[tuple[Screen, Screen]]:
    """Desk (Chinese, on the wire) and phone (English, straight)."""
    with chromium() as browser:
        desk = Screen(browser, wire.port)
        phone = Screen(browser, demo.port, size=PHONE, language="en-GB")
        yield desk, phone
        desk.close()
        phone.close()


def card(page: Page, kind: str, title: str) -> Locator:
    """The card of an incident on the board."""
    return page.locator(f'[data-testid="incident-card"][data-kind="{kind}"]').filter(has_text=title)


def at(page: Page, incident: str) -> Locator:
    """The same incident, whatever it says."""
    return page.locator(f'[data-testid="incident-card"][data-incident="{incident}"]')


def comes(found: Locator, within: float = MINUTE) -> Locator:
    """The first of them, once there is one."""
    expect(found.first).to_be_visible(timeout=within)
    return found.first


def name_of(found: Locator) -> str:
    """Its id."""
    name = found.get_attribute("data-incident")
    assert name
    return name


def state(found: Locator, wanted: str, timeout: float = SOON) -> None:
    """The card says so without anybody reloading."""
    expect(found).to_have_attribute("data-state", wanted, timeout=timeout)


def test_the_story(demo: Demo, wire: Wire, screens: tuple[Screen, Screen]) -> None:
    desk, phone = screens

    # A quiet start. The link logs in, and its token is gone from the address at once.
    zh, en = desk.open(demo.token), phone.open(demo.token)
    for screen in screens:
        expect(screen.page.get_by_test_id("connection-lost")).to_have_count(0, timeout=SOON)
        expect(screen.page.get_by_test_id("zone-tile").first).to_be_attached(timeout=SOON)
        assert demo.token not in screen.page.url
        screen.keep(f"quiet-{'desk' if screen is desk else 'phone'}")
    expect(zh.locator("html")).to_have_attribute("lang", re.compile("^zh"))
    expect(en.locator("html")).to_have_attribute("lang", re.compile("^en"))
    zh.get_by_test_id("enable-sound").click()
    expect(zh.get_by_test_id("enable-sound")).to_have_count(0)

    # Somebody smokes in the garage; both see it, each in their language.
    smoking = name_of(comes(card(zh, "SUPERVISORY", "吸烟")))
    expect(at(en, smoking)).to_contain_text("smokes", timeout=SOON)
    state(at(zh, smoking), "dispatched")
    expect(at(zh, smoking).get_by_test_id("countdown")).to_contain_text(re.compile(r"\d\d:\d\d"))
    desk.keep("smoking-desk")
    phone.keep("smoking-phone")

    # The phone takes it on, saying once who it is; the desk follows by itself.
    at(en, smoking).get_by_test_id("ack").click()
    en.get_by_test_id("person").fill("Patrol 2")
    en.get_by_test_id("person-save").click()
    state(at(en, smoking), "acknowledged")
    state(at(zh, smoking), "acknowledged")
    at(en, smoking).get_by_test_id("on-scene").click()
    state(at(zh, smoking), "on_scene")

    # A charger overheats and becomes a fire: the desk sounds until somebody acknowledges.
    comes(card(zh, "PREALARM", "充电口").or_(card(zh, "FIRE", "")), 2 * MINUTE)
    fire = name_of(comes(card(zh, "FIRE", ""), 3 * MINUTE))
    expect(zh.locator("body")).to_have_attribute("data-sounding", "fire", timeout=SOON)
    expect(zh.get_by_test_id("incident-card").first).to_have_attribute("data-incident", fire)
    state(at(en, fire), "dispatched")
    desk.keep("fire-desk")
    phone.keep("fire-phone")
    at(zh, fire).get_by_test_id("ack").click()
    zh.get_by_test_id("person").fill("王值班")
    zh.get_by_test_id("person-save").click()
    state(at(en, fire), "acknowledged")
    expect(zh.locator("body")).not_to_have_attribute("data-sounding", "fire", timeout=SOON)

    # A car has stood in the fire lane for too long.
    comes(card(zh, "SUPERVISORY", "消防车道"), 2 * MINUTE)
    comes(card(en, "SUPERVISORY", "ire lane"), MINUTE)

    # The network is cut: the desk says so, dims and lets nobody act; the phone goes on.
    wire.cut()
    expect(zh.get_by_test_id("connection-lost")).to_be_visible(timeout=SOON)
    expect(at(zh, fire).get_by_test_id("on-scene")).to_be_disabled()
    desk.keep("connection-lost-desk")
    at(en, fire).get_by_test_id("on-scene").click()
    state(at(en, fire), "on_scene")
    state(at(zh, fire), "acknowledged")
    wire.mend()
    expect(zh.get_by_test_id("connection-lost")).to_have_count(0, timeout=2 * SOON)
    state(at(zh, fire), "on_scene")

    # Worse: it goes dead without a word. Silence is noticed too.
    wire.go_dead()
    expect(zh.get_by_test_id("connection-lost")).to_be_visible(timeout=2 * SOON)
    wire.mend()
    expect(zh.get_by_test_id("connection-lost")).to_have_count(0, timeout=2 * SOON)

    # The smoker has gone: resolved, and closed with what it was.
    at(en, smoking).get_by_test_id("resolve").click()
    at(en, smoking).get_by_test_id("confirm").click()
    state(at(zh, smoking), "resolved")
    expect(at(zh, smoking)).to_have_attribute("data-condition", "returned", timeout=3 * MINUTE)
    at(zh, smoking).get_by_test_id("close").click()
    expect(at(zh, smoking).get_by_test_id("confirm")).to_be_disabled()
    at(zh, smoking).get_by_test_id("disposition-nuisance").click()
    desk.keep("disposition-desk")
    at(zh, smoking).get_by_test_id("confirm").click()
    expect(at(zh, smoking)).to_have_count(0, timeout=SOON)
    expect(at(en, smoking)).to_have_count(0, timeout=SOON)
    desk.go("/past")
    expect(zh.locator(f'[data-testid="past-incident"][data-incident="{smoking}"]')).to_be_visible(timeout=SOON)
    desk.keep("past-desk")

    # The fire's own view: timeline in words, readings around it as curves.
    for screen, view in ((desk, "desk"), (phone, "phone")):
        screen.go(f"/incidents/{fire}")
        expect(screen.page.get_by_test_id("timeline").locator("li").first).to_be_visible(timeout=SOON)
        expect(screen.page.get_by_test_id("chart").locator("canvas").first).to_be_visible(timeout=SOON)
        screen.page.wait_for_timeout(1_000)
        screen.keep(f"incident-{view}")
    expect(zh.get_by_test_id("timeline")).to_contain_text("王值班")
    expect(en.get_by_test_id("timeline")).to_contain_text("Patrol 2")

    _devices_and_history(desk, phone)

    # A detector fell silent; after five minutes that is a fault, and tests/simulators/test_nights.py has the time to wait for it.
    silent = demo.get("/api/v1/rules/device-offline/explain?subject=hupan/b2-402-smoke")
    assert (silent["verdict"], silent["hold_seconds"]) == ("true", 300)
    assert silent["state"] in ("pending", "active")
    assert "派单 DISPATCH" in demo.said


def _devices_and_history(desk: Screen, phone: Screen) -> None:
    """The silent detector is marked; the garage's temperature is drawn, and its numbers can be taken home."""
    for screen, view in ((desk, "desk"), (phone, "phone")):
        screen.go("/devices")
        expect(screen.page.get_by_test_id("filter")).to_be_visible(timeout=SOON)
        screen.page.get_by_test_id("filter").fill("b2-402-smoke")
        row = screen.page.locator('[data-testid="device"][data-device$="/b2-402-smoke"]')
        expect(row).to_have_attribute("data-health", re.compile("offline|alarm"), timeout=SOON)
        screen.page.get_by_test_id("filter").fill("")
        screen.page.wait_for_timeout(500)
        screen.keep(f"devices-{view}")
    phone.go("/reports")
    expect(phone.page.get_by_test_id("label-zone")).to_be_visible(timeout=SOON)
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], "names as long as they are"
    page = desk.go("/devices/hupan/charger-07")
    expect(page.get_by_test_id("chart").locator("canvas").first).to_be_visible(timeout=SOON)
    page.get_by_test_id("range-15m").click()
    page.wait_for_timeout(1_000)
    desk.keep("history-desk")
    with page.expect_download() as saved:
        page.get_by_test_id("csv").first.click()
    rows = list(csv.reader(io.StringIO(saved.value.path().read_text("utf-8-sig"))))
    assert rows[0][0] == "at"
    assert len(rows) > 10
    assert all(re.match(r"\d{4}-\d\d-\d\dT", row[0]) for row in rows[1:])
    phone.go("/devices/hupan/charger-07")
    expect(phone.page.get_by_test_id("chart").locator("canvas").first).to_be_visible(timeout=SOON)
    phone.keep("history-phone")
