"""Real house fires as tapes: the meters of NIST's home smoke alarm experiments speak as detectors.

Knows the wire as a device sees it, and nothing of the daemon: no decoder, no rule, no zone but the one it proposes.

At each measured location there is one smoke detector (`smoke-a`: optical density at the ceiling) and one heat detector
(`heat-a`: air temperature at the ceiling). Where the experiment had no smoke meter there is no smoke detector. The
noise and the offsets of the meters are left as they were measured.

The measurements are those of the National Institute of Standards and Technology (USA), published in the database
`firemodels/exp` under `NIST_Smoke_Alarms`; keep its notice beside the files.

    python -m simulators.nist SDC02 --start 2026-11-22T08:00:00+08:00 > tape.jsonl
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal

LOCATIONS = "ABCDEF"
DB_PER_OPTICAL_DENSITY = 10.0
"""dB/m of one unit of optical density per metre: D = log10(P0/P) / d, and a decibel is a tenth of that."""
QUIET_ROWS = 3
"""Rows of every experiment that smoke has not reached yet anywhere; their noise fills the lead-in."""

FOLDER_VARIABLE = "WANGLOU_NIST_DATA"
_DEFAULT_FOLDER = Path(__file__).parents[2] / "shared" / "data" / "nist-smoke-alarms"

Zoning = Literal["room", "house"]
Frame = tuple[float, str, dict[str, float]]
"""(seconds on the fire's own clock, device, quantities as they go over the wire)"""


@dataclass(frozen=True, slots=True)
class Fire:
    """One experiment, as its detectors saw it. Times are seconds on the experiment's own clock."""

    name: str
    locations: str
    """Letters of the locations that have a thermocouple at the ceiling."""
    times: tuple[float, ...]
    series: Mapping[str, tuple[float, ...]]
    """Device → one value per time: dB/m for `smoke-*`, °C for `heat-*`."""

    @property
    def devices(self) -> tuple[str, ...]:
        """`smoke-a`, `heat-a`, `smoke-b`, …"""
        return tuple(self.series)

    def frames(self, interval_s: float, lead_in_s: float = 0.0, phase_s: float = 0.0) -> Iterator[Frame]:
        """What every device reports, each `interval_s` seconds: the newest measurement at that moment. One report is at `phase_s`.

        From `-lead_in_s` to the last row. Before the first row the noise of the first rows goes round. An interval
        shorter than the spacing of the rows (2 s; 5 s in SDC05) repeats them. Raises ValueError for an interval that is
        not above 0 and for a phase that is not within it.
        """
        if not (interval_s > 0 and math.isfinite(interval_s) and lead_in_s >= 0 and math.isfinite(lead_in_s)):
            raise ValueError(f"interval_s must be above 0 and lead_in_s at least 0, not {interval_s} and {lead_in_s}")
        if not 0 <= phase_s < interval_s:
            raise ValueError(f"phase_s must be at least 0 and below interval_s, not {phase_s}")
        first = -math.floor((lead_in_s + phase_s) / interval_s)
        last = math.floor((self.times[-1] - phase_s) / interval_s)
        for step in range(first, last + 1):
            t = step * interval_s + phase_s
            row = bisect_right(self.times, t) - 1
            if row < 0:
                row = step % min(QUIET_ROWS, len(self.times))
            for device, values in self.series.items():
                yield t, device, {_quantity(device): values[row]}


def data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the measurements lie: `WANGLOU_NIST_DATA`, else `../shared/data/nist-smoke-alarms` beside the project.

    Raises FileNotFoundError, with the remedy, when there is no such folder.
    """
    folder = Path(environ.get(FOLDER_VARIABLE) or _DEFAULT_FOLDER)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"no NIST measurements in {folder.name}/: set {FOLDER_VARIABLE} to the folder of SDC*.csv"
        )
    return folder


def fires(folder: Path) -> list[Fire]:
    """Every experiment in the folder (`SDC*.csv`), by name. Raises ValueError naming the file that cannot be read."""
    return [_fire(path) for path in sorted(folder.glob("SDC*.csv"))]


def alarm_times(folder: Path) -> dict[str, dict[str, float]]:
    """When the real alarms sounded: fire → alarm → seconds on the fire's clock.

    An alarm's name is its kind (`Ion` ionisation, `Pho` photoelectric), its number, and the letter of its location.
    """
    heard: dict[str, dict[str, float]] = {}
    with (folder / "activation_times.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            heard.setdefault(row["fire"], {})[row["alarm"]] = float(row["seconds"])
    return heard


def tape(
    fire: Fire,
    start: datetime,
    interval_s: float = 2.0,
    *,
    lead_in_s: float = 60.0,
    phase_s: float = 0.0,
    site: str = "nist",
) -> Iterator[dict[str, object]]:
    """The fire as messages, oldest first: at, topic, payload, qos, retain, as `wanglou record` writes them.

    `start` is second 0 of the fire's clock; the lead-in lies before it. Each payload has its own `id`, which is another
    one when the same fire is played at another time. Raises ValueError when `start` has no zone.
    """
    if start.tzinfo is None:
        raise ValueError("start needs a zone, for example 2026-11-22T08:00:00+08:00")
    for t, device, values in fire.frames(interval_s, lead_in_s, phase_s):
        moment = start + timedelta(milliseconds=round(t * 1000))
        at = moment.isoformat(timespec="milliseconds")
        message_id = f"{fire.name}-{device}-{round(moment.timestamp() * 1000)}"
        payload = json.dumps({"at": at, "id": message_id, **values}, separators=(",", ":"))
        yield {"at": at, "topic": f"wl/{site}/{device}/up", "payload": payload, "qos": 1, "retain": False}


def house(fire: Fire, *, site: str = "nist", zoning: Zoning = "room") -> dict[str, object]:
    """The house as an entry of `sites:` in the site file: a zone for each room (`room-a` …), or one zone `house`."""
    rooms = [f"room-{letter.lower()}" for letter in fire.locations] if zoning == "room" else ["house"]
    names = {"smoke": ("感烟探测器", "Smoke detector"), "heat": ("感温探测器", "Heat detector")}
    zones = [
        {"id": room, "name": {"zh": f"房间{room[-1].upper()}", "en": f"Room {room[-1].upper()}"}, "kind": "dwelling"}
        for room in rooms
    ]
    if zoning == "house":
        zones[0]["name"] = {"zh": "住宅", "en": "House"}
    devices = []
    for device in fire.devices:
        kind, _, letter = device.partition("-")
        zh, en = names[kind]
        devices.append(
            {
                "id": device,
                "kind": f"{kind}_detector",
                "zone": f"room-{letter}" if zoning == "room" else "house",
                "name": {"zh": f"{zh}{letter.upper()}", "en": f"{en} {letter.upper()}"},
            }
        )
    return {"id": site, "name": {"zh": "实验住宅", "en": "Test house"}, "zones": zones, "devices": devices}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one fire's tape to standard output, or its house for the site file."""
    parser = argparse.ArgumentParser(prog="python -m simulators.nist", description="A real house fire as a tape.")
    parser.add_argument("fire", help="name of the experiment: SDC02, SDC05, SDC07, SDC10")
    parser.add_argument("--start", type=datetime.fromisoformat, help="second 0 of the fire, RFC 3339 (default: now)")
    parser.add_argument("--interval", type=float, default=2.0, help="seconds between reports of a device (default: 2)")
    parser.add_argument("--lead-in", type=float, default=60.0, help="quiet seconds before the fire (default: 60)")
    parser.add_argument("--site", default="nist", help="site in the topics (default: nist)")
    parser.add_argument("--house", choices=("room", "house"), help="print the site's entry with such zones, no tape")
    asked = parser.parse_args(arguments)
    try:
        known = {fire.name: fire for fire in fires(data_folder())}
        if asked.fire not in known:
            raise ValueError(f"no fire {asked.fire}; there are {', '.join(known) or 'none'}")  # noqa: TRY301
        fire = known[asked.fire]
        if asked.house:
            entry = house(fire, site=asked.site, zoning=asked.house)
            sys.stdout.write(json.dumps(entry, ensure_ascii=False, indent=2) + "\n")
            return 0
        start = asked.start or datetime.now(UTC)
        for line in tape(fire, start, asked.interval, lead_in_s=asked.lead_in, site=asked.site):
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    return 0


def _fire(path: Path) -> Fire:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        times = tuple(float(row["TIME"]) for row in rows)
        columns = {letter: (f"SM{letter}_1", f"TC{letter}_1") for letter in LOCATIONS}
        here = "".join(letter for letter, (_, heat) in columns.items() if rows and heat in rows[0])
        series: dict[str, tuple[float, ...]] = {}
        for letter in here:
            smoke, heat = columns[letter]
            if smoke in rows[0]:
                series[f"smoke-{letter.lower()}"] = tuple(_density(row[smoke]) for row in rows)
            series[f"heat-{letter.lower()}"] = tuple(float(row[heat]) for row in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} is not a NIST smoke alarm experiment: {error!r}") from error
    if not times or not here or any(later <= sooner for sooner, later in pairwise(times)):
        raise ValueError(
            f"{path.name} is not a NIST smoke alarm experiment: no rows, no locations, or times out of order"
        )
    return Fire(path.stem, here, times, series)


def _density(optical_density_per_m: str) -> float:
    """dB/m. Below zero is the meter's drift: no detector reports it."""
    return round(max(0.0, float(optical_density_per_m) * DB_PER_OPTICAL_DENSITY), 4)


def _quantity(device: str) -> str:
    return "smoke_density" if device.startswith("smoke-") else "temperature"


if __name__ == "__main__":
    sys.exit(main())
