"""COCO data sets and results read back, ours and other programs'.

Category names are codes, or names that mean one (see `answers.code_of`). An annotation without a
score is somebody's word and counts as certain. Crowds are left out, as they are many animals.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

from deckwatch_client.formats.answers import UNKNOWN, code_of, result_of, run_info
from deckwatch_client.formats.contract import Source
from deckwatch_client.formats.fields import Object
from deckwatch_client.formats.grouped import Groups
from deckwatch_client.formats.json_files import items, walk
from deckwatch_client.records import Failure, Moment, Origin, Record
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.errors import UsageError
from deckwatch_vision.result import Fish, ImageInfo, Result

Codes = dict[int, str | None]


def read_data_set(path: Path) -> Source:
    """The images of a data set with their annotations as fish."""
    info, codes = _legend(path)
    return info, _records(path, path, "annotations", info, codes)


def read_results(path: Path, images: Path | None) -> Source:
    """Results, with the images of the data set that they are of.

    Raises:
        UsageError: no data set was given.
    """
    if images is None:
        raise UsageError(
            f"{path} holds numbers of images and categories alone. Give the COCO data set that "
            "they are of with --images."
        )
    info, codes = _legend(images)
    return info, _records(images, path, "", info, codes)


def _legend(path: Path) -> tuple[RunInfo, Codes]:
    """The run, and what the categories' numbers mean; None is no fish."""
    ours, codes, images = None, {}, False
    for part in walk(path):
        if part.key == "info" and part.place is None:
            ours = Object(f"{path}, info", part.value).value.get("deckwatch")
        elif part.key == "categories" and part.place is not None and part.place >= 0:
            category = Object(f"{path}, {part.where}", part.value)
            codes[category.whole("id")] = code_of(category.text("name"))
        images = images or part.key == "images"
    if not images:
        raise UsageError(f"{path} has no images: it is no COCO data set.")
    if ours is not None:
        return RunInfo.from_dict(ours), codes
    return run_info(UNKNOWN, (code for code in codes.values() if code)), codes


def _records(
    images: Path, annotations: Path, key: str, info: RunInfo, codes: Codes
) -> Iterator[Record]:
    groups = Groups()
    try:
        for where, value in items(annotations, key):
            if not value.get("iscrowd"):
                groups.add(str(Object(where, value).whole("image_id")), [where, value])
        # Both lists go up by the image's number where we wrote them.
        found = (_picture(Object(*each), groups, info, codes) for each in items(images, "images"))
        failed = (_failure(Object(*each)) for each in items(images, "failures"))
        for _, record in heapq.merge(found, failed, key=lambda pair: pair[0]):
            yield record
    finally:
        groups.close()


def _picture(image: Object, groups: Groups, info: RunInfo, codes: Codes) -> tuple[int, Record]:
    number, name = image.whole("id"), image.text("file_name")
    fish, tracks = [], []
    for where, value in groups.take(str(number)):
        annotation = Object(where, value)
        category = annotation.whole("category_id")
        if category not in codes:
            raise annotation.error("category_id", "the number of a category")
        code = codes[category]
        if code is not None:
            fish.append(_fish(annotation, code))
            tracks.append(annotation.whole("track_id") if "track_id" in value else None)
    size = (image.whole("width"), image.whole("height"))
    result = result_of(name, size, fish, info.release, image.text_or_none("label"))
    if sha256 := image.text_or_none("sha256"):
        info_with = ImageInfo(name, *size, sha256)
        result = Result(result.label, {}, result.fish, info_with, info.release)
    return number, Record(
        name,
        result,
        origin=_origin(image),
        moment=_moment(image),
        looks=image.text_or_none("looks"),
        tracks=tuple(tracks) if any(track is not None for track in tracks) else (),
    )


def _fish(annotation: Object, code: str) -> Fish:
    x, y, width, height = annotation.numbers("bbox", 4)
    box = (x, y, round(x + width, 2), round(y + height, 2))
    score = annotation.number("score") if "score" in annotation.value else 1.0
    return Fish(box, score, code, {})


def _failure(image: Object) -> tuple[int, Record]:
    why = Failure(image.text("code"), str(image.value.get("message", "")))
    name, origin = image.text("file_name"), _origin(image)
    return image.whole("id"), Record(name, failure=why, origin=origin, moment=_moment(image))


def _origin(image: Object) -> Origin:
    taken = image.text_or_none("captured_at") or image.text_or_none("date_captured")
    return Origin(image.text_or_none("camera"), image.text_or_none("vessel"), taken)


def _moment(image: Object) -> Moment | None:
    if "video" not in image.value:
        return None
    return Moment(image.text("video"), image.number("time_s"), image.whole("frame"))
