"""Another release goes live behind two gateways; callers notice by the labels alone."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.promotion import promote, rollback
from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_vision.images import encode_jpeg
from tests.serving.processes import running_gateway, wait_until
from tests.tiny_release import tiny_picture, write_two_releases

# Starting servers and loading releases takes a while where others need the cores as well.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

PICTURE = encode_jpeg(tiny_picture(fish=3, seed=5))
CLIENTS = 6
GATEWAYS = 2

Answer = dict[str, Any]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases that differ in everything a release decides."""
    folder = tmp_path_factory.mktemp("two")
    write_two_releases(folder)
    return folder


@pytest.fixture(scope="module")
def triton(repository: Path) -> Iterator[EmbeddedTriton]:
    with EmbeddedTriton(repository) as server:
        yield server


@pytest.fixture(scope="module")
def gateways(triton: EmbeddedTriton) -> Iterator[list[str]]:
    """Addresses of two gateway processes before one Triton."""
    with ExitStack() as stack:
        yield [stack.enter_context(running_gateway(triton.grpc_url)).url for _ in range(GATEWAYS)]


@pytest.fixture(scope="module")
def expected(repository: Path) -> dict[int, Answer]:
    """What each release answers in this process."""
    return {
        version: LocalRecogniser(repository, version=version).recognise(PICTURE).as_dict()
        for version in (1, 2)
    }


@contextmanager
def asking(gateways: list[str], expected: dict[int, Answer]) -> Iterator[Counter[int]]:
    """Clients that keep asking, every answer compared with the whole truth; counts by release."""
    counts: Counter[int] = Counter()
    wrong: list[object] = []
    stop = threading.Event()

    def run(url: str) -> None:
        with httpx2.Client(base_url=url, timeout=60, trust_env=False) as caller:
            while not stop.wait(0.01):  # or they would take the cores from what they look at
                try:
                    answer = caller.post("/v1/classify", content=PICTURE)
                    assert answer.status_code == 200, answer.text
                    found = answer.json()
                    version = found["release"]["version"]
                    compare(found, expected[version])
                    counts[version] += 1
                except Exception as error:
                    wrong.append(error)
                    return

    urls = itertools.cycle(gateways)
    threads = [threading.Thread(target=run, args=(next(urls),)) for _ in range(CLIENTS)]
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


def compare(found: Answer, truth: Answer) -> None:
    """Two answers are one, but for the last digits of floating point."""
    assert found["release"] == truth["release"]
    assert found["label"] == truth["label"]
    assert list(found["likelihoods"]) == list(truth["likelihoods"])
    assert found["likelihoods"] == pytest.approx(truth["likelihoods"], abs=1e-4)
    assert len(found["fish"]) == len(truth["fish"])
    for one, other in zip(found["fish"], truth["fish"], strict=True):
        assert one["label"] == other["label"]
        assert one["likelihoods"] == pytest.approx(other["likelihoods"], abs=1e-4)
        assert one["box"] == pytest.approx(other["box"], abs=0.1)


def test_a_swap_is_invisible_but_for_the_labels(
    repository: Path,
    triton: EmbeddedTriton,
    gateways: list[str],
    expected: dict[int, Answer],
) -> None:
    assert expected[1]["likelihoods"].keys() != expected[2]["likelihoods"].keys()
    with asking(gateways, expected) as counts:
        for warm in (False, True):
            promote(repository, 2, servers=[triton.http_url], force="a test", keep_loaded=warm)
            wait_for_answers(counts, 2)
            assert ready_with(gateways) == [2] * GATEWAYS
            rollback(repository, servers=[triton.http_url], keep_loaded=warm)
            wait_for_answers(counts, 1)
            assert ready_with(gateways) == [1] * GATEWAYS
    assert counts[1] > 0
    assert counts[2] > 0


def is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx2.ConnectError:
        return False


def wait_for_answers(counts: Counter[int], version: int) -> None:
    goal = counts[version] + 2 * CLIENTS
    wait_until(lambda: counts[version] >= goal, f"answers of release {version}")


def ready_with(gateways: list[str]) -> list[int]:
    """The release that each gateway names at /readyz, which must not say no for a moment."""
    answers = [httpx2.get(f"{url}/readyz", timeout=60, trust_env=False) for url in gateways]
    assert {each.status_code for each in answers} == {200}
    return [each.json()["release"]["version"] for each in answers]
