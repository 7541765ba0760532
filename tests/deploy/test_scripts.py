"""prepare.sh and certificates.sh: what they make, that they never overwrite it, and that nobody else may read it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.deploy.street import DEPLOY, prepared


def digests(folder: Path) -> dict[str, str]:
    """Every file, with its content and times."""
    return {
        str(file.relative_to(folder)): f"{hashlib.sha256(file.read_bytes()).hexdigest()} {file.stat().st_mtime_ns}"
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def certificates(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([DEPLOY / "certificates.sh", folder, *arguments], capture_output=True, text=True, check=False)


def openssl(*arguments: str | Path) -> str:
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


# --- prepare.sh -------------------------------------------------------------------------------------------------------


def test_preparing_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    street = prepared(tmp_path / "deploy")
    first = digests(tmp_path)
    assert prepared(tmp_path / "deploy", "another.example") == street
    assert digests(tmp_path) == first


def test_what_is_missing_is_made_and_the_rest_stays(tmp_path: Path) -> None:
    street = prepared(tmp_path / "deploy")
    before = digests(street)
    (street / "secrets" / "grafana-admin").unlink()
    prepared(tmp_path / "deploy")
    changed = {name for name, digest in digests(street).items() if before[name] != digest}
    assert changed == {"secrets/grafana-admin"}


def test_nobody_else_reads_what_was_made(tmp_path: Path) -> None:
    street = prepared(tmp_path / "deploy")
    # Certificates are public; they are world-readable inside folders that are not.
    files = [f for f in street.rglob("*") if f.is_file() and f.suffix != ".pem"]
    assert {oct(f.stat().st_mode & 0o777) for f in files} == {"0o600"}
    assert {oct(f.stat().st_mode & 0o777) for f in street.rglob("*") if f.is_dir()} == {"0o700"}
    assert street.stat().st_mode & 0o777 == 0o700


def test_the_containers_are_never_root_and_own_what_they_need(tmp_path: Path) -> None:
    street = prepared(tmp_path / "deploy")
    said = dict(line.split("=", 1) for line in (tmp_path / "deploy" / ".env").read_text().splitlines() if "=" in line)
    owner = int(said["WANGLOU_UID"])
    assert owner == (os.geteuid() or 10119)
    mounted = [street, street / "site.yaml", *(street / "secrets").iterdir(), *(street / "broker").iterdir()]
    assert {file.stat().st_uid for file in [*mounted, *(street / "data").iterdir()]} == {owner}


def test_secrets_are_long_and_all_different(tmp_path: Path) -> None:
    one, other = (prepared(tmp_path / name / "deploy") / "secrets" for name in ("one", "other"))
    secrets = [file.read_text() for folder in (one, other) for file in folder.iterdir()]
    assert len(set(secrets)) == len(secrets) >= 16
    assert min(map(len, secrets)) >= 48
    passwords = (one.parent / "broker" / "passwords").read_text()
    assert not any(secret in passwords for secret in secrets), "the broker's file holds hashes only"


# --- certificates.sh --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "authority"
    for arguments in (
        ("authority",),
        ("server", "broker.lake.example", "192.168.1.10", "fd00::10"),
        ("client", "gateway-1"),
    ):
        done = certificates(folder, *arguments)
        assert done.returncode == 0, done.stderr
    return folder


def test_the_server_is_good_for_its_names_and_for_serving_only(keys: Path) -> None:
    verify = ("verify", "-x509_strict", "-CAfile", keys / "ca.pem")
    server = keys / "server.pem"
    openssl(*verify, "-purpose", "sslserver", "-verify_hostname", "broker.lake.example", server)
    openssl(*verify, "-purpose", "sslserver", "-verify_ip", "192.168.1.10", server)
    openssl(*verify, "-purpose", "sslserver", "-verify_ip", "fd00::10", server)
    openssl(*verify, "-purpose", "sslclient", keys / "client-gateway-1.pem")
    for wrong in (
        ("-verify_hostname", "other.example", server),
        ("-purpose", "sslclient", server),
        ("-purpose", "sslserver", keys / "client-gateway-1.pem"),
    ):
        with pytest.raises(subprocess.CalledProcessError):
            openssl(*verify, *wrong)


def test_nothing_is_overwritten(keys: Path) -> None:
    before = digests(keys)
    for arguments in (("authority",), ("server", "other.example"), ("client", "gateway-1")):
        done = certificates(keys, *arguments)
        assert done.returncode == 2
        assert "is not overwritten" in done.stderr
    assert digests(keys) == before


def test_a_renewed_certificate_has_the_same_key_and_names_and_the_old_one_is_kept(keys: Path) -> None:
    old = (keys / "server.pem").read_bytes()
    names = openssl("x509", "-in", keys / "server.pem", "-noout", "-ext", "subjectAltName", "-pubkey")
    serial = openssl("x509", "-in", keys / "server.pem", "-noout", "-serial")
    done = certificates(keys, "renew", "server")
    assert done.returncode == 0, done.stderr
    assert openssl("x509", "-in", keys / "server.pem", "-noout", "-ext", "subjectAltName", "-pubkey") == names
    assert openssl("x509", "-in", keys / "server.pem", "-noout", "-serial") != serial
    openssl("verify", "-CAfile", keys / "ca.pem", keys / "server.pem")
    (kept,) = keys.glob("server.until-*.pem")
    assert kept.read_bytes() == old


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("server", "not a name"), "neither a host name nor an address"),
        (("renew", "server-of-somebody"), "nothing to renew"),
        (("server",), "certificates.sh FOLDER authority"),
        (("burn",), "certificates.sh FOLDER authority"),
    ],
)
def test_a_mistake_is_told_with_its_remedy(keys: Path, arguments: tuple[str, ...], told: str) -> None:
    done = certificates(keys, *arguments)
    assert done.returncode == 2
    assert told in done.stderr


def test_keys_are_their_owners_alone(keys: Path) -> None:
    assert {oct(f.stat().st_mode & 0o777) for f in keys.glob("*.key")} == {"0o600"}
