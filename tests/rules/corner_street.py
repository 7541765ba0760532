"""Two adjacent zones and one apart, with a device of each kind behind a gateway, and a book in which every memory has a rule.

Knows the engine and the words it speaks; no broker, no ledger, no clock.
"""

from __future__ import annotations

from hypothesis import strategies as st

from rules.engine import Engine, Event
from rules.model import (
    SECOND,
    Device,
    Disposition,
    Freshness,
    Kind,
    Micros,
    Move,
    Neighbourhood,
    Reading,
    Recipient,
    SlaProfile,
    Station,
    Text,
    Trouble,
    Value,
    Verb,
    Zone,
)
from rules.rule import BookChanged
from tests.rules.small_block import T0, book, incident, rule

ZONES = {"hall": ("lobby", ("garage",)), "garage": ("garage", ("hall",)), "lane": ("fire_lane", ())}
DEVICES = {
    "smoke-1": ("smoke_detector", "hall"),
    "smoke-2": ("smoke_detector", "hall"),
    "smoke-3": ("smoke_detector", "garage"),
    "heat-1": ("heat_detector", "hall"),
    "cam-1": ("camera", "garage"),
    "button": ("call_point", "hall"),
    "lane-smoke": ("smoke_detector", "lane"),
    "lane-heat": ("heat_detector", "lane"),
}
GATEWAY = "gw"


def street(extra: tuple[Device, ...] = (), *, adjacent: bool = True) -> Neighbourhood:
    """All of it; the gateway stands in the hall and is named by all devices but the button."""
    zones = {
        f"c/{z}": Zone(f"c/{z}", "c", Text(z, z), kind, "", tuple(f"c/{o}" for o in others) if adjacent else ())
        for z, (kind, others) in ZONES.items()
    }
    devices = {
        f"c/{d}": Device(
            f"c/{d}", "c", kind, f"c/{zone}", Text(d, d), {"gateway": GATEWAY} if kind != "call_point" else {}
        )
        for d, (kind, zone) in DEVICES.items()
    }
    devices[f"c/{GATEWAY}"] = Device(f"c/{GATEWAY}", "c", "gateway", "c/hall", Text("网关", "gateway"))
    devices |= {device.key: device for device in extra}
    station = Station("post", Text("站", "post"), frozenset(zones), (Recipient("hook", frozenset(Kind)),))
    return Neighbourhood(
        zones=zones | {d.zone: Zone(d.zone, d.site, Text("院", "yard"), "yard") for d in extra if d.zone not in zones},
        stations=(station,),
        devices=devices,
        sla={Kind.FIRE: SlaProfile(10 * SECOND, 20 * SECOND, 40 * SECOND)},
    )


SENSORS = ("smoke_detector", "heat_detector")
CONFIRM = """\
  - id: confirmed
    kind: FIRE
    subject: zone
    for: 1s
    confirm:
      need: 2
      within: 15s
      voters:
        smoke: {devices: [smoke_detector], when: smoke or smoke_density > 0.3, silent: 50s}
        heat: {devices: [heat_detector], when: temperature > 45}
        camera: {devices: [camera], when: 'seen("fire", 10s)'}
    title: {zh: 确认火警, en: Confirmed}
"""
LADDER = """\
  - id: hot
    devices: [heat_detector]
    ladder:
      - {kind: PREALARM, when: temperature > 46, for: 3s, clear: temperature < 42, clear_for: 4s}
      - {kind: FIRE, when: temperature > 57, clear: temperature < 50, clear_for: 6s}
    title: {zh: 过热, en: Hot}
"""
RULES = (
    rule("call", "FIRE", "call_point", ("call_point",)),
    rule("smoke", "FIRE", "smoke", clear="not smoke", clear_for="5s"),
    rule("rise", "PREALARM", "rise(temperature, 20s) > 5", ("heat_detector",), clear="rise(temperature, 20s) < 1"),
    rule(
        "mean", "SUPERVISORY", "mean(smoke_density, 10s) > 0.2 and max(smoke_density, 10s) - min(smoke_density, 10s) > 0.1",
        for_="2s",
    ),
    rule("last", "PREALARM", "last(temperature, 5s) > 45", ("heat_detector",), for_="8s"),
    rule("chatter", "FAULT", "changes(smoke, 20s) > 2", clear="changes(smoke, 20s) == 0"),
    rule("stuck", "FAULT", "held(smoke, 30s)"),
    rule("trace", "SUPERVISORY", "recent(smoke, 5s) and not smoke"),
    rule("deep", "SUPERVISORY", "recent(held(recent(smoke, 3s), 6s), 4s)"),
    rule("mute", "FAULT", "silent(60s) and default(via(online), true)", SENSORS),
    rule("away", "FAULT", "not online and default(via(online), true)", (*SENSORS, "camera"), for_="5s"),
    rule("cigarette", "SUPERVISORY", "'seen(\"cigarette\", 8s, 0.5)'", ("camera",)),
    rule("nobody", "SUPERVISORY", "'absent(\"person\", 10s)'", ("camera",)),
    rule("parked", "SUPERVISORY", "'stays(\"car\", \"truck\", 12s)'", ("camera",)),
    rule("early", "SUPERVISORY", "'between(\"08:00\", \"08:01\") and recent(smoke, 5s) and not workday()'"),
    rule("pair", "PREALARM", "count(smoke, 6s) >= 2 or count(silent(60s)) > 1", subject="zone"),
    CONFIRM,
    LADDER,
)  # fmt: skip
BOOK = book(*RULES)
OTHER_BOOKS = (
    book(*RULES[:3], RULES[3].replace("0.2", "0.3"), *RULES[5:]),
    book(*(r.replace("held(smoke, 30s)", "held(smoke, 20s)") for r in RULES)),
    book(*(r.replace("need: 2", "need: 3") for r in RULES[::-1])),
)

_NUMBERS = {"smoke_density": (0.0, 0.1, 0.4, 0.7), "temperature": (20.0, 44.0, 50.0, 60.0)}
_FLAGS = ("smoke", "fault", "test")
_LABELS = ("car", "truck", "person", "cigarette", "fire")
_freshness = st.sampled_from([Freshness.LIVE] * 8 + [Freshness.LATE, Freshness.FUTURE, Freshness.RETAINED])
_measured = st.dictionaries(st.sampled_from([*_NUMBERS, *_FLAGS]), st.integers(0, 7), min_size=1, max_size=2).map(
    lambda chosen: {n: _NUMBERS[n][i % len(_NUMBERS[n])] if n in _NUMBERS else i % 2 == 0 for n, i in chosen.items()}
)


@st.composite
def _pictured(draw: st.DrawFn) -> dict[str, Value]:
    """What a camera may report."""
    said: dict[str, Value] = {"object": draw(st.sampled_from(_LABELS)), "score": draw(st.sampled_from((0.3, 0.9)))}
    if draw(st.booleans()):
        said["object_id"] = draw(st.sampled_from("ab"))
    match draw(st.integers(0, 7)):
        case 0:
            said["object_left"] = True
        case 1:
            return {"vehicle_count": draw(st.sampled_from((0.0, 2.0)))}
        case 2:
            said["dwell"] = draw(st.sampled_from((3.0, 30.0)))
        case 3:
            return {"object_left": True} if draw(st.booleans()) else {"person_count": 0.0}
    return said


@st.composite
def reading(draw: st.DrawFn, at: Micros) -> Reading:
    """Of any device."""
    device = draw(st.sampled_from([*DEVICES, GATEWAY]))
    freshness = draw(_freshness)
    measured_at = at - draw(st.integers(100, 300)) * SECOND if freshness is Freshness.LATE else None
    if device == GATEWAY or draw(st.integers(0, 7)) == 0:
        return Reading(at, f"c/{device}", {"online": draw(st.booleans())}, Freshness.LIVE)
    if device == "button":
        return Reading(at, "c/button", {"call_point": draw(st.booleans())}, freshness, measured_at)
    values: dict[str, Value] = draw(_pictured()) if device == "cam-1" else {**draw(_measured)}
    return Reading(at, f"c/{device}", values, freshness, measured_at)


@st.composite
def series(draw: st.DrawFn, at: Micros) -> list[Event]:
    """Four to eight live reports of one quantity, a few seconds apart: rising, flickering or merely there."""
    device, name = draw(
        st.sampled_from((("heat-1", "temperature"), ("smoke-1", "smoke_density"), ("smoke-1", "smoke")))
    )
    step, count = draw(st.sampled_from((2, 4))) * SECOND, draw(st.integers(4, 8))
    slope, floor = draw(st.sampled_from((0.0, 0.1, 4.0))), draw(st.sampled_from((0.1, 0.3, 30.0, 50.0)))
    out: list[Event] = []
    for n in range(count):
        number = min(floor + slope * n, 10.0 if name == "smoke_density" else 200.0)
        value: Value = n % 2 == 0 if name == "smoke" else number
        out.append(Reading(at + n * step, f"c/{device}", {name: value}))
    return out


@st.composite
def happening(draw: st.DrawFn, at: Micros) -> list[Event]:
    """One event, the few by which a person ends an incident, or the steady reports of one device."""
    match draw(st.sampled_from("rrrrrrrrrrrrmctbss")):
        case "r":
            return [draw(reading(at))]
        case "s":
            return draw(series(at))
        case "m":
            number, verb = draw(st.integers(1, 6)), draw(st.sampled_from((*Verb, Verb.RESET)))
            return [Move(at, incident(number), verb, "li", "note", draw(st.sampled_from((None, Disposition.TEST))))]
        case "c":
            number = draw(st.integers(1, 6))
            ending = (Verb.RESOLVE, Verb.RESET, Verb.CLOSE)
            return [Move(at, incident(number), verb, "li", "", Disposition.TEST) for verb in ending]
        case "t":
            return [Trouble(at, draw(st.sampled_from(("feed", "feed", "history"))), draw(st.booleans()), "broken")]
        case _:
            return [BookChanged(at, draw(st.sampled_from((BOOK, *OTHER_BOOKS))))]


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Up to fifty happenings, seconds apart, with some silences that outlast every memory."""
    out: list[Event] = []
    at = T0
    for gap in draw(st.lists(st.sampled_from((0, 0, 1, 1, 2, 3, 5, 8, 20, 70)), min_size=8, max_size=50)):
        at += gap * SECOND
        out += draw(happening(at))
        at = out[-1].at
    return out


def machine() -> Engine:
    """A fresh engine in the street."""
    return Engine(BOOK, street())
