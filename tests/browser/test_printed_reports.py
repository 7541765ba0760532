"""Reports in Chromium: styled under their own policy, without any error, within a phone's width, and ready to be printed on A4.

Knows the documents and the browser; no daemon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ViewportSize

from monitor.reports.incident import Story
from monitor.reports.incident_page import incident_page
from tests.browser.stage import ARTEFACTS, DESK, PHONE, chromium
from tests.monitor.test_report_incident import night

pytestmark = pytest.mark.live

__all__ = ["night"]

A4: ViewportSize = {"width": 794, "height": 1123}


@pytest.fixture(scope="module")
def saved(night: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As somebody keeps it: a file, far from any daemon."""
    path = tmp_path_factory.mktemp("saved") / "incident.html"
    path.write_text(incident_page(night), "utf-8")
    return path


@pytest.fixture(scope="module")
def browser(saved: Path) -> Iterator[Browser]:
    """After what is shown: the browser's driver keeps the thread's event loop for itself."""
    assert saved.exists()
    with chromium() as it:
        yield it


@pytest.mark.parametrize(("name", "size"), [("desk", DESK), ("phone", PHONE), ("a4", A4)])
def test_a_saved_report_is_styled_whole_and_within_the_screen(
    browser: Browser, saved: Path, name: str, size: ViewportSize
) -> None:
    context = browser.new_context(viewport=size)
    errors: list[str] = []
    context.on("console", lambda message: errors.append(message.text))
    context.on("weberror", lambda error: errors.append(str(error.error)))
    context.on("request", lambda request: errors.append(request.url) if not request.url.startswith("file:") else None)
    page = context.new_page()
    page.emulate_media(media="print" if name == "a4" else "screen")
    page.goto(saved.as_uri())
    assert page.evaluate("getComputedStyle(document.querySelector('h2')).borderTopStyle") == "solid", (
        "its policy lets its style in"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.locator("svg.bar").count() == 8
    assert page.locator("polyline").count() == 2
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"report-{name}.png", full_page=True)
    context.close()
    assert errors == []


def test_it_prints_on_a4(browser: Browser, saved: Path, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(saved.as_uri())
    page.pdf(path=tmp_path / "incident.pdf", prefer_css_page_size=True)
    found = (tmp_path / "incident.pdf").read_bytes()
    boxes = re.findall(rb"/MediaBox \[0 0 (\d+)[.\d]* (\d+)[.\d]*\]", found)
    assert boxes
    assert {(int(w), int(h)) for w, h in boxes} <= {(594, 841), (595, 841), (595, 842), (594, 842)}
    page.close()
