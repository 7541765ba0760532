"""Each shipped rule has tests as data, `<book>.test.yaml`: at least one in which it must speak and one in which it must not.

The name of a test says which: `fire-door-open raises: for five minutes`, `fire-door-open quiet: furniture is carried`. They are in
the form of docs/rules-as-code.md; `wanglou rules test tests/books` plays them too.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.stories.reader import Story, load
from monitor.stories.verdict import examine
from rules.rulebook import load_book

HERE = Path(__file__).parent
BOOKS = HERE.parents[1] / "rules" / "books"
STORIES = [story for path in sorted(HERE.glob("*.test.yaml")) for story in load(path)]
ABOUT = re.compile(r"(?P<rule>[a-z0-9/_-]+) (?P<must>raises|quiet): \S.*")
SPOKE = re.compile(r"\d+ (?:raised|joined|escalated|confirmed|realarm) (?P<rule>[a-z0-9/_-]+)@")


def rules_of(book: str) -> set[str]:
    return set(load_book([(book, (BOOKS / book).read_text("utf-8"))]).by_id)


def spoke(story: Story) -> set[str]:
    """The rules of which an alarm is expected."""
    return {match["rule"] for line in story.expected if (match := SPOKE.match(line.text))}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name.replace(" ", "_"))
def test_a_rule_at_its_edge(story: Story) -> None:
    result = examine(story)
    assert result.passed, "\n".join([*(f"{d.sign} {d.text}" for d in result.diff), *result.complaints])
    about = ABOUT.fullmatch(story.name)
    assert about, "its name begins with `<rule> raises: ` or `<rule> quiet: `"
    assert (about["rule"] in spoke(story)) is (about["must"] == "raises")


@pytest.mark.parametrize("book", sorted(path.name for path in BOOKS.glob("*.yaml")))
def test_every_rule_must_speak_in_one_test_and_must_not_in_another(book: str) -> None:
    mine = [story for story in STORIES if Path(story.file).name == f"{Path(book).stem}.test.yaml"]
    named = [match for story in mine if (match := ABOUT.fullmatch(story.name))]
    for must in ("raises", "quiet"):
        # A book's tests may speak of other books' rules as well.
        assert {match["rule"] for match in named if match["must"] == must} >= rules_of(book)
