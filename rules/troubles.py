"""Our own troubles as alarms (NFPA 72: trouble): a channel dead, a database away, a bound that bites. Each is one incident of its own.

What is wrong it is told, and what is well again; knows no devices and no rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules.incident import ALARM, Signal
from rules.model import SECOND, AlarmChanged, AlarmState, Effect, Kind, Micros, Text
from rules.response import Alarm, Response
from rules.timers import Timers
from rules.watch import Running, take_records

TROUBLE_HOLD: Micros = 30 * SECOND
"""A lane of ours that recovers within this time is worth a line in the log, not an incident."""
TIMER = "trouble"
"""(TIMER, "system", source): the time is over within which it might have ended by itself."""


class Troubles:
    """By source. Every method appends its effects to `out`."""

    def __init__(self, timers: Timers, response: Response) -> None:
        self._timers = timers
        self._response = response
        self._running: dict[str, Running] = {}
        self.details: dict[str, str] = {}
        """source → what is wrong"""

    def told(
        self, at: Micros, source: str, active: bool, detail: str, out: list[Effect], hold: Micros = TROUBLE_HOLD
    ) -> None:
        """Something is wrong, or well again; it is an incident when that lasts for `hold`."""
        alarm = self._running.get(source)
        if active and alarm is None:
            alarm = self._running[source] = Running()
            alarm.state = ALARM[alarm.state, Signal.ON]
            self.details[source] = detail
            out.append(AlarmChanged(at, "system", f"system/{source}", Kind.FAULT, alarm.state))
            if hold:
                self._timers.set((TIMER, "system", source), at + hold)
            else:
                self.due(at, source, out)
        elif active and alarm is not None:
            self.details[source] = detail
            if not hold and alarm.state is AlarmState.PENDING:
                self._timers.cancel((TIMER, "system", source))
                self.due(at, source, out)
        elif alarm is not None:
            self._timers.cancel((TIMER, "system", source))
            self._end(at, source, out)

    def due(self, at: Micros, source: str, out: list[Effect]) -> None:
        """It has lasted: an incident."""
        alarm = self._running[source]
        alarm.state = ALARM[alarm.state, Signal.HELD]
        detail = self.details[source]
        title = Text(f"系统故障：{source}", f"System trouble: {source}")
        told = Alarm(
            "system", f"system/{source}", Kind.FAULT, f"system/{source}", title, Text(detail, detail), "system", "", {}
        )
        alarm.incident = self._response.raised(at, told, out)
        out.append(AlarmChanged(at, "system", f"system/{source}", Kind.FAULT, alarm.state, alarm.incident))

    def _end(self, at: Micros, source: str, out: list[Effect]) -> None:
        alarm = self._running.pop(source)
        self.details.pop(source)
        alarm.state = ALARM[alarm.state, Signal.RESET]
        if alarm.incident:
            self._response.returned(at, alarm.incident, "system", f"system/{source}", latched=False, out=out)
        out.append(AlarmChanged(at, "system", f"system/{source}", Kind.FAULT, alarm.state, alarm.incident))

    def mended(self, renamed: Mapping[str, str], strays: set[str]) -> None:
        """After a recovery the ledger's records took the place of ours (see Engine.reconcile)."""
        take_records(self._running, renamed, strays)
        # In place: whoever asks the engine what is wrong may hold the very mapping.
        for source in [source for source in self.details if source not in self._running]:
            del self.details[source]

    def snapshot(self) -> list[Any]:
        """Plain values."""
        return [[source, alarm.plain(), self.details[source]] for source, alarm in self._running.items()]

    def restore(self, data: list[Any]) -> None:
        """The inverse."""
        for source, alarm, detail in data:
            self._running[source], self.details[source] = Running.restored(alarm), detail
