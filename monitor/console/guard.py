"""Who may ask: bearer token or session, host and origin, and the headers that keep answers where they belong.

Knows no route but those that anybody may ask. The token is never written anywhere.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from monitor.console.problems import Problem
from monitor.console.session import SESSIONS, UNTIL, Sessions, unauthorized

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/api/v1/session"})
"""Asked by supervisors and load balancers that hold no token, and by browsers that are about to show theirs."""

OPEN_PREFIXES = ("/a/", "/r/", "/api/v1/reply/")
"""Paths that prove themselves: a signed link holds its own permission, a reply its signature. Whose page a browser was on does not
matter there, since who knows the address may as well open it."""

AUTHENTICATED = web.RequestKey("authenticated", bool)

_SAFE_METHODS = frozenset({"GET", "HEAD"})

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What an answer says unless its handler knows better (the page's files may be kept, and run their own scripts)."""


def guard(sessions: Sessions, open_paths: Collection[str] = OPEN_PATHS, hosts: Collection[str] = ()) -> Middleware:
    """A middleware that lets through only who knows the token, or did when the session began.

    `hosts` are the names (without port) under which this console may be called; empty means any.
    """
    served = frozenset(host.lower() for host in hosts)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        _check_host(request, served)
        if request.path.startswith(OPEN_PREFIXES):
            request[AUTHENTICATED] = False
            return await handler(request)
        _check_origin(request, served)
        authenticated = sessions.bearer(request)
        if not authenticated and (until := sessions.until(request)) is not None:
            authenticated = True
            request[UNTIL] = until
            if request.method not in _SAFE_METHODS and "Origin" not in request.headers:
                # A cookie goes along by itself; every browser says with a change from whose page it comes.
                raise Problem(403, "A change made with a session needs the header Origin.")
        request[AUTHENTICATED] = authenticated
        if not authenticated and request.path not in open_paths:
            raise unauthorized("Send the header Authorization: Bearer <token>.")
        return await handler(request)

    return check


async def protect(request: web.Request, response: web.StreamResponse) -> None:
    """Set the security headers, on streams and errors too, and renew a session (an aiohttp `on_response_prepare` signal)."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "wanglou"
    sessions, until = request.app[SESSIONS], request.get(UNTIL)
    if until is not None and "Set-Cookie" not in response.headers and sessions.stale(until):
        response.headers["Set-Cookie"], _ = sessions.give(request)


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
