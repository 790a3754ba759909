"""MegaDetector's batch output read back: our own, MegaDetector's, and that of classifiers after it.

A detection's species is its likeliest classification, else its category: "animal" and "fish" are a
fish of another kind (OTHER), people and vehicles are no fish and left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from deckwatch_client.formats.answers import (
    code_of,
    picture_size,
    release_of,
    result_of,
    run_info,
)
from deckwatch_client.formats.contract import FormatOptions, Source
from deckwatch_client.formats.fields import Object
from deckwatch_client.formats.json_files import items, walk
from deckwatch_client.formats.megadetector import TIME
from deckwatch_client.records import Failure, Moment, Origin, Record, frame_name
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.errors import DeckwatchError, UsageError
from deckwatch_vision.result import Fish
from deckwatch_vision.species import NO_FISH

# Boxes are told to a hundredth of a pixel, as results are.
_DIGITS = 2
_EMPTY: dict[str, str] = {}


@dataclass(frozen=True)
class _Legend:
    """What the numbers of categories mean as codes; None is no fish."""

    info: RunInfo
    detections: dict[str, str | None]
    classes: dict[str, str | None]
    pictures: Path | None


def read(path: Path, options: FormatOptions) -> Source:
    """The records of a file: pictures, and the frames of videos."""
    legend = _legend(path, options)
    return legend.info, _records(path, legend)


def _legend(path: Path, options: FormatOptions) -> _Legend:
    # Two passes: the categories may stand after the images.
    head = {part.key: part.value for part in walk(path) if part.place is None}
    if "detection_categories" not in head:
        raise UsageError(f"{path} has no detection_categories: it is no output of MegaDetector.")
    about = Object(f"{path}, info", head.get("info", {}))
    detections = _names(path, head, "detection_categories")
    classes = _names(path, head, "classification_categories")
    ours = about.value.get("deckwatch")
    if ours is not None:
        info = RunInfo.from_dict(ours)
        codes: dict[str, str | None] = {str(i): code for i, code in enumerate(info.codes)}
        return _Legend(info, _codes(detections), codes, options.pictures)
    release = release_of(about.text_or_none("classifier") or about.text_or_none("detector"))
    found = _codes(classes) | {}
    named = [code for code in (*found.values(), *_codes(detections).values()) if code]
    return _Legend(run_info(release, named), _codes(detections), found, options.pictures)


def _names(path: Path, head: dict[str, Any], key: str) -> dict[str, str]:
    given = Object(f"{path}, {key}", head.get(key) or _EMPTY)
    return {number: given.text(number) for number in given.value}


def _codes(names: dict[str, str]) -> dict[str, str | None]:
    return {number: code_of(name) for number, name in names.items()}


def _records(path: Path, legend: _Legend) -> Iterator[Record]:
    for where, value in items(path, "images"):
        entry = Object(where, value)
        name = entry.text("file")
        if value.get("failure") is not None:
            yield Record(name, failure=_failure(entry.text("failure")), origin=_origin(entry))
        elif "frames_processed" in value or "frame_rate" in value:
            yield from _frames(entry, name, legend)
        else:
            size = _size(entry, name, legend)
            fish = _fish(entry.objects("detections"), size, legend)
            result = result_of(name, size, fish, legend.info.release)
            yield Record(name, result, origin=_origin(entry))


def _frames(entry: Object, video: str, legend: _Legend) -> Iterator[Record]:
    """A record for each frame that was looked at, or at least for each with a detection."""
    found: dict[int, list[Object]] = {}
    for detection in entry.objects("detections"):
        found.setdefault(detection.whole("frame_number"), []).append(detection)
    numbers = entry.value.get("frames_processed", sorted(found))
    if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
        raise entry.error("frames_processed", "a list of whole numbers")
    times = entry.value.get("frame_times")
    if times is None:
        rate = entry.number("frame_rate")
        if rate <= 0:
            raise entry.error("frame_rate", "a number above 0")
        times = [round(number / rate, 3) for number in numbers]
    else:
        times = entry.numbers("frame_times", len(numbers))
    size = _size(entry, video, legend) if numbers else (0, 0)
    for number, time_s in zip(numbers, times, strict=True):
        name = frame_name(video, time_s)
        fish = _fish(found.pop(number, []), size, legend)
        result = result_of(name, size, fish, legend.info.release)
        yield Record(name, result, origin=_origin(entry), moment=Moment(video, time_s, number))
    if found:
        raise DeckwatchError(
            f"{entry.where}: frame_number {min(found)} is not among frames_processed."
        )


def _fish(given: list[Object], size: tuple[int, int], legend: _Legend) -> list[Fish]:
    fish = []
    for detection in given:
        likelihoods = _classes(detection, legend)
        category = detection.text("category")
        label = legend.detections.get(category)
        if label is None:
            continue
        named = {code: value for code, value in likelihoods.items() if code != NO_FISH}
        if named:
            label = max(named, key=named.__getitem__)
        full = set(likelihoods) == set(legend.info.codes)
        ordered = {code: likelihoods[code] for code in legend.info.codes} if full else {}
        box = _pixels(detection.numbers("bbox", 4), size)
        fish.append(Fish(box, detection.number("conf"), label, ordered))
    return fish


def _classes(detection: Object, legend: _Legend) -> dict[str, float]:
    """Likelihoods by code; those of classes that mean the same are added."""
    found: dict[str, float] = {}
    for pair in detection.value.get("classifications") or ():
        if not isinstance(pair, list) or len(pair) != 2 or pair[0] not in legend.classes:
            raise detection.error("classifications", "pairs of a known class and a number")
        code = legend.classes[pair[0]] or NO_FISH
        found[code] = found.get(code, 0.0) + float(pair[1])
    return found


def _pixels(bbox: tuple[float, ...], size: tuple[int, int]) -> tuple[float, float, float, float]:
    x, y, width, height = bbox
    edges = (x * size[0], y * size[1], (x + width) * size[0], (y + height) * size[1])
    x1, y1, x2, y2 = (round(edge, _DIGITS) for edge in edges)
    return x1, y1, x2, y2


def _size(entry: Object, name: str, legend: _Legend) -> tuple[int, int]:
    if "width" in entry.value:
        return entry.whole("width"), entry.whole("height")
    return picture_size(name, legend.pictures)


def _origin(entry: Object) -> Origin:
    told = entry.text_or_none("datetime")
    if told is None:
        return Origin()
    try:
        return Origin(captured_at=datetime.strptime(told, TIME).isoformat())
    except ValueError:
        return Origin()


def _failure(text: str) -> Failure:
    """Code and sentence; another program's failure is of no code of ours."""
    code, colon, message = text.partition(": ")
    if colon and code.replace("-", "").isalpha() and code.islower():
        return Failure(code, message)
    return Failure("image-error", text)
