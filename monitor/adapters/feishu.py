"""Feishu's group robot (飞书自定义机器人): signed text, with people mentioned by their open id.

Knows neither rules nor the outbox. HTTP 200 says nothing here: only `code` 0 is a delivery.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence

from pydantic import SecretStr

from monitor.message_facts import NONE, Quantities
from monitor.plain_words import cut
from monitor.posting import Address, Codes, Poster, as_json, judge_code
from monitor.wording import pages, text
from rules.model import SECOND, Micros, Push

PER_MINUTE = 100
LIMIT_BYTES = 9_000
"""Of text. Feishu takes 20 KB of body, and JSON may double a text of quotation marks."""
CODES = Codes(
    # Older hooks answer StatusCode.
    fields=("code", "StatusCode"),
    # Empty: 9499 is answered to a bad request and to too many of them alike.
    malformed=frozenset(),
    too_fast=frozenset({11232}),
    pause=5.0,
)
_USER = re.compile(r"(?:all|ou_[0-9A-Za-z_-]{1,64})")
_FULL_WIDTH = str.maketrans("<>", "＜＞")


class Feishu:
    """One robot in one group."""

    def __init__(
        self,
        name: str,
        poster: Poster,
        token: SecretStr,
        secret: SecretStr | None = None,
        *,
        users: Sequence[str] = (),
        keyword: str = "",
        quantities: Quantities = NONE,
        base_url: str = "https://open.feishu.cn",
        now: Callable[[], Micros] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`token` is the last part of the hook's address; `users` are open ids (`ou_…`) or `all`."""
        for user in users:
            if not _USER.fullmatch(user):
                raise ValueError("users are open ids (ou_…) or 'all'; Feishu's robots cannot mention mobile numbers")
        secrets = (token,) if secret is None else (token, secret)
        self.name = name
        self._poster = poster
        self._secret = secret
        url = f"{base_url.rstrip('/')}/open-apis/bot/v2/hook/{token.get_secret_value()}"
        self._address = Address(url, secrets=secrets, secret_path=False)
        self._users = tuple(users)
        self._keyword = keyword
        self._quantities = quantities
        self._now = now

    async def send(self, push: Push, *, attempt: int) -> str:
        """Deliver once. The robot has no idempotency key: an attempt that timed out may be shown twice."""
        message: dict[str, object] = {"msg_type": "text", "content": {"text": self._words(push)}}
        if self._secret is not None:
            moment = self._now() // SECOND
            message |= {"timestamp": str(moment), "sign": signature(moment, self._secret)}
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "wanglou"}
        answer = await self._address.post(self._poster, as_json(message), headers)
        return judge_code(answer, self._address.shown(answer), CODES)

    async def check(self) -> str:
        """Reach the host. Token and signature cannot be verified without writing into the group."""
        return f"{await self._address.reach()}; token, signature and keyword are verified only by a real message"

    async def aclose(self) -> None:
        """Nothing of its own is open; the connections belong to the poster."""

    def _words(self, push: Push) -> str:
        users = self._users if pages(push) else ()
        tail = "".join(f'<at user_id="{user}"></at>' for user in users) + (
            f"\n{self._keyword}" if self._keyword else ""
        )
        # Tags are live in Feishu's plain text: a device called <at user_id="all"> would wake the whole company. The
        # full-width signs take three bytes for one, so the limit is kept after the exchange.
        words = text(push, quantities=self._quantities).translate(_FULL_WIDTH)
        room = LIMIT_BYTES - len(tail.encode())
        return f"{cut(words, room)}\n{tail.strip()}".strip()


def signature(moment: int, secret: SecretStr) -> str:
    """base64(HMAC-SHA256("s\\nsecret", "")), with `moment` in seconds: DingTalk has it the other way round."""
    key = f"{moment}\n{secret.get_secret_value()}".encode()
    return base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
