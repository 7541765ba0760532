"""Rules about zones: at how many devices of each zone each of their terms holds, and what that comes to.

Knows neither readings nor what becomes of an alarm: it is told which device has said something, and hands its verdict on. Memory: a few
numbers for each rule and zone in which anything ever held.
"""

from __future__ import annotations

from collections.abc import Mapping

from rules.alarms import Alarms
from rules.areas import Areas
from rules.measures import Measures
from rules.model import Effect, Freshness, Kind, Measure, Micros, Value
from rules.recall import Recall
from rules.rule import Rule, RuleBook
from rules.watch import Seen


class Counting:
    """Costs O(terms of the rule), and of a voting O(zones beside it); never O(devices) but when the book changes."""

    def __init__(self, areas: Areas, recall: Recall, measures: Measures, alarms: Alarms) -> None:
        self._areas = areas
        self._recall = recall
        self._measures = measures
        self._sidelined = measures.sidelined
        self._alarms = alarms
        self._running = alarms.zones
        self._absent: frozenset[str] = frozenset()
        """The rules that hold when none of their terms does, such as `not any(online)`."""
        self.counts: dict[tuple[str, str], list[int]] = {}
        """(rule, zone) → see `Areas.counts`; without those where nothing ever held"""

    def heard(self, at: Micros, rule: Rule, seen: Seen, freshness: Freshness, out: list[Effect]) -> None:
        """Each device keeps which terms hold at it; each zone keeps only how many devices each term holds at."""
        now = self._terms(rule, seen)
        holding = True in now
        was = seen.holds.get(rule.id) if seen.holds else None
        if holding:
            seen.stir(rule.id)
        else:
            seen.rest(rule.id)
        changed = holding if was is None else now != was
        counted = changed or holding or rule.id in self._absent
        if not counted and rule.voting is None and (rule.id, seen.zone.key) not in self._running:
            return
        # Doubtful evidence becomes certain only by a live reading in which a term of the rule holds.
        says = any(now[: len(rule.voting.voters)] if rule.voting is not None else now)
        for zone in self._areas.of(rule, seen.zone.key):
            key = (rule.id, zone)
            counts = self.counts.get(key)
            # a voting also changes by who has spoken at all
            if not counted and key not in self._running and (counts is None or rule.voting is None):
                continue
            if counts is None:
                counts = self.counts[key] = self._areas.counts(rule, zone)
            if changed:
                self._areas.add(rule, counts, was, now, own=zone == seen.zone.key)
            telling = says or key not in self._running or rule.id in self._absent
            self._decide(at, rule, zone, counts, seen, freshness if telling else Freshness.RETAINED, out)
        if changed:
            if seen.holds is None:
                seen.holds = {}
            seen.holds[rule.id] = now

    def _terms(self, rule: Rule, seen: Seen) -> tuple[bool, ...]:
        """Which terms of a zone's rule hold at the device."""
        known, device, zone = seen.known, seen.device, seen.zone
        now = tuple([term(known, device, zone) is True for term in rule.terms])
        if self._sidelined and rule.kind.rank <= Kind.PREALARM.rank and (why := self._measures.aside(seen)):
            # What a device in test says is no evidence; that it, or one that is impaired or shelved, is out of service counts, as long
            # as it says nothing: one detector's word confirms nothing by the detector's own absence.
            voters = rule.voting.voters if rule.voting is not None else ()
            n = len(voters) or len(now)
            said = (False,) * n if why == Measure.TEST else now[:n]
            cannot = now[n : 2 * n]
            away = (v.named(device) and True not in said and not c for v, c in zip(voters, cannot, strict=True))
            return (*said, *cannot, *away)
        return now

    def poll(self, at: Micros, rule: Rule, seen: Seen, freshness: Freshness, out: list[Effect]) -> None:
        """What a voting comes to where this device says nothing new and nothing for it: who has fallen silent meanwhile?"""
        for zone in self._areas.of(rule, seen.zone.key):
            key = (rule.id, zone)
            counts = self.counts.get(key)
            if counts is not None:
                evidence = Freshness.RETAINED if key in self._running else freshness
                self._decide(at, rule, zone, counts, seen, evidence, out)

    def _decide(
        self, at: Micros, rule: Rule, zone: str, counts: list[int], seen: Seen, evidence: Freshness, out: list[Effect]
    ) -> None:
        key = (rule.id, zone)
        if rule.voting is not None:
            holds = rule.voting.decide(counts, self._recall.waited(at))
        else:
            holds = rule.decide is not None and rule.decide(counts)
        if not holds and key not in self._running:
            return
        clears = not holds if rule.decide_clear is None else not holds and rule.decide_clear(counts)
        self._alarms.evaluate(at, rule, zone, self._running, key, holds, clears, seen, evidence, out)

    def verdict(self, at: Micros, rule: Rule, zone: str) -> Mapping[str, Value | None]:
        """How kinds of evidence were counted, for the timeline; nothing of a rule without a voting."""
        counts = self.counts.get((rule.id, zone)) if rule.voting is not None else None
        if rule.voting is None or not counts:
            return {}
        return self._areas.verdict(rule, rule.voting, zone, counts, self._recall.waited(at))

    def begin(self, book: RuleBook) -> None:
        """Another book is in force, and nothing is counted yet: each device that has spoken is `met` again."""
        self.counts.clear()
        self._absent = frozenset(rule.id for rule in book.rules if rule.of_absence)

    def met(self, seen: Seen) -> None:
        """Count a device by what is known of it."""
        seen.holds = None
        for rule in seen.watch.rules:
            if rule.check is not None:
                continue
            now = self._terms(rule, seen)
            if any(now):
                seen.holds = {**(seen.holds or {}), rule.id: now}
                for zone in self._areas.of(rule, seen.zone.key):
                    key = (rule.id, zone)
                    if key not in self.counts:
                        self.counts[key] = self._areas.counts(rule, zone)
                    self._areas.add(rule, self.counts[key], None, now, own=zone == seen.zone.key)
