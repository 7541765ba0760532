"""The command `python -m simulators`: reads arguments, prints for people, leaves the work to the modules.

Exit codes: 0 well, 1 failed, 2 a wrong argument or scenario.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import yaml

from simulators import places


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    asked = _parser().parse_args(arguments)
    return int(asked.work(asked))


def _parser() -> argparse.ArgumentParser:
    about = "会着火的模拟小区，只说MQTT。A neighbourhood that can burn; speaks only MQTT."
    parser = argparse.ArgumentParser(prog="python -m simulators", description=about)
    commands = parser.add_subparsers(required=True, metavar="command")
    site = commands.add_parser("site", help="打印站点文件的sites部分 print the `sites:` list for a site file")
    site.add_argument("--format", choices=("yaml",), default="yaml", help="格式 how it is written (yaml)")
    _size(site)
    site.set_defaults(work=_site)
    return parser


def _size(parser: argparse.ArgumentParser) -> None:
    help_ = "设备总数，超出小区自有设备的由高层住宅补足 devices in all; towers of dwellings make up what is more than the own ones"
    parser.add_argument("--devices", type=_count, default=0, metavar="N", help=help_)


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"应为0到1000000 from 0 to 1000000, not {text}")
    return number


def _site(asked: argparse.Namespace) -> int:
    entry = places.entry(places.lakeside(asked.devices))
    yaml.safe_dump([entry], sys.stdout, allow_unicode=True, sort_keys=False, width=140, default_flow_style=None)
    return 0
