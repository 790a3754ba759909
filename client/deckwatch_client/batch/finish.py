"""From the log to results: records in order, videos followed, every format written in one pass."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from deckwatch_client.batch.index import Index
from deckwatch_client.batch.log import Log, disk_error
from deckwatch_client.batch.plan import COPIES, Plan
from deckwatch_client.formats.table import FORMATS, open_writers
from deckwatch_client.logs import speaker
from deckwatch_client.pictures import printable
from deckwatch_client.pixels import PixelSource
from deckwatch_client.records import Record
from deckwatch_client.run_info import RunInfo
from deckwatch_client.video import is_stream
from deckwatch_vision.errors import DeckwatchError


class Stopped(Exception):  # noqa: N818
    """The user wants to stop; the next run finishes."""


@dataclass(slots=True)
class Tally:
    """What the results hold: by label pictures and fish, by code failures.

    tracks: distinct fish of the videos by label, see `video.count`. gone: pictures that could not
    be read again, for crops and overlays.
    """

    pictures: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    by_label: Counter[str] = field(default_factory=Counter)
    fish: Counter[str] = field(default_factory=Counter)
    tracks: Counter[str] = field(default_factory=Counter)
    gone: int = 0

    @property
    def failed(self) -> int:
        """Pictures without a result."""
        return self.failures.total()

    def add(self, record: Record) -> None:
        """Count a record."""
        self.pictures += 1
        if record.failure is not None:
            self.failures[record.failure.code] += 1
        if record.result is not None:
            self.by_label[record.result.label] += 1
            self.fish.update(each.label for each in record.result.fish)


def finish(
    plan: Plan,
    info: RunInfo,
    log: Log,
    index: Index,
    stop: threading.Event,
    tick: Callable[[int], object],
) -> Tally:
    """Write the results of everything that the log holds.

    Args:
        plan: names the formats.
        info: what the run was made with.
        log: the records.
        index: their order.
        stop: set when the user wants to stop.
        tick: called with the number of records written so far.

    Raises:
        Stopped: the user wanted to stop; nothing of the results was changed.
        DeckwatchError: the disk refuses, or a format does.
    """
    tally = Tally()
    pixels = PixelSource(tell=lambda text: speaker().warning("picture gone", text))
    try:
        with open_writers(plan.all_formats, info, plan.out, pixels, plan.format_options) as writers:
            for record in _followed(_records(log, index), plan, tally.tracks, stop):
                if stop.is_set():
                    raise Stopped
                complete = plan.origins.complete(record)
                writers.write(complete)
                tally.add(complete)
                tick(tally.pictures)
    except OSError as error:
        raise disk_error(error, plan.out) from None
    tally.gone = pixels.gone
    return tally


def written(plan: Plan) -> list[str]:
    """The files and folders that a finished run leaves."""
    left = [str(plan.out / name) for each in plan.all_formats for name in FORMATS[each].writes]
    copies = plan.out / COPIES
    return [*left, str(copies)] if plan.video.annotate and copies.is_dir() else left


def _records(log: Log, index: Index) -> Iterator[Record]:
    for start, length, failed, seen in index.lines():
        record = Record.from_dict(log.read(start, length))
        if failed and not seen and _gone(record):
            continue  # a path that was wrong, and that nobody names any more
        yield record


def _gone(record: Record) -> bool:
    path = record.moment.video if record.moment else record.name
    try:
        return "://" not in path and not os.path.lexists(path)
    except ValueError:
        return True


def _followed(
    records: Iterator[Record], plan: Plan, tracks: Counter[str], stop: threading.Event
) -> Iterator[Record]:
    """The records, those of each video's frames followed, and its fish counted into `tracks`."""
    asked = plan.video.track or plan.video.average or plan.video.annotate
    hinted = False
    for video, found in groupby(records, key=lambda each: each.moment and each.moment.video):
        if video is None or not asked:
            yield from found
            continue
        from deckwatch_client.video.count import count
        from deckwatch_client.video.follow import follow
        from deckwatch_client.video.tracks import HINT, can_follow

        if plan.video.track and not hinted and not can_follow():
            speaker().warning("fish not followed", HINT)
            hinted = True
        followed = list(follow(found, plan.video))
        for counted in count(followed).values():
            tracks.update(counted.labelled)
        yield from followed
        if plan.video.annotate and not is_stream(video):
            _annotate(video, followed, plan, stop)


def _annotate(video: str, records: list[Record], plan: Plan, stop: threading.Event) -> None:
    """Write the annotated copy of a video; that it cannot be written costs nothing else."""
    from deckwatch_client.video.annotate import annotate, copy_path

    def until_stopped() -> Iterator[Record]:
        for record in records:
            if stop.is_set():
                raise Stopped
            yield record

    if all(record.result is None for record in records):
        return  # nothing of it could be read
    target = copy_path(plan.out / COPIES, video)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        annotate(video, until_stopped(), target)
    except DeckwatchError as error:
        speaker().warning("no annotated copy", f"{printable(video)}: {error.message}", image=video)
