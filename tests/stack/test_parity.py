"""The same picture gets the same answer at every entrance."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tritonclient.grpc as grpcclient

from deckwatch_client import Client, Result
from tests.stack.entrances import (
    AT_ONCE,
    ENTRANCES,
    Stack,
    generic_http,
    generic_triton,
    image_tensor,
    run_classify,
)

pytestmark = pytest.mark.stack

LIKELIHOOD = 1e-4
PIXELS = 0.5


@pytest.fixture(scope="session")
def expected(stack: Stack, pictures: list[Path]) -> list[Result]:
    """What recognition in this process says of every picture."""
    with Client("", repository=stack.repository) as client:
        return [client.classify(path) for path in pictures]


def test_there_is_enough_to_compare(pictures: list[Path], expected: list[Result]) -> None:
    assert len(pictures) >= 30
    by_name = {path.name: each.image for path, each in zip(pictures, expected, strict=True)}
    sizes = {name: (image.width, image.height) for name, image in by_name.items()}
    width, height = sizes["orientation-1.jpg"]
    assert width != height
    for orientation in range(1, 9):
        upright = (width, height) if orientation < 5 else (height, width)
        assert sizes[f"orientation-{orientation}.jpg"] == upright
    assert sizes["16x16.png"] == (16, 16)
    assert any(result.fish for result in expected)
    assert any(not result.fish for result in expected)


@pytest.mark.parametrize("entrance", ENTRANCES.values(), ids=ENTRANCES)
def test_every_entrance_gives_the_same_answer(
    stack: Stack, pictures: list[Path], expected: list[Result], entrance: Any
) -> None:
    answers = entrance(stack, pictures)
    assert len(answers) == len(pictures)
    for path, answer, result in zip(pictures, answers, expected, strict=True):
        assert_same(path, answer, result)


def assert_same(path: Path, answer: dict[str, Any], result: Result) -> None:
    assert answer["label"] == result.label, path.name
    assert answer["release"] == result.as_dict()["release"]
    assert_close(path, answer["likelihoods"], result.likelihoods)
    assert len(answer["fish"]) == len(result.fish), path.name
    for given, fish in zip(answer["fish"], result.fish, strict=True):
        assert given["label"] == fish.label, path.name
        assert given["box"] == pytest.approx(fish.box, abs=PIXELS), path.name
        assert given["score"] == pytest.approx(fish.score, abs=LIKELIHOOD), path.name
        assert_close(path, given["likelihoods"], fish.likelihoods)
    image = answer["image"]
    assert (image["width"], image["height"]) == (result.image.width, result.image.height)
    # tritonclient knows of no digest, and what comes by standard input or a body has no name.
    assert image.get("sha256", result.image.sha256) == result.image.sha256
    assert image.get("file", path.name) in (path.name, str(path))


def assert_close(path: Path, given: dict[str, float], expected: dict[str, float]) -> None:
    assert list(given) == list(expected), path.name  # in the label set's order
    assert given == pytest.approx(expected, abs=LIKELIHOOD), path.name


@pytest.mark.parametrize("server", ["local", "grpc", "http"])
def test_the_printed_forms(
    stack: Stack, pictures: list[Path], expected: list[Result], server: str
) -> None:
    plain = run_classify(stack, server, *map(str, pictures)).out.splitlines()
    assert plain == [
        f"{path}: {[result.label]!r}" for path, result in zip(pictures, expected, strict=True)
    ]
    path, result = pictures[0], expected[0]
    for stdin in (False, True):
        arguments = ["--verbose"] if stdin else ["--verbose", "--image", str(path)]
        outcome = run_classify(stack, server, *arguments, stdin=path.read_bytes() if stdin else b"")
        assert_pairs(path, ast.literal_eval(outcome.out), result)


def test_classifyfish(stack: Stack, pictures: list[Path], expected: list[Result]) -> None:
    with generic_http(stack) as http:
        for path, result in zip(pictures, expected, strict=True):
            content = path.read_bytes()
            assert http.post("/classifyfish", content=content).json() == [result.label], path.name
            pairs = http.post("/classifyfish?verbose=true", content=content).json()
            assert_pairs(path, pairs, result)


def assert_pairs(path: Path, pairs: list[tuple[str, float]], result: Result) -> None:
    assert_close(path, {code: dict(pairs)[code] for code in result.likelihoods}, result.likelihoods)
    assert pairs[0][0] == result.label, path.name
    assert all(first[1] >= second[1] for first, second in pairwise(pairs))


def test_tritonclients_own_top_classes(
    stack: Stack, pictures: list[Path], expected: list[Result]
) -> None:
    """Any Triton client can ask for label names: "likelihood:index:label"."""
    wanted = [grpcclient.InferRequestedOutput("LIKELIHOODS", class_count=3)]
    with generic_triton(stack) as triton:
        for path, result in list(zip(pictures, expected, strict=True))[:8]:
            answer = triton.infer("deckwatch", [image_tensor(path.read_bytes())], outputs=wanted)
            top = [entry.decode().split(":") for entry in answer.as_numpy("LIKELIHOODS")]
            assert [float(value) for value, _, _ in top] == pytest.approx(
                sorted(result.likelihoods.values(), reverse=True)[:3], abs=LIKELIHOOD
            )
            codes = list(result.likelihoods)
            assert all(codes[int(index)] == label for _, index, label in top)
            assert top[0][2] == result.label


def test_as_a_process_of_its_own(
    stack: Stack, pictures: list[Path], expected: list[Result]
) -> None:
    command = [sys.executable, "-m", "deckwatch_client.classify", "--repository"]
    command.append(str(stack.repository))
    content = pictures[0].read_bytes()
    by_path = [*command, "--image", str(pictures[0])]
    for arguments, stdin in ((by_path, b""), (command, content)):
        process = subprocess.run(arguments, input=stdin, capture_output=True, timeout=60)
        assert process.stdout.decode() == f"{[expected[0].label]!r}\n"
        assert (process.returncode, process.stderr) == (0, b"")


def test_answers_do_not_get_mixed_up(
    stack: Stack, pictures: list[Path], expected: list[Result]
) -> None:
    """Eight callers at once: every answer belongs to the picture that was sent."""
    digests = {result.image.sha256: result for result in expected}
    with Client(stack.grpc) as client, ThreadPoolExecutor(4 * AT_ONCE) as pool:
        for path, result in zip(pictures, pool.map(client.classify, pictures), strict=True):
            assert result.image.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
            assert_same(path, result.as_dict(), digests[result.image.sha256])
