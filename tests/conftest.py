"""The order in which files are handed to the workers of `make test`: those that take longest first, so that none is left alone at the end.

Knows their names, and nothing of what they prove.
"""

from __future__ import annotations

import pytest

LONG = (
    "tests/browser/test_story.py",
    "tests/live/test_mqtt_feed.py",
    "tests/live/test_shutdown.py",
    "tests/live/test_demo.py",
    "tests/simulators/test_nights.py",
    "tests/live/test_cli.py",
    "tests/live/test_fires.py",
    "tests/live/test_linkage.py",
    "tests/rules/test_response_properties.py",
    "tests/live/test_crash.py",
    "tests/live/test_ladder_crash.py",
    "tests/live/test_ladder_providers.py",
    "tests/live/test_wheel.py",
    "tests/live/test_pipeline.py",
    "tests/live/test_reload.py",
    "tests/rules/test_engine_properties.py",
    "tests/browser/test_page_office.py",
    "tests/browser/test_page_accessibility.py",
    "tests/live/test_flood.py",
    "tests/live/test_drill.py",
)
"""Half a minute and more, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Within a file everything stays where it is."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONG)))
