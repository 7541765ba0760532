"""The past, played again in virtual time through decode and engine: the same machine, fed by a tape, nobody sent.

Knows no broker and no clock. Pushes are taken as accepted at once, so that the response goes on as it would on a good night; tell it
otherwise and the deadlines speak.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields

from monitor.lookout import Lookout
from monitor.ports import Message
from rules.model import Effect, Incident, IncidentChanged, Micros, Outcome, Push, Receipt, Tick

Watcher = Callable[[Effect], None]


@dataclass(slots=True)
class Summary:
    """What a replay came to."""

    messages: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    effects: int = 0
    incidents: dict[str, Incident] = field(default_factory=dict)
    first_at: Micros = 0
    last_at: Micros = 0
    digest: str = ""
    """SHA-256 over all effects in order: the same tape under the same rules gives the same, in any process."""


def play(
    messages: Iterable[Message],
    lookout: Lookout,
    *,
    accepted: bool = True,
    settle: Micros = 0,
    watch: Watcher = lambda effect: None,
) -> Summary:
    """Feed every message; then let `settle` more time pass, so that deadlines which were running can be seen to end."""
    out = Summary()
    marks = hashlib.sha256()

    def carry_out(effects: Sequence[Effect]) -> None:
        waiting = effects
        while waiting:
            answers: list[Effect] = []
            for effect in waiting:
                marks.update(written(effect))
                out.effects += 1
                if type(effect) is IncidentChanged:
                    out.incidents[effect.incident.id] = effect.incident
                watch(effect)
                if accepted and type(effect) is Push:
                    answers.extend(
                        lookout.engine.handle(Receipt(effect.at, effect.key, Outcome.ACCEPTED, 1, "replayed"))
                    )
            waiting = answers

    for m in messages:
        sight = lookout.see(m)
        out.messages += 1
        out.verdicts[sight.verdict] += 1
        if sight.quarantined:
            out.quarantined.update(q.reason for q in sight.quarantined)
        if sight.effects:
            carry_out(sight.effects)
        out.first_at = out.first_at or m.at
        out.last_at = m.at
    if settle:
        end = out.last_at + settle
        while lookout.engine.next_due <= end:
            carry_out(lookout.engine.handle(Tick(lookout.engine.next_due)))
    out.digest = marks.hexdigest()
    return out


def written(effect: Effect) -> bytes:
    """One line of JSON that is the same for the same effect in any process."""
    plain = {f.name: getattr(effect, f.name) for f in fields(effect)}
    if isinstance(effect, IncidentChanged):
        plain["incident"] = {f.name: getattr(effect.incident, f.name) for f in fields(effect.incident)}
        plain["incident"]["title"] = [effect.incident.title.zh, effect.incident.title.en]
    return json.dumps([type(effect).__name__, plain], ensure_ascii=False, sort_keys=True, default=dict).encode() + b"\n"
