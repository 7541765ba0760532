"""The site file: what it means, every mistake at its place, and no secret where it does not belong."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from monitor.labels import printable
from monitor.reach_findings import weaknesses
from monitor.settings import Settings, describe, load
from monitor.settings.channels import DingTalkChannel, MqttChannel, WebhookChannel
from monitor.settings.fields import read_duration, read_size, write_duration
from monitor.settings.naming import Template
from monitor.settings.sections import EmbeddedHistory, InfluxHistory
from rules.document import Mistakes
from rules.model import HOUR, MINUTE, SECOND, Kind, SlaProfile, Text

ROOT = Path(__file__).parents[2]
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENVIRON = {
    "API_TOKEN": "an-api-token-nobody-knows",
    "HOOK": "https://phones.example/call?key=hook-key-nobody-knows",
    "SIGNING": SIGNING,
}
DAEMON = """
api: {token: {env: API_TOKEN}}
channels:
  phones: {kind: webhook, url: {env: HOOK}, secrets: [{env: SIGNING}]}
"""
PLACES = """
sites:
  - id: lake
    name: {zh: 湖畔, en: Lake}
    zones:
      - {id: garage, name: {zh: 车库, en: Garage}, kind: garage}
    devices:
      - {id: smoke-1, kind: smoke_detector, zone: garage}
stations:
  - {id: gate, name: 南门, zones: ["*"], recipients: [phones]}
"""


def settings(folder: Path, text: str, **environ: str) -> Settings:
    file = folder / "site.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, {**ENVIRON, **environ})


def mistakes(folder: Path, text: str) -> list[str]:
    """What is wrong, as `line:column: field: message (remedy)`."""
    with pytest.raises(Mistakes) as caught:
        settings(folder, text)
    assert all(m.remedy for m in caught.value.mistakes), "each says what to do"
    return [str(m).partition("site.yaml:")[2] for m in caught.value.mistakes]


def located(text: str, needle: str) -> str:
    """`line:column` of the first occurrence."""
    before = text[: text.index(needle)]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


# --- what it means ----------------------------------------------------------------------------------------------------


def test_little_needs_to_be_written(tmp_path: Path) -> None:
    s = settings(tmp_path, DAEMON + PLACES)
    assert (s.mqtt.host, s.mqtt.port, s.mqtt.protocol, s.mqtt.client_id) == ("127.0.0.1", 1883, "3.1.1", "wanglou")
    assert s.mqtt.topics == ("wl/+/+/up", "wl/+/+/status", "wl/+/incidents/+/move")
    assert s.data.folder == tmp_path / "data"
    assert (s.data.retention.tape_days, s.data.retention.tape_max_bytes) == (400, 20_000_000_000)
    assert [type(h) for h in s.history] == [EmbeddedHistory]
    assert (s.api.host, s.api.port) == ("127.0.0.1", 8119)
    assert (s.quality.late_after, s.quality.future_tolerance) == (2 * MINUTE, 30 * SECOND)
    assert s.sla.profiles == dict.fromkeys((Kind.FIRE, Kind.PREALARM, Kind.SUPERVISORY), SlaProfile())


def test_the_neighbourhood(tmp_path: Path) -> None:
    n = settings(tmp_path, DAEMON + PLACES).neighbourhood()
    device = n.device("lake/smoke-1")
    assert device is not None
    assert (device.site, device.kind, device.zone, device.name) == (
        "lake",
        "smoke_detector",
        "lake/garage",
        Text("smoke-1", "smoke-1"),
    )
    assert n.zones["lake/garage"].name == Text("车库", "Garage")
    (station,) = n.stations_of("lake/garage")
    assert (station.key, station.name) == ("gate", Text("南门", "南门"))
    assert [(r.channel, r.follow) for r in station.recipients] == [("phones", False)]
    assert n.device("lake/smoke-2") is None


def test_ports_protocols_and_tls(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("a certificate")
    s = settings(tmp_path, DAEMON + PLACES + "mqtt: {tls: {ca: ca.pem}, protocol: 5, keepalive: 1m30s}\n")
    assert s.mqtt.port == 8883
    assert s.mqtt.protocol == "5"
    assert s.mqtt.keepalive == 90 * SECOND
    assert s.mqtt.tls is not None
    assert s.mqtt.tls.ca == tmp_path / "ca.pem"
    assert settings(tmp_path, DAEMON + PLACES + "mqtt: {port: 18830}\n").mqtt.port == 18830


def test_histories(tmp_path: Path) -> None:
    assert settings(tmp_path, DAEMON + PLACES + "history: none\n").history == ()
    (one,) = settings(
        tmp_path, DAEMON + PLACES + "history: {kind: influxdb, url: 'http://db:8086', bucket: wl}\n"
    ).history
    assert isinstance(one, InfluxHistory)
    assert (one.api, one.dialect, one.database_or_bucket, one.name) == ("v2", "influxql", "wl", "influxdb")
    text = "history:\n  - {kind: embedded}\n  - {kind: influxdb, url: 'http://db', database: wl, api: v1}\n"
    assert [h.name for h in settings(tmp_path, DAEMON + PLACES + text).history] == ["embedded", "influxdb"]


def test_deadlines_by_preset_and_by_kind(tmp_path: Path) -> None:
    assert settings(tmp_path, DAEMON + PLACES + "sla: 1-3-5\n").sla.profiles[Kind.PREALARM] == SlaProfile(
        MINUTE, 3 * MINUTE, 5 * MINUTE
    )
    text = "sla: {FIRE: 1-3-5, FAULT: {dispatch: 1h, on_scene: 4h, resolve: 1d}}\n"
    profiles = settings(tmp_path, DAEMON + PLACES + text).sla.profiles
    assert profiles == {
        Kind.FIRE: SlaProfile(MINUTE, 3 * MINUTE, 5 * MINUTE),
        Kind.PREALARM: SlaProfile(),
        Kind.SUPERVISORY: SlaProfile(),
        Kind.FAULT: SlaProfile(HOUR, 4 * HOUR, 24 * HOUR),
    }


def test_channels_and_their_brokers(tmp_path: Path) -> None:
    text = (
        DAEMON
        + "  group: {kind: dingtalk, token: t, mobiles: ['13800000000']}\n"
        + "  topics: {kind: mqtt}\n"
        + "  far: {kind: mqtt, broker: {host: far, client_id: wl-far}}\n"
        + PLACES.replace("[phones]", "[{channel: phones, kinds: [FAULT, FIRE]}, topics, {channel: far, follow: false}]")
    )
    s = settings(tmp_path, text)
    phones, group = s.channels["phones"], s.channels["group"]
    assert isinstance(phones, WebhookChannel)
    assert phones.url.get_secret_value() == ENVIRON["HOOK"]
    assert isinstance(group, DingTalkChannel)
    assert (group.rate_per_minute, group.timeout, group.mobiles) == (20, 10 * SECOND, ("13800000000",))
    brokers = {name: s.broker_of(name, c) for name, c in s.channels.items() if isinstance(c, MqttChannel)}
    assert {n: (b.host, b.client_id) for n, b in brokers.items()} == {
        "topics": ("127.0.0.1", "wanglou-topics"),
        "far": ("far", "wl-far"),
    }
    (station,) = s.ground.stations
    assert {r.channel: (r.follow, Kind.FAULT in r.kinds) for r in station.recipients} == {
        "phones": (False, True),
        "topics": (True, False),
        "far": (False, False),
    }


ADDRESSES = """
sites:
  - id: lake
    name: 湖畔
    address: {zh: 北门路1号, en: 1 North Gate Road}
    buildings:
      - {id: "b{1..2}", name: "{n}号楼", address: {zh: "北门路1号{n}栋", en: "1 North Gate Road, block {n}"}}
      - {id: hall, name: 会所}
    zones:
      - {id: "b{b:1..2}", name: "{b}号楼", kind: dwelling, building: "b{b}", adjacent: [garage]}
      - {id: club, name: 会所, kind: hall, building: hall}
      - {id: garage, name: 车库, kind: garage}
  - {id: barn, name: 谷仓, zones: [{id: hay, name: 草垛, kind: store}]}
stations:
  - {id: a, name: A, zones: ["*"], recipients: [phones], callback: "010-1234 5678"}
"""


def test_a_zone_has_the_address_of_its_building_or_else_of_its_site(tmp_path: Path) -> None:
    places = settings(tmp_path, DAEMON + ADDRESSES).neighbourhood()
    assert {key: zone.address for key, zone in places.zones.items()} == {
        "lake/b1": Text("北门路1号1栋", "1 North Gate Road, block 1"),
        "lake/b2": Text("北门路1号2栋", "1 North Gate Road, block 2"),
        "lake/club": Text("北门路1号", "1 North Gate Road"),
        "lake/garage": Text("北门路1号", "1 North Gate Road"),
        "barn/hay": None,
    }
    assert places.stations[0].callback == "010-1234 5678"


def test_a_place_is_told_with_the_name_of_its_building_once(tmp_path: Path) -> None:
    floor = "{id: attic, name: {zh: 阁楼, en: Attic}, kind: dwelling, building: b2}"
    zones = (
        settings(tmp_path, DAEMON + ADDRESSES.replace("    zones:\n", f"    zones:\n      - {floor}\n", 1))
        .neighbourhood()
        .zones
    )
    assert {key: zone.place for key, zone in zones.items()} == {
        "lake/attic": Text("2号楼 阁楼", "2号楼, Attic"),
        "lake/b1": Text("1号楼", "1号楼"),
        "lake/b2": Text("2号楼", "2号楼"),
        "lake/club": Text("会所", "会所"),
        "lake/garage": Text("车库", "车库"),
        "barn/hay": Text("草垛", "草垛"),
    }
    label = printable([(zones["lake/attic"], "https://fire.example.org/r/x")])
    assert "<h2>2号楼 阁楼</h2><p>2号楼, Attic</p>" in label


@pytest.mark.parametrize("wrong", ['"call me"', '""', '"-123"', "13800000000"])
def test_a_number_to_call_back_is_one(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(Mistakes, match=r"stations\[0\].callback"):
        settings(tmp_path, DAEMON + ADDRESSES.replace('"010-1234 5678"', wrong))


# --- names for many ---------------------------------------------------------------------------------------------------

RANGES = """
sites:
  - id: "site{0..2}"
    name: {zh: "小区{n}", en: "Compound {n}"}
    buildings: [{id: "b{1..2}", name: "{n}号楼"}]
    zones:
      - {id: garage, name: 车库, kind: garage, adjacent: [b1-f08], attributes: {bays: 12, sprinklered: true}}
      - id: "b{b:1..2}-f{f:08..10}"
        name: {zh: "{b}号楼{f}层", en: "Building {b}, floor {f} {{A}}"}
        kind: dwelling
        building: "b{b}"
    devices:
      - {id: "smoke-{000..120}", kind: smoke_detector, zone: garage, name: "烟感{n}"}
      - {match: "b{building}-f{floor}-smoke-{n}", kind: smoke_detector, zone: "b{building}-f{floor}", name: "{floor}层{n} {{x}}"}
      - {match: "cam*", kind: camera, zone: garage}
stations:
  - {id: a, name: A, zones: [site0/*, site1/garage], recipients: [phones]}
  - {id: b, name: B, zones: ["*"], recipients: [phones]}
"""


def test_ranges_stand_for_many(tmp_path: Path) -> None:
    s = settings(tmp_path, DAEMON + RANGES)
    n = s.neighbourhood()
    assert len(n.zones) == 3 * 7
    assert len(n.devices) == 3 * 121
    assert list(s.ground.sites) == ["site0", "site1", "site2"]
    assert s.ground.sites["site2"] == Text("小区2", "Compound 2")
    zone = n.zones["site1/b2-f09"]
    assert (zone.name, zone.building) == (Text("2号楼09层", "Building 2, floor 09 {A}"), "b2")
    assert n.zones["site1/garage"].attributes == {"bays": 12.0, "sprinklered": True}
    assert n.devices["site2/smoke-007"].name == Text("烟感007", "烟感007")
    assert "site2/smoke-121" not in n.devices
    assert [x.key for x in n.stations_of("site1/garage")] == ["a", "b"]
    assert [x.key for x in n.stations_of("site1/b1-f08")] == ["b"]


def test_what_adjoins_adjoins_both_ways(tmp_path: Path) -> None:
    zones = settings(tmp_path, DAEMON + RANGES).neighbourhood().zones
    assert zones["site1/garage"].adjacent == ("site1/b1-f08",)
    assert zones["site1/b1-f08"].adjacent == ("site1/garage",)
    assert zones["site1/b1-f09"].adjacent == ()


def test_devices_known_by_name(tmp_path: Path) -> None:
    n = settings(tmp_path, DAEMON + RANGES).neighbourhood()
    assert len(n.patterns) == 2, "one pattern serves all sites of a range"
    device = n.device("site1/b2-f10-smoke-kitchen-3")
    assert device is not None
    assert (device.site, device.zone, device.name.zh) == ("site1", "site1/b2-f10", "10层kitchen-3 {x}")
    camera = n.device("site0/cam-{odd} name")
    assert camera is not None
    assert (camera.zone, camera.name.en) == ("site0/garage", "cam-{odd} name")
    for stranger in (
        "site3/b2-f10-smoke-1",
        "site1/b3-f10-smoke-1",
        "site1/b2-f10-smoke-",
        "site1/xcam",
        "site1/cam/1",
    ):
        assert n.device(stranger) is None


def test_a_hostile_name_costs_no_more_than_its_length(tmp_path: Path) -> None:
    # With captures that back up over each other this one match would take longer than the universe has lasted.
    n = settings(tmp_path, DAEMON + RANGES.replace("b{building}-f{floor}-smoke-{n}", "{building}-{floor}-{a}-{b}-{n}!"))
    assert n.neighbourhood().device("site1/" + "-" * 60_000) is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a{1..3}", ["a1", "a2", "a3"]),
        ("{x:1..2}{y:1..2}", ["11", "12", "21", "22"]),
        ("{08..10}", ["08", "09", "10"]),
        ("{{1..3}}", ["{1..3}"]),
        ("plain", ["plain"]),
    ],
)
def test_ranges(text: str, names: list[str]) -> None:
    assert [name for name, _ in Template(text).names({})] == names


@pytest.mark.parametrize(
    "text", ["{1..2}{3..4}", "{3..1}", "{1..x}", "{", "}", "{}", "{A}", "{0..99999}{m:0..99999}", "{00..100}"]
)
def test_ranges_that_mean_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r"; "):
        Template(text)


def test_fifty_sites_of_a_thousand_devices(tmp_path: Path) -> None:
    text = DAEMON + PLACES.replace("id: lake", 'id: "site{0..49}"').replace("smoke-1", '"smoke-{0..999}"')
    n = settings(tmp_path, text).neighbourhood()
    assert len(n.devices) == 50_000
    assert n.devices["site49/smoke-999"].zone == "site49/garage"


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_all_mistakes_at_once_each_at_its_place(tmp_path: Path) -> None:
    text = """mqtt: {prot: 1883, protocol: 4, host: 5}
api: {token: {env: NOT_SET}, port: "8119"}
quality: {late_after: 30}
sla: 1-5
history: {kind: influx}
channels:
  hook: {kind: webhook, url: ftp://x, secrets: [not-a-secret-but-private]}
  ding: {kind: dingtalk, tokn: abcsecret}
sites:
  - id: lake
    name: {zh: 湖, en: Lake}
    zones:
      - {id: garage, name: 车库, kind: garage, adjacent: [lan]}
      - {id: lane, nme: x, name: 通道, kind: Fire Lane}
    devices:
      - {id: s1, kind: smoke_detector, zone: garge}
      - {id: s2, match: s2, kind: smoke_detector, zone: garage}
stations:
  - {id: gate, name: 南门, zones: [lake/garage, lake/lane], recipients: [hoook]}
extra: 1
"""
    assert mistakes(tmp_path, text) == [
        "1:14: mqtt.prot: unknown field (did you mean port?)",
        "1:30: mqtt.protocol: is none of the words allowed (write '3.1.1' or '5')",
        "1:39: mqtt.host: is not a text (write it in quotes)",
        "2:14: api.token: the environment variable NOT_SET is not set (set it where the daemon starts)",
        "2:36: api.port: is not a whole number (write digits without quotes)",
        "3:23: quality.late_after: not a duration (write for example 30s, 5m, 1h30m, 7d or 250ms)",
        "4:6: sla.FIRE: not a preset (write 1-5-20, 1-3-5, three minutes of your own, or dispatch, on_scene and resolve)",
        "5:10: history: there is no kind influx (there is 'embedded', 'influxdb')",
        "7:30: channels.hook.url: not a web address (it begins with http:// or https:// and names a host)",
        "7:49: channels.hook.secrets[0]: not a signing secret (it is whsec_ and the base64 of 24 to 64 random bytes)",
        "8:9: channels.ding.token: is missing (add it)",
        "8:32: channels.ding.tokn: unknown field (did you mean token?)",
        "13:57: sites[0].zones[0].adjacent[0]: there is no zone lake/lan (did you mean lake/lane?)",
        "14:25: sites[0].zones[1].nme: unknown field (did you mean name?)",
        (
            "14:44: sites[0].zones[1].kind: cannot be written so"
            " (use small letters, digits and underscores, at most 64, a letter first)"
        ),
        "16:46: sites[0].devices[0].zone: there is no zone lake/garge (did you mean lake/garage?)",
        (
            "17:9: sites[0].devices[1]: needs one of id and match"
            " (write id for devices listed here, match for devices known by their name)"
        ),
        (
            "19:72: stations[0].recipients[0]: there is no channel hoook"
            " (did you mean hook?; channels stand under channels:)"
        ),
        (
            "20:8: extra: unknown field (there is api, books, books_watch, channels, data, flood, history, ladders,"
            " linkage, mqtt, people, quality, …)"
        ),
    ]


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("id: lake", "id: la/ke", "sites[0].id", "'la/ke' is not an identifier"),
        ("id: lake", "id: lake{x}", "sites[0].id", "{x} has no value here"),
        ("smoke-1", '"smoke-{1..2}-{3..4}"', "sites[0].devices[0].id", "two ranges of one name"),
        ("smoke-1", '"smoke-{0..999999}"', "sites[0].devices[0].id", "stands for 1000000 names"),
        ("id: smoke-1", 'match: "{a}{b}"', "sites[0].devices[0].match", "two open places side by side"),
        ("id: smoke-1", 'match: "{a}-{a}"', "sites[0].devices[0].match", "redefinition of group name"),
        ("id: smoke-1", 'match: "smoke-{1..2}"', "sites[0].devices[0].match", "a range stands in an id only"),
        ("zone: garage", 'zone: "gar{n}"', "sites[0].devices[0].zone", "{n} has no value here"),
        ("zone: garage", "zone: lane", "sites[0].devices[0].zone", "there is no zone lake/lane"),
        ("kind: garage}", "kind: garage, building: b1}", "sites[0].zones[0].building", "there is no building b1"),
        (
            "kind: garage}",
            "kind: garage, adjacent: [garage]}",
            "sites[0].zones[0].adjacent[0]",
            "said to adjoin itself",
        ),
        ("kind: garage}", "kind: garage, attributes: {a: [1]}}", "sites[0].zones[0].attributes.a", "is no attribute"),
        ("en: Garage", 'en: "Garage {1}"', "sites[0].zones[0].name.en", "is neither a variable"),
        ('["*"]', "[lake/lane]", "stations[0].zones[0]", "there is no zone lake/lane"),
        ('["*"]', '["lane/*"]', "stations[0].zones[0]", "no zone fits lane/*"),
        ("[phones]", "[phone]", "stations[0].recipients[0]", "there is no channel phone"),
        ("[phones]", "[phones, phones]", "stations[0].recipients[1]", "the channel phones stands twice"),
        ("[phones]", "[]", "stations[0].recipients", "has neither recipients nor people"),
        (
            "[phones]",
            "[{channel: phones, kinds: [FAULT]}]",
            "stations[0].recipients",
            "no recipient of it hears of FIRE",
        ),
        ("{env: API_TOKEN}", "short", "api.token", "is too short"),
        ("{env: API_TOKEN}", "{file: none}", "api.token", "none cannot be read: No such file or directory"),
        ("{env: HOOK}", "{file: .}", "channels.phones.url", ". cannot be read: Is a directory"),
        ("{env: SIGNING}", "{env: NOT_SET}", "channels.phones.secrets[0]", "environment variable NOT_SET is not set"),
    ],
)
def test_a_mistake(tmp_path: Path, old: str, new: str, field: str, message: str) -> None:
    text = DAEMON + PLACES
    assert old in text
    found = mistakes(tmp_path, text.replace(old, new, 1))
    assert any(f": {field}: " in line and message in line for line in found), found


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("mqtt: {topics: ['wl/#/up']}", "not a topic filter"),
        ("mqtt: {topics: ['wl/a+/up']}", "not a topic filter"),
        ("mqtt: {topics: []}", "is empty"),
        ("mqtt: {password: abc}", "a password without a username"),
        ("mqtt: {batch_limit: 6000}", "batch_limit is larger than inbox_limit"),
        ("mqtt: {keepalive: 1s}", "is out of bounds (write 5s to 18h)"),
        ("mqtt: {port: 0}", "is too small (write 1 or more)"),
        ("mqtt: {port: 70000}", "is too large (write 65535 or less)"),
        ("mqtt: {tls: {certificate: site.yaml}}", "certificate and key come together"),
        ("mqtt: {tls: {ca: none.pem}}", "there is no file none.pem"),
        ("mqtt: {tls: {insecure: 'no'}}", "is neither true nor false"),
        ("mqtt: 5", "is not a mapping"),
        ("data: {retention: {tape_max_bytes: 20}}", "not a size"),
        ("data: {retention: {tape_days: 1.5}}", "is not a whole number"),
        ("data: {retention: {tape_days: true}}", "is not a whole number"),
        ("history: {kind: influxdb, url: 'http://u:p@h', database: x}", "holds a user name or password"),
        ("history: {kind: influxdb, url: 'http://h'}", "needs one place to write to"),
        ("history: {kind: influxdb, url: 'http://h', bucket: b, token: t, password: p}", "two ways to log in"),
        ("history: [{kind: embedded}, {kind: embedded}]", "the history embedded stands twice"),
        ("history: {kind: embedded, raw_days: 100}", "coarser values are kept at least as long"),
        ("history: {}", "kind is missing"),
        ("books: []", "is empty"),
        ("sla: {FIRE: {dispatch: 2m, on_scene: 1m}}", "the deadlines do not follow each other"),
        ("sla: {FIER: 1-3-5}", "unknown field (did you mean FIRE?)"),
        ("quality: {future_tolerance: .inf}", "not a duration"),
    ],
)
def test_a_mistaken_section(tmp_path: Path, section: str, message: str) -> None:
    found = mistakes(tmp_path, DAEMON + PLACES + section + "\n")
    assert any(message in line for line in found), found
    last = (DAEMON + PLACES).count("\n") + 1
    assert all(line.startswith(f"{last}:") for line in found), found


def test_a_zone_nobody_comes_to(tmp_path: Path) -> None:
    text = DAEMON + PLACES.replace("    devices:", "      - {id: lane, name: L, kind: fire_lane}\n    devices:")
    text = text.replace('["*"]', "[lake/garage]")
    assert mistakes(tmp_path, text) == [
        (
            f"{located(text, '{id: lane')}: sites[0].zones[1]: no station covers the zone lake/lane"
            ' (name it under stations: zones:, or write "*" there)'
        )
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"sites: [", "not valid YAML"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b"- a list\n", "is not a mapping"),
        (b"api: {token: x}\napi: {token: y}\n", "this key stands twice"),
        (b"", "is missing"),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "site.yaml").write_bytes(content)
    with pytest.raises(Mistakes, match=message):
        load(tmp_path / "site.yaml", ENVIRON)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(Mistakes, match=r"nowhere\.yaml:1:1: cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml", ENVIRON)


# --- secrets ----------------------------------------------------------------------------------------------------------

SECRETS = """
mqtt: {username: u, password: {file: secrets/mqtt}}
history: {kind: influxdb, url: "http://db", bucket: b, token: plain-token-nobody-knows}
"""
HIDDEN = ("nobody-knows", SIGNING.removeprefix("whsec_"))


@pytest.fixture
def with_secrets(tmp_path: Path) -> Settings:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "mqtt").write_text("mqtt-nobody-knows\n")
    return settings(tmp_path, DAEMON + PLACES + SECRETS)


def test_secrets_are_read_from_where_they_stand(with_secrets: Settings, tmp_path: Path) -> None:
    assert with_secrets.mqtt.password is not None
    assert with_secrets.mqtt.password.get_secret_value() == "mqtt-nobody-knows", "without the line's end"
    assert with_secrets.api.token.get_secret_value() == ENVIRON["API_TOKEN"]
    assert with_secrets.secret_files == (tmp_path / "secrets" / "mqtt",)
    assert with_secrets.plain_secrets == ("history[0].token",)


def test_no_secret_is_shown(with_secrets: Settings) -> None:
    shown = describe(with_secrets)
    everything = repr(with_secrets) + str(with_secrets) + repr(shown) + with_secrets.model_dump_json()
    assert not any(secret in everything for secret in HIDDEN)
    described = dict(shown)
    assert described["mqtt.password"] == "a secret, from file secrets/mqtt"
    assert described["history[0].token"] == "a secret, from the site file"
    assert described["channels.phones.url"] == "a secret, from environment variable HOOK"
    assert described["mqtt.keepalive"] == "1m"
    assert described["devices"] == "1 listed, 0 patterns"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{env: API_TOKEN}", "nobody-knows"),
        ("{env: HOOK}", "ftp://nobody-knows"),
        ("{env: SIGNING}", "nobody-knows"),
        ("{kind: webhook", "{kind: nothing, token: nobody-knows"),
        ("api: {token: {env: API_TOKEN}}", "api: {token: [nobody-knows]}"),
        ("api: {token: {env: API_TOKEN}}", "api: nobody-knows"),
        ("api:", "mqtt: {password: nobody-knows}\nhistory: {kind: influxdb, url: 'http://nobody-knows:x@h'}\napi:"),
    ],
)
def test_no_secret_is_shown_in_a_mistake(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(Mistakes) as caught:
        settings(tmp_path, (DAEMON + PLACES).replace(old, new, 1))
    error: BaseException | None = caught.value
    while error is not None:
        assert "nobody-knows" not in repr(error) + str(error)
        error = error.__cause__


# --- books ------------------------------------------------------------------------------------------------------------


def test_books_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    for name in ("b.yaml", "a.yaml", "a.test.yaml", "notes.txt"):
        (tmp_path / "books" / name).write_text(f"# {name}")
    s = settings(tmp_path, DAEMON + PLACES + "books: [books, books/b.yaml]\n")
    assert s.book_texts() == [
        (str(tmp_path / "books" / "a.yaml"), "# a.yaml"),
        (str(tmp_path / "books" / "b.yaml"), "# b.yaml"),
    ]


def test_the_shipped_books(tmp_path: Path) -> None:
    there = sorted((ROOT / "rules" / "books").glob("*.yaml"))
    texts = settings(tmp_path, DAEMON + PLACES).book_texts()
    assert [name for name, _ in texts] == [f"shipped:{file.stem}" for file in there]
    assert "shipped:garage" in dict(texts)
    one = settings(tmp_path, DAEMON + PLACES + "books: shipped:garage\n").book_texts()
    assert one == [("shipped:garage", (ROOT / "rules" / "books" / "garage.yaml").read_text("utf-8"))]


def test_books_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    text = DAEMON + PLACES + "books: [shipped:garag, none.yaml, empty]\n"
    with pytest.raises(Mistakes) as caught:
        settings(tmp_path, text).book_texts()
    line = (DAEMON + PLACES).count("\n") + 1
    assert [str(m).partition("site.yaml:")[2] for m in caught.value.mistakes] == [
        f"{line}:9: books[0]: no book garag is shipped (did you mean garage?)",
        f"{line}:24: books[1]: none.yaml cannot be read: No such file or directory (check the path)",
        f"{line}:35: books[2]: empty holds no rule book (rule books end in .yaml)",
    ]


def test_books_that_cannot_be_read_are_named_one_by_one(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "a.yaml").write_bytes("version: 1\n# 烟\n".encode("gbk"))
    (folder / "b.yaml").mkdir()
    os.mkfifo(folder / "c.yaml")
    (folder / "d.yaml").symlink_to("d.yaml")
    with (folder / "e.yaml").open("wb") as large:
        large.truncate(5_000_000_000)
    with pytest.raises(Mistakes) as caught:
        settings(tmp_path, DAEMON + PLACES + "books: books\n").book_texts()
    assert [str(m).partition("/books/")[2] for m in caught.value.mistakes] == [
        "a.yaml:2:1: is not UTF-8 text (save the file as UTF-8)",
        "b.yaml:1:1: cannot be read: it is a folder (a rule book is a file that ends in .yaml)",
        "c.yaml:1:1: cannot be read: it is no file (check the path)",
        "d.yaml:1:1: cannot be read: Too many levels of symbolic links (check the path)",
        "e.yaml:1:1: the file has 5000000000 bytes; at most 1000000 characters are read (split it)",
    ]


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("250ms", 250_000),
        ("10s", 10 * SECOND),
        ("1h30m", 90 * MINUTE),
        ("7d", 168 * HOUR),
        ("0s", 0),
        ("5m", 5 * MINUTE),
    ],
)
def test_durations(text: str, micros: int) -> None:
    assert read_duration(text) == micros
    assert write_duration(micros) == text


@pytest.mark.parametrize("text", ["", "5", "5 s", "-5s", "5s1m", "1.5h", "m", 5, None, True])
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("20GB", 20_000_000_000), ("512MiB", 512 << 20), ("1.5 kB", 1500), ("7B", 7), ("1TiB", 1 << 40)]
)
def test_sizes(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "20", "20gb", "GB", "-1GB", 20, None])
def test_what_is_no_size(text: Any) -> None:
    with pytest.raises(ValueError, match="not a size"):
        read_size(text)


# --- what is shipped --------------------------------------------------------------------------------------------------


def test_the_example_is_right(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "site.example.yaml").read_text("utf-8")
    names = set(re.findall(r"\{env: (\w+)\}", text))
    mobiles = {name: "13800000000" for name in names if name.endswith("_MOBILE")}
    environ = dict.fromkeys(names, "x" * 20) | mobiles
    environ |= {
        "WANGLOU_HANDOVER_URL": "https://street.example/incidents",
        "WANGLOU_WEBHOOK_URL": "https://phones.example/call",
        "WANGLOU_WEBHOOK_SECRET": SIGNING,
    }
    assert names == {*environ}
    s = settings(tmp_path, text, **environ)
    assert s.plain_secrets == ()
    n = s.neighbourhood()
    assert (len(n.zones), len(n.devices)) == (17, 43)
    kinds = {d.kind for d in n.devices.values()} | {p.kind for p in n.patterns}
    assert kinds >= {"smoke_detector", "thermal_camera", "camera", "charger"}
    kitchen = n.device("lakeside/b1-f3-smoke-kitchen")
    assert kitchen is not None
    assert kitchen.zone == "lakeside/b1-f3"
    assert all(n.stations_of(zone) for zone in n.zones)
    weak = weaknesses(s.ground.zones, s.ground.stations, s.plan)
    assert [f.detail for f in weak] == [], "somebody hears of a fire over two kinds of channel at every hour"


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model that a field may hold, itself and all below it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for info in annotation.model_fields.values():
            yield from models(info.annotation)
    elif get_origin(annotation) in (Annotated, Union, UnionType, tuple, list, dict):
        for argument in get_args(annotation):
            yield from models(argument)


def test_every_field_is_described() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    found = set(models(Settings))
    assert len(found) > 15
    missing = [f"{model.__name__}.{name}" for model in found for name in model.model_fields if f"`{name}`" not in text]
    assert missing == []


def test_the_examples_of_the_document_are_right(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 5
    (tmp_path / "certs").mkdir()
    for name in ("ca.pem", "wanglou.pem", "wanglou.key"):
        (tmp_path / "certs" / name).write_text("pem")
    whole: dict[str, Any] = {}
    for block in blocks:
        whole |= yaml.safe_load(block)
    names = set(re.findall(r"\{env: (\w+)\}", text)) - {"NAME"}
    environ = dict.fromkeys(names, "x" * 20) | {"WEBHOOK_URL": ENVIRON["HOOK"], "WEBHOOK_SECRET": SIGNING}
    environ |= {name: "13800000000" for name in names if name.endswith("_MOBILE")}
    (tmp_path / "secrets").mkdir()
    for name in re.findall(r"\{file: secrets/([\w-]+)\}", text):
        (tmp_path / "secrets" / name).write_text("13800000000")
    s = settings(tmp_path, yaml.safe_dump(whole, allow_unicode=True), **environ)
    assert len(s.channels) == 5
