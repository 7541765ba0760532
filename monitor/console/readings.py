"""Reading the history: raw or downsampled series of one quantity of one device, as JSON or CSV.

Knows no database: it asks the port `History` and leaves its two failures to the problem details.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from monitor.console.answers_account import BucketedReadings, BucketPoint, RawPoint, Readings
from monitor.console.context import clean, context, question, reply, whole_moments
from monitor.console.preferences import preferred
from monitor.console.problems import Problem
from monitor.console.times import Moment, Span, rfc3339
from monitor.ports import History
from rules.model import HOUR, SECOND, Device, Micros

_MEDIA = ("application/json", "text/csv")
MAX_BUCKETS = 10_000
"""Steps in one answer."""


class ReadingsQuestion(BaseModel):
    """Which series."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)

    device: Annotated[str, StringConstraints(min_length=1, max_length=512)] = Field(description="site/device")
    quantity: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")] = Field(
        description="Name in the catalogue, smoke_density for example."
    )
    start: Moment | None = Field(default=None, alias="from", description="Included; an hour before `to` when absent.")
    stop: Moment | None = Field(default=None, alias="to", description="Not included; now when absent.")
    step: Span | None = Field(default=None, description="Width of a bucket, 1m for example; raw readings when absent.")
    limit: int = Field(default=1000, ge=1, le=10_000, description="Raw readings in one answer.")
    format: Literal["json", "csv"] | None = Field(default=None, description="Goes before the header Accept.")


async def readings(request: web.Request) -> web.StreamResponse:
    """Raw without `step`, otherwise minimum, mean and maximum of each step."""
    it = context(request)
    asked = question(ReadingsQuestion, request.query)
    if it.history is None:
        raise Problem(501, "The settings name no history.")
    device = it.board.device(asked.device)
    if device is None:
        raise Problem(404, f"There is no device {clean(asked.device)}.", kind="unknown-device")
    stop = asked.stop if asked.stop is not None else it.now()
    start = asked.start if asked.start is not None else stop - HOUR
    if start >= stop:
        raise Problem(400, "from: must come before to")
    as_csv = asked.format == "csv" or (asked.format is None and preferred(request, _MEDIA) == "text/csv")
    if asked.step is None:
        return await _raw(request, it.history, device, asked, start, stop, as_csv=as_csv)
    return await _bucketed(it.history, device, asked.quantity, start, stop, asked.step, as_csv=as_csv)


async def _raw(
    request: web.Request,
    history: History,
    device: Device,
    asked: ReadingsQuestion,
    start: Micros,
    stop: Micros,
    *,
    as_csv: bool,
) -> web.Response:
    points, more = await whole_moments(
        lambda limit: history.read(device.key, device.kind, asked.quantity, start, stop, limit),
        lambda point: point[0],
        asked.limit,
    )
    following = points[-1][0] + 1 if more else None
    if as_csv:
        answer = _csv(("at", "value"), ((rfc3339(at), value) for at, value in points), device, asked.quantity)
        if following is not None:
            link = request.rel_url.update_query({"from": rfc3339(following), "to": rfc3339(stop)})
            answer.headers["Link"] = f'<{link}>; rel="next"'
        return answer
    raw = [RawPoint(at=at, value=value) for at, value in points]
    return reply(Readings(device=device.key, quantity=asked.quantity, points=raw, next=following))


async def _bucketed(
    history: History, device: Device, quantity: str, start: Micros, stop: Micros, step: Micros, *, as_csv: bool
) -> web.Response:
    if (stop - start) // step > MAX_BUCKETS:
        raise Problem(400, f"step: at most {MAX_BUCKETS} steps in one answer; ask for wider steps or less time")
    buckets = await history.buckets(device.key, device.kind, quantity, start, stop, step)
    if as_csv:
        rows = ((rfc3339(b.at), b.low, b.mean, b.high, b.samples) for b in buckets)
        return _csv(("at", "min", "mean", "max", "samples"), rows, device, quantity)
    points = [BucketPoint(at=b.at, min=b.low, mean=b.mean, max=b.high, samples=b.samples) for b in buckets]
    return reply(
        BucketedReadings(device=device.key, quantity=quantity, step_seconds=step / SECOND, buckets=points),
    )


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]], device: Device, quantity: str) -> web.Response:
    """RFC 4180 with a header line. All values are moments and numbers, so no cell can begin a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows(rows)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{device.key}-{quantity}")
    return web.Response(
        body=out.getvalue().encode(),
        headers={
            "Content-Type": "text/csv; charset=utf-8; header=present",
            "Content-Disposition": f'attachment; filename="{name}.csv"',
        },
    )
