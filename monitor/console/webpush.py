"""Notifications in browsers: the key to subscribe with, and which browser belongs to whom.

Knows neither channel nor push service: the app hands in a desk that keeps subscriptions.
"""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from monitor.console.answers_webpush import SubscribedAnswer, WebPushAnswer
from monitor.console.context import NoQuestion, body, clean, context, question, reply
from monitor.console.problems import Problem
from monitor.push_subscriptions import ENDPOINT_CHARACTERS, PushDesk, Refused, Subscription


class Keys(BaseModel):
    """The browser's keys, as base64url."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    p256dh: str = Field(min_length=1, max_length=200)
    auth: str = Field(min_length=1, max_length=100)


class SubscriptionBody(BaseModel):
    """What `PushSubscription.toJSON()` gives, and whose browser it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str = Field(min_length=1, max_length=ENDPOINT_CHARACTERS)
    keys: Keys
    expiration_time: float | None = Field(default=None, alias="expirationTime")
    person: str = Field(default="", max_length=100, description="Key of a person; empty for a screen of nobody.")


class ForgetBody(BaseModel):
    """Which browser is to be forgotten."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str = Field(min_length=1, max_length=ENDPOINT_CHARACTERS)


async def about(request: web.Request) -> web.StreamResponse:
    """The key that a browser is to trust. 503 where the site file has no channel of kind webpush."""
    question(NoQuestion, request.query)
    desk = _desk(request)
    return reply(WebPushAnswer(public_key=desk.public_key, people=sorted(desk.people)))


async def subscribe(request: web.Request) -> web.StreamResponse:
    """Keep a browser; one with the same endpoint is replaced."""
    question(NoQuestion, request.query)
    desk, asked = _desk(request), await body(SubscriptionBody, request)
    if asked.person and asked.person not in desk.people:
        raise Problem(422, f"There is no person {clean(asked.person)} in the site file.")
    try:
        await desk.subscriptions.add(Subscription(asked.person, asked.endpoint, asked.keys.p256dh, asked.keys.auth))
    except Refused as refusal:
        raise Problem(422, f"This browser cannot be subscribed: {refusal}.") from None
    return reply(SubscribedAnswer(person=asked.person, browsers=len(desk.subscriptions.of(asked.person))))


async def forget(request: web.Request) -> web.StreamResponse:
    """Forget a browser. 404 for one that is not known."""
    question(NoQuestion, request.query)
    desk, asked = _desk(request), await body(ForgetBody, request)
    known = await desk.subscriptions.drop(asked.endpoint)
    if known is None:
        raise Problem(404, "This browser is not subscribed.")
    return reply(SubscribedAnswer(person=known.person, browsers=len(desk.subscriptions.of(known.person))))


def _desk(request: web.Request) -> PushDesk:
    desk = context(request).webpush
    if desk is None:
        raise Problem(503, "The site file has no channel of kind webpush.")
    return desk
