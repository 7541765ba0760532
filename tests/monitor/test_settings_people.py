"""People, rosters, ladders and deadlines of a site file: what they mean to the response, and every mistake at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.settings import Settings, describe, load
from monitor.settings.people import read_days, read_hours
from monitor.settings.site_places import load_places
from rules.document import Mistakes
from rules.model import DAY, HOUR, MINUTE, SECOND, Kind, Micros, SlaProfile, Swap, Text
from rules.people import CHINA, LADDERS, MISSED, FloodLimits, Ladder, Plan, Role, Rung, Shift, Target

MONDAY: Micros = 4 * DAY - CHINA
"""1970-01-05, 00:00 in China."""
SITE = """
api: {token: an-api-token-nobody-knows}
channels:
  phone: {kind: webhook, url: "http://127.0.0.1:1/"}
  group: {kind: dingtalk, token: t}
  above: {kind: webhook, url: "http://127.0.0.1:2/"}
people:
  - {id: day, name: {zh: 白班值班员, en: Day officer}, role: responder, channels: [phone, group], mobile: {env: MOBILE}}
  - {id: night, name: 夜班值班员, role: responder, channels: [group, phone], mobile: "13800000000"}
  - {id: desk, name: 调度员, role: dispatcher, channels: [phone]}
  - {id: leader, name: 值班站长, role: leader, channels: [phone], quiet: "22:00-07:00", email: leader@lake.example}
  - {id: relative, name: 家属, role: family, channels: [phone], zones: [lake/f2]}
  - {id: grid, name: 网格员, role: grid_worker, channels: [group], zones: ["lake/f*"]}
sites:
  - id: lake
    name: 湖畔
    zones:
      - {id: garage, name: 车库, kind: garage}
      - {id: "f{1..2}", name: "{n}层", kind: corridor}
stations:
  - id: gate
    name: 南门
    zones: ["*"]
    recipients: [group]
    people: [leader]
    shifts:
      - {name: day, hours: "08:00-20:00", people: [day, desk]}
      - {name: night, hours: "20:00-08:00", days: mon-fri, people: [night]}
    neighbours: [west]
  - {id: west, name: 西门, zones: [lake/garage], recipients: [group]}
  - {id: "119", name: 消防救援局, zones: ["*"], recipients: [above], authority: true}
ladders:
  PREALARM: {rungs: [{after: 0s, call: [duty]}, {after: 20s, call: [duty, leader]}], repeat: [leader], every: 2m, times: 3}
  SUPERVISORY: {rungs: [{after: 5m, call: [station]}]}
sla:
  FIRE: {dispatch: 1m, on_scene: 4m, resolve: 15m, missed: {dispatch: [duty, neighbour], resolve: []}}
  SUPERVISORY: 2-10-60
  warn: 60%
flood: {begins: 20, window: 5m}
"""


def settings(folder: Path, text: str = SITE) -> Settings:
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    return load(folder / "site.yaml", {"MOBILE": "13800000000"})


def planned(folder: Path, text: str = SITE) -> Plan:
    plan = settings(folder, text).neighbourhood().plan
    assert plan is not None
    return plan


def line_of(words: str) -> str:
    """The one line of the site file that holds these words."""
    (line,) = (line for line in SITE.splitlines(keepends=True) if words in line)
    return line


def on_duty(plan: Plan, day: int, hour: float, *swaps: Swap) -> list[str]:
    return [person.key for person in plan.on_duty("gate", MONDAY + day * DAY + int(hour * HOUR), swaps)]


# --- what it means ----------------------------------------------------------------------------------------------------


def test_people_as_the_response_knows_them(tmp_path: Path) -> None:
    people = planned(tmp_path).people
    assert list(people) == ["day", "night", "desk", "leader", "relative", "grid"]
    assert (people["day"].name, people["day"].role) == (Text("白班值班员", "Day officer"), Role.RESPONDER)
    assert people["night"].channels == ("group", "phone"), "in order of preference"
    assert people["leader"].quiet == (22 * 60, 7 * 60)
    assert people["relative"].zones == {"lake/f2"}
    assert people["grid"].zones == {"lake/f1", "lake/f2"}


def test_who_is_on_duty(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert plan.rosters["gate"].shifts[1] == Shift("night", ("night",), 20 * 60, 8 * 60, frozenset(range(5)))
    assert on_duty(plan, 0, 8) == ["day", "desk", "leader"]
    assert on_duty(plan, 0, 20) == ["night", "leader"], "who stands in no shift is always there"
    assert on_duty(plan, 0, 7.9) == ["leader"], "Sunday has no night shift"
    assert on_duty(plan, 5, 7.9) == ["night", "leader"], "Friday's ends on Saturday"
    assert on_duty(plan, 5, 20) == ["leader"]
    swap = Swap(0, "gate", "night", "day", MONDAY, MONDAY + DAY, "desk")
    assert on_duty(plan, 0, 21, swap) == ["day", "leader"]


def test_neighbours_and_those_above(tmp_path: Path) -> None:
    n = settings(tmp_path).neighbourhood()
    assert n.plan is not None
    assert n.plan.neighbours == {"gate": ("west",)}
    assert [s.key for s in n.stations] == ["gate", "west"], "those above are never sent"
    (above,) = n.plan.authorities
    assert (above.key, above.zones) == ("119", frozenset({"lake/garage", "lake/f1", "lake/f2"}))
    assert n.plan.channels == {"phone": "webhook", "group": "dingtalk", "above": "webhook"}


def test_ladders_deadlines_and_floods(tmp_path: Path) -> None:
    s = settings(tmp_path)
    plan, duty, leader = s.plan, Target.DUTY, Target.LEADER
    assert plan.ladders[Kind.FIRE] is LADDERS[Kind.FIRE], "what is not written stays"
    assert plan.ladders[Kind.PREALARM] == Ladder(
        (Rung(0, (duty,)), Rung(20 * SECOND, (duty, leader))), (leader,), 2 * MINUTE, 3
    )
    assert plan.ladders[Kind.SUPERVISORY].rung(1) is None, "nobody is repeated where nobody is named"
    assert s.neighbourhood().sla[Kind.FIRE] == SlaProfile(MINUTE, 4 * MINUTE, 15 * MINUTE)
    assert s.neighbourhood().sla[Kind.SUPERVISORY] == SlaProfile(2 * MINUTE, 10 * MINUTE, HOUR)
    assert plan.whom(Kind.FIRE, "dispatch") == (duty, Target.NEIGHBOUR)
    assert plan.whom(Kind.FIRE, "on_scene") == MISSED["on_scene"]
    assert plan.whom(Kind.FIRE, "resolve") == ()
    assert plan.warn == 0.6
    assert plan.flood == FloodLimits(20, 5, 5 * MINUTE, MINUTE)


def test_a_file_without_people_is_as_it_was(tmp_path: Path) -> None:
    data = yaml.safe_load(SITE)
    del data["people"], data["ladders"], data["sla"], data["flood"]
    data["stations"] = [{"id": "gate", "name": "南门", "zones": ["*"], "recipients": ["group"]}]
    s = settings(tmp_path, yaml.safe_dump(data, allow_unicode=True))
    assert s.neighbourhood().plan is None, "a station's own channels are all"
    assert s.plan == Plan(channels={"phone": "webhook", "group": "dingtalk", "above": "webhook"})


def test_a_station_may_be_people_alone(tmp_path: Path) -> None:
    (station, *_) = settings(
        tmp_path, SITE.replace("    recipients: [group]\n    people", "    people")
    ).ground.stations
    assert station.recipients == ()


def test_the_places_alone_know_the_plan_and_no_address(tmp_path: Path) -> None:
    s = settings(tmp_path, SITE.replace("{env: MOBILE}", '"13800000000"'))
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")  # the variable is not asked for
    n = load_places(tmp_path / "site.yaml").neighbourhood()
    assert n.plan == s.plan
    assert n.sla == s.neighbourhood().sla


def test_addresses_are_secrets(tmp_path: Path) -> None:
    s = settings(tmp_path)
    contact = s.contacts["day"]
    assert contact.mobile is not None
    assert contact.mobile.get_secret_value() == "13800000000"
    assert s.contacts["desk"].mobile is None
    assert {"people[1].mobile", "people[3].email"} <= set(s.plain_secrets)
    assert "people[0].mobile" not in s.plain_secrets
    everything = repr(s) + repr(s.contacts) + repr(s.plan) + repr(describe(s)) + s.model_dump_json()
    assert "13800000000" not in everything
    assert "leader@" not in everything
    assert dict(describe(s))["people"] == "6, 1 stations with a roster"


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("08:00-20:00", (480, 1200)),
        ("22:00 - 07:30", (1320, 450)),
        ("00:00-24:00", (0, 0)),
        ("09:05-09:05", (545, 545)),
    ],
)
def test_hours(text: str, hours: tuple[int, int]) -> None:
    assert read_hours(text) == hours


@pytest.mark.parametrize("text", ["8-20", "24:00-08:00", "08:60-09:00", "08:00", "08:00-25:00", 1320, None, ""])
def test_what_are_no_hours(text: Any) -> None:
    with pytest.raises(ValueError, match=r"not hours of a day; write"):
        read_hours(text)


@pytest.mark.parametrize(
    ("said", "days"),
    [
        ("mon-sun", set(range(7))),
        ("sat", {5}),
        ("fri-mon", {4, 5, 6, 0}),
        (["mon", "wed-fri"], {0, 2, 3, 4}),
        ("tue-tue", {1}),
    ],
)
def test_days(said: Any, days: set[int]) -> None:
    assert read_days(said) == days


@pytest.mark.parametrize("said", ["monday", "mon-", "-fri", "mon,tue", [], [1], 3, None])
def test_what_are_no_days(said: Any) -> None:
    with pytest.raises(ValueError, match=r"day.*; write"):
        read_days(said)


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("[phone, group], mobile", "[phone, grup], mobile", "people[0].channels[1]", "no channel grup (did you mean group?"),
        ("[phone, group], mobile", "[phone, phone], mobile", "people[0].channels[1]", "channel phone stands twice"),
        ("[phone, group], mobile", "[], mobile", "people[0].channels", "is empty (name at least 1)"),
        ("role: dispatcher", "role: dispacher", "people[2].role", "is none of the words allowed"),
        ("id: night, name", "id: day, name", "people[1].id", "the person day stands twice"),
        ('mobile: "13800000000"', 'mobile: "138 0000"', "people[1].mobile", "not a mobile number"),
        ("leader@lake.example", "leader", "people[3].email", "not an e-mail address"),
        ('quiet: "22:00-07:00"', "quiet: nights", "people[3].quiet", "not hours of a day"),
        ("[lake/f2]", "[lake/f3]", "people[4].zones[0]", "there is no zone lake/f3"),
        (", zones: [lake/f2]", "", "people[4]", "relative is called for no zone"),
        ("channels: [phone]}\n", "channels: [phone], zones: [lake/f1]}\n", "people[2].zones", "called by the station"),
        ("[day, desk]", "[day]", "people[2]", "desk belongs to no station"),
        ("[day, desk]", "[day, desks]", "stations[0].shifts[0].people[1]", "there is nobody called desks (did you mean desk?"),
        ("[day, desk]", "[day, desk, grid]", "stations[0].shifts[0].people[2]", "grid is grid_worker"),
        ("people: [night]", "people: []", "stations[0].shifts[1].people", "is empty"),
        ("people: [leader]", "people: [leader, leader]", "stations[0].people[1]", "the person leader stands twice"),
        ("mon-fri", "mon-fry", "stations[0].shifts[1].days", "not days of the week"),
        ("[west]", "[wets]", "stations[0].neighbours[0]", "there is no station wets (did you mean west?)"),
        ("[west]", "[gate]", "stations[0].neighbours[0]", "its own neighbour"),
        ("[west]", '["119"]', "stations[0].neighbours[0]", "119 is an authority"),
        ("recipients: [above], authority", "recipients: [above], neighbours: [west], authority", "stations[2]", "neighbours of its own"),
        ("recipients: [above], authority", "people: [day], authority", "stations[2]", "people or neighbours of its own"),
        ("recipients: [above], authority", "authority", "stations[2]", "the authority 119 cannot be called"),
        ("[west]", "[west, west]", "stations[0].neighbours[1]", "the station west stands twice"),
        ("after: 20s", "after: 0s", "ladders.PREALARM", "the rungs do not follow each other"),
        ("call: [station]", "call: [everybody]", "ladders.SUPERVISORY.rungs[0].call[0]", "is none of the words allowed"),
        ("call: [station]", "call: []", "ladders.SUPERVISORY.rungs[0].call", "is empty"),
        ("times: 3", "times: 0", "ladders.PREALARM.times", "is too small"),
        ("SUPERVISORY: {rungs", "FIRE: {rungs", "ladders", "a FIRE calls nobody for more than 15 s"),
        ("warn: 60%", "warn: 0.6", "sla.warn", "not a part of a deadline"),
        ("warn: 60%", "warn: 100%", "sla.warn", "not a part of a deadline"),
        ("warn: 60%", "warn: 0%", "sla.warn", "not a part of a deadline"),
        ("resolve: []", "resolved: []", "sla.FIRE.missed.resolved", "is none of the words allowed"),
        ("[duty, neighbour]", "[dutty]", "sla.FIRE.missed.dispatch[0]", "is none of the words allowed"),
        ("begins: 20", "begins: 4", "flood", "a flood would end before it begins"),
        ('"*"], recipients: [above], authority', "lake/f9], recipients: [above], authority", "stations[2].zones[0]", "no zone lake/f9"),
    ],
)  # fmt: skip
def test_a_mistake(tmp_path: Path, old: str, new: str, field: str, message: str) -> None:
    assert SITE.count(old) >= 1, old
    with pytest.raises(Mistakes) as caught:
        settings(tmp_path, SITE.replace(old, new, 1))
    found = [str(m).partition("site.yaml:")[2] for m in caught.value.mistakes]
    assert any(f": {field}: " in line and message in line for line in found), found
    assert all(m.remedy for m in caught.value.mistakes)


def test_hours_at_which_a_fire_would_reach_nobody_are_a_mistake(tmp_path: Path) -> None:
    """Certainly broken, so the daemon does not start; a site that is merely weak does, and the doctor tells."""
    without = ("    recipients: [group]\n    people: [leader]\n", "    neighbours: [west]\n", line_of("id: leader"))
    text = SITE
    for words in without:
        text = text.replace(words, "")
    assert settings(tmp_path, text).plan.authorities, "those above hear of it, though late"
    alone = text.replace(line_of('id: "119"'), "")
    with pytest.raises(Mistakes) as caught:
        settings(tmp_path, alone)
    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.field) == (alone[: alone.index("- id: gate")].count("\n") + 1, "stations[0]")
    assert mistake.message == "a fire in lake/f1, lake/f2 reaches nobody Sat-Sun 20:00-08:00"
    assert mistake.remedy == "name a channel under recipients: that hears of FIRE, or fill the hours with shifts:"


SMS = """
  text: {kind: sms, gateway: {kind: generic, url: "http://127.0.0.1:3/", body: {to: "{mobile}"}}}
  mail: {kind: email, host: mail.example, security: none, sender: watch@lake.example}
"""


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("her, channels: [phone]", "her, channels: [phone, text]", "people[2].channels[1]", "desk has no mobile, which text needs"),
        ("her, channels: [phone]", "her, channels: [mail]", "people[2].channels[0]", "desk has no email, which mail needs"),
        ("recipients: [group]}", "recipients: [text]}", "stations[1].recipients[0]", "text speaks to one person at a time"),
        ("recipients: [group]}", "recipients: [group, mail]}", "stations[1].recipients[1]", "mail speaks to one person"),
        ("recipients: [above]", "recipients: [text]", "stations[2].recipients[0]", "text speaks to one person at a time"),
    ],
)  # fmt: skip
def test_ways_that_lead_to_nobody(tmp_path: Path, old: str, new: str, field: str, message: str) -> None:
    good = SITE.replace("people:\n", SMS + "people:\n", 1).replace(
        "leader, channels: [phone]", "leader, channels: [mail]"
    )
    settings(tmp_path, good.replace("[phone, group], mobile", "[text, group], mobile"))
    with pytest.raises(Mistakes) as caught:
        settings(tmp_path, good.replace(old, new, 1))
    (mistake,) = caught.value.mistakes
    assert (mistake.field, message in mistake.message, bool(mistake.remedy)) == (field, True, True), mistake


def test_a_duty_telephone_hears_for_a_station(tmp_path: Path) -> None:
    text = SITE.replace("people:\n", SMS + "people:\n", 1).replace("[group]}", "[text, mail]}")
    text = text.replace("{kind: sms,", '{kind: sms, mobile: "13800000000",')
    text = text.replace("{kind: email,", "{kind: email, recipients: [watch@lake.example],")
    assert [r.channel for r in settings(tmp_path, text).ground.stations[1].recipients] == ["text", "mail"]


def test_one_mistake_is_told_once_and_at_its_place(tmp_path: Path) -> None:
    text = SITE.replace("[day, desk]", "[day, desks]").replace("api: {token", "api: {tokn")
    line = text[: text.index("[day, desks]")].count("\n") + 1
    with pytest.raises(Mistakes) as caught:
        settings(tmp_path, text)
    found = [str(m).partition("site.yaml:")[2] for m in caught.value.mistakes if "desks" in str(m)]
    column = text.splitlines()[line - 1].index("desks") + 1
    remedy = "did you mean desk?; see people:"
    assert found == [f"{line}:{column}: stations[0].shifts[0].people[1]: there is nobody called desks ({remedy})"]


def test_whom_a_faulty_section_names_is_not_missed(tmp_path: Path) -> None:
    """One person cannot be read: that others name this person is no further mistake."""
    with pytest.raises(Mistakes) as caught:
        settings(tmp_path, SITE.replace("{id: desk, name", "{idd: desk, name"))
    assert sorted(m.field for m in caught.value.mistakes) == ["people[2].id", "people[2].idd"]
