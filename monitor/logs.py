"""Structured logs on standard error: JSON for machines, columns for people. Knows nothing of what is logged."""

from __future__ import annotations

import logging
import sys

import structlog


def set_up(level: str = "info", *, as_json: bool | None = None) -> None:
    """Once, at the start of the process. `as_json=None`: JSON unless a person is looking at the terminal."""
    # Plain tracebacks: the rich ones print local variables, and secrets are among them.
    human = sys.stderr.isatty() if as_json is None else not as_json
    people = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer = people if human else structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *([] if human else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
