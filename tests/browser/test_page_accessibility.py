"""The page for everybody: contrast in both themes, keyboard alone, screen readers, fingers, small screens (WCAG 2.2 AA)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from tests.browser.stage import PHONE, House, Screen, chromium, house

pytestmark = [pytest.mark.live, pytest.mark.slow]

SOON = 20_000
NARROW: ViewportSize = {"width": 320, "height": 640}
CONTRAST = Path(__file__).with_name("contrast.js").read_text("utf-8")

SMALL = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, label:has(input)")]
  .filter((it) => it.checkVisibility() && !it.closest(".unseen, .skip") && !it.matches("label input"))
  .filter((it) => getComputedStyle(it).display !== "inline")
  .map((it) => [it.getBoundingClientRect(), it.outerHTML.slice(0, 90)])
  .filter(([box]) => box.width < 44 || box.height < 44)
  .map(([box, html]) => `${box.width} x ${box.height}: ${html}`)"""
"""What a finger cannot hit: less than 44 px (2.5.5). Links within a text are inline, and exempt (2.5.8)."""

NAMELESS = """() => [...document.querySelectorAll("a[href], button, input, select, textarea")]
  .filter((it) => it.checkVisibility() && !it.textContent.trim() && !it.ariaLabel && !it.labels?.length)
  .map((it) => it.outerHTML.slice(0, 90))"""
"""Controls that a screen reader can call by no name (4.1.2)."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Something of every kind is open, and something is past."""
    folder: Path = tmp_path_factory.mktemp("house")
    with house(folder) as running:
        past = running.burns("z3-past")
        running.says("z3-past", smoke_density=0.1)
        running.move(past, "resolve")
        running.daemon.wait_for(lambda: _of(running, past)["condition"] != "active", "it is out")
        if _of(running, past)["condition"] == "latched":
            running.move(past, "reset")
        running.move(past, "close", disposition="test")
        for density in (0.1, 0.3, 0.6, 0.9):
            running.says("z0-a", smoke_density=density)
        running.says("z1-a", temperature=60)
        running.says("z2-a", battery=5)
        running.says("z3-a", tamper=True)
        for device, kind in (("z0-a", "FIRE"), ("z1-a", "PREALARM"), ("z2-a", "FAULT"), ("z3-a", "SUPERVISORY")):
            running.incident(device, kind)
        yield running


def _of(home: House, incident: str) -> dict[str, str]:
    found: dict[str, str] = home.daemon.get(f"/api/v1/incidents/{incident}")["incident"]
    return found


@pytest.fixture
def fire(home: House) -> str:
    return home.incident("z0-a", "FIRE")


def views(fire: str) -> dict[str, str]:
    """Each view by its address, and what is there once it has everything."""
    return {
        "/": "incident-card",
        "/devices": "device",
        "/devices/site0/z0-a": "chart",
        "/past": "past-incident",
        f"/incidents/{fire}": "chart",
    }


def ready(page: Page, what: str) -> None:
    expect(page.get_by_test_id(what).first).to_be_visible(timeout=SOON)
    expect(page.get_by_text(re.compile("读取中|Loading"))).to_have_count(0)


def legible(page: Page, where: str) -> None:
    measured = page.evaluate(CONTRAST)
    assert measured["checked"] > 10, where
    assert measured["found"] == [], where


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_everything_can_be_read(browser: Browser, home: House, fire: str, theme: Literal["dark", "light"]) -> None:
    screen = Screen(browser, home.daemon.port, color_scheme=theme)
    page = screen.go("/")
    expect(page.get_by_test_id("login-token")).to_be_visible()
    measured = page.evaluate(CONTRAST)
    assert (measured["checked"] >= 4, measured["found"]) == (True, [])
    page.goto("about:blank")
    screen.open(home.token)
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    for path, what in views(fire).items():
        screen.go(path)
        ready(page, what)
        legible(page, f"{theme} {path}")

    # With a panel and a dialog open, an alarm sounding, and muted.
    page.get_by_test_id("enable-sound").click()
    expect(page.get_by_test_id("mute")).to_be_visible(timeout=SOON)
    page.get_by_test_id("resolve").click()
    legible(page, f"{theme}, sounding, to be resolved")
    page.get_by_test_id("mute").click()
    page.get_by_test_id("person-change").click()
    legible(page, f"{theme}, muted, who is there")
    page.keyboard.press("Escape")

    # Without connection: grey, and still legible.
    screen.context.set_offline(True)
    expect(page.get_by_test_id("connection-lost")).to_be_visible(timeout=SOON)
    screen.go("/")
    ready(page, "incident-card")
    legible(page, f"{theme}, lost")
    screen.close()


@pytest.mark.parametrize("language", ["zh-CN", "en-GB"])
@pytest.mark.parametrize("size", [PHONE, NARROW], ids=["390", "320"])
def test_fingers_and_small_screens(browser: Browser, home: House, fire: str, language: str, size: ViewportSize) -> None:
    screen = Screen(browser, home.daemon.port, size=size, language=language, has_touch=True)
    page = screen.open(home.token)
    for path, what in views(fire).items():
        screen.go(path)
        ready(page, what)
        assert page.evaluate(SMALL) == [], path
        assert page.evaluate(NAMELESS) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
    if size is PHONE:
        # The curve is seen without scrolling.
        screen.go("/devices/site0/z0-a")
        ready(page, "chart")
        box = page.get_by_test_id("chart").locator("canvas").first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= size["height"]
        page.get_by_test_id("range-30d").click()
        expect(page.get_by_test_id("range-30d")).to_have_attribute("aria-pressed", "true")
    screen.close()


def focused(page: Page) -> Locator:
    return page.locator(":focus")


def ringed(page: Page) -> None:
    """Where the keyboard is can be seen (2.4.7)."""
    assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_keyboard_skips_to_the_content_of_every_view(browser: Browser, home: House, fire: str) -> None:
    screen = Screen(browser, home.daemon.port)
    page = screen.open(home.token)
    for path, what in views(fire).items():
        screen.go(path)
        page.reload()
        ready(page, what)
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        expect(page.locator(".skip")).to_be_in_viewport(ratio=1)
        ringed(page)
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        ringed(page)
        page.keyboard.press("Tab")
        assert page.evaluate("document.querySelector('main').contains(document.activeElement)"), path
        ringed(page)
    screen.close()


def test_the_keyboard_goes_on_where_a_link_leads(browser: Browser, home: House) -> None:
    screen = Screen(browser, home.daemon.port)
    page = screen.open(home.token)
    ready(page, "incident-card")
    page.get_by_test_id("incident-card").first.locator(".details").focus()
    page.keyboard.press("Enter")
    ready(page, "timeline")
    # The link is gone with its view.
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".back")).to_be_focused()
    # A tab of the header stays, and so does the keyboard.
    page.get_by_test_id("tab-past").focus()
    page.keyboard.press("Enter")
    ready(page, "past-incident")
    expect(page.get_by_test_id("tab-past")).to_be_focused()
    screen.close()


def test_an_alarm_is_worked_through_by_keyboard_alone(browser: Browser, home: House) -> None:
    screen = Screen(browser, home.daemon.port)
    page = screen.open(home.token)
    incident = home.incident("z3-a", "SUPERVISORY")
    card = page.locator(f'[data-testid="incident-card"][data-incident="{incident}"]')
    expect(card).to_have_attribute("data-state", "dispatched", timeout=SOON)

    # The dialog has the keyboard, keeps it, and gives it back to where it was.
    card.get_by_test_id("ack").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("person")).to_be_focused()
    for _ in range(5):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(card.get_by_test_id("ack")).to_be_focused()
    page.get_by_test_id("person-change").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("person")).to_be_focused()
    page.keyboard.type("王值班")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("person-change")).to_be_focused()

    # The button goes with the state; the keyboard stays beside it, on nothing that a second Enter would set off.
    card.get_by_test_id("ack").focus()
    page.keyboard.press("Enter")
    expect(card).to_have_attribute("data-state", "acknowledged", timeout=SOON)
    expect(card.locator(".actions")).to_be_focused()
    ringed(page)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(card.get_by_test_id("on-scene")).to_be_focused()
    page.keyboard.press("Enter")
    expect(card).to_have_attribute("data-state", "on_scene", timeout=SOON)

    # A panel takes the keyboard, Escape leaves it, arrows choose.
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(card.locator(".confirm")).to_be_focused()
    page.keyboard.press("Escape")
    expect(card.get_by_test_id("resolve")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(card.get_by_test_id("confirm-note")).to_be_focused()
    card.get_by_test_id("confirm").focus()
    page.keyboard.press("Enter")
    expect(card).to_have_attribute("data-state", "resolved", timeout=SOON)
    home.says("z3-a", tamper=False)
    home.daemon.wait_for(lambda: _of(home, incident)["condition"] != "active", "it is put back")
    if _of(home, incident)["condition"] == "latched":
        home.move(incident, "reset")
    expect(card).to_have_attribute("data-condition", "returned", timeout=SOON)
    card.get_by_test_id("close").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    expect(card.get_by_test_id("disposition-nuisance").locator("input")).to_be_checked()
    card.get_by_test_id("confirm").focus()
    page.keyboard.press("Enter")
    expect(card).to_have_count(0, timeout=SOON)
    screen.close()


def test_new_alarms_are_said_once_on_every_view(browser: Browser, home: House) -> None:
    screen = Screen(browser, home.daemon.port)
    page = screen.open(home.token)
    ready(page, "incident-card")
    fires, others = page.get_by_test_id("announce-fire"), page.get_by_test_id("announce")
    expect(fires).to_have_attribute("aria-live", "assertive")
    expect(others).to_have_attribute("aria-live", "polite")
    expect(fires).to_be_empty()
    expect(others).to_be_empty()
    screen.go("/past")
    home.says("z3-b", battery=4)
    expect(others).to_have_text("故障：区，电池电量低", timeout=SOON)
    expect(fires).to_be_empty()
    home.burns("z3-b")
    expect(fires).to_have_text("火警：区，感烟报警", timeout=SOON)
    # Nothing that changes by the second is read out by the second.
    assert (
        page.evaluate(
            "document.querySelectorAll('[role=status] time, [aria-live] time, [aria-live] [role=timer]').length"
        )
        == 0
    )
    screen.close()
