"""A push in as few words as a short message has room for, or as a sentence that a voice reads aloud.

Knows no gateway. A short message of 70 characters is one message to the carriers; longer ones are split, arrive late and cost
twice. A voice reads signs and identifiers out one by one, so it is given neither, and the words that matter come first: people
hang up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from monitor.message_facts import address, advised, drill, goal, incident_of, label, matter, others_in, place
from monitor.plain_words import plain
from monitor.vocabulary import ASKED, KINDS, NEWS, word
from rules.model import Push

CHARACTERS = 70
"""Of one short message in Chinese (UCS-2)."""

_NAME = 12
"""Characters of it for who did what is told."""
_ADVICE = 32
"""And for what to do about news: a device did not obey."""

Blanks: TypeAlias = Mapping[str, str]
"""Placeholder → what stands in its place; see docs/channels.md."""


def short(push: Push, *, limit: int = CHARACTERS) -> str:
    """One line in Chinese: `【演习】火警：3号楼2层充电库 感烟报警，请立即前往处置`; at most `limit` characters.

    News says who did it. What is too long loses the end of the place and matter, never the kind or what is asked.
    """
    before = ("【演习】" if drill(push) else "") + f"{_kind(push, 0)}："
    by, failed = plain(push.body.get("by") or ""), push.body.get("news") == "linkage-failed"
    advice = advised(push, 0).rstrip("。") if failed else ""
    after = _asked(push, 0) or fitting(advice, _ADVICE)
    after = f"，{after}" if after else f"（{fitting(by, _NAME)}）" if by else ""
    return f"{before}{fitting(_where_and_what(push, 0), limit - len(before) - len(after))}{after}"[:limit]


def spoken(push: Push, *, english: bool = False) -> str:
    """A sentence to be read aloud, in Chinese or English, without signs that a voice would spell."""
    language = 1 if english else 0
    parts = [_DRILL[language]] if drill(push) else []
    parts += [
        _kind(push, language).capitalize(),
        address(push, language),
        place(push, language),
        matter(push, language),
    ]
    parts += [_asked(push, language), _callback(push, language)]
    stop = ". " if english else "。"
    said = [aloud for part in parts if (aloud := _aloud(part))]
    return stop.join(dict.fromkeys(said)) + stop.strip()


def blanks(push: Push, *, voice: bool, english: bool = False, link: str = "") -> dict[str, str]:
    """What a gateway's template may ask for, the address of the person apart."""
    language = 1 if english else 0
    mark = _DRILL[language] if drill(push) else ""
    what = _aloud(matter(push, language)) if voice else matter(push, language)
    if others := others_in(push):
        what += f"等{len(others) + 1}条" if language == 0 else f" and {len(others)} more"
    where = _aloud(place(push, language)) if voice else place(push, language)
    return {
        "text": spoken(push, english=english) if voice else short(push),
        # Providers forbid brackets of the signature's kind in a parameter, so the mark of a drill stands in words.
        "title": f"{mark} {what}".strip() if english else f"{mark}{'，' if mark else ''}{what}",
        "place": where,
        "kind": KINDS[push.kind][language],
        "asked": _asked(push, language) or _news(push, language),
        "address": address(push, language),
        "callback": plain(push.body.get("callback") or ""),
        "incident": str(incident_of(push).get("id") or push.incident),
        "key": push.key,
        "link": link,
    }


def fitting(words: str, characters: int) -> str:
    """At most so many characters, `…` for the rest."""
    if len(words) <= characters:
        return words
    return words[: characters - 1] + "…" if characters > 0 else ""


_SUSPECTED = ("疑似", "suspected ")
_DRILL = ("这是演习", "This is a drill")
_SILENT = re.compile(r"[^\w\s，。、；：,.:;%℃-]|_")
"""What a voice cannot say, or would spell."""


def _where_and_what(push: Push, language: int) -> str:
    where, what = place(push, language), matter(push, language)
    return what if where and where in what else f"{where} {what}".strip()


def _asked(push: Push, language: int) -> str:
    sort, late = str(push.body.get("type", "")), goal(push, language)
    if sort == "incident.digest":
        more = len(others_in(push))
        return f"另有{more}条" if language == 0 else f"and {more} more"
    if late:
        if sort == "incident.overdue":
            return f"{late}已超时" if language == 0 else f"{late} is overdue"
        return f"{late}即将超时" if language == 0 else f"{late} is due soon"
    if sort == "incident.dispatch" and incident_of(push).get("suspected"):
        sort = "incident.verify"
    return word(ASKED, sort, language)


def _news(push: Push, language: int) -> str:
    """`已接警（值班员乙）`, in place of what is asked where nothing is."""
    said = NEWS[news][language].format("").strip() if (news := str(push.body.get("news", ""))) in NEWS else ""
    by = fitting(plain(push.body.get("by") or ""), _NAME)
    return f"{said}{'（{}）' if language == 0 else ' ({})'}".format(by) if said and by else said


def _callback(push: Push, language: int) -> str:
    number = plain(push.body.get("callback") or "")
    return f"{('回拨电话', 'Call back')[language]} {number}" if number else ""


def _kind(push: Push, language: int) -> str:
    """`火警`, and for news the whole of it (`火警已处置`); what is asked comes last by itself."""
    if not _asked(push, language):
        return label(push, language)
    doubtful = push.body.get("type") == "incident.verify" or incident_of(push).get("suspected")
    return (_SUSPECTED[language] if doubtful else "") + KINDS[push.kind][language]


def _aloud(words: str) -> str:
    return " ".join(_SILENT.sub(" ", words).split()).strip("，。、；：,.:; ")
