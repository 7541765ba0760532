"""Memories of what cameras report: labels seen or absent, objects that stay.

A camera's message names one object: `object` (its label), perhaps `object_id`, `score`, `dwell`; `object_left` says that it has gone.
A camera that says nothing has not seen the scene empty, so nothing here ends by silence; and one that is offline sees nothing.

Knows no rules, no timers and no text.
"""

from __future__ import annotations

from typing import Any

from rules.memory import INSTANT, LIVE, Memory, Moment, State
from rules.model import MINUTE, SECOND, Micros, Value

OBJECTS_LIMIT = 64
"""Objects of one area that are followed at once; the one that came last is left out when there are more."""
FORGOTTEN_AFTER: Micros = 10 * MINUTE
"""A camera that was away has so long to mention an object again."""
VEHICLES = frozenset(
    {"car", "truck", "bus", "van", "motorcycle", "bicycle", "ebike", "e-bike", "electric_bicycle", "vehicle"}
)
"""Labels that `vehicle_count: 0` takes away; `person_count: 0` takes `person`."""


class Seen(Memory):
    """Was one of the labels reported within the span, surely enough? State: [when it last was, or None]."""

    __slots__ = ("_labels", "_score")

    def __init__(self, name: str, labels: frozenset[str], span: Micros, score: float) -> None:
        super().__init__(name, frozenset({"object"}), span)
        self._labels = labels
        self._score = score

    def new(self, at: Micros) -> State:
        """Not seen."""
        return [None]

    def hear(self, state: State, moment: Moment) -> bool:
        """A report without a score counts."""
        if _label(moment) in self._labels and _number(moment.said.get("score"), 1.0) >= self._score:
            state[0] = moment.at
        elif state[0] is not None and moment.at - state[0] > self.span:
            state[0] = None
        return state[0] is not None

    def due(self, state: State, moment: Moment) -> Micros | None:
        """When it is too long ago."""
        return None if state[0] is None else state[0] + self.span + INSTANT


class Absent(Memory):
    """Has a camera that sees looked for so long without any of the labels? State: [watching since or None, last match or None, heard].

    It sees while it is `online`, or where that is not reported, while it has spoken within the span. Unknown while it does not, and
    until it has watched for a whole span.
    """

    __slots__ = ("_labels",)

    def __init__(self, name: str, labels: frozenset[str], span: Micros) -> None:
        super().__init__(name, frozenset({LIVE, "object"}), span)
        self._labels = labels

    def new(self, at: Micros) -> State:
        """Not watching yet."""
        return [None, None, 0]

    def hear(self, state: State, moment: Moment) -> bool | None:
        """Any word of the camera shows that it watches."""
        at, said = moment.at, moment.said
        if said.get("online") is False:
            state[0] = state[1] = None
        elif said:
            state[2] = at
            if state[0] is None:
                state[0] = at
            if _label(moment) in self._labels:
                state[1] = at
        if state[1] is not None and at - state[1] > self.span:
            state[1] = None
        if state[0] is not None and moment.known.get("online") is not True and at - state[2] > self.span:
            state[0] = None
        if state[0] is None:
            return None
        if state[1] is not None:
            return False
        return True if at - state[0] >= self.span else None

    def due(self, state: State, moment: Moment) -> Micros | None:
        """The nearest of: watched long enough, a match too old, the camera unheard for too long."""
        if state[0] is None:
            return None
        ends = [state[0] + self.span]
        if state[1] is not None:
            ends.append(state[1] + self.span + INSTANT)
        if moment.known.get("online") is not True:
            ends.append(state[2] + self.span + INSTANT)
        return min((end for end in ends if end > moment.at), default=None)


class Stays(Memory):
    """Has one object with such a label been there for the span? State: [back since or None, is it away, objects].

    An object is [label, first sight, is it certain] under its `object_id`, or under its label where the camera gives none; its first
    sight is the earliest that the camera says by `dwell`. It goes by `object_left`, by a count of nought, or when the camera was away
    and has not mentioned it for ten minutes since it is back; until it does, an object is uncertain and the answer unknown.
    """

    __slots__ = ("_labels",)
    bytes_bound = 400 + OBJECTS_LIMIT * 1_100

    def __init__(self, name: str, labels: frozenset[str], span: Micros) -> None:
        super().__init__(name, frozenset({LIVE, "object"}), span)
        self._labels = labels

    def new(self, at: Micros) -> State:
        """An empty scene, as far as we know."""
        return [None, False, {}]

    def plain(self, state: State) -> Any:
        """With the objects in order."""
        return [state[0], state[1], {key: list(found) for key, found in state[2].items()}]

    def restored(self, plain: Any) -> State:
        """A copy again."""
        return self.plain(plain)

    def hear(self, state: State, moment: Moment) -> bool | None:
        """Follow each object that is named."""
        at, said, objects = moment.at, moment.said, state[2]
        if said.get("online") is False:
            state[0], state[1] = None, True
            for found in objects.values():
                found[2] = False
        elif said:
            if state[1]:
                state[0], state[1] = at, False
            self._follow(objects, moment)
        if state[0] is not None and at - state[0] >= FORGOTTEN_AFTER:
            state[0] = None
            for key in [key for key, found in objects.items() if not found[2]]:
                del objects[key]
        if state[1]:
            return None
        if any(sure and at - first >= self.span for _, first, sure in objects.values()):
            return True
        return False if all(sure for _, _, sure in objects.values()) else None

    def due(self, state: State, moment: Moment) -> Micros | None:
        """When an object has been there long enough, or when the uncertain ones are forgotten."""
        if state[1]:
            return None
        ends = [first + self.span for _, first, sure in state[2].values() if sure]
        if state[0] is not None:
            ends.append(state[0] + FORGOTTEN_AFTER)
        return min((end for end in ends if end > moment.at), default=None)

    def _follow(self, objects: dict[str, list[Any]], moment: Moment) -> None:
        said = moment.said
        label, identity = said.get("object"), said.get("object_id")
        # an id of a camera never begins with a colon that nobody writes
        key = str(identity) if identity else f":{label}"
        if said.get("object_left") is True:
            if label is None and identity is None:
                objects.clear()
            objects.pop(key, None)
        elif label in self._labels:
            first = moment.at - round(_number(said.get("dwell"), 0.0) * SECOND)
            if key in objects:
                first = min(first, objects[key][1])
            if key in objects or len(objects) < OBJECTS_LIMIT:
                objects[key] = [label, first, True]
        elif label is not None:
            objects.pop(key, None)  # it was taken for something else before
        gone = (VEHICLES if said.get("vehicle_count") == 0 else frozenset()) | (
            {"person"} if said.get("person_count") == 0 else frozenset()
        )
        # an object that this very message names is there, whatever its counter of vehicles says: some count cars alone
        named = key if label in self._labels and said.get("object_left") is not True else None
        for name in [name for name, found in objects.items() if found[0] in gone and name != named]:
            del objects[name]


def _label(moment: Moment) -> Value | None:
    return None if moment.said.get("object_left") is True else moment.said.get("object")


def _number(value: Value | None, otherwise: float) -> float:
    return value if isinstance(value, float) else otherwise
