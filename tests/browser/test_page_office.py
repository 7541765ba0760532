"""What is managed by day: where nothing would detect a fire, what is kept from paging, who is on duty, the papers of a month."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.stage import PHONE, House, Screen, chromium, house
from tests.browser.test_page_accessibility import NAMELESS, NARROW, SMALL, legible
from tests.push_browser import a_vapid_key

pytestmark = [pytest.mark.live, pytest.mark.slow]

SOON = 20_000
VIEWS = {"/coverage": "gap", "/duty": "duty-person", "/reports": "report-sla"}
"""Each view, and what is there once it has everything."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """z0 is watched, z1 to z3 have no detector; people are on duty."""
    folder: Path = tmp_path_factory.mktemp("house")
    public = {"api": {"public_url": "https://fire.example.com"}}
    with house(folder, crew=True, amended=public) as running:
        running.says("z0-a", smoke_density=0.01)
        running.daemon.wait_for(lambda: running.daemon.get("/api/v1/coverage")["covered"] == 1, "z0 is watched")
        yield running


@pytest.fixture
def desk(browser: Browser, home: House) -> Iterator[Screen]:
    screen = Screen(browser, home.daemon.port)
    yield screen
    screen.close()


@pytest.fixture
def phone(browser: Browser, home: House) -> Iterator[Screen]:
    screen = Screen(browser, home.daemon.port, size=PHONE, language="en-GB", has_touch=True)
    yield screen
    screen.close()


def name_oneself(page: Page, name: str) -> None:
    page.get_by_test_id("person").fill(name)
    page.get_by_test_id("person-save").click()


def test_a_drill_is_started_at_a_detector_and_goes_the_whole_way(home: House, desk: Screen) -> None:
    page = desk.open(home.token)
    desk.go("/coverage")
    page.get_by_test_id("new-measure").click()
    page.get_by_test_id("measure-drill").click()
    page.get_by_test_id("measure-zone").select_option("site0/z0")
    page.get_by_test_id("measure-device").select_option("site0/z0-a")
    page.get_by_test_id("measure-why").fill("月度演习")
    page.get_by_test_id("measure-take").click()
    name_oneself(page, "李工")
    expect(page.get_by_test_id("measure-form")).to_have_count(0, timeout=SOON)
    desk.go("/")
    card = page.locator('[data-look="drill"]')
    expect(card).to_contain_text("李工 · 月度演习", timeout=SOON)
    (drill,) = home.daemon.get("/api/v1/drills")["items"]
    assert drill["subject"] == "site0/z0-a"
    home.daemon.call("POST", f"/api/v1/drills/{drill['id']}/end", {"by": "李工"})
    expect(card).to_have_count(0, timeout=SOON)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_can_be_read_and_is_reached_by_keyboard(
    browser: Browser, home: House, theme: Literal["dark", "light"]
) -> None:
    screen = Screen(browser, home.daemon.port, color_scheme=theme)
    page = screen.open(home.token)
    for path, what in VIEWS.items():
        page.get_by_test_id(f"tab-{path[1:]}").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id(what).first).to_be_visible(timeout=SOON)
        legible(page, f"{theme} {path}")
    screen.go("/coverage")
    for measure in ("test", "works", "impaired", "drill", "shelved"):
        page.get_by_test_id("new-measure").click()
        page.get_by_test_id(f"measure-{measure}").click()
        legible(page, f"{theme} {measure}")
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("measure-form")).to_have_count(0)
    screen.close()


@pytest.mark.parametrize("size", [PHONE, NARROW], ids=["390", "320"])
@pytest.mark.parametrize("language", ["zh-CN", "en-GB"])
def test_fingers_and_small_screens(browser: Browser, home: House, language: str, size: ViewportSize) -> None:
    screen = Screen(browser, home.daemon.port, size=size, language=language, has_touch=True)
    page = screen.open(home.token)
    for path, what in VIEWS.items():
        screen.go(path)
        expect(page.get_by_test_id(what).first).to_be_visible(timeout=SOON)
        if path == "/coverage":
            page.get_by_test_id("new-measure").click()
        if path == "/duty":
            page.get_by_test_id("new-swap").first.click()
        assert page.evaluate(SMALL) == [], path
        assert page.evaluate(NAMELESS) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
        if size is NARROW:
            screen.keep(f"narrow-{path[1:]}-{language[:2]}")
    screen.close()


def test_somebody_answers_for_a_zone_without_detection(home: House, desk: Screen, phone: Screen) -> None:
    page, small = desk.open(home.token), phone.open(home.token)
    desk.go("/coverage")
    phone.go("/coverage")
    expect(page.get_by_test_id("coverage-verdict")).to_contain_text("3 个区域现在没有有效探测", timeout=SOON)
    expect(page.get_by_test_id("coverage-verdict")).to_contain_text("其中 3 个无人负责")
    expect(page.get_by_test_id("tab-coverage")).to_contain_text("3")
    gap = page.locator('[data-testid="gap"][data-zone="site0/z1"]')
    expect(gap).to_contain_text("未安装探测器")
    expect(gap).to_contain_text("无人负责")
    gap.get_by_test_id("cover").click()
    # It is known already what and where; without saying what is done instead it is not taken.
    expect(page.get_by_test_id("measure-form")).to_be_focused()
    expect(page.get_by_test_id("measure-zone")).to_have_value("site0/z1")
    page.get_by_test_id("measure-why").fill("探测器返厂")
    page.get_by_test_id("measure-take").click()
    assert page.get_by_test_id("measure-instead").evaluate("it => it.validity.valueMissing")
    page.get_by_test_id("measure-instead").fill("每小时巡查一次")
    desk.keep("coverage-form-desk")
    page.get_by_test_id("measure-take").click()
    name_oneself(page, "李工")
    expect(page.get_by_test_id("measure-form")).to_have_count(0, timeout=SOON)
    expect(gap).to_contain_text("李工 负责：探测器返厂", timeout=SOON)
    expect(gap).to_contain_text("每小时巡查一次")
    expect(page.get_by_test_id("coverage-verdict")).to_contain_text("其中 2 个无人负责")
    measure = page.locator('[data-testid="measure"][data-subject="site0/z1"]')
    expect(measure).to_contain_text(re.compile("剩余 23 小时 5[89] 分"))
    expect(small.locator('[data-testid="gap"][data-zone="site0/z1"]')).to_contain_text("answers for it", timeout=SOON)
    desk.keep("coverage-desk")
    phone.keep("coverage-phone")

    # It ends when somebody says so, after saying it twice.
    measure.get_by_test_id("restore").click()
    measure.get_by_test_id("restore-confirm").click()
    expect(measure).to_have_count(0, timeout=SOON)
    expect(gap).to_have_attribute("data-answered", "false", timeout=SOON)


def test_a_fire_cannot_be_shelved_and_that_is_said(home: House, desk: Screen) -> None:
    page = desk.open(home.token)
    desk.go("/coverage")
    page.get_by_test_id("new-measure").click()
    expect(page.get_by_test_id("measure-about")).to_contain_text("火警和预警不能搁置，照常推送")
    # Only rules that may be shelved are offered.
    offered = page.get_by_test_id("measure-rule").locator("option").evaluate_all("all => all.map(it => it.value)")
    assert offered == ["", "low-battery", "opened"]
    page.get_by_test_id("measure-zone").select_option("site0/z0")
    page.get_by_test_id("measure-device").select_option("site0/z0-a")
    page.get_by_test_id("measure-rule").select_option("low-battery")
    page.get_by_test_id("measure-why").fill("电池已订货")
    page.get_by_test_id("measure-take").click()
    name_oneself(page, "李工")
    measure = page.locator('[data-testid="measure"][data-subject="site0/z0-a"]')
    expect(measure).to_contain_text("已搁置", timeout=SOON)
    expect(measure).to_contain_text("电池电量低")
    # Too long is refused in words, and the form stays.
    page.get_by_test_id("new-measure").click()
    page.get_by_test_id("measure-zone").select_option("site0/z0")
    page.get_by_test_id("measure-why").fill("太久")
    page.get_by_test_id("measure-until").fill("2099-01-01T00:00")
    page.get_by_test_id("measure-take").click()
    expect(page.get_by_test_id("error")).to_contain_text("结束时间须在12小时以内", timeout=SOON)
    expect(page.get_by_test_id("measure-form")).to_be_visible()

    # What is shelved alarms without a page.
    home.says("z0-a", battery=3)
    low = home.incident("z0-a", "FAULT")
    desk.go("/")
    expect(page.locator(f'[data-testid="withheld"][data-incident="{low}"]')).to_contain_text(
        "已搁置 · 李工 · 电池已订货", timeout=SOON
    )


def test_who_is_on_duty_and_who_stands_in(home: House, desk: Screen, phone: Screen) -> None:
    page, small = desk.open(home.token), phone.open(home.token)
    desk.go("/duty")
    phone.go("/duty")
    post = page.get_by_test_id("duty-post")
    expect(post.locator('[data-person="wang"]')).to_have_attribute("data-on", "true", timeout=SOON)
    expect(post).to_contain_text("增援站：东门微型消防站")
    expect(page.get_by_test_id("duty-fire-119")).to_contain_text("仅在移交时通知")
    post.get_by_test_id("new-swap").click()
    post.get_by_test_id("swap-leaves").select_option("wang")
    post.get_by_test_id("swap-takes").select_option("chen")
    desk.keep("duty-form-desk")
    post.get_by_test_id("swap-save").click()
    name_oneself(page, "李站长")
    expect(post.get_by_test_id("swap")).to_contain_text("陈队员 替 王值班", timeout=SOON)
    expect(post.locator('[data-person="wang"]')).to_have_attribute("data-on", "false")
    expect(post.locator('[data-person="chen"]')).to_have_attribute("data-on", "true")
    desk.keep("duty-desk")
    small.reload()
    expect(small.get_by_test_id("duty-post").get_by_test_id("swap")).to_contain_text("Chen for Wang", timeout=SOON)
    phone.keep("duty-phone")


def test_the_papers_of_a_month_and_the_codes_to_put_up(home: House, desk: Screen, phone: Screen) -> None:
    page, small = desk.open(home.token), phone.open(home.token)
    fire = home.burns("z0-paper")
    desk.go("/reports")
    phone.go("/reports")
    expect(page.get_by_test_id("report-month").locator("option")).to_have_count(24)
    for name, title in (("sla", "响应"), ("nuisance", "误报")):
        with desk.context.expect_page() as opened:
            page.get_by_test_id(f"{name}-open").click()
        expect(opened.value.locator("body")).to_contain_text(title, timeout=SOON)
        opened.value.close()
    with page.expect_download() as saved:
        page.get_by_test_id("sla-responses").click()
    assert fire in saved.value.path().read_text("utf-8-sig")
    page.get_by_test_id("label-zone").select_option("site0/z2")
    page.get_by_test_id("labels-show").click()
    label = page.locator('[data-testid="label"][data-zone="site0/z2"]')
    expect(label).to_contain_text("着火先打 119", timeout=SOON)
    # The code is a picture that the browser can draw, not a broken one.
    assert label.locator("img").evaluate("it => it.decode().then(() => it.naturalWidth)") > 0
    assert (label.locator("img").get_attribute("alt") or "").startswith("https://fire.example.com/r/")
    desk.keep("reports-desk")
    phone.keep("reports-phone")
    desk.go(f"/incidents/{fire}")
    with desk.context.expect_page() as opened:
        page.get_by_test_id("print-report").click()
    expect(opened.value.locator("body")).to_contain_text(fire, timeout=SOON)
    opened.value.close()
    expect(small.get_by_test_id("report-nuisance")).to_be_visible()


def test_notifications_are_offered_only_where_the_site_has_a_channel_for_them(home: House, desk: Screen) -> None:
    page = desk.open(home.token)
    with page.expect_response(lambda answer: answer.url.endswith("/api/v1/webpush")) as asked:
        desk.go("/duty")
    assert asked.value.status == 503
    expect(page.get_by_test_id("duty-person").first).to_be_visible(timeout=SOON)
    expect(page.get_by_test_id("push-here")).to_have_count(0)


def test_a_notification_says_the_newest_of_what_burns(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "vapid-key").write_text(a_vapid_key(), "utf-8")
    browsers = {"kind": "webpush", "vapid_key": {"file": "vapid-key"}, "subject": "mailto:ops@example.com"}
    with house(tmp_path, crew=True, amended={"channels": {"browsers": browsers}}) as home:
        screen = Screen(browser, home.daemon.port)
        screen.context.grant_permissions(["notifications"])
        page = screen.open(home.token)
        screen.go("/duty")
        expect(page.get_by_test_id("push-whose")).to_have_value("", timeout=SOON)
        screen.keep("push-desk")
        # No push service can be reached from here: that is said, and nothing is claimed.
        page.get_by_test_id("push-start").click()
        expect(page.get_by_test_id("error")).to_contain_text("推送服务连不上", timeout=SOON)
        expect(page.get_by_test_id("push-on")).to_have_count(0)

        # What a push service would bring is brought by the browser's own debugger.
        fire = home.burns("z0-a")
        told = {"title": "火警：区", "body": "感烟报警", "kind": "FIRE", "incident": fire, "link": ""}
        deliver(screen, json.dumps(told, ensure_ascii=False))
        deliver(screen, json.dumps(told | {"body": "仍在报警"}, ensure_ascii=False))
        page.wait_for_function(f"{SHOWN}.then((all) => all.length === 1 && all[0].body === '仍在报警')")
        assert page.evaluate(SHOWN) == [{"title": "火警：区", "body": "仍在报警", "tag": fire, "stays": True}]
        screen.close()


SHOWN = """navigator.serviceWorker.ready.then((it) => it.getNotifications())
  .then((all) => all.map((it) => ({ title: it.title, body: it.body, tag: it.tag, stays: it.requireInteraction })))"""
"""The notifications that are shown."""


def deliver(screen: Screen, message: str) -> None:
    """A push to the page's service worker."""
    wire = screen.context.new_cdp_session(screen.page)
    known: list[str] = []
    wire.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda it: known.extend(r["registrationId"] for r in it["registrations"]),
    )
    wire.send("ServiceWorker.enable")
    screen.page.wait_for_function("navigator.serviceWorker.ready.then((it) => it.active?.state === 'activated')")
    assert known
    wire.send(
        "ServiceWorker.deliverPushMessage", {"origin": screen.origin, "registrationId": known[0], "data": message}
    )
    wire.detach()
