"""`python -m simulators run` as people use it: against a real broker that stays, goes and comes back, ended by signals, resumed.

What is published is held against the feed itself: nothing is missing, nothing is out of order, and what comes twice was under way when
the broker went.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from simulators.bookmark import Bookmark, BookmarkError
from simulators.feed import Feed
from simulators.places import lakeside
from tests.certificates import Keys
from tests.commands import environment
from tests.running import ROOT
from tests.servers import HOST, Mosquitto, binary, free_port, mosquitto
from tests.simulators.played import scenario

pytestmark = pytest.mark.live

Heard = tuple[str, bytes]
GATEWAY = "wl/hupan/gateway/status"
SOON = 10.0
"""Seconds within which whoever is told to end has ended, on a busy machine too."""


class Listener:
    """Everything that a broker passes on, in order."""

    def __init__(self, port: int) -> None:
        self.heard: list[Heard] = []
        self.retained: list[Heard] = []
        self._news = threading.Condition()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"listener-{port}", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = self._on_message
        self._subscribed = threading.Event()
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect(HOST, port)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def _on_connect(self, *_: object) -> None:
        self._client.subscribe("wl/#", 1)

    def _on_message(self, client: mqtt.Client, data: object, m: mqtt.MQTTMessage) -> None:
        with self._news:
            (self.retained if m.retain else self.heard).append((m.topic, bytes(m.payload)))
            self._news.notify_all()

    def wait_for(self, true: Callable[[list[Heard]], object], seconds: float = 20) -> None:
        with self._news:
            assert self._news.wait_for(lambda: true(self.heard), seconds), f"{len(self.heard)} heard"

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def listening(port: int) -> Iterator[Listener]:
    listener = Listener(port)
    try:
        yield listener
    finally:
        listener.close()


class Run:
    """One start of the command; its words are in `err` once it has ended."""

    def __init__(self, folder: Path, port: int, *more: str) -> None:
        self.err = folder / f"run-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "simulators", "run", "story", "--port", str(port), *more]
        with self.err.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=log)

    def end(self, number: int = signal.SIGINT) -> tuple[int, float]:
        """(exit code, seconds that it took)"""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(10), time.monotonic() - began

    def said(self) -> str:
        return self.err.read_text("utf-8")

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def feed(from_ms: int = 0, count: int = 6000) -> list[Heard]:
    frames = Feed(lakeside(), scenario("story"), 1).frames(from_ms)
    return [(f.topic, f.payload) for f in islice(frames, count)]


def statuses(heard: list[Heard]) -> set[str]:
    """The topics on which somebody has said that it is there or gone."""
    return {topic for topic, _ in heard if topic.endswith("/status")}


def without_gateway(heard: list[Heard]) -> list[Heard]:
    """The connection's own word comes between; all else is the feed."""
    return [h for h in heard if h[0] != GATEWAY]


def test_it_goes_on_where_it_stopped_and_nothing_is_left_out(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    arguments = ("--resume", str(mark), "--speed", "40")
    with mosquitto(tmp_path) as broker, listening(broker.port) as listener:
        with Run(tmp_path, broker.port, *arguments) as first:
            listener.wait_for(lambda heard: len(heard) > 600)
            code, took = first.end(signal.SIGINT)
            assert (code, took < SOON) == (0, True), first.said()
        listener.wait_for(lambda heard: heard[-1] == (GATEWAY, b"offline"))
        begun = without_gateway(listener.heard)
        expected = without_gateway(feed())
        assert begun == expected[: len(begun)]
        at_ms = json.loads(mark.read_text("utf-8"))["at_ms"]
        before = len(listener.heard)
        with Run(tmp_path, broker.port, *arguments) as second:
            listener.wait_for(lambda heard: len(heard) > before + 600)
            assert second.end(signal.SIGTERM)[0] == 0, second.said()
        time.sleep(0.3)
        gone_on = without_gateway(listener.heard[before:])
        assert gone_on == without_gateway(feed(at_ms))[: len(gone_on)]
        # Together they are the feed: the second begins at the moment at which the first ended.
        readings = [h for h in gone_on if h[0].endswith("/up")]
        whole = [h for h in expected if h[0].endswith("/up")]
        start = whole.index(readings[0], max(0, len([h for h in begun if h[0].endswith("/up")]) - 20))
        assert whole[start : start + len(readings)] == readings
        assert start <= len([h for h in begun if h[0].endswith("/up")])


def test_a_broker_that_is_late_or_goes_away_is_waited_for_and_nothing_is_lost(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "mosquitto")
    with Run(tmp_path, broker.port, "--speed", "40") as run:
        time.sleep(1.5)
        broker.start()
        try:
            with listening(broker.port) as listener:
                listener.wait_for(lambda heard: len(heard) > 400)
                broker.stop()
                time.sleep(1)
                broker.start()
                there = len(listener.heard)
                listener.wait_for(lambda heard: len(heard) > there + 600, 30)
                assert run.end()[0] == 0, run.said()
                time.sleep(0.3)
                heard = without_gateway(listener.heard)
        finally:
            broker.stop()
    assert run.said().count("the broker is away") == 2, run.said()
    assert run.said().count("connected again") == 2, run.said()
    # The listener subscribed a moment after the beginning, and what was under way when the broker went came twice.
    expected = without_gateway(feed())
    at = expected.index(next(h for h in heard if h[0].endswith("/up")))
    last = at
    seen = 0
    for h in heard:
        if last < len(expected) and h == expected[last]:
            last += 1
            seen += 1
        elif h[0].endswith("/up"):
            assert h in expected[max(0, last - 1000) : last], f"{h} is not in its place"
    assert seen > 700


def test_a_killed_run_is_told_by_its_will_and_a_new_one_says_it_is_back(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, listening(broker.port) as listener:
        with Run(tmp_path, broker.port) as run:
            listener.wait_for(lambda heard: (GATEWAY, b"online") in heard)
            run.process.kill()
            listener.wait_for(lambda heard: heard[-1] == (GATEWAY, b"offline"))
        before = len(listener.heard)
        with Run(tmp_path, broker.port) as run:
            listener.wait_for(lambda heard: (GATEWAY, b"online") in heard[before:])
            # One that is ended in its first moment has not said yet who is there.
            listener.wait_for(lambda heard: len(statuses(heard[before:])) == len(lakeside().things))
            assert run.end()[0] == 0
        with listening(broker.port) as late:
            late.wait_for(lambda _: len(late.retained) == len(lakeside().things))
            assert dict(late.retained)[GATEWAY] == b"offline"
            assert {topic.rpartition("/")[2] for topic, _ in late.retained} == {"status"}


def test_once_ends_by_itself_after_one_round(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        run = Run(tmp_path, broker.port, "--once", "--speed", "2000")
        assert run.process.wait(60) == 0, run.said()
        published = int(re.search(r"([\d,]+) messages published", run.said())[1].replace(",", ""))  # type: ignore[index]
        story = scenario("story")
        frames = Feed(lakeside(), story, 1).frames()
        assert published == sum(1 for _ in iter(lambda: next(frames).at_ms < story.duration, False))


def test_passwords_are_read_from_a_file_and_a_wrong_one_ends_it(tmp_path: Path) -> None:
    users, secret = tmp_path / "users", "correct horse"
    subprocess.run(
        [binary("mosquitto_passwd", "mosquitto"), "-c", "-b", str(users), "sim", secret],
        check=True,
        capture_output=True,
    )
    (tmp_path / "right").write_text(secret + "\n", "utf-8")
    (tmp_path / "wrong").write_text("battery staple", "utf-8")
    with mosquitto(tmp_path, allow_anonymous=False, password_file=str(users)) as broker:
        with Run(tmp_path, broker.port, "--username", "sim", "--password-file", str(tmp_path / "wrong")) as run:
            assert run.process.wait(20) == 1
            assert "check user name and password" in run.said()
            assert "staple" not in run.said()
        mark = tmp_path / "mark"
        arguments = ("--username", "sim", "--password-file", str(tmp_path / "right"), "--resume", str(mark))
        with Run(tmp_path, broker.port, *arguments) as run:
            assert appears(mark), run.said()
            assert run.end()[0] == 0, run.said()


def test_tls_trusts_the_named_authority_and_no_other(tmp_path: Path) -> None:
    keys, strangers = Keys(tmp_path / "keys"), Keys(tmp_path / "strangers")
    with mosquitto(tmp_path, *keys.lines) as broker:
        with Run(tmp_path, broker.port, "--tls-ca", str(strangers.folder / "ca.pem")) as run:
            assert run.process.wait(20) == 1
            assert "check --tls-ca" in run.said()
        mark = tmp_path / "mark"
        with Run(tmp_path, broker.port, "--tls-ca", str(keys.folder / "ca.pem"), "--resume", str(mark)) as run:
            assert appears(mark), run.said()
            assert run.end()[0] == 0, run.said()


def appears(file: Path, seconds: float = 20) -> bool:
    """A bookmark is written when the first batch is acknowledged."""
    end = time.monotonic() + seconds
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.05)
    return file.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "nonsense"), "no scenario nonsense: blocked-lane"),
        (("run", "story", "--password-file", __file__), "needs --username"),
        (("tape", "story", "--start", "2026-11-22T08:00:00"), "needs a zone"),
        (("run", "story", "--speed", "0"), "write 0.001 to 100000"),
        (("site", "--devices", "-1"), "write 0 to 1000000"),
    ],
)
def test_a_wrong_argument_is_told_with_its_remedy(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "simulators", *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert told in ended.stderr


def test_a_bookmark_belongs_to_its_run_and_survives_a_half_written_one(tmp_path: Path) -> None:
    mark = Bookmark(tmp_path / "mark", "story seed 1")
    assert mark.read() == 0
    mark.write(1234)
    (tmp_path / "mark.new").write_text('{"run": "story', "utf-8")  # a crash before the rename
    assert mark.read() == 1234
    mark.write(2000)
    assert [p.name for p in tmp_path.iterdir()] == ["mark"]
    with pytest.raises(BookmarkError, match=r"mark: run: .*belongs to `story seed 1`"):
        Bookmark(tmp_path / "mark", "story seed 2").read()
    for text in ("", "[]", "{}", '{"run": "story seed 1", "at_ms": -1}', '{"run": "story seed 1", "at_ms": true}'):
        (tmp_path / "mark").write_text(text, "utf-8")
        with pytest.raises(BookmarkError, match="delete it to begin anew"):
            mark.read()


def test_nobody_listens_yet_on_a_free_port(tmp_path: Path) -> None:
    """Ended at once while it waits for a broker that never comes."""
    with Run(tmp_path, free_port()) as run:
        time.sleep(2)
        code, took = run.end(signal.SIGTERM)
        assert (code, took < SOON) == (0, True)
        assert run.said().count("the broker is away") == 1
