"""What shared memory gains over sending pictures to a Triton on the same host: docs/client.md.

    python -m tools.measure_shared_memory [--rounds 200]

Both ways in turn, so that whatever else the machine does befalls both alike.
"""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_client.shared_memory import SharedMemoryTriton
from deckwatch_client.triton import TritonClient
from deckwatch_serving.repository import find_repository
from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_vision.errors import ImageError
from deckwatch_vision.images import encode_jpeg

PHOTO = Path(__file__).parents[1] / "examples" / "photos" / "shark.jpg"
WARM_UP = 5


def larger(scale: int, noise: float) -> bytes:
    """The photograph scaled up, with a camera's noise, which makes a JPEG large."""
    photo = cv2.cvtColor(cv2.imread(str(PHOTO), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    picture = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    noisy = picture + np.random.default_rng(0).normal(0, noise, picture.shape)
    return encode_jpeg(noisy.clip(0, 255).astype(np.uint8))


def took_s(client: TritonClient, data: bytes) -> float:
    """Seconds until the answer, or the refusal."""
    begun = time.perf_counter()
    with suppress(ImageError):
        client.infer(data)
    return time.perf_counter() - begun


def pairs(
    plain: TritonClient, shared: TritonClient, data: bytes, rounds: int
) -> NDArray[np.float64]:
    """Seconds [rounds, 2] of both ways; which goes first alternates."""
    for client in (plain, shared) * WARM_UP:
        took_s(client, data)
    rows = []
    for turn in range(rounds):
        first, second = (plain, shared) if turn % 2 else (shared, plain)
        row = {first: took_s(first, data), second: took_s(second, data)}
        rows.append((row[plain], row[shared]))
    return np.array(rows)


def quartiles(values: NDArray[np.float64]) -> str:
    """The median, and the quartiles in brackets."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return f"{median:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200, help="pairs for each picture")
    rounds = parser.parse_args().rounds
    # The last two are no pictures: what they take is the way to the first step and back.
    given = {
        "small picture": larger(2, 1.0), "large picture": larger(5, 6.0),
        "small, refused": bytes(200_000), "large, refused": bytes(3_000_000),
    }  # fmt: skip
    with (
        EmbeddedTriton(find_repository()) as server,
        TritonClient(server.grpc_url) as plain,
        SharedMemoryTriton(server.grpc_url) as shared,
    ):
        for name, data in given.items():
            seconds = pairs(plain, shared, data, rounds)
            ways = [quartiles(way * 1000) for way in seconds.T]
            ratio = quartiles(seconds[:, 0] / seconds[:, 1])
            print(f"{name}, {len(data):,} bytes: plain {ways[0]} ms, shared {ways[1]} ms, "
                  f"plain / shared {ratio}")  # fmt: skip


if __name__ == "__main__":
    main()
