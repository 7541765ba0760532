"""Somebody who was called taps the link on a phone, without the app and without a login: the page behind it, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from monitor.links import Links
from rules.model import HOUR, SECOND, Kind, Push
from tests.browser.stage import PHONE, House, Screen, chromium, house
from tests.running import TOKEN

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("house")
    with house(folder) as running:
        yield running


@pytest.fixture
def phone(browser: Browser, home: House) -> Iterator[Screen]:
    screen = Screen(browser, home.daemon.port, size=PHONE, has_touch=True, is_mobile=True)
    yield screen
    screen.close()


def link(home: House, screen: Screen, incident: str) -> str:
    """As the channel that called the station writes it."""
    row = home.daemon.get(f"/api/v1/incidents/{incident}")["pushes"][0]
    at = home.daemon.get(f"/api/v1/incidents/{incident}")["now"]
    assert row["body"]["type"] == "incident.dispatch"
    assert at
    made = Push(2_000_000_000 * SECOND, row["key"], incident, row["step"], row["channel"], Kind.FIRE, HOUR, row["body"])
    return Links(screen.origin, TOKEN.encode(), lambda: 0).of(made)


def fits(page: Page) -> None:
    """Nothing is cut off at the side, and every button is large enough for a thumb in a glove."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for button in page.get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 60
        assert box["width"] >= 300


def test_from_the_call_to_the_end_with_three_taps(home: House, phone: Screen) -> None:
    incident = home.burns("z1-a")
    page = phone.page
    page.goto(link(home, phone, incident))
    expect(page.get_by_text("火警 FIRE")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(2)
    fits(page)
    phone.keep("link-called")
    assert home.daemon.get(f"/api/v1/incidents/{incident}")["incident"]["state"] in ("raised", "dispatched")

    page.get_by_role("button", name="接警").tap()
    expect(page.get_by_role("status")).to_contain_text("已记录：微型消防站 接警")
    assert home.daemon.get(f"/api/v1/incidents/{incident}")["incident"]["state"] == "acknowledged"
    fits(page)
    phone.keep("link-acknowledged")

    # Somebody else arrives meanwhile; the page in the hand does not know it yet, and the tap is no error.
    home.move(incident, "on-scene")
    page.get_by_role("button", name="到场").tap()
    expect(page.get_by_role("status")).to_contain_text("已由 王队长 到场")
    page.get_by_role("button", name="已处置").tap()
    expect(page.get_by_role("status")).to_contain_text("处置完毕")
    expect(page.get_by_role("button")).to_have_count(0)
    phone.keep("link-resolved")
    story = home.daemon.get(f"/api/v1/incidents/{incident}")["timeline"]
    assert [e["step"] for e in story if e["detail"].get("by")] == ["acknowledged", "on_scene", "resolved"]


def test_a_tap_twice_on_two_phones_at_once_is_one_answer(home: House, browser: Browser, phone: Screen) -> None:
    incident = home.burns("z2-a")
    other = Screen(browser, home.daemon.port, size=PHONE)
    for screen in (phone, other):
        screen.page.goto(link(home, screen, incident))
    for screen in (phone, other):
        screen.page.get_by_role("button", name="到场").click()
        expect(screen.page.get_by_role("status")).to_contain_text("微型消防站 到场")
    other.close()
    story = home.daemon.get(f"/api/v1/incidents/{incident}")["timeline"]
    assert [e["step"] for e in story].count("on_scene") == 1


def test_a_link_that_was_cut_short_says_to_call(phone: Screen) -> None:
    phone.page.goto(f"{phone.origin}/a/AbCd")
    expect(phone.page.get_by_text("链接无效或不完整")).to_be_visible()
    expect(phone.page.get_by_role("link", name="拨打119")).to_have_attribute("href", "tel:119")
    phone.keep("link-bad")
