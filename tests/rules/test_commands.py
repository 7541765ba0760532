"""The catalogue of commands: closed, bilingual, and each one confirmed by something that devices can say."""

from __future__ import annotations

from rules.commands import COMMANDS, FAILURES, WHY, Failure, Why
from rules.quantities import CATALOGUE


def test_every_command_has_words_kinds_and_a_flag_that_shows_it() -> None:
    for name, command in COMMANDS.items():
        assert name == command.name
        assert any("\u4e00" <= c <= "\u9fff" for c in command.words.zh), name
        assert command.words.en.isascii()
        assert command.kinds
        assert CATALOGUE[command.quantity].kind == "flag"


def test_nothing_that_was_made_safe_is_undone_by_a_rule() -> None:
    assert not [name for name in COMMANDS if name.startswith(("restore", "silence", "lock", "open_valve", "stop"))]


def test_every_reason_has_words() -> None:
    assert set(WHY) == set(Why)
    assert set(FAILURES) == set(Failure)
    assert all(words.zh and words.en for words in (*WHY.values(), *FAILURES.values()))
