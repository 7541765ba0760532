"""Aliyun's short messages (Dysmsapi SendSms) and calls (Dyvmsapi SingleCallByTts), signed by ACS3-HMAC-SHA256.

Knows no push. Both speak only in templates that Aliyun has approved; what is ours are their variables, each of a few characters.
The signature is proved against the vendor's published example; the calls themselves were not tried against the real service.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

from pydantic import SecretStr

from monitor.brevity import fitting
from monitor.gateways import Request, domestic
from monitor.gateways.templates import PLACEHOLDERS, filled, tells_news, unknown
from monitor.posting import Address, Codes, as_json
from rules.model import SECOND, Micros

VERSION = "2017-05-25"
ADDRESSES = {"sms": "https://dysmsapi.aliyuncs.com", "voice": "https://dyvmsapi.aliyuncs.com"}
PARAMETER_CHARACTERS = 35
"""Of one variable of a notification."""
CODES = Codes(
    fields=("Code",),
    # Number, variables: too long, forbidden words, an address in it.
    malformed=frozenset(
        {
            "isv.MOBILE_NUMBER_ILLEGAL",
            "isv.PARAM_LENGTH_LIMIT",
            "isv.INVALID_JSON_PARAM",
            "isv.TEMPLATE_PARAMS_ILLEGAL",
            "isv.BLACK_KEY_CONTROL_LIMIT",
            "isv.PARAM_NOT_SUPPORT_URL",
        }
    ),
    too_fast=frozenset({"isv.BUSINESS_LIMIT_CONTROL", "Throttling", "Throttling.User", "Throttling.Api"}),
    pause=30.0,
    good=frozenset({"OK"}),
)
"""Account, balance, signature and template are an operator's to mend: tried again."""


class Aliyun:
    """One approved template of one account."""

    def __init__(
        self,
        kind: Literal["sms", "voice"],
        key_id: SecretStr,
        key_secret: SecretStr,
        *,
        template: str,
        parameters: Mapping[str, str],
        sign_name: str = "",
        show_number: str = "",
        play_times: int = 2,
        base_url: str = "",
        now: Callable[[], Micros] = lambda: time.time_ns() // 1000,
        nonce: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        """`parameters`: variable of the template → text with placeholders; `show_number`: empty in the shared mode (公共模式)."""
        if strange := unknown(parameters, PLACEHOLDERS):
            raise ValueError(f"there is no placeholder {{{strange[0]}}}; there are {', '.join(sorted(PLACEHOLDERS))}")
        self._kind = kind
        self._key_id, self._key_secret = key_id, key_secret
        self._template, self._parameters = template, dict(parameters)
        self._sign_name, self._show_number, self._play_times = sign_name, show_number, play_times
        self._address = Address(base_url or ADDRESSES[kind], secrets=(key_id, key_secret), secret_path=False)
        self._now, self._nonce = now, nonce

    @property
    def address(self) -> Address:
        """The service's."""
        return self._address

    @property
    def codes(self) -> Codes:
        """Of both services."""
        return CODES

    @property
    def tells_news(self) -> bool:
        """Of the variables."""
        return tells_news(self._parameters)

    def request(self, blanks: Mapping[str, str]) -> Request:
        """SendSms or SingleCallByTts, with its parameters in the query."""
        values = {name: fitting(filled(text, blanks), PARAMETER_CHARACTERS) for name, text in self._parameters.items()}
        variables = as_json(values).decode()
        if self._kind == "sms":
            action = "SendSms"
            query = {
                "PhoneNumbers": domestic(blanks["mobile"]),
                "SignName": self._sign_name,
                "TemplateCode": self._template,
                "TemplateParam": variables,
                "OutId": blanks["key"],
            }
        else:
            action = "SingleCallByTts"
            query = {
                "CalledNumber": domestic(blanks["mobile"]),
                "TtsCode": self._template,
                "TtsParam": variables,
                "PlayTimes": str(self._play_times),
                # At most 15 bytes here.
                "OutId": hashlib.sha256(blanks["key"].encode()).hexdigest()[:15],
            }
            if self._show_number:
                query["CalledShowNumber"] = self._show_number
        return Request(b"", self._headers(action, query), query)

    def _headers(self, action: str, query: Mapping[str, str]) -> dict[str, str]:
        moment = datetime.fromtimestamp(self._now() // SECOND, UTC)
        signed = {
            "host": self._address.authority,
            "x-acs-action": action,
            "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
            "x-acs-date": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "x-acs-signature-nonce": self._nonce(),
            "x-acs-version": VERSION,
        }
        proof = authorization(self._key_id.get_secret_value(), self._key_secret.get_secret_value(), signed, query)
        return {**signed, "authorization": proof, "user-agent": "wanglou"}


def authorization(key_id: str, key_secret: str, signed: Mapping[str, str], query: Mapping[str, str]) -> str:
    """ACS3-HMAC-SHA256 of a POST to `/` without a body; `signed` are its headers by lower-case name."""
    names = sorted(signed)
    asked = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(query.items()))
    headers = "".join(f"{name}:{signed[name].strip()}\n" for name in names)
    canonical = "\n".join(("POST", "/", asked, headers, ";".join(names), hashlib.sha256(b"").hexdigest()))
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key_secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={';'.join(names)},Signature={signature}"
