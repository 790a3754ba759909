"""How much a person's label of a picture would be worth, from the picture's answer.

Reasons to keep a picture, each with a strength from 0 to 1:

- unsure: two classes are close, for the picture or for one fish (margin sampling);
- contradiction: fish were found and the picture is said to have none, or the other way round;
- sensitive: it shows, or may show, a species that must not be missed;
- faint: a fish hardly passed the threshold;
- vessel, camera, night: seldom seen so far, so the model has hardly been tried there;
- sample: drawn at random, the only way to notice answers that are sure and wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deckwatch_serving.keep.record import Origin
from deckwatch_vision.result import Result
from deckwatch_vision.species import DEMO, NCFM, NO_FISH

SENSITIVE = tuple(sorted({one.code for labels in (NCFM, DEMO) for one in labels if one.sensitive}))

# How much a reason counts at its full strength. A rare animal outweighs a close call, and that
# outweighs a vessel which has not been seen often.
WEIGHTS = {
    "sensitive": 0.9,
    "contradiction": 0.8,
    "unsure": 0.8,
    "vessel": 0.6,
    "camera": 0.6,
    "night": 0.6,
    "faint": 0.5,
    "sample": 0.3,
}
REASONS = tuple(WEIGHTS)


@dataclass(frozen=True, slots=True)
class Policy:
    """What is worth keeping.

    below, margin: a class is unsure when the most likely has less than `below`, or leads the next
    by less than `margin`. faint: a fish with a lower score. sensitive: codes; `possible`: the
    likelihood from which one of them may be there. seldom: a vessel, camera or night of which fewer
    pictures were seen. sample: share of all pictures drawn at random. least: pictures of less
    interest are not kept.
    """

    below: float = 0.6
    margin: float = 0.2
    faint: float = 0.6
    sensitive: tuple[str, ...] = SENSITIVE
    possible: float = 0.15
    seldom: int = 50
    sample: float = 0.0
    least: float = 0.2


@dataclass(frozen=True, slots=True)
class Interest:
    """The interest of a picture, 0 to 1, and the strength of every reason for it."""

    score: float
    reasons: dict[str, float]


def judge(
    result: Result, policy: Policy, seen: Mapping[str, int], *, sha256: str | None = None
) -> Interest:
    """The interest of a picture.

    seen: of each of the picture's `cells`, how many pictures were seen before. sha256: the
    picture's, which decides whether it is in the sample: the same picture always is, or never.
    """
    strengths = {
        "sensitive": _sensitive(result, policy),
        "contradiction": _contradiction(result),
        "unsure": _unsure(result, policy),
        "faint": _faint(result, policy),
        "sample": float(_sampled(sha256, policy.sample)),
    }
    for cell, count in seen.items():
        kind = cell.partition(":")[0]
        strengths[kind] = max(0.0, 1 - count / policy.seldom) if policy.seldom else 0.0
    reasons = {name: round(strengths[name], 4) for name in REASONS if strengths.get(name, 0) > 0}
    boring = 1.0
    for name, strength in reasons.items():
        boring *= 1 - WEIGHTS[name] * strength  # noisy or: several reasons add up, never beyond 1
    return Interest(round(1 - boring, 6), reasons)


def cells(origin: Origin, night: bool | None) -> list[str]:
    """What a picture is counted under: its vessel, its camera, and the nights of either.

    Where neither is given, all nights are counted together.
    """
    found = []
    if origin.vessel:
        found.append(f"vessel:{origin.vessel}")
    if origin.camera:
        found.append(f"camera:{origin.vessel or ''}/{origin.camera}")
    if night:
        found.append(f"night:{origin.vessel or ''}/{origin.camera or ''}")
    return found


def _unsure(result: Result, policy: Policy) -> float:
    """One minus the smallest lead of the most likely class, where that is unsure."""
    found = 0.0
    for likelihoods in (result.likelihoods, *(fish.likelihoods for fish in result.fish)):
        first, second = [*sorted(likelihoods.values(), reverse=True), 0.0, 0.0][:2]
        if first < policy.below or first - second < policy.margin:
            found = max(found, 1 - (first - second))
    return min(1.0, found)


def _contradiction(result: Result) -> float:
    none = result.likelihoods.get(NO_FISH, 0.0)
    if result.fish:
        return none if result.label == NO_FISH else 0.0
    return 0.0 if result.label == NO_FISH else 1 - none


def _sensitive(result: Result, policy: Policy) -> float:
    likelihoods = [result.likelihoods, *(fish.likelihoods for fish in result.fish)]
    most = max(
        (each.get(code, 0.0) for each in likelihoods for code in policy.sensitive), default=0
    )
    return 0.5 + most / 2 if most >= policy.possible else 0.0


def _faint(result: Result, policy: Policy) -> float:
    """How far the weakest fish stays below `faint`; at half of it the strength is 1."""
    weakest = min((fish.score for fish in result.fish), default=1.0)
    if weakest >= policy.faint:
        return 0.0
    return min(1.0, 2 * (policy.faint - weakest) / policy.faint)


def _sampled(sha256: str | None, share: float) -> bool:
    return bool(sha256) and int(str(sha256)[:8], 16) < share * 2**32
