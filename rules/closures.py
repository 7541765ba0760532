"""From a checked expression to nested functions that answer in a fraction of a microsecond.

Knows no text, no mistakes and no rules: whatever comes here has been checked. Three values (Kleene): True, False and
None for unknown.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, TypeAlias, TypeGuard

from rules import expression as ex
from rules.model import Device, Value, Zone

Closure: TypeAlias = Callable[[Any, Any, Any], Any]
"""(values, device, zone) → Value or None; `values` holds the derived quantities too. For zones it is the sequence of tallies, and
the others are not used."""

BUILT_IN: Mapping[tuple[str, str], Callable[[Device, Zone], str]] = {
    ("device", "kind"): lambda device, zone: device.kind,
    ("device", "id"): lambda device, zone: device.key.partition("/")[2],
    ("zone", "kind"): lambda device, zone: zone.kind,
    ("zone", "id"): lambda device, zone: zone.key.partition("/")[2],
    ("zone", "building"): lambda device, zone: zone.building,
}
"""Names after `device.` and `zone.` that every device and zone has; the rest are attributes of the site file."""

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
MIRRORED = {"<": ">", "<=": ">=", "==": "==", "!=": "!=", ">=": "<=", ">": "<"}
"""`a op b` is `b MIRRORED[op] a`."""


def build(expression: ex.Expression) -> Closure:
    """The function that evaluates it."""
    match expression:
        case ex.Constant(value):
            return lambda values, device, zone: value
        case ex.Measured(name) | ex.Remembered(name=name):
            return lambda values, device, zone: values.get(name)
        case ex.Tally(term):
            return lambda values, device, zone: values[term]
        case ex.Attribute():
            return _attribute(expression)
        case ex.Arithmetic() | ex.Negative():
            return _number(expression)
        case ex.Compare():
            return _compare(expression)
        case ex.Member(operand, choices):
            return _member(build(operand), choices)
        case ex.Not() | ex.And() | ex.Or():
            return _logic(expression)
        case ex.Known(operand):
            inner = build(operand)
            return lambda values, device, zone: inner(values, device, zone) is not None
        case _:
            return _default(expression.operand, expression.value)


def flag(expression: ex.Expression) -> Closure:
    """The function of an expression in the place of a condition: an attribute that is no flag is unknown."""
    inner = build(expression)
    if ex.sort_of(expression) != "any":
        return inner

    def checked(values: Any, device: Any, zone: Any) -> bool | None:
        value = inner(values, device, zone)
        return value if value is True or value is False else None

    return checked


def _attribute(attribute: ex.Attribute) -> Closure:
    name = attribute.name
    built_in = BUILT_IN.get((attribute.owner, name))
    if built_in is not None:
        return lambda values, device, zone: built_in(device, zone)
    if attribute.owner == "device":
        return lambda values, device, zone: _plain(device.attributes.get(name))
    return lambda values, device, zone: _plain(zone.attributes.get(name))


def _plain(value: object) -> Value | None:
    """An attribute as rules see it; one that is no finite number, text or flag is unknown."""
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if isfinite(number) else None
    return None


def _number(expression: ex.Arithmetic | ex.Negative) -> Closure:
    if isinstance(expression, ex.Negative):
        inner = build(expression.operand)

        def negative(values: Any, device: Any, zone: Any) -> float | None:
            value = inner(values, device, zone)
            return -value if value.__class__ in _NUMBERS else None

        return negative

    combine, left, right = _OPERATORS[expression.op], build(expression.left), build(expression.right)

    def arithmetic(values: Any, device: Any, zone: Any) -> float | None:
        a, b = left(values, device, zone), right(values, device, zone)
        # tallies are ints; bool is a class of its own here
        if a.__class__ not in _NUMBERS or b.__class__ not in _NUMBERS:
            return None
        try:
            result = float(combine(a, b))
        except ZeroDivisionError:
            return None
        return result if isfinite(result) else None

    return arithmetic


_NUMBERS = (float, int)


def _compare(expression: ex.Compare) -> Closure:
    op, left, right = expression.op, expression.left, expression.right
    if isinstance(left, ex.Constant) and not isinstance(right, ex.Constant):
        op, left, right = MIRRORED[op], right, left  # type: ignore[assignment]
    if isinstance(right, ex.Constant):
        if isinstance(left, (ex.Measured, ex.Remembered)):
            return _measured_against(left.name, op, right.value)
        if isinstance(left, ex.Tally):
            return _tally_against(left.term, _OPERATORS[op], right.value)
        if _is_difference(left):
            return _difference_against(left.left.name, left.right.name, _OPERATORS[op], right.value)
    f, a, b = _OPERATORS[op], build(left), build(right)
    if "any" in (ex.sort_of(left), ex.sort_of(right)):
        return _loosely(op, a, b)

    def compare(values: Any, device: Any, zone: Any) -> bool | None:
        x = a(values, device, zone)
        if x is None:
            return None
        y = b(values, device, zone)
        return None if y is None else f(x, y)

    return compare


def _is_difference(expression: ex.Expression) -> TypeGuard[Any]:
    quantities = (ex.Measured, ex.Remembered)
    return (
        isinstance(expression, ex.Arithmetic)
        and expression.op == "-"
        and isinstance(expression.left, quantities)
        and isinstance(expression.right, quantities)
    )


def _measured_against(name: str, op: str, constant: Any) -> Closure:
    """`quantity op constant`, the form that nearly all conditions are made of, without a call inside the call."""

    def below(values: Any, device: Any, zone: Any) -> bool | None:
        value = values.get(name)
        return None if value is None else value < constant

    def at_most(values: Any, device: Any, zone: Any) -> bool | None:
        value = values.get(name)
        return None if value is None else value <= constant

    def equal(values: Any, device: Any, zone: Any) -> bool | None:
        value = values.get(name)
        return None if value is None else value == constant

    def unequal(values: Any, device: Any, zone: Any) -> bool | None:
        value = values.get(name)
        return None if value is None else value != constant

    def at_least(values: Any, device: Any, zone: Any) -> bool | None:
        value = values.get(name)
        return None if value is None else value >= constant

    def above(values: Any, device: Any, zone: Any) -> bool | None:
        value = values.get(name)
        return None if value is None else value > constant

    return {"<": below, "<=": at_most, "==": equal, "!=": unequal, ">=": at_least, ">": above}[op]


def _difference_against(name: str, other: str, compare: Callable[[Any, Any], Any], constant: Any) -> Closure:
    """`quantity - quantity op constant`: how far one is above the other. Their ranges keep it finite."""

    def difference(values: Any, device: Any, zone: Any) -> bool | None:
        a, b = values.get(name), values.get(other)
        return None if a is None or b is None else compare(a - b, constant)

    return difference


def _tally_against(term: int, compare: Callable[[Any, Any], Any], constant: Any) -> Closure:
    return lambda values, device, zone: compare(values[term], constant)


def _loosely(op: str, left: Closure, right: Closure) -> Closure:
    """With an attribute in it: sorts are compared first, and only numbers have an order."""
    f, ordered = _OPERATORS[op], op not in ("==", "!=")

    def compare(values: Any, device: Any, zone: Any) -> bool | None:
        x, y = left(values, device, zone), right(values, device, zone)
        if x is None or y is None:
            return None
        sort = ex.sort_of_value(x)
        if sort != ex.sort_of_value(y) or (ordered and sort != "number"):
            return None
        answer: bool = f(x, y)
        return answer

    return compare


def _member(operand: Closure, choices: tuple[Value, ...]) -> Closure:
    sort, among = ex.sort_of_value(choices[0]), frozenset(choices)

    def member(values: Any, device: Any, zone: Any) -> bool | None:
        value = operand(values, device, zone)
        return None if value is None or ex.sort_of_value(value) != sort else value in among

    return member


def _default(operand: ex.Measured | ex.Remembered | ex.Attribute, constant: Value) -> Closure:
    if not isinstance(operand, ex.Attribute):
        name = operand.name
        return lambda values, device, zone: values.get(name, constant)
    inner, sort = build(operand), ex.sort_of_value(constant)

    def default(values: Any, device: Any, zone: Any) -> Value:
        value = inner(values, device, zone)
        return constant if value is None or ex.sort_of_value(value) != sort else value

    return default


def _logic(expression: ex.Not | ex.And | ex.Or) -> Closure:
    if isinstance(expression, ex.Not):
        if isinstance(expression.operand, ex.Default) and not isinstance(expression.operand.operand, ex.Attribute):
            return _unless(expression.operand.operand.name, expression.operand.value)
        return _not(flag(expression.operand))
    parts = [flag(part) for part in expression.parts]
    return _all(parts) if isinstance(expression, ex.And) else _any(parts)


def _unless(name: str, constant: Value) -> Closure:
    """`not default(flag, constant)`, which stands in nearly every condition: unless the device is under test."""
    return lambda values, device, zone: not values.get(name, constant)


def _not(inner: Closure) -> Closure:
    def negated(values: Any, device: Any, zone: Any) -> bool | None:
        value = inner(values, device, zone)
        return None if value is None else not value

    return negated


def _all(parts: list[Closure]) -> Closure:
    if len(parts) == 2:
        first, second = parts

        def both(values: Any, device: Any, zone: Any) -> bool | None:
            a = first(values, device, zone)
            if a is False:
                return False
            b = second(values, device, zone)
            return b if a or b is False else None

        return both

    def every(values: Any, device: Any, zone: Any) -> bool | None:
        answer: bool | None = True
        for part in parts:
            value = part(values, device, zone)
            if value is False:
                return False
            if value is None:
                answer = None
        return answer

    return every


def _any(parts: list[Closure]) -> Closure:
    if len(parts) == 2:
        first, second = parts

        def either(values: Any, device: Any, zone: Any) -> bool | None:
            a = first(values, device, zone)
            if a:
                return True
            b = second(values, device, zone)
            return b if a is False or b else None

        return either

    def some(values: Any, device: Any, zone: Any) -> bool | None:
        answer: bool | None = False
        for part in parts:
            value = part(values, device, zone)
            if value:
                return True
            if value is None:
                answer = None
        return answer

    return some
