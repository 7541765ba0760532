"""The small pages behind links: one sheet of HTML, Chinese first, readable on any phone, without a script or a login.

Knows no incident and no zone; what comes from outside is escaped here.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape

from aiohttp import web

from rules.model import Text

_STYLE = """
:root{color-scheme:dark}
*{box-sizing:border-box}
body{margin:0 auto;max-width:34rem;padding:1rem 1rem 2rem;background:#0d1117;color:#eaf0f6;
font:1.125rem/1.45 -apple-system,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC","Noto Sans SC",system-ui,sans-serif;
overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25;margin:.4rem 0}
[lang=en]{display:block;color:#a3b3c4;font-size:.95rem}
p{margin:.5rem 0}
.kind{display:inline-block;padding:.15rem .7rem;border-radius:.4rem;font-weight:700;background:#33404f}
.FIRE{background:#d42c20}.PREALARM{background:#f28c28;color:#1c1204}.SUPERVISORY{background:#2468c8}
.FAULT{background:#d9bd45;color:#1c1704}
.drill{background:#6b3fa0}
.told{border-left:.4rem solid #4cc38a;background:#12382a;padding:.7rem .9rem;border-radius:.4rem}
.bad{border-color:#ff7b70;background:#4a1512}
.told [lang=en]{color:#d5e6dd}.bad [lang=en]{color:#f3d5d2}
ul{list-style:none;padding:0;margin:.8rem 0}
li{padding:.45rem 0;border-top:1px solid #33404f}
form{margin:1rem 0}
button,.call{display:block;width:100%;min-height:4.2rem;margin:.7rem 0;padding:.5rem;border:2px solid transparent;
border-radius:.7rem;font:inherit;font-size:1.35rem;font-weight:700;text-align:center;text-decoration:none;
background:#1f5fbf;color:#fff;cursor:pointer}
button [lang=en],.call [lang=en]{color:inherit;font-weight:400}
button.first{background:#0a6b42}
button.calm{background:#202a37;border-color:#55667a}
.call{background:#b3190e}
button:focus-visible,a:focus-visible,input:focus-visible,textarea:focus-visible{outline:3px solid #fff;outline-offset:2px}
label,legend{display:block;margin:.9rem 0 .3rem;font-weight:700}
fieldset{border:0;margin:0;padding:0}
.choice{display:flex;align-items:center;gap:.8rem;min-height:3.4rem;margin:.5rem 0;padding:.4rem .9rem;font-size:1.2rem;
border:2px solid #55667a;border-radius:.7rem;background:#161d27}
.choice:has(:checked){border-color:#7cb8ff;background:#1b2f4a}
.choice input{width:1.5rem;height:1.5rem;flex:none;margin:0}
textarea,input[type=text],input[type=tel],input[type=file]{width:100%;font:inherit;padding:.7rem;color:inherit;
background:#161d27;border:2px solid #55667a;border-radius:.7rem}
textarea{min-height:6rem}input[type=file]{min-height:4.2rem}
img{display:block;max-width:100%;margin:.5rem 0;border-radius:.4rem}
small{display:block;color:#a3b3c4;margin-top:1.2rem}
a{color:#7cb8ff}
.call{color:#fff}
"""
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    # With `no-referrer` browsers would hide from us that a form was sent from our own page.
    "Referrer-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}

CALL_119 = '<a class=call href="tel:119">☎ 拨打119<span lang=en>Call 119</span></a>'


def sheet(title: Text, *parts: str, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer of HTML: `title` for the browser's tab, `parts` are HTML already."""
    head = (
        f"<!doctype html><html lang=zh-CN><head><meta charset=utf-8><title>{escape(title.zh)} {escape(title.en)}</title>"
        '<meta name=viewport content="width=device-width,initial-scale=1"><meta name=format-detection content="telephone=no">'
        f"<style>{_STYLE}</style></head><body><main>"
    )
    html = head + "\n".join(parts) + "</main></body></html>"
    return web.Response(
        body=html.encode("utf-8", "replace"),
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers={**_HEADERS, **(headers or {})},
    )


def both(zh: str, en: str) -> str:
    """One thing said in both languages, escaped."""
    return f"{escape(zh)}<span lang=en>{escape(en)}</span>"


def told(zh: str, en: str, *, bad: bool = False) -> str:
    """What has just happened, set apart."""
    return f'<p class="told{" bad" if bad else ""}" role=status>{both(zh, en)}</p>'


def refusal(zh: str, en: str, status: int, *, wait: int = 0) -> web.Response:
    """Why this link does not help now, and that 119 always does. `wait`: seconds until it may."""
    headers = {"Retry-After": str(wait)} if wait else {}
    danger = f"<p>{both('有火情请直接拨打119。', 'If there is a fire, call 119.')}</p>"
    return sheet(Text(zh, en), told(zh, en, bad=True), danger, CALL_119, status=status, headers=headers)
