"""The doctor, on good and on broken ground: real files, sockets, certificates and a real broker on loopback."""

from __future__ import annotations

import asyncio
import io
import socket
import sqlite3
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from monitor import doctor
from monitor.adapters.mqtt_tap import BrokerAddress, probe
from monitor.clock import FakeClock
from monitor.doctor import Finding, Level, examine, exit_code, report
from monitor.ports import Bucket, NeverWill, Point, TryAgain
from monitor.settings import Settings, load
from rules.model import MINUTE, SECOND, Micros, Push, Text
from rules.schedules import SHIPPED
from tests.servers import free_port, mosquitto

BOOK = """
version: 1
rules:
  - {id: smoke, kind: FIRE, devices: [smoke_detector], when: smoke, title: {zh: 烟, en: Smoke}}
"""
SITE = """
mqtt: {host: 127.0.0.1, port: %(broker)s%(mqtt)s}
api: {port: %(api)s, token: {file: token}}
books: [book.yaml]
data: {retention: {tape_max_bytes: 10MB}}
channels:
  phones: {kind: webhook, url: "http://127.0.0.1:9/"}
  group: {kind: wecom, key: {file: token}}
  topics: {kind: mqtt}
sites:
  - id: lake
    name: 湖畔
    zones: [{id: garage, name: 车库, kind: garage}, {id: lane, name: 通道, kind: fire_lane}]
    devices: [{id: smoke-1, kind: %(kind)s, zone: garage}]
stations:
  - {id: gate, name: {zh: 南门, en: South gate}, zones: ["*"], recipients: [%(recipients)s]%(staff)s}%(more)s
%(people)s"""


@dataclass
class Scripted:
    """A channel or history whose check answers as told."""

    name: str
    answer: str | Exception = "ready"

    async def check(self) -> str:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def aclose(self) -> None: ...


class Channel(Scripted):
    async def send(self, push: Push, *, attempt: int) -> str:
        raise AssertionError("the doctor pages nobody")


class History(Scripted):
    async def write(self, points: Sequence[Point]) -> None:
        raise AssertionError("the doctor writes no reading")

    async def read(
        self, device: str, kind: str, quantity: str, start: Micros, stop: Micros, limit: int
    ) -> list[tuple[Micros, float]]:
        raise AssertionError("the doctor reads no series")

    async def buckets(
        self, device: str, kind: str, quantity: str, start: Micros, stop: Micros, step: Micros
    ) -> list[Bucket]:
        raise AssertionError("the doctor reads no series")


async def logged_in() -> str:
    return "login accepted"


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@dataclass
class Patient:
    """A site in a folder, with everything in order until a test breaks something."""

    folder: Path
    words: dict[str, str] = field(
        default_factory=lambda: {
            "api": str(free_port()),
            "broker": "0",
            "mqtt": "",
            "kind": "smoke_detector",
            "recipients": "phones, group, topics",
            "staff": "",
            "more": "",
            "people": "",
        }
    )
    clock: FakeClock = field(default_factory=FakeClock)
    synchronized: bool | None = True

    def __post_init__(self) -> None:
        self.write("book.yaml", BOOK)
        self.write("token", "a-token-nobody-knows")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")
        (self.folder / name).chmod(0o600)

    def settings(self) -> Settings:
        self.write("site.yaml", SITE % self.words)
        return load(self.folder / "site.yaml", {})

    async def examined(
        self,
        settings: Settings | None = None,
        *,
        channels: Mapping[str, Exception] | None = None,
        histories: Mapping[str, str | Exception] | None = None,
    ) -> list[Finding]:
        answers = channels or {}
        return await examine(
            settings or self.settings(),
            channels={name: Channel(name, answers.get(name, "ready")) for name in ("phones", "group", "topics")},
            histories={
                name: History(name, answer)
                for name, answer in ({"db": "ready"} if histories is None else histories).items()
            },
            broker_check=logged_in,
            synchronized=lambda: self.synchronized,
            clock=self.clock,
        )


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[Patient]:
    server = await asyncio.start_server(says_nothing, "127.0.0.1", 0)
    async with server:
        patient = Patient(tmp_path)
        patient.words["broker"] = str(server.sockets[0].getsockname()[1])
        yield patient


def of(findings: list[Finding], what: str) -> list[Finding]:
    return [f for f in findings if f.what.en == what]


def one(findings: list[Finding], what: str) -> Finding:
    (finding,) = of(findings, what)
    return finding


async def test_all_is_well(patient: Patient) -> None:
    findings = await patient.examined()
    assert [(f.what.en, f.level) for f in findings if f.what.en != "durable writes"] == [
        ("settings", Level.OK),
        ("rule books", Level.OK),
        ("linkage", Level.OK),
        ("data folder", Level.OK),
        ("broker", Level.OK),
        ("history", Level.OK),
        ("channel", Level.OK),
        ("channel", Level.OK),
        ("channel", Level.OK),
        ("reach", Level.OK),
        ("ladder", Level.WARN),
        ("API", Level.OK),
        ("clock", Level.OK),
    ]
    durable = one(findings, "durable writes")
    assert durable.level in (Level.OK, Level.WARN), "a slow disk is no reason to fail this test"
    assert f"SQLite {sqlite3.sqlite_version}: a synced commit takes" in durable.detail
    assert exit_code(findings) == 0
    assert sorted(p.name for p in patient.folder.iterdir()) == ["book.yaml", "site.yaml", "token"], "nothing is left"


async def test_what_rules_may_do_to_devices_is_said(patient: Patient) -> None:
    found = one(await patient.examined(), "linkage")
    assert (found.level, found.detail) == (Level.OK, "dry-run: 0 rules command devices, the site allows nothing")
    patient.words["mqtt"] = "}\nlinkage: {mode: armed"
    found = one(await patient.examined(), "linkage")
    assert (found.level, found.remedy.partition(":")[0]) == (Level.WARN, "armed, and nothing is allowed")
    patient.words["mqtt"] += ", allow: [{command: sound, devices: lake/siren-1}]"
    patient.write(
        "book.yaml",
        BOOK.replace("when: smoke,", "when: smoke, linkage: [{command: sound, at: {kind: siren, in: zone}}],"),
    )
    found = one(await patient.examined(), "linkage")
    assert (found.level, found.detail) == (Level.OK, "armed: 1 rules command devices, the site allows sound")


async def test_files_open_to_others(patient: Patient) -> None:
    settings = patient.settings()
    (patient.folder / "token").chmod(0o644)
    settings.file.chmod(0o666)
    findings = await patient.examined(settings)
    assert one(findings, "settings").level is Level.BAD
    secret = one(findings, "secret file")
    assert (secret.level, secret.remedy) == (Level.WARN, "chmod 600 token")


async def test_a_plain_secret_that_others_can_read(patient: Patient) -> None:
    settings = patient.settings()
    settings.file.chmod(0o644)
    found = one(await patient.examined(settings), "settings")
    assert found.level is Level.WARN
    assert "channels.phones.url" in found.detail
    assert "127.0.0.1:9" not in found.detail


async def test_a_faulty_book(patient: Patient) -> None:
    patient.write("book.yaml", BOOK.replace("when: smoke", "when: smok"))
    findings = await patient.examined()
    found = one(findings, "rule books")
    assert found.level is Level.BAD
    assert "book.yaml:4:" in found.detail
    assert exit_code(findings) == 1


async def test_devices_that_no_rule_watches(patient: Patient) -> None:
    patient.words["kind"] = "smoke_detecter"
    found = one(await patient.examined(), "unwatched")
    assert (found.level, found.remedy) == (Level.WARN, "did you mean smoke_detector?")
    assert "smoke_detecter (1 listed)" in found.detail


async def test_a_year_of_which_the_holidays_are_not_known_is_told_in_time(patient: Patient) -> None:
    known, unknown = (
        FakeClock(round(datetime(max(SHIPPED.years), month, 15, tzinfo=UTC).timestamp()) * SECOND) for month in (11, 12)
    )
    patient.clock = unknown
    assert not [f for f in await patient.examined() if f.what.en == "holidays"]
    patient.write("book.yaml", BOOK.replace("when: smoke", "when: smoke and workday()"))
    found = one(await patient.examined(), "holidays")
    assert (found.level, f"{max(SHIPPED.years) + 1} are not known: for smoke weekends" in found.detail) == (
        Level.WARN,
        True,
    )
    assert f"`calendar: {{{max(SHIPPED.years) + 1}: {{off: […], on: […]}}}}` into a rule book" in found.remedy
    patient.clock = known
    assert not [f for f in await patient.examined() if f.what.en == "holidays"]
    patient.clock = unknown
    patient.write(
        "book.yaml",
        f"calendar: {{{max(SHIPPED.years) + 1}: {{off: [05-01]}}}}\n"
        + BOOK.replace("when: smoke", "when: smoke and workday()"),
    )
    assert not [f for f in await patient.examined() if f.what.en == "holidays"]


async def test_a_siren_is_there_to_be_commanded(patient: Patient) -> None:
    patient.words["kind"] = "siren"
    assert one(await patient.examined(), "unwatched").detail == "no rule watches devices of the kind siren (1 listed)"
    sounds = "when: smoke, linkage: [{command: sound, at: {kind: siren, in: zone}}]"
    patient.write("book.yaml", BOOK.replace("when: smoke", sounds))
    assert of(await patient.examined(), "unwatched") == []


async def test_a_short_tape(patient: Patient) -> None:
    patient.words["mqtt"] = "}\ndata: {retention: {tape_days: 30, tape_max_bytes: 10MB}"
    text = (SITE % patient.words).replace("data: {retention: {tape_max_bytes: 10MB}}\n", "")
    patient.write("site.yaml", text)
    found = one(await patient.examined(load(patient.folder / "site.yaml", {})), "retention")
    assert found.level is Level.WARN
    assert "GB/T 45839-2025 5.9.5" in found.detail


async def test_a_data_folder_that_cannot_be(patient: Patient) -> None:
    patient.write("data", "a file stands in the way")
    findings = await patient.examined()
    assert one(findings, "data folder").level is Level.BAD
    assert of(findings, "durable writes") == []


async def test_a_tape_larger_than_the_disk(patient: Patient) -> None:
    text = (SITE % patient.words).replace("10MB", "9000TB")
    patient.write("site.yaml", text)
    found = one(await patient.examined(load(patient.folder / "site.yaml", {})), "data folder")
    assert found.level in (Level.WARN, Level.BAD)
    assert "tape may take 9000000.0 GB" in found.detail


async def test_no_broker(patient: Patient) -> None:
    patient.words["broker"] = str(free_port())
    findings = await patient.examined()
    found = one(findings, "broker")
    assert found.level is Level.BAD
    assert "cannot be reached" in found.detail
    assert exit_code(findings) == 1


async def test_channels_and_histories_that_refuse(patient: Patient) -> None:
    findings = await patient.examined(
        channels={"phones": TryAgain("status 503"), "group": NeverWill("invalid key")},
        histories={"a": "ready", "b": TryAgain("connection refused")},
    )
    assert [(f.level, f.detail) for f in of(findings, "history")] == [
        (Level.OK, "a: ready"),
        (Level.BAD, "b: connection refused"),
    ]
    assert [(f.level, f.detail) for f in of(findings, "channel")] == [
        (Level.BAD, "phones: status 503"),
        (Level.BAD, "group: invalid key"),
        (Level.OK, "topics: ready"),
    ]


async def test_no_history(patient: Patient) -> None:
    assert one(await patient.examined(histories={}), "history").level is Level.WARN


@pytest.mark.parametrize(
    ("recipients", "broken", "level"),
    [
        ("phones, group", (), Level.OK),
        ("phones, group", ("phones",), Level.WARN),
        ("phones, topics", (), Level.WARN),
        ("topics", (), Level.WARN),
        ("phones, topics", ("phones",), Level.BAD),
        ("phones, {channel: group, kinds: [PREALARM]}", (), Level.WARN),
        ("phones, {channel: group, kinds: [PREALARM]}", ("phones",), Level.BAD),
        ("phones, group", ("phones", "group"), Level.BAD),
    ],
)
async def test_whom_a_fire_reaches(patient: Patient, recipients: str, broken: tuple[str, ...], level: Level) -> None:
    patient.words["recipients"] = recipients
    findings = await patient.examined(channels=dict.fromkeys(broken, TryAgain("gone")))
    found = one(findings, "reach")
    assert found.level is level
    assert found.detail.startswith("fires of 2 zones reach 南门 South gate over")
    assert found.detail.endswith(", at every hour")
    assert ("5.10.4" in found.remedy) is (level is Level.WARN)


async def test_who_is_on_duty_and_who_follows(patient: Patient) -> None:
    """A site with people: a night without anybody, a neighbour for the garage alone, and a leader who sleeps."""
    patient.words["recipients"] = "group"
    patient.words["people"] = """
people:
  - {id: a, name: 值班员, role: responder, channels: [phones, group]}
  - {id: boss, name: 值班站长, role: leader, channels: [phones], quiet: "22:00-07:00"}
"""
    patient.words["staff"] = ", people: [boss], shifts: [{name: day, hours: '08:00-20:00', people: [a]}]"
    patient.words["more"] = (
        "\n  - {id: west, name: 西门, zones: [lake/garage], recipients: [group], neighbours: [gate]}"
    )
    findings = await patient.examined()
    assert [(f.level, f.detail) for f in of(findings, "reach")] == [
        (
            Level.OK,
            "fires of 2 zones reach 南门 South gate over group, phones, at every hour; 2 people are called by name",
        )
    ], "quiet hours do not matter to a fire"
    assert [(f.level, f.detail) for f in of(findings, "on duty")] == [
        (Level.WARN, "nobody is on duty at 南门 South gate: Mon-Sun 20:00-08:00"),
    ]
    assert of(findings, "ladder") == []
    assert exit_code(findings) == 0


async def test_hours_at_which_a_fire_reaches_too_little(patient: Patient) -> None:
    patient.words["recipients"] = "group"
    patient.words["people"] = "\npeople: [{id: a, name: 值班员, role: responder, channels: [phones, group]}]\n"
    patient.words["staff"] = ", shifts: [{name: day, hours: '08:00-20:00', people: [a]}]"
    found = one(await patient.examined(), "reach")
    assert (found.level, found.detail) == (
        Level.WARN,
        "fires of 2 zones reach 南门 South gate over group only, Mon-Sun 20:00-08:00",
    )
    findings = await patient.examined(channels={"group": TryAgain("gone")})
    assert [(f.level, f.detail.partition(" over ")[2]) for f in of(findings, "reach")] == [
        (Level.BAD, "no channel that works, Mon-Sun 20:00-08:00"),
        (Level.WARN, "phones only, Mon-Sun 08:00-20:00"),
    ]
    assert exit_code(findings) == 1


async def test_neighbours_and_those_above_come_too_late_to_be_the_second_kind(patient: Patient) -> None:
    patient.words["recipients"] = "group"
    patient.words["more"] = "\n  - {id: '119', name: 消防, zones: ['*'], recipients: [phones], authority: true}"
    assert [(f.level, f.detail) for f in of(await patient.examined(), "reach")] == [
        (
            Level.WARN,
            "fires of 2 zones reach 南门 South gate over group only within 15 s, later also phones, at every hour",
        )
    ]
    patient.words["people"] = "\npeople: [{id: boss, name: 站长, role: leader, channels: [phones]}]\n"
    patient.words["staff"] = ", people: [boss]"
    late = "ladders: {FIRE: {rungs: [{after: 15s, call: [station]}], repeat: [leader]}}"
    assert one(await patient.examined(), "reach").level is Level.OK, (
        "the leader is called after 5 s where two kinds fail"
    )
    patient.words["people"] = f"\n{late}\n"
    patient.words["staff"] = ""
    (found,) = of(await patient.examined(), "reach")
    assert (found.level, found.detail.partition(" over ")[2]) == (
        Level.WARN,
        "no channel within 15 s, later also group, at every hour",
    )


async def test_pre_alarms_in_quiet_hours_and_rungs_that_reach_nobody(patient: Patient) -> None:
    patient.words["recipients"] = "{channel: group, kinds: [FIRE]}"
    patient.words["people"] = """
people: [{id: a, name: 值班员, role: responder, channels: [phones], quiet: "22:00-07:00"}]
ladders:
  FIRE: {rungs: [{after: 0s, call: [station]}, {after: 20s, call: [leader, manager]}], repeat: [duty]}
"""
    patient.words["staff"] = ", people: [a]"
    findings = await patient.examined()
    assert [f.detail for f in of(findings, "ladder")] == [
        "the rung after 20s (leader, manager) reaches nobody of lake/garage, lake/lane: at every hour"
    ]
    assert [f.detail for f in of(findings, "on duty")] == [
        "pre-alarms of lake/garage, lake/lane reach nobody: Mon-Sun 22:00-07:00"
    ]


async def test_a_port_in_use(patient: Patient) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(patient.words["api"])))
        other.listen()
        found = one(await patient.examined(), "API")
    assert found.level is Level.WARN
    assert "is in use" in found.detail


async def test_an_open_api_and_a_foreign_address(patient: Patient) -> None:
    port = patient.words["api"]
    patient.words["api"] = f"{port}, host: 0.0.0.0"
    found = one(await patient.examined(), "API")
    assert (found.level, "without TLS" in found.detail) == (Level.WARN, True)
    patient.words["api"] = f"{port}, host: 192.0.2.1"
    assert one(await patient.examined(), "API").level is Level.BAD


async def test_clocks(patient: Patient) -> None:
    patient.synchronized = False
    assert one(await patient.examined(), "clock").level is Level.WARN
    patient.synchronized = None
    found = one(await patient.examined(), "clock")
    assert (found.level, "does not tell" in found.detail) == (Level.WARN, True)
    patient.synchronized = True
    patient.clock.step(MINUTE)
    found = one(await patient.examined(), "clock")
    assert (found.level, "+60.0 s" in found.detail) == (Level.WARN, True)
    patient.clock = FakeClock(1000 * SECOND)
    assert one(await patient.examined(), "clock").level is Level.BAD


def test_the_kernel_is_asked_without_changing_anything() -> None:
    assert doctor.kernel_synchronized() in (True, False, None)


def test_the_report_is_read_by_people() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    findings = [
        Finding(Level.OK, Text("规则", "rule books"), "20 rules"),
        Finding(Level.BAD, Text("推送渠道", "channel"), "[red]phones[/red]: gone", "mend it"),
    ]
    console.print(report(findings))
    text = console.export_text()
    assert "正常 ok" in text
    assert "推送渠道 channel" in text
    assert "[red]phones[/red]: gone" in text, "what a device is called is not markup"
    assert "→ mend it" in text
    assert "1 正常 ok · 0 注意 warn · 1 故障 bad" in text


def test_warnings_alone_are_no_failure() -> None:
    assert exit_code([Finding(Level.WARN, Text("时钟", "clock"), "")]) == 0
    assert exit_code([]) == 0


# --- certificates and a real broker -----------------------------------------------------------------------------------


def certificate(folder: Path, days: int) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1 and its key."""
    pem, key = folder / "ca.pem", folder / "ca.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", str(days), "-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(pem)),
        ],
        check=True,
        capture_output=True,
    )
    return pem, key


@asynccontextmanager
async def tls_server(pem: Path, key: Path) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    server = await asyncio.start_server(says_nothing, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(("days", "levels"), [(90, [Level.OK]), (10, [Level.OK, Level.WARN])])
async def test_a_certificate(patient: Patient, days: int, levels: list[Level]) -> None:
    async with tls_server(*certificate(patient.folder, days)) as port:
        patient.words |= {"broker": str(port), "mqtt": ", tls: {ca: ca.pem}"}
        found = of(await patient.examined(), "broker")
    assert [f.level for f in found] == levels
    if days == 10:
        assert "ends in 10 days" in found[1].detail


async def test_a_certificate_nobody_vouches_for(patient: Patient) -> None:
    async with tls_server(*certificate(patient.folder, 90)) as port:
        patient.words |= {"broker": str(port), "mqtt": ", tls: {}"}
        found = one(await patient.examined(), "broker")
        assert (found.level, "does not agree on TLS" in found.detail) == (Level.BAD, True)
        patient.words["mqtt"] = ", tls: {insecure: true}"
        levels = [f.level for f in of(await patient.examined(), "broker")]
        assert levels == [Level.OK, Level.WARN]


@pytest.mark.live
async def test_a_real_broker_lets_in_whom_it_knows(patient: Patient) -> None:
    passwords = patient.folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "wanglou", "right"], check=True)
    passwords.chmod(0o644)
    with mosquitto(patient.folder / "broker", allow_anonymous=False, password_file=str(passwords)) as broker:
        patient.words["broker"] = str(broker.port)
        for password, level in (("right", Level.OK), ("wrong", Level.BAD)):
            patient.words["mqtt"] = f", username: wanglou, password: {password}"
            settings = patient.settings()
            mqtt = settings.mqtt
            findings = await examine(
                settings,
                channels={},
                histories={},
                broker_check=partial(probe, BrokerAddress(mqtt.host, mqtt.port, mqtt.username, mqtt.password)),
                synchronized=lambda: True,
            )
            found = one(findings, "broker")
            assert found.level is level
            assert password not in found.detail
