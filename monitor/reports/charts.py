"""Drawings of a report: promises against what happened, and readings over time. SVG by presentation attributes alone, no style, no script.

Knows numbers, moments and names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.ports import Bucket
from monitor.reports.paper import Content, Markup, tag
from monitor.reports.periods import lasted, local
from rules.model import Micros, Text

WIDTH, LEFT, RIGHT = 720, 56, 12
_COLOURS = ("#1f5fa8", "#b35900", "#1b6e3a", "#7a3fa0", "#00707a", "#8a2b4a")
_DASHES = ("none", "6 3", "2 2", "8 3 2 3", "1 3", "10 4")
"""Told apart on paper without colour as well."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A goal: how long it might take (None: nothing was promised) and how long it took (None: not reached)."""

    name: Text
    promised: Micros | None
    took: Micros | None
    missed: bool


def promises(goals: Sequence[Promise]) -> Markup:
    """A bar for each goal: pale as long as it might take, dark as long as it took; each to its own scale."""
    return Markup("".join(_promise(it) for it in goals))


def _promise(it: Promise) -> Markup:
    whole = max(it.promised or 0, it.took or 0, 1)
    bars: list[Content] = []
    if it.promised is not None:
        wide = it.promised * 1000 // whole
        bars.append(tag("rect", x=0, y=0, width=wide, height=20, fill="#dfe3e9"))
        bars.append(tag("rect", x=max(wide - 4, 0), y=0, width=4, height=20, fill="#1a1c20"))
    if it.took is not None:
        colour = "#b3261e" if it.missed else "#1b6e3a"
        bars.append(tag("rect", x=0, y=6, width=max(it.took * 1000 // whole, 6), height=8, fill=colour))
    took = "未达到 not reached" if it.took is None else lasted(it.took)
    promised = "" if it.promised is None else f" / {lasted(it.promised)}"
    missed = tag("small", "超时 missed", class_="bad") if it.missed else ""
    label = f"{it.name.zh} {took}{promised}"
    bar = tag(
        "svg", bars, viewBox="0 0 1000 20", preserveAspectRatio="none", class_="bar", role="img", aria_label=label
    )
    return tag("div", [tag("span", it.name), bar, tag("span", [f"{took}{promised}", missed])], class_="goal")


@dataclass(frozen=True, slots=True)
class Line:
    """A device's readings of one quantity."""

    device: str
    points: Sequence[Bucket]


def readings(
    name: Text, unit: str, lines: Sequence[Line], since: Micros, until: Micros, marks: Iterable[tuple[Micros, str]]
) -> Markup:
    """One quantity over time, a line for each device with its range shaded; `marks` are moments with a short name."""
    height, top, bottom = 170, 22, 150
    low, high = _range([p for line in lines for p in line.points])

    def x(at: Micros) -> float:
        return round(LEFT + (at - since) / max(until - since, 1) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(bottom - (value - low) / (high - low) * (bottom - top), 1)

    parts: list[Content] = [tag("text", f"{name.zh} {name.en}{f' ({unit})' if unit else ''}", x=0, y=12)]
    for value in _ticks(low, high):
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(value), y2=y(value), stroke="#e3e6eb"))
        parts.append(tag("text", f"{value:g}", x=LEFT - 5, y=y(value) + 4, text_anchor="end", class_="soft"))
    for at, label in marks:
        if since <= at <= until:
            parts.append(tag("line", x1=x(at), x2=x(at), y1=top, y2=bottom, stroke="#b3261e", stroke_dasharray="3 3"))
            parts.append(tag("text", label, x=x(at) + 3, y=top + 9, fill="#b3261e"))
    for place, line in enumerate(lines):
        colour, dash = _COLOURS[place % len(_COLOURS)], _DASHES[place % len(_DASHES)]
        band = [f"{x(p.at)},{y(p.high)}" for p in line.points] + [
            f"{x(p.at)},{y(p.low)}" for p in reversed(line.points)
        ]
        parts.append(tag("polygon", points=" ".join(band), fill=colour, fill_opacity="0.15"))
        curve = " ".join(f"{x(p.at)},{y(p.mean)}" for p in line.points)
        parts.append(
            tag("polyline", points=curve, fill="none", stroke=colour, stroke_width="1.6", stroke_dasharray=dash)
        )
    parts.append(tag("text", local(since)[11:19], x=LEFT, y=height - 6, class_="soft"))
    parts.append(tag("text", local(until)[11:19], x=WIDTH - RIGHT, y=height - 6, text_anchor="end", class_="soft"))
    drawing = tag("svg", parts, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=f"{name.zh} {name.en}")
    return Markup(tag("div", drawing, class_="wide") + _legend(lines))


def _legend(lines: Sequence[Line]) -> Markup:
    keys: list[Content] = []
    for place, line in enumerate(lines):
        colour, dash = _COLOURS[place % len(_COLOURS)], _DASHES[place % len(_DASHES)]
        stroke = tag("line", x1=0, x2=26, y1=5, y2=5, stroke=colour, stroke_width=2, stroke_dasharray=dash)
        keys.append(tag("span", [tag("svg", stroke, viewBox="0 0 26 10", class_="key"), line.device], class_="legend"))
    return tag("p", keys)


def _range(points: Sequence[Bucket]) -> tuple[float, float]:
    low, high = min(p.low for p in points), max(p.high for p in points)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Round values, about four."""
    raw = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw)
    first = math.ceil(low / step)
    return [round(n * step, 12) for n in range(first, math.floor(high / step) + 1)]
