"""PUBLISH and PUBACK past the library: every shape of packet, cut anywhere, over real sockets, against an encoder written apart.

The encoder below follows the text of MQTT 3.1.1 (3.3) and 5.0 (3.3) and shares no line with what it tests; so does the little
library, which reads what is left to it as paho does: a byte, the length byte by byte, the rest.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.packets import BufferedSocket, Malformed, Publish

CONNACK = bytes.fromhex("20020000")
CONNACK_5 = bytes.fromhex("200600000321000a")
SUBACK = bytes.fromhex("9003000101")
PINGRESP = bytes.fromhex("d000")
DISCONNECT_5 = bytes.fromhex("e0028b00")
NO_PROPERTIES = b"\x00"


def varint(n: int) -> bytes:
    """A variable byte integer (MQTT 5.0 1.5.5)."""
    out = []
    while True:
        n, low = divmod(n, 128)
        out.append(low | (0x80 if n else 0))
        if not n:
            return bytes(out)


def publish(p: Publish, *, properties: bytes | None = None) -> bytes:
    """A PUBLISH packet; with `properties` (their length included) it is one of MQTT 5."""
    rest = len(p.topic).to_bytes(2, "big") + p.topic
    if p.qos:
        rest += p.mid.to_bytes(2, "big")
    rest += (properties or b"") + p.payload
    return bytes([0x30 | p.dup << 3 | p.qos << 1 | p.retain]) + varint(len(rest)) + rest


class Left(NamedTuple):
    """A packet that was left to the library, whole."""

    packet: bytes


@dataclass
class Pair:
    """The broker's end and ours."""

    broker: socket.socket
    ours: BufferedSocket

    def taken(self, *pieces: bytes) -> list[Publish | Left]:
        """Everything that is taken out while the pieces arrive one by one."""
        out: list[Publish | Left] = []
        for piece in pieces:
            self.broker.sendall(piece)
            arrived = 0
            while arrived < len(piece):
                arrived += fill(self.ours)
                out += drain(self.ours)
        return out


def fill(ours: BufferedSocket) -> int:
    """Read once; how much came."""
    before = left(ours)
    assert ours.fill()
    return left(ours) - before


def left(ours: BufferedSocket) -> int:
    return len(ours._data) - ours._pos


def drain(ours: BufferedSocket) -> Iterator[Publish | Left]:
    while (packet := ours.next()) is not False:
        yield Left(read_as_the_library_does(ours)) if packet is True else packet
    assert ours.next() is False


def read_as_the_library_does(ours: BufferedSocket) -> bytes:
    """One packet, with as many calls as paho makes. A BlockingIOError here is a packet that was not whole."""
    out = ours.recv(1)
    length = shift = 0
    while True:
        byte = ours.recv(1)
        out += byte
        length |= (byte[0] & 127) << shift
        shift += 7
        if byte[0] < 128:
            break
    rest = ours.recv(length) if length else b""
    assert len(rest) == length
    return out + rest


@contextmanager
def pair(*, five: bool = False) -> Iterator[Pair]:
    broker, raw = socket.socketpair()
    raw.setblocking(False)
    with broker, raw:
        yield Pair(broker, BufferedSocket(raw, five=five))


SHAPES = {
    "QoS 0": Publish(b"wl/s/d/up", b"{}", 0, False, False, 0),
    "QoS 1": Publish(b"wl/s/d/up", b'{"smoke":true}', 1, False, False, 1),
    "the highest identifier": Publish(b"wl/s/d/up", b"x", 1, False, False, 65_535),
    "retained": Publish(b"wl/s/d/status", b"online", 1, True, False, 258),
    "repeated": Publish(b"wl/s/d/up", b"x", 1, False, True, 772),
    "repeated and retained": Publish(b"wl/s/d/up", b"x", 1, True, True, 3),
    "nothing in it": Publish(b"wl/s/d/up", b"", 1, True, False, 4),
    "nothing in it at QoS 0": Publish(b"wl/s/d/up", b"", 0, True, False, 0),
    "Chinese topic": Publish("wl/小区/烟感/up".encode(), "烟".encode(), 1, False, False, 5),
    "looks like packets": Publish(
        b"a", publish(Publish(b"b", b"c", 1, False, False, 9)) + PINGRESP, 1, False, False, 6
    ),
    "one byte of topic": Publish(b"a", b"b", 0, False, False, 0),
    "longest topic": Publish(b"a" * 65_535, b"b", 1, False, False, 7),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(
    "properties", [None, NO_PROPERTIES, b"\x05\x01\x00\x23\x00\x01", b"\x80\x01" + b"\x0b\x01" * 64]
)
def test_every_shape(shape: Publish, properties: bytes | None) -> None:
    with pair(five=properties is not None) as p:
        assert p.taken(publish(shape, properties=properties)) == [shape]


@pytest.mark.parametrize("length_bytes", [1, 2, 3, 4])
@pytest.mark.parametrize("at_least", [True, False])
def test_lengths_of_one_to_four_bytes(length_bytes: int, at_least: bool) -> None:
    """The smallest and the largest remaining length of each size (the largest of four bytes is 256 MB: a tenth will do)."""
    size = 128 ** (length_bytes - 1) if at_least else min(128**length_bytes - 1, 25_000_000)
    size = max(size, 5)
    shape = Publish(b"a", bytes(size - 5), 1, False, False, 1)
    packet = publish(shape)
    assert len(packet) == 1 + length_bytes + size
    with pair() as p:
        pieces = [packet[i : i + 60_000] for i in range(0, len(packet), 60_000)]
        if len(pieces) < 50:
            assert p.taken(*pieces, PINGRESP) == [shape, Left(PINGRESP)]
        else:  # as one read would do it; by pieces of 60 kB it is quadratic, and no payload of this size is accepted
            p.ours._data = packet + PINGRESP
            assert list(drain(p.ours)) == [shape, Left(PINGRESP)]


@pytest.mark.parametrize("five", [False, True])
def test_cut_at_every_byte(five: bool) -> None:
    first = Publish(b"wl/s/d/up", b"first" * 30, 1, True, False, 500)
    second = Publish(b"wl/s/d/up", b"second", 0, False, False, 0)
    properties = b"\x05\x01\x00\x23\x00\x01" if five else None
    stream = PINGRESP + publish(first, properties=properties) + SUBACK + publish(second, properties=properties)
    expected = [Left(PINGRESP), first, Left(SUBACK), second]
    for cut in range(1, len(stream)):
        with pair(five=five) as p:
            assert p.taken(stream[:cut], stream[cut:]) == expected, cut
    with pair(five=five) as p:
        assert p.taken(*(bytes([byte]) for byte in stream)) == expected


@pytest.mark.parametrize("packet", [CONNACK, CONNACK_5, SUBACK, PINGRESP, DISCONNECT_5, b"\x34\x06\x00\x01a\x00\x01x"])
def test_other_packets_are_left_whole_to_the_library(packet: bytes) -> None:
    """QoS 2 among them: nobody subscribes to it here."""
    shape = SHAPES["QoS 1"]
    with pair(five=packet in (CONNACK_5, DISCONNECT_5)) as p:
        properties = NO_PROPERTIES if packet in (CONNACK_5, DISCONNECT_5) else None
        around = publish(shape, properties=properties)
        assert p.taken(around + packet + around, packet) == [shape, Left(packet), shape, Left(packet)]


def test_the_library_finds_nothing_when_nothing_is_whole() -> None:
    with pair() as p:
        assert p.ours.next() is False
        with pytest.raises(BlockingIOError):
            p.ours.recv(1)
        with pytest.raises(BlockingIOError):
            p.ours.fill()


def test_the_library_gets_no_more_than_it_asks_for() -> None:
    with pair() as p:
        p.broker.sendall(SUBACK)
        fill(p.ours)
        assert [p.ours.recv(2), p.ours.recv(1), p.ours.recv(100)] == [SUBACK[:2], SUBACK[2:3], SUBACK[3:]]


@pytest.mark.parametrize(
    ("what", "five", "stream"),
    [
        ("five bytes of length", False, b"\x30\x80\x80\x80\x80\x01"),
        ("five bytes of length, not yet all here", False, b"\xd0\xff\xff\xff\xff"),
        ("empty", False, b"\x30\x00"),
        ("half a topic length", False, b"\x30\x01\x00"),
        ("topic longer than the packet", False, b"\x30\x04\x00\x09ab"),
        ("topic longer than the packet at QoS 1", False, b"\x32\x04\x00\x09ab"),
        ("no identifier", False, b"\x32\x03\x00\x01a"),
        ("half an identifier", False, b"\x32\x04\x00\x01a\x01"),
        ("identifier 0", False, b"\x32\x05\x00\x01a\x00\x00"),
        ("properties longer than the packet", True, b"\x30\x05\x00\x01a\x05x"),
        ("length of properties without end", True, b"\x30\x05\x00\x01a\x80\x80"),
    ],
)
@pytest.mark.parametrize("more", [b"", bytes(20)], ids=["at the end", "with more behind it"])
def test_malformed(what: str, five: bool, stream: bytes, more: bytes) -> None:
    with pair(five=five) as p, pytest.raises(Malformed):
        p.taken(stream + more)


def test_a_packet_shorter_than_it_says_takes_nothing_of_the_next() -> None:
    """The topic may not reach into the following packet even though the bytes are there."""
    with pair() as p, pytest.raises(Malformed):
        p.taken(b"\x30\x04\x00\x09ab" + publish(SHAPES["QoS 0"]))


PUBLISHES = st.builds(
    lambda topic, payload, qos, retain, dup, mid: Publish(
        topic, payload, qos, retain, dup and bool(qos), mid if qos else 0
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40).map(str.encode),
    st.binary(max_size=400),
    st.sampled_from([0, 1]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 65_535),
)
PROPERTIES = st.binary(max_size=200).map(lambda body: varint(len(body)) + body)
OTHERS = st.sampled_from([SUBACK, PINGRESP, b"\x40\x02\x00\x05", b"\xf0\x81\x01" + bytes(129)])


@settings(deadline=None)
@given(st.booleans(), st.lists(st.tuples(PUBLISHES, PROPERTIES) | OTHERS, max_size=20), st.data())
def test_round_trip(five: bool, stream: Sequence[tuple[Publish, bytes] | bytes], data: st.DataObject) -> None:
    wire, expected = b"", list[Publish | Left]()
    for packet in stream:
        if isinstance(packet, bytes):
            wire += packet
            expected.append(Left(packet))
        else:
            wire += publish(packet[0], properties=packet[1] if five else None)
            expected.append(packet[0])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True) if a < b]
    with pair(five=five) as p:
        assert p.taken(*pieces) == expected
        assert left(p.ours) == 0


@settings(deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_whatever_comes_is_a_packet_or_malformed(noise: bytes, five: bool) -> None:
    """No other exception, no endless loop, and nothing is read beyond what came."""
    with pair(five=five) as p:
        p.ours._data = noise
        try:
            taken = list(drain(p.ours))
        except Malformed:
            return
        assert len(taken) * 2 <= len(noise)


@given(st.lists(st.integers(1, 65_535), max_size=50))
def test_acknowledgements(mids: list[int]) -> None:
    with pair() as p:
        for mid in mids:
            p.ours.acknowledge(mid)
        assert p.ours.flush()
        expected = b"".join(b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids)
        p.broker.setblocking(False)
        assert (p.broker.recv(65_536) if mids else b"") == expected


def test_the_librarys_packets_and_acknowledgements_go_out_in_order_at_the_next_flush() -> None:
    with pair() as p:
        assert p.ours.send(b"\xc0\x00") == 2
        p.ours.acknowledge(0x1234)
        assert p.ours.send(b"\xe0\x00") == 2
        p.broker.setblocking(False)
        with pytest.raises(BlockingIOError):
            p.broker.recv(1)
        assert p.ours.flush()
        assert p.broker.recv(100) == bytes.fromhex("c00040021234e000")
        assert p.ours.flush(), "nothing is left"


def test_a_full_socket_keeps_the_rest_for_later() -> None:
    with pair() as p:
        many = 200_000
        for n in range(many):
            p.ours.acknowledge(n % 65_535 + 1)
        assert not p.ours.flush()
        assert not p.ours.flush(), "still full"
        got = bytearray()
        while not p.ours.flush():
            got += p.broker.recv(65_536)
        p.broker.setblocking(False)
        while len(got) < many * 4:
            got += p.broker.recv(65_536)
        assert got == b"".join(b"\x40\x02" + (n % 65_535 + 1).to_bytes(2, "big") for n in range(many))


def test_the_end_of_the_stream_is_told_and_what_came_before_it_is_kept() -> None:
    shape = SHAPES["QoS 1"]
    with pair() as p:
        p.broker.sendall(publish(shape) + b"\x30")
        p.broker.close()
        assert p.ours.fill()
        assert list(drain(p.ours)) == [shape]
        assert not p.ours.fill()
        assert list(drain(p.ours)) == []


def test_a_dead_peer_is_an_oserror() -> None:
    with pair() as p:
        p.broker.close()
        p.ours.acknowledge(1)
        with pytest.raises(OSError, match="Broken pipe"):
            p.ours.flush()


def test_everything_else_of_the_socket_is_the_sockets() -> None:
    with pair() as p:
        number = p.ours.fileno()
        assert number >= 0
        assert p.ours.getsockname() == ""
        assert not p.ours.pending
        p.ours.close()
        assert p.ours.fileno() == -1
        with pytest.raises(OSError, match="Bad file descriptor"):
            p.ours.fill()
