"""Where the voters of a confirmed fire stand: a zone and the zones beside it, which devices were built in there, and who of them spoke.

Knows no readings: it counts devices. Memory: one entry for each listed device, and only while a rule asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from rules.model import Device, Micros, Neighbourhood, Value
from rules.rule import Rule
from rules.voting import Voter, Voting
from rules.watch import Seen

DEVICES_TOLD = 5
"""Devices out of service that are named for each voter."""


class Areas:
    """The devices of each zone, found when a rule first asks."""

    def __init__(self, neighbourhood: Neighbourhood, seen: Mapping[str, Seen], aside: Callable[[Seen], str]) -> None:
        """`aside` says by which measure a device is out of service."""
        self._neighbourhood = neighbourhood
        self._aside = aside
        self._seen = seen
        self._devices: dict[str, dict[str, Device]] | None = None
        beside: dict[str, dict[str, None]] = {key: {key: None} for key in neighbourhood.zones}
        for zone in neighbourhood.zones.values():
            for other in zone.adjacent:
                if other in beside:
                    beside[zone.key][other] = beside[other][zone.key] = None
        self._beside = {key: tuple(others) for key, others in beside.items()}

    def of(self, rule: Rule, zone: str) -> tuple[str, ...]:
        """The zones whose confirmation a device of this zone has a say in, its own first; for other rules its own alone."""
        return self._beside[zone] if rule.voting is not None and rule.voting.adjacent else (zone,)

    def counts(self, rule: Rule, zone: str) -> list[int]:
        """The counts of a rule at a zone where nobody has said anything yet."""
        if rule.voting is None:
            return [0] * len(rule.terms)
        counts = [0] * rule.voting.slots
        for device in self._inside(rule, zone):
            self._enter(rule.voting, counts, device, listed=1, heard=device.key in self._seen)
        return counts

    def add(
        self, rule: Rule, counts: list[int], was: tuple[bool, ...] | None, now: tuple[bool, ...], *, own: bool
    ) -> None:
        """The terms that hold at a device have changed; `own`: in the zone itself, not in one beside it."""
        voters = len(rule.voting.voters) if rule.voting is not None else 0
        for i, after in enumerate(now):
            change = after - (was[i] if was is not None else False)
            counts[i] += change
            if i < voters and own:
                counts[3 * voters + i] += change

    def met(self, seen: Seen, counts_of: Mapping[tuple[str, str], list[int]]) -> None:
        """A device has spoken for the first time, and belongs to the rules of its watch."""
        device = seen.device
        if self._devices is None:
            return
        inside = self._devices.setdefault(device.zone, {})
        new = device.key not in inside
        inside[device.key] = device
        for rule in seen.watch.rules:
            for zone in self.of(rule, device.zone) if rule.voting is not None else ():
                counts = counts_of.get((rule.id, zone))
                if counts is not None and rule.voting is not None:
                    self._enter(rule.voting, counts, device, listed=new, heard=1)

    def verdict(
        self, rule: Rule, voting: Voting, zone: str, counts: list[int], waited: Micros
    ) -> dict[str, Value | None]:
        """For the timeline: who confirmed, who could not, and how many it took."""
        out = [
            f"{voter.name}: {', '.join(self._absent(rule, voter, zone))}" for voter in voting.missing(counts, waited)
        ]
        return {
            "voters": ", ".join(voter.name for voter in voting.yes(counts)),
            "out_of_service": "; ".join(out),
            "need": float(voting.need),
            "needed": float(voting.needed(counts, waited)),
        }

    def _absent(self, rule: Rule, voter: Voter, zone: str) -> list[str]:
        told = []
        for device in self._inside(rule, zone):
            if device.kind in voter.devices:
                seen = self._seen.get(device.key)
                why = (self._aside(seen) or voter.absence(seen.known)) if seen else "never heard"
                if why:
                    told.append(f"{device.key} {why}")
        return told if len(told) <= DEVICES_TOLD else [*told[:DEVICES_TOLD], f"and {len(told) - DEVICES_TOLD} more"]

    def _inside(self, rule: Rule, zone: str) -> Iterator[Device]:
        """The devices of the rule in the zone, and beside it if the rule looks there."""
        if self._devices is None:
            self._devices = {}
            for device in [*self._neighbourhood.listed(), *(seen.device for seen in self._seen.values())]:
                self._devices.setdefault(device.zone, {})[device.key] = device
        for key in self.of(rule, zone):
            place = self._neighbourhood.zones[key]
            for device in self._devices.get(key, {}).values():
                if device.kind in rule.devices and (rule.where is None or rule.where(device, place)):
                    yield device

    @staticmethod
    def _enter(voting: Voting, counts: list[int], device: Device, *, listed: int, heard: int) -> None:
        n = len(voting.voters)
        for i, voter in enumerate(voting.voters):
            if device.kind in voter.devices:
                counts[4 * n + i] += listed
                counts[5 * n + i] += heard
