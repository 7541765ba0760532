"""The NIST fires as tapes: exact on a small made-up experiment, plausible on the real ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from simulators import nist
from simulators.nist import Fire, alarm_times, fires, house, tape

START = datetime(2026, 11, 22, 8, 0, tzinfo=timezone(timedelta(hours=8)))
SMALL = """\
TIME,TCA_1,TCA_2,TCB_1,SMA_1,Pho1A
1.00E+00,2.00E+01,9,2.10E+01,1.00E-03,0
3.00E+00,2.01E+01,9,2.10E+01,-2.00E-03,0
5.00E+00,2.02E+01,9,2.10E+01,3.00E-03,0
7.00E+00,4.50E+01,9,2.20E+01,2.50E-01,0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "SDC99.csv").write_text(SMALL, encoding="utf-8")
    (tmp_path / "activation_times.csv").write_text("fire,alarm,seconds\nSDC99,Pho1A,7\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def small(folder: Path) -> Fire:
    return fires(folder)[0]


def test_a_location_without_a_smoke_meter_has_only_a_heat_detector(small: Fire) -> None:
    assert (small.name, small.locations) == ("SDC99", "AB")
    assert small.devices == ("smoke-a", "heat-a", "heat-b")


def test_optical_density_becomes_decibels_and_drift_below_zero_becomes_zero(small: Fire) -> None:
    assert small.series["smoke-a"] == (0.01, 0.0, 0.03, 2.5)
    assert small.series["heat-a"] == (20.0, 20.1, 20.2, 45.0)


def test_a_device_reports_the_newest_measurement_at_each_interval(small: Fire) -> None:
    smoke = [(t, values) for t, device, values in small.frames(2) if device == "smoke-a"]
    # Second 0 lies before the first row (second 1), second 2 after it.
    assert smoke == [(0, {"smoke_density": 0.01}), (2, {"smoke_density": 0.01}),
                     (4, {"smoke_density": 0.0}), (6, {"smoke_density": 0.03})]  # fmt: skip
    slow = [(t, values) for t, device, values in small.frames(7) if device == "heat-a"]
    assert slow == [(0, {"temperature": 20.0}), (7, {"temperature": 45.0})]
    apart = [(t, values) for t, device, values in small.frames(4, 6, 1.5) if device == "heat-a"]
    assert [t for t, _ in apart] == [-2.5, 1.5, 5.5]
    assert apart[1:] == [(1.5, {"temperature": 20.0}), (5.5, {"temperature": 20.2})]


@pytest.mark.parametrize("phase", [-0.5, 2.0, float("nan")])
def test_a_phase_is_within_its_interval(small: Fire, phase: float) -> None:
    with pytest.raises(ValueError, match="phase_s must be at least 0 and below interval_s"):
        next(small.frames(2, 6, phase))


def test_the_lead_in_is_the_noise_of_the_first_rows_going_round(small: Fire) -> None:
    lead = [(t, values["smoke_density"]) for t, device, values in small.frames(2, 12) if device == "smoke-a" and t < 0]
    assert [t for t, _ in lead] == [-12, -10, -8, -6, -4, -2]
    assert [value for _, value in lead] == [0.01, 0.0, 0.03] * 2


@pytest.mark.parametrize(
    ("interval", "lead_in"), [(0, 0), (-1, 0), (float("nan"), 0), (float("inf"), 0), (2, -1), (2, float("inf"))]
)
def test_an_impossible_interval_is_refused(small: Fire, interval: float, lead_in: float) -> None:
    with pytest.raises(ValueError, match="interval_s"):
        next(small.frames(interval, lead_in))


def test_a_tape_holds_messages_as_devices_send_them(small: Fire) -> None:
    lines = list(tape(small, START, 2, lead_in_s=4, site="home"))
    assert lines[0] | {"payload": ""} == {
        "at": "2026-11-22T07:59:56.000+08:00",
        "topic": "wl/home/smoke-a/up",
        "payload": "",
        "qos": 1,
        "retain": False,
    }
    payloads = [json.loads(str(line["payload"])) for line in lines]
    assert payloads[0] == {
        "at": "2026-11-22T07:59:56.000+08:00",
        "id": f"SDC99-smoke-a-{round(START.timestamp() * 1000) - 4000}",
        "smoke_density": 0.0,
    }
    assert [p["at"] for p in payloads] == [line["at"] for line in lines] == sorted(str(line["at"]) for line in lines)
    assert len({p["id"] for p in payloads}) == len(lines) == 3 * 6


def test_ids_differ_when_the_fire_is_played_at_another_time(small: Fire) -> None:
    def ids(start: datetime) -> set[str]:
        return {json.loads(str(line["payload"]))["id"] for line in tape(small, start)}

    assert ids(START).isdisjoint(ids(START + timedelta(days=1)))


def test_a_start_without_a_zone_is_refused(small: Fire) -> None:
    with pytest.raises(ValueError, match="zone"):
        next(tape(small, datetime(2026, 11, 22)))  # noqa: DTZ001


def test_a_house_has_a_zone_for_each_room_or_one_for_all(small: Fire) -> None:
    def zones(entry: dict[str, object]) -> tuple[list[str], list[str]]:
        listed, devices = entry["zones"], entry["devices"]
        assert isinstance(listed, list)
        assert isinstance(devices, list)
        return [zone["id"] for zone in listed], [device["zone"] for device in devices]

    assert zones(house(small)) == (["room-a", "room-b"], ["room-a", "room-a", "room-b"])
    assert zones(house(small, zoning="house")) == (["house"], ["house"] * 3)


def test_alarm_times_by_fire_and_alarm(folder: Path) -> None:
    assert alarm_times(folder) == {"SDC99": {"Pho1A": 7.0}}


@pytest.mark.parametrize(
    "text",
    ["", "TIME,TCA_1\n", "SECONDS,TCA_1\n1,2\n", "TIME,TCA_1\n1,hot\n", "TIME,TCX_1\n1,2\n", "TIME,TCA_1\n2,20\n1,20\n",
     "TIME,SMA_1,TCA_1\n1,0\n"],
)  # fmt: skip
def test_a_file_that_is_no_experiment_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "SDC01.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"SDC01\.csv"):
        fires(tmp_path)


def test_the_command_writes_a_tape_or_a_house(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(nist.FOLDER_VARIABLE, str(folder))
    assert nist.main(["SDC99", "--start", START.isoformat(), "--interval", "2", "--lead-in", "0", "--site", "s"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == list(tape(fires(folder)[0], START, 2, lead_in_s=0, site="s"))
    assert nist.main(["SDC99", "--house", "room"]) == 0
    assert json.loads(capsys.readouterr().out) == house(fires(folder)[0])


@pytest.mark.parametrize(
    "arguments", [["SDC00"], ["SDC99", "--start", "2026-11-22T08:00:00"], ["SDC99", "--interval", "0"]]
)
def test_the_command_says_what_is_wrong(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setenv(nist.FOLDER_VARIABLE, str(folder))
    with pytest.raises(SystemExit) as stopped:
        nist.main(arguments)
    assert stopped.value.code == 2
    assert "python -m simulators.nist: error: " in capsys.readouterr().err


def test_a_missing_folder_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=nist.FOLDER_VARIABLE):
        nist.data_folder({nist.FOLDER_VARIABLE: str(tmp_path / "nowhere")})


@pytest.fixture(scope="module")
def real() -> Path:
    try:
        return nist.data_folder()
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_the_real_fires_have_detectors_at_every_location(real: Path) -> None:
    found = {fire.name: fire for fire in fires(real)}
    for name in ("SDC02", "SDC05", "SDC07", "SDC10"):
        assert found[name].locations == "ABCDEF"
    assert len(found["SDC02"].devices) == 12
    # SDC10 had no smoke meters at the ceiling of C and E.
    assert set(found["SDC02"].devices) - set(found["SDC10"].devices) == {"smoke-c", "smoke-e"}


def test_the_real_lead_in_is_quiet_and_the_fire_is_not(real: Path) -> None:
    """No detector sees more than a meter's offset (0.25 dB/m) before the smoke; each sees thick smoke after it."""
    for fire in fires(real):
        before: dict[str, float] = {}
        after: dict[str, float] = {}
        for t, device, values in fire.frames(2, 60):
            if density := values.get("smoke_density"):
                seen = before if t < 0 else after
                seen[device] = max(density, seen.get(device, 0.0))
        assert max(before.values()) < 0.25, fire.name
        assert min(after.values()) > 2, fire.name


def test_the_real_alarms_sounded_within_the_experiments(real: Path) -> None:
    last = {fire.name: fire.times[-1] for fire in fires(real)}
    heard = alarm_times(real)
    assert set(heard) == set(last)
    assert all(0 < seconds <= last[fire] for fire, alarms in heard.items() for seconds in alarms.values())
    assert heard["SDC02"]["Pho1A"] == 154


def test_a_real_tape_starts_and_ends_when_it_should(real: Path) -> None:
    fire = next(fire for fire in fires(real) if fire.name == "SDC07")
    lines = list(tape(fire, START.astimezone(UTC), 10, lead_in_s=120))
    assert lines[0]["at"] == "2026-11-21T23:58:00.000+00:00"
    assert lines[-1]["at"] == "2026-11-22T00:03:50.000+00:00"
    assert len(lines) == 12 * (12 + 24)
