"""The report of one incident as a printable page: head, promise, readings, who was called, timeline, evidence.

Knows the story; gathers nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitor.ports import OutboxRow, TimelineRow
from monitor.reports.charts import Promise, promises, readings
from monitor.reports.incident import Story
from monitor.reports.paper import Content, definitions, page, table, tag
from monitor.reports.periods import lasted, local
from monitor.reports.responses import GOALS, Hop, Response, responses
from monitor.reports.sla_sheet import HOPS
from monitor.reports.timeline_words import beside, words
from monitor.vocabulary import CONDITIONS, DISPOSITIONS, KINDS, STATES, TYPES
from monitor.vocabulary import GOALS as GOAL_WORDS
from rules.model import Incident, Micros, SlaProfile, Step, Text
from rules.quantities import CATALOGUE

MOST_LINES = 1000
"""Lines of the timeline, and calls, that a page shows; the evidence has them all."""

_MEASURES = {
    "shelved": ("搁置", "shelved"),
    "test": ("测试", "test"),
    "works": ("动火作业", "works permit"),
    "drill": ("演习", "drill"),
    "impaired": ("已知缺陷", "impaired"),
}
_OUTCOMES = {
    "accepted": ("已送达", "accepted"), "dead": ("已放弃", "given up"), "withdrawn": ("已撤回", "withdrawn"),
    "retry": ("重试中", "trying again"), "pending": ("待发", "pending"),
}  # fmt: skip
_QUEUED = frozenset({Step.PUSH_QUEUED, Step.PUSH_ACCEPTED, Step.PUSH_FAILED, Step.PUSH_DEAD})
"""Told by the table of calls; each attempt is in the evidence."""


def incident_page(it: Story) -> str:
    """The whole document."""
    incident, zone = it.incident, it.places.zones.get(it.incident.zone)
    kind = KINDS[incident.kind]
    where = zone.name if zone else Text(incident.zone, incident.zone)
    title = Text(f"{kind[0]} · {where.zh} · {incident.title.zh}", f"{kind[1]} · {where.en} · {incident.title.en}")
    found = responses(incident, it.timeline)
    parts: list[Content] = [
        *_banners(it),
        _head(it),
        *_promise(found, it),
        *_charts(it),
        *_calls(it),
        *_timeline(it),
        _evidence(it),
    ]
    return page(title, parts, made_at=it.made_at)


def _banners(it: Story) -> Iterator[Content]:
    incident, measure = it.incident, it.suppression
    if incident.exercise:
        yield tag("p", f"【演习】[DRILL] {incident.exercise}", class_="banner")
    if incident.withheld:
        said = f"推送被抑制 withheld from paging: {incident.withheld}"
        if measure is not None:
            zh, en = _MEASURES[measure.measure]
            span = f"{local(measure.since)[:16]} – {local(measure.until)[:16]}"
            said = " · ".join(filter(None, (said, f"{zh} {en}", measure.by, measure.why, measure.compensation, span)))
        yield tag("p", said, class_="banner")
    if incident.lead:
        yield tag("p", f"多处报警，随 {incident.lead} 处置 In a flood, under {incident.lead}", class_="banner")


def _head(it: Story) -> Content:
    incident = it.incident
    zone = it.places.zones.get(incident.zone)
    station = next((s.name for s in it.places.stations if s.key == incident.station), None)
    state = tag("span", Text(*STATES[incident.state]))
    verify = [tag("small", Text("证据存疑", "doubtful evidence"))] if incident.suspected else []
    found = Text(*DISPOSITIONS[incident.disposition]) if incident.disposition else None
    facts: list[tuple[Content, Content]] = [
        (Text("编号", "Number"), incident.id),
        (Text("状态", "State"), [state, *verify]),
        (Text("传感器", "Sensors"), Text(*CONDITIONS[incident.condition])),
        (Text("处置结论", "Disposition"), found),
        (Text("发生", "Raised"), local(incident.raised_at)),
        (Text("结案", "Closed"), None if incident.closed_at is None else local(incident.closed_at)),
        (Text("楼栋", "Building"), (zone.building_name or zone.building or None) if zone else None),
        (Text("站点", "Station"), station or incident.station or None),
        (Text("接警人", "Acknowledged by"), incident.acknowledged_by or None),
        (Text("移交上级", "Handed over"), None if incident.handed_over_at is None else local(incident.handed_over_at)),
        (Text("报警数", "Alarms"), f"{incident.alarms}" + (f" (+{incident.members} 起随同 under it)" if incident.members else "")),
        (Text("规则", "Rules"), ", ".join(incident.rules)),
    ]  # fmt: skip
    return definitions(facts)


def _promise(found: Sequence[Response], story: Story) -> Iterator[Content]:
    profile = story.places.sla.get(story.incident.kind)
    yield tag("h2", Text("承诺与实际", "Promised and actual"))
    for it in found:
        if len(found) > 1:
            yield tag("h3", Text(f"第 {it.number} 次，{local(it.began_at)}", f"Time {it.number}"))
        bars = [
            Promise(
                Text(*GOAL_WORDS[goal]),
                _promised(it, goal, profile, last=it is found[-1]),
                it.took(goal),
                goal in it.missed,
            )
            for goal in GOALS
        ]
        yield promises(bars)
        if hops := it.hops():
            slowest = it.slowest()
            cells: list[Content] = [_hop(hops.get(hop), slow=hop is slowest) for hop in Hop]
            yield table([Text(*HOPS[hop]) for hop in Hop], [cells])


def _promised(it: Response, goal: str, profile: SlaProfile | None, *, last: bool) -> Micros | None:
    """How long it might take: the record tells it of the last time, the site file of those before."""
    if last:
        due: Micros | None = getattr(it.incident, f"{goal}_due_at", None)
        return None if due is None else due - it.began_at
    promised: Micros | None = getattr(profile, goal, None)
    return promised if it.certain else None


def _hop(span: Micros | None, *, slow: bool) -> Content:
    if span is None:
        return None
    return tag("span", f"{lasted(span)}{' 最慢 slowest' if slow else ''}", class_="bad" if slow else "")


def _charts(it: Story) -> Iterator[Content]:
    yield tag("h2", Text("前后读数", "Readings around it"))
    if not it.charted:
        yield tag("p", Text("历史数据暂不可用。", "The history is not available."))
    elif not it.charts:
        yield tag("p", Text("这段时间没有数值读数。", "No numeric readings in this time."))
    for quantity, lines in it.charts.items():
        known = CATALOGUE[quantity]
        yield readings(
            Text(known.zh, known.en), known.unit, lines, it.window.since, it.window.until, _marks(it.incident)
        )


def _marks(incident: Incident) -> list[tuple[Micros, str]]:
    moments = (
        (incident.raised_at, "报警"), (incident.acknowledged_at, "接警"), (incident.on_scene_at, "到场"),
        (incident.resolved_at, "处置"),
    )  # fmt: skip
    return [(at, name) for at, name in moments if at is not None]


def _calls(it: Story) -> Iterator[Content]:
    # Who follows the record was not called, and no device is anybody.
    calls = [row for row in it.pushes if row.push.body.get("type") not in ("incident.state", "device.command")]
    if not calls:
        return
    yield tag("h2", Text("通知了谁", "Who was called"))
    accepted = {
        (row.detail.get("step"), row.detail.get("channel"), row.detail.get("to", "")): row.at
        for row in it.timeline
        if row.step == Step.PUSH_ACCEPTED
    }
    headings = (
        ("时间", "When"), ("内容", "What"), ("渠道", "Channel"), ("人员", "Who"), ("结果", "Outcome"), ("送达", "Accepted"),
        ("次数与答复", "Attempts, reply"),
    )  # fmt: skip
    yield table(
        [Text(*heading) for heading in headings],
        [_call(it, row, accepted.get((row.push.step, row.push.channel, row.push.to))) for row in calls[:MOST_LINES]],
    )


def _call(it: Story, row: OutboxRow, accepted: Micros | None) -> list[Content]:
    push = row.push
    person = it.places.plan.people.get(push.to) if it.places.plan is not None else None
    kind = KINDS[push.kind]
    zh, en = TYPES.get(str(push.body.get("type")), (str(push.body.get("type") or push.step),) * 2)
    outcome = Text(*_OUTCOMES.get(row.outcome, (row.outcome, row.outcome)))
    what = Text(zh.format(kind[0]), en.format(kind[1]))
    after = None if accepted is None else f"+{lasted(accepted - push.at)}"
    who = person.name if person is not None else push.to or None
    bad = row.outcome == "dead"
    return [
        local(push.at)[11:], what, push.channel, who, tag("span", outcome, class_="bad" if bad else ""), after,
        [str(row.attempts), tag("small", row.reply)] if row.reply else str(row.attempts),
    ]  # fmt: skip


def _timeline(it: Story) -> Iterator[Content]:
    yield tag("h2", Text("时间线", "Timeline"))
    # The ledger forgets settled pushes after a while; their timeline stays.
    rows = [row for row in it.timeline if row.step not in _QUEUED or not it.pushes]
    yield table(
        [Text("时间", "When"), Text("事项", "What"), Text("详情", "Details")],
        [_entry(row) for row in rows[:MOST_LINES]],
    )
    if len(rows) > MOST_LINES:
        yield tag(
            "p",
            Text(
                f"其余 {len(rows) - MOST_LINES} 行见封存的证据。",
                f"{len(rows) - MOST_LINES} more are in the sealed evidence.",
            ),
        )


def _entry(row: TimelineRow) -> list[Content]:
    grave = row.step in (Step.OVERDUE, Step.UNCOVERED, Step.EXHAUSTED, Step.COMMAND_FAILED)
    return [local(row.at), tag("span", words(row), class_="bad" if grave else ""), " · ".join(beside(row.detail))]


def _evidence(it: Story) -> Content:
    head = it.timeline[-1].link if it.timeline else ""
    said = Text(
        f"时间线共 {len(it.timeline)} 条，逐条以 SHA-256 相链，末端为：",
        f"{len(it.timeline)} entries, chained by SHA-256; the last link:",
    )
    how = f"wanglou evidence export {it.incident.id} -o {it.incident.id}.json"
    return [
        tag("h2", Text("证据", "Evidence")),
        tag("p", said),
        tag("p", head or "–", class_="hash"),
        tag("p", how, class_="hash"),
    ]
