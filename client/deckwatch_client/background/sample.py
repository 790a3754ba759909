"""A few of very many pictures of each camera, evenly spaced, without keeping all their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class EvenSample(Generic[Item]):
    """Picks items of each camera as they are walked past: every 1st, 2nd, 4th, ...

    The same walk gives the same sample. Of each camera at least `size` items are kept where there
    are so many, and fewer than twice as many.

        sample = EvenSample(60)
        for source in walk:
            sample.offer(source.camera, source)
        stage.learn_from((camera, read(source)) for camera, source in sample.chosen())
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[str | None, list[Item]] = {}
        self._step: dict[str | None, int] = {}
        self._seen: dict[str | None, int] = {}

    def offer(self, camera: str | None, item: Item) -> None:
        """Walk past one item of a camera, None where the camera is not known."""
        seen = self._seen.get(camera, 0)
        self._seen[camera] = seen + 1
        step = self._step.setdefault(camera, 1)
        if seen % step:
            return
        kept = self._kept.setdefault(camera, [])
        kept.append(item)
        if len(kept) >= 2 * self._size:
            self._kept[camera] = kept[::2]
            self._step[camera] = 2 * step

    def chosen(self) -> Iterator[tuple[str | None, Item]]:
        """The items kept, camera by camera and in the order walked."""
        for camera, kept in self._kept.items():
            for item in kept:
                yield camera, item
