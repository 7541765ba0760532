"""Where a character of a YAML text value stands in its file, whichever way the value is quoted or folded.

Knows YAML's five ways to write a text and nothing of what the text means. Folding changes white space only, so the
other characters are counted: exact for plain, literal, folded and single-quoted texts, and for the usual escapes.
"""

from __future__ import annotations

import re
from bisect import bisect_right

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)+")
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\r\n|.)", re.DOTALL)
_BLANK_ESCAPES = frozenset("\\" + c for c in "tnrvfNLP_ \t\r\n")


def locate(source: str, line: int, column: int, value: str, index: int) -> tuple[int, int]:
    """(line, column), from 1, in `source` of character `index` of `value`, which starts at `line`, `column`."""
    starts = [0, *(match.end() for match in _BREAK.finditer(source))]
    position, quote = _content(source, starts[min(line, len(starts)) - 1] + column - 1)
    position = _skip(source, position, quote, sum(not c.isspace() for c in value[:index]))
    if index < len(value.rstrip()):
        while position < len(source) and source[position].isspace():
            position += 1
    row = bisect_right(starts, position)
    return row, position - starts[row - 1] + 1


def _content(source: str, position: int) -> tuple[int, str]:
    """Where the characters of the value begin, and the quote around them, if any."""
    if properties := _PROPERTIES.match(source, position):
        position = properties.end()
    first = source[position : position + 1]
    if first in ("'", '"') and first:
        return position + 1, first
    if first in ("|", ">") and first:
        header = _BREAK.search(source, position)
        return (header.end() if header else len(source)), ""
    return position, ""


def _skip(source: str, position: int, quote: str, visible: int) -> int:
    """Behind so many visible characters."""
    while visible and position < len(source):
        step, counts = 1, not source[position].isspace()
        if quote == "'" and source.startswith("''", position):
            step = 2
        elif quote == '"' and (escape := _ESCAPE.match(source, position)):
            step, counts = len(escape[0]), escape[0] not in _BLANK_ESCAPES
        position += step
        visible -= counts
    return position
