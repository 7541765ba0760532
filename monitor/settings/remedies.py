"""From pydantic's words to the operator's: what to write instead, and which entries are still worth a second look.

Knows the models only by their fields; reads no file.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from monitor.settings.people import PersonWords
from monitor.settings.places import BuildingEntry, DeviceEntry, SiteEntry, StationEntry, ZoneEntry
from monitor.settings.survey import suggest
from rules.document import Mistake, Path

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_Model = TypeVar("_Model", bound=BaseModel)
_REMEDIES: tuple[tuple[str, str, str], ...] = (
    (r"Field required", "is missing", "add it"),
    (r"Input should be a valid string", "is not a text", "write it in quotes"),
    (r"Input should be a valid integer.*", "is not a whole number", "write digits without quotes"),
    (r"Input should be a valid boolean.*", "is neither true nor false", "write true or false without quotes"),
    (r"Input should be a valid (tuple|list|array).*", "is not a list", "write [a, b], or one line with - for each"),
    (r"Input should be a valid dictionary.*", "is not a mapping", "write name: value, one to a line"),
    (r"Unable to extract tag using discriminator 'kind'", "kind is missing", "add kind: …"),
    (r"Input tag '(.*)' found using 'kind'.* expected tags: (.*)", r"there is no kind \1", r"there is \2"),
    (r"Input should be ('.*)", "is none of the words allowed", r"write \1"),
    (r"Input should be greater than or equal to (.*)", "is too small", r"write \1 or more"),
    (r"Input should be less than or equal to (.*)", "is too large", r"write \1 or less"),
    (r"String should have at least (\d+) characters?", "is too short", r"write at least \1 characters"),
    (r"String should have at most (\d+) characters?", "is too long", r"write at most \1 characters"),
    (r"Value should have at least 1 item .*", "is empty", "name at least 1"),
    (r"Value should have at least (\d+) items? .*", "is too short", r"write at least \1 characters"),
    (r"(?:Tuple|List|Frozenset|Set) should have at least (\d+) items? .*", "is empty", r"name at least \1"),
)


def explain(mistakes: Iterable[Mistake], model: type[BaseModel], data: Any) -> Iterator[Mistake]:
    """The same mistakes in plain words, each with a remedy."""
    for mistake in mistakes:
        if _is_echo(mistake, data):
            continue
        if mistake.message == "unknown field":
            *parent, name = _path(mistake.field)
            known = sorted({f for m in fields_at(model, tuple(parent), data) for f in m.model_fields})
            yield replace(mistake, remedy=suggest(str(name), known))
            continue
        for pattern, message, remedy in _REMEDIES:
            if match := re.fullmatch(pattern, mistake.message, re.DOTALL):
                yield replace(mistake, message=match.expand(message), remedy=match.expand(remedy))
                break
        else:
            message, _, remedy = mistake.message.partition("; ")
            yield replace(mistake, message=message, remedy=remedy or "see docs/configuration.md")


def fields_at(annotation: Any, path: Path, data: Any = None) -> list[type[BaseModel]]:
    """The models that may stand at `path`; where `data` names a kind there, only those of that kind."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return fields_at(get_args(annotation)[0], path, data)
    if origin in (Union, types.UnionType):
        return [m for option in get_args(annotation) for m in fields_at(option, path, data)]
    if origin in (tuple, list):
        rest = path[1:] if path and isinstance(path[0], int) else path
        return fields_at(get_args(annotation)[0], rest, _inside(data, path[0]) if rest is not path else data)
    if origin is dict:
        return fields_at(get_args(annotation)[1], path[1:], _inside(data, path[0])) if path else []
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return []
    if not path:
        return [annotation] if _is_kind(annotation, data) else []
    info = annotation.model_fields.get(str(path[0]))
    return fields_at(info.annotation, path[1:], _inside(data, path[0])) if info is not None else []


def readable_sites(raw: Any) -> tuple[list[SiteEntry | None], bool]:
    """What can be read of a faulty `sites` section, and whether all but its devices could."""
    sites: list[SiteEntry | None] = []
    complete = isinstance(raw, list)
    for item in raw if isinstance(raw, list) else []:
        frame = (
            _read(SiteEntry, {**item, "buildings": [], "devices": [], "zones": [_ANY_ZONE]}) if _is_map(item) else None
        )
        if frame is None:
            sites.append(None)
            complete = False
            continue
        zones = _read_all(ZoneEntry, item.get("zones"))
        buildings = _read_all(BuildingEntry, item.get("buildings"))
        devices = _read_all(DeviceEntry, item.get("devices"))
        complete = complete and None not in (*zones, *buildings)
        sites.append(frame.model_copy(update={"buildings": buildings, "zones": zones, "devices": devices}))
    return sites, complete


def readable_stations(raw: Any) -> tuple[list[StationEntry | None], bool]:
    """What can be read of a faulty `stations` section, and whether that is all of it."""
    stations = _read_all(StationEntry, raw)
    return stations, isinstance(raw, list) and None not in stations


def readable_people(raw: Any) -> tuple[list[PersonWords | None], bool]:
    """What can be read of a faulty `people` section, and whether that is all of it."""
    people = _read_all(PersonWords, raw)
    return people, raw is None or (isinstance(raw, list) and None not in people)


_ANY_ZONE: Mapping[str, str] = {"id": "any", "name": "any", "kind": "any"}
_STAND_INS: Mapping[str, str] = {"name": "any", "kind": "any"}
"""What may stand for a faulty value, so that the rest of its entry is still looked at."""


def _read_all(model: type[_Model], raw: Any) -> list[_Model | None]:
    return [_read(model, item) for item in raw] if isinstance(raw, list) else []


def _read(model: type[_Model], raw: Any) -> _Model | None:
    if not _is_map(raw):
        return None
    # Unknown fields and faulty values were reported already; the rest of the entry still deserves its check.
    fields = {key: value for key, value in raw.items() if key in model.model_fields}
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        faulty = {str(e["loc"][0]) for e in error.errors(include_url=False, include_input=False) if e["loc"]}
    sound = {key: value for key, value in fields.items() if key not in faulty}
    stand_ins = {key: value for key, value in _STAND_INS.items() if key in faulty}
    try:
        return model.model_validate({**sound, **stand_ins})
    except ValidationError:
        return None


def _is_echo(mistake: Mistake, data: Any) -> bool:
    """Does pydantic only say once more that something within was wrong?"""
    if mistake.message.startswith("The default factory uses validated data"):
        return True
    inside = data
    for step in _path(mistake.field):
        inside = _inside(inside, step)
    return "after validation, not 0" in mistake.message and bool(inside)


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def _inside(data: Any, step: int | str) -> Any:
    if isinstance(data, dict):
        return data.get(step)
    return data[step] if isinstance(data, Sequence) and isinstance(step, int) and step < len(data) else None


def _is_kind(model: type[BaseModel], data: Any) -> bool:
    info = model.model_fields.get("kind")
    if info is None or get_origin(info.annotation) is not Literal or not isinstance(data, dict):
        return True
    return data.get("kind") in get_args(info.annotation)


def _path(field: str) -> Path:
    return tuple(int(m[1]) if m[1] else m[2] for m in _STEP.finditer(field))
