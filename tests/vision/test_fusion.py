"""Likelihoods of pictures: always a distribution, and what each method promises."""

from __future__ import annotations

import numpy as np
import pytest

from deckwatch_vision.fusion import FUSIONS, Evidence, sharpened, softmax, vetoed

CHANCE = np.random.default_rng(4)
NO_FISH = 0


def evidence(likelihoods: list[list[float]], scores: list[float], whole: bool = False) -> Evidence:
    rows = np.array(likelihoods).reshape(len(scores), 4)
    of_picture = np.array([0.7, 0.1, 0.1, 0.1]) if whole or not scores else None
    sure = np.array(scores)
    return Evidence(rows, sure, sure >= 0.4, of_picture, NO_FISH)


@pytest.mark.parametrize("method", FUSIONS)
@pytest.mark.parametrize("whole", [False, True])
def test_every_method_gives_a_distribution(method: str, whole: bool) -> None:
    for count in (0, 1, 2, 7, 32):
        rows = CHANCE.dirichlet(np.full(4, 0.3), count).tolist()
        for scores in (CHANCE.random(count), np.zeros(count), np.ones(count)):
            picture = FUSIONS[method](evidence(rows, scores.tolist(), whole))

            assert picture.shape == (4,)
            assert (picture >= 0).all()
            assert picture.sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("method", FUSIONS)
def test_without_candidates_the_whole_picture_speaks(method: str) -> None:
    assert FUSIONS[method](evidence([], [])).tolist() == [0.7, 0.1, 0.1, 0.1]


@pytest.mark.parametrize("method", FUSIONS)
def test_without_any_row_there_is_nothing_to_say(method: str) -> None:
    nothing = Evidence(np.zeros((0, 4)), np.zeros(0), np.zeros(0, bool), None, NO_FISH)

    with pytest.raises(ValueError, match="at least one row"):
        FUSIONS[method](nothing)


@pytest.mark.parametrize("method", FUSIONS)
def test_one_sure_fish_names_the_picture(method: str) -> None:
    shark = [0.01, 0.02, 0.95, 0.02]
    picture = FUSIONS[method](evidence([shark], [0.98]))

    assert picture.argmax() == 2
    assert picture[2] > 0.85


@pytest.mark.parametrize("method", FUSIONS)
def test_doubtful_candidates_leave_no_fish(method: str) -> None:
    picture = FUSIONS[method](evidence([[0.9, 0.04, 0.03, 0.03]] * 3, [0.1, 0.1, 0.05]))

    assert picture.argmax() == NO_FISH
    assert picture[NO_FISH] > 0.9


@pytest.mark.parametrize("method", FUSIONS)
def test_the_order_of_candidates_does_not_matter(method: str) -> None:
    rows, scores = CHANCE.dirichlet(np.ones(4), 6), CHANCE.random(6)
    turn = CHANCE.permutation(6)
    one = FUSIONS[method](evidence(rows.tolist(), scores.tolist()))
    other = FUSIONS[method](evidence(rows[turn].tolist(), scores[turn].tolist()))

    assert np.allclose(one, other)


def test_noisy_or_by_hand() -> None:
    picture = FUSIONS["noisy_or"](
        evidence([[0.2, 0.0, 0.8, 0.0], [0.0, 0.5, 0.5, 0.0]], [0.5, 1.0])
    )
    # At each candidate: no fish .6 and 0, OTHER 0 and .5, SHARK .4 and .5.
    expected = np.array([0.6 * 0, 0.5, 1 - 0.6 * 0.5, 0])

    assert np.allclose(picture, expected / expected.sum())


def test_more_fish_make_no_fish_less_likely() -> None:
    fish = [0.1, 0.3, 0.3, 0.3]
    doubts = [FUSIONS["noisy_or"](evidence([fish] * n, [0.5] * n))[NO_FISH] for n in (1, 2, 3)]

    assert doubts[0] > doubts[1] > doubts[2]


def test_evidence_is_not_changed() -> None:
    given = evidence([[0.2, 0.3, 0.4, 0.1]], [0.6], whole=True)
    for method in FUSIONS.values():
        method(given)

    assert given.likelihoods.tolist() == [[0.2, 0.3, 0.4, 0.1]]
    assert given.whole is not None
    assert given.whole.tolist() == [0.7, 0.1, 0.1, 0.1]


def test_softmax_of_large_logits() -> None:
    likelihoods = softmax(np.array([[1e4, -1e4, 0], [1, 2, 3]], np.float32), 1.5)

    assert np.allclose(likelihoods.sum(axis=1), 1)
    assert np.allclose(likelihoods[0], [1, 0, 0])
    assert np.allclose(np.log(likelihoods[1, 2] / likelihoods[1, 1]), 1 / 1.5)


def test_the_veto_runs_from_the_score_to_score_times_fishness() -> None:
    scores, fishness = np.array([0.8, 0.9]), np.array([0.25, 1.0])

    assert vetoed(scores, fishness, 0.0).tolist() == [0.8, 0.9]
    assert np.allclose(vetoed(scores, fishness, 1.0), scores * fishness)
    assert np.allclose(vetoed(scores, fishness, 0.5), np.sqrt(scores * scores * fishness))
    assert vetoed(scores, np.array([0.0, -1e-17]), 0.5).tolist() == [0, 0]


def test_sharpness() -> None:
    likelihoods = np.array([0.5, 0.3, 0.2, 0.0])

    assert np.allclose(sharpened(likelihoods, 1.0), likelihoods)
    assert sharpened(likelihoods, 3.0)[0] > 0.5 > sharpened(likelihoods, 0.5)[0]
    assert np.allclose(sharpened(likelihoods, 500.0), [1, 0, 0, 0])
    assert sharpened(likelihoods, 0.01).sum() == pytest.approx(1)
