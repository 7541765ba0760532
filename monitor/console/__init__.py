"""The API as programs see it: aiohttp routes, the live stream, problem details, OpenAPI document, probes and metrics.

Never imports the engine, the panel or an adapter: it reads the board and posts moves.
"""

from __future__ import annotations

from monitor.console.app import make_app, serve
from monitor.console.metrics import Statistics

__all__ = ["Statistics", "make_app", "serve"]
