"""Evidence as one file: JSON, or a ZIP of it with the photos. One document has exactly one form, so that no byte can be changed unseen.

Knows how it is written and read back; neither what it says nor whether it is true.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import NamedTuple

from monitor.evidence import FORMAT, Document

LARGEST = 512_000_000
"""Bytes of a file that is read at all."""
NAME = "evidence.json"
_ZIP = b"PK\x03\x04"
_DATE = (1980, 1, 1, 0, 0, 0)


class NoEvidence(Exception):
    """The file cannot be read as evidence; the text says why."""


class Package(NamedTuple):
    """What is in a file."""

    document: Document
    photos: Mapping[str, bytes]
    """By name: the SHA-256 with `.jpg` or `.png`."""


def write(package: Package) -> bytes:
    """The file. Its form is fixed: keys in order, one blank of indentation, entries of a ZIP in order, stored, without dates."""
    text = json.dumps(package.document, ensure_ascii=False, sort_keys=True, indent=1) + "\n"
    data = text.encode("utf-8", "backslashreplace")  # half a surrogate pair becomes JSON's own escape
    if not package.photos:
        return data
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry(NAME), data)
        for name in sorted(package.photos):
            archive.writestr(_entry(f"photos/{name}"), package.photos[name])
    return out.getvalue()


def read(data: bytes) -> tuple[Package, bool]:
    """What is in the file, and whether the file is byte for byte what `write` makes of it. Raises NoEvidence."""
    package = _unpacked(data) if data.startswith(_ZIP) else Package(_parsed(data), {})
    return package, write(package) == data


def named_rightly(name: str, photo: bytes) -> bool:
    """Is this the photo that the name is the hash of?"""
    return hashlib.sha256(photo).hexdigest() == name.partition(".")[0]


def _parsed(data: bytes) -> Document:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NoEvidence(f"it is not JSON: {str(error)[:120]}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise NoEvidence(f"it is not of the format {FORMAT}")
    return found


def _unpacked(data: bytes) -> Package:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in infos):
                raise NoEvidence("its ZIP is compressed or encrypted, which evidence never is")
            files = {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise NoEvidence(f"its ZIP is damaged: {str(error)[:120]}") from None
    if NAME not in files:
        raise NoEvidence(f"its ZIP holds no {NAME}")
    document = _parsed(files.pop(NAME))
    return Package(document, {name.removeprefix("photos/"): photo for name, photo in files.items()})


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system = 3  # the same on every system
    info.external_attr = 0o644 << 16
    return info
