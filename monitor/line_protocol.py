"""Points as line protocol, the text that InfluxDB and VictoriaMetrics take; by hand, for speed (up to 30,000 a second).

Knows no server and no connection.

A point is one line: measurement = kind, tags device, site, zone (without the site), fields = quantities, time in ns:

    smoke,device=river/s-1,site=river,zone=b1 smoke_density=0.31,alarm=1 1700000000000000001

What cannot be said in line protocol, or is read differently by different servers, is written with a look-alike: a
line break in a name as ␊ or ␍, a backslash before an escaped character or at the end as ＼, a leading # of a
measurement as ＃, a quotation mark or backslash anywhere in a kind or quantity as ＂ or ＼. Queries put names through
the same functions, so they find what was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import isfinite

from monitor.ports import NeverWill, Point
from rules.model import Value

LARGEST_NS = 2**63 - 3
"""A little less than 64 bits: servers keep the last values for themselves."""

KEPT = 200_000
"""Line heads and field names kept ready; beyond it they are made anew."""

_AMBIGUOUS = re.compile(r"\\(?=[\\,= ]|\Z)")
_BREAKS = str.maketrans({"\n": "␊", "\r": "␍", "\t": "␉", "\0": "␀"})
_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_QUOTES = str.maketrans({'"': "＂", "\\": "＼"})
_TEXT_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"'})


def name(text: str) -> str:
    """A tag value as servers will keep it: the same text but for the look-alikes."""
    return _AMBIGUOUS.sub("＼", text.translate(_BREAKS))


def measurement(kind: str) -> str:
    """A measurement as servers will keep it; a leading # would make its line a comment."""
    kept = field(kind)
    return "＃" + kept[1:] if kept.startswith("#") else kept


def field(quantity: str) -> str:
    """A field name as servers will keep it; a quotation mark or backslash among fields may begin or end a text."""
    return quantity.translate(_BREAKS).translate(_QUOTES)


def escaped(text: str) -> str:
    """A name (`name`, `measurement`, `field`) as it stands in a line."""
    return text.translate(_ESCAPES)


class LineEncoder:
    """Writes points as lines. `texts=False` leaves text values out, for servers that keep numbers only."""

    def __init__(self, *, texts: bool = True) -> None:
        self._texts = texts
        self._heads: dict[tuple[str, str, str], str] = {}
        self._names: dict[str, str] = {}

    def encode(self, points: Iterable[Point]) -> bytes:
        """One line a point, none without fields. Raises NeverWill at the first point that no server could keep."""
        lines: list[str] = []
        heads, names = self._heads, self._names
        for device, kind, zone, at_ns, values in points:
            head = heads.get((device, kind, zone))
            if head is None:
                head = self._head(device, kind, zone)
            if not 0 <= at_ns <= LARGEST_NS:
                raise NeverWill(f"{device}: the time {at_ns} ns is outside 1970 to 2262")
            fields = []
            for quantity, value in values.items():
                # `value - value` is 0 for every finite number, and not equal to itself for the others.
                if type(value) is float and value - value == 0.0:
                    text = repr(value)
                else:
                    text = self._unusual(device, quantity, value)
                    if not text:
                        continue
                key = names.get(quantity)
                if key is None:
                    key = self._name(quantity)
                fields.append(key + text)
            if fields:
                lines.append(f"{head} {','.join(fields)} {at_ns}")
        try:
            return "\n".join(lines).encode()
        except UnicodeEncodeError:
            raise NeverWill("a text holds half a character (a lone surrogate) that UTF-8 cannot write") from None

    def _unusual(self, device: str, quantity: str, value: Value) -> str:
        """Everything but an ordinary float; empty when it is left out."""
        if isinstance(value, str):
            return f'"{value.translate(_TEXT_ESCAPES)}"' if self._texts else ""
        if not isfinite(value):
            raise NeverWill(f"{device}: {quantity} is {value}, not a number")
        return repr(float(value))

    def _head(self, device: str, kind: str, zone: str) -> str:
        if not kind:
            raise NeverWill(f"{device}: a point without a kind has no measurement to go to")
        site, _, place = zone.partition("/")
        head = escaped(measurement(kind))
        # A tag without a value is not allowed in a line; left out it reads as empty.
        for tag, value in (("device", device), ("site", site), ("zone", place)):
            if value:
                head += f",{tag}={escaped(name(value))}"
        if len(self._heads) >= KEPT:
            self._heads.clear()
        self._heads[device, kind, zone] = head
        return head

    def _name(self, quantity: str) -> str:
        if not quantity:
            raise NeverWill("a value without a quantity's name has no field to go to")
        if len(self._names) >= KEPT:
            self._names.clear()
        key = self._names[quantity] = escaped(field(quantity)) + "="
        return key
