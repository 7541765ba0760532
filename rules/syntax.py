"""From the text of a condition to Python's syntax tree, with every slip of the pen told at its place.

Knows nothing of quantities or meaning; nothing of the text is ever executed.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from rules.duration import WRITTEN

TEXT_LIMIT = 2_000
"""Characters of one condition."""

DEPTH_LIMIT = 40
"""Levels of nesting of one condition."""

_SHOWN = 60
"""Characters of the text that a message repeats."""


@dataclass(frozen=True, slots=True, order=True)
class Flaw:
    """One thing that is wrong in a condition; `line` and `column` count from 0 inside its text."""

    line: int
    column: int
    message: str
    remedy: str


class ConditionError(ValueError):
    """A condition that cannot be used, with all its flaws in the order of the text."""

    def __init__(self, flaws: list[Flaw]) -> None:
        self.flaws = tuple(sorted(set(flaws)))
        super().__init__("; ".join(f"{f.line + 1}:{f.column + 1}: {f.message} ({f.remedy})" for f in self.flaws))


_DURATION = re.compile(rf"(?<![\w.])(?=[0-9]){WRITTEN}(?<=[a-z])(?!\w)")
_LETTERS = str.maketrans("0123456789", "αβγδεζηθικ")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_FULL_WIDTH = dict(zip("（）＞＜＝，．＋－×＊÷／“”‘’。、", "()><=,.+-**//\"\"''.,", strict=True))
_FULL_WIDTH |= {"≥": ">=", "≤": "<=", "≠": "!=", "！": "not", "＆": "and", "｜": "or"}
_KEYWORDS = frozenset(["and", "or", "not", "in", "is", "if", "else", "for"])

_SLIPS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"&&?"), "write `and`"),
    (re.compile(r"\|\|?"), "write `or`"),
    (re.compile(r"!(?!=)"), "write `not`"),
    (re.compile(r"(?<![<>=!:])=(?!=)"), "write `==` to compare"),
    (re.compile(r"<>"), "write `!=`"),
    (re.compile(r"[><!=]==|=[<>]"), "write one of < <= == != >= >"),
    (re.compile(r"\b(?:AND|OR|NOT|IN|And|Or|Not|In)\b"), "write and, or, not, in with small letters"),
    (re.compile(r"[°℃℉‰][CF]?|%"), "write the number alone; the unit is the one of the catalogue"),
    (re.compile(r"#.*"), "write the explanation into `reason`"),
    (re.compile(r"[;{}@$?^~`\x00-\x08\x0b-\x1f\x7f]"), "leave it out"),
    (re.compile("[" + "".join(_FULL_WIDTH) + "]"), ""),
    (re.compile(r"(?<![\w.])(?!\d[\d_]*\.?\d*[eE][+-]?\d+(?!\w))\d[\d_]*\.?\d*[A-Za-z]\w*"), ""),
)


class Source:
    """The text of one condition, and where each part of it stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        # one line for the parser, of the same length, so that every index stays true
        self._flat = re.sub(r"[\r\n\t]", " ", text)
        self._indent = len(self._flat) - len(self._flat.lstrip(" "))
        self._bare = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), self._flat)
        self._parsed = self._flat
        for found in _DURATION.finditer(self._bare):
            # Python knows no `60s`: it is handed a name of as many characters, which nobody would write
            start, end = found.span()
            self._parsed = self._parsed[:start] + found[0].translate(_LETTERS) + self._parsed[end:]

    def flaw(self, index: int, message: str, remedy: str) -> Flaw:
        """A flaw at a character of the text."""
        index = max(0, min(index, len(self.text)))
        start = self.text.rfind("\n", 0, index) + 1
        return Flaw(self.text.count("\n", 0, index), index - start, message, remedy)

    def flaw_at(self, node: ast.expr, message: str, remedy: str) -> Flaw:
        """A flaw at the first character of a part."""
        return self.flaw(self._index(node.col_offset), message, remedy)

    def shown(self, node: ast.expr) -> str:
        """The part as it was written, shortened for a message."""
        return _clip(" ".join(self._written(node).split()))

    def whole(self, node: ast.expr) -> str:
        """The part as it was written, with white space evened out where it means nothing."""
        pieces = re.split(f"({_QUOTED.pattern})", self._written(node))
        return "".join(piece if i % 2 else re.sub(" +", " ", piece) for i, piece in enumerate(pieces)).strip()

    def duration(self, node: ast.expr) -> str | None:
        """The text of a duration, if this is one."""
        # what the parser takes for a name and begins with a digit was never a name
        text = self._written(node)
        return text if isinstance(node, ast.Name) and text[0].isdigit() else None

    def _written(self, node: ast.expr) -> str:
        end = node.end_col_offset if node.end_col_offset is not None else node.col_offset
        return self._flat[self._index(node.col_offset) : self._index(end)]

    def parse(self) -> ast.expr:
        """The syntax tree. Raises ConditionError."""
        if len(self.text) > TEXT_LIMIT:
            message = f"the condition has {len(self.text)} characters; at most {TEXT_LIMIT} are read"
            raise ConditionError([self.flaw(TEXT_LIMIT, message, "split it into several rules")])
        if not self._flat.strip():
            raise ConditionError([self.flaw(0, "the condition is empty", "write for example `temperature > 57`")])
        if slips := self._slips():
            raise ConditionError(slips)
        try:
            tree = ast.parse(self._parsed[self._indent :], mode="eval").body
        except SyntaxError as error:
            raise ConditionError([self._syntax(error)]) from None
        except (RecursionError, MemoryError):
            raise ConditionError([self._too_deep(0)]) from None
        except ValueError as error:  # characters that no file can hold, lone surrogates
            raise ConditionError([self.flaw(0, f"unreadable text: {error}", "write it anew")]) from None
        self._check_depth(tree)
        return tree

    def _index(self, byte_offset: int) -> int:
        """`ast` counts bytes of UTF-8."""
        line = self._parsed[self._indent :].encode()
        return self._indent + len(line[:byte_offset].decode())

    def _slips(self) -> list[Flaw]:
        bare = _DURATION.sub(lambda found: " " * len(found[0]), self._bare)
        # also inside of quotes, where it would hide the end of the text
        message = "`\\` is not part of the language"
        found = [self.flaw(i, message, "leave it out") for i, c in enumerate(self._flat) if c == "\\"]
        for pattern, remedy in _SLIPS:
            for match in pattern.finditer(bare):
                slip = match[0]
                if slip in _FULL_WIDTH:
                    message, cure = f"`{slip}` is not an ASCII character", f"write `{_FULL_WIDTH[slip]}`"
                elif slip[0].isdigit():
                    tail = slip.lstrip("0123456789._")
                    message = f"`{_clip(slip)}` is no number"
                    cure = "put a space before the word" if tail in _KEYWORDS else "write the number without a unit"
                else:
                    message, cure = f"`{_clip(slip)}` is not part of the language", remedy
                found.append(self.flaw(match.start(), message, cure))
        return found

    def _syntax(self, error: SyntaxError) -> Flaw:
        # offset 0: the parser wanted more than there was
        index = self._indent + error.offset - 1 if error.offset else len(self._flat.rstrip())
        problem = str(error.msg).partition(" (detected")[0]
        if "nested" in problem:
            return self._too_deep(index)
        if problem.startswith("invalid syntax"):
            rest = " ".join(self._flat[index:].split())
            problem = f"cannot be read from `{_clip(rest)}` on" if rest else "breaks off here"
        return self.flaw(index, problem, "a condition is comparisons joined by and, or, not; see docs/rules.md")

    def _too_deep(self, index: int) -> Flaw:
        return self.flaw(index, f"nested more than {DEPTH_LIMIT} levels deep", "split it into several rules")

    def _check_depth(self, tree: ast.expr) -> None:
        # a loop, not a recursion: it is recursion that must be kept out
        level, depth = [tree], 1
        while level:
            if depth > DEPTH_LIMIT:
                raise ConditionError([self._too_deep(self._index(level[0].col_offset))])
            level = [part for node in level for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
            depth += 1


def _clip(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
