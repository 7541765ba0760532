"""Names written once for many: ranges (`smoke-{0..999}`), captures (`b{building}-f{floor}-smoke-{n}`) and their use.

Knows only texts; what is named is the site file's business.

- `{0..49}` stands for each whole number of the range, `{000..999}` keeps the width; the number is then known as `{n}`.
  `{floor:1..30}` gives it a name of its own, needed where a text has two ranges.
- `{floor}` is a variable: in a name it is filled in, in a match it is captured.
- `{{` and `}}` are literal braces.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

MOST = 100_000
"""Names that one text may stand for."""

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_VARIABLE = re.compile(r"[a-z][a-z0-9_]*")
_RANGE = re.compile(r"(?:([a-z][a-z0-9_]*):)?(\d{1,9})\.\.(\d{1,9})")

Scope: TypeAlias = Mapping[str, str]
"""Variable → its value."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`{name}`."""

    name: str


@dataclass(frozen=True, slots=True)
class Range:
    """`{name:first..last}`, both included."""

    name: str
    first: int
    last: int
    width: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __iter__(self) -> Iterator[str]:
        return (f"{number:0{self.width}d}" for number in range(self.first, self.last + 1))


class Template:
    """A text with variables and ranges, taken apart once. Raises ValueError with a remedy."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts: tuple[str | Variable | Range, ...] = tuple(_parts(text))
        self.ranges = tuple(p for p in self.parts if isinstance(p, Range))
        names = [r.name for r in self.ranges]
        if len(names) != len(set(names)):
            raise ValueError("two ranges of one name; name them, for example {building:1..4} and {floor:1..30}")
        if self.count > MOST:
            raise ValueError(f"stands for {self.count} names; at most {MOST} are allowed, split it")

    @cached_property
    def count(self) -> int:
        """How many names the text stands for."""
        count = 1
        for r in self.ranges:
            count *= len(r)
        return count

    @cached_property
    def variables(self) -> frozenset[str]:
        """The variables that must be given a value, ranges left out."""
        return frozenset(p.name for p in self.parts if isinstance(p, Variable))

    def names(self, scope: Scope) -> Iterator[tuple[str, Scope]]:
        """Each name and the scope within it. Raises KeyError for a variable without a value."""
        if not self.ranges:
            yield self.fill(scope), scope
            return
        for numbers in itertools.product(*self.ranges):
            inner = {**scope, **dict(zip((r.name for r in self.ranges), numbers, strict=True))}
            yield self.fill(inner), inner

    def fill(self, scope: Scope) -> str:
        """The text with every value in its place. Raises KeyError for a variable without a value."""
        return "".join(part if isinstance(part, str) else scope[part.name] for part in self.parts)

    def format_text(self, groups: frozenset[str], scope: Scope) -> str:
        """For str.format_map over a match's groups: what `scope` knows is filled in, `groups` stay open."""
        out = []
        for part in self.parts:
            if isinstance(part, str):
                out.append(part.replace("{", "{{").replace("}", "}}"))
            elif part.name in groups:
                out.append(f"{{{part.name}}}")
            else:
                out.append(scope[part.name].replace("{", "{{").replace("}", "}}"))
        return "".join(out)

    def regex(self, plain: frozenset[str] = frozenset()) -> str:
        """A regular expression for the names meant, `*` standing for anything within a level.

        A variable takes at least one character and ends where the text behind it first follows, so a hostile name costs
        no more than its length. Variables in `plain` match without being captured. Raises ValueError where two open
        places stand side by side.
        """
        places = list(_places(self.parts))
        out = []
        for i, place in enumerate(places):
            if isinstance(place, str) and place != "*":
                out.append(re.escape(place))
                continue
            body = _open_place(place, places[i + 1 :])
            if isinstance(place, str) or place.name in plain:
                out.append(body)
            else:
                out.append(f"(?P<{place.name}>{body})")
        return "".join(out)


def _open_place(place: str | Variable | Range, behind: list[str | Variable | Range]) -> str:
    if isinstance(place, Range):
        return rf"\d{{{place.width}}}" if place.width > 1 else r"\d{1,9}"
    if behind and (not isinstance(behind[0], str) or behind[0] == "*"):
        raise ValueError("two open places side by side cannot be told apart; put a letter or dash between them")
    # The last open place needs no fence: what follows it is the end.
    fence = f"(?!{re.escape(str(behind[0]))})" if len(behind) > 1 else ""
    return f"(?:{fence}[^/])*" if isinstance(place, str) else f"(?:{fence}[^/{{}}])+"


def _places(parts: tuple[str | Variable | Range, ...]) -> Iterator[str | Variable | Range]:
    for part in parts:
        if isinstance(part, str):
            yield from (piece for piece in re.split(r"(\*)", part) if piece)
        else:
            yield part


def _parts(text: str) -> Iterator[str | Variable | Range]:
    literal = ""
    for piece in _PIECE.finditer(text):
        found, inside = piece[0], piece[1]
        if found in ("{{", "}}"):
            literal += found[0]
        elif inside is not None:
            if literal:
                yield literal
                literal = ""
            yield _inside(inside)
        elif found in ("{", "}"):
            raise ValueError(f"a lone {found!r}; a literal brace is written twice")
        else:
            literal += found
    if literal:
        yield literal


def _inside(text: str) -> Variable | Range:
    if match := _RANGE.fullmatch(text):
        first, last = int(match[2]), int(match[3])
        if first > last:
            raise ValueError(f"the range {{{text}}} runs backwards; write the smaller number first")
        padded = match[2].startswith("0") and len(match[2]) > 1
        if padded and len(match[2]) != len(match[3]):
            raise ValueError(f"the ends of the range {{{text}}} differ in width; write for example {{01..30}}")
        return Range(match[1] or "n", first, last, len(match[2]) if padded else 1)
    if _VARIABLE.fullmatch(text):
        return Variable(text)
    raise ValueError(
        f"{{{text}}} is neither a variable like {{floor}} nor a range like {{1..30}} or {{floor:1..30}};"
        " a literal brace is written twice"
    )
