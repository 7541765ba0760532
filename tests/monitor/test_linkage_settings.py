"""The `linkage` section of the site file: nothing is allowed unless it is written, and what is written wrongly is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.settings import Settings, describe, load
from monitor.settings.site_places import load_places
from rules.commands import Mode, Permits
from rules.document import Mistakes
from rules.model import SECOND

SITE = """
api: {token: 0123456789abcdef0123456789abcdef}
channels:
  hook: {kind: webhook, url: "http://127.0.0.1:9/x"}
sites:
  - id: hupan
    name: 湖畔
    zones: [{id: shed, name: 车棚, kind: shed}]
    devices: [{id: charger-1, kind: charger, zone: shed}]
stations:
  - {id: north, name: 北门, zones: ["hupan/*"], recipients: [hook]}
"""


def loaded(folder: Path, section: str = "", site: str = SITE) -> Settings:
    """The site file with this section."""
    file = folder / "site.yaml"
    file.write_text(site + section, "utf-8")
    return load(file, {})


def mistakes(folder: Path, section: str, site: str = SITE) -> list[str]:
    """What is wrong with it, without the name of the file."""
    with pytest.raises(Mistakes) as caught:
        loaded(folder, section, site)
    return [str(m).partition("site.yaml:")[2] for m in caught.value.mistakes]


def test_what_is_not_written_is_not_allowed(tmp_path: Path) -> None:
    permits = loaded(tmp_path).neighbourhood().permits
    assert permits == Permits()
    assert permits is not None
    assert permits.mode is Mode.DRY_RUN
    assert not permits.allows("cut_power", "hupan/charger-1")


def test_a_site_that_is_armed(tmp_path: Path) -> None:
    section = """
linkage:
  mode: armed
  allow:
    - {command: cut_power, devices: "hupan/charger-*"}
    - {command: sound, devices: ["hupan/siren-?", "*/horn.1"]}
  timeout: 4s
  at_most_per_minute: 5
"""
    settings = loaded(tmp_path, section)
    permits = settings.neighbourhood().permits
    assert permits is not None
    assert permits == load_places(tmp_path / "site.yaml").neighbourhood().permits
    assert (permits.mode, permits.timeout, permits.at_most_per_minute) == (Mode.ARMED, 4 * SECOND, 5)
    allowed = [
        (command, device)
        for command in ("cut_power", "sound", "release_door")
        for device in ("hupan/charger-1", "hupan/charger-", "hupan/siren-1", "hupan/siren-12", "b/horn.1", "b/horn-1", "hupan/x/charger-1")
        if permits.allows(command, device)
    ]  # fmt: skip
    assert allowed == [
        ("cut_power", "hupan/charger-1"), ("cut_power", "hupan/charger-"), ("sound", "hupan/siren-1"), ("sound", "b/horn.1"),
    ]  # fmt: skip
    assert ("linkage.mode", "armed") in describe(settings)
    assert ("linkage.timeout", "4s") in describe(settings)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("mode: live", "linkage.mode: is none of the words allowed (write 'dry-run' or 'armed')"),
        ("allow: [{command: cut, devices: hupan/c}]", "command: there is no command cut ("),
        ("allow: [{command: cut_power, devices: charger-1}]", "cannot be written so (write site/device, * stands for any letters)"),
        ("allow: [{command: cut_power, devices: hupn/c}]", "there is no site hupn (did you mean hupan?)"),
        ("allow: [{command: cut_power, devices: []}]", "devices: is empty (name at least 1)"),
        ("allow: [{command: cut_power}]", "devices: is missing (add it)"),
        ("timeout: 900ms", "linkage.timeout: is out of bounds (write 1s to 10m)"),
        ("at_most_per_minute: 0", "linkage.at_most_per_minute: is too small (write 1 or more)"),
        ("armed: true", "linkage.armed: unknown field"),
    ],
)  # fmt: skip
def test_what_is_written_wrongly(tmp_path: Path, section: str, told: str) -> None:
    (found,) = mistakes(tmp_path, f"linkage: {{{section}}}\n")
    assert told in found
    assert found.startswith("12:"), found


def test_the_name_of_the_channel_is_taken(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, "", SITE.replace("hook:", "linkage:").replace("[hook]", "[linkage]"))
    assert (
        "channels.linkage: linkage is the name under which commands to devices go (give the channel another name)"
        in found
    )
