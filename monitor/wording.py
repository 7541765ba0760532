"""The words of a push: one line, plain text or Markdown for people (Chinese first), an envelope for programs.

Knows no channel and no network; it is told how many bytes a message may have.

A dispatcher reads the first line at three in the morning on a small screen: what and where stand there, nothing else.
Below come since when, which device, what it measured, what to do, and the incident's id. All of it in Chinese first, so
that a limit on length cuts the English copy before anything that has not been said yet.

Names of devices and zones are written by strangers. They are brought onto one line without control characters, and in
Markdown the signs that could become a link, a mention or a heading are replaced by their full-width twins: the robots
do not agree on a way of escaping, and every one of them shows these as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeAlias

from rules.model import Kind, Micros, Push

Quantities: TypeAlias = Mapping[str, tuple[str, str, str]]
"""name → (Chinese name, English name, unit); what is missing is shown by its bare name."""

NONE: Quantities = {}

_KINDS = {
    Kind.FIRE: ("火警", "FIRE"),
    Kind.PREALARM: ("预警", "PRE-ALARM"),
    Kind.SUPERVISORY: ("监管", "SUPERVISORY"),
    Kind.FAULT: ("故障", "FAULT"),
}
_TYPES = {
    "incident.dispatch": ("{}", "{}"),
    "incident.overdue": ("{}超时", "{} OVERDUE"),
    "incident.verify": ("疑似{}，请核实", "SUSPECTED {}, VERIFY"),
    "incident.update": ("{}更新", "{} UPDATE"),
    "incident.state": ("{}状态", "{} STATE"),
    "incident.closed": ("{}已结案", "{} CLOSED"),
}
_STATES = {
    "raised": ("已报警", "raised"),
    "dispatched": ("已派单", "dispatched"),
    "acknowledged": ("已接警", "acknowledged"),
    "on_scene": ("已到场", "on scene"),
    "resolved": ("已处置", "resolved"),
    "closed": ("已结案", "closed"),
}
_CONDITIONS = {
    "active": ("报警中", "active"),
    "returned": ("已恢复正常", "back to normal"),
    "latched": ("已锁定，待复位", "latched, waits for reset"),
}
_DISPOSITIONS = {
    "fire": ("真实火情", "fire"),
    "nuisance": ("误报", "nuisance"),
    "test": ("测试", "test"),
    "works": ("施工", "works"),
    "unknown": ("原因不明", "unknown"),
}
_OVERDUE = {
    "dispatch": ("派单", "dispatch"),
    "acknowledge": ("接警", "acknowledgement"),
    "on_scene": ("到场", "arrival"),
    "resolve": ("处置", "resolution"),
}
_SHOWN = 5
"""Devices and values named one by one; a building on fire has hundreds."""
_CHINA = timezone(timedelta(hours=8))
_DEVICES = ("涉及设备", "Devices")
_READING = ("实测", "Measured")
_ADVICE = ("处置建议", "What to do")

Fact: TypeAlias = tuple[str, str]
"""A label and what it says."""


def title(push: Push, *, limit: int | None = None) -> str:
    """One line, both languages: `【火警】3号楼2层充电库 感烟报警 | [FIRE] …`; at most `limit` bytes of UTF-8."""
    return cut(f"{_headline(push, 0)} | {_headline(push, 1)}", limit)


def text(push: Push, *, quantities: Quantities = NONE, limit: int | None = None) -> str:
    """Plain text, Chinese, an empty line, English; at most `limit` bytes of UTF-8."""
    blocks = []
    for language, colon in ((0, "："), (1, ": ")):
        facts = (f"{label}{colon}{value}" for label, value in _facts(push, language, quantities))
        blocks.append("\n".join((_headline(push, language), *facts)))
    return cut("\n\n".join(blocks), limit)


def markdown(push: Push, *, quantities: Quantities = NONE, limit: int | None = None) -> str:
    """The same as Markdown that DingTalk and WeCom both show; at most `limit` bytes of UTF-8."""
    blocks = []
    for language, colon in ((0, "："), (1, ": ")):
        facts = (
            f"> {label}{colon}**{value}**  " if label in _ADVICE else f"> {label}{colon}{value}  "
            for label, value in _facts(push, language, quantities, disarm)
        )
        blocks.append("\n".join((f"### {disarm(_headline(push, language))}", "", *facts)))
    return cut("\n\n".join(blocks), limit)


def pages(push: Push) -> bool:
    """Must somebody move? Then people are mentioned by name; mere news of an incident mentions nobody."""
    return push.body.get("type") not in ("incident.update", "incident.state", "incident.closed")


def envelope(push: Push) -> dict[str, object]:
    """What programs are sent, the same on every attempt: `type`, `timestamp` (of the push, RFC 3339), `key`, `data`."""
    data = dict(push.body)
    kind = data.pop("type", "incident")
    return {"type": kind, "timestamp": _rfc3339(push.at), "key": push.key, "data": data}


def cut(words: str, limit: int | None) -> str:
    """At most `limit` bytes of UTF-8, whole characters, `…` at the end for the rest. Lone surrogates become `?`."""
    raw = words.encode("utf-8", "replace")
    if limit is None or len(raw) <= limit:
        return raw.decode()
    mark = "…".encode()
    if limit < len(mark):
        return raw[: max(0, limit)].decode("utf-8", "ignore")
    return raw[: limit - len(mark)].decode("utf-8", "ignore") + mark.decode()


def plain(value: object) -> str:
    """On one line, without control characters and signs that turn the direction of writing."""
    return _SPACE.sub(" ", _UNSEEN.sub(" ", str(value))).strip()


def disarm(words: str) -> str:
    """Nothing in it is Markdown, a mention or a link any more; for people it looks the same."""
    return _EDGE.sub("＿", words.translate(_FULL_WIDTH)).replace("://", "：//")


_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_SPACE = re.compile(r"\s+")
_EDGE = re.compile(r"(?<!\w)_|_(?!\w)|__+")
"""An underscore inside a name is no emphasis, and identifiers must stay fit for copying."""
_FULL_WIDTH = str.maketrans("<>[]()*`~#|\\!@", "＜＞［］（）＊｀～＃｜＼！＠")


def _headline(push: Push, language: int) -> str:
    incident = _map(push.body.get("incident"))
    sort = str(push.body.get("type", ""))
    if incident.get("suspected") and sort == "incident.dispatch":
        sort = "incident.verify"
    label = _TYPES.get(sort, ("{}", "{}"))[language].format(_KINDS[push.kind][language])
    where = _said(incident.get("zone_name"), language) or plain(incident.get("zone") or incident.get("site") or "")
    what = _said(incident.get("title"), language) or plain(push.incident)
    # Titles made by rules often name the place themselves; saying it twice pushes the rest off the screen.
    place_and_matter = what if where and where in what else f"{where} {what}".strip()
    return f"【{label}】{place_and_matter}" if language == 0 else f"[{label}] {place_and_matter}"


def _facts(
    push: Push, language: int, quantities: Quantities, clean: Callable[[str], str] = str
) -> Iterator[tuple[str, str]]:
    """The lines below the headline; a field that is missing makes no line. `clean` is applied to all that is shown."""
    incident = _map(push.body.get("incident"))
    found = (
        (("已超时", "Overdue"), _overdue(push, incident, language)),
        (("开始时间", "Since"), _moment(incident.get("raised_at"))),
        (("楼栋", "Building"), plain(incident.get("building") or "")),
        (_DEVICES, _devices(incident, language)),
        (_READING, _values(_map(push.body.get("reading")), language, quantities)),
        (("状态", "State"), _state(incident, language)),
        (("处置结论", "Disposition"), _word(_DISPOSITIONS, incident.get("disposition"), language)),
        (_ADVICE, _said(push.body.get("advice"), language)),
        (("微型消防站", "Station"), _station(push, incident, language)),
        (("事件编号", "Incident"), plain(incident.get("id") or push.incident)),
    )
    for label, value in found:
        if value:
            yield label[language], clean(value)


def _overdue(push: Push, incident: Mapping[str, object], language: int) -> str:
    if push.body.get("type") != "incident.overdue":
        return ""
    steps = _list(incident.get("overdue")) or [push.body.get("step", "")]
    return ("、" if language == 0 else ", ").join(_word(_OVERDUE, step, language) for step in steps[:_SHOWN])


def _devices(incident: Mapping[str, object], language: int) -> str:
    devices = [plain(device) for device in _list(incident.get("devices"))]
    last = plain(incident.get("last_device") or "")
    # The newest one first: that is where it burns now.
    named = list(dict.fromkeys([last, *devices] if last else devices))
    shown = ("、" if language == 0 else ", ").join(named[:_SHOWN])
    more = len(named) - _SHOWN
    if more > 0:
        shown += f" 等{len(named)}台" if language == 0 else f" and {more} more"
    return shown


def _values(reading: Mapping[str, object], language: int, quantities: Quantities) -> str:
    shown = []
    for name, value in list(reading.items())[:_SHOWN]:
        *names, unit = quantities.get(name, (name, name, ""))
        shown.append(f"{plain(names[language])} {_value(value, language)}{' ' + unit if unit else ''}")
    return ("；" if language == 0 else "; ").join(shown)


def _value(value: object, language: int) -> str:
    if isinstance(value, bool):
        return ("是" if value else "否") if language == 0 else ("yes" if value else "no")
    return f"{value:.4g}" if isinstance(value, float) and abs(value) < 10_000 else plain(value)


def _state(incident: Mapping[str, object], language: int) -> str:
    parts = (
        _word(_STATES, incident.get("state"), language),
        _word(_CONDITIONS, incident.get("condition"), language),
    )
    return ("，" if language == 0 else ", ").join(part for part in parts if part)


def _station(push: Push, incident: Mapping[str, object], language: int) -> str:
    station = push.body.get("station") or incident.get("station") or ""
    if isinstance(station, Mapping):
        return _said(station.get("name"), language) or plain(station.get("key") or "")
    return plain(station)


def _moment(value: object) -> str:
    """`2026-11-22 08:00:00 (UTC+08:00)`; microseconds are shown by China's time, which has no summer time."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _shown(_from_micros(value).astimezone(_CHINA))
    if not value:
        return ""
    try:
        return _shown(datetime.fromisoformat(str(value)))
    except ValueError:
        return plain(value)


def _shown(moment: datetime) -> str:
    zone = f" ({moment.tzname()})" if moment.tzinfo else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{zone}"


def _rfc3339(at: Micros) -> str:
    return _from_micros(at).astimezone(_CHINA).isoformat(timespec="milliseconds")


def _from_micros(at: Micros) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)


def _said(value: object, language: int) -> str:
    """A text in both languages; the other one when this one is missing."""
    if isinstance(value, Mapping):
        zh, en = plain(value.get("zh") or ""), plain(value.get("en") or "")
        return (zh or en) if language == 0 else (en or zh)
    return plain(value) if value else ""


def _word(words: Mapping[str, tuple[str, str]], value: object, language: int) -> str:
    if not value:
        return ""
    known = words.get(str(value))
    return known[language] if known else plain(value)


def _map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else []
