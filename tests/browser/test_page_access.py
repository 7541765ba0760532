"""Who gets in, what a browser keeps, and how many tabs and restarts it lives through: the page on a small house."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.browser.stage import House, Screen, chromium, house

pytestmark = [pytest.mark.live, pytest.mark.slow]

SOON = 20_000
TABS = 8


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
def desk(browser: Browser, home: House) -> Iterator[Screen]:
    screen = Screen(browser, home.daemon.port)
    yield screen
    screen.close()


def live(page: Page) -> None:
    """It says that it is connected."""
    expect(page.get_by_test_id("link")).to_have_attribute("data-link", "live", timeout=SOON)


def shows(page: Page, incident: str) -> None:
    """It has the incident's card."""
    expect(page.locator(f'[data-testid="incident-card"][data-incident="{incident}"]')).to_be_visible(timeout=SOON)


def one_stream(home: House) -> None:
    """The daemon notices with its next heartbeat that a reader has gone."""
    home.daemon.wait_for(lambda: home.daemon.metric("wanglou_streams_open") == 1, "one stream")


def test_only_the_token_lets_in_and_it_stays_nowhere(home: House, desk: Screen) -> None:
    # A stranger sees a form and nothing else.
    page = desk.go("/devices")
    expect(page.get_by_test_id("login-token")).to_be_focused()
    expect(page.get_by_test_id("link")).to_have_count(0)
    expect(page.get_by_test_id("login-submit")).to_be_disabled()

    # A wrong token is told to be wrong, in the form and in a link.
    page.get_by_test_id("login-token").fill("not-the-token")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("error")).to_have_text("令牌不正确")
    page.goto("about:blank")
    desk.open("another-wrong-one")
    expect(page.get_by_test_id("error")).to_have_text("令牌不正确")
    assert "another-wrong-one" not in page.url

    # The right one lets in; a reload does not ask again; it is in no storage and no address.
    page.get_by_test_id("login-token").fill(home.token)
    page.get_by_test_id("login-submit").click()
    live(page)
    page.reload()
    live(page)
    kept = page.evaluate(
        "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href, history.state])"
    )
    assert home.token not in kept

    # Logged out is logged out, for every tab and after a reload.
    page.get_by_test_id("logout").click()
    expect(page.get_by_test_id("login-token")).to_be_visible()
    page.reload()
    expect(page.get_by_test_id("login-token")).to_be_visible()


def test_language_and_theme_are_kept(home: House, desk: Screen) -> None:
    page = desk.open(home.token)
    live(page)
    html = page.locator("html")
    expect(html).to_have_attribute("lang", "zh-CN")
    before = html.get_attribute("data-theme")
    after = "dark" if before == "light" else "light"
    page.get_by_test_id("lang").click()
    page.get_by_test_id("theme").click()
    for _ in range(2):
        live(page)
        expect(html).to_have_attribute("lang", "en")
        expect(html).to_have_attribute("data-theme", after)
        expect(page.get_by_test_id("tab-devices")).to_have_text("Devices")
        page.reload()


def test_eight_tabs_share_one_stream_and_hand_it_over(home: House, desk: Screen) -> None:
    readers: Counter[Page] = Counter()

    def count(request: Request) -> None:
        if "/api/v1/stream" in request.url:
            readers[request.frame.page] += 1

    desk.context.on("request", count)
    first = desk.open(home.token)
    live(first)
    tabs = [first, *(desk.context.new_page() for _ in range(TABS - 1))]
    for tab in tabs[1:]:
        tab.goto(f"{desk.origin}/")
    for tab in tabs:
        live(tab)
    assert readers == {first: 1}
    one_stream(home)

    # What one tab hears, all of them show.
    fire = home.burns("z0-tabs")
    for tab in tabs:
        shows(tab, fire)

    # The tab that reads is closed: another one takes over, and nothing is missed meanwhile.
    first.close()
    next_fire = home.burns("z1-tabs")
    for tab in tabs[1:]:
        shows(tab, next_fire)
        live(tab)
    one_stream(home)
    assert len(readers) == 2
    assert sum(readers.values()) == 2


def test_a_daemon_that_is_killed_comes_back_without_a_reload(home: House, desk: Screen) -> None:
    page = desk.open(home.token)
    before = home.burns("z2-restart")
    shows(page, before)
    page.evaluate("window.neverReloaded = true")

    home.daemon.kill()
    expect(page.get_by_test_id("connection-lost")).to_be_visible(timeout=SOON)
    expect(page.locator(f'[data-incident="{before}"]').get_by_test_id("ack")).to_be_disabled()
    home.daemon.start()
    expect(page.get_by_test_id("connection-lost")).to_have_count(0, timeout=SOON)

    # What was there is there, what is new comes, and it can be acted on.
    after = home.burns("z3-restart")
    shows(page, before)
    shows(page, after)
    card = page.locator(f'[data-testid="incident-card"][data-incident="{after}"]')
    card.get_by_test_id("ack").click()
    page.get_by_test_id("person").fill("王值班")
    page.get_by_test_id("person-save").click()
    expect(card).to_have_attribute("data-state", "acknowledged", timeout=SOON)
    expect(page.get_by_test_id("zone-tile")).to_have_count(4)
    assert page.evaluate("window.neverReloaded")
