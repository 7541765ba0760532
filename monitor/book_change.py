"""What another rule book changes, rule by rule, and of the calendar.

Compares compiled books; knows neither files nor engine.
"""

from __future__ import annotations

from dataclasses import dataclass

from rules.rule import Rule, RuleBook


@dataclass(frozen=True, slots=True)
class BookChange:
    """What reading the rule books again came to: ids of rules, each in one of the lists, in book order."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    """Their alarms have ended."""
    changed: tuple[str, ...] = ()
    """They decide otherwise than before: their alarms have ended, and rise again by the next reading."""
    reworded: tuple[str, ...] = ()
    """They decide as before, and say it in other words or command something else: their alarms go on."""
    unchanged: tuple[str, ...] = ()
    years: tuple[int, ...] = ()
    """The years of which it tells other holidays: rules that ask what day it is were asked at once."""


def difference(before: RuleBook, after: RuleBook) -> BookChange:
    """What another book changes, rule by rule."""
    added: list[str] = []
    changed: list[str] = []
    reworded: list[str] = []
    unchanged: list[str] = []
    for rule in after.rules:
        old = before.by_id.get(rule.id)
        if old is None:
            added.append(rule.id)
        elif old.definition != rule.definition:
            changed.append(rule.id)
        else:
            (unchanged if _words(old) == _words(rule) else reworded).append(rule.id)
    removed = tuple(rule.id for rule in before.rules if rule.id not in after.by_id)
    was, now = before.calendar.years, after.calendar.years
    years = tuple(sorted(year for year in was.keys() | now.keys() if was.get(year) != now.get(year)))
    return BookChange(tuple(added), removed, tuple(changed), tuple(reworded), tuple(unchanged), years)


def _words(rule: Rule) -> tuple[object, ...]:
    return rule.title, rule.advice, rule.group, rule.source, rule.linkage
