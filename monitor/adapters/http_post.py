"""Requests over aiohttp for all the channels: one session, bounded answers, failures told by their kind.

Knows neither channels nor what an answer means.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from urllib.parse import quote

import aiohttp
import yarl

from monitor.ports import TryAgain
from monitor.posting import BODY_BYTES, Answer, trouble_of

_CHUNK_BYTES = 8192
_MAY_STAND = "%/:=&?~#+!$,;'@()*[]"


class HttpPost:
    """The port `monitor.posting.Poster` on a session that belongs to the daemon."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        tls: ssl.SSLContext | None = None,
        method: str = "POST",
    ) -> Answer:
        """Send once. Cancellation closes the connection. Raises TryAgain without the address."""
        trust = tls if tls is not None else True
        try:
            # Only what cannot stand in an address is encoded: what was signed must not be written in another way.
            address = yarl.URL(quote(url, safe=_MAY_STAND), encoded=True)
            async with self._session.request(
                method, address, data=body or None, headers=headers, allow_redirects=False, ssl=trust
            ) as response:
                return Answer(response.status, dict(response.headers.items()), await _read(response))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Without the cause: aiohttp's exceptions hold the whole request, the address included.
            raise TryAgain(_trouble(error)) from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    read = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        read += chunk
        if len(read) >= BODY_BYTES:
            response.close()
            break
    return bytes(read[:BODY_BYTES])


def _trouble(error: Exception) -> str:
    """What happened, by type and errno only."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the server's certificate is not trusted: check this machine's clock, or trust the server's CA"
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS failed"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorError):
        return trouble_of(error.os_error)
    if isinstance(error, TimeoutError):
        return "time-out"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError | aiohttp.ClientOSError):
        return "the connection was cut"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer was cut off"
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer is not HTTP"
    return f"failed ({type(error).__name__})"
