"""`wanglou doctor`: looks at everything the daemon will need, changes nothing, pages nobody, and says what to do.

Knows no adapter: brokers, histories and channels are examined through the `check` that each brings along.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import ipaddress
import os
import shutil
import socket
import sqlite3
import ssl
import stat
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

from monitor.clock import Clock
from monitor.findings import Finding, Level, exit_code, report
from monitor.ports import Channel, History, PortError
from monitor.reach_findings import reach_findings
from monitor.settings import Settings
from monitor.settings.survey import suggest
from monitor.tls import client_context
from rules.commands import Mode
from rules.document import Mistakes
from rules.model import Micros, Text
from rules.rulebook import RuleBook, load_book
from rules.schedules import DayKind, day_of

__all__ = ["Finding", "Level", "examine", "exit_code", "report"]

PATIENCE = 15.0
"""Seconds for one connection."""
SLOW_COMMIT_SECONDS = 0.05
YEAR_DAYS = 365
EXPIRES_SOON_SECONDS = 21 * 86_400
FIRST_SENSIBLE_MOMENT = 1_767_225_600_000_000
"""2026-01-01T00:00Z, in microseconds: this program did not exist before."""
FULL_DISK_BYTES = 1_000_000_000
_TIME_ERROR = 5
_OLDEST_SQLITE = (3, 35, 0)


async def examine(
    settings: Settings,
    *,
    channels: Mapping[str, Channel],
    histories: Mapping[str, History],
    broker_check: Callable[[], Awaitable[str]],
    synchronized: Callable[[], bool | None] | None = None,
    clock: Clock | None = None,
) -> list[Finding]:
    """Everything, in the order in which it is mended best; takes at most about twice PATIENCE.

    `broker_check` logs in as the daemon would, without taking its session over, and returns one line; it raises PortError.
    `synchronized` tells whether the machine's time is disciplined (None: it cannot be known).
    """
    clock = clock or Clock()
    clock.now()
    out = [*_files(settings), *_books(settings, clock.now()), *_kept(settings)]
    out += await asyncio.to_thread(lambda: list(_data(settings)))
    out += await _broker(settings, broker_check)
    answers = await asyncio.gather(
        *(_asked(Text("历史库", "history"), name, history.check()) for name, history in histories.items()),
        *(_asked(Text("推送渠道", "channel"), name, channel.check()) for name, channel in channels.items()),
    )
    out += answers
    if not histories:
        out.append(Finding(Level.WARN, Text("历史库", "history"), "readings are kept on the tape only", "add history:"))
    # A channel that nobody built is as silent as one that failed.
    usable = {n for n, f in zip(channels, answers[len(histories) :], strict=True) if f.level is Level.OK}
    ground = settings.ground
    out += reach_findings(ground.zones, ground.stations, settings.plan, usable.__contains__)
    out += _api(settings)
    out += _time(clock, synchronized or kernel_synchronized)
    return out


def kernel_synchronized() -> bool | None:
    """Does the kernel say that some daemon keeps its clock right? None where it may not be asked (some containers)."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return None
    # Larger than any struct timex; all zeros asks and sets nothing.
    state: int = adjtimex(ctypes.create_string_buffer(512))
    return None if state < 0 else state != _TIME_ERROR


# --- the machine ------------------------------------------------------------------------------------------------------


def _files(settings: Settings) -> Iterator[Finding]:
    what = Text("配置文件", "settings")
    mode = settings.file.stat().st_mode
    plain = settings.plain_secrets
    if mode & stat.S_IWOTH:
        yield Finding(Level.BAD, what, f"anybody may write {settings.file.name}", f"chmod o-w {settings.file.name}")
    elif plain and mode & stat.S_IROTH:
        yield Finding(
            Level.WARN,
            what,
            f"anybody may read {settings.file.name}, and secrets stand in it: {', '.join(plain)}",
            "write {env: NAME} or {file: path} instead, or chmod o-r",
        )
    else:
        yield Finding(Level.OK, what, f"{settings.file.name} is read, its permissions are right")
    for file in settings.secret_files:
        if file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            detail = f"{file.name} holds a secret and is open to anybody"
            yield Finding(Level.WARN, Text("密钥文件", "secret file"), detail, f"chmod 600 {file.name}")


def _books(settings: Settings, now: Micros) -> Iterator[Finding]:
    what = Text("规则", "rule books")
    try:
        book = load_book(settings.book_texts())
    except Mistakes as error:
        first = [str(m) for m in error.mistakes[:5]]
        detail = f"{len(error.mistakes)} mistakes\n" + "\n".join(first)
        yield Finding(Level.BAD, what, detail, "wanglou rules check shows all of them")
        return
    yield Finding(Level.OK, what, f"{len(book.rules)} rules from {len(book.texts)} books")
    yield from _unwatched(settings, book)
    yield from _linked(settings, book)
    yield from _calendar(book, now)


def _calendar(book: RuleBook, now: Micros) -> Iterator[Finding]:
    """The notice of a year's holidays comes out in November; an older program does not know them, and a rule book may."""
    asking = [r.id for r in book.rules if any(isinstance(m, DayKind) for _, needed in r.memories for m in needed)]
    if asking and (missing := book.calendar.unknown_years(day_of(now))):
        years = ", ".join(map(str, missing))
        detail = f"the public holidays of {years} are not known: for {', '.join(asking)} weekends alone decide then"
        remedy = f"write `calendar: {{{missing[0]}: {{off: […], on: […]}}}}` into a rule book (docs/rules.md), or update Wanglou"
        yield Finding(Level.WARN, Text("节假日", "holidays"), detail, remedy)


def _linked(settings: Settings, book: RuleBook) -> Iterator[Finding]:
    """What rules may do to devices: nobody should learn of it from a device."""
    linkage, linking = settings.linkage, [rule for rule in book.rules if rule.linkage]
    allowed = {entry.command for entry in linkage.allow}
    what = Text("联动", "linkage")
    detail = f"{linkage.mode}: {len(linking)} rules command devices, the site allows {', '.join(sorted(allowed)) or 'nothing'}"
    if linkage.mode is Mode.ARMED and not allowed:
        yield Finding(Level.WARN, what, detail, "armed, and nothing is allowed: write linkage: allow, or mode: dry-run")
    else:
        yield Finding(Level.OK, what, detail)


def _unwatched(settings: Settings, book: RuleBook) -> Iterator[Finding]:
    ground = settings.ground
    kinds = Counter(device.kind for device in ground.devices.values())
    kinds.update({pattern.kind: 0 for pattern in ground.patterns})
    commanded = {
        order.kind for rule in book.rules for order in rule.linkage
    }  # such as sirens, which say little themselves
    for kind in sorted(set(kinds) - book.device_kinds - commanded):
        detail = f"no rule watches devices of the kind {kind} ({kinds[kind]} listed)"
        yield Finding(Level.WARN, Text("无规则设备", "unwatched"), detail, suggest(kind, sorted(book.device_kinds)))


def _kept(settings: Settings) -> Iterator[Finding]:
    days = settings.data.retention.tape_days
    if days < YEAR_DAYS:
        detail = f"the tape is kept for {days} days; GB/T 45839-2025 5.9.5 asks for a year where nothing is passed on"
        yield Finding(Level.WARN, Text("留存期限", "retention"), detail, "set data: retention: tape_days: 400")


def _data(settings: Settings) -> Iterator[Finding]:
    what = Text("数据目录", "data folder")
    folder = settings.data.folder
    there = folder
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Finding(Level.BAD, what, f"{there} cannot be written to", "give it to the user that the daemon runs as")
        return
    free = shutil.disk_usage(there).free
    bound = settings.data.retention.tape_max_bytes
    used = sum(f.stat().st_size for f in folder.iterdir() if f.is_file()) if folder.exists() else 0
    detail = f"{folder}: {free / 1e9:.1f} GB free, {used / 1e9:.1f} GB used, the tape may take {bound / 1e9:.1f} GB"
    if free < FULL_DISK_BYTES:
        yield Finding(Level.BAD, what, detail, "free space: a full disk stops the daemon")
    elif free + used < bound:
        yield Finding(Level.WARN, what, detail, "free space, or lower data: retention: tape_max_bytes")
    else:
        yield Finding(Level.OK, what, detail)
    yield _commits(there)


def _commits(folder: Path) -> Finding:
    what = Text("落盘", "durable writes")
    version = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        needed = ".".join(map(str, _OLDEST_SQLITE))
        return Finding(Level.BAD, what, f"{version} is too old", f"install {needed} or newer")
    try:
        with tempfile.TemporaryDirectory(prefix="doctor-", dir=folder) as temporary:
            seconds = _timed_commits(Path(temporary) / "trial.sqlite3")
    except (sqlite3.Error, OSError) as error:
        return Finding(
            Level.BAD, what, f"{version} cannot write here: {error}", "use a local disk, not a network share"
        )
    median, worst = statistics.median(seconds) * 1e3, max(seconds) * 1e3
    detail = f"{version}: a synced commit takes {median:.1f} ms, at worst {worst:.1f} ms"
    if median > SLOW_COMMIT_SECONDS * 1e3:
        return Finding(Level.WARN, what, detail, "every alarm waits for one: use a faster disk")
    return Finding(Level.OK, what, detail)


def _timed_commits(path: Path) -> list[float]:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise sqlite3.OperationalError("no write-ahead log on this file system")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE trial (payload BLOB)")
        seconds = []
        for _ in range(20):
            begin = time.perf_counter()
            db.execute("INSERT INTO trial VALUES (?)", (b"x" * 4096,))
            seconds.append(time.perf_counter() - begin)
        return seconds
    finally:
        db.close()


def _time(clock: Clock, synchronized: Callable[[], bool | None]) -> Iterator[Finding]:
    what = Text("时钟", "clock")
    now = clock.now()
    if now < FIRST_SENSIBLE_MOMENT:
        yield Finding(
            Level.BAD, what, "the machine believes it is before 2026", "set the time: timedatectl set-ntp true"
        )
    elif clock.steps:
        detail = f"wall time jumped by {clock.steps[-1]:+.1f} s while this ran"
        yield Finding(Level.WARN, what, detail, "let one time service alone set the clock, by slewing")
    elif (disciplined := synchronized()) is None:
        detail = "the kernel does not tell whether its time is disciplined"
        yield Finding(Level.WARN, what, detail, "make sure that the host runs NTP")
    elif not disciplined:
        detail = "nobody keeps the machine's time right; readings may count as late or from the future"
        yield Finding(Level.WARN, what, detail, "timedatectl set-ntp true, or run chrony")
    else:
        yield Finding(Level.OK, what, "the machine's time is disciplined")


# --- connections ------------------------------------------------------------------------------------------------------


async def _broker(settings: Settings, login: Callable[[], Awaitable[str]]) -> list[Finding]:
    what = Text("消息服务器", "broker")
    mqtt = settings.mqtt
    where = f"{mqtt.host}:{mqtt.port}"
    out = []
    try:
        async with asyncio.timeout(PATIENCE):
            expiry = await _connect(settings)
    except TimeoutError:
        return [Finding(Level.BAD, what, f"{where} does not answer", "check host, port and firewall")]
    except ssl.SSLError as error:
        reason = error.reason or type(error).__name__
        return [Finding(Level.BAD, what, f"{where} does not agree on TLS: {reason}", "check mqtt: tls: and the port")]
    except OSError as error:
        reason = error.strerror or str(error)
        return [Finding(Level.BAD, what, f"{where} cannot be reached: {reason}", "check mqtt: host and port, start it")]
    if expiry is not None and expiry < EXPIRES_SOON_SECONDS:
        out.append(Finding(Level.WARN, what, f"its certificate ends in {expiry / 86_400:.0f} days", "renew it"))
    if mqtt.tls is not None and mqtt.tls.insecure:
        out.append(Finding(Level.WARN, what, "any certificate is believed", "name the authority: mqtt: tls: ca"))
    if mqtt.tls is None and not _loopback(mqtt.host):
        out.append(Finding(Level.WARN, what, "password and readings travel in the clear", "add mqtt: tls:"))
    return [await _asked(what, where, login()), *out]


async def _connect(settings: Settings) -> float | None:
    """Connect and hang up; the seconds until the broker's certificate ends, if it showed one that was verified."""
    mqtt = settings.mqtt
    context = client_context(mqtt.tls) if mqtt.tls is not None else None
    _, writer = await asyncio.open_connection(mqtt.host, mqtt.port, ssl=context)
    certificate = writer.get_extra_info("peercert")
    writer.close()
    # The broker may cut a connection without a word of MQTT; it was there, which is all that was asked.
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time() if certificate else None


async def _asked(what: Text, name: str, check: Awaitable[str]) -> Finding:
    try:
        async with asyncio.timeout(PATIENCE):
            return Finding(Level.OK, what, f"{name}: {await check}")
    except PortError as error:
        return Finding(Level.BAD, what, f"{name}: {error}", "mend it in the site file or at the other end")
    except TimeoutError:
        return Finding(Level.BAD, what, f"{name}: no answer in {PATIENCE:.0f} s", "check address and firewall")


def _api(settings: Settings) -> Iterator[Finding]:
    what = Text("接口", "API")
    host, port = settings.api.host, settings.api.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            detail = f"{host}:{port} is in use: by the daemon itself, if it runs"
            yield Finding(Level.WARN, what, detail, "if it does not run, set another api: port")
        else:
            yield Finding(Level.BAD, what, f"{host}:{port}: {error.strerror}", "set api: host to an address of ours")
        return
    if _loopback(host):
        yield Finding(Level.OK, what, f"{host}:{port} is free")
    else:
        detail = f"{host}:{port} is open to the network without TLS"
        yield Finding(Level.WARN, what, detail, "put a reverse proxy with TLS before it and bind to 127.0.0.1")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
