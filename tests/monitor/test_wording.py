"""What people and programs are told: the first line, limits in bytes, and names that try to be Markdown."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.brevity import short
from monitor.digest import digest
from monitor.plain_words import cut, disarm
from monitor.wording import asks, envelope, markdown, pages, text, title
from rules.model import Kind, Push

AT = 1_795_305_600_250_000  # 2026-11-22T00:00:00.250Z
QUANTITIES = {"smoke_density": ("烟雾浓度", "smoke density", "dB/m"), "tamper": ("防拆", "tamper", "")}


def a_push(kind: Kind = Kind.FIRE, /, **changes: Any) -> Push:
    incident: dict[str, object] = {
        "id": "inc-000007",
        "site": "home",
        "zone": "home/garage",
        "zone_name": {"zh": "3号楼2层充电库", "en": "Building 3, 2F charging garage"},
        "building": "3号楼",
        "kind": kind.value,
        "state": "dispatched",
        "condition": "active",
        "title": {"zh": "感烟报警", "en": "smoke alarm"},
        "suspected": False,
        "raised_at": "2026-11-22T08:00:00.250+08:00",
        "devices": ["home/smoke-1", "home/smoke-2"],
        "last_device": "home/smoke-2",
        "overdue": [],
    }
    body: dict[str, object] = {
        "type": "incident.dispatch",
        "step": "dispatch-1",
        "incident": incident,
        "station": {"key": "mfs07", "name": {"zh": "七号微型消防站", "en": "Station 7"}},
        "advice": {"zh": "带灭火毯到场", "en": "Bring the fire blanket"},
        "reading": {"smoke_density": 0.3149, "tamper": True},
    }
    incident.update(changes.pop("incident", {}))
    body.update(changes)
    return Push(AT, "inc-000007/dispatch-1/duty", "inc-000007", "dispatch-1", "duty", kind, AT + 1, body)


def test_the_first_line_says_what_and_where() -> None:
    lines = text(a_push()).splitlines()
    assert lines[0] == "【火警】3号楼2层充电库 感烟报警"
    assert "[FIRE] Building 3, 2F charging garage smoke alarm" in lines
    assert title(a_push()) == "【火警】3号楼2层充电库 感烟报警 | [FIRE] Building 3, 2F charging garage smoke alarm"


def test_devices_and_buildings_are_told_by_their_names_and_by_key_alone_where_they_have_none() -> None:
    names = {"home/smoke-2": {"zh": "充电库烟感2", "en": "Garage smoke 2"}}
    lines = text(
        a_push(incident={"device_names": names, "building": "b3", "building_name": {"zh": "三号楼", "en": "Block 3"}})
    ).splitlines()
    assert {
        "楼栋：三号楼",
        "Building: Block 3",
        "涉及设备：充电库烟感2、home/smoke-1",
        "Devices: Garage smoke 2, home/smoke-1",
    } <= set(lines)


def test_a_title_that_names_the_place_does_not_say_it_twice() -> None:
    said = a_push(incident={"title": {"zh": "3号楼2层充电库冒烟", "en": "smoke"}})
    assert text(said).splitlines()[0] == "【火警】3号楼2层充电库冒烟"


def test_the_whole_message_in_both_languages() -> None:
    assert text(a_push(), quantities=QUANTITIES) == "\n".join(
        [
            "【火警】3号楼2层充电库 感烟报警",
            "开始时间：2026-11-22 08:00:00 (UTC+08:00)",
            "楼栋：3号楼",
            "涉及设备：home/smoke-2、home/smoke-1",
            "实测：烟雾浓度 0.3149 dB/m；防拆 是",
            "状态：已派单，报警中",
            "处置建议：带灭火毯到场",
            "微型消防站：七号微型消防站",
            "事件编号：inc-000007",
            "",
            "[FIRE] Building 3, 2F charging garage smoke alarm",
            "Since: 2026-11-22 08:00:00 (UTC+08:00)",
            "Building: 3号楼",
            "Devices: home/smoke-2, home/smoke-1",
            "Measured: smoke density 0.3149 dB/m; tamper yes",
            "State: dispatched, active",
            "What to do: Bring the fire blanket",
            "Station: Station 7",
            "Incident: inc-000007",
        ]
    )


@pytest.mark.parametrize(
    ("changes", "zh", "en"),
    [
        (
            {"type": "incident.overdue", "incident": {"overdue": ["dispatch", "on_scene"]}},
            "【火警超时】",
            "[FIRE OVERDUE]",
        ),
        ({"type": "incident.verify"}, "【疑似火警，请核实】", "[SUSPECTED FIRE, VERIFY]"),
        ({"incident": {"suspected": True}}, "【疑似火警，请核实】", "[SUSPECTED FIRE, VERIFY]"),
        ({"type": "incident.update"}, "【火警更新】", "[FIRE UPDATE]"),
        ({"type": "incident.state"}, "【火警状态】", "[FIRE STATE]"),
        ({"type": "incident.closed", "incident": {"disposition": "nuisance"}}, "【火警已结案】", "[FIRE CLOSED]"),
        ({"type": "something.new"}, "【火警】", "[FIRE]"),
        ({"type": "incident.call"}, "【火警，无人接警】", "[FIRE, NOBODY ACKNOWLEDGED]"),
        ({"type": "incident.reinforce"}, "【火警，请增援】", "[FIRE, REINFORCE]"),
        ({"type": "incident.handover"}, "【火警移交】", "[FIRE HAND-OVER]"),
        ({"type": "incident.warning", "goal": "on_scene"}, "【火警即将超时】", "[FIRE DUE SOON]"),
        ({"type": "incident.flood"}, "【火警多处报警】", "[FIRE ALARM FLOOD]"),
        ({"type": "incident.update", "news": "acknowledged"}, "【火警已接警】", "[FIRE ACKNOWLEDGED]"),
        ({"type": "incident.update", "news": "on_scene"}, "【火警已到场】", "[FIRE ON SCENE]"),
        ({"type": "incident.update", "news": "resolved"}, "【火警已处置】", "[FIRE RESOLVED]"),
        ({"type": "incident.update", "news": "closed"}, "【火警已结案】", "[FIRE CLOSED]"),
        ({"type": "incident.update", "news": "something"}, "【火警更新】", "[FIRE UPDATE]"),
        ({"incident": {"exercise": "drill-1"}}, "【演习】【火警】", "[DRILL] [FIRE]"),
        (
            {"type": "incident.update", "news": "exercise-over", "incident": {"exercise": "drill-1"}},
            "【演习】【火警演习结束】",
            "[DRILL] [FIRE EXERCISE OVER]",
        ),
    ],
)
def test_each_type_has_its_label(changes: dict[str, Any], zh: str, en: str) -> None:
    words = text(a_push(**changes))
    assert words.startswith(zh)
    assert f"\n{en} " in words


def test_what_is_overdue_and_how_it_ended() -> None:
    late = text(a_push(type="incident.overdue", incident={"overdue": ["dispatch", "on_scene"]}))
    assert "已超时：派单、到场" in late
    assert "Overdue: dispatch, arrival" in late
    closed = text(a_push(type="incident.closed", incident={"disposition": "nuisance", "state": "closed"}))
    assert "处置结论：误报" in closed
    assert "Disposition: nuisance" in closed


def test_what_is_due_soon_who_moved_and_whom_it_is_for() -> None:
    words = text(a_push(type="incident.warning", goal="on_scene"))
    assert "即将超时：到场" in words
    assert "Due soon: arrival" in words
    words = text(a_push(type="incident.update", news="acknowledged", by="duty-1"))
    assert "操作人：duty-1" in words
    assert "By: duty-1" in words
    words = text(a_push(to={"key": "duty-1", "name": {"zh": "值班员甲", "en": "Duty officer A"}, "role": "dispatcher"}))
    assert "呼叫：值班员甲 (值班员)" in words
    assert "To: Duty officer A (dispatcher)" in words


def test_a_hand_over_says_address_evidence_and_whom_to_call_back() -> None:
    words = text(a_push(type="incident.handover", address="北门路1号", callback="值班室"), quantities=QUANTITIES)
    for line in (
        "地址：北门路1号",
        "楼栋：3号楼",
        "涉及设备：home/smoke-2",
        "实测：烟雾浓度 0.3149",
        "回拨电话：值班室",
    ):
        assert line in words


def test_a_flood_is_told_by_its_zones() -> None:
    zones = [{"key": f"home/z{n}", "zh": f"{n}号区", "en": f"Zone {n}"} for n in range(7)]
    words = text(a_push(type="incident.flood", flood={"alarms": 40, "zones": zones, "more": 3}))
    assert "多处报警：40 起，0号区、1号区、2号区、3号区、4号区 等10处" in words
    assert "Flood: 40 alarms: Zone 0, Zone 1, Zone 2, Zone 3, Zone 4 and 5 more" in words


def test_merged_messages_are_named_by_their_own_headlines() -> None:
    pushes = [
        a_push(Kind.SUPERVISORY, type="incident.update"),
        a_push(Kind.FAULT, type="incident.update", incident={"title": {"zh": "电量低", "en": "battery low"}}),
        a_push(Kind.PREALARM, type="incident.call", incident={"zone_name": {"zh": "大厅", "en": "Hall"}}),
    ]
    both = digest(pushes)
    words = text(both)
    assert words.startswith("【监管等多条】3号楼2层充电库 感烟报警\n")
    assert "另有：【故障更新】3号楼2层充电库 电量低" in words
    assert "另有：【预警，无人接警】大厅 感烟报警" in words
    assert "Also: [PRE-ALARM, NOBODY ACKNOWLEDGED] Hall smoke alarm" in words
    assert short(both) == "监管：3号楼2层充电库 感烟报警，另有2条"
    assert pages(both)
    assert not pages(digest(pushes[:2]))
    assert not asks(both)
    many = digest([pushes[0]] * 30)
    assert text(many).count("另有：") == 21
    assert "另有：9 条" in text(many)
    for odd in ([], [{"kind": "odd"}], [7, 7], [{"body": {}}, {"kind": "FIRE"}]):
        assert text(a_push(type="incident.digest", merged=odd)).startswith("【火警等多条】")


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_label_in_both_languages(kind: Kind) -> None:
    words = title(a_push(kind))
    labels = {Kind.FIRE: "火警", Kind.PREALARM: "预警", Kind.SUPERVISORY: "监管", Kind.FAULT: "故障"}
    assert words.startswith(f"【{labels[kind]}】")


def test_a_building_on_fire_does_not_name_every_device() -> None:
    words = text(a_push(incident={"devices": [f"home/s{n}" for n in range(20)], "last_device": "home/s19"}))
    assert "涉及设备：home/s19、home/s0、home/s1、home/s2、home/s3 等20台" in words
    assert "and 15 more" in words


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "incident.dispatch"},
        {"type": "incident.dispatch", "incident": None, "advice": None, "reading": None, "station": None},
        {"incident": {"raised_at": "yesterday", "devices": None, "title": "smoke", "zone": "home/garage"}},
        {"incident": {"raised_at": AT, "station": "mfs07", "title": {"en": "smoke"}, "overdue": 3}},
        {"incident": [], "advice": 7, "reading": [1], "station": 0},
    ],
)
def test_missing_and_strange_fields_still_make_a_message(body: dict[str, object]) -> None:
    push = replace(a_push(), body=body)
    for words in (text(push), markdown(push), title(push)):
        assert words.startswith(("【火警】", "### 【火警】"))
    assert "事件编号：inc-000007" in text(push)


def test_a_moment_in_microseconds_is_shown_by_chinas_time() -> None:
    assert "开始时间：2026-11-22 08:00:00 (UTC+08:00)" in text(a_push(incident={"raised_at": AT}))


def test_numbers_are_short_and_large_ones_not_bent() -> None:
    words = text(a_push(reading={"a": 0.123456, "b": 123456.0, "c": 24.0, "d": "open"}))
    assert "实测：a 0.1235；b 123456.0；c 24；d open" in words


@given(st.text(max_size=300), st.integers(0, 400))
def test_a_cut_keeps_the_limit_and_whole_characters(words: str, limit: int) -> None:
    short = cut(words, limit)
    raw = short.encode()
    assert len(raw) <= max(limit, 0)
    whole = words.encode("utf-8", "replace").decode()
    if len(whole.encode()) <= limit:
        assert short == whole
    elif limit >= 3:
        assert short.endswith("…")
        assert whole.startswith(short[:-1])


def test_the_limit_leaves_the_chinese_part_whole() -> None:
    push = a_push()
    zh = text(push).partition("\n\n")[0]
    short = text(push, limit=len(zh.encode()) + 40)
    assert short.startswith(zh)
    assert short.endswith("…")


ATTACKS = [
    "[open](https://evil.example/x)",
    "![x](http://evil.example/p.png)",
    '<at user_id="all">everybody</at>',
    "<@all>",
    "<font color=info>ok</font>",
    "**bold** *it* __strong__ _em_ ~~gone~~ `code`",
    "a\n# heading\n> quote\n- list",
    "\u202eevil\u2066 \x00\x1b[31m\u2028next",
    "https://evil.example/phish",
    "|a|b|\n|-|-|",
    "@13800000000",
]


@pytest.mark.parametrize("name", ATTACKS)
def test_names_cannot_be_markdown(name: str) -> None:
    push = a_push(
        incident={"title": {"zh": name, "en": name}, "last_device": name, "zone_name": {"zh": name, "en": name}},
        reading={name: name},
        advice={"zh": name, "en": name},
        station={"key": name},
    )
    calm = markdown(a_push(station={"key": "x"}, reading={"x": "x"})).splitlines()
    hot = markdown(push).splitlines()
    assert len(hot) == len(calm)
    for line in hot:
        inside = line.removeprefix("### ").removeprefix("> ").removesuffix("  ")
        if inside.startswith(("处置建议", "What to do")):
            inside = inside.replace("**", "", 2) if inside.endswith("**") else inside
        assert not set(inside) & set("[]<>`*#~|\\!@"), line
        assert "://" not in inside
        assert "__" not in inside
        assert all(sign.isprintable() for sign in inside), ascii(inside)


@pytest.mark.parametrize("name", ATTACKS)
def test_names_stay_on_their_line_in_plain_text(name: str) -> None:
    push = a_push(incident={"title": {"zh": name, "en": name}, "last_device": name})
    assert len(text(push).splitlines()) == len(text(a_push()).splitlines())


def test_identifiers_stay_fit_for_copying() -> None:
    assert disarm("home/smoke_b3_01") == "home/smoke_b3_01"
    assert disarm("_em_ a__b") == "＿em＿ a＿b"


def test_only_what_needs_somebody_mentions_people() -> None:
    answers = {kind: pages(a_push(type=f"incident.{kind}")) for kind in ("dispatch", "overdue", "verify")}
    assert answers == {"dispatch": True, "overdue": True, "verify": True}
    assert all(pages(a_push(type=f"incident.{kind}")) for kind in ("call", "reinforce", "handover", "warning", "flood"))
    assert not any(pages(a_push(type=f"incident.{kind}")) for kind in ("update", "state", "closed"))


def test_a_button_is_for_calls_that_nobody_has_answered() -> None:
    calls = ("dispatch", "call", "reinforce", "verify", "warning", "overdue", "flood")
    assert all(asks(a_push(type=f"incident.{kind}")) for kind in calls)
    assert not any(asks(a_push(type=f"incident.{kind}", incident={"state": "acknowledged"})) for kind in calls)
    assert not any(asks(a_push(type=f"incident.{kind}")) for kind in ("update", "state", "closed", "handover"))


def test_the_envelope_for_programs() -> None:
    push = a_push()
    sent = envelope(push)
    assert list(sent) == ["type", "timestamp", "key", "data"]
    assert sent["type"] == "incident.dispatch"
    assert sent["timestamp"] == "2026-11-22T08:00:00.250+08:00"
    assert sent["key"] == push.key
    assert sent["data"] == {name: value for name, value in push.body.items() if name != "type"}
    assert json.loads(json.dumps(sent)) == sent
