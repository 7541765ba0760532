"""The condition language: what compiled conditions answer, and what is refused, at which place and with what advice."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from rules.conditions import ConditionError, compile_device, compile_where, compile_zone
from rules.model import Device, Text, Value, Zone
from rules.quantities import CATALOGUE
from rules.syntax import DEPTH_LIMIT, TEXT_LIMIT

ZONE = Zone("yard/b1-lobby", "yard", Text("大堂", "Lobby"), "lobby", building="b1", attributes={"floor": 1.0})
DEVICE = Device(
    "yard/cam-7", "yard", "camera", ZONE.key, Text("七号", "Seven"), {"limit": 50.0, "mains": True, "maker": "x"}
)


def ask(text: str, values: Mapping[str, Value] | None = None, device: Device = DEVICE) -> bool | None:
    return compile_device(text).check(values or {}, device, ZONE)


def flaws(text: str, compiler: Any = compile_device) -> list[tuple[int, int, str, str]]:
    with pytest.raises(ConditionError) as caught:
        compiler(text)
    return [(flaw.line, flaw.column, flaw.message, flaw.remedy) for flaw in caught.value.flaws]


def refusal(text: str, compiler: Callable[[str], object] = compile_device) -> ConditionError | None:
    try:
        compiler(text)
    except ConditionError as error:
        return error
    return None


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values", "answer"),
    [
        ("smoke", {"smoke": True}, True),
        ("smoke", {"smoke": False}, False),
        ("smoke", {}, None),
        ("not smoke", {"smoke": False}, True),
        ("not smoke", {}, None),
        ("smoke == true", {"smoke": True}, True),
        ("smoke == True", {"smoke": False}, False),
        ("smoke != true", {"smoke": False}, True),
        ("smoke == false", {}, None),
        ("false == smoke", {"smoke": False}, True),
        ("smoke != heat", {"smoke": True, "heat": False}, True),
        ("temperature > 57", {"temperature": 57.1}, True),
        ("57 < temperature", {"temperature": 57.0}, False),
        ("temperature >= 57", {"temperature": 57.0}, True),
        ("temperature > 57", {"temperature": 57.0}, False),
        ("temperature <= 57", {"temperature": 57.0}, True),
        ("temperature < 57", {"temperature": 57.0}, False),
        ("temperature != 57", {"temperature": 57.0}, False),
        ("temperature != 57", {}, None),
        ("temperature <= 57", {}, None),
        ("50 <= temperature < 60", {"temperature": 60.0}, False),
        ("50 <= temperature < 60", {"temperature": 50.0}, True),
        ("temperature == -5", {"temperature": -5.0}, True),
        ("-temperature > 5", {"temperature": -6.0}, True),
        ("thermal_max - thermal_mean > 40", {"thermal_max": 90.0, "thermal_mean": 30.0}, True),
        ("voltage * current / 1000 > 2 * 1.1", {"voltage": 230.0, "current": 10.0}, True),
        ("power / current > 200", {"power": 10.0, "current": 0.0}, None),
        ('object == "car"', {"object": "car"}, True),
        ('object != "car"', {"object": "车"}, True),
        ('object in ("car", "truck")', {"object": "truck"}, True),
        ('object not in ["car", "truck"]', {"object": "truck"}, False),
        ('object in ("car",)', {}, None),
        ("person_count in (1, 2)", {"person_count": 2.0}, True),
        # Kleene: one certain part can decide
        ("smoke and heat", {"smoke": False}, False),
        ("heat and smoke", {"smoke": False}, False),
        ("smoke and heat", {"smoke": True}, None),
        ("smoke or heat", {"smoke": True}, True),
        ("heat or smoke", {"smoke": True}, True),
        ("smoke or heat", {"smoke": False}, None),
        ("smoke and heat and tamper", {"heat": False}, False),
        ("smoke or heat or tamper", {"tamper": True}, True),
        # a detector that never speaks of tests must not be deaf to fires
        ("smoke and not test", {"smoke": True}, None),
        ("smoke and not default(test, false)", {"smoke": True}, True),
        ("smoke and not default(test, false)", {"smoke": True, "test": True}, False),
        ("smoke and not (known(test) and test)", {"smoke": True}, True),
        ("known(test)", {}, False),
        ("known(test)", {"test": False}, True),
        ("default(temperature, 20) > 10", {}, True),
        # attributes
        ("temperature > device.limit", {"temperature": 51.0}, True),
        ("temperature > device.nothing", {"temperature": 51.0}, None),
        ("temperature > default(device.nothing, 60)", {"temperature": 61.0}, True),
        ("temperature > default(device.maker, 60)", {"temperature": 61.0}, True),
        ("temperature > device.maker", {"temperature": 51.0}, None),
        ("temperature == device.maker", {"temperature": 51.0}, None),
        ("temperature > -device.maker", {"temperature": 51.0}, None),
        ("smoke and device.mains", {"smoke": True}, True),
        ("smoke and device.limit", {"smoke": True}, None),
        ('smoke and device.kind == "camera" and device.id == "cam-7"', {"smoke": True}, True),
        ('smoke and zone.kind == "lobby" and zone.id == "b1-lobby" and zone.building == "b1"', {"smoke": True}, True),
        ("smoke and zone.floor == 1 and known(zone.floor) and not known(zone.area)", {"smoke": True}, True),
        ('smoke and device.maker in ("x", "y")', {"smoke": True}, True),
        ("smoke and device.maker in (1, 2)", {"smoke": True}, None),
        ("smoke and\n  (heat or\n   flame)\n", {"smoke": True, "heat": False, "flame": True}, True),
        ("  smoke", {"smoke": True}, True),
        ("temperature > 1e2", {"temperature": 101.0}, True),
        ('object == "don\'t # && = %"', {"object": "don't # && = %"}, True),
    ],
)
def test_answers(text: str, values: dict[str, Value], answer: bool | None) -> None:
    assert ask(text, values) is answer


@pytest.mark.parametrize("attribute", [math.nan, math.inf, 10**400, None, [1]])
def test_an_attribute_that_is_no_plain_value_is_unknown(attribute: Any) -> None:
    device = Device("yard/x", "yard", "camera", ZONE.key, Text("某", "X"), {"limit": attribute})
    assert ask("temperature > device.limit", {"temperature": 1.0}, device) is None
    assert ask("known(device.limit) or smoke", {"smoke": False}, device) is False


def test_arithmetic_that_no_float_can_hold_is_unknown() -> None:
    device = Device("yard/x", "yard", "camera", ZONE.key, Text("某", "X"), {"limit": 1e308})
    assert ask("device.limit * device.limit > temperature", {"temperature": 1.0}, device) is None


def test_what_a_condition_asks_for() -> None:
    found = compile_device("smoke and temperature > device.limit and zone.kind == zone.sort and known(heat)")
    assert found.asked.quantities == {"smoke", "temperature", "heat"}
    assert found.asked.attributes == {"device.limit", "zone.sort"}


def test_where_asks_the_site_file_and_unknown_is_no() -> None:
    assert (
        compile_where('zone.kind in ("lobby", "exit") and not default(device.off, false)').check(DEVICE, ZONE) is True
    )
    assert compile_where("device.nothing == 1").check(DEVICE, ZONE) is False
    assert compile_where("not device.nothing").check(DEVICE, ZONE) is False
    assert compile_where("device.limit > 10").asked.attributes == {"device.limit"}


# --- zones ------------------------------------------------------------------------------------------------------------


def test_a_zone_counts_the_devices_at_which_a_term_holds() -> None:
    found = compile_zone("any(smoke) and any(temperature > 45 or heat)")
    assert found.asked.quantities == {"smoke", "temperature", "heat"}
    assert [term({"smoke": True}, DEVICE, ZONE) for term in found.terms] == [True, None]
    assert [term({"temperature": 50.0}, DEVICE, ZONE) for term in found.terms] == [None, True]
    assert found.decide([1, 1]) is True
    assert found.decide([3, 0]) is False


@pytest.mark.parametrize(
    ("text", "counts", "answer"),
    [
        ("count(smoke) >= 2", [1], False),
        ("count(smoke) >= 2", [2], True),
        ("2 <= count(smoke) < 4", [4], False),
        ("count(smoke) + count(heat) > 2", [1, 2], True),
        ("count(smoke) > count(heat)", [1, 2], False),
        ("not any(smoke) or count(heat) == 3", [1, 3], True),
        ("count(smoke) / count(known(smoke)) > 0.5", [2, 3], True),
        ("any(smoke) == any(heat)", [5, 1], True),
        ("count(smoke) in (1, 2)", [2], True),
    ],
)
def test_zone_answers(text: str, counts: list[int], answer: bool) -> None:
    found = compile_zone(text)
    assert len(found.terms) == len(counts)
    assert found.decide(counts) is answer
    assert found.refute(counts) is not answer


def test_a_zone_that_divides_by_nobody_neither_holds_nor_is_refuted() -> None:
    found = compile_zone("count(smoke) / count(known(smoke)) > 0.5")
    assert found.uncertain
    assert found.decide([0, 0]) is False
    assert found.refute([0, 0]) is False
    assert not compile_zone("count(smoke) > 1").uncertain


def test_the_same_question_is_asked_once_and_clear_continues_the_terms_of_when() -> None:
    when = compile_zone("any(smoke) and count(heat) > 1 or count(smoke) > 2")
    assert len(when.terms) == 2
    clear = compile_zone("not any(heat) and not any(flame)", after=when)
    assert len(clear.terms) == 3
    assert clear.terms[:2] == when.terms
    assert clear.decide([9, 0, 0]) is True
    assert clear.decide([9, 1, 0]) is False
    assert clear.decide([9, 0, 1]) is False
    assert clear.asked.quantities == {"smoke", "heat", "flame"}


# --- flaws ------------------------------------------------------------------------------------------------------------

MANY = "split it into several rules"
LANGUAGE = "conditions have comparisons, and, or, not, + - * /, in, and the functions of docs/rules.md"
SHAPE = "a condition is comparisons joined by and, or, not; see docs/rules.md"


@pytest.mark.parametrize(
    ("text", "place", "message", "remedy"),
    [
        # names
        ("smok", (0, 0), "there is no quantity `smok`", "did you mean `smoke`?"),
        ("heat or temp > 5", (0, 8), "there is no quantity `temp`", "did you mean `temperature`?"),
        ("smoke == TRUE", (0, 9), "there is no quantity `TRUE`", "did you mean `true`?"),
        ("object == car", (0, 10), "there is no quantity `car`", 'see the catalogue; a text stands in quotes: "…"'),
        ("smoke and device", (0, 10), "`device` alone is not a value", "write `device.kind` or another attribute"),
        (
            "device.a.b > 1",
            (0, 0),
            "`device.a.b` is not part of the language",
            "only `device.<attribute>` and `zone.<attribute>` have a dot",
        ),
        ("known and smoke", (0, 0), "`known` is a function", "write known(quantity)"),
        ("smoke and knwn(heat)", (0, 10), "there is no function `knwn`", "did you mean `known`?"),
        (
            "xyz(heat)",
            (0, 0),
            "there is no function `xyz`",
            "the functions are in docs/rules.md",
        ),
        ("known(3)", (0, 0), "`known(3)` cannot be read", "write known(quantity)"),
        ("known(true)", (0, 0), "`known(true)` cannot be read", "write known(quantity)"),
        ("known(smoke, heat)", (0, 0), "`known(smoke, heat)` cannot be read", "write known(quantity)"),
        ("default(smoke)", (0, 0), "`default(smoke)` cannot be read", "write default(quantity, constant)"),
        ("default(smoke, heat)", (0, 0), "`default(smoke, heat)` cannot be read", "write default(quantity, constant)"),
        ("default(smoke, 1)", (0, 15), "`1` is a number, not a flag", "give a flag"),
        ("default(humidity, 101) > 5", (0, 18), "`101` is out of range", "it is from 0 to 100"),
        (
            "smoke and any(heat)",
            (0, 10),
            "any() asks a whole zone, this asks one device",
            "use it in a rule with `subject: zone`",
        ),
        # sorts
        ("temperature", (0, 0), "`temperature` is a number, not a condition", "compare it: `temperature > …`"),
        ("smoke and object", (0, 10), "`object` is a text, not a condition", 'compare it: `object == "…"`'),
        ("smoke == 1", (0, 0), "`smoke == 1` compares a flag with a number", "write `smoke` or `not smoke`"),
        (
            'temperature > "57"',
            (0, 0),
            '`temperature > "57"` compares a number with a text',
            "numbers stand without quotes",
        ),
        ("smoke > heat", (0, 0), "`smoke > heat`: flags have no order", "use `==` or `!=`"),
        ('object < "car"', (0, 0), '`object < "car"`: texts have no order', "use `==` or `!=`"),
        ("temperature + smoke > 1", (0, 14), "`smoke` is a flag, not a number", "only numbers can be reckoned with"),
        ('"a" + temperature > 1', (0, 0), '`"a"` is a text, not a number', "only numbers can be reckoned with"),
        ("-object == 1", (0, 1), "`object` is a text, not a number", "only numbers can be reckoned with"),
        (
            'object in "car"',
            (0, 10),
            "`in` needs a list",
            'write `object in ("car", "truck")`, or `in ("car",)` for one',
        ),
        ("object in ()", (0, 10), "nothing is in an empty list", "name at least one value"),
        ('object in ("car", 1)', (0, 18), "`1` is a number, not a text", "give a text"),
        ("smoke in (heat, true)", (0, 10), "`heat` is not a constant", "list numbers or texts"),
        (
            'device.maker in (1, "x")',
            (0, 16),
            "the list mixes numbers, texts or flags",
            "compare one kind at a time",
        ),
        ("1 in (1, 2)", (0, 0), "`1` does not depend on anything", "leave it out"),
        (
            '"a" < object in ("a", "b")',
            (0, 0),
            "`in` cannot be chained with another comparison",
            "join the two with `and`",
        ),
        ("smoke == (1, 2)", (0, 9), "a list has its place after `in` only", 'write `object in ("car", "truck")`'),
        # what can have one answer only
        (
            "smoke or temperature > 5000",
            (0, 9),
            "`temperature > 5000` can never be true",
            "`temperature` is from -60 to 1500 °C",
        ),
        ("smoke_density >= 0", (0, 0), "`smoke_density >= 0` is always true", "`smoke_density` is from 0 to 100 dB/m"),
        ("-100 < temperature", (0, 0), "`-100 < temperature` is always true", "`temperature` is from -60 to 1500 °C"),
        ("battery == 101", (0, 0), "`battery == 101` can never be true", "`battery` is from 0 to 100 %"),
        ("battery != 101", (0, 0), "`battery != 101` is always true", "`battery` is from 0 to 100 %"),
        (
            "humidity + battery > 200",
            (0, 0),
            "`humidity + battery > 200` can never be true",
            "`humidity + battery` is from 0 to 200",
        ),
        (
            "0 < temperature < 9999",
            (0, 4),
            "`temperature < 9999` is always true",
            "`temperature` is from -60 to 1500 °C",
        ),
        ("50 < temperature < 40", (0, 0), "`50 < temperature < 40` can never be true", "check the limits"),
        (
            "temperature > 60 and heat and temperature < 50",
            (0, 0),
            "`temperature > 60 and heat and temperature < 50` can never be true",
            "check the limits",
        ),
        (
            "temperature < 60 or temperature > 50",
            (0, 0),
            "`temperature < 60 or temperature > 50` is always true",
            "check the limits",
        ),
        ("smoke and not smoke", (0, 0), "`smoke and not smoke` can never be true", "check the limits"),
        ("smoke or not smoke", (0, 0), "`smoke or not smoke` is always true", "check the limits"),
        ("true", (0, 0), "`true` does not depend on anything", "leave it out"),
        ("smoke or true", (0, 9), "`true` does not depend on anything", "leave it out"),
        ("1 < 2 and smoke", (0, 0), "`1 < 2` does not depend on anything", "leave it out"),
        ("heat == heat", (0, 0), "`heat == heat` compares a value with itself", "compare it with something else"),
        ("temperature / (3 - 3) > 1", (0, 15), "division by zero is always unknown", "divide by something else"),
        ("1e300 * 1e300 > temperature", (0, 0), "`1e300 * 1e300` is too large", "write a smaller number"),
        ("temperature < 1e999", (0, 14), "this number is too large", "write a number below 1e300"),
        ("temperature < 1" + "0" * 400, (0, 14), "this number is too large", "write a number below 1e300"),
        ('object == "' + "x" * 257 + '"', (0, 10), "a text of 257 characters", "no measured text exceeds 256"),
        # what is not in the language
        ("temperature ** 2 > 3", (0, 0), "`temperature ** 2` is not part of the language", LANGUAGE),
        ("smoke and +temperature > 3", (0, 10), "`+temperature` is not part of the language", LANGUAGE),
        ("smoke if heat else test", (0, 0), "`smoke if heat else test` is not part of the language", LANGUAGE),
        ("smoke and (lambda: 1)", (0, 11), "`lambda: 1` is not part of the language", LANGUAGE),
        ("heat and device.kind.upper()", (0, 9), "`device.kind.upper()` is not part of the language", LANGUAGE),
        ('b"a" == object', (0, 0), '`b"a"` is not part of the language', LANGUAGE),
        ("smoke is heat", (0, 0), "`is` is not part of the language", "write `==` or `!=`"),
        ("smoke == None", (0, 9), "`None` is not part of the language", "write `not known(…)`"),
        ("default(**smoke)", (0, 0), "default() takes no named arguments", "write default(quantity, constant)"),
        ("known(*smoke)", (0, 0), "`known(*smoke)` cannot be read", "write known(quantity)"),
        # slips of the pen
        ("smoke && heat", (0, 6), "`&&` is not part of the language", "write `and`"),
        ("smoke || heat", (0, 6), "`||` is not part of the language", "write `or`"),
        ("!smoke", (0, 0), "`!` is not part of the language", "write `not`"),
        ("smoke = true", (0, 6), "`=` is not part of the language", "write `==` to compare"),
        ("battery <> 3", (0, 8), "`<>` is not part of the language", "write `!=`"),
        ("smoke AND heat", (0, 6), "`AND` is not part of the language", "write and, or, not, in with small letters"),
        (
            "temperature > 57 °C",
            (0, 17),
            "`°C` is not part of the language",
            "write the number alone; the unit is the one of the catalogue",
        ),
        ("temperature > 57C", (0, 14), "`57C` is no number", "write the number without a unit"),
        ("battery > 5and smoke", (0, 10), "`5and` is no number", "put a space before the word"),
        ("temperature ＞ 57", (0, 12), "`＞` is not an ASCII character", "write `>`"),
        ("smoke # why", (0, 6), "`# why` is not part of the language", "write the explanation into `reason`"),
        ("smoke;", (0, 5), "`;` is not part of the language", "leave it out"),
        ('object == "\\d"', (0, 11), "`\\` is not part of the language", "leave it out"),
        # shape
        ("", (0, 0), "the condition is empty", "write for example `temperature > 57`"),
        (" \n ", (0, 0), "the condition is empty", "write for example `temperature > 57`"),
        ("smoke and", (0, 9), "breaks off here", SHAPE),
        ("smoke heat", (0, 6), "cannot be read from `heat` on", SHAPE),
        ("(smoke", (0, 0), "'(' was never closed", SHAPE),
        ("smoke) or (heat", (0, 5), "unmatched ')'", SHAPE),
        ("not " * 60 + "smoke", (0, 4 * DEPTH_LIMIT), "nested more than 40 levels deep", MANY),
        ("(" * 300 + "smoke" + ")" * 300, (0, 200), "nested more than 40 levels deep", MANY),
        ("-" * 1900 + "temperature > 1", (0, DEPTH_LIMIT - 1), "nested more than 40 levels deep", MANY),
        ("smoke" + " " * 2000, (0, TEXT_LIMIT), "the condition has 2005 characters; at most 2000 are read", MANY),
        # lines and columns are those of characters, in every line
        ("smoke and\n  (heat or\n   flam)", (2, 3), "there is no quantity `flam`", "did you mean `flame`?"),
        ("\n\n  smok", (2, 2), "there is no quantity `smok`", "did you mean `smoke`?"),
        ('object == "电动车" and smok', (0, 20), "there is no quantity `smok`", "did you mean `smoke`?"),
    ],
)
def test_one_flaw(text: str, place: tuple[int, int], message: str, remedy: str) -> None:
    assert flaws(text) == [(*place, message, remedy)]


def test_all_flaws_at_once_in_the_order_of_the_text() -> None:
    text = 'smok and temprature > 57\n  or battery > 500 and object > "car" or heat == 1'
    assert [(line, column) for line, column, _, _ in flaws(text)] == [(0, 0), (0, 9), (1, 5), (1, 23), (1, 41)]


@pytest.mark.parametrize(
    ("text", "column", "message", "remedy"),
    [
        ("smoke", 0, "`smoke` is measured by each device, not by the zone", "write any(smoke …) or count(smoke …) > 1"),
        ('zone.kind == "x"', 0, "`zone.kind` stands outside any() and count()", "put it inside them, or into `where`"),
        ("known(smoke)", 0, "known() asks one device, not a zone", "put it inside any() or count()"),
        ("any(count(smoke) > 1)", 4, "count() inside any() or count()", "join them with and, or, not instead"),
        ("count(smoke)", 0, "`count(smoke)` is a number, not a condition", "compare it: `count(smoke) > …`"),
        ("count(smoke) >= 0", 0, "`count(smoke) >= 0` is always true", "`count(smoke)` is at least 0"),
        ("any(smok)", 4, "there is no quantity `smok`", "did you mean `smoke`?"),
        ("any(temperature)", 4, "`temperature` is a number, not a condition", "compare it: `temperature > …`"),
        ("any()", 0, "`any()` cannot be read", "write any(condition), or any(condition, 5m)"),
        ("any(smoke, heat)", 11, "`heat` is not a duration", "write for example 60s, 5m or 1h30m"),
        ("1 < 2", 0, "`1 < 2` does not depend on anything", "leave it out"),
    ],
)
def test_flaws_of_zone_conditions(text: str, column: int, message: str, remedy: str) -> None:
    assert flaws(text, compile_zone) == [(0, column, message, remedy)]


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("smoke", "`smoke` is measured; `where` knows only the site file", "move it to `when`"),
        ("any(smoke)", "any() asks a whole zone, this asks the site file", "use it in a rule with `subject: zone`"),
    ],
)
def test_flaws_of_where(text: str, message: str, remedy: str) -> None:
    assert flaws(text, compile_where) == [(0, 0, message, remedy)]


# --- against a naive interpreter --------------------------------------------------------------------------------------

Tree = tuple[Any, ...]
OPERATORS = {
    "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">=": operator.ge, ">": operator.gt,
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
}  # fmt: skip
NUMBERS = ("temperature", "smoke_density", "current", "dwell", "rssi")
FLAGS = ("smoke", "heat", "test", "online")
ATTRIBUTES = ("device.limit", "zone.limit")
LABELS = ("car", "truck", "电动车")


def naive(tree: Tree, env: Mapping[str, Value]) -> Value | None:
    """What the docs say, word for word, without any speed."""
    match tree:
        case ("const", value):
            return value  # type: ignore[no-any-return]
        case ("name", name):
            return env.get(name)
        case ("known", name):
            return name in env
        case ("default", name, value):
            return env[name] if name in env and kind(env[name]) is kind(value) else value
        case ("neg", a):
            x = naive(a, env)
            return -x if kind(x) is float else None  # type: ignore[operator]
        case ("arith", op, a, b):
            x, y = naive(a, env), naive(b, env)
            if kind(x) is not float or kind(y) is not float or (op == "/" and y == 0):
                return None
            result = OPERATORS[op](x, y)
            return result if math.isfinite(result) else None
        case ("compare", first, *rest):
            return all_of(
                [pair(op, a, b, env) for a, (op, b) in zip([first, *(r[1] for r in rest)], rest, strict=False)]
            )
        case ("in", a, choices):
            x = naive(a, env)
            return None if x is None or kind(x) is not kind(choices[0]) else x in choices
        case ("not", a):
            x = truth(naive(a, env))
            return None if x is None else not x
        case ("and", *parts):
            return all_of([truth(naive(part, env)) for part in parts])
        case ("or", *parts):
            x = all_of([None if (t := truth(naive(part, env))) is None else not t for part in parts])
            return None if x is None else not x
    raise AssertionError(tree)


def kind(value: object) -> type:
    return type(value)


def truth(value: Value | None) -> bool | None:
    return value if isinstance(value, bool) else None


def pair(op: str, a: Tree, b: Tree, env: Mapping[str, Value]) -> bool | None:
    x, y = naive(a, env), naive(b, env)
    if x is None or y is None or kind(x) is not kind(y) or (op not in ("==", "!=") and kind(x) is not float):
        return None
    return bool(OPERATORS[op](x, y))


def all_of(parts: list[bool | None]) -> bool | None:
    return False if False in parts else None if None in parts else True


def written(tree: Tree) -> str:
    match tree:
        case ("const", bool() as value):
            return str(value).lower()
        case ("const", str() as value):
            return f'"{value}"'
        case ("const", value):
            return repr(value) if value >= 0 else f"({value!r})"
        case ("name", name):
            return str(name)
        case ("known", name):
            return f"known({name})"
        case ("default", name, value):
            return f"default({name}, {written(('const', value))})"
        case ("neg", a):
            return f"(-{written(a)})"
        case ("arith", op, a, b):
            return f"({written(a)} {op} {written(b)})"
        case ("compare", first, *rest):
            return f"({written(first)} {' '.join(f'{op} {written(b)}' for op, b in rest)})"
        case ("in", a, choices):
            return f"({written(a)} in ({', '.join(written(('const', c)) for c in choices)},))"
        case ("not", a):
            return f"(not {written(a)})"
        case (("and" | "or") as op, *parts):
            return f"({f' {op} '.join(map(written, parts))})"
    raise AssertionError(tree)


constants = st.sampled_from([-50.0, -1.0, 0.0, 0.5, 1.0, 3.0, 57.0, 90.0]).map(lambda v: ("const", v))
names = st.sampled_from(NUMBERS + ATTRIBUTES).map(lambda n: ("name", n))
number_leaves = names | st.tuples(
    st.just("default"), st.sampled_from(NUMBERS + ATTRIBUTES), st.sampled_from([1.0, 20.0])
)
numbers = st.recursive(
    number_leaves | constants,
    lambda inner: st.tuples(st.just("neg"), inner) | st.tuples(st.just("arith"), st.sampled_from("+-*/"), inner, inner),
    max_leaves=4,
)
orders = st.sampled_from(["<", "<=", "==", "!=", ">=", ">"])
comparisons = st.one_of(
    st.tuples(st.just("compare"), number_leaves, st.tuples(orders, constants)),
    st.tuples(st.just("compare"), numbers, st.tuples(orders, numbers)),
    st.tuples(st.just("compare"), numbers, st.tuples(orders, number_leaves), st.tuples(orders, numbers)),
    st.tuples(
        st.just("compare"),
        st.sampled_from([("name", "object"), ("name", "device.limit")]),
        st.tuples(st.sampled_from(["==", "!="]), st.sampled_from(LABELS).map(lambda v: ("const", v))),
    ),
    st.tuples(
        st.just("compare"),
        st.sampled_from(FLAGS).map(lambda n: ("name", n)),
        st.tuples(
            st.sampled_from(["==", "!="]),
            st.sampled_from([("const", True), ("const", False), ("name", "tamper"), ("name", "zone.limit")]),
        ),
    ),
    st.tuples(
        st.just("in"),
        st.sampled_from([("name", "object"), ("name", "device.limit")]),
        st.lists(st.sampled_from(LABELS), min_size=1, max_size=3),
    ),
    st.tuples(st.just("in"), number_leaves, st.lists(st.sampled_from([1.0, 2.0, 50.0]), min_size=1, max_size=3)),
)
flags = st.one_of(
    st.sampled_from(FLAGS + ATTRIBUTES).map(lambda n: ("name", n)),
    st.tuples(st.just("known"), st.sampled_from(NUMBERS + FLAGS + ATTRIBUTES)),
    st.tuples(st.just("default"), st.sampled_from(FLAGS + ATTRIBUTES), st.booleans()),
)
conditions = st.recursive(
    comparisons | flags,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner, inner),
    ),
    max_leaves=6,
)


def measured(name: str) -> st.SearchStrategy[Value]:
    quantity = CATALOGUE[name]
    if quantity.kind == "flag":
        return st.booleans()
    if quantity.kind == "text":
        return st.sampled_from(LABELS)
    near = [
        v
        for v in (quantity.low, quantity.high, -50.0, -1.0, 0.0, 0.5, 1.0, 3.0, 57.0, 90.0)
        if quantity.low <= v <= quantity.high
    ]
    return st.sampled_from(near) | st.floats(quantity.low, quantity.high)


attribute_values: st.SearchStrategy[Value] = (
    st.sampled_from([0.0, 1.0, 57.0, 1e308]) | st.booleans() | st.sampled_from(LABELS)
)
readings = st.fixed_dictionaries({}, optional={name: measured(name) for name in (*NUMBERS, *FLAGS, "tamper", "object")})
attributes = st.fixed_dictionaries({}, optional=dict.fromkeys(ATTRIBUTES, attribute_values))
ONE_ANSWER = (
    "always true",
    "never be true",
    "itself",
    "does not depend",
    "always unknown",
    "too large",
    "out of range",
)


@settings(max_examples=400, deadline=None)
@given(conditions, st.lists(st.tuples(readings, attributes), min_size=1, max_size=6))
def test_compiled_conditions_answer_what_a_naive_interpreter_answers(
    tree: Tree, situations: list[tuple[dict[str, Value], dict[str, Value]]]
) -> None:
    refused = refusal(written(tree))
    if refused is not None:
        # the generator writes correct sorts and names, so only what has one answer may be refused
        assert all(any(words in flaw.message for words in ONE_ANSWER) for flaw in refused.flaws), (tree, refused)
        reject()
    check = compile_device(written(tree)).check
    for values, given_attributes in situations:
        own = {n.partition(".")[2]: v for n, v in given_attributes.items() if n.startswith("device")}
        zones = {n.partition(".")[2]: v for n, v in given_attributes.items() if n.startswith("zone")}
        device = Device("yard/d", "yard", "camera", "yard/z", Text("某", "D"), own)
        zone = Zone("yard/z", "yard", Text("某", "Z"), "lobby", attributes=zones)
        assert check(values, device, zone) is truth(naive(tree, {**values, **given_attributes})), written(tree)


limits = st.sampled_from([-200.0, -60.0, -1.0, 0.0, 1.0, 100.0, 1500.0, 5000.0]) | st.floats(-300, 6000)


@given(st.sampled_from(NUMBERS), orders, limits, st.booleans(), st.data())
def test_what_is_refused_as_having_one_answer_has_one(
    name: str, order: str, limit: float, mirrored: bool, data: st.DataObject
) -> None:
    parts = [("name", name), ("const", limit)]
    tree = ("compare", *(reversed(parts) if mirrored else parts))
    tree = ("compare", tree[1], (order, tree[2]))
    quantity = CATALOGUE[name]
    ends = [naive(tree, {name: v}) for v in (quantity.low, quantity.high)]
    inside = naive(tree, {name: data.draw(st.floats(quantity.low, quantity.high))})
    refused = refusal(written(tree))
    if refused is not None:
        assert {inside, *ends} == {"always" in str(refused)}
    else:
        # it was let through, so both answers are possible: at the ends, or at the limit itself
        within = [naive(tree, {name: limit})] if quantity.low <= limit <= quantity.high else []
        assert {True, False} <= {*ends, *within}


pieces = st.sampled_from(
    [*"()<>=!+-*/,.'\"#&|%\\\n \t[]{}:;@", "smoke", "temperature", "object", "and", "or", "not", "in", "is", "if", "else",
     "known", "default", "any", "count", "device", "zone", ".kind", "1", "0.5", "1e9", "车", "（", "lambda", "true", "None",
     "\x00", "\ud800", "f'"]
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(pieces, max_size=25).map("".join) | st.lists(pieces, max_size=25).map(" ".join))
def test_any_text_compiles_or_is_refused_with_places_inside_it(text: str) -> None:
    for compiler in (compile_device, compile_zone, compile_where):
        refused = refusal(text, compiler)
        if refused is not None:
            assert refused.flaws
            lines = text.split("\n")
            for flaw in refused.flaws:
                assert flaw.message
                assert flaw.remedy
                assert 0 <= flaw.column <= len(lines[flaw.line])
