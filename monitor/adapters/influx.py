"""History in InfluxDB 1, 2, 3 or VictoriaMetrics, over HTTP: one batch is one request, and every answer has a meaning.

Knows neither the ledger nor retries: those are the history lane's. No message holds the token or the password.

Writing goes through `/api/v2/write` with influxdb-client (InfluxDB 1.8 and later, VictoriaMetrics), or through `/write`
for older ones (`api="v1"`). Reading is InfluxQL over `/query`, the one API that InfluxDB 1, 2 and 3 share, or
`dialect="prometheus"` for VictoriaMetrics, which has no InfluxQL, keeps milliseconds, and no texts: they are left out.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService
from yarl import URL

from monitor import history_queries as queries
from monitor.line_protocol import LARGEST_NS, LineEncoder
from monitor.ports import Bucket, NeverWill, Point, TryAgain
from rules.model import Micros

ENCODED_AT_ONCE = 500
"""Points turned into lines before the event loop may do something else: about a millisecond."""

MOST_STEPS = 1_000_000
"""Beyond so many steps VictoriaMetrics is asked for the raw points instead, in one question rather than hundreds."""

MILLISECOND: Micros = 1000

_Writer: Any = WriteService
"""The library's own types are not annotated."""


class InfluxHistory:
    """The port `monitor.ports.History`. `database` is the bucket of InfluxDB 2 and 3.

    Give `token` (2, 3) or `username` and `password` (1), or neither. `timeout` is in seconds, for a whole request.
    `ca_file` is the PEM file of a private certificate authority. `expired` counts points that the server dropped for
    being older than its retention: it would have deleted them anyway.
    """

    def __init__(
        self,
        url: str,
        *,
        database: str,
        api: Literal["v1", "v2"] = "v2",
        dialect: Literal["influxql", "prometheus"] = "influxql",
        org: str = "",
        token: str = "",
        username: str = "",
        password: str = "",
        timeout: float = 10.0,
        ca_file: str = "",
    ) -> None:
        """Connects to nothing yet. Raises ValueError when the URL is none, or holds a user or password."""
        self._url = _checked_url(url)
        self._database = database
        self._api = api
        self._dialect = dialect
        self._org = org
        self._token = token or (f"{username}:{password}" if username and api == "v2" else "")
        self._secrets = sorted({s for s in (self._token, password) if s}, key=len, reverse=True)
        self._authorization = _authorization(token, username, password)
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._ca_file = ca_file
        self._encoder = LineEncoder(texts=dialect == "influxql")
        self._session: aiohttp.ClientSession | None = None
        self._client: Any = None
        self.expired = 0

    def __repr__(self) -> str:
        return f"InfluxHistory({str(self._url)!r}, database={self._database!r}, api={self._api!r})"

    async def write(self, points: Sequence[Point]) -> None:
        """See the port. A missing database of InfluxDB 1 is created."""
        parts = []
        for begin in range(0, len(points), ENCODED_AT_ONCE):
            parts.append(self._encoder.encode(points[begin : begin + ENCODED_AT_ONCE]))
            await asyncio.sleep(0)
        body = b"\n".join(part for part in parts if part)
        if not body:
            return
        status, text, after = await self._send(body)
        self._judge_write(status, text, after, len(points))

    async def read(
        self, device: str, kind: str, quantity: str, start: Micros, stop: Micros, limit: int
    ) -> list[tuple[Micros, float]]:
        """See the port."""
        start, stop = _within(start, stop)
        if start >= stop or limit <= 0:
            return []
        if self._dialect == "prometheus":
            return (await self._export(device, kind, quantity, start, stop))[:limit]
        answer = await self._influxql(queries.influxql_read(device, kind, quantity, start, stop, limit))
        return queries.influxql_points(answer)

    async def buckets(
        self, device: str, kind: str, quantity: str, start: Micros, stop: Micros, step: Micros
    ) -> list[Bucket]:
        """See the port; whole buckets, also where the range begins or ends inside one."""
        start, stop = _within(start, stop)
        if start >= stop:
            return []
        start, stop = queries.aligned(start, stop, step)
        if self._dialect == "influxql":
            answer = await self._influxql(queries.influxql_buckets(device, kind, quantity, start, stop, step))
            return queries.influxql_bucket_list(answer)
        if step % MILLISECOND or (stop - start) // step > MOST_STEPS:
            return queries.buckets_of(await self._export(device, kind, quantity, start, stop), step)
        selector = queries.metric_selector(device, kind, quantity)
        questions = queries.rollup_questions(selector, start, stop, step)
        answers = [self._parsed(await self._get("api/v1/query_range", question)) for question in questions]
        return queries.rollup_buckets(answers, step)

    async def check(self) -> str:
        """Answers a ping, and would take a write: one that holds only a comment. Creates the database of InfluxDB 1."""
        status, text, _, headers = await self._request("GET", "ping", {})
        if status not in (200, 204):
            raise TryAgain(
                f"{self._url} answers a ping with {status}: {self._told(text)} (is this InfluxDB's address?)"
            )
        status, text, after = await self._send(b"# wanglou")
        # InfluxDB 2 looks at the permission first and then refuses a write without points with 400.
        if status != 400:
            self._judge_write(status, text, after, 0)
        version = headers.get("X-Influxdb-Version", "")
        return f"{self._url} {version}, database {self._database}: writable".replace(" ,", ",")

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        client, self._client = self._client, None
        session, self._session = self._session, None
        if client is not None:
            await client.close()
        if session is not None:
            await session.close()

    # --- writing ---

    async def _send(self, body: bytes) -> tuple[int, str, float | None]:
        """(status, text, Retry-After)."""
        packed = await asyncio.to_thread(gzip.compress, body, 1)
        if self._api == "v2":
            return await self._send_v2(packed)
        status, text, after = await self._send_v1(packed)
        if status == 404:
            # Only now: a user who may write need not be one who may create.
            await self._create_database()
            status, text, after = await self._send_v1(packed)
        return status, text, after

    async def _send_v1(self, packed: bytes) -> tuple[int, str, float | None]:
        query = {"db": self._database, "precision": "ns"}
        status, text, after, _ = await self._request("POST", "write", query, packed, {"Content-Encoding": "gzip"})
        return status, text, after

    async def _send_v2(self, packed: bytes) -> tuple[int, str, float | None]:
        try:
            await _Writer(self._opened_client().api_client).post_write_async(
                org=self._org,
                bucket=self._database,
                body=packed,
                precision="ns",
                content_encoding="gzip",
                content_type="text/plain; charset=utf-8",
            )
        except ApiException as error:
            body = error.body or b""
            text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
            return error.status or 0, text, _retry_after(error.headers or {})
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from None
        return 204, "", None

    def _opened_client(self) -> Any:
        if self._client is None:
            self._client = InfluxDBClientAsync(
                str(self._url),
                token=self._token,
                org=self._org,
                timeout=self._timeout,
                ssl_ca_cert=self._ca_file or None,
                allow_redirects=False,
            )
        return self._client

    def _judge_write(self, status: int, text: str, after: float | None, points: int) -> None:
        if 200 <= status < 300:
            return
        told = self._told(text)
        if status in (400, 413, 422):
            if "beyond retention policy" in text:
                dropped = re.search(r"dropped=(\d+)", text)
                self.expired += int(dropped[1]) if dropped else points
            elif "max-series-per-database" in text or "max-values-per-tag" in text:
                raise TryAgain(f"{self._url} is full: {told}; raise this limit in its configuration")
            else:
                raise NeverWill(f"{self._url} refuses ({status}): {told}")
        else:
            raise TryAgain(self._why(status, told), after)

    async def _create_database(self) -> None:
        question = {"q": queries.influxql_create(self._database)}
        status, text, after, _ = await self._request("POST", "query", question)
        if status != 200:
            raise TryAgain(self._why(status, self._told(text)), after)
        if problem := queries.influxql_error(self._parsed(text)):
            raise TryAgain(f"database {self._database} cannot be created: {self._told(problem)}")

    # --- reading ---

    async def _influxql(self, question: str) -> dict[str, Any]:
        answer = self._parsed(await self._get("query", {"db": self._database, "epoch": "ns", "q": question}))
        problem = queries.influxql_error(answer)
        if queries.is_text_series(problem):
            return {}
        if problem:
            raise TryAgain(f"{self._url} cannot answer: {self._told(problem)}")
        return answer

    async def _export(
        self, device: str, kind: str, quantity: str, start: Micros, stop: Micros
    ) -> list[tuple[Micros, float]]:
        selector = queries.metric_selector(device, kind, quantity)
        first, last = -(-start // MILLISECOND), -(-stop // MILLISECOND) - 1
        if last < first:
            return []
        query = {"match[]": selector, "start": f"{first / 1000:.3f}", "end": f"{last / 1000:.3f}"}
        lines = (await self._get("api/v1/export", query)).split("\n")
        return queries.exported_points((self._parsed(line) for line in lines if line), start, stop)

    async def _get(self, path: str, query: Mapping[str, str]) -> str:
        status, text, after, _ = await self._request("GET", path, query)
        if status in (400, 422):
            raise NeverWill(f"{self._url} does not understand the question ({status}): {self._told(text)}")
        if status != 200:
            raise TryAgain(self._why(status, self._told(text)), after)
        return text

    # --- both ---

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str, float | None, Mapping[str, str]]:
        """(status, text, Retry-After, headers)."""
        try:
            async with self._opened().request(
                method, self._url / path, params=query, data=body, headers=headers, allow_redirects=False
            ) as response:
                text = await response.text(errors="replace")
                return response.status, text, _retry_after(response.headers), response.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=self._ca_file) if self._ca_file else True
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context), timeout=self._timeout, headers=self._authorization
            )
        return self._session

    def _parsed(self, text: str) -> dict[str, Any]:
        """An answer in JSON. Raises TryAgain when it is none: a login page of a proxy, for example."""
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise TryAgain(f"{self._url} answers with something else than JSON (is this the database's address?)")
        return answer

    def _unreachable(self, error: Exception) -> TryAgain:
        if isinstance(error, TimeoutError):
            return TryAgain(f"{self._url} does not answer within {self._timeout.total:g} s")
        return TryAgain(f"{self._url} cannot be reached: {self._told(str(error)) or type(error).__name__}")

    def _why(self, status: int, told: str) -> str:
        remedy = _REMEDIES.get(status, "")
        if not remedy and status < 500:
            remedy = "check the address and the API version (v1 for InfluxDB before 1.8, v2 otherwise)"
        return f"{self._url} answers {status}: {told}" + (f" ({remedy})" if remedy else "")

    def _told(self, text: str) -> str:
        """What the server said, on one line, short, and without our secrets should it repeat them."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())[:300]


_REMEDIES = {
    401: "check the user and password, or the token; the readings wait",
    403: "this user or token may not write to this database: grant it; the readings wait",
    404: "create this database or bucket, or correct its name or that of the organization; the readings wait",
    429: "the database asks for fewer writes; the readings wait",
}


def _checked_url(url: str) -> URL:
    parsed = URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("the database's URL must look like http://host:8086")
    if parsed.user or parsed.password:
        raise ValueError("the database's URL must not hold a user or password: give them by their own settings")
    return URL(str(parsed).rstrip("/"))


def _within(start: Micros, stop: Micros) -> tuple[Micros, Micros]:
    """The part of a range that points may be in."""
    return max(start, 0), min(stop, LARGEST_NS // 1000)


def _authorization(token: str, username: str, password: str) -> dict[str, str]:
    """The header for /write and /query; the token goes first."""
    if token:
        return {"Authorization": f"Token {token}"}
    if username:
        return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}
    return {}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, when the server gave a number of them; a date is not honoured, back-off does as well."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else None
