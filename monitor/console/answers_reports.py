"""The shapes of the reports as the API and the command line say them.

Knows no HTTP; see `answers.py` for what all answers have in common. Durations are seconds.
"""

from __future__ import annotations

from pydantic import Field

from monitor.console.answers import Answer
from monitor.console.times import Time
from monitor.reports.nuisance import Line, NuisanceReport, Tally
from monitor.reports.responses import GOALS, Group, Hop, Response
from monitor.reports.sheets import seconds
from monitor.reports.sla import Figures, GoalFigures, SlaReport, StationReport
from monitor.reports.spreads import Spread
from rules.model import Disposition, Kind, Text


class SpreadAnswer(Answer):
    """How durations are spread, by nearest rank; null where there is none."""

    n: int
    p50_seconds: float | None
    p90_seconds: float | None
    max_seconds: float | None

    @classmethod
    def of(cls, it: Spread) -> SpreadAnswer:
        """In seconds."""
        return cls(n=it.n, p50_seconds=seconds(it.p50), p90_seconds=seconds(it.p90), max_seconds=seconds(it.longest))


class GoalAnswer(Answer):
    """How one goal was reached. `share` is `missed` of `decided`: the promises that are due by now."""

    took: SpreadAnswer
    decided: int
    missed: int
    share: float | None

    @classmethod
    def of(cls, it: GoalFigures) -> GoalAnswer:
        """As counted."""
        return cls(took=SpreadAnswer.of(it.took), decided=it.decided, missed=it.missed, share=it.share)


class FiguresAnswer(Answer):
    """The responses of one group and kind; `kind` is null for all kinds of the group together."""

    group: Group
    kind: Kind | None
    incidents: int
    open: int
    again: int = Field(description="Times that danger came back after it was resolved; each is a response of its own.")
    to_verify: int = Field(description="Responses on doubtful evidence, which nobody was dispatched for.")
    goals: dict[str, GoalAnswer]
    hops: dict[Hop, SpreadAnswer]
    slowest: dict[Hop, int] = Field(description="How often each hop took most of the time.")

    @classmethod
    def of(cls, it: Figures) -> FiguresAnswer:
        """As counted."""
        return cls(
            group=it.group, kind=it.kind, incidents=it.incidents, open=it.open, again=it.again, to_verify=it.to_verify,
            goals={goal: GoalAnswer.of(found) for goal, found in it.goals.items()},
            hops={hop: SpreadAnswer.of(found) for hop, found in it.hops.items()}, slowest=dict(it.slowest),
        )  # fmt: skip


class ResponseAnswer(Answer):
    """One raising of an incident and what came of it."""

    incident: str
    number: int
    group: Group
    kind: Kind
    zone: str
    title: Text
    began_at: Time
    certain: bool
    seconds: dict[str, float] = Field(description="Goal → seconds after `began_at`; only goals that were reached.")
    hops: dict[Hop, float] = Field(description="Hop → seconds; only those that are known.")
    slowest: Hop | None
    missed: list[str]
    disposition: Disposition | None

    @classmethod
    def of(cls, it: Response) -> ResponseAnswer:
        """As read off the timeline."""
        incident = it.incident
        took = {goal: span / 1e6 for goal in GOALS if (span := it.took(goal)) is not None}
        return cls(
            incident=incident.id, number=it.number, group=it.group, kind=incident.kind, zone=incident.zone, title=incident.title,
            began_at=it.began_at, certain=it.certain, seconds=took, hops={hop: span / 1e6 for hop, span in it.hops().items()},
            slowest=it.slowest(), missed=[goal for goal in GOALS if goal in it.missed], disposition=incident.disposition,
        )  # fmt: skip


class StationReportAnswer(Answer):
    """A station's month."""

    station: str
    name: Text
    figures: list[FiguresAnswer]
    responses: list[ResponseAnswer]

    @classmethod
    def of(cls, it: StationReport) -> StationReportAnswer:
        """Figures and every response."""
        return cls(
            station=it.station, name=it.name, figures=[FiguresAnswer.of(line) for line in it.figures],
            responses=[ResponseAnswer.of(response) for response in it.responses],
        )  # fmt: skip


class SlaAnswer(Answer):
    """Service levels of a month of China's calendar."""

    month: str
    since: Time
    before: Time
    made_at: Time
    complete: bool = Field(
        description="False: more incidents than one report counts; these are the first of the month."
    )
    stations: list[StationReportAnswer]

    @classmethod
    def of(cls, it: SlaReport) -> SlaAnswer:
        """The whole report."""
        return cls(
            month=str(it.month), since=it.month.since, before=it.month.before, made_at=it.made_at, complete=it.complete,
            stations=[StationReportAnswer.of(station) for station in it.stations],
        )  # fmt: skip


class TallyAnswer(Answer):
    """Raisings by what they turned out to be. `precision` is fire ÷ (fire + nuisance), null while neither is known."""

    raised: int
    alarms: int
    open: int
    found: dict[Disposition, int]
    precision: float | None

    @classmethod
    def of(cls, it: Tally) -> TallyAnswer:
        """Every disposition, also those that did not occur."""
        found = {disposition: it.found[disposition] for disposition in Disposition}
        return cls(raised=it.raised, alarms=it.alarms, open=it.open, found=found, precision=it.precision)


class NuisanceLineAnswer(Answer):
    """A device, rule or zone. `days` are those of a zone with more than five false alarms."""

    key: str
    name: Text
    zone: str
    kind: str
    tally: TallyAnswer
    false_per_year: float | None
    days: dict[str, int]

    @classmethod
    def of(cls, it: Line) -> NuisanceLineAnswer:
        """As counted."""
        return cls(
            key=it.key, name=it.name, zone=it.zone, kind=it.kind, tally=TallyAnswer.of(it.tally), false_per_year=it.per_year,
            days=dict(it.days),
        )  # fmt: skip


class NuisanceAnswer(Answer):
    """Nuisance accounting of a month of China's calendar; the worst come first."""

    month: str
    since: Time
    before: Time
    made_at: Time
    complete: bool
    total: TallyAnswer
    faults: int = Field(description="Incidents that are not counted: faults, exercises, withheld ones.")
    exercises: int
    withheld: int
    detectors: int
    detector_years: float
    false_per_detector_year: float | None
    devices: list[NuisanceLineAnswer]
    rules: list[NuisanceLineAnswer]
    zones: list[NuisanceLineAnswer]
    hours: list[TallyAnswer] = Field(description="By hour of the day in China, 0 to 23.")

    @classmethod
    def of(cls, it: NuisanceReport) -> NuisanceAnswer:
        """The whole report."""
        return cls(
            month=str(it.month), since=it.month.since, before=it.month.before, made_at=it.made_at, complete=it.complete,
            total=TallyAnswer.of(it.total), faults=it.faults, exercises=it.exercises, withheld=it.withheld,
            detectors=it.detectors, detector_years=it.detector_years, false_per_detector_year=it.per_detector_year,
            devices=[NuisanceLineAnswer.of(line) for line in it.devices],
            rules=[NuisanceLineAnswer.of(line) for line in it.rules],
            zones=[NuisanceLineAnswer.of(line) for line in it.zones],
            hours=[TallyAnswer.of(tally) for tally in it.hours],
        )  # fmt: skip
