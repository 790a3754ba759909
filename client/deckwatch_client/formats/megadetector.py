"""megadetector.json: MegaDetector's batch output, format version 1.6.

https://lila.science/megadetector-output-format: fish are detections of the category "animal" with
their species as classifications; a video is one entry with the numbers of its frames. Sizes and
times of pictures stand where MegaDetector itself puts them on request. Ours alone are
`info.deckwatch`, the release and its classes, and a video's `frame_times` in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from deckwatch_client.formats.answers import release_text, told
from deckwatch_client.formats.contract import FormatOptions, Job, Source
from deckwatch_client.formats.files import WholeFile
from deckwatch_client.formats.grouped import Groups
from deckwatch_client.formats.json_files import Items
from deckwatch_client.records import Record
from deckwatch_client.run_info import RunInfo
from deckwatch_client.video import SUFFIXES as VIDEOS
from deckwatch_vision.result import Fish, Result

FILE = "megadetector.json"
VERSION = "1.6"
ANIMAL = "1"
CATEGORIES = {ANIMAL: "animal", "2": "person", "3": "vehicle"}
# EXIF's way of writing times, which MegaDetector copies.
TIME = "%Y:%m:%d %H:%M:%S"
# Enough for a hundredth of a pixel, to which boxes are known, in any picture.
DIGITS = 7
# For a video that could not be opened, as MegaDetector writes it.
NO_RATE = -1
# Rates are above 0, also that of one frame of a live stream, whose time counts from 1970.
_SLOWEST = 1e-6


class MegaDetectorWriter:
    """Pictures as they come, videos after them, as their frames have to be together."""

    def __init__(self, job: Job) -> None:
        self._number = {code: str(place) for place, code in enumerate(job.info.codes)}
        self._file = WholeFile(job.out / FILE)
        self._images = Items(self._file.stream)
        self._videos = Groups()
        self._file.stream.write(_head(job.info))

    def write(self, record: Record) -> None:
        """Take one record."""
        video = record.moment.video if record.moment else record.name
        if record.moment is None and not is_video_name(video):
            self._images.add(self._picture(record))
        else:
            rank = record.moment.frame if record.moment else -1
            self._videos.add(video, record.as_dict(), rank)

    def close(self) -> None:
        """Write the videos and finish the file."""
        for video, frames in self._videos.walk():
            self._images.add_raw(self._video(video, map(Record.from_dict, frames)))
        self._file.stream.write("\n]}\n")
        self._videos.close()
        self._file.close()

    def abort(self) -> None:
        """Drop it."""
        self._videos.close()
        self._file.abort()

    def _picture(self, record: Record) -> dict[str, Any]:
        entry: dict[str, Any] = {"file": record.name}
        if record.result is None:
            return entry | {"failure": _failure(record), "detections": None}
        entry |= _facts(record, record.result)
        return entry | {"detections": self._detections(record.result)}

    def _video(self, video: str, frames: Iterator[Record]) -> Iterator[str]:
        """The text of a video's entry, piece by piece; its frames come in rising order."""
        facts: dict[str, Any] = {}
        numbers: list[int] = []
        times: list[float] = []
        failure, separator = "", ""
        yield f'{{"file": {json.dumps(video)}, "detections": '
        for record in frames:
            if record.result is None or record.moment is None:
                failure = failure or _failure(record)
                continue
            if not numbers:
                facts = _facts(record, record.result)
                yield "["
            numbers.append(record.moment.frame)
            times.append(record.moment.time_s)
            for found in self._detections(record.result):
                yield f"{separator}{json.dumps(found | {'frame_number': numbers[-1]})}"
                separator = ", "
        if numbers:
            yield "]"
        else:
            yield f'null, "failure": {json.dumps(failure)}'
        facts |= {"frame_rate": _rate(numbers, times), "frames_processed": numbers}
        yield f", {json.dumps(facts | {'frame_times': times})[1:]}"

    def _detections(self, result: Result) -> list[dict[str, Any]]:
        width, height = result.image.width, result.image.height
        return [
            {
                "category": ANIMAL,
                "conf": float(fish.score),
                "bbox": relative(fish.box, width, height),
                "classifications": self._classes(fish),
            }
            for fish in result.fish
        ]

    def _classes(self, fish: Fish) -> list[list[Any]]:
        likelihoods = fish.likelihoods or {fish.label: 1.0}
        ranked = sorted(likelihoods.items(), key=lambda pair: -pair[1])
        return [[self._number[code], float(value)] for code, value in ranked]


def open_writer(job: Job) -> MegaDetectorWriter:
    """Write DIR/megadetector.json."""
    return MegaDetectorWriter(job)


def read(path: Any, options: FormatOptions) -> Source:
    """See `megadetector_read`."""
    from deckwatch_client.formats.megadetector_read import read as read_file

    return read_file(path, options)


def is_video_name(name: str) -> bool:
    """Whether MegaDetector's programs, or ours, take a file of this name for a video."""
    return name.lower().endswith((*VIDEOS, ".flv"))


def relative(box: tuple[float, ...], width: int, height: int) -> list[float]:
    """x, y, width, height of a box as shares of the picture, from its top left, within it."""
    x1, x2 = (min(1.0, max(0.0, edge / width)) for edge in box[::2])
    y1, y2 = (min(1.0, max(0.0, edge / height)) for edge in box[1::2])
    return [round(value, DIGITS) for value in (x1, y1, x2 - x1, y2 - y1)]


def _head(info: RunInfo) -> str:
    """The file up to its first image."""
    about = {
        "format_version": VERSION,
        "detector": release_text(info.release),
        "classifier": release_text(info.release),
        "deckwatch": told(info),
    }
    names = {str(place): one.common_name for place, one in enumerate(info.species)}
    described = {
        str(place): one.scientific_name or one.common_name for place, one in enumerate(info.species)
    }
    head = {
        "info": about,
        "detection_categories": CATEGORIES,
        "classification_categories": names,
        "classification_category_descriptions": described,
    }
    return f'{json.dumps(head, indent=1)[:-2]},\n "images": ['


def _facts(record: Record, result: Result) -> dict[str, Any]:
    """Size and time, under the names that MegaDetector gives them."""
    facts: dict[str, Any] = {"width": result.image.width, "height": result.image.height}
    if taken := record.origin.time:
        facts["datetime"] = taken.strftime(TIME)
    return facts


def _rate(numbers: list[int], times: list[float]) -> float:
    """Frames a second, between the first and the last that were taken."""
    if not numbers:
        return NO_RATE
    # Of a single frame of a file it is told by when it comes.
    count, seconds = numbers[-1] - numbers[0], round(times[-1] - times[0], 3)
    if not count:
        count, seconds = numbers[-1], times[-1]
    # Of a first frame alone any rate is right, as 0 frames take 0 s.
    return max(round(count / seconds, 6), _SLOWEST) if count and seconds > 0 else 1.0


def _failure(record: Record) -> str:
    why = record.failure
    return f"{why.code}: {why.message}" if why else "unknown"
