"""What is allowed in a rule book and hardly ever meant: cautions, each with its place, its reason and what to do, in both languages.

    of the book alone      a rule that says what another one says already; a fire without advice; numbers without reasons; chatter;
                           a way back that is the wrong way round; voters that are one; linkage on one detector's word;
                           a calendar that ends
    of the book at a site  a rule that no device can trigger; holds and windows shorter than the reporting interval; attributes
                           that nobody has; zones that no fire rule watches; linkage with nothing, or that the site does not allow

Knows no engine and no history. The shipped books are made for every neighbourhood, so that a site lacks what one of their rules
watches is no caution; that is counted (`idle`) and not told.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from string import Formatter

from monitor import linkage_warnings
from monitor.implication import implies
from monitor.linkage_warnings import Told
from monitor.rule_sources import RuleSource, sources
from monitor.settings.books import SHIPPED
from monitor.settings.fields import read_duration, write_duration
from monitor.settings.naming import Scope as Names
from monitor.settings.naming import Template
from monitor.settings.site_places import SitePlaces
from rules import expression as ex
from rules.checking import Checker, Scope
from rules.document import dotted
from rules.memory import Last, Memory, Silent
from rules.model import HUMAN_REPORT, SECOND, Device, Kind, Micros, Text, Value, Zone
from rules.quantities import CATALOGUE
from rules.rule import Rule, RuleBook
from rules.rulebook import ConfirmEntry
from rules.schedules import Calendar, DayKind
from rules.syntax import Source
from rules.windows import Extreme, Mean, Rise

INTERVAL = "report_interval"
"""The attribute that says how often a device reports: seconds, or a duration."""
NO_FIRE = "no_fire_watch"
"""The attribute of a zone in which nothing can burn, or that somebody else watches."""
NAMED = 5
"""Zones or devices that a caution names."""


@dataclass(frozen=True, slots=True, order=True)
class Caution:
    """One thing to look at again. `__str__` is one line, as compilers write it."""

    file: str
    line: int
    column: int
    field: str
    reason: Text
    remedy: Text

    def __str__(self) -> str:
        """`file:line:column: field: 原因 reason (办法 remedy)`."""
        said = f"{self.reason.zh} {self.reason.en} ({self.remedy.zh} {self.remedy.en})"
        return f"{self.file}:{self.line}:{self.column}: {self.field}: {said}"

    def __hash__(self) -> int:
        return hash((self.file, self.line, self.column, self.reason.en))


@dataclass(frozen=True, slots=True)
class Review:
    """All cautions by place, and how many shipped rules have no device at this site."""

    cautions: tuple[Caution, ...]
    idle: int = 0


def review(
    book: RuleBook,
    places: SitePlaces | None = None,
    interval: Micros | None = None,
    today: date | None = None,
) -> Review:
    """Everything worth a second look. Without `places` only what the book alone tells.

    `interval` is how often devices report whose `report_interval` the site file does not give. `today` is the date in China; without
    it nothing is said of the calendar.
    """
    rules = [_Read(rule, source) for rule, source in _pairs(book)]
    found = [*_overlaps(rules)]
    for rule in rules:
        found += _unexplained(rule)
        found += _chatters(rule)
        found += _turned_round(rule)
        found += _one_voice(rule)
        if today is not None:
            found += _calendar_ends(rule, book.calendar, today)
        found += _linked(rule, linkage_warnings.lonely(rule.rule))
    idle = 0
    if places is not None:
        site = _Site(places)
        for rule in rules:
            watched = site.watched(rule.rule)
            # People can report from every zone; that they can is no watch, so zones do not count as watched by it.
            if not watched and HUMAN_REPORT not in rule.rule.devices:
                if rule.shipped:
                    idle += 1
                else:
                    found.append(_untriggered(rule, site))
            found += _attributes(rule, site)
            found += _too_short(rule, site, watched, interval)
            found += _linked(rule, _commanding(rule, site))
        found += _unwatched_zones(rules, site)
        found += _permits(site)
    elif interval is not None:
        for rule in rules:
            found += _short_of(rule, interval, Text("指定的上报间隔", "the interval given"))
    by_place = {(c.file, c.line, c.column, c.reason.en): c for c in found}
    return Review(tuple(sorted(by_place.values(), key=lambda c: (c.file, c.line, c.column, c.reason.en))), idle)


def _pairs(book: RuleBook) -> Iterator[tuple[Rule, RuleSource]]:
    written = sources(book)
    return ((rule, written[rule.id]) for rule in book.rules)


class _Read:
    """A rule with its conditions as trees."""

    def __init__(self, rule: Rule, source: RuleSource) -> None:
        self.rule = rule
        self.source = source
        self.shipped = source.document.file.startswith(SHIPPED)
        entry = source.entry
        if isinstance(entry, ConfirmEntry):
            self.whens = [_tree(voter.when, Scope.DEVICE) for voter in entry.confirm.voters.values()]
        else:
            self.whens = [_tree(entry.when, Scope.DEVICE if rule.check is not None else Scope.ZONE)]
        self.where = _tree(entry.where, Scope.WHERE) if entry.where else None

    @cached_property
    def parts(self) -> tuple[ex.Expression, ...]:
        """Every part of its conditions; of a zone's those of the terms too."""
        whole = [expression for tree in self.whens for expression in (tree.root, *tree.terms)]
        if self.where is not None:
            whole.append(self.where.root)
        return tuple(part for expression in whole for part in ex.walk(expression))

    @property
    def memories(self) -> tuple[Memory, ...]:
        """All that it wants to be remembered."""
        return tuple(memory for _, needed in self.rule.memories for memory in needed)

    def caution(self, field: str, zh: str, en: str, remedy_zh: str, remedy_en: str) -> Caution:
        """One at a field of the rule."""
        line, column = self.source.at(field)
        where = f"{self.rule.id}.{field}" if field else self.rule.id
        return Caution(self.source.document.file, line, column, where, Text(zh, en), Text(remedy_zh, remedy_en))


@dataclass(frozen=True, slots=True)
class _Tree:
    root: ex.Expression
    terms: tuple[ex.Expression, ...]


def _tree(text: str, scope: Scope) -> _Tree:
    source = Source(text)
    terms: list[ex.Expression] = []
    root = Checker(source, scope, terms).value(source.parse())
    if root is None:
        raise ValueError(f"a condition that was accepted can no longer be read: {text}")
    return _Tree(root, tuple(terms))


# --- the book alone ---------------------------------------------------------------------------------------------------


def _overlaps(rules: Sequence[_Read]) -> Iterator[Caution]:
    """Rules about devices only: zones count, and one count implies another too seldom to be worth it."""
    alike: dict[tuple[Kind, str], list[_Read]] = {}
    for rule in rules:
        if rule.rule.check is not None:
            alike.setdefault((rule.rule.kind, rule.rule.group), []).append(rule)
    for group in alike.values():
        for i, a in enumerate(group):
            for j, b in enumerate(group):
                if i != j and _redundant(a, b) and not (j > i and _redundant(b, a)):
                    line, _ = b.source.at("when")
                    place = f"{b.rule.id} ({b.source.document.file}:{line})"
                    kinds = ", ".join(sorted(a.rule.devices & b.rule.devices))
                    yield a.caution(
                        "when",
                        f"条件成立时，同级同组的 {place} 已经报警（{kinds}）。",
                        f"Whenever it holds, {place} of the same kind and group has alarmed already ({kinds}).",
                        "删除其中一条，或改变级别、分组。",
                        "Remove one of them, or give it another kind or group.",
                    )


def _redundant(a: _Read, b: _Read) -> bool:
    """Does `b` alarm wherever `a` does, and no later?"""
    where = a.where.root if a.where else None, b.where.root if b.where else None
    return (
        a.rule.devices <= b.rule.devices
        and bool(a.rule.quantities & b.rule.quantities)
        and a.rule.hold >= b.rule.hold
        and implies(*where)
        and implies(a.whens[0].root, b.whens[0].root)
    )


def _unexplained(rule: _Read) -> Iterator[Caution]:
    r = rule.rule
    if r.kind is Kind.FIRE and r.advice is None:
        yield rule.caution(
            "advice" if rule.source.at("advice") != rule.source.at() else "",
            "火警没有处置建议：收到派单的人不知道先做什么。",
            "A fire without advice: who is sent does not read what to do first.",
            "写 advice: {zh: …, en: …}。",
            "Write advice: {zh: …, en: …}.",
        )
    numbers = any(isinstance(part, ex.Constant) and type(part.value) is float for part in rule.parts)
    if numbers and not r.source.strip() and r.kind in (Kind.FIRE, Kind.PREALARM):
        yield rule.caution(
            "when",
            "阈值没有说明依据：下一个人无法判断能否修改。",
            "A limit without a reason: the next person cannot tell whether it may be changed.",
            "写 reason: 依据的标准或测量。",
            "Write reason: the standard or the measurement behind it.",
        )


def _chatters(rule: _Read) -> Iterator[Caution]:
    r, entry = rule.rule, rule.source.entry
    bare = entry.clear is None and not r.clear_for and not r.latch and not isinstance(entry, ConfirmEntry)
    if not bare:
        return
    for tree in rule.whens:
        for part in (p for whole in (tree.root, *tree.terms) for p in ex.walk(whole)):
            match part:
                case ex.Compare("<" | "<=" | ">" | ">=", ex.Measured(name), ex.Constant()) if _continuous(name):
                    yield rule.caution(
                        "when",
                        f"{name} 在阈值附近波动时会反复报警：没有 clear，也没有 clear_for。",
                        f"When {name} hovers at the limit, alarms come and go: there is neither clear nor clear_for.",
                        "写一个较宽的 clear，或 clear_for: 60s。",
                        "Write a wider clear, or clear_for: 60s.",
                    )
                    return
                case _:
                    pass


def _turned_round(rule: _Read) -> Iterator[Caution]:
    """A way back that lies beyond the limit: it holds already while the danger does, and no longer when that is over."""
    entry = rule.source.entry
    if entry.clear is None or rule.rule.check is None:
        return
    if implies(rule.whens[0].root, _tree(entry.clear, Scope.DEVICE).root):
        yield rule.caution(
            "clear",
            "when 成立时 clear 总是成立：恢复条件的方向写反了，报警可能永不结束。",
            "It holds whenever `when` does: the comparison is the wrong way round, and the alarm may never end.",
            "写 when 不成立时才成立的条件，例如 when: temperature > 57 配 clear: temperature < 50。",
            "Write what holds only when `when` does not: clear: temperature < 50 for when: temperature > 57.",
        )


def _one_voice(rule: _Read) -> Iterator[Caution]:
    """Two kinds of evidence of which one says the other: a single signal of a single device would confirm a fire."""
    entry = rule.source.entry
    if not isinstance(entry, ConfirmEntry):
        return
    voters = list(entry.confirm.voters.items())
    for (one, a), tree in zip(voters, rule.whens, strict=True):
        for (other, b), wider in zip(voters, rule.whens, strict=True):
            shared = sorted(set(a.devices) & set(b.devices))
            if one != other and shared and implies(tree.root, wider.root):
                kinds = ", ".join(shared)
                yield rule.caution(
                    "confirm",
                    f"{one} 成立时 {other} 也成立（{kinds}）：同一信号会被当作两种独立证据。",
                    f"Whenever {one} holds, so does {other} ({kinds}): one signal would count as two independent kinds of evidence.",
                    "给它们不同的设备或不同的量。",
                    "Give them different devices or different quantities.",
                )
                return


def _continuous(name: str) -> bool:
    return name in CATALOGUE and CATALOGUE[name].kind == "number" and not name.endswith(("_count", "_time"))


def _calendar_ends(rule: _Read, calendar: Calendar, today: date) -> Iterator[Caution]:
    """The years that it asks about, now or soon, and of which nobody has told us the holidays."""
    missing = [str(year) for year in calendar.unknown_years(today)]
    asked = sorted(memory.name for memory in rule.memories if isinstance(memory, DayKind))
    if not missing or not asked:
        return
    entry, years, names = rule.source.entry, ", ".join(missing), ", ".join(asked)
    write = f"calendar: {{{missing[-1]}: {{off: […], on: […]}}}}"
    yield rule.caution(
        "clear" if all(name not in (getattr(entry, "when", "") or "") for name in asked) else "when",
        f"没有 {years} 年的法定节假日数据，{names} 在该年只按周末判断。",
        f"The public holidays of {years} are not known: weekends alone decide {names} then.",
        f"按国务院办公厅《关于{missing[-1]}年部分节假日安排的通知》在任一规则文件里写 {write}，或升级本软件。",
        f"From the yearly notice of the General Office of the State Council write {write} in any rule book, or upgrade.",
    )


# --- the book at a site -----------------------------------------------------------------------------------------------


class _Site:
    """Devices and zones as the rules meet them; a pattern stands as one device in each zone that it can reach."""

    def __init__(self, places: SitePlaces) -> None:
        self.places = places
        self.zones = places.ground.zones
        self.by_kind: dict[str, list[tuple[Device, Zone]]] = {}
        for device in (*places.ground.devices.values(), *self._patterned()):
            self.by_kind.setdefault(device.kind, []).append((device, self.zones[device.zone]))

    def watched(self, rule: Rule) -> list[tuple[Device, Zone]]:
        """The devices of a rule, O(devices of its kinds)."""
        found = (pair for kind in sorted(rule.devices) for pair in self.by_kind.get(kind, ()))
        return [(d, z) for d, z in found if rule.where is None or rule.where(d, z)]

    def _patterned(self) -> Iterator[Device]:
        for p in self.places.ground.patterns:
            reached = re.compile(
                "".join(
                    re.escape(text) + ("" if name is None else "[^/]+")
                    for text, name, _, _ in Formatter().parse(p.zone)
                )
            )
            for key, zone in self.zones.items():
                if reached.fullmatch(key):
                    yield Device(f"{zone.site}/*", zone.site, p.kind, key, p.name, p.attributes)


def _linked(rule: _Read, told: Iterable[Told]) -> Iterator[Caution]:
    for reason, remedy in told:
        yield rule.caution("linkage", reason.zh, reason.en, remedy.zh, remedy.en)


def _commanding(rule: _Read, site: _Site) -> Iterator[Told]:
    permits = site.places.linkage.permits()
    if not rule.shipped:
        yield from linkage_warnings.unmet(rule.rule, site.by_kind, permits)
    yield from linkage_warnings.crowded(rule.rule, site.by_kind, permits)


def _permits(site: _Site) -> Iterator[Caution]:
    document = site.places.document
    for i, (reason, remedy) in linkage_warnings.idle(site.places.linkage, site.by_kind):
        field = ("linkage", "allow", i)
        yield Caution(document.file, *document.at(field), dotted(field), reason, remedy)


def _untriggered(rule: _Read, site: _Site) -> Caution:
    kinds = ", ".join(sorted(rule.rule.devices))
    if any(site.by_kind.get(kind) for kind in rule.rule.devices):
        return rule.caution(
            "where",
            f"站点里的 {kinds} 没有一台符合 where：这条规则永远不会报警。",
            f"None of the site's {kinds} fits `where`: this rule can never alarm.",
            "核对区域类型和属性。",
            "Compare kinds of zones and attributes with the site file.",
        )
    near = [m for kind in rule.rule.devices for m in difflib.get_close_matches(kind, sorted(site.by_kind), 1)]
    return rule.caution(
        "devices",
        f"站点里没有 {kinds}：这条规则永远不会报警。",
        f"The site has no {kinds}: this rule can never alarm.",
        f"是否应为 {near[0]}？" if near else "登记这种设备，或删除这条规则。",
        f"Did you mean {near[0]}?" if near else "Register such a device, or remove the rule.",
    )


def _attributes(rule: _Read, site: _Site) -> Iterator[Caution]:
    """Attributes asked for without a default that nobody has; and those that look like another one that somebody has."""
    guarded = {
        (part.operand.owner, part.operand.name)
        for part in rule.parts
        if isinstance(part, ex.Default | ex.Known) and isinstance(part.operand, ex.Attribute)
    }
    for attribute in sorted(rule.rule.attributes):
        owner, _, name = attribute.partition(".")
        pairs = [pair for kind in rule.rule.devices for pair in site.by_kind.get(kind, ())]
        have = {n for d, z in pairs for n in (d if owner == "device" else z).attributes}
        if not pairs or name in have:
            continue
        field = _field_of(rule, attribute)
        if rule.shipped and field == "where":
            continue  # a rule for sites that say so; this one does not
        near = difflib.get_close_matches(name, sorted(have), 1, 0.8)
        if (owner, name) in guarded and not near:
            continue
        noun = Text("设备", "devices") if owner == "device" else Text("区域", "zones")
        remedy = Text(
            f"在{noun.zh}上写 {name}，或用 default({attribute}, …)。",
            f"Give it to the {noun.en}, or write default({attribute}, …).",
        )
        if near:
            remedy = Text(f"是否应为 {owner}.{near[0]}？", f"Did you mean {owner}.{near[0]}?")
        outcome = Text("条件里的这一部分永远未知", "this part of the condition is never known")
        if (owner, name) in guarded:
            outcome = Text("总是取默认值", "the default always counts")
        yield rule.caution(
            field,
            f"站点里没有{noun.zh}给出 {name}：{outcome.zh}。",
            f"None of the {noun.en} it watches has {name}: {outcome.en}.",
            remedy.zh,
            remedy.en,
        )


def _field_of(rule: _Read, attribute: str) -> str:
    entry = rule.source.entry
    return next((name for name in ("where", "when", "clear") if attribute in (getattr(entry, name) or "")), "")


def _too_short(
    rule: _Read, site: _Site, watched: Iterable[tuple[Device, Zone]], interval: Micros | None
) -> Iterator[Caution]:
    """Against the slowest of the devices that it watches."""
    slowest: tuple[Micros, str] | None = None
    for device, _ in watched:
        own = interval_of(device.attributes)
        every = own if own is not None else interval
        if every is not None and (slowest is None or every > slowest[0]):
            slowest = every, device.key
    if slowest is not None:
        every, key = slowest
        yield from _short_of(rule, every, Text(f"{key} 的上报间隔", f"the interval of {key}"))


def _short_of(rule: _Read, every: Micros, whose: Text) -> Iterator[Caution]:
    r, shown = rule.rule, write_duration(every)
    # A flag is the device's own decision, and told when it changes; a number or a label may be a single bad sample.
    sampled = any(CATALOGUE[name].kind != "flag" for name in r.quantities if name in CATALOGUE)
    if sampled and 0 < r.hold < every:
        hold = write_duration(r.hold)
        yield rule.caution(
            "for",
            f"保持时间 {hold} 短于{whose.zh} {shown}：一次异常读数就足以报警，保持时间只是推迟。",
            f"The hold of {hold} is shorter than {whose.en}, {shown}: a single bad reading raises the alarm, only later.",
            f"写 for: {write_duration(2 * every)} 或更长，去掉 for，或让设备上报更快。",
            f"Write for: {write_duration(2 * every)} or longer, leave it out, or let the devices report more often.",
        )
    for memory in rule.memories:
        least = 2 * every if isinstance(memory, Rise) else every
        if isinstance(memory, Rise | Mean | Extreme | Last | Silent) and memory.span < least:
            outcome = Text("窗内读数不够，结果时常未知", "it holds too few readings and is often unknown")
            if isinstance(memory, Silent):
                outcome = Text("两次正常上报之间就算失联", "between two reports the device counts as silent")
            yield rule.caution(
                "when",
                f"{memory.name} 的时间窗短于{whose.zh} {shown}：{outcome.zh}。",
                f"The span of {memory.name} is too short for {whose.en}, {shown}: {outcome.en}.",
                f"写 {write_duration(3 * every)} 或更长。",
                f"Write {write_duration(3 * every)} or longer.",
            )


def interval_of(attributes: Mapping[str, Value]) -> Micros | None:
    """`report_interval`: a number of seconds, or a duration; None when it is not given, or neither."""
    value = attributes.get(INTERVAL)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        try:
            return read_duration(value)
        except ValueError:
            return None
    return round(value * SECOND) if value > 0 else None


def _unwatched_zones(rules: Sequence[_Read], site: _Site) -> Iterator[Caution]:
    """One caution for each entry of the site file, however many zones its range names."""
    watched = {zone for rule in rules if rule.rule.kind is Kind.FIRE for zone in _guarded(rule.rule, site)}
    document = site.places.document
    for i, entry in enumerate(site.places.entries):
        for j, zone_entry in enumerate(entry.zones):
            named = (
                f"{site_id}/{zone}"
                for site_id, inner in _names(entry.id, {})
                for zone, _ in _names(zone_entry.id, inner)
            )
            bare = [key for key in named if key not in watched and site.zones[key].attributes.get(NO_FIRE) is not True]
            if not bare:
                continue
            line, column = document.at(("sites", i, "zones", j))
            more = ", …" if len(bare) > NAMED else ""
            names = ", ".join(bare[:NAMED]) + more
            yield Caution(
                document.file, line, column, f"sites[{i}].zones[{j}]",
                Text(f"没有火警规则看守 {names}（共 {len(bare)} 个区域）。", f"No FIRE rule watches {names} ({len(bare)} zones)."),
                Text(f"登记探测器或写规则；确实不需要时在区域属性写 {NO_FIRE}: true。",
                     f"Register a detector or write a rule; where none is needed, give the zone the attribute {NO_FIRE}: true."),
            )  # fmt: skip


def _guarded(rule: Rule, site: _Site) -> Iterator[str]:
    """The zones in which it can alarm; of a confirmed fire those whose area has enough kinds of evidence, and one of its own."""
    inside: dict[str, set[str]] = {}
    for device, zone in site.watched(rule):
        inside.setdefault(zone.key, set()).add(device.kind)
    if rule.voting is None:
        yield from inside
        return
    beside: dict[str, set[str]] = {key: {key} for key in site.zones}
    for key, zone in site.zones.items() if rule.voting.adjacent else ():
        for other in zone.adjacent:
            if other in beside:
                beside[key].add(other)
                beside[other].add(key)
    for key in inside:
        kinds = set[str]().union(*(inside.get(other, ()) for other in beside[key]))
        if sum(not voter.devices.isdisjoint(kinds) for voter in rule.voting.voters) >= rule.voting.need:
            yield key


def _names(text: str, scope: Names) -> Iterator[tuple[str, Names]]:
    """What an id of the site file stands for, ranges and all."""
    return Template(text).names(scope)
