"""What a rule may tell devices to do (联动), and what a site allows of it: a closed catalogue of commands, targets and permits.

Knows no alarm and no incident; linkage.py decides. Every command leaves people safer when it comes for nothing; what undoes one
(power back on, a siren silenced, a door locked) is done by a person at the device, never by a rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from rules.model import SECOND, Micros, Text

CHANNEL = "linkage"
"""The channel of pushes that command devices; no site can have another one of that name."""
EXPIRES: Micros = 30 * SECOND
"""A command that has not reached its device by then is never carried out: who comes later finds another situation."""
MOST_TARGETS = 20
"""Devices that one alarm commands by one line of its rule; more than these hang on a line of their own in a control room."""


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that a device can be told."""

    name: str
    words: Text
    kinds: frozenset[str]
    """Kinds of devices that understand it."""
    quantity: str
    """The device's own word that shows that it is done …"""
    shows: bool
    """… and what it says then."""


def _command(name: str, zh: str, en: str, kinds: str, quantity: str, *, shows: bool) -> Command:
    return Command(name, Text(zh, en), frozenset(kinds.split()), quantity, shows)


COMMANDS: Mapping[str, Command] = MappingProxyType({
    c.name: c
    for c in (
        # GB 50116-2013 4.10.1: power that fire fighting does not need is cut where it burns.
        _command("cut_power", "切断电源", "Cut the power", "charger socket breaker", "relay_closed", shows=False),
        # 4.8: sounders of the whole building on a confirmed fire.
        _command("sound", "启动声光警报", "Sound the alarm", "siren smoke_detector heat_detector", "siren", shows=True),
        # 4.10.3: doors on ways out that are kept locked open by themselves.
        _command("release_door", "释放门禁", "Release the door", "access_door", "door_locked", shows=False),
        # 4.6.1: fire doors that stand open are closed.
        _command("close_fire_door", "关闭常开防火门", "Close the fire door", "fire_door", "door_open", shows=False),
        # 4.7.1; EN 81-73: lifts go to the main floor and stay there with open doors. None is ever stopped between floors.
        _command("recall_lift", "电梯迫降", "Recall the lift", "lift", "lift_recalled", shows=True),
        # GB 50028: gas is shut off where it leaks.
        _command("close_valve", "关闭燃气阀", "Close the gas valve", "gas_valve", "valve_closed", shows=True),
    )
})  # fmt: skip
"""All that can be commanded, by name."""


class Place(StrEnum):
    """Where the devices are that a rule commands."""

    SELF = "self"
    """The very device whose reading decided."""
    ZONE = "zone"
    """The incident's zone."""
    BUILDING = "building"
    """Its building; where the site file names none, the zone alone."""


@dataclass(frozen=True, slots=True)
class Order:
    """One line of a rule's `linkage`."""

    command: str
    place: Place
    kind: str = ""
    """Of the devices in a zone or building."""


class Mode(StrEnum):
    """What becomes of commands at a site."""

    DRY_RUN = "dry-run"
    """The timeline says what would have been commanded; nothing is sent."""
    ARMED = "armed"


@dataclass(frozen=True, slots=True)
class Permit:
    """A command that a site allows, and to which devices (searched in full over `site/device`)."""

    command: str
    devices: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Permits:
    """What a site says of linkage; as it stands here nothing is allowed and nothing is sent."""

    mode: Mode = Mode.DRY_RUN
    allow: tuple[Permit, ...] = ()
    timeout: Micros = 10 * SECOND
    """How long a device may take to show that it has obeyed, from when the broker took the command."""
    at_most_per_minute: int = 20

    def allows(self, command: str, device: str) -> bool:
        """Does the list name it?"""
        return any(p.command == command and p.devices.fullmatch(device) is not None for p in self.allow)


class Why(StrEnum):
    """Why a device was not commanded."""

    NOT_ALLOWED = "not-allowed"
    EVIDENCE = "evidence"
    WITHHELD = "withheld"
    EXERCISE = "exercise"
    IN_TEST = "in-test"
    MISUNDERSTOOD = "misunderstood"
    TOO_MANY_DEVICES = "too-many-devices"
    TOO_MANY_COMMANDS = "too-many-commands"
    RECOVERED = "recovered"


WHY: Mapping[Why, Text] = MappingProxyType({
    Why.NOT_ALLOWED: Text("站点配置未允许", "the site file does not allow it"),
    Why.EVIDENCE: Text("证据不是实时的，需人工核实", "the evidence is not live: a person must verify"),
    Why.WITHHELD: Text("报警被抑制（测试、搁置或作业许可）", "the alarm is withheld: test, shelved or works permit"),
    Why.EXERCISE: Text("演练", "it is a drill"),
    Why.IN_TEST: Text("目标设备或其区域正在测试", "somebody works on the device or in its zone"),
    Why.MISUNDERSTOOD: Text("此类设备不支持该指令", "devices of this kind do not understand it"),
    Why.TOO_MANY_DEVICES: Text("设备超过上限，其余未下发", "more devices than are commanded at once; the rest was left out"),
    Why.TOO_MANY_COMMANDS: Text("一分钟内指令过多", "too many commands within a minute"),
    Why.RECOVERED: Text("重启后警情记录不一致，需到现场操作", "the record was mended after a restart: look at the device"),
})  # fmt: skip
"""The same in words."""


class Failure(StrEnum):
    """Why a command that was sent is not known to be done."""

    REFUSED = "refused-by-device"
    NOT_DELIVERED = "not-delivered"
    TIMEOUT = "timeout"


FAILURES: Mapping[Failure, Text] = MappingProxyType({
    Failure.REFUSED: Text("设备拒绝执行", "the device refused"),
    Failure.NOT_DELIVERED: Text("未送达，或不知是否送达", "not delivered, or nobody knows whether it was"),
    Failure.TIMEOUT: Text("设备未在时限内确认", "the device did not confirm in time"),
})  # fmt: skip
"""The same in words."""
