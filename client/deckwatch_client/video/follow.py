"""What the frames of one video say together: followed fish, averaged likelihoods.

A fish that is followed gets the mean of its likelihoods over all frames, and the label that follows
from it; near-identical frames in a row get the mean of their pictures' likelihoods. Boxes and
scores stay as they were found.

The mean is the arithmetic one, the linear opinion pool (Stone, The opinion pool, Annals of
Mathematical Statistics 32, 1961). Views of one fish share their errors, so multiplying them as if
they were independent would be overconfident; and one bad view, blurred or half hidden, must not
veto the others, as it does in a mean of logarithms. A mean of calibrated likelihoods is rather too
careful (Ranjan and Gneiting, Combining probability forecasts, JRSS B 72, 2010), and it leaves the
expected number of fish of a species what it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deckwatch_client.records import Record
from deckwatch_client.video.options import VideoOptions
from deckwatch_client.video.scenes import LONGEST_S
from deckwatch_client.video.tracks import GAP, can_follow, follow_boxes, gap_at
from deckwatch_vision.boxes import iou
from deckwatch_vision.likeness import NEAR, distance
from deckwatch_vision.result import Fish
from deckwatch_vision.species import NO_FISH

# Seconds without a sample after which a fish that appears is another one.
APART_S = 5.0
# Boxes of near-identical frames that overlap by as much show the same fish.
AGREEING = 0.5
_DIGITS = 7  # as in results

_NOTHING = np.zeros((0, 4), np.float32)


def follow(records: Iterator[Record], options: VideoOptions) -> Iterator[Record]:
    """The records of one video with tracks and averaged likelihoods, in the same order.

    Depends on the records and options alone. Holds one video's records, that is detections and no
    pixels. Without the tracker installed, fish are not followed (see `tracks.HINT`).

    Args:
        records: of one video's frames, sorted by time; failures among them stay as they are.
        options: `track` and `average` say what is done; `scene_change` how far apart samples are.

    Raises:
        DeckwatchError: from reading the records.
    """
    found = list(records)
    if options.track and can_follow():
        found = _tracked(found, options)
    yield from _averaged(found) if options.average else found


def mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The arithmetic mean of likelihoods, class by class."""
    return {code: round(sum(row[code] for row in rows) / len(rows), _DIGITS) for code in rows[0]}


def boxes_of(record: Record) -> NDArray[np.float32]:
    """The boxes [N,4] of a record's fish; none of a failure."""
    if record.result is None or not record.result.fish:
        return _NOTHING
    return np.array([fish.box for fish in record.result.fish], np.float32)


def _tracked(records: list[Record], options: VideoOptions) -> list[Record]:
    still = options.scene_change is not None  # then samples are as far apart as it likes
    apart_s = APART_S + LONGEST_S if still else APART_S
    gap = GAP if still else gap_at(options.rate_hz)
    samples: list[NDArray[np.float32]] = []
    places: list[int] = []
    last_s: float | None = None
    for record in records:
        time_s = record.moment.time_s if record.moment else 0.0
        if last_s is not None and time_s - last_s > apart_s:
            samples += [_NOTHING] * (gap + 1)  # more than a track can span
        last_s = time_s
        places.append(len(samples))
        samples.append(boxes_of(record))
    numbers = follow_boxes(samples, gap=gap)
    # People count from 1.
    return [
        replace(record, tracks=tuple(number + 1 for number in numbers[place]))
        for record, place in zip(records, places, strict=True)
    ]


def _averaged(records: list[Record]) -> Iterator[Record]:
    views: dict[int, list[Fish]] = {}
    for record in records:
        for track, fish in _fish_of(record):
            views.setdefault(track, []).append(fish)
    known = {track: mean([fish.likelihoods for fish in seen]) for track, seen in views.items()}
    for group in _near_identical(records):
        picture = (
            mean([each.result.likelihoods for each in group if each.result])
            if (len(group) > 1)
            else None
        )
        for record in group:
            yield _with(record, picture, known)


def _with(
    record: Record, picture: dict[str, float] | None, known: Mapping[int, dict[str, float]]
) -> Record:
    result = record.result
    if result is None:
        return record
    fish = result.fish
    if record.tracks:
        fish = tuple(
            replace(one, likelihoods=known[track], label=best_species(known[track]))
            for track, one in _fish_of(record)
        )
    if picture is not None:
        result = replace(result, likelihoods=picture, label=_best(picture))
    return replace(record, result=replace(result, fish=fish))


def _near_identical(records: list[Record]) -> Iterator[list[Record]]:
    """Records in a row that show the same, each compared with the first: a drift ends a group."""
    group: list[Record] = []
    for record in records:
        if group and not _alike(group[0], record):
            yield group
            group = []
        group.append(record)
    if group:
        yield group


def _alike(one: Record, other: Record) -> bool:
    if one.result is None or other.result is None or one.looks is None or other.looks is None:
        return False
    if distance(int(one.looks, 16), int(other.looks, 16)) > NEAR:
        return False
    ours, theirs = boxes_of(one), boxes_of(other)
    if len(ours) != len(theirs):
        return False
    overlaps = iou(ours, theirs) >= AGREEING
    # Each has its own partner: as a permutation, not merely somebody.
    return bool((overlaps.sum(axis=0) == 1).all() and (overlaps.sum(axis=1) == 1).all())


def best_species(likelihoods: Mapping[str, float]) -> str:
    """The most likely class other than "no fish": a fish that is reported is a fish."""
    return _best({code: value for code, value in likelihoods.items() if code != NO_FISH})


def _best(likelihoods: Mapping[str, float]) -> str:
    return max(likelihoods, key=lambda code: likelihoods[code])


def _fish_of(record: Record) -> Iterator[tuple[int, Fish]]:
    """Track and fish of a record that has tracks."""
    if record.result is not None and record.tracks:
        for track, fish in zip(record.tracks, record.result.fish, strict=True):
            if track is not None:
                yield track, fish
