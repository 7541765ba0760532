"""The command `python -m simulators`: reads arguments, prints for people, leaves the work to the modules.

Exit codes: 0 well, 1 failed, 2 a wrong argument or scenario.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TextIO

import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from simulators import places
from simulators.bookmark import Bookmark, BookmarkError
from simulators.broker import Address, Publisher, Refused
from simulators.feed import Feed
from simulators.scenario import Scenario, ScenarioError, milliseconds, parse, shipped
from simulators.wire import Frame

err = Console(stderr=True, soft_wrap=True, highlight=False)


class _Mistaken(Exception):
    """A wrong argument, told in one sentence with its remedy."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.work(asked))
    except (_Mistaken, ScenarioError, BookmarkError) as mistake:
        err.print(str(mistake), style="red", markup=False)
        return 2
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # whoever read has enough; nothing is left to flush
        return 0
    except (Refused, OSError) as problem:
        err.print(str(problem), style="red", markup=False)
        return 1


# --- arguments -------------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    about = "会着火的模拟小区，只说MQTT。A neighbourhood that can burn; speaks only MQTT."
    parser = argparse.ArgumentParser(prog="python -m simulators", description=about)
    commands = parser.add_subparsers(required=True, metavar="命令 command")
    _site_parser(commands.add_parser("site", help="打印站点文件的sites部分 print the `sites:` list for a site file"))
    _run_parser(commands.add_parser("run", help="把一个场景发布到代理 publish a scenario to a broker"))
    _tape_parser(commands.add_parser("tape", help="把一个场景写成磁带 write a scenario as a tape to standard output"))
    listed = commands.add_parser("scenarios", help="列出场景 list the scenarios")
    listed.set_defaults(work=_list)
    return parser


def _site_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("yaml",), default="yaml", help="格式 how it is written (yaml)")
    _size(parser)
    parser.set_defaults(work=_site)


def _run_parser(parser: argparse.ArgumentParser) -> None:
    _which(parser)
    parser.add_argument("--host", default="127.0.0.1", help="代理地址 the broker (127.0.0.1)")
    parser.add_argument("--port", type=int, help="代理端口 its port (1883, with TLS 8883)")
    parser.add_argument("--username", help="用户名 user name")
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="存放密码的文件 file that holds the password"
    )
    parser.add_argument("--tls-ca", type=Path, metavar="FILE", help="CA证书 use TLS and trust this authority")
    parser.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="速度倍数 times as fast as life (1)")
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="记住进度，下次从此继续 keep the place here and go on from it"
    )
    parser.add_argument("--once", action="store_true", help="只演一轮 end after one round")
    parser.set_defaults(work=_run)


def _tape_parser(parser: argparse.ArgumentParser) -> None:
    _which(parser)
    start = "第0秒的时刻 second 0, RFC 3339: 2026-11-22T08:00:00+08:00"
    parser.add_argument("--start", type=_moment, required=True, metavar="RFC3339", help=start)
    parser.add_argument(
        "--duration", type=_duration, metavar="20m", help="时长，默认一轮 how long; one round if left out"
    )
    parser.set_defaults(work=_tape)


def _which(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(shipped())
    parser.add_argument("scenario", help=f"场景名或YAML文件 a scenario ({names}) or a YAML file")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="随机种子，相同则消息相同 same seed, same feed (1)"
    )
    _size(parser)


def _size(parser: argparse.ArgumentParser) -> None:
    help_ = (
        "设备总数，超出自有设备的由高层住宅补足 devices in all; towers of dwellings make up what is beyond the own ones"
    )
    parser.add_argument("--devices", type=_count, default=0, metavar="N", help=help_)


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"应为0到1000000 write 0 to 1000000, not {text}")
    return number


def _speed(text: str) -> float:
    number = float(text)
    if not 0.001 <= number <= 100_000:
        raise argparse.ArgumentTypeError(f"应为0.001到100000 write 0.001 to 100000, not {text}")
    return number


def _duration(text: str) -> int:
    try:
        return milliseconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} {error}") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("缺少时区 needs a zone, for example 2026-11-22T08:00:00+08:00")
    return moment


# --- the commands ----------------------------------------------------------------------------------------------------


def _site(asked: argparse.Namespace) -> int:
    entry = places.entry(places.lakeside(asked.devices))
    yaml.safe_dump([entry], sys.stdout, allow_unicode=True, sort_keys=False, width=140, default_flow_style=None)
    return 0


def _list(asked: argparse.Namespace) -> int:
    place = places.lakeside()
    for name, file in shipped().items():
        about = parse(file.read_text("utf-8"), file.name, place).about
        sys.stdout.write(f"{name}\n    {about.zh}\n    {about.en}\n")
    return 0


def _run(asked: argparse.Namespace) -> int:
    scenario, feed = _feed(asked)
    mark = None
    if asked.resume:
        mark = Bookmark(asked.resume, f"{asked.scenario} seed {asked.seed} devices {asked.devices}")
    begins_ms = mark.read() if mark else 0
    password = asked.password_file.read_text("utf-8").strip() if asked.password_file else None
    if password is not None and asked.username is None:
        raise _Mistaken("--password-file: 还需要 needs --username")
    tls = ssl.create_default_context(cafile=str(asked.tls_ca)) if asked.tls_ca else None
    port = asked.port or (8883 if tls else 1883)
    address = Address(asked.host, port, asked.username, password, tls)
    ends_ms = (begins_ms // scenario.duration + 1) * scenario.duration if asked.once else None
    with _catching_up(begins_ms - begins_ms % scenario.duration, begins_ms) as progress:
        coming = feed.frames(begins_ms, progress)
        frames = chain([next(coming)], coming)  # the past is gone through here, where a signal still ends it at once
    publisher = Publisher(
        address, frames, site=feed.place.site, begins_ms=begins_ms, ends_ms=ends_ms, speed=asked.speed,
        mark=mark.write if mark else lambda at_ms: None, say=_say, obey=feed.obey,
    )  # fmt: skip
    count = asyncio.run(publisher.run())
    _say(f"已发布 {count:,} 条消息。{count:,} messages published.")
    return 0


def _tape(asked: argparse.Namespace) -> int:
    scenario, feed = _feed(asked)
    lasts_ms = asked.duration or scenario.duration
    with _catching_up(0, lasts_ms) as progress:
        for n, frame in enumerate(feed.frames()):
            if frame.at_ms >= lasts_ms:
                break
            if n % 1000 == 0:
                progress(frame.at_ms)
            _write_line(sys.stdout, frame, asked.start)
    return 0


def _write_line(out: TextIO, frame: Frame, start: datetime) -> None:
    at = (start + timedelta(milliseconds=frame.at_ms)).isoformat(timespec="milliseconds")
    line = {"at": at, "topic": frame.topic, "payload": frame.payload.decode(), "qos": 1, "retain": frame.retain}
    out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def _feed(asked: argparse.Namespace) -> tuple[Scenario, Feed]:
    place = places.lakeside(asked.devices)
    known = shipped()
    path = Path(asked.scenario)
    if asked.scenario in known:
        text, name = known[asked.scenario].read_text("utf-8"), f"{asked.scenario}.yaml"
    elif path.suffix in (".yaml", ".yml"):
        text, name = path.read_text("utf-8"), str(path)
    else:
        raise _Mistaken(f"没有场景 no scenario {asked.scenario}: {', '.join(known)}, 或YAML文件 or a YAML file")
    scenario = parse(text, name, place)
    return scenario, Feed(place, scenario, asked.seed, asked.devices)


def _say(text: str) -> None:
    err.print(text, markup=False)


class _Shown:
    """A progress bar on standard error, in simulated time."""

    def __init__(self, bar: Progress, from_ms: int, to_ms: int) -> None:
        self._bar = bar
        self._from_ms = from_ms
        self._to_ms = to_ms
        self._task = bar.add_task("模拟时间 simulated time", total=max(to_ms - from_ms, 1))
        self._calls = 0

    def __call__(self, at_ms: int) -> None:
        """So far; every call is cheap, not every one is shown."""
        self._calls += 1
        if self._calls % 64 == 1 or at_ms >= self._to_ms:
            self._bar.update(self._task, completed=at_ms - self._from_ms)


@contextmanager
def _catching_up(from_ms: int, to_ms: int) -> Iterator[_Shown]:
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
        console=err, transient=True, disable=not err.is_terminal or to_ms <= from_ms,
    )  # fmt: skip
    with bar:
        yield _Shown(bar, from_ms, to_ms)
