"""The functions of the language that remember: how each is written, what is wrong with it, and which memory it stands for.

Knows the checker that calls it and the memories; no rules, and nothing of how the engine keeps what is remembered.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from rules import expression as ex
from rules.closures import flag
from rules.duration import LONGEST, duration, written
from rules.memory import Ask, Held, Last, Memory, Recent, Silent, Via
from rules.model import SECOND, Micros
from rules.quantities import CATALOGUE
from rules.schedules import Between, DayKind, clock_time
from rules.sightings import Absent, Seen, Stays
from rules.windows import Changes, Extreme, Mean, Rise

if TYPE_CHECKING:
    from rules.checking import Checker

SHORTEST: Micros = SECOND
"""No device reports so often that less would mean anything."""
DEPTH_LIMIT = 3
"""Memories of memories of memories."""

Builder: TypeAlias = Callable[["Checker", ast.Call], ex.Expression | None]


def span(checker: Checker, node: ast.expr) -> Micros | None:
    """An argument that must be a duration, or None after a complaint."""
    text, shown = checker.source.duration(node), checker.source.shown(node)
    if text is None:
        number = isinstance(node, ast.Constant) and isinstance(node.value, (int, float))
        what = f"`{shown}` has no unit" if number else f"`{shown}` is not a duration"
        checker.complain(
            node, what, f"write `{shown}s` for seconds" if number else "write for example 60s, 5m or 1h30m"
        )
        return None
    try:
        found = duration(text)
    except ValueError:
        found = LONGEST + 1
    if SHORTEST <= found <= LONGEST:
        return found
    checker.complain(
        node, f"`{text}` is out of range", f"write a duration from {written(SHORTEST)} to {written(LONGEST)}"
    )
    return None


def about(
    checker: Checker, node: ast.Call, ask: ast.expr, length: ast.expr, kind: type[Held | Recent]
) -> ex.Expression | None:
    """`held` or `recent` of a condition; also what any() and count() with a duration ask of each device."""
    name = "held" if kind is Held else "recent"
    found, over = checker.condition(ask), span(checker, length)
    if found is None or over is None:
        return None
    inner = [part.memory for part in ex.walk(found, deep=False) if isinstance(part, ex.Remembered)]
    depth = 1 + max((memory.depth for memory in inner), default=0)
    if depth > DEPTH_LIMIT:
        message = f"`{checker.source.shown(node)}` remembers memories more than {DEPTH_LIMIT} deep"
        checker.complain(node, message, "split it into several rules")
        return None
    touched = {part.name for part in ex.walk(found, deep=False) if isinstance(part, (ex.Measured, ex.Remembered))}
    if not touched:
        checker.complain(ask, f"`{checker.source.shown(ask)}` never changes", "name a quantity")
        return None
    written_as = f"{name}({checker.source.whole(ask)}, {written(over)})"
    asked: Ask = flag(found)
    return ex.Remembered(kind(written_as, frozenset(touched), over, depth, asked), "flag", asks=found)


def _held(checker: Checker, node: ast.Call) -> ex.Expression | None:
    return about(checker, node, node.args[0], node.args[1], Held)


def _recent(checker: Checker, node: ast.Call) -> ex.Expression | None:
    return about(checker, node, node.args[0], node.args[1], Recent)


def _quantity(checker: Checker, node: ast.expr, name: str, kinds: tuple[str, ...]) -> str | None:
    """An argument that must be a quantity of the catalogue, of one of the kinds."""
    quantity = CATALOGUE.get(node.id) if isinstance(node, ast.Name) else None
    if quantity is None:
        if not isinstance(node, ast.Name) or checker.value(node) is not None:
            shown = checker.source.shown(node)
            checker.complain(node, f"`{shown}` is not a quantity", f"{name}() is of one quantity of the catalogue")
    elif quantity.kind not in kinds:
        remedy = f"{name}() is of a {kinds[0]}"
        checker.complain(node, f"`{quantity.name}` is a {quantity.kind}", remedy)
    else:
        return quantity.name
    return None


def _window(checker: Checker, node: ast.Call) -> ex.Expression | None:
    """rise, mean, min, max, last or changes: of a quantity, over a duration."""
    function = node.func.id if isinstance(node.func, ast.Name) else ""
    kinds = {"last": ("number", "flag", "text"), "changes": ("flag",)}.get(function, ("number",))
    name, over = _quantity(checker, node.args[0], function, kinds), span(checker, node.args[1])
    if name is None or over is None:
        return None
    low, high = CATALOGUE[name].low, CATALOGUE[name].high
    text = f"{function}({name}, {written(over)})"
    match function:
        case "rise":
            return ex.Remembered(Rise(text, name, over, high - low), "number", low - high, high - low)
        case "changes":
            return ex.Remembered(Changes(text, name, over), "number", 0.0, inf)
        case "last":
            return ex.Remembered(Last(text, name, over), CATALOGUE[name].kind, low, high)
        case "mean":
            return ex.Remembered(Mean(text, name, over), "number", low, high)
        case _:
            return ex.Remembered(Extreme(text, name, over, min if function == "min" else max), "number", low, high)


def _silent(checker: Checker, node: ast.Call) -> ex.Expression | None:
    over = span(checker, node.args[0])
    return None if over is None else ex.Remembered(Silent(f"silent({written(over)})", over), "flag")


def _labelled(checker: Checker, node: ast.Call) -> ex.Expression | None:
    """seen, absent or stays: labels, a duration, and for seen perhaps a score."""
    function = node.func.id if isinstance(node.func, ast.Name) else ""
    texts = [node.value for node in node.args if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    labels = [text for text, argument in zip(texts, node.args, strict=False) if isinstance(argument, ast.Constant)]
    rest = node.args[len(labels) :]
    if not labels or not 1 <= len(rest) <= (2 if function == "seen" else 1):
        checker.misused(node, function)
        return None
    over, score = span(checker, rest[0]), _score(checker, rest[1]) if len(rest) > 1 else 0.0
    if over is None or score is None:
        return None
    chosen = frozenset(labels)
    quoted = ", ".join(f'"{label}"' for label in sorted(chosen))
    text = f"{function}({quoted}, {written(over)}{f', {score:g}' if score else ''})"
    memory: Memory
    if function == "seen":
        memory = Seen(text, chosen, over, score)
    else:
        memory = Absent(text, chosen, over) if function == "absent" else Stays(text, chosen, over)
    return ex.Remembered(memory, "flag")


def _score(checker: Checker, node: ast.expr) -> float | None:
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    checker.complain(node, f"`{checker.source.shown(node)}` is no score", "write a number from 0 to 1")
    return None


def _between(checker: Checker, node: ast.Call) -> ex.Expression | None:
    times = [_time(checker, argument) for argument in node.args]
    first, last = times
    if first is None or last is None:
        return None
    if first == last:
        checker.complain(node, f"`{checker.source.shown(node)}` is always true", "give two different times")
        return None
    shown = (f"{minutes // 60:02d}:{minutes % 60:02d}" for minutes in (first // (60 * SECOND), last // (60 * SECOND)))
    return ex.Remembered(Between("between({!r}, {!r})".format(*shown), first, last), "flag")


def _time(checker: Checker, node: ast.expr) -> Micros | None:
    text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    found = clock_time(text)
    if found is None:
        remedy = 'write two digits each from "00:00" to "23:59", in China\'s time'
        checker.complain(node, f"`{checker.source.shown(node)}` is no time of the day", remedy)
    return found


def _day(checker: Checker, node: ast.Call) -> ex.Expression | None:
    function = node.func.id if isinstance(node.func, ast.Name) else ""
    return ex.Remembered(DayKind(f"{function}()", checker.calendar, holiday=function == "holiday"), "flag")


def _via(checker: Checker, node: ast.Call) -> ex.Expression | None:
    name = _quantity(checker, node.args[0], "via", ("number", "flag", "text"))
    if name is None:
        return None
    quantity = CATALOGUE[name]
    return ex.Remembered(Via(f"via({name})", name), quantity.kind, quantity.low, quantity.high)


MEMORIES: Mapping[str, tuple[str, int | None, Builder]] = {
    "rise": ("rise(temperature, 60s)", 2, _window),
    "mean": ("mean(temperature, 60s)", 2, _window),
    "min": ("min(temperature, 60s)", 2, _window),
    "max": ("max(temperature, 60s)", 2, _window),
    "last": ("last(temperature, 60s)", 2, _window),
    "changes": ("changes(smoke, 10m)", 2, _window),
    "held": ("held(condition, 2m)", 2, _held),
    "recent": ("recent(condition, 5m)", 2, _recent),
    "silent": ("silent(24h)", 1, _silent),
    "seen": ('seen("cigarette", "smoking", 60s), or with a least score seen("cigarette", 60s, 0.6)', None, _labelled),
    "absent": ('absent("car", 10m)', None, _labelled),
    "stays": ('stays("car", "truck", 120s)', None, _labelled),
    "between": ('between("22:00", "06:00")', 2, _between),
    "workday": ("workday()", 0, _day),
    "holiday": ("holiday()", 0, _day),
    "via": ("via(online)", 1, _via),
}
"""Function → (how it is written, how many arguments it takes or None, its builder)."""
