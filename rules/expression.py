"""What a checked condition is made of: a small tree of values, its sorts and its ranges.

Knows neither the text it was written in nor how it is evaluated: `conditions` reads it, `closures` runs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf, isnan
from typing import Literal, TypeAlias

from rules.memory import Memory
from rules.model import Value
from rules.quantities import CATALOGUE

Sort: TypeAlias = Literal["number", "flag", "text", "any"]
"""`any`: an attribute, whose sort is known only when the site file is."""

Range: TypeAlias = tuple[float, float]
"""Lowest and highest possible value, both inclusive."""

EVERYTHING: Range = (-inf, inf)


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a text, true or false."""

    value: Value


@dataclass(frozen=True, slots=True)
class Measured:
    """The newest value of a quantity of the catalogue; unknown until the device has reported it."""

    name: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """The answer of a memory, a derived quantity that the engine keeps; `asks` is the condition that it is made of, if any."""

    memory: Memory
    sort: Sort
    low: float = 0.0
    high: float = 1.0
    asks: Expression | None = None

    @property
    def name(self) -> str:
        """Of the derived quantity."""
        return self.memory.name


@dataclass(frozen=True, slots=True)
class Attribute:
    """`device.<name>` or `zone.<name>`; unknown when the site file does not give it."""

    owner: Literal["device", "zone"]
    name: str


@dataclass(frozen=True, slots=True)
class Tally:
    """At how many devices of the zone the term of this number holds."""

    term: int


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two numbers make a number; division by zero, and a result that no float can hold, is unknown."""

    op: Literal["+", "-", "*", "/"]
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Negative:
    """Unary minus."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Compare:
    """Two values of one sort; unknown when one of them is, or when their sorts turn out to differ."""

    op: Literal["<", "<=", "==", "!=", ">=", ">"]
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Member:
    """Is the value one of these constants, which are all of one sort?"""

    operand: Expression
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Unknown stays unknown."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class And:
    """False if any part is false, else unknown if any part is unknown, else true."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True if any part is true, else unknown if any part is unknown, else false."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Has it been reported (a quantity), or is it given (an attribute)? Never unknown itself."""

    operand: Measured | Remembered | Attribute


@dataclass(frozen=True, slots=True)
class Default:
    """The value, or `value` while it is unknown or, for an attribute, of another sort than `value`."""

    operand: Measured | Remembered | Attribute
    value: Value


Expression: TypeAlias = (
    Constant
    | Measured
    | Remembered
    | Attribute
    | Tally
    | Arithmetic
    | Negative
    | Compare
    | Member
    | Not
    | And
    | Or
    | Known
    | Default
)


def sort_of_value(value: Value) -> Sort:
    """The sort of a plain value."""
    return "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def sort_of(expression: Expression) -> Sort:
    """What the expression yields when it is known."""
    match expression:
        case Constant(value) | Default(_, value):
            return sort_of_value(value)
        case Measured(name):
            return CATALOGUE[name].kind
        case Remembered(_, sort):
            return sort
        case Attribute():
            return "any"
        case Tally() | Arithmetic() | Negative():
            return "number"
        case _:
            return "flag"


def range_of(expression: Expression) -> Range:
    """Between which numbers it must lie; EVERYTHING for what is not a number.

    Sound for the arithmetic of floats as `closures` does it, because rounding never reverses an order.
    """
    match expression:
        case Constant(float() as value):
            return (value, value)
        case Measured(name) if CATALOGUE[name].kind == "number":
            return (CATALOGUE[name].low, CATALOGUE[name].high)
        case Remembered(_, "number", low, high):
            return (low, high)
        case Default((Measured() | Remembered()) as operand, float() as value):
            low, high = range_of(operand)
            return (min(low, value), max(high, value))
        case Tally():
            return (0.0, inf)
        case Negative(operand):
            low, high = range_of(operand)
            return (-high, -low)
        case Arithmetic(op, left, right):
            return _combined(op, range_of(left), range_of(right))
        case _:
            return EVERYTHING


def _combined(op: str, left: Range, right: Range) -> Range:
    (a, b), (c, d) = left, right
    if op == "+":
        ends = [a + c, b + d]
    elif op == "-":
        ends = [a - d, b - c]
    elif op == "*":
        ends = [a * c, a * d, b * c, b * d]
    elif c <= 0.0 <= d:
        return EVERYTHING
    else:
        ends = [a / c, a / d, b / c, b / d]
    return EVERYTHING if any(map(isnan, ends)) else (min(ends), max(ends))


def walk(expression: Expression, *, deep: bool = True) -> Iterator[Expression]:
    """The expression and all parts of it; `deep`: also what its memories ask."""
    yield expression
    if isinstance(expression, Remembered) and deep and expression.asks is not None:
        yield from walk(expression.asks)
    for part in parts(expression):
        yield from walk(part, deep=deep)


def parts(expression: Expression) -> tuple[Expression, ...]:
    """What it is made of; what a memory asks is not part of it."""
    match expression:
        case Arithmetic(_, left, right) | Compare(_, left, right):
            return (left, right)
        case Negative(operand) | Member(operand, _) | Not(operand) | Known(operand) | Default(operand, _):
            return (operand,)
        case And(found) | Or(found):
            return found
        case _:
            return ()


Setpoints: TypeAlias = Mapping[str, frozenset[float] | None]
"""Quantity, reported or derived → the constants that it is compared with, and nothing else is done with it; None: any other value
may give another answer. Whether it is known at all counts in both cases."""

ANY_VALUE = None


def setpoints(expression: Expression) -> Setpoints:
    """What the answer depends on, also through the conditions that its memories ask: no answer moves while no value crosses one of
    its setpoints.
    """
    found: dict[str, frozenset[float] | None] = {}
    _gather(expression, found)
    for part in walk(expression):
        if isinstance(part, Remembered) and part.asks is not None:
            _gather(part.asks, found)
        elif isinstance(part, Remembered) and part.memory.by_value:
            for name in part.memory.touched_by:
                _note(found, name, ANY_VALUE)
    return found


def joined(many: Iterable[Setpoints]) -> Setpoints:
    """The setpoints of several expressions together."""
    found: dict[str, frozenset[float] | None] = {}
    for one in many:
        for name, points in one.items():
            _note(found, name, points)
    return found


def _note(found: dict[str, frozenset[float] | None], name: str, points: frozenset[float] | None) -> None:
    before = found.get(name, frozenset[float]())
    found[name] = ANY_VALUE if before is None or points is None else before | points


def _gather(expression: Expression, found: dict[str, frozenset[float] | None]) -> None:
    match expression:
        case Measured() | Remembered():
            _note(found, expression.name, ANY_VALUE)
        case Known(Measured() | Remembered() as operand):
            _note(found, operand.name, frozenset())
        case Compare(_, Constant(float() as value), other) | Compare(_, other, Constant(float() as value)):
            # it decides nothing more of a quantity than on which side of the number it is
            inner = other.operand if isinstance(other, Default) else other
            if isinstance(inner, (Measured, Remembered)):
                _note(found, inner.name, frozenset({value}))
            else:
                _gather(other, found)
        case _:
            for part in parts(expression):
                _gather(part, found)


def told_apart(expression: Expression) -> frozenset[str]:
    """The quantities, reported and derived, of which `known` or `default` tells whether they are unknown, also inside of memories.

    Of all others unknown makes an answer unknown at most: never true what was not, nor false (Kleene).
    """
    return frozenset(
        part.operand.name
        for part in walk(expression)
        if isinstance(part, (Known, Default)) and isinstance(part.operand, (Measured, Remembered))
    )
