"""The two MQTT packets that come and go by the thousand, PUBLISH and PUBACK, read from and written to a buffered socket.

Everything else of the protocol is the client library's business: this stands between it and the socket, takes complete PUBLISH packets
out of the stream for itself and leaves all other packets, whole, to be read by the library. Knows no broker and no topic.
"""

from __future__ import annotations

import ssl
from typing import Any, NamedTuple

READ_AHEAD = 65_536
_PUBLISH, _DUP, _RETAIN = 0x30, 0x08, 0x01


class Malformed(Exception):
    """The stream is no MQTT any more; the connection must be given up."""


class Publish(NamedTuple):
    """A PUBLISH packet (MQTT 3.1.1 3.3; MQTT 5.0 3.3): `mid` is 0 at QoS 0."""

    topic: bytes
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    mid: int


class BufferedSocket:
    """A socket for the client library that reads ahead and writes behind.

    The library asks for single bytes and sends four bytes per acknowledgement; here both become few large calls. It is given only
    whole packets, so that it never stands in the middle of one when the next PUBLISH is taken past it. `five`: MQTT 5, whose
    PUBLISH carries properties.
    """

    def __init__(self, sock: Any, *, five: bool) -> None:
        self._sock = sock
        self._five = five
        self._data = b""
        self._pos = 0
        self._out = bytearray()

    # --- for the library ---------------------------------------------------------------------------------------------

    def recv(self, size: int) -> bytes:
        """At most `size` bytes of what was read ahead. Raises BlockingIOError when there is nothing, as a socket does."""
        if self._pos >= len(self._data):
            raise BlockingIOError
        taken = self._data[self._pos : self._pos + size]
        self._pos += len(taken)
        return taken

    def send(self, data: bytes | bytearray) -> int:
        """Keep it until `flush`."""
        self._out += data
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    # --- for the feed ------------------------------------------------------------------------------------------------

    def fill(self) -> bool:
        """Read what the socket has; False at the end of the stream. Raises OSError; BlockingIOError when there is nothing."""
        try:
            more = self._sock.recv(READ_AHEAD)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        self._data = self._data[self._pos :] + more
        self._pos = 0
        return bool(more)

    @property
    def pending(self) -> bool:
        """Whether the TLS layer holds bytes that no selector knows of."""
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    def next(self) -> Publish | bool:
        """The next PUBLISH, taken out of the stream; True: another packet is next, for the library; False: nothing whole is here.

        Raises Malformed. A PUBLISH of QoS 2, which nobody subscribes to here, is left to the library.
        """
        data, start = self._data, self._pos
        have = len(data)
        if have - start < 2:
            return False
        length, at, shift = data[start + 1], start + 2, 7
        if length > 127:
            length &= 127
            while True:
                if at >= have:
                    return False
                byte = data[at]
                at += 1
                length |= (byte & 127) << shift
                if byte < 128:
                    break
                shift += 7
                if shift > 21:
                    raise Malformed("a packet's length has more than four bytes")
        end = at + length
        if end > have:
            return False
        head = data[start]
        qos = head >> 1 & 3
        if head & 0xF0 != _PUBLISH or qos > 1:
            return True
        self._pos = end
        return self._publish(data, at, end, head, qos)

    def _publish(self, data: bytes, at: int, end: int, head: int, qos: int) -> Publish:
        body = at + 2 + (data[at] << 8 | data[at + 1]) if end - at >= 2 else end + 1
        topic = data[at + 2 : body]
        mid = 0
        if qos and body + 2 <= end:
            mid = data[body] << 8 | data[body + 1]
        body += 2 * qos
        if self._five and body < end:
            body = _after_properties(data, body, end)
        if body > end or (qos and not mid):
            raise Malformed("a PUBLISH is shorter than it says")
        return Publish(topic, data[body:end], qos, bool(head & _RETAIN), bool(head & _DUP), mid)

    def acknowledge(self, mid: int) -> None:
        """PUBACK (in MQTT 5 without a reason: success), at the next `flush`."""
        self._out += b"\x40\x02%c%c" % (mid >> 8, mid & 255)

    def flush(self) -> bool:
        """Write what is kept; False when some of it must wait for the socket. Raises OSError."""
        while self._out:
            try:
                sent = self._sock.send(self._out)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return False
            del self._out[:sent]
        return True


def _after_properties(data: bytes, at: int, end: int) -> int:
    """Where the properties end; none of them matters here (topic aliases are only used by a broker that was offered them)."""
    length = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        length |= (byte & 127) << shift
        if byte < 128:
            return at + length
        shift += 7
    raise Malformed("the properties of a PUBLISH do not end")
