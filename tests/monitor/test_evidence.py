"""Sealed evidence: whole it verifies without its ledger, and no byte, entry, photo or row of the database is changed unseen.

Knows the panel's ledger on SQLite, a real engine behind it, and the command line; no server is needed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monitor.chain import canonical, first_link, next_link
from monitor.clock import FakeClock
from monitor.evidence import Document, document, photos_of, seal
from monitor.evidence_check import Looked, check
from monitor.evidence_file import NoEvidence, Package, read, write
from monitor.evidence_key import FILE as KEY_FILE
from monitor.evidence_key import BadKey, fingerprint, sealing_key, signed
from monitor.ledger.connection import FILE
from monitor.ledger.dossier import read_dossier
from monitor.ledger.sqlite import SqliteLedger
from monitor.ports import Batch, TimelineRow
from rules.model import HOUR, MINUTE, SECOND, Disposition, Move, Outcome, Receipt, Verb
from rules.rule import BookChanged
from tests.commands import wanglou
from tests.monitor.test_panel import TWO, Life
from tests.rules.small_block import T0
from tests.running import site

PHOTO = b"\xff\xd8 a photo \xff\xd9"
NAME = f"{hashlib.sha256(PHOTO).hexdigest()}.jpg"
WHO = "值班员 / Duty officer"


async def _night(folder: Path, *, photo: bool) -> None:
    """A kitchen smokes, is attended to, resolved, smokes again, is reset and closed; another device speaks meanwhile."""
    ledger, clock = SqliteLedger(folder), FakeClock(T0)
    life = Life(ledger, clock)
    life.inbox.put(BookChanged(0, TWO))

    async def after(seconds: int) -> None:
        life.panel.stop()
        await life.panel.run()
        life.panel._stopping = False
        clock.advance(seconds * SECOND)

    life.say("h1", 1, smoke=False, smoke_density=0.02)
    await after(20 * 60)  # so long before that it is no part of it
    life.say("h1", 2, smoke=False, smoke_density=0.1)
    life.say("h1", 3, raw=b"\x00\xff not json")
    life.say("g1", 4, smoke=False)
    await after(8)
    life.say("h1", 5, smoke=True, smoke_density=0.2)
    await after(2)
    for row in await ledger.open_pushes():
        life.inbox.put(Receipt(0, row.push.key, Outcome.RETRY, 1, "503 busy", clock.now() + SECOND))
        life.inbox.put(Receipt(0, row.push.key, Outcome.ACCEPTED, 2, "ok"))
    await after(10)
    for verb in (Verb.ACKNOWLEDGE, Verb.ON_SCENE, Verb.RESOLVE):
        life.inbox.put(Move(0, "inc-000001", verb, WHO, "看过了"))
        await after(30)
    life.say("h1", 6, smoke=False)
    await after(60)
    life.say("h1", 7, smoke=True)  # and again
    await after(5)
    life.say("h1", 8, smoke=False)
    await after(60)
    for verb, found in ((Verb.RESOLVE, None), (Verb.RESET, None), (Verb.CLOSE, Disposition.NUISANCE)):
        life.inbox.put(Move(0, "inc-000001", verb, WHO, "", found))
        await after(1)
    life.say("h1", 9, smoke=False)
    await after(1)
    await life.panel.finish()
    if photo:
        note = json.dumps({"by": WHO, "note": "照片", "reading.photo": NAME})
        at = (await ledger.timeline("inc-000001"))[-1].at
        await ledger.commit(Batch(entries=[(at, "inc-000001", "note", note)]))
        (folder / "photos").mkdir()
        (folder / "photos" / NAME).write_bytes(PHOTO)
    await ledger.close()


def exported(folder: Path, photos: dict[str, bytes]) -> bytes:
    found = read_dossier(folder, "inc-000001")
    assert found is not None
    sizes = {name: len(photos[name]) if name in photos else None for name in photos_of(found.timeline)}
    key = sealing_key(folder)
    content = document(found, sizes, made_at=T0 + HOUR, program="wanglou 0")
    return write(Package(seal(content, key.public, key.sign), photos))


@dataclass(frozen=True)
class Case:
    """A night's ledger, and what was exported of it: plain, and with a photo."""

    folder: Path
    plain: bytes
    zipped: bytes
    key: str


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    plain, zipped = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("zipped")
    asyncio.run(_night(plain, photo=False))
    asyncio.run(_night(zipped, photo=True))
    key = sealing_key(plain)
    return Case(plain, exported(plain, {}), exported(zipped, {NAME: PHOTO}), key.public)


def broken(data: bytes, key: str | None = None) -> list[str]:
    """The words of everything that is not sound."""
    return [looked.words for looked in looks(data, key) if not looked.sound]


def looks(data: bytes, key: str | None = None) -> list[Looked]:
    package, exact = read(data)
    return check(package, exact, key)


def resealed(case: Case, change: Callable[[Document], object]) -> bytes:
    """What somebody who has the key, or took another one, could make of it."""
    package, _ = read(case.plain)
    change(package.document)
    key = sealing_key(case.folder)
    content = {name: value for name, value in package.document.items() if name != "seal"}
    return write(Package(seal(content, key.public, key.sign), {}))


# --- whole ------------------------------------------------------------------------------------------------------------


def test_whole_it_is_sound_and_says_what_was_looked_at(case: Case) -> None:
    for data in (case.plain, case.zipped):
        assert broken(data) == []
    assert broken(case.plain, case.key) == []
    words = [looked.words.partition(":")[0].rpartition(" ")[2] for looked in looks(case.zipped)]
    assert words == ["file", "seal", "timeline", "record", "messages", "rules", "photos"]
    assert len(looks(case.plain, case.key)) == 7


def test_it_holds_what_the_ledger_keeps(case: Case) -> None:
    it = read(case.plain)[0].document
    assert it["incident"]["disposition"] == "nuisance"
    steps = [entry["step"] for entry in it["timeline"]]
    assert [steps.count(step) for step in ("raised", "realarm", "resolved", "closed", "push_failed")] == [1, 1, 2, 1, 1]
    items = it["messages"]["items"]
    # From ten minutes before to the end, of its devices alone, also what was no JSON.
    assert [json.loads(raw)["smoke"] for m in items if (raw := base64.b64decode(m["payload"])).startswith(b"{")] == [
        False, True, False, True, False,
    ]  # fmt: skip
    assert {m["device"] for m in items} == {"b/h1"}
    assert [m["verdict"] for m in items][1] == "rejected"
    raised = next(entry["id"] for entry in it["timeline"] if entry["step"] == "raised")
    assert [m["number"] for m in items if raised in m["decided"]] == [items[2]["number"]]
    assert it["messages"]["complete"]
    assert (it["book"]["since"], it["book"]["rules"]) == (T0, it["incident"]["rules"])
    assert it["book"]["digest"] == TWO.digest
    assert len(it["pushes"]) > 2
    assert all(push["outcome"] for push in it["pushes"])


def test_the_chain_can_be_followed_with_nothing_but_the_document(case: Case) -> None:
    it = read(case.plain)[0].document
    link = hashlib.sha256(f'["wanglou-chain-1","{it["ledger"]["id"]}","inc-000001"]'.encode()).hexdigest()
    assert link == first_link(it["ledger"]["id"], "inc-000001")
    for entry in it["timeline"]:
        said = json.dumps(
            [entry["at"], entry["incident"], entry["step"], entry["detail"]],
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=True,
        )
        link = hashlib.sha256(f"{link}\n{said}".encode()).hexdigest()
        assert link == entry["link"]


def test_a_migrated_ledger_says_which_entries_were_chained_late(case: Case) -> None:
    def change(it: Document) -> None:
        it["ledger"]["sealed_after"] = it["timeline"][2]["id"]

    (timeline,) = [looked for looked in looks(resealed(case, change)) if "timeline" in looked.words][:1]
    assert timeline.sound
    assert "3 条在升级时补链" in timeline.words


# --- changed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "zipped"])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
@example(place=0.0, flip=1)
@example(place=0.9999999, flip=32)
def test_no_byte_is_changed_unseen(case: Case, name: str, place: float, flip: int) -> None:
    data = bytearray(getattr(case, name))
    data[int(place * len(data))] ^= flip
    try:
        found = broken(bytes(data))
    except NoEvidence:
        return
    assert found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1, exclude_max=True), more=st.binary(max_size=3))
def test_nothing_is_cut_off_or_appended_unseen(case: Case, cut: float, more: bytes) -> None:
    for data in (case.plain, case.zipped):
        changed = data[: int(cut * len(data))] + more
        if changed != data:
            with suppress(NoEvidence):
                assert broken(changed)
    if more:
        for data in (case.plain, case.zipped):
            with suppress(NoEvidence):
                assert broken(data + more)


def test_no_entry_is_left_out_moved_doubled_or_made_up(case: Case) -> None:
    """Even by somebody who holds the key: without the links of all that follow, the chain breaks where it was touched."""
    number = len(read(case.plain)[0].document["timeline"])
    for place in range(number):
        left_out = broken(resealed(case, lambda it, n=place: it["timeline"].pop(n)))  # type: ignore[misc]
        assert left_out, place
        assert "timeline" in left_out[0] or place == number - 1
        doubled = broken(resealed(case, lambda it, n=place: it["timeline"].insert(n, it["timeline"][n])))  # type: ignore[misc]
        assert "timeline: BROKEN" in doubled[0]
    for place in range(number - 1):

        def swap(it: Document, n: int = place) -> None:
            it["timeline"][n], it["timeline"][n + 1] = it["timeline"][n + 1], it["timeline"][n]

        assert f"entry {place + 1}/{number}" in broken(resealed(case, swap))[0]


CHANGES: list[tuple[str, Callable[[Document], object], str]] = [
    ("who acknowledged", lambda it: entry(it, "acknowledged")["detail"].update(by="x"), "timeline: BROKEN"),
    ("when it was raised", lambda it: it["timeline"][0].update(at=T0), "timeline: BROKEN"),
    ("whose it is", lambda it: it["incident"].update(id="inc-000002"), "timeline: BROKEN"),
    ("another ledger", lambda it: it["ledger"].update(id="0" * 32), "timeline: BROKEN"),
    (
        "the record alone",
        lambda it: it["incident"].update(disposition="fire"),
        "disposition: it was closed with another",
    ),
    ("a moment of the record", lambda it: it["incident"].update(on_scene_at=T0), "on_scene_at: no entry"),
    ("the last entry left out", lambda it: it["timeline"].pop(), "closed_at: no entry 'closed'"),
    ("a payload", lambda it: it["messages"]["items"][2].update(payload="eA=="), "messages: CHANGED, number"),
    ("messages moved", lambda it: it["messages"]["items"].reverse(), "messages: their order was CHANGED"),
    ("a threshold", lambda it: it["book"]["texts"][0].__setitem__(1, "version: 1"), "rules: CHANGED"),
    ("a photo made up", lambda it: it["photos"].append({"name": NAME, "bytes": 3}), "photos: MISSING"),
    ("no timeline", lambda it: it.pop("timeline"), "content: BROKEN (KeyError"),
    ("nonsense", lambda it: it.update(messages={"items": 7, "complete": True}), "content: BROKEN (TypeError"),
]


def entry(it: Document, step: str) -> Document:
    found: Document = next(e for e in it["timeline"] if e["step"] == step)
    return found


@pytest.mark.parametrize(
    ("change", "words"), [(change, words) for _, change, words in CHANGES], ids=[name for name, *_ in CHANGES]
)
def test_what_contradicts_itself_is_named_whoever_signed(
    case: Case, change: Callable[[Document], object], words: str
) -> None:
    found = broken(resealed(case, change))
    assert any(words in it for it in found), found
    assert not any("seal" in it for it in found)


def test_another_key_is_told(case: Case, tmp_path: Path) -> None:
    other = sealing_key(tmp_path)
    content = {name: value for name, value in read(case.plain)[0].document.items() if name != "seal"}
    forged = write(Package(seal(content, other.public, other.sign), {}))
    assert broken(forged) == []  # it agrees with itself: only the known key tells
    assert broken(forged, case.key) == ["密钥不符 key: NOT the expected one"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"PK\x03\x04",
        b"PK\x03\x04" + b"\0" * 100,
        b'{"format": "wanglou-evidence-2"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_evidence_is_said(data: bytes) -> None:
    with pytest.raises(NoEvidence):
        read(data)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["seal", "timeline", "incident", "ledger", "messages", "book", "photos"]),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=4),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["id", "items", "key", "at", "texts"]), inner, max_size=3)
            ),
            max_leaves=8,
        ),
    )
)
def test_whatever_is_in_the_file_it_is_answered(content: dict[str, Any]) -> None:
    package, exact = read(write(Package({"format": "wanglou-evidence-1", **content}, {})))
    assert any(not looked.sound for looked in check(package, exact, None))


def test_texts_of_any_kind_survive_the_file(tmp_path: Path) -> None:
    odd = {"zh": "火\u2028", "half": "\ud800", "nul": "\u0000", "n": 1e-7, "big": 1 << 70, "minus": -0.0}
    data = write(Package({"format": "wanglou-evidence-1", "x": odd}, {}))
    package, exact = read(data)
    assert (package.document["x"], exact) == (odd, True)
    assert "火".encode() in data


# --- the ledger -------------------------------------------------------------------------------------------------------


async def test_a_row_edited_in_the_database_is_found(tmp_path: Path) -> None:
    await _night(tmp_path / "data", photo=False)
    edits = (
        ("UPDATE entry SET detail = replace(detail, '看过了', '没看') WHERE step = 'on_scene'", "on_scene"),
        ("UPDATE entry SET at = at - 60000000 WHERE step = 'acknowledged'", "acknowledged"),
        ("DELETE FROM entry WHERE step = 'dispatched'", ""),
        ("UPDATE entry SET incident = 'inc-000009' WHERE step = 'raised'", ""),
    )
    whole = (tmp_path / "data" / FILE).read_bytes()
    for sql, step in edits:
        (tmp_path / "data" / FILE).write_bytes(whole)
        with closing(sqlite3.connect(tmp_path / "data" / FILE)) as db, db:
            db.execute(sql)
        found = broken(exported(tmp_path / "data", {}))
        assert "timeline: BROKEN at entry" in found[0]
        assert step in found[0]


async def test_messages_that_the_tape_no_longer_has_are_said_to_be_missing(tmp_path: Path) -> None:
    await _night(tmp_path, photo=False)
    ledger = SqliteLedger(tmp_path)
    await ledger.prune(older_than=T0 + 30 * MINUTE, max_bytes=1 << 60)
    await ledger.close()
    it = read(exported(tmp_path, {}))[0].document
    assert (it["messages"]["complete"], it["messages"]["items"]) == (False, [])
    assert it["book"]["digest"] == TWO.digest, "the rules of the day outlive the tape"
    assert broken(exported(tmp_path, {})) == []


def test_an_incident_that_is_not_there_is_none(case: Case) -> None:
    assert read_dossier(case.folder, "inc-000777") is None


def test_photos_are_found_by_the_hashes_in_the_timeline() -> None:
    def row(**detail: object) -> TimelineRow:
        return TimelineRow(1, 0, "i", "note", detail)

    rows = [row(**{"reading.photo": NAME}), row(photos=f"{NAME} {'a' * 64}.png"), row(note="b" * 64), row(photo=3)]
    assert photos_of(rows) == [NAME, f"{'a' * 64}.png"]


# --- keys and canonical JSON ------------------------------------------------------------------------------------------


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first, second = sealing_key(tmp_path), sealing_key(tmp_path)
    assert first.public == second.public
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    assert signed(first.public, first.sign(b"x"), b"x")
    assert not signed(first.public, first.sign(b"x"), b"y")
    assert not signed("no key", first.sign(b"x"), b"x")
    assert len(fingerprint(first.public)) == 19
    (tmp_path / KEY_FILE).write_text("nonsense")
    with pytest.raises(BadKey, match="is no private key"):
        sealing_key(tmp_path)


def test_canonical_json_is_ascii_sorted_and_without_blanks() -> None:
    assert canonical({"b": [1.0, True, None], "a": "火\ud800"}) == b'{"a":"\\u706b\\ud800","b":[1.0,true,null]}'
    assert next_link("0", 1, "i", "s", {"n": float("nan")}) != next_link("0", 1, "i", "s", {})


# --- the command ------------------------------------------------------------------------------------------------------


def test_exported_verified_audited_on_the_command_line(tmp_path: Path) -> None:
    config = site(tmp_path, mqtt=1, webhook="http://127.0.0.1:9/hook")
    asyncio.run(_night(tmp_path / "data", photo=True))

    def said(*arguments: str) -> tuple[int, str]:
        ended = wanglou("evidence", *arguments, cwd=tmp_path)
        return ended.code, ended.out + ended.err

    assert said("export", "inc-000009", "-o", "x.zip", "-c", str(config)) == (2, "there is no incident inc-000009\n")
    code, words = said("export", "inc-000001", "-o", "x.zip", "-c", str(config))
    assert (code, "entries" in words) == (0, True), words
    key = wanglou("evidence", "key", "-c", config, cwd=tmp_path).out.strip()
    code, words = said("verify", "x.zip", "--key", key)
    assert (code, words.count("✓"), words.count("✗")) == (0, 8, 0), words
    assert said("verify", "x.zip")[0] == 0
    assert said("verify", "x.zip", "--key", "AAAA")[0] == 1
    assert said("verify", "site.yaml")[0] == 2
    assert said("verify", "nowhere")[0] == 2
    assert said("export", "inc-000001", "-o", "x.zip", "-c", str(config))[0] == 2, "never overwritten"
    assert said("audit", "-c", str(config)) == (0, "1 起警情 incidents, 0 起不符 broken\n")
    with closing(sqlite3.connect(tmp_path / "data" / FILE)) as db, db:
        db.execute("UPDATE entry SET detail = replace(detail, '看过了', '没看') WHERE step = 'on_scene'")
    code, words = said("audit", "-c", str(config))
    assert (code, "✗ inc-000001: " in words, "on_scene" in words) == (1, True, True)
    code, words = said("export", "inc-000001", "-o", "y.zip", "-c", str(config))
    assert (code, "not sound" in words, (tmp_path / "y.zip").exists()) == (1, True, True)
    assert said("verify", "y.zip")[0] == 1
