"""What each line of a timeline says to people, in Chinese and English, and what stands beside it.

Knows the steps and their details; no incident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monitor.ports import TimelineRow
from monitor.reports.periods import lasted
from monitor.vocabulary import DISPOSITIONS, GOALS, KINDS
from rules.commands import FAILURES, WHY
from rules.model import SECOND, Step, Text
from rules.quantities import CATALOGUE

Detail = Mapping[str, Any]
"""What an entry holds beside its step."""


def words(row: TimelineRow) -> Text:
    """One line; a step of a newer version is shown by its name."""
    told = _WORDS.get(row.step)
    return Text(row.step, row.step) if told is None else told(row.detail)


def beside(detail: Detail) -> list[str]:
    """What was measured, who did it by which way, what they wrote, what a provider answered."""
    measured = [
        f"{_quantity(name.removeprefix('reading.'))} {_value(value)}"
        for name, value in detail.items()
        if name.startswith("reading.")
    ]
    said = [str(detail[name]) for name in ("by", "note", "reply") if detail.get(name)]
    ways = {"via": "经由 via", "suppression": "抑制 measure", "lead": "随警情 with"}
    more = [f"{label} {detail[name]}" for name, label in ways.items() if detail.get(name)]
    device = [str(detail["device"])] if detail.get("device") else []
    return [*device, *measured, *said, *more]


def _quantity(name: str) -> str:
    known = CATALOGUE.get(name)
    return known.zh if known else name


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _text(detail: Detail, name: str) -> str:
    return str(detail.get(name) or "")


def _titled(zh: str, en: str) -> Callable[[Detail], Text]:
    return lambda d: Text(f"{zh}：{_text(d, 'title_zh')}", f"{en}: {_text(d, 'title_en')}")


def _fixed(zh: str, en: str) -> Callable[[Detail], Text]:
    return lambda _: Text(zh, en)


def _ended(zh: str, en: str, name: str) -> Callable[[Detail], Text]:
    """With one value behind it."""
    return lambda d: Text(f"{zh} {_text(d, name)}".rstrip(), f"{en} {_text(d, name)}".rstrip())


def _goal(zh: str, en: str) -> Callable[[Detail], Text]:
    def told(d: Detail) -> Text:
        goal = GOALS.get(_text(d, "goal"), (_text(d, "goal"),) * 2)
        left = d.get("left")
        span = lasted(round(left * SECOND)) if isinstance(left, float) else ""
        return Text(f"{goal[0]}{zh} {span}".rstrip(), f"{goal[1].capitalize()} {en} {span}".rstrip())

    return told


def _push(zh: str, en: str) -> Callable[[Detail], Text]:
    def told(d: Detail) -> Text:
        to = f"{_text(d, 'channel')} {_text(d, 'to')}".strip()
        attempt = d.get("attempt")
        again = isinstance(attempt, float) and attempt > 1
        return Text(
            f"{zh}：{to}" + (f"（第 {attempt:g} 次）" if again else ""),
            f"{en}: {to}" + (f" (attempt {attempt:g})" if again else ""),
        )

    return told


_MODES: Mapping[str, tuple[str, str]] = {
    "armed": ("联动已下发", "Commanded"),
    "dry-run": ("联动（试运行，未下发）", "Would have been commanded (dry run)"),
    "refused": ("联动未下发", "Not commanded"),
}
_REASONS: Mapping[str, Text] = {str(why): said for words_of in (WHY, FAILURES) for why, said in words_of.items()}


def _commanded(d: Detail) -> Text:
    """What was only meant, or refused, must not read as if it had been sent."""
    return _command(*_MODES.get(_text(d, "mode"), ("联动", "Linkage")))(d)


def _command(zh: str, en: str) -> Callable[[Detail], Text]:
    def told(d: Detail) -> Text:
        why = _text(d, "why")
        reason = _REASONS.get(why, Text(why, why))
        return Text(
            f"{zh}：{_text(d, 'command_zh')} {reason.zh}".rstrip(),
            f"{en}: {_text(d, 'command_en')} {reason.en}".rstrip(),
        )

    return told


def _escalated(d: Detail) -> Text:
    kind = next((KINDS[known] for known in KINDS if known == d.get("kind")), ("", ""))
    return Text(f"升级为{kind[0]}：{_text(d, 'title_zh')}", f"Escalated to {kind[1]}: {_text(d, 'title_en')}")


def _closed(d: Detail) -> Text:
    found = DISPOSITIONS.get(_text(d, "disposition"), ("", ""))
    return Text(f"结案：{found[0]}", f"Closed: {found[1]}")


def _returned(d: Detail) -> Text:
    if d.get("latched"):
        return Text("读数恢复，报警锁定待复位", "Readings back to normal, latched until reset")
    if d.get("because"):
        changed = d["because"] == "rule changed"
        return Text(
            f"规则已{'修改' if changed else '删除'}，报警结束",
            f"Ended, for its rule was {'changed' if changed else 'removed'}",
        )
    return Text("恢复正常", "Back to normal")


_WORDS: Mapping[str, Callable[[Detail], Text]] = {
    Step.RAISED: _titled("报警", "Alarm"),
    Step.JOINED: _titled("又有报警并入", "Another alarm joined"),
    Step.ESCALATED: _escalated,
    Step.CONFIRMED: _titled("报警得到证实", "Confirmed by live evidence"),
    Step.RETURNED: _returned,
    Step.REALARM: _titled("再次报警", "Alarm again"),
    Step.DISPATCHED: _ended("已派单", "Dispatched", "station"),
    Step.PUSH_QUEUED: _push("推送待发", "Push queued"),
    Step.PUSH_ACCEPTED: _push("推送送达", "Push accepted"),
    Step.PUSH_FAILED: _push("推送失败，将重试", "Push failed, will be tried again"),
    Step.PUSH_DEAD: _push("推送放弃", "Push given up"),
    Step.ACKNOWLEDGED: _fixed("确认接警", "Acknowledged"),
    Step.ON_SCENE: _fixed("到场", "On scene"),
    Step.RESOLVED: _fixed("处置完成", "Resolved"),
    Step.RESET: _fixed("复位", "Reset"),
    Step.CLOSED: _closed,
    Step.NOTE: _fixed("备注", "Note"),
    Step.OVERDUE: _goal("超时", "overdue"),
    Step.WARNED: _goal("即将超时，剩余", "due soon, left"),
    Step.UNCOVERED: _fixed("无人可派：该区域没有可推送的站点", "Nobody to send: no station can be told of this zone"),
    Step.CALLED: _ended("呼叫", "Called", "targets"),
    Step.EXHAUSTED: _fixed("呼叫完毕，仍无人接警", "Everybody was called, nobody has acknowledged"),
    Step.HANDED_OVER: _ended("移交上级", "Handed over to", "to"),
    Step.FLOOD: _ended("多处报警，归入", "Alarm flood, under", "scope"),
    Step.WITHHELD: _ended("推送被抑制", "Withheld from paging", "why"),
    Step.RELEASED: _fixed("抑制结束", "No longer withheld"),
    Step.COMMANDED: _commanded,
    Step.COMMAND_DONE: _command("联动完成", "Command done"),
    Step.COMMAND_FAILED: _command("联动失败", "Command failed"),
}
