"""The compact notation for many readings of one quantity: `24+0.5x20 _x5 90`.

    24           one value
    24x3         four times 24: the first, and three more
    24+0.5x20    24, 24.5, … 34: the first, and twenty more, each 0.5 higher; `-` for lower
    true         flags; `"van"` in quotes: texts, also with x3
    _            nothing is sent; `_x5` five times nothing

Numbers of values count as in promtool, so that whoever tests Prometheus' rules need not learn another way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from rules.model import Value

LONGEST: Final = 100_000
"""Samples of one series."""

_ITEM = re.compile(r"""\s*(?:"(?P<quoted>[^"]*)"|(?P<word>[^\s"]+?))(?:x(?P<times>\d{1,18}))?(?=\s|$)""")
_NUMBER = r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_STEPS = re.compile(rf"({_NUMBER})([+-]\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")
_PLAIN = re.compile(_NUMBER)
_FLAGS: Final = {"true": True, "false": False}


def samples(text: str) -> list[Value | None]:
    """The values in order, None where nothing is sent. Raises ValueError with what is wrong; what to do stands after `; `."""
    out: list[Value | None] = []
    at = 0
    while at < len(text.rstrip()):
        match = _ITEM.match(text, at)
        if match is None:
            raise ValueError(f"`{text[at:].strip()[:40]}` cannot be read; write for example 24+0.5x20 _x5 90")
        times = int(match["times"]) if match["times"] else 0
        if len(out) + times + 1 > LONGEST:
            raise ValueError(f"more than {LONGEST} samples; send less often, or split the series")
        out.extend(_expanded(match["quoted"], match["word"], times))
        at = match.end()
    if not out:
        raise ValueError("a series without samples; write for example 24+0.5x20 _x5 90")
    return out


def _expanded(quoted: str | None, word: str | None, times: int) -> Iterator[Value | None]:
    if quoted is not None:
        yield from [quoted] * (times + 1)
    elif word == "_":
        # as in promtool: `_x5` is five, not six
        yield from [None] * (times or 1)
    elif word in _FLAGS:
        yield from [_FLAGS[word]] * (times + 1)
    elif word is not None and (steps := _STEPS.fullmatch(word)):
        if not times:
            raise ValueError(f"`{word}` does not say how often; write {word}x20")
        first, step = float(steps[1]), float(steps[2])
        # not summed up: twenty times 0.1 is 2, not 2.0000000000000004
        yield from (round(first + n * step, 9) for n in range(times + 1))
    elif word is not None and _PLAIN.fullmatch(word):
        yield from [float(word)] * (times + 1)
    else:
        raise ValueError(f'`{word}` is neither number nor flag; write texts in quotes, "{word}"')
