"""Webhooks to any program, signed after Standard Webhooks: the key is the message's id, the same on every attempt.

Knows neither words for people nor the outbox; it sends once.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from pydantic import SecretStr
from standardwebhooks import Webhook as Signer
from standardwebhooks.webhooks import EmptyWebhookSecretError

from monitor.ports import NeverWill
from monitor.posting import Address, Poster, as_json, judge
from monitor.wording import asks, envelope
from rules.model import SECOND, Micros, Push

GONE = 410


class Webhook:
    """POSTs the push's envelope. Raises ValueError when the address or a secret is malformed.

    With several secrets each delivery carries a signature of each: the receiver may change over at leisure.
    """

    def __init__(
        self,
        name: str,
        poster: Poster,
        url: SecretStr | str,
        secrets: Sequence[SecretStr] = (),
        *,
        headers: Mapping[str, SecretStr] | None = None,
        tls: ssl.SSLContext | None = None,
        link: Callable[[Push], str] = lambda _: "",
        now: Callable[[], Micros] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`headers` are added as they are (an API key, for example); `tls` replaces the system's trust.

        `link` gives the address by which a push is acknowledged, or nothing.
        """
        self.name = name
        self._poster = poster
        self._headers = dict(headers or {})
        self._address = Address(url, secrets=(*secrets, *self._headers.values()))
        self._signers = [_signer(secret, number) for number, secret in enumerate(secrets, 1)]
        self._tls = tls
        self._link = link
        self._now = now

    async def send(self, push: Push, *, attempt: int) -> str:
        """Deliver once. 2xx is accepted, whatever the body says."""
        link = self._link(push) if asks(push) else ""
        body = as_json(envelope(push, link))
        headers = {
            **{name: value.get_secret_value() for name, value in self._headers.items()},
            "content-type": "application/json",
            "user-agent": "wanglou",
            "wanglou-attempt": str(attempt),
            **self._signed(push.key, body),
        }
        answer = await self._address.post(self._poster, body, headers, tls=self._tls)
        shown = self._address.shown(answer, link)
        if answer.status == GONE:
            raise NeverWill(f"the receiver wants no more messages: {shown}")
        judge(answer, shown)
        return shown

    async def check(self) -> str:
        """Connect, send nothing."""
        reached = await self._address.reach(tls=self._tls)
        signed = f"{len(self._signers)} signing secret(s)" if self._signers else "unsigned: set a secret"
        return f"{reached}; {signed}; that the receiver accepts messages is seen at the first one"

    async def aclose(self) -> None:
        """Nothing of its own is open; the connections belong to the poster."""

    def _signed(self, key: str, body: bytes) -> dict[str, str]:
        moment = datetime.fromtimestamp(self._now() // SECOND, UTC)
        words = body.decode()
        headers = {"webhook-id": key, "webhook-timestamp": str(int(moment.timestamp()))}
        if self._signers:
            signatures = [signer.sign(key, moment, words) for signer in self._signers]
            headers["webhook-signature"] = " ".join(signatures)
        return headers


def _signer(secret: SecretStr, number: int) -> Signer:
    try:
        return Signer(secret.get_secret_value())
    except (ValueError, RuntimeError, EmptyWebhookSecretError) as error:
        # Their own texts may quote the secret.
        raise ValueError(f"webhook secret {number} is not 'whsec_' and base64 ({type(error).__name__})") from None
