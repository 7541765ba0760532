"""Short messages and voices: what they say first, how long they are, and that an exercise says so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.brevity import CHARACTERS, blanks, fitting, short, spoken
from monitor.digest import digest
from rules.model import Kind
from tests.monitor.test_wording import ATTACKS, a_push


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "火警：3号楼2层充电库 感烟报警，请立即前往处置"),
        ({"incident": {"suspected": True}}, "疑似火警：3号楼2层充电库 感烟报警，请到现场核实"),
        ({"type": "incident.call"}, "火警：3号楼2层充电库 感烟报警，尚无人接警，请立即接警"),
        ({"type": "incident.overdue", "goal": "on_scene"}, "火警：3号楼2层充电库 感烟报警，到场已超时"),
        ({"type": "incident.warning", "goal": "on_scene"}, "火警：3号楼2层充电库 感烟报警，到场即将超时"),
        ({"type": "incident.update", "news": "resolved"}, "火警已处置：3号楼2层充电库 感烟报警"),
        (
            {"type": "incident.update", "news": "acknowledged", "by": "值班员乙"},
            "火警已接警：3号楼2层充电库 感烟报警（值班员乙）",
        ),
        (
            {
                "type": "incident.update",
                "news": "linkage-failed",
                "advice": {"zh": "切断电源未得到确认：充电桩1。请到现场操作。"},
            },
            "火警联动未确认：3号楼2层充电库 感烟报警，切断电源未得到确认：充电桩1。请到现场操作",
        ),
        ({"incident": {"exercise": "d"}}, "【演习】火警：3号楼2层充电库 感烟报警，请立即前往处置"),
    ],
)
def test_a_short_message(changes: dict[str, Any], words: str) -> None:
    assert short(a_push(**changes)) == words


@given(st.text(max_size=200), st.sampled_from(list(Kind)), st.sampled_from(["dispatch", "call", "reinforce", "update"]))
def test_a_short_message_keeps_its_length_its_kind_and_what_is_asked(name: str, kind: Kind, sort: str) -> None:
    push = a_push(kind, type=f"incident.{sort}", incident={"title": {"zh": name, "en": name}, "exercise": "d"})
    words = short(push)
    assert len(words) <= CHARACTERS
    assert words.startswith("【演习】")
    if sort != "update":
        assert words.endswith(("处置", "接警", "增援"))


def test_a_voice_says_what_where_and_what_to_do() -> None:
    assert spoken(a_push()) == "火警。3号楼2层充电库。感烟报警。请立即前往处置。"
    assert spoken(a_push(), english=True) == ("Fire. Building 3, 2F charging garage. smoke alarm. go there now.")
    assert spoken(a_push(incident={"exercise": "d"})) == "这是演习。火警。3号楼2层充电库。感烟报警。请立即前往处置。"
    assert spoken(a_push(type="incident.update", news="resolved")).startswith("火警已处置。")


@pytest.mark.parametrize("name", ATTACKS)
def test_a_voice_is_given_no_signs_to_spell(name: str) -> None:
    words = spoken(a_push(incident={"title": {"zh": name, "en": name}, "zone_name": {"zh": name, "en": name}}))
    assert not set(words) & set("[]<>`*#~|\\!@【】()/_=\"'&")
    assert all(sign.isprintable() for sign in words)
    assert words.startswith("火警。")


def test_a_place_that_the_title_names_is_said_once() -> None:
    push = a_push(incident={"title": {"zh": "3号楼2层充电库冒烟", "en": "smoke"}})
    assert short(push) == "火警：3号楼2层充电库冒烟，请立即前往处置"


def test_what_a_template_may_ask_for() -> None:
    filled = blanks(a_push(incident={"exercise": "d"}), voice=False, link="https://board.example/a")
    assert filled == {
        "text": "【演习】火警：3号楼2层充电库 感烟报警，请立即前往处置",
        "title": "这是演习，感烟报警",
        "place": "3号楼2层充电库",
        "kind": "火警",
        "asked": "请立即前往处置",
        "address": "",
        "callback": "",
        "incident": "inc-000007",
        "key": "inc-000007/dispatch-1/duty",
        "link": "https://board.example/a",
    }
    assert blanks(a_push(), voice=True, english=True)["text"].startswith("Fire. ")
    both = digest([a_push(Kind.FAULT), a_push(Kind.FAULT)])
    assert blanks(both, voice=False)["title"] == "感烟报警等2条"
    assert blanks(both, voice=True, english=True)["title"] == "smoke alarm and 1 more"


def test_a_hand_over_says_where_in_the_town_it_is_and_whom_to_call_back() -> None:
    push = a_push(
        type="incident.handover", address={"zh": "北门路1号", "en": "1 North Gate Road"}, callback="13800000000"
    )
    assert spoken(push) == "火警。北门路1号。3号楼2层充电库。感烟报警。请派员处置。回拨电话 13800000000。"
    assert "1 North Gate Road. " in spoken(push, english=True)
    assert spoken(push, english=True).endswith("Call back 13800000000.")
    filled = blanks(push, voice=False)
    assert (filled["address"], filled["callback"]) == ("北门路1号", "13800000000")


def test_fitting() -> None:
    assert [fitting("abc", n) for n in (3, 2, 1, 0, -1)] == ["abc", "a…", "…", "", ""]
