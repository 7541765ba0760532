"""Linkage (联动): from an alarm whose rule commands devices to a push on their `down` topic, and to the word that it was done.

A wrong command can hurt people, a missing one is no worse than a panel without linkage: every doubt ends in not commanding, and the
incident's timeline says so. A command is issued at most once for each raising of an incident, whatever is restarted or replayed, and
is never repeated when nobody knows what became of it. Knows no rule, sees no reading but of devices whose word is awaited.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeAlias

from rules.commands import CHANNEL, COMMANDS, EXPIRES, MOST_TARGETS, Failure, Mode, Order, Permits, Place, Why
from rules.model import (
    MINUTE,
    SECOND,
    Device,
    Effect,
    Entry,
    Freshness,
    Incident,
    Micros,
    Neighbourhood,
    Outcome,
    Push,
    Reading,
    Receipt,
    Step,
    Text,
    Value,
)
from rules.suppression import Measure, Suppressions
from rules.timers import Timers
from rules.watch import Seen

TIMER = "command"
WATCHED: Micros = 2 * MINUTE
"""A device that obeys so long after its command has failed is still heard: people were told that it had not."""
Tell: TypeAlias = Callable[[Micros, str, Text, list[Effect]], None]
"""(at, incident, what to do, effects)"""
_KINDS = frozenset[str]().union(*(command.kinds for command in COMMANDS.values()))


@dataclass(frozen=True, slots=True)
class Cause:
    """The alarm that commands, as far as it matters here."""

    device: str
    """Whose reading decided; may be empty."""
    zone: str
    evidence: Freshness
    withheld: bool = False
    """Something keeps this alarm from paging."""


@dataclass(slots=True)
class _Account:
    """What an incident has commanded."""

    raising: int = 0
    count: int = 0
    """Commands issued, ever: part of the pushes' keys."""
    mended: bool = False
    """After a recovery its record was not ours: nobody knows what it has commanded."""
    said: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """(command, device) → the modes and reasons that the timeline tells since it was raised (again)."""
    failed: bool = False
    """Since then a command has failed, and people were told."""


@dataclass(slots=True)
class _Issued:
    """A command that was sent, while it is not known to be done."""

    key: str
    incident: str
    command: str
    device: str
    id: str
    at: Micros
    failed: bool = False


class Linkage:
    """The commands of open incidents. Every method appends its effects to `out`."""

    def __init__(
        self,
        neighbourhood: Neighbourhood,
        timers: Timers,
        seen: Mapping[str, Seen],
        suppressions: Suppressions,
        tell: Tell,
    ) -> None:
        """`tell` is asked to say to people that a device did not obey, at most once for each raising of an incident."""
        self._neighbourhood = neighbourhood
        self._permits = neighbourhood.permits or Permits()
        self._timers = timers
        self._seen = seen
        self._suppressions = suppressions
        self._tell = tell
        self._accounts: dict[str, _Account] = {}
        self._issued: dict[str, _Issued] = {}
        self.awaited: dict[str, dict[str, None]] = {}
        """device → keys of the commands whose end it may tell; empty nearly always, so that a reading asks nothing more."""
        self._recent: deque[Micros] = deque()
        """When commands were issued or would have been, within the last minute."""
        self._standing: dict[tuple[str, str], set[str]] | None = None
        """(zone, kind) → devices; found when first asked for."""
        self._buildings: dict[tuple[str, str], list[str]] = {}
        """(site, building) → zones; found with them."""

    # --- what the engine tells ---------------------------------------------------------------------------------------

    def raised(
        self, at: Micros, orders: Sequence[Order], cause: Cause, incident: Incident, raising: int, out: list[Effect]
    ) -> None:
        """An alarm whose rule commands is active, or has become certain; `raising` counts how often its incident was raised."""
        account = self._accounts.setdefault(incident.id, _Account())
        if account.raising != raising:
            account.raising, account.failed = raising, False
            account.said.clear()
        for order in orders:
            targets = self._targets(order, cause)
            for device in targets[:MOST_TARGETS]:
                self._command(at, order.command, device, cause, incident, account, out)
            if len(targets) > MOST_TARGETS and _news(account, order.command, order.kind, Why.TOO_MANY_DEVICES):
                detail = _detail(order.command, "", "refused", Why.TOO_MANY_DEVICES)
                out.append(Entry(at, incident.id, Step.COMMANDED, {**detail, "left_out": len(targets) - MOST_TARGETS}))

    def met(self, device: Device) -> None:
        """A device has spoken for the first time."""
        if self._standing is not None and device.kind in _KINDS:
            self._standing.setdefault((device.zone, device.kind), set()).add(device.key)

    def heard(self, at: Micros, reading: Reading, out: list[Effect]) -> None:
        """A live reading of a device whose word is awaited. What a drill makes up proves nothing."""
        said = {} if reading.exercise else reading.values
        for key in tuple(self.awaited.get(reading.device, ())):
            issued = self._issued[key]
            command = COMMANDS[issued.command]
            obeyed = said.get("command_ok") if said.get("command_id") == issued.id else None
            if obeyed is True:
                self._done(at, issued, "answer", out)
            elif said.get(command.quantity) is command.shows:
                self._done(at, issued, command.quantity, out)
            elif obeyed is False:
                self._fail(at, issued, Failure.REFUSED, "", out)

    def receipt(self, receipt: Receipt, out: list[Effect]) -> None:
        """The broker has taken a command, or it will never reach its device."""
        issued = self._issued.get(receipt.key)
        if issued is None or issued.failed:
            return
        if receipt.outcome is Outcome.ACCEPTED:
            self._timers.set((TIMER, issued.key, ""), receipt.at + self._permits.timeout)
        elif receipt.outcome is Outcome.DEAD:
            self._fail(receipt.at, issued, Failure.NOT_DELIVERED, receipt.reply, out)

    def due(self, at: Micros, key: str, out: list[Effect]) -> None:
        """A command's time has run out; or it failed long ago and its device is no longer listened to."""
        issued = self._issued[key]
        if issued.failed:
            self._forget(issued)
        else:
            self._fail(at, issued, Failure.TIMEOUT, "", out)

    def waits(self, key: str) -> bool:
        """Is a command's end awaited?"""
        return key in self._issued

    def closed(self, incident: str) -> None:
        """Nothing more will come of it; what was issued is still heard of."""
        self._accounts.pop(incident, None)

    def mended(self, renamed: Mapping[str, str], strays: set[str], adopted: Sequence[str]) -> None:
        """After a recovery the ledger's records took the place of ours (see Engine.reconcile): these incidents command no more."""
        for ours in (*renamed, *strays):
            self._accounts.pop(ours, None)
            for issued in [i for i in self._issued.values() if i.incident == ours]:
                self._timers.cancel((TIMER, issued.key, ""))
                self._forget(issued)
        for kept in (*renamed.values(), *adopted):
            self._accounts[kept] = _Account(mended=True)

    # --- one command -------------------------------------------------------------------------------------------------

    def _command(
        self, at: Micros, command: str, device: str, cause: Cause, incident: Incident, account: _Account, out: list[Effect]
    ) -> None:  # fmt: skip
        said = account.said.get((command, device), ())
        if Mode.ARMED in said or Mode.DRY_RUN in said:
            return
        why = self._doubt(at, command, device, cause, incident, account)
        mode = "refused" if why else self._permits.mode.value
        if not _news(account, command, device, why or mode):
            return
        out.append(Entry(at, incident.id, Step.COMMANDED, _detail(command, device, mode, why)))
        if not why:
            self._recent.append(at)
            if self._permits.mode is Mode.ARMED:
                self._issue(at, command, device, incident, account, out)

    def _doubt(
        self, at: Micros, command: str, device: str, cause: Cause, incident: Incident, account: _Account
    ) -> Why | None:
        """Why this device is not commanded; None when nothing speaks against it."""
        target = self._neighbourhood.device(device)
        if cause.evidence is not Freshness.LIVE:
            return Why.EVIDENCE
        if cause.withheld or incident.withheld:
            return Why.WITHHELD
        if incident.exercise:
            return Why.EXERCISE
        if account.mended:
            return Why.RECOVERED
        if target is None or target.kind not in COMMANDS[command].kinds:
            return Why.MISUNDERSTOOD
        if not self._permits.allows(command, device):
            return Why.NOT_ALLOWED
        if self._in_test(device) or self._suppressions.at(target.zone, Measure.TEST):
            return Why.IN_TEST
        while self._recent and self._recent[0] <= at - MINUTE:
            self._recent.popleft()
        return Why.TOO_MANY_COMMANDS if len(self._recent) >= self._permits.at_most_per_minute else None

    def _in_test(self, device: str) -> bool:
        """Does a person say so, or the device itself?"""
        seen = self._seen.get(device)
        told = seen is not None and seen.values.get("test") is True
        return told or self._suppressions.at(device, Measure.TEST) is not None

    def _issue(
        self, at: Micros, command: str, device: str, incident: Incident, account: _Account, out: list[Effect]
    ) -> None:
        account.count += 1
        step = f"command-{account.count}"
        key = f"{incident.id}/{step}/{CHANNEL}@{device}"
        # With its moment: a ledger that was begun anew counts incidents from one again, and devices drop what they know.
        issued = _Issued(key, incident.id, command, device, f"{incident.id}-{account.count}-{at // 1000}", at)
        body: dict[str, object] = {"type": "device.command", "command": command, "device": device, "id": issued.id}
        out.append(Push(at, key, incident.id, step, CHANNEL, incident.kind, at + EXPIRES, body))
        self._await(issued)
        self._timers.set((TIMER, key, ""), at + EXPIRES + self._permits.timeout)

    def _done(self, at: Micros, issued: _Issued, by: str, out: list[Effect]) -> None:
        detail = _detail(issued.command, issued.device)
        took = (at - issued.at) / SECOND
        out.append(
            Entry(at, issued.incident, Step.COMMAND_DONE, {**detail, "by": by, "took": took, "late": issued.failed})
        )
        self._timers.cancel((TIMER, issued.key, ""))
        self._forget(issued)

    def _fail(self, at: Micros, issued: _Issued, why: Failure, reply: str, out: list[Effect]) -> None:
        if issued.failed:
            return
        issued.failed = True
        detail = _detail(issued.command, issued.device)
        out.append(Entry(at, issued.incident, Step.COMMAND_FAILED, {**detail, "why": why.value, "reply": reply}))
        self._timers.set((TIMER, issued.key, ""), at + WATCHED)
        account = self._accounts.get(issued.incident)
        if account is not None and not account.failed:
            account.failed = True
            words, device = COMMANDS[issued.command].words, self._neighbourhood.device(issued.device)
            name = device.name if device is not None else Text(issued.device, issued.device)
            zh = f"{words.zh}未得到确认：{name.zh}。请到现场操作。"
            self._tell(at, issued.incident, Text(zh, f"Not confirmed: {words.en}, {name.en}. Do it on the scene."), out)

    def _await(self, issued: _Issued) -> None:
        self._issued[issued.key] = issued
        self.awaited.setdefault(issued.device, {})[issued.key] = None

    def _forget(self, issued: _Issued) -> None:
        del self._issued[issued.key], self.awaited[issued.device][issued.key]
        if not self.awaited[issued.device]:
            del self.awaited[issued.device]

    # --- which devices -----------------------------------------------------------------------------------------------

    def _targets(self, order: Order, cause: Cause) -> list[str]:
        """Keys in order. Devices known by a pattern count once they have spoken: who asks for one must not make a target of it."""
        if order.place is Place.SELF:
            return [cause.device] if cause.device else []
        standing = self._index()
        return sorted(key for zone in self._zones(order, cause.zone) for key in standing.get((zone, order.kind), ()))

    def _zones(self, order: Order, zone: str) -> Iterable[str]:
        here = self._neighbourhood.zones[zone]
        if order.place is Place.ZONE or not here.building:
            return (zone,)
        return self._buildings[here.site, here.building]

    def _index(self) -> dict[tuple[str, str], set[str]]:
        """O(devices and zones) once."""
        if self._standing is None:
            self._standing = {}
            for device in chain(self._neighbourhood.listed(), (seen.device for seen in self._seen.values())):
                if device.kind in _KINDS:
                    self.met(device)
            for zone in self._neighbourhood.zones.values():
                self._buildings.setdefault((zone.site, zone.building), []).append(zone.key)
        return self._standing

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Plain lists, dicts, strings and numbers."""
        return {
            "accounts": [
                [
                    incident,
                    a.raising,
                    a.count,
                    a.mended,
                    a.failed,
                    [[*pair, list(words)] for pair, words in a.said.items()],
                ]
                for incident, a in self._accounts.items()
            ],
            "issued": [[i.key, i.incident, i.command, i.device, i.id, i.at, i.failed] for i in self._issued.values()],
            "recent": list(self._recent),
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take the place of the one that made the snapshot (an older program's is empty); the timers are the engine's business."""
        for incident, raising, count, mended, failed, said in data.get("accounts", ()):
            words = {(command, device): list(told) for command, device, told in said}
            self._accounts[incident] = _Account(raising, count, mended, words, failed)
        for plain in data.get("issued", ()):
            issued = _Issued(*plain)
            if issued.command in COMMANDS:  # a newer program may have issued one that this one does not know
                self._await(issued)
        self._recent.extend(data.get("recent", ()))


def _news(account: _Account, command: str, device: str, word: str) -> bool:
    """Does the timeline not tell this yet?"""
    said = account.said.setdefault((command, device), [])
    if word in said:
        return False
    said.append(str(word))
    return True


def _detail(command: str, device: str, mode: str = "", why: str | None = None) -> dict[str, Value | None]:
    words = COMMANDS[command].words
    detail: dict[str, Value | None] = {
        "command": command, "device": device, "command_zh": words.zh, "command_en": words.en
    }  # fmt: skip
    return {**detail, "mode": mode, "why": str(why) if why else ""} if mode else detail
