"""Simulated fixed cameras with look-alikes: what is in their pictures, and what is seen in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import part
from deckwatch_client.background.options import BackgroundOptions
from deckwatch_client.background.sample import EvenSample
from deckwatch_client.background.stage import BackgroundStage
from deckwatch_client.local import LocalBackend
from deckwatch_training import simulate
from deckwatch_training.catalogue import Entry
from deckwatch_vision.boxes import iou
from deckwatch_vision.result import Fish, Result
from deckwatch_vision.species import NO_FISH

LOOKALIKES = 5
# A fish is found where its box and the true one overlap by this much of their union.
HIT = 0.5


@dataclass(frozen=True)
class Amount:
    """How much is measured: cameras of each half, sequences of each, frames of a sequence."""

    mode: str
    cameras: int
    sequences: int
    frames: int
    photos: int


FULL = Amount("full", cameras=12, sequences=3, frames=24, photos=160)
QUICK = Amount("quick", cameras=2, sequences=1, frames=10, photos=12)


@dataclass(frozen=True)
class Seen:
    """A simulated picture, its truth, and what the release makes of it alone."""

    entry: Entry
    sequence: int
    data: bytes
    result: Result

    @property
    def boxes(self) -> NDArray[np.float32]:
        """The true ones, [F,4] x1 y1 x2 y2."""
        corners = [(b.x, b.y, b.x + b.width, b.y + b.height) for b in self.entry.boxes]
        return np.array(corners, np.float32).reshape(-1, 4)

    @property
    def truth(self) -> set[str]:
        """The demo release's classes that are in the picture."""
        return {"SHARK" if b.label == "SHARK" else "OTHER" for b in self.entry.boxes} or {NO_FISH}

    def real(self, fish: Iterable[Fish]) -> list[bool]:
        """For each fish, best first, whether it is one of the true ones, none counted twice."""
        left = list(self.boxes)
        found = []
        for one in fish:
            overlaps = [
                float(iou(np.array([one.box], np.float32), box[None])[0, 0]) for box in left
            ]
            hit = bool(overlaps) and max(overlaps) >= HIT
            if hit:
                left.pop(int(np.argmax(overlaps)))
            found.append(hit)
        return found


def seen_by(folder: Path, seed: int, amount: Amount, backend: LocalBackend) -> list[Seen]:
    """Simulate a half of the cameras, and recognise every picture of theirs."""
    part.say(f"drawing and recognising {folder.name}")
    per_camera = amount.sequences * amount.frames
    data = simulate.write(
        folder, pictures=amount.cameras * per_camera, vessels=amount.cameras, seed=seed,
        night_share=0.5, skew=0.5, frames=amount.frames, lookalikes=LOOKALIKES,
    )  # fmt: skip
    found, numbers = [], dict.fromkeys((entry.camera for entry in data.entries), 0)
    for entry in data.entries:
        content = data.path(entry).read_bytes()
        sequence = numbers[entry.camera] // amount.frames
        numbers[entry.camera] += 1
        found.append(Seen(entry, sequence, content, backend.infer(content)))
    return found


def learnt_from(seen: Sequence[Seen], folder: Path, **options: Any) -> BackgroundStage:
    """A stage that has learnt from these pictures, as a batch would."""
    stage = BackgroundStage(folder, BackgroundOptions(**options))
    sample: EvenSample[bytes] = EvenSample(2 * stage.options.sample)
    for each in seen:
        sample.offer(each.entry.camera, each.data)
    stage.learn_from(sample.chosen())
    return stage


def dropped_from(
    stage: BackgroundStage, each: Seen
) -> tuple[Result, tuple[Fish, ...], tuple[float, ...]]:
    """What `BackgroundStage.recognise` makes of a picture, without recognising it again."""
    return stage.recognise(each.data, each.entry.camera, lambda _: each.result)
