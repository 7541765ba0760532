"""Does one condition imply another: sound, not complete. A yes is a proof; a no only means that none was found.

Knows checked expressions only; two parts are the same when they are written alike.
"""

from __future__ import annotations

from math import inf

from rules import expression as ex
from rules.closures import MIRRORED


def implies(a: ex.Expression | None, b: ex.Expression | None) -> bool:
    """Whenever `a` is true, is `b`? None stands for a condition that is always true."""
    if b is None or repr(a) == repr(b):
        return True
    if a is None:
        return False
    if isinstance(b, ex.And):
        return all(implies(a, part) for part in b.parts)
    if isinstance(a, ex.Or):
        return all(implies(part, b) for part in a.parts)
    if isinstance(a, ex.And) and any(implies(part, b) for part in a.parts):
        return True
    if isinstance(b, ex.Or):
        return any(implies(a, part) for part in b.parts)
    return _within(a, b)


def _within(a: ex.Expression, b: ex.Expression) -> bool:
    """Two comparisons of the same thing with constants."""
    left, right = _texts(a), _texts(b)
    if left is not None and right is not None:
        return left[0] == right[0] and left[1] <= right[1]
    one, other = _range(a), _range(b)
    if one is None or other is None or one[0] != other[0]:
        return False
    (low, low_open), (high, high_open) = one[1], one[2]
    (wide_low, wide_low_open), (wide_high, wide_high_open) = other[1], other[2]
    above = low > wide_low or (low == wide_low and (low_open or not wide_low_open))
    below = high < wide_high or (high == wide_high and (high_open or not wide_high_open))
    return above and below


_End = tuple[float, bool]
"""(bound, is it left out?)"""


def _range(part: ex.Expression) -> tuple[str, _End, _End] | None:
    """(what is compared, lowest, highest) of a comparison with a number."""
    match part:
        case ex.Compare(op, left, ex.Constant(float() as value)):
            what = repr(left)
        case ex.Compare(op, ex.Constant(float() as value), right):
            what, op = repr(right), MIRRORED[op]  # type: ignore[assignment]
        case _:
            return None
    match op:
        case ">" | ">=":
            return what, (value, op == ">"), (inf, False)
        case "<" | "<=":
            return what, (-inf, False), (value, op == "<")
        case "==":
            return what, (value, False), (value, False)
        case _:
            return None


def _texts(part: ex.Expression) -> tuple[str, frozenset[object]] | None:
    """(what is asked, the values that make it true) of `==` and `in`."""
    match part:
        case ex.Member(operand, values):
            return repr(operand), frozenset(values)
        case ex.Compare("==", left, ex.Constant(str() as value)):
            return repr(left), frozenset({value})
        case _:
            return None
