"""The shipped nginx file before a real daemon: TLS, a browser's login and moves, and the live stream at once."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.street import DEPLOY
from tests.publisher import Outgoing, publish
from tests.running import TOKEN, Wanglou, hook, site
from tests.servers import HOST, Mosquitto, Server, binary, mosquitto

pytestmark = pytest.mark.live


class Nginx(Server):
    """nginx on deploy/nginx/wanglou.conf; exchanged are ports and the place of the certificate."""

    def __init__(self, folder: Path, daemon: int) -> None:
        self.daemon = daemon
        super().__init__(folder)
        for arguments in (("authority",), ("server", "localhost")):
            subprocess.run([DEPLOY / "certificates.sh", folder / "tls", *arguments], check=True, capture_output=True)

    def command(self) -> list[str]:
        text = (DEPLOY / "nginx" / "wanglou.conf").read_text("utf-8")
        for shipped, here in {
            "listen 443 ssl;": f"listen {HOST}:{self.port} ssl;",
            "http://127.0.0.1:8119;": f"http://{HOST}:{self.daemon};",
            "/etc/nginx/wanglou/fullchain.pem": str(self.folder / "tls" / "server.pem"),
            "/etc/nginx/wanglou/privkey.pem": str(self.folder / "tls" / "server.key"),
        }.items():
            assert shipped in text
            text = text.replace(shipped, here)
        folders = "".join(
            f"{kind}_temp_path {self.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;\n" if os.geteuid() == 0 else ""
        file = self.folder / "nginx.conf"
        file.write_text(
            f"{user}daemon off;\npid {self.folder}/pid;\nerror_log stderr;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{folders}{text}}}\n",
            "utf-8",
        )
        return [binary("nginx", "nginx"), "-e", "stderr", "-c", str(file)]

    def ready(self) -> bool:
        try:
            connection = self.connect()
            connection.connect()
            connection.close()
        except OSError:
            return False
        return True

    def connect(self) -> http.client.HTTPSConnection:
        """A browser's connection, which believes our authority only."""
        context = ssl.create_default_context(cafile=str(self.folder / "tls" / "ca.pem"))
        return http.client.HTTPSConnection("localhost", self.port, timeout=20, context=context)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nginx, Mosquitto]]:
    folder = tmp_path_factory.mktemp("proxy")
    with mosquitto(folder) as broker, hook() as heard:
        config = site(folder / "site", mqtt=broker.port, webhook=heard.url)
        with Wanglou(config) as daemon, Nginx(folder / "nginx", daemon.port) as proxy:
            yield proxy, broker


def ask(proxy: Nginx, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = proxy.connect()
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def logged_in(proxy: Nginx) -> dict[str, str]:
    """The headers that a browser of the page sends from then on."""
    origin = f"https://localhost:{proxy.port}"
    status, headers, text = ask(proxy, "POST", "/api/v1/session", {"token": TOKEN}, Origin=origin)
    assert status in (200, 201, 204), text
    cookie = headers["Set-Cookie"]
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    return {"Cookie": cookie.partition(";")[0], "Origin": origin}


def test_a_browser_logs_in_over_tls_and_only_from_the_pages_own_origin(behind: tuple[Nginx, Mosquitto]) -> None:
    proxy, _ = behind
    browser = logged_in(proxy)
    assert ask(proxy, "GET", "/api/v1/incidents")[0] == 401
    status, headers, _ = ask(proxy, "GET", "/api/v1/incidents", **browser)
    assert status == 200
    assert headers["Strict-Transport-Security"]
    foreign = {**browser, "Origin": "https://elsewhere.example"}
    assert ask(proxy, "POST", "/api/v1/incidents/inc-1/acknowledge", {"by": "x"}, **foreign)[0] == 403
    assert ask(proxy, "POST", "/api/v1/incidents/inc-1/acknowledge", {"by": "x"}, **browser)[0] == 404


def test_the_live_stream_comes_at_once(behind: tuple[Nginx, Mosquitto]) -> None:
    proxy, broker = behind
    connection = proxy.connect()
    try:
        connection.request("GET", "/api/v1/stream", headers=logged_in(proxy))
        response = connection.getresponse()
        assert response.status == 200
        assert response.getheader("Content-Type", "").startswith("text/event-stream")
        assert response.readline().startswith(b"retry:"), "the beginning comes before anything has happened"
        publish(broker.port, [Outgoing("wl/site0/smoke-1/up", b'{"smoke_density": 2.5}')])
        while not (line := response.readline()).startswith(b"data:"):
            assert line, "the stream ended"
        assert b"inc-" in line
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_what_is_for_this_machine_is_not_told_outside(behind: tuple[Nginx, Mosquitto], path: str) -> None:
    assert ask(behind[0], "GET", path, Authorization=f"Bearer {TOKEN}")[0] == 404
    assert ask(behind[0], "GET", "/healthz")[0] == 200
