"""The OpenAPI document is valid, says what is served and serves what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import SecretStr

from monitor.console import make_app
from monitor.console.metrics import registry
from monitor.console.problems import TITLES
from tests.small_site import NOW, TOKEN, Yard


async def served() -> tuple[set[tuple[str, str]], dict[str, Any]]:
    """(method, template) of every route of a real app, and its document."""
    yard = Yard()
    app = make_app(
        yard.board,
        token=SecretStr(TOKEN),
        post=yard.post,
        history=None,
        statistics=yard.look,
        now=lambda: NOW,
    )
    routes = set()
    for route in app.router.routes():
        if route.resource is not None and route.method != "HEAD":
            routes.add((route.method, re.sub(r":[^}]+}", "}", route.resource.canonical)))
    async with yard.console() as api:
        return routes, api.document


async def test_the_document_is_valid_openapi_3_1() -> None:
    _, document = await served()
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


async def test_routes_and_document_say_the_same() -> None:
    routes, document = await served()
    promised = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert promised | {("GET", "/api/v1/openapi.json")} == routes


async def test_every_operation_has_its_own_name_and_says_how_it_fails() -> None:
    _, document = await served()
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        failures = {status: r for status, r in operation["responses"].items() if status != "200"}
        assert failures
        for response in failures.values():
            assert list(response["content"]) == ["application/problem+json"]


async def test_only_the_probes_and_the_login_are_open() -> None:
    _, document = await served()
    open_paths = {
        path for path, item in document["paths"].items() for operation in item.values() if "security" in operation
    }
    assert open_paths == {"/healthz", "/readyz", "/api/v1/session", "/api/v1/reply/{channel}"}
    async with Yard().console() as api:
        for path, item in document["paths"].items():
            # Asked for a session, one who has none is told so: that 401 is the answer.
            for method in item.keys() - ({"get"} if path == "/api/v1/session" else set()):
                reply = await api.ask(method.upper(), path.replace("{", "").replace("}", ""), token=None)
                assert (reply.status != 401) == (path in open_paths), path


async def test_the_document_is_the_same_every_time() -> None:
    assert (await served())[1] == (await served())[1]


async def test_the_page_on_the_api_names_every_path_problem_and_metric() -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    routes, _ = await served()
    for _method, path in routes:
        assert path.removeprefix("/api/v1").replace("{incident}", "{id}").rpartition("/")[2].strip("{}") in text, path
    for status, (name, _title) in TITLES.items():
        assert f"{status}" in text
        assert f"`{name}`" in text, name
    yard = Yard()
    for family in registry(yard.look, yard.board).collect():
        if family.name.startswith("wanglou_"):
            assert f"`{family.name}{'_total' if family.type == 'counter' else ''}" in text, family.name
