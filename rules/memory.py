"""What a rule may remember of a device: quantities derived from what it said before, kept by the engine beside the reported ones.

A memory is a frozen spec; all that changes is its state, which the engine keeps for each device and hands in again. So the compiled
condition stays without state: `held(smoke, 2m)` is to it the name of one more quantity.

The contract, which the properties in tests/rules hold every memory to:

- `hear` takes a moment into the state and gives the answer as of then. Asked again without anything new it answers alike.
- `due` is when the answer changes by time alone, at the earliest; earlier calls of `hear` do no harm, later ones are the engine's mistake,
  but for a memory that `fades`: its next word makes up for what it was not told.
- a state is plain values (or bytes), bounded, and nothing outside of it counts but the moment.

Knows no rules, no timers and no text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

from rules.model import Device, Micros, Value, Zone

State: TypeAlias = Any
"""A list of plain values or a bytearray: whatever the memory made by `new`."""

HEARD = "device.heard"
"""Touches a memory whenever the device has spoken, also of the past; no quantity has a dot in its name."""
LIVE = "device.live"
"""Touches a memory with every reading that is evidence of the present."""

INSTANT: Micros = 1
"""What is not older than a span is older one instant later."""


class Moment(NamedTuple):
    """What a memory is told."""

    at: Micros
    said: Mapping[str, Value]
    """What the device has just reported; empty when only time has passed, or another memory has changed."""
    known: Mapping[str, Value]
    """All newest values of the device, reported and derived."""
    device: Device
    zone: Zone
    gateway: Mapping[str, Value]
    """Newest values of the device's gateway; empty without one."""
    listening: Micros | None
    """Since when we hear the devices at all; None while we do not."""


class Memory(Protocol):
    """One derived quantity. `name` is how it is written, one way for one meaning; equal names are one memory."""

    __slots__ = ("depth", "name", "span", "touched_by")

    name: str
    touched_by: frozenset[str]
    """Quantities, derived ones too, and the marks above: what asks it."""
    span: Micros
    depth: int
    """1, or more when it is made of other memories."""
    bytes_bound: ClassVar[int] = 200
    """Upper bound of a state's size in bytes."""
    by_value: ClassVar[bool] = False
    """Do only other values, and time, change its answer? Then the same value said again need not be heard."""
    fades: ClassVar[bool] = False
    """Does time alone make its answer unknown, and nothing else of it? Then nobody need be woken whom an unknown cannot concern."""
    puts_off: ClassVar[bool] = False
    """Does a word of the device never bring `due` nearer? Then a timer that runs already is early enough."""

    def __init__(self, name: str, touched_by: frozenset[str], span: Micros, depth: int = 1) -> None:
        self.name = name
        self.touched_by = touched_by
        self.span = span
        self.depth = depth

    def __repr__(self) -> str:
        """The name says it all: the checker compares parts of conditions by their repr."""
        return self.name

    def new(self, at: Micros) -> State:
        """The state of a device that has just come under watch."""

    def hear(self, state: State, moment: Moment) -> Value | None:
        """Take in what happened, and answer as of now; None: unknown."""

    def due(self, state: State, moment: Moment) -> Micros | None:
        """When time alone will change the answer, or None when it will not."""

    def plain(self, state: State) -> Any:
        """A copy for the snapshot."""
        return list(state)

    def restored(self, plain: Any) -> State:
        """The inverse of `plain`."""
        return list(plain)


Ask: TypeAlias = Callable[[Mapping[str, Value], Device, Zone], bool | None]
"""A compiled condition about one device."""


class Held(Memory):
    """Has the condition been true for so long without a break? State: [since when, or None]."""

    __slots__ = ("_ask",)
    by_value = True

    def __init__(self, name: str, touched_by: frozenset[str], span: Micros, depth: int, ask: Ask) -> None:
        super().__init__(name, touched_by, span, depth)
        self._ask = ask

    def new(self, at: Micros) -> State:
        """Not yet."""
        return [None]

    def hear(self, state: State, moment: Moment) -> bool | None:
        """Unknown is a break as well, and unknown is what it answers then."""
        holds = self._ask(moment.known, moment.device, moment.zone)
        if holds is not True:
            state[0] = None
            return holds
        if state[0] is None:
            state[0] = moment.at
        return bool(moment.at - state[0] >= self.span)

    def due(self, state: State, moment: Moment) -> Micros | None:
        """When it has been true long enough."""
        since: Micros | None = state[0]
        return None if since is None or since + self.span <= moment.at else since + self.span


class Recent(Memory):
    """Is the condition true, or was it within the span? State: [is it true, when it last ceased or None]."""

    __slots__ = ("_ask",)
    by_value = True

    def __init__(self, name: str, touched_by: frozenset[str], span: Micros, depth: int, ask: Ask) -> None:
        super().__init__(name, touched_by, span, depth)
        self._ask = ask

    def new(self, at: Micros) -> State:
        """Never yet."""
        return [False, None]

    def hear(self, state: State, moment: Moment) -> bool | None:
        """Unknown only when it was not true within the span and is unknown now."""
        holds = self._ask(moment.known, moment.device, moment.zone)
        if holds is True:
            state[0], state[1] = True, None
            return True
        if state[0]:
            state[0], state[1] = False, moment.at
        if state[1] is not None and moment.at - state[1] <= self.span:
            return True
        state[1] = None
        return holds

    def due(self, state: State, moment: Moment) -> Micros | None:
        """When its last truth is too long ago."""
        return None if state[1] is None else state[1] + self.span + INSTANT


class Last(Memory):
    """The newest value, unknown when it is older than the span. State: [the value or None, its time]."""

    __slots__ = ("_quantity",)
    fades = True
    puts_off = True

    def __init__(self, name: str, quantity: str, span: Micros) -> None:
        super().__init__(name, frozenset({quantity}), span)
        self._quantity = quantity

    def new(self, at: Micros) -> State:
        """Nothing heard."""
        return [None, 0]

    def hear(self, state: State, moment: Moment) -> Value | None:
        """A repeated value is as good as a new one."""
        value = moment.said.get(self._quantity)
        if value is not None:
            state[0], state[1] = value, moment.at
        elif moment.at - state[1] > self.span:
            state[0] = None
        answer: Value | None = state[0]
        return answer

    def due(self, state: State, moment: Moment) -> Micros | None:
        """When it is too old."""
        return None if state[0] is None else state[1] + self.span + INSTANT


class Silent(Memory):
    """Has the device not spoken for longer than the span? State: [last heard, has it fallen silent].

    The last will (`online: false`) is the broker's word. While we are deaf nobody falls silent, and when we listen again every device
    has one whole span to speak; who had fallen silent before stays so.
    """

    __slots__ = ()
    puts_off = True

    def __init__(self, name: str, span: Micros) -> None:
        super().__init__(name, frozenset({HEARD}), span)

    def new(self, at: Micros) -> State:
        """Its time runs from now."""
        return [at, False]

    def hear(self, state: State, moment: Moment) -> bool:
        """Never unknown."""
        if moment.said and moment.said.get("online") is not False:
            state[0], state[1] = moment.at, False
        elif moment.listening is not None and moment.at - max(state[0], moment.listening) > self.span:
            state[1] = True
        return bool(state[1])

    def due(self, state: State, moment: Moment) -> Micros | None:
        """Deaf, it cannot happen sooner than one span from now."""
        if state[1]:
            return None
        since = moment.at if moment.listening is None else max(state[0], moment.listening)
        return int(since) + self.span + INSTANT


class Via(Memory):
    """The newest value of a quantity at the device's gateway. No state: the engine asks again whenever it changes there."""

    __slots__ = ("_quantity",)
    bytes_bound = 56

    def __init__(self, name: str, quantity: str) -> None:
        super().__init__(name, frozenset({at_gateway(quantity)}), 0)
        self._quantity = quantity

    def new(self, at: Micros) -> State:
        """Nothing."""
        return []

    def hear(self, state: State, moment: Moment) -> Value | None:
        """What the gateway last said."""
        return moment.gateway.get(self._quantity)

    def due(self, state: State, moment: Moment) -> Micros | None:
        """Time changes nothing here."""
        return None


def at_gateway(quantity: str) -> str:
    """What touches `via(quantity)`."""
    return f"gateway.{quantity}"


def in_order(memories: Sequence[Memory]) -> tuple[Memory, ...]:
    """Each once, and none before what it is made of."""
    return tuple(sorted({m.name: m for m in memories}.values(), key=lambda m: (m.depth, m.name)))
