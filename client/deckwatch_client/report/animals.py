"""From records to animals: what stands for one animal in the counts.

In photographs every fish is one. In a video a fish that was followed is one, however many frames
show it; its likelihoods are the mean over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from deckwatch_client.records import Record
from deckwatch_vision.result import Fish
from deckwatch_vision.species import NO_FISH


@dataclass(frozen=True, slots=True)
class Sight:
    """A fish in a record."""

    record: Record
    fish: Fish

    def alone(self) -> Sight:
        """The same, its record cut down to this fish: a long list would keep all the others."""
        if self.record.result is None:
            raise ValueError(f"{self.record.name} has no result, so no fish")
        result = replace(self.record.result, fish=(self.fish,))
        record = replace(self.record, result=result, tracks=(), static=(), unchanged=())
        return Sight(record, self.fish)


@dataclass(frozen=True, slots=True)
class Animal:
    """One animal.

    likelihoods: of every class, in the run's class order; chances: the same with the detector's
    doubt, see `chances`. frames: in how many of a video it was followed; 0 where it was not.
    first: the record in which it was seen first.
    """

    label: str
    likelihoods: tuple[float, ...]
    chances: tuple[float, ...]
    best: Sight
    first: Record
    frames: int = 0

    def alone(self) -> Animal:
        """The same without what else its records hold, to be kept for long; `first` is gone."""
        best = self.best.alone()
        return replace(self, best=best, first=best.record)


class Animals:
    """Gathers the animals of a run, record by record.

    The frames of one video have to come one after the other, as a run writes them: at the next
    video its tracks are finished.
    """

    def __init__(self, codes: Sequence[str]) -> None:
        self._codes = tuple(codes)
        self._video: str | None = None
        self._tracks: dict[int, _Track] = {}

    def of(self, record: Record) -> Iterator[Animal]:
        """The animals that are complete with this record."""
        video = record.moment.video if record.moment else None
        if video != self._video:
            yield from self.rest()
            self._video = video
        if record.result is None:
            return
        for place, fish in enumerate(record.result.fish):
            track = record.tracks[place] if place < len(record.tracks) else None
            if video is not None and track is not None:
                row = self._row(fish)
                chances = self._chances(row, fish.score)
                self._tracks.setdefault(track, _Track()).add(record, fish, row, chances)
            else:
                row = self._row(fish)
                chances = self._chances(row, fish.score)
                yield Animal(fish.label, row, chances, Sight(record, fish), record)

    def rest(self) -> Iterator[Animal]:
        """The animals followed in the last video; call it after the last record."""
        for track in self._tracks.values():
            yield track.animal(self._codes)
        self._tracks = {}

    def _chances(self, likelihoods: Sequence[float], score: float) -> tuple[float, ...]:
        """How likely it is that something of each class is there.

        The classifier says what a fish is, the score whether there is one: its doubt goes to "no
        fish", as where a release joins the fish of a picture (`deckwatch_vision.fusion`).
        """
        found = [score * each for each in likelihoods]
        if NO_FISH in self._codes:
            found[self._codes.index(NO_FISH)] += 1 - score
        return tuple(found)

    def _row(self, fish: Fish) -> tuple[float, ...]:
        return tuple([fish.likelihoods.get(code, 0.0) for code in self._codes])


@dataclass(slots=True)
class _Track:
    """A fish that is being followed."""

    likelihoods: list[float] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)
    frames: int = 0
    best: Sight | None = None
    first: Record | None = None

    def add(
        self, record: Record, fish: Fish, likelihoods: Sequence[float], chances: Sequence[float]
    ) -> None:
        self.likelihoods = _added(self.likelihoods, likelihoods)
        self.chances = _added(self.chances, chances)
        self.frames += 1
        if self.best is None or fish.score > self.best.fish.score:
            self.best = Sight(record, fish).alone()
        if self.first is None:
            self.first = self.best.record

    def animal(self, codes: Sequence[str]) -> Animal:
        if self.best is None or self.first is None:
            raise ValueError("a track begins with its first fish")
        mean = tuple(total / self.frames for total in self.likelihoods)
        chances = tuple(total / self.frames for total in self.chances)
        named = {code: one for code, one in zip(codes, mean, strict=True) if code != NO_FISH}
        label = max(named, key=lambda code: named[code])
        return Animal(label, mean, chances, self.best, self.first, self.frames)


def _added(sums: Sequence[float], row: Sequence[float]) -> list[float]:
    return [total + one for total, one in zip(sums, row, strict=True)] if sums else list(row)
