"""The picture's likelihoods once some of its fish count no longer.

A server tells what came out of its fusion and not how, so the rule asks nothing about it and gives
the same everywhere. As in the noisy-or fusion, a class is in the picture unless every fish is
something else; what dropping changes in that chance is taken off the class's likelihood, and given
to "no fish":

    p'(c) = p(c) * (1 - prod(1 - t_i * s_i * p_i(c))) / (1 - prod(1 - s_i * p_i(c)))

s_i is the score of fish i and p_i(c) its likelihood; t_i is 1 for a fish that stays and `DOUBT` for
a static one, the share of static fish that were real all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deckwatch_vision.result import Fish, Result
from deckwatch_vision.species import NO_FISH

# See docs/fixed-cameras.md: of the fish dropped on simulated cameras, so many were real.
DOUBT = 0.2
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
    found = {}
    for code, likelihood in result.likelihoods.items():
        before = after = 1.0
        for fish, drop in zip(result.fish, static, strict=True):
            chance = fish.score * fish.likelihoods[code]
            before *= 1 - chance
            after *= 1 - chance * (doubt if drop else 1)
        share = (1 - after) / (1 - before) if before < 1 else 1.0
        found[code] = likelihood * share
    del found[NO_FISH]
    total = sum(found.values())
    return {code: round(found.get(code, 1 - total), _DIGITS) for code in result.likelihoods}
