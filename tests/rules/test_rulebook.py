"""The rule book: what a file becomes, and that every mistake of every file is told at once at its place."""

from __future__ import annotations

import hashlib
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.commands import Order, Place
from rules.document import Document, Mistakes
from rules.model import HOUR, MINUTE, SECOND, Device, Kind, Text, Zone
from rules.placement import locate
from rules.rulebook import BookChanged, RuleBook, duration, load_book

ZONE = Zone("yard/garage", "yard", Text("车库", "Garage"), "garage")
DEVICE = Device("yard/s-1", "yard", "smoke_detector", ZONE.key, Text("一号", "One"), {"limit": 50.0})

BOOK = dedent(
    """\
    version: 1
    rules:
      - id: smoke-alarm
        kind: FIRE
        devices: [smoke_detector]
        when: smoke
        title: {zh: 烟感报警, en: Smoke}
        reason: because
      - id: rising
        kind: PREALARM
        devices: [smoke_detector, heat_detector]
        where: zone.kind == "garage" and known(device.limit)
        when: temperature > 46
        for: 10s
        clear: temperature < 42 and zone.height > 2
        clear_for: 1m30s
        title: {zh: 温度升高, en: Rising}
        advice: {zh: 查看, en: Look}
      - id: two
        kind: FAULT
        subject: zone
        devices: [smoke_detector]
        when: count(tamper) > 1
        clear: not any(tamper or fault)
        latch: true
        group: vandals
        title: {zh: 多处被拆, en: Many removed}
    """
)


def book(*texts: str) -> RuleBook:
    return load_book([(f"b{i}.yaml", text) for i, text in enumerate(texts)])


def mistakes(*texts: str) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        book(*texts)
    return [str(mistake) for mistake in caught.value.mistakes]


def with_rule(**fields: str) -> str:
    """A file with one good rule, some of whose fields are written otherwise (empty: left out)."""
    good = {
        "id": "r",
        "kind": "FAULT",
        "devices": "[gateway]",
        "when": "fault",
        "title": "{zh: 故障, en: Fault}",
    }
    lines = [f"{name}: {value}" for name, value in {**good, **fields}.items() if value]
    return "version: 1\nrules:\n  - " + "\n    ".join(lines) + "\n"


# --- what it becomes --------------------------------------------------------------------------------------------------


def test_a_rule_about_devices() -> None:
    rule = book(BOOK).by_id["rising"]
    assert (rule.kind, rule.subject, rule.latch, rule.group) == (Kind.PREALARM, "device", False, "fire")
    assert rule.devices == {"smoke_detector", "heat_detector"}
    assert rule.quantities == {"temperature"}
    assert rule.attributes == {"device.limit", "zone.height"}
    assert (rule.hold, rule.clear_for) == (10 * SECOND, 90 * SECOND)
    assert rule.title == Text("温度升高", "Rising")
    assert rule.advice == Text("查看", "Look")
    assert rule.check is not None
    assert rule.check({"temperature": 50.0}, DEVICE, ZONE) is True
    assert rule.clear_check is not None
    assert rule.clear_check({"temperature": 50.0}, DEVICE, ZONE) is False
    assert rule.where is not None
    assert rule.where(DEVICE, ZONE) is True
    assert (rule.terms, rule.decide, rule.decide_clear) == ((), None, None)


def test_defaults() -> None:
    rule = book(BOOK).by_id["smoke-alarm"]
    assert (rule.latch, rule.group, rule.hold, rule.clear_for) == (True, "fire", 0, 0)
    assert (rule.where, rule.clear_check, rule.advice, rule.source) == (None, None, None, "because")


def test_a_rule_about_zones() -> None:
    rule = book(BOOK).by_id["two"]
    assert (rule.check, rule.clear_check, rule.latch, rule.group) == (None, None, True, "vandals")
    assert rule.quantities == {"tamper", "fault"}
    assert len(rule.terms) == 2
    assert [term({"tamper": False, "fault": True}, DEVICE, ZONE) for term in rule.terms] == [False, True]
    assert rule.decide is not None
    assert rule.decide_clear is not None
    assert (rule.decide([2, 2]), rule.decide([1, 1])) == (True, False)
    assert (rule.decide_clear([1, 1]), rule.decide_clear([0, 0])) == (False, True)


def test_a_zone_that_can_be_unknown_clears_only_when_it_is_refuted() -> None:
    text = with_rule(subject="zone", when="count(fault) / count(known(fault)) > 0.5")
    rule = book(text).by_id["r"]
    assert rule.decide is not None
    assert rule.decide_clear is not None
    assert [rule.decide(c) for c in ([2, 3], [1, 3], [0, 0])] == [True, False, False]
    assert [rule.decide_clear(c) for c in ([2, 3], [1, 3], [0, 0])] == [False, True, False]
    assert book(with_rule(subject="zone", when="any(fault)")).by_id["r"].decide_clear is None


def test_group_of_what_is_no_fire_is_the_rule_itself() -> None:
    assert book(with_rule()).by_id["r"].group == "r"


def test_only_the_rules_that_watch_are_touched_in_book_order() -> None:
    watched = book(BOOK, with_rule(devices="[smoke_detector]", when="temperature > 3 and not fault"))
    assert [rule.id for rule in watched.rules] == ["smoke-alarm", "rising", "two", "r"]
    assert [rule.id for rule in watched.watching("smoke_detector", "temperature")] == ["rising", "r"]
    assert [rule.id for rule in watched.watching("smoke_detector", "fault")] == ["two", "r"]
    assert [rule.id for rule in watched.watching("heat_detector", "temperature")] == ["rising"]
    assert watched.watching("heat_detector", "smoke") == ()
    assert watched.watching("camera", "temperature") == ()
    assert watched.device_kinds == {"smoke_detector", "heat_detector"}


def test_the_digest_tells_texts_apart_and_nothing_else() -> None:
    one = book(BOOK)
    assert one.digest == book(BOOK).digest
    assert one == book(BOOK)
    assert one.digest != book(BOOK + "\n").digest
    assert load_book([("x", BOOK)]).digest != one.digest
    data = b"".join(len(p).to_bytes(8, "big") + p for p in (b"b0.yaml", BOOK.encode()))
    assert one.digest == hashlib.sha256(data).hexdigest()
    assert one.texts == (("b0.yaml", BOOK),)
    assert BookChanged(5, one).book is one


def test_the_definition_changes_with_what_decides_and_with_nothing_else() -> None:
    plain = book(with_rule()).by_id["r"].definition
    for same in (with_rule(title="{zh: 坏, en: Broken}"), with_rule(reason="x"), with_rule(when='"fault"')):
        assert book(same).by_id["r"].definition == plain
    for other in (
        with_rule(when="fault and tamper"),
        with_rule(**{"for": "1s"}),
        with_rule(clear="not fault"),
        with_rule(clear_for="1s"),
        with_rule(kind="SUPERVISORY"),
        with_rule(devices="[camera]"),
        with_rule(latch="true"),
        with_rule(where="known(zone.x)"),
    ):
        assert book(other).by_id["r"].definition != plain


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("250ms", 250_000),
        ("0s", 0),
        ("10s", 10 * SECOND),
        ("5m", 5 * MINUTE),
        ("24h", 24 * HOUR),
        ("1h30m", 90 * MINUTE),
        ("1d2h3m4s5ms", 26 * HOUR + 3 * MINUTE + 4 * SECOND + 5_000),
        ("30d", 720 * HOUR),
    ],
)
def test_durations(text: str, micros: int) -> None:
    assert duration(text) == micros


@pytest.mark.parametrize(
    "text", ["", "10", "s", "1.5s", "-1s", "10 s", "10s5m", "1y", "31d", "721h", "1234567s", "5m\n"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|longer"):
        duration(text)


# --- mistakes ---------------------------------------------------------------------------------------------------------


NAME = "small letters, digits, - and _, beginning with a letter"
SPAN = "write for example 250ms, 10s, 5m or 1h30m"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"id": "Big One"},
            f"3:9: rules[0].id: String should match pattern '^[a-z][a-z0-9_-]{{0,63}}$' ({NAME}; for example garage-hot-spot)",
        ),
        (
            {"kind": "fire"},
            (
                "4:11: rules[0].kind: Input should be 'FIRE', 'PREALARM', 'SUPERVISORY' or 'FAULT' "
                "(write FIRE, PREALARM, SUPERVISORY or FAULT)"
            ),
        ),
        (
            {"devices": "[]"},
            (
                "5:14: rules[0].devices: List should have at least 1 item after validation, not 0 "
                "(list kinds of devices; for example [smoke_detector, heat_detector])"
            ),
        ),
        (
            {"devices": "[gateway, 5]"},
            (
                "5:24: rules[0].devices[1]: Input should be a valid string "
                "(list kinds of devices; for example [smoke_detector, heat_detector])"
            ),
        ),
        ({"when": ""}, "3:5: rules[0].when: Field required (write a condition; for example `temperature > 57`)"),
        (
            {"when": "true"},
            "6:11: rules[0].when: Input should be a valid string (write a condition; for example `temperature > 57`)",
        ),
        ({"title": "{zh: 故障}"}, "7:12: rules[0].title.en: Field required (write the English text)"),
        (
            {"title": "{zh: 故障, en: ' '}"},
            "7:25: rules[0].title.en: String should have at least 1 character (write the English text)",
        ),
        ({"subject": "site"}, "8:14: rules[0].subject: Input should be 'device' or 'zone' (write `device` or `zone`)"),
        ({"for": "10"}, f"8:10: rules[0].for: `10` is not a duration: it has no unit ({SPAN})"),
        ({"for": "ten"}, f"8:10: rules[0].for: `ten` is not a duration ({SPAN})"),
        ({"clear_for": "60d"}, f"8:16: rules[0].clear_for: `60d` is longer than 720h ({SPAN})"),
        ({"latch": "maybe"}, "8:12: rules[0].latch: Input should be a valid boolean (write true or false)"),
        ({"wehn": "fault"}, "8:11: rules[0].wehn: unknown field (did you mean `when`?)"),
        ({"zzz": "1"}, "8:10: rules[0].zzz: unknown field (leave it out)"),
        (
            {"kind": "FIRE", "latch": "false"},
            "8:12: rules[0].latch: a fire always latches: it ends only by reset (leave it out)",
        ),
        (
            {"when": "known(device.x)"},
            "6:11: rules[0].when: nothing that is measured decides this (name a quantity; attributes belong in `where`)",
        ),
        # conditions, to the character
        ({"when": "fault or smok"}, "6:20: rules[0].when: there is no quantity `smok` (did you mean `smoke`?)"),
        ({"clear": "not fualt"}, "8:16: rules[0].clear: there is no quantity `fualt` (did you mean `fault`?)"),
        (
            {"where": "tamper"},
            "8:12: rules[0].where: `tamper` is measured; `where` knows only the site file (move it to `when`)",
        ),
        ({"when": '"fault or smok"'}, "6:21: rules[0].when: there is no quantity `smok` (did you mean `smoke`?)"),
        ({"when": "'fault or smok'"}, "6:21: rules[0].when: there is no quantity `smok` (did you mean `smoke`?)"),
        (
            {"when": "'object == ''a'' or smok'"},
            "6:31: rules[0].when: there is no quantity `smok` (did you mean `smoke`?)",
        ),
        (
            {"when": '"object == \\"a\\" or smok"'},
            "6:31: rules[0].when: there is no quantity `smok` (did you mean `smoke`?)",
        ),
        ({"when": '"\\x66ault\\tor smok"'}, "6:25: rules[0].when: there is no quantity `smok` (did you mean `smoke`?)"),
        (
            {"when": ">\n      fault\n      or smok"},
            "8:10: rules[0].when: there is no quantity `smok` (did you mean `smoke`?)",
        ),
        (
            {"when": "|\n      fault\n\n      or smok"},
            "9:10: rules[0].when: there is no quantity `smok` (did you mean `smoke`?)",
        ),
        ({"when": ">-\n      smok"}, "7:7: rules[0].when: there is no quantity `smok` (did you mean `smoke`?)"),
        ({"when": "fault\n      or smok"}, "7:10: rules[0].when: there is no quantity `smok` (did you mean `smoke`?)"),
        ({"when": "!!str smok"}, "6:17: rules[0].when: there is no quantity `smok` (did you mean `smoke`?)"),
        (
            {"when": "fault and"},
            "6:20: rules[0].when: breaks off here (a condition is comparisons joined by and, or, not; see docs/rules.md)",
        ),
        (
            {"subject": "zone"},
            (
                "6:11: rules[0].when: `fault` is measured by each device, not by the zone "
                "(write any(fault …) or count(fault …) > 1)"
            ),
        ),
    ],
)
def test_one_mistake(fields: dict[str, str], told: str) -> None:
    assert mistakes(with_rule(**fields)) == [f"b0.yaml:{told}"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "",
            ["1:1: rules: Field required (write a list of rules, each beginning with `- id:`)",
             "1:1: version: Field required (write `version: 1`)"],
        ),
        ("version: 2\nrules: []", ["1:10: version: Input should be 1 (write `version: 1`)",
         ("2:8: rules: there is no rule in it "
         "(write a list of rules, each beginning with `- id:`)")]),
        ("rules: [", ["1:9: not valid YAML: expected the node content, but found '<stream end>' (check indentation, brackets and quotes)"]),
            ("- a", ["1:1: this is no rule book (write `version: 1`, and below it `rules:` and a list)"]),
        ("version: 1\nversion: 1", ["2:1: version: this key stands twice (keep one of them)"]),
    ],
)  # fmt: skip
def test_a_file_that_is_no_book(text: str, told: list[str]) -> None:
    assert mistakes(text) == [f"b0.yaml:{line}" for line in told]


def test_a_key_that_yaml_takes_for_something_else() -> None:
    (told,) = mistakes(with_rule(null="fault"))
    assert told.endswith(
        "Keys should be strings (write a field's name; in quotes where YAML takes it for something else, as `null`)"
    )
    (told,) = mistakes(with_rule(off="fault"))
    assert told == "b0.yaml:8:10: rules[0].off: unknown field (leave it out)"


def test_a_condition_with_a_comma_inside_of_braces() -> None:
    told = mistakes("version: 1\nrules:\n  - {id: r, when: rise(temperature, 60s) > 8}\n")
    assert any(line.endswith("(a comma ends a text inside of {…}: put the condition in quotes)") for line in told)


def test_a_voter_that_there_is_none_of_names_those_that_there_are() -> None:
    voter = "{devices: [gateway], when: fault}"
    (told,) = mistakes(
        with_rule(confirm=f"{{voters: {{smoke: {voter}, heat: {voter}, smell: {voter}}}}}", devices="", when="")
    )
    assert told.endswith(
        "(name at least two of smoke, heat, flame, gas, thermal, camera, charger, call_point, discharge, report)"
    )


def test_a_rule_that_is_no_mapping() -> None:
    (told,) = mistakes("version: 1\nrules: [3]")
    assert told.startswith("b0.yaml:2:9: rules[0]: ")
    assert told.endswith("(write a list of rules, each beginning with `- id:`)")


def test_a_file_that_is_too_large_or_too_deep() -> None:
    assert mistakes("#" * 1_000_001) == [
        "b0.yaml:1:1: the file has 1000001 characters; at most 1000000 are read (split it)"
    ]
    assert mistakes("[" * 10_000) == [
        "b0.yaml:1:1: nested too deeply (write fewer levels, and no anchor inside of itself)"
    ]


def test_an_id_that_stands_twice_even_in_two_files() -> None:
    told = "there is already a rule `r`, at b0.yaml:3:9 (give it another id)"
    assert mistakes(with_rule(), with_rule()) == [f"b1.yaml:3:9: rules[0].id: {told}"]
    twice = with_rule() + with_rule().partition("rules:\n")[2]
    assert mistakes(twice) == [f"b0.yaml:8:9: rules[1].id: {told}"]


def test_all_mistakes_of_all_files_at_once() -> None:
    bad = dedent(
        """\
        version: 1
        rules:
          - id: one
            kind: FIER
            devices: [smoke_detector]
            when: smok and temprature > 57
            clear: battery > 500
            title: {zh: 一, en: One}
          - id: two
            kind: FIRE
            subject: zone
            devices: [smoke_detector]
            when: any(smoke) and heat
            clear: not any(flam)
            for: 5
            latch: false
            title: {zh: 二, en: Two}
        """
    )
    found = mistakes(bad, "rules: [", with_rule(id="one", when="fualt"))
    assert [line.split(": ")[0] + " " + line.split(": ")[1] for line in found] == [
        "b0.yaml:4:11 rules[0].kind",
        "b0.yaml:6:11 rules[0].when",
        "b0.yaml:6:20 rules[0].when",
        "b0.yaml:7:12 rules[0].clear",
        "b0.yaml:13:26 rules[1].when",
        "b0.yaml:14:20 rules[1].clear",
        "b0.yaml:15:10 rules[1].for",
        "b0.yaml:16:12 rules[1].latch",
        "b1.yaml:1:9 not valid YAML",
        "b2.yaml:3:9 rules[0].id",
        "b2.yaml:6:11 rules[0].when",
    ]


@given(st.data())
def test_every_character_of_a_value_is_found_again_however_it_is_written(data: st.DataObject) -> None:
    words = data.draw(st.lists(st.sampled_from(["smoke", "and", '"车"', "'a'", "(", "x<3"]), min_size=1, max_size=8))
    style = data.draw(st.sampled_from(["single", "double", "literal", "folded"]))
    if style in ("literal", "folded"):
        joints = [data.draw(st.sampled_from([" ", "\n  "])) for _ in words[1:]]
        body = words[0] + "".join(j + w for j, w in zip(joints, words[1:], strict=True))
        source = f"# 注释\nwhen: {'|' if style == 'literal' else '>'}-\n  {body}\nid: x\n"
    else:
        text = " ".join(words)
        quoted = (
            f"'{text.replace(chr(39), chr(39) * 2)}'" if style == "single" else '"' + text.replace('"', '\\"') + '"'
        )
        source = f"# 注释\nwhen:   {quoted}\nid: x\n"
    document = Document(source, "f")
    value = document.data["when"]
    lines = source.split("\n")
    for index, character in enumerate(value):
        if not character.isspace():
            line, column = locate(source, *document.at(("when",)), value, index)
            there = lines[line - 1][column - 1]
            assert there == character or (there == "\\" and character == '"')


# --- what it commands -------------------------------------------------------------------------------------------------

HOT = {"kind": "PREALARM", "devices": "[charger, camera]", "when": "port_temperature > 90", "for": "5s"}


def test_what_a_rule_commands_and_where() -> None:
    text = with_rule(
        **HOT, linkage="[{command: cut_power, at: self}, {command: sound, at: {kind: siren, in: building}}]"
    )
    rule = book(text).by_id["r"]
    assert rule.linkage == (Order("cut_power", Place.SELF), Order("sound", Place.BUILDING, "siren"))
    # It does not decide when the rule alarms: alarms that run under the same rule without it go on.
    assert rule.definition == book(with_rule(**HOT)).by_id["r"].definition


def test_a_rung_commands_alone() -> None:
    text = """version: 1
rules:
  - id: hot
    devices: [charger]
    ladder:
      - {kind: SUPERVISORY, when: port_temperature > 70}
      - {kind: PREALARM, when: port_temperature > 90, linkage: [{command: cut_power, at: self}]}
    title: {zh: 热, en: Hot}
"""
    rules = book(text).by_id
    assert rules["hot/1"].linkage == ()
    assert rules["hot/2"].linkage == (Order("cut_power", Place.SELF),)


@pytest.mark.parametrize(
    ("linkage", "other", "told"),
    [
        ("[{command: cut, at: self}]", {}, "linkage[0].command: there is no command `cut` (write one of cut_power, sound"),
        ("[{command: cut_power}]", {}, "linkage[0].at: Field required (write `self`, or {kind: siren, in: zone})"),
        ("[{command: cut_power, at: there}]", {}, "linkage[0].at: `there` is no place (write `self`, or"),
        ("[{command: sound, at: {kind: siren, in: street}}]", {}, "at.in: Input should be 'zone' or 'building' (write `zone`"),
        (
            "[{command: cut_power, at: {kind: siren, in: zone}}]", {},
            "linkage[0]: no siren understands cut_power; breaker, charger, socket would (",
        ),
        (
            "[{command: sound, at: self}]", {},
            "linkage[0].at: none of the rule's devices understands sound (heat_detector, siren, smoke_detector would)",
        ),
        ("[{command: cut_power, at: self}]", {"kind": "FAULT"}, "linkage: a fault commands nothing: it is no danger (leave it out)"),
        (
            "[{command: cut_power, at: self}]", {"subject": "zone", "when": "any(port_temperature > 90)"},
            "linkage[0].at: a rule about zones has no device of its own (write {kind: …, in: zone})",
        ),
        ("cut_power", {}, "linkage: Input should be a valid list (write for example [{command: cut_power, at: self}])"),
    ],
)  # fmt: skip
def test_what_cannot_be_commanded(linkage: str, other: dict[str, str], told: str) -> None:
    (found,) = mistakes(with_rule(**{**HOT, "linkage": linkage, **other}))
    assert told in found


@pytest.mark.parametrize("linkage", ["[cut_power]", "[{command: [1], at: self}]", "[{at: self}]"])
def test_what_is_no_command_at_all_is_told_once(linkage: str) -> None:
    (found,) = mistakes(with_rule(**HOT, linkage=linkage))
    assert ".linkage[0]" in found
