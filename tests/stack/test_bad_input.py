"""Bad input at every entrance: an error that says what to do, and the server goes on serving."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tritonclient.utils import InferenceServerException

from deckwatch_client import AsyncClient, Client
from deckwatch_vision.errors import (
    BrokenImage,
    DeckwatchError,
    EmptyImage,
    ImageTooLarge,
    TooManyPixels,
    UnsupportedFormat,
    from_wire,
)
from tests.stack.entrances import (
    SERVERS,
    Stack,
    generic_http,
    generic_triton,
    image_tensor,
    run_classify,
)

pytestmark = pytest.mark.stack


def png_bomb() -> bytes:
    """A true PNG of 30,000 x 30,000 black pixels: 2.7 GB once decoded."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    side, strip = 30_000, 10
    row = 1 + 3 * side  # a filter byte and the pixels
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(bytes(strip * row)) + packer.flush(zlib.Z_FULL_FLUSH)
    # Strips flushed in full can be repeated. The last block is empty; the Adler-32 sum of n zeros
    # is 1 below and n above.
    adler = side * row % 65521 << 16 | 1
    pixels = b"\x78\x01" + packed * (side // strip) + b"\x03\x00" + struct.pack(">I", adler)
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


@pytest.fixture(scope="session")
def good(pictures: list[Path]) -> Path:
    return pictures[0]


BAD: dict[str, tuple[type[DeckwatchError], Callable[[bytes], bytes]]] = {
    "empty": (EmptyImage, lambda good: b""),
    "text": (UnsupportedFormat, lambda good: b"these are not the bytes of a picture\n" * 9),
    "truncated": (BrokenImage, lambda good: good[: len(good) // 2]),
    "bomb": (TooManyPixels, lambda good: png_bomb()),
    "huge": (ImageTooLarge, lambda good: good + bytes(100 * 1024 * 1024 - len(good))),
}


@pytest.fixture(scope="session", params=BAD)
def bad(
    request: pytest.FixtureRequest, good: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A file that is no picture; its stem is its kind."""
    path = tmp_path_factory.mktemp("bad") / f"{request.param}.jpg"
    path.write_bytes(BAD[request.param][1](good.read_bytes()))
    return path


@pytest.fixture(autouse=True)
def _goes_on_serving(stack: Stack, good: Path) -> Iterator[None]:
    yield
    with Client(stack.http) as client:
        assert client.classify(good).image.file == str(good)


@pytest.mark.parametrize("server", SERVERS)
def test_classify(stack: Stack, bad: Path, good: Path, server: str) -> None:
    by_path = run_classify(stack, server, "--image", str(bad))
    by_stdin = run_classify(stack, server, stdin=bad.read_bytes())
    for outcome, name in ((by_path, str(bad)), (by_stdin, "standard input")):
        assert (outcome.status, outcome.out) == (1, "")
        assert outcome.err.startswith(f"classify: {name}: ")
        assert outcome.err.count("\n") == 1
    among_others = run_classify(stack, server, str(good), str(bad), str(good))
    assert among_others.status == 3
    assert among_others.out.count(f"{good}: ['") == 2
    assert among_others.err == by_path.err


@pytest.mark.parametrize("server", SERVERS)
def test_client(stack: Stack, bad: Path, server: str) -> None:
    error = BAD[bad.stem][0]
    with Client(stack.address(server), repository=stack.repository) as client:
        with pytest.raises(error, match=f"^{bad}: "):
            client.classify(bad)
        with pytest.raises(error):
            client.classify(bad.read_bytes())


@pytest.mark.parametrize("server", SERVERS)
def test_async_client(stack: Stack, bad: Path, server: str) -> None:
    async def ask() -> None:
        async with AsyncClient(stack.address(server), repository=stack.repository) as client:
            await client.classify(bad)

    with pytest.raises(BAD[bad.stem][0], match=f"^{bad}: "):
        asyncio.run(ask())


def test_tritonclient(stack: Stack, bad: Path) -> None:
    with generic_triton(stack) as triton, pytest.raises(InferenceServerException) as caught:
        triton.infer("deckwatch", [image_tensor(bad.read_bytes())])
    assert type(from_wire(caught.value.message())) is BAD[bad.stem][0]
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


@pytest.mark.parametrize("route", ["/classifyfish", "/v1/classify", "multipart"])
def test_gateway(stack: Stack, bad: Path, route: str) -> None:
    content = bad.read_bytes()
    with generic_http(stack) as http:
        answer = (
            http.post("/v1/classify", files={"image": ("deck.jpg", content)})
            if route == "multipart"
            else http.post(route, content=content)
        )
    error = BAD[bad.stem][0]
    problem = answer.json()
    assert answer.status_code == problem["status"] == error.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == error.code
    assert "\n" not in problem["detail"]
    assert "Traceback" not in answer.text


def unreadable(kind: str, folder: Path) -> Path:
    """A path that cannot be read, not even by the superuser."""
    path = folder / f"{kind}.jpg"
    if kind == "directory":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "below a file":
        path.touch()
        path = path / "deck.jpg"
    return path


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", ["missing", "directory", "loop", "below a file"])
def test_files_that_cannot_be_read(
    stack: Stack, good: Path, tmp_path: Path, server: str, kind: str
) -> None:
    path = unreadable(kind, tmp_path)
    alone = run_classify(stack, server, str(path))
    among_others = run_classify(stack, server, str(path), str(good))
    assert (alone.status, alone.out) == (1, "")
    assert alone.err.startswith(f"classify: {path}: ")
    assert alone.err.count("\n") == 1
    assert among_others.status == 3
    assert among_others.out.startswith(f"{good}: ['")
    assert among_others.err == alone.err
