"""A resident scans the code on the wall and reports, with a photo of their phone: the page behind it, in a real browser."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from monitor.labels import printable
from monitor.links import Links
from monitor.photo import cleaned
from rules.model import Text, Zone
from tests.browser.stage import PHONE, House, Screen, chromium, house
from tests.browser.test_links import fits, link
from tests.running import TOKEN

pytestmark = [pytest.mark.live, pytest.mark.slow]

PLACE = b"31.2304N 121.4737E, phone of a resident"
DRAW = """() => { const c = document.createElement('canvas'); c.width = 320; c.height = 200; const g = c.getContext('2d');
  g.fillStyle = '#d42c20'; g.fillRect(0, 0, 160, 200); g.fillStyle = '#fff'; g.fillRect(160, 0, 160, 200);
  return c.toDataURL('image/TYPE', 0.9); }"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("house")
    with house(folder, books=["book.yaml", "shipped:people"]) as running:
        yield running


@pytest.fixture
def phone(browser: Browser, home: House) -> Iterator[Screen]:
    screen = Screen(browser, home.daemon.port, size=PHONE, has_touch=True, is_mobile=True)
    yield screen
    screen.close()


def code(screen: Screen, zone: str) -> str:
    return Links(screen.origin, TOKEN.encode(), lambda: 0).report_of(zone)


def drawn(page: Page, kind: str) -> bytes:
    url: str = page.evaluate(DRAW.replace("TYPE", kind))
    return base64.b64decode(url.partition(",")[2])


def as_a_phone_sends_it(picture: bytes) -> bytes:
    """Taken with the phone turned to the right (orientation 6), with the place in it."""
    tiff = (
        struct.pack(">2sHIHHHIHHHHII", b"MM", 42, 8, 2, 0x0112, 3, 1, 6, 0, 0x010F, 2, len(PLACE), 38)
        + b"\0\0\0\0"
        + PLACE
    )
    return picture[:2] + struct.pack(">HH", 0xFFE1, len(tiff) + 8) + b"Exif\0\0" + tiff + picture[2:]


def size(page: Page, picture: bytes, kind: str) -> list[int]:
    """As the browser decodes it."""
    url = f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
    script = (
        "async (u) => { const i = new Image(); i.src = u; await i.decode(); return [i.naturalWidth, i.naturalHeight]; }"
    )
    found: list[int] = page.evaluate(script, url)
    return found


def test_a_resident_reports_a_fire_with_a_photo_and_somebody_is_sent(
    home: House, phone: Screen, tmp_path: Path
) -> None:
    page = phone.page
    photo = tmp_path / "IMG_1.jpg"
    photo.write_bytes(as_a_phone_sends_it(drawn(page, "jpeg")))
    page.goto(code(phone, "site0/z1"))
    expect(page.get_by_role("link", name="拨打119")).to_be_visible()
    fits(page)
    phone.keep("report-form")
    page.get_by_role("button", name="上报").tap()
    expect(page.get_by_role("status")).to_have_count(0)  # the browser itself asks to choose what it is

    page.get_by_text("着火").tap()
    page.get_by_label("补充说明").fill("三楼窗户冒火 <b>快来</b>")
    page.get_by_label("照片").set_input_files(photo)
    page.get_by_label("联系方式").fill("13800000000")
    page.get_by_role("button", name="上报").tap()
    expect(page.get_by_role("status")).to_contain_text("已收到，警情编号 inc-")
    fits(page)
    phone.keep("report-received")

    (incident,) = home.daemon.get("/api/v1/incidents?open=true")["items"]
    assert (incident["kind"], incident["zone"], incident["rules"]) == ("PREALARM", "site0/z1", ["reported-fire"])
    story = home.daemon.get(f"/api/v1/incidents/{incident['id']}")["timeline"]
    (note,) = (entry["detail"]["note"] for entry in story if entry["step"] == "note")
    assert "三楼窗户冒火 <b>快来</b>" in note
    assert "13800000000" not in str(story) + home.daemon.log.read_text("utf-8")
    kept = next((home.daemon.config.parent / "data" / "photos").iterdir())
    assert kept.name in note
    assert PLACE not in kept.read_bytes()

    # Who is called sees it on the way.
    page.goto(link(home, phone, incident["id"]))
    expect(page.get_by_text("三楼窗户冒火 <b>快来</b>")).to_be_visible()
    expect(page.get_by_role("img")).to_have_js_property("naturalWidth", 200)
    fits(page)
    phone.keep("link-reported")

    # So does the duty room, which may also ask how to reach who reported it.
    phone.open(home.token)
    phone.go(f"/incidents/{incident['id']}")
    line = page.locator('[data-testid="timeline"] [data-step="note"]')
    expect(line).to_contain_text("“三楼窗户冒火 <b>快来</b>”", timeout=20_000)
    expect(line).not_to_contain_text(kept.name)
    expect(line.get_by_test_id("photo")).to_have_js_property("naturalWidth", 200)
    expect(page.get_by_text("13800000000")).to_have_count(0)
    line.get_by_test_id("contact").tap()
    expect(line).to_contain_text("13800000000")
    line.scroll_into_view_if_needed()
    phone.keep("report-timeline")


def test_what_was_freed_of_its_metadata_is_the_same_picture_turned_the_same_way(phone: Screen) -> None:
    page = phone.page
    page.goto("about:blank")
    for kind, expected in (("jpeg", [200, 320]), ("png", [320, 200])):
        picture = drawn(page, kind)
        sent = as_a_phone_sends_it(picture) if kind == "jpeg" else picture
        _, kept = cleaned(sent)
        assert size(page, sent, kind) == expected
        assert size(page, kept, kind) == expected


def test_labels_to_print(phone: Screen, tmp_path: Path) -> None:
    zones = [Zone(f"lake/b{n}", "lake", Text(f"{n}号楼一层大厅", f"Building {n}, lobby"), "lobby") for n in (1, 2, 3)]
    page = phone.page
    page.set_viewport_size({"width": 794, "height": 1123})
    (tmp_path / "codes.html").write_text(printable((z, f"https://fire.example.org/r/{z.key}") for z in zones), "utf-8")
    page.goto((tmp_path / "codes.html").as_uri())
    expect(page.locator("section svg")).to_have_count(3)
    phone.keep("report-labels")
