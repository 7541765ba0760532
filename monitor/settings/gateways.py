"""What the site file may say of a gateway for short messages and telephone calls: a provider's account, or any HTTP request.

Knows no adapter and opens no connection.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from monitor.gateways.templates import PLACEHOLDERS, Template, unknown
from monitor.settings.fields import Secret, SecretWebAddress, Section, WebAddress, Whole, written

Code: TypeAlias = Annotated[int, Field(strict=True)] | Annotated[bool, Field(strict=True)] | str
HeaderName: TypeAlias = Annotated[str, written(r"[A-Za-z0-9-]{1,64}", "use letters, digits and dashes")]
PlaceholderName: TypeAlias = Annotated[str, written(r"[a-z_]{1,40}", "use small letters and underscores")]


def _fillable(template: Template) -> Template:
    if strange := unknown(template, PLACEHOLDERS):
        raise ValueError(f"there is no placeholder {{{strange[0]}}}; there is {', '.join(sorted(PLACEHOLDERS))}")
    return template


Filled: TypeAlias = Annotated[str, Field(max_length=1_000), AfterValidator(_fillable)]
"""A text with placeholders."""


class Verdict(Section):
    """How the gateway's answer is read: where its code stands, and which codes mean what."""

    code: Annotated[str, written(r"[\w-]+(\.[\w-]+){0,9}", "write names joined by dots, such as result.code")]
    equals: Code = 0
    """The code of a message that was taken; the text "0" is not the number 0."""
    malformed: tuple[Code, ...] = ()
    """Codes that blame the message or the number: it is given up at once."""
    too_fast: tuple[Code, ...] = ()
    """Codes that ask for a pause."""
    pause: Annotated[float, Field(gt=0, le=60)] = 30.0
    """Seconds, when the gateway does not say."""


class GenericGateway(Section):
    """Any gateway that takes one HTTP request."""

    kind: Literal["generic"]
    url: SecretWebAddress
    method: Literal["POST", "GET", "PUT"] = "POST"
    headers: dict[HeaderName, Secret] = Field(default_factory=dict)
    secrets: dict[PlaceholderName, Secret] = Field(default_factory=dict)
    """Placeholders of their own, such as an account's password."""
    query: dict[str, Annotated[str, Field(max_length=1_000)]] = Field(default_factory=dict)
    body: Any = None
    """Sent as JSON; every text in it may hold placeholders."""
    form: dict[str, Any] | None = None
    """Sent as a form; a field that is no text is written as JSON."""
    success: Verdict | None = None
    """None: every 2xx is a delivery."""

    @model_validator(mode="after")
    def _one_request(self) -> Self:
        if self.body is not None and self.form is not None:
            raise ValueError("body and form stand both here; a request has one of them")
        if self.method == "GET" and (self.body is not None or self.form is not None):
            raise ValueError("a GET has no body; write its parameters under query")
        headers = [value.get_secret_value() for value in self.headers.values()]
        known = PLACEHOLDERS | set(self.secrets)
        if strange := unknown([headers, self.query, self.body, self.form], known):
            raise ValueError(f"there is no placeholder {{{strange[0]}}}; there is {', '.join(sorted(known))}")
        return self


class AliyunGateway(Section):
    """Aliyun: Dysmsapi for short messages, Dyvmsapi for calls."""

    kind: Literal["aliyun"]
    access_key_id: Secret
    access_key_secret: Secret
    template: Annotated[str, Field(min_length=1, max_length=100)]
    """The code of the approved template, SMS_… or TTS_…."""
    parameters: dict[str, Filled] = Field(
        default_factory=lambda: {"title": "{title}", "place": "{place}", "asked": "{asked}"}
    )
    """Variable of the template → text with placeholders; at most 35 characters arrive."""
    sign_name: str = Field(default="", max_length=50)
    """The approved signature (签名) of short messages."""
    show_number: str = Field(default="", max_length=30)
    """The number that calls; empty in the shared mode (公共模式)."""
    play_times: Annotated[Whole, Field(ge=1, le=3)] = 2
    base_url: WebAddress | None = None


class TencentGateway(Section):
    """Tencent Cloud: SMS for short messages, VMS for calls."""

    kind: Literal["tencent"]
    secret_id: Secret
    secret_key: Secret
    app_id: Annotated[str, written(r"\d{6,20}", "write the digits of the SDK AppID, in quotes")]
    template: Annotated[str, written(r"\d{1,20}", "write the digits of the template's id, in quotes")]
    parameters: tuple[Filled, ...] = ("{title}", "{place}", "{asked}")
    """Texts with placeholders for the template's {1}, {2} …."""
    longest: Annotated[Whole, Field(ge=1, le=350)] = 35
    """Characters of one of them; a personal account has 12."""
    sign_name: str = Field(default="", max_length=50)
    region: str = Field(default="ap-guangzhou", max_length=50)
    play_times: Annotated[Whole, Field(ge=1, le=3)] = 2
    base_url: WebAddress | None = None


GatewaySettings: TypeAlias = Annotated[GenericGateway | AliyunGateway | TencentGateway, Field(discriminator="kind")]
