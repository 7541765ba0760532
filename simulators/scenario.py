"""Scenarios: what happens in the neighbourhood, as data. Read from YAML and checked; every mistake at once, with its place.

Knows names of areas and devices, and nothing of what comes of a happening.

    ScenarioError (ValueError)    one mistake a line: file:line: field: what is wrong (what to write)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal, Self, TypeAlias

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from simulators.combustion import FUELS, GROWTH_TIMES_S
from simulators.places import Place

_UNITS_MS = (3_600_000, 60_000, 1000, 1)
_DURATION = re.compile(r"(?=\d)(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?")
LONGEST_MS = 7 * 24 * 3_600_000
MOST_HAPPENINGS = 1000


class ScenarioError(ValueError):
    """All that is wrong with a scenario, one line for each mistake."""


def milliseconds(text: Any) -> int:
    """`250ms`, `20s`, `1m30s`, `24h`. Raises ValueError."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("is no duration; write it like 20s, 1m30s or 24h")
    total = sum(int(number) * unit for number, unit in zip(match.groups("0"), _UNITS_MS, strict=True))
    if total > LONGEST_MS:
        raise ValueError("is too long; at most 168h")
    return total


Duration: TypeAlias = Annotated[int, BeforeValidator(milliseconds)]
"""Milliseconds."""
Growth = Literal["slow", "medium", "fast", "ultrafast"]
FuelName = Literal["wood", "foam", "plastic", "oil", "battery"]
assert set(GROWTH_TIMES_S) == set(Growth.__args__)  # type: ignore[attr-defined]  # noqa: S101 - two tables of one fact
assert set(FUELS) == set(FuelName.__args__)  # type: ignore[attr-defined]  # noqa: S101 - two tables of one fact


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Both(_Part):
    """A text in both languages."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Course(_Part):
    """How a fire goes: t² growth to its peak, steady, decline."""

    growth: Growth
    peak_kw: float = Field(gt=0, le=20_000)
    energy_mj: float = Field(gt=0, le=100_000)
    fuel: FuelName = "wood"


class Fire(Course):
    """A fire in an area, at the place of a device or in the middle."""

    area: str
    near: str | None = None
    z: float = Field(default=0.3, ge=0, le=15)
    smoulder: Duration = 0


class Smoulder(_Part):
    """Smoke and little heat, from `at` to `until`: a pan, a cable, a bin."""

    area: str
    near: str | None = None
    z: float = Field(default=1.0, ge=0, le=15)
    kw: float = Field(gt=0, le=50)
    fuel: FuelName = "oil"


class ChargeFault(_Part):
    """A vehicle is plugged in at a contact that gets worse; with `runaway` its battery vents and burns once the port is hot."""

    charger: str
    charge_a: float = Field(default=5.0, gt=0, le=10)
    """Direct current of its charge."""
    contact_ohm: float = Field(default=0.5, gt=0, le=100)
    doubles_every: Duration
    highest_ohm: float = Field(default=20.0, gt=0, le=100)
    vents_at: float = Field(default=160.0, ge=60, le=1000)
    vents_for: Duration = 20_000
    runaway: Course | None = None


class Sight(_Part):
    """Something that the cameras of an area can see, from `at` to `until`."""

    area: str
    object: str = Field(min_length=1, max_length=32, pattern=r"^[a-z][a-z_-]*$")


class Device(_Part):
    """A device by its id."""

    device: str


class Discharge(Device):
    """An extinguisher that somebody uses, on the fires of its own area or of the one that it is carried to."""

    onto: str | None = None


class Battery(_Part):
    """A battery that ends before its time: how full it is, and what it loses each hour."""

    device: str
    percent: float = Field(ge=0, le=100)
    per_hour: float = Field(default=0.0, ge=0, le=1000)


class Ventilate(_Part):
    """Smoke extraction, from `at` to `until`; without `until` for good."""

    area: str
    air_changes: float = Field(gt=0, le=200)


class Zone(_Part):
    """An area by its id."""

    area: str


_ACTIONS = (
    "fire", "smoulder", "charge_fault", "sight", "discharge", "replace", "silence", "call_point", "test", "weld", "deafen",
    "open_door", "battery", "ventilate", "reset",
)  # fmt: skip
_LASTING = {"smoulder", "sight"}
"""Actions that need an end."""


class Happening(_Part):
    """One thing that happens `at` a time, perhaps `until` another: exactly one of the actions."""

    at: Duration
    until: Duration | None = None
    fire: Fire | None = None
    smoulder: Smoulder | None = None
    charge_fault: ChargeFault | None = None
    sight: Sight | None = None
    discharge: Discharge | None = None
    replace: Zone | None = None
    silence: Device | None = None
    call_point: Device | None = None
    test: Device | None = None
    weld: Device | None = None
    deafen: Device | None = None
    open_door: Device | None = None
    battery: Battery | None = None
    ventilate: Ventilate | None = None
    reset: Zone | None = None

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        given = [name for name in _ACTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"has {len(given)} actions; write exactly one of {', '.join(_ACTIONS)}")
        if self.until is None and given[0] in _LASTING:
            raise ValueError(f"{given[0]} needs an end; write until")
        if self.until is not None and self.until <= self.at:
            raise ValueError("ends before it begins; write an until that is later than at")
        return self

    @property
    def name(self) -> str:
        """Which of the actions it is."""
        return next(name for name in _ACTIONS if getattr(self, name) is not None)


class Life(_Part):
    """What goes on every day, as often as written; 0 is never."""

    visits_per_hour: float = Field(default=4.0, ge=0, le=600)
    """People and vehicles before each camera."""
    doors_per_hour: float = Field(default=6.0, ge=0, le=600)
    false_detections_per_day: float = Field(default=4.0, ge=0, le=10_000)
    """Of each camera."""
    charging: bool = True


class Scenario(_Part):
    """A scenario, checked."""

    about: Both
    duration: Annotated[Duration, Field(ge=1000)]
    """Of one round; then it begins again with another seed."""
    ambient_c: float = Field(default=22.0, ge=-40, le=50)
    message_loss: float = Field(default=0.01, ge=0, lt=1)
    """Share of check-ins that the radio loses."""
    life: Life = Life()
    happenings: tuple[Happening, ...] = Field(default=(), max_length=MOST_HAPPENINGS)


def shipped() -> dict[str, Traversable]:
    """The scenarios that come with the program, by name."""
    found = (f for f in files("simulators").joinpath("scenarios").iterdir() if f.name.endswith(".yaml"))
    return {f.name.removesuffix(".yaml"): f for f in sorted(found, key=lambda f: f.name)}


def parse(text: str, file: str, place: Place) -> Scenario:
    """The scenario in a YAML text. Raises ScenarioError with every mistake."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise ScenarioError(f"{file}:{mark.line + 1 if mark else 1}: not valid YAML: {problem}") from None
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError("\n".join(_told(e, file, node) for e in error.errors(include_url=False))) from None
    found = [f"{file}:{_line(node, path)}: {_dotted(path)}: {problem}" for path, problem in _strangers(scenario, place)]
    if found:
        raise ScenarioError("\n".join(found))
    return scenario


_KINDS = {
    "charge_fault": "charger", "discharge": "extinguisher", "call_point": "call_point",
    "weld": "charger", "deafen": "charger", "open_door": "fire_door",
}  # fmt: skip
"""Action → the kind of device that it is about."""


def _strangers(scenario: Scenario, place: Place) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Areas and devices that are not there, devices of the wrong kind, and happenings after the end."""
    for n, happening in enumerate(scenario.happenings):
        if happening.at >= scenario.duration:
            yield ("happenings", n, "at"), "lies behind the scenario's end (make duration longer)"
        action = happening.name
        for field, value in getattr(happening, action):
            path = ("happenings", n, action, field)
            if field in ("area", "onto") and value is not None and value not in place.area:
                yield path, f"there is no area {value} (there are {', '.join(place.area)})"
            if field in ("near", "device", "charger") and value is not None:
                thing = place.thing.get(value)
                if thing is None:
                    yield path, f"there is no device {value} (`python -m simulators site` lists them)"
                elif action in _KINDS and thing.kind != _KINDS[action]:
                    yield path, f"{value} is a {thing.kind} (write a {_KINDS[action]})"


def _told(error: Any, file: str, node: yaml.Node | None) -> str:
    path = tuple(error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "unknown field (docs/simulators.md lists the fields)"
    return f"{file}:{_line(node, path)}: {_dotted(path)}: {message}"


def _line(node: yaml.Node | None, path: Sequence[str | int]) -> int:
    """Line, from 1, of the value at `path`, or of its nearest parent that was written down."""
    line = 1
    for step in path:
        if node is None:
            break
        line = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            if step not in pairs:
                return line
            key, node = pairs[step]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _dotted(path: Sequence[str | int]) -> str:
    out = ""
    for step in path:
        out += f"[{step}]" if isinstance(step, int) else f".{step}" if out else str(step)
    return out or "scenario"
