"""Photos from strangers: recognised by their bytes, freed of what they tell beside the picture, never trusted."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.photo import LARGEST, NotAPhoto, cleaned

SCAN = bytes(range(1, 200)) + b"\xff\x00\x10\xff\xd0\x22\xff\x00"


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def exif(turned: int, order: str = ">", place: bytes = b"31.2304N 121.4737E") -> bytes:
    mark = b"MM" if order == ">" else b"II"
    entries = struct.pack(f"{order}HHII", 0x010F, 2, len(place), 38) + struct.pack(
        f"{order}HHIHH", 0x0112, 3, 1, turned, 0
    )
    return segment(0xE1, b"Exif\0\0" + struct.pack(f"{order}2sHIH", mark, 42, 8, 2) + entries + b"\0\0\0\0" + place)


APP0 = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
TABLES = segment(0xDB, bytes(65)) + segment(0xC0, bytes(15))
PROFILE = segment(0xE2, b"ICC_PROFILE\0\1\1profile")
SOS = segment(0xDA, bytes(10)) + SCAN
SECRETS = (exif(1), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:owner>"), segment(0xFE, b"taken at home"),
           segment(0xED, b"Photoshop 3.0\0city"), segment(0xE2, b"MPF\0more"))  # fmt: skip


def jpeg(*before: bytes, after: bytes = b"") -> bytes:
    return b"\xff\xd8" + APP0 + b"".join(before) + TABLES + SOS + b"\xff\xd9" + after


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


IHDR, IDAT, IEND = chunk(b"IHDR", bytes(13)), chunk(b"IDAT", b"pixels"), chunk(b"IEND", b"")


def png(*between: bytes, after: bytes = b"") -> bytes:
    return b"\x89PNG\r\n\x1a\n" + IHDR + b"".join(between) + IDAT + IEND + after


def test_a_picture_without_anything_beside_it_is_the_same_picture() -> None:
    assert cleaned(jpeg(PROFILE)) == (cleaned(jpeg(PROFILE))[0], jpeg(PROFILE))
    assert cleaned(png(chunk(b"pHYs", bytes(9))))[1] == png(chunk(b"pHYs", bytes(9)))


@pytest.mark.parametrize("secret", SECRETS)
def test_what_a_jpeg_tells_beside_the_picture_is_gone_and_the_picture_is_whole(secret: bytes) -> None:
    name, content = cleaned(jpeg(secret, PROFILE))
    assert content == jpeg(PROFILE)
    assert name.endswith(".jpg")
    assert len(name) == 68


def test_a_film_or_second_picture_behind_the_end_is_cut_off() -> None:
    assert cleaned(jpeg(after=b"ftypmp42 where I live"))[1] == jpeg()


def test_scans_of_a_progressive_picture_are_all_kept() -> None:
    several = (
        b"\xff\xd8" + APP0 + b"\xff\xff" + TABLES + SOS + segment(0xC4, bytes(20)) + SECRETS[2] + SOS + b"\xff\xd9"
    )
    assert cleaned(several)[1] == b"\xff\xd8" + APP0 + TABLES + SOS + segment(0xC4, bytes(20)) + SOS + b"\xff\xd9"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("turned", range(1, 9))
def test_how_it_is_to_be_turned_stays_and_nothing_else(turned: int, order: str) -> None:
    content = cleaned(jpeg(exif(turned, order)))[1]
    assert b"31.2304N" not in content
    assert (b"Exif" in content) is (turned > 1)
    if turned > 1:
        # What we wrote says the same when it is read again.
        assert cleaned(content)[1] == content


def test_what_a_png_tells_beside_the_picture_is_gone() -> None:
    secrets = [chunk(kind, b"home") for kind in (b"tEXt", b"iTXt", b"zTXt", b"eXIf", b"tIME", b"prVt")]
    assert cleaned(png(*secrets, after=b"more"))[1] == png()


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"GIF89a", b"<svg onload=x>", b"%PDF-1.7", b"\x00\x00\x00\x18ftypheic", b"\xff\xd8", b"\xff\xd8\xff", jpeg()[:-2], jpeg()[:60],
        b"\xff\xd8\xff\xd9",
        jpeg().replace(SOS, b""), b"\xff\xd8\xff\xe1\x00\x01", b"\x89PNG\r\n\x1a\n",
        png()[:-5], png().replace(b"pixels", b"pixelz"),
        png().replace(IDAT, b""),
    ],
)  # fmt: skip
def test_what_is_no_whole_photo_is_refused(raw: bytes) -> None:
    with pytest.raises(NotAPhoto):
        cleaned(raw)


def test_too_large_is_refused_unread() -> None:
    with pytest.raises(NotAPhoto, match="5 MB"):
        cleaned(jpeg(after=bytes(LARGEST)))


@given(st.binary(max_size=400), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]))
def test_any_bytes_are_a_photo_or_refused(raw: bytes, begin: bytes) -> None:
    try:
        name, content = cleaned(begin + raw)
    except NotAPhoto:
        return
    assert cleaned(content) == (name, content)


@given(st.data())
def test_a_damaged_photo_is_refused_or_tells_nothing(data: st.DataObject) -> None:
    raw = bytearray(jpeg(*SECRETS))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        _, content = cleaned(bytes(raw))
    except NotAPhoto:
        return
    assert content.startswith(b"\xff\xd8")
