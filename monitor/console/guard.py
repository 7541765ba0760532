"""Who may ask: bearer token, host and origin, and the headers that keep answers where they belong.

Knows no route but the two that anybody may ask. The token is compared in constant time and never written anywhere.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import SecretStr

from monitor.console.problems import Problem

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""Asked by supervisors and load balancers that hold no token; they tell no more than a word."""

AUTHENTICATED = web.RequestKey("authenticated", bool)

_SAFE_METHODS = frozenset({"GET", "HEAD"})

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "wanglou",
}


def guard(token: SecretStr, hosts: Collection[str] = ()) -> Middleware:
    """A middleware that lets through only who knows the token.

    `hosts` are the names (without port) under which this console may be called; empty means any. Raises ValueError for
    an empty token.
    """
    if not token.get_secret_value():
        raise ValueError("the API needs a token that is not empty")
    # Digests have one length, so the comparison does not even tell how long the token is.
    expected = hashlib.sha256(token.get_secret_value().encode()).digest()
    served = frozenset(host.lower() for host in hosts)

    def knows_token(request: web.Request) -> bool:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        digest = hashlib.sha256(given.strip().encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(digest, expected) and scheme.lower() == "bearer"

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        _check_host(request, served)
        _check_origin(request, served)
        request[AUTHENTICATED] = knows_token(request)
        if not request[AUTHENTICATED] and request.path not in OPEN_PATHS:
            raise Problem(
                401,
                "Send the header Authorization: Bearer <token>.",
                headers={"WWW-Authenticate": 'Bearer realm="wanglou"'},
            )
        return await handler(request)

    return check


async def protect(_request: web.Request, response: web.StreamResponse) -> None:
    """Set the security headers, on streams and errors too (an aiohttp `on_response_prepare` signal)."""
    response.headers.update(_HEADERS)


def _check_host(request: web.Request, served: frozenset[str]) -> None:
    """A page that rebinds its own name to our address is told that it is not served here."""
    if served and _name(request.host) not in served:
        raise Problem(421, "The settings do not name this host.")


def _check_origin(request: web.Request, served: frozenset[str]) -> None:
    """A browser says from whose page a change comes; only our own may change something."""
    origin = request.headers.get("Origin")
    if origin is None or request.method in _SAFE_METHODS:
        return
    try:
        parts = urlsplit(origin)
        own = parts.netloc.lower() == request.host.lower() or (parts.hostname or "") in served
    except ValueError:
        own = False
    if not own:
        raise Problem(403, "Changes are taken from the console's own page or from programs, not from other sites.")


def _name(host: str) -> str:
    """`[::1]:8119` → `::1`, `localhost:8119` → `localhost`."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
