"""Tencent Cloud's short messages (SendSms) and calls (SendTtsVoice), signed by TC3-HMAC-SHA256.

Knows no push. Both speak only in templates that Tencent has approved; what is ours are their numbered variables. The signature is
proved against the vendor's published example; the calls themselves were not tried against the real service.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import SecretStr

from monitor.brevity import fitting
from monitor.gateways import Request, international
from monitor.gateways.templates import PLACEHOLDERS, filled, tells_news, unknown
from monitor.posting import Address, Codes, as_json
from rules.model import SECOND, Micros

SERVICES = {
    "sms": ("sms", "SendSms", "2021-01-11"),
    "voice": ("vms", "SendTtsVoice", "2020-09-02"),
}
"""Kind → service, action, version of the interface."""
ADDRESSES = {"sms": "https://sms.tencentcloudapi.com", "voice": "https://vms.tencentcloudapi.com"}
CONTENT_TYPE = "application/json; charset=utf-8"
MALFORMED = frozenset(
    {
        "InvalidParameterValue.IncorrectPhoneNumber",
        "InvalidParameterValue.CalledNumberVerifyFail",
        "InvalidParameterValue.ContentLengthLimit",
        "InvalidParameterValue.TemplateParameterLengthLimit",
        "InvalidParameterValue.TemplateParameterFormatError",
        "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter",
        "FailedOperation.ContainSensitiveWord",
        "FailedOperation.PhoneNumberInBlacklist",
        "FailedOperation.PhoneNumberOnBlacklist",
    }
)
TOO_FAST = frozenset(
    {
        "RequestLimitExceeded",
        "LimitExceeded.DeliveryFrequencyLimit",
        "LimitExceeded.PhoneNumberThirtySecondLimit",
        "LimitExceeded.PhoneNumberOneHourLimit",
    }
)
CODES = {
    "sms": Codes(
        ("Response.Error.Code", "Response.SendStatusSet.0.Code"), MALFORMED, TOO_FAST, pause=30.0, good=frozenset({"Ok"})
    ),
    # A call that was taken has an identifier and no code.
    "voice": Codes(
        ("Response.Error.Code",), MALFORMED, TOO_FAST, pause=30.0, good=frozenset({"Ok"}),
        proof="Response.SendStatus.CallId",
    ),
}  # fmt: skip


class Tencent:
    """One approved template of one account."""

    def __init__(
        self,
        kind: Literal["sms", "voice"],
        secret_id: SecretStr,
        secret_key: SecretStr,
        *,
        app_id: str,
        template: str,
        parameters: Sequence[str],
        sign_name: str = "",
        region: str = "ap-guangzhou",
        play_times: int = 2,
        longest: int = 35,
        base_url: str = "",
        now: Callable[[], Micros] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`parameters`: texts with placeholders for {1}, {2} …; `longest`: characters of one (12 for a personal account)."""
        if strange := unknown(list(parameters), PLACEHOLDERS):
            raise ValueError(f"there is no placeholder {{{strange[0]}}}; there are {', '.join(sorted(PLACEHOLDERS))}")
        self._kind = kind
        self._secret_id, self._secret_key = secret_id, secret_key
        self._app_id, self._template, self._parameters = app_id, template, tuple(parameters)
        self._sign_name, self._region = sign_name, region
        self._play_times, self._longest = play_times, longest
        self._address = Address(base_url or ADDRESSES[kind], secrets=(secret_id, secret_key), secret_path=False)
        self._now = now

    @property
    def address(self) -> Address:
        """The service's."""
        return self._address

    @property
    def codes(self) -> Codes:
        """Of this service."""
        return CODES[self._kind]

    @property
    def tells_news(self) -> bool:
        """Of the variables."""
        return tells_news(self._parameters)

    def request(self, blanks: Mapping[str, str]) -> Request:
        """SendSms or SendTtsVoice."""
        variables = [fitting(filled(text, blanks), self._longest) for text in self._parameters]
        number = international(blanks["mobile"])
        told: dict[str, object] = {
            "TemplateId": self._template,
            "TemplateParamSet": variables,
            "SessionContext": blanks["key"],
        }
        if self._kind == "sms":
            told |= {"PhoneNumberSet": [number], "SmsSdkAppId": self._app_id, "SignName": self._sign_name}
        else:
            told |= {"CalledNumber": number, "VoiceSdkAppid": self._app_id, "PlayTimes": self._play_times}
        body = as_json(told)
        service, action, version = SERVICES[self._kind]
        moment = self._now() // SECOND
        key = self._secret_key.get_secret_value()
        proof = authorization(self._secret_id.get_secret_value(), key, service, self._address.authority, moment, body)
        headers = {
            "authorization": proof,
            "content-type": CONTENT_TYPE,
            "host": self._address.authority,
            "user-agent": "wanglou",
            "x-tc-action": action,
            "x-tc-region": self._region,
            "x-tc-timestamp": str(moment),
            "x-tc-version": version,
        }
        return Request(body, headers)


def authorization(secret_id: str, secret_key: str, service: str, host: str, moment: int, body: bytes) -> str:
    """TC3-HMAC-SHA256 of a POST of JSON to `/`, with content type and host signed; `moment` in seconds."""
    headers = f"content-type:{CONTENT_TYPE}\nhost:{host}\n"
    canonical = f"POST\n/\n\n{headers}\ncontent-type;host\n{hashlib.sha256(body).hexdigest()}"
    day = f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"
    scope = f"{day}/{service}/tc3_request"
    to_sign = f"TC3-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"TC3{secret_key}".encode()
    for part in (day, service, "tc3_request", to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders=content-type;host, Signature={key.hex()}"
