"""What the API says about notifications in browsers.

Knows no HTTP. An endpoint is never said: whoever has it can ring that phone.
"""

from __future__ import annotations

from pydantic import Field

from monitor.console.answers import Answer


class WebPushAnswer(Answer):
    """What a page gives to its browser."""

    public_key: str = Field(description="For `pushManager.subscribe`, as applicationServerKey: base64url.")
    people: list[str] = Field(description="Keys of the people whose browsers may be subscribed.")


class SubscribedAnswer(Answer):
    """How many browsers this person has subscribed now."""

    person: str
    browsers: int
