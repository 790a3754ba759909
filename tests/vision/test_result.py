"""The one result type and its JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from deckwatch_vision.errors import ServerError
from deckwatch_vision.result import ReleaseInfo, Result

LABELS = ("NoF", "OTHER", "SHARK", "RAY")
CHANCE = np.random.default_rng(8)


def result(fish: int = 2, file: str | None = "deck.jpg", sha256: str | None = "ab" * 32) -> Result:
    return Result.from_arrays(
        CHANCE.dirichlet(np.ones(4)).astype(np.float32),
        CHANCE.uniform(0, 900, (fish, 4)).astype(np.float32),
        np.sort(CHANCE.random(fish))[::-1].astype(np.float32),
        CHANCE.dirichlet(np.ones(4), fish).astype(np.float32),
        np.array([720, 1280], np.int32),
        LABELS,
        ReleaseInfo("demo", 1),
        file,
        sha256,
    )


def test_the_json_is_the_designs() -> None:
    given = Result.from_arrays(
        np.array([0.01, 0.12, 0.85, 0.02], np.float32),
        np.array([[412, 188.5, 903.104, 455]], np.float32),
        np.array([0.93], np.float32),
        np.array([[0.6, 0.1, 0.25, 0.05]], np.float32),
        (720, 1280),
        LABELS,
        ReleaseInfo("demo", 1),
        "deck.jpg",
        "ab" * 32,
    )

    assert given.as_dict() == {
        "label": "SHARK",
        "likelihoods": {"NoF": 0.01, "OTHER": 0.12, "SHARK": 0.85, "RAY": 0.02},
        "fish": [
            {
                "box": [412.0, 188.5, 903.1, 455.0],
                "score": 0.93,
                # A reported fish is a fish, however sure the classifier is that it is none.
                "label": "SHARK",
                "likelihoods": {"NoF": 0.6, "OTHER": 0.1, "SHARK": 0.25, "RAY": 0.05},
            }
        ],
        "image": {"file": "deck.jpg", "width": 1280, "height": 720, "sha256": "ab" * 32},
        "release": {"name": "demo", "version": 1},
    }
    assert list(given.as_dict()["image"]) == ["file", "width", "height", "sha256"]


@pytest.mark.parametrize("fish", [0, 1, 5])
@pytest.mark.parametrize("file", [None, "a/b c.png"])
@pytest.mark.parametrize("sha256", [None, "ab" * 32])
def test_round_trip_through_json(fish: int, file: str | None, sha256: str | None) -> None:
    given = result(fish, file, sha256)
    text = json.dumps(given.as_dict())

    assert Result.from_dict(json.loads(text)) == given
    assert ("file" in given.as_dict()["image"]) == (file is not None)
    assert ("sha256" in given.as_dict()["image"]) == (sha256 is not None)


def test_keys_of_a_newer_server_are_left_aside() -> None:
    given = result()

    assert Result.from_dict({**given.as_dict(), "track": 7}) == given


def test_rounding_keeps_what_the_tensors_said() -> None:
    likelihoods = CHANCE.dirichlet(np.ones(4)).astype(np.float32)
    empty = np.zeros((0, 4), np.float32)
    given = Result.from_arrays(
        likelihoods, empty, empty[:, 0], empty, (1, 1), LABELS, ReleaseInfo("demo", 1)
    )

    assert list(given.likelihoods) == list(LABELS)
    assert np.abs(np.array(list(given.likelihoods.values())) - likelihoods).max() < 1e-7
    assert given.label == LABELS[int(likelihoods.argmax())]


def test_ranking_and_pairs() -> None:
    empty = np.zeros((0, 4), np.float32)
    given = Result.from_arrays(
        np.array([0.1, 0.4000049, 0.1, 0.4], np.float32),
        empty,
        empty[:, 0],
        empty,
        (1, 1),
        LABELS,
        ReleaseInfo("demo", 1),
    )

    assert [code for code, _ in given.ranked()] == ["OTHER", "RAY", "NoF", "SHARK"]
    assert given.pairs() == [["OTHER", 0.4], ["RAY", 0.4], ["NoF", 0.1], ["SHARK", 0.1]]
    assert given.ranked()[0][1] > given.ranked()[1][1]


def test_equal_likelihoods_go_by_the_label_set() -> None:
    empty = np.zeros((0, 4), np.float32)
    even = np.full(4, 0.25, np.float32)
    given = Result.from_arrays(
        even, empty, empty[:, 0], empty, (1, 1), LABELS, ReleaseInfo("demo", 1)
    )

    assert given.label == "NoF"
    assert [code for code, _ in given.ranked()] == list(LABELS)


def test_tensors_that_do_not_fit_are_refused() -> None:
    good = [(4,), (2, 4), (2,), (2, 4)]
    for place, wrong in enumerate([(3,), (3, 4), (1,), (2, 3)]):
        shapes: list[tuple[int, ...]] = [*good[:place], wrong, *good[place + 1 :]]
        a, b, c, d = (np.zeros(shape, np.float32) for shape in shapes)
        with pytest.raises(ServerError, match="do not fit"):
            Result.from_arrays(a, b, c, d, (1, 1), LABELS, ReleaseInfo("demo", 1))


@pytest.mark.parametrize("key", ["label", "likelihoods", "fish", "image", "release"])
def test_an_answer_that_is_no_result_is_refused(key: str) -> None:
    given = result().as_dict()
    del given[key]

    with pytest.raises(ServerError, match=f"not a Deckwatch result.*{key}"):
        Result.from_dict(given)
    for wrong in ({}, {**result().as_dict(), key: 5 if key != "label" else None, "fish": None}):
        with pytest.raises(ServerError, match="not a Deckwatch result"):
            Result.from_dict(wrong)
