"""Tests of rules as stories: what devices, people and providers do, and everything that must follow, and nothing else.

    entries.py    the shape of a test file
    series.py     the compact notation for many readings
    scene.py      the neighbourhood that a file brings along
    reader.py     a file's text → stories, or every mistake of it with its place
    lines.py      what happens, in the words of a story
    player.py     a story through the engine
    verdict.py    what was expected against what came, for people and for CI

See docs/rules-as-code.md. Knows neither broker nor ledger.
"""
