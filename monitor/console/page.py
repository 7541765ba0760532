"""The web page's files, as the build left them, in memory: small, and no path of a request ever touches the disk.

Knows nothing of what is in them.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from aiohttp import web

_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".txt": "text/plain"}
"""What the machine's own table may not know, or know otherwise."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; "
    "media-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FOREVER = "public, max-age=31536000, immutable"
_WORTH_PACKING = 1024

NOT_BUILT = (
    "<!doctype html><html lang=zh-CN><meta charset=utf-8><title>望楼 Wanglou</title>"
    "<h1>页面尚未构建 The page is not built</h1><p>在源码目录运行 In the checkout, run: <code>make page</code></p>"
)


@dataclass(frozen=True, slots=True)
class File:
    """One file, ready to be sent."""

    body: bytes
    packed: bytes | None
    """The same in gzip, where that is smaller."""
    headers: Mapping[str, str]

    @classmethod
    def of(cls, path: str, body: bytes) -> File:
        """`path` as in the URL. Names under /assets/ hold a digest of their content, so they may be kept for ever."""
        suffix = path[path.rfind(".") :]
        kind = _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
        text = kind.startswith("text/") or kind.endswith(("json", "xml"))
        packed = gzip.compress(body, mtime=0) if text and len(body) > _WORTH_PACKING else None
        headers = {
            "Content-Type": f"{kind}; charset=utf-8" if text else kind,
            "Cache-Control": _FOREVER if path.startswith("/assets/") else "no-cache",
            "Content-Security-Policy": _POLICY,
            "ETag": f'"{hashlib.sha256(body).hexdigest()[:24]}"',
            "Vary": "Accept-Encoding",
        }
        return cls(body, packed, headers)


def load_page(folder: Traversable | None = None) -> dict[str, File]:
    """URL path → file, for `monitor/console/page/` or another folder. Before the first build, a word on how to build it."""
    found: dict[str, File] = {}
    _walk(folder or resources.files("monitor.console") / "page", "/", found)
    if "/index.html" in found:
        found["/"] = found.pop("/index.html")
    else:
        found = {"/": File.of("/index.html", NOT_BUILT.encode())}
    return found


def routes(files: Mapping[str, File]) -> list[web.RouteDef]:
    """A route for each file."""

    async def send(request: web.Request) -> web.StreamResponse:
        file = files[request.path]
        if request.headers.get("If-None-Match") == file.headers["ETag"]:
            return web.Response(status=304, headers=file.headers)
        if file.packed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=file.packed, headers={**file.headers, "Content-Encoding": "gzip"})
        return web.Response(body=file.body, headers=file.headers)

    return [web.get(path, send) for path in files]


def _walk(folder: Traversable, at: str, found: dict[str, File]) -> None:
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            _walk(entry, f"{at}{entry.name}/", found)
        else:
            found[at + entry.name] = File.of(at + entry.name, entry.read_bytes())
