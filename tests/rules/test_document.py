"""YAML with an address for every value: what is wrong in a file is told with its place, all of it at once."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from rules.document import Document, Mistake, Mistakes, dotted


class Lamp(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["lamp"]
    watts: int = Field(ge=0)


class Horn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["horn"]
    tones: list[int]

    @field_validator("tones")
    @classmethod
    def _some(cls, value: list[int]) -> list[int]:
        if not value:
            raise ValueError("needs a tone")
        return value


class Panel(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    parts: dict[str, Annotated[Lamp | Horn, Field(discriminator="kind")]] = {}
    spare: list[Lamp | Horn] = []


def mistakes(text: str) -> list[str]:
    """All that is wrong with a panel's file, as it is shown."""
    with pytest.raises(Mistakes) as caught:
        Document(text, "panel.yaml").validate(Panel)
    assert str(caught.value) == "\n".join(map(str, caught.value.mistakes))
    return [str(m) for m in caught.value.mistakes]


def test_plain_data_and_where_it_stands() -> None:
    document = Document(
        "name: 甲\nparts:\n  a: {kind: lamp, watts: 5}\nspare:\n  - kind: horn\n    tones: [1, 2]\n", "p"
    )
    assert document.data == {
        "name": "甲",
        "parts": {"a": {"kind": "lamp", "watts": 5}},
        "spare": [{"kind": "horn", "tones": [1, 2]}],
    }
    assert document.at(()) == (1, 1)
    assert document.at(("parts", "a", "watts")) == (3, 26)
    assert document.at(("spare", 0, "tones", 1)) == (6, 16)
    assert document.validate(Panel).parts["a"] == Lamp(kind="lamp", watts=5)


def test_what_was_not_written_has_the_place_of_its_nearest_parent() -> None:
    document = Document("name: x\nparts:\n  a: {kind: lamp}\n", "p")
    assert document.at(("parts", "a", "watts")) == document.at(("parts", "a")) == (3, 6)
    assert document.at(("nothing", 3, "at", "all")) == (1, 1)


@pytest.mark.parametrize("text", ["", "# only words\n", "---\n"])
def test_an_empty_file_is_an_empty_mapping(text: str) -> None:
    assert Document(text, "p").data in ({}, None)
    assert mistakes("") == ["panel.yaml:1:1: name: Field required"]


def test_all_mistakes_at_once_sorted_by_place() -> None:
    text = (
        "name: 5\nparts:\n  a: {kind: lamp, watts: -1, colour: red}\n  b: {kind: horn, tones: []}\n  c: {kind: gong}\n"
    )
    found = mistakes(text)
    assert [line.split(": ")[0] for line in found] == [
        "panel.yaml:1:7", "panel.yaml:3:26", "panel.yaml:3:38", "panel.yaml:4:26", "panel.yaml:5:6",
    ]  # fmt: skip
    assert found[1] == "panel.yaml:3:26: parts.a.watts: Input should be greater than or equal to 0"
    assert found[2] == "panel.yaml:3:38: parts.a.colour: unknown field"
    assert found[3] == "panel.yaml:4:26: parts.b.tones: needs a tone"


def test_inside_a_union_the_branches_names_are_left_out() -> None:
    found = mistakes("name: x\nspare:\n- kind: lamp\n  watts: many\n")
    # Pydantic says `spare.0.Lamp.watts` and `spare.0.Horn.kind`; nobody wrote Lamp or Horn.
    assert any(line.startswith("panel.yaml:4:10: spare[0].watts: ") for line in found)
    assert any(line.startswith("panel.yaml:3:9: spare[0].kind: ") for line in found)
    assert not any("Lamp" in line.split(": ")[1] or "Horn" in line.split(": ")[1] for line in found)


def test_a_missing_field_is_named_at_its_parent() -> None:
    assert mistakes("name: x\nparts:\n  a:\n    kind: lamp\n") == ["panel.yaml:4:5: parts.a.watts: Field required"]


def test_a_key_that_yaml_takes_for_a_truth_value_is_the_name_that_was_written() -> None:
    document = Document("on: {off: [yes, 'on']}\n", "p")
    assert document.data == {"on": {"off": [True, "on"]}}
    assert document.at(("on", "off", 1)) == (1, 17)


def test_every_key_that_stands_twice_is_told_at_its_second_place() -> None:
    assert mistakes("name: x\nname: y\nparts:\n  a: {kind: lamp, watts: 1, watts: 2}\n") == [
        "panel.yaml:2:1: name: this key stands twice (keep one of them)",
        "panel.yaml:4:29: parts.a.watts: this key stands twice (keep one of them)",
    ]
    assert mistakes("1: a\n'1': b\n1: c\n") == ["panel.yaml:3:1: [1]: this key stands twice (keep one of them)"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[a]: 1", "1:1"),
        ("{a: 1}: 1", "1:1"),
        ("? [a, b]\n: 1", "1:3"),
        ("name: x\nparts:\n  {a}: 1", "3:3"),
        ("name: &n [x]\nparts:\n  *n : 1", "1:7"),
    ],
)
def test_a_list_or_a_mapping_is_no_key(text: str, place: str) -> None:
    (found,) = mistakes(text)
    assert found.startswith(f"panel.yaml:{place}: ")
    assert found.endswith("a list or a mapping stands as a key (write a name; quote {…} and […])")


def test_odd_keys_are_reported_together_with_doubled_ones() -> None:
    found = mistakes("[a]: 1\nname: x\nname: y\n{b: c}: 2\n")
    assert [line.split(": ")[0] for line in found] == ["panel.yaml:1:1", "panel.yaml:3:1", "panel.yaml:4:1"]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("name: [x", "1:9", "expected ',' or ']'"),
        ("name: 'x\n", "2:1", "unexpected end of stream"),
        ("name: x\n\tparts: 1\n", "2:1", "cannot start any token"),
        ("name: *nobody\n", "1:7", "undefined alias 'nobody'"),
        ("name: x\n---\nname: y\n", "2:1", "another document"),
        ("name: !!python/object:os.system ls\n", "1:7", "could not determine a constructor"),
        ("name: !secret x\n", "1:7", "could not determine a constructor"),
        ("name: x\nparts: \x00\n", "2:8", "special characters are not allowed"),
        (": : :\n- a\n", "1:1", "expected <block end>"),
    ],
)
def test_what_is_not_yaml(text: str, place: str, words: str) -> None:
    (found,) = mistakes(text)
    assert found.startswith(f"panel.yaml:{place}: not valid YAML: ")
    assert words in found


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("2026-02-31", "timestamp"),
        ("2026-13-01T00:00:00Z", "timestamp"),
        ("!!int ten", "int"),
        ("!!float x", "float"),
        ("!!bool maybe", "bool"),
        ("!!timestamp x", "timestamp"),
    ],
)
def test_a_value_that_only_looks_like_something(value: str, kind: str) -> None:
    found = mistakes(f"parts: 1\nname: {value}\n")
    assert found == [f"panel.yaml:2:7: name: looks like a {kind} and is none (write it in quotes, or mend it)"]


@pytest.mark.parametrize("text", ["name: &n [*n]\n", "name: &n {a: *n}\n", "name: " + "[" * 9000 + "]" * 9000])
def test_what_is_nested_too_deeply(text: str) -> None:
    assert mistakes(text) == [
        "panel.yaml:1:1: nested too deeply (write fewer levels, and no anchor inside of itself)",
    ]


def test_an_anchor_may_be_used_again() -> None:
    document = Document("name: x\nparts:\n  a: &lamp {kind: lamp, watts: 5}\n  b: *lamp\n", "p")
    assert document.validate(Panel).parts == {"a": Lamp(kind="lamp", watts=5), "b": Lamp(kind="lamp", watts=5)}


def test_a_mistake_inside_a_text_is_moved_to_its_sign() -> None:
    document = Document("name: x\nparts:\n  a: smoke >\n", "rules.yaml")
    found = document.mistake(("parts", "a"), "something is missing", "write a number", column=7)
    assert found == Mistake("rules.yaml", 3, 13, "parts.a", "something is missing", "write a number")
    assert str(found) == "rules.yaml:3:13: parts.a: something is missing (write a number)"


def test_the_same_mistake_is_told_once() -> None:
    twice = [Mistake("f", 2, 1, "b", "no"), Mistake("f", 1, 1, "a", "no"), Mistake("f", 2, 1, "b", "no")]
    assert [m.field for m in Mistakes(twice).mistakes] == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "text"),
    [((), ""), (("a",), "a"), (("a", 3, "b"), "a[3].b"), ((0, "b"), "[0].b"), (("a", 0, 1), "a[0][1]")],
)
def test_dotted(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("name: x\n\tparts: {}\n", "indent with blanks, and write no tab between words"),
        ("name: a: b\n", "put a text with `: ` in it in quotes, and check the indentation"),
        ("name: !smoke\n", "put a text that begins with ! in quotes"),
        ("parts: &p {}\nspare: {<<: *p}\n", "write the fields out, without `<<`"),
        ("name: x\n---\nname: y\n", "keep one document in a file, without `---`"),
        ("name: a\0b\n", "remove the control character"),
        ("name: }\n", "check indentation, brackets and quotes"),
    ],
)
def test_what_is_no_yaml_says_what_to_do(text: str, remedy: str) -> None:
    (told,) = mistakes(text)
    assert told.endswith(f"({remedy})")


def test_a_few_lines_of_anchors_that_stand_for_billions_of_values_are_refused_at_once() -> None:
    lines = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    (told,) = mistakes("\n".join(["a0: &a0 [x]", *lines, "name: *a8"]))
    assert told.endswith("its anchors repeat more than 100000 values (write fewer of them)")


def test_anchors_that_repeat_a_little_are_what_they_stand_for() -> None:
    assert Document("a: &a [1, 2]\nb: [*a, *a]\n", "p").data == {"a": [1, 2], "b": [[1, 2], [1, 2]]}
