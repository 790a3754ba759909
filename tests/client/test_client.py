"""The library in this process: `Client` and `AsyncClient`."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import deckwatch_client
from deckwatch_client import AsyncClient, Client, DeckwatchError, Result
from deckwatch_client.client import Picture
from deckwatch_vision.errors import (
    BrokenImage,
    EmptyImage,
    ImageTooLarge,
    ReleaseNotFound,
    UnreadableImage,
    UsageError,
)


def test_the_public_names() -> None:
    everything = deckwatch_client.__all__
    assert everything == sorted(everything, key=lambda name: (name.islower(), name))
    assert {"AsyncClient", "Client", "DeckwatchError", "Result", "Record", "Served"} < {*everything}
    assert set(everything) <= set(dir(deckwatch_client))
    assert {name: getattr(deckwatch_client, name).__name__ for name in everything} == {
        name: name for name in everything
    }
    with pytest.raises(AttributeError, match="Clients"):
        deckwatch_client.Clients  # noqa: B018


def test_a_path_or_its_content(folder: Path, shark: bytes) -> None:
    with Client() as client:
        result = client.classify("shark.jpg")
        assert isinstance(result, Result)
        assert result.label == "SHARK"
        assert result.image.file == "shark.jpg"
        assert result.image.sha256 == hashlib.sha256(shark).hexdigest()
        assert client.classify(folder / "shark.jpg").image.file == str(folder / "shark.jpg")
        assert client.classify(shark).image.file is None
        assert client.classify(shark, file="deck 4") == client.classify("shark.jpg", file="deck 4")


def test_errors_name_the_picture(folder: Path, shark: bytes) -> None:
    with Client() as client:
        with pytest.raises(BrokenImage, match=r"^cut\.jpg: truncated"):
            client.classify("cut.jpg")
        with pytest.raises(UnreadableImage, match=r"^missing\.jpg: there is no such file"):
            client.classify("missing.jpg")
        with pytest.raises(EmptyImage, match=r"^the picture is empty"):
            client.classify(b"")
        with pytest.raises(BrokenImage, match=r"^deck 4: truncated"):
            client.classify(shark[:100], file="deck 4")
        assert client.classify(shark).label == "SHARK"  # it goes on


def test_one_client_for_many_threads(shark: bytes, empty_sea: bytes) -> None:
    with Client() as client, ThreadPoolExecutor(4) as pool:
        results = list(pool.map(client.classify, [shark, empty_sea] * 8))
    assert [result.label for result in results] == ["SHARK", "NoF"] * 8


def test_a_server_of_the_environment(monkeypatch: pytest.MonkeyPatch, shark: bytes) -> None:
    monkeypatch.setenv("DECKWATCH_SERVER", "ftp://host")
    with pytest.raises(UsageError, match="ftp://host"):
        Client()
    with pytest.raises(UsageError, match="ftp://host"):
        AsyncClient()
    with Client("") as client:  # in this process, whatever the environment says
        assert client.classify(shark).label == "SHARK"


def test_a_repository_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ReleaseNotFound) as caught:
        Client(repository=tmp_path)
    assert isinstance(caught.value, DeckwatchError)


def test_async(folder: Path, shark: bytes, empty_sea: bytes) -> None:
    given: list[Picture] = [shark, empty_sea, "shark.jpg"]

    async def many() -> list[Result]:
        async with AsyncClient() as client:
            with pytest.raises(BrokenImage, match=r"^cut\.jpg: "):
                await client.classify("cut.jpg")
            return await asyncio.gather(*(client.classify(each) for each in given))

    results = asyncio.run(many())
    with Client() as client:
        assert results == [client.classify(each) for each in given]


def test_async_opens_at_the_first_picture(tmp_path: Path, shark: bytes) -> None:
    async def one() -> Result:
        client = AsyncClient()
        try:
            return await client.classify(shark)
        finally:
            await client.close()

    assert asyncio.run(one()).label == "SHARK"

    async def none() -> None:
        async with AsyncClient(repository=tmp_path):
            pass

    with pytest.raises(ReleaseNotFound):
        asyncio.run(none())


@pytest.mark.parametrize("address", ["grpc://127.0.0.1:9", "http://127.0.0.1:9"])
def test_too_large_a_picture_is_not_sent(address: str) -> None:
    with Client(address) as client:
        with pytest.raises(ImageTooLarge, match="104,857,600 bytes"):
            client.classify(bytes(100 * 1024 * 1024))
        with pytest.raises(EmptyImage):
            client.classify(b"")
