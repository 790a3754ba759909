"""What is asked again, after how long, and until when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deckwatch_client import AsyncRetrying, Result, Retrying, Served, retrying
from deckwatch_vision.errors import (
    BrokenImage,
    DeadlineExceeded,
    DeckwatchError,
    KeyRefused,
    RateLimited,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
    UsageError,
)
from deckwatch_vision.result import ImageInfo, ReleaseInfo

RESULT = Result("NoF", {"NoF": 1.0}, (), ImageInfo(None, 2, 2, None), ReleaseInfo("tiny", 1))
SERVED = Served(RESULT.release, ("NoF",))
OVERLOADED = ServerOverloaded("full")
AWAY = ServerUnavailable("away")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE_S", 0.001)


class Scripted:
    """A backend that refuses with each of `refusals` in turn, and then answers."""

    def __init__(self, *refusals: DeckwatchError | None) -> None:
        self.refusals = list(refusals)
        self.calls: list[dict[str, Any]] = []
        self.closed = False

    def infer(self, data: bytes, *, file: str | None = None, **call: Any) -> Result:
        self.calls.append({"data": data, "file": file, **call})
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        return RESULT

    def served(self) -> Served:
        self.infer(b"")
        return SERVED

    def close(self) -> None:
        self.closed = True


class ScriptedAsync(Scripted):
    """The same with await."""

    async def infer(self, *given: Any, **call: Any) -> Result:  # type: ignore[override]
        return super().infer(*given, **call)

    async def served(self) -> Served:  # type: ignore[override]
        await self.infer(b"")
        return SERVED

    async def close(self) -> None:  # type: ignore[override]
        super().close()


class Patient:
    """`Retrying`, or `AsyncRetrying` behind the same face."""

    def __init__(self, kind: str, *refusals: DeckwatchError | None, **options: Any) -> None:
        self.waits: list[tuple[DeckwatchError, float]] = []
        self.kind = kind
        options = {"patience_s": 60.0, "on_wait": self._note, **options}
        self.backend = Scripted(*refusals) if kind == "sync" else ScriptedAsync(*refusals)
        kinds: dict[str, Callable[..., Any]] = {"sync": Retrying, "async": AsyncRetrying}
        self.patient = kinds[kind](self.backend, **options)

    def _note(self, error: DeckwatchError, seconds: float) -> None:
        self.waits.append((error, seconds))

    def ask(self, what: str = "infer", *given: Any, **call: Any) -> Any:
        found = getattr(self.patient, what)(*given, **call)
        return asyncio.run(found) if self.kind == "async" else found

    def infer(self) -> Any:
        return self.ask("infer", b"picture")


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_asked_again_until_it_answers(kind: str) -> None:
    refusals = [OVERLOADED, RateLimited("often"), ServerError("not ready", 0), AWAY]
    patient = Patient(kind, *refusals)
    assert patient.ask("infer", b"picture", file="deck.jpg", timeout_s=3.0) is RESULT
    call = {"data": b"picture", "file": "deck.jpg", "timeout_s": 3.0}
    assert patient.backend.calls == [call] * 5
    assert [error for error, _ in patient.waits] == refusals


def test_what_is_served_is_asked_again_as_well(kind: str) -> None:
    assert Patient(kind, OVERLOADED).ask("served") is SERVED


@pytest.mark.parametrize(
    "refusal",
    [
        BrokenImage("torn"), KeyRefused("no key"), UsageError("wrong"), ServerError("crashed"),
        DeadlineExceeded("late"), DeadlineExceeded("late", 1),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_not_asked_again(kind: str, refusal: DeckwatchError) -> None:
    patient = Patient(kind, None, refusal)
    patient.infer()
    with pytest.raises(type(refusal)) as caught:
        patient.infer()
    assert caught.value is refusal
    assert len(patient.backend.calls) == 2
    assert patient.waits == []


def test_a_server_that_never_answered_is_not_waited_for(kind: str) -> None:
    patient = Patient(kind, AWAY, None, AWAY)
    with pytest.raises(ServerUnavailable):
        patient.infer()
    assert len(patient.backend.calls) == 1
    patient.infer()
    assert patient.infer() is RESULT
    assert len(patient.waits) == 1


@pytest.mark.parametrize("sign", [BrokenImage("torn"), ServerUnavailable("not ready", 0)])
def test_a_refusal_is_an_answer_too(kind: str, sign: DeckwatchError) -> None:
    patient = Patient(kind, sign, AWAY)
    try:
        patient.infer()
    except BrokenImage:
        patient.infer()
    assert patient.waits[-1][0] is AWAY


def test_not_before_the_server_says(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE_S", 0.5)

    class Enough(Exception):  # noqa: N818
        """Ends the test without the pause."""

    def enough(error: DeckwatchError, seconds: float) -> None:
        assert 7.0 <= seconds <= 7.5
        raise Enough

    with pytest.raises(Enough):
        Patient(kind, ServerOverloaded("full", 7), on_wait=enough).infer()


@pytest.mark.parametrize(
    ("patience_s", "refusal"), [(0.0, OVERLOADED), (5.0, ServerOverloaded("full", 7))]
)
def test_a_pause_that_outlasts_the_patience_is_not_begun(
    kind: str, patience_s: float, refusal: DeckwatchError
) -> None:
    patient = Patient(kind, refusal, patience_s=patience_s)
    with pytest.raises(ServerOverloaded) as caught:
        patient.infer()
    assert caught.value is refusal
    assert patient.waits == []


def test_the_patience_ends(kind: str) -> None:
    patient = Patient(kind, *[OVERLOADED] * 10_000, patience_s=0.05)
    with pytest.raises(ServerOverloaded) as caught:
        patient.infer()
    assert caught.value is OVERLOADED
    assert 1 < len(patient.backend.calls) < 10_000


def test_close_ends_all_pauses() -> None:
    pausing = threading.Event()
    backend = Scripted(ServerOverloaded("full", 50))
    patient = Retrying(backend, patience_s=60.0, on_wait=lambda error, seconds: pausing.set())
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(patient.infer, b"picture")
        assert pausing.wait(30)
        patient.close()
        assert isinstance(call.exception(30), ServerOverloaded)
    assert backend.closed
    assert len(backend.calls) == 1


def test_a_cancelled_task_waits_no_longer() -> None:
    async def cancelled() -> list[dict[str, Any]]:
        pausing = asyncio.Event()
        backend = ScriptedAsync(ServerOverloaded("full", 50))
        patient = AsyncRetrying(
            backend, patience_s=60.0, on_wait=lambda error, seconds: pausing.set()
        )
        task = asyncio.create_task(patient.infer(b"picture"))
        await pausing.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await patient.close()
        assert backend.closed
        return backend.calls

    assert len(asyncio.run(cancelled())) == 1


def test_many_threads_and_many_tasks_have_their_own_patience() -> None:
    patient = Patient("sync", *[OVERLOADED] * 64)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda _: patient.infer(), range(64))) == [RESULT] * 64
    assert len(patient.backend.calls) == 128

    async def everybody() -> int:
        backend = ScriptedAsync(*[OVERLOADED] * 64)
        many = AsyncRetrying(backend, patience_s=60.0)
        assert await asyncio.gather(*(many.infer(b"") for _ in range(64))) == [RESULT] * 64
        return len(backend.calls)

    assert asyncio.run(everybody()) == 128
