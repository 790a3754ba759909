"""The picture's likelihoods once some of its fish count no longer.

A server tells what came out of its fusion and not how, so the rule asks nothing about it and gives
the same everywhere. As in the noisy-or fusion, something is in the picture unless no fish is it:

    kept = 1 - prod(1 - s_i * q_i) over the fish that stay, static likewise over the others
    after = 1 - (1 - kept) * (1 - DOUBT * static), before = 1 - (1 - kept) * (1 - static)

s_i is the score of fish i and q_i the likelihood that it is what is asked about: a class, or any
fish. The likelihood that there are fish is multiplied by after / before for any fish, "no fish"
gets the rest, and the classes share what is left as their likelihoods times their own after /
before. One doubt remains, however many fish are static: a background is right or wrong about all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deckwatch_vision.result import Fish, Result
from deckwatch_vision.species import NO_FISH

# How much static fish still count. See docs/fixed-cameras.md: the log loss of simulated pictures
# falls further up to 0.3, but only because fish are missed that no background has to do with; and
# many pictures of one look-alike must not add up to many fish.
DOUBT = 0.1
_DIGITS = 7  # as in `Result.from_arrays`


def without(
    result: Result, static: Sequence[bool], *, doubt: float = DOUBT
) -> tuple[Result, tuple[Fish, ...]]:
    """The result without its static fish, and these.

    Args:
        result: as recognised.
        static: for each of its fish, whether it is.
        doubt: how much of a static fish still counts, 0 to 1.
    """
    if not any(static):
        return result, ()
    likelihoods = _likelihoods(result, static, doubt)
    kept = tuple(fish for fish, drop in zip(result.fish, static, strict=True) if not drop)
    dropped = tuple(fish for fish, drop in zip(result.fish, static, strict=True) if drop)
    label = max(likelihoods, key=lambda code: likelihoods[code])
    return replace(result, label=label, likelihoods=likelihoods, fish=kept), dropped


def _likelihoods(result: Result, static: Sequence[bool], doubt: float) -> dict[str, float]:
    species = [code for code in result.likelihoods if code != NO_FISH]
    anything = _left([1 - fish.likelihoods[NO_FISH] for fish in result.fish], result, static, doubt)
    fish = anything * (1 - result.likelihoods[NO_FISH])
    found = {
        code: result.likelihoods[code]
        * _left([each.likelihoods[code] for each in result.fish], result, static, doubt)
        for code in species
    }
    total = sum(found.values())
    scale = fish / total if total > 0 else 0.0
    found = {code: round(scale * found[code], _DIGITS) for code in species}
    found[NO_FISH] = round(max(0.0, 1 - sum(found.values())), _DIGITS)
    return {code: found[code] for code in result.likelihoods}


def _left(chances: Sequence[float], result: Result, static: Sequence[bool], doubt: float) -> float:
    """What is left of the chance of something, 0 to 1, given each fish's chance of being it."""
    none_kept = none_static = 1.0
    for chance, fish, drop in zip(chances, result.fish, static, strict=True):
        if drop:
            none_static *= 1 - fish.score * chance
        else:
            none_kept *= 1 - fish.score * chance
    before = 1 - none_kept * none_static
    after = 1 - none_kept * (1 - doubt * (1 - none_static))
    return after / before if before > 0 else 1.0
