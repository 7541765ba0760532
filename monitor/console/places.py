"""Reading what the site file and the rule book say: devices, zones, rules and quantities.

Knows neither ledger nor history: all of it is in memory.
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from monitor.console.answers_places import (
    DeviceAnswer,
    DevicePage,
    QuantityAnswer,
    QuantityList,
    RuleAnswer,
    RuleList,
    ZoneAnswer,
    ZoneList,
)
from monitor.console.context import NoQuestion, clean, context, question, reply
from monitor.console.problems import Problem
from rules.quantities import CATALOGUE

_STRIDE = 2_000
"""Devices looked at before the event loop gets its turn: about a millisecond."""


class DevicesQuestion(BaseModel):
    """Which devices."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zone: str | None = Field(default=None, description="Key of a zone, site/zone.")
    kind: str | None = Field(default=None, description="Kind of device, smoke_detector for example.")
    after: str = Field(default="", description="The `next` of the page before.")
    limit: int = Field(default=100, ge=1, le=1000)


async def list_devices(request: web.Request) -> web.StreamResponse:
    """By key; devices known by pattern appear with their first message."""
    board = context(request).board
    asked = question(DevicesQuestion, request.query)
    known = board.neighbourhood.devices
    states, zones = board.devices(), board.neighbourhood.zones
    items: list[DeviceAnswer] = []
    following: str | None = None
    for number, key in enumerate(board.device_keys(asked.after), 1):
        if number % _STRIDE == 0:
            await asyncio.sleep(0)
        device = known[key]
        if (asked.zone and device.zone != asked.zone) or (asked.kind and device.kind != asked.kind):
            continue
        if len(items) == asked.limit:
            following = items[-1].key
            break
        items.append(DeviceAnswer.of(device, states.get(key), zones))
    return reply(DevicePage(items=items, next=following))


async def one_device(request: web.Request) -> web.StreamResponse:
    """One device; a device's own name may hold slashes."""
    board = context(request).board
    question(NoQuestion, request.query)
    key = f"{request.match_info['site']}/{request.match_info['device']}"
    device = board.device(key)
    if device is None:
        raise Problem(404, f"There is no device {clean(key)}.", kind="unknown-device")
    return reply(DeviceAnswer.of(device, board.devices().get(key), board.neighbourhood.zones))


async def list_zones(request: web.Request) -> web.StreamResponse:
    """By key."""
    places = context(request).board.neighbourhood
    question(NoQuestion, request.query)
    return reply(ZoneList(items=[ZoneAnswer.of(z, places.stations_of(key)) for key, z in sorted(places.zones.items())]))


async def list_rules(request: web.Request) -> web.StreamResponse:
    """In the order of the book."""
    question(NoQuestion, request.query)
    return reply(RuleList(items=[RuleAnswer.of(rule) for rule in context(request).board.rules()]))


async def list_quantities(request: web.Request) -> web.StreamResponse:
    """The catalogue, so that a page need not know units and words by itself."""
    question(NoQuestion, request.query)
    return reply(QuantityList(items=[QuantityAnswer.of(quantity) for quantity in CATALOGUE.values()]))
