"""Why a rule is or is not firing at a device or zone: its condition as a tree, each part with what it comes to now.

Asks the engine and changes nothing. The tree is read from the rule's own text by the language's own checker and evaluated by its
own closures, so it cannot say anything else than the engine does.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from monitor.explanation import Explanation, Measured, Part, UnknownRule, UnknownSubject
from monitor.rule_sources import RuleSource, sources
from monitor.settings.fields import write_duration
from rules import expression as ex
from rules.checking import Checker, Scope
from rules.closures import build, flag
from rules.engine import Engine, Standing
from rules.measures import TAKES_VOTES
from rules.model import (
    HUMAN_REPORT,
    AlarmState,
    Device,
    Incident,
    Kind,
    Measure,
    Micros,
    Neighbourhood,
    Text,
    Value,
    Zone,
)
from rules.quantities import CATALOGUE
from rules.rule import Rule
from rules.rulebook import Confirm, ConfirmEntry
from rules.syntax import Source
from rules.voting import Voting

DEVICES_SHOWN = 50
"""Devices of a zone that are shown one by one."""

Heard = Mapping[tuple[str, str], Micros]
"""(device, quantity) → when it last came, as far as the caller has followed the tape."""


class Place(NamedTuple):
    """A device in its zone, with its newest values, reported and derived."""

    device: Device
    zone: Zone
    values: Mapping[str, Value]


def explain(
    engine: Engine, neighbourhood: Neighbourhood, rule_id: str, subject: str, *,
    at: Micros | None = None, heard: Heard | None = None, known: Mapping[str, RuleSource] | None = None,
) -> Explanation:  # fmt: skip
    """The explanation at the engine's own time, or at a later `at` if nothing was due in between.

    `known` are the sources of the engine's book, to be given by who asks often. Raises UnknownRule, UnknownSubject.
    """
    rule = engine.book.by_id.get(rule_id)
    if rule is None:
        raise UnknownRule(rule_id)
    source = (known or sources(engine.book))[rule_id]
    moment = engine.now if at is None else at
    standing = engine.standing(rule, subject)
    where = clear = None
    aside: Mapping[str, Measure] = {}
    if isinstance(source.entry, ConfirmEntry) and rule.voting is not None:
        places, applies = _watched(engine, neighbourhood, rule, subject, rule.voting.adjacent)
        aside = _aside(engine, rule, places)
        when = _confirmed(rule, rule.voting, source.entry.confirm, subject, places, aside, engine.waited)
    elif rule.check is None:
        places, applies = _watched(engine, neighbourhood, rule, subject)
        aside = _aside(engine, rule, places)
        mute = {key for key, measure in aside.items() if measure is Measure.TEST}
        when = _ZoneTree(source.entry.when, places, mute).root()
        clear = _ZoneTree(source.entry.clear, places, mute).root() if source.entry.clear else None
    else:
        place = _device(engine, neighbourhood, subject)
        places = [place]
        where = _DeviceTree(source.entry.where, place, Scope.WHERE).root() if source.entry.where else None
        applies = place.device.kind in rule.devices and (rule.where is None or rule.where(place.device, place.zone))
        when = _DeviceTree(source.entry.when, place).root()
        clear = _DeviceTree(source.entry.clear, place).root() if source.entry.clear else None
    measured = tuple(_measured(engine, rule, places, heard or {}))
    missing = tuple(_missing(rule, places))
    return Explanation(
        rule.id, rule.kind, rule.title, subject, moment, applies, standing.state, standing.incident, when, where, clear,
        rule.hold, rule.clear_for, rule.latch, standing.due, measured, missing,
        (
            *_sentences(rule, subject, places, applies, when, standing, moment, measured, missing),
            *_kept_back(engine.incident(standing.incident)), *_set_aside(aside),
        ),
    )  # fmt: skip


# --- who is asked -----------------------------------------------------------------------------------------------------


def _device(engine: Engine, neighbourhood: Neighbourhood, key: str) -> Place:
    seen = engine.device(key)
    device = seen.device if seen else neighbourhood.devices.get(key)
    if device is None:
        # A throw-away copy answers for devices known by pattern: a mere question must not count as a device seen.
        device = Neighbourhood(zones=neighbourhood.zones, stations=(), patterns=neighbourhood.patterns).device(key)
    if device is None:
        raise UnknownSubject(f"there is no device {key}; this rule is about devices")
    return Place(device, neighbourhood.zones[device.zone], {**seen.values, **seen.derived} if seen else {})


def _watched(
    engine: Engine, neighbourhood: Neighbourhood, rule: Rule, key: str, adjacent: bool = False
) -> tuple[list[Place], bool]:
    """The devices of a zone (and of the adjacent ones) that the rule asks, by key; and whether any is in the zone itself."""
    zone = neighbourhood.zones.get(key)
    if zone is None:
        raise UnknownSubject(f"there is no zone {key}; this rule is about zones")
    area = {key, *(zone.adjacent if adjacent else ())}
    zones = neighbourhood.zones
    inside = sorted(
        name for name, device in neighbourhood.devices.items()
        if device.zone in area and device.kind in rule.devices
        and (rule.where is None or rule.where(device, zones[device.zone]))
    )  # fmt: skip
    places = [_device(engine, neighbourhood, name) for name in inside]
    return places, any(place.zone.key == key for place in places)


def _aside(engine: Engine, rule: Rule, places: Sequence[Place]) -> dict[str, Measure]:
    """The devices that a measure takes out of service for a rule about a zone, as the engine has it: the strongest of each."""
    if rule.kind.rank > Kind.PREALARM.rank:
        return {}
    taken = {(s.subject, s.measure) for s in engine.suppressions if not s.rule}
    found = {}
    for place in places:
        names = (place.device.key, place.zone.key)
        mine = [m for m in TAKES_VOTES if any((name, m) in taken for name in names)]
        if mine and place.device.kind != HUMAN_REPORT:
            found[place.device.key] = mine[0]
    return found


# --- trees ------------------------------------------------------------------------------------------------------------


class _DeviceTree:
    """A condition on one device (or on the site file alone)."""

    def __init__(self, text: str, place: Place, scope: Scope = Scope.DEVICE) -> None:
        self._source = Source(text)
        self._place = place
        self._scope = scope

    def root(self) -> Part:
        """The whole condition."""
        node = self._source.parse()
        return self.part(node, condition=True)

    def part(self, node: ast.expr, *, condition: bool = False) -> Part:
        """A part as it is written, and the parts of it."""
        found = Checker(self._source, self._scope, []).value(node)
        place = self._place
        value = None
        if found is not None:
            value = (flag if condition else build)(found)(place.values, place.device, place.zone)
        return Part(self._source.shown(node), value, tuple(self._below(node)))

    def _below(self, node: ast.expr) -> Iterator[Part]:
        if not isinstance(node, ast.Call):
            yield from (self.part(inner) for inner in _inside(node))
        elif isinstance(node.func, ast.Name) and node.func.id in _ASKING:
            yield from (self.part(inner, condition=True) for inner in node.args[:1])


def _confirmed(
    rule: Rule, voting: Voting, entry: Confirm, zone: str, places: Sequence[Place], aside: Mapping[str, Measure],
    waited: Micros,
) -> Part:  # fmt: skip
    """The voters of a confirmed fire: who says yes, and who cannot."""
    n = len(voting.voters)
    keys = [p.device.key for p in places]
    says = [[term(p.values, p.device, p.zone) is True for p in places] for term in rule.terms]
    yes = [
        [said and aside.get(key) is not Measure.TEST for said, key in zip(row, keys, strict=True)] for row in says[:n]
    ]
    # who never spoke is asked nothing, by the engine neither
    cannot = [[dumb and bool(p.values) for dumb, p in zip(row, places, strict=True)] for row in says[n : 2 * n]]
    quiet = [not any(row[i] for row in yes) for i in range(len(places))]
    out = [
        [
            voter.named(p.device) and alone and not dumb if p.device.key in aside else away
            for away, alone, dumb, p in zip(row, quiet, dumbs, places, strict=True)
        ]
        for voter, row, dumbs in zip(voting.voters, says[2 * n :], cannot, strict=True)
    ]
    own = [[said and p.zone.key == zone for said, p in zip(row, places, strict=True)] for row in yes]
    listed = [[p.device.kind in voter.devices for p in places] for voter in voting.voters]
    heard = [[known and bool(p.values) for known, p in zip(row, places, strict=True)] for row in listed]
    counts = [sum(row) for block in (yes, cannot, out, own, listed, heard) for row in block]
    missing = {voter.name for voter in voting.missing(counts, waited)}
    voters = []
    for i, (voter, words) in enumerate(zip(voting.voters, entry.voters.values(), strict=True)):
        asked = [(p, said) for p, known, said in zip(places, listed[i], yes[i], strict=True) if known][:DEVICES_SHOWN]
        below = []
        for place, said in asked:
            now = _DeviceTree(words.when, place).root()
            # Its word counts for the whole window; what stands below is the condition as it is now.
            below.append(Part(now.text, said, now.parts, place.device.key))
        state = " [none here]" if not below else " [out of service]" if voter.name in missing else ""
        voters.append(Part(f"{voter.name}: {words.when}{state}", bool(counts[i]), tuple(below)))
    within = write_duration(entry.within)
    return Part(
        f"{voting.needed(counts, waited)} of {n} kinds of evidence within {within}",
        voting.decide(counts, waited),
        tuple(voters),
    )


class _ZoneTree:
    """A condition on a zone: `any()` and `count()` show each device that they ask."""

    def __init__(self, text: str, places: Sequence[Place], mute: Collection[str]) -> None:
        """`mute`: devices under test, at which no term holds."""
        self._source = Source(text)
        self._places = places
        self._mute = mute

    def root(self) -> Part:
        """The whole condition."""
        return self._part(self._source.parse())

    def _part(self, node: ast.expr) -> Part:
        terms: list[ex.Expression] = []
        found = Checker(self._source, Scope.ZONE, terms).value(node)
        value = None
        if found is not None:
            asked = [flag(term) for term in terms]
            heard = [p for p in self._places if p.device.key not in self._mute]
            counts = [sum(term(p.values, p.device, p.zone) is True for p in heard) for term in asked]
            value = build(found)(counts, None, None)
        if isinstance(node, ast.Call):
            return Part(self._source.shown(node), value, tuple(self._devices(node)))
        return Part(self._source.shown(node), value, tuple(self._part(inner) for inner in _inside(node)))

    def _devices(self, call: ast.Call) -> Iterator[Part]:
        terms: list[ex.Expression] = []
        Checker(self._source, Scope.ZONE, terms).value(call)
        asked = [flag(term) for term in terms]
        for place in self._places[:DEVICES_SHOWN]:
            tree = _DeviceTree(self._source.text, place)
            for term, argument in zip(asked, call.args, strict=False):
                part = tree.part(argument, condition=True)
                # With a span behind it (`any(smoke, 5m)`) the term remembers more than the condition says now.
                value = term(place.values, place.device, place.zone) if place.device.key not in self._mute else False
                yield Part(part.text, value, part.parts, place.device.key)


_ASKING = frozenset({"held", "recent"})
"""Functions with a memory of a condition: the condition as it is now is shown below."""


def _inside(node: ast.expr) -> list[ast.expr]:
    """What a part is made of; constants explain themselves."""
    match node:
        case ast.BoolOp(values=values):
            inner = list(values)
        case ast.UnaryOp(operand=operand):
            inner = [operand]
        case ast.BinOp(left=left, right=right):
            inner = [left, right]
        case ast.Compare(left=left, comparators=others):
            inner = [left, *others]
        case _:
            inner = []
    return [part for part in inner if not isinstance(part, ast.Constant | ast.Tuple | ast.List | ast.Set)]


# --- what it stands on ------------------------------------------------------------------------------------------------


def _measured(engine: Engine, rule: Rule, places: Sequence[Place], heard: Heard) -> Iterator[Measured]:
    for place in places[:DEVICES_SHOWN]:
        key = place.device.key
        seen = engine.device(key)
        for name in (*sorted(rule.quantities), *sorted(rule.watched - rule.quantities)):
            yield Measured(
                key, name, CATALOGUE[name].unit if name in CATALOGUE else "", place.values.get(name), heard.get((key, name)),
                seen.last_at if seen else None, seen.freshness if seen else None,
            )  # fmt: skip


def _missing(rule: Rule, places: Sequence[Place]) -> Iterator[str]:
    for attribute in sorted(rule.attributes):
        owner, _, name = attribute.partition(".")
        given = [name in (p.device if owner == "device" else p.zone).attributes for p in places]
        if given and not all(given):
            yield attribute


def _sentences(
    rule: Rule, subject: str, places: Sequence[Place], applies: bool, when: Part, standing: Standing, at: Micros,
    measured: Sequence[Measured], missing: Sequence[str],
) -> Iterator[Text]:  # fmt: skip
    if not applies:
        yield from _why_not_watched(rule, subject, places)
    left = write_duration(max(standing.due - at, 0)) if standing.due is not None else "0s"
    incident = standing.incident
    match standing.state:
        case AlarmState.ACTIVE:
            yield Text(f"正在报警，事件 {incident}。", f"It is firing, as incident {incident}.")
        case AlarmState.PENDING:
            yield Text(
                f"条件成立，再持续 {left} 即报警。", f"The condition holds; it fires if it holds for {left} more."
            )
        case AlarmState.CLEARING:
            yield Text(
                f"条件已恢复，再持续 {left} 后{'锁定' if rule.latch else '结束'}，事件 {incident}。",
                f"The condition is over; after {left} more the alarm {'latches' if rule.latch else 'ends'}, incident {incident}.",
            )
        case AlarmState.LATCHED:
            yield Text(
                f"条件已恢复，等待人工复位，事件 {incident}。",
                f"It is over and waits for a reset, incident {incident}.",
            )
        case AlarmState.IDLE if applies:
            yield from _why_idle(rule, when, measured, missing)


def _kept_back(incident: Incident | None) -> Iterator[Text]:
    """Why nobody is sent for it."""
    if incident is not None and incident.withheld:
        words = incident.withheld
        yield Text(f"措施 {words} 生效，不派单。", f"Nobody is sent: the measure {words} withholds it.")
    if incident is not None and incident.suspected:
        yield Text(
            "证据不是实时的：只请人核实，实时读数确认后才派单。",
            "Its evidence is not live: somebody is asked to verify, and nobody is sent before a live reading confirms it.",
        )


def _set_aside(aside: Mapping[str, Measure]) -> Iterator[Text]:
    for measure, zh, en in (
        (Measure.TEST, "测试中，其读数不作为证据", "under test: what they say is no evidence here"),
        (Measure.IMPAIRED, "已停用", "impaired: they count as out of service"),
        (Measure.SHELVED, "已搁置", "shelved: they count as out of service"),
    ):
        keys = [key for key, found in aside.items() if found is measure]
        if keys:
            named = ", ".join(keys[:DEVICES_SHOWN])
            yield Text(f"{named} {zh}。", f"{named}: {en}.")


def _why_not_watched(rule: Rule, subject: str, places: Sequence[Place]) -> Iterator[Text]:
    kinds = ", ".join(sorted(rule.devices))
    if rule.check is None:
        yield Text(
            f"{subject} 内没有该规则监视的设备（{kinds}）。", f"No device in {subject} is watched by it ({kinds})."
        )
    elif places[0].device.kind not in rule.devices:
        kind = places[0].device.kind
        yield Text(f"规则只监视 {kinds}，该设备是 {kind}。", f"The rule watches {kinds}; this device is a {kind}.")
    else:
        yield Text("该设备不符合 where 条件。", "The `where` of the rule does not hold for this device.")


def _why_idle(rule: Rule, when: Part, measured: Sequence[Measured], missing: Sequence[str]) -> Iterator[Text]:
    if when.verdict == "true":
        yield Text(
            "条件成立但尚未报警：证据到达后再没有新的读数，或刚被复位。",
            "The condition holds and there is no alarm: it was reset, and no reading has come since.",
        )
        return
    if when.verdict == "false":
        yield Text("条件不成立。", "The condition is false.")
        return
    unknown = dict.fromkeys(m.quantity for m in measured if m.value is None)
    never = [name for name in unknown if name in CATALOGUE]
    if never:
        names = ", ".join(never)
        yield Text(f"条件未知：从未上报 {names}。", f"The condition is unknown: {names} was never reported.")
    elif unknown:
        names = ", ".join(unknown)
        yield Text(f"条件未知：{names} 还没有结果。", f"The condition is unknown: {names} has no answer yet.")
    if missing:
        names = ", ".join(missing)
        yield Text(
            f"条件未知：站点文件缺少 {names}。", f"The condition is unknown: the site file does not give {names}."
        )
    if not unknown and not missing:
        yield Text(
            "条件未知：类型不符或除以零。", "The condition is unknown: a value of another sort, or a division by zero."
        )
    if rule.check is not None:
        yield Text("未知既不报警也不恢复。", "Unknown neither raises an alarm nor ends one.")
