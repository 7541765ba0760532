"""The architecture's rules, kept by reading the source: which module may know which, and what none may do.

Nothing is imported here: the code is parsed. Every rule is shown to bite on a made-up tree as well as held against the
real one.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("rules", "monitor", "simulators", "tests")

PURE = {
    "__future__", "ast", "bisect", "collections", "copy", "dataclasses", "datetime", "decimal", "difflib", "enum",
    "fractions", "functools", "hashlib", "heapq", "itertools", "keyword", "math", "numbers", "operator", "re", "string",
    "struct", "textwrap", "types", "typing", "unicodedata",
}  # fmt: skip
"""What rules/ may use of the standard library: nothing here reads a clock, a disk, a network or a source of chance."""

WHERE_PARTS_MEET = {"monitor.app", "monitor.wiring", "monitor.wiring_channels"}
"""The only modules that know adapters and the ledger: one builds them from the settings, the other runs them."""

READERS_OF_YAML = {"rules.document", "rules.rulebook"}
"""The only modules of rules/ that may import pydantic and yaml."""

CLIENTS: dict[str, tuple[str, ...]] = {
    "paho": ("monitor.adapters",),
    "aiomqtt": ("monitor.adapters", "simulators"),
    "influxdb_client": ("monitor.adapters.influx",),
    "standardwebhooks": ("monitor.adapters.webhook",),
    "aiosmtplib": ("monitor.adapters.smtp",),
    "apprise": ("monitor.adapters.apprise_services",),
    "cryptography": ("monitor.evidence_key", "monitor.adapters.webpush"),
    "pywebpush": ("monitor.adapters.webpush",),
    "segno": ("monitor.labels",),
    "aiohttp": ("monitor.adapters", "monitor.console", "monitor.app", "monitor.wiring", "monitor.wiring_channels"),
    "prometheus_client": ("monitor.console",),
    "typer": ("monitor.cli", "simulators"),
    "sqlite3": ("monitor.ledger", "monitor.adapters.embedded_history", "monitor.doctor"),
}
"""Third-party client (or database) → where it may appear. Tests may use all of them."""

IMPORTED_AS = {
    "influxdb-client": "influxdb_client",
    "paho-mqtt": "paho",
    "prometheus-client": "prometheus_client",
    "PyYAML": "yaml",
}
COME_ALONG = {"multidict": "aiohttp", "py_vapid": "pywebpush", "pydantic_core": "pydantic", "yarl": "aiohttp"}
"""Packages that are part of another one's public interface."""
DATA_ONLY = {"tzdata"}
OPTIONAL = {"apprise"}
"""Imported where an extra of the same name has brought it; everything else works without."""

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "types", "misc"}
IMPURE_BUILTINS = {"open", "input", "print", "compile", "breakpoint", "hash", "id", "__import__"}
"""Builtins that reach outside, or that differ from one process to the next (`hash`, `id`)."""
CLOCK_READERS = {"now", "utcnow", "today", "fromtimestamp"}
"""Methods of datetime and date that read the clock or the machine's zone."""


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name, its tree, and everything it imports, as dotted names."""

    name: str
    path: str
    tree: ast.Module
    imports: tuple[tuple[int, str], ...]

    def uses(self, *prefixes: str) -> Iterator[str]:
        """`path:line: imported name` for each import at or below one of the prefixes."""
        for line, imported in self.imports:
            if within(imported, *prefixes):
                yield f"{self.path}:{line}: {self.name} imports {imported}"


def within(name: str, *prefixes: str) -> bool:
    """Is the dotted name one of the prefixes, or below one?"""
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def imports_of(tree: ast.Module, module: str, *, package: bool) -> Iterator[tuple[int, str]]:
    """(line, name) of every import, wherever it stands; relative ones resolved, `from a import b` as `a.b` too."""
    here = module.split(".") if package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield node.lineno, source
            for alias in node.names:
                yield node.lineno, f"{source}.{alias.name}"
        elif isinstance(node, ast.Call) and _called(node) == "import_module" and node.args:
            name = node.args[0]
            literal = isinstance(name, ast.Constant) and isinstance(name.value, str)
            yield node.lineno, str(name.value) if literal and isinstance(name, ast.Constant) else "<computed>"


def read(root: Path) -> tuple[Module, ...]:
    """Every module of the project's packages below `root`."""
    found = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            relative = path.relative_to(root)
            parts = relative.with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(relative))
            imports = imports_of(tree, name, package=parts[-1] == "__init__")
            found.append(Module(name, relative.as_posix(), tree, tuple(imports)))
    return tuple(found)


@cache
def project() -> tuple[Module, ...]:
    return read(ROOT)


def of(modules: tuple[Module, ...], *packages: str) -> list[Module]:
    return [m for m in modules if within(m.name, *packages)]


def _called(node: ast.Call) -> str:
    return (
        node.func.id
        if isinstance(node.func, ast.Name)
        else node.func.attr
        if isinstance(node.func, ast.Attribute)
        else ""
    )


def calls(module: Module, builtins: set[str]) -> Iterator[str]:
    """Calls of builtins by their bare name, or through the `builtins` module."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            bare = isinstance(node.func, ast.Name)
            through = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "builtins"
            if (bare or through) and _called(node) in builtins:
                yield f"{module.path}:{node.lineno}: calls {_called(node)}()"


# --- the rules: each returns its violations ---------------------------------------------------------------------------


def rules_import_only_what_is_pure(modules: tuple[Module, ...]) -> Iterator[str]:
    for module in of(modules, "rules"):
        allowed = {*PURE, "rules", *({"pydantic", "yaml"} if module.name in READERS_OF_YAML else ())}
        for line, imported in module.imports:
            if imported.partition(".")[0] not in allowed:
                yield f"{module.path}:{line}: {module.name} imports {imported}"


def rules_reach_for_nothing_outside(modules: tuple[Module, ...]) -> Iterator[str]:
    for module in of(modules, "rules"):
        yield from calls(module, IMPURE_BUILTINS)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_READERS:
                # A conversion that is told its zone reads nothing.
                if node.func.attr != "fromtimestamp" or len(node.args) + len(node.keywords) < 2:
                    yield f"{module.path}:{node.lineno}: calls .{node.func.attr}()"
            elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
                yield f"{module.path}:{node.lineno}: is asynchronous"


def only_app_and_wiring_import_adapters_and_the_ledger(modules: tuple[Module, ...]) -> Iterator[str]:
    for module in of(modules, "rules", "monitor", "simulators"):
        if module.name in WHERE_PARTS_MEET:
            continue
        if not within(module.name, "monitor.adapters"):
            yield from module.uses("monitor.adapters")
        if not within(module.name, "monitor.ledger"):
            yield from module.uses("monitor.ledger")


def adapters_do_not_know_each_other(modules: tuple[Module, ...]) -> Iterator[str]:
    for module in of(modules, "monitor.adapters"):
        yield from module.uses("monitor.adapters")


def a_client_appears_in_its_adapter_alone(modules: tuple[Module, ...]) -> Iterator[str]:
    for module in of(modules, "rules", "monitor", "simulators"):
        for client, homes in CLIENTS.items():
            if not within(module.name, *homes):
                yield from module.uses(client)


def the_console_knows_neither_engine_nor_panel_nor_adapters(modules: tuple[Module, ...]) -> Iterator[str]:
    for module in of(modules, "monitor.console"):
        yield from module.uses("rules.engine", "monitor.panel", "monitor.adapters", "monitor.ledger", "monitor.app")


def imports_run_one_way(modules: tuple[Module, ...]) -> Iterator[str]:
    forbidden = {
        "rules": ("monitor", "simulators", "tests"),
        "monitor": ("simulators", "tests"),
        "simulators": ("monitor", "tests"),
    }
    for package, others in forbidden.items():
        for module in of(modules, package):
            yield from module.uses(*others)


def nothing_evaluates_text_as_code(modules: tuple[Module, ...]) -> Iterator[str]:
    for module in modules:
        yield from calls(module, {"eval", "exec"})


def nobody_patches(modules: tuple[Module, ...]) -> Iterator[str]:
    for module in modules:
        yield from module.uses("unittest.mock", "mock", "pytest_mock")


def files_are_named_after_what_they_are(modules: tuple[Module, ...]) -> Iterator[str]:
    for module in modules:
        if bad := FORBIDDEN_NAMES.intersection(module.name.split(".")):
            yield f"{module.path}: {', '.join(sorted(bad))} says nothing about what is in it"


def every_module_says_what_it_is_for(modules: tuple[Module, ...]) -> Iterator[str]:
    for module in modules:
        if module.tree.body and not ast.get_docstring(module.tree):
            yield f"{module.path}: no docstring"


RULES: tuple[Callable[[tuple[Module, ...]], Iterator[str]], ...] = (
    rules_import_only_what_is_pure,
    rules_reach_for_nothing_outside,
    only_app_and_wiring_import_adapters_and_the_ledger,
    adapters_do_not_know_each_other,
    a_client_appears_in_its_adapter_alone,
    the_console_knows_neither_engine_nor_panel_nor_adapters,
    imports_run_one_way,
    nothing_evaluates_text_as_code,
    nobody_patches,
    files_are_named_after_what_they_are,
    every_module_says_what_it_is_for,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps(rule: Callable[[tuple[Module, ...]], Iterator[str]]) -> None:
    violations = list(rule(project()))
    assert not violations, "\n" + "\n".join(violations)


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (rules_import_only_what_is_pure, "rules/engine.py", "import time"),
        (rules_import_only_what_is_pure, "rules/engine.py", "def f():\n    from os import path"),
        (rules_import_only_what_is_pure, "rules/engine.py", "import pydantic"),
        (rules_import_only_what_is_pure, "rules/engine.py", "from monitor import ports"),
        (rules_import_only_what_is_pure, "rules/books/__init__.py", "from importlib import resources"),
        (rules_reach_for_nothing_outside, "rules/engine.py", "open('x')"),
        (rules_reach_for_nothing_outside, "rules/engine.py", "datetime.now(UTC)"),
        (rules_reach_for_nothing_outside, "rules/engine.py", "datetime.fromtimestamp(0)"),
        (rules_reach_for_nothing_outside, "rules/engine.py", "async def f(): ..."),
        (rules_reach_for_nothing_outside, "rules/engine.py", "hash('x')"),
        (
            only_app_and_wiring_import_adapters_and_the_ledger,
            "monitor/cli.py",
            "from monitor.adapters import influx",
        ),
        (only_app_and_wiring_import_adapters_and_the_ledger, "monitor/cli.py", "from .adapters.influx import X"),
        (only_app_and_wiring_import_adapters_and_the_ledger, "monitor/cli.py", "from . import adapters"),
        (only_app_and_wiring_import_adapters_and_the_ledger, "monitor/panel.py", "import monitor.ledger.sqlite"),
        (
            only_app_and_wiring_import_adapters_and_the_ledger,
            "monitor/panel.py",
            "from monitor.ledger import sqlite",
        ),
        (adapters_do_not_know_each_other, "monitor/adapters/wecom.py", "from monitor.adapters.dingtalk import sign"),
        (adapters_do_not_know_each_other, "monitor/adapters/wecom.py", "from . import dingtalk"),
        (a_client_appears_in_its_adapter_alone, "monitor/intake.py", "import paho.mqtt.client"),
        (a_client_appears_in_its_adapter_alone, "monitor/adapters/wecom.py", "import influxdb_client"),
        (a_client_appears_in_its_adapter_alone, "monitor/outbox.py", "from aiohttp import ClientSession"),
        (a_client_appears_in_its_adapter_alone, "monitor/panel.py", "importlib.import_module('sqlite3')"),
        (
            the_console_knows_neither_engine_nor_panel_nor_adapters,
            "monitor/console/sse.py",
            "from rules.engine import Engine",
        ),
        (the_console_knows_neither_engine_nor_panel_nor_adapters, "monitor/console/sse.py", "from .. import panel"),
        (
            the_console_knows_neither_engine_nor_panel_nor_adapters,
            "monitor/console/__init__.py",
            "from ..panel import Panel",
        ),
        (imports_run_one_way, "simulators/city.py", "import monitor.decoders"),
        (imports_run_one_way, "monitor/cli.py", "from simulators import nist"),
        (imports_run_one_way, "monitor/cli.py", "import tests.servers"),
        (nothing_evaluates_text_as_code, "rules/conditions.py", "eval('1')"),
        (nothing_evaluates_text_as_code, "tests/test_x.py", "builtins.exec('1')"),
        (nobody_patches, "tests/test_x.py", "from unittest import mock"),
        (files_are_named_after_what_they_are, "monitor/utils.py", "'''A drawer.'''"),
        (files_are_named_after_what_they_are, "monitor/common/clock.py", "'''A drawer.'''"),
        (every_module_says_what_it_is_for, "monitor/clock.py", "x = 1"),
    ],
)
def test_each_rule_bites(
    tmp_path: Path, rule: Callable[[tuple[Module, ...]], Iterator[str]], path: str, source: str
) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(source, encoding="utf-8")
    assert list(rule(read(tmp_path)))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "monitor/wiring.py",
            '"""Wires."""\nimport aiohttp\nfrom monitor.adapters import influx\nfrom monitor.ledger import copies\n',
        ),
        (
            "monitor/app.py",
            '"""The app."""\nfrom monitor.adapters import influx\nfrom monitor.ledger.sqlite import Ledger\n',
        ),
        (
            "monitor/adapters/influx.py",
            '"""Influx."""\nimport influxdb_client\nimport aiohttp\nfrom monitor.ports import History\n',
        ),
        (
            "rules/rulebook.py",
            '"""Books."""\nimport re\nimport yaml\nfrom rules.model import Kind\nx = re.compile("x")\n',
        ),
        ("rules/response.py", '"""When."""\nfrom datetime import UTC, datetime\nx = datetime.fromtimestamp(0, UTC)\n'),
        ("monitor/__init__.py", ""),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, path: str, source: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(source, encoding="utf-8")
    assert [violation for rule in RULES for violation in rule(read(tmp_path))] == []


def test_the_walk_finds_the_whole_project() -> None:
    names = {module.name for module in project()}
    assert {"rules.model", "monitor.ports", "monitor.decoders", "simulators.nist", __name__} <= names


def test_imports_and_dependencies_are_the_same() -> None:
    """What the product imports is asked for in pyproject.toml, and what is asked for is imported."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[\[<>=!~;\s]", requirement, maxsplit=1)[0] for requirement in asked["dependencies"]}
    wanted = {IMPORTED_AS.get(name, name) for name in names - DATA_ONLY}
    assert set(asked["optional-dependencies"]) >= OPTIONAL
    own = {*sys.stdlib_module_names, *PACKAGES}
    used = {
        imported.partition(".")[0] for module in of(project(), *PACKAGES[:3]) for _, imported in module.imports
    } - own
    assert {COME_ALONG.get(name, name) for name in used} - OPTIONAL == wanted
