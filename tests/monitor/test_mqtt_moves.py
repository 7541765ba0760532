"""People who answer over MQTT: what is a move, what is refused and why, and that a recovery comes to the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decoders import Undecodable
from monitor.decoders.moves import is_move, move
from monitor.lookout import Lookout, Sight
from monitor.ports import EVALUATED, Message, Verdict
from monitor.tape import message_of, message_row
from rules.model import MINUTE, SECOND, Disposition, Entry, IncidentState, Move, Step, Verb
from tests.monitor.test_lookout import lookout, reasons, steps, up
from tests.rules.small_block import T0

TOPIC = "wl/b/incidents/inc-000001/move"
ACK = {"verb": "acknowledge", "by": "值班员"}


def said(
    payload: object, at: float = 10, *, topic: str = TOPIC, retain: bool = False, dup: bool = False, mid: int = 9
) -> Message:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(T0 + round(at * SECOND), topic, raw, 1, retain, dup, 1 << 16 | mid)


def burning() -> Lookout:
    it = lookout()
    it.see(up(smoke=True))
    return it


def state(it: Lookout) -> IncidentState:
    return it.engine.open_incidents[0].state


def test_who_takes_it_on_over_mqtt_stands_in_the_timeline() -> None:
    it = burning()
    sight = it.see(said({**ACK, "note": "去看看"}))
    assert (sight.verdict, sight.device, sight.quarantined) == (Verdict.MOVE, "", [])
    assert state(it) is IncidentState.ACKNOWLEDGED
    entry = next(e for e in sight.effects if isinstance(e, Entry) and e.step is Step.ACKNOWLEDGED)
    assert (entry.at, entry.detail["by"], entry.detail["note"]) == (T0 + 10 * SECOND, "值班员", "去看看")


def test_every_verb_goes_the_whole_way() -> None:
    it = burning()
    for verb, more in (
        ("acknowledge", {}), ("on-scene", {}), ("note", {"note": "水带已到"}), ("resolve", {}), ("reset", {}),
        ("close", {"disposition": "nuisance"}),
    ):  # fmt: skip
        it.see(up(11, smoke=False))
        sight = it.see(said({"verb": verb, "by": "li", **more}, 12))
        assert (sight.verdict, reasons(sight)) == (Verdict.MOVE, []), verb
    assert it.engine.open_incidents == []


def test_one_that_waited_in_the_broker_for_an_hour_is_a_move_still() -> None:
    it = burning()
    assert it.see(said(ACK, 3600)).verdict is Verdict.MOVE
    assert state(it) is IncidentState.ACKNOWLEDGED


def test_a_retained_one_is_none() -> None:
    it = burning()
    sight = it.see(said(ACK, retain=True))
    assert (sight.verdict, reasons(sight)) == (Verdict.REJECTED, ["move"])
    assert "without retain" in sight.quarantined[0].detail
    assert state(it) is not IncidentState.ACKNOWLEDGED


def test_the_end_of_a_retained_one_is_nothing() -> None:
    assert burning().see(said(b"", retain=True)) == Sight(Verdict.RETAINED)


def test_the_brokers_own_repetition_is_no_second_move() -> None:
    it = burning()
    note = {"verb": "note", "by": "li", "note": "x"}
    assert it.see(said(note)).verdict is Verdict.MOVE
    assert it.see(said(note, 11, dup=True)).verdict is Verdict.DUPLICATE
    assert it.see(said(note, 12, mid=10)).verdict is Verdict.MOVE


def test_what_the_incident_does_not_allow_is_refused_with_the_reason() -> None:
    it = burning()
    sight = it.see(said({"verb": "close", "by": "li", "disposition": "test"}))
    assert (sight.verdict, reasons(sight)) == (Verdict.MOVE, ["move-refused"])
    assert steps(sight) == []


@pytest.mark.parametrize("topic", ["wl/c/incidents/inc-000001/move", "wl/b/incidents/inc-000002/move"])
def test_a_site_answers_its_own_open_incidents_only(topic: str) -> None:
    it = burning()
    before = it.engine.snapshot()
    sight = it.see(said(ACK, topic=topic))
    assert (sight.verdict, reasons(sight)) == (Verdict.REJECTED, ["move"])
    assert it.engine.snapshot() == before


@pytest.mark.parametrize(
    ("payload", "reason", "names"),
    [
        (b"acknowledge", "not-json", "not JSON"),
        (["acknowledge"], "not-json", "object"),
        ({}, "move", "verb"),
        ({"verb": "ack", "by": "li"}, "move", "acknowledge, on-scene"),
        ({"verb": ["note"], "by": "li"}, "move", "verb"),
        ({"verb": "acknowledge"}, "move", "by"),
        ({"verb": "acknowledge", "by": "  "}, "move", "who"),
        ({"verb": "acknowledge", "by": 7}, "move", "by"),
        ({"verb": "acknowledge", "by": "a\nb"}, "move", "by"),
        ({"verb": "acknowledge", "by": "x" * 101}, "move", "by"),
        ({"verb": "note", "by": "li", "note": "x" * 2001}, "move", "note"),
        ({"verb": "note", "by": "li", "note": None}, "move", "note"),
        ({"verb": "close", "by": "li", "disposition": "fun"}, "move", "disposition"),
        ({"verb": "acknowledge", "by": "li", "force": True}, "move", "force"),
        (b"x" * 70_000, "too-large", "at most"),
        (b"", "empty", "empty"),
    ],
)
def test_what_cannot_be_read_does_nothing_and_says_why(payload: Any, reason: str, names: str) -> None:
    it = burning()
    before = it.engine.snapshot()
    sight = it.see(said(payload))
    assert (sight.verdict, reasons(sight)) == (Verdict.REJECTED, [reason])
    assert names in sight.quarantined[0].detail
    assert it.engine.snapshot() == before


@pytest.mark.parametrize(
    "topic", ["wl/b/incidents/a/b/move", "wl//incidents/x/move", "wl/b/incidents/inc+/move", "x/incidents/1/move"]
)
def test_a_topic_that_only_looks_like_one_of_a_move(topic: str) -> None:
    assert reasons(burning().see(said(ACK, topic=topic))) == ["topic"]


def test_a_device_may_be_called_move() -> None:
    assert not is_move("wl/b/incidents/inc-000001")
    assert not is_move("wl/b/move/up")
    assert reasons(burning().see(said(ACK, topic="wl/b/h1/move"))) == ["topic"]


_OBJECTS = st.dictionaries(
    st.sampled_from(["verb", "by", "note", "disposition", "x"]), st.none() | st.text(max_size=9), max_size=5
)


@given(st.text(max_size=60), st.binary(max_size=60) | _OBJECTS.map(lambda v: json.dumps(v).encode()))
def test_any_bytes_are_a_move_or_undecodable(name: str, payload: bytes) -> None:
    try:
        site, done = move(f"wl/{name}/incidents/inc-1/move", payload, 5)
    except Undecodable:
        return
    assert (site, done.via, done.at) == (name, "mqtt", 5)


def test_all_that_a_move_can_say() -> None:
    text = {"verb": "close", "by": " 王 ", "note": "a\nb", "disposition": "works"}
    assert move(TOPIC, json.dumps(text).encode(), 5) == (
        "b", Move(5, "inc-000001", Verb.CLOSE, "王", "a\nb", Disposition.WORKS, "mqtt"),
    )  # fmt: skip


def test_a_recovery_folds_them_in_again_to_the_same_state() -> None:
    heard = [
        up(smoke=True), said(ACK, 10), said(ACK, 11, dup=True), said(ACK, 12, retain=True), said({"verb": "on-scene", "by": "li"}, 200),
        said(b"?", 201), up(300, "h2", smoke=False),
    ]  # fmt: skip
    live, again = lookout(), lookout()
    rows = [message_row(m, live.see(m).verdict) for m in heard]
    for row in rows:
        if row[6] in EVALUATED:
            again.see(message_of(row))
    assert again.engine.snapshot() == live.engine.snapshot()
    assert state(again) is IncidentState.ON_SCENE
    assert live.engine.now > T0 + MINUTE
