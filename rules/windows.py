"""Memories over a window of time: what the newest values of a quantity come to together.

A window is kept as at most seventeen buckets of a sixteenth of its length, each a few sums: so it takes the same bounded room
whatever the rate of the readings, and begins up to a sixteenth of its length before it should. It is counted back from the newest
reading; when that one is older than the window itself, the answer is unknown (a count instead falls to nought).

Knows no rules, no timers and no text. A state is a bytearray: the time of the newest reading, then the buckets, oldest first.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, ClassVar, Protocol

from rules.memory import INSTANT, Memory, Moment, State
from rules.model import SECOND, Micros, Value

BUCKETS = 16
"""Of a window's length; one more is kept, since the window ends inside of the newest one."""

_NEWEST = Struct("<q")
_BEGIN = _NEWEST.size
"""Where the buckets begin."""


class _Window(Memory, Protocol):
    """Buckets of `row`, whose first field is the bucket's number: its time in bucket lengths since the epoch."""

    __slots__ = ("_quantity", "_row", "_width")
    fades: ClassVar[bool] = True
    puts_off: ClassVar[bool] = True

    _quantity: str
    _row: Struct
    _width: Micros

    def __init__(self, name: str, quantity: str, span: Micros, row: Struct) -> None:
        super().__init__(name, frozenset({quantity}), span)
        self._quantity = quantity
        self._row = row
        self._width = max(span // BUCKETS, 1)

    def new(self, at: Micros) -> State:
        """No reading."""
        return bytearray(_BEGIN)

    def hear(self, state: State, moment: Moment) -> Value | None:
        """Add the reading, if there is one; what the window no longer reaches goes first, told of it or not."""
        at, value = moment.at, moment.said.get(self._quantity)
        (newest,) = _NEWEST.unpack_from(state)
        over = at - newest > self.span
        if value is not None:
            if over or len(state) == _BEGIN:
                return self._alone(state, at, float(value))
            _NEWEST.pack_into(state, 0, at)
            return self._added(state, moment, float(value))
        if over:
            del state[_BEGIN:]
        return self._answer(state) if len(state) > _BEGIN else None

    def due(self, state: State, moment: Moment) -> Micros | None:
        """When the newest reading is too old."""
        return int(_NEWEST.unpack_from(state)[0]) + self.span + INSTANT if len(state) > _BEGIN else None

    def plain(self, state: State) -> Any:
        """Bytes."""
        return bytes(state)

    def restored(self, plain: Any) -> State:
        """From bytes."""
        return bytearray(plain)

    def _forget(self, state: State, at: Micros) -> bool:
        """The buckets that ended before the window begins. Were there any?"""
        first = at // self._width - BUCKETS
        end = _BEGIN
        while end < len(state) and _NEWEST.unpack_from(state, end)[0] < first:
            end += self._row.size
        if end == _BEGIN:
            return False
        del state[_BEGIN:end]
        return True

    def _bucket(self, state: State, at: Micros) -> tuple[int, tuple[Any, ...] | None]:
        """Where the bucket of this time stands or shall stand after one bucket at least, and what is in it."""
        last = len(state) - self._row.size
        row = self._row.unpack_from(state, last)
        if row[0] == at // self._width:
            return last, row
        state.extend(bytes(self._row.size))
        return len(state) - self._row.size, None

    def _rows(self, state: State) -> list[tuple[Any, ...]]:
        return list(self._row.iter_unpack(memoryview(state)[_BEGIN:]))

    def _alone(self, state: State, at: Micros, value: float) -> Value | None:
        """The answer with the window's only reading; most are, where readings come more slowly than the window is long."""

    def _added(self, state: State, moment: Moment, value: float) -> Value | None:
        """The answer with one reading more, the newest."""

    def _answer(self, state: State) -> Value | None:
        """From all buckets, of which there is one at least."""


class Rise(_Window):
    """How much the quantity rises over the window: the slope of the line of least squares through all its readings, times its length.

    So one bad sample in ten does little, and readings need not come evenly. Unknown until three readings span half the window. Never
    more than the quantity's whole range. A bucket: number, first time, count, and the sums of t, v, t·t, t·v, where t counts seconds
    from the bucket's begin.
    """

    __slots__ = ("_most",)
    bytes_bound = 57 + _BEGIN + (BUCKETS + 1) * 56

    def __init__(self, name: str, quantity: str, span: Micros, most: float) -> None:
        super().__init__(name, quantity, span, _RISE)
        self._most = most

    def _alone(self, state: State, at: Micros, value: float) -> None:
        number, t = at // self._width, (at % self._width) / SECOND
        state[:] = _RISES_ONE.pack(at, number, at, 1.0, t, value, t * t, t * value)

    def _added(self, state: State, moment: Moment, value: float) -> float | None:
        at, width = moment.at, self._width
        self._forget(state, at)
        offset, row = self._bucket(state, at)
        t = (at % width) / SECOND
        number, first, n, st, sv, stt, stv = row or (at // width, at, 0.0, 0.0, 0.0, 0.0, 0.0)
        _RISE.pack_into(state, offset, number, first, n + 1, st + t, sv + value, stt + t * t, stv + t * value)
        return self._answer(state)

    def _answer(self, state: State) -> float | None:
        if 2 * (_NEWEST.unpack_from(state)[0] - _FIRST.unpack_from(state, _BEGIN)[1]) < self.span:
            return None
        rows = self._rows(state)
        newest, width = rows[-1][0], self._width / SECOND
        n = st = sv = stt = stv = 0.0
        for number, _, count, t, v, tt, tv in rows:
            back = (number - newest) * width  # the same times, counted from the newest bucket's begin
            n += count
            st += t + count * back
            sv += v
            stt += tt + (2 * t + count * back) * back
            stv += tv + v * back
        if n < 3:
            return None
        slope = (n * stv - st * sv) / (n * stt - st * st)
        return max(-self._most, min(self._most, slope * self.span / SECOND))


class Mean(_Window):
    """The mean of the window's readings. A bucket: number, count, sum."""

    __slots__ = ()
    bytes_bound = 57 + _BEGIN + (BUCKETS + 1) * 24

    def __init__(self, name: str, quantity: str, span: Micros) -> None:
        super().__init__(name, quantity, span, _MEAN)

    def _alone(self, state: State, at: Micros, value: float) -> float:
        state[:] = _MEANS[1].pack(at, at // self._width, 1.0, value)
        return value

    def _added(self, state: State, moment: Moment, value: float) -> float:
        number, last = moment.at // self._width, len(state) - _MEAN.size
        newest, n, total = _MEAN.unpack_from(state, last)
        if newest == number:
            _MEAN.pack_into(state, last, number, n + 1, total + value)
        else:
            state += _MEAN.pack(number, 1.0, value)
        self._forget(state, moment.at)
        return self._answer(state)

    def _answer(self, state: State) -> float:
        flat = _MEANS[len(state) // _MEAN.size].unpack(state)
        return float(sum(flat[3::3]) / sum(flat[2::3]))


class Extreme(_Window):
    """The highest or lowest of the window's readings. A bucket: number, value."""

    __slots__ = ("_choose",)
    bytes_bound = 57 + _BEGIN + (BUCKETS + 1) * 16

    def __init__(self, name: str, quantity: str, span: Micros, choose: Callable[..., float]) -> None:
        super().__init__(name, quantity, span, _PAIR)
        self._choose = choose
        """`min` or `max`"""

    def _alone(self, state: State, at: Micros, value: float) -> float:
        state[:] = _PAIRS[1].pack(at, at // self._width, value)
        return value

    def _added(self, state: State, moment: Moment, value: float) -> float:
        number, last, choose = moment.at // self._width, len(state) - _PAIR.size, self._choose
        newest, extreme = _PAIR.unpack_from(state, last)
        if newest != number:
            state += _PAIR.pack(number, value)
        elif choose(extreme, value) == value:
            _PAIR.pack_into(state, last, number, value)
        was = moment.known.get(self.name)  # of all that is still in the window, when nothing has left it
        if self._forget(state, moment.at) or was.__class__ is not float:
            return self._answer(state)
        return choose(was, value)

    def _answer(self, state: State) -> float:
        return self._choose(_PAIRS[len(state) // _PAIR.size].unpack(state)[2::2])


class Changes(_Window):
    """How often a flag has changed within the window; the first word is no change. Nought after a quiet window, never unknown again.

    A bucket: number, changes. Before them, in the place of the newest time, stands the flag as last heard: 0 never, 1 false, 2 true.
    """

    __slots__ = ()
    bytes_bound = Extreme.bytes_bound
    by_value = True
    fades = False
    puts_off = False

    def __init__(self, name: str, quantity: str, span: Micros) -> None:
        super().__init__(name, quantity, span, _PAIR)

    def hear(self, state: State, moment: Moment) -> float | None:
        """Count it, and forget what is too old."""
        self._forget(state, moment.at)
        value, was = moment.said.get(self._quantity), _NEWEST.unpack_from(state)[0]
        if value is not None:
            now = 2 if value else 1
            _NEWEST.pack_into(state, 0, now)
            if was not in (0, now) and len(state) == _BEGIN:
                return self._alone(state, moment.at, 1.0)
            if was not in (0, now):
                return self._added(state, moment, 1.0)
        elif not was:
            return None
        return self._answer(state)

    def _alone(self, state: State, at: Micros, value: float) -> float:
        state += _PAIR.pack(at // self._width, value)
        return value

    def due(self, state: State, moment: Moment) -> Micros | None:
        """When the oldest bucket leaves the window."""
        if len(state) == _BEGIN:
            return None
        oldest: int = _NEWEST.unpack_from(state, _BEGIN)[0]
        return (oldest + BUCKETS + 1) * self._width

    def _added(self, state: State, moment: Moment, value: float) -> float:
        offset, row = self._bucket(state, moment.at)
        _PAIR.pack_into(state, offset, moment.at // self._width, value if row is None else row[1] + value)
        return self._answer(state)

    def _answer(self, state: State) -> float:
        return float(sum(row[1] for row in self._rows(state)))


_RISE = Struct("<qqddddd")
_RISES_ONE = Struct("<qqqddddd")
_FIRST = Struct("<qq")
"""The begin of a bucket of a rise: its number and its first time."""
_MEAN = Struct("<qdd")
_PAIR = Struct("<qd")
_MEANS = tuple(Struct("<q" + "qdd" * rows) for rows in range(BUCKETS + 2))
_PAIRS = tuple(Struct("<q" + "qd" * rows) for rows in range(BUCKETS + 2))
"""A whole state, by how many buckets it has; `_RISES_ONE` is that of one."""
