"""Every route of the API answers over a real socket, in the shape that the OpenAPI document promises."""

from __future__ import annotations

import base64
import csv
import io

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.console import Statistics
from monitor.ports import Batch, NeverWill, Point, Quarantined, TryAgain
from rules.model import MINUTE, SECOND, Disposition, IncidentState, Verb
from tests.small_site import NOW, Yard, incident, push


def fire(key: str = "i-1") -> Batch:
    return Batch(
        incidents={key: incident(key)},
        entries=[
            (NOW, key, "raised", '{"rule": "smoke"}'),
            (NOW + 250_000, key, "dispatched", '{"station": "post-1"}'),
        ],
        pushes=[push(f"{key}/dispatch/hook", key)],
        settled=[(f"{key}/dispatch/hook", "retry", 1, "503 busy", NOW + SECOND)],
    )


def series(number: int, step: int = SECOND) -> list[Point]:
    return [
        Point("yard/smoke-1", "smoke_detector", "yard/garage", (NOW - HOUR_BACK + n * step) * 1000, {"temperature": n})
        for n in range(number)
    ]


HOUR_BACK = 30 * MINUTE

# --- incidents --------------------------------------------------------------------------------------------------------


async def test_one_incident_with_timeline_and_pushes() -> None:
    yard = Yard()
    await yard.commit(fire())
    async with yard.console() as api:
        told = await api.get("/api/v1/incidents/i-1")
    assert told["incident"]["zone_name"] == {"zh": "车库", "en": "Garage"}
    assert told["incident"]["raised_at"] == "2026-11-22T00:00:00Z"
    assert told["incident"]["dispatched_at"] == "2026-11-22T00:00:00.000001Z"
    assert told["incident"]["closed_at"] is None
    assert [(e["id"], e["step"], e["at"]) for e in told["timeline"]] == [
        (1, "raised", "2026-11-22T00:00:00Z"),
        (2, "dispatched", "2026-11-22T00:00:00.250Z"),
    ]
    assert told["pushes"][0]["key"] == "i-1/dispatch/hook"
    assert (told["pushes"][0]["outcome"], told["pushes"][0]["reply"]) == ("retry", "503 busy")
    assert told["position"] == 2


async def test_incidents_open_only_and_newest_first() -> None:
    yard = Yard()
    for n, state in enumerate((IncidentState.CLOSED, IncidentState.RAISED, IncidentState.RESOLVED)):
        await yard.commit(Batch(incidents={f"i-{n}": incident(f"i-{n}", NOW + n, state)}))
    async with yard.console() as api:
        every = await api.get("/api/v1/incidents")
        opened = await api.get("/api/v1/incidents?open=true")
    assert [i["id"] for i in every["items"]] == ["i-2", "i-1", "i-0"]
    assert [i["id"] for i in opened["items"]] == ["i-2", "i-1"]
    assert every["next"] is None


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 1000])
async def test_pages_hold_every_incident_once_though_many_share_a_moment(limit: int) -> None:
    yard = Yard()
    moments = [0, 1, 1, 1, 2, 3, 3, 4, 4, 4, 4, 5]
    known = {f"i-{n:02}": incident(f"i-{n:02}", NOW + moment) for n, moment in enumerate(moments)}
    await yard.commit(Batch(incidents=known))
    got: list[str] = []
    async with yard.console() as api:
        query = f"?limit={limit}"
        while True:
            page = await api.get(f"/api/v1/incidents{query}")
            assert page["items"]
            got += [i["id"] for i in page["items"]]
            if page["next"] is None:
                break
            query = f"?limit={limit}&before={page['next']}"
    assert got == sorted(known, reverse=True)


@pytest.mark.parametrize(
    ("path", "verb", "state"),
    [
        ("acknowledge", Verb.ACKNOWLEDGE, "acknowledged"),
        ("on-scene", Verb.ON_SCENE, "on_scene"),
        ("resolve", Verb.RESOLVE, "resolved"),
        ("reset", Verb.RESET, "dispatched"),
    ],
)
async def test_a_move_is_posted_and_the_incident_comes_back(path: str, verb: Verb, state: str) -> None:
    yard = Yard()
    await yard.commit(fire())
    async with yard.console() as api:
        told = await api.post(f"/api/v1/incidents/i-1/{path}", {"by": " 王队长 ", "note": "去看看"})
    assert told["state"] == state
    assert yard.moves == [("i-1", verb, "王队长", "去看看", None)]
    assert yard.ways == ["api"]


async def test_closing_needs_a_disposition() -> None:
    yard = Yard()
    await yard.commit(fire())
    async with yard.console() as api:
        refused = await api.post("/api/v1/incidents/i-1/close", {"by": "Li"}, 422)
        assert refused["errors"] == [{"field": "disposition", "message": "Field required"}]
        wrong = await api.post("/api/v1/incidents/i-1/close", {"by": "Li", "disposition": "boring"}, 422)
        assert "nuisance" in wrong["detail"]
        assert yard.moves == []
        closed = await api.post("/api/v1/incidents/i-1/close", {"by": "Li", "disposition": "nuisance"})
    assert (closed["state"], closed["disposition"]) == ("closed", "nuisance")
    assert yard.moves == [("i-1", Verb.CLOSE, "Li", "", Disposition.NUISANCE)]


async def test_a_note_says_something() -> None:
    yard = Yard()
    await yard.commit(fire())
    async with yard.console() as api:
        await api.post("/api/v1/incidents/i-1/notes", {"by": "Li", "note": " \n "}, 422)
        await api.post("/api/v1/incidents/i-1/notes", {"by": "Li"}, 422)
        await api.post("/api/v1/incidents/i-1/notes", {"by": "Li", "note": "水带已到\nhose is here"})
    assert yard.moves == [("i-1", Verb.NOTE, "Li", "水带已到\nhose is here", None)]


@pytest.mark.parametrize(
    "body",
    [{}, {"by": ""}, {"by": "  "}, {"by": "a\nb"}, {"by": 7}, {"by": "x" * 101}, {"by": "x", "at": 1}, [], "x", "text"],
)
async def test_a_move_of_another_shape_is_refused(body: object) -> None:
    yard = Yard()
    await yard.commit(fire())
    async with yard.console() as api:
        await api.post("/api/v1/incidents/i-1/acknowledge", body, 422)
    assert yard.moves == []


async def test_a_refused_move_tells_the_reason() -> None:
    yard = Yard()
    await yard.commit(Batch(incidents={"i-1": incident("i-1", state=IncidentState.CLOSED)}))
    async with yard.console() as api:
        told = await api.post("/api/v1/incidents/i-1/acknowledge", {"by": "Li"}, 409)
    assert told["type"] == "urn:wanglou:problem:move-refused"
    assert told["detail"] == "已关闭 / the incident is closed"


async def test_an_unknown_incident_is_not_found() -> None:
    yard = Yard()
    async with yard.console() as api:
        assert (await api.get("/api/v1/incidents/no", 404))["type"] == "urn:wanglou:problem:unknown-incident"
        told = await api.post("/api/v1/incidents/no/resolve", {"by": "Li"}, 404)
    assert told["type"] == "urn:wanglou:problem:unknown-incident"


async def test_a_move_that_is_not_confirmed_has_an_unknown_outcome() -> None:
    yard = Yard()
    await yard.commit(fire())
    async with yard.console(move_timeout=0.01) as api:
        yard.ledger.gate.clear()
        told = await api.post("/api/v1/incidents/i-1/resolve", {"by": "Li"}, 504)
        yard.ledger.gate.set()
    assert "read the incident" in told["detail"]


# --- places -----------------------------------------------------------------------------------------------------------


async def test_devices_by_pages_and_filters() -> None:
    yard = Yard()
    yard.places.device("yard/plug-7")
    async with yard.console() as api:
        every = await api.get("/api/v1/devices")
        first = await api.get("/api/v1/devices?limit=2&kind=smoke_detector")
        second = await api.get(f"/api/v1/devices?limit=2&kind=smoke_detector&after={first['next']}")
        lane = await api.get("/api/v1/devices?zone=yard/lane")
    assert [d["key"] for d in every["items"]] == [
        "yard/camera/north",
        "yard/plug-7",
        "yard/smoke-1",
        "yard/smoke-2",
        "yard/smoke-3",
    ]
    assert every["next"] is None
    assert [d["key"] for d in first["items"]] == ["yard/smoke-1", "yard/smoke-2"]
    assert [d["key"] for d in second["items"]] == ["yard/smoke-3"]
    assert second["next"] is None
    assert [d["key"] for d in lane["items"]] == ["yard/camera/north"]


async def test_one_device_with_its_state() -> None:
    async with Yard().console() as api:
        heard = await api.get("/api/v1/devices/yard/smoke-1")
        silent = await api.get("/api/v1/devices/yard/camera/north")
        by_pattern = await api.get("/api/v1/devices/yard/plug-12")
        nobody = await api.get("/api/v1/devices/yard/nobody", 404)
    assert heard["values"] == {"smoke_density": 0.61, "smoke": True}
    assert (heard["freshness"], heard["online"], heard["last_at"]) == ("live", True, "2026-11-22T00:00:00Z")
    assert heard["alarms"] == [{"rule": "smoke", "kind": "FIRE", "state": "active", "incident": "i-1"}]
    assert (silent["freshness"], silent["online"], silent["last_at"], silent["values"]) == (None, None, None, {})
    assert (by_pattern["name"], by_pattern["attributes"]) == ({"zh": "插座12", "en": "Plug 12"}, {"amps": 16.0})
    assert nobody["type"] == "urn:wanglou:problem:unknown-device"


async def test_zones_stations_and_rules() -> None:
    async with Yard().console() as api:
        zones = (await api.get("/api/v1/zones"))["items"]
        stations = (await api.get("/api/v1/stations"))["items"]
        rules = (await api.get("/api/v1/rules"))["items"]
    assert [(z["key"], z["stations"]) for z in zones] == [("yard/garage", ["post-1"]), ("yard/lane", ["post-1"])]
    assert zones[0]["attributes"] == {"sprinklers": True, "level": -1.0}
    assert stations[0]["recipients"] == [{"channel": "hook", "kinds": ["FIRE", "PREALARM"]}]
    assert (rules[0]["id"], rules[0]["hold_seconds"], rules[0]["clear_for_seconds"]) == ("smoke", 4.0, 60.0)
    sirens = {
        "command": "sound",
        "name": {"zh": "启动声光警报", "en": "Sound the alarm"},
        "at": "building",
        "kind": "siren",
    }
    assert rules[0]["linkage"] == [sirens]


async def test_coverage_counts_live_detectors_zone_by_zone() -> None:
    async with Yard().console() as api:
        told = await api.get("/api/v1/coverage")
        bare = await api.get("/api/v1/coverage?uncovered=true")
    garage = told["items"][0]
    assert (garage["detectors"], garage["heard"], garage["offline"], garage["live"]) == (3, 2, 1, 1)
    assert garage["last_at"] == "2026-11-22T00:00:00Z"
    assert (told["zones"], told["covered"]) == (2, 1)
    assert [(z["zone"], z["covered"]) for z in bare["items"]] == [("yard/lane", False)]


# --- readings ---------------------------------------------------------------------------------------------------------

PATH = "/api/v1/readings?device=yard/smoke-1&quantity=temperature"


async def test_raw_readings_by_pages() -> None:
    yard = Yard()
    await yard.history.write(series(7))
    got: list[float] = []
    async with yard.console() as api:
        query = "&from=2026-11-21T23:30:00Z&to=2026-11-22T08:00:00%2B08:00&limit=3"
        while True:
            page = await api.get(PATH + query)
            got += [point["value"] for point in page["points"]]
            if page["next"] is None:
                break
            query = f"&from={page['next']}&to=2026-11-22T00:00:00Z&limit=3"
    assert got == [0, 1, 2, 3, 4, 5, 6]


async def test_readings_of_one_moment_stay_together() -> None:
    yard = Yard()
    base = (NOW - MINUTE) * 1000
    points = [Point("yard/smoke-1", "smoke_detector", "yard/garage", base + n, {"temperature": n}) for n in range(5)]
    await yard.history.write([*points, points[0]._replace(at_ns=base + 1000)])
    async with yard.console() as api:
        page = await api.get(f"{PATH}&limit=2")
        assert len(page["points"]) == 5
        rest = await api.get(f"{PATH}&limit=2&from={page['next']}")
    assert len(rest["points"]) == 1


async def test_the_last_hour_is_meant_when_no_time_is_given() -> None:
    yard = Yard()
    hour_ago = Point(
        "yard/smoke-1", "smoke_detector", "yard/garage", (NOW - 3600 * SECOND) * 1000, {"temperature": 1.0}
    )
    await yard.history.write(
        [hour_ago, hour_ago._replace(at_ns=hour_ago.at_ns - 1000), hour_ago._replace(at_ns=NOW * 1000)]
    )
    async with yard.console() as api:
        assert [p["at"] for p in (await api.get(PATH))["points"]] == ["2026-11-21T23:00:00Z"]


async def test_downsampled_readings() -> None:
    yard = Yard()
    await yard.history.write(series(120))
    async with yard.console() as api:
        told = await api.get(f"{PATH}&step=1m")
    assert told["step_seconds"] == 60.0
    assert told["buckets"] == [
        {"at": "2026-11-21T23:30:00Z", "min": 0.0, "mean": 29.5, "max": 59.0, "samples": 60},
        {"at": "2026-11-21T23:31:00Z", "min": 60.0, "mean": 89.5, "max": 119.0, "samples": 60},
    ]


@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        ("&format=csv", None, "text/csv"),
        ("", "text/csv", "text/csv"),
        ("", "text/*;q=0.9, application/json;q=0.5", "text/csv"),
        ("", "application/json, text/csv;q=0.5", "application/json"),
        ("", "*/*", "application/json"),
        ("", None, "application/json"),
        ("", "text/csv;q=0", "application/json"),
        ("&format=json", "text/csv", "application/json"),
    ],
)
async def test_csv_by_format_or_accept(query: str, accept: str | None, expected: str) -> None:
    async with Yard().console() as api:
        reply = await api.ask("GET", PATH + query, headers={"Accept": accept} if accept else {})
    assert reply.headers["Content-Type"].partition(";")[0] == expected


async def test_csv_holds_the_series_and_a_link_to_its_next_page() -> None:
    yard = Yard()
    await yard.history.write(series(5, 500_000))
    rows: list[list[str]] = []
    async with yard.console() as api:
        path = f"{PATH}&format=csv&limit=3"
        for header in (["at", "value"], ["at", "value"]):
            reply = await api.ask("GET", path)
            found = list(csv.reader(io.StringIO(reply.body.decode(), newline="")))
            assert found[0] == header
            rows += found[1:]
            path = reply.headers.get("Link", "").removeprefix("<").removesuffix('>; rel="next"')
        buckets = await api.ask("GET", f"{PATH}&format=csv&step=1h")
    assert path == ""
    assert rows[0] == ["2026-11-21T23:30:00Z", "0.0"]
    assert rows[1] == ["2026-11-21T23:30:00.500Z", "1.0"]
    assert [row[1] for row in rows] == ["0.0", "1.0", "2.0", "3.0", "4.0"]
    assert 'filename="yard-smoke-1-temperature.csv"' in reply.headers["Content-Disposition"]
    assert buckets.body.decode() == "at,min,mean,max,samples\r\n2026-11-21T23:00:00Z,0.0,2.0,4.0,5\r\n"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "device"),
        ("?device=yard/smoke-1", "quantity"),
        ("?device=yard/smoke-1&quantity=A;DROP", "quantity"),
        ("?device=yard/smoke-1&quantity=temperature&from=yesterday", "from"),
        ("?device=yard/smoke-1&quantity=temperature&from=2026-11-22T00:00:00", "from"),
        ("?device=yard/smoke-1&quantity=temperature&from=2026-02-30T00:00:00Z", "from"),
        ("?device=yard/smoke-1&quantity=temperature&from=0001-01-01T00:00:00%2B23:59", "from"),
        ("?device=yard/smoke-1&quantity=temperature&from=2200-01-01T00:00:00Z", "from"),
        ("?device=yard/smoke-1&quantity=temperature&from=2027-01-01T00:00:00Z", "from"),
        ("?device=yard/smoke-1&quantity=temperature&step=0s", "step"),
        ("?device=yard/smoke-1&quantity=temperature&step=1ms", "step"),
        ("?device=yard/smoke-1&quantity=temperature&limit=0", "limit"),
        ("?device=yard/smoke-1&quantity=temperature&limit=9&limit=9", "limit"),
        ("?device=yard/smoke-1&quantity=temperature&start=1", "start"),
        ("?device=yard/smoke-1&quantity=temperature&format=xml", "format"),
    ],
)
async def test_a_wrong_question_is_told_which_parameter_is_wrong(query: str, field: str) -> None:
    async with Yard().console() as api:
        assert (await api.get(f"/api/v1/readings{query}", 400))["detail"].startswith(f"{field}: ")


async def test_readings_of_nobody_and_without_a_history() -> None:
    yard = Yard()
    async with yard.console() as api:
        told = await api.get("/api/v1/readings?device=yard/nobody&quantity=smoke", 404)
        assert told["type"] == "urn:wanglou:problem:unknown-device"
    async with yard.console(history=None) as api:
        await api.get(PATH, 501)


async def test_the_failures_of_the_history_keep_their_meaning() -> None:
    yard = Yard()
    async with yard.console() as api:
        yard.history.failing = TryAgain("the database is restarting", after=7.4)
        busy = await api.ask("GET", PATH)
        yard.history.failing = NeverWill("no such field")
        refused = await api.get(f"{PATH}&step=1h", 502)
    assert (busy.status, busy.headers["Retry-After"]) == (503, "7")
    assert busy.json()["detail"] == "the database is restarting"
    assert refused["detail"] == "no such field"


# --- account ----------------------------------------------------------------------------------------------------------


async def test_quarantine_shows_the_payload_readable_and_exact() -> None:
    yard = Yard()
    await yard.commit(
        Batch(quarantined=[Quarantined(NOW, "not-json", "no JSON", "wl/yard/\udcff/up", b"{\xff"), _odd(NOW + 1)])
    )
    async with yard.console() as api:
        items = (await api.get("/api/v1/quarantine"))["items"]
        one = (await api.get("/api/v1/quarantine?limit=1"))["items"]
    assert [i["reason"] for i in items] == ["clock", "not-json"]
    assert len(one) == 1
    assert (items[1]["payload"], base64.b64decode(items[1]["payload_base64"])) == ("{\\xff", b"{\xff")
    assert items[1]["topic"] == "wl/yard/\\udcff/up"


def _odd(at: int) -> Quarantined:
    return Quarantined(at, "clock", "from 1970", "wl/yard/smoke-1/up", b"{}")


async def test_unregistered_devices_are_listed() -> None:
    yard = Yard()
    yard_batch = Batch(unregistered={"yard/new": (3, NOW, NOW + SECOND, "wl/yard/new/up", b'{"smoke":1}')})
    await yard.commit(yard_batch)
    await yard.commit(yard_batch)
    async with yard.console() as api:
        (item,) = (await api.get("/api/v1/unregistered"))["items"]
    assert (item["device"], item["messages"], item["sample"]) == ("yard/new", 6, '{"smoke":1}')
    assert (item["first_at"], item["last_at"]) == ("2026-11-22T00:00:00Z", "2026-11-22T00:00:01Z")


async def test_the_account_adds_up() -> None:
    yard = Yard(statistics=Statistics(received=12, verdicts={"live": 7, "late": 2}))
    await yard.commit(Batch(counts={"live": 40, "rejected": 2}, quarantined=[_odd(NOW)]))
    async with yard.console() as api:
        told = await api.get("/api/v1/account")
    assert told["received"] == sum(told["verdicts"].values()) == 42
    assert told["verdicts"]["unregistered"] == 0
    assert told["quarantined"] == {"clock": 1}
    assert (told["process_received"], told["process_settled"], told["waiting"]) == (12, 9, 3)


async def test_troubles_are_listed() -> None:
    yard = Yard()
    yard.board.set_trouble("history", True, "connection refused", NOW)
    async with yard.console() as api:
        assert (await api.get("/api/v1/troubles"))["items"] == [
            {"source": "history", "detail": "connection refused", "since": "2026-11-22T00:00:00Z"}
        ]


# --- probes -----------------------------------------------------------------------------------------------------------


async def test_probes_need_no_token() -> None:
    async with Yard().console() as api:
        assert await api.get("/healthz", token=None) == {"status": "alive"}
        assert await api.get("/readyz", token=None) == {"status": "ready"}


async def test_not_ready_names_the_part_and_tells_details_only_to_those_who_may_know() -> None:
    yard = Yard()
    yard.board.set_trouble("feed", True, "10.0.0.7 refused", NOW)
    yard.board.set_trouble("history", True, "slow", NOW)
    async with yard.console() as api:
        stranger = await api.get("/readyz", 503, token=None)
        friend = await api.get("/readyz", 503)
        assert await api.get("/healthz", token=None) == {"status": "alive"}
        yard.board.set_trouble("feed", False, "", NOW)
        await api.get("/readyz")
    assert stranger["reasons"] == [{"source": "feed", "since": "2026-11-22T00:00:00Z"}]
    assert friend["reasons"][0]["detail"] == "10.0.0.7 refused"


async def test_a_ledger_that_does_not_answer_is_not_ready() -> None:
    yard = Yard()
    async with yard.console() as api:
        yard.ledger.failing = TryAgain("disk full")
        told = await api.get("/readyz", 503, token=None)
        assert (await api.get("/api/v1/incidents", 503))["detail"] == "disk full"
    assert [reason["source"] for reason in told["reasons"]] == ["ledger"]


async def test_metrics_tell_the_account() -> None:
    yard = Yard(
        statistics=Statistics(
            received=10,
            verdicts={"live": 8, "duplicate": 1},
            quarantined={"clock": 2},
            inbox_depth=1,
            inbox_limit=5000,
            feed_connected=True,
            history_written={"influx": 7},
            history_lag={"influx": 3},
            outbox_waiting={"hook": 4},
            attempts={("hook", "accepted"): 6},
            open_incidents=2,
            commits=5,
            tape_rows=99,
            tape_bytes=1000,
            ledger_bytes=2000,
        )
    )
    yard.board.set_trouble("history", True, "slow", NOW)
    samples = await _samples(yard)
    verdicts = {key: value for key, value in samples.items() if key.startswith("wanglou_messages_total{")}
    assert samples["wanglou_messages_received_total"] == 10
    assert samples["wanglou_messages_total{verdict=live}"] == 8
    assert samples["wanglou_messages_total{verdict=late}"] == 0
    assert sum(verdicts.values()) + samples["wanglou_inbox_depth"] == 10
    assert samples["wanglou_quarantined_total{reason=clock}"] == 2
    assert samples["wanglou_history_lag_rows{history=influx}"] == 3
    assert samples["wanglou_history_written_total{history=influx}"] == 7
    assert samples["wanglou_outbox_waiting{channel=hook}"] == 4
    assert samples["wanglou_push_attempts_total{channel=hook,outcome=accepted}"] == 6
    assert samples["wanglou_incidents_open"] == 2
    assert samples["wanglou_tape_bytes"] == 1000
    assert samples["wanglou_trouble{source=history}"] == 1
    assert samples["process_resident_memory_bytes"] > 0


async def _samples(yard: Yard) -> dict[str, float]:
    """Everything at /metrics, read by Prometheus' own parser."""
    async with yard.console() as api:
        reply = await api.ask("GET", "/metrics")
    assert reply.status == 200
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(reply.body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_two_consoles_have_two_registries() -> None:
    one, two = Yard(statistics=Statistics(received=1)), Yard(statistics=Statistics(received=2))
    async with one.console(), two.console():
        assert (await _samples(one))["wanglou_messages_received_total"] == 1
        assert (await _samples(two))["wanglou_messages_received_total"] == 2


async def test_head_answers_as_get_without_a_body() -> None:
    async with Yard().console() as api:
        reply = await api.ask("HEAD", "/api/v1/zones", checked=False)
        assert (reply.status, reply.body) == (200, b"")


# --- reports ----------------------------------------------------------------------------------------------------------


async def test_service_levels_as_json_sheet_and_page() -> None:
    yard = Yard()
    await yard.commit(fire())
    path = "/api/v1/reports/sla?month=2026-11"
    async with yard.console() as api:
        told = await api.get(path)
        (station,) = told["stations"]
        assert (told["month"], station["station"], station["responses"][0]["incident"]) == ("2026-11", "post-1", "i-1")
        assert station["responses"][0]["seconds"] == {"dispatch": 0.25}
        page = await api.ask("GET", path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert "东门微型消防站" in page.body.decode()
        sheet = await api.ask("GET", f"{path}&format=csv&table=responses&station=post-1")
        assert sheet.headers["Content-Disposition"] == 'attachment; filename="sla-2026-11-responses.csv"'
        assert sheet.body.startswith(b"\xef\xbb\xbf")
        assert (await api.ask("GET", path, headers={"Accept": "application/json"})).headers["Vary"] == "Accept"


async def test_the_report_of_an_incident_is_a_page_that_loads_nothing() -> None:
    yard = Yard()
    await yard.commit(fire())
    await yard.history.write(series(10))
    async with yard.console() as api:
        page = await api.ask("GET", "/api/v1/incidents/i-1/report")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert "车库火警" in page.body.decode()
        assert (await api.get("/api/v1/incidents/i-9/report", 404))["type"].endswith("unknown-incident")
        assert (await api.ask("GET", "/api/v1/incidents/i-1/report", token=None)).status == 401


async def test_nuisance_alarms_as_json_sheet_and_page() -> None:
    yard = Yard()
    await yard.commit(fire())
    path = "/api/v1/reports/nuisance?month=2026-11"
    async with yard.console() as api:
        told = await api.get(f"{path}&station=post-1")
        assert (told["total"]["raised"], told["total"]["open"], told["detectors"]) == (1, 1, 3)
        page = await api.ask("GET", f"{path}&format=html")
        assert "误报统计" in page.body.decode()
        sheet = await api.ask("GET", path, headers={"Accept": "text/csv"})
        assert sheet.headers["Content-Disposition"] == 'attachment; filename="nuisance-2026-11-devices.csv"'


@pytest.mark.parametrize("report", ["sla", "nuisance"])
@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("month=2026-13", 400), ("month=2026-11&table=all", 400), ("month=2026-11&station=post-9", 404)],
)
async def test_a_report_is_asked_for_rightly(report: str, query: str, status: int) -> None:
    async with Yard().console() as api:
        assert (await api.ask("GET", f"/api/v1/reports/{report}?{query}")).status == status
