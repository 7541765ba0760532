"""Which decoder reads which topics. Knows the families by their first topic level, nothing of what they say."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.decoders import Decoded, Decoder, Undecodable, native

FAMILIES: Mapping[str, Decoder] = {"wl": native.decode}


def decode(topic: str, payload: bytes) -> Decoded | None:
    """What a message says, by the decoder of its family; None when it is our own word. Raises Undecodable."""
    decoder = FAMILIES.get(topic.partition("/")[0])
    if decoder is None:
        raise Undecodable(
            "topic", "no decoder reads this topic; see docs/wire-format.md for the families that are known"
        )
    return decoder(topic, payload)
