"""How a browser stays logged in: a signed cookie, given for the API's token.

Knows no person and keeps nothing: the cookie says until when it is good, and is signed with a key made of the token. So a
restart logs nobody out, and a new token logs everybody out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from http.cookies import Morsel

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from monitor.console.answers import Answer
from monitor.console.answers_account import Status
from monitor.console.context import body, reply
from monitor.console.problems import Problem
from monitor.console.times import Time
from rules.model import HOUR, SECOND, Micros

LASTING: Micros = 30 * 24 * HOUR
"""A wall screen must not ask for a token at three in the morning: half-way through, any request renews it."""

_log = structlog.get_logger("wanglou.console")


class Sessions:
    """Who knows the token, and whose cookie was given to somebody who did. Raises ValueError for an empty token."""

    def __init__(self, token: SecretStr, now: Callable[[], Micros]) -> None:
        plain = token.get_secret_value().encode()
        if not plain:
            raise ValueError("the API needs a token that is not empty")
        # Digests have one length, so the comparison does not even tell how long the token is.
        self._expected = hashlib.sha256(plain).digest()
        self._key = hmac.digest(plain, b"wanglou console session 1", "sha256")
        self._now = now
        # Browsers share cookies between the ports of a host: two daemons there must not log each other out.
        self.cookie = f"wanglou-{hashlib.sha256(self._key).hexdigest()[:8]}"

    def knows(self, token: str) -> bool:
        """Is this the token? Compared in constant time."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(digest, self._expected)

    def bearer(self, request: web.Request) -> bool:
        """Does the request carry the token?"""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return self.knows(given.strip()) and scheme.lower() == "bearer"

    def until(self, request: web.Request) -> Micros | None:
        """Until when the request's cookie is good; None without one, with an expired one, or one that we did not sign."""
        expires, _, rest = request.cookies.get(self.cookie, "").partition(".")
        nonce, _, signature = rest.partition(".")
        if not (expires.isascii() and expires.isdigit() and len(expires) < 18):
            return None
        expected = self._sign(expires, nonce)
        if not hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), expected.encode()):
            return None
        at = int(expires) * SECOND
        return at if at > self._now() else None

    def give(self, request: web.Request) -> tuple[str, Micros]:
        """A new cookie as the value of Set-Cookie, and until when it is good."""
        seconds = LASTING // SECOND
        expires = self._now() // SECOND + seconds
        nonce = secrets.token_urlsafe(12)
        return self._write(f"{expires}.{nonce}.{self._sign(str(expires), nonce)}", seconds, request), expires * SECOND

    def take_back(self, request: web.Request) -> str:
        """The value of Set-Cookie that makes a browser forget its session."""
        return self._write("", 0, request)

    def _write(self, value: str, seconds: int, request: web.Request) -> str:
        morsel: Morsel[str] = Morsel()
        morsel.set(self.cookie, value, value)
        for name, given in (("path", "/"), ("max-age", str(seconds)), ("samesite", "Strict")):
            morsel[name] = given
        morsel["httponly"], morsel["secure"] = True, _encrypted(request)
        return morsel.OutputString()

    def stale(self, until: Micros) -> bool:
        """Is less than half of its time left?"""
        return until - self._now() < LASTING // 2

    def _sign(self, expires: str, nonce: str) -> str:
        return hmac.new(self._key, f"{expires}.{nonce}".encode("utf-8", "surrogateescape"), "sha256").hexdigest()


SESSIONS = web.AppKey("sessions", Sessions)
UNTIL = web.RequestKey("until", int)
"""When the session that a request came with ends; set by the guard, missing for programs with the token."""


class LoginBody(BaseModel):
    """What opens a session."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr = Field(max_length=1024, description="The setting api.token.")


class SessionAnswer(Answer):
    """A session as it stands."""

    expires_at: Time


async def log_in(request: web.Request) -> web.StreamResponse:
    """The cookie, for the token."""
    wish = await body(LoginBody, request)
    sessions = request.app[SESSIONS]
    if not sessions.knows(wish.token.get_secret_value()):
        _log.warning("a login was refused", remote=request.remote)
        raise unauthorized("This is not the token of this console.")
    cookie, until = sessions.give(request)
    answer = reply(SessionAnswer(expires_at=until))
    answer.headers["Set-Cookie"] = cookie
    return answer


async def who(request: web.Request) -> web.StreamResponse:
    """Until when this browser is logged in."""
    until = request.get(UNTIL)
    if until is None:
        raise unauthorized("This browser is not logged in.")
    return reply(SessionAnswer(expires_at=until))


async def log_out(request: web.Request) -> web.StreamResponse:
    """Take the cookie back. To end the sessions of all browsers, change the token."""
    answer = reply(Status(status="logged out"))
    answer.headers["Set-Cookie"] = request.app[SESSIONS].take_back(request)
    return answer


def unauthorized(detail: str) -> Problem:
    """401, with the scheme that would do."""
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="wanglou"'})


def _encrypted(request: web.Request) -> bool:
    """Did the browser speak TLS, with us or with the proxy before us? A false claim only costs its maker the cookie."""
    return request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"
