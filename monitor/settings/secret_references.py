"""Values that stand elsewhere: `{env: NAME}` and `{file: path}` in place of a text.

Knows no section: it replaces references wherever they stand, and remembers where a value came from, never the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rules.document import Document, Mistake
from rules.document import Path as Address

LARGEST_BYTES = 65_536


class SecretReferences:
    """Replaces the references of a document in place."""

    def __init__(self, document: Document, environ: Mapping[str, str], folder: Path) -> None:
        self._document = document
        self._environ = environ
        self._folder = folder
        self.origins: dict[Address, str] = {}
        """Where each replaced value came from, in words."""
        self.files: list[Path] = []
        self.mistakes: list[Mistake] = []

    def resolve(self, *, without: frozenset[str]) -> None:
        """Walk over all sections but those named in `without`, which hold no secrets and may be very large."""
        data = self._document.data
        if isinstance(data, dict):
            for key in data:
                if key not in without:
                    data[key] = self._walk(data[key], (key,))

    def _walk(self, value: Any, path: Address) -> Any:
        if isinstance(value, dict):
            if len(value) == 1:
                (key, target), *_ = value.items()
                if key in ("env", "file") and isinstance(target, str):
                    found = self._variable(target, path) if key == "env" else self._file(target, path)
                    # A placeholder that suits any text, so that one missing secret is one mistake.
                    return "x" * 32 if found is None else found
            return {key: self._walk(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._walk(inner, (*path, i)) for i, inner in enumerate(value)]
        return value

    def _variable(self, name: str, path: Address) -> str | None:
        if name not in self._environ:
            self._wrong(path, f"the environment variable {name} is not set", "set it where the daemon starts")
            return None
        self.origins[path] = f"environment variable {name}"
        return self._environ[name]

    def _file(self, text: str, path: Address) -> str | None:
        file = self._folder / Path(text).expanduser()
        try:
            with file.open("rb") as stream:
                content = stream.read(LARGEST_BYTES + 1)
            value = content.decode()
        except OSError as error:
            self._wrong(path, f"{text} cannot be read: {error.strerror}", "check the path and who may read it")
            return None
        except UnicodeDecodeError:
            self._wrong(path, f"{text} is not UTF-8 text", "write the secret as text")
            return None
        if len(content) > LARGEST_BYTES:
            self._wrong(path, f"{text} is larger than {LARGEST_BYTES} bytes", "name the file of the secret")
            return None
        self.files.append(file)
        self.origins[path] = f"file {text}"
        return value.rstrip("\r\n")

    def _wrong(self, path: Address, message: str, remedy: str) -> None:
        self.mistakes.append(self._document.mistake(path, message, remedy))
