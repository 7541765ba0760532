"""Our own payload family: `wl/{site}/{device}/up`, a flat JSON object of catalogue quantities, and `…/status`.

Knows the wire and the catalogue; neither the site nor the clock. Fields that cannot be used are named one by one, the others count:
a detector with one odd field must still be able to report a fire.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic_core import from_json

from monitor.decoders import Decoded, Fault, Undecodable
from rules.model import Micros, Value
from rules.quantities import QuantityError, read

OURS = frozenset({"incidents", "down"})
"""What the daemon itself says below a site: `wl/{site}/incidents/{id}` and commands to devices."""
MAX_FIELDS = 64
MAX_NAME = 64
MAX_DEVICE = 128
"""Characters of a device's name, as in the site file."""
_ENVELOPE = frozenset({"at", "id", "exercise"})
_EXERCISE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MARK = f"an identifier of letters, digits and _ . : -, at most {MAX_NAME}, is expected"
_STATUS = {b"online": True, b"offline": False}


def decode(topic: str, payload: bytes) -> Decoded | None:
    """What a message on `wl/…` says; None for our own topics (`incidents`, `down`). Raises Undecodable."""
    key, leaf = _address(topic)
    if leaf == "up":
        return _up(key, payload)
    if leaf == "status":
        return _status(key, payload)
    if leaf in OURS:
        return None
    raise Undecodable("topic", f"nothing is expected below {leaf[:32]!r}; readings belong on …/up", key)


@lru_cache(maxsize=262_144)  # the topics of a neighbourhood are few and come again and again
def _address(topic: str) -> tuple[str, str]:
    """(`site/device`, last level). Raises Undecodable."""
    parts = topic.split("/")
    if len(parts) != 4 or not parts[1] or not parts[2]:
        raise Undecodable("topic", "the topic is not wl/{site}/{device}/up or …/status")
    _, site, device, leaf = parts
    if len(site) > MAX_NAME or len(device) > MAX_DEVICE or not topic.isprintable() or "+" in topic or "#" in topic:
        raise Undecodable(
            "topic",
            f"site and device names are printable, without + and #, at most {MAX_NAME} and {MAX_DEVICE} characters",
        )
    return f"{site}/{device}", "incidents" if device == "incidents" else leaf


def _up(key: str, payload: bytes) -> Decoded:
    try:
        data = from_json(payload, allow_inf_nan=True, cache_strings="keys")
    except ValueError as error:
        raise Undecodable("not-json", f"the payload is not JSON: {str(error)[:120]}", key) from None
    if type(data) is not dict:
        raise Undecodable("not-json", "the payload is JSON, but not an object of quantities", key)
    if len(data) > MAX_FIELDS:
        raise Undecodable("too-large", f"{len(data)} fields; at most {MAX_FIELDS} are read", key)
    values: dict[str, Value] = {}
    faults: list[Fault] = []
    if payload.count(b'":') != len(data):  # seldom, and asking is cheap: a text that holds `":`, or a name given twice
        faults.extend(_twice(payload, key))
    for name, raw in data.items():
        if name not in _ENVELOPE:
            try:
                values[name] = read(name, raw)
            except QuantityError as error:
                faults.append(Fault(error.reason, str(error)))
    measured_at, identity, exercise = _envelope(data, faults)
    if not values:
        raise _nothing(faults, key)
    return Decoded(key, values, measured_at, identity, tuple(faults), exercise)


def _envelope(data: dict[str, Any], faults: list[Fault]) -> tuple[Micros | None, str | None, str]:
    """What a message says of itself: (`at`, `id`, `exercise`); what cannot be read goes into `faults`."""
    measured_at: Micros | None = None
    identity: str | None = None
    exercise = ""
    if "at" in data:
        try:
            measured_at = moment(data["at"])
        except ValueError as error:
            faults.append(Fault("clock", f"at: {error}"))
    if "id" in data:
        raw = data["id"]
        if isinstance(raw, str | int) and not isinstance(raw, bool) and len(str(raw)) <= MAX_NAME:
            identity = str(raw)
        else:
            faults.append(
                Fault("wrong-type", f"id: a text or whole number of at most {MAX_NAME} characters is expected")
            )
    if "exercise" in data:
        raw = data["exercise"]
        # A mark that cannot be read marks nothing: a real fire must not be taken for a drill because of it.
        if isinstance(raw, str) and _EXERCISE.fullmatch(raw):
            exercise = raw
        else:
            faults.append(Fault("wrong-type", f"exercise: {_MARK}; the reading was taken for a real one"))
    return measured_at, identity, exercise


def _nothing(faults: list[Fault], key: str) -> Undecodable:
    if faults:
        return Undecodable(faults[0].reason, "; ".join(fault.detail for fault in faults)[:500], key)
    return Undecodable("empty", "the object holds no quantity", key)


def _twice(payload: bytes, key: str) -> list[Fault]:
    """Names that an object gives more than once: JSON lets the last one count, but whoever sends that may mean the other."""
    try:
        pairs: list[tuple[str, Any]] = json.loads(payload, object_pairs_hook=list, strict=False)
    except ValueError as error:  # two parsers that do not agree: nobody knows what was said
        raise Undecodable("not-json", f"the payload is not JSON: {str(error)[:120]}", key) from None
    names = Counter(name for name, _ in pairs)
    return [
        Fault("duplicate-key", f"`{name[:MAX_NAME]}` is given {number} times; the last one was taken: send it once")
        for name, number in names.items()
        if number > 1
    ]


def _status(key: str, payload: bytes) -> Decoded:
    """`online` / `offline`, bare or as `{"state": …}`; by last will, so what is retained is the present state."""
    word: Any = payload.strip().lower()
    if word.startswith(b"{"):
        try:
            word = str(json.loads(payload).get("state", "")).lower().encode()
        except (ValueError, AttributeError, RecursionError):
            word = b""
    online = _STATUS.get(word)
    if online is None:
        raise Undecodable("status", "a status is the word online or offline", key)
    return Decoded(key, {"online": online})


def moment(raw: object) -> Micros:
    """RFC 3339 with an offset, or epoch milliseconds, as microseconds. Raises ValueError with the remedy."""
    if isinstance(raw, bool):
        raise ValueError("a moment is RFC 3339 text or epoch milliseconds, not true or false")  # noqa: TRY004 - one error for one field
    if isinstance(raw, int | float):
        if not -(1 << 60) < raw * 1000 < 1 << 60:
            raise ValueError("these epoch milliseconds are beyond any calendar")
        return round(raw * 1000)
    if isinstance(raw, str) and len(raw) <= 40:
        try:
            parsed = datetime.fromisoformat(raw)
        except ValueError:
            raise ValueError("not an RFC 3339 date and time, such as 2026-11-22T08:00:00.250+08:00") from None
        if parsed.tzinfo is None:
            raise ValueError("the offset is missing; write …+08:00 or …Z")
        return (parsed - _EPOCH) // _MICROSECOND
    raise ValueError("a moment is RFC 3339 text or epoch milliseconds")
