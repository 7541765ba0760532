"""Whether books changed, and whether whoever changed them has finished."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from monitor.book_watch import BookWatch, Signature, signature


def looked(name: str) -> Signature:
    return ((name, 1, 2, 3),)


def test_a_change_is_taken_up_when_it_has_stood_still_for_a_look() -> None:
    watch = BookWatch(looked("a"))
    assert not watch.changed(looked("a"))
    assert not watch.changed(looked("b"))
    assert not watch.changed(looked("c"))  # still being written
    assert watch.changed(looked("c"))
    assert watch.changed(looked("c"))  # until somebody reads it
    watch.read(looked("c"))
    assert not watch.changed(looked("c"))


def test_a_change_that_somebody_else_has_read_is_none() -> None:
    watch = BookWatch(looked("a"))
    assert not watch.changed(looked("b"))
    watch.read(looked("b"))  # SIGHUP was faster
    assert not watch.changed(looked("b"))


def test_a_change_taken_back_is_none() -> None:
    watch = BookWatch(looked("a"))
    assert [watch.changed(looked(name)) for name in "baaa"] == [False, False, False, False]


@given(st.lists(st.sampled_from("abc"), max_size=40))
def test_it_never_misses_what_stands_still_and_never_asks_for_what_was_read(looks: list[str]) -> None:
    watch, read = BookWatch(looked("a")), "a"
    before = "a"
    for look in looks:
        told = watch.changed(looked(look))
        assert told == (look == before and look != read)
        if told:
            watch.read(looked(look))
            read = look
        before = look


def test_what_a_look_sees(tmp_path: Path) -> None:
    book, folder = tmp_path / "a.yaml", tmp_path / "more"
    book.write_text("one", "utf-8")
    folder.mkdir()
    looks = [signature([book, folder])]
    book.write_text("longer", "utf-8")
    looks.append(signature([book, folder]))
    os.utime(book, ns=(1, 1))
    looks.append(signature([book, folder]))
    (folder / "b.yaml").write_text("new", "utf-8")
    looks.append(signature([book, folder]))
    replacement = tmp_path / "a.tmp"
    replacement.write_text("lunger", "utf-8")
    os.utime(replacement, ns=(1, 1))
    replacement.rename(book)  # as editors do: same size, same time, another inode
    looks.append(signature([book, folder]))
    book.unlink()
    looks.append(signature([book, folder]))
    assert len(set(looks)) == len(looks)
    (folder / "b.test.yaml").write_text("a test is no book", "utf-8")
    assert signature([book, folder]) == looks[-1]
