"""Confirmed fire: k of n different kinds of evidence, in a zone and perhaps the ones beside it (GB 50116-2013 4.1.6).

A voter is a kind of evidence, not a device. When all devices of a voter are out of service it cannot say yes, so fewer yeses are
needed, at least one; a place that was built with too few kinds never confirms by such a rule. Knows no readings and no places: it
judges counts of devices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from rules.model import Device, Micros, Value

VoterName: TypeAlias = Literal[
    "smoke", "heat", "flame", "gas", "thermal", "camera", "charger", "call_point", "discharge", "report"
]
"""A kind of evidence; two devices of one kind are one voter."""
VOTERS: tuple[str, ...] = get_args(VoterName)
ON_DEMAND = frozenset({"report"})
"""People who saw something. They are never out of service, for nobody expects them to speak; they add to what devices say, and confirm
nothing without one."""


@dataclass(frozen=True, slots=True)
class Voter:
    """One kind of evidence: which devices give it, and the derived quantity that says whether one of them is silent."""

    name: str
    devices: frozenset[str]
    silent: str
    span: Micros
    """After how long it is."""

    def absence(self, known: Mapping[str, Value]) -> str:
        """Why a device that has spoken is out of service, or an empty string."""
        if known.get("online") is False:
            return "offline"
        return next(
            (word for word in ("fault", "test") if known.get(word) is True), "silent" if known.get(self.silent) else ""
        )

    def named(self, device: Device) -> bool:
        """Is the device of a kind that gives this evidence?"""
        return device.kind in self.devices

    def out(self, known: Mapping[str, Value], device: Device) -> bool:
        """Is this device, one of its own, out of service?"""
        return self.named(device) and bool(self.absence(known))


@dataclass(frozen=True, slots=True)
class Voting:
    """The counts that it judges are six for each voter, in this order, of devices:

    in the area that say yes; in the area that cannot say so; in the area that are out of service; in the zone itself that say yes;
    listed in the area; heard in it. The first three are the rule's terms.
    """

    need: int
    adjacent: bool
    """Does the area take in the adjacent zones?"""
    voters: tuple[Voter, ...]

    @property
    def shared(self) -> tuple[frozenset[str], ...]:
        """Of each voter: the kinds of devices that an earlier voter names too. Such a device gives the later kind of evidence when it
        has spoken of it: a detector of smoke that knows no temperature is not waited for as one of heat."""
        return tuple(
            voter.devices & frozenset[str]().union(*(v.devices for v in self.voters[:i]))
            for i, voter in enumerate(self.voters)
        )

    @property
    def slots(self) -> int:
        """How many counts there are."""
        return 6 * len(self.voters)

    def yes(self, counts: Sequence[int]) -> list[Voter]:
        """Who confirms."""
        return [voter for voter, count in zip(self.voters, counts, strict=False) if count]

    def missing(self, counts: Sequence[int], waited: Micros = 0) -> list[Voter]:
        """The voters that the area was built with and that are wholly out of service, without a word within the window.

        A device that never spoke is out of service only when we have `waited` for it as long as for one that fell silent.
        """
        n = len(self.voters)
        out = []
        for i, voter in enumerate(self.voters):
            said, cannot, away, listed, heard = (counts[i + k * n] for k in (0, 1, 2, 4, 5))
            listed, heard = listed - cannot, heard - cannot
            if (
                listed
                and voter.name not in ON_DEMAND
                and not said
                and heard <= away
                and (heard == listed or waited > voter.span)
            ):
                out.append(voter)
        return out

    def needed(self, counts: Sequence[int], waited: Micros = 0) -> int:
        """How many yeses it takes here now; 0 where it never confirms."""
        n = len(self.voters)
        listed = [v for i, v in enumerate(self.voters) if counts[i + 4 * n] > counts[i + n]]
        built = sum(v.name not in ON_DEMAND for v in listed)
        if built < self.need:
            return self.need if built and len(listed) >= self.need else 0
        left = built - len(self.missing(counts, waited))
        return self.need if left == built else max(1, min(self.need, left))

    def decide(self, counts: Sequence[int], waited: Micros = 0) -> bool:
        """Is it confirmed? At least one yes must come from the zone itself, and one from a device."""
        n = len(self.voters)
        yes = self.yes(counts)
        if not any(counts[3 * n : 4 * n]) or all(voter.name in ON_DEMAND for voter in yes):
            return False
        return 0 < self.needed(counts, waited) <= len(yes)
