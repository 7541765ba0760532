"""Is a piece of evidence what was sealed, and does it agree with itself? One line for each thing that was looked at.

Pure, and needs neither ledger nor network. Whatever is in the file, it answers: what cannot be read is broken.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from monitor.chain import first_link, next_link
from monitor.evidence import Document, signed_bytes
from monitor.evidence_file import Package, named_rightly
from monitor.evidence_key import fingerprint, signed
from rules.model import Step
from rules.rulebook import book_digest

STEPS_OF_RECORD: Mapping[str, tuple[Step, ...]] = {
    "raised_at": (Step.RAISED,),
    "dispatched_at": (Step.DISPATCHED,),
    "acknowledged_at": (Step.ACKNOWLEDGED,),
    "on_scene_at": (Step.ON_SCENE,),
    "resolved_at": (Step.RESOLVED, Step.CLOSED),  # an exercise that ends is both at once
    "closed_at": (Step.CLOSED,),
}
"""A moment of the record, and the entries of the timeline that may tell the same."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One thing that was looked at: in Chinese and English, and whether it is sound."""

    sound: bool
    words: str


def check(package: Package, exact: bool, key: str | None) -> list[Looked]:
    """Everything that can be checked, in order. `exact`: the file has its one form; `key`: the public key that must have sealed it."""
    looks: Sequence[Callable[[Package], Iterator[Looked]]] = (
        partial(_seal, key=key),
        _chain,
        _record,
        _messages,
        _book,
        _photos,
    )
    words = "文件完整 file: whole, in its one form" if exact else "文件被改动 file: CHANGED, or not written by Wanglou"
    found = [Looked(exact, words)]
    for look in looks:
        try:
            found.extend(look(package))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
            found.append(Looked(False, f"内容残缺 content: BROKEN ({type(error).__name__}: {str(error)[:80]})"))
    return found


def broken_link(identity: str, incident: str, entries: Sequence[Mapping[str, Any]]) -> str:
    """The first entry at which the chain does not hold, in words; empty when all of it holds."""
    link = first_link(identity, incident)
    for place, it in enumerate(entries, 1):
        link = next_link(link, it["at"], it["incident"], it["step"], it["detail"])
        if it["incident"] != incident or it["link"] != link:
            return f"{place}/{len(entries)}, id {it['id']}, {it['step']}"
    return ""


def contradiction(record: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> str:
    """The first field of the incident's record that its timeline does not tell, in words; empty when there is none."""
    for name, steps in STEPS_OF_RECORD.items():
        at = record.get(name)
        if at is not None and not any(it["step"] in steps and it["at"] == at for it in entries):
            return f"{name}: no entry '{steps[0]}' at this moment"
    closings = [it for it in entries if it["step"] == Step.CLOSED]
    if closings and closings[-1]["detail"].get("disposition") != record.get("disposition"):
        return "disposition: it was closed with another one"
    if record.get("closed_at") is None and closings:
        return "closed_at: the timeline tells that it was closed"
    return ""


def _seal(package: Package, key: str | None) -> Iterator[Looked]:
    marks = package.document["seal"]
    sound = marks["algorithm"] == "Ed25519" and signed(marks["key"], marks["signature"], signed_bytes(package.document))
    name = f"{marks['key']} ({fingerprint(marks['key'])})"
    yield Looked(sound, f"{'签名有效 seal: good' if sound else '签名无效 seal: BROKEN'}, key {name}")
    if key is not None:
        same = key.strip() == marks["key"]
        yield Looked(same, "密钥一致 key: the expected one" if same else "密钥不符 key: NOT the expected one")


def _chain(package: Package) -> Iterator[Looked]:
    document = package.document
    entries, incident = document["timeline"], document["incident"]["id"]
    if broken := broken_link(document["ledger"]["id"], incident, entries):
        yield Looked(False, f"时间线断链 timeline: BROKEN at entry {broken}")
        return
    head = entries[-1]["link"] if entries else "-"
    late = sum(it["id"] <= document["ledger"]["sealed_after"] for it in entries)
    migrated = f", {late} 条在升级时补链 of them chained by a later version, not at their commit" if late else ""
    yield Looked(bool(entries), f"时间线完整 timeline: {len(entries)} entries linked{migrated}, head {head}")


def _record(package: Package) -> Iterator[Looked]:
    found = contradiction(package.document["incident"], package.document["timeline"])
    words = (
        f"记录与时间线不符 record: CONTRADICTS the timeline, {found}"
        if found
        else "记录与时间线一致 record: agrees with the timeline"
    )
    yield Looked(not found, words)


def _messages(package: Package) -> Iterator[Looked]:
    told = package.document["messages"]
    items = told["items"]
    for it in items:
        if hashlib.sha256(base64.b64decode(it["payload"], validate=True)).hexdigest() != it["sha256"]:
            yield Looked(False, f"原始报文被改动 messages: CHANGED, number {it['number']}, {it['topic']}")
            return
    numbers = [it["number"] for it in items]
    if numbers != sorted(set(numbers)):
        yield Looked(False, "原始报文次序被改动 messages: their order was CHANGED")
        return
    missing = "" if told["complete"] else "，不完整 (incomplete: the tape no longer had all, or there were too many)"
    decisive = sum(bool(it["decided"]) for it in items)
    yield Looked(True, f"原始报文相符 messages: {len(items)} with their hashes, {decisive} decisive{missing}")


def _book(package: Package) -> Iterator[Looked]:
    book = package.document["book"]
    if book is None:
        yield Looked(True, "无规则 rules: none were kept")
        return
    same = book_digest([(name, text) for name, text in book["texts"]]) == book["digest"]
    when = (
        "" if book["since"] is not None else "，为最近快照的规则 (of the newest snapshot, perhaps not those of the day)"
    )
    words = (
        f"规则相符 rules: {len(book['texts'])} books, digest {book['digest']}{when}"
        if same
        else "规则被改动 rules: CHANGED"
    )
    yield Looked(same, words)


def _photos(package: Package) -> Iterator[Looked]:
    told: Document = {it["name"]: it["bytes"] for it in package.document["photos"]}
    there = {name for name, size in told.items() if size is not None}
    if there != package.photos.keys() or not all(named_rightly(name, data) for name, data in package.photos.items()):
        yield Looked(False, "照片缺失或被改动 photos: MISSING or CHANGED")
    elif told:
        gone = len(told) - len(there)
        lost = f"，{gone} 张已不存在 ({gone} were gone when it was made)" if gone else ""
        yield Looked(True, f"照片相符 photos: {len(there)} with their hashes{lost}")
