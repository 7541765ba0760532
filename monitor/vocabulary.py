"""The fixed words of the messages, each in Chinese and English: kinds, types, states, steps, and what is asked of people.

Knows no push and no channel: tables only. `{}` stands for the word of the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from rules.model import Kind

Words: TypeAlias = tuple[str, str]
"""Chinese, English."""

DRILL: Words = ("【演习】", "[DRILL] ")
"""Before everything that an exercise says, so that nobody runs, or stays, by mistake."""

KINDS: Mapping[Kind, Words] = {
    Kind.FIRE: ("火警", "FIRE"),
    Kind.PREALARM: ("预警", "PRE-ALARM"),
    Kind.SUPERVISORY: ("监管", "SUPERVISORY"),
    Kind.FAULT: ("故障", "FAULT"),
}
TYPES: Mapping[str, Words] = {
    "incident.dispatch": ("{}", "{}"),
    "incident.call": ("{}，无人接警", "{}, NOBODY ACKNOWLEDGED"),
    "incident.reinforce": ("{}，请增援", "{}, REINFORCE"),
    "incident.handover": ("{}移交", "{} HAND-OVER"),
    "incident.warning": ("{}即将超时", "{} DUE SOON"),
    "incident.overdue": ("{}超时", "{} OVERDUE"),
    "incident.verify": ("疑似{}，请核实", "SUSPECTED {}, VERIFY"),
    "incident.update": ("{}更新", "{} UPDATE"),
    "incident.flood": ("{}多处报警", "{} ALARM FLOOD"),
    "incident.digest": ("{}等多条", "{} AND OTHERS"),
    "incident.state": ("{}状态", "{} STATE"),
    "incident.closed": ("{}已结案", "{} CLOSED"),
}
NEWS: Mapping[str, Words] = {
    "acknowledged": ("{}已接警", "{} ACKNOWLEDGED"),
    "on_scene": ("{}已到场", "{} ON SCENE"),
    "resolved": ("{}已处置", "{} RESOLVED"),
    "closed": ("{}已结案", "{} CLOSED"),
    "exercise-over": ("{}演习结束", "{} EXERCISE OVER"),
    "linkage-failed": ("{}联动未确认", "{} COMMAND NOT CONFIRMED"),
}
"""What an update tells those who were called."""
ASKED: Mapping[str, Words] = {
    "incident.dispatch": ("请立即前往处置", "go there now"),
    "incident.call": ("尚无人接警，请立即接警", "nobody has acknowledged, please do so now"),
    "incident.reinforce": ("请立即前往增援", "go there now as reinforcement"),
    "incident.handover": ("请派员处置", "please send help"),
    "incident.verify": ("请到现场核实", "please go and look"),
    "incident.flood": ("请查看看板", "look at the board"),
}
"""What a message asks of whoever gets it: the end of a short message, the last words of a call."""
STATES: Mapping[str, Words] = {
    "raised": ("已报警", "raised"),
    "dispatched": ("已派单", "dispatched"),
    "acknowledged": ("已接警", "acknowledged"),
    "on_scene": ("已到场", "on scene"),
    "resolved": ("已处置", "resolved"),
    "closed": ("已结案", "closed"),
}
CONDITIONS: Mapping[str, Words] = {
    "active": ("报警中", "active"),
    "returned": ("已恢复正常", "back to normal"),
    "latched": ("已锁定，待复位", "latched, waits for reset"),
}
DISPOSITIONS: Mapping[str, Words] = {
    "fire": ("真实火情", "fire"),
    "nuisance": ("误报", "nuisance"),
    "test": ("测试", "test"),
    "works": ("施工", "works"),
    "unknown": ("原因不明", "unknown"),
}
GOALS: Mapping[str, Words] = {
    "dispatch": ("派单", "dispatch"),
    "acknowledge": ("接警", "acknowledgement"),
    "on_scene": ("到场", "arrival"),
    "resolve": ("处置", "resolution"),
}
ROLES: Mapping[str, Words] = {
    "dispatcher": ("值班员", "dispatcher"),
    "responder": ("处置队员", "responder"),
    "leader": ("值班站长", "duty leader"),
    "manager": ("物业负责人", "manager"),
    "grid_worker": ("网格员", "grid worker"),
    "family": ("家属", "family contact"),
}
ACKNOWLEDGE: Words = ("接警", "Acknowledge")
"""The button's."""


def word(words: Mapping[str, Words], value: object, language: int, default: str = "") -> str:
    """The table's word for a value, or `default` (the value itself, made fit to be shown) when it has none."""
    known = words.get(str(value))
    return known[language] if known else default
