"""The score of a drill as a printable page: verdict, moments, promises, who was called and answered.

Knows the score; gathers nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from monitor.reports.drill import Callee, Judged, Score, Verdict, Way
from monitor.reports.drill_words import JUDGED, POINTS, PROMISES, exactly, verdict
from monitor.reports.paper import Content, definitions, page, table, tag
from monitor.reports.periods import local
from monitor.vocabulary import ROLES
from rules.model import Micros, Neighbourhood, Text

_VERDICTS = {Verdict.KEPT: "good", Verdict.MISSED: "bad"}


def drill_page(it: Score, places: Neighbourhood) -> str:
    """The whole document."""
    device = places.devices.get(it.drill.subject)
    known = it.incident.zone if it.incident is not None else device.zone if device is not None else it.drill.subject
    zone = places.zones.get(known)
    where = zone.name if zone is not None else Text(it.drill.subject, it.drill.subject)
    title = Text(f"演习评分 · {where.zh}", f"Drill · {where.en}")
    parts: list[Content] = [
        tag("p", f"【演习】[DRILL] {it.drill.id}", class_="banner"),
        tag("p", verdict(it), class_=_VERDICTS.get(it.verdict, "")),
        _head(it),
        *_points(it),
        *_promises(it),
        *_people(it),
        *_channels(it),
    ]
    return page(title, parts, made_at=it.made_at)


def _head(it: Score) -> Content:
    drill = it.drill
    return definitions([
        (Text("设备", "Device"), drill.subject),
        (Text("警情", "Incident"), it.incident.id if it.incident is not None else None),
        (Text("发起人", "Announced by"), drill.by),
        (Text("事由", "Why"), drill.why),
        (Text("开始", "Since"), local(drill.since)),
        (Text("结束", "Ended"), None if drill.ended_at is None else local(drill.ended_at)),
        (Text("结束人", "Ended by"), drill.ended_by or (Text("真实火警", "a real fire") if it.interrupted else None)),
    ])  # fmt: skip


def _points(it: Score) -> Iterator[Content]:
    yield tag("h2", Text("经过", "What happened when"))
    before: Micros | None = None
    rows: list[list[Content]] = []
    for point, at in sorted(it.points.items(), key=lambda known: known[1]):
        after = it.after(point)
        step = None if before is None else exactly(at - before)
        rows.append([POINTS[point], local(at), None if after is None else exactly(after), step])
        before = at
    headings = (
        ("时刻", "Moment"),
        ("时间", "When"),
        ("自报警起", "Since the alarm"),
        ("自上一步", "Since the one before"),
    )
    yield table([Text(*heading) for heading in headings], rows)
    if missing := [POINTS[point] for point in POINTS if point not in it.points]:
        said = Text("、".join(w.zh for w in missing), ", ".join(w.en for w in missing))
        yield tag("p", Text(f"没有发生：{said.zh}", f"Did not happen: {said.en}"))


def _promises(it: Score) -> Iterator[Content]:
    if it.incident is None:
        return
    yield tag("h2", Text("承诺与实际", "Promised and actual"))
    raised = it.incident.raised_at
    yield table(
        [Text("承诺", "Promise"), Text("期限", "Within"), Text("实际", "Took"), Text("结果", "Result")],
        [
            [
                PROMISES[promise.goal],
                None if promise.due_at is None else exactly(promise.due_at - raised),
                None if promise.reached_at is None else exactly(promise.reached_at - raised),
                tag("span", JUDGED[promise.judged], class_="bad" if promise.judged is Judged.MISSED else ""),
            ]
            for promise in it.promises
        ],
    )


def _people(it: Score) -> Iterator[Content]:
    if it.incident is None or not it.people:
        return
    yield tag("h2", Text("呼叫与应答", "Who was called and who answered"))
    headings = (
        ("人员", "Who"), ("岗位", "Role"), ("呼叫", "Called"), ("渠道", "Over"), ("送达", "Accepted"), ("应答", "Answered"),
    )  # fmt: skip
    yield table([Text(*heading) for heading in headings], [_person(it.incident.raised_at, who) for who in it.people])


def _person(raised: Micros, who: Callee) -> list[Content]:
    answered: Content = tag("span", Text("未应答", "never"), class_="bad")
    if who.answered_at is not None:
        answered = exactly(who.answered_at - raised)
    return [
        who.name,
        Text(*ROLES[who.role]) if who.role is not None else None,
        exactly(who.called_at - raised),
        ", ".join(dict.fromkeys(way.channel for way in who.ways)),
        None if who.accepted_at is None else exactly(who.accepted_at - raised),
        answered,
    ]


def _channels(it: Score) -> Iterator[Content]:
    if it.incident is None:
        return
    raised = it.incident.raised_at
    calls = [*((Text("站点渠道", "the station"), way) for way in it.listeners)]
    calls += [(who.name, way) for who in it.people for way in who.ways]
    if calls:
        yield tag("h2", Text("每次呼叫", "Every call"))
        headings = (
            ("渠道", "Channel"),
            ("类别", "Kind"),
            ("对象", "Whom"),
            ("发出", "Sent"),
            ("送达", "Accepted"),
            ("答复", "Reply"),
        )
        rows = [_call(raised, whom, way) for whom, way in sorted(calls, key=lambda call: call[1].sent_at)]
        yield table([Text(*heading) for heading in headings], rows)
    if it.silent:
        names = ", ".join(it.silent)
        yield tag("p", Text(f"从未送达的渠道：{names}", f"Channels that accepted nothing: {names}"), class_="bad")


def _call(raised: Micros, whom: Text, way: Way) -> list[Content]:
    accepted = None if way.accepted_at is None else exactly(way.accepted_at - raised)
    return [way.channel, way.kind, whom, exactly(way.sent_at - raised), accepted, way.reply or None]
