"""Tests of rules, tested: what passes, what fails and how that is said, and every mistake of a test file with its place.

Stories here are small enough to be followed in the head.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor.stories.entries import FileWords, IncidentWords, StoryWords
from monitor.stories.reader import Story, load, read_stories
from monitor.stories.series import LONGEST, samples
from monitor.stories.verdict import TestResult, examine, junit
from rules.document import Mistakes
from rules.model import (
    HOUR,
    MINUTE,
    SECOND,
    Kind,
    Measure,
    Move,
    Outcome,
    Reading,
    Receipt,
    Restore,
    Suppress,
    Swap,
    Value,
    Verb,
)
from rules.people import Rung, Target

BOOK = """
version: 1
rules:
  - id: smoke-alarm
    kind: FIRE
    devices: [smoke_detector]
    when: smoke and not default(test, false)
    clear: not smoke
    clear_for: 60s
    title: {zh: 烟感报警, en: Smoke alarm}
  - {id: heat-alarm, kind: FIRE, devices: [heat_detector], when: heat, title: {zh: 热, en: Heat}}
  - {id: heat-static, kind: FIRE, devices: [heat_detector], when: temperature > 57, for: 4s, title: {zh: 热, en: Hot}}
  - id: heat-prealarm
    kind: PREALARM
    devices: [heat_detector]
    when: temperature > 46
    for: 10s
    title: {zh: 热, en: Warm}
  - id: confirmed-fire
    kind: FIRE
    subject: zone
    devices: [smoke_detector, heat_detector]
    when: any(smoke) and any(temperature > 45)
    title: {zh: 火, en: Fire}
"""
HALL = """
books: [book.yaml]
zones: {hall: lobby, flat: {kind: dwelling, adjacent: [hall], attributes: {floor: 3}}}
devices:
  smoke-1: {kind: smoke_detector, zone: hall}
  heat-1: {kind: heat_detector, zone: flat}
"""
SMOKE = {"at": "1s", "reading": {"device": "smoke-1", "values": {"smoke": True}}}
ALL = ["1 raised smoke-alarm@smoke-1", "push 1/dispatch-1/hook", "1 is FIRE raised active"]


@pytest.fixture(autouse=True)
def _beside_the_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "book.yaml").write_text(BOOK, "utf-8")
    monkeypatch.chdir(tmp_path)


def told(tail: str) -> TestResult:
    """The one test of the hall."""
    (story,) = read_stories(HALL + tail, "hall.test.yaml", Path())
    return examine(story)


def steps(*timeline: dict[str, Any], **more: Any) -> str:
    return yaml.safe_dump({"timeline": list(timeline), **more}, allow_unicode=True)


def diff(result: TestResult) -> list[str]:
    return [f"{d.sign} {d.text}" for d in result.diff]


def mistakes(text: str, folder: Path = Path()) -> list[str]:
    with pytest.raises(Mistakes) as wrong:
        read_stories(text, "t", folder)
    return [str(m) for m in wrong.value.mistakes]


NIGHT = """
books: [book.yaml]
start: 2026-11-23T01:00:00+08:00
zones: {hall: lobby, flat: dwelling}
devices: {smoke-1: {kind: smoke_detector, zone: hall}}
channels: {call: voice}
people:
  day: {role: responder, channels: [text, call]}
  night: {role: responder, channels: [call], quiet: "22:00-07:00"}
  relative: {role: family, channels: [text], zones: [flat]}
stations:
  gate:
    zones: [hall, flat]
    channels: {hook: {}, text: {kind: sms}}
    shifts:
      - {name: day, hours: "08:00-20:00", people: [day]}
      - {name: night, hours: "20:00-08:00", people: [night]}
    neighbours: [west]
  west: {zones: [hall], channels: {west-hook: {kinds: [FIRE]}}}
  above: {zones: [hall, flat], channels: {"119": {kind: platform}}, authority: true}
ladders: {FIRE: {rungs: [{after: 0s, call: [station]}, {after: 10s, call: [duty, leader]}]}}
sla: {FIRE: {on_scene: 3m, missed: {on_scene: [authority]}}, warn: 50%}
flood: {begins: 20}
"""


def night(*timeline: dict[str, Any], **more: Any) -> Story:
    (story,) = read_stories(NIGHT + steps(*timeline, **more), "night.test.yaml", Path())
    return story


# --- people and measures ----------------------------------------------------------------------------------------------


def test_who_is_called_in_a_story() -> None:
    story = night(SMOKE)
    n = story.neighbourhood()
    assert n.plan is not None
    assert [person.key for person in n.plan.on_duty("gate", story.start)] == ["night"], "at one in the morning"
    assert [person.key for person in n.plan.on_duty("gate", story.start + 8 * HOUR)] == ["day"]
    assert n.plan.people["night"].undisturbed(story.start)
    assert [key for key, person in n.plan.people.items() if person.zones == {"here/flat"}] == ["relative"]
    assert n.plan.channels == {
        "call": "voice",
        "hook": "hook",
        "text": "sms",
        "west-hook": "west-hook",
        "119": "platform",
    }
    assert n.plan.neighbours == {"gate": ("west",)}
    assert [s.key for s in n.stations_of("here/hall")] == ["gate", "west"]
    assert [(s.key, s.zones) for s in n.plan.authorities] == [("above", frozenset({"here/hall", "here/flat"}))]
    assert n.plan.ladders[Kind.FIRE].rungs[1] == Rung(10 * SECOND, (Target.DUTY, Target.LEADER))
    assert n.plan.whom(Kind.FIRE, "on_scene") == (Target.AUTHORITY,)
    assert (n.plan.warn, n.plan.flood.begins, n.sla[Kind.FIRE].on_scene) == (0.5, 20, 3 * MINUTE)


def test_people_of_a_story_without_stations_belong_to_the_one_that_there_is() -> None:
    people = "people: {a: {role: responder, channels: [hook]}, b: {role: family, channels: [hook], zones: ['*']}}\n"
    (story,) = read_stories(HALL + people + steps(SMOKE), "t", Path())
    plan = story.neighbourhood().plan
    assert plan is not None
    assert plan.rosters["station"].people == ("a",)
    assert plan.people["b"].zones == {"here/hall", "here/flat"}


def test_a_story_that_says_nothing_of_people_has_no_plan() -> None:
    (story,) = read_stories(HALL + steps(SMOKE), "t", Path())
    assert story.neighbourhood().plan is None


def test_what_people_ask_for() -> None:
    story = night(
        {"at": "1s", "suppress": {"measure": "test", "subject": "smoke-1", "for": "30m", "by": "day", "why": "保养"}},
        {"at": "2s", "suppress": {"measure": "works", "subject": "hall", "for": "1h", "compensation": "看护"}},
        {"at": "3s", "suppress": {"measure": "shelved", "subject": "smoke-1", "for": "1h", "rule": "smoke-alarm"}},
        {"at": "4s", "restore": {"suppression": 2, "by": "night"}},
        {"at": "5s", "swap": {"station": "gate", "leaves": "night", "takes": "day", "for": "2h"}},
        {
            "at": "6s",
            "swap": {"station": "gate", "leaves": "day", "takes": "night", "since": "7h", "for": "2h", "by": "day"},
        },
        {"at": "7s", "move": {"incident": 1, "verb": "acknowledge", "by": "night", "via": "link"}},
        {"at": "8s", "receipt": {"push": "1/call1-1/call@night", "outcome": "accepted"}},
        {"at": "9s", "reading": {"device": "smoke-1", "values": {"smoke": True}, "exercise": "drill-1"}},
    )
    t = story.start
    assert list(story.happenings) == [
        Suppress(t + SECOND, Measure.TEST, "here/smoke-1", "day", "保养", t + SECOND + 30 * MINUTE),
        Suppress(t + 2 * SECOND, Measure.WORKS, "here/hall", "王", "检修", t + 2 * SECOND + HOUR, "", "看护"),
        Suppress(t + 3 * SECOND, Measure.SHELVED, "here/smoke-1", "王", "检修", t + 3 * SECOND + HOUR, "smoke-alarm"),
        Restore(t + 4 * SECOND, "sup-000002", "night"),
        Swap(t + 5 * SECOND, "gate", "night", "day", t + 5 * SECOND, t + 5 * SECOND + 2 * HOUR, "王"),
        Swap(t + 6 * SECOND, "gate", "day", "night", t + 7 * HOUR, t + 9 * HOUR, "day"),
        Move(t + 7 * SECOND, "inc-000001", Verb.ACKNOWLEDGE, "night", via="link"),
        Receipt(t + 8 * SECOND, "inc-000001/call1-1/call@night", Outcome.ACCEPTED, 1),
        Reading(t + 9 * SECOND, "here/smoke-1", {"smoke": True}, exercise="drill-1"),
    ]


def test_what_is_asked_of_incidents_names_others_by_number() -> None:
    asked = [
        {"lead": "3", "withheld": "1", "exercise": "", "acknowledged_by": "night", "station": "gate"},
        {"lead": ""},
    ]
    story = night(SMOKE, incidents=asked)
    assert story.incidents is not None
    (first, _), (second, _) = story.incidents
    assert (first.lead, first.withheld, first.exercise, second.lead) == ("inc-000003", "sup-000001", "", "")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[text, call]", "[txt, call]", "there is no channel txt"),
        ("zones: [flat]}", "zones: [flt]}", "there is no zone flt (did you mean flat?)"),
        ("people: [day]", "people: [dya]", "there is nobody called dya (did you mean day?"),
        ("[west]", "[vest]", "there is no station vest"),
        ("text: {kind: sms}", "call: {kind: sms}, text: {}", "the channel call is of the kind voice elsewhere"),
        ("flood: {begins", "flood: {begin", "unknown field (did you mean begins?)"),
        ("warn: 50%", "warn: 5", "not a part of a deadline"),
        ("subject: smoke-1", "subject: smoke-2", "there is no device smoke-2"),
        ("rule: smoke-alarm", "rule: smoke", "there is no rule smoke"),
        ("station: gate", "station: west", "there is no station with people west"),
        ("takes: day", "takes: dya", "there is no person dya"),
        ("call@night", "call@", "push"),
    ],
)
def test_mistakes_of_people_and_measures(old: str, new: str, words: str) -> None:
    text = NIGHT + steps(
        {"at": "1s", "suppress": {"measure": "shelved", "subject": "smoke-1", "for": "1h", "rule": "smoke-alarm"}},
        {"at": "5s", "swap": {"station": "gate", "leaves": "night", "takes": "day", "for": "2h"}},
        {"at": "8s", "receipt": {"push": "1/call1-1/call@night", "outcome": "accepted"}},
    )
    assert old in text
    found = [m for m in mistakes(text.replace(old, new, 1)) if words in m]
    assert len(found) == 1


# --- what passes, and what does not -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "right"),
    [(ALL, True), (ALL[:2], False), ([], False), ([*ALL, "1 overdue dispatch"], False), (ALL[::-1], False)],
)
def test_anything_unexpected_missing_or_out_of_order_fails(expect: list[str], right: bool) -> None:
    assert told(steps({**SMOKE, "expect": expect})).passed is right


def test_the_right_thing_at_the_wrong_moment_fails_and_the_diff_can_be_pasted() -> None:
    result = told(steps(SMOKE, {"at": "2s", "expect": ALL}))
    assert diff(result) == [*(f"- 2s {text}" for text in ALL), *(f"+ 1s {text}" for text in ALL)]
    pasted = [text.removeprefix("+ ") for text in diff(result) if text[0] == "+"]
    assert told(steps(SMOKE, expect=pasted)).passed


def test_a_long_story_shows_only_what_is_near_the_difference() -> None:
    smoke = [{"at": f"{2 * n}m", "reading": {"device": "smoke-1", "values": {"smoke": n % 2 == 0}}} for n in range(20)]
    came = [text.removeprefix("+ ") for text in diff(told(steps(*smoke))) if text[0] == "+"]
    assert len(came) > 25
    wrong = [*came[:12], "24m 1 joined nobody@nowhere", *came[12:]]
    shown = diff(told(steps(*smoke, expect=wrong)))
    assert shown[0] == shown[-1] == "… "
    assert [text for text in shown if text[0] in "+-"] == ["- 24m 1 joined nobody@nowhere"]
    assert len(shown) == 7
    (missing,) = (d for d in told(steps(*smoke, expect=wrong)).diff if d.sign == "-")
    assert (HALL + steps(*smoke, expect=wrong)).splitlines()[
        missing.line - 1
    ].strip() == "- 24m 1 joined nobody@nowhere"


def test_nothing_expected_and_nothing_happens() -> None:
    assert told("series: [{device: heat-1, every: 10s, values: {temperature: 24x100}}]").passed


def test_time_goes_on_until_the_end() -> None:
    late = steps(
        {**SMOKE, "expect": ALL}, until="5m", expect=["1m1s 1 overdue dispatch", "1m1s push 1/overdue-dispatch-1/hook"]
    )
    result = told(late)
    assert diff(result) == []


def test_everything_that_can_happen() -> None:
    story = steps(
        {"at": "0s", "status": {"device": "smoke-1", "state": "online"}},
        {**SMOKE, "expect": ALL},
        {"at": "2s", "receipt": {"push": "1/dispatch-1/hook", "outcome": "accepted"}, "expect": [
            "1 push_accepted dispatch-1 hook", "1 dispatched station by hook", "1 is FIRE dispatched active"]},
        {"at": "3s", "restart": True},
        {"at": "4s", "move": {"incident": 1, "verb": "on-scene", "by": "李"}, "expect": [
            "1 on_scene by 李", "1 is FIRE on_scene active"]},
        {"at": "5s", "books": "shipped:garage", "expect": [
            "1 returned smoke-alarm@smoke-1", "1 is FIRE on_scene returned"]},
        {"at": "6s", "trouble": {"source": "history", "active": True}},
        {"at": "7s", "trouble": {"source": "history", "active": False}},
    )  # fmt: skip
    assert diff(told(story)) == []


def test_incidents_as_they_stand_at_the_end() -> None:
    timeline = {**SMOKE, "expect": ALL}
    stands = {"kind": "FIRE", "state": "raised", "condition": "active", "zone": "hall", "rules": ["smoke-alarm"]}
    assert told(steps(timeline, incidents=[{**stands, "devices": ["smoke-1"], "suspected": False}])).passed
    for name, value in {"kind": "FAULT", "zone": "flat", "rules": ["heat-alarm"], "state": "closed"}.items():
        (complaint,) = told(steps(timeline, incidents=[{**stands, name: value}])).complaints
        assert f"incident 1: {name} is" in complaint
    (none,) = told(steps(timeline, incidents=[])).complaints
    assert none.endswith("0 incidents are expected, 1 were raised")


def test_explanations_at_their_moments() -> None:
    series = "series: [{device: heat-1, every: 10s, values: {temperature: 24+5x10}}]\nexplain:\n"
    asked = [
        "{rule: heat-static, subject: heat-1, at: 0s, verdict: false, state: idle}",
        "{rule: heat-alarm, subject: heat-1, at: 0s, verdict: unknown}",
        "{rule: heat-prealarm, subject: heat-1, at: 55s, verdict: true, state: pending}",
        "{rule: confirmed-fire, subject: flat, at: 55s, verdict: false}",
        "{rule: heat-prealarm, subject: heat-1, at: 60s, state: active}",
    ]
    result = told(series + "\n".join(f"  - {line}" for line in asked))
    assert result.complaints == ()
    wrong = told(series + "  - {rule: heat-static, subject: heat-1, at: 20s, verdict: true, state: latched}")
    assert [c.partition("20s: ")[2].partition(";")[0] for c in wrong.complaints] == [
        "the condition is false, expected true",
        "the alarm is idle, expected latched",
    ]


def test_a_story_begins_when_it_says() -> None:
    (story,) = read_stories(HALL + "start: 2026-01-01T00:00:00+08:00\n" + steps(SMOKE), "t", Path())
    assert story.start == 1_767_196_800_000_000
    assert story.happenings[0].at == story.start + 1_000_000


# --- files ------------------------------------------------------------------------------------------------------------

OWN = """
rules:
  - id: warm
    kind: PREALARM
    devices: [heat_detector]
    when: temperature > device.limit
    title: {zh: 热, en: Warm}
"""


def test_own_rules_beside_books_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "mine.yaml").write_text("version: 1\n" + OWN.replace("warm", "mine"), "utf-8")
    (tmp_path / "books" / "mine.test.yaml").write_text("not a book", "utf-8")
    text = (
        "books: books\nzones: {hall: lobby}\n"
        "devices: {h: {kind: heat_detector, zone: hall, attributes: {limit: 30}}}\n"
        f"{OWN}series: [{{device: h, every: 1s, values: {{temperature: 20+6x2}}}}]\n"
        "incidents: [{rules: [mine, warm]}]\n"
    )
    (story,) = read_stories(text, "t", tmp_path)
    assert examine(story).complaints == ()


def test_a_book_that_tells_next_years_holidays_is_played_on_their_days(tmp_path: Path) -> None:
    """The days are made up."""
    (tmp_path / "lane.yaml").write_text(
        "version: 1\n"
        "calendar:\n  2027: {off: [02-05/02-11], on: [02-20]}\n"
        "rules:\n"
        "  - id: at-work\n    kind: PREALARM\n    devices: [smoke_detector]\n    when: smoke and workday()\n"
        "    title: {zh: 上班, en: At work}\n"
        "  - id: on-holiday\n    kind: PREALARM\n    devices: [smoke_detector]\n    when: smoke and holiday()\n"
        "    title: {zh: 放假, en: On holiday}\n",
        "utf-8",
    )

    def raised(day: str) -> list[str]:
        text = (
            f"books: [lane.yaml]\nstart: {day}T23:59:50+08:00\nzones: {{hall: lobby}}\n"
            "devices: {d: {kind: smoke_detector, zone: hall}}\n"
        )
        (story,) = read_stories(
            text + steps(SMOKE | {"reading": {"device": "d", "values": {"smoke": True}}}, until="20s"), "t", tmp_path
        )
        return [
            d.text for d in examine(story).diff if "raised at" in d.text or "raised on" in d.text or "joined" in d.text
        ]

    assert raised("2027-02-04") == ["1s 1 raised at-work@d", "10s 1 joined on-holiday@d"]
    assert raised("2027-02-11") == ["1s 1 raised on-holiday@d", "10s 1 joined at-work@d"]
    assert raised("2027-02-19") == ["1s 1 raised at-work@d"], "and the Saturday that comes is worked"
    assert raised("2027-02-20") == ["1s 1 raised at-work@d"]
    assert raised("2027-02-27") == [], "a Saturday like any other"


def test_a_mistake_in_own_rules_is_told_at_its_line() -> None:
    text = HALL + OWN.replace("temperature", "temprature") + steps(SMOKE)
    (wrong,) = mistakes(text)
    line = next(n for n, line in enumerate(text.splitlines(), 1) if "temprature" in line)
    assert wrong.startswith(f"t:{line}:11: rules[0].when: ")


def test_the_places_of_a_site_file_need_none_of_its_secrets(tmp_path: Path) -> None:
    site = {
        "api": {"token": {"env": "NOWHERE_SET"}},
        "channels": {"hook": {"kind": "webhook", "url": {"env": "NOWHERE_SET"}}},
        "sla": {"FIRE": {"dispatch": "30s", "on_scene": "1m", "resolve": "1h"}},
        "sites": [{"id": "east", "name": "东", "zones": [{"id": "hall", "name": "厅", "kind": "lobby"}],
                   "devices": [{"match": "smoke-{n}", "kind": "smoke_detector", "zone": "hall"}]}],
        "stations": [{"id": "post", "name": "站", "zones": ["*"], "recipients": ["hook"]}],
    }  # fmt: skip
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site), "utf-8")
    expect = [f"1s {text}" for text in ALL] + ["31s 1 overdue dispatch", "31s push 1/overdue-dispatch-1/hook"]
    text = "books: book.yaml\nsite: site.yaml\n" + steps(SMOKE, until="40s", expect=expect)
    (story,) = read_stories(text, "t", tmp_path)
    assert diff(examine(story)) == []
    assert mistakes(text.replace("smoke-1", "door-1"), tmp_path)[0].endswith(
        "there is no device door-1 (there is none yet)"
    )
    assert "cannot be read" in mistakes(text.replace("site.yaml", "sight.yaml"), tmp_path)[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("book.yaml", "dwelling.yaml"), "did you mean shipped:dwelling?"),
        (("zone: hall", "zone: hal"), "there is no zone hal (did you mean hall?)"),
        (("[hall]", "[hull]"), "there is no zone hull"),
        (("at: 1s", "at: 1"), "not a duration"),
        (("smoke: true", "smoke: 3.5"), "`smoke` is a flag"),
        (("smoke: true", "smok: true"), "there is no quantity `smok`"),
        (("device: smoke-1", "device: smoke-2"), "there is no device smoke-2 (did you mean smoke-1?)"),
        (("reading:", "reeding:"), "unknown field (did you mean reading?)"),
        (("timeline:", "until: 9000d\ntimeline:"), "is longer than a year"),
        (("timeline:", "expect: [push it]\ntimeline:"), "`push` is no moment"),
        (("timeline:", "expect: [1s soon]\ntimeline:"), "`soon` can never come"),
        (("timeline:", "explain: [{rule: smoke, subject: hall, at: 1s}]\ntimeline:"), "there is no rule smoke"),
        (("timeline:", "explain: [{rule: smoke-alarm, subject: smoke-1, at: 1s}]\ntimeline:"), "nothing is asked"),
        (("timeline:", "series: [{device: heat-1, every: 0s, values: {heat: true}}]\ntimeline:"), "no time lies"),
        (("timeline:", "tests: [{name: a}, {name: a}]\ntimeline:"), "the test a stands twice"),
        (("timeline:", "tests: [{name: a}]\ntimeline:"), "`timeline` stands beside `tests`"),
        (("timeline:", "incidents: [{rules: [smoke]}]\ntimeline:"), "there is no rule smoke"),
        (("timeline:", "sla: 1-2\ntimeline:"), "not a preset"),
    ],
)
def test_each_mistake_is_told_with_its_place_and_remedy(change: tuple[str, str], words: str) -> None:
    text = HALL + steps(SMOKE)
    found = [m for m in mistakes(text.replace(*change, 1)) if words in m]
    assert len(found) == 1
    assert found[0].count(":") > 3
    assert found[0].endswith(")")


def test_all_mistakes_at_once() -> None:
    timeline: list[dict[str, Any]] = [{"at": "2s"}, {"at": "1s"}, {**SMOKE, "at": "3s", "restart": True}]
    text = (HALL + steps(*timeline)).replace("zone: flat", "zone: attic")
    assert [m.partition(": ")[2].partition(" (")[0] for m in mistakes(text)] == [
        "devices.heat-1.zone: there is no zone attic",
        "timeline[1].at: comes after a later moment",
        "timeline[2].restart: `reading` and `restart` at once",
    ]


def test_nothing_is_heard_while_the_daemon_is_away() -> None:
    away = {"at": "10m", "restart": "9m"}
    told(steps({**SMOKE, "at": "1m"}, away, {**SMOKE, "at": "10m"}))
    (wrong,) = mistakes(HALL + steps({**SMOKE, "at": "1m1s"}, away))
    assert "timeline[1].restart: something happens while it is away" in wrong


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "latin.test.yaml").write_bytes("é".encode("latin-1"))
    for name, words in {"missing.test.yaml": "cannot be read", "latin.test.yaml": "is not UTF-8"}.items():
        with pytest.raises(Mistakes, match=words):
            load(tmp_path / name)
    assert "nothing happens in this file" in mistakes(HALL)[0]
    assert any("there are no zones" in m for m in mistakes("books: book.yaml"))
    assert any("no rules are tested" in m for m in mistakes("zones: {a: lobby}"))


def test_junit_tells_each_test_and_why_it_failed() -> None:
    good, bad = told(steps({**SMOKE, "expect": ALL})), told(steps(SMOKE))
    suite = ET.fromstring(junit([good, bad]))[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("hall.test.yaml", "2", "1")
    passed, failed = suite
    assert len(passed) == 0
    assert "+ 1s push 1/dispatch-1/hook" in str(failed[0].text)


# --- the compact notation ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("24", [24]),
        ("24x3", [24, 24, 24, 24]),
        ("24+0.5x2", [24, 24.5, 25]),
        ("10-5x3 0", [10, 5, 0, -5, 0]),
        ("-5+1x1", [-5, -4]),
        ("1 _ 2 _x2", [1, None, 2, None, None]),
        ("false truex1", [False, True, True]),
        ('"van"x1 "a b"', ["van", "van", "a b"]),
        ("0+0.1x3", [0, 0.1, 0.2, 0.3]),
    ],
)
def test_what_a_series_means(text: str, meant: list[Value | None]) -> None:
    assert samples(text) == meant


@pytest.mark.parametrize("text", ["", "  ", "van", "24+5", "24x", "x3", '"open', "1,2", f"1x{LONGEST}", "24+0.5x-1"])
def test_what_is_no_series(text: str) -> None:
    with pytest.raises(ValueError, match="; "):
        samples(text)


@pytest.mark.parametrize("text", ["1x99999999", f"1x{LONGEST - 1} 1"])
def test_a_series_that_is_too_long_says_so(text: str) -> None:
    with pytest.raises(ValueError, match=f"more than {LONGEST} samples; send less often"):
        samples(text)


@given(
    st.lists(
        st.tuples(st.integers(-1000, 1000), st.integers(-50, 50), st.integers(1, 30), st.integers(0, 3)),
        min_size=1,
        max_size=8,
    )
)
def test_every_series_is_what_was_written(parts: list[tuple[int, int, int, int]]) -> None:
    text = " ".join(f"{first}{step:+d}x{times} {'_x' + str(gap) if gap else ''}" for first, step, times, gap in parts)
    meant: list[Value | None] = []
    for first, step, times, gap in parts:
        meant += [float(first + n * step) for n in range(times + 1)] + [None] * gap
    assert samples(text) == meant


# --- the document -----------------------------------------------------------------------------------------------------


def test_the_example_of_the_document_passes(tmp_path: Path) -> None:
    document = (Path(__file__).parents[2] / "docs" / "rules-as-code.md").read_text("utf-8")
    example = document.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "garage.yaml").write_text(
        "version: 1\nrules:\n"
        "  - {id: garage-hot-spot, kind: FIRE, devices: [thermal_camera], when: thermal_max > 150, for: 4s,"
        " title: {zh: 高温, en: Hot}}\n",
        "utf-8",
    )
    stories = read_stories(example, "garage.test.yaml", tmp_path)
    assert [(story.name, examine(story).passed) for story in stories] == [
        ("a battery burns", True),
        ("a warm engine is nothing", True),
    ]


def test_the_document_names_every_field() -> None:
    document = (Path(__file__).parents[2] / "docs" / "rules-as-code.md").read_text("utf-8")
    for model in (FileWords, StoryWords, IncidentWords):
        for name in model.model_fields.keys() - {"about"}:
            assert f"`{name}`" in document or f"`{name}:" in document, name
