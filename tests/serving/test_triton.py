"""The ensemble in the real server: equal to recognition in process, whatever it is sent."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from deckwatch_serving import probe
from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_vision.errors import (
    BrokenImage,
    EmptyImage,
    ImageError,
    LauncherError,
    ReleaseCorrupt,
    ServerError,
    UnsupportedFormat,
    from_wire,
)
from deckwatch_vision.images import encode_jpeg
from deckwatch_vision.result import ReleaseInfo, Result
from tests.serving.processes import family, find, shared_memory, wait_until
from tests.tiny_release import tiny_picture, write_tiny_release

pytestmark = pytest.mark.stack

OUTPUTS = ("LIKELIHOODS", "BOXES", "SCORES", "FISH_LIKELIHOODS", "SIZE", "RELEASE")
PICTURES = {
    "no fish": tiny_picture(fish=0),
    "one": tiny_picture(fish=1),
    "three": tiny_picture(fish=3, seed=3),
    "crowded": tiny_picture(fish=12, height=300, width=1200),
    "tall": tiny_picture(fish=2, height=900, width=60),
    "small": tiny_picture(fish=1, height=16, width=16),
    "one pixel": np.full((1, 1, 3), 114, np.uint8),
    "large": tiny_picture(fish=4, height=2160, width=3840),
}


def connect(server: EmbeddedTriton) -> grpcclient.InferenceServerClient:
    return grpcclient.InferenceServerClient(server.grpc_url.removeprefix("grpc://"))


def infer(client: grpcclient.InferenceServerClient, data: bytes) -> dict[str, NDArray[Any]]:
    image = grpcclient.InferInput("IMAGE", [len(data)], "UINT8")
    image.set_data_from_numpy(np.frombuffer(data, np.uint8))
    answer = client.infer("deckwatch", [image], client_timeout=60)
    return {name: answer.as_numpy(name) for name in OUTPUTS}


def as_result(answer: dict[str, NDArray[Any]], like: Result) -> Result:
    return Result.from_arrays(
        answer["LIKELIHOODS"],
        answer["BOXES"],
        answer["SCORES"],
        answer["FISH_LIKELIHOODS"],
        answer["SIZE"],
        list(like.likelihoods),
        ReleaseInfo(like.release.name, int(answer["RELEASE"][0])),
        like.image.file,
        like.image.sha256,
    )


def assert_equal(found: Result, expected: Result) -> None:
    assert found.label == expected.label
    assert found.image == expected.image
    assert found.release == expected.release
    assert found.likelihoods == pytest.approx(expected.likelihoods, abs=1e-4)
    assert len(found.fish) == len(expected.fish)
    for one, other in zip(found.fish, expected.fish, strict=True):
        assert one.label == other.label
        assert one.box == pytest.approx(other.box, abs=0.5)
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.likelihoods == pytest.approx(other.likelihoods, abs=1e-4)


@pytest.fixture(scope="module")
def client(tiny_server: EmbeddedTriton) -> Iterator[grpcclient.InferenceServerClient]:
    with connect(tiny_server) as open_client:
        yield open_client


@pytest.fixture(scope="module")
def local(tiny_repository: Path) -> LocalRecogniser:
    return LocalRecogniser(tiny_repository)


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
def test_the_answer_is_that_of_recognition_in_process(
    client: grpcclient.InferenceServerClient, local: LocalRecogniser, picture: NDArray[np.uint8]
) -> None:
    data = encode_jpeg(picture)
    expected = local.recognise(data)
    assert_equal(as_result(infer(client, data), expected), expected)


def test_the_pictures_are_worth_comparing(local: LocalRecogniser) -> None:
    counts = [len(local.recognise(encode_jpeg(each)).fish) for each in PICTURES.values()]
    assert counts[0] == 0
    assert max(counts) > 8


def test_no_fish_is_an_answer_without_rows(client: grpcclient.InferenceServerClient) -> None:
    answer = infer(client, encode_jpeg(PICTURES["no fish"]))
    assert answer["LIKELIHOODS"].shape == (4,)
    assert answer["BOXES"].shape == (0, 4)
    assert answer["SCORES"].shape == (0,)
    assert answer["FISH_LIKELIHOODS"].shape == (0, 4)


def test_many_clients_at_once_get_their_own_answers(
    client: grpcclient.InferenceServerClient, local: LocalRecogniser
) -> None:
    data = [encode_jpeg(tiny_picture(fish=place % 4, seed=place)) for place in range(24)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda each: infer(client, each), data))
    for answer, expected in zip(answers, map(local.recognise, data), strict=True):
        assert_equal(as_result(answer, expected), expected)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyImage),
        (b"no picture, a letter", UnsupportedFormat),
        (encode_jpeg(PICTURES["one"])[:2000], BrokenImage),
    ],
)
def test_a_bad_picture_is_named_and_the_server_goes_on(
    client: grpcclient.InferenceServerClient,
    local: LocalRecogniser,
    data: bytes,
    error: type[ImageError],
) -> None:
    with pytest.raises(InferenceServerException) as caught:
        infer(client, data)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    rebuilt = from_wire(caught.value.message())
    with pytest.raises(error) as here:
        local.recognise(data)
    assert type(rebuilt) is error
    assert rebuilt.message == " ".join(here.value.message.split())
    assert infer(client, encode_jpeg(PICTURES["one"]))["RELEASE"] == [1]


def test_generic_clients_get_label_names(client: grpcclient.InferenceServerClient) -> None:
    data = encode_jpeg(tiny_picture(fish=1, species=("SHARK",)))
    image = grpcclient.InferInput("IMAGE", [len(data)], "UINT8")
    image.set_data_from_numpy(np.frombuffer(data, np.uint8))
    wanted = grpcclient.InferRequestedOutput("LIKELIHOODS", class_count=3)
    answer = client.infer("deckwatch", [image], outputs=[wanted]).as_numpy("LIKELIHOODS")
    rows = [each.decode().split(":") for each in answer]
    assert [len(each) for each in rows] == [3, 3, 3]
    assert rows[0][1:] == ["2", "SHARK"]
    assert float(rows[0][0]) > float(rows[1][0]) > float(rows[2][0])


def test_the_ensemble_names_its_release(client: grpcclient.InferenceServerClient) -> None:
    config = client.get_model_config("deckwatch").config
    assert config.parameters["release_name"].string_value == "tiny"
    assert config.parameters["labels"].string_value == "NoF,OTHER,SHARK,RAY"


def test_memory_does_not_grow(
    tiny_server: EmbeddedTriton, client: grpcclient.InferenceServerClient
) -> None:
    """Tensors handed over by DLPack are freed: 200 of 7 MB of crops would show."""
    data = encode_jpeg(PICTURES["crowded"])
    stubs = find(family(tiny_server.child.pid or 0), "triton_python_backend_stub")
    for _ in range(20):
        infer(client, data)
    before = sum(map(resident_bytes, stubs))
    for _ in range(200):
        infer(client, data)
    assert sum(map(resident_bytes, stubs)) - before < 16e6


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_nothing_is_complained_about(
    tiny_server: EmbeddedTriton, client: grpcclient.InferenceServerClient
) -> None:
    """numpy's capsules and OpenCV write on standard error when something is not to their taste."""
    infer(client, encode_jpeg(PICTURES["three"]))
    log = tiny_server.child.log.read_text()
    assert "PyCapsule" not in log
    assert "Traceback" not in log


def test_metrics_are_served(tiny_server: EmbeddedTriton) -> None:
    status, body = probe.request(tiny_server.metrics_port, "GET", "/metrics")
    assert status == http.client.OK
    assert b'nv_inference_count{model="deckwatch"' in body


def test_the_probe_needs_a_whole_answer(tiny_server: EmbeddedTriton) -> None:
    tiny_server.check_ready()
    tiny_server.check_answers()
    outputs = probe.infer(tiny_server.http_port, probe.generated_picture())
    with pytest.raises(ServerError, match="where 8 likelihoods that sum to 1 were expected"):
        probe.check_answer(outputs, 8)
    with pytest.raises(ServerError, match="its python backend and numpy do not fit"):
        probe.check_answer({**outputs, "LIKELIHOODS": [0.0, 0.0, 0.0, 0.0]}, 4)
    with pytest.raises(BrokenImage):
        probe.infer(tiny_server.http_port, probe.generated_picture()[:500])
    status, body = probe.request(tiny_server.http_port, "GET", "/v2/models/none/ready")
    assert (status, json.loads(body or b"{}")) != (http.client.OK, {})


def test_a_crashed_step_is_noticed_and_a_new_start_helps(tiny_repository: Path) -> None:
    data = encode_jpeg(PICTURES["three"])
    server = EmbeddedTriton(tiny_repository)
    with server, connect(server) as client:
        expected = infer(client, data)
        assert server.broken() is None
        stubs = find(family(server.child.pid or 0), "triton_python_backend_stub")
        assert len(stubs) == 5  # two of detect, two of classifier, one of fuse
        os.kill(stubs[0], signal.SIGKILL)
        wait_until(server.broken, "the missing step")
        assert server.broken() == "1 of its 5 steps crashed"
        server.stop(at_once=True)
        assert not shared_memory(server.shared_memory_prefix)
        server.start()
        server.wait_ready()
        assert server.broken() is None
        wait_until(client.is_server_ready, "the old connection")
        assert np.array_equal(infer(client, data)["BOXES"], expected["BOXES"])
    assert not server.child.running
    assert not shared_memory(server.shared_memory_prefix)


def test_five_steps_give_the_answers_of_three(
    tiny_repository: Path,
    local: LocalRecogniser,
    client: grpcclient.InferenceServerClient,
    tmp_path: Path,
) -> None:
    """The GPU profile's chain, its two nets on the CPU: the embedded server has no GPU backend."""
    chain = tmp_path / "chain"
    shutil.copytree(tiny_repository, chain)
    for net in ("detector", "classifier"):
        shutil.rmtree(chain / net / "configs")
    server = EmbeddedTriton(chain, profile="gpu")
    try:
        server.start()
        server.wait_ready()
        with connect(server) as five:
            for picture in PICTURES.values():
                data = encode_jpeg(picture)
                found, expected = infer(five, data), infer(client, data)
                for name in OUTPUTS:
                    np.testing.assert_allclose(found[name], expected[name], atol=1e-4)
            with ThreadPoolExecutor(8) as pool:  # batched in both nets
                answers = list(pool.map(lambda _: infer(five, data), range(16)))
            for answer in answers:
                np.testing.assert_allclose(answer["BOXES"], expected["BOXES"], atol=0.5)
            with pytest.raises(InferenceServerException) as caught:
                infer(five, data[:1000])
            assert isinstance(from_wire(caught.value.message()), BrokenImage)
            stubs = find(family(server.child.pid or 0), "triton_python_backend_stub")
            assert len(stubs) == 4 + 2 + 2 + 2 + 1
    finally:
        server.stop(at_once=True)
    assert not shared_memory(server.shared_memory_prefix)


def test_a_taken_port_is_named_with_its_option(
    tiny_repository: Path, tiny_server: EmbeddedTriton
) -> None:
    other = EmbeddedTriton(tiny_repository, grpc_port=tiny_server.grpc_port)
    with pytest.raises(LauncherError, match=r"taken by another.*--triton-grpc-port PORT"):
        other.start()
    other.stop()


def test_a_damaged_release_is_refused_before_anything_starts(tmp_path: Path) -> None:
    write_tiny_release(tmp_path)
    (tmp_path / "detector" / "1" / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(ReleaseCorrupt, match=r"detector/1/model\.onnx"):
        EmbeddedTriton(tmp_path)


def test_a_server_that_cannot_load_says_why(tmp_path: Path) -> None:
    write_tiny_release(tmp_path)
    (tmp_path / "fuse" / "1" / "model.py").write_text("import no_such_module\n")
    server = EmbeddedTriton(tmp_path)
    with (
        pytest.raises(LauncherError, match=r"ended with status 1.*no_such_module") as caught,
        server,
    ):
        pass
    assert str(server.child.log) in caught.value.message
    assert not shared_memory(server.shared_memory_prefix)
