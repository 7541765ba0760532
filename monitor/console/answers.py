"""What all answers of the API have in common: one class says what is written and what the OpenAPI document promises.

Knows no HTTP. Moments are RFC 3339 in UTC, spans are seconds, texts are a pair of languages.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Something the API says. Fields that are not declared do not go out."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
