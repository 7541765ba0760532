"""The port `Channel` over e-mail, against a real SMTP server that refuses, hangs and cuts off."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from monitor.adapters.smtp import Smtp
from monitor.directory import Contact
from monitor.ports import NeverWill, TryAgain
from tests.certificates import Keys
from tests.contracts.test_channels import a_push
from tests.mail_server import CUT, HANG, HOST, TAKEN, Mailbox, mail_server
from tests.providers import babbler
from tests.servers import free_port

DUTY = "duty@station.example"
SENDER = "wanglou@station.example"
CONTACTS = {"duty-1": Contact(email=SecretStr(DUTY)), "guest": Contact(mobile=SecretStr("13800000000"))}
LINK = "https://board.example/a/signed?x=1&y=2"
PUSH = replace(a_push(), to="duty-1")


def mail(port: int, **settings: Any) -> Smtp:
    settings = {"security": "none", "contacts": CONTACTS, "link": lambda _: LINK, "timeout": 5.0, **settings}
    return Smtp("mail", HOST, port, SENDER, **settings)


def plain(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


async def test_a_mail_arrives_whole() -> None:
    async with mail_server() as box:
        reply = await mail(box.port).send(PUSH, attempt=1)
        assert reply.startswith("SMTP 250")
        (message,) = box.received
        assert box.envelopes == [(SENDER, (DUTY,))]
        assert str(message["Subject"]).startswith("【火警】3号楼2层充电库 感烟报警 | [FIRE] Building 3 garage")
        assert message["To"] == DUTY
        assert message["Importance"] == "high"
        assert message["Auto-Submitted"] == "auto-generated"
        assert "事件编号：inc-000007" in plain(message)
        assert plain(message).strip().endswith(f"接警 Acknowledge: {LINK}")
        page = plain(message, "html")
        assert "<h3>【火警】3号楼2层充电库 感烟报警</h3>" in page
        assert 'href="https://board.example/a/signed?x=1&amp;y=2"' in page
        assert box.connections == 0


async def test_every_attempt_is_the_same_mail_and_an_incident_hangs_together() -> None:
    async with mail_server() as box:
        channel = mail(box.port)
        other = replace(PUSH, key="inc-000007/call-1/duty@duty-1", step="call-1")
        for push, attempt in ((PUSH, 1), (PUSH, 2), (other, 1)):
            await channel.send(push, attempt=attempt)
        first, again, later = box.received
        assert first["Message-ID"] == again["Message-ID"] != later["Message-ID"]
        assert first["Date"] == again["Date"]
        assert first["References"] == later["References"]
        assert str(first["Message-ID"]).endswith("@station.example>")


async def test_names_cannot_become_headers_or_markup() -> None:
    async with mail_server() as box:
        nasty = "x\r\nBcc: all@evil.example\r\n\r\n<script>alert(1)</script>\ud800"
        push = replace(a_push(title={"zh": nasty, "en": nasty}), to="duty-1")
        await mail(box.port).send(push, attempt=1)
        (message,) = box.received
        assert message["Bcc"] is None
        assert box.envelopes[0][1] == (DUTY,)
        assert "<script>" not in plain(message, "html")
        assert "&lt;script&gt;" in plain(message, "html")


async def test_a_station_has_a_list_and_a_person_without_an_address_is_named_by_the_key() -> None:
    async with mail_server(refuse={"old@station.example": "550 5.1.1 no such user old@station.example"}) as box:
        channel = mail(box.port, recipients=("a@station.example", "old@station.example"))
        reply = await channel.send(a_push(), attempt=1)
        assert reply.endswith("1 of 2 recipients were refused")
        assert box.envelopes == [(SENDER, ("a@station.example",))]
        with pytest.raises(NeverWill, match="person 'guest' has no email"):
            await channel.send(replace(PUSH, to="guest"), attempt=1)
        with pytest.raises(NeverWill, match="no recipients of its own"):
            await mail(box.port).send(a_push(), attempt=1)


@pytest.mark.parametrize("answer", ["451 4.7.1 greylisted", "452 4.3.1 full", "421 4.7.0 too many"])
async def test_what_may_pass_is_tried_again(answer: str) -> None:
    async with mail_server(answer, TAKEN) as box:
        channel = mail(box.port)
        with pytest.raises(TryAgain, match=answer.partition(" ")[0]):
            await channel.send(PUSH, attempt=1)
        await channel.send(PUSH, attempt=2)
        assert len(box.received) == 1


async def test_a_mail_or_a_recipient_that_is_blamed_is_given_up_without_quoting_the_address() -> None:
    async with mail_server(f"554 5.7.1 rejected for {DUTY}") as box:
        with pytest.raises(NeverWill, match="SMTP 554") as caught:
            await mail(box.port).send(PUSH, attempt=1)
        assert DUTY not in str(caught.value)
    async with mail_server(refuse={DUTY: f"550 5.1.1 no such user {DUTY}"}) as box:
        with pytest.raises(NeverWill, match="recipient refused") as caught:
            await mail(box.port).send(PUSH, attempt=1)
        assert DUTY not in str(caught.value)
    async with mail_server(refuse={DUTY: "450 4.2.1 mailbox busy"}) as box:
        with pytest.raises(TryAgain, match="SMTP 450"):
            await mail(box.port).send(PUSH, attempt=1)


async def test_a_cut_a_closed_port_and_a_stranger_are_tried_again() -> None:
    async with mail_server(CUT) as box:
        with pytest.raises(TryAgain, match="cut"):
            await mail(box.port).send(PUSH, attempt=1)
    with pytest.raises(TryAgain, match="cannot connect"):
        await mail(free_port()).send(PUSH, attempt=1)
    with pytest.raises(TryAgain, match="cannot connect"):
        await mail(free_port()).check()
    async with babbler(b"HTTP/1.1 400 Bad Request\r\n\r\n", at_once=True) as url:
        with pytest.raises(TryAgain):
            await mail(int(url.rpartition(":")[2]), timeout=1.0).send(PUSH, attempt=1)


async def test_a_server_that_hangs_is_left_and_nothing_stays_open() -> None:
    async with mail_server(HANG) as box:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await mail(box.port).send(PUSH, attempt=1)
        await gone(box)
        with pytest.raises(TryAgain, match="time-out"):
            await mail(box.port, timeout=0.3).send(PUSH, attempt=2)
        await gone(box)
    # Takes the connection and never says a word.
    with socket.create_server((HOST, 0)) as mute, pytest.raises(TryAgain, match=r"time-out|cannot connect"):
        await mail(mute.getsockname()[1], timeout=0.2).send(PUSH, attempt=1)


async def gone(box: Mailbox) -> None:
    async with asyncio.timeout(5):
        while box.connections:
            await asyncio.sleep(0.01)


async def test_a_late_answer_is_waited_for() -> None:
    async with mail_server(think=0.2) as box:
        assert (await mail(box.port).send(PUSH, attempt=1)).startswith("SMTP 250")


@contextlib.asynccontextmanager
async def secured(folder: Path, *, implicit: bool) -> AsyncIterator[tuple[Mailbox, Keys]]:
    keys = Keys(folder / "keys")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.folder / "server.pem", keys.folder / "server.key")
    async with mail_server(context=context, implicit=implicit) as box:
        yield box, keys


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_with_login_over_tls(security: str, tmp_path: Path) -> None:
    async with secured(tmp_path, implicit=security == "tls") as (box, keys):
        account = {"security": security, "username": "wanglou", "tls": keys.context()}
        right = mail(box.port, password=SecretStr("right"), **account)
        assert (await right.send(PUSH, attempt=1)).startswith("SMTP 250")
        assert (await right.check()).startswith(f"smtp {HOST}:{box.port} reachable ({security.upper()}, logged in)")
        assert box.logins == [True, True]
        wrong = mail(box.port, password=SecretStr("hush-hush"), **account)
        for attempt in (wrong.send(PUSH, attempt=1), wrong.check()):
            with pytest.raises(TryAgain, match="SMTP 535") as caught:
                await attempt
            assert "hush" not in str(caught.value) + repr(vars(wrong))
        assert len(box.received) == 1


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    async with secured(tmp_path, implicit=True) as (box, _):
        with pytest.raises(TryAgain):
            await mail(box.port, security="tls").send(PUSH, attempt=1)
    async with secured(tmp_path / "start", implicit=False) as (box, _):
        with pytest.raises(TryAgain):
            await mail(box.port, security="starttls").send(PUSH, attempt=1)
        assert box.received == []


async def test_no_starttls_is_no_mail() -> None:
    """A server, or somebody between, that offers no encryption gets nothing."""
    async with mail_server() as box:
        with pytest.raises(TryAgain, match="lacks what the settings ask for"):
            await mail(box.port, security="starttls").send(PUSH, attempt=1)
        assert box.received == []
