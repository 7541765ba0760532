"""The table of all routes: what the app serves and what the OpenAPI document says are both made from it.

Knows no logic; each handler stands in the file of its subject.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp.typedefs import Handler
from pydantic import BaseModel

from monitor.console import (
    account,
    answers_account,
    answers_coverage,
    answers_duty,
    answers_incidents,
    answers_measures,
    answers_places,
    answers_reports,
    answers_rules,
    answers_webpush,
    coverage,
    duty,
    incidents,
    measures,
    moves,
    places,
    probes,
    readings,
    replying,
    reporting,
    reports,
    rules,
    session,
    stream,
    webpush,
)
from rules.model import Verb

API = "/api/v1"


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path. `media` are the content types of its answer, `statuses` the problems that it may end in,
    beside those that every route of the API may.
    """

    method: str
    path: str
    handler: Handler
    tag: str
    summary: str
    answer: tuple[type[BaseModel], ...] = ()
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    statuses: tuple[int, ...] = ()
    media: tuple[str, ...] = ("application/json",)
    headers: tuple[str, ...] = ()
    """Request headers that mean something here."""
    open: bool = False
    """May be asked without the token."""

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it: without the patterns of its parameters."""
        return self.path.replace(":.+}", "}")


def _move(path: str, verb: Verb, summary: str, shape: type[moves.MoveBody] = moves.MoveBody) -> Route:
    return Route(
        "POST",
        f"{API}/incidents/{{incident}}/{path}",
        moves.move(verb, shape),
        "incidents",
        summary,
        (answers_incidents.IncidentAnswer,),
        body=shape,
        statuses=(403, 404, 409, 413, 415, 422, 504),
    )


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        f"{API}/incidents",
        incidents.list_incidents,
        "incidents",
        "Incidents, newest first",
        (answers_incidents.IncidentPage,),
        query=incidents.IncidentsQuestion,
    ),
    Route(
        "GET",
        f"{API}/incidents/{{incident}}",
        incidents.one_incident,
        "incidents",
        "One incident with its timeline and pushes",
        (answers_incidents.IncidentDetail,),
        statuses=(404,),
    ),
    Route(
        "GET",
        f"{API}/incidents/{{incident}}/report",
        reports.incident,
        "reports",
        "One incident as a page to be printed: promise, readings, calls, timeline",
        statuses=(404,),
        media=("text/html",),
    ),
    _move("acknowledge", Verb.ACKNOWLEDGE, "Somebody takes it on"),
    _move("on-scene", Verb.ON_SCENE, "Somebody has arrived"),
    _move("resolve", Verb.RESOLVE, "The danger is over"),
    _move("reset", Verb.RESET, "Reset what has latched"),
    _move("close", Verb.CLOSE, "Close, saying what it turned out to be", moves.CloseBody),
    _move("notes", Verb.NOTE, "Write a note into the timeline", moves.NoteBody),
    Route(
        "GET",
        f"{API}/stream",
        stream.stream,
        "incidents",
        "Timeline entries as they happen, with resume (server-sent events)",
        query=stream.StreamQuestion,
        media=("text/event-stream",),
        headers=("Last-Event-ID",),
    ),
    Route(
        "POST",
        f"{API}/reply/{{channel}}",
        replying.receive,
        "incidents",
        "A robot or gateway calls back: somebody answered there",
        (replying.ReplyAnswer, replying.DingTalkAnswer),
        body=replying.ReplyBody,
        statuses=(400, 401, 404, 409, 413, 422, 429, 504),
        headers=("webhook-id", "webhook-timestamp", "webhook-signature"),
        open=True,
    ),
    Route(
        "GET",
        f"{API}/webpush",
        webpush.about,
        "account",
        "What a browser needs to be subscribed for notifications",
        (answers_webpush.WebPushAnswer,),
        statuses=(503,),
    ),
    Route(
        "POST",
        f"{API}/webpush",
        webpush.subscribe,
        "account",
        "Notifications in this browser",
        (answers_webpush.SubscribedAnswer,),
        body=webpush.SubscriptionBody,
        statuses=(403, 413, 415, 422, 503),
    ),
    Route(
        "POST",
        f"{API}/webpush/forget",
        webpush.forget,
        "account",
        "No more notifications in this browser",
        (answers_webpush.SubscribedAnswer,),
        body=webpush.ForgetBody,
        statuses=(403, 404, 413, 415, 422, 503),
    ),
    Route(
        "GET",
        f"{API}/devices",
        places.list_devices,
        "places",
        "Devices by key",
        (answers_places.DevicePage,),
        query=places.DevicesQuestion,
    ),
    Route(
        "GET",
        f"{API}/devices/{{site}}/{{device:.+}}",
        places.one_device,
        "places",
        "One device and what it said last",
        (answers_places.DeviceAnswer,),
        statuses=(404,),
    ),
    Route("GET", f"{API}/zones", places.list_zones, "places", "Detection zones", (answers_places.ZoneList,)),
    Route(
        "GET",
        f"{API}/zones/{{site}}/{{zone}}/report-link",
        reporting.report_link,
        "places",
        "The link by which anybody reports from a zone, and its QR code",
        (answers_places.ReportLink,),
        statuses=(404,),
    ),
    Route(
        "GET",
        f"{API}/photos/{{photo}}",
        reporting.photo,
        "incidents",
        "A reporter's photo",
        statuses=(404,),
        media=("image/jpeg", "image/png"),
    ),
    Route(
        "GET",
        f"{API}/contacts/{{report}}",
        reporting.contact,
        "incidents",
        "How a reporter can be reached",
        (reporting.ContactAnswer,),
        statuses=(404,),
    ),
    Route(
        "GET",
        f"{API}/stations",
        duty.list_stations,
        "duty",
        "Micro fire stations, and who is on duty there now",
        (answers_duty.StationList,),
    ),
    Route(
        "POST",
        f"{API}/stations/{{station}}/swaps",
        duty.swap,
        "duty",
        "Somebody stands in for somebody else",
        (answers_duty.StationAnswer,),
        body=duty.SwapBody,
        statuses=(403, 404, 409, 413, 415, 422, 503, 504),
    ),
    Route(
        "GET",
        f"{API}/suppressions",
        measures.list_suppressions,
        "measures",
        "What is shelved, in test, under a works permit or impaired, newest first",
        (answers_measures.SuppressionList,),
        query=measures.SuppressionsQuestion,
    ),
    Route(
        "POST",
        f"{API}/suppressions",
        measures.suppress,
        "measures",
        "Shelve an alarm, put a device in test, permit works, accept an impairment",
        (answers_measures.SuppressionAnswer,),
        body=measures.SuppressBody,
        statuses=(403, 409, 413, 415, 422, 503, 504),
    ),
    Route(
        "POST",
        f"{API}/suppressions/{{suppression}}/restore",
        measures.restore,
        "measures",
        "End a measure before its time",
        (answers_measures.SuppressionAnswer,),
        body=measures.RestoreBody,
        statuses=(403, 404, 409, 413, 415, 422, 503, 504),
    ),
    Route("GET", f"{API}/rules", places.list_rules, "places", "The rule book in force", (answers_places.RuleList,)),
    Route(
        "POST",
        f"{API}/rules/reload",
        rules.reload,
        "places",
        "Read the rule books again, and say what has changed",
        (answers_rules.BookChangeAnswer,),
        statuses=(403, 422),
    ),
    Route(
        "GET",
        f"{API}/rules/{{rule:.+}}/explain",
        rules.explain,
        "places",
        "Why a rule is or is not firing at a device or zone",
        (answers_rules.ExplanationAnswer,),
        query=rules.ExplainQuestion,
        statuses=(404,),
    ),
    Route(
        "GET",
        f"{API}/quantities",
        places.list_quantities,
        "places",
        "Everything that can be measured, with unit and words",
        (answers_places.QuantityList,),
    ),
    Route(
        "GET",
        f"{API}/coverage",
        coverage.coverage,
        "places",
        "Zones with and without working detection: why, since when, and who answers for it",
        (answers_coverage.Coverage,),
        query=coverage.CoverageQuestion,
    ),
    Route(
        "GET",
        f"{API}/readings",
        readings.readings,
        "readings",
        "One quantity of one device, raw or downsampled, as JSON or CSV",
        (answers_account.Readings, answers_account.BucketedReadings),
        query=readings.ReadingsQuestion,
        statuses=(404, 501, 502),
        media=("application/json", "text/csv"),
        headers=("Accept",),
    ),
    Route(
        "GET",
        f"{API}/reports/sla",
        reports.service_levels,
        "reports",
        "Service levels of a month: what was promised and kept, and where the time went",
        (answers_reports.SlaAnswer,),
        query=reports.SlaQuestion,
        statuses=(404,),
        media=reports.MEDIA,
        headers=("Accept",),
    ),
    Route(
        "GET",
        f"{API}/reports/nuisance",
        reports.nuisances,
        "reports",
        "What the alarms of a month turned out to be, by device, rule, zone and hour",
        (answers_reports.NuisanceAnswer,),
        query=reports.NuisanceQuestion,
        statuses=(404,),
        media=reports.MEDIA,
        headers=("Accept",),
    ),
    Route(
        "GET",
        f"{API}/quarantine",
        account.quarantine,
        "account",
        "Messages set aside, newest first",
        (answers_account.QuarantineList,),
        query=account.NewestQuestion,
    ),
    Route(
        "GET",
        f"{API}/unregistered",
        account.unregistered,
        "account",
        "Devices that speak and are in no site file",
        (answers_account.UnregisteredList,),
        query=account.NewestQuestion,
    ),
    Route(
        "GET",
        f"{API}/account",
        account.account,
        "account",
        "What became of every message",
        (answers_account.Account,),
    ),
    Route(
        "GET",
        f"{API}/troubles",
        account.troubles,
        "account",
        "What is wrong with the daemon",
        (answers_account.TroubleList,),
    ),
    Route(
        "POST",
        f"{API}/session",
        session.log_in,
        "session",
        "A browser shows the token and gets a cookie",
        (session.SessionAnswer,),
        body=session.LoginBody,
        statuses=(400, 401, 403, 413, 415, 422),
        open=True,
    ),
    Route(
        "GET",
        f"{API}/session",
        session.who,
        "session",
        "Until when this browser is logged in",
        (session.SessionAnswer,),
        statuses=(401,),
        open=True,
    ),
    Route(
        "DELETE",
        f"{API}/session",
        session.log_out,
        "session",
        "The browser gives its cookie back",
        (answers_account.Status,),
        statuses=(403,),
        open=True,
    ),
    Route("GET", "/healthz", probes.healthz, "probes", "The process answers", (answers_account.Status,), open=True),
    Route(
        "GET",
        "/readyz",
        probes.readyz,
        "probes",
        "The daemon can do its duty",
        (answers_account.Status,),
        statuses=(503,),
        open=True,
    ),
    Route("GET", "/metrics", probes.metrics, "probes", "Prometheus' text format", media=("text/plain",)),
)
