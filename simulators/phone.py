"""The phones of the micro fire station: the station's takes webhooks, those of its people short messages; each is one line.

Knows the wire of docs/wire-format.md and checks its signature by itself; it is also the gateway to which short messages are posted, as
JSON with `key`, `name`, `text` and `link`, under the path /sms. Knows nothing of who sends.

    python -m simulators.phone --port 8120 --secret-file secret
"""

from __future__ import annotations

import argparse
import base64
import hmac
import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LARGEST = 256 * 1024
TOLERANCE_S = 300
CHINA_S = 8 * 3600
REMEMBERED = 10_000
"""Bytes of a body; seconds that a signature may be old (Standard Webhooks); UTC+8; keys that are kept to tell repetitions."""

_MARKS = {"FIRE": "🔥", "PREALARM": "⚠️ ", "SUPERVISORY": "👁 ", "FAULT": "🔧"}
_TYPES = {
    "incident.dispatch": "派单 DISPATCH",
    "incident.call": "再次呼叫 CALL",
    "incident.reinforce": "请增援 REINFORCE",
    "incident.handover": "移交 HANDOVER",
    "incident.warning": "即将超时 DUE SOON",
    "incident.flood": "大量报警 FLOOD",
    "incident.verify": "请核实 VERIFY",
    "incident.overdue": "超时 OVERDUE",
    "incident.update": "进展 UPDATE",
}


class Refused(Exception):
    """The request is not a webhook of ours; `status` is the answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def verify(headers: Mapping[str, str], body: bytes, secret: bytes, now_s: float) -> str:
    """The webhook's id, if the signature is right (HMAC-SHA256 over `id.timestamp.body`). Raises Refused."""
    key, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit()) or abs(now_s - int(stamp)) > TOLERANCE_S:
        raise Refused(401, "the timestamp is missing, or too old")
    expected = base64.b64encode(hmac.digest(secret, f"{key}.{stamp}.".encode() + body, "sha256")).decode()
    given = [
        part.removeprefix("v1,") for part in headers.get("webhook-signature", "").split() if part.startswith("v1,")
    ]
    if not any(hmac.compare_digest(one.encode(), expected.encode()) for one in given):
        raise Refused(401, "the signature is wrong")
    return key


def line(body: bytes) -> str:
    """What the person with the phone reads. Raises Refused for anything that is not a push."""
    try:
        push: Any = json.loads(body)
        incident = push["data"]["incident"]
        title, place = incident["title"], incident.get("zone_name") or {"zh": "系统", "en": "system"}
        moment = datetime.fromisoformat(push["timestamp"]).strftime("%H:%M:%S")
        kind, about = str(incident["kind"]), _TYPES.get(push["type"], str(push["type"]))
        words = f"{title['zh']} {title['en']} · {place['zh']} {place['en']}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(400, f"not a push: {error}") from None
    advice, link = push["data"].get("advice"), push["data"].get("link")
    drill = "【演习】[DRILL] " if incident.get("exercise") else ""
    shown = f"{moment}  📟 {about}  {drill}{_MARKS.get(kind, '')}{kind}  {words}"
    return shown + (f"\n          → {advice['zh']}" if advice else "") + _tap(link)


def _tap(link: object) -> str:
    """A line with what is tapped to acknowledge, where there is such a link."""
    return f"\n          👆 一键接警 acknowledge: {link}" if link else ""


class Phone:
    """Rings once for each webhook, however often it comes."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._seen: dict[str, None] = {}
        self._lock = threading.Lock()

    def hear(self, headers: Mapping[str, str], body: bytes, now_s: float) -> str | None:
        """A webhook's line to show; None for a repetition. Raises Refused."""
        key = verify(headers, body, self._secret, now_s)
        return self._once(key, line(body))

    def read(self, headers: Mapping[str, str], body: bytes, now_s: float) -> str | None:
        """A short message's line to show; None for a repetition. Raises Refused."""
        written = "whsec_" + base64.b64encode(self._secret).decode()
        if not hmac.compare_digest(headers.get("x-gateway-key", "").encode(), written.encode()):
            raise Refused(401, "the gateway's key is wrong")
        try:
            message: Any = json.loads(body)
            key, name, words = (str(message[field]) for field in ("key", "name", "text"))
            link = str(message.get("link", ""))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Refused(400, f"not a short message: {error}") from None
        moment = time.strftime("%H:%M:%S", time.gmtime(now_s + CHINA_S))
        return self._once(key, f"{moment}  📱 {name}  {words}{_tap(link)}")

    def _once(self, key: str, text: str) -> str | None:
        with self._lock:
            if key in self._seen:
                return None
            self._seen[key] = None
            if len(self._seen) > REMEMBERED:
                del self._seen[next(iter(self._seen))]
        return text


def server(phone: Phone, port: int) -> ThreadingHTTPServer:
    """The phone's ear on 127.0.0.1."""

    class Ear(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length > LARGEST:
                self.send_error(413)
                return
            try:
                ear = phone.read if self.path == "/sms" else phone.hear
                text = ear(self.headers, self.rfile.read(length), time.time())  # type: ignore[arg-type]
                if text is not None:
                    sys.stdout.write(text + "\n")
                    sys.stdout.flush()
                status = 204
            except Refused as refused:
                sys.stderr.write(f"refused: {refused}\n")
                status = refused.status
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Only what rings is shown."""

    listening = ThreadingHTTPServer(("127.0.0.1", port), Ear)
    listening.daemon_threads = True
    return listening


def main(arguments: Sequence[str] | None = None) -> int:
    """Listen until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m simulators.phone", description="The micro fire station's phone.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secret-file", type=Path, required=True, help="holds whsec_… as in the site file")
    asked = parser.parse_args(arguments)
    try:
        secret = base64.b64decode(asked.secret_file.read_text("utf-8").strip().removeprefix("whsec_"), validate=True)
        listening = server(Phone(secret), asked.port)
    except (OSError, ValueError) as error:
        parser.error(f"{asked.secret_file} or port {asked.port}: {error}")
    try:
        listening.serve_forever()
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
