"""Several servers of Triton's protocol behind one client: they die, break, hang, come and go."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace

import grpc
import pytest

from deckwatch_client import AsyncClient, Client, Result
from deckwatch_client.replicas import Policy
from deckwatch_client.replicas_addresses import Addresses, parse_addresses
from deckwatch_client.replicas_async import AsyncReplicatedTriton
from deckwatch_client.replicas_sync import ReplicatedTriton
from deckwatch_vision.errors import (
    BrokenImage,
    DeadlineExceeded,
    EmptyImage,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
    to_wire,
)
from tests.client.tritons import Triton, serving

DEADLINE_S = 20.0
# So that a test need not wait for a second.
QUICK = Policy(first_probation_s=0.05, longest_probation_s=0.2)

Infer = Callable[[bytes], Result]
Told = list[tuple[str, bool]]


@pytest.fixture
def tritons() -> Iterator[list[Triton]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving(Triton())) for _ in range(2)]


def address(tritons: Sequence[Triton]) -> str:
    return ",".join(each.address for each in tritons)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


def patiently(client: ReplicatedTriton) -> Result:
    """The first answer, as soon as there is one."""
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            return client.infer(b"picture")
        except ServerUnavailable:
            assert time.monotonic() < end, "nobody came back"
            time.sleep(0.05)


@dataclass
class Several:
    """A client of either kind for several servers."""

    infer: Infer
    kind: str


@pytest.fixture(params=["sync", "async"])
def several(request: pytest.FixtureRequest, tritons: list[Triton]) -> Iterator[Several]:
    addresses = parse_addresses(address(tritons))
    if request.param == "sync":
        with ReplicatedTriton(addresses, policy=QUICK) as client:
            yield Several(client.infer, request.param)
        return
    with asyncio.Runner() as runner:

        async def opened() -> AsyncReplicatedTriton:
            return await AsyncReplicatedTriton(addresses, policy=QUICK).__aenter__()

        aclient = runner.run(opened())
        yield Several(lambda data: runner.run(aclient.infer(data)), request.param)
        runner.run(aclient.close())


def test_both_are_asked(several: Several, tritons: list[Triton]) -> None:
    for _ in range(40):
        assert several.infer(b"picture").label == "SHARK"
    assert all(each.inferences >= 15 for each in tritons)


def test_one_that_dies_is_not_noticed(several: Several, tritons: list[Triton]) -> None:
    for _ in range(10):
        several.infer(b"picture")
    tritons[0].die()
    for _ in range(40):
        several.infer(b"picture")


def test_one_that_is_away_from_the_start_is_not_noticed(
    several: Several, tritons: list[Triton]
) -> None:
    tritons[1].die()
    for _ in range(20):
        several.infer(b"picture")


def test_one_that_fails_every_second_picture_is_not_noticed(
    several: Several, tritons: list[Triton]
) -> None:
    """As where one of two instances of a step crashed."""

    def every_second(number: int, context: grpc.ServicerContext) -> None:
        if number % 2:
            context.abort(grpc.StatusCode.INTERNAL, "Stub process 'detect_0' is not healthy.")

    tritons[0].before = every_second
    for _ in range(60):
        several.infer(b"picture")
    assert tritons[1].inferences > 2 * tritons[0].inferences


def test_what_is_wrong_with_a_picture_is_not_tried_elsewhere(
    several: Several, tritons: list[Triton]
) -> None:
    for _ in range(4):
        several.infer(b"picture")
    for each in tritons:
        each.refusal = (grpc.StatusCode.INVALID_ARGUMENT, to_wire(BrokenImage("cut off")))
    before = sum(each.inferences for each in tritons)
    with pytest.raises(BrokenImage):
        several.infer(b"picture")
    with pytest.raises(EmptyImage):
        several.infer(b"")
    assert sum(each.inferences for each in tritons) == before + 1


@pytest.mark.parametrize(
    ("status", "text", "error", "attempts"),
    [
        (grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size", ServerOverloaded, 1),
        (grpc.StatusCode.UNAVAILABLE, "Request timeout expired", DeadlineExceeded, 1),
        (grpc.StatusCode.NOT_FOUND, "unknown model: 'deckwatch'", ServerUnavailable, 2),
        (grpc.StatusCode.INTERNAL, "it broke", ServerError, 2),
    ],
)
def test_where_all_fail_the_error_is_theirs(
    several: Several,
    tritons: list[Triton],
    status: grpc.StatusCode,
    text: str,
    error: type[ServerError],
    attempts: int,
) -> None:
    for _ in range(4):
        several.infer(b"picture")
    for each in tritons:
        each.refusal = (status, text)
    before = sum(each.inferences for each in tritons)
    with pytest.raises(error) as caught:
        several.infer(b"picture")
    assert type(caught.value) is error
    found = sum(each.inferences for each in tritons) - before
    # An ejected replica may be probed meanwhile.
    assert found == attempts or (several.kind == "async" and found >= attempts)
    for each in tritons:
        each.refusal = None
    assert several.infer(b"picture").label == "SHARK", "all out, asked all the same"


def test_during_a_rolling_swap_every_answer_has_the_labels_of_its_release(
    several: Several, tritons: list[Triton]
) -> None:
    """Version 2 has the same classes in another order; every answer's last one is the likeliest."""
    tritons[1].answering, tritons[1].configured = [2], [2]
    results = [several.infer(b"picture") for _ in range(30)]
    assert {(each.release.version, each.label) for each in results} == {(1, "SHARK"), (2, "NoF")}


def test_the_commands_and_the_library_take_a_list(tritons: list[Triton]) -> None:
    tritons[0].die()
    with Client(address(tritons)) as client:
        assert client.classify(b"picture").label == "SHARK"

    async def one() -> str:
        async with AsyncClient(address(tritons)) as client:
            return (await client.classify(b"picture")).label

    assert asyncio.run(one()) == "SHARK"


def test_threads_share_a_client_while_servers_die_and_return(tritons: list[Triton]) -> None:
    stop = threading.Event()

    def ask(client: ReplicatedTriton) -> int:
        count = 0
        while not stop.is_set():
            assert client.infer(b"picture").label == "SHARK"
            count += 1
        return count

    with (
        ReplicatedTriton(parse_addresses(address(tritons)), policy=QUICK) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        asking = [pool.submit(ask, client) for _ in range(4)]
        try:
            for each in (tritons[0], tritons[1]):
                each.die()
                each.inferences = 0
                time.sleep(0.3)
                each.start()
                # A probe that is lost while the server starts costs half of a call's time.
                end = time.monotonic() + 3 * DEADLINE_S
                while not each.inferences:
                    assert time.monotonic() < end, "it did not come back into service"
                    for asked in asking:
                        if asked.done():
                            asked.result()  # a call failed: say how
                    time.sleep(0.01)
        finally:
            stop.set()
        assert all(each.result() > 0 for each in asking)


def test_metadata_and_readiness(tritons: list[Triton]) -> None:
    async def check(client: AsyncReplicatedTriton) -> tuple[bool, int]:
        return await client.ready(), (await client.metadata()).release.version

    async def run() -> None:
        async with AsyncReplicatedTriton(parse_addresses(address(tritons))) as client:
            assert await check(client) == (True, 1)
            tritons[0].die()
            assert await check(client) == (True, 1)
            tritons[1].die()
            assert not await client.ready()
            with pytest.raises(ServerUnavailable):
                await client.metadata()

    asyncio.run(run())
    with ReplicatedTriton(parse_addresses(address(tritons))) as client:
        assert not client.ready()
        with pytest.raises(ServerUnavailable):
            client.metadata()
        tritons[1].start()
        assert patiently(client).label == "SHARK"
        assert client.ready()
        assert client.metadata().labels == ("NoF", "SHARK")


def test_a_replica_comes_back_after_a_probe_and_not_before(tritons: list[Triton]) -> None:
    told: Told = []

    async def run() -> None:
        async with AsyncReplicatedTriton(
            parse_addresses(address(tritons)),
            policy=QUICK,
            tell=lambda host, in_service, why: told.append((host, in_service)),
        ) as client:
            await until(lambda: len(told) == 2)
            told.clear()
            tritons[0].refusal = (grpc.StatusCode.INTERNAL, "stub died")
            while not told:
                await client.infer(b"picture")
            assert told == [(tritons[0].host, False)]
            before, served = tritons[0].inferences, tritons[1].inferences
            await until(lambda: tritons[0].inferences >= before + 3)
            assert tritons[1].inferences == served, "probes go to who is out alone"
            assert len(told) == 1
            tritons[0].refusal = None
            await until(lambda: (tritons[0].host, True) in told)

    asyncio.run(run())


def test_many_calls_in_flight_survive_a_death(tritons: list[Triton]) -> None:
    """Both hold up what they get; then one dies with half of it."""
    hold = threading.Event()
    for each in tritons:
        each.before = lambda number, context: hold.wait(DEADLINE_S)

    async def run() -> Counter[str]:
        async with AsyncReplicatedTriton(parse_addresses(address(tritons))) as client:
            asked = [asyncio.create_task(client.infer(b"picture")) for _ in range(16)]
            # Beside the probes.
            await until(lambda: all(each.inferences >= 8 for each in tritons))
            assert [each.in_flight for each in client.replicas] == [8, 8]
            dying = asyncio.create_task(asyncio.to_thread(tritons[0].die))
            await until(lambda: client.replicas[0].in_flight == 0)
            hold.set()
            await dying
            return Counter(each.label for each in await asyncio.gather(*asked))

    assert asyncio.run(run()) == {"SHARK": 16}


@pytest.fixture
def hanging(tritons: list[Triton]) -> Iterator[Triton]:
    """The first of both, which takes pictures and never answers."""
    over = threading.Event()
    tritons[0].before = lambda number, context: over.wait(DEADLINE_S)
    yield tritons[0]
    over.set()


def test_one_that_hangs_is_out_after_three_pictures(tritons: list[Triton], hanging: Triton) -> None:
    hanging.before, hang = lambda number, context: None, hanging.before
    late = 0

    async def run() -> None:
        nonlocal late
        async with AsyncReplicatedTriton(
            parse_addresses(address(tritons)), timeout_s=0.2
        ) as client:
            await until(lambda: all(each.in_service for each in client.replicas))
            hanging.before = hang
            for _ in range(12):
                try:
                    await client.infer(b"picture")
                except DeadlineExceeded:
                    late += 1
            assert [each.in_service for each in client.replicas] == [False, True]

    asyncio.run(run())
    assert late == 3


def test_the_sync_client_tries_one_that_hangs_at_nobodys_expense(
    tritons: list[Triton], hanging: Triton
) -> None:
    with ReplicatedTriton(parse_addresses(address(tritons)), timeout_s=1.0, policy=QUICK) as client:
        with suppress(DeadlineExceeded):  # nobody is known to be any better yet
            client.infer(b"picture")
        for _ in range(8):
            assert client.infer(b"picture").label == "SHARK"
        assert hanging.inferences >= 1


def test_hedging_asks_another_where_one_is_slow(tritons: list[Triton]) -> None:
    over, slow = threading.Event(), threading.Event()

    def hang(number: int, context: grpc.ServicerContext) -> None:
        if slow.is_set():
            context.add_callback(over.set)
            over.wait(DEADLINE_S)

    tritons[0].before = hang

    async def run() -> None:
        async with AsyncReplicatedTriton(
            parse_addresses(address(tritons)), hedge_after_s=0.02
        ) as client:
            await until(lambda: all(each.in_service for each in client.replicas))
            slow.set()
            while not client.hedged:
                assert (await client.infer(b"picture")).label == "SHARK"
            assert client.hedges_won == client.hedged == 1
            await until(over.is_set)
            await until(lambda: all(each.in_flight == 0 for each in client.replicas))

    asyncio.run(run())


def test_hedging_keeps_the_answer_that_comes_first_and_the_budget(tritons: list[Triton]) -> None:
    for each in tritons:
        each.before = lambda number, context: time.sleep(0.03)

    async def run() -> None:
        async with AsyncReplicatedTriton(
            parse_addresses(address(tritons)), hedge_after_s=0.001
        ) as client:
            await until(lambda: all(each.in_service for each in client.replicas))
            for _ in range(30):
                assert (await client.infer(b"picture")).label == "SHARK"
            assert 10 <= client.hedged <= 12, "ten were saved, and a twentieth of all"
            tritons[0].refusal = tritons[1].refusal = (grpc.StatusCode.INTERNAL, "it broke")
            with pytest.raises(ServerError, match="it broke"):
                await client.infer(b"picture")

    asyncio.run(run())


def test_a_cancelled_call_leaves_nothing_behind(tritons: list[Triton]) -> None:
    over = threading.Event()

    def hang(number: int, context: grpc.ServicerContext) -> None:
        context.add_callback(over.set)
        over.wait(DEADLINE_S)

    async def run() -> None:
        async with AsyncReplicatedTriton(parse_addresses(address(tritons))) as client:
            await until(lambda: all(each.in_service for each in client.replicas))
            for each in tritons:
                each.before = hang
            asked = asyncio.create_task(client.infer(b"picture"))
            await until(lambda: sum(each.in_flight for each in client.replicas) == 1)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            await until(over.is_set)
            assert [each.in_flight for each in client.replicas] == [0, 0]
            assert all(each.in_service for each in client.replicas)

    asyncio.run(run())


class Names(Addresses):
    """A name whose addresses the test says."""

    found: tuple[str, ...] = ()
    asked = 0

    def look_up(self) -> tuple[str, ...]:
        type(self).asked += 1
        if not type(self).found:
            raise socket.gaierror("no such name")
        return type(self).found


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> type[Names]:
    monkeypatch.setattr(Names, "found", ())
    monkeypatch.setattr(Names, "asked", 0)
    return Names


def test_a_name_is_looked_up_again_until_it_is_found_and_when_a_replica_fails(
    tritons: list[Triton], names: type[Names]
) -> None:
    async def run() -> None:
        async with AsyncReplicatedTriton(names(name="triton", port=8001), policy=QUICK) as client:
            with pytest.raises(ServerUnavailable, match=r"dns:///triton:8001 has no address"):
                await client.infer(b"picture")
            assert not await client.ready()
            names.found = (tritons[0].host,)
            await until(lambda: len(client.replicas) == 1)
            assert (await client.infer(b"picture")).label == "SHARK"
            # The pod is replaced: the old one dies, and the name says so a little later.
            tritons[0].die()
            with pytest.raises(ServerUnavailable):
                await client.infer(b"picture")
            names.found = ()  # a resolver in trouble does not take away what is known
            asked = names.asked
            await until(lambda: names.asked > asked)
            assert len(client.replicas) == 1
            names.found = (tritons[1].host,)
            await until(lambda: [each.address for each in client.replicas] == [tritons[1].host])
            assert (await client.infer(b"picture")).label == "SHARK"

    asyncio.run(run())


def test_a_replica_that_left_finishes_what_it_was_asked(
    tritons: list[Triton], names: type[Names]
) -> None:
    hold = threading.Event()
    names.found = (tritons[0].host,)

    async def run() -> None:
        async with AsyncReplicatedTriton(names(name="triton", port=8001), policy=QUICK) as client:
            await until(lambda: bool(client.replicas) and client.replicas[0].in_service)
            tritons[0].before = lambda number, context: hold.wait(DEADLINE_S)
            (old,) = client.replicas
            asked = asyncio.create_task(client.infer(b"picture"))
            await until(lambda: old.in_flight == 1)
            names.found = (tritons[1].host,)
            await client._look_up()
            assert [each.address for each in client.replicas] == [tritons[1].host]
            hold.set()
            assert (await asked).label == "SHARK"

    asyncio.run(run())


def test_the_sync_client_looks_a_name_up(tritons: list[Triton], names: type[Names]) -> None:
    with ReplicatedTriton(names(name="triton", port=8001), policy=QUICK) as client:
        with pytest.raises(ServerUnavailable, match=r"dns:///triton:8001 has no address"):
            client.infer(b"picture")
        names.found = (tritons[0].host,)
        assert patiently(client).label == "SHARK"


def test_what_is_served_with_an_answer_is_known(tritons: list[Triton]) -> None:
    """Also of the release that only one of them has during a rolling swap."""
    tritons[1].answering, tritons[1].configured = [3], [3]

    async def run() -> dict[int, tuple[str, ...]]:
        async with AsyncReplicatedTriton(parse_addresses(address(tritons))) as client:
            found = {}
            for _ in range(8):
                release = (await client.infer(b"picture")).release
                served = client.known(release)
                assert served is not None
                found[release.version] = served.labels
            assert client.known(replace(release, name="another")) is None
            return found

    assert asyncio.run(run()) == {1: ("NoF", "SHARK"), 3: ("NoF", "SHARK", "RAY")}
