"""Dockerfile and compose.yaml, without a Docker engine: what docker-compose makes of them, and the promises they must keep."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.app import DRAIN, EMPTY, TAIL
from tests.deploy.street import DEPLOY, prepared
from tests.servers import binary

ROOT = DEPLOY.parent
SERVICES = ("mosquitto", "influxdb", "wanglou", "grafana")

# --- Dockerfile -------------------------------------------------------------------------------------------------------


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, its words) with continued lines joined and comments gone."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.strip().partition(" ") for line in joined.splitlines()) if word]


FILE = instructions((DEPLOY / "Dockerfile").read_text("utf-8"))
LAST_STAGE = FILE[max(i for i, (word, _) in enumerate(FILE) if word == "FROM") :]


def words(instruction: str, stage: list[tuple[str, str]] = LAST_STAGE) -> list[str]:
    return [rest for word, rest in stage if word == instruction]


def test_bases_are_pinned_to_a_version_and_equal_in_both_stages() -> None:
    (base,) = {rest.split(" ")[0] for rest in words("FROM", FILE)}
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", base)


def test_it_runs_as_a_user_who_is_not_root_and_gets_its_signals() -> None:
    (user,) = words("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "a number, so that an orchestrator can see that it is not root"
    assert words("STOPSIGNAL") == ["SIGTERM"]
    for instruction in ("ENTRYPOINT", "CMD"):
        (form,) = words(instruction)
        assert isinstance(yaml.safe_load(form), list), f"{instruction} in exec form: a shell would swallow the signal"
    assert LAST_STAGE.index(("USER", user)) < [word for word, _ in LAST_STAGE].index("ENTRYPOINT")


def test_everything_installed_is_locked_by_its_hash_or_built_here() -> None:
    installs = [command for rest in words("RUN", FILE) for command in rest.split("&&") if "pip install" in command]
    assert installs
    for command in installs:
        assert "--require-hashes -r requirements.txt" in command or ("--no-deps" in command and "dist/" in command)
    assert not any("pip install" in rest or "apt-get" in rest for rest in words("RUN")), (
        "the last stage installs nothing"
    )


def sources() -> Iterator[str]:
    """What is copied from the checkout."""
    for rest in words("COPY", FILE):
        if "--from=" not in rest:
            yield from rest.split()[:-1]


def test_what_is_copied_exists_and_the_build_may_see_it_and_nothing_else() -> None:
    copied = set(sources())
    assert [name for name in copied if not (ROOT / name).exists()] == []
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert ignored[1] == "*"
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied


def test_health_is_asked_and_no_secret_is_baked_in() -> None:
    (health,) = words("HEALTHCHECK")
    assert "/healthz" in health
    command = yaml.safe_load(health.partition("CMD ")[2])
    assert compile(command[2], "health", "exec")
    assert not [
        rest for rest in words("ENV", FILE) + words("ARG", FILE) if re.search("token|secret|passw", rest, re.IGNORECASE)
    ]


# --- compose.yaml -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder in which prepare.sh ran, and what docker-compose makes of its compose.yaml."""
    folder = tmp_path_factory.mktemp("compose") / "deploy"
    prepared(folder)
    done = docker_compose(folder)
    assert done.returncode == 0, done.stderr
    return folder, yaml.safe_load(done.stdout)


def docker_compose(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [binary("docker-compose", "docker-compose"), "--file", "compose.yaml", "config"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def ports(service: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """(address of this machine, port); docker-compose 1 writes them as texts, 2 as mappings."""
    for port in service.get("ports", []):
        if isinstance(port, dict):
            yield port.get("host_ip", ""), int(port["published"])
        else:
            address, _, published = port.rpartition(":")[0].rpartition(":")
            yield address, int(published)


def mounts(service: dict[str, Any]) -> Iterator[tuple[Path, bool]]:
    """(source, may be written)."""
    for volume in service["volumes"]:
        if isinstance(volume, dict):
            yield Path(volume["source"]), not volume.get("read_only", False)
        else:
            source, _target, mode = volume.split(":")
            yield Path(source), mode == "rw"


def test_without_prepare_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text((DEPLOY / "compose.yaml").read_text("utf-8"), "utf-8")
    done = docker_compose(tmp_path)
    assert done.returncode != 0
    assert "run ./prepare.sh first" in done.stderr


def test_these_services_run_and_no_other(compose: tuple[Path, dict[str, Any]]) -> None:
    assert set(compose[1]["services"]) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined_comes_back_and_says_how_it_is(compose: tuple[Path, dict[str, Any]], name: str) -> None:
    service = compose[1]["services"][name]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert re.search(r":\d+\.\d+(\.\d+)?$", service["image"]), "pinned to a version at least"
    assert "healthcheck" in service or name == "wanglou", "the daemon's is in its image"


def test_only_the_brokers_tls_port_is_open_to_others(compose: tuple[Path, dict[str, Any]]) -> None:
    published = {port for service in compose[1]["services"].values() for port in ports(service)}
    assert {port for host, port in published if host != "127.0.0.1"} == {8883}
    assert {port for host, port in published if host == "127.0.0.1"} == {8119, 3000}


def test_what_is_mounted_was_prepared_and_only_data_can_be_written(compose: tuple[Path, dict[str, Any]]) -> None:
    folder, file = compose
    for service in file["services"].values():
        for source, writable in mounts(service):
            assert source.exists(), source
            assert writable == (source.parent == folder / "street" / "data"), source
    assert [s["file"] for s in file["secrets"].values() if not Path(s["file"]).is_file()] == []
    used = {s["source"] for service in file["services"].values() for s in service.get("secrets", [])}
    assert used == set(file["secrets"])


def test_no_secret_stands_in_the_environment(compose: tuple[Path, dict[str, Any]]) -> None:
    secrets = [f.read_text() for f in (compose[0] / "street" / "secrets").iterdir()]
    shown = yaml.safe_dump(compose[1])
    assert not any(secret in shown for secret in secrets)


def test_the_daemon_has_the_time_to_stop_in_good_order(compose: tuple[Path, dict[str, Any]]) -> None:
    minutes = re.fullmatch(r"(\d+)m(?:0s)?", compose[1]["services"]["wanglou"]["stop_grace_period"])
    assert minutes is not None
    assert int(minutes[1]) * 60 >= 2 * (DRAIN + EMPTY + TAIL)


def test_influxdb_is_given_the_users_that_the_others_name(compose: tuple[Path, dict[str, Any]]) -> None:
    script = DEPLOY / "influxdb" / "users.sh"
    assert script.stat().st_mode & 0o111, "the image runs only what can be executed"
    subprocess.run(["bash", "-n", script], check=True)
    text = script.read_text("utf-8")
    history = yaml.safe_load((DEPLOY / "compose.site.yaml").read_text("utf-8"))["history"][1]
    assert f"--db {history['database']} " in text
    for user in (history["username"], "grafana"):
        assert f"--username {user} " in text
    given = {s["source"] for s in compose[1]["services"]["influxdb"]["secrets"]}
    assert set(re.findall(r"/run/secrets/([\w-]+)", text)) <= given
