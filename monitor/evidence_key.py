"""The key that seals evidence: Ed25519 (RFC 8032), made on first use in the data folder, readable by its owner alone.

Knows bytes, not what they mean.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

FILE = "evidence.key"
"""In the data folder, PEM (PKCS 8)."""


class BadKey(Exception):
    """A key cannot be used; the text says which and what to do."""


class SealingKey:
    """Signs. `public` is what anybody needs to check it."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
        """32 bytes in base64."""

    def sign(self, data: bytes) -> str:
        """The signature, 64 bytes in base64."""
        return base64.b64encode(self._key.sign(data)).decode()


def sealing_key(folder: Path) -> SealingKey:
    """The key of a data folder; made if there is none. Raises BadKey, OSError."""
    path = folder / FILE
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        pem = _make(path)
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise BadKey(
            f"{path} is no private key ({error}); restore it from a backup, or move it away for a new one"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"{path} is not an Ed25519 key; move it away for a new one")
    return SealingKey(key)


def _make(path: Path) -> bytes:
    """Complete or not there at all; whoever comes second takes the first one's."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
    except FileExistsError:
        return path.read_bytes()
    finally:
        part.unlink()
    return pem


def signed(public: str, signature: str, data: bytes) -> bool:
    """Is this the key's signature of the data? False also for what is no key or no signature."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), data)
    except (ValueError, InvalidSignature):
        return False
    return True


def fingerprint(public: str) -> str:
    """What people compare over the telephone: the first 16 hexadecimal digits of the SHA-256 of the key, in fours."""
    digest = hashlib.sha256(public.encode()).hexdigest()[:16]
    return " ".join(digest[i : i + 4] for i in range(0, 16, 4))
