"""When a gateway is ready, before one Triton and before several."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import httpx2
import pytest

from tests.client.tritons import Triton, serving

from .conftest import DEADLINE_S, Running, wait_for


@pytest.fixture
def tritons() -> Iterator[list[Triton]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving(Triton())) for _ in range(2)]


@pytest.fixture
def several(start_gateway: Callable[..., Running], tritons: list[Triton]) -> Running:
    """A gateway before two Tritons, both in service."""
    running = start_gateway(triton=",".join(each.address for each in tritons))
    wait_for(lambda: up(running, tritons) == [1, 1])
    return running


def up(gateway: Running, tritons: list[Triton]) -> list[float]:
    return [gateway.caller.metric("server_up", server=each.host) for each in tritons]


def status(gateway: Running) -> int:
    return gateway.caller.get("/readyz").status_code


def test_ready_while_one_of_several_is(several: Running, tritons: list[Triton]) -> None:
    assert status(several) == 200
    tritons[0].die()
    assert status(several) == 200
    tritons[1].die()
    wait_for(lambda: status(several) == 503)
    assert several.caller.metric("ready") == 0
    tritons[0].start()
    wait_for(lambda: status(several) == 200)
    assert several.caller.metric("ready") == 1


def test_no_caller_notices_that_a_server_dies_or_breaks(
    several: Running, tritons: list[Triton], jpeg: bytes
) -> None:
    stop = threading.Event()
    statuses: Counter[int] = Counter()

    def ask() -> None:
        with httpx2.Client(
            base_url=several.server.url, timeout=DEADLINE_S, trust_env=False
        ) as caller:
            while not stop.is_set():
                statuses[caller.post("/v1/classify", content=jpeg).status_code] += 1

    def answers(more: int) -> None:
        goal = statuses[200] + more
        wait_for(lambda: statuses[200] >= goal)

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            answers(40)
            tritons[0].die()
            answers(40)
            tritons[0].start()
            wait_for(lambda: up(several, tritons) == [1, 1])
            tritons[1].refusal = (grpc.StatusCode.INTERNAL, "Stub process is not healthy.")
            answers(40)
            wait_for(lambda: up(several, tritons) == [1, 0])
            tritons[1].refusal = None
            wait_for(lambda: up(several, tritons) == [1, 1])
            answers(40)
        finally:
            stop.set()
        for each in asking:
            each.result()
    assert set(statuses) == {200}
    assert several.caller.metric("server_retries_total") > 0
    assert several.caller.metric("server_in_flight", server=tritons[0].host) == 0


def test_during_a_rolling_swap_each_answer_has_the_labels_of_its_release(
    several: Running, tritons: list[Triton], jpeg: bytes
) -> None:
    tritons[1].answering, tritons[1].configured = [3], [3]
    seen = set()
    for _ in range(20):
        answer = several.caller.post("/v1/classify", content=jpeg).json()
        seen.add((answer["release"]["version"], answer["label"], tuple(answer["likelihoods"])))
        assert status(several) == 200
    assert seen == {(1, "SHARK", ("NoF", "SHARK")), (3, "RAY", ("NoF", "SHARK", "RAY"))}


def test_a_name_that_is_not_there_yet(start_gateway: Callable[..., Running], jpeg: bytes) -> None:
    """The gateway starts, waits and says so; .invalid never has an address (RFC 6761)."""
    gateway = start_gateway(triton="dns:///triton.invalid:8001")
    assert status(gateway) == 503
    answer = gateway.caller.post("/classifyfish", content=jpeg)
    assert (answer.status_code, answer.json()["code"]) == (503, "server-unavailable")


def test_a_server_that_calls_itself_ready_and_fails_is_not(
    start_gateway: Callable[..., Running], tritons: list[Triton], jpeg: bytes
) -> None:
    triton = tritons[0]
    gateway = start_gateway(triton=triton.address)
    wait_for(lambda: status(gateway) == 200)
    asked = triton.inferences
    assert status(gateway) == 200
    assert triton.inferences == asked, "one proof is enough while all goes well"

    def broken(number: int, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.INTERNAL, "Stub process 'fuse_0' is not healthy.")

    triton.before = broken
    assert status(gateway) == 200, "nobody knows yet"
    assert gateway.caller.post("/classifyfish", content=jpeg).status_code == 503
    assert status(gateway) == 503
    triton.before = lambda number, context: None
    assert status(gateway) == 200


def test_pictures_that_are_refused_cast_no_doubt(
    start_gateway: Callable[..., Running], tritons: list[Triton], jpeg: bytes
) -> None:
    triton = tritons[0]
    gateway = start_gateway(triton=triton.address)
    wait_for(lambda: status(gateway) == 200)
    triton.before = lambda number, context: context.abort(
        grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size"
    )
    assert gateway.caller.post("/classifyfish", content=jpeg).status_code == 503
    assert gateway.caller.post("/classifyfish", content=b"no picture").status_code == 415
    assert status(gateway) == 200
