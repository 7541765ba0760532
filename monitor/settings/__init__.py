"""The site file, read and checked: every setting of the daemon, and the neighbourhood it watches.

Knows no adapter and opens no connection. All mistakes of a file are reported at once; a file with one is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PrivateAttr, SecretStr
from pydantic.fields import FieldInfo

from monitor.directory import Contacts
from monitor.settings.books import SHIPPED, one_or_many, read_books
from monitor.settings.channels import ChannelSettings, MqttChannel, one_key_for_browsers
from monitor.settings.fields import FOLDER, Section, Switch, is_duration, write_duration, written
from monitor.settings.linkage import LinkageSettings, unfit
from monitor.settings.muster import Muster, callers, posts, said
from monitor.settings.people import FloodEntry, Ladders, PersonEntry
from monitor.settings.places import SiteEntry, StationEntry
from monitor.settings.remedies import explain, readable_people, readable_sites, readable_stations
from monitor.settings.secret_references import SecretReferences
from monitor.settings.sections import (
    USUAL,
    Api,
    Broker,
    Data,
    EmbeddedHistory,
    HistorySettings,
    Mqtt,
    Quality,
    SlaWords,
)
from monitor.settings.survey import Ground, Survey
from monitor.settings.ways import unaddressed, unreachable
from rules.document import Document, Mistake, Mistakes, dotted
from rules.document import Path as Address
from rules.model import Neighbourhood
from rules.people import Plan

LARGEST_BYTES = 64_000_000
PLACES = frozenset({"sites", "stations"})
"""Sections that hold no secrets."""


def _histories(value: Any) -> Any:
    if value == "none":
        return ()
    return [value] if isinstance(value, dict) else value


class Settings(Section):
    """Everything that `site.yaml` says. Made by `load`."""

    mqtt: Mqtt = Field(default_factory=Mqtt)
    data: Data = Field(default_factory=Data)
    history: Annotated[tuple[HistorySettings, ...], BeforeValidator(_histories)] = (EmbeddedHistory(kind="embedded"),)
    """`none`, one, or a list of them; the first also answers questions."""
    api: Api
    books: Annotated[tuple[str, ...], BeforeValidator(one_or_many), Field(min_length=1)] = (f"{SHIPPED}all",)
    """`shipped:all`, `shipped:<name>`, files, and folders of YAML files."""
    books_watch: Switch = True
    """Read the books again by itself when their files change."""
    quality: Quality = Field(default_factory=Quality)
    sla: Annotated[SlaWords, Field(default=USUAL, validate_default=True)]
    ladders: Ladders = Field(default_factory=dict)
    flood: FloodEntry = FloodEntry()
    channels: Annotated[
        dict[
            Annotated[str, written(r"[a-z0-9][a-z0-9_-]{0,63}", "use small letters, digits, _ and -")], ChannelSettings
        ],
        Field(min_length=1),
        AfterValidator(one_key_for_browsers),
    ]
    people: tuple[PersonEntry, ...] = ()
    sites: Annotated[tuple[SiteEntry, ...], Field(min_length=1)]
    stations: Annotated[tuple[StationEntry, ...], Field(min_length=1)]
    linkage: LinkageSettings = LinkageSettings()

    _file: Path = PrivateAttr(default=Path("site.yaml"))
    _ground: Ground = PrivateAttr(default_factory=Ground)
    _plan: Plan = PrivateAttr(default_factory=Plan)
    _marks: tuple[tuple[int, int], ...] = PrivateAttr(default=())
    """Line and column of each of `books`."""
    _origins: Mapping[Address, str] = PrivateAttr(default_factory=dict)
    _secret_files: tuple[Path, ...] = PrivateAttr(default=())

    @property
    def file(self) -> Path:
        """Where the settings were read from."""
        return self._file

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """The files that hold secrets by reference."""
        return self._secret_files

    @property
    def plain_secrets(self) -> tuple[str, ...]:
        """The fields whose secret stands in the site file itself."""
        return tuple(
            dotted(address)
            for address, value, _ in _leaves(self)
            if isinstance(value, SecretStr) and self.origin_of(address) is None
        )

    def origin_of(self, address: Address) -> str | None:
        """Where the value at an address came from; None when it stands in the site file itself."""
        # One history may be written without a list around it.
        return self._origins.get(address) or self._origins.get((*address[:1], *address[2:]))

    @property
    def ground(self) -> Ground:
        """Sites, buildings, zones, devices and stations, expanded."""
        return self._ground

    @property
    def plan(self) -> Plan:
        """Who is called, and by which ladder."""
        return self._plan

    @property
    def contacts(self) -> Contacts:
        """How everybody is reached, by their id."""
        return {person.id: person.contact for person in self.people}

    def neighbourhood(self) -> Neighbourhood:
        """A new neighbourhood of what the file says; O(listed devices)."""
        g = self._ground
        return Neighbourhood(
            zones=g.zones,
            stations=tuple(g.stations),
            devices=g.devices,
            patterns=tuple(g.patterns),
            sla=self.sla.profiles,
            plan=said(self._plan),
            permits=self.linkage.permits(),
        )

    def broker_of(self, name: str, channel: MqttChannel) -> Broker:
        """The broker an MQTT channel speaks to, under a client id of its own: a broker ends one of two equal ones."""
        broker = channel.broker or self.mqtt
        if channel.broker is not None and channel.broker.client_id is not None:
            return broker
        return broker.model_copy(update={"client_id": f"{self.mqtt.client_id}-{name}"})

    @property
    def book_paths(self) -> tuple[Path, ...]:
        """The files and folders of `books`; what is shipped with the program changes with the program."""
        return tuple(self._file.parent / Path(b).expanduser() for b in self.books if not b.startswith(SHIPPED))

    def book_texts(self) -> list[tuple[str, str]]:
        """(name, text) of each rule book, in order, each once. Raises Mistakes for one that cannot be read."""
        return read_books(self.books, self._file, lambda i: self._marks[i] if self._marks else (1, 1))


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read and check a site file. Raises Mistakes with all of them, each with its place and remedy."""
    document = Document(_text(path), str(path))
    folder = path.absolute().parent
    references = SecretReferences(document, environ, folder)
    references.resolve(without=PLACES)
    found = list(references.mistakes)
    missing = {(m.line, m.column) for m in found}
    token = FOLDER.set(folder)
    settings: Settings | None = None
    try:
        settings = document.validate(Settings)
    except Mistakes as error:
        explained = explain(error.mistakes, Settings, document.data)
        # One value may serve several fields (a preset for all kinds): its mistake is told once.
        once: dict[tuple[int, int, str, str], Mistake] = {}
        for m in explained:
            if (m.line, m.column) not in missing:
                once.setdefault((m.line, m.column, m.message, m.field if "missing" in m.message else ""), m)
        found += once.values()
    finally:
        FOLDER.reset(token)
    survey, plan = _surveyed(document, settings)
    found += survey.mistakes
    if settings is not None:
        found += _unequal_histories(document, settings)
        found += unaddressed(document, settings.channels, settings.people, settings.stations)
        found += unfit(document, settings.linkage, settings.channels, survey.ground.sites)
        # Who is silent for another reason is told of that first.
        found += unreachable(document, settings.stations, survey.ground, plan) if not found else ()
    if found or settings is None:
        raise Mistakes(found)
    settings._file = path.absolute()  # noqa: SLF001 - its own maker
    settings._ground = survey.ground  # noqa: SLF001
    settings._plan = plan  # noqa: SLF001
    settings._marks = tuple(document.at(("books", i)) for i in range(len(settings.books)))  # noqa: SLF001
    settings._origins = references.origins  # noqa: SLF001
    settings._secret_files = tuple(dict.fromkeys(references.files))  # noqa: SLF001
    return settings


def describe(settings: Settings) -> list[tuple[str, str]]:
    """(field, value) of every setting in force, without secrets: of those only where they come from."""
    out = []
    for address, value, info in _leaves(settings):
        if address[0] == "people":
            continue
        if isinstance(value, SecretStr):
            shown = f"a secret, from {settings.origin_of(address) or 'the site file'}"
        else:
            shown = write_duration(value) if is_duration(info) else str(value)
        out.append((dotted(address), shown))
    ground = settings.ground
    out.append(("sites", f"{len(ground.sites)} with {len(ground.zones)} zones"))
    out.append(("devices", f"{len(ground.devices)} listed, {len(ground.patterns)} patterns"))
    out.append(("people", f"{len(settings.people)}, {len(settings.plan.rosters)} stations with a roster"))
    out.append(("stations", ", ".join(station.key for station in ground.stations)))
    return out


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise Mistakes([_unreadable(path, f"cannot be read: {error.strerror}", "check --config")]) from None
    if len(content) > LARGEST_BYTES:
        raise Mistakes([_unreadable(path, f"is larger than {LARGEST_BYTES} bytes", "use ranges and match for devices")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Mistakes([Mistake(str(path), line, 1, "", "is not UTF-8 text", "save the file as UTF-8")]) from None


def _unreadable(path: Path, message: str, remedy: str) -> Mistake:
    return Mistake(str(path), 1, 1, "", message, remedy)


def _surveyed(document: Document, settings: Settings | None) -> tuple[Survey, Plan]:
    survey = Survey(document)
    if settings is not None:
        kinds = {name: channel.kind for name, channel in settings.channels.items()}
        survey.places(settings.sites)
        survey.responders(settings.stations, kinds)
        muster = Muster(survey.meant, survey.tell, kinds)
        muster.call(callers(settings.people), posts(settings.stations))
        return survey, muster.plan(survey.ground.authorities, settings.ladders, settings.sla, settings.flood)
    # The file is refused already; what can be read of it is surveyed so that the operator learns everything at once.
    raw = document.data if isinstance(document.data, dict) else {}
    channels = raw.get("channels")
    sites, all_zones = readable_sites(raw.get("sites"))
    stations, all_stations = readable_stations(raw.get("stations"))
    people, everybody = readable_people(raw.get("people"))
    survey.places(sites, complete=all_zones)
    names = dict.fromkeys(map(str, channels), "") if isinstance(channels, dict) else None
    survey.responders(stations, names, complete=all_zones and all_stations)
    muster = Muster(survey.meant, survey.tell, names, complete=everybody and all_stations)
    muster.call(callers(people), posts(stations))
    return survey, Plan()


def _unequal_histories(document: Document, settings: Settings) -> Iterator[Mistake]:
    names = [history.name for history in settings.history]
    for i, name in enumerate(names):
        if name in names[:i]:
            yield document.mistake(("history", i), f"the history {name} stands twice", "give each a name of its own")


def _leaves(settings: Settings) -> Iterator[tuple[Address, Any, FieldInfo]]:
    """Every value of the daemon's own sections, and everybody's addresses, with address and field; the places may be very many."""
    for name, info in Settings.model_fields.items():
        if name not in PLACES:
            yield from _leaves_of(getattr(settings, name), (name,), info)


def _leaves_of(value: Any, address: Address, info: FieldInfo) -> Iterator[tuple[Address, Any, FieldInfo]]:
    if isinstance(value, BaseModel):
        for name, inner in type(value).model_fields.items():
            yield from _leaves_of(getattr(value, name), (*address, name), inner)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves_of(item, (*address, str(key)), info)
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from _leaves_of(item, (*address, i), info)
    elif value is not None:
        yield address, value, info
