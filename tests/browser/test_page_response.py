"""The response as a dispatcher sees it: who was called and who has taken it, drills, what is withheld."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.stage import PHONE, House, Screen, chromium, house

pytestmark = [pytest.mark.live, pytest.mark.slow]

SOON = 20_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """With people; nobody answers unless a test says so."""
    folder: Path = tmp_path_factory.mktemp("house")
    with house(folder, crew=True) as running:
        yield running


@pytest.fixture
def desk(browser: Browser, home: House) -> Iterator[Screen]:
    screen = Screen(browser, home.daemon.port)
    yield screen
    screen.close()


@pytest.fixture
def phone(browser: Browser, home: House) -> Iterator[Screen]:
    screen = Screen(browser, home.daemon.port, size=PHONE, language="en-GB")
    yield screen
    screen.close()


def called(page: Page, who: str) -> Locator:
    return page.locator(f'[data-testid="called"][data-who="{who}"]')


def told(page: Page, step: str) -> Locator:
    return page.locator(f'[data-testid="timeline"] [data-step="{step}"]')


def test_who_was_called_and_who_comes_next_until_somebody_takes_it(home: House, desk: Screen, phone: Screen) -> None:
    page, small = desk.open(home.token), phone.open(home.token)
    fire = home.burns("z0-a")
    for screen in (desk, phone):
        screen.go(f"/incidents/{fire}")
    # The pager does not answer: Wang is called over the group instead, at once.
    wang = called(page, "wang")
    expect(wang.locator('[data-reach="accepted"]')).to_contain_text("group", timeout=SOON)
    expect(wang).to_contain_text("王值班")
    expect(wang).to_contain_text("pager")
    expect(called(page, "station:post")).to_contain_text("西门微型消防站")
    expect(page.get_by_test_id("standing")).to_contain_text("无人接警")
    expect(small.get_by_test_id("standing")).to_contain_text("Nobody has taken it")
    expect(told(page, "push_queued").first).to_contain_text("未送达，改叫：group → 王值班")

    # The ladder climbs up to those above, and each rung is said before it comes.
    expect(page.get_by_test_id("standing").get_by_role("timer")).to_have_text(re.compile(r"00:\d\d 后再呼叫：\S+"))
    expect(called(page, "li")).to_be_visible(timeout=SOON)
    expect(told(page, "called").first).to_contain_text("无人接警，扩大呼叫（第 2 轮）：当班人员、值班站长")
    desk.keep("called-desk")
    phone.keep("called-phone")
    expect(told(page, "handed_over")).to_contain_text("已移交：119 指挥中心", timeout=SOON)
    expect(page.get_by_test_id("incident-card")).to_contain_text("已移交 119")
    expect(called(page, "chen")).to_contain_text("东门微型消防站")

    # Li takes it: the strip says who and when, and nobody is next.
    home.daemon.call("POST", f"/api/v1/incidents/{fire}/acknowledge", {"by": "李站长", "note": ""})
    expect(page.get_by_test_id("standing")).to_have_text("李站长 已接警", timeout=SOON)
    expect(called(page, "li")).to_contain_text(re.compile(r"已接警 \d\d:\d\d:\d\d"))
    expect(small.get_by_test_id("standing")).to_have_text("李站长 has taken it", timeout=SOON)
    desk.keep("taken-desk")
    phone.keep("taken-phone")
