"""Ports: free ones are found, taken ones explained."""

from __future__ import annotations

import errno
import socket
import threading

import pytest

from deckwatch_serving.ports import LOOPBACK, _refusal, free_ports, require_free
from deckwatch_vision.errors import LauncherError


def test_free_ports_differ_and_are_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        require_free(LOOPBACK, port, "--port")


def test_a_taken_port_is_named_with_both_cures() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LauncherError) as caught:
            require_free(LOOPBACK, port, "--port")
    message = caught.value.message
    assert message.startswith(f"Port {port} of 127.0.0.1 is taken")
    assert "`--port PORT`" in message
    assert f"ss -ltnp 'sport = :{port}'" in message


def test_a_port_just_left_is_free() -> None:
    """Connections of a server that has just stopped linger in TIME_WAIT."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((LOOPBACK, 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection((LOOPBACK, port)), server.accept()[0] as accepted:
            accepted.shutdown(socket.SHUT_RDWR)
    require_free(LOOPBACK, port, "--port")


def test_a_restart_waits_for_the_server_before_it() -> None:
    server = socket.socket()
    server.bind((LOOPBACK, 0))
    server.listen()
    leaving = threading.Timer(0.3, server.close)
    leaving.start()
    require_free(LOOPBACK, server.getsockname()[1], "--port", wait_s=20.0)
    leaving.join()


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("203.0.113.7", 8080, "Give an address of this machine"),
        ("127.0.0.1", 70_000, "from 0 to 65535"),
        ("no such host.invalid", 8080, "Give an address of this machine"),
    ],
)
def test_what_cannot_be_listened_on(host: str, port: int, words: str) -> None:
    with pytest.raises(LauncherError, match=words):
        require_free(host, port, "--port")


def test_ports_that_need_rights() -> None:
    """Which ports these are differs from machine to machine, so nothing is bound here."""
    error = _refusal(LOOPBACK, 80, "--port", PermissionError(errno.EACCES, "no"))
    assert "Choose one from 1024 to 65535 with `--port PORT`" in error.message


def test_ports_of_ipv6() -> None:
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", 0))
        other.listen()
        with pytest.raises(LauncherError, match="of ::1 is taken"):
            require_free("::1", other.getsockname()[1], "--port")
