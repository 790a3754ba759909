"""A picture that a person is asked to label: the same for every tool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deckwatch_serving.keep import Kept
from deckwatch_training.catalogue import Box, Entry
from deckwatch_vision.species import NO_FISH

# What a release's answers are called where a task says where its picture came from.
SOURCE = "production"


@dataclass(frozen=True, slots=True)
class Task:
    """One picture, by the name `file` that it has in the folder of tasks; rank 1 comes first."""

    rank: int
    file: str
    kept: Kept

    @property
    def release(self) -> str:
        """Name and version of the release that answered."""
        release = self.kept.result.release
        return f"{release.name} {release.version}"

    @property
    def why(self) -> str:
        """The reasons for which it was kept, the strongest first, for people."""
        ranked = sorted(self.kept.reasons.items(), key=lambda pair: -pair[1])
        return ", ".join(f"{name} {strength:.2f}" for name, strength in ranked)

    @property
    def entry(self) -> Entry:
        """The model's answer as an entry of a data set."""
        result, origin = self.kept.result, self.kept.origin
        boxes = []
        for fish in result.fish:
            x1, y1, x2, y2 = fish.box
            boxes.append(Box(fish.label, x1, y1, x2 - x1, y2 - y1))
        return Entry(
            self.file, result.image.width, result.image.height, tuple(boxes),
            None if boxes else result.label, vessel=origin.vessel, camera=origin.camera,
            captured_at=origin.captured_at, source=SOURCE, night=self.kept.night,
        )  # fmt: skip


def labels_of(tasks: Iterable[Task], further: Sequence[str] = ()) -> list[str]:
    """The codes that a box may have: those of the releases that answered, then `further`.

    "No fish" is none of them: a picture without boxes says it.
    """
    found: dict[str, None] = {}
    for task in tasks:
        found |= dict.fromkeys(task.kept.result.likelihoods)
    found |= dict.fromkeys(further)
    return [code for code in found if code != NO_FISH]
