"""The command line as its users meet it: record, replay, backup, doctor, rules check; what goes wrong is said in plain words."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from rules.response import rfc3339
from tests.commands import Ended, begin, wanglou, weighed
from tests.publisher import Neighbours, Outgoing, publish
from tests.running import BOOK, TOKEN, Hook, Wanglou, hook, site, taped
from tests.servers import Mosquitto, free_port, mosquitto

pytestmark = pytest.mark.live

START = datetime(2026, 11, 22, 0, 0, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:9/hook"
SECRET = "a-secret-nobody-may-read-41c7"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as server:
        yield server


@pytest.fixture
def hearing() -> Iterator[Hook]:
    with hook() as heard:
        yield heard


def change(config: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Edit a site file."""
    data = yaml.safe_load(config.read_text("utf-8"))
    change(data)
    config.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")


def line(seconds: float, device: str = "smoke-1", **values: Any) -> str:
    """A line of a tape, `seconds` after START."""
    at = (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
    return json.dumps({"at": at, "topic": f"wl/site0/{device}/up", "payload": {"at": at, **values}}) + "\n"


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(lines), "utf-8")
    return path


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """A site file; nothing of it runs."""
    return site(tmp_path / "site", mqtt=free_port(), webhook=NOWHERE)


# --- record ----------------------------------------------------------------------------------------------------------


@contextmanager
def recording(config: Path, tape: Path, *more: str) -> Iterator[None]:
    """`wanglou record`, listening when the block is entered, ended by Ctrl-C. A retained message tells when it listens."""
    process = begin("record", "--output", tape, "--config", config, *more, cwd=config.parent)
    try:
        wait(lambda: tape.exists() and tape.read_text("utf-8"), "the retained message is on the tape")
        yield
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.communicate()
    count = len(tape.read_text("utf-8").splitlines())
    assert (process.returncode, out, err) == (0, "", f"{count} messages in {tape}\n")


def wait(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, f"not within 30 s: {what}"
        time.sleep(0.02)


def test_a_recording_played_again(tmp_path: Path, broker: Mosquitto) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=NOWHERE)
    tape = tmp_path / "tape.jsonl"
    publish(broker.port, [Outgoing("wl/site0/smoke-1/status", b"online", retain=True)])
    sent = [
        Outgoing("wl/site0/smoke-1/up", b'{"smoke_density":0.1}'),
        Outgoing("wl/site0/smoke-1/up", '{"smoke_density":0.9,"note":"烟"}'.encode()),
        Outgoing("wl/site0/smoke-1/up", b"\xff\x00\xfe no text"),
        Outgoing("wl/site0/smoke-1/up", b'{"smoke_density":0.1}'),
    ]
    with recording(config, tape):
        publish(broker.port, sent)
        wait(lambda: len(tape.read_text("utf-8").splitlines()) == 5, "all on the tape")
    lines = [json.loads(text) for text in tape.read_text("utf-8").splitlines()]
    online = {"topic": "wl/site0/smoke-1/status", "payload": "online", "qos": 1, "retain": True}
    assert lines[0] | {"at": ""} == {"at": "", **online}
    assert [entry.get("payload", entry.get("payload_base64")) for entry in lines[1:]] == [
        '{"smoke_density":0.1}', '{"smoke_density":0.9,"note":"烟"}', "/wD+IG5vIHRleHQ=", '{"smoke_density":0.1}',
    ]  # fmt: skip
    assert [(entry["qos"], entry["retain"]) for entry in lines[1:]] == [(1, False)] * 4
    moments = [datetime.fromisoformat(entry["at"]) for entry in lines]
    assert moments == sorted(moments)
    assert all(moment.utcoffset() is not None for moment in moments)
    ended = wanglou("replay", tape, "--config", config, cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert "5 条消息 messages · 1 起事件 incidents" in ended.out
    assert "Smoke  site0/smoke-1  smoke_density=0.9" in ended.out
    assert "quarantined: " in ended.out


def test_a_recording_of_some_topics_for_some_time(tmp_path: Path, broker: Mosquitto) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=NOWHERE)
    publish(broker.port, [Outgoing(f"{name}/x", b"kept", retain=True) for name in "abc"])
    arguments = ("record", "-o", "tape.jsonl", "--topic", "a/#", "--topic", "b/+", "--duration", "1.5")
    ended = wanglou(*arguments, "--config", config, cwd=tmp_path)
    assert (ended.code, ended.out, ended.err) == (0, "", "2 messages in tape.jsonl\n")
    topics = {json.loads(text)["topic"] for text in (tmp_path / "tape.jsonl").read_text().splitlines()}
    assert topics == {"a/x", "b/x"}


def test_a_recording_never_overwrites_and_leaves_nothing_when_nobody_is_there(tmp_path: Path, quiet: Path) -> None:
    tape = write(tmp_path / "tape.jsonl", "precious\n")
    ended = wanglou("record", "-o", tape, "--config", quiet, cwd=tmp_path)
    assert (ended.code, ended.err) == (2, f"{tape} exists already; a tape is never overwritten\n")
    assert tape.read_text() == "precious\n"
    change(quiet, lambda data: data["mqtt"].update(username="wanglou", password=SECRET))
    ended = wanglou("record", "-o", "other.jsonl", "--config", quiet, cwd=tmp_path)
    assert ended.code == 1
    assert "the broker at 127.0.0.1:" in ended.err
    assert "0 messages in other.jsonl" in ended.err
    assert SECRET not in ended.err
    assert not (tmp_path / "other.jsonl").exists()


def test_recording_disturbs_no_daemon(tmp_path: Path, broker: Mosquitto, hearing: Hook) -> None:
    """It comes as a guest with a session of its own: the daemon hears all of it too."""
    config = site(tmp_path / "site", mqtt=broker.port, webhook=hearing.url)
    publish(broker.port, [Outgoing("wl/site0/smoke-1/status", b"online", retain=True)])
    with Wanglou(config) as daemon:
        with recording(config, tmp_path / "tape.jsonl"):
            publish(broker.port, Neighbours(["site0/smoke-1"]).readings(500))
            wait(lambda: len((tmp_path / "tape.jsonl").read_text().splitlines()) >= 501, "on the tape")
            daemon.wait_for(lambda: daemon.metric('wanglou_messages_total{verdict="live"}') >= 500, "in the daemon")
        assert daemon.get("/api/v1/troubles")["items"] == []
        assert daemon.metric("wanglou_feed_connected") == 1


# --- replay ----------------------------------------------------------------------------------------------------------


def raised(ended: Ended) -> list[tuple[str, str]]:
    """(incident, when) of the lines of a replay."""
    parts = [text.split("  ") for text in ended.out.splitlines()]
    return [(words[1], words[0]) for words in parts if len(words) > 2 and words[2] == "报警 raised"]


@pytest.fixture
def watched(tmp_path: Path, broker: Mosquitto, hearing: Hook) -> Iterator[Wanglou]:
    """A daemon with zones of their own for eight detectors."""
    with Wanglou(site(tmp_path / "site", mqtt=broker.port, webhook=hearing.url, zones=8)) as daemon:
        yield daemon


def test_a_slice_of_the_ledger_raises_what_the_daemon_raised(
    tmp_path: Path, broker: Mosquitto, watched: Wanglou
) -> None:
    neighbours = Neighbours([f"site0/z{n}-smoke" for n in range(8)])
    middle = ""
    for n in (0, 3, 5):
        publish(broker.port, neighbours.readings(400))
        publish(broker.port, [neighbours.reading(f"site0/z{n}-smoke", 0.9)])
        watched.wait_for(lambda n=n: len(known(watched)) == [0, 3, 5].index(n) + 1, f"incident {n}")  # type: ignore[misc]
        if n == 3:
            time.sleep(1.1)  # --since takes whole seconds
            middle = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
            time.sleep(0.1)
    by_daemon = known(watched)
    data, config = watched.config.parent / "data", watched.config
    while_it_runs = wanglou("replay", data, "--config", config, cwd=tmp_path)
    assert (while_it_runs.code, while_it_runs.err) == (0, "")
    assert raised(while_it_runs) == by_daemon
    assert watched.stop() == 0
    afterwards = wanglou("replay", data, "--config", config, cwd=tmp_path)
    assert afterwards.out == while_it_runs.out
    assert "1,203 条消息 messages · 3 起事件 incidents" in afterwards.out
    later = wanglou("replay", data, "--since", middle, "--config", config, cwd=tmp_path, TZ="UTC")
    sooner = wanglou("replay", data, "--until", middle, "--config", config, cwd=tmp_path, TZ="UTC")
    assert [at for _, at in raised(sooner)] == [at for _, at in by_daemon[:2]]
    assert [at for _, at in raised(later)] == [at for _, at in by_daemon[2:]]
    assert "802 条消息" in sooner.out
    assert "401 条消息" in later.out


def known(daemon: Wanglou) -> list[tuple[str, str]]:
    """(incident, when) of what the daemon raised, oldest first, as a replay would print it."""
    items = daemon.get("/api/v1/incidents?limit=100")["items"]
    return sorted((i["id"], rfc3339(micros(i["raised_at"]))) for i in items)


def micros(moment: str) -> int:
    return (datetime.fromisoformat(moment) - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def test_deadlines_that_nobody_answers(tmp_path: Path, quiet: Path) -> None:
    tape = write(tmp_path / "tape.jsonl", line(0, smoke_density=0.1), line(10, smoke_density=0.9))
    arguments = ("replay", tape, "--config", quiet)
    assert "overdue" not in wanglou(*arguments, cwd=tmp_path).out
    answered = wanglou(*arguments, "--settle", "30", cwd=tmp_path).out
    unanswered = wanglou(*arguments, "--unanswered", "--settle", "30", cwd=tmp_path).out

    def overdue(text: str) -> list[tuple[str, str]]:
        return [
            (words[0][11:19], words[-1].strip())
            for x in text.splitlines()
            if "超时 overdue" in (words := x.split("  "))
        ]

    # Raised at 08:00:10 in China; 1-5-20 minutes. Where the push is accepted somebody was sent in time.
    assert overdue(answered) == [("08:05:10", "on_scene"), ("08:20:10", "resolve")]
    assert overdue(unanswered) == [("08:01:10", "dispatch"), ("08:05:10", "on_scene"), ("08:20:10", "resolve")]


def test_as_fast_as_the_broker_takes_it(tmp_path: Path, broker: Mosquitto, watched: Wanglou) -> None:
    count = 3000
    tape = write(
        tmp_path / "tape.jsonl", *(line(n, f"z{n % 8}-smoke", smoke_density=0.9, id=str(n)) for n in range(count))
    )
    ended = wanglou("replay", tape, "--broker", "--speed", "0", "--config", watched.config, cwd=tmp_path)
    assert (ended.code, ended.out, ended.err) == (0, f"{count} messages published\n", "")
    watched.wait_for(lambda: watched.get("/api/v1/account")["received"] == count, "all of it")
    assert watched.get("/api/v1/account")["verdicts"]["late"] == count, "an old fire is no news"
    came = [json.loads(payload)["id"] for payload, _ in taped(watched.config.parent / "data")]
    assert came == [str(n) for n in range(count)], "in its order"


def test_the_speed_of_a_tape(tmp_path: Path, broker: Mosquitto) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=NOWHERE)
    tape = write(tmp_path / "tape.jsonl", *(line(n * 10, smoke_density=0.1) for n in range(4)))
    began = time.monotonic()
    ended = wanglou("replay", tape, "--broker", "--speed", "20", "--config", config, cwd=tmp_path)
    assert (ended.code, ended.out) == (0, "4 messages published\n")
    assert time.monotonic() - began >= 1.5, "30 s, twenty times as fast"


def test_no_broker_to_play_to(tmp_path: Path, quiet: Path) -> None:
    tape = write(tmp_path / "tape.jsonl", line(0, smoke_density=0.1))
    ended = wanglou("replay", tape, "--broker", "--config", quiet, cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("the broker at 127.0.0.1:")
    assert len(ended.err.splitlines()) == 1


def test_a_broker_that_goes_away_under_a_tape(tmp_path: Path, broker: Mosquitto) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=NOWHERE)
    tape = write(tmp_path / "tape.jsonl", *(line(n / 100, smoke_density=0.1) for n in range(100_000)))
    process = begin("replay", tape, "--broker", "--config", config, cwd=tmp_path)
    try:
        wait(lambda: "New client connected" in broker.log.read_text(), "it plays")
        time.sleep(0.5)
        broker.stop()
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, out) == (1, "")
    assert err.startswith(f"the broker at 127.0.0.1:{broker.port}: ")
    assert len(err.splitlines()) == 1, err


@pytest.mark.parametrize(
    ("text", "number", "words"),
    [
        ("{not json}\n", 3, "not JSON"),
        ('["a","list"]\n', 3, "not an object"),
        ('{"topic":"a","payload":"b"}\n', 3, "at: this field is missing"),
        ('{"at":"yesterday","topic":"a","payload":"b"}\n', 3, "RFC 3339"),
        ('{"at":1e999,"topic":"a","payload":"b"}\n', 3, "at: "),
        ('{"at":"2026-11-22T00:00:00Z","topic":"a","payload_base64":"***"}\n', 3, "payload_base64"),
        ('{"at":"2026-11-22T00:00:00Z","topic":"a","payload":"b","qos":9}\n', 3, "qos: 0, 1 or 2"),
        ("[" * 100_000 + "\n", 3, "not JSON"),
    ],
)
def test_a_tape_with_a_broken_line(tmp_path: Path, quiet: Path, text: str, number: int, words: str) -> None:
    tape = write(tmp_path / "tape.jsonl", line(0, smoke_density=0.1), "\n", text, line(9, smoke_density=0.1))
    ended = wanglou("replay", tape, "--config", quiet, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"{tape}:{number}: ")
    assert words in ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_tape_that_is_none(tmp_path: Path, quiet: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(bytes(range(256)))
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ledger.sqlite3").write_bytes(b"no database" * 1000)
    for name, words in {
        "picture.jpg": "picture.jpg:1: ",
        "missing.jsonl": "No such file",
        "folder": "there is no ledger in",
        "broken": "cannot be read: file is not a database",
    }.items():
        ended = wanglou("replay", name, "--config", quiet, cwd=tmp_path)
        assert (ended.code, ended.out) == (2, ""), name
        assert words in ended.err
        assert len(ended.err.splitlines()) == 1, ended.err
    nothing = wanglou("replay", "empty.jsonl", "--settle", "5", "--config", quiet, cwd=tmp_path)
    assert (nothing.code, nothing.err) == (0, "")
    assert "0 条消息 messages · 0 起事件 incidents" in nothing.out


@pytest.mark.slow
def test_speed_and_memory_of_a_replay(tmp_path: Path, quiet: Path) -> None:
    """A tape is read as it is played: four times as long takes no more memory."""
    peak: dict[int, float] = {}
    for count in (20_000, 80_000):
        tape = tmp_path / f"{count}.jsonl"
        with tape.open("w", encoding="utf-8") as file:
            for n in range(count):
                file.write(line(n / 1000, f"smoke-{n % 500}", id=str(n), smoke_density=n % 50 / 1000, battery=97))
        began = time.perf_counter()
        ended = weighed("replay", tape, "--config", quiet, cwd=tmp_path)
        seconds = time.perf_counter() - began
        assert ended.code == 0, ended.err
        assert f"live {count:,}" in ended.out
        peak[count] = ended.peak_mb
        print(
            f"\n{count:,} messages in {seconds:.1f} s with start-up: {count / seconds:,.0f} a second, {ended.peak_mb:.0f} MB"
        )
    assert peak[80_000] < peak[20_000] * 1.2


# --- backup ----------------------------------------------------------------------------------------------------------


def test_a_backup_under_load(tmp_path: Path, broker: Mosquitto, watched: Wanglou) -> None:
    neighbours = Neighbours([f"site0/z{n}-smoke" for n in range(8)])
    publish(broker.port, [neighbours.reading(f"site0/z{n}-smoke", 0.9) for n in range(6)])
    watched.wait_for(lambda: len(known(watched)) == 6, "six incidents")
    before = known(watched)
    stop = threading.Event()
    load = threading.Thread(target=keep_publishing, args=(broker.port, neighbours, stop))
    load.start()
    try:
        watched.wait_for(lambda: watched.get("/api/v1/account")["received"] > 5000, "load")
        copies = [tmp_path / f"copy-{n}.sqlite3" for n in range(3)]
        for copy in copies:
            ended = wanglou("backup", copy, "--config", watched.config, cwd=tmp_path)
            assert ended.code == 0, ended.err
            assert ended.out.startswith(f"{copy}: ")
    finally:
        stop.set()
        load.join()
    assert list(tmp_path.glob("*.part")) == []
    rows = [check_copy(copy, before) for copy in copies]
    assert rows == sorted(rows)
    assert rows[0] > 5000
    assert rows[0] < rows[-1], "there was load"
    again = wanglou("backup", copies[0], "--config", watched.config, cwd=tmp_path)
    assert (again.code, again.err) == (1, f"{copies[0]} exists already; a backup never overwrites\n")
    assert watched.stop() == 0
    restored(tmp_path, watched, copies[-1], before)


def keep_publishing(port: int, neighbours: Neighbours, stop: threading.Event) -> None:
    while not stop.is_set():
        publish(port, neighbours.readings(1000), rate=5000)


def check_copy(copy: Path, incidents: list[tuple[str, str]]) -> int:
    """It opens, is sound, holds the incidents and a tape without gaps; the number of its last row."""
    with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert {i for (i,) in db.execute("SELECT id FROM incident")} == {i for i, _ in incidents}
        spans = db.execute("SELECT first_seq, last_seq FROM tape ORDER BY first_seq").fetchall()
    assert spans[0][0] == 1
    assert all(later[0] == sooner[1] + 1 for sooner, later in pairwise(spans))
    return int(spans[-1][1])


def restored(tmp_path: Path, old: Wanglou, copy: Path, incidents: list[tuple[str, str]]) -> None:
    """A daemon on the copy goes on where the copy ends."""
    data = tmp_path / "second" / "data"
    data.mkdir(parents=True)
    copy.rename(data / "ledger.sqlite3")
    config = tmp_path / "second" / "site.yaml"
    config.write_text(old.config.read_text("utf-8"), "utf-8")
    (config.parent / "book.yaml").write_text(BOOK, "utf-8")
    with Wanglou(config) as daemon:
        assert known(daemon) == incidents


def test_a_backup_of_nothing(tmp_path: Path, quiet: Path) -> None:
    ended = wanglou("backup", "copy.sqlite3", "--config", quiet, cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("there is no ledger in ")
    assert not (tmp_path / "copy.sqlite3").exists()


# --- doctor ----------------------------------------------------------------------------------------------------------


def secretive(config: Path) -> None:
    """Secrets at every place that has one, none of them in the site file itself."""
    (config.parent / "secret").write_text(SECRET)
    (config.parent / "secret").chmod(0o600)

    def hide(data: dict[str, Any]) -> None:
        data["mqtt"] |= {"username": "wanglou", "password": {"file": "secret"}}
        data["api"]["token"] = {"env": "TOKEN_OF_THE_API"}
        data["channels"]["hook"]["url"] += f"?key={SECRET}"

    change(config, hide)


def doctor(config: Path) -> Ended:
    ended = wanglou("doctor", "--config", config, cwd=config.parent, TOKEN_OF_THE_API=TOKEN)
    assert SECRET not in ended.out + ended.err
    assert TOKEN not in ended.out + ended.err
    assert "Traceback" not in ended.err
    return ended


def test_the_doctor_finds_nothing_bad(tmp_path: Path, broker: Mosquitto, hearing: Hook) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=hearing.url)
    secretive(config)
    ended = doctor(config)
    assert ended.code == 0, ended.out
    assert "0 故障 bad" in ended.out
    for what in ("broker", "history", "channel", "rule books", "data folder", "durable writes", "clock", "API"):
        assert what in ended.out
    assert hearing.bodies == [], "nobody is paged"
    assert not (config.parent / "data" / "ledger.sqlite3").exists(), "nothing is changed"


def test_the_doctor_while_the_daemon_runs(tmp_path: Path, broker: Mosquitto, hearing: Hook) -> None:
    config = site(tmp_path / "site", mqtt=broker.port, webhook=hearing.url)
    with Wanglou(config) as daemon:
        assert doctor(config).code == 0
        assert daemon.metric("wanglou_feed_connected") == 1
        assert daemon.get("/api/v1/troubles")["items"] == []


def test_the_doctor_says_what_to_do(tmp_path: Path, hearing: Hook) -> None:
    history = {"kind": "influxdb", "url": f"http://127.0.0.1:{free_port()}", "database": "w"}
    config = site(tmp_path / "site", mqtt=free_port(), webhook=hearing.url, history=history)
    secretive(config)
    change(config, lambda data: data["history"].update(token={"file": "secret"}))
    ended = doctor(config)
    assert ended.code == 1
    bad = [text for text in ended.out.splitlines() if text.startswith("故障 bad")]
    assert [text.split()[2] for text in bad] == ["消息服务器", "历史库", "推送渠道"], ended.out
    assert "cannot be reached: Connect" in ended.out
    assert "→ check mqtt: host and port, start it" in ended.out
    assert history["url"] in ended.out


def test_the_doctor_meets_a_refusal(tmp_path: Path, hearing: Hook) -> None:
    with mosquitto(tmp_path, allow_anonymous=False, password_file="/dev/null") as broker:
        config = site(tmp_path / "site", mqtt=broker.port, webhook=hearing.url)
        secretive(config)
        ended = doctor(config)
    assert ended.code == 1
    assert "check username, password and certificate" in ended.out


# --- rules, arguments ------------------------------------------------------------------------------------------------

BAD_BOOK = """\
version: 1
rules:
  - id: smoke
    kind: FIRE
    devices: [smoke_detector]
    when: smoke_densty > 0.5
    title: {zh: 感烟报警, en: Smoke}
  - id: smoke
    kind: WILDFIRE
    devices: [smoke_detector]
    when: temperature >
    title: {zh: 高温}
"""


def test_a_good_book(tmp_path: Path, quiet: Path) -> None:
    whole = BOOK.replace("en: Smoke}", "en: Smoke}\n    advice: {zh: 去, en: Go}\n    reason: EN 14604").replace(
        "battery < 10", "battery < 10\n    clear_for: 10m"
    )
    book = write(tmp_path / "mine.yaml", whole)
    ended = wanglou("rules", "check", book, cwd=tmp_path)
    assert (ended.code, ended.out, ended.err) == (0, "2 rules in 1 books, no mistakes\n", "")
    write(quiet.parent / "book.yaml", whole)
    ended = wanglou("rules", "check", "--config", quiet, "--strict", cwd=tmp_path)
    assert (ended.code, ended.out, ended.err) == (0, "2 rules in 1 books, no mistakes\n", "")


def test_a_book_to_look_at_again(tmp_path: Path, quiet: Path) -> None:
    ended = wanglou("rules", "check", "--config", quiet, cwd=tmp_path)
    assert (ended.code, ended.out) == (0, "2 rules in 1 books, no mistakes, 3 处提醒 warnings\n")
    assert [line.partition(quiet.parent.name)[2].partition(": ")[0] for line in ended.err.splitlines()] == [
        "/book.yaml:4:5", "/book.yaml:7:11", "/book.yaml:13:11",
    ]  # fmt: skip
    assert wanglou("rules", "check", "--config", quiet, "--strict", cwd=tmp_path).code == 1
    more = wanglou("rules", "check", quiet.parent / "book.yaml", "--interval", "soon", cwd=tmp_path)
    assert (more.code, more.out) == (2, "")
    assert "--interval: not a duration" in more.err


def test_every_mistake_of_every_book_at_once(tmp_path: Path, quiet: Path) -> None:
    first = write(tmp_path / "first.yaml", BAD_BOOK)
    second = write(tmp_path / "second.yaml", "version: 1\nrules: [\n")
    ended = wanglou("rules", "check", first, second, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    places = [text.split(": ")[0] for text in ended.err.splitlines()[:-1]]
    for wrong in ("first.yaml:6:", "first.yaml:9:", "first.yaml:11:", "first.yaml:12:", "second.yaml:3:"):
        assert any(wrong in place for place in places), (wrong, ended.err)
    assert "smoke_density" in ended.err, "the right name is suggested"
    assert ended.err.splitlines()[-1].endswith(f"{len(places)} mistakes, nothing was started.")
    write(quiet.parent / "book.yaml", BAD_BOOK)
    for command in (("rules", "check"), ("run",), ("doctor",), ("record", "-o", "t"), ("backup", "b"), ("replay", "t")):
        refused = wanglou(*command, "--config", quiet, cwd=tmp_path)
        assert (refused.code, refused.out) == (2, ""), command
        assert "book.yaml:6:" in refused.err
    assert not (tmp_path / "t").exists()


def test_books_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("é".encode("latin-1"))
    (tmp_path / "folder.yaml").mkdir()
    ended = wanglou("rules", "check", "missing.yaml", "folder.yaml", "latin.yaml", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    for name, words in {
        "missing.yaml": "cannot be read: No such file or directory (check the path)",
        "folder.yaml": "cannot be read: it is a folder (a rule book is a file that ends in .yaml)",
        "latin.yaml": "is not UTF-8 text (save the file as UTF-8)",
    }.items():
        assert f"{name}:1:1: {words}" in ended.err
    assert ended.err.splitlines()[-1].endswith("3 mistakes, nothing was started.")


def test_a_wrong_site_file_starts_nothing(tmp_path: Path, quiet: Path) -> None:
    change(quiet, lambda data: (data["api"].pop("token"), data["mqtt"].update(prot=1), data["stations"].clear()))
    ended = wanglou("run", "--config", quiet, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    mistakes = ended.err.splitlines()
    assert mistakes[-1].endswith(f"{len(mistakes) - 1} mistakes, nothing was started.")
    for wrong in ("api.token", "mqtt.prot", "stations"):
        assert wrong in ended.err
    assert not (quiet.parent / "data").exists()
    missing = wanglou("run", cwd=tmp_path)
    assert missing.code == 2
    assert "site.yaml:1:1: cannot be read: No such file or directory (check --config)" in missing.err


def test_a_start_that_fails_is_one_line(tmp_path: Path, quiet: Path, broker: Mosquitto) -> None:
    change(quiet, lambda data: data["api"].update(port=broker.port))
    taken = wanglou("run", "--config", quiet, cwd=tmp_path)
    assert taken.code == 1
    assert "Traceback" not in taken.err
    assert "address already in use" in taken.err.splitlines()[-1]
    write(tmp_path / "file", "")
    change(quiet, lambda data: data["data"].update(folder=str(tmp_path / "file")))
    blocked = wanglou("run", "--config", quiet, cwd=tmp_path)
    assert blocked.code == 1
    assert "Traceback" not in blocked.err
    assert str(tmp_path / "file") in blocked.err.splitlines()[-1]


def test_two_daemons_on_one_ledger(tmp_path: Path, watched: Wanglou) -> None:
    change(watched.config, lambda data: data["api"].update(port=free_port()))
    second = wanglou("run", "--config", watched.config, cwd=tmp_path)
    assert second.code == 1
    assert "Traceback" not in second.err
    assert "daemon" in second.err.splitlines()[-1]
    assert watched.ready


@pytest.mark.parametrize(
    "command", [(), ("run",), ("record",), ("replay",), ("backup",), ("doctor",), ("rules",), ("rules", "check")]
)
def test_help(tmp_path: Path, command: tuple[str, ...]) -> None:
    ended = wanglou(*command, "--help", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert "Usage" in ended.out
    assert len(ended.out.splitlines()) > 5


def test_help_without_a_command(tmp_path: Path) -> None:
    ended = weighed(cwd=tmp_path)
    assert ended.code == 2
    for command in ("run", "record", "replay", "backup", "doctor", "rules"):
        assert command in ended.out + ended.err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("fly",), "No such command"),
        (("replay",), "tape"),
        (("record",), "--output"),
        (("backup",), "target"),
        (("replay", "t", "--speed", "fast"), "--speed"),
        (("replay", "t", "--since", "noon"), "--since"),
        (("run", "--loglevel", "info"), "--log"),
    ],
)
def test_wrong_arguments(tmp_path: Path, command: tuple[str, ...], words: str) -> None:
    ended = wanglou(*command, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert "Traceback" not in ended.err
