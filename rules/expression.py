"""What a checked condition is made of: a small tree of values, its sorts and its ranges.

Knows neither the text it was written in nor how it is evaluated: `conditions` reads it, `closures` runs it.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    match expression:
        case Remembered(asks=asks):
            if deep and asks is not None:
                yield from walk(asks)
        case Arithmetic(_, left, right) | Compare(_, left, right):
            yield from walk(left, deep=deep)
            yield from walk(right, deep=deep)
        case Negative(operand) | Member(operand, _) | Not(operand) | Known(operand) | Default(operand, _):
            yield from walk(operand, deep=deep)
        case And(parts) | Or(parts):
            for part in parts:
                yield from walk(part, deep=deep)
        case _:
            return
