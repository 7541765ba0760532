"""The SLA report: what was promised and kept, counted from timelines, checked by hand.

Knows the ledger's fake and the reports; neither engine nor console.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.console.answers_reports import SlaAnswer
from monitor.ports import Batch
from monitor.reports.paper import POLICY, STYLE, markup, page, tag
from monitor.reports.periods import Month, day_of, hour_of_day, lasted, local
from monitor.reports.responses import Group, Hop, gather, responses
from monitor.reports.sheets import sheet
from monitor.reports.sla import SlaReport, sla
from monitor.reports.sla_page import percent, sla_page
from monitor.reports.sla_sheet import figures_sheet, responses_sheet
from monitor.reports.spreads import Spread, percentile, spread
from rules.model import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Condition,
    Disposition,
    Incident,
    IncidentState,
    Kind,
    Micros,
    Recipient,
    Station,
    Step,
    Text,
    Zone,
)
from tests.fake_ledger import FakeLedger

NOVEMBER = Month(2026, 11)
START = NOVEMBER.since
EAST = Station("east", Text("东门站", "East gate"), frozenset({"b/home"}), (Recipient("hook"),))
WEST = Station("west", Text("西门站", "West gate"), frozenset(), ())
ZONES = {"b/home": Zone("b/home", "b", Text("三号楼", "Building 3"), "dwelling")}


class Past:
    """A ledger that incidents are written into as they went."""

    def __init__(self) -> None:
        self.ledger = FakeLedger()
        self._count = 0

    async def incident(self, at: Micros, *steps: tuple[Micros, Step], kind: Kind = Kind.FIRE, **more: Any) -> str:
        """Raised `at` on live evidence; `steps` come so long after it. A promise of 1-5-20 minutes unless `more` says otherwise."""
        self._count += 1
        key = f"inc-{self._count:06d}"
        known = Incident(
            id=key, site="b", zone="b/home", group="fire", kind=kind, state=IncidentState.RAISED, condition=Condition.ACTIVE,
            title=Text("感烟报警", "Smoke"), raised_at=at, station="east", dispatch_due_at=at + MINUTE,
            on_scene_due_at=at + 5 * MINUTE, resolve_due_at=at + 20 * MINUTE,
        )  # fmt: skip
        told = [(at, Step.RAISED, {"evidence": "live", "kind": kind.value})]
        told += [
            (at + after, step, {"evidence": "live", "kind": kind.value, "goal": "dispatch"}) for after, step in steps
        ]
        closed = any(step is Step.CLOSED for _, step in steps)
        known = replace(known, state=IncidentState.CLOSED if closed else IncidentState.RAISED, **more)
        await self.write(known, told)
        return key

    async def write(self, known: Incident, told: list[tuple[Micros, Step, dict[str, str]]]) -> None:
        entries = [(at, known.id, step.value, json.dumps(detail)) for at, step, detail in told]
        await self.ledger.commit(Batch(incidents={known.id: known}, entries=entries))

    async def overdue(self, key: str, at: Micros, goal: str) -> None:
        await self.ledger.commit(Batch(entries=[(at, key, "overdue", json.dumps({"goal": goal}))]))

    async def report(self, **more: str) -> SlaReport:
        return await sla(self.ledger, NOVEMBER, (EAST, WEST), ZONES, now=START + 20 * DAY, **more)


@pytest.fixture
def past() -> Past:
    return Past()


# --- months, durations, percentiles -----------------------------------------------------------------------------------


def test_a_month_is_chinas() -> None:
    assert Month.parse("2026-11") == NOVEMBER
    assert local(NOVEMBER.since) == "2026-11-01 00:00:00.000"
    assert local(NOVEMBER.before) == "2026-12-01 00:00:00.000"
    assert Month(2026, 12).before == Month(2027, 1).since
    assert len(list(Month(2024, 2).days())) == 29
    assert (Month.of(NOVEMBER.since - 1), Month.of(NOVEMBER.since)) == (Month(2026, 10), NOVEMBER)
    assert (hour_of_day(START), hour_of_day(START - 1), day_of(START + DAY - 1)) == (0, 23, "2026-11-01")
    for bad in ("2026-13", "2026-00", "26-11", "2026-11-01", "2026/11", "0000-01", "２０２６-11", ""):
        with pytest.raises(ValueError, match="write a month as 2026-11"):
            Month.parse(bad)


def test_percentiles_are_values_that_happened() -> None:
    assert spread([]).p50 is None
    assert spread([7]) == Spread(1, 7, 7, 7)
    assert spread([3, 1, 2]) == Spread(3, 2, 3, 3)
    ten = list(range(1, 11))
    assert [percentile(ten, p) for p in (1, 10, 11, 50, 51, 90, 91, 100)] == [1, 1, 2, 5, 6, 9, 10, 10]
    assert percentile([1, 2, 3, 4, 5], 90) == 5
    assert percentile([1, 2, 3], 50) == 2


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=50), st.integers(1, 100))
def test_a_percentile_has_so_many_at_or_below_it_and_none_smaller_has(values: list[int], percent: int) -> None:
    found = percentile(sorted(values), percent)
    assert found in values
    assert 100 * sum(v <= found for v in values) >= percent * len(values)
    assert 100 * sum(v < found for v in values) < percent * len(values)


def test_durations_are_cut_never_rounded_up() -> None:
    shown = {
        0: "0 s",
        250_000: "0.25 s",
        9_999_999: "9.99 s",
        59_999_999: "59.9 s",
        MINUTE: "1:00",
        61 * MINUTE + 1: "1:01:00",
    }
    assert {span: lasted(span) for span in shown} == shown
    assert lasted(-SECOND) == "-1 s"
    assert [percent(*x) for x in ((0, 3), (1, 3), (3, 3), (1, 100_000), (99_999, 100_000))] == [
        "0 %", "33.3 %", "100 %", "0.1 %", "99.9 %",
    ]  # fmt: skip


# --- what is counted --------------------------------------------------------------------------------------------------


async def test_a_month_by_hand(past: Past) -> None:
    for n, (dispatched, acknowledged, on_scene) in enumerate(((1, 10, 100), (2, 20, 200), (30, 31, 290))):
        await past.incident(
            START + n * HOUR, (dispatched * SECOND, Step.DISPATCHED), (acknowledged * SECOND, Step.ACKNOWLEDGED),
            (on_scene * SECOND, Step.ON_SCENE), (10 * MINUTE, Step.RESOLVED), (11 * MINUTE, Step.CLOSED),
        )  # fmt: skip
    late = await past.incident(START + 2 * DAY, (70 * SECOND, Step.DISPATCHED), (80 * SECOND, Step.ACKNOWLEDGED))
    await past.overdue(late, START + 2 * DAY + MINUTE, "dispatch")
    east, west = (await past.report()).stations
    (line,) = east.figures
    assert (line.group, line.kind, line.incidents, line.open, line.again) == (Group.REAL, Kind.FIRE, 4, 1, 0)
    dispatch = line.goals["dispatch"]
    assert (dispatch.took.n, dispatch.took.p50, dispatch.took.p90, dispatch.took.longest) == (
        4, 2 * SECOND, 70 * SECOND, 70 * SECOND,
    )  # fmt: skip
    assert (dispatch.decided, dispatch.missed, dispatch.share) == (4, 1, 0.25)
    there = line.goals["on_scene"]
    assert (there.took.p50, there.decided, there.missed) == (200 * SECOND, 3, 0)  # the fourth is not due yet
    assert (line.goals["acknowledge"].took.p50, line.goals["acknowledge"].decided) == (
        20 * SECOND,
        0,
    )  # nobody promised it
    assert (west.name.en, west.figures) == ("West gate", ())


async def test_the_months_edges_and_stations(past: Past) -> None:
    await past.incident(START - 1)
    first = await past.incident(START)
    last = await past.incident(NOVEMBER.before - 1, station="west")
    await past.incident(NOVEMBER.before)
    gone = await past.incident(START + DAY, station="gone")
    nobody = await past.incident(START + DAY, station="")
    report = await past.report()
    assert [[r.incident.id for r in s.responses] for s in report.stations] == [[first], [last], [nobody], [gone]]
    assert [s.name.zh for s in report.stations] == ["东门站", "西门站", "（无站点）", "gone"]
    one = await past.report(station="west")
    assert [(s.station, len(s.responses)) for s in one.stations] == [("west", 1)]


async def test_who_acknowledged_before_any_provider_took_the_call_took_all_of_the_time(past: Past) -> None:
    at = START + HOUR
    await past.incident(at, (9 * SECOND, Step.ACKNOWLEDGED), (11 * SECOND, Step.DISPATCHED), sensed_at=at)
    (east, _) = (await past.report()).stations
    assert east.responses[0].hops() == {Hop.RULE: 0, Hop.HUMAN: 9 * SECOND}
    assert (east.responses[0].slowest(), east.figures[0].slowest[Hop.HUMAN]) == (Hop.HUMAN, 1)
    assert east.figures[0].hops[Hop.HUMAN].n == 1


async def test_hops_say_where_the_time_went(past: Past) -> None:
    at = START + HOUR
    await past.incident(
        at,
        (2 * SECOND, Step.DISPATCHED),
        (42 * SECOND, Step.ACKNOWLEDGED),
        sensed_at=at - 10 * SECOND,
        measured_at=at - 13 * SECOND,
    )
    (east, _) = (await past.report()).stations
    (response,) = east.responses
    assert response.hops() == {
        Hop.DEVICE: 3 * SECOND, Hop.RULE: 10 * SECOND, Hop.PUSH: 2 * SECOND, Hop.HUMAN: 40 * SECOND,
    }  # fmt: skip
    assert response.slowest() is Hop.HUMAN
    assert east.figures[0].slowest == {Hop.DEVICE: 0, Hop.RULE: 0, Hop.PUSH: 0, Hop.HUMAN: 1}


async def test_a_clock_that_is_ahead_says_nothing_and_a_step_that_was_skipped_neither(past: Past) -> None:
    at = START + HOUR
    await past.incident(at, (5 * SECOND, Step.ACKNOWLEDGED), sensed_at=at, measured_at=at + SECOND)
    (response,) = (await past.report()).stations[0].responses
    assert response.hops() == {Hop.RULE: 0, Hop.HUMAN: 5 * SECOND}
    assert (response.took("dispatch"), response.decided("dispatch")) == (
        None,
        True,
    )  # somebody took it on before any provider answered


async def test_a_re_alarm_does_not_forget_what_was_missed_before(past: Past) -> None:
    at = START + HOUR
    key = await past.incident(
        at, (MINUTE, Step.OVERDUE), (2 * MINUTE, Step.DISPATCHED), (30 * MINUTE, Step.RESOLVED), (3 * HOUR, Step.REALARM),
        (3 * HOUR + SECOND, Step.DISPATCHED), (3 * HOUR + 9 * SECOND, Step.ACKNOWLEDGED),
    )  # fmt: skip
    first, second = (await past.report()).stations[0].responses
    assert (first.incident.id, first.number, second.number) == (key, 1, 2)
    assert (first.took("dispatch"), first.took("resolve"), first.missed) == (2 * MINUTE, 30 * MINUTE, {"dispatch"})
    assert (second.took("dispatch"), second.took("acknowledge"), second.missed) == (SECOND, 9 * SECOND, set())
    (line,) = (await past.report()).stations[0].figures
    assert (line.incidents, line.again, line.goals["dispatch"].took.n) == (1, 1, 2)


async def test_doubtful_evidence_runs_from_its_confirmation_and_has_no_times_before(past: Past) -> None:
    at = START + HOUR
    known = Incident(
        id="inc-000009", site="b", zone="b/home", group="fire", kind=Kind.FIRE, state=IncidentState.RAISED,
        condition=Condition.ACTIVE, title=Text("烟", "Smoke"), raised_at=at, station="east", dispatch_due_at=at + 11 * MINUTE,
    )  # fmt: skip
    late = {"evidence": "late", "kind": "FIRE"}
    live = {"evidence": "live", "kind": "FIRE"}
    await past.write(known, [(at, Step.RAISED, late)])
    (response,) = (await past.report()).stations[0].responses
    (line,) = (await past.report()).stations[0].figures
    assert (response.certain, line.to_verify, line.goals["dispatch"].decided) == (False, 1, 0)
    await past.write(
        known, [(at + 10 * MINUTE, Step.CONFIRMED, live), (at + 10 * MINUTE + SECOND, Step.DISPATCHED, {})]
    )
    (response,) = (await past.report()).stations[0].responses
    assert (response.certain, response.took("dispatch")) == (True, SECOND)


async def test_a_fault_that_turns_into_a_fire_is_promised_from_then(past: Past) -> None:
    at = START + HOUR
    key = await past.incident(at, (SECOND, Step.DISPATCHED), kind=Kind.FAULT)
    known = await past.ledger.incident(key)
    assert known is not None
    fire = replace(known, kind=Kind.FIRE)
    raised = at + HOUR
    await past.write(fire, [(raised, Step.ESCALATED, {"kind": "FIRE"}), (raised + 3 * SECOND, Step.DISPATCHED, {})])
    (response,) = (await past.report()).stations[0].responses
    assert (response.began_at, response.took("dispatch")) == (raised, 3 * SECOND)
    # What a pre-alarm has promised runs on when it turns into a fire.
    await past.incident(at + 2 * HOUR, (SECOND, Step.DISPATCHED), (5 * SECOND, Step.ESCALATED), kind=Kind.PREALARM)
    *_, response = (await past.report()).stations[0].responses
    assert response.took("dispatch") == SECOND


async def test_what_turns_graver_after_it_was_acknowledged_must_be_acknowledged_again(past: Past) -> None:
    at = START + HOUR
    heard = ((2 * SECOND, Step.DISPATCHED), (9 * SECOND, Step.ACKNOWLEDGED))
    again = ((61 * SECOND, Step.DISPATCHED), (80 * SECOND, Step.ACKNOWLEDGED))
    await past.incident(at, *heard, (MINUTE, Step.ESCALATED), *again, kind=Kind.PREALARM)
    first, second = (await past.report()).stations[0].responses
    assert (first.took("acknowledge"), second.number, second.began_at) == (9 * SECOND, 2, at + MINUTE)
    assert (second.took("dispatch"), second.took("acknowledge")) == (SECOND, 20 * SECOND)
    # Who stands there sees for himself.
    await past.incident(at + HOUR, *heard, (50 * SECOND, Step.ON_SCENE), (MINUTE, Step.ESCALATED), kind=Kind.PREALARM)
    assert len((await past.report()).stations[0].responses) == 3


async def test_exercises_and_withheld_ones_are_never_mixed_with_what_was_real(past: Past) -> None:
    groups: tuple[dict[str, Any], ...] = (
        {},
        {"exercise": "drill-1"},
        {"withheld": "sup-000001"},
        {"exercise": "d", "withheld": "sup-000001"},
    )
    for more in groups:
        await past.incident(START + HOUR, (SECOND, Step.DISPATCHED), **more)
    await past.incident(START + HOUR, kind=Kind.SUPERVISORY)
    (east, _) = (await past.report()).stations
    assert [(line.group, line.kind, line.incidents) for line in east.figures] == [
        (Group.REAL, None, 2), (Group.REAL, Kind.FIRE, 1), (Group.REAL, Kind.SUPERVISORY, 1),
        (Group.EXERCISE, Kind.FIRE, 2), (Group.WITHHELD, Kind.FIRE, 1),
    ]  # fmt: skip


async def test_more_than_a_report_counts_is_said(past: Past) -> None:
    keys = [await past.incident(START + n * HOUR) for n in range(30)]
    gathered = await gather(past.ledger, NOVEMBER, responses, station=None, steps=(), most=26)
    assert ([i.id for i in gathered.incidents], gathered.complete) == (keys[:26], False)
    whole = await gather(past.ledger, NOVEMBER, responses, station=None, steps=(), most=30)
    assert (len(whole.incidents), whole.complete) == (30, True)


def test_a_timeline_without_its_beginning_is_still_read() -> None:
    known = Incident("i", "b", "z", "g", Kind.FIRE, IncidentState.RAISED, Condition.ACTIVE, Text("a", "a"), START)
    assert responses(known, []) == []


# --- how it is shown --------------------------------------------------------------------------------------------------


async def test_page_sheet_and_json_say_the_same(past: Past) -> None:
    at = START + HOUR
    evil = Text("=HYPERLINK(1)<script>", "</td><script>alert(1)</script>")
    key = await past.incident(
        at, (70 * SECOND, Step.DISPATCHED), (90 * SECOND, Step.ACKNOWLEDGED), (2 * HOUR, Step.CLOSED), title=evil,
        disposition=Disposition.NUISANCE, sensed_at=at - 4 * SECOND,
    )  # fmt: skip
    await past.overdue(key, at + MINUTE, "dispatch")
    report = await past.report()
    shown = sla_page(report)
    assert "<script" not in shown.replace("&lt;script", "")
    for said in (
        "响应时效月报 2026-11",
        "东门站",
        "1:10 / 1:10 / 1:10",
        "超时 missed 1/1 (100 %)",
        "误报",
        key,
        "本月无警情",
    ):
        assert said in shown, said
    (figures,) = rows(figures_sheet(report))
    assert figures["派单超时 dispatch missed"] == "1"
    assert figures["派单中位数(秒) dispatch p50 s"] == "70.0"
    (response,) = rows(responses_sheet(report))
    assert response["内容 what"] == "'=HYPERLINK(1)<script>"
    assert response["人员接警(秒) human s"] == "20.0"
    assert (response["最慢环节 slowest hop"], response["超时 missed"]) == ("推送 push accepted", "派单 dispatch")
    assert (response["类别 group"], response["级别 kind"]) == ("实际 real", "火警 FIRE")
    plain = json.loads(SlaAnswer.of(report).model_dump_json())
    assert plain["stations"][0]["figures"][0]["goals"]["dispatch"]["took"]["p90_seconds"] == 70
    assert plain["stations"][0]["responses"][0]["hops"] == {"rule": 4, "push": 70, "human": 20}
    assert (plain["month"], plain["since"]) == ("2026-11", "2026-10-31T16:00:00Z")


def rows(data: bytes) -> list[dict[str, str]]:
    assert data.startswith(b"\xef\xbb\xbf"), "Excel needs the byte order mark"
    found = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    assert len({len(row) for row in found}) == 1
    assert len(set(found[0])) == len(found[0])
    return [dict(zip(found[0], row, strict=True)) for row in found[1:]]


def test_no_cell_is_a_formula_and_numbers_stay_numbers() -> None:
    cells = ["=1+1", "+1", "-1", "@x", "\t=1", "plain", "", "  "]
    assert next(iter(csv.reader(io.StringIO(sheet(cells, [cells]).decode("utf-8-sig").splitlines()[1])))) == [
        "'=1+1", "'+1", "'-1", "'@x", "'\t=1", "plain", "", "  ",
    ]  # fmt: skip
    assert sheet(["n"], [[-1], [None], [0.5]]).decode("utf-8-sig") == "n\r\n-1\r\n\r\n0.5\r\n".replace(
        "\r\n\r\n", '\r\n""\r\n'
    )
    assert b"\\udcff" in sheet(["x"], [["\udcff"]])


def test_a_page_escapes_everything_and_loads_nothing() -> None:
    shown = page(Text("<甲>", "<a>"), [tag("p", ["<b>", None, 3, Text("一", "one")], title='"')], made_at=START)
    assert "<甲>" not in shown
    assert '<p title="&quot;">&lt;b&gt;–3一<small lang="en">one</small></p>' in shown.replace("lang=en", 'lang="en"')
    assert not re.search(r"(\ssrc=|href|url\(|@import|\son\w+=|\sstyle=)", shown)
    assert f"<style>{STYLE}</style>" in shown
    assert POLICY.startswith("default-src 'none'; style-src 'sha256-")
    assert markup("\udcff") == "\\udcff"
