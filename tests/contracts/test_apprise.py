"""The port `Channel` over apprise, against a real server that takes its kind of JSON."""

from __future__ import annotations

import logging

import pytest
from pydantic import SecretStr

from monitor.adapters.apprise_services import AppriseService
from monitor.ports import TryAgain
from tests.contracts.test_channels import LINK, a_push
from tests.providers import HOST, cut, ok, provider, status
from tests.servers import free_port

# One of its hundred plug-ins still imports a module that Python 3.13 has dropped, where there is one to import.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def service(address: str) -> AppriseService:
    return AppriseService("tail", SecretStr(address.replace("http://", "json://") + "/hush-hush"), link=lambda _: LINK)


async def test_what_was_taken_is_accepted_but_not_confirmed() -> None:
    async with provider(ok("{}")) as server:
        reply = await service(server.url).send(a_push(), attempt=1)
        assert reply.startswith("accepted, not confirmed")
        (request,) = server.received
        assert request.json["title"].startswith("【火警】3号楼2层充电库 感烟报警")
        assert "事件编号：inc-000007" in request.json["message"]
        assert LINK in request.json["message"]


async def test_what_was_not_taken_is_tried_again_and_no_address_comes_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with provider(status(500), status(400), cut()) as server:
        channel = service(server.url)
        for _ in range(3):
            with pytest.raises(TryAgain, match="does not say why") as caught:
                await channel.send(a_push(), attempt=1)
            assert "hush" not in str(caught.value)
    with pytest.raises(TryAgain):
        await service(f"http://{HOST}:{free_port()}").send(a_push(), attempt=1)
    assert not [r for r in caplog.records if r.name == "apprise"]


async def test_a_check_writes_nothing() -> None:
    async with provider(ok("{}")) as server:
        channel = service(server.url)
        assert "first message" in await channel.check()
        await channel.aclose()
        assert server.received == []


@pytest.mark.parametrize("address", ["hush://x", "", "no address"])
def test_an_address_of_no_service_is_refused_without_quoting_it(address: str) -> None:
    with pytest.raises(ValueError, match="apprise knows") as caught:
        AppriseService("tail", SecretStr(address))
    assert "hush" not in str(caught.value)
