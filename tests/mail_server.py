"""A mail server for tests: real SMTP on loopback that takes mail, refuses, hangs or cuts off on demand, and keeps what it took.

Knows nothing of Wanglou's adapter; what a mail must be is read with the standard library's parser.

    async with mail_server("451 4.7.1 later", "250 taken") as box:   # one answer to DATA a mail, the last one for ever
        ...                                                         # box.port, box.received
"""

from __future__ import annotations

import asyncio
import contextlib
import email.policy
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"
TAKEN = "250 2.0.0 taken"
HANG, CUT = "hang", "cut"
"""Answers that are none."""


@dataclass
class Mailbox:
    """A server under way."""

    answers: list[str]
    refuse: dict[str, str] = field(default_factory=dict)
    """Recipient → answer to RCPT."""
    think: float = 0.0
    """Seconds before it answers to DATA."""
    password: bytes = b"right"
    received: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """(sender, recipients) of each."""
    asked_at: list[float] = field(default_factory=list)
    """When DATA came, whatever was answered; seconds of the monotonic clock."""
    taken_at: list[float] = field(default_factory=list)
    logins: list[bool] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    """Open at this moment."""

    # Names of hooks, as the library looks them up.
    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.asked_at.append(time.monotonic())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(self.think)
        if answer == HANG:
            await asyncio.Event().wait()
        if answer == CUT:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return TAKEN
        assert isinstance(envelope.content, bytes)
        if answer.startswith("250"):
            parsed = BytesParser(EmailMessage, policy=email.policy.default).parsebytes(envelope.content)
            self.received.append(parsed)
            self.taken_at.append(time.monotonic())
            self.envelopes.append((envelope.mail_from or "", tuple(envelope.rcpt_tos)))
        return answer

    def login(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        right = isinstance(data, LoginPassword) and data.password == self.password
        self.logins.append(right)
        return AuthResult(success=right, handled=False)


class _Protocol(SMTP):
    def __init__(self, box: Mailbox, context: ssl.SSLContext | None, *, implicit: bool) -> None:
        super().__init__(
            box,
            hostname="mail.example",
            tls_context=None if implicit else context,
            authenticator=box.login,
            auth_require_tls=context is not None and not implicit,
            loop=asyncio.get_running_loop(),
        )
        self._box = box
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._counted:
            self._counted = True
            self._box.connections += 1
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._box.connections -= 1
        super().connection_lost(error)


@contextlib.asynccontextmanager
async def mail_server(
    *answers: str,
    context: ssl.SSLContext | None = None,
    implicit: bool = False,
    refuse: dict[str, str] | None = None,
    think: float = 0.0,
) -> AsyncIterator[Mailbox]:
    """A running server; `context` gives STARTTLS, or TLS from the beginning where `implicit`."""
    box = Mailbox(list(answers) or [TAKEN], refuse or {}, think)
    protocols: list[_Protocol] = []

    def protocol() -> _Protocol:
        protocols.append(_Protocol(box, context, implicit=implicit))
        return protocols[-1]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, HOST, 0, ssl=context if implicit else None)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        for one in protocols:
            if isinstance(one.transport, asyncio.Transport):
                one.transport.abort()
        await server.wait_closed()
        await asyncio.sleep(0)
