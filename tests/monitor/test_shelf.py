"""A bounded folder: whole or not there, the oldest go first, and no name leads out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor.shelf import Shelf


def test_what_is_kept_is_there_for_its_owner_alone(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "photos", 1000)
    assert shelf.read("a.jpg") is None
    shelf.keep("a.jpg", b"picture")
    assert shelf.read("a.jpg") == b"picture"
    assert (tmp_path / "photos").stat().st_mode & 0o777 == 0o700
    assert [p.stat().st_mode & 0o777 for p in (tmp_path / "photos").iterdir()] == [0o600]


def test_the_oldest_go_when_it_is_full_and_the_newest_always_stays(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 250)
    for second, name in enumerate(("a", "b", "c")):
        shelf.keep(name, bytes(100))
        os.utime(tmp_path / name, (second, second))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "c"]
    shelf.keep("large", bytes(900))
    assert [p.name for p in tmp_path.iterdir()] == ["large"]


def test_one_that_is_kept_again_is_young_again(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 250)
    for second, name in enumerate(("a", "b")):
        shelf.keep(name, bytes(100))
        os.utime(tmp_path / name, (second, second))
    shelf.keep("a", bytes(100))
    shelf.keep("c", bytes(100))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "c"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/b", "/etc/passwd", ".hidden", "a\0", "a.jpg.exe", "a" * 101, "a b"]
)
def test_no_name_leads_out_of_it(tmp_path: Path, name: str) -> None:
    shelf = Shelf(tmp_path / "in", 1000)
    with pytest.raises(ValueError, match="not a name"):
        shelf.keep(name, b"x")
    (tmp_path / "a").write_bytes(b"secret")
    assert shelf.read(name) is None


def test_a_disk_that_refuses_leaves_nothing_half(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        Shelf(tmp_path / "file", 1000).keep("a", b"x")
