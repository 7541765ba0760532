"""The commands that run the daemon and look at it. Reads arguments, prints for people, and leaves the work to the modules."""

from __future__ import annotations

import asyncio
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from monitor import logs, wiring
from monitor.app import Daemon
from monitor.brokers import NoBroker
from monitor.children import ChildError
from monitor.cli.drills import drills_app
from monitor.cli.evidence import evidence_app
from monitor.cli.golden import held
from monitor.cli.labels import report_links
from monitor.cli.reports import reports_app
from monitor.cli.rules import rules_app
from monitor.cli.terminal import Config, err, fail, micros, out, past, read_site
from monitor.demo import Act, Demo, DemoError, perform, prepare
from monitor.findings import exit_code, report
from monitor.lookout import Lookout
from monitor.ports import TryAgain
from monitor.replay import Summary, play
from monitor.tape import BadTape, to_line
from monitor.wiring import LedgerError
from rules.model import MINUTE, Effect, Entry, Step
from rules.response import rfc3339

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="望楼 Wanglou: fire watch for neighbourhoods.",
    pretty_exceptions_enable=False,
)
app.add_typer(rules_app, name="rules")
app.add_typer(reports_app, name="report")
app.add_typer(drills_app, name="drill")
app.add_typer(evidence_app, name="evidence")
app.command("report-links")(report_links)

NOTED = frozenset({
    Step.RAISED, Step.ESCALATED, Step.CONFIRMED, Step.REALARM, Step.DISPATCHED, Step.RETURNED, Step.OVERDUE, Step.UNCOVERED, Step.PUSH_DEAD,
})  # fmt: skip


def main() -> None:
    """The entry point of the installed command."""
    app()


@app.command()
def run(
    config: Config = Path("site.yaml"),
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
) -> None:
    """Run the daemon until SIGTERM or Ctrl-C; SIGHUP reads the rule books again."""
    settings, book = read_site(config)
    logs.set_up(log_level)
    try:
        asyncio.run(Daemon(settings, book).run())
    except (LedgerError, OSError) as error:
        # Before anything runs: a port in use, a folder that may not be written. What fails later comes as a group, and is a defect.
        fail(error)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Everything the demo keeps is in here.")] = Path("wanglou-demo"),
    port: Annotated[int, typer.Option(help="The page's port; the next free one if it is taken.")] = 8119,
    scenario: Annotated[str, typer.Option(help="What happens: python -m simulators lists the scenarios.")] = "story",
    speed: Annotated[float, typer.Option(help="2: twice as fast. The daemon's own clock runs as ever.")] = 1,
    seed: Annotated[int, typer.Option(help="Another seed, another neighbourhood's luck.")] = 1,
    devices: Annotated[int, typer.Option(help="Add detectors up to so many devices; 0: the neighbourhood's own.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what an earlier start left in the folder.")] = False,
) -> None:
    """A simulated neighbourhood on fire, with broker, daemon, history and page, on this machine alone; Ctrl-C ends it."""
    begun, act = time.monotonic(), Act(scenario, speed, seed, devices)
    try:
        stage = prepare(folder, act, port=port, fresh=fresh)
        settings, book = read_site(stage.site_file)
        logs.set_up("warning")
        asyncio.run(perform(stage, Daemon(settings, book), act, lambda: _print_stage(stage, time.monotonic() - begun)))
    except KeyboardInterrupt:
        # Before the daemon listened to signals itself.
        pass
    except (DemoError, NoBroker, ChildError, LedgerError, OSError) as error:
        fail(error)
    out.print("已停止，下次从这里继续。Stopped; the next start goes on from here.")


@app.command()
def record(
    output: Annotated[Path, typer.Option("--output", "-o", help="The tape to write: JSON lines.")],
    config: Config = Path("site.yaml"),
    topic: Annotated[list[str] | None, typer.Option(help="Topics to record; default: those of the site file.")] = None,
    duration: Annotated[float, typer.Option(help="Seconds; 0: until Ctrl-C.")] = 0,
) -> None:
    """Write what the broker says to a tape, beside the running daemon and without disturbing it."""
    settings, _ = read_site(config)
    if output.exists():
        fail(f"{output} exists already; a tape is never overwritten", 2)
    count = 0

    async def tap() -> None:
        nonlocal count
        with output.open("x", encoding="utf-8") as tape:
            async for m in wiring.tap(settings, topic or (), lambda: time.time_ns() // 1000):
                tape.write(to_line(m) + "\n")
                tape.flush()
                count += 1

    async def until_told() -> None:
        told, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (
            signal.SIGINT,
            signal.SIGTERM,
        ):  # by hand: who starts us in the background may have SIGINT ignored
            loop.add_signal_handler(number, told.set)
        tapping, ending = asyncio.create_task(tap()), asyncio.create_task(told.wait())
        await asyncio.wait((tapping, ending), timeout=duration or None, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if tapping.done():
            tapping.result()
        else:
            tapping.cancel()
            await asyncio.wait((tapping,))

    try:
        asyncio.run(until_told())
    except TryAgain as error:
        if not count:
            output.unlink()  # nothing was heard: the next try may use the name
        fail(error)
    finally:
        err.print(f"{count} messages in {output}", soft_wrap=True, markup=False, highlight=False)


@app.command()
def replay(
    tape: Annotated[Path, typer.Argument(help="A tape of JSON lines, or the data folder of a ledger.")],
    config: Config = Path("site.yaml"),
    since: Annotated[datetime | None, typer.Option(help="Start of the slice (your local time).")] = None,
    until: Annotated[datetime | None, typer.Option(help="End of the slice.")] = None,
    broker: Annotated[bool, typer.Option(help="Publish to the broker of the site file instead.")] = False,
    speed: Annotated[
        float, typer.Option(help="With --broker: 1 as it was, 10 ten times as fast, 0 as fast as possible.")
    ] = 1,
    unanswered: Annotated[bool, typer.Option(help="Nobody accepts a push: see the deadlines at work.")] = False,
    settle: Annotated[float, typer.Option(help="Minutes to let pass after the last message.")] = 0,
    golden: Annotated[Path | None, typer.Option(help="Write all that it comes to into this file.")] = None,
    diff: Annotated[Path | None, typer.Option(help="Compare with such a file: 0 the same, 1 not the same.")] = None,
) -> None:
    """Play the past through decode and engine in virtual time, and print the incidents."""
    settings, book = read_site(config)
    begin, end = micros(since, 0), micros(until, 1 << 62)
    if golden is not None or diff is not None:
        if broker:
            fail("--broker only publishes: leave it out, or --golden and --diff", 2)
        minutes = round(settle * MINUTE)
        held(tape, settings, book, (begin, end), accepted=not unanswered, settle=minutes, golden=golden, diff=diff)
        return
    try:
        with past(tape, begin, end) as messages:
            if broker:
                count = asyncio.run(wiring.send(settings, messages, speed=speed))
                out.print(f"{count} messages published")
                return
            lookout = Lookout(book, settings.neighbourhood(), wiring.limits(settings))
            summary = play(
                messages, lookout, accepted=not unanswered, settle=round(settle * MINUTE), watch=_print_entry
            )
    except (BadTape, LedgerError, OSError) as problem:
        fail(problem, 2)
    except TryAgain as problem:
        fail(problem)
    _print_summary(summary)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    config: Config = Path("site.yaml"),
) -> None:
    """Copy the ledger while the daemon runs."""
    settings, _ = read_site(config)
    try:
        wiring.backup(settings, target)
    except (LedgerError, OSError) as error:
        fail(error)
    size = target.stat().st_size / 1e6
    out.print(f"{target}: {size:.1f} MB, checked", soft_wrap=True, markup=False, highlight=False)


@app.command()
def doctor(config: Config = Path("site.yaml")) -> None:
    """Check settings, books, disk, broker, history, channels and clock, and say what to do."""
    settings, _ = read_site(config)
    findings = asyncio.run(wiring.checkup(settings))
    out.print(report(findings))
    raise typer.Exit(exit_code(findings))


# --- printing --------------------------------------------------------------------------------------------------------


def _print_entry(effect: Effect) -> None:
    """One line for each thing that a dispatcher would be told."""
    if not isinstance(effect, Entry) or effect.step not in NOTED:
        return
    detail = effect.detail
    words = [
        str(detail[k])
        for k in ("kind", "title_zh", "title_en", "device", "goal", "station", "channel", "subject")
        if detail.get(k)
    ]
    measured = [
        f"{k.removeprefix('reading.')}={v:g}"
        for k, v in detail.items()
        if k.startswith("reading.") and isinstance(v, float)
    ]
    line = f"{rfc3339(effect.at)}  {effect.incident}  {_STEPS[effect.step]:<22}  {'  '.join(dict.fromkeys(words + measured))}"
    out.print(line, soft_wrap=True, markup=False, highlight=False, style=_STYLES.get(effect.step, ""))


_STEPS = {
    Step.RAISED: "报警 raised", Step.ESCALATED: "升级 escalated", Step.CONFIRMED: "已证实 confirmed", Step.REALARM: "再次报警 realarm",
    Step.DISPATCHED: "已派单 dispatched", Step.RETURNED: "恢复 returned", Step.OVERDUE: "超时 overdue", Step.UNCOVERED: "无站点 uncovered",
    Step.PUSH_DEAD: "推送失败 push dead",
}  # fmt: skip
_STYLES = {
    Step.RAISED: "bold red",
    Step.ESCALATED: "bold red",
    Step.REALARM: "bold red",
    Step.OVERDUE: "yellow",
    Step.UNCOVERED: "yellow",
}


def _print_stage(stage: Demo, seconds: float) -> None:
    """Where to look, and how to stop."""
    rows = (
        ("页面 page", stage.link),
        ("MQTT", f"127.0.0.1:{stage.broker}  wl/#"),
        ("数据 data", str(stage.folder)),
        ("停止 stop", "Ctrl-C"),
    )
    out.print(f"\n望楼演示 Wanglou demo · {seconds:.1f} s\n", style="bold")
    for name, value in rows:
        out.print(f"  {name:<10} {value}", soft_wrap=True, markup=False, highlight=False)
    out.print("\n下面是微型消防站的手机。Below: the phone of the micro fire station.\n", style="dim")


def _print_summary(summary: Summary) -> None:
    table = Table(title=f"{summary.messages:,} 条消息 messages · {len(summary.incidents)} 起事件 incidents")
    for heading in ("事件 incident", "类别 kind", "状态 state", "区域 zone", "内容 what", "警报 alarms", "发生 raised"):
        table.add_column(heading)
    for i in summary.incidents.values():
        table.add_row(i.id, i.kind, i.state, i.zone, f"{i.title.zh} {i.title.en}", str(i.alarms), rfc3339(i.raised_at))
    out.print(table)
    out.print("; ".join(f"{verdict} {n:,}" for verdict, n in sorted(summary.verdicts.items())), highlight=False)
    if summary.quarantined:
        out.print(
            "quarantined: " + "; ".join(f"{reason} {n:,}" for reason, n in sorted(summary.quarantined.items())),
            highlight=False,
        )
    out.print(f"effects {summary.effects:,}, sha256 {summary.digest}", highlight=False)
