"""The words of a push: one line, plain text or Markdown for people (Chinese first), an envelope for programs.

Knows no channel and no network; it is told how many bytes a message may have.

A dispatcher reads the first line at three in the morning on a small screen: what and where stand there, nothing else.
Below come since when, which device, what it measured, what to do, and the incident's id. All of it in Chinese first, so
that a limit on length cuts the English copy before anything that has not been said yet.
"""

from __future__ import annotations

from html import escape

from monitor.message_facts import ADVICE, CALLS, NONE, Quantities, facts, headline, incident_of, merged, rfc3339
from monitor.plain_words import cut, disarm
from monitor.vocabulary import ACKNOWLEDGE
from rules.model import Push

_NEWS = ("incident.update", "incident.state", "incident.closed")


def title(push: Push, *, limit: int | None = None) -> str:
    """One line, both languages: `【火警】3号楼2层充电库 感烟报警 | [FIRE] …`; at most `limit` bytes of UTF-8."""
    return cut(f"{headline(push, 0)} | {headline(push, 1)}", limit)


def text(push: Push, *, quantities: Quantities = NONE, limit: int | None = None) -> str:
    """Plain text, Chinese, an empty line, English; at most `limit` bytes of UTF-8."""
    blocks = []
    for language, colon in ((0, "："), (1, ": ")):
        lines = (f"{name}{colon}{value}" for name, value in facts(push, language, quantities))
        blocks.append("\n".join((headline(push, language), *lines)))
    return cut("\n\n".join(blocks), limit)


def markdown(push: Push, *, quantities: Quantities = NONE, limit: int | None = None) -> str:
    """The same as Markdown that DingTalk and WeCom both show; at most `limit` bytes of UTF-8."""
    blocks = []
    for language, colon in ((0, "："), (1, ": ")):
        lines = (
            f"> {name}{colon}**{value}**  " if name in ADVICE else f"> {name}{colon}{value}  "
            for name, value in facts(push, language, quantities, disarm)
        )
        blocks.append("\n".join((f"### {disarm(headline(push, language))}", "", *lines)))
    return cut("\n\n".join(blocks), limit)


def html(push: Push, *, quantities: Quantities = NONE, link: str = "") -> str:
    """The same as a page for a mail reader, with a button where there is a link."""
    blocks = []
    for language, colon in ((0, "："), (1, ": ")):
        lines = "".join(
            f"<li>{escape(f'{name}{colon}{value}')}</li>" for name, value in facts(push, language, quantities)
        )
        blocks.append(f"<h3>{escape(headline(push, language))}</h3><ul>{lines}</ul>")
    button = f'<p><a href="{escape(link)}"><b>{escape(" ".join(ACKNOWLEDGE))}</b></a></p>' if link else ""
    # Lone surrogates cannot be written as UTF-8; `cut` makes them question marks.
    return cut(f"<html><body>{blocks[0]}{button}{blocks[1]}</body></html>", None)


def pages(push: Push) -> bool:
    """Must somebody move? Then people are mentioned by name; mere news of an incident mentions nobody."""
    if push.body.get("type") == "incident.digest":
        return any(body.get("type") not in _NEWS for body in merged(push))
    return push.body.get("type") not in _NEWS


def asks(push: Push) -> bool:
    """May its recipient acknowledge by it? A call that nobody has answered yet; then a card has its button."""
    state = incident_of(push).get("state")
    return push.body.get("type") in CALLS and state in (None, "raised", "dispatched")


def invitation(link: str) -> str:
    """The line of a plain text that lets its reader acknowledge; empty without a link."""
    return f"{ACKNOWLEDGE[0]} {ACKNOWLEDGE[1]}: {link}" if link else ""


def envelope(push: Push, link: str = "") -> dict[str, object]:
    """What programs are sent, the same on every attempt: `type`, `timestamp` (of the push, RFC 3339), `key`, `data`.

    With a `link` by which the push is answered, `data` holds it.
    """
    data = dict(push.body)
    kind = data.pop("type", "incident")
    if link:
        data["link"] = link
    return {"type": kind, "timestamp": rfc3339(push.at), "key": push.key, "data": data}
