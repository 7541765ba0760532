"""Moves over MQTT: `wl/{site}/incidents/{id}/move`, for desks, panels and buttons that speak nothing else.

Knows the wire; neither the site nor the incident. A move is done by somebody, or not at all: unlike a reading, of which one field may be
bad, a move of which anything cannot be read is refused as a whole.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

from pydantic_core import from_json

from monitor.decoders import Undecodable
from rules.model import Disposition, Micros, Move, Verb

VIA = "mqtt"
LONGEST_NAME = 100
LONGEST_NOTE = 2000
_FIELDS = frozenset({"verb", "by", "note", "disposition"})
_TOPIC = re.compile(r"wl/(?P<site>[^/+#]{1,64})/incidents/(?P<incident>[A-Za-z0-9_.:-]{1,64})/move")
_Word = TypeVar("_Word", Verb, Disposition)


def is_move(topic: str) -> bool:
    """Is this the topic of moves? Asked of every message, so it looks at the end first."""
    return topic.endswith("/move") and "/incidents/" in topic


def move(topic: str, payload: bytes, at: Micros) -> tuple[str, Move]:
    """(site, move): whose incident the topic says it is, and what is to be done to it. Raises Undecodable with the remedy."""
    match = _TOPIC.fullmatch(topic)
    if match is None or not topic.isprintable():
        raise Undecodable("topic", "the topic is not wl/{site}/incidents/{id}/move")
    try:
        data = from_json(payload)
    except ValueError as error:
        raise Undecodable("not-json", f"the payload is not JSON: {str(error)[:120]}") from None
    if type(data) is not dict:
        raise Undecodable("not-json", 'a move is a JSON object such as {"verb": "acknowledge", "by": "…"}')
    if unknown := sorted(data.keys() - _FIELDS):
        raise Undecodable("move", f"there is no field `{unknown[0][:40]}`; a move has {', '.join(sorted(_FIELDS))}")
    disposition = data.get("disposition")
    return match["site"], Move(
        at,
        match["incident"],
        _word(Verb, "verb", data.get("verb")),
        _text("by", data.get("by"), LONGEST_NAME, needed=True),
        _text("note", data.get("note", ""), LONGEST_NOTE),
        None if disposition is None else _word(Disposition, "disposition", disposition),
        VIA,
    )


def _word(kind: type[_Word], name: str, raw: Any) -> _Word:
    try:
        return kind(raw)
    except ValueError:
        raise Undecodable("move", f"{name}: one of {', '.join(kind)} is expected") from None


def _text(name: str, raw: Any, longest: int, *, needed: bool = False) -> str:
    allowed = "\n\t" if longest > LONGEST_NAME else ""
    if not isinstance(raw, str) or len(raw) > longest or not all(c.isprintable() or c in allowed for c in raw):
        raise Undecodable("move", f"{name}: a text of at most {longest} printable characters is expected")
    if needed and not raw.strip():
        raise Undecodable("move", f"{name}: who does it? Write a name or role")
    return raw.strip()
