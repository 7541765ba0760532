"""E-mail over SMTP (RFC 5321): plain text and a simple page, to one person or to the channel's own list.

Knows neither rules nor the outbox. A push has one Message-ID on every attempt, so a mail whose acknowledgement was lost and that was
sent again is one mail to most readers; all mails of an incident hang together by the References header. Addresses appear in no
answer that is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal

import aiosmtplib
from pydantic import SecretStr

from monitor.directory import NOBODY, Contacts, Reach, address_of
from monitor.message_facts import NONE, Quantities
from monitor.ports import NeverWill, TryAgain
from monitor.posting import REPLY_CHARACTERS
from monitor.wording import asks, html, invitation, text, title
from rules.model import SECOND, Kind, Push

SUBJECT_BYTES = 400
LIMIT_BYTES = 50_000
_GOODBYE_SECONDS = 1.0


class Smtp:
    """One account on one mail server; a connection for each mail."""

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        sender: str,
        *,
        security: Literal["tls", "starttls", "none"] = "starttls",
        username: str | None = None,
        password: SecretStr | None = None,
        tls: ssl.SSLContext | None = None,
        recipients: Sequence[str] = (),
        contacts: Contacts = NOBODY,
        link: Callable[[Push], str] = lambda _: "",
        quantities: Quantities = NONE,
        timeout: float = 10.0,
    ) -> None:
        """`recipients` are written to for pushes that are for no one person; `timeout` (seconds) bounds each step."""
        self.name = name
        self._host, self._port = host, port
        self._sender = sender
        self._domain = sender.rpartition("@")[2]
        self._security = security
        self._username, self._password = username, password
        self._tls = tls
        self._recipients = tuple(recipients)
        self._contacts = contacts
        self._link = link
        self._quantities = quantities
        self._timeout = timeout

    async def send(self, push: Push, *, attempt: int) -> str:
        """Hand the mail to the server. Accepted means the server took it, not that anybody has read it."""
        recipients = self._recipients_of(push)
        link = self._link(push) if asks(push) else ""
        message = self._message(push, recipients, link)
        client = self._client()
        try:
            await client.connect()
            refused, said = await client.send_message(message, sender=self._sender, recipients=recipients)
            with contextlib.suppress(aiosmtplib.SMTPException, TimeoutError):
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    await client.quit()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise self._failure(error, (*recipients, link)) from None
        finally:
            client.close()
        missed = f"; {len(refused)} of {len(recipients)} recipients were refused" if refused else ""
        return self._shown(f"SMTP 250 {said}", (*recipients, link)) + missed

    async def check(self) -> str:
        """Connect, log in, send nothing."""
        client = self._client()
        try:
            await client.connect()
            with contextlib.suppress(aiosmtplib.SMTPException, TimeoutError):
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    await client.quit()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise self._failure(error, ()) from None
        finally:
            client.close()
        secured = {"tls": "TLS", "starttls": "STARTTLS", "none": "not encrypted"}[self._security]
        login = "logged in" if self._username else "without login"
        return (
            f"{self._where} reachable ({secured}, {login}); that it relays to the recipients is seen at the first mail"
        )

    async def aclose(self) -> None:
        """Nothing is kept open between mails."""

    @property
    def _where(self) -> str:
        return f"smtp {self._host}:{self._port}"

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            # Our own name, or the library would ask the network for one and block the loop.
            local_hostname=self._domain,
            username=self._username,
            password=self._password.get_secret_value() if self._password is not None else None,
            timeout=self._timeout,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",
            tls_context=self._tls if self._security != "none" else None,
        )

    def _recipients_of(self, push: Push) -> list[str]:
        if push.to:
            return [address_of(push, self._contacts, Reach.EMAIL)]
        if not self._recipients:
            raise NeverWill("this channel has no recipients of its own: add them, or name it among a person's channels")
        return list(self._recipients)

    def _message(self, push: Push, recipients: list[str], link: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = ", ".join(recipients)
        message["Subject"] = title(push, limit=SUBJECT_BYTES)
        # Of the push, not of the attempt: every attempt is the same mail.
        message["Date"] = format_datetime(datetime.fromtimestamp(push.at // SECOND, UTC))
        message["Message-ID"] = self._id(push.key)
        message["References"] = self._id(push.incident)
        message["Auto-Submitted"] = "auto-generated"
        if push.kind is Kind.FIRE:
            message["Importance"] = "high"
            message["X-Priority"] = "1"
        words = text(push, quantities=self._quantities, limit=LIMIT_BYTES)
        message.set_content("\n\n".join(part for part in (words, invitation(link)) if part))
        message.add_alternative(html(push, quantities=self._quantities, link=link), subtype="html")
        return message

    def _id(self, key: str) -> str:
        return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{self._domain}>"

    def _failure(self, error: Exception, hidden: Sequence[str]) -> TryAgain | NeverWill:
        """Only what the server says of message or recipient is final; an operator mends the rest within minutes."""
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            codes = [refusal.code for refusal in error.recipients]
            said = self._shown(f"SMTP {codes[0]} recipient refused: {error.recipients[0].message}", hidden)
            return NeverWill(said) if all(code >= 500 for code in codes) else TryAgain(said)
        if isinstance(error, aiosmtplib.SMTPResponseException):
            said = self._shown(f"SMTP {error.code} {error.message}", hidden)
            final = error.code >= 500 and isinstance(error, aiosmtplib.SMTPDataError)
            return NeverWill(said) if final else TryAgain(said)
        if isinstance(error, TimeoutError):
            return TryAgain(f"{self._where}: time-out")
        if isinstance(error, ssl.SSLCertVerificationError) or isinstance(error.__cause__, ssl.SSLCertVerificationError):
            return TryAgain(
                f"{self._where}: the server's certificate is not trusted: check this machine's clock, or its CA"
            )
        if isinstance(error, ValueError):
            return NeverWill(f"{self._where}: the mail cannot be written ({type(error).__name__})")
        if isinstance(error, aiosmtplib.SMTPConnectError):
            return TryAgain(f"{self._where}: cannot connect")
        if isinstance(error, OSError):  # a disconnection is one
            return TryAgain(f"{self._where}: the connection was cut")
        return TryAgain(f"{self._where}: the server lacks what the settings ask for: check security and username")

    def _shown(self, words: str, hidden: Sequence[str]) -> str:
        secret = self._password.get_secret_value() if self._password is not None else ""
        for word in sorted({*hidden, *self._recipients, secret, self._username or ""}, key=len, reverse=True):
            words = words.replace(word, "***") if word else words
        return " ".join(words.split())[:REPLY_CHARACTERS]
