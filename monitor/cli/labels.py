"""`wanglou report-links`: the links by which people report from each zone, as a list or as QR labels to print.

Reads the site file alone; no daemon need run.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Annotated

import typer

from monitor import wiring
from monitor.cli.terminal import Config, fail, out, read_site
from monitor.labels import printable


def report_links(
    config: Config = Path("site.yaml"),
    zone: Annotated[list[str] | None, typer.Option(help='Only these: "lake/garage", "lake/*".')] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="An HTML page of QR labels to print.")] = None,
) -> None:
    """The report link of each zone: for the wall, the lift, the residents' group."""
    settings, _ = read_site(config)
    if settings.api.public_url is None:
        fail(
            "api.public_url 未设置：手机须能访问该地址。api.public_url is not set: it is the address that phones reach.",
            2,
        )
    links = wiring.links(settings, lambda: 0)
    places = settings.ground.zones
    asked = zone or ["*"]
    chosen = [places[key] for key in sorted(places) if any(fnmatch.fnmatchcase(key, pattern) for pattern in asked)]
    if not chosen:
        fail(f"没有匹配的区域。No zone fits {', '.join(asked)}; the site file has {', '.join(sorted(places)[:8])}", 2)
    if output is None:
        for place in chosen:
            typer.echo(f"{place.key}\t{links.report_of(place.key)}")  # for programs too: no wrapping, no colour
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(printable((place, links.report_of(place.key)) for place in chosen))
    except OSError as error:
        fail(f"{output}: {error.strerror}", 2)
    out.print(f"{len(chosen)} 个标签已写入 labels written to {output}")
