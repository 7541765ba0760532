"""The OpenAPI 3.1 document of the API, made from the table of routes and the classes of questions and answers.

Knows no request: it is built once, when the app is made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from monitor.console.problems import CONTENT_TYPE
from monitor.console.routes import API, Route

DOCUMENT = web.AppKey("openapi", bytes)

PATH = f"{API}/openapi.json"

Schemas: TypeAlias = Mapping[Any, dict[str, Any]]

_REFERENCE = "#/components/schemas/{model}"

_REASONS = {
    400: "The question cannot be read",
    401: "No token, or not the right one",
    403: "A browser sent it from another site's page",
    404: "There is no such thing",
    405: "Not with this method",
    409: "It is not allowed as things stand; `detail` says why",
    413: "More than 64 KiB",
    415: "Not application/json",
    421: "This host name is not served",
    422: "The body has the wrong shape",
    429: "Too often; see Retry-After",
    500: "Something unexpected; the log tells more under `instance`",
    501: "No history is configured",
    502: "The history refused the question",
    503: "Not available at the moment",
    504: "No answer in time; it may still happen",
}

_COOKIE = (
    "Set by POST /api/v1/session; its real name ends in a digest of the token. Changes need the header Origin too."
)

_EXAMPLES = {
    "image/jpeg": "the bytes of a JPEG",
    "image/png": "the bytes of a PNG",
    "text/csv": "at,value\r\n2026-11-22T00:00:00.250Z,0.31\r\n",
    "text/html": '<!doctype html><html lang="zh-CN">…</html>',
    "text/plain": 'wanglou_messages_total{verdict="live"} 42.0\n',
    "text/event-stream": 'id: 17\nevent: entry\ndata: {"id":17,"at":"2026-11-22T00:00:00Z","incident":"…"}\n\n',
}

_HEADERS = {
    "webhook-id": (
        "Standard Webhooks: the same on every attempt. DingTalk sends its own headers instead.",
        {"type": "string"},
    ),
    "webhook-timestamp": ("Standard Webhooks: seconds since 1970.", {"type": "string"}),
    "webhook-signature": ("Standard Webhooks: v1, and the signature.", {"type": "string"}),
    "Last-Event-ID": ("Id of the last entry that arrived.", {"type": "string", "pattern": r"^\d{1,18}$"}),
    "Accept": ("text/csv for CSV.", {"type": "string"}),
}


class ProblemAnswer(BaseModel):
    """RFC 9457 problem details; every error of the API has this form."""

    model_config = ConfigDict(title="Problem", extra="allow")

    type: str = Field(description="Class of the problem: urn:wanglou:problem:<name>.")
    title: str = Field(description="Chinese / English.")
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str | None = Field(default=None, description="Number of an unexpected error in the daemon's log.")
    errors: list[FieldError] | None = Field(default=None, description="What is wrong, field by field.")
    reasons: list[dict[str, str]] | None = Field(default=None, description="Of /readyz: what is in trouble.")


class FieldError(BaseModel):
    """One field that cannot be used."""

    field: str
    message: str


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The whole document, plain JSON values."""
    schemas, components = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Wanglou 望楼",
            "version": version,
            "description": "Incidents, devices and readings of a neighbourhood under fire watch. "
            "Supplementary monitoring, not a certified fire panel.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"session": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "wanglou", "description": _COOKIE},
            },
        },
    }


def _schemas(routes: Sequence[Route]) -> tuple[Schemas, dict[str, Any]]:
    """The schema of every class by (class, direction), and the components that they refer to."""
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ProblemAnswer, "validation"): None}
    for route in routes:
        wanted |= {(model, "serialization"): None for model in route.answer}
        if route.body is not None:
            wanted[route.body, "validation"] = None
    found, definitions = models_json_schema(list(wanted), ref_template=_REFERENCE)
    return found, definitions.get("$defs", {})


def _operation(route: Route, schemas: Schemas) -> dict[str, Any]:
    words = re.findall(r"[A-Za-z0-9]+", route.template.removeprefix(API))
    operation: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *words]).lower().replace("-", "_"),
        "tags": [route.tag],
        "summary": route.summary,
        "responses": {"200": _success(route, schemas)} | _failures(route, schemas),
    }
    parameters = _path_parameters(route) + _query_parameters(route) + _header_parameters(route)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        schema = schemas[route.body, "validation"]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if route.open:
        operation["security"] = [{}, {"bearer": []}, {"session": []}]
    return operation


def _success(route: Route, schemas: Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for media in route.media:
        if media == "application/json":
            shapes = [schemas[model, "serialization"] for model in route.answer]
            content[media] = {"schema": shapes[0] if len(shapes) == 1 else {"oneOf": shapes} if shapes else {}}
        else:
            content[media] = {"schema": {"type": "string"}, "example": _EXAMPLES[media]}
    return {"description": route.summary, "content": content}


def _failures(route: Route, schemas: Schemas) -> dict[str, Any]:
    usual = () if route.open else (400, 401, 503)
    statuses = sorted({*usual, *route.statuses, 421, 500})
    content = {CONTENT_TYPE: {"schema": schemas[ProblemAnswer, "validation"]}}
    return {str(status): {"description": _REASONS[status], "content": content} for status in statuses}


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", route.template)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    shape = route.query.model_json_schema(ref_template=_REFERENCE)
    required = shape.get("required", [])
    found = []
    for name, described in shape["properties"].items():
        schema = {key: value for key, value in described.items() if key not in {"title", "description"}}
        parameter = {"name": name, "in": "query", "required": name in required, "schema": schema}
        if "description" in described:
            parameter["description"] = described["description"]
        found.append(parameter)
    return found


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    # OpenAPI forbids to declare Accept as a parameter: the content types of the answer say it already.
    return [
        {"name": name, "in": "header", "required": False, "description": _HEADERS[name][0], "schema": _HEADERS[name][1]}
        for name in route.headers
        if name != "Accept"
    ]


ProblemAnswer.model_rebuild()
