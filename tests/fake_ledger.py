"""A ledger in plain lists, for tests of everything that reads or writes one; it passes the ledger's contract suite.

Knows no file and no thread: what a test needs to happen slowly or to fail is scripted through `gate` and `failing`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence

from monitor.chain import first_link
from monitor.ledger.rows import QUARANTINE_KEPT, SAMPLE_BYTES, STRANGERS_KEPT, chained
from monitor.ports import (
    Batch,
    LedgerSize,
    OutboxRow,
    PortError,
    Quarantined,
    TapeRecord,
    TimelineRow,
    Unregistered,
)
from monitor.tape import pack, unpack
from rules.model import Incident, IncidentState, Micros, Outcome, Suppression

_SETTLED = frozenset({Outcome.ACCEPTED.value, Outcome.DEAD.value, Outcome.WITHDRAWN.value})


class FakeLedger:
    """The port `monitor.ports.Ledger` on lists and dicts.

    `gate`, when a test clears it, holds every call back until it is set again; `failing`, when set, is raised by every
    call before anything is read or written.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing: PortError | None = None
        self._tape: list[TapeRecord] = []
        self._last_seq = 0
        self._tape_bytes = 0
        self._incidents: dict[str, Incident] = {}
        self._entries: list[TimelineRow] = []
        self._suppressions: dict[str, Suppression] = {}
        self._outbox: dict[str, OutboxRow] = {}
        self._quarantined: list[Quarantined] = []
        self._unregistered: dict[str, Unregistered] = {}
        self._counts: dict[str, int] = {}
        self._cursors: dict[str, int] = {}
        self._snapshot: tuple[int, bytes] | None = None

    async def commit(self, batch: Batch) -> int:
        """Write all of it, or nothing when a part of it cannot be read."""
        await self._turn()
        entries = [
            TimelineRow(len(self._entries) + n, at, incident, step, json.loads(detail), link)
            for n, (at, incident, step, detail, link) in enumerate(chained(batch.entries, self._link_of), 1)
        ]
        if clash := {push.key for push in batch.pushes} & self._outbox.keys():
            raise ValueError(f"keys of pushes are given once: {sorted(clash)}")
        if batch.rows:
            record = pack(batch.rows)  # what comes back is what was written down, not the very same objects
            self._tape.append(TapeRecord(self._last_seq + 1, batch.first_at, batch.last_at, unpack(record)))
            self._tape_bytes += len(record)
            self._last_seq += len(batch.rows)
        self._entries += entries
        self._incidents |= batch.incidents
        self._suppressions |= batch.suppressions
        for push in batch.pushes:
            self._outbox[push.key] = OutboxRow(push, "pending", 0, "", None)
        for key, outcome, attempts, reply, next_at in batch.settled:
            if key in self._outbox:
                self._outbox[key] = OutboxRow(self._outbox[key].push, outcome, attempts, reply, next_at)
        self._set_aside(batch.quarantined)
        for device, (count, first_at, last_at, topic, sample) in batch.unregistered.items():
            known = self._unregistered.get(device)
            self._unregistered[device] = Unregistered(
                device,
                count + (known.messages if known else 0),
                known.first_at if known else first_at,
                last_at,
                topic,
                sample[:SAMPLE_BYTES],
            )
        kept = sorted(self._unregistered.values(), key=lambda u: u.last_at, reverse=True)[:STRANGERS_KEPT]
        self._unregistered = {u.device: u for u in kept}
        for verdict, number in batch.counts.items():
            self._counts[verdict] = self._counts.get(verdict, 0) + number
        if batch.snapshot is not None:
            self._snapshot = (self._last_seq, batch.snapshot)
        return self._last_seq

    async def tape_after(self, seq: int, records: int = 8) -> list[TapeRecord]:
        """Records whose last row comes after `seq`, oldest first."""
        await self._turn()
        return [r for r in self._tape if r.first_seq + len(r.rows) - 1 > seq][:records]

    async def cursor(self, name: str) -> int:
        """How far a reader has come."""
        await self._turn()
        return self._cursors.get(name, 0)

    async def move_cursor(self, name: str, seq: int) -> None:
        """Remember it."""
        await self._turn()
        self._cursors[name] = seq

    async def quarantine(self, items: Sequence[Quarantined]) -> None:
        """Set aside and count."""
        await self._turn()
        self._set_aside(items)

    async def snapshot(self) -> tuple[int, bytes] | None:
        """The newest snapshot."""
        await self._turn()
        return self._snapshot

    async def open_pushes(self) -> list[OutboxRow]:
        """Neither accepted nor dead nor withdrawn, oldest first."""
        await self._turn()
        return [row for row in self._outbox.values() if row.outcome not in _SETTLED]

    async def pushes_of(self, incident: str) -> list[OutboxRow]:
        """All pushes of an incident, oldest first."""
        await self._turn()
        return [row for row in self._outbox.values() if row.push.incident == incident]

    async def incidents(
        self, *, open_only: bool = False, since: Micros = 0, before: Micros | None = None, station: str | None = None,
        limit: int = 100,
    ) -> list[Incident]:  # fmt: skip
        """Newest first; `since` and `before` are moments of raising, the second not included."""
        await self._turn()
        found = [
            i
            for i in self._incidents.values()
            if not (open_only and i.state is IncidentState.CLOSED)
            and since <= i.raised_at
            and (before is None or i.raised_at < before)
            and station in (None, i.station)
        ]
        return sorted(found, key=lambda i: (i.raised_at, i.id), reverse=True)[:limit]

    async def incident(self, incident_id: str) -> Incident | None:
        """One incident."""
        await self._turn()
        return self._incidents.get(incident_id)

    async def timeline(self, incident_id: str) -> list[TimelineRow]:
        """Its entries, oldest first."""
        await self._turn()
        return [row for row in self._entries if row.incident == incident_id]

    async def timelines(self, incidents: Sequence[str], steps: Collection[str] = ()) -> list[TimelineRow]:
        """Of several incidents, oldest first."""
        await self._turn()
        return [row for row in self._entries if row.incident in incidents and (not steps or row.step in steps)]

    async def suppressions(self, *, open_only: bool = False, limit: int = 1000) -> list[Suppression]:
        """Newest first."""
        await self._turn()
        found = [s for s in self._suppressions.values() if not (open_only and s.ended_at is not None)]
        return sorted(found, key=lambda s: (s.since, s.id), reverse=True)[:limit]

    async def entries_after(self, entry_id: int, limit: int = 500) -> list[TimelineRow]:
        """Entries of all incidents; ids run from 1 without holes here."""
        await self._turn()
        return self._entries[max(entry_id, 0) :][:limit]

    async def quarantined(self, limit: int = 100) -> list[Quarantined]:
        """Newest first."""
        await self._turn()
        return self._quarantined[::-1][:limit]

    async def unregistered(self, limit: int = 100) -> list[Unregistered]:
        """The latest heard first."""
        await self._turn()
        return sorted(self._unregistered.values(), key=lambda u: (-u.last_at, u.device))[:limit]

    async def counts(self) -> dict[str, int]:
        """Verdict → number, and `quarantined:<reason>` → number."""
        await self._turn()
        return dict(self._counts)

    async def size(self) -> LedgerSize:
        """Rows, and the bytes of their records."""
        await self._turn()
        return LedgerSize(
            last_seq=self._last_seq,
            first_seq=self._tape[0].first_seq if self._tape else 0,
            tape_bytes=self._tape_bytes,
            file_bytes=self._tape_bytes,
            open_pushes=sum(row.outcome not in _SETTLED for row in self._outbox.values()),
            open_incidents=sum(i.state is not IncidentState.CLOSED for i in self._incidents.values()),
            last_entry=len(self._entries),
        )

    def _link_of(self, incident: str) -> str:
        links = [row.link for row in self._entries if row.incident == incident]
        return links[-1] if links else first_link("fake", incident)

    def _set_aside(self, items: Sequence[Quarantined]) -> None:
        for item in items:
            self._quarantined.append(item._replace(payload=item.payload[:SAMPLE_BYTES]))
            name = f"quarantined:{item.reason}"
            self._counts[name] = self._counts.get(name, 0) + 1
        del self._quarantined[:-QUARANTINE_KEPT]

    async def _turn(self) -> None:
        """Give way to other tasks, as a ledger behind a thread does."""
        await asyncio.sleep(0)
        await self.gate.wait()
        if self.failing is not None:
            raise self.failing
