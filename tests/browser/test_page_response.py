"""The response as a dispatcher sees it: who was called and who has taken it, drills, what is withheld."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.stage import PHONE, House, Screen, chromium, house

pytestmark = [pytest.mark.live, pytest.mark.slow]

SOON = 20_000
PAINTED = """(card) => [card, ...card.querySelectorAll("*")].flatMap((it) => {
  const style = getComputedStyle(it);
  return [style.backgroundColor, style.backgroundImage, style.borderLeftColor, style.color];
}).join(" ")"""
"""Every colour of a card."""


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


def card(page: Page, incident: str) -> Locator:
    return page.locator(f'[data-testid="incident-card"][data-incident="{incident}"]')


def hexed(colour: str) -> str:
    """`#d42c20` as the browser computes it."""
    red, green, blue = (int(colour.lstrip("#")[n : n + 2], 16) for n in (0, 2, 4))
    return f"rgb({red}, {green}, {blue})"


def counted(page: Page) -> int:
    """The fires that the board counts, once it knows them."""
    number = page.get_by_test_id("count-FIRE").locator(".count-number")
    expect(number).to_have_text(re.compile(r"\d+"))
    return int(number.inner_text())


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
    expect(told(page, "push_queued").first).to_contain_text("未送达，改叫：网络接口 group → 王值班")

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
    # Where the minute went is there too: the rule took nothing, people most.
    expect(page.locator('[data-testid="hops"] [data-hop="human"]')).to_have_attribute("data-running", "false")
    expect(page.locator(".hop-slowest")).to_contain_text("人员接警")
    desk.keep("taken-desk")
    phone.keep("taken-phone")


def test_a_drill_looks_and_sounds_like_none_other(home: House, desk: Screen, phone: Screen) -> None:
    page, small = desk.open(home.token), phone.open(home.token)
    page.get_by_test_id("enable-sound").click()
    fires = counted(page)
    until = datetime.now(UTC) + timedelta(hours=1)
    announced = {
        "measure": "drill",
        "subject": "site0/z1",
        "by": "李站长",
        "why": "季度演习",
        "until": until.isoformat(),
    }
    number = home.daemon.call("POST", "/api/v1/suppressions", announced)["id"]
    home.says("z1-drill", smoke_density=0.9, exercise=number)
    drill = home.incident("z1-drill", "FIRE")
    for screen in (page, small):
        expect(card(screen, drill)).to_have_attribute("data-look", "drill", timeout=SOON)
        expect(card(screen, drill).get_by_test_id("drill")).to_be_visible()
    expect(card(page, drill)).to_contain_text("演习 DRILL")
    expect(card(page, drill)).to_contain_text("演习火警")
    expect(card(page, drill)).to_contain_text("李站长 · 季度演习", timeout=SOON)
    desk.keep("drill-desk")
    phone.keep("drill-phone")
    # It is neither counted nor sounded, and nothing of it is in the red of a fire.
    expect(page.locator("body")).to_have_attribute("data-alarm", "none")
    assert counted(page) == fires
    painted = card(page, drill).evaluate(PAINTED)
    for name in ("--fire", "--bad", "--fire-tint"):
        red = page.evaluate(f"() => getComputedStyle(document.body).getPropertyValue('{name}')").strip()
        assert hexed(red) not in painted, name

    # A real fire ends it, and stands alone.
    fire = home.burns("z2-real")
    expect(card(page, drill)).to_have_count(0, timeout=SOON)
    expect(card(page, fire)).to_have_attribute("data-look", "real")
    expect(page.locator("body")).to_have_attribute("data-alarm", "fire")
    home.move(fire, "acknowledge")
    desk.go(f"/incidents/{drill}")
    expect(told(page, "closed")).to_contain_text("出现真实火情，演习立即结束", timeout=SOON)


def test_what_is_withheld_is_shown_with_who_why_and_until_when(home: House, desk: Screen, phone: Screen) -> None:
    page, small = desk.open(home.token), phone.open(home.token)
    until = datetime.now(UTC) + timedelta(hours=1)
    home.daemon.call("POST", "/api/v1/suppressions", {
        "measure": "test", "subject": "site0/z3-test", "by": "张工", "why": "更换探测器", "until": until.isoformat(),
    })  # fmt: skip
    before = counted(page)
    tested = home.burns("z3-test")
    row = page.locator(f'[data-testid="withheld"][data-incident="{tested}"]')
    expect(row).to_contain_text(re.compile(r"测试中 · 张工 · 更换探测器 · 至 .*\d\d:\d\d"), timeout=SOON)
    expect(small.locator(f'[data-testid="withheld"][data-incident="{tested}"]')).to_contain_text(
        "In test", timeout=SOON
    )
    expect(card(page, tested)).to_have_count(0)
    expect(page.locator("body")).to_have_attribute("data-alarm", "none")
    assert counted(page) == before
    row.scroll_into_view_if_needed()
    desk.keep("withheld-desk")
    small.get_by_test_id("withheld").first.scroll_into_view_if_needed()
    phone.keep("withheld-phone")
    desk.go(f"/incidents/{tested}")
    expect(card(page, tested)).to_have_attribute("data-look", "withheld", timeout=SOON)
    expect(told(page, "withheld")).to_contain_text("测试中，只记录不推送，至")
    desk.keep("withheld-incident-desk")
