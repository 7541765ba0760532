"""Which detectors do not detect at the moment, why, and since when: the coverage of zones, device by device.

Pure; knows the board's view of devices and rules, no engine and no page. A detector counts as working when it has spoken, is not known
to be away (neither it nor its gateway), no rule has found it silent or faulty, and nobody has taken it out of service. A low battery or
an open lid is a fault that leaves it its senses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from monitor.board import AlarmView, DeviceState, RuleView
from rules.model import AlarmState, Device, Kind, Measure, Micros, Suppression


class Lack(StrEnum):
    """Why a zone, or one detector of it, is without detection. The first that holds is told."""

    NONE_INSTALLED = "none_installed"
    """The site file lists no detector for the zone, and none has spoken."""
    IMPAIRED = "impaired"
    """Somebody has said so, and answers for it."""
    IN_TEST = "in_test"
    NEVER_HEARD = "never_heard"
    OFFLINE = "offline"
    """Its last will, or its gateway's."""
    SILENT = "silent"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Out:
    """One detector that does not detect."""

    device: str
    lack: Lack
    since: Micros | None
    """None where it is not known: it was never heard; or see `incident`."""
    incident: str = ""
    """The FAULT that knows when it was raised."""
    measure: Suppression | None = None


_BLINDING = frozenset({"fault", "video_lost"})
"""Quantities by which a device says that it does not sense."""
_HELD = (AlarmState.ACTIVE, AlarmState.LATCHED, AlarmState.CLEARING)


class Watch:
    """What there is to know of all detectors at one moment."""

    def __init__(
        self,
        states: Mapping[str, DeviceState],
        rules: Iterable[RuleView],
        measures: Sequence[Suppression],
    ) -> None:
        self._states = states
        self._lacks = {rule.id: lack for rule in rules if (lack := _told_by(rule)) is not None}
        out_of_service = [m for m in measures if m.measure in (Measure.IMPAIRED, Measure.TEST) and m.ended_at is None]
        self._measures: dict[str, list[Suppression]] = {}
        for measure in out_of_service:
            self._measures.setdefault(measure.subject, []).append(measure)

    def accepted(self, *subjects: str) -> list[Suppression]:
        """The measures by which somebody answers for missing detection at these zones and devices."""
        return [measure for subject in subjects for measure in self._measures.get(subject, ())]

    def out(self, device: Device) -> Out | None:
        """Why a detector does not detect; None when it does."""
        for measure in sorted(self.accepted(device.key, device.zone), key=lambda m: m.measure is Measure.TEST):
            lack = Lack.IN_TEST if measure.measure is Measure.TEST else Lack.IMPAIRED
            return Out(device.key, lack, measure.since, measure=measure)
        state = self._states.get(device.key)
        if state is None:
            return Out(device.key, Lack.NEVER_HEARD, None)
        gateway = self._states.get(f"{device.site}/{device.attributes.get('gateway', '')}")
        if state.online is False:
            return Out(device.key, Lack.OFFLINE, state.last_at)
        if gateway is not None and gateway.online is False:
            return Out(device.key, Lack.OFFLINE, gateway.last_at)
        return self._faulty(device, state)

    def _faulty(self, device: Device, state: DeviceState) -> Out | None:
        found = [(self._lacks[a.rule], a) for a in state.alarms if a.rule in self._lacks and _stands(a)]
        for lack, alarm in sorted(found, key=lambda pair: list(Lack).index(pair[0])):
            if lack is Lack.FAULT:
                return Out(device.key, lack, None, alarm.incident)
            return Out(device.key, lack, state.last_at)
        return None


def _stands(alarm: AlarmView) -> bool:
    return alarm.kind is Kind.FAULT and alarm.state in _HELD


def _told_by(rule: RuleView) -> Lack | None:
    """What it means for a detector that this rule has found something; None when it leaves it its senses."""
    if rule.kind is not Kind.FAULT:
        return None
    if "silent(" in rule.when:
        return Lack.SILENT
    if "online" in rule.quantities:
        return Lack.OFFLINE
    return Lack.FAULT if _BLINDING & set(rule.quantities) or "held(" in rule.when else None
