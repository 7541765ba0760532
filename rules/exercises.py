"""What is made up for a drill: which of its readings are carried out, and which are dropped because the drill is over.

They go through the rules of a fire, the linkage and the response like real ones, and touch nothing of the device's own state. When a
drill begins and ends is measures.py's.
"""

from __future__ import annotations

from collections.abc import Mapping

from rules.alarms import Alarms
from rules.asking import Asking
from rules.model import Device, Effect, Freshness, Kind, Measure, Micros, Neighbourhood, Reading
from rules.response import Alarm, Response
from rules.suppression import Suppressions
from rules.watch import Seen


class Exercises:
    """Every method appends its effects to `out`."""

    def __init__(
        self,
        neighbourhood: Neighbourhood,
        seen: Mapping[str, Seen],
        suppressions: Suppressions,
        asking: Asking,
        alarms: Alarms,
        response: Response,
    ) -> None:
        self._neighbourhood = neighbourhood
        self._seen = seen
        self._suppressions = suppressions
        self._asking = asking
        self._alarms = alarms
        self._response = response

    def made_up(self, at: Micros, reading: Reading, out: list[Effect]) -> bool:
        """Carry out a drill's reading, if a drill by this name is announced there: no fire hides behind a mark that anybody can write.

        What was made up for one that has ended before it arrived (a queue, a lost connection, a real fire) is dropped: it must neither page
        nor, as a made-up "no smoke", speak against what really burns.
        """
        device = self._neighbourhood.device(reading.device)
        if device is None:
            return False
        places = (device.key, device.zone)
        measure = self._suppressions.get(reading.exercise)
        if measure is not None and measure.measure is Measure.DRILL and measure.subject in places:
            self._play(at, reading, device, out)
            return True
        moment = reading.at if reading.measured_at is None else reading.measured_at
        return self._suppressions.straggles(reading.exercise, places, moment)

    def _play(self, at: Micros, reading: Reading, device: Device, out: list[Effect]) -> None:
        """A drill: the rules of a fire are asked of this reading alone. State, memories and holds of the device stay as they are."""
        if reading.freshness is not Freshness.LIVE:
            return
        seen = self._seen.get(reading.device) or self._asking.place(device)
        for rule in seen.watch.rules:
            if rule.check is None or rule.kind.rank > Kind.PREALARM.rank:
                continue
            if rule.check(reading.values, device, seen.zone) is True:
                said = {name: value for name, value in reading.values.items() if name in rule.quantities}
                alarm = Alarm(
                    rule.id, device.key, rule.kind, rule.group, rule.title, rule.advice, device.zone, device.key, said,
                    measured_at=reading.measured_at, sensed_at=at, exercise=reading.exercise,
                )  # fmt: skip
                self._alarms.command(at, rule, alarm, self._response.raised(at, alarm, out), out)
