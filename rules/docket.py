"""The docket: the incidents that are not closed, by id and by place, and which of them an event has changed.

Decides nothing; whoever changes a record does it here, so that each event writes each record once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from rules.case import Case, restored
from rules.incident import ROUNDS_OF_AN_EVENT
from rules.model import Incident


class Docket:
    """Iterates over the cases, the oldest first."""

    def __init__(self) -> None:
        self._serial = 0
        self._cases: dict[str, Case] = {}
        self._by_place: dict[tuple[str, str], Case] = {}
        self.touched: dict[str, Case] = {}
        """Those whose record the event has changed."""

    def __iter__(self) -> Iterator[Case]:
        return iter(self._cases.values())

    def __len__(self) -> int:
        return len(self._cases)

    def __getitem__(self, incident: str) -> Case:
        return self._cases[incident]

    def __contains__(self, incident: str) -> bool:
        return incident in self._cases

    def get(self, incident: str) -> Case | None:
        """One that is not closed."""
        return self._cases.get(incident)

    def at(self, place: tuple[str, str]) -> Case | None:
        """The one of a (zone, group)."""
        return self._by_place.get(place)

    def new_id(self) -> str:
        """The next incident's."""
        self._serial += 1
        return f"inc-{self._serial:06d}"

    def enter(self, case: Case) -> None:
        """It is open from now on."""
        incident = case.incident
        self._cases[incident.id] = self._by_place[incident.zone, incident.group] = case
        self.touched[incident.id] = case

    def remove(self, case: Case) -> None:
        """It is closed; its record is still to be written."""
        incident = case.incident
        del self._cases[incident.id], self._by_place[incident.zone, incident.group]

    def change(self, case: Case, **changes: Any) -> None:
        """The record's fields."""
        case.incident = replace(case.incident, **changes)
        self.touched[case.incident.id] = case

    def match(self, kept: Iterable[Incident], newest: str) -> tuple[dict[str, str], set[str], list[str]]:
        """Make what the ledger keeps of open incidents ours; `newest` is the id of its newest incident, open or not.

        Returns (renamed, strays, adopted): ids of ours and the ledger's for the same place, where the records differ; ids of ours that
        the ledger never heard of; ids of the ledger's that we lacked. Usually all three are empty.
        """
        self._serial = max(self._serial, _serial(newest))
        ours = {(c.incident.zone, c.incident.group): c for c in self._cases.values()}
        renamed: dict[str, str] = {}
        adopted: list[str] = []
        cases: list[Case] = []
        for incident in kept:
            case = ours.pop((incident.zone, incident.group), None)
            if case is None:
                case = Case(incident)
                adopted.append(incident.id)
            elif case.incident != incident:
                renamed[case.incident.id] = incident.id
            if case.incident != incident or incident.id in adopted:
                case.incident = replace(incident, condition=case.condition)
                # More than there ever were, as keys of pushes must not repeat: an event may begin a few rounds.
                case.round = max(case.round, ROUNDS_OF_AN_EVENT * incident.revision)
            cases.append(case)
        self._cases = {case.incident.id: case for case in sorted(cases, key=lambda c: _serial(c.incident.id))}
        self._by_place = {(c.incident.zone, c.incident.group): c for c in cases}
        return renamed, {case.incident.id for case in ours.values()}, adopted

    def snapshot(self) -> list[Any]:
        """[the newest incident's number, the cases], as plain values."""
        return [self._serial, [case.snapshot() for case in self]]

    def restore(self, serial: int, cases: Iterable[list[Any]]) -> None:
        """The inverse."""
        self._serial = serial
        for plain in cases:
            self.enter(restored(plain))
        self.touched.clear()


def _serial(incident: str) -> int:
    return int(incident.rpartition("-")[2] or 0)
