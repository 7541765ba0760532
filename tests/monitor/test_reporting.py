"""The page behind a zone's QR code: taken from anybody, bounded for everybody, and 119 stands on every answer."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from monitor.console.reporting import FOR_ONE_ZONE, FROM_ONE_ADDRESS, FROM_ONE_PHONE, WINDOW, Reporting
from monitor.links import Links
from monitor.photo import LARGEST
from monitor.report_desk import Report, ReportKind
from monitor.shelf import Shelf
from rules.model import SECOND, Incident, Micros
from tests.monitor.test_photo import SECRETS, jpeg, png
from tests.small_site import NOW, Api, Reply, Yard, incident

SECRET = b"a-token-for-tests-only"
URL = "https://fire.example"


class Wall:
    """A yard with codes on its walls; what is reported lies in `reports`."""

    def __init__(self, folder: Path, *, epoch: int = 1, url: str | None = URL) -> None:
        self.at: Micros = NOW
        self.reports: list[Report] = []
        self.answer: Incident | None = incident("inc-000012")
        self.photos, self.contacts = Shelf(folder / "photos", 10_000_000), Shelf(folder / "contacts", 1_000_000)
        self.folder = folder
        self.links = Links(url, SECRET, lambda: self.at, epoch=epoch)
        self.yard = Yard()
        self.hangs = False

    async def take(self, report: Report) -> Incident | None:
        if self.hangs:
            await asyncio.Event().wait()
        self.reports.append(report)
        return self.answer

    def console(self, **more: Any) -> Any:
        desk = Reporting(self.links, self.take, self.photos, self.contacts)
        return self.yard.console(reporting=desk, now=lambda: self.at, **more)

    def path(self, zone: str = "yard/garage") -> str:
        return Links(URL, SECRET, lambda: self.at).report_of(zone).removeprefix(URL)


def form(photo: bytes | None = None, **fields: str) -> FormData:
    data = FormData()
    for name, value in fields.items():
        data.add_field(name, value if len(value) < 10_000 else io.BytesIO(value.encode()))
    data.add_field("photo", io.BytesIO(photo or b""), filename="IMG_1.jpg" if photo else "", content_type="image/jpeg")
    return data


async def send(
    api: Api, path: str, photo: bytes | None = None, headers: Mapping[str, str] | None = None, **fields: str
) -> tuple[Reply, str]:
    reply = await api.ask("POST", path, token=None, checked=False, headers=headers, data=form(photo, **fields))
    return reply, reply.body.decode()


async def test_the_form_names_the_place_and_119_stands_before_it(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        reply = await api.ask("GET", wall.path(), token=None, checked=False)
    text = reply.body.decode()
    assert reply.status == 200
    assert text.index("tel:119") < text.index("<form")
    for words in ("车库", "Garage", "着火", "冒烟", "消防通道堵塞", "违规充电", "其他", "multipart/form-data"):
        assert words in text
    assert re.findall("value=([a-z]+)", text) == [kind.value for kind in ReportKind]
    assert "<script" not in text
    assert wall.reports == []


async def test_a_report_is_taken_and_answered_with_its_incident(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        reply, text = await send(api, wall.path(), kind="fire", text=" 三楼冒火\r\n快来 ")
    assert (reply.status, "已收到，警情编号 inc-000012" in text, "Received, incident inc-000012" in text) == (
        200,
        True,
        True,
    )
    assert "不要乘电梯" in text
    assert "拨打119" in text
    (report,) = wall.reports
    assert (report.zone, report.kind, report.text, report.photo, report.reachable) == (
        "yard/garage", ReportKind.FIRE, "三楼冒火\n快来", "", False,
    )  # fmt: skip


async def test_a_plain_form_without_files_does_as_well(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        reply = await api.ask("POST", wall.path(), token=None, checked=False, data={"kind": "lane", "text": "x"})
    assert (reply.status, wall.reports[0].kind) == (200, ReportKind.LANE)


async def test_a_photo_is_kept_without_what_it_tells_and_shown_to_who_is_logged_in(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        await send(api, wall.path(), jpeg(*SECRETS), kind="smoke")
        await send(api, wall.path(), png(), kind="smoke")
        names = [report.photo for report in wall.reports]
        shown = [await api.ask("GET", f"/api/v1/photos/{name}", checked=False) for name in names]
        assert [s.body for s in shown] == [jpeg(), png()]
        assert [s.headers["Content-Type"] for s in shown] == ["image/jpeg", "image/png"]
        assert shown[0].headers["X-Content-Type-Options"] == "nosniff"
        await api.get(f"/api/v1/photos/{names[0]}", 401, token=None)
        await api.get("/api/v1/photos/..%2Fsite.yaml", 404, checked=False)


@pytest.mark.parametrize("photo", [b"GIF89a", jpeg()[:-2], b"<script>", jpeg(after=bytes(LARGEST))])
async def test_a_photo_that_cannot_be_used_costs_the_report_nothing(tmp_path: Path, photo: bytes) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        reply, text = await send(api, wall.path(), photo, kind="fire", text="着火了")
    assert (reply.status, "已收到" in text, "照片未保存" in text) == (200, True, True)
    assert [(r.kind, r.text, r.photo) for r in wall.reports] == [(ReportKind.FIRE, "着火了", "")]


async def test_a_full_disk_costs_the_report_only_its_photo(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    (tmp_path / "photos").write_bytes(b"")  # no folder can be made here
    async with wall.console() as api:
        reply, text = await send(api, wall.path(), jpeg(), kind="fire")
    assert (reply.status, "照片未能保存" in text, len(wall.reports)) == (200, True, 1)


async def test_a_contact_lies_apart_for_who_asks_for_it(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        _, text = await send(api, wall.path(), kind="fire", contact="13800000000")
        (report,) = wall.reports
        assert report.reachable
        assert "13800000000" not in text + repr(report)
        assert await api.get(f"/api/v1/contacts/{report.id}") == {"contact": "13800000000"}
        await api.get(f"/api/v1/contacts/{report.id}", 401, token=None)
        await api.get("/api/v1/contacts/none", 404)


async def test_who_chose_nothing_is_asked_again(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        for kind in ("", "party"):
            reply, text = await send(api, wall.path(), kind=kind)
            assert (reply.status, "请选择" in text) == (422, True)
    assert wall.reports == []


async def test_nobody_came_is_said_as_it_is(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    wall.answer = None
    async with wall.console() as api:
        _, text = await send(api, wall.path(), kind="fire")
    assert "无人被派出：请拨打119" in text


async def test_a_report_that_is_not_confirmed_in_time_says_to_call(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    wall.hangs = True
    async with wall.console(move_timeout=0.05) as api:
        reply, text = await send(api, wall.path(), kind="fire")
    assert (reply.status, "尚未确认" in text, "拨打119" in text) == (504, True, True)


async def test_one_phone_has_a_bound_and_is_told_to_call_119(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    first, second = ({"X-Forwarded-For": f"203.0.113.{n}"} for n in (1, 2))
    async with wall.console() as api:
        for _ in range(FROM_ONE_PHONE):
            assert (await send(api, wall.path(), headers=first, kind="fire"))[0].status == 200
        limited, text = await send(api, wall.path("yard/lane"), headers=first, kind="fire")
        assert (limited.status, limited.headers["Retry-After"]) == (429, str(WINDOW // SECOND))
        assert "拨打119" in text
        assert (await send(api, wall.path(), headers=second, kind="fire"))[0].status == 200
        wall.at += WINDOW
        assert (await send(api, wall.path(), headers=first, kind="fire"))[0].status == 200
    assert len(wall.reports) == FROM_ONE_PHONE + 2


async def test_neighbours_behind_one_address_are_all_heard_and_cannot_use_up_the_zone(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    shared = {"X-Forwarded-For": "100.64.3.9"}
    async with wall.console() as api:
        for n in range(FROM_ONE_ADDRESS):
            headers = shared | {"User-Agent": f"phone {n}"}
            assert (await send(api, wall.path(), headers=headers, kind="fire"))[0].status == 200
        flood = shared | {"User-Agent": "another one"}
        assert [(await send(api, wall.path(), headers=flood, kind="fire"))[0].status for _ in range(3)] == [429] * 3
        elsewhere = {"X-Forwarded-For": "203.0.113.7"}
        assert (await send(api, wall.path(), headers=elsewhere, kind="fire"))[0].status == 200
    assert len(wall.reports) == FROM_ONE_ADDRESS + 1 < FOR_ONE_ZONE


async def test_one_zone_has_a_bound_however_many_addresses_there_are(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        for n in range(FOR_ONE_ZONE):
            assert (await send(api, wall.path(), headers={"X-Forwarded-For": f"203.0.113.{n}"}, kind="lane"))[
                0
            ].status == 200
        assert (await send(api, wall.path(), headers={"X-Forwarded-For": "198.51.100.1"}, kind="fire"))[0].status == 429
        assert (await send(api, wall.path("yard/lane"), kind="fire"))[0].status == 200


async def test_a_proxy_that_tells_no_address_does_not_make_all_people_one(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        for n in range(FROM_ONE_ADDRESS + 3):
            assert (await send(api, wall.path(), headers={"User-Agent": f"phone {n}"}, kind="smoke"))[0].status == 200
    assert len({report.reporter for report in wall.reports}) == FROM_ONE_ADDRESS + 3


async def test_a_reporter_is_a_mark_that_names_nobody(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        for address in ("203.0.113.1", "203.0.113.1", "203.0.113.2"):
            await send(api, wall.path(), headers={"X-Forwarded-For": address}, kind="fire")
    marks = [report.reporter for report in wall.reports]
    assert (marks[0] == marks[1], marks[1] == marks[2]) == (True, False)
    assert all(re.fullmatch("[0-9a-f]{24}", mark) for mark in marks)


@pytest.mark.parametrize("epoch", [1, 2])
async def test_codes_of_an_epoch_that_is_over_and_of_zones_that_are_gone_open_nothing(
    tmp_path: Path, epoch: int
) -> None:
    wall = Wall(tmp_path, epoch=epoch)
    async with wall.console() as api:
        for path in (wall.path("yard/attic"), wall.path()[:-2]) + ((wall.path(),) if epoch == 2 else ()):
            for method in ("GET", "POST"):
                reply = await api.ask(method, path, token=None, checked=False)
                assert (reply.status, "拨打119" in reply.body.decode()) == (404, True)
    assert wall.reports == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x\r\n",
        b"nonsense",
        b'--x\r\nContent-Disposition: form-data; name="kind"\r\n\r\nfire',
        b"--x\r\n\r\n" * 20,
    ],
)
async def test_what_is_no_form_is_refused_and_says_to_call(tmp_path: Path, body: bytes) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        reply = await api.ask("POST", wall.path(), token=None, checked=False, data=body, headers=headers)
    assert reply.status in (200, 400, 422)
    assert "拨打119" in reply.body.decode()
    assert [r.kind for r in wall.reports] in ([], [ReportKind.FIRE])


async def test_far_too_much_is_not_read(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        reply, _ = await send(api, wall.path(), kind="fire", text="x" * 60_000_000)
    assert reply.status == 400
    assert wall.reports == []


async def test_words_from_strangers_stay_words(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        await send(api, wall.path(), kind="other", text="\u202e\x00\x1b[31m煤气味" + "x" * 600)
    assert wall.reports[0].text.startswith("[31m煤气味")
    assert len(wall.reports[0].text) <= 500
    json.dumps(wall.reports[0].text).encode()


async def test_the_link_of_a_zone_and_its_code_for_who_is_logged_in(tmp_path: Path) -> None:
    wall = Wall(tmp_path)
    async with wall.console() as api:
        found = await api.get("/api/v1/zones/yard/garage/report-link")
        assert found["url"] == f"{URL}{wall.path()}"
        assert found["svg"].startswith("<svg")
        await api.get("/api/v1/zones/yard/attic/report-link", 404)
        await api.get("/api/v1/zones/yard/garage/report-link", 401, token=None)
    async with Wall(tmp_path, url=None).console() as api:
        assert (await api.get("/api/v1/zones/yard/garage/report-link", 404))["type"].endswith("no-public-url")
