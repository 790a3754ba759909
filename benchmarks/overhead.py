"""What the gateway adds to a picture's way: raw gRPC and HTTP through the gateway, in turn."""

from __future__ import annotations

import statistics
import time
from typing import Any

import tritonclient.grpc as grpcclient

from benchmarks.pictures import PHOTOS, fitted
from benchmarks.ways import WAYS
from deckwatch_client.ensemble import ENSEMBLE, request_inputs
from deckwatch_vision.images import decode, encode_jpeg

PICTURE_BYTES = 200_000
_WARM_UP = 2


def measure(triton_url: str, port: int, pairs: int) -> dict[str, Any]:
    """Milliseconds of `pairs` requests with the same picture either way, and their differences."""
    picture = _picture()
    way = WAYS["gateway"](str(port))
    through = way.connect(1)
    inputs = request_inputs(picture)
    raw = grpcclient.InferenceServerClient(triton_url.removeprefix("grpc://"))
    times: dict[str, list[float]] = {"grpc": [], "gateway": []}

    def timed(name: str) -> None:
        begun = time.perf_counter()
        if name == "grpc":
            raw.infer(ENSEMBLE, inputs)
        else:
            through(picture)
        times[name].append((time.perf_counter() - begun) * 1e3)

    try:
        for turn in range(pairs + _WARM_UP):
            # Each goes first as often as the other.
            for name in ("grpc", "gateway") if turn % 2 else ("gateway", "grpc"):
                timed(name)
    finally:
        raw.close()
    grpc, gateway = times["grpc"][_WARM_UP:], times["gateway"][_WARM_UP:]
    added = [mine - theirs for mine, theirs in zip(gateway, grpc, strict=True)]
    low, median, high = statistics.quantiles(added, n=4, method="inclusive")
    return {
        "bytes": len(picture),
        "pairs": pairs,
        "grpc_p50_ms": round(statistics.median(grpc), 3),
        "gateway_p50_ms": round(statistics.median(gateway), 3),
        "added_p50_ms": round(median, 3),
        "added_low_ms": round(low, 3),
        "added_high_ms": round(high, 3),
    }


def _picture() -> bytes:
    """A photograph of 1280 x 720 at the quality that gives about 200 kB."""
    photo = sorted(PHOTOS.glob("*.jpg"))[0]
    image = fitted(decode(photo.read_bytes()), 1280, 720)
    encoded = [encode_jpeg(image, quality) for quality in range(60, 101)]
    return min(encoded, key=lambda each: abs(len(each) - PICTURE_BYTES))
