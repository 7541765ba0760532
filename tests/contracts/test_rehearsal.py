"""Every channel, built from the site file as the daemon builds it, against its provider in every bad mood.

A delivery is reported if and only if the provider took the message; everything else says whether it may be tried again.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from monitor import wiring
from monitor.clock import Clock
from monitor.ports import NeverWill, TryAgain
from monitor.settings import Settings, load
from tests.contracts.test_channels import a_push
from tests.rehearsal import KINDS, PAUSE_SECONDS, PERSON, Behaviour, rehearsal

PEOPLE = [{"id": "duty-1", "name": "值班员", "role": "dispatcher", "channels": ["duty"], **PERSON}]


def settings(folder: Path, section: dict[str, Any]) -> Settings:
    data = {
        "api": {"token": "a-token-for-tests-only", "public_url": "https://board.example"},
        "data": {"folder": "data"},
        "channels": {"duty": section},
        "people": PEOPLE,
        "sites": [{"id": "home", "name": "家", "zones": [{"id": "garage", "name": "车库", "kind": "garage"}]}],
        "stations": [{"id": "post", "name": "站", "zones": ["*"], "recipients": ["duty"], "shifts": SHIFTS}],
    }
    file = folder / "site.yaml"
    file.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    return load(file, {})


SHIFTS = [{"name": "always", "hours": "00:00-00:00", "people": ["duty-1"]}]
END: dict[Behaviour, tuple[type[Exception], ...]] = {
    Behaviour.BROKEN: (TryAgain,),
    Behaviour.BUSY: (TryAgain,),
    Behaviour.REFUSING: (TryAgain, NeverWill),
    Behaviour.CUT: (TryAgain,),
    Behaviour.HANGING: (TimeoutError,),
}


@pytest.mark.parametrize("behaviour", list(Behaviour))
@pytest.mark.parametrize("kind", KINDS)
async def test_a_delivery_is_reported_if_and_only_if_it_was_taken(
    kind: str, behaviour: Behaviour, tmp_path: Path
) -> None:
    async with rehearsal(kind, behaviour) as stage, aiohttp.ClientSession() as session:
        stage.subscribe(tmp_path / "data", "duty-1")
        channel = wiring.channels(settings(tmp_path, stage.section), session, Clock().now)["duty"]
        push = replace(a_push(), to="duty-1", channel="duty", key="inc-000007/dispatch-1/duty@duty-1")
        allowed = 1 if behaviour is Behaviour.HANGING else 10
        if behaviour in END:
            with pytest.raises(END[behaviour]) as caught:
                async with asyncio.timeout(allowed):
                    await channel.send(push, attempt=1)
            assert stage.taken == []
            if behaviour is Behaviour.BUSY and kind != "email":
                assert getattr(caught.value, "after", None) == PAUSE_SECONDS
        else:
            async with asyncio.timeout(allowed):
                await channel.send(push, attempt=1)
            assert len(stage.taken) == 1
        assert len(stage.asked) == 1
        await channel.aclose()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_mood_may_change(kind: str, tmp_path: Path) -> None:
    async with rehearsal(kind, Behaviour.BROKEN) as stage, aiohttp.ClientSession() as session:
        stage.subscribe(tmp_path / "data", "duty-1")
        channel = wiring.channels(settings(tmp_path, stage.section), session, Clock().now)["duty"]
        push = replace(a_push(), to="duty-1", channel="duty")
        with pytest.raises(TryAgain):
            await channel.send(push, attempt=1)
        stage.behave(Behaviour.WELL)
        await channel.send(push, attempt=2)
        assert (len(stage.asked), len(stage.taken)) == (2, 1)
        assert "reachable" in await channel.check() or kind == "webpush"
        await channel.aclose()
