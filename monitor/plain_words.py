"""Strangers' words made fit to be shown: on one line, without what could be a command, and no longer than there is room.

Knows no push and no channel. Names of devices and zones are written by strangers. The robots do not agree on a way of escaping
Markdown, so the signs that could become a link, a mention or a heading are replaced by their full-width twins: every one of
them shows these as they are.
"""

from __future__ import annotations

import re


def cut(words: str, limit: int | None) -> str:
    """At most `limit` bytes of UTF-8, whole characters, `…` at the end for the rest. Lone surrogates become `?`."""
    raw = words.encode("utf-8", "replace")
    if limit is None or len(raw) <= limit:
        return raw.decode()
    mark = "…".encode()
    if limit < len(mark):
        return raw[: max(0, limit)].decode("utf-8", "ignore")
    return raw[: limit - len(mark)].decode("utf-8", "ignore") + mark.decode()


def plain(value: object) -> str:
    """On one line, without control characters and signs that turn the direction of writing."""
    return _SPACE.sub(" ", _UNSEEN.sub(" ", str(value))).strip()


def disarm(words: str) -> str:
    """Nothing in it is Markdown, a mention or a link any more; for people it looks the same."""
    return _EDGE.sub("＿", words.translate(_FULL_WIDTH)).replace("://", "：//")


_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_SPACE = re.compile(r"\s+")
_EDGE = re.compile(r"(?<!\w)_|_(?!\w)|__+")
"""An underscore inside a name is no emphasis, and identifiers must stay fit for copying."""
_FULL_WIDTH = str.maketrans("<>[]()*`~#|\\!@", "＜＞［］（）＊｀～＃｜＼！＠")
