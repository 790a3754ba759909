"""How many different fish a video shows: tracks that last, and what they are likely to be.

    counted = count(records)              # of one video or many, after `follow`
    counted["trip/haul.mp4"].expected     # {"SHARK": 2.8, "RAY": 1.1, ...}

Each track that was seen often enough counts as one fish, spread over the species by its averaged
likelihoods. With calibrated likelihoods the sum is the number to expect, and as tracks are taken
for independent its variance is that of a Poisson binomial, the sum of p (1 - p).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from deckwatch_client.records import Record
from deckwatch_client.video.follow import best_species
from deckwatch_vision.species import NO_FISH

# Samples in which a fish has to be seen: most false fish are seen once.
MINIMUM = 2
CAVEAT = (
    "Counted are tracks, not fish that were marked: a fish that leaves the picture and comes back "
    "counts twice, fish that cross or hide each other may count once, twice or change places, and "
    "one that swims further than one and a half of its lengths between two samples counts anew. "
    "Sample more often than that, such as 5 frames a second."
)


@dataclass(frozen=True, slots=True)
class Counted:
    """The distinct fish of one video.

    tracks: how many fish were followed long enough to count.
    passing: how many were not.
    labelled: of the tracks, by their most likely species; species without one are left out.
    expected: the expected number by species; `deviation` its standard deviation.
    """

    tracks: int
    passing: int
    labelled: dict[str, int]
    expected: dict[str, float]
    deviation: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """The JSON object, with the caveat in words."""
        return {
            "tracks": self.tracks,
            "passing": self.passing,
            "labelled": self.labelled,
            "expected": {code: round(value, 3) for code, value in self.expected.items()},
            "deviation": {code: round(value, 3) for code, value in self.deviation.items()},
            "caveat": CAVEAT,
        }


def count(records: Iterable[Record], *, minimum: int = MINIMUM) -> dict[str, Counted]:
    """The distinct fish by video, in the records' order; holds one fish a track.

    Args:
        records: what `follow` gave, of any number of videos; others are passed over.
        minimum: samples in which a fish has to be seen to count.
    """
    seen: dict[str, dict[int, list[Any]]] = {}
    for record in records:
        if record.moment is None or record.result is None:
            continue
        tracks = seen.setdefault(record.moment.video, {})
        for track, fish in zip(record.tracks, record.result.fish, strict=False):
            if track is None:
                continue
            known = tracks.setdefault(track, [0, dict.fromkeys(fish.likelihoods, 0.0)])
            known[0] += 1
            for code, value in fish.likelihoods.items():
                known[1][code] += value
    return {video: _counted(tracks, minimum) for video, tracks in seen.items()}


def _counted(tracks: dict[int, list[Any]], minimum: int) -> Counted:
    means = [
        {code: value / times for code, value in sums.items()}
        for times, sums in tracks.values()
        if times >= minimum
    ]
    labels = [best_species(each) for each in means]
    codes = [code for code in (means[0] if means else ()) if code != NO_FISH]
    return Counted(
        len(means),
        len(tracks) - len(means),
        {code: labels.count(code) for code in codes if code in labels},
        {code: sum(each[code] for each in means) for code in codes},
        {code: math.sqrt(sum(each[code] * (1 - each[code]) for each in means)) for code in codes},
    )
