"""The port `Channel` over Web Push, against a real push service on loopback whose messages are opened as a browser opens them."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import http_ece
import pytest
from py_vapid import Vapid02
from pydantic import SecretStr

from monitor.adapters.http_post import HttpPost
from monitor.adapters.webpush import WebPush
from monitor.ports import NeverWill, TryAgain
from monitor.posting import Poster
from monitor.push_subscriptions import PER_PERSON, PushSubscriptions, Refused
from rules.model import Kind
from tests.contracts.test_channels import a_push
from tests.providers import HOST, cut, echo, hang, ok, provider, status
from tests.push_browser import Browser, a_vapid_key, text
from tests.servers import free_port

KEY = a_vapid_key()
PUSH = replace(a_push(), to="duty-1")
LINK = "https://board.example/a/signed"
SERVICES = (HOST, "fcm.googleapis.com")


@pytest.fixture
async def poster() -> AsyncIterator[Poster]:
    async with aiohttp.ClientSession() as session:
        yield HttpPost(session)


def store(folder: Path) -> PushSubscriptions:
    return PushSubscriptions(folder / "push-subscriptions.json", SERVICES)


def channel(poster: Poster, subscriptions: PushSubscriptions, **settings: Any) -> WebPush:
    return WebPush("push", poster, SecretStr(KEY), "mailto:ops@station.example", subscriptions, **settings)


async def test_the_browser_opens_what_arrives_and_trusts_the_key(poster: Poster, tmp_path: Path) -> None:
    phone, kept = Browser(), store(tmp_path)
    async with provider(status(201)) as server:
        await kept.add(phone.subscription(f"{server.url}/send/abc", "duty-1"))
        push = channel(poster, kept, link=lambda _: LINK)
        assert await push.send(PUSH, attempt=1) == "HTTP 201"
        (request,) = server.received
        told = phone.open(request)
        assert told["title"].startswith("【火警】3号楼2层充电库 感烟报警")
        assert "事件编号：inc-000007" in told["body"]
        assert (told["incident"], told["key"], told["link"]) == ("inc-000007", PUSH.key, LINK)
        assert (request.headers["ttl"], request.headers["urgency"]) == ("300", "high")
        assert len(request.headers["topic"]) == 32
        assert Vapid02.verify(request.headers["authorization"])
        assert request.headers["authorization"].endswith(f"k={push.public_key}")
        with pytest.raises(http_ece.ECEException):
            Browser().open(request)


async def test_each_attempt_is_sealed_anew_and_news_are_not_urgent(poster: Poster, tmp_path: Path) -> None:
    phone, kept = Browser(), store(tmp_path)
    async with provider(status(201)) as server:
        await kept.add(phone.subscription(f"{server.url}/send/abc", "duty-1"))
        news = replace(a_push("incident.update"), to="duty-1", kind=Kind.PREALARM)
        for attempt in (1, 2):
            await channel(poster, kept).send(news, attempt=attempt)
        first, second = server.received
        assert first.body != second.body
        assert phone.open(first) == phone.open(second)
        assert first.headers["urgency"] == "normal"
        assert first.headers["topic"] == second.headers["topic"]


async def test_a_long_message_fits(poster: Poster, tmp_path: Path) -> None:
    phone, kept = Browser(), store(tmp_path)
    async with provider(status(201)) as server:
        await kept.add(phone.subscription(f"{server.url}/send/abc", "duty-1"))
        push = replace(a_push(title={"zh": '烟"\\' * 4000, "en": "x\x01" * 4000}), to="duty-1")
        await channel(poster, kept).send(push, attempt=1)
        (request,) = server.received
        assert len(request.body) <= 4_096
        assert phone.open(request)["body"].startswith("【火警】")


@pytest.mark.parametrize("number", [404, 410])
async def test_a_browser_that_has_gone_is_forgotten(number: int, poster: Poster, tmp_path: Path) -> None:
    kept = store(tmp_path)
    async with provider(status(number), status(201)) as server:
        await kept.add(Browser().subscription(f"{server.url}/send/gone", "duty-1"))
        with pytest.raises(NeverWill, match="unsubscribed"):
            await channel(poster, kept).send(PUSH, attempt=1)
        with pytest.raises(NeverWill, match="person 'duty-1' has no subscribed browser"):
            await channel(poster, kept).send(PUSH, attempt=2)
        assert len(server.received) == 1
    assert len(store(tmp_path)) == 0


async def test_one_browser_of_several_is_enough(poster: Poster, tmp_path: Path) -> None:
    kept = store(tmp_path)
    async with provider(status(410)) as gone, provider(status(500)) as broken, provider(status(201)) as well:
        for server in (gone, broken, well):
            await kept.add(Browser().subscription(f"{server.url}/send/abc", "duty-1"))
        assert await channel(poster, kept).send(PUSH, attempt=1) == "1 of 3 browsers: HTTP 201"
    assert len(store(tmp_path)) == 2


async def test_if_none_took_it_and_one_may_it_is_tried_again(poster: Poster, tmp_path: Path) -> None:
    kept = store(tmp_path)
    async with provider(status(413)) as never, provider(status(429, Retry_After="9")) as busy:
        for server in (never, busy):
            await kept.add(Browser().subscription(f"{server.url}/send/abc", "duty-1"))
        with pytest.raises(TryAgain, match="HTTP 429") as caught:
            await channel(poster, kept).send(PUSH, attempt=1)
        assert caught.value.after == 9


@pytest.mark.parametrize("number", [401, 403, 429, 500, 503, 301])
async def test_what_may_pass_or_be_mended_is_tried_again(number: int, poster: Poster, tmp_path: Path) -> None:
    kept = store(tmp_path)
    async with provider(status(number, "no", Location="http://127.0.0.1:1/")) as server:
        await kept.add(Browser().subscription(f"{server.url}/send/abc", "duty-1"))
        with pytest.raises(TryAgain, match=f"HTTP {number}"):
            await channel(poster, kept).send(PUSH, attempt=1)
        assert len(kept) == 1


@pytest.mark.parametrize("number", [400, 413])
async def test_a_message_that_is_blamed_is_given_up(number: int, poster: Poster, tmp_path: Path) -> None:
    kept = store(tmp_path)
    async with provider(status(number, "no")) as server:
        await kept.add(Browser().subscription(f"{server.url}/send/abc", "duty-1"))
        with pytest.raises(NeverWill, match=f"HTTP {number}"):
            await channel(poster, kept).send(PUSH, attempt=1)


async def test_no_endpoint_and_no_key_comes_back_out(poster: Poster, tmp_path: Path) -> None:
    kept, endpoint = store(tmp_path), "send/secret-endpoint-0123456789"
    told = []
    async with provider(cut(), status(500, f"at /{endpoint} {KEY}"), echo()) as server:
        await kept.add(Browser().subscription(f"{server.url}/{endpoint}", "duty-1"))
        push = channel(poster, kept)
        for _ in range(3):
            with pytest.raises((TryAgain, NeverWill)) as caught:
                await push.send(PUSH, attempt=1)
            told.append(str(caught.value))
        told += [repr(vars(push)), repr(kept.of("duty-1"))]
    closed = store(tmp_path / "other")
    await closed.add(Browser().subscription(f"http://{HOST}:{free_port()}/{endpoint}", "duty-1"))
    with pytest.raises(TryAgain, match="cannot connect") as caught:
        await channel(poster, closed).send(PUSH, attempt=1)
    told.append(str(caught.value))
    assert not [words for words in told if "secret-endpoint" in words or KEY in words]


async def test_a_hanging_service_leaves_no_connection_behind(poster: Poster, tmp_path: Path) -> None:
    kept = store(tmp_path)
    async with provider(hang()) as server:
        await kept.add(Browser().subscription(f"{server.url}/send/abc", "duty-1"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await channel(poster, kept).send(PUSH, attempt=1)
        async with asyncio.timeout(5):
            while server.open_requests:
                await asyncio.sleep(0.01)


async def test_a_check_pages_nobody(poster: Poster, tmp_path: Path) -> None:
    kept = store(tmp_path)
    with pytest.raises(TryAgain, match="no browser is subscribed, so nobody can be reached"):
        await channel(poster, kept).check()
    async with provider(ok("")) as server:
        await kept.add(Browser().subscription(f"{server.url}/send/abc"))
        assert "subscribed browsers: 1; http://127.0.0.1" in await channel(poster, kept).check()
        assert server.received == []
        await channel(poster, kept).send(a_push(), attempt=1)
        assert len(server.received) == 1
    with pytest.raises(TryAgain, match="cannot connect"):
        await channel(poster, kept).check()


@pytest.mark.parametrize("key", ["", "x", "A" * 43, text(b"\xff" * 32), "钥匙"])
def test_a_key_that_is_none_is_refused_without_quoting_it(key: str, poster: Poster, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a VAPID key") as caught:
        WebPush("push", poster, SecretStr(key), "mailto:ops@station.example", store(tmp_path))
    assert not key or key not in str(caught.value)


# --- the store ----------------------------------------------------------------------------------------------------------


async def test_subscriptions_outlive_the_daemon_and_are_ours_alone(tmp_path: Path) -> None:
    kept = store(tmp_path)
    phone, desk = Browser(), Browser()
    await kept.add(phone.subscription("https://fcm.googleapis.com/fcm/send/a", "duty-1"))
    await kept.add(desk.subscription("https://fcm.googleapis.com/fcm/send/b"))
    again = store(tmp_path)
    assert again.of("duty-1") == kept.of("duty-1")
    assert [s.person for s in again.of("")] == [""]
    assert stat.S_IMODE((tmp_path / "push-subscriptions.json").stat().st_mode) == 0o600
    dropped = await again.drop("https://fcm.googleapis.com/fcm/send/a")
    assert dropped is not None
    assert dropped.person == "duty-1"
    assert not await again.drop("https://fcm.googleapis.com/fcm/send/a")
    assert store(tmp_path).of("duty-1") == []


async def test_a_person_has_ten_browsers_and_the_oldest_goes(tmp_path: Path) -> None:
    kept = store(tmp_path)
    for number in range(PER_PERSON + 2):
        await kept.add(Browser().subscription(f"https://fcm.googleapis.com/{number}", "duty-1"))
    assert [s.endpoint.rpartition("/")[2] for s in kept.of("duty-1")] == [str(n) for n in range(2, PER_PERSON + 2)]
    await kept.add(Browser().subscription("https://fcm.googleapis.com/2", "duty-2"))
    assert len(kept.of("duty-1")) == PER_PERSON - 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"endpoint": "https://evil.example/hook"}, "none of the known push services"),
        ({"endpoint": "https://fcm.googleapis.com.evil.example/"}, "none of the known push services"),
        ({"endpoint": "http://fcm.googleapis.com/a"}, "not https"),
        ({"endpoint": "https://[x"}, "not an address"),
        ({"endpoint": "https://fcm.googleapis.com/" + "a" * 1000}, "too long"),
        ({"p256dh": "AAAA"}, "p256dh"),
        ({"p256dh": "&&&&"}, "p256dh"),
        ({"auth": "AAAA"}, "auth"),
    ],
)
async def test_what_no_browser_says_is_refused(changes: dict[str, str], words: str, tmp_path: Path) -> None:
    kept = store(tmp_path)
    with pytest.raises(Refused, match=words):
        await kept.add(replace(Browser().subscription("https://fcm.googleapis.com/a"), **changes))
    assert len(kept) == 0
    assert not (tmp_path / "push-subscriptions.json").exists()


@pytest.mark.parametrize("content", [b"{", b"[1]", b'[{"person":"x"}]', b"\xff"])
def test_a_file_that_is_something_else_is_an_error_with_a_remedy(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "push-subscriptions.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"push-subscriptions\.json is not a list .* move it away"):
        store(tmp_path)


async def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    kept = store(tmp_path)
    browsers = [Browser().subscription(f"https://fcm.googleapis.com/{n}", f"p{n}") for n in range(20)]
    await asyncio.gather(*(kept.add(browser) for browser in browsers))
    assert {s["person"] for s in json.loads((tmp_path / "push-subscriptions.json").read_text())} == {
        f"p{n}" for n in range(20)
    }
