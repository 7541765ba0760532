"""SIGKILL at random moments under load, again and again: nothing lost, nothing twice, nobody left unalarmed.

WANGLOU_CRASHES says how often (8; `make crash`: 20), WANGLOU_SEED repeats a run's moments; both are printed. Every reading that the
broker acknowledged is looked for on the tape and in the history, every alarm in the timelines, every push at the receiver's.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.publisher import Neighbours, Outgoing, Sent, publish
from tests.running import Hook, Wanglou, hook, in_embedded_history, in_ledger, site, taped
from tests.servers import HOST, mosquitto

pytestmark = [pytest.mark.live, pytest.mark.slow]

CRASHES = int(os.environ.get("WANGLOU_CRASHES", "8"))
SEED = int(os.environ.get("WANGLOU_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
SITES, ZONES = 20, 50
RATE = 2000
"""Readings a second."""
ALARM_STEP = 50
"""Every so many readings an alarm device goes above its threshold, or back."""
PLACES = [f"site{s}/z{z}" for z in range(ZONES) for s in range(SITES)]


class Neighbourhood:
    """Quiet devices, and one in each zone that raises an alarm when its turn comes and returns before the next one's."""

    def __init__(self) -> None:
        self.devices = Neighbours([f"{place}-quiet" for place in PLACES], SEED)
        self.alarms: dict[str, list[float]] = {place: [] for place in PLACES}
        """place → the smoke of each alarm; no two alarms have the same"""
        self._over = threading.Event()

    def readings(self) -> Iterator[Outgoing]:
        """Until `end`; then everything that burns returns."""
        quiet = self.devices.readings(1 << 62)
        places = self._places()
        turn = 0
        while not self._over.is_set() or turn % 2:
            for _ in range(ALARM_STEP - 1):
                yield next(quiet)
            smoke = 0.0
            if turn % 2 == 0:
                place, smoke = next(places), 1 + turn / 10_000
                self.alarms[place].append(smoke)
            yield self.devices.reading(f"{place}-alarm", smoke)
            turn += 1

    def _places(self) -> Iterator[str]:
        """By turns a new one, where a station must be sent, and one that burns already."""
        choice = random.Random(SEED)
        for n, place in enumerate(PLACES, 1):
            yield place
            yield choice.choice(PLACES[:n])
        yield from iter(lambda: choice.choice(PLACES), "")

    def end(self) -> None:
        """Enough."""
        self._over.set()


def test_killed_at_random_moments_nothing_is_lost_and_nothing_happens_twice(tmp_path: Path) -> None:
    print(f"\nWANGLOU_CRASHES={CRASHES} WANGLOU_SEED={SEED}")
    # The broker is not what crashes here; saving its queue every second would only keep it from its work.
    with mosquitto(tmp_path, autosave_interval=600) as broker, hook() as heard:
        config = site(
            tmp_path / "site",
            mqtt=broker.port,
            webhook=heard.url,
            sites=SITES,
            zones=ZONES,
            # A slow machine may take its time to catch up; that is not what makes a reading late here.
            quality={"late_after": "24h"},
        )
        heard.delay = 0.05  # time to be killed between a delivery and its receipt
        neighbourhood, daemon = Neighbourhood(), Wanglou(config)
        daemon.start()  # from now on the broker queues for it
        sent: list[Sent] = []
        devices = threading.Thread(
            target=lambda: sent.append(publish(broker.port, neighbourhood.readings(), rate=RATE))
        )
        devices.start()
        try:
            _kill_again_and_again(daemon)
        finally:
            neighbourhood.end()
            devices.join(60)
        with daemon:
            _come_to_rest(daemon, len(neighbourhood.devices.published))
            followed = _retained(broker.port, sum(map(bool, neighbourhood.alarms.values())))
        data = config.parent / "data"
        assert sent[0].acknowledged == len(neighbourhood.devices.published)
        _assert_taped_once(data, neighbourhood)
        assert in_embedded_history(data / "embedded.sqlite3") == neighbourhood.devices.published
        _assert_alarmed_once(data, neighbourhood)
        _assert_delivered(data, heard)
        assert followed == _revisions(data)


def _kill_again_and_again(daemon: Wanglou) -> None:
    """Sometimes while it still recovers, mostly at work."""
    moments = random.Random(SEED)
    rows, began = 0.0, time.monotonic()
    for crash in range(CRASHES):
        if crash and moments.random() < 0.2:
            time.sleep(moments.uniform(0, 1.0))
        else:
            daemon.wait_for(lambda: daemon.ready, "the daemon is ready again")
            time.sleep(moments.uniform(0, 1.0))
            rows = max(rows, daemon.metric("wanglou_tape_rows"))
        daemon.kill()
        daemon.start(wait=crash == CRASHES - 1)
    print(f"{CRASHES} kills in {time.monotonic() - began:.0f} s, {rows:.0f} rows on the tape by then")


def _come_to_rest(daemon: Wanglou, published: int) -> None:
    """Everything on the tape, in the history and at the receivers'."""
    began = time.monotonic()
    daemon.wait_for(
        lambda: daemon.metric('wanglou_messages_total{verdict="live"}') >= published, "all are on the tape", 300
    )

    def at_rest() -> bool:
        waiting = ("wanglou_outbox_waiting", "wanglou_history_lag_rows", "wanglou_inbox_depth")
        return not any(n for name, n in daemon.metrics().items() if name.startswith(waiting))

    daemon.wait_for(at_rest, "no push and no reading waits", 120)
    print(f"at rest {time.monotonic() - began:.1f} s after the last kill")


def _assert_taped_once(data: Path, neighbourhood: Neighbourhood) -> None:
    verdicts = Counter(verdict for _, verdict in taped(data))
    evaluated = Counter(payload for payload, verdict in taped(data) if verdict != "duplicate")
    ids = Counter(json.loads(payload)["id"] for payload in evaluated)
    published = len(neighbourhood.devices.published)
    print(f"{published} readings; {verdicts['duplicate']} came twice and were recognised")
    assert verdicts.keys() <= {"live", "duplicate"}
    assert max(evaluated.values()) == 1
    assert ids == Counter(f"{n:x}" for n in range(published))
    account = dict(in_ledger(data, "SELECT name, n FROM account"))
    assert account == dict(verdicts)


def _assert_alarmed_once(data: Path, neighbourhood: Neighbourhood) -> None:
    """The timelines hold each alarm's own smoke exactly once: one incident a place, raised by the first, joined by the others."""
    raised: dict[str, list[tuple[str, float]]] = {place: [] for place in PLACES}
    for step, detail in in_ledger(data, "SELECT step, detail FROM entry WHERE step <> 'returned' ORDER BY id"):
        said = json.loads(detail)
        if "reading.smoke_density" in said:
            raised[said["device"].removesuffix("-alarm")].append((step, said["reading.smoke_density"]))
    expected = {
        place: [("joined" if n else "raised", smoke) for n, smoke in enumerate(alarms)]
        for place, alarms in neighbourhood.alarms.items()
    }
    assert raised == expected
    burnt = sum(1 for alarms in expected.values() if alarms)
    returned = in_ledger(data, "SELECT count(*) FROM entry WHERE step = 'returned'")[0][0]
    alarms = sum(map(len, expected.values()))
    print(f"{alarms} alarms in {burnt} incidents")
    assert returned == alarms
    assert in_ledger(data, "SELECT count(*), sum(is_open) FROM incident") == [(burnt, burnt)]


def _assert_delivered(data: Path, heard: Hook) -> None:
    """Every push is accepted; every webhook's key was heard, and no key that is not in the ledger."""
    pushes = in_ledger(data, "SELECT key, channel, outcome FROM push")
    assert {outcome for _, _, outcome in pushes} == {"accepted"}
    keys = {key for key, channel, _ in pushes if channel == "hook"}
    again = sum(n - 1 for n in heard.keys.values())
    print(f"{len(pushes)} pushes, {len(keys)} of them webhooks: {again} deliveries more than keys")
    assert heard.keys.keys() == keys
    assert {key for key in keys if "/dispatch-1/" in key} == {
        f"{incident}/dispatch-1/hook" for (incident,) in in_ledger(data, "SELECT id FROM incident")
    }


def _revisions(data: Path) -> dict[str, int]:
    """incident → its newest revision in the ledger."""
    records = in_ledger(data, "SELECT id, record FROM incident")
    return {incident: json.loads(record)["revision"] for incident, record in records}


def _retained(port: int, topics: int) -> dict[str, int]:
    """incident → revision, as the broker's retained topics say now; waits for so many topics."""
    found: dict[str, int] = {}

    def on_message(_client: paho.Client, _userdata: object, m: paho.MQTTMessage) -> None:
        incident = json.loads(m.payload)["data"]["incident"]
        found[incident["id"]] = incident["revision"]

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.connect(HOST, port)
    end = time.monotonic() + 10
    while not client.is_connected() and time.monotonic() < end:
        client.loop(0.1)
    client.subscribe("wl/+/incidents/+", 1)
    while len(found) < topics and time.monotonic() < end:
        client.loop(0.1)
    client.disconnect()
    return found
