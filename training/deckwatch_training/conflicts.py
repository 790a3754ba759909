"""Where a model and people disagree: wrong labels are found there, and so are the model's faults.

Kinds of conflict:

- species: the same fish, another species;
- extra: a fish that people did not draw;
- missed: a fish that people drew and the model did not find;
- picture: the class of a picture that has no boxes, or in which both see no fish to outline.

They are ranked by how certain the model is, because a certain model that is contradicted has either
learnt something wrong or found a wrong label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deckwatch_training.catalogue import Box, Entry
from deckwatch_vision.boxes import iou
from deckwatch_vision.result import Fish, Result
from deckwatch_vision.species import NO_FISH

KINDS = ("species", "extra", "missed", "picture")
# Boxes of one fish by two hands overlap at least so much (IoU, as for AP50).
OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class Conflict:
    """One disagreement. certainty: the model's, 0 to 1; boxes only where there are any.

    model, people: codes, `NO_FISH` where one of them sees none; likelihoods: the model's of each.
    """

    kind: str
    entry: Entry
    model: str
    people: str
    likelihood: float
    people_likelihood: float
    certainty: float
    model_box: Box | None = None
    people_box: Box | None = None


def compare(entry: Entry, result: Result, *, overlap: float = OVERLAP) -> list[Conflict]:
    """The conflicts of one picture, the most certain first.

    Codes that the release does not know are no conflict of species: it could not have said them.
    """
    only_a_class = not entry.boxes and (entry.label or NO_FISH) != NO_FISH
    if only_a_class or not (entry.boxes or result.fish):
        found = _of_picture(entry, result)
    else:
        found = _of_boxes(entry, result, overlap)
    return sorted(found, key=lambda each: -each.certainty)


def _of_picture(entry: Entry, result: Result) -> list[Conflict]:
    people = entry.label or NO_FISH
    if people == result.label or people not in result.likelihoods:
        return []
    likelihood = result.likelihoods[result.label]
    return [
        Conflict(
            "picture", entry, result.label, people, likelihood, result.likelihoods[people],
            likelihood,
        )
    ]  # fmt: skip


def _of_boxes(entry: Entry, result: Result, overlap: float) -> list[Conflict]:
    drawn = np.array(
        [(box.x, box.y, box.x + box.width, box.y + box.height) for box in entry.boxes], np.float32
    ).reshape(-1, 4)
    seen = np.array([fish.box for fish in result.fish], np.float32).reshape(-1, 4)
    pairs = _matched(iou(seen, drawn), overlap)
    found = []
    for i, j in pairs:
        fish, box = result.fish[i], entry.boxes[j]
        if fish.label != box.label and box.label in fish.likelihoods:
            likelihood = fish.likelihoods[fish.label]
            found.append(
                Conflict(
                    "species", entry, fish.label, box.label, likelihood,
                    fish.likelihoods[box.label], likelihood, _box(fish), box,
                )
            )  # fmt: skip
    matched_fish, matched_boxes = {i for i, _ in pairs}, {j for _, j in pairs}
    for i, fish in enumerate(result.fish):
        if i not in matched_fish:
            found.append(
                Conflict(
                    "extra", entry, fish.label, NO_FISH, fish.likelihoods[fish.label],
                    fish.likelihoods.get(NO_FISH, 0.0), fish.score, _box(fish),
                )
            )  # fmt: skip
    for j, box in enumerate(entry.boxes):
        if j not in matched_boxes:
            # What the picture as a whole says: a fish that the detector passed over may still be
            # in the likelihoods of the picture, and then the model is not so certain.
            likelihood = result.likelihoods.get(box.label, 0.0)
            certainty = 1 - likelihood if box.label in result.likelihoods else 0.0
            found.append(
                Conflict(
                    "missed", entry, NO_FISH, box.label, result.likelihoods.get(NO_FISH, 0.0),
                    likelihood, certainty, None, box,
                )
            )  # fmt: skip
    return found


def _matched(overlaps: NDArray[np.float32], least: float) -> list[tuple[int, int]]:
    """Pairs of rows and columns, each once, the best overlap first."""
    pairs = []
    left = overlaps.copy()
    while left.size and left.max() >= least:
        i, j = np.unravel_index(int(left.argmax()), left.shape)
        pairs.append((int(i), int(j)))
        left[i, :] = left[:, j] = -1
    return pairs


def _box(fish: Fish) -> Box:
    x1, y1, x2, y2 = fish.box
    return Box(fish.label, x1, y1, x2 - x1, y2 - y1)


def rank(found: Sequence[Conflict]) -> list[Conflict]:
    """The most certain first; equals by kind and file, so that the order is always the same."""
    return sorted(found, key=lambda c: (-c.certainty, KINDS.index(c.kind), c.entry.file))
