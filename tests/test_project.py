"""The project's frame holds together: locks, documents, commands and version agree with each other and with the code.

Reads files as text; of the project's own code it imports only the tables that the documents draw, and the command line.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor.cli import app
from monitor.ports import Verdict
from rules.incident import ALARM, INCIDENT
from rules.model import AlarmState, Condition, Disposition, Freshness, IncidentState, Kind

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.txt", "requirements-dev.txt")
READMES = ("README.md", "README.zh-CN.md")
PROJECT: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# One letter of each stands in brackets, so that this file does not hold what it forbids.
REGISTRIES = re.compile(
    r"py[p]i\.|pythonhoste[d]|registry\.(?:npmj[s]|yarnpk[g])|conda\.anacond[a]|/simpl[e]/", re.IGNORECASE
)
MACHINE_PATHS = re.compile(r"(?<![\w.~-])/(?:work|root|home/\w+|Users/\w+|tmp)/[\w.]|/opt/wheel[s]")
UNFINISHED = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def tracked() -> tuple[str, ...]:
    """Every file of the checkout that git knows, by its path from the root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """`file:line: what was found` over all tracked files that are text."""
    found = []
    for name in tracked():
        try:
            content = text(name)
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(content.splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{name}:{number}: {match[0]}")
    return found


def plain(requirement: str) -> str:
    """A distribution's name in its one normal form, without version and extras."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]).lower()


def locked(name: str) -> dict[str, str]:
    """distribution → version, as the lock file pins them."""
    return {plain(m[1]): m[2] for m in re.finditer(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", text(name), re.MULTILINE)}


# --- lock files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_records_no_address(name: str) -> None:
    content = text(name)
    assert "://" not in content
    assert not re.search(r"^\s*--(?!hash=)", content, re.MULTILINE), "a lock file holds pins and hashes, no options"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_requirement_has_a_hash(name: str) -> None:
    joined = text(name).replace("\\\n", " ")
    pins = [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(pins) == len(locked(name)) > 10
    assert [line for line in pins if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", line)] == []


def test_the_locks_hold_what_the_project_asks_for() -> None:
    run, dev = (locked(name) for name in LOCKS)
    assert {plain(r) for r in PROJECT["dependencies"]} <= set(run)
    assert {plain(r) for r in PROJECT["optional-dependencies"]["dev"]} | {"setuptools", "uv"} <= set(dev)
    assert run.items() <= dev.items(), "tests run on the versions that are shipped"


# --- documents --------------------------------------------------------------------------------------------------------


def test_every_dependency_has_a_line_of_reason() -> None:
    reasons = {
        plain(m[1]): m[2] for m in re.finditer(r"^\| `([^`]+)` \| (.+) \|$", text("docs/dependencies.md"), re.MULTILINE)
    }
    asked = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    assert [r for r in asked if len(reasons.get(plain(r), "").split()) < 3] == []


def commands(name: str) -> set[str]:
    """The `make` targets that a document tells people to use: in code spans and code blocks."""
    return set(re.findall(r"(?:^|`|&& )make ([a-z]+)", text(name), re.MULTILINE))


def test_the_commands_of_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    for name in (*READMES, "CONTRIBUTING.md", "docs/operations.md", "docs/dependencies.md", "CHANGELOG.md"):
        assert commands(name) <= targets, name
    assert {"setup", "test", "check", "run"} <= commands("README.md") == commands("README.zh-CN.md")


def test_ci_does_what_people_do() -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    assert re.findall(r"^make (\w+)$", text(".ci/run"), re.MULTILINE) == ["check", "test"]


def links(name: str) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text(name)):
        if "://" not in target:
            yield target


@pytest.mark.parametrize("name", [name for name in tracked() if name.endswith(".md")])
def test_links_between_documents_lead_somewhere(name: str) -> None:
    assert [target for target in links(name) if not ((ROOT / name).parent / target).exists()] == []


def test_both_readmes_say_what_it_is_not() -> None:
    assert "not a certified fire panel" in text("README.md")
    assert "不是经过认证的火灾报警控制器" in text("README.zh-CN.md")


def test_both_readmes_list_the_same_commands() -> None:
    english, chinese = (re.findall(r"^\| `([^`]+)` \|", text(name), re.MULTILINE) for name in READMES)
    assert english == chinese != []


def drawn(name: str) -> list[set[tuple[str, str, str]]]:
    """(from, to, signal) of every arrow, for each state diagram of a document."""
    diagrams = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", text(name), re.DOTALL)
    return [set(re.findall(r"^ +(\w+) --> (\w+) : (\S+)$", diagram, re.MULTILINE)) for diagram in diagrams]


@pytest.mark.parametrize("name", READMES)
def test_the_state_diagrams_are_the_tables(name: str) -> None:
    alarm = {(str(state), str(to), str(signal)) for (state, signal), to in ALARM.items()}
    incident = {(str(state), str(to), str(act)) for (state, act), to in INCIDENT.items()}
    assert drawn(name) == [alarm, incident]


@pytest.mark.parametrize("words", [Verdict, Kind, IncidentState, Condition, Disposition])
def test_the_wire_format_names_every_word_that_goes_over_it(words: type[StrEnum]) -> None:
    document = text("docs/wire-format.md")
    assert [word for word in words if f"`{word}`" not in document] == []


@pytest.mark.parametrize("words", [AlarmState, Freshness, IncidentState, Condition, Disposition])
def test_the_architecture_names_every_state(words: type[StrEnum]) -> None:
    document = text("docs/architecture.md")
    assert [word for word in words if word.replace("_", " ") not in document] == []


# --- the command line -------------------------------------------------------------------------------------------------


def command_line() -> list[str]:
    return re.findall(r"^\| `wanglou ([a-z ]+)` \|", text("README.md"), re.MULTILINE)


@pytest.mark.parametrize("command", command_line())
def test_the_commands_of_the_readme_can_be_asked_for_help(command: str) -> None:
    asked = CliRunner().invoke(app, [*command.split(), "--help"])
    assert asked.exit_code == 0, asked.stderr
    assert "Usage" in asked.stdout


# --- version, and what must not be in any file ------------------------------------------------------------------------


def test_there_is_one_version() -> None:
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", text("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == PROJECT["version"]
    for name in tracked():
        if name.endswith(".py") and (said := re.search(r"^__version__\s*=\s*[\"']([^\"']+)", text(name), re.MULTILINE)):
            assert said[1] == PROJECT["version"], name


def test_the_licence_is_whole() -> None:
    licence = text("LICENSE")
    assert PROJECT["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence


@pytest.mark.parametrize("pattern", [REGISTRIES, MACHINE_PATHS, UNFINISHED], ids=["registries", "paths", "unfinished"])
def test_no_file_holds(pattern: re.Pattern[str]) -> None:
    assert lines_with(pattern) == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (REGISTRIES, "--index-url https://" + "py" + "pi.org/simp" + "le"),
        (REGISTRIES, "resolved https://registry.np" + "mjs.org/x"),
        (MACHINE_PATHS, "cd /" + "work/main"),
        (MACHINE_PATHS, 'open("/' + 'tmp/x")'),
        (MACHINE_PATHS, "/" + "root/.cache"),
        (UNFINISHED, "# TO" + "DO later"),
    ],
)
def test_what_is_forbidden_is_recognised(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


def test_the_servers_of_the_tests_are_named_with_their_command() -> None:
    lines = [line.split() for line in text("deploy/apt-packages.txt").splitlines() if line and not line.startswith("#")]
    assert all(len(line) == 2 for line in lines)
    servers = {"mosquitto", "influxdb", "victoria-metrics", "nginx", "chromium", "fonts-noto-cjk"}
    assert {package for package, _ in lines} == servers | {"openssl", "systemd", "docker-compose"}
