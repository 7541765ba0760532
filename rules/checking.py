"""From a syntax tree to a checked expression: names, sorts, ranges, and what could only ever have one answer.

Knows no YAML and no rules. Goes on after a flaw, so that all of them are told at once: None stands for a part that has
been complained about already.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Literal, cast

from rules import expression as ex
from rules.closures import build
from rules.limits import contradict, exhaust, verdict
from rules.memory import Recent
from rules.model import Value
from rules.quantities import CATALOGUE, suggest
from rules.remembering import MEMORIES, Builder, about
from rules.schedules import SHIPPED, Calendar
from rules.syntax import Flaw, Source

TEXT_LIMIT = 256
"""Characters of a text constant; no measured text is longer."""


class Scope(StrEnum):
    """Where a condition stands, which decides what it may name."""

    DEVICE = "device"
    """One device: its quantities, its attributes and its zone's."""
    ZONE = "zone"
    """One zone: any() and count() over its devices."""
    WHERE = "where"
    """The site file alone: attributes."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language. `build` gets the call and answers the expression, or None after a complaint."""

    usage: str
    scopes: frozenset[Scope]
    build: Builder
    arguments: int | None = None
    """How many it takes; None: it counts them itself."""


_ARITHMETIC: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.GtE: ">=",
    ast.Gt: ">",
}
_SORT_NAMES = {"number": "a number", "flag": "a flag", "text": "a text", "any": "an attribute"}


class Checker:
    """Reads one condition in one scope. `terms` collects what any() and count() ask of each device."""

    def __init__(
        self,
        source: Source,
        scope: Scope,
        terms: list[ex.Expression],
        calendar: Calendar = SHIPPED,
        *,
        inside_term: bool = False,
    ) -> None:
        self.source = source
        self.scope = scope
        self.calendar = calendar
        self.inside_term = inside_term
        self.terms = terms
        self.flaws: list[Flaw] = []

    def complain(self, node: ast.expr, message: str, remedy: str) -> None:
        """Note a flaw, and go on."""
        self.flaws.append(self.source.flaw_at(node, message, remedy))

    # --- places a part can stand in ---

    def condition(self, node: ast.expr) -> ex.Expression | None:
        """A part that must be true, false or unknown."""
        found = self.value(node)
        if found is None:
            return None
        sort, shown = ex.sort_of(found), self.source.shown(node)
        if sort == "number":
            self.complain(node, f"`{shown}` is a number, not a condition", f"compare it: `{shown} > …`")
        elif sort == "text":
            self.complain(node, f"`{shown}` is a text, not a condition", f'compare it: `{shown} == "…"`')
        elif isinstance(found, ex.Constant):
            self.complain(node, f"`{shown}` does not depend on anything", "leave it out")
        else:
            return found
        return None

    def number(self, node: ast.expr) -> ex.Expression | None:
        """A part of arithmetic."""
        found = self.value(node)
        if found is None or ex.sort_of(found) in ("number", "any"):
            return found
        what = _SORT_NAMES[ex.sort_of(found)]
        self.complain(node, f"`{self.source.shown(node)}` is {what}, not a number", "only numbers can be reckoned with")
        return None

    def value(self, node: ast.expr) -> ex.Expression | None:
        """Any part."""
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BinOp():
                return self._arithmetic(node)
            case ast.BoolOp():
                return self._logic(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.Call():
                return self._call(node)
            case ast.Tuple() | ast.List() | ast.Set():
                self.complain(node, "a list has its place after `in` only", 'write `object in ("car", "truck")`')
                return None
            case _:
                return self._foreign(node)

    # --- leaves ---

    def _foreign(self, node: ast.expr) -> ex.Constant | None:
        remedy = "conditions have comparisons, and, or, not, + - * /, in, and the functions of docs/rules.md"
        self.complain(node, f"`{self.source.shown(node)}` is not part of the language", remedy)
        return None

    def _constant(self, node: ast.Constant) -> ex.Constant | None:
        value = node.value
        if isinstance(value, bool):
            return ex.Constant(value)
        if isinstance(value, str):
            if len(value) > TEXT_LIMIT:
                self.complain(node, f"a text of {len(value)} characters", f"no measured text exceeds {TEXT_LIMIT}")
                return None
            return ex.Constant(value)
        if isinstance(value, (int, float)):
            # an int may be too large for a float; 1e999 is already infinite
            if abs(value) <= 1e300:
                return ex.Constant(float(value))
            self.complain(node, "this number is too large", "write a number below 1e300")
            return None
        if value is None:
            self.complain(node, "`None` is not part of the language", "write `not known(…)`")
            return None
        return self._foreign(node)

    def _name(self, node: ast.Name) -> ex.Expression | None:
        name = node.id
        if name in ("true", "false"):
            return ex.Constant(name == "true")
        if name in CATALOGUE and self.scope is Scope.DEVICE:
            return ex.Measured(name)
        if name in CATALOGUE and self.scope is Scope.ZONE:
            message = f"`{name}` is measured by each device, not by the zone"
            self.complain(node, message, f"write any({name} …) or count({name} …) > 1")
        elif name in CATALOGUE:
            self.complain(node, f"`{name}` is measured; `where` knows only the site file", "move it to `when`")
        elif (span := self.source.duration(node)) is not None:
            remedy = "a duration is the last argument of functions such as mean(temperature, 60s)"
            self.complain(node, f"`{span}` is a duration", remedy)
        elif name in ("device", "zone"):
            self.complain(node, f"`{name}` alone is not a value", f"write `{name}.kind` or another attribute")
        elif name in FUNCTIONS:
            self.complain(node, f"`{name}` is a function", f"write {FUNCTIONS[name].usage}")
        else:
            self.complain(node, f"there is no quantity `{name}`", _did_you_mean(name))
        return None

    def _attribute(self, node: ast.Attribute) -> ex.Expression | None:
        if not (isinstance(node.value, ast.Name) and node.value.id in ("device", "zone")):
            remedy = "only `device.<attribute>` and `zone.<attribute>` have a dot"
            self.complain(node, f"`{self.source.shown(node)}` is not part of the language", remedy)
        elif self.scope is Scope.ZONE:
            message = f"`{self.source.shown(node)}` stands outside any() and count()"
            self.complain(node, message, "put it inside them, or into `where`")
        else:
            return ex.Attribute("device" if node.value.id == "device" else "zone", node.attr)
        return None

    # --- operators ---

    def _unary(self, node: ast.UnaryOp) -> ex.Expression | None:
        if isinstance(node.op, ast.Not):
            inner = self.condition(node.operand)
            return None if inner is None else ex.Not(inner)
        if not isinstance(node.op, ast.USub):
            return self._foreign(node)
        number = self.number(node.operand)
        if number is None:
            return None
        return self._folded(node, ex.Negative(number), [number])

    def _arithmetic(self, node: ast.BinOp) -> ex.Expression | None:
        op = _ARITHMETIC.get(type(node.op))
        left, right = self.number(node.left), self.number(node.right)
        if op is None:
            return self._foreign(node)
        if left is None or right is None:
            return None
        if op == "/" and ex.range_of(right) == (0.0, 0.0):
            self.complain(node.right, "division by zero is always unknown", "divide by something else")
            return None
        whole = ex.Arithmetic(cast(Literal["+", "-", "*", "/"], op), left, right)
        return self._folded(node, whole, [left, right])

    def _folded(self, node: ast.expr, whole: ex.Expression, parts: list[ex.Expression]) -> ex.Expression | None:
        """Arithmetic of constants is done once."""
        if not all(isinstance(part, ex.Constant) for part in parts):
            return whole
        value = build(whole)({}, None, None)
        if value is None:
            self.complain(node, f"`{self.source.shown(node)}` is too large", "write a smaller number")
            return None
        return ex.Constant(value)

    def _logic(self, node: ast.BoolOp) -> ex.Expression | None:
        parts = [self.condition(part) for part in node.values]
        whole = [part for part in parts if part is not None]
        if len(whole) < len(parts):
            return None
        if isinstance(node.op, ast.And):
            return self._conjunction(node, whole)
        if exhaust(whole):
            self.complain(node, f"`{self.source.shown(node)}` is always true", "check the limits")
            return None
        return ex.Or(tuple(whole))

    def _conjunction(self, node: ast.expr, parts: list[ex.Expression]) -> ex.Expression | None:
        if contradict(parts):
            self.complain(node, f"`{self.source.shown(node)}` can never be true", "check the limits")
            return None
        return ex.And(tuple(parts))

    # --- comparisons ---

    def _comparison(self, node: ast.Compare) -> ex.Expression | None:
        sides = [node.left, *node.comparators]
        if len(node.ops) > 1 and any(isinstance(op, (ast.In, ast.NotIn)) for op in node.ops):
            self.complain(node, "`in` cannot be chained with another comparison", "join the two with `and`")
            return None
        read: list[ex.Expression | None] = []
        for op, side in zip([None, *node.ops], sides, strict=True):
            listed = isinstance(op, (ast.In, ast.NotIn)) and isinstance(side, (ast.Tuple, ast.List, ast.Set))
            read.append(None if listed else self.value(side))
        parts = [self._pair(node, op, sides[i : i + 2], read[i : i + 2]) for i, op in enumerate(node.ops)]
        whole = [part for part in parts if part is not None]
        if len(whole) < len(parts):
            return None
        return whole[0] if len(whole) == 1 else self._conjunction(node, whole)

    def _pair(
        self, whole: ast.Compare, op: ast.cmpop, sides: list[ast.expr], read: list[ex.Expression | None]
    ) -> ex.Expression | None:
        if isinstance(op, (ast.In, ast.NotIn)):
            member = self._member(sides[0], read[0], sides[1])
            return ex.Not(member) if member is not None and isinstance(op, ast.NotIn) else member
        sign = _COMPARISONS.get(type(op))
        if sign is None:
            self.complain(whole, "`is` is not part of the language", "write `==` or `!=`")
            return None
        left, right = read
        if left is None or right is None or not self._comparable(sides, left, sign, right):
            return None
        if isinstance(right, ex.Constant) and isinstance(right.value, bool) and ex.sort_of(left) == "flag":
            return left if (sign == "==") is right.value else ex.Not(left)
        return ex.Compare(cast(Literal["<", "<=", "==", "!=", ">=", ">"], sign), left, right)

    def _comparable(self, sides: list[ast.expr], left: ex.Expression, sign: str, right: ex.Expression) -> bool:
        a, b, text = ex.sort_of(left), ex.sort_of(right), self._shown_pair(sides, sign)
        at = sides[0]
        if a != b and "any" not in (a, b):
            message = f"`{text}` compares {_SORT_NAMES[a]} with {_SORT_NAMES[b]}"
            self.complain(at, message, _sort_remedy(self.source.shown(at), a, b))
        elif sign not in ("==", "!=") and not {a, b} <= {"number", "any"}:
            what = "flags" if "flag" in (a, b) else "texts"
            self.complain(at, f"`{text}`: {what} have no order", "use `==` or `!=`")
        elif isinstance(left, ex.Constant) and isinstance(right, ex.Constant):
            self.complain(at, f"`{text}` does not depend on anything", "leave it out")
        elif repr(left) == repr(right):
            self.complain(at, f"`{text}` compares a value with itself", "compare it with something else")
        elif (answer := verdict(sign, ex.range_of(left), ex.range_of(right))) is not None:
            message = f"`{text}` {'is always true' if answer else 'can never be true'}"
            self.complain(at, message, self._range_remedy(sides, left, right))
        else:
            return True
        return False

    def _range_remedy(self, sides: list[ast.expr], left: ex.Expression, right: ex.Expression) -> str:
        told = []
        for side, found in zip(sides, (left, right), strict=True):
            if not isinstance(found, ex.Constant):
                low, high = ex.range_of(found)
                unit = f" {CATALOGUE[found.name].unit}".rstrip() if isinstance(found, ex.Measured) else ""
                told.append(f"`{self.source.shown(side)}` is {_range_told((low, high))}{unit}")
        return "; ".join(told)

    def _shown_pair(self, sides: list[ast.expr], sign: str) -> str:
        return f"{self.source.shown(sides[0])} {sign} {self.source.shown(sides[1])}"

    def _member(self, node: ast.expr, operand: ex.Expression | None, choices: ast.expr) -> ex.Expression | None:
        if not isinstance(choices, (ast.Tuple, ast.List, ast.Set)):
            self.complain(choices, "`in` needs a list", 'write `object in ("car", "truck")`, or `in ("car",)` for one')
            return None
        if not choices.elts:
            self.complain(choices, "nothing is in an empty list", "name at least one value")
            return None
        if isinstance(operand, ex.Constant):
            self.complain(node, f"`{self.source.shown(node)}` does not depend on anything", "leave it out")
            return None
        values = [self._choice(operand, element) for element in choices.elts]
        if operand is None or None in values:
            return None
        known = tuple(value for value in values if value is not None)
        if len({ex.sort_of_value(value) for value in known}) > 1:
            self.complain(choices, "the list mixes numbers, texts or flags", "compare one kind at a time")
            return None
        return ex.Member(operand, known)

    def _choice(self, operand: ex.Expression | None, element: ast.expr) -> Value | None:
        found = self.value(element)
        if found is None:
            return None
        if not isinstance(found, ex.Constant):
            self.complain(element, f"`{self.source.shown(element)}` is not a constant", "list numbers or texts")
            return None
        if operand is not None and not self.fits(element, operand, found.value):
            return None
        return found.value

    def fits(self, node: ast.expr, operand: ex.Expression, value: Value) -> bool:
        """Could the operand ever be this constant?"""
        sort = ex.sort_of(operand)
        if sort != "any" and ex.sort_of_value(value) != sort:
            message = f"`{self.source.shown(node)}` is {_SORT_NAMES[ex.sort_of_value(value)]}, not {_SORT_NAMES[sort]}"
            self.complain(node, message, f"give {_SORT_NAMES[sort]}")
            return False
        low, high = ex.range_of(operand)
        if isinstance(value, float) and not low <= value <= high:
            message = f"`{self.source.shown(node)}` is out of range"
            self.complain(node, message, f"it is {_range_told((low, high))}")
            return False
        return True

    # --- functions ---

    def _call(self, node: ast.Call) -> ex.Expression | None:
        if not isinstance(node.func, ast.Name):
            return self._foreign(node)
        name = node.func.id
        function = FUNCTIONS.get(name)
        if function is None:
            near = difflib.get_close_matches(name, FUNCTIONS, 1)
            remedy = f"did you mean `{near[0]}`?" if near else "the functions are in docs/rules.md"
            self.complain(node, f"there is no function `{name}`", remedy)
        elif self.scope not in function.scopes:
            self._misplaced(node, name)
        elif node.keywords:
            self.complain(node, f"{name}() takes no named arguments", f"write {function.usage}")
        elif function.arguments not in (None, len(node.args)):
            self.misused(node, name)
        else:
            return function.build(self, node)
        return None

    def _misplaced(self, node: ast.Call, name: str) -> None:
        if name in MEMORIES:
            message = f"{name}() remembers what was measured"
            remedy = "put it inside any() or count()" if self.scope is Scope.ZONE else "move it to `when`"
        elif self.inside_term:
            message, remedy = f"{name}() inside any() or count()", "join them with and, or, not instead"
        elif self.scope is Scope.ZONE:
            message, remedy = f"{name}() asks one device, not a zone", "put it inside any() or count()"
        else:
            asked = "one device" if self.scope is Scope.DEVICE else "the site file"
            message, remedy = f"{name}() asks a whole zone, this asks {asked}", "use it in a rule with `subject: zone`"
        self.complain(node, message, remedy)

    def misused(self, node: ast.Call, name: str) -> None:
        """Complain that a function was not called as it should be."""
        self.complain(node, f"`{self.source.shown(node)}` cannot be read", f"write {FUNCTIONS[name].usage}")

    def asked(self, node: ast.Call, name: str) -> ex.Measured | ex.Remembered | ex.Attribute | None:
        """The first argument, which must be a quantity, reported or derived, or an attribute."""
        if not isinstance(node.args[0], (ast.Name, ast.Attribute, ast.Call)):
            self.misused(node, name)
            return None
        operand = self.value(node.args[0])
        if isinstance(operand, (ex.Measured, ex.Remembered, ex.Attribute)):
            return operand
        if operand is not None:
            self.misused(node, name)
        return None

    def term(self, node: ast.Call, name: str) -> ex.Tally | None:
        """The number of the term that any() or count() asks of each device; the same question is asked once."""
        if len(node.args) not in (1, 2):
            self.misused(node, name)
            return None
        inner = Checker(self.source, Scope.DEVICE, [], self.calendar, inside_term=True)
        lately = len(node.args) == 2
        asked = about(inner, node, node.args[0], node.args[1], Recent) if lately else inner.condition(node.args[0])
        self.flaws += inner.flaws
        if asked is None:
            return None
        known = [repr(term) for term in self.terms]
        if repr(asked) not in known:
            self.terms.append(asked)
            return ex.Tally(len(known))
        return ex.Tally(known.index(repr(asked)))


def _known(checker: Checker, node: ast.Call) -> ex.Expression | None:
    operand = checker.asked(node, "known")
    return None if operand is None else ex.Known(operand)


def _default(checker: Checker, node: ast.Call) -> ex.Expression | None:
    operand = checker.asked(node, "default")
    constant = checker.value(node.args[1])
    if operand is None or constant is None:
        return None
    if not isinstance(constant, ex.Constant):
        checker.misused(node, "default")
        return None
    return ex.Default(operand, constant.value) if checker.fits(node.args[1], operand, constant.value) else None


def _any(checker: Checker, node: ast.Call) -> ex.Expression | None:
    tally = checker.term(node, "any")
    return None if tally is None else ex.Compare(">", tally, ex.Constant(0.0))


def _count(checker: Checker, node: ast.Call) -> ex.Expression | None:
    return checker.term(node, "count")


_OF_DEVICE = frozenset({Scope.DEVICE, Scope.WHERE})
_OF_ZONE = frozenset({Scope.ZONE})

FUNCTIONS: Mapping[str, Function] = {
    "known": Function("known(quantity)", _OF_DEVICE, _known, 1),
    "default": Function("default(quantity, constant)", _OF_DEVICE, _default, 2),
    "any": Function("any(condition), or any(condition, 5m)", _OF_ZONE, _any),
    "count": Function("count(condition), or count(condition, 5m)", _OF_ZONE, _count),
    **{
        name: Function(usage, frozenset({Scope.DEVICE}), builder, count)
        for name, (usage, count, builder) in MEMORIES.items()
    },
}
"""All functions of the language."""


def _did_you_mean(name: str) -> str:
    if name.lower() in ("true", "false"):
        return f"did you mean `{name.lower()}`?"
    near = suggest(name) or next(iter(difflib.get_close_matches(name, [*FUNCTIONS, "true", "false"], 1, 0.75)), "")
    return f"did you mean `{near}`?" if near else 'see the catalogue; a text stands in quotes: "…"'


def _range_told(span: ex.Range) -> str:
    low, high = span
    return f"from {low:g} to {high:g}" if isfinite(high) else f"at least {low:g}"


def _sort_remedy(shown: str, left: ex.Sort, right: ex.Sort) -> str:
    if left == "flag":
        return f"write `{shown}` or `not {shown}`"
    return "numbers stand without quotes" if "number" in (left, right) and "text" in (left, right) else "compare alike"
