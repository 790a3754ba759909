"""Many pictures at a time: order, bounds, failures, and what closing the iterator does."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from deckwatch_client import (
    AsyncClient,
    BrokenImage,
    Client,
    DeckwatchError,
    Result,
    ServerUnavailable,
    UnreadableImage,
    UsageError,
)
from deckwatch_client.client import Picture
from tests.client.tritons import Triton, serving
from tests.serving.processes import wait_until

Answers = list[tuple[Picture, Result | DeckwatchError]]


def classify(kind: str, images: Any, address: str = "", **options: Any) -> Answers:
    if kind == "sync":
        with Client(address) as client:
            return list(client.classify_many(images, **options))

    async def everything() -> Answers:
        async with AsyncClient(address) as client:
            return [each async for each in client.classify_many(images, **options)]

    return asyncio.run(everything())


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("in_flight", [None, 1, 3])
@pytest.mark.parametrize("ordered", [True, False])
def test_every_picture_has_its_answer(
    kind: str, ordered: bool, in_flight: int | None, folder: Path, shark: bytes
) -> None:
    images: list[Picture] = ["shark.jpg", folder / "sea.jpg", "cut.jpg", shark, "none.jpg"] * 3
    found = classify(kind, images, ordered=ordered, in_flight=in_flight)
    told = [(image, getattr(answer, "label", type(answer))) for image, answer in found]
    labels = ["SHARK", "NoF", BrokenImage, "SHARK", UnreadableImage] * 3
    expected = list(zip(images, labels, strict=True))
    assert told == expected if ordered else sorted(map(repr, told)) == sorted(map(repr, expected))
    first = next(answer for image, answer in found if image == "shark.jpg")
    assert isinstance(first, Result)
    assert first.image.file == "shark.jpg"
    assert str(next(answer for image, answer in found if image == "cut.jpg")).startswith("cut.jpg")


def test_no_picture_at_all(kind: str) -> None:
    assert classify(kind, []) == []


def test_an_asynchronous_source(shark: bytes, empty_sea: bytes) -> None:
    async def source() -> AsyncIterator[bytes]:
        for image in (shark, empty_sea, shark):
            await asyncio.sleep(0)
            yield image

    found = classify("async", source())
    assert [answer.label for _, answer in found if isinstance(answer, Result)] == [
        "SHARK", "NoF", "SHARK",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [{"in_flight": 0}, {"captured_at": "yesterday"}, {"timeout_s": 0.0}],
    ids=lambda options: next(iter(options)),
)
def test_wrong_arguments(kind: str, options: dict[str, Any], shark: bytes) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        classify(kind, [shark], **options)


def test_pictures_are_read_as_they_are_needed(kind: str, shark: bytes) -> None:
    taken = itertools.count()

    def endless() -> Iterator[bytes]:
        for _ in taken:
            yield shark

    if kind == "sync":
        with Client() as client:
            answers = client.classify_many(endless(), in_flight=2)
            for _ in range(10):
                next(answers)
            answers.close()
    else:

        async def ten() -> None:
            async with (
                AsyncClient() as client,
                aclosing(client.classify_many(endless(), in_flight=2)) as answers,
            ):
                async for _ in answers:
                    if next(counted) == 10:
                        break

        counted = itertools.count(1)
        asyncio.run(ten())
    assert next(taken) <= 10 + 2 * 2 + 1


class Gate:
    """Holds inferences up at the server until it opens."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = 0
        self.cancelled = 0
        self._lock = threading.Lock()

    def __call__(self, number: int, context: grpc.ServicerContext) -> None:
        with self._lock:
            self.entered += 1
        ended = threading.Event()
        if not context.add_callback(ended.set):
            ended.set()
        while not self.open.is_set() and not ended.is_set():
            ended.wait(0.01)
        if ended.is_set():
            with self._lock:
                self.cancelled += 1


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def triton(gate: Gate) -> Iterator[Triton]:
    with serving(Triton(before=gate)) as triton:
        yield triton
        gate.open.set()


def test_no_more_than_asked_for_are_at_the_server(kind: str, triton: Triton, gate: Gate) -> None:
    def work() -> None:
        found.extend(classify(kind, [b"picture"] * 20, triton.address, in_flight=3))

    found: Answers = []
    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: gate.entered == 3, "three at the server")
    gate.open.set()
    thread.join(60)
    assert len(found) == 20


def test_a_late_answer_holds_up_none_but_itself(triton: Triton, gate: Gate) -> None:
    first = threading.Event()
    triton.before = lambda number, context: first.wait(60) if number == 1 else None
    with Client(triton.address) as client:
        answers = client.classify_many([b"a", b"b", b"c"], in_flight=2, ordered=False)
        others = {next(answers)[0], next(answers)[0]}
        first.set()
        assert len(others | {next(answers)[0]}) == 3


def test_closing_begins_nothing_more(triton: Triton, gate: Gate) -> None:
    with Client(triton.address) as client:
        gate.open.set()
        answers = client.classify_many([b"picture"] * 20, in_flight=2)
        with closing(answers):
            next(answers)
            gate.open.clear()
            before = gate.entered
        gate.open.set()
    # Two at the server at most, and two more that their threads had taken up.
    assert triton.inferences <= before + 2 * 2


def test_closing_cancels_what_is_at_the_server(triton: Triton, gate: Gate) -> None:
    triton.before = lambda number, context: None if number == 1 else gate(number, context)

    async def closed() -> None:
        async with AsyncClient(triton.address) as client:
            pictures = [b"picture"] * 20
            async with aclosing(
                client.classify_many(pictures, in_flight=4, ordered=False)
            ) as answers:
                await anext(answers)
                await asyncio.to_thread(wait_until, lambda: gate.entered == 4, "four there")
            # The client is still open: it is the requests that are given up.
            await asyncio.to_thread(wait_until, lambda: gate.cancelled == 4, "four cancelled")

    asyncio.run(closed())
    assert triton.inferences == 5


def test_cancelling_the_reader_cancels_what_is_at_the_server(triton: Triton, gate: Gate) -> None:
    async def cancelled() -> None:
        async with AsyncClient(triton.address) as client:

            async def read() -> None:
                async for _ in client.classify_many([b"picture"] * 20, in_flight=4):
                    pass

            reader = asyncio.create_task(read())
            await asyncio.to_thread(wait_until, lambda: gate.entered == 4, "four at the server")
            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
            await asyncio.to_thread(wait_until, lambda: gate.cancelled == 4, "four cancelled")

    asyncio.run(cancelled())
    assert triton.inferences == 4


def test_a_server_that_is_away_ends_it(kind: str) -> None:
    with pytest.raises(ServerUnavailable):
        classify(kind, [b"picture"] * 5, "grpc://127.0.0.1:9")
