"""A street from prepare.sh: broker over TLS, the daemon on compose.site.yaml, InfluxDB with its two users, Grafana's queries.

Exchanged for this machine are paths, ports and InfluxDB 2 for InfluxDB 1.6, which speaks the same first interface.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.street import DEPLOY, ShippedBroker, prepared
from tests.deploy.visitor import Visitor
from tests.running import TOKEN, Wanglou
from tests.servers import HOST, InfluxDB, free_port

pytestmark = pytest.mark.live

DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboards" / "wanglou.json").read_text("utf-8"))


@dataclass(frozen=True)
class Street:
    """Everything that runs."""

    folder: Path
    broker: ShippedBroker
    influx: InfluxDB
    daemon: Wanglou

    def visit(self, user: str) -> Visitor:
        """A client over TLS."""
        context = ssl.create_default_context(cafile=str(self.broker.authority))
        return Visitor(self.broker.tls_port, user, self.broker.passwords[user], tls=context)

    def ask(self, question: str) -> Any:
        """What Grafana's user gets from /query."""
        return query(self.influx, question, "grafana", secret(self.folder, "influx-grafana"))


def secret(street: Path, name: str) -> str:
    return (street / "secrets" / name).read_text("utf-8")


def query(influx: InfluxDB, question: str, user: str = "", password: str = "", *, database: str = "wanglou") -> Any:
    """Raises when the server refuses the question or a part of it."""
    body = urllib.parse.urlencode({"db": database, "q": question, "epoch": "ms"}).encode()
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}"} if user else {}
    with urllib.request.urlopen(urllib.request.Request(f"{influx.url}/query", body, headers), timeout=10) as response:
        (result,) = json.loads(response.read())["results"]
    assert "error" not in result, (question, result)
    return result.get("series", [])


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """Warm chargers, a detector with an empty battery, one that is gone, and a fire in the garage, over some minutes."""
    folder = prepared(tmp_path_factory.mktemp("street") / "deploy")
    broker = ShippedBroker(folder)
    broker.add("lakeside", "lakeside/smoke-01")
    with broker, InfluxDB(folder / "influx", auth=True) as influx:
        users(influx, folder)
        # The tests' client of the API knows one token only.
        (folder / "secrets" / "api-token").write_text(TOKEN)
        daemon = Wanglou(site(folder, broker, influx))
        with daemon:
            it = Street(folder, broker, influx, daemon)
            with it.visit("display").subscribe("wl/+/incidents/#") as display:
                report(it)
                display.wait(lambda: display.heard)
            assert fires(display) == ["lakeside/garage"]
            daemon.wait_for(lambda: written(daemon) >= READINGS, "the history has it all")
            yield it


def users(influx: InfluxDB, folder: Path) -> None:
    """As influxdb/users.sh makes them: the daemon may write, Grafana only read."""
    admin = secret(folder, "influx-admin-password")
    query(influx, f"CREATE USER admin WITH PASSWORD '{admin}' WITH ALL PRIVILEGES")
    for question in (
        "CREATE DATABASE wanglou",
        f"CREATE USER wanglou WITH PASSWORD '{secret(folder, 'influx-wanglou')}'",
        "GRANT ALL ON wanglou TO wanglou",
        f"CREATE USER grafana WITH PASSWORD '{secret(folder, 'influx-grafana')}'",
        "GRANT READ ON wanglou TO grafana",
    ):
        query(influx, question, "admin", admin)


def site(street: Path, broker: ShippedBroker, influx: InfluxDB) -> Path:
    """street/site.yaml as prepare.sh wrote it, with the paths and ports of this machine."""
    path = street / "site.yaml"
    text = path.read_text("utf-8")
    for shipped, here in {
        "host: mosquitto\n": f"host: {HOST}\n  port: {broker.tls_port}\n",
        "/etc/wanglou/ca.pem": str(broker.authority),
        "/run/secrets/": f"{street / 'secrets'}/",
        "folder: /var/lib/wanglou": f"folder: {street / 'data' / 'wanglou'}",
        "http://influxdb:8086": influx.url,
        "host: 0.0.0.0": f"host: {HOST}",
        "port: 8119": f"port: {free_port()}",
    }.items():
        assert shipped in text, shipped
        text = text.replace(shipped, here)
    path.write_text(text, "utf-8")
    return path


ROUNDS = 6
READINGS = ROUNDS * 4 + 3


def report(street: Street) -> None:
    """Readings of the last minute by the devices' own clocks, and at the end smoke in the garage."""
    now = time.time()
    with street.visit("lakeside") as gateway, street.visit("lakeside/smoke-01") as detector:
        for n in range(ROUNDS):
            at = round((now - 60 + 10 * n) * 1000)
            for device, values in {
                "charger-01": {"power": 180.0 + n, "port_temperature": 31.0 + n},
                "charger-02": {"power": 90.0, "port_temperature": 29.0},
                "thermal-1": {"thermal_max": 40.0 + n, "thermal_mean": 25.0},
                "smoke-02": {"smoke_density": 0.01, "temperature": 19.0, "battery": 95 - n},
            }.items():
                gateway.publish(f"wl/lakeside/{device}/up", json.dumps({"at": at, **values}).encode())
        gateway.publish("wl/lakeside/smoke-03/status", b"online")
        gateway.publish("wl/lakeside/smoke-03/status", b"offline")
        detector.publish("wl/lakeside/smoke-01/up", b'{"smoke": true, "smoke_density": 2.5, "temperature": 64}')


def written(daemon: Wanglou) -> float:
    return daemon.metric('wanglou_history_written_total{history="influxdb"}')


def fires(display: Visitor) -> list[str]:
    incidents = [json.loads(payload)["data"]["incident"] for _, payload in display.heard if payload]
    return sorted({incident["zone"] for incident in incidents if incident["kind"] == "FIRE"})


# --- the daemon -------------------------------------------------------------------------------------------------------


def test_a_reading_over_tls_becomes_an_incident_that_the_display_shows(street: Street) -> None:
    incidents = street.daemon.get("/api/v1/incidents")["items"]
    assert [i["zone"] for i in incidents if i["kind"] == "FIRE"] == ["lakeside/garage"]
    assert street.daemon.get("/readyz")["status"] == "ready"


def test_the_brokers_sigkill_costs_the_daemon_a_moment_and_no_session(street: Street) -> None:
    before = street.daemon.metric('wanglou_messages_total{verdict="live"}')
    store = street.broker.store
    street.daemon.wait_for(lambda: store.exists(), "the broker has saved the session", 20)
    street.broker.kill()
    street.broker.start()
    with street.visit("lakeside") as gateway:
        # Published before the daemon is back or after: the session is there, so it comes either way.
        for n in range(20):
            gateway.publish("wl/lakeside/smoke-04/up", json.dumps({"id": n, "temperature": 20}).encode())
    street.daemon.wait_for(
        lambda: street.daemon.metric('wanglou_messages_total{verdict="live"}') >= before + 20, "all twenty came"
    )


# --- Grafana ----------------------------------------------------------------------------------------------------------


def filled(question: str, **chosen: str) -> str:
    """A query as Grafana sends it for the last quarter of an hour; every variable that is not `chosen` stands at All."""
    for name in ("site", "zone", "device"):
        (variable,) = (v for v in DASHBOARD["templating"]["list"] if v["name"] == name)
        assert variable["includeAll"]
        # Grafana's format `regex` escapes the slash too.
        value = chosen[name].replace("/", "\\/") if name in chosen else variable["allValue"]
        question = question.replace(f"${{{name}:regex}}", value)
    question = question.replace("$timeFilter", "time >= now() - 15m and time <= now()").replace("$__interval", "10s")
    assert "$" not in question.replace("$/", "/"), question
    return question


def targets() -> list[Any]:
    return [
        pytest.param(panel["title"], target, id=f"{panel['id']}-{target['refId']}")
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    ]


@pytest.mark.parametrize(("title", "target"), targets())
def test_every_query_of_the_dashboard_shows_something(street: Street, title: str, target: dict[str, Any]) -> None:
    series = street.ask(filled(target["query"]))
    numbers = [v for s in series for row in s["values"] for v in row[1:] if isinstance(v, int | float)]
    assert numbers, title
    for tag in re.findall(r"\$tag_(\w+)", target.get("alias", "")):
        assert all(s["tags"][tag] for s in series), f"{title}: the legend needs the tag {tag}"


def column(street: Street, panel: int, name: str) -> dict[str, Any]:
    """device → the last value of a column, for a panel that lists devices."""
    (target,) = next(p for p in DASHBOARD["panels"] if p["id"] == panel)["targets"]
    out = {}
    for series in street.ask(filled(target["query"])):
        for row in series["values"]:
            cells = {**series.get("tags", {}), **dict(zip(series["columns"], row, strict=True))}
            out[cells["device"]] = cells[name]
    return out


def panel(words: str) -> int:
    (found,) = (p["id"] for p in DASHBOARD["panels"] if words in p["title"])
    return int(found)


def test_the_tables_tell_the_truth(street: Street) -> None:
    assert column(street, panel("offline"), "online") == {"lakeside/smoke-03": 0}
    assert column(street, panel("batteries"), "battery") == {"lakeside/smoke-02": 95 - ROUNDS + 1}


def test_the_power_of_a_zone_is_the_sum_of_its_chargers(street: Street) -> None:
    (target,) = next(p for p in DASHBOARD["panels"] if p["id"] == panel("power"))["targets"]
    (series,) = street.ask(filled(target["query"]))
    assert series["tags"] == {"site": "lakeside", "zone": "charging"}
    assert [row[1] for row in series["values"]] == [270.0 + n for n in range(ROUNDS)]


def test_the_variables_offer_what_there_is(street: Street) -> None:
    offered = {}
    for variable in DASHBOARD["templating"]["list"]:
        series = street.ask(filled(variable["query"]["query"]))
        offered[variable["name"]] = {value for s in series for _, value in s["values"]}
    assert offered["site"] == {"lakeside"}
    assert {"garage", "charging"} <= offered["zone"]
    assert {"lakeside/charger-01", "lakeside/smoke-01"} <= offered["device"]


def test_a_chosen_device_is_shown_alone(street: Street) -> None:
    (target,) = next(p for p in DASHBOARD["panels"] if p["id"] == panel("obscuration"))["targets"]
    everything = {s["tags"]["device"] for s in street.ask(filled(target["query"]))}
    assert everything == {"lakeside/smoke-01", "lakeside/smoke-02"}
    (series,) = street.ask(filled(target["query"], device="lakeside/smoke-02"))
    assert series["tags"] == {"device": "lakeside/smoke-02"}
    assert street.ask(filled(target["query"], zone="charging")) == []


def test_grafanas_user_reads_and_changes_nothing(street: Street) -> None:
    body = b"smoke_detector,device=x temperature=1 1"
    basic = base64.b64encode(f"grafana:{secret(street.folder, 'influx-grafana')}".encode()).decode()
    request = urllib.request.Request(
        f"{street.influx.url}/write?db=wanglou", body, {"Authorization": f"Basic {basic}"}, method="POST"
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    refused.value.close()
    assert refused.value.code == 403


def test_grafana_is_provisioned_with_what_it_needs() -> None:
    folder = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "wanglou.yaml").read_text("utf-8"))["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "wanglou.yaml").read_text("utf-8"))["providers"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]["grafana"]
    assert source["jsonData"]["version"] == "InfluxQL"
    assert source["jsonData"]["dbName"] == "wanglou"
    assert source["url"] == "$INFLUX_URL"
    assert compose["environment"]["INFLUX_URL"]
    assert source["secureJsonData"]["password"] == "$__file{/run/secrets/influx-grafana}"
    assert "influx-grafana" in compose["secrets"]
    mounted = {v.split(":")[1] for v in compose["volumes"]}
    assert {provider["options"]["path"], "/etc/grafana/provisioning"} <= mounted
    used = {t["datasource"]["uid"] for p in DASHBOARD["panels"] for t in p["targets"]}
    assert used == {source["uid"]}


def test_every_panel_is_named_in_both_languages() -> None:
    for item in DASHBOARD["panels"]:
        assert re.search(r"[\u4e00-\u9fff].* [A-Z][a-z]+", item["title"]), item["title"]
