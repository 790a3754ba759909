"""The gate to Triton: order, bounds, hanging up, and what overload does to those let in.

Time is virtual (`virtual.VirtualLoop`), so two minutes of overload take a moment and every run
is the same.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from deckwatch_gateway.admission import Gate, HeldBytes
from deckwatch_gateway.admission_metrics import AdmissionMetrics
from deckwatch_gateway.climb import REST, Climb
from deckwatch_gateway.metrics import Metrics
from deckwatch_gateway.problems import CallerGoneError
from deckwatch_gateway.recognition import Recognition
from deckwatch_vision.errors import ServerOverloaded

from .virtual import Told, Triton, arrivals, call, clients, make_gate, now, run

MACHINES: dict[str, dict[str, Any]] = {
    "a laptop": {"instances": 2, "fixed_s": 0.04, "each_s": 0.045},
    "a slow board": {"instances": 1, "fixed_s": 0.1, "each_s": 0.1},
    "a server": {"instances": 16, "fixed_s": 0.05, "each_s": 0.05},
}
GPU: dict[str, Any] = {"instances": 1, "batch": 16, "fixed_s": 0.008, "each_s": 0.001}


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Caller:
    """One who enters a gate and stays until told to leave."""

    def __init__(self, gate: Gate, name: str, order: list[str], **how: Any) -> None:
        self.leave = asyncio.Event()
        self.task = asyncio.ensure_future(self._stay(gate, name, order, how))

    async def _stay(self, gate: Gate, name: str, order: list[str], how: dict[str, Any]) -> float:
        async with gate.enter(**how) as turn:
            order.append(name)
            await self.leave.wait()
        return turn.waited_s


def test_turns_come_in_order() -> None:
    async def check() -> None:
        gate, registry = make_gate(max_in_flight=2)
        order: list[str] = []
        callers = [Caller(gate, name, order) for name in "abcd"]
        await settle()
        assert (order, gate.in_flight, gate.queued) == (["a", "b"], 2, 2)
        assert registry.get_sample_value("deckwatch_gateway_queued") == 2
        await asyncio.sleep(1.5)
        callers[1].leave.set()
        await settle()
        assert order == ["a", "b", "c"]
        for caller in callers:
            caller.leave.set()
        assert [await caller.task for caller in callers] == [0, 0, 1.5, 1.5]
        assert (order, gate.in_flight, gate.queued) == (["a", "b", "c", "d"], 0, 0)

    run(check())


def test_a_full_queue_refuses_before_and_after_the_body() -> None:
    async def check() -> None:
        gate, registry = make_gate(max_in_flight=1, max_queued=1)
        order: list[str] = []
        gate.check()
        callers = [Caller(gate, name, order) for name in "ab"]
        await settle()
        with pytest.raises(ServerOverloaded, match="DECKWATCH_MAX_QUEUED"):
            gate.check()
        with pytest.raises(ServerOverloaded):
            async with gate.enter():
                pass
        assert registry.get_sample_value("deckwatch_gateway_shed_total", {"reason": "full"}) == 2
        for caller in callers:
            caller.leave.set()
            await caller.task
        gate.check()

    run(check())


def test_a_turn_that_comes_too_late_is_refused() -> None:
    async def check() -> None:
        gate, registry = make_gate(max_in_flight=1, max_wait_s=2.0)
        order: list[str] = []
        first, second = Caller(gate, "a", order), Caller(gate, "b", order)
        with pytest.raises(ServerOverloaded):
            await second.task
        assert now() == pytest.approx(2.0)
        assert gate.queued == 0
        assert registry.get_sample_value("deckwatch_gateway_shed_total", {"reason": "late"}) == 1
        first.leave.set()
        await first.task
        assert gate.in_flight == 0

    run(check())


def test_a_wait_that_would_be_too_long_is_not_begun() -> None:
    async def check() -> None:
        gate, _ = make_gate(max_in_flight=1, max_wait_s=2.0)
        triton, told = Triton(instances=1, fixed_s=1.0, each_s=0.0), Told()
        assert await call(gate, triton, told)  # which tells the gate how long one takes
        calls = [asyncio.ensure_future(call(gate, triton, told)) for _ in range(8)]
        await settle()
        assert 2 <= gate.queued <= 3
        assert sum(call.done() for call in calls) == 8 - 1 - gate.queued
        await asyncio.gather(*calls)

    run(check())


def test_who_hangs_up_leaves_the_line() -> None:
    async def check() -> None:
        gate, _ = make_gate(max_in_flight=1)
        order: list[str] = []
        hangs_up = asyncio.Event()

        async def receive() -> Any:
            await hangs_up.wait()
            return {"type": "http.disconnect"}

        first = Caller(gate, "a", order)
        second = Caller(gate, "b", order, receive=receive)
        third = Caller(gate, "c", order)
        await settle()
        hangs_up.set()
        with pytest.raises(CallerGoneError):
            await second.task
        assert gate.queued == 1
        for caller in (first, third):
            caller.leave.set()
            await caller.task
        assert (order, gate.in_flight) == (["a", "c"], 0)

    run(check())


def test_who_is_cancelled_in_the_very_moment_takes_no_turn_along() -> None:
    async def check() -> None:
        gate, _ = make_gate(max_in_flight=1)
        order: list[str] = []
        callers = [Caller(gate, name, order) for name in "abc"]
        await settle()
        callers[0].leave.set()
        while gate.queued == 2:
            await asyncio.sleep(0)
        # The turn is given, and who gets it has not noticed yet.
        assert (order, gate.queued, gate.in_flight) == (["a"], 1, 1)
        callers[1].task.cancel()
        await asyncio.gather(callers[1].task, return_exceptions=True)
        callers[2].leave.set()
        await callers[2].task
        assert (order, gate.in_flight, gate.queued) == (["a", "c"], 0, 0)

    run(check())


def test_a_failure_gives_the_turn_back_and_counts_for_nothing() -> None:
    async def check() -> None:
        gate, _ = make_gate(max_in_flight=1)
        for _ in range(50):
            with pytest.raises(ZeroDivisionError):
                async with gate.enter():
                    raise ZeroDivisionError
        assert gate.in_flight == 0
        assert gate._pressure.rate == 0

    run(check())


def test_work_in_the_background_gives_way_but_is_not_forgotten() -> None:
    async def check() -> None:
        gate, _ = make_gate(max_in_flight=1)
        order: list[str] = []
        first = Caller(gate, "a", order)
        await settle()
        patient = [Caller(gate, name, order, patient=True) for name in ("p", "q")]
        await settle()
        second, third = Caller(gate, "b", order), Caller(gate, "c", order)
        await settle()
        first.leave.set()
        await settle()
        assert order == ["a", "b"], "callers first"
        await asyncio.sleep(1.5)
        second.leave.set()
        await settle()
        assert order == ["a", "b", "p"], "every second one turn among theirs"
        for caller in (*patient, third):
            caller.leave.set()
        await asyncio.gather(*(each.task for each in (first, second, third, *patient)))
        assert (order, gate.in_flight, gate.queued) == (["a", "b", "p", "c", "q"], 0, 0)

    run(check())


def test_work_in_the_background_leaves_room_for_callers() -> None:
    async def check() -> None:
        gate, _ = make_gate(max_in_flight=4)
        order: list[str] = []
        patient = [Caller(gate, "p", order, patient=True) for _ in range(10)]
        await settle()
        assert (gate.in_flight, gate.queued) == (2, 8)
        caller = Caller(gate, "a", order)
        await settle()
        assert order == ["p", "p", "a"]
        for each in (caller, *patient):
            each.leave.set()
            await each.task

    run(check())


@pytest.fixture(scope="module", params=list(MACHINES.values()), ids=list(MACHINES))
def overload(request: pytest.FixtureRequest) -> tuple[float, Told, Told]:
    """What a machine does at best a second, at half of that, and at twice of it."""
    machine = request.param

    async def ask() -> tuple[float, Told, Told]:
        best = (await clients(make_gate(max_in_flight=999)[0], Triton(**machine), 64, 20)).rate
        gate, triton = make_gate()[0], Triton(**machine)
        half = await arrivals(gate, triton, best / 2, 120, seed=1)
        return best, half, await arrivals(gate, triton, best * 2, 120, seed=2)

    return run(ask())


def test_at_half_the_load_nobody_is_refused(overload: tuple[float, Told, Told]) -> None:
    _, half, _ = overload
    assert not half.refused


def test_under_overload_those_let_in_are_served_as_before(
    overload: tuple[float, Told, Told],
) -> None:
    best, half, twice = overload
    assert twice.p99_s <= 2 * half.p99_s
    assert twice.rate >= 0.95 * best
    assert 0.4 < twice.shed < 0.6
    assert all(error.retry_after_s and error.retry_after_s >= 1 for error in twice.refused)
    assert len({error.retry_after_s for error in twice.refused}) > 1, "they come back spread"


def test_work_in_the_background_goes_on_under_overload() -> None:
    async def check() -> tuple[int, Told]:
        gate, triton = make_gate()[0], Triton(**MACHINES["a laptop"])
        done = 0

        async def work() -> None:
            nonlocal done
            while True:
                async with gate.enter(patient=True):
                    await triton.infer()
                done += 1

        workers = [asyncio.ensure_future(work()) for _ in range(3)]
        told = await arrivals(gate, triton, 500, 60, seed=1)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        assert gate.in_flight == 0
        return done, told

    done, told = run(check())
    assert 30 < done < 90, "about one a second"
    assert told.rate > 18  # of 23.6


def test_under_overload_nobody_waits() -> None:
    async def check() -> None:
        gate, registry = make_gate(max_in_flight=4)
        triton = Triton(**MACHINES["a laptop"])
        seen: dict[bool, set[int]] = {False: set(), True: set()}

        async def watch() -> None:
            while True:
                overloaded = registry.get_sample_value("deckwatch_gateway_overloaded") == 1
                seen[overloaded].add(gate.queued)
                await asyncio.sleep(0.01)

        watching = asyncio.ensure_future(watch())
        await arrivals(gate, triton, 50, 5, seed=1)
        watching.cancel()
        assert max(seen[False]) > 5, "a burst waits"
        assert seen[True] == {0}

    run(check())


def test_after_overload_bursts_are_welcome_again() -> None:
    async def check() -> None:
        gate, registry = make_gate()
        triton = Triton(**MACHINES["a laptop"])
        assert (await arrivals(gate, triton, 50, 20, seed=1)).refused
        assert registry.get_sample_value("deckwatch_gateway_overloaded") == 1
        await arrivals(gate, triton, 8, 15, seed=2)
        assert registry.get_sample_value("deckwatch_gateway_overloaded") == 0
        told = Told()
        await asyncio.gather(*(call(gate, triton, told) for _ in range(20)))
        assert not told.refused

    run(check())


@pytest.mark.parametrize("count", [8, 16, 40])
@pytest.mark.parametrize("machine", MACHINES.values(), ids=list(MACHINES))
def test_clients_that_wait_for_their_answers_are_no_overload(
    machine: dict[str, Any], count: int
) -> None:
    async def ask() -> Told:
        return await clients(make_gate(max_wait_s=10)[0], Triton(**machine), count, 20)

    assert not run(ask()).refused


def test_a_gpu_gets_enough_at_once_to_gather_batches() -> None:
    async def ask() -> tuple[Told, Told]:
        gate, triton = make_gate()[0], Triton(**GPU)
        return (
            await clients(gate, triton, 40, 10),
            await arrivals(gate, triton, 1300, 20, seed=1),
        )

    calm, overloaded = run(ask())
    assert calm.rate > 600  # of 667; 111 one at a time, 333 by four
    assert overloaded.rate > 500


def test_a_climb_finds_the_least_that_is_best() -> None:
    def rate(value: float) -> float:
        return min(value, 20) + 0.01 * value

    for start in (4, 60):
        climb = Climb(start, least=4, most=64)
        for _ in range(40 * REST):
            climb.period(rate(climb.value))
        assert 16 <= climb.value <= 31


def test_held_bytes_are_bounded_and_counted() -> None:
    registry = CollectorRegistry()
    held = HeldBytes(100, AdmissionMetrics(registry))
    held.take(60)
    with pytest.raises(ServerOverloaded, match="DECKWATCH_MAX_HELD_BYTES"):
        held.take(41)
    held.take(40)
    held.give_back(100)
    assert held.held == 0
    assert registry.get_sample_value("deckwatch_gateway_shed_total", {"reason": "memory"}) == 1


def test_the_wait_is_part_of_the_time_that_a_caller_may_wait() -> None:
    allowed: list[float] = []

    class Asked:
        async def infer(self, *_: Any, timeout_s: float, **__: Any) -> None:
            allowed.append(timeout_s)
            raise ServerOverloaded("as it happens")

    async def check() -> None:
        triton: Any = Asked()
        recognition = Recognition(triton, Metrics(), max_pixels=1, timeout_s=10.0)
        for waited_s in (0.0, 4.0, 11.0):
            with pytest.raises(ServerOverloaded):
                await recognition.ask(b"", waited_s=waited_s)

    asyncio.run(check())
    assert allowed[:2] == [10.0, 6.0]
    assert 0 < allowed[2] < 0.1
