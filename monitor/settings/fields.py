"""Kinds of fields that the sections of the site file share: durations, sizes, names in two languages, addresses.

Knows no section and reads no file; where relative paths begin is told by a context variable while a file is loaded.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, Strict
from pydantic.fields import FieldInfo

from rules.model import HOUR, MINUTE, SECOND, Micros, Text

FOLDER: ContextVar[Path] = ContextVar("FOLDER")
"""The folder of the file that is being loaded; relative paths in it begin here."""

_DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?")
_PARTS: tuple[Micros, ...] = (24 * HOUR, HOUR, MINUTE, SECOND, 1000)
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKMGT]i?)?B")
_EXPONENT = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


class Section(BaseModel):
    """A part of the site file: unknown fields are mistakes, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


def read_duration(value: Any) -> Micros:
    """`1h30m` → microseconds. Raises ValueError with a remedy."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise ValueError("not a duration; write for example 30s, 5m, 1h30m, 7d or 250ms")
    return sum(int(count) * unit for count, unit in zip(match.groups(), _PARTS, strict=True) if count)


def write_duration(micros: Micros) -> str:
    """Microseconds → `1h30m`, as read_duration reads it (to the millisecond)."""
    out = ""
    for part, letters in zip(_PARTS, ("d", "h", "m", "s", "ms"), strict=True):
        count, micros = divmod(micros, part)
        out += f"{count}{letters}" if count else ""
    return out or "0s"


def is_duration(info: FieldInfo) -> bool:
    """Is this field of a model written as a duration?"""
    return any(isinstance(m, BeforeValidator) and m.func is read_duration for m in info.metadata)


def lasting(shortest: str, longest: str) -> AfterValidator:
    """Bounds of a duration, written as durations are, so that the mistake speaks of seconds and not of microseconds."""
    low, high = read_duration(shortest), read_duration(longest)

    def check(value: Micros) -> Micros:
        if not low <= value <= high:
            raise ValueError(f"is out of bounds; write {shortest} to {longest}")
        return value

    return AfterValidator(check)


def written(pattern: str, remedy: str) -> AfterValidator:
    """A text that fits a regular expression in full; the mistake shows the remedy and not the expression."""
    expression = re.compile(pattern)

    def check(value: str) -> str:
        if not expression.fullmatch(value):
            raise ValueError(f"cannot be written so; {remedy}")
        return value

    return AfterValidator(check)


def read_size(value: Any) -> int:
    """`20GB` (decimal) or `512MiB` (binary) → bytes. Raises ValueError with a remedy."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("not a size; write for example 20GB or 512MiB")
    unit = (match[2] or "").upper()
    return int(float(match[1]) * (1024 if unit.endswith("I") else 1000) ** _EXPONENT[unit.removesuffix("I")])


def _beside_the_file(path: Path) -> Path:
    folder = FOLDER.get(None)
    return path.expanduser() if folder is None else folder / path.expanduser()


def _a_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file {path.name}; check the path, relative ones begin beside the site file")
    return path


def _topic_filter(text: str) -> str:
    levels = text.split("/")
    if not text or "\0" in text or len(text.encode()) > 65_535:
        raise ValueError("not a topic filter; it must not be empty, nor too long, nor hold a NUL")
    for i, level in enumerate(levels):
        if ("#" in level and (level != "#" or i != len(levels) - 1)) or ("+" in level and level != "+"):
            raise ValueError("not a topic filter; '+' stands for a whole level, '#' for all levels from there on")
    return text


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not a web address; it begins with http:// or https:// and names a host")
    return text


def _without_credentials(text: str) -> str:
    parts = urlsplit(text)
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password; write them in their own fields, where they stay secret")
    return text


def _secret_web_address(secret: SecretStr) -> SecretStr:
    _web_address(secret.get_secret_value())
    return secret


def _not_blank(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("is blank; write the secret, or {env: NAME}, or {file: path}")
    return secret


class Label(Section):
    """A name in both languages; one plain text serves for both."""

    zh: str = Field(min_length=1, max_length=200)
    en: str = Field(min_length=1, max_length=200)

    @property
    def text(self) -> Text:
        """The same as the rules know it."""
        return Text(self.zh, self.en)


def _label(value: Any) -> Any:
    return {"zh": value, "en": value} if isinstance(value, str) else value


Whole: TypeAlias = Annotated[int, Strict()]
"""An integer; neither a text nor true/false passes."""

Switch: TypeAlias = Annotated[bool, Strict()]
"""true or false."""

Duration: TypeAlias = Annotated[Micros, BeforeValidator(read_duration)]
"""Written as `1h30m`; microseconds inside."""

Size: TypeAlias = Annotated[int, BeforeValidator(read_size)]
"""Written as `20GB`; bytes inside."""

Located: TypeAlias = Annotated[Path, AfterValidator(_beside_the_file)]
"""A path; relative ones begin at the folder of the site file."""

PresentFile: TypeAlias = Annotated[Located, AfterValidator(_a_file)]
"""A file that must be there when the settings are read."""

Name: TypeAlias = Annotated[Label, BeforeValidator(_label)]
"""`{zh: …, en: …}`, or one text for both languages."""

TopicFilter: TypeAlias = Annotated[str, AfterValidator(_topic_filter)]
"""An MQTT topic filter."""

WebAddress: TypeAlias = Annotated[str, AfterValidator(_web_address), AfterValidator(_without_credentials)]
"""http or https, without credentials."""

Secret: TypeAlias = Annotated[SecretStr, AfterValidator(_not_blank)]
"""A text that never reaches a log, an error or a page."""

SecretWebAddress: TypeAlias = Annotated[SecretStr, AfterValidator(_secret_web_address)]
"""A web address that holds a token."""

Port: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=65_535)]
"""A TCP port."""

Word: TypeAlias = Annotated[
    str, written(r"[a-z][a-z0-9_]{0,63}", "use small letters, digits and underscores, at most 64, a letter first")
]
"""A kind: small letters, digits and underscores."""

Id: TypeAlias = Annotated[
    str, written(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", "use letters, digits and _ . : -, at most 64, no sign first")
]
"""An identifier that fits into a topic level and a path of a web address."""
