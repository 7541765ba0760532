"""The API of the daemon that runs beside a command, asked over aiohttp.

Knows no route and no answer's shape. Nothing of a failed request is told but what went wrong: it holds the token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
from pydantic import SecretStr

from monitor.ports import NeverWill, TryAgain

TIMEOUT = 30.0
"""Seconds; a drill waits for the broker and its alarm before it is answered."""
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - an address to ask, not to listen on


class OwnApi:
    """`async with` it; then ask. `host` and `port` are those of the site file."""

    def __init__(self, host: str, port: int, token: SecretStr) -> None:
        host = _ANYWHERE.get(host, host)
        self._where = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._token = token

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._token.get_secret_value()}"}
        self._session = aiohttp.ClientSession(
            self._where, headers=headers, timeout=aiohttp.ClientTimeout(total=TIMEOUT)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """The JSON of the answer. Raises NeverWill with the problem's own words, TryAgain when nothing answers."""
        try:
            async with self._session.request(method, path, json=body, allow_redirects=False) as answer:
                said = json.loads(await answer.read())
        except (aiohttp.ClientError, OSError) as error:
            raise TryAgain(f"no daemon answers at {self._where} ({type(error).__name__}): is it running?") from None
        except ValueError:
            raise NeverWill(f"what answers at {self._where} is no wanglou: check api.host and api.port") from None
        if answer.status >= 400:
            detail = said.get("detail") if isinstance(said, dict) else None
            raise NeverWill(str(detail or f"the daemon answers {answer.status}"))
        return said
