"""The page behind a zone's report link or QR code: what do you see, a few words, a photo. No login, no script; 119 stands first.

Knows neither rules nor tape: a report goes to the desk, and the committed incident comes back. A photo never keeps a report from being
taken, and whoever is refused is told to call 119.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from html import escape

import structlog
from aiohttp import BodyPartReader, web

from monitor.console.answering import PHOTOS
from monitor.console.answers import Answer
from monitor.console.answers_places import ReportLink
from monitor.console.context import NoQuestion, clean, context, question, reply
from monitor.console.problems import Problem
from monitor.console.quota import Quota, address
from monitor.console.sheet import CALL_119, both, refusal, sheet, told
from monitor.labels import qr_svg
from monitor.links import LinkError, Links
from monitor.photo import LARGEST, NotAPhoto, cleaned
from monitor.report_desk import WORDS, Report, ReportKind
from monitor.shelf import Shelf
from rules.model import MINUTE, SECOND, Incident, Micros, Text, Zone

_log = structlog.get_logger("wanglou.console")

WINDOW = 10 * MINUTE
FROM_ONE_PHONE = 10
"""In any ten minutes, as are those below. Phones of one make behind one address look like one phone."""
FROM_ONE_ADDRESS = 30
"""Neighbours on mobile data share one; but nobody from one address alone can use up a zone."""
FOR_ONE_ZONE = 60
"""Wide enough for a whole floor that sees the same smoke."""
LONGEST_TEXT = 500
LONGEST_CONTACT = 100
UPLOADS = 8
"""Bodies that are read at the same time."""
SLOWEST = 60.0
"""Seconds for a body."""


class ContactAnswer(Answer):
    """How the reporter can be reached; asked for on its own, so that it stands on no list."""

    contact: str


@dataclass(slots=True)
class Reporting:
    """What the page needs. `take` commits a report and returns its incident; None when no rule makes anything of it."""

    links: Links
    take: Callable[[Report], Awaitable[Incident | None]]
    photos: Shelf
    contacts: Shelf
    phones: Quota = field(default_factory=lambda: Quota(FROM_ONE_PHONE, WINDOW))
    """By the reporter's mark."""
    addresses: Quota = field(default_factory=lambda: Quota(FROM_ONE_ADDRESS, WINDOW))
    zones: Quota = field(default_factory=lambda: Quota(FOR_ONE_ZONE, WINDOW))
    uploads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(UPLOADS))
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    """So that a reporter's mark cannot be turned back into an address."""

    def mark(self, came_from: str, agent: str) -> str:
        """What tells two reporters apart, and names neither."""
        said = f"{came_from}\n{agent}".encode("utf-8", "surrogateescape")
        return hashlib.blake2b(said, digest_size=12, key=self.salt).hexdigest()

    def wait(self, zone: str, came_from: str, reporter: str, now: Micros) -> Micros:
        """0 when a report may be taken, which it then counts as; else how long none is. All share an address that no proxy tells."""
        asked = [(self.zones, zone), *([(self.addresses, came_from), (self.phones, reporter)] if came_from else [])]
        left = max(quota.wait(key, now) for quota, key in asked)
        if not left:
            for quota, key in asked:
                quota.take(key, now)
        return left


REPORTING = web.AppKey("reporting", Reporting)


def add_reporting(app: web.Application, reporting: Reporting) -> None:
    """The two routes of the page; they are people's, and no part of the API."""
    app[REPORTING] = reporting
    app[PHOTOS] = reporting.photos
    app.router.add_get("/r/{token}", show)
    app.router.add_post("/r/{token}", act)


async def show(request: web.Request) -> web.StreamResponse:
    """The form."""
    try:
        zone = _zone(request)
    except LinkError as error:
        return _useless(error)
    return _form(zone)


async def act(request: web.Request) -> web.StreamResponse:
    """Somebody reports."""
    desk, it = request.app[REPORTING], context(request)
    try:
        zone = _zone(request)
    except LinkError as error:
        return _useless(error)
    came_from, now = address(request), it.now()
    reporter = desk.mark(came_from, request.headers.get("User-Agent", ""))
    if left := desk.wait(zone.key, came_from, reporter, now):
        _log.warning("a report was refused: too many", zone=zone.key)
        zh, en = "上报过于频繁，此次未受理。", "Too many reports, this one was not taken."
        return refusal(zh, en, 429, wait=-(-left // SECOND))
    try:
        async with desk.uploads, asyncio.timeout(SLOWEST):
            form = await _read(request)
    except TimeoutError:
        return refusal("上传超时，此次未受理。", "The upload took too long; this report was not taken.", 408)
    except (ConnectionError, ValueError, web.RequestPayloadError):
        return refusal("表单无法读取，此次未受理。", "The form cannot be read; this report was not taken.", 400)
    if (kind := form.kind) is None:
        return _form(zone, told("请选择看到的情况。", "Choose what you see.", bad=True), status=422)
    photo, remark = await _kept(desk, form.photo)
    report = Report(secrets.token_hex(6), zone.key, kind, reporter, form.text, photo, bool(form.contact))
    if form.contact:
        await asyncio.to_thread(desk.contacts.keep, report.id, form.contact.encode())
    try:
        async with asyncio.timeout(it.move_timeout):
            incident = await desk.take(report)
    except TimeoutError:
        return refusal("上报尚未确认。", "The report is not confirmed yet.", 504)
    _log.info("reported", zone=zone.key, kind=kind.value, incident=incident.id if incident else "", report=report.id)
    return _thanks(zone, kind, incident, remark)


async def photo(request: web.Request) -> web.StreamResponse:
    """A reporter's photo, for whoever is logged in."""
    question(NoQuestion, request.query)
    name = request.match_info["photo"]
    found = await asyncio.to_thread(request.app[REPORTING].photos.read, name) if REPORTING in request.app else None
    if found is None:
        raise Problem(404, f"There is no photo {clean(name)}; the oldest ones are deleted when there are many.")
    return web.Response(body=found, content_type="image/png" if name.endswith(".png") else "image/jpeg")


async def contact(request: web.Request) -> web.StreamResponse:
    """How a reporter can be reached, for whoever is logged in and asks for this one."""
    question(NoQuestion, request.query)
    name = request.match_info["report"]
    found = await asyncio.to_thread(request.app[REPORTING].contacts.read, name) if REPORTING in request.app else None
    if found is None:
        raise Problem(404, f"Nobody left a contact with a report {clean(name)}, or it was deleted by now.")
    return reply(ContactAnswer(contact=found.decode()))


async def report_link(request: web.Request) -> web.StreamResponse:
    """The link of a zone, and its QR code to print."""
    question(NoQuestion, request.query)
    key = f"{request.match_info['site']}/{request.match_info['zone']}"
    zone = context(request).board.neighbourhood.zones.get(key)
    if zone is None:
        raise Problem(404, f"There is no zone {clean(key)}.", kind="unknown-zone")
    url = request.app[REPORTING].links.report_of(key) if REPORTING in request.app else ""
    if not url:
        raise Problem(404, "There are no links while the setting api.public_url is not given.", kind="no-public-url")
    return reply(ReportLink(zone=key, name=zone.place, url=url, svg=qr_svg(url)))


# --- what was sent ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Form:
    kind: ReportKind | None = None
    text: str = ""
    contact: str = ""
    photo: bytes = b""


async def _read(request: web.Request) -> _Form:
    """The form as far as it can be used. Raises ValueError for what is no form."""
    form = _Form()
    if request.content_type != "multipart/form-data":
        given = await request.post()
        for name in ("kind", "text", "contact"):
            _put(form, name, str(given.get(name, "")))
        return form
    parts = await request.multipart()
    for _ in range(10):
        part = await parts.next()
        if part is None:
            return form
        if not isinstance(part, BodyPartReader):
            raise ValueError("a form within a form")  # noqa: TRY004 - one error for one form
        raw = await _bounded(part, LARGEST if part.name == "photo" else 4 * LONGEST_TEXT)
        if part.name == "photo":
            form.photo = raw
        else:
            _put(form, part.name or "", raw.decode("utf-8", "replace"))
    raise ValueError("too many parts")


async def _bounded(part: BodyPartReader, most: int) -> bytes:
    """At most one byte more than `most`, so that too much can be told; what comes after is read and thrown away, up to ten times it."""
    kept, seen = bytearray(), 0
    while chunk := await part.read_chunk(65_536):
        seen += len(chunk)
        if seen > 10 * max(most, LARGEST):
            raise ValueError("far too much")
        kept += chunk[: max(0, most + 1 - len(kept))]
    return bytes(kept)


def _put(form: _Form, name: str, value: str) -> None:
    text = "".join(c if c.isprintable() or c == "\n" else " " for c in value.replace("\r\n", "\n")).strip()
    match name:
        case "kind":
            form.kind = ReportKind(value) if value in set(ReportKind) else None
        case "text":
            form.text = text[:LONGEST_TEXT]
        case "contact":
            form.contact = " ".join(text.split())[:LONGEST_CONTACT]


async def _kept(desk: Reporting, raw: bytes) -> tuple[str, str]:
    """(name of the photo, what to say of it); a photo that cannot be used costs the report nothing."""
    if not raw:
        return "", ""
    try:
        name, content = await asyncio.to_thread(cleaned, raw)
        await asyncio.to_thread(desk.photos.keep, name, content)
    except NotAPhoto as problem:
        zh, _, en = str(problem).partition("。")
        return "", told(f"{zh}，照片未保存。", f"{en} It was not kept.", bad=True)
    except OSError as error:
        _log.warning("a photo could not be kept", reason=error.strerror)
        return "", told("照片未能保存。", "The photo could not be kept.", bad=True)
    return name, ""


# --- what is shown ----------------------------------------------------------------------------------------------------


def _zone(request: web.Request) -> Zone:
    """Raises LinkError; also for a zone that the site file has no more."""
    key = request.app[REPORTING].links.read_report(request.match_info["token"])
    zone = context(request).board.neighbourhood.zones.get(key)
    if zone is None:
        raise LinkError("此二维码对应的地点已撤销。The place of this code exists no more.")
    return zone


def _useless(error: LinkError) -> web.Response:
    zh, _, en = str(error).partition("。")
    return refusal(f"{zh}。", en, 404)


def _place(zone: Zone) -> str:
    return f"<h1>{both(zone.place.zh, zone.place.en)}</h1>"


def _form(zone: Zone, note: str = "", *, status: int = 200) -> web.Response:
    choices = "".join(
        f"<label class=choice><input type=radio name=kind value={kind.value} required>"
        f"<span>{both(words.zh, words.en)}</span></label>"
        for kind, words in WORDS.items()
    )
    form = (
        "<form method=post enctype=multipart/form-data>"
        f"<fieldset><legend>{both('您看到了什么？', 'What do you see?')}</legend>{choices}</fieldset>"
        f"<label for=text>{both('补充说明（可不填）', 'In your own words (optional)')}</label>"
        f"<textarea id=text name=text maxlength={LONGEST_TEXT}></textarea>"
        f"<label for=photo>{both('照片（可不填，5MB以内）', 'Photo (optional, up to 5 MB)')}</label>"
        '<input id=photo type=file name=photo accept="image/jpeg,image/png">'
        f"<label for=contact>{both('联系方式（可不填，仅值班员可见）', 'How to reach you (optional, for the duty officer only)')}</label>"
        f"<input id=contact type=tel name=contact maxlength={LONGEST_CONTACT} autocomplete=tel>"
        f"<button class=first>{both('上报', 'Report')}</button></form>"
    )
    danger = f"<p>{both('有明火或有人被困，请先打119。', 'If it burns or somebody is trapped, call 119 first.')}</p>"
    return sheet(Text("上报险情", "Report a danger"), note, _place(zone), danger, CALL_119, form, status=status)


def _thanks(zone: Zone, kind: ReportKind, incident: Incident | None, remark: str) -> web.Response:
    words = WORDS[kind]
    what = f"<p>{both(f'上报内容：{words.zh}', f'You reported: {words.en}')}</p>"
    if incident is None:
        note = told(
            "已收到，但无人被派出：请拨打119或联系物业。",
            "Received, but nobody was sent: call 119 or the property office.",
            bad=True,
        )
    else:
        number = escape(incident.id)
        note = told(
            f"已收到，警情编号 {number}，已通知消防站。", f"Received, incident {number}: the fire post is being told."
        )
    urgent = kind in (ReportKind.FIRE, ReportKind.SMOKE)
    advice = (
        f"<p>{both('请立即撤离到安全处，不要乘电梯。', 'Get to a safe place at once; do not take the lift.')}</p>"
        if urgent
        else ""
    )
    return sheet(Text("已收到", "Received"), note, remark, _place(zone), what, advice, CALL_119)
