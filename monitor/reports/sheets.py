"""CSV as Excel opens it: UTF-8 with a byte order mark, a header line in both languages, and no cell that Excel takes for a formula.

Knows no report.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from rules.model import SECOND, Micros

Cell: TypeAlias = str | int | float | None


def sheet(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """RFC 4180 with a header line. None is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(headings)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig", "backslashreplace")


def seconds(span: Micros | None) -> float | None:
    """A duration as a sheet and JSON have it."""
    return None if span is None else span / SECOND


def _harmless(cell: Cell) -> Cell:
    """A text that Excel would calculate is kept a text by an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip()[:1] in ("=", "+", "-", "@") and cell.strip() else cell
