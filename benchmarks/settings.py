"""How much is measured: `FULL` for results to keep, `QUICK` to see that everything works."""

from __future__ import annotations

from dataclasses import dataclass

THREADS = 1
"""Processor threads of one net, in every arm."""

WORKERS = 2
"""Pictures worked on at once by the arms that are not ours: as many as ours has instances."""

CLIENTS = (1, 4, 8)
# Width and height.
SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}


@dataclass(frozen=True, slots=True)
class Settings:
    """The amount of work of each part, chosen so that FULL stays under eight minutes.

    Attributes:
        photos: sample photographs used, each in every size.
        rounds: how often each way, size and number of clients has its turn.
        block_s: about how long one turn takes, in seconds.
        passes: how often every step and every runtime sees every photograph.
        cold_starts: runs of `classify --image`.
        ups: runs of `deckwatch up`.
    """

    mode: str
    photos: int
    rounds: int
    block_s: float
    passes: int
    cold_starts: int
    ups: int


FULL = Settings("full", photos=10, rounds=7, block_s=1.1, passes=5, cold_starts=7, ups=3)
QUICK = Settings("quick", photos=2, rounds=2, block_s=0.2, passes=2, cold_starts=2, ups=1)
