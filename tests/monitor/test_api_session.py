"""How a browser logs in, stays logged in and logs out; what its cookie may and may not do; and the page's own files."""

from __future__ import annotations

import gzip
import re
from http.cookies import Morsel, SimpleCookie
from pathlib import Path

import pytest
from pydantic import SecretStr

from monitor.console.page import load_page
from monitor.console.session import LASTING
from monitor.ports import Batch
from rules.model import SECOND, Micros
from tests.small_site import NOW, TOKEN, Api, Reply, Yard, incident

SESSION = "/api/v1/session"
MOVE = "/api/v1/incidents/i-1/acknowledge"


class Clock:
    """The daemon's clock, turned by hand."""

    def __init__(self) -> None:
        self.at: Micros = NOW

    def __call__(self) -> Micros:
        return self.at


def cookie_of(reply: Reply) -> Morsel[str]:
    """The one cookie that an answer sets."""
    [morsel] = SimpleCookie(reply.headers["Set-Cookie"]).values()
    return morsel


async def log_in(api: Api, token: str = TOKEN) -> str:
    """The header that a browser would send from now on."""
    reply = await api.ask("POST", SESSION, token=None, json={"token": token})
    assert reply.status == 200
    morsel = cookie_of(reply)
    return f"{morsel.key}={morsel.value}"


async def test_a_browser_logs_in_asks_changes_and_logs_out() -> None:
    yard = Yard()
    await yard.commit(Batch(incidents={"i-1": incident("i-1")}))
    async with yard.console() as api:
        own = f"http://127.0.0.1:{api.port}"
        cookie = await log_in(api)
        assert (await api.get(SESSION, token=None, headers={"Cookie": cookie}))["expires_at"].startswith("2026-12-22")
        await api.get("/api/v1/zones", token=None, headers={"Cookie": cookie})
        await api.post(MOVE, {"by": "王"}, token=None, headers={"Cookie": cookie, "Origin": own})
        assert [(m[2], way) for m, way in zip(yard.moves, yard.ways, strict=True)] == [("王", "page")]
        gone = await api.ask("DELETE", SESSION, token=None, headers={"Cookie": cookie, "Origin": own})
        assert (gone.status, cookie_of(gone)["max-age"], cookie_of(gone).value) == (200, "0", "")
        await api.get(SESSION, 401, token=None)


async def test_the_cookie_is_for_this_site_and_no_script() -> None:
    async with Yard().console() as api:
        plain = cookie_of(await api.ask("POST", SESSION, token=None, json={"token": TOKEN}))
        behind_tls = cookie_of(
            await api.ask("POST", SESSION, token=None, json={"token": TOKEN}, headers={"X-Forwarded-Proto": "https"})
        )
    assert (plain["httponly"], plain["samesite"], plain["path"], plain["secure"]) == (True, "Strict", "/", "")
    assert behind_tls["secure"] is True
    assert TOKEN not in plain.value


@pytest.mark.parametrize("body", [{"token": "wrong"}, {"token": ""}, {"token": TOKEN[:-1]}, {"token": "令牌"}])
async def test_another_token_opens_nothing(body: dict[str, str]) -> None:
    async with Yard().console() as api:
        reply = await api.ask("POST", SESSION, token=None, json=body)
        assert (reply.status, "Set-Cookie" in reply.headers) == (401, False)


async def test_nonsense_opens_nothing_either() -> None:
    async with Yard().console() as api:
        bodies: tuple[object, ...] = ({}, {"token": 7}, {"token": TOKEN, "more": 1}, {"token": "x" * 2000}, [])
        for body in bodies:
            reply = await api.ask("POST", SESSION, token=None, json=body)
            assert reply.status == 422, body
            assert TOKEN not in reply.body.decode()


async def test_another_site_cannot_log_a_browser_in_or_out() -> None:
    async with Yard().console() as api:
        for method in ("POST", "DELETE"):
            reply = await api.ask(
                method, SESSION, token=None, json={"token": TOKEN}, headers={"Origin": "http://evil.example"}
            )
            assert (reply.status, "Set-Cookie" in reply.headers) == (403, False)


async def test_a_change_with_a_cookie_must_say_from_whose_page_it_comes() -> None:
    yard = Yard()
    await yard.commit(Batch(incidents={"i-1": incident("i-1")}))
    async with yard.console() as api:
        cookie = await log_in(api)
        await api.post(MOVE, {"by": "Li"}, 403, token=None, headers={"Cookie": cookie})
    assert yard.moves == []


async def test_a_cookie_that_was_tampered_with_or_made_for_another_token_is_none() -> None:
    async with Yard().console() as api:
        cookie = await log_in(api)
        name, _, value = cookie.partition("=")
        expires, nonce, signature = value.split(".")
        later = str(int(expires) + 1)
        forged = [
            f"{later}.{nonce}.{signature}", f"{expires}.x{nonce}.{signature}", f"{expires}.{nonce}.{signature[:-1]}",
            f"{expires}.{nonce}", expires, "", "...", f"-{expires}.{nonce}.{signature}", f"{'9' * 40}.{nonce}.{signature}",
            f"²{expires}.{nonce}.{signature}",
        ]  # fmt: skip
        for value in forged:
            await api.get("/api/v1/zones", 401, token=None, headers={"Cookie": f"{name}={value}"})
    async with Yard().console(token=SecretStr("another-token-of-the-house")) as other:
        reply = await other.ask("GET", "/api/v1/zones", token=None, headers={"Cookie": cookie}, checked=False)
        assert reply.status == 401


async def test_a_restart_logs_nobody_out() -> None:
    async with Yard().console() as before:
        cookie = await log_in(before)
    async with Yard().console() as after:
        await after.get("/api/v1/zones", token=None, headers={"Cookie": cookie})


async def test_a_session_ends_by_itself_and_use_renews_it() -> None:
    clock = Clock()
    async with Yard().console(now=clock) as api:
        cookie = await log_in(api)
        clock.at = NOW + LASTING // 2 - SECOND
        early = await api.ask("GET", "/api/v1/zones", token=None, headers={"Cookie": cookie})
        assert "Set-Cookie" not in early.headers
        clock.at = NOW + LASTING // 2 + SECOND
        late = await api.ask("GET", "/api/v1/zones", token=None, headers={"Cookie": cookie})
        renewed = cookie_of(late)
        clock.at = NOW + LASTING
        await api.get("/api/v1/zones", 401, token=None, headers={"Cookie": cookie})
        await api.get("/api/v1/zones", token=None, headers={"Cookie": f"{renewed.key}={renewed.value}"})


async def test_the_live_stream_takes_the_cookie() -> None:
    yard = Yard()
    async with yard.console(heartbeat=0.01) as api:
        cookie = await log_in(api)
        async with api.session.get("/api/v1/stream", headers={"Cookie": cookie}) as response:
            assert response.status == 200
            assert await response.content.readline() == b"retry: 2000\n"


# --- the page ---------------------------------------------------------------------------------------------------------


def built(folder: Path) -> Path:
    """A page as a build might leave it."""
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>望楼</title>", "utf-8")
    (folder / "assets" / "index-1a2b.js").write_text("console.log(1);" * 500, "utf-8")
    (folder / "icon.svg").write_text("<svg/>", "utf-8")
    return folder


async def test_anybody_may_read_the_page_and_nothing_else(tmp_path: Path) -> None:
    async with Yard().console(page=load_page(built(tmp_path))) as api:
        index = await api.ask("GET", "/", token=None, checked=False)
        script = await api.ask("GET", "/assets/index-1a2b.js", token=None, checked=False)
        icon = await api.ask("GET", "/icon.svg", token=None, checked=False)
        for path in ("/index.html", "/assets/", "/assets/..%2findex.html", "/assets/none.js", "/api/v1/zones"):
            assert (await api.ask("GET", path, token=None, checked=False)).status == 401, path
    assert "望楼" in index.body.decode()
    assert index.headers["Content-Type"] == "text/html; charset=utf-8"
    assert index.headers["Cache-Control"] == "no-cache"
    assert script.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert icon.headers["Content-Type"].startswith("image/svg+xml")
    for reply in (index, script, icon):
        policy = reply.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


async def test_what_the_browser_has_is_not_sent_again_and_text_is_packed(tmp_path: Path) -> None:
    async with Yard().console(page=load_page(built(tmp_path))) as api:
        raw = {"Accept-Encoding": "identity"}
        whole = await api.ask("GET", "/assets/index-1a2b.js", token=None, checked=False, headers=raw)
        packed = load_page(tmp_path)["/assets/index-1a2b.js"].packed
        async with api.session.get("/assets/index-1a2b.js", headers={"Accept-Encoding": "gzip"}) as sent:
            assert sent.headers["Content-Encoding"] == "gzip"
            assert await sent.read() == whole.body
        again = await api.ask("GET", "/", token=None, checked=False)
        tag = {"If-None-Match": again.headers["ETag"]}
        known = await api.ask("GET", "/", token=None, checked=False, headers=tag)
    assert packed is not None
    assert gzip.decompress(packed) == whole.body
    assert len(packed) < len(whole.body) / 5
    assert (known.status, known.body) == (304, b"")


async def test_before_the_first_build_the_page_says_how_to_build_it(tmp_path: Path) -> None:
    async with Yard().console(page=load_page(tmp_path / "nothing")) as api:
        reply = await api.ask("GET", "/", token=None, checked=False)
    assert reply.status == 200
    assert re.search("make page", reply.body.decode())


async def test_every_quantity_has_its_words() -> None:
    async with Yard().console() as api:
        items = {q["name"]: q for q in (await api.get("/api/v1/quantities"))["items"]}
    assert items["smoke_density"] == {
        "name": "smoke_density", "unit": "dB/m", "kind": "number", "low": 0.0, "high": 100.0, "zh": "减光率",
        "en": "smoke obscuration",
    }  # fmt: skip
    assert (items["object"]["low"], items["object"]["high"]) == (None, None)
