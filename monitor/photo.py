"""Photos from strangers' phones: recognised by their first bytes, and freed of what they say beside the picture (place, owner, device).

Knows JPEG (ITU-T T.81) and PNG (ISO/IEC 15948) as far as it takes to walk over their parts; it decodes no pixel. How the picture is to
be turned stays: it is the one thing that whoever looks at it needs.
"""

from __future__ import annotations

import hashlib
import struct
import zlib

LARGEST = 5 * 1024 * 1024

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_EXIF = b"Exif\0\0"
_KEPT_CHUNKS = frozenset(
    {
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"pHYs",
    }
)  # fmt: skip
_APP0, _APP1, _APP2, _APP14, _COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
_SOS, _EOI = 0xDA, 0xD9
_ORIENTATION = 0x0112


class NotAPhoto(ValueError):
    """Neither JPEG nor PNG, damaged, or too large. The message is one sentence in both languages."""


def cleaned(raw: bytes) -> tuple[str, bytes]:
    """(name, the same picture without metadata); the name is its SHA-256 with `.jpg` or `.png`. Raises NotAPhoto."""
    if len(raw) > LARGEST:
        raise NotAPhoto("照片超过5MB。The photo is larger than 5 MB.")
    try:
        if raw.startswith(_JPEG):
            suffix, content = "jpg", _jpeg(raw)
        elif raw.startswith(_PNG):
            suffix, content = "png", _png(raw)
        else:
            raise NotAPhoto("只接受JPEG或PNG照片。Only JPEG and PNG photos are taken.")
    except (IndexError, struct.error):
        raise NotAPhoto("照片已损坏。The photo is damaged.") from None
    return f"{hashlib.sha256(content).hexdigest()}.{suffix}", content


def _jpeg(raw: bytes) -> bytes:
    """Segment by segment up to the end of the image; what comes behind it (a film, another image) is left out."""
    out = [raw[:2]]
    at, turned, scanned = 2, 0, False
    while True:
        if raw[at] != 0xFF:
            raise IndexError
        while raw[at + 1] == 0xFF:  # fill bytes
            at += 1
        marker = raw[at + 1]
        if marker == _EOI:
            if not scanned:
                raise IndexError
            out.append(raw[at : at + 2])
            break
        (length,) = struct.unpack_from(">H", raw, at + 2)
        segment = raw[at : at + 2 + length]
        if length < 2 or len(segment) < 2 + length:
            raise IndexError
        at += 2 + length
        if marker == _APP1 and segment[4:10] == _EXIF:
            turned = turned or _orientation(segment[10:])
        elif not (_APP1 <= marker <= 0xEF or marker == _COM) or marker == _APP14 or _is_profile(marker, segment):
            out.append(segment)
        if marker == _SOS:
            scanned = True
            end = _end_of_scan(raw, at)
            out.append(raw[at:end])
            at = end
    if turned > 1:
        tiff = struct.pack(">2sHIHHHIHxxI", b"MM", 42, 8, 1, _ORIENTATION, 3, 1, turned, 0)
        out.insert(1, b"\xff\xe1" + struct.pack(">H", 2 + len(_EXIF) + len(tiff)) + _EXIF + tiff)
    return b"".join(out)


def _is_profile(marker: int, segment: bytes) -> bool:
    """A colour profile: without it some phones' pictures have wrong colours."""
    return marker == _APP2 and segment[4:16] == b"ICC_PROFILE\0"


def _end_of_scan(raw: bytes, at: int) -> int:
    """Where the next marker stands that is neither a stuffed byte nor a restart."""
    while True:
        at = raw.find(b"\xff", at)
        if at < 0:
            raise IndexError
        follows = raw[at + 1]
        if follows != 0 and follows != 0xFF and not 0xD0 <= follows <= 0xD7:
            return at
        at += 1 if follows == 0xFF else 2


def _orientation(tiff: bytes) -> int:
    """How the picture is turned, 1 to 8; 0 where nothing is said that can be read."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 0
    (at,) = struct.unpack_from(f"{order}I", tiff, 4)
    if at + 2 > len(tiff):
        return 0
    (count,) = struct.unpack_from(f"{order}H", tiff, at)
    for i in range(min(count, 200)):
        entry = tiff[at + 2 + 12 * i : at + 14 + 12 * i]
        if len(entry) == 12 and struct.unpack_from(f"{order}HHI", entry) == (_ORIENTATION, 3, 1):
            (turned,) = struct.unpack_from(f"{order}H", entry, 8)
            return int(turned) if 1 <= turned <= 8 else 0
    return 0


def _png(raw: bytes) -> bytes:
    out = [raw[:8]]
    at, drawn = 8, False
    while True:
        (length,) = struct.unpack_from(">I", raw, at)
        kind, chunk = raw[at + 4 : at + 8], raw[at : at + 12 + length]
        if len(chunk) < 12 + length or zlib.crc32(chunk[4:-4]) != struct.unpack_from(">I", chunk, 8 + length)[0]:
            raise IndexError
        if kind in _KEPT_CHUNKS:
            out.append(chunk)
        drawn = drawn or kind == b"IDAT"
        at += 12 + length
        if kind == b"IEND":
            if not drawn:
                raise IndexError
            return b"".join(out)
