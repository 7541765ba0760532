"""Replies of robots and gateways that can call back: is it really them, and what was said.

Knows the two ways of signing and a handful of words; neither HTTP nor incidents.

    ReplyError
    ├── BadSignature    it is not from who shares the secret with us, or too old
    └── Unreadable      it is, and nobody knows what was meant; the message says what may be said
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from rules.model import MINUTE, SECOND, Micros, Verb

WINDOW: Micros = 5 * MINUTE
"""How old, or how far ahead, a signed reply may be: what is heard on the way cannot be played again later."""
LONGEST_NAME = 100
LONGEST_NOTE = 2000


class ReplyError(Exception):
    """The reply does nothing."""


class BadSignature(ReplyError):
    """Not signed with the channel's secret, or not within the window."""


class Unreadable(ReplyError):
    """The message is for the person who wrote it, in both languages."""


class Protocol(StrEnum):
    """How a channel calls back."""

    STANDARD = "standard"
    """Standard Webhooks, and our own JSON."""
    DINGTALK = "dingtalk"
    """An outgoing robot (企业内部机器人): its own signature and JSON, answered in its own way."""


@dataclass(frozen=True, slots=True)
class ReplyDoor:
    """The secret of a channel, and how it is used."""

    protocol: Protocol
    secret: str

    def __repr__(self) -> str:
        return f"ReplyDoor({self.protocol.value})"


class Said(NamedTuple):
    """What somebody replied. Without an incident: the only one that is meant, if there is one."""

    verb: Verb
    by: str
    incident: str = ""
    note: str = ""


# --- is it they -------------------------------------------------------------------------------------------------------


def check_standard(secret: str, headers: Mapping[str, str], body: bytes, now: Micros) -> str:
    """The message's id, the same on every attempt, of a Standard Webhook. Raises BadSignature."""
    name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not name or len(name) > 256 or not _fresh(stamp, SECOND, now):
        raise BadSignature("webhook-id or webhook-timestamp is missing, or not within five minutes of our clock")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise BadSignature("the secret of this channel is not base64") from None
    signed = b".".join((name.encode("utf-8", "surrogateescape"), stamp.encode(), body))
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    for given in headers.get("webhook-signature", "").split(" ")[:10]:
        if _same(given, expected):
            return name
    raise BadSignature("webhook-signature does not fit: sign id.timestamp.body with the channel's reply_secret")


def check_dingtalk(secret: str, headers: Mapping[str, str], now: Micros) -> None:
    """The headers `timestamp` (milliseconds) and `sign` of a DingTalk robot. Raises BadSignature.

    DingTalk signs the time alone and not the message, so TLS has to keep strangers from the way.
    """
    stamp = headers.get("timestamp", "")
    if not _fresh(stamp, 1000, now):
        raise BadSignature("the header timestamp is missing, or not within five minutes of our clock")
    text = f"{stamp}\n{secret}".encode()
    expected = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    if not _same(headers.get("sign", ""), expected):
        raise BadSignature("the header sign does not fit: reply_secret is the robot's AppSecret")


def _fresh(stamp: str, unit: Micros, now: Micros) -> bool:
    return stamp.isascii() and stamp.isdigit() and len(stamp) <= 15 and abs(int(stamp) * unit - now) <= WINDOW


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


# --- what was said ----------------------------------------------------------------------------------------------------

VERBS = (Verb.ACKNOWLEDGE, Verb.ON_SCENE, Verb.RESOLVE, Verb.NOTE)
"""What a reply may do; resetting and closing is for who sees the sensors."""
_WORDS: Mapping[str, Verb] = {
    "接警": Verb.ACKNOWLEDGE,
    "收到": Verb.ACKNOWLEDGE,
    "acknowledge": Verb.ACKNOWLEDGE,
    "ack": Verb.ACKNOWLEDGE,
    "已到场": Verb.ON_SCENE,
    "到场": Verb.ON_SCENE,
    "on-scene": Verb.ON_SCENE,
    "on scene": Verb.ON_SCENE,
    "处置完毕": Verb.RESOLVE,
    "已处置": Verb.RESOLVE,
    "处置": Verb.RESOLVE,
    "resolved": Verb.RESOLVE,
    "resolve": Verb.RESOLVE,
    "备注": Verb.NOTE,
    "note": Verb.NOTE,
}
_SENTENCE = re.compile(
    rf"(?:@\S+\s+)*(?P<word>{'|'.join(map(re.escape, sorted(_WORDS, key=len, reverse=True)))})(?![A-Za-z])"
    r"[\s:：#]*(?:(?:inc-)?(?P<number>\d{1,9})(?!\d))?(?P<note>.*)",
    re.IGNORECASE | re.DOTALL,
)
HOW = (
    "请回复：接警 12、到场 12、处置 12，或 备注 12 内容。Reply: ack 12, on scene 12, resolved 12, or note 12 and words."
)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    incident: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
    verb: Verb
    by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME)]
    note: Annotated[str, StringConstraints(max_length=LONGEST_NOTE)] = ""


class _DingTalkText(BaseModel):
    content: str = ""


class _DingTalkBody(BaseModel):
    """The fields that we use; there are many others."""

    msgId: str = Field(default="", max_length=256)  # noqa: N815 - theirs
    senderNick: str = ""  # noqa: N815
    senderStaffId: str = ""  # noqa: N815
    text: _DingTalkText = _DingTalkText()


def read_json(body: bytes) -> Said:
    """Our own JSON: `{"incident", "verb", "by", "note"}`. Raises Unreadable."""
    try:
        given = _Body.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise Unreadable(f"无法读取。{where}: {first['msg']}") from None
    if given.verb not in VERBS:
        raise Unreadable(f"回复不能执行此操作。A reply may be {', '.join(VERBS)}")
    if given.verb is Verb.NOTE and not given.note.strip():
        raise Unreadable("请写备注内容。A note needs words.")
    return Said(given.verb, one_line(given.by), given.incident, printable(given.note))


def read_dingtalk(body: bytes) -> tuple[str, str, str]:
    """(id of the message, who wrote it, what) of a DingTalk robot's call. Raises Unreadable."""
    try:
        given = _DingTalkBody.model_validate_json(body)
    except ValidationError:
        raise Unreadable(HOW) from None
    return given.msgId, one_line(given.senderNick or given.senderStaffId or "DingTalk"), given.text.content


def read_words(text: str, by: str) -> Said:
    """`接警 12`, `ack inc-000012`, `备注 12 水带已到`. Raises Unreadable."""
    match = _SENTENCE.fullmatch(text.strip()[: LONGEST_NOTE + 100])
    if match is None:
        raise Unreadable(HOW)
    verb = _WORDS[match["word"].lower()]
    note = printable(match["note"].strip(" \t\n，,。.:："))[:LONGEST_NOTE]
    if verb is Verb.NOTE and not note:
        raise Unreadable(HOW)
    return Said(verb, by, f"inc-{int(match['number']):06d}" if match["number"] else "", note)


def one_line(text: str) -> str:
    """A name as it may stand in a timeline."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_NAME] or "?"


def printable(text: str) -> str:
    """A note as it may stand in a timeline."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text).strip()
