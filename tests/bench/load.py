"""The load: readings of many devices as ready-made MQTT packets, as fast as the broker acknowledges or at a rate. A process of its own.

usage: python -m tests.bench.load PORT MESSAGES [RATE]. Ends with a message on `wl/bench/done`; prints seconds.
"""

from __future__ import annotations

import random
import select
import struct
import sys
import time

from tests.publisher import Outgoing, connect, packet

WINDOW = 1000
BLOCK = 100
DEVICES, SITES = 1000, 50


def blocks(messages: int, seed: int = 1) -> list[bytes]:
    """Packets of quiet readings, a block of them in each bytes; made before the clock starts."""
    rng = random.Random(seed)
    base = time.time_ns() // 1_000_000
    out, block = [], bytearray()
    for i in range(messages):
        device = i % DEVICES
        payload = (
            b'{"at":%d,"id":"%x-%x","smoke_density":%.4f,"temperature":%.2f,"battery":97,"tamper":false,"rssi":-71}'
            % (base + i // DEVICES, base, i, rng.random() * 0.05, 20 + rng.random() * 5)
        )
        block += packet(Outgoing(f"wl/site{device % SITES}/smoke-{device}/up", payload), i % 60_000 + 1)
        if i % BLOCK == BLOCK - 1 or i == messages - 1:
            out.append(bytes(block))
            block.clear()
    return out


def run(port: int, messages: int, rate: float = 0) -> float:
    """Publish all; seconds until the broker had acknowledged every one."""
    ready = blocks(messages)
    sock = connect(port, b"bench-load")
    began, acked = time.perf_counter(), 0
    for number, block in enumerate(ready):
        sent = number * BLOCK
        if rate and (early := began + sent / rate - time.perf_counter()) > 0:
            time.sleep(early)
        while sent - acked // 4 > WINDOW - BLOCK or select.select([sock], [], [], 0)[0]:
            acked += len(sock.recv(65_536))
        sock.sendall(block)
    while acked // 4 < messages:
        acked += len(sock.recv(65_536))
    took = time.perf_counter() - began
    topic = b"wl/bench/done"
    sock.sendall(b"\x30" + bytes([2 + len(topic) + 2]) + struct.pack(">H", len(topic)) + topic + b"{}")
    sock.sendall(b"\xe0\x00")
    sock.close()
    return took


if __name__ == "__main__":
    took = run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 0)
    print(f"{took:.3f}")
