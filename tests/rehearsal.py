"""Every kind of channel with a provider on loopback that behaves as it is told, ready to be written into a site file.

Knows the site file's words for channels and what each provider says, and nothing of the adapters: what comes out is a section for
`channels:`, and when the provider was asked. Behaviours may be changed while the daemon runs.

    async with rehearsal("dingtalk", Behaviour.BUSY) as stage:
        site["channels"]["duty"] = stage.section
        ...
        stage.behave(Behaviour.WELL)
        assert stage.taken
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from aiohttp import web

from tests import providers
from tests.mail_server import CUT, HANG, TAKEN, Mailbox, mail_server
from tests.push_browser import Browser, a_vapid_key

LATE_SECONDS = 2.0
PAUSE_SECONDS = 3
MOBILE = "13800000000"
EMAIL = "duty@station.example"
PERSON = {"mobile": MOBILE, "email": EMAIL, "feishu": "ou_duty1"}
"""The addresses that a person of the site file must have to be reached by every kind."""
ACCOUNT = {
    "access_key_id": "key-id-0123",
    "access_key_secret": "key-secret-0123",
    "template": "SMS_1",
    "sign_name": "望楼",
}
CLOUD = {
    "secret_id": "id-0123456",
    "secret_key": "key-0123456",
    "app_id": "1400006666",
    "template": "12",
    "sign_name": "望楼",
}


class Behaviour(StrEnum):
    """How a provider answers."""

    WELL = "well"
    LATE = "late"
    """Well, after two seconds."""
    BROKEN = "broken"
    """500; by mail 451."""
    BUSY = "busy"
    """429 with Retry-After; by mail 421."""
    REFUSING = "refusing"
    """200 with an error code; by mail, webhook and Web Push, which have none, a refusal for good."""
    CUT = "cut"
    """The connection is cut after the request."""
    HANGING = "hanging"
    """No answer ever."""


def _robot(kind: str, **fields: Any) -> Callable[[str], dict[str, Any]]:
    return lambda url: {"kind": kind, **fields, "base_url": url}


def _telephone(kind: str, gateway: str, **fields: Any) -> Callable[[str], dict[str, Any]]:
    return lambda url: {"kind": kind, "gateway": {"kind": gateway, **fields, "base_url": url}, "mobile": MOBILE}


def _generic(kind: str) -> Callable[[str], dict[str, Any]]:
    body = {"to": "{mobile}", "words": "{text}", "id": "{key}"}
    return lambda url: {
        "kind": kind, "mobile": MOBILE,
        "gateway": {"kind": "generic", "url": f"{url}/send", "body": body, "success": {"code": "code", "malformed": [4]}},
    }  # fmt: skip


@dataclass(frozen=True)
class _Kind:
    section: Callable[[str], dict[str, Any]]
    taken: str
    """Body of a delivery."""
    refused: str
    """Body of a refusal inside a 200; empty where there is none."""


_ROBOT_TAKEN, _ROBOT_REFUSED = '{"errcode":0,"errmsg":"ok"}', '{"errcode":310000,"errmsg":"keywords not in content"}'
_ALIYUN_TAKEN, _ALIYUN_REFUSED = '{"Code":"OK","Message":"OK"}', '{"Code":"isv.AMOUNT_NOT_ENOUGH","Message":"no money"}'
_TENCENT_ERROR = '{"Response":{"Error":{"Code":"LimitExceeded.DeliveryFrequencyLimit","Message":"too often"}}}'
_KINDS: dict[str, _Kind] = {
    "webhook": _Kind(lambda url: {"kind": "webhook", "url": f"{url}/hook"}, '{"taken":true}', ""),
    "dingtalk": _Kind(_robot("dingtalk", token="token-0123", secret="SEC0123"), _ROBOT_TAKEN, _ROBOT_REFUSED),
    "wecom": _Kind(_robot("wecom", key="key-0123"), _ROBOT_TAKEN, _ROBOT_REFUSED),
    "feishu": _Kind(_robot("feishu", token="token-0123"), '{"code":0}', '{"code":19021,"msg":"sign match fail"}'),
    "sms": _Kind(_generic("sms"), '{"code":0}', '{"code":7}'),
    "sms-aliyun": _Kind(_telephone("sms", "aliyun", **ACCOUNT), _ALIYUN_TAKEN, _ALIYUN_REFUSED),
    "sms-tencent": _Kind(
        _telephone("sms", "tencent", **CLOUD), '{"Response":{"SendStatusSet":[{"Code":"Ok"}]}}', _TENCENT_ERROR
    ),
    "voice": _Kind(_generic("voice"), '{"code":0}', '{"code":7}'),
    "voice-aliyun": _Kind(_telephone("voice", "aliyun", **ACCOUNT), _ALIYUN_TAKEN, _ALIYUN_REFUSED),
    "voice-tencent": _Kind(
        _telephone("voice", "tencent", **CLOUD), '{"Response":{"SendStatus":{"CallId":"1"}}}', _TENCENT_ERROR
    ),
    "webpush": _Kind(
        lambda url: {
            "kind": "webpush", "vapid_key": a_vapid_key(), "subject": "mailto:ops@station.example",
            "services": ["127.0.0.1"],
        },
        "", "",
    ),
}  # fmt: skip
KINDS = (*_KINDS, "email")
"""All of them; incident topics have a real broker instead (tests/servers.py)."""


@dataclass
class Stage:
    """A provider under way."""

    kind: str
    section: dict[str, Any]
    """What stands under `channels:` in the site file."""
    asked: list[float] = field(default_factory=list)
    """Whenever it was asked; seconds of the monotonic clock."""
    taken: list[float] = field(default_factory=list)
    """Whenever it took a message, at the moment of its answer."""
    url: str = ""
    _behave: Callable[[Behaviour], None] = lambda _: None

    def behave(self, behaviour: Behaviour) -> None:
        """From the next request on."""
        self._behave(behaviour)

    def subscribe(self, folder: Path, *people: str) -> None:
        """Web Push: let a browser of each person be subscribed, in the data folder of a daemon that does not run yet."""
        folder.mkdir(parents=True, exist_ok=True)
        browsers = [asdict(Browser().subscription(f"{self.url}/send/{n}", who)) for n, who in enumerate(people)]
        (folder / "push-subscriptions.json").write_text(json.dumps(browsers))


@contextlib.asynccontextmanager
async def rehearsal(kind: str, behaviour: Behaviour = Behaviour.WELL) -> AsyncIterator[Stage]:
    """A running provider of that kind."""
    if kind == "email":
        async with _mail(behaviour) as stage:
            yield stage
        return
    known = _KINDS[kind]
    stage = Stage(kind, {})
    async with providers.provider(_answer(stage, known, behaviour)) as server:
        stage.section, stage.url = known.section(server.url), server.url
        stage._behave = lambda chosen: server.behaviours.__setitem__(slice(None), [_answer(stage, known, chosen)])
        yield stage


def _answer(stage: Stage, kind: _Kind, behaviour: Behaviour) -> providers.Behaviour:
    refusal = providers.ok(kind.refused) if kind.refused else providers.status(413, "too large for us")
    answers: dict[Behaviour, providers.Behaviour] = {
        Behaviour.WELL: providers.ok(kind.taken),
        Behaviour.LATE: providers.late(LATE_SECONDS, providers.ok(kind.taken)),
        Behaviour.BROKEN: providers.status(500, "out of order"),
        Behaviour.BUSY: providers.status(429, "slow down", Retry_After=str(PAUSE_SECONDS)),
        Behaviour.REFUSING: refusal,
        Behaviour.CUT: providers.cut(),
        Behaviour.HANGING: providers.hang(),
    }

    async def behave(request: web.Request) -> web.StreamResponse:
        stage.asked.append(time.monotonic())
        response = await answers[behaviour](request)
        if behaviour in (Behaviour.WELL, Behaviour.LATE):
            stage.taken.append(time.monotonic())
        return response

    return behave


_MAIL = {
    Behaviour.WELL: TAKEN,
    Behaviour.LATE: TAKEN,
    Behaviour.BROKEN: "451 4.3.0 out of order",
    Behaviour.BUSY: "421 4.7.0 slow down",
    Behaviour.REFUSING: "554 5.6.0 not for us",
    Behaviour.CUT: CUT,
    Behaviour.HANGING: HANG,
}


@contextlib.asynccontextmanager
async def _mail(behaviour: Behaviour) -> AsyncIterator[Stage]:
    async with mail_server() as box:
        section = {"kind": "email", "host": "127.0.0.1", "port": box.port, "security": "none"}
        section |= {"sender": "wanglou@station.example", "recipients": [EMAIL]}
        stage = Stage("email", section, box.asked_at, box.taken_at, _behave=lambda chosen: _set(box, chosen))
        _set(box, behaviour)
        yield stage
        await asyncio.sleep(0)


def _set(box: Mailbox, behaviour: Behaviour) -> None:
    box.answers[:] = [_MAIL[behaviour]]
    box.think = LATE_SECONDS if behaviour is Behaviour.LATE else 0.0
