"""One message to somebody else's HTTP server: where it goes, what came back and what that means; no secret is shown.

Knows no HTTP client (a `Poster` carries it), no provider and no push. Addresses of webhooks and robots are passwords:
whoever has one can page the station. Exceptions and the answers of proxies like to quote them; so no foreign
exception's text is passed on, and every answer is searched for the parts of the address before anybody sees it.
"""

from __future__ import annotations

import asyncio
import json
import math
import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol, TypeAlias
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pydantic import SecretStr

from monitor.ports import NeverWill, TryAgain

BODY_BYTES = 64 * 1024
"""What is read of an answer; the rest is left on the wire."""
REPLY_CHARACTERS = 300
CHECK_SECONDS = 5.0
_SHORTEST_SECRET = 6
_SHORTEST_WORD_SECRET = 16
_LATER = frozenset({408, 425, 429})
_BLAMES_MESSAGE = frozenset({400, 413, 414, 415, 422})


class Answer(NamedTuple):
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    """At most BODY_BYTES of it."""


class Poster(Protocol):
    """Carries one request over the wire."""

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        tls: ssl.SSLContext | None = None,
        method: str = "POST",
    ) -> Answer:
        """Send once and read at most BODY_BYTES of the answer, whatever its status; redirects are not followed.

        Raises TryAgain for whatever the network does, in words that do not quote the address.
        """


class Address:
    """Where to post. Its host may be told, the rest is secret: `str` and `repr` show `https://host:port` only."""

    __slots__ = ("_hidden", "_host", "_port", "_tls", "_url")

    def __init__(self, url: SecretStr | str, *, secrets: Iterable[SecretStr] = (), secret_path: bool = True) -> None:
        """`secrets`: what else no answer may show. `secret_path` is False when all that is secret is among them.

        Raises ValueError (which does not quote the address) if it is not HTTP.
        """
        self._url = url.get_secret_value() if isinstance(url, SecretStr) else url
        try:
            parsed = urlsplit(self._url)
            host, port = parsed.hostname, parsed.port
        except ValueError:
            raise ValueError("not a valid address: expected https://host/path") from None
        if parsed.scheme not in ("http", "https") or not host:
            raise ValueError("not a valid address: expected https://host/path")
        self._tls = parsed.scheme == "https"
        self._host = host
        self._port = port or (443 if self._tls else 80)
        self._hidden = _hidden(self._url if secret_path else "", secrets)

    def __str__(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self._host}:{self._port}"

    def __repr__(self) -> str:
        return f"Address('{self}')"

    async def post(
        self,
        poster: Poster,
        body: bytes,
        headers: Mapping[str, str],
        *,
        query: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        method: str = "POST",
    ) -> Answer:
        """Send once; `query` is added to what the address has. Raises TryAgain for whatever the network does."""
        joint = "&" if urlsplit(self._url).query else "?"
        # Spaces as %20: signatures are made over this form, and everybody reads it.
        url = f"{self._url}{joint}{urlencode(query, quote_via=quote, safe='')}" if query else self._url
        try:
            return await poster.post(url, body, headers, tls=tls, method=method)
        except TryAgain as trouble:
            raise TryAgain(f"{self}: {trouble}") from None

    @property
    def authority(self) -> str:
        """`host`, and its port unless it is the usual one: what the header Host says."""
        return self._host if self._port == (443 if self._tls else 80) else f"{self._host}:{self._port}"

    @property
    def host(self) -> str:
        """The host's name alone."""
        return self._host

    def shown(self, answer: Answer, *hidden: str) -> str:
        """Status and answer on one line of at most 300 characters, without secrets and what else is `hidden` this once."""
        # Hidden before it is shortened, or half a secret could stay at the end.
        words = self.redact(answer.body.decode("utf-8", "replace"))
        for word in sorted(_forms(hidden), key=len, reverse=True):
            words = words.replace(word, "***")
        line = f"HTTP {answer.status} {' '.join(words[:4096].split())}".strip()
        return line if len(line) <= REPLY_CHARACTERS else line[: REPLY_CHARACTERS - 1] + "…"

    def redact(self, words: str) -> str:
        """The words without any part of the address or a secret."""
        for secret in self._hidden:
            words = words.replace(secret, "***")
        return words

    async def reach(self, *, tls: ssl.SSLContext | None = None) -> str:
        """Open a TCP (and TLS) connection and close it again: nobody is told anything. Raises TryAgain."""
        context = (tls or ssl.create_default_context()) if self._tls else None
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                _, writer = await asyncio.open_connection(self._host, self._port, ssl=context)
        except OSError as error:  # TimeoutError is one
            raise TryAgain(f"{self}: {trouble_of(error)}") from None
        # Aborted, not closed in good order: a peer that takes no part in TLS's farewell must not hold us up.
        writer.transport.abort()
        return f"{self} reachable ({'TLS' if self._tls else 'TCP, not encrypted'})"


def judge(answer: Answer, shown: str) -> None:
    """Return for 2xx. Raises NeverWill for 4xx, TryAgain for 408, 425, 429, 5xx, and for 3xx.

    A redirect may be a proxy in maintenance or a captive portal; following it would hand the message to a stranger.
    """
    if 200 <= answer.status < 300:
        return
    if 400 <= answer.status < 500 and answer.status not in _LATER:
        raise NeverWill(shown)
    raise TryAgain(shown, retry_after(answer))


Code: TypeAlias = int | str | bool
"""A provider's verdict; its type matters: the text "0" is not the number 0."""


class Codes(NamedTuple):
    """How one provider writes its verdict into the JSON of its answer."""

    fields: tuple[str, ...]
    """Where the code stands, in order of preference: names and positions joined by dots (`Response.Error.Code`)."""
    malformed: frozenset[Code]
    """Codes that blame the message itself."""
    too_fast: frozenset[Code]
    """Codes that ask for a pause."""
    pause: float
    """Seconds of pause if the provider does not say how many."""
    good: frozenset[Code] = frozenset({0})
    """Codes of a delivery."""
    proof: str = ""
    """A field whose presence is a delivery, for providers that write a code only into their refusals."""


def judge_code(answer: Answer, shown: str, codes: Codes) -> str:
    """Return `shown` if the provider took the message. Raises NeverWill only when the message itself is blamed.

    Everything else is TryAgain: a wrong token, keyword or signature is mended by an operator within minutes, and asking
    again costs nothing. So is a 200 without a code: then a proxy or a login page answered, not the provider.
    """
    code = _code(answer, codes)
    if code in codes.malformed or (code is None and answer.status in _BLAMES_MESSAGE):
        raise NeverWill(shown)
    if code in codes.too_fast:
        raise TryAgain(shown, retry_after(answer) or codes.pause)
    if code not in codes.good or not 200 <= answer.status < 300:
        strange = "" if code is not None else "not the provider's answer: "
        raise TryAgain(f"{strange}{shown}"[:REPLY_CHARACTERS], retry_after(answer))
    return shown


def retry_after(answer: Answer) -> float | None:
    """Seconds that the server asks to be left alone, told as seconds or as an HTTP date; None if it does not."""
    value = next((v.strip() for k, v in answer.headers.items() if k.lower() == "retry-after"), "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def as_json(value: object) -> bytes:
    """Compact UTF-8. Raises NeverWill when it is not JSON (NaN included): no repetition mends that."""
    try:
        words = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError) as error:
        raise NeverWill(f"the message cannot be written as JSON ({type(error).__name__})") from None
    return words.encode("utf-8", "replace")


def trouble_of(error: OSError) -> str:
    """What the network did, by type and errno only."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "the server's certificate is not trusted: check this machine's clock, or trust the server's CA"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    if isinstance(error, TimeoutError) and not error.errno:
        return "time-out"
    return f"cannot connect ({error.strerror if error.errno and error.strerror else type(error).__name__})"


def dig(data: object, path: str) -> object:
    """What stands at `a.0.b` of a JSON document; None where the way ends."""
    for part in path.split("."):
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and part.isdecimal() and len(part) < 4:
            data = data[int(part)] if int(part) < len(data) else None
        else:
            return None
    return data


def _code(answer: Answer, codes: Codes) -> Code | None:
    try:
        data = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    sorts = {type(code) for code in (*codes.good, *codes.malformed, *codes.too_fast)}
    for field in codes.fields:
        found = dig(data, field)
        if type(found) in sorts and isinstance(found, int | str):
            return found
    return next(iter(codes.good)) if codes.proof and dig(data, codes.proof) else None


def _hidden(url: str, secrets: Iterable[SecretStr]) -> tuple[str, ...]:
    """What to look for in answers, longest first so that a part does not spoil the whole."""
    words = {secret.get_secret_value() for secret in secrets}
    if url:
        parsed = urlsplit(url)
        whole = f"{parsed.path}?{parsed.query}" if parsed.query else parsed.path
        parts = {*parsed.path.split("/"), parsed.username or "", *(value for _, value in parse_qsl(parsed.query))}
        # `webhook` alone is a word that answers may use; a part with digits, or a long one, is a password.
        parts = {part for part in parts if not (part.isalpha() and len(part) < _SHORTEST_WORD_SECRET)}
        found = {url, whole, parsed.path, parsed.query, parsed.password or "", *parts}
        words |= {word for word in found if len(word) >= _SHORTEST_SECRET}
    return tuple(sorted(_forms(words), key=len, reverse=True))


def _forms(words: Iterable[str]) -> set[str]:
    """The words as they may come back: plain, percent-encoded and decoded."""
    found = set(words)
    return {form for word in found for form in (word, unquote(word), quote(word, safe="")) if form}
