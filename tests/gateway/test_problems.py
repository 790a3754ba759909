"""What is refused without a look at Triton, and what Triton's troubles look like outside."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from deckwatch_gateway.app import create_app
from deckwatch_gateway.settings import Settings

from .conftest import HungTriton, Running, wait_for


def test_unknown_address(without_triton: Running) -> None:
    answer = without_triton.caller.get("/fish/secret")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_a_slash_too_many_is_not_redirected(without_triton: Running, jpeg: bytes) -> None:
    assert without_triton.caller.post("/classifyfish/", content=jpeg).status_code == 404


def test_wrong_method(without_triton: Running) -> None:
    answer = without_triton.caller.get("/classifyfish")
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"


def test_invalid_parameter(without_triton: Running, jpeg: bytes) -> None:
    answer = without_triton.caller.post("/classifyfish?verbose=perhaps", content=jpeg)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameters")
    assert answer.json()["errors"][0]["name"] == "verbose"


@pytest.mark.parametrize("path", ["/classifyfish", "/v1/classify"])
@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "empty-image"),
        (b"Dear captain,\nplease find attached", 415, "unsupported-format"),
        (b"\xff\xd8\xff\xe0\x00", 422, "broken-image"),
    ],
)
def test_pictures_refused_by_their_first_bytes(
    without_triton: Running, path: str, content: bytes, status: int, code: str
) -> None:
    answer = without_triton.caller.post(path, content=content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_bomb_costs_nothing(without_triton: Running, png_bomb: bytes) -> None:
    answer = without_triton.caller.post("/v1/classify", content=png_bomb)
    assert (answer.status_code, answer.json()["code"]) == (422, "too-many-pixels")
    assert without_triton.caller.metric("stage_seconds_count", stage="triton") == 0


def test_a_malformed_form(without_triton: Running) -> None:
    answer = without_triton.caller.post("/v1/classify", files={"a": b"1", "b": b"2"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-form")


def test_triton_is_away(without_triton: Running, jpeg: bytes) -> None:
    answer = without_triton.caller.post("/v1/classify", content=jpeg)
    assert (answer.status_code, answer.json()["code"]) == (503, "server-unavailable")
    labels = {"route": "/v1/classify", "code": "server-unavailable"}
    assert without_triton.caller.metric("problems_total", **labels) == 1


def test_not_ready_without_triton(without_triton: Running) -> None:
    answer = without_triton.caller.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not-ready")
    assert without_triton.caller.get("/healthz").status_code == 200


def test_triton_takes_too_long(
    start_gateway: Callable[..., Running], hung_triton: HungTriton, jpeg: bytes
) -> None:
    gateway = start_gateway(triton=hung_triton.address, triton_timeout_s=0.3)
    answer = gateway.caller.post("/v1/classify", content=jpeg, headers={"X-Request-ID": "late-1"})
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline-exceeded")
    wait_for(lambda: "late-1" in hung_triton.given_up)


def test_ready_to_triton_is_not_ready_for_pictures(
    start_gateway: Callable[..., Running], hung_triton: HungTriton
) -> None:
    gateway = start_gateway(triton=hung_triton.address, triton_timeout_s=0.3)
    assert gateway.caller.get("/readyz").status_code == 503


def test_more_pictures_than_allowed_are_refused_at_once(
    start_gateway: Callable[..., Running], hung_triton: HungTriton, jpeg: bytes
) -> None:
    gateway = start_gateway(
        triton=hung_triton.address,
        triton_timeout_s=3,
        max_in_flight=2,
        max_queued=0,
        retry_after_s=7,
    )
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(gateway.caller.post, "/classifyfish", content=jpeg) for _ in range(2)]
        wait_for(lambda: gateway.caller.metric("in_flight") == 2)
        refused = gateway.caller.post("/classifyfish", content=jpeg)
        assert (refused.status_code, refused.json()["code"]) == (503, "server-overloaded")
        assert refused.headers["retry-after"] == "7"
        assert [one.result().status_code for one in slow] == [504, 504]
    assert gateway.caller.metric("in_flight") == 0


def test_the_call_to_triton_ends_when_the_caller_hangs_up(
    start_gateway: Callable[..., Running], hung_triton: HungTriton, jpeg: bytes
) -> None:
    gateway = start_gateway(triton=hung_triton.address, triton_timeout_s=60)
    with gateway.raw() as bare:
        bare.sendall(
            b"POST /classifyfish HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: impatient\r\n"
            + f"Content-Length: {len(jpeg)}\r\n\r\n".encode()
            + jpeg
        )
        wait_for(lambda: "impatient" in hung_triton.asked)
    wait_for(lambda: "impatient" in hung_triton.given_up)
    wait_for(lambda: gateway.caller.metric("in_flight") == 0)


def test_what_hangs_at_the_stop_is_told_so(
    start_gateway: Callable[..., Running], hung_triton: HungTriton, jpeg: bytes
) -> None:
    gateway = start_gateway(triton=hung_triton.address, triton_timeout_s=60, shutdown_timeout_s=0.3)
    gateway.caller.get("/openapi.json")  # nobody answers that any more when it is held against it
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(gateway.caller.post, "/classifyfish", content=jpeg)
        wait_for(lambda: len(hung_triton.asked) >= 2)  # the warm-up is the other
        gateway.server.stop()
        answer = hanging.result()
    assert (answer.status_code, answer.json()["code"]) == (503, "shutting-down")


def test_request_ids(without_triton: Running) -> None:
    def answered(given: str) -> str:
        answer = without_triton.caller.get("/", headers={"X-Request-ID": given})
        return str(answer.headers["x-request-id"])

    assert answered("trip-12.image_7") == "trip-12.image_7"
    for insane in ("two words", "a" * 129, "<script>", '{"a": 1}'):
        assert re.fullmatch(r"[0-9a-f]{32}", answered(insane))
    plain = without_triton.caller.get("/").headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", plain)


def test_a_fault_of_ours_shows_nothing_of_itself(nowhere: str, jpeg: bytes) -> None:
    """An application whose start was left out fails at its first picture, and stays polite."""
    app = create_app(Settings(triton=nowhere))

    async def ask() -> httpx2.Response:
        transport: Any = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as caller:
            return await caller.post("/classifyfish", content=jpeg)

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert "parts" not in answer.text
