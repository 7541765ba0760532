"""For machines that watch the daemon: alive, ready, and the numbers.

Knows nobody's secrets: without a token `/readyz` names the part that is in trouble, with one it tells the detail too.
"""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from monitor.console.answers_account import Status
from monitor.console.context import context, reply
from monitor.console.guard import AUTHENTICATED
from monitor.console.problems import Problem
from monitor.console.times import rfc3339

REGISTRY = web.AppKey("registry", CollectorRegistry)

_PROBE_SECONDS = 2.0

_log = structlog.get_logger("wanglou.console")


async def healthz(_request: web.Request) -> web.StreamResponse:
    """The process answers. Says nothing about its parts: who restarts on it must not restart for a dead broker."""
    return reply(Status(status="alive"))


async def readyz(request: web.Request) -> web.StreamResponse:
    """200 while the daemon can do its duty; 503 with the reasons while ledger or feed are in trouble."""
    it = context(request)
    reasons: list[dict[str, str]] = []
    for trouble in it.board.unready():
        reason = {"source": trouble.source, "since": rfc3339(trouble.since)}
        if request[AUTHENTICATED]:
            reason["detail"] = trouble.detail
        reasons.append(reason)
    if not await _ledger_answers(request):
        reasons.append({"source": "ledger", "since": rfc3339(it.now())})
    if reasons:
        names = ", ".join(dict.fromkeys(reason["source"] for reason in reasons))
        raise Problem(503, f"In trouble: {names}.", kind="not-ready", more={"reasons": reasons})
    return reply(Status(status="ready"))


async def metrics(request: web.Request) -> web.StreamResponse:
    """Prometheus' text format, or OpenMetrics where the scraper asks for it."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(request.app[REGISTRY]), headers={"Content-Type": content_type})


async def _ledger_answers(request: web.Request) -> bool:
    """One small read within two seconds; whatever fails is logged and means no."""
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            await context(request).board.ledger.cursor("console")
    except Exception:  # noqa: BLE001 - logged whole, and the answer is no
        _log.exception("the ledger does not answer")
        return False
    return True
