"""Bodies and headers beyond their limits are refused before memory is spent on them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from .conftest import HungTriton, Running, read_answer, wait_for

KIB = 1024
POST = b"POST /classifyfish HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def small(start_gateway: Callable[..., Running], nowhere: str) -> Running:
    """A gateway of small limits, which no test here passes on to Triton."""
    return start_gateway(
        triton=nowhere,
        max_body_bytes=64 * KIB,
        max_held_bytes=64 * KIB,
        body_timeout_s=0.5,
        header_timeout_s=0.5,
    )


def test_a_long_body_is_refused_by_its_length_alone(small: Running) -> None:
    with small.raw() as bare:
        bare.sendall(POST + b"Content-Length: 104857600\r\n\r\n")
        status, _, body = read_answer(bare)
    assert (status, body["code"]) == (413, "image-too-large")
    assert "104,857,600" in body["detail"]


def test_a_refused_body_is_not_asked_for(small: Running) -> None:
    with small.raw() as bare:
        bare.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 104857600\r\n\r\n")
        status, _, _ = read_answer(bare)
    assert status == 413  # and no "100 Continue" before it


def test_a_long_chunked_body_is_refused_on_the_way(small: Running) -> None:
    answer = small.caller.post("/classifyfish", content=(bytes(KIB) for _ in range(200)))
    assert answer.status_code == 413
    assert small.caller.metric("held_bytes") == 0


def test_the_connection_survives_an_early_refusal(small: Running) -> None:
    with small.raw() as bare:
        bare.sendall(POST + b"Content-Length: 200000\r\n\r\n")
        assert read_answer(bare)[0] == 413
        bare.sendall(bytes(200_000) + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answer(bare)[0] == 200


def test_the_rest_of_a_refused_body_is_not_read_for_ever(small: Running) -> None:
    with small.raw() as bare:
        bare.sendall(POST + b"Content-Length: 200000\r\n\r\n")
        assert read_answer(bare)[0] == 413
        assert bare.recv(1) == b""  # closed by the gateway


def test_a_slow_body_is_given_up(small: Running) -> None:
    with small.raw() as bare:
        bare.sendall(POST + b"Content-Length: 1000\r\n\r\nhalf of it")
        status, headers, body = read_answer(bare)
        assert (status, body["code"], headers["connection"]) == (408, "body-too-slow", "close")
        assert "10 bytes" in body["detail"]
        assert bare.recv(1) == b""
    assert small.caller.metric("held_bytes") == 0


def test_a_trickle_is_given_up_although_it_never_stops(small: Running) -> None:
    """One byte after the other: the time is for the whole body, not from byte to byte."""
    with small.raw() as bare:
        bare.sendall(POST + b"Content-Length: 60000\r\n\r\n")
        sender = threading.Thread(target=_trickle, args=(bare,))
        sender.start()
        status, headers, body = read_answer(bare)
        sender.join()
    assert (status, body["code"], headers["connection"]) == (408, "body-too-slow", "close")
    assert small.caller.metric("held_bytes") == 0


def test_a_caller_that_hangs_up_leaves_nothing_behind(
    start_gateway: Callable[..., Running], nowhere: str
) -> None:
    gateway = start_gateway(triton=nowhere)
    with gateway.raw() as bare:
        bare.sendall(POST + b"Content-Length: 100000\r\n\r\n" + bytes(50_000))
        wait_for(lambda: gateway.caller.metric("held_bytes") == 50_000)
    wait_for(lambda: gateway.caller.metric("held_bytes") == 0)
    labels = {"route": "/classifyfish", "method": "POST", "status": "499"}
    wait_for(lambda: gateway.caller.metric("requests_total", **labels) == 1)


def test_all_bodies_together_are_bounded(
    start_gateway: Callable[..., Running], nowhere: str
) -> None:
    gateway = start_gateway(triton=nowhere, max_body_bytes=64 * KIB, max_held_bytes=64 * KIB)
    with gateway.raw() as first:
        first.sendall(POST + b"Content-Length: 60000\r\n\r\n" + bytes(59_999))
        wait_for(lambda: gateway.caller.metric("held_bytes") == 59_999)
        answer = gateway.caller.post("/classifyfish", content=bytes(10_000))
        assert (answer.status_code, answer.json()["code"]) == (503, "server-overloaded")
        first.sendall(b"\0")
        assert read_answer(first)[0] == 415
    assert gateway.caller.metric("held_bytes") == 0


def test_headers_that_never_end_are_refused(small: Running) -> None:
    with small.raw() as bare:
        bare.sendall(b"GET / HTTP/1.1\r\nX-Long: ")
        sender = threading.Thread(target=_send_much, args=(bare,))
        sender.start()
        status, _, body = read_answer(bare)
        sender.join()
    assert (status, body["code"]) == (431, "headers-too-large")


def _send_much(bare: object) -> None:
    try:
        for _ in range(80):
            bare.sendall(b"a" * KIB)  # type: ignore[attr-defined]
    except OSError:
        pass  # it was closed in between, as it should be


def _trickle(bare: socket.socket) -> None:
    try:
        for _ in range(60_000):
            bare.sendall(b"a")
            time.sleep(0.01)
    except OSError:
        pass  # closed by the gateway, as it should be


@pytest.mark.parametrize("beginning", [b"", b"GET / HTTP/1.1\r\nHost:"])
def test_headers_that_do_not_come_close_the_connection(small: Running, beginning: bytes) -> None:
    with small.raw() as bare:
        bare.sendall(beginning)
        assert bare.recv(1) == b""


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01 this is TLS\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_http_gets_a_problem_too(small: Running, nonsense: bytes) -> None:
    with small.raw() as bare:
        bare.sendall(nonsense)
        status, headers, body = read_answer(bare)
    assert (status, body["code"]) == (400, "malformed-request")
    assert headers["x-request-id"] == body["instance"]


def test_after_all_that_it_still_answers(small: Running) -> None:
    assert small.caller.get("/healthz").json() == {"status": "alive"}


@pytest.fixture
def narrow(start_gateway: Callable[..., Running], hung_triton: HungTriton) -> Running:
    """A gateway with one turn at Triton and one place in the queue for it."""
    return start_gateway(
        triton=hung_triton.address, triton_timeout_s=60, max_in_flight=1, max_queued=1
    )


def _post(jpeg: bytes) -> bytes:
    return POST + f"Content-Length: {len(jpeg)}\r\n\r\n".encode() + jpeg


def test_a_full_queue_takes_no_bodies(narrow: Running, jpeg: bytes) -> None:
    with narrow.raw() as first, narrow.raw() as second:
        first.sendall(_post(jpeg))
        wait_for(lambda: narrow.caller.metric("in_flight") == 1)
        second.sendall(_post(jpeg))
        wait_for(lambda: narrow.caller.metric("queued") == 1)
        with narrow.raw() as third:
            third.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
            status, headers, body = read_answer(third)  # and no "100 Continue" before it
        assert (status, body["code"]) == (503, "server-overloaded")
        assert headers["retry-after"]
    assert narrow.caller.metric("shed_total", reason="full") == 1


def test_a_broken_picture_does_not_wait(narrow: Running, jpeg: bytes) -> None:
    with narrow.raw() as first:
        first.sendall(_post(jpeg))
        wait_for(lambda: narrow.caller.metric("in_flight") == 1)
        answer = narrow.caller.post("/classifyfish", content=b"no picture")
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-format")


def test_who_hangs_up_in_the_queue_gives_its_place_back(narrow: Running, jpeg: bytes) -> None:
    with narrow.raw() as first:
        first.sendall(_post(jpeg))
        wait_for(lambda: narrow.caller.metric("in_flight") == 1)
        with narrow.raw() as second:
            second.sendall(_post(jpeg))
            wait_for(lambda: narrow.caller.metric("queued") == 1)
        wait_for(lambda: narrow.caller.metric("queued") == 0)
        assert narrow.caller.metric("in_flight") == 1
    wait_for(lambda: narrow.caller.metric("in_flight") == 0)
