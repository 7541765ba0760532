"""`wanglou evidence …`: an incident sealed into one file, a file checked without any ledger, the key, and all chains of a ledger.

Reads arguments, reads and writes files, prints; what evidence is and whether it is sound, others say.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from monitor import wiring
from monitor.cli.reports import present
from monitor.cli.terminal import Config, err, fail, out, read_site, say
from monitor.evidence import document, photos_of, seal
from monitor.evidence_check import broken_link, check, contradiction
from monitor.evidence_file import LARGEST, NoEvidence, Package, named_rightly, read, write
from monitor.evidence_key import BadKey, fingerprint, sealing_key
from monitor.ports import TimelineRow
from monitor.wiring import LedgerError

evidence_app = typer.Typer(no_args_is_help=True, help="证据 Sealed evidence.")


@evidence_app.command("export")
def export(
    incident: Annotated[str, typer.Argument(help="The incident's id, inc-000001.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; it must not exist.")],
    config: Config = Path("site.yaml"),
) -> None:
    """Seal all that is kept of an incident into one file, while the daemon runs."""
    folder = read_site(config)[0].data.folder
    if output.exists():
        fail(f"{output} exists already; evidence is never overwritten", 2)
    try:
        found = wiring.dossier(folder, incident)
        if found is None:
            fail(f"there is no incident {incident}", 2)
        key = sealing_key(folder)
        photos = _photos(folder, found.timeline)
        sizes = {name: len(photos[name]) if name in photos else None for name in photos_of(found.timeline)}
        content = document(found, sizes, made_at=present(), program=f"wanglou {_version()}")
        package = Package(seal(content, key.public, key.sign), photos)
        with output.open("xb") as file:
            file.write(write(package))
    except (LedgerError, BadKey, OSError, ValueError) as error:
        fail(error)
    unsound = [looked.words for looked in check(package, exact=True, key=None) if not looked.sound]
    for words in unsound:
        err.print(f"✗ {words}", style="red", soft_wrap=True, markup=False, highlight=False)
    say(
        f"{output}: {len(content['timeline'])} entries, {len(found.messages)} messages, key {key.public} ({fingerprint(key.public)})"
    )
    if unsound:
        fail("已封存，但账本中的内容已不一致。It is sealed as it is, but what the ledger keeps is not sound.")


@evidence_app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="What `evidence export` has written.")],
    key: Annotated[
        str | None, typer.Option(help="The public key that must have sealed it: `wanglou evidence key`.")
    ] = None,
) -> None:
    """Check a file, without ledger and without network. Exit code 0: sound; 1: not; 2: it is no evidence."""
    try:
        if file.stat().st_size > LARGEST:
            fail(f"{file} is larger than {LARGEST:,} bytes: it is no evidence", 2)
        package, exact = read(file.read_bytes())
    except (OSError, NoEvidence) as error:
        fail(f"{file}: {error}", 2)
    looks = check(package, exact, key)
    for looked in looks:
        say(f"{'✓' if looked.sound else '✗'} {looked.words}", "" if looked.sound else "red")
    if key is None:
        say(
            "！未核对密钥 The key was not compared with a known one: say --key, or compare it by other means.", "yellow"
        )
    raise typer.Exit(0 if all(looked.sound for looked in looks) else 1)


@evidence_app.command("key")
def public_key(config: Config = Path("site.yaml")) -> None:
    """Print the public key that seals this ledger's evidence, so that it can be kept elsewhere; made if there is none."""
    folder = read_site(config)[0].data.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        key = sealing_key(folder)
    except (BadKey, OSError) as error:
        fail(error)
    say(key.public)
    err.print(fingerprint(key.public), highlight=False)


@evidence_app.command("audit")
def audit(config: Config = Path("site.yaml")) -> None:
    """Follow the chain of every incident in the ledger and name each that was edited. Exit code 1 if there is any."""
    folder = read_site(config)[0].data.folder
    count = broken = 0
    try:
        for identity, record, rows in wiring.chains(folder):
            entries = [row._asdict() for row in rows]
            count += 1
            if words := broken_link(identity, record["id"], entries) or contradiction(record, entries):
                broken += 1
                say(f"✗ {record['id']}: {words}", "red")
    except (LedgerError, OSError) as error:
        fail(error)
    out.print(f"{count} 起警情 incidents, {broken} 起不符 broken", highlight=False)
    raise typer.Exit(1 if broken else 0)


def _photos(folder: Path, timeline: Iterable[TimelineRow]) -> dict[str, bytes]:
    """Those that are there and are what their names say. Raises OSError."""
    found = {}
    for name in photos_of(timeline):
        path = folder / "photos" / name
        if path.exists() and named_rightly(name, data := path.read_bytes()):
            found[name] = data
    return found


def _version() -> str:
    try:
        return version("wanglou")
    except PackageNotFoundError:
        # Run from a checkout that was never installed.
        return "0"
