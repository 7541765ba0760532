"""`wanglou rules explain`: from the ledger beside the daemon, or from a tape at a moment; the answer as a tree."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text as Styled
from rich.tree import Tree

from monitor import wiring
from monitor.cli.terminal import Config, fail, micros, out, past, read_site, say
from monitor.console.answers_rules import ExplanationAnswer
from monitor.explain import explain
from monitor.explanation import Explanation, Measured, Part, UnknownRule, UnknownSubject
from monitor.lookout import Lookout
from monitor.settings.fields import write_duration
from monitor.settings.survey import suggest
from monitor.standing import Ages, follow
from monitor.tape import BadTape
from monitor.wiring import LedgerError
from rules.model import SECOND, AlarmState, Freshness, Micros, Tick, Value
from rules.response import rfc3339

_MARKS = {"true": ("✓", "green"), "false": ("✗", "red"), "unknown": ("?", "yellow")}
_VERDICTS = {"true": "成立 true", "false": "不成立 false", "unknown": "未知 unknown"}
_STATES = {
    AlarmState.IDLE: "无报警 idle",
    AlarmState.PENDING: "等待中 pending",
    AlarmState.ACTIVE: "报警 active",
    AlarmState.CLEARING: "恢复中 clearing",
    AlarmState.LATCHED: "待复位 latched",
}


TELLING = 8
"""Devices of a zone that are shown whole, and that are named beside them."""

ROWS = 30
"""Measured values that are shown."""


def command(
    rule: Annotated[str, typer.Argument(help="The rule's id.")],
    subject: Annotated[str, typer.Argument(help="A device, site/device; or a zone, where the rule is about zones.")],
    tape: Annotated[Path | None, typer.Option(help="A tape, or a ledger's folder from its beginning, under the site's books.")] = None,
    at: Annotated[datetime | None, typer.Option(help="With --tape: the moment (your local time); default: its end.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As the API says it.")] = False,
    config: Config = Path("site.yaml"),
) -> None:  # fmt: skip
    """Say why a rule is or is not firing at a device or zone: now, from the ledger beside the daemon, or at a moment of a tape."""
    settings, book = read_site(config)
    if at is not None and tape is None:
        fail("--at needs --tape: the ledger's state is the present", 2)
    sites = list(settings.ground.sites)
    key = subject if "/" in subject or len(sites) != 1 else f"{sites[0]}/{subject}"
    places = settings.neighbourhood()
    lookout = Lookout(book, places, wiring.limits(settings))

    def concerns(device: str) -> bool:
        known = places.device(device)
        return device == key or (known is not None and known.zone == key)

    ages = Ages(concerns)
    try:
        if tape is None:
            _present(lookout, ages, settings.data.folder)
        else:
            _then(lookout, ages, tape, at)
        found = explain(lookout.engine, places, rule, key, heard=ages.heard)
    except UnknownRule:
        known = lookout.engine.book.by_id
        fail(f"there is no rule {rule} in the book in force ({suggest(rule, known)})", 2)
    except UnknownSubject as unknown:
        zoned = lookout.engine.book.by_id[rule].check is None
        fail(f"{unknown} ({suggest(key, places.zones if zoned else places.devices)})", 2)
    except (BadTape, LedgerError, OSError, ValueError) as problem:
        fail(problem, 2)
    if json:
        say(ExplanationAnswer.of(found).model_dump_json(indent=1))
    else:
        _print(found)


def _present(lookout: Lookout, ages: Ages, folder: Path) -> None:
    """As the daemon stands now, or would if it ran."""
    with wiring.present(folder) as ledger:
        follow(lookout, ledger, ages)
    lookout.engine.handle(Tick(max(lookout.engine.now, time.time_ns() // 1000)))


def _then(lookout: Lookout, ages: Ages, tape: Path, at: datetime | None) -> None:
    """As it would have stood at a moment of the tape, under the site file's books."""
    end = micros(at, 1 << 62)
    with past(tape, 0, end + 1) as messages:
        for m in messages:
            ages.note(lookout.see(m).device, m)
    if at is not None:
        lookout.engine.handle(Tick(max(lookout.engine.now, end)))


# --- printing ---------------------------------------------------------------------------------------------------------


def _print(e: Explanation) -> None:
    say(f"{e.rule}  {e.kind}  {e.title.zh} {e.title.en}", "bold")
    incident = f", {e.incident}" if e.incident else ""
    say(
        f"{e.subject} · {rfc3339(e.at)} · 条件 condition: {_VERDICTS[e.verdict]} · 报警 alarm: {_STATES[e.state]}{incident}"
    )
    for sentence in e.sentences:
        say(f"→ {sentence.zh} {sentence.en}", "bold")
    for name, part in (("where", e.where), ("when", e.when), ("clear", e.clear)):
        if part is not None:
            out.print(_tree(name, part))
    timers = [
        f"for {write_duration(e.hold)}",
        f"clear_for {write_duration(e.clear_for)}",
        "latches" if e.latch else "does not latch",
    ]
    if e.due is not None:
        timers.append(f"剩余 remaining {write_duration(max(e.due - e.at, 0))} (到 until {rfc3339(e.due)})")
    say("计时 timers: " + ", ".join(timers))
    if e.missing:
        say(f"站点文件缺少 the site file does not give: {', '.join(e.missing)}", "yellow")
    if e.measured:
        out.print(_measured(e))


def _tree(name: str, part: Part) -> Tree:
    tree = Tree(_label(part, f"{name}: "))
    _grow(tree, part)
    return tree


def _grow(tree: Tree, part: Part) -> None:
    """Of many devices those are shown whole that do not simply say no, or the first one where all do."""
    devices = [inner for inner in part.parts if inner.subject]
    telling = [inner for inner in devices if inner.value is not False][:TELLING] or devices[:1]
    for inner in part.parts:
        if not inner.subject or inner in telling:
            _grow(tree.add(_label(inner)), inner)
    quiet = [inner.subject for inner in devices if inner not in telling]
    if quiet:
        names = ", ".join(quiet[:TELLING]) + (", …" if len(quiet) > TELLING else "")
        tree.add(Styled(f"另有 {len(quiet)} 台设备 more devices: {names}", "dim"))


def _label(part: Part, before: str = "") -> Styled:
    subject = f"{part.subject}: " if part.subject else ""
    if isinstance(part.value, bool) or part.value is None:
        mark, style = _MARKS[part.verdict]
        return Styled(f"{mark} ", style).append(f"{before}{subject}{part.text}", style)
    return Styled(f"{before}{subject}{part.text} = {_value(part.value)}", "cyan")


def _measured(e: Explanation) -> Table:
    table = Table()
    for heading in ("设备 device", "量 quantity", "值 value", "距今 age", "新鲜度 freshness"):
        table.add_column(heading)
    known = [m for m in e.measured if m.value is not None or m.device == e.subject]
    for m in known[:ROWS]:
        value = "从未上报 never reported" if m.value is None else f"{_value(m.value)} {m.unit}".rstrip()
        fresh = m.freshness or ""
        style = "yellow" if m.value is None else "" if m.freshness is Freshness.LIVE else "magenta"
        table.add_row(m.device, m.quantity, value, _age(m, e.at), fresh, style=style)
    if len(known) > ROWS:
        table.caption = f"另有 {len(known) - ROWS} 行 more rows; --json"
    return table


def _age(m: Measured, now: Micros) -> str:
    if m.value is None or m.device_at is None:
        return ""
    if m.at is not None:
        return _span(now - m.at)
    # Only the device's newest word is known, and that may have been about something else.
    return f"≥ {_span(now - m.device_at)}"


def _span(span: Micros) -> str:
    return write_duration(max(span, 0) // SECOND * SECOND)


def _value(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float | int) and not isinstance(value, bool) else str(value)
