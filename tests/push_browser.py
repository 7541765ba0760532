"""A browser for tests, as far as Web Push knows one: it has keys, can be subscribed, and opens what is sealed for it.

Knows nothing of Wanglou's adapter; what arrives is opened by the library for receivers.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from monitor.push_subscriptions import Subscription
from tests.providers import Received


def text(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def a_vapid_key() -> str:
    """A new private key as the site file holds it."""
    return text(ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big"))


class Browser:
    """One browser."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = os.urandom(16)

    def subscription(self, endpoint: str, person: str = "") -> Subscription:
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return Subscription(person, endpoint, text(point), text(self._auth))

    def open(self, request: Received) -> Any:
        """The JSON of a message that was sealed for this browser; raises for any other."""
        assert request.headers["content-encoding"] == "aes128gcm"
        opened = http_ece.decrypt(request.body, private_key=self._key, auth_secret=self._auth, version="aes128gcm")
        return json.loads(opened)
