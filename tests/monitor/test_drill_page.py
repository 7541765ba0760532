"""What the score of a drill says to people: the verdict in one line, and a page on which whatever anybody wrote is text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.reports.drill import Point, Score, score
from monitor.reports.drill_page import drill_page
from monitor.reports.drill_words import JUDGED, POINTS, PROMISES, exactly, verdict
from rules.model import MINUTE, SECOND, Incident, Step, Text
from tests.monitor.test_report_drill import DRILL, accepted, call, places, raised, row, scored
from tests.small_site import NOW


@pytest.fixture
def kept() -> Score:
    """Anna answers after 41 s, Bo does not; over after ten minutes."""
    pushes = [
        call("robot"),
        call("sms", "anna"),
        call("ring", "anna", outcome="dead"),
        call("mail", "bo", outcome="dead"),
    ]
    timeline = [
        row(0, Step.RAISED), accepted(0.8, "robot"), row(0.8, Step.DISPATCHED), accepted(2.125, "sms", "anna"),
        row(41, Step.ACKNOWLEDGED, by="Anna", via="link"), row(200, Step.ON_SCENE, by="安"), row(600, Step.RESOLVED, by="安"),
    ]  # fmt: skip
    return scored(timeline, pushes, at=601, closed_at=NOW + 601 * SECOND)


def test_the_page_tells_the_whole_drill(kept: Score) -> None:
    shown = drill_page(kept, places())
    for part in (
        "演习评分 · 车库", "【演习】[DRILL] sup-000001", "达标；0.800 s 送达；41.000 s 接警；3:20.000 到场；未应答：博", "inc-1",
        "值班站长", "月度演练",
        "-0.250 s", "2.125 s", "3:20.000", "被呼叫者全部应答", "处置队员", "未应答", "从未送达的渠道：ring, mail", "voice", "5:00.000",
    ):  # fmt: skip
        assert part in shown, part
    assert "没有发生：被呼叫者全部应答" in shown
    assert shown.count('class="bad"') == 2, "who never answered, and the channels"


def test_the_page_of_a_drill_that_came_to_nothing() -> None:
    shown = drill_page(score(replace(DRILL, ended_at=DRILL.until), None, [], [], places(), DRILL.until), places())
    assert "未达标：模拟信号没有引发报警" in shown
    assert "承诺与实际" not in shown
    by_fire = drill_page(score(replace(DRILL, ended_at=NOW), None, [], [], places(), NOW), places())
    assert "a real fire" in by_fire
    assert "演习评分 · x/y" in drill_page(score(replace(DRILL, subject="x/y"), None, [], [], places(), NOW), places())


def test_what_people_wrote_is_text_and_nothing_else(kept: Score) -> None:
    evil = "</td><script>alert(1)</script>\udcff"
    it = replace(kept, drill=replace(DRILL, why=evil, by=evil, subject=evil, ended_by=evil), silent=(evil,))
    it = replace(it, people=(replace(kept.people[0], name=Text(evil, evil), role=None),))
    shown = drill_page(it, places())
    assert "<script" not in shown
    assert shown.encode()


def test_the_verdict_in_one_line(kept: Score) -> None:
    assert verdict(kept) == Text(
        "达标；0.800 s 送达；41.000 s 接警；3:20.000 到场；未应答：博；渠道未送达：ring, mail。",
        "Kept; accepted after 0.800 s; acknowledged after 41.000 s; on scene after 3:20.000; no answer from Bo; "
        "channels that accepted nothing: ring, mail.",
    )
    many = scored([], [call("sms", f"p{n}") for n in range(7)], at=3)
    assert verdict(many).zh == "进行中，尚无未达标项；未应答：p0、p1、p2、p3、p4等7人；渠道未送达：sms。"
    assert "no answer from p0, p1, p2, p3, p4 and 2 more" in verdict(many).en
    late = scored([row(16.5, Step.ACKNOWLEDGED, by="x")], at=301)
    assert verdict(late).en == (
        "Missed: two kinds of channel (16.500 s), arrival (never); acknowledged after 16.500 s."
    )  # fmt: skip
    cut = replace(DRILL, ended_at=NOW + 9 * SECOND)
    assert verdict(scored([], at=9, measure=cut, closed_at=NOW + 9 * SECOND)).zh == "真实火警，演习中止。"
    early = replace(DRILL, ended_at=NOW + 9 * SECOND, ended_by="li")
    short = scored([row(2, Step.ACKNOWLEDGED, by="x")], at=9, measure=early, closed_at=NOW + 9 * SECOND)
    assert verdict(short) == Text(
        "达标（未演练：到场、处置）；2.000 s 接警。",
        "Kept (not played: arrival, resolution); acknowledged after 2.000 s.",
    )
    nothing: Incident | None = None
    assert verdict(score(DRILL, nothing, [], [], places(), NOW)).en == "Running, nothing was raised yet."


def test_times_to_the_nearest_millisecond() -> None:
    spans = (0, 499, 500_500, 999_499, 59_999_499, 59_999_500, MINUTE, 245_125_000, -250_000)
    assert [exactly(span) for span in spans] == [
        "0.000 s", "0.000 s", "0.500 s", "0.999 s", "59.999 s", "1:00.000", "1:00.000", "4:05.125", "-0.250 s",
    ]  # fmt: skip


def test_everything_has_words() -> None:
    assert set(POINTS) == set(Point)
    assert {promise.goal for promise in scored([], at=1).promises} == set(PROMISES)
    assert {promise.judged for promise in scored([], at=1).promises} <= set(JUDGED)
    assert raised().exercise == DRILL.id
