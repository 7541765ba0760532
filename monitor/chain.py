"""The chain of hashes along an incident's timeline: each link is over the one before it and over one entry.

Knows values only: neither where the links are kept nor who signs the last one. An entry that is changed, left out, added or moved
afterwards breaks every link from there on.

    first link of an incident    SHA-256(`["wanglou-chain-1", ledger, incident]`)      before any entry
    link of an entry             SHA-256(link before it, a line feed, `[at, incident, step, detail]`)

Links are lower-case hexadecimal. JSON is canonical: keys in order of their code points, no blanks, ASCII only (`\\uXXXX`), numbers as the
shortest decimals that read back as the same value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

from rules.model import Micros

FORMAT = "wanglou-chain-1"


def canonical(value: object) -> bytes:
    """Plain JSON values as the bytes that are hashed and signed. Nothing that can be kept is refused: a commit must not fail by it."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode("ascii")


def first_link(ledger: str, incident: str) -> str:
    """What the first entry of an incident is linked to; `ledger` is the ledger's random number."""
    return sha256(canonical([FORMAT, ledger, incident])).hexdigest()


def next_link(before: str, at: Micros, incident: str, step: str, detail: Mapping[str, object]) -> str:
    """The link of an entry that comes after the link `before`."""
    return sha256(before.encode("ascii") + b"\n" + canonical([at, incident, step, detail])).hexdigest()
