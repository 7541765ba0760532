"""Which rules a word of a device asks, and what becomes of their answers.

Most devices are calm (see docs/architecture.md, Cost): there, only what has moved is asked. Decides nothing about alarms, and reads
neither timers nor people's moves: the engine tells it what happens to devices.
"""

from __future__ import annotations

from rules.alarms import Alarms
from rules.areas import Areas
from rules.counting import Counting
from rules.evidence import doubted, outdated, worth
from rules.linkage import Linkage
from rules.memory import HEARD
from rules.model import Device, Effect, Freshness, Micros, Neighbourhood, Reading
from rules.recall import Recall
from rules.rule import Rule, RuleBook
from rules.watch import Seen, Watch


class Asking:
    """The book in force, and the devices that it watches. Every method appends its effects to `out`."""

    def __init__(
        self,
        book: RuleBook,
        neighbourhood: Neighbourhood,
        seen: dict[str, Seen],
        recall: Recall,
        areas: Areas,
        counting: Counting,
        alarms: Alarms,
        linkage: Linkage,
    ) -> None:
        self.book = book
        self._neighbourhood = neighbourhood
        self._seen = seen
        self._recall = recall
        self._gateways = recall.gateways
        self._areas = areas
        self._counting = counting
        self._zone_counts = counting.counts
        self._alarms = alarms
        self._linkage = linkage
        self._watches: dict[tuple[str, ...], Watch] = {}
        counting.begin(book)

    def reading(self, at: Micros, reading: Reading, out: list[Effect]) -> None:
        """What was measured: who is asked is told in the module."""
        said = reading.values
        names = tuple(said)
        seen = self._seen.get(reading.device)
        new = seen is None
        if seen is None:
            seen = self._meet(at, reading.device)
        freshness = reading.freshness
        measured_at = reading.measured_at
        if freshness is Freshness.LIVE:
            seen.live_at = at
            seen.measured_at = at if measured_at is None else measured_at
        elif outdated(at, seen, freshness, measured_at):
            return
        seen.last_at = at
        seen.freshness = freshness
        told = _moved(seen, reading) if self._gateways and reading.device in self._gateways else ()
        plan = seen.watch.plans.get(names) or seen.watch.plan(names)
        moved = plan.moved(seen.known, said)
        if new:
            names = (HEARD, *names)
            moved.append(HEARD)
        seen.values.update(said)
        if seen.certain_from is not None or said.get("online") is False:
            freshness = doubted(at, seen, reading)
        if self._linkage.awaited and freshness is Freshness.LIVE:
            self._linkage.heard(at, reading, out)
        if seen.kept is not None:
            names += self._recall.read(at, seen, said, freshness, plan, moved)
        if seen.stirring is None and seen.alarms is None:
            self._ask_moved(at, seen, plan.asked(tuple(moved)), freshness, out)
        else:
            self.ask(at, seen, names, freshness, out)
        if told:
            for other in self._recall.behind(reading.device):
                self.ask(at, other, self._recall.upstream(at, other, told), other.freshness, out)

    def ask(self, at: Micros, seen: Seen, names: tuple[str, ...], evidence: Freshness, out: list[Effect]) -> None:
        """Ask all rules that watch one of these quantities, reported or derived, of this device."""
        known, device, zone, alarms = seen.known, seen.device, seen.zone, seen.alarms
        rules = seen.watch.by_names.get(names)
        for rule in seen.watch.asked(names) if rules is None else rules:
            check = rule.check
            if check is None:
                self._counting.heard(at, rule, seen, evidence, out)
                continue
            holds = check(known, device, zone)
            if holds is True:
                seen.stir(rule.id)
            else:
                seen.rest(rule.id)
            if holds is True or (alarms is not None and rule.id in alarms):
                self._alarms.judged(at, rule, seen, holds, evidence, out)
                alarms = seen.alarms
        if not seen.calm:
            self._recall.watch_fading(at, seen)

    def _ask_moved(
        self, at: Micros, seen: Seen, asked: tuple[tuple[Rule, bool], ...], evidence: Freshness, out: list[Effect]
    ) -> None:
        """The same of a device where nothing holds and there is no alarm: what looks at nothing that moved would answer as before."""
        known, device, zone = seen.known, seen.device, seen.zone
        for rule, moved in asked:
            check = rule.check
            if check is None:
                if moved:
                    self._counting.heard(at, rule, seen, evidence, out)
                elif self._zone_counts:
                    self._counting.poll(at, rule, seen, evidence, out)
            elif check(known, device, zone) is True:
                seen.stir(rule.id)
                self._alarms.judged(at, rule, seen, True, evidence, out)
        if not seen.calm:
            self._recall.watch_fading(at, seen)

    def ask_all(self, at: Micros, subject: str, out: list[Effect]) -> None:
        """Ask every rule of a device, or of all devices of a zone, by what is known."""
        one = self._seen.get(subject)
        for seen in [one] if one is not None else [s for s in self._seen.values() if s.zone.key == subject]:
            self._recall.settle(at, seen)
            self.ask(at, seen, tuple(seen.known), worth(at, seen), out)

    def woken(self, at: Micros, memory: str, device: str, out: list[Effect]) -> None:
        """A memory's timer is due: ask the rules that look at what time has changed."""
        seen = self._seen[device]
        self.ask(at, seen, self._recall.woken(at, seen, memory), worth(at, seen), out)

    # --- devices and books -------------------------------------------------------------------------------------------

    def _meet(self, at: Micros, key: str) -> Seen:
        device = self._neighbourhood.device(key)
        if device is None:
            raise LookupError(f"{key} is not registered")
        if self._recall.listening == 0:
            self._recall.listening = at
        seen = self._seen[key] = self.place(device)
        self._recall.take(at, seen)
        self._survey(at, seen)
        self._areas.met(seen, self._zone_counts)
        self._linkage.met(device)
        return seen

    def _survey(self, at: Micros, seen: Seen) -> None:
        """What holds at a device whose rules were not asked since its memories, or the rules themselves, came."""
        known, device, zone = seen.known, seen.device, seen.zone
        seen.stirring = None
        for rule in seen.watch.rules:
            checks = rule.terms if rule.check is None else (rule.check,)
            if any(check(known, device, zone) is True for check in checks):
                seen.stir(rule.id)
        for name in self._recall.stirring(at, seen):
            seen.stir(name)
        if not seen.calm:
            self._recall.watch_fading(at, seen)

    def place(self, device: Device) -> Seen:
        """A device that is not known yet, with the rules that apply to it."""
        zone = self._neighbourhood.zones[device.zone]
        rules = tuple(
            rule
            for rule in self.book.rules
            if device.kind in rule.devices and (rule.where is None or rule.where(device, zone))
        )
        key = (device.kind, *(rule.id for rule in rules))
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = Watch(rules, device.kind)
        return Seen(device, zone, watch)

    def change_book(self, at: Micros, book: RuleBook, out: list[Effect]) -> None:
        """Unchanged rules keep their alarms, holds and deadlines; alarms of removed or changed rules end, visibly."""
        kept = {
            rule.id
            for rule in book.rules
            if (old := self.book.by_id.get(rule.id)) and old.definition == rule.definition
        }
        running = [(rule_id, seen.device.key) for seen in self._seen.values() for rule_id in seen.alarms or ()]
        for rule_id, subject in [*running, *self._alarms.zones]:
            if rule_id not in kept:
                because = "rule changed" if rule_id in book.by_id else "rule removed"
                self._alarms.end(at, self.book.by_id[rule_id], subject, out, because=because)
        self.book = book
        self._watches.clear()
        self._recall.start_over()
        for seen in self._seen.values():
            self._recall.settle(at, seen)
            seen.watch = self.place(seen.device).watch
            self._recall.take(at, seen)
        self.count_again(at)
        for seen in self._seen.values():
            if changed := self._recall.dated(at, seen):
                self.ask(at, seen, changed, worth(at, seen), out)

    def count_again(self, at: Micros) -> None:
        """The zones' counters from the devices' values: O(devices), only when the book changes."""
        self._counting.begin(self.book)
        for seen in self._seen.values():
            self._survey(at, seen)
            self._counting.met(seen)


def _moved(seen: Seen, reading: Reading) -> tuple[str, ...]:
    return tuple(name for name, value in reading.values.items() if seen.values.get(name) != value)
