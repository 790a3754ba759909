"""The competition's winners, to be set beside a scorecard whose classes are theirs.

The Nature Conservancy Fisheries Monitoring, 2016-17, second stage: 13,153 pictures of vessels that
nobody had trained on. Accuracy and recalls were recomputed from the published confusion counts of
the top teams on all of them; log losses are those of the private leaderboard and of the teams' own
write-ups. Another set of pictures is another exam: the winners are a bar, not a proof.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deckwatch_vision.species import NCFM

SOURCE = (
    "The Nature Conservancy Fisheries Monitoring (2016-17), stage 2: 13,153 pictures of unseen "
    "vessels; recomputed from the top teams' published confusion counts."
)


@dataclass(frozen=True)
class Entrant:
    """One row: shares from 0 to 1 and the log loss; None is not published."""

    name: str
    accuracy: float | None
    macro_recall: float | None
    log_loss: float | None
    recall: dict[str, float]


def _recalls(*percent: float) -> dict[str, float]:
    order = ("SHARK", "DOL", "NoF", "LAG", "ALB", "YFT", "OTHER", "BET")
    return {code: round(value / 100, 4) for code, value in zip(order, percent, strict=True)}


WINNERS = (
    Entrant(
        "first place", 0.684, 0.502, 1.062, _recalls(14.3, 59.4, 62.2, 69.9, 94.1, 57.3, 41.7, 2.8)
    ),
    Entrant(
        "second place", 0.647, 0.471, None, _recalls(16.2, 53.5, 84.2, 47.7, 91.5, 39.4, 39.1, 4.9)
    ),
    Entrant(
        "third place", 0.616, 0.426, 1.138, _recalls(13.6, 56.9, 76.4, 34.2, 88.6, 43.7, 24.5, 2.7)
    ),
    Entrant(
        "best of the top ten in each class", None, None, None,
        _recalls(26.0, 59.5, 84.9, 70.3, 94.1, 57.3, 47.4, 12.7),
    ),
    Entrant("uniform guessing", 0.125, 0.125, 2.079, dict.fromkeys(NCFM.codes, 0.125)),
)  # fmt: skip


def applies(codes: Iterable[str]) -> bool:
    """Whether these classes are the competition's eight, in any order."""
    return sorted(codes) == sorted(NCFM.codes)
