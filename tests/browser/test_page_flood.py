"""An alarm flood on the board: five hundred alarms of one building are one picture, a fire elsewhere is never part of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.stage import PHONE, House, Screen, chromium, house

pytestmark = [pytest.mark.live, pytest.mark.slow]

SOON, LATER = 20_000, 60_000
ROOMS = 500
COMPOUND = {
    "id": "site0",
    "name": {"zh": "湖畔小区", "en": "Lakeside"},
    "buildings": [{"id": "b1", "name": {"zh": "1号楼", "en": "Building 1"}}],
    "zones": [
        {
            "id": f"r{{000..{ROOMS - 1}}}", "name": {"zh": "1号楼 {n} 室", "en": "Building 1, room {n}"},
            "kind": "dwelling", "building": "b1",
        },
        {"id": "garage", "name": {"zh": "地下车库", "en": "Garage"}, "kind": "garage"},
    ],
    "devices": [
        {"match": "r{room}-smoke", "kind": "smoke_detector", "zone": "r{room}"},
        {"match": "garage-{any}", "kind": "smoke_detector", "zone": "garage"},
    ],
}  # fmt: skip
FRAMES = """() => new Promise((done) => {
  const gaps = [];
  let last = performance.now();
  const next = (now) => {
    gaps.push(now - last);
    last = now;
    gaps.length < 60 ? requestAnimationFrame(next) : done(Math.max(...gaps));
  };
  requestAnimationFrame(next);
})"""
"""The longest pause between two pictures, in milliseconds."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A building of five hundred rooms, and a garage that is not part of it."""
    folder: Path = tmp_path_factory.mktemp("house")
    with house(folder, crew=True, compound=COMPOUND) as running:
        yield running


def card(page: Page, incident: str) -> Locator:
    return page.locator(f'[data-testid="incident-card"][data-incident="{incident}"]')


def test_five_hundred_rooms_are_one_picture_and_the_garage_is_its_own(home: House, browser: Browser) -> None:
    desk = Screen(browser, home.daemon.port)
    phone = Screen(browser, home.daemon.port, size=PHONE, language="en-GB")
    page, small = desk.open(home.token), phone.open(home.token)
    first = home.burns("r000-smoke")
    home.say_all({f"r{room:03}-smoke": {"smoke_density": 0.9} for room in range(1, ROOMS)})
    garage = home.burns("garage-a")

    for screen in (page, small):
        expect(screen.get_by_test_id("count-FIRE")).to_contain_text(str(ROOMS + 1), timeout=LATER)
        # First up on top, everything else of the building under it, and the garage beside it.
        expect(screen.get_by_test_id("incident-card")).to_have_count(2)
        expect(screen.get_by_test_id("incident-card").first).to_have_attribute("data-incident", first)
        expect(card(screen, garage)).to_be_visible()
        # On the smallest screen too, without a finger moved.
        expect(card(screen, first).get_by_test_id("flood-toggle")).to_be_in_viewport()
    expect(card(page, first)).to_contain_text(f"另有 {ROOMS - 1} 处报警")
    expect(card(small, first)).to_contain_text(f"{ROOMS - 1} more places")
    expect(card(page, first).get_by_test_id("flood-toggle")).to_contain_text(f"火警 {ROOMS - 1}")
    desk.keep("flood-desk")
    phone.keep("flood-phone")

    # Whoever asks sees them all, and the page still answers to the hand.
    flood = card(page, first)
    flood.get_by_test_id("flood-toggle").press("Enter")
    expect(flood.get_by_test_id("member")).to_have_count(50)
    expect(flood.get_by_test_id("member").first).to_contain_text("1号楼 001 室")
    desk.keep("flood-open-desk")
    usual = page.evaluate(FRAMES)
    flood.get_by_test_id("flood-all").click()
    expect(flood.get_by_test_id("member")).to_have_count(ROOMS - 1)
    assert page.evaluate(FRAMES) < 1000 + 10 * usual
    card(small, first).get_by_test_id("flood-toggle").click()
    phone.keep("flood-open-phone")

    # One acknowledgement is for all of them; the garage still calls.
    flood.get_by_test_id("ack").click()
    page.get_by_test_id("person").fill("李站长")
    page.get_by_test_id("person-save").click()
    expect(flood).to_have_attribute("data-state", "acknowledged", timeout=SOON)
    expect(card(page, garage)).to_have_attribute("data-state", "dispatched")
    expect(page.locator("body")).to_have_attribute("data-alarm", "fire")
    home.move(garage, "acknowledge")
    expect(page.locator("body")).to_have_attribute("data-alarm", "none", timeout=SOON)

    # A member's own view leads to the one that speaks for it.
    member = flood.get_by_test_id("member").first
    member.click()
    expect(page.locator(".chip-lead")).to_contain_text(first, timeout=SOON)
    desk.close()
    phone.close()
