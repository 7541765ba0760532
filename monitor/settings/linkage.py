"""What the site file says of linkage: which devices rules may command, and whether anything is sent at all.

Knows no rule and no broker. Nothing is allowed and nothing is sent until somebody writes so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from monitor.settings.fields import Duration, Section, Whole, lasting, written
from monitor.settings.survey import suggest
from rules.commands import CHANNEL, COMMANDS, Mode, Permit, Permits
from rules.document import Document, Mistake
from rules.model import SECOND


def _known(name: str) -> str:
    if name not in COMMANDS:
        raise ValueError(f"there is no command {name}; {suggest(name, COMMANDS)}")
    return name


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


DeviceGlob: TypeAlias = Annotated[
    str, written(r"[^/+#\[\]{}\x00-\x1f\x7f]{1,128}/[^/+#\[\]{}\x00-\x1f\x7f]{1,128}", "write site/device, * stands for any letters")
]  # fmt: skip
"""`site/device`; `*` stands for any letters within its level, `?` for one."""


class PermitEntry(Section):
    """A command, and the devices that may be given it."""

    command: Annotated[str, AfterValidator(_known)]
    devices: Annotated[tuple[DeviceGlob, ...], BeforeValidator(_listed), Field(min_length=1, max_length=1000)]

    def permits(self) -> Iterator[Permit]:
        """One for each pattern."""
        for glob in self.devices:
            parts = ("[^/]*" if c == "*" else "[^/]" if c == "?" else re.escape(c) for c in glob)
            yield Permit(self.command, re.compile("".join(parts)))


class LinkageSettings(Section):
    """See the module."""

    mode: Annotated[Mode, Field(strict=False)] = Mode.DRY_RUN
    """`dry-run`: the timeline says what would have been commanded. `armed`: it is sent."""
    allow: Annotated[tuple[PermitEntry, ...], Field(max_length=1000)] = ()
    timeout: Annotated[Duration, lasting("1s", "10m")] = 10 * SECOND
    """How long a device may take to show that it has obeyed."""
    at_most_per_minute: Whole = Field(default=20, ge=1, le=1000)
    """Commands of all rules together; those above are not sent."""

    def permits(self) -> Permits:
        """As the rules know it."""
        allow = tuple(permit for entry in self.allow for permit in entry.permits())
        return Permits(self.mode, allow, self.timeout, self.at_most_per_minute)


def unfit(
    document: Document, linkage: LinkageSettings, channels: Iterable[str], sites: Iterable[str]
) -> Iterator[Mistake]:
    """What does not fit the rest of the site file: sites that are none, and a channel under our own name."""
    sites = tuple(sites)
    if CHANNEL in channels:
        message = f"{CHANNEL} is the name under which commands to devices go"
        yield document.mistake(("channels", CHANNEL), message, "give the channel another name")
    for i, entry in enumerate(linkage.allow):
        for j, glob in enumerate(entry.devices):
            site = glob.partition("/")[0]
            if not any(fnmatchcase(known, site) for known in sites):
                at = ("linkage", "allow", i, "devices", j)
                yield document.mistake(at, f"there is no site {site}", suggest(site, sites))
