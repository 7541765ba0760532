"""`wanglou drill …`: a drill asked of the running daemon and followed to its last acknowledgement, and its score off the ledger.

Reads arguments and prints; decides nothing. Exit codes: 0 the promise was kept, 1 it was missed, 2 it could not be run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor import wiring
from monitor.cli.reports import Output, ask, present, write
from monitor.cli.terminal import Config, fail, read_site, say
from monitor.console.answers_drills import DrillScore
from monitor.ports import PortError
from monitor.reports.drill import Judged, Point, Verdict, drill
from monitor.reports.drill_page import drill_page
from monitor.reports.drill_words import JUDGED, POINTS, PROMISES, exactly
from rules.duration import duration
from rules.model import SECOND, Value

drills_app = typer.Typer(no_args_is_help=True, help="演习 Drills.")

POLL = 0.5
"""Seconds between two looks."""


class Told(StrEnum):
    """How a score is told."""

    TEXT = "text"
    HTML = "html"
    JSON = "json"


@drills_app.command("start")
def start(
    device: Annotated[str, typer.Argument(help="Key of the detector that shall speak: site/device.")],
    by: Annotated[str, typer.Option(help="Who announces the drill.")],
    why: Annotated[str, typer.Option(help="Why it is held.")],
    value: Annotated[list[str] | None, typer.Option(help="What it shall say: smoke=true. Default: what its kind says in a fire.")] = None,
    minutes: Annotated[int, typer.Option(min=1, max=240, help="The drill ends by itself then.")] = 30,
    wait: Annotated[str, typer.Option(help="Follow it so long at most: 90s, 5m.")] = "5m",
    end: Annotated[bool, typer.Option("--end", help="End the drill when it is not followed any more.")] = False,
    config: Config = Path("site.yaml"),
) -> None:  # fmt: skip
    """Make up what a detector says in a fire, at its own topic, and see who answers and when."""
    settings, _ = read_site(config)
    try:
        patience = duration(wait) / SECOND
    except ValueError as error:
        fail(f"--wait: {error}", 2)
    wish: dict[str, object] = {"device": device, "by": by, "why": why, "minutes": minutes}
    if value:
        wish["values"] = dict(_named(text) for text in value)

    async def play() -> dict[str, Any]:
        async with wiring.own_api(settings) as api:
            score: dict[str, Any] = await api.ask("POST", "/api/v1/drills", wish)
            path = f"/api/v1/drills/{score['id']}"
            say(f"【演习】[DRILL] {score['id']} {score['subject']}", "bold")
            told: set[str] = set()
            until = time.monotonic() + patience
            while True:
                _tell(score, told)
                if _done(score) or time.monotonic() >= until:
                    break
                await asyncio.sleep(POLL)
                score = await api.ask("GET", path)
            if end and not score["over"]:
                score = await api.ask("POST", f"{path}/end", {"by": by})
                _tell(score, told)
            return score

    try:
        score = asyncio.run(play())
    except PortError as error:
        fail(error, 2)
    _conclude(score)


@drills_app.command("score")
def score(
    key: Annotated[str, typer.Argument(metavar="ID", help="The drill's id, sup-000001.")],
    form: Annotated[Told, typer.Option("--format", help="Lines, a page to print, or what the API says.")] = Told.TEXT,
    output: Output = None,
    config: Config = Path("site.yaml"),
) -> None:
    """How a drill went, off the ledger beside the daemon."""
    settings, now = read_site(config)[0], present()
    places = settings.neighbourhood()
    found = ask(settings, lambda records: drill(records, key, places, now))
    if found is None:
        fail(f"没有这次演习。There is no drill {key}.", 2)
    answer = DrillScore.of(found)
    plain = answer.model_dump(mode="json")
    if form is not Told.TEXT:
        write(drill_page(found, places) if form is Told.HTML else answer.model_dump_json(), output)
        raise typer.Exit(_code(plain))
    _tell(plain, set())
    _conclude(plain)


def _named(text: str) -> tuple[str, Value]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        fail(f"--value {text}: write it as smoke=true or temperature=80", 2)
    if value in ("true", "false"):
        return name, value == "true"
    try:
        return name, float(value)
    except ValueError:
        return name, value


def _tell(score: dict[str, Any], told: set[str]) -> None:
    """The lines that were not told yet, in the order of their moments."""
    for at, line, style in sorted(_lines(score), key=lambda known: known[0]):
        if line not in told:
            told.add(line)
            say(f"{exactly(round(at * SECOND)):>12}  {line}", style)


def _lines(score: dict[str, Any]) -> Iterator[tuple[float, str, str]]:
    """(seconds after the alarm, line, style)"""
    for point in score["points"]:
        words = POINTS[Point(point["point"])]
        yield point["after_seconds"], f"{words.zh} {words.en}", "bold"
    for who in score["people"]:
        name = f"{who['name']['zh']} {who['name']['en']}"
        for call in who["calls"]:
            if call["accepted_seconds"] is not None:
                yield call["accepted_seconds"], f"{name}: {call['channel']} 送达 accepted ({call['step']})", ""
        if who["answered_seconds"] is not None:
            via = f" ({who['via']})" if who["via"] else ""
            yield who["answered_seconds"], f"{name}: 应答 answered{via}", "green"
    for call in score["listeners"]:
        if call["accepted_seconds"] is not None:
            yield call["accepted_seconds"], f"{call['channel']} 送达 accepted ({call['step']})", ""


def _done(score: dict[str, Any]) -> bool:
    """Over, or everybody who was called has answered; where nobody in particular was called: anybody."""
    if score["over"]:
        return True
    if score["people"]:
        return not score["unanswered"]
    return any(point["point"] == Point.ACKNOWLEDGED for point in score["points"])


def _conclude(score: dict[str, Any]) -> None:
    for promise in score["promises"]:
        words, judged = PROMISES[promise["goal"]], JUDGED[Judged(promise["judged"])]
        took = "–" if promise["took_seconds"] is None else exactly(round(promise["took_seconds"] * SECOND))
        style = "red" if promise["judged"] == Judged.MISSED else ""
        say(f"{took:>12}  {words.zh} {words.en}: {judged.zh} {judged.en}", style)
    code = _code(score)
    style = "green" if code == 0 else "red"
    say(score["said"]["zh"], style)
    say(score["said"]["en"], style)
    raise typer.Exit(code)


def _code(score: dict[str, Any]) -> int:
    if score["verdict"] == Verdict.INTERRUPTED:
        return 2
    answered = any(p["goal"] == "acknowledge" and p["judged"] == Judged.KEPT for p in score["promises"])
    return 0 if answered and score["verdict"] != Verdict.MISSED else 1
