"""coco.json, a COCO data set, and coco-results.json, the results that are evaluated against one.

https://cocodataset.org/#format-data: categories are the classes that a fish can be of, in the
release's order, numbered from 1; "no fish" is none of them. Images are numbered by their place in
the run from 1, also in the results. Pictures that failed are no images, as nobody knows their size:
they stand under `failures`, which other programs pass over.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from deckwatch_client.formats.answers import fish_species, release_text, told
from deckwatch_client.formats.contract import FormatOptions, Job, Source
from deckwatch_client.formats.files import WholeFile
from deckwatch_client.formats.json_files import Items
from deckwatch_client.records import Record
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.result import Fish, Result

FILE = "coco.json"


class CocoWriter:
    """Images go to the file at once; annotations and failures wait in files of their own."""

    def __init__(self, job: Job) -> None:
        self._numbers = category_numbers(job.info)
        self._file = WholeFile(job.out / FILE)
        self._lists: dict[str, IO[str]] = {
            name: tempfile.TemporaryFile("w+", encoding="utf-8", dir=job.out)  # noqa: SIM115 -- closed by close and abort
            for name in ("annotations", "failures")
        }
        self._items = {name: Items(stream) for name, stream in self._lists.items()}
        self._images = Items(self._file.stream)
        self._place = self._annotation = 0
        self._file.stream.write(_head(job.info))

    def write(self, record: Record) -> None:
        """Take one record."""
        self._place += 1
        result, why = record.result, record.failure
        if result is None:
            reason = {"code": why.code, "message": why.message} if why else {}
            image = {"id": self._place, "file_name": record.name} | _facts(record)
            self._items["failures"].add(image | reason)
            return
        self._images.add(_image(self._place, record, result))
        for fish, track in zip(
            result.fish, record.tracks or (None,) * len(result.fish), strict=True
        ):
            self._annotation += 1
            box = xywh(fish)
            annotation = {
                "id": self._annotation,
                "image_id": self._place,
                "category_id": self._numbers[fish.label],
                "bbox": box,
                "area": round(box[2] * box[3], 4),
                "iscrowd": 0,
                "segmentation": [],
                "score": fish.score,
            }
            self._items["annotations"].add(
                annotation if track is None else annotation | {"track_id": track}
            )

    def close(self) -> None:
        """Put the lists behind the images and finish the file."""
        for name, stream in self._lists.items():
            self._file.stream.write(f'\n],\n"{name}": [')
            stream.seek(0)
            shutil.copyfileobj(stream, self._file.stream)
            stream.close()
        self._file.stream.write("\n]}\n")
        self._file.close()

    def abort(self) -> None:
        """Drop it."""
        for stream in self._lists.values():
            with suppress(OSError):  # a full disk refuses what is still to be flushed
                stream.close()
        self._file.abort()


def open_writer(job: Job) -> CocoWriter:
    """Write DIR/coco.json."""
    return CocoWriter(job)


def read(path: Path, options: FormatOptions) -> Source:
    """See `coco_read`."""
    from deckwatch_client.formats.coco_read import read_data_set

    return read_data_set(path)


def category_numbers(info: RunInfo) -> dict[str, int]:
    """The category's number by species code."""
    return {one.code: number for number, one in enumerate(fish_species(info), 1)}


def xywh(fish: Fish) -> list[float]:
    """x, y, width, height in pixels, to the hundredths that boxes have."""
    x1, y1, x2, y2 = fish.box
    return [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)]


def _head(info: RunInfo) -> str:
    about = {"description": f"Fish found by {release_text(info.release)}"}
    categories = [
        {
            "id": number,
            "name": one.code,
            "supercategory": "fish",
            "common_name": one.common_name,
            "scientific_name": one.scientific_name,
        }
        for number, one in enumerate(fish_species(info), 1)
    ]
    head = {"info": about | {"deckwatch": told(info)}, "licenses": [], "categories": categories}
    return f'{json.dumps(head, indent=1)[:-2]},\n"images": ['


def _image(place: int, record: Record, result: Result) -> dict[str, Any]:
    image = {
        "id": place,
        "file_name": record.name,
        "width": result.image.width,
        "height": result.image.height,
        "label": result.label,
    }
    more = {"sha256": result.image.sha256, "looks": record.looks}
    return image | _facts(record) | {key: value for key, value in more.items() if value is not None}


def _facts(record: Record) -> dict[str, Any]:
    """Where and when, under the names that `deckwatch data` gives them, and the video's frame."""
    origin, moment = record.origin, record.moment
    facts: dict[str, Any] = {
        "vessel": origin.vessel,
        "camera": origin.camera,
        "captured_at": origin.captured_at,
        "date_captured": origin.captured_at,
    }
    if moment is not None:
        facts |= {"video": moment.video, "time_s": moment.time_s, "frame": moment.frame}
    return {key: value for key, value in facts.items() if value is not None}
