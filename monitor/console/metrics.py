"""The daemon's numbers in Prometheus' text format, from one snapshot that the app takes when it is asked.

Knows no lane and no ledger. Names follow Prometheus' conventions: base units, `_total` for what only grows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitor.board import Board
from monitor.ports import Verdict


@dataclass(frozen=True, slots=True)
class Statistics:
    """Numbers of this process since it started, unless said otherwise. Every verdict that is not named counts as 0."""

    received: int = 0
    """Messages taken from the feed. received = sum of `verdicts` + those still on their way to a commit."""
    verdicts: Mapping[str, int] = field(default_factory=dict)
    """Verdict → messages whose fate is committed."""
    quarantined: Mapping[str, int] = field(default_factory=dict)
    """Reason → messages or parts of messages set aside."""
    inbox_depth: int = 0
    inbox_limit: int = 0
    feed_connected: bool = False
    history_written: Mapping[str, int] = field(default_factory=dict)
    """History → points written."""
    history_lag: Mapping[str, int] = field(default_factory=dict)
    """History → tape rows not yet written to it."""
    outbox_waiting: Mapping[str, int] = field(default_factory=dict)
    """Channel → pushes neither accepted nor dead."""
    attempts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(channel, outcome) → attempts at a push."""
    open_incidents: int = 0
    commits: int = 0
    tape_rows: int = 0
    """Newest sequence number of the tape, over all runs."""
    tape_bytes: int = 0
    ledger_bytes: int = 0


class DaemonCollector(Collector):
    """Turns Statistics and the board's troubles into metric families at the moment of a scrape."""

    def __init__(self, statistics: Callable[[], Statistics], board: Board) -> None:
        self._statistics = statistics
        self._board = board

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry must not ask the daemon for numbers before somebody scrapes."""
        return []

    def collect(self) -> Iterable[Metric]:
        """All families, from one snapshot, so that they agree with each other."""
        s = self._statistics()
        yield _counter("wanglou_messages_received", "Messages taken from the feed.", s.received)
        verdicts = dict.fromkeys((v.value for v in Verdict), 0) | dict(s.verdicts)
        yield _counters("wanglou_messages", "Messages by what became of them.", "verdict", verdicts)
        yield _counters("wanglou_quarantined", "Messages or parts of them set aside.", "reason", s.quarantined)
        yield _gauge("wanglou_inbox_depth", "Events waiting for the engine.", s.inbox_depth)
        yield _gauge("wanglou_inbox_limit", "Depth at which the feed is paused.", s.inbox_limit)
        yield _gauge("wanglou_feed_connected", "1 while the broker is connected.", int(s.feed_connected))
        yield _counters("wanglou_history_written", "Points written to a history.", "history", s.history_written)
        yield _gauges("wanglou_history_lag_rows", "Tape rows a history has yet to get.", "history", s.history_lag)
        yield _gauges("wanglou_outbox_waiting", "Pushes neither accepted nor dead.", "channel", s.outbox_waiting)
        attempts = CounterMetricFamily(
            "wanglou_push_attempts", "Attempts at a push by how they ended.", labels=("channel", "outcome")
        )
        for (channel, outcome), number in sorted(s.attempts.items()):
            attempts.add_metric((channel, outcome), number)
        yield attempts
        yield _gauge("wanglou_incidents_open", "Incidents that are not closed.", s.open_incidents)
        yield _counter("wanglou_ledger_commits", "Transactions of the ledger.", s.commits)
        yield _gauge("wanglou_tape_rows", "Newest sequence number of the tape.", s.tape_rows)
        yield _gauge("wanglou_tape_bytes", "Size of the tape.", s.tape_bytes)
        yield _gauge("wanglou_ledger_bytes", "Size of the ledger's files.", s.ledger_bytes)
        yield _gauge("wanglou_streams_open", "Readers of the live stream.", self._board.subscribers)
        troubles = dict.fromkeys((t.source for t in self._board.troubles()), 1)
        yield _gauges("wanglou_trouble", "1 for each part of the daemon that is in trouble.", "source", troubles)


def registry(statistics: Callable[[], Statistics], board: Board) -> CollectorRegistry:
    """A registry of this console alone, with the process's own memory, CPU and file descriptors."""
    own = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=own)
    own.register(DaemonCollector(statistics, board))
    return own


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _counters(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for key, value in sorted(values.items()):
        family.add_metric((key,), value)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in sorted(values.items()):
        family.add_metric((key,), value)
    return family
