"""What the score of a drill says to people, in Chinese and English: its moments, its promises, and the verdict in one line.

Knows the score only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.reports.drill import Judged, Point, Promise, Score, Verdict
from monitor.vocabulary import GOALS
from rules.model import SECOND, Micros, Text

POINTS: Mapping[Point, Text] = {
    Point.INJECTED: Text("模拟信号发出", "Made-up reading sent"),
    Point.ARRIVED: Text("平台收到", "Arrived here"),
    Point.RAISED: Text("报警", "Alarm raised"),
    Point.ACCEPTED: Text("首个渠道送达", "First channel accepted"),
    Point.TWO_KINDS: Text("两类渠道送达", "Two kinds of channel accepted"),
    Point.ACKNOWLEDGED: Text("首次接警", "First acknowledgement"),
    Point.LAST_ACKNOWLEDGED: Text("被呼叫者全部应答", "Everybody called has answered"),
    Point.ON_SCENE: Text("到场", "On scene"),
    Point.RESOLVED: Text("处置完成", "Resolved"),
}
PROMISES: Mapping[str, Text] = {
    "two_kinds": Text("两类渠道", "two kinds of channel"),
    **{goal: Text(*words) for goal, words in GOALS.items()},
}
JUDGED: Mapping[Judged, Text] = {
    Judged.KEPT: Text("达标", "kept"),
    Judged.MISSED: Text("未达标", "missed"),
    Judged.OPEN: Text("未到期", "not due yet"),
    Judged.UNPLAYED: Text("演习已先结束", "the drill was over before"),
}
_NAMED = 5
"""People named in the verdict; the rest are counted."""


def verdict(it: Score) -> Text:
    """One line."""
    head = _heads(it)
    if it.incident is None:
        return head
    parts = [head, *_speed(it), *_unanswered(it)]
    return Text("；".join(part.zh for part in parts) + "。", "; ".join(part.en for part in parts) + ".")


def exactly(span: Micros) -> str:
    """To the nearest millisecond: `0.800 s`, `-0.250 s`; from a minute on `4:05.125`."""
    if span < 0:
        return f"-{exactly(-span)}"
    millis = round(span / 1000)
    minutes, rest = divmod(millis, 60_000)
    return f"{minutes}:{rest / 1000:06.3f}" if minutes else f"{millis / 1000:.3f} s"


def _heads(it: Score) -> Text:
    if it.incident is None:
        return _nothing(it)
    match it.verdict:
        case Verdict.MISSED:
            names = [_missed(it, promise) for promise in it.missed]
            return Text("未达标：" + "、".join(n.zh for n in names), "Missed: " + ", ".join(n.en for n in names))
        case Verdict.KEPT:
            return _kept(it)
        case Verdict.RUNNING:
            return Text("进行中，尚无未达标项", "Running, nothing missed so far")
        case Verdict.INTERRUPTED:
            return Text("真实火警，演习中止", "Interrupted by a real fire")


def _kept(it: Score) -> Text:
    if names := [PROMISES[promise.goal] for promise in it.promises if promise.judged is Judged.UNPLAYED]:
        zh, en = "、".join(n.zh for n in names), ", ".join(n.en for n in names)
        return Text(f"达标（未演练：{zh}）", f"Kept (not played: {en})")
    return Text("达标", "Kept")


def _nothing(it: Score) -> Text:
    if it.interrupted:
        return Text("真实火警，演习中止，模拟信号尚未报警。", "Interrupted by a real fire before anything was raised.")
    if not it.over:
        return Text("进行中，模拟信号尚未报警。", "Running, nothing was raised yet.")
    return Text(
        "未达标：模拟信号没有引发报警，未送达，或没有规则据此报警。",
        "Missed: nothing was raised; the reading never arrived, or no rule makes an alarm of it.",
    )


def _missed(it: Score, promise: Promise) -> Text:
    words = PROMISES[promise.goal]
    if promise.reached_at is None or it.incident is None:
        return Text(f"{words.zh}（未发生）", f"{words.en} (never)")
    took = exactly(promise.reached_at - it.incident.raised_at)
    return Text(f"{words.zh}（{took}）", f"{words.en} ({took})")


def _speed(it: Score) -> Sequence[Text]:
    found = []
    for point, zh, en in (
        (Point.ACCEPTED, "送达", "accepted after"), (Point.ACKNOWLEDGED, "接警", "acknowledged after"),
        (Point.ON_SCENE, "到场", "on scene after"),
    ):  # fmt: skip
        if (span := it.after(point)) is not None:
            found.append(Text(f"{exactly(span)} {zh}", f"{en} {exactly(span)}"))
    return found


def _unanswered(it: Score) -> Sequence[Text]:
    found: list[Text] = []
    if silent := it.unanswered:
        more = len(silent) - _NAMED
        zh = "、".join(person.name.zh for person in silent[:_NAMED]) + (f"等{len(silent)}人" if more > 0 else "")
        en = ", ".join(person.name.en for person in silent[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        found.append(Text(f"未应答：{zh}", f"no answer from {en}"))
    if it.silent:
        names = ", ".join(it.silent)
        found.append(Text(f"渠道未送达：{names}", f"channels that accepted nothing: {names}"))
    return found


def seconds(span: Micros | None) -> float | None:
    """To the nearest millisecond, for JSON."""
    return None if span is None else round(span / SECOND, 3)
