"""Templates with placeholders, `{mobile}`: filled in as data, so that no name of a device can become a field of a request.

Knows no provider. Texts are replaced within the structure, before anything is written as JSON or as a form; a name that holds
quotation marks or ampersands stays a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

Template: TypeAlias = object
"""JSON values; every text in it may hold placeholders."""

PLACEHOLDERS = frozenset({
    "address", "asked", "callback", "incident", "key", "kind", "link", "mobile", "name", "place", "text", "title",
})  # fmt: skip
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def fill(template: Template, blanks: Mapping[str, str]) -> Template:
    """The template with everything in place. A placeholder without a value stays as it is: `check` finds it at start-up."""
    if isinstance(template, str):
        return _PLACEHOLDER.sub(lambda match: blanks.get(match[1], match[0]), template)
    if isinstance(template, Mapping):
        return {key: fill(value, blanks) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, blanks) for value in template]
    return template


def filled(template: str, blanks: Mapping[str, str]) -> str:
    """The same for one text."""
    return str(fill(template, blanks))


def unknown(template: Template, known: frozenset[str]) -> list[str]:
    """Placeholders that nothing will fill, in order."""
    return [name for name in dict.fromkeys(_names(template)) if name not in known]


def tells_news(template: Template) -> bool:
    """Does it say what is asked? In one that does not, the news that a fire is over reads like a call to another one."""
    return not {"asked", "text"}.isdisjoint(_names(template))


def _names(template: Template) -> Iterator[str]:
    if isinstance(template, str):
        yield from _PLACEHOLDER.findall(template)
    elif isinstance(template, Mapping):
        for value in template.values():
            yield from _names(value)
    elif isinstance(template, list | tuple):
        for value in template:
            yield from _names(value)
