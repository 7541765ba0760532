"""The console's application and the server that runs it.

Knows neither engine nor adapters: everything it needs is handed to `make_app`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web
from pydantic import SecretStr

from monitor.board import Board, Post, RuleDesk, Submit
from monitor.console.answering import add_answering
from monitor.console.context import BODY_LIMIT, CONTEXT, Context
from monitor.console.guard import OPEN_PATHS, guard, protect
from monitor.console.metrics import Statistics, registry
from monitor.console.openapi import DOCUMENT, PATH, document
from monitor.console.page import File
from monitor.console.page import routes as page_routes
from monitor.console.probes import REGISTRY
from monitor.console.problems import expect, problems
from monitor.console.replying import REPLIES, Replies
from monitor.console.reporting import Reporting, add_reporting
from monitor.console.routes import ROUTES, Route
from monitor.console.session import SESSIONS, Sessions
from monitor.console.stream import end_streams
from monitor.drilling import Inject
from monitor.links import Links
from monitor.ports import History
from monitor.push_subscriptions import PushDesk
from monitor.replies import ReplyDoor
from rules.model import Micros


def make_app(
    board: Board,
    *,
    token: SecretStr,
    post: Post,
    history: History | None,
    statistics: Callable[[], Statistics],
    now: Callable[[], Micros],
    desk: RuleDesk | None = None,
    webpush: PushDesk | None = None,
    submit: Submit | None = None,
    inject: Inject | None = None,
    links: Links | None = None,
    reporting: Reporting | None = None,
    doors: Mapping[str, ReplyDoor] | None = None,
    page: Mapping[str, File] | None = None,
    hosts: Collection[str] = (),
    heartbeat: float = 5.0,
    write_timeout: float = 30.0,
    move_timeout: float = 10.0,
    max_streams: int = 100,
) -> web.Application:
    """The application, ready to be served. Times in seconds.

    `desk` answers for the rules in force, `submit` takes measures and swaps, `inject` what is made up for a drill, `webpush` is for
    browsers that want notifications; without them their routes are not available. `links` are what people are sent; without them the
    pages behind them are not served, without `reporting` nobody can report, and only the channels in `doors` may reply. `page` are the
    files of the web page by their path; anybody may read them, they hold no reading. `hosts` are the names (without port) under which
    the console may be called; empty means any. Raises ValueError for an empty token.
    """
    sessions, files = Sessions(token, now), page or {}
    middlewares = [problems, guard(sessions, OPEN_PATHS | files.keys(), hosts)]
    app = web.Application(middlewares=middlewares, client_max_size=BODY_LIMIT)
    app[SESSIONS] = sessions
    app[CONTEXT] = Context(
        board,
        post,
        history,
        statistics,
        now,
        desk=desk,
        webpush=webpush,
        submit=submit,
        inject=inject,
        heartbeat=heartbeat,
        write_timeout=write_timeout,
        move_timeout=move_timeout,
        max_streams=max_streams,
    )
    app[REGISTRY] = registry(statistics, board)
    routes = (*ROUTES, Route("GET", PATH, _openapi, "probes", "This document"))
    app[DOCUMENT] = json.dumps(document(routes, _version()), ensure_ascii=False).encode()
    for route in routes:
        # A HEAD of the stream would hold a reader that never reads.
        streaming = "text/event-stream" in route.media
        if route.method == "GET":
            app.router.add_get(route.path, route.handler, allow_head=not streaming, expect_handler=expect)
        else:
            app.router.add_route(route.method, route.path, route.handler, expect_handler=expect)
    app.add_routes(page_routes(files))
    if links is not None:
        add_answering(app, links)
    app[REPLIES] = Replies(doors or {})
    if reporting is not None:
        add_reporting(app, reporting)
    app.on_response_prepare.append(protect)
    app.on_shutdown.append(end_streams)
    return app


@asynccontextmanager
async def serve(app: web.Application, host: str, port: int, *, shutdown_timeout: float = 5.0) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port that was bound (asked for as 0: any free one).

    Leaving ends the live streams at once and gives other requests `shutdown_timeout` seconds. Raises OSError when the
    address cannot be bound.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_timeout)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _openapi(request: web.Request) -> web.StreamResponse:
    return web.Response(body=request.app[DOCUMENT], content_type="application/json")


def _version() -> str:
    try:
        return version("wanglou")
    except PackageNotFoundError:
        # Run from a checkout that was never installed.
        return "0"
