"""Nights of a neighbourhood as data: what devices, people and providers do, and everything that must follow, and nothing else.

Each `tests/scenarios/*.yaml` is one story on the shipped books, in the form that users write their own tests in
(docs/rules-as-code.md), read and judged by the product's own reader.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.stories.reader import load
from monitor.stories.verdict import examine

STORIES = sorted((Path(__file__).parents[1] / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path) -> None:
    for story in load(path):
        result = examine(story)
        assert result.passed, "\n".join([*(f"{d.sign} {d.text}" for d in result.diff), *result.complaints])
        assert story.expected, "a story in which nothing happens proves nothing"


def test_there_are_stories() -> None:
    assert len(STORIES) >= 10
