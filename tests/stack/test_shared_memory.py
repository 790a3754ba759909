"""Pictures through shared memory: the same answers, and nothing left behind."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tritonclient.grpc as grpcclient

from deckwatch_client import AsyncClient, BrokenImage, Client, Result, UsageError, regions
from deckwatch_client.shared_memory import SharedMemoryTriton
from deckwatch_serving.triton import EmbeddedTriton
from tests.house.project import ROOT
from tests.serving.processes import shared_memory, wait_until

PHOTOS = sorted((ROOT / "examples" / "photos").glob("*.jpg"))


@pytest.fixture
def known(
    triton_server: EmbeddedTriton, monkeypatch: pytest.MonkeyPatch
) -> Iterator[grpcclient.InferenceServerClient]:
    """NVIDIA's client, to see which regions Triton knows; none are left at the end."""
    monkeypatch.setattr(regions, "PREFIX", f"deckwatch_test_{secrets.token_hex(4)}_")
    with grpcclient.InferenceServerClient(triton_server.grpc_url.removeprefix("grpc://")) as triton:
        yield triton
        assert names(triton) == set()
    assert shared_memory(regions.PREFIX) == set()


def names(triton: grpcclient.InferenceServerClient) -> set[str]:
    return set(triton.get_system_shared_memory_status().regions)


@pytest.fixture(scope="module")
def plain(triton_server: EmbeddedTriton) -> list[Result]:
    with Client(triton_server.grpc_url) as client:
        return [client.classify(photo) for photo in PHOTOS]


def test_the_same_answers(
    triton_server: EmbeddedTriton,
    plain: list[Result],
    known: grpcclient.InferenceServerClient,
    tmp_path: Path,
) -> None:
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(PHOTOS[0].read_bytes()[:2000])
    with Client(triton_server.grpc_url, shared_memory=True) as client:
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(client.classify, PHOTOS)) == plain
        with pytest.raises(BrokenImage):
            client.classify(torn)
        assert 1 <= len(names(known)) <= 2  # they are used again

    async def everything() -> list[Result]:
        async with AsyncClient(triton_server.grpc_url, shared_memory=True) as client:
            return [await client.classify(photo) for photo in PHOTOS]

    assert asyncio.run(everything()) == plain


def test_a_triton_that_was_started_again(
    triton_server: EmbeddedTriton, plain: list[Result], known: grpcclient.InferenceServerClient
) -> None:
    with Client(triton_server.grpc_url, shared_memory=True) as client:
        for _ in range(2):
            assert client.classify(PHOTOS[0]) == plain[0]
            known.unregister_system_shared_memory()  # all, as a new process

    async def twice() -> list[Result]:
        async with AsyncClient(triton_server.grpc_url, shared_memory=True) as client:
            first = await client.classify(PHOTOS[0])
            known.unregister_system_shared_memory()
            return [first, await client.classify(PHOTOS[0])]

    assert asyncio.run(twice()) == [plain[0]] * 2


def test_a_client_that_was_killed(
    triton_server: EmbeddedTriton, known: grpcclient.InferenceServerClient
) -> None:
    code = (
        "import sys, time\n"
        "from deckwatch_client import Client, regions\n"
        "regions.PREFIX = sys.argv[3]\n"
        "client = Client(sys.argv[1], shared_memory=True)\n"
        "print(client.classify(sys.argv[2]).label, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, triton_server.grpc_url, str(PHOTOS[0]), regions.PREFIX],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # Python's resource tracker tells of what it removes
    ) as process:
        assert process.stdout is not None
        answered = process.stdout.readline()
        process.kill()
    assert answered.strip()
    (left,) = names(known)
    wait_until(lambda: left not in shared_memory(regions.PREFIX), "the region is removed")
    assert names(known) == {left}  # Triton still holds the memory
    with SharedMemoryTriton(triton_server.grpc_url) as client:
        client.infer(PHOTOS[0].read_bytes())
        assert left not in names(known)
        assert len(names(known)) == 1


def test_a_triton_that_cannot_see_it(
    triton_server: EmbeddedTriton,
    known: grpcclient.InferenceServerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As from another host or container: Triton finds no such file.
    monkeypatch.setattr(regions.Region, "key", property(lambda self: "/somewhere-else"))
    told = r"cannot use the shared memory of this process \(Unable to open shared memory region"
    with (
        Client(triton_server.grpc_url, shared_memory=True) as client,
        pytest.raises(UsageError, match=told),
    ):
        client.classify(PHOTOS[0])
