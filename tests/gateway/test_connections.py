"""Connections: how many, from where, and for how long an answer waits to be read."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from deckwatch_gateway.admission_metrics import AdmissionMetrics
from deckwatch_gateway.connections import OTHER_FILES, Connections, allow_files
from deckwatch_gateway.proxies import parse_networks

from .conftest import DEADLINE_S, Running, read_answer, wait_for

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass(eq=False)
class Fake:
    peer: str
    idle: bool = False
    closed: bool = False

    def close_idle(self) -> None:
        self.closed = True


def make(most: int, per_address: int, trusted: str = "") -> Connections:
    return Connections(
        most=most,
        per_address=per_address,
        trusted=parse_networks(trusted),
        metrics=AdmissionMetrics(CollectorRegistry()),
    )


def test_so_many_in_all() -> None:
    connections = make(3, 3)
    first, *others = (Fake(f"192.0.2.{number}") for number in range(4))
    assert all(connections.add(each) for each in (first, *others[:2]))
    assert not connections.add(others[2])
    connections.remove(first)
    connections.remove(first)
    assert connections.add(others[2])


def test_an_idle_one_makes_room() -> None:
    connections = make(3, 3)
    busy, idle, idle_too = Fake("192.0.2.1"), Fake("192.0.2.2", True), Fake("192.0.2.3", True)
    for each in (busy, idle, idle_too):
        connections.add(each)
    assert connections.add(Fake("192.0.2.4"))
    assert (busy.closed, idle.closed, idle_too.closed) == (False, True, False)
    connections.remove(idle)  # as its end is told later


def test_so_many_from_one_address() -> None:
    connections = make(100, 2)
    stranger = Fake("192.0.2.1", True)
    assert connections.add(stranger)
    own = [Fake("2001:db8::1"), Fake("2001:db8::2")]
    assert all(connections.add(each) for each in own)
    assert not connections.add(Fake("2001:db8::3")), "the same /64"
    assert connections.add(Fake("2001:db8:1::1"))
    own[1].idle = True
    assert connections.add(Fake("2001:db8::3"))
    assert own[1].closed
    assert not stranger.closed


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.1.1.1", "::ffff:10.1.1.1", ""])
def test_behind_these_everybody_may_be(peer: str) -> None:
    connections = make(100, 2, trusted="10.0.0.0/8")
    assert all(connections.add(Fake(peer)) for _ in range(50))


def test_one_too_many_is_told_so(start_gateway: Callable[..., Running], nowhere: str) -> None:
    gateway = start_gateway(triton=nowhere, max_connections=3)
    with ExitStack() as stack:
        busy = [stack.enter_context(gateway.raw()) for _ in range(3)]
        for bare in busy:  # connected for sure: half a request is there
            bare.sendall(GET[:10])
        with gateway.raw() as fourth:
            status, headers, body = read_answer(fourth)
        assert (status, body["code"]) == (503, "too-many-connections")
        assert headers["retry-after"] == "1"
        assert headers["x-frame-options"] == "DENY"
        for bare in busy:
            bare.sendall(GET[10:])
            assert read_answer(bare)[0] == 200
        # Now they are idle, and make room.
        with gateway.raw() as fourth:
            fourth.sendall(GET)
            assert read_answer(fourth)[0] == 200
        assert busy[0].recv(1) == b""
    wait_for(lambda: gateway.caller.get("/healthz").status_code == 200)
    assert gateway.caller.metric("limited_total", by="connections") == 1


def test_an_answer_that_nobody_reads_is_dropped(
    start_gateway: Callable[..., Running], nowhere: str
) -> None:
    """Requests, whose answers fill every buffer there is; none of them is read."""
    gateway = start_gateway(triton=nowhere, body_timeout_s=1.0)
    state = gateway.server.server_state
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.settimeout(DEADLINE_S)
        lazy.connect((gateway.server.host, gateway.server.port))
        for sent in range(10_000):
            lazy.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
            end = time.monotonic() + 0.5
            while state.total_requests <= sent and time.monotonic() < end:
                time.sleep(0.0005)
            if state.total_requests <= sent:
                break  # the answer before is not taken off its hands
        wait_for(lambda: not state.connections)
    wait_for(lambda: gateway.caller.metric("requests_open") == 1)


def test_requests_without_end_on_one_connection(
    start_gateway: Callable[..., Running], nowhere: str
) -> None:
    gateway = start_gateway(triton=nowhere)
    with gateway.raw() as bare:
        bare.sendall(GET * 20)
        received = b""
        while received.count(b"alive") < 20:
            received += bare.recv(65536)
    before = gateway.server.server_state.total_requests
    with gateway.raw() as flood, pytest.raises((ConnectionResetError, BrokenPipeError)):
        _send_for_ever(flood)
    wait_for(lambda: gateway.caller.metric("requests_open") == 1)
    assert gateway.server.server_state.total_requests < before + 1000


def _send_for_ever(flood: socket.socket) -> None:
    while True:
        flood.sendall(GET * 1000)


def test_as_many_files_as_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = 1000 + OTHER_FILES
    given: list[tuple[int, int]] = []
    limits = (1024, 4096)
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: given.append(both))
    with capture_logs() as lines:
        allow_files(1000)
        limits = (1024, resource.RLIM_INFINITY)
        allow_files(1000)
        limits = (wanted, 4096)
        allow_files(1000)
        limits = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        allow_files(1000)
    assert given == [(wanted, 4096), (wanted, resource.RLIM_INFINITY)]
    assert not lines
    limits = (1024, 1100)
    with capture_logs() as lines:
        allow_files(1000)
    assert given[-1] == (1100, 1100)
    assert "ulimit" in lines[0]["event"]
