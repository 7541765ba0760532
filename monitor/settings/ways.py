"""Whether the ways to people that a site file names lead to somebody: channels have addresses, and fires are heard at every hour.

Looks at a file that is right in itself; whether a channel works, the doctor asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from monitor.directory import Reach
from monitor.reachability import reaches, week_text
from monitor.settings.channels import ChannelSettings, EmailChannel, SmsChannel, VoiceChannel
from monitor.settings.people import PersonEntry
from monitor.settings.places import StationEntry
from monitor.settings.survey import Ground
from rules.document import Document, Mistake
from rules.people import Plan

SHOWN = 3


def unaddressed(
    document: Document,
    channels: Mapping[str, ChannelSettings],
    people: Sequence[PersonEntry],
    stations: Sequence[StationEntry],
) -> Iterator[Mistake]:
    """Channels that speak to one person, where there is no person, or none with such an address."""
    needs = {name: reach for name, channel in channels.items() if (reach := _needed(channel)) is not None}
    for i, person in enumerate(people):
        for j, name in enumerate(person.channels):
            if name in needs and person.contact.get(needs[name]) is None:
                message = f"{person.id} has no {needs[name]}, which {name} needs"
                remedy = f"add {needs[name]}: to the person, or take the channel away"
                yield document.mistake(("people", i, "channels", j), message, remedy)
    for i, station in enumerate(stations):
        for j, recipient in enumerate(station.recipients):
            channel = channels.get(recipient.channel)
            if channel is not None and (word := _lacking(channel)):
                message = f"{recipient.channel} speaks to one person at a time, and a station is none"
                remedy = f"add {word}: to the channel, for what is for no one person; or name people: here"
                yield document.mistake(("stations", i, "recipients", j), message, remedy)


def unreachable(document: Document, stations: Sequence[StationEntry], ground: Ground, plan: Plan) -> Iterator[Mistake]:
    """Zones whose fires nobody at all would hear of at some hour, though every channel works."""
    places = {entry.id: ("stations", i) for i, entry in enumerate(stations)}
    for reach in reaches(ground.zones, ground.stations, plan):
        if hours := reach.when(lambda reached: not reached.channels):
            zones = ", ".join(reach.zones[:SHOWN]) + (" and others" if len(reach.zones) > SHOWN else "")
            remedy = "name a channel under recipients: that hears of FIRE, or fill the hours with shifts:"
            message = f"a fire in {zones} reaches nobody {week_text(hours)}"
            yield document.mistake(places[reach.station.key], message, remedy)


def _needed(channel: ChannelSettings) -> Reach | None:
    """The address without which it reaches no person."""
    if isinstance(channel, SmsChannel | VoiceChannel):
        return Reach.MOBILE
    return Reach.EMAIL if isinstance(channel, EmailChannel) else None


def _lacking(channel: ChannelSettings) -> str:
    """The field that it lacks to be told what is for no one person."""
    if isinstance(channel, SmsChannel | VoiceChannel):
        return "" if channel.mobile is not None else "mobile"
    return "recipients" if isinstance(channel, EmailChannel) and not channel.recipients else ""
