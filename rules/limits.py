"""Can a comparison, or several joined ones, have one answer only? Decided from ranges and limits alone.

Knows no text and complains to nobody: it only answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from rules import expression as ex
from rules.closures import MIRRORED

_OPPOSITE = {"<": ">=", "<=": ">", "==": "!=", "!=": "==", ">=": "<", ">": "<="}


def verdict(op: str, left: ex.Range, right: ex.Range) -> bool | None:
    """The answer of `left op right`, if their ranges leave only one; else None."""
    (a, b), (c, d) = left, right
    match op:
        case ">" | ">=":
            return verdict(MIRRORED[op], right, left)
        case "!=":
            equal = verdict("==", left, right)
            return None if equal is None else not equal
        case "==":
            return False if b < c or d < a else True if a == b == c == d else None
        case "<":
            return True if b < c else False if a >= d else None
        case _:
            return True if b <= c else False if a > d else None


def contradict(parts: Sequence[ex.Expression]) -> bool:
    """Can they never all be true? Looks at the limits set to one value, and at a part beside its own denial."""
    return _denied(parts) or _empty(parts, negated=False)


def exhaust(parts: Sequence[ex.Expression]) -> bool:
    """Is one of them true whatever is measured? The same, from the other side."""
    return _denied(parts) or _empty(parts, negated=True)


@dataclass(slots=True)
class _Span:
    """What is left of the line of numbers; `above` and `below`: the end itself is left out."""

    low: float = -inf
    above: bool = False
    high: float = inf
    below: bool = False

    def narrow(self, op: str, value: float) -> bool:
        """Keep what satisfies it; is nothing left?"""
        if op in (">", ">=", "==") and (value, op == ">") > (self.low, self.above):
            self.low, self.above = value, op == ">"
        if op in ("<", "<=", "==") and (value, op != "<") < (self.high, not self.below):
            self.high, self.below = value, op == "<"
        return self.low > self.high or (self.low == self.high and (self.above or self.below))


def _denied(parts: Sequence[ex.Expression]) -> bool:
    shown = {repr(part) for part in parts}
    return any(isinstance(part, ex.Not) and repr(part.operand) in shown for part in parts)


def _empty(parts: Sequence[ex.Expression], *, negated: bool) -> bool:
    spans: dict[str, _Span] = {}
    for part in parts:
        if not isinstance(part, ex.Compare):
            continue
        op: str = part.op
        value, limit = part.left, part.right
        if isinstance(value, ex.Constant):
            op, value, limit = MIRRORED[op], limit, value
        if isinstance(limit, ex.Constant) and isinstance(limit.value, float):
            span = spans.setdefault(repr(value), _Span())
            if span.narrow(_OPPOSITE[op] if negated else op, limit.value):
                return True
    return False
