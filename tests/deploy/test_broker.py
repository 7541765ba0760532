"""The shipped mosquitto.conf and access list in a real mosquitto: who comes in, who may say what, and what is kept."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.certificates import Keys
from tests.deploy.street import ShippedBroker, prepared
from tests.deploy.visitor import WAIT, Refused, Visitor
from tests.servers import HOST

pytestmark = pytest.mark.live

DEVICES = ("lakeside/smoke-1", "lakeside/smoke-2", "riverside/smoke-1")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShippedBroker]:
    broker = ShippedBroker(prepared(tmp_path_factory.mktemp("broker") / "deploy"))
    broker.add(*DEVICES, "lakeside", "desk", "lake+", "lake#", "+/+")
    with broker:
        yield broker


def tls(broker: ShippedBroker) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(broker.authority))


def visit(broker: ShippedBroker, user: str, *, name: str = "", clean: bool = True, will: str = "") -> Visitor:
    password = broker.passwords[user]
    return Visitor(broker.tls_port, user, password, tls=tls(broker), name=name, clean=clean, will=will)


# --- who comes in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("five", [False, True])
def test_a_device_comes_in_over_tls_and_a_program_of_this_machine_without(broker: ShippedBroker, five: bool) -> None:
    user, password = DEVICES[0], broker.passwords[DEVICES[0]]
    Visitor(broker.tls_port, user, password, tls=tls(broker), five=five).leave()
    Visitor(broker.port, user, password, five=five).leave()


@pytest.mark.parametrize(
    ("user", "password"), [("", ""), ("lakeside/smoke-1", "guessed"), ("lakeside/smoke-1", ""), ("nobody", "guessed")]
)
def test_nobody_comes_in_without_a_name_and_the_right_password(broker: ShippedBroker, user: str, password: str) -> None:
    for port, context in ((broker.tls_port, tls(broker)), (broker.port, None)):
        with pytest.raises(Refused, match="Not authorized"):
            Visitor(port, user, password, tls=context)


def test_a_client_that_does_not_know_the_authority_does_not_speak_to_the_broker(
    broker: ShippedBroker, tmp_path: Path
) -> None:
    for context in (ssl.create_default_context(), Keys(tmp_path / "others").context()):
        with socket.create_connection((HOST, broker.tls_port)) as plain, pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(plain, server_hostname=HOST)


def test_the_certificate_is_good_for_the_names_given_and_no_other(broker: ShippedBroker) -> None:
    context = tls(broker)
    for name in ("localhost", "mosquitto", HOST):
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)
        openssl = ["openssl", "s_client", "-connect", f"{HOST}:{broker.tls_port}", "-CAfile", str(broker.authority)]
        option = "-verify_ip" if name == HOST else "-verify_hostname"
        assert verified([*openssl, option, name])
    assert not verified([*openssl, "-verify_hostname", "elsewhere.example"])


def test_tls_older_than_1_2_is_refused(broker: ShippedBroker) -> None:
    # @SECLEVEL=0, or our own library would refuse before the broker is asked.
    openssl = ["openssl", "s_client", "-connect", f"{HOST}:{broker.tls_port}", "-CAfile", str(broker.authority)]
    weak = [*openssl, "-cipher", "ALL:@SECLEVEL=0"]
    assert verified([*weak, "-tls1_2"])
    assert verified([*openssl, "-tls1_3"])
    for old in ("-tls1_1", "-tls1"):
        assert not verified([*weak, old])


def verified(command: list[str]) -> bool:
    """Whether the handshake succeeds."""
    done = subprocess.run(
        [*command, "-verify_return_error"], input="", capture_output=True, text=True, timeout=WAIT, check=False
    )
    return done.returncode == 0 and "Verify return code: 0 (ok)" in done.stdout


def test_who_speaks_plainly_to_the_tls_port_is_not_heard(broker: ShippedBroker) -> None:
    with pytest.raises(Refused, match="closed"):
        Visitor(broker.tls_port, DEVICES[0], broker.passwords[DEVICES[0]])


@pytest.mark.parametrize("keepalive", [0, 3601])
def test_a_client_of_mqtt_5_is_told_when_it_will_be_missed(broker: ShippedBroker, keepalive: int) -> None:
    user, password = DEVICES[0], broker.passwords[DEVICES[0]]
    with Visitor(broker.port, user, password, keepalive=keepalive, five=True) as sleepy:
        assert sleepy.told["ServerKeepAlive"] == 3600


# --- who may say what -------------------------------------------------------------------------------------------------


def allowed(broker: ShippedBroker, user: str, topics: list[str]) -> list[str]:
    """Those of the topics on which the user's publications reach somebody who may read everything."""
    with listener(broker) as everything:
        with visit(broker, user) as visitor:
            for topic in topics:
                visitor.publish(topic)
        with visit(broker, "lakeside/smoke-1") as marker:
            marker.publish("wl/lakeside/smoke-1/up", b"the last")
        everything.wait(lambda: everything.heard and everything.heard[-1][1] == b"the last")
        return [topic for topic, _ in everything.heard[:-1]]


def listener(broker: ShippedBroker) -> Visitor:
    """The daemon's user, and the incidents that it writes itself."""
    return visit(broker, "wanglou").subscribe("wl/+/+/up", "wl/+/+/status", "wl/+/incidents/#")


def test_a_device_writes_only_its_own_topics(broker: ShippedBroker) -> None:
    own = ["wl/lakeside/smoke-2/up", "wl/lakeside/smoke-2/status"]
    others = ["wl/lakeside/smoke-3/up", "wl/riverside/smoke-2/up", "wl/lakeside/smoke-3/status",
              "wl/lakeside/incidents/1", "wl/lakeside/up", "wl/up"]  # fmt: skip
    assert allowed(broker, "lakeside/smoke-2", [*others, *own]) == own


def test_a_gateway_writes_for_its_site_only(broker: ShippedBroker) -> None:
    own = ["wl/lakeside/smoke-7/up", "wl/lakeside/charger-1/status"]
    assert allowed(broker, "lakeside", [*own, "wl/riverside/smoke-1/up", "wl/lakeside/incidents/1"]) == own


def test_a_display_writes_nothing(broker: ShippedBroker) -> None:
    assert allowed(broker, "display", ["wl/lakeside/incidents/1", "wl/lakeside/smoke-1/up"]) == []


def test_only_a_desk_answers_incidents_and_nothing_more(broker: ShippedBroker) -> None:
    move = "wl/lakeside/incidents/inc-1/move"
    assert allowed(broker, "desk", ["wl/lakeside/incidents/inc-1", "wl/lakeside/smoke-1/up", move]) == [move]
    for user in ("display", "lakeside", "lakeside/smoke-2"):
        assert allowed(broker, user, [move]) == []


@pytest.mark.parametrize("user", ["lake+", "lake#", "+/+"])
@pytest.mark.parametrize("topic", ["wl/lakeside/smoke-1/up", "wl/lakeside/smoke-1/status"])
def test_a_name_with_a_wildcard_may_do_nothing(broker: ShippedBroker, user: str, topic: str) -> None:
    assert allowed(broker, user, [topic]) == []


def test_the_daemon_writes_incidents_commands_and_what_drills_make_up(broker: ShippedBroker) -> None:
    topics = ["wl/lakeside/incidents/inc-1", "wl/lakeside/smoke-1/up", "wl/lakeside/smoke-1/status"]
    assert allowed(broker, "wanglou", topics) == topics[:2]
    with visit(broker, "lakeside/smoke-1") as device, visit(broker, "wanglou") as daemon:
        device.subscribe("wl/lakeside/smoke-1/down")
        daemon.publish("wl/lakeside/smoke-1/down")
        device.hears("wl/lakeside/smoke-1/down")


def test_everybody_reads_only_what_is_theirs(broker: ShippedBroker) -> None:
    readers = {user: visit(broker, user).subscribe("#", "wl/#", "$SYS/#") for user in (*DEVICES, "lakeside", "display")}
    with visit(broker, "wanglou") as daemon, visit(broker, "lakeside/smoke-1") as device:
        device.publish("wl/lakeside/smoke-1/up")
        for site, name in (("lakeside", "smoke-1"), ("lakeside", "smoke-2"), ("riverside", "smoke-1")):
            daemon.publish(f"wl/{site}/{name}/down")
        daemon.publish("wl/lakeside/incidents/inc-1")
    readers["display"].hears("wl/lakeside/incidents/inc-1")
    readers["lakeside"].hears("wl/lakeside/smoke-1/down", "wl/lakeside/smoke-2/down")
    for user in DEVICES:
        readers[user].hears(f"wl/{user}/down")
    for reader in readers.values():
        reader.leave()


def test_the_daemon_sees_what_the_broker_dropped(broker: ShippedBroker) -> None:
    with visit(broker, "wanglou") as daemon:
        daemon.subscribe("$SYS/broker/publish/messages/dropped").hears("$SYS/broker/publish/messages/dropped")
        assert daemon.heard[0][1] == b"0"


def test_a_last_will_is_bound_by_the_same_list(broker: ShippedBroker) -> None:
    with listener(broker) as daemon:
        visit(broker, "lakeside/smoke-1", will="wl/lakeside/smoke-1/status").vanish()
        daemon.hears("wl/lakeside/smoke-1/status")
    with listener(broker) as daemon:
        daemon.hears("wl/lakeside/smoke-1/status")
        visit(broker, "lakeside/smoke-1", will="wl/lakeside/smoke-2/status").vanish()
        visit(broker, "lakeside/smoke-2", will="wl/lakeside/smoke-2/status").vanish()
        daemon.hears("wl/lakeside/smoke-1/status", "wl/lakeside/smoke-2/status")
    with visit(broker, "lakeside/smoke-1") as device:
        device.publish("wl/lakeside/smoke-1/status", b"", retain=True)


def test_who_sends_too_much_at_once_notices(broker: ShippedBroker) -> None:
    with visit(broker, "lakeside/smoke-1") as device:
        device.publish("wl/lakeside/smoke-1/up", bytes(100_000))
        device.post("wl/lakeside/smoke-1/up", bytes(140_000))
        assert device.gone.wait(WAIT)


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_what_waits_for_the_daemon_survives_the_brokers_sigkill(broker: ShippedBroker) -> None:
    with visit(broker, "wanglou", name="keeper", clean=False) as daemon:
        daemon.subscribe("wl/+/+/up")
    with visit(broker, "lakeside/smoke-1") as device:
        # More than the 1,000 that mosquitto would keep by itself, of both kinds.
        for n in range(1500):
            device.post("wl/lakeside/smoke-1/up", b"%d" % n, qos=n % 2)
        device.publish("wl/lakeside/smoke-1/up", b"1500")
    saved = time.time()
    until(lambda: broker.store.exists() and broker.store.stat().st_mtime > saved, "the broker saves by itself")
    broker.kill()
    broker.start()
    with visit(broker, "wanglou", name="keeper", clean=False) as daemon:
        daemon.wait(lambda: len(daemon.heard) >= 1501)
    assert sorted(int(payload) for _, payload in daemon.heard) == list(range(1501))
    assert [int(p) for _, p in daemon.heard if int(p) % 2] == list(range(1, 1501, 2)), "in order"


def test_new_users_and_a_renewed_certificate_are_taken_without_a_restart(broker: ShippedBroker) -> None:
    street = broker.street
    with visit(broker, "lakeside/smoke-1") as connected:
        before = broker.certificate()
        subprocess.run(
            [street.parent / "certificates.sh", street / "authority", "renew", "server"],
            check=True,
            capture_output=True,
        )
        (street / "broker" / "server.pem").write_bytes((street / "authority" / "server.pem").read_bytes())
        broker.add("lakeside/smoke-9")
        broker.hang_up()
        until(lambda: broker.certificate() != before, "the new certificate is shown")
        visit(broker, "lakeside/smoke-9").leave()
        connected.subscribe("wl/lakeside/smoke-1/down")
        assert not connected.gone.is_set()


def until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end, f"not within {WAIT:g} s: {what}"
        time.sleep(0.1)
