"""Web Push (RFC 8030, 8291, 8292): a notification in the browsers that a person has subscribed, even when the page is closed.

Knows neither rules nor the outbox. The message is encrypted for one browser, so the push service between reads nothing of it; it is
posted like any other channel's, with bounded answers and without an address in any error. Browsers without Google's service (most in
China) receive nothing: this is never the only way to reach somebody.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02
from pydantic import SecretStr
from pywebpush import WebPusher

from monitor.message_facts import name_of
from monitor.plain_words import cut
from monitor.ports import NeverWill, PortError, TryAgain
from monitor.posting import Address, Poster, as_json, judge
from monitor.push_subscriptions import PushSubscriptions, Subscription
from monitor.wording import asks, pages, text, title
from rules.model import SECOND, Kind, Micros, Push

TTL_SECONDS = 300
"""How long the push service keeps it for a phone that is off; an old call is worse than none."""
LIMIT_BYTES = 3_000
"""Of the message; services take 4,096 bytes with everything."""
TITLE_BYTES = 300
PROOF_SECONDS = 12 * 3600
GONE = frozenset({404, 410})
_OPERATORS = frozenset({401, 403})
"""The service does not like our key: an operator's to mend."""


class WebPush:
    """One VAPID key pair, and the browsers that trust it."""

    def __init__(
        self,
        name: str,
        poster: Poster,
        vapid_key: SecretStr,
        subject: str,
        subscriptions: PushSubscriptions,
        *,
        link: Callable[[Push], str] = lambda _: "",
        now: Callable[[], Micros] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`subject` is `mailto:` or `https:`, whom a push service asks when something is wrong. Raises ValueError for a bad key."""
        self.name = name
        self._poster = poster
        self._vapid = read_key(vapid_key)
        self._vapid_key = vapid_key
        self._subject = subject
        self._subscriptions = subscriptions
        self._link = link
        self._now = now

    @property
    def public_key(self) -> str:
        """What a page gives to `pushManager.subscribe` as `applicationServerKey`."""
        return public_key(self._vapid)

    async def send(self, push: Push, *, attempt: int) -> str:
        """To every browser of the push's person, or of nobody; accepted when one service took it."""
        browsers = self._subscriptions.of(push.to)
        if not browsers:
            raise NeverWill(f"person '{push.to}' has no subscribed browser" if push.to else "no browser is subscribed")
        link = self._link(push) if asks(push) else ""
        body = self._body(push, link)
        ends = await asyncio.gather(*(self._one(browser, push, body) for browser in browsers), return_exceptions=True)
        if strange := [end for end in ends if isinstance(end, BaseException) and not isinstance(end, PortError)]:
            raise strange[0]
        taken = [end for end in ends if isinstance(end, str)]
        if taken:
            return taken[0] if len(ends) == 1 else f"{len(taken)} of {len(ends)} browsers: {taken[0]}"
        later = [end for end in ends if isinstance(end, TryAgain)]
        if later:
            raise later[0]
        raise next(end for end in ends if isinstance(end, NeverWill))

    async def check(self) -> str:
        """Reach the push services in use; nobody is told anything."""
        if not len(self._subscriptions):
            raise TryAgain("no browser is subscribed, so nobody can be reached: turn notifications on in the page")
        known = f"subscribed browsers: {len(self._subscriptions)}"
        for host in self._subscriptions.hosts[:3]:
            scheme = "http" if host.startswith("127.0.0.1") else "https"
            known += f"; {await Address(f'{scheme}://{host}/').reach()}"
        return known

    async def aclose(self) -> None:
        """Nothing of its own is open; the connections belong to the poster."""

    async def _one(self, browser: Subscription, push: Push, body: bytes) -> str:
        address = Address(SecretStr(browser.endpoint), secrets=(self._vapid_key, SecretStr(browser.auth)))
        sealed = seal(browser, body)
        answer = await address.post(self._poster, sealed, self._headers(browser, push))
        shown = address.shown(answer)
        if answer.status in GONE:
            await self._subscriptions.drop(browser.endpoint)
            raise NeverWill(f"the browser has unsubscribed, it is forgotten: {shown}")
        if answer.status in _OPERATORS:
            raise TryAgain(f"the push service refuses our key: {shown}")
        judge(answer, shown)
        return shown

    def _headers(self, browser: Subscription, push: Push) -> dict[str, str]:
        parts = urlsplit(browser.endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": self._now() // SECOND + PROOF_SECONDS,
            "sub": self._subject,
        }
        proof: dict[str, str] = self._vapid.sign(claims)
        topic = base64.urlsafe_b64encode(hashlib.sha256(push.incident.encode()).digest())[:32].decode()
        return {
            "authorization": proof["Authorization"],
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(TTL_SECONDS),
            # A phone that was off hears the newest of an incident, not all that was said of it.
            "topic": topic,
            "urgency": "high" if push.kind is Kind.FIRE or pages(push) else "normal",
            "user-agent": "wanglou",
        }

    def _body(self, push: Push, link: str) -> bytes:
        told = {
            "title": cut(title(push), TITLE_BYTES),
            "kind": push.kind.value,
            "incident": push.incident,
            "key": push.key,
            "at": push.at // 1000,
            "to": name_of(push, 0),
            "link": link,
        }
        room = LIMIT_BYTES - len(as_json(told))
        words = text(push)
        # JSON writes some signs as two or six.
        while len(as_json(words)) > room - 10:
            words = cut(words, len(words.encode("utf-8", "replace")) * 3 // 4)
        return as_json({**told, "body": words})


def read_key(vapid_key: SecretStr) -> Any:
    """The key pair. Raises ValueError, without the key, when it is none."""
    try:
        return Vapid02.from_raw(vapid_key.get_secret_value().encode())
    except Exception:  # noqa: BLE001 - the library lets through whatever its own libraries raise
        raise ValueError("not a VAPID key: it is 32 bytes as base64url, 43 characters") from None


def public_key(vapid: Any) -> str:
    """65 bytes, an uncompressed point, as base64url without padding."""
    point = vapid.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).decode().rstrip("=")


def seal(browser: Subscription, body: bytes) -> bytes:
    """Encrypted for that browser alone (RFC 8291, aes128gcm). Raises NeverWill for keys that are none."""
    keys = {"p256dh": browser.p256dh, "auth": browser.auth}
    try:
        sealed = WebPusher({"endpoint": browser.endpoint, "keys": keys}).encode(body, "aes128gcm")
    except Exception as error:  # noqa: BLE001 - as above
        raise NeverWill(f"the browser's keys cannot be used ({type(error).__name__})") from None
    return bytes(sealed["body"])
