"""What a push says, taken apart: its headline, and the lines below it, in one language at a time.

Knows no channel and no limit on length; monitor/wording.py and monitor/brevity.py make messages of these. Whatever is missing in
a push makes no line, and whatever is strange in it is shown as plain text: a message is never lost for a field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeAlias

from monitor.plain_words import plain
from monitor.vocabulary import CONDITIONS, DISPOSITIONS, DRILL, GOALS, KINDS, NEWS, ROLES, STATES, TYPES, Words, word
from rules.model import Kind, Micros, Push

Quantities: TypeAlias = Mapping[str, tuple[str, str, str]]
"""name → (Chinese name, English name, unit); what is missing is shown by its bare name."""

NONE: Quantities = {}

CALLS = frozenset(
    f"incident.{kind}" for kind in ("dispatch", "call", "reinforce", "verify", "warning", "overdue", "flood")
)
"""Types that somebody is asked to acknowledge by."""
_SHOWN = 5
"""Devices, zones and values named one by one; a building on fire has hundreds."""
_MERGED = 20
"""Messages that a digest names one by one."""
_CHINA = timezone(timedelta(hours=8))
_DEVICES = ("涉及设备", "Devices")
_READING = ("实测", "Measured")
ADVICE = ("处置建议", "What to do")
_ALSO = ("另有", "Also")

Fact: TypeAlias = tuple[str, str]
"""A label and what it says."""


def place(push: Push, language: int) -> str:
    """Where it is: the zone's name, or what is known instead."""
    incident = incident_of(push)
    return _said(incident.get("zone_name"), language) or plain(incident.get("zone") or incident.get("site") or "")


def address(push: Push, language: int) -> str:
    """Street and number, in pushes to who comes from elsewhere."""
    return _said(push.body.get("address"), language)


def advised(push: Push, language: int) -> str:
    """What to do about it."""
    return _said(push.body.get("advice"), language)


def matter(push: Push, language: int) -> str:
    """What has happened, in the rule's words."""
    return _said(incident_of(push).get("title"), language) or plain(push.incident)


def label(push: Push, language: int) -> str:
    """Kind and reason in a few words: `火警超时`, `FIRE OVERDUE`."""
    incident, sort = incident_of(push), str(push.body.get("type", ""))
    form = TYPES.get(sort, ("{}", "{}"))
    if sort == "incident.dispatch" and incident.get("suspected"):
        form = TYPES["incident.verify"]
    elif sort == "incident.update":
        form = NEWS.get(str(push.body.get("news", "")), form)
    return form[language].format(KINDS[push.kind][language])


def drill(push: Push) -> bool:
    """Is it an exercise? Then every text says so first."""
    return bool(incident_of(push).get("exercise"))


def goal(push: Push, language: int) -> str:
    """The step that is due soon or overdue; empty when the push is about none."""
    incident, sort = incident_of(push), push.body.get("type")
    if sort not in ("incident.overdue", "incident.warning"):
        return ""
    said = push.body.get("goal")
    steps = [said] if said else _list(incident.get("overdue")) or [push.body.get("step", "")]
    return ("、" if language == 0 else ", ").join(_word(GOALS, step, language) for step in steps[:_SHOWN])


def name_of(push: Push, language: int) -> str:
    """Name of the one person it is for; empty when it is for whoever listens."""
    to = _map(push.body.get("to"))
    return _said(to.get("name"), language) or plain(to.get("key") or push.to)


def person(push: Push, language: int) -> str:
    """Name and role of that person."""
    name, role = name_of(push, language), _word(ROLES, _map(push.body.get("to")).get("role"), language)
    return f"{name} ({role})" if name and role else name


def headline(push: Push, language: int) -> str:
    """`【火警】3号楼2层充电库 感烟报警`: what and where, in one language (0 Chinese, 1 English)."""
    where, what = place(push, language), matter(push, language)
    # Titles made by rules often name the place themselves; saying it twice pushes the rest off the screen.
    place_and_matter = what if where and where in what else f"{where} {what}".strip()
    before = DRILL[language] if drill(push) else ""
    shown = f"【{label(push, language)}】" if language == 0 else f"[{label(push, language)}] "
    return f"{before}{shown}{place_and_matter}"


def facts(
    push: Push, language: int, quantities: Quantities, clean: Callable[[str], str] = str
) -> Iterator[tuple[str, str]]:
    """The lines below the headline; a field that is missing makes no line. `clean` is applied to all that is shown."""
    incident = incident_of(push)
    overdue = push.body.get("type") == "incident.overdue"
    found: tuple[tuple[Words, str], ...] = (
        (("呼叫", "To"), person(push, language)),
        (("已超时", "Overdue") if overdue else ("即将超时", "Due soon"), goal(push, language)),
        (("操作人", "By"), plain(push.body.get("by") or "")),
        (("多处报警", "Flood"), _flood(push, language)),
        (("开始时间", "Since"), _moment(incident.get("raised_at"))),
        (("地址", "Address"), address(push, language)),
        (("楼栋", "Building"), _said(incident.get("building_name") or incident.get("building"), language)),
        (_DEVICES, _devices(incident, language)),
        (_READING, _values(_map(push.body.get("reading")), language, quantities)),
        (("状态", "State"), _state(incident, language)),
        (("处置结论", "Disposition"), _word(DISPOSITIONS, incident.get("disposition"), language)),
        (ADVICE, advised(push, language)),
        (("微型消防站", "Station"), _station(push, incident, language)),
        (("回拨电话", "Call back"), plain(push.body.get("callback") or "")),
        (("事件编号", "Incident"), plain(incident.get("id") or push.incident)),
    )
    for words, value in found:
        if value:
            yield words[language], clean(value)
    others = others_in(push)
    for other in others[:_MERGED]:
        yield _ALSO[language], clean(headline(other, language))
    if len(others) > _MERGED:
        more = len(others) - _MERGED
        yield _ALSO[language], f"{more} 条" if language == 0 else f"{more} more"


def _flood(push: Push, language: int) -> str:
    """`12 起，地下车库、3号楼 等6处`."""
    flood = _map(push.body.get("flood"))
    if not flood:
        return ""
    zones = [_said(zone, language) or plain(_map(zone).get("key") or "") for zone in _list(flood.get("zones"))]
    shown, more = [zone for zone in zones if zone][:_SHOWN], flood.get("more")
    total = len(zones) + (more if isinstance(more, int) else 0)
    names = ("、" if language == 0 else ", ").join(shown)
    if total > len(shown):
        names += f" 等{total}处" if language == 0 else f" and {total - len(shown)} more"
    alarms = plain(flood.get("alarms") or "")
    return f"{alarms} 起，{names}" if language == 0 else f"{alarms} alarms: {names}"


def merged(push: Push) -> list[Mapping[str, object]]:
    """The bodies of all that were merged into this push, its head's first; empty for a push that is one."""
    return [_map(_map(entry).get("body")) for entry in _list(push.body.get("merged"))]


def others_in(push: Push) -> list[Push]:
    """The pushes that were merged into this one beside the first, which is its head; each with its own words."""
    found = []
    for entry, body in list(zip(_list(push.body.get("merged")), merged(push), strict=True))[1:]:
        if (kind := _map(entry).get("kind")) in KINDS:
            found.append(replace(push, kind=Kind(str(kind)), body=body))
    return found


def _devices(incident: Mapping[str, object], language: int) -> str:
    devices = [plain(device) for device in _list(incident.get("devices"))]
    last = plain(incident.get("last_device") or "")
    # The newest one first: that is where it burns now.
    named = list(dict.fromkeys([last, *devices] if last else devices))
    names = _map(incident.get("device_names"))
    shown = ("、" if language == 0 else ", ").join(_said(names.get(key) or key, language) for key in named[:_SHOWN])
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
        _word(STATES, incident.get("state"), language),
        _word(CONDITIONS, incident.get("condition"), language),
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


def rfc3339(at: Micros) -> str:
    """A moment as programs are told it, with China's offset and milliseconds."""
    return _from_micros(at).astimezone(_CHINA).isoformat(timespec="milliseconds")


def _from_micros(at: Micros) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)


def _said(value: object, language: int) -> str:
    """A text in both languages; the other one when this one is missing."""
    if isinstance(value, Mapping):
        zh, en = plain(value.get("zh") or ""), plain(value.get("en") or "")
        return (zh or en) if language == 0 else (en or zh)
    return plain(value) if value else ""


def _word(words: Mapping[str, Words], value: object, language: int) -> str:
    return word(words, value, language, plain(value)) if value else ""


def incident_of(push: Push) -> Mapping[str, object]:
    """The incident's record as the push holds it; empty when it holds none."""
    return _map(push.body.get("incident"))


def _map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else []
