"""Any gateway that takes one HTTP request: method, address, headers, and a body that the site file writes as a template.

Knows no provider. What is not said in the template is not sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from monitor.gateways import Request
from monitor.gateways.templates import PLACEHOLDERS, Template, fill, filled, tells_news, unknown
from monitor.posting import Address, Codes, as_json


class Generic:
    """A gateway as the site file describes it. Raises ValueError for a placeholder that nothing will fill."""

    def __init__(
        self,
        url: SecretStr,
        *,
        method: str = "POST",
        headers: Mapping[str, SecretStr] | None = None,
        secrets: Mapping[str, SecretStr] | None = None,
        body_json: Template = None,
        form: Mapping[str, Template] | None = None,
        query: Mapping[str, str] | None = None,
        codes: Codes | None = None,
    ) -> None:
        """`secrets` are placeholders of their own (`{password}`). Of `body_json` and `form` one at most; GET takes neither."""
        if body_json is not None and form is not None:
            raise ValueError("write the body as json or as form, not as both")
        if method == "GET" and (body_json is not None or form is not None):
            raise ValueError("a GET has no body: write its parameters under query")
        self._secrets = {name: value.get_secret_value() for name, value in (secrets or {}).items()}
        self._headers = {name: value.get_secret_value() for name, value in (headers or {}).items()}
        self._json, self._form, self._query = body_json, form, query
        self._method = method
        if strange := unknown([self._headers, body_json, form, query], PLACEHOLDERS | set(self._secrets)):
            known = ", ".join(sorted(PLACEHOLDERS | set(self._secrets)))
            raise ValueError(f"there is no placeholder {{{strange[0]}}}; there are {known}")
        self._codes = codes
        self._address = Address(url, secrets=(*(secrets or {}).values(), *(headers or {}).values()))

    @property
    def address(self) -> Address:
        """As the site file has it."""
        return self._address

    @property
    def codes(self) -> Codes | None:
        """As the site file has them."""
        return self._codes

    @property
    def tells_news(self) -> bool:
        """Of the whole request."""
        return tells_news([self._headers, self._json, self._form, self._query])

    def request(self, blanks: Mapping[str, str]) -> Request:
        """The template, filled."""
        values = {**self._secrets, **blanks}
        headers = {"user-agent": "wanglou", **{name: _header(value, values) for name, value in self._headers.items()}}
        body = b""
        if self._json is not None:
            body = as_json(fill(self._json, values))
            headers.setdefault("content-type", "application/json; charset=utf-8")
        elif self._form is not None:
            fields = {name: _field(fill(value, values)) for name, value in self._form.items()}
            body = urlencode(fields, errors="replace").encode()
            headers.setdefault("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        query = {name: filled(value, values) for name, value in (self._query or {}).items()}
        return Request(body, headers, query or None, self._method)


def _field(value: object) -> str:
    """A form's field; what is no text is written as JSON, as many gateways want their template's parameters."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _header(template: str, values: Mapping[str, str]) -> str:
    """Percent-encoded, for a header holds neither Chinese nor line ends."""
    return filled(template, {name: quote(value, safe="/@:._~-") for name, value in values.items()})
