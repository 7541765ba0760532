"""What the daemon's own sections of the site file may say: broker, data, history, API, quality, deadlines.

Knows nothing of sites, zones and channels, opens no file and no connection.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from monitor.settings.fields import (
    Duration,
    Id,
    Located,
    Port,
    PresentFile,
    Secret,
    Section,
    Size,
    Switch,
    TopicFilter,
    WebAddress,
    Whole,
    lasting,
)
from rules.model import HOUR, MINUTE, SECOND, Kind, SlaProfile
from rules.people import GOALS, Target


class Tls(Section):
    """How the broker proves who it is, and we who we are. `{}` trusts the system's authorities."""

    ca: PresentFile | None = None
    certificate: PresentFile | None = None
    key: PresentFile | None = None
    insecure: Switch = False
    """Believe any certificate: for a first try only, the doctor complains."""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key come together; write both or neither")
        return self


def _version(value: Any) -> Any:
    return "5" if value == 5 and not isinstance(value, bool) else value


class Broker(Section):
    """An MQTT broker and who we are to it."""

    host: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    tls: Tls | None = None
    port: Port = Field(default_factory=lambda data: 8883 if data.get("tls") is not None else 1883)
    protocol: Annotated[Literal["3.1.1", "5"], BeforeValidator(_version)] = "3.1.1"
    client_id: str | None = Field(default=None, min_length=1, max_length=128)
    username: str | None = None
    password: Secret | None = None
    keepalive: Annotated[Duration, lasting("5s", "18h")] = 60 * SECOND

    @model_validator(mode="after")
    def _no_password_alone(self) -> Self:
        if self.password is not None and self.username is None:
            raise ValueError("a password without a username; MQTT 3.1.1 forbids it, write the username too")
        return self


class Mqtt(Broker):
    """Where readings come from, and the bounds on how many may wait."""

    client_id: str = Field(default="wanglou", min_length=1, max_length=128)
    """Must stay the same: the broker keeps the queue under this name."""
    topics: Annotated[tuple[TopicFilter, ...], Field(min_length=1)] = (
        "wl/+/+/up",
        "wl/+/+/status",
        "wl/+/incidents/+/move",
    )
    session_expiry: Annotated[Duration, lasting("1m", "365d")] = 7 * 24 * HOUR
    """MQTT 5 only: how long the broker queues for us while we are away."""
    inbox_limit: Whole = Field(default=5000, ge=10, le=1_000_000)
    batch_limit: Whole = Field(default=1000, ge=1, le=100_000)
    max_payload_bytes: Whole = Field(default=65_536, ge=64, le=16_777_216)

    @model_validator(mode="after")
    def _batch_fits(self) -> Self:
        if self.batch_limit > self.inbox_limit:
            raise ValueError("batch_limit is larger than inbox_limit; a batch is taken from the inbox")
        return self


class Retention(Section):
    """How much of the tape is kept: whichever bound bites first."""

    tape_days: Whole = Field(default=400, ge=1, le=36_500)
    """GB/T 45839-2025 5.9.5: a year on site, 30 days where everything is passed on."""
    tape_max_bytes: Size = Field(default=20_000_000_000, ge=10_000_000)


class Data(Section):
    """Where the ledger and the embedded history live."""

    folder: Located = Field(default=Path("data"), validate_default=True)
    retention: Retention = Retention()


class EmbeddedHistory(Section):
    """Long memory in a file of the data folder."""

    kind: Literal["embedded"]
    name: Id = "embedded"
    raw_days: Whole = Field(default=7, ge=1, le=36_500)
    minute_days: Whole = Field(default=90, ge=1, le=36_500)
    hour_days: Whole = Field(default=1826, ge=1, le=36_500)

    @model_validator(mode="after")
    def _coarser_is_kept_longer(self) -> Self:
        if not self.raw_days <= self.minute_days <= self.hour_days:
            raise ValueError("coarser values are kept at least as long; write raw_days <= minute_days <= hour_days")
        return self


class InfluxHistory(Section):
    """Long memory in InfluxDB or a server that speaks its write protocol."""

    kind: Literal["influxdb"]
    name: Id = "influxdb"
    url: WebAddress
    api: Literal["v1", "v2"] = "v2"
    dialect: Literal["influxql", "prometheus"] = "influxql"
    database: str | None = Field(default=None, min_length=1)
    bucket: str | None = Field(default=None, min_length=1)
    org: str | None = Field(default=None, min_length=1)
    token: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    ca: PresentFile | None = None
    timeout: Annotated[Duration, lasting("100ms", "5m")] = 10 * SECOND

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.database is None) == (self.bucket is None):
            raise ValueError("needs one place to write to; write either database (InfluxDB 1.x, 3.x) or bucket (2.x)")
        if self.token is not None and self.password is not None:
            raise ValueError("has two ways to log in; write either a token or username and password")
        return self

    @property
    def database_or_bucket(self) -> str:
        """The one that was written."""
        return self.database or self.bucket or ""


HistorySettings: TypeAlias = Annotated[EmbeddedHistory | InfluxHistory, Field(discriminator="kind")]


class Api(Section):
    """The web interface. Bound to loopback unless told otherwise; every request needs the token."""

    host: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    port: Port = 8119
    token: Annotated[SecretStr, Field(min_length=16)]
    public_url: WebAddress | None = None
    """Under which phones reach us: the links in calls begin with it. None: calls have no links."""
    report_epoch: Whole = Field(default=1, ge=1, le=1_000_000)
    """Counted up, it ends all report links that were printed before."""


class Quality(Section):
    """When a reading is too old, or from the future, to page anybody."""

    late_after: Annotated[Duration, lasting("1s", "24h")] = 2 * MINUTE
    future_tolerance: Annotated[Duration, lasting("0s", "1h")] = 30 * SECOND


_PRESET = re.compile(r"(\d{1,4})-(\d{1,4})-(\d{1,4})")
USUAL = "1-5-20"
"""Sent in 1 minute, there in 5, over in 20. `1-3-5` is the micro fire station's own rule (公消〔2015〕301号 and the practice of
joint action): set out in 1 minute, there in 3, all joined in by 5. Any other three numbers of minutes mean what they say."""
_PERCENT = re.compile(r"(\d{1,2}) ?%")


class Deadlines(Section):
    """Counted from the raising of an incident, and who is called when one is missed."""

    dispatch: Annotated[Duration, lasting("1s", "7d")] = 1 * MINUTE
    on_scene: Annotated[Duration, lasting("1s", "7d")] = 5 * MINUTE
    resolve: Annotated[Duration, lasting("1s", "7d")] = 20 * MINUTE
    missed: dict[Literal["dispatch", "on_scene", "resolve"], tuple[Target, ...]] = Field(default_factory=dict)
    """Deadline → whom it calls when it is missed, instead of whom it usually calls."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.dispatch <= self.on_scene <= self.resolve:
            raise ValueError("the deadlines do not follow each other; write dispatch <= on_scene <= resolve")
        return self


def _preset(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = _PRESET.fullmatch(value)
    if match is None:
        raise ValueError(
            "not a preset; write 1-5-20, 1-3-5, three minutes of your own, or dispatch, on_scene and resolve"
        )
    return {goal: f"{minutes}m" for goal, minutes in zip(GOALS, match.groups(), strict=True)}


def _percent(value: Any) -> float:
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[1].strip("0") == "":
        raise ValueError("not a part of a deadline; write 1% to 99%, for example 75%")
    return int(match[1]) / 100


def _for_all_kinds(value: Any) -> Any:
    # A kind that is not written keeps the usual deadlines: none is left without by an oversight.
    return dict.fromkeys(("FIRE", "PREALARM", "SUPERVISORY"), value) if isinstance(value, str) else value


Promise: TypeAlias = Annotated[Deadlines, BeforeValidator(_preset)]
"""A preset, or deadlines of one's own."""


class Sla(Section):
    """What is promised for each kind of incident, and when a deadline is near. A fault is promised nothing unless it is written."""

    FIRE: Annotated[Promise, Field(default=USUAL, validate_default=True)]
    PREALARM: Annotated[Promise, Field(default=USUAL, validate_default=True)]
    SUPERVISORY: Annotated[Promise, Field(default=USUAL, validate_default=True)]
    FAULT: Promise | None = None
    warn: Annotated[float, BeforeValidator(_percent)] = 0.75
    """The part of a deadline's time after which it is warned of."""

    @property
    def _promises(self) -> dict[Kind, Deadlines]:
        found = {kind: getattr(self, kind.value) for kind in Kind}
        return {kind: deadlines for kind, deadlines in found.items() if deadlines is not None}

    @property
    def profiles(self) -> dict[Kind, SlaProfile]:
        """The deadlines of each kind that has any."""
        return {kind: SlaProfile(d.dispatch, d.on_scene, d.resolve) for kind, d in self._promises.items()}

    @property
    def missed(self) -> dict[Kind, dict[str, tuple[Target, ...]]]:
        """Kind → deadline → whom it calls when it is missed, as far as it is written."""
        return {
            kind: {str(goal): who for goal, who in d.missed.items()} for kind, d in self._promises.items() if d.missed
        }


SlaWords: TypeAlias = Annotated[Sla, BeforeValidator(_for_all_kinds)]
"""A preset for everything that needs a response, or what is promised for each kind."""
