"""The shipped nginx file before a real daemon: TLS, a browser's login and moves, the live stream at once, and what needs no login."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.console.reporting import FROM_ONE_PHONE
from monitor.links import Links
from monitor.photo import LARGEST
from tests.deploy.street import DEPLOY
from tests.monitor.test_photo import jpeg
from tests.publisher import Outgoing, publish
from tests.running import TOKEN, Hook, Wanglou, hook, site
from tests.servers import HOST, Mosquitto, Server, binary, free_port, mosquitto

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


URL = "https://localhost"


@pytest.fixture(scope="module")
def heard() -> Iterator[Hook]:
    """The station's webhook."""
    with hook() as listening:
        yield listening


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, heard: Hook) -> Iterator[tuple[Nginx, Mosquitto]]:
    folder = tmp_path_factory.mktemp("proxy")
    with mosquitto(folder) as broker:
        api = {"port": free_port(), "token": TOKEN, "public_url": URL}
        config = site(folder / "site", mqtt=broker.port, webhook=heard.url, api=api)
        with Wanglou(config) as daemon, Nginx(folder / "nginx", daemon.port) as proxy:
            yield proxy, broker


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Nginx]:
    """Before a daemon that is not there."""
    with Nginx(tmp_path / "nginx", free_port()) as proxy:
        yield proxy


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


# --- what needs no login ----------------------------------------------------------------------------------------------


def sent(proxy: Nginx, path: str, body: bytes, kind: str, pretended: str = "198.51.100.1") -> tuple[int, str]:
    """A form, as a phone posts it."""
    connection = proxy.connect()
    try:
        connection.request("POST", path, body, {"Content-Type": kind, "X-Forwarded-For": pretended})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def report(proxy: Nginx, photo: bytes = b"", pretended: str = "198.51.100.1") -> tuple[int, str]:
    """Somebody who stands in z0 sees smoke; from the address that they pretend."""
    path = Links(URL, TOKEN.encode(), lambda: 0).report_of("site0/z0").removeprefix(URL)
    parts = [b'--line\r\nContent-Disposition: form-data; name="kind"\r\n\r\nsmoke\r\n']
    if photo:
        head = b'--line\r\nContent-Disposition: form-data; name="photo"; filename="1.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        parts.append(head + photo + b"\r\n")
    return sent(proxy, path, b"".join(parts) + b"--line--\r\n", "multipart/form-data; boundary=line", pretended)


def test_the_link_of_a_call_acknowledges_and_is_in_no_log(behind: tuple[Nginx, Mosquitto], heard: Hook) -> None:
    proxy, broker = behind
    publish(broker.port, [Outgoing("wl/site0/smoke-1/up", b'{"smoke_density": 2.5}')])
    heard.wait_for(lambda _: heard.dispatched())
    link = next(body["data"]["link"] for body in heard.bodies if body["type"] == "incident.dispatch")
    assert link.startswith(f"{URL}/a/")
    path = link.removeprefix(URL)
    status, headers, page = ask(proxy, "GET", path)
    assert (status, "verb" in page.decode()) == (200, True)
    assert headers["Strict-Transport-Security"]
    status, text = sent(proxy, path, b"verb=acknowledge", "application/x-www-form-urlencoded")
    assert (status, "已接警" in text) == (200, True)
    written = [file for file in proxy.folder.rglob("*") if file.is_file() and path.encode() in file.read_bytes()]
    assert written == []


def test_a_report_comes_through_with_its_photo_and_one_address_cannot_pretend_to_be_many(
    behind: tuple[Nginx, Mosquitto],
) -> None:
    proxy, _ = behind
    status, text = report(proxy, jpeg())
    assert (status, "已收到" in text, "照片" in text) == (200, True, False)
    status, text = report(proxy, jpeg(after=bytes(3 * LARGEST)))
    assert (status, "已收到" in text, "照片未保存" in text) == (200, True, True), "a photo never costs a report"
    for n in range(2, FROM_ONE_PHONE):
        assert report(proxy, pretended=f"203.0.113.{n}")[0] == 200
    status, text = report(proxy, pretended="203.0.113.99")
    assert (status, "119" in text, "上报过于频繁" in text) == (429, True, True)


def test_whoever_is_refused_before_the_daemon_hears_of_it_is_told_to_call_119(alone: Nginx) -> None:
    for path in ("/a/x", "/r/x"):
        status, headers, page = ask(alone, "GET", path)
        assert (status, headers["Content-Type"], b"tel:119" in page) == (502, "text/html; charset=utf-8", True)
    status, text = report(alone, bytes(51 * 1024 * 1024))
    assert (status, "tel:119" in text) == (413, True)
    assert b"119" not in ask(alone, "GET", "/")[2]


def test_a_link_that_is_hammered_is_slowed_down(alone: Nginx) -> None:
    connection = alone.connect()
    answers: list[tuple[int, bytes]] = []
    # Twenty a second are let through, a hundred at once: two thousand in a row come faster on any machine.
    while len(answers) < 2000 and (not answers or answers[-1][0] != 429):
        connection.request("GET", "/a/x")
        response = connection.getresponse()
        answers.append((response.status, response.read()))
    connection.close()
    assert len(answers) > 100
    assert (answers[-1][0], b"tel:119" in answers[-1][1]) == (429, True)
