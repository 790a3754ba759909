"""Every form of calling `classify`, and what it prints."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from deckwatch_vision.result import Result

SHARK, SEA = "['SHARK']\n", "['NoF']\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--image", "shark.jpg"],
        ["--image=shark.jpg"],
        ["shark.jpg"],
        ["--", "shark.jpg"],
    ],
)
def test_a_path(run_classify: Callable, folder: Path, arguments: list[str]) -> None:
    outcome = run_classify(*arguments)
    assert (outcome.status, outcome.out, outcome.err) == (0, SHARK, "")


@pytest.mark.parametrize("arguments", [[], ["-"], ["--image", "-"], ["--image=-"]])
def test_standard_input(run_classify: Callable, shark: bytes, arguments: list[str]) -> None:
    outcome = run_classify(*arguments, stdin=shark)
    assert (outcome.status, outcome.out, outcome.err) == (0, SHARK, "")


def test_several_are_answered_in_the_order_given(
    run_classify: Callable, folder: Path, shark: bytes
) -> None:
    outcome = run_classify(
        "sea.jpg", "--image", "shark.jpg", "--image", "-", "sea.jpg", stdin=shark
    )
    assert outcome.status == 0
    assert outcome.out == (
        "sea.jpg: ['NoF']\nshark.jpg: ['SHARK']\n-: ['SHARK']\nsea.jpg: ['NoF']\n"
    )


def test_verbose_lists_every_class_likeliest_first(run_classify: Callable, folder: Path) -> None:
    outcome = run_classify("--image", "shark.jpg", "--verbose")
    assert re.fullmatch(r"\[(\['\w+', \d\.\d{5}\](, )?){4}\]\n", outcome.out)
    pairs = ast.literal_eval(outcome.out)
    assert pairs[0][0] == "SHARK"
    assert [code for code, _ in sorted(pairs, key=lambda pair: -pair[1])] == [
        code for code, _ in pairs
    ]
    assert sum(likelihood for _, likelihood in pairs) == pytest.approx(1, abs=1e-4)


def test_verbose_of_several_names_them(run_classify: Callable, folder: Path) -> None:
    lines = run_classify("--verbose", "shark.jpg", "sea.jpg").out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["shark.jpg", "sea.jpg"]
    assert [ast.literal_eval(line.partition(": ")[2])[0][0] for line in lines] == ["SHARK", "NoF"]


def test_json_is_the_result_one_object_a_line(
    run_classify: Callable, folder: Path, shark: bytes
) -> None:
    outcome = run_classify("--json", "./shark.jpg", "sea.jpg")
    first, second = (json.loads(line) for line in outcome.out.splitlines())
    assert list(first) == ["label", "likelihoods", "fish", "image", "release"]
    assert first["image"] == {
        "file": "./shark.jpg",
        "width": 320,
        "height": 240,
        "sha256": hashlib.sha256(shark).hexdigest(),
    }
    assert first["release"] == {"name": "tiny", "version": 1}
    assert first["fish"][0]["label"] == first["label"] == "SHARK"
    assert second["image"]["file"] == "sea.jpg"
    assert Result.from_dict(first).as_dict() == first


def test_json_of_standard_input_has_no_file(run_classify: Callable, shark: bytes) -> None:
    assert "file" not in json.loads(run_classify("--json", stdin=shark).out)["image"]


def test_the_model_repository_can_be_named(
    run_classify: Callable,
    folder: Path,
    tiny_repository: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DECKWATCH_MODEL_REPOSITORY", "/nowhere")
    assert run_classify("shark.jpg").status == 1
    assert run_classify("shark.jpg", "--repository", str(tiny_repository)).out == SHARK


def test_an_empty_server_is_this_process(
    run_classify: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECKWATCH_SERVER", "grpc://127.0.0.1:9")
    assert run_classify("--server", "", "shark.jpg").out == SHARK


def test_help_and_version(run_classify: Callable) -> None:
    outcome = run_classify("--help")
    assert outcome.status == 0
    for promised in ("--image", "--verbose", "--json", "--server", "cat deck.jpg", "exit status"):
        assert promised in outcome.out
    outcome = run_classify("--version")
    assert outcome.status == 0
    assert outcome.out.startswith("deckwatch ")


@pytest.mark.parametrize("name", ["two\nlines.jpg", "gr\udcfcn.jpg"])
def test_odd_names_stay_on_one_line(run_classify: Callable, folder: Path, name: str) -> None:
    (folder / "shark.jpg").rename(folder / name)
    outcome = run_classify(name, "sea.jpg")
    assert outcome.out.splitlines() == [f"{name!r}: ['SHARK']", "sea.jpg: ['NoF']"]
    outcome = run_classify("--json", name)
    assert json.loads(outcome.out)["image"]["file"] == name
