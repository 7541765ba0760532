"""`make fires`: four real house fires under the shipped rules, beside the alarms that hung in the same rooms.

usage: python -m tests.bench.fires [FIRE …]; all four when none is named. Each is played through the wire format, decode and
engine in virtual time, as `wanglou replay` does it, with every meter reporting each 2 s and each 10 s. At each interval the score is
told again for every second at which the reports may begin: who speaks each 10 s speaks at :00 or at :07.

What is told of a location, in seconds of the fire's own clock:

    ionisation, photoelectric   the real alarms there; of several the first
    arrives                     smoke or heat at that ceiling by the meters alone (`arrival`), so before it nothing may be said
    pre-alarm, smoke, confirmed the first PREALARM of the room; its first FIRE in which smoke is evidence; two kinds of evidence
    57 °C                       at that ceiling

Where our smoke alarm is late, and what the meter there had said by then, is told below the table.

A room is a zone of its own and adjoins all others of the house: the rooms stood open. Nothing of the measurements is kept here.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from monitor import wiring
from monitor.lookout import Lookout
from monitor.replay import play
from monitor.settings import load
from monitor.tape import from_lines
from rules.model import Effect, Entry, Step
from rules.rulebook import load_book
from simulators import nist
from simulators.nist import Fire

START = datetime(2026, 11, 22, 0, 0, tzinfo=UTC)
"""Second 0 of every fire."""
QUIET_S = 300.0
"""Seconds of the meters' own noise before it."""
INTERVALS_S = (2.0, 10.0)
BURNS_C = 57.0
RAISES = frozenset({Step.RAISED, Step.JOINED, Step.ESCALATED, Step.CONFIRMED})
SMOKE_ABOVE_NOISE, HEAT_ABOVE_QUIET = 0.05, 0.5
"""dB/m (the lowest that EN 14604 lets an alarm answer to) and K (none of these thermocouples strays by more than 0.3 in quiet)."""
BEFORE_ALARM_S = 10.0
"""Seconds up to a real alarm of which the meter's mean is taken."""
CONFIRMED = "confirmed-fire"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One rule that went active; `at` in seconds of the fire's clock."""

    at: float
    room: str
    """Letter of the location."""
    kind: str
    rule: str
    smoke: bool
    """Smoke is (part of) the evidence."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One location of one fire at one reporting interval; times in seconds, None where it never came."""

    fire: str
    letter: str
    has_meter: bool
    ionisation: float | None
    photoelectric: tuple[float, ...]
    arrives: float | None
    prealarm: float | None
    smoke: float | None
    confirmed: float | None
    burns: float | None
    first: float | None
    """Anything at all."""
    density: tuple[float, ...] = ()
    """dB/m above its own quiet that the meter showed up to each photoelectric alarm (`BEFORE_ALARM_S`); none without a meter."""
    warmth: tuple[float, ...] = ()
    """K above the quiet ceiling, the same."""

    @property
    def ahead(self) -> float | None:
        """Seconds that our smoke alarm was before the first photoelectric one; None where there is nothing to compare."""
        if not self.photoelectric or not self.has_meter:
            return None
        return self.photoelectric[0] - (inf if self.smoke is None else self.smoke)

    @property
    def warned(self) -> bool:
        """Our smoke alarm or any pre-alarm came no later than the first photoelectric alarm."""
        ours = [t for t in (self.prealarm, self.smoke) if t is not None]
        return bool(ours) and min(ours) <= self.photoelectric[0]

    @property
    def in_reach(self) -> bool:
        """The meter showed as much at the first photoelectric alarm as the standard lets any alarm answer to."""
        return bool(self.density) and self.density[0] >= SMOKE_ABOVE_NOISE

    @property
    def confirmed_in_time(self) -> bool | None:
        """Confirmed before that ceiling had 57 °C; None where it never had."""
        return None if self.burns is None else self.confirmed is not None and self.confirmed < self.burns

    @property
    def too_soon(self) -> bool:
        """Anything said before smoke or heat was there."""
        return self.first is not None and (self.arrives is None or self.first < self.arrives)


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over locations."""

    compared: int
    in_time: int
    in_time_for_last: int
    """No later than the last photoelectric alarm of the location, where several hung."""
    warned: int
    """In time when our pre-alarms count as well."""
    in_reach: int
    in_reach_in_time: int
    real_alarms: int
    real_alarms_matched: int
    burning: int
    confirmed: int
    too_soon: int


def score(spots: Sequence[Spot]) -> Score:
    """What the aims are about."""
    compared = [s for s in spots if s.ahead is not None]
    alarms = [(s.smoke, real) for s in compared for real in s.photoelectric]
    return Score(
        len(compared), sum(_in_time(s) for s in compared),
        sum(s.smoke is not None and s.smoke <= s.photoelectric[-1] for s in compared), sum(s.warned for s in compared),
        sum(s.in_reach for s in compared), sum(s.in_reach and _in_time(s) for s in compared),
        len(alarms), sum(ours is not None and ours <= real for ours, real in alarms),
        sum(s.burns is not None for s in spots), sum(s.confirmed_in_time is True for s in spots),
        sum(s.too_soon for s in spots),
    )  # fmt: skip


def _in_time(spot: Spot) -> bool:
    return spot.ahead is not None and spot.ahead >= 0


def spots(
    fire: Fire,
    interval_s: float,
    real: Mapping[str, float],
    books: Iterable[Any] = ("shipped:all",),
    phase_s: float = 0.0,
) -> list[Spot]:
    """Play one fire and look at each of its locations. `books` as in the site file; one report of each device is at `phase_s`."""
    alarms = list(alarms_of(fire, interval_s, list(books), phase_s))
    return [_spot(fire, letter, real, [a for a in alarms if a.room == letter]) for letter in fire.locations]


def arrival(fire: Fire, letter: str) -> float | None:
    """When smoke or heat is at a ceiling: a meter above its own quiet rows, by what an alarm may answer to, twice in a row.

    Knows no rule. Quiet are the rows that fill the lead-in; a meter's noise later on is not seen before it is above theirs.
    """
    found = []
    for device, margin in (
        (f"smoke-{letter.lower()}", SMOKE_ABOVE_NOISE),
        (f"heat-{letter.lower()}", HEAT_ABOVE_QUIET),
    ):
        values = fire.series.get(device)
        if values is not None:
            limit = max(values[: nist.QUIET_ROWS]) + margin
            found += [fire.times[i] for i in range(len(values) - 1) if min(values[i], values[i + 1]) > limit][:1]
    return min(found, default=None)


def house(fire: Fire) -> dict[str, Any]:
    """The site's entry: each room a zone, all of them adjoining."""
    entry: dict[str, Any] = nist.house(fire, site=fire.name.lower())
    rooms = [zone["id"] for zone in entry["zones"]]
    for zone in entry["zones"]:
        zone["adjacent"] = [room for room in rooms if room != zone["id"]]
    return entry


def alarms_of(fire: Fire, interval_s: float, books: list[Any], phase_s: float = 0.0) -> Iterator[Alarm]:
    """Every rule that goes active while a fire is played, `QUIET_S` of quiet before it."""
    told: list[Entry] = []

    def watch(effect: Effect) -> None:
        if isinstance(effect, Entry) and effect.step in RAISES:
            told.append(effect)

    with tempfile.TemporaryDirectory(prefix="wanglou-fires-") as folder:
        path = Path(folder) / "site.yaml"
        site = {
            "api": {"token": "a-token-for-this-run-only"}, "channels": {"topics": {"kind": "mqtt"}}, "books": books,
            "sites": [house(fire)],
            "stations": [{"id": "post", "name": "微型消防站", "zones": ["*"], "recipients": ["topics"]}],
        }  # fmt: skip
        path.write_text(yaml.safe_dump(site, allow_unicode=True), "utf-8")
        settings = load(path, {})
        lookout = Lookout(load_book(settings.book_texts()), settings.neighbourhood(), wiring.limits(settings))
    tape = nist.tape(fire, START, interval_s, lead_in_s=QUIET_S, phase_s=phase_s, site=fire.name.lower())
    play(from_lines((json.dumps(m) for m in tape), fire.name), lookout, watch=watch)
    for entry in told:
        rule = lookout.engine.book.by_id[str(entry.detail["rule"])]
        letter = str(entry.detail["subject"]).rpartition("-")[2].upper()
        smoke = bool(rule.quantities & {"smoke", "smoke_density"})
        yield Alarm(entry.at / 1e6 - START.timestamp(), letter, str(rule.kind), rule.id, smoke)


def _spot(fire: Fire, letter: str, real: Mapping[str, float], alarms: Sequence[Alarm]) -> Spot:
    def first(which: Callable[[Alarm], bool]) -> float | None:
        return min((a.at for a in alarms if which(a)), default=None)

    ours = {
        kind: sorted(t for name, t in real.items() if name[:3] == kind and name[-1] == letter)
        for kind in ("Ion", "Pho")
    }
    heat = fire.series[f"heat-{letter.lower()}"]
    return Spot(
        fire.name, letter, f"smoke-{letter.lower()}" in fire.series,
        min(ours["Ion"], default=None), tuple(ours["Pho"]), arrival(fire, letter),
        first(lambda a: a.kind == "PREALARM"), first(lambda a: a.kind == "FIRE" and a.smoke),
        first(lambda a: a.rule == CONFIRMED),
        next((t for t, c in zip(fire.times, heat, strict=True) if c >= BURNS_C), None), first(lambda a: True),
        _shown(fire, f"smoke-{letter.lower()}", ours["Pho"]), _shown(fire, f"heat-{letter.lower()}", ours["Pho"]),
    )  # fmt: skip


def _shown(fire: Fire, device: str, moments: Sequence[float]) -> tuple[float, ...]:
    """What a meter showed above its quiet rows up to each of the moments; nothing without the meter."""
    values = fire.series.get(device)
    if values is None:
        return ()
    quiet = sum(values[: nist.QUIET_ROWS]) / nist.QUIET_ROWS
    up_to = [[v for t, v in zip(fire.times, values, strict=True) if at - BEFORE_ALARM_S < t <= at] for at in moments]
    return tuple(sum(said) / len(said) - quiet for said in up_to)


# --- what is printed -------------------------------------------------------------------------------------------------


def table(found: Sequence[Spot], interval_s: float) -> Table:
    """One line for each location."""
    made = Table(title=f"every {interval_s:g} s", title_justify="left")
    for heading in (
        "fire",
        "at",
        "ionis.",
        "photoel.",
        "arrives",
        "pre-alarm",
        "smoke",
        "ahead",
        "confirmed",
        "57 °C",
        "before",
    ):
        made.add_column(heading, justify="left" if heading in ("fire", "at") else "right")
    for s in found:
        photo = " ".join(f"{t:.0f}" for t in s.photoelectric) or "-"
        before = s.burns - s.confirmed if s.burns is not None and s.confirmed is not None else None
        first = f"[red]{_s(s.first)} too soon[/]" if s.too_soon else _s(s.prealarm)
        where = s.letter if s.has_meter else f"{s.letter} (no meter)"
        made.add_row(
            s.fire, where, _s(s.ionisation), photo, _s(s.arrives), first, _s(s.smoke), _margin(s.ahead, s.ahead is not None),
            _s(s.confirmed), _s(s.burns), _margin(before, s.burns is not None),
        )  # fmt: skip
    return made


def verdict(s: Score) -> list[str]:
    """The aims and what was reached."""
    reached = f"where the meter showed {SMOKE_ABOVE_NOISE} dB/m by then (EN 14604: the least that an alarm answers to)"
    return [
        f"smoke alarm no later than the first photoelectric alarm there: {_of(s.in_time, s.compared)} locations",
        f"no later than each of the photoelectric alarms there: {_of(s.real_alarms_matched, s.real_alarms)} alarms",
        f"no later than the last of them there: {_of(s.in_time_for_last, s.compared)} locations",
        f"no later than the first, our pre-alarms counted too: {_of(s.warned, s.compared)} locations",
        f"{reached}: {_of(s.in_reach_in_time, s.in_reach)}",
        f"fire confirmed before 57 °C at that ceiling: {s.confirmed} of {s.burning} locations",
        f"anything said before smoke or heat was there: {s.too_soon} locations",
    ]


def late(found: Sequence[Spot]) -> list[str]:
    """Where our smoke alarm was late, and what there was to be seen by then."""
    return [
        f"late: {s.fire} {s.letter} by {-s.ahead:.0f} s. In the {BEFORE_ALARM_S:g} s up to {s.photoelectric[0]:.0f} s the meter showed "
        f"{s.density[0]:.3f} dB/m and {s.warmth[0]:.1f} K above quiet"
        for s in found
        if s.ahead is not None and s.ahead < 0
    ]


def phases(found: Sequence[Score]) -> list[str]:
    """The worst and the best of the same fires when the meters begin to count at other seconds."""

    def span(what: Callable[[Score], int]) -> str:
        counts = sorted(what(s) for s in found)
        return f"{counts[0]} to {counts[-1]}" if counts[0] != counts[-1] else f"{counts[0]}"

    first, places = found[0], f"{span(lambda s: s.in_time)} of {found[0].compared} locations"
    alarms = f"{span(lambda s: s.real_alarms_matched)} of {first.real_alarms} alarms"
    confirmed = f"{span(lambda s: s.confirmed)} of {first.burning}"
    return [
        f"reports begun at {len(found)} different seconds: in time at {places}, for {alarms},",
        f"    confirmed at {confirmed}, too soon at {span(lambda s: s.too_soon)}",
    ]


def _margin(seconds: float | None, matters: bool) -> str:
    if not matters:
        return ""
    if seconds is None or seconds == -inf:
        return "[red]never[/]"
    return f"[{'green' if seconds >= 0 else 'red'}]{seconds:+.0f}[/]"


def _s(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.0f}"


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "none"


def main(names: Sequence[str]) -> int:
    """Print it. 2 when there are no measurements, or no such fire."""
    out = Console(width=120)
    try:
        folder = nist.data_folder()
    except FileNotFoundError as missing:
        out.print(f"[red]{missing}[/]")
        return 2
    known = {fire.name: fire for fire in nist.fires(folder)}
    if unknown := set(names) - set(known):
        out.print(f"[red]no fire {', '.join(sorted(unknown))}; there are {', '.join(known)}[/]")
        return 2
    sounded = nist.alarm_times(folder)
    for interval_s in INTERVALS_S:
        begun = [
            [s for name in names or known for s in spots(known[name], interval_s, sounded[name], phase_s=phase_s)]
            for phase_s in range(int(interval_s))
        ]
        out.print(table(begun[0], interval_s))
        lines = [*verdict(score(begun[0])), *late(begun[0]), *phases([score(found) for found in begun])]
        out.print("\n".join(lines), highlight=False)
        out.print()
    out.print("seconds of each fire's clock; ahead: + is before the real photoelectric alarm")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
