"""The picture's likelihoods after fish were dropped from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deckwatch_client.background.likelihoods import without
from deckwatch_vision.images import encode_jpeg
from deckwatch_vision.result import Fish, Result
from tests.client.background.decks import REAL, STATIC, deck, finder

FOUND = finder(STATIC, REAL)(encode_jpeg(deck()))
OTHER = Fish(REAL, 0.8, "OTHER", {"NoF": 0.1, "OTHER": 0.85, "SHARK": 0.05})
MIXED = replace(
    FOUND,
    fish=(FOUND.fish[0], OTHER),
    label="SHARK",
    likelihoods={"NoF": 0.05, "OTHER": 0.44, "SHARK": 0.51},
)


def test_without_static_fish_nothing_changes() -> None:
    assert without(FOUND, [False, False]) == (FOUND, ())


def test_a_picture_of_static_fish_alone_shows_no_fish() -> None:
    kept, dropped = without(FOUND, [True, True])
    assert (kept.label, kept.fish, dropped) == ("NoF", (), FOUND.fish)
    assert kept.likelihoods["NoF"] > 0.5
    assert (kept.image, kept.release) == (FOUND.image, FOUND.release)


def test_what_is_left_gives_the_label() -> None:
    kept, dropped = without(MIXED, [True, False])
    assert (kept.fish, dropped) == ((OTHER,), (MIXED.fish[0],))
    assert kept.label == "OTHER"
    assert kept.likelihoods["OTHER"] > 0.6
    assert kept.likelihoods["SHARK"] < 0.2
    assert 0.1 < kept.likelihoods["NoF"] < 0.3
    kept, _ = without(MIXED, [False, True])
    assert kept.label == "SHARK"
    assert kept.likelihoods["SHARK"] > 0.7


def test_many_static_fish_do_not_outweigh_no_fish() -> None:
    many = replace(FOUND, fish=FOUND.fish * 10)
    kept, dropped = without(many, [True] * 20)
    assert (kept.label, len(dropped)) == ("NoF", 20)
    assert kept.likelihoods["NoF"] > 0.85


@pytest.mark.parametrize("static", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("doubt", [0.0, 0.3, 1.0])
def test_they_sum_to_one_and_no_fish_gains(static: tuple[bool, bool], doubt: float) -> None:
    kept, _ = without(MIXED, static, doubt=doubt)
    assert list(kept.likelihoods) == list(MIXED.likelihoods)
    assert sum(kept.likelihoods.values()) == pytest.approx(1, abs=1e-6)
    assert all(0 <= likelihood <= 1 for likelihood in kept.likelihoods.values())
    assert kept.likelihoods["NoF"] >= MIXED.likelihoods["NoF"]
    if doubt == 1:
        assert kept.likelihoods == pytest.approx(MIXED.likelihoods, abs=1e-6)


def test_certain_and_impossible_fish_do_no_harm() -> None:
    sure = Fish(REAL, 1.0, "SHARK", {"NoF": 0.0, "OTHER": 0.0, "SHARK": 1.0})
    likelihoods = {"NoF": 0.0, "OTHER": 0.0, "SHARK": 1.0}
    given: Result = replace(FOUND, fish=(sure, sure), likelihoods=likelihoods)
    kept, _ = without(given, [True, True], doubt=0)
    assert kept.likelihoods == {"NoF": 1.0, "OTHER": 0.0, "SHARK": 0.0}
