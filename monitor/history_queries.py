"""Questions to a time-series database, and its answers: InfluxQL, and PromQL as VictoriaMetrics extends it.

Knows no connection. Moments are microseconds; InfluxDB answers in nanoseconds, VictoriaMetrics keeps milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from monitor.line_protocol import LARGEST_NS, field, measurement, name
from monitor.ports import Bucket
from rules.model import Micros

LARGEST_STEPS = 10_000
"""Steps asked for in one question; VictoriaMetrics refuses more than 30,000."""


def aligned(start: Micros, stop: Micros, step: Micros) -> tuple[Micros, Micros]:
    """The whole buckets that [start, stop) touches."""
    return start // step * step, -(-stop // step) * step


# --- InfluxQL ---------------------------------------------------------------------------------------------------------


def influxql_read(device: str, kind: str, quantity: str, start: Micros, stop: Micros, limit: int) -> str:
    """Raw points of a series, oldest first."""
    what = _identifier(field(quantity))
    source, span = _identifier(measurement(kind)), _span(device, start, stop)
    return f"SELECT {what}::field FROM {source} WHERE {span} ORDER BY time ASC LIMIT {limit}"  # noqa: S608 (quoted)


def influxql_buckets(device: str, kind: str, quantity: str, start: Micros, stop: Micros, step: Micros) -> str:
    """Lowest, mean, highest and number of points for each step."""
    start, stop = aligned(start, stop, step)
    values = _identifier(field(quantity)) + "::field"
    what = ", ".join(f"{function}({values})" for function in ("min", "mean", "max", "count"))
    source, span = _identifier(measurement(kind)), _span(device, start, stop)
    return f"SELECT {what} FROM {source} WHERE {span} GROUP BY time({step}u) fill(none)"  # noqa: S608 (quoted)


def influxql_create(database: str) -> str:
    """Make the database unless it is there."""
    return f"CREATE DATABASE {_identifier(database)}"


def influxql_error(answer: dict[str, Any]) -> str:
    """What went wrong inside an answer with status 200; empty when nothing did."""
    if "error" in answer:
        return str(answer["error"])
    return next((str(result["error"]) for result in answer.get("results", ()) if "error" in result), "")


def is_text_series(error: str) -> bool:
    """Did the server refuse to calculate because the series holds texts?"""
    return "unsupported" in error and ("iterator type" in error or "type string" in error)


def influxql_points(answer: dict[str, Any]) -> list[tuple[Micros, float]]:
    """The answer to `influxql_read`: numbers only, texts are passed over."""
    return [(at_ns // 1000, float(value)) for at_ns, value in _rows(answer) if isinstance(value, int | float)]


def influxql_bucket_list(answer: dict[str, Any]) -> list[Bucket]:
    """The answer to `influxql_buckets`."""
    return [
        Bucket(at_ns // 1000, float(low), float(mean), float(high), int(samples))
        for at_ns, low, mean, high, samples in _rows(answer)
        if samples
    ]


def _span(device: str, start: Micros, stop: Micros) -> str:
    upto = min(stop * 1000, LARGEST_NS)  # the last bucket of all may end after the last moment there is
    return f'"device" = {_literal(name(device))} AND time >= {start * 1000} AND time < {upto}'


def _rows(answer: dict[str, Any]) -> Iterator[list[Any]]:
    for result in answer.get("results", ()):
        for series in result.get("series", ()):
            yield from series["values"]


def _identifier(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


# --- Prometheus -------------------------------------------------------------------------------------------------------


def metric_selector(device: str, kind: str, quantity: str) -> str:
    """The series of a quantity, one for each zone the device has been in. VictoriaMetrics names it kind_quantity."""
    metric = _matched(f"{measurement(kind)}_{field(quantity)}")
    return f'{{__name__="{metric}",device="{_matched(name(device))}"}}'


def exported_points(answers: Iterable[dict[str, Any]], start: Micros, stop: Micros) -> list[tuple[Micros, float]]:
    """The answer of /api/v1/export (one JSON object a line), merged over the zones, oldest first."""
    points: dict[Micros, float] = {}
    for series in answers:
        points.update(zip((ms * 1000 for ms in series["timestamps"]), series["values"], strict=True))
    return [(at, float(value)) for at, value in sorted(points.items()) if start <= at < stop]


def rollup_questions(selector: str, start: Micros, stop: Micros, step: Micros) -> Iterator[dict[str, str]]:
    """Parameters of /api/v1/query_range that cover [start, stop), which is aligned; `step` is a whole number of ms.

    A window of the database is open at its start and closed at its end, our bucket the other way round: so each is
    asked for at its last millisecond.
    """
    functions = '"min_over_time","sum_over_time","max_over_time","count_over_time"'
    query = f"aggr_over_time(({functions}), {selector}[{step // 1000}ms])"
    while start < stop:
        upto = min(stop, start + LARGEST_STEPS * step)
        first, last = (start + step) // 1000 - 1, upto // 1000 - 1
        yield {
            "query": query,
            "start": f"{first / 1000:.3f}",
            "end": f"{last / 1000:.3f}",
            "step": f"{step // 1000}ms",
            "nocache": "1",  # without it the range would be moved to multiples of the step
        }
        start = upto


def rollup_buckets(answers: Iterable[dict[str, Any]], step: Micros) -> list[Bucket]:
    """The answers to `rollup_questions`, merged over the zones."""
    found: dict[Micros, dict[str, list[float]]] = {}
    for answer in answers:
        for series in answer["data"]["result"]:
            rollup = series["metric"]["rollup"]
            for second, value in series["values"]:
                at = (round(second * 1000) + 1) * 1000 - step
                found.setdefault(at, {}).setdefault(rollup, []).append(float(value))
    return [
        Bucket(
            at,
            min(values["min_over_time"]),
            sum(values["sum_over_time"]) / sum(values["count_over_time"]),
            max(values["max_over_time"]),
            round(sum(values["count_over_time"])),
        )
        for at, values in sorted(found.items())
    ]


def buckets_of(points: Iterable[tuple[Micros, float]], step: Micros) -> list[Bucket]:
    """Downsample raw points, oldest first: for steps that a server cannot calculate."""
    groups: dict[Micros, list[float]] = {}
    for at, value in points:
        groups.setdefault(at // step * step, []).append(value)
    return [Bucket(at, min(v), sum(v) / len(v), max(v), len(v)) for at, v in groups.items()]


def _matched(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)
