"""HTTPS: real handshakes before, during and after a change of the certificate."""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from structlog.testing import capture_logs

from deckwatch_gateway.server import GatewayServer
from deckwatch_gateway.settings import Settings, read_settings
from deckwatch_gateway.tls import Certificate
from deckwatch_vision.errors import UsageError

from .conftest import DEADLINE_S, Running, running_gateway, wait_for


class Files:
    """Certificates of one authority, written where a gateway reads them."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.cert, self.key = folder / "tls.crt", folder / "tls.key"

    def issue(self) -> trustme.LeafCert:
        return self.authority.issue_cert("localhost", "127.0.0.1")

    def write(self, issued: trustme.LeafCert) -> None:
        self.cert.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())

    @property
    def settings(self) -> dict[str, Any]:
        return {"tls_cert": self.cert, "tls_key": self.key}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    made.write(made.issue())
    return made


@pytest.fixture
def server(files: Files, nowhere: str) -> Iterator[GatewayServer]:
    with running_gateway(triton=nowhere, **files.settings) as running:
        yield running.server


@contextmanager
def connected(
    server: GatewayServer, files: Files, version: ssl.TLSVersion | None = None
) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context()
    files.authority.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if version is not None:
        context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection((server.host, server.port), DEADLINE_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        yield secure


def ask(secure: ssl.SSLSocket) -> tuple[int, str]:
    """Status and headers of a request; its body is read."""
    secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    stream = secure.makefile("rb")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += stream.readline()
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    assert json.loads(stream.read(length)) == {"status": "alive"}
    return int(head.split()[1]), head.decode().lower()


def served(server: GatewayServer, files: Files) -> bytes | None:
    """The certificate that a new connection is shown."""
    with connected(server, files) as secure:
        assert ask(secure)[0] == 200
        return secure.getpeercert(binary_form=True)


def test_serves_https(server: GatewayServer, files: Files) -> None:
    assert server.url.startswith("https://")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with connected(server, files, version) as secure:
            status, headers = ask(secure)
            assert secure.selected_alpn_protocol() == "http/1.1"
        assert status == 200
        assert "strict-transport-security: max-age=" in headers


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_refuses_what_is_older_than_tls_1_2(server: GatewayServer, files: Files) -> None:
    with pytest.raises(ssl.SSLError), connected(server, files, ssl.TLSVersion.TLSv1_1):
        pass


def test_plain_http_gets_nothing(server: GatewayServer) -> None:
    with socket.create_connection((server.host, server.port), DEADLINE_S) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"alive" not in plain.recv(1000)


def test_a_handshake_that_does_not_end_is_given_up(
    start_gateway: Callable[..., Running], files: Files, nowhere: str
) -> None:
    with running_gateway(triton=nowhere, header_timeout_s=0.3, **files.settings) as running:
        address = (running.server.host, running.server.port)
        with socket.create_connection(address, DEADLINE_S) as silent:
            assert silent.recv(1) == b""


def test_a_new_certificate_is_served_and_old_connections_stay(
    server: GatewayServer, files: Files
) -> None:
    before = served(server, files)
    with connected(server, files) as old:
        assert ask(old)[0] == 200
        files.write(files.issue())
        wait_for(lambda: served(server, files) != before)
        assert ask(old)[0] == 200
        assert old.getpeercert(binary_form=True) == before


def test_a_pair_that_does_not_match_is_not_served(server: GatewayServer, files: Files) -> None:
    before = served(server, files)
    new = files.issue()
    with capture_logs() as lines:
        files.cert.write_bytes(new.cert_chain_pems[0].bytes())
        wait_for(lambda: any(line["log_level"] == "error" for line in lines))
        assert served(server, files) == before
        files.key.write_bytes(new.private_key_pem.bytes())
        wait_for(lambda: served(server, files) != before)
    assert "PRIVATE KEY" not in str(lines)
    errors = [line for line in lines if line["log_level"] == "error"]
    assert len(errors) == 1


def test_files_that_disappear_change_nothing(server: GatewayServer, files: Files) -> None:
    before = served(server, files)
    with capture_logs() as lines:
        files.key.unlink()
        wait_for(lambda: any(line["log_level"] == "error" for line in lines))
        assert served(server, files) == before


@pytest.mark.parametrize("fault", ["missing", "mixed up", "not PEM", "of another", "encrypted"])
def test_what_cannot_be_served_prevents_a_start(fault: str, files: Files) -> None:
    if fault == "missing":
        files.key.unlink()
    elif fault == "mixed up":
        files.cert, files.key = files.key, files.cert
    elif fault == "not PEM":
        files.cert.write_text("hello")
    elif fault == "of another":
        files.key.write_bytes(files.issue().private_key_pem.bytes())
    else:
        key = serialization.load_pem_private_key(files.key.read_bytes(), None)
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
        )
    with pytest.raises(UsageError, match="DECKWATCH_TLS_KEY="):
        GatewayServer(Settings(port=0, **files.settings))


def test_a_certificate_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_TLS_CERT", "/etc/tls.crt")
    with pytest.raises(UsageError, match="DECKWATCH_TLS_KEY belong together"):
        read_settings()


def test_files_that_stay_are_not_read_again(files: Files) -> None:
    for path in (files.cert, files.key):
        os.utime(path, (1e9, 1e9))
    certificate = Certificate(files.cert, files.key)
    with capture_logs() as lines:
        certificate._watched._next_look = 0.0
        certificate.refresh()
        assert not lines
        files.write(files.issue())
        certificate._watched._next_look = 0.0
        certificate.refresh()
    assert [line["event"] for line in lines] == ["certificate read again"]
