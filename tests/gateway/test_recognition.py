"""Pictures through the gateway and the real Triton."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from deckwatch_client.triton import TritonClient
from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_vision.images import decode, encode_jpeg
from deckwatch_vision.result import Result
from tests.tiny_release import tiny_picture

from .conftest import Running, running_gateway, wait_for

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def gateway(triton_server: EmbeddedTriton) -> Iterator[Running]:
    with running_gateway(triton=triton_server.grpc_url) as running:
        yield running


@pytest.fixture(scope="module")
def picture() -> bytes:
    """Two fish on a deck."""
    return encode_jpeg(tiny_picture(fish=2))


@pytest.fixture(scope="module")
def expected(triton_server: EmbeddedTriton, picture: bytes) -> Result:
    """What Triton itself says of `picture`."""
    with TritonClient(triton_server.grpc_url) as triton:
        return triton.infer(picture)


SHARK = Path(__file__).parents[2] / "examples" / "photos" / "hammerhead.jpg"


def test_classifyfish(gateway: Running, picture: bytes, expected: Result) -> None:
    answer = gateway.caller.post("/classifyfish", content=picture)
    assert answer.status_code == 200
    assert answer.json() == [expected.label]


@pytest.mark.parametrize("content_type", ["image/png", "text/plain", "application/json", "x"])
def test_classifyfish_whatever_the_content_type(
    gateway: Running, picture: bytes, expected: Result, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    answer = gateway.caller.post("/classifyfish", content=picture, headers=headers)
    assert answer.json() == [expected.label]


def test_classifyfish_verbose(gateway: Running, picture: bytes, expected: Result) -> None:
    answer = gateway.caller.post("/classifyfish?verbose=true", content=picture)
    assert answer.json() == expected.pairs()


def test_classify_raw(gateway: Running, picture: bytes, expected: Result) -> None:
    answer = gateway.caller.post("/v1/classify", content=picture)
    assert answer.json() == expected.as_dict()
    assert "file" not in answer.json()["image"]
    assert answer.json()["image"]["sha256"] == hashlib.sha256(picture).hexdigest()


def test_classify_a_form(gateway: Running, picture: bytes, expected: Result) -> None:
    files = {"image": ("deck 7.jpg", picture, "image/jpeg")}
    answer = gateway.caller.post("/v1/classify", files=files, data={"note": "starboard"}).json()
    assert answer["image"].pop("file") == "deck 7.jpg"
    assert answer == expected.as_dict()


def test_classify_chunked(gateway: Running, picture: bytes, expected: Result) -> None:
    chunks = (picture[start : start + 100] for start in range(0, len(picture), 100))
    answer = gateway.caller.post("/v1/classify", content=chunks)
    assert answer.json() == expected.as_dict()


def test_overlay(gateway: Running) -> None:
    picture = SHARK.read_bytes()
    answer = gateway.caller.post("/v1/classify?overlay=true", content=picture)
    assert answer.headers["content-type"] == "image/jpeg"
    drawn, plain = decode(answer.content).astype(int), decode(picture)
    assert drawn.shape == plain.shape
    changed = np.abs(drawn - plain).max(axis=2) > 60
    (fish,) = gateway.caller.post("/v1/classify", content=picture).json()["fish"]
    x1, y1, x2, y2 = (round(edge) for edge in fish["box"])
    for edge in (changed[y1 - 2 : y1 + 3, x1:x2], changed[y2 - 2 : y2 + 3, x1:x2]):
        assert edge.any(axis=0).mean() > 0.9, "a line from corner to corner"
    # Apart from the outline and the caption above it, the photograph is as it was.
    changed[y1 - 40 : y2 + 6, x1 - 6 : x2 + 6] = False
    assert not changed.any()


def test_every_format(gateway: Running) -> None:
    image = tiny_picture(fish=1)[:, :, ::-1]
    for suffix in (".png", ".webp", ".bmp", ".tiff"):
        encoded = cv2.imencode(suffix, image)[1].tobytes()
        answer = gateway.caller.post("/v1/classify", content=encoded)
        assert answer.status_code == 200, suffix


def test_a_truncated_picture_is_refused_and_the_next_one_is_not(
    gateway: Running, picture: bytes
) -> None:
    answer = gateway.caller.post("/v1/classify", content=picture[: len(picture) // 2])
    assert (answer.status_code, answer.json()["code"]) == (422, "broken-image")
    assert gateway.caller.post("/v1/classify", content=picture).status_code == 200


def test_many_at_once(gateway: Running, picture: bytes, expected: Result) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(gateway.caller.post, "/v1/classify", content=picture) for _ in range(40)
        ]
        assert [job.result().json() for job in jobs] == [expected.as_dict()] * 40


def test_ready_names_the_release(gateway: Running, expected: Result) -> None:
    wait_for(lambda: gateway.caller.get("/readyz").status_code == 200)
    release = {"name": expected.release.name, "version": expected.release.version}
    assert gateway.caller.get("/readyz").json() == {"status": "ready", "release": release}
    assert gateway.caller.metric("ready") == 1


def test_warms_up_without_being_asked(
    start_gateway: Callable[..., Running], triton_server: EmbeddedTriton, expected: Result
) -> None:
    fresh = start_gateway(triton=triton_server.grpc_url)
    wait_for(lambda: fresh.caller.metric("ready") == 1)
    labels = {"name": expected.release.name, "version": str(expected.release.version)}
    assert fresh.caller.metric("release_info", **labels) == 1


def test_metrics_count_requests_and_stages(
    start_gateway: Callable[..., Running], triton_server: EmbeddedTriton, picture: bytes
) -> None:
    fresh = start_gateway(triton=triton_server.grpc_url)
    for _ in range(3):
        fresh.caller.post("/v1/classify?overlay=true", content=picture)
    labels = {"route": "/v1/classify", "method": "POST", "status": "200"}
    assert fresh.caller.metric("requests_total", **labels) == 3
    assert fresh.caller.metric("request_seconds_count", route="/v1/classify") == 3
    for stage in ("body", "header", "triton", "overlay"):
        assert fresh.caller.metric("stage_seconds_count", stage=stage) == 3
    assert fresh.caller.metric("in_flight") == 0
    assert fresh.caller.metric("in_flight_limit") >= 4
    assert fresh.caller.metric("queue_wait_seconds_count", lane="callers") == 3
    assert fresh.caller.metric("requests_open") == 1  # this one
