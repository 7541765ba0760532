"""The holidays that a rule book tells: whose word counts, when it takes effect, and every mistake at its place.

The days here are made up; no notice has announced them.
"""

from __future__ import annotations

from datetime import date
from textwrap import dedent

import pytest

from rules.document import Mistakes
from rules.holidays import CALENDAR_REMEDY, OFF_REMEDY, ON_REMEDY
from rules.rulebook import RuleBook, load_book
from rules.schedules import SHIPPED
from tests.rules.small_block import Hand, hand, rule

MADE_UP = '{off: ["01-01/01-03", 02-05/02-11], on: [02-20]}'
RULES = "rules:\n" + rule("r", "PREALARM", "smoke and workday()")
CONFIRMED = """\
  - id: r
    kind: FIRE
    title: {zh: r, en: r}
    confirm:
      voters:
        smoke: {devices: [smoke_detector], when: smoke and workday()}
        heat: {devices: [heat_detector], when: heat}
"""
SUNDAY_WORKED = '{off: ["10-01"], on: ["11-22"]}'
"""By which the day of all stories here, a Sunday, is worked."""


def book(*texts: str) -> RuleBook:
    return load_book([(f"b{i}.yaml", f"version: 1\n{text}") for i, text in enumerate(texts)])


def mistakes(*texts: str) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        book(*texts)
    return [str(mistake) for mistake in caught.value.mistakes]


def of_2026(holidays: str, rules: str = RULES) -> RuleBook:
    return book(f"calendar: {{2026: {holidays}}}\n{rules}")


# --- whose word counts ------------------------------------------------------------------------------------------------


def test_a_book_tells_a_year_that_the_program_does_not_know() -> None:
    calendar = book(RULES, f"calendar:\n  2027: {MADE_UP}\n").calendar
    asked = [date(2027, 1, 3), date(2027, 1, 4), date(2027, 2, 11), date(2027, 2, 12), date(2027, 2, 20), date(2027, 2, 21)]  # fmt: skip
    assert [calendar.is_holiday(day) for day in asked] == [True, False, True, False, False, False]
    assert [calendar.is_workday(day) for day in asked] == [False, True, False, True, True, False]
    assert calendar.unknown_years(date(2027, 3, 1)) == []
    assert calendar.unknown_years(date(2027, 12, 2)) == [2028]
    assert {year: calendar.years[year] for year in SHIPPED.years} == SHIPPED.years
    assert book(RULES).calendar.unknown_years(date(2027, 3, 1)) == [2027]


def test_a_year_in_a_book_stands_instead_of_what_the_program_knows_of_it() -> None:
    calendar = of_2026('{off: ["05-01"]}').calendar
    assert (SHIPPED.is_holiday(date(2026, 10, 1)), calendar.is_holiday(date(2026, 10, 1))) == (True, False)
    assert (SHIPPED.is_workday(date(2026, 10, 10)), calendar.is_workday(date(2026, 10, 10))) == (True, False)
    assert calendar.is_holiday(date(2026, 5, 1))


def test_it_counts_for_the_rules_of_all_files_in_whatever_order_and_wherever_they_ask() -> None:
    asking = [
        rule("r", "PREALARM", "smoke and workday()"),
        rule("r", "PREALARM", "smoke and held(workday(), 1s)", for_="1s"),
        rule("r", "PREALARM", "any(smoke and workday())", subject="zone"),
        rule("r", "PREALARM", "any(smoke and workday(), 5s)", subject="zone"),
        CONFIRMED,
    ]
    told = f"calendar:\n  2026: {SUNDAY_WORKED}\n"
    for one in asking:
        for texts in ([f"rules:\n{one}"], [f"rules:\n{one}", told], [told, f"rules:\n{one}"]):
            there = hand(book(*texts))
            there.read(0, "h1", smoke=True)
            there.read(0.5, "h3", heat=True)
            there.tick(10)
            assert bool(there.engine.open_incidents) is (len(texts) == 2)


def test_two_files_may_tell_the_same_year_alike_and_not_otherwise() -> None:
    alike = ("calendar: {2027: {off: [05-01/05-02]}}", "calendar:\n  2027: {on: [], off: [05-01, 05-02]}\n")
    assert book(*alike).calendar.is_holiday(date(2027, 5, 2))
    assert mistakes(alike[0], "calendar:\n  2028: {off: [05-01]}\n  2027: {off: [05-01]}\n") == [
        "b1.yaml:4:9: calendar[2027]: 2027 has other holidays at b0.yaml:2:18 (keep one of them, or write both alike)"
    ]


def test_a_file_of_holidays_needs_no_rules_and_one_of_nothing_is_a_mistake() -> None:
    assert book(f"calendar: {{2027: {MADE_UP}}}").rules == ()
    assert book(f"calendar: {{2027: {MADE_UP}}}\nrules: []").rules == ()
    remedy = "write a list of rules, each beginning with `- id:`"
    assert mistakes("") == [f"b0.yaml:1:1: rules: Field required ({remedy})"]
    assert mistakes("rules: []") == [f"b0.yaml:2:8: rules: there is no rule in it ({remedy})"]
    assert mistakes(f"calendar: {{2027: {MADE_UP}}}\nrules:") == [
        f"b0.yaml:3:7: rules: Input should be a valid list ({remedy})"
    ]


# --- when it takes effect ---------------------------------------------------------------------------------------------


def smoking(when: str, **more: str) -> Hand:
    """Smoke since second 1 of a Sunday, under a rule that asks what day it is."""
    there = hand(book("rules:\n" + rule("r", "PREALARM", when, **more)))
    there.read(1, "h1", smoke=True)
    return there


def reloaded(there: Hand, at: float, when: str, holidays: str = SUNDAY_WORKED, **more: str) -> list[str]:
    return there.book(at, of_2026(holidays, "rules:\n" + rule("r", "PREALARM", when, **more)))


@pytest.mark.parametrize(
    ("when", "more", "raised"),
    [
        ("smoke and workday()", {}, 10),
        ("smoke and workday()", {"for_": "5s"}, 15),
        ("held(smoke and workday(), 5s)", {}, 15),
        ("any(smoke and workday())", {"subject": "zone"}, 10),
        ("any(smoke) and not any(not workday())", {"subject": "zone"}, 10),
    ],
)
def test_a_new_calendar_asks_at_once_what_it_makes_of_today(when: str, more: dict[str, str], raised: int) -> None:
    there = smoking(when, **more)
    assert there.tick(9) == []
    told = [(10, line) for line in reloaded(there, 10, when, **more)]
    told += [(at, line) for at in (14, 15, 20) for line in there.tick(at)]
    subject = "home" if "subject" in more else "h1"
    assert [(at, line) for at, line in told if " raised r@" in line] == [(raised, f"1 raised r@{subject}")]


def test_a_hold_that_the_new_calendar_takes_the_ground_from_does_not_run_out() -> None:
    there = smoking("smoke and not workday()", for_="20s")
    assert reloaded(there, 10, "smoke and not workday()", for_="20s") == ["r@h1 idle"]
    assert there.tick(60) == []


def test_another_calendar_ends_no_alarm_and_one_that_changes_nothing_today_is_not_felt() -> None:
    there = smoking("smoke and not workday()", clear="not smoke")
    (before,) = there.engine.open_incidents
    asked = {"when": "smoke and not workday()", "clear": "not smoke"}
    assert reloaded(there, 10, holidays='{off: ["10-01"]}', **asked) == []
    assert reloaded(there, 20, **asked) == []
    assert (there.tick(30), there.engine.open_incidents) == ([], [before])
    assert there.read(40, "h1", smoke=False) != []
    digests = {of_2026(holidays).digest for holidays in (SUNDAY_WORKED, '{off: ["10-01"]}')}
    assert len(digests) == 2


def test_midnight_is_still_midnight_after_another_calendar() -> None:
    there = smoking("smoke and holiday()")
    assert reloaded(there, 10, "smoke and holiday()", '{off: ["11-23"]}') == []
    assert there.tick(16 * 3600 - 1) == []
    assert "1 raised r@h1" in there.tick(16 * 3600)


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told", "remedy"),
    [
        ("{}", "2:11: calendar: Dictionary should have at least 1 item after validation, not 0", CALENDAR_REMEDY),
        ("[2027]", "2:11: calendar: Input should be a valid dictionary", CALENDAR_REMEDY),
        ("{27: {off: [01-01]}}", "2:16: calendar[27]: Input should be greater than or equal to 2000", CALENDAR_REMEDY),
        ("{2101: {off: [01-01]}}", "2:18: calendar[2101]: Input should be less than or equal to 2100", CALENDAR_REMEDY),
        ("{'2027': {off: [01-01]}}", "2:20: calendar.2027: Input should be a valid integer", CALENDAR_REMEDY),
        ("{2027: 5}", "2:18: calendar[2027]: Input should be a valid dictionary or instance of YearEntry", CALENDAR_REMEDY),
        ("{2027: {on: [02-20]}}", "2:18: calendar[2027].off: Field required", OFF_REMEDY),
        ("{2027: {off: []}}", "2:24: calendar[2027].off: List should have at least 1 item after validation, not 0", OFF_REMEDY),
        ("{2027: {off: 01-01}}", "2:24: calendar[2027].off: Input should be a valid list", OFF_REMEDY),
        ("{2027: {off: [01-01, 5]}}", "2:32: calendar[2027].off[1]: Input should be a valid string", OFF_REMEDY),
        ("{2027: {off: [01-01], one: []}}", "2:38: calendar[2027].one: unknown field", "did you mean `on`?"),
        ("{2027: {off: [02-28, 02-29]}}", "2:32: calendar[2027].off[1]: there is no `02-29` in 2027", OFF_REMEDY),
        ("{2027: {off: [13-01]}}", "2:25: calendar[2027].off[0]: there is no `13-01` in 2027", OFF_REMEDY),
        ("{2027: {off: [1-1]}}", "2:25: calendar[2027].off[0]: `1-1` is no day: it has not two digits each of month and day", OFF_REMEDY),
        ("{2027: {off: [01-01/]}}", "2:25: calendar[2027].off[0]: `` is no day: it has not two digits each of month and day", OFF_REMEDY),
        ("{2027: {off: [02-11/02-05]}}", "2:25: calendar[2027].off[0]: `02-11/02-05` ends before it begins", OFF_REMEDY),
        ("{2027: {off: [05-01/05-05, 05-05]}}", "2:38: calendar[2027].off[1]: `05-05` begins before `05-01/05-05` is over", OFF_REMEDY),
        ("{2027: {off: [05-01, 04-04]}}", "2:32: calendar[2027].off[1]: `04-04` begins before `05-01` is over", OFF_REMEDY),
        ("{2027: {off: [05-01], on: [05-03]}}", "2:38: calendar[2027].on[0]: `05-03` is neither Saturday nor Sunday", ON_REMEDY),
        ("{2027: {off: [05-01/05-05], on: [05-02]}}", "2:44: calendar[2027].on[0]: `05-02` is in off[0] too: it cannot be both", ON_REMEDY),
    ],
)  # fmt: skip
def test_one_mistake(text: str, told: str, remedy: str) -> None:
    assert mistakes(f"calendar: {text}\n{RULES}") == [f"b0.yaml:{told} ({remedy})"]


def test_a_mistake_of_the_calendar_hides_none_of_the_rules_nor_of_another_file() -> None:
    wrong = dedent("""\
        calendar: {2027: {off: [02-30], on: [1]}}
        rules:
          - {id: r, kind: FAULT, devices: [gateway], when: fautl, title: {zh: r, en: r}}
        """)
    found = mistakes(wrong, "calendar: {2028: {off: [02-30]}}")
    assert [line.partition(" ")[0] for line in found] == [
        "b0.yaml:2:25:", "b0.yaml:2:38:", "b0.yaml:4:52:", "b1.yaml:2:25:",
    ]  # fmt: skip
