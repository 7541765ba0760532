"""The feed on paho-mqtt, driven by our event loop: nothing is acknowledged before the ledger has it.

Uses paho's external-loop interface with manual acknowledgement. A full inbox takes the socket out of the loop, so the broker queues.
Each connection is a new paho client under the same client identifier: the session lives at the broker, stale packet identifiers do not.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import SecretStr

from monitor.inbox import Inbox
from monitor.packets import BufferedSocket, Malformed, Publish
from monitor.ports import TryAgain

log = structlog.get_logger(__name__)

PACKETS_A_TURN = 500
"""After so many packets other tasks of the loop get their turn."""
BACK_OFF = (0.5, 8.0)
"""Seconds, the first and the longest. Short: one client does not trouble a broker, and while it is not found nobody is watching."""
STEADY = 30.0
"""Seconds a connection must have lasted before the next loss is the first again."""
CONNACK_WITHIN = 10.0
GOODBYE_WITHIN = 1.0
DROPPED = "$SYS/broker/publish/messages/dropped"
DROPS_SHOWN = 600.0
"""Seconds: a broker only speaks of its count when it grows, so the trouble ends when it has not for so long."""
SOURCE, REFUSED_TOPICS, BROKER_DROPS = "feed", "subscription", "broker-drops"
"""Sources of trouble."""
PINGREQ, DISCONNECT = b"\xc0\x00", b"\xe0\x00"


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """How to reach the broker."""

    host: str
    port: int = 1883
    protocol: str = "3.1.1"
    """`3.1.1` or `5`"""
    client_id: str = "wanglou"
    username: str | None = None
    password: SecretStr | None = None
    tls: ssl.SSLContext | None = None
    keepalive: int = 60
    topics: tuple[str, ...] = ("wl/+/+/up", "wl/+/+/status", "wl/+/incidents/+/move")
    session_expiry: int = 7 * 24 * 3600
    """Seconds the broker keeps queueing for us (MQTT 5; with 3.1.1 the broker decides)."""
    inflight: int = field(default=1000)
    """Receive Maximum (MQTT 5)."""


class _Client(paho.Client):
    """paho's client on a buffered socket. This one method is not public; tests/live/test_mqtt_feed.py notices when it changes."""

    tls: ssl.SSLContext | None = None

    def _create_socket(self) -> Any:
        sock = socket.create_connection((self.host, self.port), self.connect_timeout)
        if self.tls is not None:
            # Not by paho: it leaves the socket open when the handshake fails.
            sock = self.tls.wrap_socket(sock, server_hostname=self.host)
        return BufferedSocket(sock, five=self.protocol == MQTTProtocolVersion.MQTTv5)


class MqttFeed:
    """See monitor.ports.Feed. `trouble(active, detail)` is told when the connection is lost and found again."""

    def __init__(self, settings: MqttSettings, inbox: Inbox, trouble: Callable[[str, bool, str], None]) -> None:
        self._settings = settings
        self._inbox = inbox
        self._trouble = trouble
        self._client: _Client | None = None
        self._buffered: BufferedSocket | None = None
        self._generation = 0
        self._paused = False
        self._reading = False
        self._writing = False
        self._task: asyncio.Task[None] | None = None
        self._connack: asyncio.Future[tuple[str, bool]] | None = None
        self._lost: asyncio.Event = asyncio.Event()
        self._why = ""
        self._heard = 0.0
        self._dropped: int | None = None
        self._drops_end: float | None = None
        self.connected = False
        self.connections = 0
        inbox.on_room = self._resume

    # --- the port ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect, and stay connected, in the background."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._stay_connected(), name="feed")

    async def wait(self) -> None:
        """Returns or raises when the connection keeper ends: it only does so by a mistake in this program."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def pause(self) -> None:
        """Stop reading; acknowledgements still go out."""
        self._paused = True
        self._read_no_more()

    def acknowledge(self, tokens: Sequence[int]) -> None:
        """PUBACK those of this connection; the broker brings the others again."""
        buffered, generation = self._buffered, self._generation
        if buffered is None or not self.connected:
            return
        for token in tokens:
            if token >> 16 == generation:
                buffered.acknowledge(token & 0xFFFF)
        self._write()

    async def stop(self) -> None:
        """DISCONNECT, without ending the session."""
        if self._buffered is not None and self.connected:
            await self._say_goodbye(self._buffered)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._close()

    async def _say_goodbye(self, buffered: BufferedSocket) -> None:
        """Write DISCONNECT behind the last acknowledgements, then read on until the broker hangs up.

        A socket that is closed with something unread is reset, and the acknowledgements that the broker has not read yet are thrown
        away. Not by paho's disconnect(): it closes the socket before what it wrote there has been flushed.
        """
        self._let_go()
        buffered.send(DISCONNECT)
        try:
            async with asyncio.timeout(GOODBYE_WITHIN):
                while not (buffered.flush() and _at_end(buffered)):  # noqa: ASYNC110 - the broker sets no event
                    await asyncio.sleep(0.005)
        except OSError as error:  # TimeoutError is one as well
            log.info("the broker did not take our goodbye", why=str(error) or "time-out")

    # --- connection --------------------------------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        delay, told = BACK_OFF[0], False
        while True:
            try:
                await self._connect()
                if told:
                    log.info("broker connected again")
                self._trouble(SOURCE, False, "")
                told, began = False, time.monotonic()
                why = await self._serve()
                if time.monotonic() - began > STEADY:
                    delay = BACK_OFF[0]
            except TryAgain as error:
                why = str(error)
            finally:
                self._close()
            if not told:
                log.warning("broker lost", why=why)
            told = True
            self._trouble(SOURCE, True, why)
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))
            delay = min(delay * 2, BACK_OFF[1])

    async def _connect(self) -> None:
        """A connection with an accepted CONNACK and our subscriptions. Raises TryAgain with the remedy."""
        s = self._settings
        self._generation = self._generation % 0xFFFF + 1
        self._lost, self._why, self._heard = asyncio.Event(), "", time.monotonic()
        self._connack = self._loop.create_future()
        client = self._client = self._make_client()
        try:
            # connect() looks up names and shakes hands in the foreground, so not on the loop.
            await self._loop.run_in_executor(None, self._open, client)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise TryAgain(f"cannot reach the broker at {s.host}:{s.port}: {error}") from None
        sock = client.socket()
        if not isinstance(sock, BufferedSocket):
            raise TryAgain(f"the broker at {s.host}:{s.port} hung up")
        self._buffered = sock
        self._resume()
        self._write()
        try:
            async with asyncio.timeout(CONNACK_WITHIN):
                refusal, resumed = await self._connack
        except TimeoutError:
            raise TryAgain(
                f"the broker at {s.host}:{s.port} did not answer CONNECT within {CONNACK_WITHIN:.0f} s"
            ) from None
        if refusal:
            raise TryAgain(f"the broker refused us: {refusal}; check username, password, certificate and client_id")
        if self.connections and not resumed:
            log.warning(
                "the broker had forgotten our session: messages published meanwhile are lost; see docs/operations.md"
            )
        client.subscribe([(topic, 1) for topic in (*s.topics, DROPPED)])
        self.connected = True
        self.connections += 1
        self._write()

    def _make_client(self) -> _Client:
        s = self._settings
        five = s.protocol == "5"
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=s.client_id,
            clean_session=None if five else False,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        client.connect_timeout = CONNACK_WITHIN
        if s.username is not None:
            client.username_pw_set(s.username, s.password.get_secret_value() if s.password else None)
        client.tls = s.tls
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_socket_register_write = self._on_register_write
        client.on_socket_close = self._on_socket_close
        return client

    def _open(self, client: _Client) -> None:
        s = self._settings
        if s.protocol == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = s.session_expiry
            properties.ReceiveMaximum = min(s.inflight, 65_535)
            client.connect(s.host, s.port, s.keepalive, clean_start=False, properties=properties)
        else:
            client.connect(s.host, s.port, s.keepalive)

    async def _serve(self) -> str:
        """Keep alive until the connection is lost; return why.

        Not with paho's loop_misc(): it takes a broker for dead whose answer to a ping still waits behind the messages of a full inbox.
        Here every byte is a sign of life, and silence proves nothing while we do not listen.
        """
        pinged = time.monotonic()
        while not self._lost.is_set():
            now = time.monotonic()
            if not self._reading:
                self._heard = now
            if now - self._heard > 1.5 * self._settings.keepalive:
                self._end(f"nothing was heard for {now - self._heard:.0f} s, not even the answer to a ping")
                break
            if now - pinged > self._settings.keepalive / 2 and self._buffered is not None:
                pinged = now
                self._buffered.send(PINGREQ)
                self._write()
            if self._drops_end is not None and now > self._drops_end:
                self._drops_end = None
                self._trouble(BROKER_DROPS, False, "")
            try:
                async with asyncio.timeout(1):
                    await self._lost.wait()
            except TimeoutError:
                continue
        return f"the connection to the broker was lost: {self._why}"

    def _end(self, why: str) -> None:
        """This connection is over. The first reason is the true one."""
        self._why = self._why or why
        self._lost.set()
        self._read_no_more()
        if self._connack is not None and not self._connack.done():
            self._connack.set_result((why, False))

    def _close(self) -> None:
        if self._buffered is not None:
            self._let_go()
            self._buffered.close()
        self._buffered = None
        self._client = None
        self.connected = False

    def _let_go(self) -> None:
        self._read_no_more()
        if self._writing and self._buffered is not None:
            self._loop.remove_writer(self._buffered.fileno())
        self._writing = False

    # --- the loop's callbacks ----------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Read (again), unless asked to pause."""
        if self._buffered is not None and not self._paused and not self._reading and self._buffered.fileno() >= 0:
            self._loop.add_reader(self._buffered.fileno(), self._read)
            self._reading = True
            self._loop.call_soon(self._read)  # something may be left in the buffer

    def _read_no_more(self) -> None:
        if self._reading and self._buffered is not None and self._buffered.fileno() >= 0:
            self._loop.remove_reader(self._buffered.fileno())
        self._reading = False

    def _read(self) -> None:
        """The socket has something, or something is left from the last turn."""
        buffered = self._buffered
        if buffered is None or not self._reading:
            return
        try:
            whole = self._take(buffered)
            if not whole and self._reading:
                if not buffered.fill():
                    self._end("the broker hung up: it was stopped, or another program came under our client_id")
                    return
                self._heard = time.monotonic()
                whole = self._take(buffered)
        except BlockingIOError:
            return
        except (OSError, Malformed) as error:
            self._end(str(error))
            return
        if self._reading and (whole or buffered.pending):
            self._loop.call_soon(self._read)

    def _take(self, buffered: BufferedSocket) -> bool:
        """Take at most a turn's packets out of the buffer; whether whole ones may be left."""
        inbox, generation = self._inbox, self._generation << 16
        for _ in range(PACKETS_A_TURN):
            packet = buffered.next()
            if packet is False:
                return False
            if packet is True:
                if self._client is None or self._client.loop_read() != paho.MQTT_ERR_SUCCESS or self._buffered is None:
                    return False
                continue
            self._arrived(packet, generation)
            if inbox.full:
                self._read_no_more()
                return True
        return True

    def _write(self) -> None:
        client, buffered = self._client, self._buffered
        if client is None or buffered is None:
            return
        if client.want_write():
            client.loop_write()
        if self._buffered is None:
            return
        try:
            done = buffered.flush()
        except OSError as error:
            self._end(str(error))
            return
        if not done and not self._writing:
            self._loop.add_writer(buffered.fileno(), self._write)
            self._writing = True
        elif done and self._writing:
            self._loop.remove_writer(buffered.fileno())
            self._writing = False

    # --- paho's callbacks --------------------------------------------------------------------------------------------

    def _on_register_write(self, _client: paho.Client, _userdata: Any, _sock: Any) -> None:
        """Nothing: every place that makes paho write is followed by `_write`, once for many packets."""

    def _on_connect(self, _client: paho.Client, _userdata: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if self._connack is not None and not self._connack.done():
            self._connack.set_result((str(reason) if reason.is_failure else "", bool(flags.session_present)))

    def _on_subscribe(self, _client: paho.Client, _userdata: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        """An access list may refuse what we came for; only $SYS is not missed."""
        refused = [t for t, reason in zip(self._settings.topics, reasons, strict=False) if reason.is_failure]
        why = f"the broker refuses to let us hear {', '.join(refused)}: mend its access list" if refused else ""
        if refused:
            log.warning("subscription refused", topics=refused, remedy="mend the broker's access list")
        self._trouble(REFUSED_TOPICS, bool(refused), why)

    def _on_disconnect(self, client: paho.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if client is self._client:
            self._end(str(reason))

    def _on_socket_close(self, client: paho.Client, _userdata: Any, _sock: Any) -> None:
        """paho is about to close the socket by itself: let go of the descriptor while it still has its number."""
        if client is self._client and self._buffered is not None:
            self._let_go()
            self._buffered = None

    def _arrived(self, p: Publish, generation: int) -> None:
        if p.topic.startswith(b"$SYS"):
            self._on_dropped(p)
            return
        topic = str(p.topic, "utf-8", "backslashreplace")
        self._inbox.message(topic, p.payload, p.qos, p.retain, p.dup, generation | p.mid if p.qos else 0)

    def _on_dropped(self, p: Publish) -> None:
        """The broker threw messages away, ours perhaps: a limit of its own bit (see deploy/ for settings that do not)."""
        if p.qos and self._buffered is not None:
            self._buffered.acknowledge(p.mid)
            self._write()
        if not p.payload.isdigit():
            return
        count, before = int(p.payload), self._dropped
        self._dropped = count
        if before is not None and count > before:
            log.warning("the broker drops messages", dropped=count - before, remedy="raise max_queued_messages")
            self._drops_end = time.monotonic() + DROPS_SHOWN
            self._trouble(BROKER_DROPS, True, f"the broker dropped {count - before} messages: raise its queue limits")


def _at_end(buffered: BufferedSocket) -> bool:
    """Take in, unread, what the socket has; whether the other side has closed it."""
    try:
        return not buffered.fill()
    except BlockingIOError:
        return False
