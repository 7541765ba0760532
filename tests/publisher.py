"""A device side that never gives up: publishes at QoS 1 over a plain socket and repeats whatever was not acknowledged.

Knows MQTT 3.1.1's packets and the native payload, and nothing of the daemon. It writes ready-made packets and reads PUBACKs by the
thousand, so that it costs far less than what it drives; and it remembers every reading, so that they can be counted back.
"""

from __future__ import annotations

import itertools
import json
import random
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

HOST = "127.0.0.1"
HIGHEST_ID = 65_535
PUBACK = 0x40
_CLIENTS = itertools.count()


class Outgoing(NamedTuple):
    """One message."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(slots=True)
class Sent:
    """What a publication came to."""

    acknowledged: int = 0
    """Messages, each counted once however often it was repeated."""
    repeated: int = 0
    """Messages sent again because the connection was lost before their PUBACK."""
    connections: int = 0
    seconds: float = 0.0


Readings: TypeAlias = Mapping[tuple[str, int], Mapping[str, float]]
"""(`site/device`, milliseconds) → what was measured: no two readings of one device share a millisecond."""


class Neighbours:
    """Devices that measure in turn; `published` remembers every reading that was handed out."""

    def __init__(self, devices: Sequence[str], seed: int = 1) -> None:
        """`devices` as `site/device`."""
        self._devices = devices
        self._rng = random.Random(seed)
        self._last: dict[str, int] = {}
        self.published: dict[tuple[str, int], dict[str, float]] = {}

    def readings(self, count: int) -> Iterator[Outgoing]:
        """Quiet ones, each with its own `at` and `id`."""
        for n in range(count):
            yield self.reading(self._devices[n % len(self._devices)], self._rng.randrange(500) / 10_000)

    def reading(self, device: str, smoke_density: float) -> Outgoing:
        """One, measured now."""
        at = max(time.time_ns() // 1_000_000, self._last.get(device, 0) + 1)
        self._last[device] = at
        temperature = self._rng.randrange(2000, 2500) / 100
        values = {"smoke_density": smoke_density, "temperature": temperature, "battery": 97.0}
        said = {"at": at, "id": f"{len(self.published):x}", **values, "battery": 97}
        self.published[device, at] = values
        return Outgoing(f"wl/{device}/up", json.dumps(said, separators=(",", ":")).encode())


def publish(
    port: int, messages: Iterable[Outgoing], *, window: int = 1000, rate: float = 0, patience: float = 60
) -> Sent:
    """Publish all of them, at most `window` unacknowledged at a time, `rate` a second (0: as fast as the broker takes them).

    Returns when the broker has acknowledged every one. A lost connection is made again for up to `patience` seconds, and what was not
    acknowledged goes first, in its order, as new messages. Raises ConnectionError when patience is at its end.
    """
    return _Publication(port, iter(messages), window, rate, patience).run()


class _Publication:
    """One call of `publish`."""

    def __init__(self, port: int, messages: Iterator[Outgoing], window: int, rate: float, patience: float) -> None:
        self._port = port
        self._messages = messages
        self._window = window
        self._rate = rate
        self._patience = patience
        self._waiting: dict[int, Outgoing] = {}
        self._again: list[Outgoing] = []
        self._next_id = 1
        self._taken = 0
        self._ended = False
        self._out = bytearray()
        self._in = b""
        self.sent = Sent()

    def run(self) -> Sent:
        self._began = time.perf_counter()
        while not self._done:
            with self._connected() as sock:
                try:
                    self._serve(sock)
                except ConnectionError:
                    self._lost()
        self.sent.seconds = time.perf_counter() - self._began
        return self.sent

    @property
    def _done(self) -> bool:
        return self._ended and not self._waiting and not self._again

    def _serve(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        while not self._done:
            pause = self._fill()
            readable, writable, _ = select.select([sock], [sock] if self._out else [], [], pause)
            if readable:
                data = sock.recv(65_536)
                if not data:
                    raise ConnectionResetError("the broker hung up")
                self._acknowledged(self._in + data)
            if writable:
                del self._out[: sock.send(self._out)]
        sock.sendall(b"\xe0\x00")

    def _fill(self) -> float:
        """Put packets behind those that wait to be written; seconds to wait at most for something to happen."""
        while len(self._waiting) < self._window and len(self._out) < 262_144:
            if self._again:
                self._put(self._again.pop(0))
                continue
            if self._ended:
                return 1.0
            if self._rate and (early := self._began + self._taken / self._rate - time.perf_counter()) > 0:
                return early
            message = next(self._messages, None)
            if message is None:
                self._ended = True
                return 0.0
            self._taken += 1
            self._put(message)
        return 1.0

    def _put(self, message: Outgoing) -> None:
        while self._next_id in self._waiting:
            self._next_id = self._next_id % HIGHEST_ID + 1
        self._waiting[self._next_id] = message
        self._out += packet(message, self._next_id)
        self._next_id = self._next_id % HIGHEST_ID + 1

    def _acknowledged(self, data: bytes) -> None:
        whole = len(data) - len(data) % 4
        for kind, size, packet_id in struct.iter_unpack(">BBH", data[:whole]):
            if (kind, size) != (PUBACK, 2):
                raise AssertionError(f"the broker sent something other than PUBACK: {kind:#x}")
            del self._waiting[packet_id]
            self.sent.acknowledged += 1
        self._in = data[whole:]

    def _lost(self) -> None:
        self._again = [*self._waiting.values(), *self._again]
        self.sent.repeated += len(self._waiting)
        self._waiting.clear()
        self._out.clear()
        self._in = b""

    def _connected(self) -> socket.socket:
        end = time.monotonic() + self._patience
        while True:
            try:
                sock = connect(self._port, b"publisher-%d" % next(_CLIENTS))
            except OSError as error:
                if time.monotonic() > end:
                    raise ConnectionError(f"no broker within {self._patience:g} s") from error
                time.sleep(0.02)
            else:
                self.sent.connections += 1
                return sock


def connect(port: int, client_id: bytes) -> socket.socket:
    """A connection with a clean session whose CONNECT was accepted."""
    sock = socket.create_connection((HOST, port), timeout=10)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(client_id)) + client_id
        sock.sendall(b"\x10" + _length(len(body)) + body)
        _check_connack(sock.recv(4, socket.MSG_WAITALL))
    except BaseException:
        sock.close()
        raise
    return sock


def _check_connack(answer: bytes) -> None:
    if answer != b"\x20\x02\x00\x00":
        raise ConnectionRefusedError(f"the broker answered CONNECT with {answer.hex()}")


def packet(message: Outgoing, packet_id: int) -> bytes:
    """A PUBLISH of QoS 1."""
    topic = message.topic.encode()
    head = struct.pack(">H", len(topic)) + topic + struct.pack(">H", packet_id)
    first = 0x32 | message.retain
    return bytes([first]) + _length(len(head) + len(message.payload)) + head + message.payload


def _length(n: int) -> bytes:
    """MQTT's remaining length: seven bits a byte, the lowest first."""
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)
