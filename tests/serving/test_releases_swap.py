"""Swapping the release of a running Triton: no answer is lost, none is mixed, failures undo."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient

from deckwatch_client.triton import TritonClient
from deckwatch_serving import configs, history, probe
from deckwatch_serving.gateway import GatewayProcess
from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.promotion import promote, rollback
from deckwatch_serving.repository import live_version, open_release
from deckwatch_serving.running import RunningTriton
from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_vision.errors import ServerUnavailable, SwapFailed
from deckwatch_vision.images import encode_jpeg
from deckwatch_vision.result import Result
from deckwatch_vision.species import DEMO
from tests.serving.processes import family, find, running_gateway, wait_until
from tests.tiny_release import WIDER, tiny_picture, write_tiny_release, write_two_releases

# Starting servers and loading releases takes a while where others need the cores as well.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

PICTURE = encode_jpeg(tiny_picture(fish=3, seed=5))
CLIENTS = 8


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    write_two_releases(folder)
    return folder


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[EmbeddedTriton]:
    with EmbeddedTriton(repository) as server:
        yield server


@pytest.fixture(scope="module")
def expected(repository: Path) -> dict[int, Result]:
    """What each release answers in this process."""
    return {
        version: LocalRecogniser(repository, version=version).recognise(PICTURE)
        for version in (1, 2)
    }


Ask = Callable[[], tuple[int, list[float], tuple[str, ...] | None]]


def ask_by_grpc(server: EmbeddedTriton) -> Ask:
    client = grpcclient.InferenceServerClient(server.grpc_url.removeprefix("grpc://"))
    image = grpcclient.InferInput("IMAGE", [len(PICTURE)], "UINT8")
    image.set_data_from_numpy(np.frombuffer(PICTURE, np.uint8))

    def ask() -> tuple[int, list[float], None]:
        answer = client.infer("deckwatch", [image], client_timeout=60)
        return int(answer.as_numpy("RELEASE")[0]), list(answer.as_numpy("LIKELIHOODS")), None

    return ask


def ask_by_http(server: EmbeddedTriton) -> Ask:
    def ask() -> tuple[int, list[float], None]:
        answer = probe.infer(server.http_port, PICTURE)
        return int(answer["RELEASE"][0]), answer["LIKELIHOODS"], None

    return ask


def ask_our_client(server: EmbeddedTriton) -> Ask:
    client = TritonClient(server.grpc_url)

    def ask() -> tuple[int, list[float], tuple[str, ...]]:
        result = client.infer(PICTURE)
        assert result.release.name == {1: "tiny", 2: "wider"}[result.release.version]
        return result.release.version, list(result.likelihoods.values()), tuple(result.likelihoods)

    return ask


@contextmanager
def asking(server: EmbeddedTriton, expected: dict[int, Result]) -> Iterator[Counter[int]]:
    """Eight clients that keep asking, every answer checked; counts answers by release."""
    counts: Counter[int] = Counter()
    wrong: list[object] = []
    stop = threading.Event()

    def run(ask: Ask) -> None:
        while not stop.wait(0.01):  # or they would take the cores from what they look at
            try:
                version, likelihoods, labels = ask()
                truth = expected[version].likelihoods
                assert likelihoods == pytest.approx(list(truth.values()), abs=1e-4)
                assert labels in (None, tuple(truth))
                counts[version] += 1
            except Exception as error:
                wrong.append(error)

    kinds = itertools.cycle((ask_by_grpc, ask_by_http, ask_our_client))
    threads = [threading.Thread(target=run, args=(next(kinds)(server),)) for _ in range(CLIENTS)]
    for each in threads:
        each.start()
    try:
        wait_until(lambda: counts or wrong, "a first answer")
        yield counts
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert wrong == []


def test_no_answer_is_lost_or_mixed_over_ten_swaps(
    repository: Path, server: EmbeddedTriton, expected: dict[int, Result]
) -> None:
    assert live_version(repository) == 1
    assert expected[1].likelihoods != expected[2].likelihoods
    url = server.http_url
    with asking(server, expected) as counts:
        for turn in range(5):
            # The first and the last load the steps anew and let the old ones go; those between
            # find them loaded. Both ways happen in production.
            warm = 0 < turn < 4
            change = promote(repository, 2, servers=[url], force="a test", keep_loaded=warm)
            assert change is not None
            assert live_version(repository) == 2
            answered = counts[2]
            wait_until(lambda n=answered: counts[2] > n, "an answer of release 2")  # type: ignore[misc]
            rollback(repository, servers=[url], keep_loaded=warm)
            assert live_version(repository) == 1
            answered = counts[1]
            wait_until(lambda n=answered: counts[1] > n, "an answer of release 1")  # type: ignore[misc]
    assert len(history.read(repository)) == 10
    assert history.announced(repository) is None
    assert RunningTriton(url).versions() == {
        (step, 1) for step in ("deckwatch", "detect", "classifier", "fuse")
    }
    assert server.broken() is None
    rendered = dict(configs.render(repository, open_release(repository)))
    assert {name: (repository / name).read_text() for name in rendered} == rendered


def test_a_step_that_cannot_be_loaded_changes_nothing(
    repository: Path, server: EmbeddedTriton, expected: dict[int, Result]
) -> None:
    """The python step of release 3 only fails inside Triton: no check before it can know."""
    write_tiny_release(repository, version=3, name="third", configs=False)
    step = repository / "fuse" / "3" / "model.py"
    real = configs.render_models

    def broken(release: object) -> Iterator[tuple[str, str]]:
        for name, text in real(open_release(repository, 3)):
            yield name, text.replace("import Fuse", "import NoSuchStep")

    before = {path: path.read_text() for path in repository.rglob("*.pbtxt")}
    with pytest.MonkeyPatch.context() as patch, asking(server, expected):
        patch.setattr(configs, "render_models", broken)
        with pytest.raises(
            SwapFailed, match=r"third 3 was not made live: .*fuse.*NoSuchStep"
        ) as caught:
            promote(repository, 3, servers=[server.http_url], force="a test")
    assert "tiny 1 is still live" in caught.value.message
    assert step.is_file()
    assert {path: path.read_text() for path in repository.rglob("*.pbtxt")} == before
    assert live_version(repository) == 1
    assert history.announced(repository) is None
    assert [swap.after for swap in history.read(repository)].count(3) == 0
    assert RunningTriton(server.http_url).ready("fuse", 1)
    shutil.rmtree(repository / "deckwatch" / "3")


def test_one_server_of_two_that_fails_takes_the_other_back(
    repository: Path,
    server: EmbeddedTriton,
    expected: dict[int, Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second server reads the same files but dies between being prepared and switched."""
    with closing_server(EmbeddedTriton(repository)) as second, asking(server, expected) as counts:
        load = RunningTriton.load

        def dying(self: RunningTriton, model: str) -> None:
            if self.url == second.http_url and model == "deckwatch":
                second.stop(at_once=True)
            load(self, model)

        monkeypatch.setattr(RunningTriton, "load", dying)
        with pytest.raises(SwapFailed, match=r"No answer from .*needs a restart"):
            promote(
                repository, 2, servers=[server.http_url, second.http_url], force="a test",
            )  # fmt: skip
        assert live_version(repository) == 1
        answered = counts[1]
        wait_until(lambda: counts[1] > answered, "an answer of the old release")
    assert expected[1].release == TritonClient(server.grpc_url).infer(PICTURE).release


@contextmanager
def closing_server(server: EmbeddedTriton) -> Iterator[EmbeddedTriton]:
    with server:
        yield server


def test_a_server_that_is_not_there_changes_nothing(repository: Path) -> None:
    before = {path: path.read_text() for path in repository.rglob("*.pbtxt")}
    with pytest.raises(ServerUnavailable, match=r"No answer from http://127\.0\.0\.1:9"):
        promote(repository, 2, servers=["http://127.0.0.1:9"], force="a test")
    assert {path: path.read_text() for path in repository.rglob("*.pbtxt")} == before


def test_files_first_and_servers_later(
    repository: Path, server: EmbeddedTriton, expected: dict[int, Result]
) -> None:
    """Promoting what is live already brings a server to it that was not told."""
    promote(repository, 2, force="a test")
    assert live_version(repository) == 2
    with closing(TritonClient(server.grpc_url)) as client:
        assert client.infer(PICTURE).release.version == 1
        with asking(server, expected):
            assert promote(repository, 2, servers=[server.http_url]) is None
        found = client.infer(PICTURE)
        assert found.release.version == 2
        assert list(found.likelihoods) == list(WIDER.codes)
    rollback(repository, servers=[server.http_url])


def test_the_gateway_follows(repository: Path, server: EmbeddedTriton) -> None:
    """It was started before the swap, and names the labels of whatever release answers."""
    with running_gateway(server.grpc_url) as gateway:
        for version, labels in ((1, DEMO.codes), (2, WIDER.codes), (1, DEMO.codes)):
            if version != live_version(repository):
                promote(repository, version, servers=[server.http_url], force="a test")
            status, body = ask_gateway(gateway, "POST", "/v1/classify", PICTURE)
            answer = json.loads(body)
            assert status == 200
            assert answer["release"]["version"] == version
            assert tuple(answer["likelihoods"]) == tuple(labels)
            assert ask_gateway(gateway, "GET", "/readyz")[0] == 200


def ask_gateway(
    gateway: GatewayProcess, method: str, path: str, body: bytes = b""
) -> tuple[int, bytes]:
    headers = {"Content-Type": "image/jpeg"} if body else {}
    try:
        return probe.request(gateway.port, method, path, body=body, headers=headers)
    except ServerUnavailable:
        return 0, b""


def test_the_launcher_follows_a_swap_and_still_sees_a_crash(
    repository: Path, server: EmbeddedTriton
) -> None:
    server.check_answers()
    promote(repository, 2, servers=[server.http_url], force="a test", keep_loaded=True)
    server.check_answers()  # six likelihoods by now
    assert server.broken() is None
    wait_until(lambda: len(stubs_of(server)) == 10, "the steps of two releases")
    stubs = stubs_of(server)
    os.kill(stubs[0], signal.SIGKILL)
    wait_until(server.broken, "the missing step")
    assert server.broken() == "1 of its 10 steps crashed"
    server.stop(at_once=True)
    server.start()
    server.wait_ready()
    assert server.release.version == 2
    assert server.broken() is None
    rollback(repository, servers=[server.http_url])
    wait_until(lambda: server.broken() is None, "a look after the old steps are gone")


@pytest.fixture
def five(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmbeddedTriton]:
    """A server of the GPU profile, which is missing the GPU: its nets are steps on the CPU."""
    chain = tmp_path / "chain"
    shutil.copytree(repository, chain)
    nets = {f"{name}/configs/gpu.pbtxt" for name in ("detector", "classifier")}
    for name in nets:
        (chain / name).unlink()
    write = configs.write_texts
    monkeypatch.setattr(
        configs, "write_texts",
        lambda folder, texts: write(folder, [each for each in texts if each[0] not in nets]),
    )  # fmt: skip
    server = EmbeddedTriton(chain, profile="gpu")
    try:
        server.start()
        server.wait_ready()
        yield server
    finally:
        server.stop(at_once=True)


def test_the_five_steps_of_the_gpu_profile_swap_as_well(
    five: EmbeddedTriton, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, triton = five.repository, RunningTriton(five.http_url)
    with monkeypatch.context() as patch:
        config = RunningTriton.config

        def on_gpu(self: RunningTriton, model: str) -> dict[str, Any]:
            return {**config(self, model), "backend": "onnxruntime"}

        patch.setattr(RunningTriton, "config", on_gpu)
        with pytest.raises(SwapFailed, match=r"cannot hold nets of other sizes.*restart"):
            promote(chain, 2, servers=[five.http_url], force="a test")
        assert live_version(chain) == 1
    assert promote(chain, 2, servers=[five.http_url], force="a test") is not None
    loaded = {step for step, version in triton.versions() if version == 2}
    assert loaded == {"deckwatch", "decode", "detector", "crop", "classifier", "fuse"}
    found = triton.recognise(PICTURE)["LIKELIHOODS"]
    truth = LocalRecogniser(chain, version=2).recognise(PICTURE).likelihoods
    np.testing.assert_allclose(found, list(truth.values()), atol=1e-4)


def stubs_of(server: EmbeddedTriton) -> list[int]:
    return find(family(server.child.pid or 0), "triton_python_backend_stub")
