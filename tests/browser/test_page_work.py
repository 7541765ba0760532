"""A dispatcher's work where it is hard: a mute and a new alarm, a move that comes too late, promises that are missed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.stage import House, Screen, chromium, house

pytestmark = [pytest.mark.live, pytest.mark.slow]

SOON = 20_000
HAN, LATIN = re.compile(r"[\u4e00-\u9fff]"), re.compile(r"[A-Za-z]")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Where a fire must be over within three seconds."""
    folder: Path = tmp_path_factory.mktemp("house")
    with house(folder, sla={"FIRE": {"dispatch": "1s", "on_scene": "2s", "resolve": "3s"}}) as running:
        yield running


@pytest.fixture
def desk(browser: Browser, home: House) -> Iterator[Screen]:
    screen = Screen(browser, home.daemon.port)
    yield screen
    screen.close()


def card(page: Page, incident: str) -> Locator:
    return page.locator(f'[data-testid="incident-card"][data-incident="{incident}"]')


def above(page: Page) -> float:
    """The pixels above what is read; below, the board grows and shrinks with what happens."""
    box = page.locator("main").bounding_box()
    assert box is not None
    return box["y"]


def test_a_mute_ends_early_for_a_new_alarm_only(home: House, desk: Screen) -> None:
    page = desk.open(home.token)
    first = home.burns("z0-mute")
    expect(card(page, first)).to_be_visible(timeout=SOON)
    body = page.locator("body")
    expect(body).to_have_attribute("data-alarm", "fire")
    top = above(page)
    page.get_by_test_id("enable-sound").click()
    expect(body).to_have_attribute("data-sounding", "fire", timeout=SOON)
    # Nothing has moved under the hand, neither now nor when it is muted and silent again.
    assert above(page) == top

    page.get_by_test_id("mute").click()
    expect(page.get_by_test_id("muted")).to_contain_text(re.compile(r"0[45]:\d\d"))
    expect(body).to_have_attribute("data-sounding", "none")
    # More of the same fire is not news.
    home.says("z0-mute-2", smoke_density=0.9)
    expect(card(page, first)).to_contain_text("2 次报警", timeout=SOON)
    expect(body).to_have_attribute("data-sounding", "none")

    second = home.burns("z1-mute")
    expect(card(page, second)).to_be_visible(timeout=SOON)
    expect(body).to_have_attribute("data-sounding", "fire", timeout=SOON)
    expect(page.get_by_test_id("muted")).to_have_count(0)

    # Both are answered, elsewhere: silence.
    home.move(first, "acknowledge")
    expect(card(page, first)).to_have_attribute("data-state", "acknowledged", timeout=SOON)
    expect(body).to_have_attribute("data-sounding", "fire")
    home.move(second, "acknowledge")
    expect(body).to_have_attribute("data-sounding", "none", timeout=SOON)
    assert above(page) == top


def test_a_move_that_comes_too_late_is_refused_in_words(home: House, desk: Screen) -> None:
    page = desk.open(home.token)
    incident = home.burns("z2-refused")
    home.move(incident, "acknowledge")
    card(page, incident).get_by_test_id("on-scene").click()
    # While this one is asked for his name, another one is faster.
    home.move(incident, "on-scene")
    expect(card(page, incident)).to_have_attribute("data-state", "on_scene", timeout=SOON)
    page.get_by_test_id("person").fill("王值班")
    with page.expect_response(lambda answer: answer.url.endswith("/on-scene")) as answered:
        page.get_by_test_id("person-save").click()
    assert answered.value.status == 409
    told = card(page, incident).get_by_test_id("error")
    expect(told).to_contain_text("已到场")
    assert not LATIN.search(told.inner_text())
    page.get_by_test_id("lang").click()
    expect(told).to_contain_text("on scene")
    assert not HAN.search(told.inner_text())
    # It is no dead end: the next step goes.
    card(page, incident).get_by_test_id("resolve").click()
    card(page, incident).get_by_test_id("confirm").click()
    expect(card(page, incident)).to_have_attribute("data-state", "resolved", timeout=SOON)
    expect(told).to_have_count(0)


def test_two_who_acknowledge_at_once_are_both_heard(home: House, desk: Screen) -> None:
    page = desk.open(home.token)
    incident = home.burns("z3-both")
    card(page, incident).get_by_test_id("ack").click()
    home.move(incident, "acknowledge")
    expect(card(page, incident)).to_contain_text("王队长", timeout=SOON)
    page.get_by_test_id("person").fill("王值班")
    page.get_by_test_id("person-save").click()
    desk.go(f"/incidents/{incident}")
    both = page.locator('[data-testid="timeline"] [data-step="acknowledged"]')
    expect(both).to_have_count(2, timeout=SOON)
    expect(both).to_contain_text(["王队长 确认接警", "王值班 确认接警"])
    # Who was first keeps it.
    expect(card(page, incident)).to_contain_text("王队长")
    home.says("z3-both", smoke_density=0.1)
    home.move(incident, "resolve")
    expect(card(page, incident)).to_have_attribute("data-condition", "latched", timeout=SOON)
    home.move(incident, "reset")
    expect(card(page, incident)).to_have_attribute("data-condition", "returned", timeout=SOON)
    home.move(incident, "close", disposition="test")


def test_missed_promises_are_shown_in_turn(home: House, desk: Screen) -> None:
    page = desk.open(home.token)
    # The station's receiver is out of order: nobody is dispatched.
    home.called.status = 503
    try:
        incident = home.burns("z3-late")
        for goal in ("dispatch", "on_scene", "resolve"):
            segment = card(page, incident).locator(f'.segment[data-goal="{goal}"]')
            expect(segment).to_have_attribute("data-status", "missed", timeout=SOON)
        clock = card(page, incident).get_by_test_id("countdown")
        expect(clock).to_have_attribute("data-status", "missed")
        expect(clock).to_have_attribute("data-goal", "dispatch")
        expect(clock).to_contain_text(re.compile(r"派单超时\s*\+\d\d:\d\d"))
        desk.keep("overdue-desk")
        desk.go(f"/incidents/{incident}")
        overdue = page.locator('[data-testid="timeline"] [data-step="overdue"]')
        expect(overdue).to_have_count(3, timeout=SOON)
        assert [line.split("\n")[-1] for line in overdue.all_inner_texts()] == ["派单超时", "到场超时", "处置超时"]
    finally:
        home.called.status = 200
    # Late is said to be late, even once it is done.
    home.move(incident, "resolve")
    expect(card(page, incident)).to_have_attribute("data-state", "resolved", timeout=SOON)
    for goal in ("on_scene", "resolve"):
        expect(page.locator(f'.segment[data-goal="{goal}"]')).to_have_attribute("data-status", "late")
