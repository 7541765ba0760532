"""What is hardly ever meant of linkage: commands to devices that are not there, that the site does not allow, or on one detector's word.

Knows no book's text: it says which field and why, `rule_warnings` where that stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from monitor.settings.linkage import LinkageSettings
from rules.commands import COMMANDS, MOST_TARGETS, Order, Permits, Place
from rules.model import Device, Kind, Text, Zone
from rules.rule import Rule

Standing: TypeAlias = Mapping[str, Sequence[tuple[Device, Zone]]]
"""Kind → where its devices are. A pattern stands as `site/*` in each zone that it can reach."""


class Told(NamedTuple):
    """What is odd, and what to do."""

    reason: Text
    remedy: Text


def lonely(rule: Rule) -> Iterator[Told]:
    """A fire or pre-alarm of a single device that commands others; a call point is pressed by a person."""
    orders = [order.command for order in rule.linkage if order.place is not Place.SELF]
    grave = rule.kind in (Kind.FIRE, Kind.PREALARM)
    if orders and grave and rule.check is not None and not rule.quantities <= {"call_point", "test"}:
        yield Told(
            Text(
                f"单个探测器即可联动 {orders[0]}；GB 50116-2013 第4.1.6条要求两个独立的报警触发装置。",
                f"One detector alone gives {orders[0]}; GB 50116-2013 4.1.6 asks for two independent triggers.",
            ),
            Text("把联动写在 confirm 规则上。", "Put the linkage on a rule with `confirm`."),
        )


def unmet(rule: Rule, standing: Standing, permits: Permits) -> Iterator[Told]:
    """Commands of a rule that nothing at this site understands, or that the site does not allow."""
    for order in rule.linkage:
        targets = _targets(rule, order, standing)
        words = COMMANDS[order.command].words
        if not targets:
            kinds = order.kind or ", ".join(sorted(rule.devices & COMMANDS[order.command].kinds))
            yield Told(
                Text(f"站点里没有 {kinds}：{words.zh}不会下发。", f"The site has no {kinds}: {order.command} reaches nothing."),
                Text("登记这种设备，或删除这一行。", "Register such a device, or remove the line."),
            )  # fmt: skip
        elif not any(_allowed(permits, order.command, device) for device, _ in targets):
            yield Told(
                Text(f"站点配置未允许{words.zh}：只会记录，不会下发。", f"The site file does not allow {order.command}: it is never sent."),
                Text("在 linkage: allow 中写明设备。", "Name the devices under linkage: allow."),
            )  # fmt: skip


def crowded(rule: Rule, standing: Standing, permits: Permits) -> Iterator[Told]:
    """More devices on one line than are commanded at once, where the site allows it."""
    for order in rule.linkage:
        if order.place is Place.SELF:
            continue
        there: dict[str, int] = {}
        for device, zone in _targets(rule, order, standing):
            if _allowed(permits, order.command, device):
                # A zone of no building is a place of its own.
                whole = f"{zone.site}/{zone.building}" if order.place is Place.BUILDING and zone.building else zone.key
                there[whole] = there.get(whole, 0) + 1
        place, most = max(there.items(), key=lambda item: item[1], default=("", 0))
        if most > MOST_TARGETS:
            yield Told(
                Text(
                    f"{place} 有 {most} 台 {order.kind}，一次最多下发 {MOST_TARGETS} 台。",
                    f"{place} has {most} {order.kind}s; at most {MOST_TARGETS} are commanded at once.",
                ),
                Text("由一台控制器带动多台设备。", "Let one controller drive several of them."),
            )


def idle(linkage: LinkageSettings, standing: Standing) -> Iterator[tuple[int, Told]]:
    """(number of the entry under `allow`, …) for each that fits no device which understands the command."""
    for i, entry in enumerate(linkage.allow):
        permits = Permits(allow=tuple(entry.permits()))
        kinds = COMMANDS[entry.command].kinds
        if not any(_allowed(permits, entry.command, d) for kind in kinds for d, _ in standing.get(kind, ())):
            shown = ", ".join(entry.devices[:3])
            yield i, Told(
                Text(f"{shown} 中没有支持 {entry.command} 的设备。", f"No device of {shown} understands {entry.command}."),
                Text(f"支持的设备类型：{', '.join(sorted(kinds))}。", f"These kinds would: {', '.join(sorted(kinds))}."),
            )  # fmt: skip


def _targets(rule: Rule, order: Order, standing: Standing) -> list[tuple[Device, Zone]]:
    kinds = [order.kind] if order.kind else sorted(rule.devices & COMMANDS[order.command].kinds)
    return [pair for kind in kinds for pair in standing.get(kind, ())]


def _allowed(permits: Permits, command: str, device: Device) -> bool:
    """Of a pattern nobody knows which names will come: its site is enough."""
    if device.key != f"{device.site}/*":
        return permits.allows(command, device.key)
    return any(
        p.command == command and p.devices.pattern.startswith((f"{device.site}/", "[^/]*/")) for p in permits.allow
    )
