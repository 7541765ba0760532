"""QR codes of report links: one as SVG, or a sheet of labels to print and put up, one for each zone.

Knows neither keys nor settings: it is given links.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from html import escape

import segno

from rules.model import Zone

_STYLE = (
    "body{margin:0;font-family:'PingFang SC','Microsoft YaHei','Noto Sans CJK SC',sans-serif;color:#000;background:#fff}"
    "main{display:grid;grid-template-columns:1fr 1fr;gap:6mm;padding:8mm}"
    "section{border:1mm solid #c8231a;border-radius:3mm;padding:5mm;text-align:center;break-inside:avoid}"
    "h1{font-size:7mm;margin:0;color:#c8231a}h2{font-size:5.5mm;margin:2mm 0 0}p{font-size:3.6mm;margin:1mm 0}"
    "svg{width:52mm;height:52mm;margin:2mm 0}strong{font-size:5mm}@page{size:A4;margin:6mm}"
)


def qr_svg(url: str) -> str:
    """As an SVG element that scales; error correction M stands a scratch and a fold on a wall."""
    out = io.BytesIO()
    segno.make_qr(url, error="m").save(out, kind="svg", omitsize=True, xmldecl=False, nl=False, border=4, light="#fff")
    return out.getvalue().decode()


def printable(labels: Iterable[tuple[Zone, str]]) -> str:
    """An HTML page of labels, two beside each other on A4; nothing in it is loaded from elsewhere."""
    sections = "\n".join(_label(zone, url) for zone, url in labels)
    return (
        "<!doctype html><html lang=zh-CN><head><meta charset=utf-8><title>上报二维码 Report codes</title>"
        f"<style>{_STYLE}</style></head><body><main>\n{sections}\n</main></body></html>\n"
    )


def _label(zone: Zone, url: str) -> str:
    place = zone.place
    return (
        f"<section><h1>发现火情隐患 扫码上报</h1><p>See a danger? Scan and report.</p>{qr_svg(url)}"
        f"<h2>{escape(place.zh)}</h2><p>{escape(place.en)}</p>"
        "<p><strong>着火先打119 · In a fire call 119 first</strong></p></section>"
    )
