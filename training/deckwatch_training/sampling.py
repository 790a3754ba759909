"""How often each example is seen in an epoch, and which process sees it.

Pictures of a trip are mostly of one or two species; seen as they come, a net learns to say those.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deckwatch_training import balance
from deckwatch_training.config import RunConfig, TrainConfig
from deckwatch_training.dataset import DataSet, Picture
from deckwatch_training.distributed import Group
from deckwatch_training.label_files import read_rows
from deckwatch_vision.errors import UsageError
from deckwatch_vision.species import NO_FISH

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """What sampling looks at: a species code, a vessel (or camera, or group), a weight."""

    code: str
    vessel: Hashable
    weight: float = 1.0


class WeightsFile:
    """The weights of a label and weights file, by picture and label.

    A picture on its own (for a detector) has the largest weight of its rows: it is seen as often as
    the rarest fish on it should be.
    """

    def __init__(self, path: Path, root: Path):
        """Read the file; its `image` is relative to `root`.

        Raises:
            UsageError: the file is missing or has a bad row.
        """
        self.path, self.root = path, root
        held: dict[tuple[str, str], list[float]] = defaultdict(list)
        for row in read_rows(path):
            if row.weight < 0:
                raise UsageError(f"{path}: {row.image} has the weight {row.weight:g}, below 0.")
            held[row.image, row.label].append(row.weight)
        self._rows = {key: sum(each) / len(each) for key, each in held.items()}
        self._pictures: dict[str, float] = {}
        for (image, _), weight in self._rows.items():
            self._pictures[image] = max(weight, self._pictures.get(image, 0.0))

    def picture(self, picture: Picture) -> float:
        """The weight of a picture."""
        return self._pictures[self._name(picture)]

    def of(self, picture: Picture, label: str) -> float:
        """The weight of the animals of a label on a picture; without such a row, the picture's."""
        own = self._pictures[self._name(picture)]
        return self._rows.get((self._name(picture), label), own)

    def apply(self, data: DataSet) -> DataSet:
        """The pictures with their weights.

        Raises:
            UsageError: a picture has no row, or all weights are 0.
        """
        missing = [p for p in data.pictures if self._name(p) not in self._pictures]
        if missing:
            raise UsageError(
                f"{self.path} has no row for {len(missing)} of {len(data)} training pictures, the "
                f"first being {self._name(missing[0])}. Write it from the same data set: "
                "`deckwatch data balance`."
            )
        pictures = [replace(p, weight=self.picture(p)) for p in data.pictures]
        if pictures and not any(p.weight for p in pictures):
            raise UsageError(f"{self.path}: every weight is 0: nothing would be seen.")
        return DataSet(pictures, data.problems)

    def _name(self, picture: Picture) -> str:
        try:
            return picture.path.relative_to(self.root).as_posix()
        except ValueError:
            return picture.path.as_posix()


def kind(config: TrainConfig) -> str:
    """The sampling of a configuration, its default resolved."""
    if config.run.sampling:
        return config.run.sampling
    if config.data.weights:
        return "weights"
    return "sqrt" if config.task == "classifier" else "natural"


def weights(rows: Sequence[Seen], how: str) -> Floats | None:
    """How likely each row is drawn, summing to 1; None: each is seen once.

    Raises:
        UsageError: no such sampling.
    """
    if how == "natural":
        return None
    count = Counter(row.code for row in rows)
    if how == "sqrt":
        found = np.array([count[row.code] ** -0.5 for row in rows])
    elif how == "class":
        found = np.array([1.0 / count[row.code] for row in rows])
    elif how == "vessel":
        cells = balance.weights(
            balance.count((row.vessel, row.code) for row in rows), equal_vessels=True
        )
        found = np.array([cells[row.vessel, row.code] for row in rows])
    elif how == "weights":
        found = np.array([row.weight for row in rows], np.float64)
    else:
        raise UsageError(
            f"No sampling {how!r}. Set run.sampling to natural, sqrt, class, vessel or weights."
        )
    return np.asarray(found / found.sum(), np.float64)


def picture_weights(data: DataSet, config: TrainConfig) -> Floats | None:
    """How likely each picture is drawn for a detector; None: each is seen once.

    A picture's weight is that of its rarest animal, with "NoF" where there is none.
    """
    how = kind(config)
    if how in ("natural", "weights"):
        rows = [Seen(NO_FISH, p.group, p.weight) for p in data.pictures]
        return weights(rows, how)
    animals: list[Seen] = []
    owners: list[int] = []
    for i, picture in enumerate(data.pictures):
        for name in picture.names or (NO_FISH,):
            animals.append(Seen(config.data.species.get(name, NO_FISH), picture.group))
            owners.append(i)
    each = weights(animals, how)
    found = np.zeros(len(data))
    if each is not None:
        np.maximum.at(found, owners, each)
    return np.asarray(found / found.sum(), np.float64)


def draw(count: int, wanted: int, likely: Floats | None, rng: np.random.Generator) -> Ints:
    """`wanted` of `count` rows in random order: as `likely` says, or each once."""
    if likely is None:
        order = rng.permutation(count)[:wanted]
    else:
        order = rng.choice(count, wanted, p=likely)
    return np.asarray(order, np.int64)


def mine(
    order: Sequence[int] | Ints, steps: int, run: RunConfig, group: Group, start: int
) -> list[int]:
    """Of an epoch's examples, step by step, those of this process from the step `start` on.

    Every step's batch is cut into `run.accumulate` parts, and each of them into one piece a
    process, so that all processes together see what one alone would.
    """
    if group.world == run.accumulate == 1:
        return [int(i) for i in order[start * run.batch :]]
    # Fewer examples than one batch: some come twice.
    whole = np.resize(np.asarray(order, np.int64), steps * run.batch)
    piece = run.batch // (run.accumulate * group.world)
    cut = whole.reshape(steps, run.accumulate, group.world, piece)
    return [int(i) for i in cut[start:, :, group.rank].ravel()]


def piece(run: RunConfig, group: Group) -> int:
    """Examples of one part of a step in one process."""
    return run.batch // (run.accumulate * group.world)
