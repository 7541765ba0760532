"""Notifications in browsers, over the API: the key, and which browser belongs to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monitor.push_subscriptions import PushDesk, PushSubscriptions
from tests.push_browser import Browser
from tests.small_site import Yard

ENDPOINT = "https://fcm.googleapis.com/fcm/send/abc"


def desk(folder: Path) -> PushDesk:
    return PushDesk(
        "public-key", frozenset({"duty-1", "leader"}), PushSubscriptions(folder / "push-subscriptions.json")
    )


def a_browser(endpoint: str = ENDPOINT, **more: Any) -> dict[str, Any]:
    """As `PushSubscription.toJSON()` gives it."""
    made = Browser().subscription(endpoint)
    return {"endpoint": endpoint, "expirationTime": None, "keys": {"p256dh": made.p256dh, "auth": made.auth}, **more}


async def test_a_browser_is_subscribed_for_somebody_and_forgotten(tmp_path: Path) -> None:
    kept = desk(tmp_path)
    async with Yard().console(webpush=kept) as api:
        assert await api.get("/api/v1/webpush") == {"public_key": "public-key", "people": ["duty-1", "leader"]}
        told = await api.post("/api/v1/webpush", a_browser(person="duty-1"))
        assert told == {"person": "duty-1", "browsers": 1}
        await api.post("/api/v1/webpush", a_browser(person="duty-1"))  # the same browser again
        assert await api.post("/api/v1/webpush", a_browser(f"{ENDPOINT}2")) == {"person": "", "browsers": 1}
        assert len(kept.subscriptions.of("duty-1")) == 1
        told = await api.post("/api/v1/webpush/forget", {"endpoint": ENDPOINT})
        assert told == {"person": "duty-1", "browsers": 0}
        await api.post("/api/v1/webpush/forget", {"endpoint": ENDPOINT}, 404)
    assert len(PushSubscriptions(tmp_path / "push-subscriptions.json")) == 1


async def test_what_cannot_be_subscribed(tmp_path: Path) -> None:
    kept = desk(tmp_path)
    async with Yard().console(webpush=kept) as api:
        stranger = await api.post("/api/v1/webpush", a_browser(person="nobody"), 422)
        elsewhere = await api.post("/api/v1/webpush", a_browser("https://inside.example/hook"), 422)
        await api.post("/api/v1/webpush", {"endpoint": ENDPOINT}, 422)
        await api.post("/api/v1/webpush", a_browser(odd=1), 422)
        reply = await api.ask("POST", "/api/v1/webpush", json=a_browser(), token=None)
    assert stranger["detail"] == "There is no person nobody in the site file."
    assert "none of the known push services" in elsewhere["detail"]
    assert "inside.example" not in elsewhere["detail"]
    assert reply.status == 401
    assert len(kept.subscriptions) == 0


async def test_without_a_channel_there_is_nothing_to_subscribe_to() -> None:
    async with Yard().console() as api:
        await api.get("/api/v1/webpush", 503)
        await api.post("/api/v1/webpush", a_browser(), 503)
