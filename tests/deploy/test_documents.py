"""What the documents of operation say is there: files, settings, sources of trouble."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.settings import load
from tests.deploy.street import DEPLOY, prepared

ROOT = DEPLOY.parent
PAGES = (ROOT / "docs" / "operations.md", DEPLOY / "README.md")
MADE = {"street/site.yaml", "street/data/wanglou", "street/data/influxdb", "data/push-subscriptions.json"}
"""What prepare.sh and the daemon make."""
ENVIRON = {
    "WANGLOU_MQTT_PASSWORD": "x",
    "WANGLOU_API_TOKEN": "x" * 32,
    "WANGLOU_DINGTALK_TOKEN": "x",
    "WANGLOU_DINGTALK_SECRET": "SECx",
    "WANGLOU_WEBHOOK_URL": "https://phones.example/ring",
    "WANGLOU_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "WANGLOU_HANDOVER_URL": "https://street.example/incidents",
    "WANGLOU_ALIYUN_ID": "x",
    "WANGLOU_ALIYUN_SECRET": "x",
    "WANGLOU_TENCENT_ID": "x",
    "WANGLOU_TENCENT_KEY": "x",
    "WANGLOU_DUTY_DAY_MOBILE": "13800000000",
    "WANGLOU_DUTY_NIGHT_MOBILE": "13800000000",
    "WANGLOU_DUTY_LEADER_MOBILE": "13800000000",
    "WANGLOU_MANAGER_MOBILE": "13800000000",
    "WANGLOU_RELATIVE_MOBILE": "13800000000",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = re.findall(
        r"`((?:deploy/)?[\w./-]+\.(?:sh|yaml|service|conf|txt|json)|deploy/[\w./-]+)`", page.read_text("utf-8")
    )
    assert named
    files = {str(file.relative_to(ROOT)) for file in [*DEPLOY.rglob("*"), *ROOT.glob("*.txt")]} | MADE
    assert [name for name in named if not any(f"/{file}".endswith(f"/{name.strip('/')}") for file in files)] == []


def test_every_file_of_the_folder_is_explained() -> None:
    text = (DEPLOY / "README.md").read_text("utf-8")
    for file in DEPLOY.iterdir():
        if not file.name.startswith(".") and file.name not in ("README.md", "street"):
            assert f"`{file.name}{'/' if file.is_dir() else ''}`" in text, file.name


def test_the_example_is_a_site_file() -> None:
    settings = load(DEPLOY / "site.example.yaml", ENVIRON)
    assert settings.plain_secrets == ()


def test_the_example_asks_for_these_secrets_and_no_other() -> None:
    text = (DEPLOY / "site.example.yaml").read_text("utf-8")
    assert set(re.findall(r"\{env: (WANGLOU_\w+)\}", text)) == set(ENVIRON)


def test_the_site_file_for_compose_is_one_where_prepare_ran(tmp_path: Path) -> None:
    street = prepared(tmp_path / "deploy")
    text = (street / "site.yaml").read_text("utf-8")
    text = text.replace("/run/secrets/", f"{street / 'secrets'}/").replace("/etc/wanglou/", f"{street / 'broker'}/")
    (street / "here.yaml").write_text(text, "utf-8")
    settings = load(street / "here.yaml", {})
    assert settings.plain_secrets == ()
    assert settings.mqtt.tls is not None
    assert len(settings.secret_files) == 3


def test_the_runbook_explains_every_trouble_that_the_daemon_can_raise() -> None:
    table = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("## What a FAULT means")[2]
    explained = set(re.findall(r"^\| `([a-z-]+)(?::<name>)?` \|", table, re.MULTILINE))
    raised = set()
    for folder in ("monitor", "rules"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            raised |= sources(file.read_text("utf-8"))
    assert raised == explained


def sources(code: str) -> set[str]:
    """The first words of `_trouble(...)`, `_troubles.told(...)`, `set_trouble(...)` and of names that hold sources."""
    found = set(re.findall(r"_trouble(?:s\.told)?(?:,|\([a-z, ]*)\s*f?\"([a-z-]+)", code))
    found |= set(re.findall(r"\bsource[\w, ]* = f?\"([a-z-]+)[:\"]", code))
    for names, values in re.findall(r"^(SOURCE(?:, \w+)*) = (\"[^\n]+)$", code, re.MULTILINE):
        found |= set(re.findall(r"\"([a-z-]+)\"", values)[: names.count(",") + 1])
    return found
