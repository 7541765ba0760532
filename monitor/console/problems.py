"""Errors as RFC 9457 problem details, for whatever goes wrong on the way of a request.

Knows no route. Nothing of an unexpected error goes to the client but a number under which the log tells the rest.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import structlog
from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler
from pydantic import ValidationError

from monitor.ports import NeverWill, TryAgain

CONTENT_TYPE = "application/problem+json"

_log = structlog.get_logger("wanglou.console")

TITLES = {
    400: ("bad-request", "请求有误 / The request cannot be read"),
    401: ("unauthorized", "需要令牌 / A bearer token is needed"),
    403: ("foreign-origin", "来源不被允许 / This origin is not allowed"),
    404: ("not-found", "没有找到 / There is no such thing"),
    405: ("method-not-allowed", "不支持该方法 / This method is not allowed here"),
    409: ("move-refused", "操作被拒绝 / The move was refused"),
    413: ("too-large", "请求过大 / The request is too large"),
    415: ("unsupported-media-type", "请用 JSON / Send JSON"),
    417: ("expectation", "不支持该 Expect / This expectation is not supported"),
    421: ("misdirected", "主机名不被允许 / This host name is not served here"),
    422: ("invalid", "内容有误 / The content is wrong"),
    429: ("too-many", "过于频繁 / Too many requests"),
    500: ("internal", "内部错误 / Something went wrong here"),
    501: ("no-history", "没有历史库 / No history is configured"),
    502: ("history-refused", "历史库拒绝 / The history refused the question"),
    503: ("unavailable", "暂不可用 / Not available at the moment"),
    504: ("no-answer", "没有及时答复 / No answer in time"),
}
"""Status → the name of its usual problem, and the title in Chinese and English."""


class Problem(Exception):
    """A request that ends with an error of the API. `more` are further members of the document, plain JSON values."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind
        self.headers = dict(headers or {})
        self.more = dict(more or {})


def invalid(error: ValidationError, status: int = 400) -> Problem:
    """What pydantic found, field by field, without the values: a rejected value may be somebody's secret."""
    errors = [
        {"field": ".".join(map(str, e["loc"])), "message": e["msg"].removeprefix("Value error, ")}
        for e in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    first = errors[0]
    detail = f"{first['field']}: {first['message']}" if first["field"] else first["message"]
    return Problem(status, detail, more={"errors": errors})


def respond(problem: Problem, instance: str = "") -> web.Response:
    """The problem as an answer."""
    slug, title = TITLES.get(problem.status) or (str(problem.status), HTTPStatus(problem.status).phrase)
    document: dict[str, object] = {
        "type": f"urn:wanglou:problem:{problem.kind or slug}",
        "title": title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if instance:
        document["instance"] = instance
    document |= problem.more
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return web.Response(status=problem.status, body=body, content_type=CONTENT_TYPE, headers=problem.headers)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure of an inner handler into problem details; the outermost middleware."""
    try:
        return await handler(request)
    except Problem as problem:
        return respond(problem)
    except web.HTTPException as error:
        return _from_http(error)
    except TryAgain as error:
        after = str(max(1, round(error.after))) if error.after is not None else "5"
        return respond(Problem(503, str(error), headers={"Retry-After": after}))
    except NeverWill as error:
        return respond(Problem(502, str(error)))
    except Exception:  # noqa: BLE001 - logged whole; the client gets its number
        instance = uuid.uuid4().urn
        _log.exception("request failed", method=request.method, path=request.path, instance=instance)
        return respond(Problem(500, "The log of the daemon tells more under this instance."), instance)


async def expect(request: web.Request) -> web.StreamResponse | None:
    """Answer `Expect: 100-continue`, refuse other expectations: aiohttp asks this before any middleware."""
    if request.version < HttpVersion11:
        # RFC 9110 10.1.1: HTTP/1.0 knows no expectations, whatever a client of it sends.
        return None
    if request.headers.get("Expect", "").lower() != "100-continue":
        return respond(Problem(417, "The only expectation that is understood is 100-continue."))
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # The writer counts bytes to know whether an answer has begun; the interim answer is none.
    request.writer.output_size = 0
    return None


def _from_http(error: web.HTTPException) -> web.Response:
    """aiohttp's own refusals (unknown path, wrong method, body too large) in our form."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed: Sequence[str] = sorted(error.allowed_methods)
        return respond(Problem(405, f"Allowed: {', '.join(allowed)}.", headers={"Allow": ", ".join(allowed)}))
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return respond(Problem(413, "A request body may have at most 64 KiB.", headers={"Connection": "close"}))
    if isinstance(error, web.HTTPNotFound):
        return respond(Problem(404, "There is nothing at this path; /api/v1/openapi.json lists what there is."))
    return respond(Problem(error.status, error.reason))
