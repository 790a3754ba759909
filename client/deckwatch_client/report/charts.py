"""What the timeline shows: for every camera, or video without a time, what was seen in each bin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from deckwatch_client.pictures import printable
from deckwatch_client.report.clips import Clips
from deckwatch_client.report.times import Seen, Times, binned, unit_for


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    starts: each bin's start in words, ticks: in short; seen: what was seen there; each: the length
    of a bin in words.
    """

    title: str
    each: str
    starts: Sequence[str]
    ticks: Sequence[str]
    seen: Sequence[Seen]

    @property
    def pictures(self) -> int:
        """All pictures in it."""
        return sum(one.pictures for one in self.seen)

    @property
    def animals(self) -> int:
        """All animals in it."""
        return sum(sum(one.animals) for one in self.seen)

    def of_class(self, place: int) -> int:
        """The animals of one class."""
        return sum(one.animals[place] for one in self.seen)


def of_cameras(times: Times) -> Iterator[Chart]:
    """Period by period, with the same axis for all cameras of one."""
    for first, last in times.periods():
        unit = unit_for(first, last)
        bins = unit.bins(first, last)
        starts = [start.strftime(unit.form) for start in bins]
        ticks = [start.strftime(unit.brief) for start in bins]
        for name, camera in times.cameras.items():
            seen = binned(camera, unit, bins)
            chart = Chart(
                f"{printable(name)}, {_span(first, last)}", unit.name, starts, ticks, seen
            )
            if chart.pictures or chart.animals:
                yield chart


def of_videos(clips: Clips) -> Iterator[Chart]:
    """Video by video, by the time since its start."""
    for video in sorted(clips.videos):
        step_s, seen = clips.binned(video)
        starts = [_clock(step_s * place) for place in range(len(seen))]
        each = _length(step_s)
        yield Chart(f"{printable(video)}, by the time since its start", each, starts, starts, seen)


def _length(seconds: int) -> str:
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0:
            return name if seconds == size else f"{seconds // size} {name}s"
    return f"{seconds} seconds"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _span(first: datetime, last: datetime) -> str:
    days = first.date().isoformat(), last.date().isoformat()
    return days[0] if days[0] == days[1] else f"{days[0]} to {days[1]}"
